//! What a sync leaves on the disk and in supervisord, and what it says.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "looks at the files of a host")]

use std::os::unix::fs::PermissionsExt as _;

use super::{program, programs};
use crate::site::{Host, Run};
use supervisor_sync::supervisord::ProcessState;

/// Progress is stdout, and every line of it begins the same way.
fn arrows(run: &Run) -> Vec<&str> {
    assert!(run.stdout.ends_with('\n'), "{:?}", run.stdout);
    run.stdout.lines().map(|line| line.strip_prefix("→ ").unwrap()).collect()
}

fn conf(host: &Host, name: &str, autostart: bool, autorestart: &str, rest: &str) -> String {
    let site = host.path("sites/a.com").display().to_string();
    let log = host.log(&format!("a.com-{name}")).display().to_string();
    let user = &host.user;
    format!(
        "[program:a.com-{name}]\n\
         command={site}/runner.sh .deployer/supervisors/{name}.sh\n\
         directory={site}/current\n\
         user={user}\n\
         autostart={autostart}\n\
         autorestart={autorestart}\n\
         {rest}\n\
         stdout_logfile={log}\n\
         stderr_logfile={log}\n"
    )
}

#[test]
fn files_match_contract_bytes() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    for name in ["queue", "many", "rare"] {
        site.worker(name);
    }
    let array = format!(
        "[{},{},{}]",
        program("queue", ""),
        program("many", r#""numprocs":3,"stopwaitsecs":30"#),
        program("rare", r#""autostart":false,"autorestart":"unexpected""#)
    );
    let run = host.sync("a.com", &array).ended(0);
    assert_eq!(run.stderr, "");
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_synced: 3\n");
    let many = "stopwaitsecs=30\nnumprocs=3\nprocess_name=%(program_name)s_%(process_num)02d";
    for (name, expected) in [
        ("queue", conf(&host, "queue", true, "true", "stopwaitsecs=3600\nnumprocs=1")),
        ("many", conf(&host, "many", true, "true", many)),
        ("rare", conf(&host, "rare", false, "unexpected", "stopwaitsecs=3600\nnumprocs=1")),
    ] {
        let path = host.conf(&format!("a.com-{name}"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        let log = host.log(&format!("a.com-{name}")).display().to_string();
        let rotation = format!(
            "{log} {{\n    daily\n    rotate 5\n    maxage 30\n    missingok\n    notifempty\n    \
             compress\n    delaycompress\n    copytruncate\n}}\n"
        );
        let path = host.logrotate(&format!("a.com-{name}"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), rotation);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
    assert_eq!(host.file_names().len(), 6, "no other file: {:?}", host.file_names());
    host.wait_running(&[
        "a.com-queue:a.com-queue",
        "a.com-many:a.com-many_00",
        "a.com-many:a.com-many_01",
        "a.com-many:a.com-many_02",
    ]);
    let rare = host.process("a.com-rare:a.com-rare").unwrap();
    assert_eq!((rare.state, rare.start), (ProcessState::Stopped, 0));
}

#[test]
fn each_step_prints_arrow_line() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    site.worker("v");
    let first = host.sync("a.com", &programs(&["w", "v"])).ended(0);
    assert_eq!(
        arrows(&first),
        [
            "Writing supervisor configs (2)",
            "Writing logrotate configs (2)",
            "Rereading supervisor configs",
            "Updating supervisor (2)",
            "a.com-v: added process group",
            "a.com-w: added process group",
        ]
    );
    host.wait_running(&["a.com-w:a.com-w", "a.com-v:a.com-v"]);
    let second = host.sync("a.com", &programs(&["w"])).ended(0);
    let lines = arrows(&second);
    for path in [host.conf("a.com-v"), host.logrotate("a.com-v")] {
        assert!(lines.contains(&format!("Removing {}", path.display()).as_str()), "{lines:?}");
    }
    assert!(lines.contains(&"a.com-v: removed process group"), "{lines:?}");
    let third = host.sync("a.com", &programs(&["w"])).ended(0);
    assert_eq!(arrows(&third), ["nothing to do, 1 unchanged"]);
}

#[test]
fn second_run_does_nothing() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    site.worker("v");
    host.sync("a.com", &programs(&["w", "v"])).ended(0);
    host.wait_running(&["a.com-w:a.com-w", "a.com-v:a.com-v"]);
    std::fs::remove_file(host.path("result.yml")).unwrap();
    let before = host.snapshot();
    // The order of the array means nothing.
    host.sync("a.com", &programs(&["v", "w"])).ended(0);
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_synced: 2\n");
    std::fs::remove_file(host.path("result.yml")).unwrap();
    before.assert_same(&host.snapshot());
}

#[test]
fn empty_array_removes_every_program() {
    let host = or_skip!(Host::start());
    for domain in ["a.com", "b.com"] {
        let site = host.deploy(domain);
        site.worker("w");
        site.worker("v");
        host.sync(domain, &programs(&["w", "v"])).ended(0);
    }
    let others = host.wait_running(&["b.com-v:b.com-v", "b.com-w:b.com-w"]);
    host.sync("a.com", "[]").ended(0);
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_synced: 0\n");
    let left: Vec<String> = host.file_names();
    assert_eq!(
        left,
        ["b.com-v.conf", "b.com-w.conf", "supervisor-b.com-v.conf", "supervisor-b.com-w.conf"]
    );
    assert_eq!(host.groups(), ["b.com-v", "b.com-w"]);
    assert_eq!(host.wait_running(&["b.com-v:b.com-v", "b.com-w:b.com-w"]), others);
    // A site that never had any is fine as well.
    host.sync("c.com", "[]").ended(0);
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_synced: 0\n");
}

#[test]
fn missing_code_is_only_a_warning() {
    let host = or_skip!(Host::start());
    let run = host.sync("a.com", &programs(&["w"])).ended(0);
    let site = host.path("sites/a.com").display().to_string();
    let warnings = run.warnings();
    for path in ["runner.sh", "current/.deployer/supervisors/w.sh"] {
        let expected = format!("{site}/{path} does not exist (wanted by w)");
        assert!(warnings.contains(&expected.as_str()), "{warnings:?}");
    }
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_synced: 1\n");
    assert_eq!(host.groups(), ["a.com-w"]);
    // Deployed at last: nothing is left to be done, supervisord tries again by itself or is told.
    host.deploy("a.com").worker("w");
    let run = host.playbook("restart", "a.com", &programs(&["w"])).run().ended(0);
    assert_eq!(run.stderr, "");
    host.wait_running(&["a.com-w:a.com-w"]);
}

#[test]
fn exiting_program_fails_no_sync() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").crasher("w");
    host.sync("a.com", &programs(&["w"])).ended(0);
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_synced: 1\n");
    host.wait_starts("a.com-w", 2);
    assert!(host.conf("a.com-w").exists());
}

/// What supervisord cannot keep up is a warning, also when it does not change.
#[test]
fn fatal_program_is_a_warning() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.crasher("w");
    site.worker("v");
    host.sync("a.com", &programs(&["w"])).ended(0);
    host.daemon.wait_for_state("a.com-w:a.com-w", ProcessState::Fatal);
    // Neither if another program changes nor if nothing does.
    for _ in 0..2 {
        let run = host.sync("a.com", &programs(&["w", "v"])).ended(0);
        let expected = "a.com-w is FATAL: Exited too quickly (process log may have details)";
        assert_eq!(run.warnings(), [expected]);
    }
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_synced: 2\n");
}

#[test]
fn a_missing_log_folder_is_made() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    std::fs::remove_dir(host.daemon.log_dir()).unwrap();
    host.sync("a.com", &programs(&["w"])).ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
    assert!(host.log("a.com-w").exists());
}

#[test]
fn changed_script_restarts_only_its_program() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    site.worker("v");
    host.sync("a.com", &programs(&["w", "v"])).ended(0);
    let [w, v] = host.wait_running(&["a.com-w:a.com-w", "a.com-v:a.com-v"])[..] else { return };
    site.script("other.sh", "#!/bin/sh\nexec sleep 1000\n");
    let array = format!(r#"[{{"program":"w","script":"other.sh"}},{}]"#, program("v", ""));
    host.sync("a.com", &array).ended(0);
    let now = host.wait_running(&["a.com-w:a.com-w", "a.com-v:a.com-v"]);
    assert_ne!(now[0], w);
    assert_eq!(now[1], v);
    assert_eq!(host.starts("a.com-v").len(), 1);
}
