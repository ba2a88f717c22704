//! `plan`: what an apply would do.

use clap::Args;
use serde::Serialize;

use super::Context;
use super::selected::{SelectionArguments, Work, unexpected};
use crate::error::CommandError;
use crate::host::{Goal, PlannedSite, Reply, Request, Target};
use crate::plan::{Override, PlanOptions, PlanView};
use crate::report::Screen;

/// The exit status of `--exit-code` when there is something to do.
const CHANGES: u8 = 3;

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    what: WhatArguments,
    /// Exit with status 3 if there is something to do
    #[arg(long)]
    exit_code: bool,
}

/// What a plan depends on; the same for `plan` and `apply`.
#[derive(Debug, Args)]
pub(super) struct WhatArguments {
    /// Restart every program, each exactly once, also those that do not change
    #[arg(long)]
    restart: bool,
    /// Leave what runs as it runs: the next restart takes a change up
    #[arg(long, conflicts_with = "restart")]
    no_restart: bool,
    /// Start what somebody had stopped, too
    #[arg(long)]
    start_stopped: bool,
    /// Go on in spite of this
    #[arg(long = "allow", value_name = "REFUSAL")]
    overrides: Vec<Override>,
}

impl WhatArguments {
    pub(super) fn options(&self) -> PlanOptions {
        PlanOptions {
            restart: self.restart,
            no_restart: self.no_restart,
            start_stopped: self.start_stopped,
            overrides: self.overrides.clone(),
            ..PlanOptions::default()
        }
    }
}

#[derive(Serialize)]
struct Sites<'a> {
    sites: &'a [PlannedSite],
}

pub(super) fn run(
    context: &Context,
    arguments: &PlanArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected(&arguments.selection, screen)?;
    let several = work.len() > 1;
    let mut changes = false;
    let mut failed = None;
    for on_host in &work {
        let name = on_host.host.name.as_str();
        let plans = context.connect(&on_host.host).and_then(|mut host| {
            ask(host.as_mut(), on_host, Goal::Inventory, arguments.what.options())
        });
        match plans {
            Ok(sites) => {
                changes |= show(&sites, name, several, screen);
                let refused = |plan: &PlanView| !plan.refusals.is_empty();
                if sites.iter().any(|site| site.plan.as_ref().map_or(true, refused)) {
                    failed = failed.or(Some(1));
                }
            }
            Err(error) => {
                screen.error(Some(name), &error);
                failed = failed.or(Some(error.kind.exit_status()));
            }
        }
    }
    Ok(failed.unwrap_or(if changes && arguments.exit_code { CHANGES } else { 0 }))
}

/// Asks a host for the plans of its sites.
pub(super) fn ask(
    host: &mut dyn Target,
    work: &Work,
    goal: Goal,
    options: PlanOptions,
) -> Result<Vec<PlannedSite>, CommandError> {
    let request = Request::Plan { sites: work.sites.clone(), goal, options };
    match host.ask(request, &mut |_| {})? {
        Reply::Plans { sites } => Ok(sites),
        _ => Err(unexpected()),
    }
}

/// Shows them and says whether there is anything to do.
pub(super) fn show(sites: &[PlannedSite], host: &str, several: bool, screen: &mut Screen) -> bool {
    screen.document("plan", Some(host), &Sites { sites });
    if several {
        screen.print(&format!("Host {host}\n"));
    }
    for planned in sites {
        match &planned.plan {
            Ok(plan) => {
                let text = plan.text(screen.colour());
                screen.print(&text);
            }
            Err(error) => screen.error(Some(host), error),
        }
    }
    sites.iter().any(|site| site.plan.as_ref().is_ok_and(|plan| !plan.empty))
}
