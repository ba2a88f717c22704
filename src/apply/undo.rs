//! The undo after processes have changed: former files, one reread, former processes.
//!
//! Sites that fail at the same time share the reread. Each then has its groups put back in the same
//! loop that updates the others, so an undo keeps nobody waiting either.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::failure::{fault_after_restore, in_one_line};
use super::files::{NotRestored, Restored};
use super::ran_before::RanBefore;
use super::site::{SiteApply, Stage};
use super::transaction::Transaction;
use super::update::Update;
use super::{ApplyError, Doors, FailedAt, Look, Outcome, files};
use crate::error::CommandError;
use crate::event::Step;
use crate::inventory::Domain;
use crate::records::{Journal, JournalPhase, Lock, LockError};

/// How long a former program is watched while it starts again: with supervisord's own `startsecs`
/// of 1 it is RUNNING long before. One that takes longer is left STARTING, as good as it was.
const STARTS_AGAIN: Duration = Duration::from_secs(10);
/// How long an undo waits for another apply to be through with supervisord's files, which takes
/// seconds.
const TURN: Duration = Duration::from_secs(120);

/// An undo under way.
#[derive(Debug)]
pub(super) struct Undo {
    /// What it is for.
    pub(super) cause: ApplyError,
    /// Whether the journal says that the files go back.
    pub(super) is_journaled: bool,
    watches: Vec<RanBefore>,
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
    pub(super) fn watch(&mut self, watches: Vec<RanBefore>, now: Duration) {
        self.watches = watches;
        self.deadline = now + STARTS_AGAIN;
    }

    /// The groups that are watched.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.watches.iter().map(RanBefore::group)
    }

    pub(super) fn look(&mut self, look: &Look) {
        self.has_looked = true;
        for watch in &mut self.watches {
            watch.look(look);
        }
    }

    pub(super) fn is_settled(&self, now: Duration) -> bool {
        if self.watches.is_empty() {
            return true;
        }
        // One look at least: when the groups were put back nobody has seen a process yet.
        self.has_looked
            && (now >= self.deadline || self.watches.iter().all(|watch| watch.is_settled(now)))
    }

    /// What ran before and does not run again.
    pub(super) fn not_running_again(&self) -> Vec<String> {
        self.watches.iter().filter(|watch| !watch.runs()).map(RanBefore::complaint).collect()
    }
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
                // Everything is in place and only not healthy: so it is recorded.
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
        // Before a file goes back the journal says so: after a kill from here on the next run is to do
        // the rest of the undo, and not to finish the apply.
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
        // Without the lock of the supervisord no file may be touched: another apply is at them, and its
        // reread would load ours half put back. The journal is left to the next run.
        if let Err(holder) = &turn {
            for (index, undo) in undos {
                let site = &mut self.sites[index];
                site.undo_errors.push(format!("its files: {holder} does not end"));
                site.stage = Stage::PutBack(undo);
            }
            return;
        }
        // On the disk before supervisord hears of it, as on the way there; then one reread for all of
        // them, and each goes on by itself.
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
                // supervisord runs what it has: to stop and start by files that it has not read would
                // bring up the new programs once more.
                Err(error) => {
                    site.undo_errors.extend(fault_after_restore(error));
                    site.lost_in_undo = true;
                    Stage::PutBack(undo)
                }
            };
        }
    }

    /// The lock of the supervisord, if it is free. It is not waited for here: the loop goes on for the
    /// other sites and comes back.
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
        // Of two sites that share a folder which one of them has made, the other may still need it.
        let others = self.sites.iter().filter(|site| !site.is_back);
        let others = others.filter_map(|site| site.journal.as_ref());
        let needed: BTreeSet<PathBuf> =
            others.flat_map(|journal| journal.folders.iter().cloned()).collect();
        let files = self.doors.files;
        let (mut swapped, mut journals, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for index in indices {
            let site = &self.sites[*index];
            let Some(journal) = &site.journal else { continue };
            if site.is_swapped {
                swapped.push(*index);
                journals.push(journal);
            } else {
                // None of its targets was touched: what stands there by now, also if it is neither the
                // former file nor the new one, is no edit that is in the way of an undo.
                all.push((*index, files::unstage(files, journal, &needed)));
            }
        }
        // Together, for the one sync before the former files get their names.
        all.extend(swapped.into_iter().zip(files::restore(files, &journals, &needed)));
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
        // One sync for all: if it fails, nobody can tell whose files are safe.
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
    /// What is left to be finished of it when it is undone.
    fn left_undone(&self) -> Option<Journal> {
        // What ran and could not be started again, for supervisord was gone, is the next apply's.
        self.journal.as_ref().and_then(|journal| match self.lost_in_undo {
            true => journal.rest(),
            false => journal.former.as_deref().cloned(),
        })
    }

    /// Ends it as undone, as far as that was possible.
    fn end_undone(&mut self, cause: ApplyError) {
        let undo_errors = std::mem::take(&mut self.undo_errors);
        self.end(if undo_errors.is_empty() {
            Outcome::RolledBack { cause }
        } else {
            Outcome::Stuck { cause, undo_errors }
        });
    }

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
