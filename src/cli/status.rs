//! `status`: what is wanted beside what runs.

use std::time::Duration;

use clap::Args;

use super::Context;
use super::fleet::ParallelArguments;
use super::selected::NamedArguments;
use crate::api::{SiteStatusReply, Target};
use crate::error::{CommandError, ErrorKind};
use crate::fleet::{Emptied, HostWork, Leavers, Prune, check_something, leavers_of};
use crate::host::LocalHost;
use crate::import::Unmanaged;
use crate::notify::Seen;
use crate::pull::fleet_status;
use crate::report::{Detail, Frames, HostStatus, Screen, Statuses, show_fleet_status};
use crate::store::{Location, Store};
use crate::system::{Clock as _, SystemClock};

/// How long it is looked at what has just come up again, in seconds.
const LONG_ENOUGH: u32 = 5;
/// How long `--watch` lets pass between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// How soon it ends.
const MOMENT: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    selection: NamedArguments,
    /// List every program, also where there are many and all are fine
    #[arg(long)]
    all: bool,
    /// Show it again and again, in place, until Ctrl-C; into a pipe one after the other
    #[arg(long, short)]
    watch: bool,
    /// How long to look at a program that has just come up again, for whether it does so once more
    /// [default: 5, with --watch 0]
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u32>,
    /// Also have supervisord compare all of its files with what it runs, which takes it seconds where
    /// there are many
    #[arg(long)]
    deep: bool,
    /// List what supervisord has that no inventory has: programs, those that run twice, files that nobody reads
    #[arg(long)]
    unmanaged: bool,
    /// How the hosts are that pull from this store, as they say themselves; no inventory is read
    #[arg(long, value_name = "STORE", value_parser = Location::parse)]
    #[arg(conflicts_with_all = ["sites", "hosts", "programs", "names", "all", "watch", "seconds", "deep", "unmanaged"])]
    pull: Option<Location>,
    #[command(flatten)]
    parallel: ParallelArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &StatusArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    if let Some(location) = &arguments.pull {
        return of_store(context, location, screen);
    }
    let selector = arguments.selection.selector()?;
    let (prune, emptied) = (Prune::Nothing, Emptied::Unseen);
    let work = context.selected_with_leavers(&selector, &prune, emptied, screen)?;
    match (context.shared.quiet, arguments.watch) {
        // Whoever wants no output asks for the exit status.
        (true, _) => look(context, &work, arguments, None, &mut screen.asides()()),
        (false, true) => watch(context, &work, arguments, screen),
        (false, false) => look(context, &work, arguments, None, screen),
    }
}

/// How the hosts are that pull from a store.
fn of_store(
    context: &Context,
    location: &Location,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let store = context.store(location);
    let now = SystemClock::start().timestamp();
    let fleet = fleet_status(store.as_ref(), now)?;
    Ok(show_fleet_status(&fleet, now, screen))
}

impl Context {
    /// A store as people reach it who look at it.
    pub(super) fn store(&self, location: &Location) -> Box<dyn Store + Send + Sync> {
        let cache = LocalHost::state_of_user().unwrap_or_else(LocalHost::default_state_base);
        location.open(&cache.join("stores"), &self.fleet.interrupt)
    }
}

#[derive(Debug, Args)]
pub(super) struct CheckDriftArguments {
    #[command(flatten)]
    selection: NamedArguments,
    #[command(flatten)]
    parallel: ParallelArguments,
}

/// `check-drift`: the same look, of which those are told whom the inventory names, where something has changed.
pub(super) fn check_drift(
    context: &Context,
    arguments: CheckDriftArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let CheckDriftArguments { selection, parallel } = arguments;
    let (all, watch, deep, unmanaged) = (false, false, false, false);
    let arguments = StatusArguments {
        selection,
        all,
        watch,
        seconds: None,
        deep,
        unmanaged,
        pull: None,
        parallel,
    };
    let selector = arguments.selection.selector()?;
    let work =
        context.selected_with_leavers(&selector, &Prune::Nothing, Emptied::Unseen, screen)?;
    let mut seen = Vec::new();
    let status = match context.shared.quiet {
        true => look(context, &work, &arguments, Some(&mut seen), &mut screen.asides()()),
        false => look(context, &work, &arguments, Some(&mut seen), screen),
    }?;
    if !context.fleet.interrupt.is_raised() {
        context.tell_drift(seen, screen);
    }
    Ok(status)
}

/// A host that has answered, and each of its sites.
fn seen(host: &str, replies: &[SiteStatusReply]) -> Vec<Seen> {
    let site = |reply: &SiteStatusReply| {
        let failure = match &reply.status {
            Ok(status) => status.complaint().map(CommandError::refused),
            Err(error) => Some(error.clone()),
        };
        Seen { host: host.to_owned(), site: Some(reply.site.clone()), failure }
    };
    let host_itself = Seen { host: host.to_owned(), site: None, failure: None };
    std::iter::once(host_itself).chain(replies.iter().map(site)).collect()
}

/// Looks every two seconds, until somebody has seen enough or nobody looks at it any more.
fn watch(
    context: &Context,
    work: &[HostWork],
    arguments: &StatusArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let (clock, interrupt) = (SystemClock::start(), &context.fleet.interrupt);
    let mut frames = Frames::begin(screen);
    loop {
        let mut aside = frames.aside();
        look(context, work, arguments, None, &mut aside)?;
        if interrupt.is_raised() {
            return Ok(ErrorKind::Interrupted.exit_status());
        }
        frames.show(aside.into_page(), clock.timestamp());
        let next = clock.now() + EVERY;
        while clock.now() < next && !interrupt.is_raised() {
            if Screen::reader_is_gone() {
                return Ok(0);
            }
            clock.wait(MOMENT);
        }
    }
}

/// `all_seen` gets each site, and each host, with why it is not as wanted, where somebody is told of that.
fn look(
    context: &Context,
    work: &[HostWork],
    arguments: &StatusArguments,
    mut all_seen: Option<&mut Vec<Seen>>,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let detail = if arguments.all { Detail::All } else { Detail::Summary };
    let several = work.len() > 1;
    let asides = screen.asides();
    let mut statuses = Statuses::default();
    let is_told = all_seen.is_some();
    // Where it may turn out that there is nothing to show, nothing is before each host has answered.
    let waits = work.iter().all(|work| work.sites.is_empty());
    context.fleet.on_each_checked(
        (work, arguments.parallel.rules()),
        &|work, host| {
            let (sites, leavers) = ask(host, work, arguments)?;
            let unmanaged = match arguments.unmanaged {
                true => Some(unmanaged(host, work)?),
                false => None,
            };
            let unmanaged = unmanaged.as_ref();
            let (host, sites) = (work.name(), &sites);
            let status = HostStatus { host, sites, leavers: &leavers, unmanaged, several, detail };
            let seen = if is_told { seen(host, sites) } else { Vec::new() };
            Ok(((status.page(asides()), seen), leavers))
        },
        (waits, |leavers: &[&Leavers]| check_something(work, leavers)),
        &mut |work, answer| {
            let (page, seen) = match answer {
                Ok((page, seen)) => (Ok(page), seen),
                Err(error) => {
                    let (host, failure) = (work.name().to_owned(), Some(error.clone()));
                    (Err(error), vec![Seen { host, site: None, failure }])
                }
            };
            if let Some(all_seen) = &mut all_seen {
                all_seen.extend(seen);
            }
            statuses.add(work, page, screen);
        },
    )?;
    Ok(statuses.end(screen))
}

fn ask(
    host: &mut dyn Target,
    work: &HostWork,
    arguments: &StatusArguments,
) -> Result<(Vec<SiteStatusReply>, Leavers), CommandError> {
    let leavers = leavers_of(host, work)?;
    if work.sites.is_empty() {
        return Ok((Vec::new(), leavers));
    }
    let &StatusArguments { watch, seconds, deep, .. } = arguments;
    // Who looks again and again sees by that what does not stay up.
    let seconds = seconds.unwrap_or(if watch { 0 } else { LONG_ENOUGH });
    Ok((host.status(work.chosen(), seconds, deep)?, leavers))
}

/// What the supervisords of a host have that no inventory has. Only where that is asked for: it reads every
/// file once more.
fn unmanaged(host: &mut dyn Target, work: &HostWork) -> Result<Unmanaged, CommandError> {
    Unmanaged::of(host, &work.sites, work.other_instances())
}
