//! What the verbs that edit the inventory have in common: the edit is shown, planned, agreed to and written;
//! then the servers follow.
//!
//! The file is written once somebody has agreed and before the first server changes, so that no server is
//! ever ahead of it. If then no server is as the edit says (all were rolled back, or none was begun with), the
//! former file comes back: either both change or neither.

use std::path::PathBuf;

use clap::Args;

use super::apply::HowArguments;
use super::plan::WhatArguments;
use super::{Context, completing, plan};
use crate::api::Goal;
use crate::error::{CommandError, ErrorKind};
use crate::fleet::{self, HostWork};
use crate::inventory::edit::{Edit, EditError, Edited};
use crate::inventory::{self, Loaded, Selector};
use crate::report::{Applying, EditOutcome, EditView, Screen, show_problems};
use crate::system::files::{Entry, FileContent, Files, replace};
use crate::system::{Disk, Interrupt};

/// What becomes of the servers.
#[derive(Debug, Args)]
pub(super) struct SyncArguments {
    /// Write the inventory and leave the servers as they are
    #[arg(long)]
    inventory_only: bool,
    /// Apply to these hosts of the site alone: names or @tags (comma separated, `*` for any text)
    #[arg(long = "on", value_name = "HOST", conflicts_with = "inventory_only", add = completing::hosts())]
    hosts: Vec<String>,
    #[command(flatten)]
    what: plan::WhatArguments,
    #[command(flatten)]
    how: HowArguments,
}

/// An edit of this inventory.
pub(super) struct Asked {
    pub(super) loaded: Loaded,
    pub(super) edit: Edit,
    /// What the run is called.
    pub(super) command: &'static str,
    /// Whether a yes is not enough, since something goes.
    pub(super) by_name: bool,
}

impl Context {
    /// The inventory that is to be edited.
    pub(super) fn to_edit(&self) -> Result<Loaded, CommandError> {
        inventory::load(self.shared.inventory.as_deref())
    }

    /// Makes the edit, and then the servers match.
    pub(super) fn edit(
        &self,
        asked: &Asked,
        arguments: &SyncArguments,
        screen: &mut Screen,
    ) -> Result<u8, CommandError> {
        let Asked { loaded, edit, .. } = asked;
        let name = loaded.name();
        let edited = edit.make(&name, &loaded.text, &loaded.folder());
        let edited = edited.map_err(|error| refused(error, screen))?;
        self.follow(loaded, &edited.inventory);
        let view = EditView {
            inventory: &name,
            site: &edit.site,
            program: &edit.program,
            before: &loaded.text,
            after: &edited.text,
            inventory_only: arguments.inventory_only,
        };
        let is_shown = arguments.how.agree.dry_run || !arguments.how.agree.yes;
        if is_shown && !arguments.inventory_only || !screen.is_quiet() {
            view.show_diff(screen);
        }
        let mut file = InventoryFile::new(loaded, &edited.text);
        let is_dry = arguments.how.agree.dry_run;
        let ended = match (arguments.inventory_only, is_dry) {
            (true, true) => Ok(0),
            (true, false) => file.write().map(|()| 0),
            (false, _) => self.sync(asked, &edited, &mut file, arguments, screen),
        };
        let ended = match is_dry {
            true => ended,
            false => ended.and_then(|status| file.settle(status).map(|()| status)),
        };
        view.show_outcome(file.outcome, screen);
        ended
    }

    /// Makes the servers of the site match; the file is written on the way.
    fn sync(
        &self,
        asked: &Asked,
        edited: &Edited,
        file: &mut InventoryFile<'_>,
        arguments: &SyncArguments,
        screen: &mut Screen,
    ) -> Result<u8, CommandError> {
        let SyncArguments { hosts, what, how, .. } = arguments;
        how.files.show(screen);
        let selector = Selector::new(std::slice::from_ref(&asked.edit.site), hosts, &[])?;
        let work = HostWork::of(selector.select(&edited.inventory)?.with_sites()?);
        let mut run = self.begin_run(asked.command, &how.message);
        if let Some(commit) = &mut run.commit {
            commit.dirty |= file.differs();
        }
        let order = how.order(Goal::Inventory, WhatArguments::options(what), run);
        if how.agree.dry_run {
            return self.carry_out(&work, &order, how.agree, screen);
        }
        let interrupt: &Interrupt = &self.fleet.interrupt;
        let mut write = || self.before_changes(&order).and_then(|()| file.write());
        let mut applying =
            Applying::new(&work, &order, interrupt, screen).before_changes(&mut write);
        if asked.by_name {
            applying = applying.agreed_by_typing(&asked.edit.program);
        }
        let ends = fleet::run(&self.fleet, &work, &order, &mut applying)?;
        applying.summarise();
        self.after_run(&order, ends, screen)
    }
}

/// Shows what is wrong with the text that an edit was made in, or would make.
pub(super) fn refused(error: EditError, screen: &mut Screen) -> CommandError {
    match error {
        EditError::Refused(error) => error,
        EditError::Problems(problems) => {
            show_problems(&problems, screen);
            problems.refusal().hint("nothing was changed")
        }
    }
}

/// The file of an inventory, before and after an edit.
struct InventoryFile<'t> {
    /// The file itself, where the inventory is a symbolic link.
    path: PathBuf,
    before: &'t str,
    after: &'t str,
    outcome: EditOutcome,
}

impl<'t> InventoryFile<'t> {
    fn new(loaded: &'t Loaded, after: &'t str) -> Self {
        let is_same = loaded.text == after;
        let outcome = if is_same { EditOutcome::Unchanged } else { EditOutcome::NotWritten };
        Self { path: loaded.absolute(), before: &loaded.text, after, outcome }
    }

    fn differs(&self) -> bool {
        self.before != self.after
    }

    /// Writes the edit, if the file is still as it was read.
    fn write(&mut self) -> Result<(), CommandError> {
        if self.outcome == EditOutcome::NotWritten {
            self.exchange(self.before, self.after)?;
            self.outcome = EditOutcome::Written;
        }
        Ok(())
    }

    /// Once the command has this exit status: an edit for which there was nothing to do on any server is
    /// written, and one that no server has is taken out.
    fn settle(&mut self, status: u8) -> Result<(), CommandError> {
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
