//! The Ansible collection as people have it: built, installed from its tarball, and run by ansible-playbook against
//! real supervisords behind real sshds, on hosts where no Python is to be found.
//!
//! `tools/ansible.sh` makes what is needed in `target/ansible`; `ANSIBLE_VENV` names another one. Where it is
//! missing this is said loudly, and with `REQUIRE_ANSIBLE` it fails.

#![expect(clippy::disallowed_methods, reason = "runs Ansible and prepares its files")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a harness that fails fails the test")]

mod failures;
mod first_contact;
mod from_inventory;
mod info;
mod kept_in_step;
mod privilege;
mod programs;
mod secrets;
mod site;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::site::{BINARY, Deployed, Host};
use crate::sshd::{Keyring, Sshd};

/// Notes each result as a line of JSON, alike in all releases of Ansible.
const NOTING: &str = r#"
import json, os
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "noting"

    def _note(self, status, result):
        noted = {"status": status, "task": result._task.get_name(), "host": result._host.get_name(), "result": result._result}
        with open(os.environ["NOTED"], "a") as file:
            file.write(json.dumps(noted, default=str) + "\n")

    def v2_runner_on_ok(self, result):
        self._note("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._note("failed", result)

    def v2_runner_on_unreachable(self, result):
        self._note("unreachable", result)
"#;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where Ansible is installed; none, said loudly, where it is not.
pub(crate) fn venv() -> Option<PathBuf> {
    let named = std::env::var_os("ANSIBLE_VENV").map(PathBuf::from);
    let venv = named.unwrap_or_else(|| repository().join("target/ansible"));
    if venv.join("bin/ansible-playbook").is_file() {
        return Some(venv);
    }
    let required = std::env::var_os("REQUIRE_ANSIBLE").is_some();
    assert!(!required, "{} is needed and missing: tools/ansible.sh", venv.display());
    let line = format!("SKIPPED, NOT TESTED: there is no Ansible in {}\n", venv.display());
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

/// The collection as it is installed from its tarball: once for all tests that run, and gone with the last.
struct Collection(TempDir);

impl Collection {
    fn installed(venv: &Path) -> Arc<Self> {
        static INSTALLED: Mutex<Weak<Collection>> = Mutex::new(Weak::new());
        // One that panics while it holds the lock has installed nothing.
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(collection) = installed.upgrade() {
            return collection;
        }
        let collection = Arc::new(Self::install(venv));
        *installed = Arc::downgrade(&collection);
        collection
    }

    fn install(venv: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("collection").tempdir_in("/tmp").unwrap();
        let galaxy = |arguments: &[&str]| {
            let mut command = Command::new(venv.join("bin/ansible-galaxy"));
            command.args(["collection"]).args(arguments).env("ANSIBLE_HOME", folder.path());
            command.env("LC_ALL", "C.UTF-8");
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let (sources, here) = (repository().join("ansible"), folder.path().to_str().unwrap());
        galaxy(&["build", sources.to_str().unwrap(), "--output-path", here]);
        let version = env!("CARGO_PKG_VERSION");
        let tarball = format!("{here}/supervisor_sync-core-{version}.tar.gz");
        galaxy(&["install", &tarball, "--offline", "-p", &format!("{here}/collections")]);
        Self(folder)
    }

    /// Where Ansible looks for collections.
    fn path(&self) -> PathBuf {
        self.0.path().join("collections")
    }
}

/// A host of Ansible: a supervisord behind an sshd.
struct Machine {
    name: &'static str,
    host: Host,
    sshd: Sshd,
}

/// A person with Ansible, and the machines that this person may log in to.
struct Controller {
    venv: PathBuf,
    collection: Arc<Collection>,
    keyring: Keyring,
    machines: Vec<Machine>,
}

impl Controller {
    /// With machines of these names, whose sites `a.com` are deployed with a worker `one`, `two` and `three`.
    fn start(names: &[&'static str]) -> Option<Self> {
        let venv = venv()?;
        let keyring = Keyring::new()?;
        let mut machines = Vec::new();
        for &name in names {
            let host = Host::start()?;
            let site = host.deploy("a.com");
            ["one", "two", "three"].iter().for_each(|worker| site.worker(worker));
            let sshd = Sshd::start_with(&keyring, &without_python(&keyring, name));
            machines.push(Machine { name, host, sshd });
        }
        let collection = Collection::installed(&venv);
        let controller = Self { venv, collection, keyring, machines };
        std::fs::create_dir_all(controller.path("callbacks")).unwrap();
        std::fs::write(controller.path("callbacks/noting.py"), NOTING).unwrap();
        controller.write_inventory(&[]);
        Some(controller)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.keyring.path(name)
    }

    fn machine(&self) -> &Machine {
        &self.machines[0]
    }

    fn host(&self) -> &Host {
        &self.machine().host
    }

    /// Each machine as a host of its name, besides `others`, each a name and the variables of it.
    fn write_inventory(&self, others: &[(&str, String)]) {
        let mut text = String::from("[all]\n");
        for machine in &self.machines {
            text += &format!("{} {}\n", machine.name, self.login(machine, "root"));
        }
        for (name, variables) in others {
            text += &format!("{name} {variables}\n");
        }
        std::fs::write(self.path("hosts.ini"), text).unwrap();
    }

    /// The variables by which a machine is reached.
    fn login(&self, machine: &Machine, user: &str) -> String {
        format!(
            "ansible_host=127.0.0.1 ansible_port={} ansible_user={user} \
             ansible_ssh_common_args='-F {}' ansible_python_interpreter=/nonexistent",
            machine.sshd.port,
            self.path("config").display()
        )
    }

    /// Where things are on a machine, as arguments of a module.
    fn paths(host: &Host) -> Value {
        json!({
            "sites": host.path("sites"),
            "conf_dir": host.daemon.conf_dir(),
            "logrotate_dir": host.daemon.logrotate_dir(),
            "log_dir": host.daemon.log_dir(),
            "supervisord": host.daemon.main_conf(),
            "state_dir": host.path("state"),
        })
    }

    /// Plays these tasks (YAML) with these flags.
    fn play(&self, tasks: &str, flags: &[&str]) -> Play {
        let defaults = json!({"user": self.host().user, "paths": Self::paths(self.host())});
        let text = format!(
            "- hosts: all\n  gather_facts: false\n  module_defaults:\n    \
             group/supervisor_sync.core.all: {defaults}\n  tasks:\n{}",
            indented(tasks)
        );
        self.play_book(&text, flags)
    }

    /// Plays a whole playbook.
    fn play_book(&self, text: &str, flags: &[&str]) -> Play {
        let book = self.path("play.yml");
        std::fs::write(&book, text).unwrap();
        let noted = self.path("noted");
        let _ = std::fs::remove_file(&noted);
        let binaries = Path::new(BINARY).parent().unwrap().display();
        let mut command = Command::new(self.venv.join("bin/ansible-playbook"));
        command
            .arg("--inventory")
            .arg(self.path("hosts.ini"))
            .args(flags)
            .arg(&book)
            .current_dir(self.path(""))
            .env_clear()
            .env("PATH", format!("{binaries}:/usr/bin:/bin"))
            .env("HOME", self.path(""))
            .env("LC_ALL", "C.UTF-8")
            .env("NOTED", &noted)
            .env("ANSIBLE_HOME", self.path("ansible"))
            .env("ANSIBLE_COLLECTIONS_PATH", self.collection.path())
            .env("ANSIBLE_CALLBACK_PLUGINS", self.path("callbacks"))
            .env("ANSIBLE_CALLBACKS_ENABLED", "noting")
            // Each command is a login of its own, which the sshd counts.
            .env("ANSIBLE_SSH_ARGS", "-o ControlMaster=no")
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let noted = std::fs::read_to_string(&noted).unwrap_or_default();
        let results = noted.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Play {
            status: output.status.code().unwrap_or(-1),
            output: text(&output.stdout) + &text(&output.stderr),
            results,
        }
    }
}

/// What has sshd let nobody find a Python: a PATH with the commands that a host cannot do without.
fn without_python(keyring: &Keyring, name: &str) -> String {
    const COMMANDS: [&str; 26] = [
        "cat",
        "chmod",
        "chown",
        "cp",
        "cut",
        "date",
        "env",
        "find",
        "grep",
        "head",
        "id",
        "ls",
        "mkdir",
        "mv",
        "rm",
        "sed",
        "sh",
        "sha256sum",
        "sleep",
        "sort",
        "stat",
        "sudo",
        "tail",
        "tr",
        "true",
        "uname",
    ];
    let (commands, home) =
        (keyring.path(&format!("{name}-bin")), keyring.path(&format!("{name}-home")));
    for folder in [&commands, &home] {
        std::fs::create_dir(folder).unwrap();
    }
    for command in COMMANDS {
        let from = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(command));
        let from =
            from.iter().find(|path| path.is_file()).unwrap_or_else(|| panic!("no {command}"));
        std::os::unix::fs::symlink(from, commands.join(command)).unwrap();
    }
    format!("SetEnv HOME={} PATH={}", home.display(), commands.display())
}

fn indented(tasks: &str) -> String {
    tasks.trim_matches('\n').lines().map(|line| format!("    {line}\n")).collect()
}

/// What came of a playbook.
#[derive(Debug)]
struct Play {
    status: i32,
    output: String,
    results: Vec<Value>,
}

impl Play {
    /// Fails the test with everything that was said unless it ended with this status.
    #[track_caller]
    fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}", self.output);
        self
    }

    /// The result of the only task on the only host.
    #[track_caller]
    fn result(&self) -> &Value {
        let [noted] = &self.results[..] else { panic!("{:?}\n{}", self.results, self.output) };
        &noted["result"]
    }

    /// The results by host.
    fn by_host(&self) -> BTreeMap<&str, &Value> {
        let each = self.results.iter();
        each.map(|noted| (noted["host"].as_str().unwrap(), &noted["result"])).collect()
    }

    /// What came of the only task, and whether it says that it has changed something.
    #[track_caller]
    fn came_to(&self) -> (&str, bool) {
        let result = self.result();
        (result["outcome"].as_str().unwrap_or_default(), result["changed"] == true)
    }
}

/// Tasks with programs of `a.com`, each an entry as the inventory has it.
fn programs(entries: &[&str], more: &str) -> String {
    let entries = entries.join("}, {");
    let of = if entries.is_empty() { String::new() } else { format!("{{{entries}}}") };
    format!(
        "- supervisor_sync.core.programs:\n    domain: a.com\n    supervisors: [{of}]\n{}",
        more.lines().map(|line| format!("    {line}\n")).collect::<String>()
    )
}

/// A program that runs the script of its own name.
fn worker(name: &str, more: &str) -> String {
    format!("program: {name}, script: {name}.sh{more}")
}

/// Where the home of who logs in to a machine is.
fn home(controller: &Controller, machine: &Machine) -> PathBuf {
    controller.path(&format!("{}-home", machine.name))
}

/// The programs that were brought to a machine, complete.
fn brought(controller: &Controller, machine: &Machine) -> usize {
    let cache = home(controller, machine).join(".cache/supervisor-sync");
    let folders = std::fs::read_dir(cache).into_iter().flatten().flatten();
    folders.filter(|folder| folder.path().join("supervisor-sync").is_file()).count()
}

fn site_of(host: &Host) -> Deployed<'_> {
    host.deployed("a.com")
}
