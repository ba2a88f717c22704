//! Where hints are printed that no other test comes across: each is followed, and gets the person on.

#![expect(clippy::disallowed_methods, reason = "makes the situations")]

use super::Hint;
use crate::daemon::{PATIENCE, wait_until};
use crate::site::{Host, Invocation};
use crate::verbs::{applied_host, wants};

#[test]
fn verbs_of_other_tools() {
    let host = or_skip!(applied_host());
    for (typed, hint) in [
        ("deploy", Hint("make the servers match the inventory: supervisor-sync apply")),
        ("up", Hint("supervisor-sync apply")),
        ("down", Hint("supervisor-sync stop")),
        ("up", Hint("or, of what is stopped: supervisor-sync start")),
        ("destroy", Hint("or a whole site: supervisor-sync apply --prune")),
        ("doctor", Hint("the inventory: supervisor-sync check")),
    ] {
        let said = host.run(&[typed]).ended(2).stderr;
        host.follow(&said, hint).ended(0);
    }
}

#[test]
fn no_inventory_yet_and_one_already() {
    let host = or_skip!(Host::start());
    let said = host.run(&["plan"]).ended(1).stderr;
    let asked = host.follow(&said, Hint("begin one: supervisor-sync init")).ended(2).stderr;
    host.follow(&asked, Hint("say it: supervisor-sync {}")).ended(0);
    let said = host.run(&["init", "--here"]).ended(1).stderr;
    host.follow(&said, Hint("see what it says: supervisor-sync check")).ended(0);
}

#[test]
fn nothing_is_applied_yet() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    host.deployed("a.com").crasher("bad");
    wants(&host, &["program: w, script: w.sh"]);
    for run in [&["rollback", "--yes"][..], &["rollback", "--yes", "20200101-000000-0000"]] {
        let said = host.run(run).ended(1).stderr;
        host.follow(&said, Hint("see their runs: supervisor-sync history")).ended(0);
    }
    let said = host.run(&["start", "w"]).ended(1).stderr;
    host.follow(&said, Hint("apply it: supervisor-sync apply --site {}")).ended(0);
    let said = host.run(&["rollback", "--yes", "--site", "a.com", "--to", "99"]).ended(1).stderr;
    host.follow(&said, Hint("see them: supervisor-sync history --site {}")).ended(0);
    wants(&host, &["program: w, script: w.sh", "program: bad, script: bad.sh, autostart: false"]);
    host.run(&["apply", "--yes"]).ended(0);
    let said = host.run(&["start", "bad"]).ended(5).stderr;
    let look = host.follow(&said, Hint("look: supervisor-sync status --site {}")).ended(3);
    assert!(look.stdout.contains("bad"), "{}", look.stdout);
    let said = host.run(&["apply", "--yes", "--prune=gone.com"]).ended(1).stderr;
    host.follow(&said, Hint("see what has left: supervisor-sync plan")).ended(0);
}

#[test]
fn stopped_program_changes() {
    let host = or_skip!(applied_host());
    host.stop_by_hand("a.com-w:a.com-w");
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 7"]);
    let said = host.run(&["plan"]).ended(0).stdout;
    host.run(&["apply", "--yes"]).ended(0);
    let hint = Hint("it was stopped by hand; `supervisor-sync start");
    host.follow(&said, hint).ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
}

#[test]
fn edit_is_not_for_us() {
    let host = or_skip!(applied_host());
    let said = host.run(&["set", "a.com", "w", "--unset", "zzzzzz", "--yes"]).ended(1).stderr;
    let hint = Hint("the keys are in docs/inventory.md, and in: supervisor-sync schema");
    host.follow(&said, hint).ended(0);
    wants(&host, &["program: w, script: w.sh, <<: {stopwaitsecs: 5}"]);
    let said = host.run(&["set", "a.com", "w", "--unset", "stopwaitsecs", "--yes"]).ended(1).stderr;
    let hint = Hint("edit it there by hand, then: supervisor-sync apply --site {}");
    host.follow(&said, hint).ended(0);
}

#[test]
fn unknown_check_is_allowed() {
    let host = or_skip!(applied_host());
    let path = host.path("home/deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\nlint: {{allow: [user-rot]}}\n")).unwrap();
    let said = host.run(&["check"]).ended(1).stderr;
    let listed = host.follow(&said, Hint("`supervisor-sync explain")).ended(0);
    assert!(listed.stdout.contains("user-root"), "{}", listed.stdout);
}

/// An apply that was killed while it waited, and the run before it.
fn killed() -> Option<(Host, String)> {
    let host = applied_host()?;
    host.deployed("a.com").drainer("w");
    host.run(&["restart", "--yes"]).ended(0);
    host.wait_starts("a.com-w", 2);
    let history = host.run(&["history"]).ended(0).stdout;
    let first = history.lines().rfind(|line| line.starts_with("20")).unwrap()[..20].to_owned();
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 600"]);
    let run = host.command(&["apply", "--yes"]).spawn();
    wait_until(PATIENCE, "it waits", || run.stderr().contains("Waiting for a.com-w"));
    drop(run);
    Some((host, first))
}

#[test]
fn run_has_never_ended() {
    for hint in [
        Hint("take that back first, supervisor-sync rollback {}"),
        Hint("or finish it: supervisor-sync apply --site {}"),
    ] {
        let (host, first) = or_skip!(killed());
        let said = host.run(&["rollback", "--yes", &first]).ended(1).stderr;
        host.open_gate();
        host.follow(&said, hint).ended(0);
        host.wait_running(&["a.com-w:a.com-w"]);
    }
    let (host, _) = or_skip!(killed());
    let said = host.run(&["release", "a.com", "--yes"]).ended(1);
    host.open_gate();
    let said = format!("{}{}", said.stdout, said.stderr);
    host.follow(&said, Hint("finish it first: supervisor-sync apply --site {}")).ended(0);
}

#[test]
fn run_is_no_change() {
    let host = or_skip!(applied_host());
    host.run(&["restart", "--yes"]).ended(0);
    let run = host.run(&["history"]).ended(0).stdout.lines().next().unwrap()[..20].to_owned();
    let said = host.run(&["rollback", "--yes", &run]).ended(1).stderr;
    host.follow(&said, Hint("see the runs: supervisor-sync history")).ended(0);
    let said = host.run(&["history", "--diff", &run]).ended(1).stderr;
    host.follow(&said, Hint("see what became of it: supervisor-sync history")).ended(0);
}

/// A failed apply that cannot put back what there was: the folder of the files has gone meanwhile.
#[test]
fn undo_fails() {
    let host = or_skip!(applied_host());
    let (folder, away) = (host.daemon.conf_dir(), host.path("away"));
    let text = format!("#!/bin/sh\nmv {} {}\nexit 1\n", folder.display(), away.display());
    host.deployed("a.com").script("bad.sh", &text);
    wants(&host, &["program: w, script: w.sh", "program: bad, script: bad.sh"]);
    let said = host.run(&["apply", "--yes"]).ended(5).stderr;
    std::fs::rename(away, folder).unwrap();
    host.deployed("a.com").worker("bad");
    let hint = Hint("fix that, then run it again: supervisor-sync apply --site {}");
    host.follow(&said, hint).ended(0);
    host.wait_running(&["a.com-w:a.com-w", "a.com-bad:a.com-bad"]);
}

/// A plan that is longer than a comment of a pull request may be.
#[test]
fn plan_is_too_long_for_a_comment() {
    let host = or_skip!(Host::start());
    let program = |n| format!("      - {{program: p{n}, command: sleep {}1}}\n", "1".repeat(90));
    let programs: String = (0..900).map(program).collect();
    host.inventory(&format!("  - domain: a.com\n    server: here\n    supervisors:\n{programs}"));
    let said = host.run(&["plan", "--diff", "--format", "markdown"]).ended(0).stdout;
    assert!(said.len() <= 65_000, "{}", said.len());
    host.follow(&said, Hint("All of it: `supervisor-sync plan")).ended(0);
}

#[test]
fn inventory_has_warnings() {
    let host = or_skip!(applied_host());
    wants(&host, &["program: w, command: sleep 100, user: root"]);
    let said = host.run(&["check"]).ended(0).stdout;
    host.follow(&said, Hint("Why: supervisor-sync explain {}")).ended(0);
}

/// Records that nobody can read.
#[test]
fn record_is_damaged() {
    let host = or_skip!(applied_host());
    let revision = host.state().join("sites/a.com/revisions/00000001.json");
    std::fs::write(&revision, "{").unwrap();
    let said = host.run(&["apply", "--yes"]).stderr;
    host.follow(&said, Hint("mv {} {}")).ended(0);
    assert!(!revision.exists());
}

#[test]
fn names_and_several_sites() {
    let host = or_skip!(Host::start());
    ["a.com", "b.com"].iter().for_each(|domain| host.deploy(domain).worker("w"));
    let site = |domain| {
        format!(
            "  - {{domain: {domain}, server: here, supervisors: [{{program: w, script: w.sh}}]}}\n"
        )
    };
    host.inventory(&(site("a.com") + &site("b.com")));
    host.run(&["apply", "--yes"]).ended(0);
    let said = host.run(&["history", "--diff", "1"]).ended(2).stderr;
    host.follow(&said, Hint("name it, as in: supervisor-sync {}")).ended(0);
}

#[test]
fn script_of_another_tool_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| Invocation::in_folder(folder.path(), arguments).run();
    let scripts = folder.path().join("playbooks");
    std::fs::create_dir(&scripts).unwrap();
    for (text, hint) in [
        ("echo nothing that is known\n", Hint("there by hand: less {}")),
        (
            "# >>> supervisor-sync >>>\n",
            Hint("remove the lines yourself: grep -n 'supervisor-sync [<>]' {}"),
        ),
    ] {
        for name in ["supervisor-sync.sh", "helpers.sh"] {
            std::fs::write(scripts.join(name), text).unwrap();
        }
        let place = folder.path().display().to_string();
        let said = run(&["integrate", "deployer-php", &place]).ended(1).stderr;
        let command = |arguments: &[&str]| Invocation::in_folder(folder.path(), arguments);
        super::follow(command, &said, hint).ended(0);
    }
}
