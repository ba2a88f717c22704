//! What fails a task, what it says, and what the host is like afterwards.

use supervisor_sync::supervisord::ProcessState;

use super::{Controller, programs, site_of, worker};

#[track_caller]
fn message(play: &super::Play) -> &str {
    play.result()["msg"].as_str().unwrap()
}

#[test]
fn failed_program_is_rolled_back_with_its_log() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let host = controller.host();
    site_of(host).crasher("two");
    let one = programs(&[&worker("one", "")], "");
    controller.play(&one, &[]).ended(0);
    let pid = host.wait_running(&["a.com-one:a.com-one"]);
    let files = host.file_names();
    let both = programs(&[&worker("one", ", priority: 7"), &worker("two", "")], "");
    let play = controller.play(&both, &[]).ended(2);
    assert_eq!(play.came_to(), ("rolled_back", false));
    for told in ["a.com-two", "  | two has no database", "the host is as it was"] {
        assert!(message(&play).contains(told), "no {told:?} in {}", message(&play));
    }
    assert_eq!(play.result()["exit_status"], 4);
    assert_eq!(host.file_names(), files);
    let again = host.wait_running(&["a.com-one:a.com-one"]);
    assert_ne!(pid, again, "it was restarted, and again by the rollback");
    assert_eq!(controller.play(&one, &[]).ended(0).came_to(), ("unchanged", false));
}

/// With `rollback: false` it stays for inspection, and without `verify` nobody notices.
#[test]
fn failed_program_stays_as_asked() {
    let controller = or_skip!(Controller::start(&["web1"]));
    site_of(controller.host()).crasher("two");
    let two = |more: &str| programs(&[&worker("two", "")], more);
    let play = controller.play(&two("rollback: false"), &[]).ended(2);
    assert_eq!(play.came_to(), ("kept", true));
    assert!(controller.host().conf("a.com-two").exists());
    controller.play(&programs(&["program: two"], "state: absent"), &[]).ended(0);
    assert_eq!(controller.play(&two("verify: false"), &[]).ended(0).came_to(), ("applied", true));
}

/// Also in check mode, in the same words.
#[test]
fn refusal_changes_nothing() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let host = controller.host();
    let task = programs(&["program: one, script: gone.sh"], "");
    let before = host.snapshot();
    for flags in [&["--check"][..], &[]] {
        let play = controller.play(&task, flags).ended(2);
        assert_eq!(play.came_to(), ("refused", false), "{flags:?}");
        assert_eq!(play.result().get("run"), None, "{flags:?}");
        for told in ["gone.sh", "wanted by one", "--allow missing-code", "nothing was changed"] {
            assert!(message(&play).contains(told), "no {told:?} in {}", message(&play));
        }
    }
    before.assert_same(&host.snapshot());
    let allowed =
        programs(&["program: one, script: gone.sh, autostart: false"], "allow: [missing-code]");
    controller.play(&allowed, &[]).ended(0);
    assert!(host.conf("a.com-one").exists());
}

#[test]
fn problem_of_an_entry_is_told_with_its_line() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let task = programs(&["program: one, script: ../one.sh", "program: one, command: x"], "");
    let play = controller.play(&task, &[]).ended(2);
    for told in ["`script`", "../one.sh", "appears twice"] {
        assert!(message(&play).contains(told), "no {told:?} in {}", message(&play));
    }
    let play = controller.play(&programs(&["program: one, skript: x"], ""), &[]).ended(2);
    assert!(message(&play).contains("skript"), "{}", message(&play));
    assert_eq!(
        controller.machine().sshd.logins(),
        2 + 1,
        "the second one did not leave the controller"
    );
}

/// Two tasks at the same time on one host: one waits for the other.
#[test]
fn forks_on_one_host_wait_for_each_other() {
    let controller = or_skip!(Controller::start(&["web1"]));
    controller.play(&programs(&[&worker("three", "")], ""), &[]).ended(0);
    let login = controller.login(controller.machine(), "root");
    controller.write_inventory(&[("again", login)]);
    let task = "- supervisor_sync.core.programs:\n    domain: a.com\n    supervisors:\n      \
                - program: \"{{ {'web1': 'one', 'again': 'two'}[inventory_hostname] }}\"\n        \
                script: \"{{ {'web1': 'one', 'again': 'two'}[inventory_hostname] }}.sh\"\n    \
                lock_wait: 60\n";
    let play = controller.play(task, &["--forks", "2"]).ended(0);
    let hosts = play.by_host();
    assert!(hosts.values().all(|result| result["outcome"] == "applied"), "{}", play.output);
    let mut revisions: Vec<_> =
        hosts.values().map(|one| one["revisions"]["a.com"].as_u64()).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, [Some(2), Some(3)]);
    controller.host().wait_running(&["a.com-one:a.com-one", "a.com-two:a.com-two"]);
}

/// Somebody holds the lock for longer than the task waits.
#[test]
fn held_lock_fails_the_task() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let host = controller.host();
    site_of(host).drainer("one");
    let entry = worker("one", ", stopwaitsecs: 60");
    controller.play(&programs(&[&entry], ""), &[]).ended(0);
    host.wait_starts("a.com-one", 1);
    host.inventory(&format!(
        "  - {{domain: a.com, server: here, supervisors: [{{{entry}, priority: 7}}]}}"
    ));
    let mut other = host.command(&["apply", "--yes", "--no-verify"]);
    let other = other.spawn();
    host.daemon.wait_for_state("a.com-one:a.com-one", ProcessState::Stopping);
    let play = controller.play(&programs(&[&worker("two", "")], "lock_wait: 0"), &[]).ended(2);
    assert_eq!(play.result()["exit_status"], 7);
    assert_eq!(play.came_to(), ("refused", false));
    host.open_gate();
    other.wait().ended(0);
}
