//! The status of sites: one reading of everything, and further looks where a process may be
//! flapping. No lock is taken, and nothing is changed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ChosenSite, Engine, Goal, SiteStatusReply};
use crate::actual::{ActualDaemon, daemon, observe};
use crate::apply::release::{self, Former};
use crate::desired::DesiredSite;
use crate::error::CommandError;
use crate::event::Event;
use crate::inventory::Site;
use crate::plan::{PlanOptions, plan_site};
use crate::status::{Looks, Readings, SiteStatus, assemble};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Engine<'_> {
    /// The status of each site. Processes that may be flapping are watched for up to `watch`.
    pub fn status(
        &mut self,
        sites: &[&Site],
        chosen: &[ChosenSite],
        watch: Duration,
    ) -> Vec<SiteStatusReply> {
        let read = self.observe().and_then(|daemon| self.watch(daemon, sites, watch));
        let status = |site: &&Site| SiteStatusReply {
            site: site.domain.clone(),
            status: match &read {
                Ok((daemon, looks)) => self.status_of(site, chosen, daemon, looks),
                Err(error) => Err(error.clone()),
            },
        };
        sites.iter().map(status).collect()
    }

    /// Looks again and again while a process of these sites may be flapping. The daemon comes back
    /// with the processes of the last look.
    fn watch(
        &mut self,
        mut daemon: ActualDaemon,
        sites: &[&Site],
        watch: Duration,
    ) -> Result<(ActualDaemon, Looks), CommandError> {
        let is_ours = |group: &String| {
            let mut domains = sites.iter().map(|site| site.domain.as_str());
            domains.any(|domain| group.strip_prefix(domain).is_some_and(|r| r.starts_with('-')))
        };
        let mut looks = Looks::default();
        let add = |daemon: &ActualDaemon, looks: &mut Looks| {
            let ours = daemon.groups.iter().filter(|(group, _)| is_ours(group));
            looks.add(ours.flat_map(|(_, processes)| processes));
        };
        add(&daemon, &mut looks);
        let end = self.doors.clock.now() + watch;
        while looks.are_worth_another()
            && self.doors.clock.now() < end
            && !self.doors.interrupt.is_raised()
        {
            (self.doors.events)(Event::Alive);
            self.doors.clock.wait(LOOK_EVERY);
            let processes = self.doors.supervisord.get_all_process_info();
            let processes = processes.map_err(daemon::daemon_error)?;
            daemon.groups.clear();
            for process in processes.map_err(daemon::fault_error)? {
                daemon.groups.entry(process.group.clone()).or_default().push(process);
            }
            add(&daemon, &mut looks);
        }
        Ok((daemon, looks))
    }

    fn status_of(
        &self,
        site: &Site,
        chosen: &[ChosenSite],
        daemon: &ActualDaemon,
        looks: &Looks,
    ) -> Result<SiteStatus, CommandError> {
        let wanted = self.wanted(site, Goal::Inventory)?;
        let (files, state) = (self.doors.files, self.doors.state);
        let actual = observe::site(files, state, site, &wanted.desired, daemon)?;
        let mut plan = plan_site(&wanted.desired, daemon, &actual, &PlanOptions::default());
        if plan.interrupted.is_some()
            && let Some(holder) = state.site_held_by(&site.domain)
        {
            plan.interrupted = Some(format!("{holder} is under way"));
        }
        let chosen = chosen.iter().find(|chosen| chosen.site.domain == site.domain);
        Ok(assemble(&Readings {
            programs: chosen.and_then(|chosen| chosen.programs.as_ref()),
            desired: &wanted.desired,
            daemon,
            actual: &actual,
            plan: &plan,
            looks,
            former: &former_releases(&wanted.desired, daemon),
        }))
    }
}

/// The processes that run a former release, by pid.
fn former_releases(desired: &DesiredSite, daemon: &ActualDaemon) -> BTreeMap<i64, Former> {
    let mut former = BTreeMap::new();
    for (name, group) in &desired.groups {
        for process in daemon.groups.get(name).into_iter().flatten().filter(|p| p.pid > 0) {
            former.extend(release::former(group, process.pid).map(|f| (process.pid, f)));
        }
    }
    former
}
