//! One reading of the machine, before and after each round of steps. Changes nothing.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::machine::{Daemon, Folder, Machine, Software, UnitState};
use super::{Package, Unit};
use crate::inventory::{Domain, Format, Paths, Run, Site, SupervisordAddress, UserName, naming};
use crate::system::files::Files;

/// Where logrotate's own configuration is.
pub(super) const LOGROTATE_CONF: &str = "/etc/logrotate.conf";

/// What the sites need of the machine as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SetupGoal {
    /// The main configuration of each supervisord; `None` for that of the usual places.
    pub(super) configs: Vec<Option<PathBuf>>,
    pub(super) log_folders: Vec<PathBuf>,
}

impl SetupGoal {
    /// A machine without a site gets what a site would need that says nothing about paths.
    pub(super) fn of(sites: &[Site]) -> Self {
        let mut wanted = Self { configs: Vec::new(), log_folders: Vec::new() };
        sites.iter().for_each(|site| wanted.add(&site.paths));
        if sites.is_empty() {
            wanted.add(&Paths::default());
        }
        wanted
    }

    fn add(&mut self, paths: &Paths) {
        let config = config_of(paths).map(Path::to_owned);
        if !self.configs.contains(&config) {
            self.configs.push(config);
        }
        let folder = paths.log_dir.as_path().to_owned();
        if !self.log_folders.contains(&folder) {
            self.log_folders.push(folder);
        }
    }
}

/// The main configuration that the inventory names.
pub(super) fn config_of(paths: &Paths) -> Option<&Path> {
    match &paths.supervisord {
        SupervisordAddress::Discover => None,
        SupervisordAddress::Config(path) => Some(path.as_path()),
    }
}

/// The machine as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) is_root: bool,
    pub(super) has_apt: bool,
    pub(super) supervisor: Software,
    pub(super) logrotate: Software,
    pub(super) service: UnitState,
    pub(super) timer: UnitState,
    /// In the order of [`SetupGoal::configs`].
    pub(super) daemons: Vec<Daemon>,
    pub(super) log_folders: Vec<(PathBuf, Folder)>,
}

/// Reads the machine.
pub(super) fn look(wanted: &SetupGoal, machine: &mut dyn Machine) -> Findings {
    let daemons = wanted.configs.iter().map(|config| machine.daemon(config.as_deref())).collect();
    let folders = wanted.log_folders.iter();
    let log_folders = folders.map(|path| (path.clone(), machine.folder(path))).collect();
    Findings {
        is_root: machine.is_root(),
        has_apt: machine.has_apt(),
        supervisor: machine.software(Package::Supervisor),
        logrotate: machine.software(Package::Logrotate),
        service: machine.unit(Unit::Supervisor),
        timer: machine.unit(Unit::LogrotateTimer),
        daemons,
        log_folders,
    }
}

/// What a site needs that only a deployment or a person can give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundSite {
    pub(super) domain: Domain,
    /// Folders of supervisor's and logrotate's files that are not there.
    pub(super) missing_folders: Vec<PathBuf>,
    /// A file that an apply would write to conf.d, or could.
    pub(super) conf_file: PathBuf,
    pub(super) logrotate_dir: PathBuf,
    /// Which of [`SetupGoal::configs`] is its supervisord.
    pub(super) config: Option<PathBuf>,
    pub(super) missing_users: Vec<UserName>,
    /// `current` and what is wrong with it.
    pub(super) current: Option<(PathBuf, String)>,
    /// runner.sh and what is wrong with it.
    pub(super) runner: Option<(PathBuf, String)>,
}

/// Reads a site.
pub(super) fn look_at_site(site: &Site, machine: &mut dyn Machine, files: &dyn Files) -> FoundSite {
    let folders = [&site.paths.conf_dir, &site.paths.logrotate_dir];
    let mut missing_folders: Vec<PathBuf> =
        folders.into_iter().map(|path| path.as_path().to_owned()).collect();
    missing_folders.retain(|path| problem_with_folder(files, path).is_some());
    let programs = site.programs.iter();
    let users: BTreeSet<UserName> =
        programs.clone().filter_map(|program| site.user_of(program)).collect();
    let mut missing_users = Vec::new();
    for user in users {
        // A user that cannot be looked up is for the apply to complain about.
        if machine.has_user(&user).is_ok_and(|there| !there) {
            missing_users.push(user);
        }
    }
    let runs_scripts = programs.clone().any(|program| matches!(program.run, Run::Script(_)));
    // Where no program says another folder, as those of a first inventory do.
    let works_in_current = runs_scripts
        || site.format != Format::Plain
            && programs.clone().any(|program| program.directory.is_none());
    let (current, runner) = (PathBuf::from(site.current()), PathBuf::from(site.runner()));
    let first = programs.clone().next();
    let first = first.and_then(|first| Some(site.config_file(first, &site.full_name(first).ok()?)));
    let conf_file = first.unwrap_or_else(|| {
        site.config_named(&format!("{}program", naming::config_prefix(&site.domain)))
    });
    FoundSite {
        domain: site.domain.clone(),
        missing_folders,
        conf_file,
        logrotate_dir: site.paths.logrotate_dir.as_path().to_owned(),
        config: config_of(&site.paths).map(Path::to_owned),
        missing_users,
        current: problem_with_folder(files, &current)
            .filter(|_| works_in_current)
            .map(|problem| (current, problem)),
        runner: files
            .problem_with_code(&runner, true)
            .filter(|_| runs_scripts)
            .map(|problem| (runner, problem)),
    }
}

/// logrotate's own configuration, with the files it is known to include left out; empty if it
/// cannot be read.
pub(super) fn logrotate_conf(files: &dyn Files) -> String {
    let entry = files.read(Path::new(LOGROTATE_CONF));
    let bytes = entry.as_ref().ok().and_then(|entry| entry.bytes()).unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

fn problem_with_folder(files: &dyn Files, path: &Path) -> Option<String> {
    match files.names(path) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("does not exist".to_owned()),
        Err(error) => Some(format!("cannot be looked at: {error}")),
    }
}
