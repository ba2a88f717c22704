//! supervisord's INI dialect, as Python's `RawConfigParser` reads it for supervisord 4.
//!
//! supervisord's `UnhosedConfigParser` (`supervisor/options.py`, 4.2.5) is `RawConfigParser` with
//! `strict=False` and `inline_comment_prefixes=(';', '#')`. [`parse`] follows `_read` of Python
//! 3.11's `configparser.py` step by step, oddities included, because its answer decides whether a
//! file of somebody else's breaks a reread and whether a file is ours. Below it stand the helpers
//! for what happens to a value afterwards: `%` expansion and the splitting of `environment=`.

use std::fmt::Write as _;

/// A parsed file: its sections in order, duplicates kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ini {
    /// The sections in the file's order. `[DEFAULT]` is among them under that name; supervisord
    /// lets its options show in every other section of every file.
    pub sections: Vec<Section>,
}

/// One `[name]` with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The text between the brackets, e.g. `program:web`. Blanks are kept, as supervisord does.
    pub name: String,
    /// Its line, from 1.
    pub line: u32,
    /// The options in order; keys are lower-cased, values trimmed, inline comments cut,
    /// continuation lines joined by `\n`.
    pub entries: Vec<KeyValue>,
}

/// One `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// In lower case, as Python's parser has every option.
    pub key: String,
    /// As supervisord would see it before expansion of `%`.
    pub value: String,
    /// The line of its key, from 1.
    pub line: u32,
}

/// Why supervisord could not read a text: every one of these makes the whole reread fail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct IniError {
    /// The first bad line, from 1.
    pub line: u32,
    /// What is wrong with it, in one line.
    pub reason: String,
}

impl Ini {
    /// The value of an option over all sections of that name, which supervisord merges; the last one
    /// wins.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        let same_name = self.sections.iter().rev().filter(|found| found.name == section);
        same_name.filter_map(|found| found.get(key)).next()
    }
}

impl Section {
    /// The value of an option; the last one wins, as it does in supervisord. `key` is lower case.
    pub fn get(&self, key: &str) -> Option<&str> {
        let entry = self.entries.iter().rev().find(|entry| entry.key == key);
        entry.map(|entry| entry.value.as_str())
    }
}

/// Reads one file's text as supervisord would; the error is the first of those it would list.
pub fn parse(text: &str) -> Result<Ini, IniError> {
    // supervisord opens its files in text mode, where a lone carriage return ends a line as well.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = IniReader::default();
    for (line, number) in text.split('\n').zip(1..) {
        reader.line(line, number)?;
    }
    Ok(reader.finish())
}

/// The name of each section with its lines, header and trailing blank lines included; what stands before
/// the first header is left out. For files with plain line ends.
pub fn blocks(text: &str) -> Result<Vec<(String, &str)>, IniError> {
    let sections = parse(text)?.sections;
    let mut starts = vec![0];
    starts.extend(text.match_indices('\n').map(|(end, _)| end + 1));
    let mut blocks = Vec::new();
    let mut end = text.len();
    // From the last: each ends where the one after it begins.
    for section in sections.iter().rev() {
        let line = usize::try_from(section.line).unwrap_or(usize::MAX).saturating_sub(1);
        let start = starts.get(line).copied().unwrap_or(text.len());
        blocks.push((section.name.clone(), text.get(start..end).unwrap_or_default()));
        end = start;
    }
    blocks.reverse();
    Ok(blocks)
}

/// `RawConfigParser._read`'s variables between two lines.
#[derive(Default)]
struct IniReader {
    ini: Ini,
    /// The indentation, in characters, of the latest header or option: a line further in than this
    /// continues the option's value.
    indent: usize,
    /// Whether the latest section has an option that a line could continue.
    continuable: bool,
}

impl IniReader {
    fn line(&mut self, line: &str, number: u32) -> Result<(), IniError> {
        let comment = comment_start(line);
        let content = trim(&line[..comment.unwrap_or(line.len())]);
        if content.is_empty() {
            // An empty line belongs to the value before it; a comment line does not.
            if comment.is_none() {
                self.continue_value("");
            }
            return Ok(());
        }
        let indent = line.chars().take_while(|&c| is_space(c)).count();
        if self.continuable && indent > self.indent {
            self.continue_value(content);
            return Ok(());
        }
        self.indent = indent;
        if let Some(name) = header(content) {
            let section = Section { name: name.to_owned(), line: number, entries: Vec::new() };
            self.ini.sections.push(section);
            self.continuable = false;
            return Ok(());
        }
        self.option(content, number)
    }

    fn option(&mut self, content: &str, number: u32) -> Result<(), IniError> {
        let refuse = |reason: &str| Err(IniError { line: number, reason: reason.to_owned() });
        let Some(section) = self.ini.sections.last_mut() else {
            return refuse(if content.starts_with('\u{feff}') {
                "begins with a byte order mark, which supervisord cannot read"
            } else {
                "stands before the first [section]"
            });
        };
        let Some((key, value)) = content.split_once(['=', ':']) else {
            return refuse("is neither a [section] nor key=value");
        };
        let key = trim(key).to_lowercase();
        if key.is_empty() {
            return refuse("has no key before its delimiter");
        }
        section.entries.push(KeyValue { key, value: trim(value).to_owned(), line: number });
        self.continuable = true;
        Ok(())
    }

    fn continue_value(&mut self, content: &str) {
        if !self.continuable {
            return;
        }
        let section = self.ini.sections.last_mut();
        if let Some(entry) = section.and_then(|section| section.entries.last_mut()) {
            entry.value.push('\n');
            entry.value.push_str(content);
        }
    }

    /// Empty lines at the end of a value, collected in case it went on, go.
    fn finish(mut self) -> Ini {
        let sections = self.ini.sections.iter_mut();
        for entry in sections.flat_map(|section| section.entries.iter_mut()) {
            entry.value.truncate(entry.value.trim_end_matches(is_space).len());
        }
        self.ini
    }
}

/// Where the comment of a line begins: its first character other than blanks, or after a blank.
///
/// The search goes in rounds, one occurrence of each sign a round, and ends with the first round
/// that has a comment: in `a#b #c ;d` that is `;d`, not the earlier `#c`. Python does so.
fn comment_start(line: &str) -> Option<usize> {
    if trim(line).starts_with([';', '#']) {
        return Some(0);
    }
    let mut searches = vec![(';', 0), ('#', 0)];
    while !searches.is_empty() {
        let mut found: Option<usize> = None;
        searches.retain_mut(|(sign, from)| {
            let Some(offset) = line[*from..].find(*sign) else { return false };
            let index = *from + offset;
            *from = index + 1;
            if line[..index].chars().next_back().is_none_or(is_space) {
                found = Some(found.map_or(index, |earlier| earlier.min(index)));
            }
            true
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The name in a section header: from the first bracket to the last one; what follows is ignored.
fn header(content: &str) -> Option<&str> {
    let (name, _) = content.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

/// Python's `str.isspace`: Unicode's white space and the four information separators.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Writes a value so that supervisord's one expansion (Python's `value % names`) gives it back.
///
/// `%` becomes `%%`. That is not enough for the text `%(here)s`, which supervisord replaces in all
/// values, escaped or not, before it expands them (`expand_here`): the reread of the whole host
/// would fail on what is left. An expansion of no width in the middle keeps it from being found.
/// For options of a `[program:x]` section, where `program_name` is known.
pub fn escape_percent(value: &str) -> String {
    value.replace('%', "%%").replace("%(here)s", "%%(program_name).0s(here)s")
}

/// Writes a value of `stdout_logfile` or `stderr_logfile` of a program, which supervisord expands
/// twice (`_processes_from_section`: `get`, then `expand`): a `%` needs four.
pub fn escape_percent_twice(value: &str) -> String {
    escape_percent(&escape_percent(value))
}

/// Why a value cannot be expanded: supervisord would refuse the whole reread.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A `%(name)s` with a name that is not known in this place.
    #[error("%({0}) is not a name that supervisord can expand here")]
    UnknownName(String),
    /// A `%` that begins no expansion.
    #[error("holds a '%' that begins no expansion; a literal one is written '%%'")]
    Malformed,
}

/// Expands a value once: `%%`, and `%(name)s` or `%(name)d` with a width (`%(process_num)02d`) or
/// a precision. Python knows more conversions; no configuration was seen to use them, and they are
/// an error here.
pub fn expand(value: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let mut expanded = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            expanded.push('%');
            rest = after;
            continue;
        }
        let after = after.strip_prefix('(').ok_or(ExpandError::Malformed)?;
        let (name, after) = after.split_once(')').ok_or(ExpandError::Malformed)?;
        let (form, after) = conversion(after).ok_or(ExpandError::Malformed)?;
        let text = lookup(name).ok_or_else(|| ExpandError::UnknownName(name.to_owned()))?;
        form.apply(&text, &mut expanded)?;
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// What stands after the name of an expansion, e.g. `02d`.
struct Conversion {
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    number: bool,
}

/// More than this is a mistake, and padding to it a way to fill the memory.
const WIDEST: usize = 255;

fn conversion(text: &str) -> Option<(Conversion, &str)> {
    let (zeros, text) = text.strip_prefix('0').map_or((false, text), |rest| (true, rest));
    let (width, text) = digits(text)?;
    let (precision, text) = match text.strip_prefix('.') {
        Some(rest) => digits(rest).map(|(precision, rest)| (Some(precision), rest))?,
        None => (None, text),
    };
    let number = text.starts_with('d');
    let rest = text.strip_prefix(['s', 'd'])?;
    Some((Conversion { zeros, width, precision, number }, rest))
}

/// The number at the beginning, 0 if there is none, and the rest.
fn digits(text: &str) -> Option<(usize, &str)> {
    let (number, rest) = text.split_at(text.len() - text.trim_start_matches(is_digit).len());
    if number.is_empty() {
        return Some((0, rest));
    }
    number.parse().ok().filter(|&number| number <= WIDEST).map(|number| (number, rest))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

impl Conversion {
    fn apply(&self, text: &str, expanded: &mut String) -> Result<(), ExpandError> {
        let Self { zeros, width, precision, number } = *self;
        let written = if !number {
            let shown: String = text.chars().take(precision.unwrap_or(usize::MAX)).collect();
            write!(expanded, "{shown:>width$}")
        } else {
            let value: i64 = text.parse().map_err(|_| ExpandError::Malformed)?;
            if precision.is_some() {
                return Err(ExpandError::Malformed);
            }
            if zeros {
                write!(expanded, "{value:0width$}")
            } else {
                write!(expanded, "{value:>width$}")
            }
        };
        written.map_err(|_| ExpandError::Malformed)
    }
}

/// A value of yes or no, as supervisord reads it (`datatypes.py`, `boolean`); `None` where it refuses it.
pub fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Whether a value of yes or no is a yes; supervisord refuses what is neither.
pub fn is_true(value: &str) -> bool {
    boolean(value.trim()) == Some(true)
}

/// The value of `environment=` for these variables, before [`escape_percent`].
///
/// Every value is quoted, because supervisord's reader (`shlex`) silently loses most of what is
/// not (`A=http://x/?q=1` becomes two variables). Single quotes, as they mean the same to 4.0 to
/// 4.3 (not POSIX) and to 4.4 (POSIX, where a backslash within double quotes is an escape); double
/// ones only around a single quote. There is no way to write a value that neither can hold;
/// callers refuse those before.
pub fn quote_environment<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let quoted = variables.into_iter().map(|(name, value)| {
        let quote = if value.contains('\'') { '"' } else { '\'' };
        format!("{name}={quote}{value}{quote}")
    });
    quoted.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        parse(text).unwrap().sections[0].entries[0].value.clone()
    }

    #[test]
    fn sections_keep_order() {
        let ini = parse("; head\r\n[program:x]\r\nCommand : a = b\r\n[DEFAULT]\nk=\n").unwrap();
        let [program, default] = &ini.sections[..] else { panic!("{ini:?}") };
        assert_eq!((program.name.as_str(), program.line), ("program:x", 2));
        let entry = KeyValue { key: "command".into(), value: "a = b".into(), line: 3 };
        assert_eq!(program.entries, [entry]);
        assert_eq!((default.name.as_str(), default.get("k")), ("DEFAULT", Some("")));
    }

    #[test]
    fn last_value_wins() {
        let ini = parse("[a]\nk=1\nK=2\nz=0\n[b]\n[a]\nk=3\n").unwrap();
        assert_eq!(ini.sections[0].get("k"), Some("2"));
        assert_eq!(ini.get("a", "k"), Some("3"));
        assert_eq!(ini.get("a", "z"), Some("0"));
        assert_eq!(ini.get("b", "k"), None);
    }

    #[test]
    fn comments_end_as_in_python() {
        for (line, expected) in [
            ("k=a;b#c", "a;b#c"),
            ("k=a ;b", "a"),
            ("k=\"a #b\"", "\"a"),
            ("k=a\t#b", "a"),
            ("k=a#b #c ;d", "a#b #c"),
            ("k=a #b ;c", "a"),
        ] {
            assert_eq!(value(&format!("[s]\n{line}\n")), expected, "{line}");
        }
    }

    #[test]
    fn value_continues_over_indented_lines() {
        assert_eq!(value("[s]\nk=a\n  b ;cut\n\n; no\n  # no\n  c\n\n"), "a\nb\n\nc");
        assert_eq!(value("[s]\n  k=a\n  l=b\n"), "a");
        assert_eq!(value("[s]\nk=\n  a\n"), "\na");
    }

    #[test]
    fn unreadable_line_is_an_error() {
        for (text, line, reason) in [
            ("k=1\n", 1, "before the first"),
            ("\u{feff}[s]\n", 1, "byte order mark"),
            ("[s]\n\nnonsense\n", 3, "neither"),
            ("[s]\n=1\n", 2, "no key"),
            ("[]\n", 1, "before the first"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}");
            assert!(error.reason.contains(reason), "{text:?}: {error}");
        }
        assert_eq!(parse("").unwrap(), Ini::default());
    }

    fn names(name: &str) -> Option<String> {
        match name {
            "program_name" => Some("web".into()),
            "process_num" => Some("7".into()),
            _ => None,
        }
    }

    #[test]
    fn expansion_gives_back_what_was_escaped() {
        for text in ["", "100%", "%%", "%(here)s", "%%(here)s %(x)s", "a"] {
            assert_eq!(expand(&escape_percent(text), &names).unwrap(), text);
            let once = expand(&escape_percent_twice(text), &names).unwrap();
            assert_eq!(expand(&once, &names).unwrap(), text);
            assert!(!escape_percent(text).contains("%(here)s"));
        }
    }

    #[test]
    fn foreign_expansions_are_read() {
        let process = "%(program_name)s_%(process_num)02d";
        assert_eq!(expand(process, &names).unwrap(), "web_07");
        assert_eq!(expand("%(process_num)3d|%(program_name).1s", &names).unwrap(), "  7|w");
        for bad in ["%", "a%d", "%(process_num)", "%(process_num", "%(program_name)d", "%(x)r"] {
            assert_eq!(expand(bad, &names), Err(ExpandError::Malformed), "{bad}");
        }
        assert_eq!(expand("%(ENV_X)s", &names), Err(ExpandError::UnknownName("ENV_X".into())));
        assert_eq!(expand("%(process_num)999999999d", &names), Err(ExpandError::Malformed));
    }

    #[test]
    fn environment_quotes_fit_values() {
        let variables = [("A", ""), ("B", "it's"), ("C", "say \"x\" \\n")];
        assert_eq!(quote_environment(variables), r#"A='',B="it's",C='say "x" \n'"#);
    }
}
