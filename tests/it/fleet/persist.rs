//! `fleet: {persist: N}`: a connection stays open for the next command, and whatever is wrong with its
//! socket, the host is reached all the same.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Fleet;
use crate::site::{Run, names};

/// For longer than a test takes.
const TOP: &str = "fleet: {persist: 600}\n";

/// One machine, and the folder below which sockets are.
struct Persisting {
    fleet: Fleet,
    runtime: PathBuf,
}

impl Persisting {
    fn start() -> Option<Self> {
        let fleet = Fleet::start(&["web1"])?;
        let runtime = fleet.keyring.path("run");
        make_folder(&runtime);
        let this = Self { fleet, runtime };
        this.write_inventory();
        Some(this)
    }

    fn write_inventory(&self) {
        self.fleet.write_inventory("");
        let path = self.fleet.keyring.path("deployer.yml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, TOP.to_owned() + &text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Run {
        // No other folder than this one.
        let home = self.fleet.keyring.path("no-home");
        let mut command = self.fleet.command(arguments);
        command.env("XDG_RUNTIME_DIR", &self.runtime).env("XDG_CACHE_HOME", home);
        command.run()
    }

    /// How many times it was logged in for this.
    fn logins(&self, arguments: &[&str]) -> usize {
        let sshd = &self.fleet.machine("web1").sshd;
        let before = sshd.logins();
        self.run(arguments).ended(0);
        sshd.logins() - before
    }

    fn folder(&self) -> PathBuf {
        self.runtime.join("supervisor-sync-ssh")
    }

    /// The one socket that there is.
    fn socket(&self) -> PathBuf {
        let names = names(&self.folder());
        assert_eq!(names.len(), 1, "{names:?}");
        self.folder().join(&names[0])
    }

    /// Ends the connection that is open, which leaves no socket.
    fn close(&self) {
        let mut exit = Command::new("ssh");
        let ended = exit.args(["-O", "exit", "-S"]).arg(self.socket()).arg("x").output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        crate::daemon::wait_until(crate::daemon::PATIENCE, "the socket is gone", || {
            names(&self.folder()).is_empty()
        });
    }
}

impl Drop for Persisting {
    fn drop(&mut self) {
        self.fleet.machine("web1").sshd.drop_sessions();
    }
}

fn make_folder(path: &Path) {
    std::fs::create_dir(path).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

#[test]
fn next_commands_share_connection() {
    let hosts = or_skip!(Persisting::start());
    assert_eq!(hosts.logins(&["plan"]), 1);
    assert_eq!(hosts.logins(&["apply", "--yes"]), 0);
    assert_eq!(hosts.logins(&["status", "--for", "0"]), 0);
    let mode = std::fs::metadata(hosts.folder()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(is_socket(&hosts.socket()));
    hosts.close();
    assert_eq!(hosts.logins(&["plan"]), 1);
}

#[test]
fn connections_close_by_default() {
    let hosts = or_skip!(Persisting::start());
    hosts.fleet.write_inventory("");
    assert_eq!(hosts.logins(&["history"]), 1);
    assert_eq!(hosts.logins(&["history"]), 1);
    assert!(!hosts.folder().exists());
}

#[test]
fn ssh_config_decides_on_sharing() {
    let hosts = or_skip!(Persisting::start());
    let own = hosts.fleet.keyring.path("own");
    let config = hosts.fleet.keyring.path("config");
    let text = std::fs::read_to_string(&config).unwrap();
    let shared = format!(
        "{text}  ControlMaster auto\n  ControlPersist 600\n  ControlPath {}\n",
        own.display()
    );
    std::fs::write(&config, shared).unwrap();
    assert_eq!(hosts.logins(&["history"]), 1);
    assert_eq!(hosts.logins(&["history"]), 0);
    assert!(is_socket(&own) && !hosts.folder().exists());
}

#[test]
fn a_stale_socket_is_replaced() {
    let hosts = or_skip!(Persisting::start());
    hosts.run(&["history"]).ended(0);
    let socket = hosts.socket();
    hosts.close();
    drop(UnixListener::bind(&socket).unwrap());
    assert_eq!(hosts.logins(&["history"]), 1);
    assert_eq!(hosts.logins(&["history"]), 0);
}

/// Somebody listens there and hangs up: the connection that it once was is good for nothing.
#[test]
fn dead_socket_is_done_without() {
    let hosts = or_skip!(Persisting::start());
    hosts.run(&["history"]).ended(0);
    let socket = hosts.socket();
    hosts.close();
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    for _ in 0..2 {
        assert_eq!(hosts.logins(&["apply", "--yes"]), 1);
    }
}

#[test]
fn foreign_socket_is_not_touched() {
    let hosts = or_skip!(Persisting::start());
    hosts.run(&["history"]).ended(0);
    let socket = hosts.socket();
    hosts.close();
    std::fs::write(&socket, "theirs").unwrap();
    for _ in 0..2 {
        assert_eq!(hosts.logins(&["history"]), 1);
    }
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "theirs");
    std::fs::remove_file(&socket).unwrap();

    // Nobody answers there: who would ask would wait.
    let _theirs = UnixListener::bind(&socket).unwrap();
    if !rustix::process::geteuid().is_root() {
        return crate::python::missing("the right to give a file away");
    }
    std::os::unix::fs::chown(&socket, Some(65534), None).unwrap();
    assert_eq!(hosts.logins(&["history"]), 1);
    assert!(is_socket(&socket));
}

/// Where no folder will do, each connection is its own.
#[test]
fn no_folder_means_own_connections() {
    let mut hosts = or_skip!(Persisting::start());
    // Open to others, too long a path, and not there.
    make_folder(&hosts.folder());
    std::fs::set_permissions(hosts.folder(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let long = hosts.fleet.keyring.path(&"x".repeat(100));
    make_folder(&long);
    for runtime in [hosts.runtime.clone(), long, hosts.fleet.keyring.path("none")] {
        hosts.runtime = runtime;
        for _ in 0..2 {
            assert_eq!(hosts.logins(&["history"]), 1, "{}", hosts.runtime.display());
        }
    }
}

/// A host that lets nobody in is asked once: a second try would only count against us there.
#[test]
fn refused_login_is_not_repeated() {
    let hosts = or_skip!(Persisting::start());
    let web1 = hosts.fleet.machine("web1");
    std::fs::write(web1.sshd.path("authorized"), "").unwrap();
    hosts.run(&["history"]).ended(1).complains("does not let us log in");
    let log = std::fs::read_to_string(web1.sshd.path("log")).unwrap();
    assert_eq!(log.matches("Connection closed by authenticating user").count(), 1, "{log}");
}
