//! The module `site` with what the task says: the programs that it has and no others.

use super::{Controller, programs, worker};

fn site(entries: &[&str], more: &str) -> String {
    programs(entries, more).replace("core.programs", "core.site")
}

#[test]
fn site_loses_what_it_does_not_have() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let host = controller.host();
    host.deploy("b.com").worker("one");
    let other = site(&[&worker("one", "")], "").replace("a.com", "b.com");
    controller.play(&other, &[]).ended(0);
    controller.play(&site(&[&worker("one", ""), &worker("two", "")], ""), &[]).ended(0);
    let pids = host.wait_running(&["a.com-one:a.com-one", "b.com-one:b.com-one"]);
    let play = controller.play(&site(&[&worker("one", "")], ""), &[]).ended(0);
    assert_eq!(play.came_to(), ("applied", true));
    assert_eq!(host.groups(), ["a.com-one", "b.com-one"]);
    assert_eq!(host.wait_running(&["a.com-one:a.com-one", "b.com-one:b.com-one"]), pids);
    let play = controller.play(&site(&[], ""), &[]).ended(0);
    assert_eq!(play.came_to(), ("applied", true));
    assert_eq!(host.groups(), ["b.com-one"]);
    assert_eq!(controller.play(&site(&[], ""), &[]).ended(0).came_to(), ("unchanged", false));
}

#[test]
fn settings_of_a_site_hold_for_its_programs() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let host = controller.host();
    std::fs::write(controller.path("one.env"), "# a comment\nexport A='b c'\nB=2\n").unwrap();
    let more = "defaults: {stopwaitsecs: 7, environment_file: one.env, environment: {B: 3}}\n\
                config_files: per-site\nformat: hardened\n";
    controller.play(&site(&[&worker("one", "")], more), &[]).ended(0);
    let text = std::fs::read_to_string(host.conf("a.com")).unwrap();
    for part in ["stopwaitsecs=7", "A='b c'", "B='3'"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

/// supervisor configs by hand: from files beside the playbook, and as text that a template has made.
#[test]
fn configs_by_hand_come_as_files_and_as_text() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let host = controller.host();
    let config = |name: &str| format!("[program:{name}]\ncommand=/bin/sleep 1000\n");
    std::fs::create_dir(controller.path("supervisor")).unwrap();
    std::fs::write(controller.path("supervisor/by-file.conf"), config("by-file")).unwrap();
    std::fs::write(controller.path("by-text.conf.j2"), config("{{ 'by-' ~ 'text' }}")).unwrap();
    let task = "- supervisor_sync.core.site:\n    domain: a.com\n    configs: [supervisor/*.conf]\n    \
                config_texts:\n      - name: by-text.conf\n        \
                text: \"{{ lookup('ansible.builtin.template', 'by-text.conf.j2') }}\"\n";
    assert_eq!(controller.play(task, &[]).ended(0).came_to(), ("applied", true));
    host.wait_running(&["by-file:by-file", "by-text:by-text"]);
    assert_eq!(std::fs::read_to_string(host.conf("by-text")).unwrap(), config("by-text"));
    assert_eq!(controller.play(task, &[]).ended(0).came_to(), ("unchanged", false));
    let missing = task.replace("supervisor/*.conf", "supervisor/*.ini");
    let play = controller.play(&missing, &[]).ended(2);
    let message = play.result()["msg"].as_str().unwrap();
    assert!(message.contains("there is no file supervisor/*.ini"), "{message}");
}

#[test]
fn site_without_programs_must_say_so() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let play = controller.play("- supervisor_sync.core.site: {domain: a.com}\n", &[]).ended(2);
    let message = play.result()["msg"].as_str().unwrap();
    assert!(message.contains("a site needs `supervisors`"), "{message}");
    let play = controller.play("- supervisor_sync.core.site: {supervisors: []}\n", &[]).ended(2);
    let message = play.result()["msg"].as_str().unwrap();
    assert!(message.contains("domain") && message.contains("from_inventory"), "{message}");
    assert_eq!(controller.machine().sshd.logins(), 0);
}
