//! Names of scripts: what supervisord reads back as it is meant is run, whatever it looks like.

use crate::site::Host;

/// Every printable character but those a command is split at, and what means something elsewhere: to
/// the reader of the file, to its expansion, to a shell.
const ODD: [&str; 14] = [
    "w!#$%&()*+,-:;<=>?@[]^_`{|}~1.sh",
    "wé.sh",
    "日本.sh",
    "w(1).sh",
    "w=1.sh",
    "w[1].sh",
    ";x.sh",
    "#x.sh",
    "-x.sh",
    "%(here)s.sh",
    "%d%%.sh",
    "$HOME.sh",
    "[program:x].sh",
    "./folder//w.sh",
];

#[test]
fn oddly_named_script_runs() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    let folder = site.path("current/.deployer/supervisors/folder");
    std::fs::create_dir(folder).unwrap();
    let mut items = Vec::new();
    for (number, script) in ODD.iter().enumerate() {
        let starts = host.path("starts").join(format!("a.com-p{number}"));
        let text = format!("#!/bin/sh\necho $$ >> {}\nexec sleep 1000\n", starts.display());
        site.script(script, &text);
        items.push(serde_json::json!({"program": format!("p{number}"), "script": script}));
    }
    let array = serde_json::Value::from(items).to_string();
    let run = host.sync("a.com", &array).ended(0);
    assert_eq!(run.stderr, "");
    for number in 0..ODD.len() {
        host.wait_starts(&format!("a.com-p{number}"), 1);
    }
    let run = host.sync("a.com", &array).ended(0);
    assert_eq!(run.stdout, "→ nothing to do, 14 unchanged\n");
}

/// A name that supervisord or runner.sh would take for another is refused.
#[test]
fn misreadable_script_name_is_refused() {
    let host = or_skip!(Host::start());
    for (script, reason) in [
        ("a b.sh", "must not contain a blank: supervisord splits a command there"),
        ("a'b.sh", "must not contain '\'': supervisord splits a command there"),
        ("a\\b.sh", "must not contain '\\': supervisord splits a command there"),
        ("a..b.sh", "must not contain '..'"),
        ("folder/", "must be a file, not a folder"),
    ] {
        let array = serde_json::json!([{"program": "w", "script": script}]).to_string();
        let run = host.sync("a.com", &array).ended(1);
        let told =
            format!("Error: Invalid DEPLOYER_SUPERVISORS JSON\nCause: item 1, script: {reason}\n");
        assert_eq!(run.stderr, told, "{script}");
    }
}
