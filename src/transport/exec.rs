//! A machine that a command of the inventory gives a shell on: a container, a jail, a machine behind
//! something that is not SSH.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;

use super::bootstrap::{self, BootstrapError};
use super::listening::ChildExit;
use super::payload::Payloads;
use super::refusals::{self, HostLabel};
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
    label: HostLabel,
    privilege: Option<Privilege>,
    payloads: Arc<Payloads>,
}

impl Exec {
    pub(super) fn new(host: &Host, payloads: Arc<Payloads>) -> Self {
        let name = host.name.to_string();
        let by_hand: Vec<String> = host.exec.iter().map(|word| shell::word(word)).collect();
        let label = HostLabel { shown: name.clone(), name, by_hand: by_hand.join(" ") };
        Self { command: host.exec.clone(), label, privilege: host.privilege, payloads }
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: a child process")]
    fn start(&self, offer: &str) -> Result<Session, CommandError> {
        let (program, arguments) = match self.command.split_first() {
            Some((program, arguments)) => (program.as_str(), arguments),
            None => ("", &[][..]),
        };
        let mut command = Command::new(program);
        command.args(arguments).args(bootstrap::arguments(offer, self.privilege));
        // Ctrl-C is ours to pass on: the agent then says how it ended.
        command.process_group(0);
        Session::start(&mut command).map_err(|source| {
            let name = &self.label.name;
            CommandError::refused(format!("cannot run {program}, by which {name} is reached"))
                .caused_by(&source)
                .hint(format!("install it, or fix `exec` of server {name} in the inventory"))
        })
    }
}

impl Transport for Exec {
    fn connect(&mut self, interrupt: &Interrupt) -> Result<Session, CommandError> {
        let session = self.start(&self.payloads.offer()?)?;
        let label = &self.label;
        bootstrap::follow(session, &self.payloads, interrupt).map_err(|failed| match failed {
            BootstrapError::Silence => refusals::hangs(label),
            BootstrapError::Ended { noise, end } => refusals::no_shell(label, noise, end),
            BootstrapError::GaveUp { at, words } => refusals::gave_up(label, &at, &words),
            BootstrapError::NotRun(agent, end) => refusals::not_run(label, &agent, end),
            BootstrapError::Error(error) => error,
        })
    }

    fn display_name(&self) -> String {
        self.label.shown.clone()
    }

    fn how_it_ended(&self) -> String {
        format!("see how it ended: supervisor-sync plan --on {}", self.label.name)
    }

    fn lost(&self, end: ChildExit, changes: bool) -> CommandError {
        lost_elsewhere(&self.label, end, changes)
    }
}
