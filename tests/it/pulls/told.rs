//! Who is told what: people on the host, those whom `pull.yml` names, and the store.

use std::os::unix::fs::PermissionsExt as _;

use super::{CRASHER, Pulling, WORKER};
use crate::hints::Hint;
use crate::verbs::documents;

const KEEP: &str = "notify: [{command: 'cat >> told'}]\n";

fn told(pulling: &Pulling) -> Vec<String> {
    let path = pulling.path("told");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    crate::documents::assert_valid(&text);
    let of = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    text.lines().map(|line| of(line)["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn store_that_is_gone_is_told_once() {
    let pulling = or_skip!(Pulling::start());
    pulling.configure(&format!("host: here\n{KEEP}"));
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    assert_eq!(told(&pulling), ["changed"]);
    let away = pulling.host.path("away");
    std::fs::rename(pulling.store(), &away).unwrap();
    pulling.changes_nothing(|| pulling.pull(&[]).ended(1));
    assert_eq!(told(&pulling), ["failed"]);
    pulling.pull(&[]).ended(1);
    assert_eq!(told(&pulling), [""; 0]);
    // It is left alone for a while: by a timer, not by a person.
    let silent = pulling.pull(&["--by-timer"]).ended(0);
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
    std::fs::rename(&away, pulling.store()).unwrap();
    pulling.pull(&[]).ended(0);
    assert_eq!(told(&pulling), ["recovered"]);
}

#[test]
fn rollback_is_told_once() {
    let pulling = or_skip!(Pulling::start());
    pulling.configure(&format!("host: here\n{KEEP}hooks: {{before: 'echo >> before'}}\n"));
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    let before = || std::fs::read_to_string(pulling.path("before")).unwrap().len();
    assert_eq!(before(), 1, "only where something changes");
    pulling.wants(&[("a.com", &[CRASHER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(4);
    assert_eq!(told(&pulling), ["changed", "rolled_back"]);
    pulling.pull(&[]).ended(3);
    assert_eq!((told(&pulling).len(), before()), (0, 2));
}

#[test]
fn held_host_takes_up_nothing() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.holds(&["hold", "the sale", "--for", "2h"]).ended(0).says("holds this host since");
    pulling.changes_nothing(|| pulling.pull(&[]).ended(0).says("the sale"));
    let status = pulling.status();
    assert_eq!(status["outcome"], "held");
    assert!(status["cause"].as_str().unwrap().ends_with(": the sale"), "{status}");
    pulling.holds(&["hold", ""]).ended(2);
    pulling.holds(&["resume"]).ended(0);
    pulling.holds(&["resume"]).ended(0);
    pulling.pull(&[]).ended(0);
    assert_eq!(pulling.host.groups(), ["a.com-w"]);
}

#[test]
fn hosts_of_store_are_shown() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    let look = || pulling.fleet(&[]);
    look().ended(0).says("Serial 1").says("0 hosts");
    pulling.pull(&[]).ended(0);
    look().ended(0).says("here  done  serial 1  wave 1");
    let mut other = pulling.status();
    other["name"] = "web7".into();
    other["at"] = "2026-11-01T00:00:00Z".into();
    pulling.write("status/web7.json", other.to_string().as_bytes());
    pulling.write("status/web8.json", b"nonsense");
    let shown = look().ended(3).says("2 hosts, 1 done, 1 silent").says("web7  silent for ");
    assert!(shown.stderr.contains("cannot read status/web8.json"), "{}", shown.stderr);
    assert!(shown.stdout.find("web7") < shown.stdout.find("here"), "problems first");
    let json = documents(&pulling.fleet(&["--json"]));
    assert_eq!(json[0]["kind"], "pull_status");
    assert_eq!(json[0]["hosts"][0]["name"], "web7");
}

/// A store that takes nothing from hosts keeps nobody from pulling.
#[test]
fn status_that_cannot_be_put_is_no_failure() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    std::fs::write(pulling.store().join("status"), "a file").unwrap();
    pulling.pull(&[]).ended(0).complains("warning: the status is not in the store");
    pulling.configure("host: here\nreport: false\n");
    let silent = pulling.pull(&[]).ended(0);
    assert_eq!(silent.stderr, "");
}

/// What is kept of bundles has the secrets of programs in it.
#[test]
fn secrets_are_kept_from_others() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &["program: w, script: w.sh, environment: {KEY: hunter2}"])]);
    let published = pulling.publish(&[]).ended(0);
    let pulled = pulling.pull(&["--verbose"]).ended(0);
    for said in [published.stdout, published.stderr, pulled.stdout, pulled.stderr] {
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert!(!pulling.status().to_string().contains("hunter2"));
    let state = pulling.host.path("pulled/pull");
    for folder in std::fs::read_dir(state).unwrap() {
        let folder = folder.unwrap();
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn documents_of_pull_have_their_schema() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    let kinds = |run: crate::site::Run| -> Vec<String> {
        let documents = documents(&run);
        documents.iter().map(|document| document["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(pulling.publish(&["--json"]).ended(0)), ["published"]);
    let pulled = kinds(pulling.pull(&["--json"]).ended(0));
    assert_eq!(pulled.last().unwrap(), "pulled", "{pulled:?}");
    assert_eq!(kinds(pulling.holds(&["hold", "x", "--json"]).ended(0)), ["hold"]);
}

#[test]
fn pull_has_its_metrics() {
    let pulling = or_skip!(Pulling::start());
    pulling.configure_as("pull.yml", "state", "host: here\n");
    pulling.wants(&[("a.com", &[CRASHER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(4);
    pulling.holds(&["hold", "x"]).ended(0);
    let text = crate::verbs::metrics::metrics(&pulling.host, &[]).ended(0).stdout;
    let source = format!("source=\"{}\"", pulling.store().display());
    for series in [
        format!("supervisor_sync_pull_serial{{{source}}} 1"),
        format!("supervisor_sync_pull_held{{{source}}} 1"),
        format!("supervisor_sync_pull_outcome{{outcome=\"rolled_back\",{source}}} 1"),
    ] {
        assert!(text.contains(&series), "{series}: {text}");
    }
}

/// What keeps a bundle from being signed is told, and how to find out more.
#[test]
fn key_that_cannot_sign_leads_on() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    let store = pulling.store().display().to_string();
    let publish = ["publish", &store, "--yes", "--no-binaries", "--key", "no-such-key"];
    let said = pulling.host.run(&publish).ended(1).complains("cannot sign the bundle");
    let hint = Hint("try it: echo x | ssh-keygen -Y sign -n supervisor-sync -f {}");
    let tried = pulling.host.follow(&said.stderr, hint);
    assert!(tried.status != 0 && tried.stderr.contains("no-such-key"), "{}", tried.stderr);
    assert!(!pulling.store().exists(), "nothing was put");
}

#[test]
fn hold_says_how_to_end_it() {
    let pulling = or_skip!(Pulling::start());
    let said = pulling.holds(&["hold", "the sale"]).ended(0).stdout;
    pulling.host.follow(&said, Hint("end it: supervisor-sync resume")).ended(0);
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0).says("As bundle 1 has it");
}
