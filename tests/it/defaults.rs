//! supervisord's defaults as we have them: beside its own code, and beside what the documentation says.

#![expect(clippy::disallowed_methods, reason = "reads the documentation")]

use serde_json::{Value, json};
use supervisor_sync::supervisord::defaults;

use crate::python;

/// Reads a `[program:x]` as supervisord does, and answers with what its one process has.
const READ: &str = r"
import io, json, signal, sys
from supervisor.datatypes import RestartWhenExitUnexpected
from supervisor.options import ServerOptions, UnhosedConfigParser
for line in sys.stdin:
    parser = UnhosedConfigParser()
    parser.read_file(io.StringIO(json.loads(line)))
    group, = ServerOptions().process_groups_from_parser(parser)
    process = group.process_configs[0]
    is_unexpected = process.autorestart is RestartWhenExitUnexpected
    print(json.dumps({
        'numprocs': len(group.process_configs),
        'autostart': process.autostart,
        'autorestart': 'unexpected' if is_unexpected else None,
        'startsecs': process.startsecs,
        'startretries': process.startretries,
        'exitcodes': process.exitcodes,
        'stopsignal': signal.Signals(process.stopsignal).name[3:],
        'stopwaitsecs': process.stopwaitsecs,
        'stopasgroup': process.stopasgroup,
        'priority': group.priority,
    }))
";

fn ours() -> Value {
    json!({
        "numprocs": defaults::NUMPROCS,
        "autostart": defaults::AUTOSTART,
        "autorestart": defaults::AUTORESTART,
        "startsecs": defaults::STARTSECS,
        "startretries": defaults::STARTRETRIES,
        "exitcodes": defaults::EXITCODES,
        "stopsignal": defaults::STOPSIGNAL,
        "stopwaitsecs": defaults::STOPWAITSECS,
        "stopasgroup": defaults::STOPASGROUP,
        "priority": defaults::PRIORITY,
    })
}

#[test]
fn defaults_match_supervisords_code() {
    for python in python::interpreters() {
        let answers = python::ask(&python, READ, &[json!("[program:x]\ncommand=/bin/true\n")]);
        assert_eq!(answers, [ours()], "{python}");
    }
}

#[test]
fn the_documentation_names_the_same_defaults() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/inventory.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (ours, mut named) = (ours(), Vec::new());
    for (option, value) in ours.as_object().unwrap() {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{option}` |")));
        let default = row.and_then(|row| row.split('|').nth(2)).unwrap_or_default();
        if let Some((_, theirs)) = default.split_once("supervisord's (") {
            let value = value.to_string();
            let value = value.trim_matches(['[', ']', '"']);
            let (theirs, _) = theirs.split_once(')').unwrap();
            let theirs = theirs.trim_matches('`');
            assert_eq!(theirs, value, "{option}: {default}");
            named.push(option.as_str());
        }
    }
    assert_eq!(
        named,
        ["exitcodes", "priority", "startretries", "startsecs", "stopasgroup", "stopsignal"]
    );
}
