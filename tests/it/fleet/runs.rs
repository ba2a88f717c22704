//! A run is one over all hosts, and is taken back on those that it changed.

use super::{Fleet, site_on};
use crate::daemon::{PATIENCE, wait_until};

#[test]
fn rollback_skips_unchanged_host() {
    let fleet = or_skip!(Fleet::start(&["web1", "web2"]));
    let seconds = |name: &str| {
        let machine = fleet.machine(name);
        let text = std::fs::read_to_string(machine.host.conf(&machine.full())).unwrap();
        text.lines().find(|line| line.starts_with("stopwaitsecs=")).unwrap().to_owned()
    };
    fleet.write_inventory("");
    fleet.run(&["apply", "--yes", "-m", "first"]).ended(0);
    fleet.write_inventory(", stopwaitsecs: 6");
    fleet.run(&["apply", "--yes", "-m", "second"]).ended(0);
    fleet.write_inventory(", stopwaitsecs: 7");
    fleet.run(&["apply", "--yes", "--on", "web1", "-m", "third"]).ended(0);

    let run = fleet.run(&["rollback", "--yes"]).ended(0);
    assert!(run.stdout.lines().next().unwrap().ends_with(": third"), "{}", run.stdout);
    let run = run.says("  web1  web1.example: to revision 2\n");
    let run = run.says("  web2  web2.example: not changed by it, left\n");
    assert!(!run.stderr.contains("web2"), "{}", run.stderr);
    assert_eq!((seconds("web1"), seconds("web2")).0, "stopwaitsecs=6");
    assert_eq!(seconds("web2"), "stopwaitsecs=6");

    // The run before it changed both, under one id.
    let run = fleet.run(&["rollback", "--yes"]).ended(0);
    assert!(run.stdout.lines().next().unwrap().ends_with(": second"), "{}", run.stdout);
    run.says("  web1  web1.example: to revision 1\n").says("  web2  web2.example: to revision 1\n");
    assert_eq!((seconds("web1"), seconds("web2")).1, "stopwaitsecs=3600");
    assert_eq!(seconds("web1"), "stopwaitsecs=3600");
}

/// A host that does not answer is told, and taken back when it does.
#[test]
fn unanswering_host_is_rolled_back_later() {
    let mut fleet = or_skip!(Fleet::start(&["web1", "web2"]));
    fleet.write_inventory("");
    fleet.run(&["apply", "--yes"]).ended(0);
    fleet.write_inventory(", stopwaitsecs: 6");
    fleet.run(&["apply", "--yes", "-m", "second"]).ended(0);
    let port = std::mem::replace(&mut fleet.machines[1].sshd.port, crate::sshd::free_port());
    fleet.write_inventory(", stopwaitsecs: 6");
    let run = fleet.run(&["rollback", "--yes"]).ended(6).says("web1.example: to revision 1\n");
    assert!(run.stderr.contains("web2: error: "), "{}", run.stderr);
    fleet.machines[1].sshd.port = port;
    fleet.write_inventory(", stopwaitsecs: 6");
    let run = fleet.run(&["rollback", "--yes"]).ended(0);
    assert!(run.stdout.lines().next().unwrap().ends_with(": second"), "{}", run.stdout);
    run.says("  web1  web1.example: taken back already by run ")
        .says("  web2  web2.example: to revision 1\n");
}

#[test]
fn done_site_is_told_at_once() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    let web1 = fleet.machine("web1");
    web1.site().drainer("worker");
    web1.host.deploy("quick.com").worker("worker");
    let write = |options: &str| {
        fleet.write_inventory_with(&site_on(web1, "quick.com", options), options);
    };
    write("");
    fleet.run(&["apply", "--yes"]).ended(0);
    web1.host.wait_starts(&web1.full(), 1);
    write(", stopwaitsecs: 600");
    let run = fleet.command(&["apply", "--yes"]).spawn();
    wait_until(PATIENCE, "the quick one is told of", || {
        run.stdout().contains("Site quick.com: applied as revision 2\n")
    });
    assert!(!run.stdout().contains("Site web1.example: "), "{}", run.stdout());
    web1.host.open_gate();
    let run = run.wait().ended(0).says("Site web1.example: applied as revision 2\n");
    assert_eq!(run.stdout.matches("quick.com: applied").count(), 1, "{}", run.stdout);
}
