//! A throw-away host of one contender, and what is wanted there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use supervisor_sync::supervisord::{ProcessInfo, ProcessState};

use crate::daemon::{self, Daemon, PATIENCE};

/// So many sites with so many programs each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) sites: usize,
    pub(super) programs: usize,
}

impl Size {
    pub(super) fn total(self) -> usize {
        self.sites * self.programs
    }
}

/// The programs that are wanted on a host.
pub(super) struct Wanted {
    pub(super) sites: Vec<(String, Vec<Program>)>,
}

/// One of them, in the manner of DeployerPHP: a script that the site's runner.sh starts.
pub(super) struct Program {
    pub(super) name: String,
    pub(super) stopwaitsecs: u32,
}

/// What every program runs, below the site's `.deployer/supervisors`.
pub(super) const SCRIPT: &str = "worker.sh";

impl Wanted {
    pub(super) fn new(size: Size) -> Self {
        let program = |number| Program { name: format!("p{number:03}"), stopwaitsecs: 10 };
        let site = |number| {
            (format!("s{number:02}.example"), (0..size.programs).map(program).collect::<Vec<_>>())
        };
        Self { sites: (0..size.sites).map(site).collect() }
    }

    /// The same with another value for one program, which supervisord takes over by a restart alone.
    pub(super) fn with_a_change(size: Size) -> Self {
        let mut wanted = Self::new(size);
        wanted.sites[0].1[0].stopwaitsecs = 11;
        wanted
    }

    /// Each program with its site and full name.
    pub(super) fn programs(&self) -> impl Iterator<Item = (&str, &Program, String)> {
        self.sites.iter().flat_map(|(site, programs)| {
            let of_site = move |program| (site.as_str(), program, full_name(site, program));
            programs.iter().map(of_site)
        })
    }
}

fn full_name(site: &str, program: &Program) -> String {
    format!("{site}-{}", program.name)
}

/// A supervisord with deployed sites.
pub(super) struct Host {
    pub(super) daemon: Daemon,
}

impl Host {
    /// `runner` is what runs in the place of every program.
    pub(super) fn new(size: Size, runner: &str) -> Self {
        let daemon = Daemon::start().expect("a supervisord to measure against");
        for (site, _) in Wanted::new(size).sites {
            let folder = daemon.root().join("sites").join(site);
            let scripts = folder.join("current/.deployer/supervisors");
            std::fs::create_dir_all(&scripts).unwrap();
            daemon::write_program(&folder.join("runner.sh"), runner.as_bytes());
            daemon::write_program(&scripts.join(SCRIPT), b"#!/bin/sh\n");
        }
        Self { daemon }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.daemon.root().join(name)
    }

    /// The files of all programs, by their place below the host's folder.
    pub(super) fn files(&self, wanted: &Wanted) -> BTreeMap<PathBuf, String> {
        let user = daemon::current_user();
        let (root, logs) = (self.daemon.root().display(), self.daemon.log_dir());
        let both = |(site, program, full): (&str, &Program, String)| {
            let log = logs.join(format!("{full}.log"));
            let log = log.display();
            let config = format!(
                "[program:{full}]\ncommand={root}/sites/{site}/runner.sh \
                 .deployer/supervisors/{SCRIPT}\ndirectory={root}/sites/{site}/current\n\
                 user={user}\nautostart=true\nautorestart=true\nstopwaitsecs={}\nnumprocs=1\n\
                 stdout_logfile={log}\nstderr_logfile={log}\n",
                program.stopwaitsecs
            );
            let rotation = format!(
                "{log} {{\n    daily\n    rotate 5\n    maxage 30\n    missingok\n    notifempty\n    \
                 compress\n    delaycompress\n    copytruncate\n}}\n"
            );
            [
                (Path::new("conf.d").join(format!("{full}.conf")), config),
                (Path::new("logrotate.d").join(format!("supervisor-{full}.conf")), rotation),
            ]
        };
        wanted.programs().flat_map(both).collect()
    }

    /// What of it is not so: files as they should be, and each program up. Waits for it.
    pub(super) fn fault(&self, wanted: &Wanted) -> Option<String> {
        let files = self.files(wanted);
        let mut found = BTreeSet::new();
        for folder in ["conf.d", "logrotate.d"] {
            for entry in std::fs::read_dir(self.path(folder)).unwrap() {
                found.insert(Path::new(folder).join(entry.unwrap().file_name()));
            }
        }
        if found.iter().ne(files.keys()) {
            return Some(format!("{} files in place of {}", found.len(), files.len()));
        }
        let differs = |(path, text): (&PathBuf, &String)| {
            std::fs::read_to_string(self.daemon.root().join(path)).unwrap() != *text
        };
        let wrong = files.iter().filter(|file| differs(*file)).count();
        if wrong > 0 {
            return Some(format!("files not as wanted: {wrong} of {}", files.len()));
        }
        let missing = self.not_running(wanted);
        (missing > 0).then(|| format!("not running: {missing} of {}", wanted.programs().count()))
    }

    /// How many programs do not run, once none is on its way any more.
    fn not_running(&self, wanted: &Wanted) -> usize {
        let settled = |one: &ProcessInfo| {
            !matches!(one.state, ProcessState::Starting | ProcessState::Backoff)
        };
        daemon::wait_until(PATIENCE, "no program is on its way any more", || {
            self.daemon.processes().iter().all(settled)
        });
        let pids = self.pids();
        wanted.programs().filter(|(_, _, full)| !pids.contains_key(full)).count()
    }

    /// The pids of what runs, by group.
    pub(super) fn pids(&self) -> BTreeMap<String, i64> {
        let processes = self.daemon.processes().into_iter();
        let running = processes.filter(|one| one.state == ProcessState::Running);
        running.map(|one| (one.group, one.pid)).collect()
    }
}
