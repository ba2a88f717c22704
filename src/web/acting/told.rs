//! What happens on hosts: told to people and to machines as the command line does it, and host by host.

use super::proposal::{HostState, Proposal};
use crate::api::{AppliedSite, PlannedSite};
use crate::error::CommandError;
use crate::event::Event;
use crate::fleet::rollout::NotReached;
use crate::fleet::{Agreement, Leavers, Observer, Pages};
use crate::inventory::Site;
use crate::report::{Applying, BeforeChanges, EventLine, describe, describe_failure};

/// Tells it all.
pub(super) struct Told<'t> {
    pub(super) text: Applying<'t>,
    pub(super) documents: Applying<'t>,
    pub(super) proposal: &'t Proposal,
    /// What is done before the first host changes; where it fails, none does.
    pub(super) before: BeforeChanges<'t>,
}

/// The plans were shown before, and are those that were confirmed: nobody is shown them again.
impl Observer for Told<'_> {
    type Page = ();

    fn pages(&self) -> Pages<()> {
        Box::new(|_, _| ())
    }

    fn planned(&mut self, host: &str, plans: Vec<PlannedSite>, removed: &[Site]) {
        self.text.planned(host, plans.clone(), removed);
        self.documents.planned(host, plans, removed);
    }

    fn nothing_to_do(
        &mut self,
        host: &str,
        sites: &Result<Vec<AppliedSite>, CommandError>,
        leavers: &Leavers,
    ) {
        self.text.nothing_to_do(host, sites, leavers);
        self.documents.nothing_to_do(host, sites, leavers);
        self.proposal.host(host, HostState::Unchanged, None);
    }

    fn show(&mut self, _: Vec<(&str, ())>) {}

    fn agree(&mut self, _: &Agreement<'_>) -> Result<(), CommandError> {
        Ok(())
    }

    fn before_changes(&mut self) -> Result<(), CommandError> {
        (self.before)()
    }

    fn begun(&mut self, host: &str) {
        self.text.begun(host);
        self.documents.begun(host);
        self.proposal.host(host, HostState::AtWork, None);
    }

    fn event(&mut self, host: &str, event: &Event) {
        self.text.event(host, event);
        self.documents.event(host, event);
        let said = describe(event).pop();
        if let Some(EventLine::Progress(text) | EventLine::Warning(text)) = said {
            self.proposal.host(host, HostState::AtWork, Some(text));
        }
    }

    fn ended(&mut self, host: &str, applied: &Result<Vec<AppliedSite>, CommandError>) {
        self.text.ended(host, applied);
        self.documents.ended(host, applied);
        let failure = match applied {
            Ok(sites) => sites.iter().find_map(AppliedSite::failure),
            Err(error) => Some(error.clone()),
        };
        let (state, last) = match failure {
            Some(error) => (HostState::Failed, describe_failure(&error)),
            None => (HostState::Done, String::new()),
        };
        self.proposal.host(host, state, Some(last));
    }

    fn stay(&mut self, host: &str, leavers: &Leavers) {
        self.text.stay(host, leavers);
        self.documents.stay(host, leavers);
    }

    fn not_reached(&mut self, host: &str, why: NotReached) {
        self.text.not_reached(host, why);
        self.documents.not_reached(host, why);
        self.proposal.host(host, HostState::NotReached(why), None);
    }
}
