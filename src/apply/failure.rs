//! How an apply fails: at which point, and with which words.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ProgramTrouble;
use crate::error::{CommandError, ErrorKind};
use crate::inventory::Domain;
use crate::supervisord::{Answer, CallError, Fault, FaultCode};

/// A failure and the point it happened at, which a front door may have its own words for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ApplyError {
    /// The step that failed, for a front door with words of its own and for `--json`.
    pub at: FailedAt,
    /// What, with causes and hints.
    #[serde(flatten)]
    pub error: CommandError,
}

impl ApplyError {
    /// A failure at this point.
    pub fn new(at: FailedAt, error: CommandError) -> Self {
        Self { at, error }
    }

    /// Nothing of the site was begun with: its lock, its records or its plan stood in the way.
    pub(crate) fn at_start(error: CommandError) -> Self {
        Self::new(FailedAt::Start, error)
    }

    /// supervisord could not be found, or did not answer the reread.
    pub(crate) fn at_reread(error: CommandError) -> Self {
        Self::new(FailedAt::Reread, error)
    }
}

/// Why supervisord did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// There was no answer at all.
    #[error(transparent)]
    Lost(#[from] CallError),
    /// It refused, with the fault that it sent.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It answered something else.
    #[error("it answered {0:?}")]
    Odd(Option<Answer>),
}

impl Unanswered {
    /// supervisord's refusal of what is in its files, if it is one.
    pub(super) fn refusal(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) if fault.code == FaultCode::CantReread => Some(fault),
            _ => None,
        }
    }

    /// Whether the daemon is gone or going, and what it had read with it: its next start reads the
    /// files as they are then.
    pub(super) fn is_gone(&self) -> bool {
        match self {
            Self::Lost(error) => matches!(error, CallError::NotRunning { .. }),
            Self::Fault(fault) => fault.code == FaultCode::ShutdownState,
            Self::Odd(_) => false,
        }
    }
}

/// A failure of supervisord itself as an error of the reread.
pub(super) fn reread_failed(error: &Unanswered) -> ApplyError {
    let failed = CommandError::refused("supervisord did not reread its files").caused_by(error);
    match error {
        Unanswered::Lost(CallError::Interrupted { .. }) => {
            ApplyError::new(FailedAt::Interrupted, failed.of_kind(ErrorKind::Interrupted))
        }
        _ => ApplyError::new(FailedAt::Reread, failed),
    }
}

/// A daemon that is gone has forgotten what it read; its next start reads the former files.
pub(super) fn fault_after_restore(error: &Unanswered) -> Option<String> {
    (!error.is_gone())
        .then(|| format!("supervisord's memory: {}", in_one_line(&reread_failed(error).error)))
}

/// Message and causes; the hints are said of the failure as a whole.
pub(super) fn in_one_line(error: &CommandError) -> String {
    CommandError { hints: Vec::new(), ..error.clone() }.to_string()
}

/// The points at which an apply can fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "point", content = "path", rename_all = "snake_case")]
pub enum FailedAt {
    /// Taking the lock, reading the host, or refused by the plan.
    Start,
    /// Writing or reading our own records.
    State,
    /// Writing this file.
    Write(PathBuf),
    /// Removing this file.
    Remove(PathBuf),
    /// supervisord did not read the files anew: it refuses one, or does not answer.
    Reread,
    /// Updating the groups.
    Update,
    /// A program is not healthy.
    Verify,
    /// SIGINT or SIGTERM came before it was done.
    Interrupted,
}

/// supervisord was lost while its programs were at stake. Where that is because somebody wanted to stop
/// and it did not answer, the rest is the next apply's, as with any interruption.
pub(super) fn lost(site: &Domain, at: FailedAt, what: &str, error: &Unanswered) -> ApplyError {
    let lost = CommandError::refused(format!("site {site}: {what}")).caused_by(error);
    if matches!(error, Unanswered::Lost(CallError::Interrupted { .. })) {
        let hint = format!("the next apply finishes it: supervisor-sync apply --site {site}");
        let lost = lost.of_kind(ErrorKind::Interrupted).hint(hint);
        return ApplyError::new(FailedAt::Interrupted, lost);
    }
    ApplyError::new(at, lost)
}

/// Groups that could not be updated, or programs that are not healthy, as a failure.
pub(super) fn of_programs(at: FailedAt, site: &Domain, troubles: &[ProgramTrouble]) -> ApplyError {
    let what = match at {
        FailedAt::Verify => "not healthy",
        _ => "not updated",
    };
    let names: BTreeSet<&str> = troubles.iter().map(|trouble| trouble.group.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut error = CommandError::refused(format!("site {site}: {} {what}", names.join(", ")));
    for trouble in troubles {
        error = error.because(format!("{} {}", trouble.process, trouble.reason));
    }
    ApplyError::new(at, error)
}

/// A signal came while these were, e.g., `stopping`.
pub(super) fn interrupted(site: &Domain, names: &[String], doing: &str) -> ApplyError {
    let message = match names {
        [] => format!("site {site}: interrupted"),
        [name] => format!("site {site}: interrupted while {name} was {doing}"),
        names => format!("site {site}: interrupted while {} were {doing}", names.join(", ")),
    };
    let error = CommandError::new(ErrorKind::Interrupted, message)
        .hint(format!("the next apply finishes it: supervisor-sync apply --site {site}"));
    ApplyError::new(FailedAt::Interrupted, error)
}

/// A batch that failed, with the processes after it that were not begun with.
pub(super) fn with_rest_left(mut failed: ApplyError, left: &[String]) -> ApplyError {
    if !left.is_empty() {
        let text = format!("not restarted, still as before: {}", left.join(", "));
        failed.error.causes.push(text);
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apply_error_names_its_point() {
        for (at, point) in [
            (FailedAt::Write("/etc/x".into()), r#"{"point":"write","path":"/etc/x"}"#),
            (FailedAt::Reread, r#"{"point":"reread"}"#),
        ] {
            let error = ApplyError::new(at, CommandError::refused("no").because("full").hint("df"));
            let text = serde_json::to_string(&error).unwrap();
            let shape = r#""kind":"refused","message":"no","causes":["full"],"hints":["df"]"#;
            assert_eq!(text, format!(r#"{{"at":{point},{shape}}}"#));
            assert_eq!(serde_json::from_str::<ApplyError>(&text).unwrap(), error);
        }
    }
}
