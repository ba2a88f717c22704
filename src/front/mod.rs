//! What all front doors do around a command that changes servers: the record of its run, the inventory's hooks
//! and notifications, and the inventory's file where the command edits it.

mod around;
mod begun;
mod edited;

pub(crate) use around::{After, Around, commands_folder, messages};
pub(crate) use begun::{begin_run, message};
pub(crate) use edited::InventoryFile;
