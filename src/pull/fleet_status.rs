//! How the hosts of a store are, as they say themselves.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde::Serialize;

use super::bundle::{Digest, Latest};
use super::status::{PullOutcome, PullStatus, SILENT};
use crate::error::CommandError;
use crate::store::{Answer, ObjectName, Store};

/// How many statuses are asked for at once.
const AT_ONCE: usize = 16;

/// How the hosts are, those that need a person first.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct FleetStatus {
    /// The serial of what was published last.
    pub(crate) serial: u64,
    /// That bundle.
    pub(crate) bundle: Digest,
    /// Each host that has a status in the store.
    pub(crate) hosts: Vec<HostInStore>,
    /// Statuses that cannot be read.
    pub(crate) unreadable: Vec<UnreadableStatus>,
}

/// A host as it says itself.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HostInStore {
    /// What it says. Nobody has checked that it is the host who says so.
    #[serde(flatten)]
    pub(crate) status: PullStatus,
    /// Whether it has said nothing for so long that it may be gone.
    pub(crate) silent: bool,
    /// Whether it has not taken up what was published last.
    pub(crate) behind: bool,
}

/// A status that cannot be read.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct UnreadableStatus {
    /// Which object of the store.
    pub(crate) object: String,
    /// Why.
    pub(crate) error: CommandError,
}

impl HostInStore {
    fn of(status: PullStatus, serial: u64, now: Timestamp) -> Self {
        let age = now.duration_since(status.at);
        let behind = status.serial < serial || status.outcome != PullOutcome::Done;
        Self { silent: age > SILENT, behind, status }
    }

    /// How much it needs a person: most first.
    fn order(&self) -> (bool, bool, PullOutcome, &str) {
        let is_trouble = self.status.outcome.is_trouble();
        (!is_trouble, !self.silent, self.status.outcome, &self.status.name)
    }

    /// For how many seconds it has said nothing.
    pub(crate) fn age(&self, now: Timestamp) -> u64 {
        u64::try_from(now.duration_since(self.status.at).as_secs()).unwrap_or_default()
    }
}

impl FleetStatus {
    /// Whether each host is as it should be.
    pub(crate) fn is_well(&self) -> bool {
        self.unreadable.is_empty() && self.hosts.iter().all(|host| !host.silent && !host.behind)
    }
}

/// Asks a store for the statuses of its hosts.
pub(crate) fn fleet_status(
    store: &(dyn Store + Sync),
    now: Timestamp,
) -> Result<FleetStatus, CommandError> {
    let Latest { bundle, serial } = latest(store)?;
    let folder = ObjectName::parse("status").ok_or_else(|| CommandError::refused("no folder"))?;
    let names = store.list(&folder)?;
    let (mut hosts, mut unreadable) = (Vec::new(), Vec::new());
    for (object, status) in get_all(store, &names) {
        match status {
            Ok(status) => hosts.push(HostInStore::of(status, serial, now)),
            Err(error) => unreadable.push(UnreadableStatus { object, error }),
        }
    }
    hosts.sort_by(|one, other| one.order().cmp(&other.order()));
    unreadable.sort_by(|one, other| one.object.cmp(&other.object));
    Ok(FleetStatus { serial, bundle, hosts, unreadable })
}

fn latest(store: &dyn Store) -> Result<Latest, CommandError> {
    let name = ObjectName::parse("latest.json").ok_or_else(|| CommandError::refused("no name"))?;
    match store.get(&name, None)? {
        Answer::Object { bytes, .. } => Latest::parse(&bytes),
        Answer::Unchanged | Answer::Absent => {
            Err(CommandError::refused("nothing has been published to this store"))
        }
    }
}

/// Each object, some at a time: a store over a network takes as long for each.
fn get_all(
    store: &(dyn Store + Sync),
    names: &[ObjectName],
) -> Vec<(String, Result<PullStatus, CommandError>)> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(names.len())));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(names.len()) {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let status = status(store, name);
                    if let Ok(mut found) = found.lock() {
                        found.push((name.to_string(), status));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_default()
}

fn status(store: &dyn Store, name: &ObjectName) -> Result<PullStatus, CommandError> {
    let unreadable = || CommandError::refused(format!("cannot read {name}"));
    match store.get(name, None)? {
        Answer::Object { bytes, .. } => {
            serde_json::from_slice(&bytes).map_err(|error| unreadable().caused_by(&error))
        }
        Answer::Unchanged | Answer::Absent => Err(unreadable().because("it is gone")),
    }
}
