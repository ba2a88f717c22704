//! `check --on`: what a host's supervisord includes, whoever wrote it, and what only the host knows.

#![expect(clippy::disallowed_methods, reason = "writes configs and scripts")]

use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};

use super::{document, documents, site, wants};
use crate::site::{Host, Run};

/// A host with files of other people: two programs that cannot start, one whose script hurts, one that is fine,
/// and what cannot be read.
fn furnished() -> Option<Host> {
    let host = Host::start()?;
    let (log, user) = (host.log("f"), &host.user);
    let text = format!(
        "; by hand\n[program:f]\ncommand=no-such-command x --token hunter2\ndirectory=/no/such\nuser={user}\n\
         numprocs=2\nprocess_name=%(process_num)d\nautostart=false\nstdout_logfile={}\n\
         environment=DB_PASSWORD=\"hunter2\"\n",
        log.display()
    );
    host.daemon.write_conf("f", &text);
    let script = host.path("home/s.sh");
    std::fs::write(&script, "#!/bin/sh\n# a comment\nsleep 1000 &\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let text =
        |command: &str| format!("[program:s]\ncommand={command}\nuser={user}\nautostart=false\n");
    host.daemon.write_conf("s", &text(script.to_str().unwrap()));
    host.daemon.write_conf("fine", &text("/bin/cat").replace("program:s", "program:fine"));
    symlink("nowhere", host.daemon.conf_dir().join("gone.conf")).unwrap();
    Some(host)
}

/// `check FILE:LINE`, sorted, without the folder; that the tests may run as root is no finding of theirs.
fn found_in(document: &Value) -> Vec<String> {
    let lints = document["lints"].as_array().unwrap().iter();
    let lints = lints.filter(|lint| lint["check"] != "user-root");
    let mut found: Vec<String> = lints
        .map(|lint| {
            let file = lint["file"].as_str().unwrap().rsplit('/').next().unwrap();
            format!("{} {file}:{}", lint["check"].as_str().unwrap(), lint["line"])
        })
        .collect();
    found.sort_unstable();
    found
}

fn check_on(host: &Host) -> Run {
    let before = host.snapshot();
    let run = host.run(&["check", "--on", "here", "--json"]).ended(0);
    before.assert_same(&host.snapshot());
    run
}

#[test]
fn files_of_others_are_looked_at_and_left_alone() {
    let host = or_skip!(furnished());
    wants(&host, &[]);
    let found = document(&check_on(&host), "host_check");
    assert_eq!(found["host"], "here");
    assert_eq!(
        found_in(&found),
        [
            "background-process s.sh:3",
            "missing-command f.conf:3",
            "missing-directory f.conf:4",
            "plain-secret f.conf:3",
            "shared-log f.conf:9",
        ]
    );
    assert_eq!((&found["files"], &found["programs"]), (&json!(4), &json!(3)));
    let [unreadable] = &found["unreadable"].as_array().unwrap()[..] else { panic!("{found}") };
    assert!(unreadable["path"].as_str().unwrap().ends_with("gone.conf"));
    assert!(!found.to_string().contains("hunter2"), "{found}");
}

/// supervisord passes over such a file without a word, and so its programs are gone at the next reread.
#[test]
fn file_that_a_user_may_not_read_is_named() {
    if crate::daemon::current_user() != "root" {
        return crate::python::missing("being root");
    }
    let options = crate::daemon::Options { user: Some("daemon".to_owned()), ..Default::default() };
    let host = or_skip!(Host::start_with(options));
    host.daemon.write_conf("f", "[program:f]\ncommand=no-such-command\nautostart=false\n");
    host.daemon.write_conf("private", "[program:p]\ncommand=no-such-command\n");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(host.conf("private"), private).unwrap();
    wants(&host, &[]);
    let found = document(&host.run(&["check", "--on", "here", "--json"]).ended(0), "host_check");
    assert_eq!(found_in(&found), ["missing-command f.conf:2"]);
    let [unreadable] = &found["unreadable"].as_array().unwrap()[..] else { panic!("{found}") };
    assert!(unreadable["path"].as_str().unwrap().ends_with("private.conf"), "{unreadable}");
    assert!(unreadable["reason"].as_str().unwrap().contains("Permission denied"), "{unreadable}");
}

#[test]
fn program_without_a_user_runs_as_supervisord_does() {
    let host = or_skip!(Host::start());
    host.daemon.write_conf("f", "[program:f]\ncommand=/bin/cat\nautostart=false\n");
    wants(&host, &[]);
    let found = document(&check_on(&host), "host_check");
    let is_root = found["lints"].as_array().is_some_and(|lints| {
        lints.iter().any(|lint| lint["check"] == "user-root" && lint["line"] == 1)
    });
    assert_eq!(is_root, host.user == "root", "{found}");
}

/// What is wanted and not there yet is found before an apply finds it, at its line of the inventory.
#[test]
fn what_is_wanted_is_held_against_the_host() {
    let host = or_skip!(Host::start());
    let site_a = host.deploy("a.com");
    site_a.worker("w");
    site_a.script("v.sh", "#!/bin/sh\nwhile true; do cat /dev/null; done\n");
    let programs = [
        "program: w, script: w.sh",
        "program: x, command: no-such-command x",
        "program: y, command: cat, directory: /no/such",
        "program: z, command: no-such-command z, lint: {allow: [missing-command]}",
        "program: v, script: v.sh",
    ];
    wants(&host, &programs);
    let found = document(&check_on(&host), "host_check");
    let text = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    let line = |program: &str| {
        text.lines().position(|line| line.contains(&format!("program: {program},"))).unwrap() + 1
    };
    assert_eq!(
        found_in(&found),
        [
            "busy-loop v.sh:2".to_owned(),
            format!("missing-command deployer.yml:{}", line("x")),
            format!("missing-directory deployer.yml:{}", line("y")),
        ]
    );
}

/// Files that the inventory wrote are looked at in the inventory, and said of nobody twice.
#[test]
fn own_files_are_not_told_twice() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh, startsecs: 0"]);
    host.run(&["apply", "--yes"]).ended(0);
    let run = check_on(&host);
    let in_inventory = found_in(&document(&run, "check"));
    assert!(in_inventory[0].starts_with("startsecs-zero deployer.yml:"), "{in_inventory:?}");
    let on_host = document(&run, "host_check");
    assert_eq!(found_in(&on_host), [""; 0]);
    assert_eq!(on_host["programs"], 1);
}

#[test]
fn hosts_are_looked_at_over_any_connection() {
    let host = or_skip!(furnished());
    wants(&host, &[]);
    let here = found_in(&document(&check_on(&host), "host_check"));
    let path = host.path("home/deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let exec = "servers:\n  - {name: gone, exec: [\"false\"]}\n  - {name: far, exec: [env], privilege: none}\n";
    std::fs::write(&path, text.replacen("servers:\n", exec, 1)).unwrap();
    let far = host.run(&["check", "--on", "far", "--json"]).ended(0);
    assert_eq!(found_in(&document(&far, "host_check")), here);
    let both = host.run(&["check", "--on", "far,gone", "--json"]).ended(6);
    let kinds: Vec<Value> = documents(&both).iter().map(|one| one["kind"].clone()).collect();
    assert_eq!(kinds, ["check", "error", "host_check"]);
}

#[test]
fn host_is_told_for_people_and_in_annotations() {
    let host = or_skip!(furnished());
    host.inventory(&site("a.com", &[]));
    let text = host.run(&["check", "--on", "here"]).ended(0);
    assert!(text.stdout.contains("Host here: 4 files, 3 programs, "), "{}", text.stdout);
    let f = host.conf("f").display().to_string();
    let place = format!(" --> {f}:3:1\n");
    assert!(text.stderr.contains("warning[missing-command]: `f` cannot start"), "{}", text.stderr);
    assert!(text.stderr.contains(&place), "{}", text.stderr);
    assert!(text.stderr.contains("here: cannot look at "), "{}", text.stderr);
    let github = host.run(&["check", "--on", "here", "--format", "github"]).ended(0);
    let line =
        format!("::warning file={f},line=3,col=1,title=missing-command::on here: `f` cannot start");
    assert!(github.stdout.contains(&line), "{}", github.stdout);
    let strict = host.run(&["check", "--on", "here", "--strict"]).ended(1);
    assert!(strict.stderr.contains("error: `--strict` refuses "), "{}", strict.stderr);
}
