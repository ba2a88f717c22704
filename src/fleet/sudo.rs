//! This machine, as root through `sudo -n`: one process for all requests, never a password prompt.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::conversation::{Conversation, LONGEST_NOISE, NoHello, NoReply, Patience};
use super::limits::Limits;
use super::{changes, garbled, interrupted, silent, sudoers};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::host::{Reply, Request, Target};
use crate::system::{Interrupt, users};

/// How long sudo may take to begin: it may have to ask a directory server who we are.
const BEGIN: Duration = Duration::from_secs(60);

/// This machine through sudo.
#[derive(Debug)]
pub struct SudoHost {
    binary: PathBuf,
    interrupt: Interrupt,
    agent: Option<Conversation>,
}

impl SudoHost {
    /// `binary` is this program's own path, absolute, as sudoers would name it.
    pub fn new(binary: PathBuf, interrupt: Interrupt) -> Self {
        Self { binary, interrupt, agent: None }
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: sudo")]
    fn start(&self) -> Result<Conversation, CommandError> {
        let mut command = Command::new("sudo");
        command.args(["-n", "--"]).arg(&self.binary).arg("agent");
        let mut agent = Conversation::start(&mut command).map_err(|source| {
            CommandError::refused("cannot run sudo")
                .caused_by(&source)
                .hint("install sudo, or run it as root")
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
            Err(NoHello::Ended | NoHello::Silence) => {
                let parting = agent.part();
                let words = parting.words.join("; ");
                Err(CommandError::refused("sudo did not run supervisor-sync")
                    .because(if words.is_empty() { parting.status } else { words })
                    .hint(sudoers::hint_here(&users::current(), &self.binary)))
            }
        }
    }
}

impl Target for SudoHost {
    fn ask(
        &mut self,
        request: Request,
        events: &mut dyn FnMut(Event),
    ) -> Result<Reply, CommandError> {
        let mut agent = match self.agent.take() {
            Some(agent) => agent,
            None => self.start()?,
        };
        let (changes, limits) = (changes(&request), Limits::of(&request));
        match agent.ask(request, limits, &self.interrupt, events) {
            Ok(reply) => {
                self.agent = Some(agent);
                Ok(reply)
            }
            Err(NoReply::Said(error)) => {
                self.agent = Some(agent);
                Err(error)
            }
            Err(NoReply::Garbled(error)) => Err(garbled(error, changes, "supervisor-sync plan")),
            Err(NoReply::Silent) if self.interrupt.is_raised() => Err(interrupted()),
            Err(NoReply::Silent) => Err(silent("supervisor-sync as root", limits.silence)),
            Err(NoReply::Lost) => {
                let parting = agent.part();
                let words = parting.words.join("; ");
                let kind = if changes { ErrorKind::Stuck } else { ErrorKind::Refused };
                Err(CommandError::new(kind, "supervisor-sync as root ended before its answer")
                    .because(if words.is_empty() { parting.status } else { words })
                    .hint("see what is left to do: supervisor-sync plan"))
            }
        }
    }
}
