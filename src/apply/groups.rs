//! Processes: the site's groups stop, leave, come and start, all at the same time.
//!
//! Every stop is sent at once (`stopProcess` with `wait=false`) and each group goes on as soon as
//! its own processes are down, so that K groups of T seconds take T, and one that does not stop
//! holds up nobody else. supervisord's own `update` goes one by one and aborts at the first that is
//! still running; a batch of `stopProcessGroup` runs a second each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::failure::{self, Unanswered};
use super::work::{Item, Stop, Work};
use super::{ApplyError, Doors, FailedAt, ProgramTrouble};
use crate::error::{CommandError, ErrorKind};
use crate::event::{Event, ProcessChange, Waited, WaitingFor};
use crate::inventory::Domain;
use crate::supervisord::{Answer, Call, Fault, FaultCode, ProcessInfo, ProcessState, display_name};

/// What a process may take beyond its `stopwaitsecs`: supervisord looks once a second, then the
/// kernel has to end it.
const STOP_MARGIN: Duration = Duration::from_secs(5);
/// How long supervisord may take to start a group that was added before it counts as not starting.
const SETTLE: Duration = Duration::from_secs(5);
/// Between two looks. supervisord wakes up for each call and reaps what has ended, so looking often
/// also makes it quicker.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What could not be done.
#[derive(Debug, Default)]
pub(super) struct Updated {
    /// Groups that are not as the files say, and processes that did not stop.
    pub(super) failed: Vec<ProgramTrouble>,
    /// Processes of groups that are, but that supervisord will not even try to start.
    pub(super) not_started: Vec<ProgramTrouble>,
}

impl Updated {
    /// Both.
    pub(super) fn all(self) -> impl Iterator<Item = ProgramTrouble> {
        self.failed.into_iter().chain(self.not_started)
    }
}

/// Where a group has got to.
enum Stage {
    Stopping,
    Settling { until: Duration },
}

struct Active<'w> {
    item: &'w Item,
    stage: Stage,
    deadline: Duration,
    asked: BTreeSet<String>,
    told_stopped: BTreeSet<String>,
}

impl Doors<'_> {
    /// Does `work` and returns what it could not be done to: one group's failure does not stop the
    /// others.
    pub(super) fn update(&mut self, site: &Domain, work: &Work) -> Result<Updated, ApplyError> {
        let mut updated = Updated::default();
        let (waiting, rest): (Vec<&Item>, Vec<&Item>) =
            work.items.iter().partition(|item| !item.after.is_empty());
        let (ready, stopping): (Vec<&Item>, Vec<&Item>) =
            rest.into_iter().partition(|item| item.stop == Stop::Nothing);
        let mut waiting = waiting;
        let began = self.clock.now();
        let stopping = stopping.into_iter().map(|item| Active::stopping(item, began));
        let mut active: Vec<Active<'_>> = stopping.collect();
        self.advance(site, ready, &mut active, &mut updated, began)?;
        let mut shown = Vec::new();
        while !active.is_empty() || !waiting.is_empty() {
            if self.interrupt.is_raised() {
                return Err(interrupted(site, &active));
            }
            let groups = self.processes().map_err(|error| lost(site, error))?;
            let down = self.stop_what_is_up(site, &mut active, &groups, &mut updated)?;
            self.advance(site, down, &mut active, &mut updated, began)?;
            let stopping = |group: &String| active.iter().any(|one| one.item.group == *group);
            let (blocked, free): (Vec<&Item>, Vec<&Item>) =
                waiting.into_iter().partition(|item| item.after.iter().any(stopping));
            waiting = blocked;
            let free = without_predecessor(free, &mut updated.failed);
            self.advance(site, free, &mut active, &mut updated, began)?;
            self.tell_waiting(site, &active, &groups, &mut shown);
            if !active.is_empty() {
                self.clock.wait(LOOK_EVERY);
            }
        }
        Ok(updated)
    }

    /// Every process, by group.
    pub(super) fn processes(&mut self) -> Result<BTreeMap<String, Vec<ProcessInfo>>, Unanswered> {
        let answer = self.supervisord.batch(&[Call::GetAllProcessInfo])?.into_iter().next();
        let processes = match answer.transpose()? {
            Some(Answer::Processes(processes)) => processes,
            other => return Err(Unanswered::Odd(other)),
        };
        let mut groups: BTreeMap<String, Vec<ProcessInfo>> = BTreeMap::new();
        for process in processes {
            groups.entry(process.group.clone()).or_default().push(process);
        }
        Ok(groups)
    }

    /// Sends what is not asked yet to stop, and returns the groups that are down. A process that
    /// came up again meanwhile (it was just being respawned) is asked again.
    fn stop_what_is_up<'w>(
        &mut self,
        site: &Domain,
        active: &mut Vec<Active<'w>>,
        groups: &BTreeMap<String, Vec<ProcessInfo>>,
        updated: &mut Updated,
    ) -> Result<Vec<&'w Item>, ApplyError> {
        let now = self.clock.now();
        let mut calls = Vec::new();
        let mut down = Vec::new();
        active.retain_mut(|group| {
            let processes = groups.get(&group.item.group).map_or(&[][..], Vec::as_slice);
            let concerned: Vec<&ProcessInfo> =
                processes.iter().filter(|process| group.concerns(&process.name)).collect();
            let up = concerned.iter().filter(|process| is_up(process));
            for process in up.filter(|_| group.item.stop != Stop::WaitOnly) {
                calls.push(Call::StopProcess(process.namespec()));
            }
            for process in concerned.iter().filter(|process| is_down(process)) {
                if group.asked.contains(&process.name)
                    && group.told_stopped.insert(process.name.clone())
                {
                    tell(self.events, site, process.display_name(), ProcessChange::Stopped);
                }
            }
            let asked = concerned.iter().filter(|process| is_up(process));
            group.asked.extend(asked.map(|process| process.name.clone()));
            if group.is_through(&concerned, now) {
                if matches!(group.stage, Stage::Stopping) {
                    down.push(group.item);
                }
                return false;
            }
            if now >= group.deadline {
                let seconds = group.item.stop_seconds;
                let name = &group.item.group;
                updated.failed.push(failed(name, format!("did not stop within {seconds} s")));
                return false;
            }
            true
        });
        self.send_stops(site, &calls, updated)?;
        Ok(down)
    }

    fn send_stops(
        &mut self,
        site: &Domain,
        stops: &[Call],
        updated: &mut Updated,
    ) -> Result<(), ApplyError> {
        for (call, answer) in stops.iter().zip(self.call(site, stops)?) {
            match (call, answer) {
                (Call::StopProcess(namespec), Ok(_)) => {
                    tell(self.events, site, shown(namespec), ProcessChange::Stopping);
                }
                (Call::StopProcess(namespec), Err(fault))
                    if fault.code != FaultCode::NotRunning =>
                {
                    let failure = failed(namespec, format!("was not stopped: {fault}"));
                    // It is asked again at each look, until its deadline.
                    if !updated.failed.contains(&failure) {
                        updated.failed.push(failure);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes, adds and starts every group of `ready`, in one round trip.
    fn advance<'w>(
        &mut self,
        site: &Domain,
        ready: Vec<&'w Item>,
        active: &mut Vec<Active<'w>>,
        updated: &mut Updated,
        began: Duration,
    ) -> Result<(), ApplyError> {
        let calls: Vec<Call> = ready.iter().flat_map(|item| item.calls()).collect();
        let mut answers = self.call(site, &calls)?.into_iter();
        let now = self.clock.now();
        for item in ready {
            let answers: Vec<_> = answers.by_ref().take(item.calls().len()).collect();
            let again = Active::stopping(item, began);
            if still_running(&answers) && now < again.deadline {
                // One that had exited was respawned between the look and the call.
                active.push(again);
            } else if self.take_answers(site, item, answers, updated)
                && !item.keep_stopped.is_empty()
            {
                active.push(Active {
                    item,
                    stage: Stage::Settling { until: now + SETTLE },
                    deadline: now
                        + SETTLE
                        + STOP_MARGIN
                        + Duration::from_secs(u64::from(item.stop_seconds)),
                    asked: BTreeSet::new(),
                    told_stopped: BTreeSet::new(),
                });
            }
        }
        Ok(())
    }

    /// Whether the group is where it should be. A process that cannot be started is not a failure
    /// of the update: verification looks at it.
    fn take_answers(
        &mut self,
        site: &Domain,
        item: &Item,
        answers: Vec<Result<Answer, Fault>>,
        updated: &mut Updated,
    ) -> bool {
        let mut reached = true;
        for (call, answer) in item.calls().into_iter().zip(answers) {
            match (call, answer) {
                (Call::RemoveProcessGroup(_), Err(fault)) if fault.code == FaultCode::BadName => {}
                (Call::AddProcessGroup(_), Err(fault))
                    if fault.code == FaultCode::AlreadyAdded && !item.remove => {}
                (Call::RemoveProcessGroup(group) | Call::AddProcessGroup(group), Err(fault)) => {
                    if reached {
                        updated.failed.push(failed(&group, format!("was not updated: {fault}")));
                    }
                    reached = false;
                }
                (Call::RemoveProcessGroup(group), Ok(_)) => {
                    tell(self.events, site, group, ProcessChange::Removed);
                }
                (Call::AddProcessGroup(group), Ok(_)) => {
                    tell(self.events, site, group, ProcessChange::Added);
                }
                (Call::StartProcess(namespec), Err(fault)) if cannot_start(&fault) => {
                    updated
                        .not_started
                        .push(failed(&namespec, format!("was not started: {fault}")));
                }
                (Call::StartProcess(namespec), Ok(_)) => {
                    tell(self.events, site, shown(&namespec), ProcessChange::Started);
                }
                _ => {}
            }
        }
        reached
    }

    fn call(
        &mut self,
        site: &Domain,
        calls: &[Call],
    ) -> Result<Vec<Result<Answer, Fault>>, ApplyError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        self.supervisord.batch(calls).map_err(|error| lost(site, error))
    }

    fn tell_waiting(
        &mut self,
        site: &Domain,
        active: &[Active<'_>],
        groups: &BTreeMap<String, Vec<ProcessInfo>>,
        shown: &mut Vec<String>,
    ) {
        let now = self.clock.now();
        let mut processes = Vec::new();
        for group in active.iter().filter(|group| matches!(group.stage, Stage::Stopping)) {
            let seconds_left = group.deadline.saturating_sub(now).as_secs();
            let of_group = groups.get(&group.item.group).map_or(&[][..], Vec::as_slice);
            let waited = of_group.iter().filter(|p| group.concerns(&p.name) && !is_down(p));
            processes.extend(waited.map(|p| Waited { name: p.display_name(), seconds_left }));
        }
        let names: Vec<String> = processes.iter().map(|p| p.name.clone()).collect();
        if names != *shown && !names.is_empty() {
            (self.events)(Event::Waiting {
                site: site.clone(),
                until: WaitingFor::Stop,
                processes,
            });
        }
        *shown = names;
    }
}

impl<'w> Active<'w> {
    fn stopping(item: &'w Item, began: Duration) -> Self {
        let seconds = Duration::from_secs(u64::from(item.stop_seconds));
        Self {
            item,
            stage: Stage::Stopping,
            deadline: began + seconds + STOP_MARGIN,
            asked: BTreeSet::new(),
            told_stopped: BTreeSet::new(),
        }
    }

    /// Whether this process of the group is to stop in the present stage.
    fn concerns(&self, process: &str) -> bool {
        match (&self.stage, &self.item.stop) {
            (Stage::Settling { .. }, _) => self.item.keep_stopped.iter().any(|n| n == process),
            (Stage::Stopping, Stop::Everything | Stop::WaitOnly) => true,
            (Stage::Stopping, Stop::These(names)) => names.iter().any(|name| name == process),
            (Stage::Stopping, Stop::Nothing) => false,
        }
    }

    fn is_through(&self, concerned: &[&ProcessInfo], now: Duration) -> bool {
        let down = concerned.iter().all(|process| is_down(process));
        if self.item.stop == Stop::WaitOnly && matches!(self.stage, Stage::Stopping) {
            return concerned.iter().all(|process| process.state != ProcessState::Stopping);
        }
        match self.stage {
            Stage::Stopping => down,
            // supervisord starts them about a second after the group came: not before that.
            Stage::Settling { until } => {
                down && (now >= until
                    || concerned.iter().all(|process| self.asked.contains(&process.name)))
            }
        }
    }
}

/// Faults after which supervisord tries no more. After a SPAWN_ERROR it does, and an ALREADY_STARTED
/// is what was wanted.
fn cannot_start(fault: &Fault) -> bool {
    use FaultCode::{Failed, NoFile, NotExecutable};
    matches!(fault.code, NoFile | NotExecutable | Failed)
}

/// Those of `free` that may come. One whose predecessor could not be stopped may not: both would run.
fn without_predecessor<'w>(
    free: Vec<&'w Item>,
    failures: &mut Vec<ProgramTrouble>,
) -> Vec<&'w Item> {
    let mut may_come = Vec::new();
    for item in free {
        let stuck = item.after.iter().find(|group| failures.iter().any(|f| f.group == **group));
        match stuck {
            None => may_come.push(item),
            Some(group) => {
                let reason = format!("was not started, because {group} has not stopped");
                failures.push(failed(&item.group, reason));
            }
        }
    }
    may_come
}

fn still_running(answers: &[Result<Answer, Fault>]) -> bool {
    answers.iter().any(|a| a.as_ref().is_err_and(|fault| fault.code == FaultCode::StillRunning))
}

fn is_up(process: &ProcessInfo) -> bool {
    process.state.is_running()
}

fn is_down(process: &ProcessInfo) -> bool {
    process.state.is_stopped()
}

fn tell(events: &mut dyn FnMut(Event), site: &Domain, name: String, change: ProcessChange) {
    events(Event::Process { site: site.clone(), name, change });
}

/// A group or process that something could not be done to.
fn failed(namespec: &str, reason: String) -> ProgramTrouble {
    let group = namespec.split(':').next().unwrap_or(namespec).to_owned();
    ProgramTrouble { group, process: shown(namespec), reason, log: Vec::new() }
}

fn shown(namespec: &str) -> String {
    match namespec.split_once(':') {
        Some((group, name)) => display_name(group, name),
        None => namespec.to_owned(),
    }
}

fn lost(site: &Domain, error: impl Into<Unanswered>) -> ApplyError {
    let what = "lost supervisord while updating programs";
    failure::lost(site, FailedAt::Update, what, &error.into())
}

fn interrupted(site: &Domain, active: &[Active<'_>]) -> ApplyError {
    let names: Vec<&str> = active.iter().map(|group| group.item.group.as_str()).collect();
    let message = format!("site {site}: interrupted while {} were stopping", names.join(", "));
    let error = CommandError::new(ErrorKind::Interrupted, message)
        .hint(format!("the next apply finishes it: supervisor-sync apply --site {site}"));
    ApplyError::new(FailedAt::Interrupted, error)
}
