//! What `check` warns of, as people and machines see it, and `explain`.

#![expect(clippy::disallowed_methods, reason = "writes inventories and scripts")]

use std::path::Path;

use serde_json::{Value, json};

use super::{document, documents};
use crate::site::{Invocation, Run};

/// What every SARIF reader relies on, out of the schema of 2.1.0: what must be there, and of which kind.
const SARIF: &str = r##"{
  "type": "object",
  "required": ["version", "runs", "$schema"],
  "properties": {
    "version": {"const": "2.1.0"},
    "$schema": {"type": "string", "format": "uri"},
    "runs": {"type": "array", "minItems": 1, "items": {
      "type": "object",
      "required": ["tool", "results"],
      "additionalProperties": false,
      "properties": {
        "tool": {"type": "object", "required": ["driver"], "additionalProperties": false, "properties": {
          "driver": {"type": "object", "required": ["name", "rules"], "additionalProperties": false, "properties": {
            "name": {"type": "string"},
            "semanticVersion": {"type": "string"},
            "rules": {"type": "array", "uniqueItems": true, "items": {
              "type": "object", "required": ["id"], "additionalProperties": false, "properties": {
                "id": {"type": "string"},
                "shortDescription": {"$ref": "#/$defs/text"},
                "fullDescription": {"$ref": "#/$defs/text"},
                "help": {"$ref": "#/$defs/text"},
                "defaultConfiguration": {"type": "object", "properties": {"level": {"$ref": "#/$defs/level"}}}
              }
            }}
          }}
        }},
        "results": {"type": "array", "items": {
          "type": "object",
          "required": ["message", "ruleId", "level", "locations"],
          "additionalProperties": false,
          "properties": {
            "ruleId": {"type": "string"},
            "level": {"$ref": "#/$defs/level"},
            "message": {"$ref": "#/$defs/text"},
            "locations": {"type": "array", "minItems": 1, "items": {
              "type": "object", "required": ["physicalLocation"], "additionalProperties": false, "properties": {
                "physicalLocation": {"type": "object", "required": ["artifactLocation", "region"],
                  "additionalProperties": false, "properties": {
                  "artifactLocation": {"type": "object", "required": ["uri"], "properties": {
                    "uri": {"type": "string", "pattern": "^[^ ]+$"}
                  }},
                  "region": {"type": "object", "required": ["startLine"], "properties": {
                    "startLine": {"type": "integer", "minimum": 1},
                    "startColumn": {"type": "integer", "minimum": 1}
                  }}
                }}
              }
            }}
          }
        }}
      }
    }}
  },
  "$defs": {
    "text": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
    "level": {"enum": ["none", "note", "warning", "error"]}
  }
}"##;

/// An inventory with these programs, in a folder of its own.
fn folder(programs: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = programs.iter().map(|line| format!("      - {{{line}}}\n")).collect();
    let text = format!(
        "servers:\n  - {{name: web1, host: h}}\nsites:\n  - domain: a.com\n    server: web1\n    \
         supervisors:\n{lines}"
    );
    std::fs::write(folder.path().join("deployer.yml"), text).unwrap();
    folder
}

fn script(folder: &Path, name: &str, text: &str) {
    let scripts = folder.join(".deployer/supervisors");
    std::fs::create_dir_all(&scripts).unwrap();
    std::fs::write(scripts.join(name), text).unwrap();
}

fn run(folder: &Path, arguments: &[&str]) -> Run {
    Invocation::in_folder(folder, arguments).run()
}

const ROOT: &str = "program: w, command: php w.php, user: root";

#[test]
fn warnings_are_told_with_their_line_and_fail_nothing() {
    let folder = folder(&[ROOT, "program: v, script: v.sh"]);
    script(folder.path(), "v.sh", "#!/bin/sh\nphp v.php &\n");
    let run = run(folder.path(), &["check", "--inventory", "deployer.yml"]).ended(0);
    insta::assert_snapshot!(run.stderr, @r"
    warning[background-process]: `a.com-v` leaves `php` in the background, where supervisord does not see it
     --> .deployer/supervisors/v.sh:2:1
      |
    2 | php v.php &
      | ^^^^^^^^^^^
      |
      = help: run it in the foreground: without `&`, `nohup` and the option that makes it a daemon

    warning[user-root]: `a.com-w` runs as root
     --> deployer.yml:7:48
      |
    7 |       - {program: w, command: php w.php, user: root}
      |                                                ^^^^
      |
      = help: give it a `user` of its own
    ");
    insta::assert_snapshot!(run.stdout, @r"
    deployer.yml has 2 warnings: 1 host, 1 site, 2 programs
    Why: supervisor-sync explain background-process
    ");
}

#[test]
fn strict_has_warnings_fail() {
    let warned = folder(&[ROOT]);
    let strict = run(warned.path(), &["check", "--strict", "--inventory", "deployer.yml"]).ended(1);
    assert!(strict.stderr.contains("error: `--strict` refuses a warning\n"), "{}", strict.stderr);
    assert!(strict.stderr.contains("warning[user-root]"), "{}", strict.stderr);
    let fine = folder(&["program: w, command: php w.php"]);
    run(fine.path(), &["check", "--strict"]).ended(0);
}

#[test]
fn json_has_lints_beside_what_it_had() {
    let warned = folder(&[ROOT]);
    let found = document(&run(warned.path(), &["check", "--json"]).ended(0), "check");
    assert_eq!(found["programs"], 1);
    let [lint] = &found["lints"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!(lint["check"], "user-root");
    assert_eq!((&lint["line"], &lint["column"]), (&json!(7), &json!(48)));
    assert_eq!(lint["help"][0], "give it a `user` of its own");
    let same = run(warned.path(), &["check", "--format", "json"]).ended(0);
    assert_eq!(document(&same, "check"), found);
    let fine = folder(&["program: w, command: php w.php"]);
    let none = document(&run(fine.path(), &["check", "--json"]).ended(0), "check");
    assert_eq!(none, json!({"version": 1, "kind": "check", "hosts": 1, "sites": 1, "programs": 1}));
    let strict = run(warned.path(), &["check", "--json", "--strict"]).ended(1);
    assert_eq!(documents(&strict).len(), 2);
}

/// The path counts from the current folder also where the inventory was found there.
#[test]
fn github_is_given_workflow_commands() {
    let warned = folder(&[ROOT]);
    let found = run(warned.path(), &["check", "--format", "github"]).ended(0);
    assert_eq!(
        found.stdout,
        "::warning file=deployer.yml,line=7,col=48,title=user-root::`a.com-w` runs as root%0A\
         give it a `user` of its own\n"
    );
    assert_eq!(found.stderr, "");
    let wrong = folder(&["program: w, command: php w.php, numprocs: 0, no_such: 50%"]);
    let found = run(wrong.path(), &["check", "--format", "github"]).ended(1);
    let lines: Vec<&str> = found.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", found.stdout);
    for line in lines {
        assert!(line.starts_with("::error file=deployer.yml,line=7,col="), "{line}");
    }
}

fn sarif_of(found: &Run) -> Value {
    let schema = serde_json::from_str(SARIF).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let document: Value = serde_json::from_str(&found.stdout).unwrap();
    let errors: Vec<String> =
        schema.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    document
}

#[test]
fn sarif_is_what_its_schema_says() {
    let warned = folder(&[ROOT, "program: v, script: v.sh"]);
    script(warned.path(), "v.sh", "#!/bin/sh\nwhile true; do php v.php; done\n");
    let document = sarif_of(&run(warned.path(), &["check", "--format", "sarif"]).ended(0));
    let results = document["runs"][0]["results"].as_array().unwrap();
    let short = |result: &Value| {
        let place = &result["locations"][0]["physicalLocation"];
        json!([
            result["ruleId"],
            result["level"],
            place["artifactLocation"]["uri"],
            place["region"]["startLine"]
        ])
    };
    assert_eq!(
        results.iter().map(short).collect::<Vec<_>>(),
        [
            json!(["busy-loop", "warning", ".deployer/supervisors/v.sh", 2]),
            json!(["user-root", "warning", "deployer.yml", 7]),
        ]
    );
    let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert!(results.iter().all(|result| ids.contains(&result["ruleId"].as_str().unwrap())));
    let fine = folder(&["program: w, command: php w.php"]);
    let document = sarif_of(&run(fine.path(), &["check", "--format", "sarif"]).ended(0));
    assert_eq!(document["runs"][0]["results"], json!([]));
    let wrong = folder(&["program: w"]);
    let document = sarif_of(&run(wrong.path(), &["check", "--format", "sarif"]).ended(1));
    assert_eq!(document["runs"][0]["results"][0]["level"], "error");
}

#[test]
fn what_is_allowed_is_silent_and_told_where_it_is_for_nothing() {
    let allowed = folder(&[&format!("{ROOT}, lint: {{allow: [user-root]}}")]);
    run(allowed.path(), &["check", "--strict"]).ended(0);
    let unused = folder(&["program: w, command: php w.php, lint: {allow: [user-root]}"]);
    let found = run(unused.path(), &["check", "--strict"]).ended(1);
    assert!(found.stderr.contains("warning[unused-allow]"), "{}", found.stderr);
    let unknown = folder(&["program: w, command: php w.php, lint: {allow: [user-rot]}"]);
    let found = run(unknown.path(), &["check"]).ended(1);
    assert!(found.stderr.contains("did you mean `user-root`?"), "{}", found.stderr);
}

#[test]
fn no_value_of_a_secret_is_shown() {
    let secret = folder(&[
        "program: w, command: php w.php --token hunter2, environment: {DB_PASSWORD: hunter2}",
        "program: v, script: v.sh",
    ]);
    script(secret.path(), "v.sh", "#!/bin/sh\nAPI_TOKEN=hunter2 php v.php &\n");
    for format in ["text", "json", "github", "sarif"] {
        let found = run(secret.path(), &["check", "--format", format]).ended(0);
        let said = format!("{}{}", found.stdout, found.stderr);
        assert!(said.contains("plain-secret") && said.contains("background-process"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// What `scaffold` writes is what the checks ask for, also where no format helps it.
#[test]
fn scaffolded_scripts_have_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let listed = run(folder.path(), &["scaffold"]).ended(0).stdout;
    let kinds: Vec<&str> =
        listed.lines().filter_map(|line| line.split_once("  ")).map(|(kind, _)| kind).collect();
    assert!(kinds.len() > 3, "{listed}");
    let mut programs = String::new();
    for kind in kinds {
        run(folder.path(), &["scaffold", kind, kind]).ended(0);
        let script = format!("sh .deployer/supervisors/{kind}.sh");
        programs +=
            &format!("      - {{program: {kind}, command: {script}, directory: /srv/app}}\n");
    }
    let text = format!(
        "servers: [{{name: web1, host: h}}]\nformat: classic\nsites:\n  - domain: a.com\n    server: web1\n    \
         supervisors:\n{programs}"
    );
    let path = folder.path().join("deployer.yml");
    std::fs::write(&path, &text).unwrap();
    let fine = run(folder.path(), &["check", "--strict"]).ended(0);
    assert!(fine.stdout.starts_with("The inventory is fine: "), "{}", fine.stdout);
    // The scripts were looked at: one that hurts is found.
    let loops = folder.path().join(".deployer/supervisors/loop.sh");
    std::fs::write(loops, "#!/bin/sh\nwhile true; do date; done\n").unwrap();
    let found = run(folder.path(), &["check", "--strict"]).ended(1);
    assert!(found.stderr.contains("warning[busy-loop]"), "{}", found.stderr);
}

#[test]
fn explain_has_a_page_for_each_check() {
    let folder = tempfile::tempdir().unwrap();
    let all = run(folder.path(), &["explain"]).ended(0).stdout;
    assert!(all.lines().count() > 10, "{all}");
    for line in all.lines() {
        let (name, summary) = line.split_once("  ").unwrap();
        let page = run(folder.path(), &["explain", name]).ended(0).stdout;
        assert!(page.starts_with(&format!("{name}: {}\n", summary.trim_start())), "{page}");
        assert!(page.contains(&format!("lint: {{allow: [{name}]}}")), "{page}");
    }
    let found = document(&run(folder.path(), &["explain", "user-root", "--json"]), "explanation");
    assert_eq!(found["checks"][0]["name"], "user-root");
    let unknown = run(folder.path(), &["explain", "user-rot"]).ended(2);
    assert!(unknown.stderr.contains("'user-root'"), "{}", unknown.stderr);
}
