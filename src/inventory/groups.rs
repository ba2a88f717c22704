//! `group:` of programs and `groups:` of a site: programs that supervisord adds, stops and removes together.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::fields::{Fields, Reader};
use super::file::Span;
use super::findings::Finding;
use super::keys::{Key, Keys, Kind};
use super::name::{ConfigName, FullName};
use super::program::{Instances, Program};
use super::resolve::unique;
use super::suggest::nearest;

const LARGEST: i64 = i32::MAX as i64;

/// The keys of an item of `groups`.
pub(super) static KEYS: Keys = Keys {
    of: "a group",
    known: &[
        Key::new("group", Kind::Text, "workers", "Its name, as `group` of its programs says it.")
            .default("required"),
        Key::new(
            "priority",
            Kind::Whole { least: -LARGEST, most: LARGEST },
            "50",
            "Order of start and stop among groups; low ones start first. It may be negative.",
        )
        .default("supervisord's (999)"),
        Key::new(
            "file",
            Kind::Text,
            "workers.conf",
            "The name of the file in `conf_dir` that its section is in, at the end.",
        )
        .default("that of its first program"),
    ],
    instead: &[("name", "group"), ("programs", "write `group: NAME` at each of its programs")],
    shared: false,
};

/// A group that programs of a site name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramGroup {
    /// Its name in supervisord.
    pub name: FullName,
    /// `priority=`; supervisord's own if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// The file of its section; that of its first program if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<ConfigName>,
}

impl Program {
    /// What it goes by where programs are named: supervisord stops and starts a group as a whole, so its
    /// programs go by the group's name.
    pub(crate) fn goes_by(&self) -> &str {
        self.group.as_ref().map_or(self.name.as_str(), FullName::as_str)
    }
}

/// The groups of a site, in the order in which its programs name them, and the place of each.
pub(super) fn read(
    reader: &mut Reader<'_, '_>,
    fields: &Fields<'_>,
    programs: &[(Span, Program)],
) -> Vec<(Span, ProgramGroup)> {
    let mut groups: Vec<(Span, ProgramGroup)> = Vec::new();
    for (at, program) in programs {
        let Some(name) = &program.group else { continue };
        if groups.iter().all(|(_, group)| group.name != *name) {
            let group = ProgramGroup { name: name.clone(), priority: None, file: None };
            groups.push((*at, group));
        }
    }
    let mut said = HashMap::new();
    let items = fields.get("groups").and_then(|node| reader.list(node, "groups"));
    for node in items.unwrap_or_default() {
        let Some(item) = reader.fields(node, &KEYS) else { continue };
        let Some(name) = reader.required(&item, "group", "a group", "workers") else { continue };
        let Some(text) = reader.text(name, "group") else { continue };
        unique(reader, &mut said, text, name.at, "group");
        let priority = reader.number(&item, "priority");
        let file = item.get("file").and_then(|node| reader.parse(node, "file", ConfigName::parse));
        match groups.iter_mut().find(|(_, group)| group.name.as_str() == text) {
            Some((_, group)) => (group.priority, group.file) = (priority, file),
            None => {
                let names = groups.iter().map(|(_, group)| group.name.as_str());
                let near = nearest(text, names.collect::<Vec<_>>());
                let finding = Finding::new(name.at, "no program of the site is in this group");
                reader.push(match near {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help(format!("write `group: {text}` at its programs")),
                });
            }
        }
    }
    for (_, group) in &groups {
        check(reader, group, programs);
    }
    groups
}

/// Refuses what its programs cannot have together, or one of them at all: supervisord knows one group.
fn check(reader: &mut Reader<'_, '_>, group: &ProgramGroup, programs: &[(Span, Program)]) {
    let name = &group.name;
    let members: Vec<&(Span, Program)> =
        programs.iter().filter(|(_, program)| program.group.as_ref() == Some(name)).collect();
    let Some((first_at, first)) = members.first() else { return };
    if let Some((at, _)) = programs
        .iter()
        .find(|(_, other)| other.name.as_str() == name.as_str() && other.group.is_none())
    {
        let text = format!("the group `{name}` is called as a program of the site");
        reader.push(
            Finding::new(*first_at, text)
                .see(*at, "that program")
                .help("give the group another name: its programs go by it, as in `--program NAME`"),
        );
    }
    let mut probed: Option<Span> = None;
    for (at, program) in &members {
        if program.instances == Instances::Separate {
            let text = "`instances: separate` does not go with `group`: each instance is a group of its own";
            reader.push(Finding::new(*at, text).help("remove one of the two"));
        }
        if program.restart != first.restart {
            let text = format!("the programs of the group `{name}` differ in `restart`");
            reader.push(
                Finding::new(*at, text)
                    .see(*first_at, "another one is here")
                    .help("supervisord replaces the group as a whole: write the same for all"),
            );
        }
        if program.health.probe.is_some() {
            if let Some(other) = probed {
                let text = format!("two programs of the group `{name}` have a `probe`");
                reader.push(
                    Finding::new(*at, text)
                        .see(other, "the other one is here")
                        .help("the group is healthy or not as a whole: one of them can be asked"),
                );
            }
            probed = Some(*at);
        }
    }
}
