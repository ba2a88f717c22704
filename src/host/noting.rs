//! Notes how runs ended where no revision says it.

use super::Engine;
use crate::apply::{Outcome, SiteReport};
use crate::inventory::Domain;
use crate::records::{Origin, RunEnd, RunOutcome};

impl Engine<'_> {
    /// Notes how the run of `origin` ended at a site. What cannot be noted is missing in `history`, and
    /// no reason to fail.
    pub(super) fn note_end(&self, report: &SiteReport, origin: &Origin) {
        let (Some(run), Some(end)) = (&origin.run, end_of(&report.outcome)) else { return };
        let cause = report.failure().map(|error| error.message);
        let outcome = RunOutcome::new(report.site.clone(), (**run).clone(), end, cause);
        let _ = self.doors.state.write_outcome(self.doors.files, &outcome);
    }

    /// Notes the runs that were killed, from the journals they left, before those go.
    pub(super) fn note_interrupted(&self, is_held: &dyn Fn(&Domain) -> bool) {
        let (state, files) = (self.doors.state, self.doors.files);
        for site in state.sites(files).unwrap_or_default() {
            if !is_held(&site) && state.site_held_by(&site).is_some() {
                // It is under way.
                continue;
            }
            let interrupted = state.interrupted(files, &site).unwrap_or_default();
            let undone = interrupted.undone_first.map(|(_, journal)| journal);
            for journal in undone.iter().chain(&interrupted.finished) {
                state.note_interrupted(files, journal);
            }
        }
    }
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
