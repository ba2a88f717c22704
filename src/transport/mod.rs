//! The same machine's work done by another process: as another user, on another machine.
//!
//! The far end is `supervisor-sync agent`, the same binary, which reads requests and writes events
//! and replies, each a line of JSON ([`wire`](crate::api::wire)). Lock, journal and rollback live there,
//! so that a caller that goes away leaves a host that finishes or undoes by itself.
//!
//! How the far end is started is all in which transports differ, and a file for each: `child.rs` (this
//! machine, perhaps through sudo), `ssh.rs`, `exec.rs` (whatever command gives a shell). The last two
//! find or bring the binary by the same `bootstrap.sh`. What is said after that, and what becomes of a
//! far end that is lost, silent or cannot be understood, is the same for all: [`FarHost`].

mod agent;
mod bootstrap;
mod child;
mod exec;
mod expected;
mod handshake;
mod limits;
mod listening;
mod payload;
mod persist;
mod refusals;
mod session;
mod ssh;
mod sudoers;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::api::{Reply, Request, Target};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::inventory::Host;
use crate::system::Interrupt;

pub(crate) use agent::serve;
pub(crate) use payload::{Payloads, platform};
pub(crate) use ssh::SshSettings;

use limits::Limits;
use listening::{AskError, ChildExit};
use session::Session;

/// A way to start the far end.
trait Transport: fmt::Debug + Send {
    /// Starts it, until it has introduced itself.
    fn connect(&mut self, interrupt: &Interrupt) -> Result<Session, CommandError>;

    /// The far end, as messages name it.
    fn display_name(&self) -> String;

    /// The hint at the command that shows how something ended there.
    fn how_it_ended(&self) -> String;

    /// It ended before its answer, which was to a request that `changes` something or to one that only
    /// looks.
    fn lost(&self, end: ChildExit, changes: bool) -> CommandError;
}

/// A machine at the far end of a pipe. One process for all requests, started when it is first asked.
#[derive(Debug)]
pub(crate) struct FarHost {
    transport: Box<dyn Transport>,
    session: Option<Session>,
    let_go: Option<Instant>,
    interrupt: Interrupt,
}

impl FarHost {
    /// This machine as root, through `sudo -n`. `binary` is this program's own path, absolute, as
    /// sudoers would name it.
    pub(crate) fn through_sudo(binary: PathBuf, interrupt: Interrupt) -> Self {
        Self::new(child::Child { binary, through_sudo: true }, interrupt)
    }

    /// This machine as who we are, for work that is to go on when we do not.
    pub(crate) fn as_we_are(binary: PathBuf, interrupt: Interrupt) -> Self {
        Self::new(child::Child { binary, through_sudo: false }, interrupt)
    }

    /// A host of the inventory through the system's OpenSSH.
    pub(crate) fn over_ssh(host: &Host, settings: SshSettings, interrupt: Interrupt) -> Self {
        Self::new(ssh::Ssh::new(host, settings), interrupt)
    }

    /// A host of the inventory through the command that it names.
    pub(crate) fn by_command(host: &Host, payloads: Arc<Payloads>, interrupt: Interrupt) -> Self {
        Self::new(exec::Exec::new(host, payloads), interrupt)
    }

    fn new(transport: impl Transport + 'static, interrupt: Interrupt) -> Self {
        Self { transport: Box::new(transport), session: None, let_go: None, interrupt }
    }

    /// An apply is not waited for beyond this: it goes on by itself, in a session of its own, and the
    /// reply is [`Reply::GoesOn`].
    pub(crate) fn waits_until(self, let_go: Option<Instant>) -> Self {
        Self { let_go, ..self }
    }
}

impl Target for FarHost {
    fn ask(
        &mut self,
        request: Request,
        events: &mut dyn FnMut(Event),
    ) -> Result<Reply, CommandError> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.transport.connect(&self.interrupt)?,
        };
        let changes = request.changes();
        let let_go = self.let_go.filter(|_| matches!(request, Request::Apply(_)));
        let limits = Limits { let_go, ..Limits::of(&request) };
        match session.ask(request, limits, &self.interrupt, events) {
            Ok(reply) => {
                self.session = Some(session);
                Ok(reply)
            }
            Err(AskError::Failed(error)) => {
                self.session = Some(session);
                Err(error)
            }
            Err(AskError::LetGo) => Ok(Reply::GoesOn),
            // If it was to change something, it may have.
            Err(AskError::Garbled(error)) if changes => {
                Err(error.of_kind(ErrorKind::Stuck).hint(self.transport.how_it_ended()))
            }
            Err(AskError::Garbled(error)) => Err(error),
            Err(AskError::Silent(_)) if self.interrupt.is_raised() => Err(interrupted()),
            Err(AskError::Silent(silence)) => Err(silent(&self.transport.display_name(), silence)),
            Err(AskError::Lost) => Err(self.transport.lost(session.close(), changes)),
        }
    }
}

/// Who only looks, and has said nothing for that long.
fn silent(who: &str, silence: Option<Duration>) -> CommandError {
    let seconds = silence.unwrap_or_default().as_secs();
    CommandError::refused(format!("{who} did not answer for {seconds} s"))
        .hint("check whether supervisor-sync hangs there, e.g. on a file system that is away")
}

/// Another machine is gone with a request under way.
fn lost_elsewhere(label: &refusals::HostLabel, end: ChildExit, changes: bool) -> CommandError {
    let last = end.stderr.last().cloned().unwrap_or(end.status);
    let refusals::HostLabel { name, shown, .. } = label;
    if !changes {
        return CommandError::refused(format!("the connection to {shown} was lost"))
            .because(last)
            .hint("nothing was changed: try again");
    }
    let message = format!("the connection to {shown} was lost while it was at work");
    CommandError::new(ErrorKind::Stuck, message)
        .because(last)
        .hint("the host goes on by itself: it finishes, or undoes what it cannot finish")
        .hint(format!("see how it ended: supervisor-sync plan --on {name}"))
}

/// Ctrl-C before anything was asked.
fn interrupted() -> CommandError {
    CommandError::new(ErrorKind::Interrupted, "interrupted before anything was done")
}
