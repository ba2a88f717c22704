//! Notes how runs ended where no revision says it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Engine;
use crate::actual::ActualDaemon;
use crate::api::RunId;
use crate::apply::{self, Outcome, SiteReport};
use crate::error::CommandError;
use crate::inventory::Domain;
use crate::records::{Interrupted, Origin, RunEnd, RunOutcome, Settled, SettledHow};

impl Engine<'_> {
    /// Undoes what killed applies left half-written, and notes which run has. Returns the sites that it
    /// could not be done for.
    pub(super) fn recover(
        &mut self,
        origin: &Origin,
        is_held: &dyn Fn(&Domain) -> bool,
    ) -> Result<BTreeMap<Domain, CommandError>, CommandError> {
        let undone = self.note_interrupted(is_held);
        let failed = apply::recover(&mut self.doors, origin, is_held)?;
        self.note_undone(&undone, origin);
        Ok(failed)
    }

    /// Why supervisord cannot be asked. A power cut between the swap of files and the reread can leave
    /// files that it does not start with, and nobody but us could put them back: that needs no
    /// supervisord, so it is done all the same.
    pub(super) fn put_back_meanwhile(
        &mut self,
        error: CommandError,
        (origin, patience): (&Origin, Duration),
    ) -> CommandError {
        let (state, files) = (self.doors.state, self.doors.files);
        let sites = state.sites(files).unwrap_or_default();
        if !sites.iter().any(|site| {
            state.interrupted(files, site).is_ok_and(|left| left.undone_first.is_some())
                && state.site_held_by(site).is_none()
        }) {
            return error;
        }
        let Ok(_lock) = self.lock_daemon(origin, patience) else { return error };
        match self.recover(origin, &|_| false) {
            Ok(failed) if failed.is_empty() => error.hint(
                "the files of an apply that never ended are put back: start supervisord, then run \
                 the same command again",
            ),
            Ok(_) | Err(_) => error,
        }
    }

    /// Notes how the run of `origin` ended at a site. What cannot be noted is missing in `history`, and
    /// no reason to fail.
    pub(super) fn note_end(&self, report: &SiteReport, origin: &Origin) {
        let (Some(run), Some(end)) = (&origin.run, end_of(&report.outcome)) else { return };
        let cause = report.failure().map(|error| error.message);
        let acts = report.plan.groups.iter().filter(|group| group.action.acts());
        let mut outcome = RunOutcome::new(report.site.clone(), (**run).clone(), end, cause);
        outcome.groups = acts.map(|group| group.group.clone()).collect();
        let _ = self.doors.state.write_outcome(self.doors.files, &outcome);
    }

    /// Notes the runs that were killed, from the journals they left, before those go. Returns those
    /// whose files are put back first.
    fn note_interrupted(&self, is_held: &dyn Fn(&Domain) -> bool) -> Vec<(Domain, RunId)> {
        let (state, files) = (self.doors.state, self.doors.files);
        let mut undone = Vec::new();
        for site in state.sites(files).unwrap_or_default() {
            if !is_held(&site) && state.site_held_by(&site).is_some() {
                // It is under way.
                continue;
            }
            let interrupted = state.interrupted(files, &site).unwrap_or_default();
            interrupted.journals().for_each(|journal| state.note_interrupted(files, journal));
            let run = interrupted.undone_first.and_then(|(_, journal)| journal.origin.run);
            undone.extend(run.map(|run| (site, run.id)));
        }
        undone
    }

    /// Notes that the run of `origin` has undone these, as far as it has.
    fn note_undone(&self, undone: &[(Domain, RunId)], origin: &Origin) {
        let (state, files) = (self.doors.state, self.doors.files);
        for (site, run) in undone {
            if state.interrupted(files, site).is_ok_and(|left| left.undone_first.is_none()) {
                self.note_settled(site, &[*run], SettledHow::Undone, origin);
            }
        }
    }

    /// Notes that the run of `origin` has finished these, if it has done its own work at the site and
    /// left nothing of theirs.
    pub(super) fn note_finished(
        &self,
        report: &SiteReport,
        unfinished: &BTreeMap<Domain, Vec<RunId>>,
        origin: &Origin,
    ) {
        let (state, files) = (self.doors.state, self.doors.files);
        let (Some(runs), Some(run)) = (unfinished.get(&report.site), &origin.run) else { return };
        let is_done = matches!(report.outcome, Outcome::Applied { .. });
        if !is_done || state.interrupted(files, &report.site).is_ok_and(|left| !left.is_nothing()) {
            return;
        }
        for id in runs {
            let is_taken_back = run.takes_back == Some(*id);
            let how = if is_taken_back { SettledHow::TakenBack } else { SettledHow::Finished };
            self.note_settled(&report.site, &[*id], how, origin);
        }
    }

    fn note_settled(&self, site: &Domain, runs: &[RunId], how: SettledHow, origin: &Origin) {
        let Some(by) = origin.run.as_ref().map(|run| run.id) else { return };
        for run in runs.iter().filter(|run| **run != by) {
            self.doors.state.note_settled(self.doors.files, site, run, Settled { by, how });
        }
    }
}

/// The runs whose interrupted applies the next apply of their sites finishes.
pub(super) fn unfinished_runs(daemon: &ActualDaemon) -> BTreeMap<Domain, Vec<RunId>> {
    let mut runs = BTreeMap::new();
    for (site, interrupted) in &daemon.journals {
        let Ok(Interrupted { finished: Some(finished), .. }) = interrupted else { continue };
        let former = finished.former.as_deref();
        let journals = std::iter::once(finished).chain(former);
        let ids = journals.filter_map(|journal| Some(journal.origin.run.as_ref()?.id));
        runs.insert(site.clone(), ids.collect());
    }
    runs
}

/// `None` where nothing was changed, or a revision says it.
fn end_of(outcome: &Outcome) -> Option<RunEnd> {
    match outcome {
        Outcome::Unchanged | Outcome::Refused { .. } | Outcome::Applied { revision: Some(_) } => {
            None
        }
        Outcome::Applied { revision: None } => Some(RunEnd::Restarted),
        Outcome::RolledBack { .. } => Some(RunEnd::RolledBack),
        Outcome::Kept { .. } => Some(RunEnd::Kept),
        Outcome::Stuck { .. } => Some(RunEnd::Stuck),
        Outcome::Interrupted { .. } => Some(RunEnd::Interrupted),
    }
}
