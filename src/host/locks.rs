//! The locks of sites and of the supervisord, and how they are waited for.

use std::time::Duration;

use super::Engine;
use crate::error::CommandError;
use crate::event::Event;
use crate::inventory::Domain;
use crate::records::lock::deadline;
use crate::records::{Lock, LockError, Origin, StateDir};

/// How long the lock of the supervisord is waited for at least: others hold it for seconds, since
/// nobody keeps it while processes stop.
const DAEMON_PATIENCE: Duration = Duration::from_secs(120);
/// Between two tries of the locks of sites.
const LOCK_EVERY: Duration = Duration::from_millis(50);

/// A site whose lock is held.
pub(super) struct Locked<T> {
    site: T,
    lock: Lock,
}

/// Sites whose turn it is, or one whose lock could not be had.
pub(super) enum LockTurn<T> {
    Locked(Vec<Locked<T>>),
    NotLocked(T, CommandError),
}

impl<T> Locked<T> {
    /// The site, and its lock, which is let go when it is dropped.
    pub(super) fn into_parts(self) -> (T, Lock) {
        (self.site, self.lock)
    }
}

impl Engine<'_> {
    /// Does `work` for sites with their locks held: first for those whose locks are free, together,
    /// then for the others as theirs become free. No site's lock is held while another site's is
    /// waited for, so two callers cannot wait for each other.
    pub(super) fn with_locks<T>(
        &mut self,
        sites: Vec<T>,
        domain: impl Fn(&T) -> Domain,
        (origin, patience): (&Origin, Duration),
        work: &mut dyn FnMut(&mut Self, LockTurn<T>),
    ) {
        let mut until = deadline(self.doors.clock, patience);
        let mut waiting = sites;
        let mut is_told = false;
        while !waiting.is_empty() && !self.doors.interrupt.is_raised() {
            let Tried { locked, busy, failed } =
                try_locks(self.doors.state, waiting, &domain, origin);
            for (site, error) in failed {
                work(self, LockTurn::NotLocked(site, error));
            }
            if !locked.is_empty() {
                work(self, LockTurn::Locked(locked));
                // What we ourselves took is not what somebody else was waited for.
                until = deadline(self.doors.clock, patience);
            } else if self.doors.clock.now() >= until {
                for (site, error) in busy {
                    work(self, LockTurn::NotLocked(site, error.into()));
                }
                return;
            } else if let Some((_, LockError::Held { holder, .. })) = busy.first() {
                if !std::mem::replace(&mut is_told, true) {
                    let seconds = Some(until.saturating_sub(self.doors.clock.now()).as_secs());
                    let holder = holder.to_string();
                    (self.doors.events)(Event::LockHeld { holder, seconds });
                }
                self.doors.clock.wait(LOCK_EVERY);
            }
            waiting = busy.into_iter().map(|(site, _)| site).collect();
        }
    }

    /// Takes the lock of the supervisord.
    pub(super) fn lock_daemon(
        &mut self,
        origin: &Origin,
        patience: Duration,
    ) -> Result<Lock, CommandError> {
        let (state, until) = (self.doors.state, (self.doors.clock, self.doors.interrupt));
        let events = &mut *self.doors.events;
        let patience = patience.max(DAEMON_PATIENCE);
        let lock = state.lock(origin, patience, until, &mut |holder| {
            let seconds = Some(patience.as_secs());
            events(Event::LockHeld { holder: holder.to_string(), seconds });
        });
        Ok(lock?)
    }
}

/// What came of trying the locks of sites.
struct Tried<T> {
    locked: Vec<Locked<T>>,
    /// Somebody else holds theirs.
    busy: Vec<(T, LockError)>,
    failed: Vec<(T, CommandError)>,
}

fn try_locks<T>(
    state: &StateDir,
    sites: Vec<T>,
    domain: impl Fn(&T) -> Domain,
    origin: &Origin,
) -> Tried<T> {
    let mut tried = Tried { locked: Vec::new(), busy: Vec::new(), failed: Vec::new() };
    let locks = match state.site_locks().map_err(CommandError::from) {
        Ok(locks) => locks,
        Err(error) => {
            tried.failed.extend(sites.into_iter().map(|site| (site, error.clone())));
            return tried;
        }
    };
    for site in sites {
        match locks.lock(&domain(&site), origin) {
            Ok(lock) => tried.locked.push(Locked { site, lock }),
            Err(error @ LockError::Held { .. }) => tried.busy.push((site, error)),
            Err(error) => tried.failed.push((site, error.into())),
        }
    }
    tried
}
