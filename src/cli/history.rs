//! `history`: the runs, newest first, and what became of each site; and what a revision changed.

use clap::Args;

use super::fleet::ParallelArguments;
use super::selected::SelectionArguments;
use super::{Context, completing};
use crate::error::CommandError;
use crate::fleet::{Emptied, Prune, history_of, only_site};
use crate::report::{Histories, HostHistory, Screen, show_revision_diffs};

#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// What this revision of a site changed, against the one before it; secrets are masked
    #[arg(long, value_name = "REVISION", add = completing::revisions())]
    diff: Option<u64>,
    #[command(flatten)]
    parallel: ParallelArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &HistoryArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let rules = arguments.parallel.rules();
    if let Some(number) = arguments.diff {
        let work = context.selected(&arguments.selection, screen)?;
        only_site(&work, &|site| format!("history --site {site} --diff {number}"))?;
        let diffs = context
            .fleet
            .on_each(&work, rules, &|work, host| host.revision_diffs(work.sites.clone(), number));
        return Ok(show_revision_diffs(work.iter().zip(diffs).collect(), number, screen));
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
