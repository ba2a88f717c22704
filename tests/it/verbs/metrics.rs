//! `metrics`: what Prometheus is told, on a real supervisord, as promtool reads it.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "starts promtool, looks at files")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{applied_host, document, wants};
use crate::python::missing;
use crate::site::{Host, Run};

/// What is shipped for whoever watches the metrics.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/metrics").join(name)
}

/// The verb on the supervisord of this host.
pub(crate) fn metrics(host: &Host, more: &[&str]) -> Run {
    let (conf_dir, main) = (host.daemon.conf_dir(), host.daemon.main_conf());
    let state = host.path("state");
    let paths = [conf_dir, main, state].map(|path| path.display().to_string());
    let [conf_dir, main, state] = paths.each_ref().map(String::as_str);
    let arguments =
        ["metrics", "--conf-dir", conf_dir, "--supervisord", main, "--state-dir", state];
    host.run(&[&arguments, more].concat())
}

/// promtool with this on its stdin; `None` if it is not here.
fn promtool(arguments: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        missing("promtool");
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

#[track_caller]
fn assert_ok(output: &Output) {
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    let said = String::from_utf8_lossy(stdout) + String::from_utf8_lossy(stderr);
    assert!(output.status.success(), "{said}");
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| {
        word.starts_with("supervisor_sync_") && !word.ends_with('_')
            || word.starts_with("node_supervisord_")
    };
    words.filter(is_metric).map(str::to_owned).collect()
}

/// The line of a series, and the value that it ends in.
#[track_caller]
fn assert_series(text: &str, series: &str, value: &str) {
    let line = text.lines().find(|line| line.starts_with(series));
    assert_eq!(line, Some(format!("{series} {value}").as_str()), "{text}");
}

#[test]
fn metrics_are_as_prometheus_reads_them() {
    let host = or_skip!(applied_host());
    host.daemon.write_conf("stranger", "[program:stranger]\ncommand=sleep 1000\n");
    host.daemon.supervisorctl(&["update", "stranger"]);
    host.wait_running(&["a.com-w:a.com-w", "stranger:stranger"]);
    let text = metrics(&host, &[]).ended(0).stdout;
    let checked = or_skip!(promtool(&["check", "metrics"], &text));
    assert_ok(&checked);
    assert_eq!(String::from_utf8_lossy(&checked.stderr), "", "lint of {text}");

    let process = host.process("a.com-w:a.com-w").unwrap();
    let labels = "{group=\"a.com-w\",name=\"a.com-w\"}";
    assert_series(&text, &format!("node_supervisord_up{labels}"), "1");
    assert_series(&text, &format!("node_supervisord_state{labels}"), "20");
    assert_series(&text, &format!("node_supervisord_exit_status{labels}"), "0");
    let start = process.start.to_string();
    assert_series(&text, &format!("node_supervisord_start_time_seconds{labels}"), &start);
    let program = "{program=\"w\",site=\"a.com\"}";
    assert_series(&text, &format!("supervisor_sync_wanted_processes{program}"), "1");
    assert_series(&text, &format!("supervisor_sync_healthy_processes{program}"), "1");
    assert_series(&text, "supervisor_sync_revision{site=\"a.com\"}", "1");
    assert_series(&text, "supervisor_sync_last_apply_succeeded{site=\"a.com\"}", "1");

    // What is somebody else's is counted and not named.
    let here = format!("{{conf_dir=\"{}\"}}", host.daemon.conf_dir().display());
    assert_series(&text, &format!("supervisor_sync_other_groups{here}"), "1");
    assert!(!text.contains("stranger"), "{text}");
}

#[test]
fn metrics_tell_what_is_not_as_applied() {
    let host = or_skip!(applied_host());
    host.stop_by_hand("a.com-w:a.com-w");
    let conf = host.conf("a.com-w");
    let edited = std::fs::read_to_string(&conf).unwrap() + "; edited\n";
    std::fs::write(&conf, edited).unwrap();
    let text = metrics(&host, &[]).ended(0).stdout;
    let program = "{program=\"w\",site=\"a.com\"}";
    assert_series(&text, &format!("supervisor_sync_wanted_processes{program}"), "1");
    assert_series(&text, &format!("supervisor_sync_healthy_processes{program}"), "0");
    let drift = |kind: &str| {
        format!("supervisor_sync_drift{{kind=\"{kind}\",program=\"w\",site=\"a.com\"}}")
    };
    assert_series(&text, &drift("file"), "1");
    assert_series(&text, &drift("state"), "1");
    assert_series(&text, &drift("config"), "0");
    let labels = "{group=\"a.com-w\",name=\"a.com-w\"}";
    assert_series(&text, &format!("node_supervisord_up{labels}"), "0");
    assert!(!text.contains("node_supervisord_start_time_seconds{"), "it runs no more: {text}");
}

#[test]
fn metrics_tell_how_the_last_apply_ended() {
    let host = or_skip!(applied_host());
    host.deployed("a.com").crasher("bad");
    wants(&host, &["program: w, script: w.sh", "program: bad, script: bad.sh, autorestart: false"]);
    host.run(&["apply", "--yes"]).ended(4);
    let text = metrics(&host, &[]).ended(0).stdout;
    assert_series(&text, "supervisor_sync_last_apply_succeeded{site=\"a.com\"}", "0");
    assert_series(&text, "supervisor_sync_revision{site=\"a.com\"}", "1");
    for outcome in ["applied", "rolled_back"] {
        let series = format!("{{outcome=\"{outcome}\",site=\"a.com\"}}");
        assert!(text.contains(&series), "{text}");
    }
}

#[test]
fn metrics_of_a_supervisord_that_is_down() {
    let mut host = or_skip!(applied_host());
    host.daemon.stop();
    let run = metrics(&host, &[]).ended(0).complains("supervisord");
    let here = format!("{{conf_dir=\"{}\"}}", host.daemon.conf_dir().display());
    assert_series(&run.stdout, &format!("supervisor_sync_supervisord_up{here}"), "0");
    let wanted = "supervisor_sync_wanted_processes{program=\"w\",site=\"a.com\"}";
    assert_series(&run.stdout, wanted, "1");
    assert!(!run.stdout.contains("healthy_processes"), "nobody knows: {}", run.stdout);
}

#[test]
fn textfile_is_replaced_as_a_whole() {
    let host = or_skip!(applied_host());
    let path = host.path("supervisor_sync.prom");
    let out = path.display().to_string();
    let run = metrics(&host, &["--out", &out]).ended(0);
    assert_eq!(run.stdout, "");
    let inode = path.metadata().unwrap().ino();
    let mut reader = std::fs::File::open(&path).unwrap();
    metrics(&host, &["--out", &out]).ended(0);
    let metadata = path.metadata().unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o644);
    assert_ne!(metadata.ino(), inode, "the file that somebody reads is not written to");
    let mut former = String::new();
    reader.read_to_string(&mut former).unwrap();
    assert!(former.contains("supervisor_sync_revision"), "{former}");
    let gone = host.path("no-such-folder/a.prom").display().to_string();
    metrics(&host, &["--out", &gone]).ended(1).complains(&format!("error: cannot write {gone}"));
}

/// Scripts have the same as a document.
#[test]
fn metrics_document_has_every_family() {
    let host = or_skip!(applied_host());
    let families = document(&metrics(&host, &["--json"]).ended(0), "metrics")["families"].clone();
    let named = families.as_array().unwrap().iter();
    let named: BTreeSet<String> =
        named.map(|family| family["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(named, names(&metrics(&host, &[]).ended(0).stdout));
    assert_eq!(named.len(), 14);
}

/// The rules do what they are for, and nothing that is shipped or told asks for a metric that there is not.
#[test]
fn shipped_rules_and_dashboard_fit_the_metrics() {
    let host = or_skip!(applied_host());
    let pulled = host.path("state/pull/0123");
    std::fs::create_dir_all(&pulled).unwrap();
    let status = r#"{"name":"web1","release":"0.2.0","at":"2026-11-30T10:00:00Z","outcome":"done","serial":7}"#;
    let last = format!(r#"{{"source":"/srv/deploy","status":{status}}}"#);
    std::fs::write(pulled.join("last.json"), last).unwrap();
    let there_are = names(&metrics(&host, &[]).ended(0).stdout);
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    for path in [shipped("supervisor-sync.rules.yml"), shipped("dashboard.json"), guide.clone()] {
        let text = read(&path);
        let asked = names(&text);
        let strange: Vec<&String> = asked.difference(&there_are).collect();
        assert_eq!(strange, [] as [&String; 0], "{}", path.display());
        if path == guide {
            assert_eq!(asked, there_are, "the guide has every metric");
        }
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(&read(&shipped("dashboard.json"))).unwrap();
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() >= 6));
    let rules = shipped("supervisor-sync.rules.yml").display().to_string();
    assert_ok(&or_skip!(promtool(&["check", "rules", "--lint-fatal", &rules], "")));
    let tests = shipped("supervisor-sync.rules.test.yml").display().to_string();
    assert_ok(&or_skip!(promtool(&["test", "rules", &tests], "")));
}

/// After `startsecs` supervisord takes each start for a good one, and counts none.
#[test]
fn metrics_tell_restarts_that_were_seen() {
    let host = or_skip!(Host::start());
    let note = host.path("starts").join("a.com-w");
    let text = format!("#!/bin/sh\necho $$ >> {}\nsleep 1.3\nexit 1\n", note.display());
    host.deploy("a.com").script("w.sh", &text);
    wants(&host, &["program: w, script: w.sh, startsecs: 1"]);
    host.run(&["apply", "--yes", "--no-verify"]).ended(0);
    host.wait_starts("a.com-w", 2);
    let text = metrics(&host, &["--for", "30"]).ended(0).stdout;
    let series = "supervisor_sync_restarts_seen{program=\"w\",site=\"a.com\"} ";
    let seen = text.lines().find_map(|line| line.strip_prefix(series));
    assert!(seen.is_some_and(|seen| seen != "0"), "{text}");
}
