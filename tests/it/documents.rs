//! The JSON documents that the program prints, against their published schema: those of each run that the
//! suite sees ([`assert_valid`] is called where its output is read), and one of every kind.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "writes inventories, logs and playbooks")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Value, json};

use crate::site::Host;

static PUBLISHED: LazyLock<Published> = LazyLock::new(|| {
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/documents.schema.json")).unwrap();
    Published { line: jsonschema::validator_for(&schema).unwrap(), schema }
});

struct Published {
    schema: Value,
    line: Validator,
}

impl Published {
    /// The schema of each kind, by its name.
    fn kinds(&self) -> impl Iterator<Item = (&str, &Value)> {
        let kinds = self.schema["oneOf"].as_array().unwrap().iter();
        kinds.map(|kind| (kind["properties"]["kind"]["const"].as_str().unwrap(), kind))
    }

    /// Where a document is not as its kind should be; that it is none of all kinds would say little.
    fn reasons(&self, document: &Value) -> Vec<String> {
        let Some((_, kind)) = self.kinds().find(|(kind, _)| document["kind"] == *kind) else {
            return vec!["its kind is not in the schema".to_owned()];
        };
        let mut kind = kind.clone();
        kind["$defs"] = self.schema["$defs"].clone();
        let kind = jsonschema::validator_for(&kind).unwrap();
        kind.iter_errors(document).map(|error| reason(&error)).collect()
    }
}

/// What is wrong. Where there are several shapes, it is told of the one that fits furthest.
fn reason(error: &ValidationError<'_>) -> String {
    let place = |error: &ValidationError<'_>| error.instance_path().to_string();
    match error.kind() {
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            let shapes = context.iter().flatten();
            shapes.max_by_key(|error| place(error).len()).map_or_else(String::new, reason)
        }
        _ => format!("{error}, at {:?}", place(error)),
    }
}

/// Fails the test unless each of these lines is a document of the schema.
#[track_caller]
pub(crate) fn assert_valid(lines: &str) {
    for line in lines.lines() {
        let document = serde_json::from_str(line).unwrap_or_else(|error| json!(error.to_string()));
        assert!(
            PUBLISHED.line.is_valid(&document),
            "not as docs/documents.schema.json has it: {line}\n{}",
            PUBLISHED.reasons(&document).join("\n")
        );
    }
}

/// `a.com` with one program on this machine.
fn inventory(host: &Host, options: &str) {
    let program = format!("{{program: w, script: w.sh, {options}}}");
    let site = format!("{{domain: a.com, server: here, supervisors: [{program}]}}");
    host.inventory_with("defaults: {health: {stable_for: 0}}", &format!("  - {site}\n"));
}

/// A server and a site more, and it cannot be reached.
fn add_one_that_is_gone(host: &Host) {
    let path = host.path("home/deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let server = "servers:\n  - {name: gone, exec: [\"false\"]}\n";
    let site = "  - {domain: b.com, server: gone, supervisors: [{program: w, script: w.sh}]}\n";
    std::fs::write(path, text.replacen("servers:\n", server, 1) + site).unwrap();
}

#[test]
fn every_document_kind_is_printed() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let playbooks = host.path("deployer-php/playbooks");
    std::fs::create_dir_all(&playbooks).unwrap();
    for (name, text) in crate::integrate::PLAYBOOKS {
        std::fs::write(playbooks.join(format!("{name}.sh")), text).unwrap();
    }
    let mut printed = BTreeSet::new();
    let mut print = |arguments: &[&str], status| {
        let mut command = host.command(&[arguments, &["--json"]].concat());
        if arguments == ["setup"] {
            // Where nothing can be installed.
            command.env("PATH", host.path("empty"));
        }
        for line in command.run().ended(status).stdout.lines() {
            let document: Value = serde_json::from_str(line).unwrap();
            printed.insert(document["kind"].as_str().unwrap().to_owned());
        }
    };
    inventory(&host, "no_such: option");
    print(&["check"], 1);
    inventory(&host, "numprocs: 1");
    print(&["check"], 0);
    print(&["explain"], 0);
    print(&["check", "--on", "here"], 0);
    print(&["plan"], 0);
    print(&["apply", "--yes"], 0);
    inventory(&host, "numprocs: 2");
    print(&["apply", "--yes"], 0);
    print(&["status"], 0);
    std::fs::write(host.log("a.com-w"), "a line\n").unwrap();
    print(&["logs"], 0);
    print(&["history"], 0);
    print(&["history", "--diff", "2"], 0);
    print(&["rollback", "--yes"], 0);
    print(&["runner", "--branch", "main", "--php", "8.4"], 0);
    print(&["integrate", "deployer-php", playbooks.parent().unwrap().to_str().unwrap()], 0);
    print(&["setup"], 1);
    print(&["scale", "a.com", "w", "2", "--inventory-only"], 0);
    print(&["import", "--yes"], 0);
    print(&["init", "--here", "--inventory", "first.yml"], 0);
    print(&["scaffold"], 0);
    let (conf_dir, state) = (host.daemon.conf_dir(), host.path("state"));
    let (conf_dir, state) = (conf_dir.to_str().unwrap(), state.to_str().unwrap());
    let main = host.daemon.main_conf();
    let main = ["--supervisord", main.to_str().unwrap()];
    let of_host = [&["metrics", "--conf-dir", conf_dir, "--state-dir", state][..], &main];
    print(&of_host.concat(), 0);
    print(&["scaffold", "loop"], 0);
    // A notification is printed to a command.
    host.inventory_with("notify: [{command: cat >> told}]", "");
    print(&["notify", "--test", "failed"], 0);
    inventory(&host, "numprocs: 2");
    add_one_that_is_gone(&host);
    print(&["apply", "--yes"], 6);
    let told = std::fs::read_to_string(host.path("home/told")).unwrap();
    assert_valid(&told);
    let told: Value = serde_json::from_str(&told).unwrap();
    printed.insert(told["kind"].as_str().unwrap().to_owned());
    for line in or_skip!(crate::pulls::documents()).lines() {
        let document: Value = serde_json::from_str(line).unwrap();
        printed.insert(document["kind"].as_str().unwrap().to_owned());
    }
    #[cfg(feature = "web")]
    for line in crate::web::documents(&host).lines() {
        let document: Value = serde_json::from_str(line).unwrap();
        printed.insert(document["kind"].as_str().unwrap().to_owned());
    }
    let published: BTreeSet<String> = PUBLISHED.kinds().map(|(kind, _)| kind.to_owned()).collect();
    assert_eq!(printed, published);
}

#[test]
fn documents_may_gain_but_not_lose_fields() {
    let document =
        json!({"version": 1, "kind": "runner", "host": "h", "path": "/r", "changed": true});
    let is_valid = |change: &dyn Fn(&mut Value)| {
        let mut changed = document.clone();
        change(&mut changed);
        let is_valid = PUBLISHED.line.is_valid(&changed);
        assert_eq!(PUBLISHED.reasons(&changed).is_empty(), is_valid, "{changed}");
        is_valid
    };
    assert!(is_valid(&|_| {}));
    assert!(is_valid(&|document| document["more"] = json!(1)));
    for field in ["version", "kind", "host", "path", "changed"] {
        let without = |document: &mut Value| drop(document.as_object_mut().unwrap().remove(field));
        assert!(!is_valid(&without), "without {field}");
        assert!(!is_valid(&|document| document[field] = json!(2)), "{field}");
    }
}

#[test]
fn schema_failure_names_its_place() {
    let wrong = json!({"program": "w", "wanted": "running", "numprocs": 1, "processes": []});
    let status = json!({"site": "a.com", "problems": [], "notes": [], "programs": [wrong]});
    let site = json!({"site": "a.com", "status": status});
    let document = json!({"version": 1, "kind": "status", "host": "h", "sites": [site]});
    let reasons = PUBLISHED.reasons(&document);
    let [reason] = &reasons[..] else { panic!("{reasons:?}") };
    assert!(
        reason.ends_with("\"drift\" is a required property, at \"/sites/0/status/programs/0\"")
    );
}
