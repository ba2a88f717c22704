//! What was applied to a site of this host, as its records say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::left;
use super::touched::{self, Touched};
use crate::api::{GroupsDiff, InventoryOnHost, RevisionSummary, SiteDiff, SiteHistory};
use crate::desired::DesiredGroup;
use crate::error::CommandError;
use crate::inventory::{Domain, Paths, Site};
use crate::plan::masked_diff;
use crate::records::revision::RecordedFile;
use crate::records::{Revision, RunId, StateDir};
use crate::system::Disk;
use crate::system::files::Files;

/// The histories of sites; a folder that several share is looked at once.
pub(super) fn of_sites(sites: &[Site], base: &Path) -> Vec<SiteHistory> {
    with_state(sites.iter().map(|site| (&site.domain, &site.paths)), base, of_site)
}

/// The histories of sites that this inventory has applied, or removed, and that it does not have any
/// more. Records that cannot be read are told by [`left::look`].
pub(super) fn of_left(inventory: &InventoryOnHost, base: &Path) -> Vec<SiteHistory> {
    let mut histories = Vec::new();
    for (state, paths) in left::states(base, inventory) {
        let sites = left::others(&state, inventory).unwrap_or_default();
        for site in sites {
            let history = of_site(site, Ok(&state));
            let mut origins = history.revisions.iter().flatten().map(|one| one.origin.run());
            if origins.any(|run| run.is_of_same_inventory(&inventory.run)) {
                histories.push(SiteHistory { paths: Some(paths.clone()), ..history });
            }
        }
    }
    histories
}

fn of_site(site: Domain, state: Result<&StateDir, CommandError>) -> SiteHistory {
    let read = state.and_then(|state| {
        let outcomes = state.outcomes(&Disk, &site)?;
        let mut touched = Touched::new();
        let mut revisions = Vec::new();
        let last = each_revision(state, &Disk, &site, &mut |summary, step| {
            revisions.push(summary);
            if let Step::To(before, revision) = step {
                touched::add_revision(&mut touched, before, revision);
            }
        })?;
        touched::add_outcomes(&mut touched, &outcomes, &site, last.as_ref());
        Ok((revisions, outcomes, unfinished(state, &site)?, touched))
    });
    let (revisions, outcomes, unfinished, touched) = match read {
        Ok((revisions, outcomes, unfinished, touched)) => {
            (Ok(revisions), outcomes, unfinished, touched)
        }
        Err(error) => (Err(error), Vec::new(), None, Touched::new()),
    };
    SiteHistory { site, revisions, outcomes, unfinished, touched, paths: None }
}

/// The run of an apply that leads to a revision and has not ended.
fn unfinished(state: &StateDir, site: &Domain) -> Result<Option<RunId>, CommandError> {
    let interrupted = state.interrupted(&Disk, site)?;
    let leads_on = interrupted.journals().find(|journal| journal.target.is_some());
    Ok(leads_on.map(|journal| journal.origin.run().id))
}

/// What a revision of each site changed, against the one before it.
pub(super) fn diffs(sites: &[Site], number: u64, base: &Path) -> Vec<SiteDiff> {
    with_state(
        sites.iter().map(|site| (&site.domain, &site.paths)),
        base,
        |site, state| match state.and_then(|state| diff(state, &site, number)) {
            Ok((diff, groups)) => SiteDiff { site, diff: Ok(diff), groups: Some(groups) },
            Err(error) => SiteDiff { site, diff: Err(error), groups: None },
        },
    )
}

fn with_state<'s, T>(
    sites: impl Iterator<Item = (&'s Domain, &'s Paths)>,
    base: &Path,
    of: impl Fn(Domain, Result<&StateDir, CommandError>) -> T,
) -> Vec<T> {
    let mut last: Option<(StateDir, Result<(), CommandError>)> = None;
    let mut all = Vec::new();
    for (site, paths) in sites {
        let state = StateDir::new(paths, base);
        let checked = match last.take() {
            Some((same, checked)) if same == state => checked,
            _ => state.check(),
        };
        all.push(of(site.clone(), checked.clone().map(|()| &state)));
        last = Some((state, checked));
    }
    all
}

/// The revisions of a site, ascending; 0 is what it has taken over.
pub(super) fn revisions(
    state: &StateDir,
    files: &dyn Files,
    site: &Domain,
) -> Result<Vec<RevisionSummary>, CommandError> {
    let mut summaries = Vec::new();
    each_revision(state, files, site, &mut |summary, _| summaries.push(summary))?;
    Ok(summaries)
}

/// What a revision leads to.
enum Step<'r> {
    /// To what was there before, as it was taken over.
    TakenOver,
    /// From the one before it to itself.
    To(Option<&'r Revision>, &'r Revision),
}

/// Hands on each revision of a site, ascending, and returns the last.
fn each_revision(
    state: &StateDir,
    files: &dyn Files,
    site: &Domain,
    each: &mut dyn FnMut(RevisionSummary, Step<'_>),
) -> Result<Option<Revision>, CommandError> {
    let mut before: Option<Revision> = None;
    let numbers = state.whole_revision_numbers(files, site)?;
    // Written before the first revision, it is none by itself.
    let taken = if numbers.is_empty() { None } else { state.taken_over(files, site)? };
    if let Some(taken) = taken {
        let (number, programs, changed) = (0, 0, true);
        let (files, origin) = (taken.files.len(), taken.origin);
        each(RevisionSummary { number, programs, files, origin, changed }, Step::TakenOver);
    }
    for number in numbers {
        let Some(revision) = state.revision(files, site, number)? else { continue };
        let programs: BTreeSet<&String> =
            revision.groups.values().map(|group| &group.program).collect();
        let summary = RevisionSummary {
            number,
            programs: programs.len(),
            files: revision.files.len(),
            origin: revision.origin.clone(),
            changed: before.as_ref().is_none_or(|before| before.files != revision.files),
        };
        each(summary, Step::To(before.as_ref(), &revision));
        before = Some(revision);
    }
    Ok(before)
}

fn diff(
    state: &StateDir,
    site: &Domain,
    number: u64,
) -> Result<(String, GroupsDiff), CommandError> {
    let numbers = state.whole_revision_numbers(&Disk, site)?;
    let zero = state.taken_over(&Disk, site)?.map(|taken| taken.as_revision());
    let revision = if number == 0 { zero.clone() } else { state.revision(&Disk, site, number)? };
    let Some(revision) = revision else { return Err(no_revision(site, number)) };
    let before = match numbers.iter().rev().find(|before| **before < number) {
        Some(before) => state.revision(&Disk, site, *before)?,
        None => zero.filter(|_| number > 0),
    };
    let former = before
        .as_ref()
        .map_or("nothing".to_owned(), |before| format!("revision {}", before.number));
    let none = BTreeMap::new();
    let old = before.as_ref().map_or(&none, |before| &before.files);
    let mut text = String::new();
    let paths: BTreeSet<&PathBuf> = old.keys().chain(revision.files.keys()).collect();
    for path in paths {
        let diff = masked_diff(content(old, path), content(&revision.files, path));
        if !diff.is_empty() {
            let path = path.display();
            text.push_str(&format!(
                "--- {path} ({former})\n+++ {path} (revision {number})\n{diff}"
            ));
        }
    }
    let none = BTreeMap::new();
    let old = before.as_ref().map_or(&none, |before| &before.groups);
    Ok((text, groups_diff(old, &revision.groups)))
}

fn groups_diff(
    old: &BTreeMap<String, DesiredGroup>,
    new: &BTreeMap<String, DesiredGroup>,
) -> GroupsDiff {
    let is_changed = |name: &&String| old.get(*name).is_some_and(|old| new.get(*name) != Some(old));
    GroupsDiff {
        added: new.keys().filter(|name| !old.contains_key(*name)).cloned().collect(),
        changed: new.keys().filter(is_changed).cloned().collect(),
        removed: old.keys().filter(|name| !new.contains_key(*name)).cloned().collect(),
    }
}

/// The content of one of these files; nothing where it is not among them.
fn content<'f>(files: &'f BTreeMap<PathBuf, RecordedFile>, path: &Path) -> &'f [u8] {
    files.get(path).map_or(&[], |file| &file.content)
}

/// The error for a revision that is not there.
pub(super) fn no_revision(site: &Domain, number: u64) -> CommandError {
    CommandError::refused(format!("site {site} has no revision {number}"))
        .hint(format!("see them: supervisor-sync history --site {site}"))
}
