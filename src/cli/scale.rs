//! `scale`: how many processes a program has.

use clap::Args;

use super::Context;
use super::asking::{Asking, wrong};
use super::edit::{Asked, SyncArguments};
use crate::error::CommandError;
use crate::inventory::edit::{Assignment, Change, Edit};
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct ScaleArguments {
    /// The site's domain
    site: Option<String>,
    /// The program's name within the site
    program: Option<String>,
    /// How many processes (its key `numprocs`)
    #[arg(value_name = "N")]
    processes: Option<String>,
    #[command(flatten)]
    sync: SyncArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &ScaleArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let loaded = context.to_edit()?;
    let mut asking = Asking::new(context, &loaded, "scale SITE PROGRAM N", screen)?;
    let site = asking.site(arguments.site.as_ref())?;
    let program = asking.program(&site, arguments.program.as_ref())?;
    let processes = asking.word("number of processes", &[], None, arguments.processes.as_ref())?;
    asking.end();
    let change = Change::Set(vec![Assignment::set("numprocs", &processes).map_err(wrong)?]);
    let edit = Edit { site, program, change };
    let asked = Asked { loaded, edit, command: "scale", by_name: false };
    context.edit(&asked, &arguments.sync, screen)
}
