//! Time: how long something took, what time it is, and waiting.

use std::time::{Duration, Instant};

/// The clock as the engine sees it, so that a test can turn it by hand.
pub trait Clock {
    /// Time since some fixed moment; never goes back.
    fn now(&self) -> Duration;
    /// Lets `duration` pass.
    fn wait(&self, duration: Duration);
    /// The date, in UTC.
    fn timestamp(&self) -> jiff::Timestamp;
}

/// The machine's own clock.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock that begins now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn wait(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn timestamp(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}
