//! The questions that can be asked of a machine, each with an answer of its own type.

use std::collections::BTreeSet;

use super::{
    AppliedSite, ApplyRequest, ChosenSite, CodeFound, CodeNeed, Goal, Includes, InventoryOnHost,
    Left, LogsRequest, OnRecord, PlannedSite, Reply, Request, SiteDiff, SiteHistory,
    SiteStatusReply, Target, UnreadableLog,
};
use crate::error::CommandError;
use crate::event::Event;
use crate::inventory::{AbsolutePath, Domain, Paths, Site, UserName};
use crate::plan::PlanOptions;
use crate::setup::Report as SetupReport;

/// What came of asking for an apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// How each site ended.
    Ended(Vec<AppliedSite>),
    /// It was not waited for any longer, and goes on.
    GoesOn,
}

impl dyn Target + '_ {
    /// What an apply would do to each site.
    pub fn plan(
        &mut self,
        sites: Vec<ChosenSite>,
        goal: Goal,
        options: PlanOptions,
    ) -> Result<Vec<PlannedSite>, CommandError> {
        match self.look(Request::Plan { sites, goal, options })? {
            Reply::Plans { sites } => Ok(sites),
            _ => Err(unexpected()),
        }
    }

    /// Applies, restarts, starts or stops.
    pub fn apply(
        &mut self,
        request: ApplyRequest,
        events: &mut dyn FnMut(Event),
    ) -> Result<Applied, CommandError> {
        match self.ask(Request::Apply(Box::new(request)), events)? {
            Reply::Applied { sites } => Ok(Applied::Ended(sites)),
            Reply::GoesOn => Ok(Applied::GoesOn),
            _ => Err(unexpected()),
        }
    }

    /// How programs are, beside how they should be. A process that may be flapping is watched for
    /// `watch` seconds; `deep` has supervisord compare its files with what it runs.
    pub fn status(
        &mut self,
        sites: Vec<ChosenSite>,
        watch: u32,
        deep: bool,
    ) -> Result<Vec<SiteStatusReply>, CommandError> {
        match self.look(Request::Status { sites, watch, deep })? {
            Reply::Status { sites } => Ok(sites),
            _ => Err(unexpected()),
        }
    }

    /// Tells the lines of logs, and which logs cannot be read.
    pub fn logs(
        &mut self,
        request: LogsRequest,
        events: &mut dyn FnMut(Event),
    ) -> Result<Vec<UnreadableLog>, CommandError> {
        match self.ask(Request::Logs(Box::new(request)), events)? {
            Reply::LogsEnded { unreadable } => Ok(unreadable),
            _ => Err(unexpected()),
        }
    }

    /// What was applied to these sites, and to those that `inventory` had and has not any more. A host
    /// that tells of others tells of what nobody asked about.
    pub fn history(
        &mut self,
        sites: Vec<Site>,
        inventory: Option<&InventoryOnHost>,
    ) -> Result<Vec<SiteHistory>, CommandError> {
        let asked: BTreeSet<Domain> = sites.iter().map(|site| site.domain.clone()).collect();
        let left = inventory.cloned().map(Box::new);
        let Reply::History { sites } = self.look(Request::History { sites, left })? else {
            return Err(unexpected());
        };
        for SiteHistory { site, paths, .. } in &sites {
            let is_asked = match paths {
                None => asked.contains(site),
                Some(_) => inventory.is_some_and(|inventory| !inventory.domains.contains(site)),
            };
            if !is_asked {
                return Err(unexpected());
            }
        }
        Ok(sites)
    }

    /// The sites on record that this inventory has no longer. A host that says so of one that it has
    /// would have it removed.
    pub fn left(&mut self, inventory: &InventoryOnHost) -> Result<Left, CommandError> {
        match self.look(Request::Left(Box::new(inventory.clone())))? {
            Reply::Left { left }
                if !left.sites.iter().any(|left| inventory.domains.contains(&left.site)) =>
            {
                Ok(left)
            }
            _ => Err(unexpected()),
        }
    }

    /// What a revision of each site changed.
    pub fn revision_diffs(
        &mut self,
        sites: Vec<Site>,
        number: u64,
    ) -> Result<Vec<SiteDiff>, CommandError> {
        match self.look(Request::RevisionDiff { sites, number })? {
            Reply::RevisionDiffs { sites } => Ok(sites),
            _ => Err(unexpected()),
        }
    }

    /// What the supervisord of these paths includes, and what it runs.
    pub fn includes(&mut self, paths: Paths) -> Result<Includes, CommandError> {
        match self.look(Request::Includes { paths: Box::new(paths) })? {
            Reply::Includes { includes } => Ok(*includes),
            _ => Err(unexpected()),
        }
    }

    /// The sites on record for the supervisord of these paths, and how they are. A process that may be
    /// flapping is watched for `watch` seconds.
    pub fn on_record(&mut self, paths: Paths, watch: u32) -> Result<OnRecord, CommandError> {
        match self.look(Request::OnRecord { paths: Box::new(paths), watch })? {
            Reply::OnRecord { on_record } => Ok(*on_record),
            _ => Err(unexpected()),
        }
    }

    /// Whether there is what programs need to start, in their order.
    pub fn code(&mut self, needs: Vec<CodeNeed>) -> Result<Vec<CodeFound>, CommandError> {
        let asked = needs.len();
        match self.look(Request::Code { needs })? {
            Reply::Code { found } if found.len() == asked => Ok(found),
            _ => Err(unexpected()),
        }
    }

    /// The text of a site's `runner.sh`; `None` if there is none.
    pub fn read_runner(&mut self, path: AbsolutePath) -> Result<Option<String>, CommandError> {
        match self.look(Request::ReadRunner { path })? {
            Reply::Runner { script } => Ok(script),
            _ => Err(unexpected()),
        }
    }

    /// Writes a site's `runner.sh`; whether it differed from what was there.
    pub fn write_runner(
        &mut self,
        path: AbsolutePath,
        script: String,
        owner: UserName,
    ) -> Result<bool, CommandError> {
        match self.look(Request::WriteRunner { path, script, owner })? {
            Reply::RunnerWritten { changed } => Ok(changed),
            _ => Err(unexpected()),
        }
    }

    /// Installs and starts what these sites need.
    pub fn set_up(
        &mut self,
        sites: Vec<Site>,
        events: &mut dyn FnMut(Event),
    ) -> Result<SetupReport, CommandError> {
        match self.ask(Request::Setup { sites }, events)? {
            Reply::Setup { report } => Ok(report),
            _ => Err(unexpected()),
        }
    }

    /// Asks where nobody wants to know what happens meanwhile.
    fn look(&mut self, request: Request) -> Result<Reply, CommandError> {
        self.ask(request, &mut |_| {})
    }
}

/// An answer of another kind than was asked for: the two ends are not of one release.
fn unexpected() -> CommandError {
    CommandError::refused("the host answered something that was not asked")
}
