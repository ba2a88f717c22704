//! A bundle that was rolled back on a host is not tried again there, until another comes.

use serde_json::Value;

use super::{CRASHER, Pulling, WORKER};
use crate::hints::Hint;

/// A host with bundle 1, and bundle 2 that breaks `a.com` and changes `b.com`.
fn with_bad_bundle() -> Option<Pulling> {
    let pulling = Pulling::start()?;
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    pulling.wants(&[("a.com", &[CRASHER]), ("b.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    Some(pulling)
}

#[test]
fn rolled_back_bundle_is_not_tried_again() {
    let pulling = or_skip!(with_bad_bundle());
    let host = &pulling.host;
    pulling.pull(&[]).ended(6).complains("a.com-w");
    host.wait_running(&["a.com-w:a.com-w", "b.com-w:b.com-w"]);
    let (tries, others) = (host.starts("a.com-bad").len(), host.starts("b.com-w").len());
    assert!(tries > 0 && others == 1);
    let status = pulling.status();
    assert_eq!((&status["outcome"], &status["serial"]), (&"rolled_back".into(), &2.into()));
    assert_eq!(status["troubles"][0]["site"], "a.com");
    pulling.changes_nothing(|| {
        pulling.pull(&[]).ended(3).says("a.com was rolled back here");
        // It was said when it happened.
        let silent = pulling.pull(&["--by-timer"]).ended(3);
        assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
    });
    assert_eq!(host.starts("a.com-bad").len(), tries);

    let said = pulling.pull(&[]).ended(3).stdout;
    pulling.host.follow(&said, Hint("try it all the same: supervisor-sync pull --retry")).ended(4);
    assert!(host.starts("a.com-bad").len() > tries, "somebody wanted it to be tried");
    pulling.pull(&[]).ended(3);

    pulling.wants(&[("a.com", &[WORKER]), ("b.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0).says("As bundle 3 has it");
    assert_eq!(pulling.status()["outcome"], "done");
}

/// The rest of a bundle is held as before, also while one site of it is left out.
#[test]
fn other_sites_are_put_right_meanwhile() {
    let pulling = or_skip!(with_bad_bundle());
    pulling.pull(&[]).ended(6);
    let conf = pulling.host.conf("b.com-w");
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::remove_file(&conf).unwrap();
    pulling.pull(&[]).ended(3);
    assert_eq!(std::fs::read_to_string(&conf).unwrap(), text);
}

/// A power cut between the rollback and what is remembered of it.
#[test]
fn killed_pull_does_not_try_again() {
    let pulling = or_skip!(with_bad_bundle());
    pulling.pull(&[]).ended(6);
    let tries = pulling.host.starts("a.com-bad").len();
    let path = find(&pulling, "state.json");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let run = state["refused"][0]["run"].clone();
    state["trying"] = serde_json::json!({"run": run, "bundle": state["bundle"]});
    state["refused"] = serde_json::json!([]);
    std::fs::write(&path, state.to_string()).unwrap();
    pulling.pull(&[]).ended(3);
    assert_eq!(pulling.host.starts("a.com-bad").len(), tries);
}

/// Later waves rely on it, so one that could not be told is told by the next pull.
#[test]
fn rollback_that_could_not_be_told_is_told_later() {
    let pulling = or_skip!(with_bad_bundle());
    let failures = pulling.store().join("failures");
    std::fs::write(&failures, "a file").unwrap();
    pulling.pull(&[]).ended(6).complains("warning: the status is not in the store");
    std::fs::remove_file(&failures).unwrap();
    pulling.pull(&[]).ended(3);
    let (_, digest) = pulling.latest();
    assert!(failures.join(&digest[..12]).join("1-here").exists());
}

/// A file of the state.
pub(super) fn find(pulling: &Pulling, name: &str) -> std::path::PathBuf {
    let folder = pulling.host.path("pulled/pull");
    let only = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    only.path().join(name)
}

/// What a person can mend on the host is tried each time: nothing was changed.
#[test]
fn refused_plan_is_tried_each_time() {
    let pulling = or_skip!(Pulling::start());
    let conf = pulling.host.conf("a.com-w");
    std::fs::write(&conf, "[program:a.com-w]\ncommand=sleep 1\n").unwrap();
    pulling.wants(&[("a.com", &[WORKER]), ("b.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(6).complains("a.com-w.conf");
    assert_eq!(pulling.host.groups(), ["b.com-w"]);
    pulling.pull(&[]).ended(1).complains("a.com-w.conf");
    assert_eq!(pulling.status()["outcome"], "failed");
    std::fs::remove_file(&conf).unwrap();
    pulling.pull(&[]).ended(0);
    assert_eq!(pulling.host.groups(), ["a.com-w", "b.com-w"]);
}

/// Without the highest serial nothing is taken up: an old bundle could be.
#[test]
fn damaged_state_is_moved_away_by_a_person() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    std::fs::write(find(&pulling, "state.json"), "{").unwrap();
    let said = pulling.changes_nothing(|| pulling.pull(&[]).ended(1)).stderr;
    let (_, away) = said.split_once("look at it, then move it away: ").unwrap();
    let moved =
        std::process::Command::new("sh").args(["-c", away.lines().next().unwrap()]).status();
    assert!(moved.unwrap().success(), "{away}");
    pulling.pull(&[]).ended(0);
}
