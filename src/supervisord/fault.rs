//! The faults supervisord answers, by name.

use std::path::Path;

use super::GroupHeader;

/// A fault that supervisord itself answered: `faultCode` and `faultString`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Fault {
    /// Its code by name.
    pub code: FaultCode,
    /// supervisord's own words, e.g. `CANT_REREAD: ...`.
    pub text: String,
}

impl Fault {
    /// A fault worded as supervisord words it: `NAME: detail`.
    pub fn new(code: FaultCode, detail: &str) -> Self {
        Self { code, text: format!("{}: {detail}", code.name()) }
    }

    /// Whether the words of a CANT_REREAD name this file. supervisord quotes it, or puts `file: `
    /// before it.
    pub fn names_file(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        ["'", "\""].iter().any(|quote| self.text.contains(&format!("{quote}{path}{quote}")))
            || self.text.contains(&format!("file: {path}"))
    }

    /// Whether the words of a CANT_REREAD name the section `[program:NAME]`.
    pub fn names_program(&self, name: &str) -> bool {
        let header = GroupHeader::program(name);
        self.text.contains(&format!("'{header}'")) || self.text.contains(&format!("[{header}]"))
    }
}

/// The words of a fault without what supervisord quotes of its files where that may be a value of
/// `environment=`: the value itself, or a line that it cannot read, which may be the rest of one.
pub(super) fn without_values(text: &str) -> String {
    let mut quotes_next = false;
    let lines = text.split_inclusive('\n').map(|line| {
        // `File contains no section headers.`, then `file: '…', line: 1`, then the line itself.
        let is_quoted = std::mem::replace(
            &mut quotes_next,
            line.starts_with("file: ") && line.contains(", line: "),
        );
        match line.split_once("]: ") {
            _ if is_quoted => "***\n".to_owned(),
            Some((before, _)) if before.trim_start().starts_with("[line ") => {
                format!("{before}]: ***\n")
            }
            _ => line.to_owned(),
        }
    });
    let text: String = lines.collect();
    let text = masked(&text, " in value ", " in section ", |_| true);
    masked(&text, "Format string ", " for ", |name| {
        let name = name.trim_start_matches(['\'', '"']);
        name.split(['\'', '"']).next().is_some_and(|name| name.ends_with("environment"))
    })
}

/// The text with all between these marks masked, if what stands behind them is such.
fn masked(text: &str, before: &str, behind: &str, is_such: impl Fn(&str) -> bool) -> String {
    let Some((head, rest)) = text.split_once(before) else { return text.to_owned() };
    let tails = rest.rmatch_indices(behind).map(|(at, _)| &rest[at + behind.len()..]);
    match tails.into_iter().find(|tail| is_such(tail)) {
        Some(tail) => format!("{head}{before}***{behind}{tail}"),
        None => text.to_owned(),
    }
}

/// The fault codes of `supervisor/xmlrpc.py`, by name. While supervisord shuts down or restarts,
/// every method answers [`FaultCode::ShutdownState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "supervisord's own names")]
pub enum FaultCode {
    UnknownMethod,
    IncorrectParameters,
    BadArguments,
    SignatureUnsupported,
    ShutdownState,
    BadName,
    BadSignal,
    NoFile,
    NotExecutable,
    Failed,
    AbnormalTermination,
    SpawnError,
    AlreadyStarted,
    NotRunning,
    Success,
    AlreadyAdded,
    StillRunning,
    CantReread,
    /// A code this list does not know.
    Other(i64),
}

/// Each code with its number and name, as in `class Faults` of 4.2.5 to 4.4.0.dev0.
const CODES: [(FaultCode, i64, &str); 18] = [
    (FaultCode::UnknownMethod, 1, "UNKNOWN_METHOD"),
    (FaultCode::IncorrectParameters, 2, "INCORRECT_PARAMETERS"),
    (FaultCode::BadArguments, 3, "BAD_ARGUMENTS"),
    (FaultCode::SignatureUnsupported, 4, "SIGNATURE_UNSUPPORTED"),
    (FaultCode::ShutdownState, 6, "SHUTDOWN_STATE"),
    (FaultCode::BadName, 10, "BAD_NAME"),
    (FaultCode::BadSignal, 11, "BAD_SIGNAL"),
    (FaultCode::NoFile, 20, "NO_FILE"),
    (FaultCode::NotExecutable, 21, "NOT_EXECUTABLE"),
    (FaultCode::Failed, 30, "FAILED"),
    (FaultCode::AbnormalTermination, 40, "ABNORMAL_TERMINATION"),
    (FaultCode::SpawnError, 50, "SPAWN_ERROR"),
    (FaultCode::AlreadyStarted, 60, "ALREADY_STARTED"),
    (FaultCode::NotRunning, 70, "NOT_RUNNING"),
    (FaultCode::Success, 80, "SUCCESS"),
    (FaultCode::AlreadyAdded, 90, "ALREADY_ADDED"),
    (FaultCode::StillRunning, 91, "STILL_RUNNING"),
    (FaultCode::CantReread, 92, "CANT_REREAD"),
];

impl FaultCode {
    /// The code supervisord sends as this number.
    pub fn from_number(number: i64) -> Self {
        CODES
            .iter()
            .find(|(_, known, _)| *known == number)
            .map_or(Self::Other(number), |(code, _, _)| *code)
    }

    /// The number supervisord sends for it.
    pub fn number(self) -> i64 {
        match self {
            Self::Other(number) => number,
            _ => CODES.iter().find(|(code, _, _)| *code == self).map_or(0, |(_, n, _)| *n),
        }
    }

    /// supervisord's name for it, with which its fault strings begin.
    pub fn name(self) -> &'static str {
        CODES.iter().find(|(code, _, _)| *code == self).map_or("UNKNOWN", |(_, _, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_codes_survive_numbers() {
        for (code, number, name) in CODES {
            assert_eq!(FaultCode::from_number(number), code);
            assert_eq!(code.number(), number);
            assert_eq!(code.name(), name);
        }
        assert_eq!(FaultCode::from_number(4711), FaultCode::Other(4711));
        assert_eq!(FaultCode::Other(4711).number(), 4711);
    }

    /// A line that supervisord cannot read is quoted without what it says: a secret, perhaps.
    #[test]
    fn refused_line_is_quoted_masked() {
        for (words, told) in [
            (
                "File contains no section headers.\nfile: '/x.conf', line: 1\n'KEY=hunter2\\n'",
                "File contains no section headers.\nfile: '/x.conf', line: 1\n***\n",
            ),
            (
                "Source contains parsing errors: '/x.conf'\n\t[line  2]: 'hunter2\\n'",
                "Source contains parsing errors: '/x.conf'\n\t[line  2]: ***\n",
            ),
        ] {
            assert_eq!(without_values(words), told);
        }
    }
}
