//! Each failure: the contract's first line, and a host that is as it was.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "makes a host on which things fail")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::{program, programs};
use crate::daemon::{Options, current_user};
use crate::python::missing;
use crate::site::{Host, Snapshot};

/// A host where `a.com` has been synced once, as somebody to whom permissions apply.
fn host_of_ordinary_user() -> Option<Host> {
    let user = (current_user() == "root").then(|| "nobody".to_owned());
    let host = Host::start_with(Options { user, ..Options::default() })?;
    synced(host)
}

/// A host where `w` of `a.com` has been synced once and runs.
fn synced_host() -> Option<Host> {
    Host::start().and_then(synced)
}

fn synced(host: Host) -> Option<Host> {
    let site = host.deploy("a.com");
    for name in ["w", "v"] {
        site.worker(name);
    }
    host.sync("a.com", &programs(&["w"])).ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
    std::fs::remove_file(host.path("result.yml")).unwrap();
    Some(host)
}

/// Runs `work` while nothing can be made or removed in `folder`.
fn closed(folder: &Path, work: impl FnOnce()) {
    let set = |mode| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode));
    set(0o555).unwrap();
    work();
    set(0o755).unwrap();
}

/// A changed `w` and a new `v`: files are replaced and made.
fn changed() -> String {
    format!("[{},{}]", program("w", r#""stopwaitsecs":5"#), program("v", ""))
}

#[test]
fn unwritable_config_changes_nothing() {
    let host = or_skip!(host_of_ordinary_user());
    let before = host.snapshot();
    closed(&host.daemon.conf_dir(), || {
        let run = host.sync("a.com", &changed()).ended(1);
        let path = host.conf("a.com-v").display().to_string();
        assert_eq!(run.first_line(), format!("Error: Failed to write {path}"));
        assert!(run.stderr.contains("Permission denied"), "{}", run.stderr);
    });
    assert_same_content(&before, &host);
}

#[test]
fn unwritable_logrotate_config_changes_nothing() {
    let host = or_skip!(host_of_ordinary_user());
    let before = host.snapshot();
    closed(&host.daemon.logrotate_dir(), || {
        let run = host.sync("a.com", &changed()).ended(1);
        let path = host.logrotate("a.com-v").display().to_string();
        assert_eq!(run.first_line(), format!("Error: Failed to write {path}"));
        assert!(run.stderr.contains("Permission denied"), "{}", run.stderr);
    });
    assert_same_content(&before, &host);
}

#[test]
fn unremovable_orphan_changes_nothing() {
    let host = or_skip!(host_of_ordinary_user());
    let before = host.snapshot();
    closed(&host.daemon.conf_dir(), || {
        let run = host.sync("a.com", "[]").ended(1);
        let path = host.conf("a.com-w").display().to_string();
        assert_eq!(run.first_line(), format!("Error: Failed to remove {path}"));
    });
    assert_same_content(&before, &host);
    // Half-way: conf.d's is gone already when logrotate.d's turns out to be stuck.
    closed(&host.daemon.logrotate_dir(), || {
        let run = host.sync("a.com", "[]").ended(1);
        let path = host.logrotate("a.com-w").display().to_string();
        assert_eq!(run.first_line(), format!("Error: Failed to remove {path}"));
    });
    assert_same_content(&before, &host);
    // With the obstacle gone the next run completes it.
    host.sync("a.com", "[]").ended(0);
    assert_eq!(host.file_names(), [""; 0]);
}

/// The same processes, and the same files with the same content, modes and owners. A file that was
/// put back is a new one, so inodes and times may differ; so may the text of the lock.
#[track_caller]
fn assert_same_content(before: &Snapshot, host: &Host) {
    let without_times = |snapshot: &Snapshot| {
        let mut snapshot = snapshot.clone();
        let is_lock = |name: &std::ffi::OsStr| name == "lock" || name == "locks";
        snapshot.files.retain(|path, _| !path.iter().any(is_lock));
        for text in snapshot.files.values_mut() {
            let (stamp, content) = text.split_once('\n').unwrap();
            *text = format!("{}\n{content}", stamp.split(" inode").next().unwrap());
        }
        snapshot
    };
    without_times(before).assert_same(&without_times(&host.snapshot()));
}

/// A missing folder is a failure to write into it.
#[test]
fn missing_folder_is_write_failure() {
    let host = or_skip!(synced_host());
    let aside = host.path("aside");
    std::fs::rename(host.daemon.logrotate_dir(), &aside).unwrap();
    let before = host.snapshot();
    let run = host.sync("a.com", &changed()).ended(1);
    let path = host.logrotate("a.com-v").display().to_string();
    assert_eq!(run.first_line(), format!("Error: Failed to write {path}"));
    assert!(run.stderr.contains("\nHint: "), "{}", run.stderr);
    before.assert_same(&host.snapshot());
}

#[test]
fn folder_in_files_place_stays() {
    let host = or_skip!(synced_host());
    for path in [host.conf("a.com-v"), host.logrotate("a.com-v")] {
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("precious"), "").unwrap();
        let before = host.snapshot();
        let run = host.sync("a.com", &changed()).ended(1);
        assert_eq!(run.first_line(), format!("Error: Failed to write {}", path.display()));
        before.assert_same(&host.snapshot());
        std::fs::remove_dir_all(&path).unwrap();
    }
}

/// A folder whose file system is read-only while this lives.
struct ReadOnly(std::path::PathBuf);

impl ReadOnly {
    /// None where nothing may be mounted.
    fn make(folder: std::path::PathBuf) -> Option<Self> {
        let mount = |arguments: &[&str]| {
            let run = Command::new("mount").args(arguments).arg(&folder).output();
            run.is_ok_and(|output| output.status.success())
        };
        if !mount(&["--bind", folder.to_str().unwrap()]) {
            missing("the right to mount");
            return None;
        }
        let read_only = Self(folder.clone());
        assert!(mount(&["-o", "remount,bind,ro"]));
        Some(read_only)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn read_only_disk_changes_nothing() {
    for read_only in ["conf.d", "logrotate.d"] {
        let host = or_skip!(synced_host());
        let before = host.snapshot();
        let mounted = or_skip!(ReadOnly::make(host.path(read_only)));
        for array in [changed(), "[]".to_owned()] {
            let run = host.sync("a.com", &array).ended(1);
            let (written, removed) = match read_only {
                "conf.d" => (host.conf("a.com-v"), host.conf("a.com-w")),
                _ => (host.logrotate("a.com-v"), host.logrotate("a.com-w")),
            };
            let what = match array.as_str() {
                "[]" => format!("remove {}", removed.display()),
                _ => format!("write {}", written.display()),
            };
            assert_eq!(run.first_line(), format!("Error: Failed to {what}"));
            assert!(!run.stderr.contains("put back"), "{}", run.stderr);
        }
        drop(mounted);
        assert_same_content(&before, &host);
    }
}

#[test]
fn failed_sync_removes_its_log_folder() {
    let host = or_skip!(host_of_ordinary_user());
    let logs = host.path("other/logs");
    closed(&host.daemon.logrotate_dir(), || {
        let mut invocation = host.playbook("sync", "a.com", &changed());
        invocation.env("SUPERVISOR_SYNC_LOG_DIR", &logs).run().ended(1);
    });
    assert!(!host.path("other").exists());
}

/// Code that is missing as well is a warning, and that comes after the error.
#[test]
fn error_comes_before_warnings() {
    let host = or_skip!(host_of_ordinary_user());
    closed(&host.daemon.conf_dir(), || {
        let mut invocation = host.playbook("sync", "a.com", &programs(&["w", "absent"]));
        let run = invocation.env("DEPLOYER_DISTRO", "arch").run().ended(1);
        let path = host.conf("a.com-absent").display().to_string();
        assert_eq!(run.first_line(), format!("Error: Failed to write {path}"));
        assert_eq!(run.warnings().len(), 2, "{}", run.stderr);
    });
}

/// A reread that fails brings the former bytes back, and supervisord's own words.
#[test]
fn failed_reread_restores_bytes() {
    let host = or_skip!(synced_host());
    // No program of its own, so supervisord reads it well, until another one comes to hold it
    // against: what stands in [DEFAULT] goes for every program.
    host.daemon.write_conf("00-defaults", "[DEFAULT]\nstartsecs=never\n");
    host.daemon.remove_conf("a.com-w");
    host.daemon.write_conf("a.com-w", "; emptied by somebody\n");
    let before = host.snapshot();
    let run = host.sync("a.com", &changed()).ended(1);
    assert_eq!(run.first_line(), "Error: Failed to reread supervisor configs");
    assert!(run.stderr.contains("never"), "supervisord's own words: {}", run.stderr);
    assert_same_content(&before, &host);
    assert_eq!(host.result(), None);
    // With the obstacle gone the same run succeeds.
    host.daemon.remove_conf("00-defaults");
    host.sync("a.com", &changed()).ended(0);
    host.wait_running(&["a.com-w:a.com-w", "a.com-v:a.com-v"]);
}

#[test]
fn foreign_broken_file_is_named() {
    let host = or_skip!(synced_host());
    for broken in [
        "no section header\n",
        "[program:x]\nnumprocs=2\ncommand=/bin/true\n",
        "[program:x]\ncommand=/bin/true\nuser=nobody-here\n",
        "[program:x]\nautostart=true\n",
        "[program:x]\ncommand=/bin/true\nstdout_logfile=/no/such/folder/x\n",
    ] {
        host.daemon.write_conf("theirs", broken);
        let before = host.snapshot();
        let run = host.sync("a.com", &changed()).ended(1);
        assert_eq!(run.first_line(), "Error: Failed to reread supervisor configs", "{broken}");
        let theirs = host.conf("theirs").display().to_string();
        assert!(run.stderr.contains(&theirs), "{broken}: {}", run.stderr);
        before.assert_same(&host.snapshot());
    }
}

/// The broken file is the site's own and about to be replaced: that fixes it.
#[test]
fn own_broken_file_is_mended() {
    let host = or_skip!(synced_host());
    for broken in ["no section header\n", "[program:a.com-w]\nautostart=maybe\n", ""] {
        std::fs::write(host.conf("a.com-w"), broken).unwrap();
        host.sync("a.com", &programs(&["w"])).ended(0);
        host.wait_running(&["a.com-w:a.com-w"]);
    }
    assert_eq!(host.starts("a.com-w").len(), 1, "supervisord ran the right config all along");
}

#[test]
fn dead_supervisord_gets_hint() {
    let mut host = or_skip!(synced_host());
    host.daemon.stop();
    let before = Host::snapshot_of(&host.daemon.conf_dir());
    let run = host.sync("a.com", &changed()).ended(1);
    assert_eq!(run.first_line(), "Error: Failed to reread supervisor configs");
    assert!(run.stderr.contains("\nHint: start it: systemctl start supervisor"), "{}", run.stderr);
    assert_eq!(Host::snapshot_of(&host.daemon.conf_dir()), before);
    assert_eq!(host.result(), None);
    // supervisord's config itself is missing.
    std::fs::remove_file(host.daemon.main_conf()).unwrap();
    let run = host.sync("a.com", &changed()).ended(1);
    assert_eq!(run.first_line(), "Error: Failed to reread supervisor configs");
    assert!(run.stderr.contains(&host.daemon.main_conf().display().to_string()), "{}", run.stderr);
}

/// The script writes before it asks supervisord anything.
#[test]
fn powerless_user_sees_first_file() {
    let host = or_skip!(synced_host());
    if current_user() != "root" {
        return missing("being root");
    }
    std::fs::set_permissions(host.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    let given = Command::new("chown").arg("nobody").arg(host.path("home")).status().unwrap();
    assert!(given.success());
    let mut invocation = host.playbook("sync", "a.com", &changed());
    invocation.become_user("nobody").env("DEPLOYER_OUTPUT_FILE", host.path("home/result.yml"));
    let run = invocation.without("SUPERVISOR_SYNC_STATE_DIR").run().ended(1);
    let path = host.conf("a.com-w").display().to_string();
    assert_eq!(run.first_line(), format!("Error: Failed to write {path}"));
    assert!(run.stderr.contains("\nCause: user nobody may not write in "), "{}", run.stderr);
    assert!(run.stderr.contains("\nHint: run it as root, or"), "{}", run.stderr);
}

#[test]
fn unknown_user_stops_before_writing() {
    let host = or_skip!(synced_host());
    let before = host.snapshot();
    let mut invocation = host.playbook("sync", "a.com", &changed());
    let run = invocation.env("SUPERVISOR_SYNC_USER", "nobody-here").run().ended(1);
    assert_eq!(run.first_line(), "Error: Failed to reread supervisor configs");
    assert!(run.stderr.contains("user nobody-here does not exist"), "{}", run.stderr);
    before.assert_same(&host.snapshot());
}

#[test]
fn unincluded_folder_is_told() {
    let host = or_skip!(synced_host());
    let elsewhere = host.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let before = host.snapshot();
    let mut invocation = host.playbook("sync", "a.com", &changed());
    let run = invocation.env("SUPERVISOR_SYNC_CONF_DIR", &elsewhere).run().ended(1);
    assert_eq!(run.first_line(), "Error: Failed to reread supervisor configs");
    assert!(run.stderr.contains("[include] does not read"), "{}", run.stderr);
    before.assert_same(&host.snapshot());
}
