//! `start` and `stop` on a real supervisord.

#![expect(clippy::disallowed_methods, reason = "edits files by hand, as people do")]

use supervisor_sync::supervisord::ProcessState;

use crate::daemon::{PATIENCE, wait_until};
use crate::site::Host;

fn programs(lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| format!("      - {{{line}}}\n"));
    let site = "  - domain: a.com\n    server: here\n    supervisors:\n";
    format!("{site}{}", lines.collect::<String>())
}

#[test]
fn stopped_stays_down_until_started() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("one");
    site.worker("two");
    let both = ["program: one, script: one.sh", "program: two, script: two.sh, numprocs: 2"];
    host.inventory(&programs(&both));
    host.run(&["apply", "--yes"]).ended(0);
    let one = host.wait_running(&["a.com-one:a.com-one"]);

    host.run(&["stop", "--program", "two"])
        .ended(0)
        .says("What is stopped counts as stopped by hand: an apply leaves it so")
        .complains("a.com-two:a.com-two_01: stopped");
    for name in ["a.com-two:a.com-two_00", "a.com-two:a.com-two_01"] {
        assert_eq!(host.process(name).unwrap().state, ProcessState::Stopped);
    }
    host.run(&["stop", "--program", "two"]).ended(0).says("nothing to do");
    host.inventory(&programs(&[both[0], &format!("{}, stopwaitsecs: 7", both[1])]));
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(host.process("a.com-two:a.com-two_00").unwrap().state, ProcessState::Stopped);
    host.run(&["status", "--deep"])
        .ended(3)
        .says("a.com-two has a file that is newer than what runs");

    // Its start takes the change up.
    host.run(&["start", "--yes"]).ended(0).complains("a.com-two:a.com-two_01: healthy");
    host.run(&["status"]).ended(0);
    host.run(&["start", "--yes"]).ended(0).says("nothing to do");
    assert_eq!(host.wait_running(&["a.com-one:a.com-one"]), one, "it was restarted");
}

#[test]
fn partial_start_leaves_others_running() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    let program = "program: w, script: w.sh, numprocs: 3";
    host.inventory(&programs(&[program]));
    host.run(&["apply", "--yes"]).ended(0);
    let others = ["a.com-w:a.com-w_00", "a.com-w:a.com-w_02"];
    let pids = host.wait_running(&others);
    host.stop_by_hand("a.com-w:a.com-w_01");
    // A newer file does not restart what runs.
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    host.daemon.write_conf("a.com-w", &text.replace("stopwaitsecs=3600", "stopwaitsecs=60"));
    host.run(&["start", "--yes"]).ended(0).complains("warning: a.com-w has a newer file");
    assert_eq!(host.wait_running(&others), pids);
    host.wait_running(&["a.com-w:a.com-w_01"]);
}

/// A start is of what the files say, whatever the inventory says by now.
#[test]
fn start_uses_files_not_inventory() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    let program = "program: w, script: w.sh";
    host.inventory(&programs(&[program]));
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["stop", "--yes"]).ended(0);
    host.inventory(&programs(&[&format!("{program}, numprocs: 3")]));
    host.run(&["start", "--yes"]).ended(0).complains("a.com-w: healthy");

    // A newer file with the number it had, and one that somebody has edited to another number.
    host.run(&["stop", "--yes"]).ended(0);
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    host.daemon.write_conf("a.com-w", &text.replace("stopwaitsecs=3600", "stopwaitsecs=60"));
    host.run(&["start", "--yes"]).ended(0).complains("a.com-w: healthy");
    let two = "numprocs=2\nprocess_name=%(program_name)s_%(process_num)02d";
    host.daemon.write_conf("a.com-w", &text.replace("numprocs=1", two));
    host.run(&["restart", "--yes"]).ended(0).complains("a.com-w:a.com-w_01: healthy");
    host.run(&["stop", "--yes"]).ended(0);
    let four = two.replace('2', "4").replace("04d", "02d");
    host.daemon.write_conf("a.com-w", &text.replace("numprocs=1", &four));
    host.run(&["start", "--yes"]).ended(0).complains("a.com-w:a.com-w_03: healthy");
}

/// All stop at the same time, and meanwhile nobody else may act.
#[test]
fn programs_stop_at_same_time() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    let names = ["one", "two", "three"];
    names.iter().for_each(|name| site.drainer(name));
    let lines = names.map(|name| format!("program: {name}, script: {name}.sh, stopasgroup: true"));
    host.inventory(&programs(&lines.iter().map(String::as_str).collect::<Vec<_>>()));
    host.run(&["apply", "--yes"]).ended(0);
    names.iter().for_each(|name| host.wait_starts(&format!("a.com-{name}"), 1));
    let stop = host.command(&["stop", "--yes"]).spawn();
    for name in names {
        host.daemon.wait_for_state(&format!("a.com-{name}:a.com-{name}"), ProcessState::Stopping);
    }
    host.run(&["start", "--yes"]).ended(7).complains("`stop` of user");
    wait_until(PATIENCE, "it says what it waits for", || {
        stop.stderr().contains("Waiting for a.com-one, a.com-three, a.com-two to stop")
    });
    host.open_gate();
    stop.wait().ended(0);
}

#[test]
fn unhealthy_start_says_why() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.crasher("bad");
    site.worker("good");
    let good = "program: good, script: good.sh";
    host.inventory(&programs(&[
        "program: bad, script: bad.sh, startretries: 0, autostart: false",
        good,
    ]));
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["stop", "--program", "good"]).ended(0);
    let run = host.run(&["start", "--yes"]).ended(5);
    assert!(run.stderr.contains("a.com-bad not healthy"), "{}", run.stderr);
    assert!(run.stderr.contains("| bad has no database"), "{}", run.stderr);
    assert!(run.stderr.contains("a.com-good: healthy"), "{}", run.stderr);

    host.inventory(&programs(&[good, "program: new, script: good.sh"]));
    host.run(&["start", "--program", "new"])
        .ended(1)
        .complains("a.com-new is not known to supervisord: it was not applied yet")
        .complains("supervisor-sync apply --site a.com");
    host.run(&["stop", "--program", "nosuch"]).ended(1).complains("no program `nosuch`");
}

/// What keeps exiting is stopped all the same, whether or not it runs at that moment.
#[test]
fn exiting_program_can_be_stopped() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.script("loop.sh", "#!/bin/sh\nsleep 0.1\nexit 1\n");
    host.inventory(&programs(&["program: loop, script: loop.sh, startsecs: 0"]));
    host.run(&["apply", "--yes", "--no-verify"]).ended(0);
    for _ in 0..5 {
        host.daemon.wait_for_state("a.com-loop:a.com-loop", ProcessState::Running);
        host.run(&["stop", "--yes"]).ended(0);
        assert_eq!(host.process("a.com-loop:a.com-loop").unwrap().state, ProcessState::Stopped);
        host.run(&["start", "--yes", "--no-verify"]).ended(0);
    }
}
