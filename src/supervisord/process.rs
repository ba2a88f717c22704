//! A process as `getAllProcessInfo` tells it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The states of `supervisor/states.py`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "supervisord's own names")]
pub enum ProcessState {
    Stopped,
    Starting,
    Running,
    Backoff,
    Stopping,
    Exited,
    Fatal,
    Unknown,
}

impl ProcessState {
    const ALL: [Self; 8] = [
        Self::Stopped,
        Self::Starting,
        Self::Running,
        Self::Backoff,
        Self::Stopping,
        Self::Exited,
        Self::Fatal,
        Self::Unknown,
    ];

    /// The state supervisord sends as this number; one we do not know is UNKNOWN.
    pub fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|state| state.number() == number).unwrap_or(Self::Unknown)
    }

    /// The number that supervisord sends.
    pub fn number(self) -> i64 {
        match self {
            Self::Stopped => 0,
            Self::Starting => 10,
            Self::Running => 20,
            Self::Backoff => 30,
            Self::Stopping => 40,
            Self::Exited => 100,
            Self::Fatal => 200,
            Self::Unknown => 1000,
        }
    }

    /// No process runs and none will by itself: `removeProcessGroup` is allowed. EXITED counts
    /// although autorestart may start it again at the daemon's next turn.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Stopped | Self::Exited | Self::Fatal | Self::Unknown)
    }

    /// `stopProcess` is allowed and `startProcess` is not. STOPPING is neither this nor stopped.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Backoff)
    }
}

/// One element of `getAllProcessInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// The group it belongs to; that of a program alone has the program's name.
    pub group: String,
    /// Its name within the group.
    pub name: String,
    /// As supervisord had it when it answered.
    pub state: ProcessState,
    /// 0 when there is none.
    pub pid: i64,
    /// Unix seconds of the last start, 0 if never started.
    pub start: i64,
    /// Unix seconds of the last end, 0 if it never ended.
    pub stop: i64,
    /// Unix seconds of the answer, by supervisord's clock.
    pub now: i64,
    /// The last exit status; meaningful in EXITED.
    pub exitstatus: i64,
    /// Why it could not be started, or empty.
    pub spawnerr: String,
}

impl ProcessInfo {
    /// One of which nothing is known but its name.
    pub fn named(group: &str, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            name: name.to_owned(),
            state: ProcessState::Unknown,
            pid: 0,
            start: 0,
            stop: 0,
            now: 0,
            exitstatus: 0,
            spawnerr: String::new(),
        }
    }

    /// These processes by their groups, each in the order it comes in.
    pub fn by_group(processes: impl IntoIterator<Item = Self>) -> BTreeMap<String, Vec<Self>> {
        let mut groups: BTreeMap<String, Vec<Self>> = BTreeMap::new();
        for process in processes {
            groups.entry(process.group.clone()).or_default().push(process);
        }
        groups
    }

    /// As supervisorctl shows it: the name alone where the group has no other.
    pub fn display_name(&self) -> String {
        display_name(&self.group, &self.name)
    }

    /// What it is in, behind its name: `is FATAL: Exited too quickly (process log may have details)`.
    pub fn condition(&self) -> String {
        let state = format!("{:?}", self.state).to_ascii_uppercase();
        match (self.spawnerr.is_empty(), self.state) {
            (false, _) => format!("is {state}: {}", self.spawnerr),
            (true, ProcessState::Exited) => format!("is {state} with status {}", self.exitstatus),
            (true, _) => format!("is {state}"),
        }
    }

    /// `group:name`, which every method accepts for every kind of group.
    pub fn namespec(&self) -> String {
        format!("{}:{}", self.group, self.name)
    }
}

/// A process as supervisorctl shows it: `name` alone where its group is called the same, else
/// `group:name`.
pub fn display_name(group: &str, name: &str) -> String {
    if group == name { name.to_owned() } else { format!("{group}:{name}") }
}
