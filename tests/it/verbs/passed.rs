//! What is passed on to supervisord: its own options, expansions, logs elsewhere, variables from a file.

#![expect(clippy::disallowed_methods, reason = "looks at the files of a host")]

use crate::site::Host;

use super::{documents, site, wants};

fn config(host: &Host, full: &str) -> String {
    std::fs::read_to_string(host.conf(full)).unwrap()
}

#[test]
fn supervisord_takes_every_option() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(
        &host,
        &["program: w, script: w.sh, numprocs: 2, expansions: true, logs: {rotate: supervisord}, \
           options: {process_name: \"p-%(process_num)d\", numprocs_start: 7, redirect_stderr: true, \
           stdout_logfile_maxbytes: 1MB, stdout_logfile_backups: 2, stdout_capture_maxbytes: 1MB, \
           stdout_events_enabled: true, stdout_syslog: false, stderr_logfile_maxbytes: 0, \
           stderr_logfile_backups: 1, stderr_capture_maxbytes: 0, stderr_events_enabled: false, \
           stderr_syslog: false, serverurl: \"http://127.0.0.1:9001\"}"],
    );
    host.run(&["apply", "--yes"]).ended(0);
    let mut names: Vec<String> = host.daemon.processes().into_iter().map(|p| p.name).collect();
    names.sort();
    assert_eq!(names, ["p-7", "p-8"]);
    host.run(&["plan", "--exit-code"]).ended(0);
    host.run(&["restart", "--yes", "--rolling"]).ended(0);
    host.run(&["status"]).ended(0);
    assert!(!host.logrotate("a.com-w").exists());
}

/// What only the host can refuse is refused before anything is written.
#[test]
fn unknown_host_expansion_is_refused() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let command = |text: &str| format!("program: w, expansions: true, command: \"{text}\"");
    wants(&host, &[&command("/bin/sleep 100%(ENV_NO_SUCH_VARIABLE)s")]);
    let said = host.run(&["apply", "--yes"]).ended(1).stderr;
    assert!(said.contains("`command` %(ENV_NO_SUCH_VARIABLE) is not a name"), "{said}");
    assert!(!host.conf("a.com-w").exists());
    wants(&host, &[&command("/bin/sleep 10%(process_num)d0")]);
    host.run(&["apply", "--yes"]).ended(0);
    assert!(config(&host, "a.com-w").contains("command=/bin/sleep 10%(process_num)d0\n"));
    assert!(host.daemon.processes()[0].pid > 0);
}

#[test]
fn own_log_paths_work() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let (out, err) = (host.path("elsewhere/w.out"), host.path("elsewhere/w.err"));
    wants(
        &host,
        &[&format!(
            "program: w, command: \"sh -c 'echo to-out; echo to-err >&2; exec sleep 100'\", \
             directory: none, logs: {{path: {}, stderr: {}}}",
            out.display(),
            err.display()
        )],
    );
    host.run(&["apply", "--yes"]).ended(0);
    let logs = host.run(&["logs"]).ended(0).stdout;
    assert!(logs.contains("to-out") && logs.contains("to-err"), "{logs}");
    assert_eq!(std::fs::read_to_string(&err).unwrap(), "to-err\n");
    let rotated = std::fs::read_to_string(host.logrotate("a.com-w")).unwrap();
    assert!(rotated.starts_with(&format!("{} {} {{", out.display(), err.display())), "{rotated}");
    assert!(!config(&host, "a.com-w").contains("directory="));
    wants(&host, &["program: w, command: \"sleep 100\", logs: {path: /dev/null, stderr: NONE}"]);
    host.run(&["apply", "--yes"]).ended(0);
    assert!(!host.logrotate("a.com-w").exists());
    let logs = host.run(&["logs"]).ended(0);
    assert!(logs.stderr.contains("writes to no file"), "{}{}", logs.stdout, logs.stderr);
    wants(&host, &[]);
    host.run(&["apply", "--yes", "--purge-logs"]).ended(0);
    assert!(out.exists(), "what lies elsewhere is somebody's");
}

/// `plain` is to supervisord what a file by hand is: taking it over restarts nothing.
#[test]
fn plain_matches_file_by_hand() {
    let host = or_skip!(Host::start());
    host.daemon
        .write_conf("celery", "; by hand\n[program:celery]\npriority=5\ncommand=/bin/sleep 100\n");
    let mut client = host.daemon.client();
    crate::daemon::reread(&mut client).unwrap();
    host.daemon.supervisorctl(&["add", "celery"]);
    let pid = host.daemon.processes()[0].pid;
    host.inventory_with(
        "format: plain\ndefaults: {health: {stable_for: 0}}",
        &site("a.com", &["program: w, as: celery, command: /bin/sleep 100, priority: 5"]),
    );
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(config(&host, "celery"), "[program:celery]\ncommand=/bin/sleep 100\npriority=5\n");
    assert_eq!(host.daemon.processes()[0].pid, pid, "nothing of it has changed");
    host.run(&["plan", "--exit-code"]).ended(0);
}

/// Variables of a file reach the process and nobody else.
#[test]
fn file_variables_reach_only_process() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    std::fs::write(host.path("home/w.env"), "TOKEN=hunter2\n").unwrap();
    let out = host.path("log/out");
    wants(
        &host,
        &[&format!(
            "program: w, command: \"sh -c 'echo is $TOKEN; exec sleep 100'\", directory: none, \
             environment_file: w.env, logs: {{path: {}}}",
            out.display()
        )],
    );
    let plan = host.run(&["plan", "--json"]).ended(0);
    assert!(!plan.stdout.contains("hunter2"), "{}", plan.stdout);
    assert!(!documents(&plan).is_empty());
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(std::fs::read_to_string(out).unwrap(), "is hunter2\n");
    assert!(config(&host, "a.com-w").contains("environment=TOKEN='hunter2'"));
}
