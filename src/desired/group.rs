//! What an apply needs to know of a group beside its section.

use super::render::RenderError;
use super::{DaemonFacts, DesiredGroup};
use crate::inventory::naming::process_expansion;
use crate::inventory::{Format, FullName, Instances, Program, Site};
use crate::supervisord::{defaults, ini};

/// How processes are called where there are several.
pub(super) const PROCESS_NAME: &str = "%(program_name)s_%(process_num)02d";

/// The processes of each of a program's groups.
pub(super) fn numprocs(program: &Program) -> u32 {
    match program.instances {
        Instances::Together => program.numprocs,
        Instances::Separate => 1,
    }
}

/// One group of a program.
pub(super) fn desired(
    site: &Site,
    program: &Program,
    (full, group): (&FullName, &str),
    daemon: &DaemonFacts,
) -> Result<DesiredGroup, RenderError> {
    check_expansions(site, program, group, daemon)?;
    let in_current = program.directory.is_none() && site.format != Format::Plain;
    let log = site.log_files(program, full, group).into_iter().next();
    Ok(DesiredGroup {
        program: program.name.to_string(),
        numprocs: numprocs(program),
        autostart: program.autostart,
        autorestart: program.autorestart,
        stopwaitsecs: program.stopwaitsecs,
        startsecs: program.supervisord.number("startsecs").unwrap_or(defaults::STARTSECS),
        startretries: program.supervisord.number("startretries").unwrap_or(defaults::STARTRETRIES),
        exitcodes: program
            .supervisord
            .exit_statuses()
            .unwrap_or_else(|| defaults::EXITCODES.to_vec()),
        log: log.unwrap_or_default(),
        restart: program.restart,
        health: program.health.clone(),
        release: in_current.then(|| site.current().into()),
        processes: process_names(site, program, group, daemon)?,
        idle: Vec::new(),
        sections: Vec::new(),
    })
}

/// The names of its processes, where somebody has said something about them.
fn process_names(
    site: &Site,
    program: &Program,
    group: &str,
    daemon: &DaemonFacts,
) -> Result<Vec<String>, RenderError> {
    let said = program.supervisord.get("process_name");
    let start = program.supervisord.number("numprocs_start");
    if said.is_none() && (start.is_none() || numprocs(program) == 1) {
        return Ok(Vec::new());
    }
    let pattern = match said {
        Some(name) if program.expansions => name,
        Some(name) => return Ok(vec![name.to_owned()]),
        None => PROCESS_NAME,
    };
    let first = start.unwrap_or(0);
    let mut names = Vec::new();
    for number in first..first.saturating_add(numprocs(program)) {
        let name = ini::expand(pattern, &|name: &str| {
            expansion(name, site, daemon, (group, number, program))
        });
        names.push(name.map_err(|error| RenderError::Expansion {
            program: program.name.to_string(),
            what: format!("`process_name` {error}"),
        })?);
    }
    Ok(names)
}

/// Expands every value as supervisord would: it refuses the whole host's configuration for one that it
/// cannot expand.
fn check_expansions(
    site: &Site,
    program: &Program,
    group: &str,
    daemon: &DaemonFacts,
) -> Result<(), RenderError> {
    for value in program.expanded_values() {
        let first = program.supervisord.number("numprocs_start").unwrap_or(0);
        let expanded = ini::expand(value.text, &|name: &str| {
            let own = name.strip_prefix("ENV_").filter(|_| !value.is_secret);
            let own = own.and_then(|name| program.environment.get(name));
            let own = own.map(|value| value.as_str().to_owned());
            own.or_else(|| expansion(name, site, daemon, (group, first, program)))
        });
        expanded.map_err(|error| RenderError::Expansion {
            program: program.name.to_string(),
            what: Program::unexpandable(&value, &error),
        })?;
    }
    Ok(())
}

fn expansion(
    name: &str,
    site: &Site,
    daemon: &DaemonFacts,
    (group, number, program): (&str, u32, &Program),
) -> Option<String> {
    match name {
        "here" => Some(site.paths.conf_dir.to_string()),
        "host_node_name" => daemon.node.clone(),
        _ => process_expansion(name, group, number, numprocs(program))
            .or_else(|| daemon.environment.expansion(name)),
    }
}
