//! Health: what was started must be up and stay so.
//!
//! supervisord's own `startsecs` is a poor witness: a program that exits just after it is restarted
//! for ever and never becomes FATAL. So each process must keep one pid over a window.

use std::collections::BTreeMap;
use std::time::Duration;

use super::logs::FailureLogs;
use super::{Look, ProgramTrouble, Teller, release};
use crate::desired::DesiredGroup;
use crate::event::{ProcessChange, Waited, WaitingFor};
use crate::inventory::Autorestart;
use crate::supervisord::{ProcessInfo, ProcessState, display_name};

/// Beyond what supervisord's retries may take: it looks once a second.
const MARGIN: Duration = Duration::from_secs(5);
/// The shortest window, seconds.
const SHORTEST_WINDOW: u32 = 2;

/// The processes to watch, by group, with how the group should behave.
pub(super) type Watched = BTreeMap<String, (DesiredGroup, Vec<String>)>;

/// Processes of a site that are watched until each is healthy or has failed.
#[derive(Debug)]
pub(super) struct Watch {
    processes: Vec<WatchedProcess>,
    /// How many there were when that was last told.
    told: usize,
}

#[derive(Debug)]
struct WatchedProcess {
    group: String,
    name: String,
    desired: DesiredGroup,
    deadline: Duration,
    /// The pid that was seen RUNNING, and since when.
    up: Option<(i64, Duration)>,
    exits: u32,
}

enum HealthVerdict {
    Pending,
    Healthy,
    Failed(String),
}

impl HealthVerdict {
    /// A process that is healthy but runs a former release is none of what was asked for.
    fn with_release(self, desired: &DesiredGroup, process: Option<&ProcessInfo>) -> Self {
        let (Self::Healthy, Some(process)) = (&self, process.filter(|process| process.pid > 0))
        else {
            return self;
        };
        // Once for each process: until it is healthy its release makes no difference.
        match release::former(desired, process.pid) {
            Some(former) => Self::Failed(former.reason()),
            None => self,
        }
    }
}

impl Watch {
    pub(super) fn begin(watched: &Watched, now: Duration) -> Self {
        let processes = watched.iter().flat_map(|(group, (desired, names))| {
            names.iter().map(move |name| WatchedProcess::new(group, name, desired, now))
        });
        Self { processes: processes.collect(), told: usize::MAX }
    }

    /// Whether each has its verdict.
    pub(super) fn is_done(&self) -> bool {
        self.processes.is_empty()
    }

    /// The groups that are watched.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.processes.iter().map(|process| process.group.as_str())
    }

    /// What is still watched, for the person who has interrupted it.
    pub(super) fn unfinished(&self) -> Vec<String> {
        self.processes.iter().map(WatchedProcess::shown).collect()
    }

    /// Judges each by what supervisord says, and returns what has failed.
    pub(super) fn look(
        &mut self,
        look: &Look,
        logs: &FailureLogs<'_>,
        teller: &mut Teller<'_>,
    ) -> Vec<ProgramTrouble> {
        let mut troubles = Vec::new();
        self.processes.retain_mut(|watched| {
            let process = look.process(&watched.group, &watched.name);
            match watched.verdict(process, look.now).with_release(&watched.desired, process) {
                HealthVerdict::Pending => return true,
                // Where there is a probe, it has the last word.
                HealthVerdict::Healthy if watched.desired.health.probe.is_some() => {}
                HealthVerdict::Healthy => teller.process(watched.shown(), ProcessChange::Healthy),
                HealthVerdict::Failed(reason) => {
                    let WatchedProcess { group, name, desired, .. } = watched;
                    troubles.push(logs.trouble(group, name, desired, reason));
                }
            }
            false
        });
        if self.processes.len() != self.told && !self.processes.is_empty() {
            self.told = self.processes.len();
            let processes = self.processes.iter().map(|process| process.waited(look.now)).collect();
            teller.wait(WaitingFor::Health, processes);
        }
        troubles
    }
}

/// One look without a watch: which of these have failed already.
pub(super) fn failed_already(
    watched: &Watched,
    look: &Look,
    logs: &FailureLogs<'_>,
) -> Vec<ProgramTrouble> {
    let mut troubles = Vec::new();
    for (group, (desired, names)) in watched {
        for name in names {
            let Some(process) = look.process(group, name) else { continue };
            // BACKOFF too: without a watch nobody would see what comes of it.
            if matches!(process.state, ProcessState::Backoff | ProcessState::Fatal) {
                troubles.push(logs.trouble(group, name, desired, process.condition()));
            }
        }
    }
    troubles
}

impl WatchedProcess {
    fn new(group: &str, name: &str, desired: &DesiredGroup, now: Duration) -> Self {
        // supervisord tries startretries + 1 times, waiting 1, 2, 3... seconds in between.
        let (startsecs, retries) = (u64::from(desired.startsecs), u64::from(desired.startretries));
        let tries = startsecs
            .saturating_mul(retries.saturating_add(1))
            .saturating_add(retries.saturating_mul(retries.saturating_add(1)) / 2);
        // A hundred retries are an hour and a half: nobody waits for that to hear that it failed.
        let tries = Duration::from_secs(tries.min(300 + startsecs));
        let deadline = now + tries + window(desired) + MARGIN;
        Self {
            group: group.to_owned(),
            name: name.to_owned(),
            desired: desired.clone(),
            deadline,
            up: None,
            exits: 0,
        }
    }

    fn shown(&self) -> String {
        display_name(&self.group, &self.name)
    }

    fn waited(&self, now: Duration) -> Waited {
        let seconds_left = self.deadline.saturating_sub(now).as_secs();
        Waited { name: self.shown(), seconds_left }
    }

    fn verdict(&mut self, process: Option<&ProcessInfo>, now: Duration) -> HealthVerdict {
        let Some(process) = process else {
            return HealthVerdict::Failed("is not known to supervisord".to_owned());
        };
        let verdict = match process.state {
            ProcessState::Running => self.running(process.pid, now),
            ProcessState::Exited => self.exited(process),
            ProcessState::Fatal | ProcessState::Unknown => {
                HealthVerdict::Failed(process.condition())
            }
            // Also STOPPED: between `addProcessGroup` and its start a process is that for a second.
            ProcessState::Starting
            | ProcessState::Backoff
            | ProcessState::Stopped
            | ProcessState::Stopping => HealthVerdict::Pending,
        };
        // The deadline comes last: that it keeps exiting says more than that its time is over.
        match verdict {
            HealthVerdict::Pending if self.exits >= 2 => HealthVerdict::Failed(format!(
                "keeps exiting after it has started ({} times while it was watched)",
                self.exits
            )),
            HealthVerdict::Pending if now >= self.deadline => {
                HealthVerdict::Failed(process.condition())
            }
            verdict => verdict,
        }
    }

    fn running(&mut self, pid: i64, now: Duration) -> HealthVerdict {
        match self.up {
            Some((seen, since)) if seen == pid => {
                if now.saturating_sub(since) >= window(&self.desired) {
                    HealthVerdict::Healthy
                } else {
                    HealthVerdict::Pending
                }
            }
            // By its pid: between two looks it may have exited and been started again, and `start` has
            // a resolution of a second.
            seen => {
                self.exits += u32::from(seen.is_some());
                self.up = Some((pid, now));
                HealthVerdict::Pending
            }
        }
    }

    fn exited(&mut self, process: &ProcessInfo) -> HealthVerdict {
        let expected = u8::try_from(process.exitstatus)
            .is_ok_and(|status| self.desired.exitcodes.contains(&status));
        // As supervisord itself decides whether it starts it again.
        match (self.desired.autorestart, expected) {
            (Autorestart::Never | Autorestart::Unexpected, true) => HealthVerdict::Healthy,
            (Autorestart::Never, false) => HealthVerdict::Failed(process.condition()),
            (Autorestart::Always, _) | (Autorestart::Unexpected, false) => HealthVerdict::Pending,
        }
    }
}

/// How long a process must keep its pid.
fn window(desired: &DesiredGroup) -> Duration {
    let seconds = desired.health.stable_for.unwrap_or(desired.startsecs.max(SHORTEST_WINDOW));
    Duration::from_secs(u64::from(seconds))
}
