//! Configs by hand: their bytes as they are, and what their groups are for an apply.

use std::collections::BTreeMap;

use super::render::RenderError;
use super::{DaemonFacts, DesiredFile, DesiredGroup, DesiredSite, FileKind};
use crate::inventory::config_file::{self, Member};
use crate::inventory::naming::process_expansion;
use crate::inventory::{Autorestart, Health, RestartPolicy, Site};
use crate::supervisord::{defaults, ini};

/// The files of a site's configs and the groups that they make.
pub(super) fn render(site: &Site, daemon: &DaemonFacts) -> Result<DesiredSite, RenderError> {
    let groups = config_file::groups(&site.configs);
    let mut files = BTreeMap::new();
    for config in &site.configs {
        let names = config.section_names();
        // A file that only has programs of a group elsewhere is of that group.
        let of_file = groups.iter().filter(|group| {
            group.file == config.name || group.members.iter().any(|one| names.contains(&one.name))
        });
        let file = DesiredFile {
            kind: FileKind::Supervisor,
            bytes: config.text.clone().into_bytes(),
            secret: config.is_secret(),
            programs: of_file.map(|group| group.name.clone()).collect(),
            verbatim: true,
            former: None,
        };
        files.insert(site.config_by_hand(&config.name), file);
    }
    let desired = groups.into_iter().map(|group| {
        let desired = desired_group(site, daemon, (&group.name, &group.members))?;
        Ok((group.name, desired))
    });
    let groups = desired.collect::<Result<_, RenderError>>()?;
    Ok(DesiredSite { domain: site.domain.clone(), files, groups })
}

/// What holds for all processes of a group together: an apply waits for the slowest and takes the most
/// forgiving for all.
pub(super) fn desired_group(
    site: &Site,
    daemon: &DaemonFacts,
    (group, members): (&str, &[Member]),
) -> Result<DesiredGroup, RenderError> {
    let mut processes = Vec::new();
    let mut idle = Vec::new();
    for member in members {
        let names = process_names(site, daemon, group, member)?;
        if !truth(member, "autostart").unwrap_or(defaults::AUTOSTART) {
            idle.extend(names.iter().cloned());
        }
        processes.extend(names);
    }
    let all_idle = idle.len() == processes.len();
    let log = members.iter().flat_map(|member| member.log_files(group)).next();
    let sections = members.iter().map(|member| member.name.clone());
    Ok(DesiredGroup {
        program: group.to_owned(),
        numprocs: u32::try_from(processes.len()).unwrap_or(u32::MAX),
        autostart: !all_idle,
        autorestart: autorestart(members),
        stopwaitsecs: largest(members, "stopwaitsecs", defaults::STOPWAITSECS),
        startsecs: largest(members, "startsecs", defaults::STARTSECS),
        startretries: largest(members, "startretries", defaults::STARTRETRIES),
        exitcodes: members.iter().flat_map(exit_statuses).collect(),
        log: log.unwrap_or_default(),
        restart: RestartPolicy::Immediate,
        health: Health::default(),
        release: None,
        processes,
        idle: if all_idle { Vec::new() } else { idle },
        sections: sections.filter(|name| name != group).collect(),
    })
}

fn largest(members: &[Member], option: &str, default: u32) -> u32 {
    members.iter().map(|member| member.number(option, default)).max().unwrap_or(default)
}

fn autorestart(members: &[Member]) -> Autorestart {
    let mut most_forgiving = Autorestart::Never;
    for member in members {
        match truth(member, "autorestart") {
            Some(true) => return Autorestart::Always,
            Some(false) => {}
            None => most_forgiving = Autorestart::Unexpected,
        }
    }
    most_forgiving
}

fn exit_statuses(member: &Member) -> Vec<u8> {
    let text = member.options.get("exitcodes").map_or("0", String::as_str);
    text.split(',').filter_map(|code| code.trim().parse().ok()).collect()
}

fn truth(member: &Member, name: &str) -> Option<bool> {
    ini::boolean(member.options.get(name)?.trim())
}

/// The names of a section's processes, with every value expanded on the way: supervisord refuses the whole
/// host's configuration for one that it cannot expand.
fn process_names(
    site: &Site,
    daemon: &DaemonFacts,
    group: &str,
    member: &Member,
) -> Result<Vec<String>, RenderError> {
    let (numbers, count) = member.numbers();
    let pattern = member.options.get("process_name").map_or("%(program_name)s", String::as_str);
    let lookup = |name: &str, number| match name {
        "program_name" => Some(member.name.clone()),
        "here" => Some(site.paths.conf_dir.to_string()),
        "host_node_name" => daemon.node.clone(),
        _ => process_expansion(name, group, number, count)
            .or_else(|| daemon.environment.expansion(name)),
    };
    // Variables of its own are known to the values that are read behind them.
    let own = member.options.get("environment").map(String::as_str).unwrap_or_default();
    for (option, value) in &member.options {
        let expanded = ini::expand(value, &|name: &str| {
            let is_own = name.strip_prefix("ENV_").is_some_and(|name| own.contains(name));
            lookup(name, numbers.start).or_else(|| is_own.then(String::new))
        });
        expanded.map_err(|error| unexpandable(group, member, option, &error))?;
    }
    let mut names = Vec::new();
    for number in numbers {
        let name = ini::expand(pattern, &|name: &str| lookup(name, number));
        names.push(name.map_err(|error| unexpandable(group, member, "process_name", &error))?);
    }
    Ok(names)
}

fn unexpandable(
    group: &str,
    member: &Member,
    option: &str,
    error: &ini::ExpandError,
) -> RenderError {
    let what = match option {
        // The name in it may be a part of a secret.
        "environment" => format!("`environment` of [{}] cannot be expanded", member.name),
        _ => format!("`{option}` of [{}] {error}", member.name),
    };
    RenderError::Expansion { program: group.to_owned(), what }
}
