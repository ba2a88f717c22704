//! `DEPLOYER_PERMS`: as whoever we are, as root, and through a real sudo.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "makes a user and lets it use sudo")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use super::programs;
use crate::daemon::{Options, current_user};
use crate::python::missing;
use crate::site::{BINARY, Host};

#[test]
fn none_acts_as_ordinary_user() {
    let user = (current_user() == "root").then(|| "nobody".to_owned());
    let options = Options { user, ..Options::default() };
    let host = or_skip!(Host::start_with(options));
    host.deploy("a.com").worker("w");
    // State goes where that user may write, without being told.
    let mut invocation = host.playbook("sync", "a.com", &programs(&["w"]));
    let run = invocation.without("SUPERVISOR_SYNC_STATE_DIR").run().ended(0);
    assert_eq!(run.stderr, "");
    host.wait_running(&["a.com-w:a.com-w"]);
    assert!(host.path("home/.local/state/supervisor-sync").is_dir());
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    assert!(text.contains(&format!("\nuser={}\n", host.user)), "{text}");
}

#[test]
fn root_acts_directly() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let mut invocation = host.playbook("sync", "a.com", &programs(&["w"]));
    invocation.env("DEPLOYER_PERMS", "root").run().ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
}

/// A user of the system and what sudo lets it do, gone when the test ends.
struct SudoUser {
    name: String,
    rule: PathBuf,
}

impl SudoUser {
    /// None, said loudly, where there is no sudo or we may not make users.
    fn make() -> Option<Self> {
        let works = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output();
            output.is_ok_and(|output| output.status.success())
        };
        if !works("sudo", &["-V"]) || current_user() != "root" {
            missing("sudo, or being root,");
            return None;
        }
        let name = format!("sup{}", std::process::id());
        let rule = PathBuf::from("/etc/sudoers.d").join(format!("test-{name}"));
        let user = Self { name, rule };
        assert!(works("useradd", &["--no-create-home", "--shell", "/bin/sh", &user.name]));
        Some(user)
    }

    /// Lets it do what this line of sudoers says.
    fn allow(&self, line: &str) {
        // A name with a dot is passed over: sudo never meets a file without its mode.
        let draft = self.rule.with_extension("draft");
        std::fs::write(&draft, format!("{line}\n")).unwrap();
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o440)).unwrap();
        std::fs::rename(draft, &self.rule).unwrap();
    }
}

impl Drop for SudoUser {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.rule);
        let _ = Command::new("userdel").arg(&self.name).output();
    }
}

#[test]
fn sudo_does_what_root_does() {
    let user = or_skip!(SudoUser::make());
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    // Reachable by that user, who owns nothing but the folder of the result.
    let open = |name: &str| {
        let path = host.path(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    open("");
    let binary = host.path("supervisor-sync");
    std::fs::copy(BINARY, &binary).unwrap();
    open("supervisor-sync");
    let owner = Command::new("chown").arg(&user.name).arg(host.path("home")).status().unwrap();
    assert!(owner.success());
    let playbook = |name: &str, array: &str| {
        let mut invocation = host.playbook(name, "a.com", array);
        invocation.program(&binary).become_user(&user.name);
        invocation.env("DEPLOYER_PERMS", "sudo");
        invocation.env("DEPLOYER_OUTPUT_FILE", host.path("home/result.yml"));
        invocation.run()
    };
    let before = host.snapshot();
    let refused = playbook("sync", &programs(&["w"])).ended(1);
    assert!(refused.first_line().starts_with("Error: "), "{}", refused.stderr);
    before.assert_same(&host.snapshot());
    let rule = format!("{} ALL=(root) NOPASSWD: {} agent", user.name, binary.display());
    // Never a rule for a program in a folder that others may write to.
    let installed = "/usr/local/bin/supervisor-sync";
    let advised = format!("{} ALL=(root) NOPASSWD: {installed} agent", user.name);
    assert!(refused.stderr.contains(&advised), "{}", refused.stderr);
    assert!(!refused.stderr.contains(&rule), "{}", refused.stderr);
    let warned = playbook("restart", &programs(&["w"])).ended(0);
    assert!(warned.stderr.contains("Warning: Failed to restart a.com-w\n"), "{}", warned.stderr);

    user.allow(&rule);
    let run = playbook("sync", &programs(&["w"])).ended(0);
    assert_eq!(run.stderr, "");
    assert!(run.stdout.contains("→ a.com-w: added process group\n"), "{}", run.stdout);
    let result = std::fs::read_to_string(host.path("home/result.yml")).unwrap();
    assert_eq!(result, "status: success\nsupervisors_synced: 1\n");
    host.wait_running(&["a.com-w:a.com-w"]);
    playbook("restart", &programs(&["w"])).ended(0);
    assert_eq!(host.starts("a.com-w").len(), 2);
    // The record names the person, not root.
    let record = host.state().join("sites/a.com/revisions/00000001.json");
    let record = std::fs::read_to_string(record).unwrap();
    assert!(record.contains(&format!("\"user\":\"{}\"", user.name)));
    // The error of the far end is the same as that of this one.
    host.daemon.write_conf("theirs", "no section header\n");
    let run = playbook("sync", "[]").ended(1);
    assert_eq!(run.first_line(), "Error: Failed to reread supervisor configs");
}
