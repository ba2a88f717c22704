//! Promise: programs and processes have the names that are printed of them, and short ones where those are no
//! other's.

#![expect(clippy::disallowed_methods, reason = "edits files by hand, as people do")]

use supervisor_sync::supervisord::ProcessState;

use super::{IMPATIENT, site, wants};
use crate::site::Host;

const QUEUE: [&str; 2] = ["a.com-queue:a.com-queue_00", "a.com-queue:a.com-queue_01"];

/// `a.com` with `queue` of two processes and `mail` of one; `b.com` with `queue` alone, as `jobs`.
fn host() -> Option<Host> {
    let host = Host::start()?;
    for (domain, names) in [("a.com", &["queue", "mail"][..]), ("b.com", &["queue"])] {
        let deployed = host.deploy(domain);
        names.iter().for_each(|name| deployed.worker(name));
    }
    let a = ["program: queue, script: queue.sh, numprocs: 2", "program: mail, script: mail.sh"];
    let b = ["program: queue, script: queue.sh, as: jobs"];
    host.inventory_with(IMPATIENT, &(site("a.com", &a) + &site("b.com", &b)));
    host.run(&["apply", "--yes"]).ended(0);
    Some(host)
}

/// The pids of the four processes.
fn pids(host: &Host) -> Vec<i64> {
    host.wait_running(&[QUEUE[0], QUEUE[1], "a.com-mail:a.com-mail", "jobs:jobs"])
}

/// Which of the four have another pid by now.
fn restarted(before: &[i64], host: &Host) -> Vec<usize> {
    let now = pids(host);
    (0..4).filter(|place| before[*place] != now[*place]).collect()
}

#[test]
fn printed_and_short_names_are_taken() {
    let host = or_skip!(host());
    for (names, expected) in [
        (&["a.com-queue"][..], &[0, 1][..]),
        (&["mail"], &[2]),
        (&["jobs", "a.com-mail"], &[2, 3]),
        (&["a.com-*"], &[0, 1, 2]),
        (&["queue*"], &[0, 1, 3]),
        (&["a.com-queue_01"], &[1]),
        (&["a.com-queue:*_00"], &[0]),
        (&["a.com-queue:a.com-queue_01,jobs"], &[1, 3]),
        (&["queue:*_01", "--site", "a.com"], &[1]),
        (&["queue_00", "--site", "a.com"], &[0]),
        (&["--program", "jobs"], &[3]),
        (&["--program", "a.com-*"], &[0, 1, 2]),
    ] {
        let before = pids(&host);
        host.run(&[&["restart"], names].concat()).ended(0);
        assert_eq!(restarted(&before, &host), expected, "{names:?}");
    }
}

#[test]
fn unknown_or_ambiguous_name_is_refused() {
    let host = or_skip!(host());
    let before = host.snapshot().processes;
    for (name, message, hint) in [
        ("a.com-quee", "there is no program `a.com-quee`", "did you mean `a.com-queue`?"),
        ("mial", "there is no program `mial`", "did you mean `mail`?"),
        ("a.com-queue_02", "there is no program", "did you mean `a.com-queue_0"),
        ("queue", "`queue` is a program of 2 sites", "name one: a.com-queue, jobs; or all of them"),
        ("a.com", "`a.com` is a site, and no program", "all of its programs: --site a.com"),
        ("a.com-queue:*_07", "program queue has no process `*_07`", "there is: a.com-queue:a.com-"),
        ("zzz", "there is no program `zzz`", "there is: a.com-queue, a.com-mail, jobs"),
    ] {
        host.run(&["stop", name]).ended(1).complains(message).complains(hint);
    }
    assert_eq!(host.snapshot().processes, before);
}

#[test]
fn one_process_of_several_stops_and_starts() {
    let host = or_skip!(host());
    let others = pids(&host);
    host.run(&["stop", "a.com-queue:*_01"]).ended(0);
    assert_eq!(host.process(QUEUE[1]).unwrap().state, ProcessState::Stopped);
    host.run(&["stop", "a.com-queue:*_01"]).ended(0).says("nothing to do");
    // What somebody has stopped stays so, and what runs beside it is no concern of this.
    host.run(&["restart", "a.com-queue_01", "-n"]).ended(0).says("stopped by hand");
    host.run(&["restart", "a.com-queue_01"]).ended(0);
    assert_eq!(host.process(QUEUE[1]).unwrap().state, ProcessState::Stopped);
    assert_eq!(host.process(QUEUE[0]).unwrap().pid, others[0]);
    host.run(&["stop", "a.com-queue:*_00"]).ended(0);
    host.run(&["start", "queue_01", "--site", "a.com"]).ended(0).complains(QUEUE[1]);
    assert_eq!(host.process(QUEUE[0]).unwrap().state, ProcessState::Stopped);
    host.wait_running(&[QUEUE[1]]);
}

/// supervisord takes a group out and in as a whole: one process of it goes on with what is loaded.
#[test]
fn newer_file_waits_for_all_processes() {
    let host = or_skip!(host());
    let before = pids(&host);
    let text = std::fs::read_to_string(host.conf("a.com-queue")).unwrap();
    host.daemon.write_conf("a.com-queue", &text.replace("stopwaitsecs=3600", "stopwaitsecs=60"));
    let words =
        "a.com-queue has a newer file, which only a restart of all of its processes takes up";
    host.run(&["restart", "a.com-queue_00"]).ended(0).says(words);
    assert_eq!(restarted(&before, &host), [0]);
    host.run(&["restart", "a.com-queue"]).ended(0);
    assert_eq!(restarted(&before, &host), [0, 1]);
}

#[test]
fn separate_instance_is_restarted_alone() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh, numprocs: 2, instances: separate"]);
    host.run(&["apply", "--yes"]).ended(0);
    let processes = ["a.com-w_00:a.com-w_00", "a.com-w_01:a.com-w_01"];
    for name in ["a.com-w_01", "w_01", "w:*_01"] {
        let before = host.wait_running(&processes);
        host.run(&["restart", name]).ended(0);
        let now = host.wait_running(&processes);
        assert_eq!((before[0] == now[0], before[1] == now[1]), (true, false), "{name}");
    }
}

#[test]
fn other_verbs_take_names() {
    let host = or_skip!(host());
    std::fs::write(host.log("a.com-mail"), "mailed\n").unwrap();
    host.run(&["logs", "mail"]).ended(0).says("mailed");
    let status = host.run(&["status", "a.com-mail", "--all"]).ended(0);
    assert!(status.stdout.contains("mail") && !status.stdout.contains("queue"), "{status:?}");
    host.run(&["scale", "a.com-queue", "3", "--inventory-only", "--yes"]).ended(0);
    host.run(&["set", "jobs", "stopwaitsecs=9", "--inventory-only", "--yes"]).ended(0);
    let text = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    assert!(text.contains("numprocs: 3") && text.contains("as: jobs, stopwaitsecs: 9"), "{text}");
    let ambiguous = host.run(&["scale", "queue", "3", "--inventory-only"]).ended(1);
    ambiguous.complains("name one: a.com-queue, jobs");
    host.run(&["remove", "mail", "--inventory-only", "--yes"]).ended(0);
    let text = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    assert!(!text.contains("program: mail"), "{text}");
}
