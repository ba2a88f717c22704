//! `plan`: what an apply would do.

use clap::Args;
use serde::Serialize;

use super::Context;
use super::fleet::{Answers, Folded, ParallelArguments, named};
use super::left::{self, Emptied, Leavers, Prune, PruneArguments};
use super::selected::{ProgramArguments, Work};
use crate::api::{ChosenSite, Goal, Left, PlannedSite, Target};
use crate::error::{CommandError, ErrorKind};
use crate::plan::{Override, PlanOptions, Running};
use crate::report::{Mode, Page, Screen};

/// The exit status of `--exit-code` when there is something to do.
const CHANGES: u8 = 3;

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    selection: ProgramArguments,
    #[command(flatten)]
    what: WhatArguments,
    #[command(flatten)]
    prune: PruneArguments,
    /// Exit with status 3 if there is something to do
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    parallel: ParallelArguments,
}

/// What a plan depends on; the same for `plan` and `apply`.
#[derive(Debug, Args)]
pub(super) struct WhatArguments {
    /// Restart every program, each exactly once, also those that do not change
    #[arg(long)]
    restart: bool,
    /// Restart nothing: the next restart takes a change up. What is not wanted any more stops
    #[arg(long, conflicts_with = "restart")]
    no_restart: bool,
    /// Start what somebody had stopped, too, unless it has autostart=false
    #[arg(long)]
    start_stopped: bool,
    /// Remove the logs of programs that are removed, too, with what rotation has made of them; they do
    /// not come back
    #[arg(long)]
    purge_logs: bool,
    /// Go on in spite of this
    #[arg(long = "allow", value_name = "REFUSAL")]
    overrides: Vec<Override>,
}

impl WhatArguments {
    pub(super) fn options(&self) -> PlanOptions {
        let running = match (self.restart, self.no_restart) {
            (true, _) => Running::RestartAll,
            (false, true) => Running::Leave,
            (false, false) => Running::RestartChanged,
        };
        PlanOptions {
            start_stopped: self.start_stopped,
            purge_logs: self.purge_logs,
            overrides: self.overrides.clone(),
            ..PlanOptions::apply(running)
        }
    }
}

#[derive(Serialize)]
struct Sites<'a> {
    sites: &'a [PlannedSite],
    /// Sites that left the inventory, where it was asked about a host as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a Left>,
}

/// What a host answers.
pub(super) struct Planned {
    /// The plans of its selected sites, then those of sites that are to be removed.
    pub(super) sites: Vec<PlannedSite>,
    pub(super) leavers: Leavers,
}

pub(super) fn run(
    context: &Context,
    arguments: &PlanArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let prune = arguments.prune.prune();
    let work =
        context.selected_with_leavers(&arguments.selection, &prune, Emptied::Goes, screen)?;
    let options = arguments.what.options();
    let (mode, colour) = (screen.mode(), screen.colour());
    let ask = |work: &Work, host: &mut dyn Target| {
        let planned = ask(host, work, Goal::Inventory, options.clone())?;
        let shown = Shown::of(work.host.name.as_str(), &planned, Screen::aside(mode, colour));
        Ok((shown, planned.leavers))
    };
    let mut total = Total::default();
    // Where it may turn out that there is nothing to show, nothing is before each host has answered.
    let waits = work.iter().all(|work| work.sites.is_empty()) || matches!(prune, Prune::Named(_));
    let check = |leavers: &[&Leavers]| {
        left::check_something(&work, leavers)?;
        left::check_named(&work, leavers.iter().copied())
    };
    let hosts = (work.as_slice(), arguments.parallel.rules());
    context.on_each_checked(hosts, &ask, (waits, check), &mut |work, answer| {
        total.add(work, answer, screen);
    })?;
    show_texts(&total.texts, work.len() > 1, screen);
    Ok(total.exit_status(arguments.exit_code))
}

/// What the plans of all hosts come to.
#[derive(Default)]
struct Total<'w> {
    answers: Answers,
    texts: Folded<'w>,
    changes: bool,
    refused: bool,
}

impl<'w> Total<'w> {
    /// The plans of the next host, or why there are none.
    fn add(&mut self, work: &'w Work, answer: Result<Shown, CommandError>, screen: &mut Screen) {
        let host = work.host.name.as_str();
        match answer {
            Ok(Shown { page, text, answers, changes, refused }) => {
                screen.show(page);
                if !text.is_empty() {
                    self.texts.add(host, &text);
                }
                self.answers.add(answers);
                self.changes |= changes;
                self.refused |= refused;
            }
            Err(error) => self.answers.tell(host, &error, screen),
        }
    }

    fn exit_status(&self, tells_changes: bool) -> u8 {
        let otherwise = match self.changes && tells_changes {
            _ if self.refused => ErrorKind::Refused.exit_status(),
            true => CHANGES,
            false => 0,
        };
        self.answers.exit_status().unwrap_or(otherwise)
    }
}

/// Asks a host for the plans of its sites, and of those that are to be removed from it.
pub(super) fn ask(
    host: &mut dyn Target,
    work: &Work,
    goal: Goal,
    options: PlanOptions,
) -> Result<Planned, CommandError> {
    let leavers = left::ask(host, work)?;
    let pruned = leavers.pruned.iter().cloned().map(ChosenSite::whole);
    let sites: Vec<_> = work.chosen().into_iter().chain(pruned).collect();
    if sites.is_empty() {
        return Ok(Planned { sites: Vec::new(), leavers });
    }
    Ok(Planned { sites: host.plan(sites, goal, options)?, leavers })
}

/// What is shown of a host's plans. It is made where they arrive, and a fraction of them.
pub(super) struct Shown {
    /// For machines, with what went wrong; it has its turn host by host.
    page: Page,
    /// For people; what several hosts have in common is shown once, at the end.
    text: String,
    /// A site that has a plan has answered.
    answers: Answers,
    /// Whether there is anything to do. The removal of a site whose last program went is left to a
    /// person, or to `--prune`.
    changes: bool,
    refused: bool,
}

impl Shown {
    /// `aside` is what the page is written on.
    pub(super) fn of(host: &str, planned: &Planned, mut aside: Screen) -> Self {
        let Planned { sites, leavers } = planned;
        let mut answers = Answers::default();
        let (mut text, mut changes, mut refused) = (String::new(), false, false);
        aside.document("plan", Some(host), &Sites { sites, left: leavers.left.as_ref() });
        for PlannedSite { site, plan } in sites {
            match plan {
                Ok(plan) => {
                    answers.count();
                    changes |= !plan.empty && leavers.emptied.get(site) != Some(&false);
                    refused |= !plan.refusals.is_empty();
                    if aside.mode() == Mode::Text {
                        text.push_str(&plan.text(aside.colour()));
                    }
                }
                Err(error) => answers.tell(host, error, &mut aside),
            }
        }
        if sites.is_empty() {
            answers.count();
        }
        text.push_str(&leavers.text());
        Self { page: aside.into_page(), text, answers, changes, refused }
    }
}

/// Shows the plans of several hosts, those that are the same once.
pub(super) fn show<'h>(
    shown: impl IntoIterator<Item = (&'h str, Shown)>,
    several: bool,
    screen: &mut Screen,
) {
    let mut texts = Folded::default();
    for (host, Shown { page, text, .. }) in shown {
        screen.show(page);
        if !text.is_empty() {
            texts.add(host, &text);
        }
    }
    show_texts(&texts, several, screen);
}

fn show_texts(texts: &Folded<'_>, several: bool, screen: &mut Screen) {
    for (hosts, text) in texts.groups() {
        if several {
            screen.print(&format!("{}:\n", named(hosts)));
        }
        screen.print_painted(text);
    }
}
