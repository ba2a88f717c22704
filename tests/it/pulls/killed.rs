//! A pull that is killed at any point is put right by the next: strace kills it before its n-th call of a kind
//! that changes files, which is at every step on its way.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::rolled_back::find;
use super::{CRASHER, Pulling};
use crate::daemon::{PATIENCE, wait_until};
use crate::site::BINARY;

/// The kinds of calls, on any architecture, with how many of them a pull has at least.
const CALLS: [(&str, usize); 3] = [("/^rename", 8), ("/^unlink", 1), ("/^(fsync|fdatasync)", 4)];

/// It is the same in every bundle.
const KEEP: &str = "program: keep, script: keep.sh, startsecs: 0";
const ONE: &str = "program: w, script: w.sh, startsecs: 0, priority: 1";
const OTHER: &str = "program: w, script: w.sh, startsecs: 0, priority: 2";

/// None where strace is missing.
fn start() -> Option<Pulling> {
    if Command::new("strace").arg("-V").output().is_err() {
        crate::python::missing("strace");
        return None;
    }
    let pulling = Pulling::start()?;
    pulling.host.deployed("a.com").worker("keep");
    Some(pulling)
}

/// Pulls, and is killed before the `number`th of these calls; false if there are not so many.
fn is_killed(pulling: &Pulling, calls: &str, number: usize) -> bool {
    let config = pulling.path("pull.yml").display().to_string();
    let inject = format!("inject={calls}:signal=KILL:when={number}");
    let trace = format!("trace={calls}");
    let strace = ["-f", "-qqq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let pull = [BINARY, "pull", "--config", &config];
    let mut traced = pulling.host.command(&[&strace[..], &pull].concat());
    let (_reader, writer) = std::io::pipe().unwrap();
    let ended = traced.program(Path::new("strace")).run_into(writer);
    // strace ends as what it traces.
    ended.signal() == Some(9)
}

fn serial(pulling: &Pulling) -> u64 {
    let path = find(pulling, "state.json");
    let state: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    state["serial"].as_u64().unwrap()
}

/// How often `w` was started, once the one that runs has noted it.
fn starts(pulling: &Pulling) -> usize {
    let host = &pulling.host;
    wait_until(PATIENCE, "w has noted its start", || {
        let pid = host.process("a.com-w:a.com-w").map(|process| process.pid);
        pid.is_some_and(|pid| pid != 0) && host.starts("a.com-w").last().copied() == pid
    });
    host.starts("a.com-w").len()
}

#[test]
fn killed_pull_is_finished_by_the_next() {
    let pulling = or_skip!(start());
    let host = &pulling.host;
    pulling.wants(&[("a.com", &[KEEP, ONE])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    let keep = host.wait_running(&["a.com-keep:a.com-keep"]);
    let mut last = 1;
    for (calls, least) in CALLS {
        let mut number = 1;
        loop {
            let before = starts(&pulling);
            pulling.wants(&[("a.com", &[KEEP, if last % 2 == 1 { OTHER } else { ONE }])]);
            pulling.publish(&[]).ended(0);
            let killed = is_killed(&pulling, calls, number);
            let context = format!("{calls} {number}");
            assert!((last..=last + 1).contains(&serial(&pulling)), "{context}");
            last += 1;
            pulling.pull(&[]).ended(0).says(&format!("As bundle {last} has it"));
            assert_eq!(serial(&pulling), last, "{context}");
            let restarts = starts(&pulling) - before;
            assert!((1..=2).contains(&restarts), "{context}: restarted {restarts} times");
            assert_eq!(host.wait_running(&["a.com-keep:a.com-keep"]), keep, "{context}");
            let status = pulling.status();
            assert_eq!((&status["outcome"], &status["serial"]), (&"done".into(), &last.into()));
            pulling.changes_nothing(|| pulling.pull(&[]).ended(0));
            if !killed {
                break;
            }
            number += 1;
        }
        assert!(number > least, "{calls}: {number}");
    }
}

/// Whether the records have it that this bundle was rolled back.
fn is_noted(pulling: &Pulling, serial: u64) -> bool {
    let history = pulling.host.run(&["history", "--json"]).ended(0).stdout;
    let mut documents = history.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let runs = documents.find(|document| document["kind"] == "runs").unwrap();
    runs["runs"].as_array().unwrap().iter().any(|run| {
        run["message"] == format!("bundle {serial}") && run["sites"][0]["outcome"] == "rolled_back"
    })
}

/// What was rolled back is not tried again, whenever the pull was killed that did so; and it is told.
#[test]
fn killed_rollback_is_not_tried_again() {
    let pulling = or_skip!(start());
    let host = &pulling.host;
    pulling.wants(&[("a.com", &[KEEP, ONE])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    let keep = host.wait_running(&["a.com-keep:a.com-keep"]);
    pulling.wants(&[("a.com", &[KEEP, ONE, CRASHER.replacen('w', "bad", 1).as_str()])]);
    let (mut last, mut noted) = (1, 0);
    for (calls, least) in CALLS {
        let mut number = 1;
        loop {
            let before = host.starts("a.com-bad").len();
            pulling.publish(&[]).ended(0);
            last += 1;
            let killed = is_killed(&pulling, calls, number);
            let context = format!("{calls} {number}");
            let tried = host.starts("a.com-bad").len();
            let was_noted = killed && is_noted(&pulling, last);
            let again = pulling.pull(&[]);
            if was_noted {
                noted += 1;
                assert_eq!(again.status, 3, "{context}");
                assert_eq!(host.starts("a.com-bad").len(), tried, "{context}");
            }
            assert!([3, 4].contains(&again.status), "{context}: {}", again.stderr);
            assert!(host.starts("a.com-bad").len() - before <= 2, "{context}");
            assert_eq!(
                (serial(&pulling), &pulling.status()["outcome"]),
                (last, &"rolled_back".into())
            );
            let (_, digest) = pulling.latest();
            let failure = format!("failures/{}/1-here", &digest[..12]);
            assert!(pulling.store().join(failure).exists(), "{context}: it is not told");
            assert_eq!(host.wait_running(&["a.com-keep:a.com-keep"]), keep, "{context}");
            let tried = host.starts("a.com-bad").len();
            pulling.pull(&[]).ended(3);
            assert_eq!(host.starts("a.com-bad").len(), tried, "{context}");
            if !killed {
                break;
            }
            number += 1;
        }
        assert!(number > least, "{calls}: {number}");
    }
    assert!(noted > 0, "none was killed between the rollback and the note of it");
}
