//! The command line as somebody typed it, which hints repeat.

use crate::inventory::without_passwords;
use crate::system::shell;

/// The words of a command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Typed(Vec<String>);

impl Typed {
    /// Those of this process.
    pub(crate) fn here() -> Self {
        Self(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect())
    }

    /// The same command with one flag more, as a shell reads it. What holds secrets is not repeated.
    pub(crate) fn again_with(&self, flag: &str) -> String {
        let words = &self.0;
        if words.is_empty() || words.iter().any(|word| shown(word) != *word) {
            return format!("the same command with {flag}");
        }
        // What comes behind `--` is no flag.
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        let (flags, names) = words.split_at(end);
        command(
            flags.iter().map(String::as_str).chain([flag]).chain(names.iter().map(String::as_str)),
        )
    }

    /// The same of another verb, which takes the same flags.
    pub(crate) fn again_as(&self, verb: &str, other: &str) -> String {
        let verb = self.0.iter().position(|word| word == verb);
        let words = self.0.iter().enumerate();
        command(words.map(|(place, word)| if Some(place) == verb { other } else { word }))
    }
}

/// A command of ours as a shell reads it.
fn command<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words = words.map(shell::word);
    std::iter::once("supervisor-sync".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// A word of a command line without secrets.
pub(crate) fn shown(word: &str) -> String {
    match word.split_once('=') {
        Some((key, _)) if key.starts_with("environment") => format!("{key}=***"),
        _ => without_passwords(word).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_repeated_for_a_shell() {
        let again = |words: &[&str]| {
            Typed(words.iter().map(|word| (*word).to_owned()).collect()).again_with("--yes")
        };
        for (words, expected) in [
            (&["stop", "--site", "a.com"][..], "supervisor-sync stop --site a.com --yes"),
            (&["stop", "a b", "--on", "@eu"], "supervisor-sync stop 'a b' --on '@eu' --yes"),
            (&["stop", "--", "-odd"], "supervisor-sync stop --yes -- -odd"),
            (&["set", "a", "w", "environment.KEY=hunter2"], "the same command with --yes"),
            (&[], "the same command with --yes"),
        ] {
            assert_eq!(again(words), expected);
        }
    }
}
