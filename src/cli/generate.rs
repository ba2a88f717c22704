//! `completions`, `man` and `schema`: generated from the command line's own definition, and from the
//! inventory's.

use clap::CommandFactory as _;

use super::Cli;
use crate::error::CommandError;
use crate::inventory;
use crate::report::Screen;

pub(super) fn completions(
    shell: clap_complete::Shell,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "supervisor-sync", &mut text);
    screen.print(&String::from_utf8_lossy(&text));
    Ok(0)
}

pub(super) fn manual(screen: &mut Screen) -> Result<u8, CommandError> {
    let mut text = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut text).map_err(|source| {
        CommandError::refused("cannot make the manual page").caused_by(&source)
    })?;
    screen.print(&String::from_utf8_lossy(&text));
    Ok(0)
}

/// The JSON Schema of the inventory.
pub(super) fn schema(screen: &mut Screen) -> Result<u8, CommandError> {
    screen.print(&inventory::schema_text());
    Ok(0)
}
