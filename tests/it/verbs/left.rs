//! Sites that left the inventory: shown, removed by `--prune` and by nothing else.

#![expect(clippy::disallowed_methods, reason = "looks at the files of a host")]

use super::asked::{answer, asked_on_terminal};
use super::{IMPATIENT, document, documents, site};
use crate::daemon::{PATIENCE, wait_until};
use crate::site::{Host, Run};

const WORKER: [&str; 1] = ["program: w, script: w.sh"];

/// Writes an inventory of this name with these sites, each with one worker.
fn inventory(host: &Host, name: &str, domains: &[&str]) {
    let sites: String = domains.iter().map(|domain| site(domain, &WORKER)).collect();
    let sites = if sites.is_empty() { "  []\n".to_owned() } else { sites };
    host.inventory_with(&format!("name: {name}\n{IMPATIENT}"), &sites);
}

/// A host with `a.com` and `b.com` of the inventory `one`, of which it has `a.com` alone by now.
fn host_that_b_left() -> Option<Host> {
    let host = Host::start()?;
    for domain in ["a.com", "b.com"] {
        host.deploy(domain).worker("w");
    }
    inventory(&host, "one", &["a.com", "b.com"]);
    host.run(&["apply", "--yes"]).ended(0);
    host.wait_running(&["a.com-w:a.com-w", "b.com-w:b.com-w"]);
    // The last thing that changes a file of a site.
    host.wait_starts("a.com-w", 1);
    host.wait_starts("b.com-w", 1);
    inventory(&host, "one", &["a.com"]);
    Some(host)
}

/// Everything of `a.com`: bytes, modes, pids.
fn of_a(host: &Host) -> (Vec<(std::path::PathBuf, String)>, Vec<String>) {
    let snapshot = host.snapshot();
    let files = snapshot.files.into_iter().filter(|(path, _)| {
        let path = path.display().to_string();
        path.contains("a.com") && !path.contains("/locks/")
    });
    let processes = snapshot.processes.into_iter().filter(|line| line.starts_with("a.com-"));
    (files.collect(), processes.collect())
}

fn revision(host: &Host, domain: &str, number: u32) -> std::path::PathBuf {
    host.state().join(format!("sites/{domain}/revisions/{number:08}.json"))
}

#[track_caller]
fn does_not_say(run: &Run, text: &str) {
    assert!(!run.stdout.contains(text) && !run.stderr.contains(text), "{run:?}");
}

/// DeployerPHP's client drops the key with the last program.
/// With `--yes` alone it is only told that `--prune` removes it.
#[test]
fn emptied_site_is_removed_after_question() {
    let host = or_skip!(host_that_b_left());
    let dropped = |others: &str| {
        let sites = format!("{others}  - {{domain: b.com, server: here}}\n");
        host.inventory_with(&format!("name: one\n{IMPATIENT}"), &sites);
    };
    dropped(&site("a.com", &WORKER));
    let run = host.run(&["apply", "--yes"]).ended(0);
    run.says("no key `supervisors` any more: b.com; apply --prune removes it\n");
    assert_eq!(host.groups(), ["a.com-w", "b.com-w"]);
    let told = "no key `supervisors` any more: b.com, 1 process, applied by ";
    // Who runs `apply --yes` again and again is not told each time that it would do something.
    host.run(&["plan", "--exit-code"]).ended(0).says(told);
    host.run(&["plan", "--exit-code", "--prune"]).ended(3).says(told);
    let agree = |question: &str, text: &str, status: i32| {
        let (running, keyboard) = or_skip!(asked_on_terminal(&host, "apply", question));
        answer(running, keyboard, text).ended(status);
    };
    agree("Apply this, and remove b.com? [y/N] ", "n\n", 1);
    assert_eq!(host.groups(), ["a.com-w", "b.com-w"]);
    agree("Apply this, and remove b.com? [y/N] ", "y\n", 0);
    assert_eq!(host.groups(), ["a.com-w"]);
    // Also where nothing else is left, and only once.
    host.run(&["apply", "--yes"]).ended(0);
    host.inventory_with(&format!("name: one\n{IMPATIENT}"), "  - {domain: a.com, server: here}\n");
    host.run(&["apply", "--yes"]).ended(1);
    assert_eq!(host.groups(), ["a.com-w"]);
    agree("Apply this, and remove a.com? [y/N] ", "y\n", 0);
    assert_eq!(host.groups(), [""; 0]);
    host.run(&["plan"]).ended(1);
}

/// Who says `--prune` has said it: `--yes` then does what the plan shows.
#[test]
fn prune_with_yes_removes_site() {
    for prune in ["--prune", "--prune=b.com"] {
        let host = or_skip!(host_that_b_left());
        let sites = site("a.com", &WORKER) + "  - {domain: b.com, server: here}\n";
        host.inventory_with(&format!("name: one\n{IMPATIENT}"), &sites);
        host.run(&["plan", "--exit-code", prune]).ended(3);
        let run = host.run(&["apply", "--yes", prune]).ended(0);
        assert!(run.stdout.contains("Site b.com: removed"), "{}", run.stdout);
        assert_eq!(host.groups(), ["a.com-w"]);
        host.run(&["plan", "--exit-code", "--prune"]).ended(0);
        host.run(&["plan", "--prune=b.com"]).ended(1).complains("it is in the inventory");
    }
}

#[test]
fn deleted_site_is_only_shown() {
    let host = or_skip!(host_that_b_left());
    let before = host.snapshot();
    let told = format!("not in the inventory: b.com, 1 process, applied by {} on 20", host.user);
    for arguments in [&["plan", "--exit-code"][..], &["status"], &["apply"]] {
        let run = host.run(arguments).ended(0).says(&told);
        assert!(run.stdout.contains("(apply --prune removes it)"), "{}", run.stdout);
    }
    let run = host.run(&["apply", "--yes"]).ended(0);
    run.says("not in the inventory: b.com; apply --prune removes it\n");
    host.run(&["plan", "--prune", "--exit-code"]).ended(3).says(": removed here\n");
    for verb in ["plan", "status"] {
        let left = document(&host.run(&[verb, "--json"]).ended(0), verb)["left"].clone();
        assert_eq!(left["sites"][0]["site"], "b.com");
        assert_eq!(left["sites"][0]["writer"], "this_inventory");
        assert_eq!(left["sites"][0]["run"]["inventory"]["name"], "one");
        assert_eq!(left["sites"].as_array().unwrap().len(), 1);
    }
    // Nobody asked about the host as a whole.
    for arguments in [&["plan", "--site", "a.com"][..], &["status", "--program", "w"]] {
        does_not_say(&host.run(arguments).ended(0), "not in the inventory");
    }
    before.assert_same(&host.snapshot());
}

#[test]
fn prune_asks_before_removing() {
    let host = or_skip!(host_that_b_left());
    let before = host.snapshot();
    let a = of_a(&host);
    host.run(&["apply", "--prune"]).ended(2).complains("no terminal to ask on");
    before.assert_same(&host.snapshot());
    let ask = || asked_on_terminal(&host, "apply --prune", "Apply this, and remove b.com? [y/N] ");
    let (running, keyboard) = or_skip!(ask());
    answer(running, keyboard, "n\n").ended(1);
    before.assert_same(&host.snapshot());
    let (running, keyboard) = or_skip!(ask());
    let run = answer(running, keyboard, "y\n").ended(0);
    assert!(run.stdout.contains("Site b.com: removed"), "{}", run.stdout);
    assert_eq!(host.groups(), ["a.com-w"]);
    assert_eq!(host.file_names(), ["a.com-w.conf", "supervisor-a.com-w.conf"]);
    assert!(host.log("b.com-w").exists(), "logs are somebody's");
    assert_eq!(of_a(&host), a);
    does_not_say(&host.run(&["plan"]).ended(0), "b.com");
    host.run(&["apply", "--prune", "--yes"]).ended(0);
    assert!(!revision(&host, "b.com", 3).exists(), "it is gone already");
}

#[test]
fn rollback_brings_pruned_site_back() {
    let host = or_skip!(host_that_b_left());
    let conf = std::fs::read_to_string(host.conf("b.com-w")).unwrap();
    let run = host.run(&["apply", "--prune", "--yes"]).ended(0);
    assert!(
        run.stdout.contains("- w  stop and remove: "),
        "it is shown all the same: {}",
        run.stdout
    );
    assert_eq!(run.stdout.matches("here  b.com\n").count(), 1, "once: {}", run.stdout);
    assert!(run.stdout.contains("\nSite b.com: removed\n"), "{}", run.stdout);
    assert!(!host.conf("b.com-w").exists());
    inventory(&host, "one", &["a.com", "b.com"]);
    host.run(&["rollback", "--site", "b.com", "--to", "1", "--yes"]).ended(0);
    assert_eq!(std::fs::read_to_string(host.conf("b.com-w")).unwrap(), conf);
    host.wait_running(&["a.com-w:a.com-w", "b.com-w:b.com-w"]);
    host.run(&["plan", "--exit-code"]).ended(0);
}

#[test]
fn prune_rolls_back_without_inventory() {
    let host = or_skip!(host_that_b_left());
    let conf = std::fs::read_to_string(host.conf("b.com-w")).unwrap();
    let a = of_a(&host);
    host.run(&["apply", "--prune", "--yes", "-m", "prune"]).ended(0);
    let history = host.run(&["history"]).ended(0);
    history.says("  here  b.com, not in the inventory: revision 2, present\n");
    let run = host.run(&["rollback", "--yes"]).ended(0);
    assert!(run.stdout.lines().next().unwrap().ends_with(": prune"), "{}", run.stdout);
    let run = run.says("  here  a.com: not changed by it, left\n");
    run.says("  here  b.com, not in the inventory: to revision 1\n");
    assert_eq!(std::fs::read_to_string(host.conf("b.com-w")).unwrap(), conf);
    host.wait_running(&["b.com-w:b.com-w"]);
    assert_eq!(of_a(&host), a);
    host.run(&["plan"]).ended(0).says("not in the inventory: b.com, 1 process");
    // Another inventory knows nothing of it.
    inventory(&host, "two", &["a.com"]);
    does_not_say(&host.run(&["history"]).ended(0), "b.com");
}

/// A site of another inventory goes by its name alone.
#[test]
fn foreign_site_goes_by_name_alone() {
    let host = or_skip!(host_that_b_left());
    inventory(&host, "two", &["b.com"]);
    host.run(&["apply", "--yes", "--restart"]).ended(0);
    host.wait_running(&["b.com-w:b.com-w"]);
    host.wait_starts("b.com-w", 2);
    let before = host.snapshot();
    let told = " from the inventory one (apply --prune=a.com removes it)";
    host.run(&["plan", "--prune", "--exit-code"]).ended(0).says(told);
    host.run(&["apply", "--prune", "--yes"]).ended(0);
    before.assert_same(&host.snapshot());
    let question = "Apply this, and remove a.com from the inventory one? [y/N] ";
    let (running, keyboard) = or_skip!(asked_on_terminal(&host, "apply --prune=a.com", question));
    answer(running, keyboard, "y\n").ended(0);
    assert_eq!(host.groups(), ["b.com-w"]);
}

/// An inventory without a site asks, whatever is said.
#[test]
fn empty_inventory_always_asks() {
    let host = or_skip!(host_that_b_left());
    inventory(&host, "one", &[]);
    let before = host.snapshot();
    host.run(&["plan", "--exit-code"]).ended(0).says("not in the inventory: a.com");
    host.run(&["status"]).ended(0).says("not in the inventory: b.com");
    host.run(&["apply", "--yes"]).ended(1).complains("no site with `supervisors`");
    let run = host.run(&["apply", "--prune", "--yes"]).ended(2);
    assert!(run.stderr.contains("the inventory has no site"), "{}", run.stderr);
    before.assert_same(&host.snapshot());
    let question = "Apply this, and remove a.com, b.com? [y/N] ";
    let (running, keyboard) = or_skip!(asked_on_terminal(&host, "apply --prune", question));
    answer(running, keyboard, "y\n").ended(0);
    assert!(host.groups().is_empty());
    assert!(host.file_names().is_empty());
    host.run(&["plan"]).ended(1).complains("no site with `supervisors`");
}

/// A record that names no inventory goes by the name of its site alone.
#[test]
fn nameless_record_goes_by_name_alone() {
    let host = or_skip!(host_that_b_left());
    host.deploy("p.com").worker("w");
    host.sync("p.com", r#"[{"program": "w", "script": "w.sh"}]"#).ended(0);
    host.wait_running(&["p.com-w:p.com-w"]);
    host.wait_starts("p.com-w", 1);
    let path = revision(&host, "b.com", 1);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(record["origin"].as_object_mut().unwrap().remove("run").is_some());
    std::fs::write(&path, record.to_string()).unwrap();
    let before = host.snapshot();
    let run = host.run(&["plan"]).ended(0);
    let old = " before records named their inventory (apply --prune=b.com removes it)";
    let playbook = " by `playbook sync` (apply --prune=p.com removes it)";
    assert!(run.stdout.contains(old) && run.stdout.contains(playbook), "{}", run.stdout);
    host.run(&["apply", "--prune", "--yes"]).ended(0);
    before.assert_same(&host.snapshot());
    host.run(&["apply", "--prune=b.com,p.com", "--yes"]).ended(0);
    assert_eq!(host.groups(), ["a.com-w"]);
}

#[test]
fn damaged_record_stops_nobody() {
    let host = or_skip!(host_that_b_left());
    let path = revision(&host, "b.com", 1);
    std::fs::write(&path, "{").unwrap();
    let told = format!("warning: {} is damaged", path.display());
    host.run(&["plan", "--exit-code"]).ended(0).says(&told);
    host.run(&["status"]).ended(0).says(&told);
    let left = document(&host.run(&["plan", "--json"]).ended(0), "plan")["left"].clone();
    assert_eq!(left["unreadable"].as_array().unwrap().len(), 1);
    host.run(&["apply", "--prune", "--yes", "--restart"]).ended(0);
    assert_eq!(host.groups(), ["a.com-w", "b.com-w"]);
}

/// The very first apply of a site has left no revision, only a journal and what it did.
#[test]
fn never_finished_site_can_be_pruned() {
    let host = or_skip!(host_that_b_left());
    host.deploy("k.com").worker("w");
    let patient = "defaults: {health: {stable_for: 600}}\nname: one";
    host.inventory_with(patient, &(site("a.com", &WORKER) + &site("k.com", &WORKER)));
    let running = host.command(&["apply", "--site", "k.com", "--yes"]).spawn();
    let journal = host.state().join("sites/k.com/journal.groups.json");
    wait_until(PATIENCE, "k.com is started and watched", || {
        journal.exists() && !host.starts("k.com-w").is_empty()
    });
    // Which kills it.
    drop(running);
    inventory(&host, "one", &["a.com"]);
    host.run(&["plan"]).ended(0).says("not in the inventory: k.com, 1 process");
    host.run(&["apply", "--prune", "--yes"]).ended(0);
    assert_eq!(host.groups(), ["a.com-w"]);
    assert!(!journal.exists() && !host.conf("k.com-w").exists());
}

#[test]
fn siteless_server_is_looked_at() {
    let host = or_skip!(host_that_b_left());
    let path = host.path("home/deployer.yml");
    let spare =
        "servers:\n  - {name: spare, host: localhost, connection: local, privilege: none}\n";
    let text = std::fs::read_to_string(&path).unwrap().replacen("servers:\n", spare, 1);
    std::fs::write(&path, text).unwrap();
    let hosts = |arguments: &[&str]| -> Vec<serde_json::Value> {
        let run = host.run(&[arguments, &["--json"]].concat()).ended(0);
        documents(&run).into_iter().map(|document| document["host"].clone()).collect()
    };
    assert_eq!(hosts(&["plan"]), ["spare", "here"]);
    assert_eq!(hosts(&["status"]), ["spare", "here"]);
    assert_eq!(hosts(&["plan", "--site", "a.com"]), ["here"]);
    assert_eq!(hosts(&["status", "--on", "here"]), ["here"]);
    assert_eq!(hosts(&["plan", "--on", "spare"]), ["spare"]);
    assert_eq!(hosts(&["plan", "--prune"]), ["spare", "here"]);
    host.run(&["plan", "--on", "spare"]).ended(0).says("not in the inventory: a.com");
    host.run(&["apply", "--on", "spare", "--yes"]).ended(1).complains("no site with");
}

#[test]
fn what_prune_cannot_mean_is_refused() {
    let host = or_skip!(host_that_b_left());
    let before = host.snapshot();
    for verb in ["plan", "apply"] {
        let run = host.run(&[verb, "--prune", "--site", "a.com"]).ended(2);
        assert!(run.stderr.contains("--prune=DOMAIN"), "{}", run.stderr);
        host.run(&[verb, "--prune=c.com"]).ended(1).complains("no selected host has a record");
        host.run(&[verb, "--prune=a.com"]).ended(1).complains("it is in the inventory");
        host.run(&[verb, "--prune=a/b"]).ended(2);
    }
    before.assert_same(&host.snapshot());
    let run = host.run(&["apply", "--site", "a.com", "--prune=b.com", "--yes"]).ended(0);
    assert!(run.stdout.contains("Site b.com: removed"), "{}", run.stdout);
    assert_eq!(host.groups(), ["a.com-w"]);
}

/// Logs are somebody's, unless it is said that they go.
#[test]
fn logs_outlive_removed_site() {
    let host = or_skip!(host_that_b_left());
    let logs = host.daemon.log_dir();
    let write = |name: &str| std::fs::write(logs.join(name), "x").unwrap();
    let rotated = ["b.com-w.log.1", "b.com-w.log.2.gz", "b.com-w.log-20260101"];
    rotated.into_iter().for_each(write);
    let others = ["b.com-w.log.old", "b.com-x.log", "b.com.log", "a.com-w.log.1", "w.log"];
    others.into_iter().for_each(write);
    let secret = host.path("theirs");
    std::fs::write(&secret, "theirs").unwrap();
    std::os::unix::fs::symlink(&secret, logs.join("b.com-w.log.3")).unwrap();
    let first = host.log("b.com-w").display().to_string();
    let told = format!("note: logs stay: {first} and 3 more (--purge-logs removes them)\n");
    host.run(&["plan", "--prune"]).ended(0).says(&told);
    let before = crate::site::names(&logs);
    let run = host.run(&["plan", "--prune", "--purge-logs"]).ended(0);
    for name in ["b.com-w.log"].into_iter().chain(rotated) {
        assert!(
            run.stdout
                .contains(&format!("  - log {}: removed for good\n", logs.join(name).display()))
        );
    }
    let json = document(&host.run(&["plan", "--prune", "--json"]), "plan");
    assert_eq!(json["sites"][1]["plan"]["logs_stay"].as_array().unwrap().len(), 4, "{json}");
    assert_eq!(crate::site::names(&logs), before);

    assert!(!run.stdout.contains("b.com-w.log.3"), "a link is no log: {}", run.stdout);
    host.run(&["apply", "--prune", "--purge-logs", "--yes"]).ended(0);
    let gone = |name: &String| name == "b.com-w.log" || rotated.contains(&name.as_str());
    let expected: Vec<String> = before.into_iter().filter(|name| !gone(name)).collect();
    assert_eq!(crate::site::names(&logs), expected);
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "theirs");
}

/// A program that is removed, an empty list, and what fails.
#[test]
fn logs_outlive_removed_programs() {
    let host = or_skip!(Host::start());
    let deployed = host.deploy("a.com");
    ["v", "w"].into_iter().for_each(|name| deployed.worker(name));
    deployed.crasher("broken");
    let wants = |programs: &[&str]| host.inventory_with(IMPATIENT, &site("a.com", programs));
    let [v, w] = ["program: v, script: v.sh", "program: w, script: w.sh"];
    wants(&[v, w]);
    host.run(&["apply", "--yes", "--purge-logs"]).ended(0);
    assert!(host.log("a.com-v").exists() && host.log("a.com-w").exists());
    // What is rolled back has its logs.
    wants(&[w, "program: broken, script: broken.sh"]);
    host.run(&["apply", "--yes", "--purge-logs"]).ended(4);
    assert!(host.log("a.com-v").exists());
    wants(&[w]);
    host.run(&["apply", "--yes"]).ended(0).says("note: logs stay: ");
    assert!(host.log("a.com-v").exists());
    wants(&[]);
    let run = host.run(&["apply", "--yes", "--purge-logs"]).ended(0);
    run.says(&format!("  - log {}: removed for good\n", host.log("a.com-w").display()));
    assert!(!host.log("a.com-w").exists() && host.log("a.com-v").exists());
}
