//! What a repository begins with: a first inventory, and worker scripts. Pure.

mod first_inventory;
mod frameworks;
mod scripts;

pub(crate) use first_inventory::{FirstInventory, Server};
pub(crate) use frameworks::{Proposal, proposals};
pub(crate) use scripts::ScriptKind;
