//! Starting and stopping programs of sites, under their locks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::engine::not_begun;
use super::locks::{Locked, Turn};
use super::narrow::as_applied;
use super::reading::shown;
use super::{AppliedSite, ChosenSite, ControlRequest, Engine, Goal};
use crate::actual::{ActualDaemon, observe};
use crate::apply::{self, ApplyError, FailedAt, SiteReport};
use crate::desired::DesiredSite;
use crate::error::CommandError;
use crate::inventory::{Domain, Site};
use crate::plan::{Control, SitePlan, plan_control};
use crate::records::Origin;

/// How each site ended, or why it did not begin.
type Ends = BTreeMap<Domain, Result<SiteReport, CommandError>>;

impl Engine<'_> {
    /// Starts or stops the programs of the sites, together.
    pub fn control(
        &mut self,
        sites: &[&Site],
        request: &ControlRequest,
        origin: &Origin,
    ) -> Vec<AppliedSite> {
        let domains: BTreeSet<&Domain> = sites.iter().map(|site| &site.domain).collect();
        let is_here = |chosen: &&ChosenSite| domains.contains(&chosen.site.domain);
        let chosen: Vec<&ChosenSite> = request.sites.iter().filter(is_here).collect();
        let mut ends = Ends::new();
        let domain = |chosen: &&ChosenSite| chosen.site.domain.clone();
        let patience = Duration::from_secs(request.lock_wait);
        self.with_locks(chosen, domain, (origin, patience), &mut |engine, turn| match turn {
            Turn::Locked(locked) => {
                let (chosen, locks): (Vec<_>, Vec<_>) =
                    locked.into_iter().map(Locked::into_parts).unzip();
                ends.extend(engine.control_locked(&chosen, request, origin));
                drop(locks);
            }
            Turn::NotLocked(chosen, error) => {
                ends.insert(chosen.site.domain.clone(), Err(error));
            }
        });
        let ended = |site: &&Site| AppliedSite {
            site: site.domain.clone(),
            report: ends
                .remove(&site.domain)
                .unwrap_or_else(|| Err(not_begun(&site.domain)))
                .map_err(|error| ApplyError::new(FailedAt::Start, error)),
        };
        sites.iter().map(ended).collect()
    }

    fn control_locked(
        &mut self,
        chosen: &[&ChosenSite],
        request: &ControlRequest,
        origin: &Origin,
    ) -> Ends {
        let mut ends = Ends::new();
        match self.plan_controls(chosen, request, origin, &mut ends) {
            Ok((planned, daemon)) => {
                let reread = daemon.reread.unwrap_or_default();
                let reports =
                    apply::control(&mut self.doors, planned, &reread, origin, request.verify);
                ends.extend(reports.into_iter().map(|report| (report.site.clone(), Ok(report))));
            }
            Err(error) => {
                let failed = |one: &&ChosenSite| (one.site.domain.clone(), Err(error.clone()));
                ends.extend(chosen.iter().map(failed));
            }
        }
        ends
    }

    /// Reads and plans, while no apply is at supervisord's files.
    fn plan_controls(
        &mut self,
        chosen: &[&ChosenSite],
        request: &ControlRequest,
        origin: &Origin,
        ends: &mut Ends,
    ) -> Result<(Vec<apply::PlannedSite>, ActualDaemon), CommandError> {
        let _daemon_lock = self.lock_daemon(origin, Duration::from_secs(request.lock_wait))?;
        // Half-written files must not be taken up by a start. A stop touches no file and has no
        // time to lose.
        let is_held = |domain: &Domain| chosen.iter().any(|one| one.site.domain == *domain);
        let mut not_recovered = BTreeMap::new();
        if request.control == Control::Start {
            not_recovered = apply::recover(&mut self.doors, origin, &is_held)?;
        }
        let daemon = self.read_daemon(None, &is_held)?;
        let mut planned = Vec::new();
        for one in chosen {
            let domain = &one.site.domain;
            let plan = match not_recovered.remove(domain) {
                Some(error) => Err(error),
                None => self.plan_control(one, request.control, &daemon),
            };
            match plan {
                Ok(plan) => planned.push(plan),
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
        control: Control,
        daemon: &ActualDaemon,
    ) -> Result<apply::PlannedSite, CommandError> {
        let ChosenSite { site, programs } = chosen;
        let wanted = self.wanted(site, Goal::Inventory)?;
        let (files, state) = (self.doors.files, self.doors.state);
        let actual = observe::site(files, state, site, &wanted.desired, daemon)?;
        let record = as_applied(site, &wanted.desired, &actual);
        let plan = plan_control(control, programs.as_ref(), &record, daemon, &actual);
        if control == Control::Stop {
            // Before it is done: a kill in between leaves what runs, which then counts as running.
            let stopped = all_processes(&plan, &record, daemon);
            state.note_stopped(files, &site.domain, &stopped)?;
        }
        Ok(apply::PlannedSite { view: shown(&plan), plan, record, lock: None })
    }
}

/// Each process of the groups of a plan, by group: those that supervisord has, and those it should.
fn all_processes(
    plan: &SitePlan,
    desired: &DesiredSite,
    daemon: &ActualDaemon,
) -> BTreeMap<String, Vec<String>> {
    let groups = plan.groups.keys().chain(&plan.unchanged);
    let processes = groups.map(|group| {
        let loaded = daemon.groups.get(group).into_iter().flatten().map(|p| p.name.clone());
        let wanted = desired.groups.get(group).into_iter().flat_map(|g| g.process_names(group));
        (group.clone(), loaded.chain(wanted).collect())
    });
    processes.collect()
}
