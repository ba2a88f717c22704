//! Links that drop and people who press Ctrl-C while an apply is under way: the host is never left
//! half-way.

use rustix::process::Signal;

use super::Fleet;
use crate::daemon::{PATIENCE, children, signal, wait_until};
use crate::hints::{Hint, follow};
use crate::site::Running;

/// A machine whose apply waits for a worker that drains, with the process that applies.
fn draining() -> Option<(Fleet, Running)> {
    let fleet = Fleet::start(&["web1"])?;
    let web1 = fleet.machine("web1");
    web1.site().drainer("worker");
    fleet.write_inventory("");
    fleet.run(&["apply", "--yes"]).ended(0);
    web1.host.wait_starts(&web1.full(), 1);
    fleet.write_inventory(", stopwaitsecs: 600");
    let run = fleet.command(&["apply", "--yes"]).spawn();
    wait_until(PATIENCE, "the worker drains", || run.stderr().contains("Waiting for web1.example"));
    Some((fleet, run))
}

/// The host goes on without us, and the next run finds nothing to do.
fn finishes_by_itself(fleet: &Fleet) {
    let web1 = fleet.machine("web1");
    assert_eq!(web1.host.starts(&web1.full()).len(), 1, "it had not gone on before");
    web1.host.open_gate();
    web1.host.wait_starts(&web1.full(), 2);
    wait_until(PATIENCE, "the revision is recorded", || {
        fleet.run(&["history"]).ended(0).stdout.contains(": revision 2, present")
    });
    fleet.run(&["plan", "--exit-code"]).ended(0);
}

const LOST: &str = "was lost while it was at work";

#[test]
fn killed_ssh_lets_host_finish() {
    let (fleet, run) = or_skip!(draining());
    for ssh in children(run.id()) {
        signal(ssh, Signal::KILL);
    }
    let run = run.wait().ended(5).complains(LOST);
    let run = run.complains("hint: see how it ended: supervisor-sync plan --on web1\n");
    let hint = Hint("see how it ended: supervisor-sync plan --on {}");
    follow(|arguments| fleet.command(arguments), &run.stderr, hint).ended(0);
    finishes_by_itself(&fleet);
}

#[test]
fn dropped_link_lets_host_finish() {
    let (fleet, run) = or_skip!(draining());
    fleet.machine("web1").sshd.drop_sessions();
    run.wait().ended(5).complains(LOST);
    // While it is still at it, nobody else may.
    fleet.run(&["apply", "--yes"]).ended(7);
    finishes_by_itself(&fleet);
}

/// Breaks the link just when the reply of an apply is on its way.
const WITHOUT_REPLY: &str = "ssh -F \"$CONFIG\" \"$@\" | while IFS= read -r line; do\n\
    case $line in *'{\"reply\":\"applied\"'*) kill -9 $$; exit 1;; esac\n\
    printf '%s\\n' \"$line\"\ndone";

const SOUND: &str = "exec ssh -F \"$CONFIG\" \"$@\"";

/// A reply that is lost on the way is told by the next apply, on many hosts too.
#[test]
fn lost_reply_is_told_next_time() {
    let fleet = or_skip!(Fleet::start(&["web1", "web2"]));
    fleet.write_inventory("");
    fleet.keyring.write_wrapper(WITHOUT_REPLY);
    let on_web1 = ["apply", "--yes", "--on", "web1"];
    fleet.run(&on_web1).ended(5).complains(LOST);
    fleet.keyring.write_wrapper(SOUND);
    let told = "which went on without its caller, is done: applied as revision 1";
    wait_until(PATIENCE, "it is noted that nobody has heard it", || {
        fleet.run(&["plan", "--on", "web1"]).ended(0).stdout.contains(told)
    });
    fleet.write_inventory(", stopwaitsecs: 7");
    let run = fleet.run(&["apply", "--yes"]).ended(0);
    assert_eq!(run.stderr.matches(told).count(), 1, "{}", run.stderr);
    assert!(
        run.stderr.contains("web1: Site web1.example: note: the `apply` of "),
        "{}",
        run.stderr
    );
    fleet.write_inventory(", stopwaitsecs: 8");
    // One that was heard is not told again.
    let run = fleet.run(&["apply", "--yes"]).ended(0);
    assert!(!run.stderr.contains("without its caller"), "{}", run.stderr);
}

#[test]
fn unheard_stop_is_told() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    fleet.write_inventory("");
    fleet.run(&["apply", "--yes"]).ended(0);
    fleet.keyring.write_wrapper(WITHOUT_REPLY);
    fleet.run(&["stop", "--yes"]).ended(5).complains(LOST);
    fleet.keyring.write_wrapper(SOUND);
    let told = "which went on without its caller, has ended";
    wait_until(PATIENCE, "it is noted that nobody has heard it", || {
        fleet.run(&["plan"]).ended(0).stdout.contains(told)
    });
    let said = fleet.run(&["plan"]).ended(0).stdout;
    let hint = Hint("has ended: see what runs with `supervisor-sync status");
    follow(|arguments| fleet.command(arguments), &said, hint).ended(3).says("STOPPED");
    fleet.write_inventory(", stopwaitsecs: 7");
    fleet.run(&["apply", "--yes"]).ended(0).says(told);
    let plan = fleet.run(&["plan"]).ended(0).stdout;
    assert!(!plan.contains(told), "{plan}");
}

#[test]
fn killed_caller_lets_host_finish() {
    let (fleet, run) = or_skip!(draining());
    signal(run.id(), Signal::KILL);
    finishes_by_itself(&fleet);
}

#[test]
fn ctrl_c_reaches_host() {
    let (fleet, run) = or_skip!(draining());
    signal(run.id(), Signal::INT);
    run.wait().ended(130).complains("interrupted");
    let web1 = fleet.machine("web1");
    web1.host.open_gate();
    fleet.run(&["apply", "--yes", "--lock-wait", "30"]).ended(0);
    web1.host.wait_running(&[&format!("{0}:{0}", web1.full())]);
    fleet.run(&["plan", "--exit-code"]).ended(0);
}
