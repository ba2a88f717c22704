//! What is wanted, narrowed to what is asked for. Pure.
//!
//! In an apply of some programs of a site the others are wanted as they are: so the plan of the site
//! has nothing for them, and the revision that is recorded still holds all of the site's files. A
//! start or restart is of what was applied, whatever the inventory says by now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Situation;
use crate::desired::{DesiredFile, DesiredGroup, DesiredSite, FileKind};
use crate::inventory::{Autorestart, FullName, Health, Program, RestartPolicy};
use crate::supervisord::ini::{self, Section};
use crate::supervisord::{GroupHeader, defaults};

/// What is wanted of the programs that are meant, and for the rest what is there.
pub(super) fn narrowed(situation: &Situation<'_>) -> DesiredSite {
    let Situation { site, programs, desired, actual, .. } = *situation;
    let is_selected = |path: &Path, kind: FileKind| is_of_some(situation, path, kind);
    let by_name = |program: &str| programs.have(program);

    let mut narrowed = desired.clone();
    narrowed.files.retain(|path, file| is_selected(path, file.kind));
    narrowed.groups.retain(|_, group| by_name(&group.program));
    let record = actual.record.as_ref();
    for path in &actual.owned {
        let kind = actual.kinds.get(path).copied().unwrap_or(FileKind::Supervisor);
        let bytes = actual.files.get(path).and_then(|entry| entry.bytes());
        if let (false, Some(bytes)) = (is_selected(path, kind), bytes) {
            let recorded = record.and_then(|record| record.files.get(path));
            let wanted = desired.files.get(path);
            let secret = recorded.map(|file| file.secret).or(wanted.map(|file| file.secret));
            let file = DesiredFile { kind, bytes: bytes.to_vec(), secret: secret.unwrap_or(false) };
            narrowed.files.insert(path.clone(), file);
        }
    }
    let common = site.common_file();
    let owned = actual.owned.contains(&common).then(|| actual.files.get(&common)).flatten();
    put_common_file(situation, owned.and_then(|entry| entry.bytes()), &mut narrowed);
    let recorded = record.iter().flat_map(|record| &record.groups);
    let others = recorded.filter(|(_, group)| !by_name(&group.program));
    narrowed.groups.extend(others.map(|(name, group)| (name.clone(), group.clone())));
    if record.is_none() {
        let configs = narrowed.files.iter().filter(|(_, file)| file.kind == FileKind::Supervisor);
        let configs = configs.map(|(path, file)| (path.as_path(), file.bytes.as_slice()));
        let found = groups_in_files(situation, configs);
        narrowed.groups.extend(found.into_iter().filter(|(_, group)| !by_name(&group.program)));
    }
    narrowed
}

/// Puts in the file that holds all programs of a site, if there or wanted: with the programs that are
/// meant as they are wanted, and the others as they are in `there`.
fn put_common_file(situation: &Situation<'_>, there: Option<&[u8]>, into: &mut DesiredSite) {
    let Situation { site, programs, desired, actual, .. } = *situation;
    let path = site.common_file();
    let wanted = desired.files.get(&path);
    let is_meant = |group: &str| programs.have(&program_of(situation, group));
    let recorded = actual.record.as_ref().and_then(|record| record.files.get(&path));
    let text =
        |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let new = text(wanted.map(|file| file.bytes.as_slice()));
    // What nobody can read says nothing of the others; what was applied does.
    let recorded_bytes = recorded.map(|file| &*file.content);
    let merged = merged(&text(there), &new, &is_meant)
        .or_else(|_| merged(&text(recorded_bytes), &new, &is_meant))
        .unwrap_or(new);
    if merged.is_empty() {
        into.files.remove(&path);
        return;
    }
    let secret = wanted.is_some_and(|file| file.secret) || recorded.is_some_and(|file| file.secret);
    let file = DesiredFile { kind: FileKind::Supervisor, bytes: merged.into(), secret };
    into.files.insert(path, file);
}

/// Of two texts of one file the sections of `new` that are meant and those of `there` that are not, in
/// the order of `new`.
fn merged(
    there: &str,
    new: &str,
    is_meant: &dyn Fn(&str) -> bool,
) -> Result<String, ini::IniError> {
    let group = |section: &str| GroupHeader::name_of_program(section).unwrap_or(section).to_owned();
    let mut others = ini::blocks(there)?;
    others.retain(|(section, _)| !is_meant(&group(section)));
    let mut lines = Vec::new();
    for (section, block) in ini::blocks(new)? {
        if is_meant(&group(&section)) {
            lines.push(block);
        } else if let Some(place) = others.iter().position(|(other, _)| *other == section) {
            lines.push(others.remove(place).1);
        }
    }
    lines.extend(others.iter().map(|(_, block)| *block));
    let lines = lines.iter().map(|block| format!("{}\n", block.trim_end()));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// The program of a group: as it was recorded or is wanted, else as its name has it.
fn program_of(situation: &Situation<'_>, group: &str) -> String {
    let Situation { site, desired, actual, .. } = situation;
    let recorded = actual.record.as_ref().and_then(|record| record.groups.get(group));
    if let Some(known) = recorded.or_else(|| desired.groups.get(group)) {
        return known.program.clone();
    }
    let name = group.strip_prefix(site.domain.as_str()).and_then(|rest| rest.strip_prefix('-'));
    let name = name.unwrap_or(group);
    // One of separate instances, if there is a program that it could be of.
    let base = name.rsplit_once('_').map(|(base, _)| base);
    let is_program = |base: &&str| site.programs.iter().any(|p| p.name.as_str() == *base);
    base.filter(is_program).unwrap_or(name).to_owned()
}

/// What is recorded of it: of the other programs what was applied, not what somebody has made of
/// their files since, so that this is still told.
pub(super) fn to_record(situation: &Situation<'_>, mut narrowed: DesiredSite) -> DesiredSite {
    let Some(record) = &situation.actual.record else { return narrowed };
    let is_meant = |path: &Path, kind: FileKind| is_of_some(situation, path, kind);
    narrowed.files.retain(|path, file| is_meant(path, file.kind));
    let recorded = record.as_desired().files.into_iter();
    narrowed.files.extend(recorded.filter(|(path, file)| !is_meant(path, file.kind)));
    let common = record.files.get(&situation.site.common_file());
    put_common_file(situation, common.map(|file| &*file.content), &mut narrowed);
    narrowed
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
    let is_config = |path: &&PathBuf| actual.kinds.get(*path) == Some(&FileKind::Supervisor);
    let configs = actual.owned.iter().filter(is_config);
    let configs =
        configs.filter_map(|path| Some((path.as_path(), actual.files.get(path)?.bytes()?)));
    let mut there = groups_in_files(situation, configs);
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
    let site = situation.site;
    let mut groups = BTreeMap::new();
    for (path, bytes) in configs {
        let full_name = FileKind::Supervisor.name_in(path);
        let prefix = format!("{}-", site.domain);
        let is_common = full_name == site.domain.as_str();
        let program = full_name.strip_prefix(&prefix).unwrap_or(&full_name);
        let Ok(parsed) = ini::parse(&String::from_utf8_lossy(bytes)) else { continue };
        for section in &parsed.sections {
            if let Some(name) = GroupHeader::name_of_program(&section.name) {
                let program = match is_common {
                    true => program_of(situation, name),
                    false => program.to_owned(),
                };
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
    }
}

/// Whether a file is of one of the programs that are meant.
pub(super) fn is_of_some(situation: &Situation<'_>, path: &Path, kind: FileKind) -> bool {
    let stem = kind.name_in(path);
    let Situation { site, programs, .. } = situation;
    if kind == FileKind::Supervisor && path == site.common_file() {
        return true;
    }
    let is_meant = |program: &&Program| programs.have(program.name.as_str());
    let full = |program: &Program| FullName::new(&site.domain, &program.name).ok();
    site.programs.iter().filter(is_meant).filter_map(full).any(|name| name.as_str() == stem)
}
