//! `sandbox`: the inventory's programs on this machine, under a supervisord of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::Args;

use super::Context;
use super::fleet::ParallelArguments;
use super::run::MessageArguments;
use super::selected::ProgramArguments;
use crate::api::{Goal, LogsRequest};
use crate::apply::ApplyOptions;
use crate::error::CommandError;
use crate::fleet::{self, HostWork, Order};
use crate::host::LocalHost;
use crate::inventory::HostName;
use crate::plan::{Override, PlanOptions};
use crate::report::{Applying, LogOutput, Screen, show_draining, show_left_out};
use crate::sandbox::Sandbox;

#[derive(Debug, Args)]
pub(super) struct SandboxArguments {
    #[command(flatten)]
    selection: ProgramArguments,
    #[command(flatten)]
    parallel: ParallelArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &SandboxArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected_programs(&arguments.selection, screen)?;
    let inventory = context.inventory.get().map(|inventory| inventory.path.clone());
    let inventory = inventory.unwrap_or_default();
    let inventory = Path::new(&inventory);
    let repository = inventory.parent().unwrap_or(Path::new("/"));
    let sandbox = Sandbox::start(&LocalHost::default_state_base(), inventory)?;
    let here = [on_this_machine(work, &sandbox, repository, screen)?];
    let ended = follow(context, arguments, &here, screen);
    show_draining(screen);
    sandbox.end()?;
    ended
}

/// Starts them, and shows what they log until Ctrl-C.
fn follow(
    context: &Context,
    arguments: &SandboxArguments,
    here: &[HostWork],
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let rules = arguments.parallel.rules();
    let order = Order {
        goal: Goal::Inventory,
        // What is missing on this machine need not keep the rest from running.
        options: PlanOptions { overrides: vec![Override::MissingCode], ..PlanOptions::default() },
        apply: ApplyOptions { verify: true, rollback: false, record: true },
        run: context.begin_run("sandbox", &MessageArguments::default()),
        ask: false,
        plans_first: false,
        reviewed: None,
        lock_wait: 0,
        rules,
    };
    let interrupt = &context.fleet.interrupt;
    let mut applying = Applying::new(here, &order, interrupt, screen).with_plans_summed_up();
    let started = fleet::run(&context.fleet, here, &order, &mut applying)?.exit_status();
    let mut output = LogOutput::new(here, true, screen);
    context.fleet.on_each_with_progress(
        here,
        rules,
        &|on_host, host, events| host.logs(LogsRequest::last(on_host.chosen(), 10, true), events),
        &mut |progress| output.add(progress, interrupt),
    );
    let ended = output.end(interrupt);
    // Ctrl-C is how it ends where nothing is wrong.
    Ok(if interrupt.is_raised() || ended == 0 { started } else { ended })
}

/// The selected sites, each once, as they run here.
fn on_this_machine(
    work: Vec<HostWork>,
    sandbox: &Sandbox,
    repository: &Path,
    screen: &mut Screen,
) -> Result<HostWork, CommandError> {
    let mut seen = BTreeSet::new();
    let mut sites = Vec::new();
    let mut programs = BTreeMap::new();
    for HostWork { sites: of_host, programs: meant, .. } in work {
        for site in of_host.into_iter().filter(|site| seen.insert(site.domain.clone())) {
            show_left_out(&site, screen);
            sites.push(sandbox.site(&site, repository)?);
        }
        programs.extend(meant);
    }
    let name = HostName::try_from("sandbox".to_owned())
        .map_err(|error| CommandError::refused("the sandbox has no name").caused_by(&error))?;
    Ok(HostWork::here(name, sites, programs))
}
