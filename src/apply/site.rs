//! One site on its way through a transaction: which stage it is in, and what takes it to the next.
//!
//! A site never waits by itself. Each look at supervisord, and each answer to what it has sent, is
//! handed to it together with all other sites' (`follow.rs`).

use std::time::Duration;

use super::again::StopRequest;
use super::control::not_applied;
use super::failure;
use super::logs::{FailureLogs, LogEnds};
use super::probe::Probes;
use super::ran_before::until_running_again;
use super::undo::Undo;
use super::update::{STILL_STOPPING, Update, Updated};
use super::watch::{self, Watch, Watched};
use super::work::{GroupWork, SiteWork};
use super::{
    ApplyError, ApplyOptions, FailedAt, Look, Outcome, ProgramTrouble, SiteReport, SiteToApply,
    Teller,
};
use crate::desired::DesiredSite;
use crate::event::{Event, Step};
use crate::inventory::Domain;
use crate::plan::SitePlan;
use crate::records::{Journal, Lock};
use crate::supervisord::{Answer, Call, Fault, Reload};
use crate::system::files::Files;

/// A site, with what is done to it and how far that has come.
pub(super) struct SiteApply {
    pub(super) plan: SitePlan,
    /// What a revision of it records.
    pub(super) record: DesiredSite,
    /// What a later run needs to undo it. A mere start or stop has none.
    pub(super) journal: Option<Journal>,
    pub(super) stage: Stage,
    pub(super) work: SiteWork,
    /// Whether its files may be the new ones.
    pub(super) is_swapped: bool,
    /// Whether its former files are back, so that it needs no folder that was made for the new ones.
    pub(super) is_back: bool,
    /// Whether former files are back and not yet on the disk for certain.
    pub(super) is_unsynced: bool,
    /// How far the logs of its programs had come when that began.
    pub(super) log_ends: LogEnds,
    /// What could not be put back so far.
    pub(super) undo_errors: Vec<String>,
    /// Whether supervisord did not read the former files again after processes had changed.
    pub(super) lost_in_undo: bool,
    /// Held until it has its outcome.
    lock: Option<Lock>,
    pub(super) report: SiteReport,
    /// Whether its end was told.
    pub(super) is_told: bool,
    pub(super) batch: UpdateBatch,
}

/// How far a site has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its files are being changed; no process was touched.
    Files,
    /// Its groups stop, leave, come and start.
    Updating(Update),
    /// Was stopped as asked; a look tells whether supervisord has started it again.
    Stopped,
    /// Will not be watched: a look is taken for warnings.
    Glancing,
    /// What was started is watched.
    Watching(Watch),
    /// It is up, and is asked whether it works.
    Probing(Probes),
    /// Something failed, and is to be undone or left.
    Failed {
        cause: ApplyError,
        /// When: an undo waits only so long for its turn.
        since: Duration,
    },
    /// All is as wanted, and is to be recorded.
    Finished,
    /// The former files are back, and the groups follow.
    PuttingBack(Undo, Update),
    /// What ran before must run again.
    RunningAgain(Undo),
    /// Everything was put back that could be.
    PutBack(Undo),
    /// It has its outcome.
    Ended,
}

/// What is changed at the same time: all groups, or a few of a rolling restart.
#[derive(Debug, Default)]
pub(super) struct UpdateBatch {
    /// 0 for what is done together, then one for each step of a rolling restart.
    number: usize,
    pub(super) watched: Watched,
    /// What has failed in it.
    failed: Vec<ProgramTrouble>,
    /// Whether that was found by watching.
    in_verify: bool,
    /// How often a stop was repeated.
    pub(super) stops: u32,
}

impl SiteApply {
    pub(super) fn new(planned: SiteToApply) -> Self {
        let SiteToApply { plan, view, record, lock } = planned;
        Self {
            report: SiteReport::new(view),
            plan,
            record,
            journal: None,
            stage: Stage::Files,
            work: SiteWork::default(),
            is_swapped: false,
            is_back: false,
            is_unsynced: false,
            log_ends: LogEnds::default(),
            undo_errors: Vec::new(),
            lost_in_undo: false,
            lock,
            is_told: false,
            batch: UpdateBatch::default(),
        }
    }

    pub(super) fn domain(&self) -> &Domain {
        &self.plan.domain
    }

    pub(super) fn teller<'t>(&'t self, events: &'t mut dyn FnMut(Event)) -> Teller<'t> {
        Teller { site: &self.plan.domain, rolling: self.work.step(self.batch.number), events }
    }

    pub(super) fn into_report(self) -> SiteReport {
        self.report
    }

    /// Whether it has its outcome.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    pub(super) fn end(&mut self, outcome: Outcome) {
        self.report.outcome = outcome;
        self.stage = Stage::Ended;
        self.lock = None;
    }

    /// Ends it before anything was changed.
    pub(super) fn refuse(&mut self, cause: ApplyError) {
        self.end(Outcome::Refused { cause });
    }

    pub(super) fn fail(&mut self, cause: ApplyError, now: Duration) {
        self.stage = Stage::Failed { cause, since: now };
    }

    /// Begins with its groups, as far as supervisord's reread bears the plan out.
    pub(super) fn begin_update(
        &mut self,
        reread: &Reload,
        now: Duration,
        events: &mut dyn FnMut(Event),
    ) {
        // By the reread, not by the plan alone: somebody may have loaded or taken out a group since.
        self.work = SiteWork::new(&self.plan, reread);
        if self.journal.is_none() {
            self.report.troubles = not_applied(&self.plan);
            if self.plan.is_empty() && self.report.troubles.is_empty() {
                return self.end(Outcome::Unchanged);
            }
        }
        if !self.plan.is_empty() {
            let groups = self.work.all_items().count();
            self.teller(events).step(Step::Update { groups });
        }
        self.stage = Stage::Updating(Update::begin(&self.work.items, now));
    }

    /// The calls it wants sent now.
    pub(super) fn calls(&self) -> Vec<Call> {
        match &self.stage {
            Stage::Updating(update) | Stage::PuttingBack(_, update) => update.calls(),
            _ => Vec::new(),
        }
    }

    /// The processes that it asks to stop now.
    pub(super) fn stops(&self) -> impl Iterator<Item = &StopRequest> {
        let update = match &self.stage {
            Stage::Updating(update) | Stage::PuttingBack(_, update) => Some(update),
            _ => None,
        };
        update.into_iter().flat_map(Update::stops)
    }

    /// Takes the answers to its calls.
    pub(super) fn answered(
        &mut self,
        answers: impl IntoIterator<Item = Result<Answer, Fault>>,
        now: Duration,
        events: &mut dyn FnMut(Event),
    ) {
        let rolling = self.work.step(self.batch.number);
        let mut teller = Teller { site: &self.plan.domain, rolling, events };
        match &mut self.stage {
            Stage::Updating(update) | Stage::PuttingBack(_, update) => {
                update.answered(answers, now, &mut teller);
            }
            _ => {}
        }
    }

    /// Sees what supervisord says.
    pub(super) fn look(&mut self, look: &Look, disk: &dyn Files, events: &mut dyn FnMut(Event)) {
        let rolling = self.work.step(self.batch.number);
        let mut teller = Teller { site: &self.plan.domain, rolling, events };
        let logs = FailureLogs { files: disk, ends: &self.log_ends };
        match &mut self.stage {
            Stage::Updating(update) | Stage::PuttingBack(_, update) => {
                update.look(look, &mut teller);
            }
            Stage::Stopped => self.stop_what_came_up(look),
            Stage::Glancing => {
                // Nothing is waited for without `verify`; what is down by now is told all the same.
                let troubles = watch::failed_already(&self.batch.watched, look, &logs);
                self.report.troubles.extend(troubles);
                self.stage = Stage::Watching(Watch::begin(&Watched::new(), look.now));
                self.batch.watched.clear();
            }
            Stage::Watching(watch) => {
                self.batch.failed.extend(watch.look(look, &logs, &mut teller));
            }
            Stage::Probing(probes) => {
                self.batch.failed.extend(probes.look(&logs, &mut teller));
            }
            Stage::RunningAgain(undo) => undo.look(look),
            Stage::Files
            | Stage::Failed { .. }
            | Stage::Finished
            | Stage::PutBack(_)
            | Stage::Ended => {}
        }
    }

    /// Takes it to the next stage if it is through with this one.
    pub(super) fn go_on(
        &mut self,
        options: &ApplyOptions,
        now: Duration,
        events: &mut dyn FnMut(Event),
    ) {
        // More than one stage at once may have nothing to wait for, as a watch of nothing.
        loop {
            let is_through = match &self.stage {
                Stage::Updating(update) | Stage::PuttingBack(_, update) => update.is_done(),
                Stage::Watching(watch) => watch.is_done(),
                Stage::Probing(probes) => probes.is_done(),
                Stage::RunningAgain(undo) => undo.is_settled(now),
                _ => false,
            };
            if !is_through {
                return;
            }
            match std::mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Updating(update) => {
                    self.updated(update.into_updated(), options, now, events);
                }
                Stage::Watching(_) => {
                    let mut teller = self.teller(&mut *events);
                    // Health first: a probe of what is not up would only say that nobody answers.
                    let (watched, failed) = (&self.batch.watched, &self.batch.failed);
                    self.stage = Stage::Probing(Probes::begin(watched, failed, &mut teller));
                }
                Stage::Probing(_) => self.batch_done(now),
                Stage::PuttingBack(mut undo, update) => {
                    for trouble in update.into_updated().all() {
                        // What is still stopping and ran before is seen, and told, by the watch.
                        if trouble.reason != STILL_STOPPING
                            || !self.plan.ran.contains_key(&trouble.group)
                        {
                            let text = format!("{} {}", trouble.process, trouble.reason);
                            self.undo_errors.push(text);
                        }
                    }
                    undo.watch(until_running_again(&self.plan, &self.work), now);
                    self.stage = Stage::RunningAgain(undo);
                }
                Stage::RunningAgain(undo) => {
                    self.undo_errors.extend(undo.not_running_again());
                    self.stage = Stage::PutBack(undo);
                }
                other => self.stage = other,
            }
        }
    }

    /// The groups are where they should be, or cannot be brought there.
    fn updated(
        &mut self,
        updated: Updated,
        options: &ApplyOptions,
        now: Duration,
        events: &mut dyn FnMut(Event),
    ) {
        if self.journal.is_none() {
            self.report.troubles.extend(updated.all());
            if self.may_stop_again() {
                self.stage = Stage::Stopped;
            } else {
                self.watch(options, now, events);
            }
            return;
        }
        // Of a group that could not be brought to its place no process is watched: it is the former one,
        // or none, and a second complaint would only hide the first.
        let Updated { failed, not_started } = updated;
        self.batch.failed.extend(failed);
        self.batch.watched = self.batch_of_work().watched(&self.plan);
        let failed = &self.batch.failed;
        self.batch.watched.retain(|group, _| !failed.iter().any(|t| t.group == *group));
        // A process that supervisord will not even try to start is a matter of health. Nobody asked
        // for that without `verify`; with a failure that undoes everything it is of no interest.
        if !options.verify {
            self.report.troubles.extend(not_started);
        } else if self.batch.failed.is_empty() || !options.rollback {
            self.batch.in_verify = self.batch.failed.is_empty();
            self.batch.watched.retain(|group, _| !not_started.iter().any(|t| t.group == *group));
            self.batch.failed.extend(not_started);
        } else {
            self.batch.watched.clear();
        }
        self.begin_watch(options, now, events);
    }

    /// Watches what a start has started, or looks at it.
    fn watch(&mut self, options: &ApplyOptions, now: Duration, events: &mut dyn FnMut(Event)) {
        let troubles = &self.report.troubles;
        self.batch.watched = self.work.watched(&self.plan);
        self.batch.watched.retain(|group, _| !troubles.iter().any(|t| t.group == *group));
        self.begin_watch(options, now, events);
    }

    fn begin_watch(
        &mut self,
        options: &ApplyOptions,
        now: Duration,
        events: &mut dyn FnMut(Event),
    ) {
        let groups = self.batch.watched.len();
        if groups > 0 && !options.verify {
            self.stage = Stage::Glancing;
            return;
        }
        if groups > 0 {
            self.teller(events).step(Step::Verify { groups });
        }
        self.stage = Stage::Watching(Watch::begin(&self.batch.watched, now));
    }

    /// The work of the batch under way: number 0 is everything but the rolling restarts.
    fn batch_of_work(&self) -> SiteWork {
        match self.batch.number.checked_sub(1).and_then(|number| self.work.rolling.get(number)) {
            Some(items) => SiteWork::batch(items),
            None => self.work.clone(),
        }
    }

    /// What was changed together has its verdict: on to the next, or to the end.
    pub(super) fn batch_done(&mut self, now: Duration) {
        let UpdateBatch { number, mut failed, in_verify, .. } = std::mem::take(&mut self.batch);
        if self.journal.is_none() {
            self.report.troubles.extend(failed);
            return self.end_control();
        }
        if !failed.is_empty() {
            let at = if in_verify { FailedAt::Verify } else { FailedAt::Update };
            let cause = failure::of_programs(at, self.domain(), &failed);
            // `number` is that of the next batch, since 0 is none of a rolling restart.
            let rest = self.work.rolling.get(number..).unwrap_or_default().iter().flatten();
            let left: Vec<String> = rest.flat_map(GroupWork::names).collect();
            self.report.troubles.append(&mut failed);
            return self.fail(failure::with_rest_left(cause, &left), now);
        }
        match self.work.rolling.get(number) {
            Some(items) => {
                self.stage = Stage::Updating(Update::begin(items, now));
                self.batch.number = number + 1;
            }
            None => self.stage = Stage::Finished,
        }
    }
}
