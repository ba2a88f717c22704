//! The part of an apply that changes files: journals, staging, swap. What comes after it is in
//! `accept.rs` (the reread), `follow.rs` (processes), `undo.rs` and `commit.rs`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::again::Stops;
use super::logs::LogEnds;
use super::looks::KnownProcesses;
use super::site::{SiteApply, Stage};
use super::{
    Accepted, ApplyError, ApplyOptions, Doors, FailedAt, Outcome, SiteReport, SiteToApply, Teller,
    files,
};
use crate::desired::FileKind;
use crate::error::{CommandError, ErrorKind};
use crate::event::{Event, Step};
use crate::inventory::Domain;
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
    /// What is known of the processes there are.
    pub(super) looks: KnownProcesses,
    /// What supervisord has said of the new files.
    pub(super) accepted: Option<Accepted>,
}

impl<'t, 'd> Transaction<'t, 'd> {
    pub(super) fn new(
        doors: &'t mut Doors<'d>,
        sites: Vec<SiteToApply>,
        origin: &'t Origin,
        options: &'t ApplyOptions,
    ) -> Self {
        let sites = sites.into_iter().map(SiteApply::new).collect();
        let (stops, looks, accepted) = (Stops::default(), KnownProcesses::default(), None);
        Self { doors, sites, origin, options, stops, looks, accepted }
    }

    pub(super) fn into_reports(mut self) -> Vec<SiteReport> {
        self.tell_ends();
        self.sites.into_iter().map(SiteApply::into_report).collect()
    }

    /// Tells of each site that has come to its end since the last time.
    pub(super) fn tell_ends(&mut self) {
        for site in self.sites.iter_mut().filter(|site| site.has_ended() && !site.is_told) {
            site.is_told = true;
            if let Some(end) = site.report.end() {
                (self.doors.events)(Event::SiteEnded(Box::new(end)));
            }
        }
    }

    /// Writes each site's journal: from here on a kill can be undone.
    pub(super) fn write_journals(&mut self) {
        let mut failed = Vec::new();
        for index in 0..self.sites.len() {
            if self.doors.interrupt.is_raised() {
                break;
            }
            if self.sites[index].plan.is_empty() {
                self.sites[index].end(Outcome::Unchanged);
                continue;
            }
            match self.write_journal(index) {
                Ok(journal) => self.sites[index].journal = Some(journal),
                Err(error) => {
                    failed.push((index, ApplyError::new(FailedAt::State, error)));
                    continue;
                }
            }
            // After the journal, which names them: what was made goes again if the site is put back.
            if let Err(cause) = files::make_folders(self.doors.files, &self.sites[index].plan) {
                failed.push((index, cause));
            }
        }
        self.end_step(failed);
    }

    fn write_journal(&mut self, index: usize) -> Result<Journal, CommandError> {
        let journal = self.journal_of(index)?;
        let (doors, site) = (&mut *self.doors, &self.sites[index]);
        doors.state.prepare(doors.files, site.domain())?;
        site.teller(doors.events).step(Step::Journal);
        doors.state.begin(doors.files, &journal, JournalPhase::Files)?;
        Ok(journal)
    }

    /// Writes all new files beside their targets, and brings them, the folders that were made and the
    /// journals to the disk: all must be there before the first rename.
    pub(super) fn stage(&mut self) {
        let mut failed = Vec::new();
        for index in self.in_files() {
            if self.doors.interrupt.is_raised() {
                break;
            }
            let site = &self.sites[index];
            let Some(journal) = &site.journal else { continue };
            // All of it beside the targets: a full disk shows here, while nobody reads the files yet.
            for kind in [FileKind::Supervisor, FileKind::Logrotate] {
                site.teller(self.doors.events).step(writing(&site.plan, kind));
                if let Err(cause) = files::stage(self.doors.files, &site.plan, journal, kind) {
                    failed.push((index, cause));
                    break;
                }
            }
        }
        self.end_step(failed);
        let mut folders = self.folders();
        folders.extend(self.journals_in_files().flat_map(|journal| journal.folders.clone()));
        if !self.in_files().is_empty() {
            folders.insert(self.doors.state.root().to_owned());
        }
        self.sync(&folders);
    }

    /// Puts the new files into their places, and brings that to the disk before supervisord hears of
    /// them.
    pub(super) fn swap(&mut self) {
        let mut failed = Vec::new();
        for index in self.in_files() {
            if self.doors.interrupt.is_raised() {
                break;
            }
            // Before the first rename: a swap that fails half-way has to be put back, too.
            self.sites[index].is_swapped = true;
            if let Err(cause) = self.swap_site(index) {
                failed.push((index, cause));
            }
        }
        self.end_step(failed);
        let folders = self.folders();
        self.sync(&folders);
    }

    fn swap_site(&mut self, index: usize) -> Result<(), ApplyError> {
        let (doors, site) = (&mut *self.doors, &self.sites[index]);
        let Some(journal) = &site.journal else { return Ok(()) };
        site.teller(doors.events).step(Step::Swap);
        // First what comes, then what goes: should a rename fail, nothing is gone yet.
        files::swap(doors.files, journal)?;
        let paths = files::orphans(journal);
        if !paths.is_empty() {
            site.teller(doors.events).step(Step::RemoveOrphans { paths: paths.clone() });
            files::remove(doors.files, &paths)?;
        }
        Ok(())
    }

    /// Puts back what has failed in a step, all of it together. Nothing has changed yet, or only files:
    /// an interruption is a failure like any other, of every site.
    fn end_step(&mut self, mut failed: Vec<(usize, ApplyError)>) {
        if self.doors.interrupt.is_heeded() {
            let mut rest = self.in_files();
            rest.retain(|index| failed.iter().all(|(other, _)| other != index));
            failed.extend(rest.into_iter().map(|i| (i, interrupted(self.sites[i].domain()))));
        }
        self.put_files_back(failed);
    }

    /// Begins with the processes of each site whose files supervisord has accepted.
    pub(super) fn begin_updates(&mut self, reread: &Reload) {
        self.tell_ends();
        let now = self.doors.clock.now();
        for site in self.sites.iter_mut().filter(|site| matches!(site.stage, Stage::Files)) {
            let mut teller =
                Teller { site: &site.plan.domain, rolling: None, events: self.doors.events };
            for text in site.plan.warnings.iter().filter(|_| site.journal.is_none()) {
                teller.warn(text.clone());
            }
            // Before the first process starts: what a failure quotes is what was logged since.
            site.log_ends = LogEnds::of(self.doors.files, &site.plan, self.doors.clock.timestamp());
            site.begin_update(reread, now, self.doors.events);
        }
    }

    fn journals_in_files(&self) -> impl Iterator<Item = &Journal> {
        let sites = self.sites.iter().filter(|site| matches!(site.stage, Stage::Files));
        sites.filter_map(|site| site.journal.as_ref())
    }

    /// The folders of the files of all sites.
    fn folders(&self) -> BTreeSet<PathBuf> {
        self.journals_in_files().flat_map(files::folders_of).map(Path::to_owned).collect()
    }

    /// One sync of these folders. If it fails nobody's files are safe.
    fn sync(&mut self, folders: &BTreeSet<PathBuf>) {
        let folders = folders.iter().map(PathBuf::as_path).collect();
        let Err(source) = files::sync(self.doors.files, folders) else { return };
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
        // Carried along: until this apply is done, an undo of it leads back to the unfinished one.
        let former = doors.state.interrupted(doors.files, &plan.domain)?.finished;
        let mut journal = Journal::new(plan.domain.clone(), origin.clone());
        journal.folders.clone_from(&plan.folders);
        journal.folders_stay = plan.folders_stay;
        journal.ran.clone_from(&plan.ran);
        journal.stopped.clone_from(&plan.stopped);
        journal.idle.clone_from(&plan.idle);
        // A process that nobody ever started was not stopped by hand either; the next plan tells them
        // apart by this.
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
        // An apply that records nothing leads nowhere new: what it found unfinished still leads where
        // it did.
        journal.target = match &former {
            _ if self.options.record => Some(Revision::new(0, record, origin.clone())),
            former => former.as_ref().and_then(|former| former.target.clone()),
        };
        journal.taken_over = match &former {
            Some(former) if !self.options.record => former.taken_over.clone(),
            _ => plan.taken_over.clone(),
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

fn interrupted(site: &Domain) -> ApplyError {
    let error = CommandError::new(ErrorKind::Interrupted, format!("site {site}: interrupted"));
    ApplyError::new(FailedAt::Interrupted, error)
}

fn writing(plan: &SitePlan, kind: FileKind) -> Step {
    let written = plan.files.values().filter(|c| c.kind == kind && c.after.is_some());
    let files = written.count();
    match kind {
        FileKind::Supervisor => Step::WriteSupervisor { files },
        FileKind::Logrotate => Step::WriteLogrotate { files },
    }
}
