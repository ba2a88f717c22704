//! What a pull does: comes by the bundle, finds the host in it, waits for its wave, and applies.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use jiff::Timestamp;

use super::Context;
use super::agree::PlanLook;
use crate::api::{Goal, Run, RunEnd, RunId, RunInventory};
use crate::apply::ApplyOptions;
use crate::error::{CommandError, ErrorKind};
use crate::fleet::rollout::Rules;
use crate::fleet::{
    self, Emptied, EndedAs, FleetOutcome, HostWork, Order, Prune, outcome::DIFFERS, plans_of,
    selected_with_leavers,
};
use crate::inventory::{Domain, HostName, Inventory, PlacedSite, PullConfig, Selector};
use crate::plan::PlanOptions;
use crate::pull::{
    Bundle, Machine, PullOutcome, PullState, Refused, Remembered, Signers, SiteTrouble, Source,
    Trying, Turn, become_it, failed_before, find, other_binary, turn, wave_of,
};
use crate::report::{Applying, Screen};
use crate::store::Store;

/// Seconds to wait for another apply on the host.
const LOCK_WAIT: u64 = 60;

/// A pull.
pub(super) struct TakingUp<'c> {
    pub(super) context: &'c Context,
    pub(super) config: &'c PullConfig,
    pub(super) state: &'c PullState,
    pub(super) store: &'c dyn Store,
    pub(super) now: Timestamp,
    /// What the host is called: by the inventory, once it was found there.
    pub(super) name: String,
    pub(super) wave: Option<u32>,
    pub(super) remembered: Remembered,
    /// Whether it tries again what was rolled back.
    pub(super) retry: bool,
    pub(super) dry_run: bool,
    /// Whether a timer runs it.
    pub(super) by_timer: bool,
}

/// How a pull has ended.
pub(super) struct Ended {
    pub(super) outcome: PullOutcome,
    /// Why nothing could be taken up.
    pub(super) error: Option<CommandError>,
    /// Why it waits.
    words: Option<String>,
    /// The exit status, where there is no error.
    pub(super) status: u8,
    /// The run that has changed something.
    pub(super) run: Option<RunId>,
    pub(super) has_changed: bool,
    /// Whether something of the bundle was rolled back here: by this pull, or by one that could not say so.
    pub(super) has_rolled_back: bool,
    /// The sites that are not as the bundle says.
    pub(super) troubles: Vec<SiteTrouble>,
}

impl Ended {
    /// Nothing was to be done.
    pub(super) fn waits(outcome: PullOutcome, words: String) -> Self {
        Self { words: Some(words), ..Self::of(outcome) }
    }

    fn of(outcome: PullOutcome) -> Self {
        Self {
            outcome,
            error: None,
            words: None,
            status: 0,
            run: None,
            has_changed: false,
            has_rolled_back: false,
            troubles: Vec::new(),
        }
    }

    fn failed(outcome: PullOutcome, error: CommandError) -> Self {
        Self { error: Some(error), ..Self::of(outcome) }
    }

    /// Why it has ended so, in a line.
    pub(super) fn cause(&self) -> Option<String> {
        let error = self.error.as_ref().map(in_a_line);
        let trouble = self.troubles.first().map(|one| format!("{}: {}", one.site, one.cause));
        error.or_else(|| self.words.clone()).or(trouble)
    }
}

fn in_a_line(error: &CommandError) -> String {
    std::iter::once(error.message.as_str())
        .chain(error.causes.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(": ")
}

/// The part of an inventory that is of this host, which it calls so.
pub(super) fn of_this_host(
    whole: &Inventory,
    name: &str,
    sites: Vec<PlacedSite>,
) -> Result<Inventory, CommandError> {
    let name = HostName::parse(name).map_err(|error| {
        CommandError::refused(format!("a host cannot be called {name}")).caused_by(&error)
    })?;
    let HostWork { host, .. } = HostWork::here(name.clone(), Vec::new(), BTreeMap::new());
    let here = |site: PlacedSite| PlacedSite { hosts: vec![name.clone()], ..site };
    Ok(Inventory {
        name: whole.name.clone(),
        paths: whole.paths.clone(),
        left_alone: whole.left_alone.clone(),
        hosts: vec![host],
        sites: sites.into_iter().map(here).collect(),
        ..Inventory::default()
    })
}

impl TakingUp<'_> {
    /// Takes up what there is.
    pub(super) fn run(&mut self, screen: &mut Screen) -> Ended {
        match self.take_up(screen) {
            Ok(ended) => ended,
            Err(error) => Ended::failed(PullOutcome::Failed, error),
        }
    }

    fn take_up(&mut self, screen: &mut Screen) -> Result<Ended, CommandError> {
        let signers = Signers {
            allowed: self.config.allowed_signers.as_path().to_owned(),
            identity: self.config.identity.clone(),
            revoked: self.config.revoked.as_ref().map(|path| path.as_path().to_owned()),
        };
        let source = Source {
            store: self.store,
            name: &self.config.source,
            signers: &signers,
            state: self.state,
            interrupt: &self.context.fleet.interrupt,
        };
        let believed = source.obtain(&mut self.remembered)?;
        if let Err(error) = believed.check_time(self.now) {
            return Ok(Ended::failed(PullOutcome::Expired, error));
        }
        if let Some(binary) = other_binary(&believed.bundle, &source)? {
            return Err(become_it(&binary));
        }
        let bundle = believed.bundle.typed()?;
        let machine = Machine::here();
        let found = find(&bundle.inventory, &self.config.itself, &machine)?;
        self.name.clone_from(&found.name);
        let rules = &bundle.inventory.pull;
        let wave = self.config.wave.unwrap_or_else(|| wave_of(&machine.seed(&self.name), rules));
        self.wave = Some(wave);
        if let Some(ended) = self.waits_for(wave, &bundle)? {
            return Ok(ended);
        }
        let sites = found.sites.into_iter().cloned().collect();
        self.apply(&bundle, sites, screen)
    }

    /// Whether it is the turn of the host's wave. Once it was, it is.
    fn waits_for(&mut self, wave: u32, bundle: &Bundle) -> Result<Option<Ended>, CommandError> {
        if self.remembered.taken_up {
            return Ok(None);
        }
        let rules = &bundle.inventory.pull;
        // The first wave has nobody to look at.
        let failed = match (wave, &self.remembered.bundle) {
            (2.., Some(digest)) => failed_before(self.store, digest, wave)?,
            _ => 0,
        };
        let words = match turn(rules, wave, (bundle.at, self.now), failed) {
            Turn::Now => {
                self.remembered.taken_up = true;
                return Ok(None);
            }
            Turn::At(begins) => {
                let words =
                    format!("wave {wave} takes up bundle {} from {begins:.0}", bundle.serial);
                return Ok(Some(Ended::waits(PullOutcome::Waiting, words)));
            }
            Turn::Halted(failed) => {
                let hosts =
                    if failed == 1 { "1 host".to_owned() } else { format!("{failed} hosts") };
                format!("{hosts} of earlier waves rolled bundle {} back", bundle.serial)
            }
        };
        Ok(Some(Ended { status: DIFFERS, ..Ended::waits(PullOutcome::Halted, words) }))
    }

    /// Makes the host as the bundle says.
    fn apply(
        &mut self,
        bundle: &Bundle,
        sites: Vec<PlacedSite>,
        screen: &mut Screen,
    ) -> Result<Ended, CommandError> {
        let order = self.order(bundle);
        let mut work = self.work(bundle, sites)?;
        self.settle_killed(&work)?;
        if self.retry {
            self.remembered.refused.clear();
        }
        self.check_not_empty(bundle, &work, &order)?;
        for work in &mut work {
            let is_refused =
                |domain: &Domain| self.remembered.refused.iter().any(|one| one.site == *domain);
            work.sites.retain(|site| !is_refused(&site.domain));
        }
        if self.dry_run {
            let what = (order.goal, &order.options);
            let status =
                self.context.show_plans(&work, what, order.rules, PlanLook::default(), screen)?;
            return Ok(Ended { status, ..Ended::of(PullOutcome::Done) });
        }
        let has_work = work.iter().any(|work| !work.sites.is_empty() || work.prunes());
        let mut ended = match has_work {
            true => self.carry_out(&work, &order, screen)?,
            false => Ended::of(PullOutcome::Done),
        };
        self.add_refused(&mut ended);
        Ok(ended)
    }

    fn order(&self, bundle: &Bundle) -> Order {
        let Bundle { serial, run: published, .. } = bundle;
        let message = match &published.message {
            Some(message) => format!("bundle {serial}: {message}"),
            None => format!("bundle {serial}"),
        };
        let run = Run {
            // Whose key has signed is known; who was at the keyboard is not.
            user: self.config.identity.clone(),
            inventory: Some(self.inventory_of(bundle)),
            commit: published.commit.clone(),
            message: Some(message),
            ..Run::begin("pull")
        };
        Order {
            goal: Goal::Inventory,
            options: PlanOptions::default(),
            apply: ApplyOptions { verify: true, rollback: true, record: true },
            run,
            ask: false,
            // So that what comes before changes comes only where something changes.
            plans_first: true,
            reviewed: None,
            lock_wait: LOCK_WAIT,
            rules: Rules::all(NonZeroUsize::MIN),
        }
    }

    fn inventory_of(&self, bundle: &Bundle) -> RunInventory {
        RunInventory { name: bundle.inventory.name.clone(), path: self.config.source.clone() }
    }

    /// The work on this host, with what has left it.
    fn work(&self, bundle: &Bundle, sites: Vec<PlacedSite>) -> Result<Vec<HostWork>, CommandError> {
        let inventory = of_this_host(&bundle.inventory, &self.name, sites)?;
        let prune = if bundle.inventory.pull.prune { Prune::Own } else { Prune::Nothing };
        let read = self.inventory_of(bundle);
        selected_with_leavers(&inventory, Some(&read), &Selector::default(), &prune, Emptied::Stays)
    }

    /// What a pull that was killed had rolled back already is not tried again.
    fn settle_killed(&mut self, work: &[HostWork]) -> Result<(), CommandError> {
        let Some(Trying { run, bundle }) = self.remembered.trying.take() else { return Ok(()) };
        if self.remembered.bundle == Some(bundle) {
            let mut here = self.context.fleet.local();
            let sites = work.iter().flat_map(|work| work.sites.clone()).collect();
            for history in here.history(sites, None)? {
                let ends = history.outcomes.into_iter().filter(|outcome| outcome.run.id == run);
                let failed =
                    ends.filter(|one| matches!(one.end, RunEnd::RolledBack | RunEnd::Stuck));
                for outcome in failed {
                    let cause = outcome.cause.unwrap_or_else(|| "it was rolled back".to_owned());
                    self.remembered.refuse(Refused {
                        site: history.site.clone(),
                        at: self.now,
                        run,
                        cause,
                    });
                }
            }
        }
        self.state.remember(&self.remembered)
    }

    /// A bundle that leaves the host without a program is more often a mistake than what somebody wants.
    fn check_not_empty(
        &self,
        bundle: &Bundle,
        work: &[HostWork],
        order: &Order,
    ) -> Result<(), CommandError> {
        let has_program =
            work.iter().flat_map(|work| &work.sites).any(|site| !site.programs.is_empty());
        if bundle.allow_empty || has_program {
            return Ok(());
        }
        let mut here = self.context.fleet.local();
        for work in work {
            let plans = plans_of(here.as_mut(), work, order.goal, order.options.clone())?;
            let changes = plans
                .sites
                .iter()
                .any(|planned| planned.plan.as_ref().is_ok_and(|plan| !plan.empty));
            if changes || !plans.leavers.pruned.is_empty() {
                let message = format!("bundle {} has no program for this host", bundle.serial);
                return Err(CommandError::refused(message)
                    .because("everything stays as it is")
                    .hint("if it is meant: publish with --allow empty, where the inventory is"));
            }
        }
        Ok(())
    }

    /// Applies, and remembers what was rolled back.
    fn carry_out(
        &mut self,
        work: &[HostWork],
        order: &Order,
        screen: &mut Screen,
    ) -> Result<Ended, CommandError> {
        let bundle = self.remembered.bundle.clone();
        let trying = bundle.map(|bundle| Trying { run: order.run.id, bundle });
        let under_way = Remembered { trying, ..self.remembered.clone() };
        let mut before = || {
            self.context.before_changes(order)?;
            self.state.remember(&under_way)
        };
        let applying = Applying::new(work, order, &self.context.fleet.interrupt, screen);
        let mut applying = applying.silent_about_nothing(self.by_timer).before_changes(&mut before);
        let ends = fleet::run(&self.context.fleet, work, order, &mut applying)?;
        applying.summarise();
        let mut ended = self.ended(&ends, order.run.id);
        self.state.remember(&self.remembered)?;
        ended.status = self.context.after_run(order, ends, screen)?;
        Ok(ended)
    }

    fn ended(&mut self, ends: &FleetOutcome, run: RunId) -> Ended {
        let mut ended = Ended::of(PullOutcome::Done);
        if ends.was_done() {
            (ended.run, ended.has_changed) = (Some(run), true);
        }
        for one in &ends.ended {
            let (site, error) = match &one.what {
                EndedAs::Unchanged(_) => continue,
                EndedAs::Host(error) => {
                    ended.error = Some(error.clone());
                    ended.outcome = PullOutcome::Failed;
                    continue;
                }
                EndedAs::Site(end) => match &end.failure {
                    Some(error) => (end.site.clone(), error),
                    None => continue,
                },
            };
            let cause = in_a_line(error);
            if matches!(error.kind, ErrorKind::RolledBack | ErrorKind::Stuck) {
                self.remembered.refuse(Refused { site, at: self.now, run, cause });
            } else {
                ended.outcome = PullOutcome::Failed;
                ended.troubles.push(SiteTrouble { site, cause });
            }
        }
        ended
    }

    /// What was rolled back, now or before, keeps the host from being as the bundle says.
    fn add_refused(&self, ended: &mut Ended) {
        for Refused { site, cause, .. } in &self.remembered.refused {
            ended.troubles.push(SiteTrouble { site: site.clone(), cause: cause.clone() });
        }
        if !self.remembered.refused.is_empty() {
            ended.has_rolled_back = true;
            if ended.outcome == PullOutcome::Done {
                ended.outcome = PullOutcome::RolledBack;
            }
            if ended.status == 0 {
                ended.status = DIFFERS;
            }
        }
    }
}
