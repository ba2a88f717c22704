//! What is to be done on hosts, as somebody asked for it.

use super::rollout::Rules;
use super::saved::Reviewed;
use crate::api::{Goal, Run};
use crate::apply::ApplyOptions;
use crate::plan::PlanOptions;

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Where each site is to go.
    pub(crate) goal: Goal,
    /// What is asked for.
    pub(crate) options: PlanOptions,
    /// How an apply goes about it.
    pub(crate) apply: ApplyOptions,
    /// The run it is.
    pub(crate) run: Run,
    /// Whether the plan is shown and agreed to first.
    pub(crate) ask: bool,
    /// Whether plans are made and shown first though nobody is asked.
    pub(crate) plans_first: bool,
    /// The plans that somebody has agreed to before.
    pub(crate) reviewed: Option<Reviewed>,
    /// Seconds to wait for another apply on a host.
    pub(crate) lock_wait: u64,
    /// How it goes from host to host.
    pub(crate) rules: Rules,
}

impl Order {
    /// Whether plans are made and shown before anything is done.
    pub(crate) fn shows_plans(&self) -> bool {
        self.ask || self.plans_first || self.reviewed.is_some()
    }
}
