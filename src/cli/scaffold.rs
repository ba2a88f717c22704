//! `scaffold`: a worker script to begin with.

use std::path::Path;

use clap::Args;

use crate::error::CommandError;
use crate::inventory::{ProgramName, SCRIPT_FOLDER};
use crate::report::{Screen, show_script, show_script_kinds};
use crate::starter::ScriptKind;
use crate::system::files::{Disk, Files, create};

#[derive(Debug, Args)]
pub(super) struct ScaffoldArguments {
    /// What it runs; without it, the kinds are listed
    kind: Option<ScriptKind>,
    /// The program that it is for, and so the file's name
    #[arg(value_parser = ProgramName::parse)]
    program: Option<ProgramName>,
}

pub(super) fn run(arguments: &ScaffoldArguments, screen: &mut Screen) -> Result<u8, CommandError> {
    let Some(kind) = arguments.kind else {
        show_script_kinds(screen);
        return Ok(0);
    };
    let program = arguments.program.as_ref().map_or(kind.program(), |program| program.as_str());
    let folder = Path::new(SCRIPT_FOLDER);
    let path = folder.join(format!("{program}.sh"));
    let refused = || CommandError::refused(format!("cannot write {}", path.display()));
    std::path::absolute(folder)
        .and_then(|folder| Disk.create_folder(&folder, 0o755))
        .map_err(|source| refused().caused_by_io(&source, folder))?;
    match create(&path, kind.script().as_bytes(), 0o755) {
        Ok(true) => show_script(&path, program, screen),
        Ok(false) => {
            return Err(CommandError::refused(format!("{} is there already", path.display()))
                .hint(format!(
                    "name another program: supervisor-sync scaffold {} NAME",
                    kind.name()
                )));
        }
        Err(source) => return Err(refused().caused_by_io(&source, &path)),
    }
    Ok(0)
}
