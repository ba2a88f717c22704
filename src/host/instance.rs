//! One supervisord of a host with the sites on it: plans them, and applies them one at a time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::narrow::{as_applied, is_of_some, narrowed, to_record};
use super::{AppliedSite, ApplyRequest, Goal, PlannedSite};
use crate::actual::{ActualDaemon, observe};
use crate::apply::{ApplyError, Doors, FailedAt, SiteReport, apply_site, recover};
use crate::desired::{DaemonFacts, DesiredSite, render};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::inventory::{Domain, Site};
use crate::plan::{PlanOptions, PlanView, SitePlan, plan_site};
use crate::state::Origin;
use crate::system::machine;

/// The doors to one supervisord, and what its configuration says.
pub struct Instance<'a> {
    /// Disk, daemon, clock, state, interruption, listener.
    pub doors: Doors<'a>,
    /// What rendering needs to know of the daemon.
    pub facts: DaemonFacts,
    /// Its main file.
    pub main_file: PathBuf,
    /// `[include] files`.
    pub include_patterns: Vec<String>,
    /// The files those patterns match now; asked again for each reading.
    pub included_files: &'a dyn Fn() -> std::io::Result<Vec<PathBuf>>,
}

/// A site with its goal worked out.
pub(super) struct Wanted<'s> {
    pub(super) site: &'s Site,
    pub(super) desired: DesiredSite,
}

impl Instance<'_> {
    /// Plans each site from one reading of the daemon.
    pub fn plan(&mut self, sites: &[&Site], goal: Goal, options: &PlanOptions) -> Vec<PlannedSite> {
        let under_way = self.doors.state.held_by();
        let daemon = self.observe();
        let mut planned = Vec::new();
        for site in sites {
            let plan = match &daemon {
                Ok(daemon) => self
                    .wanted(site, goal)
                    .and_then(|wanted| self.plan_site(&wanted, daemon, options))
                    .map(|(plan, _)| shown(&plan))
                    .map(|view| while_under_way(view, under_way.as_deref())),
                Err(error) => Err(error.clone()),
            };
            planned.push(PlannedSite { site: site.domain.clone(), plan });
        }
        planned
    }

    /// Applies each site. What has nothing to do is told from a first reading, without the lock,
    /// and nothing is written for it.
    pub fn apply(
        &mut self,
        sites: &[&Site],
        request: &ApplyRequest,
        origin: &Origin,
    ) -> Vec<AppliedSite> {
        match self.apply_all(sites, request, origin) {
            Ok(applied) => applied,
            Err(error) => sites
                .iter()
                .map(|site| AppliedSite { site: site.domain.clone(), report: Err(error.clone()) })
                .collect(),
        }
    }

    fn apply_all(
        &mut self,
        sites: &[&Site],
        request: &ApplyRequest,
        origin: &Origin,
    ) -> Result<Vec<AppliedSite>, ApplyError> {
        let daemon = self.observe().map_err(|error| ApplyError::new(FailedAt::Reread, error))?;
        // Half-written files are put back first, even if the rest then comes to nothing.
        let recovers = !daemon.put_back_first.is_empty();
        let mut reports = BTreeMap::new();
        let mut to_do = Vec::new();
        for site in sites {
            match self.first_look(site, &daemon, request, recovers) {
                Ok(Look::ToDo(wanted)) => to_do.push(wanted),
                Ok(Look::Done(report)) => {
                    reports.insert(&site.domain, Ok(*report));
                }
                Err(error) => {
                    reports.insert(&site.domain, Err(ApplyError::new(FailedAt::Start, error)));
                }
            }
        }
        if !to_do.is_empty() {
            self.apply_locked(&to_do, request, origin, &mut reports)?;
        }
        let not_begun = || {
            let error = CommandError::new(ErrorKind::Interrupted, "interrupted before it began");
            Err(ApplyError::new(FailedAt::Interrupted, error))
        };
        let applied = |site: &&Site| AppliedSite {
            site: site.domain.clone(),
            report: reports.remove(&site.domain).unwrap_or_else(not_begun),
        };
        Ok(sites.iter().map(applied).collect())
    }

    /// The plan without the lock: whether there is anything to take the lock for.
    fn first_look<'s>(
        &mut self,
        site: &'s Site,
        daemon: &ActualDaemon,
        request: &ApplyRequest,
        recovers: bool,
    ) -> Result<Look<'s>, CommandError> {
        let wanted = self.wanted(site, request.goal)?;
        let (plan, _) = self.plan_site(&wanted, daemon, &request.plan)?;
        if recovers || plan.refusals.is_empty() && !plan.is_empty() {
            return Ok(Look::ToDo(wanted));
        }
        let view = shown(&plan);
        as_shown(&view, request)?;
        if !plan.unfinished.is_empty() {
            // Nothing to do here is not all that the site needs.
            for text in plan.warnings {
                (self.doors.events)(Event::Warning { site: site.domain.clone(), text });
            }
        }
        Ok(Look::Done(Box::new(SiteReport::not_applied(view))))
    }

    fn apply_locked<'s>(
        &mut self,
        to_do: &[Wanted<'s>],
        request: &ApplyRequest,
        origin: &Origin,
        reports: &mut BTreeMap<&'s Domain, Result<SiteReport, ApplyError>>,
    ) -> Result<(), ApplyError> {
        let patience = Duration::from_secs(request.lock_wait);
        let (state, clock) = (self.doors.state, self.doors.clock);
        let events = &mut *self.doors.events;
        let lock = state.lock(origin, patience, clock, &mut |holder| {
            let holder = holder.map_or("another apply".to_owned(), Origin::to_string);
            events(Event::LockHeld { holder });
        });
        let start = |error| ApplyError::new(FailedAt::Start, error);
        let _lock = lock.map_err(|error| start(error.into()))?;
        let compared = self.compare_before_recovery(to_do, request);
        let not_recovered = recover(&mut self.doors).map_err(start)?;
        for wanted in to_do {
            let domain = &wanted.site.domain;
            let in_the_way = not_recovered.get(domain).cloned();
            let ready = in_the_way.map_or_else(|| compared.get(domain).cloned().transpose(), Err);
            let report = match ready {
                Err(error) => Err(start(error)),
                Ok(compared) => self.apply_one(wanted, request, origin, compared.is_some()),
            };
            reports.insert(domain, report);
            if self.doors.interrupt.is_raised() {
                break;
            }
        }
        Ok(())
    }

    /// A recovery changes the plan of its site. So that plan is compared with the one that was
    /// shown before the recovery, and those of other sites after it.
    fn compare_before_recovery<'s>(
        &mut self,
        to_do: &[Wanted<'s>],
        request: &ApplyRequest,
    ) -> BTreeMap<&'s Domain, Result<(), CommandError>> {
        let mut compared = BTreeMap::new();
        for wanted in to_do {
            let domain = &wanted.site.domain;
            match self.doors.state.interrupted(self.doors.files, domain) {
                Ok(interrupted) if interrupted.undone_first.is_none() => {}
                Ok(_) => {
                    let same = self.observe().and_then(|daemon| {
                        let (plan, _) = self.plan_site(wanted, &daemon, &request.plan)?;
                        as_shown(&shown(&plan), request)
                    });
                    compared.insert(domain, same);
                }
                Err(error) => {
                    compared.insert(domain, Err(error));
                }
            }
        }
        compared
    }

    fn apply_one(
        &mut self,
        wanted: &Wanted<'_>,
        request: &ApplyRequest,
        origin: &Origin,
        is_compared: bool,
    ) -> Result<SiteReport, ApplyError> {
        let start = |error| ApplyError::new(FailedAt::Start, error);
        let daemon = self.observe().map_err(|error| ApplyError::new(FailedAt::Reread, error))?;
        let (plan, desired) = self.plan_site(wanted, &daemon, &request.plan).map_err(start)?;
        let view = shown(&plan);
        if !is_compared {
            as_shown(&view, request).map_err(start)?;
        }
        if !plan.refusals.is_empty() {
            return Ok(SiteReport::not_applied(view));
        }
        (self.doors.events)(Event::Planned(Box::new(view.clone())));
        Ok(apply_site(&mut self.doors, &plan, view, &desired, origin, &request.apply))
    }

    pub(super) fn observe(&mut self) -> Result<ActualDaemon, CommandError> {
        let included = (self.included_files)().map_err(|source| {
            CommandError::refused("cannot list the files supervisord includes").caused_by(&source)
        })?;
        let patterns = self.include_patterns.clone();
        let (files, state) = (self.doors.files, self.doors.state);
        let mut daemon =
            observe::daemon(files, self.doors.supervisord, &self.main_file, included, patterns)?;
        for site in state.sites(files)? {
            // A journal that cannot be read is its own site's trouble, and told there.
            let interrupted = state.interrupted(files, &site).unwrap_or_default();
            if let Some((_, journal)) = interrupted.undone_first {
                daemon.put_back_first.extend(journal.files.into_iter().map(|file| file.path));
            }
        }
        Ok(daemon)
    }

    pub(super) fn wanted<'s>(
        &self,
        site: &'s Site,
        goal: Goal,
    ) -> Result<Wanted<'s>, CommandError> {
        let desired = match goal {
            Goal::Inventory => render(site, &self.facts).map_err(|source| {
                CommandError::refused(format!("cannot render site {}", site.domain))
                    .caused_by(&source)
            })?,
            Goal::Revision(number) => self.revision(site, number)?,
            Goal::Previous => {
                let numbers = self.doors.state.revision_numbers(self.doors.files, &site.domain)?;
                let Some([number, _]) = numbers.last_chunk() else {
                    return Err(CommandError::refused(format!(
                        "site {} has no revision before the last",
                        site.domain
                    ))
                    .hint(format!("see them: supervisor-sync history --site {}", site.domain)));
                };
                self.revision(site, *number)?
            }
        };
        Ok(Wanted { site, desired })
    }

    fn revision(&self, site: &Site, number: u64) -> Result<DesiredSite, CommandError> {
        let revision = self.doors.state.revision(self.doors.files, &site.domain, number)?;
        revision.map(|revision| revision.as_desired()).ok_or_else(|| {
            CommandError::refused(format!("site {} has no revision {number}", site.domain))
                .hint(format!("see them: supervisor-sync history --site {}", site.domain))
        })
    }

    /// The plan, and what a revision of it says.
    pub(super) fn plan_site(
        &self,
        wanted: &Wanted<'_>,
        daemon: &ActualDaemon,
        options: &PlanOptions,
    ) -> Result<(SitePlan, DesiredSite), CommandError> {
        let (files, state) = (self.doors.files, self.doors.state);
        let mut site = wanted.site.clone();
        let mut desired = wanted.desired.clone();
        let some = !options.programs.is_empty() && !options.only_processes;
        if some {
            // What the others need is no concern of theirs.
            site.programs.retain(|program| options.programs.contains(&program.name));
        }
        let actual = observe::site(files, state, &site, &desired)?;
        if some {
            desired = narrowed(&site, &desired, &actual, &options.programs);
        }
        if options.only_processes {
            desired = as_applied(&site, &desired, &actual);
        }
        let mut plan = plan_site(&desired, daemon, &actual, options);
        if some {
            plan.files.retain(|path, change| is_of_some(&site, path, change.kind));
            desired = to_record(&site, desired, &actual);
        }
        for other in state.sites(files)?.into_iter().filter(|other| *other != plan.domain) {
            let interrupted = state.interrupted(files, &other).unwrap_or_default();
            if let Some((_, journal)) = interrupted.undone_first {
                plan.notes.push(format!(
                    "an apply of site {other} that never ended, {}, is undone first",
                    journal.origin
                ));
            }
        }
        Ok((plan, desired))
    }
}

/// A plan as it is shown; nobody elsewhere can guess values from its fingerprint.
pub(super) fn shown(plan: &SitePlan) -> PlanView {
    PlanView::of(plan, machine::key())
}

/// A plan that was made while an apply is at work: what looks interrupted is not, and may change.
fn while_under_way(mut view: PlanView, holder: Option<&str>) -> PlanView {
    if let Some(holder) = holder {
        view.interrupted = None;
        let text = format!("{holder} is under way: what it has not done yet is planned here too");
        view.warnings.insert(0, text);
    }
    view
}

/// What the first look at a site says.
enum Look<'s> {
    ToDo(Wanted<'s>),
    Done(Box<SiteReport>),
}

/// The plan that was shown is the plan that is applied.
fn as_shown(plan: &PlanView, request: &ApplyRequest) -> Result<(), CommandError> {
    let Some(shown) = &request.shown else { return Ok(()) };
    let reason = match shown.get(&plan.site) {
        Some(shown) if *shown == plan.fingerprint => return Ok(()),
        Some(_) => "the host has changed since its plan was shown",
        None => "its plan could not be shown, so nobody has agreed to it",
    };
    Err(CommandError::refused(format!("site {}: {reason}", plan.site))
        .hint("nothing was changed: look at the new plan and apply again"))
}
