//! `--site`, `--on`, `--program`: the selection of the verbs that are about single programs.

use clap::Args;

use super::Context;
use super::selected::SelectionArguments;
use crate::error::CommandError;
use crate::host::ChosenSite;
use crate::inventory::{Host, SelectedHost, Selector};
use crate::report::Screen;

/// Which programs of which sites on which hosts.
#[derive(Debug, Args)]
pub(super) struct ProgramArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Only these programs (comma separated, `*` for any text)
    #[arg(long = "program", value_name = "NAME")]
    programs: Vec<String>,
}

/// A host with what is selected on it.
pub(super) struct OnHost {
    pub(super) host: Host,
    pub(super) sites: Vec<ChosenSite>,
}

impl Context {
    /// The hosts, sites and programs that are selected; at least one site.
    pub(super) fn selected_programs(
        &self,
        arguments: &ProgramArguments,
        screen: &mut Screen,
    ) -> Result<Vec<OnHost>, CommandError> {
        let inventory = self.inventory(screen)?;
        let SelectionArguments { sites, hosts } = &arguments.selection;
        let selector = Selector::new(sites, hosts, &arguments.programs)?;
        let selection = selector.select(&inventory)?.with_sites()?;
        let on_host = |selected: SelectedHost<'_>| OnHost {
            host: selected.host.clone(),
            sites: selected
                .sites
                .iter()
                .map(|site| ChosenSite { site: site.site.clone(), programs: site.programs.clone() })
                .collect(),
        };
        Ok(selection.hosts.into_iter().map(on_host).collect())
    }
}
