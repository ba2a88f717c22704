//! What can come of listening to a child, and for how long one listens.

use std::time::{Duration, Instant};

use crate::error::CommandError;
use crate::system::Interrupt;

/// What came of listening for a line.
#[derive(Debug)]
pub(super) enum Heard {
    /// A line, without its end.
    Line(String),
    /// There will be no more.
    End,
    /// Nothing was said for as long as we would wait.
    Silence,
    /// Ctrl-C.
    Interrupted,
    /// More than [`LONGEST_ANSWER`](super::limits::LONGEST_ANSWER) without a line break, more on stderr than is listened to, or more
    /// time than there is.
    TooMuch,
}

/// How long to listen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience<'a> {
    /// For as long as neither end says anything; `None` for ever.
    pub(super) silence: Option<Duration>,
    /// For as long as stderr has not said more than this since the start; `None` whatever it says.
    pub(super) words: Option<usize>,
    /// Until then, also if something is said all the time; `None` for ever.
    pub(super) until: Option<Instant>,
    /// Until it is raised.
    pub(super) interrupt: Option<&'a Interrupt>,
}

/// Why an answer did not come.
#[derive(Debug)]
pub(super) enum NoReply {
    /// The child is gone.
    Lost,
    /// Nothing was said for longer than such a request takes; `None` if it was not waited for.
    Silent(Option<Duration>),
    /// It was not waited for any longer, and goes on.
    LetGo,
    /// The agent said why; it can be asked again.
    Said(CommandError),
    /// What the agent said cannot be understood, nor can what it says from now on.
    Garbled(CommandError),
}

/// Why an agent did not introduce itself.
#[derive(Debug)]
pub(super) enum NoHello {
    /// The child ended.
    Ended,
    /// It said nothing for too long.
    Silence,
    /// Ctrl-C.
    Interrupted,
    /// It is another version.
    Other(CommandError),
}

/// How a child ended.
#[derive(Debug)]
pub(super) struct Parting {
    /// The last of what it said on stderr, a line each, trimmed.
    pub(super) words: Vec<String>,
    /// Its exit status in words.
    pub(super) status: String,
}

impl Parting {
    /// All that it said, else how it ended.
    pub(super) fn reason(self) -> String {
        match self.words.is_empty() {
            true => self.status,
            false => self.words.join("; "),
        }
    }
}
