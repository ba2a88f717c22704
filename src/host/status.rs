//! The status of sites: one reading of everything, and further looks where a process may be
//! flapping. No lock is taken, and nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Engine;
use super::reading::WantedSite;
use crate::actual::{ActualDaemon, daemon, observe};
use crate::api::{ChosenSite, Goal, SiteStatusReply};
use crate::apply::release::{self, Former};
use crate::desired::DesiredSite;
use crate::error::CommandError;
use crate::event::Event;
use crate::inventory::{Programs, naming};
use crate::plan::{PlanOptions, Situation, plan_site};
use crate::status::{Readings, RestartWatch, SiteStatus, assemble};
use crate::supervisord::{Answer, Call, ProcessInfo};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Engine<'_> {
    /// The status of each site. Processes that may be flapping are watched for up to `watch`; whether
    /// what runs is what the files say is only told if `deep` is asked for, because supervisord then
    /// reads all of them.
    pub fn status(
        &mut self,
        sites: &[&ChosenSite],
        (watch, deep): (Duration, bool),
    ) -> Vec<SiteStatusReply> {
        let read = self.glance(deep).and_then(|daemon| {
            let groups = groups_of(sites, &daemon);
            self.watch(daemon, &groups, watch)
        });
        let (mut statuses, mut own) = (Vec::new(), BTreeSet::new());
        for chosen in sites {
            let status = match &read {
                Ok((daemon, looks)) => self
                    .wanted(chosen, Goal::Inventory)
                    .and_then(|wanted| self.status_of(&wanted, daemon, looks, &mut own)),
                Err(error) => Err(error.clone()),
            };
            statuses.push(SiteStatusReply { site: chosen.site.domain.clone(), status });
        }
        // What is nobody's here may look like that of several sites: it is told with the first.
        let mut told = BTreeSet::new();
        for status in statuses.iter_mut().filter_map(|one| one.status.as_mut().ok()) {
            status.notes.retain(|note| told.insert(note.clone()));
        }
        let all_are_known = statuses.iter().all(|one| one.status.is_ok());
        if let (true, Ok((daemon, _))) = (all_are_known, &read)
            && let Some(Ok(first)) = statuses.first_mut().map(|one| one.status.as_mut())
        {
            first.notes.extend(self.unmanaged(sites, own, daemon));
        }
        statuses
    }

    /// Looks again and again while a process of these groups may be flapping. The daemon comes back with
    /// the processes of the last look.
    pub(super) fn watch(
        &mut self,
        mut daemon: ActualDaemon,
        groups: &BTreeSet<String>,
        watch: Duration,
    ) -> Result<(ActualDaemon, RestartWatch), CommandError> {
        let mut looks = RestartWatch::default();
        looks.add(processes_of(groups, &daemon));
        let end = self.doors.clock.now() + watch;
        while looks.are_worth_another()
            && self.doors.clock.now() < end
            && !self.doors.interrupt.is_raised()
        {
            (self.doors.events)(Event::Alive);
            self.doors.clock.wait(LOOK_EVERY);
            self.look_again(&mut daemon, &looks)?;
            looks.add(processes_of(groups, &daemon));
        }
        Ok((daemon, looks))
    }

    /// Another look at those that may be flapping, or at all where those are many: supervisord's answer
    /// costs it as much for each. What else has come or gone meanwhile is for the next status.
    fn look_again(
        &mut self,
        daemon: &mut ActualDaemon,
        looks: &RestartWatch,
    ) -> Result<(), CommandError> {
        let supervisord = &mut self.doors.supervisord;
        let (mut calls, mut all) = (Vec::new(), 0);
        for process in daemon.groups.values().flatten() {
            all += 1;
            if looks.suspect(process) {
                calls.push(Call::GetProcessInfo(process.namespec()));
            }
        }
        if calls.len() * 2 <= all {
            let answers = supervisord.batch(&calls).map_err(daemon::daemon_error)?;
            let processes = answers.into_iter().map(|answer| match answer {
                Ok(Answer::Process(process)) => Some(*process),
                // It is gone.
                _ => None,
            });
            if let Some(processes) = processes.collect::<Option<Vec<ProcessInfo>>>() {
                for process in processes {
                    let group = daemon.groups.get_mut(&process.group).into_iter().flatten();
                    group.filter(|one| one.name == process.name).for_each(|one| {
                        one.clone_from(&process);
                    });
                }
                return Ok(());
            }
        }
        let processes = supervisord.get_all_process_info().map_err(daemon::daemon_error)?;
        daemon.groups = ProcessInfo::by_group(processes.map_err(daemon::fault_error)?);
        Ok(())
    }

    /// How one site is; the groups that are its own are added to `own`.
    pub(super) fn status_of(
        &self,
        wanted: &WantedSite<'_>,
        daemon: &ActualDaemon,
        looks: &RestartWatch,
        own: &mut BTreeSet<String>,
    ) -> Result<SiteStatus, CommandError> {
        let ChosenSite { site, programs } = wanted.chosen;
        // Of some programs, too, it is told what an apply of the whole site would do.
        let whole = &Programs::All;
        let (desired, state) = (&wanted.desired, self.doors.state);
        let actual = observe::site(self.doors.files, state, (site, whole), desired, daemon)?;
        let situation = Situation { site, programs: whole, desired, daemon, actual: &actual };
        let plan = plan_site(&situation, &PlanOptions::default()).plan;
        own.extend(plan.own.iter().cloned());
        Ok(assemble(&Readings {
            programs,
            desired,
            daemon,
            actual: &actual,
            plan: &plan,
            looks,
            former: &former_releases(desired, daemon),
        }))
    }
}

/// The groups of these sites, and those whose names begin as theirs do.
fn groups_of(sites: &[&ChosenSite], daemon: &ActualDaemon) -> BTreeSet<String> {
    let mut groups: BTreeSet<String> =
        sites.iter().flat_map(|chosen| chosen.site.group_names()).collect();
    let looks_own = |group: &&String| {
        let mut domains = sites.iter().map(|chosen| &chosen.site.domain);
        domains.any(|domain| naming::program_by_name(domain, group).is_some())
    };
    groups.extend(daemon.groups.keys().filter(looks_own).cloned());
    groups
}

fn processes_of<'d>(
    groups: &BTreeSet<String>,
    daemon: &'d ActualDaemon,
) -> impl Iterator<Item = &'d ProcessInfo> {
    let own = daemon.groups.iter().filter(|(group, _)| groups.contains(*group));
    own.flat_map(|(_, processes)| processes)
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
