//! The checks over an inventory: its programs, its configs by hand, and the scripts beside it.

use std::collections::BTreeMap;

use super::beside::{Found, script_of};
use super::silence::{Known, Silence};
use super::text::{place_in, place_of};
use super::{Lint, sorted};
use crate::desired::section_options;
use crate::inventory::{
    Allowed, Beside, ConfigFile, HostName, Inventory, Located, Places, Probe, Problem, Program,
    ProgramPlaces, Run, Site, SitePlaces, config_file, without_passwords,
};
use crate::lint::{self, Finding, Part, Script, Subject};
use crate::supervisord::GroupKind;
use crate::supervisord::ini::{self, Section};

/// A subject with the place that it comes from.
pub(super) struct Entry<'i> {
    /// The site's place in the inventory.
    pub(super) site: usize,
    pub(super) subject: Subject,
    pub(super) origin: Origin<'i>,
    pub(super) allowed: &'i [Allowed],
    known: Known,
}

/// What says it.
pub(super) enum Origin<'i> {
    Program(&'i Program, &'i ProgramPlaces),
    Config { path: &'i str, text: &'i str, section: Section },
}

/// What is to be said of an inventory.
pub(crate) fn of_inventory(located: &Located<'_>, beside: &dyn Beside) -> Vec<Lint> {
    let Located { inventory, places } = located;
    let entries = entries(inventory, &places.sites, beside);
    let mut silence = Silence::default();
    let nothing = Known { script: true, host: true };
    for site in &places.sites {
        silence.note(&site.allowed, nothing);
    }
    for entry in &entries {
        silence.note(entry.allowed, entry.known);
    }
    let mut lints = Vec::new();
    for (at, finding) in look(inventory, &entries) {
        let entry = &entries[at];
        if silence.takes(entry.allowed, &finding) {
            continue;
        }
        lints.push(located_at(places, entry, &entry.subject, finding));
    }
    for allowed in silence.unused() {
        let message = format!("`{}` finds nothing that this could silence", allowed.check);
        let problem = places.problem(allowed.at, message, vec![lint::UNUSED.fix.to_owned()]);
        lints.push(Lint { check: lint::UNUSED.name, problem });
    }
    sorted(lints)
}

/// The findings with the places of their entries. What only several subjects show is looked for on each host
/// by itself: sites on two hosts share nothing.
fn look(inventory: &Inventory, entries: &[Entry<'_>]) -> Vec<(usize, Finding)> {
    let subjects: Vec<&Subject> = entries.iter().map(|entry| &entry.subject).collect();
    let mut found = lint::look_at_each(&subjects);
    let mut on_host: BTreeMap<&HostName, Vec<usize>> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        for host in inventory.sites.get(entry.site).into_iter().flat_map(|placed| &placed.hosts) {
            on_host.entry(host).or_default().push(at);
        }
    }
    // Hosts with the same programs say the same.
    let sets: std::collections::BTreeSet<Vec<usize>> = on_host.into_values().collect();
    for set in sets {
        let together: Vec<&Subject> = set.iter().map(|at| subjects[*at]).collect();
        let among = lint::look_at_all(&together).into_iter();
        found.extend(among.map(|(at, finding)| (set[at], finding)));
    }
    found
}

/// All that an inventory runs.
pub(super) fn entries<'i>(
    inventory: &'i Inventory,
    places: &'i [SitePlaces],
    beside: &dyn Beside,
) -> Vec<Entry<'i>> {
    let mut entries = Vec::new();
    for (number, (placed, places)) in inventory.sites.iter().zip(places).enumerate() {
        let site = &placed.site;
        for (program, at) in site.programs.iter().zip(&places.programs) {
            entries.extend(of_program(site, program, at, beside).map(|(subject, known)| Entry {
                site: number,
                subject,
                origin: Origin::Program(program, at),
                allowed: &at.allowed,
                known,
            }));
        }
        for (config, at) in site.configs.iter().zip(&places.configs) {
            for (subject, section) in of_config(config) {
                entries.push(Entry {
                    site: number,
                    subject,
                    origin: Origin::Config { path: &at.path, text: &config.text, section },
                    allowed: &places.allowed,
                    known: Known { script: true, host: false },
                });
            }
        }
    }
    entries
}

fn of_program(
    site: &Site,
    program: &Program,
    places: &ProgramPlaces,
    beside: &dyn Beside,
) -> Option<(Subject, Known)> {
    let full = site.full_name(program).ok()?;
    let options = section_options(site, program, &full).into_iter();
    let options = options.map(|(name, value)| (name.to_owned(), value)).collect();
    let found = script_of(site, program, beside);
    let known = Known { script: found != Found::Unknown, host: false };
    let script = match found {
        Found::Script(script) => Some(script),
        Found::None | Found::Unknown => None,
    };
    let variables = program.environment.iter();
    let variables = variables.filter(|(name, _)| places.variables.contains_key(name.as_str()));
    Some((
        Subject {
            processes: program.numprocs,
            numbered: program.instances == crate::inventory::Instances::Together,
            variables: variables
                .map(|(name, value)| (name.to_string(), value.as_str().to_owned()))
                .collect(),
            probe: program.health.probe.as_ref().and_then(address),
            script,
            ..Subject::new(GroupKind::Program, full.as_str(), options)
        },
        known,
    ))
}

/// Where a probe asks.
fn address(probe: &Probe) -> Option<String> {
    match probe {
        Probe::Tcp { address, .. } => Some(address.clone()),
        Probe::Http { url, .. } => {
            let rest = url.strip_prefix("http://")?;
            rest.split(['/', '?']).next().map(str::to_owned)
        }
        Probe::Exec { .. } => None,
    }
}

/// The sections of a config by hand.
fn of_config(config: &ConfigFile) -> Vec<(Subject, Section)> {
    let sections = ini::parse(&config.text).map(|ini| ini.sections).unwrap_or_default();
    let mut subjects = Vec::new();
    for section in sections {
        let Some((kind, name)) = config_file::header(&section.name) else { continue };
        if kind == GroupKind::Group {
            continue;
        }
        let options = section.entries.iter();
        let options = options.map(|entry| (entry.key.clone(), entry.value.clone())).collect();
        subjects.push((Subject::of_section(kind, name, options), section));
    }
    subjects
}

/// A finding at its place.
pub(super) fn located_at(
    places: &Places<'_>,
    entry: &Entry<'_>,
    subject: &Subject,
    finding: Finding,
) -> Lint {
    let Finding { check, message, at, fix } = finding;
    let message = without_passwords(&message).into_owned();
    let help = vec![fix];
    let script = subject.script.as_ref();
    let problem = match (&entry.origin, &at, script) {
        (_, Part::ScriptLine(line), Some(Script { path, text, .. })) => Problem {
            file: beside(places.file(), path),
            place: place_in(text, *line),
            message,
            help,
            related: Vec::new(),
        },
        (Origin::Program(program, own), part, _) => {
            let at = part_of(program, own, part);
            places.problem(at, message, help)
        }
        (Origin::Config { path, text, section }, part, _) => Problem {
            file: beside(places.file(), path),
            place: place_of(text, section, part),
            message,
            help,
            related: Vec::new(),
        },
    };
    Lint { check, problem }
}

/// Where the inventory says what a section says.
fn part_of(program: &Program, places: &ProgramPlaces, part: &Part) -> crate::inventory::Span {
    let key = match part {
        Part::ScriptLine(_) => None,
        Part::Option("command") => Some(match program.run {
            Run::Script(_) => "script",
            Run::Command(_) => "command",
        }),
        Part::Option("stdout_logfile" | "stderr_logfile") => Some("logs"),
        Part::Option(name) => Some(*name),
        Part::Probe => Some("health"),
        Part::Variable(name) => {
            return places.variables.get(name).copied().unwrap_or(places.name);
        }
    };
    key.and_then(|key| places.keys.get(key)).copied().unwrap_or(places.name)
}

/// The path of a file beside the inventory, as the inventory's own was given.
fn beside(inventory: &str, path: &str) -> String {
    match inventory.rsplit_once('/') {
        _ if path.starts_with('/') => path.to_owned(),
        Some((folder, _)) => format!("{folder}/{path}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::read_located;
    use crate::lint::{Check, Needs, OnHost, Sample};

    /// What lies beside an inventory: a script, a config by hand, and variables.
    struct Folder {
        script: Option<String>,
        config: String,
    }

    impl Beside for Folder {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            match path {
                ".deployer/supervisors/worker.sh" => {
                    let script = self.script.clone().ok_or("there is none")?;
                    Ok(script.into_bytes())
                }
                "by-hand.conf" => Ok(self.config.clone().into_bytes()),
                "worker.env" => Ok(b"DB_PASSWORD=hunter2\n".to_vec()),
                _ => Err("there is none".to_owned()),
            }
        }

        fn matching(&self, pattern: &str) -> Result<Vec<String>, String> {
            Ok(vec![pattern.to_owned()])
        }
    }

    fn with_script(script: &str) -> Folder {
        Folder { script: Some(script.to_owned()), config: String::new() }
    }

    fn nothing() -> Folder {
        Folder { script: None, config: String::new() }
    }

    const SERVERS: &str = "servers: [{name: web1, host: h}, {name: web2, host: h}]\n";

    /// An inventory with these programs.
    fn text(programs: &[&str]) -> String {
        let lines = programs.iter().map(|program| format!("      - {program}\n"));
        format!(
            "{SERVERS}sites:\n  - domain: example.com\n    server: web1\n    supervisors:\n{}",
            lines.collect::<String>()
        )
    }

    /// `FILE:LINE:COLUMN check: message`, a line each.
    fn said_of(text: &str, folder: &Folder) -> String {
        let located = read_located("deployer.yml", text, folder)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let lints = of_inventory(&located, folder);
        let line = |Lint { check, problem }: &Lint| {
            let Problem { file, place, message, .. } = problem;
            format!("{file}:{}:{} {check}: {message}", place.line, place.column)
        };
        lints.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The names of the checks that find something in a sample. On the host of the samples there are php and
    /// node, and `/srv/app`.
    fn found_in(sample: Sample) -> Vec<&'static str> {
        let (program, folder) = match sample {
            Sample::Program(program) => (program, nothing()),
            Sample::Script(script) => (
                "{program: worker, script: worker.sh, stopasgroup: false, killasgroup: false}",
                with_script(script),
            ),
        };
        let text = text(&[program]);
        let located = read_located("deployer.yml", &text, &folder)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let mut found: Vec<&str> =
            of_inventory(&located, &folder).iter().map(|lint| lint.check).collect();
        let entries = entries(&located.inventory, &located.places.sites, &folder);
        let subject = entries[0].subject.clone();
        let command = subject.options["command"].clone();
        let directory = subject.options["directory"].clone();
        let is_there = ["php ", "node "].iter().any(|known| command.starts_with(known));
        let host = OnHost {
            is_root: false,
            no_command: (!is_there).then(|| "is not there".to_owned()),
            no_directory: (directory != "/srv/app").then(|| "is not there".to_owned()),
        };
        let on_host = Subject { host: Some(host), ..subject };
        for (_, finding) in lint::look_at_each(&[&on_host]) {
            let needs = lint::find(finding.check).map(|check| check.needs);
            found.extend((needs == Some(Needs::Host)).then_some(finding.check));
        }
        found
    }

    #[test]
    fn page_of_each_check_is_true() {
        for Check { name, wrong, right, .. } in lint::all() {
            assert!(found_in(*wrong).contains(name), "{name}: {:?}", found_in(*wrong));
            let mut found = found_in(*right);
            // The samples of the others are of no folder of the host.
            found.retain(|found| {
                lint::find(found).is_some_and(|check| check.needs != Needs::Host) || found == name
            });
            assert_eq!(found, [""; 0], "{name}");
        }
    }

    #[test]
    fn finding_stands_at_the_key_that_says_it() {
        let text = text(&[
            "{program: a, command: php x, user: root}",
            "{program: b, command: php artisan queue:work --timeout=90, stopwaitsecs: 60}",
            "{program: c, script: worker.sh, environment: {API_TOKEN: x}}",
        ]);
        let folder = with_script("#!/bin/sh\nphp a &\n");
        assert_eq!(
            said_of(&text, &folder),
            ".deployer/supervisors/worker.sh:2:1 background-process: `example.com-c` leaves `php` in the \
             background, where supervisord does not see it\n\
             deployer.yml:6:44 user-root: `example.com-a` runs as root\n\
             deployer.yml:7:82 stopwaitsecs-short: `example.com-b` is killed 60 s after the stop signal, and a \
             job may take 90 s\n\
             deployer.yml:8:55 plain-secret: the value of `API_TOKEN` is a secret in plain text"
        );
    }

    #[test]
    fn what_defaults_say_is_told_once() {
        let programs =
            "      - {program: a, command: php x}\n      - {program: b, command: php x}\n";
        let text = format!(
            "{SERVERS}defaults:\n  environment: {{API_TOKEN: x}}\nsites:\n  - domain: example.com\n    \
             server: web1\n    supervisors:\n{programs}"
        );
        assert_eq!(
            said_of(&text, &nothing()),
            "deployer.yml:3:17 plain-secret: the value of `API_TOKEN` is a secret in plain text"
        );
    }

    #[test]
    fn ordinary_inventory_has_no_finding() {
        let text = text(&[
            "{program: a, command: php artisan queue:work --timeout=90, numprocs: 4}",
            "{program: b, command: php artisan horizon, stopwaitsecs: 120, instances: separate, numprocs: 2}",
            "{program: c, script: worker.sh, environment_file: worker.env}",
            "{program: d, script: none.sh}",
        ]);
        assert_eq!(said_of(&text, &with_script("#!/bin/sh\nexec php x\n")), "");
        let classic = format!("format: classic\n{text}");
        let found = said_of(&classic, &with_script("#!/bin/sh\nexec php x\n"));
        assert!(found.lines().all(|line| line.contains("shared-log")), "{found}");
        assert_eq!(found.lines().count(), 2, "{found}");
    }

    #[test]
    fn sites_share_logs_on_one_host_only() {
        let site = |domain: &str, server: &str| {
            format!(
                "  - {{domain: {domain}, server: {server}, supervisors: [{{program: w, command: php x, \
                 logs: {{path: /var/log/w.log, rotate: supervisord}}}}]}}\n"
            )
        };
        let of = |one: &str, other: &str| {
            let sites = site("a.com", one) + &site("b.com", other);
            said_of(&format!("{SERVERS}sites:\n{sites}"), &nothing()).lines().count()
        };
        assert_eq!(of("web1", "web1"), 2);
        assert_eq!(of("web1", "web2"), 0);
    }

    #[test]
    fn config_by_hand_is_looked_at_in_its_own_lines() {
        let config = "[program:x]\ncommand=php x\nuser=root\nenvironment=DB_PASSWORD=\"hunter2\"\n\
                      [group:g]\nprograms=x\n";
        let folder = Folder { script: None, config: config.to_owned() };
        let text = format!(
            "{SERVERS}sites:\n  - {{domain: a.com, server: web1, configs: [by-hand.conf]}}\n"
        );
        assert_eq!(
            said_of(&text, &folder),
            "by-hand.conf:3:1 user-root: `x` runs as root\n\
             by-hand.conf:4:1 plain-secret: the value of `DB_PASSWORD` is a secret in plain text"
        );
        let silent = text.replace("configs:", "lint: {allow: [user-root, plain-secret]}, configs:");
        assert_eq!(said_of(&silent, &folder), "");
    }

    #[test]
    fn silence_holds_where_it_is_said() {
        let root = |allow: &str| format!("{{program: a, command: php x, user: root{allow}}}");
        let silent = [
            text(&[&root(", lint: {allow: [user-root]}")]),
            text(&[&root("")]).replace("    server", "    lint: {allow: [user-root]}\n    server"),
            text(&[&root("")])
                .replace("    server", "    defaults: {lint: {allow: [user-root]}}\n    server"),
            format!("lint: {{allow: [user-root]}}\n{}", text(&[&root("")])),
            format!("defaults: {{lint: {{allow: [user-root]}}}}\n{}", text(&[&root("")])),
        ];
        for text in silent {
            assert_eq!(said_of(&text, &nothing()), "", "{text}");
        }
        let two = text(&[&root(", lint: {allow: [user-root]}"), &root("").replace(": a", ": b")]);
        assert_eq!(
            said_of(&two, &nothing()),
            "deployer.yml:7:44 user-root: `example.com-b` runs as root"
        );
    }

    #[test]
    fn silence_for_nothing_is_told_where_it_is_sure() {
        let with = |program: &str, allow: &str| {
            text(&[&format!("{{program: a, {program}, lint: {{allow: [{allow}]}}}}")])
        };
        let of = |program: &str, allow: &str| said_of(&with(program, allow), &nothing());
        assert_eq!(
            of("command: php x", "user-root"),
            "deployer.yml:6:53 unused-allow: `user-root` finds nothing that this could silence"
        );
        // The host was not asked, and the script is not there to be read.
        assert_eq!(of("command: phpp x", "missing-command"), "");
        assert_eq!(of("script: none.sh", "busy-loop"), "");
        assert_eq!(of("command: php x", "user-root, unused-allow"), "");
        let used = said_of(&with("script: worker.sh", "busy-loop"), &with_script("#!/bin/sh\n:\n"));
        assert!(used.contains("unused-allow"), "{used}");
    }

    #[test]
    fn unknown_check_is_refused() {
        let text = text(&["{program: a, command: x, lint: {allow: [userroot, nothing-like-it]}}"]);
        let Err(problems) = read_located("deployer.yml", &text, &nothing()) else {
            panic!("was accepted")
        };
        let text = problems.to_string();
        assert!(text.contains("there is no check `userroot`"), "{text}");
        assert!(text.contains("did you mean `user-root`?"), "{text}");
        assert!(text.contains("there is no check `nothing-like-it`"), "{text}");
    }
}
