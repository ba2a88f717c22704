//! A process as `getAllProcessInfo` tells it.

use serde::{Deserialize, Serialize};

/// The states of `supervisor/states.py`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// One element of `getAllProcessInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Its group.
    pub group: String,
    /// Its name within the group.
    pub name: String,
    /// Its state.
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
    /// Its log, or empty.
    pub stdout_logfile: String,
    /// supervisord's one-line description, e.g. `pid 42, uptime 0:00:03`.
    pub description: String,
}

impl ProcessInfo {
    /// `group:name`, which every method accepts for every kind of group.
    pub fn namespec(&self) -> String {
        format!("{}:{}", self.group, self.name)
    }
}
