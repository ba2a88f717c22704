//! What is wanted, narrowed to what is asked for. Pure.
//!
//! In an apply of some programs of a site the others are wanted as they are: so the plan of the site
//! has nothing for them, and the revision that is recorded still holds all of the site's files. A
//! start or restart is of what was applied, whatever the inventory says by now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::whose::Whose;
use super::{FileChange, Situation};
use crate::desired::{DesiredFile, DesiredGroup, DesiredSite, FileKind};
use crate::inventory::{Autorestart, Health, RestartPolicy};
use crate::supervisord::ini::{self, Section};
use crate::supervisord::{GroupHeader, defaults};

/// What is wanted of the programs that are meant, and for the rest what is there.
pub(super) fn narrowed(situation: &Situation<'_>) -> DesiredSite {
    let Situation { programs, desired, actual, .. } = *situation;
    let mut narrowed = desired.clone();
    narrowed.files = files(situation, &there(situation));
    narrowed.groups.retain(|_, group| programs.have(&group.program));
    // The others as recorded, not as their files are: of what somebody has edited since, this apply
    // neither takes anything up nor says that it was applied.
    let record = actual.record.as_ref();
    let recorded = record.iter().flat_map(|record| &record.groups);
    let others = recorded.filter(|(_, group)| !programs.have(&group.program));
    narrowed.groups.extend(others.map(|(name, group)| (name.clone(), group.clone())));
    // The files that will be there say it, so that each group that is wanted has its section.
    if record.is_none() {
        let configs = narrowed.files.iter().filter(|(_, file)| file.kind == FileKind::Supervisor);
        let configs = configs.map(|(path, file)| (path.as_path(), file.bytes.as_slice()));
        let found = groups_in_files(situation, configs);
        let others = found.into_iter().filter(|(_, group)| !programs.have(&group.program));
        narrowed.groups.extend(others);
    }
    narrowed
}

/// What is recorded of it: of the other programs what was applied, not what somebody has made of
/// their files since, so that this is still told.
pub(super) fn to_record(situation: &Situation<'_>, mut narrowed: DesiredSite) -> DesiredSite {
    let Some(record) = &situation.actual.record else { return narrowed };
    narrowed.files = files(situation, &record.as_desired().files);
    narrowed
}

/// The site's own files as they are.
fn there(situation: &Situation<'_>) -> BTreeMap<PathBuf, DesiredFile> {
    let Situation { desired, actual, .. } = *situation;
    let mut there = BTreeMap::new();
    for path in &actual.owned {
        let Some(bytes) = actual.files.get(path).and_then(|entry| entry.bytes()) else { continue };
        let kind = actual.kinds.get(path).copied().unwrap_or(FileKind::Supervisor);
        let recorded = actual.record.as_ref().and_then(|record| record.files.get(path));
        let wanted = desired.files.get(path);
        let secret = recorded.map(|file| file.secret).or(wanted.map(|file| file.secret));
        let secret = secret.unwrap_or(false);
        let verbatim = recorded.is_some_and(|file| file.verbatim);
        let (bytes, programs) = (bytes.to_vec(), BTreeSet::new());
        let former = None;
        let file = DesiredFile { kind, bytes, secret, programs, verbatim, former };
        there.insert(path.clone(), file);
    }
    there
}

/// The files that are wanted of the programs that are meant, and those of the others as they are in
/// `kept`.
fn files(
    situation: &Situation<'_>,
    kept: &BTreeMap<PathBuf, DesiredFile>,
) -> BTreeMap<PathBuf, DesiredFile> {
    let wanted = &situation.desired.files;
    let paths: BTreeSet<&PathBuf> = wanted.keys().chain(kept.keys()).collect();
    let mut files = BTreeMap::new();
    for path in paths {
        if let Some(file) = file(situation, path, wanted.get(path), kept.get(path)) {
            files.insert(path.clone(), file);
        }
    }
    files
}

/// One of them. Of a file that programs share which are meant and which are not, each has its sections.
fn file(
    situation: &Situation<'_>,
    path: &Path,
    wanted: Option<&DesiredFile>,
    kept: Option<&DesiredFile>,
) -> Option<DesiredFile> {
    let programs = situation.programs;
    let whose = whose(situation);
    let of_kept = kept.map(|kept| whose.programs(path, kept.kind, &kept.bytes));
    let of_kept = of_kept.unwrap_or_default();
    let new = wanted.iter().flat_map(|file| &file.programs);
    let all: BTreeSet<&String> = new.clone().chain(&of_kept).collect();
    // Whole files first: only one that both share is merged, since a merge loses what stands before
    // the first section.
    match (all.iter().any(|p| programs.have(p)), all.iter().all(|p| programs.have(p))) {
        (false, _) => return kept.map(|kept| DesiredFile { programs: of_kept, ..kept.clone() }),
        (true, true) => return wanted.cloned(),
        // Nobody takes a file apart that somebody wrote by hand.
        (true, false) if [wanted, kept].into_iter().flatten().any(|file| file.verbatim) => {
            return wanted.cloned();
        }
        (true, false) => {}
    }
    let recorded = situation.actual.record.as_ref().and_then(|record| record.files.get(path));
    let new_text = text(wanted.map(|file| file.bytes.as_slice()));
    let merge = |there: String| {
        merged(
            &there,
            &|group| programs.have(&whose.program(group, Some(path))),
            &new_text,
            // The inventory before the record: a group can have gone to another program.
            &|group| match situation.desired.groups.get(group) {
                Some(wanted) => programs.have(&wanted.program),
                None => programs.have(&whose.program(group, Some(path))),
            },
        )
    };
    // What nobody can read says nothing of the others; what was applied does.
    let recorded_bytes = recorded.map(|file| &*file.content);
    let bytes = merge(text(kept.map(|file| file.bytes.as_slice())))
        .or_else(|_| merge(text(recorded_bytes)))
        .unwrap_or_else(|_| new_text.clone());
    let others = of_kept.iter().filter(|p| !programs.have(p));
    let programs = new.filter(|p| programs.have(p)).chain(others);
    (!bytes.is_empty()).then(|| DesiredFile {
        kind: FileKind::Supervisor,
        bytes: bytes.into(),
        secret: wanted.is_some_and(|file| file.secret) || recorded.is_some_and(|file| file.secret),
        programs: programs.cloned().collect(),
        verbatim: false,
        former: None,
    })
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

/// Of two texts of one file the sections of `new` that are meant and those of `there` that are not, in
/// the order of `new`.
fn merged(
    there: &str,
    is_meant_there: &dyn Fn(&str) -> bool,
    new: &str,
    is_meant: &dyn Fn(&str) -> bool,
) -> Result<String, ini::IniError> {
    let mut others = ini::blocks(there)?;
    others.retain(|(section, _)| !is_meant_there(group_of(section)));
    let mut lines = Vec::new();
    for (section, block) in ini::blocks(new)? {
        if is_meant(group_of(&section)) {
            lines.push(block);
        } else if let Some(place) = others.iter().position(|(other, _)| *other == section) {
            lines.push(others.remove(place).1);
        }
    }
    lines.extend(others.iter().map(|(_, block)| *block));
    let lines = lines.iter().map(|block| format!("{}\n", block.trim_end()));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn group_of(section: &str) -> &str {
    GroupHeader::name_of_program(section).unwrap_or(section)
}

fn whose<'a>(situation: &Situation<'a>) -> Whose<'a> {
    Whose { desired: situation.desired, record: situation.actual.record.as_ref() }
}

/// `desired` for processes alone: the groups of each program as supervisord loads them, whatever the
/// inventory says by now. How they are restarted and when they are healthy is not in a file, so for
/// that the inventory counts at once.
pub(super) fn as_applied(situation: &Situation<'_>) -> DesiredSite {
    let Situation { desired, actual, .. } = *situation;
    let there = groups_there(situation);
    let mut applied = desired.clone();
    for (name, group) in &there {
        let now = desired.groups.values().find(|now| now.program == group.program);
        let Some(now) = now else { continue };
        applied.groups.retain(|name, now| now.program != group.program || there.contains_key(name));
        let recorded = actual.record.as_ref().and_then(|record| record.groups.get(name));
        let (restart, health) = (now.restart, now.health.clone());
        let release = recorded.map_or(&now.release, |recorded| &recorded.release).clone();
        applied
            .groups
            .insert(name.clone(), DesiredGroup { restart, health, release, ..group.clone() });
    }
    applied
}

/// The site's groups as its files have them; those of a program without a file as they are recorded.
fn groups_there(situation: &Situation<'_>) -> BTreeMap<String, DesiredGroup> {
    let actual = situation.actual;
    let mut configs = Vec::new();
    for path in &actual.owned {
        // What one by hand makes is not told by its sections alone, but on record.
        let recorded = actual.record.as_ref().and_then(|record| record.files.get(path));
        let is_by_hand = recorded.is_some_and(|file| file.verbatim);
        if is_by_hand || actual.kinds.get(path) != Some(&FileKind::Supervisor) {
            continue;
        }
        if let Some(bytes) = actual.files.get(path).and_then(|entry| entry.bytes()) {
            configs.push((path.as_path(), bytes));
        }
    }
    let mut there = groups_in_files(situation, configs.into_iter());
    // By program, not by group: of one whose file now has fewer groups, the recorded ones are gone.
    let programs: BTreeSet<String> = there.values().map(|group| group.program.clone()).collect();
    let recorded = actual.record.iter().flat_map(|record| &record.groups);
    let without_file = recorded.filter(|(_, group)| !programs.contains(&group.program));
    there.extend(without_file.map(|(name, group)| (name.clone(), group.clone())));
    there
}

/// The groups that supervisor configs define.
fn groups_in_files<'f>(
    situation: &Situation<'_>,
    configs: impl Iterator<Item = (&'f Path, &'f [u8])>,
) -> BTreeMap<String, DesiredGroup> {
    let whose = whose(situation);
    let mut groups = BTreeMap::new();
    for (path, bytes) in configs {
        let Ok(parsed) = ini::parse(&String::from_utf8_lossy(bytes)) else { continue };
        for section in &parsed.sections {
            if let Some(name) = GroupHeader::name_of_program(&section.name) {
                let program = whose.program(name, Some(path));
                groups.insert(name.to_owned(), group_in(section, program));
            }
        }
    }
    groups
}

/// A group as its section has it, with supervisord's own defaults.
fn group_in(section: &Section, program: String) -> DesiredGroup {
    let text = |key: &str| section.get(key).map(|value| value.trim().to_ascii_lowercase());
    let number = |key: &str, default| text(key).and_then(|t| t.parse().ok()).unwrap_or(default);
    let exitcodes = text("exitcodes").map(|codes| {
        codes.split(',').filter_map(|code| code.trim().parse().ok()).collect::<Vec<u8>>()
    });
    DesiredGroup {
        program,
        numprocs: number("numprocs", defaults::NUMPROCS),
        autostart: text("autostart").map_or(defaults::AUTOSTART, |text| ini::is_true(&text)),
        autorestart: match text("autorestart").as_deref().unwrap_or(defaults::AUTORESTART) {
            "unexpected" => Autorestart::Unexpected,
            text if ini::is_true(text) => Autorestart::Always,
            _ => Autorestart::Never,
        },
        stopwaitsecs: number("stopwaitsecs", defaults::STOPWAITSECS),
        startsecs: number("startsecs", defaults::STARTSECS),
        startretries: number("startretries", defaults::STARTRETRIES),
        exitcodes: exitcodes.unwrap_or_else(|| defaults::EXITCODES.to_vec()),
        log: section.get("stdout_logfile").unwrap_or_default().into(),
        restart: RestartPolicy::Immediate,
        health: Health::default(),
        release: None,
        processes: Vec::new(),
        idle: Vec::new(),
        sections: Vec::new(),
    }
}

/// Whether a file that changes is of one of the programs that are meant.
pub(super) fn is_of_some(situation: &Situation<'_>, path: &Path, change: &FileChange) -> bool {
    let bytes = change.before.bytes().unwrap_or_default();
    let before = whose(situation).programs(path, change.kind, bytes);
    let after = change.after.iter().flat_map(|file| &file.programs);
    before.iter().chain(after).any(|program| situation.programs.have(program))
}
