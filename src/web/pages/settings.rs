//! What the inventory says of a program, without its secrets.

use maud::{Markup, html};

use crate::inventory::{
    Health, Instances, Logs, Probe, Program, RestartPolicy, Run, Site, without_passwords,
};

/// What stands in place of a value of `environment`.
const MASK: &str = "***";

/// The settings of whatever goes by this name on a site: a group has several programs.
pub(super) fn settings(site: &Site, name: &str) -> Markup {
    let programs: Vec<&Program> =
        site.programs.iter().filter(|program| program.goes_by() == name).collect();
    html! {
        h2 { "Settings" }
        @if programs.is_empty() { p.empty { "A config by hand has it: see the site's configs." } }
        @for program in &programs {
            @if programs.len() > 1 { h3 { (program.name) } }
            dl.settings {
                @for (key, value) in pairs(site, program) { dt { (key) } dd { (value) } }
            }
        }
    }
}

/// The names of the inventory's keys, and their values. A new one has to say here whether it can be shown.
fn pairs(site: &Site, program: &Program) -> Vec<(String, String)> {
    let Program {
        name: _,
        full_name,
        file,
        group,
        run,
        directory,
        user: _,
        autostart,
        autorestart,
        stopwaitsecs,
        numprocs,
        environment,
        expansions,
        said: _,
        supervisord: _,
        logs,
        instances,
        restart,
        health,
        line,
    } = program;
    let mut pairs = Vec::new();
    let mut add = |key: &str, value: String| pairs.push((key.to_owned(), value));
    match run {
        Run::Script(script) => add("script", script.to_string()),
        Run::Command(command) => add("command", without_passwords(command.as_str()).into_owned()),
    }
    let or_site = |directory: Option<String>| directory.unwrap_or_else(|| site.current());
    add("directory", or_site(directory.as_ref().map(|directory| directory.as_str().to_owned())));
    let user = site.user_of(program).map(|user| user.to_string());
    add("user", user.unwrap_or_else(|| "as supervisord has it".to_owned()));
    add("numprocs", numprocs.to_string());
    add("autostart", autostart.to_string());
    add("autorestart", autorestart.as_str().to_owned());
    add("stopwaitsecs", stopwaitsecs.to_string());
    for (option, value) in program.supervisord.all() {
        add(option, without_passwords(value).into_owned());
    }
    for variable in environment.keys() {
        add(&format!("environment {variable}"), MASK.to_owned());
    }
    for (key, value) in [
        ("as", full_name.as_ref().map(ToString::to_string)),
        ("file", file.as_ref().map(ToString::to_string)),
        ("group", group.as_ref().map(ToString::to_string)),
    ] {
        value.into_iter().for_each(|value| add(key, value));
    }
    if *expansions {
        add("expansions", "true".to_owned());
    }
    if *instances == Instances::Separate {
        add("instances", "separate".to_owned());
    }
    match restart {
        RestartPolicy::Immediate => {}
        RestartPolicy::Rolling => add("restart", "rolling".to_owned()),
        RestartPolicy::Deferred => add("restart", "deferred".to_owned()),
    }
    add_logs(logs, &mut add);
    add_health(health, &mut add);
    if let Some(line) = line {
        add("in the inventory", format!("line {line}"));
    }
    pairs
}

fn add_logs(logs: &Logs, add: &mut impl FnMut(&str, String)) {
    let Logs { path, stderr, rotation: _, rotate, maxage, size, frequency, compress: _ } = logs;
    path.iter().for_each(|path| add("log", path.to_string()));
    stderr.iter().for_each(|path| add("log of stderr", path.to_string()));
    let larger = size.map(|size| format!(", or larger than {size} bytes")).unwrap_or_default();
    add(
        "rotation",
        format!("{}{larger}; {rotate} are kept, {maxage} days at most", frequency.as_str()),
    );
}

fn add_health(health: &Health, add: &mut impl FnMut(&str, String)) {
    let Health { stable_for, probe } = health;
    stable_for.iter().for_each(|seconds| add("stable for", format!("{seconds} s")));
    let Some(probe) = probe else { return };
    let (what, timeout) = match probe {
        Probe::Http { url, timeout } => (url.as_str(), timeout),
        Probe::Tcp { address, timeout } => (address.as_str(), timeout),
        Probe::Exec { command, timeout } => (command.as_str(), timeout),
    };
    add("probe", format!("{}, within {timeout} s", without_passwords(what)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::read;

    #[test]
    fn secrets_are_masked() {
        let text = "servers: [{name: a, host: h}]\nsites: [{domain: x.com, server: a, supervisors: \
                    [{program: w, command: 'run --password=hunter2 --token hunter2', environment: \
                    {KEY: hunter2}, health: {probe: {exec: 'ask --password hunter2'}}}]}]\n";
        let inventory = read("i", text).unwrap();
        let shown = settings(&inventory.sites[0].site, "w").into_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        for part in ["environment KEY", "--password=***", "stopwaitsecs", "line 2"] {
            assert!(shown.contains(part), "no {part}: {shown}");
        }
    }
}
