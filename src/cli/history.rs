//! `history`: the runs, newest first, and what became of each site; and what a revision changed.

use std::str::FromStr;

use clap::Args;

use super::fleet::ParallelArguments;
use super::selected::SelectionArguments;
use super::{Context, completing};
use crate::api::{NotARunId, RunId, SiteDiff};
use crate::error::{CommandError, ErrorKind};
use crate::fleet::{
    Emptied, HostWork, LookOutcome, Prune, chosen, history_of, only_site, revisions_of,
};
use crate::inventory::{Domain, Site};
use crate::report::{
    Histories, HostHistory, NumberedDiff, Screen, histories, no_revision_of, run_in_a_line,
    show_revision_diffs,
};

#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// What a run changed, the last one if none is named, or what a revision of one site did: against
    /// the revisions before it, with secrets masked
    #[arg(long, value_name = "RUN|REVISION", num_args = 0..=1, add = completing::runs())]
    diff: Option<Option<Changes>>,
    #[command(flatten)]
    parallel: ParallelArguments,
}

/// What the changes of are shown.
#[derive(Debug, Clone, Copy)]
enum Changes {
    /// Of a site.
    Revision(u64),
    /// Wherever it changed something.
    Run(RunId),
}

impl FromStr for Changes {
    type Err = NotARunId;

    fn from_str(text: &str) -> Result<Self, NotARunId> {
        text.parse().map(Self::Revision).or_else(|_| text.parse().map(Self::Run))
    }
}

pub(super) fn run(
    context: &Context,
    arguments: &HistoryArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let rules = arguments.parallel.rules();
    if let Some(Changes::Revision(number)) = arguments.diff.flatten() {
        let work = context.selected(&arguments.selection, screen)?;
        only_site(&work, &|site| format!("history --site {site} --diff {number}"))?;
        let diffs = context
            .fleet
            .on_each(&work, rules, &|work, host| host.revision_diffs(work.sites.clone(), number));
        let diffs = diffs.into_iter().map(|diffs| Ok(numbered(number, diffs?)));
        return Ok(show_revision_diffs(work.iter().zip(diffs).collect(), screen));
    }
    if let Some(run) = arguments.diff {
        return diff_of_run(context, arguments, run, screen);
    }
    let selector = arguments.selection.selector()?;
    let (prune, emptied) = (Prune::Nothing, Emptied::Unseen);
    let work = context.selected_with_leavers(&selector, &prune, emptied, screen)?;
    let asides = screen.asides();
    let mut histories = Histories::default();
    context.fleet.on_each_in_turn(
        &work,
        rules,
        &|work, host| {
            let sites = history_of(work, host)?;
            Ok(HostHistory::of(work, &sites, asides()))
        },
        &mut |work, answer| histories.add(work, answer, screen),
    );
    histories.end(work.iter().all(|work| work.sites.is_empty()), screen)
}

/// What a run changed, wherever it did.
fn diff_of_run(
    context: &Context,
    arguments: &HistoryArguments,
    run: Option<Changes>,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let rules = arguments.parallel.rules();
    let work = context.selected(&arguments.selection, screen)?;
    let named = match run {
        Some(Changes::Run(id)) => Some(id),
        Some(Changes::Revision(_)) | None => None,
    };
    let mut answers = LookOutcome::default();
    let answered = context.fleet.on_each(&work, rules, &history_of);
    let histories = histories(work.iter().zip(answered).collect(), &mut answers, screen)?;
    let run = chosen(named, &histories)?;
    let revisions = revisions_of(run.id, &histories).into_iter();
    let revisions: Vec<(String, Domain, u64)> =
        revisions.map(|(host, site, number)| (host.to_owned(), site.clone(), number)).collect();
    if revisions.is_empty() {
        return Err(no_revision_of(&run));
    }
    screen.print(&format!("{}\n", run_in_a_line(&run)));
    let of_run: Vec<HostWork> = work
        .into_iter()
        .filter(|work| revisions.iter().any(|(host, ..)| *host == work.name()))
        .collect();
    let diffs = context.fleet.on_each(&of_run, rules, &|work, host| {
        let mut diffs = Vec::new();
        for (_, domain, number) in revisions.iter().filter(|(host, ..)| *host == work.name()) {
            let site = work.sites.iter().find(|site| site.domain == *domain);
            let asked: Vec<Site> = site.into_iter().cloned().collect();
            let found = host.revision_diffs(asked, *number)?;
            diffs.extend(numbered(*number, found));
        }
        Ok(diffs)
    });
    let shown = show_revision_diffs(of_run.iter().zip(diffs).collect(), screen);
    Ok(match answers.are_complete() {
        false if shown == 0 => ErrorKind::Partial.exit_status(),
        _ => shown,
    })
}

fn numbered(number: u64, diffs: Vec<SiteDiff>) -> Vec<NumberedDiff> {
    diffs.into_iter().map(|of_site| NumberedDiff { number, of_site }).collect()
}
