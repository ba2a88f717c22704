//! What changes hosts, on one or many: plan them all, have somebody agree, apply in batches, and count
//! how each site ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::agreement::{Agreement, Amount};
use super::asking::{Fleet, allow_many_files, not_reached};
use super::host_work::HostWork;
use super::left::{self, Leavers};
use super::order::Order;
use super::outcome::FleetOutcome;
use super::rollout::{HostOutcome, HostProgress, InTurn, NotReached, Rules, roll_out};
use super::saved::fingerprints;
use crate::api::{Applied, AppliedSite, ApplyRequest, ChosenSite, Goal, PlannedSite, Target};
use crate::apply::{ApplyError, FailedAt, SiteReport};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::inventory::{Domain, Site};
use crate::plan::PlanOptions;

/// How many connections are kept open while somebody looks at the plans; the hosts beyond are connected
/// to again.
const CONNECTIONS_KEPT: usize = 200;

/// What makes pages of plans.
pub(crate) type Pages<P> = Box<dyn Fn(&HostWork, &HostPlans) -> P + Sync>;

/// Who is told what happens, and agrees to plans.
pub(crate) trait Observer {
    /// What is shown of the plans of a host.
    type Page: Send;

    /// How a page is made. It is made where the plans arrive, by one thread or another, and is a fraction
    /// of them.
    fn pages(&self) -> Pages<Self::Page>;

    /// These plans of a host are among those that are agreed to, and these of its sites are removed. Of
    /// several hosts no plan is given: they are not kept.
    fn planned(&mut self, host: &str, plans: Vec<PlannedSite>, removed: &[Site]);

    /// Nothing is to be done on a host, whose sites are so.
    fn nothing_to_do(
        &mut self,
        host: &str,
        sites: &Result<Vec<AppliedSite>, CommandError>,
        leavers: &Leavers,
    );

    /// Shows the plans of all hosts with something to do.
    fn show(&mut self, pages: Vec<(&str, Self::Page)>);

    /// Whether what was shown is to be done: an error is anything but a yes.
    fn agree(&mut self, what: &Agreement<'_>) -> Result<(), CommandError>;

    /// The first host is about to be changed: an error keeps every host as it is.
    fn before_changes(&mut self) -> Result<(), CommandError>;

    /// A host is begun with.
    fn begun(&mut self, host: &str);

    /// Something happened on a host.
    fn event(&mut self, host: &str, event: &Event);

    /// A host has ended.
    fn ended(&mut self, host: &str, applied: &Result<Vec<AppliedSite>, CommandError>);

    /// Sites that have left a host of which no plan was shown, and stay there.
    fn stay(&mut self, host: &str, leavers: &Leavers);

    /// A host was not begun with, and will not be.
    fn not_reached(&mut self, host: &str, why: NotReached);
}

/// The plans of a host.
#[derive(Debug)]
pub(crate) struct HostPlans {
    /// Those of its selected sites, then those of sites that are to be removed.
    pub(crate) sites: Vec<PlannedSite>,
    /// What has left it.
    pub(crate) leavers: Leavers,
}

impl HostPlans {
    /// Whether an apply has anything to do for one of them.
    #[cfg(feature = "web")]
    pub(crate) fn have_something_to_do(&self) -> bool {
        self.sites.iter().any(is_to_apply)
    }
}

/// Does it on each host.
pub(crate) fn run(
    fleet: &Fleet,
    work: &[HostWork],
    order: &Order,
    observer: &mut impl Observer,
) -> Result<FleetOutcome, CommandError> {
    allow_many_files();
    let mut ends = FleetOutcome::of(work.len());
    // What is removed is always shown, and nothing else is removed.
    let hosts = match order.shows_plans() || work.iter().any(HostWork::prunes) {
        true => plan_and_agree(fleet, work, order, &mut ends, observer)?,
        false => work.iter().map(HostToApply::new).collect(),
    };
    if !hosts.is_empty() {
        observer.before_changes()?;
    }
    let names: Vec<&str> = hosts.iter().map(|host| host.work.name()).collect();
    let rules = Rules { failed: ends.failed_hosts(), ..order.rules };
    let apply = |host: HostToApply<'_>, events: &mut dyn FnMut(Event)| {
        let mut stay = None;
        let applied = apply_on(fleet, host, order, &mut stay, events);
        let outcome = outcome_of(&applied);
        ((applied, stay), outcome)
    };
    roll_out(hosts, rules, &fleet.interrupt, &apply, &mut |progress| match progress {
        HostProgress::FewThreads(_) => {}
        HostProgress::Started(host) => observer.begun(name_of(host, &names)),
        HostProgress::Event(host, event) => observer.event(name_of(host, &names), &event),
        HostProgress::Ended(host, (applied, stay)) => {
            ends.add(name_of(host, &names), &applied);
            observer.ended(name_of(host, &names), &applied);
            if let Some(leavers) = stay {
                observer.stay(name_of(host, &names), &leavers);
            }
        }
        HostProgress::NotReached(host, why) => observer.not_reached(name_of(host, &names), why),
    });
    ends.is_interrupted = fleet.interrupt.is_raised();
    Ok(ends)
}

fn name_of<'w>(host: usize, names: &[&'w str]) -> &'w str {
    names.get(host).copied().unwrap_or_default()
}

/// Asks a host for the plans of its sites, and of those that are to be removed from it.
pub(crate) fn plans_of(
    host: &mut dyn Target,
    work: &HostWork,
    goal: Goal,
    options: PlanOptions,
) -> Result<HostPlans, CommandError> {
    let leavers = left::ask(host, work)?;
    let pruned = leavers.pruned.iter().cloned().map(ChosenSite::whole);
    let sites: Vec<_> = work.chosen().into_iter().chain(pruned).collect();
    if sites.is_empty() {
        return Ok(HostPlans { sites: Vec::new(), leavers });
    }
    Ok(HostPlans { sites: host.plan(sites, goal, options)?, leavers })
}

/// A host that is to be applied to.
struct HostToApply<'w> {
    work: &'w HostWork,
    /// The door its plan came through.
    target: Option<Box<dyn Target>>,
    /// What left it, and what of that is removed.
    leavers: Leavers,
    /// The plans that were shown; `None` if nobody wanted to be asked.
    shown: Option<BTreeMap<Domain, String>>,
}

impl<'w> HostToApply<'w> {
    fn new(work: &'w HostWork) -> Self {
        Self { work, target: None, leavers: Leavers::default(), shown: None }
    }
}

/// A host whose plan was made.
struct PlannedHost<P> {
    leavers: Leavers,
    next: Next<P>,
}

/// What comes of a plan.
enum Next<P> {
    /// It is shown, and applied if that is agreed to.
    Apply {
        /// The door it came through, if it is kept open.
        target: Option<Box<dyn Target>>,
        page: P,
        fingerprints: BTreeMap<Domain, String>,
        amount: Amount,
        /// The plans themselves, of a single host.
        plans: Vec<PlannedSite>,
    },
    /// Nothing: how its sites are.
    Nothing(Vec<AppliedSite>),
}

/// Plans every host, shows the plans and has somebody agree once. A host whose plan has nothing to do, is
/// refused or failed is told at once, and not gone to again: nobody has agreed to anything there.
fn plan_and_agree<'w, O: Observer>(
    fleet: &Fleet,
    work: &'w [HostWork],
    order: &Order,
    ends: &mut FleetOutcome,
    observer: &mut O,
) -> Result<Vec<HostToApply<'w>>, CommandError> {
    let (kept, several, page) = (AtomicUsize::new(0), work.len() > 1, observer.pages());
    let plan = |work: &'w HostWork, _: &mut dyn FnMut(Event)| {
        let mut planned = plan_host(fleet, work, order, &page);
        if let Ok(PlannedHost { next: Next::Apply { target, plans, .. }, .. }) = &mut planned {
            if kept.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_KEPT {
                *target = None;
            }
            if several {
                plans.clear();
            }
        }
        let outcome = HostOutcome::of(&planned);
        (planned, outcome)
    };
    let rules = Rules::all(order.rules.parallel);
    // Where it may turn out that this is refused as a whole, nothing is told before each has answered.
    let waits = work.iter().all(|work| work.sites.is_empty()) || work.iter().any(HostWork::prunes);
    let (mut waiting, mut leavers) = (Vec::new(), Vec::with_capacity(work.len()));
    let (mut turns, mut proposal) = (InTurn::default(), Proposal::default());
    roll_out(work.iter().collect(), rules, &fleet.interrupt, &plan, &mut |progress| {
        fleet.watch(work, &progress);
        let Some((place, planned)) = progress.result() else { return };
        turns.ended(place, planned, &mut |place: usize, planned| {
            let Some(work) = work.get(place) else { return };
            leavers.extend(planned.as_ref().ok().map(|planned| planned.leavers.clone()));
            match waits {
                true => waiting.push((work, planned)),
                false => proposal.add(work, planned, ends, observer),
            }
        });
    });
    left::check_named(work, &leavers)?;
    left::check_something_to_apply(work, &leavers.iter().collect::<Vec<_>>())?;
    for (work, planned) in waiting {
        proposal.add(work, planned, ends, observer);
    }
    if fleet.interrupt.is_raised() {
        return Err(not_reached(NotReached::Interrupted));
    }
    let Proposal { hosts, pages, amount } = proposal;
    if !hosts.is_empty() {
        observer.show(pages);
        if order.ask {
            let leavers = hosts.iter().map(|host| &host.leavers).collect();
            observer.agree(&Agreement { amount, leavers })?;
        }
    }
    Ok(hosts)
}

fn plan_host<P>(
    fleet: &Fleet,
    work: &HostWork,
    order: &Order,
    page: &Pages<P>,
) -> Result<PlannedHost<P>, CommandError> {
    let mut target = fleet.connect(&work.host)?;
    let plans = plans_of(target.as_mut(), work, order.goal, order.options.clone())?;
    if let Some(reviewed) = &order.reviewed {
        reviewed.check(work.name(), &plans.sites)?;
    }
    if !plans.sites.iter().any(is_to_apply) {
        let next = Next::Nothing(not_begun(plans.sites));
        return Ok(PlannedHost { leavers: plans.leavers, next });
    }
    let (target, page) = (Some(target), page(work, &plans));
    let HostPlans { sites: plans, leavers } = plans;
    let (fingerprints, amount) = (fingerprints(&plans), Amount::of(work, &plans));
    let next = Next::Apply { target, page, fingerprints, amount, plans };
    Ok(PlannedHost { leavers, next })
}

/// What somebody is to agree to.
struct Proposal<'w, P> {
    hosts: Vec<HostToApply<'w>>,
    pages: Vec<(&'w str, P)>,
    amount: Amount,
}

impl<P> Default for Proposal<'_, P> {
    fn default() -> Self {
        Self { hosts: Vec::new(), pages: Vec::new(), amount: Amount::default() }
    }
}

impl<'w, P: Send> Proposal<'w, P> {
    /// The plans of the next host. One that nothing is to be done for is told.
    fn add(
        &mut self,
        work: &'w HostWork,
        planned: Result<PlannedHost<P>, CommandError>,
        ends: &mut FleetOutcome,
        observer: &mut impl Observer<Page = P>,
    ) {
        let name = work.name();
        let PlannedHost { leavers, next } = match planned {
            Ok(planned) => planned,
            Err(error) => {
                let failed = Err(error);
                ends.add(name, &failed);
                return observer.ended(name, &failed);
            }
        };
        match next {
            Next::Apply { target, page, fingerprints, amount, plans } => {
                observer.planned(name, plans, &leavers.pruned);
                self.amount.add(amount);
                self.pages.push((name, page));
                self.hosts.push(HostToApply { work, target, leavers, shown: Some(fingerprints) });
            }
            Next::Nothing(sites) => {
                let sites = Ok(sites);
                ends.add(name, &sites);
                observer.nothing_to_do(name, &sites, &leavers);
            }
        }
    }
}

/// Whether an apply has anything to do for it.
fn is_to_apply(planned: &PlannedSite) -> bool {
    planned.plan.as_ref().is_ok_and(|plan| !plan.empty && plan.refusals.is_empty())
}

/// The reports of sites that nothing is to be done for: as they should be, refused, or without a
/// plan.
fn not_begun(sites: Vec<PlannedSite>) -> Vec<AppliedSite> {
    sites
        .into_iter()
        .map(|PlannedSite { site, plan }| AppliedSite {
            site,
            report: plan
                .map(SiteReport::not_applied)
                .map_err(|error| ApplyError::new(FailedAt::Start, error)),
        })
        .collect()
}

fn apply_on(
    fleet: &Fleet,
    begun: HostToApply<'_>,
    order: &Order,
    stay: &mut Option<Leavers>,
    events: &mut dyn FnMut(Event),
) -> Result<Vec<AppliedSite>, CommandError> {
    let mut host = match begun.target {
        Some(host) => host,
        None => fleet.connect(&begun.work.host)?,
    };
    if begun.shown.is_none() {
        // Nobody has seen it in a plan. If it cannot be told, the apply will say what is wrong there.
        *stay = left::ask(host.as_mut(), begun.work).ok();
    }
    let request = request(begun.work, &begun.leavers.pruned, begun.shown, order);
    match host.apply(request, events)? {
        Applied::Ended(sites) => Ok(sites),
        Applied::GoesOn => Err(CommandError::new(ErrorKind::Stuck, "it was not waited for")),
    }
}

fn request(
    work: &HostWork,
    pruned: &[Site],
    shown: Option<BTreeMap<Domain, String>>,
    order: &Order,
) -> ApplyRequest {
    let pruned = pruned.iter().cloned().map(ChosenSite::whole);
    ApplyRequest {
        sites: work.chosen().into_iter().chain(pruned).collect(),
        goal: order.goal,
        plan: order.options.clone(),
        apply: order.apply.clone(),
        shown,
        lock_wait: order.lock_wait,
        run: order.run.clone(),
    }
}

fn outcome_of(applied: &Result<Vec<AppliedSite>, CommandError>) -> HostOutcome {
    match applied {
        Ok(sites) if sites.iter().all(|site| site.failure().is_none()) => HostOutcome::Done,
        _ => HostOutcome::Failed,
    }
}
