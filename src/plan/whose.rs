//! Which program a group or a file of a site is of: as it was recorded, as it is wanted, and only where
//! neither says so as its name has it. Pure.

use std::collections::BTreeSet;
use std::path::Path;

use crate::desired::{DesiredSite, FileKind};
use crate::inventory::naming;
use crate::records::Revision;
use crate::supervisord::{GroupHeader, ini};

/// What tells of the programs of a site's groups and files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    /// How the site should be.
    pub(crate) desired: &'a DesiredSite,
    /// What was applied last.
    pub(crate) record: Option<&'a Revision>,
}

impl Whose<'_> {
    /// The program of a group that is there, `file` being the one that defines it.
    pub(crate) fn program(&self, group: &str, file: Option<&Path>) -> String {
        let recorded = self.record.and_then(|record| record.groups.get(group));
        if let Some(known) = recorded.or_else(|| self.desired.groups.get(group)) {
            return known.program.clone();
        }
        let domain = &self.desired.domain;
        let stem = file.and_then(|file| naming::configured_by(naming::file_name(file)));
        if let Some(program) = stem.and_then(|stem| naming::program_by_name(domain, stem)) {
            return program.to_owned();
        }
        let name = naming::program_by_name(domain, group).unwrap_or(group);
        // One of separate instances, if there is a program that it could be of.
        let base = naming::base_of(name);
        if self.is_program(base) { base.to_owned() } else { name.to_owned() }
    }

    fn is_program(&self, name: &str) -> bool {
        let recorded = self.record.iter().flat_map(|record| record.groups.values());
        self.desired.groups.values().chain(recorded).any(|group| group.program == name)
    }

    /// The programs of a file that is there, `bytes` being its content.
    pub(crate) fn programs(&self, path: &Path, kind: FileKind, bytes: &[u8]) -> BTreeSet<String> {
        let recorded = self.record.and_then(|record| record.files.get(path));
        let wanted = self.desired.files.get(path);
        let is_by_hand = recorded.is_some_and(|file| file.verbatim)
            || recorded.is_none() && wanted.is_some_and(|file| file.verbatim);
        if kind == FileKind::Supervisor && !is_by_hand {
            let groups = programs_in(bytes);
            let programs: BTreeSet<String> =
                groups.iter().map(|group| self.program(group, Some(path))).collect();
            if !programs.is_empty() {
                return programs;
            }
        }
        let recorded = recorded.map(|file| &file.programs);
        let wanted = wanted.map(|file| &file.programs);
        // Records of former releases do not say it.
        let known = recorded.into_iter().chain(wanted).find(|programs| !programs.is_empty());
        known.cloned().unwrap_or_else(|| [self.by_file_name(path, kind)].into())
    }

    fn by_file_name(&self, path: &Path, kind: FileKind) -> String {
        let name = naming::file_name(path);
        let full = match kind {
            FileKind::Supervisor => naming::configured_by(name),
            FileKind::Logrotate => naming::rotated_by(name),
        };
        let full = full.unwrap_or(name);
        naming::program_by_name(&self.desired.domain, full).unwrap_or(full).to_owned()
    }
}

/// The names of the `[program:NAME]` sections of a supervisor config; none of one that cannot be read.
fn programs_in(bytes: &[u8]) -> Vec<String> {
    let sections = ini::parse(&String::from_utf8_lossy(bytes)).map(|parsed| parsed.sections);
    let sections = sections.unwrap_or_default().into_iter();
    sections.filter_map(|one| Some(GroupHeader::name_of_program(&one.name)?.to_owned())).collect()
}
