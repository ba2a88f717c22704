//! What is missing, as steps; and what keeps a step from being done. Pure.

use std::path::{Path, PathBuf};

use super::look::Findings;
use super::machine::{Daemon, Folder, Service, Software, UnitState};
use super::{Package, SetupStep, Unit};
use crate::error::CommandError;

/// Everything that is missing and that we can do something about, in the order in which it is done.
pub(super) fn missing(found: &Findings) -> Vec<SetupStep> {
    let mut steps = Vec::new();
    let packages = missing_packages(found);
    if !packages.is_empty() {
        steps.push(SetupStep::Install { packages });
    }
    if let Some(service) = own_service(found) {
        if service.disabled {
            steps.push(SetupStep::Enable { unit: Unit::Supervisor });
        }
        if !service.active && found.daemons.iter().any(|daemon| is_run_by(service, daemon)) {
            steps.push(SetupStep::Start { unit: Unit::Supervisor });
        }
    }
    if let UnitState::There(timer) = &found.timer {
        if timer.disabled {
            steps.push(SetupStep::Enable { unit: Unit::LogrotateTimer });
        }
        if !timer.active {
            steps.push(SetupStep::Start { unit: Unit::LogrotateTimer });
        }
    }
    let folders = found.log_folders.iter().filter(|(_, folder)| *folder == Folder::Missing);
    steps.extend(folders.map(|(path, _)| SetupStep::MakeFolder { path: path.clone() }));
    steps
}

/// A supervisord that answers is enough, wherever it came from: a second one would take its
/// programs.
fn missing_packages(found: &Findings) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut daemons = found.daemons.iter();
    let all_answer = daemons.all(|daemon| matches!(daemon, Daemon::Answers { .. }));
    if found.supervisor == Software::Missing && !all_answer {
        packages.push(Package::Supervisor);
    }
    if found.logrotate == Software::Missing {
        packages.push(Package::Logrotate);
    }
    packages
}

/// The service, if it is the one that runs a supervisord of these sites. The service of another
/// supervisord is somebody else's.
pub(super) fn own_service(found: &Findings) -> Option<&Service> {
    let UnitState::There(service) = &found.service else { return None };
    let mut daemons = found.daemons.iter();
    let is_ours = daemons.any(|daemon| match daemon {
        Daemon::Down { config, .. } | Daemon::Answers { config, .. } => runs(service, config),
        Daemon::Unconfigured(_) | Daemon::Unusable(_) => false,
    });
    is_ours.then_some(service)
}

/// Whether this supervisord is down and the service would start it.
fn is_run_by(service: &Service, daemon: &Daemon) -> bool {
    matches!(daemon, Daemon::Down { config, .. } if runs(service, config))
}

/// Whether the service's command names this configuration, or none at all: then supervisord takes
/// one of the usual.
pub(super) fn runs(service: &Service, config: &Path) -> bool {
    let words: Vec<&str> = service.start.split_whitespace().collect();
    let given = words.iter().zip(words.iter().skip(1));
    let given = given.filter(|(option, _)| matches!(**option, "-c" | "--configuration"));
    let joined = words.iter().filter_map(|word| word.strip_prefix("--configuration="));
    let mut named = given.map(|(_, path)| *path).chain(joined).peekable();
    if named.peek().is_none() {
        return crate::supervisord::config::DEFAULT_PATHS
            .iter()
            .any(|usual| Path::new(usual) == config);
    }
    named.any(|path| Path::new(path) == config)
}

/// Why a step cannot even be tried here.
pub(super) fn obstacle(step: &SetupStep, found: &Findings) -> Option<CommandError> {
    let (why, hint) = match step {
        SetupStep::MakeFolder { .. } => return None,
        SetupStep::Install { packages } if !found.has_apt => {
            let programs: Vec<&str> = packages.iter().map(|package| package.program()).collect();
            let hint = format!(
                "install them with this system's own tools, then run setup again: {}",
                programs.join(", ")
            );
            ("there is no apt-get: this is neither Debian nor Ubuntu", hint)
        }
        _ if !found.is_root => {
            let by_hand = step.by_hand();
            let hint = format!("write `privilege: sudo` for the server, or as root: {by_hand}");
            ("we are not root here", hint)
        }
        _ => return None,
    };
    Some(CommandError::refused(format!("cannot {}", step.order())).because(why).hint(hint))
}

/// The log folders that cannot be one.
pub(super) fn unusable_folders(found: &Findings) -> impl Iterator<Item = (&PathBuf, &str)> {
    found.log_folders.iter().filter_map(|(path, folder)| match folder {
        Folder::Unusable(why) => Some((path, why.as_str())),
        Folder::Missing | Folder::There { .. } => None,
    })
}
