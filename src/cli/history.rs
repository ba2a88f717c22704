//! `history`: the revisions applied to each site.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::Context;
use super::fleet::{Answers, ParallelArguments};
use super::selected::{SelectionArguments, unexpected};
use crate::error::{CommandError, cut};
use crate::host::{Reply, Request, SiteHistory};
use crate::report::{Screen, harmless};

#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    parallel: ParallelArguments,
}

#[derive(Serialize)]
struct Sites<'a> {
    sites: &'a [SiteHistory],
}

pub(super) fn run(
    context: &Context,
    arguments: &HistoryArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected(&arguments.selection, screen)?;
    let histories = context.on_each(&work, arguments.parallel.rules(), &|work, host| match host
        .ask(Request::History { sites: work.sites.clone() }, &mut |_| {})?
    {
        Reply::History { sites } => Ok(sites),
        _ => Err(unexpected()),
    });
    let mut answers = Answers::default();
    for (on_host, history) in work.iter().zip(histories) {
        let name = on_host.host.name.as_str();
        let sites = match history {
            Ok(sites) => sites,
            Err(error) => {
                answers.tell(name, &error, screen);
                continue;
            }
        };
        screen.document("history", Some(name), &Sites { sites: &sites });
        for site in &sites {
            match &site.revisions {
                Ok(_) => {
                    answers.count();
                    screen.print(&text(name, site));
                }
                Err(error) => answers.tell(name, error, screen),
            }
        }
    }
    Ok(answers.exit_status().unwrap_or(0))
}

fn text(host: &str, site: &SiteHistory) -> String {
    let mut text = format!("Site {} on {host}\n", site.site);
    let revisions = site.revisions.as_deref().unwrap_or_default();
    if revisions.is_empty() {
        text.push_str("  nothing was applied yet\n");
    }
    for revision in revisions {
        let _ = writeln!(
            text,
            "  {:>4}  {:.0}  {} program(s)  {} by {}",
            revision.number,
            revision.origin.at,
            revision.programs,
            harmless(&cut(&revision.origin.purpose)),
            harmless(&cut(&revision.origin.user))
        );
    }
    text
}
