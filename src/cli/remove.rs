//! `remove`: a program less in the inventory.

use clap::Args;

use super::Context;
use super::asking::Asking;
use super::edit::{Asked, SyncArguments};
use crate::error::CommandError;
use crate::inventory::edit::{Change, Edit};
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// The site's domain
    site: Option<String>,
    /// The program's name within the site
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
    let site = asking.site(arguments.site.as_ref())?;
    let program = asking.program(&site, arguments.program.as_ref())?;
    asking.end();
    let edit = Edit { site, program, change: Change::Remove };
    let asked = Asked { loaded, edit, command: "remove", by_name: true };
    context.edit(&asked, &arguments.sync, screen)
}
