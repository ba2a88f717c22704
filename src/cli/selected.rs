//! `--site`, `--on`, `--program`: the part of the inventory a command is about, and the doors to its hosts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Context;
use super::left::Leaving;
use crate::api::{ChosenSite, RunInventory, Target};
use crate::error::{CommandError, ErrorKind};
use crate::host::LocalHost;
use crate::inventory::{
    self, Connection, Domain, Host, Inventory, Privilege, Programs, Selector, Site,
};
use crate::report::{Mode, Screen};
use crate::system::users;
use crate::transport::FarHost;

/// Which sites on which hosts.
#[derive(Debug, Args)]
pub(super) struct SelectionArguments {
    /// Only these sites (comma separated, `*` for any text)
    #[arg(long = "site", value_name = "DOMAIN")]
    pub(super) sites: Vec<String>,
    /// Only these hosts: names or @tags (comma separated, `*` for any text)
    #[arg(long = "on", value_name = "HOST")]
    pub(super) hosts: Vec<String>,
}

/// Which programs of which sites on which hosts.
#[derive(Debug, Args)]
pub(super) struct ProgramArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Only these programs (comma separated, `*` for any text)
    #[arg(long = "program", value_name = "NAME")]
    programs: Vec<String>,
}

/// A host with the sites that are selected on it.
pub(super) struct Work {
    pub(super) host: Host,
    pub(super) sites: Vec<Site>,
    /// The programs that are meant, of whichever of the sites.
    pub(super) programs: Programs,
    /// What is looked for besides: sites that left the inventory.
    pub(super) leaving: Option<Leaving>,
}

impl SelectionArguments {
    pub(super) fn selector(&self) -> Result<Selector, CommandError> {
        Selector::new(&self.sites, &self.hosts, &[])
    }
}

impl ProgramArguments {
    pub(super) fn selector(&self) -> Result<Selector, CommandError> {
        Selector::new(&self.selection.sites, &self.selection.hosts, &self.programs)
    }
}

impl Work {
    /// Each site with the programs of it that are meant.
    pub(super) fn chosen(&self) -> Vec<ChosenSite> {
        let chosen =
            |site: &Site| ChosenSite { site: site.clone(), programs: self.programs.clone() };
        self.sites.iter().map(chosen).collect()
    }
}

impl Context {
    /// Reads and checks the inventory; its problems are shown here, all of them.
    pub(super) fn inventory(&self, screen: &mut Screen) -> Result<Inventory, CommandError> {
        let loaded = inventory::load(self.shared.inventory.as_deref())?;
        let read = inventory::read(&loaded.name(), &loaded.text);
        let inventory = read.map_err(|problems| {
            if screen.mode() == Mode::Json {
                screen.document("problems", None, &problems);
            } else {
                let coloured = screen.colour() == crate::plan::Colour::Ansi;
                screen.complain_painted(&problems.render(coloured));
            }
            problems.refusal()
        })?;
        // One command reads one inventory.
        let _ = self.inventory.set(RunInventory {
            name: inventory.name.clone(),
            path: loaded.absolute().display().to_string(),
        });
        Ok(inventory)
    }

    /// The hosts and sites that are selected; at least one site.
    pub(super) fn selected(
        &self,
        arguments: &SelectionArguments,
        screen: &mut Screen,
    ) -> Result<Vec<Work>, CommandError> {
        self.chosen(arguments, &[], screen)
    }

    /// The hosts that are selected, also those without a site if no site was named.
    pub(super) fn selected_hosts(
        &self,
        arguments: &SelectionArguments,
        screen: &mut Screen,
    ) -> Result<Vec<Work>, CommandError> {
        let inventory = self.inventory(screen)?;
        Ok(work_of(arguments.selector()?.select(&inventory)?))
    }

    /// The same with the programs that are meant.
    pub(super) fn selected_programs(
        &self,
        arguments: &ProgramArguments,
        screen: &mut Screen,
    ) -> Result<Vec<Work>, CommandError> {
        self.chosen(&arguments.selection, &arguments.programs, screen)
    }

    fn chosen(
        &self,
        arguments: &SelectionArguments,
        programs: &[String],
        screen: &mut Screen,
    ) -> Result<Vec<Work>, CommandError> {
        let inventory = self.inventory(screen)?;
        let selector = Selector::new(&arguments.sites, &arguments.hosts, programs)?;
        Ok(work_of(selector.select(&inventory)?.with_sites()?))
    }

    /// The door to a host.
    pub(super) fn connect(&self, host: &Host) -> Result<Box<dyn Target>, CommandError> {
        match host.connection {
            Connection::Ssh => {
                let (ssh, interrupt) = (self.ssh.clone(), self.interrupt.clone());
                Ok(Box::new(FarHost::over_ssh(host, ssh, interrupt)))
            }
            Connection::Exec => {
                let (payload, interrupt) = (Arc::clone(&self.ssh.payload), self.interrupt.clone());
                Ok(Box::new(FarHost::by_command(host, payload, interrupt)))
            }
            Connection::Local => match host.privilege {
                Some(Privilege::Sudo) => self.sudo(),
                None if !users::is_root() => self.sudo(),
                Some(Privilege::Root | Privilege::None) | None => Ok(self.local()),
            },
        }
    }

    /// This machine, as whoever we are.
    pub(super) fn local(&self) -> Box<dyn Target> {
        let state = LocalHost::default_state_base();
        Box::new(LocalHost::new(state, self.interrupt.clone()))
    }

    /// This machine, through sudo.
    fn sudo(&self) -> Result<Box<dyn Target>, CommandError> {
        Ok(Box::new(FarHost::through_sudo(own_path()?, self.interrupt.clone())))
    }
}

pub(super) fn work_of(selection: inventory::Selection<'_>) -> Vec<Work> {
    let work = |host: inventory::SelectedHost<'_>| {
        // Whether any are named is the same for all sites.
        let mut programs = Programs::All;
        for selected in &host.sites {
            match (&mut programs, &selected.programs) {
                (Programs::Only(names), Programs::Only(more)) => names.extend(more.iter().cloned()),
                (programs, named) => *programs = named.clone(),
            }
        }
        Work {
            host: host.host.clone(),
            sites: host.sites.iter().map(|selected| selected.site.clone()).collect(),
            programs,
            leaving: None,
        }
    };
    selection.hosts.into_iter().map(work).collect()
}

/// The path of this program.
pub(super) fn own_path() -> Result<PathBuf, CommandError> {
    std::env::current_exe().map_err(|source| {
        CommandError::refused("cannot tell the path of this program").caused_by(&source)
    })
}

/// Refuses several sites where a revision is meant, which is of one; `command` is how to name it.
pub(super) fn only_site(
    work: &[Work],
    command: &dyn Fn(&Domain) -> String,
) -> Result<(), CommandError> {
    let sites: BTreeSet<&Domain> =
        work.iter().flat_map(|work| &work.sites).map(|site| &site.domain).collect();
    match sites.first() {
        Some(first) if sites.len() > 1 => {
            let hint = format!("name it, as in: supervisor-sync {}", command(first));
            Err(CommandError::new(ErrorKind::Usage, "a revision is of one site").hint(hint))
        }
        _ => Ok(()),
    }
}
