//! The module `info`: what is on record and runs, and how a site is beside how it should be.

use super::{Controller, programs, worker};

fn info(entries: &[&str], more: &str) -> String {
    programs(entries, more).replace("core.programs", "core.info")
}

#[test]
fn record_and_processes_are_told() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let all = "- supervisor_sync.core.info:\n";
    let play = controller.play(all, &[]).ended(0);
    assert_eq!(play.result()["applied"], serde_json::json!({}));
    controller.play(&programs(&[&worker("one", ""), &worker("two", "")], ""), &[]).ended(0);
    let host = controller.host();
    host.wait_running(&["a.com-one:a.com-one", "a.com-two:a.com-two"]);
    host.stop_by_hand("a.com-two:a.com-two");
    let before = host.snapshot();
    let play = controller.play(all, &["--check"]).ended(0);
    before.assert_same(&host.snapshot());
    let result = play.result();
    assert_eq!((&result["changed"], &result["supervisord_up"]), (&false.into(), &true.into()));
    let site = &result["applied"]["a.com"];
    assert_eq!(site["revision"], 1);
    let counts = |program: &str| {
        let program = &site["programs"][program];
        ["wanted_processes", "healthy_processes", "drift"].map(|name| program[name].as_u64())
    };
    assert_eq!(counts("one"), [Some(1), Some(1), Some(0)]);
    assert_eq!(counts("two"), [Some(1), Some(0), Some(1)]);
    let processes = result["processes"].as_array().unwrap();
    let states: Vec<_> = processes.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["RUNNING", "STOPPED"]);
    let other = controller.play("- supervisor_sync.core.info: {domain: b.com}\n", &[]).ended(0);
    assert_eq!(other.result()["applied"], serde_json::json!({}));
}

#[test]
fn site_is_told_beside_how_it_should_be() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let (one, two) = (worker("one", ""), worker("two", ""));
    controller.play(&programs(&[&one], ""), &[]).ended(0);
    controller.host().wait_running(&["a.com-one:a.com-one"]);
    let play = controller.play(&info(&[&one], ""), &[]).ended(0);
    assert_eq!(play.result()["as_wanted"], true);
    assert_eq!(play.result()["sites"][0]["programs"][0]["program"], "one");
    let play = controller.play(&info(&[&one, &two], "deep: true"), &[]).ended(0);
    assert_eq!(play.result()["as_wanted"], false);
    let play = controller.play(&info(&["program: one"], ""), &[]).ended(2);
    assert!(play.result()["msg"].as_str().unwrap().contains("needs `script` or `command`"));
}
