//! What nobody was there to hear: the next apply of the site tells how it ended, and then it is told.

use std::path::Path;

use super::Engine;
use crate::actual::{Unheard, unheard};
use crate::api::Request;
use crate::apply::Outcome;
use crate::event::Event;
use crate::inventory::Domain;
use crate::plan::{Intent, PlanView};
use crate::records::StateDir;
use crate::system::{Disk, process};

/// Notes, in the process that works on it, that nobody will hear the reply to a request.
pub fn note_untold(state_base: &Path, request: &Request) {
    let Request::Apply(request) = request else { return };
    let is_control = matches!(request.plan.intent, Intent::Start | Intent::Stop);
    let pid = std::process::id();
    let started = process::started(pid.into());
    for site in request.sites.iter().map(|chosen| &chosen.site) {
        let state = StateDir::new(&site.paths, state_base);
        // What cannot be noted is still in `history`.
        let _ = state.note_untold(&Disk, &site.domain, (&request.run, is_control), (pid, started));
    }
}

impl Engine<'_> {
    /// Whether [`Self::forget_told`] tells this, or has to.
    pub(super) fn is_untold(&self, site: &Domain, text: &str) -> bool {
        let unheard = unheard::read(self.doors.files, self.doors.state, site);
        unheard.is_some_and(|unheard| unheard.text() == text)
    }

    /// What this plan has told need not be told again. The plan of an apply that came to nothing is
    /// shown to nobody: what went badly is told beside it first.
    pub(super) fn forget_told(&mut self, plan: &PlanView, outcome: &Outcome) {
        let (state, files) = (self.doors.state, self.doors.files);
        // Of most plans nothing is to be forgotten, and no file is read for that.
        let mut texts = plan.notes.iter().chain(&plan.warnings);
        if !texts.clone().any(|text| unheard::may_be(text)) {
            return;
        }
        let Some(unheard) = unheard::read(files, state, &plan.site) else { return };
        if !texts.any(|text| text == unheard.text()) {
            return;
        }
        let came_to_nothing = matches!(outcome, Outcome::Unchanged | Outcome::Refused { .. });
        if let (Unheard::Badly(text), true) = (unheard, came_to_nothing) {
            (self.doors.events)(Event::Warning { site: plan.site.clone(), text });
        }
        state.forget_untold(files, &plan.site);
    }
}
