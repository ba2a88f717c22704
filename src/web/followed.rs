//! The inventory that is shown, read anew when its text changes.

use std::path::PathBuf;

use crate::api::RunInventory;
use crate::error::CommandError;
use crate::fleet::{Emptied, HostWork, Prune, selected_with_leavers};
use crate::inventory::{self, Inventory, Selector};

/// The inventory, and what of it is shown.
#[derive(Debug)]
pub(crate) struct Followed {
    /// Where it is, if that was said.
    pub(crate) named: Option<PathBuf>,
    pub(crate) selector: Selector,
    /// As records on hosts call it.
    pub(crate) called: Option<RunInventory>,
    work: Vec<HostWork>,
    /// The text that `work` is from, or that has problems.
    text: Option<String>,
}

impl Followed {
    /// It was read once.
    pub(crate) fn new(
        named: Option<PathBuf>,
        selector: Selector,
        called: Option<RunInventory>,
        inventory: &Inventory,
    ) -> Result<Self, CommandError> {
        let work = selected(inventory, called.as_ref(), &selector)?;
        Ok(Self { named, selector, called, work, text: None })
    }

    /// The hosts with what is wanted on them.
    pub(super) fn work(&self) -> &[HostWork] {
        &self.work
    }

    /// Reads it again; `None` if its text is as it was. With an error the former one still holds.
    pub(super) fn changed(&mut self) -> Option<Result<&[HostWork], CommandError>> {
        let loaded = match inventory::load(self.named.as_deref()) {
            Ok(loaded) if self.text.as_ref() == Some(&loaded.text) => return None,
            Ok(loaded) => loaded,
            Err(error) => {
                self.text = None;
                return Some(Err(error));
            }
        };
        let read = inventory::read_beside(&loaded.name(), &loaded.text, &loaded.folder());
        let work = match read {
            Ok(inventory) => selected(&inventory, self.called.as_ref(), &self.selector),
            Err(problems) => Err(problems.refusal()),
        };
        self.text = Some(loaded.text);
        Some(work.map(|work| {
            self.work = work;
            self.work.as_slice()
        }))
    }
}

fn selected(
    inventory: &Inventory,
    called: Option<&RunInventory>,
    selector: &Selector,
) -> Result<Vec<HostWork>, CommandError> {
    selected_with_leavers(inventory, called, selector, &Prune::Nothing, Emptied::Unseen)
}
