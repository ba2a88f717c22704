//! `numprocs` changes the names of processes: what ran must run again under its new ones.

use super::wants;
use crate::site::Host;
use supervisor_sync::supervisord::{Call, ProcessState, Supervisord as _};

fn program(numprocs: u32, more: &str) -> String {
    format!("program: w, script: w.sh, numprocs: {numprocs}{more}")
}

fn running(host: &Host) -> Vec<String> {
    let processes = host.daemon.processes().into_iter();
    let up = processes.filter(|process| process.state == ProcessState::Running);
    up.map(|process| process.name).collect()
}

#[test]
fn one_becomes_three_then_one() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let three = ["a.com-w_00", "a.com-w_01", "a.com-w_02"];
    for (numprocs, expected) in
        [(1, &["a.com-w"][..]), (3, &three), (2, &three[..2]), (1, &["a.com-w"])]
    {
        wants(&host, &[&program(numprocs, "")]);
        host.run(&["apply", "--yes"]).ended(0);
        assert_eq!(running(&host), expected);
        host.run(&["plan", "--exit-code"]).ended(0);
    }
}

/// What ran without `autostart` runs again under its new names.
#[test]
fn manually_started_runs_under_new_names() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let by_hand = ", autostart: false";
    wants(&host, &[&program(1, by_hand)]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(running(&host), [""; 0]);
    let start = Call::StartProcess("a.com-w:a.com-w".to_owned());
    host.daemon.client().call(start).unwrap().unwrap();
    host.wait_running(&["a.com-w:a.com-w"]);
    wants(&host, &[&program(3, by_hand)]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(running(&host), ["a.com-w_00", "a.com-w_01", "a.com-w_02"]);
}

/// From one group to a group for each process, and back: what ran runs, once.
#[test]
fn together_becomes_separate_then_together() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    for (number, more) in ["", ", instances: separate", ""].into_iter().enumerate() {
        wants(&host, &[&program(2, more)]);
        host.run(&["apply", "--yes"]).ended(0);
        assert_eq!(running(&host), ["a.com-w_00", "a.com-w_01"]);
        assert_eq!(host.starts("a.com-w").len(), 2 * (number + 1));
    }
}

#[test]
fn failed_scaling_restores_names() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    wants(&host, &[&program(2, "")]);
    host.run(&["apply", "--yes"]).ended(0);
    site.crasher("broken");
    wants(&host, &["program: w, script: broken.sh, numprocs: 1"]);
    host.run(&["apply", "--yes"]).ended(4);
    host.wait_running(&["a.com-w:a.com-w_00", "a.com-w:a.com-w_01"]);
    assert_eq!(host.daemon.processes().len(), 2);
}
