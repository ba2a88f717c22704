//! What the Ansible collection says of the inventory's keys, as documentation and as what its arguments take: both
//! are made from the tables. `UPDATE_DOCS=1 cargo test --lib published` writes them anew.

use std::fmt::Write as _;

use super::keys::{Key, Keys, Kind};
use super::published_tests::assert_published;
use super::site_entry;

/// The keys of a site that say where it is: in Ansible that is the host of the task.
const PLACES: [&str; 2] = ["server", "servers"];

/// The widest line.
const WIDTH: usize = 100;

/// The keys of a site in parts, as modules take them: what a site is beside its programs, its programs, and
/// what only a whole site has.
fn parts() -> [(&'static str, Vec<Key>); 3] {
    let of_whole = ["groups", "configs", "config_texts"];
    let mut about: Vec<Key> = site_entry::KEYS.known.to_vec();
    about.retain(|key| !PLACES.contains(&key.name));
    let (programs, about): (Vec<Key>, Vec<Key>) =
        about.into_iter().partition(|key| key.name == "supervisors");
    let (whole, about) = about.into_iter().partition(|key| of_whole.contains(&key.name));
    [("SITE", about), ("PROGRAMS", programs), ("WHOLE", whole)]
}

/// What an argument takes, in Ansible's words.
struct Taken {
    kind: &'static str,
    elements: Option<&'static str>,
    choices: Vec<&'static str>,
    keys: Option<&'static Keys>,
}

fn taken(kind: &Kind) -> Taken {
    let plain = |kind| Taken { kind, elements: None, choices: Vec::new(), keys: None };
    match kind {
        Kind::Boolean => plain("bool"),
        Kind::BooleanOr(words) | Kind::Word(words) => {
            Taken { choices: words.to_vec(), ..plain("str") }
        }
        Kind::Whole { .. } => plain("int"),
        Kind::WholeOr(..) | Kind::User => plain("raw"),
        Kind::ExitStatuses => Taken { elements: Some("int"), ..plain("list") },
        Kind::Variables => plain("dict"),
        Kind::Map(keys) => Taken { keys: Some(keys), ..plain("dict") },
        Kind::List(item) => {
            let item = taken(item);
            Taken { elements: Some(item.kind), kind: "list", ..item }
        }
        Kind::Signal
        | Kind::Octal
        | Kind::Size
        | Kind::Bytes
        | Kind::Value
        | Kind::ProcessName
        | Kind::Text => plain("str"),
    }
}

fn is_required(key: &Key) -> bool {
    key.default == "required"
}

/// The documentation, as a fragment that modules extend.
fn fragment() -> String {
    let mut text = String::from(HEADER);
    text += "\n\nclass ModuleDocFragment:\n    \"\"\"The keys of the inventory as options.\"\"\"\n";
    for (name, keys) in parts() {
        let _ = write!(text, "\n    {name} = r\"\"\"\noptions:\n");
        document(&mut text, &keys, 2);
        text += "\"\"\"\n";
    }
    text
}

fn document(text: &mut String, keys: &[Key], indent: usize) {
    let margin = " ".repeat(indent);
    for key in keys {
        let taken = taken(&key.kind);
        let _ = writeln!(text, "{margin}{}:\n{margin}  description:", key.name);
        paragraph(text, &marked_up(key.meaning), indent + 4);
        if !matches!(key.default, "" | "required" | "see below") {
            let default = format!("If it is left out: {}.", marked_up(key.default));
            paragraph(text, &default, indent + 4);
        }
        let _ = writeln!(text, "{margin}  type: {}", taken.kind);
        if let Some(elements) = taken.elements {
            let _ = writeln!(text, "{margin}  elements: {elements}");
        }
        if is_required(key) {
            let _ = writeln!(text, "{margin}  required: true");
        }
        if !taken.choices.is_empty() {
            let _ = writeln!(text, "{margin}  choices:");
        }
        for choice in taken.choices {
            let _ = writeln!(text, "{margin}    - '{choice}'");
        }
        if let Some(keys) = taken.keys {
            let _ = writeln!(text, "{margin}  suboptions:");
            document(text, keys.known, indent + 4);
        }
    }
}

/// An item of a list, over as many lines as it needs.
fn paragraph(text: &mut String, content: &str, indent: usize) {
    let margin = " ".repeat(indent);
    let quoted = format!("'{}'", content.replace('\'', "''"));
    let mut line = format!("{margin}-");
    for word in quoted.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = format!("{margin} ");
        }
        let _ = write!(line, " {word}");
    }
    let _ = writeln!(text, "{line}");
}

/// What the guide says of its own page.
const OF_THE_PAGE: [(&str, &str); 4] = [
    (": see [below](#group)", ""),
    (": see [below](#files-by-hand)", ""),
    (" See [Secrets](#secrets).", ""),
    ("all of the table above except", "all keys of a program except"),
];

/// Markdown as Ansible's own markup: code is a value, of a link its text stays.
fn marked_up(markdown: &str) -> String {
    let mut markdown = markdown.to_owned();
    for (words, instead) in OF_THE_PAGE {
        markdown = markdown.replace(words, instead);
    }
    let mut text = String::new();
    for (number, part) in without_links(&markdown).split('`').enumerate() {
        if number % 2 == 0 {
            text += part;
        } else {
            let _ = write!(text, "V({})", part.replace('\\', "\\\\").replace(')', "\\)"));
        }
    }
    text
}

fn without_links(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once('[') {
        text += before;
        match link.split_once("](").and_then(|(name, link)| Some((name, link.split_once(')')?.1))) {
            Some((name, after)) if !name.contains([']', '`']) => {
                text += name;
                rest = after;
            }
            _ => {
                text.push('[');
                rest = link;
            }
        }
    }
    text + rest
}

/// What the arguments take, as `ArgumentSpecValidator` has it.
fn specification() -> String {
    let mut text = String::from(HEADER);
    text += "\nfrom typing import Any\n";
    for (name, keys) in parts() {
        let _ = writeln!(text, "\n{name}: dict[str, dict[str, Any]] = {{");
        specify(&mut text, &keys, 4);
        text += "}\n";
    }
    text
}

fn specify(text: &mut String, keys: &[Key], indent: usize) {
    let margin = " ".repeat(indent);
    for key in keys {
        let taken = taken(&key.kind);
        let _ = writeln!(text, "{margin}\"{}\": {{", key.name);
        let _ = writeln!(text, "{margin}    \"type\": \"{}\",", taken.kind);
        if let Some(elements) = taken.elements {
            let _ = writeln!(text, "{margin}    \"elements\": \"{elements}\",");
        }
        if is_required(key) {
            let _ = writeln!(text, "{margin}    \"required\": True,");
        }
        if !taken.choices.is_empty() {
            let _ = writeln!(text, "{margin}    \"choices\": [");
            for choice in taken.choices {
                let _ = writeln!(text, "{margin}        \"{choice}\",");
            }
            let _ = writeln!(text, "{margin}    ],");
        }
        if let Some(keys) = taken.keys {
            let _ = writeln!(text, "{margin}    \"options\": {{");
            specify(text, keys.known, indent + 8);
            let _ = writeln!(text, "{margin}    }},");
        }
        let _ = writeln!(text, "{margin}}},");
    }
}

const HEADER: &str = "\
# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
\"\"\"Made from the tables of supervisor-sync: UPDATE_DOCS=1 cargo test --lib published.\"\"\"

from __future__ import annotations
";

#[test]
fn published_for_ansible_are_the_tables() {
    assert_published("../ansible/plugins/doc_fragments/keys.py", &fragment());
    assert_published("../ansible/plugins/plugin_utils/keys.py", &specification());
}

#[test]
fn links_and_code_become_markup() {
    let marked = marked_up("See [security](security.md#a), `%(x)s` and `[include]` [a].");
    assert_eq!(marked, "See security, V(%(x\\)s) and V([include]) [a].");
}

/// Nothing of what a site may have is left out of the modules, but for its place.
#[test]
fn modules_take_every_key_of_a_site() {
    let taken: Vec<&str> =
        parts().iter().flat_map(|(_, keys)| keys.iter()).map(|key| key.name).collect();
    for key in site_entry::KEYS.known {
        assert_ne!(taken.contains(&key.name), PLACES.contains(&key.name), "{}", key.name);
    }
}
