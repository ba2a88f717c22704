//! `status`: what is wanted beside what runs.

use clap::Args;
use serde::Serialize;

use super::Context;
use super::fleet::{Answers, ParallelArguments};
use super::selected::{ProgramArguments, unexpected};
use crate::error::CommandError;
use crate::host::{Reply, Request, SiteStatusReply};
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
    #[command(flatten)]
    parallel: ParallelArguments,
}

#[derive(Serialize)]
struct Sites<'a> {
    sites: &'a [SiteStatusReply],
}

pub(super) fn run(
    context: &Context,
    arguments: &StatusArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected_programs(&arguments.selection, screen)?;
    let detail = if arguments.all { Detail::All } else { Detail::Summary };
    let watch = arguments.watch;
    let statuses = context.on_each(&work, arguments.parallel.rules(), &|work, host| match host
        .ask(Request::Status { sites: work.chosen(), watch }, &mut |_| {})?
    {
        Reply::Status { sites } => Ok(sites),
        _ => Err(unexpected()),
    });
    let several = work.len() > 1;
    let mut answers = Answers::default();
    let mut not_as_wanted = false;
    for (work, status) in work.iter().zip(statuses) {
        let name = work.host.name.as_str();
        let sites = match status {
            Ok(sites) => sites,
            Err(error) => {
                answers.tell(name, &error, screen);
                continue;
            }
        };
        screen.document("status", Some(name), &Sites { sites: &sites });
        if several {
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
    }
    let fine = if not_as_wanted { NOT_AS_WANTED } else { 0 };
    Ok(answers.exit_status().unwrap_or(fine))
}
