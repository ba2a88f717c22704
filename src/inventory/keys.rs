//! What a key of the inventory is called, what it takes and what it means, in one place each: the
//! readers check by it, for YAML as for the playbook's JSON, and the tables of docs/inventory.md and the
//! JSON Schema are written from it.

use super::signal::Signal;
use super::suggest::nearest;
use super::value::config_value;

/// The words by which the inventory calls each of a few things.
macro_rules! words {
    ($type:ident { $($word:literal => $variant:ident,)+ }) => {
        impl $type {
            pub(crate) const WORDS: &'static [&'static str] = &[$($word),+];

            pub(crate) fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
pub(super) use words;

/// What stands behind a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Boolean,
    /// One of a few words, of which two are `true` and `false`.
    BooleanOr(&'static [&'static str]),
    /// A whole number from the least to the most, both included.
    Whole { least: i64, most: i64 },
    /// A whole number up to this one, or one of a few words.
    WholeOr(u32, &'static [&'static str]),
    /// One of a few words.
    Word(&'static [&'static str]),
    /// A signal, with or without `SIG`, in any case.
    Signal,
    /// Exit statuses: a list of numbers, or one.
    ExitStatuses,
    /// Mode bits: octal digits in quotes, because YAML's versions disagree about the base of `022`.
    Octal,
    /// Bytes, or a number with logrotate's `k`, `M` or `G` (in either case), which are powers of 1024.
    Size,
    /// supervisord's bytes: a number, or one with `KB`, `MB` or `GB`, in any case.
    Bytes,
    /// A text that supervisord's file can hold and that it reads as it is.
    Value,
    /// The name of a process: supervisord refuses a blank, `:` and `/` in it.
    ProcessName,
    /// A text with rules of its own, which its type has.
    Text,
    /// A user: a name, or an id without quotes.
    User,
    /// A map of names and values.
    Variables,
    /// A map of keys.
    Map(&'static Keys),
    /// A list whose items are all of one kind.
    List(&'static Kind),
}

/// A key of a map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// As it is typed.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
    /// What counts if it is left out, in Markdown; empty where there is nothing to say.
    pub(super) default: &'static str,
    /// What it is for, in Markdown.
    pub(super) meaning: &'static str,
    /// A value, as YAML has it.
    pub(super) example: &'static str,
    /// Whether it is an option that is written to supervisord's file as it is, only if it is set.
    pub(super) is_supervisords: bool,
}

impl Key {
    /// A key with what it means and a value for it.
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        example: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { name, kind, default: "", meaning, example, is_supervisords: false }
    }

    /// What counts if it is left out.
    pub(super) const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// It is an option of supervisord that only passes through.
    pub(super) const fn supervisords(mut self) -> Self {
        self.is_supervisords = true;
        self
    }
}

impl Key {
    /// Whether what it takes is a text in which a `%` can stand.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Value | Kind::ProcessName)
    }
}

/// The keys of two tables in one.
pub(super) const fn joined<const A: usize, const B: usize, const N: usize>(
    one: [Key; A],
    other: [Key; B],
) -> [Key; N] {
    let mut all = [one[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < A { one[at] } else { other[at - A] };
        at += 1;
    }
    all
}

/// Which keys a map may have.
#[derive(Debug)]
pub(crate) struct Keys {
    /// What the map is, for messages: "a program".
    pub(super) of: &'static str,
    /// The keys that are ours.
    pub(super) known: &'static [Key],
    /// Words that people write for one of them, with the key or the sentence to give them.
    pub(super) instead: &'static [(&'static str, &'static str)],
    /// Whether the map is shared with DeployerPHP, whose keys are passed over.
    pub(super) shared: bool,
}

impl Keys {
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.known.iter().map(|key| key.name)
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'static Key> {
        self.known.iter().find(|key| key.name == name)
    }
}

/// A value as it was given, in YAML or in JSON.
pub(crate) enum Given<'g> {
    Bool(bool),
    /// As it was typed.
    Number(&'g str),
    /// With whether it stood in quotes.
    Text(&'g str, bool),
    List(Vec<Given<'g>>),
    Other,
}

/// Why a value is none for its key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// What it must be, behind the key: "must be true or false".
    pub(crate) reason: String,
    /// What to write instead; `{}` stands for the key.
    pub(crate) help: Option<String>,
    /// The word that was probably meant.
    pub(crate) near: Option<&'static str>,
    /// Which item of a list is wrong.
    pub(crate) item: Option<usize>,
}

impl Wrong {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Kind {
    /// The value in its one spelling, which is supervisord's where the key is supervisord's. `None` for
    /// kinds with a type of their own (text, maps, lists), which reads them.
    pub(crate) fn read(&self, given: &Given<'_>) -> Option<Result<String, Wrong>> {
        Some(match self {
            Self::Boolean => {
                boolean(given).map_err(|help| Wrong { help, ..Wrong::new("must be true or false") })
            }
            Self::BooleanOr(words) => boolean(given).or_else(|help| boolean_or(given, words, help)),
            Self::Whole { least, most } => whole(given, *least, *most),
            Self::WholeOr(most, words) => match given {
                Given::Text(text, _) if text.parse::<i64>().is_err() => {
                    word(given, words).map_err(|wrong| Wrong {
                        reason: format!("{} or a whole number", wrong.reason.replace(" or ", ", ")),
                        ..wrong
                    })
                }
                _ => whole(given, 0, (*most).into()),
            },
            Self::Word(words) => word(given, words),
            Self::Signal => signal(given),
            Self::ExitStatuses => exit_statuses(given),
            Self::Octal => octal(given),
            Self::Size => size(given),
            Self::Bytes => bytes(given),
            Self::Value => value(given),
            Self::ProcessName => process_name(given),
            Self::Text | Self::User | Self::Variables | Self::Map(_) | Self::List(_) => {
                return None;
            }
        })
    }
}

/// Else what to write instead, if somebody wrote what other tools take.
fn boolean(given: &Given<'_>) -> Result<String, Option<String>> {
    let text = match given {
        Given::Bool(value) => return Ok(value.to_string()),
        Given::Text(text, _) => text.to_ascii_lowercase(),
        _ => return Err(None),
    };
    let meant = match text.as_str() {
        "yes" | "on" | "y" | "true" => Some(true),
        "no" | "off" | "n" | "false" => Some(false),
        _ => None,
    };
    Err(meant.map(|meant| format!("write `{{}}: {meant}`, without quotes")))
}

fn boolean_or(
    given: &Given<'_>,
    words: &'static [&'static str],
    help: Option<String>,
) -> Result<String, Wrong> {
    match given {
        Given::Text(text, _) if words.contains(text) => Ok((*text).to_owned()),
        _ => {
            let near = match help {
                Some(_) => None,
                None => nearest(text_of(given), words.iter().copied()),
            };
            Err(Wrong { help, near, ..Wrong::new(format!("must be {}", one_of(words))) })
        }
    }
}

fn whole(given: &Given<'_>, least: i64, most: i64) -> Result<String, Wrong> {
    let typed = match given {
        Given::Number(typed) | Given::Text(typed, _) => *typed,
        _ => "",
    };
    let number = typed.parse::<i64>().ok();
    if let (Given::Number(_), Some(number)) = (given, number)
        && (least..=most).contains(&number)
    {
        return Ok(number.to_string());
    }
    let wrong = Wrong::new(format!("must be a whole number from {least} to {most}"));
    Err(match (given, number) {
        (Given::Text(_, true), Some(number)) => {
            wrong.help(format!("drop the quotes: `{{}}: {number}`"))
        }
        (Given::Text(_, false), Some(number)) => {
            wrong.help(format!("write it plainly: `{{}}: {number}`"))
        }
        _ => wrong,
    })
}

fn word(given: &Given<'_>, words: &'static [&'static str]) -> Result<String, Wrong> {
    let typed = text_of(given);
    if words.contains(&typed) {
        return Ok(typed.to_owned());
    }
    let near = nearest(typed, words.iter().copied());
    Err(Wrong { near, ..Wrong::new(format!("must be {}", one_of(words))) })
}

fn signal(given: &Given<'_>) -> Result<String, Wrong> {
    match Signal::parse(text_of(given)) {
        Some(signal) => Ok(signal.as_str().to_owned()),
        None => {
            let near = nearest(text_of(given), Signal::ALL.map(Signal::as_str));
            Err(Wrong { near, ..Wrong::new("must be the name of a signal, such as TERM or QUIT") })
        }
    }
}

fn exit_statuses(given: &Given<'_>) -> Result<String, Wrong> {
    match given {
        Given::List(items) if items.is_empty() => Err(Wrong::new("must contain a number")),
        Given::List(items) => {
            let mut statuses = Vec::new();
            for (item, given) in items.iter().enumerate() {
                let status = exit_status(given);
                statuses.push(status.map_err(|wrong| Wrong { item: Some(item), ..wrong })?);
            }
            Ok(statuses.join(","))
        }
        Given::Number(_) => exit_status(given),
        _ => Err(Wrong::new("must be a list of numbers").help("for example `{}: [0, 2]`")),
    }
}

fn exit_status(given: &Given<'_>) -> Result<String, Wrong> {
    whole(given, 0, u8::MAX.into())
}

fn octal(given: &Given<'_>) -> Result<String, Wrong> {
    let text = Some(text_of(given)).filter(|text| matches!(text.len(), 3 | 4));
    let bits = text.and_then(|text| u32::from_str_radix(text, 8).ok());
    match bits.filter(|bits| *bits <= 0o777) {
        Some(bits) => Ok(format!("{bits:03o}")),
        None => {
            Err(Wrong::new("must be three octal digits in quotes")
                .help("for example `{}: \"022\"`"))
        }
    }
}

/// The number of bytes that logrotate is told, of which it knows k, M and G.
fn size(given: &Given<'_>) -> Result<String, Wrong> {
    let text = match given {
        Given::Number(typed) => typed,
        _ => text_of(given),
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: Option<u64> = match text.get(digits.len()..).unwrap_or_default() {
        "" => Some(1),
        "k" | "K" => Some(1 << 10),
        "m" | "M" => Some(1 << 20),
        "g" | "G" => Some(1 << 30),
        _ => None,
    };
    let is_plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| is_plain);
    let bytes = number.and_then(|number| number.checked_mul(unit?));
    match bytes.filter(|bytes| (1..=1 << 50).contains(bytes)) {
        Some(bytes) => Ok(bytes.to_string()),
        None => Err(Wrong::new("must be a number of bytes, or one with k, M or G")
            .help("for example `{}: 100M`")),
    }
}

fn bytes(given: &Given<'_>) -> Result<String, Wrong> {
    let text = match given {
        Given::Number(typed) => typed,
        _ => text_of(given),
    };
    let lower = text.to_ascii_lowercase();
    let digits = ["kb", "mb", "gb"].iter().find_map(|unit| lower.strip_suffix(unit));
    let digits = digits.unwrap_or(&lower);
    let is_plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse::<u32>() {
        Ok(_) if is_plain => Ok(text.to_owned()),
        _ => Err(Wrong::new("must be a number of bytes, or one with KB, MB or GB")
            .help("for example `{}: 50MB`")),
    }
}

fn value(given: &Given<'_>) -> Result<String, Wrong> {
    match given {
        Given::Text(text, _) => match config_value(text) {
            Ok(()) => Ok((*text).to_owned()),
            Err(error) => Err(Wrong::new(error.to_string())),
        },
        Given::Number(typed) => {
            Err(Wrong::new("must be text").help(format!("put it in quotes: `{{}}: \"{typed}\"`")))
        }
        _ => Err(Wrong::new("must be text")),
    }
}

fn process_name(given: &Given<'_>) -> Result<String, Wrong> {
    let text = value(given)?;
    match text.chars().find(|c| matches!(c, ' ' | ':' | '/')) {
        Some(c) => Err(Wrong::new(format!("must not contain '{c}': supervisord refuses it"))),
        None => Ok(text),
    }
}

fn text_of<'g>(given: &Given<'g>) -> &'g str {
    match given {
        Given::Text(text, _) => text,
        _ => "",
    }
}

/// `a`, `a or b`, `a, b or c`.
fn one_of(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
