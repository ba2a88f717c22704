//! What people have done in the web view, for the audit log.

use jiff::Timestamp;
use serde::Serialize;

use super::Screen;
use crate::api::RunId;
use crate::system::sanitized;

/// Somebody did something.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Audited {
    /// When.
    pub(crate) at: Timestamp,
    /// Who: as they said, where they were not let in.
    pub(crate) who: String,
    /// Their address, or `unix socket`.
    pub(crate) from: String,
    /// What they did.
    #[serde(flatten)]
    pub(crate) event: AuditEvent,
}

/// What somebody did.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum AuditEvent {
    /// A browser was let in.
    SignedIn,
    /// The name or the password was wrong.
    SignInFailed,
    /// Too many tries were wrong: the next ones are not looked at. Told once until one is.
    SignInLimited {
        /// For so many seconds.
        wait: u64,
    },
    /// A browser is not signed in any more.
    SignedOut,
    /// A plan was asked for.
    Planned {
        /// What for, in words.
        what: String,
    },
    /// What was planned is done.
    Confirmed {
        /// The run of it.
        run: RunId,
        /// What it is, in words.
        what: String,
    },
    /// A run, or a plan in the making, was told to stop.
    Stopped {
        /// What, in words.
        what: String,
        /// Its run, if it was confirmed.
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
    },
    /// A run has ended.
    Ended {
        /// The run.
        run: RunId,
        /// How, in words.
        outcome: String,
    },
}

impl Audited {
    /// As a line of the audit log: the document `web_action`.
    pub(crate) fn line(&self) -> serde_json::Result<String> {
        super::screen::document("web_action", None, self)
    }

    /// Shows it.
    pub(crate) fn show(&self, screen: &mut Screen) {
        screen.document("web_action", None, self);
        screen.print(&(self.words() + "\n"));
    }

    fn words(&self) -> String {
        let Self { at, who, from, event } = self;
        let what = match event {
            AuditEvent::SignedIn => "signed in".to_owned(),
            AuditEvent::SignInFailed => "could not sign in: wrong name or password".to_owned(),
            AuditEvent::SignInLimited { wait } => {
                format!("has tried to sign in too often, and has to wait {wait} s")
            }
            AuditEvent::SignedOut => "signed out".to_owned(),
            AuditEvent::Planned { what } => format!("asked for a plan: {what}"),
            AuditEvent::Confirmed { run, what } => format!("confirmed: {what}, run {run}"),
            AuditEvent::Stopped { what, run: Some(run) } => format!("stopped: {what}, run {run}"),
            AuditEvent::Stopped { what, run: None } => format!("stopped the plan: {what}"),
            AuditEvent::Ended { run, outcome } => format!("run {run} has ended: {outcome}"),
        };
        let at = at.strftime("%Y-%m-%d %H:%M:%S UTC");
        format!("{at} {} from {}: {}", sanitized(who), sanitized(from), sanitized(&what))
    }
}
