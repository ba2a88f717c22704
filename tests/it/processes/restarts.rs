//! A restart is one start of each process, with its newest configuration and in the live release.

use super::{
    applied, host_with, next_release, noted, pids, starts, times, wait_noted, wants, working_folder,
};
use crate::site::Host;

const BEFORE: [(&str, usize); 6] =
    [("same", 1), ("changes", 1), ("many_00", 1), ("many_01", 1), ("apart_00", 1), ("apart_01", 1)];

fn twice() -> Vec<(&'static str, usize)> {
    BEFORE.iter().map(|(name, _)| (*name, 2)).collect()
}

fn inventory<'a>(change: &'a str, changes: &'a str) -> [String; 4] {
    [
        "program: same, script: w.sh".to_owned(),
        format!("program: changes, script: w.sh{changes}"),
        format!("program: many, script: w.sh, numprocs: 2{change}"),
        format!("program: apart, script: w.sh, numprocs: 2, instances: separate{change}"),
    ]
}

fn host_of_all() -> Option<Host> {
    let host = host_with(&["w"])?;
    applied(&host, &inventory("", "").each_ref().map(String::as_str), &BEFORE);
    Some(host)
}

#[test]
fn apply_restarts_into_live_release() {
    let host = or_skip!(host_of_all());
    let site = host.deployed("a.com");
    next_release(&site, 2);
    // Two of the four programs change in the same apply.
    wants(&host, &inventory(", priority: 7", ", stopwaitsecs: 7").each_ref().map(String::as_str));
    host.run(&["apply", "--yes", "--restart"]).ended(0);
    wait_noted(&host, &twice());
    for (process, pid) in pids(&host) {
        assert_eq!(working_folder(pid), site.path("releases/2"), "{process}");
    }
    // Nothing is left to do, and nothing is done.
    let before = host.snapshot();
    host.run(&["status"]).ended(0);
    host.run(&["apply", "--yes"]).ended(0);
    before.assert_same(&host.snapshot());
}

#[test]
fn restart_with_newer_file_starts_once() {
    let host = or_skip!(host_of_all());
    let site = host.deployed("a.com");
    next_release(&site, 2);
    wants(&host, &inventory(", priority: 7", ", stopwaitsecs: 7").each_ref().map(String::as_str));
    host.run(&["apply", "--yes", "--no-restart"]).ended(0);
    assert_eq!(starts(&host), times(&BEFORE));
    host.run(&["restart", "--yes"]).ended(0);
    wait_noted(&host, &twice());
    for (process, pid) in pids(&host) {
        assert_eq!(working_folder(pid), site.path("releases/2"), "{process}");
    }
    host.run(&["status"]).ended(0);
}

/// A restart is of what the host has: what the inventory says beyond that was not applied yet.
#[test]
fn restart_ignores_unapplied_changes() {
    let host = or_skip!(host_with(&["w"]));
    let once = [("grows_00", 1), ("grows_01", 1), ("splits_00", 1), ("splits_01", 1)];
    let grows = |number: u32| format!("program: grows, script: w.sh, numprocs: {number}");
    let splits =
        |how: &str| format!("program: splits, script: w.sh, numprocs: 2, instances: {how}");
    applied(&host, &[&grows(2), &splits("together")], &once);
    // Applied, and not in force yet.
    let changed = [grows(2) + ", priority: 7", splits("together") + ", priority: 7"];
    wants(&host, &changed.each_ref().map(String::as_str));
    host.run(&["apply", "--yes", "--no-restart"]).ended(0);
    // Not applied.
    wants(&host, &[&grows(3), &splits("separate"), "program: new, script: w.sh"]);
    let run = host.run(&["restart", "--yes"]);
    assert_eq!(run.status, 0, "{run:?}");
    wait_noted(&host, &once.map(|(name, _)| (name, 2)));
}

#[test]
fn former_release_is_told() {
    let host = or_skip!(host_with(&["w"]));
    let site = host.deployed("a.com");
    // One goes elsewhere by its own choice, one sticks to where it began.
    let elsewhere = host.path("home");
    let go = |to: &std::path::Path| {
        format!("cd {}; {} {}", to.display(), super::on_term(""), super::IDLE)
    };
    super::script(&host, "elsewhere", &go(&elsewhere));
    super::script(&host, "sticks", &go(&site.path("releases/1")));
    let programs =
        ["w", "elsewhere", "sticks"].map(|name| format!("program: {name}, script: {name}.sh"));
    let programs = programs.each_ref().map(String::as_str);
    applied(&host, &programs, &[("w", 1), ("elsewhere", 1), ("sticks", 1)]);
    next_release(&site, 2);
    host.run(&["status"]).ended(3).says("a.com-w runs in ").says("a.com-sticks runs in ");
    let run = host.run(&["restart", "--yes"]).ended(5);
    let told = format!(
        "a.com-sticks runs in {}, but the live release is {}",
        site.path("releases/1").display(),
        site.path("releases/2").display()
    );
    assert!(run.stderr.contains(&told), "{}", run.stderr);
    assert!(!run.stderr.contains("a.com-elsewhere runs"), "{}", run.stderr);
    assert!(!run.stderr.contains("a.com-w runs"), "{}", run.stderr);
    wait_noted(&host, &[("w", 2), ("elsewhere", 2), ("sticks", 2)]);
    let pids = pids(&host);
    assert_eq!(working_folder(pids["w"]), site.path("releases/2"));
    assert_eq!(working_folder(pids["elsewhere"]), elsewhere);
}

/// What failed to start is started, and of one that is started over and over there is one start.
#[test]
fn restart_starts_what_should_run() {
    let host = or_skip!(host_with(&["w"]));
    super::script(&host, "fatal", "exit 1");
    super::script(&host, "backs-off", "exit 1");
    wants(
        &host,
        &[
            "program: w, script: w.sh",
            "program: fatal, script: fatal.sh, startsecs: 1",
            "program: backs-off, script: backs-off.sh, startsecs: 1, startretries: 1000",
        ],
    );
    host.run(&["apply", "--yes", "--no-verify"]).ended(0);
    use supervisor_sync::supervisord::ProcessState::{Backoff, Fatal};
    host.daemon.wait_for_state("a.com-fatal:a.com-fatal", Fatal);
    host.daemon.wait_for_state("a.com-backs-off:a.com-backs-off", Backoff);
    super::worker(&host, "fatal", "");
    super::worker(&host, "backs-off", "");
    host.run(&["restart", "--yes"]).ended(0);
    let noted = noted(&host);
    let starts_of = |name: &str| {
        noted.iter().filter(|n| n.process == name && n.event == super::Event::Start).count()
    };
    assert_eq!((starts_of("w"), starts_of("fatal")), (2, 1));
    // It may have come up by itself just before.
    assert!((1..=2).contains(&starts_of("backs-off")));
    host.run(&["status"]).ended(0);
}
