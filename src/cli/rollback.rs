//! `rollback`: takes back a run wherever it changed something, or a site to a revision.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use super::Context;
use super::apply::HowArguments;
use super::carry_out::carry_out;
use super::fleet::{Answers, ParallelArguments, folded, named};
use super::history;
use super::left::without_programs;
use super::selected::{SelectionArguments, Work, only_site};
use crate::api::{
    Goal, RevisionSummary, Run, RunEnd, RunId, RunOutcome, Settled, SettledHow, SiteHistory,
};
use crate::error::{CommandError, ErrorKind};
use crate::host::{WayBack, last_run, way_back};
use crate::inventory::{Domain, Paths, Site};
use crate::plan::PlanOptions;
use crate::report::Screen;

/// How many reasons an error has.
const REASONS_SHOWN: usize = 5;

#[derive(Debug, Args)]
pub(super) struct RollbackArguments {
    /// The run to take back, as `history` names them [default: the last one on the chosen hosts and
    /// sites]
    #[arg(value_name = "RUN")]
    run: Option<RunId>,
    #[command(flatten)]
    selection: SelectionArguments,
    /// Not a run, but one site to this revision, as `history` numbers them
    #[arg(long, value_name = "REVISION", conflicts_with = "run")]
    to: Option<u64>,
    #[command(flatten)]
    how: HowArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &RollbackArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    match arguments.to {
        Some(number) => {
            let work = context.selected(&arguments.selection, screen)?;
            to_revision(context, &work, number, arguments, screen)
        }
        None => {
            let work = context.selected_with_former(&arguments.selection, screen)?;
            take_back(context, &work, arguments, screen)
        }
    }
}

/// A script of another release may be missing by now, and is no reason to stay.
fn options() -> PlanOptions {
    PlanOptions { missing_code_is_a_warning: true, ..PlanOptions::default() }
}

fn to_revision(
    context: &Context,
    work: &[Work],
    number: u64,
    arguments: &RollbackArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    only_site(work, &|site| format!("rollback --site {site} --to {number}"))?;
    let run = context.begin_run(&format!("rollback to {number}"), &arguments.how.message);
    let order = arguments.how.order(Goal::Revision(number), options(), run);
    carry_out(context, work, &order, screen)
}

/// A site on a host, and where taking the run back leads it.
#[derive(Debug, Serialize)]
struct OnHost<'h> {
    host: &'h str,
    site: &'h Domain,
    #[serde(flatten)]
    way: Way,
    /// The supervisord it is of, if the inventory does not have the site any more.
    #[serde(skip)]
    paths: Option<&'h Paths>,
}

/// A [`WayBack`] for people and machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "way", rename_all = "snake_case")]
enum Way {
    Back {
        to: u64,
    },
    NotChanged,
    /// It did, but there is nothing left of that to take back.
    Over {
        why: Over,
    },
    /// It is itself a rollback, with this revision before it.
    IsRollback {
        before: Option<u64>,
    },
    ChangedSince {
        run: RunId,
    },
    NothingBefore,
    /// This run has not ended there.
    Unfinished {
        run: RunId,
    },
    /// This run is at work there.
    #[serde(rename = "under_way")]
    AtWork {
        run: RunId,
    },
}

/// Why nothing is left of a run that could be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Over {
    /// This run has taken it back.
    TakenBack(RunId),
    /// It only restarted programs.
    Restarted,
    /// It changed no file.
    NoFile,
    /// It failed, and was put back at once or by a later run.
    Failed,
    /// It failed and was left as it was.
    Kept,
    /// It failed and was left, and this run has undone or finished it.
    FailedSettled(Settled),
    /// It was interrupted, and this run has undone or finished it.
    Settled(Settled),
    /// It was interrupted before it had changed what a revision holds.
    Interrupted,
}

impl Way {
    fn is_refused(self) -> bool {
        !matches!(self, Self::Back { .. } | Self::NotChanged | Self::Over { .. })
    }
}

#[derive(Serialize)]
struct TakenBack<'a> {
    run: &'a Run,
    sites: &'a [OnHost<'a>],
}

fn take_back(
    context: &Context,
    work: &[Work],
    arguments: &RollbackArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let mut answers = Answers::default();
    let rules = ParallelArguments::rules(arguments.how.rollout.parallel());
    let histories = history::ask(context, work, rules, &mut answers, screen)?;
    let back = chosen(arguments.run, &histories)?;
    let sites = ways(&histories, back.id);
    let content = TakenBack { run: &back, sites: &sites };
    screen.document("rollback", None, &content);
    screen.print(&text(&back, &sites));
    for on_host in &sites {
        if on_host.way.is_refused() {
            answers.fail(ErrorKind::Refused);
        }
    }
    let work = going(work, &sites)?;
    let looked = answers.exit_status();
    if work.is_empty() {
        return Err(nothing_to_take_back(&back, &sites));
    }
    let run = context.begin_run(&format!("rollback of {}", back.id), &arguments.how.message);
    let run = Run { takes_back: Some(back.id), ..run };
    let order = arguments.how.order(Goal::Before(back.id), options(), run);
    let ended = carry_out(context, &work, &order, screen)?;
    Ok(match looked {
        Some(_) if ended == 0 => ErrorKind::Partial.exit_status(),
        _ => ended,
    })
}

/// The part of the work that goes back.
fn going(work: &[Work], sites: &[OnHost<'_>]) -> Result<Vec<Work>, CommandError> {
    let going: BTreeSet<(&str, &Domain)> = sites
        .iter()
        .filter(|one| matches!(one.way, Way::Back { .. }))
        .map(|one| (one.host, one.site))
        .collect();
    let on_host = |work: &Work| {
        let goes = |site: &&Site| going.contains(&(work.host.name.as_str(), &site.domain));
        let mut going: Vec<Site> = work.sites.iter().filter(goes).cloned().collect();
        // Its revision has all that the inventory would say of one that left.
        for left in sites.iter().filter(|one| one.host == work.host.name.as_str()) {
            if let (Way::Back { .. }, Some(paths)) = (left.way, left.paths) {
                going.push(without_programs(left.site, paths)?);
            }
        }
        let (host, programs) = (work.host.clone(), work.programs.clone());
        Ok(Work { host, sites: going, programs, leaving: None })
    };
    let mut work: Vec<Work> = work.iter().map(on_host).collect::<Result<_, CommandError>>()?;
    work.retain(|work| !work.sites.is_empty());
    Ok(work)
}

/// The run that is meant: the one that was named, else the newest that is in effect at any of the
/// sites.
fn chosen(named: Option<RunId>, histories: &[(&str, SiteHistory)]) -> Result<Run, CommandError> {
    let revisions =
        || histories.iter().map(|(_, site)| site.revisions.as_deref().unwrap_or_default());
    // One that was interrupted is the last of all: nothing else goes on until it is out of the way. A
    // rollback that was is completed by the same command.
    let interrupted = histories.iter().filter_map(|(_, site)| unfinished(site));
    let interrupted = interrupted.filter(|one| one.end != RunEnd::UnderWay);
    let interrupted = interrupted.map(|one| one.run.takes_back.unwrap_or(one.run.id));
    let last = || revisions().filter_map(last_run).chain(interrupted).max();
    let Some(id) = named.or_else(last) else {
        return Err(CommandError::refused("nothing was applied to these sites yet")
            .hint("see their runs: supervisor-sync history"));
    };
    let outcomes = histories.iter().flat_map(|(_, site)| &site.outcomes).map(|one| one.run.clone());
    let mut runs: Vec<Run> =
        revisions().flatten().map(|one| one.origin.run()).chain(outcomes).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.id));
    runs.dedup_by_key(|run| run.id);
    if let Some(run) = runs.iter().find(|run| run.id == id) {
        return Ok(run.clone());
    }
    let known: Vec<String> = runs.iter().take(5).map(|run| run.id.to_string()).collect();
    let error = CommandError::refused(format!("no run {id} has changed these sites"));
    Err(match known.is_empty() {
        true => error.hint("see their runs: supervisor-sync history"),
        false => error.hint(format!("the newest are: {}", known.join(", "))),
    })
}

fn ways<'h>(histories: &'h [(&'h str, SiteHistory)], run: RunId) -> Vec<OnHost<'h>> {
    let on_host = |(host, history): &'h (&'h str, SiteHistory)| {
        let way = way(history, history.revisions.as_deref().ok()?, run);
        let is_concerned = history.paths.is_none() || way != Way::NotChanged;
        let (site, paths) = (&history.site, history.paths.as_ref());
        is_concerned.then_some(OnHost { host, site, way, paths })
    };
    histories.iter().filter_map(on_host).collect()
}

/// The run that has not ended at a site.
fn unfinished(history: &SiteHistory) -> Option<&RunOutcome> {
    history.outcomes.iter().find(|one| Some(one.run.id) == history.unfinished)
}

fn way(history: &SiteHistory, revisions: &[RevisionSummary], run: RunId) -> Way {
    let way = way_back(revisions, run);
    if let Some(RunOutcome { run: left, end, .. }) = unfinished(history)
        && (left.id == run || way != WayBack::NotChanged)
    {
        if *end == RunEnd::UnderWay {
            return Way::AtWork { run: left.id };
        }
        if left.id == run {
            // It has no revision yet, so the last one is how the site was before it.
            return match revisions.last() {
                Some(last) => Way::Back { to: last.number },
                None => Way::NothingBefore,
            };
        }
        if left.takes_back != Some(run) {
            return Way::Unfinished { run: left.id };
        }
    }
    let outcome = history.outcomes.iter().find(|outcome| outcome.run.id == run);
    match (way, outcome) {
        (WayBack::To(to), _) => Way::Back { to },
        (WayBack::NotChanged, Some(outcome)) => over(outcome),
        (WayBack::NotChanged, None) => Way::NotChanged,
        (WayBack::NoFile, _) => Way::Over { why: Over::NoFile },
        (WayBack::TakenBack(by), _) => Way::Over { why: Over::TakenBack(by) },
        (WayBack::IsRollback(before), _) => Way::IsRollback { before },
        (WayBack::ChangedSince(run), _) => Way::ChangedSince { run },
        (WayBack::NothingBefore, _) => Way::NothingBefore,
    }
}

/// What became of a run without a revision.
fn over(outcome: &RunOutcome) -> Way {
    let why = match (outcome.end, outcome.settled) {
        (RunEnd::UnderWay, _) => return Way::AtWork { run: outcome.run.id },
        (RunEnd::Interrupted, Some(settled)) => Over::Settled(settled),
        (_, Some(settled)) => Over::FailedSettled(settled),
        (RunEnd::Restarted, None) => Over::Restarted,
        // A restart that failed, or an apply that nobody has finished since.
        (RunEnd::Kept, None) => Over::Kept,
        (RunEnd::RolledBack | RunEnd::Stuck, None) => Over::Failed,
        (RunEnd::Interrupted, None) => Over::Interrupted,
    };
    Way::Over { why }
}

fn nothing_to_take_back(run: &Run, sites: &[OnHost<'_>]) -> CommandError {
    let mut reasons: Vec<String> = sites.iter().map(words).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let message = format!("run {} can be taken back at none of these sites", run.id);
    let mut error = CommandError::refused(message).hint("see the runs: supervisor-sync history");
    error.causes = reasons.into_iter().take(REASONS_SHOWN).collect();
    error
}

/// What is taken back, and what becomes of each site; hosts of which that is the same in one line.
fn text(run: &Run, sites: &[OnHost<'_>]) -> String {
    let mut text = format!("Takes back run {}\n", history::described(run));
    let line = |one: &OnHost<'_>| {
        let left = if one.paths.is_some() { ", not in the inventory" } else { "" };
        format!("{}{left}: {}", one.site, words(one))
    };
    let lines = sites.iter().map(|one| (one.host, line(one)));
    for (hosts, line) in folded(lines.collect()) {
        let _ = writeln!(text, "  {}  {line}", named(&hosts));
    }
    text
}

fn words(on_host: &OnHost<'_>) -> String {
    match on_host.way {
        Way::Back { to } => format!("to revision {to}"),
        Way::NotChanged => "not changed by it, left".to_owned(),
        Way::ChangedSince { run } => {
            format!("refused: run {run} has changed it since, take that back first")
        }
        Way::Unfinished { run } => format!(
            "refused: run {run} has not ended there; take that back first, supervisor-sync rollback \
             {run}, or finish it: supervisor-sync apply --site {}",
            on_host.site
        ),
        Way::AtWork { run } => format!("refused: run {run} is under way there, wait for its end"),
        Way::IsRollback { before: Some(before) } => format!(
            "refused: it is a rollback itself; go to the revision before it: supervisor-sync \
             rollback --site {} --to {before}",
            on_host.site
        ),
        Way::IsRollback { before: None } => format!(
            "refused: it is a rollback itself, and the revision before it is gone; see those there \
             are: supervisor-sync history --site {}",
            on_host.site
        ),
        Way::Over { why } => over_in_words(why),
        Way::NothingBefore => "refused: it has no revision before that run".to_owned(),
    }
}

fn over_in_words(why: Over) -> String {
    match why {
        Over::TakenBack(by) => format!("taken back already by run {by}"),
        Over::Restarted => "it only restarted programs, nothing to take back".to_owned(),
        Over::NoFile => "it changed no file, nothing to take back".to_owned(),
        Over::Failed => "it failed there, nothing of it is left to take back".to_owned(),
        Over::Interrupted => "it was interrupted before it changed a file, left".to_owned(),
        Over::Kept => "it failed there and has no revision, nothing to take back".to_owned(),
        Over::FailedSettled(settled) => settled_in_words("it failed there", settled),
        Over::Settled(settled) => settled_in_words("it was interrupted there", settled),
    }
}

fn settled_in_words(what: &str, Settled { by, how }: Settled) -> String {
    match how {
        SettledHow::Undone => format!("{what}, and undone by run {by}"),
        SettledHow::TakenBack => format!("taken back already by run {by}"),
        SettledHow::Finished => {
            format!("{what}, and finished by run {by}: take that back instead")
        }
    }
}
