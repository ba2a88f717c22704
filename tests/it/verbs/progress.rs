//! What moves on a terminal while something is waited for, and what a log has of it.

#![expect(clippy::disallowed_methods, reason = "prepares a host")]

use std::ops::RangeInclusive;

use super::{IMPATIENT, site, wants};
use crate::daemon::{PATIENCE, wait_until};
use crate::site::Host;
use crate::terminal::Terminal;

/// A host with two programs that drain until its gate opens, as they run.
fn draining_host() -> Option<Host> {
    let host = Host::start()?;
    let deployed = host.deploy("a.com");
    ["a-worker-with-a-rather-long-name", "w"].iter().for_each(|name| deployed.drainer(name));
    let programs = [
        "program: a-worker-with-a-rather-long-name, script: a-worker-with-a-rather-long-name.sh, stopwaitsecs: 90",
        "program: w, script: w.sh, numprocs: 3, stopwaitsecs: 45",
    ];
    wants(&host, &programs);
    host.run(&["apply", "--yes"]).ended(0);
    host.wait_starts("a.com-w", 3);
    host.wait_starts("a.com-a-worker-with-a-rather-long-name", 1);
    Some(host)
}

/// For how many seconds the line of this says that it has been stopping, if its deadline is whole, too.
fn counted(screen: &str, of: &str, limit: RangeInclusive<u64>) -> Option<u64> {
    let line = screen.lines().find(|line| line.contains(of))?;
    let (spent, whole) = line.rsplit_once("stopping: ")?.1.split_once(" s of at most ")?;
    let whole = whole.strip_suffix(" s")?.parse().ok()?;
    limit.contains(&whole).then(|| spent.parse().ok())?
}

#[test]
fn waiting_lines_count_at_any_width() {
    let host = or_skip!(draining_host());
    let terminal = or_skip!(Terminal::start(&host, 60, "stop --program '*'"));
    let mut before = 0;
    for columns in [60, 100, 200, 60] {
        terminal.resize(columns);
        let moved = |screen: &str| {
            let long = counted(screen, "er-long-name", 94..=95);
            let three = counted(screen, "a.com-w x3", 49..=50);
            long.zip(three).is_some_and(|(long, three)| long > before && three > before)
        };
        let screen = terminal.until(&format!("both count beyond {before} s at {columns}"), moved);
        before = counted(&screen, "a.com-w x3", 49..=50).unwrap();
        let too_long = screen.lines().find(|line| line.chars().count() >= columns.into());
        assert_eq!(too_long, None, "{columns}: {screen}");
        assert_eq!(screen.matches("stopping: ").count(), 2, "one line a program: {screen}");
        assert_eq!(screen.matches("here ").count(), 1, "one line a host: {screen}");
    }
    host.open_gate();
    let (status, screen) = terminal.ended();
    assert_eq!(status, 0, "{screen}");
    assert!(!screen.contains("stopping: "), "the lines are gone: {screen}");
    assert!(screen.contains("Site a.com: done\nDone in "), "{screen}");
}

#[test]
fn rolling_restart_counts_its_steps() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let program = "program: w, script: w.sh, numprocs: 3";
    host.inventory_with("defaults: {health: {stable_for: 1}}", &site("a.com", &[program]));
    host.run(&["apply", "--yes"]).ended(0);
    let terminal = or_skip!(Terminal::start(&host, 100, "restart --rolling --program w"));
    for step in 1..=3 {
        terminal.shows(&format!(", {step} of 3  coming up: "));
    }
    assert_eq!(terminal.ended().0, 0);
    let run = host.run(&["restart", "--rolling", "--program", "w"]).ended(0);
    for step in 1..=3 {
        let waits = format!("a.com-w:a.com-w_0{} ({step} of 3) to be up", step - 1);
        assert_eq!(run.stderr.matches(&waits).count(), 1, "{}", run.stderr);
    }
}

#[test]
fn problems_stay_above_the_moving_lines() {
    let host = or_skip!(Host::start());
    let deployed = host.deploy("a.com");
    deployed.crasher("bad");
    deployed.drainer("slow");
    let slow = "program: slow, script: slow.sh, stopwaitsecs: 60";
    let other = site("b.com", &["program: bad, script: bad.sh"]);
    host.deploy("b.com").crasher("bad");
    host.inventory_with(IMPATIENT, &site("a.com", &[slow]));
    host.run(&["apply", "--yes"]).ended(0);
    host.wait_starts("a.com-slow", 1);
    let slower = "program: slow, script: slow.sh, stopwaitsecs: 61";
    host.inventory_with(IMPATIENT, &(site("a.com", &[slower]) + &other));
    let terminal = or_skip!(Terminal::start(&host, 100, "apply --yes"));
    let screen = terminal.until("a failure, and a site that still drains below it", |screen| {
        let failed = screen.find("Site b.com: rolled back");
        let drains = screen.find("a.com-slow  stopping: ");
        failed.zip(drains).is_some_and(|(failed, drains)| failed < drains)
    });
    assert!(screen.contains("bad has no database"), "{screen}");
    host.open_gate();
    let (status, screen) = terminal.ended();
    assert_eq!(status, 6, "{screen}");
    assert!(screen.contains("bad has no database"), "{screen}");
    assert!(screen.lines().last().unwrap().starts_with("Failed after "), "{screen}");
}

#[test]
fn plan_is_shown_once_and_after_a_yes_comes_the_work() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh"]);
    let terminal = or_skip!(Terminal::start(&host, 100, "apply"));
    terminal.shows("Apply this? [y/N]");
    terminal.press(&["y", "Enter"]);
    let (status, screen) = terminal.ended();
    assert_eq!(status, 0, "{screen}");
    assert_eq!(screen.matches("+ w  start: new").count(), 1, "{screen}");
    let (_, after) = screen.split_once("[y/N] y\n").unwrap();
    let lines: Vec<&str> = after.lines().collect();
    assert!(
        matches!(lines[..], ["Site a.com: applied as revision 1", took] if took.starts_with("Done in ")),
        "{screen}"
    );
}

/// A log has a line when a wait begins, none for each process that is through, and one when it ends.
#[test]
fn log_tells_begin_and_end_of_a_wait() {
    let host = or_skip!(draining_host());
    let mut running = host.command(&["stop", "--program", "*"]).spawn();
    wait_until(PATIENCE, "it waits", || running.stderr().contains("Waiting for"));
    // One of the processes ends at once, and the others are waited for as before.
    let first = host.process("a.com-w:a.com-w_00").unwrap().pid;
    crate::daemon::signal(u32::try_from(first).unwrap(), rustix::process::Signal::KILL);
    wait_until(PATIENCE, "one is through", || running.stderr().contains("a.com-w_00: stopped"));
    wait_until(PATIENCE, "a second is over", || {
        host.open_gate();
        running.has_ended()
    });
    let run = running.wait().ended(0);
    assert_eq!(run.stderr.matches("Waiting for").count(), 1, "{}", run.stderr);
    let last = run.stderr.lines().last().unwrap();
    assert!(last.starts_with("Done in "), "{}", run.stderr);
}

#[test]
fn silent_host_is_named() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh"]);
    let path = host.path("home/deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let server = "servers:\n  - {name: silent, exec: [sh, -c, 'exec sleep 1000', far]}\n";
    let site = "  - {domain: b.com, server: silent, supervisors: [{program: w, script: w.sh}]}\n";
    std::fs::write(path, text.replacen("servers:\n", server, 1) + site).unwrap();
    for verb in ["plan", "status", "apply --yes"] {
        let terminal = or_skip!(Terminal::start(&host, 60, verb));
        let counts = |screen: &str| {
            let line = screen.lines().find(|line| line.starts_with("silent "));
            line.is_some_and(|line| line.contains(" 3 s  no answer yet"))
        };
        terminal.until("the host, and for how long it has said nothing", counts);
        terminal.press(&["C-c"]);
        let (_, screen) = terminal.ended();
        assert!(!screen.contains("no answer yet"), "{screen}");
    }
}

/// What stands in a log from before says nothing of why the new one fails.
#[test]
fn failed_program_that_wrote_nothing_says_so() {
    let host = or_skip!(Host::start());
    let deployed = host.deploy("a.com");
    deployed.worker("w");
    wants(&host, &["program: w, script: w.sh"]);
    host.run(&["apply", "--yes"]).ended(0);
    std::fs::write(host.log("a.com-w"), "SendMail DONE\nbye\n").unwrap();
    wants(&host, &["program: w, command: /bin/false"]);
    let run = host.run(&["apply", "--yes"]).ended(4);
    assert!(run.stderr.contains(": nothing was written to it\n"), "{}", run.stderr);
    assert!(run.stderr.contains("    its log since 20"), "{}", run.stderr);
    assert!(!run.stderr.contains("bye") && !run.stdout.contains("bye"), "{run:?}");
    deployed.crasher("v");
    wants(&host, &["program: w, script: v.sh"]);
    let run = host.run(&["apply", "--yes"]).ended(4);
    assert!(run.stderr.contains("Z:\n    | v has no database\n"), "{}", run.stderr);
}
