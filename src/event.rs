//! Events: what happened, to which site and process. The only way out of the engine while it runs.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::CommandError;
use crate::inventory::{Domain, ProgramName};
use crate::plan::PlanView;
use crate::setup::Progress;

/// Something worth telling while an apply runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A step of a site's apply begins.
    Step {
        /// The site that is applied.
        site: Domain,
        /// The step that begins.
        step: Step,
    },
    /// The plan that is about to be applied, made under the lock.
    Planned(Box<PlanView>),
    /// Another apply holds the lock and is waited for.
    LockHeld {
        /// Who holds it, in words.
        holder: String,
        /// For how many seconds it is waited for at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
    /// supervisord reads its files anew, which takes a while where there are many.
    Reading {
        /// How many files its configuration has.
        files: usize,
        /// For how many seconds it is waited for at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
    /// Processes are being waited for. Sent when the set changes.
    Waiting {
        /// The site whose processes they are.
        site: Domain,
        /// What they are waited for to do.
        until: WaitingFor,
        /// The processes, with the seconds each still has.
        processes: Vec<Waited>,
        /// How far a rolling restart has come, if they are part of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rolling: Option<Rolling>,
    },
    /// Something became of a process or group.
    Process {
        /// The site it belongs to.
        site: Domain,
        /// The group, or the process as supervisorctl shows it.
        name: String,
        /// What became of it.
        change: ProcessChange,
    },
    /// A site has come to its end, whatever the others of the same apply still do. Not told of one that
    /// nothing was to be done for.
    SiteEnded(Box<SiteEnd>),
    /// A line of a program's log.
    LogLine(LogLine),
    /// Nothing has happened for a while. By it a far end finds out that nobody listens any more, and
    /// a caller that the far end does not hang.
    Alive,
    /// A server is being set up.
    Setup(Progress),
    /// Something a person should see to, which stops nothing.
    Warning {
        /// The site it is about.
        site: Domain,
        /// For a person; it may have several lines.
        text: String,
    },
}

/// The steps of an apply, in their order. Each is also a point at which a `kill -9` is tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Step {
    /// A former, interrupted apply is undone.
    Recover {
        /// Whose apply it was, in words.
        interrupted: String,
    },
    /// The journal is written.
    Journal,
    /// Supervisor configs are written beside their targets.
    WriteSupervisor {
        /// How many differ from what is there.
        files: usize,
    },
    /// Logrotate configs are written beside their targets.
    WriteLogrotate {
        /// How many differ from what is there.
        files: usize,
    },
    /// The written files take their places.
    Swap,
    /// The site's orphans are removed.
    RemoveOrphans {
        /// The files that are removed.
        paths: Vec<PathBuf>,
    },
    /// supervisord reads its files anew.
    Reread,
    /// The site's groups are updated.
    Update {
        /// How many groups change.
        groups: usize,
    },
    /// The processes are watched.
    Verify {
        /// How many groups.
        groups: usize,
    },
    /// The revision is recorded.
    Commit,
    /// Everything is put back.
    Undo,
}

/// How a site ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SiteEnd {
    /// The site that has ended.
    pub site: Domain,
    /// The revision it was recorded under; none if it failed, or nothing but processes has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Why it failed; none if it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<CommandError>,
    /// Programs that are not as they should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<ProgramTrouble>,
}

/// A program that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProgramTrouble {
    /// supervisord's group of the program.
    pub group: String,
    /// The process as supervisorctl shows it, or the group.
    pub process: String,
    /// What is wrong, e.g. `is FATAL: exited too quickly`.
    pub reason: String,
    /// The last lines that it has written to its log since the change.
    pub log: Vec<String>,
    /// When that was, if its log was looked at: without a line it has written nothing since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_since: Option<Timestamp>,
}

/// A line of a program's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogLine {
    /// The site the program belongs to.
    pub site: Domain,
    /// The program, by its name within the site.
    pub program: ProgramName,
    /// The line, as the program wrote it; what is no UTF-8 is replaced.
    pub text: String,
    /// Where it stands, by which it is found again; none of a line that a rotation has cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<LinePlace>,
}

/// Where a line of a log stands: how many bytes before it, and a digest of it and its log. So it is found after
/// a rotation, too, and never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct LinePlace {
    /// Where it begins in its file.
    pub start: u64,
    /// Of the log's path and the line.
    pub digest: u64,
}

/// A text that is not the place of a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the place of a line: they look like 1024-4f3a5c1d2e6b7a80")]
pub struct NotALinePlace;

impl std::fmt::Display for LinePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{:016x}", self.start, self.digest)
    }
}

impl std::str::FromStr for LinePlace {
    type Err = NotALinePlace;

    fn from_str(text: &str) -> Result<Self, NotALinePlace> {
        let (start, digest) = text.split_once('-').ok_or(NotALinePlace)?;
        let start = start.parse().map_err(|_| NotALinePlace)?;
        let digest = u64::from_str_radix(digest, 16).map_err(|_| NotALinePlace)?;
        let place = Self { start, digest };
        // One way to write it: no sign, no other case.
        if place.to_string() == text { Ok(place) } else { Err(NotALinePlace) }
    }
}

impl TryFrom<String> for LinePlace {
    type Error = NotALinePlace;

    fn try_from(text: String) -> Result<Self, NotALinePlace> {
        text.parse()
    }
}

impl From<LinePlace> for String {
    fn from(place: LinePlace) -> Self {
        place.to_string()
    }
}

/// What processes are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// To have stopped.
    Stop,
    /// To be up and stay so.
    Health,
    /// To answer their probes.
    Probe,
}

/// A process that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Waited {
    /// The process as supervisorctl shows it.
    pub name: String,
    /// Seconds left before it counts as failed.
    pub seconds_left: u64,
}

/// How far a rolling restart of a site has come: these of all its steps, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rolling {
    /// The first that is restarted now.
    pub first: usize,
    /// The last that is restarted at the same time.
    pub last: usize,
    /// How many there are in all.
    pub of: usize,
}

/// What became of a process or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProcessChange {
    /// It was asked to stop.
    Stopping,
    /// It has stopped.
    Stopped,
    /// The group left supervisord.
    Removed,
    /// The group came to supervisord.
    Added,
    /// It was started.
    Started,
    /// It is up and stays so.
    Healthy,
}
