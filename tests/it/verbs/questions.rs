//! Promise: what touches more than somebody named is asked about before, in words that say how much it is.

use super::asked::{answer, asked_on_terminal};
use super::{document, site, wants};
use crate::site::Host;

/// A host with two sites of two programs each, all applied.
fn two_sites() -> Option<Host> {
    let host = Host::start()?;
    let programs =
        ["program: mail, script: mail.sh", "program: queue, script: queue.sh, numprocs: 2"];
    for domain in ["a.com", "b.com"] {
        let deployed = host.deploy(domain);
        ["mail", "queue"].iter().for_each(|name| deployed.worker(name));
    }
    host.inventory_with(super::IMPATIENT, &(site("a.com", &programs) + &site("b.com", &programs)));
    host.run(&["apply", "--yes"]).ended(0);
    Some(host)
}

#[test]
fn verbs_refuse_without_yes_or_terminal() {
    let host = or_skip!(two_sites());
    let before = host.snapshot();
    for (verb, again) in [
        ("stop", "supervisor-sync stop --site a.com --yes"),
        ("restart", "supervisor-sync restart --site a.com --yes"),
    ] {
        host.run(&[verb, "--site", "a.com"])
            .ended(2)
            .says(&format!("queue  {verb}"))
            .complains("not done: there is no terminal to ask on")
            .complains(&format!("look at the plan, then say so: {again}\n"));
    }
    host.run(&["rollback", "--site", "a.com"]).ended(1).complains("no revision before");
    host.run(&["release", "a.com"]).ended(2).complains("supervisor-sync release a.com --yes");
    before.assert_same(&host.snapshot());
    host.run(&["stop", "--yes"]).ended(0);
    host.run(&["start"]).ended(2).complains("supervisor-sync start --yes");
}

#[test]
fn question_says_how_much_is_meant() {
    let host = or_skip!(two_sites());
    let before = host.snapshot();
    for (arguments, question) in [
        ("stop", "Stop 4 programs of 2 sites on here? [y/N] "),
        ("restart --site b.com", "Restart 2 programs of b.com on here? [y/N] "),
    ] {
        let (running, keyboard) = or_skip!(asked_on_terminal(&host, arguments, question));
        answer(running, keyboard, "n\n").ended(1);
    }
    before.assert_same(&host.snapshot());
    let question = "Stop 4 programs of 2 sites on here? [y/N] ";
    let (running, keyboard) = or_skip!(asked_on_terminal(&host, "stop", question));
    let run = answer(running, keyboard, "y\n").ended(0);
    assert!(run.stdout.contains("Start it again: supervisor-sync start\r\n"), "{}", run.stdout);
    // What is left to be done is what is counted.
    host.run(&["start", "--program", "mail", "--site", "a.com"]).ended(0);
    let question = "Start 3 programs of 2 sites on here? [y/N] ";
    let (running, keyboard) = or_skip!(asked_on_terminal(&host, "start", question));
    answer(running, keyboard, "y\n").ended(0);
    // Of a program of which only some is meant, that is.
    host.stop_by_hand("a.com-mail:a.com-mail");
    host.stop_by_hand("a.com-queue:a.com-queue_01");
    let question = "Stop 1 process of a.com on here? [y/N] ";
    let (running, keyboard) = or_skip!(asked_on_terminal(&host, "stop --site a.com", question));
    let run = answer(running, keyboard, "y\n").ended(0);
    assert!(run.stdout.contains("stop: as asked (1 of 2 processes, "), "{}", run.stdout);
}

#[test]
fn chosen_program_is_not_asked_about() {
    let host = or_skip!(two_sites());
    host.run(&["restart", "--program", "queue"]).ended(0);
    let run = host.run(&["stop", "--program", "queue", "--site", "a.com"]).ended(0);
    run.says("Start it again: supervisor-sync start --program queue --site a.com\n");
    host.run(&["start", "--program", "queue", "--site", "a.com"]).ended(0);
}

#[test]
fn dry_run_shows_the_plan_and_does_nothing() {
    let host = or_skip!(two_sites());
    wants(&host, &["program: mail, script: mail.sh, stopwaitsecs: 9"]);
    host.run(&["apply", "--yes", "--site", "a.com"]).ended(0);
    wants(&host, &["program: mail, script: mail.sh, stopwaitsecs: 8"]);
    let before = host.snapshot();
    let planned = host.run(&["plan"]).ended(0);
    for arguments in [&["apply", "--dry-run"][..], &["apply", "-n", "--yes"]] {
        assert_eq!(host.run(arguments).ended(0).stdout, planned.stdout, "{arguments:?}");
    }
    for (arguments, says) in [
        (&["restart", "-n"][..], "mail  restart"),
        (&["stop", "--dry-run"], "mail  stop"),
        (&["start", "-n"], "nothing to do"),
        (&["rollback", "-n"], "stopwaitsecs"),
        (&["release", "a.com", "-n"], "a.com"),
        (&["scale", "a.com", "mail", "3", "-n"], "numprocs"),
    ] {
        let run = host.run(arguments).ended(0).says(says);
        let tells_of_others = run.stdout.contains("in no inventory");
        assert!(!tells_of_others, "{}", run.stdout);
        before.assert_same(&host.snapshot());
    }
    let stop = document(&host.run(&["stop", "-n", "--json"]).ended(0), "plan");
    assert_eq!(stop["sites"][0]["plan"]["groups"][0]["do"], "stop", "{stop}");
    before.assert_same(&host.snapshot());
}
