//! Values that can be written into supervisord's and logrotate's files as they are, checked as names are.

use std::borrow::Borrow;
use std::fmt;

use super::name::{
    NameError, UserName, at_most, checked_text, described, no_control, not_empty, only, shown,
};

shown!(AbsolutePath, CommandLine, Directory, EnvironmentName, LogTarget, ProgramUser, ScriptPath);

/// Where worker scripts are in a release and in its repository.
pub const SCRIPT_FOLDER: &str = ".deployer/supervisors";

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
            return Err(NameError::new("must not contain '..'"));
        }
        if text.ends_with('/') || text.ends_with("/.") || text == "." {
            return Err(NameError::new("must be a file, not a folder"));
        }
        if let Some(c) = text.chars().find(|c| c.is_whitespace() || matches!(c, '\'' | '"' | '\\')) {
            return Err(NameError::new(format!(
                "must not contain {}: supervisord splits a command there",
                described(c)
            )));
        }
        at_most(text, 1024)
    }
);

impl ScriptPath {
    /// Where it is, counting from the release.
    pub fn in_release(&self) -> String {
        format!("{SCRIPT_FOLDER}/{self}")
    }
}

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
            return Err(NameError::new("must not contain '..'"));
        }
        if text.contains("//") || (text.ends_with('/') && text != "/") {
            return Err(NameError::new("must not end with '/' or hold '//'"));
        }
        only(text, "letters, digits and any of / . - _ + @ , : =", is_of_path)?;
        at_most(text, 4000)
    }
);

impl AbsolutePath {
    /// As a path of the standard library.
    pub fn as_path(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }
}

/// A path in supervisord's file: absolute, and perhaps with `%(NAME)s` in it, which only a program with
/// `expansions` may have.
fn config_path(text: &str) -> Result<(), NameError> {
    let is_absolute = text.starts_with('/') || text.contains("%(") && text.starts_with('%');
    if !is_absolute {
        not_empty(text)?;
        return Err(NameError::new("must be an absolute path"));
    }
    plain_path(text)
}

/// A path that does not begin with `/`: it counts from the folder in which supervisord was started, or
/// from its user's home.
fn relative_path(text: &str) -> Result<(), NameError> {
    not_empty(text)?;
    plain_path(text.strip_prefix('~').unwrap_or(text))
}

/// Whatever supervisord reads as it is. A blank is fine, as long as no reader cuts it.
fn plain_path(text: &str) -> Result<(), NameError> {
    no_control(text)?;
    if text.split('/').any(|part| part == "..") {
        return Err(NameError::new("must not contain '..'"));
    }
    let is_expanded = text.contains("%(");
    if !is_expanded && (text.contains("//") || (text.ends_with('/') && text != "/")) {
        return Err(NameError::new("must not end with '/' or hold '//'"));
    }
    match is_expanded {
        true => only(text, "letters, digits, blanks and any of / . - _ + @ , : = % ( )", |c| {
            is_of_path(c) || matches!(c, ' ' | '%' | '(' | ')')
        }),
        false => only(text, "letters, digits, blanks and any of / . - _ + @ , : =", |c| {
            is_of_path(c) || c == ' '
        }),
    }?;
    if text.trim() != text {
        return Err(NameError::new("must not begin or end with a blank"));
    }
    at_most(text, 4000)
}

fn is_of_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | '@' | ',' | ':' | '=')
}

/// What a key takes of a type that takes more; the rest is for `options`, which take nothing else. So there is
/// one place for each value, and nobody writes by accident what depends on how supervisord was started.
macro_rules! in_two_places {
    ($type:ident, $key:literal, $is_for_key:expr) => {
        impl $type {
            /// As the key takes it.
            pub(super) fn for_key(text: &str) -> Result<Self, NameError> {
                let is_for_key: fn(&str) -> Result<(), NameError> = $is_for_key;
                is_for_key(text)?;
                Self::parse(text)
            }

            /// As `options` take it: what the key does not.
            pub(super) fn for_options(text: &str) -> Result<Self, NameError> {
                match Self::for_key(text) {
                    Ok(_) => Err(NameError::new(concat!(
                        "has a key of its own that can say this: ",
                        $key
                    ))),
                    Err(_) => Self::parse(text),
                }
            }
        }
    };
}

checked_text!(
    /// Where a program runs: a path, or `none` for wherever supervisord was started.
    Directory,
    |text| match text.strip_suffix('/') {
        _ if text == "none" => Ok(()),
        // supervisord keeps it, and so takes a path without it for another one.
        Some(path) if !path.is_empty() => any_path(path),
        _ => any_path(text),
    }
);

in_two_places!(Directory, "`directory` of the program", |text| match text {
    "none" => Ok(()),
    _ => config_path(text.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(text)),
});

fn any_path(text: &str) -> Result<(), NameError> {
    if text.starts_with(['/', '%']) { config_path(text) } else { relative_path(text) }
}

impl Directory {
    /// The path, if there is one.
    pub fn path(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|text| *text != "none")
    }
}

checked_text!(
    /// Where a stream of a program goes: a file, a device, or one of supervisord's words.
    LogTarget,
    |text| if is_log_word(text) { Ok(()) } else { any_path(text) }
);

in_two_places!(LogTarget, "`path` or `stderr` of `logs`", |text| match is_log_word(text) {
    true => Ok(()),
    false => config_path(text),
});

fn is_log_word(text: &str) -> bool {
    matches!(text, "NONE" | "AUTO" | "syslog")
}

impl LogTarget {
    /// Whether it is a path, be it of a device.
    pub fn is_path(&self) -> bool {
        !is_log_word(self.as_str())
    }

    /// Whether it is a path that says where the file is, whoever looks.
    pub(crate) fn is_absolute(&self) -> bool {
        self.0.starts_with(['/', '%'])
    }

    /// Whether it is a device, such as `/dev/stdout`: nothing there can be rotated or read again.
    pub fn is_device(&self) -> bool {
        self.0.starts_with("/dev/")
    }
}

checked_text!(
    /// A command line that supervisord runs as it is: printable ASCII that its INI reader does not
    /// cut (no blank before `;` or `#`), with balanced quotes. A `%` means itself; rendering doubles
    /// it. Several lines are one command, whose words they are.
    CommandLine,
    |text| {
        not_empty(text)?;
        for (number, line) in text.split('\n').enumerate() {
            if line.is_empty() {
                return Err(NameError::new("must not have an empty line"));
            }
            survives_the_ini_reader(line)?;
            if line.trim() != line {
                return Err(NameError::new("must not begin or end with a blank"));
            }
            if number > 0 && line.starts_with([';', '#']) {
                return Err(NameError::new("must not have a line that begins with ';' or '#'"));
            }
        }
        balanced_quotes(text)?;
        at_most(text, 16 * 1024)
    }
);

in_two_places!(CommandLine, "`command` of the program", |text| match text.contains('\n') {
    false => Ok(()),
    true => Err(NameError::new(
        "must be one line: supervisord has no shell that would run several (`>-` of YAML joins lines)",
    )),
});

checked_text!(
    /// Whom a program runs as: a user, or what supervisord expands to one.
    ProgramUser,
    |text| {
        if !text.contains("%(") {
            return UserName::parse(text).map(|_| ());
        }
        only(text, "letters, digits, '.', '-', '_' and %(NAME)s", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '%' | '(' | ')')
        })?;
        at_most(text, 255)
    }
);

impl ProgramUser {
    /// The user, unless only supervisord knows.
    pub(crate) fn name(&self) -> Option<UserName> {
        UserName::parse(&self.0).ok()
    }
}

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
                "must not contain both kinds of quotes: supervisord before 4.4 has no escape for them",
            ));
        }
        if text.contains('\'') && text.contains('\\') {
            return Err(NameError::new(
                "must not contain a backslash and a single quote: supervisord's versions read it differently",
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

/// What supervisord's file can hold, and what it reads as it is.
pub(super) fn config_value(text: &str) -> Result<(), NameError> {
    not_empty(text)?;
    survives_the_ini_reader(text)?;
    if text.starts_with([';', '#']) {
        return Err(NameError::new(
            "must not begin with ';' or '#': supervisord takes it for a comment",
        ));
    }
    if text.trim() != text {
        return Err(NameError::new("must not begin or end with a blank"));
    }
    at_most(text, 16 * 1024)
}

/// Printable ASCII, and no blank before `;` or `#`, at which the reader would cut the value even
/// inside quotes. Not ASCII is refused because supervisord reads its files in the encoding of its
/// own locale, which is nobody's promise.
fn survives_the_ini_reader(text: &str) -> Result<(), NameError> {
    no_control(text)?;
    if let Some(c) = text.chars().find(|c| !c.is_ascii()) {
        return Err(NameError::new(format!(
            "must not contain {}: supervisord reads its files in its own locale, so only ASCII is safe",
            described(c)
        )));
    }
    for cut in [" ;", " #"] {
        if text.contains(cut) {
            return Err(NameError::new(format!(
                "must not contain a blank followed by '{}': supervisord takes the rest for a comment, even in quotes",
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

#[cfg(test)]
mod tests {
    use super::*;

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

    /// A command that supervisord would cut, or not start, is refused.
    #[test]
    fn command_supervisord_misreads_is_refused() {
        for bad in [
            "a ;b", "a #b", "a 'b", "a \"b", "a\\", " a", "a ", "ä", "a\n", "a\n\nb", "a\n b",
            "a\n;b", "a\n#b", "a\r\nb",
        ] {
            assert!(CommandLine::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a;b", "php artisan 'x y' --q=\"it's\" 100%", "a \\' b"] {
            assert!(CommandLine::parse(good).is_ok(), "{good:?}");
        }
    }

    /// What a key takes `options` do not, and the other way round: whatever supervisord takes has one place.
    #[test]
    fn keys_and_options_share_values() {
        fn places<T>(
            for_key: Result<T, NameError>,
            for_options: Result<T, NameError>,
        ) -> [bool; 2] {
            [for_key.is_ok(), for_options.is_ok()]
        }
        let directory = |text| places(Directory::for_key(text), Directory::for_options(text));
        let log = |text| places(LogTarget::for_key(text), LogTarget::for_options(text));
        let command = |text| places(CommandLine::for_key(text), CommandLine::for_options(text));
        for path in ["/srv/a b", "/srv/", "%(here)s/x", "/x/%(program_name)s"] {
            assert_eq!(directory(path), [true, false], "{path}");
        }
        for path in ["app", "a b/c", "~/x", "app/%(program_name)s"] {
            assert_eq!((directory(path), log(path)), ([false, true], [false, true]), "{path}");
        }
        for nothing in ["", " a", "/a\nb", "../x", "/a;b", "a'b", "a%b", "a//b"] {
            assert_eq!((directory(nothing), log(nothing)), ([false; 2], [false; 2]), "{nothing}");
        }
        assert_eq!(log("NONE"), [true, false]);
        assert_eq!((command("a b"), command("a\nb")), ([true, false], [false, true]));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let value = EnvironmentValue::parse("hunter2").unwrap();
        assert!(!format!("{value:?}").contains("hunter2"));
        let error = EnvironmentValue::parse("hünter").unwrap_err();
        assert!(!error.to_string().contains('ü'));
    }
}
