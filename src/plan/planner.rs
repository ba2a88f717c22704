//! (how it should be, how it is, what is asked for) -> plan. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::control::{Control, plan_control};
use super::elsewhere;
use super::group::GroupContext;
use super::logs;
use super::narrow::{as_applied, is_of_some, narrowed, to_record};
use super::release::release;
use super::remarks::{
    ailing, interrupted, left_unfinished, not_rolling, notes, refusals, taken_from_others, warnings,
};
use super::sections::Sections;
use super::some::only_named;
use super::{FileChange, GroupAction, Intent, PlanOptions, SitePlan};
use crate::actual::{ActualDaemon, ActualSite, Unheard};
use crate::desired::{DesiredSite, FileKind, Former};
use crate::inventory::{Programs, Site};
use crate::records::TakenFile;
use crate::system::files::{Entry, FileContent};

/// One site as it was read, and what is wanted of it.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The site as the inventory has it.
    pub site: &'a Site,
    /// The programs of it that are meant.
    pub programs: &'a Programs,
    /// How it should be.
    pub desired: &'a DesiredSite,
    /// How its supervisord is.
    pub daemon: &'a ActualDaemon,
    /// How the site is.
    pub actual: &'a ActualSite,
}

/// A plan, and what a revision of it says.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What is done.
    pub plan: SitePlan,
    /// What the site is by then, as far as that goes into a record; `None` where that is what is
    /// wanted of it.
    pub record: Option<DesiredSite>,
}

/// Plans one site.
pub fn plan_site(situation: &Situation<'_>, options: &PlanOptions) -> Planned {
    match options.intent {
        Intent::Apply { .. } if situation.programs.is_all() => {
            Planned { plan: plan(situation, options), record: None }
        }
        Intent::Apply { .. } => {
            let narrowed = narrowed(situation);
            let mut plan = plan(&Situation { desired: &narrowed, ..*situation }, options);
            // The others are wanted as they are, but for a mode or an owner that is not right: that
            // is no concern of these programs' apply either.
            plan.files.retain(|path, change| is_of_some(situation, path, change));
            Planned { plan, record: Some(to_record(situation, narrowed)) }
        }
        Intent::Restart => {
            let record = as_applied(situation);
            let mut plan = plan(&Situation { desired: &record, ..*situation }, options);
            only_named(&mut plan, situation, &record, options.intent);
            Planned { plan, record: Some(record) }
        }
        Intent::Release => release(situation),
        Intent::Start => controlled(situation, Control::Start, options.intent),
        Intent::Stop => controlled(situation, Control::Stop, options.intent),
    }
}

/// A start or a stop of what was applied.
fn controlled(situation: &Situation<'_>, what: Control, intent: Intent) -> Planned {
    let Situation { programs, daemon, actual, .. } = situation;
    let record = as_applied(situation);
    let mut plan = plan_control(what, programs, &record, daemon, actual);
    only_named(&mut plan, situation, &record, intent);
    // So that nobody counts them among those of others.
    let recorded = actual.record.iter().flat_map(|record| record.groups.keys());
    plan.own = record.groups.keys().chain(recorded).cloned().collect();
    Planned { plan, record: Some(record) }
}

/// What is wanted is settled: the difference.
fn plan(situation: &Situation<'_>, options: &PlanOptions) -> SitePlan {
    let Situation { desired, daemon, actual, programs, .. } = *situation;
    let mut plan = SitePlan::without_changes(desired.domain.clone());
    if options.changes_files() {
        plan.files = file_changes(desired, daemon, actual);
        plan.folders = actual.missing_log_folders.clone();
        // Of an apply of some programs the record keeps the others as they were.
        plan.unrecorded = programs.is_all() && !actual.unrecorded.is_empty();
        plan.taken_over = taken_over(desired, actual, &plan.files);
    }
    let sections = Sections::read(&plan, actual, &daemon.read_by());
    plan.folders_stay = sections.log_below(&plan.folders);
    let own = OwnGroups::find(desired, daemon, actual, &sections);
    for group in &own.names {
        let sections = &sections;
        let context = GroupContext { group, desired, daemon, actual, programs, options, sections };
        add_group(&mut plan, &context);
    }
    elsewhere::name_it(&mut plan, daemon, actual);
    logs::add(&mut plan, situation, &sections, options);
    plan.interrupted = interrupted(actual, &plan.unfinished);
    plan.warnings = warnings(desired, daemon, actual, options);
    // While somebody is at work on the site, what looks interrupted is not.
    if plan.interrupted.is_some()
        && let Some(holder) = daemon.under_way.get(&desired.domain)
    {
        plan.interrupted = None;
        plan.under_way = Some(holder.clone());
        let text = format!("{holder} is under way: what it has not done yet is planned here too");
        plan.warnings.insert(0, text);
    }
    plan.warnings.extend(left_unfinished(actual, &plan.unfinished));
    let more: Vec<String> = not_rolling(&plan, options).chain(ailing(&plan, daemon)).collect();
    plan.warnings.extend(more);
    plan.refusals = refusals(desired, daemon, actual, options, &plan);
    plan.notes = notes(actual);
    plan.notes.extend(taken_from_others(&plan, actual));
    match actual.unheard.clone() {
        Some(Unheard::Well(text)) => plan.notes.push(text),
        Some(Unheard::Badly(text)) => plan.warnings.push(text),
        None => {}
    }
    plan.own = own.names;
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
    let failing = context.failing();
    if !failing.is_empty() {
        plan.failing.insert(group.clone(), failing);
    }
    if !ran.is_empty() {
        plan.ran.insert(group.clone(), ran);
    }
}

/// What stands at paths of the site that the last revision does not have, as it was before any apply of
/// the site: one that was killed has put its own there.
fn taken_over(
    desired: &DesiredSite,
    actual: &ActualSite,
    changes: &BTreeMap<PathBuf, FileChange>,
) -> BTreeMap<PathBuf, TakenFile> {
    let mut taken = BTreeMap::new();
    for path in desired.files.keys().chain(changes.keys()) {
        let file = match actual.before_interruption(path) {
            Some(before) => before.cloned(),
            None if actual.is_recorded(path) => None,
            None => {
                let kind = actual.kinds.get(path).copied().unwrap_or(FileKind::Supervisor);
                TakenFile::of(kind, actual.files.get(path).unwrap_or(&Entry::Absent))
            }
        };
        taken.extend(file.map(|file| (path.clone(), file)));
    }
    taken
}

fn file_changes(
    desired: &DesiredSite,
    daemon: &ActualDaemon,
    actual: &ActualSite,
) -> BTreeMap<PathBuf, FileChange> {
    let mut changes = BTreeMap::new();
    for (path, file) in &desired.files {
        let before = actual.files.get(path).cloned().unwrap_or(Entry::Absent);
        let is_anothers = is_anothers(&before, file.kind, daemon, actual);
        let as_wanted = match &before {
            Entry::File(FileContent { bytes, mode, owner }) => {
                let as_it_should = match &file.former {
                    None => is_closed_enough(*mode, file.secret) && !is_anothers,
                    Some(former) => *former == Former::File { mode: *mode, owner: *owner },
                };
                **bytes == *file.bytes && as_it_should
            }
            Entry::Link { target, .. } => {
                file.former == Some(Former::Link { target: target.clone() })
            }
            Entry::Absent | Entry::Other(_) => false,
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
        let recorded = actual.record.iter().flat_map(|record| record.groups.keys());
        // One that an interrupted apply was about to remove, or that supervisord has started from a
        // file that was put back since, has neither file nor record any more.
        let former = recorded.chain(&actual.former_groups).chain(sections.before.keys());
        for group in former {
            // A program that somebody has meanwhile defined elsewhere is theirs now. A file that is
            // put back first defines nothing that lasts.
            let is_elsewhere = daemon.defined.of_group(group).any(|program| {
                !actual.owned.contains(&program.file)
                    && !desired.files.contains_key(&program.file)
                    && !daemon.put_back_first.contains(&program.file)
            });
            if !is_elsewhere && !actual.claimed_groups.contains(group) {
                names.insert(group.clone());
            }
        }
        Self { names }
    }
}
