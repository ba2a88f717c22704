//! The one reread: supervisord reads the new files of all sites, or says what is wrong with one.
//!
//! supervisord refuses its whole configuration for one bad file, and stops at the first it meets. The
//! site whose file that is gets its former bytes back and the others go on. Where its words name no
//! site, the sites are tried in halves, so that one bad site among S costs about 2 log S rereads.
//!
//! The road not taken is to try one site after the other: a reread costs supervisord time for every
//! file there is, so S of them are quadratic.

use std::collections::{BTreeMap, BTreeSet};

use super::failure::{Unanswered, fault_after_restore, reread_failed};
use super::transaction::Transaction;
use super::{Accepted, ApplyError, Baseline, FailedAt};
use crate::error::CommandError;
use crate::event::Step;
use crate::inventory::Domain;
use crate::plan::{GroupAction, SitePlan};
use crate::records::JournalPhase;
use crate::supervisord::{Answer, Call, Fault, Reload};
use crate::system::trail::Trail;

/// A site that is not accepted, and why. Its former files are back.
pub(super) type Rejected = (usize, ApplyError);

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
        // Seen before the reread, not after: a file that changes in between is then known to have.
        let mut seen = None;
        let reread = if changed.is_empty() {
            baseline.map_err(Unanswered::Fault)
        } else {
            seen = self.settled(trail);
            self.reread_without_bad_sites(changed)
        };
        let reload = match reread.and_then(|reload| self.without_groupless(reload)) {
            Ok(reload) => {
                self.accepted = seen.map(|seen| Accepted {
                    seen,
                    reload: reload.clone(),
                    regrouped: BTreeMap::new(),
                });
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
        // Once more, also for the others: they go on with what supervisord has read last.
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
            // One by one as long as it names them: what it names needs no search.
            let named = error
                .refusal()
                .and_then(|fault| suspects.iter().position(|index| self.is_named(*index, fault)));
            if let Some(at) = named {
                let index = suspects.remove(at);
                rejected.extend(self.restore(vec![(index, cause)]));
                answer = self.reread(index);
                continue;
            }
            let Some(first) = suspects.first().copied() else { break };
            // Without any of them, to see whether it is one of ours at all.
            let was_refused = error.refusal().is_some();
            let rest = std::mem::take(&mut suspects);
            let mut all = self.restore(rest.iter().map(|i| (*i, cause.clone())).collect());
            answer = self.reread(first);
            if was_refused && answer.is_ok() {
                // What somebody has edited since is theirs, and not written over.
                rejected.extend(
                    all.extract_if(.., |(index, _)| !self.sites[*index].undo_errors.is_empty()),
                );
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
        // Their processes may not be touched without that, and supervisord has read their files: back,
        // and read again.
        if let Some((index, _)) = failed.first() {
            let index = *index;
            let failed = self.restore(failed);
            let again = self.reread(index);
            self.end_not_reread(failed, again.as_ref().err());
        }
    }

    /// Brings the former files of these sites back; what cannot be is noted at the site.
    pub(super) fn restore(&mut self, failed: Vec<Rejected>) -> Vec<Rejected> {
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
    let mut groups = Vec::new();
    for (group, change) in &plan.groups {
        let is_missing = match change.action {
            GroupAction::Add { .. } => !reload.added.contains(group),
            GroupAction::Replace { .. } => reload.removed.contains(group),
            _ => false,
        };
        if is_missing {
            groups.push(group.clone());
        }
    }
    // A restart of what is loaded is none of its files' concern.
    if !plan.files.is_empty() {
        let removed = plan.unchanged.iter().filter(|group| reload.removed.contains(*group));
        groups.extend(removed.cloned());
    }
    groups
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
    let mut changes = plan.groups.values();
    !plan.files.is_empty()
        || changes.any(|change| match change.action {
            GroupAction::Leave | GroupAction::Restart { .. } | GroupAction::Start { .. } => false,
            GroupAction::Add { .. }
            | GroupAction::Replace { .. }
            | GroupAction::Remove
            | GroupAction::Stop { .. } => true,
        })
}
