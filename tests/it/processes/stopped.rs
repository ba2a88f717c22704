//! What ran keeps running; what somebody stopped stays stopped, unless it is said otherwise.

use supervisor_sync::supervisord::{Call, ProcessState, Supervisord as _};

use super::{applied, host_with, pids, starts, times, wait_noted, wants};
use crate::site::Host;

const STATES: [(&str, ProcessState); 7] = [
    ("a.com-auto:a.com-auto", ProcessState::Stopped),
    ("a.com-manual:a.com-manual", ProcessState::Stopped),
    ("a.com-ran:a.com-ran", ProcessState::Running),
    ("a.com-never:a.com-never", ProcessState::Stopped),
    ("a.com-part:a.com-part_00", ProcessState::Running),
    ("a.com-part:a.com-part_01", ProcessState::Stopped),
    ("a.com-part:a.com-part_02", ProcessState::Running),
];

fn start_by_hand(host: &Host, name: &str) {
    let start = Call::StartProcess(format!("a.com-{name}:a.com-{name}"));
    host.daemon.client().call(start).unwrap().unwrap();
    host.wait_running(&[&format!("a.com-{name}:a.com-{name}")]);
}

fn inventory(more: &str) -> Vec<String> {
    [
        "auto",
        "manual, autostart: false",
        "ran, autostart: false",
        "never, autostart: false",
        "part, numprocs: 3",
    ]
    .iter()
    .map(|program| format!("script: w.sh, program: {program}{more}"))
    .collect()
}

fn wants_with(host: &Host, more: &str) {
    let inventory = inventory(more);
    wants(host, &inventory.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Five programs, of which some were stopped by hand.
fn host_with_stopped() -> Option<Host> {
    let host = host_with(&["w"])?;
    wants_with(&host, "");
    host.run(&["apply", "--yes"]).ended(0);
    start_by_hand(&host, "manual");
    start_by_hand(&host, "ran");
    wait_noted(&host, &ONCE);
    for name in ["auto:a.com-auto", "manual:a.com-manual", "part:a.com-part_01"] {
        host.stop_by_hand(&format!("a.com-{name}"));
    }
    Some(host)
}

const ONCE: [(&str, usize); 6] =
    [("auto", 1), ("manual", 1), ("ran", 1), ("part_00", 1), ("part_01", 1), ("part_02", 1)];

#[track_caller]
fn assert_states(host: &Host, when: &str) {
    for (namespec, state) in STATES {
        assert_eq!(host.process(namespec).unwrap().state, state, "{namespec} {when}");
    }
}

#[test]
fn no_change_starts_stopped_process() {
    let host = or_skip!(host_with_stopped());
    for arguments in
        [&["apply", "--yes"][..], &["apply", "--yes", "--restart"], &["restart", "--yes"]]
    {
        host.run(arguments).ended(0);
        assert_states(&host, &format!("after {arguments:?} without a change"));
    }
    let of =
        [("auto", 1), ("manual", 1), ("ran", 3), ("part_00", 3), ("part_01", 1), ("part_02", 3)];
    wait_noted(&host, &of);
    let before = pids(&host);
    wants_with(&host, ", priority: 7");
    let plan = host.run(&["plan"]).ended(0).stdout;
    assert!(plan.contains("auto    leave as it is: it was stopped by hand"), "{plan}");
    assert!(plan.contains("a.com-part:a.com-part_01 stays stopped"), "{plan}");
    let run = host.run(&["apply", "--yes"]).ended(0);
    assert!(run.stdout.contains("a.com-part:a.com-part_01 stays stopped"), "{}", run.stdout);
    assert_states(&host, "after a change");
    assert!(pids(&host).iter().all(|(name, pid)| before[name] != *pid), "all of them restarted");
    let starts = starts(&host);
    for (process, times) in [("auto", 1), ("manual", 1), ("ran", 4), ("part_00", 4), ("part_02", 4)]
    {
        assert_eq!(starts.get(process), Some(&times), "{process}");
    }
    assert_eq!(starts.get("never"), None);
    // And with the change pending for what is stopped, a restart does not start it either.
    host.run(&["restart", "--yes"]).ended(0);
    assert_states(&host, "after a restart");
    host.run(&["status", "--deep"])
        .ended(3)
        .says("a.com-auto has a file that is newer than what runs");
}

#[test]
fn stopping_by_hand_stays_stopped() {
    let host = or_skip!(host_with(&[]));
    super::worker(&host, "w", "sleep 1;");
    applied(&host, &["program: w, script: w.sh, numprocs: 2"], &[("w_00", 1), ("w_01", 1)]);
    let stop = Call::StopProcess("a.com-w:a.com-w_00".to_owned());
    host.daemon.client().call(stop).unwrap().unwrap();
    host.daemon.wait_for_state("a.com-w:a.com-w_00", ProcessState::Stopping);
    let run = host.run(&["restart", "--yes"]).ended(0);
    assert!(run.stdout.contains("a.com-w:a.com-w_00 stays stopped"), "{}", run.stdout);
    wait_noted(&host, &[("w_00", 1), ("w_01", 2)]);
    host.daemon.wait_for_state("a.com-w:a.com-w_00", ProcessState::Stopped);
}

#[test]
fn start_stopped_starts_them() {
    let of = |auto, part| {
        [
            ("auto", auto),
            ("manual", 1),
            ("ran", 2),
            ("part_00", 2),
            ("part_01", part),
            ("part_02", 2),
        ]
    };
    let host = or_skip!(host_with_stopped());
    let run = host.run(&["restart", "--yes", "--start-stopped"]).ended(0);
    assert!(run.stdout.contains("~ auto  restart: as asked"), "{}", run.stdout);
    wait_noted(&host, &of(2, 2));
    host.run(&["status"]).ended(0);

    let host = or_skip!(host_with_stopped());
    wants_with(&host, ", priority: 7");
    host.run(&["apply", "--yes", "--start-stopped"]).ended(0);
    wait_noted(&host, &of(2, 2));
    host.run(&["status"]).ended(0);

    // What does not change is started, and nothing else.
    let host = or_skip!(host_with_stopped());
    let run = host.run(&["apply", "--yes", "--start-stopped"]).ended(0);
    assert!(run.stdout.contains("part  start: it was stopped by hand"), "{}", run.stdout);
    let mut expected = ONCE;
    (expected[0].1, expected[4].1) = (2, 2);
    wait_noted(&host, &expected);
    assert_eq!(starts(&host), times(&expected));
}
