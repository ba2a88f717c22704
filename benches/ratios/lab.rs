//! Throw-away hosts to measure on.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use supervisor_sync::supervisord::{Call, Supervisord as _};

use crate::daemon::{self, Daemon};
use crate::{OURS, succeeded, timed};

/// A site of N programs on a daemon of its own.
pub(crate) struct Lab {
    pub(crate) daemon: Daemon,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let daemon = Daemon::start().expect("a supervisord to measure against");
        // Beside the main file a new entry would be a reason for a reread.
        std::fs::create_dir(daemon.root().join("results")).unwrap();
        Self { daemon }
    }

    pub(crate) fn supervisors(count: usize, numprocs: u32) -> String {
        let program = |number: usize| {
            format!(
                r#"{{"program":"p{number:03}","script":"w.sh","autostart":false,"numprocs":{numprocs}}}"#
            )
        };
        format!("[{}]", (0..count).map(program).collect::<Vec<_>>().join(","))
    }

    pub(crate) fn sync(&self, supervisors: &str) -> Command {
        let root = self.daemon.root();
        let mut command = Command::new(OURS);
        command.args(["playbook", "sync"]).env_clear();
        for (name, value) in [
            ("DEPLOYER_OUTPUT_FILE", root.join("results/sync.yml")),
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

    pub(crate) fn run_sync(&self, supervisors: &str) -> Duration {
        let mut command = self.sync(supervisors);
        timed(|| succeeded(&command.output().unwrap()))
    }

    pub(crate) fn clear(&self) {
        self.run_sync("[]");
    }

    pub(crate) fn groups(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.daemon.conf_dir()).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".conf").map(str::to_owned)
        };
        names.filter_map(name).collect()
    }

    /// Empties the daemon but leaves the files, as they are when somebody else has written them.
    pub(crate) fn forget_groups(&self) {
        let groups = self.groups();
        let mut client = self.daemon.client();
        client
            .batch(&groups.into_iter().map(Call::RemoveProcessGroup).collect::<Vec<_>>())
            .unwrap();
    }

    /// The raw floor: one reloadConfig and one batch of adds.
    pub(crate) fn floor(&self) -> Duration {
        let groups = self.groups();
        let mut client = self.daemon.client();
        timed(|| {
            client.batch(&[Call::ReloadConfig]).unwrap();
            client
                .batch(&groups.into_iter().map(Call::AddProcessGroup).collect::<Vec<_>>())
                .unwrap();
        })
    }

    pub(crate) fn supervisorctl_update(&self) -> Duration {
        timed(|| {
            succeeded(&self.daemon.supervisorctl(&["reread"]));
            succeeded(&self.daemon.supervisorctl(&["update"]));
        })
    }
}

/// Workers that take three seconds to stop.
pub(crate) struct Inventory {
    pub(crate) lab: Lab,
    path: PathBuf,
}

impl Inventory {
    pub(crate) fn new() -> Self {
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

    /// The programs of a lab as an inventory has them.
    pub(crate) fn of(lab: Lab, programs: usize) -> Self {
        let path = lab.daemon.root().join("deployer.yml");
        let inventory = Self { lab, path };
        let program = |number: usize| {
            format!("      - {{program: p{number:03}, script: w.sh, autostart: false}}\n")
        };
        let programs: String = (0..programs).map(program).collect();
        let text = inventory.head("classic") + &programs;
        std::fs::write(&inventory.path, text).unwrap();
        inventory
    }

    /// Everything before the programs.
    fn head(&self, format: &str) -> String {
        let root = self.lab.daemon.root().display();
        format!(
            "servers:\n  - {{name: here, host: localhost, connection: local, privilege: none}}\n\
             user: {}\nformat: {format}\npaths: {{sites: {root}/sites, conf_dir: {root}/conf.d, \
             logrotate_dir: {root}/logrotate.d, log_dir: {root}/{}, supervisord: {}, state_dir: \
             {root}/state}}\nsites:\n  - domain: bench.example\n    server: here\n    \
             supervisors:\n",
            daemon::current_user(),
            self.lab.daemon.log_dir().file_name().unwrap().to_str().unwrap(),
            self.lab.daemon.main_conf().display(),
        )
    }

    pub(crate) fn write(&self, programs: usize, rest: &str) {
        let root = self.lab.daemon.root().display();
        let mut text = self.head("hardened");
        for number in 0..programs {
            let _ = writeln!(
                text,
                "      - {{program: p{number:02}, command: sh {root}/worker.sh {root}/ready, \
                 directory: /tmp, stopasgroup: false, killasgroup: false, {rest}}}"
            );
        }
        std::fs::write(&self.path, text).unwrap();
    }

    pub(crate) fn ours(&self, arguments: &[&str]) -> Duration {
        let mut command = Command::new(OURS);
        command.args(arguments).arg("--inventory").arg(&self.path);
        timed(|| succeeded(&command.output().unwrap()))
    }

    /// However it ends: a status of programs that do not run is not 0.
    pub(crate) fn takes(&self, arguments: &[&str]) -> Duration {
        let mut command = Command::new(OURS);
        command.args(arguments).arg("--inventory").arg(&self.path);
        timed(|| drop(command.output().unwrap()))
    }

    /// Starts everything anew and waits until each has set its trap.
    pub(crate) fn ready(&self, processes: usize) {
        let ready = self.lab.daemon.root().join("ready");
        daemon::wait_until(Duration::from_secs(60), "the workers are ready", || {
            std::fs::read_to_string(&ready).unwrap_or_default().lines().count() >= processes
        });
        std::fs::remove_file(ready).unwrap();
    }
}
