//! Stops that were lost: supervisord's signal to a process that it has just forked, and that has not
//! executed its program yet, ends in a copy of supervisord's own handler and does nothing. supervisord
//! then waits for `stopwaitsecs`, and so would we.
//!
//! Asking supervisord to stop it again is refused (NOT_RUNNING) while it is STOPPING, and
//! `signalProcess` reaches the process alone where `stopasgroup` wants its children, too. So the
//! signal is sent from here, once it is certain that the first was lost: for many programs a second
//! one means to drop everything and end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Look;
use crate::plan::StopSignal;
use crate::supervisord::{Answer, Call, Fault, ProcessInfo, ProcessState};
use crate::system::process::{cannot_have_received, has_not_executed, is_child, send};

/// A process that has run for longer, in seconds, has executed its program long ago, also on a machine
/// that is busy.
const YOUNG: i64 = 10;
/// How long a signal may take to have its effect before it is looked whether it can have had any.
const EFFECT: Duration = Duration::from_secs(1);
/// So often at most.
const TIMES: u32 = 2;

/// A process that is about to be asked to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StopRequest {
    pub(super) namespec: String,
    pid: i64,
    /// How supervisord asks it, if it can be lost: it is young, and it is known how.
    may_be_lost: Option<StopSignal>,
}

impl StopRequest {
    pub(super) fn new(process: &ProcessInfo, how: Option<StopSignal>) -> Self {
        let is_young = process.now - process.start <= YOUNG;
        let may_be_lost = how.filter(|_| is_young);
        Self { namespec: process.namespec(), pid: process.pid, may_be_lost }
    }
}

/// The stops of young processes of all sites, by namespec.
#[derive(Debug, Default)]
pub(super) struct Stops {
    young: BTreeMap<String, YoungStop>,
    /// The pid of supervisord, once there was one to ask for.
    daemon: Option<i64>,
}

#[derive(Debug)]
struct YoungStop {
    pid: i64,
    how: StopSignal,
    at: Duration,
    /// Whether it is certain that it was lost; `None` until it was sent.
    lost: Option<bool>,
    times: u32,
}

impl Stops {
    /// Notes the young ones among what is about to be asked to stop, and says what is to be asked
    /// after that.
    pub(super) fn note<'a>(
        &mut self,
        asked: impl Iterator<Item = &'a StopRequest>,
        now: Duration,
    ) -> Option<Call> {
        for one in asked {
            let Some(how) = one.may_be_lost else { continue };
            let stop = YoungStop { pid: one.pid, how, at: now, lost: None, times: 0 };
            self.young.insert(one.namespec.clone(), stop);
        }
        (!self.young.is_empty() && self.daemon.is_none()).then_some(Call::GetPid)
    }

    /// They were sent: who has not executed its program by now has lost it. `answer` is to what
    /// [`note`](Self::note) wanted asked.
    pub(super) fn sent(&mut self, answer: Option<Result<Answer, Fault>>) {
        if let Some(Ok(Answer::Number(pid))) = answer {
            self.daemon = Some(pid);
        }
        let Some(daemon) = self.daemon else { return };
        for stop in self.young.values_mut().filter(|stop| stop.lost.is_none()) {
            stop.lost = Some(has_not_executed(stop.pid, daemon));
        }
    }

    /// The groups of which something was asked to stop.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.young.keys().filter_map(|namespec| Some(namespec.split_once(':')?.0))
    }

    /// Sends those again that were certainly lost.
    pub(super) fn look(&mut self, look: &Look) {
        let Some(daemon) = self.daemon else { return };
        let now = look.now;
        self.young.retain(|namespec, stop| {
            let Some(lost) = stop.lost else { return true };
            let process =
                namespec.split_once(':').and_then(|(group, name)| look.process(group, name));
            if process.is_none_or(|p| p.pid != stop.pid || p.state != ProcessState::Stopping) {
                return false;
            }
            let signal = stop.how.signal.as_str();
            let is_late = now >= stop.at + EFFECT;
            if is_child(stop.pid, daemon)
                && !has_not_executed(stop.pid, daemon)
                && (lost || is_late && cannot_have_received(stop.pid, daemon, signal))
            {
                send(stop.pid, signal, stop.how.as_group);
                (stop.lost, stop.at, stop.times) = (Some(false), now, stop.times + 1);
            }
            stop.times < TIMES
        });
    }
}
