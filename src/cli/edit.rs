//! What the verbs that edit the inventory have in common: the edit is shown, planned, agreed to and written;
//! then the servers follow.

use clap::Args;

use super::apply::HowArguments;
use super::plan::WhatArguments;
use super::{Context, completing, plan};
use crate::api::Goal;
use crate::error::CommandError;
use crate::fleet::{self, HostWork};
use crate::front::InventoryFile;
use crate::inventory::edit::{Edit, EditError, Edited};
use crate::inventory::{self, Loaded, Selector};
use crate::report::{Applying, EditView, Screen, show_problems};
use crate::system::Interrupt;

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
