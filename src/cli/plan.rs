//! `plan`: what an apply would do.

use clap::Args;

use super::Context;
use super::fleet::ParallelArguments;
use super::selected::{ProgramArguments, PruneArguments};
use crate::api::Goal;
use crate::error::CommandError;
use crate::fleet::Emptied;
use crate::plan::{Override, PlanOptions, Running};
use crate::report::Screen;

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

pub(super) fn run(
    context: &Context,
    arguments: &PlanArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let prune = arguments.prune.prune();
    let selector = arguments.selection.selector()?;
    let work = context.selected_with_leavers(&selector, &prune, Emptied::Goes, screen)?;
    let options = arguments.what.options();
    let (what, rules) = ((Goal::Inventory, &options), arguments.parallel.rules());
    context.show_plans(&work, what, rules, arguments.exit_code, screen)
}
