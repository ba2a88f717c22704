//! The transaction: carries out the plans of all sites of one supervisord, or puts back what it has
//! changed, site by site.
//!
//! [`apply`] takes all sites through the same phases together, so that their number costs neither
//! rereads nor syncs nor windows of watching. Each site has its own end, though: what one is refused
//! for, or fails at, is put back for it alone. Up to the reread nothing but files has changed, so a
//! failure puts the former bytes back and no process is any the wiser. From the update on, a failure
//! puts files and processes back. A journal for each site follows each phase on the disk, so that a
//! `kill -9` at any point leaves what [`recover()`] can undo or the next apply finish.

mod accept;
mod accepted;
mod again;
mod bring_in;
mod commit;
mod control;
mod cut_off;
mod failure;
mod files;
mod follow;
mod logs;
mod looks;
mod outcome;
mod probe;
mod ran_before;
mod recover;
pub mod release;
mod site;
mod stopping;
mod transaction;
mod undo;
mod update;
mod watch;
mod work;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use accepted::Accepted;
pub use failure::{ApplyError, FailedAt};
pub use outcome::{Outcome, SiteReport};
pub(crate) use ran_before::AS_ASKED;
pub use recover::recover;

use looks::Groups;
use transaction::Transaction;

use crate::desired::DesiredSite;
pub use crate::event::ProgramTrouble;
use crate::event::{Event, ProcessChange, Rolling, Waited, WaitingFor};
use crate::inventory::Domain;
use crate::plan::{PlanView, SitePlan};
use crate::records::{Lock, Origin, StateDir};
use crate::supervisord::{Fault, ProcessInfo, Reload, Supervisord};
use crate::system::files::Files;
use crate::system::trail::Trail;
use crate::system::{Clock, Interrupt};

/// The doors an apply goes through, each with a real part and a double.
pub struct Doors<'a> {
    /// The disk that files are read from and put on.
    pub files: &'a dyn Files,
    /// The daemon whose sites these are, over one connection.
    pub supervisord: &'a mut dyn Supervisord,
    /// What deadlines and waits go by.
    pub clock: &'a dyn Clock,
    /// Where locks, journals and revisions are.
    pub state: &'a StateDir,
    /// Raised by SIGINT and SIGTERM; looked at between steps.
    pub interrupt: &'a Interrupt,
    /// Takes what happens, as it happens.
    pub events: &'a mut dyn FnMut(Event),
}

/// How an apply goes about it; decided before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyOptions {
    /// Whether started programs are watched until they are healthy or failed.
    pub verify: bool,
    /// Whether a failure after the reread puts files and processes back.
    pub rollback: bool,
    /// Whether the result is a new revision; a mere restart is none.
    pub record: bool,
}

/// A site that is to be applied.
#[derive(Debug)]
pub struct SiteToApply {
    /// What is done.
    pub plan: SitePlan,
    /// The plan as it was shown.
    pub view: PlanView,
    /// What a revision of it records.
    pub record: DesiredSite,
    /// Its lock, which is let go when it has its outcome: it waits for no other site's.
    pub lock: Option<Lock>,
}

/// The configuration that supervisord has read when an apply begins.
pub type Baseline = Result<Reload, Fault>;

/// Applies the plans of `sites`, all on the supervisord of `doors`, each with its lock held and a
/// former apply recovered. `daemon_lock` is let go once supervisord has read the new files: whoever
/// waits for it need not wait for processes.
///
/// `trail` looks at the ways to supervisord's files; `None` if something cannot be told of them. With the
/// reports comes what supervisord has said of the new files, if it was asked to read any.
pub fn apply(
    doors: &mut Doors<'_>,
    sites: Vec<SiteToApply>,
    baseline: Baseline,
    trail: &dyn Fn() -> Option<Trail>,
    (origin, options): (&Origin, &ApplyOptions),
    daemon_lock: Lock,
) -> (Vec<SiteReport>, Option<Accepted>) {
    let mut transaction = Transaction::new(doors, sites, origin, options);
    transaction.write_journals();
    transaction.stage();
    transaction.swap();
    let reread = transaction.accept(baseline, trail);
    drop(daemon_lock);
    transaction.begin_updates(&reread);
    transaction.follow();
    let accepted = transaction.accepted.take();
    (transaction.into_reports(), accepted)
}

/// Carries out plans of a start or a stop: processes start or stop as they are, with no file, no journal
/// and nothing to put back. With `verify`, what was started is watched as an apply would.
pub fn control(
    doors: &mut Doors<'_>,
    sites: Vec<SiteToApply>,
    baseline: &Reload,
    origin: &Origin,
    verify: bool,
) -> Vec<SiteReport> {
    let options = ApplyOptions { verify, rollback: false, record: false };
    let mut transaction = Transaction::new(doors, sites, origin, &options);
    transaction.begin_updates(baseline);
    transaction.follow();
    transaction.into_reports()
}

/// What supervisord says at one moment of the processes that somebody waits for.
struct Look {
    groups: Groups,
    now: Duration,
}

impl Look {
    /// The processes of a group, none if it is not loaded.
    fn group(&self, group: &str) -> &[ProcessInfo] {
        self.groups.get(group).map_or(&[], Vec::as_slice)
    }

    fn process(&self, group: &str, name: &str) -> Option<&ProcessInfo> {
        self.group(group).iter().find(|process| process.name == name)
    }
}

/// Tells what happens to one site.
struct Teller<'t> {
    site: &'t Domain,
    /// How far its rolling restart has come, if it is at one.
    rolling: Option<Rolling>,
    events: &'t mut dyn FnMut(Event),
}

impl Teller<'_> {
    fn tell(&mut self, event: Event) {
        (self.events)(event);
    }

    /// These are waited for from now on.
    fn wait(&mut self, until: WaitingFor, processes: Vec<Waited>) {
        let (site, rolling) = (self.site.clone(), self.rolling);
        self.tell(Event::Waiting { site, until, processes, rolling });
    }

    fn process(&mut self, name: String, change: ProcessChange) {
        self.tell(Event::Process { site: self.site.clone(), name, change });
    }

    fn step(&mut self, step: crate::event::Step) {
        self.tell(Event::Step { site: self.site.clone(), step });
    }

    fn warn(&mut self, text: String) {
        self.tell(Event::Warning { site: self.site.clone(), text });
    }
}
