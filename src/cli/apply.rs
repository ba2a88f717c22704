//! `apply`: what the command line says.

use std::path::{Path, PathBuf};

use clap::Args;

use super::agree::AgreeArguments;
use super::fleet::RolloutArguments;
use super::run::MessageArguments;
use super::selected::{PruneArguments, WantedArguments};
use super::{Context, by_flag, plan};
use crate::api::{Goal, Run};
use crate::apply::ApplyOptions;
use crate::error::CommandError;
use crate::fleet::{
    Emptied, Order, Prune, Reviewed, SavedPlan, check_not_all, selected_with_leavers,
};
use crate::inventory::{self, no_sites};
use crate::plan::PlanOptions;
use crate::report::Screen;
use crate::system::shell;

#[derive(Debug, Args)]
pub(super) struct ApplyArguments {
    /// A plan that was saved by `plan --out FILE`: what was shown is done, and nothing else. Nothing is
    /// asked; a host where it would be something else by now is left
    #[arg(
        value_name = "FILE",
        conflicts_with_all = [
            "sites", "hosts", "programs", "absent", "restart", "no_restart", "start_stopped", "purge_logs",
            "overrides", "prune",
        ]
    )]
    plan: Option<PathBuf>,
    #[command(flatten)]
    selection: WantedArguments,
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
    pub(super) files: plan::FileArguments,
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
            plans_first: false,
            reviewed: None,
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
    arguments.how.files.show(screen);
    match &arguments.plan {
        Some(path) => apply_saved(context, path, &arguments.how, screen),
        None => apply_selected(context, arguments, screen),
    }
}

/// What a plan in a file says, where it would still be the same.
fn apply_saved(
    context: &Context,
    path: &Path,
    how: &HowArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let file = path.display().to_string();
    let text = inventory::read_text(path).map_err(|error| absent(context, path, error))?;
    let saved = SavedPlan::parse(&file, &text)?;
    let mut flags = saved.flags();
    let SavedPlan { inventory, selector, prune, options, hosts, .. } = saved;
    // The plan may have been made in another checkout of the same repository.
    let made_of = inventory.map(|inventory| PathBuf::from(inventory.path));
    let made_of = made_of.filter(|path| path.exists() && context.shared.inventory.is_none());
    if let Some(path) = made_of.as_deref().filter(|path| !is_found_here(path)) {
        flags.push_str(&format!(" --inventory {}", shell::path(path)));
    }
    let named = context.shared.inventory.as_deref().or(made_of.as_deref());
    let inventory = context.inventory_at(named, screen)?;
    let follows = context.inventory.get();
    let mut work = selected_with_leavers(&inventory, follows, &selector, &prune, Emptied::Goes)?;
    let hint =
        format!("look at what it is now: supervisor-sync plan{flags} --out {}", shell::word(&file));
    let reviewed = Reviewed { place: format!("in {file}"), hint, hosts };
    let others = reviewed.choose(&mut work)?;
    if !others.is_empty() {
        screen.complain(&format!("Left, since they had no plan: {}", others.join(", ")));
    }
    let run = context.begin_run("apply", &how.message);
    let order = how.order(Goal::Inventory, options, run);
    let order = Order { ask: false, reviewed: Some(reviewed), ..order };
    context.carry_out(&work, &order, how.agree, screen)
}

/// Whether this is the inventory of a command that names none.
fn is_found_here(inventory: &Path) -> bool {
    inventory::load(None).is_ok_and(|loaded| loaded.absolute() == inventory)
}

/// Of a file that is not there: other verbs take a name in its place.
fn absent(context: &Context, path: &Path, error: CommandError) -> CommandError {
    let named = path.to_str().filter(|name| !path.exists() && !name.contains('/'));
    let Some(name) = named else { return error };
    let of_name = by_flag::hint(context.shared.inventory.as_deref(), "apply", name);
    error.hint(of_name.unwrap_or_else(|| {
        "FILE is what `plan --out FILE` has saved; --site and --program choose what is applied"
            .to_owned()
    }))
}

fn apply_selected(
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
