//! The door to the machine that is set up: its packages, units, folders and its supervisord.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::apt::{self, AptFault};
use super::command::run;
use super::{Package, Unit};
use crate::actual::daemon::{daemon_error, fault_error};
use crate::error::CommandError;
use crate::inventory::UserName;
use crate::supervisord::{
    Answer, Call, CallError, Client, ConfigError, MainConfig, Supervisord as _,
};
use crate::system::child::Ended;
use crate::system::{Interrupt, users};

/// How long dpkg-query and systemctl may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long supervisord may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// What setting up needs of a machine.
pub trait Machine {
    /// Whether we may install.
    fn is_root(&self) -> bool;
    /// Whether it is one that installs with apt-get.
    fn has_apt(&self) -> bool;
    /// Whether a package's program is there, and from where.
    fn software(&mut self, package: Package) -> Software;
    /// How a unit is.
    fn unit(&mut self, unit: Unit) -> UnitState;
    /// How the supervisord of this main configuration is; `None` for that of the usual places.
    fn daemon(&mut self, config: Option<&Path>) -> Daemon;
    /// What is at the path of a folder.
    fn folder(&mut self, path: &Path) -> Folder;
    /// Whether there is such a user.
    fn has_user(&mut self, user: &UserName) -> io::Result<bool>;
    /// Has apt read anew which packages there are.
    fn refresh_lists(&mut self) -> Result<(), AptFault>;
    /// Installs these and what they need, without a question asked.
    fn install(&mut self, packages: &[Package]) -> Result<(), AptFault>;
    /// Has a unit started at boot; else systemd's words.
    fn enable(&mut self, unit: Unit) -> Result<(), String>;
    /// Starts a unit; else systemd's words.
    fn start(&mut self, unit: Unit) -> Result<(), String>;
}

/// Whether a program is there, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Software {
    /// As a package.
    Installed,
    /// Not as a package, at this path.
    Elsewhere(PathBuf),
    /// Not at all, or as a package that was never finished or was removed.
    Missing,
}

/// How a unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitState {
    /// systemd does not run here, or does not talk to us.
    NoSystemd,
    /// There is none of this name.
    Absent,
    /// Somebody has forbidden to start it.
    Masked,
    /// It is there.
    There(Service),
}

/// A unit that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// Whether it is not started at boot although it could be.
    pub disabled: bool,
    /// Whether it runs, or is about to.
    pub active: bool,
    /// Its `ExecStart`, as systemctl shows it.
    pub start: String,
    /// Its `ExecReload`, as systemctl shows it.
    pub reload: String,
}

/// How a supervisord is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Daemon {
    /// There is no configuration at the path, or at any of the usual ones.
    Unconfigured(CommandError),
    /// It is configured and nobody listens on its socket.
    Down {
        /// Its main configuration.
        config: PathBuf,
        /// The answer of the socket, or that there is none.
        error: CommandError,
    },
    /// It cannot be asked for another reason.
    Unusable(CommandError),
    /// It answers, so programs can be applied to it.
    Answers {
        /// Its main configuration.
        config: PathBuf,
        /// As `getSupervisorVersion` gives it, e.g. `4.2.5`.
        version: String,
        /// The patterns of its `[include]`.
        patterns: Vec<String>,
    },
}

/// What is at the path of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folder {
    /// Nothing, also where a folder above it is missing.
    Missing,
    /// A folder, or a link to one.
    There {
        /// Permission bits, with the setgid bit.
        mode: u32,
        /// Whose group it is: with the bits, who may write there.
        gid: u32,
    },
    /// Something else, or nothing that can be looked at.
    Unusable(String),
}

/// The machine we run on.
#[derive(Debug)]
pub struct ThisMachine<'i> {
    /// Ctrl-C ends what can be ended without harm.
    pub interrupt: &'i Interrupt,
}

impl Machine for ThisMachine<'_> {
    fn is_root(&self) -> bool {
        users::is_root()
    }

    fn has_apt(&self) -> bool {
        on_path("apt-get").is_some() && on_path("dpkg-query").is_some()
    }

    fn software(&mut self, package: Package) -> Software {
        let arguments = ["-W", "-f=${db:Status-Abbrev}\n", package.name()].map(str::to_owned);
        let is_installed = match run("dpkg-query", &arguments, &|elapsed| elapsed > PATIENCE) {
            // The second letter is the state: `ii` and a package on hold, `hi`, are installed; the
            // others were removed, or are half-way.
            Ok((Ended::With(status), said)) if status.success() => {
                said.iter().any(|line| matches!(line.chars().nth(1), Some('i' | 'W' | 't')))
            }
            _ => false,
        };
        if is_installed {
            return Software::Installed;
        }
        on_path(package.program()).map_or(Software::Missing, Software::Elsewhere)
    }

    fn unit(&mut self, unit: Unit) -> UnitState {
        let properties = "--property=LoadState,UnitFileState,ActiveState,ExecStart,ExecReload";
        let arguments = ["show", unit.name(), properties].map(str::to_owned);
        match run("systemctl", &arguments, &|elapsed| elapsed > PATIENCE) {
            Ok((Ended::With(status), said)) if status.success() => unit_state(&said),
            _ => UnitState::NoSystemd,
        }
    }

    fn daemon(&mut self, config: Option<&Path>) -> Daemon {
        match MainConfig::load(config) {
            Ok(config) => ask(config),
            Err(error) => Daemon::Unconfigured(config_error(&error)),
        }
    }

    fn folder(&mut self, path: &Path) -> Folder {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                Folder::There { mode: metadata.mode() & 0o7777, gid: metadata.gid() }
            }
            Ok(_) => Folder::Unusable("is not a folder".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Folder::Missing,
            Err(error) => Folder::Unusable(format!("cannot be looked at: {error}")),
        }
    }

    fn has_user(&mut self, user: &UserName) -> io::Result<bool> {
        users::find(user.as_str()).map(|user| user.is_some())
    }

    fn refresh_lists(&mut self) -> Result<(), AptFault> {
        apt_get(&apt::refresh(), &|_| self.interrupt.is_raised())
    }

    fn install(&mut self, packages: &[Package]) -> Result<(), AptFault> {
        // To the end: a dpkg that is killed leaves a package half-way.
        apt_get(&apt::install(packages), &|_| false)
    }

    fn enable(&mut self, unit: Unit) -> Result<(), String> {
        systemctl("enable", unit)
    }

    fn start(&mut self, unit: Unit) -> Result<(), String> {
        systemctl("start", unit)
    }
}

fn apt_get(arguments: &[String], stop: &dyn Fn(Duration) -> bool) -> Result<(), AptFault> {
    let (ended, said) = run("apt-get", arguments, stop)
        .map_err(|error| AptFault::CannotRun(format!("apt-get: {error}")))?;
    match ended {
        Ended::With(status) if status.success() => Ok(()),
        Ended::With(status) => Err(AptFault::of(&said, &status.to_string())),
        Ended::Stopped => Err(AptFault::Interrupted),
    }
}

fn systemctl(verb: &str, unit: Unit) -> Result<(), String> {
    let arguments = [verb, unit.name()].map(str::to_owned);
    let (ended, said) = run("systemctl", &arguments, &|elapsed| elapsed > PATIENCE)
        .map_err(|error| format!("systemctl: {error}"))?;
    match ended {
        Ended::With(status) if status.success() => Ok(()),
        Ended::With(status) => Err(said.last().cloned().unwrap_or_else(|| status.to_string())),
        Ended::Stopped => Err(format!("systemctl did not end within {} s", PATIENCE.as_secs())),
    }
}

/// What `systemctl show` says, a `Key=value` a line.
pub(super) fn unit_state(said: &[String]) -> UnitState {
    let value = |key: &str| {
        let pairs = said.iter().filter_map(|line| line.split_once('='));
        pairs.filter(|(name, _)| *name == key).map(|(_, value)| value).next_back()
    };
    match value("LoadState") {
        Some("masked") => UnitState::Masked,
        Some("loaded") => UnitState::There(Service {
            disabled: value("UnitFileState") == Some("disabled"),
            active: matches!(value("ActiveState"), Some("active" | "reloading" | "activating")),
            start: value("ExecStart").unwrap_or_default().to_owned(),
            reload: value("ExecReload").unwrap_or_default().to_owned(),
        }),
        _ => UnitState::Absent,
    }
}

fn ask(config: MainConfig) -> Daemon {
    let client = match Client::connect(&config, None) {
        Ok(client) => client,
        Err(error) => return Daemon::Unusable(config_error(&error)),
    };
    match client.with_deadline(ANSWER).call(Call::GetSupervisorVersion) {
        Ok(Ok(Answer::Text(version))) => {
            Daemon::Answers { config: config.path, version, patterns: config.include_patterns }
        }
        Ok(Ok(_)) => {
            Daemon::Unusable(CommandError::refused("supervisord does not tell its version"))
        }
        Ok(Err(fault)) => Daemon::Unusable(fault_error(fault)),
        Err(error @ CallError::NotRunning { .. }) => Daemon::Down {
            config: config.path,
            error: CommandError::refused("supervisord does not run").caused_by(&error),
        },
        Err(error) => Daemon::Unusable(daemon_error(error)),
    }
}

fn config_error(error: &ConfigError) -> CommandError {
    let failed = CommandError::refused("cannot find supervisord").caused_by(error);
    match error.hint() {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}

/// The first program of this name on the PATH.
#[expect(clippy::disallowed_methods, reason = "an edge: which programs there are")]
fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| {
        std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> UnitState {
        unit_state(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn systemctls_words_are_understood() {
        let there = "ExecStart={ path=/usr/bin/supervisord ; argv[]=/usr/bin/supervisord -n }\n\
                     LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled";
        let UnitState::There(service) = state(there) else { panic!("{:?}", state(there)) };
        assert!(service.disabled && !service.active);
        assert!(service.start.contains("argv[]=/usr/bin/supervisord -n"));
        assert_eq!(state("LoadState=masked\nActiveState=inactive"), UnitState::Masked);
        assert_eq!(state("LoadState=not-found\nActiveState=inactive"), UnitState::Absent);
        let generated = state("LoadState=loaded\nActiveState=active\nUnitFileState=generated");
        assert!(matches!(
            generated,
            UnitState::There(Service { disabled: false, active: true, .. })
        ));
    }
}
