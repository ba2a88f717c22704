//! `restart`: every selected process once, with the configuration it should have.

use clap::Args;

use super::Context;
use super::apply::{Order, carry_out};
use super::fleet::ParallelArguments;
use super::selected::SelectionArguments;
use crate::apply::ApplyOptions;
use crate::error::{CommandError, ErrorKind};
use crate::host::Goal;
use crate::inventory::ProgramName;
use crate::plan::PlanOptions;
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct RestartArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Only these programs of the selected sites
    #[arg(long = "program", value_name = "NAME", value_delimiter = ',')]
    programs: Vec<String>,
    /// One process at a time, each healthy before the next; stop at the first that is not
    #[arg(long)]
    rolling: bool,
    /// With --rolling: this many processes at a time
    #[arg(long, value_name = "N", default_value_t = 1, requires = "rolling",
          value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Start what somebody had stopped, too
    #[arg(long)]
    start_stopped: bool,
    /// Seconds to wait for another apply on the same host
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_wait: u64,
    #[command(flatten)]
    parallel: ParallelArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &RestartArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected(&arguments.selection, screen)?;
    let parse = |name: &String| {
        let known = work.iter().flat_map(|work| &work.sites).flat_map(|site| &site.programs);
        let mut named = known.filter(|program| program.name.as_str() == name);
        named.next().map(|program| program.name.clone()).ok_or_else(|| {
            CommandError::new(ErrorKind::Usage, format!("no selected site has a program {name:?}"))
                .hint("see them: supervisor-sync plan")
        })
    };
    let programs = arguments.programs.iter().map(parse).collect::<Result<Vec<ProgramName>, _>>()?;
    let order = Order {
        goal: Goal::Inventory,
        options: PlanOptions {
            restart: true,
            only_processes: true,
            start_stopped: arguments.start_stopped,
            rolling: arguments.rolling.then_some(arguments.batch),
            programs,
            ..PlanOptions::default()
        },
        // There is nothing to go back to: the configuration is the one it has.
        apply: ApplyOptions { verify: true, rollback: false, record: false },
        ask: false,
        lock_wait: arguments.lock_wait,
        purpose: "restart".to_owned(),
        rules: arguments.parallel.rules(),
    };
    carry_out(context, &work, &order, screen)
}
