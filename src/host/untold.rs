//! What nobody was there to hear: the next apply of the site tells how it ended, and then it is told.

use std::path::Path;

use super::{Engine, Request};
use crate::actual::unheard;
use crate::plan::{Intent, PlanView};
use crate::records::StateDir;
use crate::system::Disk;

/// Notes, in the process that works on it, that nobody will hear the reply to a request.
pub fn note_untold(state_base: &Path, request: &Request) {
    let Request::Apply(request) = request else { return };
    if matches!(request.plan.intent, Intent::Start | Intent::Stop) {
        return;
    }
    for site in request.sites.iter().map(|chosen| &chosen.site) {
        let state = StateDir::new(&site.paths, state_base);
        // What cannot be noted is still in `history`.
        let _ = state.note_untold(&Disk, &site.domain, &request.run, std::process::id());
    }
}

impl Engine<'_> {
    /// What this plan has told need not be told again.
    pub(super) fn forget_told(&self, plan: &PlanView) {
        let (state, files) = (self.doors.state, self.doors.files);
        let told = |text: &str| plan.notes.iter().chain(&plan.warnings).any(|told| told == text);
        if unheard::read(files, state, &plan.site).is_some_and(|unheard| told(unheard.text())) {
            state.forget_untold(files, &plan.site);
        }
    }
}
