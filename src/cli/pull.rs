//! `pull`: takes up what was published for this host, and says how it is.

use std::path::Path;

use clap::Args;
use jiff::Timestamp;

use super::Context;
use super::hold::{ConfigArguments, state_of};
use super::taking_up::{Ended, TakingUp};
use crate::api::RunInventory;
use crate::error::{CommandError, ErrorKind};
use crate::inventory::PullConfig;
use crate::notify::Seen;
use crate::pull::{
    LastPull, Machine, PullOutcome, PullState, PullStatus, Remembered, failure_of, object_of,
};
use crate::report::{Screen, show_pulled};
use crate::store::{Location, Store};
use crate::system::{Clock as _, SystemClock};

#[derive(Debug, Args)]
pub(super) struct PullArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Try again what this host has rolled back
    #[arg(long)]
    retry: bool,
    /// A timer runs this: a store that fails is left alone for longer each time, and nothing is said where
    /// nothing was to be done
    #[arg(long)]
    by_timer: bool,
    /// Show what would be done, as `plan` does, and do nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(super) fn run(
    context: &Context,
    arguments: &PullArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let config = arguments.config.read(screen)?;
    let location = Location::parse(&config.source).map_err(|error| {
        let place = format!("{}:{}", arguments.config.path().display(), config.source_line);
        CommandError::refused(format!("{place}: cannot pull from there")).caused_by(&error)
    })?;
    let state = state_of(&config);
    let _lock = state.lock()?;
    let (now, last) = (SystemClock::start().timestamp(), state.last());
    let until = last.waits_until(now).filter(|_| arguments.by_timer);
    let hold = state.hold()?.filter(|hold| hold.counts(now));
    if until.is_some() && hold.is_none() {
        return Ok(0);
    }
    context.tells_here(&config, arguments.config.path());
    let _ = context.inventory.set(RunInventory { name: None, path: config.source.clone() });
    let store = location.open(&state.path("store"), &context.fleet.interrupt);
    let mut taking_up = TakingUp {
        context,
        config: &config,
        state: &state,
        store: store.as_ref(),
        now,
        name: Machine::here().name_as(&config.itself),
        wave: None,
        remembered: state.remembered()?,
        retry: arguments.retry,
        dry_run: arguments.dry_run,
        by_timer: arguments.by_timer,
    };
    let ended = match hold {
        Some(hold) => Ended::waits(PullOutcome::Held, hold.words()),
        None => taking_up.run(screen),
    };
    let TakingUp { name, wave, remembered, .. } = taking_up;
    if arguments.dry_run {
        return ended.error.map_or(Ok(ended.status), Err);
    }
    let status = status(&ended, (name, wave), &remembered, now);
    let host = Host { context, config: &config, state: &state, store: store.as_ref(), last };
    host.end(&ended, status, arguments.by_timer, screen)
}

/// What a host says of itself after a pull.
fn status(
    ended: &Ended,
    (name, wave): (String, Option<u32>),
    remembered: &Remembered,
    at: Timestamp,
) -> PullStatus {
    PullStatus {
        name,
        release: env!("CARGO_PKG_VERSION").to_owned(),
        at,
        outcome: ended.outcome,
        cause: ended.cause(),
        serial: remembered.serial,
        bundle: remembered.bundle.clone(),
        wave,
        run: ended.run,
        troubles: ended.troubles.clone(),
    }
}

/// A host after a pull.
struct Host<'h> {
    context: &'h Context,
    config: &'h PullConfig,
    state: &'h PullState,
    store: &'h dyn Store,
    last: LastPull,
}

impl Host<'_> {
    /// Says how the pull has ended: to people, to whoever is told, to the store.
    fn end(
        mut self,
        ended: &Ended,
        mut status: PullStatus,
        by_timer: bool,
        screen: &mut Screen,
    ) -> Result<u8, CommandError> {
        let interrupted =
            ended.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Interrupted);
        if interrupted {
            return ended.error.clone().map_or(Ok(ended.status), Err);
        }
        // The run that changed it last is told until another does.
        status.run = status.run.or(self.last.status.as_ref().and_then(|last| last.run));
        match ended.outcome {
            PullOutcome::Failed => self.last.has_failed(status.at, spread(status.at)),
            _ => self.last.has_succeeded(),
        }
        self.tell(ended, &status, screen);
        if self.config.report {
            self.report(ended, &status, screen);
        }
        let is_news = self.last.status.as_ref().is_none_or(|last| !last.says_the_same(&status));
        let is_told = ended.has_changed || status.outcome.is_trouble() && is_news;
        show_pulled(&status, by_timer && !is_told, screen);
        self.last.source.clone_from(&self.config.source);
        self.last.status = Some(status);
        self.state.note(&self.last)?;
        match &ended.error {
            Some(error) => Err(error.clone()),
            None => Ok(ended.status),
        }
    }

    /// Of what no site says: that nothing could be taken up, or that it can again.
    fn tell(&self, ended: &Ended, status: &PullStatus, screen: &mut Screen) {
        let is_told = ended.error.is_some() || ended.outcome == PullOutcome::Done;
        if is_told {
            let failure = ended.error.clone();
            let seen = Seen { host: status.name.clone(), site: None, failure };
            self.context.tell_drift(vec![seen], screen);
        }
    }

    /// Puts the status into the store, if it is news. That it cannot be put is no failure of the pull.
    fn report(&mut self, ended: &Ended, status: &PullStatus, screen: &mut Screen) {
        if !status.is_news(self.last.reported.as_ref()) {
            return;
        }
        let put = || -> Result<(), CommandError> {
            let bytes = serde_json::to_vec(status).map_err(|error| {
                CommandError::refused("cannot write the status").caused_by(&error)
            })?;
            if ended.has_rolled_back
                && let Some(object) = failure_of(status)
            {
                self.store.put(&object, &bytes)?;
            }
            match object_of(&status.name) {
                Some(object) => self.store.put(&object, &bytes),
                None => Ok(()),
            }
        };
        match put() {
            Ok(()) => self.last.reported = Some(status.clone()),
            Err(error) => {
                screen.complain(&format!("warning: the status is not in the store: {error}"))
            }
        }
    }
}

/// Between 0 and 1, another one for each host and each time.
fn spread(at: Timestamp) -> f64 {
    f64::from(at.subsec_nanosecond().unsigned_abs()) / 1e9
}

impl Context {
    /// Who is told, and what comes before and after, is this host's own.
    pub(super) fn tells_here(&self, config: &PullConfig, path: &Path) {
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let _ = self.notices.set((config.notices.clone(), folder.join(".")));
    }
}
