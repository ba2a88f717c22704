//! The part of an apply that changes files: journals, staging, swap. What comes after it is in
//! `accept.rs` (the reread), `follow.rs` (processes), `undo.rs` and `commit.rs`.

use std::path::{Path, PathBuf};

use super::again::Stops;
use super::site::{SiteApply, Stage};
use super::{
    ApplyError, ApplyOptions, Doors, FailedAt, Outcome, PlannedSite, SiteReport, Teller, files,
};
use crate::desired::FileKind;
use crate::error::{CommandError, ErrorKind};
use crate::event::Step;
use crate::plan::SitePlan;
use crate::records::journal::JournaledFile;
use crate::records::{Journal, JournalPhase, Origin, Revision};
use crate::supervisord::Reload;

/// All sites of one supervisord on their way through an apply.
pub(super) struct Transaction<'t, 'd> {
    pub(super) doors: &'t mut Doors<'d>,
    pub(super) sites: Vec<SiteApply>,
    pub(super) origin: &'t Origin,
    pub(super) options: &'t ApplyOptions,
    /// What may have to be asked to stop once more.
    pub(super) stops: Stops,
}

impl<'t, 'd> Transaction<'t, 'd> {
    pub(super) fn new(
        doors: &'t mut Doors<'d>,
        sites: Vec<PlannedSite>,
        origin: &'t Origin,
        options: &'t ApplyOptions,
    ) -> Self {
        let sites = sites.into_iter().map(SiteApply::new).collect();
        Self { doors, sites, origin, options, stops: Stops::default() }
    }

    pub(super) fn into_reports(self) -> Vec<SiteReport> {
        self.sites.into_iter().map(SiteApply::into_report).collect()
    }

    /// Writes each site's journal: from here on a kill can be undone.
    pub(super) fn write_journals(&mut self) {
        for index in 0..self.sites.len() {
            if self.sites[index].plan.is_empty() {
                self.sites[index].end(Outcome::Unchanged);
                continue;
            }
            let journal = match self.journal_of(index) {
                Ok(journal) => journal,
                Err(error) => {
                    self.sites[index].refuse(ApplyError::new(FailedAt::State, error));
                    continue;
                }
            };
            self.sites[index].journal = Some(journal);
            self.step_of(index, |doors, site, journal| {
                let in_state = |error| ApplyError::new(FailedAt::State, error);
                uninterrupted(doors, &site.plan)?;
                doors.state.prepare(doors.files, &site.plan.domain).map_err(in_state)?;
                doors.teller(&site.plan).step(Step::Journal);
                doors.state.begin(doors.files, journal, JournalPhase::Files).map_err(in_state)?;
                files::make_folders(doors.files, &site.plan)
            });
        }
    }

    /// Writes all new files beside their targets, and brings them and the journals to the disk: both
    /// must be there before the first rename.
    pub(super) fn stage(&mut self) {
        for index in 0..self.sites.len() {
            self.step_of(index, |doors, site, journal| {
                for kind in [FileKind::Supervisor, FileKind::Logrotate] {
                    doors.teller(&site.plan).step(writing(&site.plan, kind));
                    files::stage(doors.files, &site.plan, journal, kind)?;
                    uninterrupted(doors, &site.plan)?;
                }
                Ok(())
            });
        }
        let records = self.doors.state.root().to_owned();
        self.sync(Some(&records));
    }

    /// Puts the new files into their places, and brings that to the disk before supervisord hears of
    /// them.
    pub(super) fn swap(&mut self) {
        for index in 0..self.sites.len() {
            self.step_of(index, |doors, site, journal| {
                uninterrupted(doors, &site.plan)?;
                doors.teller(&site.plan).step(Step::Swap);
                files::swap(doors.files, journal)?;
                let paths = files::orphans(journal);
                if !paths.is_empty() {
                    let step = Step::RemoveOrphans { paths: paths.clone() };
                    doors.teller(&site.plan).step(step);
                    files::remove(doors.files, &paths)?;
                }
                uninterrupted(doors, &site.plan)
            });
        }
        self.sync(None);
    }

    /// Begins with the processes of each site whose files supervisord has accepted.
    pub(super) fn begin_updates(&mut self, reread: &Reload) {
        let now = self.doors.clock.now();
        for site in self.sites.iter_mut().filter(|site| matches!(site.stage, Stage::Files)) {
            let mut teller = Teller { site: &site.plan.domain, events: self.doors.events };
            for text in site.plan.warnings.iter().filter(|_| site.journal.is_none()) {
                teller.warn(text.clone());
            }
            site.begin_update(reread, now, self.doors.events);
        }
    }

    /// Does a step for one site, unless it has ended already. What fails is put back at once, for
    /// this site alone.
    fn step_of(
        &mut self,
        index: usize,
        step: impl FnOnce(&mut Doors<'_>, &SiteApply, &Journal) -> Result<(), ApplyError>,
    ) {
        let site = &self.sites[index];
        let (Stage::Files, Some(journal)) = (&site.stage, &site.journal) else { return };
        if let Err(cause) = step(self.doors, site, journal) {
            self.put_files_back(vec![(index, cause)]);
        }
    }

    /// One sync for the folders of all sites. If it fails nobody's files are safe.
    fn sync(&mut self, records: Option<&Path>) {
        if self.in_files().is_empty() {
            return;
        }
        let of_sites = self.sites.iter().filter(|site| matches!(site.stage, Stage::Files));
        let journals = of_sites.filter_map(|site| site.journal.as_ref());
        let mut folders: Vec<PathBuf> = journals.flat_map(files::folders_of).collect();
        folders.extend(records.map(Path::to_owned));
        folders.sort_unstable();
        folders.dedup();
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        let Err(source) = self.doors.files.sync(&folders) else { return };
        let failed = self.in_files().into_iter();
        let cause = files::not_on_disk(&source);
        self.put_files_back(failed.map(|index| (index, cause.clone())).collect());
    }

    /// The sites whose files are being changed.
    pub(super) fn in_files(&self) -> Vec<usize> {
        let sites = self.sites.iter().enumerate();
        sites.filter(|(_, site)| matches!(site.stage, Stage::Files)).map(|(i, _)| i).collect()
    }

    /// What the next run needs to undo or finish this apply, should it be killed.
    fn journal_of(&self, index: usize) -> Result<Journal, CommandError> {
        let SiteApply { plan, record, .. } = &self.sites[index];
        let (doors, origin) = (&*self.doors, self.origin);
        let former = doors.state.interrupted(doors.files, &plan.domain)?.finished;
        let mut journal = Journal::new(plan.domain.clone(), origin.clone());
        journal.folders.clone_from(&plan.folders);
        journal.ran.clone_from(&plan.ran);
        journal.stopped.clone_from(&plan.stopped);
        journal.idle.clone_from(&plan.idle);
        for (group, idle) in &plan.idle {
            if let Some(stopped) = journal.stopped.get_mut(group) {
                stopped.retain(|name| !idle.contains(name));
            }
        }
        let acting = plan.groups.iter().filter(|(_, change)| change.action.acts());
        journal.groups = acting.map(|(name, c)| (name.clone(), c.stop_seconds)).collect();
        journal.files = plan
            .files
            .iter()
            .map(|(path, change)| JournaledFile {
                path: path.clone(),
                before: files::content_before(change),
                after: files::content_after(change),
            })
            .collect();
        journal.target = match &former {
            _ if self.options.record => Some(Revision::new(0, record, origin.clone())),
            former => former.as_ref().and_then(|former| former.target.clone()),
        };
        if let Some(former) = former {
            // An apply that records nothing leaves the groups of the former one to be finished.
            for (group, seconds) in &former.groups {
                journal.groups.entry(group.clone()).or_insert(*seconds);
            }
            journal.former = Some(Box::new(Journal { former: None, ..former }));
        }
        Ok(journal)
    }
}

impl Doors<'_> {
    pub(super) fn teller<'t>(&'t mut self, plan: &'t SitePlan) -> Teller<'t> {
        Teller { site: &plan.domain, events: &mut *self.events }
    }
}

/// Nothing has changed yet, or only files: an interruption is a failure like any other.
fn uninterrupted(doors: &Doors<'_>, plan: &SitePlan) -> Result<(), ApplyError> {
    if !doors.interrupt.is_raised() {
        return Ok(());
    }
    let message = format!("site {}: interrupted", plan.domain);
    let error = CommandError::new(ErrorKind::Interrupted, message);
    Err(ApplyError::new(FailedAt::Interrupted, error))
}

fn writing(plan: &SitePlan, kind: FileKind) -> Step {
    let written = plan.files.values().filter(|c| c.kind == kind && c.after.is_some());
    let files = written.count();
    match kind {
        FileKind::Supervisor => Step::WriteSupervisor { files },
        FileKind::Logrotate => Step::WriteLogrotate { files },
    }
}
