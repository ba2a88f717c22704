//! `check` and `plan` change nothing and say all.

#![expect(clippy::disallowed_methods, reason = "writes inventories")]

use supervisor_sync::system::users;

use super::{applied_host, document, site, wants};
use crate::hints::Hint;
use crate::site::Host;

#[test]
fn plan_changes_nothing() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh, numprocs: 2"]);
    let before = host.snapshot();
    let run = host.run(&["plan"]).ended(0);
    assert_eq!(run.stderr, "");
    assert_eq!(
        run.stdout,
        "here  a.com\n  + w  start: new, w.sh (2 processes)\n  files: 2 new (--diff shows them)\n\
         1 host, 1 site: 1 starts\n"
    );
    let run = host.run(&["plan", "--diff"]).ended(0);
    for expected in [
        format!("  + file {}: new\n", host.conf("a.com-w").display()),
        "      +[program:a.com-w]\n".to_owned(),
        format!("  + file {}: new\n", host.logrotate("a.com-w").display()),
    ] {
        assert!(run.stdout.contains(&expected), "{expected}: {}", run.stdout);
    }
    host.run(&["plan", "--exit-code"]).ended(3);
    let json = host.run(&["plan", "--exit-code", "--json"]).ended(3);
    let plan = document(&json, "plan");
    assert_eq!(plan["host"], "here");
    assert_eq!(plan["sites"][0]["plan"]["empty"], false, "{plan}");
    before.assert_same(&host.snapshot());
}

#[test]
fn apply_leaves_empty_plan() {
    let host = or_skip!(applied_host());
    let before = host.snapshot();
    let run = host.run(&["plan", "--exit-code"]).ended(0);
    let nothing = "here  a.com\n    1 unchanged\n1 host, 1 site: nothing to do, 1 unchanged\n";
    assert_eq!(run.stdout, nothing);
    let json = host.run(&["plan", "--json", "--exit-code"]).ended(0);
    assert_eq!(document(&json, "plan")["sites"][0]["plan"]["empty"], true);
    before.assert_same(&host.snapshot());
    // Somebody edits a file: the plan shows the way back.
    let path = host.conf("a.com-w");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("numprocs=1", "numprocs=1\npriority=7")).unwrap();
    let run = host.run(&["plan", "--exit-code", "--diff"]).ended(3);
    assert!(run.stdout.contains("      -priority=7\n"), "{}", run.stdout);
    assert!(run.stdout.contains("~ w  restart: priority 7 -> 999"), "{}", run.stdout);
}

#[test]
fn plan_tells_coming_refusal() {
    let host = or_skip!(Host::start());
    wants(&host, &["program: w, script: w.sh"]);
    let before = host.snapshot();
    for arguments in [&["plan"][..], &["plan", "--exit-code"]] {
        let run = host.run(arguments).ended(1).says("  refused: ").says("runner.sh does not exist");
        assert!(run.stdout.contains("hint: "), "{}", run.stdout);
    }
    let run = host.run(&["apply", "--yes"]).ended(1).complains("runner.sh does not exist");
    assert!(run.stderr.contains("w.sh does not exist"), "all of them: {}", run.stderr);
    before.assert_same(&host.snapshot());
    host.run(&["apply", "--yes", "--allow", "missing-code", "--no-verify"]).ended(0);
    assert_eq!(host.groups(), ["a.com-w"]);
}

#[test]
fn check_touches_no_host() {
    let mut host = or_skip!(Host::start());
    host.daemon.stop();
    wants(&host, &["program: w, script: w.sh, user: nobody"]);
    let run = host.run(&["check"]).ended(0);
    assert_eq!(run.stdout, "The inventory is fine: 1 host, 1 site, 1 program\n");
    let json = host.run(&["check", "--json"]).ended(0);
    assert_eq!(document(&json, "check")["programs"], 1);
    wants(&host, &["program: w, scrpt: w.sh", "program: w w, script: /w.sh, numprocs: 0"]);
    for verb in [&["check"][..], &["plan"], &["apply", "--yes"], &["runner"], &["history"]] {
        let run = host.run(verb).ended(1);
        for expected in ["deployer.yml", "scrpt", "`script`", "numprocs: 0"] {
            assert!(run.stderr.contains(expected), "{verb:?}, {expected}: {}", run.stderr);
        }
    }
}

#[test]
fn empty_selection_is_an_error() {
    let host = or_skip!(applied_host());
    for arguments in [
        &["plan", "--site", "b.com"][..],
        &["apply", "--yes", "--site", "b.com"],
        &["plan", "--on", "elsewhere"],
    ] {
        let run = host.run(arguments);
        assert!([1, 2].contains(&run.status), "{arguments:?}: {run:?}");
        assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    }
    host.run(&["plan", "--site", "a.*", "--on", "here"]).ended(0);
}

#[test]
fn unusable_host_is_explained() {
    let mut host = or_skip!(applied_host());
    host.daemon.stop();
    for arguments in [&["plan"][..], &["apply", "--yes"], &["apply"]] {
        let run = host.run(arguments).ended(1);
        assert!(run.stderr.contains("systemctl start supervisor"), "{arguments:?} {}", run.stderr);
    }
    let json = host.run(&["apply", "--yes", "--json"]).ended(1);
    let applied = document(&json, "applied");
    assert!(applied["sites"][0]["error"]["message"].is_string(), "{applied}");
    let run = host.run(&["plan", "--json"]).ended(1);
    assert!(!super::documents(&run).is_empty());
    let run = host.run(&["plan", "--json", "--inventory", "nowhere.yml"]).ended(1);
    let error = document(&run, "error");
    assert_eq!(error["error"]["kind"], "refused", "{error}");
    assert_eq!(error["error"]["message"], "cannot read nowhere.yml", "{error}");
    for list in ["causes", "hints"] {
        assert!(error["error"][list].is_array(), "{error}");
    }
}

#[test]
fn runner_writes_what_deployment_would() {
    let host = or_skip!(Host::start());
    host.inventory(&site("a.com", &["program: w, script: w.sh"]));
    let run = host.run(&["runner"]).ended(1);
    assert!(run.stderr.contains("hint: deploy the site first"), "{}", run.stderr);
    let deployed = host.deploy("a.com");
    deployed.script("w.sh", "#!/bin/sh\nenv -0 > $DEPLOYER_SHARED_PATH/env\nexec sleep 1000\n");
    let runner = deployed.path("runner.sh");
    std::fs::remove_file(&runner).unwrap();
    let arguments = ["runner", "--branch", "it's main", "--php", "8.4"];
    host.run(&arguments).ended(0).says("runner.sh written");
    let before = host.snapshot();
    host.run(&arguments).ended(0).says("runner.sh is as wanted");
    let json = host.run(&["runner", "--branch", "it's main", "--php", "8.4", "--json"]).ended(0);
    assert_eq!(document(&json, "runner")["changed"], false);
    before.assert_same(&host.snapshot());
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&runner).unwrap().permissions().mode() & 0o7777, 0o755);
    // And a program runs through it.
    host.run(&["apply", "--yes"]).ended(0);
    let environ = std::fs::read_to_string(deployed.path("shared/env")).unwrap();
    assert!(environ.split('\0').any(|variable| variable == "DEPLOYER_BRANCH=it's main"));
}

/// DeployerPHP writes a runner.sh with each deployment, and what its scripts know is in it.
#[test]
fn runner_replaces_foreign_file_if_asked() {
    let host = or_skip!(Host::start());
    host.inventory(&site("a.com", &["program: w, script: w.sh"]));
    let deployed = host.deploy("a.com");
    deployed.worker("w");
    let runner = deployed.path("runner.sh");
    let theirs =
        "#!/bin/sh\nexport DEPLOYER_BRANCH=\"main\"\nexport DEPLOYER_PHP=\"/usr/bin/php8.4\"\n";
    crate::site::write_executable(&runner, theirs);
    let run = host.run(&["runner"]).ended(1);
    let told = format!("{} was not written by supervisor-sync", runner.display());
    assert!(run.stderr.contains(&told), "{}", run.stderr);
    let hint = "hint: to replace it, with its branch and PHP: supervisor-sync runner --site a.com --overwrite";
    assert!(run.stderr.contains(hint), "{}", run.stderr);
    let text = || std::fs::read_to_string(&runner).unwrap();
    assert_eq!(text(), theirs);
    let hint = Hint(
        "to replace it, with its branch and PHP: supervisor-sync runner --site {} --overwrite",
    );
    host.follow(&run.stderr, hint).ended(0).says("written");
    let exports = "export DEPLOYER_BRANCH='main'\nexport DEPLOYER_PHP='/usr/bin/php8.4'\n";
    assert!(text().contains(exports), "{}", text());
    // Its own it writes anew, and keeps what is not said.
    host.run(&["runner", "--php", ""]).ended(0).says("written");
    assert!(
        text().contains("export DEPLOYER_BRANCH='main'\nexport DEPLOYER_PHP=''\n"),
        "{}",
        text()
    );
    let told =
        "the runner.sh of a.com has no DEPLOYER_PHP: if its scripts need it, write it anew with";
    assert!(host.run(&["plan"]).ended(0).stdout.contains(told));
    host.run(&["runner", "--php", "8.4"]).ended(0);
    assert!(!host.run(&["plan"]).ended(0).stdout.contains("the runner.sh of a.com"));
    // One that does not speak of PHP at all, and one that finds it out.
    let without: String = text()
        .lines()
        .filter(|line| !line.contains("DEPLOYER_PHP"))
        .map(|l| format!("{l}\n"))
        .collect();
    crate::site::write_executable(&runner, &without);
    host.run(&["plan"]).ended(0).says("the runner.sh of a.com has no DEPLOYER_PHP: ");
    let found_out = format!("{without}export DEPLOYER_PHP=$(cat php)\n");
    crate::site::write_executable(&runner, &found_out);
    assert!(!host.run(&["plan"]).ended(0).stdout.contains("the runner.sh of a.com"));
}

/// Its folder is the site user's, who can put a link there to have root read what only root may.
#[test]
fn root_reads_runner_through_no_link() {
    use std::os::unix::fs::{lchown, symlink};
    let host = or_skip!(Host::start());
    if !users::is_root() {
        return crate::python::missing("being root");
    }
    host.inventory(&site("a.com", &["program: w, script: w.sh"]));
    let deployed = host.deploy("a.com");
    deployed.worker("w");
    let (runner, secret) = (deployed.path("runner.sh"), host.path("secret"));
    crate::site::write_executable(&secret, "#!/bin/sh\nexport DEPLOYER_PHP=''\n");
    std::fs::remove_file(&runner).unwrap();
    symlink(&secret, &runner).unwrap();
    let told = "the runner.sh of a.com has no DEPLOYER_PHP";
    host.run(&["plan"]).ended(0).says(told);
    let nobody = users::find("nobody").unwrap().unwrap();
    lchown(&runner, Some(nobody.uid), Some(nobody.gid)).unwrap();
    let run = host.run(&["plan"]).ended(0);
    assert!(!run.stdout.contains(told), "{}", run.stdout);
    let told = "a symbolic link of user nobody leads to what is root's";
    host.run(&["runner", "--overwrite"]).ended(1).complains(told);
}

#[test]
fn thirty_programs_fit_a_screen() {
    let host = or_skip!(Host::start());
    let names = ["import", "mail", "queue", "report", "scheduler", "websocket"];
    let mut sites = String::new();
    for number in 0..5 {
        let domain = format!("site{number}.com");
        let site = host.deploy(&domain);
        names.iter().for_each(|name| site.worker(name));
        let programs = names.map(|name| format!("program: {name}, script: {name}.sh"));
        sites += &super::site(&domain, &programs.each_ref().map(String::as_str));
    }
    host.inventory(&sites);
    let run = host.run(&["plan"]).ended(0).says("1 host, 5 sites: 30 start\n");
    assert!(run.stdout.lines().count() <= 60, "{}", run.stdout);
}
