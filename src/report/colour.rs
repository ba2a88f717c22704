//! Colour, where text may carry it.

use anstyle::Style;

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
}
