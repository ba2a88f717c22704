//! In the next run: cleaning up what killed applies left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::files::{self, NotRestored, Restored};
use super::{Doors, Reload};
use crate::error::CommandError;
use crate::event::{Event, Step};
use crate::inventory::Domain;
use crate::records::{Journal, JournalPhase, Lock, LockError, Origin};
use crate::system::files::staged_path;

/// Undoes what killed applies left half-written, of whichever site, all of it together: their number
/// costs neither rereads nor syncs, since all that time nobody else can apply anything. The lock of the
/// supervisord is held; a site whose own lock somebody else holds has an apply under way and is passed
/// over. `held` says which locks are ours. An apply that was killed while processes were updated is left
/// for the next apply of its own site to finish, unless it was already being undone.
///
/// Returns the sites it could not be done for, with the reason: one does not keep the others from
/// being recovered, or applied.
pub fn recover(
    doors: &mut Doors<'_>,
    origin: &Origin,
    held: &dyn Fn(&Domain) -> bool,
) -> Result<BTreeMap<Domain, CommandError>, CommandError> {
    let mut failed = BTreeMap::new();
    let mut half_done = Vec::new();
    // Known of all sites before the first folder goes: a later one may need what an earlier one made.
    let mut needed = BTreeSet::new();
    for site in doors.state.sites(doors.files)? {
        match half_done_of(doors, &site, origin, held, &mut needed) {
            Ok(found) => half_done.extend(found),
            Err(error) => {
                failed.insert(site, error);
            }
        }
    }
    let put_back = put_files_back(doors, half_done, &needed, &mut failed);
    close(doors, put_back, &mut failed);
    for (site, error) in &failed {
        let text = format!("an apply of site {site} that never ended is not undone: {error}");
        (doors.events)(Event::Warning { site: site.clone(), text });
    }
    Ok(failed)
}

/// An apply that was killed in a phase in which its files are put back.
struct HalfDone {
    phase: JournalPhase,
    journal: Journal,
    /// What is left to be finished after an undo that was killed.
    finished: Option<Journal>,
    /// The lock of its site, unless it was held already.
    _lock: Option<Lock>,
}

impl HalfDone {
    /// What of it the next apply of its site has to finish, now that its files are back and
    /// supervisord has said by `reread` what it has loaded otherwise.
    fn rest(&self, reread: Option<&Reload>) -> Option<Journal> {
        match self.phase {
            JournalPhase::Undo => self.finished.clone(),
            JournalPhase::Files | JournalPhase::Groups => {
                match is_loaded_otherwise(reread, &self.journal) {
                    true => self.journal.rest(),
                    // An apply that this one was to finish is as unfinished as it was before.
                    false => self.journal.former.as_deref().cloned(),
                }
            }
        }
    }
}

fn half_done_of(
    doors: &Doors<'_>,
    site: &Domain,
    origin: &Origin,
    held: &dyn Fn(&Domain) -> bool,
    needed: &mut BTreeSet<PathBuf>,
) -> Result<Option<HalfDone>, CommandError> {
    if !doors.state.has_journal(doors.files, site) {
        return Ok(None);
    }
    let lock = match held(site) {
        true => None,
        false => match doors.state.site_locks().and_then(|locks| locks.lock(site, origin)) {
            Ok(lock) => Some(lock),
            // Alive, so not ours to undo. But a folder that it has made must not go with the files of
            // one that was killed and had made the same.
            Err(LockError::Held { .. }) => {
                let under_way = doors.state.interrupted(doors.files, site).unwrap_or_default();
                needed.extend(under_way.journals().flat_map(|journal| journal.folders.clone()));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        },
    };
    // Not before the lock was had: until then an apply may have been under way.
    let interrupted = doors.state.interrupted(doors.files, site)?;
    for file in interrupted.finished.iter().flat_map(|journal| &journal.files) {
        // Left by an undo that failed and could not even say so in the journal.
        let _ = doors.files.remove(&staged_path(&file.path));
    }
    let finished = interrupted.finished;
    if interrupted.undone_first.is_none() {
        // Its new files stay.
        needed.extend(finished.iter().flat_map(|journal| journal.folders.clone()));
    }
    Ok(interrupted.undone_first.map(|(phase, journal)| HalfDone {
        phase,
        journal,
        finished,
        _lock: lock,
    }))
}

/// Puts the files of all of them back, and returns those it could be done for.
fn put_files_back(
    doors: &mut Doors<'_>,
    half_done: Vec<HalfDone>,
    needed: &BTreeSet<PathBuf>,
    failed: &mut BTreeMap<Domain, CommandError>,
) -> Vec<HalfDone> {
    for HalfDone { journal, .. } in &half_done {
        let step = Step::Recover { interrupted: journal.origin.to_string() };
        (doors.events)(Event::Step { site: journal.site.clone(), step });
    }
    let journals: Vec<&Journal> = half_done.iter().map(|one| &one.journal).collect();
    let mut restored = files::restore(doors.files, &journals, needed);
    // On the disk before a journal goes: nothing else knows that these files are to go back.
    let changed = journals.iter().zip(&restored).filter(|(_, one)| one.changed);
    if let Err(error) = files::sync_folders(doors.files, changed.map(|(journal, _)| *journal)) {
        for one in restored.iter_mut().filter(|one| one.changed) {
            one.errors.push(NotRestored::unsynced(&error));
        }
    }
    let mut put_back = Vec::new();
    for (one, restored) in half_done.into_iter().zip(restored) {
        match put_back_of(doors, &one.journal.site, restored) {
            Ok(()) => put_back.push(one),
            Err(error) => {
                failed.insert(one.journal.site, error);
            }
        }
    }
    put_back
}

/// What came of putting the files of one site back. What somebody has edited since is theirs now.
fn put_back_of(
    doors: &mut Doors<'_>,
    site: &Domain,
    restored: Restored,
) -> Result<(), CommandError> {
    let (edited, failed): (Vec<_>, Vec<_>) =
        restored.errors.into_iter().partition(|error| error.edited);
    for file in edited {
        let text = format!("not put back: {}", file.what);
        (doors.events)(Event::Warning { site: site.clone(), text });
    }
    if failed.is_empty() {
        return Ok(());
    }
    let mut error =
        CommandError::refused(format!("site {site}: an interrupted apply cannot be undone"));
    error.causes = failed.into_iter().map(|error| error.what).collect();
    Err(error.hint("fix that, then run the same command again"))
}

/// Drops the journals of what was put back, but for what the next apply of its site has to finish.
fn close(
    doors: &mut Doors<'_>,
    put_back: Vec<HalfDone>,
    failed: &mut BTreeMap<Domain, CommandError>,
) {
    // We have touched no process then. But a supervisord that was started since has loaded the files
    // as they were, and runs what they said.
    // Of an undo that was killed the processes are left to the next apply anyhow.
    let needs_reread = put_back.iter().any(|one| one.phase != JournalPhase::Undo);
    let reread = if needs_reread { doors.reread().ok() } else { Some(Reload::default()) };
    let rests: Vec<Option<Journal>> =
        put_back.iter().map(|one| one.rest(reread.as_ref())).collect();
    let undone: Vec<(&Domain, Option<&Journal>)> =
        put_back.iter().zip(&rests).map(|(one, rest)| (&one.journal.site, rest.as_ref())).collect();
    for (one, closed) in put_back.iter().zip(doors.state.close_undone(doors.files, &undone)) {
        if let Err(error) = closed {
            failed.insert(one.journal.site.clone(), error);
        }
    }
}

/// Whether supervisord has loaded any group of the journal otherwise than the files, which are as
/// they were before, say; also if it cannot tell.
fn is_loaded_otherwise(reread: Option<&Reload>, journal: &Journal) -> bool {
    let Some(reload) = reread else { return true };
    let mut differs = reload.added.iter().chain(&reload.changed).chain(&reload.removed);
    differs.any(|group| journal.groups.contains_key(group))
}
