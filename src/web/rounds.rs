//! Asks the hosts in the background, so many at once, each again some time after its last answer. A host that
//! hangs keeps one thread and nobody else.

use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, Scope};
use std::time::Duration;

use jiff::Timestamp;

use super::Web;
use super::answers::{Answer, HostView};
use super::counters::add;
use super::followed::Followed;
use crate::api::Target;
use crate::error::CommandError;
use crate::fleet::{Fleet, HostWork, allow_many_files, history_of, leavers_of};
use crate::import::Unmanaged;
use crate::system::{Clock as _, Interrupt};
use crate::transport::SshSettings;

/// How long a process is watched that has just come up again: as long as `status` does.
const WATCH: u32 = 5;
/// What no inventory has is asked for this seldom: a host reads every file for it.
const UNMANAGED_EVERY: Duration = Duration::from_secs(300);
/// How soon it is seen that everything ends, or that the inventory has changed.
const MOMENT: Duration = Duration::from_millis(200);
/// How often the inventory is looked at.
const INVENTORY_EVERY: Duration = Duration::from_secs(2);

/// What it needs to ask.
pub(super) struct Rounds<'w> {
    pub(super) web: &'w Arc<Web>,
    pub(super) ssh: SshSettings,
    pub(super) interrupt: &'w Interrupt,
    pub(super) every: Duration,
}

/// Which hosts are asked now, and when each is to be asked again.
#[derive(Default)]
pub(super) struct Turns {
    due: Mutex<Vec<Turn>>,
    changed: Condvar,
}

struct Turn {
    host: String,
    /// On the clock of the process.
    at: Duration,
    is_asked: bool,
    /// Whether what it says now is not of now: it is asked again at once.
    is_outdated: bool,
    /// When it was asked last for what no inventory has.
    unmanaged_at: Option<Duration>,
}

impl<'w> Rounds<'w> {
    /// Begins as many threads as hosts are asked at once, and one that follows the inventory.
    pub(super) fn begin<'s>(
        self,
        scope: &'s Scope<'s, 'w>,
        parallel: NonZeroUsize,
        followed: Followed,
    ) -> Result<(), CommandError> {
        allow_many_files();
        let Self { web, ssh, interrupt, every } = self;
        let turns = &web.turns;
        turns.follow(web.answers.all_hosts().iter().map(|host| host.name().to_owned()));
        let no_thread = |source: std::io::Error| {
            CommandError::refused("the system has no thread to ask hosts with").caused_by(&source)
        };
        for number in 0..parallel.get() {
            let fleet = Fleet { ssh: ssh.clone(), interrupt: interrupt.clone(), watcher: None };
            let ask = move || ask_in_turn(web, &fleet, turns, every);
            match Builder::new().spawn_scoped(scope, ask) {
                Ok(_) => {}
                // Fewer do it, too.
                Err(_) if number > 0 => break,
                Err(source) => return Err(no_thread(source)),
            }
        }
        let follow = move || follow(web, followed, turns, interrupt);
        Builder::new().spawn_scoped(scope, follow).map(|_| ()).map_err(no_thread)
    }
}

fn ask_in_turn(web: &Web, fleet: &Fleet, turns: &Turns, every: Duration) {
    while !fleet.interrupt.is_raised() {
        let Some((name, wants_unmanaged)) = turns.next(web.clock.now()) else { continue };
        let Some(view) = web.answers.any_host(&name) else {
            turns.ended(&name, None);
            continue;
        };
        let answer = look(web, fleet, &view, wants_unmanaged);
        if fleet.interrupt.is_raised() {
            return;
        }
        let counters = &web.counters;
        add(if answer.is_ok() { &counters.answered } else { &counters.unanswered });
        web.answers.keep(&name, answer, web.clock.timestamp());
        turns.ended(&name, Some(web.clock.now() + every));
    }
}

/// One look at a host, over one connection.
fn look(
    web: &Web,
    fleet: &Fleet,
    view: &HostView,
    wants_unmanaged: bool,
) -> Result<Answer, CommandError> {
    let mut host = fleet.connect(&view.work.host)?;
    let former = view.last.as_ref().and_then(|last| last.unmanaged.clone());
    let former = former.filter(|_| !wants_unmanaged);
    ask(host.as_mut(), &view.work, former, || web.clock.timestamp())
}

fn ask(
    host: &mut dyn Target,
    work: &HostWork,
    former: Option<Arc<Result<Unmanaged, CommandError>>>,
    now: impl Fn() -> Timestamp,
) -> Result<Answer, CommandError> {
    let left = leavers_of(host, work)?.left;
    let sites = match work.sites.is_empty() {
        true => Vec::new(),
        false => host.status(work.chosen(), WATCH, false)?,
    };
    let at = now();
    // What is beside the point fails alone.
    let history = history_of(work, host);
    let unmanaged = former
        .unwrap_or_else(|| Arc::new(Unmanaged::of(host, &work.sites, work.other_instances())));
    Ok(Answer { at, sites, left, history, unmanaged: Some(unmanaged) })
}

/// Follows the inventory.
fn follow(web: &Web, mut followed: Followed, turns: &Turns, interrupt: &Interrupt) {
    let mut next = Duration::ZERO;
    while !interrupt.is_raised() {
        if web.clock.now() >= next {
            if let Some(work) = followed.changed() {
                web.answers.follow(work);
                turns.follow(web.answers.all_hosts().iter().map(|host| host.name().to_owned()));
            }
            next = web.clock.now() + INVENTORY_EVERY;
        }
        web.clock.wait(MOMENT);
    }
    turns.changed.notify_all();
}

impl Turns {
    /// The host that waits longest, and whether it is asked for what no inventory has; `None` if nobody is
    /// due for a while.
    fn next(&self, now: Duration) -> Option<(String, bool)> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = due.iter_mut().filter(|turn| !turn.is_asked);
        match waiting.min_by_key(|turn| turn.at).filter(|turn| turn.at <= now) {
            Some(turn) => {
                turn.is_asked = true;
                let since = turn.unmanaged_at.map(|at| now.saturating_sub(at));
                let wants_unmanaged = since.is_none_or(|since| since >= UNMANAGED_EVERY);
                if wants_unmanaged {
                    turn.unmanaged_at = Some(now);
                }
                Some((turn.host.clone(), wants_unmanaged))
            }
            None => {
                let _ = self.changed.wait_timeout(due, MOMENT);
                None
            }
        }
    }

    /// A host was asked, and has its next turn then; none if the inventory does not have it any more.
    fn ended(&self, host: &str, next: Option<Duration>) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        match (due.iter_mut().find(|turn| turn.host == host), next) {
            (Some(turn), Some(next)) => {
                turn.is_asked = false;
                turn.at = if turn.is_outdated { Duration::ZERO } else { next };
                turn.is_outdated = false;
            }
            (Some(_), None) => due.retain(|turn| turn.host != host),
            (None, _) => {}
        }
    }

    /// Something was done on a host: it is asked as soon as may be.
    pub(super) fn now(&self, host: &str) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = due.iter_mut().find(|turn| turn.host == host) {
            turn.at = Duration::ZERO;
            turn.is_outdated = turn.is_asked;
        }
        self.changed.notify_all();
    }

    /// These hosts and no others; who is new is due now.
    fn follow(&self, hosts: impl Iterator<Item = String>) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let mut former: Vec<Turn> = std::mem::take(&mut *due);
        for host in hosts {
            let place = former.iter().position(|turn| turn.host == host);
            let new = Turn {
                host,
                at: Duration::ZERO,
                is_asked: false,
                is_outdated: false,
                unmanaged_at: None,
            };
            due.push(place.map_or(new, |place| former.swap_remove(place)));
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn turns(hosts: &[&str]) -> Turns {
        let turns = Turns::default();
        turns.follow(hosts.iter().map(|host| (*host).to_owned()));
        turns
    }

    #[test]
    fn whoever_waits_longest_is_next() {
        let turns = turns(&["a", "b"]);
        assert_eq!(turns.next(SECOND), Some(("a".to_owned(), true)));
        assert_eq!(turns.next(SECOND), Some(("b".to_owned(), true)));
        assert_eq!(turns.next(SECOND), None, "both are asked");
        turns.ended("b", Some(3 * SECOND));
        turns.ended("a", Some(4 * SECOND));
        assert_eq!(turns.next(2 * SECOND), None, "nobody is due");
        assert_eq!(turns.next(5 * SECOND), Some(("b".to_owned(), false)));
        assert_eq!(turns.next(5 * SECOND), Some(("a".to_owned(), false)));
        turns.ended("a", Some(6 * SECOND));
        let later = SECOND + UNMANAGED_EVERY;
        assert_eq!(turns.next(later), Some(("a".to_owned(), true)), "all of it now and then");
    }

    #[test]
    fn host_that_was_changed_is_asked_again_at_once() {
        let turns = turns(&["a"]);
        turns.next(SECOND);
        turns.now("a");
        assert_eq!(turns.next(SECOND), None, "it is asked still");
        turns.ended("a", Some(99 * SECOND));
        assert_eq!(turns.next(SECOND), Some(("a".to_owned(), false)), "that was before the change");
        turns.ended("a", Some(99 * SECOND));
        assert_eq!(turns.next(SECOND), None);
        turns.now("a");
        assert_eq!(turns.next(SECOND), Some(("a".to_owned(), false)));
    }

    #[test]
    fn inventory_says_who_has_a_turn() {
        let turns = turns(&["a", "b"]);
        turns.next(SECOND);
        turns.follow(["b", "c"].map(str::to_owned).into_iter());
        turns.ended("a", Some(SECOND));
        assert_eq!(turns.next(SECOND), Some(("b".to_owned(), true)));
        assert_eq!(turns.next(SECOND), Some(("c".to_owned(), true)));
        assert_eq!(turns.next(9 * SECOND), None, "a has left");
    }
}
