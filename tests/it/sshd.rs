//! A real sshd on a port of this machine with keys of its own, gone when the test ends. It logs in
//! whoever runs the tests, into a home in a folder of its own.

#![expect(clippy::disallowed_methods, reason = "starts a real sshd with real keys")]
#![expect(clippy::unwrap_used, reason = "a harness that fails fails the test")]

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::daemon::{PATIENCE, children, signal, wait_until, write_program};

const SSHD: &str = "/usr/sbin/sshd";

/// Keys and the configuration of ssh for one test, as a person has them in `~/.ssh`.
pub(crate) struct Keyring {
    folder: TempDir,
}

impl Keyring {
    /// None if there is no OpenSSH here, which fails the test where `REQUIRE_E2E` or `CI` is set and
    /// is said loudly elsewhere.
    pub(crate) fn new() -> Option<Self> {
        let there = Path::new(SSHD).is_file();
        if !there || Command::new("ssh").arg("-V").stderr(Stdio::null()).status().is_err() {
            crate::python::missing("sshd and ssh");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("ssh").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let keyring = Self { folder };
        keygen(&keyring.path("id"));
        let config = format!(
            "Host *\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  IdentityFile {}\n  \
             IdentitiesOnly yes\n  KexAlgorithms curve25519-sha256\n",
            keyring.path("known").display(),
            keyring.path("id").display(),
        );
        std::fs::write(keyring.path("config"), config).unwrap();
        std::fs::write(keyring.path("known"), "").unwrap();
        keyring.write_wrapper("exec ssh -F \"$CONFIG\" \"$@\"");
        Some(keyring)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `SUPERVISOR_SYNC_SSH` names.
    pub(crate) fn wrapper(&self) -> PathBuf {
        self.path("ssh")
    }

    /// Makes the wrapper do this with its arguments; `$CONFIG` is the configuration.
    pub(crate) fn write_wrapper(&self, text: &str) {
        let config = self.path("config");
        let text = format!("#!/bin/sh\nCONFIG={}\n{text}\n", config.display());
        write_program(&self.wrapper(), text.as_bytes());
    }

    /// Makes the host key of a server known, as a first login by hand does.
    pub(crate) fn trust(&self, server: &Sshd) {
        self.trust_key(server.port, &server.path("host.pub"));
    }

    /// Makes another key known as that of this port.
    pub(crate) fn trust_key(&self, port: u16, key: &Path) {
        let mut known = std::fs::read_to_string(self.path("known")).unwrap();
        let key = std::fs::read_to_string(key).unwrap();
        known.push_str(&format!("[127.0.0.1]:{port} {key}"));
        std::fs::write(self.path("known"), known).unwrap();
    }
}

/// A server that is there.
pub(crate) struct Sshd {
    folder: TempDir,
    pub(crate) port: u16,
    child: Child,
}

impl Sshd {
    /// Lets the keyring's key in, and has its key known.
    pub(crate) fn start(keyring: &Keyring) -> Self {
        Self::start_with(keyring, "")
    }

    /// The same with more lines of configuration.
    pub(crate) fn start_with(keyring: &Keyring, extra: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("sshd").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("home")).unwrap();
        keygen(&path("host"));
        std::fs::copy(keyring.path("id.pub"), path("authorized")).unwrap();
        // Where sshd of Debian separates privileges.
        let _ = std::fs::create_dir("/run/sshd");
        let port = free_port();
        let root = folder.path().display();
        // The first value of a key counts, so what a test says comes first.
        let config = format!(
            "{extra}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {root}/host\nPidFile none\n\
             AuthorizedKeysFile {root}/authorized\nPasswordAuthentication no\nUsePAM no\n\
             StrictModes no\nPermitRootLogin yes\nSetEnv HOME={root}/home\n"
        );
        std::fs::write(path("config"), config).unwrap();
        let child = serve(folder.path(), port);
        let server = Self { folder, port, child };
        keyring.trust(&server);
        server
    }

    /// Ends it with every session.
    pub(crate) fn stop(&mut self) {
        self.drop_sessions();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Begins to listen again.
    pub(crate) fn serve(&mut self) {
        self.child = serve(self.folder.path(), self.port);
    }

    /// A path in the server's own folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where who logs in lands.
    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The binaries that were put there, complete.
    pub(crate) fn cached(&self) -> Vec<PathBuf> {
        let cache = self.home().join(".cache/supervisor-sync");
        let Ok(entries) = std::fs::read_dir(cache) else { return Vec::new() };
        let paths = entries.map(|entry| entry.unwrap().path().join("supervisor-sync"));
        paths.filter(|path| path.is_file()).collect()
    }

    /// How many times somebody has logged in.
    pub(crate) fn logins(&self) -> usize {
        let log = std::fs::read_to_string(self.path("log")).unwrap();
        log.lines().filter(|line| line.starts_with("Accepted ")).count()
    }

    /// Ends every session as a network does, without a word. What runs in them is left alone.
    pub(crate) fn drop_sessions(&self) {
        for session in children(self.child.id()) {
            for unprivileged in children(session) {
                if is_sshd(unprivileged) {
                    signal(unprivileged, Signal::KILL);
                }
            }
            signal(session, Signal::KILL);
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A server with the configuration and the log in this folder, which answers.
fn serve(folder: &Path, port: u16) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let child = Command::new(SSHD)
        .args(["-D", "-e", "-f"])
        .arg(folder.join("config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    wait_until(PATIENCE, "sshd answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    child
}

fn is_sshd(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("sshd"))
}

/// A TCP port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn keygen(path: &Path) {
    let status =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(status.unwrap().success());
}
