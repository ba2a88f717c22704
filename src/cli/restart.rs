//! `restart`: every selected process once, with the configuration it should have.

use clap::Args;

use super::Context;
use super::agree::AgreeArguments;
use super::fleet::RolloutArguments;
use super::run::MessageArguments;
use super::selected::NamedArguments;
use crate::api::Goal;
use crate::apply::ApplyOptions;
use crate::error::CommandError;
use crate::fleet::Order;
use crate::plan::{Intent, PlanOptions};
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct RestartArguments {
    #[command(flatten)]
    selection: NamedArguments,
    #[command(flatten)]
    agree: AgreeArguments,
    /// One process at a time, each healthy before the next; stop at the first that is not
    #[arg(long)]
    rolling: bool,
    /// With --rolling: this many processes at a time
    #[arg(long, value_name = "N", default_value_t = 1, requires = "rolling",
          value_parser = clap::value_parser!(u32).range(1..))]
    at_a_time: u32,
    /// Start what somebody had stopped, too, unless it has autostart=false
    #[arg(long)]
    start_stopped: bool,
    /// Seconds to wait for another apply on the same host
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_wait: u64,
    #[command(flatten)]
    message: MessageArguments,
    #[command(flatten)]
    rollout: RolloutArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &RestartArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.named(&arguments.selection, screen)?;
    let order = Order {
        goal: Goal::Inventory,
        options: PlanOptions {
            start_stopped: arguments.start_stopped,
            rolling: arguments.rolling.then_some(arguments.at_a_time),
            ..PlanOptions::of(Intent::Restart)
        },
        // There is nothing to go back to: the configuration is the one it has.
        apply: ApplyOptions { verify: true, rollback: false, record: false },
        run: context.begin_run("restart", &arguments.message),
        ask: arguments.agree.asks(&arguments.selection, &work),
        plans_first: false,
        reviewed: None,
        lock_wait: arguments.lock_wait,
        rules: arguments.rollout.rules(),
    };
    context.carry_out(&work, &order, arguments.agree, screen)
}
