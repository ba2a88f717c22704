//! A machine that a command of the inventory gives a shell on: a container, a jail, a machine behind
//! something that is not SSH.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;

use super::bootstrap::{self, NoAgent};
use super::heard::Parting;
use super::payload::Payload;
use super::refusals::{self, Place};
use super::session::Session;
use super::{Transport, lost_elsewhere};
use crate::error::CommandError;
use crate::inventory::{Host, Privilege};
use crate::system::{Interrupt, shell};

/// A host behind a command.
#[derive(Debug)]
pub(super) struct Exec {
    /// The program and its arguments; what is to be run there comes after them.
    command: Vec<String>,
    place: Place,
    privilege: Option<Privilege>,
    payload: Arc<Payload>,
}

impl Exec {
    pub(super) fn new(host: &Host, payload: Arc<Payload>) -> Self {
        let name = host.name.to_string();
        let by_hand: Vec<String> = host.exec.iter().map(|word| shell::word(word)).collect();
        let place = Place { shown: name.clone(), name, by_hand: by_hand.join(" ") };
        Self { command: host.exec.clone(), place, privilege: host.privilege, payload }
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: a child process")]
    fn start(&self, digest: &str) -> Result<Session, CommandError> {
        let (program, arguments) = match self.command.split_first() {
            Some((program, arguments)) => (program.as_str(), arguments),
            None => ("", &[][..]),
        };
        let mut command = Command::new(program);
        command.args(arguments).args(bootstrap::arguments(digest, self.privilege));
        // Ctrl-C is ours to pass on: the agent then says how it ended.
        command.process_group(0);
        Session::start(&mut command).map_err(|source| {
            let name = &self.place.name;
            CommandError::refused(format!("cannot run {program}, by which {name} is reached"))
                .caused_by(&source)
                .hint(format!("install it, or correct `exec` of server {name} in the inventory"))
        })
    }
}

impl Transport for Exec {
    fn connect(&mut self, interrupt: &Interrupt) -> Result<Session, CommandError> {
        let session = self.start(&self.payload.measured()?.digest)?;
        let place = &self.place;
        bootstrap::follow(session, &self.payload, interrupt).map_err(|failed| match failed {
            NoAgent::Silence => refusals::hangs(place),
            NoAgent::Ended { noise, end } => refusals::no_shell(place, noise, end),
            NoAgent::GaveUp { at, words } => refusals::gave_up(place, &at, &words),
            NoAgent::NotRun(agent, end) => refusals::not_run(place, &agent, end),
            NoAgent::Error(error) => error,
        })
    }

    fn shown(&self) -> String {
        self.place.shown.clone()
    }

    fn plan_command(&self) -> String {
        format!("supervisor-sync plan --on {}", self.place.name)
    }

    fn lost(&self, end: Parting, changes: bool) -> CommandError {
        lost_elsewhere(&self.place, end, changes)
    }
}
