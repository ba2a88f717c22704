//! What revisions changed, as hosts tell it: asked for in the background when somebody looks, and kept. A page
//! shows what is known by now, and hears when there is more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::api::{RunId, SiteDiff};
use crate::error::CommandError;
use crate::fleet::{Fleet, HostWork};
use crate::system::{Clock as _, Interrupt, SystemClock};
use crate::transport::SshSettings;

/// More of a diff than this is not kept, in bytes.
const LONGEST: usize = 64 * 1024;
/// More diffs than these are not kept: the one that was told first goes.
const KEPT: usize = 500;
/// How many hosts are asked at once.
const AT_ONCE: usize = 8;
/// A host that could not tell is asked again after so many seconds, if somebody looks.
const AGAIN: i64 = 15;

/// A revision of a site on a host. Numbers begin anew where records were removed: so the run is a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct DiffKey {
    pub(super) host: String,
    pub(super) site: String,
    pub(super) revision: u64,
    pub(super) run: RunId,
}

/// What a revision changed, or why that cannot be told.
pub(super) type Told = Arc<Result<SiteDiff, CommandError>>;

/// The diffs that somebody has looked at.
pub(super) struct Diffs {
    ssh: SshSettings,
    /// Tells pages that there is more.
    news: watch::Sender<u64>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    kept: HashMap<DiffKey, Kept>,
    /// What is asked for next, host by host.
    waiting: VecDeque<(Arc<HostWork>, Vec<DiffKey>)>,
    /// Threads that ask.
    askers: usize,
}

#[derive(Default)]
struct Kept {
    told: Option<(Timestamp, Told)>,
    is_asked: bool,
}

impl Diffs {
    pub(super) fn new(ssh: SshSettings, news: watch::Sender<u64>) -> Self {
        Self { ssh, news, state: Arc::default() }
    }

    /// What is known of these, all on one host; the rest is asked for. `None` of what is not known yet.
    pub(super) fn of(&self, work: &Arc<HostWork>, keys: &[DiffKey]) -> Vec<Option<Told>> {
        let now = SystemClock::start().timestamp().as_second();
        let mut state = lock(&self.state);
        let mut missing = Vec::new();
        let mut known = Vec::new();
        for key in keys {
            make_room(&mut state.kept, key);
            let kept = state.kept.entry(key.clone()).or_default();
            let is_good = kept.told.as_ref().is_some_and(|(at, told)| {
                told.is_ok() || now.saturating_sub(at.as_second()) < AGAIN
            });
            if !is_good && !kept.is_asked {
                kept.is_asked = true;
                missing.push(key.clone());
            }
            known.push(kept.told.as_ref().map(|(_, told)| Arc::clone(told)));
        }
        if !missing.is_empty() {
            state.waiting.push_back((Arc::clone(work), missing));
            if state.askers < AT_ONCE {
                state.askers += 1;
                drop(state);
                self.begin();
            }
        }
        known
    }

    /// One more thread that asks until nothing waits any more.
    fn begin(&self) {
        let (ssh, news) = (self.ssh.clone(), self.news.clone());
        let state = Arc::clone(&self.state);
        let ask = move || {
            while let Some((work, keys)) = next(&state) {
                let told = ask(&ssh, &work, &keys);
                let now = SystemClock::start().timestamp();
                let mut state = lock(&state);
                for (key, told) in keys.into_iter().zip(told) {
                    if let Some(kept) = state.kept.get_mut(&key) {
                        *kept = Kept { told: Some((now, Arc::new(told))), is_asked: false };
                    }
                }
                drop(state);
                news.send_modify(|version| *version += 1);
            }
        };
        if std::thread::Builder::new().spawn(ask).is_err() {
            let mut state = lock(&self.state);
            state.askers -= 1;
            if state.askers == 0 {
                // Nobody would come to them: whoever looks next tries again.
                state.waiting.clear();
                state.kept.values_mut().for_each(|kept| kept.is_asked = false);
            }
        }
    }
}

/// The next to be asked for; without one a thread is through.
fn next(state: &Mutex<State>) -> Option<(Arc<HostWork>, Vec<DiffKey>)> {
    let mut state = lock(state);
    let next = state.waiting.pop_front();
    if next.is_none() {
        state.askers -= 1;
    }
    next
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_room(kept: &mut HashMap<DiffKey, Kept>, key: &DiffKey) {
    if kept.len() < KEPT || kept.contains_key(key) {
        return;
    }
    let told = kept.iter().filter(|(_, kept)| !kept.is_asked);
    let oldest = told.min_by_key(|(_, kept)| kept.told.as_ref().map(|(at, _)| *at));
    if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
        kept.remove(&oldest);
    }
}

/// Asks a host, over one connection.
fn ask(
    ssh: &SshSettings,
    work: &HostWork,
    keys: &[DiffKey],
) -> Vec<Result<SiteDiff, CommandError>> {
    let fleet = Fleet { ssh: ssh.clone(), interrupt: Interrupt::default(), watcher: None };
    let mut host = match fleet.connect(&work.host) {
        Ok(host) => host,
        Err(error) => return keys.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut of_one = |key: &DiffKey| {
        let site = work.sites.iter().find(|site| site.domain.as_str() == key.site);
        let site = site.cloned().ok_or_else(|| {
            CommandError::refused(format!("the inventory does not have {} any more", key.site))
        })?;
        let diffs = host.revision_diffs(vec![site], key.revision)?;
        let diff = diffs.into_iter().next();
        diff.map(cut).ok_or_else(|| CommandError::refused("the host has told of no site"))
    };
    keys.iter().map(&mut of_one).collect()
}

/// What of it is kept.
fn cut(diff: SiteDiff) -> SiteDiff {
    let shorter = diff.diff.map(|text| match text.get(..text.floor_char_boundary(LONGEST)) {
        Some(part) if part.len() < text.len() => {
            let whole = part.rfind('\n').map_or(part, |end| part.get(..=end).unwrap_or(part));
            format!("{whole}(the rest is left out: it is too long for a page)\n")
        }
        _ => text,
    });
    SiteDiff { diff: shorter, ..diff }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Domain;

    fn diff(text: &str) -> SiteDiff {
        SiteDiff { site: Domain::parse("x.com").unwrap(), diff: Ok(text.to_owned()), groups: None }
    }

    #[test]
    fn long_diff_is_cut_at_a_line() {
        assert_eq!(cut(diff("+a\n")), diff("+a\n"));
        let long = "+ä line\n".repeat(LONGEST / 4);
        let kept = cut(diff(&long)).diff.unwrap();
        assert!(kept.len() < LONGEST + 100, "{}", kept.len());
        let (lines, rest) = kept.rsplit_once("+ä line\n").unwrap();
        assert_eq!(rest, "(the rest is left out: it is too long for a page)\n");
        assert_eq!(lines.replace("+ä line\n", ""), "");
    }

    #[test]
    fn what_is_asked_for_is_not_forgotten() {
        let mut kept = HashMap::new();
        let key = |revision| DiffKey {
            host: "a".to_owned(),
            site: "x.com".to_owned(),
            revision,
            run: "20260101-000000-0001".parse().unwrap(),
        };
        for number in 0..KEPT as u64 {
            let at = Timestamp::from_second(number as i64).unwrap();
            let told = Some((at, Arc::new(Ok(diff("")))));
            kept.insert(key(number), Kept { told, is_asked: number == 0 });
        }
        make_room(&mut kept, &key(7));
        assert_eq!(kept.len(), KEPT, "it is there");
        make_room(&mut kept, &key(9999));
        assert_eq!(kept.len(), KEPT - 1);
        assert!(kept.contains_key(&key(0)), "it is asked for");
        assert!(!kept.contains_key(&key(1)), "the oldest goes");
    }
}
