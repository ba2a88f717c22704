//! An apply, a rollback, a restart, a start or a stop on one host or many: plan them all, ask once, apply in
//! batches, and say how each host ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fleet::{allow_many_files, not_reached};
use super::left::{self, Leavers};
use super::selected::{Work, unexpected};
use super::telling::Telling;
use super::{Context, plan};
use crate::apply::{ApplyError, ApplyOptions, FailedAt, SiteReport};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::fleet::rollout::{NotReached, Rules, Told, Verdict, roll_out};
use crate::host::{
    AppliedSite, ApplyRequest, ChosenSite, Goal, PlannedSite, Reply, Request, Run, Target,
};
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
    let results = roll_out(begun, rules, &stop, &on_one, &mut |told| match told {
        Told::FewThreads(_) => {}
        Told::Begun(host) => telling.begun(names.get(host).unwrap_or(&"")),
        Told::Event(host, event) => telling.event(names.get(host).unwrap_or(&""), &event),
        Told::Ended(host, (applied, stay)) => {
            let name = names.get(host).unwrap_or(&"");
            telling.ended(name, applied);
            telling.stay(name, stay);
        }
    });
    for (name, result) in names.iter().zip(&results) {
        if let Err(why) = result {
            telling.not_reached(name, *why);
        }
    }
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

/// Plans every host, shows the plans and asks once. A host whose plan has nothing to do, is refused
/// or failed is told at once, and not gone to again: nobody has agreed to anything there.
fn plan_and_ask<'w>(
    context: &Context,
    work: &'w [Work],
    order: &Order,
    telling: &mut Telling<'_>,
) -> Result<Vec<Begun<'w>>, CommandError> {
    let kept = AtomicUsize::new(0);
    let on_one = |work: &'w Work, _: &mut dyn FnMut(Event)| {
        let planned = context.connect(&work.host).and_then(|mut target| {
            let plans = plan::ask(target.as_mut(), work, order.goal, order.options.clone())?;
            let to_apply = plans.sites.iter().any(is_to_apply);
            let keep = to_apply && kept.fetch_add(1, Ordering::Relaxed) < CONNECTIONS_KEPT;
            Ok((to_apply, keep.then_some(target), plans))
        });
        let verdict = if planned.is_ok() { Verdict::Done } else { Verdict::Failed };
        (planned, verdict)
    };
    let rules = Rules::all(order.rules.parallel);
    let stop = || context.interrupt.is_raised();
    let planned = roll_out(work.iter().collect(), rules, &stop, &on_one, &mut |_| {});
    let planned: Vec<_> =
        planned.into_iter().map(|it| it.unwrap_or_else(|why| Err(not_reached(why)))).collect();
    let answered = planned.iter().flatten();
    let leavers: Vec<_> = answered.map(|(_, _, plans)| &plans.leavers).collect();
    left::check_named(work, leavers.iter().copied())?;
    left::check_something_to_apply(work, &leavers)?;
    let mut plans = Vec::new();
    let mut begun = Vec::new();
    for (work, planned) in work.iter().zip(planned) {
        let name = work.host.name.as_str();
        match planned {
            Ok((true, target, planned)) => {
                telling.shown(name, &planned.sites, &planned.leavers.pruned);
                let shown = Some(fingerprints(&planned.sites));
                let leavers = planned.leavers.clone();
                begun.push(Begun { work, target, leavers, shown });
                plans.push((name, planned));
            }
            Ok((false, _, planned)) => {
                telling.ended(name, &Ok(not_begun(planned.sites)));
                telling.screen().print(&planned.leavers.text());
            }
            Err(error) => telling.ended(name, &Err(error)),
        }
    }
    if context.interrupt.is_raised() {
        return Err(not_reached(NotReached::Interrupted));
    }
    if !begun.is_empty() {
        plan::show(&plans, work.len() > 1, telling.screen());
        if order.ask {
            agree(&begun, &stop, telling.screen())?;
        }
    }
    Ok(begun)
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
    match host.ask(request, events)? {
        Reply::Applied { sites } => Ok(sites),
        _ => Err(unexpected()),
    }
}

fn request(
    work: &Work,
    pruned: &[Site],
    shown: Option<BTreeMap<Domain, String>>,
    order: &Order,
) -> Request {
    let pruned = pruned.iter().cloned().map(ChosenSite::whole);
    Request::Apply(Box::new(ApplyRequest {
        sites: work.chosen().into_iter().chain(pruned).collect(),
        goal: order.goal,
        plan: order.options.clone(),
        apply: order.apply.clone(),
        shown,
        lock_wait: order.lock_wait,
        run: order.run.clone(),
    }))
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
