//! Many hosts: real sshds on this machine, each before a supervisord of its own.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use supervisor_sync::api::wire::PROTOCOL;

use crate::daemon::{Daemon, current_user};
use crate::sshd::{Keyring, Sshd};
use crate::{OURS, medians, ms, succeeded, timed, times};

/// How many hosts at once, for both.
const PARALLEL: &str = "16";

/// The inventory with the hosts behind ssh, the same with connections that stay open, and the one with
/// the same sites on this machine.
const REMOTE: &str = "deployer.yml";
const KEPT_OPEN: &str = "kept.yml";
const LOCAL: &str = "local.yml";

/// How many hosts are there at our end alone, and how many programs on each.
const SIMULATED: usize = 5_000;
const PROGRAMS: usize = 5;

pub(crate) fn fleet() {
    println!("apply with nothing to do, {PARALLEL} hosts at once, beside `ssh HOST true` likewise");
    println!("(own work: the same apply without ssh; all hosts share this machine's processors)");
    println!(
        "hosts |  first contact |       cached |    kept open | ssh HOST true |   own work | \
         (cached - own)/ssh | memory, threads"
    );
    for (count, rounds) in [(1, 9), (16, 3), (64, 3)] {
        let hosts = Hosts::start(count);
        let first = hosts.apply().0;
        hosts.forget_binary();
        let contact = hosts.apply().0;
        apply(&hosts.keyring, KEPT_OPEN);
        let mut footprint = Footprint::default();
        let [kept_open, theirs, own, cached] = medians(rounds, |_| {
            let kept_open = apply(&hosts.keyring, KEPT_OPEN).0;
            let (theirs, own) = (hosts.ssh_true(), apply(&hosts.keyring, LOCAL).0);
            let (cached, seen) = hosts.apply();
            footprint = footprint.max(seen);
            [kept_open, theirs, own, cached]
        });
        println!(
            "{count:5} | {:>14} | {:>12} | {:>12} | {:>13} | {:>10} | {:>18} | {:.1} MiB, {}",
            ms(contact),
            ms(cached),
            ms(kept_open),
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
    let [planned, applied] = answers();
    answer(&keyring, "applied", &applied);
    write_simulated(&keyring, SIMULATED);
    let (time, Footprint { kib, threads }) = apply(&keyring, REMOTE);
    let memory = kib as f64 / 1024.0;
    println!("{SIMULATED} simulated hosts: {}, {memory:.1} MiB, {threads} threads", ms(time));
    plans(&keyring, &planned);
}

/// A plan of new programs on so many simulated hosts, and on ten times as many: what one more host takes
/// should be the same.
fn plans(keyring: &Keyring, planned: &str) {
    println!(
        "plan of {PROGRAMS} new programs on each of so many simulated hosts, {PARALLEL} at once"
    );
    println!(
        " hosts |       time | before the first host | a host of that |    memory | a host of that"
    );
    answer(keyring, "plans", planned);
    let mut floor = None;
    for hosts in [1, 1_000, 10_000] {
        write_simulated(keyring, hosts);
        let first = keyring.path("first");
        let _ = std::fs::remove_file(&first);
        let begin = SystemTime::now();
        let mut command = ours("plan", keyring, REMOTE);
        let (time, Footprint { kib, .. }) = measured(command.stdout(Stdio::null()));
        let began = std::fs::metadata(&first).unwrap().modified().unwrap();
        let before = began.duration_since(begin).unwrap_or_default();
        // What it takes for a single host it takes anyway.
        let kib_of_one = *floor.get_or_insert(kib);
        let of_each = kib.saturating_sub(kib_of_one) as f64 / hosts as f64;
        println!(
            "{hosts:6} | {:>10} | {:>21} | {:>11.1} us | {:>5.1} MiB | {of_each:>10.2} KiB",
            ms(time),
            ms(before),
            before.as_secs_f64() * 1e6 / hosts as f64,
            kib as f64 / 1024.0,
        );
    }
}

/// The sites of a reply about new programs, of the site `$name`, as a real host answers: their plan, or an
/// apply with nothing left to do.
fn answers() -> [String; 2] {
    let hosts = Hosts::start(1);
    let name = hosts.keyring.path(LOCAL);
    let inventory = std::fs::read_to_string(&name).unwrap();
    let (before, program) = inventory.split_once("      - {program: p").unwrap();
    let program = |number| format!("      - {{program: p{number}{program}");
    let programs: String = (0..PROGRAMS).map(program).collect();
    std::fs::write(&name, before.to_owned() + &programs).unwrap();
    let sites = |verb, arguments: &[&str], kind| {
        let mut command = ours(verb, &hosts.keyring, LOCAL);
        let output = command.args(arguments).arg("--json").output().unwrap();
        succeeded(&output);
        let text = String::from_utf8(output.stdout).unwrap();
        let documents = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut of_kind = documents.filter(|document: &serde_json::Value| document["kind"] == kind);
        let sites = of_kind.next().unwrap()["sites"].to_string();
        let sites = sites.trim_matches(['[', ']']).replace('\'', r"'\''");
        sites.replace("s0.example", "'\"$name\"'")
    };
    let planned = sites("plan", &[], "plan");
    sites("apply", &["--yes"], "applied");
    [planned, sites("apply", &["--yes"], "applied")]
}

fn write_simulated(keyring: &Keyring, hosts: usize) {
    let doors = (0..hosts).map(|_| "username: root".to_owned());
    let program = |number| format!("      - {{program: p{number}, command: sleep 1000}}\n");
    let programs: String = (0..PROGRAMS).map(program).collect();
    let site = |_| format!("    supervisors:\n{programs}");
    std::fs::write(keyring.path(REMOTE), inventory(doors, site)).unwrap();
}

/// Has each host answer with this reply of these sites; nothing has left it. The first that is asked makes
/// the file `first`.
fn answer(keyring: &Keyring, reply: &str, sites: &str) {
    let first = keyring.path("first");
    let first = first.display();
    keyring.write_wrapper(&format!(
        "[ -e {first} ] || : > {first}\n\
         echo '@supervisor-sync HAVE direct root /supervisor-sync'\n\
         echo '{{\"hello\":{{\"protocol\":{PROTOCOL},\"release\":\"simulated\"}}}}'\n\
         while read -r line; do\n\
         name=${{line#*'\"domain\":\"'}}; name=${{name%%'\"'*}}\n\
         case $line in *'\"request\":\"left\"'*)\n\
         echo '{{\"reply\":{{\"reply\":\"left\",\"left\":{{\"sites\":[],\"unreadable\":[]}}}}}}';;\n\
         *) printf '%s\\n' '{{\"reply\":{{\"reply\":\"{reply}\",\"sites\":[{sites}]}}}}';;\nesac\ndone"
    ));
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

/// A verb on all hosts of an inventory.
fn ours(verb: &str, keyring: &Keyring, inventory: &str) -> Command {
    let mut command = Command::new(OURS);
    command
        .args([verb, "--parallel", PARALLEL, "--inventory"])
        .arg(keyring.path(inventory))
        .env("SUPERVISOR_SYNC_SSH", keyring.wrapper())
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn apply(keyring: &Keyring, inventory: &str) -> (Duration, Footprint) {
    measured(ours("apply", keyring, inventory).arg("--yes").stdout(Stdio::piped()))
}

fn measured(command: &mut Command) -> (Duration, Footprint) {
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
        let remote = std::fs::read_to_string(hosts.keyring.path(REMOTE)).unwrap();
        let kept_open = format!("fleet: {{persist: 60}}\n{remote}");
        std::fs::write(hosts.keyring.path(KEPT_OPEN), kept_open).unwrap();
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
