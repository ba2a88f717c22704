//! `--site`, `--on`, `--program`: the part of the inventory a command is about.

use std::path::Path;

use clap::Args;

use super::{Context, SELECTION, completing, pulled};
use crate::api::RunInventory;
use crate::error::CommandError;
use crate::fleet::{Emptied, HostWork, Prune, selected_with_leavers};
use crate::front::commands_folder;
use crate::inventory::{self, Domain, Inventory, Loaded, Selector};
use crate::report::{Screen, show_problems};

/// Which sites on which hosts.
#[derive(Debug, Args)]
pub(super) struct SelectionArguments {
    /// Only these sites (comma separated, `*` for any text)
    #[arg(long = "site", value_name = "DOMAIN", help_heading = SELECTION, add = completing::sites())]
    pub(super) sites: Vec<String>,
    /// Only these hosts: names or @tags (comma separated, `*` for any text)
    #[arg(long = "on", value_name = "HOST", help_heading = SELECTION, add = completing::hosts())]
    pub(super) hosts: Vec<String>,
}

/// Which programs of which sites on which hosts.
#[derive(Debug, Args)]
pub(super) struct ProgramArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Only these programs (comma separated, `*` for any text)
    #[arg(long = "program", value_name = "NAME", help_heading = SELECTION, add = completing::programs())]
    programs: Vec<String>,
}

/// The same, and programs that are not in the inventory.
#[derive(Debug, Args)]
pub(super) struct WantedArguments {
    #[command(flatten)]
    programs: ProgramArguments,
    /// Remove these programs, which their sites do not have in the inventory (any more), and leave all others
    /// as they are (comma separated, repeatable)
    #[arg(long, value_name = "NAME", help_heading = SELECTION)]
    absent: Vec<String>,
}

/// Programs and processes by the names that people type, with the rest of a selection.
#[derive(Debug, Args)]
pub(super) struct NamedArguments {
    /// Only these, as they are printed or shorter: shop.example.com-queue, queue,
    /// shop.example.com-queue:*_01 (`*` for any text)
    #[arg(value_name = "NAME", add = completing::printed())]
    names: Vec<String>,
    #[command(flatten)]
    programs: ProgramArguments,
}

/// Which of the sites that left the inventory are removed.
#[derive(Debug, Args)]
pub(super) struct PruneArguments {
    /// Remove sites that are not in the inventory any more: those that it applied itself, or these,
    /// whoever applied them (comma separated)
    #[arg(
        long,
        value_name = "DOMAIN",
        num_args = 0..,
        require_equals = true,
        value_delimiter = ',',
        value_parser = Domain::parse
    )]
    prune: Option<Vec<Domain>>,
}

impl PruneArguments {
    pub(super) fn prune(&self) -> Prune {
        match &self.prune {
            None => Prune::Nothing,
            Some(named) if named.is_empty() => Prune::Own,
            Some(named) => Prune::Named(named.iter().cloned().collect()),
        }
    }
}

impl SelectionArguments {
    pub(super) fn selector(&self) -> Result<Selector, CommandError> {
        Selector::new(&self.sites, &self.hosts, &[])
    }
}

impl NamedArguments {
    /// Whether it is about whatever programs there are.
    pub(super) fn names_no_program(&self) -> bool {
        self.names.is_empty() && self.programs.programs.is_empty()
    }

    pub(super) fn selector(&self) -> Result<Selector, CommandError> {
        self.programs.selector()?.with_names(&self.names)
    }
}

impl ProgramArguments {
    pub(super) fn selector(&self) -> Result<Selector, CommandError> {
        Selector::new(&self.selection.sites, &self.selection.hosts, &self.programs)
    }
}

impl WantedArguments {
    pub(super) fn selector(&self) -> Result<Selector, CommandError> {
        self.programs.selector()?.with_absent(&self.absent)
    }
}

impl Context {
    /// Reads and checks the inventory; its problems are shown here, all of them.
    pub(super) fn inventory(&self, screen: &mut Screen) -> Result<Inventory, CommandError> {
        self.inventory_at(self.shared.inventory.as_deref(), screen)
    }

    /// The same of the one that is named.
    pub(super) fn inventory_at(
        &self,
        named: Option<&Path>,
        screen: &mut Screen,
    ) -> Result<Inventory, CommandError> {
        let loaded = inventory::load(named);
        if let Some(config) = pulled::config(named, loaded.is_ok()) {
            return self.pulled_inventory(config, screen);
        }
        let loaded = loaded?;
        let read = inventory::read_beside(&loaded.name(), &loaded.text, &loaded.folder());
        let inventory = read.map_err(|problems| {
            show_problems(&problems, screen);
            problems.refusal()
        })?;
        self.follow(&loaded, &inventory);
        Ok(inventory)
    }

    /// Notes that this is the inventory of this run. One command reads one inventory.
    pub(super) fn follow(&self, loaded: &Loaded, inventory: &Inventory) {
        let name = inventory.name.clone();
        let path = loaded.absolute().display().to_string();
        if let Some(folder) = &inventory.binaries {
            self.fleet.ssh.payloads.look_into(loaded.folder().join(folder));
        }
        let _ = self.notices.set((inventory.notices.clone(), commands_folder(loaded)));
        let _ = self.inventory.set(RunInventory { name, path });
    }

    /// The hosts and sites that are selected; at least one site.
    pub(super) fn selected(
        &self,
        arguments: &SelectionArguments,
        screen: &mut Screen,
    ) -> Result<Vec<HostWork>, CommandError> {
        self.chosen(&arguments.selector()?, screen)
    }

    /// The hosts that are selected, also those without a site if no site was named.
    pub(super) fn selected_hosts(
        &self,
        arguments: &SelectionArguments,
        screen: &mut Screen,
    ) -> Result<Vec<HostWork>, CommandError> {
        let inventory = self.inventory(screen)?;
        Ok(HostWork::of(arguments.selector()?.select(&inventory)?))
    }

    /// The same with the programs that are meant.
    pub(super) fn selected_programs(
        &self,
        arguments: &ProgramArguments,
        screen: &mut Screen,
    ) -> Result<Vec<HostWork>, CommandError> {
        self.chosen(&arguments.selector()?, screen)
    }

    /// The same with programs and processes by name.
    pub(super) fn named(
        &self,
        arguments: &NamedArguments,
        screen: &mut Screen,
    ) -> Result<Vec<HostWork>, CommandError> {
        self.chosen(&arguments.selector()?, screen)
    }

    fn chosen(
        &self,
        selector: &Selector,
        screen: &mut Screen,
    ) -> Result<Vec<HostWork>, CommandError> {
        let inventory = self.inventory(screen)?;
        Ok(HostWork::of(selector.select(&inventory)?.with_sites()?))
    }

    /// The selected hosts and programs, and what is to be known of the sites that left.
    pub(super) fn selected_with_leavers(
        &self,
        selector: &Selector,
        prune: &Prune,
        emptied: Emptied,
        screen: &mut Screen,
    ) -> Result<Vec<HostWork>, CommandError> {
        let inventory = self.inventory(screen)?;
        selected_with_leavers(&inventory, self.inventory.get(), selector, prune, emptied)
    }
}
