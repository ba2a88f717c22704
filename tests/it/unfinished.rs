//! Promise: what a killed apply has left of any program of the site is undone or finished, whichever
//! verb comes next, and whatever supervisord has started meanwhile.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "looks at journals and writes foreign files")]

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use supervisor_sync::supervisord::ProcessState;
use supervisor_sync::system::process;

use crate::crash::is_killed;
use crate::site::{Host, Run};

/// The call that sends the stops is the fourth of an apply: two looks and a reread come first.
const WHEN_STOPPED: &str = "batch-after:4";
const BEFORE_STOPS: &str = "batch-before:4";

/// A host with the site `one.com`, applied with these programs.
fn host(programs: &[&str]) -> Option<Host> {
    let host = Host::start()?;
    host.deploy("one.com");
    want(&host, programs);
    host.run(&["apply", "--yes"]).ended(0);
    Some(host)
}

/// Writes the inventory: each program as `NAME` and, behind a comma, more options.
fn want(host: &Host, programs: &[&str]) {
    let mut text = "  - domain: one.com\n    server: here\n    supervisors:\n".to_owned();
    for program in programs {
        text.push_str(&format!(
            "      - {{command: /bin/sleep 1000, startsecs: 0, health: {{stable_for: 0}}, \
             stopwaitsecs: 20, program: {program}}}\n"
        ));
    }
    if programs.is_empty() {
        text.push_str("      []\n");
    }
    host.inventory(&text);
}

/// The journals of the site.
fn journals(host: &Host) -> Vec<String> {
    let mut names = crate::site::names(&host.state().join("sites/one.com"));
    names.retain(|name| name.starts_with("journal."));
    names
}

fn state(host: &Host, program: &str) -> Option<ProcessState> {
    host.process(&format!("one.com-{program}:one.com-{program}")).map(|process| process.state)
}

fn told(run: &Run, what: &str) {
    assert!(run.stdout.contains(what) || run.stderr.contains(what), "{}{}", run.stdout, run.stderr);
}

/// A full apply finishes everything, and then there is nothing to do.
fn finish(host: &Host, running: &[&str]) {
    let run = host.run(&["apply", "--yes"]).ended(0);
    let names: Vec<String> =
        running.iter().map(|name| format!("one.com-{name}:one.com-{name}")).collect();
    host.wait_running(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let groups: Vec<String> = running.iter().map(|name| format!("one.com-{name}")).collect();
    assert_eq!(host.groups(), groups, "{}{}", run.stdout, run.stderr);
    assert_eq!(journals(host), [""; 0]);
    host.run(&["plan", "--exit-code"]).ended(0).says("nothing to do");
}

#[test]
fn apply_of_other_program_finishes_nothing() {
    for other in ["other, priority: 5", "other"] {
        let host = or_skip!(host(&["gone", "other", "x"]));
        want(&host, &[other, "x, priority: 7"]);
        assert!(is_killed(&host, WHEN_STOPPED));
        host.daemon.wait_for_state("one.com-x:one.com-x", ProcessState::Stopped);
        let run = host.run(&["apply", "--yes", "--program", "other"]).ended(0);
        told(&run, "is left to be finished by an apply of the whole site: one.com-gone, one.com-x");
        assert_eq!(journals(&host), ["journal.groups.json"]);
        assert_eq!(state(&host, "x"), Some(ProcessState::Stopped));
        host.run(&["plan", "--exit-code"]).ended(3).says("the next apply finishes it");
        finish(&host, &["other", "x"]);
    }
}

#[test]
fn apply_finishes_its_program() {
    let host = or_skip!(host(&["gone", "w", "x"]));
    want(&host, &["w, priority: 7", "x, priority: 7"]);
    assert!(is_killed(&host, WHEN_STOPPED));
    let run = host.run(&["apply", "--yes", "--program", "x"]).ended(0);
    told(&run, "an apply of these programs finishes it for them");
    told(&run, "of the whole site: one.com-gone, one.com-w");
    host.wait_running(&["one.com-x:one.com-x"]);
    assert_eq!(journals(&host), ["journal.groups.json"]);
    host.run(&["apply", "--yes", "--program", "w"]).ended(0);
    host.wait_running(&["one.com-w:one.com-w"]);
    finish(&host, &["w", "x"]);
}

/// What was to be removed goes after an apply of another program.
#[test]
fn pending_removal_survives_other_apply() {
    let host = or_skip!(host(&["gone", "other"]));
    want(&host, &["other"]);
    assert!(is_killed(&host, BEFORE_STOPS));
    host.run(&["apply", "--yes", "--program", "other"]).ended(0);
    assert_eq!(state(&host, "gone"), Some(ProcessState::Running));
    host.run(&["status"]).ended(3);
    finish(&host, &["other"]);
}

/// What supervisord started from files that are put back is removed.
#[test]
fn group_of_restored_files_is_removed() {
    let mut host = or_skip!(host(&["w"]));
    // Killed when the files are swapped; a power cut with the journal behind; with another site's
    // apply as the one that puts the files back.
    for (point, others) in [("step:reread", false), ("step:verify", false), ("step:reread", true)] {
        want(&host, &["new", "w, priority: 7"]);
        assert!(is_killed(&host, point));
        let journal =
            |phase: &str| host.state().join(format!("sites/one.com/journal.{phase}.json"));
        if point == "step:verify" {
            std::fs::rename(journal("groups"), journal("files")).unwrap();
        }
        host.daemon.cut_power();
        host.wait_running(&["one.com-new:one.com-new", "one.com-w:one.com-w"]);
        if others {
            host.deploy("two.com");
            host.inventory("  - {domain: two.com, server: here, supervisors: []}");
            host.run(&["apply", "--yes"]).ended(0);
        }
        want(&host, &["w"]);
        host.run(&["plan", "--exit-code"]).ended(3).says("- new  stop and remove");
        finish(&host, &["w"]);
    }
}

/// Of files that supervisord does not start with, nobody else could put the former ones back.
#[test]
fn files_return_without_supervisord() {
    let mut host = or_skip!(host(&["w"]));
    let before = std::fs::read_to_string(host.conf("one.com-w")).unwrap();
    want(&host, &["new", "w, priority: 7"]);
    assert!(is_killed(&host, "step:reread"));
    host.daemon.stop();
    let run = host.run(&["apply", "--yes"]).ended(1);
    run.complains("are put back: start supervisord, then run the same command again");
    assert_eq!(std::fs::read_to_string(host.conf("one.com-w")).unwrap(), before);
    assert!(!host.conf("one.com-new").exists());
    // Once is enough, and then it is not said any more.
    let run = host.run(&["apply", "--yes"]).ended(1);
    assert!(!run.stderr.contains("put back"), "{}", run.stderr);
    host.daemon.start_again();
    finish(&host, &["new", "w"]);
}

/// A group that the site once had and no file defines is removed.
#[test]
fn orphaned_group_is_removed() {
    let mut host = or_skip!(host(&["old", "w"]));
    let text = std::fs::read_to_string(host.conf("one.com-old")).unwrap();
    for priority in 0..3 {
        want(&host, &[&format!("w, priority: {priority}")]);
        host.run(&["apply", "--yes"]).ended(0);
    }
    // It comes back from a backup, and goes again after supervisord has loaded it.
    std::fs::write(host.conf("one.com-old"), &text).unwrap();
    host.daemon.restart();
    host.wait_running(&["one.com-old:one.com-old"]);
    host.run(&["apply", "--yes"]).ended(0).says("nothing to do");
    std::fs::remove_file(host.conf("one.com-old")).unwrap();
    // As long as the main file has it, it is not the site's.
    let main = std::fs::read_to_string(host.daemon.main_conf()).unwrap();
    std::fs::write(host.daemon.main_conf(), format!("{main}{text}")).unwrap();
    host.run(&["plan", "--exit-code"]).ended(0).says("nothing to do");
    std::fs::write(host.daemon.main_conf(), &main).unwrap();
    host.run(&["plan", "--exit-code"]).ended(3).says("- old  stop and remove");
    finish(&host, &["w"]);
}

#[test]
fn stop_after_crash_is_respected() {
    let host = or_skip!(host(&["aside", "down", "up", "w"]));
    want(&host, &["aside", "down, priority: 7", "up, priority: 7", "w, priority: 7"]);
    assert!(is_killed(&host, WHEN_STOPPED));
    for program in ["down", "up", "w"] {
        let namespec = format!("one.com-{program}:one.com-{program}");
        host.daemon.wait_for_state(&namespec, ProcessState::Stopped);
    }
    host.run(&["start", "--program", "up"]).ended(0);
    // One that the crashed apply did not touch, one that it had stopped, one that runs again.
    for program in ["aside", "down", "up"] {
        let run = host.run(&["stop", "--program", program]).ended(0);
        assert_eq!(run.warnings(), [""; 0], "{program}");
    }
    let run = host.run(&["apply", "--yes"]).ended(0);
    assert!(!run.stdout.contains("aside  start"), "{}", run.stdout);
    for program in ["aside", "down", "up"] {
        assert_eq!(state(&host, program), Some(ProcessState::Stopped), "{program}");
    }
    host.wait_running(&["one.com-w:one.com-w"]);
    assert_eq!(journals(&host), [""; 0]);
    host.run(&["plan", "--exit-code"]).ended(0);
    let programs = ["--program", "aside", "--program", "down", "--program", "up"];
    host.run(&[&["start"], &programs[..]].concat()).ended(0);
    host.wait_running(&["one.com-aside:one.com-aside", "one.com-down:one.com-down"]);
}

#[test]
fn autostart_starts_after_crash() {
    let part = |more: &str| format!("part, numprocs: 2, {more}");
    let host = or_skip!(host(&[&part("autostart: false")]));
    let one =
        supervisor_sync::supervisord::Call::StartProcess("one.com-part:one.com-part_00".into());
    use supervisor_sync::supervisord::Supervisord as _;
    host.daemon.client().call(one).unwrap().unwrap();
    host.wait_running(&["one.com-part:one.com-part_00"]);
    want(&host, &[&part("autostart: false, priority: 7")]);
    assert!(is_killed(&host, BEFORE_STOPS));
    want(&host, &[&part("priority: 7")]);
    host.run(&["apply", "--yes"]).ended(0);
    host.wait_running(&["one.com-part:one.com-part_00", "one.com-part:one.com-part_01"]);
}

/// Whatever step it was killed at, a rollback goes back to the revision before it.
#[test]
fn rollback_undoes_any_killed_step() {
    for point in ["step:swap", "step:reread", BEFORE_STOPS, WHEN_STOPPED, "step:verify"] {
        let host = or_skip!(host(&["gone", "w"]));
        let former = host.file_names();
        let conf = std::fs::read_to_string(host.conf("one.com-w")).unwrap();
        want(&host, &["new", "w, priority: 7"]);
        assert!(is_killed(&host, point), "{point}");
        let run = host.run(&["rollback", "--yes"]).ended(0);
        told(&run, "one.com: to revision 1");
        host.wait_running(&["one.com-gone:one.com-gone", "one.com-w:one.com-w"]);
        assert_eq!(host.groups(), ["one.com-gone", "one.com-w"], "{point}");
        assert_eq!(host.file_names(), former, "{point}");
        assert_eq!(std::fs::read_to_string(host.conf("one.com-w")).unwrap(), conf, "{point}");
        assert_eq!(journals(&host), [""; 0], "{point}");
        let history = host.run(&["history"]).ended(0).stdout;
        assert!(history.contains("interrupted, "), "{point}: {history}");
        want(&host, &["gone", "w"]);
        host.run(&["plan", "--exit-code"]).ended(0);
    }
}

/// Notes, as the process `pid` would have, that nobody hears how its run ends, which changes nothing.
fn note_unheard(host: &Host, pid: u32) -> PathBuf {
    let folder = host.state().join("sites/one.com");
    let revision = std::fs::read(folder.join("revisions/00000001.json")).unwrap();
    let revision: Value = serde_json::from_slice(&revision).unwrap();
    let mut run = revision["origin"]["run"].clone();
    run["id"] = "20260101-000000-0001".into();
    let started = process::started(pid.into()).unwrap();
    let note = json!({"version": 1, "site": "one.com", "run": run, "pid": pid, "started": started});
    let path = folder.join("untold.json");
    std::fs::write(&path, note.to_string()).unwrap();
    path
}

/// What nobody heard is told once, also where nothing is to be done.
#[test]
fn unheard_outcome_is_told_once() {
    let host = or_skip!(host(&["w"]));
    let told = "which went on without its caller, has changed nothing";
    let mut at_work = Command::new("sleep").arg("1000").spawn().unwrap();
    let note = note_unheard(&host, at_work.id());
    // It may wait for a lock, and hold none.
    for arguments in [&["plan"][..], &["apply", "--yes"]] {
        let run = host.run(arguments).ended(0);
        assert!(!run.stdout.contains(told) && !run.stderr.contains(told), "{run:?}");
    }
    assert!(note.exists());
    at_work.kill().unwrap();
    at_work.wait().unwrap();
    host.run(&["plan"]).ended(0).says(told);
    assert!(note.exists(), "a plan changes nothing");
    let run = host.run(&["apply", "--yes"]).ended(0).says("nothing to do");
    assert_eq!(run.stderr.matches(told).count(), 1, "{}", run.stderr);
    assert!(!note.exists());
    assert_eq!(host.run(&["apply", "--yes"]).ended(0).stderr, "");
}
