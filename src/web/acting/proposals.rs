//! What was asked for, is being done, and was done: the last of it is kept.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::super::Web;
use super::super::sessions::word;
use super::super::visitor::{Right, Visitor};
use super::asked::{Asked, Confirmed};
use super::proposal::{Confirmation, NotConfirmed, Proposal};
use super::{carrying_out, planning};
use crate::api::{Run, RunInventory};
use crate::error::CommandError;
use crate::report::{AuditEvent, Typed};
use crate::system::Clock as _;
use crate::transport::SshSettings;

/// More of them are not kept: the one that was asked for first goes, unless something is going on.
const KEPT: usize = 64;
/// More are not planned or done at the same time.
const AT_ONCE: usize = 8;

/// What was asked for, the last first.
pub(in crate::web) struct Proposals {
    pub(super) tools: Tools,
    /// What may be done at all.
    allowed: Vec<Right>,
    kept: Mutex<Kept>,
}

/// What plans are made with, and carried out.
pub(in crate::web) struct Tools {
    pub(in crate::web) ssh: SshSettings,
    pub(in crate::web) parallel: NonZeroUsize,
    /// Where the inventory is, if that was said, and what records call it.
    pub(in crate::web) inventory: Option<PathBuf>,
    pub(in crate::web) called: Option<RunInventory>,
    /// What was typed, for hints.
    pub(in crate::web) typed: Arc<Typed>,
}

#[derive(Default)]
struct Kept {
    proposals: VecDeque<Arc<Proposal>>,
    threads: Vec<JoinHandle<()>>,
    /// Nothing is begun any more.
    is_over: bool,
}

/// Why something is not begun.
#[derive(Debug)]
pub(in crate::web) enum Refused {
    NotConfirmed(NotConfirmed),
    /// So much is going on that more has to wait.
    TooMany,
    /// The audit log cannot be written.
    NotNoted(CommandError),
    /// The system has no thread, or no random number.
    NoMeans,
}

impl Proposals {
    pub(in crate::web) fn new(tools: Tools, allowed: Vec<Right>) -> Self {
        Self { tools, allowed, kept: Mutex::default() }
    }

    /// What may be done at all, in words.
    pub(in crate::web) fn allowed(&self) -> Vec<String> {
        self.allowed.iter().map(ToString::to_string).collect()
    }

    /// Whether it may be done here, by who may do it.
    pub(in crate::web) fn is_allowed(&self, right: Right) -> bool {
        self.allowed.contains(&right)
    }

    /// Whether somebody may do it here.
    pub(in crate::web) fn allow(&self, right: Right, visitor: &Visitor) -> bool {
        self.is_allowed(right) && visitor.may(right)
    }

    /// All that somebody may see, the last first.
    pub(in crate::web) fn of(&self, visitor: &Visitor) -> Vec<Arc<Proposal>> {
        let kept = self.lock();
        kept.proposals.iter().filter(|one| one.is_for(visitor)).map(Arc::clone).collect()
    }

    /// The one with this id.
    pub(in crate::web) fn find(&self, id: &str, visitor: &Visitor) -> Option<Arc<Proposal>> {
        self.of(visitor).into_iter().find(|one| one.id == id)
    }

    /// Has a plan made of what was asked for.
    pub(in crate::web) fn propose(
        &self,
        web: &Arc<Web>,
        asked: Asked,
        visitor: &Visitor,
    ) -> Result<Arc<Proposal>, Refused> {
        let id: String = word().map_err(|_| Refused::NoMeans)?.chars().take(32).collect();
        let proposal = Arc::new(Proposal::new(id, asked, visitor, web.clock.timestamp()));
        let (plan_web, visitor) = (Arc::clone(web), visitor.clone());
        let planned = Arc::clone(&proposal);
        let plan = move || planning::plan(&plan_web, &planned, &visitor);
        let mut kept = self.lock();
        kept.begin(plan)?;
        if kept.proposals.len() >= KEPT
            && let Some(oldest) = kept.proposals.iter().rposition(|one| !one.is_at_work())
        {
            kept.proposals.remove(oldest);
        }
        kept.proposals.push_front(Arc::clone(&proposal));
        Ok(proposal)
    }

    /// Has done what was shown: that, and nothing else.
    pub(in crate::web) fn confirm(
        &self,
        web: &Arc<Web>,
        proposal: &Arc<Proposal>,
        (sent, said): (&str, &Confirmed),
        visitor: &Visitor,
    ) -> Result<(), Refused> {
        let asked = &proposal.asked;
        let called = self.tools.called.as_ref();
        let run = crate::front::begin_run(&asked.command(), called, said.message.as_deref());
        let run = Run { user: visitor.name.clone(), takes_back: asked.takes_back(), ..run };
        let confirmation = Confirmation { by: visitor.name.clone(), at: run.at, run: run.id };
        let mut kept = self.lock();
        kept.has_room()?;
        let shown = proposal.confirm(sent, confirmation).map_err(Refused::NotConfirmed)?;
        let what = asked.title();
        let noted = web.audit.record(visitor, AuditEvent::Confirmed { run: run.id, what });
        if let Err(error) = noted {
            proposal.ended(error.kind.exit_status());
            return Err(Refused::NotNoted(error));
        }
        let order = asked.order(run, self.tools.parallel, said);
        let (do_web, visitor) = (Arc::clone(web), visitor.clone());
        let done = Arc::clone(proposal);
        let begun =
            kept.begin(move || carrying_out::carry_out(&do_web, &done, order, shown, &visitor));
        if begun.is_err() {
            proposal.ended(crate::error::ErrorKind::Refused.exit_status());
        }
        begun
    }

    /// Everything ends: what is going on is interrupted, and waited for, since hosts are to be left as they
    /// should be.
    pub(in crate::web) fn end(&self) {
        let threads = {
            let mut kept = self.lock();
            kept.is_over = true;
            kept.proposals.iter().for_each(|one| one.interrupt.raise());
            std::mem::take(&mut kept.threads)
        };
        for thread in threads {
            let _ = thread.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn has_room(&mut self) -> Result<(), Refused> {
        self.threads.retain(|thread| !thread.is_finished());
        match self.is_over || self.threads.len() >= AT_ONCE {
            true => Err(Refused::TooMany),
            false => Ok(()),
        }
    }

    fn begin(&mut self, work: impl FnOnce() + Send + 'static) -> Result<(), Refused> {
        self.has_room()?;
        let thread = Builder::new().spawn(work).map_err(|_| Refused::NoMeans)?;
        self.threads.push(thread);
        Ok(())
    }
}
