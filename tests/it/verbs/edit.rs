//! `add`, `remove`, `set` and `scale`: the inventory's file and the servers change together, or neither.

#![expect(clippy::unwrap_used, reason = "a harness that fails fails the test")]
#![expect(clippy::disallowed_methods, reason = "reads and prepares inventories")]

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use super::asked::{answer, asked_on_terminal};
use super::{applied_host, document, wants};
use crate::daemon::{PATIENCE, wait_until};
use crate::hints::Hint;
use crate::site::Host;

fn inventory(host: &Host) -> PathBuf {
    host.path("home/deployer.yml")
}

fn text(host: &Host) -> String {
    std::fs::read_to_string(inventory(host)).unwrap()
}

/// The programs of the inventory, which are its last lines.
fn programs(host: &Host) -> String {
    let text = text(host);
    text.split_once("supervisors:").unwrap().1.trim_end().trim_start_matches('\n').to_owned()
}

#[test]
fn new_program_is_written_and_runs() {
    let host = or_skip!(applied_host());
    host.deployed("a.com").worker("mail");
    let pids = host.wait_running(&["a.com-w:a.com-w"]);
    let run =
        host.run(&["add", "a.com", "mail", "--script", "mail.sh", "--set", "numprocs=2", "--yes"]);
    let run = run.ended(0);
    assert!(
        run.stdout.contains("+      - {program: mail, script: mail.sh, numprocs: 2}"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.ends_with("deployer.yml is written\n"), "{}", run.stdout);
    assert_eq!(
        programs(&host),
        "      - {program: w, script: w.sh}\n      - {program: mail, script: mail.sh, numprocs: 2}"
    );
    host.wait_running(&["a.com-mail:a.com-mail_00", "a.com-mail:a.com-mail_01"]);
    assert_eq!(host.wait_running(&["a.com-w:a.com-w"]), pids, "the other one ran on");
    host.run(&["plan", "--exit-code"]).ended(0);
    let before = text(&host);
    host.run(&["add", "a.com", "mail", "--script", "mail.sh", "--yes"])
        .ended(1)
        .complains("a.com has a program `mail` already");
    host.run(&["add", "a.con", "mail", "--script", "mail.sh", "--yes"])
        .ended(1)
        .complains("hint: did you mean `a.com`?");
    host.run(&["set", "a.com", "mail", "numproc=3", "--yes"])
        .ended(1)
        .complains("did you mean `numprocs`?");
    assert_eq!(text(&host), before);
}

#[test]
fn scaled_and_removed_program_follows() {
    let host = or_skip!(applied_host());
    host.run(&["scale", "a.com", "w", "3", "--yes"]).ended(0);
    assert_eq!(programs(&host), "      - {program: w, script: w.sh, numprocs: 3}");
    host.wait_running(&["a.com-w:a.com-w_00", "a.com-w:a.com-w_01", "a.com-w:a.com-w_02"]);
    let run = host.run(&["scale", "a.com", "w", "3", "--yes"]).ended(0);
    run.says("deployer.yml says so already");
    host.run(&["set", "a.com", "w", "stopwaitsecs=7", "--unset", "numprocs", "--yes"]).ended(0);
    assert_eq!(programs(&host), "      - {program: w, script: w.sh, stopwaitsecs: 7}");
    host.wait_running(&["a.com-w:a.com-w"]);
    host.run(&["remove", "a.com", "w", "--yes"]).ended(0);
    assert_eq!(programs(&host), " []");
    assert_eq!(host.groups(), [""; 0]);
    host.run(&["plan", "--exit-code"]).ended(0);
}

/// Both change or neither: what was rolled back on the server is not left in the file.
#[test]
fn failed_edit_leaves_the_inventory_as_it_was() {
    let host = or_skip!(applied_host());
    host.deployed("a.com").crasher("broken");
    let before = text(&host);
    let run = host.run(&["set", "a.com", "w", "script=broken.sh", "--yes"]).ended(4);
    let said = run.complains("deployer.yml is as it was before, like the servers");
    assert!(!said.stdout.contains("deployer.yml is written"), "{}", said.stdout);
    assert_eq!(text(&host), before);
    host.wait_running(&["a.com-w:a.com-w"]);
    // Refused by the plan: nothing is begun with.
    let run = host.run(&["set", "a.com", "w", "script=none.sh", "--yes"]).ended(1);
    run.complains("deployer.yml is as it was before");
    assert_eq!(text(&host), before);
    host.run(&["set", "a.com", "w", "script=broken.sh", "--yes", "--no-rollback"]).ended(5);
    assert!(text(&host).contains("script: broken.sh"), "as on the server");
}

/// One server has the edit and one has not: the file says what the first is like, and an apply goes on.
#[test]
fn edit_that_one_server_has_is_kept() {
    let host = or_skip!(applied_host());
    let both = text(&host)
        .replacen("servers:\n", "servers:\n  - {name: gone, exec: [\"false\"]}\n", 1)
        .replacen("server: here", "servers: [here, gone]", 1);
    std::fs::write(inventory(&host), &both).unwrap();
    let run = host.run(&["scale", "a.com", "w", "2", "--yes"]).ended(6);
    run.says("deployer.yml is written");
    assert_eq!(text(&host), both.replace("script: w.sh", "script: w.sh, numprocs: 2"));
    host.wait_running(&["a.com-w:a.com-w_00", "a.com-w:a.com-w_01"]);
    // Where no server can be reached nothing is left to be ahead of.
    host.run(&["scale", "a.com", "w", "3", "--on", "gone", "--yes"]).ended(1);
    assert!(text(&host).contains("numprocs: 2"), "{}", text(&host));
}

#[test]
fn without_a_yes_nothing_is_written() {
    let host = or_skip!(applied_host());
    let before = host.snapshot();
    let run = host.run(&["scale", "a.com", "w", "2"]).ended(2);
    run.complains("deployer.yml was not changed").complains("there is no terminal to ask on");
    host.run(&["scale", "a.com", "w"])
        .ended(2)
        .complains("say it: supervisor-sync scale SITE PROGRAM N");
    before.assert_same(&host.snapshot());
    let question = "Apply this? [y/N] ";
    let (running, keyboard) = or_skip!(asked_on_terminal(&host, "scale a.com w 2", question));
    answer(running, keyboard, "n\n").ended(1);
    before.assert_same(&host.snapshot());
    let (running, keyboard) = or_skip!(asked_on_terminal(&host, "scale a.com w 2", question));
    answer(running, keyboard, "y\n").ended(0);
    assert!(text(&host).contains("numprocs: 2"));
    host.wait_running(&["a.com-w:a.com-w_00", "a.com-w:a.com-w_01"]);
}

#[test]
fn removal_wants_the_name_typed() {
    let host = or_skip!(applied_host());
    let before = host.snapshot();
    let question = "Type the name `w` to remove it: ";
    for wrong in ["y\n", "\n", "ww\n"] {
        let (running, keyboard) = or_skip!(asked_on_terminal(&host, "remove a.com w", question));
        let run = answer(running, keyboard, wrong).ended(1);
        assert!(run.stdout.contains("not applied: `w` was not typed"), "{}", run.stdout);
        before.assert_same(&host.snapshot());
    }
    let (running, keyboard) = or_skip!(asked_on_terminal(&host, "remove a.com w", question));
    answer(running, keyboard, "w\n").ended(0);
    assert_eq!((programs(&host).as_str(), host.groups().len()), (" []", 0));
}

/// Whoever has saved the file in the meantime wins.
#[test]
fn file_that_changed_meanwhile_is_left_alone() {
    let host = or_skip!(applied_host());
    let question = "Apply this? [y/N] ";
    let (running, keyboard) = or_skip!(asked_on_terminal(&host, "scale a.com w 2", question));
    let theirs = text(&host) + "# theirs\n";
    std::fs::write(inventory(&host), &theirs).unwrap();
    let run = answer(running, keyboard, "y\n").ended(1);
    assert!(run.stdout.contains("it has changed since it was read"), "{}", run.stdout);
    assert_eq!(text(&host), theirs);
    host.wait_running(&["a.com-w:a.com-w"]);
}

/// What is left out is asked for; the command that needs no answers is told.
#[test]
fn missing_parts_are_asked_for() {
    let host = or_skip!(applied_host());
    host.deployed("a.com").worker("mail");
    let scripts = host.path("home/.deployer/supervisors");
    std::fs::create_dir_all(&scripts).unwrap();
    for script in ["mail.sh", "w.sh"] {
        std::fs::write(scripts.join(script), "").unwrap();
    }
    let (running, mut keyboard) =
        or_skip!(asked_on_terminal(&host, "add --set numprocs=2", "name of the program: "));
    keyboard.write_all(b"mail\n").unwrap();
    let asked = "script or command line (1 to 2, or a command line): ";
    wait_until(PATIENCE, "it asks for the script", || running.stdout().contains(asked));
    assert!(running.stdout().contains("  1  mail.sh"), "{}", running.stdout());
    keyboard.write_all(b"1\n").unwrap();
    wait_until(PATIENCE, "it asks", || running.stdout().contains("Apply this? [y/N] "));
    let without =
        "Without questions: supervisor-sync add a.com mail --script mail.sh --set 'numprocs=2'";
    assert!(running.stdout().contains(without), "{}", running.stdout());
    answer(running, keyboard, "y\n").ended(0);
    assert!(text(&host).contains("{program: mail, script: mail.sh, numprocs: 2}"));
}

#[test]
fn inventory_only_keeps_server_and_file_as_they_are() {
    let host = or_skip!(applied_host());
    let (link, file) = (inventory(&host), host.path("home/real.yml"));
    std::fs::rename(&link, &file).unwrap();
    symlink("real.yml", &link).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let before = std::fs::read_to_string(&file).unwrap();
    let pids = host.wait_running(&["a.com-w:a.com-w"]);
    let run = host.run(&["scale", "a.com", "w", "2", "--inventory-only"]).ended(0);
    let said =
        "deployer.yml is written; to make the servers match: supervisor-sync apply --site a.com";
    let said = run.says(said).stdout;
    assert!(link.is_symlink());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(text(&host), before.replace("script: w.sh", "script: w.sh, numprocs: 2"));
    assert_eq!(host.wait_running(&["a.com-w:a.com-w"]), pids);
    let left: Vec<_> = std::fs::read_dir(host.path("home")).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    host.follow(&said, Hint("supervisor-sync apply --site {}")).ended(0);
    host.wait_running(&["a.com-w:a.com-w_01"]);
}

#[test]
fn secrets_are_masked_and_documents_say_the_outcome() {
    let host = or_skip!(applied_host());
    let set = |value: &str, more: &[&str]| {
        let pair = format!("environment.TOKEN={value}");
        host.run(&[&["set", "a.com", "w", &pair], more].concat())
    };
    let run = set("s3cret", &["--json", "--yes"]).ended(0);
    let edit = document(&run, "edit");
    assert_eq!((&edit["outcome"], &edit["site"]), (&"written".into(), &"a.com".into()));
    assert!(text(&host).contains("environment: {TOKEN: s3cret}"));
    let run = set("s3cond", &["--yes"]).ended(0);
    let changed = "-      - {program: w, script: w.sh, environment: {TOKEN: ***}}\n";
    assert!(run.stdout.contains(changed), "{}", run.stdout);
    for secret in ["s3cret", "s3cond"] {
        assert!(!(run.stdout.clone() + &run.stderr).contains(secret), "{run:?}");
    }
    let run = set("s3cond", &["--json", "--yes"]).ended(0);
    assert_eq!(document(&run, "edit")["outcome"], "unchanged");
    let run = set("third", &["--json"]).ended(2);
    assert_eq!(document(&run, "edit")["outcome"], "not_written");
    wants(&host, &["program: w, script: w.sh"]);
    let run = host.run(&["set", "a.com", "w", "script=none.sh", "--json", "--yes"]).ended(1);
    assert_eq!(document(&run, "edit")["outcome"], "put_back");
}
