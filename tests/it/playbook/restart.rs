//! `playbook restart`: after a deployment each program runs the new release, and nothing that goes
//! wrong with it fails the deployment.

#![expect(clippy::disallowed_methods, reason = "deploys a release")]

use std::os::unix::fs::symlink;

use supervisor_sync::supervisord::ProcessState;

use super::{program, programs};
use crate::site::{Host, Run};

fn restart(host: &Host, array: &str) -> Run {
    host.playbook("restart", "a.com", array).run().ended(0)
}

const MANY: [&str; 4] = [
    "a.com-many:a.com-many_00",
    "a.com-many:a.com-many_01",
    "a.com-many:a.com-many_02",
    "a.com-one:a.com-one",
];

#[test]
fn processes_restart_in_new_release() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    for name in ["many", "one", "other"] {
        site.worker(name);
    }
    let array = format!("[{},{}]", program("many", r#""numprocs":3"#), program("one", ""));
    let all = format!("{},{}]", array.trim_end_matches(']'), program("other", ""));
    host.sync("a.com", &all).ended(0);
    let before = host.wait_running(&MANY);
    let other = host.wait_running(&["a.com-other:a.com-other"]);
    let files = host.snapshot().files;
    // The next release.
    std::process::Command::new("cp")
        .args(["-a", "1", "2"])
        .current_dir(site.path("releases"))
        .status()
        .unwrap();
    symlink("releases/2", site.path("next")).unwrap();
    std::fs::rename(site.path("next"), site.path("current")).unwrap();
    let run = restart(&host, &array);
    assert_eq!(run.stderr, "");
    assert!(run.stdout.lines().all(|line| line.starts_with("→ ")), "{}", run.stdout);
    let after = host.wait_running(&MANY);
    assert!(before.iter().all(|pid| !after.contains(pid)), "{before:?} {after:?}");
    let mut starts = host.starts("a.com-many");
    assert_eq!(starts.len(), 6);
    starts.extend(host.starts("a.com-one"));
    assert_eq!(starts.len(), 8);
    for pid in after {
        let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
        assert_eq!(cwd, site.path("releases/2"));
    }
    assert_eq!(host.wait_running(&["a.com-other:a.com-other"]), other, "not in the array");
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_restarted: 2\n");
    // Files are not its business, and there is no new revision.
    let kept = |files: &std::collections::BTreeMap<std::path::PathBuf, String>| {
        let mut files = files.clone();
        files.retain(|path, _| {
            path.starts_with(host.daemon.conf_dir()) || path.ends_with("revisions")
        });
        files
    };
    assert_eq!(kept(&host.snapshot().files), kept(&files));
}

#[test]
fn manually_stopped_program_is_not_counted() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    for name in ["good", "halted"] {
        site.worker(name);
    }
    let array = programs(&["good", "halted"]);
    host.sync("a.com", &array).ended(0);
    host.wait_running(&["a.com-good:a.com-good", "a.com-halted:a.com-halted"]);
    host.stop_by_hand("a.com-halted:a.com-halted");
    assert_eq!(restart(&host, &array).stderr, "");
    assert_eq!(host.starts("a.com-halted").len(), 1);
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_restarted: 1\n");
}

#[test]
fn failed_restart_is_a_warning() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    for name in ["good", "broken"] {
        site.worker(name);
    }
    host.sync("a.com", &programs(&["good", "broken"])).ended(0);
    host.wait_running(&["a.com-good:a.com-good", "a.com-broken:a.com-broken"]);
    site.crasher("broken");
    let run = restart(&host, &programs(&["good", "broken", "unknown"]));
    let warnings = run.warnings();
    let last = warnings.len() - 3;
    assert_eq!(
        warnings[last..],
        [
            "Failed to restart a.com-broken",
            "Failed to restart a.com-unknown",
            "2 supervisor program(s) failed to restart",
        ]
    );
    assert!(run.stderr.contains("broken has no database"), "its own words: {}", run.stderr);
    assert_eq!(host.starts("a.com-good").len(), 2);
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_restarted: 1\n");
    // Deployed again, fixed: FATAL or not, it is started.
    site.worker("broken");
    let run = restart(&host, &programs(&["good", "broken"]));
    assert_eq!(run.stderr, "");
    host.wait_running(&["a.com-broken:a.com-broken"]);
    assert_eq!(host.starts("a.com-good").len(), 3);
}

#[test]
fn stopped_by_hand_is_told() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    site.worker("many");
    let array = format!("[{},{}]", program("w", ""), program("many", r#""numprocs":2"#));
    host.sync("a.com", &array).ended(0);
    host.wait_running(&["a.com-w:a.com-w", "a.com-many:a.com-many_00", "a.com-many:a.com-many_01"]);
    host.stop_by_hand("a.com-w:a.com-w");
    host.stop_by_hand("a.com-many:a.com-many_00");
    let run = restart(&host, &array);
    assert_eq!(run.stderr, "");
    for namespec in ["a.com-w:a.com-w", "a.com-many:a.com-many_00"] {
        assert_eq!(host.process(namespec).unwrap().state, ProcessState::Stopped);
        let name = namespec.split(':').next().unwrap();
        let told = run.stdout.lines().any(|line| line.contains(name) && line.contains("stopped"));
        assert!(told, "{name}: {}", run.stdout);
    }
    assert_eq!((host.starts("a.com-w").len(), host.starts("a.com-many").len()), (1, 3));
}

/// A change that supervisord has not taken up yet comes with the restart, which is still one.
#[test]
fn restart_takes_up_newer_file() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    host.sync("a.com", &programs(&["w"])).ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    std::fs::write(host.conf("a.com-w"), text + "environment=NEWER='yes'\n").unwrap();
    let run = restart(&host, &programs(&["w"]));
    assert_eq!(run.stderr, "");
    let pid = host.wait_running(&["a.com-w:a.com-w"])[0];
    let environ = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    assert!(environ.split('\0').any(|variable| variable == "NEWER=yes"));
    assert_eq!(host.starts("a.com-w").len(), 2);
}

/// Nor does the broken file of somebody else keep programs from being restarted.
#[test]
fn foreign_broken_file_is_a_warning() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    host.sync("a.com", &programs(&["w"])).ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
    host.daemon.write_conf("theirs", "no section header\n");
    let run = restart(&host, &programs(&["w"]));
    assert_eq!(run.warnings().len(), 1, "{}", run.stderr);
    assert_eq!(host.starts("a.com-w").len(), 2);
}

#[test]
fn dead_supervisord_is_a_warning() {
    let mut host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    host.daemon.stop();
    let run = restart(&host, &programs(&["w", "v"]));
    let warnings = run.warnings();
    let last = warnings.len() - 3;
    assert_eq!(
        warnings[last..],
        [
            "Failed to restart a.com-v",
            "Failed to restart a.com-w",
            "2 supervisor program(s) failed to restart",
        ]
    );
    assert!(run.stderr.contains("systemctl start supervisor"), "{}", run.stderr);
}

/// A variable that is wrong keeps nothing else from being restarted.
#[test]
fn wrong_variable_is_a_warning() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    host.sync("a.com", &programs(&["w"])).ended(0);
    let mut starts = 1;
    for (name, value, warning, restarts) in [
        ("DEPLOYER_OUTPUT_FILE", "", "DEPLOYER_OUTPUT_FILE required", true),
        ("DEPLOYER_OUTPUT_FILE", "/no/folder/x", "Failed to write output file: /no", true),
        ("DEPLOYER_DISTRO", "", "DEPLOYER_DISTRO required", true),
        ("DEPLOYER_PERMS", "", "DEPLOYER_PERMS required", true),
        ("DEPLOYER_PERMS", "doas", "Invalid DEPLOYER_PERMS: it must be", true),
        ("SUPERVISOR_SYNC_LOCK_WAIT", "x", "Invalid SUPERVISOR_SYNC_LOCK_WAIT: it", true),
        ("DEPLOYER_SITE_DOMAIN", "", "DEPLOYER_SITE_DOMAIN required", false),
        ("DEPLOYER_SITE_DOMAIN", "a/b", "Invalid DEPLOYER_SITE_DOMAIN: it must", false),
        ("DEPLOYER_SUPERVISORS", "", "DEPLOYER_SUPERVISORS required", false),
        ("DEPLOYER_SUPERVISORS", "{", "Invalid DEPLOYER_SUPERVISORS JSON: EOF", false),
        ("DEPLOYER_SUPERVISORS", "{}", "Invalid DEPLOYER_SUPERVISORS JSON: it must", false),
    ] {
        host.wait_running(&["a.com-w:a.com-w"]);
        let _ = std::fs::remove_file(host.path("result.yml"));
        let mut invocation = host.playbook("restart", "a.com", &programs(&["w"]));
        let run = invocation.env(name, value).run().ended(0);
        assert!(run.warnings()[0].starts_with(warning), "{name}={value}: {}", run.stderr);
        starts += usize::from(restarts);
        assert_eq!(host.starts("a.com-w").len(), starts, "{name}={value}");
        if name != "DEPLOYER_OUTPUT_FILE" {
            let result =
                format!("status: success\nsupervisors_restarted: {}\n", u8::from(restarts));
            assert_eq!(host.result(), Some(result), "{name}={value}");
        }
    }
}

#[test]
fn bad_program_is_a_warning() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    for name in ["w", "v"] {
        site.worker(name);
    }
    host.sync("a.com", &programs(&["w", "v"])).ended(0);
    host.wait_running(&["a.com-w:a.com-w", "a.com-v:a.com-v"]);
    let array = format!(
        r#"[{},{{"program":"x y"}},{},7]"#,
        program("w", r#""numprocs":"2""#),
        program("v", "")
    );
    let run = restart(&host, &array);
    let warnings = run.warnings();
    assert!(
        run.stderr.contains("JSON: item 1, numprocs: must be a whole number"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("JSON: item 2, program: must not contain a blank"),
        "{}",
        run.stderr
    );
    let closing = "2 supervisor program(s) failed to restart";
    assert_eq!(warnings.last(), Some(&closing));
    // Where the script has it.
    assert!(run.stdout.ends_with(&format!("\nWarning: {closing}\n")), "{}", run.stdout);
    assert_eq!((host.starts("a.com-w").len(), host.starts("a.com-v").len()), (2, 2));
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_restarted: 2\n");
}

#[test]
fn never_started_program_is_told() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    for name in ["w", "idle"] {
        site.worker(name);
    }
    let array = format!("[{},{}]", program("w", ""), program("idle", r#""autostart":false"#));
    host.sync("a.com", &array).ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
    for array in [array.clone(), format!("[{}]", program("idle", r#""autostart":false"#))] {
        let run = restart(&host, &array);
        let told = "→ Note: a.com-idle is not restarted: it was never started\n";
        assert!(run.stdout.contains(told), "{}", run.stdout);
        assert_eq!(run.stderr, "");
        let restarted = usize::from(array.contains("\"w\""));
        let result = format!("status: success\nsupervisors_restarted: {restarted}\n");
        assert_eq!(host.result(), Some(result));
    }
    assert_eq!((host.starts("a.com-w").len(), host.starts("a.com-idle").len()), (2, 0));
}

/// A tag that closes nothing would end DeployerPHP's client, and the deployment as failed.
#[test]
fn logged_tags_are_no_markup() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.script("w.sh", "#!/bin/sh\necho '<info>no database</error> <fg=red>'; exit 1\n");
    host.sync("a.com", &programs(&["w"])).ended(0);
    let run = restart(&host, &programs(&["w"]));
    assert!(run.stderr.contains("‹info›no database‹/error› ‹fg=red›"), "{}", run.stderr);
    assert!(!run.stderr.contains('<') && !run.stdout.contains('<'), "{}", run.stderr);
}
