//! Starting and stopping without an apply: no file, no journal, nothing to put back.

use super::work::Work;
use super::{ApplyError, Doors, FailedAt, Outcome, ProgramTrouble, SiteReport, failure};
use crate::event::{Event, Step};
use crate::plan::{GroupAction, PlanView, Reason, SitePlan};
use crate::supervisord::Reload;

/// How often what supervisord starts again while it is being stopped is stopped once more.
const STOPS: u32 = 3;

/// Carries out a plan of [`plan_control`](crate::plan::plan_control). The lock is held; `reread` is
/// what the plan was made from. With `verify`, what was started is watched as an apply would.
pub fn control_site(
    doors: &mut Doors<'_>,
    plan: &SitePlan,
    view: PlanView,
    reread: &Reload,
    verify: bool,
) -> SiteReport {
    let mut report = SiteReport::new(view);
    for text in &plan.warnings {
        (doors.events)(Event::Warning { site: plan.domain.clone(), text: text.clone() });
    }
    report.troubles = not_known(plan);
    if plan.is_empty() && report.troubles.is_empty() {
        return report.ended(Outcome::Unchanged);
    }
    let outcome = match doors.control(plan, reread, verify, &mut report.troubles) {
        Ok(()) if report.troubles.is_empty() => Outcome::Applied { revision: None },
        Ok(()) if plan.is_empty() => {
            let cause = failure::of_programs(FailedAt::Start, &plan.domain, &report.troubles);
            Outcome::Refused { cause: hinted(cause, plan) }
        }
        Ok(()) => {
            let cause = failure::of_programs(FailedAt::Verify, &plan.domain, &report.troubles);
            Outcome::Kept { cause: hinted(cause, plan) }
        }
        Err(mut cause) if cause.at == FailedAt::Interrupted => {
            cause.error.hints = vec!["what was begun goes on; run the same command again".into()];
            Outcome::Interrupted { cause }
        }
        Err(cause) => Outcome::Kept { cause },
    };
    report.ended(outcome)
}

/// Programs that cannot be started because supervisord has never heard of them.
fn not_known(plan: &SitePlan) -> Vec<ProgramTrouble> {
    let unknown = plan.groups.iter().filter(|(_, change)| change.reason == Reason::NotKnown);
    let trouble = |(group, _): (&String, _)| ProgramTrouble {
        group: group.clone(),
        process: group.clone(),
        reason: "is not known to supervisord: it was not applied yet".to_owned(),
        log: Vec::new(),
    };
    unknown.map(trouble).collect()
}

fn hinted(mut cause: ApplyError, plan: &SitePlan) -> ApplyError {
    let site = &plan.domain;
    if plan.groups.values().any(|change| change.reason == Reason::NotKnown) {
        cause.error = cause.error.hint(format!("apply it: supervisor-sync apply --site {site}"));
    }
    if !plan.is_empty() {
        cause.error = cause.error.hint(format!("look: supervisor-sync status --site {site}"));
    }
    cause
}

impl Doors<'_> {
    fn control(
        &mut self,
        plan: &SitePlan,
        reread: &Reload,
        verify: bool,
        troubles: &mut Vec<ProgramTrouble>,
    ) -> Result<(), ApplyError> {
        if plan.is_empty() {
            return Ok(());
        }
        let work = Work::new(plan, reread);
        self.step(&plan.domain, Step::Update { groups: work.items.len() });
        troubles.extend(self.update(&plan.domain, &work)?.all());
        self.stop_what_came_up(plan, &work, troubles)?;
        let mut watched = work.watched(plan);
        watched.retain(|group, _| !troubles.iter().any(|trouble| trouble.group == *group));
        let unhealthy =
            if verify { self.verify(&plan.domain, &watched)? } else { self.look(&watched) };
        troubles.extend(unhealthy);
        Ok(())
    }

    /// A process that had just exited when it was asked to stop counts as down, and is then started
    /// again by supervisord.
    fn stop_what_came_up(
        &mut self,
        plan: &SitePlan,
        work: &Work,
        troubles: &mut Vec<ProgramTrouble>,
    ) -> Result<(), ApplyError> {
        for _ in 0..STOPS {
            let Ok(groups) = self.processes() else { return Ok(()) };
            let came_up = |group: &String| {
                let change = plan.groups.get(group);
                let Some(GroupAction::Stop { processes }) = change.map(|change| &change.action)
                else {
                    return false;
                };
                let failed = troubles.iter().any(|trouble| trouble.group == *group);
                let of_group = groups.get(group).map_or(&[][..], Vec::as_slice);
                !failed
                    && of_group.iter().any(|p| p.state.is_running() && processes.contains(&p.name))
            };
            let items: Vec<_> =
                work.items.iter().filter(|item| came_up(&item.group)).cloned().collect();
            if items.is_empty() {
                return Ok(());
            }
            troubles.extend(self.update(&plan.domain, &Work::batch(&items))?.all());
        }
        Ok(())
    }
}
