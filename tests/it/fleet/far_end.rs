//! A far end that is broken or means harm: each ends as an error of that host, in bounded time and
//! memory, and none of its words passes for ours.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use supervisor_sync::api::wire::PROTOCOL;

use super::Fleet;
use crate::daemon::{PATIENCE, signal, wait_until};
use crate::site::{BINARY, Run, write_executable};

/// Runs a program with its arguments, and notes the most memory that it or a child of it took, in KiB.
const MEASURE: &str = "#!/usr/bin/env python3
import os, resource, subprocess, sys
status = subprocess.call(['BINARY'] + sys.argv[1:])
with open('PEAK', 'w') as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
";

/// What one such host may cost, with the binary itself as it is built for tests.
const MOST_KIB: u64 = 96 * 1024;

/// What one such host may take; the machine may be busy.
const LONGEST: Duration = Duration::from_secs(60);

/// A host whose agent hears a request and does this.
fn host(then: &str) -> Option<Fleet> {
    let fleet = Fleet::start(&[])?.with_other("web1", "host: 127.0.0.1, username: root");
    fleet.write_inventory("");
    fleet.keyring.write_wrapper(&format!(
        "echo '@supervisor-sync HAVE direct root /x'\n\
         echo '{{\"hello\":{{\"protocol\":{PROTOCOL},\"release\":\"x\"}}}}'\nread -r line\n{then}"
    ));
    Some(fleet)
}

/// What came of it, within bounds.
fn measured(fleet: &Fleet, arguments: &[&str]) -> Run {
    let (script, peak) = (fleet.keyring.path("measure"), fleet.keyring.path("peak"));
    let text = MEASURE.replace("BINARY", BINARY).replace("PEAK", &peak.display().to_string());
    write_executable(&script, &text);
    let begin = Instant::now();
    let run = fleet.command(arguments).program(&script).run();
    let (took, peak) = (begin.elapsed(), std::fs::read_to_string(peak).unwrap());
    assert!(took < LONGEST, "{took:?}");
    assert!(peak.parse::<u64>().unwrap() < MOST_KIB, "{peak} KiB");
    run
}

fn says(line: &str) -> String {
    format!("printf '%s\\n' '{line}'")
}

const ALIVE: &str = r#"{"event":{"event":"alive"}}"#;
const WARNING: &str =
    r#"{"event":{"event":"warning","site":"web1.example","text":"one\nweb1: FAKE LINE"}}"#;
const OTHER: &str =
    r#"{"reply":{"reply":"history","sites":[{"site":"other.example","revisions":[]}]}}"#;
const TWICE: &str = r#"{"reply":{"reply":"history","sites":[{"site":"web1.example","revisions":[]},{"site":"web1.example","revisions":[]}]}}"#;

/// What is no answer is an error of that host, in bounded time and memory.
#[test]
fn nonsense_answer_fails_its_host() {
    let nothing = says(r#"{"reply":{"reply":"plans","sites":[]}}"#);
    let cases: [(&str, String, &[&str], i32, &str); 12] = [
        (
            "a line of 64 MiB",
            "head -c 67108864 /dev/zero | tr '\\0' x".into(),
            &["plan"],
            1,
            "it does not end",
        ),
        (
            "a long list",
            "printf '{\"reply\":{\"reply\":\"plans\",\"sites\":['; yes 0, | tr -d '\\n' | \
          head -c 6000000; echo '0]}}'"
                .into(),
            &["plan"],
            1,
            "more values than any answer needs",
        ),
        ("endless events", format!("exec yes '{ALIVE}'"), &["plan"], 1, "more events than such"),
        (
            "endless warnings",
            format!("exec yes '{WARNING}'"),
            &["status"],
            1,
            "more events than such",
        ),
        ("endless stderr", "yes x >&2".into(), &["plan"], 1, "it does not end"),
        (
            "endless stderr behind a closed stdout",
            "exec yes x >&2 >&-".into(),
            &["plan"],
            1,
            "lost",
        ),
        (
            "no site",
            nothing.clone(),
            &["plan", "--site", "web1.example"],
            1,
            "asked web1.example, answered none",
        ),
        (
            "another site",
            says(OTHER),
            &["history"],
            1,
            "asked web1.example, answered other.example",
        ),
        ("a site twice", says(TWICE), &["history"], 1, "answered web1.example, web1.example"),
        ("another answer", nothing, &["history"], 1, "answered something that was not asked"),
        (
            "no site applied",
            says(r#"{"reply":{"reply":"applied","sites":[]}}"#),
            &["apply", "--yes"],
            5,
            "hint: see how it ended: supervisor-sync plan --on web1",
        ),
        (
            "a line of 64 MiB",
            "head -c 67108864 /dev/zero | tr '\\0' x".into(),
            &["apply", "--yes"],
            5,
            "it does not end",
        ),
    ];
    for (what, then, arguments, status, why) in cases {
        let fleet = or_skip!(host(&then));
        let run = measured(&fleet, arguments);
        assert_eq!(
            run.status,
            status,
            "{what}: {}",
            &run.stderr[run.stderr.len().saturating_sub(999)..]
        );
        let error = run.stderr.lines().find(|line| line.starts_with("web1: error: "));
        assert!(error.is_some() && run.stderr.contains(why), "{what}: {error:?}");
        assert!(!run.stderr.contains("\nweb1: FAKE"), "{what}");
    }
}

#[test]
fn long_text_is_cut() {
    let flood = "head -c 6000000 /dev/zero | tr '\\0' x";
    let then = format!(
        "printf '{{\"failed\":{{\"kind\":\"refused\",\"causes\":[],\"hints\":[],\"message\":\"'; {flood}; \
         echo '\"}}}}'"
    );
    let fleet = or_skip!(host(&then));
    for arguments in [&["plan"][..], &["plan", "--json"]] {
        let run = measured(&fleet, arguments).ended(1);
        let said = run.stdout.len() + run.stderr.len();
        assert!(said < 20_000, "{said} bytes");
        let text = if arguments.len() > 1 { run.stdout } else { run.stderr };
        assert!(text.contains("x… (5991872 more bytes are left out)"), "{}", &text[8000..]);
    }
}

#[test]
fn hosts_line_breaks_forge_nothing() {
    let failed = r#"{"failed":{"kind":"refused","message":"one\nweb1: FAKE LINE","causes":["two\n→ FAKE LINE"],"hints":["three\nweb1: FAKE LINE"]}}"#;
    let process = r#"{"event":{"event":"process","site":"web1.example","name":"x\nweb1: FAKE LINE","change":"started"}}"#;
    let held = r#"{"event":{"event":"lock_held","holder":"x\nweb1: FAKE LINE"}}"#;
    let origin = r#"{"user":"u\nSite FAKE LINE","pid":1,"purpose":"p\nweb1: FAKE LINE","at":"2026-01-01T00:00:00Z"}"#;
    let history = format!(
        r#"{{"reply":{{"reply":"history","sites":[{{"site":"web1.example","revisions":[{{"number":1,"origin":{origin},"programs":1,"files":1,"changed":true}}]}}]}}}}"#
    );
    // An apply asks for sites that left before it begins.
    let left = r#"{"reply":{"reply":"left","left":{"sites":[],"unreadable":[]}}}"#;
    let then = format!("{}\nread -r line", says(left));
    let told = [then, says(WARNING), says(process), says(held), says(failed)].join("\n");
    let cases = [(told, &["apply", "--yes"][..], 1), (says(&history), &["history"], 0)];
    for (then, arguments, status) in cases {
        let fleet = or_skip!(host(&then));
        let run = fleet.run(arguments).ended(status);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("FAKE LINE"), "{said}");
        let forged = said.lines().find(|line| {
            ["web1: FAKE", "→ FAKE", "Site FAKE"].iter().any(|begin| line.starts_with(begin))
        });
        assert_eq!(forged, None, "{said}");
    }
}

/// JSON holds nothing that a terminal obeys, and reads the same.
#[test]
fn json_commands_no_terminal() {
    let message = "a\u{9b}2J\u{202e}b\u{2028}";
    let failed = format!(
        r#"{{"failed":{{"kind":"refused","message":"{message}","causes":[],"hints":[]}}}}"#
    );
    let fleet = or_skip!(host(&says(&failed)));
    let run = fleet.run(&["plan", "--json"]).ended(1).says(r"a\u009b2J\u202eb\u2028");
    let document: serde_json::Value = serde_json::from_str(run.stdout.trim()).unwrap();
    assert_eq!(document["error"]["message"], message);
}

/// Who changes something may tell of it for hours: what would end a look does not end an apply.
#[test]
fn apply_may_talk_for_hours() {
    let failed =
        says(r#"{"failed":{"kind":"rolled_back","message":"the end","causes":[],"hints":[]}}"#);
    let Some(fleet) = host(&format!("yes '{ALIVE}' | head -n 100000; {failed}")) else { return };
    measured(&fleet, &["apply", "--yes"]).ended(4).complains("web1: error: the end\n");
    measured(&fleet, &["plan"]).ended(1).complains("more events than such a request can cause");
}

#[test]
fn ctrl_c_ends_talkative_look() {
    let fleet = or_skip!(Fleet::start(&[]));
    let fleet = fleet.with_other("web1", "host: 127.0.0.1, username: root");
    fleet.write_inventory("");
    let asked = fleet.keyring.path("asked");
    fleet.keyring.write_wrapper(&format!(
        "echo '@supervisor-sync HAVE direct root /x'\n\
         echo '{{\"hello\":{{\"protocol\":{PROTOCOL},\"release\":\"x\"}}}}'\nread -r line\ntouch {}\n\
         while echo '{ALIVE}'; do sleep 0.1; done",
        asked.display()
    ));
    let running = fleet.command(&["plan"]).spawn();
    wait_until(PATIENCE, "it was asked", || asked.exists());
    signal(running.id(), Signal::INT);
    let begin = Instant::now();
    running.wait().ended(130);
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}
