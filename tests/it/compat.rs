//! What outlives the process must stay readable: journals and revisions of every released version,
//! as they were written. A fixture is never changed; a new shape gets a version and files of its own.

#![expect(clippy::disallowed_methods, reason = "reads the fixtures")]
#![expect(clippy::unwrap_used, reason = "a check that fails fails the test")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use supervisor_sync::inventory::{Domain, Paths};
use supervisor_sync::records::journal::{JournaledFile, PathContent};
use supervisor_sync::records::{Interrupted, Journal, JournalPhase, Revision, StateDir};
use supervisor_sync::system::Disk;
use supervisor_sync::system::files::FileContent;

use crate::simulated::{Host, origin, program, with};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/v1").join(name)
}

/// A state folder with these fixtures as records of example.com.
fn state(records: &[(&str, &str)]) -> (tempfile::TempDir, StateDir, Domain) {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::new(&Paths::default(), folder.path());
    let site = Domain::parse("example.com").unwrap();
    state.prepare(&Disk, &site).unwrap();
    for (name, place) in records {
        let to = state.root().join("sites/example.com").join(place);
        std::fs::copy(fixture(name), &to).unwrap();
        std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    (folder, state, site)
}

/// The journal that the fixtures hold, with everything in it.
fn journal() -> Journal {
    let site = Domain::parse("example.com").unwrap();
    let by_group = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        [("example.com-worker".to_owned(), names)].into()
    };
    let file = |text: &str, mode| {
        let bytes = text.as_bytes().to_vec();
        PathContent::File(FileContent { bytes: bytes.into(), mode, owner: Some((0, 1000)) })
    };
    let changes = [
        ("new", PathContent::Absent, file("[program:new]\n", 0o644)),
        ("gone", file("[program:gone]\n", 0o600), PathContent::Absent),
        ("link", PathContent::Link("/srv/link.conf".into()), file("[program:link]\n", 0o644)),
    ];
    let mut journal = Journal::new(site, origin());
    journal.files = changes
        .into_iter()
        .map(|(name, before, after)| JournaledFile {
            path: format!("/etc/supervisor/conf.d/example.com-{name}.conf").into(),
            before,
            after,
        })
        .collect();
    journal.folders = vec!["/var/log/supervisor".into()];
    journal.ran = by_group(&["example.com-worker_00"]);
    journal.stopped = by_group(&["example.com-worker_01"]);
    journal.groups = [("example.com-worker".to_owned(), 3600)].into();
    journal.target = Some(Revision::new(0, &desired(), origin()));
    let former = Journal::new(journal.site.clone(), origin());
    journal.former = Some(Box::new(former));
    journal
}

/// With two programs, one with a secret and all that can be set of health.
fn desired() -> supervisor_sync::desired::DesiredSite {
    use supervisor_sync::desired::{DaemonFacts, render};
    use supervisor_sync::inventory::{EnvironmentName, EnvironmentValue, Probe, UserName};
    let worker = with(program("worker", "/bin/work"), |program| {
        let name = EnvironmentName::parse("TOKEN").unwrap();
        program.environment.insert(name, EnvironmentValue::parse("secret").unwrap());
        program.numprocs = 2;
        program.supervisord.set("exitcodes", "0,2");
        program.health.stable_for = Some(5);
        let url = "http://127.0.0.1:8080/health".to_owned();
        program.health.probe = Some(Probe::Http { url, timeout: 10 });
    });
    let mut site = Host::new().site(vec![worker, program("plain", "/bin/work")]);
    site.paths = Paths::default();
    site.user = UserName::parse("deployer").unwrap();
    let mut desired = render(&site, &DaemonFacts::default()).unwrap();
    // These did not say it.
    desired.files.values_mut().for_each(|file| file.programs.clear());
    desired
}

#[test]
fn a_journal_of_each_phase() {
    for (name, phase) in
        [("journal.files.json", JournalPhase::Files), ("journal.undo.json", JournalPhase::Undo)]
    {
        let (_folder, state, site) = state(&[(name, name)]);
        let read = state.interrupted(&Disk, &site).unwrap();
        assert_eq!(read.undone_first, Some((phase, journal())), "{name}");
        assert_eq!(read.finished.is_some(), phase == JournalPhase::Undo);
    }
    let name = "journal.groups.json";
    let (_folder, state, site) = state(&[(name, name)]);
    let read = state.interrupted(&Disk, &site).unwrap();
    assert_eq!(read, Interrupted { undone_first: None, finished: Some(journal()) });
}

#[test]
fn a_revision_of_a_run() {
    use supervisor_sync::api::{Commit, Run, RunInventory};
    let (_folder, state, site) = state(&[("revision.run.json", "revisions/00000007.json")]);
    let revision = state.last_revision(&Disk, &site).unwrap().unwrap();
    let text = |text: &str| text.to_owned();
    let run = Run {
        id: "20260102-030400-4f3a".parse().unwrap(),
        user: text("ada"),
        host: text("desk"),
        command: text("apply"),
        at: "2026-01-02T03:04:00Z".parse().unwrap(),
        inventory: Some(RunInventory {
            name: Some(text("shop")),
            path: text("/home/ada/deployer.yml"),
        }),
        commit: Some(Commit {
            hash: text("0123456789abcdef0123456789abcdef01234567"),
            dirty: true,
        }),
        message: Some(text("more workers")),
        takes_back: Some("20260101-000000-0042".parse().unwrap()),
    };
    let origin = supervisor_sync::records::Origin { run: Some(Box::new(run)), ..origin() };
    assert_eq!(revision, Revision::new(7, &desired(), origin));
}

#[test]
fn a_revision() {
    let (_folder, state, site) = state(&[("revision.json", "revisions/00000007.json")]);
    let revision = state.last_revision(&Disk, &site).unwrap().unwrap();
    assert_eq!(revision, Revision::new(7, &desired(), origin()));
    assert_eq!(revision.as_desired(), desired());
}

/// The fixtures of the present version are what is written now: who changes the shape meets this
/// first, and reads above what to do. To write those of a new version: `UPDATE_COMPAT=1`.
#[test]
fn the_present_shape_has_its_fixtures() {
    let journal = serde_json::to_string_pretty(&journal()).unwrap();
    let revision = Revision::new(7, &desired(), origin());
    let revision = serde_json::to_string_pretty(&revision).unwrap();
    for (name, text) in [
        ("journal.files.json", &journal),
        ("journal.groups.json", &journal),
        ("journal.undo.json", &journal),
        ("revision.json", &revision),
    ] {
        if std::env::var_os("UPDATE_COMPAT").is_some() {
            std::fs::write(fixture(name), format!("{text}\n")).unwrap();
        }
        let written = std::fs::read_to_string(fixture(name)).unwrap();
        assert_eq!(written.trim_end(), text.as_str(), "{name}");
    }
}

/// A newer version is refused with a hint, and a damaged record by its path.
#[test]
fn newer_record_version_is_refused() {
    let (_folder, state, site) = state(&[]);
    let path = state.root().join("sites/example.com/journal.groups.json");
    for (text, message, hint) in [
        ("{\"version\": 2, \"what\": []}", "has version 2", "install the newer supervisor-sync"),
        ("{\"version\": 1", "is damaged", "move it away"),
        ("{\"version\": 1}", "is damaged", "move it away"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = state.interrupted(&Disk, &site).unwrap_err();
        assert!(error.message.contains(&path.display().to_string()), "{error}");
        assert!(error.message.contains(message), "{error}");
        assert!(error.hints.concat().contains(hint), "{error}");
    }
}
