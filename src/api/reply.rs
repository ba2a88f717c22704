//! What a host answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{CodeFound, Includes, OnRecord, Origin, Run, RunId, RunOutcome, answered};
use crate::apply::{ApplyError, SiteReport};
use crate::error::CommandError;
use crate::event::SiteEnd;
use crate::inventory::{Domain, Paths, ProgramName};
use crate::plan::PlanView;
use crate::setup::Report as SetupReport;
use crate::status::SiteStatus;

/// What a host answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Plan`](super::Request::Plan): each site, in the order asked.
    Plans {
        /// A site that cannot be planned does not keep the others from it.
        sites: Vec<PlannedSite>,
    },
    /// To [`Request::Apply`](super::Request::Apply): each site, in the order asked.
    Applied {
        /// How each ended.
        sites: Vec<AppliedSite>,
    },
    /// To [`Request::Status`](super::Request::Status): each site.
    Status {
        /// A site that cannot be read does not keep the others from it.
        sites: Vec<SiteStatusReply>,
    },
    /// To [`Request::Logs`](super::Request::Logs). The lines themselves are [`Event::LogLine`](crate::event::Event::LogLine).
    LogsEnded {
        /// The logs that could not be read.
        unreadable: Vec<UnreadableLog>,
    },
    /// To [`Request::History`](super::Request::History): what was applied.
    History {
        /// Each site, in the order asked, then those that left the inventory.
        sites: Vec<SiteHistory>,
    },
    /// To [`Request::Left`](super::Request::Left): what has left the inventory.
    Left {
        /// What has left.
        left: Left,
    },
    /// To [`Request::RevisionDiff`](super::Request::RevisionDiff): the text of each diff.
    RevisionDiffs {
        /// Each site, in the order asked.
        sites: Vec<SiteDiff>,
    },
    /// To [`Request::Includes`](super::Request::Includes): the files, and what runs.
    Includes {
        /// All of it.
        includes: Box<Includes>,
    },
    /// To [`Request::OnRecord`](super::Request::OnRecord): records, and what runs.
    OnRecord {
        /// All of it.
        on_record: Box<OnRecord>,
    },
    /// To [`Request::Code`](super::Request::Code), in the order asked.
    Code {
        /// What there is of each.
        found: Vec<CodeFound>,
    },
    /// To [`Request::ReadRunner`](super::Request::ReadRunner): the file as it is.
    Runner {
        /// Its text; `None` if there is none.
        script: Option<String>,
    },
    /// To [`Request::WriteRunner`](super::Request::WriteRunner), once it is written.
    RunnerWritten {
        /// Whether it differed from what was there.
        changed: bool,
    },
    /// To [`Request::Setup`](super::Request::Setup), once every step was tried.
    Setup {
        /// What was done and what is left.
        report: SetupReport,
    },
    /// No host says it: an apply was not waited for any longer, and goes on.
    GoesOn,
}

/// A site's plan, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlannedSite {
    /// The site that was planned.
    pub site: Domain,
    /// What an apply would do to the site, or why no plan could be made.
    #[serde(flatten, with = "answered::plan")]
    #[cfg_attr(test, schemars(with = "answered::plan::Shown<PlanView, CommandError>"))]
    pub plan: Result<PlanView, CommandError>,
}

/// How a site's apply ended, or why it did not begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AppliedSite {
    /// The site that was applied.
    pub site: Domain,
    /// What was done and how it ended, or why nothing was done.
    #[serde(flatten, with = "answered::report")]
    #[cfg_attr(test, schemars(with = "answered::report::Shown<SiteReport, ApplyError>"))]
    pub report: Result<SiteReport, ApplyError>,
}

impl AppliedSite {
    /// Why it failed, or did not begin.
    pub fn failure(&self) -> Option<CommandError> {
        match &self.report {
            Ok(report) => report.failure(),
            Err(error) => Some(error.error.clone()),
        }
    }

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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SiteStatusReply {
    /// The site that was looked at.
    pub site: Domain,
    /// Its programs and processes, or why they cannot be read.
    #[serde(flatten, with = "answered::status")]
    #[cfg_attr(test, schemars(with = "answered::status::Shown<SiteStatus, CommandError>"))]
    pub status: Result<SiteStatus, CommandError>,
}

/// A log that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableLog {
    /// The site the program belongs to.
    pub site: Domain,
    /// The program, by its name within the site.
    pub program: ProgramName,
    /// Where it is.
    pub path: PathBuf,
    /// Why it cannot be read, for a person.
    pub reason: String,
}

/// What was applied to a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SiteHistory {
    /// The site that was asked about, or that has left the inventory.
    pub site: Domain,
    /// Ascending, or why they cannot be read.
    #[serde(flatten, with = "answered::revisions")]
    #[cfg_attr(
        test,
        schemars(with = "answered::revisions::Shown<Vec<RevisionSummary>, CommandError>")
    )]
    pub revisions: Result<Vec<RevisionSummary>, CommandError>,
    /// Runs of which no revision says how they ended, ascending.
    #[serde(default)]
    pub outcomes: Vec<RunOutcome>,
    /// A run that has not ended: it is under way, or was interrupted and is for the next apply to
    /// finish or undo.
    #[serde(default)]
    pub unfinished: Option<RunId>,
    /// The programs that each run has touched: changed, added, removed, started, stopped or restarted. A
    /// run whose records do not tell is not here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub touched: BTreeMap<RunId, BTreeSet<String>>,
    /// The supervisord it is of, if the inventory does not have the site any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Paths>,
}

/// What a revision of a site changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SiteDiff {
    /// The site whose revision it is.
    pub site: Domain,
    /// Unified, with secrets masked; or why there is none.
    #[serde(flatten, with = "answered::diff")]
    #[cfg_attr(test, schemars(with = "answered::diff::Shown<String, CommandError>"))]
    pub diff: Result<String, CommandError>,
    /// What became of its programs, where the host tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<GroupsDiff>,
}

/// supervisord's groups that a revision changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GroupsDiff {
    /// Those that came with it.
    pub added: Vec<String>,
    /// Those that have another configuration than before.
    pub changed: Vec<String>,
    /// Those that went with it.
    pub removed: Vec<String>,
}

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RevisionSummary {
    /// Counted from 1 for each site, without gaps; 0 is what stood at its paths before.
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

/// What has left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Left {
    /// By supervisord, then by name.
    pub sites: Vec<LeftSite>,
    /// Records that cannot be read. They keep nobody from anything.
    pub unreadable: Vec<CommandError>,
}

/// A site on record that is not in the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftSite {
    /// The site that left the inventory.
    pub site: Domain,
    /// How many processes its record has.
    pub processes: u64,
    /// How many files.
    pub files: usize,
    /// The run that applied it last.
    pub run: Run,
    /// Which inventory that run followed.
    pub writer: Writer,
    /// The supervisord it is of.
    pub paths: Paths,
}

/// Which inventory wrote a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Writer {
    /// The one that asks: `--prune` removes the site.
    ThisInventory,
    /// Another one: the site is removed only by its name.
    OtherInventory,
    /// None, it was a playbook: as with another one.
    Playbook,
    /// A release whose records did not say: as with another one.
    Unknown,
}
