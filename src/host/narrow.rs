//! An apply of some programs of a site: the others are wanted as they are. Pure.
//!
//! So the plan of the site has nothing for them, and the revision that is recorded still holds
//! all of the site's files.

use std::collections::BTreeSet;
use std::path::Path;

use crate::actual::ActualSite;
use crate::desired::{DesiredFile, DesiredSite, FileKind};
use crate::inventory::{FullName, ProgramName, Site};

/// `desired` for `programs`, and for the rest what is there.
pub(super) fn narrowed(
    site: &Site,
    desired: &DesiredSite,
    actual: &ActualSite,
    programs: &[ProgramName],
) -> DesiredSite {
    let full = |name: &ProgramName| FullName::new(&site.domain, name).ok();
    let selected: BTreeSet<String> =
        programs.iter().filter_map(full).map(|name| name.to_string()).collect();
    let is_selected = |path: &Path, kind: FileKind| selected.contains(stem(path, kind).as_ref());
    let by_name = |program: &str| programs.iter().any(|name| name.as_str() == program);

    let mut narrowed = desired.clone();
    narrowed.files.retain(|path, file| is_selected(path, file.kind));
    narrowed.groups.retain(|_, group| by_name(&group.program));
    let record = actual.record.as_ref();
    for path in &actual.owned {
        let kind = actual.kinds.get(path).copied().unwrap_or(FileKind::Supervisor);
        let bytes = actual.files.get(path).and_then(|entry| entry.bytes());
        if let (false, Some(bytes)) = (is_selected(path, kind), bytes) {
            let recorded = record.and_then(|record| record.files.get(path));
            let wanted = desired.files.get(path);
            let secret = recorded.map(|file| file.secret).or(wanted.map(|file| file.secret));
            let file = DesiredFile { kind, bytes: bytes.to_vec(), secret: secret.unwrap_or(false) };
            narrowed.files.insert(path.clone(), file);
        }
    }
    let recorded = record.iter().flat_map(|record| &record.groups);
    let rendered = desired.groups.iter().filter(|_| record.is_none());
    let others = recorded.chain(rendered).filter(|(_, group)| !by_name(&group.program));
    narrowed.groups.extend(others.map(|(name, group)| (name.clone(), group.clone())));
    narrowed
}

/// The full name in a file's name.
fn stem(path: &Path, kind: FileKind) -> std::borrow::Cow<'_, str> {
    let name = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    match kind {
        FileKind::Supervisor => name,
        FileKind::Logrotate => name.strip_prefix("supervisor-").unwrap_or(&name).to_owned().into(),
    }
}
