//! Promise: root does what a journal or a revision says only if nobody else can have written it. Each
//! row is a state folder that another user owns, can write to or leads elsewhere; a forged journal
//! in it would have root write a file where only root may.

#![expect(clippy::disallowed_methods, reason = "lays out folders as another user would")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use supervisor_sync::inventory::Domain;
use supervisor_sync::records::journal::{JournaledFile, PathContent};
use supervisor_sync::records::{Journal, Revision};
use supervisor_sync::system::files::FileContent;
use supervisor_sync::system::users;

use crate::daemon::Options;
use crate::python::missing;
use crate::simulated::origin;
use crate::site::{Host, Run};

/// A host of root's with two sites that are not applied yet, and what nobody else may change.
struct Place {
    host: Host,
}

impl Place {
    /// None, said loudly, where there is no supervisord or we are not root.
    fn new() -> Option<Self> {
        let host = Host::start()?;
        if !users::is_root() {
            missing("being root");
            return None;
        }
        std::fs::set_permissions(host.path(""), Permissions::from_mode(0o755)).unwrap();
        for site in ["a.com", "b.com"] {
            host.deploy(site).worker("w");
        }
        let place = Self { host };
        place.inventory("state");
        Some(place)
    }

    /// State goes to this folder.
    fn inventory(&self, state_dir: &str) {
        let site = |name: &str| {
            let program = "{program: w, script: w.sh, startsecs: 0, health: {stable_for: 0}}";
            format!("  - {{domain: {name}, server: here, supervisors: [{program}]}}\n")
        };
        self.host.inventory(&format!("{}{}", site("a.com"), site("b.com")));
        let inventory = self.at("home/deployer.yml");
        let text = std::fs::read_to_string(&inventory).unwrap();
        let line = |folder: &str| format!("state_dir: {}\n", self.at(folder).display());
        std::fs::write(&inventory, text.replace(&line("state"), &line(state_dir))).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.host.path(name)
    }

    /// Where the inventory has the state.
    fn state_dir(&self) -> String {
        let text = std::fs::read_to_string(self.at("home/deployer.yml")).unwrap();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("state_dir: "));
        line.unwrap().to_owned()
    }

    /// The folder of this daemon's state, below the state folder.
    fn scope(&self) -> PathBuf {
        self.host.state()
    }

    /// Everything as before the first row; the state folder and the one outside are root's.
    fn clear(&self) {
        for name in ["state", "outside", "theirs", "real", "sticky"] {
            let path = self.at(name);
            if path.is_symlink() || path.is_file() {
                std::fs::remove_file(&path).unwrap();
            } else if path.exists() {
                std::fs::remove_dir_all(&path).unwrap();
            }
        }
        for folder in ["state", "outside"] {
            std::fs::create_dir(self.at(folder)).unwrap();
            mode(&self.at(folder), 0o755);
        }
        std::fs::write(self.at("outside/target"), "roots").unwrap();
        mode(&self.at("outside/target"), 0o640);
        self.inventory("state");
    }

    /// Puts a forged journal of `a.com` into what is, or will be taken for, the scope's folder.
    fn forge(&self, scope: &Path) -> PathBuf {
        let evil = self.at("outside/evil");
        let path = scope.join("sites/a.com/journal.files.json");
        put(&path, &forged("a.com", &evil));
        path
    }

    /// What only root may change: names, owners, modes and bytes.
    fn outside(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let folders = ["outside", "real"].map(|name| self.at(name));
        let mut all = folders.map(|folder| Host::snapshot_of(&folder));
        for (files, folder) in all.iter_mut().zip(&["outside", "real"]) {
            // Its stamp holds the time; a new name in it is seen by itself.
            let own = files.remove(&self.at(folder)).unwrap_or_default();
            let owner_and_mode = own.split(" inode").next().unwrap_or_default().to_owned();
            files.insert(PathBuf::from("itself"), owner_and_mode);
        }
        all
    }

    fn apply(&self, site: &str) -> Run {
        self.host.run(&["apply", "--yes", "--site", site])
    }
}

/// A journal of this site that has root write `path`.
fn forged(site: &str, path: &Path) -> Journal {
    let mut journal = Journal::new(Domain::parse(site).unwrap(), origin());
    let bytes = b"evil".to_vec();
    journal.files.push(JournaledFile {
        path: path.to_owned(),
        before: PathContent::File(FileContent {
            bytes: bytes.into(),
            mode: 0o644,
            owner: Some((0, 0)),
        }),
        after: PathContent::Absent,
    });
    journal
}

fn put(path: &Path, record: &impl serde::Serialize) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, serde_json::to_vec(record).unwrap()).unwrap();
    mode(path, 0o600);
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Gives away a file, link or folder with all that is in it.
fn give_away(path: &Path) {
    let status = Command::new("chown").args(["-hR", "nobody"]).arg(path).status().unwrap();
    assert!(status.success());
}

fn give_only(path: &Path) {
    lchown(path, Some(users::find("nobody").unwrap().unwrap().uid), None).unwrap();
}

/// Its name, and how it is laid out.
type Fine = (&'static str, fn(&Place));
/// Its name, what another user has done, and the words of the refusal.
type Row = (&'static str, fn(&Place), &'static str);

const FOLDERS: [Row; 14] = [
    (
        "the state folder is theirs",
        |place| {
            place.forge(&place.scope());
            give_away(&place.at("state"));
        },
        "state belongs to nobody, who could change what is in it",
    ),
    (
        "everybody may write to it",
        |place| {
            place.forge(&place.scope());
            mode(&place.at("state"), 0o777);
        },
        "state may be written by other users (mode 0777)",
    ),
    (
        "a group may",
        |place| {
            place.forge(&place.scope());
            mode(&place.at("state"), 0o775);
        },
        "state may be written by other users (mode 0775)",
    ),
    (
        "it is in a folder of theirs, and root's itself",
        |place| {
            place.inventory("theirs/state");
            std::fs::create_dir_all(place.at("theirs/state")).unwrap();
            give_only(&place.at("theirs"));
        },
        "theirs belongs to nobody, who could change what is in it",
    ),
    (
        "it is not there yet, in a folder of theirs",
        |place| {
            place.inventory("theirs/deep/state");
            std::fs::create_dir_all(place.at("theirs")).unwrap();
            give_only(&place.at("theirs"));
        },
        "theirs belongs to nobody, who could change what is in it",
    ),
    (
        "their link to a folder of root's, in a sticky folder",
        |place| {
            place.inventory("sticky/state");
            std::fs::create_dir(place.at("sticky")).unwrap();
            mode(&place.at("sticky"), 0o1777);
            symlink(place.at("outside"), place.at("sticky/state")).unwrap();
            give_away(&place.at("sticky/state"));
        },
        "state is a symbolic link of nobody",
    ),
    (
        "a link of root's through a folder of theirs",
        |place| {
            std::fs::create_dir_all(place.at("theirs/state")).unwrap();
            give_only(&place.at("theirs"));
            std::fs::remove_dir(place.at("state")).unwrap();
            symlink(place.at("theirs/state"), place.at("state")).unwrap();
        },
        "theirs belongs to nobody, who could change what is in it",
    ),
    (
        "the daemon's folder is their link to root's, in a folder that all may write to",
        |place| {
            mode(&place.at("state"), 0o1777);
            place.forge(&place.at("outside"));
            give_away(&place.at("outside/sites"));
            symlink(place.at("outside"), place.scope()).unwrap();
            give_away(&place.scope());
        },
        "is a symbolic link",
    ),
    (
        "the daemon's folder is a link of root's",
        |place| {
            std::fs::create_dir(place.at("real")).unwrap();
            mode(&place.at("real"), 0o755);
            symlink(place.at("real"), place.scope()).unwrap();
        },
        "is a symbolic link",
    ),
    (
        "the daemon's folder is theirs",
        |place| {
            place.forge(&place.scope());
            give_away(&place.scope());
        },
        "belongs to nobody, who could change what is in it",
    ),
    (
        "the daemon's folder can be written by all, sticky or not",
        |place| {
            place.forge(&place.scope());
            mode(&place.scope(), 0o1777);
        },
        "may be written by other users (mode 1777)",
    ),
    (
        "the daemon's folder is a file",
        |place| std::fs::write(place.scope(), "").unwrap(),
        "is not a folder",
    ),
    (
        "the folder of all sites is theirs",
        |place| {
            place.forge(&place.scope());
            give_away(&place.scope().join("sites"));
        },
        "sites belongs to nobody, who could change what is in it",
    ),
    (
        "the folder of all sites is a link to theirs",
        |place| {
            place.forge(&place.at("theirs"));
            give_away(&place.at("theirs"));
            std::fs::create_dir(place.scope()).unwrap();
            symlink(place.at("theirs/sites"), place.scope().join("sites")).unwrap();
        },
        "sites is a symbolic link",
    ),
];

#[test]
fn changeable_state_folder_is_refused() {
    let place = or_skip!(Place::new());
    for (name, arrange, words) in FOLDERS {
        place.clear();
        arrange(&place);
        let before = place.outside();
        for arguments in
            [&["plan"][..], &["status"], &["history"], &["apply", "--yes"], &["stop", "--yes"]]
        {
            let run = place.host.run(arguments);
            let told = format!("{name}: {arguments:?}: {}{}", run.stdout, run.stderr);
            assert!(run.status != 0, "{told}");
            assert!(told.contains(words), "{told}");
            assert!(told.contains("namei -l /"), "{told}");
        }
        let mut sync = place.host.playbook("sync", "a.com", "[]");
        let run = sync.env("SUPERVISOR_SYNC_STATE_DIR", place.state_dir()).run().ended(1);
        let first_line = "Error: the state folder ";
        assert!(run.first_line().starts_with(first_line), "{name}: {}", run.stderr);
        assert_eq!(before, place.outside(), "{name}");
        assert_eq!(place.host.file_names(), [""; 0], "{name}");
        assert_eq!(place.host.groups(), [""; 0], "{name}");
    }
}

/// What is wrong with one site's records is that site's alone.
const RECORDS: [Row; 12] = [
    (
        "its folder is theirs",
        |place| {
            place.forge(&place.scope());
            give_away(&place.scope().join("sites/a.com"));
        },
        "a.com belongs to nobody, who could change what is in it",
    ),
    (
        "all may write to its folder",
        |place| {
            place.forge(&place.scope());
            mode(&place.scope().join("sites/a.com"), 0o777);
        },
        "a.com may be written by other users (mode 0777)",
    ),
    (
        "its folder is a link to theirs",
        |place| {
            place.forge(&place.at("theirs"));
            give_away(&place.at("theirs"));
            std::fs::create_dir_all(place.scope().join("sites")).unwrap();
            symlink(place.at("theirs/sites/a.com"), place.scope().join("sites/a.com")).unwrap();
        },
        "a.com is a symbolic link",
    ),
    (
        "its folder of revisions is theirs",
        |place| {
            let folder = place.scope().join("sites/a.com/revisions");
            std::fs::create_dir_all(&folder).unwrap();
            give_away(&folder);
        },
        "revisions belongs to nobody, who could change what is in it",
    ),
    (
        "a journal is theirs",
        |place| give_away(&place.forge(&place.scope())),
        "journal.files.json is damaged: it belongs to nobody",
    ),
    (
        "all may write to a journal",
        |place| mode(&place.forge(&place.scope()), 0o666),
        "journal.files.json is damaged: it may be written by other users (mode 0666)",
    ),
    (
        "a journal is a link",
        |place| {
            let journal = place.forge(&place.scope());
            std::fs::create_dir(place.at("theirs")).unwrap();
            std::fs::rename(&journal, place.at("theirs/journal")).unwrap();
            symlink(place.at("theirs/journal"), &journal).unwrap();
        },
        "journal.files.json is damaged: it is a symbolic link",
    ),
    (
        "a journal names what is no file of a site",
        |place| {
            place.forge(&place.scope());
        },
        "outside/evil, which cannot be a file of site a.com",
    ),
    (
        "a journal names a file by way of another folder",
        |place| {
            let path = place.host.daemon.conf_dir().join("../outside/supervisor-a.com-w.conf");
            put(&place.scope().join("sites/a.com/journal.undo.json"), &forged("a.com", &path));
        },
        "outside/supervisor-a.com-w.conf, which cannot be a file of site a.com",
    ),
    (
        "what a journal finishes names a file elsewhere",
        |place| {
            let mut journal = Journal::new(Domain::parse("a.com").unwrap(), origin());
            journal.former = Some(Box::new(forged("a.com", &place.at("outside/a.com-w.conf"))));
            put(&place.scope().join("sites/a.com/journal.groups.json"), &journal);
        },
        "outside/a.com-w.conf, which cannot be a file of site a.com",
    ),
    (
        "a journal is another site's",
        |place| {
            let journal = forged("b.com", &place.host.conf("b.com-w"));
            put(&place.scope().join("sites/a.com/journal.files.json"), &journal);
        },
        "it is of site b.com",
    ),
    (
        "a revision names what is no file of a site",
        |place| {
            let path = place.at("outside/target");
            let revision = serde_json::json!({
                "version": 1, "number": 1, "site": "a.com", "origin": origin(), "groups": {},
                "files": {path.to_str().unwrap():
                    {"kind": "supervisor", "secret": false, "content": "roots"}},
            });
            let _: Revision = serde_json::from_value(revision.clone()).unwrap();
            put(&place.scope().join("sites/a.com/revisions/00000001.json"), &revision);
        },
        "outside/target, which cannot be a file of site a.com",
    ),
];

/// A record that others can have written stops its own site alone.
#[test]
fn forgeable_record_stops_its_site() {
    let place = or_skip!(Place::new());
    for (name, arrange, words) in RECORDS {
        place.clear();
        arrange(&place);
        let before = place.outside();
        for verb in ["plan", "status", "apply"] {
            let mut arguments = vec![verb, "--site", "a.com"];
            arguments.extend((verb == "apply").then_some("--yes"));
            let run = place.host.run(&arguments);
            let told = format!("{name}: {verb}: {}{}", run.stdout, run.stderr);
            assert!(run.status != 0 && told.contains(words), "{told}");
        }
        place.apply("b.com").ended(0);
        place.host.wait_running(&["b.com-w:b.com-w"]);
        assert_eq!(before, place.outside(), "{name}");
        let names = place.host.file_names();
        assert_eq!(names, ["b.com-w.conf", "supervisor-b.com-w.conf"], "{name}");
        assert_eq!(place.host.groups(), ["b.com-w"], "{name}");
    }
}

#[test]
fn lock_file_must_be_ours() {
    let place = or_skip!(Place::new());
    let rows: [Row; 3] = [
        (
            "a link",
            |place| symlink(place.at("outside/target"), place.scope().join("lock")).unwrap(),
            "cannot lock",
        ),
        (
            "theirs",
            |place| {
                std::fs::write(place.scope().join("lock"), "").unwrap();
                give_away(&place.scope().join("lock"));
            },
            "lock belongs to nobody, who could change what is in it",
        ),
        (
            "for all to write",
            |place| {
                std::fs::write(place.scope().join("lock"), "").unwrap();
                mode(&place.scope().join("lock"), 0o666);
            },
            "lock may be written by other users (mode 0666)",
        ),
    ];
    for (name, arrange, words) in rows {
        place.clear();
        std::fs::create_dir(place.scope()).unwrap();
        arrange(&place);
        let before = place.outside();
        place.apply("a.com").ended(1).complains(words);
        assert_eq!(before, place.outside(), "{name}");
        assert_eq!(place.host.file_names(), [""; 0], "{name}");
    }
}

/// A state folder of our own is used however it is reached.
#[test]
fn own_state_folder_may_be_linked() {
    let place = or_skip!(Place::new());
    let rows: [Fine; 6] = [
        ("a folder of root's", |_| {}),
        ("closed to all others", |place| mode(&place.at("state"), 0o700)),
        ("not there yet, nor its parents", |place| place.inventory("real/deep/state")),
        ("in a sticky folder of root's", |place| {
            place.inventory("sticky/state");
            std::fs::create_dir(place.at("sticky")).unwrap();
            mode(&place.at("sticky"), 0o1777);
        }),
        ("sticky itself", |place| mode(&place.at("state"), 0o1777)),
        ("by a link of root's", |place| {
            std::fs::rename(place.at("state"), place.at("real")).unwrap();
            symlink("real", place.at("state")).unwrap();
        }),
    ];
    for (name, arrange) in rows {
        place.clear();
        arrange(&place);
        place.apply("a.com").ended(0);
        place.apply("a.com").ended(0).says("nothing to do");
        place.host.run(&["history", "--site", "a.com"]).ended(0);
        let state = PathBuf::from(place.state_dir());
        let scope = state.join(place.scope().file_name().unwrap());
        assert!(scope.join("sites/a.com/revisions/00000001.json").is_file(), "{name}");
        let made = std::fs::metadata(&scope).unwrap().permissions().mode();
        assert_eq!(made & 0o7777, 0o700, "{name}");
        for file in place.host.file_names() {
            let folder = match file.starts_with("supervisor-") {
                true => place.host.daemon.logrotate_dir(),
                false => place.host.daemon.conf_dir(),
            };
            std::fs::remove_file(folder.join(file)).unwrap();
        }
    }
}

#[test]
fn existing_folder_keeps_its_mode() {
    let place = or_skip!(Place::new());
    place.clear();
    std::fs::create_dir(place.scope()).unwrap();
    mode(&place.scope(), 0o755);
    place.apply("a.com").ended(0);
    let now = std::fs::metadata(place.scope()).unwrap().permissions().mode();
    assert_eq!(now & 0o7777, 0o755);
}

/// An ordinary user is held to the same as root, but for the own group.
#[test]
fn ordinary_user_may_share_own_group() {
    if !users::is_root() {
        return missing("being root");
    }
    // A user with a group of that name, which nobody else is in.
    let options = Options { user: Some("daemon".to_owned()), ..Options::default() };
    let host = or_skip!(Host::start_with(options));
    let daemon = users::find("daemon").unwrap().unwrap();
    assert!(users::is_private_group(daemon.gid, daemon.uid), "an unusual machine");
    host.deploy("a.com");
    host.inventory(
        "  - {domain: a.com, server: here, supervisors: [{program: w, command: sleep 1000}]}",
    );
    let state = host.path("state");
    give_only(&state);
    host.run(&["apply", "--yes"]).ended(1).complains("state belongs to nobody");
    lchown(&state, Some(daemon.uid), Some(users::find("nobody").unwrap().unwrap().gid)).unwrap();
    mode(&state, 0o775);
    let words = "state may be written by other users (mode 0775)\nhint: it and every folder above it \
                 must belong to root or daemon, and";
    host.run(&["apply", "--yes"]).ended(1).complains(words);
    lchown(&state, None, Some(daemon.gid)).unwrap();
    host.run(&["apply", "--yes"]).ended(0);
    mode(&state, 0o777);
    host.run(&["plan"]).ended(1).complains("state may be written by other users (mode 0777)");
}
