//! Many hosts: real sshds on this machine, each before a supervisord of its own.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::daemon::{Daemon, current_user};
use crate::sshd::{Keyring, Sshd};
use crate::{OURS, median, ms, succeeded, timed, times};

/// How many hosts at once, for both.
const PARALLEL: &str = "16";

/// The inventory with the hosts behind ssh, and the one with the same sites on this machine.
const REMOTE: &str = "deployer.yml";
const LOCAL: &str = "local.yml";

pub(crate) fn fleet() {
    println!("apply with nothing to do, {PARALLEL} hosts at once, beside `ssh HOST true` likewise");
    println!("(own work: the same apply without ssh; all hosts share this machine's processors)");
    println!(
        "hosts |  first contact |       cached | ssh HOST true |   own work | (cached - own)/ssh | \
         memory, threads"
    );
    for (count, rounds) in [(1, 9), (16, 3), (64, 3)] {
        let hosts = Hosts::start(count);
        // The machine has a hand in it too: both sides in turn, and the median of each.
        let mut theirs = Vec::new();
        let mut cached = Vec::new();
        let mut own = Vec::new();
        let first = hosts.apply().0;
        hosts.forget_binary();
        let contact = hosts.apply().0;
        let mut footprint = Footprint::default();
        for _ in 0..rounds {
            theirs.push(hosts.ssh_true());
            own.push(hosts.apply_from(LOCAL).0);
            let (time, seen) = hosts.apply();
            cached.push(time);
            footprint = footprint.max(seen);
        }
        let theirs = median(rounds, || theirs.pop().unwrap());
        let cached = median(rounds, || cached.pop().unwrap());
        let own = median(rounds, || own.pop().unwrap());
        println!(
            "{count:5} | {:>14} | {:>12} | {:>13} | {:>10} | {:>18} | {:.1} MiB, {}",
            ms(contact),
            ms(cached),
            ms(theirs),
            ms(own),
            times(cached.saturating_sub(own), theirs),
            footprint.kib as f64 / 1024.0,
            footprint.threads,
        );
        println!("      | (with the first apply itself: {})", ms(first));
    }
}

struct Hosts {
    keyring: Keyring,
    machines: Vec<(Daemon, Sshd)>,
}

/// The largest that a process was seen.
#[derive(Default, Clone, Copy)]
struct Footprint {
    kib: u64,
    threads: u64,
}

impl Footprint {
    fn max(self, other: Self) -> Self {
        Self { kib: self.kib.max(other.kib), threads: self.threads.max(other.threads) }
    }

    fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Self { kib: value("VmHWM:"), threads: value("Threads:") }
    }
}

impl Hosts {
    fn start(count: usize) -> Self {
        let keyring = Keyring::new().expect("an sshd to measure against");
        let machine = |_| {
            let daemon = Daemon::start().expect("a supervisord to measure against");
            (daemon, Sshd::start(&keyring))
        };
        let machines = (0..count).map(machine).collect();
        let hosts = Self { keyring, machines };
        hosts.write_inventory(REMOTE, |port| {
            format!("port: {port}, username: {}, privilege: none", current_user())
        });
        hosts.write_inventory(LOCAL, |_| "connection: local, privilege: none".to_owned());
        hosts
    }

    /// `door` is how each host is reached, by the port of its sshd.
    fn write_inventory(&self, name: &str, door: impl Fn(u16) -> String) {
        let user = current_user();
        let mut text = "servers:\n".to_owned();
        for (number, (_, sshd)) in self.machines.iter().enumerate() {
            let door = door(sshd.port);
            let _ = writeln!(text, "  - {{name: web{number}, host: 127.0.0.1, {door}}}");
        }
        let _ = writeln!(text, "user: {user}\nsites:");
        for (number, (daemon, _)) in self.machines.iter().enumerate() {
            let root = daemon.root().display();
            let log = daemon.log_dir();
            let _ = writeln!(
                text,
                "  - domain: s{number}.example\n    server: web{number}\n    paths: {{sites: \
                 {root}/sites, conf_dir: {root}/conf.d, logrotate_dir: {root}/logrotate.d, \
                 log_dir: {}, supervisord: {}, state_dir: {root}/state}}\n    supervisors:\n      \
                 - {{program: p, command: sleep 1000, directory: /tmp, autostart: false}}",
                log.display(),
                daemon.main_conf().display(),
            );
        }
        std::fs::write(self.keyring.path(name), text).unwrap();
    }

    fn apply(&self) -> (Duration, Footprint) {
        self.apply_from(REMOTE)
    }

    fn apply_from(&self, inventory: &str) -> (Duration, Footprint) {
        let mut command = Command::new(OURS);
        command
            .args(["apply", "--yes", "--parallel", PARALLEL, "--inventory"])
            .arg(self.keyring.path(inventory))
            .env("SUPERVISOR_SYNC_SSH", self.keyring.wrapper())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut footprint = Footprint::default();
        let time = timed(|| {
            let mut child = command.spawn().unwrap();
            while child.try_wait().unwrap().is_none() {
                footprint = footprint.max(Footprint::of(child.id()));
                std::thread::sleep(Duration::from_millis(2));
            }
            succeeded(&child.wait_with_output().unwrap());
        });
        (time, footprint)
    }

    fn forget_binary(&self) {
        for (_, sshd) in &self.machines {
            let _ = std::fs::remove_dir_all(sshd.home().join(".cache"));
        }
    }

    /// The same logins with nothing behind them, by xargs.
    fn ssh_true(&self) -> Duration {
        let ports: Vec<String> = self.machines.iter().map(|(_, s)| s.port.to_string()).collect();
        let script = format!(
            "printf '%s\\n' {} | xargs -P {PARALLEL} -I PORT {} -o BatchMode=yes -T -p PORT \
             127.0.0.1 true",
            ports.join(" "),
            self.keyring.wrapper().display()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        timed(|| succeeded(&command.output().unwrap()))
    }
}
