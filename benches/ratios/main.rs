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

#[path = "../../tests/it/daemon.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod daemon;
#[path = "../../tests/it/python.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod python;
#[path = "../../tests/it/sshd.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod sshd;

mod contenders;
mod fleet;
mod lab;
mod sites;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use lab::{Inventory, Lab};
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
        ("status", status),
        ("many sites", sites::sites),
        ("one file a site", sites::one_file),
        ("fleet", fleet::fleet),
        ("contenders", contenders::contenders),
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

fn first_sync() {
    println!("programs |      ours |     floor | supervisorctl | ours/floor | supervisorctl/ours");
    for (count, rounds) in [(1, 9), (10, 9), (100, 5), (500, 3)] {
        let lab = Lab::new();
        let supervisors = Lab::supervisors(count, 1);
        let [ours, floor, theirs] = medians(rounds, |_| {
            lab.clear();
            let ours = lab.run_sync(&supervisors);
            lab.forget_groups();
            let floor = lab.floor();
            lab.forget_groups();
            [ours, floor, lab.supervisorctl_update()]
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
    println!("programs |      ours | reloadConfig | ours/reloadConfig | our memory");
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
            "{count:8} | {:>9} | {:>12} | {:>17} | {:.1} MiB",
            ms(ours),
            ms(floor),
            times(ours, floor),
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
    let ours = inventory.ours(&["restart", "--yes", "--rolling"]);
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

fn status() {
    println!("status of 500 programs, and what supervisorctl prints of them");
    let lab = Lab::new();
    lab.run_sync(&Lab::supervisors(500, 1));
    let inventory = Inventory::of(lab, 500);
    let [ours, deep, theirs] = medians(5, |_| {
        let theirs = || timed(|| drop(inventory.lab.daemon.supervisorctl(&["status"])));
        [inventory.takes(&["status"]), inventory.takes(&["status", "--deep"]), theirs()]
    });
    println!("ours (files and state):                    {}", ms(ours));
    println!("ours, --deep (running configuration, too): {}", ms(deep));
    println!("supervisorctl status:                      {}", ms(theirs));
    println!("ours/supervisorctl: {}, --deep: {}", times(ours, theirs), times(deep, theirs));
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

/// The median of each of several times that are taken in turn: the machine is not equally fast
/// all the time.
fn medians<const N: usize>(
    rounds: usize,
    mut once: impl FnMut(usize) -> [Duration; N],
) -> [Duration; N] {
    let mut all: Vec<[Duration; N]> = (0..rounds).map(&mut once).collect();
    std::array::from_fn(|which| {
        all.sort_unstable_by_key(|times| times[which]);
        all[rounds / 2][which]
    })
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
