//! What the inventory silences, and what of that silences nothing.

use std::collections::BTreeMap;

use crate::inventory::{Allowed, Span};
use crate::lint::{self, Finding, Needs};

/// Every `allow` of an inventory.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// By their places, which say the same to each program below them.
    said: BTreeMap<Span, Said>,
}

#[derive(Debug)]
struct Said {
    allowed: Allowed,
    is_used: bool,
    /// Whether its check could look everywhere.
    is_judged: bool,
}

/// What a check could know of a subject.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Its script, where it has one.
    pub(super) script: bool,
    /// Its host.
    pub(super) host: bool,
}

impl Silence {
    /// Notes what is silenced for a subject, or for none.
    pub(super) fn note(&mut self, all: &[Allowed], known: Known) {
        for allowed in all {
            let is_known = match lint::find(allowed.check).map(|check| check.needs) {
                Some(Needs::Script) => known.script,
                Some(Needs::Host) => known.host,
                Some(Needs::Nothing) | None => true,
            };
            let new = Said { allowed: *allowed, is_used: false, is_judged: true };
            let said = self.said.entry(allowed.at).or_insert(new);
            said.is_judged &= is_known;
        }
    }

    /// Whether a finding is silenced by one of these, which it then uses.
    pub(super) fn takes(&mut self, all: &[Allowed], finding: &Finding) -> bool {
        let mut takes = false;
        for allowed in all.iter().filter(|allowed| allowed.check == finding.check) {
            takes = true;
            if let Some(said) = self.said.get_mut(&allowed.at) {
                said.is_used = true;
            }
        }
        takes
    }

    /// Those that silence nothing, where nobody has silenced that.
    pub(super) fn unused(&self) -> Vec<Allowed> {
        if self.said.values().any(|said| said.allowed.check == lint::UNUSED.name) {
            return Vec::new();
        }
        let unused = self.said.values().filter(|said| !said.is_used && said.is_judged);
        unused.map(|said| said.allowed).collect()
    }
}
