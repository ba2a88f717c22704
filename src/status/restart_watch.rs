//! Several looks at the same processes: which of them keep being restarted.
//!
//! supervisord counts no restarts. It tells when a process was started and when it last ended, so
//! one look shows that a process came up again a moment ago, but not whether somebody restarted it
//! or it crashed. Only a change of pid between two looks is a restart seen.

use std::collections::BTreeMap;

use crate::supervisord::{ProcessInfo, ProcessState};

/// A process that came up again so many seconds ago is watched for a while.
const YOUNG: i64 = 60;
/// supervisord starts a process that has exited within about a second.
const AT_ONCE: i64 = 2;

/// What several looks have shown, by group and name.
#[derive(Debug, Clone, Default)]
pub struct RestartWatch {
    processes: BTreeMap<(String, String), SeenProcess>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SeenProcess {
    start: i64,
    restarts: u32,
    suspicious: bool,
}

impl RestartWatch {
    /// One more look.
    pub fn add<'p>(&mut self, processes: impl IntoIterator<Item = &'p ProcessInfo>) {
        for process in processes {
            let key = (process.group.clone(), process.name.clone());
            let seen = self.processes.entry(key).or_insert_with(|| SeenProcess {
                start: process.start,
                restarts: 0,
                suspicious: is_suspicious(process),
            });
            if process.start > seen.start {
                seen.start = process.start;
                seen.restarts += 1;
            }
        }
    }

    /// Whether another look could tell more: somebody is suspected of flapping, and not caught yet.
    pub fn are_worth_another(&self) -> bool {
        self.processes.values().any(|seen| seen.suspicious && seen.restarts == 0)
    }

    /// Whether it may be flapping, or is.
    pub fn suspect(&self, process: &ProcessInfo) -> bool {
        let key = (process.group.clone(), process.name.clone());
        self.processes.get(&key).is_some_and(|seen| seen.suspicious)
    }

    /// How often a process was started again between the looks.
    pub fn restarts(&self, process: &ProcessInfo) -> u32 {
        let key = (process.group.clone(), process.name.clone());
        self.processes.get(&key).map_or(0, |seen| seen.restarts)
    }
}

/// Whether it may be in a loop: it came up again at once after its last end, a short while ago, or
/// is about to.
fn is_suspicious(process: &ProcessInfo) -> bool {
    let ProcessInfo { state, start, stop, now, .. } = process;
    match state {
        ProcessState::Running | ProcessState::Starting => {
            *stop > 0 && start - stop <= AT_ONCE && now - start <= YOUNG
        }
        ProcessState::Exited => now - stop <= AT_ONCE,
        ProcessState::Stopped
        | ProcessState::Backoff
        | ProcessState::Stopping
        | ProcessState::Fatal
        | ProcessState::Unknown => false,
    }
}
