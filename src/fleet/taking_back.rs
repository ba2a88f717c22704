//! Which run is taken back, and where that leads each site on each host.

use std::collections::BTreeSet;

use serde::Serialize;

use super::asking::Answer;
use super::left::without_programs;
use super::work::Work;
use crate::api::{RevisionSummary, Run, RunEnd, RunId, RunOutcome, Settled, SiteHistory, Target};
use crate::error::CommandError;
use crate::host::{WayBack, last_run, way_back};
use crate::inventory::{Domain, Paths, Site};

/// Asks a host for the history of its sites, and of those that have left it if that is looked for.
pub fn history_of(work: &Work, host: &mut dyn Target) -> Answer<Vec<SiteHistory>> {
    let inventory = work.leaving.as_ref().map(|leaving| &leaving.inventory);
    host.history(work.sites.clone(), inventory)
}

/// A site on a host, and where taking the run back leads it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OnHost<'h> {
    /// The host.
    pub host: &'h str,
    /// The site.
    pub site: &'h Domain,
    /// Where it goes.
    #[serde(flatten)]
    pub way: Way,
    /// The supervisord it is of, if the inventory does not have the site any more.
    #[serde(skip)]
    pub paths: Option<&'h Paths>,
}

/// A [`WayBack`] for people and machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "way", rename_all = "snake_case")]
pub enum Way {
    /// To this revision.
    Back {
        /// Its number.
        to: u64,
    },
    /// The run did not change it.
    NotChanged,
    /// It did, but there is nothing left of that to take back.
    Over {
        /// Why not.
        why: Over,
    },
    /// It is itself a rollback, with this revision before it.
    IsRollback {
        /// `None` if it is kept no more.
        before: Option<u64>,
    },
    /// A later run has changed it again.
    ChangedSince {
        /// That one.
        run: RunId,
    },
    /// The run was the first.
    NothingBefore,
    /// This run has not ended there.
    Unfinished {
        /// That one.
        run: RunId,
    },
    /// This run is at work there.
    #[serde(rename = "under_way")]
    AtWork {
        /// That one.
        run: RunId,
    },
}

/// Why nothing is left of a run that could be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// This run has taken it back.
    TakenBack(RunId),
    /// It only restarted programs.
    Restarted,
    /// It changed no file.
    NoFile,
    /// It failed, and was put back at once or by a later run.
    Failed,
    /// It failed and was left as it was.
    Kept,
    /// It failed and was left, and this run has undone or finished it.
    FailedSettled(Settled),
    /// It was interrupted, and this run has undone or finished it.
    Settled(Settled),
    /// It was interrupted before it had changed what a revision holds.
    Interrupted,
}

impl Way {
    /// Whether there is something that somebody has to see to first.
    pub fn is_refused(self) -> bool {
        !matches!(self, Self::Back { .. } | Self::NotChanged | Self::Over { .. })
    }
}

/// The part of the work that goes back.
pub fn going(work: &[Work], sites: &[OnHost<'_>]) -> Answer<Vec<Work>> {
    let going: BTreeSet<(&str, &Domain)> = sites
        .iter()
        .filter(|one| matches!(one.way, Way::Back { .. }))
        .map(|one| (one.host, one.site))
        .collect();
    let on_host = |work: &Work| {
        let goes = |site: &&Site| going.contains(&(work.name(), &site.domain));
        let mut going: Vec<Site> = work.sites.iter().filter(goes).cloned().collect();
        // Its revision has all that the inventory would say of one that left.
        for left in sites.iter().filter(|one| one.host == work.name()) {
            if let (Way::Back { .. }, Some(paths)) = (left.way, left.paths) {
                going.push(without_programs(left.site, paths)?);
            }
        }
        let (host, programs) = (work.host.clone(), work.programs.clone());
        Ok(Work { host, sites: going, programs, leaving: None })
    };
    let mut work: Vec<Work> = work.iter().map(on_host).collect::<Result<_, CommandError>>()?;
    work.retain(|work| !work.sites.is_empty());
    Ok(work)
}

/// The run that is meant: the one that was named, else the newest that is in effect at any of the
/// sites.
pub fn chosen(
    named: Option<RunId>,
    histories: &[(&str, SiteHistory)],
) -> Result<Run, CommandError> {
    let revisions =
        || histories.iter().map(|(_, site)| site.revisions.as_deref().unwrap_or_default());
    // One that was interrupted is the last of all: nothing else goes on until it is out of the way. A
    // rollback that was is completed by the same command.
    let interrupted = histories.iter().filter_map(|(_, site)| unfinished(site));
    let interrupted = interrupted.filter(|one| one.end != RunEnd::UnderWay);
    let interrupted = interrupted.map(|one| one.run.takes_back.unwrap_or(one.run.id));
    let last = || revisions().filter_map(last_run).chain(interrupted).max();
    let Some(id) = named.or_else(last) else {
        return Err(CommandError::refused("nothing was applied to these sites yet")
            .hint("see their runs: supervisor-sync history"));
    };
    let outcomes = histories.iter().flat_map(|(_, site)| &site.outcomes).map(|one| one.run.clone());
    let mut runs: Vec<Run> =
        revisions().flatten().map(|one| one.origin.run()).chain(outcomes).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.id));
    runs.dedup_by_key(|run| run.id);
    if let Some(run) = runs.iter().find(|run| run.id == id) {
        return Ok(run.clone());
    }
    let known: Vec<String> = runs.iter().take(5).map(|run| run.id.to_string()).collect();
    let error = CommandError::refused(format!("no run {id} has changed these sites"));
    Err(match known.is_empty() {
        true => error.hint("see their runs: supervisor-sync history"),
        false => error.hint(format!("the newest are: {}", known.join(", "))),
    })
}

/// Where taking this run back leads each site. Sites that left the inventory are only among them if the
/// run has changed them.
pub fn ways<'h>(histories: &'h [(&'h str, SiteHistory)], run: RunId) -> Vec<OnHost<'h>> {
    let on_host = |(host, history): &'h (&'h str, SiteHistory)| {
        let way = way(history, history.revisions.as_deref().ok()?, run);
        let is_concerned = history.paths.is_none() || way != Way::NotChanged;
        let (site, paths) = (&history.site, history.paths.as_ref());
        is_concerned.then_some(OnHost { host, site, way, paths })
    };
    histories.iter().filter_map(on_host).collect()
}

/// The run that has not ended at a site.
fn unfinished(history: &SiteHistory) -> Option<&RunOutcome> {
    history.outcomes.iter().find(|one| Some(one.run.id) == history.unfinished)
}

fn way(history: &SiteHistory, revisions: &[RevisionSummary], run: RunId) -> Way {
    let way = way_back(revisions, run);
    if let Some(RunOutcome { run: left, end, .. }) = unfinished(history)
        && (left.id == run || way != WayBack::NotChanged)
    {
        if *end == RunEnd::UnderWay {
            return Way::AtWork { run: left.id };
        }
        if left.id == run {
            // It has no revision yet, so the last one is how the site was before it.
            return match revisions.last() {
                Some(last) => Way::Back { to: last.number },
                None => Way::NothingBefore,
            };
        }
        if left.takes_back != Some(run) {
            return Way::Unfinished { run: left.id };
        }
    }
    let outcome = history.outcomes.iter().find(|outcome| outcome.run.id == run);
    match (way, outcome) {
        (WayBack::To(to), _) => Way::Back { to },
        (WayBack::NotChanged, Some(outcome)) => over(outcome),
        (WayBack::NotChanged, None) => Way::NotChanged,
        (WayBack::NoFile, _) => Way::Over { why: Over::NoFile },
        (WayBack::TakenBack(by), _) => Way::Over { why: Over::TakenBack(by) },
        (WayBack::IsRollback(before), _) => Way::IsRollback { before },
        (WayBack::ChangedSince(run), _) => Way::ChangedSince { run },
        (WayBack::NothingBefore, _) => Way::NothingBefore,
    }
}

/// What became of a run without a revision.
fn over(outcome: &RunOutcome) -> Way {
    let why = match (outcome.end, outcome.settled) {
        (RunEnd::UnderWay, _) => return Way::AtWork { run: outcome.run.id },
        (RunEnd::Interrupted, Some(settled)) => Over::Settled(settled),
        (_, Some(settled)) => Over::FailedSettled(settled),
        (RunEnd::Restarted, None) => Over::Restarted,
        // A restart that failed, or an apply that nobody has finished since.
        (RunEnd::Kept, None) => Over::Kept,
        (RunEnd::RolledBack | RunEnd::Stuck, None) => Over::Failed,
        (RunEnd::Interrupted, None) => Over::Interrupted,
    };
    Way::Over { why }
}
