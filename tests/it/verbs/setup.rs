//! `setup` with the real program: on this machine as it is, and on one whose apt, dpkg and systemd are
//! scripts that note how they are called, beside a real supervisord. No test installs anything.

#![expect(clippy::disallowed_methods, reason = "makes and looks at the tools of a machine")]
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use crate::daemon::{PATIENCE, wait_until};
use crate::hints::{Hint, follow};
use crate::site::{Host, Invocation, Run, write_executable};
use crate::sshd::{Keyring, Sshd};

const SITES: &str =
    "  - {domain: a.com, server: here, supervisors: [{program: worker, script: worker.sh}]}";

/// Says whether a package is there as a file `installed-NAME`.
const DPKG_QUERY: &str = r#"[ -e "$ROOT/installed-$3" ] || { echo "no packages found" >&2; exit 1; }
echo 'ii '"#;

/// Notes its arguments and what it would ask; the first call finds the lock held if `held` is there.
const APT_GET: &str = r#"echo "apt-get $DEBIAN_FRONTEND $*" >> "$ROOT/calls"
if [ -s "$ROOT/held" ]; then
    : > "$ROOT/held"
    echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt)' >&2
    exit 100
fi
if read -r answer; then echo asked >> "$ROOT/calls"; fi
case "$*" in *' install '*) ;; *) exit 0 ;; esac
for name in supervisor logrotate; do
    case " $* " in *" $name "*) : > "$ROOT/installed-$name" ;; esac
done"#;

/// A service that runs once it was started, in the files `enable-UNIT` and `start-UNIT`.
const SYSTEMCTL: &str = r#"case "$1" in
    enable | start) echo "systemctl $*" >> "$ROOT/calls"; : > "$ROOT/$1-$2"; exit 0 ;;
    show) ;;
    *) exit 1 ;;
esac
case "$2" in supervisor.service) name=supervisor ;; *) name=logrotate ;; esac
if [ ! -e "$ROOT/installed-$name" ]; then echo LoadState=not-found; exit 0; fi
echo LoadState=loaded
[ -e "$ROOT/enable-$2" ] && echo UnitFileState=enabled || echo UnitFileState=disabled
[ -e "$ROOT/start-$2" ] && echo ActiveState=active || echo ActiveState=inactive
echo "ExecStart={ path=/usr/bin/supervisord ; argv[]=/usr/bin/supervisord -n -c $ROOT/supervisord.conf ; }"
echo 'ExecReload={ argv[]=/usr/bin/supervisorctl reload ; }'"#;

/// A machine of which these scripts are all the tools there are.
struct Machine {
    host: Host,
}

impl Machine {
    /// None, said loudly, where there is no supervisord, or we are not root.
    fn start() -> Option<Self> {
        let machine = Self { host: Host::start()? };
        if !rustix::process::geteuid().is_root() {
            crate::python::missing("root");
            return None;
        }
        std::fs::create_dir(machine.bin()).unwrap();
        for (name, text) in
            [("dpkg-query", DPKG_QUERY), ("apt-get", APT_GET), ("systemctl", SYSTEMCTL)]
        {
            machine.tool(name, text);
        }
        machine.host.inventory(SITES);
        Some(machine)
    }

    /// One on which both packages are there and started.
    fn ready() -> Option<Self> {
        let machine = Self::start()?;
        for unit in ["supervisor.service", "logrotate.timer"] {
            machine.touch(&format!("enable-{unit}"));
            machine.touch(&format!("start-{unit}"));
        }
        machine.touch("installed-supervisor");
        machine.touch("installed-logrotate");
        Some(machine)
    }

    fn bin(&self) -> PathBuf {
        self.host.path("bin")
    }

    fn tool(&self, name: &str, text: &str) {
        let root = self.host.daemon.root().display();
        write_executable(&self.bin().join(name), &format!("#!/bin/sh\nROOT={root}\n{text}\n"));
    }

    fn touch(&self, name: &str) {
        std::fs::write(self.host.path(name), "x").unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Invocation {
        let mut command = self.host.command(arguments);
        command.env("PATH", self.bin());
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).run()
    }

    /// How the tools were called.
    fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.host.path("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The log folder goes, as on a new server.
    fn without_log_folder(&self) -> PathBuf {
        let log = self.host.daemon.log_dir();
        std::fs::remove_dir_all(&log).unwrap();
        log
    }
}

#[test]
fn new_server_gets_what_is_missing() {
    let mut machine = or_skip!(Machine::start());
    let log = machine.without_log_folder();
    machine.touch("held");
    machine.host.daemon.stop();
    let running = machine.command(&["setup"]).spawn();
    wait_until(PATIENCE, "the service is started", || {
        machine.host.path("start-supervisor.service").exists()
    });
    machine.host.daemon.start_again();
    let run = running.wait().ended(0);
    let run = run
        .says("here: ready\n  + installed supervisor, logrotate\n")
        .says(&format!("  + made {}\n", log.display()))
        .says("  + enabled supervisor.service\n  + started supervisor.service\n")
        .says("`systemctl reload supervisor` restarts supervisord and every program")
        .complains("→ Install supervisor, logrotate\n→ Refresh apt's lists\n")
        .complains("→ Waiting for apt's lock (at most ")
        .complains("It is held by process 7 (apt)");
    // Everything that only a deployment can give is a warning, with its command.
    assert!(run.stdout.contains("  ! a.com: "), "{}", run.stdout);
    let run = run.says("supervisor-sync runner --site a.com");
    assert!(log.is_dir());
    let site = machine.host.deploy("a.com");
    site.worker("worker");
    std::fs::remove_file(site.path("runner.sh")).unwrap();
    for hint in [
        Hint("deploy the site, or: supervisor-sync runner --site {}"),
        Hint("to have it read its files: supervisor-sync apply"),
    ] {
        follow(|arguments| machine.command(arguments), &run.stdout, hint).ended(0);
    }
    let calls = machine.calls();
    let apt: Vec<&String> = calls.iter().filter(|call| call.starts_with("apt-get")).collect();
    assert_eq!(apt.len(), 3, "{calls:?}");
    assert!(apt.iter().all(|call| call.starts_with("apt-get noninteractive -q -y ")), "{apt:?}");
    assert!(apt[0].ends_with(" update") && apt[1].ends_with(" update"), "{apt:?}");
    assert!(apt[2].ends_with(" install supervisor logrotate"), "{apt:?}");
    assert!(!calls.contains(&"asked".to_owned()));

    machine.run(&["setup"]).ended(0).says("here: nothing to do\n");
    assert_eq!(machine.calls(), calls);
}

/// What is for a person to do is done by the commands that stand below it.
#[test]
fn what_is_left_can_be_typed() {
    let machine = or_skip!(Machine::ready());
    std::fs::remove_dir_all(machine.host.daemon.logrotate_dir()).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(machine.host.daemon.log_dir(), open).unwrap();
    let said = machine.run(&["setup"]).ended(0).stdout;
    for hint in [Hint("mkdir -p {}"), Hint("chmod go-w {}")] {
        machine.host.follow(&said, hint).ended(0);
    }
    let said = machine.run(&["setup"]).ended(0).stdout;
    assert!(!said.contains("mkdir -p") && !said.contains("go-w"), "{said}");
}

#[test]
fn through_sudo_it_is_the_same() {
    let machine = or_skip!(Machine::ready());
    let log = machine.without_log_folder();
    // Were it the real one, the scripts would not be on its PATH.
    machine.tool("sudo", "shift 2\nexec \"$@\"");
    let inventory = machine.host.path("home/deployer.yml");
    let text = std::fs::read_to_string(&inventory).unwrap();
    std::fs::write(&inventory, text.replace("privilege: none", "privilege: sudo")).unwrap();
    machine
        .run(&["setup"])
        .ended(0)
        .says(&format!("here: ready\n  + made {}\n", log.display()))
        .complains("→ Make ");
    machine.run(&["setup"]).ended(0).says("here: nothing to do\n");
    machine.tool("sudo", "echo 'sudo: a password is required' >&2; exit 1");
    machine
        .run(&["setup"])
        .ended(1)
        .complains("a password is required")
        // For this binary, or for one in a better place than the folder the tests are built in.
        .complains("ALL=(root) NOPASSWD: /")
        .complains("supervisor-sync agent");
}

#[test]
fn through_ssh_it_is_the_same() {
    let (Some(machine), Some(keyring)) = (Machine::start(), Keyring::new()) else { return };
    machine.touch("start-supervisor.service");
    let (home, bin) = (machine.host.path("home"), machine.bin());
    let extra = format!("SetEnv HOME={} PATH={}:/usr/bin:/bin", home.display(), bin.display());
    let sshd = Sshd::start_with(&keyring, &extra);
    let inventory = home.join("deployer.yml");
    let text = std::fs::read_to_string(&inventory).unwrap();
    let here = "host: localhost, connection: local";
    assert!(text.contains(here));
    let there = format!("host: 127.0.0.1, port: {}, username: root", sshd.port);
    let dead = "  - {name: dead, host: 127.0.0.1, port: 1}\nuser:";
    let text = text.replace(here, &there).replacen("user:", dead, 1);
    std::fs::write(&inventory, text).unwrap();
    let setup = |arguments: &[&str]| {
        let mut command = machine.host.command(arguments);
        command.env("SUPERVISOR_SYNC_SSH", keyring.wrapper()).run()
    };
    // The supervisord of this machine is on that PATH and answers, so it is left as it is.
    setup(&["setup", "--on", "here"])
        .ended(0)
        .says("here: ready\n  + installed logrotate\n")
        .says("is not of the package supervisor: it is left as it is")
        .complains("→ Refresh apt's lists");
    // A host without a site is one that can be set up, and one that is dead stops no other.
    setup(&["setup"]).ended(6).says("here: nothing to do").complains("dead: error: ");
}

#[test]
fn this_machine_is_as_dpkg_says() {
    let machine = or_skip!(Machine::ready());
    let real = PathBuf::from("/usr/bin/dpkg-query");
    let said = |package: &str| {
        let output = Command::new(&real).args(["-W", "-f=${Status}", package]).output();
        output.is_ok_and(|output| output.stdout == b"install ok installed")
    };
    if !said("supervisor") || !said("logrotate") {
        crate::python::missing("supervisor or logrotate as a package");
        return;
    }
    std::fs::remove_file(machine.bin().join("dpkg-query")).unwrap();
    symlink(&real, machine.bin().join("dpkg-query")).unwrap();
    machine.run(&["setup"]).ended(0).says("here: nothing to do\n");
    assert_eq!(machine.calls(), [""; 0]);
}

#[test]
fn missing_systemd_names_start_command() {
    let mut machine = or_skip!(Machine::ready());
    machine.tool("systemctl", "echo 'System has not been booted with systemd' >&2; exit 1");
    machine.run(&["setup"]).ended(0).says("systemd does not run here");
    machine.host.daemon.stop();
    let start = format!("supervisord -c {}", machine.host.daemon.main_conf().display());
    machine
        .run(&["setup"])
        .ended(1)
        .says("here: not ready, 1 error, nothing was done\n")
        .complains("here: error: supervisord does not run: no supervisord listens on ")
        .complains(&start);
    assert_eq!(machine.calls(), [""; 0]);
}

#[test]
fn other_system_is_told_missing_parts() {
    let mut machine = or_skip!(Machine::start());
    machine.host.daemon.stop();
    for tool in ["apt-get", "dpkg-query", "systemctl"] {
        std::fs::remove_file(machine.bin().join(tool)).unwrap();
    }
    machine
        .run(&["setup"])
        .ended(1)
        .complains("cannot install supervisor, logrotate: there is no apt-get")
        .complains("hint: install them with this system's own tools");
}

#[test]
fn machines_are_told_in_documents() {
    let machine = or_skip!(Machine::ready());
    let log = machine.without_log_folder();
    let run = machine.run(&["setup", "--json"]).ended(0);
    let documents: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = documents.last().unwrap();
    assert_eq!(last["kind"], "setup");
    assert_eq!(last["host"], "here");
    assert_eq!(last["failures"], 0);
    assert_eq!(last["done"][0]["step"], "make_folder");
    assert_eq!(last["done"][0]["path"], log.to_str().unwrap());
    assert!(last["left"].as_array().unwrap().iter().any(|left| left["site"] == "a.com"));
    let event = &documents[0];
    assert_eq!((&event["kind"], &event["event"]), (&"event".into(), &"setup".into()));
}
