//! A stop that supervisord sends between the fork of a process and its exec is lost. It is sent again,
//! and only then: a second one would hurt a program that drains.

#![expect(clippy::disallowed_methods, reason = "starts processes to look at")]
#![expect(clippy::unwrap_used, reason = "a check that fails fails the test")]

use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, getrlimit};
use supervisor_sync::supervisord::ProcessState;
use supervisor_sync::system::process::{cannot_have_received, has_not_executed};

use crate::daemon::{Options, PATIENCE, wait_until};
use crate::site::Host;

/// So many are forked at once that most wait for a processor before their exec.
const MANY: u32 = 24;

/// A supervisord whose children close so many files before their exec that this takes a while.
fn slow_to_execute() -> Option<Host> {
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(100_000).min(100_000);
    Host::start_with(Options {
        extra: format!("[supervisord]\nminfds={files}"),
        ..Options::default()
    })
}

fn want(host: &Host, program: &str, more: &str) {
    let fast = "startsecs: 0, stopwaitsecs: 600, health: {stable_for: 0}";
    host.inventory(&format!(
        "  - domain: one.com\n    server: here\n    supervisors:\n      - {{{program}, {fast}{more}}}\n"
    ));
}

#[test]
fn lost_stop_is_sent_again() {
    for more in ["", ", stopsignal: QUIT", ", stopasgroup: true"] {
        let sleep = "program: w, command: /bin/sleep 1000";
        let host = or_skip!(slow_to_execute());
        host.deploy("one.com");
        want(&host, sleep, &format!("{more}, numprocs: {MANY}"));
        host.run(&["apply", "--yes"]).ended(0);
        let process = |number: u32| format!("one.com-w:one.com-w_{number:02}");
        let all: Vec<String> = (0..MANY).map(process).collect();
        host.wait_running(&all.iter().map(String::as_str).collect::<Vec<_>>());
        // supervisord starts all of a changed group, and these are stopped in the very moment.
        for number in 1..MANY {
            host.stop_by_hand(&process(number));
        }
        want(&host, sleep, &format!("{more}, numprocs: {MANY}, priority: 7"));
        // Much shorter than stopwaitsecs.
        host.run(&["apply", "--yes"]).ended(0);
        for number in 1..MANY {
            host.daemon.wait_for_state(&process(number), ProcessState::Stopped);
        }
        host.wait_running(&[&process(0)]);
    }
}

/// A young program that drains has got its signal: nothing is sent again.
#[test]
fn young_draining_program_is_asked_once() {
    let host = or_skip!(Host::start());
    let site = host.deploy("one.com");
    let asked = host.path("starts").join("asked").display().to_string();
    let gate = host.path("gate").display().to_string();
    let drain = format!("trap 'echo x >> {asked}' TERM\n: > {asked}");
    let end = format!("while [ ! -e {gate} ]; do sleep 0.05; done");
    site.script("w.sh", &format!("#!/bin/sh\n{drain}\n{end}\n"));
    want(&host, "program: w, script: w.sh, autorestart: false", "");
    host.run(&["apply", "--yes", "--no-verify"]).ended(0);
    wait_until(PATIENCE, "it handles TERM", || std::path::Path::new(&asked).exists());
    let running = host.command(&["stop", "--yes"]).spawn();
    let process = || host.process("one.com-w:one.com-w").unwrap();
    wait_until(PATIENCE, "it drains for long", || {
        let process = process();
        process.state == ProcessState::Stopping && process.now - process.start >= 5
    });
    assert_eq!(std::fs::read_to_string(&asked).unwrap(), "x\n");
    host.open_gate();
    running.wait().ended(0);
}

struct Asked(Child);

impl Asked {
    /// A shell that has come to the end of this text when it says so.
    fn run(text: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("{text}\necho ready\nread wait")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        Self(child)
    }

    fn pid(&self) -> i64 {
        self.0.id().into()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Only who would have ended cannot have received a signal.
#[test]
fn default_handler_proves_signal_lost() {
    let own = i64::from(std::process::id());
    for (text, expected) in [(":", true), ("trap : TERM", false), ("trap '' TERM", false)] {
        let asked = Asked::run(text);
        wait_until(PATIENCE, text, || cannot_have_received(asked.pid(), own, "TERM") == expected);
        // Another signal is another matter. (Not HUP: under nohup everybody ignores it.)
        wait_until(PATIENCE, text, || cannot_have_received(asked.pid(), own, "USR1"));
        // Somebody else's child is none of ours.
        assert!(!cannot_have_received(asked.pid(), 1, "TERM"), "{text}");
        assert!(!has_not_executed(asked.pid(), own), "{text}");
    }
    // A program that is held up has its signal waiting.
    let asked = Asked::run(":");
    crate::daemon::signal(asked.0.id(), rustix::process::Signal::STOP);
    wait_until(PATIENCE, "it is stopped", || !cannot_have_received(asked.pid(), own, "TERM"));
}
