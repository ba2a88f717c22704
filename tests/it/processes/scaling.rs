//! Separate instances come and go alone; and no two of a kind run at once when the grouping changes.

use super::{Event, applied, host_with, noted, pids, starts, times, wait_noted, wants, worker};
use crate::daemon::{PATIENCE, wait_until};
use crate::site::Host;
use supervisor_sync::supervisord::{Call, Supervisord as _};

const SIX: [(&str, usize); 6] =
    [("w_00", 1), ("w_01", 1), ("w_02", 1), ("w_03", 1), ("w_04", 1), ("w_05", 1)];

fn program(numprocs: u32, more: &str) -> String {
    format!("program: w, script: w.sh, numprocs: {numprocs}{more}")
}

#[test]
fn scaling_restarts_nobody() {
    let host = or_skip!(host_with(&[]));
    worker(&host, "w", "sleep 1;");
    let separate = |number| program(number, ", instances: separate");
    applied(&host, &[&separate(4)], &SIX[..4]);
    let four = pids(&host);
    wants(&host, &[&separate(6)]);
    let plan = host.run(&["plan"]).ended(0).says("+ w_05  start: new, ").stdout;
    assert!(plan.contains("2 start, 4 unchanged"), "{plan}");
    host.run(&["apply", "--yes"]).ended(0);
    wait_noted(&host, &SIX);
    let six = pids(&host);
    assert!(four.iter().all(|(process, pid)| six[process] == *pid), "{four:?} {six:?}");

    wants(&host, &[&separate(3)]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(starts(&host), times(&SIX));
    let mut three = six.clone();
    three.retain(|process, _| process.as_str() < "w_03");
    assert_eq!(pids(&host), three);
    let noted = noted(&host);
    let of = |event| noted.iter().filter(move |n| n.event == event).map(|n| n.process.clone());
    let mut drained: Vec<String> = of(Event::End).collect();
    drained.sort_unstable();
    assert_eq!(drained, ["w_03", "w_04", "w_05"], "drained, and no other was told to stop");
    assert_eq!(of(Event::Term).count(), 3);
    host.run(&["plan", "--exit-code"]).ended(0);
}

/// Fails if one has started while a process of the other grouping was still draining.
#[track_caller]
fn assert_none_at_once(host: &Host) {
    let mut up: Vec<i64> = Vec::new();
    let mut draining: Vec<i64> = Vec::new();
    for one in noted(host) {
        match one.event {
            Event::Start => {
                assert!(draining.is_empty(), "{one:?} has started while {draining:?} drained");
                assert!(up.len() < 2, "{one:?} is one too many beside {up:?}");
                up.push(one.pid);
            }
            Event::Term => draining.push(one.pid),
            Event::End => {
                draining.retain(|pid| *pid != one.pid);
                up.retain(|pid| *pid != one.pid);
            }
        }
    }
}

#[test]
fn regrouping_never_runs_two() {
    let host = or_skip!(host_with(&[]));
    worker(&host, "w", "sleep 1;");
    applied(&host, &[&program(2, "")], &SIX[..2]);
    for (number, more) in [", instances: separate", ""].into_iter().enumerate() {
        wants(&host, &[&program(2, more)]);
        let plan = host.run(&["plan"]).ended(0).stdout;
        let (old, new) = if number == 0 { ("w", "w_01") } else { ("w_01", "w") };
        assert!(plan.contains(&format!("- {old:4}  stop")), "{plan}");
        assert!(plan.contains(&format!("+ {new:4}  start")), "{plan}");
        host.run(&["apply", "--yes"]).ended(0);
        wait_noted(&host, &[("w_00", number + 2), ("w_01", number + 2)]);
        assert_none_at_once(&host);
    }
    host.run(&["plan", "--exit-code"]).ended(0);
}

/// Also on the way back after a failure.
#[test]
fn failed_regrouping_never_runs_two() {
    let host = or_skip!(host_with(&[]));
    worker(&host, "w", "sleep 1;");
    applied(&host, &[&program(2, "")], &SIX[..2]);
    super::script(&host, "bad", "exit 1");
    wants(
        &host,
        &[&program(2, ", instances: separate"), "program: bad, script: bad.sh, startsecs: 1"],
    );
    host.run(&["apply", "--yes"]).ended(4);
    wait_noted(&host, &[("w_00", 3), ("w_01", 3)]);
    assert_eq!(host.groups(), ["a.com-w"]);
    assert_none_at_once(&host);
}

/// And if the old ones never stop, the new ones do not start.
#[test]
fn stuck_process_holds_back_successors() {
    let host = or_skip!(host_with(&[]));
    worker(
        &host,
        "w",
        &format!("while [ ! -e {} ]; do sleep 0.05; done;", host.path("gate").display()),
    );
    let short = ", stopwaitsecs: 1";
    applied(&host, &[&program(2, short)], &SIX[..2]);
    // It runs with a longer one than the files tell.
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    host.daemon.write_conf("a.com-w", &text.replace("stopwaitsecs=1\n", "stopwaitsecs=500\n"));
    host.open_gate();
    assert!(host.daemon.supervisorctl(&["update", "a.com-w"]).status.success());
    wait_noted(&host, &[("w_00", 2), ("w_01", 2)]);
    std::fs::remove_file(host.path("gate")).unwrap();
    host.daemon.write_conf("a.com-w", &text);

    wants(&host, &[&program(2, &format!("{short}, instances: separate"))]);
    let run = host.run(&["apply", "--yes", "--no-rollback"]).ended(5);
    assert!(run.stderr.contains("a.com-w did not stop within 1 s"), "{}", run.stderr);
    assert_eq!(starts(&host), times(&[("w_00", 2), ("w_01", 2)]), "no two at once");
    host.open_gate();
    host.run(&["apply", "--yes"]).ended(0);
    wait_noted(&host, &[("w_00", 3), ("w_01", 3)]);
    assert_eq!(host.groups(), ["a.com-w_00", "a.com-w_01"]);
}

/// What ran without `autostart` runs again in another grouping.
#[test]
fn manually_started_runs_after_regrouping() {
    let host = or_skip!(host_with(&["w", "idle"]));
    let both = |more: &str| {
        ["w", "idle"].map(|name| {
            format!("program: {name}, script: {name}.sh, numprocs: 2, autostart: false{more}")
        })
    };
    wants(&host, &both("").each_ref().map(String::as_str));
    host.run(&["apply", "--yes"]).ended(0);
    for name in ["a.com-w:a.com-w_00", "a.com-w:a.com-w_01"] {
        host.daemon.client().call(Call::StartProcess(name.to_owned())).unwrap().unwrap();
    }
    wait_noted(&host, &SIX[..2]);
    for (number, more) in [", instances: separate", ""].into_iter().enumerate() {
        wants(&host, &both(more).each_ref().map(String::as_str));
        host.run(&["apply", "--yes"]).ended(0);
        wait_noted(&host, &[("w_00", number + 2), ("w_01", number + 2)]);
    }
    wait_until(PATIENCE, "two run", || pids(&host).len() == 2);
}
