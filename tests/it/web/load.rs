//! Many pages that stay open, and come and go: what the web view holds for them must not grow.
//!
//! `make load` has them open for an hour (`LOAD_MINUTES`), the suite until some thousand were loaded.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::following::Stream;
use super::machines::Machines;
use super::{PATIENCE, Web, wait_until};
use crate::daemon::children;

/// Pages that are open at the same time.
const PAGES: usize = 200;
/// How many of them follow a log: each keeps a connection to the host.
const LOGS: usize = 20;
/// How often pages are loaded until what is held is looked at, and twice as often after that.
const LOADED: u64 = 1500;
const MEMORY: &str = "KiB of memory";
/// Browsers in which they are.
const BROWSERS: usize = 20;
/// What is followed and loaded again.
const PATHS: [&str; 6] = [
    "/",
    "/hosts",
    "/history",
    "/hosts/web2",
    "/?q=shop&show=problems",
    "/hosts/db1/sites/jobs.example/programs/imports",
];

/// What the process holds at a moment.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Its resident memory, in KiB.
    memory: u64,
    files: u64,
    threads: u64,
    /// Processes that it has started: ssh.
    children: u64,
    connections: u64,
    streams: u64,
}

impl Held {
    fn by(web: &Web) -> Self {
        let pid = web.running.id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let metrics = web.ask("GET", "/metrics", "").body;
        let number = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let count = |number: usize| u64::try_from(number).unwrap();
        Self {
            memory: number(&status, "VmRSS:"),
            files: count(std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()),
            threads: number(&status, "Threads:"),
            children: count(children(pid).len()),
            connections: number(&metrics, "supervisor_sync_web_connections "),
            streams: number(&metrics, "supervisor_sync_web_streams "),
        }
    }

    fn all(self) -> [(&'static str, u64); 6] {
        let Self { memory, files, threads, children, connections, streams } = self;
        [
            (MEMORY, memory),
            ("open files", files),
            ("threads", threads),
            ("processes of ssh", children),
            ("connections", connections),
            ("streams", streams),
        ]
    }

    /// The median of each number.
    fn median(samples: &[Self]) -> Self {
        let of = |number: fn(&Self) -> u64| {
            let mut numbers: Vec<u64> = samples.iter().map(number).collect();
            numbers.sort_unstable();
            numbers[numbers.len() / 2]
        };
        Self {
            memory: of(|held| held.memory),
            files: of(|held| held.files),
            threads: of(|held| held.threads),
            children: of(|held| held.children),
            connections: of(|held| held.connections),
            streams: of(|held| held.streams),
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.all().map(|(name, number)| format!("{number} {name}"));
        f.write_str(&words.join(", "))
    }
}

/// What all visitors have in common.
struct Visit<'w> {
    web: &'w Web,
    is_over: AtomicBool,
    /// Pages that were loaded, streams that were opened, and logs of which a line has come.
    loaded: AtomicU64,
    opened: AtomicU64,
    followed: AtomicU64,
    /// Who is about to follow a log: sshd refuses some of those that come all at once.
    turn: Mutex<()>,
}

/// Somebody with a page that is open, or a log.
struct Visitor<'v> {
    visit: &'v Visit<'v>,
    cookie: String,
    number: usize,
}

impl Visitor<'_> {
    fn stay(&self) {
        match self.number < LOGS {
            true => self.follow(),
            false => self.look(),
        }
    }

    /// Loads the page at each change, and opens it anew now and then.
    fn look(&self) {
        let path = PATHS[self.number % PATHS.len()];
        while !self.is_over() {
            let mut stream = self.open("/live");
            let mut changes = 0;
            while !self.is_over() && changes <= self.number % 7 {
                if stream.line() == "event: changed" {
                    changes += 1;
                    self.load(path);
                }
            }
        }
    }

    /// Follows the log, and leaves it after some lines, of which it begins with 200.
    fn follow(&self) {
        while !self.is_over() {
            let turn = self.visit.turn.lock().unwrap();
            let mut stream = self.open("/hosts/web1/sites/shop.example/programs/queue/log");
            stream.wait_for("event: line");
            drop(turn);
            self.visit.followed.fetch_add(1, Ordering::Relaxed);
            let mut lines = 0;
            while !self.is_over() && lines < 250 + 50 * self.number {
                let line = stream.line();
                assert_ne!(line, "event: end");
                lines += usize::from(line == "event: line");
            }
        }
    }

    fn open(&self, path: &str) -> Stream {
        self.visit.opened.fetch_add(1, Ordering::Relaxed);
        Stream::of(self.visit.web, &self.cookie, path)
    }

    fn load(&self, path: &str) {
        let answer = self.visit.web.ask("GET", path, &format!("Cookie: {}\r\n", self.cookie));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        self.visit.loaded.fetch_add(1, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.visit.is_over.load(Ordering::Relaxed)
    }
}

/// How long pages are open.
fn duration() -> Duration {
    let minutes = std::env::var("LOAD_MINUTES").ok();
    let minutes = minutes.map_or(0, |minutes| minutes.parse().unwrap());
    Duration::from_secs(60 * minutes)
}

#[test]
fn open_pages_take_no_more_with_time() {
    let mut machines = or_skip!(Machines::start());
    let web = machines.web();
    let idle = Held::by(&web);
    println!("nobody looks: {idle}");
    let mut browsers = vec![web.cookie.clone()];
    while browsers.len() < BROWSERS {
        wait_until(PATIENCE, "the next link", || web.links().len() > browsers.len());
        browsers.push(web.sign_in(&web.links()[browsers.len()]));
    }
    machines.act(&["say", "the log begins"]);
    let visit = Visit {
        web: &web,
        is_over: AtomicBool::new(false),
        loaded: AtomicU64::new(0),
        opened: AtomicU64::new(0),
        followed: AtomicU64::new(0),
        turn: Mutex::new(()),
    };
    let (first, last) = std::thread::scope(|scope| {
        for number in 0..PAGES {
            let cookie = browsers[number % BROWSERS].clone();
            let visitor = Visitor { visit: &visit, cookie, number };
            scope.spawn(move || visitor.stay());
        }
        let held = watch(&visit, &mut machines);
        visit.is_over.store(true, Ordering::Relaxed);
        // Who follows the log hears of it.
        machines.act(&["say", "the log ends"]);
        held
    });
    let Visit { loaded, opened, .. } = visit;
    println!("{} pages were loaded, {} opened", loaded.into_inner(), opened.into_inner());
    println!("at first: {first}\nat last: {last}");
    for ((what, first), (_, last)) in first.all().into_iter().zip(last.all()) {
        // Pages come and go: what is left behind by each of thousands is more than this.
        let more = if what == MEMORY { first / 20 } else { first / 4 + 10 };
        assert!(last <= first + more, "{what} grow from {first} to {last}");
    }
    wait_until(PATIENCE, "nothing is left of them", || {
        let left = Held::by(&web);
        left.streams == 0 && left.files <= idle.files + 10 && left.threads <= idle.threads + 4
    });
    println!("nobody looks again: {}", Held::by(&web));
    web.end();
}

/// What is held once each page is open and was loaded often, and at the end.
fn watch(visit: &Visit<'_>, machines: &mut Machines) -> (Held, Held) {
    let (begun, lasts) = (Instant::now(), duration());
    let mut said = 0;
    let mut until = |what: &str, is_enough: &dyn Fn(usize) -> bool| {
        let mut samples = Vec::new();
        wait_until(lasts + 4 * PATIENCE, what, || {
            if begun.elapsed().as_secs() <= said {
                return false;
            }
            said += 1;
            machines.act(&["say", &format!("order {said}")]);
            let held = Held::by(visit.web);
            if said.is_multiple_of(lasts.as_secs() / 60 + 1) {
                println!("{said} s: {held}");
            }
            samples.push(held);
            is_enough(samples.len())
        });
        Held::median(&samples)
    };
    let loaded = || visit.loaded.load(Ordering::Relaxed);
    until("all pages are open", &|_| {
        visit.followed.load(Ordering::Relaxed) >= LOGS as u64 && loaded() >= LOADED
    });
    let first = until("the first look", &|samples| samples == 5);
    until("the time is over", &|_| begun.elapsed() >= lasts && loaded() >= 3 * LOADED);
    (first, until("the last look", &|samples| samples == 5))
}
