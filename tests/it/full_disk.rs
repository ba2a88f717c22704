//! A disk that is full or read-only: the former bytes stay, and the error names the path and what to
//! do. On real file systems, which only root can mount.

#![expect(clippy::disallowed_methods, reason = "mounts, fills and reads real file systems")]
#![expect(clippy::unwrap_used, reason = "a harness that fails fails the test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::hints::Hint;
use crate::site::Host;

/// A small file system on a folder, gone when the test ends.
struct Mounted(PathBuf);

impl Mounted {
    /// None where it cannot be mounted, which fails the test where `REQUIRE_E2E` or `CI` is set.
    fn on(folder: &Path) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "supervisor-sync-test"])
            .arg(folder)
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(folder.to_owned())),
            _ => {
                crate::python::missing("the permission to mount a tmpfs");
                None
            }
        }
    }

    /// Leaves less room than a file needs.
    fn fill(&self) {
        let filler = self.0.join("filler");
        assert!(std::fs::write(&filler, vec![b'x'; 1024 * 1024]).is_err(), "it is not full");
        assert!(filler.exists());
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }

    fn remount(&self, how: &str) {
        let option = format!("remount,{how}");
        let status = Command::new("mount").args(["-o", &option]).arg(&self.0).status().unwrap();
        assert!(status.success(), "{option}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(&self.0).status();
    }
}

const FAST: &str = "startsecs: 0, stopwaitsecs: 20, health: {stable_for: 0}";

fn want(host: &Host, programs: &[(&str, &str)]) {
    let program = |(name, command): &(&str, &str)| {
        format!("      - {{program: {name}, command: {command}, {FAST}}}\n")
    };
    let programs: String = programs.iter().map(program).collect();
    host.inventory(&format!("  - domain: one.com\n    server: here\n    supervisors:\n{programs}"));
}

/// A host with one program, and the inventory that changes it and adds one.
fn host_with(folder: impl Fn(&Host) -> PathBuf) -> Option<(Host, Mounted)> {
    let host = Host::start()?;
    let mounted = Mounted::on(&folder(&host))?;
    host.deploy("one.com");
    want(&host, &[("w", "/bin/sleep 1000")]);
    host.run(&["apply", "--yes"]).ended(0);
    want(&host, &[("w", "/bin/sleep 2000"), ("new", "/bin/sleep 1000")]);
    Some((host, mounted))
}

/// It fails with this status and these words, changes nothing, and works once the reason is gone.
#[track_caller]
fn fails_and_recovers(host: &Host, status: i32, words: &[&str], fix: impl Fn()) {
    let pids = || host.wait_running(&["one.com-w:one.com-w"]);
    let files = || {
        let folders = [host.daemon.conf_dir(), host.daemon.logrotate_dir()];
        folders.map(|folder| {
            Host::snapshot_of(&folder).into_iter().filter(|(p, _)| p.is_file()).collect::<Vec<_>>()
        })
    };
    let (before, running) = (files(), pids());
    let run = host.run(&["apply", "--yes"]).ended(status);
    for word in words {
        assert!(run.stderr.contains(word), "no {word:?} in {}", run.stderr);
    }
    assert_eq!((files(), pids()), (before, running), "{}", run.stderr);
    let is_full = run.stderr.contains("No space left");
    let hints = [Hint("mount it writable: findmnt --target {}"), Hint("make room: df -h {}")];
    host.follow(&run.stderr, hints[usize::from(is_full)]).ended(0);
    fix();
    let run = host.run(&["apply", "--yes"]).ended(0);
    assert!(!run.stderr.contains("never ended"), "{}", run.stderr);
    host.wait_running(&["one.com-w:one.com-w", "one.com-new:one.com-new"]);
}

#[test]
fn a_full_conf_d() {
    let (host, mounted) = or_skip!(host_with(|host| host.daemon.conf_dir()));
    mounted.fill();
    let folder = host.daemon.conf_dir();
    let words = [
        &format!("error: cannot write {}/one.com-", folder.display()),
        "No space left on device",
        &format!("hint: make room: df -h {}", folder.display()),
    ];
    fails_and_recovers(&host, 4, &words, || mounted.make_room());
}

#[test]
fn a_read_only_conf_d() {
    let (host, mounted) = or_skip!(host_with(|host| host.daemon.conf_dir()));
    mounted.remount("ro");
    let folder = host.daemon.conf_dir();
    let words = [
        &format!("error: cannot write {}/one.com-", folder.display()),
        "Read-only file system",
        &format!("hint: mount it writable: findmnt --target {}", folder.display()),
    ];
    fails_and_recovers(&host, 4, &words, || mounted.remount("rw"));
}

#[test]
fn a_full_state_folder() {
    let (host, mounted) = or_skip!(host_with(|host| host.path("state")));
    mounted.fill();
    let folder = host.state().join("sites/one.com");
    let words = [
        &format!("error: cannot write {}/journal.files.json", folder.display()),
        "No space left on device",
        &format!("hint: make room: df -h {}", folder.display()),
    ];
    // Without a journal nothing is begun.
    fails_and_recovers(&host, 1, &words, || mounted.make_room());
}
