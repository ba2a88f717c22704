//! What stands in the way of an apply: replaced if it is nobody's, refused if it may be somebody's.

#![expect(clippy::disallowed_methods, reason = "puts things in the way")]

use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::process::Command;

use supervisor_sync::system::users;

use super::{applied_host, wants};
use crate::daemon::Options;
use crate::hints::Hint;
use crate::python::missing;
use crate::site::Host;

/// A host where `a.com` is deployed and wants `w`, but nothing is applied.
fn wanting_host() -> Option<Host> {
    let host = Host::start()?;
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh"]);
    Some(host)
}

#[track_caller]
fn refused_untouched(host: &Host, expected: &[&str]) {
    let before = host.snapshot();
    let run = host.run(&["apply", "--yes"]).ended(1);
    for expected in expected {
        assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
    assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    before.assert_same(&host.snapshot());
}

#[test]
fn dangling_link_is_replaced() {
    let host = or_skip!(wanting_host());
    symlink(host.path("nowhere"), host.conf("a.com-w")).unwrap();
    symlink(host.path("nowhere-else"), host.logrotate("a.com-w")).unwrap();
    host.run(&["plan"]).ended(0).says(", a symbolic link now");
    host.run(&["apply", "--yes"]).ended(0);
    for path in [host.conf("a.com-w"), host.logrotate("a.com-w")] {
        assert!(std::fs::symlink_metadata(path).unwrap().is_file());
    }
    assert!(!host.path("nowhere").exists() && !host.path("nowhere-else").exists());
    host.wait_running(&["a.com-w:a.com-w"]);
}

/// What the link led to is kept.
#[test]
fn link_to_own_file_is_replaced() {
    let host = or_skip!(wanting_host());
    host.run(&["apply", "--yes"]).ended(0);
    let kept = host.path("kept.conf");
    std::fs::rename(host.conf("a.com-w"), &kept).unwrap();
    symlink(&kept, host.conf("a.com-w")).unwrap();
    let text = std::fs::read_to_string(&kept).unwrap();
    host.run(&["plan", "--exit-code"]).ended(3).says(", a symbolic link now");
    host.run(&["apply", "--yes"]).ended(0);
    assert!(std::fs::symlink_metadata(host.conf("a.com-w")).unwrap().is_file());
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), text);
    assert_eq!(host.starts("a.com-w").len(), 1, "the same config needs no restart");
}

/// A link of the site that is rolled back is a link again.
#[test]
fn a_rollback_puts_a_link_back() {
    let host = or_skip!(wanting_host());
    host.run(&["apply", "--yes"]).ended(0);
    let kept = host.path("kept.conf");
    std::fs::rename(host.conf("a.com-w"), &kept).unwrap();
    symlink(&kept, host.conf("a.com-w")).unwrap();
    crate::site::Deployed::of(&host, "a.com").crasher("broken");
    wants(&host, &["program: w, script: broken.sh"]);
    host.run(&["apply", "--yes"]).ended(4);
    assert_eq!(std::fs::read_link(host.conf("a.com-w")).unwrap(), kept);
    host.wait_running(&["a.com-w:a.com-w"]);
}

#[test]
fn folder_in_files_place_is_refused() {
    let host = or_skip!(wanting_host());
    let conf = host.conf("a.com-w");
    std::fs::create_dir(&conf).unwrap();
    refused_untouched(&host, &[&format!("{} is a folder", conf.display()), "mv "]);
    let said = host.run(&["apply", "--yes"]).ended(1).stderr;
    host.follow(&said, Hint("mv {} {}")).ended(0);
    let logrotate = host.logrotate("a.com-w");
    let made = Command::new("mkfifo").arg(&logrotate).status().unwrap();
    assert!(made.success());
    refused_untouched(&host, &[&format!("{} is not a regular file", logrotate.display())]);
}

#[test]
fn program_of_another_file_is_refused() {
    let host = or_skip!(wanting_host());
    host.daemon.write_conf("theirs", "[program:a.com-w]\ncommand=/bin/sleep 1000\n");
    let theirs = host.conf("theirs").display().to_string();
    refused_untouched(&host, &["a.com-w is already defined in", &theirs]);
}

/// A program of a `[group:]` is no group of its own for supervisord: an apply would change nothing that
/// runs, and say that it had.
#[test]
fn grouped_program_is_refused() {
    let host = or_skip!(applied_host());
    host.daemon.write_conf("foo", "[program:foo]\ncommand=/bin/sleep 1000\n");
    host.daemon.write_conf("theirs", "[group:all]\nprograms=foo, a.com-w\n");
    let theirs = host.conf("theirs").display().to_string();
    let said = format!("program a.com-w is taken into [group:all] by {theirs}");
    let hint = format!("out of programs= of [group:all] in {theirs}");
    // What supervisord has loaded is as before, then as the group has it.
    for is_updated in [false, true] {
        if is_updated {
            assert!(host.daemon.supervisorctl(&["update"]).status.success());
            host.wait_running(&["all:a.com-w", "all:foo"]);
        }
        wants(&host, &["program: w, script: w.sh, stopwaitsecs: 7"]);
        refused_untouched(&host, &[&said, &hint]);
        host.run(&["plan"]).says(&said);
        host.deployed("a.com").worker("v");
        wants(&host, &["program: v, script: v.sh"]);
        refused_untouched(&host, &[&said, &hint]);
        let before = host.snapshot().processes;
        host.run(&["stop", "--yes", "--site", "a.com"]).complains("it is not this site's");
        assert_eq!(host.snapshot().processes, before);
    }
    // As the hint has it.
    host.daemon.write_conf("theirs", "[group:all]\nprograms=foo\n");
    assert!(host.daemon.supervisorctl(&["update", "all"]).status.success());
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 7"]);
    host.run(&["apply", "--yes"]).ended(0);
    host.wait_running(&["a.com-w:a.com-w", "all:foo"]);
    assert_eq!(host.groups(), ["a.com-w", "all"]);
}

/// What the text of a file does not tell, supervisord does.
#[test]
fn apply_needs_group_in_supervisord() {
    let mut host = or_skip!(Host::start());
    host.daemon.set_environment(&[("TAKEN", "a.com-w")]);
    host.daemon.restart();
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh"]);
    host.run(&["apply", "--yes"]).ended(0);
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    host.daemon.write_conf("foo", "[program:foo]\ncommand=/bin/sleep 1000\n");
    // Python knows more forms of an expansion than we do.
    host.daemon.write_conf("theirs", "[group:all]\nprograms=foo,%(ENV_TAKEN)-9s\n");
    // Where nothing changes, that is the plan.
    let theirs = host.conf("theirs").display().to_string();
    let run = host.run(&["plan"]).ended(1);
    run.says(&format!("program a.com-w is taken into [group:all] by {theirs}"));
    wants(&host, &["program: w, script: w.sh, stopwaitsecs: 7"]);
    for is_updated in [false, true] {
        if is_updated {
            assert!(host.daemon.supervisorctl(&["update"]).status.success());
            host.wait_running(&["all:a.com-w", "all:foo"]);
        }
        let before = host.snapshot().processes;
        let run = host.run(&["apply", "--yes"]).ended(4);
        run.complains("supervisord makes no group of a.com-w");
        assert_eq!(std::fs::read_to_string(host.conf("a.com-w")).unwrap(), text);
        assert_eq!(host.snapshot().processes, before);
    }
}

/// The main file and every kind of section whose name is a group's count like any other.
#[test]
fn group_in_main_file_is_refused() {
    let sleeps = "command=/bin/sleep 1000\nautostart=true\n";
    for section in [
        format!("[program:a.com-w]\n{sleeps}"),
        format!("[program:x]\n{sleeps}[group:a.com-w]\nprograms=x\n"),
        format!("[eventlistener:a.com-w]\n{sleeps}events=TICK_3600\n"),
        format!("[fcgi-program:a.com-w]\n{sleeps}socket=unix://%(here)s/fcgi.sock\n"),
    ] {
        let options = Options { extra: section.clone(), ..Options::default() };
        let host = or_skip!(Host::start_with(options));
        host.deploy("a.com").worker("w");
        wants(&host, &["program: w, script: w.sh"]);
        let process = if section.contains("programs=") { "a.com-w:x" } else { "a.com-w:a.com-w" };
        host.wait_running(&[process]);
        let main = host.daemon.main_conf().display().to_string();
        refused_untouched(&host, &[&format!("a.com-w is already defined in {main}")]);
        let before = host.snapshot().processes;
        for verb in ["start", "stop", "restart"] {
            host.run(&[verb, "--yes", "--site", "a.com"]);
            assert_eq!(host.snapshot().processes, before, "{verb} {section}");
        }
    }
}

/// A program of the site that is a group of the main file by now goes without that group.
#[test]
fn group_in_main_file_is_kept() {
    let host = or_skip!(applied_host());
    let main = std::fs::read_to_string(host.daemon.main_conf()).unwrap();
    let theirs = "[eventlistener:a.com-w]\ncommand=/bin/sleep 1000\nevents=TICK_3600\n";
    std::fs::remove_file(host.conf("a.com-w")).unwrap();
    std::fs::write(host.daemon.main_conf(), format!("{main}{theirs}")).unwrap();
    host.daemon.supervisorctl(&["update"]);
    let pids = host.wait_running(&["a.com-w:a.com-w"]);
    wants(&host, &[]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(host.wait_running(&["a.com-w:a.com-w"]), pids);
}

#[test]
fn unknown_user_is_refused() {
    let host = or_skip!(wanting_host());
    wants(&host, &["program: w, script: w.sh, user: nobody-here"]);
    refused_untouched(&host, &["user nobody-here does not exist (wanted by w)", "useradd"]);
}

#[test]
fn user_may_be_numeric_id() {
    let host = or_skip!(wanting_host());
    wants(&host, &["program: w, script: w.sh, user: 54321"]);
    refused_untouched(&host, &["user 54321 does not exist (wanted by w)", "getent passwd"]);
    let id = users::current_uid();
    wants(&host, &[&format!("program: w, script: w.sh, user: {id}")]);
    host.run(&["apply", "--yes"]).ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
    host.run(&["plan", "--exit-code"]).ended(0);
}

#[test]
fn foreign_file_needs_permission() {
    let host = or_skip!(wanting_host());
    let theirs = "[program:a.com-w]\ncommand=/bin/sleep 1000\ndirectory=/tmp\n";
    std::fs::write(host.conf("a.com-w"), theirs).unwrap();
    refused_untouched(&host, &["runs in /tmp", "--allow foreign-file"]);
    let said = host.run(&["apply", "--yes"]).ended(1).stderr;
    host.follow(&said, Hint("look at it: cat {}")).ended(0).says("command=/bin/sleep 1000");
    host.run(&["apply", "--yes", "--allow", "foreign-file"]).ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
    host.run(&["plan", "--exit-code"]).ended(0);
}

/// What others keep from everybody's eyes stays so in each output that shows their file, or quotes it.
#[test]
fn foreign_environment_is_never_shown() {
    let host = or_skip!(wanting_host());
    let theirs = "[program:a.com-w]\ncommand=/bin/sleep 1000\ndirectory=/tmp\n\
                  environment=A=\"s3cr3t-one\",\n  B=s3cr3t-two\n";
    let shows = |verb: &[&str]| {
        let run = host.run(verb);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(!said.contains("s3cr3t"), "{verb:?}: {said}");
        said
    };
    std::fs::write(host.conf("a.com-w"), theirs).unwrap();
    for allowed in [&[][..], &["--allow", "foreign-file"]] {
        for verb in [&["plan"][..], &["--json", "plan"], &["apply", "--yes"], &["history"]] {
            shows(&[verb, if verb.contains(&"history") { &[] } else { allowed }].concat());
        }
    }
    shows(&["history", "--diff", "1", "--site", "a.com"]);
    // supervisord quotes the value that it cannot take.
    for broken in [
        "environment=A=\"s3cr3t-one\",s3cr3t-two\n",
        "environment=s3cr3t-three\n",
        "environment=A=%(NOPE)s,s3cr3t\n",
        "environment=A=\"s3cr3t\n",
        "environment=A=\"x\"\ns3cr3t-four\n",
    ] {
        let text = format!("[program:theirs]\ncommand=/bin/sleep 1000\n{broken}");
        host.daemon.write_conf("theirs", &text);
        wants(&host, &["program: w, script: w.sh, stopwaitsecs: 7"]);
        let said = shows(&["apply", "--yes"]);
        assert!(said.contains("broken") && said.contains("theirs.conf"), "{said}");
        for verb in [&["plan"][..], &["--json", "plan"], &["status"], &["restart", "--yes"]] {
            shows(verb);
        }
    }
}

#[test]
fn missing_log_folder_is_made() {
    let host = or_skip!(wanting_host());
    let logs = host.path("deep/er/log");
    let text = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    let old = format!("log_dir: {}", host.daemon.log_dir().display());
    let text = text.replace(&old, &format!("log_dir: {}", logs.display()));
    std::fs::write(host.path("home/deployer.yml"), text).unwrap();
    host.run(&["plan"]).ended(0).says(&format!("  + folder {}/\n", logs.display()));
    host.run(&["apply", "--yes"]).ended(0);
    assert!(logs.join("a.com-w.log").is_file());
    // The rest of what the site had goes with it, but not its logs.
    wants(&host, &[]);
    host.run(&["apply", "--yes"]).ended(0);
    assert!(logs.join("a.com-w.log").is_file());
}

#[test]
fn missing_command_is_refused() {
    let host = or_skip!(wanting_host());
    wants(&host, &["program: c, command: /no/such/command --x"]);
    refused_untouched(&host, &["/no/such/command does not exist (wanted by c)"]);
    wants(&host, &["program: c, command: sleep 1000, directory: /tmp"]);
    host.run(&["apply", "--yes"]).ended(0);
    let pid = host.wait_running(&["a.com-c:a.com-c"])[0];
    let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
    assert_eq!(cwd.to_str(), Some("/tmp"));
}

/// What the real logrotate says against a config.
fn logrotate_complains(host: &Host) -> String {
    let mut logrotate = Command::new("/usr/sbin/logrotate");
    logrotate.arg("-d").arg("-s").arg(host.path("rotated")).arg(host.logrotate("a.com-w"));
    let Ok(output) = logrotate.output() else {
        missing("logrotate");
        return String::new();
    };
    let said = String::from_utf8(output.stderr).unwrap();
    said.lines().filter(|line| line.starts_with("error:")).collect()
}

#[test]
fn root_takes_over_users_file() {
    if !users::is_root() {
        return;
    }
    let host = or_skip!(applied_host());
    host.deployed("a.com").crasher("bad");
    let nobody = users::find("nobody").unwrap().unwrap();
    let files = [host.logrotate("a.com-w"), host.conf("a.com-w")];
    for file in &files {
        chown(file, Some(nobody.uid), Some(nobody.gid)).unwrap();
    }
    let owners = || files.each_ref().map(|file| file.metadata().unwrap().uid());
    assert!(logrotate_complains(&host).contains("owner"), "it is ignored");
    host.run(&["status"]).ended(3).says("belongs to another user than root");
    let run = host.run(&["plan", "--exit-code"]).ended(3);
    let run = run.says("supervisor-a.com-w.conf: becomes root's, logrotate ignores another user's");
    run.says("a.com-w.conf: becomes root's, another user could change what it runs");

    wants(&host, &["program: w, script: w.sh", "program: bad, script: bad.sh"]);
    host.run(&["apply", "--yes"]).ended(4);
    assert_eq!(owners(), [nobody.uid; 2]);

    wants(&host, &["program: w, script: w.sh"]);
    let before = host.wait_running(&["a.com-w:a.com-w"]);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(owners(), [0, 0]);
    assert_eq!(logrotate_complains(&host), "");
    assert_eq!(host.wait_running(&["a.com-w:a.com-w"]), before, "nothing restarts for it");
    host.run(&["status"]).ended(0);
    host.run(&["plan", "--exit-code"]).ended(0);
}
