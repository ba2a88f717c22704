//! The host of a few cases: a real supervisord, and the program itself, killed at a line that it tells.

use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::process::Signal;
use supervisor_sync::api::AppliedSite;
use supervisor_sync::desired::DaemonFacts;
use supervisor_sync::inventory::{self, Site};
use supervisor_sync::records::StateDir;
use supervisor_sync::supervisord::{Call, MainConfig, ProcessInfo, ProcessState, Supervisord as _};

use super::case::{End, Hand, How, INVENTORIES, Kind, Policy, SITES, Spec, Verb};
use super::world::{Asked, Done, Files, Inventory, Programs, World, history};
use crate::daemon::{PATIENCE, signal, wait_until};
use crate::site::Host;

/// An apply of these sites tells about so many lines.
const LINES: u16 = 24;

/// The host.
pub(crate) struct Real {
    host: Host,
    facts: OnceLock<DaemonFacts>,
}

impl Real {
    /// `None` where there is no supervisord.
    pub(crate) fn new() -> Option<Self> {
        let host = Host::start()?;
        for site in SITES {
            let site = host.deploy(site);
            let drain = "trap 'sleep 0.3; exit 0' TERM\nwhile :; do sleep 0.05; done";
            site.script("drain.sh", &format!("#!/bin/sh\n{drain}\n"));
        }
        Some(Self { host, facts: OnceLock::new() })
    }

    fn arguments(&self, asked: &Asked) -> Option<Vec<String>> {
        let (verb, more): (&str, &[&str]) = match asked.verb {
            Verb::Apply(how) => ("apply", how_arguments(how)),
            Verb::Prune => ("apply", &["--prune"]),
            Verb::Restart { rolling: false, start_stopped: false } => ("restart", &[]),
            Verb::Restart { rolling: true, start_stopped: false } => ("restart", &["--rolling"]),
            Verb::Restart { start_stopped: true, .. } => ("restart", &["--start-stopped"]),
            Verb::Start => ("start", &[]),
            Verb::Stop => ("stop", &[]),
            Verb::Rollback | Verb::RollbackTo(_) => ("rollback", &[]),
        };
        let mut arguments = vec![verb.to_owned(), "--json".to_owned(), "--yes".to_owned()];
        arguments.extend(more.iter().map(|one| (*one).to_owned()));
        if let Verb::RollbackTo(number) = asked.verb {
            let revisions = history(self, &asked.sites).remove(0).revisions.unwrap();
            let at = usize::from(number).checked_rem(revisions.len())?;
            arguments.extend(["--to".to_owned(), revisions[at].number.to_string()]);
        }
        if asked.verb != Verb::Prune {
            let sites = asked.sites.iter().flat_map(|site| ["--site".to_owned(), site.clone()]);
            arguments.extend(sites);
        }
        let programs = asked.program.iter();
        arguments.extend(programs.flat_map(|name| ["--program".to_owned(), name.clone()]));
        Some(arguments)
    }

    fn write_inventory(&self, number: usize, content: &Inventory) {
        self.host.inventory_with(&format!("name: {}", INVENTORIES[number]), &yaml(content));
    }
}

fn how_arguments(how: How) -> &'static [&'static str] {
    match how {
        How::Plain => &[],
        How::Restart => &["--restart"],
        How::StartStopped => &["--start-stopped"],
        How::NoRestart => &["--no-restart"],
        How::NoVerify => &["--no-verify"],
        How::NoRollback => &["--no-rollback"],
    }
}

fn yaml(content: &Inventory) -> String {
    let mut text = String::new();
    for (site, programs) in content {
        text.push_str(&format!("  - domain: {site}\n    server: here\n    supervisors:"));
        let programs = programs.iter().map(|(name, spec)| program(name, spec));
        text.push_str(&format!(" [{}]\n", programs.collect::<Vec<_>>().join(", ")));
    }
    text
}

fn program(name: &str, spec: &Spec) -> String {
    let run = match spec.kind {
        Kind::Runs => "command: /bin/sleep 1000",
        Kind::Drains => "script: drain.sh",
        Kind::Exits | Kind::Broken => "command: /bin/false",
    };
    let instances = if spec.separate { "separate" } else { "together" };
    let policy = match spec.policy {
        Policy::Immediate => "immediate",
        Policy::Rolling => "rolling",
        Policy::Deferred => "deferred",
    };
    let Spec { version, numprocs, autostart, .. } = spec;
    format!(
        "{{program: {name}, {run}, priority: {}, numprocs: {numprocs}, instances: {instances}, \
         autostart: {autostart}, restart: {policy}, stopwaitsecs: 10, startsecs: 1, startretries: 0, \
         health: {{stable_for: 1}}}}",
        100 + u32::from(*version)
    )
}

impl World for Real {
    fn files(&self) -> Files {
        let mut files = Files::new();
        for folder in ["conf.d", "logrotate.d"] {
            for name in crate::site::names(&self.host.path(folder)) {
                let path = self.host.path(folder).join(&name);
                let text = std::fs::read_to_string(&path).unwrap();
                use std::os::unix::fs::PermissionsExt as _;
                let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
                files.insert(format!("{folder}/{name}"), format!("{mode:o} {text}"));
            }
        }
        files
    }

    fn write(&self, path: &str, text: &str) {
        let text = text.replace("command=runs", "command=/bin/sleep 1000");
        std::fs::write(self.host.path(path), text).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.host.path(path)).unwrap();
    }

    fn processes(&self) -> Vec<ProcessInfo> {
        self.host.daemon.processes()
    }

    fn loaded(&self, _: &str) -> Option<String> {
        None
    }

    fn by_hand(&mut self, namespec: &str, how: Hand) {
        let call = |call| drop(self.host.daemon.client().call(call).unwrap());
        match how {
            Hand::Kill => {
                let pid = self.host.process(namespec).and_then(|one| u32::try_from(one.pid).ok());
                if let Some(pid) = pid.filter(|pid| *pid > 0) {
                    signal(pid, Signal::KILL);
                    // supervisord sees it a moment later.
                    wait_until(PATIENCE, "supervisord has seen it", || {
                        self.host.process(namespec).is_none_or(|one| one.pid != i64::from(pid))
                    });
                }
            }
            Hand::Stop => call(Call::StopProcess(namespec.to_owned())),
            Hand::Start => call(Call::StartProcess(namespec.to_owned())),
        }
    }

    fn boot(&mut self) {
        self.host.daemon.restart();
    }

    fn turn(&mut self) {}

    fn settle(&mut self) {
        let is_settled = |one: &ProcessInfo| {
            matches!(one.state, ProcessState::Running | ProcessState::Stopped | ProcessState::Fatal)
        };
        let is_idle = |one: &ProcessInfo| one.state == ProcessState::Stopped && one.start == 0;
        let mut quiet = 0;
        wait_until(PATIENCE, "nothing changes any more", || {
            // One that has never started may be about to.
            let processes = self.processes();
            let all = processes.iter().all(is_settled);
            quiet = if all { quiet + 1 } else { 0 };
            quiet > if processes.iter().any(is_idle) { 120 } else { 1 }
        });
    }

    fn run(&mut self, asked: &Asked) -> Done {
        let Some(arguments) = self.arguments(asked) else { return Done::default() };
        self.write_inventory(asked.inventory, &asked.content);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut running = self.host.command(&arguments).spawn();
        let at = match asked.end {
            End::Itself => usize::MAX,
            End::Kill(at) | End::Interrupt(at) => usize::from(at % LINES),
        };
        wait_until(4 * PATIENCE, "the verb is at its point", || {
            let has_ended = running.has_ended();
            running.stdout().lines().count() >= at || has_ended
        });
        let mut done = Done::default();
        if !running.has_ended() {
            match asked.end {
                End::Interrupt(_) => signal(running.id(), Signal::INT),
                _ => signal(running.id(), Signal::KILL),
            }
            wait_until(PATIENCE, "the verb has ended", || running.has_ended());
        }
        for line in running.stdout().lines() {
            let Ok(document) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            match document["kind"].as_str() {
                Some("event") => {
                    serde_json::from_value(document).into_iter().for_each(|event| done.hear(event));
                }
                Some("applied") => {
                    let sites = document["sites"].clone();
                    let sites: Vec<AppliedSite> = serde_json::from_value(sites).unwrap();
                    sites.into_iter().for_each(|site| done.note(site));
                }
                _ => {}
            }
        }
        done.killed = done.ends.is_empty() && asked.end != End::Itself;
        done
    }

    fn site(&self, domain: &str, programs: &Programs) -> Site {
        let content = Inventory::from([(domain.to_owned(), programs.clone())]);
        self.write_inventory(0, &content);
        let text = std::fs::read_to_string(self.host.path("home/deployer.yml")).unwrap();
        let inventory = inventory::read("deployer.yml", &text).unwrap();
        inventory.sites[0].site.clone()
    }

    fn state(&self) -> StateDir {
        StateDir::new(&self.site("one", &Programs::new()).paths, &self.host.path("state"))
    }

    fn facts(&self) -> DaemonFacts {
        let load = || {
            let config = MainConfig::load(Some(self.host.daemon.main_conf().as_path())).unwrap();
            DaemonFacts { pidfile: config.pidfile, ..DaemonFacts::default() }
        };
        self.facts.get_or_init(load).clone()
    }

    fn state_base(&self) -> PathBuf {
        self.host.path("state")
    }
}
