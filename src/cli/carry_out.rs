//! An apply, a rollback, a restart, a start or a stop on one host or many: plan them all, ask once, apply in
//! batches, and say how each host ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fleet::{allow_many_files, not_reached};
use super::left::{self, Leavers};
use super::selected::Work;
use super::telling::Telling;
use super::{Context, plan};
use crate::api::{Applied, AppliedSite, ApplyRequest, ChosenSite, Goal, PlannedSite, Run, Target};
use crate::apply::{ApplyError, ApplyOptions, FailedAt, SiteReport};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::fleet::rollout::{InTurn, NotReached, Rules, Told, Verdict, roll_out};
use crate::inventory::{Domain, Site};
use crate::plan::PlanOptions;
use crate::report::Screen;

/// How many connections are kept open while the person looks at the plans; the hosts beyond are
/// connected to again.
const CONNECTIONS_KEPT: usize = 200;

/// A command that changes hosts, as the command line has it.
pub(super) struct Order {
    /// Where each site is to go.
    pub(super) goal: Goal,
    /// What is asked for.
    pub(super) options: PlanOptions,
    pub(super) apply: ApplyOptions,
    pub(super) run: Run,
    /// Whether the plan is shown and asked about first.
    pub(super) ask: bool,
    pub(super) lock_wait: u64,
    /// How it goes from host to host.
    pub(super) rules: Rules,
}

/// Carries it out on each host and tells how each site ended.
pub(super) fn carry_out(
    context: &Context,
    work: &[Work],
    order: &Order,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    allow_many_files();
    // What is removed is always shown, and nothing else is removed.
    let plans_first = order.ask || work.iter().any(Work::prunes);
    let mut telling = Telling::new(work, plans_first, &order.options.overrides, screen);
    let begun = match plans_first {
        true => plan_and_ask(context, work, order, &mut telling)?,
        false => work.iter().map(Begun::new).collect(),
    };
    let names: Vec<&str> = begun.iter().map(|begun| begun.work.host.name.as_str()).collect();
    let on_one = |begun: Begun<'_>, events: &mut dyn FnMut(Event)| {
        let mut stay = String::new();
        let applied = apply_on(context, begun, order, &mut stay, events);
        let verdict = verdict(&applied);
        ((applied, stay), verdict)
    };
    let rules = Rules { failed: telling.failed(), ..order.rules };
    let stop = || context.interrupt.is_raised();
    let name = |host: usize| names.get(host).copied().unwrap_or_default();
    roll_out(begun, rules, &stop, &on_one, &mut |told| match told {
        Told::FewThreads(_) => {}
        Told::Begun(host) => telling.begun(name(host)),
        Told::Event(host, event) => telling.event(name(host), &event),
        Told::Ended(host, (applied, stay)) => {
            telling.ended(name(host), &applied);
            telling.stay(name(host), &stay);
        }
        Told::NotReached(host, why) => telling.not_reached(name(host), why),
    });
    telling.summarise(work);
    Ok(telling.exit_status(context.interrupt.is_raised()))
}

/// A host that is to be applied to.
struct Begun<'w> {
    work: &'w Work,
    /// The door its plan came through.
    target: Option<Box<dyn Target>>,
    /// What left it, and what of that is removed.
    leavers: Leavers,
    /// The plans that were shown; `None` if the person did not want to be asked.
    shown: Option<BTreeMap<Domain, String>>,
}

impl<'w> Begun<'w> {
    fn new(work: &'w Work) -> Self {
        Self { work, target: None, leavers: Leavers::default(), shown: None }
    }
}

/// A host whose plan was made.
struct Planned {
    leavers: Leavers,
    next: Next,
}

/// What comes of a plan.
enum Next {
    /// It is shown, and applied if that is agreed to.
    Apply {
        /// The door it came through, if it is kept open.
        target: Option<Box<dyn Target>>,
        shown: plan::Shown,
        fingerprints: BTreeMap<Domain, String>,
        /// The plans themselves, of a single host.
        plans: Vec<PlannedSite>,
    },
    /// Nothing: how its sites are.
    Nothing(Vec<AppliedSite>),
}

/// Plans every host, shows the plans and asks once. A host whose plan has nothing to do, is refused
/// or failed is told at once, and not gone to again: nobody has agreed to anything there.
fn plan_and_ask<'w>(
    context: &Context,
    work: &'w [Work],
    order: &Order,
    telling: &mut Telling<'_>,
) -> Result<Vec<Begun<'w>>, CommandError> {
    let (kept, several) = (AtomicUsize::new(0), work.len() > 1);
    let (mode, colour) = (telling.screen().mode(), telling.screen().colour());
    let is_kept = || kept.fetch_add(1, Ordering::Relaxed) < CONNECTIONS_KEPT;
    let on_one = |work: &'w Work, _: &mut dyn FnMut(Event)| {
        let planned = context.connect(&work.host).and_then(|mut target| {
            let plans = plan::ask(target.as_mut(), work, order.goal, order.options.clone())?;
            let (leavers, aside) = (plans.leavers.clone(), Screen::aside(mode, colour));
            let mut next = next(work, plans, aside);
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
    let stop = || context.interrupt.is_raised();
    // Where it may turn out that this is refused as a whole, nothing is told before each has answered.
    let waits = work.iter().all(|work| work.sites.is_empty()) || work.iter().any(Work::prunes);
    let (mut waiting, mut leavers) = (Vec::new(), Vec::with_capacity(work.len()));
    let (mut turns, mut agreed) = (InTurn::default(), ToAgree::default());
    let mut ended = |place, planned: Result<Planned, CommandError>| {
        turns.ended(place, planned, &mut |place: usize, planned| {
            let Some(work) = work.get(place) else { return };
            leavers.extend(planned.as_ref().ok().map(|planned| planned.leavers.clone()));
            match waits {
                true => waiting.push((work, planned)),
                false => agreed.add(work, planned, telling),
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
        agreed.add(work, planned, telling);
    }
    if context.interrupt.is_raised() {
        return Err(not_reached(NotReached::Interrupted));
    }
    let ToAgree { begun, shown } = agreed;
    if !begun.is_empty() {
        plan::show(shown, several, telling.screen());
        if order.ask {
            agree(&begun, &stop, telling.screen())?;
        }
    }
    Ok(begun)
}

/// What comes of the plans of a host. `aside` is what they are shown on.
fn next(work: &Work, plans: plan::Planned, aside: Screen) -> Next {
    if !plans.sites.iter().any(is_to_apply) {
        return Next::Nothing(not_begun(plans.sites));
    }
    Next::Apply {
        target: None,
        shown: plan::Shown::of(work.host.name.as_str(), &plans, aside),
        fingerprints: fingerprints(&plans.sites),
        plans: plans.sites,
    }
}

/// What a person is to agree to.
#[derive(Default)]
struct ToAgree<'w> {
    begun: Vec<Begun<'w>>,
    shown: Vec<(&'w str, plan::Shown)>,
}

impl<'w> ToAgree<'w> {
    /// The plans of the next host. One that nothing is to be done for is told.
    fn add(
        &mut self,
        work: &'w Work,
        planned: Result<Planned, CommandError>,
        telling: &mut Telling<'_>,
    ) {
        let name = work.host.name.as_str();
        let Planned { leavers, next } = match planned {
            Ok(planned) => planned,
            Err(error) => return telling.ended(name, &Err(error)),
        };
        match next {
            Next::Apply { target, shown, fingerprints, plans } => {
                telling.shown(name, plans, &leavers.pruned);
                self.shown.push((name, shown));
                self.begun.push(Begun { work, target, leavers, shown: Some(fingerprints) });
            }
            Next::Nothing(sites) => {
                telling.ended(name, &Ok(sites));
                telling.screen().print(&leavers.text());
            }
        }
    }
}

/// Asks whether what is shown is to be done; an error is anything but a yes.
fn agree(
    begun: &[Begun<'_>],
    stop: &dyn Fn() -> bool,
    screen: &mut Screen,
) -> Result<(), CommandError> {
    let pruned = left::question(begun.iter().map(|begun| &begun.leavers));
    let question = match begun.len() {
        1 => format!("Apply this{pruned}?"),
        hosts => format!("Apply this on {hosts} hosts{pruned}?"),
    };
    let answer = screen.confirm(&question, stop);
    if stop() {
        return Err(CommandError::new(ErrorKind::Interrupted, "not applied: interrupted"));
    }
    match answer {
        Some(true) => Ok(()),
        Some(false) => Err(CommandError::refused("not applied: you said no")),
        None => Err(CommandError::new(ErrorKind::Usage, "there is no terminal to ask on")
            .hint("look at the plan, then say so: the same command with --yes")),
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
    context: &Context,
    begun: Begun<'_>,
    order: &Order,
    stay: &mut String,
    events: &mut dyn FnMut(Event),
) -> Result<Vec<AppliedSite>, CommandError> {
    let mut host = match begun.target {
        Some(host) => host,
        None => context.connect(&begun.work.host)?,
    };
    if begun.shown.is_none() {
        // Nobody has seen it in a plan. If it cannot be told, the apply will say what is wrong there.
        *stay = left::ask(host.as_mut(), begun.work).unwrap_or_default().in_short();
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

fn verdict(applied: &Result<Vec<AppliedSite>, CommandError>) -> Verdict {
    match applied {
        Ok(sites) if sites.iter().all(|site| failure(site).is_none()) => Verdict::Done,
        _ => Verdict::Failed,
    }
}

pub(super) fn failure(applied: &AppliedSite) -> Option<CommandError> {
    match &applied.report {
        Ok(report) => report.failure(),
        Err(error) => Some(error.error.clone()),
    }
}
