//! What can happen to one of several sites, on a real supervisord: alone, and all of it in one apply.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rustix::io::Errno;
use supervisor_sync::api::{ChosenSite, Goal};
use supervisor_sync::apply::{FailedAt, Outcome};
use supervisor_sync::event::{Event, Step};
use supervisor_sync::inventory::{self, Site};
use supervisor_sync::plan::PlanOptions;
use supervisor_sync::supervisord::{
    Answer, Call, CallError, Client, Fault, FaultCode, ProcessState, Supervisord,
};
use supervisor_sync::system::Disk;
use supervisor_sync::system::files::Files;

use super::failure;
use crate::crash::{apply, client, origin_of, request, with_engine};
use crate::simulated::{Failing, FaultyFiles};
use crate::site::{Host, names};

/// What becomes of a site in the apply that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Good,
    /// supervisord refuses its new files.
    Refused,
    /// Its program does not stay up.
    Crashes,
    /// Its journal cannot be read.
    Journal,
    /// Somebody edits its file between plan and apply.
    Edited,
    /// Its program goes on for long when it is asked to stop.
    Drains,
}

use Shape::{Crashes, Drains, Edited, Good, Journal, Refused};

impl Shape {
    fn domain(self, number: usize) -> String {
        format!("{}{number}.com", format!("{self:?}").to_lowercase())
    }

    fn command(self, version: u32, host: &Host) -> String {
        let gate = host.path("gate");
        match (self, version) {
            (Crashes, 2) => "/bin/false".to_owned(),
            (Drains, _) => format!("{} {} {version}", host.path("drain").display(), gate.display()),
            _ => format!("/bin/sleep 100{version}"),
        }
    }
}

/// A host with a site for each shape, all applied once.
struct Bench {
    host: Host,
    shapes: Vec<(Shape, String)>,
    sites: Vec<Site>,
    /// The pids before the apply that is tried.
    pids: BTreeMap<String, i64>,
}

impl Bench {
    fn of(shapes: &[Shape]) -> Option<Self> {
        let host = Host::start()?;
        let drain = "#!/bin/sh\ntrap 'while [ ! -e \"$1\" ]; do sleep 0.05; done; exit 0' TERM\n\
                     : > \"$1.ready\"\nwhile :; do sleep 0.05; done\n";
        crate::site::write_executable(&host.path("drain"), drain);
        std::fs::create_dir(host.path("other-log")).unwrap();
        host.daemon.write_conf("theirs", "[program:theirs]\ncommand=/bin/sleep 1000\n");
        let named = shapes.iter().enumerate();
        let shapes: Vec<_> = named.map(|(number, s)| (*s, s.domain(number))).collect();
        for (_, domain) in &shapes {
            host.deploy(domain);
        }
        let mut bench = Self { host, shapes, sites: Vec::new(), pids: BTreeMap::new() };
        crate::daemon::reread(&mut bench.host.daemon.client()).unwrap();
        let theirs = Call::AddProcessGroup("theirs".to_owned());
        bench.host.daemon.client().call(theirs).unwrap().unwrap();
        bench.want(1);
        let ends = bench.apply(&Disk, &mut client(&bench.sites[0]), &mut |_| {});
        assert!(ends.values().all(|end| matches!(end, Outcome::Applied { .. })), "{ends:?}");
        bench.pids = bench.up();
        if bench.shapes.iter().any(|(shape, _)| *shape == Drains) {
            let ready = bench.host.path("gate.ready");
            crate::daemon::wait_until(crate::daemon::PATIENCE, "it drains", || ready.exists());
        }
        assert_eq!(bench.pids.len(), bench.shapes.len() + 1, "{:?}", bench.pids);
        Some(bench)
    }

    fn want(&mut self, version: u32) {
        let mut text = String::new();
        for (shape, domain) in &self.shapes {
            let command = shape.command(version, &self.host);
            let paths = match (shape, version) {
                (Refused, 2) => {
                    format!("    paths: {{log_dir: {}}}\n", self.host.path("other-log").display())
                }
                _ => String::new(),
            };
            text.push_str(&format!(
                "  - domain: {domain}\n    server: here\n{paths}    supervisors:\n      - {{program: w, \
                 command: \"{command}\", startsecs: 0, startretries: 0, stopwaitsecs: 60, \
                 autorestart: false, health: {{stable_for: 0}}}}\n"
            ));
        }
        self.host.inventory(&text);
        let text = std::fs::read_to_string(self.host.path("home/deployer.yml")).unwrap();
        let inventory = inventory::read("deployer.yml", &text).unwrap();
        self.sites = inventory.sites.into_iter().map(|placed| placed.site).collect();
    }

    fn apply(
        &self,
        files: &dyn Files,
        daemon: &mut dyn Supervisord,
        on: &mut dyn FnMut(Event),
    ) -> super::Ends {
        ends(apply(&self.sites, files, daemon, on))
    }

    fn conf(&self, domain: &str) -> PathBuf {
        self.host.conf(&format!("{domain}-w"))
    }

    fn text(&self, domain: &str) -> String {
        std::fs::read_to_string(self.conf(domain)).unwrap()
    }

    fn journal(&self, domain: &str) -> PathBuf {
        self.host.state().join("sites").join(domain).join("journal.groups.json")
    }

    fn revisions(&self, domain: &str) -> usize {
        names(&self.host.state().join("sites").join(domain).join("revisions")).len()
    }

    /// How the runs ended that left no revision, by the site's records.
    fn noted(&self, domain: &str) -> Vec<String> {
        let folder = self.host.state().join("sites").join(domain).join("runs");
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let end = |path: PathBuf| {
            let text = std::fs::read_to_string(path).unwrap();
            let noted: serde_json::Value = serde_json::from_str(&text).unwrap();
            noted["end"].as_str().unwrap().to_owned()
        };
        entries.map(|entry| end(entry.unwrap().path())).collect()
    }

    fn up(&self) -> BTreeMap<String, i64> {
        let processes = self.host.daemon.processes().into_iter();
        let up =
            processes.filter(|p| matches!(p.state, ProcessState::Running | ProcessState::Starting));
        up.map(|p| (p.group.trim_end_matches("-w").to_owned(), p.pid)).collect()
    }

    /// Nothing staged is left, and of journals only this.
    fn check_no_leftovers(&self, journals: &[&str], context: &str) {
        let folders = [self.host.daemon.conf_dir(), self.host.daemon.logrotate_dir()];
        let files = folders.iter().flat_map(|folder| names(folder));
        let staged: Vec<String> = files.filter(|name| name.ends_with('~')).collect();
        assert_eq!(staged, [""; 0], "{context}");
        for (_, domain) in &self.shapes {
            let own = names(&self.host.state().join("sites").join(domain));
            let left = own.iter().any(|name| name.starts_with("journal."));
            assert_eq!(left, journals.contains(&domain.as_str()), "{context}: {domain}: {own:?}");
        }
    }
}

fn ends(applied: Vec<supervisor_sync::api::AppliedSite>) -> super::Ends {
    let end = |one: supervisor_sync::api::AppliedSite| {
        let outcome = match one.report {
            Ok(report) => report.outcome,
            Err(cause) => Outcome::Refused { cause },
        };
        (one.site.to_string(), outcome)
    };
    applied.into_iter().map(end).collect()
}

/// Applies the second version to a site of each shape, and checks that each ends for itself.
fn try_shapes(shapes: &[Shape]) {
    let mut bench = or_skip!(Bench::of(shapes));
    let of = |shape: Shape| bench.shapes.iter().filter(move |(s, _)| *s == shape);
    let domains = |shape| of(shape).map(|(_, domain)| domain.clone()).collect::<Vec<_>>();
    let (good, refused, crashes) = (domains(Good), domains(Refused), domains(Crashes));
    let (journal, edited, drains) = (domains(Journal), domains(Edited), domains(Drains));
    let former: BTreeMap<String, String> =
        bench.shapes.iter().map(|(_, domain)| (domain.clone(), bench.text(domain))).collect();
    bench.want(2);
    // The plan as it is shown, before somebody edits and something is damaged.
    let mut request = request(&bench.sites);
    let all = request.sites.clone();
    let all: Vec<&ChosenSite> = all.iter().collect();
    let mut daemon = client(&bench.sites[0]);
    let planned = with_engine(&bench.sites[0], &Disk, &mut daemon, &mut |_| {}, |engine| {
        engine.plan(&all, Goal::Inventory, &PlanOptions::default())
    });
    let fingerprint = |plan: supervisor_sync::plan::PlanView| (plan.site.clone(), plan.fingerprint);
    let shown = planned.into_iter().map(|one| fingerprint(one.plan.unwrap())).collect();
    for domain in &journal {
        std::fs::write(bench.journal(domain), "{\"version\":1,\"site\":").unwrap();
    }
    let theirs = |domain: &String| former[domain].replace("sleep 1001", "sleep 1009");
    for domain in &edited {
        std::fs::write(bench.conf(domain), theirs(domain)).unwrap();
    }
    let waited = Cell::new(false);
    let committed = RefCell::new(Vec::new());
    let mut on = |event| match event {
        Event::Step { step: Step::Reread, .. } => {
            let _ = std::fs::remove_dir(bench.host.path("other-log"));
        }
        Event::Step { step: Step::Commit, site } => {
            committed.borrow_mut().push(site.to_string());
            // Only once all good ones are done may the slow one end.
            if good.iter().all(|one| committed.borrow().contains(one)) {
                waited.set(true);
                bench.host.open_gate();
            }
        }
        _ => {}
    };
    request.shown = Some(shown);
    let ends = ends(with_engine(&bench.sites[0], &Disk, &mut daemon, &mut on, |engine| {
        engine.apply(&all, &request, &origin_of(&request))
    }));
    let context = format!("{shapes:?}: {ends:?}");
    let now = bench.up();
    assert!(waited.get(), "{context}");
    assert_eq!(now["theirs"], bench.pids["theirs"], "{context}");
    for domain in good.iter().chain(&drains) {
        assert_eq!(ends[domain], Outcome::Applied { revision: Some(2) }, "{context}");
        assert_ne!(now[domain], bench.pids[domain], "{context}");
        assert_ne!(bench.text(domain), former[domain], "{context}");
        assert_eq!((bench.revisions(domain), bench.noted(domain)), (2, vec![]), "{context}");
    }
    for domain in refused.iter().chain(&crashes) {
        let Outcome::RolledBack { cause } = &ends[domain] else { panic!("{context}") };
        let at = if refused.contains(domain) { FailedAt::Reread } else { FailedAt::Verify };
        assert_eq!(cause.at, at, "{context}");
        assert!(cause.error.to_string().contains(domain.as_str()), "{context}");
        assert_eq!(bench.text(domain), former[domain], "{context}");
        assert!(now.contains_key(domain), "{context}: {now:?}");
        let noted = vec!["rolled_back".to_owned()];
        assert_eq!((bench.revisions(domain), bench.noted(domain)), (1, noted), "{context}");
    }
    for domain in journal.iter().chain(&edited) {
        let (at, words) = failure(&ends[domain]);
        assert_eq!(at, FailedAt::Start, "{context}");
        let journal = bench.journal(domain).display().to_string();
        assert!(words.contains(&journal) || words.contains("has changed since"), "{context}");
        assert_eq!((bench.revisions(domain), bench.noted(domain)), (1, vec![]), "{context}");
    }
    // No process but those that were to change.
    for domain in refused.iter().chain(&journal).chain(&edited) {
        assert_eq!(now[domain], bench.pids[domain], "{context}");
    }
    for domain in &journal {
        assert_eq!(bench.text(domain), former[domain], "{context}");
    }
    for domain in &edited {
        assert_eq!(bench.text(domain), theirs(domain), "{context}");
    }
    let left: Vec<&str> = journal.iter().map(String::as_str).collect();
    bench.check_no_leftovers(&left, &context);
    bench.check_good_are_done(&context);
}

impl Bench {
    /// Those that are done have nothing to do any more.
    fn check_good_are_done(&self, context: &str) {
        let is_done = |shape: &Shape| matches!(shape, Good | Drains);
        let named = self.shapes.iter().zip(&self.sites);
        let done = named.filter(|((shape, _), _)| is_done(shape));
        let done: Vec<Site> = done.map(|(_, site)| site.clone()).collect();
        let files = FaultyFiles::sound();
        let again = ends(apply(&done, &files, &mut client(&done[0]), &mut |_| {}));
        assert!(again.values().all(|end| *end == Outcome::Unchanged), "{context}: {again:?}");
        assert_eq!(files.syncs.get(), 0, "{context}");
    }
}

#[test]
fn each_failure_stays_its_sites() {
    for shape in [Refused, Crashes, Journal, Edited, Drains] {
        try_shapes(&[Good, shape, Good]);
    }
}

#[test]
fn failures_together_spare_good_sites() {
    try_shapes(&[Refused, Good, Crashes, Journal, Drains, Edited, Good, Refused, Crashes]);
}

/// A real supervisord that answers a fault to the n-th call that concerns one site, or whose n-th batch
/// with such a call is lost.
struct FaultyDaemon {
    client: Client,
    only: String,
    n: usize,
    code: Option<FaultCode>,
    count: usize,
}

impl FaultyDaemon {
    fn concerns(&self, call: &Call) -> bool {
        match call {
            Call::StopProcess(name)
            | Call::StartProcess(name)
            | Call::AddProcessGroup(name)
            | Call::RemoveProcessGroup(name) => name.starts_with(&self.only),
            _ => false,
        }
    }
}

impl Supervisord for FaultyDaemon {
    fn batch(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Fault>>, CallError> {
        let concerned = (0..calls.len()).filter(|at| self.concerns(&calls[*at]));
        let concerned: Vec<usize> = concerned.collect();
        let fails = self.n.checked_sub(self.count + 1).and_then(|nth| concerned.get(nth)).copied();
        self.count += concerned.len();
        let Some(at) = fails else { return self.client.batch(calls) };
        let Some(code) = self.code else {
            self.client.batch(calls)?;
            let source = std::io::ErrorKind::ConnectionReset.into();
            return Err(CallError::Broken { address: "supervisord".to_owned(), source });
        };
        let mut others = calls.to_vec();
        others.remove(at);
        let mut answers =
            if others.is_empty() { Vec::new() } else { self.client.batch(&others)? };
        answers.insert(at, Err(Fault::new(code, "not now")));
        Ok(answers)
    }
}

/// Goes from one version to the other and back, and each time something of the one in the middle fails.
struct Swing {
    bench: Bench,
    version: u32,
    domains: Vec<String>,
}

const BAD: &str = "good1.com";

impl Swing {
    fn new() -> Option<Self> {
        let bench = Bench::of(&[Good, Good, Good])?;
        let domains = bench.shapes.iter().map(|(_, domain)| domain.clone()).collect();
        Some(Self { bench, version: 1, domains })
    }

    /// Applies the other version. The good ones come to their end whatever becomes of the bad one,
    /// which is as its end says; a sound apply then brings it, too.
    fn swing(&mut self, files: &dyn Files, daemon: &mut dyn Supervisord, context: &str) -> Outcome {
        self.version = 3 - self.version;
        let (former, revisions) = (self.bench.text(BAD), self.bench.revisions(BAD));
        self.bench.want(self.version);
        let ends = self.bench.apply(files, daemon, &mut |_| {});
        let context = format!("{context}: {ends:?}");
        let wanted = format!("/bin/sleep 100{}", self.version);
        let up: BTreeSet<String> = self.bench.up().into_keys().collect();
        for domain in self.domains.iter().filter(|domain| *domain != BAD) {
            assert!(matches!(ends[domain], Outcome::Applied { .. }), "{context}");
            assert!(self.bench.text(domain).contains(&wanted), "{context}");
            assert!(up.contains(domain), "{context}: {up:?}");
        }
        match &ends[BAD] {
            Outcome::Applied { .. } => {
                assert!(self.bench.text(BAD).contains(&wanted), "{context}");
                assert_eq!(self.bench.revisions(BAD), revisions + 1, "{context}");
            }
            Outcome::RolledBack { .. } | Outcome::Refused { .. } => {
                assert_eq!(self.bench.text(BAD), former, "{context}");
                assert_eq!(self.bench.revisions(BAD), revisions, "{context}");
                assert!(up.contains(BAD), "{context}: {up:?}");
            }
            Outcome::Stuck { .. } => {}
            end => panic!("{end:?}: {context}"),
        }
        let end = ends[BAD].clone();
        if matches!(end, Outcome::RolledBack { .. }) {
            let noted = self.bench.noted(BAD);
            assert!(noted.iter().any(|noted| noted == "rolled_back"), "{context}: {noted:?}");
        }
        let sites = &self.bench.sites;
        let again = self.bench.apply(&Disk, &mut client(&sites[0]), &mut |_| {});
        let good = |end: &Outcome| matches!(end, Outcome::Applied { .. } | Outcome::Unchanged);
        assert!(again.values().all(good), "{context}, then {again:?}");
        assert!(self.bench.text(BAD).contains(&wanted) && self.bench.up().contains_key(BAD));
        self.bench.check_no_leftovers(&[], &context);
        end
    }
}

#[test]
fn each_call_fails_for_one_site() {
    let mut swing = or_skip!(Swing::new());
    let mut rolled_back = 0;
    let codes = [Some(FaultCode::Failed), Some(FaultCode::StillRunning), None];
    for code in codes {
        for n in 1.. {
            let mut daemon = FaultyDaemon {
                client: client(&swing.bench.sites[0]),
                only: format!("{BAD}-"),
                n,
                code,
                count: 0,
            };
            let context = format!("{code:?} of call {n}");
            if code.is_none() {
                // What is lost is lost for all whose calls were in it: each is put back or finished.
                swing.version = 3 - swing.version;
                swing.bench.want(swing.version);
                swing.bench.apply(&Disk, &mut daemon, &mut |_| {});
                let sound = &mut client(&swing.bench.sites[0]);
                let again = swing.bench.apply(&Disk, sound, &mut |_| {});
                let good =
                    |end: &Outcome| matches!(end, Outcome::Applied { .. } | Outcome::Unchanged);
                assert!(again.values().all(good), "{context}, then {again:?}");
                assert_eq!(swing.bench.up().len(), 4, "{context}");
                swing.bench.check_no_leftovers(&[], &context);
            } else {
                let end = swing.swing(&Disk, &mut daemon, &context);
                rolled_back += usize::from(matches!(end, Outcome::RolledBack { .. }));
            }
            if daemon.count < n {
                break;
            }
        }
    }
    assert!(rolled_back > 1, "{rolled_back}");
}

#[test]
fn disk_fails_for_one_site() {
    let mut swing = or_skip!(Swing::new());
    let mut ends = BTreeMap::new();
    // Every second operation, some for good: each one is tried on the simulated host.
    for n in (1..).step_by(2) {
        let failing = if n % 5 == 0 { Failing::From(n) } else { Failing::Once(n) };
        let mut files = FaultyFiles::new(Some(failing), Errno::IO);
        files.only = Some(BAD.to_owned());
        let context = format!("{failing:?}");
        let mut daemon = client(&swing.bench.sites[0]);
        let end = swing.swing(&files, &mut daemon, &context);
        let name = format!("{end:?}").split(' ').next().unwrap().to_owned();
        *ends.entry(name).or_insert(0) += 1;
        if files.failed.borrow().is_empty() {
            break;
        }
    }
    println!("{ends:?}");
    assert!(ends["RolledBack"] > 0 && ends["Refused"] > 2 && ends["Applied"] > 0, "{ends:?}");
}
