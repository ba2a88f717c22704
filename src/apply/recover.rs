//! After a failure: putting processes back, keeping or recording the result, and, in the next run,
//! cleaning up what a killed one left.

use std::collections::BTreeMap;
use std::time::Duration;

use super::transaction::{ended, fault_after_restore, in_one_line, restore};
use super::verify::find;
use super::work::Work;
use super::{ApplyError, ApplyOptions, Doors, FailedAt, Outcome};
use crate::desired::DesiredSite;
use crate::error::CommandError;
use crate::event::{Event, Step};
use crate::inventory::Domain;
use crate::plan::SitePlan;
use crate::state::{Journal, JournalPhase, Revision};
use crate::supervisord::{Answer, Call, ProcessInfo, ProcessState, display_name};
use crate::system::files::staged_path;

/// How long a former program is watched while it starts again: with supervisord's own `startsecs`
/// of 1 it is RUNNING long before. One that takes longer is left STARTING, as good as it was.
const STARTS_AGAIN: Duration = Duration::from_secs(10);
/// How long it must then keep its pid: with `startsecs=0` it is RUNNING whatever becomes of it.
const STAYS_UP: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Doors<'_> {
    /// Records the revision and drops the journal. What an apply that records nothing found
    /// unfinished stays so, and so does what one of some programs found of the others.
    pub(super) fn finish(
        &mut self,
        plan: &SitePlan,
        desired: &DesiredSite,
        journal: &Journal,
        options: &ApplyOptions,
    ) -> Outcome {
        let (files, state, site) = (self.files, self.state, &desired.domain);
        self.step(site, Step::Commit);
        if !options.record {
            return match state.close_undone(files, site, journal.former.as_deref()) {
                Ok(()) => Outcome::Applied { revision: None },
                Err(error) => not_recorded(error, "the journal is still there"),
            };
        }
        let (origin, groups) = (journal.origin.clone(), journal.group_names());
        let number = match state.commit(files, desired, origin, groups) {
            Ok(number) => number,
            Err(error) => return not_recorded(error, "the revision is not recorded"),
        };
        let left = journal.former.as_ref().and_then(|former| {
            let target = Revision::new(number, desired, journal.origin.clone());
            former.left_of(&plan.unfinished, target)
        });
        let closed = match &left {
            Some(left) => state.close_undone(files, site, Some(left)),
            None => state.close(files, site, JournalPhase::Groups),
        };
        match closed {
            Ok(()) => Outcome::Applied { revision: Some(number) },
            Err(error) => not_recorded(error, "the journal is still there"),
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
        let advance = |doors: &Self| {
            let (from, to) = (JournalPhase::Groups, JournalPhase::Undo);
            doors.state.advance(doors.files, site, from, to)
        };
        let advanced = advance(self);
        errors.extend(restore(self.files, journal).into_iter().map(|error| error.what));
        match self.reread(site) {
            Ok(reread) => {
                let back = work.reversed(plan, &reread);
                match self.update(site, &back) {
                    Ok(updated) => {
                        errors.extend(updated.all().map(|t| format!("{} {}", t.process, t.reason)));
                    }
                    Err(error) => errors.push(in_one_line(&error.error)),
                }
                errors.extend(self.not_running_again(plan, work));
            }
            Err(error) => errors.extend(fault_after_restore(&error)),
        }
        self.close_undone(journal, &mut errors);
        // Whoever finds the journal must know that the files are to go back.
        if !errors.is_empty()
            && advanced.is_err()
            && let Err(error) = advance(self)
        {
            errors.push(in_one_line(&error));
        }
        ended(cause, errors)
    }

    /// What ran before and does not run again: the proof that the undo has worked.
    fn not_running_again(&mut self, plan: &SitePlan, work: &Work) -> Vec<String> {
        let touched: BTreeMap<&String, &Vec<String>> =
            work.all_items().filter_map(|item| plan.ran.get_key_value(&item.group)).collect();
        let mut watches: Vec<Again<'_>> = touched
            .into_iter()
            .flat_map(|(group, names)| names.iter().map(move |name| Again::new(group, name)))
            .collect();
        let deadline = self.clock.now() + STARTS_AGAIN;
        loop {
            let Ok(groups) = self.processes() else {
                return vec!["whether the former programs run again could not be seen".to_owned()];
            };
            let now = self.clock.now();
            for watch in &mut watches {
                watch.look(find(&groups, watch.group, watch.name), now);
            }
            if now >= deadline || watches.iter().all(|watch| watch.is_settled(now)) {
                break;
            }
            self.clock.wait(LOOK_EVERY);
        }
        let failed = watches.iter().filter(|watch| !watch.runs());
        failed.map(|watch| format!("{} does not run again", watch.shown())).collect()
    }
}

/// Everything was done, but our own records do not say so.
fn not_recorded(error: CommandError, what: &str) -> Outcome {
    let error = error.hint(format!("files and programs are as wanted, but {what}"));
    Outcome::Stuck { cause: ApplyError::new(FailedAt::State, error), undo_errors: Vec::new() }
}

/// A process that ran before and is to run again.
struct Again<'w> {
    group: &'w str,
    name: &'w str,
    state: Option<ProcessState>,
    /// The pid that was last seen RUNNING, and since when.
    up: Option<(i64, Duration)>,
    exits: u32,
}

impl<'w> Again<'w> {
    fn new(group: &'w str, name: &'w str) -> Self {
        Self { group, name, state: None, up: None, exits: 0 }
    }

    fn look(&mut self, process: Option<&ProcessInfo>, now: Duration) {
        self.state = process.map(|process| process.state);
        let running = process.filter(|process| process.state == ProcessState::Running);
        if let Some(process) = running
            && self.up.is_none_or(|(pid, _)| pid != process.pid)
        {
            self.exits += u32::from(self.up.is_some());
            self.up = Some((process.pid, now));
        }
    }

    fn is_settled(&self, now: Duration) -> bool {
        match self.state {
            // BACKOFF and EXITED: it is being tried again, as it may have been before.
            Some(ProcessState::Starting | ProcessState::Backoff | ProcessState::Exited) => {
                self.keeps_exiting()
            }
            Some(ProcessState::Running) => {
                let stays = |(_, since)| now.saturating_sub(since) >= STAYS_UP;
                self.keeps_exiting() || self.up.is_some_and(stays)
            }
            _ => true,
        }
    }

    /// Once may be its own choice, as of a worker that makes room for its successor.
    fn keeps_exiting(&self) -> bool {
        self.exits >= 2
    }

    fn runs(&self) -> bool {
        let up = [ProcessState::Running, ProcessState::Starting, ProcessState::Backoff];
        self.state.is_some_and(|state| up.contains(&state)) && !self.keeps_exiting()
    }

    fn shown(&self) -> String {
        display_name(self.group, self.name)
    }
}

/// Undoes what killed applies left half-written, of whichever site: the lock is held, so none of
/// them is under way. An apply that was killed while processes were updated is left for the next
/// apply of its own site to finish, unless it was already being undone.
///
/// Returns the sites it could not be done for, with the reason: one does not keep the others from
/// being recovered, or applied.
pub fn recover(doors: &mut Doors<'_>) -> Result<BTreeMap<Domain, CommandError>, CommandError> {
    let mut failed = BTreeMap::new();
    for site in doors.state.sites(doors.files)? {
        if let Err(error) = recover_if_interrupted(doors, &site) {
            let text = format!("an apply of site {site} that never ended is not undone: {error}");
            (doors.events)(Event::Warning { site: site.clone(), text });
            failed.insert(site, error);
        }
    }
    Ok(failed)
}

fn recover_if_interrupted(doors: &mut Doors<'_>, site: &Domain) -> Result<(), CommandError> {
    let interrupted = doors.state.interrupted(doors.files, site)?;
    for file in interrupted.finished.iter().flat_map(|journal| &journal.files) {
        // Left by an undo that failed and could not even say so in the journal.
        let _ = doors.files.remove(&staged_path(&file.path));
    }
    let Some((phase, journal)) = &interrupted.undone_first else { return Ok(()) };
    put_files_back(doors, journal)?;
    let rest = match phase {
        JournalPhase::Undo => interrupted.finished,
        // We have touched no process. But a supervisord that was started since has loaded the files
        // as they were then, and runs what they said.
        JournalPhase::Files | JournalPhase::Groups if is_loaded_otherwise(doors, journal) => {
            journal.rest()
        }
        JournalPhase::Files | JournalPhase::Groups => journal.former.as_deref().cloned(),
    };
    doors.state.close_undone(doors.files, site, rest.as_ref())
}

/// Whether supervisord has loaded any group of the journal otherwise than the files, which are as
/// they were before, say; also if it cannot tell.
fn is_loaded_otherwise(doors: &mut Doors<'_>, journal: &Journal) -> bool {
    let answers = doors.supervisord.batch(&[Call::ReloadConfig]).unwrap_or_default();
    let Some(Ok(Answer::Reload(reload))) = answers.into_iter().next() else { return true };
    let mut differs = reload.added.iter().chain(&reload.changed).chain(&reload.removed);
    differs.any(|group| journal.groups.contains_key(group))
}

fn put_files_back(doors: &mut Doors<'_>, journal: &Journal) -> Result<(), CommandError> {
    let site = &journal.site;
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
