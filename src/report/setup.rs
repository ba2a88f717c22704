//! What was done to make servers ready, and what is left.

use serde::Serialize;

use super::Screen;
use super::names::{counted, folded, named};
use crate::error::{CommandError, ErrorKind};
use crate::fleet::{HostWork, LookOutcome};
use crate::setup::{Level, Remark, Report, SetupStep};
use crate::system::sanitized;

/// How a server is after its setup. A failure is a document of its own, of the kind `error`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SetupDocument<'a> {
    done: &'a [SetupStep],
    left: &'a [Remark],
    failures: usize,
}

/// Shows the reports of hosts and returns the exit status.
pub(crate) fn show_setup(
    reports: Vec<(&HostWork, Result<Report, CommandError>)>,
    screen: &mut Screen,
) -> u8 {
    let mut answers = LookOutcome::default();
    let mut texts = Vec::new();
    for (work, report) in &reports {
        let name = work.name();
        match report {
            Ok(report) => {
                tell_failures(name, report, &mut answers, screen);
                let Report { done, left, failures } = report;
                let document = SetupDocument { done, left, failures: failures.len() };
                screen.document("setup", Some(name), &document);
                texts.push((name, text(report)));
            }
            Err(error) => screen.unanswered(name, error, &mut answers),
        }
    }
    for (hosts, text) in folded(texts) {
        screen.print(&format!("{}: {text}", named(&hosts)));
    }
    answers.exit_status()
}

fn tell_failures(host: &str, report: &Report, answers: &mut LookOutcome, screen: &mut Screen) {
    for error in &report.failures {
        screen.error(Some(host), error);
    }
    match report.failures.is_empty() {
        true => answers.count(),
        false => answers.fail(ErrorKind::Refused),
    }
}

fn text(report: &Report) -> String {
    let mut text = match (report.done.is_empty(), report.failures.len()) {
        (true, 0) => "nothing to do\n".to_owned(),
        (true, failures) => {
            format!("not ready, {}, nothing was done\n", counted(failures, "error"))
        }
        (false, 0) => "ready\n".to_owned(),
        (false, failures) => format!("not ready, {}\n", counted(failures, "error")),
    };
    for step in &report.done {
        text.push_str(&format!("  + {}\n", step.done()));
    }
    for remark in &report.left {
        let mark = match remark.level {
            Level::Warning => "!",
            Level::Note => " ",
        };
        let site = remark.site.as_ref().map_or_else(String::new, |site| format!("{site}: "));
        text.push_str(&format!("  {mark} {site}{}\n", sanitized(&remark.text)));
        if let Some(hint) = &remark.hint {
            text.push_str(&format!("      {}\n", sanitized(hint)));
        }
    }
    text
}
