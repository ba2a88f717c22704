//! Groups that programs of the inventory name: their sections, and what they are for an apply.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use super::render::{RenderError, section_options};
use super::{DaemonFacts, DesiredFile, DesiredGroup, DesiredSite, FileKind, by_hand};
use crate::inventory::config_file::Member;
use crate::inventory::{Format, Health, Program, ProgramGroup, Site};

/// Adds the groups of a site to the files of its programs. For an apply such a group is as one of a config by
/// hand, and so are its files: they are there as a whole or not at all, since nobody can take up a part of what
/// supervisord takes as one.
pub(super) fn render(
    site: &Site,
    daemon: &DaemonFacts,
    desired: &mut DesiredSite,
) -> Result<(), RenderError> {
    for group in &site.groups {
        let Some(path) = site.group_file(group) else { continue };
        let members = members(site, group)?;
        let own = desired_group(site, daemon, (group, &members))?;
        if let Some(first) = desired.groups.insert(group.name.to_string(), own) {
            let (group, second) = (group.name.to_string(), group.name.to_string());
            return Err(RenderError::SameGroup { group, first: first.program, second });
        }
        let section = section(group, &members);
        match desired.files.entry(path) {
            Entry::Vacant(file) => {
                file.insert(DesiredFile {
                    kind: FileKind::Supervisor,
                    bytes: section.into_bytes(),
                    secret: false,
                    programs: [group.name.to_string()].into(),
                    verbatim: true,
                    former: None,
                });
            }
            Entry::Occupied(file) => {
                let file = file.into_mut();
                file.bytes.push(b'\n');
                file.bytes.extend(section.into_bytes());
                file.programs.insert(group.name.to_string());
                file.verbatim = true;
            }
        }
    }
    Ok(())
}

fn section(group: &ProgramGroup, members: &[Member]) -> String {
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut text = format!("[group:{}]\nprograms={}\n", group.name, names.join(","));
    if let Some(priority) = group.priority {
        text += &format!("priority={priority}\n");
    }
    text
}

/// Its programs as their sections have them.
fn members(site: &Site, group: &ProgramGroup) -> Result<Vec<Member>, RenderError> {
    let mut members = Vec::new();
    for program in site.members(group) {
        let full = site.full_name(program).map_err(|reason| {
            let program = program.name.to_string();
            RenderError::Name { program, reason }
        })?;
        let options = section_options(site, program, &full).into_iter();
        let options: BTreeMap<String, String> =
            options.map(|(name, value)| (name.to_owned(), value)).collect();
        members.push(Member { name: full.to_string(), options });
    }
    Ok(members)
}

fn desired_group(
    site: &Site,
    daemon: &DaemonFacts,
    (group, members): (&ProgramGroup, &[Member]),
) -> Result<DesiredGroup, RenderError> {
    let desired = by_hand::desired_group(site, daemon, (group.name.as_str(), members))?;
    let programs: Vec<&Program> = site.members(group).collect();
    // One that starts elsewhere is not to run in the live release, so nothing can be said of all.
    let in_current = |program: &&Program| program.directory.is_none();
    let all_in_current = site.format != Format::Plain && programs.iter().all(in_current);
    // They do not differ: that was refused where they were read.
    let restart = programs.first().map_or(desired.restart, |program| program.restart);
    Ok(DesiredGroup {
        restart,
        health: Health {
            stable_for: programs.iter().filter_map(|program| program.health.stable_for).max(),
            probe: programs.iter().find_map(|program| program.health.probe.clone()),
        },
        release: all_in_current.then(|| PathBuf::from(site.current())),
        ..desired
    })
}
