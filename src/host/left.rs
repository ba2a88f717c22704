//! Sites that left the inventory: on record on this host, and not in the inventory of who asks.
//! Reads records alone, so it works without supervisord, too.

use std::path::Path;

use crate::api::{InventoryOnHost, Left, LeftSite, Writer};
use crate::error::CommandError;
use crate::inventory::{Domain, Paths};
use crate::records::{Revision, StateDir};
use crate::system::Disk;

/// Looks for sites that left. `base` is where state is when an inventory does not say.
pub(super) fn look(base: &Path, inventory: &InventoryOnHost) -> Left {
    let mut left = Left::default();
    for (state, paths) in states(base, inventory) {
        match others(&state, inventory) {
            Ok(sites) => look_in(&state, paths, sites, inventory, &mut left),
            Err(error) => left.unreadable.push(error),
        }
    }
    left
}

/// The folders of records of an inventory, each once.
pub(super) fn states<'i>(
    base: &Path,
    inventory: &'i InventoryOnHost,
) -> Vec<(StateDir, &'i Paths)> {
    let mut states: Vec<(StateDir, &Paths)> = Vec::new();
    for paths in &inventory.instances {
        let state = StateDir::new(paths, base);
        if states.iter().all(|(known, _)| *known != state) {
            states.push((state, paths));
        }
    }
    states
}

/// The sites on record that the inventory does not have.
pub(super) fn others(
    state: &StateDir,
    inventory: &InventoryOnHost,
) -> Result<Vec<Domain>, CommandError> {
    let mut sites = state.check().and_then(|()| state.sites(&Disk))?;
    sites.retain(|site| !inventory.domains.contains(site));
    Ok(sites)
}

fn look_in(
    state: &StateDir,
    paths: &Paths,
    mut sites: Vec<Domain>,
    inventory: &InventoryOnHost,
    left: &mut Left,
) {
    sites.sort_unstable();
    for site in &sites {
        match record(state, site) {
            Ok(Some(record)) => left.sites.push(left_site(record, paths, inventory)),
            Ok(None) => {}
            Err(error) => left.unreadable.push(error),
        }
    }
}

/// What is on record of a site; `None` if that is nothing, as of one that was removed.
fn record(state: &StateDir, site: &Domain) -> Result<Option<Revision>, CommandError> {
    if let Some(record) = state.last_revision(&Disk, site)?
        && !record.is_empty()
    {
        return Ok(Some(record));
    }
    // The very first apply of it may have been killed when its files were in place.
    let journal = state.interrupted(&Disk, site)?.finished;
    Ok(journal.and_then(|journal| journal.target).filter(|target| !target.is_empty()))
}

fn left_site(record: Revision, paths: &Paths, inventory: &InventoryOnHost) -> LeftSite {
    let run = record.origin.run();
    let writer = match &run.inventory {
        Some(_) if run.is_of_same_inventory(&inventory.run) => Writer::ThisInventory,
        Some(_) => Writer::OtherInventory,
        None if record.origin.run.is_none() => Writer::Unknown,
        None => Writer::Playbook,
    };
    LeftSite {
        processes: record.groups.values().map(|group| u64::from(group.numprocs)).sum(),
        files: record.files.len(),
        site: record.site,
        run,
        writer,
        paths: paths.clone(),
    }
}
