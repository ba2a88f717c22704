//! Health: what was started must be up and stay so.
//!
//! supervisord's own `startsecs` is a poor witness: a program that exits just after it is restarted
//! for ever and never becomes FATAL. So each process must keep one pid over a window.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::failure::{self, Unanswered};
use super::{ApplyError, Doors, FailedAt, ProgramTrouble, release};
use crate::desired::DesiredGroup;
use crate::error::CommandError;
use crate::event::{Event, ProcessChange, Step, Waited, WaitingFor};
use crate::inventory::{Autorestart, Domain};
use crate::plan::harmless;
use crate::supervisord::{ProcessInfo, ProcessState, display_name};
use crate::system::files::Files;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Beyond what supervisord's retries may take: it looks once a second.
const MARGIN: Duration = Duration::from_secs(5);
/// The shortest window, seconds.
const SHORTEST_WINDOW: u32 = 2;
/// How much of a log a report carries.
const LOG_LINES: usize = 8;
const LOG_BYTES: u64 = 8 * 1024;

/// The processes to watch, by group, with how the group should behave.
pub(super) type Watched = BTreeMap<String, (DesiredGroup, Vec<String>)>;

struct Watch<'w> {
    group: &'w str,
    process: &'w str,
    desired: &'w DesiredGroup,
    deadline: Duration,
    /// The pid that was seen RUNNING, and since when.
    up: Option<(i64, Duration)>,
    exits: u32,
}

enum Verdict {
    Pending,
    Healthy,
    Failed(String),
}

impl Verdict {
    /// A process that is healthy but runs a former release is none of what was asked for.
    fn with_release(self, desired: &DesiredGroup, process: Option<&ProcessInfo>) -> Self {
        let former = || release::former(desired, process.filter(|process| process.pid > 0)?.pid);
        match self {
            Self::Healthy => former().map_or(Self::Healthy, |former| Self::Failed(former.reason())),
            other => other,
        }
    }
}

impl Doors<'_> {
    /// Watches until each process is healthy or has failed, asks the probes of those groups that
    /// are healthy, and returns what has failed.
    pub(super) fn verify(
        &mut self,
        site: &Domain,
        watched: &Watched,
    ) -> Result<Vec<ProgramTrouble>, ApplyError> {
        let mut troubles = Vec::new();
        if watched.is_empty() {
            return Ok(troubles);
        }
        self.step(site, Step::Verify { groups: watched.len() });
        self.watch(site, watched, &mut troubles)?;
        self.ask_probes(site, watched, &mut troubles)?;
        Ok(troubles)
    }

    fn watch(
        &mut self,
        site: &Domain,
        watched: &Watched,
        troubles: &mut Vec<ProgramTrouble>,
    ) -> Result<(), ApplyError> {
        let now = self.clock.now();
        let mut watches: Vec<Watch<'_>> = watched
            .iter()
            .flat_map(|(group, (desired, names))| {
                names.iter().map(move |name| Watch::new(group, name, desired, now))
            })
            .collect();
        let mut shown = usize::MAX;
        while !watches.is_empty() {
            if self.interrupt.is_raised() {
                return Err(interrupted(site, watches.iter().map(Watch::name)));
            }
            let groups = self.processes().map_err(|error| lost(site, &error))?;
            let now = self.clock.now();
            watches.retain_mut(|watch| {
                let process = find(&groups, watch.group, watch.process);
                match watch.verdict(process, now).with_release(watch.desired, process) {
                    Verdict::Pending => return true,
                    Verdict::Healthy => (self.events)(Event::Process {
                        site: site.clone(),
                        name: watch.name(),
                        change: ProcessChange::Healthy,
                    }),
                    Verdict::Failed(reason) => {
                        let Watch { group, process, desired, .. } = watch;
                        troubles.push(trouble(self.files, group, process, desired, reason));
                    }
                }
                false
            });
            if watches.len() != shown && !watches.is_empty() {
                shown = watches.len();
                self.tell_watched(site, &watches, now);
            }
            if !watches.is_empty() {
                self.clock.wait(LOOK_EVERY);
            }
        }
        Ok(())
    }

    /// One look: which of these have failed already.
    pub(super) fn look(&mut self, watched: &Watched) -> Vec<ProgramTrouble> {
        if watched.is_empty() {
            return Vec::new();
        }
        // A daemon that does not answer has just been told everything it needed; a look is no more
        // than a courtesy.
        let Ok(groups) = self.processes() else { return Vec::new() };
        let mut troubles = Vec::new();
        for (group, (desired, names)) in watched {
            for name in names {
                let Some(process) = find(&groups, group, name) else { continue };
                if matches!(process.state, ProcessState::Backoff | ProcessState::Fatal) {
                    let reason = process.condition();
                    troubles.push(trouble(self.files, group, name, desired, reason));
                }
            }
        }
        troubles
    }

    fn tell_watched(&mut self, site: &Domain, watches: &[Watch<'_>], now: Duration) {
        let waited = |watch: &Watch<'_>| Waited {
            name: watch.name(),
            seconds_left: watch.deadline.saturating_sub(now).as_secs(),
        };
        (self.events)(Event::Waiting {
            site: site.clone(),
            until: WaitingFor::Health,
            processes: watches.iter().map(waited).collect(),
        });
    }
}

impl<'w> Watch<'w> {
    fn new(group: &'w str, process: &'w str, desired: &'w DesiredGroup, now: Duration) -> Self {
        // supervisord tries startretries + 1 times, waiting 1, 2, 3... seconds in between.
        let (startsecs, retries) = (u64::from(desired.startsecs), u64::from(desired.startretries));
        let tries = startsecs
            .saturating_mul(retries.saturating_add(1))
            .saturating_add(retries.saturating_mul(retries.saturating_add(1)) / 2);
        // A hundred retries are an hour and a half: nobody waits for that to hear that it failed.
        let tries = Duration::from_secs(tries.min(300 + startsecs));
        let deadline = now + tries + window(desired) + MARGIN;
        Self { group, process, desired, deadline, up: None, exits: 0 }
    }

    fn name(&self) -> String {
        display_name(self.group, self.process)
    }

    fn verdict(&mut self, process: Option<&ProcessInfo>, now: Duration) -> Verdict {
        let Some(process) = process else {
            return Verdict::Failed("is not known to supervisord".to_owned());
        };
        let verdict = match process.state {
            ProcessState::Running => self.running(process.pid, now),
            ProcessState::Exited => self.exited(process),
            ProcessState::Fatal | ProcessState::Unknown => Verdict::Failed(process.condition()),
            ProcessState::Starting
            | ProcessState::Backoff
            | ProcessState::Stopped
            | ProcessState::Stopping => Verdict::Pending,
        };
        match verdict {
            Verdict::Pending if self.exits >= 2 => Verdict::Failed(format!(
                "keeps exiting after it has started ({} times while it was watched)",
                self.exits
            )),
            Verdict::Pending if now >= self.deadline => Verdict::Failed(process.condition()),
            verdict => verdict,
        }
    }

    fn running(&mut self, pid: i64, now: Duration) -> Verdict {
        match self.up {
            Some((seen, since)) if seen == pid => {
                if now.saturating_sub(since) >= window(self.desired) {
                    Verdict::Healthy
                } else {
                    Verdict::Pending
                }
            }
            seen => {
                self.exits += u32::from(seen.is_some());
                self.up = Some((pid, now));
                Verdict::Pending
            }
        }
    }

    fn exited(&mut self, process: &ProcessInfo) -> Verdict {
        let expected = u8::try_from(process.exitstatus)
            .is_ok_and(|status| self.desired.exitcodes.contains(&status));
        match (self.desired.autorestart, expected) {
            (Autorestart::Never | Autorestart::Unexpected, true) => Verdict::Healthy,
            (Autorestart::Never, false) => Verdict::Failed(process.condition()),
            (Autorestart::Always, _) | (Autorestart::Unexpected, false) => Verdict::Pending,
        }
    }
}

/// How long a process must keep its pid.
fn window(desired: &DesiredGroup) -> Duration {
    let seconds = desired.health.stable_for.unwrap_or(desired.startsecs.max(SHORTEST_WINDOW));
    Duration::from_secs(u64::from(seconds))
}

pub(super) fn find<'p>(
    groups: &'p BTreeMap<String, Vec<ProcessInfo>>,
    group: &str,
    name: &str,
) -> Option<&'p ProcessInfo> {
    groups.get(group)?.iter().find(|process| process.name == name)
}

pub(super) fn trouble(
    files: &dyn Files,
    group: &str,
    name: &str,
    desired: &DesiredGroup,
    reason: String,
) -> ProgramTrouble {
    ProgramTrouble {
        group: group.to_owned(),
        process: display_name(group, name),
        reason,
        log: last_lines(files, &desired.log),
    }
}

/// The end of a log, for the person who has to find out why; none if it cannot be read.
fn last_lines(files: &dyn Files, path: &Path) -> Vec<String> {
    let Ok(bytes) = files.tail(path, LOG_BYTES) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LOG_LINES);
    lines[first..].iter().map(|line| harmless(line)).collect()
}

fn lost(site: &Domain, error: &Unanswered) -> ApplyError {
    let what = "lost supervisord while watching programs";
    failure::lost(site, FailedAt::Verify, what, error)
}

pub(super) fn interrupted(site: &Domain, names: impl Iterator<Item = String>) -> ApplyError {
    let names: Vec<String> = names.collect();
    let message = format!("site {site}: interrupted while {} were watched", names.join(", "));
    let error = CommandError::new(crate::error::ErrorKind::Interrupted, message)
        .hint(format!("the next apply finishes it: supervisor-sync apply --site {site}"));
    ApplyError::new(FailedAt::Interrupted, error)
}
