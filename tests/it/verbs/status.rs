//! `status` on a real supervisord: each kind of drift, and programs that do not stay up.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "edits files by hand, as people do")]

use std::os::unix::fs::symlink;

use serde_json::Value;
use supervisor_sync::supervisord::ProcessState;

use super::{documents, site};
use crate::daemon::{PATIENCE, wait_until};
use crate::site::Host;
use crate::terminal::Terminal;

const SITE: &str = "  - domain: a.com\n    server: here\n    supervisors:\n";

fn programs(lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| format!("      - {{{line}}}\n"));
    format!("{SITE}{}", lines.collect::<String>())
}

/// The one JSON document of a command.
fn document(stdout: &str) -> Value {
    serde_json::from_str(stdout.trim()).unwrap()
}

/// The status of a program in a document.
fn program<'v>(document: &'v Value, name: &str) -> &'v Value {
    let programs = document["sites"][0]["status"]["programs"].as_array().unwrap();
    programs.iter().find(|program| program["program"] == name).unwrap()
}

#[test]
fn healthy_programs_take_one_line() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    site.worker("many");
    host.inventory(&programs(&[
        "program: w, script: w.sh",
        "program: many, script: many.sh, numprocs: 3",
        "program: manual, script: w.sh, autostart: false",
    ]));
    host.run(&["apply", "--yes"]).ended(0);
    let text = host.run(&["status"]).ended(0).says("3 programs: all as wanted").stdout;
    let line = |name: &str| {
        let start = format!("    {name} ");
        text.lines().find(|line| line.starts_with(&start)).unwrap().to_owned()
    };
    let pid = host.process("a.com-w:a.com-w").unwrap().pid;
    assert!(line("w").contains("RUNNING  up ") && line("w").ends_with(&format!("pid {pid}")));
    assert!(line("many").contains("RUNNING x3  up ") && line("many").contains("pids "));
    assert!(line("manual").contains("STOPPED  not started by itself"));
    assert_eq!(text.lines().count(), 5, "{text}");

    let json = document(&host.run(&["status", "--json", "--program", "w"]).ended(0).stdout);
    let process = &program(&json, "w")["processes"][0];
    assert_eq!((&process["pid"], &process["state"]), (&pid.into(), &"RUNNING".into()));
    assert_eq!(process["health"]["health"], "up");
    assert_eq!(json["sites"][0]["status"]["programs"].as_array().unwrap().len(), 1);
}

/// Files that were edited or removed by hand are told from what was not applied.
#[test]
fn edited_is_told_from_unapplied() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    let all = ["edited", "removed", "later", "left"]
        .map(|name| format!("program: {name}, script: w.sh, stopwaitsecs: 5, autostart: false"));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    host.inventory(&programs(&all));
    host.run(&["apply", "--yes"]).ended(0);

    let edited = host.conf("a.com-edited");
    let text = std::fs::read_to_string(&edited).unwrap();
    std::fs::write(&edited, text.replace("stopwaitsecs=5", "stopwaitsecs=6")).unwrap();
    std::fs::remove_file(host.logrotate("a.com-removed")).unwrap();
    let later = "program: later, script: w.sh, stopwaitsecs: 7, autostart: false";
    host.inventory(&programs(&[all[0], all[1], later]));

    let newer = "a.com-edited has a file that is newer than what runs";
    assert!(!host.run(&["status"]).ended(3).stdout.contains(newer));
    let told = host.run(&["status", "--deep"]).ended(3).says(newer).stdout;
    assert!(told.contains("4 programs: 4 are not as wanted"), "{told}");
    let told = host.run(&["status"]).ended(3).says("4 programs: 4 are not as wanted").stdout;
    for line in [
        format!("{} was edited by hand since it was applied", edited.display()),
        format!("{} was removed since", host.logrotate("a.com-removed").display()),
        format!("{} differs from the inventory", host.conf("a.com-later").display()),
        format!("{} is left over", host.conf("a.com-left").display()),
        "a.com-left is loaded, but is not in the inventory".to_owned(),
    ] {
        assert!(told.contains(&line), "no {line:?} in\n{told}");
    }
    let json = document(&host.run(&["status", "--json"]).ended(3).stdout);
    assert_eq!(program(&json, "edited")["drift"][0]["how"], "edited");
    assert_eq!(program(&json, "left")["wanted"], "absent");
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["status"]).ended(0);
}

#[test]
fn failed_program_comes_first() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("fine");
    site.worker("stopped");
    site.crasher("z");
    host.inventory(&programs(&[
        "program: fine, script: fine.sh",
        "program: stopped, script: stopped.sh",
        "program: z, script: z.sh, startretries: 0",
    ]));
    host.run(&["apply", "--yes", "--no-verify"]).ended(0);
    host.wait_running(&["a.com-fine:a.com-fine", "a.com-stopped:a.com-stopped"]);
    host.stop_by_hand("a.com-stopped:a.com-stopped");
    host.daemon.wait_for_state("a.com-z:a.com-z", ProcessState::Fatal);
    let text = host.run(&["status"]).ended(3).stdout;
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what:?} in\n{text}"));
    assert!(at("  ~ stopped") < at("  ! z") && at("  ! z") < at("    fine"), "{text}");
    at("a.com-stopped was stopped by hand");
    at("a.com-z was given up by supervisord: Exited too quickly");
    host.run(&["status", "--program", "fine"]).ended(0);
}

/// After `startsecs` supervisord takes each start for a good one.
#[test]
fn crash_loop_is_seen_flapping() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    // supervisord takes it for started each time.
    let note = host.path("starts").join("a.com-loop");
    let text = format!("#!/bin/sh\necho $$ >> {}\nsleep 1.3\nexit 1\n", note.display());
    site.script("loop.sh", &text);
    host.inventory(&programs(&["program: loop, script: loop.sh, startsecs: 1"]));
    host.run(&["apply", "--yes", "--no-verify"]).ended(0);
    host.wait_starts("a.com-loop", 2);
    let json = document(&host.run(&["status", "--json", "--for", "30"]).ended(3).stdout);
    let process = &program(&json, "loop")["processes"][0];
    assert_eq!(process["health"]["health"], "unhealthy");
    assert!(process["restarts_seen"].as_u64().unwrap() >= 1, "{process}");
    let reason = process["health"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("is flapping: started again"), "{reason}");
}

#[test]
fn former_release_drifts_until_restart() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    host.inventory(&programs(&["program: w, script: w.sh"]));
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["status"]).ended(0);
    // A deployment: the same scripts in a new release.
    let copied = std::process::Command::new("cp")
        .args(["-R", "1", "2"])
        .current_dir(site.path("releases"))
        .status();
    assert!(copied.unwrap().success());
    std::fs::remove_file(site.path("current")).unwrap();
    symlink("releases/2", site.path("current")).unwrap();
    let former = site.path("releases/1").canonicalize().unwrap();
    host.run(&["status"]).ended(3).says(&format!("a.com-w runs in {}", former.display()));
    host.run(&["restart", "--yes"]).ended(0);
    host.run(&["status"]).ended(0);
}

#[test]
fn foreign_broken_file_is_a_problem() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    host.inventory(&programs(&["program: w, script: w.sh"]));
    host.run(&["apply", "--yes"]).ended(0);
    host.daemon.write_conf("foreign", "[program:foreign]\n");
    host.run(&["status"]).ended(0);
    host.run(&["status", "--deep"])
        .ended(3)
        .says("supervisord cannot read its files any more")
        .says("all as wanted, but see above");
}

#[test]
fn many_programs_fit_one_screen() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let all: Vec<String> = (0..500)
        .map(|n| format!("program: p{n:03}, command: sleep 1000, autostart: false"))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    host.inventory(&programs(&all));
    host.run(&["apply", "--yes"]).ended(0);
    let text = host.run(&["status"]).ended(0).says("500 programs: all as wanted").stdout;
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("500 more are fine (STOPPED x500; --all lists them)"), "{text}");

    std::fs::remove_file(host.conf("a.com-p250")).unwrap();
    let text = host.run(&["status"]).ended(3).stdout;
    assert!(text.lines().nth(1).unwrap().starts_with("  ~ p250  STOPPED"), "{text}");
    assert!(text.contains("a.com-p250 is loaded, but its file is gone"), "{text}");
    assert!(text.contains("499 more are fine"), "{text}");
    let text = host.run(&["status", "--all"]).ended(3).stdout;
    assert!((0..500).all(|n| text.contains(&format!(" p{n:03}  STOPPED"))));
}

#[test]
fn missing_supervisord_is_an_error() {
    let mut host = or_skip!(Host::start());
    host.inventory(&programs(&["program: w, command: sleep 1"]));
    host.daemon.stop();
    host.run(&["status"]).ended(1).complains("no supervisord listens");
}

/// A host where the worker `w` of `a.com` and of `b.com` runs.
fn host_of_two_sites() -> Option<Host> {
    let host = Host::start()?;
    let mut sites = String::new();
    for domain in ["a.com", "b.com"] {
        host.deploy(domain).worker("w");
        sites += &site(domain, &["program: w, script: w.sh"]);
    }
    host.inventory(&sites);
    host.run(&["apply", "--yes"]).ended(0);
    Some(host)
}

#[test]
fn sites_with_problems_come_first() {
    let host = or_skip!(host_of_two_sites());
    let all_fine = "1 host, 2 sites, 2 programs: all as wanted\n";
    assert!(host.run(&["status"]).ended(0).stdout.ends_with(all_fine));
    host.stop_by_hand("b.com-w:b.com-w");
    let text = host.run(&["status"]).ended(3).stdout;
    assert!(text.find("Site b.com") < text.find("Site a.com"), "{text}");
    let total = "1 host, 2 sites, 2 programs: 1 is not as wanted, on 1 host\n";
    assert!(text.ends_with(total), "{text}");
}

#[test]
fn quiet_status_says_it_by_its_exit_status() {
    let host = or_skip!(host_of_two_sites());
    let run = host.run(&["status", "-q"]).ended(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    host.stop_by_hand("b.com-w:b.com-w");
    let run = host.run(&["status", "--quiet"]).ended(3);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}

#[test]
fn watched_status_changes_in_place() {
    let host = or_skip!(host_of_two_sites());
    for columns in [60, 200] {
        let terminal = or_skip!(Terminal::start(&host, columns, "status --watch"));
        let screen = terminal.shows("all as wanted\n");
        assert!(screen.contains("Every 2 s until Ctrl-C"), "{screen}");
        host.stop_by_hand("b.com-w:b.com-w");
        let screen = terminal.until("what was stopped, and nothing of before", |screen| {
            screen.contains("STOPPED") && screen.matches("Site b.com").count() == 1
        });
        assert_eq!(screen.matches("Site a.com").count(), 1, "{screen}");
        terminal.press(&["C-c"]);
        let (status, screen) = terminal.ended();
        assert_eq!(status, 130);
        assert!(
            screen.contains("$ ...") && screen.contains("w  STOPPED"),
            "what it last was stays: {screen}"
        );
        assert_eq!(screen.matches("Site b.com").count(), 1, "{screen}");
        host.run(&["start", "--program", "w"]).ended(0);
    }
}

#[test]
fn watched_status_is_a_block_after_the_other_in_a_pipe() {
    let host = or_skip!(host_of_two_sites());
    let text = host.command(&["status", "--watch"]).spawn();
    wait_until(PATIENCE, "two blocks", || text.stdout().matches("1 host, 2 sites").count() >= 2);
    crate::daemon::signal(text.id(), rustix::process::Signal::INT);
    let run = text.wait().ended(130);
    assert!(!run.stdout.contains('\x1b'), "{}", run.stdout);
    assert!(run.stdout.lines().next().unwrap().ends_with('Z'), "its time: {}", run.stdout);
    let json = host.command(&["status", "--watch", "--json"]).spawn();
    wait_until(PATIENCE, "two documents", || json.stdout().lines().count() >= 2);
    crate::daemon::signal(json.id(), rustix::process::Signal::INT);
    let run = json.wait().ended(130);
    assert!(documents(&run).iter().all(|document| document["kind"] == "status"));
}

#[test]
fn states_have_a_colour_and_a_word() {
    let host = or_skip!(host_of_two_sites());
    host.stop_by_hand("b.com-w:b.com-w");
    let mut coloured = host.command(&["status"]);
    let run = coloured.env("CLICOLOR_FORCE", "1").run().ended(3);
    assert!(run.stdout.contains("\x1b[32mRUNNING\x1b[0m"), "{:?}", run.stdout);
    assert!(run.stdout.contains("\x1b[33mSTOPPED\x1b[0m"), "{:?}", run.stdout);
}
