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
    let quiet = host.run(&["restart", "w", "-q"]).ended(0);
    // What is done is a result: the plan, and how it ended.
    assert!(quiet.stdout.ends_with("Site a.com: done\n"), "{}", quiet.stdout);
    assert_eq!(quiet.stderr, "");
    let usual = host.run(&["restart", "w"]).ended(0).complains("a.com-w: started");
    assert!(!usual.stderr.contains("a.com-w: stopping"), "{}", usual.stderr);
    host.run(&["restart", "w", "-v"]).ended(0).complains("→ a.com-w: stopping");
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 9"]);
    let verbose = host.run(&["apply", "--yes", "--verbose"]).ended(0);
    verbose.complains("noting what is about to change").complains("recording what was done");
    // What is wrong is said in any case.
    host.run(&["restart", "nosuch", "-q"]).ended(1).complains("there is no program");
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
