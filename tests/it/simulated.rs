//! A host with a real disk and a simulated supervisord: files and daemon hang together as on a real
//! one, time is turned by hand, and any operation can be made to fail.

#![expect(clippy::disallowed_methods, reason = "builds and reads the host's files")]
#![expect(clippy::unwrap_used, reason = "a harness that fails fails the test")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use crate::fake::{
    Autorestart as FakeAutorestart, Behaviour, FakeSupervisord, GroupConfig, ProcessConfig,
};
use rustix::io::Errno;
use supervisor_sync::api::{AppliedSite, ApplyRequest, ChosenSite, Goal};
use supervisor_sync::apply::{ApplyOptions, Doors};
use supervisor_sync::desired::DaemonFacts;
use supervisor_sync::event::Event;
use supervisor_sync::host::Engine;
use supervisor_sync::inventory::{
    AbsolutePath, Autorestart, CommandLine, Domain, Format, Paths, Program, ProgramName, Run, Site,
    SupervisordAddress, UserName,
};
use supervisor_sync::plan::{Intent, PlanOptions, PlanView};
use supervisor_sync::records::{Origin, StateDir};
use supervisor_sync::supervisord::{
    Answer, Call, CallError, Environment, Fault, GroupHeader, ProcessInfo, ProcessState,
    Supervisord, defaults, ini,
};
use supervisor_sync::system::files::{Entry, FileContent, FileEnd, Files};
use supervisor_sync::system::{Clock, Disk, Interrupt};

use crate::daemon::current_user;

/// Asked once: each time is a process.
static USER: OnceLock<String> = OnceLock::new();

/// The host.
pub(crate) struct Host {
    folder: tempfile::TempDir,
    pub(crate) daemon: Rc<RefCell<FakeSupervisord>>,
    pub(crate) interrupt: Interrupt,
}

/// Everything a person could see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// Path below the root -> mode and bytes, or a link's target.
    pub(crate) files: BTreeMap<String, String>,
    /// The processes that are up.
    pub(crate) up: BTreeSet<String>,
    /// Those that are known and not up.
    pub(crate) down: BTreeSet<String>,
}

impl Host {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for path in ["conf.d", "logrotate.d", "sites/example.com/current"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let mut daemon = FakeSupervisord::new();
        daemon.restart();
        Self { folder, daemon: Rc::new(RefCell::new(daemon)), interrupt: Interrupt::default() }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn conf(&self, program: &str) -> PathBuf {
        self.at(&format!("conf.d/example.com-{program}.conf"))
    }

    pub(crate) fn site(&self, programs: Vec<Program>) -> Site {
        self.site_of("example.com", programs)
    }

    pub(crate) fn site_of(&self, domain: &str, programs: Vec<Program>) -> Site {
        let mut site = site_at(self.root(), domain, programs);
        site.paths.log_dir = AbsolutePath::parse(self.at("log/deep").to_str().unwrap()).unwrap();
        site
    }

    pub(crate) fn state(&self) -> StateDir {
        StateDir::new(&self.site(Vec::new()).paths, &self.at("state"))
    }

    /// Applies with everything as it should be.
    pub(crate) fn apply(&self, site: &Site) -> AppliedSite {
        self.apply_with(site, &FaultyFiles::sound(), &mut Bridge::of(self), &Order::default())
    }

    pub(crate) fn apply_with(
        &self,
        site: &Site,
        files: &dyn Files,
        supervisord: &mut dyn Supervisord,
        order: &Order,
    ) -> AppliedSite {
        self.with(files, supervisord, &mut |_| {}, |instance| {
            let request = order.request(std::slice::from_ref(site));
            let mut applied = instance.apply(&[&request.sites[0]], &request, &origin());
            applied.pop().unwrap()
        })
    }

    pub(crate) fn plan(&self, site: &Site) -> PlanView {
        self.with(&FaultyFiles::sound(), &mut Bridge::of(self), &mut |_| {}, |instance| {
            let chosen = ChosenSite::whole(site.clone());
            let mut planned = instance.plan(&[&chosen], Goal::Inventory, &PlanOptions::default());
            planned.pop().unwrap().plan.unwrap()
        })
    }

    pub(crate) fn with<T>(
        &self,
        files: &dyn Files,
        supervisord: &mut dyn Supervisord,
        events: &mut dyn FnMut(Event),
        work: impl FnOnce(&mut Engine<'_>) -> T,
    ) -> T {
        self.with_interrupt(files, supervisord, events, &self.interrupt, work)
    }

    /// The same with a Ctrl-C of its own.
    pub(crate) fn with_interrupt<T>(
        &self,
        files: &dyn Files,
        supervisord: &mut dyn Supervisord,
        events: &mut dyn FnMut(Event),
        interrupt: &Interrupt,
        work: impl FnOnce(&mut Engine<'_>) -> T,
    ) -> T {
        let (clock, state) = (HandClock::of(self), self.state());
        let doors = Doors { files, supervisord, clock: &clock, state: &state, interrupt, events };
        work(&mut Engine {
            doors,
            facts: DaemonFacts::default(),
            main_file: self.at("supervisord.conf"),
            include_patterns: vec![format!("{}/conf.d/*.conf", self.root().display())],
            conf_dir: self.at("conf.d"),
            environment: Environment::default(),
            included_files: &|| Ok(included(&self.at("conf.d"))),
            read: BTreeMap::new(),
        })
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, seconds: u64) {
        self.daemon.borrow_mut().advance(Duration::from_secs(seconds));
    }

    /// What supervisorctl would do by hand.
    pub(crate) fn by_hand(&self, call: Call) {
        self.daemon.borrow_mut().call(call).unwrap().unwrap();
        self.pass(2);
    }

    pub(crate) fn process(&self, namespec: &str) -> ProcessInfo {
        self.daemon.borrow().process(namespec).unwrap()
    }

    pub(crate) fn look(&self) -> Look {
        let mut files = BTreeMap::new();
        for folder in ["conf.d", "logrotate.d", "log"] {
            walk(self.root(), &self.at(folder), &mut files);
        }
        let (up, down): (Vec<_>, Vec<_>) =
            self.daemon.borrow().processes().into_iter().partition(|one| is_up(one.state));
        let names = |processes: Vec<ProcessInfo>| {
            processes.iter().map(ProcessInfo::namespec).collect::<BTreeSet<_>>()
        };
        Look { files, up: names(up), down: names(down) }
    }

    /// The groups that supervisord has loaded otherwise than the files say.
    pub(crate) fn differs(&self) -> Vec<String> {
        let reload = Bridge::of(self).call(Call::ReloadConfig).unwrap().unwrap();
        let Answer::Reload(reload) = reload else { return vec![format!("{reload:?}")] };
        [reload.added, reload.changed, reload.removed].concat()
    }

    /// Staged files and journals that are still there.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut files = BTreeMap::new();
        walk(self.root(), self.root(), &mut files);
        let is_left = |path: &&String| path.ends_with('~') || path.contains("journal.");
        files.keys().filter(is_left).cloned().collect()
    }
}

/// A site of a host whose folders are below `root`.
pub(crate) fn site_at(root: &Path, domain: &str, programs: Vec<Program>) -> Site {
    let path = |name: &str| AbsolutePath::parse(root.join(name).to_str().unwrap()).unwrap();
    Site {
        domain: Domain::parse(domain).unwrap(),
        user: UserName::parse(USER.get_or_init(current_user)).unwrap(),
        format: Format::Hardened,
        config_files: Default::default(),
        config_suffix: Default::default(),
        configs: Vec::new(),
        groups: Vec::new(),
        paths: Paths {
            sites: path("sites"),
            conf_dir: path("conf.d"),
            logrotate_dir: path("logrotate.d"),
            log_dir: path("log"),
            supervisord: SupervisordAddress::Discover,
            state_dir: None,
        },
        programs,
    }
}

pub(crate) fn is_up(state: ProcessState) -> bool {
    matches!(state, ProcessState::Starting | ProcessState::Running | ProcessState::Backoff)
}

fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    files.insert(name(folder), "a folder".to_owned());
    for entry in entries {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            walk(root, &path, files);
        } else if metadata.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            files.insert(name(&path), format!("-> {}", target.display()));
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            files.insert(name(&path), format!("{:04o} {text}", metadata.mode() & 0o7777));
        }
    }
}

/// What is asked of an apply.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) verify: bool,
    pub(crate) rollback: bool,
    pub(crate) record: bool,
    pub(crate) plan: PlanOptions,
}

impl Default for Order {
    fn default() -> Self {
        Self { verify: true, rollback: true, record: true, plan: PlanOptions::default() }
    }
}

impl Order {
    /// As `playbook restart` has it.
    pub(crate) fn restart() -> Self {
        let plan = PlanOptions::of(Intent::Restart);
        Self { verify: true, rollback: false, record: false, plan }
    }

    pub(crate) fn request(&self, sites: &[Site]) -> ApplyRequest {
        let Self { verify, rollback, record, plan } = self.clone();
        ApplyRequest {
            sites: sites.iter().cloned().map(ChosenSite::whole).collect(),
            goal: Goal::Inventory,
            plan,
            apply: ApplyOptions { verify, rollback, record },
            shown: None,
            lock_wait: 0,
            run: supervisor_sync::api::Run::begin("apply"),
        }
    }
}

pub(crate) fn origin() -> Origin {
    Origin {
        user: "tester".to_owned(),
        pid: 42,
        purpose: "apply".to_owned(),
        at: "2026-01-02T03:04:05Z".parse().unwrap(),
        run: None,
    }
}

/// A program that runs `command`, whose first word says what the simulation makes of it: `runs`,
/// `drains-SECONDS`, `exits-SECONDS-STATUS` or `missing`. supervisord refuses `broken`, and
/// `unspeakable` without saying whose it is.
pub(crate) fn program(name: &str, command: &str) -> Program {
    let run = Run::Command(CommandLine::parse(command).unwrap());
    Program { stopwaitsecs: 10, ..Program::new(ProgramName::parse(name).unwrap(), run) }
}

/// Turned by hand, and the daemon with it.
pub(crate) struct HandClock(Rc<RefCell<FakeSupervisord>>);

impl HandClock {
    pub(crate) fn of(host: &Host) -> Self {
        Self(Rc::clone(&host.daemon))
    }
}

impl Clock for HandClock {
    fn now(&self) -> Duration {
        self.0.borrow().now()
    }

    fn wait(&self, duration: Duration) {
        self.0.borrow_mut().advance(duration);
    }

    fn timestamp(&self) -> jiff::Timestamp {
        origin().at
    }
}

/// Given the number of a call and the call: the fault it answers.
type Faults = Box<dyn Fn(usize, &Call) -> Option<Fault>>;

/// The fake daemon, reading the files that are really there, and failing when told to.
pub(crate) struct Bridge {
    daemon: Rc<RefCell<FakeSupervisord>>,
    conf_dir: PathBuf,
    /// Which batch answers nothing, counted from 1, and what is lost of it.
    pub(crate) lost: Option<(usize, crate::fake::Lost)>,
    /// And all batches after it.
    pub(crate) for_good: bool,
    /// Every call for which it has a fault answers that.
    pub(crate) fault: Faults,
    pub(crate) batches: usize,
    pub(crate) calls: usize,
}

impl Bridge {
    pub(crate) fn of(host: &Host) -> Self {
        Self {
            daemon: Rc::clone(&host.daemon),
            conf_dir: host.at("conf.d"),
            lost: None,
            for_good: false,
            fault: Box::new(|_, _| None),
            batches: 0,
            calls: 0,
        }
    }
}

impl Bridge {
    /// supervisord reads its files when it next reads any.
    fn see_files(&self) {
        let mut daemon = self.daemon.borrow_mut();
        match read_groups(&self.conf_dir) {
            Ok(groups) => daemon.write_config(groups),
            Err(reason) => daemon.break_config(&reason),
        }
    }

    /// supervisord starts with the files that are there.
    pub(crate) fn boot(&self) {
        self.see_files();
        self.daemon.borrow_mut().restart();
    }
}

impl Supervisord for Bridge {
    fn batch(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Fault>>, CallError> {
        use crate::fake::Lost;
        self.batches += 1;
        if calls.contains(&Call::ReloadConfig) {
            self.see_files();
        }
        let mut daemon = self.daemon.borrow_mut();
        let broken = || CallError::Broken {
            address: "the simulated supervisord".to_owned(),
            source: io::ErrorKind::ConnectionReset.into(),
        };
        let is_lost = |n: usize| n == self.batches || self.for_good && n < self.batches;
        let lost = self.lost.filter(|(n, _)| is_lost(*n)).map(|(_, lost)| lost);
        if lost == Some(Lost::Request) {
            return Err(broken());
        }
        for call in calls {
            self.calls += 1;
            if let Some(fault) = (self.fault)(self.calls, call) {
                daemon.answer_fault(call.clone(), fault, 1);
            }
        }
        let answers = daemon.batch(calls);
        if lost == Some(Lost::Answer) { Err(broken()) } else { answers }
    }
}

fn included(conf_dir: &Path) -> Vec<PathBuf> {
    let names = Disk.names(conf_dir).unwrap_or_default();
    let read = names.iter().filter(|name| name.ends_with(".conf") && !name.starts_with('.'));
    read.map(|name| conf_dir.join(name)).collect()
}

/// The groups of the files, or supervisord's words for the first that it could not read.
fn read_groups(conf_dir: &Path) -> Result<Vec<GroupConfig>, String> {
    let mut groups = Vec::new();
    for path in included(conf_dir) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let parsed = ini::parse(&text).map_err(|error| {
            format!("File contains parsing errors: '{}' {error}", path.display())
        })?;
        for section in &parsed.sections {
            if let Some(name) = GroupHeader::name_of_program(&section.name) {
                groups.push(group(name, section, &path)?);
            }
        }
    }
    Ok(groups)
}

fn group(name: &str, section: &ini::Section, path: &Path) -> Result<GroupConfig, String> {
    let option = |key: &str| section.get(key);
    let number =
        |key: &str, default: u32| option(key).map_or(default, |text| text.parse().unwrap());
    let seconds = |key: &str, default: u32| Duration::from_secs(number(key, default).into());
    let command = option("command").unwrap_or_default();
    if command.is_empty() || command == "broken" {
        return Err(format!(
            "program section program:{name} does not specify a command in section \
             'program:{name}' (file: '{}')",
            path.display()
        ));
    }
    let log = PathBuf::from(option("stdout_logfile").unwrap_or_default());
    if let Some(folder) = log.parent().filter(|folder| !folder.is_dir()) {
        return Err(format!(
            "The directory named as part of the path {} does not exist in section \
             'program:{name}' (file: '{}')",
            folder.display(),
            path.display()
        ));
    }
    if command.starts_with("unspeakable") {
        return Err("a value in the configuration is not right".to_owned());
    }
    let config = match number("numprocs", defaults::NUMPROCS) {
        1 => GroupConfig::program(name, behaviour(command)),
        n => GroupConfig::instances(name, n as usize, &behaviour(command)),
    };
    Ok(config.each(|process| {
        *process = ProcessConfig {
            autostart: option("autostart") != Some("false"),
            autorestart: match option("autorestart") {
                Some("true") => FakeAutorestart::Always,
                Some("false") => FakeAutorestart::Never,
                _ => FakeAutorestart::Unexpected,
            },
            startsecs: seconds("startsecs", defaults::STARTSECS),
            startretries: number("startretries", defaults::STARTRETRIES),
            stopwaitsecs: seconds("stopwaitsecs", defaults::STOPWAITSECS),
            other: format!(
                "{:?}",
                section.entries.iter().map(|e| (&e.key, &e.value)).collect::<Vec<_>>()
            ),
            ..process.clone()
        };
    }))
}

fn behaviour(command: &str) -> Behaviour {
    let word = command.split_whitespace().next().unwrap_or_default();
    let mut parts = word.split('-');
    let kind = parts.next();
    let mut number = || parts.next().and_then(|text| text.parse::<u64>().ok()).unwrap();
    match kind {
        Some("drains") => Behaviour::Drains(Duration::from_secs(number())),
        Some("exits") => {
            let after = Duration::from_secs(number());
            Behaviour::Exits { after, status: i64::try_from(number()).unwrap() }
        }
        Some("missing") => Behaviour::NotFound,
        _ => Behaviour::Runs,
    }
}

/// How the disk fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// This operation alone, counted from 1.
    Once(usize),
    /// From this one on, whatever writes.
    From(usize),
}

/// The disk, failing when told to. Nothing is synced, for speed.
pub(crate) struct FaultyFiles {
    failing: Option<Failing>,
    /// Its number, as the kernel has it.
    error: Errno,
    /// Only operations whose path holds this count, and fail.
    pub(crate) only: Option<String>,
    pub(crate) count: Cell<usize>,
    pub(crate) syncs: Cell<usize>,
    pub(crate) failed: RefCell<Vec<String>>,
}

impl FaultyFiles {
    pub(crate) fn sound() -> Self {
        Self::new(None, Errno::IO)
    }

    pub(crate) fn new(failing: Option<Failing>, error: Errno) -> Self {
        Self {
            failing,
            error,
            only: None,
            count: Cell::new(0),
            syncs: Cell::new(0),
            failed: RefCell::default(),
        }
    }

    fn is_full(&self) -> bool {
        matches!(self.failing, Some(Failing::From(_))) && self.error == Errno::NOSPC
    }

    fn pass(&self, writes: bool, what: &str, path: &Path) -> io::Result<()> {
        let is_meant = |part: &String| path.to_string_lossy().contains(part.as_str());
        if !self.only.as_ref().is_none_or(is_meant) {
            return Ok(());
        }
        let count = self.count.get() + 1;
        self.count.set(count);
        let fails = match self.failing {
            Some(Failing::Once(n)) => n == count,
            Some(Failing::From(n)) => writes && count >= n,
            None => false,
        };
        if fails {
            self.failed.borrow_mut().push(format!("{what} {}", path.display()));
            return Err(self.error.into());
        }
        Ok(())
    }
}

impl Files for FaultyFiles {
    fn read(&self, path: &Path) -> io::Result<Entry> {
        self.pass(false, "read", path)?;
        Disk.read(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.pass(false, "names", folder)?;
        Disk.names(folder)
    }

    /// A write that fails leaves a part of the file, as a full disk does.
    fn stage(&self, path: &Path, content: &FileContent) -> io::Result<()> {
        if let Err(error) = self.pass(true, "stage", path) {
            std::fs::write(path, &content.bytes[..content.bytes.len() / 2]).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
            return Err(error);
        }
        Disk.stage(path, content)
    }

    fn stage_link(&self, path: &Path, target: &Path) -> io::Result<()> {
        self.pass(true, "stage_link", path)?;
        Disk.stage_link(path, target)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass(true, "rename", to)?;
        Disk.rename(from, to)
    }

    /// As a real disk, it has no trouble with what is not there, nor with removing when it is full.
    fn remove(&self, path: &Path) -> io::Result<()> {
        if path.symlink_metadata().is_err() || self.is_full() {
            return Disk.remove(path);
        }
        self.pass(true, "remove", path)?;
        Disk.remove(path)
    }

    fn remove_log(&self, path: &Path) -> io::Result<()> {
        Disk.remove_log(path)
    }

    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.pass(true, "create_folder", path)?;
        Disk.create_folder(path, mode)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        if path.symlink_metadata().is_err() || self.is_full() {
            return Disk.remove_folder(path);
        }
        self.pass(true, "remove_folder", path)?;
        Disk.remove_folder(path)
    }

    fn end(&self, path: &Path) -> io::Result<FileEnd> {
        self.pass(false, "end", path)?;
        Disk.end(path)
    }

    fn tail(&self, path: &Path, bytes: u64, since: Option<FileEnd>) -> io::Result<Vec<u8>> {
        self.pass(false, "tail", path)?;
        Disk.tail(path, bytes, since)
    }

    fn problem_with_code(&self, path: &Path, executable: bool) -> Option<String> {
        Disk.problem_with_code(path, executable)
    }

    fn sync(&self, folders: &[&Path]) -> io::Result<()> {
        self.syncs.set(self.syncs.get() + 1);
        self.pass(true, "sync", folders.first().copied().unwrap_or(Path::new("")))
    }
}

/// A program with these changes.
pub(crate) fn with(program: Program, change: impl FnOnce(&mut Program)) -> Program {
    let mut program = program;
    change(&mut program);
    program
}

/// A program that is not started by itself.
pub(crate) fn idle(program: Program) -> Program {
    Program { autostart: false, autorestart: Autorestart::Unexpected, ..program }
}
