//! Something that was asked for in the browser, from its plan to its outcome.

use jiff::Timestamp;
use serde::Serialize;

use crate::api::RunId;

/// What was asked for in the browser, and how far it has come. Behind it stand the documents of its plan, and
/// then those of what was done.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ProposalDocument {
    /// Its name in an address.
    pub(crate) id: String,
    /// What it is, in words.
    pub(crate) title: String,
    /// Who has asked for it.
    pub(crate) asked_by: String,
    /// When that was.
    pub(crate) asked_at: Timestamp,
    /// How far it has come.
    pub(crate) stage: ProposalStage,
    /// What has to be sent back to confirm it, while it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<String>,
    /// Who has confirmed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confirmed_by: Option<String>,
    /// The run that it is then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<RunId>,
    /// The exit status that the command line would have, once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit_status: Option<u8>,
    /// How far each host is, in words.
    pub(crate) hosts: Vec<ProposalHost>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProposalStage {
    /// Hosts are asked for their plans.
    Planning,
    /// It waits to be confirmed.
    Planned,
    /// There is nothing to confirm: nothing to do, or it is refused.
    NotToConfirm,
    /// It is under way.
    AtWork,
    /// It is over.
    Ended,
}

/// How far it has come on a host.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ProposalHost {
    /// The host's name in the inventory.
    pub(crate) host: String,
    /// In words.
    pub(crate) state: String,
    /// What it has said last.
    pub(crate) last: String,
}
