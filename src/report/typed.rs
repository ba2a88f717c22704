//! The command line as somebody typed it, which hints repeat: what they print works as it is, on the same
//! inventory, hosts and sites.

use crate::inventory::without_passwords;
use crate::system::shell;

/// What a hint repeats of a command line, in the order in which it is said.
const REPEATED: [&str; 5] = ["--site", "--on", "--program", "--inventory", "--config"];
/// How a command of ours begins.
const COMMAND: &str = "supervisor-sync ";

/// The words of a command line.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    words: Vec<String>,
    /// Whether a verb takes a flag (`--site`).
    takes: fn(&str, &str) -> bool,
}

impl Typed {
    /// Those of this process.
    pub(crate) fn here(takes: fn(&str, &str) -> bool) -> Self {
        let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
        Self { words: words.collect(), takes }
    }

    /// Each word.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// The same command with one flag more, as a shell reads it. What holds secrets is not repeated.
    pub(crate) fn again_with(&self, flag: &str) -> String {
        let words = &self.words;
        if words.is_empty() || words.iter().any(|word| shown(word) != *word) {
            return format!("the same command with {flag}");
        }
        let (flags, names) = words.split_at(self.end_of_flags());
        let words = flags.iter().map(String::as_str).chain([flag]);
        command(words.chain(names.iter().map(String::as_str)))
    }

    /// The same of another verb, which takes the same flags.
    pub(crate) fn again_as(&self, verb: &str, other: &str) -> String {
        let verb = self.words.iter().position(|word| word == verb);
        let words = self.words.iter().enumerate();
        command(words.map(|(place, word)| if Some(place) == verb { other } else { word }))
    }

    /// A hint of which the commands have the flags that were typed, where they take them and have none
    /// themselves.
    pub(crate) fn repeated(&self, hint: &str) -> String {
        let mut text = String::with_capacity(hint.len());
        let mut rest = hint;
        while let Some(place) = rest.find(COMMAND) {
            let (before, from) = rest.split_at(place + COMMAND.len());
            let (command, behind) = from.split_at(end_of_command(from));
            text.push_str(before);
            text.push_str(command);
            text.push_str(&self.missing_in(command));
            rest = behind;
        }
        text + rest
    }

    /// The flags that a command (behind our name) lacks, each with a space before it.
    fn missing_in(&self, command: &str) -> String {
        let mut words = command.split(' ');
        let verb = words.next().unwrap_or_default();
        let has: Vec<&str> = words.map(|word| word.split('=').next().unwrap_or(word)).collect();
        let mut missing = String::new();
        for flag in REPEATED {
            // What an apply has to finish may be of other programs as well.
            let widens =
                flag == "--program" && verb == "apply" && self.words.iter().all(|w| w != verb);
            if has.contains(&flag) || widens || !(self.takes)(verb, flag) {
                continue;
            }
            for value in self.values(flag) {
                missing.push_str(&format!(" {flag} {}", shell::word(value)));
            }
        }
        missing
    }

    /// What was typed behind a flag.
    pub(crate) fn values<'t>(&'t self, flag: &'t str) -> impl Iterator<Item = &'t str> {
        let words = self.words.get(..self.end_of_flags()).unwrap_or_default();
        let short = if flag == "--inventory" { "-i" } else { flag };
        words.iter().enumerate().filter_map(move |(place, word)| match word.split_once('=') {
            Some((name, value)) if name == flag => Some(value),
            _ if word == flag || word == short => words.get(place + 1).map(String::as_str),
            _ => None,
        })
    }

    /// What comes behind `--` is no flag.
    fn end_of_flags(&self) -> usize {
        self.words.iter().position(|word| word == "--").unwrap_or(self.words.len())
    }
}

/// Where a command ends that stands in a sentence.
fn end_of_command(text: &str) -> usize {
    let ends = [";", "`", "\n", ", ", " (", COMMAND];
    let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_end().len()
}

/// A command of ours as a shell reads it.
fn command<'w>(words: impl Iterator<Item = &'w str>) -> String {
    COMMAND.to_owned() + &words.map(shell::word).collect::<Vec<_>>().join(" ")
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

    fn typed(words: &[&str]) -> Typed {
        let takes = |verb: &str, flag: &str| match verb {
            "plan" | "apply" | "logs" => true,
            "check" => flag == "--inventory" || flag == "--on",
            _ => false,
        };
        Typed { words: words.iter().map(|word| (*word).to_owned()).collect(), takes }
    }

    #[test]
    fn command_is_repeated_for_a_shell() {
        for (words, expected) in [
            (&["stop", "--site", "a.com"][..], "supervisor-sync stop --site a.com --yes"),
            (&["stop", "a b", "--on", "@eu"], "supervisor-sync stop 'a b' --on '@eu' --yes"),
            (&["stop", "--", "-odd"], "supervisor-sync stop --yes -- -odd"),
            (&["set", "a", "w", "environment.KEY=hunter2"], "the same command with --yes"),
            (&[], "the same command with --yes"),
        ] {
            assert_eq!(typed(words).again_with("--yes"), expected);
        }
        let stop = typed(&["--json", "stop", "queue"]);
        assert_eq!(stop.again_as("stop", "start"), "supervisor-sync --json start queue");
    }

    #[test]
    fn typed_flags_are_repeated_where_they_belong() {
        let flags =
            ["start", "-i", "my file.yml", "--on=web1", "--site", "a.com", "--program", "w"];
        for (hint, expected) in [
            (
                "look: supervisor-sync plan --site b.com; or not",
                "look: supervisor-sync plan --site b.com --on web1 --program w --inventory \
                 'my file.yml'; or not",
            ),
            (
                "`supervisor-sync check` shows it, supervisor-sync apply finishes it",
                "`supervisor-sync check --on web1 --inventory 'my file.yml'` shows it, \
                 supervisor-sync apply finishes it --site a.com --on web1 --inventory 'my file.yml'",
            ),
            ("install supervisor-sync there", "install supervisor-sync there"),
            ("run supervisor-sync as root", "run supervisor-sync as root"),
        ] {
            assert_eq!(typed(&flags).repeated(hint), expected);
        }
        let apply = typed(&["apply", "--program", "w", "--", "--site", "x"]);
        let hint = "finish it: supervisor-sync apply --site a.com";
        assert_eq!(
            apply.repeated(hint),
            "finish it: supervisor-sync apply --site a.com --program w"
        );
    }
}
