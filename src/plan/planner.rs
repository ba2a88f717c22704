//! (how it should be, how it is, options) -> plan. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::group::GroupContext;
use super::remarks::{
    ailing, interrupted, left_unfinished, not_rolling, notes, refusals, warnings,
};
use super::sections::Sections;
use super::{FileChange, GroupAction, PlanOptions, SitePlan};
use crate::actual::{ActualDaemon, ActualSite};
use crate::desired::{DesiredSite, FileKind};
use crate::system::files::{Entry, FileContent};

/// Plans one site.
pub fn plan_site(
    desired: &DesiredSite,
    daemon: &ActualDaemon,
    actual: &ActualSite,
    options: &PlanOptions,
) -> SitePlan {
    let mut plan = SitePlan {
        files: file_changes(desired, daemon, actual),
        folders: actual.missing_log_folders.clone(),
        ..SitePlan::without_changes(desired.domain.clone())
    };
    if options.only_processes {
        plan.files.clear();
        plan.folders.clear();
    }
    let sections = Sections::read(&plan, actual);
    let own = OwnGroups::find(desired, daemon, actual, &sections);
    for group in &own.names {
        let context = GroupContext { group, desired, daemon, actual, options, sections: &sections };
        add_group(&mut plan, &context);
    }
    plan.interrupted = interrupted(actual, &plan.unfinished);
    plan.warnings = warnings(desired, daemon, actual, options);
    plan.warnings.extend(left_unfinished(actual, &plan.unfinished));
    let more: Vec<String> = not_rolling(&plan, options).chain(ailing(&plan, daemon)).collect();
    plan.warnings.extend(more);
    plan.refusals = refusals(desired, daemon, actual, options, &plan);
    plan.notes = notes(daemon, actual, &own.names);
    plan
}

/// What is done to one group, and what is known of its processes.
fn add_group(plan: &mut SitePlan, context: &GroupContext<'_>) {
    let group = context.group;
    let ran = context.ran();
    let change = context.change(&ran);
    let unwatched = context.unwatched(change.as_ref());
    if let (false, Some(wanted)) = (unwatched.is_empty(), context.desired.groups.get(group)) {
        plan.unwatched.insert(group.clone(), (wanted.clone(), unwatched));
    }
    if let Some(seconds) = context.still_loaded(change.as_ref()) {
        plan.still_loaded.insert(group.clone(), seconds);
    }
    match change {
        Some(change) => {
            if let (GroupAction::Replace { .. }, Some((action, _))) =
                (&change.action, context.change_without_replacing(&ran))
                && action.acts()
            {
                plan.unseen.insert(group.clone(), action);
            }
            plan.groups.insert(group.clone(), change);
        }
        None if context.desired.groups.contains_key(group) && !context.stays_unfinished() => {
            plan.unchanged.push(group.clone())
        }
        None => {}
    }
    if context.stays_unfinished() {
        plan.unfinished.insert(group.clone());
    }
    let idle = context.idle(&ran);
    if !idle.is_empty() {
        plan.idle.insert(group.clone(), idle);
    }
    let stopped = context.stopped_by_hand(&ran);
    if !stopped.is_empty() {
        plan.stopped.insert(group.clone(), stopped);
    }
    if !ran.is_empty() {
        plan.ran.insert(group.clone(), ran);
    }
}

fn file_changes(
    desired: &DesiredSite,
    daemon: &ActualDaemon,
    actual: &ActualSite,
) -> BTreeMap<std::path::PathBuf, FileChange> {
    let mut changes = BTreeMap::new();
    for (path, file) in &desired.files {
        let before = actual.files.get(path).cloned().unwrap_or(Entry::Absent);
        let is_anothers = is_anothers(&before, file.kind, daemon, actual);
        let as_wanted = match &before {
            Entry::File(FileContent { bytes, mode, owner: _ }) => {
                *bytes == file.bytes && is_closed_enough(*mode, file.secret) && !is_anothers
            }
            _ => false,
        };
        if !as_wanted {
            let (kind, after) = (file.kind, Some(file.clone()));
            changes.insert(path.clone(), FileChange { kind, before, after, is_anothers });
        }
    }
    for path in actual.owned.iter().filter(|path| !desired.files.contains_key(*path)) {
        let before = actual.files.get(path).cloned().unwrap_or(Entry::Absent);
        let kind = actual.kinds.get(path).copied().unwrap_or(FileKind::Supervisor);
        changes.insert(path.clone(), FileChange { kind, before, after: None, is_anothers: false });
    }
    changes
}

/// logrotate ignores a file that others may write to, and environment values are nobody else's
/// business. Beyond that a mode is its owner's choice.
fn is_closed_enough(mode: u32, secret: bool) -> bool {
    mode & if secret { 0o077 } else { 0o022 } == 0
}

/// Whether a file is of a user who must not own it: logrotate ignores one that is not root's, and
/// whoever owns a config of root's supervisord has root run what they like. A supervisord of another
/// user may well read files of that user's, and who is not root cannot give a file away.
fn is_anothers(entry: &Entry, kind: FileKind, daemon: &ActualDaemon, actual: &ActualSite) -> bool {
    let Entry::File(FileContent { owner: Some((uid, _)), .. }) = entry else { return false };
    let roots = match kind {
        FileKind::Supervisor => daemon.reads_private_files,
        FileKind::Logrotate => true,
    };
    roots && actual.writes_as_root && *uid != 0
}

/// The groups that are the site's: wanted, defined in one of its own files, or once its own and
/// defined by nobody any more.
struct OwnGroups {
    names: BTreeSet<String>,
}

impl OwnGroups {
    fn find(
        desired: &DesiredSite,
        daemon: &ActualDaemon,
        actual: &ActualSite,
        sections: &Sections,
    ) -> Self {
        let mut names: BTreeSet<String> = desired.groups.keys().cloned().collect();
        // A program that somebody has meanwhile defined elsewhere is theirs now. A file that is put
        // back first defines nothing that lasts.
        let is_elsewhere = |group: &&String| {
            daemon.defined.of_group(group).any(|program| {
                !actual.owned.contains(&program.file)
                    && !desired.files.contains_key(&program.file)
                    && !daemon.put_back_first.contains(&program.file)
            })
        };
        let recorded = actual.record.iter().flat_map(|record| record.groups.keys());
        // One that an interrupted apply was about to remove, or that supervisord has started from a
        // file that was put back since, has neither file nor record any more.
        let former = recorded.chain(&actual.former_groups).chain(sections.before.keys());
        names.extend(former.filter(|group| !is_elsewhere(group)).cloned());
        Self { names }
    }
}
