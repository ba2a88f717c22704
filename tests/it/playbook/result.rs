//! `DEPLOYER_OUTPUT_FILE` lies where others can write, and root writes it: nothing that is there is
//! written through, and what cannot be written is refused before anything is done.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "lays out files as another user would")]

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use supervisor_sync::system::users;

use super::{program, programs};
use crate::python::missing;
use crate::site::Host;

const RESULT: &str = "status: success\nsupervisors_synced: 1\n";

/// A host of root's with `a.com` deployed, a folder that all may write to, and a file of root's.
/// None, said loudly, where there is no supervisord or we are not root.
fn host() -> Option<Host> {
    let host = Host::start()?;
    if !users::is_root() {
        missing("being root");
        return None;
    }
    host.deploy("a.com").worker("w");
    for folder in ["shared", "roots", "theirs"] {
        std::fs::create_dir(host.path(folder)).unwrap();
    }
    mode(&host.path("shared"), 0o1777);
    give_away(&host.path("theirs"));
    std::fs::write(host.path("roots/target"), "roots").unwrap();
    mode(&host.path("roots/target"), 0o600);
    Some(host)
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn nobody() -> users::User {
    users::find("nobody").unwrap().unwrap()
}

fn give_away(path: &Path) {
    lchown(path, Some(nobody().uid), Some(nobody().gid)).unwrap();
}

/// What somebody has put at the path of the result, which is returned; and the words of the refusal.
type Row = (fn(&Host) -> PathBuf, &'static str);

const REFUSED: [Row; 14] = [
    (
        |host| {
            symlink(host.path("roots/target"), host.path("shared/r1")).unwrap();
            give_away(&host.path("shared/r1"));
            host.path("shared/r1")
        },
        "is a symbolic link",
    ),
    (
        |host| {
            symlink(host.path("roots/target"), host.path("theirs/r2")).unwrap();
            give_away(&host.path("theirs/r2"));
            host.path("theirs/r2")
        },
        "is a symbolic link",
    ),
    (
        |host| {
            symlink(host.path("roots/new"), host.path("shared/dangling")).unwrap();
            host.path("shared/dangling")
        },
        "is a symbolic link",
    ),
    (
        |host| {
            symlink(host.path("roots"), host.path("theirs/folder")).unwrap();
            give_away(&host.path("theirs/folder"));
            host.path("theirs/folder/target")
        },
        "a symbolic link of user nobody leads to what is root's",
    ),
    (
        |host| {
            let path = host.path("shared/pipe");
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            give_away(&path);
            path
        },
        "is not a regular file",
    ),
    (
        |host| {
            std::fs::write(host.path("shared/file"), "theirs").unwrap();
            give_away(&host.path("shared/file"));
            host.path("shared/file")
        },
        "belongs to nobody",
    ),
    (
        |host| {
            std::fs::create_dir(host.path("shared/r7")).unwrap();
            host.path("shared/r7")
        },
        "is not a regular file",
    ),
    (|_| "/dev/null".into(), "is not a regular file"),
    (|_| "/dev/stdout".into(), "is a symbolic link"),
    (|_| "/".into(), "is not the path of a file"),
    (|host| host.path("shared/new/"), "names a folder, not a file"),
    (|host| host.path("shared/new/."), "names a folder, not a file"),
    (|host| host.path("no/folder.yml"), "No such file or directory"),
    (|host| host.path("roots/target/result.yml"), "Not a directory"),
];

/// What is no file of the caller's is refused before anything is done.
#[test]
fn foreign_result_file_is_refused() {
    let host = or_skip!(host());
    for (arrange, words) in REFUSED {
        let path = arrange(&host);
        let before = host.snapshot();
        let playbook = |name: &str, array: &str| {
            host.playbook(name, "a.com", array).env("DEPLOYER_OUTPUT_FILE", &path).run()
        };
        let run = playbook("sync", &programs(&["w"])).ended(1);
        let hint = "Hint: name a new file, or one of your own: DEPLOYER_OUTPUT_FILE=$(mktemp)";
        let told =
            format!("Error: Failed to write output file\nCause: {}: {words}", path.display());
        assert!(run.stderr.starts_with(&told), "{}", run.stderr);
        assert!(run.stderr.ends_with(&format!("\n{hint}\n")), "{}", run.stderr);
        assert_eq!(run.stdout, "", "{}", path.display());
        // After a deployment it is no more than a warning.
        let run = playbook("restart", "[]").ended(0);
        let told = format!("Failed to write output file: {}: {words}", path.display());
        assert!(run.warnings()[0].starts_with(&told), "{}", run.stderr);
        before.assert_same(&host.snapshot());
    }
    assert_eq!(host.groups(), [""; 0]);
}

#[test]
fn unwritable_result_folder_is_told_first() {
    let host = or_skip!(host());
    mode(&host.path(""), 0o755);
    let before = host.snapshot();
    let mut invocation = host.playbook("sync", "a.com", &programs(&["w"]));
    invocation.become_user("nobody").env("DEPLOYER_OUTPUT_FILE", host.path("roots/new"));
    let run = invocation.run().ended(1);
    assert_eq!(run.first_line(), "Error: Failed to write output file");
    assert!(run.stderr.contains("Permission denied"), "{}", run.stderr);
    // A file of root's cannot be given back.
    let mut invocation = host.playbook("sync", "a.com", &programs(&["w"]));
    invocation.become_user("nobody").env("DEPLOYER_OUTPUT_FILE", host.path("roots/target"));
    let run = invocation.run().ended(1);
    assert!(run.stderr.contains("target: belongs to root\n"), "{}", run.stderr);
    before.assert_same(&host.snapshot());
}

#[test]
fn callers_file_holds_result() {
    let host = or_skip!(host());
    let sync = |path: &Path| {
        let mut invocation = host.playbook("sync", "a.com", &programs(&["w"]));
        invocation.env("DEPLOYER_OUTPUT_FILE", path).env("SUDO_UID", nobody().uid.to_string());
        invocation.run().ended(0);
        let metadata = std::fs::symlink_metadata(path).unwrap();
        (metadata.uid(), metadata.mode() & 0o7777)
    };
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();

    let new = host.path("shared/new");
    assert_eq!(sync(&new).0, 0);
    assert_eq!(read(&new), RESULT);
    // With the owner and mode that it had, however long the former text was.
    let own = host.path("shared/own");
    std::fs::write(&own, "x".repeat(10_000)).unwrap();
    mode(&own, 0o640);
    assert_eq!(sync(&own), (0, 0o640));
    assert_eq!(read(&own), RESULT);
    // What a user has made before calling sudo.
    let made = host.path("theirs/made");
    std::fs::write(&made, "").unwrap();
    mode(&made, 0o600);
    give_away(&made);
    assert_eq!(sync(&made), (nobody().uid, 0o600));
    assert_eq!(read(&made), RESULT);
    // A second name of a file of root's, which anybody could make where the kernel lets them.
    let second = host.path("shared/second");
    std::fs::hard_link(host.path("roots/target"), &second).unwrap();
    assert_eq!(sync(&second), (0, 0o600));
    assert_eq!((read(&second), read(&host.path("roots/target"))), (RESULT.into(), "roots".into()));
    let long = host.path("shared").join("n".repeat(255));
    sync(&long);
    assert_eq!(read(&long), RESULT);
    // Seen from the folder the caller is in.
    let mut invocation = host.playbook("sync", "a.com", &programs(&["w"]));
    invocation.env("DEPLOYER_OUTPUT_FILE", "result.yml").run().ended(0);
    assert_eq!(read(&host.path("home/result.yml")), RESULT);
    for folder in ["shared", "theirs", "home"] {
        let left = crate::site::names(&host.path(folder));
        assert!(left.iter().all(|name| !name.ends_with('~')), "{left:?}");
    }
}

/// A link that is put there meanwhile is told when the sync is done.
#[test]
fn planted_result_link_is_told() {
    let host = or_skip!(host());
    let site = host.deployed("a.com");
    let result = host.path("shared/result");
    // The former program puts it there on its way out, which the sync waits for.
    let plant = format!("ln -s {} {}", host.path("roots/target").display(), result.display());
    site.script(
        "w.sh",
        &format!(
            "#!/bin/sh\ntrap '{plant}; exit 0' TERM\necho $$ >> {}\nwhile :; do sleep 0.05; done\n",
            host.path("starts/a.com-w").display()
        ),
    );
    host.sync("a.com", &programs(&["w"])).ended(0);
    host.wait_starts("a.com-w", 1);
    let changed = format!("[{}]", program("w", r#""stopwaitsecs":30"#));
    let mut invocation = host.playbook("sync", "a.com", &changed);
    let run = invocation.env("DEPLOYER_OUTPUT_FILE", &result).run().ended(1);
    assert_eq!(run.first_line(), "Error: Failed to write output file");
    assert!(run.stderr.contains("result: is a symbolic link\n"), "{}", run.stderr);
    let done = "\nHint: everything else is done, only the result is missing\n";
    assert!(run.stderr.contains(done), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(host.path("roots/target")).unwrap(), "roots");
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    assert!(text.contains("stopwaitsecs=30"), "{text}");
}
