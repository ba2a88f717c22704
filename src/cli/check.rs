//! `check`: the inventory alone.

use serde::Serialize;

use super::Context;
use crate::error::CommandError;
use crate::report::Screen;

#[derive(Serialize)]
struct Checked {
    hosts: usize,
    sites: usize,
    programs: usize,
}

pub(super) fn run(context: &Context, screen: &mut Screen) -> Result<u8, CommandError> {
    let inventory = context.inventory(screen)?;
    let checked = Checked {
        hosts: inventory.hosts.len(),
        sites: inventory.sites.len(),
        programs: inventory.sites.iter().map(|placed| placed.site.programs.len()).sum(),
    };
    screen.document("check", None, &checked);
    let Checked { hosts, sites, programs } = checked;
    screen.print(&format!(
        "The inventory is fine: {hosts} host(s), {sites} site(s), {programs} program(s)\n"
    ));
    Ok(0)
}
