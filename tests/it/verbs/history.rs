//! `history` and `rollback`: which revisions there were, and back to one of them.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "looks at the files of a host")]

use super::{applied_host, document, wants};
use crate::hints::Hint;
use crate::site::{Deployed, Host};

/// A host with two revisions of `a.com`: `w` alone, then a changed `w` and `v`.
fn host_of_two_revisions() -> Option<Host> {
    let host = applied_host()?;
    Deployed::of(&host, "a.com").worker("v");
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 7", "program: v, script: v.sh"]);
    host.run(&["apply", "--yes"]).ended(0).says("Site a.com: applied as revision 2\n");
    Some(host)
}

/// Each run of a history with the lines of its sites.
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match blocks.last_mut() {
            Some((_, sites)) if line.starts_with("  ") => sites.push(line),
            _ => blocks.push((line, Vec::new())),
        }
    }
    blocks
}

/// A host with `a.com` and `b.com`, applied in one run; the second run changed `b.com` alone.
fn host_of_two_sites() -> Option<Host> {
    let host = Host::start()?;
    for domain in ["a.com", "b.com"] {
        host.deploy(domain).worker("w");
    }
    two_sites(&host, 3600);
    host.run(&["apply", "--yes", "-m", "both"]).ended(0);
    two_sites(&host, 7);
    host.run(&["apply", "--yes", "-m", "b alone"]).ended(0);
    Some(host)
}

fn two_sites(host: &Host, seconds_of_b: u32) {
    let b = format!("program: w, script: w.sh, stopwaitsecs: {seconds_of_b}");
    let sites = [super::site("a.com", &["program: w, script: w.sh"]), super::site("b.com", &[&b])];
    host.inventory_with(super::IMPATIENT, &sites.concat());
}

/// Ctrl-C while the verb waits for `w` of `a.com` to stop.
fn interrupt_while_it_waits(host: &Host, arguments: &[&str]) {
    let run = host.command(arguments).spawn();
    crate::daemon::wait_until(crate::daemon::PATIENCE, "it waits", || {
        run.stderr().contains("Waiting for a.com-w")
    });
    crate::daemon::signal(run.id(), rustix::process::Signal::INT);
    run.wait().ended(130);
}

/// A rollback takes back a run where the run changed something.
#[test]
fn rollback_skips_unchanged_sites() {
    let host = or_skip!(host_of_two_sites());
    let seconds = |seconds: u32| {
        let text = std::fs::read_to_string(host.conf("b.com-w")).unwrap();
        assert!(text.contains(&format!("stopwaitsecs={seconds}\n")), "{text}");
    };
    let kept = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    seconds(7);
    let run = host.run(&["rollback", "--yes", "-m", "b was wrong"]).ended(0);
    assert!(run.stdout.starts_with("Takes back run "), "{}", run.stdout);
    let first = run.stdout.lines().next().unwrap();
    assert!(first.ends_with(": b alone") && first.contains("  apply by "), "{first}");
    let run = run.says("  here  a.com: not changed by it, left\n");
    let run = run.says("  here  b.com: to revision 1\n");
    assert!(!run.stdout.contains("nothing to do"), "{}", run.stdout);
    seconds(3600);
    assert_eq!(std::fs::read_to_string(host.conf("a.com-w")).unwrap(), kept);

    // The second one goes further back, not forth: to before the first run, where nothing is.
    let before = host.snapshot();
    let run = host.run(&["rollback", "--yes"]).ended(1);
    assert!(run.stdout.lines().next().unwrap().ends_with(": both"), "{}", run.stdout);
    run.says("a.com: refused: it has no revision before that run").says("b.com: refused: ");
    before.assert_same(&host.snapshot());
    let text = host.run(&["history"]).ended(0).stdout;
    let ends: Vec<_> = blocks(&text).into_iter().flat_map(|(_, sites)| sites).collect();
    assert_eq!(
        ends,
        [
            "  here  b.com: revision 3, present",
            "  here  b.com: revision 2, taken back",
            "  here  a.com: revision 1, present",
            "  here  b.com: revision 1",
        ]
    );
}

/// A run that others came after is refused there, and the others go on.
#[test]
fn superseded_run_is_refused_per_site() {
    let host = or_skip!(Host::start());
    for domain in ["a.com", "b.com"] {
        host.deploy(domain).worker("w");
    }
    let wants = |a: u32, b: u32| {
        let program = |seconds: u32| format!("program: w, script: w.sh, stopwaitsecs: {seconds}");
        let sites =
            [super::site("a.com", &[&program(a)]), super::site("b.com", &[&program(b)])].concat();
        host.inventory_with(super::IMPATIENT, &sites);
        host.run(&["apply", "--yes"]).ended(0);
    };
    wants(1, 1);
    wants(2, 2);
    wants(2, 3);
    let text = host.run(&["history"]).ended(0).stdout;
    let ids: Vec<String> = blocks(&text).iter().map(|(run, _)| run[..20].to_owned()).collect();
    let run = host.run(&["rollback", "--yes", &ids[1]]).ended(6);
    run.says("  here  a.com: to revision 1\n").says(&format!(
        "  here  b.com: refused: run {} has changed it since, take that back first\n",
        ids[0]
    ));
    let unknown = host.run(&["rollback", "--yes", "20200101-000000-0000"]).ended(1);
    assert!(unknown.stderr.contains("no run 20200101-000000-0000 has"), "{}", unknown.stderr);
    assert!(unknown.stderr.contains(&ids[0]), "{}", unknown.stderr);
    host.run(&["rollback", "--yes", "../../x"]).ended(2);
    // What was taken back already is not taken back twice.
    let again = host.run(&["rollback", "--yes", "--site", "a.com", &ids[1]]).ended(1);
    assert!(again.stderr.contains("taken back already by run "), "{}", again.stderr);
}

#[test]
fn history_tells_failed_runs() {
    let host = or_skip!(applied_host());
    host.run(&["restart", "--yes", "-m", "new code"]).ended(0);
    host.deployed("a.com").crasher("bad");
    wants(&host, &["program: w, script: w.sh", "program: bad, script: bad.sh, autorestart: false"]);
    host.run(&["apply", "--yes"]).ended(4);
    let text = host.run(&["history"]).ended(0).stdout;
    let found = blocks(&text);
    assert!(found[0].1[0].starts_with("  here  a.com: failed and rolled back: "), "{text}");
    assert!(found[1].0.ends_with(": new code"), "{text}");
    assert_eq!(found[1].1, ["  here  a.com: restarted"], "{text}");
    assert_eq!(found[2].1, ["  here  a.com: revision 1, present"], "{text}");
    let json = host.run(&["history", "--json"]).ended(0);
    let runs = document(&json, "runs")["runs"].clone();
    assert_eq!(runs[0]["sites"][0]["outcome"], "rolled_back");
    assert_eq!(runs[1]["message"], "new code");
    assert_eq!(runs[2]["sites"][0]["revision"], 1);
    assert_eq!(runs[2]["sites"][0]["present"], true);
    assert_eq!(document(&json, "history")["sites"][0]["outcomes"][0]["end"], "restarted");
}

/// A killed run is told as interrupted, also when it was finished since.
#[test]
fn killed_run_reads_as_interrupted() {
    let host = or_skip!(applied_host());
    host.deployed("a.com").drainer("w");
    host.run(&["restart", "--yes"]).ended(0);
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 600"]);
    let mut run = host.command(&["apply", "--yes", "-m", "killed"]).spawn();
    crate::daemon::wait_until(crate::daemon::PATIENCE, "it waits", || {
        run.stderr().contains("Waiting for a.com-w")
    });
    let under_way = host.run(&["history"]).ended(0);
    assert_eq!(blocks(&under_way.stdout)[0].1, ["  here  a.com: under way"]);
    assert!(!run.has_ended());
    host.run(&["rollback", "--yes", &under_way.stdout[..20]]).ended(1).complains("is under way");
    // That is a kill -9.
    drop(run);
    let killed = host.run(&["history"]).ended(0);
    assert!(blocks(&killed.stdout)[0].0.ends_with(": killed"), "{}", killed.stdout);
    assert_eq!(blocks(&killed.stdout)[0].1, ["  here  a.com: interrupted"]);
    // What it has done so far is no revision yet: the run before it is not the one to take back.
    let first = blocks(&killed.stdout).last().unwrap().0[..20].to_owned();
    host.run(&["rollback", "--yes", &first])
        .ended(1)
        .complains(" has not ended there; take that back first, supervisor-sync rollback 20")
        .complains(", or finish it: supervisor-sync apply --site a.com");
    host.open_gate();
    host.run(&["apply", "--yes"]).ended(0);
    let text = host.run(&["history"]).ended(0).stdout;
    assert_eq!(blocks(&text)[0].1, ["  here  a.com: revision 2, present"], "{text}");
    let finished = format!("  here  a.com: interrupted, finished by run {}", &text[..20]);
    assert_eq!(blocks(&text)[1].1, [finished], "{text}");
    let json = document(&host.run(&["history", "--json"]).ended(0), "runs");
    assert_eq!(json["runs"][1]["sites"][0]["settled"]["how"], "finished");
    let run = host.run(&["rollback", "--yes", &blocks(&text)[1].0[..20]]).ended(1);
    assert!(run.stderr.contains("it was interrupted there, and finished by run"), "{}", run.stderr);
}

#[test]
fn rollback_takes_back_interrupted_run() {
    let host = or_skip!(applied_host());
    host.deployed("a.com").drainer("w");
    host.run(&["restart", "--yes"]).ended(0);
    let former = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 600"]);
    interrupt_while_it_waits(&host, &["apply", "--yes", "-m", "stopped"]);
    host.open_gate();
    let run = host.run(&["rollback", "--yes"]).ended(0).says("  here  a.com: to revision 1\n");
    assert!(run.stdout.lines().next().unwrap().ends_with(": stopped"), "{}", run.stdout);
    assert_eq!(std::fs::read_to_string(host.conf("a.com-w")).unwrap(), former);
    host.wait_running(&["a.com-w:a.com-w"]);
    let text = host.run(&["history"]).ended(0).stdout;
    let back = format!("  here  a.com: interrupted, taken back by run {}", &text[..20]);
    assert!(blocks(&text)[1].1[0].starts_with(&back), "{text}");
    assert_eq!(blocks(&text)[0].1, ["  here  a.com: revision 2, present"], "{text}");
    // The status says why it is not as the inventory has it.
    let status = host.run(&["status"]).ended(3);
    assert!(status.stdout.contains("; it was rolled back\n"), "{}", status.stdout);
    assert!(status.stdout.contains("  note: as after `rollback of 20"), "{}", status.stdout);
    // Nothing is left of the run.
    let again = host.run(&["rollback", "--yes", &blocks(&text)[1].0[..20]]).ended(1);
    assert!(again.stderr.contains("taken back already by run "), "{}", again.stderr);
}

#[test]
fn irreversible_run_explains_itself() {
    let host = or_skip!(host_of_two_revisions());
    host.run(&["restart", "--yes"]).ended(0);
    host.run(&["rollback", "--yes"]).ended(0);
    let text = host.run(&["history"]).ended(0).stdout;
    let ids: Vec<String> = blocks(&text).iter().map(|(run, _)| run[..20].to_owned()).collect();
    let says = |run: usize, text: &str| {
        host.run(&["rollback", "--yes", &ids[run]]).ended(1).complains(text);
    };
    says(
        0,
        "it is a rollback itself; go to the revision before it: supervisor-sync rollback --site a.com --to 2",
    );
    let said = host.run(&["rollback", "--yes", &ids[0]]).ended(1).stderr;
    says(1, "it only restarted programs, nothing to take back");
    says(2, &format!("taken back already by run {}", ids[0]));
    let hint = Hint("go to the revision before it: supervisor-sync rollback --site {} --to {}");
    host.follow(&said, hint).ended(0);
}

/// Control characters of a message are harmless, too.
#[test]
fn revision_diff_masks_secrets() {
    let host = or_skip!(applied_host());
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 7, environment: {TOKEN: hunter2}"]);
    host.run(&["apply", "--yes", "-m", "why\u{1b}[2J\nnot"]).ended(0);
    let run = host.run(&["history", "--diff", "2"]).ended(0);
    assert!(run.stdout.contains("\n-stopwaitsecs=3600\n+stopwaitsecs=7\n"), "{}", run.stdout);
    assert!(run.stdout.contains("a.com-w.conf (revision 1)\n+++ "), "{}", run.stdout);
    assert!(run.stdout.contains("TOKEN='***'"), "{}", run.stdout);
    let json = host.run(&["history", "--diff", "2", "--json"]).ended(0);
    assert!(!run.stdout.contains("hunter2") && !json.stdout.contains("hunter2"));
    let diff = document(&json, "diff")["sites"][0]["diff"].clone();
    assert!(diff.as_str().unwrap().contains("+stopwaitsecs=7"), "{diff}");
    host.run(&["history", "--diff", "9"]).ended(1).complains("has no revision 9");
    let text = host.run(&["history"]).ended(0).stdout;
    assert!(blocks(&text)[0].0.ends_with(": why not"), "{text}");
}

fn stop_seconds(host: &Host) -> String {
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    text.lines().find(|line| line.starts_with("stopwaitsecs=")).unwrap().to_owned()
}

#[test]
fn rollback_goes_back_then_forward() {
    let host = or_skip!(host_of_two_revisions());
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
    let text = host.run(&["history"]).ended(0).stdout;
    let blocks = blocks(&text);
    let ends = ["revision 4, present", "revision 3", "revision 2, taken back", "revision 1"];
    let commands = ["rollback to 2", "rollback of ", "apply", "apply"];
    assert_eq!(blocks.len(), 4, "{text}");
    for ((run, sites), (command, end)) in blocks.iter().zip(commands.iter().zip(ends)) {
        assert!(run[20..].starts_with(&format!("  {command}")), "{run}");
        assert!(run.contains(&format!(" by {} on ", host.user)), "{run}");
        assert_eq!(sites, &[format!("  here  a.com: {end}")], "{text}");
    }
    let json = host.run(&["history", "--json"]).ended(0);
    let history = document(&json, "history");
    let revisions = history["sites"][0]["revisions"].as_array().unwrap().clone();
    let numbers: Vec<u64> = revisions.iter().map(|one| one["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[test]
fn revision_names_its_run() {
    let host = or_skip!(host_of_two_revisions());
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
fn rollback_asks_first() {
    let host = or_skip!(host_of_two_revisions());
    let before = host.snapshot();
    host.run(&["rollback"]).ended(2).says("stopwaitsecs 7 -> 3600").says("not in revision 1");
    host.run(&["rollback", "--yes", "--to", "2"]).ended(0).says("nothing to do");
    let run = host.run(&["rollback", "--yes", "--to", "9"]).ended(1);
    assert!(run.stderr.contains("has no revision 9"), "{}", run.stderr);
    before.assert_same(&host.snapshot());
}

#[test]
fn first_revision_has_no_predecessor() {
    let host = or_skip!(applied_host());
    let before = host.snapshot();
    let run = host.run(&["rollback", "--yes"]).ended(1);
    assert!(run.stderr.contains("has no revision before"), "{}", run.stderr);
    before.assert_same(&host.snapshot());
    wants(&host, &["program: w, script: w.sh"]);
    host.inventory(&super::site("never.com", &["program: w, script: w.sh"]));
    host.run(&["history"]).ended(0).says("nothing was applied yet");
}

#[test]
fn newer_or_damaged_record_is_refused() {
    let host = or_skip!(applied_host());
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
            assert!(run.stderr.contains("hint: "), "{arguments:?}: {}", run.stderr);
        }
        before.assert_same(&host.snapshot());
    }
}

/// Verbs that only look say with their status, as `apply` does, that some sites have no answer.
#[test]
fn unanswered_sites_get_own_status() {
    let host = or_skip!(applied_host());
    host.deploy("b.com").worker("w");
    let program = ["program: w, script: w.sh"];
    host.inventory(&[super::site("a.com", &program), super::site("b.com", &program)].concat());
    let record = host.state().join("sites/a.com/revisions/00000001.json");
    std::fs::write(&record, "").unwrap();
    let before = host.snapshot();
    for verb in ["plan", "history", "status"] {
        let run = host.run(&[verb]).ended(6).complains("is damaged");
        let told = if verb == "plan" { "here  b.com" } else { "Site b.com" };
        assert!(run.stdout.contains(told), "{verb}: {}", run.stdout);
    }
    host.run(&["plan", "--site", "a.com"]).ended(1);
    before.assert_same(&host.snapshot());
}

#[test]
fn missing_folder_spares_other_runners() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let program = ["program: w, script: w.sh"];
    host.inventory(&[super::site("a.com", &program), super::site("b.com", &program)].concat());
    let run = host.run(&["runner"]).ended(6).complains("b.com");
    assert!(run.stdout.contains("a.com/runner.sh"), "{}", run.stdout);
    host.run(&["runner", "--site", "b.com"]).ended(1);
}

#[test]
fn interrupted_rollback_completes_on_repeat() {
    let host = or_skip!(applied_host());
    host.deployed("a.com").drainer("w");
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 600"]);
    host.run(&["apply", "--yes", "-m", "second"]).ended(0);
    host.wait_starts("a.com-w", 2);
    interrupt_while_it_waits(&host, &["rollback", "--yes"]);
    host.open_gate();
    let run = host.run(&["rollback", "--yes"]).ended(0).says("  here  a.com: to revision 1\n");
    assert!(run.stdout.lines().next().unwrap().ends_with(": second"), "{}", run.stdout);
    assert_eq!(stop_seconds(&host), "stopwaitsecs=3600");
    host.wait_running(&["a.com-w:a.com-w"]);
    let text = host.run(&["history"]).ended(0).stdout;
    let finished = format!("  here  a.com: interrupted, finished by run {}", &text[..20]);
    assert!(blocks(&text)[1].1[0].starts_with(&finished), "{text}");
    assert_eq!(blocks(&text)[2].1, ["  here  a.com: revision 2, taken back"], "{text}");
}

#[test]
fn diff_of_a_run_shows_files_and_programs() {
    let host = or_skip!(host_of_two_sites());
    let history = host.run(&["history"]).ended(0).stdout;
    let ids: Vec<&str> = blocks(&history).iter().map(|(run, _)| &run[..20]).collect();
    let run = host.run(&["history", "--diff"]).ended(0);
    assert!(run.stdout.starts_with(ids[0]), "the last one: {}", run.stdout);
    assert!(run.stdout.contains("\n  ~ b.com-w: changed\n"), "{}", run.stdout);
    assert!(run.stdout.contains("\n-stopwaitsecs=3600\n+stopwaitsecs=7\n"), "{}", run.stdout);
    assert!(!run.stdout.contains("a.com-w"), "it did not change it: {}", run.stdout);
    let run = host.run(&["history", "--diff", ids[1]]).ended(0);
    for domain in ["a.com", "b.com"] {
        assert!(run.stdout.contains(&format!("  + {domain}-w: added\n")), "{}", run.stdout);
    }
    let json = host.run(&["history", "--diff", ids[0], "--json"]).ended(0);
    let diff = document(&json, "diff");
    assert_eq!(diff["sites"].as_array().unwrap().len(), 1, "{diff}");
    assert_eq!(diff["sites"][0]["groups"]["changed"], serde_json::json!(["b.com-w"]));
    let unknown = host.run(&["history", "--diff", "20200101-000000-0000"]).ended(1);
    let unknown = unknown.complains("no run 20200101-000000-0000 has changed these sites");
    unknown.complains(&format!("the newest are: {}", ids.join(", ")));
    host.run(&["rollback", ids[0], "--yes"]).ended(0).says("b.com: to revision 1");
}
