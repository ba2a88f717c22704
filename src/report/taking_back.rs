//! What a rollback takes back, and what becomes of each site.

use std::fmt::Write as _;

use serde::Serialize;

use super::Screen;
use super::history::{count, described};
use super::names::{folded, named};
use crate::api::{Run, Settled, SettledHow, SiteHistory};
use crate::error::{CommandError, ErrorKind};
use crate::fleet::{HostWork, LookOutcome, NothingLeft, RollbackWay, SiteRollback};
use crate::inventory::no_sites;

/// How many reasons an error has.
const REASONS_SHOWN: usize = 5;

/// The run that a rollback takes back, and where that leads each site.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct TakenBack<'a> {
    run: &'a Run,
    sites: &'a [SiteRollback<'a>],
}

/// The history of each site on each host, in the inventory's order, and after those of a host the sites
/// that have left it. What cannot be read is told.
pub(crate) fn histories<'w>(
    answered: Vec<(&'w HostWork, Result<Vec<SiteHistory>, CommandError>)>,
    answers: &mut LookOutcome,
    screen: &mut Screen,
) -> Result<Vec<(&'w str, SiteHistory)>, CommandError> {
    let mut histories = Vec::new();
    let mut expects_none = true;
    for (work, sites) in answered {
        expects_none &= work.sites.is_empty();
        match sites {
            Ok(sites) => histories.extend(sites.into_iter().map(|site| (work.name(), site))),
            Err(error) => screen.unanswered(work.name(), &error, answers),
        }
    }
    for (host, history) in &histories {
        count(host, history, answers, screen);
    }
    let nobody_has_any = histories.is_empty() && expects_none;
    if nobody_has_any && answers.are_complete() { Err(no_sites()) } else { Ok(histories) }
}

/// Shows what is taken back, and counts what is refused.
pub(crate) fn show_taken_back(
    run: &Run,
    sites: &[SiteRollback<'_>],
    answers: &mut LookOutcome,
    screen: &mut Screen,
) {
    screen.document("rollback", None, &TakenBack { run, sites });
    let is_refused = sites.iter().any(|on_host| on_host.way.is_refused());
    if is_refused || !screen.is_quiet() {
        screen.print(&text(run, sites));
    }
    for _ in sites.iter().filter(|on_host| on_host.way.is_refused()) {
        answers.fail(ErrorKind::Refused);
    }
}

/// Why nothing of it can be taken back.
pub(crate) fn nothing_to_take_back(run: &Run, sites: &[SiteRollback<'_>]) -> CommandError {
    let mut reasons: Vec<String> = sites.iter().map(words).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let message = format!("run {} can be taken back at none of these sites", run.id);
    let mut error = CommandError::refused(message).hint("see the runs: supervisor-sync history");
    error.causes = reasons.into_iter().take(REASONS_SHOWN).collect();
    error
}

/// What is taken back, and what becomes of each site; hosts of which that is the same in one line.
fn text(run: &Run, sites: &[SiteRollback<'_>]) -> String {
    let mut text = format!("Takes back run {}\n", described(run));
    let mut lines = Vec::new();
    for site in sites {
        let left = if site.paths.is_some() { ", not in the inventory" } else { "" };
        lines.push((site.host, format!("{}{left}: {}", site.site, words(site))));
    }
    for (hosts, line) in folded(lines) {
        let _ = writeln!(text, "  {}  {line}", named(&hosts));
    }
    text
}

fn words(on_host: &SiteRollback<'_>) -> String {
    match on_host.way {
        RollbackWay::Back { to } => format!("to revision {to}"),
        RollbackWay::NotChanged => "not changed by it, left".to_owned(),
        RollbackWay::ChangedSince { run } => {
            format!("refused: run {run} has changed it since, take that back first")
        }
        RollbackWay::Unfinished { run } => format!(
            "refused: run {run} has not ended there; take that back first, supervisor-sync rollback \
             {run}, or finish it: supervisor-sync apply --site {}",
            on_host.site
        ),
        RollbackWay::AtWork { run } => {
            format!("refused: run {run} is under way there, wait for its end")
        }
        RollbackWay::IsRollback { before: Some(before) } => format!(
            "refused: it is a rollback itself; go to the revision before it: supervisor-sync \
             rollback --site {} --to {before}",
            on_host.site
        ),
        RollbackWay::IsRollback { before: None } => format!(
            "refused: it is a rollback itself, and the revision before it is gone; see those there \
             are: supervisor-sync history --site {}",
            on_host.site
        ),
        RollbackWay::NothingLeft { why } => why_nothing_is_left(why),
        RollbackWay::NothingBefore => "refused: it has no revision before that run".to_owned(),
    }
}

fn why_nothing_is_left(why: NothingLeft) -> String {
    match why {
        NothingLeft::TakenBack(by) => format!("taken back already by run {by}"),
        NothingLeft::Restarted => "it only restarted programs, nothing to take back".to_owned(),
        NothingLeft::NoFile => "it changed no file, nothing to take back".to_owned(),
        NothingLeft::Failed => "it failed there, nothing of it is left to take back".to_owned(),
        NothingLeft::Interrupted => "it was interrupted before it changed a file, left".to_owned(),
        NothingLeft::Kept => "it failed there and has no revision, nothing to take back".to_owned(),
        NothingLeft::FailedSettled(settled) => settled_in_words("it failed there", settled),
        NothingLeft::Settled(settled) => settled_in_words("it was interrupted there", settled),
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
