//! `apply`: what the command line says.

use clap::Args;

use super::agree::AgreeArguments;
use super::fleet::RolloutArguments;
use super::run::MessageArguments;
use super::selected::{ProgramArguments, PruneArguments};
use super::{Context, plan};
use crate::api::{Goal, Run};
use crate::apply::ApplyOptions;
use crate::error::CommandError;
use crate::fleet::{Emptied, Order, Prune, check_not_all};
use crate::inventory::no_sites;
use crate::plan::PlanOptions;
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct ApplyArguments {
    #[command(flatten)]
    selection: ProgramArguments,
    #[command(flatten)]
    what: plan::WhatArguments,
    #[command(flatten)]
    prune: PruneArguments,
    #[command(flatten)]
    how: HowArguments,
}

/// How an apply goes about it.
#[derive(Debug, Args)]
pub(super) struct HowArguments {
    #[command(flatten)]
    pub(super) agree: AgreeArguments,
    /// Do not watch what was started
    #[arg(long)]
    no_verify: bool,
    /// Leave a failed apply as it is, for inspection
    #[arg(long)]
    no_rollback: bool,
    /// Seconds to wait for another apply on the same host
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_wait: u64,
    #[command(flatten)]
    pub(super) message: MessageArguments,
    #[command(flatten)]
    pub(super) rollout: RolloutArguments,
}

impl HowArguments {
    pub(super) fn order(&self, goal: Goal, options: PlanOptions, run: Run) -> Order {
        let apply =
            ApplyOptions { verify: !self.no_verify, rollback: !self.no_rollback, record: true };
        Order {
            goal,
            options,
            apply,
            run,
            ask: !self.agree.yes,
            lock_wait: self.lock_wait,
            rules: self.rollout.rules(),
        }
    }
}

pub(super) fn run(
    context: &Context,
    arguments: &ApplyArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let prune = arguments.prune.prune();
    let is_asked = !arguments.how.agree.yes;
    let emptied = if is_asked { Emptied::Goes } else { Emptied::Stays };
    let selector = arguments.selection.selector()?;
    let mut work = context.selected_with_leavers(&selector, &prune, emptied, screen)?;
    if prune == Prune::Nothing {
        work.retain(|work| !work.sites.is_empty() || work.may_be_emptied());
        if work.is_empty() {
            return Err(no_sites());
        }
    }
    check_not_all(&work, is_asked)?;
    let options = arguments.what.options();
    let run = context.begin_run("apply", &arguments.how.message);
    let order = arguments.how.order(Goal::Inventory, options, run);
    context.carry_out(&work, &order, arguments.how.agree, screen)
}
