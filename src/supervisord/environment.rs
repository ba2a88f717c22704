//! What `%(ENV_X)s` stands for in supervisord's files: the environment it was started with, and what
//! `[supervisord] environment=` adds to it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::running;

/// The variables that supervisord expands. Its values show in no `Debug`.
#[derive(Clone, Default)]
pub struct Environment {
    /// The main file and the pidfile by which the process is found, once it is needed.
    daemon: Option<(PathBuf, Option<PathBuf>)>,
    process: OnceCell<Variables>,
    added: Variables,
}

type Variables = BTreeMap<String, String>;

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("daemon", &self.daemon).finish_non_exhaustive()
    }
}

impl Environment {
    /// Of the supervisord with this main file. Nothing is looked at before a variable is asked for.
    pub(super) fn of(main: &Path, pidfile: Option<PathBuf>) -> Self {
        let daemon = Some((main.to_owned(), pidfile));
        Self { daemon, ..Self::default() }
    }

    /// Of nobody that runs.
    pub fn given<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let variables = variables.into_iter();
        let variables: Variables =
            variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { process: OnceCell::from(variables), ..Self::default() }
    }

    /// The variables of an `environment=`, as it stands; none where supervisord refuses it.
    pub fn variables_of(value: &str) -> Vec<(String, String)> {
        pairs(value).unwrap_or_default().into_iter().collect()
    }

    /// Adds what `[supervisord] environment=` says, which must be expanded. Before 4.2.2 supervisord refuses a
    /// name that only this has, so there it does no harm.
    pub(super) fn add(&mut self, value: &str) {
        self.added.extend(pairs(value).unwrap_or_default());
    }

    /// The variables that a file names: X of each `%(ENV_X)s`.
    pub fn named_in(file: &[u8]) -> BTreeSet<String> {
        const EXPANSION: &str = "%(ENV_";
        let text = String::from_utf8_lossy(file);
        let mut names = BTreeSet::new();
        for (at, _) in text.match_indices(EXPANSION) {
            let name = text.get(at + EXPANSION.len()..).and_then(|rest| rest.split_once(')'));
            names.extend(name.map(|(name, _)| name.to_owned()));
        }
        names
    }

    /// What an expansion of this name gives: `ENV_X`, or `host_node_name` is not among them.
    pub fn expansion(&self, name: &str) -> Option<String> {
        let name = name.strip_prefix("ENV_")?;
        self.added.get(name).or_else(|| self.process().get(name)).cloned()
    }

    /// Of a supervisord that does not run, or that we may not look at, our own is the best guess: it is
    /// what supervisorctl takes.
    fn process(&self) -> &Variables {
        self.process.get_or_init(|| {
            let daemon = self.daemon.as_ref();
            let pid = daemon.and_then(|(main, pidfile)| running::find(main, pidfile.as_deref()));
            pid.and_then(running::environment).unwrap_or_else(own)
        })
    }
}

fn own() -> Variables {
    std::env::vars_os()
        .map(|(name, value)| {
            (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
        })
        .collect()
}

/// `KEY=val,KEY2="val 2"` as supervisord reads it (`datatypes.py`, `dict_of_key_value_pairs`); `None`
/// where it refuses it.
pub(super) fn pairs(value: &str) -> Option<Variables> {
    let tokens = tokens(value)?;
    let mut pairs = BTreeMap::new();
    for pair in tokens.chunks(4) {
        let [name, sign, value, ..] = pair else { return None };
        if sign != "=" {
            return None;
        }
        pairs.insert(name.clone(), value.trim_matches(['\'', '"']).to_owned());
    }
    Some(pairs)
}

/// Whether all of 4.x read these variables the same, before `%` is expanded as well as after: 4.4 knows
/// escapes within double quotes, those before do not; and what a `%` outside of quotes expands to is read
/// word by word.
pub(super) fn is_read_alike(value: &str) -> bool {
    let mut open = None;
    let mut characters = value.chars().peekable();
    while let Some(c) = characters.next() {
        match (open, c) {
            (None, '%' | '\\') => return false,
            (Some('"'), '\\') if matches!(characters.peek(), None | Some('\\' | '"')) => {
                return false;
            }
            (None, '\'' | '"') => open = Some(c),
            (Some(quote), c) if c == quote => open = None,
            _ => {}
        }
    }
    true
}

/// The variables of a value with `%(NAME)s` outside of quotes, as if each were in quotes: that is the same where
/// what it stands for is one word. `None` where it is not, or where anything else is read differently.
pub(super) fn unquoted(
    value: &str,
    expansion: &dyn Fn(&str) -> Option<String>,
) -> Option<Variables> {
    // A word in place of each, so that what is around it is split as it will be.
    const WORD: &str = "expansion_";
    if value.contains(WORD) {
        return None;
    }
    let mut expansions = Vec::new();
    let mut text = String::new();
    let mut open = None;
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        if let (None, Some((name, after))) =
            (open, rest.strip_prefix("%(").and_then(|rest| rest.split_once(")s")))
        {
            let word = expansion(name)?;
            if word.is_empty() || !word.chars().all(is_of_word) {
                return None;
            }
            text += &format!("{WORD}{}_", expansions.len());
            expansions.push(format!("%({name})s"));
            rest = after;
            continue;
        }
        match (open, c) {
            (None, '\'' | '"') => open = Some(c),
            (Some(quote), c) if c == quote => open = None,
            _ => {}
        }
        text.push(c);
        rest = &rest[c.len_utf8()..];
    }
    if !is_read_alike(&text) {
        return None;
    }
    let mut variables = pairs(&text)?;
    if variables.keys().any(|name| name.contains(WORD)) {
        return None;
    }
    for value in variables.values_mut() {
        for (number, said) in expansions.iter().enumerate() {
            *value = value.replace(&format!("{WORD}{number}_"), said);
        }
    }
    Some(variables)
}

/// Python's `shlex.shlex(value)`, not POSIX, with `/.+-():` among the characters of a word; `None` if a
/// quote is not closed.
fn tokens(value: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' | '\t' | '\r' | '\n' => {
                rest = &rest[1..];
                continue;
            }
            '#' => {
                rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
                continue;
            }
            '\'' | '"' => rest[1..].find(first)? + 2,
            _ if is_of_word(first) => {
                rest.find(|c| !is_of_word(c) && c != '\'' && c != '"').unwrap_or(rest.len())
            }
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after;
    }
    Some(tokens)
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_/.+-():".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `dict_of_key_value_pairs` of 4.2.5 gives them.
    #[test]
    fn environment_reads_as_in_supervisord() {
        let read = |text: &str| pairs(text).map(|pairs| pairs.into_iter().collect::<Vec<_>>());
        let some = |expected: &[(&str, &str)]| {
            Some(expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
        };
        for (text, expected) in [
            ("", some(&[])),
            ("A=b", some(&[("A", "b")])),
            ("A=b,C=d", some(&[("A", "b"), ("C", "d")])),
            ("A='b,c',C=\"d e\"", some(&[("A", "b,c"), ("C", "d e")])),
            ("A=/x/y.z:(1)+2-3", some(&[("A", "/x/y.z:(1)+2-3")])),
            ("A=b ,\n C = d\n", some(&[("A", "b"), ("C", "d")])),
            ("A=''", some(&[("A", "")])),
            ("A", None),
            ("A=", None),
            ("A='b", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn configured_variables_go_first() {
        let mut environment = Environment::given([("A", "process"), ("B", "process")]);
        environment.add("A=added");
        let expansion = |name| environment.expansion(name);
        assert_eq!(expansion("ENV_A").as_deref(), Some("added"));
        assert_eq!(expansion("ENV_B").as_deref(), Some("process"));
        assert_eq!(expansion("ENV_C"), None);
        assert_eq!(expansion("A"), None);
        assert!(!format!("{environment:?}").contains("added"));
    }
}
