//! What people and machines are told while a command goes from host to host, and when it is over.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use super::awaited::took;
use super::describe::{EventLine, describe, describe_failure, describe_one_of_several};
use super::nameless::without_address;
use super::names::{folded, named};
use super::plan::{HostPage, show_pages};
use super::questions::asked_for;
use super::site_end::SiteEnds;
use super::{Live, Mode, Screen, left, paragraph};
use crate::api::{AppliedSite, PlannedSite};
use crate::error::CommandError;
use crate::event::Event;
use crate::fleet::rollout::NotReached;
use crate::fleet::{Agreement, HostWork, Leavers, Observer, Order, Pages, not_reached};
use crate::inventory::{Domain, Site};
use crate::plan::{Intent, PlanView};
use crate::system::{Interrupt, sanitized};

/// How many different failures the summary shows, and how many lines of a program's log.
const FAILURES_SHOWN: usize = 10;
const LOG_LINES_SHOWN: usize = 3;

/// What people and machines are told while it goes on and when it is over.
pub(crate) struct Applying<'s> {
    order: &'s Order,
    several: bool,
    /// Whether a plan that nobody has seen is told in a line: nobody wants to see a fleet's.
    sums_plans_up: bool,
    /// Each host with its address, in the inventory's order.
    hosts: Vec<(&'s str, &'s str)>,
    /// The plans that were shown before, by host and site; `None` if nobody wanted to see any.
    shown: Option<BTreeMap<(String, Domain), PlanView>>,
    /// The hosts with several sites.
    of_several_sites: HashSet<String>,
    screen: &'s mut Screen,
    /// When the first host was begun with.
    began: Option<Duration>,
    /// Whether anything has come of it but that nothing was to be done.
    has_changed: bool,
    ends: SiteEnds,
    interrupt: &'s Interrupt,
    done: usize,
    /// Each host that failed, with its reason as the summary has it.
    failures: Vec<(String, String)>,
    not_reached: Vec<(String, NotReached)>,
    /// What is to be typed in place of a yes.
    typed: Option<&'s str>,
    before_changes: Option<BeforeChanges<'s>>,
    /// Whether it is told that nothing was to be done.
    tells_nothing: bool,
}

/// What is done once somebody has agreed, before the first host changes; where it fails, none does.
pub(crate) type BeforeChanges<'s> = &'s mut (dyn FnMut() -> Result<(), CommandError> + 's);

/// How a command that changes several hosts ended, as the last of its documents.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Summary<'a> {
    hosts: usize,
    done: usize,
    failed: Vec<&'a str>,
    not_reached: Vec<&'a str>,
}

impl<'s> Applying<'s> {
    /// Of what this order does on these hosts.
    pub(crate) fn new(
        work: &'s [HostWork],
        order: &'s Order,
        interrupt: &'s Interrupt,
        screen: &'s mut Screen,
    ) -> Self {
        let of_several = work.iter().filter(|work| work.sites.len() > 1);
        let several = work.len() > 1;
        // What is removed is always shown.
        let shows_plans = order.shows_plans() || work.iter().any(HostWork::prunes);
        Self {
            order,
            several,
            sums_plans_up: several,
            hosts: work.iter().map(|work| (work.name(), work.host.address.as_str())).collect(),
            shown: shows_plans.then(BTreeMap::new),
            of_several_sites: of_several.map(|work| work.name().to_owned()).collect(),
            screen,
            began: None,
            has_changed: false,
            ends: SiteEnds::of(&order.run, &order.options),
            interrupt,
            done: 0,
            failures: Vec::new(),
            not_reached: Vec::new(),
            typed: None,
            before_changes: None,
            tells_nothing: true,
        }
    }

    /// The plan of a single host is told in a line, too.
    pub(crate) fn with_plans_summed_up(self) -> Self {
        Self { sums_plans_up: true, ..self }
    }

    /// The same, and this comes before the first host changes.
    pub(crate) fn before_changes(mut self, before: BeforeChanges<'s>) -> Self {
        self.before_changes = Some(before);
        self
    }

    /// The same, but where nothing is to be done that is not told: somebody looks every minute.
    pub(crate) fn silent_about_nothing(mut self, is_silent: bool) -> Self {
        self.tells_nothing = !is_silent;
        self
    }

    /// The same, but a yes is not enough: this name is to be typed.
    pub(crate) fn agreed_by_typing(mut self, name: &'s str) -> Self {
        self.typed = Some(name);
        self
    }

    fn print_event(&mut self, host: &str, event: &Event, said: &[EventLine]) {
        match event {
            Event::Planned(plan) if self.was_shown(host, plan) => {}
            Event::Planned(_) if self.several && self.screen.live().is_some_and(Live::moves) => {}
            Event::Planned(plan)
                if self.screen.mode() == Mode::Text
                    && (self.sums_plans_up || self.screen.is_quiet()) =>
            {
                self.sum_up(host, plan);
            }
            Event::SiteEnded(end) => {
                self.ends.tell_at_once(host, self.several, end, self.screen);
                self.screen.event_as(host, self.several, event, said);
            }
            event => self.screen.event_as(host, self.several, event, said),
        }
    }

    /// A plan that nobody has seen in a line, and what a person should know all the same: of some of it the
    /// host forgets it then.
    fn sum_up(&mut self, host: &str, plan: &PlanView) {
        let site = &plan.site;
        let mut lines: Vec<String> = Vec::new();
        let told = |what: &str, text: &str| format!("Site {site}: {what}: {}", paragraph(text));
        lines.extend(plan.warnings.iter().map(|text| told("warning", text)));
        if !self.screen.is_quiet() {
            lines.insert(0, format!("→ Site {site}: {}", plan.summary()));
            lines.extend(plan.notes.iter().map(|text| told("note", text)));
        }
        lines.iter().for_each(|line| self.screen.complain(&format!("{host}: {line}")));
    }

    /// Whether people have seen this plan. One that a recovery has changed since is another one.
    fn was_shown(&self, host: &str, plan: &PlanView) -> bool {
        let Some(shown) = self.shown.as_ref().filter(|_| self.screen.mode() == Mode::Text) else {
            return false;
        };
        // What is noted beside a plan is looked for once, and is no part of what is done.
        let is_same =
            |shown: &PlanView| PlanView { notes: plan.notes.clone(), ..shown.clone() } == *plan;
        self.several || shown.get(&(host.to_owned(), plan.site.clone())).is_some_and(is_same)
    }

    fn print_end(&mut self, host: &str, applied: &Result<Vec<AppliedSite>, CommandError>) {
        let reason = match applied {
            Ok(sites) => {
                self.ends.tell(host, self.several, sites, self.screen);
                self.has_changed |= sites.iter().any(|site| site.end().is_some());
                let reasons: Vec<String> = sites.iter().filter_map(reason).collect();
                (!reasons.is_empty()).then(|| reasons.join("\n    "))
            }
            Err(error) => {
                self.screen.error(Some(host), error);
                Some(describe_failure(error))
            }
        };
        match reason {
            Some(reason) => self.failures.push((host.to_owned(), reason)),
            None => self.done += 1,
        }
    }

    /// How long the hosts took, without what somebody needed to agree.
    fn took(&self) -> Option<String> {
        let (began, live) = (self.began?, self.screen.live()?);
        Some(took(live.now().saturating_sub(began)))
    }

    /// The reasons, the same ones together. One that holds for a single host names its address.
    fn reasons(&self, places: &HashMap<&str, usize>) -> Vec<(Vec<&str>, String)> {
        let mut plain = Vec::new();
        for (host, reason) in &self.failures {
            let place = places.get(host.as_str()).and_then(|place| self.hosts.get(*place));
            let address = place.map_or("", |(_, address)| address);
            plain.push((host.as_str(), without_address(reason, address)));
        }
        let mut groups = folded(plain);
        let whole: HashMap<&str, &String> =
            self.failures.iter().map(|(host, reason)| (host.as_str(), reason)).collect();
        for (hosts, reason) in &mut groups {
            if let [host] = hosts[..]
                && let Some(whole) = whole.get(host)
            {
                reason.clone_from(whole);
            }
        }
        groups
    }

    /// Fits a screen: what is done is counted, what failed has its reason, the same ones together, in the
    /// inventory's order.
    pub(crate) fn summarise(&mut self) {
        self.screen.finish();
        let took = self.took();
        if !self.several {
            if let Some(took) = took.filter(|_| self.has_changed) {
                let how = if self.failures.is_empty() { "Done in" } else { "Failed after" };
                self.screen.complain(&format!("{how} {took}"));
            }
            return;
        }
        let places = self.hosts.iter().enumerate().map(|(place, (host, _))| (*host, place));
        let places: HashMap<&str, usize> = places.collect();
        self.failures.sort_by_key(|(host, _)| places.get(host.as_str()).copied());
        let failed: Vec<&str> = self.failures.iter().map(|(host, _)| host.as_str()).collect();
        let left: Vec<&str> = self.not_reached.iter().map(|(host, _)| host.as_str()).collect();
        let summary = Summary {
            hosts: self.hosts.len(),
            done: self.done,
            failed: failed.clone(),
            not_reached: left.clone(),
        };
        self.screen.document("summary", None, &summary);
        let took = took.map_or(String::new(), |took| format!(" in {took}"));
        let mut text = format!("{} of {} hosts done{took}", self.done, self.hosts.len());
        for (count, what) in [(failed.len(), "failed"), (left.len(), "not reached")] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text.push('\n');
        let groups = self.reasons(&places);
        for (hosts, reason) in groups.iter().take(FAILURES_SHOWN) {
            text.push_str(&format!("  failed: {}: {reason}\n", named(hosts)));
        }
        if groups.len() > FAILURES_SHOWN {
            let more = groups.len() - FAILURES_SHOWN;
            text.push_str(&format!("  and {more} other failures, see above\n"));
        }
        if let Some((_, why)) = self.not_reached.first() {
            text.push_str(&format!("  not reached: {}: {why}\n", named(&left)));
        }
        match groups.is_empty() && left.is_empty() {
            true => self.screen.print_done(&text),
            false => self.screen.print(&text),
        }
    }
}

impl Observer for Applying<'_> {
    type Page = HostPage;

    fn pages(&self) -> Pages<HostPage> {
        let asides = self.screen.asides();
        Box::new(move |work, plans| HostPage::of(work.name(), plans, asides()))
    }

    fn planned(&mut self, host: &str, plans: Vec<PlannedSite>, removed: &[Site]) {
        let plans = plans.into_iter().filter_map(|planned| planned.plan.ok());
        let plans = plans.map(|plan| ((host.to_owned(), plan.site.clone()), plan));
        self.shown.get_or_insert_default().extend(plans);
        if !removed.is_empty() {
            self.of_several_sites.insert(host.to_owned());
        }
        self.ends.removes(host, removed);
    }

    fn nothing_to_do(
        &mut self,
        host: &str,
        sites: &Result<Vec<AppliedSite>, CommandError>,
        leavers: &Leavers,
    ) {
        let is_well =
            sites.as_ref().is_ok_and(|sites| sites.iter().all(|site| site.failure().is_none()));
        if is_well && !self.tells_nothing {
            self.screen.live().into_iter().for_each(|live| live.ended(host));
            self.done += 1;
            return;
        }
        self.ended(host, sites);
        self.screen.print_done(&left::text(leavers));
    }

    fn show(&mut self, pages: Vec<(&str, HostPage)>) {
        // Who is to be asked has to see it.
        if self.order.ask || !self.screen.is_quiet() {
            show_pages(pages, self.screen);
        }
    }

    fn agree(&mut self, what: &Agreement<'_>) -> Result<(), CommandError> {
        let pruned = left::question(&what.leavers);
        let question = format!("{}{pruned}?", asked_for(self.order, &what.amount));
        let is_apply = matches!(self.order.options.intent, Intent::Apply { .. });
        let not_done = if is_apply { "not applied" } else { "not done" };
        let answer = match self.typed {
            Some(name) => {
                let question = format!("{question} Type the name `{name}` to remove it: ");
                self.screen.ask(&question, self.interrupt).map(|typed| typed == name)
            }
            None => self.screen.confirm(&question, self.interrupt),
        };
        let no = match self.typed {
            Some(name) => format!("`{name}` was not typed"),
            None => "you answered no".to_owned(),
        };
        self.screen.agreed(answer, (not_done, &no, "the plan"), self.interrupt)
    }

    fn before_changes(&mut self) -> Result<(), CommandError> {
        self.before_changes.as_mut().map_or(Ok(()), |before| before())
    }

    fn begun(&mut self, host: &str) {
        let Some(live) = self.screen.live() else { return };
        if self.began.is_none() {
            self.began = Some(live.now());
            live.expect(self.hosts.len());
        }
        live.begun(host);
    }

    fn event(&mut self, host: &str, event: &Event) {
        let said = match self.of_several_sites.contains(host) {
            true => describe_one_of_several(event),
            false => describe(event),
        };
        // On a terminal each host has its own line, which says the last of what happened. How a site
        // ended stays, and so does a plan that nobody has seen.
        let said = match self.screen.live() {
            Some(live) => live.event(host, event, said),
            None => said,
        };
        self.print_event(host, event, &said);
    }

    fn ended(&mut self, host: &str, applied: &Result<Vec<AppliedSite>, CommandError>) {
        self.screen.live().into_iter().for_each(|live| live.ended(host));
        self.print_end(host, applied);
    }

    fn stay(&mut self, host: &str, leavers: &Leavers) {
        let line = left::in_short(leavers);
        if !line.is_empty() {
            let prefix = if self.several { format!("{host}: ") } else { String::new() };
            self.screen.print_done(&format!("{prefix}{line}"));
        }
    }

    fn not_reached(&mut self, host: &str, why: NotReached) {
        let error = not_reached(why);
        if self.several {
            self.screen.failure(Some(host), &error);
        } else {
            // There is no summary that would tell.
            self.screen.error(None, &error);
        }
        self.not_reached.push((host.to_owned(), why));
    }
}

/// Why a site failed, without the hints, which were shown when it did, and with the end of the first log there is.
fn reason(applied: &AppliedSite) -> Option<String> {
    let mut reason = describe_failure(&applied.failure()?);
    let troubles = applied.report.as_ref().map(|report| report.troubles.as_slice());
    let log = troubles.unwrap_or_default().iter().find(|trouble| !trouble.log.is_empty());
    let log = log.map_or(&[][..], |trouble| trouble.log.as_slice());
    for line in log.iter().skip(log.len().saturating_sub(LOG_LINES_SHOWN)) {
        reason.push_str(&format!("\n    | {}", sanitized(line)));
    }
    Some(reason)
}
