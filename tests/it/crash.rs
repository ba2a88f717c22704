//! Promise: a `kill -9` at any point of an apply leaves a host that the next run puts right.
//!
//! The test runs itself again as the process that is killed: [`child`] applies to a real supervisord
//! through doors that send SIGKILL to their own process at one point. Then the real binary comes.

#![expect(clippy::disallowed_methods, reason = "runs itself again as the process that is killed")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a check that fails fails the test")]

mod several;
mod takeover;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Signal, getpid, kill_process};
use supervisor_sync::api::{AppliedSite, ApplyRequest, ChosenSite, Goal};
use supervisor_sync::apply::{ApplyOptions, Doors};
use supervisor_sync::desired::DaemonFacts;
use supervisor_sync::event::{Event, Step};
use supervisor_sync::host::Engine;
use supervisor_sync::inventory::{self, Site};
use supervisor_sync::plan::{Intent, PlanOptions};
use supervisor_sync::records::{Origin, StateDir};
use supervisor_sync::supervisord::{
    Answer, Call, CallError, Client, Fault, MainConfig, ProcessState, Supervisord,
};
use supervisor_sync::system::files::{Entry, FileContent, FileEnd, Files};
use supervisor_sync::system::{Disk, Interrupt, SystemClock};

use crate::daemon::reread;
use crate::simulated::origin;
use crate::site::{Host, Run};

/// Where the process dies, for the child: `step:swap`, `file:7`, `batch-before:3`.
const POINT: &str = "SUPERVISOR_SYNC_TEST_DIES_AT";
/// The inventory it applies.
const INVENTORY: &str = "SUPERVISOR_SYNC_TEST_INVENTORY";

/// Set where it gives its sites back instead.
const RELEASES: &str = "SUPERVISOR_SYNC_TEST_RELEASES";

/// The steps of an apply that succeeds, in their order: each is a point to die at.
const STEPS: [&str; 9] = [
    "journal",
    "write_supervisor",
    "write_logrotate",
    "swap",
    "remove_orphans",
    "reread",
    "update",
    "verify",
    "commit",
];

/// The steps up to which the files are undone by the next run.
const UNDONE: [&str; 6] =
    ["journal", "write_supervisor", "write_logrotate", "swap", "remove_orphans", "reread"];

/// Has no test of its own: it is the process that is killed.
#[test]
fn child() {
    let Ok(point) = std::env::var(POINT) else { return };
    let inventory = PathBuf::from(std::env::var(INVENTORY).unwrap());
    let text = std::fs::read_to_string(&inventory).unwrap();
    let inventory = inventory::read("deployer.yml", &text).unwrap();
    let sites: Vec<Site> = inventory.sites.into_iter().map(|placed| placed.site).collect();
    let (kind, at) = point.split_once(':').unwrap();
    let number = || at.parse::<usize>().unwrap();
    let step = if kind == "step" { at } else { "" };
    // At that step of this site, or of whichever comes first.
    let (step, of) = step.split_once('@').unwrap_or((step, ""));
    let undoing = Cell::new(kind != "undo");
    let files = DeadlyFiles {
        dies_at: matches!(kind, "file" | "undo").then(number),
        counts: &undoing,
        count: Cell::new(0),
    };
    let mut daemon = DeadlyDaemon {
        client: client(&sites[0]),
        dies_before: (kind == "batch-before").then(number),
        dies_after: (kind == "batch-after").then(number),
        count: 0,
    };
    let plan = match std::env::var(RELEASES) {
        Ok(_) => PlanOptions::of(Intent::Release),
        Err(_) => PlanOptions::default(),
    };
    let request = ApplyRequest { plan, ..request(&sites) };
    let applied = apply_as(&sites[0], &request, &files, &mut daemon, &mut |event| {
        let Event::Step { step: now, site } = event else { return };
        if step_name(&now) == step && (of.is_empty() || site.as_str() == of) {
            die();
        }
        if now == Step::Undo {
            undoing.set(true);
        }
    });
    assert!(applied.iter().all(|one| one.report.is_ok()), "{applied:?}");
}

pub(crate) fn client(site: &Site) -> Client {
    Client::connect(&config(site), None).unwrap()
}

fn config(site: &Site) -> MainConfig {
    let inventory::SupervisordAddress::Config(path) = &site.paths.supervisord else { panic!() };
    MainConfig::load(Some(path.as_path())).unwrap()
}

/// Applies these sites, all on one real supervisord, through these doors.
pub(crate) fn apply(
    sites: &[Site],
    files: &dyn Files,
    daemon: &mut dyn Supervisord,
    on: &mut dyn FnMut(Event),
) -> Vec<AppliedSite> {
    apply_as(&sites[0], &request(sites), files, daemon, on)
}

/// The same for any request about sites of the supervisord of this one.
fn apply_as(
    site: &Site,
    request: &ApplyRequest,
    files: &dyn Files,
    daemon: &mut dyn Supervisord,
    on: &mut dyn FnMut(Event),
) -> Vec<AppliedSite> {
    with_engine(site, files, daemon, on, |engine| {
        engine.apply(&request.sites.iter().collect::<Vec<_>>(), request, &origin_of(request))
    })
}

/// Who applies: with the run, so that its end is noted.
pub(crate) fn origin_of(request: &ApplyRequest) -> Origin {
    Origin { run: Some(Box::new(request.run.clone())), ..origin() }
}

/// An apply as the command has it.
pub(crate) fn request(sites: &[Site]) -> ApplyRequest {
    ApplyRequest {
        sites: sites.iter().cloned().map(ChosenSite::whole).collect(),
        goal: Goal::Inventory,
        plan: PlanOptions::default(),
        apply: ApplyOptions { verify: true, rollback: true, record: true },
        shown: None,
        lock_wait: 0,
        run: supervisor_sync::api::Run::begin("apply"),
    }
}

pub(crate) fn with_engine<T>(
    site: &Site,
    files: &dyn Files,
    daemon: &mut dyn Supervisord,
    on: &mut dyn FnMut(Event),
    work: impl FnOnce(&mut Engine<'_>) -> T,
) -> T {
    let state = StateDir::new(&site.paths, Path::new("/nonexistent"));
    with_engine_of(&config(site), &state, files, daemon, on, work)
}

/// The same for the supervisord of a main file, with the records there.
pub(crate) fn with_engine_of<T>(
    config: &MainConfig,
    state: &StateDir,
    files: &dyn Files,
    daemon: &mut dyn Supervisord,
    on: &mut dyn FnMut(Event),
    work: impl FnOnce(&mut Engine<'_>) -> T,
) -> T {
    let clock = SystemClock::start();
    let doors = Doors {
        files,
        supervisord: daemon,
        clock: &clock,
        state,
        interrupt: &Interrupt::default(),
        events: on,
    };
    work(&mut Engine {
        doors,
        facts: DaemonFacts { pidfile: config.pidfile.clone(), ..DaemonFacts::default() },
        main_file: config.path.clone(),
        include_patterns: config.include_patterns.clone(),
        conf_dir: config.path.with_file_name("conf.d"),
        environment: config.environment.clone(),
        included_files: &|| config.included_files(),
        read: BTreeMap::new(),
    })
}

fn step_name(step: &Step) -> String {
    let json = serde_json::to_value(step).unwrap();
    json["name"].as_str().unwrap().to_owned()
}

fn die() {
    let _ = kill_process(getpid(), Signal::KILL);
}

/// The real disk; dies after so many operations that change it.
struct DeadlyFiles<'a> {
    dies_at: Option<usize>,
    /// Whether it counts already.
    counts: &'a Cell<bool>,
    count: Cell<usize>,
}

impl DeadlyFiles<'_> {
    fn done<T>(&self, result: T) -> T {
        if !self.counts.get() {
            return result;
        }
        self.count.set(self.count.get() + 1);
        if self.dies_at == Some(self.count.get()) {
            die();
        }
        result
    }
}

impl Files for DeadlyFiles<'_> {
    fn read(&self, path: &Path) -> io::Result<Entry> {
        Disk.read(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        Disk.names(folder)
    }

    fn stage(&self, path: &Path, content: &FileContent) -> io::Result<()> {
        // In the midst of it, too.
        let half =
            FileContent { bytes: content.bytes[..content.bytes.len() / 2].into(), ..*content };
        self.done(Disk.stage(path, &half))?;
        self.done(Disk.stage(path, content))
    }

    fn stage_link(&self, path: &Path, target: &Path) -> io::Result<()> {
        self.done(Disk.stage_link(path, target))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.done(Disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        self.done(Disk.remove(path))
    }

    fn remove_log(&self, path: &Path) -> io::Result<()> {
        Disk.remove_log(path)
    }

    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.done(Disk.create_folder(path, mode))
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.done(Disk.remove_folder(path))
    }

    fn end(&self, path: &Path) -> io::Result<FileEnd> {
        Disk.end(path)
    }
    fn tail(&self, path: &Path, bytes: u64, since: Option<FileEnd>) -> io::Result<Vec<u8>> {
        Disk.tail(path, bytes, since)
    }

    fn problem_with_code(&self, path: &Path, executable: bool) -> Option<String> {
        Disk.problem_with_code(path, executable)
    }

    /// Not on the way to a death by SIGKILL, after which the kernel still has everything.
    fn sync(&self, _: &[&Path]) -> io::Result<()> {
        Ok(())
    }
}

/// The real daemon; the process dies before or after so many batches.
struct DeadlyDaemon {
    client: Client,
    dies_before: Option<usize>,
    dies_after: Option<usize>,
    count: usize,
}

impl Supervisord for DeadlyDaemon {
    fn batch(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Fault>>, CallError> {
        // Polling is no point of interest, and how often it happens is a matter of luck.
        if calls.iter().all(is_look) {
            return self.client.batch(calls);
        }
        self.count += 1;
        if self.dies_before == Some(self.count) {
            die();
        }
        let answers = self.client.batch(calls);
        if self.dies_after == Some(self.count) {
            die();
        }
        answers
    }
}

fn is_look(call: &Call) -> bool {
    matches!(call, Call::GetAllProcessInfo | Call::GetProcessInfo(_) | Call::GetPid)
}

/// Applies the inventory of a host in a process that dies at this point; false if it came to its
/// end.
pub(crate) fn is_killed(host: &Host, point: &str) -> bool {
    is_killed_with(host, point, &[])
}

/// The same with these variables.
fn is_killed_with(host: &Host, point: &str, variables: &[(&str, &str)]) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .envs(variables.iter().copied())
        .env(POINT, point)
        .env(INVENTORY, host.path("home/deployer.yml"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let killed = output.status.signal() == Some(Signal::KILL.as_raw());
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(killed || output.status.success(), "{point}: {told}");
    killed
}

/// A host with sites that go back and forth between two inventories, all in the same way.
struct Scene {
    host: Host,
    domains: &'static [&'static str],
    /// Each state with the files and processes that it has.
    states: [State; 2],
    /// The pids of the programs that never change.
    keep: Vec<i64>,
}

struct State {
    programs: String,
    files: BTreeMap<PathBuf, String>,
    up: BTreeSet<String>,
}

/// What all programs have: fast to start, fast to verify.
const FAST: &str = "startsecs: 0, stopwaitsecs: 20, health: {stable_for: 0}";

/// The only process of a program.
fn process_of(domain: &str, program: &str) -> String {
    format!("{domain}-{program}:{domain}-{program}")
}

impl Scene {
    fn new() -> Option<Self> {
        let scene = Self::of(&["one.com"])?;
        scene.host.deploy("two.com");
        Some(scene)
    }

    fn of(domains: &'static [&'static str]) -> Option<Self> {
        let host = Host::start()?;
        for domain in domains {
            host.deploy(domain);
        }
        let programs = |text: &str, own: &str| {
            let program = |name: &str, command: &str, more: &str| {
                format!("      - {{program: {name}, command: {command}, {FAST}{more}}}\n")
            };
            [
                program("keep", "/bin/sleep 1000", ""),
                program("change", &format!("/bin/sleep 1000{text}"), ", numprocs: 2"),
                program("hand", &format!("/bin/sleep 1000{text}"), ""),
                program("idle", &format!("/bin/sleep 1000{text}"), ", autostart: false"),
                program(own, "/bin/sleep 1000", ""),
            ]
            .concat()
        };
        let mut scene = Self {
            host,
            domains,
            states: [programs("1", "gone"), programs("2", "new")].map(|programs| State {
                programs,
                files: BTreeMap::new(),
                up: BTreeSet::new(),
            }),
            keep: Vec::new(),
        };
        scene.apply(0).ended(0);
        for domain in domains {
            let idle = process_of(domain, "idle");
            scene.host.daemon.client().call(Call::StartProcess(idle.clone())).unwrap().unwrap();
            scene.host.stop_by_hand(&process_of(domain, "hand"));
            scene.host.wait_running(&[&idle]);
        }
        for state in [1, 0] {
            scene.apply(state).ended(0);
            scene.states[state].files = scene.files();
            scene.states[state].up = scene.up();
            assert_eq!(scene.up().len(), 5 * domains.len(), "{:?}", scene.up());
        }
        scene.keep = scene.kept();
        Some(scene)
    }

    /// The pids of what no inventory changes.
    fn kept(&self) -> Vec<i64> {
        let pid = |domain: &&str| self.host.process(&process_of(domain, "keep")).unwrap().pid;
        self.domains.iter().map(pid).collect()
    }

    fn write_inventory(&self, state: usize) {
        let programs = &self.states[state].programs;
        let site = |domain: &&str| {
            format!("  - domain: {domain}\n    server: here\n    supervisors:\n{programs}")
        };
        self.host.inventory(&self.domains.iter().map(site).collect::<String>());
    }

    /// The real binary.
    fn apply(&self, state: usize) -> Run {
        self.write_inventory(state);
        self.host.run(&["apply", "--yes"])
    }

    /// Applies in a process that dies at this point; false if it came to its end.
    fn is_killed_on_the_way_to(&self, state: usize, point: &str) -> bool {
        self.write_inventory(state);
        self.is_killed(point)
    }

    fn is_killed(&self, point: &str) -> bool {
        is_killed(&self.host, point)
    }

    /// The files of both folders, those with a staged name apart.
    fn files(&self) -> BTreeMap<PathBuf, String> {
        let folders = [self.host.daemon.conf_dir(), self.host.daemon.logrotate_dir()];
        let names = |folder: PathBuf| {
            let names = crate::site::names(&folder);
            names.into_iter().map(move |name| folder.join(name))
        };
        let is_read = |path: &PathBuf| !path.display().to_string().ends_with('~');
        let read = |path: PathBuf| (path.clone(), std::fs::read_to_string(path).unwrap());
        folders.into_iter().flat_map(names).filter(is_read).map(read).collect()
    }

    fn up(&self) -> BTreeSet<String> {
        let processes = self.host.daemon.processes().into_iter();
        let up =
            processes.filter(|p| matches!(p.state, ProcessState::Running | ProcessState::Starting));
        up.map(|process| process.namespec()).collect()
    }

    /// No half file, and supervisord reads what is there.
    fn check_consistent(&self, context: &str) {
        for (path, text) in self.files() {
            let whole = self.states.iter().any(|state| state.files.get(&path) == Some(&text));
            assert!(whole, "{context}: {} is none of ours: {text}", path.display());
        }
        let reread = reread(&mut self.host.daemon.client());
        assert!(reread.is_ok(), "{context}: {reread:?}");
    }

    /// The journals of all sites.
    fn all_journals(&self) -> Vec<String> {
        self.domains.iter().flat_map(|domain| self.journals(domain)).collect()
    }

    /// The journals that are there, by phase.
    fn journals(&self, site: &str) -> Vec<String> {
        let folder = self.host.state().join("sites").join(site);
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("journal.")).collect()
    }

    /// What an apply has written beside its target and not yet swapped in.
    fn staged(&self) -> Vec<PathBuf> {
        let paths = self.tree().into_keys();
        paths.filter(|path| path.display().to_string().ends_with('~')).collect()
    }

    /// A plan changes nothing and says what will become of the apply that was killed.
    fn check_plan(&self, context: &str) {
        let before = (self.tree(), self.up());
        let run = self.host.run(&["plan"]).ended(0);
        assert_eq!((self.tree(), self.up()), before, "{context}");
        for domain in self.domains {
            let journals = self.journals(domain);
            let undone = journals.iter().any(|name| !name.contains("groups"));
            let expected = match (journals.is_empty(), undone) {
                (true, _) => continue,
                (false, true) => "the next apply undoes it first",
                (false, false) => "the next apply finishes it",
            };
            assert!(run.stdout.contains(expected), "{context}, {domain}: {}", run.stdout);
        }
    }

    fn tree(&self) -> BTreeMap<PathBuf, String> {
        let folders = [
            self.host.daemon.conf_dir(),
            self.host.daemon.logrotate_dir(),
            self.host.path("state"),
        ];
        folders.iter().flat_map(|folder| Host::snapshot_of(folder)).collect()
    }

    /// The next run, with this inventory, comes to exactly what is wanted.
    fn check_next_run(&self, state: usize, context: &str) {
        let journals = self.all_journals();
        let is_unwritten = |domain: &&&str| self.journals(domain).is_empty();
        let unwritten = self.domains.iter().filter(is_unwritten);
        let unwritten: Vec<PathBuf> =
            unwritten.map(|domain| self.host.state().join("sites").join(domain)).collect();
        let run = self.apply(state).ended(0);
        let told = format!("{}{}", run.stdout, run.stderr);
        let says = told.contains("never ended");
        assert_eq!(says, !journals.is_empty(), "{context}, {journals:?}: {told}");
        let wanted = &self.states[state];
        assert_eq!(self.files(), wanted.files, "{context}: {told}");
        assert_eq!(self.up(), wanted.up, "{context}: {told}");
        assert_eq!(self.all_journals(), [""; 0], "{context}");
        // Half a journal is no journal: a run with nothing to do lets it lie, the next that writes
        // one takes its place.
        let mut left = self.staged();
        left.retain(|path| !unwritten.iter().any(|site| path.starts_with(site)));
        assert_eq!(left, [""; 0].map(PathBuf::from), "{context}");
        assert_eq!(self.kept(), self.keep, "{context}: what does not change was restarted");
        for domain in self.domains {
            let hand = self.host.process(&process_of(domain, "hand")).unwrap().state;
            assert_eq!(hand, ProcessState::Stopped, "{context}");
        }
        let plan = self.host.run(&["plan", "--exit-code"]).ended(0);
        assert!(plan.stdout.contains("nothing to do"), "{context}: {}", plan.stdout);
    }

    /// Kills at `point` on the way from one state to the other, then goes on to `other` or back.
    /// False when the apply came to its end before that point.
    fn kill(&self, from: usize, point: &str, back: bool) -> bool {
        let to = 1 - from;
        let killed = self.is_killed_on_the_way_to(to, point);
        let context = format!("killed at {point} on the way from {from} to {to}, back: {back}");
        if killed {
            self.check_consistent(&context);
            self.check_plan(&context);
        }
        self.check_next_run(if back { from } else { to }, &context);
        killed
    }
}

/// Kills at `kind:1`, `kind:2` and so on until an apply is not killed any more. Every second time
/// the next run goes back instead of on.
fn kill_everywhere(kind: &str, parity: usize) -> usize {
    let Some(scene) = Scene::new() else { return usize::MAX };
    kill_each(&scene, kind, parity, 1)
}

/// The same for every `stride`-th point.
fn kill_each(scene: &Scene, kind: &str, parity: usize, stride: usize) -> usize {
    let mut now = 0;
    for n in 1.. {
        let back = n % 2 == parity;
        let killed = scene.kill(now, &format!("{kind}:{}", 1 + (n - 1) * stride), back);
        if !back {
            now = 1 - now;
        }
        if !killed {
            assert_eq!(scene.staged(), [""; 0].map(PathBuf::from));
            return n;
        }
    }
    unreachable!()
}

/// The first file of this scene's site that a person can tell both states by.
fn swapped(scene: &Scene) -> bool {
    scene.files() != scene.states[0].files
}

/// Another site's apply undoes half written files, and touches no process.
#[test]
fn other_site_undoes_half_written_files() {
    let scene = or_skip!(Scene::new());
    let pids = || -> BTreeMap<String, i64> {
        let processes = scene.host.daemon.processes().into_iter();
        let of_one = processes.filter(|process| process.group.starts_with("one.com"));
        of_one.map(|process| (process.namespec(), process.pid)).collect()
    };
    let mut half_written = 0;
    for (number, step) in STEPS.into_iter().enumerate() {
        let context = format!("killed at {step}");
        assert!(scene.is_killed_on_the_way_to(1, &format!("step:{step}")));
        half_written += usize::from(swapped(&scene));
        let (files, before) = (scene.files(), pids());
        let other = "  - domain: two.com\n    server: here\n    supervisors:\n";
        let program = format!("      - {{program: w{number}, command: /bin/sleep 1000, {FAST}}}\n");
        scene.host.inventory(&format!("{other}{program}"));
        let run = scene.host.run(&["apply", "--yes"]).ended(0);
        let mut now = scene.files();
        now.retain(|path, _| !path.display().to_string().contains("two.com"));
        if UNDONE.contains(&step) {
            assert_eq!(now, scene.states[0].files, "{context}");
            // The first point is just before the journal is written.
            let says = run.stderr.contains("Undoing an apply that never ended");
            assert_eq!(says, number > 0, "{context}");
        } else {
            assert_eq!(now, files, "{context}");
        }
        assert_eq!(pids(), before, "{context}");
        let other = format!("two.com-w{number}:two.com-w{number}");
        assert!(scene.up().contains(&other), "{context}: {:?}", scene.up());
        scene.host.inventory("  - {domain: two.com, server: here, supervisors: []}");
        scene.host.run(&["apply", "--yes"]).ended(0);
        scene.check_next_run(0, &context);
    }
    assert!(half_written >= 4, "{half_written}");
}

#[test]
fn killed_while_it_undoes() {
    let mut scene = or_skip!(Scene::new());
    let broken = format!("startsecs: 0, command: /bin/false, autorestart: false, {}", &FAST[14..]);
    let crasher = format!("      - {{program: crash, {broken}}}\n");
    let mut dead = 0;
    for n in 1.. {
        // On the way to a state that fails: it puts everything back, unless it is killed.
        let programs = format!("{}{crasher}", scene.states[1].programs);
        let text = format!("  - domain: one.com\n    server: here\n    supervisors:\n{programs}");
        scene.host.inventory(&text);
        let killed = scene.is_killed(&format!("undo:{n}"));
        let context = format!("killed at the {n}th change of an undo");
        let journals = scene.journals("one.com");
        // The last change removes the journal.
        let in_the_midst = journals == ["journal.undo.json"];
        assert!(in_the_midst || journals.is_empty(), "{context}: {journals:?}");
        dead += usize::from(in_the_midst);
        let state = n % 2;
        scene.host.run(&["plan"]).ended(0);
        scene.check_next_run(state, &context);
        if state == 1 {
            scene.apply(0).ended(0);
        }
        if !killed {
            break;
        }
        scene.keep = scene.kept();
    }
    assert!(dead > 12, "{dead}");
}

/// What was not watched to its end is watched by the next apply.
#[test]
fn unfinished_watch_is_repeated() {
    let scene = or_skip!(Scene::new());
    let broken = format!("startsecs: 0, command: /bin/false, autorestart: false, {}", &FAST[14..]);
    let crasher = format!("      - {{program: crash, {broken}}}\n");
    let programs = format!("{}{crasher}", scene.states[1].programs);
    let text = format!("  - domain: one.com\n    server: here\n    supervisors:\n{programs}");
    scene.host.inventory(&text);
    assert!(scene.is_killed("step:verify"));
    scene.host.daemon.wait_for_state("one.com-crash:one.com-crash", ProcessState::Exited);
    for _ in 0..2 {
        assert_eq!(scene.journals("one.com"), ["journal.groups.json"]);
        let run = scene.host.run(&["apply", "--yes"]).ended(4).says("the next apply finishes it");
        assert!(run.stderr.contains("one.com-crash not healthy"), "{}", run.stderr);
    }
    scene.check_next_run(1, "after a crash that was not seen");
}

#[test]
fn killed_at_each_step() {
    let scene = or_skip!(Scene::new());
    for step in STEPS {
        assert!(scene.kill(0, &format!("step:{step}"), true), "there is no step {step}");
        assert!(scene.kill(0, &format!("step:{step}"), false));
        scene.apply(0).ended(0);
    }
}

#[test]
fn killed_after_each_disk_change() {
    assert!(kill_everywhere("file", 0) > 20);
}

#[test]
fn killed_before_or_after_each_batch() {
    assert!(kill_everywhere("batch-before", 0) > 5);
    assert!(kill_everywhere("batch-after", 1) > 5);
}
