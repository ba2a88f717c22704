//! How much a far end may say, and for how long. It may be anybody: a broken host, or a hostile one.
//!
//! A verb that only looks has an end: its answer has a size, what happens meanwhile is little, and who
//! gives up has lost nothing. A verb that changes something has none: programs may drain for hours
//! and tell of it, and giving up would not stop the host. What it says passes through and is never
//! kept, so it needs no bound in all; each line has one, and Ctrl-C ends it.

use std::time::{Duration, Instant};

use crate::api::Request;
use crate::event::Event;

/// The longest line of an agent that is accepted, in bytes: the plan of some thousand programs, each
/// with its whole diff, fits.
pub(super) const LONGEST_ANSWER: usize = 8 * 1024 * 1024;

/// How many values a line may hold, about: one takes some 64 bytes once it is read, many times
/// what it takes in the line.
const MOST_VALUES: usize = 500_000;

/// How long a host may say nothing while it only looks, well beyond what any of it takes: a call of
/// supervisord's may take a minute, and a watch tells that it goes on. supervisord itself may take longer
/// to read thousands of files, and says nothing meanwhile: the host says beforehand for how long it waits
/// for that ([`Limits::silence_after`]).
const SILENCE: Duration = Duration::from_secs(300);

/// How long a look may take in all, signs of life or not.
const LOOK: Duration = Duration::from_secs(3600);

/// How many bytes a look may tell before its answer: warnings and signs of life.
const TOLD: usize = 1024 * 1024;

/// The longest line of a log, escaped, with its wrapping.
const LOG_LINE: usize = 512 * 1024;

/// The bounds of one request; `None` is none. A link that is dead is ssh's to notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// How long nothing may be said.
    pub(super) silence: Option<Duration>,
    /// How long it may take in all. Without it stderr may be endless, too.
    pub(super) time: Option<Duration>,
    /// How many bytes of events there may be.
    pub(super) events: Option<usize>,
    /// When an apply goes on without its caller, provided that supervisord has accepted the files: what
    /// is left to do then are processes. `None`: never.
    pub(super) let_go: Option<Instant>,
}

impl Limits {
    pub(super) fn of(request: &Request) -> Self {
        if request.changes() {
            return Self { silence: None, time: None, events: None, let_go: None };
        }
        let (time, events) = match request {
            Request::Status { watch, .. } => {
                (LOOK + Duration::from_secs(u64::from(*watch)), Some(TOLD))
            }
            Request::Logs(logs) if logs.follow => {
                return Self { silence: Some(SILENCE), time: None, events: None, let_go: None };
            }
            Request::Logs(logs) => {
                let files = logs.sites.iter().map(|site| site.site.number_of_logs());
                let lines = files.sum::<usize>().saturating_mul(logs.lines as usize);
                (LOOK, Some(lines.saturating_mul(LOG_LINE).saturating_add(TOLD)))
            }
            _ => (LOOK, Some(TOLD)),
        };
        Self { silence: Some(SILENCE), time: Some(time), events, let_go: None }
    }
}

impl Limits {
    /// How long nothing may be said once this was.
    pub(super) fn silence_after(&self, event: &Event) -> Option<Duration> {
        let silence = self.silence?;
        let Event::Reading { seconds: Some(seconds), .. } = event else { return Some(silence) };
        // Whatever it says, all of it has an end.
        Some(silence.saturating_add(Duration::from_secs(*seconds)).min(LOOK))
    }
}

/// Whether reading a line takes memory in proportion to its length. Each value but the first of its
/// list or map has a comma before it.
pub(super) fn reads_cheaply(line: &str) -> bool {
    line.bytes().filter(|byte| *byte == b',').count() <= MOST_VALUES
}
