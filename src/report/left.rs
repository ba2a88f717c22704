//! Sites that left, in words: a line each, in short, and what is asked about them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::names::listed;
use crate::api::{Left, LeftSite, Writer};
use crate::error::cut;
use crate::fleet::Leavers;
use crate::system::sanitized;

/// How many sites are shown before the rest is counted. What is removed is always named.
const SITES_SHOWN: usize = 20;

/// A line for an apply that was not asked about: what this inventory has left here. Empty if that is
/// nothing.
pub(super) fn in_short(leavers: &Leavers) -> String {
    let left = leavers.left.iter().flat_map(|left| &left.sites);
    let own = left.filter(|left| left.writer == Writer::ThisInventory);
    let (emptied, gone): (Vec<&LeftSite>, Vec<&LeftSite>) =
        own.partition(|left| leavers.emptied.contains_key(&left.site));
    in_one_line(NOT_IN_THE_INVENTORY, &gone) + &in_one_line(WITHOUT_KEY, &emptied)
}

/// A line for each site, and what could not be read.
pub(super) fn text(leavers: &Leavers) -> String {
    let mut text = String::new();
    let Some(Left { sites, unreadable }) = &leavers.left else { return text };
    let (pruned, stay): (Vec<_>, Vec<_>) = sites.iter().partition(|left| leavers.is_pruned(left));
    for left in pruned {
        let _ = writeln!(text, "{}: removed here", line(left, leavers));
    }
    for left in stay.iter().take(SITES_SHOWN) {
        let _ = writeln!(text, "{}{}", line(left, leavers), how_to_remove(left));
    }
    if stay.len() > SITES_SHOWN {
        let _ = writeln!(text, "and {} more sites, see --json", stay.len() - SITES_SHOWN);
    }
    for error in unreadable {
        let causes = error.causes.iter().map(|cause| format!(": {}", sanitized(&cut(cause))));
        let message = sanitized(&cut(&error.message));
        let _ = writeln!(text, "warning: {message}{}", causes.collect::<String>());
    }
    text
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
    let names: Vec<&str> = sites.iter().map(|left| left.site.as_str()).collect();
    format!("{what}: {}; apply --prune removes {them}\n", listed(&names, SITES_SHOWN))
}

/// `not in the inventory: shop.example.com, 4 processes, applied by ann on 2026-01-01T00:00:00Z`
fn line(left: &LeftSite, leavers: &Leavers) -> String {
    let what = match leavers.emptied.contains_key(&left.site) {
        true => WITHOUT_KEY,
        false => NOT_IN_THE_INVENTORY,
    };
    let processes = match left.processes {
        1 => "1 process".to_owned(),
        count => format!("{count} processes"),
    };
    format!(
        "{what}: {}, {processes}, applied by {} on {:.0}",
        left.site,
        sanitized(&cut(&left.run.user)),
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
pub(super) fn question(leavers: &[&Leavers]) -> String {
    let pruned = leavers.iter().flat_map(|leavers| leavers.pruned_as_left());
    let names: BTreeSet<String> =
        pruned.map(|left| format!("{}{}", left.site, of_whom(left))).collect();
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
            format!(" from the inventory {}", sanitized(&cut(name)))
        }
        Writer::Playbook => format!(" by `{}`", sanitized(&cut(&left.run.command))),
        Writer::Unknown => " before records named their inventory".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Run, RunInventory};
    use crate::inventory::without_programs;
    use crate::inventory::{Domain, Paths};

    fn left(site: &str, writer: Writer) -> LeftSite {
        let inventory = RunInventory { name: Some("\u{1b}[2Jshop".into()), path: "/i".into() };
        LeftSite {
            site: Domain::parse(site).unwrap(),
            processes: 4,
            files: 2,
            run: Run {
                user: "ann\nroot".into(),
                at: "2026-01-14T09:30:00Z".parse().unwrap(),
                inventory: Some(inventory),
                ..Run::begin("apply")
            },
            writer,
            paths: Paths::default(),
        }
    }

    fn of(sites: Vec<LeftSite>) -> Leavers {
        let left = Some(Left { sites, unreadable: Vec::new() });
        Leavers { left, ..Leavers::default() }
    }

    #[test]
    fn left_site_takes_one_line() {
        let site = left("other.com", Writer::OtherInventory);
        let leavers = of(vec![site]);
        assert_eq!(
            text(&leavers),
            "not in the inventory: other.com, 4 processes, applied by ann\u{fffd}root on \
             2026-01-14T09:30:00Z from the inventory shop (apply --prune=other.com \
             removes it)\n"
        );
        let many = (0..30).map(|n| left(&format!("s{n}.com"), Writer::Unknown)).collect();
        let shown = text(&of(many));
        assert!(shown.ends_with("\nand 10 more sites, see --json\n"), "{shown}");
        assert_eq!(shown.lines().count(), 21);
    }

    #[test]
    fn question_names_each_site_once() {
        assert_eq!(question(&[]), "");
        for (writer, expected) in [
            (Writer::ThisInventory, ", and remove a.com, b.com"),
            (
                Writer::OtherInventory,
                ", and remove a.com from the inventory shop, b.com from the inventory shop",
            ),
        ] {
            let named = ["b.com", "a.com"].map(|name| Domain::parse(name).unwrap());
            let sites = named.clone().map(|name| left(name.as_str(), writer)).to_vec();
            let pruned = named.map(|name| without_programs(&name, &Paths::default()).unwrap());
            let leavers = Leavers { pruned: pruned.to_vec(), ..of(sites) };
            assert_eq!(question(&[&leavers, &Leavers::default()]), expected);
        }
    }

    #[test]
    fn kept_sites_take_one_line() {
        let mut sites = vec![left("a.com", Writer::ThisInventory), left("x.com", Writer::Playbook)];
        let line = "not in the inventory: a.com; apply --prune removes it\n";
        assert_eq!(in_short(&of(sites.clone())), line);
        sites.push(left("b.com", Writer::ThisInventory));
        let line = "not in the inventory: a.com, b.com; apply --prune removes them\n";
        assert_eq!(in_short(&of(sites)), line);
        assert_eq!(in_short(&of(vec![left("x.com", Writer::Unknown)])), "");
    }

    #[test]
    fn site_without_key_is_explained() {
        let site = left("dropped.com", Writer::ThisInventory);
        let emptied = [(site.site.clone(), false)].into();
        let shown = text(&Leavers { emptied, ..of(vec![site]) });
        let told = "no key `supervisors` any more: dropped.com, 4 processes, applied by ";
        assert!(shown.starts_with(told), "{shown}");
    }
}
