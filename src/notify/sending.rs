//! Commands of the inventory, run by `sh` on this machine.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::error::CommandError;
use crate::inventory::{LocalCommand, NoticeKind, Notices};
use crate::system::Interrupt;
use crate::system::child::{Bounds, Capture, Ended, fed};

/// How many commands run at once: a hundred servers that failed are told in the time of a few.
const AT_ONCE: usize = 8;
/// How much of what a command said is shown where it failed, in bytes.
const KEPT: usize = 2000;

/// The commands of an inventory, and where they run.
pub(crate) struct Commands<'c> {
    pub(crate) notices: &'c Notices,
    /// The inventory's folder.
    pub(crate) folder: &'c Path,
    pub(crate) interrupt: &'c Interrupt,
}

/// A notification as it is handed over.
#[derive(Debug)]
pub(crate) struct Message {
    /// What it is about, which says who hears it.
    pub(crate) kind: NoticeKind,
    /// What the command reads, at most 60 KiB.
    pub(crate) json: String,
    /// What else it is told, each by its name behind `SUPERVISOR_SYNC_`.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// How many notifications were sent, and those that were not.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) sent: usize,
    /// Each command that failed, once.
    pub(crate) failed: Vec<CommandError>,
}

impl Commands<'_> {
    /// Tells each of these to whoever wants to hear it, several at once.
    pub(crate) fn tell(&self, messages: &[Message]) -> Sent {
        let pairs: Vec<(&LocalCommand, &Message)> = messages
            .iter()
            .flat_map(|message| {
                let hearers =
                    self.notices.notify.iter().filter(|notify| notify.hears(message.kind));
                hearers.map(move |notify| (&notify.command, message))
            })
            .collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some((command, message)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let Message { json, variables, .. } = message;
                let ended = self.run("notify", command, variables, json.as_bytes());
                done.push((command.line, ended));
            }
            done
        };
        let ended: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..AT_ONCE.min(pairs.len())).map(|_| scope.spawn(work)).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
        });
        let mut sent = Sent::default();
        let mut told = std::collections::BTreeSet::new();
        for (line, ended) in ended {
            match ended {
                Ok(()) => sent.sent += 1,
                Err(error) if told.insert(line) => sent.failed.push(error),
                Err(_) => {}
            }
        }
        sent
    }

    /// Runs what comes before the first server changes.
    pub(crate) fn before(&self, run: &str, verb: &str) -> Result<(), CommandError> {
        let Some(command) = &self.notices.before else { return Ok(()) };
        let failed = self.run(
            "hooks.before",
            command,
            &[("RUN", run.to_owned()), ("COMMAND", verb.to_owned())],
            b"",
        );
        failed.map_err(|error| error.hint("nothing was changed"))
    }

    /// Runs what comes after the last.
    pub(crate) fn after(&self, run: &str, verb: &str, status: u8) -> Result<(), CommandError> {
        let Some(command) = &self.notices.after else { return Ok(()) };
        let variables = [
            ("RUN", run.to_owned()),
            ("COMMAND", verb.to_owned()),
            ("EXIT_STATUS", status.to_string()),
        ];
        let failed = self.run("hooks.after", command, &variables, b"");
        failed.map_err(|error| error.hint("the servers are as the lines above say"))
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: starts the inventory's own commands")]
    fn run(
        &self,
        what: &str,
        command: &LocalCommand,
        variables: &[(&str, String)],
        input: &[u8],
    ) -> Result<(), CommandError> {
        let LocalCommand { text, timeout, line } = command;
        let failed = |why: &str| {
            CommandError::refused(format!("the command of `{what}` (line {line}) {why}"))
        };
        let mut child = Command::new("sh");
        child.arg("-c").arg(text).current_dir(self.folder);
        for (name, value) in variables {
            child.env(format!("SUPERVISOR_SYNC_{name}"), value);
        }
        // What is already raised is why there is something to tell.
        let (limit, raised) = (Duration::from_secs((*timeout).into()), self.interrupt.is_raised());
        let stop = |elapsed| elapsed >= limit || (!raised && self.interrupt.is_raised());
        let bounds = Bounds { kept: KEPT, stop: &stop, signal: Signal::KILL };
        let ended =
            fed(input).and_then(|input| bounds.run_with(child, Capture::Both, input.into()));
        let (ended, said) = ended.map_err(|error| failed("cannot be run").caused_by(&error))?;
        let because = |error: CommandError| {
            let said = String::from_utf8_lossy(&said);
            match said.trim() {
                "" => error,
                said => error.because(crate::inventory::without_passwords(said)),
            }
        };
        match ended {
            Ended::With(status) if status.success() => Ok(()),
            Ended::With(status) => Err(because(failed(&format!("failed: {status}")))),
            Ended::Stopped => {
                Err(because(failed(&format!("took more than {timeout} s and was ended"))))
            }
        }
    }
}
