//! `plan`: what an apply would do.

use clap::Args;
use serde::Serialize;

use super::Context;
use super::fleet::{Answers, ParallelArguments, folded, named};
use super::selected::{ProgramArguments, Work, unexpected};
use crate::error::{CommandError, ErrorKind};
use crate::host::{Goal, PlannedSite, Reply, Request, Target};
use crate::plan::{Override, PlanOptions, PlanView};
use crate::report::Screen;

/// The exit status of `--exit-code` when there is something to do.
const CHANGES: u8 = 3;

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    selection: ProgramArguments,
    #[command(flatten)]
    what: WhatArguments,
    /// Exit with status 3 if there is something to do
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    parallel: ParallelArguments,
}

/// What a plan depends on; the same for `plan` and `apply`.
#[derive(Debug, Args)]
pub(super) struct WhatArguments {
    /// Restart every program, each exactly once, also those that do not change
    #[arg(long)]
    restart: bool,
    /// Restart nothing: the next restart takes a change up. What is not wanted any more stops
    #[arg(long, conflicts_with = "restart")]
    no_restart: bool,
    /// Start what somebody had stopped, too, unless it has autostart=false
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
    let work = context.selected_programs(&arguments.selection, screen)?;
    let options = arguments.what.options();
    let plans = context.on_each(&work, arguments.parallel.rules(), &|work, host| {
        ask(host, work, Goal::Inventory, options.clone())
    });
    let mut answers = Answers::default();
    let mut planned = Vec::new();
    for (on_host, plans) in work.iter().zip(plans) {
        let name = on_host.host.name.as_str();
        match plans {
            Ok(sites) => {
                for site in &sites {
                    match &site.plan {
                        Ok(_) => answers.count(),
                        // It is told with the plans.
                        Err(error) => answers.fail(error.kind),
                    }
                }
                planned.push((name, sites));
            }
            Err(error) => answers.tell(name, &error, screen),
        }
    }
    let changes = show(&planned, work.len() > 1, screen);
    let refused = |plan: &PlanView| !plan.refusals.is_empty();
    let refused = planned
        .iter()
        .flat_map(|(_, sites)| sites)
        .any(|site| site.plan.as_ref().is_ok_and(refused));
    let otherwise = match changes && arguments.exit_code {
        _ if refused => ErrorKind::Refused.exit_status(),
        true => CHANGES,
        false => 0,
    };
    Ok(answers.exit_status().unwrap_or(otherwise))
}

/// Asks a host for the plans of its sites.
pub(super) fn ask(
    host: &mut dyn Target,
    work: &Work,
    goal: Goal,
    options: PlanOptions,
) -> Result<Vec<PlannedSite>, CommandError> {
    let options = PlanOptions { programs: work.programs.clone(), ..options };
    let request = Request::Plan { sites: work.sites.clone(), goal, options };
    match host.ask(request, &mut |_| {})? {
        Reply::Plans { sites } => Ok(sites),
        _ => Err(unexpected()),
    }
}

/// Shows the plans of each host, those that are the same once, and says whether there is anything
/// to do.
pub(super) fn show(
    planned: &[(&str, Vec<PlannedSite>)],
    several: bool,
    screen: &mut Screen,
) -> bool {
    let mut texts = Vec::new();
    for (host, sites) in planned {
        screen.document("plan", Some(host), &Sites { sites });
        let plans = sites.iter().filter_map(|site| site.plan.as_ref().ok());
        texts.push((*host, plans.map(|plan| plan.text(screen.colour())).collect::<String>()));
        for error in sites.iter().filter_map(|site| site.plan.as_ref().err()) {
            screen.error(Some(host), error);
        }
    }
    texts.retain(|(_, text)| !text.is_empty());
    for (hosts, text) in folded(texts) {
        if several {
            screen.print(&format!("{}:\n", named(&hosts)));
        }
        screen.print_painted(&text);
    }
    let mut all = planned.iter().flat_map(|(_, sites)| sites);
    all.any(|site| site.plan.as_ref().is_ok_and(|plan| !plan.empty))
}
