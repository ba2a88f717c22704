//! Hand-written supervisor configs of a site: shipped as they are, and read for what they define.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::name::ConfigName;
use super::naming::process_expansion;
use crate::supervisord::{GroupHeader, GroupKind, defaults, ini};

/// One file, whose bytes are those that lie beside the inventory.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Its name, there as on the server.
    pub name: ConfigName,
    /// Its text. It may hold environment values, so it is not shown.
    pub text: String,
}

impl std::fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConfigFile({}, {} bytes)", self.name, self.text.len())
    }
}

/// The kind and the name of a section; `None` of one that is not a site's to have.
pub(crate) fn header(section: &str) -> Option<(GroupKind, &str)> {
    GroupHeader::parse(section).map(|header| (header.kind, header.name))
}

/// A section that makes processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// What it says; supervisord takes the last of two.
    pub(crate) options: BTreeMap<String, String>,
}

/// A group that the configs of a site make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigGroup {
    pub(crate) name: String,
    /// The file of its own section.
    pub(crate) file: ConfigName,
    /// The sections of its processes: its own one, or those that a `[group:]` names.
    pub(crate) members: Vec<Member>,
}

impl Member {
    /// An option that is a number, as supervisord has it where it is not set.
    pub(crate) fn number(&self, name: &str, default: u32) -> u32 {
        let text = self.options.get(name).map(|text| text.trim());
        text.and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// The numbers of its processes, and how many there are.
    pub(crate) fn numbers(&self) -> (std::ops::Range<u32>, u32) {
        let (first, count) =
            (self.number("numprocs_start", 0), self.number("numprocs", defaults::NUMPROCS));
        // What is beyond that is refused where the file is read.
        let count = count.min(super::program::MOST_PROCESSES);
        (first..first.saturating_add(count), count)
    }

    /// The files that its processes write to, as far as that does not depend on the host.
    pub(crate) fn log_files(&self, group: &str) -> Vec<PathBuf> {
        let (numbers, count) = self.numbers();
        let mut files = Vec::new();
        let mut seen = BTreeSet::new();
        for key in ["stdout_logfile", "stderr_logfile"] {
            let Some(value) = self.options.get(key) else { continue };
            for number in numbers.clone() {
                let lookup = |name: &str| match name {
                    "program_name" => Some(self.name.clone()),
                    _ => process_expansion(name, group, number, count),
                };
                let once = ini::expand(value, &lookup).ok();
                let path = once.and_then(|once| ini::expand(&once, &lookup).ok());
                let path = path.map(PathBuf::from).filter(|path| path.is_absolute());
                let path = path.filter(|path| !path.starts_with("/dev"));
                files.extend(path.filter(|path| seen.insert(path.clone())));
            }
        }
        files
    }
}

impl ConfigFile {
    /// The names of its sections, each of which is nobody else's.
    pub(crate) fn section_names(&self) -> Vec<String> {
        let sections = ini::parse(&self.text).map(|parsed| parsed.sections).unwrap_or_default();
        let names = sections.iter().filter_map(|section| header(&section.name));
        names.map(|(_, name)| name.to_owned()).collect()
    }

    /// Whether it holds values of environment variables.
    pub(crate) fn is_secret(&self) -> bool {
        let sections = ini::parse(&self.text).map(|parsed| parsed.sections).unwrap_or_default();
        sections.iter().any(|section| section.get("environment").is_some())
    }
}

/// The groups that files define together, in their order. What supervisord would refuse was refused before.
pub(crate) fn groups(files: &[ConfigFile]) -> Vec<ConfigGroup> {
    let mut makers: Vec<(&ConfigName, Member)> = Vec::new();
    let mut named: Vec<(&ConfigName, String, Vec<String>)> = Vec::new();
    for file in files {
        let sections = ini::parse(&file.text).map(|parsed| parsed.sections).unwrap_or_default();
        for section in sections {
            let Some((kind, name)) = header(&section.name) else { continue };
            let name = name.to_owned();
            if kind == GroupKind::Group {
                named.push((&file.name, name, list(section.get("programs").unwrap_or_default())));
            } else {
                let options = section.entries.into_iter().map(|e| (e.key, e.value)).collect();
                makers.push((&file.name, Member { name, options }));
            }
        }
    }
    let taken: BTreeSet<&String> = named.iter().flat_map(|(.., members)| members).collect();
    let own = makers.iter().filter(|(_, member)| !taken.contains(&member.name));
    let own = own.map(|(file, member)| ConfigGroup {
        name: member.name.clone(),
        file: (*file).clone(),
        members: vec![member.clone()],
    });
    let heterogeneous = named.iter().map(|(file, name, members)| ConfigGroup {
        name: name.clone(),
        file: (*file).clone(),
        members: members
            .iter()
            .filter_map(|name| makers.iter().find(|(_, member)| member.name == *name))
            .map(|(_, member)| member.clone())
            .collect(),
    });
    heterogeneous.chain(own).collect()
}

/// The items of a list as supervisord splits it.
pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> ConfigFile {
        ConfigFile { name: ConfigName::parse(name).unwrap(), text: text.to_owned() }
    }

    #[test]
    fn group_takes_programs_from_any_file() {
        let files = [
            file("g.conf", "[group:g]\nprograms=a, b\n[eventlistener:l]\nevents=TICK_5\n"),
            file("p.conf", "[program:a]\ncommand=x\n[fcgi-program:b]\n[program:c]\nCommand=y\n"),
        ];
        let found = groups(&files);
        let names = |group: &ConfigGroup| -> Vec<String> {
            group.members.iter().map(|member| member.name.clone()).collect()
        };
        let found: Vec<_> = found
            .iter()
            .map(|group| (group.name.as_str(), names(group), group.file.as_str()))
            .collect();
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                ("g", of(&["a", "b"]), "g.conf"),
                ("l", of(&["l"]), "g.conf"),
                ("c", of(&["c"]), "p.conf")
            ]
        );
    }

    #[test]
    fn logs_are_those_of_each_process() {
        let text = "[program:a]\nnumprocs=2\nnumprocs_start=1\nstderr_logfile=NONE\n\
                    stdout_logfile=/l/%(group_name)s-%(program_name)s-%(process_num)d\n";
        let found = groups(&[file("a.conf", text)]);
        let logs = found[0].members[0].log_files("g");
        assert_eq!(logs, ["/l/g-a-1", "/l/g-a-2"].map(PathBuf::from));
        assert!(!file("a.conf", text).is_secret());
        assert!(file("a.conf", "[program:a]\nENVIRONMENT : A=b\n").is_secret());
    }
}
