//! `set`: keys of a program in the inventory.

use clap::Args;

use super::asking::{Asking, assignments, wrong};
use super::edit::{Asked, SyncArguments};
use super::{Context, completing};
use crate::error::CommandError;
use crate::inventory::edit::{Assignment, Change, Edit};
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct SetArguments {
    /// The site's domain, or a program as it is printed: shop.example.com-queue
    #[arg(add = completing::sites_and_printed())]
    site: Option<String>,
    /// The program's name within the site
    #[arg(add = completing::programs())]
    program: Option<String>,
    /// A key and its value, e.g. stopwaitsecs=120 or environment.APP_ENV=production; `KEY=` removes the key
    #[arg(value_name = "KEY=VALUE")]
    keys: Vec<String>,
    /// Remove this key
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    sync: SyncArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &SetArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let loaded = context.to_edit()?;
    let mut asking = Asking::new(context, &loaded, "set SITE PROGRAM KEY=VALUE", screen)?;
    let SetArguments { site, program, keys, .. } = arguments;
    let typed: Vec<&String> = [site, program].into_iter().flatten().chain(keys).collect();
    let typed = asking.in_full(&typed)?;
    let site = asking.site(typed.first())?;
    let program = asking.program(&site, typed.get(1))?;
    let mut given = typed.get(2..).unwrap_or_default().to_vec();
    if given.is_empty() && arguments.unset.is_empty() {
        given.push(asking.word("KEY=VALUE", &[], None, None)?);
    }
    let mut keys = assignments(&given)?;
    for key in &arguments.unset {
        keys.push(Assignment::unset(key).map_err(wrong)?);
    }
    asking.end();
    let edit = Edit { site, program, change: Change::Set(keys) };
    let asked = Asked { loaded, edit, command: "set", by_name: false };
    context.edit(&asked, &arguments.sync, screen)
}
