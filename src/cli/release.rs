//! `release`: gives the files of a site back, and forgets it.

use clap::Args;

use super::apply::HowArguments;
use super::selected::SelectionArguments;
use super::{Context, SELECTION, completing};
use crate::api::Goal;
use crate::error::CommandError;
use crate::inventory::Domain;
use crate::plan::{Intent, PlanOptions};
use crate::report::{Screen, show_released};

#[derive(Debug, Args)]
pub(super) struct ReleaseArguments {
    /// The site
    #[arg(value_name = "SITE", value_parser = Domain::parse, add = completing::sites())]
    site: Domain,
    /// Only on these hosts: names or @tags (comma separated, `*` for any text)
    #[arg(long = "on", value_name = "HOST", help_heading = SELECTION, add = completing::hosts())]
    hosts: Vec<String>,
    #[command(flatten)]
    how: HowArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &ReleaseArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let ReleaseArguments { site, hosts, how } = arguments;
    how.files.show(screen);
    let selection = SelectionArguments { sites: vec![site.to_string()], hosts: hosts.clone() };
    let work = context.selected(&selection, screen)?;
    let run = context.begin_run("release", &how.message);
    let options = PlanOptions::of(Intent::Release);
    let order = how.order(Goal::Inventory, options, run);
    let ended = context.carry_out(&work, &order, how.agree, screen)?;
    if ended == 0 && !how.agree.dry_run {
        show_released(site, screen);
    }
    Ok(ended)
}
