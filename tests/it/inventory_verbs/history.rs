//! `history` and `rollback`: which revisions there were, and back to one of them.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "looks at the files of a host")]

use super::{applied_host, document, wants};
use crate::site::{Deployed, Host};

/// A host with two revisions of `a.com`: `w` alone, then a changed `w` and `v`.
fn host_of_two_revisions() -> Option<Host> {
    let host = applied_host()?;
    Deployed::of(&host, "a.com").worker("v");
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 7", "program: v, script: v.sh"]);
    host.run(&["apply", "--yes"]).ended(0).says("Site a.com: applied as revision 2\n");
    Some(host)
}

fn stop_seconds(host: &Host) -> String {
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    text.lines().find(|line| line.starts_with("stopwaitsecs=")).unwrap().to_owned()
}

#[test]
fn a_rollback_goes_to_the_former_revision_and_forward_again() {
    let Some(host) = host_of_two_revisions() else { return };
    assert_eq!(stop_seconds(&host), "stopwaitsecs=7");
    host.run(&["rollback", "--yes"]).ended(0).says("applied as revision 3\n");
    assert_eq!(stop_seconds(&host), "stopwaitsecs=3600");
    assert_eq!(host.groups(), ["a.com-w"]);
    host.wait_running(&["a.com-w:a.com-w"]);
    host.run(&["rollback", "--yes", "--to", "2"]).ended(0).says("applied as revision 4\n");
    assert_eq!(stop_seconds(&host), "stopwaitsecs=7");
    assert_eq!(host.groups(), ["a.com-v", "a.com-w"]);
    host.wait_running(&["a.com-w:a.com-w", "a.com-v:a.com-v"]);
    // The inventory still says revision 2: nothing is to be done.
    host.run(&["plan", "--exit-code"]).ended(0);
    let run = host.run(&["history"]).ended(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", run.stdout);
    assert_eq!(lines[0], "Site a.com on here");
    for (line, purpose) in lines[1..].iter().zip(["apply", "apply", "rollback", "rollback to 2"]) {
        let told = format!("  {purpose} by {}", host.user);
        assert!(line.ends_with(&told), "{line}");
    }
    let json = host.run(&["history", "--json"]).ended(0);
    let history = document(&json, "history");
    let revisions = history["sites"][0]["revisions"].as_array().unwrap().clone();
    let numbers: Vec<u64> = revisions.iter().map(|one| one["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[test]
fn a_revision_says_which_run_it_is_of_and_why() {
    let Some(host) = host_of_two_revisions() else { return };
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 8"]);
    let inventory = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    std::fs::write(host.path("home/deployer.yml"), format!("name: shop\n{inventory}")).unwrap();
    host.run(&["apply", "--yes", "-m", "why\u{1b}[2J not"]).ended(0);
    let run = |number: u32| {
        let record = host.state().join(format!("sites/a.com/revisions/{number:08}.json"));
        let record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
        record["origin"]["run"].clone()
    };
    assert!(run(2)["id"].as_str().unwrap() <= run(3)["id"].as_str().unwrap());
    assert_ne!(run(2)["id"], run(3)["id"]);
    assert_eq!(run(3)["message"], "why\u{1b}[2J not");
    assert_eq!(run(3)["command"], "apply");
    assert_eq!(run(3)["inventory"]["name"], "shop");
    assert_eq!(run(2)["inventory"]["path"], host.path("home/deployer.yml").to_str().unwrap());
    assert!(run(2)["inventory"]["name"].is_null() && run(2)["message"].is_null());
    host.run(&["apply", "--yes", "-m", &"x".repeat(501)]).ended(2);
}

#[test]
fn a_rollback_asks_too_and_one_to_what_is_there_does_nothing() {
    let Some(host) = host_of_two_revisions() else { return };
    let before = host.snapshot();
    host.run(&["rollback"]).ended(2).says("stopwaitsecs=3600");
    host.run(&["rollback", "--yes", "--to", "2"]).ended(0).says("nothing to do");
    let run = host.run(&["rollback", "--yes", "--to", "9"]).ended(1);
    assert!(run.stderr.contains("has no revision 9"), "{}", run.stderr);
    before.assert_same(&host.snapshot());
}

#[test]
fn the_first_revision_has_none_before_it() {
    let Some(host) = applied_host() else { return };
    let before = host.snapshot();
    let run = host.run(&["rollback", "--yes"]).ended(1);
    assert!(run.stderr.contains("has no revision before"), "{}", run.stderr);
    before.assert_same(&host.snapshot());
    wants(&host, &["program: w, script: w.sh"]);
    host.inventory(&super::site("never.com", &["program: w, script: w.sh"]));
    host.run(&["history"]).ended(0).says("nothing was applied yet");
}

#[test]
fn a_record_of_a_newer_version_or_a_damaged_one_is_refused() {
    let Some(host) = applied_host() else { return };
    let record = host.state().join("sites/a.com/revisions/00000001.json");
    let text = std::fs::read_to_string(&record).unwrap();
    for (broken, expected) in [
        (text.replacen("\"version\":1", "\"version\":2", 1), "has version 2"),
        (text[..text.len() / 2].to_owned(), "is damaged"),
        (String::new(), "is damaged"),
    ] {
        std::fs::write(&record, broken).unwrap();
        wants(&host, &["program: w, script: w.sh, stopwaitsecs: 9"]);
        let before = host.snapshot();
        for arguments in
            [&["plan"][..], &["apply", "--yes"], &["history"], &["rollback", "--yes", "--to", "1"]]
        {
            let run = host.run(arguments).ended(1);
            let path = record.display().to_string();
            assert!(run.stderr.contains(expected), "{arguments:?}: {}", run.stderr);
            assert!(run.stderr.contains(&path), "{arguments:?}: {}", run.stderr);
            assert!(run.stderr.contains("Hint: "), "{arguments:?}: {}", run.stderr);
        }
        before.assert_same(&host.snapshot());
    }
}

/// Verbs that only look say with their status, as `apply` does, that some sites have no answer.
#[test]
fn a_site_without_an_answer_does_not_pass_for_all_or_for_none() {
    let Some(host) = applied_host() else { return };
    host.deploy("b.com").worker("w");
    let program = ["program: w, script: w.sh"];
    host.inventory(&[super::site("a.com", &program), super::site("b.com", &program)].concat());
    let record = host.state().join("sites/a.com/revisions/00000001.json");
    std::fs::write(&record, "").unwrap();
    let before = host.snapshot();
    for verb in ["plan", "history", "status"] {
        let run = host.run(&[verb]).ended(6).complains("is damaged");
        assert!(run.stdout.contains("Site b.com"), "{verb}: {}", run.stdout);
    }
    host.run(&["plan", "--site", "a.com"]).ended(1);
    before.assert_same(&host.snapshot());
}

#[test]
fn a_site_without_a_folder_does_not_keep_another_from_its_runner() {
    let Some(host) = Host::start() else { return };
    host.deploy("a.com");
    let program = ["program: w, script: w.sh"];
    host.inventory(&[super::site("a.com", &program), super::site("b.com", &program)].concat());
    let run = host.run(&["runner"]).ended(6).complains("b.com");
    assert!(run.stdout.contains("a.com/runner.sh"), "{}", run.stdout);
    host.run(&["runner", "--site", "b.com"]).ended(1);
}
