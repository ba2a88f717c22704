//! The options of the site's programs as its files have them, for telling what changes. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{SitePlan, StopSignal, StopSignals};
use crate::actual::ActualSite;
use crate::desired::FileKind;
use crate::inventory::config_file::{header, list};
use crate::inventory::{Signal, naming};
use crate::supervisord::{GroupKind, ReadBy, defaults, ini, meaning};

/// What is asked of a program whose file stays as it is. A host with thousands of programs changes few
/// of them at a time.
const ALWAYS_ASKED: [&str; 5] = [LOGS[0], LOGS[1], "stopwaitsecs", "stopsignal", "stopasgroup"];

/// What programs write to.
const LOGS: [&str; 2] = ["stdout_logfile", "stderr_logfile"];

/// The logs that the options of a program name.
pub(super) fn logs(options: &BTreeMap<String, String>) -> impl Iterator<Item = &Path> {
    LOGS.iter().filter_map(|option| options.get(*option)).map(Path::new)
}

/// The `[program:NAME]` sections of the site's files, parsed once: NAME -> option -> what it says, as
/// [`meaning`] has it: another spelling restarts nothing.
pub(super) struct Sections {
    /// Of the files as they are; of those that stay so, only what [`ALWAYS_ASKED`] names.
    pub(super) before: BTreeMap<String, BTreeMap<String, String>>,
    /// Of those files that change, as they will be.
    pub(super) after: BTreeMap<String, BTreeMap<String, String>>,
    /// The program that the name of the file tells that defines a group; that of a file of several
    /// programs does not tell.
    pub(super) program: BTreeMap<String, String>,
}

impl Sections {
    /// Whether any of the files as they are logs below one of these folders.
    pub(super) fn log_below(&self, folders: &[PathBuf]) -> bool {
        let mut logs = self.before.values().flat_map(logs);
        logs.any(|log| folders.iter().any(|folder| log.starts_with(folder)))
    }

    pub(super) fn read(plan: &SitePlan, actual: &ActualSite, read_by: &ReadBy<'_>) -> Self {
        let wanted = plan.files.values().filter_map(|change| change.after.as_ref());
        let after = wanted.filter(|file| file.kind == FileKind::Supervisor);
        let mut after: Vec<Named> =
            after.flat_map(|file| sections(&file.bytes, &|_| true, read_by)).collect();
        let wanted: BTreeSet<String> = after.iter().map(|one| one.name.clone()).collect();
        // Also what somebody else wrote and this one replaces: it is taken over, and goes on to run. Of
        // that only what is wanted: the rest is still theirs.
        let replaced = |path: &PathBuf| plan.files.get(path).is_some_and(|it| it.after.is_some());
        let found =
            actual.files.iter().filter(|(path, _)| actual.owned.contains(*path) || replaced(path));
        let (mut before, mut stay): (Vec<Named>, Vec<&[u8]>) = Default::default();
        let mut touched = wanted.clone();
        let mut program = BTreeMap::new();
        for (path, entry) in found {
            let stem = naming::configured_by(naming::file_name(path));
            let by_name = stem.and_then(|stem| naming::program_by_name(&plan.domain, stem));
            let changes = plan.files.contains_key(path);
            let bytes = entry.bytes().unwrap_or_default();
            let is_asked = |key: &str| changes || ALWAYS_ASKED.contains(&key) || key == "programs";
            let mut sections = sections(bytes, &is_asked, read_by);
            if !actual.owned.contains(path) {
                sections.retain(|one| wanted.contains(&one.name));
            }
            match changes {
                true => touched.extend(sections.iter().map(|one| one.name.clone())),
                false => stay.push(bytes),
            }
            if let Some(name) = by_name {
                program.extend(sections.iter().map(|one| (one.name.clone(), name.to_owned())));
            }
            before.extend(sections);
        }
        // A group can be spread over files of which some stay: it changes with any of them.
        let spread = spread_groups(before.iter().chain(&after), &touched);
        if !spread.is_empty() {
            for one in stay.into_iter().flat_map(|bytes| sections(bytes, &|_| true, read_by)) {
                if spread.contains(&one.name) && !wanted.contains(&one.name) {
                    before.retain(|other| other.name != one.name);
                    before.push(one.clone());
                    after.push(one);
                }
            }
        }
        Self { before: by_group(before), program, after: by_group(after) }
    }
}

impl Sections {
    /// How supervisord stops the processes of a group. `is_loaded` says whether it has loaded the file
    /// as it is.
    pub(super) fn stop_signals(&self, group: &str, is_loaded: bool) -> StopSignals {
        let former = self.before.get(group).map(stop_signal);
        StopSignals {
            loaded: former.filter(|_| is_loaded),
            former,
            new: self.after.get(group).map(stop_signal).or(former),
        }
    }
}

/// What these options say, by supervisord's own defaults where they say nothing.
fn stop_signal(options: &BTreeMap<String, String>) -> StopSignal {
    let signal = options.get("stopsignal").and_then(|name| Signal::parse(name));
    let as_group = options.get("stopasgroup");
    StopSignal {
        signal: signal.unwrap_or(Signal::Term),
        as_group: as_group.map_or(defaults::STOPASGROUP, |text| ini::is_true(text)),
    }
}

/// The names of the groups of which a section is in a file that changes, and of all their programs.
fn spread_groups<'n>(
    sections: impl Iterator<Item = &'n Named>,
    touched: &BTreeSet<String>,
) -> BTreeSet<String> {
    let mut spread = BTreeSet::new();
    for group in sections.filter(|one| one.is_group) {
        let mut names = list(group.options.get("programs").map_or("", String::as_str));
        names.push(group.name.clone());
        if names.iter().any(|name| touched.contains(name)) {
            spread.extend(names);
        }
    }
    spread
}

/// A section that makes a group, or processes of one.
#[derive(Clone)]
struct Named {
    name: String,
    is_group: bool,
    options: BTreeMap<String, String>,
}

/// The sections of a file with those of their options that are asked for.
fn sections(bytes: &[u8], is_asked: &dyn Fn(&str) -> bool, read_by: &ReadBy<'_>) -> Vec<Named> {
    let parsed = ini::parse(&String::from_utf8_lossy(bytes)).map(|parsed| parsed.sections);
    let mut sections = Vec::new();
    for section in parsed.unwrap_or_default() {
        let Some((kind, name)) = header(&section.name) else { continue };
        let (name, is_group) = (name.to_owned(), kind == GroupKind::Group);
        let entries = section.entries.into_iter().filter(|entry| is_asked(&entry.key));
        let options = entries.map(|entry| (entry.key, entry.value)).collect();
        sections.push(Named { name, is_group, options: meaning(kind, &options, read_by) });
    }
    sections
}

/// The options of each group. Those of a `[group:]` are its own and, with their names before them, those
/// of the programs that it takes in: supervisord restarts them all for any.
fn by_group(sections: Vec<Named>) -> BTreeMap<String, BTreeMap<String, String>> {
    let (groups, mut makers): (Vec<_>, Vec<_>) = sections.into_iter().partition(|one| one.is_group);
    let mut all = BTreeMap::new();
    for mut group in groups {
        for member in list(group.options.get("programs").map_or("", String::as_str)) {
            if let Some(at) = makers.iter().position(|one| one.name == member) {
                let options = makers.swap_remove(at).options.into_iter();
                group
                    .options
                    .extend(options.map(|(key, value)| (format!("{member}.{key}"), value)));
            }
        }
        all.insert(group.name, group.options);
    }
    all.extend(makers.into_iter().map(|one| (one.name, one.options)));
    all
}
