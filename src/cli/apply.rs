//! `apply` and `rollback`: plan, ask, apply, and say how it ended.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::selected::{SelectionArguments, Work, unexpected};
use super::{Context, plan};
use crate::apply::{ApplyOptions, Outcome};
use crate::error::{CommandError, ErrorKind};
use crate::host::{AppliedSite, ApplyRequest, Goal, Reply, Request, Target};
use crate::inventory::Domain;
use crate::plan::PlanOptions;
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct ApplyArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    what: plan::WhatArguments,
    #[command(flatten)]
    how: HowArguments,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// The revision to go back to, as `history` numbers them [default: the one before the last]
    #[arg(long, value_name = "REVISION")]
    to: Option<u64>,
    #[command(flatten)]
    how: HowArguments,
}

/// How an apply goes about it.
#[derive(Debug, Args)]
struct HowArguments {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Do not watch what was started
    #[arg(long)]
    no_verify: bool,
    /// Leave a failed apply as it is, for inspection
    #[arg(long)]
    no_rollback: bool,
    /// Seconds to wait for another apply on the same host
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_wait: u64,
}

impl HowArguments {
    fn order(&self, goal: Goal, options: PlanOptions, purpose: String) -> Order {
        Order {
            goal,
            options,
            apply: ApplyOptions {
                verify: !self.no_verify,
                rollback: !self.no_rollback,
                record: true,
            },
            ask: !self.yes,
            lock_wait: self.lock_wait,
            purpose,
        }
    }
}

/// One apply as the command line has it.
pub(super) struct Order {
    pub(super) goal: Goal,
    pub(super) options: PlanOptions,
    pub(super) apply: ApplyOptions,
    /// Whether the plan is shown and asked about first.
    pub(super) ask: bool,
    pub(super) lock_wait: u64,
    pub(super) purpose: String,
}

pub(super) fn run(
    context: &Context,
    arguments: &ApplyArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected(&arguments.selection, screen)?;
    let options = arguments.what.options();
    let order = arguments.how.order(Goal::Inventory, options, "apply".to_owned());
    carry_out(context, &work, &order, screen)
}

pub(super) fn rollback(
    context: &Context,
    arguments: &RollbackArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected(&arguments.selection, screen)?;
    let sites: std::collections::BTreeSet<&Domain> =
        work.iter().flat_map(|work| &work.sites).map(|site| &site.domain).collect();
    if sites.len() > 1 {
        return Err(CommandError::new(ErrorKind::Usage, "a rollback is of one site")
            .hint("name it: supervisor-sync rollback --site DOMAIN"));
    }
    let goal = arguments.to.map_or(Goal::Previous, Goal::Revision);
    let options = PlanOptions { missing_code_is_a_warning: true, ..PlanOptions::default() };
    let purpose = arguments.to.map_or("rollback".to_owned(), |to| format!("rollback to {to}"));
    let order = arguments.how.order(goal, options, purpose);
    carry_out(context, &work, &order, screen)
}

/// Carries it out on each host and tells how each site ended.
pub(super) fn carry_out(
    context: &Context,
    work: &[Work],
    order: &Order,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let mut ends = Ends::default();
    for on_host in work {
        let name = on_host.host.name.as_str();
        let applied = context
            .connect(&on_host.host)
            .and_then(|mut host| apply_on(host.as_mut(), on_host, work.len() > 1, order, screen));
        match applied {
            Ok(Some(sites)) => ends.tell(name, work.len() > 1, &sites, screen),
            Ok(None) => ends.done += 1,
            Err(error) => {
                screen.error(Some(name), &error);
                ends.failed.push(error.kind);
            }
        }
        if context.interrupt.is_raised() {
            return Ok(ErrorKind::Interrupted.exit_status());
        }
    }
    Ok(ends.exit_status(work.len()))
}

/// Applies on one host; `None` when the person said no.
fn apply_on(
    host: &mut dyn Target,
    work: &Work,
    several: bool,
    order: &Order,
    screen: &mut Screen,
) -> Result<Option<Vec<AppliedSite>>, CommandError> {
    let name = work.host.name.as_str();
    let mut shown = BTreeMap::new();
    if order.ask {
        let plans = plan::ask(host, work, order.goal, order.options.clone())?;
        for planned in &plans {
            if let Ok(plan) = &planned.plan {
                shown.insert(planned.site.clone(), plan.fingerprint.clone());
            }
        }
        let to_do = plans.iter().any(|planned| {
            planned.plan.as_ref().is_ok_and(|plan| !plan.empty && plan.refusals.is_empty())
        });
        if to_do {
            plan::show(&plans, name, several, screen);
            match screen.confirm("Apply this?") {
                Some(true) => {}
                Some(false) => return Ok(None),
                None => {
                    return Err(CommandError::new(
                        ErrorKind::Usage,
                        "there is no terminal to ask on",
                    )
                    .hint("look at the plan, then say so: supervisor-sync apply --yes"));
                }
            }
        }
    }
    let request = Request::Apply(Box::new(ApplyRequest {
        sites: work.sites.clone(),
        goal: order.goal,
        plan: order.options.clone(),
        apply: order.apply.clone(),
        shown,
        lock_wait: order.lock_wait,
        purpose: order.purpose.clone(),
    }));
    match host.ask(request, &mut |event| screen.event(name, several, &event))? {
        Reply::Applied { sites } => Ok(Some(sites)),
        _ => Err(unexpected()),
    }
}

/// How the sites ended, for the exit status.
#[derive(Default)]
pub(super) struct Ends {
    done: usize,
    pub(super) failed: Vec<ErrorKind>,
}

#[derive(Serialize)]
struct Sites<'a> {
    sites: &'a [AppliedSite],
}

impl Ends {
    pub(super) fn tell(
        &mut self,
        host: &str,
        several: bool,
        sites: &[AppliedSite],
        screen: &mut Screen,
    ) {
        screen.document("applied", Some(host), &Sites { sites });
        let prefix = if several { format!("{host}: ") } else { String::new() };
        for applied in sites {
            let site = &applied.site;
            let failure = match &applied.report {
                Ok(report) => {
                    let done = match &report.outcome {
                        Outcome::Unchanged => Some(report.plan.summary()),
                        Outcome::Applied { revision: Some(revision) } => {
                            Some(format!("applied as revision {revision}"))
                        }
                        Outcome::Applied { revision: None } => Some("done".to_owned()),
                        _ => None,
                    };
                    if let Some(done) = done {
                        screen.print(&format!("{prefix}Site {site}: {done}\n"));
                    }
                    for trouble in &report.troubles {
                        screen.trouble(trouble);
                    }
                    report.failure()
                }
                Err(error) => Some(error.error.clone()),
            };
            match failure {
                None => self.done += 1,
                Some(error) => {
                    self.failed.push(error.kind);
                    if screen.mode() == crate::report::Mode::Text {
                        screen.error(several.then_some(host), &error);
                        screen.print(&format!("{prefix}Site {site}: {}\n", ended(error.kind)));
                    }
                }
            }
        }
    }

    /// On one host the gravest end; on several, 6 as soon as some are done and some are not.
    pub(super) fn exit_status(&self, hosts: usize) -> u8 {
        let gravest = [
            ErrorKind::Interrupted,
            ErrorKind::Stuck,
            ErrorKind::RolledBack,
            ErrorKind::Refused,
            ErrorKind::Locked,
            ErrorKind::Usage,
        ]
        .into_iter()
        .find(|kind| self.failed.contains(kind));
        match gravest {
            None if self.failed.is_empty() => 0,
            _ if hosts > 1 && self.done > 0 => ErrorKind::Partial.exit_status(),
            gravest => gravest.unwrap_or(ErrorKind::Partial).exit_status(),
        }
    }
}

fn ended(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Refused | ErrorKind::Usage => "not applied, nothing was changed",
        ErrorKind::RolledBack => "rolled back, it is as it was",
        ErrorKind::Stuck => "failed, see above for what is left",
        ErrorKind::Locked => "not applied, another apply is under way",
        ErrorKind::Interrupted => "interrupted",
        ErrorKind::Partial => "partly applied",
    }
}
