//! `apply`: what the command line says, and how an apply ended.

use clap::Args;
use serde::Serialize;

use super::carry_out::{Order, carry_out, failure};
use super::fleet::RolloutArguments;
use super::left::{self, Prune, PruneArguments};
use super::run::MessageArguments;
use super::selected::ProgramArguments;
use super::{Context, plan};
use crate::apply::{ApplyOptions, Outcome, SiteReport};
use crate::error::{CommandError, ErrorKind};
use crate::host::{AppliedSite, Goal, Run};
use crate::inventory::no_sites;
use crate::plan::PlanOptions;
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct ApplyArguments {
    #[command(flatten)]
    selection: ProgramArguments,
    #[command(flatten)]
    what: plan::WhatArguments,
    #[command(flatten)]
    prune: PruneArguments,
    #[command(flatten)]
    how: HowArguments,
}

/// How an apply goes about it.
#[derive(Debug, Args)]
pub(super) struct HowArguments {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Do not watch what was started
    #[arg(long)]
    no_verify: bool,
    /// Leave a failed apply as it is, for inspection
    #[arg(long)]
    no_rollback: bool,
    /// Seconds to wait for another apply on the same host
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_wait: u64,
    #[command(flatten)]
    pub(super) message: MessageArguments,
    #[command(flatten)]
    pub(super) rollout: RolloutArguments,
}

impl HowArguments {
    pub(super) fn order(&self, goal: Goal, options: PlanOptions, run: Run) -> Order {
        let apply =
            ApplyOptions { verify: !self.no_verify, rollback: !self.no_rollback, record: true };
        Order {
            goal,
            options,
            apply,
            run,
            ask: !self.yes,
            lock_wait: self.lock_wait,
            rules: self.rollout.rules(),
        }
    }
}

pub(super) fn run(
    context: &Context,
    arguments: &ApplyArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let prune = arguments.prune.prune();
    let is_asked = !arguments.how.yes;
    let mut work = context.selected_with_leavers(&arguments.selection, &prune, is_asked, screen)?;
    if prune == Prune::Nothing {
        work.retain(|work| !work.sites.is_empty() || work.may_be_emptied());
        if work.is_empty() {
            return Err(no_sites());
        }
    }
    left::check_not_all(&work, is_asked)?;
    let options = arguments.what.options();
    let run = context.begin_run("apply", &arguments.how.message);
    let order = arguments.how.order(Goal::Inventory, options, run);
    carry_out(context, &work, &order, screen)
}

/// How the sites ended, for the exit status.
#[derive(Default)]
pub(super) struct Ends {
    pub(super) done: usize,
    changed: bool,
    pub(super) failed: Vec<ErrorKind>,
}

#[derive(Serialize)]
struct Sites<'a> {
    sites: &'a [AppliedSite],
}

impl Ends {
    pub(super) fn tell(
        &mut self,
        host: &str,
        several: bool,
        sites: &[AppliedSite],
        screen: &mut Screen,
    ) {
        screen.document("applied", Some(host), &Sites { sites });
        for applied in sites {
            let site = &applied.site;
            if let Ok(report) = &applied.report {
                self.changed |= matches!(report.outcome, Outcome::Applied { .. });
                if let Some(done) = done(report) {
                    tell_end(host, several, &format!("Site {site}: {done}"), screen);
                }
                for trouble in &report.troubles {
                    screen.trouble(trouble);
                }
            }
            match failure(applied) {
                None => self.done += 1,
                Some(error) => {
                    let kind = error.kind;
                    self.failed.push(kind);
                    if screen.mode() == crate::report::Mode::Text {
                        screen.error(several.then_some(host), &without_told(error, applied));
                        tell_end(host, several, &format!("Site {site}: {}", ended(kind)), screen);
                    }
                }
            }
        }
    }

    /// 130 as soon as something was interrupted, unless something is left to be mended: it promises
    /// that the hosts are consistent. 6 as soon as some hosts are done and some are not, or, of one host,
    /// some sites have changed and some are not done; else the gravest end.
    pub(super) fn exit_status(&self, hosts: usize, is_interrupted: bool) -> u8 {
        let has = |kind| self.failed.contains(&kind);
        if (is_interrupted || has(ErrorKind::Interrupted)) && !has(ErrorKind::Stuck) {
            return ErrorKind::Interrupted.exit_status();
        }
        let gravest = [
            ErrorKind::Stuck,
            ErrorKind::RolledBack,
            ErrorKind::Refused,
            ErrorKind::Locked,
            ErrorKind::Usage,
        ]
        .into_iter()
        .find(|kind| has(*kind));
        let partly = if hosts > 1 { self.done > 0 } else { self.changed };
        match gravest {
            None if self.failed.is_empty() => 0,
            Some(ErrorKind::Stuck) if hosts == 1 => ErrorKind::Stuck.exit_status(),
            _ if partly => ErrorKind::Partial.exit_status(),
            gravest => gravest.unwrap_or(ErrorKind::Partial).exit_status(),
        }
    }
}

/// How a site ended that has not failed.
fn done(report: &SiteReport) -> Option<String> {
    match &report.outcome {
        Outcome::Unchanged => Some(report.plan.summary()),
        Outcome::Applied { revision: Some(revision) } => {
            Some(format!("applied as revision {revision}"))
        }
        Outcome::Applied { revision: None } => Some("done".to_owned()),
        _ => None,
    }
}

/// How a site ended, in a line; of many hosts the summary is the result.
fn tell_end(host: &str, several: bool, end: &str, screen: &mut Screen) {
    match several {
        true => screen.complain(&format!("{host}: {end}")),
        false => screen.print(&format!("{end}\n")),
    }
}

/// The failure without the causes that were told above, program by program.
fn without_told(mut error: CommandError, applied: &AppliedSite) -> CommandError {
    let troubles = applied.report.iter().flat_map(|report| &report.troubles);
    let told: Vec<String> = troubles.map(|t| format!("{} {}", t.process, t.reason)).collect();
    error.causes.retain(|cause| !told.contains(cause));
    error
}

fn ended(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Refused | ErrorKind::Usage => "not applied, nothing was changed",
        ErrorKind::RolledBack => "rolled back, it is as it was",
        ErrorKind::Stuck => "failed, see above for what is left",
        ErrorKind::Locked => "not applied, another apply is under way",
        ErrorKind::Interrupted => "interrupted",
        ErrorKind::Partial => "partly applied",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_tells_whether_the_hosts_are_consistent() {
        use ErrorKind::{Interrupted, Locked, RolledBack, Stuck};
        for (changed, failed, hosts, is_interrupted, expected) in [
            (true, &[][..], 1, false, 0),
            (true, &[RolledBack], 1, false, 6),
            (false, &[RolledBack, Locked], 1, false, 4),
            // One site was applied, and another was interrupted.
            (true, &[Interrupted], 1, false, 130),
            (true, &[Interrupted, RolledBack], 2, false, 130),
            (true, &[], 2, true, 130),
            // Interrupted or not, something is left to be mended.
            (true, &[Stuck, Interrupted], 1, true, 5),
            (false, &[Stuck], 2, true, 5),
            (true, &[Stuck, Interrupted], 2, true, 6),
        ] {
            let ends = Ends { done: usize::from(changed), changed, failed: failed.to_vec() };
            let status = ends.exit_status(hosts, is_interrupted);
            assert_eq!(status, expected, "{changed} {failed:?} {hosts} {is_interrupted}");
        }
    }
}
