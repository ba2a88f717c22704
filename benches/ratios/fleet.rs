//! Many hosts: real sshds on this machine, each before a supervisord of its own.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use supervisor_sync::fleet::wire::PROTOCOL;

use crate::daemon::{Daemon, current_user};
use crate::sshd::{Keyring, Sshd};
use crate::{OURS, median, ms, succeeded, timed, times};

/// How many hosts at once, for both.
const PARALLEL: &str = "16";

/// The inventory with the hosts behind ssh, and the one with the same sites on this machine.
const REMOTE: &str = "deployer.yml";
const LOCAL: &str = "local.yml";

/// How many hosts are there at our end alone.
const SIMULATED: usize = 5_000;

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
            own.push(apply(&hosts.keyring, LOCAL).0);
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
    simulated();
}

/// Many more hosts than there are, by an ssh that answers itself: what our own end takes.
fn simulated() {
    let keyring = Keyring::new().expect("an ssh to measure against");
    let doors = (0..SIMULATED).map(|_| "username: root".to_owned());
    let site = |_| "    supervisors: [{program: p, command: sleep 1000}]\n".to_owned();
    std::fs::write(keyring.path(REMOTE), inventory(doors, site)).unwrap();
    keyring.write_wrapper(&format!(
        "echo '@supervisor-sync HAVE direct root /supervisor-sync'\n\
         echo '{{\"hello\":{{\"protocol\":{PROTOCOL},\"release\":\"simulated\"}}}}'\n\
         while read -r line; do echo '{{\"reply\":{{\"reply\":\"applied\",\"sites\":[]}}}}'; done"
    ));
    let (time, Footprint { kib, threads }) = apply(&keyring, REMOTE);
    let memory = kib as f64 / 1024.0;
    println!("{SIMULATED} simulated hosts: {}, {memory:.1} MiB, {threads} threads", ms(time));
}

/// An inventory with a host for each of these doors, and on each a site with this in it.
fn inventory(doors: impl Iterator<Item = String>, site: impl Fn(usize) -> String) -> String {
    let mut servers = "servers:\n".to_owned();
    let mut sites = format!("user: {}\nsites:\n", current_user());
    for (number, door) in doors.enumerate() {
        let _ = writeln!(servers, "  - {{name: web{number}, host: 127.0.0.1, {door}}}");
        let _ = write!(
            sites,
            "  - domain: s{number}.example\n    server: web{number}\n{}",
            site(number)
        );
    }
    servers + &sites
}

fn apply(keyring: &Keyring, inventory: &str) -> (Duration, Footprint) {
    let mut command = Command::new(OURS);
    command
        .args(["apply", "--yes", "--parallel", PARALLEL, "--inventory"])
        .arg(keyring.path(inventory))
        .env("SUPERVISOR_SYNC_SSH", keyring.wrapper())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
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
        let doors = self.machines.iter().map(|(_, sshd)| door(sshd.port));
        let site = |number: usize| {
            let (daemon, _) = &self.machines[number];
            let root = daemon.root().display();
            format!(
                "    paths: {{sites: {root}/sites, conf_dir: {root}/conf.d, logrotate_dir: \
                 {root}/logrotate.d, log_dir: {}, supervisord: {}, state_dir: {root}/state}}\n    \
                 supervisors:\n      - {{program: p, command: sleep 1000, directory: /tmp, \
                 autostart: false}}\n",
                daemon.log_dir().display(),
                daemon.main_conf().display(),
            )
        };
        std::fs::write(self.keyring.path(name), inventory(doors, site)).unwrap();
    }

    fn apply(&self) -> (Duration, Footprint) {
        apply(&self.keyring, REMOTE)
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
