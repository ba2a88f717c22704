//! What this host's supervisord includes, in its order, and what it runs. Changes nothing: no reread is
//! asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::local::main_config;
use super::reading::included;
use crate::actual::daemon::{daemon_error, fault_error};
use crate::api::{IncludedFile, Includes, LoadedProcess, RecordedSite, RunningDaemon};
use crate::error::CommandError;
use crate::inventory::{ConfigSuffix, Domain, Paths};
use crate::records::StateDir;
use crate::supervisord::{
    Answer, Call, Client, Environment, MainConfig, ShouldStop, Supervisord as _,
};
use crate::system::files::{Entry, FileContent};
use crate::system::{Disk, Files as _, machine, process, users};

/// Reads what the supervisord of these paths includes. `base` is where state is when the inventory does
/// not say.
pub(super) fn look(
    paths: &Paths,
    base: &Path,
    stop: &ShouldStop,
) -> Result<Includes, CommandError> {
    let (config, mut read) = main_config(paths)?;
    let conf_dir = paths.conf_dir.as_path();
    let (files, named) = included(&|| config.included_files(), conf_dir).map_err(|source| {
        CommandError::refused("cannot list the files supervisord includes").caused_by(&source)
    })?;
    let not_read = not_read(&config, &files, &named);
    let main = file(config.path.clone(), Disk.read(&config.path));
    let mut texts = Vec::new();
    for path in files {
        let known = named.get(&path).unwrap_or(&path);
        let entry = read.remove(known).map_or_else(|| Disk.read(&path), Ok);
        texts.push(file(path, entry));
    }
    let environment = environment(&config, std::iter::once(&main).chain(&texts));
    let state = StateDir::new(paths, base);
    let (records, unreadable) = records(&state);
    Ok(Includes {
        daemon: daemon(&config, stop),
        main,
        files: texts,
        patterns: config.include_patterns,
        not_read,
        node: machine::name(),
        environment,
        records,
        unreadable,
    })
}

/// Configs beside those that are included, which nobody reads.
fn not_read(
    config: &MainConfig,
    files: &[PathBuf],
    named: &BTreeMap<PathBuf, PathBuf>,
) -> Vec<PathBuf> {
    let folders = config.include_patterns.iter().filter_map(|pattern| Path::new(pattern).parent());
    let folders: BTreeSet<&Path> =
        folders.filter(|folder| !folder.to_string_lossy().contains(['*', '?', '['])).collect();
    let mut beside = Vec::new();
    for folder in folders {
        for name in Disk.names(folder).unwrap_or_default() {
            let path = folder.join(&name);
            let is_read = files.contains(&path) || named.values().any(|known| *known == path);
            let is_config = ConfigSuffix::strip(&name).is_some() && !name.starts_with('.');
            if is_config && !is_read && path != config.path {
                beside.push(path);
            }
        }
    }
    beside
}

fn file(path: PathBuf, entry: std::io::Result<Entry>) -> IncludedFile {
    let mut file = IncludedFile {
        path,
        bytes: Default::default(),
        mode: 0,
        owner: None,
        link: None,
        unreadable: None,
    };
    match entry {
        Ok(Entry::File(FileContent { bytes, mode, owner })) => {
            (file.bytes, file.mode) = (bytes, mode);
            file.owner = owner.map(|(uid, _)| users::name_of(uid));
        }
        Ok(Entry::Link { target, content }) => {
            file.link = Some(target);
            match content {
                Some(content) => file.bytes = content.into(),
                None => file.unreadable = Some("it leads to no file that can be read".to_owned()),
            }
        }
        Ok(Entry::Other(kind)) => file.unreadable = Some(format!("it is {kind}")),
        Ok(Entry::Absent) => file.unreadable = Some("it is gone".to_owned()),
        Err(error) => file.unreadable = Some(error.to_string()),
    }
    file
}

/// The variables that the files name, as far as supervisord has them.
fn environment<'f>(
    config: &MainConfig,
    files: impl Iterator<Item = &'f IncludedFile>,
) -> BTreeMap<String, String> {
    let mut names = BTreeSet::from(["PATH".to_owned()]);
    for file in files {
        names.extend(Environment::named_in(&file.bytes));
    }
    let mut values = BTreeMap::new();
    for name in names {
        let value = config.environment.expansion(&format!("ENV_{name}"));
        values.extend(value.map(|value| (name, value)));
    }
    values
}

/// Whoever answers, and what it runs.
fn daemon(config: &MainConfig, stop: &ShouldStop) -> Result<RunningDaemon, CommandError> {
    let cannot = || CommandError::refused("cannot ask supervisord what it runs");
    let client = Client::connect(config, Some(stop)).map_err(|error| {
        let failed = cannot().caused_by(&error);
        error.hint().into_iter().fold(failed, CommandError::hint)
    })?;
    let mut client = client.with_stop(stop.clone());
    let calls = [Call::GetSupervisorVersion, Call::GetPid, Call::GetAllProcessInfo];
    let answers = client.batch(&calls).map_err(daemon_error)?;
    let answers: Vec<Answer> =
        answers.into_iter().collect::<Result<_, _>>().map_err(fault_error)?;
    let [Answer::Text(version), Answer::Number(pid), Answer::Processes(processes)] = &answers[..]
    else {
        return Err(cannot().because("it answered something that was not asked"));
    };
    let mut loaded = Vec::new();
    for one in processes {
        loaded.push(LoadedProcess {
            group: one.group.clone(),
            name: one.name.clone(),
            state: format!("{:?}", one.state).to_ascii_uppercase(),
            pid: one.pid,
        });
    }
    loaded.sort_by(|a, b| (&a.group, &a.name).cmp(&(&b.group, &b.name)));
    let user = process::owner(*pid).map(users::name_of);
    Ok(RunningDaemon { version: version.clone(), pid: *pid, user, processes: loaded })
}

/// What is on record, and what of it cannot be read.
fn records(state: &StateDir) -> (Vec<RecordedSite>, Vec<CommandError>) {
    let sites = match state.check().and_then(|()| state.sites(&Disk)) {
        Ok(sites) => sites,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let (mut records, mut unreadable) = (Vec::new(), Vec::new());
    for site in sites {
        match record(state, site) {
            Ok(record) => records.extend(record),
            Err(error) => unreadable.push(error),
        }
    }
    (records, unreadable)
}

fn record(state: &StateDir, site: Domain) -> Result<Option<RecordedSite>, CommandError> {
    let Some(last) = state.last_revision(&Disk, &site)? else { return Ok(None) };
    let files = last.files.keys().cloned().collect();
    Ok(Some(RecordedSite { site, files, groups: last.groups.keys().cloned().collect() }))
}
