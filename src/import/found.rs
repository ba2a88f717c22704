//! Config files as they were found: which of them can be taken at all, and which belong together.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::inventory::ConfigName;
use crate::inventory::config_file::{header, list};
use crate::supervisord::GroupKind;
use crate::supervisord::ini::{self, Section};

/// A config file as it was found.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// Where it leads to, if it is a symbolic link to a file that can be read.
    pub(crate) link: Option<PathBuf>,
    /// Why it cannot be taken, whatever it says.
    pub(crate) obstacle: Option<String>,
}

pub(super) type Read = (Found, Vec<Section>);

/// The sections of a file that can be taken as it is; else where, and why not.
pub(super) fn read_file(file: &Found) -> Result<Vec<Section>, (Option<u32>, String)> {
    if let Some(obstacle) = &file.obstacle {
        return Err((None, obstacle.clone()));
    }
    if config_name(&file.path).is_none() {
        let only =
            "its name must end in .conf or .ini, and have letters, digits and any of . - _ + @ =";
        return Err((None, only.to_owned()));
    }
    let text =
        std::str::from_utf8(&file.bytes).map_err(|_| (None, "it is not UTF-8 text".to_owned()))?;
    let sections = ini::parse(text).map_err(|error| (Some(error.line), error.reason))?.sections;
    if sections.is_empty() {
        return Err((None, "there is no section in it".to_owned()));
    }
    match sections.iter().find(|section| header(&section.name).is_none()) {
        None => Ok(sections),
        Some(other) => {
            let reason = format!("[{}] is about the whole of supervisord, not a site", other.name);
            Err((Some(other.line), reason))
        }
    }
}

pub(super) fn config_name(path: &Path) -> Option<ConfigName> {
    ConfigName::parse(path.file_name()?.to_str()?).ok()
}

pub(super) fn makes_processes(section: &str) -> bool {
    ["[program:", "[fcgi-program:", "[eventlistener:"].iter().any(|kind| section.starts_with(kind))
}

pub(super) fn missing_member(section: &Section, programs: &BTreeSet<String>) -> Option<String> {
    let (GroupKind::Group, _) = header(&section.name)? else { return None };
    let members = list(section.get("programs").unwrap_or_default());
    members.into_iter().find(|member| !programs.contains(member))
}

/// The files that belong together, by a number of their own.
pub(super) fn joined(read: Vec<Read>) -> Vec<(usize, Vec<Read>)> {
    let mut number: Vec<usize> = (0..read.len()).collect();
    for (at, (_, sections)) in read.iter().enumerate() {
        for section in sections {
            let Some((GroupKind::Group, _)) = header(&section.name) else { continue };
            for member in list(section.get("programs").unwrap_or_default()) {
                let other = read.iter().position(|(_, sections)| defines(sections, &member));
                let Some(other) = other else { continue };
                let (from, to) = (number[other], number[at]);
                for one in &mut number {
                    if *one == from {
                        *one = to;
                    }
                }
            }
        }
    }
    let mut together: BTreeMap<usize, Vec<Read>> = BTreeMap::new();
    for (read, number) in read.into_iter().zip(number) {
        together.entry(number).or_default().push(read);
    }
    together.into_iter().collect()
}

fn defines(sections: &[Section], name: &str) -> bool {
    let mut headers = sections.iter().filter_map(|section| header(&section.name));
    headers.any(|(kind, other)| kind != GroupKind::Group && other == name)
}

/// The programs that groups take in, each with its groups.
pub(super) fn taken_in(read: &[Read]) -> BTreeMap<String, Vec<String>> {
    let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for section in read.iter().flat_map(|(_, sections)| sections) {
        let Some((GroupKind::Group, group)) = header(&section.name) else { continue };
        for member in list(section.get("programs").unwrap_or_default()) {
            taken.entry(member).or_default().push(group.to_owned());
        }
    }
    taken
}
