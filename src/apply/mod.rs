//! The transaction: carries out one plan, or puts everything back.
//!
//! [`apply_site`] is the phases on one page. Up to the reread nothing but files has changed, so a
//! failure puts the former bytes back and no process is any the wiser. From the update on, a
//! failure puts files and processes back. The journal on the disk follows each phase, so that a
//! `kill -9` at any point leaves what [`recover()`] can undo or the next apply finish.

mod control;
mod failure;
mod groups;
mod outcome;
mod probe;
mod recover;
pub mod release;
mod transaction;
mod verify;
mod work;

use serde::{Deserialize, Serialize};

pub use control::control_site;
pub use failure::{ApplyError, FailedAt};
pub use outcome::{Outcome, ProgramTrouble, SiteReport};
pub use recover::recover;

use failure::Unanswered;
use groups::Updated;
use work::{Item, Work};

use crate::desired::DesiredSite;
use crate::error::CommandError;
use crate::event::{Event, Step};
use crate::plan::{GroupAction, PlanView, SitePlan};
use crate::state::journal::JournaledFile;
use crate::state::{Journal, JournalPhase, Origin, Revision, StateDir};
use crate::supervisord::{FaultCode, Reload, Supervisord};
use crate::system::files::Files;
use crate::system::{Clock, Interrupt};

/// The doors an apply goes through, each with a real part and a double.
pub struct Doors<'a> {
    /// The disk.
    pub files: &'a dyn Files,
    /// The daemon.
    pub supervisord: &'a mut dyn Supervisord,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Where locks, journals and revisions are.
    pub state: &'a StateDir,
    /// Ctrl-C.
    pub interrupt: &'a Interrupt,
    /// Who is told.
    pub events: &'a mut dyn FnMut(Event),
}

/// How an apply goes about it; decided before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyOptions {
    /// Whether started programs are watched until they are healthy or failed.
    pub verify: bool,
    /// Whether a failure after the reread puts files and processes back.
    pub rollback: bool,
    /// Whether the result is a new revision; a mere restart is none.
    pub record: bool,
}

/// Applies `plan`, which leads to `desired` and was shown as `view`. The lock is held and a former
/// apply recovered.
pub fn apply_site(
    doors: &mut Doors<'_>,
    plan: &SitePlan,
    view: PlanView,
    desired: &DesiredSite,
    origin: &Origin,
    options: &ApplyOptions,
) -> SiteReport {
    let mut report = SiteReport::new(view);
    if plan.is_empty() {
        return report.ended(Outcome::Unchanged);
    }
    let journal = match doors.journal_of(plan, desired, origin, options) {
        Ok(journal) => journal,
        Err(error) => {
            let cause = ApplyError::new(FailedAt::State, error);
            return report.ended(Outcome::Refused { cause });
        }
    };
    // Phases 1 to 4: files.
    if let Err(error) = doors.write_files(plan, &journal) {
        return report.ended(doors.undo_files(&journal, false, error));
    }
    let reread = match doors.accepted(plan) {
        Ok(reread) => reread,
        Err(cause) => return report.ended(doors.undo_files(&journal, true, cause)),
    };
    // Phase 5: processes.
    let work = Work::new(plan, &reread);
    let failure = match doors.change_processes(plan, &work, options, &mut report.troubles) {
        Ok(()) => None,
        // Stopping goes on by itself; the journal stays for the next apply to finish.
        Err(cause) if cause.at == FailedAt::Interrupted => {
            return report.ended(Outcome::Interrupted { cause });
        }
        Err(error) => Some(error),
    };
    let outcome = match failure {
        Some(error) if options.rollback => doors.undo_all(plan, &journal, &work, error),
        // The journal knows what ran before: the next apply finishes what was not reached.
        Some(cause) if cause.at == FailedAt::Update => Outcome::Kept { cause },
        Some(cause) => match doors.finish(plan, desired, &journal, options) {
            Outcome::Applied { .. } => Outcome::Kept { cause },
            other => other,
        },
        None => doors.finish(plan, desired, &journal, options),
    };
    report.ended(outcome)
}

/// Whether what the plan does depends on supervisord having read the files anew.
fn rereads(plan: &SitePlan) -> bool {
    let as_loaded = |action: &GroupAction| {
        matches!(
            action,
            GroupAction::Leave | GroupAction::Restart { .. } | GroupAction::Start { .. }
        )
    };
    !plan.files.is_empty() || !plan.groups.values().all(|group| as_loaded(&group.action))
}

impl Doors<'_> {
    /// Has supervisord read the new files; from then on the journal says so.
    fn accepted(&mut self, plan: &SitePlan) -> Result<Reload, ApplyError> {
        let site = &plan.domain;
        let reread = match self.reread(site) {
            Ok(reread) => reread,
            // Somebody else's broken file does not keep programs from being restarted as they are.
            Err(Unanswered::Fault(fault))
                if fault.code == FaultCode::CantReread && !rereads(plan) =>
            {
                let text = format!("restarting with what supervisord has loaded: {fault}");
                (self.events)(Event::Warning { site: site.clone(), text });
                Reload::default()
            }
            Err(error) => return Err(transaction::reread_failed(&error)),
        };
        let advanced =
            self.state.advance(self.files, site, JournalPhase::Files, JournalPhase::Groups);
        advanced.map_err(|error| ApplyError::new(FailedAt::State, error))?;
        Ok(reread)
    }

    /// Phases 5 and 6: updates the groups, then watches or looks at what was started.
    fn change_processes(
        &mut self,
        plan: &SitePlan,
        work: &Work,
        options: &ApplyOptions,
        troubles: &mut Vec<ProgramTrouble>,
    ) -> Result<(), ApplyError> {
        let site = &plan.domain;
        self.step(site, Step::Update { groups: work.all_items().count() });
        self.change_together(plan, work, options, troubles)?;
        for (number, batch) in work.rolling.iter().enumerate() {
            let batch = Work::batch(batch);
            if let Err(error) = self.change_together(plan, &batch, options, troubles) {
                let rest = work.rolling[number + 1..].iter().flatten();
                let left: Vec<String> = rest.flat_map(Item::names).collect();
                return Err(failure::with_rest_left(error, &left));
            }
        }
        Ok(())
    }

    fn change_together(
        &mut self,
        plan: &SitePlan,
        work: &Work,
        options: &ApplyOptions,
        troubles: &mut Vec<ProgramTrouble>,
    ) -> Result<(), ApplyError> {
        let site = &plan.domain;
        let Updated { mut failed, not_started } = self.update(site, work)?;
        let mut failed_at = FailedAt::Update;
        let mut watched = work.watched(plan);
        watched.retain(|group, _| !failed.iter().any(|trouble| trouble.group == *group));
        if !options.verify {
            // A look, for warnings; it decides nothing.
            troubles.extend(not_started);
            troubles.extend(self.look(&watched));
        } else if failed.is_empty() || !options.rollback {
            if failed.is_empty() {
                failed_at = FailedAt::Verify;
            }
            watched.retain(|group, _| !not_started.iter().any(|trouble| trouble.group == *group));
            failed.extend(not_started);
            failed.extend(self.verify(site, &watched)?);
        }
        if failed.is_empty() {
            return Ok(());
        }
        let error = failure::of_programs(failed_at, site, &failed);
        troubles.append(&mut failed);
        Err(error)
    }

    /// What the next run needs to undo or finish this apply, should it be killed.
    fn journal_of(
        &self,
        plan: &SitePlan,
        desired: &DesiredSite,
        origin: &Origin,
        options: &ApplyOptions,
    ) -> Result<Journal, CommandError> {
        let former = self.state.interrupted(self.files, &plan.domain)?.finished;
        let mut journal = Journal::new(plan.domain.clone(), origin.clone());
        journal.folders.clone_from(&plan.folders);
        journal.ran.clone_from(&plan.ran);
        journal.stopped.clone_from(&plan.stopped);
        journal.idle.clone_from(&plan.idle);
        for (group, idle) in &plan.idle {
            if let Some(stopped) = journal.stopped.get_mut(group) {
                stopped.retain(|name| !idle.contains(name));
            }
        }
        let acting = plan.groups.iter().filter(|(_, change)| change.action.acts());
        journal.groups = acting.map(|(name, c)| (name.clone(), c.stop_seconds)).collect();
        journal.files = plan
            .files
            .iter()
            .map(|(path, change)| JournaledFile {
                path: path.clone(),
                before: transaction::content_before(change),
                after: transaction::content_after(change),
            })
            .collect();
        journal.target = match &former {
            _ if options.record => Some(Revision::new(0, desired, origin.clone())),
            former => former.as_ref().and_then(|former| former.target.clone()),
        };
        if let Some(former) = former {
            // An apply that records nothing leaves the groups of the former one to be finished.
            for (group, seconds) in &former.groups {
                journal.groups.entry(group.clone()).or_insert(*seconds);
            }
            journal.former = Some(Box::new(Journal { former: None, ..former }));
        }
        Ok(journal)
    }
}
