//! `logs`: the ends of the programs' logs, and what comes after.

use std::time::Duration;

use clap::Args;

use super::Context;
use super::fleet::ParallelArguments;
use super::selected::NamedArguments;
use crate::api::LogsRequest;
use crate::error::CommandError;
use crate::report::{LogOutput, Screen};
use crate::system::{Clock, SystemClock, log_time};

/// How many lines of a log are shown where nobody says how many, and where only their time is said.
const LAST_LINES: u32 = 10;
const MOST_LINES: u32 = 10_000;

/// From when on.
#[derive(Debug, Clone, Copy)]
enum Since {
    Ago(Duration),
    At(jiff::Timestamp),
}

impl Since {
    /// How many seconds ago, by our clock: that of a host may be another.
    fn seconds(self, clock: &impl Clock) -> u64 {
        match self {
            Self::Ago(ago) => ago.as_secs(),
            Self::At(at) => {
                let ago = clock.timestamp().as_second().saturating_sub(at.as_second());
                u64::try_from(ago).unwrap_or(0)
            }
        }
    }
}

fn since(text: &str) -> Result<Since, String> {
    match (log_time::ago(text), text.parse()) {
        (Some(ago), _) => Ok(Since::Ago(ago)),
        (None, Ok(at)) => Ok(Since::At(at)),
        (None, Err(_)) => {
            Err("it must be 90s, 10m, 2h or 1d ago, or a time as 2026-11-30T10:00:00Z".to_owned())
        }
    }
}

fn pattern(text: &str) -> Result<String, String> {
    match regex_lite::Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("it is no regular expression: {error}")),
    }
}

#[derive(Debug, Args)]
pub(super) struct LogsArguments {
    #[command(flatten)]
    selection: NamedArguments,
    /// How many of the last lines of each program [default: 10, with --since all, up to 10000]
    #[arg(long, short = 'n', value_name = "N")]
    lines: Option<u32>,
    /// Only what was written since: 90s, 10m, 2h or 1d ago, or a time, as 2026-11-30T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
    /// Only lines in which this regular expression is found; (?i) before it ignores case
    #[arg(long, short = 'g', value_name = "PATTERN", value_parser = pattern)]
    grep: Option<String>,
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
    let follow = arguments.follow;
    let since = arguments.since.map(|since| since.seconds(&SystemClock::start()));
    let lines = arguments.lines.unwrap_or(if since.is_some() { MOST_LINES } else { LAST_LINES });
    let grep = &arguments.grep;
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
            let request = LogsRequest::last(on_host.chosen(), lines, follow);
            host.logs(LogsRequest { since, grep: grep.clone(), ..request }, events)
        },
        &mut |progress| output.add(progress, interrupt),
    );
    Ok(output.end(interrupt))
}
