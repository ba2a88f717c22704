//! The script's own words for what happens, and ours below them.

use super::Output;
use crate::apply::{AS_ASKED, ApplyError, FailedAt, Outcome, ProgramTrouble, SiteReport};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::plan::{GroupAction, PlanView, Reason, Refusal};
use crate::report::describe::{EventLine, describe};

/// The script's words where supervisord cannot be asked, or refuses what it reads.
pub(super) const REREAD_FAILED: &str = "Failed to reread supervisor configs";

/// An error as the playbook prints it.
pub(super) struct Words {
    pub(super) first_line: String,
    pub(super) rest: Vec<String>,
}

impl Words {
    pub(super) fn plain(first_line: &str) -> Self {
        Self { first_line: first_line.to_owned(), rest: Vec::new() }
    }

    /// Our own error, for what the contract has no words for.
    pub(super) fn of(error: &CommandError) -> Self {
        Self { first_line: error.message.clone(), rest: rest_of(error) }
    }
}

/// Causes and hints, a line each.
pub(super) fn rest_of(error: &CommandError) -> Vec<String> {
    let causes = error.causes.iter().map(|cause| format!("Cause: {cause}"));
    // Its own hint names an option, and a playbook has none.
    let longer = "call it again later, or let it wait longer: SUPERVISOR_SYNC_LOCK_WAIT=600";
    let hints: Vec<&str> = match error.kind {
        ErrorKind::Locked => vec![longer],
        _ => error.hints.iter().map(String::as_str).collect(),
    };
    causes.chain(hints.into_iter().map(|hint| format!("Hint: {hint}"))).collect()
}

/// The failure of a report, if it is one.
pub(super) fn failure(report: &SiteReport) -> Option<Words> {
    match &report.outcome {
        Outcome::Unchanged | Outcome::Applied { .. } => None,
        Outcome::Refused { cause } | Outcome::RolledBack { cause } | Outcome::Kept { cause } => {
            Some(at(cause, Some(&report.plan)))
        }
        Outcome::Interrupted { cause } => Some(Words::of(&cause.error)),
        Outcome::Stuck { cause, undo_errors } => {
            let mut words = at(cause, Some(&report.plan));
            words.rest.extend(undo_errors.iter().map(|error| not_put_back(error)));
            Some(words)
        }
    }
}

/// What an undo did not bring back, or not yet.
fn not_put_back(error: &str) -> String {
    match error.ends_with(AS_ASKED) {
        true => format!("Hint: {error}; when it has ended, the next sync starts it again"),
        false => format!("Not put back: {error}"),
    }
}

/// The script's first line for the point, then what we know.
pub(super) fn at(error: &ApplyError, plan: Option<&PlanView>) -> Words {
    let first_line = match &error.at {
        FailedAt::Write(path) => format!("Failed to write {}", path.display()),
        FailedAt::Remove(path) => format!("Failed to remove {}", path.display()),
        FailedAt::Reread => REREAD_FAILED.to_owned(),
        FailedAt::Update | FailedAt::Verify => "Failed to update supervisor".to_owned(),
        FailedAt::State | FailedAt::Interrupted => return Words::of(&error.error),
        FailedAt::Start => match plan.and_then(|plan| plan.refusals.first()) {
            Some(refusal) => refused(refusal, plan),
            None => return Words::of(&error.error),
        },
    };
    let mut rest = vec![format!("Cause: {}", error.error.message)];
    rest.extend(rest_of(&error.error));
    Words { first_line, rest }
}

/// What the script would have stumbled over.
fn refused(refusal: &Refusal, plan: Option<&PlanView>) -> String {
    match refusal {
        Refusal::ClaimedBySite { path, .. }
        | Refusal::ForeignFile { path, .. }
        | Refusal::NotAFile { path, .. }
        | Refusal::UnreadableSecrets { path } => format!("Failed to write {}", path.display()),
        Refusal::MissingFolder { path } => {
            let mut files = plan.iter().flat_map(|plan| &plan.files);
            let first = files.find(|file| file.path.starts_with(path));
            let path = first.map_or(path, |file| &file.path);
            format!("Failed to write {}", path.display())
        }
        Refusal::BrokenConfig { .. }
        | Refusal::DefinedElsewhere { .. }
        | Refusal::TakenIn { .. }
        | Refusal::MissingUser { .. }
        | Refusal::MissingCode { .. }
        | Refusal::NoSuchProcess { .. }
        | Refusal::OldSupervisord { .. }
        | Refusal::NotIncluded { .. } => REREAD_FAILED.to_owned(),
    }
}

/// `a:b is FATAL: ...; its log ends: ...`.
pub(super) fn trouble(trouble: &ProgramTrouble) -> String {
    let log = trouble.log.last();
    let log = log.map_or(String::new(), |line| format!("; its log ends: {line}"));
    format!("{} {}{log}", trouble.process, trouble.reason)
}

/// What is left alone, and why.
pub(super) fn remark(plan: &PlanView, output: &mut Output<'_>) {
    for note in plan.interrupted.iter().chain(&plan.notes) {
        output.arrow(&format!("Note: {note}"));
    }
    for group in &plan.groups {
        match (&group.action, &group.reason) {
            (GroupAction::Leave, Reason::StoppedByHand) => {
                output.arrow(&format!("Note: {} stays stopped, as it was by hand", group.group));
            }
            (GroupAction::Remove, _) => {}
            _ => {
                for process in group.stopped_processes() {
                    output.arrow(&format!("Note: {process} stays stopped, as it was by hand"));
                }
            }
        }
    }
}

/// Progress, a line a step.
pub(super) fn tell(event: &Event, output: &mut Output<'_>) {
    if let Event::Planned(plan) = event {
        remark(plan, output);
    }
    for line in describe(event) {
        match line {
            EventLine::Progress(text) => output.arrow(&text),
            EventLine::Warning(text) => output.warn(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is only late is told from what is not put back.
    #[test]
    fn late_stop_is_no_failed_undo() {
        assert_eq!(not_put_back("/etc/x: no room"), "Not put back: /etc/x: no room");
        assert_eq!(
            not_put_back(&format!("a.com-w {AS_ASKED}")),
            "Hint: a.com-w is still stopping, as this apply asked; when it has ended, the next sync \
             starts it again"
        );
    }
}
