//! A `[program:x]` as an entry of `supervisors`: our keys, and `options` for what has none.
//!
//! Nothing is decided here about whether that says the same. What is written is read by the inventory's own
//! loader, rendered, and held against the file: this only finds the words.

use std::collections::BTreeMap;

use crate::inventory::{plain_or_quoted, without_passwords};
use crate::supervisord::ini::{self, Section};
use crate::supervisord::{GroupKind, ReadBy, signal_name};
use crate::system::passwords::is_secret;

/// Why a section has no words in the inventory, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsayable {
    pub(crate) line: u32,
    pub(crate) reason: String,
}

/// What an entry says, beside its name and its file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Keys of the program with their values as YAML, in the order in which they are written.
    keys: Vec<(&'static str, String)>,
    /// `logs`, in the same way.
    logs: Vec<(&'static str, String)>,
    /// `options`, in the same way.
    options: Vec<(String, String)>,
    /// `environment`: names and values.
    pub(crate) environment: BTreeMap<String, String>,
    /// Lines with options that supervisord passes over, which are not said.
    pub(crate) passed_over: Vec<(u32, String)>,
}

/// How supervisord's process name is made where nobody says how, and there are several.
const NUMBERED: &str = "%(program_name)s_%(process_num)02d";

/// supervisord's options in the order of an entry, each with what it takes. Those of `options` have no key.
const OPTIONS: [(&str, Takes); 32] = [
    ("command", Takes::Text),
    ("directory", Takes::Text),
    ("user", Takes::User),
    ("autostart", Takes::Boolean),
    ("autorestart", Takes::Autorestart),
    ("stopwaitsecs", Takes::Number),
    ("numprocs", Takes::Number),
    ("startsecs", Takes::Number),
    ("startretries", Takes::Number),
    ("stopsignal", Takes::Signal),
    ("stopasgroup", Takes::Boolean),
    ("killasgroup", Takes::Boolean),
    ("exitcodes", Takes::Statuses),
    ("priority", Takes::Number),
    ("umask", Takes::Quoted),
    ("environment", Takes::Environment),
    ("stdout_logfile", Takes::Log("path")),
    ("stderr_logfile", Takes::Log("stderr")),
    ("process_name", Takes::OptionText),
    ("numprocs_start", Takes::OptionNumber),
    ("redirect_stderr", Takes::OptionBoolean),
    ("stdout_logfile_maxbytes", Takes::OptionBytes),
    ("stdout_logfile_backups", Takes::OptionNumber),
    ("stdout_capture_maxbytes", Takes::OptionBytes),
    ("stdout_events_enabled", Takes::OptionBoolean),
    ("stdout_syslog", Takes::OptionBoolean),
    ("stderr_logfile_maxbytes", Takes::OptionBytes),
    ("stderr_logfile_backups", Takes::OptionNumber),
    ("stderr_capture_maxbytes", Takes::OptionBytes),
    ("stderr_events_enabled", Takes::OptionBoolean),
    ("stderr_syslog", Takes::OptionBoolean),
    ("serverurl", Takes::OptionText),
];

#[derive(Clone, Copy)]
enum Takes {
    /// May hold expansions.
    Text,
    /// In the same way; a number is an id.
    User,
    Signal,
    Quoted,
    Boolean,
    Autorestart,
    Number,
    Statuses,
    Environment,
    Log(&'static str),
    OptionText,
    OptionNumber,
    OptionBoolean,
    OptionBytes,
}

impl Entry {
    /// The words for a section.
    pub(crate) fn of(section: &Section, read_by: &ReadBy<'_>) -> Result<Self, Unsayable> {
        let mut said: BTreeMap<&str, (&str, u32)> = BTreeMap::new();
        let mut passed_over = Vec::new();
        for entry in &section.entries {
            if read_by.passes_over(GroupKind::Program, &entry.key) {
                passed_over.push((entry.line, entry.key.clone()));
                continue;
            }
            let unsayable = |reason: String| Err(Unsayable { line: entry.line, reason });
            if !OPTIONS.iter().any(|(name, _)| *name == entry.key) {
                return unsayable(format!("`{}` is no option of a program", entry.key));
            }
            if said.insert(&entry.key, (&entry.value, entry.line)).is_some() {
                return unsayable(format!("`{}` appears twice", entry.key));
            }
        }
        let numbered = said.get("numprocs").is_some_and(|(text, _)| text.trim() != "1");
        if numbered && said.get("process_name").is_some_and(|(text, _)| *text == NUMBERED) {
            said.remove("process_name");
        }
        let redirects = said.get("redirect_stderr").is_some_and(|(text, _)| ini::is_true(text));
        // There is no file for it then, but syslog may have it.
        if let (true, Some((text, line))) = (redirects, said.get("stderr_logfile").copied()) {
            said.remove("stderr_logfile");
            if text.eq_ignore_ascii_case("syslog") {
                said.insert("stderr_syslog", ("true", line));
            }
        }
        let expands = said.values().any(|(text, _)| text.contains("%("));
        let mut entry = Self {
            keys: Vec::new(),
            logs: Vec::new(),
            options: Vec::new(),
            environment: BTreeMap::new(),
            passed_over,
        };
        for (name, takes) in OPTIONS {
            let Some((text, line)) = said.get(name).copied() else { continue };
            let added = entry.add((name, takes), text, expands, read_by);
            added.map_err(|reason| Unsayable { line, reason: format!("`{name}` {reason}") })?;
        }
        entry.add_sizes_of_devices(&said);
        if expands {
            entry.keys.push(("expansions", "true".to_owned()));
        }
        Ok(entry)
    }

    fn add(
        &mut self,
        (name, takes): (&'static str, Takes),
        text: &str,
        expands: bool,
        read_by: &ReadBy<'_>,
    ) -> Result<(), String> {
        let value = match takes {
            Takes::Text | Takes::OptionText | Takes::Log(_) => {
                plain_or_quoted(&meant(text, expands)?)
            }
            Takes::User if text.contains("%(") => plain_or_quoted(&meant(text, expands)?),
            Takes::Environment => {
                self.environment = environment(text, expands, read_by)?;
                return Ok(());
            }
            _ if text.contains('%') => return Err("has an expansion that has no key".to_owned()),
            Takes::Signal => plain_or_quoted(&signal_name(text)),
            Takes::User => number_or_text(text.trim()),
            Takes::Quoted => format!("\"{}\"", digits(text)?),
            Takes::Boolean | Takes::OptionBoolean => boolean(text)?,
            Takes::Autorestart if text.eq_ignore_ascii_case("unexpected") => {
                "unexpected".to_owned()
            }
            Takes::Autorestart => boolean(text)?,
            Takes::Number | Takes::OptionNumber => number(text)?.to_string(),
            Takes::Statuses => statuses(text)?,
            Takes::OptionBytes => number_or_text(&text.trim().to_ascii_uppercase()),
        };
        match takes {
            _ if is_beyond_key(name, text) => self.options.push((name.to_owned(), value)),
            Takes::Log(key) => self.logs.push((key, log_target(text, value))),
            Takes::OptionText | Takes::OptionNumber | Takes::OptionBoolean | Takes::OptionBytes => {
                self.options.push((name.to_owned(), value))
            }
            _ => self.keys.push((name, value)),
        }
        Ok(())
    }

    /// Of a device we would write that nothing of it is rotated, where supervisord would have it rotated
    /// unless the file says so: what the file leaves to supervisord is said.
    fn add_sizes_of_devices(&mut self, said: &BTreeMap<&str, (&str, u32)>) {
        for (stream, key) in [("stdout_logfile", "path"), ("stderr_logfile", "stderr")] {
            let size = format!("{stream}_maxbytes");
            let is_device = said.get(stream).is_some_and(|(text, _)| text.starts_with("/dev/"));
            let is_shown = self.logs.iter().any(|(name, _)| *name == key);
            if is_device && is_shown && !said.contains_key(size.as_str()) {
                self.options.push((size, "50MB".to_owned()));
            }
        }
    }

    /// What it says as lines of YAML, each behind `indent`, with the variables that are to stand there.
    pub(crate) fn lines(
        &self,
        indent: &str,
        shown: &BTreeMap<&str, String>,
        environment_file: Option<&str>,
    ) -> String {
        let mut text = String::new();
        for (key, value) in &self.keys {
            text += &format!("{indent}{key}: {value}\n");
        }
        if !self.logs.is_empty() {
            let logs: Vec<String> =
                self.logs.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            text += &format!("{indent}logs: {{{}}}\n", logs.join(", "));
        }
        if !self.options.is_empty() {
            text += &format!("{indent}options:\n");
            for (key, value) in &self.options {
                text += &format!("{indent}  {key}: {value}\n");
            }
        }
        if !shown.is_empty() {
            text += &format!("{indent}environment:\n");
            for (name, value) in shown {
                text += &format!("{indent}  {name}: {value}\n");
            }
        }
        if let Some(file) = environment_file {
            text += &format!("{indent}environment_file: {}\n", plain_or_quoted(file));
        }
        text
    }

    /// Those of its variables that look like secrets, by their names or by what they say.
    pub(crate) fn secrets(&self) -> BTreeMap<&str, &str> {
        let variables = self.environment.iter();
        let variables = variables.map(|(name, value)| (name.as_str(), value.as_str()));
        variables.filter(|(name, value)| looks_secret(name, value)).collect()
    }
}

pub(crate) fn looks_secret(name: &str, value: &str) -> bool {
    is_secret(name) || without_passwords(value) != value
}

/// Whether an option says what its key does not take, and `options` do.
fn is_beyond_key(option: &str, text: &str) -> bool {
    const WORDS: [&str; 4] = ["none", "off", "auto", "syslog"];
    let is_relative = !text.starts_with(['/', '%']);
    match option {
        "command" => text.contains('\n'),
        "stopwaitsecs" => text.trim().parse() == Ok(0),
        "directory" => is_relative,
        "stdout_logfile" | "stderr_logfile" => {
            is_relative && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        }
        _ => false,
    }
}

/// A text as the inventory has it: with `expansions` as it stands, else a `%` means itself.
fn meant(text: &str, expands: bool) -> Result<String, String> {
    if expands {
        return Ok(text.to_owned());
    }
    let without = text.replace("%%", "");
    match without.contains('%') {
        true => Err("has a `%` that begins no expansion".to_owned()),
        false => Ok(text.replace("%%", "%")),
    }
}

/// supervisord's own words for where a stream goes, in whichever case.
fn log_target(text: &str, value: String) -> String {
    match text.to_ascii_lowercase().as_str() {
        "none" | "off" => "NONE".to_owned(),
        "auto" => "AUTO".to_owned(),
        _ => value,
    }
}

fn boolean(text: &str) -> Result<String, String> {
    let said = ini::boolean(text).ok_or("is neither true nor false")?;
    Ok(said.to_string())
}

/// A number without quotes, which is an id of a user or a number of bytes; anything else as a text.
fn number_or_text(text: &str) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { text.to_owned() } else { plain_or_quoted(text) }
}

fn number(text: &str) -> Result<i64, String> {
    text.trim().parse().map_err(|_| "is no number".to_owned())
}

fn digits(text: &str) -> Result<&str, String> {
    let text = text.trim();
    let are_octal = !text.is_empty() && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    if are_octal { Ok(text) } else { Err("is not octal".to_owned()) }
}

fn statuses(text: &str) -> Result<String, String> {
    let numbers: Result<Vec<String>, String> =
        text.split(',').map(|one| number(one).map(|number| number.to_string())).collect();
    Ok(format!("[{}]", numbers?.join(", ")))
}

/// The variables of `environment=`, where each release of supervisord reads the same.
fn environment(
    text: &str,
    expands: bool,
    read_by: &ReadBy<'_>,
) -> Result<BTreeMap<String, String>, String> {
    let pairs = read_by.variables(text).ok_or(
        "has an expansion outside of quotes that is more than a word, a backslash that releases of supervisord \
         read differently, or is none",
    )?;
    let mut environment = BTreeMap::new();
    for (name, value) in pairs {
        if value.contains('\n') {
            return Err("has a value of several lines".to_owned());
        }
        environment.insert(name, meant(&value, expands)?);
    }
    Ok(environment)
}
