//! On a host that pulls, the bundle that it has stands for an inventory: so what looks at programs, starts and
//! stops them works there as it does where the inventory is.

use std::path::{Path, PathBuf};

use super::Context;
use super::hold::{CONFIG, ConfigArguments, state_of};
use super::taking_up::of_this_host;
use crate::api::RunInventory;
use crate::error::CommandError;
use crate::inventory::Inventory;
use crate::pull::{Machine, find, kept};
use crate::report::Screen;
use crate::system::shell;

/// What says where this host pulls from: `named`, if it is such a file, or the one in its place where there is no
/// inventory.
pub(super) fn config(named: Option<&Path>, has_inventory: bool) -> Option<PathBuf> {
    match named {
        Some(path) => path.ends_with("pull.yml").then(|| path.to_owned()),
        None => Some(PathBuf::from(CONFIG)).filter(|path| !has_inventory && path.exists()),
    }
}

impl Context {
    /// The part of the bundle that this host has which is its own.
    pub(super) fn pulled_inventory(
        &self,
        config: PathBuf,
        screen: &mut Screen,
    ) -> Result<Inventory, CommandError> {
        let path = config.clone();
        let config = ConfigArguments::at(config).read(screen)?;
        let bundle = kept(&state_of(&config))?.ok_or_else(|| {
            CommandError::refused(format!("nothing was pulled from {} yet", config.source))
                .hint(format!("pull: supervisor-sync pull --config {}", shell::path(&path)))
        })?;
        let found = find(&bundle.inventory, &config.itself, &Machine::here())?;
        let sites = found.sites.into_iter().cloned().collect();
        let inventory = of_this_host(&bundle.inventory, &found.name, sites)?;
        self.tells_here(&config, &path);
        let (name, path) = (inventory.name.clone(), config.source);
        let _ = self.inventory.set(RunInventory { name, path });
        Ok(inventory)
    }
}
