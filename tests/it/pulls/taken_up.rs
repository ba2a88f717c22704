//! What was published is taken up, once.

use super::{IDENTITY, Pulling, WORKER};
use crate::hints::Hint;

#[test]
fn published_inventory_is_taken_up() {
    let pulling = or_skip!(Pulling::start());
    let host = &pulling.host;
    pulling.pull(&[]).ended(1).complains("nothing has been published to");
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&["-m", "the first"]).ended(0).says("Published serial 1");
    pulling.pull(&["--dry-run"]).ended(0).says("start: new, w.sh");
    assert_eq!(host.groups(), [""; 0]);
    pulling.pull(&[]).ended(0).says("As bundle 1 has it");
    let pids = host.wait_running(&["a.com-w:a.com-w"]);
    host.run(&["history"]).ended(0).says(IDENTITY).says("bundle 1: the first");

    pulling.changes_nothing(|| pulling.pull(&[]).ended(0).says("As bundle 1 has it"));
    let silent = pulling.pull(&["--by-timer"]).ended(0);
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
    assert_eq!(host.wait_running(&["a.com-w:a.com-w"]), pids);

    pulling.wants(&[("a.com", &[WORKER]), ("b.com", &["program: w, script: w.sh, numprocs: 2"])]);
    pulling.publish(&[]).ended(0).says("Published serial 2");
    let told = pulling.pull(&["--by-timer"]).ended(0).says("b.com");
    assert!(told.stdout.contains("As bundle 2 has it"), "{}", told.stdout);
    host.wait_running(&["b.com-w:b.com-w_00", "b.com-w:b.com-w_01"]);
    assert_eq!(host.wait_running(&["a.com-w:a.com-w"]), pids, "it has not changed");
    assert_eq!(host.starts("a.com-w").len(), 1);
}

/// What somebody edits or stops on the host is put right by the next pull, though nothing new was published.
#[test]
fn edited_file_is_put_right() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    let conf = pulling.host.conf("a.com-w");
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, text.replace("numprocs=1", "numprocs=3")).unwrap();
    pulling.pull(&["--by-timer"]).ended(0).says("numprocs 3 -> 1");
    assert_eq!(std::fs::read_to_string(&conf).unwrap(), text);
}

#[test]
fn site_that_left_is_removed_unless_told_otherwise() {
    let pulling = or_skip!(Pulling::start());
    let both: &[(&str, &[&str])] = &[("a.com", &[WORKER]), ("b.com", &[WORKER])];
    pulling.wants(both);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    pulling.wants_with("pull: {prune: false}", &both[..1]);
    pulling.publish(&[]).ended(0);
    pulling.changes_nothing(|| pulling.pull(&[]).ended(0));
    pulling.wants(&both[..1]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0).says("b.com");
    assert_eq!(pulling.host.groups(), ["a.com-w"]);
}

/// Sites of another inventory on the same host are nobody's business.
#[test]
fn other_sites_of_host_stay() {
    let pulling = or_skip!(Pulling::start());
    let host = &pulling.host;
    pulling.wants(&[("b.com", &[WORKER])]);
    host.run(&["apply", "--yes"]).ended(0);
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    assert_eq!(host.groups(), ["a.com-w", "b.com-w"]);
}

#[test]
fn pull_that_is_under_way_keeps_others_out() {
    let pulling = or_skip!(Pulling::start());
    pulling.host.deployed("a.com").drainer("w");
    pulling.wants(&[("a.com", &["program: w, script: w.sh, stopwaitsecs: 60"])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    pulling.host.wait_starts("a.com-w", 1);
    pulling.wants(&[("a.com", &["program: w, script: w.sh, stopwaitsecs: 61"])]);
    pulling.publish(&[]).ended(0);
    let config = pulling.path("pull.yml").display().to_string();
    let first = pulling.host.command(&["pull", "--config", &config]).spawn();
    pulling
        .host
        .daemon
        .wait_for_state("a.com-w:a.com-w", supervisor_sync::supervisord::ProcessState::Stopping);
    pulling.pull(&[]).ended(7).complains("another pull is under way");
    pulling.host.open_gate();
    first.wait().ended(0);
}

/// On the host nobody has an inventory: what was pulled stands for one.
#[test]
fn pulled_bundle_stands_for_inventory() {
    let pulling = or_skip!(Pulling::start());
    let host = &pulling.host;
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    let config = pulling.path("pull.yml").display().to_string();
    let run = |verb: &[&str]| host.run(&[verb, &["--inventory", &config]].concat());
    let said = run(&["status"]).ended(1).complains("nothing was pulled from").stderr;
    host.follow(&said, Hint("pull: supervisor-sync pull --config {}")).ended(0);
    run(&["status"]).ended(0).says("w  RUNNING");
    run(&["history"]).ended(0).says(IDENTITY);
    run(&["restart", "w"]).ended(0);
    run(&["plan", "--exit-code"]).ended(0);
    run(&["set", "a.com", "w", "numprocs=2"]).ended(1);
}
