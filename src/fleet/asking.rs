//! The doors to hosts, and asking many of them at once.

use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit, setrlimit};

use super::host_work::HostWork;
use super::left::Leavers;
use super::rollout::{HostOutcome, HostProgress, InTurn, NotReached, Rules, roll_out};
use crate::api::Target;
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::host::LocalHost;
use crate::inventory::{Connection, Host, Privilege};
use crate::system::{Interrupt, users};
use crate::transport::{FarHost, SshSettings};

/// The way to hosts.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// How ssh is run.
    pub(crate) ssh: SshSettings,
    pub(crate) interrupt: Interrupt,
    /// Who wants to know.
    pub(crate) watcher: Option<Box<dyn Watcher>>,
}

/// Who is told of whom an answer is waited for: a host that says nothing is to be named.
pub(crate) trait Watcher: std::fmt::Debug + Send + Sync {
    /// A host is asked something.
    fn asked(&self, host: &str);

    /// It has answered, or never will.
    fn answered(&self, host: &str);
}

impl Fleet {
    /// The door to a host. Nothing is connected to before it is asked something.
    pub(crate) fn connect(&self, host: &Host) -> Result<Box<dyn Target>, CommandError> {
        let interrupt = self.interrupt.clone();
        match host.connection {
            Connection::Ssh => Ok(Box::new(FarHost::over_ssh(host, self.ssh.clone(), interrupt))),
            Connection::Exec => {
                let payloads = Arc::clone(&self.ssh.payloads);
                Ok(Box::new(FarHost::by_command(host, payloads, interrupt)))
            }
            Connection::Local => match host.privilege {
                Some(Privilege::Sudo) => self.sudo(),
                None if !users::is_root() => self.sudo(),
                Some(Privilege::Root | Privilege::None) | None => Ok(self.local()),
            },
        }
    }

    /// This machine, as whoever we are.
    pub(crate) fn local(&self) -> Box<dyn Target> {
        let state = LocalHost::default_state_base();
        Box::new(LocalHost::new(state, self.interrupt.clone()))
    }

    /// This machine, through sudo.
    fn sudo(&self) -> Result<Box<dyn Target>, CommandError> {
        Ok(Box::new(FarHost::through_sudo(own_path()?, self.interrupt.clone())))
    }

    /// Asks each host, many at once, and returns the answers in the inventory's order. For answers that
    /// are small: all of them are kept.
    pub(crate) fn on_each<R: Send>(
        &self,
        work: &[HostWork],
        rules: Rules,
        ask: &(impl Fn(&HostWork, &mut dyn Target) -> Result<R, CommandError> + Sync),
    ) -> Vec<Result<R, CommandError>> {
        let mut answers = Vec::with_capacity(work.len());
        self.on_each_in_turn(work, rules, ask, &mut |_, answer| answers.push(answer));
        answers
    }

    /// Asks each host, many at once, and hands on each answer in the inventory's order, as soon as all
    /// hosts before it have answered. An answer waits until then, so `ask` makes of it what is to be
    /// shown.
    pub(crate) fn on_each_in_turn<'w, R: Send>(
        &self,
        work: &'w [HostWork],
        rules: Rules,
        ask: &(impl Fn(&'w HostWork, &mut dyn Target) -> Result<R, CommandError> + Sync),
        each: &mut dyn FnMut(&'w HostWork, Result<R, CommandError>),
    ) {
        let mut turns = InTurn::default();
        self.on_each_with_progress(
            work,
            rules,
            &|work, host, _| ask(work, host),
            &mut |progress| {
                let Some((place, answer)) = progress.result() else { return };
                turns.ended(place, answer, &mut |place: usize, answer| {
                    if let Some(work) = work.get(place) {
                        each(work, answer);
                    }
                });
            },
        );
    }

    /// The same of verbs that also learn of the sites that left. `check` sees those of all hosts in the
    /// end, and may refuse the whole; where it may (`waits`), nothing is handed on before.
    pub(crate) fn on_each_checked<'w, R: Send>(
        &self,
        (work, rules): (&'w [HostWork], Rules),
        ask: &(impl Fn(&'w HostWork, &mut dyn Target) -> Result<(R, Leavers), CommandError> + Sync),
        (waits, check): (bool, impl FnOnce(&[&Leavers]) -> Result<(), CommandError>),
        each: &mut dyn FnMut(&'w HostWork, Result<R, CommandError>),
    ) -> Result<(), CommandError> {
        let mut leavers = Vec::with_capacity(work.len());
        let mut waiting = Vec::new();
        self.on_each_in_turn(work, rules, ask, &mut |work, answer| {
            let answer = answer.map(|(shown, left)| {
                leavers.push(left);
                shown
            });
            match waits {
                true => waiting.push((work, answer)),
                false => each(work, answer),
            }
        });
        check(&leavers.iter().collect::<Vec<_>>())?;
        waiting.into_iter().for_each(|(work, answer)| each(work, answer));
        Ok(())
    }

    /// Asks each host, many at once, and tells what happens on each, and its answer when it comes.
    pub(crate) fn on_each_with_progress<'w, R: Send>(
        &self,
        work: &'w [HostWork],
        rules: Rules,
        ask: &(
             impl Fn(&'w HostWork, &mut dyn Target, &mut dyn FnMut(Event)) -> Result<R, CommandError>
             + Sync
         ),
        progress: &mut impl FnMut(HostProgress<Result<R, CommandError>>),
    ) {
        allow_many_files();
        roll_out(
            work.iter().collect(),
            rules,
            &self.interrupt,
            &|work: &'w HostWork, events: &mut dyn FnMut(Event)| {
                let host = self.connect(&work.host);
                let answer = host.and_then(|mut host| ask(work, host.as_mut(), events));
                let outcome = HostOutcome::of(&answer);
                (answer, outcome)
            },
            &mut |happened| {
                self.watch(work, &happened);
                progress(happened);
            },
        );
    }

    /// Tells whoever watches of whom an answer is waited for. Who says anything goes on by itself.
    pub(super) fn watch<R>(&self, work: &[HostWork], happened: &HostProgress<R>) {
        let Some(watcher) = &self.watcher else { return };
        match happened {
            HostProgress::Started(host) => {
                work.get(*host).into_iter().for_each(|work| watcher.asked(work.name()));
            }
            HostProgress::Event(host, _) | HostProgress::Ended(host, _) => {
                work.get(*host).into_iter().for_each(|work| watcher.answered(work.name()));
            }
            HostProgress::FewThreads(_) | HostProgress::NotReached(..) => {}
        }
    }
}

impl<R> HostProgress<Result<R, CommandError>> {
    /// What became of a host in the end; `None` while it goes on.
    pub(super) fn result(self) -> Option<(usize, Result<R, CommandError>)> {
        match self {
            Self::Ended(host, result) => Some((host, result)),
            Self::NotReached(host, why) => Some((host, Err(not_reached(why)))),
            Self::FewThreads(_) | Self::Started(_) | Self::Event(..) => None,
        }
    }
}

/// The path of this program.
pub(crate) fn own_path() -> Result<PathBuf, CommandError> {
    std::env::current_exe().map_err(|source| {
        CommandError::refused("cannot tell the path of this program").caused_by(&source)
    })
}

/// Why a host has no outcome of its own.
pub(crate) fn not_reached(why: NotReached) -> CommandError {
    let kind = match why {
        NotReached::Interrupted => ErrorKind::Interrupted,
        NotReached::FirstBatch | NotReached::TooManyFailed | NotReached::NoThread => {
            ErrorKind::Refused
        }
    };
    CommandError::new(kind, format!("not reached: {why}"))
}

/// Each connection has three pipes, and the usual limit has room for three hundred. What cannot be
/// raised shows when it is reached.
pub(crate) fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
