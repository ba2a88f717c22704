//! The planner, a hundred ways: a host as one inventory made it, changed by hand or by another
//! inventory, and the plan as a person reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::{
    FileChange, GroupAction, Intent, Override, PlanOptions, PlanView, Refusal, Running, SitePlan,
    Situation, StopSignals, note_others, plan_site,
};
use crate::actual::{ActualDaemon, ActualSite, DefinedProgram, MissingCode};
use crate::desired::{DaemonFacts, DesiredGroup, DesiredSite, render};
use crate::inventory::{
    CommandLine, Domain, EnvironmentName, EnvironmentValue, Format, Instances, Paths, Program,
    ProgramName, Programs, RestartPolicy, Run, Signal, Site, UserName,
};
use crate::records::journal::{JournaledFile, PathContent};
use crate::records::{Interrupted, Journal, JournalPhase, Origin, Revision};
use crate::report::{Colour, FileDetail};
use crate::supervisord::{Blame, Culprit, Fault, FaultCode, ProcessInfo, ProcessState, Reload};
use crate::system::files::{Entry, FileContent};

/// A host with one site on it, and what is wanted of it.
struct Model {
    /// What is wanted.
    site: Site,
    daemon: ActualDaemon,
    actual: ActualSite,
    options: PlanOptions,
}

impl Model {
    /// A host that is exactly as this site wants it.
    fn of(programs: Vec<Program>) -> Self {
        let site = site(programs);
        let mut model = Self::empty(site.clone());
        let desired = desired(&site);
        model.actual.record = Some(Revision::new(1, &desired, origin()));
        for (path, file) in &desired.files {
            model.actual.owned.insert(path.clone());
            model.actual.kinds.insert(path.clone(), file.kind);
            let mode = if file.secret { 0o600 } else { 0o644 };
            model.actual.files.insert(path.clone(), entry(&file.bytes, mode));
        }
        for (name, group) in &desired.groups {
            let state = if group.autostart { ProcessState::Running } else { ProcessState::Stopped };
            let processes = process_names(name, group);
            let processes = processes.iter().map(|process| info(name, process, state));
            model.daemon.groups.insert(name.clone(), processes.collect());
        }
        model
    }

    /// A host without the site.
    fn empty(site: Site) -> Self {
        let daemon = ActualDaemon {
            version: "4.2.5".to_owned(),
            reads_private_files: true,
            reread: Ok(Reload::default()),
            groups: BTreeMap::new(),
            include_patterns: vec!["/etc/supervisor/conf.d/*.conf".to_owned()],
            ..ActualDaemon::default()
        };
        Self { site, daemon, actual: ActualSite::default(), options: PlanOptions::default() }
    }

    fn wants(mut self, programs: Vec<Program>) -> Self {
        self.site.programs = programs;
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Each process of a group gets this state.
    fn state(&mut self, group: &str, state: ProcessState) {
        for process in self.daemon.groups.get_mut(group).unwrap() {
            process.state = state;
        }
    }

    fn bytes(&mut self, program: &str, change: impl FnOnce(&mut String)) {
        let Some(Entry::File(file)) = self.actual.files.get_mut(&conf(program)) else {
            panic!("no file of {program}")
        };
        let mut text = String::from_utf8(file.bytes.to_vec()).unwrap();
        change(&mut text);
        file.bytes = text.into();
    }

    /// An apply to these programs was killed in this phase.
    fn killed(&mut self, phase: JournalPhase, programs: Vec<Program>) {
        let target = desired(&site(programs));
        let mut journal = Journal::new(domain(), origin());
        let running = self.daemon.groups.iter();
        journal.ran = running
            .map(|(group, processes)| {
                (group.clone(), processes.iter().map(|p| p.name.clone()).collect())
            })
            .collect();
        let groups = self.daemon.groups.keys().chain(target.groups.keys());
        journal.groups = groups.map(|group| (group.clone(), 10)).collect();
        let before = |path: &PathBuf| match self.actual.files.get(path) {
            Some(Entry::File(file)) => PathContent::File(file.clone()),
            _ => PathContent::Absent,
        };
        journal.files = self
            .actual
            .files
            .keys()
            .map(|path| JournaledFile {
                path: path.clone(),
                before: before(path),
                after: PathContent::Absent,
            })
            .collect();
        journal.target = Some(Revision::new(0, &target, origin()));
        match phase {
            JournalPhase::Groups => {
                self.actual.record.clone_from(&journal.target);
                let files = target.files.iter();
                self.actual.files =
                    files.map(|(path, file)| (path.clone(), entry(&file.bytes, 0o644))).collect();
                self.actual.owned = target.files.keys().cloned().collect();
                self.actual.interrupted.finished = Some(journal);
            }
            phase => {
                let finished = (phase == JournalPhase::Undo).then(|| Journal {
                    target: None,
                    files: Vec::new(),
                    ..journal.clone()
                });
                self.actual.interrupted =
                    Interrupted { undone_first: Some((phase, journal)), finished };
            }
        }
        self.actual.former_groups = self.actual.interrupted.group_names();
    }

    fn plan(&self) -> SitePlan {
        let Self { site, daemon, actual, options } = self;
        let (programs, desired) = (&Programs::All, &desired(site));
        let mut plan =
            plan_site(&Situation { site, programs, desired, daemon, actual }, options).plan;
        note_others([&mut plan], daemon);
        plan
    }

    fn text(&self) -> String {
        let plan = PlanView::of(&self.plan(), b"");
        format!("{}  = {}\n", plan.text(FileDetail::Counted, Colour::Plain), plan.summary())
    }
}

fn site(programs: Vec<Program>) -> Site {
    Site {
        domain: domain(),
        user: UserName::parse("deployer").unwrap(),
        format: Format::Classic,
        config_files: Default::default(),
        config_suffix: Default::default(),
        configs: Vec::new(),
        groups: Vec::new(),
        paths: Paths::default(),
        programs,
    }
}

fn domain() -> Domain {
    Domain::parse("a.com").unwrap()
}

fn desired(site: &Site) -> DesiredSite {
    render(site, &DaemonFacts::default()).unwrap()
}

fn origin() -> Origin {
    Origin {
        user: "deployer".to_owned(),
        pid: 42,
        purpose: "apply".to_owned(),
        at: "2026-01-02T03:04:05Z".parse().unwrap(),
        run: None,
    }
}

fn entry(bytes: &[u8], mode: u32) -> Entry {
    Entry::File(FileContent { bytes: bytes.into(), mode, owner: Some((0, 0)) })
}

fn info(group: &str, name: &str, state: ProcessState) -> ProcessInfo {
    let started = state != ProcessState::Stopped;
    ProcessInfo {
        group: group.to_owned(),
        name: name.to_owned(),
        state,
        pid: if started { 100 } else { 0 },
        start: i64::from(started) * 1_700_000_000,
        stop: 0,
        now: 1_700_000_100,
        exitstatus: 0,
        spawnerr: String::new(),
    }
}

fn process_names(group: &str, desired: &DesiredGroup) -> Vec<String> {
    match desired.numprocs {
        1 => vec![group.to_owned()],
        n => (0..n).map(|number| format!("{group}_{number:02}")).collect(),
    }
}

fn conf(program: &str) -> PathBuf {
    PathBuf::from(format!("/etc/supervisor/conf.d/a.com-{program}.conf"))
}

fn program(name: &str) -> Program {
    let run = Run::Command(CommandLine::parse("/bin/work").unwrap());
    Program { stopwaitsecs: 60, ..Program::new(ProgramName::parse(name).unwrap(), run) }
}

fn scaled(name: &str, numprocs: u32) -> Program {
    Program { numprocs, ..program(name) }
}

fn secret(name: &str, value: &str) -> Program {
    let variable = EnvironmentName::parse("TOKEN").unwrap();
    let environment = BTreeMap::from([(variable, EnvironmentValue::parse(value).unwrap())]);
    Program { environment, ..program(name) }
}

fn deferred(numprocs: u32) -> Program {
    Program { restart: RestartPolicy::Deferred, ..scaled("w", numprocs) }
}

#[test]
fn a_new_site() {
    let model =
        Model::empty(site(vec![program("w"), Program { autostart: false, ..program("idle") }]))
            .with(|model| model.actual.missing_log_folders.push("/var/log/supervisor".into()));
    insta::assert_snapshot!(model.text(), @r"
    + idle  add, not started (autostart=false): new, /bin/work
    + w     start: new, /bin/work
    + folder /var/log/supervisor/
    files: 4 new (--diff shows them)
    = 1 starts, 1 is taken up but not started
    ");
}

#[test]
fn nothing_to_do() {
    let model = Model::of(vec![program("w"), scaled("x", 3)]);
    assert!(model.plan().is_empty());
    insta::assert_snapshot!(model.text(), @r"
      2 unchanged
    = nothing to do, 2 unchanged
    ");
}

#[test]
fn another_number_of_processes() {
    let model = Model::of(vec![scaled("w", 2)]).wants(vec![scaled("w", 4)]);
    insta::assert_snapshot!(model.text(), @r"
    ~ w  restart: numprocs 2 -> 4 (2 processes, up to 60 s to stop)
    files: 1 changed (--diff shows them)
    = 1 restarts (up to 60 s)
    ");
}

#[test]
fn one_more_separate_instance_restarts_none() {
    let separate = |n| Program { instances: Instances::Separate, ..scaled("w", n) };
    let plan = Model::of(vec![separate(2)]).wants(vec![separate(3)]).plan();
    let changed: Vec<&String> = plan.groups.keys().collect();
    assert_eq!(changed, ["a.com-w_02"]);
    assert_eq!(plan.groups["a.com-w_02"].action, GroupAction::Add { start: false });
}

#[test]
fn a_changed_environment_shows_no_value() {
    let model = Model::of(vec![secret("w", "hunter2")]).wants(vec![secret("w", "hunter3")]);
    assert!(!model.text().contains("hunter"));
    insta::assert_snapshot!(model.text(), @r"
    ~ w  restart: environment (up to 60 s to stop)
    files: 1 changed (--diff shows them)
    = 1 restarts (up to 60 s)
    ");
}

#[test]
fn one_program_replaces_another() {
    let model =
        Model::of(vec![program("gone"), program("w")]).wants(vec![program("w"), program("new")]);
    insta::assert_snapshot!(model.text(), @r"
    - gone  stop and remove: not in the inventory (up to 60 s to stop)
    + new   start: new, /bin/work
      1 unchanged
    files: 2 new, 2 removed (--diff shows them)
    = 1 starts, 1 stops (up to 60 s), 1 unchanged
    ");
}

#[test]
fn a_file_edited_by_hand() {
    let model = Model::of(vec![program("w")]).with(|model| {
        model.bytes("w", |text| *text = text.replace("stopwaitsecs=60", "stopwaitsecs=90"));
        model.daemon.reread = Ok(Reload { changed: vec!["a.com-w".into()], ..Reload::default() });
    });
    insta::assert_snapshot!(model.text(), @r"
    ~ w  restart: stopwaitsecs 90 -> 60 (up to 90 s to stop)
    files: 1 changed (--diff shows them)
    = 1 restarts (up to 90 s)
    ");
}

#[test]
fn writable_file_gets_its_mode_back() {
    let model = Model::of(vec![program("w")]).with(|model| {
        let Some(Entry::File(file)) = model.actual.files.get_mut(&conf("w")) else { panic!() };
        file.mode = 0o666;
    });
    insta::assert_snapshot!(model.text(), @r"
      1 unchanged
    ~ file /etc/supervisor/conf.d/a.com-w.conf: permissions only
    = 1 file changes, 1 unchanged
    ");
}

#[test]
fn a_file_that_is_another_users() {
    let mut model = Model::of(vec![program("w")]).with(|model| {
        model.actual.writes_as_root = true;
        for entry in model.actual.files.values_mut() {
            let Entry::File(file) = entry else { panic!() };
            file.owner = Some((1000, 1000));
        }
    });
    insta::assert_snapshot!(model.text(), @r"
      1 unchanged
    ~ file /etc/logrotate.d/supervisor-a.com-w.conf: becomes root's, logrotate ignores another user's
    ~ file /etc/supervisor/conf.d/a.com-w.conf: becomes root's, another user could change what it runs
    = 2 files change, 1 unchanged
    ");
    // That user's own supervisord reads it.
    model.daemon.reads_private_files = false;
    insta::assert_snapshot!(model.text(), @r"
      1 unchanged
    ~ file /etc/logrotate.d/supervisor-a.com-w.conf: becomes root's, logrotate ignores another user's
    = 1 file changes, 1 unchanged
    ");
    model.actual.writes_as_root = false;
    assert!(model.plan().is_empty());
}

#[test]
fn newer_or_unloaded_file_changes_group() {
    let model = Model::of(vec![program("w"), program("x")]).with(|model| {
        model.daemon.groups.remove("a.com-x");
        let (changed, added) = (vec!["a.com-w".into()], vec!["a.com-x".into()]);
        model.daemon.reread = Ok(Reload { changed, added, ..Reload::default() });
    });
    insta::assert_snapshot!(model.text(), @r"
    ~ w  restart: its file is newer than what runs (up to 60 s to stop)
    + x  start: its file is there but supervisord had not loaded it
    = 1 starts, 1 restarts (up to 60 s)
    ");
}

#[test]
fn hosts_text_commands_no_terminal() {
    let mut view = PlanView::of(&Model::of(vec![program("w")]).plan(), b"");
    view.interrupted = Some("apply by \u{1b}]0;x\u{7}".to_owned());
    view.folders = vec!["/a\u{1b}[2J".into()];
    view.warnings = vec!["one\ntwo\r\u{9b}2J".to_owned()];
    view.notes = vec!["\u{1b}[31mred\u{8}".to_owned()];
    let text = view.text(FileDetail::Diffs, Colour::Plain);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    assert!(text.contains("one\n      two"), "{text:?}");
}

#[test]
fn stopped_by_hand_stays_stopped() {
    let mut model = Model::of(vec![program("whole"), scaled("part", 2)]);
    model.state("a.com-whole", ProcessState::Stopped);
    for group in ["a.com-whole", "a.com-part"] {
        let process = &mut model.daemon.groups.get_mut(group).unwrap()[0];
        (process.state, process.start) = (ProcessState::Stopped, 1);
    }
    let model = model.wants(vec![
        Program { stopwaitsecs: 61, ..program("whole") },
        Program { stopwaitsecs: 61, ..scaled("part", 2) },
    ]);
    let plan = model.plan();
    assert_eq!(plan.stopped["a.com-part"], ["a.com-part_00"]);
    assert_eq!(plan.ran["a.com-part"], ["a.com-part_01"]);
    insta::assert_snapshot!(model.text(), @r"
    ~ part   restart: stopwaitsecs 60 -> 61 (up to 61 s to stop)
        a.com-part:a.com-part_00 stays stopped, as it was by hand
    = whole  leave as it is: it was stopped by hand; `supervisor-sync start` runs it with its new configuration (stopwaitsecs 60 -> 61)
    files: 2 changed (--diff shows them)
    = 1 restarts (up to 61 s), 1 is left as it is
    ");
}

#[test]
fn running_without_autostart_starts_again() {
    let idle = |stopwaitsecs| Program { autostart: false, stopwaitsecs, ..program("w") };
    let mut model = Model::of(vec![idle(60)]);
    model.state("a.com-w", ProcessState::Running);
    let plan = model.wants(vec![idle(61)]).plan();
    assert_eq!(plan.groups["a.com-w"].action, GroupAction::Replace { start: true });
}

#[test]
fn a_deferred_restart() {
    let model = Model::of(vec![deferred(1)]).wants(vec![deferred(2)]);
    insta::assert_snapshot!(model.text(), @r"
    = w  leave as it is: restarts are deferred; its next restart takes the change up (numprocs 1 -> 2)
    files: 1 changed (--diff shows them)
    = 1 is left as it is
    ");
}

#[test]
fn a_restart_is_asked_for() {
    let model = Model::of(vec![program("same"), program("changed"), program("stopped")])
        .wants(vec![program("same"), scaled("changed", 2), program("stopped")])
        .with(|model| {
            model.options = PlanOptions::apply(Running::RestartAll);
            model.state("a.com-stopped", ProcessState::Stopped);
        });
    let plan = model.plan();
    // Should supervisord see no difference, it restarts all the same.
    let processes = vec!["a.com-changed".to_owned()];
    assert_eq!(plan.unseen["a.com-changed"], GroupAction::Restart { processes });
    insta::assert_snapshot!(model.text(), @r"
    ~ changed  restart: numprocs 1 -> 2 (up to 60 s to stop)
    ~ same     restart: as asked (up to 60 s to stop)
    = stopped  leave as it is: it was stopped by hand; `supervisor-sync start` runs it with its new configuration
    files: 1 changed (--diff shows them)
    = 2 restart (up to 60 s), 1 is left as it is
    ");
}

/// A restart leaves who is just being stopped and who was never started.
#[test]
fn restart_leaves_stopping_processes() {
    let idle = Program { autostart: false, ..program("idle") };
    let mut model = Model::of(vec![scaled("w", 2), idle]);
    model.options = PlanOptions::apply(Running::RestartAll);
    model.daemon.groups.get_mut("a.com-w").unwrap()[0].state = ProcessState::Stopping;
    let restarts = |model: &Model| match &model.plan().groups["a.com-w"].action {
        GroupAction::Restart { processes } => processes.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(restarts(&model), ["a.com-w_01"]);
    assert_eq!(model.plan().groups.get("a.com-idle"), None);
    model.daemon.groups.get_mut("a.com-w").unwrap()[0].state = ProcessState::Stopped;
    assert_eq!(restarts(&model), ["a.com-w_01"]);
    model.options.start_stopped = true;
    assert_eq!(restarts(&model), ["a.com-w_00", "a.com-w_01"]);
}

/// Of two programs of which one's name is the other's with a number.
#[test]
fn a_namesake_is_nobodys_predecessor() {
    let idle = Program { autostart: false, ..program("w") };
    let mut model = Model::of(vec![program("w_00")]).wants(vec![idle]);
    for record in [true, false] {
        if !record {
            model.actual.record = None;
        }
        let change = model.plan().groups["a.com-w"].clone();
        assert_eq!((change.action, change.after), (GroupAction::Add { start: false }, vec![]));
    }
    // But a program that is regrouped is its own.
    let apart = |instances| Program { instances, autostart: false, ..scaled("w", 2) };
    let mut model = Model::of(vec![apart(Instances::Separate)]);
    model.state("a.com-w_01", ProcessState::Running);
    let mut model = model.wants(vec![apart(Instances::Together)]);
    for record in [true, false] {
        if !record {
            model.actual.record = None;
        }
        let change = model.plan().groups["a.com-w"].clone();
        assert_eq!(change.action, GroupAction::Add { start: true });
        assert_eq!(change.after, ["a.com-w_00", "a.com-w_01"]);
    }
}

#[test]
fn interrupted_while_files_were_swapped() {
    let model = Model::of(vec![program("w")]).with(|model| {
        model.killed(JournalPhase::Files, vec![scaled("w", 2)]);
    });
    insta::assert_snapshot!(model.text(), @r"
    ! an apply that never ended, `apply` of user deployer (pid 42, since 2026-01-02T03:04:05Z): the next apply undoes it first
      1 unchanged
    = 1 interrupted apply is cleaned up, 1 unchanged
    ");
}

#[test]
fn interrupted_while_processes_were_updated() {
    let model = Model::of(vec![program("w"), program("gone"), program("x")])
        .with(|model| {
            model.killed(JournalPhase::Groups, vec![scaled("w", 2), program("x"), program("new")]);
            // It had come so far: one stopped, one taken out, one about to stop for good.
            model.state("a.com-x", ProcessState::Stopped);
            model.daemon.groups.remove("a.com-w");
            model.daemon.reread = Ok(Reload {
                added: vec!["a.com-new".into(), "a.com-w".into()],
                removed: vec!["a.com-gone".into()],
                ..Reload::default()
            });
        })
        .wants(vec![scaled("w", 2), program("x"), program("new")]);
    insta::assert_snapshot!(model.text(), @r"
    ! an apply that never ended, `apply` of user deployer (pid 42, since 2026-01-02T03:04:05Z): the next apply finishes it
    - gone  stop and remove: not in the inventory (up to 10 s to stop)
    + new   start: its file is there but supervisord had not loaded it
    + w     start: its file is there but supervisord had not loaded it (2 processes)
    + x     start: an interrupted apply had stopped it
    = 3 start, 1 stops (up to 10 s), 1 interrupted apply is cleaned up
    ");
}

#[test]
fn interrupted_in_an_undo() {
    let model = Model::of(vec![program("w")]).with(|model| {
        model.killed(JournalPhase::Undo, vec![program("w"), program("added")]);
        model.daemon.groups.insert(
            "a.com-added".to_owned(),
            vec![info("a.com-added", "a.com-added", ProcessState::Running)],
        );
        model.state("a.com-w", ProcessState::Stopped);
    });
    insta::assert_snapshot!(model.text(), @r"
    ! an apply that never ended, `apply` of user deployer (pid 42, since 2026-01-02T03:04:05Z): the next apply undoes it first
    - added  stop and remove: not in the inventory (up to 10 s to stop)
    + w      start: an interrupted apply had stopped it
    = 1 starts, 1 stops (up to 10 s), 1 interrupted apply is cleaned up
    ");
}

/// What exited by itself since an interruption is not started.
#[test]
fn process_exited_after_interruption_stays_down() {
    let model = Model::of(vec![program("once"), program("w")]).with(|model| {
        model.killed(JournalPhase::Groups, vec![program("once"), program("w")]);
        model.state("a.com-once", ProcessState::Exited);
        model.state("a.com-w", ProcessState::Stopped);
    });
    let plan = model.plan();
    let acting: Vec<&String> = plan.groups.keys().collect();
    assert_eq!(acting, ["a.com-w"]);
}

#[test]
fn files_that_are_not_the_sites() {
    let model = Model::empty(site(vec![program("w"), program("x")])).with(|model| {
        for name in ["w", "x"] {
            model.actual.files.insert(conf(name), entry(b"[program:z]\n", 0o644));
        }
        model.actual.in_the_way.insert(conf("w"), "holds the program z".to_owned());
        model.actual.claimed.insert(conf("x"), Domain::parse("a").unwrap());
        let foreign = conf("theirs");
        model.actual.foreign.insert(foreign, "runs in /srv, not in /home".to_owned());
    });
    insta::assert_snapshot!(model.text(), @r"
    + w  start: new, /bin/work
    + x  start: new, /bin/work
    files: 2 new, 2 changed (--diff shows them)
    note: /etc/supervisor/conf.d/a.com-theirs.conf is left alone: runs in /srv, not in /home
    refused: /etc/supervisor/conf.d/a.com-x.conf belongs to site a
      hint: two sites cannot share a file: rename the program of one of them
    refused: /etc/supervisor/conf.d/a.com-w.conf is not this site's own: holds the program z
      hint: look at it: cat /etc/supervisor/conf.d/a.com-w.conf; to replace it: --allow foreign-file
    = 2 start, 1 site refused
    ");
    let mut model = model;
    model.options.overrides.push(Override::ForeignFile);
    let refusals = model.plan().refusals;
    assert!(matches!(refusals.as_slice(), [Refusal::ClaimedBySite { .. }]), "{refusals:?}");
}

#[test]
fn everything_else_that_refuses() {
    let model = Model::empty(site(vec![secret("w", "x")])).with(|model| {
        model.daemon.version = "3.3.1".to_owned();
        model.daemon.reads_private_files = false;
        model.daemon.include_patterns.clear();
        model.daemon.defined.push(DefinedProgram {
            group: "a.com-w".to_owned(),
            file: "/etc/supervisor/conf.d/other.conf".into(),
            logs: Vec::new(),
            stop_seconds: Some(10),
            programs: Vec::new(),
        });
        model.actual.missing_folders.push("/etc/logrotate.d".into());
        model
            .actual
            .missing_users
            .insert(UserName::parse("deployer").unwrap(), vec!["w".to_owned()]);
        model.actual.missing_code.push(MissingCode {
            programs: vec!["w".to_owned()],
            path: "/bin/work".into(),
            problem: "does not exist".to_owned(),
        });
        let path = "/etc/logrotate.d/supervisor-a.com-w.conf";
        model.actual.files.insert(path.into(), Entry::Other("a folder"));
    });
    let text = model.text();
    let refused: Vec<&str> = text.lines().skip_while(|line| !line.contains("refused:")).collect();
    insta::assert_snapshot!(refused.join("\n"), @r"
    refused: supervisord 3.3.1 is too old: 4.0 is the oldest that works
      hint: upgrade it: apt install supervisor
    refused: folder /etc/logrotate.d does not exist
      hint: install supervisor and logrotate: apt install supervisor logrotate; or set paths if it is elsewhere than /etc/logrotate.d
    refused: /etc/logrotate.d/supervisor-a.com-w.conf is a folder
      hint: move it away: mv /etc/logrotate.d/supervisor-a.com-w.conf /etc/logrotate.d/supervisor-a.com-w.conf.old
    refused: /etc/supervisor/conf.d/a.com-w.conf holds environment values, and supervisord, which runs as another user, could not read it
      hint: run supervisord as root, or supervisor-sync as supervisord's user
    refused: program a.com-w is already defined in /etc/supervisor/conf.d/other.conf
      hint: rename the program, or remove it from /etc/supervisor/conf.d/other.conf
    refused: user deployer does not exist (wanted by w)
      hint: create it: useradd --create-home deployer; or set user: in the inventory
    refused: /bin/work does not exist (wanted by w)
      hint: deploy the site first; to apply all the same: --allow missing-code
    refused: supervisord's [include] does not read /etc/supervisor/conf.d/a.com-w.conf
      hint: add the folder to [include] files in supervisord's main config, or set paths.conf_dir (now /etc/supervisor/conf.d)
    = 1 starts, 1 site refused
    ");
}

fn broken_by(file: &Path) -> Fault {
    let text = format!("File contains no section headers.\nfile: '{}', line: 1", file.display());
    Fault::new(FaultCode::CantReread, &text)
}

fn blamed(file: &Path) -> Blame {
    Blame::Of(Culprit { file: file.to_owned(), line: Some(1), what: None })
}

#[test]
fn foreign_broken_configuration_is_refused() {
    let theirs = PathBuf::from("/etc/supervisor/conf.d/theirs.conf");
    let model = Model::of(vec![program("w")]).wants(vec![scaled("w", 2)]).with(|model| {
        model.daemon.included = vec![conf("w"), theirs.clone()];
        model.daemon.reread = Err(broken_by(&theirs));
        model.daemon.blame = Some(blamed(&theirs));
    });
    let refusals = model.plan().refusals;
    insta::assert_snapshot!(format!("{}\nHint: {}", refusals[0].message(), refusals[0].hint()), @r"
    supervisord's configuration is already broken by /etc/supervisor/conf.d/theirs.conf, line 1: CANT_REREAD: File contains no section headers. file: '/etc/supervisor/conf.d/theirs.conf', line: 1
    Hint: repair or move away /etc/supervisor/conf.d/theirs.conf, then try again
    ");
}

#[test]
fn own_broken_configuration_is_mended() {
    let mut model = Model::of(vec![program("w")]).with(|model| {
        model.daemon.included = vec![conf("w")];
        model.daemon.reread = Err(broken_by(&conf("w")));
        model.daemon.blame = Some(blamed(&conf("w")));
        model.bytes("w", |text| *text = "nonsense\n".to_owned());
    });
    assert_eq!(model.plan().refusals, []);
    // The same when it is an interrupted apply that wrote it, of whichever site.
    model
        .actual
        .files
        .insert(conf("w"), entry(&desired(&model.site).files[&conf("w")].bytes, 0o644));
    assert!(matches!(model.plan().refusals.as_slice(), [Refusal::BrokenConfig { .. }]));
    model.daemon.put_back_first.insert(conf("w"));
    assert_eq!(model.plan().refusals, []);
}

#[test]
fn missing_code_can_be_overridden() {
    let mut model = Model::of(vec![program("w")]).with(|model| {
        model.actual.missing_code.push(MissingCode {
            programs: vec!["w".to_owned()],
            path: "/bin/work".into(),
            problem: "does not exist".to_owned(),
        });
    });
    assert_eq!(model.plan().refusals.len(), 1);
    model.options.overrides.push(Override::MissingCode);
    assert_eq!((model.plan().refusals, model.plan().warnings), (vec![], vec![]));
    model.options.overrides.clear();
    model.options.missing_code_is_a_warning = true;
    assert_eq!(model.plan().refusals, []);
    assert_eq!(model.plan().warnings, ["/bin/work does not exist (wanted by w)"]);
}

#[test]
fn processes_alone() {
    let model = Model::of(vec![program("w"), program("gone")])
        .wants(vec![scaled("w", 2), program("new")])
        .with(|model| {
            model.options = PlanOptions::of(Intent::Restart);
        });
    assert!(model.plan().files.is_empty());
    insta::assert_snapshot!(model.text(), @r"
    = new  leave as it is: supervisord does not know it
    ~ w    restart: as asked (up to 60 s to stop)
    = 1 restarts (up to 60 s), 1 is left as it is
    ");
}

#[test]
fn foreign_pending_changes_stay_pending() {
    let model = Model::of(vec![program("w")]).with(|model| {
        model.daemon.reread = Ok(Reload {
            added: vec!["theirs".into()],
            changed: vec!["other".into()],
            removed: vec!["old".into()],
        });
    });
    assert!(model.plan().is_empty());
    insta::assert_snapshot!(model.text(), @r"
      1 unchanged
    note: pending changes of others stay pending: theirs added
    note: pending changes of others stay pending: other changed
    note: pending changes of others stay pending: old removed
    = nothing to do, 1 unchanged
    ");
}

/// A program that is defined elsewhere now is not removed.
#[test]
fn program_defined_elsewhere_is_kept() {
    let model = Model::of(vec![program("w"), program("moved")]).wants(vec![program("w")]);
    let moved = |model: &Model| model.plan().groups.contains_key("a.com-moved");
    assert!(moved(&model));
    let model = model.with(|model| {
        model.daemon.defined.push(DefinedProgram {
            group: "a.com-moved".to_owned(),
            file: "/etc/supervisor/conf.d/theirs.conf".into(),
            logs: Vec::new(),
            stop_seconds: Some(10),
            programs: Vec::new(),
        });
    });
    assert!(!moved(&model));
}

fn any_program() -> impl Strategy<Value = Program> {
    let numbers = (0..6_usize, 1..4_u32, 1..4_u32);
    (numbers, any::<bool>(), any::<bool>(), proptest::option::of("[a-z]{1,5}")).prop_map(
        |((name, numprocs, stopwaitsecs), autostart, separate, value)| {
            let instances = if separate { Instances::Separate } else { Instances::Together };
            let name = ["a", "b", "c", "d", "e", "f"][name];
            let base = value.map_or_else(|| program(name), |value| secret(name, &value));
            Program { numprocs, stopwaitsecs, autostart, instances, ..base }
        },
    )
}

fn any_programs() -> impl Strategy<Value = Vec<Program>> {
    proptest::collection::vec(any_program(), 0..6).prop_map(|programs| {
        let mut names = BTreeSet::new();
        programs.into_iter().filter(|one| names.insert(one.name.to_string())).collect()
    })
}

/// Files as they are after these changes, and the record as an apply leaves it.
fn carried_out(model: &mut Model, changes: &BTreeMap<PathBuf, FileChange>) {
    for (path, change) in changes {
        match &change.after {
            Some(file) => {
                let mode = if file.secret { 0o600 } else { 0o644 };
                model.actual.files.insert(path.clone(), entry(&file.bytes, mode));
                model.actual.kinds.insert(path.clone(), file.kind);
                model.actual.owned.insert(path.clone());
            }
            None => {
                model.actual.files.remove(path);
                model.actual.owned.remove(path);
            }
        }
    }
    model.actual.record = Some(Revision::new(2, &desired(&model.site), origin()));
}

proptest! {
    #[test]
    fn what_is_as_wanted_needs_nothing(programs in any_programs()) {
        let plan = Model::of(programs).plan();
        prop_assert!(plan.is_empty(), "{plan:?}");
        prop_assert!(plan.refusals.is_empty() && plan.notes.is_empty());
    }

    #[test]
    fn files_change_once(before in any_programs(), after in any_programs()) {
        let mut model = Model::of(before).wants(after);
        let changes = model.plan().files;
        carried_out(&mut model, &changes);
        prop_assert_eq!(model.plan().files, BTreeMap::new());
    }

    #[test]
    fn only_owned_or_wanted_changes(before in any_programs(), after in any_programs()) {
        let mut model = Model::of(before).wants(after);
        model.actual.files.insert(conf("foreign"), entry(b"theirs", 0o666));
        model.daemon.groups.insert("a.com-foreign".into(), vec![
            info("a.com-foreign", "a.com-foreign", ProcessState::Running),
        ]);
        let (plan, desired) = (model.plan(), desired(&model.site));
        for path in plan.files.keys() {
            prop_assert!(model.actual.owned.contains(path) || desired.files.contains_key(path));
        }
        let record = model.actual.record.clone().unwrap();
        for group in plan.groups.keys() {
            prop_assert!(record.groups.contains_key(group) || desired.groups.contains_key(group));
        }
    }

    #[test]
    fn fingerprint_covers_what_is_done(before in any_programs(), after in any_programs()) {
        let mut model = Model::of(before).wants(after);
        let fingerprint = |model: &Model| PlanView::of(&model.plan(), b"").fingerprint;
        let first = fingerprint(&model);
        model.site.programs.reverse();
        prop_assert_eq!(&fingerprint(&model), &first);
        // Notes and warnings may come and go between showing and applying.
        model.daemon.reread = Ok(Reload { added: vec!["other".into()], ..Reload::default() });
        model.actual.foreign.insert(conf("foreign"), "theirs".to_owned());
        model.daemon.version = "4.2.1".to_owned();
        prop_assert_eq!(&fingerprint(&model), &first);
        model.site.programs.push(program("one-more"));
        prop_assert_ne!(&fingerprint(&model), &first);
    }

    #[test]
    fn processes_alone_change_no_file(before in any_programs(), after in any_programs()) {
        let mut model = Model::of(before).wants(after);
        model.options = PlanOptions::of(Intent::Restart);
        let plan = model.plan();
        prop_assert!(plan.files.is_empty() && plan.folders.is_empty());
        let removes = |change: &super::GroupChange| change.action == GroupAction::Remove;
        prop_assert!(!plan.groups.values().any(removes));
    }
}

/// What supervisord has loaded is what the file said; where it has not loaded that, nobody knows.
#[test]
fn stop_signal_comes_from_loaded_file() {
    let with = |signal: Signal| {
        let mut program = program("w");
        program.supervisord.set("stopsignal", signal.as_str());
        program
    };
    let model = Model::of(vec![with(Signal::Quit)]).wants(vec![with(Signal::Usr1)]);
    let signals = |model: &Model| {
        let StopSignals { loaded, former, new } = model.plan().groups["a.com-w"].stop_signals;
        [loaded, former, new].map(|signal| signal.map(|signal| signal.signal))
    };
    assert_eq!(signals(&model), [Some(Signal::Quit), Some(Signal::Quit), Some(Signal::Usr1)]);
    let model = model.with(|model| {
        let changed = vec!["a.com-w".to_owned()];
        model.daemon.reread = Ok(Reload { changed, ..Reload::default() });
    });
    assert_eq!(signals(&model), [None, Some(Signal::Quit), Some(Signal::Usr1)]);
}

/// What is of others is told once, and what is of another plan not at all.
#[test]
fn shared_notes_are_told_once() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let reread = Ok(Reload { added: names(&["theirs", "b.com-w"]), ..Reload::default() });
    let daemon = ActualDaemon { reread, ..ActualDaemon::default() };
    let note = "x is left alone: it is theirs".to_owned();
    let plan = |own: &str| SitePlan {
        own: BTreeSet::from([own.to_owned()]),
        notes: vec![note.clone()],
        ..SitePlan::without_changes(Domain::parse("a.com").unwrap())
    };
    let mut plans = [plan("a.com-w"), plan("b.com-w")];
    note_others(&mut plans, &daemon);
    let pending = "pending changes of others stay pending: theirs added".to_owned();
    assert_eq!(plans.map(|plan| plan.notes), [vec![note, pending], vec![]]);
}
