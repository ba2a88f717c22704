//! `plan`: what an apply would do.

use clap::Args;
use serde::Serialize;

use super::Context;
use super::fleet::{Answers, ParallelArguments, folded, named};
use super::left::{self, Emptied, Leavers, PruneArguments};
use super::selected::{ProgramArguments, Work, unexpected};
use crate::error::{CommandError, ErrorKind};
use crate::host::{ChosenSite, Goal, Left, PlannedSite, Reply, Request, Target};
use crate::plan::{Override, PlanOptions, PlanView, Running};
use crate::report::Screen;

/// The exit status of `--exit-code` when there is something to do.
const CHANGES: u8 = 3;

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    selection: ProgramArguments,
    #[command(flatten)]
    what: WhatArguments,
    #[command(flatten)]
    prune: PruneArguments,
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
    /// Remove the logs of programs that are removed, too, with what rotation has made of them; they do
    /// not come back
    #[arg(long)]
    purge_logs: bool,
    /// Go on in spite of this
    #[arg(long = "allow", value_name = "REFUSAL")]
    overrides: Vec<Override>,
}

impl WhatArguments {
    pub(super) fn options(&self) -> PlanOptions {
        let running = match (self.restart, self.no_restart) {
            (true, _) => Running::RestartAll,
            (false, true) => Running::Leave,
            (false, false) => Running::RestartChanged,
        };
        PlanOptions {
            start_stopped: self.start_stopped,
            purge_logs: self.purge_logs,
            overrides: self.overrides.clone(),
            ..PlanOptions::apply(running)
        }
    }
}

#[derive(Serialize)]
struct Sites<'a> {
    sites: &'a [PlannedSite],
    /// Sites that left the inventory, where it was asked about a host as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a Left>,
}

/// What a host answers.
pub(super) struct Planned {
    /// The plans of its selected sites, then those of sites that are to be removed.
    pub(super) sites: Vec<PlannedSite>,
    pub(super) leavers: Leavers,
}

pub(super) fn run(
    context: &Context,
    arguments: &PlanArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let prune = arguments.prune.prune();
    let work =
        context.selected_with_leavers(&arguments.selection, &prune, Emptied::Goes, screen)?;
    let options = arguments.what.options();
    let plans = context.on_each(&work, arguments.parallel.rules(), &|work, host| {
        ask(host, work, Goal::Inventory, options.clone())
    });
    let mut answers = Answers::default();
    let mut planned = Vec::new();
    for (on_host, plans) in work.iter().zip(plans) {
        let name = on_host.host.name.as_str();
        match plans {
            Ok(plans) => {
                for site in &plans.sites {
                    match &site.plan {
                        Ok(_) => answers.count(),
                        // It is told with the plans.
                        Err(error) => answers.fail(error.kind),
                    }
                }
                if plans.sites.is_empty() {
                    answers.count();
                }
                planned.push((name, plans));
            }
            Err(error) => answers.tell(name, &error, screen),
        }
    }
    let leavers: Vec<&Leavers> = planned.iter().map(|(_, plans)| &plans.leavers).collect();
    left::check_something(&work, &leavers)?;
    left::check_named(&work, leavers)?;
    let changes = show(&planned, work.len() > 1, screen);
    let refused = |plan: &PlanView| !plan.refusals.is_empty();
    let refused = planned
        .iter()
        .flat_map(|(_, plans)| &plans.sites)
        .any(|site| site.plan.as_ref().is_ok_and(refused));
    let otherwise = match changes && arguments.exit_code {
        _ if refused => ErrorKind::Refused.exit_status(),
        true => CHANGES,
        false => 0,
    };
    Ok(answers.exit_status().unwrap_or(otherwise))
}

/// Asks a host for the plans of its sites, and of those that are to be removed from it.
pub(super) fn ask(
    host: &mut dyn Target,
    work: &Work,
    goal: Goal,
    options: PlanOptions,
) -> Result<Planned, CommandError> {
    let leavers = left::ask(host, work)?;
    let pruned = leavers.pruned.iter().cloned().map(ChosenSite::whole);
    let sites: Vec<_> = work.chosen().into_iter().chain(pruned).collect();
    if sites.is_empty() {
        return Ok(Planned { sites: Vec::new(), leavers });
    }
    match host.ask(Request::Plan { sites, goal, options }, &mut |_| {})? {
        Reply::Plans { sites } => Ok(Planned { sites, leavers }),
        _ => Err(unexpected()),
    }
}

/// Shows the plans of each host, those that are the same once, and says whether there is anything
/// to do. The removal of a site whose last program went is left to a person, or to `--prune`.
pub(super) fn show(planned: &[(&str, Planned)], several: bool, screen: &mut Screen) -> bool {
    let mut texts = Vec::new();
    for (host, Planned { sites, leavers }) in planned {
        screen.document("plan", Some(host), &Sites { sites, left: leavers.left.as_ref() });
        let plans = sites.iter().filter_map(|site| site.plan.as_ref().ok());
        let plans = plans.map(|plan| plan.text(screen.colour())).collect::<String>();
        texts.push((*host, plans + &leavers.text()));
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
    planned.iter().any(|(_, Planned { sites, leavers })| {
        let is_to_do = |site: &&PlannedSite| leavers.emptied.get(&site.site) != Some(&false);
        let mut to_do = sites.iter().filter(is_to_do);
        to_do.any(|site| site.plan.as_ref().is_ok_and(|plan| !plan.empty))
    })
}
