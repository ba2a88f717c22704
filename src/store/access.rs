//! What a store needs of whoever opens it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::LONGEST_OBJECT;
use crate::error::{CommandError, ErrorKind};
use crate::system::child::{Answered, Bounds, Ended, fed};
use crate::system::{Interrupt, sanitized};

/// How much of the end of what `curl` or `git` says is kept, in bytes. Headers of an answer are in it.
const KEPT: usize = 64 * 1024;

/// What a store needs of whoever opens it.
#[derive(Clone)]
pub struct Access {
    /// What ends whatever is under way, unless somebody has heeded it already.
    pub interrupt: Interrupt,
    /// Where the clone of a git repository is kept. It can be thrown away at any time.
    pub cache: PathBuf,
    /// What `curl` and `git` are run in: proxies, certificates, agents, and the keys of a bucket.
    pub environment: BTreeMap<OsString, OsString>,
    /// How long is waited for what.
    pub patience: Patience,
}

/// How long is waited for a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until it can be spoken with.
    pub connect: Duration,
    /// Until it says more.
    pub silence: Duration,
    /// Until an object is there as a whole.
    pub whole: Duration,
}

impl Default for Patience {
    /// What is long for a network, and short for a timer that comes every minute.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            whole: Duration::from_secs(15 * 60),
        }
    }
}

/// How a program ended that was waited for.
pub(super) struct Finished {
    /// Whether it says of itself that all went well.
    pub(super) ok: bool,
    /// Its exit status, if it was not a signal that ended it.
    pub(super) status: Option<i32>,
    /// What it answered, and what it said of it.
    pub(super) said: Answered,
}

/// Why there is no answer of a program.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// It could not be started, or not be listened to.
    #[error("{program} cannot be run")]
    NotRun {
        /// The program's name.
        program: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Somebody asked us to stop.
    #[error("interrupted")]
    Interrupted,
    /// It went on for longer than it may.
    #[error("it took more than {} s and was given up", .0.as_secs())]
    TooSlow(Duration),
    /// It answered more than it may.
    #[error("it is longer than {} MiB", LONGEST_OBJECT >> 20)]
    TooLong,
}

impl Access {
    /// What this process finds around itself, with a folder for the clone of a git repository.
    pub fn of_this_process(cache: PathBuf, interrupt: Interrupt) -> Self {
        let environment = std::env::vars_os().collect();
        Self { interrupt, cache, environment, patience: Patience::default() }
    }

    /// The value of a variable, if it is text and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let value = self.environment.get(OsStr::new(name))?;
        value.to_str().filter(|value| !value.is_empty())
    }

    /// A program to be run in this environment.
    #[expect(clippy::disallowed_methods, reason = "an edge: curl and git")]
    pub(super) fn command(&self, program: &'static str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.environment);
        command
    }

    /// Runs a program to its end, which comes at the latest after `limit`.
    pub(super) fn run(
        &self,
        program: &'static str,
        command: Command,
        input: &[u8],
        limit: Duration,
    ) -> Result<Finished, NoAnswer> {
        // It is well below what any of our machines can address.
        let most = usize::try_from(LONGEST_OBJECT).unwrap_or(usize::MAX);
        let stop = |elapsed| elapsed >= limit || self.interrupt.is_news();
        let bounds = Bounds { kept: KEPT, stop: &stop, signal: Signal::KILL };
        let ran = fed(input).and_then(|input| bounds.answer(command, input.into(), most));
        let (ended, said) = ran.map_err(|source| NoAnswer::NotRun { program, source })?;
        if is_too_long(&said.stdout) {
            return Err(NoAnswer::TooLong);
        }
        match ended {
            Ended::With(status) => {
                Ok(Finished { ok: status.success(), status: status.code(), said })
            }
            Ended::Stopped if self.interrupt.is_news() => Err(NoAnswer::Interrupted),
            Ended::Stopped => Err(NoAnswer::TooSlow(limit)),
        }
    }
}

impl NoAnswer {
    /// As the failure of what is told by `what`.
    pub(super) fn of(self, what: String) -> CommandError {
        match &self {
            Self::Interrupted => {
                CommandError::new(ErrorKind::Interrupted, what).because("interrupted")
            }
            Self::NotRun { program, source } if source.kind() == std::io::ErrorKind::NotFound => {
                CommandError::refused(what)
                    .because(format!("{program} is not installed"))
                    .hint(format!("sudo apt-get install {program}"))
            }
            _ => CommandError::refused(what).caused_by(&self),
        }
    }
}

/// Whether nobody could read it.
pub(super) fn is_too_long(bytes: &[u8]) -> bool {
    bytes.len() as u64 > LONGEST_OBJECT
}

/// What another program said, for people: one line of it, without what a terminal would obey.
pub(super) fn words(text: &str) -> String {
    let shown = sanitized(&crate::system::passwords::without_passwords(text));
    crate::error::cut(shown.trim()).into_owned()
}
