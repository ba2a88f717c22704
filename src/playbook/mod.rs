//! The environment contract: a drop-in for DeployerPHP's `supervisor-sync.sh`.
//!
//! Everything comes from `DEPLOYER_*` variables; progress goes to stdout in lines that begin with
//! `→ `, warnings and errors to stderr with the script's own first lines, and the exit status is 0
//! or 1. What the script gets wrong is done right here and listed in docs/playbook.md.

mod environment;
mod goes_on;
mod integration;
mod markup;
mod messages;
mod output;
mod restart;
mod supervisors;
mod sync;

pub use environment::{Perms, PlaybookEnvironment};
pub(crate) use integration::{IntegrationPoint, Misfit};
pub(crate) use output::{Failed, Output};

use std::time::Duration;

use goes_on::GoesOn;

use crate::api::{Applied, ApplyRequest, ChosenSite, Goal, Run, Target};
use crate::apply::{ApplyOptions, SiteReport};
use crate::error::CommandError;
use crate::plan::PlanOptions;

/// Which of the two playbooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Playbook {
    /// Make the site's programs match.
    Sync,
    /// Restart them after a deployment.
    Restart,
}

/// Opens the host for the permissions that were asked for. An apply is waited for no longer than this
/// time, counted from the beginning; it goes on then.
pub(crate) type Connect<'c> =
    dyn FnMut(Perms, Duration) -> Result<Box<dyn Target>, CommandError> + 'c;

/// Runs a playbook: `variable` reads the environment. A restart never fails: the deployment before it
/// has succeeded.
pub(crate) fn run(
    playbook: Playbook,
    variable: &dyn Fn(&str) -> Option<String>,
    connect: &mut Connect<'_>,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    match playbook {
        Playbook::Sync => sync::run(variable, connect, output),
        Playbook::Restart => {
            restart::run(variable, connect, output);
            Ok(())
        }
    }
}

fn warn_of_distro(environment: &PlaybookEnvironment, output: &mut Output<'_>) {
    if !matches!(environment.distro.as_str(), "ubuntu" | "debian") {
        output.warn(&format!(
            "DEPLOYER_DISTRO is {}: only ubuntu and debian are tried",
            environment.distro
        ));
    }
}

/// How an apply ended, or that it was not waited for any longer.
enum ApplyEnd {
    Ended(Box<SiteReport>),
    GoesOn(GoesOn),
}

/// The site's apply, told while it goes on.
fn ask(
    environment: &PlaybookEnvironment,
    host: &mut dyn Target,
    output: &mut Output<'_>,
    purpose: &str,
    (plan, apply): (PlanOptions, ApplyOptions),
) -> Result<ApplyEnd, messages::Words> {
    let request = ApplyRequest {
        sites: vec![ChosenSite::whole(environment.site.clone())],
        goal: Goal::Inventory,
        plan,
        apply,
        shown: None,
        lock_wait: environment.lock_wait,
        run: Run::begin(purpose),
    };
    let mut so_far = GoesOn::default();
    let reply = host.apply(request, &mut |event| {
        so_far.note(&event);
        messages::tell(&event, output);
    });
    match reply {
        Ok(Applied::GoesOn) => Ok(ApplyEnd::GoesOn(so_far)),
        Err(error) => Err(messages::Words::of(&error)),
        Ok(Applied::Ended(sites)) => match sites.into_iter().next() {
            Some(applied) => {
                let report = applied.report.map_err(|error| messages::at(&error, None))?;
                Ok(ApplyEnd::Ended(Box::new(report)))
            }
            None => Err(messages::Words::plain("the host answered for no site")),
        },
    }
}
