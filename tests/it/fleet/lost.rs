//! Links that drop and people who press Ctrl-C while an apply is under way: the host is never left
//! half-way.

use rustix::process::Signal;

use super::Fleet;
use crate::daemon::{PATIENCE, children, signal, wait_until};
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
fn a_killed_ssh_leaves_the_host_to_finish() {
    let Some((fleet, run)) = draining() else { return };
    for ssh in children(run.id()) {
        signal(ssh, Signal::KILL);
    }
    let run = run.wait().ended(5).complains(LOST);
    run.complains("Hint: see how it ended: supervisor-sync plan --on web1\n");
    finishes_by_itself(&fleet);
}

#[test]
fn a_dropped_link_leaves_the_host_to_finish() {
    let Some((fleet, run)) = draining() else { return };
    fleet.machine("web1").sshd.drop_sessions();
    run.wait().ended(5).complains(LOST);
    // While it is still at it, nobody else may.
    fleet.run(&["apply", "--yes"]).ended(7);
    finishes_by_itself(&fleet);
}

#[test]
fn a_caller_that_is_killed_leaves_the_host_to_finish() {
    let Some((fleet, run)) = draining() else { return };
    signal(run.id(), Signal::KILL);
    finishes_by_itself(&fleet);
}

#[test]
fn ctrl_c_reaches_the_host_and_the_next_apply_goes_on_from_there() {
    let Some((fleet, run)) = draining() else { return };
    signal(run.id(), Signal::INT);
    run.wait().ended(130).complains("interrupted");
    let web1 = fleet.machine("web1");
    web1.host.open_gate();
    fleet.run(&["apply", "--yes", "--lock-wait", "30"]).ended(0);
    web1.host.wait_running(&[&format!("{0}:{0}", web1.full())]);
    fleet.run(&["plan", "--exit-code"]).ended(0);
}
