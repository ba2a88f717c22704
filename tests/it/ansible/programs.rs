//! The module `programs`: what becomes of the programs that it names, and of all others.

use super::{Controller, programs, worker};
use crate::site::Host;

const BOTH: [&str; 2] = ["a.com-one:a.com-one", "a.com-two:a.com-two"];

fn both() -> String {
    programs(&[&worker("one", ""), &worker("two", "")], "")
}

/// With `one` and `two` of `a.com` applied, and a program of somebody else's under the same supervisord.
fn with_both() -> Option<(Controller, Vec<i64>)> {
    let controller = Controller::start(&["web1"])?;
    let host = controller.host();
    host.daemon.write_conf("theirs", "[program:theirs]\ncommand=/bin/sleep 1000\n");
    assert!(host.daemon.supervisorctl(&["update"]).status.success());
    controller.play(&both(), &[]).ended(0);
    let mut names = BOTH.to_vec();
    names.push("theirs:theirs");
    let pids = host.wait_running(&names);
    Some((controller, pids))
}

fn pids(host: &Host) -> Vec<i64> {
    ["a.com-one:a.com-one", "a.com-two:a.com-two", "theirs:theirs"]
        .iter()
        .map(|name| host.process(name).map_or(0, |process| process.pid))
        .collect()
}

/// What differs of the pids of `one`, `two` and somebody else's.
fn differs(before: &[i64], after: &[i64]) -> Vec<bool> {
    before.iter().zip(after).map(|(before, after)| before != after).collect()
}

#[test]
fn first_run_applies_and_second_changes_nothing() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let first = controller.play(&both(), &[]).ended(0);
    assert_eq!(first.came_to(), ("applied", true));
    let result = first.result();
    assert_eq!(result["revisions"]["a.com"], 1);
    assert_eq!(result["plan"][0]["groups"].as_array().unwrap().len(), 2);
    let host = controller.host();
    host.wait_running(&BOTH);
    let run = result["run"].as_str().unwrap();
    host.inventory("  - {domain: a.com, server: here, supervisors: []}");
    let history = host.run(&["history"]).ended(0);
    assert!(history.stdout.contains(run) && history.stdout.contains("Ansible: "), "{history:?}");

    let before = host.snapshot();
    let second = controller.play(&both(), &[]).ended(0);
    assert_eq!(second.came_to(), ("unchanged", false));
    assert!(second.output.contains("changed=0"), "{}", second.output);
    assert_eq!(second.result().get("run"), None);
    before.assert_same(&host.snapshot());
}

#[test]
fn check_mode_shows_plan_and_changes_nothing() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let host = controller.host();
    let before = host.snapshot();
    let play = controller.play(&both(), &["--check", "--diff"]).ended(0);
    assert_eq!(play.came_to(), ("applied", true));
    before.assert_same(&host.snapshot());
    for shown in ["  + a.com-one  start: new", "+[program:a.com-two]", "create /"] {
        assert!(play.output.contains(shown), "no {shown:?} in {}", play.output);
    }
    // The same plan when it is done, and none without `--diff`.
    let done = controller.play(&both(), &["--diff"]).ended(0);
    assert_eq!(done.result()["diff"], play.result()["diff"]);
    let play = controller.play(&both(), &["--check"]).ended(0);
    assert_eq!(play.came_to(), ("unchanged", false));
    assert_eq!(play.result().get("diff"), None);
}

#[test]
fn only_what_changes_is_restarted() {
    let (controller, before) = or_skip!(with_both());
    let changed = programs(&[&worker("one", ", priority: 7"), &worker("two", "")], "");
    assert_eq!(controller.play(&changed, &[]).ended(0).came_to(), ("applied", true));
    controller.host().wait_running(&BOTH);
    assert_eq!(differs(&before, &pids(controller.host())), [true, false, false]);
    // A program that the task does not name stays as it is.
    let one = programs(&[&worker("one", "")], "");
    assert_eq!(controller.play(&one, &[]).ended(0).came_to(), ("applied", true));
    let host = controller.host();
    assert_eq!(host.groups(), ["a.com-one", "a.com-two", "theirs"]);
    assert_eq!(differs(&before, &pids(host)), [true, false, false]);
}

#[test]
fn absent_program_goes_alone() {
    let (controller, before) = or_skip!(with_both());
    let absent = programs(&["program: one"], "state: absent");
    let check = controller.play(&absent, &["--check"]).ended(0);
    assert_eq!(check.came_to(), ("applied", true));
    assert_eq!(controller.host().groups(), ["a.com-one", "a.com-two", "theirs"]);
    assert_eq!(controller.play(&absent, &[]).ended(0).came_to(), ("applied", true));
    let host = controller.host();
    assert_eq!(host.groups(), ["a.com-two", "theirs"]);
    assert!(!host.conf("a.com-one").exists() && !host.logrotate("a.com-one").exists());
    assert!(host.conf("a.com-two").exists() && host.logrotate("a.com-two").exists());
    assert_eq!(pids(host)[1..], before[1..]);
    assert_eq!(controller.play(&absent, &[]).ended(0).came_to(), ("unchanged", false));
}

#[test]
fn restart_is_of_named_programs_alone() {
    let (controller, before) = or_skip!(with_both());
    for more in ["state: restarted", "state: restarted\nrolling: 1"] {
        let before = pids(controller.host());
        let restarted = programs(&["program: one"], more);
        let check = controller.play(&restarted, &["--check"]).ended(0);
        assert_eq!(check.came_to(), ("applied", true));
        assert_eq!(pids(controller.host()), before);
        assert_eq!(controller.play(&restarted, &[]).ended(0).came_to(), ("applied", true));
        controller.host().wait_running(&BOTH);
        assert_eq!(differs(&before, &pids(controller.host())), [true, false, false]);
    }
    let text = std::fs::read_to_string(controller.host().conf("a.com-one")).unwrap();
    assert!(text.contains("one.sh"), "{text}");
    assert_eq!(before[1..], pids(controller.host())[1..]);
}

#[test]
fn stopped_stays_so_until_it_is_started() {
    let (controller, before) = or_skip!(with_both());
    let state = |state: &str| programs(&["program: one"], &format!("state: {state}"));
    let host = controller.host();
    for (wanted, outcome, is_up) in [
        ("stopped", ("applied", true), false),
        ("stopped", ("unchanged", false), false),
        ("started", ("applied", true), true),
        ("started", ("unchanged", false), true),
        ("stopped", ("applied", true), false),
    ] {
        assert_eq!(controller.play(&state(wanted), &[]).ended(0).came_to(), outcome, "{wanted}");
        assert_eq!(pids(host)[0] != 0, is_up, "{wanted}");
        assert_eq!(pids(host)[1..], before[1..], "{wanted}");
    }
    assert_eq!(controller.play(&both(), &[]).ended(0).came_to(), ("unchanged", false));
    let started = programs(&[&worker("one", "")], "start_stopped: true");
    assert_eq!(controller.play(&started, &[]).ended(0).came_to(), ("applied", true));
    host.wait_running(&BOTH);
}

/// What a template has made text: numbers, true and false are what they mean.
#[test]
fn templated_arguments_have_their_types() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let entry = "program: one, script: one.sh, numprocs: \"{{ n }}\", autostart: \"{{ never }}\", \
                 autorestart: \"{{ never }}\", logs: {rotate: \"2\"}, exitcodes: [0, \"{{ n }}\"]";
    let vars = "vars: {n: 2, never: false}\n";
    let task = programs(&[entry], "").replacen("- super", &format!("- {vars}  super"), 1);
    controller.play(&task, &[]).ended(0);
    let text = std::fs::read_to_string(controller.host().conf("a.com-one")).unwrap();
    for line in ["numprocs=2", "autostart=false", "autorestart=false", "exitcodes=0,2"] {
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    }
}

#[test]
fn group_of_programs_goes_by_its_name() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let entries = ["one", "two"].map(|name| worker(name, ", group: workers"));
    let task = programs(
        &entries.each_ref().map(String::as_str),
        "groups: [{group: workers, priority: 5}]",
    );
    controller.play(&task, &[]).ended(0);
    assert_eq!(controller.host().groups(), ["workers"]);
    assert_eq!(controller.play(&task, &[]).ended(0).came_to(), ("unchanged", false));
    let absent = programs(&["program: one, group: workers"], "state: absent");
    controller.play(&absent, &[]).ended(0);
    assert!(controller.host().groups().is_empty());
}
