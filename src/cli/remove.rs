//! `remove`: a program less in the inventory.

use clap::Args;

use super::asking::Asking;
use super::edit::{Asked, SyncArguments};
use super::{Context, completing};
use crate::error::CommandError;
use crate::inventory::edit::{Change, Edit};
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// The site's domain, or a program as it is printed: shop.example.com-queue
    #[arg(add = completing::sites_and_printed())]
    site: Option<String>,
    /// The program's name within the site
    #[arg(add = completing::programs())]
    program: Option<String>,
    #[command(flatten)]
    sync: SyncArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &RemoveArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let loaded = context.to_edit()?;
    let mut asking = Asking::new(context, &loaded, "remove SITE PROGRAM", screen)?;
    let RemoveArguments { site, program, .. } = arguments;
    let typed: Vec<&String> = [site, program].into_iter().flatten().collect();
    let typed = asking.in_full(&typed)?;
    let site = asking.site(typed.first())?;
    let program = asking.program(&site, typed.get(1))?;
    asking.end();
    let edit = Edit { site, program, change: Change::Remove };
    let asked = Asked { loaded, edit, command: "remove", by_name: true };
    context.edit(&asked, &arguments.sync, screen)
}
