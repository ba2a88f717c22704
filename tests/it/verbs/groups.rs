//! Programs of the inventory that supervisord has in one group.

#![expect(clippy::disallowed_methods, reason = "looks at the files of a host")]

use std::collections::BTreeMap;

use crate::site::Host;

use super::{document, wants};

const WEB: &str = "program: web, script: web.sh, group: shop";
const MAIL: &str = "program: mail, script: mail.sh, group: shop, numprocs: 2";
const ALONE: &str = "program: alone, script: alone.sh";

/// A host with two programs in one group, and one by itself.
fn applied() -> Option<Host> {
    let host = Host::start()?;
    let site = host.deploy("a.com");
    for name in ["web", "mail", "alone"] {
        site.worker(name);
    }
    wants(&host, &[WEB, MAIL, ALONE]);
    host.run(&["apply", "--yes"]).ended(0);
    Some(host)
}

fn pids(host: &Host) -> BTreeMap<String, i64> {
    host.daemon.processes().into_iter().map(|one| (one.namespec(), one.pid)).collect()
}

/// Which of these run by another pid.
fn differing(before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>) -> Vec<String> {
    let names = before.iter().filter(|(name, pid)| after.get(*name) != Some(pid));
    names.map(|(name, _)| name.clone()).collect()
}

const OF_SHOP: [&str; 3] = ["shop:a.com-mail_00", "shop:a.com-mail_01", "shop:a.com-web"];

#[test]
fn programs_of_group_run_in_it() {
    let host = or_skip!(applied());
    let names: Vec<String> = pids(&host).into_keys().collect();
    assert_eq!(names, [&["a.com-alone:a.com-alone"][..], &OF_SHOP].concat());
    let text = std::fs::read_to_string(host.conf("a.com-web")).unwrap();
    assert!(text.ends_with("\n\n[group:shop]\nprograms=a.com-web,a.com-mail\n"), "{text}");
    host.run(&["plan", "--exit-code"]).ended(0);
    host.run(&["status"]).ended(0).says("shop");
}

/// supervisord knows no smaller change than of the whole group, and the plan says so.
#[test]
fn change_of_member_restarts_group() {
    let host = or_skip!(applied());
    let before = pids(&host);
    wants(&host, &[WEB, &MAIL.replace("numprocs: 2", "numprocs: 2, stopwaitsecs: 7"), ALONE]);
    let plan = document(&host.run(&["plan", "--json"]).ended(0), "plan");
    let groups = plan["sites"][0]["plan"]["groups"].as_array().unwrap();
    assert_eq!((groups.len(), &groups[0]["group"]), (1, &"shop".into()), "{plan}");
    assert_eq!(groups[0]["options"], serde_json::json!(["a.com-mail.stopwaitsecs"]), "{plan}");
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(differing(&before, &pids(&host)), OF_SHOP);
    host.run(&["rollback", "--yes"]).ended(0);
    let text = std::fs::read_to_string(host.conf("a.com-mail")).unwrap();
    assert!(text.contains("stopwaitsecs=3600"), "{text}");
    assert_eq!(pids(&host).len(), 4);
}

#[test]
fn group_is_named_as_a_whole() {
    let host = or_skip!(applied());
    let before = pids(&host);
    host.run(&["restart", "--program", "shop"]).ended(0);
    let after = pids(&host);
    assert_eq!(differing(&before, &after), OF_SHOP);
    host.run(&["restart", "--program", "web"])
        .ended(1)
        .complains("`web` is in the group `shop`, which supervisord takes as a whole")
        .complains("--program shop");
    host.run(&["restart", "a.com-mail"]).ended(1).complains("--program shop");
    assert_eq!(pids(&host), after);
    host.run(&["restart", "shop:a.com-web"]).ended(0);
    assert_eq!(differing(&after, &pids(&host)), ["shop:a.com-web"]);
    host.run(&["restart", "shop"]).ended(0);
    host.run(&["logs", "--program", "shop"]).ended(0);
    host.run(&["stop", "--program", "shop"]).ended(0);
    let stopped = pids(&host);
    assert!(OF_SHOP.iter().all(|name| stopped[*name] == 0), "{stopped:?}");
    assert!(stopped["a.com-alone:a.com-alone"] > 0);
}

/// An apply of one program leaves the group, and an apply of the group the others.
#[test]
fn some_programs_leave_the_rest() {
    let host = or_skip!(applied());
    let before = pids(&host);
    let slower = |program: &str| format!("{program}, stopwaitsecs: 9");
    wants(&host, &[WEB, &slower(MAIL), &slower(ALONE)]);
    host.run(&["apply", "--yes", "--program", "alone"]).ended(0);
    let between = pids(&host);
    assert_eq!(differing(&before, &between), ["a.com-alone:a.com-alone"]);
    host.run(&["apply", "--yes", "--program", "shop"]).ended(0);
    assert_eq!(differing(&between, &pids(&host)), OF_SHOP);
    host.run(&["plan", "--exit-code"]).ended(0);
}

/// Into a group and out of it is another group each time.
#[test]
fn program_goes_into_group_and_out() {
    let host = or_skip!(applied());
    let alone = pids(&host)["a.com-alone:a.com-alone"];
    wants(&host, &["program: web, script: web.sh", MAIL, ALONE]);
    host.run(&["apply", "--yes"]).ended(0);
    let after = pids(&host);
    let names: Vec<&str> = after.keys().map(String::as_str).collect();
    assert_eq!(names, ["a.com-alone:a.com-alone", "a.com-web:a.com-web", OF_SHOP[0], OF_SHOP[1]]);
    assert_eq!(after["a.com-alone:a.com-alone"], alone);
    wants(&host, &[ALONE]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(pids(&host).into_values().collect::<Vec<_>>(), [alone]);
    assert!(!host.conf("a.com-mail").exists());
}

/// One that fails takes the others of its group back with it.
#[test]
fn failing_member_is_rolled_back() {
    let host = or_skip!(applied());
    let alone = pids(&host)["a.com-alone:a.com-alone"];
    wants(&host, &[WEB, "program: mail, command: /bin/false, group: shop, startretries: 0", ALONE]);
    host.run(&["apply", "--yes"]).ended(4);
    let after = pids(&host);
    assert!(OF_SHOP.iter().all(|name| after[*name] > 0), "{after:?}");
    assert_eq!(after["a.com-alone:a.com-alone"], alone);
}

/// A group that somebody else's file has, and what a group cannot have.
#[test]
fn impossible_groups_are_refused() {
    let host = or_skip!(applied());
    for (programs, reason) in [
        (
            vec!["program: web, script: web.sh, group: shop, instances: separate"],
            "does not go with `group`",
        ),
        (
            vec![WEB, "program: mail, script: mail.sh, group: shop, restart: rolling"],
            "differ in `restart`",
        ),
        (vec![WEB, "program: shop, script: alone.sh"], "the group `shop` is called as a program"),
        (
            vec!["program: web, script: web.sh, group: a.com-web"],
            "has the name `a.com-web` in supervisord",
        ),
    ] {
        wants(&host, &programs);
        host.run(&["check"]).ended(1).complains(reason);
    }
    wants(&host, &["program: web, script: web.sh, group: theirs", ALONE]);
    host.daemon.write_conf("theirs", "[program:theirs]\ncommand=/bin/cat\n");
    let said = "program theirs is already defined in";
    host.run(&["plan"]).ended(1).says(said);
    host.run(&["apply", "--yes"]).ended(1).complains(said);
}
