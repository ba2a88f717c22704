//! Which programs each run has touched at a site, as its records tell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::desired::{DesiredSite, FileKind};
use crate::inventory::Domain;
use crate::plan::Whose;
use crate::records::{Revision, RunId, RunOutcome};
use crate::supervisord::{GroupHeader, ini};

/// Programs by run. A run of which the records do not tell is not among them.
pub(super) type Touched = BTreeMap<RunId, BTreeSet<String>>;

/// Adds what the run of a revision has touched: what differs from the revision before, and what it has
/// restarted besides, which older revisions do not have.
pub(super) fn add_revision(touched: &mut Touched, before: Option<&Revision>, now: &Revision) {
    let programs = touched.entry(now.origin.run().id).or_default();
    let is_same =
        before.is_some_and(|before| before.files == now.files && before.groups == now.groups);
    if is_same && now.touched.is_empty() {
        return;
    }
    let desired = now.as_desired();
    let whose_now = Whose { desired: &desired, record: Some(now) };
    programs.extend(now.touched.iter().map(|group| whose_now.program(group, None)));
    let Some(before) = before else {
        programs.extend(now.groups.values().map(|group| group.program.clone()));
        return;
    };
    if is_same {
        return;
    }
    let whose_before = Whose { desired: &desired, record: Some(before) };
    for name in before.groups.keys().chain(now.groups.keys()) {
        let (former, new) = (before.groups.get(name), now.groups.get(name));
        if former != new {
            let both = former.into_iter().chain(new);
            programs.extend(both.map(|group| group.program.clone()));
        }
    }
    for path in before.files.keys().chain(now.files.keys()) {
        let (former, new) = (before.files.get(path), now.files.get(path));
        if former == new {
            continue;
        }
        let kind = former.or(new).map_or(FileKind::Supervisor, |file| file.kind);
        let bytes = |file: Option<&crate::records::revision::RecordedFile>| {
            file.map_or_else(Vec::new, |file| file.content.to_vec())
        };
        let (former, new) = (bytes(former), bytes(new));
        let changed = sections_that_change(&former, &new);
        let of_sections = changed.iter().filter_map(|name| GroupHeader::name_of_program(name));
        let of_sections: BTreeSet<String> =
            of_sections.map(|group| whose_now.program(group, Some(path))).collect();
        match of_sections.is_empty() {
            false => programs.extend(of_sections),
            // Nothing of a program in particular: it is about all that the file is of.
            true => {
                programs.extend(programs_of(whose_before, path, kind, &former));
                programs.extend(programs_of(whose_now, path, kind, &new));
            }
        }
    }
}

/// Adds what runs did to programs that left no revision, or failed, as far as their records tell.
pub(super) fn add_outcomes(
    touched: &mut Touched,
    outcomes: &[RunOutcome],
    site: &Domain,
    last: Option<&Revision>,
) {
    let nothing =
        || DesiredSite { domain: site.clone(), files: BTreeMap::new(), groups: BTreeMap::new() };
    let desired = last.map_or_else(nothing, Revision::as_desired);
    let whose = Whose { desired: &desired, record: last };
    for outcome in outcomes.iter().filter(|outcome| !outcome.groups.is_empty()) {
        let programs = outcome.groups.iter().map(|group| whose.program(group, None));
        touched.entry(outcome.run.id).or_default().extend(programs);
    }
}

fn programs_of(whose: Whose<'_>, path: &Path, kind: FileKind, bytes: &[u8]) -> BTreeSet<String> {
    // One that is not there yet, or any more, is of nobody.
    if bytes.is_empty() { BTreeSet::new() } else { whose.programs(path, kind, bytes) }
}

/// The names of the sections that differ; none in what is no INI.
fn sections_that_change(before: &[u8], after: &[u8]) -> BTreeSet<String> {
    let sections = |bytes: &[u8]| -> BTreeSet<(String, String)> {
        let text = String::from_utf8_lossy(bytes);
        let blocks = ini::blocks(&text).unwrap_or_default();
        blocks.into_iter().map(|(name, block)| (name, block.trim_end().to_owned())).collect()
    };
    let (before, after) = (sections(before), sections(after));
    before.symmetric_difference(&after).map(|(name, _)| name.clone()).collect()
}
