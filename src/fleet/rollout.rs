//! Many hosts: who may begin when, and a bounded number of threads that do it. Pure but for the
//! threads.
//!
//! One bad host never stops the others, unless the person said when it should: `--max-failures`, or
//! a first batch that must be healthy.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::str::FromStr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::system::Interrupt;

/// How many lines may wait for the screen before the hosts wait for it.
const LINES_WAITING: usize = 256;

/// How a rollout goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// How many hosts at once.
    pub(crate) parallel: NonZeroUsize,
    /// How many hosts before the next begin; the first of these batches must be healthy.
    pub(crate) batch: Option<BatchSize>,
    /// After how many failures no more hosts begin.
    pub(crate) max_failures: Option<NonZeroUsize>,
    /// How many had failed before.
    pub(crate) failed: usize,
}

impl Rules {
    /// Every host, so many at once.
    pub(crate) fn all(parallel: NonZeroUsize) -> Self {
        Self { parallel, batch: None, max_failures: None, failed: 0 }
    }
}

/// The size of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchSize {
    /// So many hosts.
    Hosts(NonZeroUsize),
    /// This share of the hosts, 1 to 100, rounded up.
    Percent(u8),
}

impl BatchSize {
    fn of(self, hosts: usize) -> usize {
        match self {
            Self::Hosts(size) => size.get(),
            Self::Percent(percent) => (hosts * usize::from(percent)).div_ceil(100).max(1),
        }
    }
}

impl FromStr for BatchSize {
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
pub(crate) enum NotReached {
    /// The first batch was not healthy.
    FirstBatch,
    /// As many hosts as were allowed to had failed.
    TooManyFailed,
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
pub(crate) enum HostOutcome {
    Done,
    /// It did not.
    Failed,
}

impl HostOutcome {
    pub(crate) fn of<R, E>(result: &Result<R, E>) -> Self {
        if result.is_ok() { Self::Done } else { Self::Failed }
    }
}

/// What may happen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextHost {
    /// This host begins.
    Begin(usize),
    /// Something must end first.
    Wait,
    /// Nothing will begin any more.
    NoMore,
}

/// Who may begin when. Hosts are numbered in the inventory's order.
#[derive(Debug)]
pub(crate) struct Schedule {
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
    pub(crate) fn new(hosts: usize, rules: Rules) -> Self {
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
    pub(crate) fn next_host(&mut self) -> NextHost {
        if self.stopped.is_some() || self.next >= self.hosts {
            return NextHost::NoMore;
        }
        if self.next == self.batch_end {
            if self.running > 0 {
                return NextHost::Wait;
            }
            self.batch_end = self.batch_end.saturating_add(self.batch);
        }
        if self.running >= self.rules.parallel.get() {
            return NextHost::Wait;
        }
        self.running += 1;
        self.next += 1;
        NextHost::Begin(self.next - 1)
    }

    /// A host has ended.
    pub(crate) fn ended(&mut self, outcome: HostOutcome) {
        self.running = self.running.saturating_sub(1);
        if outcome == HostOutcome::Failed {
            self.failed += 1;
            let in_first_batch = self.batch_end == self.batch;
            if in_first_batch && self.rules.batch.is_some() {
                self.stop(NotReached::FirstBatch);
            }
            self.count_failures();
        }
    }

    /// Nobody begins any more.
    pub(crate) fn stop(&mut self, why: NotReached) {
        self.stopped.get_or_insert(why);
    }

    /// Why hosts were left out, if they were.
    pub(crate) fn stopped(&self) -> Option<NotReached> {
        self.stopped
    }

    /// The hosts that have not begun.
    pub(crate) fn left_out(&self) -> Range<usize> {
        self.next..self.hosts
    }

    fn count_failures(&mut self) {
        if self.rules.max_failures.is_some_and(|most| self.failed >= most.get()) {
            self.stop(NotReached::TooManyFailed);
        }
    }
}

/// What is told while it goes on, from the caller's own thread.
#[derive(Debug)]
pub(crate) enum HostProgress<R> {
    /// The system has no more threads than this, fewer than were wanted.
    FewThreads(usize),
    /// This host has started.
    Started(usize),
    /// Something happened on this host.
    Event(usize, Event),
    /// This host has ended.
    Ended(usize, R),
    /// This host was not begun, and will not be any more: told of each at the end.
    NotReached(usize, NotReached),
}

/// Hands on what became of hosts in their order: each as soon as it is known of all before it.
#[derive(Debug)]
pub(crate) struct InTurn<R> {
    next: usize,
    /// Those that have ended before one that was begun earlier.
    early: BTreeMap<usize, R>,
}

impl<R> Default for InTurn<R> {
    fn default() -> Self {
        Self { next: 0, early: BTreeMap::new() }
    }
}

impl<R> InTurn<R> {
    /// This has become of a host; `each` is given whatever has its turn now.
    pub(crate) fn ended(&mut self, host: usize, result: R, each: &mut dyn FnMut(usize, R)) {
        self.early.insert(host, result);
        while let Some(result) = self.early.remove(&self.next) {
            each(self.next, result);
            self.next += 1;
        }
    }
}

/// Does `work` for each of `hosts`, as the rules have it. None begins once `interrupt` is raised. What
/// becomes of each is told and not kept: of fifty thousand hosts that would be gigabytes.
pub(crate) fn roll_out<T: Send, R: Send>(
    hosts: Vec<T>,
    rules: Rules,
    interrupt: &Interrupt,
    work: &(impl Fn(T, &mut dyn FnMut(Event)) -> (R, HostOutcome) + Sync),
    progress: &mut dyn FnMut(HostProgress<R>),
) {
    let count = hosts.len();
    let threads = rules.parallel.get().min(count);
    let shared = SharedSchedule {
        schedule: Mutex::new(Schedule::new(count, rules)),
        changed: Condvar::new(),
        hosts: Mutex::new(hosts.into_iter().map(Some).collect()),
    };
    std::thread::scope(|scope| {
        let (messages, inbox) = sync_channel(LINES_WAITING);
        for thread in 0..threads {
            let (shared, messages) = (&shared, messages.clone());
            let spawned = std::thread::Builder::new()
                .spawn_scoped(scope, move || shared.work(interrupt, work, &messages));
            if spawned.is_err() {
                if thread == 0 {
                    lock(&shared.schedule).stop(NotReached::NoThread);
                }
                // Those that are there do it, more slowly.
                progress(HostProgress::FewThreads(thread));
                break;
            }
        }
        drop(messages);
        for message in inbox {
            progress(message);
        }
    });
    let schedule = lock(&shared.schedule);
    let why = schedule.stopped().unwrap_or(NotReached::Interrupted);
    schedule.left_out().for_each(|host| progress(HostProgress::NotReached(host, why)));
}

/// What the workers share.
struct SharedSchedule<T> {
    schedule: Mutex<Schedule>,
    changed: Condvar,
    hosts: Mutex<Vec<Option<T>>>,
}

impl<T> SharedSchedule<T> {
    fn work<R>(
        &self,
        interrupt: &Interrupt,
        work: &(impl Fn(T, &mut dyn FnMut(Event)) -> (R, HostOutcome) + Sync),
        messages: &SyncSender<HostProgress<R>>,
    ) {
        while let Some((number, host)) = self.begin(interrupt) {
            // The caller listens until the last worker has ended.
            let _ = messages.send(HostProgress::Started(number));
            let (result, outcome) = work(host, &mut |event| {
                let _ = messages.send(HostProgress::Event(number, event));
            });
            let _ = messages.send(HostProgress::Ended(number, result));
            lock(&self.schedule).ended(outcome);
            self.changed.notify_all();
        }
        self.changed.notify_all();
    }

    /// The next host, once there may be one; `None` when there will be no more.
    fn begin(&self, interrupt: &Interrupt) -> Option<(usize, T)> {
        let mut schedule = lock(&self.schedule);
        loop {
            if interrupt.is_raised() {
                schedule.stop(NotReached::Interrupted);
            }
            match schedule.next_host() {
                NextHost::Begin(number) => {
                    let host = lock(&self.hosts).get_mut(number)?.take()?;
                    return Some((number, host));
                }
                NextHost::NoMore => return None,
                NextHost::Wait => {
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
        std::iter::from_fn(|| match schedule.next_host() {
            NextHost::Begin(host) => Some(host),
            NextHost::Wait | NextHost::NoMore => None,
        })
        .collect()
    }

    #[test]
    fn no_more_than_allowed_run() {
        let mut schedule = Schedule::new(5, rules(2, None, None));
        assert_eq!(begin(&mut schedule), [0, 1]);
        assert_eq!(schedule.next_host(), NextHost::Wait);
        schedule.ended(HostOutcome::Failed);
        assert_eq!(begin(&mut schedule), [2]);
        schedule.ended(HostOutcome::Done);
        schedule.ended(HostOutcome::Done);
        assert_eq!(begin(&mut schedule), [3, 4]);
        assert_eq!(schedule.next_host(), NextHost::NoMore);
        assert_eq!(schedule.stopped(), None);
    }

    #[test]
    fn batches_run_one_by_one() {
        let mut schedule = Schedule::new(5, rules(16, Some("40%"), None));
        assert_eq!(begin(&mut schedule), [0, 1]);
        schedule.ended(HostOutcome::Done);
        assert_eq!(schedule.next_host(), NextHost::Wait);
        schedule.ended(HostOutcome::Done);
        assert_eq!(begin(&mut schedule), [2, 3]);
        schedule.ended(HostOutcome::Failed);
        schedule.ended(HostOutcome::Done);
        assert_eq!(begin(&mut schedule), [4], "a later batch does not have to be healthy");
        assert_eq!(schedule.next_host(), NextHost::NoMore);
        assert_eq!(schedule.stopped(), None);
    }

    #[test]
    fn unhealthy_first_batch_is_last() {
        let mut schedule = Schedule::new(5, rules(1, Some("2"), None));
        assert_eq!(begin(&mut schedule), [0]);
        schedule.ended(HostOutcome::Failed);
        assert_eq!(schedule.next_host(), NextHost::NoMore);
        assert_eq!(schedule.stopped(), Some(NotReached::FirstBatch));
    }

    #[test]
    fn enough_failures_stop_rollout() {
        let mut schedule = Schedule::new(9, rules(3, None, Some(2)));
        assert_eq!(begin(&mut schedule), [0, 1, 2]);
        schedule.ended(HostOutcome::Failed);
        assert_eq!(begin(&mut schedule), [3]);
        schedule.ended(HostOutcome::Failed);
        assert_eq!(schedule.next_host(), NextHost::NoMore);
        assert_eq!(schedule.stopped(), Some(NotReached::TooManyFailed));
        let before = Rules { failed: 2, ..rules(3, None, Some(2)) };
        assert_eq!(
            Schedule::new(9, before).next_host(),
            NextHost::NoMore,
            "those that failed before count"
        );
    }

    #[test]
    fn batch_is_number_or_share() {
        assert_eq!("3".parse(), Ok(BatchSize::Hosts(number(3))));
        assert_eq!("10%".parse(), Ok(BatchSize::Percent(10)));
        for bad in ["0", "0%", "101%", "-1", "", "%", "1.5", "ten"] {
            assert!(bad.parse::<BatchSize>().is_err(), "{bad}");
        }
        assert_eq!(BatchSize::Percent(10).of(5), 1);
        assert_eq!(BatchSize::Percent(10).of(15), 2);
        assert_eq!(BatchSize::Percent(100).of(7), 7);
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
    fn sixteen_threads_serve_five_thousand_hosts() {
        let gauge = Gauge::default();
        let work = |host: usize, events: &mut dyn FnMut(Event)| {
            gauge.enter();
            events(Event::LockHeld { holder: host.to_string(), seconds: None });
            gauge.leave();
            let verdict =
                if host.is_multiple_of(7) { HostOutcome::Failed } else { HostOutcome::Done };
            (host * 2, verdict)
        };
        let (mut begins, mut events, mut results) = (0, 0, Vec::new());
        let mut turns = InTurn::default();
        roll_out(
            (0..5_000).collect(),
            rules(16, None, None),
            &Interrupt::default(),
            &work,
            &mut |told| match told {
                HostProgress::FewThreads(threads) => panic!("only {threads} threads"),
                HostProgress::Started(_) => begins += 1,
                HostProgress::Event(host, event) => {
                    assert_eq!(event, Event::LockHeld { holder: host.to_string(), seconds: None });
                    events += 1;
                }
                HostProgress::Ended(host, result) => {
                    turns.ended(host, result, &mut |host, result| results.push((host, result)));
                }
                HostProgress::NotReached(host, why) => panic!("{host}: {why}"),
            },
        );
        let expected: Vec<_> = (0..5_000).map(|host| (host, host * 2)).collect();
        assert_eq!(results, expected);
        assert_eq!((begins, events), (5_000, 5_000));
        assert!(gauge.most.load(Ordering::SeqCst) <= 16);
    }

    /// An answer of a host, counted as long as it is kept.
    struct CountedReply<'g>(&'g Gauge);

    impl<'g> CountedReply<'g> {
        fn new(gauge: &'g Gauge) -> Self {
            gauge.enter();
            Self(gauge)
        }
    }

    impl Drop for CountedReply<'_> {
        fn drop(&mut self) {
            self.0.leave();
        }
    }

    /// Replies are not kept, whatever the number of hosts.
    #[test]
    fn replies_are_not_kept() {
        let gauge = Gauge::default();
        let work =
            |_: usize, _: &mut dyn FnMut(Event)| (CountedReply::new(&gauge), HostOutcome::Done);
        let (mut turns, mut shown) = (InTurn::default(), 0);
        roll_out(
            (0..5_000).collect(),
            rules(1, None, None),
            &Interrupt::default(),
            &work,
            &mut |told| {
                if let HostProgress::Ended(host, reply) = told {
                    turns.ended(host, reply, &mut |_, _| shown += 1);
                }
            },
        );
        assert_eq!(shown, 5_000);
        // Those that wait for the screen, the one that is shown and the one that is made.
        let most = gauge.most.load(Ordering::SeqCst);
        assert!(most <= LINES_WAITING + 2, "{most} replies were kept at once");
    }

    #[test]
    fn hosts_take_turns_in_order() {
        let mut turns = InTurn::default();
        let mut ended = |host: usize| {
            let mut now = Vec::new();
            turns.ended(host, (), &mut |host, ()| now.push(host));
            now
        };
        assert_eq!(ended(2), [0; 0]);
        assert_eq!(ended(0), [0]);
        assert_eq!(ended(3), [0; 0]);
        assert_eq!(ended(1), [1, 2, 3]);
    }

    #[test]
    fn batches_hold_with_threads() {
        let finished = AtomicUsize::new(0);
        let work = |host: usize, _: &mut dyn FnMut(Event)| {
            let batch = host / 10;
            assert!(finished.load(Ordering::SeqCst) >= batch * 10, "host {host} began too early");
            finished.fetch_add(1, Ordering::SeqCst);
            ((), HostOutcome::Done)
        };
        let mut ended = 0;
        roll_out(
            (0..100).collect(),
            rules(4, Some("10"), None),
            &Interrupt::default(),
            &work,
            &mut |told| {
                ended += usize::from(matches!(told, HostProgress::Ended(..)));
            },
        );
        assert_eq!(ended, 100);
    }

    #[test]
    fn what_is_not_reached_says_why() {
        let work = |host: usize, _: &mut dyn FnMut(Event)| {
            ((), if host == 1 { HostOutcome::Failed } else { HostOutcome::Done })
        };
        for (rules, is_stopped, first, why) in [
            (rules(1, None, Some(1)), false, 2, NotReached::TooManyFailed),
            (rules(1, Some("2"), None), false, 2, NotReached::FirstBatch),
            (rules(1, None, None), true, 0, NotReached::Interrupted),
        ] {
            let interrupt = Interrupt::default();
            if is_stopped {
                interrupt.raise();
            }
            let mut left_out = Vec::new();
            roll_out((0..6).collect(), rules, &interrupt, &work, &mut |told| {
                if let HostProgress::NotReached(host, why) = told {
                    left_out.push((host, why));
                }
            });
            let expected: Vec<_> = (first..6).map(|host| (host, why)).collect();
            assert_eq!(left_out, expected);
        }
    }
}
