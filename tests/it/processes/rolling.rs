//! One after the other: never fewer up than promised, and the first that fails stops the rest.

use std::collections::BTreeSet;

use super::{
    Event, IDLE, applied, host_with, noted, on_term, pids, script, starts, times, wait_noted, wants,
};
use crate::site::{Host, Run};

const FOUR: [(&str, usize); 4] = [("w_00", 1), ("w_01", 1), ("w_02", 1), ("w_03", 1)];

fn twice(number: usize) -> Vec<(&'static str, usize)> {
    FOUR.iter().enumerate().map(|(at, (name, _))| (*name, 1 + usize::from(at < number))).collect()
}

fn program(more: &str) -> String {
    format!("program: w, script: w.sh, numprocs: 4{more}")
}

fn host_of_four(more: &str) -> Option<Host> {
    let host = host_with(&["w"])?;
    applied(&host, &[&program(more)], &FOUR);
    Some(host)
}

/// The fewest processes that were up since `from`, of those that were up then.
fn fewest_up(host: &Host, from: usize) -> usize {
    let all = noted(host);
    let mut up: BTreeSet<i64> = BTreeSet::new();
    let mut fewest = usize::MAX;
    for (at, one) in all.iter().enumerate() {
        match one.event {
            Event::Start => up.insert(one.pid),
            Event::Term | Event::End => up.remove(&one.pid),
        };
        if at + 1 >= from {
            fewest = fewest.min(up.len());
        }
    }
    fewest
}

#[test]
fn rolling_restart_leaves_others_up() {
    for (arguments, fewest) in [
        (&["restart", "-y", "--rolling"][..], 3),
        (&["restart", "-y", "--rolling", "--at-a-time", "2"], 2),
    ] {
        for how in ["together", "separate"] {
            let host = or_skip!(host_of_four(&format!(", instances: {how}")));
            let run = host.run(arguments).ended(0);
            wait_noted(&host, &twice(4));
            assert_eq!(fewest_up(&host, 4), fewest, "{how} {:?}", noted(&host));
            // Each batch is healthy before the next one is begun with.
            let healthy = run.stderr.match_indices(": healthy").count();
            let watched = run.stderr.match_indices("→ Watching what was started").count();
            assert_eq!((healthy, watched), (4, 4 / (4 - fewest)), "{}", run.stderr);
        }
    }
}

/// Workers that cannot start any more after the second has restarted.
fn fails_from_the_third_on(host: &Host) {
    let count = host.path("begun").display().to_string();
    let check =
        format!("echo >> {count}; [ $(wc -l < {count}) -le 2 ] || {{ echo full; exit 1; }}");
    script(host, "w", &format!("{check}\n{} {IDLE}", on_term("")));
}

#[track_caller]
fn assert_stopped_at_the_third(
    host: &Host,
    run: &Run,
    before: &std::collections::BTreeMap<String, i64>,
) {
    assert_eq!(starts(host), times(&twice(2)));
    assert_eq!(pids(host).get("w_03"), Some(&before["w_03"]), "it was not reached");
    assert!(run.stderr.contains("    | full\n"), "{}", run.stderr);
    assert!(!run.stderr.contains("a.com-w_03 is"), "{}", run.stderr);
}

#[test]
fn unhealthy_process_stops_rolling() {
    for (how, left) in [("together", "a.com-w:a.com-w_03"), ("separate", "a.com-w_03")] {
        let host = or_skip!(host_of_four(&format!(", startsecs: 1, instances: {how}")));
        let before = pids(&host);
        fails_from_the_third_on(&host);
        let run = host.run(&["restart", "--yes", "--rolling"]).ended(5);
        assert_stopped_at_the_third(&host, &run, &before);
        let told = format!("not restarted, still as before: {left}");
        assert!(run.stderr.contains(&told), "{told}: {}", run.stderr);
    }
}

#[test]
fn changes_roll_group_by_group() {
    let rolling = ", startsecs: 1, instances: separate, restart: rolling";
    let host = or_skip!(host_of_four(rolling));
    wants(&host, &[&program(&format!("{rolling}, priority: 7"))]);
    host.run(&["plan"]).ended(0).says("~ w_02  restart: priority 999 -> 7 (one at a time, ");
    host.run(&["apply", "--yes"]).ended(0);
    wait_noted(&host, &twice(4));
    assert_eq!(fewest_up(&host, 4), 3);
    // One that fails has it all put back; the one that was not reached is left alone.
    let before = pids(&host);
    fails_from_the_third_on(&host);
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    wants(&host, &[&program(&format!("{rolling}, priority: 8"))]);
    let run = host.run(&["apply", "--yes"]);
    assert!([4, 5].contains(&run.status), "{run:?}");
    assert_eq!(pids(&host).get("w_03"), Some(&before["w_03"]), "it was not reached");
    assert!(run.stderr.contains("not restarted, still as before: a.com-w_03"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(host.conf("a.com-w")).unwrap(), text);
}

/// One group of several that changes cannot roll, and the plan says so.
#[test]
fn single_group_cannot_roll() {
    let host = or_skip!(host_of_four(", restart: rolling"));
    wants(&host, &[&program(", restart: rolling, priority: 7")]);
    let plan = host.run(&["plan"]).ended(0).stdout;
    assert!(plan.contains("warning: a.com-w restarts all at once"), "{plan}");
    assert!(!plan.contains("at a time, up to"), "{plan}");
    host.run(&["apply", "--yes"]).ended(0).says("a.com-w restarts all at once");
    wait_noted(&host, &twice(4));
    assert_eq!(fewest_up(&host, 4), 0, "all at once");
    // An unchanged one can, and is not warned about.
    let run = host.run(&["apply", "--yes", "--restart"]).ended(0);
    assert!(!run.stdout.contains("all at once"), "{}", run.stdout);
    wait_noted(&host, &FOUR.map(|(name, _)| (name, 3)));
    assert_eq!(fewest_up(&host, noted(&host).len() - 8), 3);
}
