//! Who does the same work, and how each of them is asked for it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::host::{Host, Program, SCRIPT, Wanted};
use crate::OURS;
use crate::daemon;

/// A way to have a host's programs as they are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Contender {
    /// `apply --no-verify`: like the others, it does not wait until programs have stayed up.
    Ours,
    /// `apply`, as it is by default: watches each program for two seconds.
    OursWatched,
    /// Files that lie ready are copied, then `supervisorctl reread` and `update`.
    Supervisorctl,
    /// A shell script with jq, once for each site.
    Loop,
    /// A playbook with templates in loops and `community.general.supervisorctl`, pipelined, without facts.
    Ansible,
    /// A playbook with one task of our collection, which does not wait either.
    Collection,
}

impl Contender {
    pub(super) const ALL: [Self; 6] = [
        Self::Ours,
        Self::OursWatched,
        Self::Supervisorctl,
        Self::Loop,
        Self::Collection,
        Self::Ansible,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "supervisor-sync, --no-verify",
            Self::OursWatched => "supervisor-sync, watched",
            Self::Supervisorctl => "cp and supervisorctl",
            Self::Loop => "a shell loop with jq",
            Self::Ansible => "Ansible",
            Self::Collection => "Ansible with our collection",
        }
    }

    /// What it needs that is not here.
    pub(super) fn missing(self) -> Option<&'static str> {
        match self {
            Self::Ansible | Self::Collection if !ansible().is_file() => {
                Some("tools/ansible.sh has not been run")
            }
            Self::Loop if Command::new("jq").arg("--version").output().is_err() => {
                Some("there is no jq")
            }
            _ => None,
        }
    }

    /// Writes what is wanted in this contender's own form; the commands then do the work.
    pub(super) fn ask(self, host: &Host, wanted: &Wanted) -> Vec<Command> {
        match self {
            Self::Ours => vec![apply(host, wanted, &["--no-verify"])],
            Self::OursWatched => vec![apply(host, wanted, &[])],
            Self::Supervisorctl => vec![copy_and_update(host, wanted)],
            Self::Loop => shell_loop(host, wanted),
            Self::Ansible => vec![playbook(host, wanted)],
            Self::Collection => vec![collection(host, wanted)],
        }
    }
}

fn apply(host: &Host, wanted: &Wanted, more: &[&str]) -> Command {
    let path = inventory(host, wanted);
    let mut command = Command::new(OURS);
    command.args(["apply", "--yes"]).args(more).arg("--inventory").arg(path);
    command
}

/// Writes it as our inventory.
fn inventory(host: &Host, wanted: &Wanted) -> PathBuf {
    let root = host.daemon.root().display();
    let mut text = format!(
        "servers:\n  - {{name: here, host: localhost, connection: local, privilege: none}}\n\
         user: {}\nformat: classic\npaths: {{sites: {root}/sites, conf_dir: {root}/conf.d, \
         logrotate_dir: {root}/logrotate.d, log_dir: {}, supervisord: {}, state_dir: {root}/state}}\n\
         sites:\n",
        daemon::current_user(),
        host.daemon.log_dir().display(),
        host.daemon.main_conf().display(),
    );
    for (site, programs) in &wanted.sites {
        let _ = writeln!(text, "  - domain: {site}\n    server: here\n    supervisors:");
        for program in programs {
            let (name, seconds) = (&program.name, program.stopwaitsecs);
            let entry = format!("program: {name}, script: {SCRIPT}, stopwaitsecs: {seconds}");
            let _ = writeln!(text, "      - {{{entry}}}");
        }
    }
    let path = host.path("deployer.yml");
    std::fs::write(&path, text).unwrap();
    path
}

fn copy_and_update(host: &Host, wanted: &Wanted) -> Command {
    let ready = host.path("ready");
    for (path, text) in host.files(wanted) {
        let path = ready.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let mut command = Command::new("sh");
    let script = "cp -r \"$1\"/. \"$2\" && $SUPERVISORCTL reread && $SUPERVISORCTL update";
    command.args(["-c", script, "sh"]).arg(ready).arg(host.daemon.root());
    command.env("SUPERVISORCTL", supervisorctl(host));
    command
}

/// The command with its configuration, as a shell splits it.
fn supervisorctl(host: &Host) -> String {
    let (path, conf) = (host.daemon.supervisorctl_path(), host.daemon.main_conf());
    format!("{} -c {}", path.display(), conf.display())
}

fn shell_loop(host: &Host, wanted: &Wanted) -> Vec<Command> {
    let of_site = |(site, programs): &(String, Vec<Program>)| {
        let entry = |program: &Program| {
            json!({
                "program": program.name, "script": SCRIPT, "autostart": true, "autorestart": true,
                "stopwaitsecs": program.stopwaitsecs, "numprocs": 1,
            })
        };
        let mut command = Command::new("bash");
        command
            .arg(beside("loop.sh"))
            .env("SITE", site)
            .env("PROGRAMS", Value::from_iter(programs.iter().map(entry)).to_string())
            .env("SITES_DIR", host.path("sites"))
            .env("CONF_DIR", host.daemon.conf_dir())
            .env("LOGROTATE_DIR", host.daemon.logrotate_dir())
            .env("LOG_DIR", host.daemon.log_dir())
            .env("RUN_AS", daemon::current_user())
            .env("SUPERVISORCTL", supervisorctl(host));
        command
    };
    wanted.sites.iter().map(of_site).collect()
}

fn playbook(host: &Host, wanted: &Wanted) -> Command {
    let entry = |(site, program, full): (&str, &Program, String)| json!({"name": full, "site": site, "script": SCRIPT, "stopwaitsecs": program.stopwaitsecs});
    let variables = json!({
        "ansible_python_interpreter": "/usr/bin/python3",
        "programs": Value::from_iter(wanted.programs().map(entry)),
        "sites_dir": host.path("sites"),
        "conf_dir": host.daemon.conf_dir(),
        "logrotate_dir": host.daemon.logrotate_dir(),
        "log_dir": host.daemon.log_dir(),
        "user": daemon::current_user(),
        "supervisord_conf": host.daemon.main_conf(),
        "supervisorctl": host.daemon.supervisorctl_path(),
    });
    let path = host.path("variables.json");
    std::fs::write(&path, variables.to_string()).unwrap();
    let mut command = Command::new(ansible());
    command
        .args(["--inventory", "localhost,", "--connection", "local", "--extra-vars"])
        .arg(format!("@{}", path.display()))
        .arg(beside("playbook.yml"))
        .env("ANSIBLE_COLLECTIONS_PATH", ansible_folder().join("collections"))
        .env("ANSIBLE_PIPELINING", "true")
        .env("ANSIBLE_HOME", host.path("ansible"))
        .env("ANSIBLE_REMOTE_TMP", host.path("ansible"));
    command
}

fn collection(host: &Host, wanted: &Wanted) -> Command {
    let inventory = inventory(host, wanted);
    let task = json!({
        "supervisor_sync.core.site": {
            "from_inventory": inventory, "server": "here", "verify": false, "binary": OURS,
        },
    });
    let play = json!([{"hosts": "all", "gather_facts": false, "tasks": [task]}]);
    let (path, collections) = (host.path("collection.yml"), host.path("collections"));
    std::fs::write(&path, play.to_string()).unwrap();
    let namespace = collections.join("ansible_collections/supervisor_sync");
    std::fs::create_dir_all(&namespace).unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("ansible");
    // The second time it is there.
    let _ = std::os::unix::fs::symlink(sources, namespace.join("core"));
    let mut command = Command::new(ansible());
    command
        .args(["--inventory", "localhost,", "--connection", "local"])
        .arg(path)
        .env("ANSIBLE_COLLECTIONS_PATH", collections)
        .env("ANSIBLE_HOME", host.path("ansible"))
        .env("HOME", host.path("ansible"));
    command
}

/// A file beside this one.
fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/ratios/contenders").join(name)
}

/// Where `tools/ansible.sh` puts it.
pub(super) fn ansible_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ansible")
}

fn ansible() -> PathBuf {
    ansible_folder().join("bin/ansible-playbook")
}
