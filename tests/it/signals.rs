//! Ctrl-C and its like: before the swap nothing has happened, while programs drain the next apply
//! finishes, and whoever only goes away does not stop an apply.

#![expect(clippy::disallowed_methods, reason = "looks at files and at the process")]
#![expect(clippy::unwrap_used, reason = "a check that fails fails the test")]

mod hanging;

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use supervisor_sync::apply::Outcome;
use supervisor_sync::event::Event;

use crate::daemon::{PATIENCE, signal, wait_until};
use crate::hints::Hint;
use crate::simulated::{self, Bridge, FaultyFiles, Order, origin, program};
use crate::site::{Host, Running};

/// A site whose `slow` ends only when the gate opens, and the inventory that changes and removes.
struct Draining {
    host: Host,
}

/// What is told when only the other one is waited for.
const QUICK_IS_BACK: &str = "one.com-quick: added process group\n";

const FAST: &str = "startsecs: 0, stopwaitsecs: 60, health: {stable_for: 0}";

impl Draining {
    fn new() -> Option<Self> {
        let host = Host::start()?;
        let site = host.deploy("one.com");
        site.worker("quick");
        site.drainer("slow");
        let draining = Self { host };
        draining.want(1);
        draining.host.run(&["apply", "--yes"]).ended(0);
        draining.host.wait_starts("one.com-slow", 1);
        draining.host.wait_starts("one.com-quick", 1);
        draining.want(2);
        Some(draining)
    }

    fn want(&self, priority: u32) {
        let program = |name: &str| {
            format!(
                "      - {{program: {name}, script: {name}.sh, priority: {priority}, {FAST}}}\n"
            )
        };
        let programs = [program("quick"), program("slow")].concat();
        let site = format!("  - domain: one.com\n    server: here\n    supervisors:\n{programs}");
        self.host.inventory(&site);
    }

    /// Starts the apply and waits until it waits for `slow` alone to stop.
    fn apply(&self) -> Running {
        let mut running = self.host.command(&["apply", "--yes"]).spawn();
        wait_until(PATIENCE, "it waits for slow to stop", || {
            assert!(!running.has_ended(), "{}", running.stderr());
            running.stderr().contains(QUICK_IS_BACK)
        });
        running
    }

    fn is_done(&self) -> bool {
        let text = std::fs::read_to_string(self.host.conf("one.com-slow")).unwrap();
        let journals = crate::site::names(&self.host.state().join("sites/one.com"));
        let is_open = journals.iter().any(|name| name.starts_with("journal."));
        text.contains("priority=2") && self.host.starts("one.com-slow").len() == 2 && !is_open
    }
}

/// Whether a process has a connection.
fn is_connected(pid: u32) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
        .any(|link| link.display().to_string().starts_with("socket:"))
}

#[test]
fn early_signal_changes_nothing() {
    for kind in [Signal::INT, Signal::TERM] {
        let draining = or_skip!(Draining::new());
        let before = draining.host.snapshot();
        // A daemon that does not answer holds the apply up before it has begun.
        draining.host.daemon.freeze();
        let running = draining.host.command(&["apply", "--yes"]).spawn();
        wait_until(PATIENCE, "it asks the daemon", || is_connected(running.id()));
        signal(running.id(), kind);
        draining.host.daemon.thaw();
        running.wait().ended(130).complains("error: site one.com: interrupted");
        let mut now = draining.host.snapshot();
        let own = |path: &std::path::PathBuf| path.starts_with(draining.host.path("state"));
        now.files.retain(|path, _| !own(path));
        let mut before = before;
        before.files.retain(|path, _| !own(path));
        before.assert_same(&now);
        assert!(!draining.is_done());
    }
}

#[test]
fn signal_before_update_restores_files() {
    for step in ["journal", "write_supervisor", "write_logrotate", "swap"] {
        let host = simulated::Host::new();
        let site = host.site(vec![program("w", "runs one")]);
        host.apply(&site).report.unwrap();
        let before = host.look();
        let site = host.site(vec![program("w", "runs two"), program("new", "runs")]);
        let interrupt = host.interrupt.clone();
        let mut raise = |event| {
            if let Event::Step { step: now, .. } = event
                && serde_json::to_value(&now).unwrap()["name"] == step
            {
                interrupt.raise();
            }
        };
        let request = Order::default().request(&[site]);
        let (sound, mut bridge) = (FaultyFiles::sound(), Bridge::of(&host));
        let report = host.with(&sound, &mut bridge, &mut raise, |instance| {
            instance.apply(&[&request.sites[0]], &request, &origin()).pop().unwrap().report.unwrap()
        });
        assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{step}: {report:?}");
        assert_eq!(report.failure().unwrap().kind.exit_status(), 130);
        assert_eq!((host.look(), host.leftovers()), (before, vec![]), "{step}");
    }
}

#[test]
fn signal_during_drain_leaves_rest() {
    for kind in [Signal::INT, Signal::TERM] {
        let draining = or_skip!(Draining::new());
        let running = draining.apply();
        signal(running.id(), kind);
        let run = running.wait().ended(130);
        let run = run.complains("interrupted while one.com-slow was stopping");
        assert!(!draining.is_done());
        draining.host.open_gate();
        let hint = Hint("the next apply finishes it: supervisor-sync apply --site {}");
        draining.host.follow(&run.stderr, hint).ended(0).says("the next apply finishes it");
        draining.host.wait_running(&["one.com-slow:one.com-slow", "one.com-quick:one.com-quick"]);
        assert!(draining.is_done());
    }
}

/// Holds the lock of the supervisord, as another apply between its reading and its reread.
struct Holder(Child);

impl Holder {
    fn of(lock: &Path) -> Self {
        let mut child = Command::new("flock")
            .arg(lock)
            .args(["-c", "echo held; read wait"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Its shell ends with its input, and the lock goes with both.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn signal_ends_lock_wait() {
    let draining = or_skip!(Draining::new());
    for (kind, arguments) in [
        (Signal::INT, &["apply", "--yes"][..]),
        (Signal::TERM, &["stop", "--yes"]),
        (Signal::INT, &["start", "--yes"]),
    ] {
        let before = draining.host.snapshot();
        let holder = Holder::of(&draining.host.state().join("lock"));
        let mut running = draining.host.command(arguments).spawn();
        wait_until(PATIENCE, "it waits for the lock", || {
            assert!(!running.has_ended(), "{}", running.stderr());
            running.stderr().contains("Waiting for")
        });
        signal(running.id(), kind);
        // The lock is held for much longer.
        running.wait().ended(130).complains("error: interrupted while ");
        drop(holder);
        let (mut before, mut now) = (before, draining.host.snapshot());
        for snapshot in [&mut before, &mut now] {
            snapshot.files.retain(|path, _| !path.starts_with(draining.host.state().join("locks")));
        }
        before.assert_same(&now);
    }
}

/// One site is done when the other is interrupted: the host is consistent, and that is what counts.
#[test]
fn signal_during_one_drain_ends_130() {
    let draining = or_skip!(Draining::new());
    let host = &draining.host;
    host.deploy("two.com").worker("quick");
    let inventory = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    let two = "  - domain: two.com\n    server: here\n    supervisors:\n";
    let quick = format!("      - {{program: quick, script: quick.sh, {FAST}}}\n");
    std::fs::write(host.path("home/deployer.yml"), format!("{inventory}{two}{quick}")).unwrap();
    let running = draining.apply();
    let journals = || {
        let names = crate::site::names(&host.state().join("sites/two.com"));
        names.into_iter().filter(|name| name.starts_with("journal.")).count()
    };
    let revision = host.state().join("sites/two.com/revisions/00000001.json");
    wait_until(PATIENCE, "two.com is done", || revision.exists() && journals() == 0);
    signal(running.id(), Signal::INT);
    let run = running.wait().ended(130).complains("interrupted while one.com-slow was stopping");
    assert!(run.stdout.contains("Site two.com: applied as revision 1"), "{}", run.stdout);
    assert!(run.stdout.contains("Site one.com: interrupted"), "{}", run.stdout);
    host.open_gate();
    let run = host.run(&["apply", "--yes"]).ended(0).says("the next apply finishes it");
    assert!(!run.stdout.contains("two.com: applied"), "{}", run.stdout);
    assert!(draining.is_done());
}

#[test]
fn lost_terminal_stops_no_apply() {
    let draining = or_skip!(Draining::new());
    let running = draining.apply();
    signal(running.id(), Signal::HUP);
    // It still waits: the signal is dealt with before the gate opens.
    draining.host.open_gate();
    running.wait().ended(0);
    assert!(draining.is_done());
}

#[test]
fn lost_reader_stops_no_apply() {
    let draining = or_skip!(Draining::new());
    let (mut reader, writer) = std::io::pipe().unwrap();
    std::thread::scope(|scope| {
        let apply = scope.spawn(|| draining.host.command(&["apply", "--yes"]).run_into(writer));
        let mut told = Vec::new();
        while !String::from_utf8_lossy(&told).contains(QUICK_IS_BACK) {
            let mut some = [0; 256];
            let length = reader.read(&mut some).unwrap();
            assert_ne!(length, 0, "{}", String::from_utf8_lossy(&told));
            told.extend_from_slice(&some[..length]);
        }
        drop(reader);
        draining.host.open_gate();
        assert!(apply.join().unwrap().success());
    });
    assert!(draining.is_done());
}
