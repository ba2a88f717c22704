//! How an apply of a site ended. Exit status and summary come from it alone.

use serde::{Deserialize, Serialize};

use super::ran_before::AS_ASKED;
use super::{ApplyError, FailedAt};
use crate::error::{CommandError, ErrorKind};
use crate::event::{ProgramTrouble, SiteEnd};
use crate::inventory::Domain;
use crate::plan::PlanView;

/// What became of one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SiteReport {
    /// The site whose apply this is.
    pub site: Domain,
    /// What was to be done.
    pub plan: PlanView,
    /// How it ended.
    pub outcome: Outcome,
    /// Programs that are not as they should be.
    pub troubles: Vec<ProgramTrouble>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[must_use]
pub enum Outcome {
    /// There was nothing to do, and nothing was done.
    Unchanged,
    /// Everything is as planned, and what was to be recorded is.
    Applied {
        /// The revision it was recorded under, if it changed what is wanted.
        revision: Option<u64>,
    },
    /// It did not start.
    Refused {
        /// What stood in the way before anything was changed.
        cause: ApplyError,
    },
    /// It failed, and the host is as it was.
    RolledBack {
        /// What failed; everything after it was put back.
        cause: ApplyError,
    },
    /// It failed, and was left as it is, as asked, for inspection.
    Kept {
        /// What failed.
        cause: ApplyError,
    },
    /// It failed, and not everything could be put back.
    Stuck {
        /// What failed first; the errors of the undo do not take its place.
        cause: ApplyError,
        /// What could not be put back, each with its path or program. Empty if there was nothing
        /// to put back: everything is as wanted, and only our own records are not.
        undo_errors: Vec<String>,
    },
    /// It was interrupted while processes were stopping; the next apply finishes it.
    Interrupted {
        /// How far it had come.
        cause: ApplyError,
    },
}

impl SiteReport {
    /// The report of an apply that has not ended yet.
    pub fn new(plan: PlanView) -> Self {
        Self { site: plan.site.clone(), plan, outcome: Outcome::Unchanged, troubles: Vec::new() }
    }

    /// The report of a site that is refused or has nothing to do.
    pub fn not_applied(plan: PlanView) -> Self {
        let refused = plan.refusals.split_first().map(|(first, rest)| {
            let mut error =
                CommandError::refused(format!("site {}: {}", plan.site, first.message()))
                    .hint(first.hint());
            for refusal in rest {
                error = error.hint(format!("also: {}; {}", refusal.message(), refusal.hint()));
            }
            ApplyError::new(FailedAt::Start, error)
        });
        let mut report = Self::new(plan);
        if let Some(cause) = refused {
            report.outcome = Outcome::Refused { cause };
        }
        report
    }

    /// How it ended, as it is told at once; `None` if nothing was to be done.
    pub fn end(&self) -> Option<SiteEnd> {
        let revision = match &self.outcome {
            Outcome::Unchanged => return None,
            Outcome::Applied { revision } => *revision,
            _ => None,
        };
        let (site, troubles) = (self.site.clone(), self.troubles.clone());
        Some(SiteEnd { site, revision, failure: self.failure(), troubles })
    }

    /// The failure, if it is one.
    pub fn failure(&self) -> Option<CommandError> {
        failure_of(&self.site, &self.outcome)
    }
}

/// How this ended, if it is a failure.
pub(super) fn failure_of(site: &Domain, outcome: &Outcome) -> Option<CommandError> {
    let (cause, kind) = match outcome {
        Outcome::Unchanged | Outcome::Applied { .. } => return None,
        Outcome::Refused { cause } => (cause, cause.error.kind),
        Outcome::RolledBack { cause } if cause.at == FailedAt::Interrupted => {
            (cause, ErrorKind::Interrupted)
        }
        Outcome::RolledBack { cause } => (cause, ErrorKind::RolledBack),
        Outcome::Kept { cause } => (cause, ErrorKind::Stuck),
        Outcome::Stuck { cause, .. } => (cause, ErrorKind::Stuck),
        Outcome::Interrupted { cause } => (cause, ErrorKind::Interrupted),
    };
    let mut error = cause.error.clone().of_kind(kind);
    if let Outcome::Stuck { undo_errors, .. } = outcome {
        let is_only_late = undo_errors.iter().all(|error| error.ends_with(AS_ASKED));
        if is_only_late && !undo_errors.is_empty() {
            error.hints.push(undo_errors.join("; "));
            let again = format!("supervisor-sync apply --site {site}");
            error.hints.push(format!("when that has ended, this starts it again: {again}"));
            return Some(error);
        }
        if !undo_errors.is_empty() {
            error.hints.push(format!("could not be put back: {}", undo_errors.join("; ")));
        }
        error
            .hints
            .push(format!("fix that, then run it again: supervisor-sync apply --site {site}"));
    }
    Some(error)
}
