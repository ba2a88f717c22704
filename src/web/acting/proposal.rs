//! Something that is to be done, from its plan to its outcome.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::super::visitor::Visitor;
use super::asked::Asked;
use crate::api::RunId;
use crate::fleet::rollout::NotReached;
use crate::inventory::Domain;
use crate::report::Transcript;
use crate::system::Interrupt;

/// The fingerprint of the plan of each site, by host.
pub(super) type Fingerprints = BTreeMap<String, BTreeMap<Domain, String>>;

/// Something that is to be done.
#[derive(Debug)]
pub(in crate::web) struct Proposal {
    /// Its name in an address, which nobody can guess.
    pub(in crate::web) id: String,
    pub(in crate::web) asked: Asked,
    /// Who has asked, and when.
    pub(in crate::web) by: String,
    pub(in crate::web) at: Timestamp,
    /// Who that was, with what they saw then.
    visitor: Visitor,
    /// The plan as `plan` prints it, and what is done as `apply` does: for people, and for machines.
    pub(in crate::web) plan: Written,
    pub(in crate::web) told: Written,
    /// Raised by who has it stopped.
    pub(super) interrupt: Interrupt,
    progress: Mutex<Progress>,
    version: watch::Sender<u64>,
}

/// What is printed for people and for machines.
#[derive(Debug, Default)]
pub(in crate::web) struct Written {
    pub(in crate::web) text: Transcript,
    pub(in crate::web) documents: Transcript,
}

/// How far it has come.
#[derive(Debug, Clone, Default)]
struct Progress {
    stage: Stage,
    hosts: Vec<HostLine>,
    shown: Fingerprints,
    stop_by: Option<String>,
}

/// How far it has come, as a page shows it.
#[derive(Debug, Clone)]
pub(in crate::web) struct View {
    pub(in crate::web) stage: Stage,
    pub(in crate::web) hosts: Vec<HostLine>,
    /// Who has it stopped.
    pub(in crate::web) stop_by: Option<String>,
}

/// What comes after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) enum Stage {
    #[default]
    Planning,
    /// It waits for somebody to confirm, who says this fingerprint of all plans.
    Planned { fingerprint: String },
    /// There is nothing that could be confirmed: nothing to do, or the plan says why it is refused.
    NotToConfirm { status: u8 },
    /// It is done.
    AtWork(Confirmation),
    /// With this exit status, as the command line would have it.
    Ended { of: Confirmation, status: u8 },
}

/// Who has confirmed, when, and the run it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Confirmation {
    pub(in crate::web) by: String,
    pub(in crate::web) at: Timestamp,
    pub(in crate::web) run: RunId,
}

/// How far it has come on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct HostLine {
    pub(in crate::web) host: String,
    pub(in crate::web) state: HostState,
    /// What it has said last.
    pub(in crate::web) last: String,
}

/// A host, while it goes from one to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum HostState {
    /// Its turn has not come.
    Waiting,
    AtWork,
    /// It has answered with its plan.
    Planned,
    Done,
    Unchanged,
    Failed,
    NotReached(NotReached),
}

impl fmt::Display for HostState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("waits"),
            Self::AtWork => f.write_str("at work"),
            Self::Planned => f.write_str("planned"),
            Self::Done => f.write_str("done"),
            Self::Unchanged => f.write_str("nothing to do"),
            Self::Failed => f.write_str("failed"),
            Self::NotReached(why) => write!(f, "not begun: {why}"),
        }
    }
}

/// Why it cannot be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum NotConfirmed {
    /// Another plan was shown.
    OtherPlan,
    /// It was confirmed before, is being planned, or there is nothing to do.
    NotNow,
}

impl Proposal {
    pub(super) fn new(id: String, asked: Asked, by: &Visitor, at: Timestamp) -> Self {
        let (version, _) = watch::channel(0);
        Self {
            id,
            asked,
            by: by.name.clone(),
            at,
            visitor: by.clone(),
            plan: Written::default(),
            told: Written::default(),
            interrupt: Interrupt::default(),
            progress: Mutex::default(),
            version,
        }
    }

    /// Whether somebody may see it: it shows all of its sites, so it is for who sees everything, and for who has
    /// asked, as long as they see the same.
    pub(super) fn is_for(&self, visitor: &Visitor) -> bool {
        visitor.sees_all() || self.visitor.is_same(visitor)
    }

    pub(in crate::web) fn view(&self) -> View {
        let Progress { stage, hosts, stop_by, .. } = self.lock().clone();
        View { stage, hosts, stop_by }
    }

    /// Whether something is going on.
    pub(in crate::web) fn is_at_work(&self) -> bool {
        matches!(self.lock().stage, Stage::Planning | Stage::AtWork(_))
    }

    /// Tells when something has changed.
    pub(in crate::web) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// It is confirmed, once: what was shown, by the fingerprint that is sent back.
    pub(super) fn confirm(
        &self,
        sent: &str,
        confirmation: Confirmation,
    ) -> Result<Fingerprints, NotConfirmed> {
        let confirmed = {
            let mut progress = self.lock();
            match &progress.stage {
                Stage::Planned { fingerprint } if fingerprint == sent => {}
                Stage::Planned { .. } => return Err(NotConfirmed::OtherPlan),
                _ => return Err(NotConfirmed::NotNow),
            }
            progress.stage = Stage::AtWork(confirmation);
            progress.hosts.clear();
            std::mem::take(&mut progress.shown)
        };
        self.changed();
        Ok(confirmed)
    }

    /// It is to stop, and to leave hosts as they should be.
    pub(super) fn stop(&self, by: &str) {
        self.lock().stop_by.get_or_insert_with(|| by.to_owned());
        self.interrupt.raise();
        self.changed();
    }

    /// Its plans are there; those with something to do are among `shown`.
    pub(super) fn planned(&self, fingerprint: String, shown: Fingerprints) {
        let mut progress = self.lock();
        progress.stage = Stage::Planned { fingerprint };
        progress.shown = shown;
        drop(progress);
        self.changed();
    }

    /// Nothing more will come of it.
    pub(super) fn ended(&self, status: u8) {
        let mut progress = self.lock();
        progress.stage = match std::mem::take(&mut progress.stage) {
            Stage::AtWork(of) => Stage::Ended { of, status },
            _ => Stage::NotToConfirm { status },
        };
        drop(progress);
        self.changed();
    }

    /// These hosts are gone to.
    pub(super) fn hosts(&self, names: impl Iterator<Item = String>) {
        let line = |host| HostLine { host, state: HostState::Waiting, last: String::new() };
        self.lock().hosts = names.map(line).collect();
        self.changed();
    }

    /// A host has come so far; `None` leaves what it has said last.
    pub(super) fn host(&self, host: &str, state: HostState, last: Option<String>) {
        let mut progress = self.lock();
        if let Some(line) = progress.hosts.iter_mut().find(|line| line.host == host) {
            line.state = state;
            if let Some(last) = last {
                line.last = last;
            }
        }
        drop(progress);
        self.changed();
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
