//! The commit: a revision for each site that is as wanted, then its journal goes.

use std::path::{Path, PathBuf};

use super::site::{SiteApply, Stage};
use super::transaction::Transaction;
use super::{ApplyError, Doors, FailedAt, Outcome};
use crate::error::CommandError;
use crate::event::Step;
use crate::records::{Journal, JournalPhase, Revision};

/// A site whose revision is written and not synced yet.
struct Written {
    index: usize,
    revision: u64,
}

impl Transaction<'_, '_> {
    /// Records all sites that have finished since the last time, with one sync for them together.
    pub(super) fn commit_finished(&mut self) {
        let is_finished = |index: &usize| matches!(self.sites[*index].stage, Stage::Finished);
        let finished: Vec<usize> = (0..self.sites.len()).filter(is_finished).collect();
        self.commit(finished.into_iter().map(|index| (index, None)).collect());
    }

    /// Records these sites. One with a cause has failed and is kept all the same, as was asked.
    pub(super) fn commit(&mut self, sites: Vec<(usize, Option<ApplyError>)>) {
        let mut written = Vec::new();
        for (index, _) in &sites {
            self.sites[*index].teller(self.doors.events).step(Step::Commit);
            if self.options.record {
                match self.write_revision(*index) {
                    Ok(revision) => written.push(Written { index: *index, revision }),
                    Err(error) => {
                        self.sites[*index].end(not_recorded(error, "the revision is not recorded"))
                    }
                }
            } else {
                self.leave_former_journal(*index);
            }
        }
        self.close_written(&written);
        for (index, cause) in sites {
            self.sites[index].keep_for(cause);
        }
    }

    fn write_revision(&mut self, index: usize) -> Result<u64, CommandError> {
        let (doors, site) = (&*self.doors, &self.sites[index]);
        let groups = site.journal.as_ref().map(Journal::group_names).unwrap_or_default();
        let (origin, still_loaded) = (self.origin.clone(), site.plan.still_loaded.clone());
        doors.state.write_revision(doors.files, &site.record, origin, groups, still_loaded)
    }

    /// Whatever an apply that records nothing found unfinished stays so.
    fn leave_former_journal(&mut self, index: usize) {
        let (doors, site) = (&*self.doors, &mut self.sites[index]);
        let former = site.journal.as_ref().and_then(|journal| journal.former.as_deref());
        let outcome = match doors.state.close_undone(doors.files, site.domain(), former) {
            Ok(()) => Outcome::Applied { revision: None },
            Err(error) => not_recorded(error, "the journal is still there"),
        };
        site.end(outcome);
    }

    /// Only when the revisions are on the disk may the journals go.
    fn close_written(&mut self, written: &[Written]) {
        if written.is_empty() {
            return;
        }
        let doors = &*self.doors;
        let folders: Vec<PathBuf> = written
            .iter()
            .map(|one| doors.state.revisions_folder(self.sites[one.index].domain()))
            .collect();
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        let synced = doors.files.sync(&folders);
        for Written { index, revision } in written {
            let site = &mut self.sites[*index];
            let outcome = match &synced {
                Ok(()) => match site.close_journal(doors, *revision) {
                    Ok(()) => Outcome::Applied { revision: Some(*revision) },
                    Err(error) => not_recorded(error, "the journal is still there"),
                },
                Err(source) => {
                    let error = CommandError::refused("cannot bring the revision to the disk");
                    not_recorded(error.caused_by(source), "the revision is not recorded")
                }
            };
            site.end(outcome);
        }
    }
}

impl SiteApply {
    /// Drops its journal, once the revision is on the disk. What a former apply left unfinished of
    /// programs that this one was not to touch stays in it.
    fn close_journal(&self, doors: &Doors<'_>, revision: u64) -> Result<(), CommandError> {
        let left = self.journal.as_ref().and_then(|journal| {
            let target = Revision::new(revision, &self.record, journal.origin.clone());
            journal.former.as_ref()?.left_of(&self.plan.unfinished, target)
        });
        match left {
            Some(left) => doors.state.close_undone(doors.files, self.domain(), Some(&left)),
            None => doors.state.close(doors.files, self.domain(), JournalPhase::Groups),
        }
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

    #[test]
    fn what_is_only_not_recorded_was_not_to_be_put_back() {
        let error = CommandError::refused("cannot write /s/revisions/2.json");
        let outcome = not_recorded(error, "the revision is not recorded");
        let site = Domain::try_from("a.com".to_owned()).unwrap();
        let text = super::super::outcome::failure_of(&site, &outcome).unwrap().to_string();
        assert_eq!(
            text,
            "cannot write /s/revisions/2.json\n\
             Hint: files and programs are as wanted, but the revision is not recorded\n\
             Hint: mend that, then run it again: supervisor-sync apply --site a.com"
        );
    }
}
