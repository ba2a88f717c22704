//! What a host has on record of the sites of one supervisord, beside what runs. Nobody needs an inventory to
//! ask for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Run, RunOutcome};
use crate::error::CommandError;
use crate::inventory::Domain;
use crate::status::SiteStatus;
use crate::supervisord::ProcessInfo;

/// The sites on record for a supervisord, and what runs of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnRecord {
    /// What supervisord runs; the reason if it does not say.
    pub daemon: Result<OwnProcesses, CommandError>,
    /// By name.
    pub sites: Vec<SiteOnRecord>,
}

/// What a supervisord runs of the sites on record. Of what is other people's there is no more than a number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnProcesses {
    /// Every process of the sites' groups, sorted by group and name.
    pub processes: Vec<ProcessInfo>,
    /// How many other groups it has loaded.
    pub other_groups: usize,
}

/// A site on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteOnRecord {
    /// Its domain.
    pub site: Domain,
    /// What its records say, or why they cannot be read.
    pub record: Result<SiteRecord, CommandError>,
}

/// What the records of a site say, and how the site is beside that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRecord {
    /// The last revision; `None` if the very first apply has not ended.
    pub revision: Option<LastRevision>,
    /// Runs of which no revision says how they ended, ascending.
    pub outcomes: Vec<RunOutcome>,
    /// How many processes supervisord should run of each program.
    pub wanted: BTreeMap<String, u64>,
    /// How it is beside its last revision; `None` where supervisord does not say what runs.
    pub status: Option<SiteStatus>,
}

/// The last revision of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRevision {
    /// Counted from 1.
    pub number: u64,
    /// The run that made it.
    pub run: Run,
}
