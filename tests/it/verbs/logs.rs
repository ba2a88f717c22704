//! `logs`: the ends of real logs, and following them through real rotations.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "runs logrotate on real files")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;
use supervisor_sync::api::wire::{AgentMessage, Ask, PROTOCOL};
use supervisor_sync::api::{ChosenSite, LogsRequest, Reply, Request};
use supervisor_sync::event::Event;
use supervisor_sync::inventory::{
    AbsolutePath, CommandLine, Domain, Format, Paths, Program, ProgramName, Run, Site, UserName,
};
use supervisor_sync::system::users;

use crate::daemon::{PATIENCE, signal, wait_until};
use crate::python::missing;
use crate::site::{BINARY, Host, Running, names};

/// A site with this format and these programs.
fn inventory(host: &Host, format: &str, lines: &[&str]) {
    let lines = lines.iter().map(|line| format!("      - {{{line}}}\n"));
    let site = format!("  - domain: a.com\n    server: here\n    format: {format}\n");
    host.inventory(&format!("{site}    supervisors:\n{}", lines.collect::<String>()));
}

/// A command that numbers its lines, about ten thousand a second, for as long as it runs.
fn counter(site: &crate::site::Deployed<'_>) {
    let text = "#!/bin/sh\ni=0\nwhile :; do\n  i=$((i+1)); echo \"line $i\"\n  \
                [ $((i%100)) -ne 0 ] || sleep 0.01\ndone\n";
    site.script("count.sh", text);
}

/// Rotates the log of `full` now.
fn rotate(host: &Host, full: &str) {
    let output = Command::new("logrotate")
        .arg("-f")
        .arg("-s")
        .arg(host.path("logrotate.state"))
        .arg(host.logrotate(full))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// The numbers of the whole lines that were shown.
fn numbers(running: &Running) -> Vec<u64> {
    let text = running.stdout();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| line.strip_prefix("line ").unwrap().parse().unwrap()).collect()
}

/// Waits until it has shown a line that was written after now.
fn wait_for_more(running: &Running) {
    let shown = numbers(running).last().copied().unwrap_or(0);
    wait_until(PATIENCE, "more lines are shown", || {
        numbers(running).last().is_some_and(|last| *last > shown + 2000)
    });
}

fn has_logrotate() -> bool {
    let has = Command::new("/usr/sbin/logrotate").arg("--version").output().is_ok();
    if !has {
        missing("logrotate");
    }
    has
}

#[test]
fn last_lines_name_their_source() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let lines = ["program: one, command: sleep 1", "program: two, command: sleep 1"];
    inventory(&host, "hardened", &lines);
    std::fs::write(host.log("a.com-one"), "1\n2\n\u{1b}[31m3\u{1b}[0m\n").unwrap();
    std::fs::write(host.log("a.com-two"), b"caf\xe9 \x1b]0;x\x07\r\nno end").unwrap();
    let text = host.run(&["logs", "-n", "2"]).ended(0).stdout;
    let shown = "a.com-one | 2\na.com-one | 3\n\
                 a.com-two | caf\u{fffd} \u{fffd}]0;x\u{fffd}\na.com-two | no end\n";
    assert_eq!(text, shown);
    let one = host.run(&["logs", "--program", "one", "-n", "1"]).ended(0).stdout;
    assert_eq!(one, "3\n", "a program alone needs no name");
    let json = host.run(&["logs", "-n", "1", "--json"]).ended(0).stdout;
    let first: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&first["kind"], &first["host"]), (&"log".into(), &"here".into()));
    assert_eq!((&first["site"], &first["program"]), (&"a.com".into(), &"one".into()));
    assert_eq!(first["text"], "\u{1b}[31m3\u{1b}[0m");

    std::fs::remove_file(host.log("a.com-one")).unwrap();
    host.run(&["logs"]).ended(0).complains("a.com-one.log is not there yet: a.com-one never ran");
    std::fs::create_dir(host.log("a.com-one")).unwrap();
    host.run(&["logs"]).ended(1).complains("cannot read the log of a.com-one").says("no end");
}

#[test]
fn root_follows_no_users_link() {
    let host = or_skip!(Host::start());
    if !users::is_root() {
        return;
    }
    host.deploy("a.com");
    inventory(&host, "hardened", &["program: one, command: sleep x, startretries: 0"]);
    let nobody = users::find("nobody").unwrap().unwrap();
    let log = host.log("a.com-one");
    std::fs::write(host.path("secret"), "the secret\n").unwrap();
    std::os::unix::fs::symlink(host.path("secret"), &log).unwrap();
    std::os::unix::fs::lchown(&log, Some(nobody.uid), Some(nobody.gid)).unwrap();
    for arguments in [&["logs"][..], &["logs", "-f"], &["apply", "--yes"]] {
        let run = host.run(arguments);
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(run.status != 0 && !text.contains("the secret"), "{arguments:?}: {text}");
    }
    let words = "a symbolic link of user nobody leads to what is root's";
    host.run(&["logs"]).ended(1).complains(words);
}

#[test]
fn hardened_rotation_repeats_no_line() {
    let host = or_skip!(Host::start());
    if !has_logrotate() {
        return;
    }
    counter(&host.deploy("a.com"));
    inventory(&host, "hardened", &["program: count, script: count.sh, logs: {rotate: 50}"]);
    host.run(&["apply", "--yes"]).ended(0);
    let follower = host.command(&["logs", "-f", "-n", "1"]).spawn();
    wait_for_more(&follower);
    for _ in 0..3 {
        rotate(&host, "a.com-count");
        wait_for_more(&follower);
        // Twice in a row, mostly between two looks.
        rotate(&host, "a.com-count");
        rotate(&host, "a.com-count");
        wait_for_more(&follower);
    }
    let shown = numbers(&follower);
    let first = *shown.first().unwrap();
    let wanted: Vec<u64> = (first..first + shown.len() as u64).collect();
    let wrong = shown.iter().zip(&wanted).find(|(shown, wanted)| shown != wanted);
    assert_eq!(wrong, None);
    signal(follower.id(), Signal::INT);
    follower.wait().ended(130);
}

#[test]
fn copytruncate_repeats_no_line() {
    let host = or_skip!(Host::start());
    if !has_logrotate() {
        return;
    }
    counter(&host.deploy("a.com"));
    inventory(&host, "classic", &["program: count, script: count.sh"]);
    host.run(&["apply", "--yes"]).ended(0);
    let follower = host.command(&["logs", "-f", "-n", "1"]).spawn();
    wait_for_more(&follower);
    for _ in 0..4 {
        rotate(&host, "a.com-count");
        wait_for_more(&follower);
    }
    signal(follower.id(), Signal::INT);
    wait_until(PATIENCE, "it has ended", || {
        std::fs::read_to_string(format!("/proc/{}/stat", follower.id()))
            .map_or(true, |stat| stat.contains(") Z "))
    });
    let text = follower.stdout();
    // A line that the truncation cut has no number; every other is later than those before.
    let cut = |line: &&str| line.strip_prefix("line ").and_then(|n| n.parse::<u64>().ok());
    let shown: Vec<u64> = text.lines().filter_map(|line| cut(&line)).collect();
    let mut once = shown.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), shown.len(), "a line was shown twice");
    // copytruncate itself loses what is written between the copy and the truncation; all that is
    // left in any file was shown.
    let (first, last) = (*once.first().unwrap(), *once.last().unwrap());
    let left = numbers_on_disk(&host, "a.com-count");
    assert!(left.len() > 4000, "only {} lines are left", left.len());
    let lost: Vec<&u64> = left
        .iter()
        .filter(|number| (first..=last).contains(*number) && once.binary_search(number).is_err())
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// The numbers of the whole lines in a log and all that was rotated of it.
fn numbers_on_disk(host: &Host, full: &str) -> Vec<u64> {
    let folder = host.log(full).parent().unwrap().to_owned();
    let mut numbers = Vec::new();
    for name in names(&folder) {
        let path = folder.join(&name);
        let bytes = match name.ends_with(".gz") {
            true => Command::new("gzip").arg("-dc").arg(path).output().unwrap().stdout,
            false => std::fs::read(path).unwrap(),
        };
        let text = String::from_utf8(bytes).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        numbers.extend(whole.lines().filter_map(|l| l.strip_prefix("line ")?.parse::<u64>().ok()));
    }
    numbers
}

#[test]
fn following_ends_with_its_reader() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    inventory(&host, "hardened", &["program: quiet, command: sleep 1"]);
    std::fs::write(host.log("a.com-quiet"), "the only line\n").unwrap();
    let ended = host.path("ended");
    let script = format!("{{ {BINARY} logs -f; echo $? > {}; }} | head -n 1", ended.display());
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(host.path("home"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"the only line\n");
    assert_eq!(std::fs::read_to_string(ended).unwrap(), "0\n");
}

/// An agent that is asked for the log `a.com-w` in `folder`.
fn agent(folder: &std::path::Path, lines: u32, follow: bool) -> Child {
    let command = Run::Command(CommandLine::parse("true").unwrap());
    let log_dir = AbsolutePath::parse(folder.to_str().unwrap()).unwrap();
    let site = Site {
        domain: Domain::parse("a.com").unwrap(),
        user: UserName::parse("nobody").unwrap(),
        format: Format::Hardened,
        config_files: Default::default(),
        config_suffix: Default::default(),
        configs: Vec::new(),
        groups: Vec::new(),
        paths: Paths { log_dir, ..Paths::default() },
        programs: vec![Program::new(ProgramName::parse("w").unwrap(), command)],
    };
    let sites = vec![ChosenSite::whole(site)];
    let request = Request::Logs(Box::new(LogsRequest::last(sites, lines, follow)));
    let mut agent = Command::new(BINARY)
        .arg("agent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line =
        serde_json::to_string(&Ask { protocol: PROTOCOL, request, confirms: false }).unwrap();
    writeln!(agent.stdin.as_mut().unwrap(), "{line}").unwrap();
    agent
}

#[test]
fn slow_reader_loses_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let log: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    std::fs::write(folder.path().join("a.com-w.log"), log).unwrap();
    let mut agent = agent(folder.path(), 20_000, false);
    // It says nothing more as soon as the pipe is full; what it has then must not be lost.
    wait_until(PATIENCE, "the agent has read the log", || {
        std::fs::read_to_string(format!("/proc/{}/io", agent.id()))
            .is_ok_and(|io| io.lines().any(|line| line.starts_with("wchar") && line.len() > 11))
    });
    let mut numbers = 0..20_000;
    for line in BufReader::new(agent.stdout.take().unwrap()).lines() {
        match serde_json::from_str(&line.unwrap()).unwrap() {
            AgentMessage::Event(Event::LogLine(line)) => {
                assert_eq!(line.text, numbers.next().unwrap().to_string());
            }
            AgentMessage::Reply(Reply::LogsEnded { unreadable }) => {
                assert!(unreadable.is_empty());
                break;
            }
            _ => {}
        }
    }
    assert_eq!(numbers.len(), 0, "lines were lost");
    drop(agent.stdin.take());
    assert!(agent.wait().unwrap().success());
}

#[test]
fn following_agent_ends_with_caller() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.com-w.log"), "the only line\n").unwrap();
    let mut agent = agent(folder.path(), 1, true);
    let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("the only line")));
    // The log is quiet: it is told by its next sign of life.
    drop((agent.stdin.take(), lines));
    wait_until(PATIENCE, "the agent has ended", || agent.try_wait().unwrap().is_some());
}

/// So many minutes ago, as a line of a log begins.
fn minutes_ago(minutes: i64) -> String {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[test]
fn since_shows_what_was_written_since() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let lines = ["program: one, command: sleep 1", "program: two, command: sleep 1"];
    inventory(&host, "hardened", &lines);
    let new = format!("{} new", minutes_ago(3));
    let log = format!("{} old\n  its trace\n{new}\n  its trace\n", minutes_ago(90));
    std::fs::write(host.log("a.com-one"), log).unwrap();
    std::fs::write(host.log("a.com-two"), "no\ntime\n").unwrap();
    let run = host.run(&["logs", "--since", "10m"]).ended(0);
    let shown: Vec<&str> =
        run.stdout.lines().map(|line| line.rsplit_once("| ").unwrap().1).collect();
    assert_eq!(shown, [new.as_str(), "  its trace", "no", "time"], "{run:?}");
    let two = "a.com-two.log begins with a time that is known: its last lines are shown";
    assert_eq!(run.warnings().len(), 1, "{run:?}");
    let run = run.complains(two);
    assert!(!run.stderr.contains("a.com-one"), "{run:?}");
    let all = host.run(&["logs", "--since", "2h", "--program", "one"]).ended(0);
    assert_eq!(all.stdout.lines().count(), 4, "{all:?}");
    let last = host.run(&["logs", "--since", "2h", "--program", "one", "-n", "1"]).ended(0);
    assert_eq!(last.stdout, "  its trace\n");
    let from = format!("{}Z", minutes_ago(10).replace(' ', "T"));
    let run = host.run(&["logs", "--since", &from, "--program", "one"]).ended(0);
    assert_eq!(run.stdout.lines().count(), 2, "{run:?}");
    // Nobody has written to it since.
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let file = std::fs::File::options().append(true).open(host.log("a.com-two")).unwrap();
    file.set_modified(hour_ago).unwrap();
    let run = host.run(&["logs", "--since", "10m", "--program", "two"]).ended(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    host.run(&["logs", "--since", "yesterday"]).ended(2).complains("90s, 10m, 2h or 1d ago");
}

#[test]
fn grep_shows_matching_lines_and_follows_them() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    inventory(&host, "hardened", &["program: one, command: sleep 1"]);
    let many: String = (0..50).map(|number| format!("line {number}\n")).collect();
    std::fs::write(host.log("a.com-one"), format!("ERROR first\n{many}an error\n")).unwrap();
    let run = host.run(&["logs", "-g", "(?i)error"]).ended(0);
    assert_eq!(run.stdout, "ERROR first\nan error\n", "also beyond the last 10 lines");
    let run = host.run(&["logs", "--grep", "line [0-9]$", "-n", "2"]).ended(0);
    assert_eq!(run.stdout, "line 8\nline 9\n");
    let follower = host.command(&["logs", "-f", "--grep", "^ERROR"]).spawn();
    wait_until(PATIENCE, "it follows", || follower.stdout().contains("ERROR first"));
    let mut log = std::fs::File::options().append(true).open(host.log("a.com-one")).unwrap();
    log.write_all(b"nothing\nERROR second\nERROR unfinished").unwrap();
    wait_until(PATIENCE, "the next one", || follower.stdout().contains("ERROR second"));
    signal(follower.id(), Signal::INT);
    let run = follower.wait().ended(130);
    assert_eq!(run.stdout, "ERROR first\nERROR second\nERROR unfinished\n");
    host.run(&["logs", "--grep", "("]).ended(2).complains("it is no regular expression");
}

#[test]
fn each_source_has_its_colour() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let lines = ["program: one, command: sleep 1", "program: two, command: sleep 1"];
    inventory(&host, "hardened", &lines);
    for name in ["one", "two"] {
        std::fs::write(host.log(&format!("a.com-{name}")), "x\ny\n").unwrap();
    }
    let run = host.command(&["logs"]).env("CLICOLOR_FORCE", "1").run().ended(0);
    let one = "\x1b[36ma.com-one |\x1b[0m";
    let two = "\x1b[35ma.com-two |\x1b[0m";
    assert_eq!(run.stdout, format!("{one} x\n{one} y\n{two} x\n{two} y\n"));
}
