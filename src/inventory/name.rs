//! Names that can be written into supervisord's and logrotate's files as they are; values are in `value`.
//!
//! Each type is made by `parse` alone, which refuses what could not be written, so that rendering
//! has nothing left to refuse. The rules come from how supervisord reads its files: Python's
//! `RawConfigParser` cuts a value at a blank followed by `;` or `#`, `%` starts an expansion, and
//! a name with a blank, `/` or `:` makes the whole reread fail.

use std::borrow::Borrow;
use std::fmt;

use super::naming;

/// The longest full name (`{domain}-{program}`) in bytes: with the affixes of the logrotate file
/// and of the staged copy beside it the file name stays below the 255 bytes a folder entry may have.
pub const LONGEST_FULL_NAME: usize = 200;

/// Why a text is not a valid name, path or value: one line without the text's place, which the
/// caller knows better.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(String);

impl NameError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// A checked text type: `parse`, `as_str`, `Display`, and serde through the same check, so that a
/// name that came over a wire is as good as one that was typed.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text`; the error says which rule it breaks.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> Result<(), NameError> = $check;
                check(text)?;
                Ok(Self(text.to_owned()))
            }

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

pub(super) use checked_text;

/// Types whose text may be shown; the secret one of `value` has its own `Debug` and no `Display`.
macro_rules! shown {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

pub(super) use shown;

shown!(ConfigName, Domain, FullName, HostName, ProgramName, UserName);

checked_text!(
    /// A site's domain, e.g. `example.com`: letters, digits, `.`, `-` and `_`, at most 190 bytes,
    /// beginning with a letter or digit. Also the name of the site's folder, hence no `..`.
    Domain,
    |text| {
        not_empty(text)?;
        only(text, "letters, digits, '.', '-' and '_'", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
        })?;
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(NameError::new("must begin with a letter or a digit"));
        }
        if text.contains("..") {
            return Err(NameError::new("must not contain '..'"));
        }
        at_most(text, LONGEST_FULL_NAME - 10)
    }
);

checked_text!(
    /// A program's name within its site, e.g. `queue-worker`: `[A-Za-z0-9_-]+`.
    ProgramName,
    |text| {
        not_empty(text)?;
        only(text, "letters, digits, '_' and '-'", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
        })?;
        at_most(text, LONGEST_FULL_NAME - 10)
    }
);

checked_text!(
    /// The name of supervisord's program and group, the stem of the files and of the log:
    /// `{domain}-{program}`, or what the inventory calls it. supervisord takes more, but not for all of
    /// these: a blank, `/` and `:` it refuses, `%` it expands, and a log with a quote or a glob character
    /// in its name logrotate reads otherwise.
    FullName,
    |text| {
        not_empty(text)?;
        only(text, "letters, digits and any of . - _ + @ =", is_of_file_name)?;
        if text.starts_with(['.', '-']) {
            return Err(NameError::new("must not begin with '.' or '-'"));
        }
        at_most(text, LONGEST_FULL_NAME)
    }
);

checked_text!(
    /// The name of a supervisor config, e.g. `celery.conf`. One that begins with a dot no pattern of
    /// supervisord's includes.
    ConfigName,
    |text| {
        not_empty(text)?;
        only(text, "letters, digits and any of . - _ + @ =", is_of_file_name)?;
        if text.starts_with(['.', '-']) {
            return Err(NameError::new("must not begin with '.' or '-'"));
        }
        if naming::configured_by(text).is_none_or(str::is_empty) {
            return Err(NameError::new("must end in '.conf' or '.ini'"));
        }
        at_most(text, LONGEST_FULL_NAME + ".conf".len())
    }
);

fn is_of_file_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '@' | '=')
}

impl FullName {
    /// Joins the two; fails only when the result is longer than a file name can be.
    pub fn new(domain: &Domain, program: &ProgramName) -> Result<Self, NameError> {
        Self::parse(&format!("{domain}-{program}"))
    }
}

checked_text!(
    /// A server's name in the inventory.
    HostName,
    |text| {
        not_empty(text)?;
        only(text, "letters, digits, '.', '-' and '_'", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
        })?;
        at_most(text, 253)
    }
);

checked_text!(
    /// A user of the system, by id or by name (what `useradd` accepts, and dots and capitals).
    UserName,
    |text| {
        not_empty(text)?;
        only(text, "letters, digits, '.', '-' and '_'", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
        })?;
        if text.starts_with('-') {
            return Err(NameError::new("must not begin with '-'"));
        }
        at_most(text, 64)
    }
);

impl UserName {
    /// What a person can type where there is no such user. supervisord takes digits for an id.
    pub(crate) fn how_to_make(&self) -> String {
        if self.0.bytes().all(|byte| byte.is_ascii_digit()) {
            return "take the id of a user of this server: getent passwd".to_owned();
        }
        format!("create it: useradd --create-home {self}")
    }
}

pub(super) fn not_empty(text: &str) -> Result<(), NameError> {
    if text.is_empty() { Err(NameError::new("must not be empty")) } else { Ok(()) }
}

pub(super) fn at_most(text: &str, bytes: usize) -> Result<(), NameError> {
    if text.len() > bytes {
        return Err(NameError::new(format!(
            "is too long: {} bytes, at most {bytes} fit",
            text.len()
        )));
    }
    Ok(())
}

pub(super) fn only(
    text: &str,
    allowed: &str,
    is_allowed: fn(char) -> bool,
) -> Result<(), NameError> {
    match text.chars().find(|&c| !is_allowed(c)) {
        None => Ok(()),
        Some(c) => Err(NameError::new(format!(
            "must not contain {}: only {allowed} are allowed",
            described(c)
        ))),
    }
}

pub(super) fn no_control(text: &str) -> Result<(), NameError> {
    match text.chars().find(|c| c.is_control()) {
        None => Ok(()),
        Some(c) => Err(NameError::new(format!("must not contain {}", described(c)))),
    }
}

/// A character as it can be shown on one line: a control character by its number.
pub(super) fn described(c: char) -> String {
    match c {
        '\n' => "a line break".into(),
        '\0' => "a NUL character".into(),
        ' ' => "a blank".into(),
        c if c.is_control() => format!("the control character U+{:04X}", c as u32),
        c => format!("'{c}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for (text, reason) in [
            ("", "empty"),
            ("a/b", "'/'"),
            ("a\nb", "a line break"),
            ("a\0b", "a NUL character"),
            ("a%b", "'%'"),
            ("a;b", "';'"),
            ("a b", "a blank"),
            ("a:b", "':'"),
            ("ä", "'ä'"),
            ("a\u{7}b", "U+0007"),
        ] {
            let error = ProgramName::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
            assert!(Domain::parse(text).is_err(), "{text:?}");
        }
        assert!(ProgramName::parse(&"x".repeat(300)).is_err());
        assert!(Domain::parse("..").is_err());
        assert!(Domain::parse("a..b").is_err());
        assert!(Domain::parse(".hidden").is_err());
        assert!(Domain::parse("example.com").is_ok());
    }
}
