//! Many hosts: who may begin when, and a bounded number of threads that do it. Pure but for the
//! threads.
//!
//! One bad host never stops the others, unless the person said when it should: `--max-failures`, or
//! a first batch that must be healthy.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::event::Event;

/// How many lines may wait for the screen before the hosts wait for it.
const LINES_WAITING: usize = 256;

/// How a rollout goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How many hosts at once.
    pub parallel: NonZeroUsize,
    /// How many hosts before the next begin; the first of these batches must be healthy.
    pub batch: Option<Batch>,
    /// After how many failures no more hosts begin.
    pub max_failures: Option<NonZeroUsize>,
    /// How many had failed before.
    pub failed: usize,
}

impl Rules {
    /// Every host, so many at once.
    pub fn all(parallel: NonZeroUsize) -> Self {
        Self { parallel, batch: None, max_failures: None, failed: 0 }
    }
}

/// The size of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// So many hosts.
    Hosts(NonZeroUsize),
    /// This share of the hosts, 1 to 100, rounded up.
    Percent(u8),
}

impl Batch {
    fn of(self, hosts: usize) -> usize {
        match self {
            Self::Hosts(size) => size.get(),
            Self::Percent(percent) => (hosts * usize::from(percent)).div_ceil(100).max(1),
        }
    }
}

impl FromStr for Batch {
    type Err = &'static str;

    /// `5` or `10%`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "must be a number of hosts, as 5, or a share of them, as 10%";
        match text.strip_suffix('%') {
            Some(share) => match share.parse() {
                Ok(percent @ 1..=100) => Ok(Self::Percent(percent)),
                _ => Err(WANTED),
            },
            None => text.parse().map(Self::Hosts).map_err(|_| WANTED),
        }
    }
}

/// Why a host was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotReached {
    /// The first batch was not healthy.
    FirstBatch,
    /// As many hosts as were allowed to had failed.
    TooManyFailed,
    /// Ctrl-C.
    Interrupted,
    /// The system has no thread for it.
    NoThread,
}

impl fmt::Display for NotReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstBatch => "the first batch was not healthy",
            Self::TooManyFailed => "too many had failed",
            Self::Interrupted => "interrupted",
            Self::NoThread => "no thread could be started",
        })
    }
}

/// Whether a host's work came out well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Done,
    /// It did not.
    Failed,
}

/// What may happen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// This host begins.
    Begin(usize),
    /// Something must end first.
    Wait,
    /// Nothing will begin any more.
    Over,
}

/// Who may begin when. Hosts are numbered in the inventory's order.
#[derive(Debug)]
pub struct Schedule {
    hosts: usize,
    rules: Rules,
    batch: usize,
    next: usize,
    batch_end: usize,
    running: usize,
    failed: usize,
    stopped: Option<NotReached>,
}

impl Schedule {
    /// Nothing has begun.
    pub fn new(hosts: usize, rules: Rules) -> Self {
        let batch = rules.batch.map_or(hosts, |batch| batch.of(hosts));
        let failed = rules.failed;
        let mut schedule = Self {
            hosts,
            rules,
            batch,
            next: 0,
            batch_end: batch,
            running: 0,
            failed,
            stopped: None,
        };
        schedule.count_failures();
        schedule
    }

    /// Who begins now; a host that begins must end with [`ended`](Self::ended).
    pub fn turn(&mut self) -> Turn {
        if self.stopped.is_some() || self.next >= self.hosts {
            return Turn::Over;
        }
        if self.next == self.batch_end {
            if self.running > 0 {
                return Turn::Wait;
            }
            self.batch_end = self.batch_end.saturating_add(self.batch);
        }
        if self.running >= self.rules.parallel.get() {
            return Turn::Wait;
        }
        self.running += 1;
        self.next += 1;
        Turn::Begin(self.next - 1)
    }

    /// A host has ended.
    pub fn ended(&mut self, verdict: Verdict) {
        self.running = self.running.saturating_sub(1);
        if verdict == Verdict::Failed {
            self.failed += 1;
            let in_first_batch = self.batch_end == self.batch;
            if in_first_batch && self.rules.batch.is_some() {
                self.stop(NotReached::FirstBatch);
            }
            self.count_failures();
        }
    }

    /// Nobody begins any more.
    pub fn stop(&mut self, why: NotReached) {
        self.stopped.get_or_insert(why);
    }

    /// Why hosts were left out, if they were.
    pub fn stopped(&self) -> Option<NotReached> {
        self.stopped
    }

    fn count_failures(&mut self) {
        if self.rules.max_failures.is_some_and(|most| self.failed >= most.get()) {
            self.stop(NotReached::TooManyFailed);
        }
    }
}

/// What is told while it goes on, from the caller's own thread.
#[derive(Debug)]
pub enum Told<'r, R> {
    /// The system has no more threads than this, fewer than were wanted.
    FewThreads(usize),
    /// This host begins.
    Begun(usize),
    /// Something happened on this host.
    Event(usize, Event),
    /// This host has ended.
    Ended(usize, &'r R),
}

/// What a worker sends.
enum Message<R> {
    Begun(usize),
    Event(usize, Event),
    Ended(usize, R),
}

/// Does `work` for each of `hosts`, as the rules have it, and returns what became of each, in their
/// order. `stop` is asked before each begins.
pub fn roll_out<T: Send, R: Send>(
    hosts: Vec<T>,
    rules: Rules,
    stop: &(dyn Fn() -> bool + Sync),
    work: &(impl Fn(T, &mut dyn FnMut(Event)) -> (R, Verdict) + Sync),
    told: &mut dyn FnMut(Told<'_, R>),
) -> Vec<Result<R, NotReached>> {
    let count = hosts.len();
    let threads = rules.parallel.get().min(count);
    let board = Board {
        schedule: Mutex::new(Schedule::new(count, rules)),
        changed: Condvar::new(),
        hosts: Mutex::new(hosts.into_iter().map(Some).collect()),
    };
    let mut ended = BTreeMap::new();
    std::thread::scope(|scope| {
        let (messages, inbox) = sync_channel(LINES_WAITING);
        for thread in 0..threads {
            let (board, messages) = (&board, messages.clone());
            let worker = move || board.work(stop, work, &messages);
            let spawned = std::thread::Builder::new().spawn_scoped(scope, worker);
            if spawned.is_err() {
                if thread == 0 {
                    lock(&board.schedule).stop(NotReached::NoThread);
                }
                // Those that are there do it, more slowly.
                told(Told::FewThreads(thread));
                break;
            }
        }
        drop(messages);
        for message in inbox {
            match message {
                Message::Begun(host) => told(Told::Begun(host)),
                Message::Event(host, event) => told(Told::Event(host, event)),
                Message::Ended(host, result) => {
                    told(Told::Ended(host, &result));
                    ended.insert(host, result);
                }
            }
        }
    });
    let why = lock(&board.schedule).stopped().unwrap_or(NotReached::Interrupted);
    (0..count).map(|host| ended.remove(&host).ok_or(why)).collect()
}

/// What the workers share.
struct Board<T> {
    schedule: Mutex<Schedule>,
    changed: Condvar,
    hosts: Mutex<Vec<Option<T>>>,
}

impl<T> Board<T> {
    fn work<R>(
        &self,
        stop: &(dyn Fn() -> bool + Sync),
        work: &(impl Fn(T, &mut dyn FnMut(Event)) -> (R, Verdict) + Sync),
        messages: &SyncSender<Message<R>>,
    ) {
        while let Some((number, host)) = self.begin(stop) {
            // The caller listens until the last worker has ended.
            let _ = messages.send(Message::Begun(number));
            let mut events = |event| {
                let _ = messages.send(Message::Event(number, event));
            };
            let (result, verdict) = work(host, &mut events);
            let _ = messages.send(Message::Ended(number, result));
            lock(&self.schedule).ended(verdict);
            self.changed.notify_all();
        }
        self.changed.notify_all();
    }

    /// The next host, once there may be one; `None` when there will be no more.
    fn begin(&self, stop: &(dyn Fn() -> bool + Sync)) -> Option<(usize, T)> {
        let mut schedule = lock(&self.schedule);
        loop {
            if stop() {
                schedule.stop(NotReached::Interrupted);
            }
            match schedule.turn() {
                Turn::Begin(number) => {
                    let host = lock(&self.hosts).get_mut(number)?.take()?;
                    return Some((number, host));
                }
                Turn::Over => return None,
                Turn::Wait => {
                    schedule = self.changed.wait(schedule).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

/// A worker that panics ends the program; until it has, what it left is good enough.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn number(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    fn rules(parallel: usize, batch: Option<&str>, max_failures: Option<usize>) -> Rules {
        Rules {
            batch: batch.map(|text| text.parse().unwrap()),
            max_failures: max_failures.map(number),
            ..Rules::all(number(parallel))
        }
    }

    /// All that may begin now.
    fn begin(schedule: &mut Schedule) -> Vec<usize> {
        std::iter::from_fn(|| match schedule.turn() {
            Turn::Begin(host) => Some(host),
            Turn::Wait | Turn::Over => None,
        })
        .collect()
    }

    #[test]
    fn no_more_than_allowed_run_at_once() {
        let mut schedule = Schedule::new(5, rules(2, None, None));
        assert_eq!(begin(&mut schedule), [0, 1]);
        assert_eq!(schedule.turn(), Turn::Wait);
        schedule.ended(Verdict::Failed);
        assert_eq!(begin(&mut schedule), [2]);
        schedule.ended(Verdict::Done);
        schedule.ended(Verdict::Done);
        assert_eq!(begin(&mut schedule), [3, 4]);
        assert_eq!(schedule.turn(), Turn::Over);
        assert_eq!(schedule.stopped(), None);
    }

    #[test]
    fn a_batch_ends_before_the_next_begins() {
        let mut schedule = Schedule::new(5, rules(16, Some("40%"), None));
        assert_eq!(begin(&mut schedule), [0, 1]);
        schedule.ended(Verdict::Done);
        assert_eq!(schedule.turn(), Turn::Wait);
        schedule.ended(Verdict::Done);
        assert_eq!(begin(&mut schedule), [2, 3]);
        schedule.ended(Verdict::Failed);
        schedule.ended(Verdict::Done);
        assert_eq!(begin(&mut schedule), [4], "a later batch does not have to be healthy");
        assert_eq!(schedule.turn(), Turn::Over);
        assert_eq!(schedule.stopped(), None);
    }

    #[test]
    fn a_first_batch_that_is_not_healthy_is_the_last() {
        let mut schedule = Schedule::new(5, rules(1, Some("2"), None));
        assert_eq!(begin(&mut schedule), [0]);
        schedule.ended(Verdict::Failed);
        assert_eq!(schedule.turn(), Turn::Over);
        assert_eq!(schedule.stopped(), Some(NotReached::FirstBatch));
    }

    #[test]
    fn as_many_failures_as_allowed_stop_it() {
        let mut schedule = Schedule::new(9, rules(3, None, Some(2)));
        assert_eq!(begin(&mut schedule), [0, 1, 2]);
        schedule.ended(Verdict::Failed);
        assert_eq!(begin(&mut schedule), [3]);
        schedule.ended(Verdict::Failed);
        assert_eq!(schedule.turn(), Turn::Over);
        assert_eq!(schedule.stopped(), Some(NotReached::TooManyFailed));
        let before = Rules { failed: 2, ..rules(3, None, Some(2)) };
        assert_eq!(Schedule::new(9, before).turn(), Turn::Over, "those that failed before count");
    }

    #[test]
    fn a_batch_is_a_number_or_a_share() {
        assert_eq!("3".parse(), Ok(Batch::Hosts(number(3))));
        assert_eq!("10%".parse(), Ok(Batch::Percent(10)));
        for bad in ["0", "0%", "101%", "-1", "", "%", "1.5", "ten"] {
            assert!(bad.parse::<Batch>().is_err(), "{bad}");
        }
        assert_eq!(Batch::Percent(10).of(5), 1);
        assert_eq!(Batch::Percent(10).of(15), 2);
        assert_eq!(Batch::Percent(100).of(7), 7);
    }

    /// How many run now, and how many ran at most.
    #[derive(Default)]
    struct Gauge {
        now: AtomicUsize,
        most: AtomicUsize,
    }

    impl Gauge {
        fn enter(&self) {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
        }

        fn leave(&self) {
            self.now.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn five_thousand_hosts_take_sixteen_threads_and_each_has_its_outcome_in_order() {
        let gauge = Gauge::default();
        let work = |host: usize, events: &mut dyn FnMut(Event)| {
            gauge.enter();
            events(Event::LockHeld { holder: host.to_string() });
            gauge.leave();
            let verdict = if host.is_multiple_of(7) { Verdict::Failed } else { Verdict::Done };
            (host * 2, verdict)
        };
        let (mut begins, mut events, mut ends) = (0, 0, 0);
        let results =
            roll_out((0..5_000).collect(), rules(16, None, None), &|| false, &work, &mut |told| {
                match told {
                    Told::FewThreads(threads) => panic!("only {threads} threads"),
                    Told::Begun(_) => begins += 1,
                    Told::Event(host, event) => {
                        assert_eq!(event, Event::LockHeld { holder: host.to_string() });
                        events += 1;
                    }
                    Told::Ended(host, result) => {
                        assert_eq!(*result, host * 2);
                        ends += 1;
                    }
                }
            });
        let expected: Vec<_> = (0..5_000).map(|host| Ok(host * 2)).collect();
        assert_eq!(results, expected);
        assert_eq!((begins, events, ends), (5_000, 5_000, 5_000));
        assert!(gauge.most.load(Ordering::SeqCst) <= 16);
    }

    #[test]
    fn batches_hold_with_threads() {
        let finished = AtomicUsize::new(0);
        let work = |host: usize, _: &mut dyn FnMut(Event)| {
            let batch = host / 10;
            assert!(finished.load(Ordering::SeqCst) >= batch * 10, "host {host} began too early");
            finished.fetch_add(1, Ordering::SeqCst);
            ((), Verdict::Done)
        };
        let hosts = (0..100).collect();
        let results =
            roll_out(hosts, rules(4, Some("10"), None), &|| false, &work, &mut |_: Told<
                '_,
                (),
            >| {});
        assert!(results.iter().all(Result::is_ok));
    }

    #[test]
    fn what_is_not_reached_says_why() {
        let work = |host: usize, _: &mut dyn FnMut(Event)| {
            (host, if host == 1 { Verdict::Failed } else { Verdict::Done })
        };
        let hosts = || (0..6).collect();
        let told = &mut |_: Told<'_, usize>| {};
        let failed = roll_out(hosts(), rules(1, None, Some(1)), &|| false, &work, told);
        assert_eq!(failed.get(1..3), Some(&[Ok(1), Err(NotReached::TooManyFailed)][..]));
        let canary = roll_out(hosts(), rules(1, Some("2"), None), &|| false, &work, told);
        assert_eq!(canary.get(1..3), Some(&[Ok(1), Err(NotReached::FirstBatch)][..]));
        let stopped = roll_out(hosts(), rules(1, None, None), &|| true, &work, told);
        assert_eq!(stopped, vec![Err(NotReached::Interrupted); 6]);
    }
}
