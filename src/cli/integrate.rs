//! `integrate`: hands the programs of other tools' sites over to this one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::playbook::{IntegrationPoint, Misfit};
use crate::report::{Screen, show_integrated};
use crate::system::files::{Entry, FileContent, Files, replace};
use crate::system::{Disk, shell};

#[derive(Debug, Subcommand)]
pub(super) enum Tool {
    /// DeployerPHP: its playbooks sync and restart programs with this one
    DeployerPhp(IntegrateArguments),
}

#[derive(Debug, Args)]
pub(super) struct IntegrateArguments {
    /// Its folder, e.g. vendor/loadinglucian/deployer-php
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Bring the originals back
    #[arg(long)]
    undo: bool,
}

/// A playbook as it is and as it will be.
struct Change {
    path: PathBuf,
    before: FileContent,
    after: FileContent,
}

pub(super) fn run(tool: &Tool, screen: &mut Screen) -> Result<u8, CommandError> {
    let Tool::DeployerPhp(IntegrateArguments { folder, undo }) = tool;
    // Both are looked at before one is written.
    let changes = IntegrationPoint::ALL
        .into_iter()
        .map(|point| change(folder, point, *undo))
        .collect::<Result<Vec<_>, _>>()?;
    write(&changes)?;
    for Change { path, before, after } in changes {
        show_integrated(&path, before != after, *undo, screen);
    }
    Ok(0)
}

fn change(folder: &Path, point: IntegrationPoint, undo: bool) -> Result<Change, CommandError> {
    let path = folder.join(point.file());
    let refused = CommandError::refused(format!("cannot integrate into {}", path.display()));
    let before = match Disk.read(&path) {
        Ok(Entry::File(file)) => file,
        Ok(Entry::Absent) => {
            return Err(refused.because("it does not exist").hint(
                "name the folder of DeployerPHP itself, e.g. vendor/loadinglucian/deployer-php",
            ));
        }
        Ok(Entry::Link { .. }) => return Err(refused.because("it is a symbolic link")),
        Ok(Entry::Other(kind)) => return Err(refused.because(format!("it is {kind}"))),
        Err(source) => return Err(refused.caused_by(&source)),
    };
    let text = match std::str::from_utf8(&before.bytes) {
        Ok(text) if undo => point.without_our_lines(text),
        Ok(text) => point.with_our_lines(text),
        Err(source) => return Err(refused.caused_by(&source)),
    };
    let text = text.map_err(|misfit| {
        let hint = match misfit {
            Misfit::NotKnown(_) => format!(
                "nothing was changed; look at it, and call supervisor-sync there by hand: less {}",
                shell::path(&path)
            ),
            Misfit::HalfAMark => format!(
                "nothing was changed; remove the lines yourself: grep -n 'supervisor-sync [<>]' {}",
                shell::path(&path)
            ),
        };
        refused.caused_by(&misfit).hint(hint)
    })?;
    let after = FileContent { bytes: text.into(), ..before.clone() };
    Ok(Change { path, before, after })
}

/// Writes all of them, or none.
fn write(changes: &[Change]) -> Result<(), CommandError> {
    let changed = changes.iter().filter(|change| change.before != change.after);
    let mut written: Vec<&Change> = Vec::new();
    for change in changed {
        if let Err(source) = replace(&Disk, &change.path, &change.after) {
            let mut error =
                CommandError::refused(format!("cannot write {}", change.path.display()))
                    .caused_by_io(&source, &change.path);
            for Change { path, before, .. } in written {
                if let Err(source) = replace(&Disk, path, before) {
                    let text = format!("cannot put {} back: {source}", path.display());
                    error = error.because(text);
                }
            }
            return Err(error);
        }
        written.push(change);
    }
    Ok(())
}
