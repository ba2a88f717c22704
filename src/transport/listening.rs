//! What can come of listening to a child, and for how long one listens.

use std::time::{Duration, Instant};

use crate::error::CommandError;
use crate::system::Interrupt;

/// What listening for a line has brought.
#[derive(Debug)]
pub(super) enum Received {
    /// A line, without its end.
    Line(String),
    /// The end of stdout.
    End,
    /// Nothing within [`WaitLimits::silence`].
    Silence,
    Interrupted,
    /// More than [`LONGEST_ANSWER`](super::limits::LONGEST_ANSWER) without a line break, more on stderr than is listened to, or more
    /// time than there is.
    TooMuch,
}

/// How long to listen for a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct WaitLimits<'a> {
    /// How long neither end may write anything; `None` for ever.
    pub(super) silence: Option<Duration>,
    /// As long as stderr has not written more bytes than this since the start; `None` without a bound.
    pub(super) stderr: Option<usize>,
    /// When it ends although something is still written; `None` for ever.
    pub(super) until: Option<Instant>,
    /// Ends it as soon as it is raised.
    pub(super) interrupt: Option<&'a Interrupt>,
}

/// Why a request has no reply.
#[derive(Debug)]
pub(super) enum AskError {
    /// The child has ended.
    Lost,
    /// No line for this long, which is more than such a request takes; `None` if it was not waited for.
    Silent(Option<Duration>),
    /// It was not waited for any longer, and goes on.
    LetGo,
    /// The agent has refused it, or failed; it can be asked again.
    Failed(CommandError),
    /// The agent sent something that cannot be read, so that nothing it sends from now on can be.
    Garbled(CommandError),
}

/// Why no agent has said hello.
#[derive(Debug)]
pub(super) enum HandshakeError {
    /// The child ended.
    Ended,
    /// No line within [`WaitLimits::silence`].
    Silence,
    Interrupted,
    /// It speaks another version of the protocol.
    OtherVersion(CommandError),
}

/// How a child ended.
#[derive(Debug)]
pub(super) struct ChildExit {
    /// The last lines of its stderr, trimmed.
    pub(super) stderr: Vec<String>,
    /// Its exit status, as a message has it.
    pub(super) status: String,
}

impl ChildExit {
    /// What it wrote to stderr, else its exit status.
    pub(super) fn reason(self) -> String {
        match self.stderr.is_empty() {
            true => self.status,
            false => self.stderr.join("; "),
        }
    }
}
