//! A folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use supervisor_sync::store::Location;
use tempfile::TempDir;

use super::{
    Answer, AnyStore, ObjectName, Part, access, assert_says, bytes, keeps_the_contract, listed,
    name,
};
use crate::daemon::{PATIENCE, wait_until};

/// Names the folder that [`child`] puts objects into.
const FOLDER: &str = "SUPERVISOR_SYNC_TEST_STORE";

struct Folder {
    root: TempDir,
}

impl Folder {
    /// Not there yet.
    fn path(&self) -> PathBuf {
        self.root.path().join("made/by/put")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

fn open(path: &Path) -> AnyStore {
    let location = Location::parse(path.to_str().unwrap()).unwrap();
    location.open_with(access(Path::new("/nowhere")))
}

impl Part for Folder {
    fn start() -> Option<Self> {
        Some(Self { root: tempfile::tempdir().unwrap() })
    }

    fn open(&self) -> AnyStore {
        open(&self.path())
    }

    fn plant_long(&self, name: &ObjectName, length: u64) {
        fs::File::create(self.at(name.as_str())).unwrap().set_len(length).unwrap();
    }
}

keeps_the_contract!(Folder);

#[test]
fn every_spelling_leads_to_the_folder() {
    let folder = Folder::start().unwrap();
    folder.open().put(&name("a"), b"x").unwrap();
    let path = folder.path().display().to_string();
    let here = format!("./../../../../../../../../../..{path}");
    for text in [&path, &format!("{path}/"), &format!("file://{path}"), &here] {
        assert_eq!(
            bytes(&*Location::parse(text).unwrap().open_with(access(Path::new("/"))), "a"),
            b"x"
        );
    }
}

#[test]
fn change_within_a_tick_is_seen() {
    let folder = Folder::start().unwrap();
    let store = folder.open();
    for round in 0..100_u8 {
        store.put(&name("a"), &[round]).unwrap();
        let former = super::tag(&*store, "a");
        store.put(&name("a"), &[round, 0]).unwrap();
        store.put(&name("a"), &[round + 1]).unwrap();
        let answer = store.get(&name("a"), Some(&former)).unwrap();
        assert!(matches!(answer, Answer::Object { bytes, .. } if bytes == [round + 1]), "{round}");
    }
}

/// A web server shall be able to serve it.
#[test]
fn others_may_read_what_is_put() {
    let folder = Folder::start().unwrap();
    folder.open().put(&name("a/b"), b"x").unwrap();
    let mode = |name: &str| fs::metadata(folder.at(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("a"), mode("a/b")), (0o755, 0o644));
}

#[test]
fn only_files_with_names_of_ours_are_objects() {
    let folder = Folder::start().unwrap();
    let store = folder.open();
    let host_is_first = store.put(&name("status/web1"), b"x");
    assert_says(host_is_first, &["cannot write", "there is no such store"]);
    store.put(&name("latest.json"), b"x").unwrap();
    store.put(&name("status/web1"), b"x").unwrap();
    for other in [".hidden", "a b", "back\\slash", "ä"] {
        fs::write(folder.at("status").join(other), "x").unwrap();
    }
    fs::create_dir(folder.at("status/folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.at("status/dangling")).unwrap();
    std::os::unix::fs::symlink("web1", folder.at("status/linked")).unwrap();
    assert_eq!(listed(&*store, "status"), ["status/linked", "status/web1"]);
    assert_eq!(listed(&*store, "status/web1"), [""; 0]);
    assert_eq!(bytes(&*store, "status/linked"), b"x");
    assert_says(store.get(&name("status/folder"), None), &["cannot read", "is not a regular file"]);
}

/// What is in the way, and what nobody may, is told with the path.
#[test]
fn failures_name_the_path() {
    let folder = Folder::start().unwrap();
    let store = folder.open();
    store.put(&name("file"), b"x").unwrap();
    let path = folder.at("file/below").display().to_string();
    assert_says(store.put(&name("file/below"), b"x"), &["cannot write", &path]);
    fs::create_dir(folder.at("folder")).unwrap();
    assert_says(store.put(&name("folder"), b"x"), &["cannot write", "directory"]);
    assert_eq!(listed(&*store, "folder"), [""; 0]);
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing is left of what failed: {names:?}");
}

#[test]
fn folder_that_is_gone_comes_back() {
    let folder = Folder::start().unwrap();
    let store = folder.open();
    store.put(&name("latest.json"), b"x").unwrap();
    let (there, gone) = (folder.path(), folder.root.path().join("gone"));
    fs::rename(&there, &gone).unwrap();
    assert_eq!(store.get(&name("latest.json"), None).unwrap(), Answer::Absent);
    fs::rename(&gone, &there).unwrap();
    assert_eq!(bytes(&*store, "latest.json"), b"x");
}

/// Not a test of its own: what [`killed_writer_leaves_whole_objects`] kills.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = open(Path::new(&folder));
    for round in 0_u64.. {
        let content = vec![b'a' + (round % 20) as u8; 1_000_000];
        store.put(&name("payloads/a"), &content).unwrap();
    }
}

#[test]
fn killed_writer_leaves_whole_objects() {
    let folder = Folder::start().unwrap();
    let store = folder.open();
    for _ in 0..20 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stores::folder::child", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // So that it is killed in the middle of one: when it has begun to write another file.
        let is_writing = || {
            let entries = fs::read_dir(folder.at("payloads")).into_iter().flatten().flatten();
            entries.filter(|entry| entry.file_name().as_encoded_bytes().ends_with(b"~")).count() > 0
        };
        wait_until(PATIENCE, "an object is being written", is_writing);
        writer.kill().unwrap();
        writer.wait().unwrap();
        match store.get(&name("payloads/a"), None).unwrap() {
            Answer::Object { bytes, .. } => {
                assert!(bytes.len() == 1_000_000 && bytes.iter().all(|byte| *byte == bytes[0]));
            }
            Answer::Absent | Answer::Unchanged => {}
        }
        assert!(listed(&*store, "payloads").len() <= 1, "halves are not listed");
        let leftovers =
            fs::read_dir(folder.at("payloads")).unwrap().map(|entry| entry.unwrap().path());
        for path in leftovers.filter(|path| path.to_str().unwrap().ends_with('~')) {
            fs::remove_file(path).unwrap();
        }
    }
}
