//! What drains is waited for, all at the same time, and nothing blocks or aborts the others.

use supervisor_sync::supervisord::{Call, ProcessState, Supervisord as _};

use super::{
    Event, IDLE, applied, noted, on_term, pids, script, starts, times, wait_noted, wants, worker,
};
use crate::daemon::{PATIENCE, wait_until};
use crate::site::Host;

/// Until the gate is opened.
fn until_gate(host: &Host) -> String {
    format!("while [ ! -e {} ]; do sleep 0.05; done;", host.path("gate").display())
}

/// Tells a process to stop and does not wait for it.
fn stop_in_the_background(host: &Host, namespec: &str) {
    host.daemon.client().call(Call::StopProcess(namespec.to_owned())).unwrap().unwrap();
    host.daemon.wait_for_state(namespec, ProcessState::Stopping);
}

#[test]
fn stops_run_at_same_time() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let slow = ["d0", "d1", "d2", "d3", "d4", "d5"];
    slow.iter().for_each(|name| worker(&host, name, "sleep 2;"));
    script(&host, "deaf", &format!("trap '' TERM; note start; {IDLE}"));
    worker(&host, "leaving", &until_gate(&host));
    worker(&host, "held", &until_gate(&host));
    script(&host, "backs-off", "exit 1");
    let program = |name: &str, more: &str| format!("program: {name}, script: {name}.sh{more}");
    let mut before: Vec<String> = slow.map(|name| program(name, "")).to_vec();
    before.push(program("deaf", ", stopwaitsecs: 2"));
    before.push(program("leaving", ""));
    before.push(program("held", ""));
    let backs_off = program("backs-off", ", startsecs: 1, startretries: 1000");
    let all: Vec<&str> = before.iter().map(String::as_str).chain([&*backs_off]).collect();
    wants(&host, &all);
    host.run(&["apply", "--yes", "--no-verify"]).ended(0);
    let once: Vec<(&str, usize)> =
        slow.iter().chain(&["deaf", "leaving", "held"]).map(|name| (*name, 1)).collect();
    wait_noted(&host, &once);
    host.daemon.wait_for_state("a.com-backs-off:a.com-backs-off", ProcessState::Backoff);
    stop_in_the_background(&host, "a.com-leaving:a.com-leaving");
    stop_in_the_background(&host, "a.com-held:a.com-held");

    // Four change, two leave, and so does one that is stopping already.
    // Under another name: supervisord goes on trying the one that exits until its group is removed.
    script(&host, "fixed", &format!("note start; {IDLE}"));
    let mut after: Vec<String> =
        slow[..4].iter().map(|name| program(name, ", priority: 7")).collect();
    after.push(program("deaf", ", stopwaitsecs: 2, priority: 7"));
    after.push(program("held", ", priority: 7"));
    after.push("program: backs-off, script: fixed.sh".to_owned());
    wants(&host, &after.iter().map(String::as_str).collect::<Vec<_>>());
    let run = host.command(&["apply", "--yes"]).spawn();
    let added = ["d0", "d1", "d2", "d3", "deaf", "backs-off"].map(|name| (name, "added"));
    let removed = ["d4", "d5"].map(|name| (name, "removed"));
    let line = |(name, how): &(&str, &str)| format!("→ a.com-{name}: {how} process group\n");
    let others: Vec<String> = added.iter().chain(&removed).map(line).collect();
    wait_until(PATIENCE, "none is held up by the one that is waited for", || {
        let told = run.stderr();
        others.iter().all(|line| told.contains(line))
    });
    assert!(!run.stderr().contains("a.com-leaving: stopped"), "{}", run.stderr());
    host.open_gate();
    let run = run.wait().ended(0).says("= held       leave as it is: it was stopped by hand");
    let first = run.stderr.lines().find(|line| line.contains("to stop (at most")).unwrap();
    for name in slow.iter().chain(&["deaf"]) {
        assert!(first.contains(&format!("a.com-{name}")), "{name}: {first}");
    }
    assert!(first.contains(" and 1 more to stop (at most 36"), "{first}");

    let noted = noted(&host);
    let is_slow = |event| move |n: &&super::Noted| n.event == event && slow.contains(&&*n.process);
    let first_end = noted.iter().position(|n| is_slow(Event::End)(&n)).unwrap();
    let told = noted[..first_end].iter().filter(is_slow(Event::Term)).count();
    assert_eq!(told, 6, "all are told to stop before the first has: {noted:?}");
    let twice = ["d0", "d1", "d2", "d3", "deaf"].map(|name| (name, 2));
    let once = ["d4", "d5", "leaving", "held", "backs-off"].map(|name| (name, 1));
    assert_eq!(starts(&host), times(&[&twice[..], &once].concat()));
    assert_eq!(pids(&host).len(), 6);
    assert_eq!(host.process("a.com-held:a.com-held").unwrap().state, ProcessState::Stopped);
}

/// supervisord would kill it after `stopwaitsecs`: but it runs with another configuration than
/// anybody can know of.
#[test]
fn late_stop_spares_others() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    worker(&host, "w", "");
    let drain = until_gate(&host);
    script(&host, "stays", &format!("{} {IDLE}", on_term(&drain)));
    let program = |name: &str, more: &str| format!("program: {name}, script: {name}.sh{more}");
    let before = [program("w", ""), program("stays", ", stopwaitsecs: 1")];
    applied(&host, &[&before[0], &before[1]], &[("w", 1), ("stays", 1)]);
    let text = std::fs::read_to_string(host.conf("a.com-stays")).unwrap();
    host.daemon.write_conf("a.com-stays", &text.replace("stopwaitsecs=1\n", "stopwaitsecs=500\n"));
    let updated = host.daemon.supervisorctl(&["update", "a.com-stays"]);
    assert!(updated.status.success());
    host.open_gate();
    wait_noted(&host, &[("w", 1), ("stays", 2)]);
    std::fs::remove_file(host.path("gate")).unwrap();
    host.daemon.write_conf("a.com-stays", &text);

    let after = [program("w", ", priority: 7"), program("stays", ", stopwaitsecs: 1, priority: 7")];
    wants(&host, &[&after[0], &after[1]]);
    let run = host.run(&["apply", "--yes", "--no-rollback"]).ended(5);
    assert!(run.stderr.contains("a.com-stays did not stop within 1 s"), "{}", run.stderr);
    assert!(run.stderr.contains("a.com-stays not updated"), "{}", run.stderr);
    assert!(!run.stderr.contains("a.com-w not updated"), "{}", run.stderr);
    assert_eq!(starts(&host), times(&[("w", 2), ("stays", 2)]));
    // The next run finishes it.
    let next = host.command(&["apply", "--yes"]).spawn();
    wait_until(PATIENCE, "it waits", || next.stderr().contains("Waiting for a.com-stays to stop"));
    host.open_gate();
    next.wait().ended(0);
    wait_noted(&host, &[("w", 2), ("stays", 3)]);
    host.run(&["status"]).ended(0);
}
