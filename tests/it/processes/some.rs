//! `--program`: its files and processes change and no others; the record still knows them all.

use super::{applied, host_with, pids, starts, times, wait_noted, wants};
use crate::site::Host;

const ONCE: [(&str, usize); 3] = [("one", 1), ("two", 1), ("old", 1)];

fn program(name: &str, more: &str) -> String {
    format!("program: {name}, script: w.sh{more}")
}

/// What `one` alone may change: files of the others, and their pids.
fn of_others(host: &Host) -> (Vec<(String, String)>, Vec<i64>) {
    let names = host.file_names().into_iter().filter(|name| !name.contains("a.com-one"));
    let read = |name: String| {
        let folder = match name.starts_with("supervisor-") {
            true => host.daemon.logrotate_dir(),
            false => host.daemon.conf_dir(),
        };
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        (name, text)
    };
    let pids = pids(host).into_iter().filter(|(name, _)| name != "one");
    (names.map(read).collect(), pids.map(|(_, pid)| pid).collect())
}

/// `one` and `two` change, `old` goes, `new` comes: all of it is wanted, and only `one` is asked.
fn wants_all_changed(host: &Host) {
    let changed = ["one", "two", "new"].map(|name| program(name, ", priority: 7"));
    wants(host, &changed.each_ref().map(String::as_str));
}

#[track_caller]
fn apply_one_then_all(host: &Host) {
    let others = of_others(host);
    let plan = host.run(&["plan", "--program", "one"]).ended(0).stdout;
    assert!(plan.contains("~ one  restart: "), "{plan}");
    for other in ["a.com-two", "a.com-old", "a.com-new"] {
        assert!(!plan.contains(other), "{other}: {plan}");
    }
    host.run(&["apply", "--yes", "--program", "one"]).ended(0);
    wait_noted(host, &[("one", 2), ("two", 1), ("old", 1)]);
    assert_eq!(of_others(host), others);
    host.run(&["plan", "--exit-code", "--program", "one"]).ended(0);
    host.run(&["status", "--program", "one"]).ended(0);

    host.run(&["apply", "--yes"]).ended(0);
    wait_noted(host, &[("one", 2), ("two", 2), ("old", 1), ("new", 1)]);
    assert_eq!(host.groups(), ["a.com-new", "a.com-one", "a.com-two"]);
    assert_eq!(host.file_names().len(), 6, "{:?}", host.file_names());
    host.run(&["plan", "--exit-code"]).ended(0);
    host.run(&["status"]).ended(0);
}

/// Back to what the apply of one program has recorded: the others as they were then.
#[track_caller]
fn roll_back_to(host: &Host, revision: &str) {
    host.run(&["rollback", "--yes", "--site", "a.com", "--to", revision]).ended(0);
    assert_eq!(host.groups(), ["a.com-old", "a.com-one", "a.com-two"]);
    let has_priority =
        |name: &str| std::fs::read_to_string(host.conf(name)).unwrap().contains("priority=7");
    assert!(has_priority("a.com-one") && !has_priority("a.com-two"));
    host.wait_running(&["a.com-old:a.com-old", "a.com-one:a.com-one", "a.com-two:a.com-two"]);
}

#[test]
fn apply_of_one_leaves_others() {
    let host = or_skip!(host_with(&["w"]));
    let all = ["one", "two", "old"].map(|name| program(name, ""));
    applied(&host, &all.each_ref().map(String::as_str), &ONCE);
    wants_all_changed(&host);
    apply_one_then_all(&host);
    host.run(&["history"]).ended(0).says("3");
    roll_back_to(&host, "2");
}

/// The files are as supervisor-sync.sh left them, and nobody has recorded anything.
#[test]
fn so_it_does_without_a_record() {
    let host = or_skip!(host_with(&["w"]));
    let array =
        ["one", "two", "old"].map(|name| format!(r#"{{"program":"{name}","script":"w.sh"}}"#));
    host.sync("a.com", &format!("[{}]", array.join(","))).ended(0);
    wait_noted(&host, &ONCE);
    std::fs::remove_dir_all(host.state()).unwrap();
    wants_all_changed(&host);
    apply_one_then_all(&host);
    roll_back_to(&host, "1");
}

#[test]
fn restart_of_one_leaves_others() {
    let host = or_skip!(host_with(&["w"]));
    let all = ["one", "two", "old"].map(|name| program(name, ""));
    applied(&host, &all.each_ref().map(String::as_str), &ONCE);
    let others = of_others(&host);
    host.run(&["restart", "--program", "one"]).ended(0);
    host.run(&["apply", "--yes", "--restart", "--program", "one"]).ended(0);
    wait_noted(&host, &[("one", 3), ("two", 1), ("old", 1)]);
    assert_eq!(of_others(&host), others);
    // Gone from the inventory means unknown, not removed.
    wants(&host, &[&all[0], &all[1]]);
    host.run(&["apply", "--yes", "--program", "old"]).ended(1).complains("no program `old`");
    assert_eq!(starts(&host), times(&[("one", 3), ("two", 1), ("old", 1)]));
}

/// `--absent`: it goes, and nothing else is touched.
#[test]
fn absent_program_goes_alone() {
    let host = or_skip!(host_with(&["w"]));
    let all = ["one", "two", "old"].map(|name| program(name, ""));
    applied(&host, &all.each_ref().map(String::as_str), &ONCE);
    let others = of_others(&host);
    let is_refused = host.run(&["apply", "--yes", "--absent", "one"]).ended(1);
    is_refused
        .complains("a.com has the program `one`")
        .complains("remove it from the inventory first");
    host.run(&["plan", "--absent", "on*"]).ended(2).complains("`on*` ");
    wants(&host, &[&program("two", ", priority: 7")]);
    let plan = host.run(&["plan", "--absent", "one"]).ended(0).says("- one  stop and remove: ");
    assert!(!plan.stdout.contains("two") && !plan.stdout.contains("a.com-old"), "{}", plan.stdout);
    // A plan that is kept says so as well.
    host.run(&["plan", "--absent", "one", "--out", "p"]).ended(0);
    host.run(&["apply", "p"]).ended(0);
    assert_eq!(host.groups(), ["a.com-old", "a.com-two"]);
    assert!(!host.conf("a.com-one").exists() && !host.logrotate("a.com-one").exists());
    assert_eq!(of_others(&host), others);
    host.run(&["plan", "--exit-code", "--absent", "one,never-there"]).ended(0);
    assert!(host.log("a.com-one").exists(), "its log stays");
    host.run(&["rollback", "--yes", "--site", "a.com", "--to", "1"]).ended(0);
    assert_eq!(host.groups(), ["a.com-old", "a.com-one", "a.com-two"]);
    host.wait_running(&["a.com-one:a.com-one"]);
    host.run(&["apply", "--yes", "--absent", "one", "--purge-logs"]).ended(0);
    assert!(!host.log("a.com-one").exists(), "its log goes");
    assert!(host.log("a.com-two").exists() && host.log("a.com-old").exists(), "no other goes");
}

/// Where programs share a file, it loses its section alone; and both may be asked for at once.
#[test]
fn absent_program_leaves_a_shared_file() {
    let host = or_skip!(host_with(&["w"]));
    let shared = |name: &str, more: &str| program(name, &format!(", file: all.conf{more}"));
    let all = ["one", "two", "old"].map(|name| shared(name, ""));
    applied(&host, &all.each_ref().map(String::as_str), &ONCE);
    let before = pids(&host);
    wants(&host, &[&shared("two", ", priority: 7"), &shared("old", "")]);
    host.run(&["apply", "--yes", "--program", "two", "--absent", "one"]).ended(0);
    assert_eq!(host.groups(), ["a.com-old", "a.com-two"]);
    let text = std::fs::read_to_string(host.conf("all")).unwrap();
    assert!(!text.contains("a.com-one") && text.contains("a.com-old"), "{text}");
    assert_eq!(pids(&host)["old"], before["old"]);
    host.run(&["plan", "--exit-code"]).ended(0);
}

/// What somebody has edited of another program is still told afterwards.
#[test]
fn other_programs_edits_stay_told() {
    let host = or_skip!(host_with(&["w"]));
    let all = ["one", "two", "old"].map(|name| program(name, ""));
    applied(&host, &all.each_ref().map(String::as_str), &ONCE);
    let text = std::fs::read_to_string(host.conf("a.com-two")).unwrap();
    let edited = text.replace("stopwaitsecs=3600", "stopwaitsecs=7");
    host.daemon.write_conf("a.com-two", &edited);
    std::fs::remove_file(host.logrotate("a.com-old")).unwrap();
    let all = [&program("one", ", priority: 7"), &all[1], &all[2]];
    wants(&host, &all.map(String::as_str));
    host.run(&["apply", "--yes", "--program", "one"]).ended(0);
    assert_eq!(std::fs::read_to_string(host.conf("a.com-two")).unwrap(), edited);
    assert!(!host.logrotate("a.com-old").exists());

    let plan = host.run(&["plan", "--exit-code"]).ended(3);
    let plan = plan.says("~ two  restart: stopwaitsecs ");
    plan.says("+ ").says("supervisor-a.com-old.conf");
    let status = host.run(&["status"]).ended(3);
    let status = status.says("a.com-two.conf was edited by hand since it was applied");
    status.says("supervisor-a.com-old.conf was removed since it was applied");
    // The revision has what was applied, not what was edited.
    wants(&host, &[&program("one", "")].map(|one| one.as_str()));
    host.run(&["rollback", "--yes", "--site", "a.com", "--to", "2"]).ended(0);
    assert_eq!(std::fs::read_to_string(host.conf("a.com-two")).unwrap(), text);
    assert!(host.logrotate("a.com-old").exists());
}

#[test]
fn one_separate_program_scales_alone() {
    let host = or_skip!(host_with(&["w"]));
    let apart =
        |number: u32| program("apart", &format!(", instances: separate, numprocs: {number}"));
    applied(
        &host,
        &[&apart(3), &program("two", "")],
        &[("apart_00", 1), ("apart_01", 1), ("apart_02", 1), ("two", 1)],
    );
    let before = pids(&host);
    wants(&host, &[&apart(1), &program("two", ", priority: 7")]);
    host.run(&["apply", "--yes", "--program", "apart"]).ended(0);
    assert_eq!(host.groups(), ["a.com-apart_00", "a.com-two"]);
    let after = pids(&host);
    assert_eq!((after["apart_00"], after["two"]), (before["apart_00"], before["two"]));
    host.run(&["plan", "--exit-code"]).ended(3).says("~ two  restart: priority ");
}
