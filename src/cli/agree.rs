//! `--yes` and `--dry-run`: whether somebody is asked before hosts change, and whether they do.

use clap::Args;

use super::Context;
use super::selected::NamedArguments;
use crate::api::Goal;
use crate::error::CommandError;
use crate::fleet::rollout::Rules;
use crate::fleet::{
    self, HostWork, Leavers, Order, SavedPlan, check_named, check_something, plans_of,
};
use crate::plan::PlanOptions;
use crate::report::{Applying, HostPage, PlanFormat, Plans, Screen};

/// Whether somebody agrees first.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct AgreeArguments {
    /// Do not ask
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Show what would be done, as `plan` does, and do nothing
    #[arg(long, short = 'n')]
    pub(super) dry_run: bool,
}

/// How plans are shown, and what is kept of them.
pub(super) struct PlanLook<'p> {
    pub(super) format: PlanFormat,
    /// Where they are kept.
    pub(super) saved: Option<&'p mut SavedPlan>,
    /// Whether the exit status says that there is something to do.
    pub(super) tells_changes: bool,
}

impl Default for PlanLook<'_> {
    fn default() -> Self {
        Self { format: PlanFormat::Text, saved: None, tells_changes: false }
    }
}

impl AgreeArguments {
    /// Whether a verb asks that does to programs what somebody names: one program on one host is what was
    /// typed, and more may be more than somebody thought of.
    pub(super) fn asks(self, named: &NamedArguments, work: &[HostWork]) -> bool {
        !self.yes && (named.names_no_program() || work.len() > 1)
    }
}

impl Context {
    /// Does it on each host, and tells how each site ended; or shows what would be done.
    pub(super) fn carry_out(
        &self,
        work: &[HostWork],
        order: &Order,
        agree: AgreeArguments,
        screen: &mut Screen,
    ) -> Result<u8, CommandError> {
        if agree.dry_run {
            let rules = Rules::all(order.rules.parallel);
            let what = (order.goal, &order.options);
            return self.show_plans(work, what, rules, PlanLook::default(), screen);
        }
        // What comes before changes comes only where something changes, and that plans say.
        let plans_first = order.plans_first || self.has_hook_before(order);
        let order = &Order { plans_first, ..order.clone() };
        let mut before = || self.before_changes(order);
        let applying = Applying::new(work, order, &self.fleet.interrupt, screen);
        let mut applying = applying.before_changes(&mut before);
        let ends = fleet::run(&self.fleet, work, order, &mut applying)?;
        applying.summarise();
        self.after_run(order, ends, screen)
    }

    /// Shows what would be done on each host.
    pub(super) fn show_plans(
        &self,
        work: &[HostWork],
        (goal, options): (Goal, &PlanOptions),
        rules: Rules,
        look: PlanLook<'_>,
        screen: &mut Screen,
    ) -> Result<u8, CommandError> {
        let PlanLook { format, mut saved, tells_changes } = look;
        if format == PlanFormat::Markdown {
            screen.go_without_colour();
        }
        let (asides, is_saved) = (screen.asides(), saved.is_some());
        let mut plans = Plans::new(format);
        // Where it may turn out that there is nothing to show, nothing is before each host has answered.
        let waits =
            work.iter().all(|work| work.sites.is_empty()) || work.iter().any(HostWork::prunes);
        self.fleet.on_each_checked(
            (work, rules),
            &|work, host| {
                let planned = plans_of(host, work, goal, options.clone())?;
                let page = HostPage::of(work.name(), &planned, asides());
                let kept = is_saved.then(|| SavedPlan::fingerprints(&planned)).flatten();
                Ok(((page, kept), planned.leavers))
            },
            (waits, |leavers: &[&Leavers]| {
                check_something(work, leavers)?;
                check_named(work, leavers.iter().copied())
            }),
            &mut |work, answer| {
                let page = answer.map(|(page, kept)| {
                    if let (Some(saved), Some(kept)) = (&mut saved, kept) {
                        saved.add(work.name(), kept);
                    }
                    page
                });
                plans.add(work, page, screen);
            },
        )?;
        Ok(plans.end(tells_changes, screen))
    }
}
