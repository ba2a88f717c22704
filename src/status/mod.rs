//! What is wanted beside what runs: states, and every kind of drift between the two. Pure.
//!
//! [`assemble()`] puts it together from what a plan is made of; [`RestartWatch`] tells from several looks at
//! supervisord which processes keep being restarted; `report` shows it.

mod assemble;
mod restart_watch;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::inventory::Domain;
use crate::supervisord::ProcessState;

pub use assemble::{Readings, assemble};
pub use restart_watch::RestartWatch;

/// What is wanted of a site beside what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SiteStatus {
    /// The site it is the status of.
    pub site: Domain,
    /// Its programs: first those with a problem, each part by name.
    pub programs: Vec<ProgramStatus>,
    /// What is wrong beside single programs.
    pub problems: Vec<String>,
    /// What a person may want to know.
    pub notes: Vec<String>,
    /// The rollback that it is as after, in words: the inventory was not applied since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<String>,
}

/// One program with all of its processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProgramStatus {
    /// Its name within the site.
    pub program: String,
    /// What the inventory wants of it.
    pub wanted: WantedState,
    /// How many processes the inventory wants.
    pub numprocs: u32,
    /// Those that supervisord knows.
    pub processes: Vec<ProcessStatus>,
    /// How the host differs from what is wanted.
    pub drift: Vec<Drift>,
}

/// What the inventory wants of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WantedState {
    /// It should run.
    Running,
    /// It should be loaded; whether it runs is somebody's choice (`autostart: false`).
    Present,
    /// It should not be there.
    Absent,
}

/// A process that supervisord knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProcessStatus {
    /// As supervisorctl shows it.
    pub process: String,
    /// The state that supervisord reports.
    pub state: ProcessState,
    /// Whether that is as it should be.
    pub health: ProcessHealth,
    /// Its pid, if it has one.
    pub pid: Option<i64>,
    /// Seconds since it started, if it is up.
    pub uptime: Option<u64>,
    /// How often it was started again while it was watched.
    pub restarts_seen: u32,
    /// Seconds since it last ended, if it ever did since it was loaded: a process that is up all
    /// the same was started again, by supervisord or by somebody.
    pub ended: Option<u64>,
}

/// How a process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "health", rename_all = "snake_case")]
pub enum ProcessHealth {
    /// It is up, as far as supervisord knows.
    Up,
    /// It has ended as expected, and is not started again.
    Done,
    /// It is stopped and may be.
    Down,
    /// It is on its way up or down.
    Changing,
    /// It should be up and is not, or does not stay so.
    Unhealthy {
        /// In words that follow its name.
        reason: String,
    },
}

/// How a host differs from what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "drift", rename_all = "snake_case")]
pub enum Drift {
    /// A file differs.
    File {
        /// The file's absolute path.
        path: PathBuf,
        /// What is different about it.
        how: FileDrift,
    },
    /// What supervisord has loaded differs.
    Config {
        /// supervisord's group of the program.
        group: String,
        /// What is different about it.
        how: ConfigDrift,
    },
    /// A process differs.
    State {
        /// Which, as supervisorctl shows it.
        process: String,
        /// What is different about it.
        how: StateDrift,
    },
}

/// How a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileDrift {
    /// It is not what was applied.
    Edited,
    /// It was applied and is not there any more.
    Missing,
    /// Others may read or write it who may not.
    Permissions,
    /// It belongs to another user than root, who would have it.
    Owner,
    /// The inventory has changed and was not applied since.
    NotApplied,
    /// The inventory does not have its program any more.
    Orphan,
}

/// How what supervisord has loaded differs from its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConfigDrift {
    /// It is in the files and was not loaded.
    NotLoaded,
    /// Its file is newer than what runs.
    FileNewer,
    /// A file that says something about every program has changed; its own has not.
    EveryProgram,
    /// It is loaded, but in no file any more.
    NoFile,
    /// It is loaded with another number of processes than is wanted.
    Processes,
}

/// How a process differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum StateDrift {
    /// Somebody stopped it.
    StoppedByHand,
    /// An apply that never ended, or is under way, stopped it and has not started it again.
    StoppedByApply,
    /// It should run and was never started.
    NeverStarted,
    /// It should not be there at all.
    NotWanted,
    /// It runs a former release.
    FormerRelease {
        /// Where, as far as it can be written: any process can have a folder of any bytes.
        folder: String,
        /// Where it should.
        live: String,
    },
}

impl SiteStatus {
    /// What is not as wanted, in one line; none if everything is.
    pub fn complaint(&self) -> Option<String> {
        let bad = self.programs.iter().filter(|program| !program.is_fine());
        let bad: Vec<&str> = bad.map(|program| program.program.as_str()).collect();
        let programs = match bad.len() {
            0 => None,
            1 => Some(format!("{} is not as wanted", bad.join(""))),
            _ => Some(format!("{} are not as wanted", bad.join(", "))),
        };
        let parts: Vec<String> =
            programs.into_iter().chain(self.problems.iter().cloned()).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Whether everything is as wanted and healthy.
    pub fn is_fine(&self) -> bool {
        self.problems.is_empty() && self.programs.iter().all(ProgramStatus::is_fine)
    }
}

impl ProgramStatus {
    /// Whether it is as wanted and healthy.
    pub fn is_fine(&self) -> bool {
        self.drift.is_empty() && self.processes.iter().all(|process| process.health.is_fine())
    }
}

impl Drift {
    /// Whether it is something that is left over: no program of the inventory needs it.
    pub fn is_orphan(&self) -> bool {
        match self {
            Self::File { how, .. } => *how == FileDrift::Orphan,
            Self::Config { .. } => false,
            Self::State { how, .. } => *how == StateDrift::NotWanted,
        }
    }
}

impl ProcessHealth {
    /// Whether nobody has to see to it.
    pub fn is_fine(&self) -> bool {
        !matches!(self, Self::Unhealthy { .. })
    }
}
