//! `history`: the runs, newest first, and what became of each site; and what a revision changed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use super::Context;
use super::fleet::{Answers, ParallelArguments, folded, named};
use super::selected::{SelectionArguments, Work, only_site, unexpected};
use crate::error::{CommandError, cut};
use crate::fleet::rollout::Rules;
use crate::host::{Reply, Request, Run, RunEnd, RunId, Settled, SettledHow, SiteDiff, SiteHistory};
use crate::inventory::{Domain, no_sites};
use crate::plan::harmless_lines;
use crate::report::{Screen, harmless};

#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// What this revision of a site changed, against the one before it; secrets are masked
    #[arg(long, value_name = "REVISION")]
    diff: Option<u64>,
    #[command(flatten)]
    parallel: ParallelArguments,
}

#[derive(Serialize)]
struct Sites<'a, T> {
    sites: &'a [T],
}

/// A run with the sites it was about.
#[derive(Debug, Serialize)]
struct RunView<'h> {
    #[serde(flatten)]
    run: Run,
    sites: Vec<SiteView<'h>>,
}

/// What became of a site on a host.
#[derive(Debug, Serialize)]
struct SiteView<'h> {
    host: &'h str,
    site: &'h Domain,
    outcome: SiteOutcome,
    /// What was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// Whether that is the newest revision there.
    present: bool,
    /// Why, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'h str>,
    /// What became of it, if it was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<Settled>,
    /// Whether the inventory does not have the site any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    left: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum SiteOutcome {
    Applied,
    /// It was applied, and taken back by a later run.
    TakenBack,
    #[serde(untagged)]
    Otherwise(RunEnd),
}

#[derive(Serialize)]
struct Runs<'a> {
    runs: &'a [RunView<'a>],
}

pub(super) fn run(
    context: &Context,
    arguments: &HistoryArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let rules = arguments.parallel.rules();
    if let Some(number) = arguments.diff {
        let work = context.selected(&arguments.selection, screen)?;
        return diff(context, &work, number, rules, screen);
    }
    let work = context.selected_with_former(&arguments.selection, screen)?;
    let mut answers = Answers::default();
    let histories = ask(context, &work, rules, &mut answers, screen)?;
    for on_host in &work {
        let host = on_host.host.name.as_str();
        let sites: Vec<&SiteHistory> =
            histories.iter().filter(|(name, _)| *name == host).map(|(_, site)| site).collect();
        if !sites.is_empty() {
            screen.document("history", Some(host), &Sites { sites: &sites });
        }
    }
    let runs = by_run(&histories);
    screen.document("runs", None, &Runs { runs: &runs });
    for run in &runs {
        screen.print(&text(run));
    }
    for (host, history) in &histories {
        if history.outcomes.is_empty() && history.revisions.as_ref().is_ok_and(Vec::is_empty) {
            screen.print(&format!("Site {} on {host}: nothing was applied yet\n", history.site));
        }
    }
    Ok(answers.exit_status().unwrap_or(0))
}

/// The history of each site on each host, in the inventory's order, and after those of a host the sites
/// that have left it. What cannot be read is told.
pub(super) fn ask<'w>(
    context: &Context,
    work: &'w [Work],
    rules: Rules,
    answers: &mut Answers,
    screen: &mut Screen,
) -> Result<Vec<(&'w str, SiteHistory)>, CommandError> {
    let answered = context.on_each(work, rules, &|work, host| {
        let left = work.leaving.as_ref().map(|leaving| Box::new(leaving.inventory.clone()));
        match host.ask(Request::History { sites: work.sites.clone(), left }, &mut |_| {})? {
            Reply::History { sites } if sites.iter().all(|site| is_of(work, site)) => Ok(sites),
            _ => Err(unexpected()),
        }
    });
    let mut histories = Vec::new();
    for (on_host, sites) in work.iter().zip(answered) {
        let host = on_host.host.name.as_str();
        match sites {
            Ok(sites) => histories.extend(sites.into_iter().map(|site| (host, site))),
            Err(error) => answers.tell(host, &error, screen),
        }
    }
    for (host, history) in &histories {
        match &history.revisions {
            Ok(_) => answers.count(),
            Err(error) => answers.tell(host, error, screen),
        }
    }
    let nobody_has_any = histories.is_empty() && work.iter().all(|work| work.sites.is_empty());
    if nobody_has_any && answers.exit_status().is_none() { Err(no_sites()) } else { Ok(histories) }
}

/// Whether a host may tell this history: of a site that was asked about, or of one that the inventory
/// does not have.
fn is_of(work: &Work, history: &SiteHistory) -> bool {
    let is_in =
        |domain| work.leaving.as_ref().is_none_or(|it| it.inventory.domains.contains(domain));
    history.paths.is_none() || !is_in(&history.site)
}

/// The runs of all hosts, newest first.
fn by_run<'h>(histories: &'h [(&'h str, SiteHistory)]) -> Vec<RunView<'h>> {
    let mut runs: BTreeMap<Reverse<RunId>, RunView<'h>> = BTreeMap::new();
    let mut add = |run: Run, site: SiteView<'h>| {
        let view = runs.entry(Reverse(run.id)).or_insert(RunView { run, sites: Vec::new() });
        view.sites.push(site);
    };
    for (host, history) in histories {
        let revisions = history.revisions.as_deref().unwrap_or_default();
        let taken_back: BTreeSet<RunId> =
            revisions.iter().filter_map(|one| one.origin.run().takes_back).collect();
        let present = revisions.last().map(|one| one.number);
        let mut recorded = BTreeSet::new();
        for revision in revisions {
            let run = revision.origin.run();
            recorded.insert(run.id);
            let failed = history.outcomes.iter().find(|outcome| outcome.run.id == run.id);
            let outcome = match failed {
                _ if taken_back.contains(&run.id) => SiteOutcome::TakenBack,
                Some(failed) => SiteOutcome::Otherwise(failed.end),
                None => SiteOutcome::Applied,
            };
            let number = Some(revision.number);
            let view = SiteView {
                host,
                site: &history.site,
                outcome,
                revision: number,
                present: present == number,
                cause: failed.and_then(|failed| failed.cause.as_deref()),
                settled: None,
                left: history.paths.is_some(),
            };
            add(run, view);
        }
        for ended in history.outcomes.iter().filter(|ended| !recorded.contains(&ended.run.id)) {
            let view = SiteView {
                host,
                site: &history.site,
                outcome: SiteOutcome::Otherwise(ended.end),
                revision: None,
                present: false,
                cause: ended.cause.as_deref(),
                settled: ended.settled,
                left: history.paths.is_some(),
            };
            add(ended.run.clone(), view);
        }
    }
    runs.into_values().collect()
}

fn text(view: &RunView<'_>) -> String {
    let mut text = format!("{}\n", described(&view.run));
    let line = |site: &SiteView<'_>| {
        let left = if site.left { ", not in the inventory" } else { "" };
        format!("{}{left}: {}", site.site, words(site))
    };
    let lines = view.sites.iter().map(|site| (site.host, line(site)));
    for (hosts, line) in folded(lines.collect()) {
        let _ = writeln!(text, "  {}  {line}", named(&hosts));
    }
    text
}

/// `20261124-223512-4f3a  apply by deployer on desk, commit 1a2b3c4d5e6f (dirty): why`
pub(super) fn described(run: &Run) -> String {
    let shown = |text: &str| harmless(&cut(text));
    let mut text = format!("{}  {} by {}", run.id, shown(&run.command), shown(&run.user));
    if !run.host.is_empty() {
        let _ = write!(text, " on {}", shown(&run.host));
    }
    if let Some(commit) = &run.commit {
        let hash: String = commit.hash.chars().take(12).collect();
        let dirty = if commit.dirty { " (dirty)" } else { "" };
        let _ = write!(text, ", commit {}{dirty}", shown(&hash));
    }
    if let Some(message) = &run.message {
        let _ = write!(text, ": {}", shown(message));
    }
    text
}

fn words(site: &SiteView<'_>) -> String {
    let mut text = match site.revision {
        Some(revision) => format!("revision {revision}"),
        None => String::new(),
    };
    let ended = match site.outcome {
        SiteOutcome::Applied => "",
        SiteOutcome::TakenBack => "taken back",
        SiteOutcome::Otherwise(end) => end_in_words(end),
    };
    for part in [ended, if site.present { "present" } else { "" }] {
        if !part.is_empty() {
            let separator = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{separator}{part}");
        }
    }
    if let Some(Settled { by, how }) = site.settled {
        let how = match how {
            SettledHow::Undone => "undone",
            SettledHow::Finished => "finished",
            SettledHow::TakenBack => "taken back",
        };
        let _ = write!(text, ", {how} by run {by}");
    }
    if let Some(cause) = site.cause {
        let _ = write!(text, ": {}", harmless(&cut(cause)));
    }
    text
}

fn end_in_words(end: RunEnd) -> &'static str {
    match end {
        RunEnd::Restarted => "restarted",
        RunEnd::RolledBack => "failed and rolled back",
        RunEnd::Kept => "failed and left",
        RunEnd::Stuck => "failed, not everything could be put back",
        RunEnd::Interrupted => "interrupted",
        RunEnd::UnderWay => "under way",
    }
}

fn diff(
    context: &Context,
    work: &[Work],
    number: u64,
    rules: Rules,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    only_site(work, &|site| format!("history --site {site} --diff {number}"))?;
    let diffs = context.on_each(work, rules, &|work, host| {
        let request = Request::RevisionDiff { sites: work.sites.clone(), number };
        match host.ask(request, &mut |_| {})? {
            Reply::RevisionDiffs { sites } => Ok(sites),
            _ => Err(unexpected()),
        }
    });
    let mut answers = Answers::default();
    let mut texts = Vec::new();
    for (on_host, diffs) in work.iter().zip(diffs) {
        let host = on_host.host.name.as_str();
        match diffs {
            Ok(sites) => {
                screen.document("diff", Some(host), &Sites { sites: &sites });
                texts.extend(sites.into_iter().map(|site| (host, site)));
            }
            Err(error) => answers.tell(host, &error, screen),
        }
    }
    show_diffs(texts, number, &mut answers, screen);
    Ok(answers.exit_status().unwrap_or(0))
}

/// The diffs, those that are the same on several hosts once.
fn show_diffs(
    diffs: Vec<(&str, SiteDiff)>,
    number: u64,
    answers: &mut Answers,
    screen: &mut Screen,
) {
    let mut texts = Vec::new();
    for (host, SiteDiff { site, diff }) in diffs {
        match diff {
            Ok(diff) if diff.is_empty() => {
                answers.count();
                texts.push((host, format!("{site}: revision {number} changed no file\n")));
            }
            Ok(diff) => {
                answers.count();
                texts.push((host, harmless_lines(&diff)));
            }
            Err(error) => answers.tell(host, &error, screen),
        }
    }
    for (hosts, text) in folded(texts) {
        screen.print(&format!("{}:\n{text}", named(&hosts)));
    }
}
