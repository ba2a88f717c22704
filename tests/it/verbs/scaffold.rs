//! `scaffold`: worker scripts that are right, and stop when they are told to.

#![expect(clippy::unwrap_used, reason = "a harness that fails fails the test")]
#![expect(clippy::disallowed_methods, reason = "reads scripts and the kernel's list of processes")]

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{document, wants};
use crate::daemon::{PATIENCE, wait_until};
use crate::site::Host;
use supervisor_sync::supervisord::ProcessState;

#[test]
fn every_script_is_executable_and_parses() {
    let host = or_skip!(Host::start());
    let listed = host.run(&["scaffold", "--json"]).ended(0);
    let kinds = document(&listed, "scaffolds")["kinds"].clone();
    let kinds = kinds.as_array().unwrap();
    assert_eq!(kinds.len(), 7);
    for kind in kinds {
        let kind = kind["name"].as_str().unwrap();
        host.run(&["scaffold", kind, &format!("my-{kind}")]).ended(0);
        let path = host.path(&format!("home/.deployer/supervisors/my-{kind}.sh"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o111, 0o111);
        for shell in ["sh", "bash"] {
            assert!(Command::new(shell).arg("-n").arg(&path).status().unwrap().success(), "{kind}");
        }
    }
    let path = host.path("home/.deployer/supervisors/queue.sh");
    std::fs::write(&path, "mine").unwrap();
    host.run(&["scaffold", "laravel-queue"]).ended(1).complains("queue.sh is there already");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

/// Whether a process with these arguments runs.
fn runs(arguments: &str) -> bool {
    let wanted = arguments.replace(' ', "\0") + "\0";
    let mut processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.any(|process| {
        std::fs::read_to_string(process.path().join("cmdline")).is_ok_and(|text| text == wanted)
    })
}

/// The signal reaches the script alone (`stopasgroup: false`), and nothing of it stays: what does not end by it
/// would be killed an hour later.
#[test]
fn loop_and_exec_end_when_told_to() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    host.run(&["scaffold", "loop"]).ended(0);
    host.run(&["scaffold", "node"]).ended(0);
    let script = |name: &str| {
        std::fs::read_to_string(host.path(&format!("home/.deployer/supervisors/{name}.sh")))
            .unwrap()
    };
    let pause = format!("9{}", std::process::id());
    site.script("loop.sh", &script("loop"));
    let worker =
        script("worker").replace("node worker.js", &format!("sleep 8{}", std::process::id()));
    site.script("worker.sh", &worker);
    let alone = "stopwaitsecs: 3600, stopasgroup: false, killasgroup: false";
    wants(
        &host,
        &[
            &format!(
                "program: loop, script: loop.sh, {alone}, environment: {{PAUSE: \"{pause}\"}}"
            ),
            &format!("program: worker, script: worker.sh, {alone}"),
        ],
    );
    host.run(&["apply", "--yes"]).ended(0);
    let sleeps = [format!("sleep {pause}"), format!("sleep 8{}", std::process::id())];
    wait_until(PATIENCE, "both are at work", || sleeps.iter().all(|sleep| runs(sleep)));
    host.run(&["stop", "--yes"]).ended(0);
    for program in ["a.com-loop:a.com-loop", "a.com-worker:a.com-worker"] {
        assert_eq!(host.process(program).unwrap().state, ProcessState::Stopped);
    }
    wait_until(PATIENCE, "nothing is left", || !sleeps.iter().any(|sleep| runs(sleep)));
}
