//! From what runs to an inventory: config files of supervisord's as entries of `deployer.yml`, so that the
//! plan right afterwards has nothing to do to any process.
//!
//! Files that were found are sorted into sites (`draft`), each program is put into words (`entry`), the
//! words are read by the inventory's own loader (`candidate`) and held against the file (`settle`),
//! and the host plans what came out (`proof`). Whatever fails on the way is taken as it is, as a config by
//! hand; what fails then is not taken. Nothing here writes anything.

mod candidate;
mod deployment;
mod draft;
mod entry;
mod found;
mod proof;
mod session;
mod settle;
mod trial;
mod unmanaged;

pub(crate) use candidate::{NewFile, copy_path};
pub(crate) use draft::{NotTaken, Text, Way};
pub(crate) use session::{Imported, Wish};
pub use trial::{Trial, try_file};
pub(crate) use unmanaged::Unmanaged;
