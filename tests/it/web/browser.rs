//! The web view in a real Chromium, of machines that are reached by ssh. `make browser` installs what it needs, and
//! runs it; what is done in the browser stands in tests/browser, a script each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::machines::Machines;
use super::{PATIENCE, Web, many, wait_until};
use crate::daemon::signal;

/// Has a script look, and does on the hosts what it asks for.
#[track_caller]
fn look(script: &str, web: &Web, mut act: impl FnMut(&[&str])) {
    wait_until(PATIENCE, "the next link is printed", || web.links().len() == 2);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pictures = match std::env::var_os("UPDATE_PICTURES") {
        Some(_) => folder.join("docs/pictures"),
        None => Path::new("").to_owned(),
    };
    let mut node = Command::new("node")
        .arg(folder.join("tests/browser").join(script))
        .arg(&web.links()[1])
        .arg(pictures)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = node.stdin.take().unwrap();
    for line in BufReader::new(node.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(asked) = line.strip_prefix("act ") else {
            println!("{line}");
            continue;
        };
        let words: Vec<String> = serde_json::from_str(asked).unwrap();
        act(&words.iter().map(String::as_str).collect::<Vec<_>>());
        // Who is gone has said why.
        let _ = answers.write_all(b"done\n");
    }
    assert!(node.wait().unwrap().success(), "{script} has failed, see above");
}

/// Has a script look at the machines.
#[track_caller]
fn look_at_machines(script: &str) {
    let mut machines = or_skip!(Machines::start());
    let web = machines.web();
    look(script, &web, |words| machines.act(words));
    web.end();
}

#[test]
#[ignore = "needs Chromium and npm: make browser"]
fn every_page_is_accessible() {
    look_at_machines("pages.mjs");
}

#[test]
#[ignore = "needs Chromium and npm: make browser"]
fn everything_can_be_read_without_a_script() {
    look_at_machines("plain.mjs");
}

#[test]
#[ignore = "needs Chromium and npm: make browser"]
fn keyboard_is_enough() {
    look_at_machines("keyboard.mjs");
}

#[test]
#[ignore = "needs Chromium and npm: make browser"]
fn log_is_followed_over_a_rotation() {
    look_at_machines("log.mjs");
}

/// Planned, confirmed, followed, taken back; by two people at once.
#[test]
#[ignore = "needs Chromium and npm: make browser"]
fn what_is_shown_is_done() {
    look_at_machines("acting.mjs");
}

/// A host goes and comes back, then the web view itself goes.
#[test]
#[ignore = "needs Chromium and npm: make browser"]
fn who_is_gone_is_missed() {
    let mut machines = or_skip!(Machines::start());
    let web = machines.web();
    look("silent.mjs", &web, |words| match words {
        ["end"] => signal(web.running.id(), Signal::INT),
        words => machines.act(words),
    });
    web.running.wait().ended(0);
}

#[test]
#[ignore = "needs Chromium and npm: make browser"]
fn large_fleet_is_quick() {
    let fleet = or_skip!(many::fleet());
    let web = many::web(&fleet);
    look("many.mjs", &web, |words| panic!("nothing is to be done here: {words:?}"));
    web.end();
}

/// Only where they are wanted: UPDATE_PICTURES=1.
#[test]
#[ignore = "needs Chromium and npm: make browser"]
fn pictures_of_the_guide() {
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        look_at_machines("pictures.mjs");
    }
}
