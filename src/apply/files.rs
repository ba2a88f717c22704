//! Files: staged, swapped in, and put back. Each function is about one site; the transaction calls
//! it for one after the other and syncs for all of them at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{ApplyError, FailedAt};
use crate::desired::{DesiredFile, FileKind, Former};
use crate::error::CommandError;
use crate::plan::{FileChange, SitePlan};
use crate::records::Journal;
use crate::records::journal::{JournaledFile, PathContent};
use crate::system::files::{Entry, FileContent, Files, staged_path};

/// What is at the path of a change now.
pub(super) fn content_before(change: &FileChange) -> PathContent {
    match &change.before {
        Entry::File(file) => PathContent::File(file.clone()),
        Entry::Link { target, .. } => PathContent::Link(target.clone()),
        Entry::Absent | Entry::Other(_) => PathContent::Absent,
    }
}

/// What will be there. A mode that is closed enough is kept, since it was somebody's choice.
pub(super) fn content_after(change: &FileChange) -> PathContent {
    let Some(DesiredFile { bytes, secret, former, .. }) = &change.after else {
        return PathContent::Absent;
    };
    match former {
        Some(Former::Link { target }) => return PathContent::Link(target.clone()),
        Some(Former::File { mode, owner }) => {
            let (mode, owner) = (*mode, *owner);
            return PathContent::File(FileContent { bytes: bytes.as_slice().into(), mode, owner });
        }
        None => {}
    }
    let (widest, wanted) = if *secret { (0o700, 0o600) } else { (0o755, 0o644) };
    let mode = match &change.before {
        Entry::File(file) if file.mode & !widest == 0 => file.mode,
        _ => wanted,
    };
    PathContent::File(FileContent { bytes: bytes.as_slice().into(), mode, owner: None })
}

/// Makes the folders of a plan.
pub(super) fn make_folders(files: &dyn Files, plan: &SitePlan) -> Result<(), ApplyError> {
    for folder in &plan.folders {
        files
            .create_folder(folder, 0o755)
            .map_err(|source| cannot("make", folder, &source, FailedAt::Write))?;
    }
    Ok(())
}

/// Writes the new files of this kind beside their targets.
pub(super) fn stage(
    files: &dyn Files,
    plan: &SitePlan,
    journal: &Journal,
    kind: FileKind,
) -> Result<(), ApplyError> {
    for file in &journal.files {
        let of_kind = plan.files.get(&file.path).is_some_and(|change| change.kind == kind);
        let staged = staged_path(&file.path);
        let written = match &file.after {
            _ if !of_kind => Ok(()),
            PathContent::File(content) => files.stage(&staged, content),
            PathContent::Link(target) => files.stage_link(&staged, target),
            PathContent::Absent => Ok(()),
        };
        written.map_err(|source| cannot("write", &file.path, &source, FailedAt::Write))?;
    }
    Ok(())
}

/// Renames the staged files into their places.
pub(super) fn swap(files: &dyn Files, journal: &Journal) -> Result<(), ApplyError> {
    for file in journal.files.iter().filter(|file| file.after != PathContent::Absent) {
        files
            .rename(&staged_path(&file.path), &file.path)
            .map_err(|source| cannot("write", &file.path, &source, FailedAt::Write))?;
    }
    Ok(())
}

/// The files of a journal that go.
pub(super) fn orphans(journal: &Journal) -> Vec<PathBuf> {
    let orphans = journal.files.iter().filter(|file| file.after == PathContent::Absent);
    orphans.map(|file| file.path.clone()).collect()
}

/// Removes what the plan leaves out; a path where nothing is counts as removed.
pub(super) fn remove(files: &dyn Files, paths: &[PathBuf]) -> Result<(), ApplyError> {
    for path in paths {
        files.remove(path).map_err(|source| cannot("remove", path, &source, FailedAt::Remove))?;
    }
    Ok(())
}

/// A file that could not be put back.
pub(super) struct NotRestored {
    /// Its path and the reason.
    pub(super) what: String,
    /// Whether that is because somebody has edited it since: then it is theirs now.
    pub(super) edited: bool,
}

/// A site's files on their way back: what was not there before is gone, and what comes back waits
/// beside its target. In between the caller syncs: under its own name a file must be whole, also after
/// a power cut.
#[derive(Default)]
struct Restoring<'j> {
    staged: Vec<&'j JournaledFile>,
    errors: Vec<NotRestored>,
    changed: bool,
}

/// What came of putting a site's files back.
#[derive(Default)]
pub(super) struct Restored {
    /// What could not be put back.
    pub(super) errors: Vec<NotRestored>,
    /// Whether any file was, so that its folder must be synced.
    pub(super) changed: bool,
}

/// Puts every file of all these journals back as it was, whatever state it is in; with one sync before
/// they get their names, and the caller syncs the folders of what has changed. Folders that were made go,
/// but for those that the new files of another site or the former ones of this need.
pub(super) fn restore(
    files: &dyn Files,
    journals: &[&Journal],
    needed: &BTreeSet<PathBuf>,
) -> Vec<Restored> {
    let restoring: Vec<Restoring<'_>> =
        journals.iter().map(|journal| begin_restore(files, journal)).collect();
    let staged = journals.iter().zip(&restoring).filter(|(_, one)| !one.staged.is_empty());
    let synced = sync_folders(files, staged.map(|(journal, _)| *journal));
    let mut all = Vec::new();
    for (one, journal) in restoring.into_iter().zip(journals) {
        // Given their names all the same: supervisord and logrotate see the former files, and only a
        // power cut may still take them.
        let unsynced = synced.as_ref().err().filter(|_| !one.staged.is_empty());
        let mut restored = one.finish(files);
        remove_folders(files, journal, needed);
        restored.errors.extend(unsynced.map(NotRestored::unsynced));
        all.push(restored);
    }
    all
}

/// Removes what an apply has written beside its targets, of which it has touched none: whatever is there
/// by now is not its affair.
pub(super) fn unstage(
    files: &dyn Files,
    journal: &Journal,
    needed: &BTreeSet<PathBuf>,
) -> Restored {
    let mut restored = Restored::default();
    for file in &journal.files {
        if let Err(error) = files.remove(&staged_path(&file.path)) {
            restored.errors.push(not_restored(file, &error, false));
        }
    }
    remove_folders(files, journal, needed);
    restored
}

/// Begins to put back the files of one journal. A file that is neither as it was nor as we made it has
/// been edited since: it stays. What leaves is removed first: on a full disk that is the room for what
/// comes back.
fn begin_restore<'j>(files: &dyn Files, journal: &'j Journal) -> Restoring<'j> {
    let mut restoring = Restoring::default();
    let (goes, comes_back): (Vec<_>, Vec<_>) =
        journal.files.iter().partition(|file| file.before == PathContent::Absent);
    for file in goes.into_iter().chain(comes_back) {
        match begin_to_put_back(files, file) {
            Ok(PutBack::AsItWas) => {}
            Ok(PutBack::Removed) => restoring.changed = true,
            Ok(PutBack::Staged) => restoring.staged.push(file),
            Ok(PutBack::EditedSince) => {
                let why = "somebody has edited it since";
                restoring.errors.push(not_restored(file, &why, true));
            }
            Err(error) => restoring.errors.push(not_restored(file, &error, false)),
        }
    }
    restoring
}

impl Restoring<'_> {
    /// Puts what waits into its place; not synced.
    fn finish(mut self, files: &dyn Files) -> Restored {
        for file in self.staged {
            let staged = staged_path(&file.path);
            match files.rename(&staged, &file.path) {
                Ok(()) => self.changed = true,
                Err(error) => {
                    self.errors.push(not_restored(file, &error, false));
                    // The first error is the one to tell; a leftover goes with the next try.
                    let _ = files.remove(&staged);
                }
            }
        }
        Restored { errors: self.errors, changed: self.changed }
    }
}

impl NotRestored {
    /// The files are back, but not for certain after a power cut.
    pub(super) fn unsynced(error: &std::io::Error) -> Self {
        Self { what: format!("syncing: {error}"), edited: false }
    }
}

fn remove_folders(files: &dyn Files, journal: &Journal, needed: &BTreeSet<PathBuf>) {
    if journal.folders_stay {
        return;
    }
    for folder in journal.folders.iter().rev().filter(|folder| !needed.contains(*folder)) {
        // Not empty any more means that somebody uses it.
        let _ = files.remove_folder(folder);
    }
}

fn not_restored(file: &JournaledFile, why: &dyn std::fmt::Display, edited: bool) -> NotRestored {
    NotRestored { what: format!("{}: {why}", file.path.display()), edited }
}

/// What has become of one file that is to be put back.
enum PutBack {
    /// It was as before.
    AsItWas,
    /// It was not there before, and is gone again.
    Removed,
    /// What was there before waits beside it.
    Staged,
    /// It is neither as before nor as we made it.
    EditedSince,
}

fn begin_to_put_back(files: &dyn Files, file: &JournaledFile) -> std::io::Result<PutBack> {
    let staged = staged_path(&file.path);
    let now = files.read(&file.path)?;
    if is(&now, &file.before) {
        files.remove(&staged)?;
        return Ok(PutBack::AsItWas);
    }
    if !is(&now, &file.after) && now != Entry::Absent {
        files.remove(&staged)?;
        return Ok(PutBack::EditedSince);
    }
    let written = match &file.before {
        PathContent::Absent => files.remove(&file.path).and_then(|()| files.remove(&staged)),
        PathContent::File(content) => files.stage(&staged, content),
        PathContent::Link(target) => files.stage_link(&staged, target),
    };
    if written.is_err() {
        let _ = files.remove(&staged);
    }
    written.map(|()| match &file.before {
        PathContent::Absent => PutBack::Removed,
        PathContent::File(_) | PathContent::Link(_) => PutBack::Staged,
    })
}

fn is(entry: &Entry, content: &PathContent) -> bool {
    match (entry, content) {
        (Entry::Absent, PathContent::Absent) => true,
        (Entry::File(now), PathContent::File(then)) => {
            // What we made has the owner of whoever writes.
            let same_owner = then.owner.is_none() || now.owner == then.owner;
            now.bytes == then.bytes && now.mode == then.mode && same_owner
        }
        (Entry::Link { target, .. }, PathContent::Link(then)) => target == then,
        _ => false,
    }
}

/// A sync that failed: nobody's files are safe.
pub(super) fn not_on_disk(source: &std::io::Error) -> ApplyError {
    let error = CommandError::refused("cannot bring the files to the disk").caused_by(source);
    ApplyError::new(FailedAt::State, error)
}

/// The folders of the journal's files.
pub(super) fn folders_of(journal: &Journal) -> impl Iterator<Item = &Path> {
    journal.files.iter().filter_map(|file| file.path.parent())
}

/// One sync for the folders of all these journals' files.
pub(super) fn sync_folders<'j>(
    files: &dyn Files,
    journals: impl Iterator<Item = &'j Journal>,
) -> std::io::Result<()> {
    sync(files, journals.flat_map(folders_of).collect())
}

/// One sync for these folders, if there are any.
pub(super) fn sync(files: &dyn Files, folders: BTreeSet<&Path>) -> std::io::Result<()> {
    match folders.is_empty() {
        true => Ok(()),
        false => files.sync(&folders.into_iter().collect::<Vec<_>>()),
    }
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
