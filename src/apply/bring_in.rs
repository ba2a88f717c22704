//! The search in halves for the sites that supervisord does not accept, where its words name none: their
//! new files are brought in again, half of them at a time.

use std::path::PathBuf;

use super::accept::Rejected;
use super::failure::{Unanswered, fault_after_restore, reread_failed};
use super::transaction::Transaction;
use super::{ApplyError, files};
use crate::desired::FileKind;
use crate::plan::SitePlan;
use crate::records::Journal;
use crate::supervisord::Reload;
use crate::system::files::Files;

impl Transaction<'_, '_> {
    /// Brings the new files of these sites in again, as far as supervisord accepts them. All of them
    /// have their former files, and all of them together were refused with `cause`.
    ///
    /// `answer` is what supervisord has read last: what it refuses leaves it with what it had.
    pub(super) fn bring_in(
        &mut self,
        sites: &[usize],
        cause: &ApplyError,
        answer: &mut Result<Reload, Unanswered>,
    ) -> Vec<Rejected> {
        // Refused alone, beside what is accepted: it is the one.
        if let [index] = sites {
            return vec![(*index, cause.clone())];
        }
        let mut rejected = Vec::new();
        for half in sites.chunks(sites.len().div_ceil(2).max(1)) {
            let (tried, failed) = self.swap_in_again(half);
            rejected.extend(self.restore(failed));
            let error = match self.doors.reread() {
                Ok(reload) => {
                    *answer = Ok(reload);
                    continue;
                }
                Err(error) => error,
            };
            // Back before its halves are tried: each is to be judged among what is accepted so far, and
            // the other half of this one must not be in the way.
            let cause = reread_failed(&error);
            let back = self.restore(tried.iter().map(|i| (*i, cause.clone())).collect());
            if error.refusal().is_some() {
                rejected.extend(self.bring_in(&tried, &cause, answer));
            } else {
                rejected.extend(back);
                *answer = Err(error);
            }
        }
        rejected
    }

    /// Brings to the disk what the search has left in its place, as after every swap. Where that fails
    /// the sites are rejected; supervisord has read them, and is asked to forget them.
    pub(super) fn sync_brought_in(
        &mut self,
        sites: &[usize],
        rejected: &[Rejected],
    ) -> Vec<Rejected> {
        let mut brought = sites.to_vec();
        brought.retain(|index| rejected.iter().all(|(other, _)| other != index));
        let journals = brought.iter().filter_map(|index| self.sites[*index].journal.as_ref());
        let Err(source) = files::sync_folders(self.doors.files, journals) else {
            return Vec::new();
        };
        let cause = files::not_on_disk(&source);
        let back = self.restore(brought.iter().map(|i| (*i, cause.clone())).collect());
        for (index, _) in &back {
            let forgotten = self.reread(*index);
            self.sites[*index]
                .undo_errors
                .extend(forgotten.err().as_ref().and_then(fault_after_restore));
        }
        back
    }

    /// Puts the new files of these sites into their places once more; the journals have them. Returns
    /// the sites where that was done, and where not.
    fn swap_in_again(&mut self, sites: &[usize]) -> (Vec<usize>, Vec<Rejected>) {
        let (mut tried, mut failed) = (Vec::new(), Vec::new());
        // By the same steps as at first, staging included: the staged files went with the renames.
        for index in sites {
            match self.of_site(*index, |disk, plan, journal| {
                // Those of them that went with the former files.
                files::make_folders(disk, plan)?;
                files::stage(disk, plan, journal, FileKind::Supervisor)?;
                files::stage(disk, plan, journal, FileKind::Logrotate)
            }) {
                Ok(()) => {
                    tried.push(*index);
                    // With its new files it is synced below, or when it is put back again.
                    self.sites[*index].is_unsynced = false;
                    self.sites[*index].is_back = false;
                }
                Err(cause) => failed.push((*index, cause)),
            }
        }
        let journals = tried.iter().filter_map(|index| self.sites[*index].journal.as_ref());
        let folders = journals.flat_map(|journal| {
            files::folders_of(journal).chain(journal.folders.iter().map(PathBuf::as_path))
        });
        if let Err(source) = files::sync(self.doors.files, folders.collect()) {
            let cause = files::not_on_disk(&source);
            failed.extend(tried.drain(..).map(|index| (index, cause.clone())));
        }
        tried.retain(|index| {
            let swapped = self.of_site(*index, |disk, _, journal| {
                files::swap(disk, journal)?;
                files::remove(disk, &files::orphans(journal))
            });
            swapped.map_err(|cause| failed.push((*index, cause))).is_ok()
        });
        (tried, failed)
    }

    fn of_site(
        &self,
        index: usize,
        act: impl FnOnce(&dyn Files, &SitePlan, &Journal) -> Result<(), ApplyError>,
    ) -> Result<(), ApplyError> {
        let site = &self.sites[index];
        site.journal.as_ref().map_or(Ok(()), |j| act(self.doors.files, &site.plan, j))
    }
}
