//! `rollback`: takes back a run wherever it changed something, or a site to a revision.

use clap::Args;

use super::apply::HowArguments;
use super::fleet::ParallelArguments;
use super::selected::SelectionArguments;
use super::{Context, completing};
use crate::api::{Goal, Run, RunId};
use crate::error::{CommandError, ErrorKind};
use crate::fleet::{
    Emptied, HostWork, LookOutcome, Prune, chosen, going, history_of, only_site, ways,
};
use crate::plan::PlanOptions;
use crate::report::{Screen, histories, nothing_to_take_back, show_taken_back};

#[derive(Debug, Args)]
pub(super) struct RollbackArguments {
    /// The run to take back, as `history` names them [default: the last one on the chosen hosts and
    /// sites]
    #[arg(value_name = "RUN", add = completing::runs())]
    run: Option<RunId>,
    #[command(flatten)]
    selection: SelectionArguments,
    /// Not a run, but one site to this revision, as `history` numbers them
    #[arg(long, value_name = "REVISION", conflicts_with = "run", add = completing::revisions())]
    to: Option<u64>,
    #[command(flatten)]
    how: HowArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &RollbackArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    arguments.how.files.show(screen);
    match arguments.to {
        Some(number) => {
            let work = context.selected(&arguments.selection, screen)?;
            to_revision(context, &work, number, arguments, screen)
        }
        None => {
            let work = context.selected_with_leavers(
                &arguments.selection.selector()?,
                &Prune::Nothing,
                Emptied::Unseen,
                screen,
            )?;
            take_back(context, &work, arguments, screen)
        }
    }
}

fn to_revision(
    context: &Context,
    work: &[HostWork],
    number: u64,
    arguments: &RollbackArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    only_site(work, &|site| format!("rollback --site {site} --to {number}"))?;
    let run = context.begin_run(&format!("rollback to {number}"), &arguments.how.message);
    let order = arguments.how.order(Goal::Revision(number), PlanOptions::rollback(), run);
    context.carry_out(work, &order, arguments.how.agree, screen)
}

fn take_back(
    context: &Context,
    work: &[HostWork],
    arguments: &RollbackArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let rules = ParallelArguments::rules(arguments.how.rollout.parallel());
    let answered = context.fleet.on_each(work, rules, &history_of);
    let mut answers = LookOutcome::default();
    let histories = histories(work.iter().zip(answered).collect(), &mut answers, screen)?;
    let back = chosen(arguments.run, &histories)?;
    let sites = ways(&histories, back.id);
    show_taken_back(&back, &sites, &mut answers, screen);
    let work = going(work, &sites)?;
    if work.is_empty() {
        return Err(nothing_to_take_back(&back, &sites));
    }
    let run = context.begin_run(&format!("rollback of {}", back.id), &arguments.how.message);
    let run = Run { takes_back: Some(back.id), ..run };
    let order = arguments.how.order(Goal::Before(back.id), PlanOptions::rollback(), run);
    let ended = context.carry_out(&work, &order, arguments.how.agree, screen)?;
    Ok(match answers.are_complete() {
        false if ended == 0 => ErrorKind::Partial.exit_status(),
        _ => ended,
    })
}
