//! What is special about a mere start or stop: nothing to put back, and what comes up again is stopped
//! again.

use super::site::{SiteApply, Stage};
use super::update::Update;
use super::work::GroupWork;
use super::{ApplyError, FailedAt, Look, Outcome, ProgramTrouble, failure};
use crate::plan::{GroupAction, Reason, SitePlan};

/// How often what supervisord starts again while it is being stopped is stopped once more.
const STOPS: u32 = 3;

impl SiteApply {
    /// Whether it is a stop that is carried out.
    fn is_stop(&self) -> bool {
        let mut changes = self.plan.groups.values();
        changes.any(|change| matches!(change.action, GroupAction::Stop { .. }))
    }

    /// Whether it is to be looked whether what was stopped has come up again.
    pub(super) fn may_stop_again(&self) -> bool {
        self.is_stop() && self.batch.stops < STOPS
    }

    /// A process that had just exited when it was asked to stop counts as down, and is then started
    /// again by supervisord.
    pub(super) fn stop_what_came_up(&mut self, look: &Look) {
        let mut items: Vec<GroupWork> = self.work.items.clone();
        items.retain(|item| self.has_come_up(&item.group, look));
        // With nothing left to stop, this is the last time.
        self.batch.stops = if items.is_empty() { STOPS } else { self.batch.stops + 1 };
        self.stage = Stage::Updating(Update::begin(&items, look.now));
    }

    /// Whether a process of this group runs that was stopped. What failed to stop is told already.
    fn has_come_up(&self, group: &str, look: &Look) -> bool {
        let change = self.plan.groups.get(group);
        let Some(GroupAction::Stop { processes }) = change.map(|change| &change.action) else {
            return false;
        };
        !self.report.troubles.iter().any(|trouble| trouble.group == group)
            && look
                .group(group)
                .iter()
                .any(|process| process.state.is_running() && processes.contains(&process.name))
    }

    /// A start or stop is over.
    pub(super) fn end_control(&mut self) {
        if self.report.troubles.is_empty() {
            return self.end(Outcome::Applied { revision: None });
        }
        let (plan, troubles) = (&self.plan, &self.report.troubles);
        let is_refused = plan.is_empty();
        let at = if is_refused { FailedAt::Start } else { FailedAt::Verify };
        let cause = hinted(failure::of_programs(at, &plan.domain, troubles), plan);
        self.end(match is_refused {
            true => Outcome::Refused { cause },
            false => Outcome::Kept { cause },
        });
    }
}

/// Programs that are not the site's to start or stop: supervisord has never heard of them, or they
/// are somebody else's.
pub(super) fn not_applied(plan: &SitePlan) -> Vec<ProgramTrouble> {
    let mut troubles = Vec::new();
    for (group, change) in &plan.groups {
        if let Some(reason) = why_not_applied(&change.reason) {
            let (process, reason) = (group.clone(), reason.to_owned());
            troubles.push(ProgramTrouble {
                group: group.clone(),
                process,
                reason,
                log: Vec::new(),
                log_since: None,
            });
        }
    }
    troubles
}

fn why_not_applied(reason: &Reason) -> Option<&'static str> {
    match reason {
        Reason::NotKnown => Some("is not known to supervisord: it was not applied yet"),
        Reason::Anothers => Some("is not this site's"),
        _ => None,
    }
}

fn hinted(mut cause: ApplyError, plan: &SitePlan) -> ApplyError {
    let site = &plan.domain;
    if plan.groups.values().any(|change| why_not_applied(&change.reason).is_some()) {
        cause.error = cause.error.hint(format!("apply it: supervisor-sync apply --site {site}"));
    }
    if !plan.is_empty() {
        cause.error = cause.error.hint(format!("look: supervisor-sync status --site {site}"));
    }
    cause
}
