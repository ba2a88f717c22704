//! `plan --out FILE` and `apply FILE`: what was looked at is what is done.

#![expect(clippy::disallowed_methods, reason = "tests")]

use super::{applied_host, wants};
use crate::site::Host;

/// A host with a plan in a file that scales the program of `a.com` to two processes.
fn host_with_plan() -> Option<(Host, String)> {
    let host = applied_host()?;
    wants(&host, &["program: w, script: w.sh, numprocs: 2"]);
    let file = host.path("plan.json").display().to_string();
    let run = host.run(&["plan", "--out", &file]).ended(0).says("restart: numprocs 1 -> 2");
    run.complains(&format!("supervisor-sync apply {file}\n"));
    Some((host, file))
}

#[test]
fn saved_plan_is_applied_unasked() {
    let (host, file) = or_skip!(host_with_plan());
    let run = host.run(&["apply", &file]).ended(0).says("restart: numprocs 1 -> 2");
    assert!(run.stdout.ends_with("Site a.com: applied as revision 2\n"), "{}", run.stdout);
    host.wait_running(&["a.com-w:a.com-w_00", "a.com-w:a.com-w_01"]);
    // Once: by now it would do nothing, which is another plan.
    host.run(&["apply", &file]).ended(1).complains("is not the one in");
}

#[test]
fn changed_host_or_inventory_refuses_saved_plan() {
    let (host, file) = or_skip!(host_with_plan());
    let refused = |why: &str| {
        let before = host.snapshot();
        let run = host.run(&["apply", &file]).ended(1).complains(why);
        let hint = format!("supervisor-sync plan --out {file}\n");
        run.complains("the inventory or the host has changed since").complains(&hint);
        before.assert_same(&host.snapshot());
    };
    let conf = host.conf("a.com-w");
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, text.replace("numprocs=1", "numprocs=1\npriority=7")).unwrap();
    refused("the plan of a.com is not the one in");
    std::fs::write(&conf, text).unwrap();
    wants(&host, &["program: w, script: w.sh, numprocs: 3"]);
    refused("the plan of a.com is not the one in");
    wants(&host, &["program: w, script: w.sh, numprocs: 2"]);
    host.run(&["apply", &file]).ended(0);
}

#[test]
fn other_file_is_no_plan() {
    let (host, file) = or_skip!(host_with_plan());
    for (text, why) in [
        ("servers: []\n", "is not a plan that was saved"),
        (r#"{"version": 9}"#, "it has version 9, known is 1"),
        (r#"{"version": 1}"#, "missing field"),
    ] {
        std::fs::write(&file, text).unwrap();
        host.run(&["apply", &file]).ended(1).complains(why).complains("supervisor-sync plan --out");
    }
    host.run(&["apply", "/nowhere/plan"]).ended(1).complains("cannot read /nowhere/plan");
    host.run(&["apply", "w"]).ended(1).complains("supervisor-sync apply --program w\n");
    host.run(&["apply", &file, "--site", "a.com"]).ended(2);
    host.run(&["plan", "--out", "/nowhere/plan"]).ended(1).complains("cannot write /nowhere/plan");
}
