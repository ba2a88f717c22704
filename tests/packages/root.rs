//! A Debian of its own in a folder, with its own processes, which all end with it.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) struct Root {
    folder: TempDir,
    /// Keeps the namespaces; whatever runs in them ends with it.
    keeper: Child,
}

impl Root {
    /// A small one of this release, with supervisor in it and nothing of ours.
    pub(crate) fn of(suite: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(suite).tempdir_in("/var/tmp").unwrap();
        let made = Command::new("mmdebstrap")
            .args(["--quiet", "--variant=apt", "--include=supervisor,ca-certificates,curl", suite])
            .arg(folder.path())
            .output()
            .expect("mmdebstrap is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let policy = folder.path().join("usr/sbin/policy-rc.d");
        std::fs::write(&policy, "#!/bin/sh\nexit 101\n").unwrap();
        std::fs::set_permissions(&policy, PermissionsExt::from_mode(0o755)).unwrap();
        // Nobody is there to say yes.
        let apt = folder.path().join("etc/apt/apt.conf.d/90-unattended");
        std::fs::write(apt, "APT::Get::Assume-Yes true;\nAPT::Install-Recommends false;\n")
            .unwrap();
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg(format!("--root={}", folder.path().display()))
            .args(["sh", "-c", "echo ready; exec sleep infinity"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare is installed");
        let mut ready = [0; 5];
        keeper.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        Self { folder, keeper }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the script printed; the script has to succeed.
    pub(crate) fn run(&self, script: &str) -> String {
        let ran = self.try_run(script);
        let (out, err) =
            (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "{script}\n{}\n{out}{err}", ran.status);
        out.into_owned()
    }

    pub(crate) fn try_run(&self, script: &str) -> Output {
        let parent = self.keeper.id();
        let children =
            std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
        Command::new("nsenter")
            .args(["--target", children.trim(), "--mount", "--pid", "--root"])
            .args([
                "env",
                "-i",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root",
                "LC_ALL=C.UTF-8",
            ])
            .args(["DEBIAN_FRONTEND=noninteractive", "sh", "-ec", &format!("cd /\n{script}")])
            .output()
            .expect("nsenter is installed")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
