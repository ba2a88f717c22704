//! Promise: whatever was killed, how often and at which step, one full apply puts the host right.
//!
//! A round is a chain of one to four verbs of the real program, each killed or interrupted somewhere,
//! with supervisord itself ended and started again in between; then a full apply that nobody disturbs.
//! What a round does follows from its seed alone. `make soak` plays many:
//!
//! ```sh
//! SOAK_SEED=7 SOAK_ROUNDS=300 make soak
//! ```
//!
//! Seeds of rounds that have failed once are in `chain.seeds`, and are played first.

#![expect(clippy::disallowed_methods, reason = "writes files, reads variables, looks at records")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a check that fails fails the test")]
#![expect(clippy::print_stderr, reason = "a soak tells how far it is")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use supervisor_sync::desired::{DaemonFacts, DesiredSite, render};
use supervisor_sync::inventory;
use supervisor_sync::supervisord::MainConfig;

use crate::daemon::{PATIENCE, signal, wait_until};
use crate::site::{Host, Run};

/// Rounds in the suite, beside those of `chain.seeds`.
const ROUNDS: u64 = 1;
const SEED: u64 = 1;
/// The inventories a chain goes to and fro between.
const STATES: u64 = 4;
/// More lines than an apply of this site tells on its way.
const LINES: u64 = 24;
/// What a verb may be told to do something to. `hand` and `idle` are nobody's to wait for.
const PROGRAMS: [&str; 3] = ["change", "drain", "part"];

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// What is done to supervisord before a verb.
#[derive(Debug, Clone, Copy)]
enum Boot {
    No,
    /// As a service manager restarts it.
    Restart,
    /// Everything ends at once, and it starts again.
    PowerCut,
}

/// How a verb is ended.
#[derive(Debug, Clone, Copy)]
enum End {
    Kill,
    Term,
    TwoInterrupts,
}

/// One verb that is not let to its end.
#[derive(Debug)]
struct Link {
    boot: Boot,
    state: u64,
    arguments: Vec<&'static str>,
    program: Option<&'static str>,
    end: End,
    /// It is ended when it has told so many lines.
    lines: u64,
}

/// A round: the links, and where the apply at its end goes to.
struct Chain {
    links: Vec<Link>,
    boot: Boot,
    state: u64,
}

impl Chain {
    fn of(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let links = (0..=dice.below(4)).map(|_| Link::of(&mut dice)).collect();
        Self { links, boot: boot(&mut dice), state: dice.below(STATES) }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Link { boot, state, arguments, program, end, lines } in &self.links {
            let program = program.map_or(String::new(), |program| format!(" --program {program}"));
            let verb = arguments.join(" ");
            writeln!(f, "boot {boot:?}; state {state}: {verb}{program}; {end:?} at line {lines}")?;
        }
        write!(f, "boot {:?}; state {}: apply", self.boot, self.state)
    }
}

fn boot(dice: &mut Dice) -> Boot {
    dice.one_of(&[Boot::No, Boot::No, Boot::No, Boot::Restart, Boot::PowerCut])
}

impl Link {
    fn of(dice: &mut Dice) -> Self {
        const VERBS: [&[&str]; 11] = [
            &["apply", "--yes"],
            &["apply", "--yes"],
            &["apply", "--yes", "--restart"],
            &["apply", "--yes", "--no-verify"],
            &["apply", "--yes", "--no-rollback"],
            &["apply", "--yes", "--start-stopped"],
            &["rollback", "--yes"],
            &["restart", "--yes"],
            &["restart", "--yes", "--rolling"],
            &["stop", "--yes"],
            &["start", "--yes"],
        ];
        let arguments = dice.one_of(&VERBS);
        let narrow = arguments[0] != "rollback" && dice.below(3) == 0;
        Self {
            boot: boot(dice),
            state: dice.below(STATES),
            arguments: arguments.to_vec(),
            program: narrow.then(|| dice.one_of(&PROGRAMS)),
            end: dice.one_of(&[End::Kill, End::Kill, End::Term, End::TwoInterrupts]),
            lines: dice.below(LINES),
        }
    }
}

/// A host with the site that the chain is about, another site and a program of somebody else.
struct Scene {
    host: Host,
    /// The programs of the site that somebody may have stopped on purpose.
    stopped: BTreeSet<String>,
    others: Others,
}

/// What no verb may touch: files, and processes as long as supervisord is not ended.
#[derive(Debug, PartialEq, Eq)]
struct Others {
    files: BTreeMap<PathBuf, String>,
    pids: BTreeMap<String, i64>,
}

const FAST: &str = "startsecs: 0, stopwaitsecs: 20, health: {stable_for: 0}";

impl Scene {
    fn new() -> Option<Self> {
        let host = Host::start()?;
        let site = host.deploy("one.com");
        let drain = "trap 'sleep 0.3; exit 0' TERM\nwhile :; do sleep 0.05; done";
        site.script("drain.sh", &format!("#!/bin/sh\n{drain}\n"));
        host.deploy("two.com");
        host.daemon.write_conf("foreign", "[program:foreign]\ncommand=/bin/sleep 1000\n");
        let mut scene = Self {
            host,
            stopped: BTreeSet::from(["hand".to_owned()]),
            others: Others { files: BTreeMap::new(), pids: BTreeMap::new() },
        };
        scene.host.daemon.restart();
        for state in [1, 0] {
            scene.want(state);
            scene.host.run(&["apply", "--yes"]).ended(0);
        }
        scene.host.stop_by_hand("one.com-hand:one.com-hand");
        scene.others = scene.others();
        Some(scene)
    }

    /// Writes the inventory of a state.
    fn want(&self, state: u64) {
        let own = format!("own{state}");
        let parts = format!(", instances: separate, numprocs: {}", 1 + state % 3);
        let priority = format!(", priority: {}", 10 + state);
        let mut text = "  - domain: one.com\n    server: here\n    supervisors:\n".to_owned();
        for (name, more) in [
            ("keep", String::new()),
            ("change", format!("{priority}, numprocs: 2")),
            ("hand", priority.clone()),
            ("idle", format!("{priority}, autostart: {}", state == 3)),
            ("part", parts),
            (own.as_str(), String::new()),
        ] {
            let program = format!("program: {name}, command: /bin/sleep 1000, {FAST}{more}");
            text.push_str(&format!("      - {{{program}}}\n"));
        }
        let drain = format!("program: drain, script: drain.sh, {FAST}{priority}");
        text.push_str(&format!("      - {{{drain}}}\n"));
        text.push_str("  - domain: two.com\n    server: here\n    supervisors:\n");
        text.push_str(&format!("      - {{program: w, command: /bin/sleep 1000, {FAST}}}\n"));
        self.host.inventory(&text);
    }

    fn others(&self) -> Others {
        let mut files = self.files();
        files.retain(|path, _| !path.display().to_string().contains("one.com-"));
        let processes = self.host.daemon.processes().into_iter();
        let others = processes.filter(|process| !process.group.starts_with("one.com-"));
        Others { files, pids: others.map(|p| (p.namespec(), p.pid)).collect() }
    }

    fn files(&self) -> BTreeMap<PathBuf, String> {
        let folders = [self.host.daemon.conf_dir(), self.host.daemon.logrotate_dir()];
        let in_folder = |folder: &PathBuf| -> Vec<PathBuf> {
            crate::site::names(folder).iter().map(|name| folder.join(name)).collect()
        };
        let read = |path: PathBuf| (path.clone(), std::fs::read_to_string(path).unwrap());
        folders.iter().flat_map(in_folder).map(read).collect()
    }

    fn boot(&mut self, boot: Boot) {
        match boot {
            Boot::No => return,
            Boot::Restart => self.host.daemon.restart(),
            Boot::PowerCut => self.host.daemon.cut_power(),
        }
        self.host.wait_running(&["foreign:foreign", "two.com-w:two.com-w"]);
        self.others.pids = self.others().pids;
    }

    /// Starts the verb, ends it at its point and waits until it has ended.
    fn play(&mut self, link: &Link) {
        self.boot(link.boot);
        self.want(link.state);
        let mut arguments = [&link.arguments[..], &["--site", "one.com"]].concat();
        arguments.extend(link.program.iter().flat_map(|program| ["--program", program]));
        if link.arguments[0] == "stop" {
            match link.program {
                Some(program) => self.stopped.insert(program.to_owned()),
                None => {
                    self.stopped
                        .extend(["keep", "change", "idle", "part", "drain"].map(str::to_owned));
                    self.stopped.extend((0..STATES).map(|state| format!("own{state}")));
                    true
                }
            };
        }
        let mut running = self.host.command(&arguments).spawn();
        wait_until(PATIENCE, "the verb is at its point", || {
            let told = running.stderr().lines().count() as u64;
            told >= link.lines || running.has_ended()
        });
        match link.end {
            End::Kill => signal(running.id(), Signal::KILL),
            End::Term => signal(running.id(), Signal::TERM),
            End::TwoInterrupts => {
                signal(running.id(), Signal::INT);
                signal(running.id(), Signal::INT);
            }
        }
        wait_until(PATIENCE, "the verb has ended", || running.has_ended());
    }

    /// What the inventory of a state makes of the site.
    fn desired(&self) -> DesiredSite {
        let text = std::fs::read_to_string(self.host.path("home/deployer.yml")).unwrap();
        let inventory = inventory::read("deployer.yml", &text).unwrap();
        let config = MainConfig::load(Some(self.host.daemon.main_conf().as_path())).unwrap();
        render(
            &inventory.sites[0].site,
            &DaemonFacts { pidfile: config.pidfile, ..DaemonFacts::default() },
        )
        .unwrap()
    }

    /// The apply that nobody disturbs, and what is then to be so; the first thing that is not.
    fn finish(&mut self, chain: &Chain) -> Result<(), String> {
        self.boot(chain.boot);
        self.want(chain.state);
        let run = self.host.run(&["apply", "--yes"]);
        let told = format!("{}{}", run.stdout, run.stderr);
        self.check(&run).map_err(|what| format!("{what}\n--- the last apply\n{told}"))
    }

    fn check(&self, run: &Run) -> Result<(), String> {
        same("the exit status", &run.status, &0)?;
        let desired = self.desired();
        let mut files = self.files();
        files.retain(|path, _| path.display().to_string().contains("one.com-"));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let wanted: BTreeMap<PathBuf, String> =
            desired.files.iter().map(|(path, file)| (path.clone(), text(&file.bytes))).collect();
        same("the files", &files, &wanted)?;
        let own = |group: &String| group.starts_with("one.com-");
        let loaded: BTreeSet<String> = self.host.groups().into_iter().filter(own).collect();
        same("the groups", &loaded, &desired.groups.keys().cloned().collect())?;
        self.check_running(&desired)?;
        same("what is others'", &self.others(), &self.others)?;
        let plan = self.host.run(&["plan", "--exit-code"]);
        same(&format!("a plan afterwards\n{}", plan.stdout), &plan.status, &0)?;
        let mut names = crate::site::names(&self.host.state().join("sites/one.com"));
        names.retain(|name| name != "runs");
        same("the records", &names, &vec!["revisions".to_owned()])
    }

    fn check_running(&self, desired: &DesiredSite) -> Result<(), String> {
        for process in self.host.daemon.processes() {
            let Some(group) = desired.groups.get(&process.group) else { continue };
            let may_be_down = !group.autostart || self.stopped.contains(&group.program);
            if !may_be_down && !process.state.is_running() {
                return Err(format!("{} is {:?}", process.namespec(), process.state));
            }
        }
        Ok(())
    }
}

fn same<T: fmt::Debug + PartialEq>(what: &str, is: &T, wanted: &T) -> Result<(), String> {
    if is == wanted { Ok(()) } else { Err(format!("{what}\n  is     {is:?}\n  wanted {wanted:?}")) }
}

/// Plays the round of this seed; false where there is no supervisord.
fn play(seed: u64) -> bool {
    let Some(mut scene) = Scene::new() else { return false };
    let chain = Chain::of(seed);
    for link in &chain.links {
        scene.play(link);
    }
    if let Err(what) = scene.finish(&chain) {
        panic!("after this chain (play it again: SOAK_SEED={seed} SOAK_ROUNDS=1)\n{chain}\n{what}");
    }
    true
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The seeds of `chain.seeds`, unless a seed is asked for.
fn kept_seeds() -> Vec<u64> {
    if variable("SOAK_SEED").is_some() {
        return Vec::new();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/chain.seeds");
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
}

#[test]
fn any_chain_of_kills_ends_as_wanted() {
    let first = variable("SOAK_SEED").unwrap_or(SEED);
    let rounds = variable("SOAK_ROUNDS");
    let seeds = kept_seeds().into_iter().chain(first..first + rounds.unwrap_or(ROUNDS));
    for (number, seed) in seeds.enumerate() {
        if rounds.is_some() && number % 10 == 0 {
            eprintln!("round {number}, seed {seed}");
        }
        if !play(seed) {
            return;
        }
    }
}

#[test]
fn seed_determines_its_round() {
    let chains = |seed| Chain::of(seed).to_string();
    assert_eq!(chains(42), chains(42));
    assert_ne!(chains(42), chains(43));
}
