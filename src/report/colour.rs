//! Colours: what has which, in one place, where text may carry any. No meaning is in a colour alone: each word
//! and sign says the same without.

use anstyle::{AnsiColor, Style};

/// What is as it should be, and what is new.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What is not, and what goes.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// What changes, and what somebody should look at.
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
/// What a line is about.
pub(crate) const STRONG: Style = Style::new().bold();
/// What is beside the point.
pub(super) const QUIET: Style = Style::new().dimmed();
/// `error:`, as clap has it.
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// `warning:`.
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// `hint:`.
pub(super) const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Words that have a colour wherever they stand in a line of ours. Where one begins like another, the longer
/// one comes first.
const WORDS: [(&str, Style); 13] = [
    ("RUNNING", GOOD),
    ("STARTING", ODD),
    ("BACKOFF", ODD),
    ("STOPPING", ODD),
    ("STOPPED", ODD),
    ("EXITED", ODD),
    ("FATAL", BAD),
    ("UNKNOWN", BAD),
    ("not healthy", BAD),
    ("healthy", GOOD),
    ("rolled back", BAD),
    ("applied as revision", GOOD),
    ("failed", BAD),
];

/// Whether text carries colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Escape sequences, for a terminal.
    Ansi,
    /// No escape sequences, for files and pipes.
    Plain,
}

impl Colour {
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        match self {
            Self::Ansi => format!("{style}{text}{style:#}"),
            Self::Plain => text.to_owned(),
        }
    }

    /// A line of a unified diff in the colour of its sign.
    pub(super) fn diff_line(self, line: &str) -> String {
        let is_name = line.starts_with("--- ") || line.starts_with("+++ ");
        let style = match line.chars().next() {
            _ if is_name => STRONG,
            Some('+') => GOOD,
            Some('-') => BAD,
            Some('@') => QUIET,
            _ => return line.to_owned(),
        };
        self.paint(style, line)
    }

    /// The text with its [words](WORDS) in their colours. It carries none yet.
    pub(crate) fn words(self, text: &str) -> String {
        if self == Self::Plain {
            return text.to_owned();
        }
        let mut painted = String::with_capacity(text.len());
        let (mut rest, mut before) = (text, ' ');
        while let Some(first) = rest.chars().next() {
            let found = WORDS.iter().filter(|_| is_between_words(before)).find(|(word, _)| {
                let behind = rest.strip_prefix(word).map(|behind| behind.chars().next());
                behind.is_some_and(|behind| behind.is_none_or(is_between_words))
            });
            let length = match found {
                Some((word, style)) => {
                    painted.push_str(&self.paint(*style, word));
                    word.len()
                }
                None => {
                    painted.push(first);
                    first.len_utf8()
                }
            };
            before = rest.get(..length).and_then(|said| said.chars().next_back()).unwrap_or(' ');
            rest = rest.get(length..).unwrap_or_default();
        }
        painted
    }
}

/// Whether no word goes on here: one in a name (`a.com-healthy`) or a path is none.
fn is_between_words(character: char) -> bool {
    !character.is_alphanumeric() && !matches!(character, '-' | '_' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_painted_names_are_not() {
        let painted = |text| Colour::Ansi.words(text).replace('\u{1b}', "");
        for (text, expected) in [
            ("a.com-w: healthy", "a.com-w: [32mhealthy[0m"),
            ("a.com-w not healthy", "a.com-w [31mnot healthy[0m"),
            ("w  RUNNING x4, FATAL", "w  [32mRUNNING[0m x4, [31mFATAL[0m"),
            ("a.com-healthy: started", "a.com-healthy: started"),
            ("unhealthy RUNNINGS /healthy", "unhealthy RUNNINGS /healthy"),
            ("rolled back, it is", "[31mrolled back[0m, it is"),
            ("é healthy", "é [32mhealthy[0m"),
        ] {
            assert_eq!(painted(text), expected);
            assert_eq!(Colour::Plain.words(text), text);
        }
    }
}
