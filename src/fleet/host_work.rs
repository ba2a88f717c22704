//! A host with the part of the inventory that a command is about.

use std::collections::{BTreeMap, BTreeSet};

use super::left::Leaving;
use crate::api::ChosenSite;
use crate::error::{CommandError, ErrorKind};
use crate::inventory::{
    Connection, Domain, Host, HostName, Privilege, Programs, SelectedHost, Selection, Site,
};

/// A host with the sites that are selected on it.
#[derive(Debug, Clone)]
pub(crate) struct HostWork {
    pub(crate) host: Host,
    /// Its sites that are selected.
    pub(crate) sites: Vec<Site>,
    /// The programs that are meant, by site; all of one that is not here.
    pub(crate) programs: BTreeMap<Domain, Programs>,
    /// What is looked for besides: sites that left the inventory.
    pub(crate) leaving: Option<Leaving>,
}

impl HostWork {
    /// Of each host of a selection.
    pub(crate) fn of(selection: Selection<'_>) -> Vec<Self> {
        selection.hosts.into_iter().map(Self::on).collect()
    }

    fn on(host: SelectedHost<'_>) -> Self {
        let named = host.sites.iter().map(|one| (one.site.domain.clone(), one.programs.clone()));
        let programs = named.filter(|(_, programs)| !programs.is_all()).collect();
        Self {
            host: host.host.clone(),
            sites: host.sites.iter().map(|selected| selected.site.clone()).collect(),
            programs,
            leaving: None,
        }
    }

    /// Sites on this machine, as whoever we are.
    pub(crate) fn here(
        name: HostName,
        sites: Vec<Site>,
        programs: BTreeMap<Domain, Programs>,
    ) -> Self {
        let host = Host {
            name,
            address: "localhost".to_owned(),
            connection: Connection::Local,
            exec: Vec::new(),
            port: None,
            username: None,
            private_key_path: None,
            privilege: Some(Privilege::None),
            persist: 0,
            tags: Vec::new(),
            line: 0,
        };
        Self { host, sites, programs, leaving: None }
    }

    /// The host's name in the inventory.
    pub(crate) fn name(&self) -> &str {
        self.host.name.as_str()
    }

    /// Each site with the programs of it that are meant.
    pub(crate) fn chosen(&self) -> Vec<ChosenSite> {
        self.sites
            .iter()
            .map(|site| ChosenSite {
                site: site.clone(),
                programs: self.programs_of(&site.domain).clone(),
            })
            .collect()
    }

    /// The programs of a site that are meant.
    pub(crate) fn programs_of(&self, site: &Domain) -> &Programs {
        self.programs.get(site).unwrap_or(&Programs::All)
    }
}

/// Refuses several sites where a revision is meant, which is of one; `command` is how to name it.
pub(crate) fn only_site(
    work: &[HostWork],
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
