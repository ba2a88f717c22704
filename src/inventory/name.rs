//! Names and values that can be written into supervisord's and logrotate's files as they are.
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

/// Types whose text may be shown; the secret one below has its own `Debug` and no `Display`.
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

shown!(
    AbsolutePath,
    CommandLine,
    ConfigName,
    Domain,
    EnvironmentName,
    FullName,
    HostName,
    ProgramName,
    ScriptPath,
    UserName
);

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
            return Err(NameError::new("must not hold '..'"));
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

checked_text!(
    /// A worker script below the release's `.deployer/supervisors/`. It is a part of `command=`, which
    /// supervisord splits at blanks, quotes and backslashes; nothing else is special there.
    ScriptPath,
    |text| {
        not_empty(text)?;
        no_control(text)?;
        if text.starts_with('/') {
            return Err(NameError::new("must be relative to .deployer/supervisors/"));
        }
        // Wherever it stands, as DeployerPHP's runner.sh has it.
        if text.contains("..") {
            return Err(NameError::new("must not hold '..'"));
        }
        if text.ends_with('/') || text.ends_with("/.") || text == "." {
            return Err(NameError::new("must be a file, not a folder"));
        }
        if let Some(c) = text.chars().find(|c| c.is_whitespace() || matches!(c, '\'' | '"' | '\\')) {
            return Err(NameError::new(format!(
                "must not hold {}: supervisord splits a command there",
                described(c)
            )));
        }
        at_most(text, 1024)
    }
);

checked_text!(
    /// An absolute path for both kinds of file: no blank, quote, `%`, glob character or `..`.
    AbsolutePath,
    |text| {
        not_empty(text)?;
        no_control(text)?;
        if !text.starts_with('/') {
            return Err(NameError::new("must be an absolute path"));
        }
        if text.split('/').any(|part| part == "..") {
            return Err(NameError::new("must not hold '..'"));
        }
        if text.contains("//") || (text.ends_with('/') && text != "/") {
            return Err(NameError::new("must not end with '/' or hold '//'"));
        }
        only(text, "letters, digits and any of / . - _ + @ , : =", |c| {
            c.is_ascii_alphanumeric()
                || matches!(c, '/' | '.' | '-' | '_' | '+' | '@' | ',' | ':' | '=')
        })?;
        at_most(text, 4000)
    }
);

impl AbsolutePath {
    /// As a path of the standard library.
    pub fn as_path(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }
}

checked_text!(
    /// A command line that supervisord runs as it is: printable ASCII that its INI reader does not
    /// cut (no blank before `;` or `#`), with balanced quotes. A `%` means itself; rendering doubles
    /// it.
    CommandLine,
    |text| {
        not_empty(text)?;
        survives_the_ini_reader(text)?;
        if text.trim() != text {
            return Err(NameError::new("must not begin or end with a blank"));
        }
        balanced_quotes(text)?;
        at_most(text, 16 * 1024)
    }
);

checked_text!(
    /// The name of an environment variable: `[A-Za-z_][A-Za-z0-9_]*`.
    EnvironmentName,
    |text| {
        not_empty(text)?;
        only(text, "letters, digits and '_'", |c| c.is_ascii_alphanumeric() || c == '_')?;
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(NameError::new("must not begin with a digit"));
        }
        at_most(text, 255)
    }
);

checked_text!(
    /// The value of an environment variable. It is a secret: it has no `Display`, and `Debug` shows
    /// none of it.
    ///
    /// Only values that supervisord 4.0 to 4.4 all read back exactly are accepted. Up to 4.3 the
    /// reader (`shlex`, not POSIX) strips quotes from both ends of a value and knows no escape; 4.4
    /// reads backslashes inside double quotes. So a value may not begin or end with a quote, nor
    /// hold both kinds, nor hold a backslash together with a single quote.
    EnvironmentValue,
    |text| {
        // Not in the words of the check below, which name the character: it is a part of a secret.
        if !text.is_ascii() {
            return Err(NameError::new(
                "must be ASCII: supervisord reads its files in its own locale",
            ));
        }
        survives_the_ini_reader(text)?;
        if text.starts_with(['\'', '"']) || text.ends_with(['\'', '"']) {
            return Err(NameError::new(
                "must not begin or end with a quote: supervisord strips it",
            ));
        }
        if text.contains('\'') && text.contains('"') {
            return Err(NameError::new(
                "must not hold both kinds of quotes: supervisord before 4.4 has no escape for them",
            ));
        }
        if text.contains('\'') && text.contains('\\') {
            return Err(NameError::new(
                "must not hold a backslash and a single quote: supervisord's versions read it differently",
            ));
        }
        at_most(text, 64 * 1024)
    }
);

impl fmt::Debug for EnvironmentValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"***\"")
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

fn only(text: &str, allowed: &str, is_allowed: fn(char) -> bool) -> Result<(), NameError> {
    match text.chars().find(|&c| !is_allowed(c)) {
        None => Ok(()),
        Some(c) => Err(NameError::new(format!(
            "must not hold {}: only {allowed} are allowed",
            described(c)
        ))),
    }
}

pub(super) fn no_control(text: &str) -> Result<(), NameError> {
    match text.chars().find(|c| c.is_control()) {
        None => Ok(()),
        Some(c) => Err(NameError::new(format!("must not hold {}", described(c)))),
    }
}

/// Printable ASCII, and no blank before `;` or `#`, at which the reader would cut the value even
/// inside quotes. Not ASCII is refused because supervisord reads its files in the encoding of its
/// own locale, which is nobody's promise.
fn survives_the_ini_reader(text: &str) -> Result<(), NameError> {
    no_control(text)?;
    if let Some(c) = text.chars().find(|c| !c.is_ascii()) {
        return Err(NameError::new(format!(
            "must not hold {}: supervisord reads its files in its own locale, so only ASCII is safe",
            described(c)
        )));
    }
    for cut in [" ;", " #"] {
        if text.contains(cut) {
            return Err(NameError::new(format!(
                "must not hold a blank followed by '{}': supervisord takes the rest for a comment, even in quotes",
                &cut[1..]
            )));
        }
    }
    Ok(())
}

/// Quotes as `shlex.split` (POSIX mode), which supervisord uses on `command=`, needs them. An
/// unbalanced one passes the reread and fails only when the program is to start.
fn balanced_quotes(text: &str) -> Result<(), NameError> {
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (None | Some('"'), '\\') if characters.next().is_none() => {
                return Err(NameError::new("must not end with a backslash"));
            }
            (None | Some('"'), '\\') => {}
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    match quote {
        None => Ok(()),
        Some(open) => Err(NameError::new(format!("has a {open} that is never closed"))),
    }
}

/// A character as it can be shown on one line: a control character by its number.
fn described(c: char) -> String {
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
    fn hostile_names_are_refused_with_the_character_named() {
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

    #[test]
    fn a_script_stays_below_its_folder() {
        for bad in [
            "/etc/passwd",
            "../x",
            "a/../b",
            "a..b.sh",
            "a/.",
            "a/",
            ".",
            "a b",
            "a\u{a0}b",
            "a\n",
            "",
            "a'b",
            "a\"b",
            "a\\b",
        ] {
            assert!(ScriptPath::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["queue/worker-1.sh", "wé.sh", "w(1).sh", "w=1;#%$.sh", "-x", "./a//b", ".x"] {
            assert!(ScriptPath::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_command_that_supervisord_would_cut_or_not_start_is_refused() {
        for bad in ["a ;b", "a #b", "a 'b", "a \"b", "a\\", " a", "a ", "a\nb", "ä"] {
            assert!(CommandLine::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a;b", "php artisan 'x y' --q=\"it's\" 100%", "a \\' b"] {
            assert!(CommandLine::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let value = EnvironmentValue::parse("hunter2").unwrap();
        assert!(!format!("{value:?}").contains("hunter2"));
        let error = EnvironmentValue::parse("hünter").unwrap_err();
        assert!(!error.to_string().contains('ü'));
    }
}
