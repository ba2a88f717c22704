//! A restart, start or stop of some processes of a program: the plan for all of it, less the others. Pure.

use std::collections::BTreeSet;

use super::group::is_up;
use super::{GroupAction, GroupChange, Intent, Reason, Refusal, SitePlan, Situation};
use crate::desired::DesiredSite;
use crate::inventory::ProcessPattern;
use crate::supervisord::{ProcessInfo, display_name};

/// Leaves of the plan, which is for whole programs, what is done to the processes that are meant.
pub(super) fn only_named(
    plan: &mut SitePlan,
    situation: &Situation<'_>,
    applied: &DesiredSite,
    intent: Intent,
) {
    let mut found: BTreeSet<&ProcessPattern> = BTreeSet::new();
    for (name, wanted) in &applied.groups {
        let there = situation.daemon.groups.get(name).map_or(&[][..], Vec::as_slice);
        let patterns: Vec<&ProcessPattern> =
            situation.programs.processes(&wanted.program).collect();
        if patterns.is_empty() {
            continue;
        }
        let is_meant =
            |process: &ProcessInfo| patterns.iter().any(|one| one.has(name, &process.name));
        found.extend(patterns.iter().filter(|one| there.iter().any(|p| one.has(name, &p.name))));
        let Some(change) = plan.groups.remove(name) else { continue };
        let (meant, others): (Vec<_>, Vec<_>) = there.iter().partition(|process| is_meant(process));
        if others.is_empty() {
            plan.groups.insert(name.clone(), change);
            continue;
        }
        if let Some(ran) = plan.ran.get_mut(name) {
            ran.retain(|process| patterns.iter().any(|one| one.has(name, process)));
        }
        let by_hand = plan.stopped.get(name).map_or(&[][..], Vec::as_slice);
        let stays_down =
            intent == Intent::Restart && meant.iter().any(|p| by_hand.contains(&p.name));
        let unseen = plan.unseen.remove(name);
        match narrowed(change, unseen, &meant, stays_down) {
            Some((change, takes_up)) => {
                if !takes_up {
                    plan.warnings.push(format!(
                        "{name} has a newer file, which only a restart of all of its processes takes up"
                    ));
                }
                plan.groups.insert(name.clone(), change);
            }
            None => plan.unchanged.push(name.clone()),
        }
    }
    plan.refusals.extend(not_there(situation, applied, &found));
}

/// What is done to the processes that are meant, and whether that is with the file as it is.
fn narrowed(
    mut change: GroupChange,
    unseen: Option<GroupAction>,
    meant: &[&ProcessInfo],
    stays_down: bool,
) -> Option<(GroupChange, bool)> {
    let mut takes_up = true;
    if let GroupAction::Replace { .. } = change.action {
        // supervisord takes a group out and in as a whole, so it goes on with what it has loaded.
        takes_up = false;
        let down = meant.iter().filter(|process| !is_up(process)).map(|p| p.name.clone());
        change.action = unseen.unwrap_or(GroupAction::Start { processes: down.collect() });
    }
    let is_meant = |name: &String| meant.iter().any(|process| process.name == *name);
    let processes = match &mut change.action {
        GroupAction::Restart { processes }
        | GroupAction::Start { processes }
        | GroupAction::Stop { processes } => processes,
        GroupAction::Add { .. }
        | GroupAction::Replace { .. }
        | GroupAction::Remove
        | GroupAction::Leave => return (!meant.is_empty()).then_some((change, takes_up)),
    };
    processes.retain(is_meant);
    if processes.is_empty() {
        if !stays_down {
            return None;
        }
        (change.action, change.reason) = (GroupAction::Leave, Reason::StoppedByHand);
    }
    Some((change, takes_up))
}

/// The names that no process of supervisord has.
fn not_there<'a>(
    situation: &'a Situation<'_>,
    applied: &'a DesiredSite,
    found: &'a BTreeSet<&ProcessPattern>,
) -> impl Iterator<Item = Refusal> + 'a {
    let programs: BTreeSet<&String> = applied.groups.values().map(|one| &one.program).collect();
    programs.into_iter().flat_map(move |program| {
        let missing = situation.programs.processes(program).filter(|one| !found.contains(one));
        missing.map(move |pattern| {
            let groups = applied.groups.iter().filter(|(_, group)| group.program == *program);
            let there = groups.flat_map(|(name, _)| {
                let processes = situation.daemon.groups.get(name).into_iter().flatten();
                processes.map(|process| display_name(name, &process.name))
            });
            let named = match pattern.name.as_str() {
                "*" => pattern.group.clone(),
                name => name.to_owned(),
            };
            Refusal::NoSuchProcess { program: program.clone(), named, there: there.collect() }
        })
    })
}
