//! `apply`: done, rolled back, kept, or not begun.

#![expect(clippy::disallowed_methods, reason = "looks at the files of a host")]

use super::{IMPATIENT, applied_host, document, documents, site, wants};
use crate::daemon::{PATIENCE, wait_until};
use crate::site::{Host, names};
use supervisor_sync::supervisord::{Call, FaultCode, ProcessState, Supervisord as _};

#[test]
fn apply_ends_when_all_run() {
    let host = or_skip!(applied_host());
    let process = host.process("a.com-w:a.com-w").unwrap();
    assert_eq!(process.state, ProcessState::Running, "it is waited for");
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    assert!(text.contains("\nredirect_stderr=true\nstdout_logfile_maxbytes=0\n"), "{text}");
    let before = host.snapshot();
    let run = host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(run.stdout, "Site a.com: nothing to do, 1 unchanged\n");
    assert_eq!(run.stderr, "");
    // Nor is anything asked where there is nothing to do.
    host.run(&["apply"]).ended(0);
    before.assert_same(&host.snapshot());
}

#[test]
fn without_terminal_yes_is_needed() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh"]);
    let before = host.snapshot();
    let run = host.run(&["apply"]).ended(2).says("+ w  start: new");
    assert!(run.stderr.contains("--yes"), "{}", run.stderr);
    host.run(&["apply", "--json"]).ended(2);
    before.assert_same(&host.snapshot());
}

/// A change that breaks `w` and adds `v`, of which `w` alone is to blame.
fn broken_change(host: &Host) {
    let site = crate::site::Deployed::of(host, "a.com");
    site.worker("v");
    site.crasher("broken");
    wants(host, &["program: w, script: broken.sh", "program: v, script: v.sh"]);
}

/// A change that does not come up is rolled back, and the end of its log is shown.
#[test]
fn failed_change_rolls_back_with_log() {
    let host = or_skip!(applied_host());
    let (conf, logrotate) = (host.conf("a.com-w"), host.logrotate("a.com-w"));
    let files = || [&conf, &logrotate].map(|path| std::fs::read_to_string(path).unwrap());
    let (before, names_before) = (files(), host.file_names());
    broken_change(&host);
    let run = host.run(&["apply", "--yes"]).ended(4);
    assert!(run.stderr.contains("    | broken has no database\n"), "{}", run.stderr);
    assert!(run.stderr.contains("a.com-w"), "{}", run.stderr);
    assert!(run.stdout.ends_with("Site a.com: rolled back, it is as it was\n"), "{}", run.stdout);
    assert_eq!(files(), before);
    assert_eq!(host.file_names(), names_before);
    host.wait_running(&["a.com-w:a.com-w"]);
    assert_eq!(host.groups(), ["a.com-w"]);
    assert_eq!(host.starts("a.com-w").len(), 2);
    assert_eq!(
        names(&host.state().join("sites/a.com")),
        ["revisions", "runs"],
        "no journal is left"
    );
    assert_eq!(names(&host.state().join("sites/a.com/revisions")), ["00000001.json"]);
    // supervisord has read the former files: it does not know the program that was to come.
    let add = Call::AddProcessGroup("a.com-v".to_owned());
    assert_eq!(host.daemon.client().call(add).unwrap().unwrap_err().code, FaultCode::BadName);
    wants(&host, &["program: w, script: w.sh"]);
    host.run(&["plan", "--exit-code"]).ended(0);
}

#[test]
fn rollback_is_in_json() {
    let host = or_skip!(applied_host());
    broken_change(&host);
    let run = host.run(&["apply", "--yes", "--json"]).ended(4);
    let applied = document(&run, "applied");
    let report = &applied["sites"][0]["report"];
    assert_eq!(report["outcome"]["outcome"], "rolled_back", "{applied}");
    let log = report["troubles"][0]["log"].as_array().unwrap();
    assert_eq!(log.last().unwrap(), "broken has no database", "{applied}");
    assert!(documents(&run).iter().any(|document| document["kind"] == "event"));
}

#[test]
fn failed_apply_can_be_kept() {
    let host = or_skip!(applied_host());
    broken_change(&host);
    let run = host.run(&["apply", "--yes", "--no-rollback"]).ended(5);
    assert!(run.stderr.contains("broken has no database"), "{}", run.stderr);
    assert!(std::fs::read_to_string(host.conf("a.com-w")).unwrap().contains("broken.sh"));
    assert_eq!(host.groups(), ["a.com-v", "a.com-w"]);
    host.wait_running(&["a.com-v:a.com-v"]);
    assert_eq!(names(&host.state().join("sites/a.com")), ["revisions", "runs"]);
    // From there the way back is a rollback.
    host.run(&["rollback", "--yes", "--site", "a.com"]).ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
    assert_eq!(host.groups(), ["a.com-w"]);
}

#[test]
fn failed_new_site_leaves_no_trace() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").crasher("w");
    wants(&host, &["program: w, script: w.sh"]);
    host.run(&["apply", "--yes"]).ended(4);
    assert_eq!(host.file_names(), [""; 0]);
    assert_eq!(host.groups(), [""; 0]);
    assert_eq!(names(&host.state().join("sites/a.com/revisions")), [""; 0]);
}

/// A program that keeps exiting after it has started is not healthy.
#[test]
fn exiting_program_is_unhealthy() {
    let host = or_skip!(Host::start());
    let site_a = host.deploy("a.com");
    // supervisord takes an exit after startsecs=0 for a success, and starts it again for ever.
    site_a.crasher("w");
    let flaps = "program: w, script: w.sh, startsecs: 0, health: {stable_for: 3}";
    host.inventory(&site("a.com", &[flaps]));
    let run = host.run(&["apply", "--yes"]).ended(4);
    assert!(run.stderr.contains("a.com-w"), "{}", run.stderr);
    assert!(run.stderr.contains("w has no database"), "{}", run.stderr);
}

#[test]
fn broken_site_spares_others() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").crasher("w");
    host.deploy("b.com").worker("w");
    let sites = [
        site("a.com", &["program: w, script: w.sh"]),
        site("b.com", &["program: w, script: w.sh"]),
    ];
    host.inventory_with(IMPATIENT, &sites.concat());
    let run = host.run(&["apply", "--yes"]).ended(6);
    assert!(run.stdout.contains("Site a.com: rolled back"), "{}", run.stdout);
    assert!(run.stdout.contains("Site b.com: applied as revision 1\n"), "{}", run.stdout);
    assert_eq!(host.groups(), ["b.com-w"]);
    host.wait_running(&["b.com-w:b.com-w"]);
}

/// A site whose plan is refused does not either, and the status says that one is not done.
#[test]
fn refused_site_spares_others() {
    let host = or_skip!(Host::start());
    host.deploy("b.com").worker("w");
    let sites = [
        site("a.com", &["program: w, script: w.sh"]),
        site("b.com", &["program: w, script: w.sh"]),
    ];
    host.inventory_with(IMPATIENT, &sites.concat());
    let run = host.run(&["apply", "--yes"]);
    assert_eq!(run.status, 6, "{run:?}");
    assert!(run.stdout.contains("Site a.com: not applied, nothing was changed\n"), "{run:?}");
    assert!(run.stdout.contains("Site b.com: applied as revision 1\n"), "{run:?}");
}

#[test]
fn second_apply_waits_or_is_refused() {
    let host = or_skip!(Host::start());
    let site_a = host.deploy("a.com");
    site_a.drainer("w");
    site_a.worker("v");
    wants(&host, &["program: w, script: w.sh"]);
    host.run(&["apply", "--yes"]).ended(0);
    host.wait_starts("a.com-w", 1);
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 60"]);
    let first = host.command(&["apply", "--yes"]).spawn();
    host.daemon.wait_for_state("a.com-w:a.com-w", ProcessState::Stopping);
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 60", "program: v, script: v.sh"]);
    let run = host.run(&["apply", "--yes"]).ended(7);
    assert!(run.stderr.contains("`apply` of user "), "says who: {}", run.stderr);
    assert!(run.stderr.contains("--lock-wait"), "{}", run.stderr);
    let waiting = host.command(&["apply", "--yes", "--lock-wait", "60"]).spawn();
    wait_until(PATIENCE, "it says whom it waits for", || {
        waiting.stderr().contains("→ Waiting for `apply` of user ")
    });
    host.open_gate();
    first.wait().ended(0);
    waiting.wait().ended(0);
    host.wait_running(&["a.com-v:a.com-v", "a.com-w:a.com-w"]);
    assert_eq!(host.starts("a.com-w").len(), 2);
}

/// A restart is one start of each process, changed or not.
#[test]
fn restart_starts_each_process_once() {
    let host = or_skip!(Host::start());
    let site_a = host.deploy("a.com");
    site_a.worker("same");
    site_a.worker("changes");
    let same = "program: same, script: same.sh, numprocs: 2";
    wants(&host, &[same, "program: changes, script: changes.sh"]);
    host.run(&["apply", "--yes"]).ended(0);
    wants(&host, &[same, "program: changes, script: changes.sh, stopwaitsecs: 7"]);
    host.run(&["apply", "--yes", "--restart"]).ended(0);
    assert_eq!((host.starts("a.com-same").len(), host.starts("a.com-changes").len()), (4, 2));
}

#[test]
fn separate_instances_scale_without_a_restart() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let program =
        |number: u32| format!("program: w, script: w.sh, instances: separate, numprocs: {number}");
    wants(&host, &[&program(2)]);
    host.run(&["apply", "--yes"]).ended(0);
    let first = host.wait_running(&["a.com-w_00:a.com-w_00", "a.com-w_01:a.com-w_01"]);
    wants(&host, &[&program(3)]);
    host.run(&["apply", "--yes"]).ended(0);
    let all = host.wait_running(&[
        "a.com-w_00:a.com-w_00",
        "a.com-w_01:a.com-w_01",
        "a.com-w_02:a.com-w_02",
    ]);
    assert_eq!(all[..2], first);
    wants(&host, &[&program(1)]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(host.groups(), ["a.com-w_00"]);
    assert_eq!(host.wait_running(&["a.com-w_00:a.com-w_00"]), first[..1]);
    assert_eq!(host.starts("a.com-w").len(), 3);
}

/// DeployerPHP's own keys are passed over, and what the inventory does not manage is left alone.
#[test]
fn site_without_supervisors_is_left_alone() {
    let host = or_skip!(applied_host());
    host.inventory("  - {domain: a.com, server: here, phpVersion: \"8.4\", crons: []}\n");
    let run = host.run(&["apply", "--yes"]);
    assert_ne!(run.status, 0, "nothing is selected: {run:?}");
    assert_eq!(host.groups(), ["a.com-w"]);
    wants(&host, &[]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(host.groups(), [""; 0]);
    assert_eq!(host.file_names(), [""; 0]);
}
