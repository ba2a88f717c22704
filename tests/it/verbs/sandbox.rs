//! A sandbox: the programs of an inventory on this machine, until Ctrl-C.

#![expect(clippy::disallowed_methods, reason = "makes a repository")]

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use supervisor_sync::system::users;

use crate::daemon::{Daemon, wait_until};
use crate::site::{Invocation, Running, write_executable};

const PATIENCE: Duration = Duration::from_secs(30);

/// A repository of somebody who is not root.
struct Repository {
    root: tempfile::TempDir,
}

impl Repository {
    fn new() -> Option<Self> {
        // Whether there is a supervisord at all.
        Daemon::start()?;
        let root = tempfile::tempdir().unwrap();
        let scripts = root.path().join(".deployer/supervisors");
        std::fs::create_dir_all(&scripts).unwrap();
        write_executable(
            &scripts.join("queue.sh"),
            "#!/bin/sh\necho $$ >> pids\necho queue runs in $PWD as $(id -un)\nexec sleep 1000\n",
        );
        let text = "servers: [{name: web1, host: 203.0.113.9}, {name: web2, host: 203.0.113.8}]\n\
            defaults: {health: {stable_for: 0}, startretries: 0}\n\
            sites:\n  - domain: a.com\n    servers: [web1, web2]\n    supervisors:\n      \
            - {program: queue, script: queue.sh}\n      \
            - {program: tick, command: \"sh -c 'while echo ticks; do sleep 1000; done'\", \
               directory: /srv/nowhere, user: www-data, logs: {path: /srv/nowhere/log}}\n";
        std::fs::write(root.path().join("deployer.yml"), text).unwrap();
        let nobody = users::find("nobody").unwrap().unwrap();
        for path in [".", ".deployer", ".deployer/supervisors", "deployer.yml"] {
            let path = root.path().join(path);
            std::os::unix::fs::chown(path, Some(nobody.uid), Some(nobody.gid)).unwrap();
        }
        Some(Self { root })
    }

    fn command(&self, arguments: &[&str]) -> Invocation {
        let mut command = Invocation::in_folder(self.root.path(), arguments);
        command.become_user("nobody");
        command
    }

    /// A sandbox whose programs have both said something.
    fn sandbox(&self) -> Running {
        let sandbox = self.command(&["sandbox"]).spawn();
        wait_until(PATIENCE, "both have logged", || {
            let said = sandbox.stdout();
            said.contains("a.com-queue | queue runs") && said.contains("a.com-tick | ticks")
        });
        sandbox
    }

    /// The pids of all the queues that were ever started.
    fn pids(&self) -> Vec<i32> {
        let text = std::fs::read_to_string(self.root.path().join("pids")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    fn base(&self) -> PathBuf {
        self.root.path().join(".local/state/supervisor-sync/sandbox")
    }

    fn left(&self) -> usize {
        std::fs::read_dir(self.base()).unwrap().count()
    }
}

fn is_alive(pid: i32) -> bool {
    rustix::process::test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}

fn send(running: &Running, signal: Signal) {
    let pid = i32::try_from(running.id()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn sandbox_runs_programs_and_leaves_nothing() {
    let repository = or_skip!(Repository::new());
    let sandbox = repository.sandbox();
    let said = sandbox.stdout();
    let home = repository.root.path().canonicalize().unwrap();
    assert!(said.contains(&format!("queue runs in {} as nobody", home.display())), "{said}");
    let [pid] = repository.pids()[..] else { panic!("{:?}", repository.pids()) };
    assert!(is_alive(pid));
    repository.command(&["sandbox"]).run().ended(1).complains("runs already");
    assert!(is_alive(pid));
    send(&sandbox, Signal::INT);
    sandbox.wait().ended(0);
    assert!(!is_alive(pid));
    assert_eq!(repository.left(), 0);
}

#[test]
fn killed_sandbox_is_cleared_by_next() {
    let repository = or_skip!(Repository::new());
    let sandbox = repository.sandbox();
    send(&sandbox, Signal::KILL);
    drop(sandbox);
    let first = repository.pids()[0];
    assert!(is_alive(first), "nobody has told supervisord");
    let sandbox = repository.sandbox();
    assert!(!is_alive(first));
    send(&sandbox, Signal::TERM);
    sandbox.wait().ended(0);
    assert!(repository.pids().into_iter().all(|pid| !is_alive(pid)));
    assert_eq!(repository.left(), 0);
}

/// What does not start is told with its log, and the others run on.
#[test]
fn failing_program_is_told_and_others_run() {
    let repository = or_skip!(Repository::new());
    let script = repository.root.path().join(".deployer/supervisors/queue.sh");
    write_executable(&script, "#!/bin/sh\necho no database\nexit 3\n");
    let sandbox = repository.command(&["sandbox"]).spawn();
    wait_until(PATIENCE, "the other has logged", || {
        sandbox.stdout().contains("a.com-tick | ticks")
    });
    assert!(sandbox.stderr().contains("| no database"), "{}", sandbox.stderr());
    send(&sandbox, Signal::INT);
    sandbox.wait().ended(5);
    assert_eq!(repository.left(), 0);
}

#[test]
fn missing_supervisord_is_named() {
    let repository = or_skip!(Repository::new());
    let mut command = repository.command(&["sandbox"]);
    command.env("PATH", "/nonexistent").run().ended(1).complains("sudo apt-get install supervisor");
}
