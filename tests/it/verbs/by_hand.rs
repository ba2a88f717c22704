//! Supervisor configs by hand, shipped as they are from beside the inventory.

#![expect(clippy::disallowed_methods, reason = "writes files beside an inventory")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::site::Host;

use super::document;

/// A group of two programs of which one does not start by itself, and a listener; with line ends and
/// comments of its own.
const GROUP: &str = "; by hand\r\n[group:g]\r\nprograms = a,b\r\n\r\n[program:a]\r\ncommand=/bin/sleep 100 ; why\r\n\
                     [eventlistener:l]\r\ncommand=/bin/cat\r\nevents=TICK_3600\r\n";
const MEMBER: &str = "[program:b]\ncommand=/bin/sleep 100\nnumprocs=2\nautostart=no\n\
                      process_name=%(program_name)s-%(process_num)d\n\n\n";

fn put(host: &Host, name: &str, text: &str) {
    std::fs::create_dir_all(host.path("home/supervisor")).unwrap();
    std::fs::write(host.path("home/supervisor").join(name), text).unwrap();
}

/// An inventory of `a.com` whose configs are all of them.
fn inventory(host: &Host) {
    host.inventory("  - {domain: a.com, server: here, configs: [\"supervisor/*.conf\"]}\n");
}

/// A host where they run.
fn applied() -> Option<Host> {
    let host = Host::start()?;
    put(&host, "group.conf", GROUP);
    put(&host, "member.conf", MEMBER);
    inventory(&host);
    host.run(&["apply", "--yes"]).ended(0);
    Some(host)
}

fn at(host: &Host, name: &str) -> PathBuf {
    host.daemon.conf_dir().join(name)
}

fn text(host: &Host, name: &str) -> String {
    std::fs::read_to_string(at(host, name)).unwrap()
}

fn pids(host: &Host) -> BTreeMap<String, i64> {
    host.daemon.processes().into_iter().map(|one| (one.namespec(), one.pid)).collect()
}

#[test]
fn configs_are_byte_identical_and_run() {
    let host = or_skip!(applied());
    assert_eq!(
        (text(&host, "group.conf"), text(&host, "member.conf")),
        (GROUP.into(), MEMBER.into())
    );
    let pids = pids(&host);
    let names: Vec<&str> = pids.keys().map(String::as_str).collect();
    assert_eq!(names, ["g:a", "g:b-0", "g:b-1", "l:l"]);
    assert!(pids["g:a"] > 0 && pids["l:l"] > 0 && pids["g:b-0"] == 0);
    host.run(&["plan", "--exit-code"]).ended(0);
    host.run(&["status"]).ended(0);
}

#[test]
fn changed_config_restarts_and_rolls_back() {
    let host = or_skip!(applied());
    let before = pids(&host);
    put(&host, "group.conf", &GROUP.replace("why", "another comment"));
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(pids(&host), before, "a comment changes nothing");
    put(&host, "group.conf", &GROUP.replace("sleep 100", "sleep 101"));
    let plan = document(&host.run(&["plan", "--json"]).ended(0), "plan");
    let groups = plan["sites"][0]["plan"]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "{plan}");
    assert_eq!(groups[0]["group"], "g");
    assert!(groups[0]["options"].as_array().unwrap().contains(&"a.command".into()), "{plan}");
    host.run(&["apply", "--yes"]).ended(0);
    let after = pids(&host);
    assert_ne!(after["g:a"], before["g:a"]);
    assert_eq!(after["l:l"], before["l:l"]);
    host.run(&["rollback", "--yes"]).ended(0);
    assert!(text(&host, "group.conf").contains("another comment"));
    host.run(&["rollback", "--yes"]).ended(0);
    assert_eq!(text(&host, "group.conf"), GROUP);
}

/// Also where the file of the `[group:]` itself stays as it is.
#[test]
fn changed_member_elsewhere_restarts_group() {
    let host = or_skip!(applied());
    let before = pids(&host);
    put(&host, "member.conf", &MEMBER.replace("sleep 100", "sleep 101"));
    host.run(&["plan"]).ended(0).says("b.command");
    host.run(&["apply", "--yes"]).ended(0);
    let after = pids(&host);
    assert_ne!(after["g:a"], before["g:a"]);
    assert_eq!(after["l:l"], before["l:l"]);
    host.run(&["plan", "--exit-code"]).ended(0);
}

#[test]
fn removed_config_stops_only_its_groups() {
    let host = or_skip!(applied());
    let listener = pids(&host)["l:l"];
    put(&host, "group.conf", "[eventlistener:l]\ncommand=/bin/cat\nevents=TICK_3600\n");
    std::fs::remove_file(host.path("home/supervisor/member.conf")).unwrap();
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(pids(&host), BTreeMap::from([("l:l".to_owned(), listener)]));
    assert!(!at(&host, "member.conf").exists());
    host.inventory("  - {domain: a.com, server: here, supervisors: []}\n");
    host.run(&["apply", "--yes"]).ended(0);
    assert!(pids(&host).is_empty() && !at(&host, "group.conf").exists());
}

#[test]
fn group_of_configs_obeys_its_name() {
    let host = or_skip!(applied());
    host.run(&["stop", "--program", "g"]).ended(0);
    let stopped = pids(&host);
    assert!(stopped["g:a"] == 0 && stopped["l:l"] > 0);
    host.run(&["start", "--program", "g"]).ended(0);
    assert!(pids(&host)["g:a"] > 0);
    let before = pids(&host);
    assert!(before["g:b-0"] > 0, "what is asked for starts, also what does not by itself");
    host.run(&["restart", "--program", "g"]).ended(0);
    let after = pids(&host);
    assert!(after["g:a"] != before["g:a"] && after["l:l"] == before["l:l"]);
    put(&host, "group.conf", &GROUP.replace("sleep 100", "sleep 101"));
    host.run(&["apply", "--yes"]).ended(0);
    assert!(pids(&host)["g:b-0"] > 0, "what ran runs again");
}

#[test]
fn failing_config_is_rolled_back_byte_identical() {
    let host = or_skip!(applied());
    let before = pids(&host);
    put(
        &host,
        "group.conf",
        &GROUP.replace("/bin/sleep 100 ; why", "/bin/false\r\nstartretries=0"),
    );
    host.run(&["apply", "--yes"]).ended(4);
    assert_eq!(text(&host, "group.conf"), GROUP);
    let after = pids(&host);
    assert!(after["g:a"] > 0 && after["l:l"] == before["l:l"]);
}

#[test]
fn foreign_or_illegal_configs_are_refused() {
    let host = or_skip!(Host::start());
    host.daemon.write_conf("theirs", "[program:a]\ncommand=/bin/cat\nautostart=false\n");
    put(&host, "group.conf", GROUP);
    put(&host, "member.conf", MEMBER);
    inventory(&host);
    let said = host.run(&["apply", "--yes"]).ended(1).stderr;
    assert!(
        said.contains("program a is already defined in") && said.contains("theirs.conf"),
        "{said}"
    );
    assert!(!at(&host, "group.conf").exists());
    host.daemon.write_conf("theirs", "[program:theirs]\ncommand=/bin/cat\nautostart=false\n");
    host.daemon.write_conf("member", "[program:other]\ncommand=/bin/cat\nautostart=false\n");
    let said = host.run(&["apply", "--yes"]).ended(1).stderr;
    assert!(said.contains("is not this site's own"), "{said}");
    put(&host, "member.conf", &MEMBER.replace("autostart=no", "startsecs=1.5"));
    let said = host.run(&["check"]).ended(1).stderr;
    assert!(said.contains("`member.conf`, line 4: `startsecs` must be a whole number"), "{said}");
    put(&host, "member.conf", &MEMBER.replace("sleep 100", "sleep %(ENV_NO_SUCH)s"));
    let said = host.run(&["apply", "--yes"]).ended(1).stderr;
    assert!(said.contains("`command` of [b] %(ENV_NO_SUCH) is not a name"), "{said}");
    assert!(text(&host, "member.conf").contains("[program:other]"));
}

#[test]
fn configs_have_logs_and_hidden_secrets() {
    let host = or_skip!(Host::start());
    let log = host.path("elsewhere/out.log");
    let config = format!(
        "[program:web]\ncommand=/bin/sh -c 'echo hello; exec sleep 100'\nstdout_logfile={}\n\
         environment=TOKEN=\"hunter2\"\n",
        log.display()
    );
    put(&host, "web.conf", &config);
    inventory(&host);
    let plan = host.run(&["plan", "--json"]).ended(0);
    assert!(!plan.stdout.contains("hunter2") && plan.stdout.contains("TOKEN"), "{}", plan.stdout);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(text(&host, "web.conf"), config);
    let logs = host.run(&["logs", "--program", "web"]).ended(0);
    assert_eq!(logs.stdout, "hello\n");
    let history = host.run(&["history", "--diff", "1"]);
    assert!(!history.stdout.contains("hunter2"), "{}", history.stdout);
}
