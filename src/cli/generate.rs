//! `completions`, `man` and `schema`: generated from the command line's own definition, and from the
//! inventory's.

use std::path::Path;

use clap::CommandFactory as _;

use super::{Cli, completing};
use crate::error::CommandError;
use crate::inventory;
use crate::report::Screen;
use crate::system::shell;

/// The script that has a shell complete our command lines.
pub(super) fn completions(
    shell: clap_complete::Shell,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    screen.print(&String::from_utf8_lossy(&completing::script(shell)?));
    Ok(0)
}

/// The main manual page, or into a folder that and one of each verb.
pub(super) fn manual(folder: Option<&Path>, screen: &mut Screen) -> Result<u8, CommandError> {
    let Some(folder) = folder else {
        let mut text = Vec::new();
        clap_mangen::Man::new(super::command()).render(&mut text).map_err(|source| {
            CommandError::refused("cannot make the manual page").caused_by(&source)
        })?;
        screen.print(&String::from_utf8_lossy(&text));
        return Ok(0);
    };
    clap_mangen::generate_to(super::command(), folder).map_err(|source| {
        CommandError::refused(format!("cannot write manual pages to {}", folder.display()))
            .caused_by(&source)
            .hint(format!("make the folder: mkdir -p {}", shell::path(folder)))
    })?;
    Ok(0)
}

/// The version, as `--version` has it.
pub(super) fn version(screen: &mut Screen) -> Result<u8, CommandError> {
    screen.print(&Cli::command().render_version());
    Ok(0)
}

/// The JSON Schema of the inventory.
pub(super) fn schema(screen: &mut Screen) -> Result<u8, CommandError> {
    screen.print(&inventory::schema_text());
    Ok(0)
}
