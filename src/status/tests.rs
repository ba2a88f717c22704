//! Statuses of a site that is changed in one way each.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::*;
use crate::actual::{ActualDaemon, ActualSite};
use crate::apply::release::Former;
use crate::desired::{DaemonFacts, DesiredSite, render};
use crate::inventory::{
    Autorestart, CommandLine, Format, Paths, Program, ProgramName, Programs, Run, Site, UserName,
};
use crate::plan::{PlanOptions, Situation, plan_site};
use crate::records::{self, Journal, Origin, Revision};
use crate::report::{Colour, Detail};
use crate::supervisord::{Fault, FaultCode, ProcessInfo, Reload};
use crate::system::files::{Entry, FileContent};

const NOW: i64 = 1_700_000_000;

/// A host on which everything was applied and runs since an hour.
struct HostModel {
    desired: DesiredSite,
    daemon: ActualDaemon,
    actual: ActualSite,
    looks: RestartWatch,
    former: BTreeMap<i64, Former>,
}

fn program(name: &str) -> Program {
    let run = Run::Command(CommandLine::parse("sleep 1").unwrap());
    Program::new(ProgramName::parse(name).unwrap(), run)
}

fn site(programs: &[Program]) -> Site {
    Site {
        domain: Domain::parse("a.com").unwrap(),
        user: UserName::parse("deployer").unwrap(),
        format: Format::Hardened,
        config_files: Default::default(),
        config_suffix: Default::default(),
        configs: Vec::new(),
        groups: Vec::new(),
        paths: Paths::default(),
        programs: programs.to_vec(),
    }
}

fn desired(programs: &[Program]) -> DesiredSite {
    render(&site(programs), &DaemonFacts::default()).unwrap()
}

fn process(group: &str, name: &str, state: ProcessState) -> ProcessInfo {
    ProcessInfo {
        group: group.to_owned(),
        name: name.to_owned(),
        state,
        pid: if state == ProcessState::Running { 42 } else { 0 },
        start: NOW - 3600,
        stop: 0,
        now: NOW,
        exitstatus: 0,
        spawnerr: String::new(),
    }
}

impl HostModel {
    fn of(programs: &[Program]) -> Self {
        let desired = desired(programs);
        let origin = Origin {
            user: "me".into(),
            pid: 1,
            purpose: "apply".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            run: None,
        };
        let file = |bytes: &[u8]| {
            Entry::File(FileContent { bytes: bytes.into(), mode: 0o644, owner: None })
        };
        let actual = ActualSite {
            record: Some(Revision::new(1, &desired, origin)),
            files: desired.files.iter().map(|(p, f)| (p.clone(), file(&f.bytes))).collect(),
            kinds: desired.files.iter().map(|(p, f)| (p.clone(), f.kind)).collect(),
            owned: desired.files.keys().cloned().collect(),
            ..ActualSite::default()
        };
        let groups = desired
            .groups
            .keys()
            .map(|name| (name.clone(), vec![process(name, name, ProcessState::Running)]));
        let daemon = ActualDaemon {
            version: "4.2.5".into(),
            reads_private_files: true,
            reread: Ok(Reload::default()),
            groups: groups.collect(),
            include_patterns: vec!["/etc/supervisor/conf.d/*.conf".into()],
            ..ActualDaemon::default()
        };
        Self { desired, daemon, actual, looks: RestartWatch::default(), former: BTreeMap::new() }
    }

    /// Its only process, or the one of the group `a.com-{name}`.
    fn process(&mut self, name: &str) -> &mut ProcessInfo {
        self.daemon.groups.get_mut(&format!("a.com-{name}")).unwrap().first_mut().unwrap()
    }

    fn status(&self) -> SiteStatus {
        let Self { desired, daemon, actual, looks, former } = self;
        let (site, programs) = (&site(&[]), &Programs::All);
        let situation = Situation { site, programs, desired, daemon, actual };
        let plan = &plan_site(&situation, &PlanOptions::default()).plan;
        assemble(&Readings { programs, desired, daemon, actual, plan, looks, former })
    }

    /// What is odd about its one program: its drift, else why it is not healthy.
    fn oddity(&self) -> String {
        let status = self.status();
        let text = status.text(Detail::Summary, Colour::Plain);
        let odd: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("        ")).collect();
        assert_eq!(odd.is_empty(), status.is_fine(), "{text}");
        odd.join("; ")
    }
}

fn conf(name: &str) -> PathBuf {
    PathBuf::from(format!("/etc/supervisor/conf.d/a.com-{name}.conf"))
}

#[test]
fn states_are_compared_with_wanted() {
    use Autorestart::{Always, Never, Unexpected};
    use ProcessState::{Backoff, Exited, Fatal, Running, Starting, Stopped, Stopping, Unknown};
    for (autostart, autorestart, state, odd) in [
        (true, Always, Running, ""),
        (true, Always, Starting, ""),
        (true, Always, Stopping, "a.com-w is stopping"),
        (false, Always, Stopping, ""),
        (true, Always, Stopped, "a.com-w was stopped by hand"),
        (false, Always, Stopped, ""),
        (false, Always, Fatal, "a.com-w was given up by supervisord: no such command"),
        (true, Always, Backoff, "a.com-w does not come up, and is tried again: no such command"),
        (true, Always, Unknown, "a.com-w is in a state supervisord cannot tell: no such command"),
        // It is started again at once.
        (true, Always, Exited, ""),
        (true, Never, Exited, ""),
        (true, Unexpected, Exited, ""),
    ] {
        let mut host = HostModel::of(&[Program { autostart, autorestart, ..program("w") }]);
        let w = host.process("w");
        (w.state, w.spawnerr) = (state, "no such command".into());
        assert_eq!(host.oddity(), odd, "{autostart} {autorestart:?} {state:?}");
    }
    let mut host = HostModel::of(&[Program { autorestart: Never, ..program("w") }]);
    (host.process("w").state, host.process("w").exitstatus) = (Exited, 7);
    assert_eq!(host.oddity(), "a.com-w has ended with status 7");
    host.process("w").start = 0;
    host.process("w").state = Stopped;
    assert_eq!(host.oddity(), "a.com-w was never started");
}

/// A file is edited or not applied, depending on the last revision.
#[test]
fn edited_is_told_from_not_applied() {
    let edited = |host: &mut HostModel, bytes: &[u8], mode: u32| {
        let file = FileContent { bytes: bytes.into(), mode, owner: None };
        host.actual.files.insert(conf("w"), Entry::File(file));
    };
    let mut host = HostModel::of(&[program("w")]);
    edited(&mut host, b"[program:a.com-w]\n", 0o644);
    assert!(host.oddity().ends_with("a.com-w.conf was edited by hand since it was applied"));
    let bytes = host.desired.files[&conf("w")].bytes.clone();
    edited(&mut host, &bytes, 0o666);
    assert!(host.oddity().ends_with("a.com-w.conf can be read or written by others"));
    host.actual.files.insert(conf("w"), Entry::Absent);
    assert!(host.oddity().ends_with("a.com-w.conf was removed since it was applied"));

    let mut host = HostModel::of(&[program("w")]);
    host.desired = desired(&[Program { stopwaitsecs: 5, ..program("w") }]);
    assert!(
        host.oddity().ends_with("a.com-w.conf differs from the inventory; it was not applied yet")
    );
    host.actual.record = None;
    assert!(host.oddity().ends_with("it was not applied yet"), "nobody can say who edited it");

    // An apply that was killed has written it, and the inventory has changed again since.
    let mut host = HostModel::of(&[program("w")]);
    let written = desired(&[Program { stopwaitsecs: 5, ..program("w") }]);
    let record = host.actual.record.clone().unwrap();
    let mut journal = Journal::new(record.site.clone(), record.origin.clone());
    journal.target = Some(Revision::new(2, &written, record.origin.clone()));
    host.actual.interrupted.finished = Some(journal);
    edited(&mut host, &written.files[&conf("w")].bytes, 0o644);
    assert!(host.oddity().ends_with("it was not applied yet"), "{}", host.oddity());
}

#[test]
fn rollback_explains_unapplied_files() {
    let mut host = HostModel::of(&[program("w")]);
    host.desired = desired(&[Program { stopwaitsecs: 5, ..program("w") }]);
    let run = records::Run { user: "ann".into(), ..records::Run::begin("rollback to 1") };
    let at = run.at;
    host.actual.record.as_mut().unwrap().origin.run = Some(Box::new(run));
    let text = host.status().text(Detail::Summary, Colour::Plain);
    assert!(text.contains("a.com-w.conf differs from the inventory; it was rolled back\n"));
    let note = format!(
        "  note: as after `rollback to 1` by ann on {at:.0}; the inventory was not applied since\n"
    );
    assert!(text.contains(&note), "{text}");
    assert!(!text.contains("not applied yet"), "{text}");
}

#[test]
fn stopping_process_names_its_apply() {
    let mut host = HostModel::of(&[program("w")]);
    let origin = host.actual.record.clone().unwrap().origin;
    let mut journal = Journal::new(host.desired.domain.clone(), origin);
    journal.groups.insert("a.com-w".into(), 5);
    journal.ran.insert("a.com-w".into(), vec!["a.com-w".into()]);
    host.actual.interrupted.finished = Some(journal);
    host.process("w").state = ProcessState::Stopping;
    let text = host.status().text(Detail::Summary, Colour::Plain);
    assert!(text.contains("a.com-w was stopped by an apply that has not ended"), "{text}");
}

#[test]
fn unwanted_program_shows_its_remains() {
    let mut host = HostModel::of(&[program("w"), program("old")]);
    host.desired = desired(&[program("w")]);
    let status = host.status();
    let [old, w] = status.programs.as_slice() else { panic!("{status:?}") };
    assert_eq!((old.program.as_str(), old.wanted, old.numprocs), ("old", WantedState::Absent, 0));
    assert_eq!(old.drift.len(), 3, "two files and the process: {:?}", old.drift);
    assert!(w.is_fine() && !status.is_fine());
}

#[test]
fn loaded_groups_are_compared_with_files() {
    let reread = |change: fn(&mut Reload)| {
        let mut host = HostModel::of(&[program("w")]);
        change(host.daemon.reread.as_mut().unwrap());
        host.oddity()
    };
    assert_eq!(
        reread(|reload| reload.changed = vec!["a.com-w".into(), "of-others".into()]),
        "a.com-w has a file that is newer than what runs"
    );
    assert_eq!(
        reread(|reload| reload.removed = vec!["a.com-w".into()]),
        "a.com-w is loaded, but its file is gone"
    );
    assert_eq!(reread(|reload| reload.changed = vec!["of-others".into()]), "");
    let mut host = HostModel::of(&[Program { numprocs: 2, ..program("w") }]);
    assert_eq!(host.oddity(), "a.com-w is loaded with another number of processes");
    host.daemon.groups.clear();
    host.daemon.reread = Ok(Reload { added: vec!["a.com-w".into()], ..Reload::default() });
    assert_eq!(host.oddity(), "a.com-w is in a file, but supervisord has not loaded it");

    let mut host = HostModel::of(&[program("w")]);
    host.daemon.reread = Err(Fault::new(FaultCode::CantReread, "no\nway"));
    let status = host.status();
    assert!(!status.is_fine() && status.problems[0].ends_with("no way"), "{status:?}");
    assert_eq!(status.summary(), "1 program: all as wanted, but see above");
}

#[test]
fn former_release_is_drift() {
    let mut host = HostModel::of(&[program("w")]);
    let former = Former { folder: "/s/releases/1".into(), live: "/s/releases/2".into() };
    host.former.insert(42, former);
    assert_eq!(
        host.oddity(),
        "a.com-w runs in /s/releases/1, but the live release is /s/releases/2"
    );
    // A folder of any bytes still goes over the wire.
    let folder = Path::new(std::ffi::OsStr::from_bytes(b"/s/\xff")).to_owned();
    host.former.insert(42, Former { folder, live: "/s/releases/2".into() });
    assert!(serde_json::to_string(&host.status()).is_ok());
}

/// Only a start between two looks is a restart that was seen.
#[test]
fn restart_is_seen_between_looks() {
    let at = |start: i64, stop: i64, state| ProcessInfo {
        start: NOW + start,
        stop: if stop == 0 { 0 } else { NOW + stop },
        ..process("a.com-w", "a.com-w", state)
    };
    let first_look = |process: &ProcessInfo| {
        let mut looks = RestartWatch::default();
        looks.add([process]);
        looks.are_worth_another()
    };
    use ProcessState::{Exited, Running, Stopped};
    assert!(!first_look(&at(-5, 0, Running)), "its first start");
    assert!(first_look(&at(-5, -6, Running)), "it came up at once after its end");
    assert!(!first_look(&at(-5, -60, Running)), "somebody started it a minute after");
    assert!(!first_look(&at(-3600, -3601, Running)), "long ago");
    assert!(first_look(&at(-5, -1, Exited)));
    assert!(!first_look(&at(-5, -1, Stopped)));

    let mut host = HostModel::of(&[program("w")]);
    *host.process("w") = at(-5, -6, Running);
    host.looks.add([&at(-5, -6, Running)]);
    assert_eq!(host.oddity(), "");
    assert!(host.status().text(Detail::Summary, Colour::Plain).contains("started again 5 s ago"));
    host.looks.add([&at(-5, -6, Running)]);
    assert!(host.looks.are_worth_another());
    host.looks.add([&at(-2, -3, Running)]);
    assert!(!host.looks.are_worth_another(), "caught");
    assert_eq!(host.oddity(), "a.com-w is flapping: started again once while it was watched");
    host.looks.add([&at(0, -1, Running)]);
    assert!(host.oddity().contains("started again 2 times"));
}

#[test]
fn problems_come_first() {
    let mut all: Vec<Program> = (10..32).map(|n| program(&format!("p{n}"))).collect();
    all.push(Program { autostart: false, ..program("z") });
    let mut host = HostModel::of(&all);
    host.process("z").state = ProcessState::Fatal;
    host.process("z").pid = 0;
    host.process("p20").start = NOW - 90_000;
    host.process("p30").state = ProcessState::Stopped;
    host.process("p30").pid = 0;
    host.actual.foreign.insert(Path::new("/x").into(), "it is theirs".into());
    assert_eq!(
        host.status().text(Detail::Summary, Colour::Plain),
        "Site a.com\n  \
           ~ p30  STOPPED\n        \
                 a.com-p30 was stopped by hand\n  \
           ! z    FATAL\n        \
                 a.com-z was given up by supervisord\n    \
             21 more are fine (RUNNING x21; --all lists them)\n  \
           note: /x is not ours: it is theirs\n  \
           23 programs: 2 are not as wanted\n"
    );
    let text = host.status().text(Detail::All, Colour::Plain);
    assert!(text.contains("    p20  RUNNING  up 1 d 1 h  pid 42\n"), "{text}");
}

#[test]
fn a_status_survives_the_wire() {
    let mut host = HostModel::of(&[program("w")]);
    host.process("w").state = ProcessState::Backoff;
    host.former.insert(42, Former { folder: "/a".into(), live: "/b".into() });
    let status = host.status();
    let line = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<SiteStatus>(&line).unwrap(), status);
}
