//! `config_files: per-site`: one supervisor config for all programs of a site.

#![expect(clippy::disallowed_methods, reason = "looks at the files of a host")]

use super::{IMPATIENT, site};
use crate::site::{Host, names};

const BOTH: [&str; 2] = ["program: v, script: v.sh", "program: w, script: w.sh"];

fn wants(host: &Host, config_files: &str, programs: &[&str]) {
    let top = format!("{IMPATIENT}\nconfig_files: {config_files}");
    host.inventory_with(&top, &site("a.com", programs));
}

/// `a.com` runs `v` and `w`, spread over files like this.
fn applied(config_files: &str) -> Option<Host> {
    let host = Host::start()?;
    let deployed = host.deploy("a.com");
    deployed.worker("v");
    deployed.worker("w");
    wants(&host, config_files, &BOTH);
    host.run(&["apply", "--yes"]).ended(0);
    Some(host)
}

fn pids(host: &Host) -> Vec<i64> {
    host.wait_running(&["a.com-v:a.com-v", "a.com-w:a.com-w"])
}

fn configs(host: &Host) -> Vec<String> {
    names(&host.daemon.conf_dir())
}

#[test]
fn common_file_restarts_nothing() {
    let host = or_skip!(applied("per-program"));
    let before = pids(&host);
    assert_eq!(configs(&host), ["a.com-v.conf", "a.com-w.conf"]);
    wants(&host, "per-site", &BOTH);
    host.run(&["plan"]).ended(0).says("+ ").says("a.com.conf");
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(configs(&host), ["a.com.conf"]);
    assert_eq!(pids(&host), before);
    host.run(&["plan", "--exit-code"]).ended(0);
    host.run(&["status"]).ended(0);
    host.run(&["rollback", "--yes"]).ended(0);
    assert_eq!(configs(&host), ["a.com-v.conf", "a.com-w.conf"]);
    assert_eq!(pids(&host), before);
}

#[test]
fn one_program_of_file_changes() {
    let host = or_skip!(applied("per-site"));
    let before = pids(&host);
    let changed =
        ["program: v, script: v.sh, stopwaitsecs: 7", "program: w, script: w.sh, stopwaitsecs: 8"];
    wants(&host, "per-site", &changed);
    host.run(&["apply", "--yes", "--program", "v"]).ended(0);
    let after = pids(&host);
    assert!(after[0] != before[0] && after[1] == before[1], "{before:?} {after:?}");
    let text = std::fs::read_to_string(host.conf("a.com")).unwrap();
    assert!(text.contains("stopwaitsecs=7") && !text.contains("stopwaitsecs=8"), "{text}");
    // What is left of the inventory is still told.
    host.run(&["plan", "--exit-code"]).ended(3);
    host.run(&["apply", "--yes"]).ended(0);
    let last = pids(&host);
    assert!(last[0] == after[0] && last[1] != after[1], "{after:?} {last:?}");
    host.run(&["plan", "--exit-code"]).ended(0);
}

#[test]
fn removed_program_leaves_common_file() {
    let host = or_skip!(applied("per-site"));
    let before = pids(&host);
    wants(&host, "per-site", &BOTH[1..]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(host.groups(), ["a.com-w"]);
    assert_eq!(host.wait_running(&["a.com-w:a.com-w"]), before[1..]);
    wants(&host, "per-site", &[]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(configs(&host), [""; 0]);
    assert_eq!(host.groups(), [""; 0]);
}

/// One program goes over before the other.
#[test]
fn programs_change_files_separately() {
    let host = or_skip!(applied("per-program"));
    let before = pids(&host);
    wants(&host, "per-site", &BOTH);
    host.run(&["apply", "--yes", "--program", "w"]).ended(0);
    assert_eq!(configs(&host), ["a.com-v.conf", "a.com.conf"]);
    assert_eq!(pids(&host), before);
    wants(&host, "per-program", &BOTH);
    host.run(&["apply", "--yes", "--program", "v"]).ended(0);
    assert_eq!(configs(&host), ["a.com-v.conf", "a.com.conf"], "w is still in it");
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(configs(&host), ["a.com-v.conf", "a.com-w.conf"]);
    assert_eq!(pids(&host), before);
}

#[test]
fn edit_names_its_program() {
    let host = or_skip!(applied("per-site"));
    let text = std::fs::read_to_string(host.conf("a.com")).unwrap();
    let (head, tail) = text.split_once("[program:a.com-w]").unwrap();
    let edited =
        format!("{head}[program:a.com-w]{}", tail.replace("autostart=true", "autostart=false"));
    std::fs::write(host.conf("a.com"), edited).unwrap();
    let run = host.run(&["status", "--json"]).ended(3);
    let status: serde_json::Value =
        serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
    let programs = status["sites"][0]["status"]["programs"].as_array().unwrap();
    let drift = |name: &str| {
        let program = programs.iter().find(|program| program["program"] == name).unwrap();
        program["drift"].to_string().contains("a.com.conf")
    };
    assert!(drift("w") && !drift("v"), "{status}");
}

#[test]
fn foreign_common_file_is_refused() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    host.daemon.write_conf("a.com", "[program:theirs]\ncommand=/bin/sleep 1000\n");
    wants(&host, "per-site", &BOTH[1..]);
    let before = host.snapshot();
    let run = host.run(&["apply", "--yes"]).ended(1);
    run.complains("a.com.conf").complains("holds the section [program:theirs]");
    before.assert_same(&host.snapshot());
    // With a file for each program it is nobody's business.
    wants(&host, "per-program", &BOTH[1..]);
    let run = host.run(&["apply", "--yes"]).ended(0);
    assert!(!run.stdout.contains("a.com.conf"), "{}", run.stdout);
}
