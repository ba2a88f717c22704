//! `logs`: the ends of the programs' logs, and what comes after.

use clap::Args;

use super::Context;
use super::fleet::ParallelArguments;
use super::selected::NamedArguments;
use crate::api::LogsRequest;
use crate::error::CommandError;
use crate::report::{LogOutput, Screen};

#[derive(Debug, Args)]
pub(super) struct LogsArguments {
    #[command(flatten)]
    selection: NamedArguments,
    /// How many of the last lines of each program
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    lines: u32,
    /// Go on with what is logged from now on, on all hosts at once, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    parallel: ParallelArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &LogsArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let hosts = context.named(&arguments.selection, screen)?;
    let LogsArguments { lines, follow, .. } = *arguments;
    let rules = match follow {
        true => ParallelArguments::all_at_once(hosts.len()),
        false => arguments.parallel.rules(),
    };
    let interrupt = &context.fleet.interrupt;
    let mut output = LogOutput::new(&hosts, follow, screen);
    context.fleet.on_each_with_progress(
        &hosts,
        rules,
        &|on_host, host, events| {
            host.logs(LogsRequest { sites: on_host.chosen(), lines, follow }, events)
        },
        &mut |progress| output.add(progress, interrupt),
    );
    Ok(output.end(interrupt))
}
