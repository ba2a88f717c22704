//! What is left when everything was tried: why it is not ready, and what a person should see to. Pure.

use std::path::{Path, PathBuf};

use super::decide::{missing, own_service, runs, unusable_folders};
use super::look::{Findings, FoundSite, LOGROTATE_CONF, SetupGoal};
use super::machine::{Daemon, Folder, Software, UnitState};
use super::{Level, Package, Remark, Report, SetupStep, Unit};
use crate::error::CommandError;
use crate::inventory::Domain;
use crate::supervisord::include;
use crate::system::shell;

/// Adds it to the report of what was done and what failed.
pub(super) fn add(
    report: &mut Report,
    found: &Findings,
    wanted: &SetupGoal,
    sites: &[FoundSite],
    logrotate_conf: &str,
) {
    let without_effect = missing(found).into_iter().filter(|step| report.done.contains(step));
    let without_effect: Vec<CommandError> = without_effect.map(|step| no_effect(&step)).collect();
    report.failures.extend(without_effect);
    if !is_explained(found, report) {
        report.failures.extend(found.daemons.iter().filter_map(|daemon| failure(daemon, found)));
    }
    report.failures.extend(unusable_folders(found).map(|(path, why)| {
        CommandError::refused(format!("{} {why}", path.display()))
            .hint(format!("move it away: {}", shell::move_away(path, ".old")))
    }));
    report.failures.dedup();
    let mut remarks = Remarks(Vec::new());
    remarks.about_machine(found, logrotate_conf);
    for site in sites {
        remarks.about_folders(site, logrotate_conf);
        let config = wanted.configs.iter().position(|config| *config == site.config);
        remarks.about_site(site, config.and_then(|place| found.daemons.get(place)));
    }
    report.left.append(&mut remarks.0);
    report.left.sort_by_key(|remark| remark.level == Level::Note);
}

fn no_effect(step: &SetupStep) -> CommandError {
    CommandError::refused(format!("{}, without effect", step.done()))
        .hint(format!("see what it says: {}", step.by_hand()))
}

/// Whether a supervisord that is not there is no surprise: it could not be installed or started,
/// which was told.
fn is_explained(found: &Findings, report: &Report) -> bool {
    !report.failures.is_empty()
        && missing(found).iter().any(|step| match step {
            SetupStep::Install { packages } => packages.contains(&Package::Supervisor),
            SetupStep::Start { unit } => *unit == Unit::Supervisor,
            SetupStep::Enable { .. } | SetupStep::MakeFolder { .. } => false,
        })
}

/// Why nothing can be applied to this supervisord.
fn failure(daemon: &Daemon, found: &Findings) -> Option<CommandError> {
    match daemon {
        Daemon::Unconfigured(error) | Daemon::Unusable(error) => Some(error.clone()),
        Daemon::Down { config, error } => Some(error.clone().hint(how_to_start(config, found))),
        Daemon::Answers { version, .. } if is_old(version) => Some(
            CommandError::refused(format!(
                "supervisord {version} is too old: 4.0 is the oldest that works"
            ))
            .hint("upgrade it: apt-get install supervisor"),
        ),
        Daemon::Answers { .. } => None,
    }
}

fn how_to_start(config: &Path, found: &Findings) -> String {
    let by_hand = format!("supervisord -c {}", shell::path(config));
    match &found.service {
        UnitState::There(service) if runs(service, config) => {
            "see why it does not come up: systemctl status supervisor; journalctl -u supervisor"
                .to_owned()
        }
        UnitState::Masked => {
            "its service is masked: systemctl unmask supervisor; systemctl start supervisor"
                .to_owned()
        }
        UnitState::NoSystemd => {
            format!(
                "systemd does not run here, so start it, and see that it is started at boot: {by_hand}"
            )
        }
        UnitState::There(_) | UnitState::Absent => format!("start it: {by_hand}"),
    }
}

fn is_old(version: &str) -> bool {
    let first = version.split('.').next().unwrap_or_default();
    first.parse().is_ok_and(|first: u32| first < 4)
}

struct Remarks(Vec<Remark>);

impl Remarks {
    fn warn(&mut self, site: Option<&Domain>, text: String, hint: String) {
        let (level, hint) = (Level::Warning, Some(hint));
        self.add(Remark { level, site: site.cloned(), text, hint });
    }

    fn note(&mut self, text: String, hint: Option<String>) {
        self.add(Remark { level: Level::Note, site: None, text, hint });
    }

    /// What is the same for many sites is said once.
    fn add(&mut self, remark: Remark) {
        if !self.0.contains(&remark) {
            self.0.push(remark);
        }
    }

    fn about_machine(&mut self, found: &Findings, logrotate_conf: &str) {
        for (software, package) in
            [(&found.supervisor, Package::Supervisor), (&found.logrotate, Package::Logrotate)]
        {
            if let Software::Elsewhere(path) = software {
                let (path, name) = (path.display(), package.name());
                self.note(
                    format!("{path} is not of the package {name}: it is left as it is"),
                    None,
                );
            }
        }
        let service = own_service(found);
        if service.is_some_and(|service| {
            service.reload.contains("supervisorctl") && service.reload.contains("reload")
        }) {
            self.note(
                "`systemctl reload supervisor` restarts supervisord and every program".to_owned(),
                Some("to have it read its files: supervisor-sync apply".to_owned()),
            );
        }
        if found.timer == UnitState::NoSystemd {
            self.note(
                "systemd does not run here: logs are rotated only if something else runs logrotate"
                    .to_owned(),
                Some(format!("have cron run it daily: logrotate {LOGROTATE_CONF}")),
            );
        }
        for (path, folder) in &found.log_folders {
            if is_open(folder) && !has(logrotate_conf, "su", |_| true) {
                self.warn(
                    None,
                    format!(
                        "others may write to {}, so logrotate skips the logs in it",
                        path.display()
                    ),
                    format!("chmod go-w {}", shell::path(path)),
                );
            }
        }
    }

    fn about_folders(&mut self, site: &FoundSite, logrotate_conf: &str) {
        for path in &site.missing_folders {
            let missing = format!("{} does not exist", path.display());
            self.warn(None, missing, format!("mkdir -p {}", shell::path(path)));
        }
        let dir = site.logrotate_dir.as_path();
        if !has(logrotate_conf, "include", |words| {
            let pattern = PathBuf::from(words.trim_matches(['"', '\'']));
            pattern == dir || pattern.parent() == Some(dir)
        }) {
            let dir = dir.display();
            self.warn(
                None,
                format!("{LOGROTATE_CONF} does not include {dir}: logrotate reads nothing there"),
                format!("echo 'include {dir}' >> {LOGROTATE_CONF}"),
            );
        }
    }

    fn about_site(&mut self, site: &FoundSite, daemon: Option<&Daemon>) {
        let domain = Some(&site.domain);
        if let Some(Daemon::Answers { config, patterns, .. }) = daemon
            && !include::matches(patterns, &site.conf_file)
            && !include::matches(patterns, &site.conf_file.with_extension("ini"))
        {
            let folder = site.conf_file.parent().unwrap_or(Path::new("/")).display();
            let config = config.display();
            self.warn(
                None,
                format!("supervisord does not read {folder}"),
                format!(
                    "write `files = {folder}/*.conf` below [include] of {config}, then restart it"
                ),
            );
        }
        for user in &site.missing_users {
            let text = format!("user {user} does not exist");
            self.warn(domain, text, user.how_to_make());
        }
        if let Some((path, problem)) = &site.current {
            let text = format!("{} {problem}", path.display());
            self.warn(domain, text, "deploy the site".to_owned());
        }
        if let Some((path, problem)) = &site.runner {
            let text = format!("{} {problem}", path.display());
            let hint =
                format!("deploy the site, or: supervisor-sync runner --site {}", site.domain);
            self.warn(domain, text, hint);
        }
    }
}

/// logrotate's own rule for the folder of a log, unless its configuration says `su`.
fn is_open(folder: &Folder) -> bool {
    matches!(folder, Folder::There { mode, gid } if mode & 0o002 != 0 || (mode & 0o020 != 0 && *gid != 0))
}

/// Whether logrotate's configuration has this directive with such words behind it.
fn has(conf: &str, directive: &str, fits: impl Fn(&str) -> bool) -> bool {
    let mut behind = conf.lines().filter_map(|line| line.trim().strip_prefix(directive));
    behind
        .any(|rest| rest.starts_with([' ', '\t', '=']) && fits(rest.trim_matches([' ', '\t', '='])))
}
