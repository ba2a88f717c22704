//! What a command of `notify` gets: JSON on stdin, and the same in one line.

use serde::Serialize;

use super::screen::document;
use crate::error::{CommandError, ErrorKind};
use crate::inventory::{Domain, NoticeKind, without_passwords};
use crate::notify::{Message, News};
use crate::system::sanitized;

/// How much of a program's log is told: its last lines, and of each its beginning, in characters.
const LOG_LINES: usize = 20;
const LOG_LINE: usize = 300;
/// How much of a cause is told, in characters. All of a notification fits a pipe (64 KiB), so that a command
/// which reads nothing keeps nobody waiting.
const CAUSE: usize = 2000;

/// What a command of `notify` gets on stdin.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct NotificationDocument<'n> {
    /// What it is about: `changed`, `failed`, `rolled_back`, `drift` or `recovered`.
    event: &'static str,
    /// The site; none where it is about the host as a whole, as where it cannot be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<&'n str>,
    /// The process that is not as it should be, as supervisorctl shows it; of several the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<&'n str>,
    /// How the run ended there: `done`, or the kind of the failure as in every other document.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeWord>,
    /// All of the above in one line.
    text: String,
    /// What failed, with its causes, in one line. What looks like a password is masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// The end of that process's log, with the same masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log: Vec<String>,
    /// The run, as `history` lists it; none where nothing was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'n str>,
    /// When it was told, in UTC.
    at: &'n str,
}

/// How something ended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum OutcomeWord {
    /// It failed.
    Failed(ErrorKind),
    /// `done`: it is as wanted.
    Done(&'static str),
}

impl News {
    /// As a command gets it. `at` is now.
    pub(crate) fn message(&self, run: Option<&str>, at: &str) -> serde_json::Result<Message> {
        let content = self.document(run, at);
        Ok(Message {
            kind: self.kind,
            json: document("notification", Some(&self.host), &content)? + "\n",
            variables: vec![
                ("EVENT", self.kind.word().to_owned()),
                ("HOST", self.host.clone()),
                ("SITE", self.site.as_ref().map(Domain::to_string).unwrap_or_default()),
                ("TEXT", content.text),
            ],
        })
    }

    fn document<'n>(&'n self, run: Option<&'n str>, at: &'n str) -> NotificationDocument<'n> {
        let trouble = self.troubles.first();
        let log = trouble.map_or(&[][..], |trouble| trouble.log.as_slice());
        let log = log.iter().skip(log.len().saturating_sub(LOG_LINES));
        let cause = self.failure.as_ref().map(in_one_line);
        NotificationDocument {
            event: self.kind.word(),
            site: self.site.as_ref().map(Domain::as_str),
            program: trouble.map(|trouble| trouble.process.as_str()),
            outcome: match (&self.failure, self.kind) {
                (Some(failure), NoticeKind::Failed | NoticeKind::RolledBack) => {
                    Some(OutcomeWord::Failed(failure.kind))
                }
                (_, NoticeKind::Changed) => Some(OutcomeWord::Done("done")),
                _ => None,
            },
            text: self.text(cause.as_deref()),
            cause,
            log: log.map(|line| cut(line, LOG_LINE)).collect(),
            run,
            at,
        }
    }

    fn text(&self, cause: Option<&str>) -> String {
        let Self { kind, host, site, .. } = self;
        let place = site.as_ref().map_or(host.clone(), |site| format!("{site} on {host}"));
        let event = kind.word().replace('_', " ");
        cause.map_or(format!("{place}: {event}"), |cause| format!("{place}: {event}: {cause}"))
    }
}

/// A failure and its causes.
fn in_one_line(failure: &CommandError) -> String {
    let texts = std::iter::once(&failure.message).chain(&failure.causes);
    let lines = texts.flat_map(|text| text.lines().next());
    cut(&lines.collect::<Vec<_>>().join(": "), CAUSE)
}

/// The beginning of a text, with what looks like a password masked before.
fn cut(text: &str, longest: usize) -> String {
    let masked = without_passwords(text);
    let masked = sanitized(&masked);
    match masked.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", masked.get(..end).unwrap_or_default()),
        None => masked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ProgramTrouble;

    fn news(failure: CommandError, log: Vec<String>) -> News {
        let trouble = ProgramTrouble {
            group: "queue".to_owned(),
            process: "queue".to_owned(),
            reason: "is FATAL".to_owned(),
            log,
            log_since: None,
        };
        News {
            kind: NoticeKind::RolledBack,
            host: "web1".to_owned(),
            site: Some(Domain::parse("shop.example.com").unwrap()),
            failure: Some(failure),
            troubles: vec![trouble],
        }
    }

    /// The pipe to a command has room for 64 KiB, and nobody waits for one that does not read.
    #[test]
    fn notifications_fit_a_pipe() {
        let mut failure = CommandError::refused("\u{1}\u{10ffff}\"".repeat(8000));
        failure.causes = vec!["\u{1}".repeat(8000); 100];
        let news = news(failure, vec!["\u{1f600}\u{1}".repeat(10_000); 1000]);
        let message = news.message(None, "now").unwrap();
        assert!(message.json.len() < 60 << 10, "{}", message.json.len());
    }

    #[test]
    fn passwords_are_masked() {
        let mut failure = CommandError::new(ErrorKind::RolledBack, "queue is FATAL");
        failure.causes.push("mysql://app:hunter2@db/shop".to_owned());
        let log = vec!["cannot log in with password=hunter2".to_owned()];
        let Message { json, variables, .. } =
            news(failure, log).message(Some("R1"), "now").unwrap();
        assert!(!format!("{json}{variables:?}").contains("hunter2"), "{json}{variables:?}");
        let text = r#""text":"shop.example.com on web1: rolled back: queue is FATAL: "#;
        assert!(json.contains(text), "{json}");
    }
}
