//! The real logrotate and a real supervisord: no line of a program is lost by a rotation.
//!
//! Measured here with `classic` (`copytruncate`) for comparison: a program that writes at full
//! speed loses 2,000 to 7,000 lines of 15 bytes in each rotation.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "runs logrotate on real files")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use supervisor_sync::desired::{DaemonFacts, DesiredSite, FileKind, render};
use supervisor_sync::inventory::{
    AbsolutePath, CommandLine, Directory, Domain, Format, Logs, Paths, Program, ProgramName, Run,
    Site, UserName,
};

use crate::daemon::{Daemon, PATIENCE, current_user, wait_until};
use crate::python::missing;

/// A program `a.com-w` that runs `command`, hardened, and its files below `root`.
struct Rotated {
    root: PathBuf,
    log: PathBuf,
    logrotate_conf: PathBuf,
    desired: DesiredSite,
}

impl Rotated {
    fn new(root: &Path, pidfile: &Path, command: &str) -> Self {
        let path = |name: &str| AbsolutePath::parse(root.join(name).to_str().unwrap()).unwrap();
        let run = Run::Command(CommandLine::parse(command).unwrap());
        let program = Program {
            directory: Some(Directory::parse("/").unwrap()),
            stopwaitsecs: 5,
            logs: Logs { rotate: 50, ..Logs::default() },
            ..Program::new(ProgramName::parse("w").unwrap(), run)
        };
        let site = Site {
            domain: Domain::parse("a.com").unwrap(),
            user: UserName::parse(&current_user()).unwrap(),
            format: Format::Hardened,
            config_files: Default::default(),
            config_suffix: Default::default(),
            configs: Vec::new(),
            groups: Vec::new(),
            paths: Paths {
                conf_dir: path("conf.d"),
                logrotate_dir: path("logrotate.d"),
                log_dir: path("log"),
                ..Paths::default()
            },
            programs: vec![program],
        };
        let desired =
            render(&site, &DaemonFacts { pidfile: Some(pidfile.into()), ..DaemonFacts::default() })
                .unwrap();
        for (path, file) in &desired.files {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &file.bytes).unwrap();
        }
        let log = root.join("log/a.com-w.log");
        std::fs::create_dir_all(log.parent().unwrap()).unwrap();
        let kind = FileKind::Logrotate;
        let logrotate_conf = desired.files.iter().find(|(_, file)| file.kind == kind);
        Self {
            root: root.to_owned(),
            log,
            logrotate_conf: logrotate_conf.unwrap().0.clone(),
            desired,
        }
    }

    /// Rotates now; the log must not be empty, or it would not be.
    fn rotate(&self) {
        let before = self.files().len();
        let output = Command::new("logrotate")
            .arg("-f")
            .arg("-s")
            .arg(self.root.join("logrotate.state"))
            .arg(&self.logrotate_conf)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert_eq!(self.files().len(), before + 1, "nothing was rotated");
    }

    fn wait_for_output(&self) {
        wait_until(PATIENCE, "the program has written to its log", || {
            std::fs::metadata(&self.log).is_ok_and(|log| log.len() > 0)
        });
    }

    /// The log and what was rotated, the oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.log.parent().unwrap()).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        let age = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let number = name.strip_prefix("a.com-w.log").unwrap().trim_end_matches(".gz");
            number.trim_start_matches('.').parse::<u32>().unwrap_or(0)
        };
        files.sort_by_key(|path| std::cmp::Reverse(age(path)));
        files
    }

    /// Everything that ever reached the log.
    fn content(&self) -> String {
        let read = |path: &PathBuf| {
            if path.extension().is_some_and(|extension| extension == "gz") {
                let output = Command::new("gzip").arg("-dc").arg(path).output().unwrap();
                assert!(output.status.success(), "{output:?}");
                output.stdout
            } else {
                std::fs::read(path).unwrap()
            }
        };
        let bytes: Vec<u8> = self.files().iter().flat_map(read).collect();
        String::from_utf8(bytes).unwrap()
    }
}

/// A daemon that runs `command` as `a.com-w`; None where a real part is missing.
fn running(command: impl FnOnce(&Path) -> String) -> Option<(Daemon, Rotated)> {
    if Command::new("/usr/sbin/logrotate").arg("--version").output().is_err() {
        missing("logrotate");
        return None;
    }
    let daemon = Daemon::start()?;
    let pidfile = daemon.root().join("supervisord.pid");
    let rotated = Rotated::new(daemon.root(), &pidfile, &command(daemon.root()));
    assert_eq!(rotated.desired.groups.len(), 1);
    let output = daemon.supervisorctl(&["update"]);
    assert!(output.status.success(), "{output:?}");
    rotated.wait_for_output();
    Some((daemon, rotated))
}

#[test]
fn full_speed_writer_loses_no_line() {
    let writer = |_: &Path| "seq -f '%08.0f line' 0 90000000".to_owned();
    let (daemon, rotated) = or_skip!(running(writer));
    for _ in 0..3 {
        // Twice in a row: the second compresses what the first has just renamed.
        rotated.rotate();
        rotated.wait_for_output();
        rotated.rotate();
        rotated.wait_for_output();
    }
    let output = daemon.supervisorctl(&["stop", "a.com-w"]);
    assert!(output.status.success(), "{output:?}");
    let content = rotated.content();
    // It was stopped in the middle of a line.
    let (content, _) = content.rsplit_once('\n').unwrap();
    let mut lines = 0;
    for (number, line) in content.lines().enumerate() {
        assert_eq!(line, format!("{number:08} line"));
        lines += 1;
    }
    assert!(lines > 1000, "only {lines} lines were written");
    assert_eq!(rotated.files().len(), 7);
}

/// A line after two quick rotations of a quiet program is not lost.
#[test]
fn quick_rotations_lose_no_line() {
    let input = |root: &Path| root.join("input");
    let follow = |root: &Path| {
        std::fs::write(input(root), "line 0\n").unwrap();
        format!("tail -n +1 -f {}", input(root).display())
    };
    let append = |path: &Path, text: &str| {
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let (daemon, rotated) = or_skip!(running(follow));
    for number in 1..3 {
        rotated.rotate();
        append(&rotated.log, "so that it is not empty\n");
        rotated.rotate();
        append(&input(daemon.root()), &format!("line {number}\n"));
        rotated.wait_for_output();
    }
    wait_until(PATIENCE, "all lines are there", || rotated.content().contains("line 2\n"));
    let content = rotated.content();
    let said: Vec<_> = content.lines().filter(|line| line.starts_with("line")).collect();
    assert_eq!(said, ["line 0", "line 1", "line 2"]);
}

#[test]
fn a_stale_pidfile_signals_no_stranger() {
    if Command::new("/usr/sbin/logrotate").arg("--version").output().is_err() {
        return missing("logrotate");
    }
    let folder = tempfile::tempdir().unwrap();
    let pidfile = folder.path().join("it's a.pid");
    let rotated = Rotated::new(folder.path(), &pidfile, "true");
    // Its arguments hold the word, but none of them is called so.
    let mut stranger = Command::new("sh")
        .args(["-c", "read line", "/etc/supervisor/supervisord.conf", "not-supervisord"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = stranger.id().to_string();
    for stale in
        [Some(pid.as_str()), Some("999999999"), Some("1; exit 1"), Some("-1"), Some(""), None]
    {
        match stale {
            Some(text) => std::fs::write(&pidfile, text).unwrap(),
            None => std::fs::remove_file(&pidfile).unwrap(),
        }
        std::fs::write(&rotated.log, "a line\n").unwrap();
        rotated.rotate();
        assert_eq!(std::fs::metadata(&rotated.log).unwrap().len(), 0);
    }
    assert_eq!(stranger.try_wait().unwrap(), None, "the stranger was signalled");
    drop(stranger.stdin.take());
    stranger.wait().unwrap();
}
