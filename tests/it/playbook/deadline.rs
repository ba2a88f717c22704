//! A caller waits for 300 seconds, programs may drain for an hour: what is not done in time goes on by
//! itself, and the next call says how it ended.

#![expect(clippy::disallowed_methods, reason = "looks at processes")]

use rustix::process::Signal;
use supervisor_sync::supervisord::ProcessState;

use super::{at_work, program, programs};
use crate::daemon::{PATIENCE, signal, wait_until};
use crate::site::{Host, Run};

const D: &str = "a.com-d:a.com-d";

/// A host where `a.com` has a program that goes on until the gate is opened.
fn host() -> Option<Host> {
    let host = Host::start()?;
    host.deploy("a.com").drainer("d");
    host.sync("a.com", &programs(&["d"])).ended(0);
    host.wait_starts("a.com-d", 1);
    host.wait_running(&[D]);
    Some(host)
}

fn changed() -> String {
    format!("[{}]", program("d", r#""stopwaitsecs":60"#))
}

/// A playbook that does not wait for long.
fn in_time(host: &Host, playbook: &str) -> Run {
    let mut invocation = host.playbook(playbook, "a.com", &changed());
    invocation.env("SUPERVISOR_SYNC_DEADLINE", "1").run()
}

fn wait_ended(pid: u32) {
    let gone = || !std::path::Path::new(&format!("/proc/{pid}")).exists();
    wait_until(PATIENCE, &format!("process {pid} has ended"), gone);
}

#[test]
fn late_sync_goes_on() {
    let host = or_skip!(host());
    let run = in_time(&host, "sync").ended(0);
    assert_eq!(host.process(D).unwrap().state, ProcessState::Stopping);
    let told = "after 1 s this still waits for a.com-d (at most 3";
    assert!(run.warnings()[0].starts_with(told), "{}", run.stderr);
    let result = "status: success\nsupervisors_synced: 1\nstill_waiting_for:\n  - a.com-d\n";
    assert_eq!(host.result().unwrap(), result);
    // A session of its own: the end of ssh's is not its.
    let pid = at_work(&host, "a.com");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let behind_name = stat.rsplit_once(')').unwrap().1;
    assert_eq!(behind_name.split_whitespace().nth(3), Some(pid.to_string().as_str()), "{stat}");
    signal(pid, Signal::HUP);
    // Who comes meanwhile is told for whom it would wait.
    let mut second = host.playbook("sync", "a.com", &programs(&["d"]));
    let second = second.env("SUPERVISOR_SYNC_LOCK_WAIT", "0").run().ended(1);
    let holder = format!("(pid {pid}, since ");
    assert!(second.first_line().contains("`playbook sync` of user "), "{}", second.stderr);
    assert!(second.first_line().contains(&holder), "{}", second.stderr);
    host.open_gate();
    host.wait_starts("a.com-d", 2);
    wait_ended(pid);
    let next = host.sync("a.com", &changed()).ended(0);
    assert!(next.stdout.contains(" is done: applied as revision 2\n"), "{}", next.stdout);
    assert_eq!(next.stderr, "");
    let once = host.sync("a.com", &changed()).ended(0);
    assert_eq!(once.stdout, "→ nothing to do, 1 unchanged\n");
}

#[test]
fn late_restart_goes_on() {
    let host = or_skip!(host());
    let run = in_time(&host, "restart").ended(0);
    assert!(run.warnings()[0].contains("still waits for a.com-d"), "{}", run.stderr);
    let result = "status: success\nsupervisors_restarted: 0\nstill_waiting_for:\n  - a.com-d\n";
    assert_eq!(host.result().unwrap(), result);
    let pid = at_work(&host, "a.com");
    host.open_gate();
    host.wait_starts("a.com-d", 2);
    wait_ended(pid);
    let next = host.sync("a.com", &programs(&["d"])).ended(0);
    assert!(next.stdout.contains(" has restarted its programs\n"), "{}", next.stdout);
}

/// One that goes on and is killed is told as cut off, and completed.
#[test]
fn killed_late_sync_is_completed() {
    let host = or_skip!(host());
    in_time(&host, "sync").ended(0);
    signal(at_work(&host, "a.com"), Signal::KILL);
    host.open_gate();
    host.daemon.wait_for_state(D, ProcessState::Stopped);
    let next = host.sync("a.com", &changed()).ended(0);
    assert!(next.warnings()[0].ends_with(" was cut off before it was done"), "{}", next.stderr);
    host.wait_starts("a.com-d", 2);
    assert_eq!(host.sync("a.com", &changed()).ended(0).stderr, "");
}

/// However it lost it: the link may be gone, or the caller killed.
#[test]
fn orphaned_sync_goes_on() {
    let host = or_skip!(host());
    let running = host.playbook("sync", "a.com", &changed()).spawn();
    host.daemon.wait_for_state(D, ProcessState::Stopping);
    let pid = at_work(&host, "a.com");
    signal(running.id(), Signal::KILL);
    drop(running);
    let untold = host.state().join("sites/a.com/untold.json");
    wait_until(PATIENCE, "it has noticed", || untold.exists());
    host.open_gate();
    host.wait_starts("a.com-d", 2);
    wait_ended(pid);
    let next = host.sync("a.com", &changed()).ended(0);
    assert!(next.stdout.contains(" is done: applied as revision 2\n"), "{}", next.stdout);
    assert!(!untold.exists());
}
