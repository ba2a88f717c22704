//! More hosts than the system has threads or open files for.

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use supervisor_sync::api::wire::{AgentMessage, PROTOCOL};
use supervisor_sync::api::{Left, PlannedSite, Reply, SiteHistory, SiteStatusReply};
use supervisor_sync::error::CommandError;
use supervisor_sync::inventory::Domain;

use super::Fleet;
use crate::daemon::{PATIENCE, signal, wait_until, write_program};
use crate::site::{BINARY, Running};

const HOSTS: usize = 200;

/// Hosts that are reached by what `ssh` says.
fn many(ssh: &str) -> Option<Fleet> {
    let mut fleet = Fleet::start(&[])?;
    for number in 0..HOSTS {
        fleet = fleet.with_other(&format!("web{number}"), "host: 127.0.0.1, username: root");
    }
    fleet.keyring.write_wrapper(ssh);
    fleet.write_inventory("");
    Some(fleet)
}

/// The binary with less of the system than it might want.
fn limited(fleet: &Fleet, limit: &str, user: Option<&str>, arguments: &[&str]) -> Running {
    let binary = fleet.keyring.path("supervisor-sync");
    write_program(&binary, &std::fs::read(BINARY).unwrap());
    let binary = binary.display().to_string();
    let mut command = fleet.command(&[&[limit, "--", &binary], arguments].concat());
    command.program(Path::new("prlimit"));
    if let Some(user) = user {
        command.become_user(user);
    }
    command.spawn()
}

#[test]
fn logs_are_read_few_at_once() {
    let fleet = or_skip!(many("echo asked >> ${CONFIG}.asked\nexit 255"));
    let run = limited(&fleet, "--nofile=64", None, &["logs", "--parallel", "8"]).wait().ended(1);
    assert!(!run.stderr.contains("Too many open files"), "{}", run.stderr);
    let asked = std::fs::read_to_string(fleet.keyring.path("config.asked")).unwrap();
    assert_eq!(asked.lines().count(), HOSTS);
}

/// Hosts `web0` to `web2` with an agent each, of which the last does not come to its answer before there is
/// a file `gate`.
fn answering() -> Option<Fleet> {
    let mut fleet = Fleet::start(&[])?;
    for name in ["web0", "web1", "web2"] {
        fleet = fleet.with_other(name, &format!("host: {name}, username: root"));
    }
    let json = |reply| serde_json::to_string(&AgentMessage::Reply(reply)).unwrap();
    let (site, reason) = (Domain::parse("of-host.example").unwrap(), CommandError::refused("no"));
    let (plan, status, revisions) = (Err(reason.clone()), Err(reason.clone()), Err(reason));
    let history = SiteHistory {
        site: site.clone(),
        revisions,
        outcomes: Vec::new(),
        unfinished: None,
        touched: Default::default(),
        paths: None,
    };
    let replies = [
        ("left", json(Reply::Left { left: Left::default() })),
        ("plan", json(Reply::Plans { sites: vec![PlannedSite { site: site.clone(), plan }] })),
        ("status", json(Reply::Status { sites: vec![SiteStatusReply { site, status }] })),
        ("history", json(Reply::History { sites: vec![history] })),
    ];
    let cases: String = replies
        .map(|(request, reply)| {
            let reply = reply.replace("of-host", "'\"$name\"'");
            format!("*'\"request\":\"{request}\"'*) echo '{reply}';;\n")
        })
        .concat();
    let gate = fleet.keyring.path("gate");
    fleet.keyring.write_wrapper(&format!(
        "all=\"$*\"; name=${{all#*-- }}; name=${{name%% *}}\n\
         echo '@supervisor-sync HAVE direct root /x'\n\
         echo '{{\"hello\":{{\"protocol\":{PROTOCOL},\"release\":\"x\"}}}}'\n\
         while read -r line; do\n\
         if [ $name = web2 ]; then while [ ! -e {} ]; do sleep 0.1; done; fi\n\
         case $line in\n{cases}esac\ndone",
        gate.display()
    ));
    fleet.write_inventory("");
    Some(fleet)
}

/// Nothing but the slowest host is waited for, and what was answered is shown and forgotten.
#[test]
fn answers_are_shown_as_they_come() {
    let fleet = or_skip!(answering());
    let gate = fleet.keyring.path("gate");
    for verb in ["plan", "status", "history"] {
        let _ = std::fs::remove_file(&gate);
        let running = fleet.command(&[verb, "--json"]).spawn();
        let has = |host: &str| running.stdout().contains(&format!("\"host\":\"{host}\""));
        wait_until(PATIENCE, "two hosts are shown", || has("web0") && has("web1"));
        assert!(!has("web2"), "{verb}");
        std::fs::write(&gate, "").unwrap();
        let run = running.wait().ended(1);
        let documents = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let hosts: Vec<String> = documents
            .filter(|document| document["kind"] == verb)
            .map(|document| document["host"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(hosts, ["web0", "web1", "web2"], "{verb}");
    }
}

/// Hosts that there is no room to follow are told, and the rest is followed.
#[test]
fn unfollowed_hosts_are_told() {
    let fleet = or_skip!(many("exec sleep 1000"));
    // root has as many threads as it likes.
    if !rustix::process::geteuid().is_root() {
        return crate::python::missing("the right to become another user");
    }
    let running = limited(&fleet, "--nproc=60", Some("nobody"), &["logs", "-f"]);
    wait_until(PATIENCE, "it says how many are followed", || {
        running.stderr().contains(&format!("of {HOSTS} hosts are read: "))
    });
    signal(running.id(), Signal::INT);
    running.wait().ended(130).complains("the system has no more threads");
}
