//! What can be asked of a host.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{CodeNeed, Run, RunId};
use crate::apply::ApplyOptions;
use crate::event::LinePlace;
use crate::inventory::{AbsolutePath, Domain, Paths, Programs, Site, UserName};
use crate::plan::PlanOptions;

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
    /// Make the sites match, or restart, start or stop programs: whatever the plan says.
    Apply(Box<ApplyRequest>),
    /// How are programs, beside how they should be? Changes nothing.
    Status {
        /// The programs to look at, site by site.
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
        /// The revision's number, the same for every site.
        number: u64,
    },
    /// What does a supervisord include, and what does it run? Changes nothing.
    Includes {
        /// Which one.
        paths: Box<Paths>,
    },
    /// How are the sites on record, beside their last revisions? Changes nothing.
    OnRecord {
        /// Of which supervisord.
        paths: Box<Paths>,
        /// Seconds for which a process that may be flapping is watched.
        watch: u32,
    },
    /// Is there what programs need to start? Changes nothing.
    Code {
        /// What they need.
        needs: Vec<CodeNeed>,
    },
    /// What is a site's runner.sh now? Changes nothing.
    ReadRunner {
        /// Where the site has it.
        path: AbsolutePath,
    },
    /// Write a site's runner.sh.
    WriteRunner {
        /// Where the site has it.
        path: AbsolutePath,
        /// The whole file, as `runner::script` makes it.
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

impl Request {
    /// Whether it may change something on the host.
    pub fn changes(&self) -> bool {
        match self {
            Self::Plan { .. }
            | Self::History { .. }
            | Self::Left(_)
            | Self::RevisionDiff { .. }
            | Self::Includes { .. }
            | Self::OnRecord { .. }
            | Self::Code { .. }
            | Self::ReadRunner { .. }
            | Self::Status { .. }
            | Self::Logs(_) => false,
            Self::Apply(_) | Self::WriteRunner { .. } | Self::Setup { .. } => true,
        }
    }
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
    /// The programs whose logs are read, site by site.
    pub sites: Vec<ChosenSite>,
    /// How many of the last lines of each.
    pub lines: u32,
    /// Whether it goes on until it is interrupted.
    pub follow: bool,
    /// Only what was written in the last so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Only lines in which this regular expression is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grep: Option<String>,
    /// Only so many lines around this one, which was told of before; nothing else counts then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<LinePlace>,
}

impl LogsRequest {
    /// The last lines of the logs of these sites.
    pub fn last(sites: Vec<ChosenSite>, lines: u32, follow: bool) -> Self {
        Self { sites, lines, follow, since: None, grep: None, around: None }
    }
}

/// A site as it should be, with the programs of it that are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenSite {
    /// The site as the inventory has it.
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

/// What a host must know of an inventory to tell which sites have left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryOnHost {
    /// A run of the inventory: what it is called and where it is.
    pub run: Run,
    /// Every site that it has on the host, selected or not.
    pub domains: BTreeSet<Domain>,
    /// Where to look for records: one for each supervisord that it names.
    pub instances: Vec<Paths>,
}
