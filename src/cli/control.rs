//! `start` and `stop`: programs as they are, without an apply.

use clap::Args;

use super::Context;
use super::agree::AgreeArguments;
use super::fleet::RolloutArguments;
use super::selected::NamedArguments;
use crate::api::{Goal, Run};
use crate::apply::ApplyOptions;
use crate::error::CommandError;
use crate::fleet::Order;
use crate::fleet::rollout::Rules;
use crate::plan::{Intent, PlanOptions};
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct StartArguments {
    #[command(flatten)]
    selection: NamedArguments,
    #[command(flatten)]
    agree: AgreeArguments,
    /// Do not watch what was started
    #[arg(long)]
    no_verify: bool,
    /// Seconds to wait for an apply on the same host
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_wait: u64,
    #[command(flatten)]
    rollout: RolloutArguments,
}

#[derive(Debug, Args)]
pub(super) struct StopArguments {
    #[command(flatten)]
    selection: NamedArguments,
    #[command(flatten)]
    agree: AgreeArguments,
    /// Seconds to wait for an apply on the same host
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_wait: u64,
    #[command(flatten)]
    rollout: RolloutArguments,
}

pub(super) fn start(
    context: &Context,
    arguments: &StartArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let StartArguments { selection, agree, no_verify, lock_wait, rollout } = arguments;
    let work = context.named(selection, screen)?;
    let ask = agree.asks(selection, &work);
    let order = Order { ask, ..order(Intent::Start, !no_verify, *lock_wait, rollout.rules()) };
    context.carry_out(&work, &order, *agree, screen)
}

/// Nothing on the disk says that they are stopped: supervisord itself starts them again when it is
/// started, and an apply leaves them as they are.
pub(super) fn stop(
    context: &Context,
    arguments: &StopArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let StopArguments { selection, agree, lock_wait, rollout } = arguments;
    let work = context.named(selection, screen)?;
    let ask = agree.asks(selection, &work);
    let order = Order { ask, ..order(Intent::Stop, false, *lock_wait, rollout.rules()) };
    let status = context.carry_out(&work, &order, *agree, screen)?;
    if status == 0 && !agree.dry_run {
        let again = screen.typed().again_as("stop", "start");
        screen.print_done(&format!(
            "What is stopped counts as stopped by hand: an apply leaves it so. Start it \
             again: {again}\n"
        ));
    }
    Ok(status)
}

fn order(intent: Intent, verify: bool, lock_wait: u64, rules: Rules) -> Order {
    let command = if intent == Intent::Start { "start" } else { "stop" };
    Order {
        goal: Goal::Inventory,
        options: PlanOptions::of(intent),
        apply: ApplyOptions { verify, rollback: false, record: false },
        run: Run::begin(command),
        ask: false,
        plans_first: false,
        reviewed: None,
        lock_wait,
        rules,
    }
}
