//! Files: staged, swapped in, and put back.

use std::path::{Path, PathBuf};

use super::failure::Unanswered;
use super::{ApplyError, Doors, FailedAt, Outcome};
use crate::desired::{DesiredFile, FileKind};
use crate::error::{CommandError, ErrorKind};
use crate::event::{Event, Step};
use crate::inventory::Domain;
use crate::plan::{FileChange, SitePlan};
use crate::state::journal::{Content, JournaledFile};
use crate::state::{Journal, JournalPhase};
use crate::supervisord::{Answer, Call, CallError, Reload};
use crate::system::files::{Entry, FileContent, Files, staged_path};

/// What is at the path of a change now.
pub(super) fn content_before(change: &FileChange) -> Content {
    match &change.before {
        Entry::File(file) => Content::File(file.clone()),
        Entry::Link { target, .. } => Content::Link(target.clone()),
        Entry::Absent | Entry::Other(_) => Content::Absent,
    }
}

/// What will be there. A mode that is closed enough is kept, since it was somebody's choice.
pub(super) fn content_after(change: &FileChange) -> Content {
    let Some(DesiredFile { bytes, secret, .. }) = &change.after else { return Content::Absent };
    let (widest, wanted) = if *secret { (0o700, 0o600) } else { (0o755, 0o644) };
    let mode = match &change.before {
        Entry::File(file) if file.mode & !widest == 0 => file.mode,
        _ => wanted,
    };
    Content::File(FileContent { bytes: bytes.clone(), mode, owner: None })
}

impl Doors<'_> {
    pub(super) fn step(&mut self, site: &Domain, step: Step) {
        (self.events)(Event::Step { site: site.clone(), step });
    }

    /// Nothing has changed yet, or only files: an interruption is a failure like any other.
    fn uninterrupted(&self, site: &Domain) -> Result<(), ApplyError> {
        if !self.interrupt.is_raised() {
            return Ok(());
        }
        let error = CommandError::new(ErrorKind::Interrupted, format!("site {site}: interrupted"));
        Err(ApplyError::new(FailedAt::Interrupted, error))
    }

    /// Stages, journals and swaps. On an error the caller undoes what the journal names.
    pub(super) fn write_files(
        &mut self,
        plan: &SitePlan,
        journal: &Journal,
    ) -> Result<(), ApplyError> {
        let (site, state) = (&plan.domain, self.state);
        self.uninterrupted(site)?;
        let in_state = |error| ApplyError::new(FailedAt::State, error);
        state.prepare(self.files, site).map_err(in_state)?;
        self.step(site, Step::Journal);
        state.begin(self.files, journal, JournalPhase::Files).map_err(in_state)?;
        self.make_folders(plan)?;
        for kind in [FileKind::Supervisor, FileKind::Logrotate] {
            self.stage(plan, journal, kind)?;
        }
        // The intent and the new bytes must be on the disk before the first rename, and the
        // renames before supervisord hears of them.
        let folders = folders_of(journal);
        let on_disk = |source: std::io::Error| {
            let error = CommandError::refused("cannot bring the files to the disk");
            ApplyError::new(FailedAt::State, error.caused_by(&source))
        };
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        let with_state: Vec<&Path> = folders.iter().copied().chain([self.state.root()]).collect();
        self.files.sync(&with_state).map_err(on_disk)?;
        self.swap(site, journal)?;
        self.files.sync(&folders).map_err(on_disk)
    }

    fn make_folders(&mut self, plan: &SitePlan) -> Result<(), ApplyError> {
        for folder in &plan.folders {
            self.files
                .create_folder(folder, 0o755)
                .map_err(|source| cannot("make", folder, &source, write_failed))?;
        }
        Ok(())
    }

    fn stage(
        &mut self,
        plan: &SitePlan,
        journal: &Journal,
        kind: FileKind,
    ) -> Result<(), ApplyError> {
        let is_written = |c: &&FileChange| c.kind == kind && c.after.is_some();
        let files = plan.files.values().filter(is_written).count();
        self.step(
            &plan.domain,
            match kind {
                FileKind::Supervisor => Step::WriteSupervisor { files },
                FileKind::Logrotate => Step::WriteLogrotate { files },
            },
        );
        for file in &journal.files {
            let of_kind = plan.files.get(&file.path).is_some_and(|change| change.kind == kind);
            if let (true, Content::File(content)) = (of_kind, &file.after) {
                self.files
                    .stage(&staged_path(&file.path), content)
                    .map_err(|source| cannot("write", &file.path, &source, write_failed))?;
            }
        }
        self.uninterrupted(&plan.domain)
    }

    fn swap(&mut self, site: &Domain, journal: &Journal) -> Result<(), ApplyError> {
        self.step(site, Step::Swap);
        for file in journal.files.iter().filter(|file| file.after != Content::Absent) {
            self.files
                .rename(&staged_path(&file.path), &file.path)
                .map_err(|source| cannot("write", &file.path, &source, write_failed))?;
        }
        let orphans = journal.files.iter().filter(|file| file.after == Content::Absent);
        let paths: Vec<PathBuf> = orphans.map(|file| file.path.clone()).collect();
        if !paths.is_empty() {
            self.step(site, Step::RemoveOrphans { paths: paths.clone() });
        }
        for path in paths {
            self.files
                .remove(&path)
                .map_err(|source| cannot("remove", &path, &source, FailedAt::Remove))?;
        }
        self.uninterrupted(site)
    }

    /// Has supervisord read its files anew; no process is touched by it.
    pub(super) fn reread(&mut self, site: &Domain) -> Result<Reload, Unanswered> {
        self.step(site, Step::Reread);
        let answer = self.supervisord.batch(&[Call::ReloadConfig])?.into_iter().next();
        match answer.transpose()? {
            Some(Answer::Reload(reload)) => Ok(reload),
            other => Err(Unanswered::Odd(other)),
        }
    }

    /// Puts files back after a failure before any process was touched.
    pub(super) fn undo_files(
        &mut self,
        journal: &Journal,
        has_reread: bool,
        cause: ApplyError,
    ) -> Outcome {
        self.step(&journal.site, Step::Undo);
        let mut errors: Vec<String> =
            restore(self.files, journal).into_iter().map(|error| error.what).collect();
        if has_reread && let Err(error) = self.reread(&journal.site) {
            errors.extend(fault_after_restore(&error));
        }
        self.close_undone(journal, &mut errors);
        ended(cause, errors)
    }

    /// Removes the journal, unless something could not be put back: then the next run tries again.
    pub(super) fn close_undone(&mut self, journal: &Journal, errors: &mut Vec<String>) {
        let former = journal.former.as_deref();
        if errors.is_empty()
            && let Err(error) = self.state.close_undone(self.files, &journal.site, former)
        {
            errors.push(in_one_line(&error));
        }
    }
}

/// A failure of supervisord itself as an error of the reread.
pub(super) fn reread_failed(error: &Unanswered) -> ApplyError {
    let failed = CommandError::refused("supervisord did not reread its files").caused_by(error);
    match error {
        Unanswered::Lost(CallError::Interrupted { .. }) => {
            ApplyError::new(FailedAt::Interrupted, failed.of_kind(ErrorKind::Interrupted))
        }
        _ => ApplyError::new(FailedAt::Reread, failed),
    }
}

/// A daemon that is gone has forgotten what it read; its next start reads the former files.
pub(super) fn fault_after_restore(error: &Unanswered) -> Option<String> {
    (!error.is_gone())
        .then(|| format!("supervisord's memory: {}", in_one_line(&reread_failed(error).error)))
}

/// Message and causes; the hints are said of the failure as a whole.
pub(super) fn in_one_line(error: &CommandError) -> String {
    CommandError { hints: Vec::new(), ..error.clone() }.to_string()
}

pub(super) fn ended(cause: ApplyError, undo_errors: Vec<String>) -> Outcome {
    if undo_errors.is_empty() {
        Outcome::RolledBack { cause }
    } else {
        Outcome::Stuck { cause, undo_errors }
    }
}

/// A file that could not be put back.
pub(super) struct NotRestored {
    /// Its path and the reason.
    pub(super) what: String,
    /// Whether that is because somebody has edited it since: then it is theirs now.
    pub(super) edited: bool,
}

/// Puts every file of the journal back as it was, whatever state it is in, and returns what could
/// not be. A file that is neither as it was nor as we made it has been edited since: it stays. What
/// goes goes first: on a full disk that is the room for what comes back.
pub(super) fn restore(files: &dyn Files, journal: &Journal) -> Vec<NotRestored> {
    let mut errors = Vec::new();
    let mut is_changed = false;
    let (goes, comes_back): (Vec<_>, Vec<_>) =
        journal.files.iter().partition(|file| file.before == Content::Absent);
    for file in goes.into_iter().chain(comes_back) {
        match put_back(files, file) {
            Ok(changed) => is_changed |= changed,
            Err(error) => {
                let edited = error.kind() == std::io::ErrorKind::ResourceBusy;
                let what = format!("{}: {error}", file.path.display());
                errors.push(NotRestored { what, edited });
            }
        }
    }
    for folder in journal.folders.iter().rev() {
        // Not empty any more means that somebody uses it.
        let _ = files.remove_folder(folder);
    }
    let folders = folders_of(journal);
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    if is_changed && let Err(error) = files.sync(&folders) {
        errors.push(NotRestored { what: format!("syncing: {error}"), edited: false });
    }
    errors
}

/// Puts one file back, and says whether there was anything to put back.
fn put_back(files: &dyn Files, file: &JournaledFile) -> std::io::Result<bool> {
    let staged = staged_path(&file.path);
    let now = files.read(&file.path)?;
    if is(&now, &file.before) {
        files.remove(&staged)?;
        return Ok(false);
    }
    if !is(&now, &file.after) && now != Entry::Absent {
        files.remove(&staged)?;
        let edited = std::io::ErrorKind::ResourceBusy;
        return Err(std::io::Error::new(edited, "somebody has edited it since"));
    }
    let written = match &file.before {
        Content::Absent => files.remove(&file.path),
        Content::File(content) => files.stage(&staged, content),
        Content::Link(target) => files.stage_link(&staged, target),
    };
    let swapped = written.and_then(|()| match &file.before {
        Content::Absent => files.remove(&staged),
        Content::File(_) | Content::Link(_) => files.rename(&staged, &file.path),
    });
    if swapped.is_err() {
        // The first error is the one to tell; a leftover goes with the next try.
        let _ = files.remove(&staged);
    }
    swapped.map(|()| true)
}

fn is(entry: &Entry, content: &Content) -> bool {
    match (entry, content) {
        (Entry::Absent, Content::Absent) => true,
        (Entry::File(now), Content::File(then)) => {
            // What we made has the owner of whoever writes.
            let same_owner = then.owner.is_none() || now.owner == then.owner;
            now.bytes == then.bytes && now.mode == then.mode && same_owner
        }
        (Entry::Link { target, .. }, Content::Link(then)) => target == then,
        _ => false,
    }
}

/// The folders of the journal's files, each once.
fn folders_of(journal: &Journal) -> Vec<PathBuf> {
    let parents = journal.files.iter().filter_map(|file| file.path.parent());
    let mut folders: Vec<PathBuf> = parents.map(Path::to_owned).collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

fn write_failed(path: PathBuf) -> FailedAt {
    FailedAt::Write(path)
}

fn cannot(
    verb: &str,
    path: &Path,
    source: &std::io::Error,
    at: fn(PathBuf) -> FailedAt,
) -> ApplyError {
    let error = CommandError::refused(format!("cannot {verb} {}", path.display()));
    ApplyError::new(at(path.to_owned()), error.caused_by_io(source, path))
}
