//! The inventory, checked.

use serde::Serialize;

use super::Colour;
use super::{Mode, Screen};
use crate::inventory::{Inventory, Problems};

/// The inventory is fine, and has this many of each.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Checked {
    hosts: usize,
    sites: usize,
    programs: usize,
}

/// Says that it is fine.
pub(crate) fn show_checked(inventory: &Inventory, screen: &mut Screen) {
    let checked = Checked {
        hosts: inventory.hosts.len(),
        sites: inventory.sites.len(),
        programs: inventory.sites.iter().map(|placed| placed.site.program_names().count()).sum(),
    };
    screen.document("check", None, &checked);
    let Checked { hosts, sites, programs } = checked;
    screen.print(&format!(
        "The inventory is fine: {hosts} host(s), {sites} site(s), {programs} program(s)\n"
    ));
}

/// Says what is wrong with it, all of it.
pub(crate) fn show_problems(problems: &Problems, screen: &mut Screen) {
    if screen.mode() == Mode::Json {
        screen.document("problems", None, problems);
    } else {
        let coloured = screen.colour() == Colour::Ansi;
        screen.complain_painted(&problems.render(coloured));
    }
}
