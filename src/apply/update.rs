//! Processes: a site's groups stop, leave, come and start, all at the same time.
//!
//! Every stop is sent at once (`stopProcess` with `wait=false`) and each group goes on as soon as
//! its own processes are down, so that K groups of T seconds take T, and one that does not stop
//! holds up nobody else. supervisord's own `update` goes one by one and aborts at the first that is
//! still running; a batch of `stopProcessGroup` runs a second each.
//!
//! An [`Update`] never waits: the loop over all sites (`follow.rs`) shows it what supervisord says,
//! sends its calls together with those of the other sites, and hands it the answers.

use std::time::Duration;

use super::again::StopRequest;
use super::stopping::{StopSeen, Stopping};
use super::work::{GroupWork, StopFirst};
use super::{Look, ProgramTrouble, Teller};
use crate::event::{ProcessChange, Waited, WaitingFor};
use crate::supervisord::{Answer, Call, Fault, FaultCode, display_name};

/// What is said of a process that was being stopped already and has had its time.
pub(super) const STILL_STOPPING: &str = "is still stopping";

/// What could not be done.
#[derive(Debug, Default)]
pub(super) struct Updated {
    /// Groups that are not as the files say, and processes that did not stop.
    pub(super) failed: Vec<ProgramTrouble>,
    /// Processes of groups that are, but that supervisord will not even try to start.
    pub(super) not_started: Vec<ProgramTrouble>,
}

impl Updated {
    fn has_failed(&self, group: &str) -> bool {
        self.failed.iter().any(|trouble| trouble.group == group)
    }

    /// All that is not as planned; a start or stop makes no difference between them.
    pub(super) fn all(self) -> impl Iterator<Item = ProgramTrouble> {
        self.failed.into_iter().chain(self.not_started)
    }
}

/// Items of work that are being done at the same time. One group's failure does not stop the others.
#[derive(Debug)]
pub(super) struct Update {
    /// They take the place of groups that are not gone yet.
    waiting: Vec<GroupWork>,
    active: Vec<Stopping>,
    /// What is to be sent, or was sent and is not answered yet.
    outbox: Vec<Sending>,
    updated: Updated,
    began: Duration,
    /// The processes that are waited for.
    waited: Vec<Waited>,
    /// The names of those that were last told.
    told: Vec<String>,
}

/// Calls that belong together.
#[derive(Debug)]
enum Sending {
    /// A process stops.
    Stop(StopRequest),
    /// A group whose processes are down leaves, comes and starts.
    Advance(GroupWork),
}

impl Sending {
    fn calls(&self) -> Vec<Call> {
        match self {
            Self::Stop(asked) => vec![Call::StopProcess(asked.namespec.clone())],
            Self::Advance(item) => item.calls(),
        }
    }
}

impl Update {
    /// Begins with what needs nobody to stop first.
    pub(super) fn begin(items: &[GroupWork], now: Duration) -> Self {
        let mut update = Self {
            waiting: Vec::new(),
            active: Vec::new(),
            outbox: Vec::new(),
            updated: Updated::default(),
            began: now,
            waited: Vec::new(),
            told: Vec::new(),
        };
        // What waits for another group is not asked to stop yet either: should the other not leave,
        // nothing of it has changed.
        for item in items.iter().cloned() {
            if !item.after.is_empty() {
                update.waiting.push(item);
            } else if item.stop == StopFirst::Nothing {
                update.outbox.push(Sending::Advance(item));
            } else {
                update.active.push(Stopping::before(item, now));
            }
        }
        update.release_waiting(now);
        update
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.active.is_empty() && self.outbox.is_empty()
    }

    /// What could not be done, once nothing is left to do.
    pub(super) fn into_updated(self) -> Updated {
        self.updated
    }

    /// What is still stopping, for the person who has interrupted it.
    pub(super) fn unfinished(&self) -> Vec<&str> {
        let waiting = self.waiting.iter().map(|item| item.group.as_str());
        let active = self.active.iter().map(|active| active.item.group.as_str());
        active.chain(waiting).collect()
    }

    /// The groups whose processes it waits for.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.active.iter().map(|active| active.item.group.as_str())
    }

    /// The calls to send now. Their answers go to [`answered`](Self::answered).
    pub(super) fn calls(&self) -> Vec<Call> {
        self.outbox.iter().flat_map(Sending::calls).collect()
    }

    /// The processes that it asks to stop now.
    pub(super) fn stops(&self) -> impl Iterator<Item = &StopRequest> {
        self.outbox.iter().filter_map(|sending| match sending {
            Sending::Stop(asked) => Some(asked),
            Sending::Advance(_) => None,
        })
    }

    /// Sees what supervisord says: sends what is not asked yet to stop, and goes on with the groups
    /// that are down. A process that came up again meanwhile (it was just being respawned) is asked
    /// again.
    pub(super) fn look(&mut self, look: &Look, teller: &mut Teller<'_>) {
        let mut stops = Vec::new();
        let Self { active, outbox, updated, .. } = self;
        active.retain_mut(|group| match group.look(look, &mut stops, teller) {
            StopSeen::StillUp => true,
            StopSeen::Settled => false,
            StopSeen::Down => {
                outbox.push(Sending::Advance(group.item.clone()));
                false
            }
            // On the way back a process that is late costs the others nothing: they start as they are.
            // On the way there the group fails as a whole.
            StopSeen::Late => {
                if let Some((item, late)) = group.without_late(look) {
                    let still = late.iter().map(|late| failed(late, STILL_STOPPING.to_owned()));
                    updated.failed.extend(still);
                    outbox.push(Sending::Advance(item));
                } else {
                    let reason = format!("did not stop within {} s", group.item.stop_seconds);
                    updated.failed.push(failed(&group.item.group, reason));
                }
                false
            }
        });
        outbox.extend(stops.into_iter().map(Sending::Stop));
        self.release_waiting(look.now);
        self.note_waiting(look);
    }

    /// Takes the answers to [`calls`](Self::calls), in their order.
    pub(super) fn answered(
        &mut self,
        answers: impl IntoIterator<Item = Result<Answer, Fault>>,
        now: Duration,
        teller: &mut Teller<'_>,
    ) {
        let mut answers = answers.into_iter();
        for sent in std::mem::take(&mut self.outbox) {
            match sent {
                Sending::Stop(asked) => {
                    if let Some(answer) = answers.next() {
                        self.stop_answered(&asked.namespec, answer, teller);
                    }
                }
                Sending::Advance(item) => {
                    let answers: Vec<_> = answers.by_ref().take(item.calls().len()).collect();
                    self.advance_answered(item, answers, now, teller);
                }
            }
        }
        self.release_waiting(now);
        // After what the answers say: what is waited for is what is left.
        self.tell_waiting(teller);
    }

    fn stop_answered(
        &mut self,
        namespec: &str,
        answer: Result<Answer, Fault>,
        teller: &mut Teller<'_>,
    ) {
        match answer {
            Ok(_) => teller.process(shown(namespec), ProcessChange::Stopping),
            // It has ended since the look, or is stopping already: the next look tells.
            Err(fault) if fault.code == FaultCode::NotRunning => {}
            Err(fault) => {
                let failure = failed(namespec, format!("was not stopped: {fault}"));
                // It is asked again at each look, until its deadline.
                if !self.updated.failed.contains(&failure) {
                    self.updated.failed.push(failure);
                }
            }
        }
    }

    fn advance_answered(
        &mut self,
        item: GroupWork,
        answers: Vec<Result<Answer, Fault>>,
        now: Duration,
        teller: &mut Teller<'_>,
    ) {
        let again = Stopping::before(item.clone(), self.began);
        if still_running(&answers) && again.has_time(now) {
            // One that had exited was respawned between the look and the call.
            self.active.push(again);
        } else if self.take_answers(&item, answers, teller) && !item.keep_stopped.is_empty() {
            self.active.push(Stopping::settling(item, now));
        }
    }

    /// Whether the group is where it should be. A process that cannot be started is not a failure
    /// of the update: verification looks at it.
    fn take_answers(
        &mut self,
        item: &GroupWork,
        answers: Vec<Result<Answer, Fault>>,
        teller: &mut Teller<'_>,
    ) -> bool {
        // All calls of a group are in one batch, so each is answered whatever became of the one before:
        // the failures after a first one only follow from it.
        let mut reached = true;
        for (call, answer) in item.calls().into_iter().zip(answers) {
            match (call, answer) {
                // Somebody was there first. What this very batch was to take out is another matter:
                // then it is the former group that is still there.
                (Call::RemoveProcessGroup(_), Err(fault)) if fault.code == FaultCode::BadName => {}
                (Call::AddProcessGroup(_), Err(fault))
                    if fault.code == FaultCode::AlreadyAdded && !item.remove => {}
                (Call::RemoveProcessGroup(group) | Call::AddProcessGroup(group), Err(fault)) => {
                    if reached {
                        let failure = failed(&group, format!("was not updated: {fault}"));
                        self.updated.failed.push(failure);
                    }
                    reached = false;
                }
                (Call::RemoveProcessGroup(group), Ok(_)) => {
                    teller.process(group, ProcessChange::Removed);
                }
                (Call::AddProcessGroup(group), Ok(_)) => {
                    teller.process(group, ProcessChange::Added);
                }
                (Call::StartProcess(namespec), Err(fault)) if cannot_start(&fault) => {
                    let failure = failed(&namespec, format!("was not started: {fault}"));
                    self.updated.not_started.push(failure);
                }
                (Call::StartProcess(namespec), Ok(_)) => {
                    teller.process(shown(&namespec), ProcessChange::Started);
                }
                _ => {}
            }
        }
        reached
    }

    /// Lets what waits go on once the groups whose place it takes are gone. One whose predecessor
    /// could not be stopped may not come: both would run.
    fn release_waiting(&mut self, now: Duration) {
        let Self { waiting, active, outbox, updated, .. } = self;
        let mut released = Vec::new();
        waiting.retain(|item| {
            if item.after.iter().any(|group| {
                active.iter().any(|active| active.item.group == *group)
                    || outbox.iter().any(|sending| sending.takes_out(group))
            }) {
                return true;
            }
            match item.after.iter().find(|group| updated.has_failed(group)) {
                None if item.stop == StopFirst::Nothing => {
                    outbox.push(Sending::Advance(item.clone()))
                }
                // It may be stopping itself, and a start would be lost then.
                None => released.push(Stopping::before(item.clone(), now)),
                Some(group) => {
                    let reason = format!("was not started, because {group} has not stopped");
                    updated.failed.push(failed(&item.group, reason));
                }
            }
            false
        });
        active.extend(released);
    }

    fn note_waiting(&mut self, look: &Look) {
        self.waited = self.active.iter().flat_map(|group| group.waited(look)).collect();
    }

    fn tell_waiting(&mut self, teller: &mut Teller<'_>) {
        let names: Vec<String> = self.waited.iter().map(|waited| waited.name.clone()).collect();
        if names != self.told && !names.is_empty() {
            teller.wait(WaitingFor::Stop, self.waited.clone());
        }
        self.told = names;
    }
}

impl Sending {
    /// Whether this group is on its way out with it.
    fn takes_out(&self, group: &str) -> bool {
        matches!(self, Self::Advance(item) if item.group == group)
    }
}

/// Faults after which supervisord tries no more. After a SPAWN_ERROR it does, and an ALREADY_STARTED
/// is what was wanted.
fn cannot_start(fault: &Fault) -> bool {
    use FaultCode::{Failed, NoFile, NotExecutable};
    matches!(fault.code, NoFile | NotExecutable | Failed)
}

fn still_running(answers: &[Result<Answer, Fault>]) -> bool {
    answers.iter().any(|a| a.as_ref().is_err_and(|fault| fault.code == FaultCode::StillRunning))
}

/// A group or process that something could not be done to.
fn failed(namespec: &str, reason: String) -> ProgramTrouble {
    let group = namespec.split(':').next().unwrap_or(namespec).to_owned();
    let (process, log) = (shown(namespec), Vec::new());
    ProgramTrouble { group, process, reason, log, log_since: None }
}

fn shown(namespec: &str) -> String {
    match namespec.split_once(':') {
        Some((group, name)) => display_name(group, name),
        None => namespec.to_owned(),
    }
}
