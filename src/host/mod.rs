//! One machine, seen from a front door: what can be asked of it, and what it answers.
//!
//! [`Target`] is the one door, with two kinds behind it: [`LocalHost`] does the work in this
//! process; `fleet` passes the same [`Request`] over a pipe to an agent that does.

mod answered;
mod control;
mod engine;
mod history;
mod left;
mod local;
mod locks;
mod logs;
mod noting;
mod reading;
mod runner;
mod status;
mod untold;
mod way_back;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::apply::{ApplyError, ApplyOptions, SiteReport};
use crate::error::CommandError;
use crate::event::{Event, SiteEnd};
use crate::inventory::{AbsolutePath, Domain, Paths, ProgramName, Programs, Site, UserName};
use crate::plan::{PlanOptions, PlanView};
use crate::records::Origin;
use crate::setup::Report as SetupReport;
use crate::status::SiteStatus;

pub use engine::Engine;
pub use left::{InventoryOnHost, Left, LeftSite, Writer};
pub use local::LocalHost;
pub use untold::note_untold;

pub use crate::records::run::{Commit, RunId, RunInventory};
pub use crate::records::{Run, RunEnd, RunOutcome, Settled, SettledHow};
pub use way_back::{WayBack, last_run, way_back};

/// What can be asked of a host. It travels, so its shape belongs to the wire's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// What would an apply do? Changes nothing.
    Plan {
        /// The sites as they should be.
        sites: Vec<ChosenSite>,
        /// Where each is to go.
        goal: Goal,
        /// What the plan depends on besides.
        options: PlanOptions,
    },
    /// Do it.
    Apply(Box<ApplyRequest>),
    /// How are programs, beside how they should be? Changes nothing.
    Status {
        /// The programs.
        sites: Vec<ChosenSite>,
        /// Seconds for which a process that may be flapping is watched.
        watch: u32,
        /// Whether supervisord is asked how its files differ from what it runs.
        #[serde(default)]
        deep: bool,
    },
    /// What do programs log?
    Logs(Box<LogsRequest>),
    /// Which revisions were applied?
    History {
        /// Of these sites.
        sites: Vec<Site>,
        /// And of those that this inventory had, and does not have any more.
        left: Option<Box<InventoryOnHost>>,
    },
    /// Which sites that are on record here has the inventory no longer? Changes nothing.
    Left(Box<InventoryOnHost>),
    /// What did a revision change, against the one before it?
    RevisionDiff {
        /// Of these sites.
        sites: Vec<Site>,
        /// Its number.
        number: u64,
    },
    /// What is a site's runner.sh now? Changes nothing.
    ReadRunner {
        /// Where.
        path: AbsolutePath,
    },
    /// Write a site's runner.sh.
    WriteRunner {
        /// Where.
        path: AbsolutePath,
        /// Its content.
        script: String,
        /// Whose it will be.
        owner: UserName,
    },
    /// Install and start what these sites need of the host.
    Setup {
        /// The sites. Without any, what a site would need that says nothing about paths.
        sites: Vec<Site>,
    },
}

/// An apply, a rollback, a restart, a start or a stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// The sites as they should be.
    pub sites: Vec<ChosenSite>,
    /// Where each is to go.
    pub goal: Goal,
    /// What the plan depends on besides.
    pub plan: PlanOptions,
    /// How the apply goes about it.
    pub apply: ApplyOptions,
    /// The fingerprints of the plans that were shown and agreed to, by site: no other plan is
    /// applied, and no site without one. `None` when nobody wanted to be asked.
    pub shown: Option<BTreeMap<Domain, String>>,
    /// Seconds to wait for another apply to end.
    pub lock_wait: u64,
    /// The run it is a part of, for locks and records.
    pub run: Run,
}

/// A look at logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogsRequest {
    /// The programs.
    pub sites: Vec<ChosenSite>,
    /// How many of the last lines of each.
    pub lines: u32,
    /// Whether it goes on until it is interrupted.
    pub follow: bool,
}

/// A site as it should be, with the programs of it that are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenSite {
    /// The site.
    pub site: Site,
    /// Those of its programs.
    pub programs: Programs,
}

impl ChosenSite {
    /// The site with all of its programs.
    pub fn whole(site: Site) -> Self {
        Self { site, programs: Programs::All }
    }
}

/// Where a site is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// To what the inventory says.
    Inventory,
    /// To this revision.
    Revision(u64),
    /// To what it was before this run.
    Before(RunId),
}

/// What a host answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Plan`]: each site, in the order asked.
    Plans {
        /// A site that cannot be planned does not keep the others from it.
        sites: Vec<PlannedSite>,
    },
    /// To [`Request::Apply`]: each site, in the order asked.
    Applied {
        /// How each ended.
        sites: Vec<AppliedSite>,
    },
    /// To [`Request::Status`]: each site.
    Status {
        /// A site that cannot be read does not keep the others from it.
        sites: Vec<SiteStatusReply>,
    },
    /// To [`Request::Logs`]. The lines themselves are [`Event::LogLine`].
    LogsEnded {
        /// The logs that could not be read.
        unreadable: Vec<UnreadableLog>,
    },
    /// To [`Request::History`].
    History {
        /// Each site, in the order asked, then those that left the inventory.
        sites: Vec<SiteHistory>,
    },
    /// To [`Request::Left`].
    Left {
        /// What has left.
        left: Left,
    },
    /// To [`Request::RevisionDiff`].
    RevisionDiffs {
        /// Each site, in the order asked.
        sites: Vec<SiteDiff>,
    },
    /// To [`Request::ReadRunner`].
    Runner {
        /// Its text; `None` if there is none.
        script: Option<String>,
    },
    /// To [`Request::WriteRunner`].
    RunnerWritten {
        /// Whether it differed from what was there.
        changed: bool,
    },
    /// To [`Request::Setup`].
    Setup {
        /// What was done and what is left.
        report: SetupReport,
    },
    /// No host says it: an apply was not waited for any longer, and goes on.
    GoesOn,
}

/// A site's plan, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSite {
    /// Whose.
    pub site: Domain,
    /// The plan.
    #[serde(flatten, with = "answered::plan")]
    pub plan: Result<PlanView, CommandError>,
}

/// How a site's apply ended, or why it did not begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedSite {
    /// Whose.
    pub site: Domain,
    /// The report.
    #[serde(flatten, with = "answered::report")]
    pub report: Result<SiteReport, ApplyError>,
}

impl AppliedSite {
    /// How it ended, as it is told at once; `None` if nothing was to be done.
    pub fn end(&self) -> Option<SiteEnd> {
        match &self.report {
            Ok(report) => report.end(),
            Err(error) => Some(SiteEnd {
                site: self.site.clone(),
                revision: None,
                failure: Some(error.error.clone()),
                troubles: Vec::new(),
            }),
        }
    }
}

/// How a site is, or why that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteStatusReply {
    /// Whose.
    pub site: Domain,
    /// The status.
    #[serde(flatten, with = "answered::status")]
    pub status: Result<SiteStatus, CommandError>,
}

/// A log that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableLog {
    /// Whose.
    pub site: Domain,
    /// Its program.
    pub program: ProgramName,
    /// Where it is.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// What was applied to a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteHistory {
    /// Whose.
    pub site: Domain,
    /// Ascending, or why they cannot be read.
    #[serde(flatten, with = "answered::revisions")]
    pub revisions: Result<Vec<RevisionSummary>, CommandError>,
    /// Runs of which no revision says how they ended, ascending.
    #[serde(default)]
    pub outcomes: Vec<RunOutcome>,
    /// A run that has not ended: it is under way, or was interrupted and is for the next apply to
    /// finish or undo.
    #[serde(default)]
    pub unfinished: Option<RunId>,
    /// The supervisord it is of, if the inventory does not have the site any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Paths>,
}

/// What a revision of a site changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteDiff {
    /// Whose.
    pub site: Domain,
    /// Unified, with secrets masked; or why there is none.
    #[serde(flatten, with = "answered::diff")]
    pub diff: Result<String, CommandError>,
}

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionSummary {
    /// Its number.
    pub number: u64,
    /// Who, when, by which command.
    pub origin: Origin,
    /// How many programs it has.
    pub programs: usize,
    /// How many files.
    pub files: usize,
    /// Whether its files differ from those of the one before it.
    pub changed: bool,
}

/// The door to a host. It can be handed to a thread: many hosts are asked at once.
pub trait Target: Send {
    /// Asks; `events` is told what happens meanwhile. An error means that there is no answer at
    /// all; what became of single sites is in the reply.
    fn ask(
        &mut self,
        request: Request,
        events: &mut dyn FnMut(Event),
    ) -> Result<Reply, CommandError>;
}
