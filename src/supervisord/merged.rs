//! All of supervisord's files as one, as its parser holds them: sections in order of first appearance,
//! a later value of a key in place of an earlier one. And where each value was set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ini::Ini;

/// The sections that are wanted of some files.
#[derive(Debug, Clone)]
pub struct Merged {
    is_wanted: fn(&str) -> bool,
    files: Vec<PathBuf>,
    sections: Vec<MergedSection>,
    by_name: BTreeMap<String, usize>,
}

/// A section of all files together.
#[derive(Debug, Clone)]
pub struct MergedSection {
    /// What stands between the brackets.
    pub name: String,
    /// Its headers, in order.
    pub headers: Vec<Position>,
    options: Vec<Setting>,
}

/// A value that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// In lower case, as Python's parser has every option.
    pub key: String,
    /// With `%(here)s` replaced by the folder of the file that says it, and otherwise not expanded.
    pub value: String,
    /// Where it stands.
    pub at: Position,
}

/// A line of one of the files; the later one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    file: usize,
    /// Counted from 1, within its file.
    pub line: u32,
}

impl Merged {
    /// No file yet. Only sections whose name `is_wanted` are kept; `[DEFAULT]` always is.
    pub fn of(is_wanted: fn(&str) -> bool) -> Self {
        Self { is_wanted, files: Vec::new(), sections: Vec::new(), by_name: BTreeMap::new() }
    }

    /// Adds a file, the main one first. `%(here)s` is the folder of the file that says it, replaced
    /// before any other expansion.
    pub fn add(&mut self, path: &Path, ini: &Ini) {
        let file = self.files.len();
        self.files.push(path.to_owned());
        let here = folder(path);
        for section in &ini.sections {
            if section.name != DEFAULT && !(self.is_wanted)(&section.name) {
                continue;
            }
            let merged = self.section_mut(&section.name);
            merged.headers.push(Position { file, line: section.line });
            for entry in &section.entries {
                merged.options.retain(|option| option.key != entry.key);
                merged.options.push(Setting {
                    key: entry.key.clone(),
                    value: entry.value.replace("%(here)s", &here),
                    at: Position { file, line: entry.line },
                });
            }
        }
    }

    fn section_mut(&mut self, name: &str) -> &mut MergedSection {
        let next = self.sections.len();
        let at = *self.by_name.entry(name.to_owned()).or_insert(next);
        if at == next {
            let (headers, options) = (Vec::new(), Vec::new());
            self.sections.push(MergedSection { name: name.to_owned(), headers, options });
        }
        &mut self.sections[at]
    }

    /// The sections but for `[DEFAULT]`, in supervisord's order.
    pub fn sections(&self) -> impl Iterator<Item = &MergedSection> {
        self.sections.iter().filter(|section| section.name != DEFAULT)
    }

    /// One of them, `[DEFAULT]` too.
    pub fn section(&self, name: &str) -> Option<&MergedSection> {
        self.by_name.get(name).map(|at| &self.sections[*at])
    }

    /// What an option of a section is. `[DEFAULT]` shows in every section that does not say otherwise.
    pub fn setting(&self, section: &str, key: &str) -> Option<&Setting> {
        [section, DEFAULT].into_iter().find_map(|name| self.section(name)?.own(key))
    }

    /// All that is in force for a section, each with the name of the section that says it.
    pub fn settings<'m>(
        &'m self,
        section: &'m MergedSection,
    ) -> impl Iterator<Item = (&'m str, &'m Setting)> {
        let default = self.section(DEFAULT).into_iter().flat_map(|default| &default.options);
        let default = default.filter(|setting| section.own(&setting.key).is_none());
        let own = section.options.iter().map(|setting| (section.name.as_str(), setting));
        own.chain(default.map(|setting| (DEFAULT, setting)))
    }

    /// The value that is in force for an option, not expanded.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.setting(section, key).map(|setting| setting.value.as_str())
    }

    /// The file of a place.
    pub fn file(&self, at: Position) -> &Path {
        &self.files[at.file]
    }
}

impl MergedSection {
    /// All that it says itself.
    pub fn own_settings(&self) -> impl Iterator<Item = &Setting> {
        self.options.iter()
    }

    /// What the section itself says of an option.
    pub fn own(&self, key: &str) -> Option<&Setting> {
        self.options.iter().find(|option| option.key == key)
    }
}

/// The section whose options show in all others.
pub const DEFAULT: &str = "DEFAULT";

pub(super) fn folder(path: &Path) -> String {
    path.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned()
}
