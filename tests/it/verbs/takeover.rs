//! Files of others that become a site's, and go back to them: revision 0 and `release`.

#![expect(clippy::disallowed_methods, reason = "writes and reads files of a host")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use crate::site::Host;

use super::{IMPATIENT, document};

/// As somebody wrote it: comments, other spellings, a default that is spelled out.
const BY_HAND: &str = "; our queue\n[program:celery]\ncommand = /bin/sleep 1000 ; for now\nautostart=yes\n\
                       startsecs = 0\nstartretries=0\nautorestart=TRUE\nstopsignal=SIGTERM\n\n";
const CELERY: &str = "program: celery, as: celery, file: celery.conf, command: /bin/sleep 1000, startsecs: 0, \
                      autorestart: true";
const MAIL: &str = "program: mail, command: /bin/sleep 1000";

/// An inventory whose `a.com` says nothing of its own in these programs' files.
fn wants(host: &Host, programs: &[&str]) {
    let lines: String = programs.iter().map(|program| format!("      - {{{program}}}\n")).collect();
    let lines = if lines.is_empty() { " []\n".to_owned() } else { format!("\n{lines}") };
    let site = "  - domain: a.com\n    server: here\n    format: plain\n    supervisors:";
    host.inventory_with(IMPATIENT, &format!("{site}{lines}"));
}

/// A host where it runs, and nothing is ours.
fn before() -> Option<Host> {
    let host = Host::start()?;
    host.deploy("a.com");
    std::fs::write(host.conf("celery"), BY_HAND).unwrap();
    mode(&host.conf("celery"), 0o640);
    host.daemon.supervisorctl(&["update"]);
    assert!(pid(&host) > 0);
    Some(host)
}

fn mode(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn pid(host: &Host) -> i64 {
    host.process("celery:celery").map_or(0, |process| process.pid)
}

fn text(host: &Host) -> String {
    std::fs::read_to_string(host.conf("celery")).unwrap()
}

fn taken_over(host: &Host) -> PathBuf {
    host.state().join("sites/a.com/taken-over.json")
}

#[test]
fn taken_file_comes_back_at_release() {
    let host = or_skip!(before());
    let first = pid(&host);
    wants(&host, &[CELERY]);
    let plan = host.run(&["plan", "--json"]).ended(0);
    let plan = &document(&plan, "plan")["sites"][0]["plan"];
    assert_eq!(plan["files"].as_array().unwrap().len(), 1, "{plan}");
    assert_eq!(
        (&plan["groups"], &plan["unchanged"]),
        (&serde_json::json!([]), &1.into()),
        "{plan}"
    );
    assert!(plan["notes"].to_string().contains("is kept as revision 0"), "{plan}");
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(pid(&host), first);
    assert!(!text(&host).contains("our queue"));
    host.run(&["plan", "--exit-code"]).ended(0);
    host.run(&["history"]).ended(0).says("1 file taken over (revision 0)");
    host.run(&["history", "--diff", "0", "--site", "a.com"]).ended(0).says("+; our queue");
    host.run(&["history", "--diff", "1", "--site", "a.com"]).ended(0).says("-; our queue");

    let plan = host.run(&["release", "a.com", "--yes"]).ended(0);
    assert!(plan.stderr.contains("take a.com out of the inventory"), "{}", plan.stderr);
    assert_eq!((text(&host).as_str(), pid(&host)), (BY_HAND, first));
    assert_eq!(std::fs::metadata(host.conf("celery")).unwrap().mode() & 0o7777, 0o640);
    assert!(!taken_over(&host).exists());
    host.run(&["release", "a.com", "--yes"]).ended(0).says("nothing to do");
    wants(&host, &[]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!((text(&host).as_str(), pid(&host)), (BY_HAND, first), "nothing of it is ours");
}

/// What was the same to the byte has nothing to come back, and is nobody's all the same.
#[test]
fn identical_file_is_released_in_place() {
    let host = or_skip!(before());
    wants(&host, &[CELERY]);
    host.run(&["apply", "--yes"]).ended(0);
    let ours = text(&host);
    host.run(&["release", "a.com", "--yes"]).ended(0);
    std::fs::write(host.conf("celery"), &ours).unwrap();
    mode(&host.conf("celery"), 0o644);
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["release", "a.com", "--yes"]).ended(0).says("the site is given back");
    assert_eq!(text(&host), ours);
    wants(&host, &[]);
    host.run(&["apply", "--yes"]).ended(0);
    assert!(host.conf("celery").exists() && pid(&host) > 0);
}

#[test]
fn rollback_to_0_restores_files_and_programs() {
    let host = or_skip!(before());
    wants(&host, &[CELERY]);
    host.run(&["apply", "--yes"]).ended(0);
    let first = pid(&host);
    wants(&host, &[&format!("{CELERY}, priority: 5"), MAIL]);
    host.run(&["apply", "--yes"]).ended(0);
    let second = pid(&host);
    assert!(second != first && host.process("a.com-mail:a.com-mail").is_some());
    host.run(&["rollback", "--site", "a.com", "--to", "0", "--yes"]).ended(0);
    assert_eq!(text(&host), BY_HAND);
    assert_eq!(std::fs::metadata(host.conf("celery")).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(host.groups(), ["celery"]);
    let third = pid(&host);
    assert!(third > 0 && third != second);
    host.run(&["rollback", "--site", "a.com", "--to", "0", "--yes"]).ended(0);
    assert_eq!(pid(&host), third);
}

#[test]
fn rollback_of_first_run_gives_file_back() {
    let host = or_skip!(before());
    let first = pid(&host);
    wants(&host, &[CELERY, MAIL]);
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["rollback", "--yes"]).ended(0);
    assert_eq!((text(&host).as_str(), pid(&host)), (BY_HAND, first));
    assert_eq!(host.groups(), ["celery"]);
}

/// What is not as the last apply left it is somebody's work, and what the site made is not taken away.
#[test]
fn release_leaves_edited_and_new_files() {
    let host = or_skip!(before());
    wants(&host, &[CELERY, MAIL]);
    host.run(&["apply", "--yes"]).ended(0);
    let edited = text(&host) + "; edited\n";
    std::fs::write(host.conf("celery"), &edited).unwrap();
    let said = host.run(&["release", "a.com", "--yes"]).ended(0);
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(all.contains("celery.conf is left as it is: somebody has changed it"), "{all}");
    assert!(all.contains("1 file stays as it is: nothing was there before the site"), "{all}");
    assert_eq!(text(&host), edited);
    assert!(host.conf("a.com-mail").exists());
    assert!(host.process("a.com-mail:a.com-mail").is_some_and(|process| process.pid > 0));
}

#[test]
fn allowed_replacement_is_kept_and_comes_back() {
    let host = or_skip!(before());
    let other = CELERY.replace("1000", "1001");
    wants(&host, &[&other]);
    host.run(&["apply", "--yes"]).ended(1).complains("is not this site's own");
    assert_eq!(text(&host), BY_HAND);
    host.run(&["apply", "--yes", "--allow", "foreign-file"]).ended(0);
    let ours = pid(&host);
    let said = host.run(&["release", "a.com", "--yes"]).ended(0);
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(all.contains("comes back with other options than its programs run with"), "{all}");
    assert_eq!((text(&host).as_str(), pid(&host)), (BY_HAND, ours), "what runs goes on");
}

#[test]
fn link_comes_back_as_link() {
    let host = or_skip!(before());
    let target = host.path("home/celery.conf");
    std::fs::rename(host.conf("celery"), &target).unwrap();
    std::os::unix::fs::symlink(&target, host.conf("celery")).unwrap();
    wants(&host, &[CELERY]);
    let first = pid(&host);
    host.run(&["apply", "--yes"]).ended(0);
    assert!(!host.conf("celery").is_symlink());
    host.run(&["release", "a.com", "--yes"]).ended(0);
    assert_eq!(std::fs::read_link(host.conf("celery")).unwrap(), target);
    assert_eq!((text(&host).as_str(), pid(&host)), (BY_HAND, first));
}

/// What is nobody's is counted, by plan and status alike, and its names are not shown.
#[test]
fn strangers_are_counted_not_named() {
    let host = or_skip!(before());
    let counted = "1 group of this supervisord is in no inventory";
    wants(&host, &[MAIL]);
    host.run(&["plan"]).ended(0).says(counted);
    let applied = host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(applied.stdout.matches("mail  start: ").count(), 1, "{}", applied.stdout);
    let status = host.run(&["status"]).ended(0).says(counted);
    assert!(!status.stdout.contains("celery"), "{}", status.stdout);
    host.run(&["status", "--unmanaged"]).ended(0).says("celery");
    wants(&host, &[MAIL, CELERY]);
    let plan = host.run(&["plan"]).ended(0);
    assert!(!plan.stdout.contains("in no inventory"), "{}", plan.stdout);
    // Another inventory has it: that it is not in this one is nobody's business.
    host.run(&["apply", "--yes"]).ended(0);
    let other =
        "  - {domain: b.com, server: here, supervisors: [{program: w, command: /bin/sleep 9}]}\n";
    host.deploy("b.com");
    host.inventory(other);
    let plan = host.run(&["plan"]).ended(0);
    assert!(!plan.stdout.contains("in no inventory"), "{}", plan.stdout);
}
