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
use super::selected::{SelectionArguments, Work};
use crate::error::{CommandError, ErrorKind};
use crate::host::{Goal, Run, RunId, SiteHistory, WayBack, last_run, way_back};
use crate::inventory::{Domain, Site};
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
    let work = context.selected(&arguments.selection, screen)?;
    match arguments.to {
        Some(number) => to_revision(context, &work, number, arguments, screen),
        None => take_back(context, &work, arguments, screen),
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
    let sites: BTreeSet<&Domain> =
        work.iter().flat_map(|work| &work.sites).map(|site| &site.domain).collect();
    if sites.len() > 1 {
        return Err(CommandError::new(ErrorKind::Usage, "a revision is of one site")
            .hint("name it: supervisor-sync rollback --site DOMAIN --to REVISION"));
    }
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
}

/// A [`WayBack`] for people and machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "way", rename_all = "snake_case")]
enum Way {
    Back {
        to: u64,
    },
    NotChanged,
    ChangedSince {
        run: RunId,
    },
    NothingBefore,
    /// This run has not ended there.
    Unfinished {
        run: RunId,
    },
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
    let histories = history::ask(context, work, rules, &mut answers, screen);
    let back = chosen(arguments.run, &histories)?;
    let sites = ways(&histories, back.id);
    let content = TakenBack { run: &back, sites: &sites };
    screen.document("rollback", None, &content);
    screen.print(&text(&back, &sites));
    for on_host in &sites {
        let refused = !matches!(on_host.way, Way::Back { .. } | Way::NotChanged);
        if refused {
            answers.fail(ErrorKind::Refused);
        }
    }
    let work = going(work, &sites);
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
fn going(work: &[Work], sites: &[OnHost<'_>]) -> Vec<Work> {
    let going: BTreeSet<(&str, &Domain)> = sites
        .iter()
        .filter(|one| matches!(one.way, Way::Back { .. }))
        .map(|one| (one.host, one.site))
        .collect();
    let on_host = |work: &Work| {
        let goes = |site: &&Site| going.contains(&(work.host.name.as_str(), &site.domain));
        let sites: Vec<Site> = work.sites.iter().filter(goes).cloned().collect();
        let (host, programs) = (work.host.clone(), work.programs.clone());
        (!sites.is_empty()).then_some(Work { host, sites, programs, leaving: None })
    };
    work.iter().filter_map(on_host).collect()
}

/// The run that is meant: the one that was named, else the newest that is in effect at any of the
/// sites.
fn chosen(named: Option<RunId>, histories: &[(&str, SiteHistory)]) -> Result<Run, CommandError> {
    let revisions =
        || histories.iter().map(|(_, site)| site.revisions.as_deref().unwrap_or_default());
    let last = || revisions().filter_map(last_run).max();
    let Some(id) = named.or_else(last) else {
        return Err(CommandError::refused("nothing was applied to these sites yet")
            .hint("see their runs: supervisor-sync history"));
    };
    let mut runs: Vec<Run> = revisions().flatten().map(|one| one.origin.run()).collect();
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
        let way = match way_back(history.revisions.as_deref().ok()?, run) {
            _ if history.unfinished.is_some_and(|unfinished| unfinished != run) => {
                Way::Unfinished { run: history.unfinished? }
            }
            WayBack::To(to) => Way::Back { to },
            WayBack::NotChanged => Way::NotChanged,
            WayBack::ChangedSince(run) => Way::ChangedSince { run },
            WayBack::NothingBefore => Way::NothingBefore,
        };
        Some(OnHost { host, site: &history.site, way })
    };
    histories.iter().filter_map(on_host).collect()
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
    let lines = sites.iter().map(|one| (one.host, format!("{}: {}", one.site, words(one))));
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
            "refused: run {run} has not ended there; finish it: supervisor-sync apply --site {}",
            on_host.site
        ),
        Way::NothingBefore => "refused: it has no revision before that run".to_owned(),
    }
}
