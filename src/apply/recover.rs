//! After a failure: putting processes back, keeping or recording the result, and, in the next run,
//! cleaning up what a killed one left.

use std::collections::BTreeMap;

use super::transaction::{ended, fault_after_restore, restore};
use super::verify::find;
use super::work::Work;
use super::{ApplyError, ApplyOptions, Doors, FailedAt, Outcome};
use crate::desired::DesiredSite;
use crate::error::CommandError;
use crate::event::{Event, Step};
use crate::inventory::Domain;
use crate::plan::SitePlan;
use crate::state::{Journal, JournalPhase, Origin};
use crate::supervisord::ProcessState;

impl Doors<'_> {
    /// Records the revision and drops the journal.
    pub(super) fn finish(
        &mut self,
        desired: &DesiredSite,
        origin: &Origin,
        options: &ApplyOptions,
    ) -> Outcome {
        let (files, state, site) = (self.files, self.state, &desired.domain);
        self.step(site, Step::Commit);
        let recorded = if options.record {
            state.commit(files, desired, origin.clone()).map(Some)
        } else {
            Ok(None)
        };
        let closed = recorded
            .and_then(|revision| state.close(files, site, JournalPhase::Groups).map(|()| revision));
        match closed {
            Ok(revision) => Outcome::Applied { revision },
            Err(error) => {
                let undo_errors =
                    vec!["the revision is not recorded; programs are as wanted".into()];
                Outcome::Stuck { cause: ApplyError::new(FailedAt::State, error), undo_errors }
            }
        }
    }

    /// Puts files and processes back.
    pub(super) fn undo_all(
        &mut self,
        plan: &SitePlan,
        journal: &Journal,
        work: &Work,
        cause: ApplyError,
    ) -> Outcome {
        let site = &plan.domain;
        self.step(site, Step::Undo);
        let mut errors = Vec::new();
        let (from, to) = (JournalPhase::Groups, JournalPhase::Undo);
        if let Err(error) = self.state.advance(self.files, site, from, to) {
            errors.push(error.to_string());
        }
        errors.extend(restore(self.files, journal).into_iter().map(|error| error.what));
        match self.reread(site) {
            Ok(reread) => {
                let back = work.reversed(plan, &reread);
                match self.update(site, &back) {
                    Ok(troubles) => errors
                        .extend(troubles.iter().map(|t| format!("{} {}", t.process, t.reason))),
                    Err(error) => errors.push(error.error.to_string()),
                }
                errors.extend(self.not_running_again(plan, work));
            }
            Err(error) => errors.extend(fault_after_restore(&error)),
        }
        self.close(journal, JournalPhase::Undo, &mut errors);
        ended(cause, errors)
    }

    /// What ran before and does not run again: the proof that the undo has worked.
    fn not_running_again(&mut self, plan: &SitePlan, work: &Work) -> Vec<String> {
        let Ok(groups) = self.processes() else {
            return vec!["whether the former programs run again could not be seen".to_owned()];
        };
        let touched: BTreeMap<&String, &Vec<String>> =
            work.all_items().filter_map(|item| plan.ran.get_key_value(&item.group)).collect();
        let mut errors = Vec::new();
        for (group, names) in touched {
            for name in names {
                let state = find(&groups, group, name).map(|process| process.state);
                // BACKOFF: it is being tried again, as it may have been before.
                let up = [ProcessState::Running, ProcessState::Starting, ProcessState::Backoff];
                if !state.is_some_and(|state| up.contains(&state)) {
                    errors.push(format!("{group}:{name} does not run again"));
                }
            }
        }
        errors
    }
}

/// Undoes what killed applies left half-written, of whichever site: the lock is held, so none of
/// them is under way. An apply that was killed while processes were updated is left for the next
/// apply of its own site to finish, unless it was already being undone.
pub fn recover(doors: &mut Doors<'_>) -> Result<(), CommandError> {
    for site in doors.state.sites(doors.files)? {
        match doors.state.journal(doors.files, &site)? {
            Some((phase @ (JournalPhase::Files | JournalPhase::Undo), journal)) => {
                recover_site(doors, &site, phase, &journal)?;
            }
            Some((JournalPhase::Groups, _)) | None => {}
        }
    }
    Ok(())
}

fn recover_site(
    doors: &mut Doors<'_>,
    site: &Domain,
    phase: JournalPhase,
    journal: &Journal,
) -> Result<(), CommandError> {
    doors.step(site, Step::Recover { interrupted: journal.origin.to_string() });
    let (edited, failed): (Vec<_>, Vec<_>) =
        restore(doors.files, journal).into_iter().partition(|error| error.edited);
    for file in edited {
        let text = format!("not put back: {}", file.what);
        (doors.events)(Event::Warning { site: site.clone(), text });
    }
    if !failed.is_empty() {
        let mut error =
            CommandError::refused(format!("site {site}: an interrupted apply cannot be undone"));
        error.causes = failed.into_iter().map(|error| error.what).collect();
        return Err(error.hint("mend that, then run the same command again"));
    }
    if phase == JournalPhase::Undo && !journal.ran.is_empty() {
        // Files are back; what ran is remembered for the next apply of this site.
        let mut rest = Journal::new(site.clone(), journal.origin.clone());
        rest.ran.clone_from(&journal.ran);
        doors.state.begin(doors.files, &rest, JournalPhase::Groups)?;
    }
    doors.state.close(doors.files, site, phase)
}
