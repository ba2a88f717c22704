//! A program whose name begins with another's is never taken for it.

use super::{applied, host_with, pids, script, starts, times, wait_noted, wants, worker};
use crate::daemon::{PATIENCE, wait_until};
use crate::site::Host;

fn program(name: &str, more: &str) -> String {
    format!("program: {name}, script: w.sh{more}")
}

fn array(names: &[&str]) -> String {
    let items: Vec<String> = names
        .iter()
        .map(|name| format!(r#"{{"program":"{name}","script":"{name}.sh"}}"#))
        .collect();
    format!("[{}]", items.join(","))
}

#[test]
fn failed_restart_counts_for_its_program() {
    let host = or_skip!(host_with(&["w", "w_00", "w-2"]));
    let names = ["w", "w_00", "w-2"];
    host.sync("a.com", &array(&names)).ended(0);
    wait_noted(&host, &names.map(|name| (name, 1)));
    script(&host, "w_00", "exit 1");
    let run = host.playbook("restart", "a.com", &array(&names)).run().ended(0);
    let failed: Vec<&str> =
        run.warnings().into_iter().filter(|line| line.starts_with("Failed")).collect();
    assert_eq!(failed, ["Failed to restart a.com-w_00"], "{}", run.stderr);
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_restarted: 2\n");
}

#[test]
fn apply_leaves_similar_names() {
    let host = or_skip!(host_with(&["w"]));
    let all = ["w", "w_00", "w-2", "w_01"].map(|name| program(name, ""));
    let once = [("w", 1), ("w_00", 1), ("w-2", 1), ("w_01", 1)];
    applied(&host, &all.each_ref().map(String::as_str), &once);
    let before = pids(&host);
    // w_00 and w_01 are not wanted any more, and nobody has asked for that yet.
    for record in [true, false] {
        if !record {
            std::fs::remove_dir_all(host.state()).unwrap();
        }
        let priority = if record { 7 } else { 8 };
        wants(
            &host,
            &[&program("w", &format!(", priority: {priority}")), &program("w-2", ", priority: 7")],
        );
        let plan = host.run(&["plan", "--program", "w"]).ended(0).stdout;
        assert!(!plan.contains("a.com-w_0") && !plan.contains("a.com-w-2"), "{plan}");
        host.run(&["apply", "--yes", "--program", "w"]).ended(0);
        assert_eq!(host.groups(), ["a.com-w", "a.com-w-2", "a.com-w_00", "a.com-w_01"]);
        let after = pids(&host);
        for name in ["w_00", "w_01", "w-2"] {
            assert_eq!(after[name], before[name], "{name}, record: {record}");
        }
    }
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(host.groups(), ["a.com-w", "a.com-w-2"]);
}

/// `w_00` is a program of its own: the new `w` takes nobody's place.
#[test]
fn newcomer_waits_for_no_namesake() {
    let host = or_skip!(host_with(&["w"]));
    let gate = format!("while [ ! -e {} ]; do sleep 0.05; done;", host.path("gate").display());
    worker(&host, "slow", &gate);
    applied(&host, &["program: w_00, script: slow.sh"], &[("w_00", 1)]);
    wants(&host, &[&program("w", ""), &program("idle", ", autostart: false")]);
    let run = host.command(&["apply", "--yes"]).spawn();
    wait_until(PATIENCE, "w has started while w_00 drains", || {
        starts(&host) == times(&[("w_00", 1), ("w", 1)])
    });
    assert_eq!(host.groups(), ["a.com-idle", "a.com-w", "a.com-w_00"]);
    host.open_gate();
    run.wait().ended(0);
}

/// Nor does one that is not to start come up because one named alike ran.
#[test]
fn namesake_starts_nothing() {
    let host: Host = or_skip!(host_with(&["w"]));
    applied(&host, &[&program("w_00", "")], &[("w_00", 1)]);
    wants(&host, &[&program("w", ", autostart: false")]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(host.groups(), ["a.com-w"]);
    assert_eq!(pids(&host).len(), 0);
}
