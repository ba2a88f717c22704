//! Promise: who types another tool's verb is led on, and flags mean the same in every verb.

use super::{applied_host, wants};
use crate::site::Host;

#[test]
fn verbs_of_other_tools_lead_on() {
    let host = or_skip!(applied_host());
    for (typed, ours) in [
        (&["ps"][..], &["status"][..]),
        (&["list"], &["status"]),
        (&["diff"], &["plan"]),
        (&["validate"], &["check"]),
        (&["tail", "w"], &["logs", "w"]),
        (&["version"], &["--version"]),
    ] {
        let (typed, ours) = (host.run(typed).ended(0), host.run(ours).ended(0));
        // Uptimes go on.
        let words = |text: &str| text.split_whitespace().next().map(str::to_owned);
        assert_eq!(words(&typed.stdout), words(&ours.stdout));
    }
    for (typed, hint) in [
        ("deploy", "hint: make the servers match the inventory: supervisor-sync apply\n"),
        ("up", "supervisor-sync start\n"),
        (
            "doctor",
            "hint: the inventory: supervisor-sync check; what a server lacks: supervisor-sync setup\n",
        ),
        ("down", "hint: supervisor-sync stop\n"),
    ] {
        let run = host.run(&[typed, "--site", "a.com"]).ended(2);
        run.complains(&format!("error: there is no verb `{typed}`: "));
        host.run(&[typed]).ended(2).complains(hint);
    }
    host.run(&["stauts"]).ended(2).complains("status");
}

#[test]
fn quiet_and_verbose_say_less_and_more() {
    let host = or_skip!(applied_host());
    let usual = host.run(&["restart", "w"]).ended(0).complains("a.com-w: started");
    assert!(!usual.stderr.contains("a.com-w: stopping"), "{}", usual.stderr);
    host.run(&["restart", "w", "-v"]).ended(0).complains("→ a.com-w: stopping");
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 9"]);
    let verbose = host.run(&["apply", "--yes", "--verbose"]).ended(0);
    verbose.complains("noting what is about to change").complains("recording what was done");
}

/// As of git, cargo and apt: what succeeds says nothing, what fails does, and what is asked for is shown.
#[test]
fn quiet_success_says_nothing() {
    let host = or_skip!(applied_host());
    let silent = |arguments: &[&str]| {
        let run = host.run(arguments).ended(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "{arguments:?}");
    };
    silent(&["restart", "w", "-q"]);
    silent(&["apply", "-q", "--yes"]);
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 9"]);
    host.run(&["plan", "-q"]).ended(0).says("restart: stopwaitsecs 3600 -> 9");
    silent(&["apply", "-q", "--yes"]);
    silent(&["set", "a.com", "w", "stopwaitsecs=8", "--yes", "-q"]);
    silent(&["set", "a.com", "w", "stopwaitsecs=7", "--inventory-only", "-q"]);
    silent(&["apply", "--yes", "--quiet"]);
    silent(&["rollback", "--yes", "-q"]);
    silent(&["stop", "--yes", "-q"]);
    silent(&["start", "--yes", "-q"]);
    // What is to be agreed to is shown, and what is wrong is said.
    let asked = host.run(&["rollback", "-q"]).ended(2);
    assert!(asked.stdout.contains("restart: "), "{}", asked.stdout);
    host.run(&["restart", "nosuch", "-q"]).ended(1).complains("there is no program");
    host.deployed("a.com").crasher("w");
    let failed = host.run(&["restart", "w", "-q"]).ended(5);
    failed.complains("w has no database").complains("error: ").says("Site a.com: failed");
    // As of a missing script, which is passed over here.
    wants(&host, &["program: w, script: none.sh"]);
    let run =
        host.run(&["apply", "--yes", "-q", "--allow", "missing-code", "--no-verify"]).ended(0);
    assert_eq!(run.stdout, "");
}

#[test]
fn batches_are_of_hosts_in_every_verb() {
    let host = or_skip!(Host::start());
    for verb in ["apply", "start", "stop", "restart", "rollback"] {
        let help = host.run(&[verb, "--help"]).ended(0).stdout;
        assert!(help.contains("--batch <N|P%>") && help.contains("Examples:"), "{help}");
        for heading in ["Selection:", "Fleet:", "Global options:"] {
            assert!(help.contains(heading), "{verb}: {heading}");
        }
    }
    host.run(&["restart", "--at-a-time", "2"]).ended(2).complains("--rolling");
}
