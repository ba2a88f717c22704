//! Python with supervisor's package, as the judge of what supervisord reads.
//!
//! Each question is one JSON line to one process, so that thousands of them cost one start.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of tests")]
#![expect(clippy::disallowed_methods, reason = "starts the judge and asks the environment for it")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

/// The interpreters to ask: `$SUPERVISORD_PYTHONS`, separated by colons, else the system's own,
/// which sees Debian's supervisor. Those that cannot import supervisor fail the test where
/// `REQUIRE_E2E` or `CI` is set, and are left out loudly elsewhere.
pub(crate) fn interpreters() -> Vec<String> {
    let named = std::env::var("SUPERVISORD_PYTHONS").unwrap_or_default();
    let mut found: Vec<String> =
        named.split(':').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if found.is_empty() {
        found.push("/usr/bin/python3".to_owned());
    }
    found.retain(|python| {
        let import = Command::new(python)
            .args(["-W", "ignore", "-c", "import supervisor.options"])
            .stderr(Stdio::null())
            .status();
        let usable = import.is_ok_and(|status| status.success());
        if !usable {
            missing(&format!("{python} with supervisor's package"));
        }
        usable
    });
    found
}

/// Says that a real part is missing: a failure where the tests must be complete. Written past the
/// test harness, which would swallow it for a test that passes.
pub(crate) fn missing(what: &str) {
    let required = ["REQUIRE_E2E", "CI"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(!required, "{what} is needed and missing");
    let line = format!("SKIPPED, NOT TESTED: {what} is missing\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Runs `script` with each question as a line of JSON on its input, and reads as many answers.
pub(crate) fn ask(python: &str, script: &str, questions: &[Value]) -> Vec<Value> {
    let mut child = Command::new(python)
        .args(["-W", "ignore", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{python}: {}", output.status);
    writer.join().unwrap().unwrap();
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    if answers.len() != questions.len() {
        panic!("{python}: {} answers to {} questions", answers.len(), questions.len());
    }
    answers
}
