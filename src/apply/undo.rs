//! The undo after processes have changed: former files, one reread, former processes.
//!
//! Sites that fail at the same time share the reread. Each then has its groups put back in the same
//! loop that updates the others, so an undo keeps nobody waiting either.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::failure::{fault_after_restore, in_one_line};
use super::files::{NotRestored, Restored};
use super::site::{SiteApply, Stage};
use super::transaction::Transaction;
use super::update::Update;
use super::work::Work;
use super::{ApplyError, Doors, FailedAt, Look, Outcome, files};
use crate::error::CommandError;
use crate::event::Step;
use crate::inventory::Domain;
use crate::plan::SitePlan;
use crate::records::{Journal, JournalPhase, Lock, LockError};
use crate::supervisord::{ProcessInfo, ProcessState, display_name};

/// How long a former program is watched while it starts again: with supervisord's own `startsecs`
/// of 1 it is RUNNING long before. One that takes longer is left STARTING, as good as it was.
const STARTS_AGAIN: Duration = Duration::from_secs(10);
/// How long it must then keep its pid: with `startsecs=0` it is RUNNING whatever becomes of it.
const STAYS_UP: Duration = Duration::from_secs(2);
/// How long an undo waits for another apply to be through with supervisord's files, which takes
/// seconds.
const TURN: Duration = Duration::from_secs(120);

/// What is said of a process that cannot run again yet.
pub(crate) const AS_ASKED: &str = "is still stopping, as this apply asked";

/// An undo under way.
#[derive(Debug)]
pub(super) struct Undo {
    /// What it is for.
    pub(super) cause: ApplyError,
    /// Whether the journal says that the files go back.
    pub(super) is_journaled: bool,
    watches: Vec<Again>,
    deadline: Duration,
    /// Whether they were looked at since the groups are back.
    has_looked: bool,
}

impl Undo {
    fn new(cause: ApplyError, is_journaled: bool) -> Self {
        Self {
            cause,
            is_journaled,
            watches: Vec::new(),
            deadline: Duration::ZERO,
            has_looked: false,
        }
    }

    /// Watches what ran before: the proof that the undo has worked.
    pub(super) fn watch(&mut self, watches: Vec<Again>, now: Duration) {
        self.watches = watches;
        self.deadline = now + STARTS_AGAIN;
    }

    /// The groups that are watched.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.watches.iter().map(|watch| watch.group.as_str())
    }

    pub(super) fn look(&mut self, look: &Look) {
        self.has_looked = true;
        for watch in &mut self.watches {
            watch.look(look.process(&watch.group, &watch.name), look.now);
        }
    }

    pub(super) fn is_settled(&self, now: Duration) -> bool {
        let settled = || self.watches.iter().all(|watch| watch.is_settled(now));
        self.watches.is_empty() || self.has_looked && (now >= self.deadline || settled())
    }

    /// What ran before and does not run again.
    pub(super) fn not_running_again(&self) -> Vec<String> {
        let failed = self.watches.iter().filter(|watch| !watch.runs());
        let how = |watch: &Again| match watch.state {
            Some(ProcessState::Stopping) => AS_ASKED,
            _ => "does not run again",
        };
        failed.map(|watch| format!("{} {}", watch.shown(), how(watch))).collect()
    }
}

/// The processes that ran before in the groups that `work` has touched.
pub(super) fn until_running_again(plan: &SitePlan, work: &Work) -> Vec<Again> {
    let touched: BTreeMap<&String, &Vec<String>> =
        work.all_items().filter_map(|item| plan.ran.get_key_value(&item.group)).collect();
    touched
        .into_iter()
        .flat_map(|(group, names)| names.iter().map(move |name| Again::new(group, name, plan)))
        .collect()
}

impl Transaction<'_, '_> {
    /// Decides what becomes of the sites that have failed: put back, or left as they are.
    pub(super) fn undo_failed(&mut self) {
        let mut kept = Vec::new();
        let mut undone = Vec::new();
        for (index, site) in self.sites.iter_mut().enumerate() {
            let Stage::Failed { cause, since } = &site.stage else { continue };
            if self.options.rollback {
                undone.push((index, *since));
            } else if cause.at == FailedAt::Update {
                // The journal knows what ran before: the next apply finishes what was not reached.
                let mut cause = cause.clone();
                let finish = format!("finish it: supervisor-sync apply --site {}", site.domain());
                cause.error = cause.error.hint(finish);
                site.end(Outcome::Kept { cause });
            } else {
                kept.push((index, Some(cause.clone())));
            }
        }
        if !kept.is_empty() {
            self.commit(kept);
        }
        if !undone.is_empty() {
            self.undo(undone);
        }
    }

    /// Puts files back and begins to put groups back, while no other apply is at supervisord's files.
    fn undo(&mut self, mut failed: Vec<(usize, Duration)>) {
        let turn = match self.turn() {
            Ok(lock) => Ok(lock),
            // Nothing is begun with any more.
            Err(LockError::Interrupted { .. }) => return,
            Err(LockError::Held { holder, .. }) => {
                let now = self.doors.clock.now();
                failed.retain(|(_, since)| now.saturating_sub(*since) >= TURN);
                if failed.is_empty() {
                    return;
                }
                Err(holder.to_string())
            }
            Err(error) => Err(in_one_line(&error.into())),
        };
        let indices: Vec<usize> = failed.iter().map(|(index, _)| *index).collect();
        let mut undos = BTreeMap::new();
        for index in &indices {
            let site = &mut self.sites[*index];
            site.teller(self.doors.events).step(Step::Undo);
            let is_journaled = site.say_undo(self.doors).is_ok();
            if let Stage::Failed { cause, .. } = std::mem::replace(&mut site.stage, Stage::Ended) {
                undos.insert(*index, Undo::new(cause, is_journaled));
            }
        }
        // Should it fail, a power cut leaves the journal in the phase before: then the next apply
        // finishes what this one undoes.
        let _ = self.doors.state.sync(self.doors.files);
        if let Err(holder) = &turn {
            for (index, undo) in undos {
                let site = &mut self.sites[index];
                site.undo_errors.push(format!("its files: {holder} does not end"));
                site.stage = Stage::PutBack(undo);
            }
            return;
        }
        self.restore_files(&indices);
        self.sync_restored();
        let reread = self.reread(indices[0]);
        let now = self.doors.clock.now();
        for (index, undo) in undos {
            let site = &mut self.sites[index];
            site.stage = match &reread {
                Ok(reread) => {
                    let back = site.work.reversed(&site.plan, reread);
                    Stage::PuttingBack(undo, Update::begin(&back.items, now))
                }
                Err(error) => {
                    site.undo_errors.extend(fault_after_restore(error));
                    site.lost_in_undo = true;
                    Stage::PutBack(undo)
                }
            };
        }
    }

    fn turn(&self) -> Result<Lock, LockError> {
        let (state, until) = (self.doors.state, (self.doors.clock, self.doors.interrupt));
        state.lock(self.origin, Duration::ZERO, until, &mut |_| {})
    }

    /// Ends the sites whose undo is over.
    pub(super) fn close_put_back(&mut self) {
        let mut undone = Vec::new();
        for (index, site) in self.sites.iter_mut().enumerate() {
            if !matches!(site.stage, Stage::PutBack(_)) {
                continue;
            }
            if let Stage::PutBack(undo) = std::mem::replace(&mut site.stage, Stage::Ended) {
                site.note_undo(self.doors, undo.is_journaled);
                undone.push((index, undo.cause));
            }
        }
        self.end_undone(undone);
    }

    /// Brings the former files of these sites back, with one sync before they get their names. What
    /// cannot be put back is noted at its site; [`sync_restored`](Self::sync_restored) is for the rest.
    pub(super) fn restore_files(&mut self, indices: &[usize]) {
        for index in indices {
            self.sites[*index].is_back = true;
        }
        let others = self.sites.iter().filter(|site| !site.is_back);
        let others = others.filter_map(|site| site.journal.as_ref());
        let needed: BTreeSet<PathBuf> =
            others.flat_map(|journal| journal.folders.iter().cloned()).collect();
        let files = self.doors.files;
        let of_site = |index: &usize| Some((*index, self.sites[*index].journal.as_ref()?));
        let (swapped, untouched): (Vec<_>, Vec<_>) = indices
            .iter()
            .filter_map(of_site)
            .partition(|(index, _)| self.sites[*index].is_swapped);
        let journals: Vec<&Journal> = swapped.iter().map(|(_, journal)| *journal).collect();
        let restored =
            swapped.iter().map(|(index, _)| *index).zip(files::restore(files, &journals, &needed));
        let unstaged = untouched
            .iter()
            .map(|(index, journal)| (*index, files::unstage(files, journal, &needed)));
        let all: Vec<(usize, Restored)> = restored.chain(unstaged).collect();
        for (index, Restored { errors, changed }) in all {
            let site = &mut self.sites[index];
            site.undo_errors = errors.into_iter().map(|error| error.what).collect();
            site.is_unsynced |= changed;
        }
    }

    /// Brings to the disk what was put back, with one sync: before a journal goes that knows of it.
    pub(super) fn sync_restored(&mut self) {
        let unsynced = self.sites.iter().filter(|site| site.is_unsynced);
        let journals = unsynced.filter_map(|site| site.journal.as_ref());
        let synced = files::sync_folders(self.doors.files, journals);
        let error = synced.err().map(|error| NotRestored::unsynced(&error).what);
        for site in self.sites.iter_mut().filter(|site| site.is_unsynced) {
            site.is_unsynced = false;
            site.undo_errors.extend(error.clone());
        }
    }

    /// Ends sites as undone. A journal goes, unless something could not be put back: then the next run
    /// tries again.
    pub(super) fn end_undone(&mut self, failed: Vec<(usize, ApplyError)>) {
        self.sync_restored();
        let mut closing = Vec::new();
        for (index, _) in &failed {
            let site = &self.sites[*index];
            if site.undo_errors.is_empty() {
                closing.push((*index, site.left_undone()));
            }
        }
        let undone: Vec<(&Domain, Option<&Journal>)> = closing
            .iter()
            .map(|(index, left)| (self.sites[*index].domain(), left.as_ref()))
            .collect();
        let closed = self.doors.state.close_undone(self.doors.files, &undone);
        for ((index, _), closed) in closing.iter().zip(closed) {
            let error = closed.err().map(|error| in_one_line(&error));
            self.sites[*index].undo_errors.extend(error);
        }
        for (index, cause) in failed {
            self.sites[index].end_undone(cause);
        }
    }
}

impl SiteApply {
    /// Whoever finds the journal of an undo that could not be done must know that the files are to go
    /// back.
    fn note_undo(&mut self, doors: &Doors<'_>, is_journaled: bool) {
        if !self.undo_errors.is_empty()
            && !is_journaled
            && let Err(error) = self.say_undo(doors)
        {
            self.undo_errors.push(in_one_line(&error));
        }
    }

    /// Has the journal say that it is being undone.
    fn say_undo(&self, doors: &Doors<'_>) -> Result<(), CommandError> {
        let (from, to) = (JournalPhase::Groups, JournalPhase::Undo);
        doors.state.advance(doors.files, self.domain(), from, to)
    }
}

/// A process that ran before and is to run again.
#[derive(Debug)]
pub(super) struct Again {
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

impl Again {
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

    fn look(&mut self, process: Option<&ProcessInfo>, now: Duration) {
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

    fn is_settled(&self, now: Duration) -> bool {
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
    fn runs(&self) -> bool {
        match self.state {
            Some(ProcessState::Starting | ProcessState::Backoff) if self.was_failing => true,
            Some(ProcessState::Starting) => !self.has_exited,
            Some(ProcessState::Running) => {
                !self.keeps_exiting() && (!self.has_exited || self.has_stayed(self.seen))
            }
            _ => false,
        }
    }

    fn shown(&self) -> String {
        display_name(&self.group, &self.name)
    }
}
