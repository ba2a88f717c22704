//! Starting and stopping programs of sites, under their locks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Engine;
use super::engine::{as_shown, not_begun};
use super::locks::{LockTurn, Locked};
use super::reading::shown;
use crate::actual::ActualDaemon;
use crate::api::{AppliedSite, ApplyRequest, ChosenSite, Goal};
use crate::apply::{self, ApplyError, SiteReport};
use crate::desired::DesiredSite;
use crate::error::CommandError;
use crate::inventory::{Domain, Programs};
use crate::plan::{GroupAction, Intent, Planned, SitePlan};
use crate::records::{Origin, StoppedProcesses};
use crate::supervisord::ProcessState;

/// How each site ended, or why it did not begin.
type ControlEnds = BTreeMap<Domain, Result<SiteReport, CommandError>>;

impl Engine<'_> {
    /// Starts or stops the programs of the sites, together.
    pub(super) fn control(
        &mut self,
        sites: &[&ChosenSite],
        request: &ApplyRequest,
        origin: &Origin,
    ) -> Vec<AppliedSite> {
        let mut ends = ControlEnds::new();
        let patience = Duration::from_secs(request.lock_wait);
        self.with_locks(
            sites.to_vec(),
            |chosen| chosen.site.domain.clone(),
            (origin, patience),
            &mut |engine, turn| match turn {
                LockTurn::Locked(locked) => {
                    let (chosen, locks): (Vec<_>, Vec<_>) =
                        locked.into_iter().map(Locked::into_parts).unzip();
                    ends.extend(engine.control_locked(&chosen, request, origin));
                    drop(locks);
                }
                LockTurn::NotLocked(chosen, error) => {
                    ends.insert(chosen.site.domain.clone(), Err(error));
                }
            },
        );
        for report in ends.values().flatten() {
            self.forget_told(&report.plan, &report.outcome);
        }
        let mut all = Vec::new();
        for ChosenSite { site, .. } in sites {
            let end = ends.remove(&site.domain).unwrap_or_else(|| Err(not_begun(&site.domain)));
            let report = end.map_err(ApplyError::at_start);
            all.push(AppliedSite { site: site.domain.clone(), report });
        }
        all
    }

    fn control_locked(
        &mut self,
        chosen: &[&ChosenSite],
        request: &ApplyRequest,
        origin: &Origin,
    ) -> ControlEnds {
        let mut ends = ControlEnds::new();
        match self.plan_controls(chosen, request, origin, &mut ends) {
            Ok((planned, daemon)) => {
                let reread = daemon.reread.unwrap_or_default();
                let reports =
                    apply::control(&mut self.doors, planned, &reread, origin, request.apply.verify);
                ends.extend(reports.into_iter().map(|report| (report.site.clone(), Ok(report))));
            }
            Err(error) => {
                for one in chosen {
                    ends.insert(one.site.domain.clone(), Err(error.clone()));
                }
            }
        }
        ends
    }

    /// Reads and plans, while no apply is at supervisord's files.
    fn plan_controls(
        &mut self,
        chosen: &[&ChosenSite],
        request: &ApplyRequest,
        origin: &Origin,
        ends: &mut ControlEnds,
    ) -> Result<(Vec<apply::SiteToApply>, ActualDaemon), CommandError> {
        let _daemon_lock = self.lock_daemon(origin, Duration::from_secs(request.lock_wait))?;
        // Half-written files must not be taken up by a start. A stop touches no file and has no
        // time to lose.
        let is_held = |domain: &Domain| chosen.iter().any(|one| one.site.domain == *domain);
        let mut not_recovered = BTreeMap::new();
        if request.plan.intent == Intent::Start {
            not_recovered = self.recover(origin, &is_held)?;
        }
        let daemon = self.read_daemon(None, &is_held)?;
        let mut planned = Vec::new();
        for one in chosen {
            let domain = &one.site.domain;
            let plan = match not_recovered.remove(domain) {
                Some(error) => Err(error),
                None => self.plan_control(one, request, &daemon),
            };
            match plan {
                Ok(site) if site.plan.refusals.is_empty() => planned.push(site),
                Ok(site) => {
                    ends.insert(domain.clone(), Ok(SiteReport::not_applied(site.view)));
                }
                Err(error) => {
                    ends.insert(domain.clone(), Err(error));
                }
            }
        }
        Ok((planned, daemon))
    }

    fn plan_control(
        &self,
        chosen: &ChosenSite,
        request: &ApplyRequest,
        daemon: &ActualDaemon,
    ) -> Result<apply::SiteToApply, CommandError> {
        let wanted = self.wanted(chosen, Goal::Inventory)?;
        let Planned { plan, record } = self.plan_site(&wanted, daemon, &request.plan)?;
        let record = record.unwrap_or_else(|| wanted.desired.clone());
        let view = shown(&plan);
        as_shown(&view, request)?;
        if request.plan.intent == Intent::Stop && plan.refusals.is_empty() {
            // Before it is done: a kill in between leaves what runs, which then counts as running.
            let stopped = kept_down(&plan, &chosen.programs, &record, daemon);
            self.doors.state.note_stopped(self.doors.files, wanted.domain(), &stopped)?;
        }
        Ok(apply::SiteToApply { view, plan, record, lock: None })
    }
}

/// Each process of the groups of a plan, by group: those that supervisord has, and those it should.
/// Not those that have ended by themselves, unless they come up again: a stop leaves them as they are.
fn kept_down(
    plan: &SitePlan,
    programs: &Programs,
    desired: &DesiredSite,
    daemon: &ActualDaemon,
) -> BTreeMap<String, StoppedProcesses> {
    let mut kept_down = BTreeMap::new();
    for group in plan.groups.keys().chain(&plan.unchanged) {
        let stopped = match plan.groups.get(group).map(|change| &change.action) {
            Some(GroupAction::Stop { processes }) => processes.as_slice(),
            _ => &[],
        };
        let (mut names, mut left) = (Vec::new(), BTreeSet::new());
        for process in daemon.groups.get(group).into_iter().flatten() {
            let has_ended = matches!(process.state, ProcessState::Exited | ProcessState::Fatal);
            if has_ended && !stopped.contains(&process.name) {
                left.insert(&process.name);
            } else {
                names.push(process.name.clone());
            }
        }
        let wanted = desired.groups.get(group).map(|desired| desired.process_names(group));
        names.extend(wanted.into_iter().flatten().filter(|name| !left.contains(name)));
        let mut are_all = true;
        if let Some(wanted) = desired.groups.get(group) {
            are_all = programs.processes(&wanted.program).next().is_none();
            names.retain(|name| programs.have_process(&wanted.program, group, name));
        }
        kept_down.insert(group.clone(), StoppedProcesses { names, are_all });
    }
    kept_down
}
