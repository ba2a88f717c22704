//! What was started is watched: what does not stay up has the apply undone, which is proved.

use supervisor_sync::supervisord::ProcessState;

use super::{IDLE, applied, host_with, on_term, pids, script, starts, times, wait_noted, wants};
use crate::daemon::{PATIENCE, children, wait_until};
use crate::site::{Host, Run};

/// Each exits so many tenths of a second after its start, after startsecs or before.
const FAILING: [(&str, &str, &str); 4] = [
    ("at-once", "exit 3", "startsecs: 1"),
    ("flapping", "sleep 1.5; exit 3", "startsecs: 1, health: {stable_for: 3}"),
    ("one-shot", "exit 1", "autorestart: false"),
    ("unexpected", "exit 1", "autorestart: unexpected, health: {stable_for: 2}"),
];

#[test]
fn unstable_program_is_put_back() {
    let host = or_skip!(host_with(&["w"]));
    applied(&host, &["program: w, script: w.sh"], &[("w", 1)]);
    let former = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    for (number, (name, then, more)) in FAILING.into_iter().enumerate() {
        script(
            &host,
            name,
            &format!("for n in 1 2 3 4 5 6 7 8 9; do echo {name} $n; done\n{then}"),
        );
        let bad = format!("program: {name}, script: {name}.sh, {more}");
        wants(&host, &["program: w, script: w.sh, priority: 7", &bad]);
        let run = host.run(&["apply", "--yes"]).ended(4);
        assert!(run.stderr.contains(&format!("  a.com-{name} ")), "{}", run.stderr);
        assert!(run.stderr.contains(&format!("    | {name} 9\n")), "{}", run.stderr);
        assert!(run.stdout.ends_with("rolled back, it is as it was\n"), "{}", run.stdout);
        assert_eq!(host.groups(), ["a.com-w"], "{name}");
        assert_eq!(host.file_names(), ["a.com-w.conf", "supervisor-a.com-w.conf"]);
        assert_eq!(std::fs::read_to_string(host.conf("a.com-w")).unwrap(), former);
        // It had the new configuration, and has the former again.
        wait_noted(&host, &[("w", 3 + 2 * number)]);
    }
    wants(&host, &["program: w, script: w.sh"]);
    host.run(&["status"]).ended(0);
    host.run(&["history"]).ended(0).says("1");
}

#[test]
fn verification_can_be_relaxed() {
    let host = or_skip!(host_with(&["w"]));
    script(&host, "bad", "echo no database; exit 1");
    let programs = ["program: w, script: w.sh", "program: bad, script: bad.sh, startsecs: 1"];
    wants(&host, &programs);
    let run = host.run(&["apply", "--yes", "--no-rollback"]).ended(5);
    assert!(run.stderr.contains("    | no database\n"), "{}", run.stderr);
    assert_eq!(host.groups(), ["a.com-bad", "a.com-w"]);
    wait_noted(&host, &[("w", 1)]);
    host.run(&["status"]).ended(3);
    host.run(&["history"]).ended(0).says("apply");

    let host = or_skip!(host_with(&["w"]));
    script(&host, "bad", "echo no database; exit 1");
    wants(&host, &programs);
    let run = host.run(&["apply", "--yes", "--no-verify"]).ended(0);
    assert!(!run.stderr.contains("Watching"), "{}", run.stderr);
    assert_eq!(host.groups(), ["a.com-bad", "a.com-w"]);
}

/// What may end, or changes its pid once, is healthy.
#[test]
fn expected_exit_is_healthy() {
    let host = or_skip!(host_with(&[]));
    script(&host, "never", "note start; exit 0");
    script(&host, "unexpected", "note start; exit 0");
    script(&host, "seven", "note start; exit 7");
    // The first time it leaves its place to another, as a worker does that has its new code.
    let first = host.path("first").display().to_string();
    let once = format!("[ -e {first} ] || {{ note start; touch {first}; exec sleep 0.5; }}");
    script(&host, "renews", &format!("{once}\n{} {IDLE}", on_term("")));
    applied(
        &host,
        &[
            "program: never, script: never.sh, autorestart: false",
            "program: unexpected, script: unexpected.sh, autorestart: unexpected",
            "program: seven, script: seven.sh, autorestart: unexpected, exitcodes: [0, 7]",
            "program: renews, script: renews.sh, health: {stable_for: 2}",
        ],
        &[("never", 1), ("unexpected", 1), ("seven", 1), ("renews", 2)],
    );
    host.run(&["status"]).ended(0);
    // And an apply does not run them again.
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(starts(&host)["never"], 1);
}

#[test]
fn children_do_not_outlive_their_parent() {
    let host = or_skip!(host_with(&[]));
    // A shell that waits for a child of its own, and hands no signal on.
    script(&host, "w", "note start\nsleep 1000 & sleep 1000 & wait");
    let program = |more: &str| format!("program: w, script: w.sh{more}");
    applied(&host, &[&program("")], &[("w", 1)]);
    let parent = u32::try_from(pids(&host)["w"]).unwrap();
    wait_until(PATIENCE, "it has forked", || children(parent).len() == 2);
    let forked = children(parent);
    wants(&host, &[&program(", priority: 7")]);
    host.run(&["apply", "--yes"]).ended(0);
    wait_noted(&host, &[("w", 2)]);
    wait_until(PATIENCE, "no orphan is left", || !forked.iter().any(|pid| is_alive(*pid)));
}

/// Neither gone nor a zombie.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[test]
fn unhealthy_restart_is_told() {
    let host = or_skip!(host_with(&["w", "bad"]));
    let programs = ["program: w, script: w.sh", "program: bad, script: bad.sh, startsecs: 1"];
    applied(&host, &programs, &[("w", 1), ("bad", 1)]);
    script(&host, "bad", "echo no database; exit 1");
    let told = |run: &Run| {
        assert!(run.stderr.contains("  a.com-bad is FATAL"), "{}", run.stderr);
        assert!(run.stderr.contains("    | no database\n"), "{}", run.stderr);
    };
    told(&host.run(&["restart", "--yes"]).ended(5));
    assert_eq!(starts(&host), times(&[("w", 2), ("bad", 1)]));
    // An apply that only restarts has nothing to go back to but says the same.
    let run: Run = host.run(&["apply", "--yes", "--restart"]);
    assert!([4, 5].contains(&run.status), "{run:?}");
    told(&run);
}

/// The former code is gone: what ran cannot run again, and that is not passed over.
#[test]
fn impossible_undo_says_so() {
    let host: Host = or_skip!(host_with(&["w"]));
    applied(&host, &["program: w, script: w.sh"], &[("w", 1)]);
    script(&host, "w", "echo gone; exit 1");
    wants(&host, &["program: w, script: w.sh, priority: 7, startsecs: 1"]);
    let run = host.run(&["apply", "--yes"]).ended(5);
    assert!(run.stderr.contains("a.com-w does not run again"), "{}", run.stderr);
}

/// That supervisord happens to be trying it once more is no proof that it runs.
#[test]
fn retry_is_no_proof_of_undo() {
    let host: Host = or_skip!(host_with(&["w"]));
    applied(&host, &["program: w, script: w.sh, startsecs: 1, startretries: 1000"], &[("w", 1)]);
    script(&host, "w", "echo gone; exit 1");
    wants(&host, &["program: w, script: w.sh, startsecs: 1, startretries: 0, priority: 7"]);
    let run = host.run(&["apply", "--yes"]).ended(5);
    assert!(run.stderr.contains("a.com-w does not run again"), "{}", run.stderr);
}

/// An undo leaves what was failing before as well as it was.
#[test]
fn undo_restores_former_failure() {
    let host: Host = or_skip!(host_with(&["w"]));
    let failing = "program: w, script: w.sh, startsecs: 1, startretries: 1000";
    script(&host, "w", "exit 1");
    wants(&host, &[failing]);
    host.run(&["apply", "--yes", "--no-verify"]).ended(0);
    host.daemon.wait_for_state("a.com-w:a.com-w", ProcessState::Backoff);
    wants(&host, &["program: w, script: w.sh, startsecs: 1, startretries: 0, priority: 7"]);
    let run = host.run(&["apply", "--yes"]).ended(4);
    assert!(!run.stderr.contains("does not run again"), "{}", run.stderr);
}

#[test]
fn failure_log_begins_with_change() {
    let host = or_skip!(host_with(&[]));
    script(&host, "w", &format!("echo from before; {} {IDLE}", on_term("")));
    applied(&host, &["program: w, script: w.sh"], &[("w", 1)]);
    wait_until(PATIENCE, "it has said so", || {
        std::fs::read_to_string(host.log("a.com-w")).is_ok_and(|log| log.contains("from before"))
    });
    script(&host, "w", "echo why; exit 3");
    wants(&host, &["program: w, script: w.sh, startsecs: 1, priority: 7"]);
    let run = host.run(&["apply", "--yes", "--no-rollback"]).ended(5);
    assert!(run.stderr.contains("    | why\n"), "{}", run.stderr);
    assert!(!run.stderr.contains("from before"), "{}", run.stderr);
}
