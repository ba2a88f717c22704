//! The doors to hosts, and asking many of them at once.

use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit, setrlimit};

use super::left::Leavers;
use super::rollout::{InTurn, NotReached, Rules, Told, Verdict, roll_out};
use super::work::Work;
use crate::api::Target;
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::host::LocalHost;
use crate::inventory::{Connection, Host, Privilege};
use crate::system::{Interrupt, users};
use crate::transport::{FarHost, SshSettings};

/// What a host has answered, or why it has not.
pub type Answer<R> = Result<R, CommandError>;

/// The way to hosts.
#[derive(Debug)]
pub struct Fleet {
    /// How ssh is run.
    pub ssh: SshSettings,
    /// Ctrl-C.
    pub interrupt: Interrupt,
}

impl Fleet {
    /// The door to a host. Nothing is connected to before it is asked something.
    pub fn connect(&self, host: &Host) -> Answer<Box<dyn Target>> {
        let interrupt = self.interrupt.clone();
        match host.connection {
            Connection::Ssh => Ok(Box::new(FarHost::over_ssh(host, self.ssh.clone(), interrupt))),
            Connection::Exec => {
                let payload = Arc::clone(&self.ssh.payload);
                Ok(Box::new(FarHost::by_command(host, payload, interrupt)))
            }
            Connection::Local => match host.privilege {
                Some(Privilege::Sudo) => self.sudo(),
                None if !users::is_root() => self.sudo(),
                Some(Privilege::Root | Privilege::None) | None => Ok(self.local()),
            },
        }
    }

    /// This machine, as whoever we are.
    pub fn local(&self) -> Box<dyn Target> {
        let state = LocalHost::default_state_base();
        Box::new(LocalHost::new(state, self.interrupt.clone()))
    }

    /// This machine, through sudo.
    fn sudo(&self) -> Answer<Box<dyn Target>> {
        Ok(Box::new(FarHost::through_sudo(own_path()?, self.interrupt.clone())))
    }

    /// Asks each host, many at once, and returns the answers in the inventory's order. For answers that
    /// are small: all of them are kept.
    pub fn on_each<R: Send>(
        &self,
        work: &[Work],
        rules: Rules,
        ask: &(impl Fn(&Work, &mut dyn Target) -> Answer<R> + Sync),
    ) -> Vec<Answer<R>> {
        let mut answers = Vec::with_capacity(work.len());
        self.on_each_in_turn(work, rules, ask, &mut |_, answer| answers.push(answer));
        answers
    }

    /// Asks each host, many at once, and hands on each answer in the inventory's order, as soon as all
    /// hosts before it have answered. An answer waits until then, so `ask` makes of it what is to be
    /// shown.
    pub fn on_each_in_turn<'w, R: Send>(
        &self,
        work: &'w [Work],
        rules: Rules,
        ask: &(impl Fn(&'w Work, &mut dyn Target) -> Answer<R> + Sync),
        each: &mut dyn FnMut(&'w Work, Answer<R>),
    ) {
        let mut turns = InTurn::default();
        let mut ended = |place, answer| {
            turns.ended(place, answer, &mut |place: usize, answer| {
                if let Some(work) = work.get(place) {
                    each(work, answer);
                }
            });
        };
        self.on_each_telling(
            work,
            rules,
            &|work, host, _| ask(work, host),
            &mut |told| match told {
                Told::Ended(place, answer) => ended(place, answer),
                Told::NotReached(place, why) => ended(place, Err(not_reached(why))),
                Told::FewThreads(_) | Told::Begun(_) | Told::Event(..) => {}
            },
        );
    }

    /// The same of verbs that also learn of the sites that left. `check` sees those of all hosts in the
    /// end, and may refuse the whole; where it may (`waits`), nothing is handed on before.
    pub fn on_each_checked<'w, R: Send>(
        &self,
        (work, rules): (&'w [Work], Rules),
        ask: &(impl Fn(&'w Work, &mut dyn Target) -> Answer<(R, Leavers)> + Sync),
        (waits, check): (bool, impl FnOnce(&[&Leavers]) -> Result<(), CommandError>),
        each: &mut dyn FnMut(&'w Work, Answer<R>),
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
    pub fn on_each_telling<'w, R: Send>(
        &self,
        work: &'w [Work],
        rules: Rules,
        ask: &(impl Fn(&'w Work, &mut dyn Target, &mut dyn FnMut(Event)) -> Answer<R> + Sync),
        told: &mut impl FnMut(Told<Answer<R>>),
    ) {
        let on_one = |work: &'w Work, events: &mut dyn FnMut(Event)| {
            let host = self.connect(&work.host);
            let answer = host.and_then(|mut host| ask(work, host.as_mut(), events));
            let verdict = if answer.is_ok() { Verdict::Done } else { Verdict::Failed };
            (answer, verdict)
        };
        allow_many_files();
        let stop = || self.interrupt.is_raised();
        roll_out(work.iter().collect(), rules, &stop, &on_one, told);
    }
}

/// The path of this program.
pub fn own_path() -> Result<PathBuf, CommandError> {
    std::env::current_exe().map_err(|source| {
        CommandError::refused("cannot tell the path of this program").caused_by(&source)
    })
}

/// Why a host has no outcome of its own.
pub fn not_reached(why: NotReached) -> CommandError {
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
pub(super) fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
