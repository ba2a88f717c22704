//! Promise: after a power cut at any point of an apply the next one puts everything right, whatever of
//! what was not synced the disk has kept.
//!
//! POWER_CUT_SAMPLES says how many states are drawn for each point, POWER_CUT_SEED which.

#![expect(clippy::disallowed_methods, reason = "builds and reads the host's files")]
#![expect(clippy::unwrap_used, reason = "a check that fails fails the test")]

mod disk;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use supervisor_sync::api::ChosenSite;
use supervisor_sync::apply::Outcome;
use supervisor_sync::inventory::{Program, Site};

use crate::simulated::{Bridge, FaultyFiles, Host, Order, origin, program, with};
use disk::{Bytes, FragileDisk, Node, PowerCut, Tree, make, tree};

/// A change that the power goes in.
struct Scenario {
    name: &'static str,
    /// The programs of both sites before; none for a first apply.
    former: Vec<Program>,
    wanted: Vec<Program>,
    /// What the second site wants instead.
    second: Option<Vec<Program>>,
}

fn scenarios() -> Vec<Scenario> {
    let worker = |text: &str| program("w", text);
    let scaled = |numprocs| vec![with(worker("runs"), |program| program.numprocs = numprocs)];
    let simple = |name, former: &[Program], wanted: &[Program]| Scenario {
        name,
        former: former.to_vec(),
        wanted: wanted.to_vec(),
        second: None,
    };
    vec![
        simple("first apply", &[], &[worker("runs one")]),
        simple("change", &[worker("runs one")], &[worker("runs two"), program("new", "runs")]),
        simple("removal", &[worker("runs"), program("gone", "runs")], &[worker("runs")]),
        simple("scaling", &scaled(1), &scaled(2)),
        Scenario {
            name: "undo",
            former: vec![worker("runs one")],
            wanted: vec![worker("runs two")],
            second: Some(vec![worker("exits-0-1")]),
        },
    ]
}

/// The host with a foreign file, and what becomes of it.
struct Bench {
    host: Host,
    before: Tree,
}

impl Bench {
    fn new(scenario: &Scenario) -> Self {
        let host = Host::new();
        for domain in ["a.com", "b.com", "c.com"] {
            std::fs::create_dir_all(host.at(&format!("sites/{domain}/current"))).unwrap();
        }
        std::fs::write(host.at("conf.d/foreign.conf"), "[program:foreign]\ncommand=runs\n")
            .unwrap();
        let bench = Self { host, before: Tree::new() };
        bench.boot();
        if !scenario.former.is_empty() {
            bench.apply(&bench.both(&scenario.former));
        }
        Self { before: tree(bench.host.root()), ..bench }
    }

    fn both(&self, programs: &[Program]) -> Vec<Site> {
        ["a.com", "b.com"].map(|domain| self.host.site_of(domain, programs.to_vec())).to_vec()
    }

    /// supervisord starts with the files that are there.
    fn boot(&self) {
        Bridge::of(&self.host).boot();
        self.host.pass(2);
    }

    fn apply(&self, sites: &[Site]) -> BTreeMap<String, Outcome> {
        self.apply_with(sites, &FaultyFiles::sound())
    }

    fn apply_with(
        &self,
        sites: &[Site],
        files: &dyn supervisor_sync::system::files::Files,
    ) -> BTreeMap<String, Outcome> {
        let request = Order::default().request(sites);
        let all: Vec<&ChosenSite> = request.sites.iter().collect();
        let applied = self.host.with(files, &mut Bridge::of(&self.host), &mut |_| {}, |engine| {
            engine.apply(&all, &request, &origin())
        });
        let end = |one: supervisor_sync::api::AppliedSite| {
            let outcome = match one.report {
                Ok(report) => report.outcome,
                Err(cause) => Outcome::Refused { cause },
            };
            (one.site.to_string(), outcome)
        };
        applied.into_iter().map(end).collect()
    }

    /// Files that count: not our records, nor what no daemon reads.
    fn files(&self) -> BTreeMap<PathBuf, Node> {
        let mut files = tree(self.host.root());
        files.retain(|path, node| {
            let is_staged = path.to_string_lossy().ends_with('~');
            let is_record = path.starts_with(self.host.at("state"));
            matches!(node, Node::File { .. }) && !is_record && !is_staged
        });
        files
    }

    /// Files and processes after a sound apply of these from before.
    fn as_wanted(&self, sites: &[Site]) -> (BTreeMap<PathBuf, Node>, BTreeSet<String>) {
        make(self.host.root(), &self.before);
        self.boot();
        self.apply(sites);
        (self.files(), self.host.look().up)
    }
}

/// A few numbers that look random, always the same for a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Which changes were kept, and which bytes of each.
type State = (Vec<bool>, Vec<Bytes>);

/// All or none was kept, and with few changes every choice of them; then a sample, of which one half has
/// lost the last changes only.
fn states(pending: usize, samples: u64, draw: &mut Draw) -> Vec<State> {
    let mut states = vec![
        (vec![true; pending], vec![Bytes::Whole; pending]),
        (vec![true; pending], vec![Bytes::None; pending]),
        (vec![false; pending], vec![Bytes::Whole; pending]),
    ];
    if pending <= 3 {
        for bits in 1..(1_usize << pending).saturating_sub(1) {
            let kept: Vec<bool> = (0..pending).map(|index| bits >> index & 1 == 1).collect();
            states.push((kept, vec![Bytes::Whole; pending]));
        }
    }
    for _ in 0..samples {
        let ordered = draw.below(2) == 0;
        let cut = draw.below(pending as u64 + 1) as usize;
        let kept: Vec<bool> = (0..pending)
            .map(|index| if ordered { index < cut } else { draw.below(2) == 0 })
            .collect();
        let bytes = (0..pending).map(|_| match draw.below(4) {
            0 => Bytes::Half,
            1 => Bytes::None,
            _ => Bytes::Whole,
        });
        states.push((kept, bytes.collect()));
    }
    states
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn next_apply_mends_power_cut() {
    let samples = number("POWER_CUT_SAMPLES", 2);
    let mut draw = Draw(number("POWER_CUT_SEED", 1));
    let mut tried = 0;
    let mut failures = BTreeMap::new();
    for scenario in scenarios() {
        let bench = Bench::new(&scenario);
        let nexts = nexts(&bench, &scenario);
        for n in 1.. {
            let Some(disk) = cut(&bench, &scenario, n) else { break };
            for (kept, bytes) in states(disk.pending(), samples, &mut draw) {
                tried += 1;
                let state = disk.after(&kept, |index| bytes[index]);
                let found = catch_unwind(AssertUnwindSafe(|| {
                    check(&bench, &nexts[tried % nexts.len()], &state);
                }));
                if let Err(error) = found {
                    let text = error.downcast_ref::<String>().cloned().unwrap_or_default();
                    let key = format!("{} {n}", scenario.name);
                    failures.entry(key).or_insert(format!("{kept:?} {bytes:?} {text}"));
                }
            }
        }
    }
    println!("{tried} states");
    assert!(failures.is_empty(), "{} points of {tried} states: {failures:#?}", failures.len());
    assert!(tried > 500, "{tried}");
}

/// Applies until the power goes after `n` changes; `None` if it does not.
fn cut(bench: &Bench, scenario: &Scenario, n: usize) -> Option<FragileDisk> {
    make(bench.host.root(), &bench.before);
    bench.boot();
    let disk = FragileDisk::new(bench.host.root(), n);
    let mut wanted = bench.both(&scenario.wanted);
    if let Some(second) = &scenario.second {
        wanted[1] = bench.host.site_of("b.com", second.clone());
    }
    let cut = catch_unwind(AssertUnwindSafe(|| bench.apply_with(&wanted, &disk)));
    match cut {
        Ok(_) => None,
        Err(error) if error.is::<PowerCut>() => Some(disk),
        Err(error) => std::panic::resume_unwind(error),
    }
}

/// An inventory that is applied after the power cut, and what must come of it.
struct Next {
    sites: Vec<Site>,
    files: BTreeMap<PathBuf, Node>,
    up: BTreeSet<String>,
}

/// The former inventory, the one that was being applied, and another.
fn nexts(bench: &Bench, scenario: &Scenario) -> Vec<Next> {
    [scenario.former.clone(), scenario.wanted.clone(), vec![program("w", "runs other")]]
        .map(|programs| {
            let sites = bench.both(&programs);
            let (files, up) = bench.as_wanted(&sites);
            Next { sites, files, up }
        })
        .into()
}

/// The power is back with this on the disk, and the next apply comes.
fn check(bench: &Bench, Next { sites, files, up }: &Next, state: &Tree) {
    make(bench.host.root(), state);
    bench.boot();
    assert!(bench.host.daemon.borrow().is_up(), "supervisord does not start");
    let ends = bench.apply(sites);
    let good = |end: &Outcome| matches!(end, Outcome::Applied { .. } | Outcome::Unchanged);
    assert!(ends.values().all(good), "{ends:?}");
    assert_eq!(bench.files(), *files, "{ends:?}");
    assert_eq!(bench.host.look().up, *up, "{ends:?}");
    // What was being written when the power went counts as not written, and is written over one day.
    let is_torn = |path: &String| {
        let bytes = std::fs::read(bench.host.at(path)).unwrap();
        path.ends_with("journal.files.json")
            && serde_json::from_slice::<serde_json::Value>(&bytes).is_err()
    };
    let mut left = bench.host.leftovers();
    left.retain(|path| !path.ends_with('~') && !is_torn(path));
    assert_eq!(left, [""; 0], "{ends:?}");
    assert_eq!(bench.host.differs(), [""; 0], "{ends:?}");
    let again = bench.apply(sites);
    assert!(again.values().all(|end| *end == Outcome::Unchanged), "{ends:?}, then {again:?}");
}
