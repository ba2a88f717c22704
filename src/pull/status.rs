//! How a host's last pull ended: what it puts into the store for others to see.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::bundle::Digest;
use crate::api::RunId;
use crate::error::CommandError;
use crate::inventory::Domain;
use crate::store::{ObjectName, Store};

/// After so long a host says again how it is, though nothing has changed: else nobody could tell that it is alive.
pub(crate) const HEARTBEAT: SignedDuration = SignedDuration::from_mins(15);

/// After so long a host that has said nothing is silent.
pub(crate) const SILENT: SignedDuration = SignedDuration::from_mins(45);

/// How a pull ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum PullOutcome {
    /// Something failed and was put back; it is not tried again with this bundle.
    RolledBack,
    /// Something failed, or could not be put back.
    Failed,
    /// The last bundle is too old to be taken up.
    Expired,
    /// Hosts of earlier waves have rolled the bundle back.
    Halted,
    /// Somebody holds the host.
    Held,
    /// It is not the turn of the host's wave yet.
    Waiting,
    /// The host is as the bundle says.
    Done,
}

impl PullOutcome {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::RolledBack => "rolled back",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Halted => "halted",
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Done => "done",
        }
    }

    /// As JSON and metrics have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::RolledBack => "rolled_back",
            _ => self.words(),
        }
    }

    /// Whether a person must see to it.
    pub(crate) fn is_trouble(self) -> bool {
        matches!(self, Self::RolledBack | Self::Failed | Self::Expired | Self::Halted)
    }
}

/// What a host says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PullStatus {
    /// The host: a server's name in the inventory, or its own.
    pub(crate) name: String,
    /// The release that pulls.
    pub(crate) release: String,
    /// When it said so.
    pub(crate) at: Timestamp,
    /// How its last pull ended.
    pub(crate) outcome: PullOutcome,
    /// Why, in a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// The serial of the last bundle that it believes; 0 before the first.
    pub(crate) serial: u64,
    /// That bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bundle: Option<Digest>,
    /// The host's wave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wave: Option<u32>,
    /// The run that changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<RunId>,
    /// The sites that are not as the bundle says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) troubles: Vec<SiteTrouble>,
}

/// A site that is not as the bundle says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SiteTrouble {
    /// Which site.
    pub(crate) site: Domain,
    /// Why, in a line.
    pub(crate) cause: String,
}

impl PullStatus {
    /// Whether it says the same, whenever it was said.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        Self { at: other.at, ..self.clone() } == *other
    }

    /// Whether it is to be put into the store, where this was put last.
    pub(crate) fn is_news(&self, reported: Option<&Self>) -> bool {
        reported.is_none_or(|before| {
            let age = self.at.duration_since(before.at);
            !self.says_the_same(before) || age >= HEARTBEAT || age < SignedDuration::ZERO
        })
    }
}

/// Where a host puts its status.
pub(crate) fn object_of(host: &str) -> Option<ObjectName> {
    ObjectName::parse(&format!("status/{host}.json"))
}

/// Where a host says that it has rolled a bundle back: the name alone says of which bundle, in which wave.
pub(crate) fn failure_of(status: &PullStatus) -> Option<ObjectName> {
    let (bundle, wave) = (status.bundle.as_ref()?, status.wave?);
    ObjectName::parse(&format!("failures/{}/{wave}-{}", bundle.short(), status.name))
}

/// How many hosts of earlier waves say that they have rolled a bundle back.
pub(crate) fn failed_before(
    store: &dyn Store,
    bundle: &Digest,
    wave: u32,
) -> Result<usize, CommandError> {
    let Some(folder) = ObjectName::parse(&format!("failures/{}", bundle.short())) else {
        return Ok(0);
    };
    let wave_of = |name: &ObjectName| name.last().split_once('-')?.0.parse::<u32>().ok();
    let failed = store.list(&folder)?;
    Ok(failed.iter().filter_map(wave_of).filter(|failed| *failed < wave).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_put_when_it_changes_and_as_heartbeat() {
        let at: Timestamp = "2026-11-30T10:00:00Z".parse().unwrap();
        let status = PullStatus {
            name: "web1".to_owned(),
            release: "0.2.0".to_owned(),
            at,
            outcome: PullOutcome::Done,
            cause: None,
            serial: 7,
            bundle: None,
            wave: Some(1),
            run: None,
            troubles: Vec::new(),
        };
        let after =
            |seconds| PullStatus { at: at + SignedDuration::from_secs(seconds), ..status.clone() };
        assert!(status.is_news(None));
        assert!(!after(60).is_news(Some(&status)));
        assert!(after(900).is_news(Some(&status)));
        assert!(after(-60).is_news(Some(&status)), "a clock that was set back");
        let failed = PullStatus { outcome: PullOutcome::Failed, ..after(60) };
        assert!(failed.is_news(Some(&status)));
    }
}
