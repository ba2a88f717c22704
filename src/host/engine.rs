//! One supervisord of a host with the sites on it: reads, plans and applies them together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::locks::{LockTurn, Locked};
use super::noting::unfinished_runs;
use super::reading::{WantedSite, included, shown};
use crate::actual::{ActualDaemon, basis};
use crate::api::{AppliedSite, ApplyRequest, ChosenSite, Goal, PlannedSite, RunId};
use crate::apply::{self, ApplyError, Doors, FailedAt, SiteReport};
use crate::desired::DaemonFacts;
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::inventory::{Domain, Site};
use crate::plan::{Intent, PlanOptions, PlanView, Planned, Refusal, note_others};
use crate::records::{Lock, Origin};
use crate::supervisord::Environment;
use crate::system::{Entry, process};

/// The doors to one supervisord, and what its configuration says.
pub struct Engine<'a> {
    /// Disk, daemon, clock, state, interruption, listener.
    pub doors: Doors<'a>,
    /// What rendering needs to know of the daemon.
    pub facts: DaemonFacts,
    /// Its main file.
    pub main_file: PathBuf,
    /// The patterns of `[include] files` in the main file, made absolute.
    pub include_patterns: Vec<String>,
    /// The folder of the sites' own files, as the inventory calls it.
    pub conf_dir: PathBuf,
    /// What `%(ENV_X)s` stands for in supervisord's files.
    pub environment: Environment,
    /// The files those patterns match now; asked again for each reading.
    pub included_files: &'a dyn Fn() -> std::io::Result<Vec<PathBuf>>,
    /// Those that were read a moment ago, to find supervisord: the first look need not again.
    pub read: BTreeMap<PathBuf, Entry>,
}

/// How each site ended, or why it did not begin.
type ApplyEnds<'s> = BTreeMap<&'s Domain, Result<SiteReport, ApplyError>>;

impl Engine<'_> {
    /// Plans each site from one reading of the daemon.
    pub fn plan(
        &mut self,
        sites: &[&ChosenSite],
        goal: Goal,
        options: &PlanOptions,
    ) -> Vec<PlannedSite> {
        let daemon = self.observe();
        let mut plans = Vec::new();
        for chosen in sites {
            let plan = daemon.as_ref().map_err(CommandError::clone).and_then(|daemon| {
                let wanted = self.wanted(chosen, goal)?;
                Ok(self.plan_site(&wanted, daemon, options)?.plan)
            });
            plans.push(plan);
        }
        // Once all are planned: what concerns none of them is noted once, with the first.
        if let Ok(daemon) = &daemon {
            self.note_rest(sites, &mut plans, daemon);
        }
        let mut planned = Vec::new();
        for (chosen, plan) in sites.iter().zip(plans) {
            let plan = plan.map(|plan| shown(&plan));
            planned.push(PlannedSite { site: chosen.site.domain.clone(), plan });
        }
        planned
    }

    /// Does what is asked to the sites, together.
    pub fn apply(
        &mut self,
        sites: &[&ChosenSite],
        request: &ApplyRequest,
        origin: &Origin,
    ) -> Vec<AppliedSite> {
        match request.plan.intent {
            Intent::Start | Intent::Stop => self.control(sites, request, origin),
            _ => self.change(sites, request, origin),
        }
    }

    /// Applies the sites together. What has nothing to do is told from a first reading, without a
    /// lock, and nothing is written for it.
    fn change(
        &mut self,
        sites: &[&ChosenSite],
        request: &ApplyRequest,
        origin: &Origin,
    ) -> Vec<AppliedSite> {
        let daemon = match self.observe() {
            Ok(daemon) => daemon,
            Err(error) => {
                let patience = Duration::from_secs(request.lock_wait);
                let error = self.put_back_meanwhile(error, (origin, patience));
                let error = ApplyError::at_reread(error);
                return sites.iter().map(|one| applied(&one.site, Err(error.clone()))).collect();
            }
        };
        // Half-written files are put back first, even if the rest then comes to nothing.
        let recovers = !daemon.put_back_first.is_empty();
        let mut ends = ApplyEnds::new();
        let mut to_do = Vec::new();
        for chosen in sites {
            let site = &chosen.site;
            match self.first_look(chosen, &daemon, request, recovers) {
                Ok(FirstLook::ToDo(wanted)) => to_do.push(wanted),
                Ok(FirstLook::Done(report)) => self.end(&mut ends, &site.domain, Ok(*report)),
                Err(error) => self.end(&mut ends, &site.domain, Err(ApplyError::at_start(error))),
            }
        }
        let patience = Duration::from_secs(request.lock_wait);
        self.with_locks(
            to_do,
            |wanted| wanted.domain().clone(),
            (origin, patience),
            &mut |engine, work| match work {
                LockTurn::Locked(locked) => {
                    ends.extend(engine.apply_locked(locked, &daemon, request, origin));
                }
                LockTurn::NotLocked(wanted, error) => {
                    engine.end(&mut ends, wanted.domain(), Err(ApplyError::at_start(error)));
                }
            },
        );
        for report in ends.values().flatten() {
            self.forget_told(&report.plan, &report.outcome);
        }
        let mut all = Vec::new();
        for ChosenSite { site, .. } in sites {
            let report = ends.remove(&site.domain).unwrap_or_else(|| {
                Err(ApplyError::new(FailedAt::Interrupted, not_begun(&site.domain)))
            });
            all.push(applied(site, report));
        }
        all
    }

    /// Takes how a site ended that came to no transaction, and tells it: others may be at work for long.
    fn end<'s>(
        &mut self,
        ends: &mut ApplyEnds<'s>,
        domain: &'s Domain,
        end: Result<SiteReport, ApplyError>,
    ) {
        let applied = AppliedSite { site: domain.clone(), report: end };
        if let Some(end) = applied.end() {
            (self.doors.events)(Event::SiteEnded(Box::new(end)));
        }
        ends.insert(domain, applied.report);
    }

    /// The plan without the lock: whether there is anything to take the lock for.
    fn first_look<'s>(
        &mut self,
        chosen: &'s ChosenSite,
        daemon: &ActualDaemon,
        request: &ApplyRequest,
        recovers: bool,
    ) -> Result<FirstLook<'s>, CommandError> {
        let wanted = self.wanted(chosen, request.goal)?;
        let mut plan = self.plan_site(&wanted, daemon, &request.plan)?.plan;
        if request.sites.len() == 1 {
            // Of several that have nothing to do a line each is told, and no note.
            note_others([&mut plan], daemon);
        }
        // A file that supervisord refuses may be that of an apply under way, which takes it back: the
        // plan under the lock decides.
        let mut refusals = plan.refusals.iter();
        let may_pass = !daemon.journals.is_empty()
            && refusals.any(|refusal| matches!(refusal, Refusal::BrokenConfig { .. }));
        if recovers || may_pass || plan.refusals.is_empty() && !plan.is_empty() {
            return Ok(FirstLook::ToDo(wanted));
        }
        let view = shown(&plan);
        as_shown(&view, request)?;
        if !plan.unfinished.is_empty() {
            // Nothing to do here is not all that the site needs.
            let site = wanted.domain();
            plan.warnings.retain(|text| !self.is_untold(site, text));
            for text in plan.warnings {
                (self.doors.events)(Event::Warning { site: site.clone(), text });
            }
        }
        Ok(FirstLook::Done(Box::new(SiteReport::not_applied(view))))
    }

    /// Applies sites whose locks are held, in one transaction.
    fn apply_locked<'s>(
        &mut self,
        locked: Vec<Locked<WantedSite<'s>>>,
        first: &ActualDaemon,
        request: &ApplyRequest,
        origin: &Origin,
    ) -> ApplyEnds<'s> {
        let mut ends = ApplyEnds::new();
        let (sites, locks): (Vec<_>, Vec<_>) = locked.into_iter().map(Locked::into_parts).unzip();
        let mut locks: Vec<Option<Lock>> = locks.into_iter().map(Some).collect();
        let patience = Duration::from_secs(request.lock_wait);
        let lock = self.lock_daemon(origin, patience).map_err(ApplyError::at_start);
        let ready = lock.and_then(|lock| {
            let planned =
                self.plan_locked((&sites, &mut locks), first, (request, origin), &mut ends)?;
            Ok((lock, planned))
        });
        // Those of sites that are not to be applied after all.
        drop(locks);
        match ready {
            Ok((daemon_lock, Ready { planned, daemon, unfinished })) => {
                let domains: BTreeMap<Domain, &'s Domain> =
                    sites.iter().map(|w| (w.domain().clone(), w.domain())).collect();
                let names = process_names(&planned);
                // Of a supervisord that cannot be told from another one nothing is noted.
                let is_known = daemon.pid.and_then(process::started).is_some();
                let (conf_dir, included_files) = (&self.conf_dir, self.included_files);
                let (reports, accepted) = apply::apply(
                    &mut self.doors,
                    planned,
                    daemon.reread.clone(),
                    &|| {
                        let included = included(included_files, conf_dir).ok();
                        let (included, _) = included.filter(|_| is_known)?;
                        basis::trail(&self.main_file, &daemon.include_patterns, &included)
                    },
                    (origin, &request.apply),
                    daemon_lock,
                );
                if let Some(accepted) = &accepted {
                    self.note_accepted(&daemon, accepted, &names);
                }
                for report in reports {
                    self.note_end(&report, origin);
                    self.note_finished(&report, &unfinished, origin);
                    if let Some(domain) = domains.get(&report.site) {
                        ends.insert(domain, Ok(report));
                    }
                }
            }
            Err(error) => {
                ends.extend(sites.iter().map(|w| (w.domain(), Err(error.clone()))));
            }
        }
        ends
    }

    /// Recovers, reads and plans under the locks. Sites that are not to be applied after all end here.
    fn plan_locked<'s>(
        &mut self,
        (sites, locks): (&[WantedSite<'s>], &mut [Option<Lock>]),
        first: &ActualDaemon,
        (request, origin): (&ApplyRequest, &Origin),
        ends: &mut ApplyEnds<'s>,
    ) -> Result<Ready, ApplyError> {
        let held: BTreeSet<&Domain> = sites.iter().map(WantedSite::domain).collect();
        let is_held = |domain: &Domain| held.contains(domain);
        let mut daemon = self.read_daemon(Some(first), &is_held).map_err(ApplyError::at_reread)?;
        let mut compared = BTreeMap::new();
        let mut not_recovered = BTreeMap::new();
        if !daemon.journals.is_empty() {
            compared = self.compare_before_recovery(sites, &daemon, request);
            not_recovered = self.recover(origin, &is_held).map_err(ApplyError::at_start)?;
            // With no earlier reading to go by: supervisord has files back that it knew otherwise.
            if !daemon.put_back_first.is_empty() {
                daemon = self.read_daemon(None, &is_held).map_err(ApplyError::at_reread)?;
            }
        }
        let mut planned = Vec::new();
        for (wanted, lock) in sites.iter().zip(locks) {
            let domain = wanted.domain();
            let in_the_way = not_recovered.get(domain).cloned();
            let ready = in_the_way.map_or_else(|| compared.get(domain).cloned().transpose(), Err);
            let site = ready.and_then(|is_compared| {
                self.plan_one(wanted, &daemon, request, is_compared.is_some())
            });
            match site {
                // Its lock goes with it into the transaction, which lets it go when this site has ended;
                // those of the others go before anything is changed.
                Ok(site) if site.plan.refusals.is_empty() => {
                    planned.push(apply::SiteToApply { lock: lock.take(), ..site });
                }
                Ok(site) => self.end(ends, domain, Ok(SiteReport::not_applied(site.view))),
                Err(error) => self.end(ends, domain, Err(ApplyError::at_start(error))),
            }
        }
        // After the comparison, since notes are no part of what was agreed to; then everybody sees what
        // is about to be done.
        note_others(planned.iter_mut().map(|site| &mut site.plan), &daemon);
        for site in &mut planned {
            site.view.notes.clone_from(&site.plan.notes);
            (self.doors.events)(Event::Planned(Box::new(site.view.clone())));
        }
        self.expect_files_of(&daemon, &planned);
        let unfinished = unfinished_runs(&daemon);
        Ok(Ready { planned, daemon, unfinished })
    }

    /// The reread that follows has the new files to read, too.
    fn expect_files_of(&mut self, daemon: &ActualDaemon, planned: &[apply::SiteToApply]) {
        let (mut files, mut sections) = (daemon.contents.len(), daemon.defined.iter().count());
        for apply::SiteToApply { plan, .. } in planned {
            files += plan.files.len();
            sections += plan.groups.len();
        }
        self.doors.supervisord.expect_files(files, sections);
    }

    fn plan_one(
        &self,
        wanted: &WantedSite<'_>,
        daemon: &ActualDaemon,
        request: &ApplyRequest,
        is_compared: bool,
    ) -> Result<apply::SiteToApply, CommandError> {
        // Where a run leads back to depends on the revisions, which were read without the lock.
        let again = match request.goal {
            Goal::Before(_) => Some(self.wanted(wanted.chosen, request.goal)?),
            Goal::Inventory | Goal::Revision(_) => None,
        };
        let wanted = again.as_ref().unwrap_or(wanted);
        let Planned { plan, record } = self.plan_site(wanted, daemon, &request.plan)?;
        let view = shown(&plan);
        if !is_compared {
            as_shown(&view, request)?;
        }
        let record = record.unwrap_or_else(|| wanted.desired.clone());
        Ok(apply::SiteToApply { plan, view, record, lock: None })
    }

    /// A recovery changes the plan of its site. So that plan is compared with the one that was
    /// shown before the recovery, and those of other sites after it.
    fn compare_before_recovery<'s>(
        &self,
        sites: &[WantedSite<'s>],
        daemon: &ActualDaemon,
        request: &ApplyRequest,
    ) -> BTreeMap<&'s Domain, Result<(), CommandError>> {
        let mut compared = BTreeMap::new();
        for wanted in sites {
            let domain = wanted.domain();
            match daemon.interrupted(domain) {
                Ok(interrupted) if interrupted.undone_first.is_none() => {}
                Ok(_) => {
                    let plan = self.plan_site(wanted, daemon, &request.plan);
                    let same = plan.and_then(|planned| as_shown(&shown(&planned.plan), request));
                    compared.insert(domain, same);
                }
                Err(error) => {
                    compared.insert(domain, Err(error));
                }
            }
        }
        compared
    }
}

fn applied(site: &Site, report: Result<SiteReport, ApplyError>) -> AppliedSite {
    AppliedSite { site: site.domain.clone(), report }
}

pub(super) fn not_begun(site: &Domain) -> CommandError {
    let message = format!("site {site}: interrupted before it began");
    CommandError::new(ErrorKind::Interrupted, message)
}

/// The names of the processes of the groups that sites should have.
fn process_names(sites: &[apply::SiteToApply]) -> BTreeMap<String, Vec<String>> {
    let groups = sites.iter().flat_map(|site| &site.record.groups);
    groups.map(|(name, group)| (name.clone(), group.process_names(name))).collect()
}

/// Sites that are to be applied, and what is known of their supervisord.
struct Ready {
    planned: Vec<apply::SiteToApply>,
    /// The reading that the plans were made of.
    daemon: ActualDaemon,
    /// The runs whose interrupted applies are finished, by site.
    unfinished: BTreeMap<Domain, Vec<RunId>>,
}

/// What the first look at a site says.
enum FirstLook<'s> {
    ToDo(WantedSite<'s>),
    Done(Box<SiteReport>),
}

/// The plan that was shown is the plan that is applied.
pub(super) fn as_shown(plan: &PlanView, request: &ApplyRequest) -> Result<(), CommandError> {
    let Some(shown) = &request.shown else { return Ok(()) };
    let reason = match shown.get(&plan.site) {
        Some(shown) if *shown == plan.fingerprint => return Ok(()),
        Some(_) => "the host has changed since its plan was shown",
        None => "its plan could not be shown, so nobody has agreed to it",
    };
    Err(CommandError::refused(format!("site {}: {reason}", plan.site))
        .hint("nothing was changed: look at the new plan and apply again"))
}
