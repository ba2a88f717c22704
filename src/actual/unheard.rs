//! How a run ended that nobody was there to hear of: its caller had gone.

use crate::inventory::Domain;
use crate::records::{RunEnd, StateDir};
use crate::system::files::Files;
use crate::system::process;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unheard {
    /// As it was meant to.
    Well(String),
    /// With something for a person to see to.
    Badly(String),
}

impl Unheard {
    /// What is said of it, the same for either end.
    pub fn text(&self) -> &str {
        match self {
            Self::Well(text) | Self::Badly(text) => text,
        }
    }
}

/// What is said of every such run.
const WITHOUT_CALLER: &str = ", which went on without its caller,";

/// Whether a remark may be of such a run: it can be told without a look at the disk that most are not.
pub fn may_be(text: &str) -> bool {
    text.contains(WITHOUT_CALLER)
}

/// How the last run of a site ended whose end nobody has heard; `None` also while it is at work.
pub fn read(files: &dyn Files, state: &StateDir, site: &Domain) -> Option<Unheard> {
    let untold = state.untold(files, site)?;
    // It may be at work without the lock of the site, as while it waits for that.
    if process::goes_on(untold.pid, untold.started) || state.site_is_held_by(site, untold.pid) {
        return None;
    }
    let run = untold.run;
    let what = format!("the `{}` of {:.0}{WITHOUT_CALLER}", run.command, run.at);
    if untold.is_control {
        // No record says how, and what runs does.
        let text = format!("{what} has ended: see what runs with `supervisor-sync status`");
        return Some(Unheard::Well(text));
    }
    let outcomes = state.outcomes(files, site).unwrap_or_default();
    if let Some(outcome) = outcomes.into_iter().find(|outcome| outcome.run.id == run.id) {
        let cause = outcome.cause.map_or(String::new(), |cause| format!(": {cause}"));
        return Some(match outcome.end {
            RunEnd::Restarted => Unheard::Well(format!("{what} has restarted its programs")),
            RunEnd::RolledBack => Unheard::Badly(format!("{what} failed and was put back{cause}")),
            RunEnd::Kept | RunEnd::Stuck => Unheard::Badly(format!("{what} failed{cause}")),
            RunEnd::Interrupted | RunEnd::UnderWay => {
                Unheard::Badly(format!("{what} was cut off before it was done"))
            }
        });
    }
    let numbers = state.whole_revision_numbers(files, site).unwrap_or_default();
    for number in numbers.into_iter().rev() {
        let revision = state.revision(files, site, number).ok().flatten();
        if revision.and_then(|revision| revision.origin.run).is_some_and(|of| of.id == run.id) {
            let text = format!("{what} is done: applied as revision {number}");
            return Some(Unheard::Well(text));
        }
    }
    Some(Unheard::Badly(format!("{what} has changed nothing")))
}
