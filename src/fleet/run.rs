//! What changes hosts, on one or many: plan them all, have somebody agree, apply in batches, and count
//! how each site ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::asking::{Answer, Fleet, allow_many_files, not_reached};
use super::left::{self, Leavers};
use super::outcome::Ends;
use super::rollout::{InTurn, NotReached, Rules, Told, Verdict, roll_out};
use super::work::Work;
use crate::api::{Applied, AppliedSite, ApplyRequest, ChosenSite, Goal, PlannedSite, Run, Target};
use crate::apply::{ApplyError, ApplyOptions, FailedAt, SiteReport};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::inventory::{Domain, Site};
use crate::plan::PlanOptions;

/// How many connections are kept open while somebody looks at the plans; the hosts beyond are connected
/// to again.
const CONNECTIONS_KEPT: usize = 200;

/// What is to be done.
#[derive(Debug)]
pub struct Order {
    /// Where each site is to go.
    pub goal: Goal,
    /// What is asked for.
    pub options: PlanOptions,
    /// How an apply goes about it.
    pub apply: ApplyOptions,
    /// The run it is.
    pub run: Run,
    /// Whether the plan is shown and agreed to first.
    pub ask: bool,
    /// Seconds to wait for another apply on a host.
    pub lock_wait: u64,
    /// How it goes from host to host.
    pub rules: Rules,
}

/// What makes pages of plans.
pub type Pages<P> = Box<dyn Fn(&Work, &HostPlans) -> P + Sync>;

/// Who is told what happens, and agrees to plans.
pub trait Observer {
    /// What is shown of the plans of a host.
    type Page: Send;

    /// How a page is made. It is made where the plans arrive, by one thread or another, and is a fraction
    /// of them.
    fn pages(&self) -> Pages<Self::Page>;

    /// These plans of a host are among those that are agreed to, and these of its sites are removed. Of
    /// several hosts no plan is given: they are not kept.
    fn planned(&mut self, host: &str, plans: Vec<PlannedSite>, removed: &[Site]);

    /// Nothing is to be done on a host, whose sites are so.
    fn nothing_to_do(&mut self, host: &str, sites: &Answer<Vec<AppliedSite>>, leavers: &Leavers);

    /// Shows the plans of all hosts with something to do.
    fn show(&mut self, pages: Vec<(&str, Self::Page)>);

    /// Whether what was shown is to be done: an error is anything but a yes.
    fn agree(&mut self, what: &Agreement<'_>) -> Result<(), CommandError>;

    /// A host is begun with.
    fn begun(&mut self, host: &str);

    /// Something happened on a host.
    fn event(&mut self, host: &str, event: &Event);

    /// A host has ended.
    fn ended(&mut self, host: &str, applied: &Answer<Vec<AppliedSite>>);

    /// Sites that have left a host of which no plan was shown, and stay there.
    fn stay(&mut self, host: &str, leavers: &Leavers);

    /// A host was not begun with, and will not be.
    fn not_reached(&mut self, host: &str, why: NotReached);
}

/// What somebody is asked to agree to.
#[derive(Debug)]
pub struct Agreement<'a> {
    /// On how many hosts.
    pub hosts: usize,
    /// What leaves them.
    pub leavers: Vec<&'a Leavers>,
}

/// The plans of a host.
#[derive(Debug)]
pub struct HostPlans {
    /// Those of its selected sites, then those of sites that are to be removed.
    pub sites: Vec<PlannedSite>,
    /// What has left it.
    pub leavers: Leavers,
}

/// Does it on each host.
pub fn run(
    fleet: &Fleet,
    work: &[Work],
    order: &Order,
    observer: &mut impl Observer,
) -> Result<Ends, CommandError> {
    allow_many_files();
    let mut ends = Ends::of(work.len());
    // What is removed is always shown, and nothing else is removed.
    let begun = match order.ask || work.iter().any(Work::prunes) {
        true => plan_and_agree(fleet, work, order, &mut ends, observer)?,
        false => work.iter().map(Begun::new).collect(),
    };
    let names: Vec<&str> = begun.iter().map(|begun| begun.work.name()).collect();
    let on_one = |begun: Begun<'_>, events: &mut dyn FnMut(Event)| {
        let mut stay = None;
        let applied = apply_on(fleet, begun, order, &mut stay, events);
        let verdict = verdict(&applied);
        ((applied, stay), verdict)
    };
    let rules = Rules { failed: ends.failed_hosts(), ..order.rules };
    let stop = || fleet.interrupt.is_raised();
    let name = |host: usize| names.get(host).copied().unwrap_or_default();
    roll_out(begun, rules, &stop, &on_one, &mut |told| match told {
        Told::FewThreads(_) => {}
        Told::Begun(host) => observer.begun(name(host)),
        Told::Event(host, event) => observer.event(name(host), &event),
        Told::Ended(host, (applied, stay)) => {
            ends.add(&applied);
            observer.ended(name(host), &applied);
            if let Some(leavers) = stay {
                observer.stay(name(host), &leavers);
            }
        }
        Told::NotReached(host, why) => observer.not_reached(name(host), why),
    });
    ends.is_interrupted = fleet.interrupt.is_raised();
    Ok(ends)
}

/// Asks a host for the plans of its sites, and of those that are to be removed from it.
pub fn plans_of(
    host: &mut dyn Target,
    work: &Work,
    goal: Goal,
    options: PlanOptions,
) -> Answer<HostPlans> {
    let leavers = left::ask(host, work)?;
    let pruned = leavers.pruned.iter().cloned().map(ChosenSite::whole);
    let sites: Vec<_> = work.chosen().into_iter().chain(pruned).collect();
    if sites.is_empty() {
        return Ok(HostPlans { sites: Vec::new(), leavers });
    }
    Ok(HostPlans { sites: host.plan(sites, goal, options)?, leavers })
}

/// A host that is to be applied to.
struct Begun<'w> {
    work: &'w Work,
    /// The door its plan came through.
    target: Option<Box<dyn Target>>,
    /// What left it, and what of that is removed.
    leavers: Leavers,
    /// The plans that were shown; `None` if nobody wanted to be asked.
    shown: Option<BTreeMap<Domain, String>>,
}

impl<'w> Begun<'w> {
    fn new(work: &'w Work) -> Self {
        Self { work, target: None, leavers: Leavers::default(), shown: None }
    }
}

/// A host whose plan was made.
struct Planned<P> {
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
    work: &'w [Work],
    order: &Order,
    ends: &mut Ends,
    observer: &mut O,
) -> Result<Vec<Begun<'w>>, CommandError> {
    let (kept, several, page) = (AtomicUsize::new(0), work.len() > 1, observer.pages());
    let is_kept = || kept.fetch_add(1, Ordering::Relaxed) < CONNECTIONS_KEPT;
    let on_one = |work: &'w Work, _: &mut dyn FnMut(Event)| {
        let planned = fleet.connect(&work.host).and_then(|mut target| {
            let plans = plans_of(target.as_mut(), work, order.goal, order.options.clone())?;
            let leavers = plans.leavers.clone();
            let mut next = next(work, plans, &page);
            if let Next::Apply { target: door, plans, .. } = &mut next {
                *door = is_kept().then_some(target);
                if several {
                    plans.clear();
                }
            }
            Ok(Planned { leavers, next })
        });
        let verdict = if planned.is_ok() { Verdict::Done } else { Verdict::Failed };
        (planned, verdict)
    };
    let rules = Rules::all(order.rules.parallel);
    let stop = || fleet.interrupt.is_raised();
    // Where it may turn out that this is refused as a whole, nothing is told before each has answered.
    let waits = work.iter().all(|work| work.sites.is_empty()) || work.iter().any(Work::prunes);
    let (mut waiting, mut leavers) = (Vec::new(), Vec::with_capacity(work.len()));
    let (mut turns, mut agreed) = (InTurn::default(), ToAgree::default());
    let mut ended = |place, planned: Answer<Planned<O::Page>>| {
        turns.ended(place, planned, &mut |place: usize, planned| {
            let Some(work) = work.get(place) else { return };
            leavers.extend(planned.as_ref().ok().map(|planned| planned.leavers.clone()));
            match waits {
                true => waiting.push((work, planned)),
                false => agreed.add(work, planned, ends, observer),
            }
        });
    };
    roll_out(work.iter().collect(), rules, &stop, &on_one, &mut |told| match told {
        Told::Ended(place, planned) => ended(place, planned),
        Told::NotReached(place, why) => ended(place, Err(not_reached(why))),
        Told::FewThreads(_) | Told::Begun(_) | Told::Event(..) => {}
    });
    left::check_named(work, &leavers)?;
    left::check_something_to_apply(work, &leavers.iter().collect::<Vec<_>>())?;
    for (work, planned) in waiting {
        agreed.add(work, planned, ends, observer);
    }
    if fleet.interrupt.is_raised() {
        return Err(not_reached(NotReached::Interrupted));
    }
    let ToAgree { begun, pages } = agreed;
    if !begun.is_empty() {
        observer.show(pages);
        if order.ask {
            let leavers = begun.iter().map(|begun| &begun.leavers).collect();
            observer.agree(&Agreement { hosts: begun.len(), leavers })?;
        }
    }
    Ok(begun)
}

/// What comes of the plans of a host.
fn next<P>(work: &Work, plans: HostPlans, page: &dyn Fn(&Work, &HostPlans) -> P) -> Next<P> {
    if !plans.sites.iter().any(is_to_apply) {
        return Next::Nothing(not_begun(plans.sites));
    }
    Next::Apply {
        target: None,
        page: page(work, &plans),
        fingerprints: fingerprints(&plans.sites),
        plans: plans.sites,
    }
}

/// What somebody is to agree to.
struct ToAgree<'w, P> {
    begun: Vec<Begun<'w>>,
    pages: Vec<(&'w str, P)>,
}

impl<P> Default for ToAgree<'_, P> {
    fn default() -> Self {
        Self { begun: Vec::new(), pages: Vec::new() }
    }
}

impl<'w, P: Send> ToAgree<'w, P> {
    /// The plans of the next host. One that nothing is to be done for is told.
    fn add(
        &mut self,
        work: &'w Work,
        planned: Answer<Planned<P>>,
        ends: &mut Ends,
        observer: &mut impl Observer<Page = P>,
    ) {
        let name = work.name();
        let Planned { leavers, next } = match planned {
            Ok(planned) => planned,
            Err(error) => {
                let failed = Err(error);
                ends.add(&failed);
                return observer.ended(name, &failed);
            }
        };
        match next {
            Next::Apply { target, page, fingerprints, plans } => {
                observer.planned(name, plans, &leavers.pruned);
                self.pages.push((name, page));
                self.begun.push(Begun { work, target, leavers, shown: Some(fingerprints) });
            }
            Next::Nothing(sites) => {
                let sites = Ok(sites);
                ends.add(&sites);
                observer.nothing_to_do(name, &sites, &leavers);
            }
        }
    }
}

/// Whether an apply has anything to do for it.
fn is_to_apply(planned: &PlannedSite) -> bool {
    planned.plan.as_ref().is_ok_and(|plan| !plan.empty && plan.refusals.is_empty())
}

fn fingerprints(sites: &[PlannedSite]) -> BTreeMap<Domain, String> {
    let plans = sites.iter().filter_map(|site| site.plan.as_ref().ok());
    plans.map(|plan| (plan.site.clone(), plan.fingerprint.clone())).collect()
}

/// The reports of sites that nothing is to be done for: as they should be, refused, or without a
/// plan.
fn not_begun(sites: Vec<PlannedSite>) -> Vec<AppliedSite> {
    let report = |PlannedSite { site, plan }| AppliedSite {
        site,
        report: plan
            .map(SiteReport::not_applied)
            .map_err(|error| ApplyError::new(FailedAt::Start, error)),
    };
    sites.into_iter().map(report).collect()
}

fn apply_on(
    fleet: &Fleet,
    begun: Begun<'_>,
    order: &Order,
    stay: &mut Option<Leavers>,
    events: &mut dyn FnMut(Event),
) -> Answer<Vec<AppliedSite>> {
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
    work: &Work,
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

fn verdict(applied: &Answer<Vec<AppliedSite>>) -> Verdict {
    match applied {
        Ok(sites) if sites.iter().all(|site| site.failure().is_none()) => Verdict::Done,
        _ => Verdict::Failed,
    }
}
