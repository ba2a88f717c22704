//! The logs of programs that go: what an apply removes if that is asked for, and what stays otherwise. Pure.

use std::collections::BTreeSet;
use std::path::Path;

use super::planner::Situation;
use super::sections::{Sections, logs};
use super::{PlanOptions, SitePlan};
use crate::inventory::naming;

/// Puts the logs that are there of programs that go into the plan, with those that rotation has made of
/// them.
///
/// Only what the site's own files say is a log of the site's, and only in its own folder and under its own
/// name: whatever else lies there is somebody's. Of an apply of some programs the others are wanted as they are.
pub(super) fn add(
    plan: &mut SitePlan,
    situation: &Situation<'_>,
    sections: &Sections,
    options: &PlanOptions,
) {
    if !options.changes_files() {
        return;
    }
    let folder = situation.site.paths.log_dir.as_path();
    let gone = of_removed(situation, sections);
    let names = situation.actual.logs.iter();
    let there = names.filter(|name| gone.iter().any(|log| is_log_or_rotated(name, log)));
    let there = there.map(|name| folder.join(name)).collect();
    match options.purge_logs {
        true => plan.logs = there,
        false => plan.logs_stay = there,
    }
}

/// The names of logs that only programs write to that go.
fn of_removed(situation: &Situation<'_>, sections: &Sections) -> BTreeSet<String> {
    let Situation { site, desired, daemon, actual, .. } = situation;
    let (stay, go): (Vec<_>, Vec<_>) =
        sections.before.iter().partition(|(name, _)| desired.groups.contains_key(*name));
    let stay = stay.into_iter().map(|(_, options)| options).chain(sections.after.values());
    let kept: BTreeSet<&Path> = stay.flat_map(logs).collect();
    let mut gone = BTreeSet::new();
    for log in go.into_iter().flat_map(|(_, options)| logs(options)) {
        let Some(name) = log.file_name().and_then(|name| name.to_str()) else { continue };
        let is_in_folder = log.parent() == Some(site.paths.log_dir.as_path());
        let mut recorded = actual.record.iter().flat_map(|record| record.groups.values());
        let is_named = naming::program_by_name(&site.domain, name).is_some()
            || recorded.any(|group| group.log == log);
        let is_own = is_in_folder && is_named && !name.contains('%');
        let mut writers = daemon.defined.writing_to(log);
        if is_own && !kept.contains(log) && writers.all(|one| actual.owned.contains(&one.file)) {
            gone.insert(name.to_owned());
        }
    }
    gone
}

/// Whether a file is a log, or what logrotate or supervisord has made of it: `LOG.1`, `LOG.2.gz`,
/// `LOG-20260101`.
fn is_log_or_rotated(name: &str, log: &str) -> bool {
    let Some(rest) = name.strip_prefix(log) else { return false };
    let packed = [".gz", ".bz2", ".xz", ".zst"].into_iter().find_map(|end| rest.strip_suffix(end));
    let rest = packed.unwrap_or(rest);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name == log
        || rest.strip_prefix('.').is_some_and(is_number)
        || rest.strip_prefix('-').is_some_and(|date| is_number(date) && date.len() >= 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_logs_go_with_their_log() {
        for name in ["l.log", "l.log.1", "l.log.12.gz", "l.log-20260101", "l.log-2026010112.xz"] {
            assert!(is_log_or_rotated(name, "l.log"), "{name}");
        }
        for name in
            ["l.logs", "l.log.", "l.log.gz", "l.log.old", "l.log-1", "l.log.1.bak", "m.log", ""]
        {
            assert!(!is_log_or_rotated(name, "l.log"), "{name}");
        }
    }
}
