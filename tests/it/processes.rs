//! What becomes of processes, counted: each worker writes down when it starts, when it is told to
//! stop and when it has drained, so that "exactly once" and "at the same time" are read, not
//! guessed.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "reads what workers wrote")]

mod deferred;
mod drain;
mod names;
mod restarts;
mod rolling;
mod scaling;
mod some;
mod stopped;
mod verification;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use crate::daemon::{PATIENCE, wait_until};
use crate::site::{Deployed, Host};

/// So that a test waits no longer than it must.
const IMPATIENT: &str = "defaults: {startretries: 0, startsecs: 0, health: {stable_for: 0}}";

/// The inventory of `a.com` with these programs, each a line of YAML in braces.
fn wants(host: &Host, programs: &[&str]) {
    let lines: String = programs.iter().map(|program| format!("      - {{{program}}}\n")).collect();
    let site = format!("  - domain: a.com\n    server: here\n    supervisors:\n{lines}");
    host.inventory_with(IMPATIENT, &site);
}

/// What a worker wrote down.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Noted {
    /// supervisord's name of the process, without the site.
    process: String,
    event: Event,
    pid: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Start,
    /// It was told to stop.
    Term,
    /// It has drained.
    End,
}

/// `{name}.sh`: a worker that writes down what happens to it. Told to stop, it does `drain` first.
fn worker(host: &Host, name: &str, drain: &str) {
    script(host, name, &format!("{} {}", on_term(drain), IDLE));
}

/// `{name}.sh`: notes its start, then does this.
fn script(host: &Host, name: &str, then: &str) {
    let text = format!(
        "#!/bin/sh\nnote() {{ echo \"$SUPERVISOR_PROCESS_NAME $1 $$ $(date +%s.%N)\" >> {}; }}\n\
         {then}\n",
        host.path("noted").display()
    );
    host.deployed("a.com").script(&format!("{name}.sh"), &text);
}

fn on_term(drain: &str) -> String {
    format!("trap 'note term; {drain} note end; exit 0' TERM\nnote start\n")
}

const IDLE: &str = "while :; do sleep 1000 & wait $!; done";

/// Everything that was written down, in its order.
fn noted(host: &Host) -> Vec<Noted> {
    let text = std::fs::read_to_string(host.path("noted")).unwrap_or_default();
    let noted = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words.len(), 4, "{line}");
        Noted {
            process: words[0].strip_prefix("a.com-").unwrap().to_owned(),
            event: match words[1] {
                "start" => Event::Start,
                "term" => Event::Term,
                _ => Event::End,
            },
            pid: words[2].parse().unwrap(),
        }
    };
    // The last line may be about to be written.
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|l| noted(l.trim()))
        .collect()
}

/// How often each process has started.
fn starts(host: &Host) -> BTreeMap<String, usize> {
    let mut starts = BTreeMap::new();
    for noted in noted(host).into_iter().filter(|noted| noted.event == Event::Start) {
        *starts.entry(noted.process).or_insert(0) += 1;
    }
    starts
}

/// [`starts`], to compare it with.
fn times(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
    of.iter().map(|(process, times)| ((*process).to_owned(), *times)).collect()
}

/// Waits until each of these processes has noted its start, so that it can be told to stop.
fn wait_noted(host: &Host, of: &[(&str, usize)]) {
    wait_until(PATIENCE, &format!("{of:?} have started"), || starts(host) == times(of));
}

/// Applies this inventory, which goes well, until all have noted their starts.
fn applied(host: &Host, programs: &[&str], of: &[(&str, usize)]) {
    wants(host, programs);
    host.run(&["apply", "--yes"]).ended(0);
    wait_noted(host, of);
}

/// The pids that supervisord has, by process.
fn pids(host: &Host) -> BTreeMap<String, i64> {
    let processes = host.daemon.processes().into_iter().filter(|process| process.pid > 0);
    processes.map(|process| (process.name.replacen("a.com-", "", 1), process.pid)).collect()
}

/// A host where `a.com` is deployed with these workers, which stop at once.
fn host_with(workers: &[&str]) -> Option<Host> {
    let host = Host::start()?;
    host.deploy("a.com");
    workers.iter().for_each(|name| worker(&host, name, ""));
    Some(host)
}

/// The next release, with the scripts of the last one, goes live.
fn next_release(site: &Deployed<'_>, number: u32) {
    let (former, next) = (number - 1, number.to_string());
    let copied = std::process::Command::new("cp")
        .args(["-a", &former.to_string(), &next])
        .current_dir(site.path("releases"))
        .status();
    assert!(copied.unwrap().success());
    symlink(format!("releases/{next}"), site.path("next")).unwrap();
    std::fs::rename(site.path("next"), site.path("current")).unwrap();
}

/// The folder that a process works in.
fn working_folder(pid: i64) -> std::path::PathBuf {
    std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap()
}
