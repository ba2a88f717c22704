//! The transaction: carries out one plan, or puts everything back.
//!
//! [`apply_site`] is the phases on one page. Up to the reread nothing but files has changed, so a
//! failure puts the former bytes back and no process is any the wiser. From the update on, a
//! failure puts files and processes back. The journal on the disk follows each phase, so that a
//! `kill -9` at any point leaves what [`recover()`] can undo or the next apply finish.

mod failure;
mod groups;
mod outcome;
mod recover;
mod transaction;
mod verify;
mod work;

use serde::{Deserialize, Serialize};

pub use failure::{ApplyError, FailedAt};
pub use outcome::{Outcome, ProgramTrouble, SiteReport};
pub use recover::recover;

use work::{Item, Work};

use crate::desired::DesiredSite;
use crate::event::{Event, Step};
use crate::plan::SitePlan;
use crate::state::journal::JournaledFile;
use crate::state::{Journal, JournalPhase, Origin, StateDir};
use crate::supervisord::{Reload, Supervisord};
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

/// Applies `plan`, which leads to `desired`. The lock is held and a former apply recovered.
pub fn apply_site(
    doors: &mut Doors<'_>,
    plan: &SitePlan,
    desired: &DesiredSite,
    origin: &Origin,
    options: &ApplyOptions,
) -> SiteReport {
    let mut report = SiteReport::new(plan);
    if plan.is_empty() {
        return report.ended(Outcome::Unchanged);
    }
    let mut journal = journal_of(plan, origin);
    // Phases 1 to 4: files.
    if let Err(error) = doors.write_files(plan, &mut journal, desired, origin) {
        return report.ended(doors.undo_files(&journal, JournalPhase::Files, error));
    }
    let reread = match doors.reread(&plan.domain) {
        Ok(reread) => reread,
        // Somebody else's broken file does not keep programs from being restarted as they are.
        Err(error) if plan.files.is_empty() => {
            let text = format!("restarting with what supervisord has loaded: {}", error.error);
            (doors.events)(Event::Warning { site: plan.domain.clone(), text });
            Reload::default()
        }
        Err(error) => return report.ended(doors.undo_files(&journal, JournalPhase::Files, error)),
    };
    // Phase 5: processes.
    let (site, state) = (&plan.domain, doors.state);
    if let Err(error) = state.advance(doors.files, site, JournalPhase::Files, JournalPhase::Groups)
    {
        let error = ApplyError::new(FailedAt::State, error);
        return report.ended(doors.undo_files(&journal, JournalPhase::Files, error));
    }
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
        Some(cause) => match doors.finish(desired, origin, options) {
            Outcome::Applied { .. } => Outcome::Kept { cause },
            other => other,
        },
        None => doors.finish(desired, origin, options),
    };
    report.ended(outcome)
}

impl Doors<'_> {
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
        let mut failed = self.update(site, work)?;
        let mut failed_at = FailedAt::Update;
        let mut watched = work.watched(plan);
        watched.retain(|group, _| !failed.iter().any(|trouble| trouble.group == *group));
        if !options.verify {
            // A look, for warnings; it decides nothing.
            troubles.extend(self.look(&watched));
        } else if failed.is_empty() || !options.rollback {
            if failed.is_empty() {
                failed_at = FailedAt::Verify;
            }
            failed.extend(self.verify(site, &watched)?);
        }
        if failed.is_empty() {
            return Ok(());
        }
        let error = failure::of_programs(failed_at, site, &failed);
        troubles.append(&mut failed);
        Err(error)
    }
}

fn journal_of(plan: &SitePlan, origin: &Origin) -> Journal {
    let mut journal = Journal::new(plan.domain.clone(), origin.clone());
    journal.folders = plan.folders.clone();
    journal.ran = plan.ran.clone();
    journal.files = plan
        .files
        .iter()
        .map(|(path, change)| JournaledFile {
            path: path.clone(),
            before: transaction::content_before(change),
            after: transaction::content_after(change),
        })
        .collect();
    journal
}
