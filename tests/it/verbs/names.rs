//! Programs that are called otherwise than after their site, and files that they share.

#![expect(clippy::disallowed_methods, reason = "looks at the files of a host")]

use crate::site::Host;

use super::wants;

fn pid(host: &Host, group: &str) -> i64 {
    let processes = host.daemon.processes();
    processes.iter().find(|process| process.group == group).map_or(0, |process| process.pid)
}

const CELERY: &str = "program: w, script: w.sh, as: celery";

/// A program keeps the name and the file that it is given.
#[test]
fn program_keeps_given_name() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &[&format!("{CELERY}, file: workers.conf")]);
    host.run(&["apply", "--yes"]).ended(0);
    assert!(pid(&host, "celery") > 0);
    let text = std::fs::read_to_string(host.conf("workers")).unwrap();
    assert!(text.starts_with("[program:celery]\n"), "{text}");
    assert!(!host.conf("a.com-w").exists() && !host.conf("celery").exists());
    assert!(host.logrotate("celery").exists());
    host.run(&["plan", "--exit-code"]).ended(0);
    let status = host.run(&["status"]).ended(0);
    assert!(status.stdout.contains("w  RUNNING"), "{}", status.stdout);
    let logs = host.run(&["logs", "--program", "w"]).ended(0);
    assert!(logs.stdout.contains("started") || logs.stdout.is_empty(), "{}", logs.stdout);
    let before = pid(&host, "celery");
    host.run(&["restart", "--program", "w"]).ended(0);
    assert_ne!(pid(&host, "celery"), before);
    host.run(&["stop", "--program", "w"]).ended(0);
    assert_eq!(pid(&host, "celery"), 0);
    host.run(&["start", "--program", "w"]).ended(0);
    wants(&host, &[]);
    host.run(&["apply", "--yes", "--purge-logs"]).ended(0);
    assert!(!host.conf("workers").exists() && !host.logrotate("celery").exists());
    assert!(!host.log("celery").exists(), "its log is the site's, whatever it is called");
    assert!(host.daemon.processes().is_empty());
}

#[test]
fn new_name_is_new_group() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &[CELERY]);
    host.run(&["apply", "--yes"]).ended(0);
    wants(&host, &["program: w, script: w.sh, as: horizon"]);
    let plan = host.run(&["plan"]).ended(0).stdout;
    let lines: Vec<&str> = plan.lines().filter(|line| !line.contains('/')).collect();
    let text = lines.join("\n");
    assert!(text.contains("celery") && text.contains("horizon"), "{plan}");
    assert!(plan.contains("1 starts, 1 stops"), "{plan}");
    host.run(&["apply", "--yes"]).ended(0);
    let groups: Vec<String> = host.daemon.processes().into_iter().map(|p| p.group).collect();
    assert_eq!(groups, ["horizon"]);
    host.run(&["rollback", "--yes"]).ended(0);
    let groups: Vec<String> = host.daemon.processes().into_iter().map(|p| p.group).collect();
    assert_eq!(groups, ["celery"]);
    assert!(host.conf("celery").exists() && !host.conf("horizon").exists());
}

#[test]
fn another_file_restarts_nothing() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    site.worker("x");
    let both = |w: &str, x: &str| {
        wants(&host, &[&format!("{CELERY}{w}"), &format!("program: x, script: x.sh{x}")]);
    };
    both("", "");
    host.run(&["apply", "--yes"]).ended(0);
    let pids = || (pid(&host, "celery"), pid(&host, "a.com-x"));
    let before = pids();
    let file = ", file: both.conf";
    for (w, x) in [(file, ""), (file, file), ("", file), ("", "")] {
        both(w, x);
        host.run(&["apply", "--yes"]).ended(0);
        assert_eq!(pids(), before, "{w} {x}");
        host.run(&["plan", "--exit-code"]).ended(0);
        assert_eq!(host.conf("both").exists(), !(w.is_empty() && x.is_empty()));
        assert_eq!(host.conf("celery").exists(), w.is_empty());
        assert_eq!(host.conf("a.com-x").exists(), x.is_empty());
    }
}

#[test]
fn apply_leaves_others_in_file() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    site.worker("x");
    let both = |more: &str| {
        let file = "file: both.conf, autostart: false";
        wants(
            &host,
            &[
                &format!("{CELERY}, {file}{more}"),
                &format!("program: x, script: x.sh, {file}{more}"),
            ],
        );
    };
    both("");
    host.run(&["apply", "--yes"]).ended(0);
    both(", stopwaitsecs: 7");
    host.run(&["apply", "--yes", "--program", "w"]).ended(0);
    let text = std::fs::read_to_string(host.conf("both")).unwrap();
    let (w, x) = text.split_once("[program:a.com-x]").unwrap();
    assert!(w.contains("stopwaitsecs=7") && x.contains("stopwaitsecs=3600"), "{text}");
    let status = host.run(&["status", "--json"]);
    assert!(status.stdout.contains("both.conf"), "{}", status.stdout);
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["status"]).ended(0);
}

#[test]
fn separate_instances_take_given_name() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let separate = |n: u32| format!("{CELERY}, instances: separate, numprocs: {n}");
    wants(&host, &[&separate(2)]);
    host.run(&["apply", "--yes"]).ended(0);
    let before = (pid(&host, "celery_00"), pid(&host, "celery_01"));
    assert!(before.0 > 0 && before.1 > 0);
    wants(&host, &[&separate(3)]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!((pid(&host, "celery_00"), pid(&host, "celery_01")), before);
    assert!(pid(&host, "celery_02") > 0);
    wants(&host, &[CELERY]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(host.daemon.processes().len(), 1);
    assert!(pid(&host, "celery") > 0);
}

/// A name or a file of somebody else is refused, and nothing is written.
#[test]
fn foreign_name_is_refused() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    host.deploy("b.com").worker("w");
    let of = |domain: &str, program: &str| {
        format!("  - {{domain: {domain}, server: here, supervisors: [{{{program}}}]}}\n")
    };
    host.inventory(&of("b.com", &format!("{CELERY}, autostart: false")));
    host.run(&["apply", "--yes"]).ended(0);
    let theirs = std::fs::read_to_string(host.conf("celery")).unwrap();
    host.inventory(&of("a.com", CELERY));
    let said = host.run(&["apply", "--yes", "--allow", "foreign-file"]).ended(1).stderr;
    assert!(said.contains("belongs to site b.com"), "{said}");
    host.inventory(&of("a.com", &format!("{CELERY}, file: mine.conf")));
    let said = host.run(&["apply", "--yes"]).ended(1).stderr;
    assert!(said.contains("program celery is already defined in"), "{said}");
    assert!(!host.conf("mine").exists());
    assert_eq!(std::fs::read_to_string(host.conf("celery")).unwrap(), theirs);
    std::fs::write(host.conf("odd"), "[program:odd]\ncommand=/bin/cat\nautostart=false\n").unwrap();
    host.inventory(&of("a.com", "program: w, script: w.sh, file: odd.conf"));
    let said = host.run(&["apply", "--yes"]).ended(1).stderr;
    assert!(said.contains("is not this site's own"), "{said}");
}

#[test]
fn one_program_may_leave_common_file() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("w");
    site.worker("x");
    let text = |w: &str| {
        format!(
            "  - domain: a.com\n    server: here\n    config_files: per-site\n    supervisors:\n      \
             - {{{CELERY}{w}}}\n      - {{program: x, script: x.sh}}\n"
        )
    };
    host.inventory(&text(", file: celery.conf"));
    host.run(&["apply", "--yes"]).ended(0);
    let before = pid(&host, "celery");
    assert!(host.conf("celery").exists() && host.conf("a.com").exists());
    host.inventory(&text(""));
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(pid(&host, "celery"), before);
    assert!(!host.conf("celery").exists());
    let common = std::fs::read_to_string(host.conf("a.com")).unwrap();
    assert!(common.contains("[program:celery]") && common.contains("[program:a.com-x]"));
}
