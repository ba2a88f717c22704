//! What is special about a mere start or stop: nothing to put back, and what comes up again is stopped
//! again.

use super::site::{SiteApply, Stage};
use super::update::Update;
use super::work::Item;
use super::{ApplyError, FailedAt, Look, Outcome, ProgramTrouble, failure};
use crate::plan::{GroupAction, GroupChange, Reason, SitePlan};
use crate::supervisord::ProcessInfo;

/// How often what supervisord starts again while it is being stopped is stopped once more.
const STOPS: u32 = 3;

impl SiteApply {
    /// Whether it is a stop that is carried out.
    fn is_stop(&self) -> bool {
        let stops = |action: &GroupAction| matches!(action, GroupAction::Stop { .. });
        self.plan.groups.values().any(|change| stops(&change.action))
    }

    /// Whether it is to be looked whether what was stopped has come up again.
    pub(super) fn may_stop_again(&self) -> bool {
        self.is_stop() && self.batch.stops < STOPS
    }

    /// A process that had just exited when it was asked to stop counts as down, and is then started
    /// again by supervisord.
    pub(super) fn stop_what_came_up(&mut self, look: &Look) {
        let came_up = |group: &String| {
            let change = self.plan.groups.get(group);
            let Some(GroupAction::Stop { processes }) = change.map(|change| &change.action) else {
                return false;
            };
            let failed = self.report.troubles.iter().any(|trouble| trouble.group == *group);
            let is_up = |p: &&ProcessInfo| p.state.is_running();
            !failed && look.group(group).iter().filter(is_up).any(|p| processes.contains(&p.name))
        };
        let items: Vec<Item> =
            self.work.items.iter().filter(|item| came_up(&item.group)).cloned().collect();
        // With nothing left to stop, this is the last time.
        self.batch.stops = if items.is_empty() { STOPS } else { self.batch.stops + 1 };
        self.stage = Stage::Updating(Update::begin(&items, look.now));
    }

    /// A start or stop is over.
    pub(super) fn end_control(&mut self) {
        if self.report.troubles.is_empty() {
            return self.end(Outcome::Applied { revision: None });
        }
        let (plan, troubles) = (&self.plan, &self.report.troubles);
        let cause = |at| hinted(failure::of_programs(at, &plan.domain, troubles), plan);
        self.end(if plan.is_empty() {
            Outcome::Refused { cause: cause(FailedAt::Start) }
        } else {
            Outcome::Kept { cause: cause(FailedAt::Verify) }
        });
    }
}

/// Programs that are not the site's to start or stop: supervisord has never heard of them, or they
/// are somebody else's.
pub(super) fn not_applied(plan: &SitePlan) -> Vec<ProgramTrouble> {
    let trouble = |(group, change): (&String, &GroupChange)| {
        Some(ProgramTrouble {
            group: group.clone(),
            process: group.clone(),
            reason: why_not_applied(&change.reason)?.to_owned(),
            log: Vec::new(),
        })
    };
    plan.groups.iter().filter_map(trouble).collect()
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
