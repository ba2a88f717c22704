//! `lint:` of an inventory: which checks are silenced, and where.

use super::fields::{Fields, Reader};
use super::file::{Span, Value};
use super::findings::Finding;
use super::keys::{Key, Keys, Kind};
use super::suggest::{nearest, shown};
use crate::lint;

pub(super) static KEYS: Keys = Keys {
    of: "`lint`",
    known: &[Key::new(
        "allow",
        Kind::List(&Kind::Word(&lint::NAMES)),
        "[user-root]",
        "Checks that say nothing here, by their names: [checks.md](checks.md).",
    )
    .default("none")],
    instead: &[("disable", "allow"), ("ignore", "allow"), ("deny", "`check --strict` denies all")],
    shared: false,
};

/// A check that is silenced, with the place that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) check: &'static str,
    pub(crate) at: Span,
}

/// The checks that one map silences.
pub(super) fn read(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) -> Vec<Allowed> {
    let Some(node) = fields.get("lint") else { return Vec::new() };
    let Some(list) = reader.fields(node, &KEYS).and_then(|fields| fields.get("allow")) else {
        return Vec::new();
    };
    let mut allowed = Vec::new();
    for node in reader.list(list, "allow").unwrap_or_default() {
        let Value::Text(name) = &node.value else {
            reader.wrong_kind(node, "`allow` must be a list of the names of checks");
            continue;
        };
        match lint::find(name) {
            Some(check) => allowed.push(Allowed { check: check.name, at: node.at }),
            None => {
                let finding = Finding::new(node.at, format!("there is no check `{}`", shown(name)));
                let near = nearest(name, lint::NAMES);
                reader
                    .push(finding.did_you_mean(near).help("`supervisor-sync explain` lists them"));
            }
        }
    }
    allowed
}
