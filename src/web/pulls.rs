//! How the hosts are that pull, as they say themselves in their store. It is asked in the background.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{Builder, Scope};
use std::time::Duration;

use jiff::Timestamp;

use super::Web;
use super::visitor::Visitor;
use crate::error::CommandError;
use crate::pull::{FleetStatus, HostInStore, fleet_status};
use crate::store::Store;
use crate::system::{Clock as _, Interrupt};

/// How many times as long as a host a store is left alone: hosts pull once a minute at most.
const AS_LONG: u32 = 3;
/// How soon it is seen that everything ends.
const MOMENT: Duration = Duration::from_millis(200);

/// What a store has said last.
#[derive(Default)]
pub(super) struct Pulls(RwLock<Known>);

#[derive(Clone, Default)]
struct Known {
    said: Option<Arc<Said>>,
    /// Why the store does not answer now.
    error: Option<CommandError>,
}

/// What a store has said.
pub(super) struct Said {
    pub(super) at: Timestamp,
    pub(super) status: FleetStatus,
    /// The place of each host in it.
    by_name: BTreeMap<String, usize>,
}

impl Pulls {
    /// What the store has said last, for somebody who may know of it as a whole.
    pub(super) fn said_for(&self, visitor: &Visitor) -> Option<Arc<Said>> {
        visitor.sees_all().then(|| self.known().said).flatten()
    }

    /// Why the store does not answer, for the same.
    pub(super) fn error_for(&self, visitor: &Visitor) -> Option<CommandError> {
        visitor.sees_all().then(|| self.known().error).flatten()
    }

    /// What a host has said of itself, as far as a visitor may know who sees that host.
    pub(super) fn host_for(&self, visitor: &Visitor, name: &str) -> Option<HostInStore> {
        let said = self.known().said?;
        let host = said.status.hosts.get(*said.by_name.get(name)?)?;
        let mut host = host.clone();
        if !visitor.sees_all() {
            // It may be about another site.
            host.status.cause = None;
            host.status.troubles.retain(|trouble| visitor.sees(trouble.site.as_str()));
        }
        Some(host)
    }

    fn known(&self) -> Known {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, status: Result<FleetStatus, CommandError>, at: Timestamp) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match status {
            Ok(status) => {
                let names = status.hosts.iter().map(|host| host.status.name.clone());
                let by_name = names.zip(0..).collect();
                *known = Known { said: Some(Arc::new(Said { at, status, by_name })), error: None };
            }
            Err(error) => known.error = Some(error),
        }
    }
}

/// Begins a thread that asks a store again and again.
pub(super) fn begin<'s>(
    scope: &'s Scope<'s, '_>,
    web: &Arc<Web>,
    store: Box<dyn Store + Send + Sync>,
    (interrupt, every): (Interrupt, Duration),
) -> Result<(), CommandError> {
    let web = Arc::clone(web);
    let ask = move || {
        let mut next = Duration::ZERO;
        while !interrupt.is_raised() {
            if web.clock.now() >= next {
                let status = fleet_status(store.as_ref(), web.clock.timestamp());
                if interrupt.is_raised() {
                    return;
                }
                web.pulls.keep(status, web.clock.timestamp());
                web.answers.news().send_modify(|version| *version += 1);
                next = web.clock.now() + every * AS_LONG;
            }
            web.clock.wait(MOMENT);
        }
    };
    Builder::new().spawn_scoped(scope, ask).map(|_| ()).map_err(|source| {
        CommandError::refused("the system has no thread to ask a store with").caused_by(&source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::visitor::Peer;

    /// Why a pull failed may be about a site that a visitor may not know of.
    #[test]
    fn visitor_hears_of_own_sites_alone() {
        let status = serde_json::json!({
            "name": "a", "release": "x", "at": "2026-11-30T10:00:00Z", "outcome": "failed",
            "cause": "other.com failed", "serial": 7, "troubles": [
                {"site": "other.com", "cause": "no"}, {"site": "x.com", "cause": "no"},
            ],
        });
        let status = serde_json::from_value(status).unwrap();
        let hosts = vec![HostInStore { status, silent: false, behind: true }];
        let bundle = crate::pull::Digest::of(b"");
        let pulls = Pulls::default();
        let status = FleetStatus { serial: 7, bundle, hosts, unreadable: Vec::new() };
        pulls.keep(Ok(status), Timestamp::UNIX_EPOCH);
        pulls.keep(Err(CommandError::refused("no other.com")), Timestamp::UNIX_EPOCH);
        let (owner, limited) =
            (Visitor::owner("ann", Peer::Socket), Visitor::limited_to(&["x.com"]));
        let shown = format!("{:?}", pulls.host_for(&limited, "a").unwrap());
        assert!(shown.contains("x.com") && !shown.contains("other.com"), "{shown}");
        assert!(pulls.said_for(&limited).is_none() && pulls.error_for(&limited).is_none());
        let all = format!("{:?}", pulls.host_for(&owner, "a").unwrap());
        assert_eq!(all.matches("other.com").count(), 2, "{all}");
        assert!(pulls.said_for(&owner).is_some() && pulls.error_for(&owner).is_some());
        assert!(pulls.host_for(&owner, "b").is_none());
    }
}
