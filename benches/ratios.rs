//! Ratios against other commands in the same run: `make bench`.
//!
//! Absolute times say more about the machine than about the program, so each line sets ours beside
//! supervisord's own floor (the same calls raw over the socket, files already written) and beside
//! what people type today. Nothing here asserts a time.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench starts processes, reads the clock and stops at the first surprise"
)]

#[path = "../tests/it/daemon.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod daemon;
#[path = "../tests/it/python.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod python;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use daemon::Daemon;
use supervisor_sync::supervisord::{Call, Supervisord as _};

const OURS: &str = env!("CARGO_BIN_EXE_supervisor-sync");

fn main() {
    let only: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part));
    println!("supervisor-sync {} on {}\n", env!("CARGO_PKG_VERSION"), machine());
    for (name, bench) in [
        ("start-up", start_up as fn()),
        ("first sync", first_sync),
        ("nothing to do", nothing_to_do),
        ("stopping", stopping),
        ("rolling", rolling),
    ] {
        if wanted(name) {
            println!("## {name}");
            bench();
            println!();
        }
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores")
}

/// `--version` beside `true`, and the binary's size.
fn start_up() {
    let time = |program: &str, argument: &str| {
        median(31, || {
            let mut command = Command::new(program);
            timed(|| assert!(command.arg(argument).output().unwrap().status.success()))
        })
    };
    let floor = time("true", "x");
    let ours = time(OURS, "--version");
    let size = std::fs::metadata(OURS).unwrap().len();
    println!("--version: {}, true: {}, {}", ms(ours), ms(floor), times(ours, floor));
    println!("binary: {:.1} MiB", size as f64 / 1024.0 / 1024.0);
}

/// A site of N programs on a daemon of its own.
struct Lab {
    daemon: Daemon,
}

impl Lab {
    fn new() -> Self {
        let daemon = Daemon::start().expect("a supervisord to measure against");
        Self { daemon }
    }

    fn supervisors(count: usize, numprocs: u32) -> String {
        let program = |number: usize| {
            format!(
                r#"{{"program":"p{number:03}","script":"w.sh","autostart":false,"numprocs":{numprocs}}}"#
            )
        };
        format!("[{}]", (0..count).map(program).collect::<Vec<_>>().join(","))
    }

    fn sync(&self, supervisors: &str) -> Command {
        let root = self.daemon.root();
        let mut command = Command::new(OURS);
        command.args(["playbook", "sync"]).env_clear();
        for (name, value) in [
            ("DEPLOYER_OUTPUT_FILE", root.join("result.yml")),
            ("DEPLOYER_DISTRO", "debian".into()),
            ("DEPLOYER_PERMS", "none".into()),
            ("DEPLOYER_SITE_DOMAIN", "bench.example".into()),
            ("DEPLOYER_SUPERVISORS", supervisors.into()),
            ("SUPERVISOR_SYNC_SITES_DIR", root.join("sites")),
            ("SUPERVISOR_SYNC_CONF_DIR", self.daemon.conf_dir()),
            ("SUPERVISOR_SYNC_LOGROTATE_DIR", self.daemon.logrotate_dir()),
            ("SUPERVISOR_SYNC_LOG_DIR", self.daemon.log_dir()),
            ("SUPERVISOR_SYNC_SUPERVISORD_CONF", self.daemon.main_conf()),
            ("SUPERVISOR_SYNC_STATE_DIR", root.join("state")),
            ("SUPERVISOR_SYNC_USER", daemon::current_user().into()),
        ] {
            command.env(name, value);
        }
        command
    }

    fn run_sync(&self, supervisors: &str) -> Duration {
        let mut command = self.sync(supervisors);
        timed(|| succeeded(&command.output().unwrap()))
    }

    fn clear(&self) {
        self.run_sync("[]");
    }

    fn groups(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.daemon.conf_dir()).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".conf").map(str::to_owned)
        };
        names.filter_map(name).collect()
    }

    /// Empties the daemon but leaves the files, as they are when somebody else has written them.
    fn forget_groups(&self) {
        let groups = self.groups();
        let mut client = self.daemon.client();
        client
            .batch(&groups.into_iter().map(Call::RemoveProcessGroup).collect::<Vec<_>>())
            .unwrap();
    }

    /// The raw floor: one reloadConfig and one batch of adds.
    fn floor(&self) -> Duration {
        let groups = self.groups();
        let mut client = self.daemon.client();
        timed(|| {
            client.batch(&[Call::ReloadConfig]).unwrap();
            client
                .batch(&groups.into_iter().map(Call::AddProcessGroup).collect::<Vec<_>>())
                .unwrap();
        })
    }

    fn supervisorctl_update(&self) -> Duration {
        timed(|| {
            succeeded(&self.daemon.supervisorctl(&["reread"]));
            succeeded(&self.daemon.supervisorctl(&["update"]));
        })
    }
}

fn first_sync() {
    println!("programs |      ours |     floor | supervisorctl | ours/floor | supervisorctl/ours");
    for (count, rounds) in [(1, 9), (10, 9), (100, 5), (500, 3)] {
        let lab = Lab::new();
        let supervisors = Lab::supervisors(count, 1);
        let ours = median(rounds, || {
            lab.clear();
            lab.run_sync(&supervisors)
        });
        let floor = median(rounds, || {
            lab.forget_groups();
            lab.floor()
        });
        let theirs = median(rounds.min(3), || {
            lab.forget_groups();
            lab.supervisorctl_update()
        });
        println!(
            "{count:8} | {:>9} | {:>9} | {:>13} | {:>10} | {:>18}",
            ms(ours),
            ms(floor),
            ms(theirs),
            times(ours, floor),
            times(theirs, ours)
        );
    }
}

fn nothing_to_do() {
    println!("programs |      ours | reloadConfig | ours - reloadConfig | our memory");
    for count in [100, 500] {
        let lab = Lab::new();
        let supervisors = Lab::supervisors(count, 1);
        lab.run_sync(&supervisors);
        let mut client = lab.daemon.client();
        let floor = median(9, || {
            timed(|| {
                client.batch(&[Call::ReloadConfig]).unwrap();
            })
        });
        let ours = median(9, || lab.run_sync(&supervisors));
        println!(
            "{count:8} | {:>9} | {:>12} | {:>19} | {:.1} MiB",
            ms(ours),
            ms(floor),
            ms(ours.saturating_sub(floor)),
            memory(&lab.sync(&supervisors)) as f64 / 1024.0
        );
    }
}

/// The largest resident set of a command, in KiB, as the kernel counts it for a waited-for child.
fn memory(command: &Command) -> u64 {
    let script = "import resource, subprocess, sys\n\
         subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n\
         print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", script]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        python.env(name, value.unwrap_or_default());
    }
    let output = python.output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// Workers that take three seconds to stop.
struct Inventory {
    lab: Lab,
    path: PathBuf,
}

impl Inventory {
    fn new() -> Self {
        let lab = Lab::new();
        let worker = lab.daemon.root().join("worker.sh");
        std::fs::write(
            &worker,
            "trap 'sleep 3; exit 0' TERM\necho ready >> \"$1\"\nwhile :; do sleep 0.1; done\n",
        )
        .unwrap();
        let path = lab.daemon.root().join("deployer.yml");
        Self { lab, path }
    }

    fn write(&self, programs: usize, rest: &str) {
        let root = self.lab.daemon.root().display();
        let mut text = format!(
            "servers:\n  - {{name: here, host: localhost, connection: local, privilege: none}}\n\
             user: {}\npaths: {{sites: {root}/sites, conf_dir: {root}/conf.d, logrotate_dir: \
             {root}/logrotate.d, log_dir: {root}/{}, supervisord: {}, state_dir: {root}/state}}\n\
             sites:\n  - domain: bench.example\n    server: here\n    supervisors:\n",
            daemon::current_user(),
            self.lab.daemon.log_dir().file_name().unwrap().to_str().unwrap(),
            self.lab.daemon.main_conf().display(),
        );
        for number in 0..programs {
            let _ = writeln!(
                text,
                "      - {{program: p{number:02}, command: sh {root}/worker.sh {root}/ready, \
                 directory: /tmp, stopasgroup: false, killasgroup: false, {rest}}}"
            );
        }
        std::fs::write(&self.path, text).unwrap();
    }

    fn ours(&self, arguments: &[&str]) -> Duration {
        let mut command = Command::new(OURS);
        command.args(arguments).arg("--inventory").arg(&self.path);
        timed(|| succeeded(&command.output().unwrap()))
    }

    /// Starts everything anew and waits until each has set its trap.
    fn ready(&self, processes: usize) {
        let ready = self.lab.daemon.root().join("ready");
        daemon::wait_until(Duration::from_secs(60), "the workers are ready", || {
            std::fs::read_to_string(&ready).unwrap_or_default().lines().count() >= processes
        });
        std::fs::remove_file(ready).unwrap();
    }
}

fn stopping() {
    println!("K changed programs that take 3 s to stop, not watched afterwards");
    println!("   K |      ours | supervisorctl update | supervisorctl/ours");
    for count in [1, 8, 32] {
        let inventory = Inventory::new();
        inventory.write(count, "priority: 1");
        inventory.ours(&["apply", "--yes", "--no-verify"]);
        inventory.ready(count);
        inventory.write(count, "priority: 2");
        let ours = inventory.ours(&["apply", "--yes", "--no-verify"]);
        inventory.ready(count);
        for group in inventory.lab.groups() {
            let path = inventory.lab.daemon.conf_dir().join(format!("{group}.conf"));
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace("priority=2", "priority=3")).unwrap();
        }
        let theirs = inventory.lab.supervisorctl_update();
        println!("{count:4} | {:>9} | {:>20} | {:>18}", ms(ours), ms(theirs), times(theirs, ours));
    }
}

fn rolling() {
    println!("8 processes that take 3 s to stop, one at a time, each watched for 1 s");
    let inventory = Inventory::new();
    inventory.write(1, "numprocs: 8, health: {stable_for: 1}");
    inventory.ours(&["apply", "--yes"]);
    inventory.ready(8);
    let ours = inventory.ours(&["restart", "--rolling"]);
    inventory.ready(8);
    let theirs = timed(|| {
        for number in 0..8 {
            let name = format!("bench.example-p00:bench.example-p00_{number:02}");
            succeeded(&inventory.lab.daemon.supervisorctl(&["restart", &name]));
        }
    });
    println!("ours (each healthy before the next): {}", ms(ours));
    println!("supervisorctl restart, one by one:   {} ({})", ms(theirs), times(ours, theirs));
}

fn succeeded(output: &Output) {
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(rounds: usize, mut once: impl FnMut() -> Duration) -> Duration {
    let mut all: Vec<Duration> = (0..rounds).map(|_| once()).collect();
    all.sort_unstable();
    all[rounds / 2]
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn times(one: Duration, other: Duration) -> String {
    format!("{:.2} x", one.as_secs_f64() / other.as_secs_f64())
}
