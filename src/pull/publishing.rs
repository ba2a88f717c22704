//! How an inventory is published: bundle and signature under their digest first, then `latest.json` that names
//! them, so that nobody who pulls meanwhile sees half of it.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::bundle::{Bundle, Digest, FORMAT, Latest};
use super::signing;
use crate::api::Run;
use crate::error::{CommandError, ErrorKind};
use crate::inventory::{HostName, Inventory};
use crate::store::{Answer, ObjectName, Store};
use crate::transport::Payloads;

/// The largest bundle, in bytes: a host does not read more.
const LARGEST_BUNDLE: usize = 16 << 20;

/// What the store has already.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// The last bundle.
    pub(crate) latest: Option<Latest>,
    /// How many programs each server has in it; none if this release cannot read it.
    pub(crate) programs: Option<BTreeMap<HostName, usize>>,
    /// What its inventory was.
    inventory: Option<Inventory>,
}

/// A bundle that is to be published.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) bundle: Bundle,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
    /// The servers that had programs and are left without one.
    pub(crate) emptied: Vec<HostName>,
    /// Whether the inventory is the one that was published last.
    pub(crate) is_same: bool,
}

/// How it is to be published.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) now: Timestamp,
    pub(crate) run: Run,
    /// The serial; else one more than the last.
    pub(crate) serial: Option<u64>,
    pub(crate) allow_empty: bool,
    /// The digests of the binaries of this release.
    pub(crate) payloads: BTreeMap<String, Digest>,
}

/// What was published last.
pub(crate) fn published(store: &dyn Store) -> Result<Published, CommandError> {
    let Some(bytes) = object(store, "latest.json")? else { return Ok(Published::default()) };
    let latest = Latest::parse(&bytes)?;
    // Nobody has checked its signature: it says what would be lost, and nothing else depends on it.
    let bundle = object(store, &format!("bundles/{}.json", latest.bundle))?;
    let bundle = bundle.and_then(|bytes| Bundle::parse(&bytes).ok()?.typed().ok());
    let inventory = bundle.map(|bundle| bundle.inventory);
    let programs = inventory.as_ref().map(programs_by_host);
    Ok(Published { latest: Some(latest), programs, inventory })
}

fn object(store: &dyn Store, name: &str) -> Result<Option<Vec<u8>>, CommandError> {
    match store.get(&named(name)?, None)? {
        Answer::Object { bytes, .. } => Ok(Some(bytes)),
        Answer::Unchanged | Answer::Absent => Ok(None),
    }
}

fn named(name: &str) -> Result<ObjectName, CommandError> {
    ObjectName::parse(name)
        .ok_or_else(|| CommandError::refused(format!("{name} cannot be the name of an object")))
}

/// How many programs each server has.
pub(crate) fn programs_by_host(inventory: &Inventory) -> BTreeMap<HostName, usize> {
    let mut programs: BTreeMap<HostName, usize> =
        inventory.hosts.iter().map(|host| (host.name.clone(), 0)).collect();
    for placed in &inventory.sites {
        for host in &placed.hosts {
            *programs.entry(host.clone()).or_default() += placed.site.programs.len();
        }
    }
    programs
}

/// The bundle that follows what was published.
///
/// # Errors
/// If servers would be left without a program that nobody has said so of, or the serial would fall.
pub(crate) fn draft(
    inventory: Inventory,
    before: &Published,
    wish: Wish,
) -> Result<Draft, CommandError> {
    let Wish { now, run, serial, allow_empty, payloads } = wish;
    let programs = programs_by_host(&inventory);
    let had = before.programs.iter().flatten().filter(|(_, programs)| **programs > 0);
    let has_none = |host: &HostName| programs.get(host).is_none_or(|programs| *programs == 0);
    // One that is not in the inventory any more finds nobody there, and stays as it is.
    let emptied =
        had.map(|(host, _)| host).filter(|host| has_none(host) && programs.contains_key(*host));
    let emptied: Vec<HostName> = emptied.cloned().collect();
    if !allow_empty {
        check_not_empty(&programs, &emptied)?;
    }
    let seen = before.latest.as_ref().map_or(0, |latest| latest.serial);
    let serial = serial.unwrap_or_else(|| seen.saturating_add(1));
    if serial <= seen {
        let message =
            format!("the store has serial {seen} already: {serial} would be taken up by nobody");
        return Err(CommandError::new(ErrorKind::Usage, message).hint("leave out --serial"));
    }
    let valid = SignedDuration::from_hours(24 * i64::from(inventory.pull.valid));
    let bundle = Bundle {
        format: FORMAT,
        serial,
        at: now,
        not_after: now.checked_add(valid).unwrap_or(Timestamp::MAX),
        previous: before.latest.as_ref().map(|latest| latest.bundle.clone()),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        payloads,
        allow_empty,
        run,
        inventory,
    };
    let bytes = bundle.to_bytes()?;
    if bytes.len() > LARGEST_BUNDLE {
        let message = format!("the bundle has {} bytes, at most {LARGEST_BUNDLE} fit", bytes.len());
        return Err(CommandError::refused(message)
            .hint("publish a part of it: an inventory for each store"));
    }
    let is_same = before.inventory.as_ref() == Some(&bundle.inventory);
    Ok(Draft { digest: Digest::of(&bytes), bytes, bundle, emptied, is_same })
}

/// An inventory without a program is more often the wrong file than what somebody wants.
fn check_not_empty(
    programs: &BTreeMap<HostName, usize>,
    emptied: &[HostName],
) -> Result<(), CommandError> {
    let message = if programs.values().all(|programs| *programs == 0) {
        "the inventory has no program: hosts would remove all of theirs".to_owned()
    } else if let [first, rest @ ..] = emptied {
        let others =
            if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        format!("{first}{others} would be left without a program")
    } else {
        return Ok(());
    };
    Err(CommandError::refused(message).hint("if it is meant: --allow empty"))
}

/// Signs a bundle and puts it into the store, with the binaries of this release that it has not.
///
/// # Errors
/// If it cannot be signed or put; or if somebody else has published meanwhile, whose bundle stands then.
pub(crate) fn publish(
    store: &dyn Store,
    draft: &Draft,
    key: &Path,
    payloads: Option<&Payloads>,
) -> Result<(), CommandError> {
    let signature = signing::sign(&draft.bytes, key)?;
    if let Some(payloads) = payloads {
        put_payloads(store, draft, payloads)?;
    }
    let digest = &draft.digest;
    store.put(&named(&format!("bundles/{digest}.json"))?, &draft.bytes)?;
    store.put(&named(&format!("bundles/{digest}.sig"))?, &signature)?;
    let latest = Latest { bundle: digest.clone(), serial: draft.bundle.serial };
    let bytes = serde_json::to_vec(&latest)
        .map_err(|error| CommandError::refused("cannot write latest.json").caused_by(&error))?;
    let now = object(store, "latest.json")?.and_then(|bytes| Latest::parse(&bytes).ok());
    if now.as_ref().map(|now| &now.bundle) != draft.bundle.previous.as_ref() {
        return Err(CommandError::refused("somebody else has published to this store meanwhile")
            .hint("publish again: it follows theirs then"));
    }
    store.put(&named("latest.json")?, &bytes)
}

fn put_payloads(store: &dyn Store, draft: &Draft, payloads: &Payloads) -> Result<(), CommandError> {
    let there = store.list(&named("payloads")?)?;
    for (platform, digest) in &draft.bundle.payloads {
        let name = named(&format!("payloads/{digest}"))?;
        if !there.contains(&name) {
            store.put(&name, &payloads.bytes(platform)?)?;
        }
    }
    Ok(())
}
