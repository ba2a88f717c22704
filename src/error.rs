//! Errors as people meet them: one line of what failed and where, the causes once, and hints with
//! the command to type next. The one place that maps a failure to an exit status.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};

use crate::system::shell;

/// The longest text of a host that is shown, in bytes: a traceback fits, a file does not.
const LONGEST_TEXT: usize = 8 * 1024;

/// How many causes or hints of a host are shown.
const MOST_TEXTS: usize = 100;

/// What kind of end a command came to, and so its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Refused or failed before anything changed.
    Refused,
    /// The command line does not say what to do.
    Usage,
    /// Failed, and the host is as it was.
    RolledBack,
    /// Failed, and something could not be restored.
    Stuck,
    /// Some hosts or sites failed, others are done.
    Partial,
    /// Another apply holds the host's lock.
    Locked,
    /// Interrupted by a signal; the host is consistent.
    Interrupted,
}

impl ErrorKind {
    /// The exit status of the contract.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::RolledBack => 4,
            Self::Stuck => 5,
            Self::Partial => 6,
            Self::Locked => 7,
            Self::Interrupted => 130,
        }
    }
}

/// A failure that can be shown to a person and sent over a wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CommandError {
    /// Decides the exit status.
    pub kind: ErrorKind,
    /// What failed and where: path, host, program or inventory line.
    #[serde(deserialize_with = "cut_text")]
    pub message: String,
    /// The chain of causes, outermost first.
    #[serde(deserialize_with = "cut_texts")]
    pub causes: Vec<String>,
    /// What the person can do, each with a command where there is one.
    #[serde(deserialize_with = "cut_texts")]
    pub hints: Vec<String>,
}

impl CommandError {
    /// A failure of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// A refusal: nothing has changed.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// Adds the whole chain of `source`, each level once.
    #[must_use]
    pub fn caused_by(mut self, source: &dyn Error) -> Self {
        let mut next = Some(source);
        while let Some(error) = next {
            let text = error.to_string();
            if self.causes.last() != Some(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds a failure of the disk at `path`, with what a person can do about it.
    #[must_use]
    pub fn caused_by_io(self, source: &std::io::Error, path: &Path) -> Self {
        let error = self.caused_by(source);
        match source.kind() {
            std::io::ErrorKind::PermissionDenied => error.hint("run it as root (sudo)"),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                let folder = shell::path(path.parent().unwrap_or(path));
                error.hint(format!("make room: df -h {folder}; df -i {folder}"))
            }
            std::io::ErrorKind::ReadOnlyFilesystem => {
                let folder = shell::path(path.parent().unwrap_or(path));
                error.hint(format!("mount it writable: findmnt --target {folder}"))
            }
            _ => error,
        }
    }

    /// Adds one cause in words.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same failure as another kind.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }
}

impl fmt::Display for CommandError {
    /// `message: cause: cause` and then a line for each hint. Callers put `error: ` before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl Error for CommandError {}

/// A text as long as people read it, and how much of it was left out. What is short stays as it is.
pub fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_TEXT {
        return Cow::Borrowed(text);
    }
    // Room for the remark, so that a text that was cut is not cut again.
    let head = text.get(..text.floor_char_boundary(LONGEST_TEXT - 64)).unwrap_or_default();
    Cow::Owned(format!("{head}… ({} more bytes are left out)", text.len() - head.len()))
}

/// What comes over a wire is cut at the border: the other end may be anybody.
fn cut_text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    String::deserialize(from).map(|text| cut(&text).into_owned())
}

fn cut_texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    Ok(texts.iter().take(MOST_TEXTS).map(|text| cut(text).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_tells_what_is_missing() {
        assert_eq!(cut("short"), "short");
        let long = "ä".repeat(20_000);
        let shown = cut(&long).into_owned();
        assert!(shown.len() <= LONGEST_TEXT, "{}", shown.len());
        assert!(shown.ends_with("ä… (31872 more bytes are left out)"), "{}", &shown[8000..]);
        assert_eq!(cut(&shown), shown);
        let error = CommandError::refused(long.clone()).because(long.clone()).hint(long);
        let sent = serde_json::to_string(&error).unwrap();
        let received: CommandError = serde_json::from_str(&sent).unwrap();
        let expected = CommandError::refused(&shown).because(&shown).hint(&shown);
        assert_eq!(received, expected);
    }

    #[test]
    fn error_chain_is_shown_once() {
        let source = std::io::Error::other("No space left on device");
        let error = CommandError::refused("cannot write /etc/x")
            .caused_by(&source)
            .hint("free some space: df -h /etc");
        assert_eq!(
            error.to_string(),
            "cannot write /etc/x: No space left on device\nhint: free some space: df -h /etc"
        );
    }
}
