//! The one reread: supervisord reads the new files of all sites, or says what is wrong with one.
//!
//! supervisord refuses its whole configuration for one bad file, and stops at the first it meets. The
//! site whose file that is gets its former bytes back and the others go on. Where its words name no
//! site, the sites are tried in halves, so that one bad site among S costs about 2 log S rereads.
//!
//! The road not taken is to try one site after the other: a reread costs supervisord time for every
//! file there is, so S of them are quadratic.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::failure::{Unanswered, fault_after_restore, reread_failed};
use super::transaction::Transaction;
use super::{Accepted, ApplyError, Baseline, FailedAt, files};
use crate::desired::FileKind;
use crate::error::CommandError;
use crate::event::Step;
use crate::inventory::Domain;
use crate::plan::{GroupAction, GroupChange, SitePlan};
use crate::records::{Journal, JournalPhase};
use crate::supervisord::{Answer, Call, Fault, Reload};
use crate::system::files::Files;
use crate::system::trail::Trail;

/// A site that is not accepted, and why. Its former files are back.
type Rejected = (usize, ApplyError);

impl Transaction<'_, '_> {
    /// Has supervisord read the new files. A site it does not accept ends here, with its former files;
    /// the journals of the others say from then on that their processes are being changed.
    ///
    /// Without a changed file nothing is read: what supervisord said at the beginning still holds.
    pub(super) fn accept(
        &mut self,
        baseline: Baseline,
        trail: &dyn Fn() -> Option<Trail>,
    ) -> Reload {
        let changed = self.with_changed_files();
        let mut seen = None;
        let reread = if changed.is_empty() {
            baseline.map_err(Unanswered::Fault)
        } else {
            seen = self.settled(trail);
            self.reread_without_bad_sites(changed)
        };
        let reload = match reread.and_then(|reload| self.without_groupless(reload)) {
            Ok(reload) => {
                let accepted =
                    |seen| Accepted { seen, reload: reload.clone(), regrouped: BTreeMap::new() };
                self.accepted = seen.map(accepted);
                reload
            }
            Err(error) => {
                self.go_on_without_reread(&error);
                Reload::default()
            }
        };
        self.advance_journals();
        reload
    }

    /// Has supervisord read its files anew; no process is touched by it. Told for the first site that
    /// is concerned.
    pub(super) fn reread(&mut self, index: usize) -> Result<Reload, Unanswered> {
        self.sites[index].teller(self.doors.events).step(Step::Reread);
        self.doors.reread()
    }

    /// Ends sites whose files are being changed: their former files come back. Unless supervisord has
    /// already read the new ones, that is all. Of one without a journal nothing was changed.
    pub(super) fn put_files_back(&mut self, failed: Vec<Rejected>) {
        let (begun, not_begun): (Vec<_>, Vec<_>) =
            failed.into_iter().partition(|(index, _)| self.sites[*index].journal.is_some());
        for (index, cause) in not_begun {
            self.sites[index].refuse(cause);
        }
        let begun = self.restore(begun);
        self.end_undone(begun);
    }

    /// Ends sites of whose programs supervisord makes no groups, although it has read their files: a
    /// `[group:]` of somebody else that takes a program in leaves it none of its own. What supervisord
    /// itself says is the only proof that they will be loaded; what takes a program in may stand behind
    /// a `%(ENV_X)s`. The former files come back, and supervisord reads them again.
    fn without_groupless(&mut self, reload: Reload) -> Result<Reload, Unanswered> {
        let mut suspects: Vec<(usize, Vec<String>)> = Vec::new();
        for index in self.in_files() {
            let groups = groupless(&self.sites[index].plan, &reload);
            if !groups.is_empty() {
                suspects.push((index, groups));
            }
        }
        if suspects.is_empty() {
            return Ok(reload);
        }
        // Somebody may have loaded meanwhile what is to be added: that is no addition any more.
        let loaded = self.loaded_groups()?;
        let mut failed = Vec::new();
        for (index, mut groups) in suspects {
            groups.retain(|group| reload.removed.contains(group) || !loaded.contains(group));
            if !groups.is_empty() {
                failed.push((index, not_made(self.sites[index].domain(), &groups)));
            }
        }
        let Some(first) = failed.first().map(|(index, _)| *index) else { return Ok(reload) };
        let failed = self.restore(failed);
        let again = self.reread(first);
        self.end_not_reread(failed, again.as_ref().err());
        again
    }

    fn loaded_groups(&mut self) -> Result<BTreeSet<String>, Unanswered> {
        let processes = self.doors.supervisord.get_all_process_info()??;
        Ok(processes.into_iter().map(|process| process.group).collect())
    }

    fn with_changed_files(&self) -> Vec<usize> {
        let has_files =
            |i: &usize| self.sites[*i].journal.as_ref().is_some_and(|j| !j.files.is_empty());
        self.in_files().into_iter().filter(has_files).collect()
    }

    /// Rereads until what is left is accepted. The error is of the last reread.
    fn reread_without_bad_sites(&mut self, mut suspects: Vec<usize>) -> Result<Reload, Unanswered> {
        let mut rejected = Vec::new();
        let mut answer = self.reread(suspects[0]);
        while let Err(error) = &answer {
            let cause = reread_failed(error);
            let named = |index: &usize| error.refusal().is_some_and(|f| self.is_named(*index, f));
            if let Some(at) = suspects.iter().position(named) {
                let index = suspects.remove(at);
                rejected.extend(self.restore(vec![(index, cause)]));
                answer = self.reread(index);
                continue;
            }
            let Some(first) = suspects.first().copied() else { break };
            let was_refused = error.refusal().is_some();
            let rest = std::mem::take(&mut suspects);
            let mut all = self.restore(rest.iter().map(|i| (*i, cause.clone())).collect());
            answer = self.reread(first);
            if was_refused && answer.is_ok() {
                // What somebody has edited since is theirs, and not written over.
                let edited = |(index, _): &Rejected| !self.sites[*index].undo_errors.is_empty();
                rejected.extend(all.extract_if(.., |one| edited(one)));
                let rest: Vec<usize> = all.iter().map(|(index, _)| *index).collect();
                rejected.extend(self.bring_in(&rest, &cause, &mut answer));
                rejected.extend(self.sync_brought_in(&rest, &rejected));
            } else {
                // Not theirs, or nobody answers.
                rejected.extend(all);
            }
        }
        let answer = self.take_out_again(answer, &mut rejected);
        self.end_not_reread(rejected, answer.as_ref().err());
        answer
    }

    /// Where the search ends without an answer, those that it had brought in go too. supervisord has
    /// read them, and is to forget them.
    fn take_out_again(
        &mut self,
        answer: Result<Reload, Unanswered>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<Reload, Unanswered> {
        let Err(error) = &answer else { return answer };
        let cause = reread_failed(error);
        let mut left = self.with_changed_files();
        left.retain(|index| rejected.iter().all(|(other, _)| other != index));
        let Some(first) = left.first().copied() else { return answer };
        rejected.extend(self.restore(left.into_iter().map(|i| (i, cause.clone())).collect()));
        self.reread(first)
    }

    /// Brings the new files of these sites in again, as far as supervisord accepts them. All of them
    /// have their former files, and all of them together were refused with `cause`.
    ///
    /// `answer` is what supervisord has read last: what it refuses leaves it with what it had.
    fn bring_in(
        &mut self,
        sites: &[usize],
        cause: &ApplyError,
        answer: &mut Result<Reload, Unanswered>,
    ) -> Vec<Rejected> {
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
    fn sync_brought_in(&mut self, sites: &[usize], rejected: &[Rejected]) -> Vec<Rejected> {
        let is_in = |index: &&usize| rejected.iter().all(|(other, _)| other != *index);
        let brought: Vec<usize> = sites.iter().filter(is_in).copied().collect();
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

    /// Whether supervisord's words name a file or a program of this site.
    fn is_named(&self, index: usize, fault: &Fault) -> bool {
        let site = &self.sites[index];
        site.plan.files.keys().any(|path| fault.names_file(path))
            || site.record.groups.keys().any(|group| fault.names_program(group))
    }

    /// Sites that only start or stop what is loaded need no reread: somebody else's broken file does
    /// not keep them from it. The others end.
    fn go_on_without_reread(&mut self, error: &Unanswered) {
        let is_refused = error.refusal().is_some();
        let mut failed = Vec::new();
        for index in self.in_files() {
            let site = &self.sites[index];
            if is_refused && !needs_reread(&site.plan) {
                let text = format!("restarting with what supervisord has loaded: {error}");
                site.teller(self.doors.events).warn(text);
            } else {
                failed.push((index, reread_failed(error)));
            }
        }
        self.put_files_back(failed);
    }

    /// Has the journals say that processes are being changed, before any is: after a power cut
    /// supervisord starts what it finds, and what that was must be known.
    fn advance_journals(&mut self) {
        let (mut advanced, mut failed) = (Vec::new(), Vec::new());
        for index in self.in_files() {
            let (doors, site) = (&*self.doors, &self.sites[index]);
            let (from, to) = (JournalPhase::Files, JournalPhase::Groups);
            match doors.state.advance(doors.files, site.domain(), from, to) {
                Ok(()) => advanced.push(index),
                Err(error) => failed.push((index, ApplyError::new(FailedAt::State, error))),
            }
        }
        if !advanced.is_empty()
            && let Err(error) = self.doors.state.sync(self.doors.files)
        {
            let cause = ApplyError::new(FailedAt::State, error);
            failed.extend(advanced.into_iter().map(|index| (index, cause.clone())));
        }
        if let Some((index, _)) = failed.first() {
            let index = *index;
            let failed = self.restore(failed);
            let again = self.reread(index);
            self.end_not_reread(failed, again.as_ref().err());
        }
    }

    /// Brings the former files of these sites back; what cannot be is noted at the site.
    fn restore(&mut self, failed: Vec<Rejected>) -> Vec<Rejected> {
        for (index, _) in &failed {
            self.sites[*index].teller(self.doors.events).step(Step::Undo);
        }
        let indices: Vec<usize> = failed.iter().map(|(index, _)| *index).collect();
        self.restore_files(&indices);
        failed
    }

    /// Ends sites whose files are back. `reread` is why supervisord has not read them again, if it
    /// was asked to and has not.
    fn end_not_reread(&mut self, failed: Vec<Rejected>, reread: Option<&Unanswered>) {
        for (index, _) in &failed {
            self.sites[*index].undo_errors.extend(reread.and_then(fault_after_restore));
        }
        self.end_undone(failed);
    }
}

impl super::Doors<'_> {
    /// Has supervisord read its files anew.
    pub(super) fn reread(&mut self) -> Result<Reload, Unanswered> {
        let answer = self.supervisord.batch(&[Call::ReloadConfig])?.into_iter().next();
        match answer.transpose()? {
            Some(Answer::Reload(reload)) => Ok(reload),
            other => Err(Unanswered::Odd(other)),
        }
    }
}

/// The groups of a plan that supervisord, by what it has just read, will not have.
fn groupless(plan: &SitePlan, reload: &Reload) -> Vec<String> {
    let is_missing = |(group, change): &(&String, &GroupChange)| match change.action {
        GroupAction::Add { .. } => !reload.added.contains(*group),
        GroupAction::Replace { .. } => reload.removed.contains(*group),
        _ => false,
    };
    let acting = plan.groups.iter().filter(is_missing).map(|(group, _)| group);
    // A restart of what is loaded is none of its files' concern.
    let others = plan.unchanged.iter().filter(|_| !plan.files.is_empty());
    acting.chain(others.filter(|group| reload.removed.contains(*group))).cloned().collect()
}

fn not_made(site: &Domain, groups: &[String]) -> ApplyError {
    let groups = groups.join(", ");
    let error =
        CommandError::refused(format!("site {site}: supervisord makes no group of {groups}"))
            .because(
                "a [group:] of another file takes it in, or supervisord does not read its file",
            )
            .hint("see which group each program is in: supervisorctl avail");
    ApplyError::new(FailedAt::Reread, error)
}

/// Whether what the plan does depends on supervisord having read the files anew.
fn needs_reread(plan: &SitePlan) -> bool {
    let as_loaded = |action: &GroupAction| {
        matches!(
            action,
            GroupAction::Leave | GroupAction::Restart { .. } | GroupAction::Start { .. }
        )
    };
    !plan.files.is_empty() || !plan.groups.values().all(|group| as_loaded(&group.action))
}
