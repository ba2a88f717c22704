//! The commit: a revision for each site that is as wanted, then its journal goes.

use std::path::PathBuf;

use super::site::{SiteApply, Stage};
use super::transaction::Transaction;
use super::{ApplyError, FailedAt, Outcome, files};
use crate::error::CommandError;
use crate::event::Step;
use crate::inventory::Domain;
use crate::records::{GroupNotes, Journal, JournalPhase, NewRevision, Revision};

/// What is missing where an apply is done and its record is not.
const NO_REVISION: &str = "the revision is not recorded";

/// A site whose revision is written and not synced yet.
struct WrittenRevision {
    index: usize,
    revision: NewRevision,
}

impl Transaction<'_, '_> {
    /// Records all sites that have finished since the last time, with one sync for them together.
    pub(super) fn commit_finished(&mut self) {
        let mut finished = Vec::new();
        for (index, site) in self.sites.iter().enumerate() {
            if matches!(site.stage, Stage::Finished) {
                finished.push((index, None));
            }
        }
        self.commit(finished);
    }

    /// Records these sites. One with a cause has failed and is kept all the same, as was asked.
    pub(super) fn commit(&mut self, sites: Vec<(usize, Option<ApplyError>)>) {
        for (index, _) in &sites {
            self.sites[*index].teller(self.doors.events).step(Step::Commit);
        }
        let indices: Vec<usize> = sites.iter().map(|(index, _)| *index).collect();
        match self.options.record {
            true => self.record(&indices),
            false => self.leave_former_journals(&indices),
        }
        for (index, cause) in sites {
            self.sites[index].keep_for(cause);
        }
    }

    fn write_revision(&mut self, index: usize) -> Result<NewRevision, CommandError> {
        let (doors, site) = (&*self.doors, &self.sites[index]);
        let origin = self.origin.clone();
        if site.plan.releases {
            return doors.state.write_release(doors.files, &site.record, origin);
        }
        let acts = site.plan.groups.iter().filter(|(_, change)| change.action.acts());
        let notes = GroupNotes {
            had: site.journal.as_ref().map(Journal::group_names).unwrap_or_default(),
            still_loaded: site.plan.still_loaded.clone(),
            touched: acts.map(|(name, _)| name.clone()).collect(),
        };
        doors.state.write_revision(doors.files, &site.record, origin, notes)
    }

    /// Whatever an apply that records nothing found unfinished stays so.
    fn leave_former_journals(&mut self, indices: &[usize]) {
        let doors = &*self.doors;
        let mut left: Vec<(&Domain, Option<&Journal>)> = Vec::new();
        for index in indices {
            let site = &self.sites[*index];
            let former = site.journal.as_ref().and_then(|journal| journal.former.as_deref());
            left.push((site.domain(), former));
        }
        let closed = doors.state.close_undone(doors.files, &left);
        for (index, closed) in indices.iter().zip(closed) {
            self.sites[*index].end_closed(closed, None);
        }
    }

    /// Keeps what sites take over, with one sync for all of them, and returns those whose revision may be
    /// written: before, what was there must be on the disk, as nothing else is left of it.
    fn keep_taken_over(&mut self, indices: &[usize]) -> Vec<usize> {
        let (mut ready, mut kept) = (Vec::new(), Vec::new());
        for index in indices {
            let (doors, site) = (&*self.doors, &self.sites[*index]);
            let taken = &site.plan.taken_over;
            if taken.is_empty() {
                ready.push(*index);
                continue;
            }
            match doors.state.take_over(doors.files, site.domain(), self.origin, taken) {
                Ok(()) => kept.push(*index),
                Err(error) => self.sites[*index].end(not_recorded(error, NO_REVISION)),
            }
        }
        let doors = &*self.doors;
        let folders: Vec<PathBuf> =
            kept.iter().map(|index| doors.state.site_folder(self.sites[*index].domain())).collect();
        match files::sync(doors.files, folders.iter().map(PathBuf::as_path).collect()) {
            Ok(()) => ready.extend(kept),
            Err(source) => {
                let error = CommandError::refused("cannot bring revision 0 to the disk");
                let outcome = not_recorded(error.caused_by(&source), NO_REVISION);
                for index in kept {
                    self.sites[index].end(outcome.clone());
                }
            }
        }
        ready.sort_unstable();
        ready
    }

    /// Writes the revisions. Only when they are on the disk may journals and old revisions go.
    fn record(&mut self, indices: &[usize]) {
        let mut written = Vec::new();
        for index in self.keep_taken_over(indices) {
            match self.write_revision(index) {
                Ok(revision) => written.push(WrittenRevision { index, revision }),
                Err(error) => self.sites[index].end(not_recorded(error, NO_REVISION)),
            }
        }
        let doors = &*self.doors;
        let folders: Vec<PathBuf> = written
            .iter()
            .map(|one| doors.state.revisions_folder(self.sites[one.index].domain()))
            .collect();
        match files::sync(doors.files, folders.iter().map(PathBuf::as_path).collect()) {
            Ok(()) => self.close_journals(&written),
            Err(source) => {
                let error = CommandError::refused("cannot bring the revision to the disk");
                let outcome = not_recorded(error.caused_by(&source), NO_REVISION);
                for one in written {
                    self.sites[one.index].end(outcome.clone());
                }
            }
        }
    }

    /// Removes the logs of programs that are gone, as was asked. Last of all: what is undone still has its
    /// logs, and a kill before leaves them.
    fn purge_logs(&mut self, index: usize) {
        let site = &self.sites[index];
        for log in &site.plan.logs {
            if let Err(error) = self.doors.files.remove_log(log) {
                let text = format!("the log {} stays: {error}", log.display());
                site.teller(self.doors.events).warn(text);
            }
        }
    }

    /// Drops the journals. What a former apply left unfinished of programs that this one was not to
    /// touch stays in them.
    fn close_journals(&mut self, written: &[WrittenRevision]) {
        let (doors, sites) = (&*self.doors, &self.sites);
        let mut left = Vec::new();
        let mut closed = Vec::new();
        for WrittenRevision { index, revision } in written {
            let site = &sites[*index];
            doors.state.remove_too_old(doors.files, site.domain(), revision);
            if site.plan.releases {
                // One that stays is not believed: the revision says that the site starts anew.
                let _ = doors.state.forget_taken_over(doors.files, site.domain());
            }
            match site.left_unfinished(revision.number) {
                Some(rest) => left.push((*index, revision.number, rest)),
                None => {
                    let phase = JournalPhase::Groups;
                    let end = doors.state.close(doors.files, site.domain(), phase);
                    closed.push((*index, revision.number, end));
                }
            }
        }
        let rests: Vec<(&Domain, Option<&Journal>)> =
            left.iter().map(|(index, _, rest)| (sites[*index].domain(), Some(rest))).collect();
        let ends = doors.state.close_undone(doors.files, &rests);
        closed
            .extend(left.iter().zip(ends).map(|((index, number, _), end)| (*index, *number, end)));
        for (index, number, end) in closed {
            let is_closed = end.is_ok();
            self.sites[index].end_closed(end, Some(number));
            if is_closed {
                self.purge_logs(index);
            }
        }
    }
}

impl SiteApply {
    /// It ended as wanted so far as its records go, but has failed and is kept as was asked.
    fn keep_for(&mut self, cause: Option<ApplyError>) {
        if let (Some(cause), Outcome::Applied { .. }) = (cause, &self.report.outcome) {
            self.report.outcome = Outcome::Kept { cause };
        }
    }

    /// What a former apply began and this one was not to finish.
    fn left_unfinished(&self, revision: u64) -> Option<Journal> {
        let journal = self.journal.as_ref()?;
        let former = journal.former.as_ref()?;
        let target = Revision::new(revision, &self.record, journal.origin.clone());
        former.left_of(&self.plan.unfinished, target)
    }

    /// Ends it as applied, if its journal could be closed.
    fn end_closed(&mut self, closed: Result<(), CommandError>, revision: Option<u64>) {
        self.end(match closed {
            Ok(()) => Outcome::Applied { revision },
            Err(error) => not_recorded(error, "the journal is still there"),
        });
    }
}

/// Everything was done, but our own records do not say so.
fn not_recorded(error: CommandError, what: &str) -> Outcome {
    let error = error.hint(format!("files and programs are as wanted, but {what}"));
    Outcome::Stuck { cause: ApplyError::new(FailedAt::State, error), undo_errors: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Domain;

    /// What is only not recorded was not to be put back.
    #[test]
    fn missing_record_is_no_failed_undo() {
        let error = CommandError::refused("cannot write /s/revisions/2.json");
        let outcome = not_recorded(error, "the revision is not recorded");
        let site = Domain::try_from("a.com".to_owned()).unwrap();
        let text = super::super::outcome::failure_of(&site, &outcome).unwrap().to_string();
        assert_eq!(
            text,
            "cannot write /s/revisions/2.json\n\
             hint: files and programs are as wanted, but the revision is not recorded\n\
             hint: fix that, then run it again: supervisor-sync apply --site a.com"
        );
    }
}
