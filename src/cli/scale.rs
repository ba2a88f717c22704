//! `scale`: how many processes a program has.

use clap::Args;

use super::asking::{Asking, wrong};
use super::edit::{Asked, SyncArguments};
use super::{Context, completing};
use crate::error::CommandError;
use crate::inventory::edit::{Assignment, Change, Edit};
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct ScaleArguments {
    /// The site's domain, or a program as it is printed: shop.example.com-queue
    #[arg(add = completing::sites_and_printed())]
    site: Option<String>,
    /// The program's name within the site
    #[arg(add = completing::programs())]
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
    let ScaleArguments { site, program, processes, .. } = arguments;
    let typed: Vec<&String> = [site, program, processes].into_iter().flatten().collect();
    let typed = asking.in_full(&typed)?;
    let site = asking.site(typed.first())?;
    let program = asking.program(&site, typed.get(1))?;
    let processes = asking.word("number of processes", &[], None, typed.get(2))?;
    asking.end();
    let change = Change::Set(vec![Assignment::set("numprocs", &processes).map_err(wrong)?]);
    let edit = Edit { site, program, change };
    let asked = Asked { loaded, edit, command: "scale", by_name: false };
    context.edit(&asked, &arguments.sync, screen)
}
