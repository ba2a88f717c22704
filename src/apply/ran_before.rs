//! Processes that ran before an apply and must run again after its undo.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Look;
use super::work::SiteWork;
use crate::plan::SitePlan;
use crate::supervisord::{ProcessState, display_name};

/// How long one that has exited must keep its pid: with `startsecs=0` it is RUNNING whatever becomes of
/// it.
const STAYS_UP: Duration = Duration::from_secs(2);

/// What is said of a process that cannot run again yet.
pub(crate) const AS_ASKED: &str = "is still stopping, as this apply asked";

/// The processes that ran before in the groups that `work` has touched.
pub(super) fn until_running_again(plan: &SitePlan, work: &SiteWork) -> Vec<RanBefore> {
    // Of a rolling restart there is an item for each process, and the group is watched once.
    let touched: BTreeMap<&String, &Vec<String>> =
        work.all_items().filter_map(|item| plan.ran.get_key_value(&item.group)).collect();
    let mut watches = Vec::new();
    for (group, names) in touched {
        watches.extend(names.iter().map(|name| RanBefore::new(group, name, plan)));
    }
    watches
}

/// A process that ran before and is to run again.
#[derive(Debug)]
pub(super) struct RanBefore {
    group: String,
    name: String,
    state: Option<ProcessState>,
    /// The pid that was last seen RUNNING, and since when.
    up: Option<(i64, Duration)>,
    exits: u32,
    /// Whether it was in BACKOFF before: then it is as it was in that state.
    was_failing: bool,
    /// Whether it was seen to exit since, or to have exited.
    has_exited: bool,
    seen: Duration,
}

impl RanBefore {
    fn new(group: &str, name: &str, plan: &SitePlan) -> Self {
        Self {
            group: group.to_owned(),
            name: name.to_owned(),
            state: None,
            up: None,
            exits: 0,
            was_failing: plan.failing.get(group).is_some_and(|all| all.iter().any(|it| it == name)),
            has_exited: false,
            seen: Duration::ZERO,
        }
    }

    /// The group that it is in.
    pub(super) fn group(&self) -> &str {
        &self.group
    }

    /// Sees what supervisord says of it.
    pub(super) fn look(&mut self, look: &Look) {
        let (process, now) = (look.process(&self.group, &self.name), look.now);
        self.state = process.map(|process| process.state);
        self.seen = now;
        let exited = [ProcessState::Backoff, ProcessState::Exited];
        self.has_exited |= self.state.is_some_and(|state| exited.contains(&state));
        let running = process.filter(|process| process.state == ProcessState::Running);
        if let Some(process) = running
            && self.up.is_none_or(|(pid, _)| pid != process.pid)
        {
            self.exits += u32::from(self.up.is_some());
            self.has_exited |= self.up.is_some();
            self.up = Some((process.pid, now));
        }
    }

    /// Whether another look would tell nothing new.
    pub(super) fn is_settled(&self, now: Duration) -> bool {
        match self.state {
            Some(ProcessState::Backoff) if self.was_failing => true,
            // It is being tried again, and may stay up this time.
            Some(ProcessState::Starting | ProcessState::Backoff | ProcessState::Exited) => {
                self.keeps_exiting()
            }
            Some(ProcessState::Running) => self.keeps_exiting() || self.has_stayed(now),
            _ => true,
        }
    }

    /// Once may be its own choice, as of a worker that makes room for its successor.
    fn keeps_exiting(&self) -> bool {
        self.exits >= 2
    }

    fn has_stayed(&self, now: Duration) -> bool {
        self.up.is_some_and(|(_, since)| now.saturating_sub(since) >= STAYS_UP)
    }

    /// Whether it ran when it was last seen, or was at least as it had been before. One that has
    /// exited since must have stayed up after that: that it happens to be tried just then is no proof.
    pub(super) fn runs(&self) -> bool {
        match self.state {
            Some(ProcessState::Starting | ProcessState::Backoff) if self.was_failing => true,
            Some(ProcessState::Starting) => !self.has_exited,
            Some(ProcessState::Running) => {
                !self.keeps_exiting() && (!self.has_exited || self.has_stayed(self.seen))
            }
            _ => false,
        }
    }

    /// Why it does not run, in words that name it.
    pub(super) fn complaint(&self) -> String {
        let what = match self.state {
            Some(ProcessState::Stopping) => AS_ASKED,
            _ => "does not run again",
        };
        format!("{} {what}", display_name(&self.group, &self.name))
    }
}
