//! How runs ended at a site, where no revision says it: those that failed, were put back, were killed
//! or only restarted.
//!
//! A revision is itself the record of an apply that is done. What else ends leaves a small file of its
//! own. No plan depends on it, only what is said of runs: so it is not synced, and one that cannot be
//! read is passed over.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Record, RunId, StateDir, cannot, names_or_none, private};
use crate::error::CommandError;
use crate::inventory::Domain;
use crate::records::{Journal, Run};
use crate::system::files::{Files, replace};

/// The shape this program writes.
const VERSION: u32 = 1;
/// How many are kept of a site.
const KEPT: usize = 50;

/// How a run ended at one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunOutcome {
    /// Version of this shape.
    version: u32,
    /// At which site.
    pub site: Domain,
    /// The run that ended so, as whoever began it described it.
    pub run: Run,
    /// How it ended.
    pub end: RunEnd,
    /// Why, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What became of one that was interrupted or left; `None` if nothing has yet, or that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// supervisord's groups that it did something to, or was about to. Older records do not have it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
}

/// What became of an interrupted or failed run at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Settled {
    /// The run that did it.
    pub by: RunId,
    /// What that run did about it.
    pub how: SettledHow,
}

/// What can become of such a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SettledHow {
    /// The former files were put back, before any process had changed.
    Undone,
    /// What it had begun was brought to where the later run led.
    Finished,
    /// The site went back to how it was before it.
    TakenBack,
}

/// How a run can end at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// Done, without a revision: processes were restarted.
    Restarted,
    /// It failed, and the site was put back.
    RolledBack,
    /// It failed and was left, as asked. It has a revision, too, unless processes still stop or it was a
    /// restart.
    Kept,
    /// It failed, and not everything could be put back.
    Stuck,
    /// It was interrupted or killed. The next apply undoes or finishes it.
    Interrupted,
    /// It is at work.
    UnderWay,
}

impl RunOutcome {
    /// The record of this end.
    pub fn new(site: Domain, run: Run, end: RunEnd, cause: Option<String>) -> Self {
        let groups = BTreeSet::new();
        Self { version: VERSION, site, run, end, cause, settled: None, groups }
    }

    /// Of a run that has left this journal.
    fn of(journal: &Journal, run: &Run, end: RunEnd) -> Self {
        let groups = journal.groups.keys().cloned().collect();
        Self { groups, ..Self::new(journal.site.clone(), run.clone(), end, None) }
    }
}

impl Record for RunOutcome {
    const VERSION: u32 = VERSION;

    fn version(&self) -> u32 {
        self.version
    }

    fn damage(&self, state: &StateDir, site: &Domain) -> Option<String> {
        state.damage(site, &self.site, [])
    }
}

impl StateDir {
    /// Writes how a run ended, and removes the oldest of those records beyond those that are kept.
    pub fn write_outcome(
        &self,
        files: &dyn Files,
        outcome: &RunOutcome,
    ) -> Result<(), CommandError> {
        let folder = self.site_folder(&outcome.site).join("runs");
        files.create_folder(&folder, 0o700).map_err(|source| cannot("make", &folder, &source))?;
        self.check_in_sites(&folder)?;
        let path = folder.join(format!("{}.json", outcome.run.id));
        replace(files, &path, &private(outcome)?)
            .map_err(|source| cannot("write", &path, &source))?;
        let ids = self.outcome_ids(files, &outcome.site)?;
        for old in ids.iter().take(ids.len().saturating_sub(KEPT)) {
            // One that stays is no harm, and the next one tries again.
            let _ = files.remove(&folder.join(format!("{old}.json")));
        }
        Ok(())
    }

    /// Notes that a run was interrupted, from the journal it left. One that said more by itself is left.
    pub fn note_interrupted(&self, files: &dyn Files, journal: &Journal) {
        let Some(run) = &journal.origin.run else { return };
        let known = self.outcome_ids(files, &journal.site).unwrap_or_default();
        if !known.contains(&run.id) {
            let outcome = RunOutcome::of(journal, run, RunEnd::Interrupted);
            let _ = self.write_outcome(files, &outcome);
        }
    }

    /// Notes what became of a run that left something: one that was interrupted, or failed and was left.
    pub fn note_settled(&self, files: &dyn Files, site: &Domain, run: &RunId, settled: Settled) {
        let path = self.site_folder(site).join("runs").join(format!("{run}.json"));
        let read = self.read_record::<RunOutcome>(files, site, &path).ok().flatten();
        if let Some(outcome) = read
            && matches!(outcome.end, RunEnd::Interrupted | RunEnd::Kept | RunEnd::Stuck)
        {
            let _ = self.write_outcome(files, &RunOutcome { settled: Some(settled), ..outcome });
        }
    }

    /// How runs ended at a site, ascending; what a journal says is the last.
    pub fn outcomes(
        &self,
        files: &dyn Files,
        site: &Domain,
    ) -> Result<Vec<RunOutcome>, CommandError> {
        let folder = self.site_folder(site).join("runs");
        let mut outcomes: Vec<RunOutcome> = Vec::new();
        for id in self.outcome_ids(files, site)? {
            // One that cannot be read is missing in the history, and in the way of nothing.
            let read = self.read_record(files, site, &folder.join(format!("{id}.json")));
            outcomes.extend(read.ok().flatten());
        }
        let interrupted = self.interrupted(files, site)?;
        for journal in interrupted.journals().rev() {
            let Some(run) = &journal.origin.run else { continue };
            let end = match self.site_held_by(site) {
                Some(_) => RunEnd::UnderWay,
                None => RunEnd::Interrupted,
            };
            if !outcomes.iter().any(|outcome| outcome.run.id == run.id) {
                outcomes.push(RunOutcome::of(journal, run, end));
            }
        }
        Ok(outcomes)
    }

    fn outcome_ids(&self, files: &dyn Files, site: &Domain) -> Result<Vec<RunId>, CommandError> {
        let names = names_or_none(files, &self.site_folder(site).join("runs"))?;
        let mut ids: Vec<RunId> =
            names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Paths;
    use crate::system::Disk;

    /// What became of a run is noted only if the run left something.
    #[test]
    fn outcome_is_noted_for_unfinished_runs() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(&Paths::default(), folder.path());
        let site = Domain::parse("a.com").unwrap();
        state.prepare(&Disk, &site).unwrap();
        let by = "20260102-000000-0001".parse().unwrap();
        let settled = Settled { by, how: SettledHow::Finished };
        let is_noted = |end| {
            let run = Run::begin("apply");
            let outcome = RunOutcome::new(site.clone(), run.clone(), end, None);
            state.write_outcome(&Disk, &outcome).unwrap();
            state.note_settled(&Disk, &site, &run.id, settled);
            let read = state.outcomes(&Disk, &site).unwrap();
            read.iter().find(|read| read.run.id == run.id).unwrap().settled == Some(settled)
        };
        assert!([RunEnd::Interrupted, RunEnd::Kept, RunEnd::Stuck].into_iter().all(is_noted));
        assert!(![RunEnd::Restarted, RunEnd::RolledBack].into_iter().any(is_noted));
    }

    #[test]
    fn outcomes_are_bounded_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(&Paths::default(), folder.path());
        let site = Domain::parse("a.com").unwrap();
        state.prepare(&Disk, &site).unwrap();
        for number in 0..60 {
            let id = format!("20260101-0000{number:02}-0001").parse().unwrap();
            let run = Run { id, ..Run::begin("apply") };
            let outcome = RunOutcome::new(site.clone(), run, RunEnd::RolledBack, None);
            state.write_outcome(&Disk, &outcome).unwrap();
        }
        let read = state.outcomes(&Disk, &site).unwrap();
        assert_eq!(read.len(), KEPT);
        assert_eq!(read[0].run.id.to_string(), "20260101-000010-0001");
        assert_eq!(read[49].run.id.to_string(), "20260101-000059-0001");
        let damaged = state.site_folder(&site).join("runs/20260101-000059-0001.json");
        std::fs::OpenOptions::new().write(true).open(damaged).unwrap().set_len(5).unwrap();
        assert_eq!(state.outcomes(&Disk, &site).unwrap().len(), KEPT - 1);
    }
}
