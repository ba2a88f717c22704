//! Many hosts at once: `--parallel` and its like, and each host's answer in the inventory's order.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use clap::Args;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::Context;
use super::left::Leavers;
use super::selected::Work;
use crate::api::Target;
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::fleet::rollout::{Batch, InTurn, NotReached, Rules, Told, Verdict, roll_out};
use crate::report::Screen;
use crate::transport::{Payload, SshSettings};

/// How many hosts at once, if nobody says.
const PARALLEL: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);

/// How many names are shown before the rest is counted.
const NAMES_SHOWN: usize = 6;

/// For verbs that only look.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ParallelArguments {
    /// How many hosts at once
    #[arg(long, value_name = "N", default_value_t = PARALLEL, help_heading = "Fleet")]
    parallel: NonZeroUsize,
}

/// For verbs that change something.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct RolloutArguments {
    #[command(flatten)]
    parallel: ParallelArguments,
    /// So many hosts (5) or such a share of them (10%) before the next; the first batch must be
    /// healthy, or the rest is not begun
    #[arg(long, value_name = "N|P%", help_heading = "Fleet")]
    batch: Option<Batch>,
    /// Begin no more hosts once so many have failed
    #[arg(long, value_name = "N", help_heading = "Fleet")]
    max_failures: Option<NonZeroUsize>,
}

impl ParallelArguments {
    pub(super) fn rules(self) -> Rules {
        Rules::all(self.parallel)
    }

    /// Every host at once, for what does not end by itself.
    pub(super) fn all_at_once(hosts: usize) -> Rules {
        Rules::all(NonZeroUsize::new(hosts).unwrap_or(PARALLEL))
    }
}

impl RolloutArguments {
    pub(super) fn parallel(self) -> ParallelArguments {
        self.parallel
    }

    pub(super) fn rules(self) -> Rules {
        let Self { parallel, batch, max_failures } = self;
        Rules { batch, max_failures, ..parallel.rules() }
    }
}

/// How ssh is run: `$SUPERVISOR_SYNC_SSH` can name a wrapper that takes ssh's arguments.
#[expect(clippy::disallowed_methods, reason = "an edge: which ssh")]
pub(super) fn ssh_settings() -> SshSettings {
    let named = std::env::var_os("SUPERVISOR_SYNC_SSH").filter(|named| !named.is_empty());
    SshSettings {
        program: named.map_or_else(|| PathBuf::from("ssh"), PathBuf::from),
        payload: Arc::new(Payload::of_this_program()),
        sockets: sockets(),
    }
}

/// Where a person's own sockets belong: a folder that is gone when they log out, else one at home.
#[expect(clippy::disallowed_methods, reason = "an edge: a person's own folders")]
fn sockets() -> Vec<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute())
    };
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let folders = folder("XDG_RUNTIME_DIR").into_iter().chain(cache);
    folders.map(|folder| folder.join("supervisor-sync-ssh")).collect()
}

impl Context {
    /// Asks each host, many at once, and returns the answers in the inventory's order. For answers that
    /// are small: all of them are kept.
    pub(super) fn on_each<R: Send>(
        &self,
        work: &[Work],
        rules: Rules,
        ask: &(impl Fn(&Work, &mut dyn Target) -> Result<R, CommandError> + Sync),
    ) -> Vec<Result<R, CommandError>> {
        let mut answers = Vec::with_capacity(work.len());
        self.on_each_in_turn(work, rules, ask, &mut |_, answer| answers.push(answer));
        answers
    }

    /// Asks each host, many at once, and hands on each answer in the inventory's order, as soon as all
    /// hosts before it have answered. An answer waits until then, so `ask` makes of it what is to be
    /// shown.
    pub(super) fn on_each_in_turn<'w, R: Send>(
        &self,
        work: &'w [Work],
        rules: Rules,
        ask: &(impl Fn(&'w Work, &mut dyn Target) -> Result<R, CommandError> + Sync),
        each: &mut dyn FnMut(&'w Work, Result<R, CommandError>),
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
    pub(super) fn on_each_checked<'w, R: Send>(
        &self,
        (work, rules): (&'w [Work], Rules),
        ask: &(impl Fn(&'w Work, &mut dyn Target) -> Result<(R, Leavers), CommandError> + Sync),
        (waits, check): (bool, impl FnOnce(&[&Leavers]) -> Result<(), CommandError>),
        each: &mut dyn FnMut(&'w Work, Result<R, CommandError>),
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
    pub(super) fn on_each_telling<'w, R: Send>(
        &self,
        work: &'w [Work],
        rules: Rules,
        ask: &(
             impl Fn(&'w Work, &mut dyn Target, &mut dyn FnMut(Event)) -> Result<R, CommandError> + Sync
         ),
        told: &mut impl FnMut(Told<Result<R, CommandError>>),
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

/// What came of asking hosts and sites, for the exit status: 6 as soon as some have answered and
/// some have not.
#[derive(Debug, Default)]
pub(super) struct Answers {
    answered: usize,
    failed: Vec<ErrorKind>,
}

impl Answers {
    /// A host or a site has answered.
    pub(super) fn count(&mut self) {
        self.answered += 1;
    }

    /// So have others.
    pub(super) fn add(&mut self, others: Self) {
        let Self { answered, failed } = others;
        self.answered += answered;
        self.failed.extend(failed);
    }

    /// One has not.
    pub(super) fn tell(&mut self, host: &str, error: &CommandError, screen: &mut Screen) {
        screen.error(Some(host), error);
        self.fail(error.kind);
    }

    /// One has not, and why was told.
    pub(super) fn fail(&mut self, kind: ErrorKind) {
        self.failed.push(kind);
    }

    /// `None` if each has answered.
    pub(super) fn exit_status(&self) -> Option<u8> {
        let first = self.failed.first()?;
        let kind = match self.failed.iter().find(|kind| **kind == ErrorKind::Interrupted) {
            Some(interrupted) => interrupted,
            None if self.answered > 0 => &ErrorKind::Partial,
            None => first,
        };
        Some(kind.exit_status())
    }
}

/// Each connection has three pipes, and the usual limit has room for three hundred. What cannot be
/// raised shows when it is reached.
pub(super) fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Why a host has no outcome of its own.
pub(super) fn not_reached(why: NotReached) -> CommandError {
    let kind = match why {
        NotReached::Interrupted => ErrorKind::Interrupted,
        NotReached::FirstBatch | NotReached::TooManyFailed | NotReached::NoThread => {
            ErrorKind::Refused
        }
    };
    CommandError::new(kind, format!("not reached: {why}"))
}

/// `web1, web2, web3 (3 hosts)`, and a single name as it is.
pub(super) fn named(hosts: &[&str]) -> String {
    let shown: Vec<&str> = hosts.iter().take(NAMES_SHOWN).copied().collect();
    let shown = shown.join(", ");
    match hosts.len() {
        0 | 1 => shown,
        count if count <= NAMES_SHOWN => format!("{shown} ({count} hosts)"),
        count => format!("{shown} and {} more ({count} hosts)", count - NAMES_SHOWN),
    }
}

/// Texts of hosts, each kept once with the hosts that have it, in the order in which it first came.
#[derive(Default)]
pub(super) struct Folded<'h> {
    groups: Vec<(Vec<&'h str>, Rc<str>)>,
    places: HashMap<Rc<str>, usize>,
}

impl<'h> Folded<'h> {
    pub(super) fn add(&mut self, host: &'h str, text: &str) {
        let place = match self.places.get(text) {
            Some(place) => *place,
            None => {
                let (place, text) = (self.groups.len(), Rc::from(text));
                self.groups.push((Vec::new(), Rc::clone(&text)));
                self.places.insert(text, place);
                place
            }
        };
        if let Some((hosts, _)) = self.groups.get_mut(place) {
            hosts.push(host);
        }
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = (&[&'h str], &str)> {
        self.groups.iter().map(|(hosts, text)| (hosts.as_slice(), &**text))
    }
}

/// Hosts with the same text together, in the order in which each text first comes.
pub(super) fn folded(texts: Vec<(&str, String)>) -> Vec<(Vec<&str>, String)> {
    let mut folded = Folded::default();
    texts.into_iter().for_each(|(host, text)| folded.add(host, &text));
    folded.groups.into_iter().map(|(hosts, text)| (hosts, text.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_the_same_text_are_told_together() {
        let text = |text: &str| text.to_owned();
        let texts = vec![("a", text("x")), ("b", text("y")), ("c", text("x"))];
        let expected = vec![(vec!["a", "c"], text("x")), (vec!["b"], text("y"))];
        assert_eq!(folded(texts), expected);
    }

    #[test]
    fn many_names_are_counted() {
        assert_eq!(named(&["web1"]), "web1");
        assert_eq!(named(&["web1", "web2"]), "web1, web2 (2 hosts)");
        let many = ["a"; 500];
        assert_eq!(named(&many), "a, a, a, a, a, a and 494 more (500 hosts)");
    }

    #[test]
    fn some_without_an_answer_are_another_status_than_all() {
        let of = |answered, kinds: &[ErrorKind]| {
            Answers { answered, failed: kinds.to_vec() }.exit_status()
        };
        assert_eq!(of(3, &[]), None);
        assert_eq!(of(0, &[ErrorKind::Refused]), Some(1));
        assert_eq!(of(1, &[ErrorKind::Refused]), Some(6));
        assert_eq!(of(1, &[ErrorKind::Refused, ErrorKind::Interrupted]), Some(130));
    }
}
