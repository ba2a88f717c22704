//! Many pages that stay open, and come and go: what the web view holds for them must not grow.
//!
//! `make load` has them open for an hour (`LOAD_MINUTES`), the suite for half a minute.

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
            ("KiB of memory", memory),
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
    /// How many pages were loaded, and how often one was opened anew.
    loaded: AtomicU64,
    opened: AtomicU64,
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
            let mut lines = 0;
            while !self.is_over() && lines < 250 + 50 * self.number {
                assert_ne!(stream.line(), "event: end");
                lines += 1;
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
    minutes.map_or(Duration::from_secs(30), |minutes| {
        Duration::from_secs(60 * minutes.parse::<u64>().unwrap())
    })
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
        turn: Mutex::new(()),
    };
    let samples = std::thread::scope(|scope| {
        for number in 0..PAGES {
            let cookie = browsers[number % BROWSERS].clone();
            let visitor = Visitor { visit: &visit, cookie, number };
            scope.spawn(move || visitor.stay());
        }
        let samples = watch(&web, &mut machines);
        visit.is_over.store(true, Ordering::Relaxed);
        // Who follows the log hears of it.
        machines.act(&["say", "the log ends"]);
        samples
    });
    let third = samples.len() / 3;
    let (first, last) =
        (Held::median(&samples[third / 2..third]), Held::median(&samples[2 * third..]));
    let Visit { loaded, opened, .. } = visit;
    println!("{} pages were loaded, {} opened", loaded.into_inner(), opened.into_inner());
    println!("at first: {first}\nat last: {last}");
    for ((what, first), (_, last)) in first.all().into_iter().zip(last.all()) {
        assert!(last <= first + first / 20 + 5, "{what} grow from {first} to {last}");
    }
    assert!(first.streams >= u64::try_from(PAGES * 9 / 10).unwrap(), "{first}");
    wait_until(PATIENCE, "nothing is left of them", || {
        let left = Held::by(&web);
        left.streams == 0 && left.files <= idle.files + 10 && left.threads <= idle.threads + 4
    });
    println!("nobody looks again: {}", Held::by(&web));
    web.end();
}

/// Has things happen as long as pages are open, and looks now and then at what is held.
fn watch(web: &Web, machines: &mut Machines) -> Vec<Held> {
    let (begun, lasts) = (Instant::now(), duration());
    let (mut samples, mut said) = (Vec::new(), 0);
    wait_until(lasts + PATIENCE, "the time is over", || {
        let each_second = begun.elapsed().as_secs() > said;
        if each_second {
            said += 1;
            machines.act(&["say", &format!("order {said}")]);
            // Thirty or more, however long it takes.
            if said.is_multiple_of(lasts.as_secs().div_ceil(60).max(1)) {
                let held = Held::by(web);
                println!("{said} s: {held}");
                samples.push(held);
            }
        }
        begun.elapsed() >= lasts
    });
    samples
}
