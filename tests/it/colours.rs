//! Promise: no meaning is in a colour or in a place alone. What is coloured is a word of that meaning, or a sign with
//! its word beside it, and without colours the text is the same.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "edits a file by hand")]

use regex_lite::Regex;

use crate::site::{Host, Run};
use crate::verbs::wants;

/// What says the same as a colour, by the numbers of its escape sequence; words in any form.
const WORDS: [(&str, &[&str]); 6] = [
    ("32", &["RUNNING", "healthy", "applied as revision", "as wanted", "start", "add"]),
    (
        "31",
        &[
            "FATAL",
            "UNKNOWN",
            "not healthy",
            "failed",
            "rolled back",
            "stop",
            "refused:",
            "not as wanted",
        ],
    ),
    ("33", &["STARTING", "BACKOFF", "STOPP", "EXITED", "restart", "update", "warning:"]),
    ("1\u{1b}[31", &["error:"]),
    ("1\u{1b}[33", &["warning"]),
    ("1\u{1b}[36", &["hint:"]),
];

/// What is only louder or quieter than the rest.
const EMPHASIS: [&str; 2] = ["1", "2"];

/// Each sign, and the words that can say it in its line.
const SIGNS: [(&str, &[&str]); 5] = [
    ("+", &[" start", " add", ": new", " folder ", ": added"]),
    ("~", &[" restart", " update", ": changed", ": permissions", ": becomes"]),
    ("-", &[" stop", ": removed"]),
    ("=", &[" leave"]),
    ("!", &[" refused"]),
];

/// A part of a line that has a colour.
#[derive(Debug)]
struct Span {
    colour: String,
    text: String,
}

fn spans(line: &str) -> Vec<Span> {
    let painted = Regex::new("((?:\u{1b}\\[[0-9;]+m)+)([^\u{1b}]*)\u{1b}\\[0m").unwrap();
    let spans = painted.captures_iter(line).map(|found| Span {
        colour: found[1]
            .trim_start_matches("\u{1b}[")
            .trim_end_matches('m')
            .replace("m\u{1b}", "\u{1b}"),
        text: found[2].to_owned(),
    });
    spans.collect()
}

fn without_colours(text: &str) -> String {
    Regex::new("\u{1b}\\[[0-9;]*m").unwrap().replace_all(text, "").into_owned()
}

/// Fails the test unless words say everything that colours and signs say in this output.
#[track_caller]
fn assert_said_in_words(output: &str) {
    let mut lines = output.lines().peekable();
    while let Some(line) = lines.next() {
        let plain = without_colours(line);
        // A status has its reasons below it, further to the right.
        let below = lines.peek().map(|next| without_colours(next)).unwrap_or_default();
        let is_below = below.starts_with("        ") && below.contains(char::is_alphabetic);
        let is_said = |sign: &str, words: &[&str]| {
            let told = plain.trim_start().strip_prefix(sign).unwrap_or_default();
            words.iter().any(|word| told.contains(word))
                || is_below && told.contains(char::is_alphabetic)
                || sign == "!" && told.trim().contains(' ')
        };
        let sign = |text: &str| SIGNS.iter().find(|(sign, _)| *sign == text);
        // Further to the right are the lines of a diff.
        let begins = plain.strip_prefix("  ").and_then(|line| line.split_once(' '));
        if let Some((sign, words)) = begins.and_then(|(begin, _)| sign(begin)) {
            assert!(is_said(sign, words), "`{sign}` has no word: {plain:?}\n{output}");
        }
        for Span { colour, text } in spans(line) {
            // A line of a diff is what its sign says, as in any diff.
            let is_of_diff = ["+", "-"].iter().any(|sign| text.starts_with(sign)) && text.len() > 1;
            let is_emphasis = EMPHASIS.contains(&colour.as_str());
            // What frames a line of a file says its number and place besides.
            let is_frame = !text.contains(char::is_alphabetic) && sign(&text).is_none();
            // The source of a log's line is named.
            let is_named = text.ends_with(" |") || sign(&text).is_some();
            if is_of_diff || is_emphasis || is_frame || is_named {
                continue;
            }
            let words = WORDS.iter().find(|(numbers, _)| *numbers == colour);
            let Some((_, words)) = words else { panic!("no word for {colour:?}: {line:?}") };
            assert!(words.iter().any(|word| text.contains(word)), "only a colour: {line:?}");
        }
    }
}

/// Runs a command with colours and without.
#[track_caller]
fn looked_at(host: &Host, arguments: &[&str], status: i32) {
    let run = |colour: &str| host.run(&[arguments, &["--color", colour]].concat()).ended(status);
    let (coloured, plain) = (run("always"), run("never"));
    assert!(!(plain.stdout.clone() + &plain.stderr).contains('\u{1b}'), "{plain:?}");
    let lasting = |text: &str| {
        let times = Regex::new(r"(up \d+ s( to \d+ s)?|\d+ s ago|after \d+(\.\d+)? s)").unwrap();
        times.replace_all(&without_colours(text), "a while").into_owned()
    };
    assert_eq!(lasting(&coloured.stdout), lasting(&plain.stdout), "{arguments:?}");
    assert_eq!(lasting(&coloured.stderr), lasting(&plain.stderr), "{arguments:?}");
    assert_run(&coloured);
}

#[track_caller]
fn assert_run(run: &Run) {
    assert_said_in_words(&run.stdout);
    assert_said_in_words(&run.stderr);
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(all.contains('\u{1b}'), "nothing has a colour: {all}");
}

#[test]
fn colours_and_signs_have_their_words() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    ["w", "changed", "old", "new"].iter().for_each(|name| site.worker(name));
    site.crasher("bad");
    let bad = "program: bad, script: bad.sh, autostart: false, autorestart: false";
    let worker = |name: &str, more: &str| format!("program: {name}, script: {name}.sh{more}");
    wants(&host, &[&worker("w", ""), &worker("changed", ""), &worker("old", ""), bad]);
    assert_run(&host.run(&["apply", "--yes", "--color", "always"]).ended(0));
    assert_run(&host.run(&["start", "bad", "--color", "always"]).ended(5));
    host.stop_by_hand("a.com-w:a.com-w");
    let conf = host.conf("a.com-changed");
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, format!("{text}priority=7\n")).unwrap();
    looked_at(&host, &["status"], 3);

    let quiet = [&worker("w", ", stopwaitsecs: 5")[..], &worker("changed", ", numprocs: 2"), bad];
    let new = worker("new", "");
    wants(&host, &[&quiet[..], &[&new]].concat());
    looked_at(&host, &["plan"], 0);
    looked_at(&host, &["plan", "--diff"], 0);
    wants(&host, &[&quiet[..], &[&new, &worker("without", "")]].concat());
    looked_at(&host, &["plan"], 1);
    let starts = "program: new, script: bad.sh, autorestart: false";
    wants(&host, &[&quiet[..], &[starts]].concat());
    assert_run(&host.run(&["apply", "--yes", "--color", "always"]).ended(4));
    looked_at(&host, &["history"], 0);
    looked_at(&host, &["history", "--diff", "1"], 0);
    looked_at(&host, &["logs"], 0);
    wants(&host, &["program: w, script: w.sh, user: root"]);
    looked_at(&host, &["check"], 0);
    looked_at(&host, &["plan", "--inventory", "none.yml"], 1);
}

#[test]
#[should_panic(expected = "only a colour")]
fn meaning_of_a_colour_alone_is_found() {
    assert_said_in_words("  w  \u{1b}[32mRUNNING\u{1b}[0m\n  w  \u{1b}[31mw\u{1b}[0m\n");
}

#[test]
#[should_panic(expected = "has no word")]
fn sign_without_a_word_is_found() {
    assert_said_in_words("  \u{1b}[32m+\u{1b}[0m w  start\n  ~ w\n");
}
