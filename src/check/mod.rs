//! The linter at work: what of an inventory, of what lies beside it and of a host is looked at, and where in
//! which text a finding stands. Pure.

mod beside;
mod host;
mod inventory;
mod silence;
mod text;

use serde::Serialize;

pub(crate) use host::{HostLints, OnDaemon, Unreadable, is_same};
pub(crate) use inventory::of_inventory;

use crate::inventory::Problem;

/// What a check says, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Lint {
    /// The check, by the name that `explain` and `allow` take.
    pub(crate) check: &'static str,
    #[serde(flatten)]
    pub(crate) problem: Problem,
}

/// In the order of files and lines, each once: what `defaults` say is met again for each program.
fn sorted(mut lints: Vec<Lint>) -> Vec<Lint> {
    lints.sort_by_cached_key(|lint| {
        let Problem { file, place, message, .. } = &lint.problem;
        (file.clone(), place.line, place.column, lint.check, message.clone())
    });
    lints.dedup_by(|one, other| one == other);
    lints
}
