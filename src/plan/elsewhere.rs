//! What changes a program although its own file is as it was applied. Pure.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Reason, SitePlan};
use crate::actual::{ActualDaemon, ActualSite};

/// Names the files that change every program where that is why groups differ from what runs: what
/// `[supervisord]` adds to the environment is part of each program's configuration, and so is what
/// `[DEFAULT]` says.
///
/// supervisord tells only that a group differs. It is none of the group's own doing if its file is as the
/// last revision wrote it, and every other group differs as well.
pub(super) fn name_it(plan: &mut SitePlan, daemon: &ActualDaemon, actual: &ActualSite) {
    let others: BTreeSet<PathBuf> =
        daemon.everywhere.iter().filter(|path| !actual.owned.contains(*path)).cloned().collect();
    if others.is_empty() || !all_differ(daemon) {
        return;
    }
    for (group, change) in &mut plan.groups {
        if change.reason == Reason::FileNewer && is_as_applied(group, daemon, actual) {
            change.reason = Reason::EveryProgram { by: others.clone() };
        }
    }
}

/// Whether each group that is loaded and still in a file differs from it.
fn all_differ(daemon: &ActualDaemon) -> bool {
    let Ok(reread) = &daemon.reread else { return false };
    let told: BTreeSet<&String> = reread.removed.iter().chain(&reread.changed).collect();
    daemon.groups.keys().all(|group| told.contains(group))
}

fn is_as_applied(group: &str, daemon: &ActualDaemon, actual: &ActualSite) -> bool {
    let Some(record) = &actual.record else { return false };
    let mut files = daemon.defined.of_group(group).map(|defined| &defined.file).peekable();
    files.peek().is_some()
        && files.all(|path| {
            let recorded = record.files.get(path).map(|file| &*file.content);
            recorded.is_some() && recorded == actual.files.get(path).and_then(|it| it.bytes())
        })
}
