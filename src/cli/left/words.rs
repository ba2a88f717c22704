//! Sites that left, in words: a line each, in short, and what is asked about them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Leavers;
use crate::api::{Left, LeftSite, Writer};
use crate::error::cut;
use crate::report::harmless;

/// How many sites are shown before the rest is counted. What is removed is always named.
const SITES_SHOWN: usize = 20;

impl Leavers {
    /// A line for an apply that was not asked about: what this inventory has left here. Empty if that is
    /// nothing.
    pub(in crate::cli) fn in_short(&self) -> String {
        let left = self.left.iter().flat_map(|left| &left.sites);
        let own = left.filter(|left| left.writer == Writer::ThisInventory);
        let (emptied, gone): (Vec<&LeftSite>, Vec<&LeftSite>) =
            own.partition(|left| self.emptied.contains_key(&left.site));
        in_one_line(NOT_IN_THE_INVENTORY, &gone) + &in_one_line(WITHOUT_KEY, &emptied)
    }

    /// A line for each site, and what could not be read.
    pub(in crate::cli) fn text(&self) -> String {
        let mut text = String::new();
        let Some(Left { sites, unreadable }) = &self.left else { return text };
        let (pruned, stay): (Vec<_>, Vec<_>) = sites.iter().partition(|left| self.is_pruned(left));
        let line = |left: &LeftSite| match self.emptied.contains_key(&left.site) {
            true => line(left, WITHOUT_KEY),
            false => line(left, NOT_IN_THE_INVENTORY),
        };
        for left in pruned {
            let _ = writeln!(text, "{}: removed here", line(left));
        }
        for left in stay.iter().take(SITES_SHOWN) {
            let _ = writeln!(text, "{}{}", line(left), how_to_remove(left));
        }
        if stay.len() > SITES_SHOWN {
            let _ = writeln!(text, "and {} more sites, see --json", stay.len() - SITES_SHOWN);
        }
        for error in unreadable {
            let causes = error.causes.iter().map(|cause| format!(": {}", harmless(&cut(cause))));
            let message = harmless(&cut(&error.message));
            let _ = writeln!(text, "Warning: {message}{}", causes.collect::<String>());
        }
        text
    }
}

const NOT_IN_THE_INVENTORY: &str = "not in the inventory";
const WITHOUT_KEY: &str = "no key `supervisors` any more";

/// `not in the inventory: a.com, b.com; apply --prune removes them`; nothing if there is none.
fn in_one_line(what: &str, sites: &[&LeftSite]) -> String {
    let them = match sites.len() {
        0 => return String::new(),
        1 => "it",
        _ => "them",
    };
    let names = sites.iter().take(SITES_SHOWN).map(|left| left.site.as_str());
    let mut text = names.collect::<Vec<_>>().join(", ");
    if sites.len() > SITES_SHOWN {
        let _ = write!(text, " and {} more", sites.len() - SITES_SHOWN);
    }
    format!("{what}: {text}; apply --prune removes {them}\n")
}

/// `not in the inventory: shop.example.com, 4 processes, applied by ann on 2026-01-01T00:00:00Z`
fn line(left: &LeftSite, what: &str) -> String {
    let processes = match left.processes {
        1 => "1 process".to_owned(),
        count => format!("{count} processes"),
    };
    format!(
        "{what}: {}, {processes}, applied by {} on {:.0}",
        left.site,
        harmless(&cut(&left.run.user)),
        left.run.at
    )
}

fn how_to_remove(left: &LeftSite) -> String {
    match left.writer {
        Writer::ThisInventory => " (apply --prune removes it)".to_owned(),
        Writer::OtherInventory | Writer::Playbook | Writer::Unknown => {
            format!("{} (apply --prune={} removes it)", of_whom(left), left.site)
        }
    }
}

/// What is asked on top of the plans: each site that goes, by name, and whose it is if not this
/// inventory's.
pub(in crate::cli) fn question<'l>(leavers: impl IntoIterator<Item = &'l Leavers>) -> String {
    let pruned = leavers.into_iter().flat_map(Leavers::pruned_as_left);
    let named = |left: &LeftSite| format!("{}{}", left.site, of_whom(left));
    let names: BTreeSet<String> = pruned.map(named).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(", and remove {}", names.into_iter().collect::<Vec<_>>().join(", "))
}

/// ` from the inventory shop`; nothing of this inventory's own.
fn of_whom(left: &LeftSite) -> String {
    match left.writer {
        Writer::ThisInventory => String::new(),
        Writer::OtherInventory => {
            let inventory = left.run.inventory.as_ref();
            let name = inventory.map_or("", |it| it.name.as_deref().unwrap_or(&it.path));
            format!(" from the inventory {}", harmless(&cut(name)))
        }
        Writer::Playbook => format!(" by `{}`", harmless(&cut(&left.run.command))),
        Writer::Unknown => " before records named their inventory".to_owned(),
    }
}
