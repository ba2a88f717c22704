//! How much plans change in all: the last line of what is shown.

use std::collections::BTreeSet;

use super::names::counted;
use crate::inventory::Domain;
use crate::plan::{GroupAction, GroupView, PlanView};

/// What plans do in all.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    hosts: BTreeSet<String>,
    sites: BTreeSet<Domain>,
    starts: usize,
    waits: usize,
    restarts: Stopping,
    stops: Stopping,
    leaves: usize,
    unchanged: usize,
    stay_stopped: usize,
    files: usize,
    given_back: usize,
    cleaned_up: usize,
    refused: BTreeSet<Domain>,
    /// Whether a host changes.
    acts: bool,
    /// Whether a program restarts for nothing but another number of processes.
    restarts_to_scale: bool,
}

/// Programs that stop, and how long that may take. They stop at the same time.
#[derive(Debug, Default, Clone, Copy)]
struct Stopping {
    programs: usize,
    seconds: u64,
}

impl Stopping {
    fn add(&mut self, group: &GroupView) {
        self.programs += 1;
        if !group.running.is_empty() {
            let at_a_time = group.rolling.map_or(usize::MAX, |batch| batch.max(1) as usize);
            let turns = group.running.len().div_ceil(at_a_time) as u64;
            self.seconds = self.seconds.max(turns * u64::from(group.stop_seconds));
        }
    }

    fn part(self, one: &str, many: &str) -> Option<String> {
        let took =
            if self.seconds > 0 { format!(" (up to {} s)", self.seconds) } else { String::new() };
        part(self.programs, one, many).map(|part| part + &took)
    }
}

fn part(count: usize, one: &str, many: &str) -> Option<String> {
    (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
}

impl Totals {
    /// Of one site on one host.
    pub(super) fn of(plan: &PlanView) -> Self {
        let mut totals = Self::default();
        totals.add_plan(plan);
        totals
    }

    /// With this site on this host.
    pub(super) fn add(&mut self, host: &str, plan: &PlanView) {
        self.hosts.insert(host.to_owned());
        self.sites.insert(plan.site.clone());
        self.add_plan(plan);
    }

    fn add_plan(&mut self, plan: &PlanView) {
        if !plan.refusals.is_empty() {
            self.refused.insert(plan.site.clone());
        }
        self.acts |= !plan.empty;
        self.unchanged += plan.unchanged;
        self.stay_stopped += plan.stopped.len();
        self.files += plan.files.len() + plan.folders.len() + plan.logs.len();
        self.given_back += usize::from(plan.releases);
        self.cleaned_up += usize::from(plan.interrupted.is_some());
        for group in &plan.groups {
            if starts(group) {
                self.starts += 1;
            } else if waits(group) {
                self.waits += 1;
            } else if restarts(group) {
                self.restarts.add(group);
                self.restarts_to_scale |= only_scales(group);
            } else if stops(group) {
                self.stops.add(group);
            } else {
                self.leaves += 1;
            }
        }
    }

    /// Together with what others do.
    pub(super) fn extend(&mut self, other: &Self) {
        self.hosts.extend(other.hosts.iter().cloned());
        self.sites.extend(other.sites.iter().cloned());
        for (all, more) in [(&mut self.restarts, other.restarts), (&mut self.stops, other.stops)] {
            all.programs += more.programs;
            all.seconds = all.seconds.max(more.seconds);
        }
        self.starts += other.starts;
        self.waits += other.waits;
        self.leaves += other.leaves;
        self.unchanged += other.unchanged;
        self.stay_stopped += other.stay_stopped;
        self.files += other.files;
        self.given_back += other.given_back;
        self.cleaned_up += other.cleaned_up;
        self.refused.extend(other.refused.iter().cloned());
        self.acts |= other.acts;
        self.restarts_to_scale |= other.restarts_to_scale;
    }

    /// Whether no site has a plan.
    pub(super) fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// `3 hosts, 5 sites: 2 start, 1 restarts (up to 60 s), 26 unchanged`.
    pub(crate) fn text(&self) -> String {
        let (hosts, sites) = (counted(self.hosts.len(), "host"), counted(self.sites.len(), "site"));
        format!("{hosts}, {sites}: {}", self.parts())
    }

    /// What would spare a restart, once for all programs that it is true of.
    pub(super) fn advice(&self) -> Option<&'static str> {
        self.restarts_to_scale.then_some(
            "with `instances: separate` a program gets more or fewer processes without a restart",
        )
    }

    /// What is done in all.
    pub(super) fn parts(&self) -> String {
        let acts = [
            part(self.starts, "starts", "start"),
            part(self.waits, "is taken up but not started", "are taken up but not started"),
            self.restarts.part("restarts", "restart"),
            self.stops.part("stops", "stop"),
            part(self.leaves, "is left as it is", "are left as they are"),
        ];
        let files = part(self.files, "file changes", "files change");
        let files = files.filter(|_| acts.iter().all(Option::is_none));
        let others = [
            files,
            part(self.given_back, "site is given back", "sites are given back"),
            part(
                self.cleaned_up,
                "interrupted apply is cleaned up",
                "interrupted applies are cleaned up",
            ),
        ];
        let nothing = (!self.acts && self.refused.is_empty()).then(|| "nothing to do".to_owned());
        let parts = nothing.into_iter().chain(acts.into_iter().chain(others).flatten());
        let mut parts: Vec<String> = parts.collect();
        parts.extend(part(self.unchanged, "unchanged", "unchanged"));
        parts.extend(part(self.stay_stopped, "stays stopped", "stay stopped"));
        parts.extend(part(self.refused.len(), "site refused", "sites refused"));
        parts.join(", ")
    }
}

/// Whether nothing but the number of its processes changes.
fn only_scales(group: &GroupView) -> bool {
    let mut names = group.settings.iter().map(|change| change.name.as_str());
    group.settings.iter().any(|change| change.name == "numprocs")
        && names.all(|name| matches!(name, "numprocs" | "process_name"))
}

pub(super) fn starts(group: &GroupView) -> bool {
    match &group.action {
        GroupAction::Add { start } => *start || group.autostart,
        GroupAction::Start { .. } => true,
        GroupAction::Replace { start } => group.running.is_empty() && (*start || group.autostart),
        _ => false,
    }
}

pub(super) fn waits(group: &GroupView) -> bool {
    match &group.action {
        GroupAction::Add { start } => !start && !group.autostart,
        GroupAction::Replace { start } => group.running.is_empty() && !start && !group.autostart,
        _ => false,
    }
}

pub(super) fn restarts(group: &GroupView) -> bool {
    match &group.action {
        GroupAction::Replace { .. } => !group.running.is_empty(),
        GroupAction::Restart { .. } => true,
        _ => false,
    }
}

pub(super) fn stops(group: &GroupView) -> bool {
    matches!(group.action, GroupAction::Remove | GroupAction::Stop { .. })
}
