//! The file of an inventory that a command edits.
//!
//! It is written once somebody has agreed and before the first server changes, so that no server is ever ahead
//! of it. If then no server is as the edit says (all were rolled back, or none was begun with), the former file
//! comes back: either both change or neither.

use std::path::PathBuf;

use crate::error::{CommandError, ErrorKind};
use crate::inventory::Loaded;
use crate::report::EditOutcome;
use crate::system::Disk;
use crate::system::files::{Entry, FileContent, Files, replace};

/// The file of an inventory, before and after an edit.
pub(crate) struct InventoryFile<'t> {
    /// The file itself, where the inventory is a symbolic link.
    path: PathBuf,
    before: &'t str,
    after: &'t str,
    pub(crate) outcome: EditOutcome,
}

impl<'t> InventoryFile<'t> {
    pub(crate) fn new(loaded: &'t Loaded, after: &'t str) -> Self {
        let is_same = loaded.text == after;
        let outcome = if is_same { EditOutcome::Unchanged } else { EditOutcome::NotWritten };
        Self { path: loaded.absolute(), before: &loaded.text, after, outcome }
    }

    pub(crate) fn differs(&self) -> bool {
        self.before != self.after
    }

    /// Writes the edit, if the file is still as it was read.
    pub(crate) fn write(&mut self) -> Result<(), CommandError> {
        if self.outcome == EditOutcome::NotWritten {
            self.exchange(self.before, self.after)?;
            self.outcome = EditOutcome::Written;
        }
        Ok(())
    }

    /// Once the command has this exit status: an edit for which there was nothing to do on any server is
    /// written, and one that no server has is taken out.
    pub(crate) fn settle(&mut self, status: u8) -> Result<(), CommandError> {
        let none_has_it = [ErrorKind::Refused, ErrorKind::RolledBack, ErrorKind::Locked];
        if status == 0 {
            return self.write();
        }
        let none_has_it = none_has_it.iter().any(|kind| kind.exit_status() == status);
        if self.outcome == EditOutcome::Written && none_has_it {
            self.exchange(self.after, self.before)?;
            self.outcome = EditOutcome::PutBack;
        }
        Ok(())
    }

    /// Puts `new` in place of `old`, with the file's mode and owner.
    fn exchange(&self, old: &str, new: &str) -> Result<(), CommandError> {
        let path = &self.path;
        let refused = || CommandError::refused(format!("cannot write {}", path.display()));
        let there = match Disk.read(path) {
            Ok(Entry::File(file)) => file,
            Ok(_) => return Err(refused().because("it is not a regular file")),
            Err(source) => return Err(refused().caused_by_io(&source, path)),
        };
        if *there.bytes != *old.as_bytes() {
            return Err(refused()
                .because("it has changed since it was read")
                .hint("run the same command again"));
        }
        let content = FileContent { bytes: new.into(), ..there };
        replace(&Disk, path, &content).map_err(|source| refused().caused_by_io(&source, path))
    }
}
