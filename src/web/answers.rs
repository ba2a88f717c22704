//! The last answer of each host, with its time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use tokio::sync::watch;

use super::rows::{Row, rows_of};
use super::visitor::Visitor;
use crate::api::{Left, LeftSite, RunId, SiteHistory, SiteStatusReply};
use crate::error::CommandError;
use crate::fleet::HostWork;
use crate::import::Unmanaged;
use crate::inventory::{Domain, Site};

/// More revisions of a site than these are not kept: `history` has them all.
const REVISIONS_KEPT: usize = 20;

/// What a host has answered to one look.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) at: Timestamp,
    pub(super) sites: Vec<SiteStatusReply>,
    /// Sites that left the inventory, where it was asked about the host as a whole.
    pub(super) left: Option<Left>,
    /// What was applied, or why that cannot be told.
    pub(super) history: Result<Vec<SiteHistory>, CommandError>,
    /// What no inventory has, or why that cannot be told. Asked for more seldom than the rest. `None` for a
    /// visitor who may not know.
    pub(super) unmanaged: Option<Arc<Result<Unmanaged, CommandError>>>,
}

/// Since when a host has not answered, and why.
#[derive(Debug, Clone)]
pub(super) struct Silence {
    /// When it has answered last, or was asked first.
    pub(super) since: Timestamp,
    pub(super) error: CommandError,
}

/// Restarts of a process by itself or by others, seen from one look to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Restarts {
    /// At least so many.
    pub(super) seen: u64,
    /// When the last one was seen.
    pub(super) last: Option<Timestamp>,
}

/// A site and one of its processes.
type ProcessKey = (String, String);

/// A host as it is known.
#[derive(Debug, Clone)]
pub(super) struct HostView {
    pub(super) work: Arc<HostWork>,
    pub(super) last: Option<Arc<Answer>>,
    /// Why it is not answering now.
    pub(super) silence: Option<Silence>,
    /// Its programs, and its sites that have more to tell.
    pub(super) rows: Arc<[Row]>,
    restarts: Arc<BTreeMap<ProcessKey, Restarts>>,
}

/// All hosts, in the inventory's order.
pub(super) struct Answers {
    known: RwLock<Known>,
    /// Counts what has changed, for who waits for that.
    version: watch::Sender<u64>,
}

#[derive(Clone)]
struct Known {
    hosts: Arc<[Arc<HostView>]>,
    /// Why the inventory that is on the disk is not what is shown.
    problem: Option<CommandError>,
}

impl Answers {
    /// Nobody was asked yet.
    pub(super) fn of(work: &[HostWork]) -> Self {
        let hosts = work.iter().map(|work| Arc::new(HostView::unknown(work))).collect();
        let (version, _) = watch::channel(0);
        Self { known: RwLock::new(Known { hosts, problem: None }), version }
    }

    /// Every host, as it is known now: for who asks hosts. Pages have [`Self::hosts_for`].
    pub(super) fn all_hosts(&self) -> Arc<[Arc<HostView>]> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner).hosts)
    }

    /// One of them.
    pub(super) fn any_host(&self, name: &str) -> Option<Arc<HostView>> {
        self.all_hosts().iter().find(|host| host.name() == name).map(Arc::clone)
    }

    /// What a visitor may know of the hosts, and nothing else: this is the one place that leaves out what is of
    /// other sites. A host without any of the visitor's is not there.
    pub(super) fn hosts_for(&self, visitor: &Visitor) -> Arc<[Arc<HostView>]> {
        let all = self.all_hosts();
        match visitor.sees_all() {
            true => all,
            false => all.iter().filter_map(|host| host.only_for(visitor).map(Arc::new)).collect(),
        }
    }

    /// The same of one host.
    pub(super) fn host_for(&self, visitor: &Visitor, name: &str) -> Option<Arc<HostView>> {
        let host = self.any_host(name)?;
        match visitor.sees_all() {
            true => Some(host),
            false => host.only_for(visitor).map(Arc::new),
        }
    }

    /// Why the inventory that is on the disk is not what is shown.
    pub(super) fn problem_for(&self, visitor: &Visitor) -> Option<CommandError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let problem = known.problem.clone()?;
        // It quotes the inventory, which has other sites, too.
        let quotes_nothing = || CommandError::refused("the inventory has an error");
        Some(if visitor.sees_all() { problem } else { quotes_nothing() })
    }

    /// By which others tell that there is more to be shown.
    pub(super) fn news(&self) -> watch::Sender<u64> {
        self.version.clone()
    }

    /// Tells when something has changed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Follows an inventory that has changed. What is known of a host that it still has is kept.
    pub(super) fn follow(&self, work: Result<&[HostWork], CommandError>) {
        self.change(|known| match work {
            Ok(work) => {
                let same = |work: &HostWork| {
                    let former = known.hosts.iter().find(|host| host.name() == work.name());
                    Arc::new(former.map_or_else(|| HostView::unknown(work), |it| it.wanting(work)))
                };
                *known = Known { hosts: work.iter().map(same).collect(), problem: None };
            }
            Err(error) => known.problem = Some(error),
        });
    }

    /// Keeps what came of asking a host, unless the inventory has it no longer.
    pub(super) fn keep(&self, host: &str, answer: Result<Answer, CommandError>, now: Timestamp) {
        self.change(|known| {
            let mut hosts = known.hosts.to_vec();
            if let Some(view) = hosts.iter_mut().find(|view| view.name() == host) {
                *view = Arc::new(match answer {
                    Ok(answer) => view.answered(answer),
                    Err(error) => view.silent(error, now),
                });
            }
            known.hosts = hosts.into();
        });
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
        self.version.send_modify(|version| *version += 1);
    }
}

impl HostView {
    fn unknown(work: &HostWork) -> Self {
        let work = Arc::new(work.clone());
        let rows = rows_of(&work, None, false, &BTreeMap::new()).into();
        Self { work, last: None, silence: None, rows, restarts: Arc::default() }
    }

    pub(super) fn name(&self) -> &str {
        self.work.name()
    }

    /// The host as it is for somebody who may not know of all sites.
    fn only_for(&self, visitor: &Visitor) -> Option<Self> {
        let Self { work, last, silence, rows, restarts } = self;
        let work = only_work_for(visitor, work)?;
        let rows = rows.iter().filter(|row| visitor.sees(&row.site)).cloned().collect();
        let restarts = restarts.iter().filter(|((site, _), _)| visitor.sees(site));
        Some(Self {
            work: Arc::new(work),
            last: last.as_deref().map(|last| Arc::new(last.only_for(visitor))),
            silence: silence.clone(),
            rows,
            restarts: Arc::new(restarts.map(|(key, seen)| (key.clone(), *seen)).collect()),
        })
    }

    /// Whether it has a site, or had it.
    pub(super) fn knows(&self, site: &str) -> bool {
        let left = self.last.as_ref().and_then(|last| last.left.as_ref());
        let mut left = left.into_iter().flat_map(|left| &left.sites);
        self.work.sites.iter().any(|one| one.domain.as_str() == site)
            || left.any(|one| one.site.as_str() == site)
    }

    /// How often a process was seen to be started again.
    pub(super) fn restarts(&self, site: &str, process: &str) -> Restarts {
        let key = (site.to_owned(), process.to_owned());
        self.restarts.get(&key).copied().unwrap_or_default()
    }

    /// The sites on it that left the inventory, as far as it has told.
    pub(super) fn left(&self) -> &[LeftSite] {
        let left = self.last.as_deref().and_then(|last| last.left.as_ref());
        left.map_or(&[], |left| &left.sites)
    }

    /// How many programs on it no inventory has; `None` if it has not told.
    pub(super) fn unmanaged(&self) -> Option<usize> {
        let unmanaged = self.last.as_deref()?.unmanaged.as_deref()?.as_ref().ok()?;
        Some(unmanaged.programs.len())
    }

    /// The same host where the inventory wants something else of it.
    fn wanting(&self, work: &HostWork) -> Self {
        Self { work: Arc::new(work.clone()), ..self.clone() }.with_rows()
    }

    fn silent(&self, error: CommandError, now: Timestamp) -> Self {
        let since = match (&self.silence, &self.last) {
            (Some(silence), _) => silence.since,
            (None, Some(last)) => last.at,
            (None, None) => now,
        };
        let silence = Some(Silence { since, error });
        Self { silence, ..self.clone() }.with_rows()
    }

    fn answered(&self, mut answer: Answer) -> Self {
        for site in answer.history.iter_mut().flatten() {
            if let Ok(revisions) = &mut site.revisions {
                let older = revisions.len().saturating_sub(REVISIONS_KEPT);
                revisions.drain(..older);
            }
            let older = site.outcomes.len().saturating_sub(REVISIONS_KEPT);
            site.outcomes.drain(..older);
            let kept = site.revisions.iter().flatten().map(|one| one.origin.run().id);
            let kept: BTreeSet<RunId> =
                kept.chain(site.outcomes.iter().map(|one| one.run.id)).collect();
            site.touched.retain(|run, _| kept.contains(run));
        }
        let restarts = Arc::new(self.counted(&answer));
        let work = Arc::clone(&self.work);
        let (last, rows) = (Some(Arc::new(answer)), Arc::clone(&self.rows));
        Self { work, last, silence: None, rows, restarts }.with_rows()
    }

    fn with_rows(self) -> Self {
        let rows =
            rows_of(&self.work, self.last.as_deref(), self.silence.is_some(), &self.restarts);
        Self { rows: rows.into(), ..self }
    }

    /// The restarts that were seen until this answer: a process that had a pid and has another, and what the
    /// host has seen itself while it looked.
    fn counted(&self, answer: &Answer) -> BTreeMap<ProcessKey, Restarts> {
        let former = self.last.as_deref().map(pids).unwrap_or_default();
        let mut counted = BTreeMap::new();
        for (key, (pid, seen_there)) in pids(answer) {
            let mut restarts = self.restarts.get(&key).copied().unwrap_or_default();
            let had = former.get(&key).and_then(|(pid, _)| *pid);
            let has_another = had.is_some() && pid.is_some() && had != pid;
            let seen = u64::from(seen_there).max(u64::from(has_another));
            if seen > 0 {
                restarts = Restarts { seen: restarts.seen + seen, last: Some(answer.at) };
            }
            if restarts.seen > 0 {
                counted.insert(key, restarts);
            }
        }
        counted
    }
}

impl Answer {
    /// What of it somebody may know who may not know of all sites.
    fn only_for(&self, visitor: &Visitor) -> Self {
        let Self { at, sites, left, history, unmanaged: _ } = self;
        let sees = |site: &Domain| visitor.sees(site.as_str());
        let left = left.as_ref().map(|Left { sites, unreadable: _ }| Left {
            sites: sites.iter().filter(|left| sees(&left.site)).cloned().collect(),
            // Whose they are cannot be told.
            unreadable: Vec::new(),
        });
        let of_sites = |all: &Vec<SiteHistory>| {
            all.iter().filter(|history| sees(&history.site)).cloned().collect()
        };
        Self {
            at: *at,
            sites: sites.iter().filter(|reply| sees(&reply.site)).cloned().collect(),
            left,
            history: history.as_ref().map(of_sites).map_err(Clone::clone),
            unmanaged: None,
        }
    }
}

/// The part of a host's work that is of a visitor's sites; `None` without any.
fn only_work_for(visitor: &Visitor, work: &HostWork) -> Option<HostWork> {
    let HostWork { host, sites, programs, leaving: _ } = work;
    let sites: Vec<Site> =
        sites.iter().filter(|site| visitor.sees(site.domain.as_str())).cloned().collect();
    if sites.is_empty() {
        return None;
    }
    let programs = programs.iter().filter(|(site, _)| visitor.sees(site.as_str()));
    let programs = programs.map(|(site, meant)| (site.clone(), meant.clone())).collect();
    // What has left the inventory is nobody's in particular.
    Some(HostWork { host: host.clone(), sites, programs, leaving: None })
}

/// The pid of each process, and how often it was started again while the host looked.
fn pids(answer: &Answer) -> BTreeMap<ProcessKey, (Option<i64>, u32)> {
    let sites = answer.sites.iter().filter_map(|site| site.status.as_ref().ok());
    let processes = sites.flat_map(|site| {
        let processes = site.programs.iter().flat_map(|program| &program.processes);
        processes.map(|process| (site.site.to_string(), process))
    });
    processes
        .map(|(site, process)| {
            ((site, process.process.clone()), (process.pid, process.restarts_seen))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Selector, read};
    use crate::status::{ProcessHealth, ProcessStatus, ProgramStatus, SiteStatus, WantedState};
    use crate::supervisord::ProcessState;
    use crate::web::visitor::Peer;

    fn work() -> Vec<HostWork> {
        let text = "servers: [{name: a, host: h}, {name: b, host: h}]\nsites: [{domain: x.com, \
                    servers: [a, b], supervisors: [{program: w, command: sleep 1}]}]\n";
        let inventory = read("i", text).unwrap();
        HostWork::of(Selector::default().select(&inventory).unwrap())
    }

    fn owner() -> Visitor {
        Visitor::owner("ann", Peer::Socket)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn answer(second: i64, pid: Option<i64>, restarts_seen: u32) -> Answer {
        let process = ProcessStatus {
            process: "x.com-w:x.com-w_00".to_owned(),
            state: ProcessState::Running,
            health: ProcessHealth::Up,
            pid,
            uptime: Some(5),
            restarts_seen,
            ended: None,
        };
        let program = ProgramStatus {
            program: "w".to_owned(),
            wanted: WantedState::Running,
            numprocs: 1,
            processes: vec![process],
            drift: Vec::new(),
        };
        let site = crate::inventory::Domain::parse("x.com").unwrap();
        let status = SiteStatus {
            site: site.clone(),
            programs: vec![program],
            problems: Vec::new(),
            notes: Vec::new(),
            rolled_back: None,
        };
        Answer {
            at: at(second),
            sites: vec![SiteStatusReply { site, status: Ok(status) }],
            left: None,
            history: Ok(Vec::new()),
            unmanaged: Some(Arc::new(Ok(Unmanaged::default()))),
        }
    }

    fn restarts(answers: &Answers) -> u64 {
        answers.any_host("a").unwrap().restarts("x.com", "x.com-w:x.com-w_00").seen
    }

    #[test]
    fn restarts_are_counted_from_look_to_look() {
        let answers = Answers::of(&work());
        for (second, pid, seen_there, expected) in [
            (1, Some(7), 0, 0),
            (2, Some(7), 0, 0),
            (3, Some(8), 0, 1),
            // One that the host has seen itself is the same as the one by its pid.
            (4, Some(9), 1, 2),
            (5, Some(9), 2, 4),
            (6, None, 0, 4),
            (7, Some(10), 0, 4),
        ] {
            answers.keep("a", Ok(answer(second, pid, seen_there)), at(second));
            assert_eq!(restarts(&answers), expected, "at {second}");
        }
        assert_eq!(answers.any_host("b").unwrap().restarts("x.com", "x.com-w:x.com-w_00").seen, 0);
    }

    #[test]
    fn silence_lasts_since_the_last_answer() {
        let answers = Answers::of(&work());
        let since = || answers.any_host("a").unwrap().silence.clone().map(|silence| silence.since);
        let fail = |second| {
            answers.keep("a", Err(CommandError::refused("gone")), at(second));
        };
        fail(3);
        fail(5);
        assert_eq!(since(), Some(at(3)), "it was asked first then");
        answers.keep("a", Ok(answer(7, Some(1), 0)), at(8));
        assert_eq!(since(), None);
        fail(9);
        assert_eq!(since(), Some(at(7)));
        assert!(answers.any_host("a").unwrap().last.is_some(), "what it had said is kept");
    }

    #[test]
    fn host_that_left_the_inventory_is_forgotten() {
        let (answers, both) = (Answers::of(&work()), work());
        answers.keep("a", Ok(answer(1, Some(1), 0)), at(1));
        answers.follow(Ok(&both[..1]));
        assert_eq!(answers.all_hosts().len(), 1);
        assert!(answers.any_host("a").unwrap().last.is_some());
        answers.keep("b", Ok(answer(2, Some(1), 0)), at(2));
        assert_eq!(answers.all_hosts().len(), 1);
        answers.follow(Err(CommandError::refused("no YAML")));
        assert_eq!((answers.all_hosts().len(), answers.problem_for(&owner()).is_some()), (1, true));
        answers.follow(Ok(&both));
        assert_eq!(
            (answers.all_hosts().len(), answers.problem_for(&owner()).is_some()),
            (2, false)
        );
    }

    #[test]
    fn whoever_waits_hears_of_each_change() {
        let answers = Answers::of(&work());
        let mut changes = answers.changes();
        assert!(!changes.has_changed().unwrap());
        answers.keep("a", Ok(answer(1, None, 0)), at(1));
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        answers.keep("a", Err(CommandError::refused("gone")), at(2));
        assert!(changes.has_changed().unwrap());
    }

    /// Whatever a page is made of has nothing of other sites, and nothing of the host as a whole.
    #[test]
    fn visitor_knows_of_own_sites_alone() {
        let text = "servers: [{name: a, host: h}, {name: b, host: h}]\nsites: [{domain: x.com, \
                    servers: [a], supervisors: [{program: w, command: sleep 1}]}, {domain: \
                    other.com, servers: [a, b], supervisors: [{program: w, command: sleep 1}]}]\n";
        let inventory = read("i", text).unwrap();
        let answers = Answers::of(&HostWork::of(Selector::default().select(&inventory).unwrap()));
        let both = || {
            let mut both = answer(1, Some(1), 0);
            let other = Domain::parse("other.com").unwrap();
            let mut reply = both.sites[0].clone();
            reply.site = other.clone();
            if let Ok(status) = &mut reply.status {
                status.site = other.clone();
                status.notes.push("a note of other.com".to_owned());
            }
            both.sites.push(reply);
            let history = |site: &Domain| SiteHistory {
                site: site.clone(),
                revisions: Ok(Vec::new()),
                outcomes: Vec::new(),
                unfinished: None,
                touched: BTreeMap::new(),
                paths: None,
            };
            both.history = Ok(both.sites.iter().map(|reply| history(&reply.site)).collect());
            let unreadable = vec![CommandError::refused("the record of other.com")];
            both.left = Some(Left { sites: Vec::new(), unreadable });
            both
        };
        answers.keep("a", Ok(both()), at(1));
        answers.keep("b", Ok(both()), at(1));
        answers.follow(Err(CommandError::refused("other.com has an error")));
        let visitor = Visitor::limited_to(&["x.*"]);
        let hosts = answers.hosts_for(&visitor);
        assert_eq!(hosts.iter().map(|host| host.name()).collect::<Vec<_>>(), ["a"]);
        let shown = format!("{hosts:?}");
        assert!(shown.contains("x.com") && !shown.contains("other.com"), "{shown}");
        assert!(hosts[0].last.as_ref().unwrap().unmanaged.is_none());
        assert!(answers.host_for(&visitor, "b").is_none());
        let one = format!("{:?}", answers.host_for(&visitor, "a").unwrap());
        assert_eq!(one, format!("{:?}", hosts[0]));
        let problem = answers.problem_for(&visitor).unwrap().to_string();
        assert!(!problem.contains("other.com"), "{problem}");
        let all = format!("{:?}", answers.hosts_for(&owner()));
        for part in ["a note of other.com", "the record of other.com"] {
            assert!(all.contains(part), "no {part}: {all}");
        }
        assert_eq!(answers.hosts_for(&owner()).len(), 2);
    }
}
