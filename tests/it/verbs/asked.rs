//! `apply` on a terminal: what is shown is what is applied, and only if the person says yes.

#![expect(clippy::unwrap_used, reason = "a harness that fails fails the test")]
#![expect(clippy::disallowed_methods, reason = "starts a terminal and changes a host meanwhile")]

use std::io::Write as _;
use std::path::Path;
use std::process::{ChildStdin, Stdio};

use super::wants;
use crate::daemon::{PATIENCE, wait_until};
use crate::python::missing;
use crate::site::{BINARY, Host, Run, Running};

/// `apply` on a terminal that `script` makes; its stdout is all that the terminal shows.
fn apply_on_terminal(host: &Host) -> Option<(Running, ChildStdin)> {
    asked_on_terminal(host, "apply", "Apply this? [y/N] ")
}

/// The same with these arguments, once it asks this.
pub(crate) fn asked_on_terminal(
    host: &Host,
    arguments: &str,
    question: &str,
) -> Option<(Running, ChildStdin)> {
    let script = Path::new("/usr/bin/script");
    if !script.is_file() {
        missing("script of util-linux");
        return None;
    }
    let mut invocation = host.command(&["-qec", &format!("{BINARY} {arguments}"), "/dev/null"]);
    let mut running = invocation.program(script).stdin(Stdio::piped()).spawn();
    let keyboard = running.keyboard();
    wait_until(PATIENCE, "it asks", || running.stdout().contains(question));
    Some((running, keyboard))
}

pub(crate) fn answer(running: Running, mut keyboard: ChildStdin, text: &str) -> Run {
    keyboard.write_all(text.as_bytes()).unwrap();
    let run = running.wait();
    drop(keyboard);
    run
}

#[test]
fn only_a_yes_applies() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh"]);
    let before = host.snapshot();
    for no in ["n\n", "\n", "yess\n"] {
        let (running, keyboard) = or_skip!(apply_on_terminal(&host));
        assert!(running.stdout().contains("+ w  start: new, "), "{}", running.stdout());
        // What follows in a script must not take it for applied.
        answer(running, keyboard, no).ended(1);
        before.assert_same(&host.snapshot());
    }
    let (running, keyboard) = or_skip!(apply_on_terminal(&host));
    let run = answer(running, keyboard, "y\n").ended(0);
    assert!(run.stdout.contains("Site a.com: applied as revision 1"), "{}", run.stdout);
    host.wait_running(&["a.com-w:a.com-w"]);
}

#[test]
fn one_ctrl_c_ends_the_question() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh"]);
    let before = host.snapshot();
    let (mut running, mut keyboard) = or_skip!(apply_on_terminal(&host));
    keyboard.write_all(b"\x03").unwrap();
    wait_until(PATIENCE, "it has ended without another key", || running.has_ended());
    let run = running.wait().ended(130);
    assert!(run.stdout.contains("error: not applied: interrupted"), "{}", run.stdout);
    before.assert_same(&host.snapshot());
}

/// A host that changed since its plan was shown is refused.
#[test]
fn stale_plan_is_refused() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh"]);
    host.run(&["apply", "--yes"]).ended(0);
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 7"]);
    let (running, keyboard) = or_skip!(apply_on_terminal(&host));
    // A colleague edits the very file meanwhile.
    let path = host.conf("a.com-w");
    let text = std::fs::read_to_string(&path).unwrap() + "priority=7\n";
    std::fs::write(&path, text).unwrap();
    // The lock's text alone tells who held it last.
    let without_lock = || {
        let mut snapshot = host.snapshot();
        snapshot.files.remove(&host.state().join("lock"));
        snapshot.files.retain(|path, _| !path.starts_with(host.state().join("locks")));
        snapshot
    };
    let before = without_lock();
    let run = answer(running, keyboard, "y\n").ended(1);
    assert!(run.stdout.contains("the host has changed since its plan was shown"), "{run:?}");
    before.assert_same(&without_lock());
}
