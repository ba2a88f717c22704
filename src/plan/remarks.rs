//! What a plan says beside what it does: why an apply will not start, what a person should see to,
//! what is left alone. Pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{GroupAction, PlanOptions, Refusal, SitePlan};
use crate::actual::{ActualDaemon, ActualSite};
use crate::desired::{DesiredSite, FileKind};
use crate::inventory::{Domain, RestartPolicy};
use crate::records::{Interrupted, Journal};
use crate::supervisord::{self, Blame, ProcessState};
use crate::system::files::Entry;

pub(super) fn refusals(
    desired: &DesiredSite,
    daemon: &ActualDaemon,
    actual: &ActualSite,
    options: &PlanOptions,
    plan: &SitePlan,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if !options.changes_files() {
        return refusals;
    }
    if version_of(daemon) < (4, 0, 0) {
        refusals.push(Refusal::OldSupervisord { version: daemon.version.clone() });
    }
    refusals.extend(broken_config(daemon, plan));
    let folders = actual.missing_folders.iter().filter(|_| !desired.files.is_empty());
    refusals.extend(folders.map(|path| Refusal::MissingFolder { path: path.clone() }));
    refusals.extend(
        actual.claimed.iter().map(|(path, other)| Refusal::ClaimedBySite {
            path: path.clone(),
            other: other.clone(),
        }),
    );
    refusals.extend(of_files(daemon, actual, plan));
    refusals.extend(defined_elsewhere(desired, daemon, actual));
    refusals.extend(taken_in(desired, daemon, actual));
    refusals.extend(taken_in_unseen(daemon, plan));
    refusals.extend(actual.missing_users.iter().map(|(user, programs)| Refusal::MissingUser {
        user: user.clone(),
        programs: programs.clone(),
    }));
    if !options.missing_code_is_a_warning {
        refusals.extend(actual.missing_code.iter().map(|code| Refusal::MissingCode {
            path: code.path.clone(),
            problem: code.problem.clone(),
            programs: code.programs.clone(),
        }));
    }
    let unread = desired.files.iter().find(|(path, file)| {
        file.kind == FileKind::Supervisor
            && !supervisord::include::matches(&daemon.include_patterns, path)
    });
    refusals.extend(unread.map(|(path, _)| Refusal::NotIncluded { path: path.clone() }));
    refusals.retain(|refusal| {
        refusal.overridden_by().is_none_or(|said| !options.overrides.contains(&said))
    });
    refusals
}

/// What keeps each file that changes from being written.
fn of_files(daemon: &ActualDaemon, actual: &ActualSite, plan: &SitePlan) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (path, change) in &plan.files {
        if let Entry::Other(what) = change.before {
            refusals.push(Refusal::NotAFile { path: path.clone(), what: what.to_owned() });
        } else if let Some(why) = actual.in_the_way.get(path) {
            refusals.push(Refusal::ForeignFile { path: path.clone(), why: why.clone() });
        }
        let secret = change.after.as_ref().is_some_and(|file| file.secret);
        if secret && !daemon.reads_private_files {
            refusals.push(Refusal::UnreadableSecrets { path: path.clone() });
        }
    }
    refusals
}

/// A configuration that is broken before we touch it is refused, unless one of the files that we
/// are about to replace or remove may be what breaks it.
pub(super) fn broken_config(daemon: &ActualDaemon, plan: &SitePlan) -> Option<Refusal> {
    let fault = daemon.reread.as_ref().err()?;
    let culprits = daemon.blame.as_ref().map_or(&[][..], Blame::culprits);
    // An apply looks again after it has put those back.
    let nobody_is_named = culprits.is_empty() && !daemon.put_back_first.is_empty();
    let may_pass = culprits.iter().any(|culprit| {
        plan.files.contains_key(&culprit.file) || daemon.put_back_first.contains(&culprit.file)
    });
    if nobody_is_named || may_pass {
        return None;
    }
    let words = fault.text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let (by, candidates) = match culprits {
        [culprit] => (Some(culprit), Vec::new()),
        several => (None, several.iter().map(|culprit| culprit.file.clone()).collect()),
    };
    Some(Refusal::BrokenConfig {
        file: by.map(|culprit| culprit.file.clone()),
        line: by.and_then(|culprit| culprit.line),
        what: culprits.first().and_then(|culprit| culprit.what.clone()),
        candidates,
        is_included: by.is_some_and(|culprit| daemon.included.contains(&culprit.file)),
        words,
    })
}

/// Whether a file that defines something is neither wanted nor the site's own.
fn is_foreign(file: &Path, desired: &DesiredSite, actual: &ActualSite) -> bool {
    !desired.files.contains_key(file) && !actual.owned.contains(file)
}

fn defined_elsewhere<'a>(
    desired: &'a DesiredSite,
    daemon: &'a ActualDaemon,
    actual: &'a ActualSite,
) -> impl Iterator<Item = Refusal> + 'a {
    let sections = desired.groups.values().flat_map(|group| &group.sections);
    let groups = desired.groups.keys().chain(sections);
    groups
        .flat_map(|group| daemon.defined.of_group(group))
        .filter(move |program| is_foreign(&program.file, desired, actual))
        .map(|program| Refusal::DefinedElsewhere {
            group: program.group.clone(),
            file: program.file.clone(),
        })
}

/// Programs of the site, wanted or to be removed, that somebody else's group takes in: the one would
/// not be loaded, and without the other supervisord would refuse the group, and its whole configuration.
fn taken_in<'a>(
    desired: &'a DesiredSite,
    daemon: &'a ActualDaemon,
    actual: &'a ActualSite,
) -> impl Iterator<Item = Refusal> + 'a {
    let former = actual
        .former_groups
        .iter()
        .filter(|group| daemon.defined.of_group(group).any(|one| actual.owned.contains(&one.file)));
    let own: BTreeSet<&String> = former.chain(desired.groups.keys()).collect();
    own.into_iter().flat_map(move |program| {
        let groups = daemon.defined.taking_in(program);
        let groups = groups.filter(|group| is_foreign(&group.file, desired, actual));
        groups.map(|group| Refusal::TakenIn {
            program: program.clone(),
            group: group.group.clone(),
            file: group.file.clone(),
        })
    })
}

/// Programs that nothing changes, and of which supervisord says all the same that no file makes their group:
/// a `[group:]` takes them in whose `programs=` has something that cannot be expanded here.
fn taken_in_unseen<'a>(
    daemon: &'a ActualDaemon,
    plan: &'a SitePlan,
) -> impl Iterator<Item = Refusal> + 'a {
    let removed = daemon.reread.as_ref().map_or(&[][..], |reread| &reread.removed);
    let taken_in = plan.unchanged.iter().filter(|group| {
        removed.contains(group)
            && daemon.defined.of_group(group).next().is_some()
            && daemon.defined.taking_in(group).next().is_none()
    });
    taken_in.flat_map(|program| {
        let unseen = daemon.defined.iter();
        let unseen = unseen.filter(|one| one.programs.iter().any(|name| name.contains('%')));
        unseen.map(|group| Refusal::TakenIn {
            program: program.clone(),
            group: group.group.clone(),
            file: group.file.clone(),
        })
    })
}

/// The apply that never ended, and what becomes of it.
pub(super) fn interrupted(actual: &ActualSite, unfinished: &BTreeSet<String>) -> Option<String> {
    let Interrupted { undone_first, finished } = &actual.interrupted;
    if let Some((_, journal)) = undone_first {
        let origin = &journal.origin;
        return Some(format!(
            "an apply that never ended, {origin}: the next apply undoes it first"
        ));
    }
    let journal = finished.as_ref()?;
    let what = match (unfinished.is_empty(), is_all_of(journal, unfinished)) {
        (true, _) => "the next apply finishes it",
        (false, false) => "an apply of these programs finishes it for them",
        (false, true) => return None,
    };
    Some(format!("an apply that never ended, {}: {what}", journal.origin))
}

fn is_all_of(journal: &Journal, unfinished: &BTreeSet<String>) -> bool {
    journal.groups.keys().all(|group| unfinished.contains(group))
}

/// What an interrupted apply was about to change, and an apply of other programs leaves so.
pub(super) fn left_unfinished(
    actual: &ActualSite,
    unfinished: &BTreeSet<String>,
) -> Option<String> {
    let journal = actual.interrupted.finished.as_ref().filter(|_| !unfinished.is_empty())?;
    let groups: Vec<&str> = unfinished.iter().map(String::as_str).collect();
    Some(format!(
        "an apply that never ended, {}, is left to be finished by an apply of the whole site: {}",
        journal.origin,
        groups.join(", ")
    ))
}

/// Programs that nothing is done to and that supervisord cannot keep up.
pub(super) fn ailing<'a>(
    plan: &'a SitePlan,
    daemon: &'a ActualDaemon,
) -> impl Iterator<Item = String> + 'a {
    let left = plan.groups.iter().filter(|(_, change)| !change.action.acts());
    let groups = plan.unchanged.iter().chain(left.map(|(group, _)| group));
    let processes = groups.filter_map(|group| daemon.groups.get(group)).flatten();
    processes
        .filter(|process| matches!(process.state, ProcessState::Backoff | ProcessState::Fatal))
        .map(|process| format!("{} {}", process.display_name(), process.condition()))
}

pub(super) fn warnings(
    desired: &DesiredSite,
    daemon: &ActualDaemon,
    actual: &ActualSite,
    options: &PlanOptions,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let version = version_of(daemon);
    if ((4, 0, 0)..(4, 2, 2)).contains(&version) {
        warnings.push(format!(
            "supervisord {} can crash when a process is stopped that keeps exiting; 4.2.2 fixes it",
            daemon.version
        ));
    }
    if options.missing_code_is_a_warning {
        warnings.extend(actual.missing_code.iter().map(|code| {
            format!(
                "{} {} (wanted by {})",
                code.path.display(),
                code.problem,
                code.programs.join(", ")
            )
        }));
    }
    if !options.missing_code_is_a_warning && !actual.runner_without.is_empty() {
        let names = actual.runner_without.join(" and ");
        let domain = &desired.domain;
        warnings.push(format!(
            "the runner.sh of {domain} has no {names}: if its scripts need it, write it anew with \
             supervisor-sync runner --site {domain} --php PHP --branch BRANCH"
        ));
    }
    let logs: BTreeSet<&Path> = desired.groups.values().map(|group| group.log.as_path()).collect();
    for log in logs.into_iter().filter(|log| !log.as_os_str().is_empty()) {
        for program in daemon.defined.writing_to(log) {
            if is_foreign(&program.file, desired, actual) {
                warnings.push(format!(
                    "program {} of {} writes to {} too: rotation will damage it",
                    program.group,
                    program.file.display(),
                    log.display()
                ));
            }
        }
    }
    warnings
}

/// What was to go one at a time and cannot.
pub(super) fn not_rolling<'p>(
    plan: &'p SitePlan,
    options: &'p PlanOptions,
) -> impl Iterator<Item = String> + 'p {
    let at_once = plan.groups.iter().filter(|(_, change)| {
        let Some(wanted) = &change.desired else { return false };
        let asked = options.rolling.is_some() || wanted.restart == RestartPolicy::Rolling;
        matches!(change.action, GroupAction::Replace { .. }) && asked && change.rolling.is_none()
    });
    at_once.map(|(group, _)| {
        format!(
            "{group} restarts all at once: supervisord takes a changed group out and in as a whole \
             (with `instances: separate` its processes go one at a time)"
        )
    })
}

/// What is said of files that others wrote and that become the site's.
pub(super) fn taken_from_others(plan: &SitePlan, actual: &ActualSite) -> Option<String> {
    let refused: BTreeSet<&PathBuf> = plan.refusals.iter().filter_map(Refusal::path).collect();
    let mut paths = plan.taken_over.keys();
    let first = paths.find(|path| !actual.owned.contains(*path) && !refused.contains(path))?;
    let more =
        paths.filter(|path| !actual.owned.contains(*path) && !refused.contains(path)).count();
    let first = first.display();
    Some(match more {
        0 => format!("{first} was there before: it becomes the site's, and is kept as revision 0"),
        more => format!(
            "{first} and {more} more were there before: they become the site's, and are kept as \
             revision 0"
        ),
    })
}

/// Files that look like the site's and are not.
pub(super) fn notes(actual: &ActualSite) -> Vec<String> {
    let foreign = actual.foreign.iter();
    foreign.map(|(path, why)| format!("{} is left alone: {why}", path.display())).collect()
}

/// Adds to plans of sites of one supervisord what is left alone of it: once, whatever the number of
/// sites, and without what the other plans are about.
pub fn note_others<'p>(plans: impl IntoIterator<Item = &'p mut SitePlan>, daemon: &ActualDaemon) {
    let mut plans: Vec<&mut SitePlan> = plans.into_iter().collect();
    let mut told: BTreeSet<String> = BTreeSet::new();
    for plan in &mut plans {
        plan.notes.retain(|note| told.insert(note.clone()));
    }
    let own: BTreeSet<&String> = plans.iter().flat_map(|plan| &plan.own).collect();
    let sites: BTreeSet<&Domain> = plans.iter().map(|plan| &plan.domain).collect();
    let undone = daemon.undone_first.iter().filter(|(other, _)| !sites.contains(other));
    let undone = undone.map(|(other, origin)| {
        format!("an apply of site {other} that never ended, {origin}, is undone first")
    });
    let notes: Vec<String> = pending_of_others(daemon, &own).into_iter().chain(undone).collect();
    if let Some(first) = plans.first_mut() {
        first.notes.extend(notes);
    }
}

/// The groups of others that supervisord would change if it took up its files.
fn pending_of_others(daemon: &ActualDaemon, own: &BTreeSet<&String>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Ok(reread) = &daemon.reread {
        for (what, groups) in
            [("added", &reread.added), ("changed", &reread.changed), ("removed", &reread.removed)]
        {
            let others: Vec<&str> =
                groups.iter().filter(|group| !own.contains(group)).map(String::as_str).collect();
            if !others.is_empty() {
                notes.push(format!(
                    "pending changes of others stay pending: {} {what}",
                    others.join(", ")
                ));
            }
        }
    }
    notes
}

fn version_of(daemon: &ActualDaemon) -> (u32, u32, u32) {
    let mut numbers = daemon.version.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    });
    let (major, minor, patch) = (numbers.next(), numbers.next(), numbers.next());
    (major.unwrap_or(0), minor.unwrap_or(0), patch.unwrap_or(0))
}
