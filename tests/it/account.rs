//! Accounts of this machine, each gone when its test ends.

#![expect(clippy::disallowed_methods, reason = "makes an account and lets it use sudo")]
#![expect(clippy::unwrap_used, reason = "a harness that fails fails the test")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// An account without rights, made by root for one test.
pub(crate) struct Account {
    pub(crate) name: &'static str,
    sudoers: PathBuf,
}

impl Account {
    /// None, said loudly, where we may not make one or there is no sudo.
    pub(crate) fn make(name: &'static str) -> Option<Self> {
        let made = rustix::process::geteuid().is_root()
            && Command::new("useradd")
                .args(["--no-create-home", "--shell", "/bin/sh", "--password", "*", name])
                .status()
                .is_ok_and(|status| status.success());
        let sudo = Command::new("sudo").arg("-V").stdout(Stdio::null()).status();
        let account = Self { name, sudoers: PathBuf::from("/etc/sudoers.d").join(name) };
        if !made || sudo.is_err() {
            crate::python::missing("the right to make accounts, or sudo");
            return None;
        }
        Some(account)
    }

    /// Lets it do what this line of sudoers says.
    pub(crate) fn allow(&self, line: &str) {
        std::fs::write(&self.sudoers, format!("{line}\n")).unwrap();
        std::fs::set_permissions(&self.sudoers, std::fs::Permissions::from_mode(0o440)).unwrap();
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.sudoers);
        let _ = Command::new("userdel").arg("-f").arg(self.name).stderr(Stdio::null()).status();
    }
}
