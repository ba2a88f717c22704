//! The host of most cases: a disk in a temporary folder, a simulated supervisord and a clock turned by
//! hand. Our process is the engine; it is killed by a panic that nothing of it catches.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use supervisor_sync::api::{ApplyRequest, ChosenSite, Goal, Run, Writer};
use supervisor_sync::apply::ApplyOptions;
use supervisor_sync::desired::DaemonFacts;
use supervisor_sync::event::Event;
use supervisor_sync::host::{Engine, WayBack, last_run, way_back};
use supervisor_sync::inventory::{ProgramName, Programs as Chosen, Site};
use supervisor_sync::plan::{Intent, PlanOptions, Running};
use supervisor_sync::records::{Origin, StateDir};
use supervisor_sync::supervisord::{Answer, Call, CallError, Fault, ProcessInfo, Supervisord};
use supervisor_sync::system::files::{Entry, FileContent, FileEnd, Files as FilesDoor};
use supervisor_sync::system::{Disk, Interrupt};

use super::case::{End, Hand, How, SITES, Spec, Verb};
use super::world::{
    Asked, Done, Files, Programs, World, history, left, program, run_of, simulated_command,
};
use crate::simulated::{Bridge, Host};

/// The host.
pub(crate) struct Simulation {
    host: Host,
    /// How many runs there were; their ids are in that order.
    runs: u32,
}

impl Simulation {
    pub(crate) fn new() -> Self {
        let host = Host::new();
        for site in SITES {
            std::fs::create_dir_all(host.at(&format!("sites/{site}/current"))).unwrap();
        }
        Self { host, runs: 0 }
    }

    /// `None` where the verb would be refused before it asks a host.
    fn request(&mut self, asked: &Asked) -> Option<ApplyRequest> {
        let programs = match &asked.program {
            Some(name) => Chosen::Only([ProgramName::parse(name).unwrap()].into()),
            None => Chosen::All,
        };
        let chosen = |site: &String| ChosenSite {
            site: self.site(site, &asked.content[site]),
            programs: programs.clone(),
        };
        let mut request = ApplyRequest {
            sites: asked.sites.iter().map(chosen).collect(),
            goal: Goal::Inventory,
            plan: PlanOptions::default(),
            apply: ApplyOptions { verify: true, rollback: true, record: true },
            shown: None,
            lock_wait: 0,
            run: self.begin_run(asked, "apply"),
        };
        let ApplyRequest { plan, apply, .. } = &mut request;
        match asked.verb {
            Verb::Apply(how) => match how {
                How::Plain => {}
                How::Restart => *plan = PlanOptions::apply(Running::RestartAll),
                How::StartStopped => plan.start_stopped = true,
                How::NoRestart => *plan = PlanOptions::apply(Running::Leave),
                How::NoVerify => apply.verify = false,
                How::NoRollback => apply.rollback = false,
            },
            Verb::Prune => {
                let left = left(self, asked.inventory, &asked.content);
                let own = left.iter().filter(|one| one.writer == Writer::ThisInventory);
                let gone = own.map(|one| self.site(one.site.as_str(), &Programs::new()));
                request.sites.extend(gone.map(ChosenSite::whole));
            }
            Verb::Restart { rolling, start_stopped } => {
                *plan = PlanOptions::of(Intent::Restart);
                plan.start_stopped = start_stopped;
                plan.rolling = rolling.then_some(1);
                *apply = WITHOUT_RECORD;
            }
            Verb::Start | Verb::Stop => {
                let is_start = asked.verb == Verb::Start;
                *plan = PlanOptions::of(if is_start { Intent::Start } else { Intent::Stop });
                *apply = WITHOUT_RECORD;
            }
            Verb::Rollback => {
                plan.missing_code_is_a_warning = true;
                self.take_back(asked, &mut request)?;
            }
            Verb::RollbackTo(number) => {
                plan.missing_code_is_a_warning = true;
                request.goal = Goal::Revision(self.nth(asked, number)?);
            }
        }
        Some(request)
    }

    /// As the verb does it: the last run that is in effect at any of the sites, where it can be.
    fn take_back(&self, asked: &Asked, request: &mut ApplyRequest) -> Option<()> {
        let histories = history(self, &asked.sites);
        let revisions = |at: usize| histories[at].revisions.as_deref().unwrap();
        let last = (0..histories.len()).filter_map(|at| last_run(revisions(at))).max()?;
        let mut at = 0..histories.len();
        request.sites.retain(|_| {
            let at = at.next().unwrap();
            let is_free = histories[at].unfinished.is_none_or(|run| run == last);
            is_free && matches!(way_back(revisions(at), last), WayBack::To(_))
        });
        request.run.takes_back = Some(last);
        request.goal = Goal::Before(last);
        (!request.sites.is_empty()).then_some(())
    }

    fn nth(&self, asked: &Asked, number: u8) -> Option<u64> {
        let [site] = asked.sites.as_slice() else { return None };
        let history = history(self, std::slice::from_ref(site)).remove(0);
        let revisions = history.revisions.unwrap();
        let at = usize::from(number).checked_rem(revisions.len())?;
        Some(revisions[at].number)
    }

    fn begin_run(&mut self, asked: &Asked, command: &str) -> Run {
        self.runs += 1;
        let id = format!("20260101-{:02}{:02}00-0000", self.runs / 60, self.runs % 60);
        Run { id: id.parse().unwrap(), ..run_of(asked.inventory, command) }
    }
}

/// As a restart, a start or a stop have it.
const WITHOUT_RECORD: ApplyOptions = ApplyOptions { verify: true, rollback: false, record: false };

/// Thrown where our process is killed.
struct Killed;

/// Counts what our process does to the world, and ends it.
struct Fate<'a> {
    end: End,
    count: Cell<u16>,
    writes: Cell<usize>,
    interrupt: &'a Interrupt,
}

impl Fate<'_> {
    fn tick(&self) {
        self.count.set(self.count.get() + 1);
        match self.end {
            End::Kill(at) if at == self.count.get() => resume_unwind(Box::new(Killed)),
            End::Interrupt(at) if at == self.count.get() => self.interrupt.raise(),
            _ => {}
        }
    }

    fn write(&self) {
        self.tick();
        self.writes.set(self.writes.get() + 1);
    }
}

/// The disk, as our process sees it. Nothing is synced, for speed.
struct MortalFiles<'a>(&'a Fate<'a>);

impl FilesDoor for MortalFiles<'_> {
    fn read(&self, path: &Path) -> io::Result<Entry> {
        Disk.read(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        Disk.names(folder)
    }

    fn stage(&self, path: &Path, content: &FileContent) -> io::Result<()> {
        self.0.write();
        Disk.stage(path, content)
    }

    fn stage_link(&self, path: &Path, target: &Path) -> io::Result<()> {
        self.0.write();
        Disk.stage_link(path, target)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.write();
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if path.symlink_metadata().is_ok() {
            self.0.write();
        }
        Disk.remove(path)
    }

    fn remove_log(&self, path: &Path) -> io::Result<()> {
        Disk.remove_log(path)
    }

    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        if path.symlink_metadata().is_err() {
            self.0.write();
        }
        Disk.create_folder(path, mode)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        if path.symlink_metadata().is_ok() {
            self.0.write();
        }
        Disk.remove_folder(path)
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

    fn sync(&self, _: &[&Path]) -> io::Result<()> {
        self.0.write();
        Ok(())
    }
}

/// supervisord, as our process sees it.
struct MortalDaemon<'a>(Bridge, &'a Fate<'a>);

impl Supervisord for MortalDaemon<'_> {
    fn batch(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Fault>>, CallError> {
        self.1.tick();
        let answers = self.0.batch(calls);
        self.1.tick();
        answers
    }
}

impl World for Simulation {
    fn files(&self) -> Files {
        let mut files = Files::new();
        for folder in ["conf.d", "logrotate.d"] {
            for name in Disk.names(&self.host.at(folder)).unwrap() {
                let path = format!("{folder}/{name}");
                let Entry::File(content) = Disk.read(&self.host.at(&path)).unwrap() else {
                    unreachable!("{path}")
                };
                let text = String::from_utf8(content.bytes.to_vec()).unwrap();
                files.insert(path, format!("{:o} {text}", content.mode));
            }
        }
        files
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.host.at(path), text).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.host.at(path)).unwrap();
    }

    fn processes(&self) -> Vec<ProcessInfo> {
        self.host.daemon.borrow().processes()
    }

    fn loaded(&self, group: &str) -> Option<String> {
        self.host.daemon.borrow().loaded(group).map(|config| format!("{config:?}"))
    }

    fn by_hand(&mut self, namespec: &str, how: Hand) {
        let mut daemon = self.host.daemon.borrow_mut();
        match how {
            Hand::Kill => daemon.crash(namespec, 1),
            Hand::Stop => drop(daemon.call(Call::StopProcess(namespec.to_owned())).unwrap()),
            Hand::Start => drop(daemon.call(Call::StartProcess(namespec.to_owned())).unwrap()),
        }
    }

    fn boot(&mut self) {
        let mut bridge = Bridge::of(&self.host);
        if bridge.call(Call::ReloadConfig).unwrap().is_ok() {
            bridge.boot();
        }
    }

    fn turn(&mut self) {
        self.host.pass(0);
    }

    fn settle(&mut self) {
        self.host.pass(12);
    }

    fn run(&mut self, asked: &Asked) -> Done {
        let Some(request) = self.request(asked) else { return Done::default() };
        let interrupt = Interrupt::default();
        let fate = Fate {
            end: asked.end,
            count: Cell::new(0),
            writes: Cell::new(0),
            interrupt: &interrupt,
        };
        let files = MortalFiles(&fate);
        let mut daemon = MortalDaemon(Bridge::of(&self.host), &fate);
        let mut done = Done::default();
        let mut on = |event: Event| done.hear(event);
        let work = |engine: &mut Engine<'_>| {
            let sites: Vec<&ChosenSite> = request.sites.iter().collect();
            engine.apply(&sites, &request, &origin(&request.run))
        };
        let applied = catch_unwind(AssertUnwindSafe(|| {
            self.host.with_interrupt(&files, &mut daemon, &mut on, &interrupt, work)
        }));
        done.writes = fate.writes.get();
        match applied {
            Ok(applied) => applied.into_iter().for_each(|one| done.note(one)),
            Err(error) if error.is::<Killed>() => done.killed = true,
            Err(error) => resume_unwind(error),
        }
        done
    }

    fn site(&self, domain: &str, programs: &Programs) -> Site {
        let one = |(name, spec): (&String, &Spec)| program(name, spec, &simulated_command(spec));
        self.host.site_of(domain, programs.iter().map(one).collect())
    }

    fn state(&self) -> StateDir {
        self.host.state()
    }

    fn facts(&self) -> DaemonFacts {
        DaemonFacts::default()
    }

    fn state_base(&self) -> PathBuf {
        self.host.at("state")
    }
}

fn origin(run: &Run) -> Origin {
    Origin { run: Some(Box::new(run.clone())), ..crate::simulated::origin() }
}
