//! This machine through a child process: as root through `sudo -n`, never with a password prompt, or
//! as who we are, for work that is to go on when we do not.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::listening::{ChildExit, HandshakeError, WaitLimits};
use super::session::{LONGEST_NOISE, Session};
use super::{Transport, interrupted, sudoers};
use crate::error::{CommandError, ErrorKind};
use crate::system::{Interrupt, users};

/// How long it may take to begin: sudo may have to ask a directory server who we are.
const BEGIN: Duration = Duration::from_secs(60);

/// This program once more.
#[derive(Debug)]
pub(super) struct Child {
    /// Its own path, absolute.
    pub(super) binary: PathBuf,
    pub(super) through_sudo: bool,
}

impl Child {
    #[expect(clippy::disallowed_methods, reason = "an edge: a child process")]
    fn start(&self) -> Result<Session, CommandError> {
        let mut command = match self.through_sudo {
            true => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", "--"]).arg(&self.binary);
                sudo
            }
            false => Command::new(&self.binary),
        };
        Session::start(command.arg("agent")).map_err(|source| match self.through_sudo {
            true => CommandError::refused("cannot run sudo")
                .caused_by(&source)
                .hint("install sudo, or run it as root"),
            false => CommandError::refused(format!("cannot run {}", self.binary.display()))
                .caused_by(&source),
        })
    }

    fn not_begun(&self, end: ChildExit) -> CommandError {
        let reason = end.reason();
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

impl Transport for Child {
    fn connect(&mut self, interrupt: &Interrupt) -> Result<Session, CommandError> {
        let mut agent = self.start()?;
        let wait = WaitLimits {
            silence: Some(BEGIN),
            stderr: Some(LONGEST_NOISE),
            until: None,
            interrupt: Some(interrupt),
        };
        match agent.hello(wait) {
            Ok(()) => Ok(agent),
            Err(HandshakeError::OtherVersion(error)) => Err(error),
            Err(HandshakeError::Interrupted) => Err(interrupted()),
            Err(HandshakeError::Ended | HandshakeError::Silence) => {
                Err(self.not_begun(agent.close()))
            }
        }
    }

    fn display_name(&self) -> String {
        let name = if self.through_sudo { "supervisor-sync as root" } else { "supervisor-sync" };
        name.to_owned()
    }

    fn how_it_ended(&self) -> String {
        "see what is left to do: supervisor-sync plan".to_owned()
    }

    fn lost(&self, end: ChildExit, changes: bool) -> CommandError {
        let kind = if changes { ErrorKind::Stuck } else { ErrorKind::Refused };
        CommandError::new(kind, format!("{} ended before its answer", self.display_name()))
            .because(end.reason())
            .hint(self.how_it_ended())
    }
}
