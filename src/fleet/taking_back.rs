//! Which run is taken back, and where that leads each site on each host.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::host_work::HostWork;
use crate::api::{RevisionSummary, Run, RunEnd, RunId, RunOutcome, Settled, SiteHistory, Target};
use crate::error::CommandError;
use crate::host::{WayBack, last_run, way_back};
use crate::inventory::{Domain, Paths, Site, without_programs};

/// Asks a host for the history of its sites, and of those that have left it if that is looked for.
pub(crate) fn history_of(
    work: &HostWork,
    host: &mut dyn Target,
) -> Result<Vec<SiteHistory>, CommandError> {
    let inventory = work.leaving.as_ref().map(|leaving| &leaving.inventory);
    host.history(work.sites.clone(), inventory)
}

/// A site on a host, and where taking the run back leads it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SiteRollback<'h> {
    /// The host's name in the inventory.
    pub(crate) host: &'h str,
    /// The site's domain.
    pub(crate) site: &'h Domain,
    /// Where it goes.
    #[serde(flatten)]
    pub(crate) way: RollbackWay,
    /// The supervisord it is of, if the inventory does not have the site any more.
    #[serde(skip)]
    pub(crate) paths: Option<&'h Paths>,
}

/// A [`WayBack`] for people and machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "way", rename_all = "snake_case")]
pub(crate) enum RollbackWay {
    /// To this revision.
    Back {
        /// The revision's number.
        to: u64,
    },
    /// The run did not change it.
    NotChanged,
    /// It did, but there is nothing left of that to take back.
    #[serde(rename = "over")]
    NothingLeft {
        /// Why nothing is left of it.
        why: NothingLeft,
    },
    /// It is itself a rollback, with this revision before it.
    IsRollback {
        /// `None` if it is kept no more.
        before: Option<u64>,
    },
    /// A later run has changed it again.
    ChangedSince {
        /// The run's id.
        run: RunId,
    },
    /// The run was the first.
    NothingBefore,
    /// This run has not ended there.
    Unfinished {
        /// The run's id.
        run: RunId,
    },
    /// This run is at work there.
    #[serde(rename = "under_way")]
    AtWork {
        /// The run's id.
        run: RunId,
    },
}

/// Why nothing is left of a run that could be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum NothingLeft {
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

impl RollbackWay {
    /// Whether there is something that somebody has to see to first.
    pub(crate) fn is_refused(self) -> bool {
        !matches!(self, Self::Back { .. } | Self::NotChanged | Self::NothingLeft { .. })
    }
}

/// The part of the work that goes back.
pub(crate) fn going(
    work: &[HostWork],
    sites: &[SiteRollback<'_>],
) -> Result<Vec<HostWork>, CommandError> {
    let mut going_by_host: BTreeMap<&str, Vec<&SiteRollback<'_>>> = BTreeMap::new();
    for site in sites.iter().filter(|site| matches!(site.way, RollbackWay::Back { .. })) {
        going_by_host.entry(site.host).or_default().push(site);
    }
    let mut all = Vec::new();
    for work in work {
        let Some(going) = going_by_host.get(work.name()) else { continue };
        let domains: BTreeSet<&Domain> = going.iter().map(|site| site.site).collect();
        let mut sites: Vec<Site> =
            work.sites.iter().filter(|site| domains.contains(&site.domain)).cloned().collect();
        // Its revision has all that the inventory would say of one that left.
        for left in going {
            if let Some(paths) = left.paths {
                sites.push(without_programs(left.site, paths)?);
            }
        }
        let (host, programs) = (work.host.clone(), work.programs.clone());
        if !sites.is_empty() {
            all.push(HostWork { host, sites, programs, leaving: None });
        }
    }
    Ok(all)
}

/// The run that is meant: the one that was named, else the newest that is in effect at any of the
/// sites.
pub(crate) fn chosen(
    named: Option<RunId>,
    histories: &[(&str, SiteHistory)],
) -> Result<Run, CommandError> {
    let Some(id) = named.or_else(|| newest_in_effect(histories)) else {
        return Err(CommandError::refused("nothing was applied to these sites yet")
            .hint("see their runs: supervisor-sync history"));
    };
    let mut runs = Vec::new();
    for (_, site) in histories {
        let revisions = site.revisions.as_deref().unwrap_or_default();
        runs.extend(revisions.iter().map(|revision| revision.origin.run()));
        runs.extend(site.outcomes.iter().map(|outcome| outcome.run.clone()));
    }
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

/// The revisions that a run has left: on which host, of which site, and its number there.
pub(crate) fn revisions_of<'h>(
    run: RunId,
    histories: &'h [(&'h str, SiteHistory)],
) -> Vec<(&'h str, &'h Domain, u64)> {
    let mut found = Vec::new();
    for (host, history) in histories.iter().filter(|(_, history)| history.paths.is_none()) {
        let revisions = history.revisions.as_deref().unwrap_or_default();
        let of_run = revisions.iter().filter(|one| one.number > 0 && one.origin.run().id == run);
        found.extend(of_run.map(|revision| (*host, &history.site, revision.number)));
    }
    found
}

/// The newest run in effect at any of the sites. One that was interrupted is the last of all: nothing else
/// goes on until it is out of the way. A rollback that was is completed by the same command.
fn newest_in_effect(histories: &[(&str, SiteHistory)]) -> Option<RunId> {
    let mut newest = None;
    for (_, site) in histories {
        newest = newest.max(last_run(site.revisions.as_deref().unwrap_or_default()));
        if let Some(RunOutcome { run, end, .. }) = unfinished(site)
            && *end != RunEnd::UnderWay
        {
            newest = newest.max(Some(run.takes_back.unwrap_or(run.id)));
        }
    }
    newest
}

/// Where taking this run back leads each site. Sites that left the inventory are only among them if the
/// run has changed them.
pub(crate) fn ways<'h>(
    histories: &'h [(&'h str, SiteHistory)],
    run: RunId,
) -> Vec<SiteRollback<'h>> {
    let mut sites = Vec::new();
    for (host, history) in histories {
        let Ok(revisions) = &history.revisions else { continue };
        let way = way(history, revisions, run);
        if history.paths.is_none() || way != RollbackWay::NotChanged {
            let (site, paths) = (&history.site, history.paths.as_ref());
            sites.push(SiteRollback { host, site, way, paths });
        }
    }
    sites
}

/// The run that has not ended at a site.
fn unfinished(history: &SiteHistory) -> Option<&RunOutcome> {
    history.outcomes.iter().find(|one| Some(one.run.id) == history.unfinished)
}

fn way(history: &SiteHistory, revisions: &[RevisionSummary], run: RunId) -> RollbackWay {
    let way = way_back(revisions, run);
    if let Some(RunOutcome { run: left, end, .. }) = unfinished(history)
        && (left.id == run || way != WayBack::NotChanged)
    {
        if *end == RunEnd::UnderWay {
            return RollbackWay::AtWork { run: left.id };
        }
        if left.id == run {
            // It has no revision yet, so the last one is how the site was before it.
            return match revisions.last() {
                Some(last) => RollbackWay::Back { to: last.number },
                None => RollbackWay::NothingBefore,
            };
        }
        if left.takes_back != Some(run) {
            return RollbackWay::Unfinished { run: left.id };
        }
    }
    let outcome = history.outcomes.iter().find(|outcome| outcome.run.id == run);
    match (way, outcome) {
        (WayBack::To(to), _) => RollbackWay::Back { to },
        (WayBack::NotChanged, Some(outcome)) => over(outcome),
        (WayBack::NotChanged, None) => RollbackWay::NotChanged,
        (WayBack::NoFile, _) => RollbackWay::NothingLeft { why: NothingLeft::NoFile },
        (WayBack::TakenBack(by), _) => RollbackWay::NothingLeft { why: NothingLeft::TakenBack(by) },
        (WayBack::IsRollback(before), _) => RollbackWay::IsRollback { before },
        (WayBack::ChangedSince(run), _) => RollbackWay::ChangedSince { run },
        (WayBack::NothingBefore, _) => RollbackWay::NothingBefore,
    }
}

/// What became of a run without a revision.
fn over(outcome: &RunOutcome) -> RollbackWay {
    let why = match (outcome.end, outcome.settled) {
        (RunEnd::UnderWay, _) => return RollbackWay::AtWork { run: outcome.run.id },
        (RunEnd::Interrupted, Some(settled)) => NothingLeft::Settled(settled),
        (_, Some(settled)) => NothingLeft::FailedSettled(settled),
        (RunEnd::Restarted, None) => NothingLeft::Restarted,
        // A restart that failed, or an apply that nobody has finished since.
        (RunEnd::Kept, None) => NothingLeft::Kept,
        (RunEnd::RolledBack | RunEnd::Stuck, None) => NothingLeft::Failed,
        (RunEnd::Interrupted, None) => NothingLeft::Interrupted,
    };
    RollbackWay::NothingLeft { why }
}
