//! Starting and stopping programs of sites, under the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::instance::shown;
use super::narrow::as_applied;
use super::{AppliedSite, ControlRequest, Goal, Instance};
use crate::actual::{ActualDaemon, observe};
use crate::apply::{ApplyError, FailedAt, SiteReport, control_site, recover};
use crate::desired::DesiredSite;
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::inventory::{ProgramName, Site};
use crate::plan::{Control, SitePlan, plan_control};
use crate::state::Origin;

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

impl Instance<'_> {
    /// Starts or stops the programs of each site.
    pub fn control(
        &mut self,
        sites: &[&Site],
        request: &ControlRequest,
        origin: &Origin,
    ) -> Vec<AppliedSite> {
        let failed = |site: &&Site, error: &CommandError| AppliedSite {
            site: site.domain.clone(),
            report: Err(ApplyError::new(FailedAt::Start, error.clone())),
        };
        let (state, clock) = (self.doors.state, self.doors.clock);
        let events = &mut *self.doors.events;
        let patience = Duration::from_secs(request.lock_wait);
        let locked = state.lock(origin, patience, clock, &mut |holder| {
            let holder = holder.map_or("another apply".to_owned(), Origin::to_string);
            events(Event::LockHeld { holder });
        });
        let _lock = match locked {
            Ok(lock) => lock,
            Err(error) => {
                let error = CommandError::from(error);
                return sites.iter().map(|site| failed(site, &error)).collect();
            }
        };
        // Half-written files must not be taken up by a start. A stop touches no file and has no
        // time to lose.
        let mut not_recovered = BTreeMap::new();
        if request.control == Control::Start {
            match recover(&mut self.doors) {
                Ok(failed) => not_recovered = failed,
                Err(error) => return sites.iter().map(|site| failed(site, &error)).collect(),
            }
        }
        let control = |site: &&Site| {
            if let Some(error) = not_recovered.get(&site.domain) {
                return failed(site, error);
            }
            let report = self.control_one(site, request);
            let report = report.map_err(|error| ApplyError::new(FailedAt::Start, error));
            AppliedSite { site: site.domain.clone(), report }
        };
        sites.iter().map(control).collect()
    }

    fn control_one(
        &mut self,
        site: &Site,
        request: &ControlRequest,
    ) -> Result<SiteReport, CommandError> {
        if self.doors.interrupt.is_raised() {
            let message = format!("site {}: interrupted before it began", site.domain);
            return Err(CommandError::new(ErrorKind::Interrupted, message));
        }
        let programs: Option<&BTreeSet<ProgramName>> = request
            .sites
            .iter()
            .find(|chosen| chosen.site.domain == site.domain)
            .and_then(|chosen| chosen.programs.as_ref());
        let daemon = self.observe()?;
        let wanted = self.wanted(site, Goal::Inventory)?;
        let (files, state) = (self.doors.files, self.doors.state);
        let actual = observe::site(files, state, site, &wanted.desired)?;
        let desired = as_applied(site, &wanted.desired, &actual);
        let plan = plan_control(request.control, programs, &desired, &daemon, &actual);
        if request.control == Control::Stop {
            // Before it is done: a kill in between leaves what runs, which then counts as running.
            let stopped = all_processes(&plan, &desired, &daemon);
            state.note_stopped(files, &site.domain, &stopped)?;
        }
        let reread = daemon.reread.unwrap_or_default();
        Ok(control_site(&mut self.doors, &plan, shown(&plan), &reread, request.verify))
    }
}
