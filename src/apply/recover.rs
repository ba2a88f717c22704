//! In the next run: cleaning up what a killed apply left.

use std::collections::BTreeMap;

use super::undo::sync_folders;
use super::{Doors, files};
use crate::error::CommandError;
use crate::event::{Event, Step};
use crate::inventory::Domain;
use crate::records::{Interrupted, Journal, JournalPhase, LockError, Origin};
use crate::system::files::staged_path;

/// Undoes what killed applies left half-written, of whichever site. The lock of the supervisord is
/// held; a site whose own lock somebody else holds has an apply under way and is passed over. `held`
/// says which locks are ours. An apply that was killed while processes were updated is left for the
/// next apply of its own site to finish, unless it was already being undone.
///
/// Returns the sites it could not be done for, with the reason: one does not keep the others from
/// being recovered, or applied.
pub fn recover(
    doors: &mut Doors<'_>,
    origin: &Origin,
    held: &dyn Fn(&Domain) -> bool,
) -> Result<BTreeMap<Domain, CommandError>, CommandError> {
    let mut failed = BTreeMap::new();
    for site in doors.state.sites(doors.files)? {
        if let Err(error) = recover_if_interrupted(doors, &site, origin, held) {
            let text = format!("an apply of site {site} that never ended is not undone: {error}");
            (doors.events)(Event::Warning { site: site.clone(), text });
            failed.insert(site, error);
        }
    }
    Ok(failed)
}

fn recover_if_interrupted(
    doors: &mut Doors<'_>,
    site: &Domain,
    origin: &Origin,
    held: &dyn Fn(&Domain) -> bool,
) -> Result<(), CommandError> {
    if doors.state.interrupted(doors.files, site)? == Interrupted::default() {
        return Ok(());
    }
    let _lock = match held(site) {
        true => None,
        false => match doors.state.site_locks().and_then(|locks| locks.lock(site, origin)) {
            Ok(lock) => Some(lock),
            Err(LockError::Held { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        },
    };
    // Once more: until the lock was had, an apply may have been under way.
    let interrupted = doors.state.interrupted(doors.files, site)?;
    for file in interrupted.finished.iter().flat_map(|journal| &journal.files) {
        // Left by an undo that failed and could not even say so in the journal.
        let _ = doors.files.remove(&staged_path(&file.path));
    }
    let Some((phase, journal)) = &interrupted.undone_first else { return Ok(()) };
    put_files_back(doors, journal)?;
    let rest = match phase {
        JournalPhase::Undo => interrupted.finished,
        // We have touched no process. But a supervisord that was started since has loaded the files
        // as they were then, and runs what they said.
        JournalPhase::Files | JournalPhase::Groups if is_loaded_otherwise(doors, journal) => {
            journal.rest()
        }
        JournalPhase::Files | JournalPhase::Groups => journal.former.as_deref().cloned(),
    };
    doors.state.close_undone(doors.files, site, rest.as_ref())
}

/// Whether supervisord has loaded any group of the journal otherwise than the files, which are as
/// they were before, say; also if it cannot tell.
fn is_loaded_otherwise(doors: &mut Doors<'_>, journal: &Journal) -> bool {
    let Ok(reload) = doors.reread() else { return true };
    let mut differs = reload.added.iter().chain(&reload.changed).chain(&reload.removed);
    differs.any(|group| journal.groups.contains_key(group))
}

fn put_files_back(doors: &mut Doors<'_>, journal: &Journal) -> Result<(), CommandError> {
    let site = &journal.site;
    let step = Step::Recover { interrupted: journal.origin.to_string() };
    (doors.events)(Event::Step { site: site.clone(), step });
    let restoring = files::begin_restore(doors.files, journal);
    let staged = restoring.has_staged().then_some(journal);
    let synced = sync_folders(doors.files, staged.into_iter());
    let restored = restoring.finish(doors.files, journal);
    let changed = restored.changed.then_some(journal);
    let synced = synced.and_then(|()| sync_folders(doors.files, changed.into_iter()));
    let (edited, mut failed): (Vec<_>, Vec<_>) =
        restored.errors.into_iter().partition(|error| error.edited);
    if let Err(error) = synced {
        failed.push(files::NotRestored { what: format!("syncing: {error}"), edited: false });
    }
    for file in edited {
        let text = format!("not put back: {}", file.what);
        (doors.events)(Event::Warning { site: site.clone(), text });
    }
    if !failed.is_empty() {
        let mut error =
            CommandError::refused(format!("site {site}: an interrupted apply cannot be undone"));
        error.causes = failed.into_iter().map(|error| error.what).collect();
        return Err(error.hint("mend that, then run the same command again"));
    }
    Ok(())
}
