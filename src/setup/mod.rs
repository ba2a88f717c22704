//! What a server needs before anything can be applied to it: supervisor and logrotate, the service,
//! the folder of the logs. And what else a person has to see to.
//!
//! `look` reads the machine, `decide` says what is missing (pure), `work` does it and looks
//! again until nothing is missing or nothing more can be done, `remarks` says what is left (pure).
//! Everything that reaches the machine goes through [`Machine`].

pub mod apt;
mod command;
mod decide;
mod look;
pub mod machine;
mod remarks;
mod work;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::CommandError;
use crate::inventory::Domain;
use crate::system::shell;

pub use machine::{Machine, ThisMachine};
pub use work::{SetupDoors, set_up};

/// What is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Package {
    /// supervisord.
    Supervisor,
    /// logrotate.
    Logrotate,
}

impl Package {
    /// As Debian and Ubuntu call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Logrotate => "logrotate",
        }
    }

    /// The program that shows that it is there.
    pub fn program(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisord",
            Self::Logrotate => "logrotate",
        }
    }
}

/// What systemd keeps running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// supervisord.
    Supervisor,
    /// What runs logrotate once a day.
    LogrotateTimer,
}

impl Unit {
    /// As systemd calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor.service",
            Self::LogrotateTimer => "logrotate.timer",
        }
    }
}

/// Something that is missing, and is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SetupStep"))]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum SetupStep {
    /// Packages are installed, with lists that were refreshed before.
    Install {
        /// Which.
        packages: Vec<Package>,
    },
    /// A unit is to be started at boot.
    Enable {
        /// Which.
        unit: Unit,
    },
    /// A unit is started.
    Start {
        /// Which.
        unit: Unit,
    },
    /// A folder is made.
    MakeFolder {
        /// Where.
        path: PathBuf,
    },
}

impl SetupStep {
    /// What is about to be done: `install supervisor`.
    pub fn order(&self) -> String {
        match self {
            Self::Install { packages } => format!("install {}", names(packages)),
            Self::Enable { unit } => format!("enable {}", unit.name()),
            Self::Start { unit } => format!("start {}", unit.name()),
            Self::MakeFolder { path } => format!("make {}", path.display()),
        }
    }

    /// What was done: `installed supervisor`.
    pub fn done(&self) -> String {
        match self {
            Self::Install { packages } => format!("installed {}", names(packages)),
            Self::Enable { unit } => format!("enabled {}", unit.name()),
            Self::Start { unit } => format!("started {}", unit.name()),
            Self::MakeFolder { path } => format!("made {}", path.display()),
        }
    }

    /// The command that does it.
    pub fn by_hand(&self) -> String {
        match self {
            Self::Install { packages } => {
                let names: Vec<&str> = packages.iter().map(|package| package.name()).collect();
                format!("apt-get install {}", names.join(" "))
            }
            Self::Enable { unit } => format!("systemctl enable {}", unit.name()),
            Self::Start { unit } => format!("systemctl start {}", unit.name()),
            Self::MakeFolder { path } => format!("mkdir -p {}", shell::path(path)),
        }
    }
}

fn names(packages: &[Package]) -> String {
    packages.iter().map(|package| package.name()).collect::<Vec<_>>().join(", ")
}

/// What is told while it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "progress", rename_all = "snake_case")]
pub enum Progress {
    /// A step begins.
    Begins {
        /// Which.
        step: SetupStep,
    },
    /// apt's lists are refreshed.
    RefreshingLists,
    /// Another program holds apt's lock and is waited for.
    Locked {
        /// In apt's words.
        words: String,
        /// How long it is still waited for.
        seconds_left: u64,
    },
    /// It failed on the way to the network and is tried again.
    TryingAgain {
        /// In apt's words.
        words: String,
        /// After this time.
        seconds: u64,
        /// How many tries there are, this one included.
        tries_left: u32,
    },
    /// supervisord was started and does not answer yet.
    WaitingForSupervisord,
}

impl Progress {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::Begins { step } => {
                let order = step.order();
                let mut letters = order.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                first.into_iter().chain(letters).collect()
            }
            Self::RefreshingLists => "Refresh apt's lists".to_owned(),
            Self::Locked { words, seconds_left } => {
                format!("Waiting for apt's lock (at most {seconds_left} s): {words}")
            }
            Self::TryingAgain { words, seconds, tries_left } => {
                format!("Trying again in {seconds} s ({tries_left} left): {words}")
            }
            Self::WaitingForSupervisord => "Waiting for supervisord to answer".to_owned(),
        }
    }
}

/// What became of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// What was done, in order. Empty when nothing was missing.
    pub done: Vec<SetupStep>,
    /// Why it is not ready: each with the command to type next.
    pub failures: Vec<CommandError>,
    /// What a person should see to or know, which is no failure.
    pub left: Vec<Remark>,
}

/// Something for a person, which is no failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Remark {
    /// How much it matters.
    pub level: Level,
    /// About which site; `None` if it is about the machine.
    pub site: Option<Domain>,
    /// In words.
    pub text: String,
    /// What to type next, if there is something to do.
    pub hint: Option<String>,
}

/// How much a remark matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Somebody has to see to it before it all works.
    Warning,
    /// Good to know.
    Note,
}
