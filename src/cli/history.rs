//! `history`: the revisions applied to each site.

use std::fmt::Write;

use serde::Serialize;

use super::Context;
use super::selected::{SelectionArguments, unexpected};
use crate::error::CommandError;
use crate::host::{Reply, Request, SiteHistory};
use crate::report::Screen;

#[derive(Serialize)]
struct Sites<'a> {
    sites: &'a [SiteHistory],
}

pub(super) fn run(
    context: &Context,
    arguments: &SelectionArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let mut status = 0;
    for work in context.selected(arguments, screen)? {
        let name = work.host.name.as_str();
        let history = context.connect(&work.host).and_then(|mut host| {
            match host.ask(Request::History { sites: work.sites.clone() }, &mut |_| {})? {
                Reply::History { sites } => Ok(sites),
                _ => Err(unexpected()),
            }
        });
        match history {
            Ok(sites) => {
                screen.document("history", Some(name), &Sites { sites: &sites });
                for site in &sites {
                    match &site.revisions {
                        Ok(_) => screen.print(&text(name, site)),
                        Err(error) => {
                            screen.error(Some(name), error);
                            status = error.kind.exit_status();
                        }
                    }
                }
            }
            Err(error) => {
                screen.error(Some(name), &error);
                status = error.kind.exit_status();
            }
        }
    }
    Ok(status)
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
            revision.origin.purpose,
            revision.origin.user
        );
    }
    text
}
