//! What stops has the time it was promised when it was started, and what could not be finished is ours
//! to say and to finish.

#![expect(clippy::disallowed_methods, reason = "edits files by hand, as people do")]
#![expect(clippy::unwrap_used, reason = "a check that fails fails the test")]

use supervisor_sync::supervisord::ProcessState;

use crate::crash::is_killed;
use crate::daemon::{PATIENCE, wait_until};
use crate::hints::Hint;
use crate::site::Host;

/// The call that sends the stops is the fourth of an apply.
const WHEN_STOPPED: &str = "batch-after:4";

fn want(host: &Host, more: &str) {
    host.inventory(&format!(
        "  - domain: one.com\n    server: here\n    supervisors:\n      - {{program: w, script: w.sh, {more}, \
         health: {{stable_for: 0}}}}\n"
    ));
}

/// One that needs the gate to stop; `w_01` does not.
fn deploy(host: &Host) {
    let (gate, ready) = (host.path("gate"), host.path("starts"));
    let (gate, ready) = (gate.display(), ready.display());
    host.deploy("one.com").script(
        "w.sh",
        &format!(
            "#!/bin/sh\nend() {{ case $SUPERVISOR_PROCESS_NAME in *_01) exit 0;; esac\n\
             while [ ! -e {gate} ]; do sleep 0.05; done; exit 0; }}\n\
             trap end TERM\necho > {ready}/$SUPERVISOR_PROCESS_NAME.$$\n\
             while :; do sleep 0.05; done\n"
        ),
    );
}

/// Waits until all of these handle TERM.
fn wait_ready(host: &Host, processes: &[&str]) {
    let namespecs: Vec<String> = processes.iter().map(|name| format!("one.com-w:{name}")).collect();
    let pids = host.wait_running(&namespecs.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, pid) in processes.iter().zip(pids) {
        let ready = host.path("starts").join(format!("{name}.{pid}"));
        wait_until(PATIENCE, "it handles TERM", || ready.exists());
    }
}

/// Puts other seconds into the file of the program, as a person would.
fn edit_stopwaitsecs(host: &Host, from: u32, to: u32) {
    let text = std::fs::read_to_string(host.conf("one.com-w")).unwrap();
    let line = |seconds| format!("stopwaitsecs={seconds}\n");
    assert!(text.contains(&line(from)), "{text}");
    std::fs::write(host.conf("one.com-w"), text.replace(&line(from), &line(to))).unwrap();
}

/// Applies while the program waits for the gate, and sees how long it may.
fn takes_up_to_3600(host: &Host, arguments: &[&str]) {
    let plan = [&["plan"], arguments].concat();
    host.run(&plan).ended(0).says("up to 3600 s");
    let running = host.command(&[&["apply", "--yes"], arguments].concat()).spawn();
    let waits = || running.stderr().contains("to stop (at most 36");
    wait_until(PATIENCE, "it waits as long as it may", waits);
    host.open_gate();
    running.wait().ended(0);
    std::fs::remove_file(host.path("gate")).unwrap();
}

/// What somebody else has started has the time it was started with.
#[test]
fn foreign_process_keeps_its_stop_time() {
    let mut host = or_skip!(Host::start());
    deploy(&host);
    let script = host.deployed("one.com").path("current/.deployer/supervisors/w.sh");
    let text = format!(
        "[program:one.com-w]\ncommand=/bin/sh {}\ndirectory=/tmp\nnumprocs=4\nstopwaitsecs=3600\n\
         process_name=%(program_name)s_%(process_num)02d\n",
        script.display()
    );
    std::fs::write(host.conf("one.com-w"), text).unwrap();
    host.daemon.restart();
    let names = [0, 1, 2, 3].map(|number| format!("one.com-w_0{number}"));
    wait_ready(&host, &names.each_ref().map(String::as_str));
    want(&host, "numprocs: 4, stopwaitsecs: 5");
    takes_up_to_3600(&host, &["--allow", "foreign-file"]);
    host.run(&["plan"]).ended(0).says("nothing to do");
}

/// What was deferred has the time it was started with.
#[test]
fn deferred_process_keeps_its_stop_time() {
    let host = or_skip!(Host::start());
    deploy(&host);
    want(&host, "stopwaitsecs: 3600");
    host.run(&["apply", "--yes"]).ended(0);
    wait_ready(&host, &["one.com-w"]);
    // Twice, so that the record of the second must have it from the first.
    for priority in [7, 8] {
        want(&host, &format!("stopwaitsecs: 5, priority: {priority}, restart: deferred"));
        host.run(&["apply", "--yes"]).ended(0);
    }
    takes_up_to_3600(&host, &["--restart"]);
    wait_ready(&host, &["one.com-w"]);
    want(&host, "stopwaitsecs: 5, priority: 9");
    host.run(&["plan"]).ended(0).says("up to 5 s");
}

/// What does not stop in time is ours to finish.
#[test]
fn late_stop_stays_ours() {
    let mut host = or_skip!(Host::start());
    deploy(&host);
    want(&host, "numprocs: 2, stopwaitsecs: 1");
    host.run(&["apply", "--yes"]).ended(0);
    // What supervisord runs by, and nobody can know any more.
    edit_stopwaitsecs(&host, 1, 3600);
    host.daemon.restart();
    wait_ready(&host, &["one.com-w_00", "one.com-w_01"]);
    edit_stopwaitsecs(&host, 3600, 1);
    want(&host, "numprocs: 2, stopwaitsecs: 1, priority: 7");
    let said = host
        .run(&["apply", "--yes"])
        .ended(5)
        .complains("one.com-w did not stop within 1 s")
        .complains("one.com-w:one.com-w_00 is still stopping, as this apply asked")
        .complains("this starts it again: supervisor-sync apply --site one.com")
        .stderr;
    // Its neighbour is back.
    host.wait_running(&["one.com-w:one.com-w_01"]);
    let status = host.run(&["status"]).ended(3);
    assert!(!status.stdout.contains("by hand"), "{}", status.stdout);
    host.open_gate();
    host.daemon.wait_for_state("one.com-w:one.com-w_00", ProcessState::Stopped);
    let text = "one.com-w:one.com-w_00 was stopped by an apply that has not ended";
    let status = host.run(&["status"]).ended(3).says(text);
    assert!(!status.stdout.contains("by hand"), "{}", status.stdout);
    host.follow(&said, Hint("supervisor-sync apply --site {}")).ended(0);
    host.wait_running(&["one.com-w:one.com-w_00", "one.com-w:one.com-w_01"]);
    host.run(&["status"]).ended(0);
}

/// Nothing is put back, as was asked: the next apply goes on from there.
#[test]
fn late_stop_without_rollback_is_finished() {
    let mut host = or_skip!(Host::start());
    deploy(&host);
    want(&host, "stopwaitsecs: 1");
    host.run(&["apply", "--yes"]).ended(0);
    edit_stopwaitsecs(&host, 1, 3600);
    host.daemon.restart();
    wait_ready(&host, &["one.com-w"]);
    edit_stopwaitsecs(&host, 3600, 1);
    want(&host, "stopwaitsecs: 1, priority: 7");
    let said = host.run(&["apply", "--yes", "--no-rollback"]).ended(5).stderr;
    host.open_gate();
    host.daemon.wait_for_state("one.com-w:one.com-w", ProcessState::Stopped);
    host.follow(&said, Hint("finish it: supervisor-sync apply --site {}")).ended(0);
    host.wait_running(&["one.com-w:one.com-w"]);
}

#[test]
fn status_tells_whose_doing_it_is() {
    let host = or_skip!(Host::start());
    deploy(&host);
    want(&host, "numprocs: 2, stopwaitsecs: 600");
    host.run(&["apply", "--yes"]).ended(0);
    wait_ready(&host, &["one.com-w_00", "one.com-w_01"]);
    let ours = "one.com-w:one.com-w_01 was stopped by an apply that has not ended";
    want(&host, "numprocs: 2, stopwaitsecs: 600, priority: 7");
    let running = host.command(&["apply", "--yes"]).spawn();
    host.daemon.wait_for_state("one.com-w:one.com-w_01", ProcessState::Stopped);
    let status = host.run(&["status"]).ended(3).says(ours).says("is under way");
    assert!(!status.stdout.contains("never ended"), "{}", status.stdout);
    host.open_gate();
    running.wait().ended(0);
    host.run(&["status"]).ended(0);
    wait_ready(&host, &["one.com-w_00", "one.com-w_01"]);
    want(&host, "numprocs: 2, stopwaitsecs: 600, priority: 8");
    assert!(is_killed(&host, WHEN_STOPPED));
    host.daemon.wait_for_state("one.com-w:one.com-w_01", ProcessState::Stopped);
    let status = host.run(&["status"]).ended(3).says(ours).says("an apply that never ended");
    assert!(!status.stdout.contains("by hand"), "{}", status.stdout);
    host.run(&["apply", "--yes"]).ended(0);
    // From here on it is a person's.
    host.stop_by_hand("one.com-w:one.com-w_01");
    host.run(&["status"]).ended(3).says("one.com-w:one.com-w_01 was stopped by hand");
}

#[test]
fn failed_takeover_names_finishing_command() {
    let mut host = or_skip!(Host::start());
    deploy(&host);
    let script = host.deployed("one.com").path("current/.deployer/supervisors/w.sh");
    let text = format!(
        "[program:one.com-w]\ncommand=/bin/sh {}\ndirectory=/tmp\nstopwaitsecs=3600\n",
        script.display()
    );
    std::fs::write(host.conf("one.com-w"), text).unwrap();
    host.daemon.restart();
    wait_ready(&host, &["one.com-w"]);
    // What supervisord runs by, and nobody can know any more.
    edit_stopwaitsecs(&host, 3600, 1);
    want(&host, "stopwaitsecs: 1");
    let finish = ["apply", "--site", "one.com", "--allow", "foreign-file"];
    host.run(&["apply", "--yes", "--allow", "foreign-file"])
        .ended(5)
        .complains(&format!("this starts it again: supervisor-sync {}\n", finish.join(" ")));
    host.open_gate();
    host.daemon.wait_for_state("one.com-w:one.com-w", ProcessState::Stopped);
    host.run(&["apply", "--yes", "--site", "one.com"]).ended(1).complains("foreign");
    host.run(&[&finish[..], &["--yes"]].concat()).ended(0);
    host.wait_running(&["one.com-w:one.com-w"]);
}
