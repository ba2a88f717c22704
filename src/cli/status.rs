//! `status`: what is wanted beside what runs.

use clap::Args;
use serde::Serialize;

use super::Context;
use super::fleet::{Answers, ParallelArguments};
use super::left::{self, Emptied, Leavers, Prune};
use super::selected::{ProgramArguments, Work, unexpected};
use crate::error::CommandError;
use crate::host::{Left, Reply, Request, SiteStatusReply, Target};
use crate::report::Screen;
use crate::status::Detail;

/// The exit status when something is not as wanted.
const NOT_AS_WANTED: u8 = 3;

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    selection: ProgramArguments,
    /// List every program, also where there are many and all are fine
    #[arg(long)]
    all: bool,
    /// How long to watch a program that has just come up again, for whether it does so once more
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    watch: u32,
    /// Also have supervisord compare all of its files with what it runs, which takes it seconds where
    /// there are many
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    parallel: ParallelArguments,
}

#[derive(Serialize)]
struct Sites<'a> {
    sites: &'a [SiteStatusReply],
    /// Sites that left the inventory, where it was asked about a host as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a Left>,
}

pub(super) fn run(
    context: &Context,
    arguments: &StatusArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected_with_leavers(
        &arguments.selection,
        &Prune::Nothing,
        Emptied::Unseen,
        screen,
    )?;
    let detail = if arguments.all { Detail::All } else { Detail::Summary };
    let statuses = context
        .on_each(&work, arguments.parallel.rules(), &|work, host| ask(host, work, arguments));
    let leavers: Vec<&Leavers> = statuses.iter().flatten().map(|(_, leavers)| leavers).collect();
    left::check_something(&work, &leavers)?;
    let several = work.len() > 1;
    let mut answers = Answers::default();
    let mut not_as_wanted = false;
    for (work, status) in work.iter().zip(statuses) {
        let name = work.host.name.as_str();
        let (sites, leavers) = match status {
            Ok(answer) => answer,
            Err(error) => {
                answers.tell(name, &error, screen);
                continue;
            }
        };
        screen.document(
            "status",
            Some(name),
            &Sites { sites: &sites, left: leavers.left.as_ref() },
        );
        let left = leavers.text();
        if several && !(sites.is_empty() && left.is_empty()) {
            screen.print(&format!("Host {name}\n"));
        }
        for site in &sites {
            match &site.status {
                Ok(status) => {
                    answers.count();
                    not_as_wanted |= !status.is_fine();
                    let text = status.text(detail, screen.colour());
                    screen.print_painted(&text);
                }
                Err(error) => answers.tell(name, error, screen),
            }
        }
        if sites.is_empty() {
            answers.count();
        }
        screen.print(&left);
    }
    let fine = if not_as_wanted { NOT_AS_WANTED } else { 0 };
    Ok(answers.exit_status().unwrap_or(fine))
}

fn ask(
    host: &mut dyn Target,
    work: &Work,
    arguments: &StatusArguments,
) -> Result<(Vec<SiteStatusReply>, Leavers), CommandError> {
    let leavers = left::ask(host, work)?;
    if work.sites.is_empty() {
        return Ok((Vec::new(), leavers));
    }
    let &StatusArguments { watch, deep, .. } = arguments;
    match host.ask(Request::Status { sites: work.chosen(), watch, deep }, &mut |_| {})? {
        Reply::Status { sites } => Ok((sites, leavers)),
        _ => Err(unexpected()),
    }
}
