//! This machine through a child process: as root through `sudo -n`, never with a password prompt, or
//! as who we are, for work that is to go on when we do not. One process for all requests.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::conversation::{Conversation, LONGEST_NOISE, NoHello, NoReply, Patience};
use super::limits::Limits;
use super::{changes, garbled, interrupted, silent, sudoers};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::host::{Reply, Request, Target};
use crate::system::{Interrupt, users};

/// How long it may take to begin: sudo may have to ask a directory server who we are.
const BEGIN: Duration = Duration::from_secs(60);

/// This machine through a child process.
#[derive(Debug)]
pub struct ChildHost {
    binary: PathBuf,
    through_sudo: bool,
    let_go: Option<Instant>,
    interrupt: Interrupt,
    agent: Option<Conversation>,
}

impl ChildHost {
    /// As root. `binary` is this program's own path, absolute, as sudoers would name it.
    pub fn through_sudo(binary: PathBuf, interrupt: Interrupt) -> Self {
        Self { binary, through_sudo: true, let_go: None, interrupt, agent: None }
    }

    /// As who we are.
    pub fn as_we_are(binary: PathBuf, interrupt: Interrupt) -> Self {
        Self { through_sudo: false, ..Self::through_sudo(binary, interrupt) }
    }

    /// An apply is not waited for beyond this: it goes on by itself, in a session of its own, and the
    /// reply is [`Reply::GoesOn`].
    pub fn waits_until(self, let_go: Option<Instant>) -> Self {
        Self { let_go, ..self }
    }

    fn name(&self) -> &'static str {
        if self.through_sudo { "supervisor-sync as root" } else { "supervisor-sync" }
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: a child process")]
    fn start(&self) -> Result<Conversation, CommandError> {
        let mut command = match self.through_sudo {
            true => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", "--"]).arg(&self.binary);
                sudo
            }
            false => Command::new(&self.binary),
        };
        let mut agent = Conversation::start(command.arg("agent")).map_err(|source| {
            match self.through_sudo {
                true => CommandError::refused("cannot run sudo")
                    .caused_by(&source)
                    .hint("install sudo, or run it as root"),
                false => CommandError::refused(format!("cannot run {}", self.binary.display()))
                    .caused_by(&source),
            }
        })?;
        let patience = Patience {
            silence: Some(BEGIN),
            words: Some(LONGEST_NOISE),
            until: None,
            interrupt: Some(&self.interrupt),
        };
        match agent.hello(patience) {
            Ok(()) => Ok(agent),
            Err(NoHello::Other(error)) => Err(error),
            Err(NoHello::Interrupted) => Err(interrupted()),
            Err(NoHello::Ended | NoHello::Silence) => Err(self.not_begun(agent)),
        }
    }

    fn not_begun(&self, agent: Conversation) -> CommandError {
        let parting = agent.part();
        let words = parting.words.join("; ");
        let reason = if words.is_empty() { parting.status } else { words };
        match self.through_sudo {
            true => CommandError::refused("sudo did not run supervisor-sync")
                .because(reason)
                .hint(sudoers::hint_here(&users::current(), &self.binary)),
            false => {
                let message = format!("{} did not begin", self.binary.display());
                CommandError::refused(message).because(reason)
            }
        }
    }
}

impl Target for ChildHost {
    fn ask(
        &mut self,
        request: Request,
        events: &mut dyn FnMut(Event),
    ) -> Result<Reply, CommandError> {
        let mut agent = match self.agent.take() {
            Some(agent) => agent,
            None => self.start()?,
        };
        let changes = changes(&request);
        let let_go = self.let_go.filter(|_| matches!(request, Request::Apply(_)));
        let limits = Limits { let_go, ..Limits::of(&request) };
        match agent.ask(request, limits, &self.interrupt, events) {
            Ok(reply) => {
                self.agent = Some(agent);
                Ok(reply)
            }
            Err(NoReply::Said(error)) => {
                self.agent = Some(agent);
                Err(error)
            }
            Err(NoReply::LetGo) => Ok(Reply::GoesOn),
            Err(NoReply::Garbled(error)) => Err(garbled(error, changes, "supervisor-sync plan")),
            Err(NoReply::Silent(_)) if self.interrupt.is_raised() => Err(interrupted()),
            Err(NoReply::Silent(silence)) => Err(silent(self.name(), silence)),
            Err(NoReply::Lost) => {
                let parting = agent.part();
                let words = parting.words.join("; ");
                let kind = if changes { ErrorKind::Stuck } else { ErrorKind::Refused };
                let message = format!("{} ended before its answer", self.name());
                Err(CommandError::new(kind, message)
                    .because(if words.is_empty() { parting.status } else { words })
                    .hint("see what is left to do: supervisor-sync plan"))
            }
        }
    }
}
