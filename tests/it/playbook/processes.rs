//! What becomes of processes: who drains is waited for, who is not concerned is left alone.

#![expect(clippy::disallowed_methods, reason = "changes files as somebody else would")]

use rustix::process::Signal;
use supervisor_sync::supervisord::{Call, ProcessState, Supervisord as _};

use super::{at_work, program, programs};
use crate::daemon::{PATIENCE, signal, wait_until};
use crate::site::{Host, Running};

const DRAINERS: [&str; 4] = ["d0", "d1", "d2", "d3"];

/// The array of [`DRAINERS`] with this field.
fn drainers(field: &str) -> String {
    let items: Vec<String> = DRAINERS.iter().map(|name| program(name, field)).collect();
    format!("[{}]", items.join(","))
}

/// A host where `a.com` has four programs that go on until the gate is opened.
fn host_of_drainers() -> Option<Host> {
    let host = Host::start()?;
    let site = host.deploy("a.com");
    for name in DRAINERS {
        site.drainer(name);
    }
    host.sync("a.com", &drainers("")).ended(0);
    for name in DRAINERS {
        host.wait_starts(&format!("a.com-{name}"), 1);
    }
    host.wait_running(
        &DRAINERS.map(|name| format!("a.com-{name}:a.com-{name}")).each_ref().map(String::as_str),
    );
    Some(host)
}

fn wait_all_stopping(host: &Host) {
    wait_until(PATIENCE, "all four are stopping at the same time", || {
        host.daemon.processes().iter().all(|process| process.state == ProcessState::Stopping)
    });
}

fn wait_says(running: &Running, text: &str) {
    wait_until(PATIENCE, &format!("it says {text:?}"), || running.stdout().contains(text));
}

#[test]
fn programs_drain_at_same_time() {
    let host = or_skip!(host_of_drainers());
    let mut running = host.playbook("sync", "a.com", &drainers(r#""stopwaitsecs":60"#)).spawn();
    wait_all_stopping(&host);
    wait_says(&running, "→ Waiting for a.com-d0, a.com-d1, a.com-d2, a.com-d3 to stop");
    assert!(!running.has_ended());
    assert_eq!(running.stdout().matches("to stop (at most 3").count(), 1, "{}", running.stdout());
    host.open_gate();
    let run = running.wait().ended(0);
    assert_eq!(run.stderr, "");
    for name in DRAINERS {
        let line = format!("→ a.com-{name}: stopped\n");
        assert_eq!(run.stdout.matches(&line).count(), 1, "{}", run.stdout);
        host.wait_starts(&format!("a.com-{name}"), 2);
    }
}

/// The state that a kill leaves is completed by the next run, however the first one was killed.
#[test]
fn killed_draining_run_is_completed() {
    let host = or_skip!(host_of_drainers());
    let changed = drainers(r#""stopwaitsecs":60,"autostart":false"#);
    let running = host.playbook("sync", "a.com", &changed).spawn();
    wait_all_stopping(&host);
    signal(at_work(&host, "a.com"), Signal::KILL);
    let run = running.wait().ended(1);
    assert_eq!(run.first_line(), "Error: supervisor-sync ended before its answer");
    host.open_gate();
    for name in DRAINERS {
        host.daemon.wait_for_state(&format!("a.com-{name}:a.com-{name}"), ProcessState::Stopped);
    }
    let run = host.sync("a.com", &changed).ended(0);
    assert!(run.stdout.contains("an apply that never ended"), "{}", run.stdout);
    for name in DRAINERS {
        // With autostart=false: they ran before the run that was killed, so they run again.
        host.wait_starts(&format!("a.com-{name}"), 2);
    }
    let run = host.sync("a.com", &changed).ended(0);
    assert_eq!(run.stdout, "→ nothing to do, 4 unchanged\n");
}

#[test]
fn signal_during_drain_is_an_error() {
    let host = or_skip!(host_of_drainers());
    let changed = drainers(r#""stopwaitsecs":60"#);
    let running = host.playbook("sync", "a.com", &changed).spawn();
    wait_all_stopping(&host);
    wait_says(&running, "Waiting for");
    signal(running.id(), Signal::TERM);
    let run = running.wait().ended(1);
    assert!(run.first_line().starts_with("Error: "), "{}", run.stderr);
    assert!(run.stderr.contains("interrupted while"), "{}", run.stderr);
    host.open_gate();
    host.sync("a.com", &changed).ended(0);
    for name in DRAINERS {
        host.wait_starts(&format!("a.com-{name}"), 2);
    }
}

#[test]
fn second_sync_waits_for_first() {
    let host = or_skip!(host_of_drainers());
    let first = host.playbook("sync", "a.com", &drainers(r#""stopwaitsecs":60"#)).spawn();
    wait_all_stopping(&host);
    let again = drainers(r#""stopwaitsecs":61"#);
    let second = host.playbook("sync", "a.com", &again).spawn();
    wait_says(&second, "→ Waiting for `playbook sync` of user ");
    let impatient =
        host.playbook("sync", "a.com", &again).env("SUPERVISOR_SYNC_LOCK_WAIT", "0").run().ended(1);
    assert!(impatient.first_line().contains("`playbook sync`"), "{}", impatient.stderr);
    let hint = "\nHint: call it again later, or let it wait longer: SUPERVISOR_SYNC_LOCK_WAIT=";
    assert!(impatient.stderr.contains(hint), "{}", impatient.stderr);
    host.open_gate();
    first.wait().ended(0);
    second.wait().ended(0);
}

#[test]
fn draining_site_holds_up_no_other() {
    let host = or_skip!(host_of_drainers());
    let first = host.playbook("sync", "a.com", &drainers(r#""stopwaitsecs":60"#)).spawn();
    wait_all_stopping(&host);
    host.deploy("b.com").worker("w");
    let no_patience = ("SUPERVISOR_SYNC_LOCK_WAIT", "0");
    let sync = |array: &str| {
        let (name, value) = no_patience;
        host.playbook("sync", "b.com", array).env(name, value).run().ended(0)
    };
    sync(&programs(&["w"]));
    host.wait_running(&["b.com-w:b.com-w"]);
    sync("[]");
    wait_all_stopping(&host);
    host.open_gate();
    first.wait().ended(0);
    host.sync("a.com", &drainers(r#""stopwaitsecs":60"#)).ended(0);
}

/// What ran keeps running, although it is not started by itself.
#[test]
fn running_without_autostart_stays_up() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("ran");
    site.worker("idle");
    let array = |seconds: u32| {
        let fields = format!(r#""autostart":false,"numprocs":2,"stopwaitsecs":{seconds}"#);
        format!("[{},{}]", program("ran", &fields), program("idle", &fields))
    };
    host.sync("a.com", &array(5)).ended(0);
    let start = Call::StartProcess("a.com-ran:a.com-ran_00".to_owned());
    host.daemon.client().call(start).unwrap().unwrap();
    host.wait_running(&["a.com-ran:a.com-ran_00"]);
    host.sync("a.com", &array(6)).ended(0);
    host.wait_running(&["a.com-ran:a.com-ran_00"]);
    assert_eq!(host.starts("a.com-ran").len(), 2, "the one that ran, once more");
    assert_eq!(host.starts("a.com-idle").len(), 0);
}

#[test]
fn stopped_by_hand_is_reported() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("whole");
    site.worker("part");
    let array = |seconds: u32| {
        let wait = format!(r#""stopwaitsecs":{seconds}"#);
        format!(
            "[{},{}]",
            program("whole", &wait),
            program("part", &format!("{wait},\"numprocs\":2"))
        )
    };
    host.sync("a.com", &array(5)).ended(0);
    host.wait_running(&[
        "a.com-whole:a.com-whole",
        "a.com-part:a.com-part_00",
        "a.com-part:a.com-part_01",
    ]);
    host.stop_by_hand("a.com-whole:a.com-whole");
    host.stop_by_hand("a.com-part:a.com-part_01");
    let run = host.sync("a.com", &array(6)).ended(0);
    host.wait_running(&["a.com-part:a.com-part_00"]);
    for namespec in ["a.com-whole:a.com-whole", "a.com-part:a.com-part_01"] {
        assert_eq!(host.process(namespec).unwrap().state, ProcessState::Stopped, "{namespec}");
    }
    assert_eq!(host.starts("a.com-whole").len(), 1);
    for name in ["a.com-whole", "a.com-part:a.com-part_01"] {
        let told = format!("→ Note: {name} stays stopped, as it was by hand\n");
        assert!(run.stdout.contains(&told), "{told}: {}", run.stdout);
    }
    // The file is the new one: the next start by hand takes it up with the next sync.
    let text = std::fs::read_to_string(host.conf("a.com-whole")).unwrap();
    assert!(text.contains("stopwaitsecs=6"));
    // And a run with nothing to do does not start it either.
    host.sync("a.com", &array(6)).ended(0);
    assert_eq!(host.process("a.com-whole:a.com-whole").unwrap().state, ProcessState::Stopped);
}

#[test]
fn foreign_pending_changes_are_reported() {
    let host = or_skip!(Host::start());
    for domain in ["a.com", "b.com"] {
        host.deploy(domain).worker("w");
        host.sync(domain, &programs(&["w"])).ended(0);
    }
    host.daemon.write_conf("leaving", "[program:leaving]\ncommand=/bin/sleep 1000\n");
    host.daemon.supervisorctl(&["update", "leaving"]);
    let names = ["b.com-w:b.com-w", "leaving:leaving"];
    let pids = host.wait_running(&names);
    // Three kinds of pending changes: changed, added, removed.
    let text = std::fs::read_to_string(host.conf("b.com-w")).unwrap();
    std::fs::write(host.conf("b.com-w"), text.replace("stopwaitsecs=3600", "stopwaitsecs=9"))
        .unwrap();
    host.daemon.write_conf("coming", "[program:coming]\ncommand=/bin/sleep 1000\n");
    host.daemon.remove_conf("leaving");
    let changed = format!("[{}]", program("w", r#""stopwaitsecs":7"#));
    let run = host.sync("a.com", &changed).ended(0);
    host.wait_starts("a.com-w", 2);
    assert_eq!(host.wait_running(&names), pids);
    assert!(!host.groups().contains(&"coming".to_owned()));
    for told in ["coming added", "b.com-w changed", "leaving removed"] {
        let told = format!("→ Note: pending changes of others stay pending: {told}\n");
        assert!(run.stdout.contains(&told), "{told}: {}", run.stdout);
    }
}

/// The one who read the progress is gone: what was begun is finished all the same.
#[test]
fn lost_reader_stops_nothing() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = host.playbook("sync", "a.com", &programs(&["w"])).run_into(writer);
    assert_eq!(status.code(), Some(0));
    host.wait_running(&["a.com-w:a.com-w"]);
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_synced: 1\n");
}
