//! Giving a site's files back to whoever had them before: a plan without groups. Pure.

use std::path::Path;

use super::planner::Planned;
use super::{FileChange, SitePlan, Situation};
use crate::actual::ActualDaemon;
use crate::desired::{DesiredSite, FileKind};
use crate::records::TakenFile;
use crate::supervisord::say_the_same;
use crate::system::files::Entry;

/// Plans it. What runs goes on: a file that says something else than what runs is told of, and
/// supervisord is not asked to take it up.
pub(super) fn release(situation: &Situation<'_>) -> Planned {
    let Situation { desired, daemon, actual, .. } = *situation;
    let mut plan = SitePlan::without_changes(desired.domain.clone());
    let Some(record) = actual.record.as_ref().filter(|record| !record.is_empty()) else {
        plan.notes.push("it has no files here, so there is nothing to give back".to_owned());
        return Planned { plan, record: None };
    };
    plan.releases = true;
    plan.unchanged = record.groups.keys().cloned().collect();
    plan.own = record.groups.keys().cloned().collect();
    let taken = actual.taken_over.iter().flat_map(|taken| &taken.files);
    let mut kept = record.files.len();
    for (path, file) in taken {
        let Some(recorded) = record.files.get(path) else {
            let text = "was removed by an apply, and stays so (rollback --to 0 brings it back)";
            plan.notes.push(format!("{} {text}", path.display()));
            continue;
        };
        kept -= 1;
        let before = actual.files.get(path).cloned().unwrap_or(Entry::Absent);
        if before.bytes() != Some(&*recorded.content) {
            let text = "is left as it is: somebody has changed it since the last apply";
            plan.notes.push(format!("{} {text}", path.display()));
            continue;
        }
        if TakenFile::of(file.kind, &before).as_ref() == Some(file) {
            continue;
        }
        plan.warnings.extend(runs_otherwise(path, &recorded.content, file, daemon));
        let (kind, after) = (file.kind, Some(file.as_desired()));
        plan.files.insert(path.clone(), FileChange { kind, before, after, is_anothers: false });
    }
    if kept > 0 {
        let what = if kept == 1 { "1 file stays as it is" } else { "{} files stay as they are" };
        let text = what.replace("{}", &kept.to_string());
        plan.notes.push(format!("{text}: nothing was there before the site"));
    }
    plan.refusals.extend(super::remarks::broken_config(daemon, &plan));
    let (files, groups) = Default::default();
    Planned { plan, record: Some(DesiredSite { domain: desired.domain.clone(), files, groups }) }
}

/// What becomes of programs whose file comes back with other words than those that they run by.
fn runs_otherwise(
    path: &Path,
    recorded: &[u8],
    file: &TakenFile,
    daemon: &ActualDaemon,
) -> Option<String> {
    let is_same =
        file.kind == FileKind::Logrotate || say_the_same(recorded, file.bytes(), &daemon.read_by());
    (!is_same).then(|| {
        format!(
            "{} comes back with other options than its programs run with: supervisorctl update takes \
             them up",
            path.display()
        )
    })
}
