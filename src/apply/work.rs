//! What is done to groups, as data: worked out from the plan and supervisord's reread, and the same
//! backwards.

use std::collections::{BTreeMap, BTreeSet};

use super::watch::Watched;
use crate::event::Rolling;
use crate::plan::{GroupAction, GroupChange, SitePlan, StopSignal};
use crate::supervisord::{Call, Reload, display_name};

/// What is done to one group, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupWork {
    pub(super) group: String,
    /// Processes that stop first.
    pub(super) stop: StopFirst,
    /// Then the group leaves supervisord,
    pub(super) remove: bool,
    /// and comes back as its files say,
    pub(super) add: bool,
    /// and these processes start,
    pub(super) start: Vec<String>,
    /// and these, which supervisord starts by itself, stop again.
    pub(super) keep_stopped: Vec<String>,
    /// Not before these groups are gone: it takes their place.
    pub(super) after: Vec<String>,
    /// Whether what is down starts also if the rest does not stop in time: on the way back.
    pub(super) starts_anyway: bool,
    pub(super) stop_seconds: u32,
    /// How what stops first is asked to,
    pub(super) stop_signal: Option<StopSignal>,
    /// and what stops again after it has come back. `None` where that is not known.
    pub(super) stop_again_signal: Option<StopSignal>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StopFirst {
    Nothing,
    /// Nothing is sent, but what is stopping already is waited for: supervisord answers a start of
    /// a STOPPING process with true and does nothing.
    WaitOnly,
    Everything,
    These(Vec<String>),
}

/// Everything that is done to a site's groups.
#[derive(Debug, Clone, Default)]
pub(super) struct SiteWork {
    /// What is done at the same time.
    pub(super) items: Vec<GroupWork>,
    /// What is done after that, one batch after the other, each healthy before the next.
    pub(super) rolling: Vec<Vec<GroupWork>>,
    /// What is watched with the items: an interrupted apply has started it.
    unwatched: Watched,
}

impl SiteWork {
    /// What the plan says, as far as supervisord's reread bears it out: a change that supervisord
    /// does not see needs no restart.
    pub(super) fn new(plan: &SitePlan, reread: &Reload) -> Self {
        let changed: BTreeSet<&str> = reread.changed.iter().map(String::as_str).collect();
        let removed: BTreeSet<&str> = reread.removed.iter().map(String::as_str).collect();
        let mut leaving = BTreeSet::new();
        for (group, change) in &plan.groups {
            if change.action == GroupAction::Remove && removed.contains(group.as_str()) {
                leaving.insert(group);
            }
        }
        let mut work = Self { unwatched: plan.unwatched.clone(), ..Self::default() };
        let mut rolling: BTreeMap<&str, (usize, Vec<GroupWork>)> = BTreeMap::new();
        for (group, change) in &plan.groups {
            let mut item = match &change.action {
                GroupAction::Leave => continue,
                // It is not loaded any more, or another file defines it by now: nothing of ours to take out.
                GroupAction::Remove if !removed.contains(group.as_str()) => continue,
                // supervisord sees no difference, so what runs is what is wanted. The plan has what is
                // still to be done, as for what was to be restarted all the same.
                GroupAction::Replace { .. } if !changed.contains(group.as_str()) => {
                    let Some(action) = plan.unseen.get(group).cloned() else { continue };
                    GroupWork::new(group, &GroupChange { action, ..change.clone() }, None)
                }
                _ => GroupWork::new(group, change, plan.stopped.get(group)),
            };
            if let (true, Some(desired), Some(ran)) =
                (item.add, &change.desired, plan.ran.get(group))
            {
                // supervisord starts only the others of its group by itself.
                item.start.extend(ran.iter().filter(|name| desired.idle.contains(name)).cloned());
            }
            item.after = change.after.clone();
            // A group that stays loaded makes no place, and is nothing to wait for.
            item.after.retain(|other| leaving.contains(other));
            match (change.rolling, &change.desired) {
                (Some(batch), Some(desired)) => {
                    let queue = rolling.entry(&desired.program).or_default();
                    queue.0 = batch.max(1) as usize;
                    queue.1.extend(item.one_by_one());
                }
                _ => work.items.push(item),
            }
        }
        for (batch, queue) in rolling.into_values() {
            work.rolling.extend(queue.chunks(batch).map(<[GroupWork]>::to_vec));
        }
        work
    }

    /// Every group something is done to, at once or later.
    pub(super) fn all_items(&self) -> impl Iterator<Item = &GroupWork> {
        self.items.iter().chain(self.rolling.iter().flatten())
    }

    /// How far it has come at step `number` of what goes one after the other; `None` before the first,
    /// which has number 1.
    pub(super) fn step(&self, number: usize) -> Option<Rolling> {
        let (now, before) = self.rolling.get(..number)?.split_last()?;
        let count = |steps: &[Vec<GroupWork>]| steps.iter().map(Vec::len).sum::<usize>();
        let done = count(before);
        Some(Rolling { first: done + 1, last: done + now.len(), of: count(&self.rolling) })
    }

    /// One batch of what goes one after the other, as work of its own.
    pub(super) fn batch(items: &[GroupWork]) -> Self {
        Self { items: items.to_vec(), ..Self::default() }
    }

    /// The way back: what must be done after the former files are read again, so that each touched
    /// group is as it was.
    pub(super) fn reversed(&self, plan: &SitePlan, reread: &Reload) -> Self {
        // Of a rolling restart there is an item for each process; the way back takes the group once.
        let touched: BTreeMap<&String, &GroupWork> =
            self.all_items().map(|item| (&item.group, item)).collect();
        let mut items = Vec::new();
        for (group, item) in &touched {
            let mut back = item.reversed(plan, reread);
            // The one that had left comes back when what took its place is gone: until then both would
            // run the same program.
            for other in touched.keys() {
                let change = plan.groups.get(*other);
                if change.is_some_and(|change| change.after.contains(group)) {
                    back.after.push((*other).clone());
                }
            }
            items.push(back);
        }
        Self { items, ..Self::default() }
    }

    /// The processes that should be up when it is done, by group.
    pub(super) fn watched(&self, plan: &SitePlan) -> Watched {
        let mut watched = self.unwatched.clone();
        for item in &self.items {
            let change = plan.groups.get(&item.group);
            let Some(desired) = change.and_then(|change| change.desired.clone()) else { continue };
            if item.remove {
                // It is replaced after all: what an interrupted apply had started is gone.
                watched.remove(&item.group);
            }
            let mut names = item.start.clone();
            if item.add && desired.autostart {
                names = desired.process_names(&item.group);
                names.retain(|name| {
                    let starts = desired.starts(name) || item.start.contains(name);
                    starts && !item.keep_stopped.contains(name)
                });
            }
            if !names.is_empty() {
                let group = watched.entry(item.group.clone()).or_insert((desired, Vec::new()));
                group.1.extend(names);
            }
        }
        watched
    }
}

impl GroupWork {
    fn new(group: &str, change: &GroupChange, stopped_by_hand: Option<&Vec<String>>) -> Self {
        let all = change.desired.as_ref().map_or(Vec::new(), |d| d.process_names(group));
        let by_hand = stopped_by_hand.map_or(&[][..], Vec::as_slice);
        let mut item = Self {
            group: group.to_owned(),
            stop: StopFirst::Nothing,
            remove: false,
            add: false,
            start: Vec::new(),
            keep_stopped: Vec::new(),
            after: Vec::new(),
            starts_anyway: false,
            stop_seconds: change.stop_seconds,
            stop_signal: change.stop_signals.loaded,
            stop_again_signal: change.stop_signals.new,
        };
        match &change.action {
            GroupAction::Leave => {}
            GroupAction::Add { start } | GroupAction::Replace { start } => {
                if matches!(change.action, GroupAction::Replace { .. }) {
                    (item.stop, item.remove) = (StopFirst::Everything, true);
                }
                item.add = true;
                if *start {
                    item.start.clone_from(&all);
                    item.start.retain(|name| !by_hand.contains(name));
                }
                // With `autostart` supervisord starts all of them, and has no call that adds a group
                // without that: what was stopped by hand is stopped once more.
                if change.desired.as_ref().is_some_and(|desired| desired.autostart) {
                    item.keep_stopped = by_hand.to_vec();
                    item.keep_stopped.retain(|name| all.contains(name));
                }
            }
            GroupAction::Remove => (item.stop, item.remove) = (StopFirst::Everything, true),
            GroupAction::Restart { processes } => {
                item.stop = StopFirst::These(processes.clone());
                item.start.clone_from(processes);
            }
            GroupAction::Start { processes } => {
                // supervisord would take a start of what is still STOPPING, and do nothing.
                item.stop = StopFirst::WaitOnly;
                item.start.clone_from(processes);
            }
            GroupAction::Stop { processes } => item.stop = StopFirst::These(processes.clone()),
        }
        item
    }

    /// The same for each of its processes alone. A group that is taken out and in has only one.
    fn one_by_one(self) -> Vec<Self> {
        let StopFirst::These(processes) = &self.stop else { return vec![self] };
        let mut items = Vec::new();
        for name in processes {
            let only = vec![name.clone()];
            items.push(Self { stop: StopFirst::These(only.clone()), start: only, ..self.clone() });
        }
        items
    }

    /// What puts this group back, after the former files are read again.
    fn reversed(&self, plan: &SitePlan, reread: &Reload) -> Self {
        let group = &self.group;
        let signals = plan.groups.get(group).map(|change| change.stop_signals);
        let mut back = Self {
            stop: StopFirst::WaitOnly,
            remove: false,
            add: false,
            start: plan.ran.get(group).cloned().unwrap_or_default(),
            keep_stopped: Vec::new(),
            after: Vec::new(),
            // One process that does not end must not keep down the others that ran.
            starts_anyway: true,
            // What stops now runs by the new configuration, and what comes back by the former.
            stop_signal: signals.and_then(|signals| signals.new),
            stop_again_signal: signals.and_then(|signals| signals.former),
            ..self.clone()
        };
        // The reread says what supervisord has loaded otherwise than the former files: so far the
        // update had come. What was sent is no proof, since an answer may have been lost.
        if reread.removed.contains(group) {
            (back.stop, back.remove) = (StopFirst::Everything, true);
            back.start.clear();
        } else if reread.changed.contains(group) {
            (back.stop, back.remove, back.add) = (StopFirst::Everything, true, true);
        } else if reread.added.contains(group) {
            (back.stop, back.add) = (StopFirst::Nothing, true);
        }
        if back.add {
            back.keep_stopped = plan.stopped.get(group).cloned().unwrap_or_default();
        }
        back
    }

    /// Its processes, as far as they are named: for telling which were not reached.
    pub(super) fn names(&self) -> Vec<String> {
        match &self.stop {
            StopFirst::These(names) => {
                names.iter().map(|name| display_name(&self.group, name)).collect()
            }
            _ => vec![self.group.clone()],
        }
    }

    /// What is called once its processes are down.
    pub(super) fn calls(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        if self.remove {
            calls.push(Call::RemoveProcessGroup(self.group.clone()));
        }
        if self.add {
            calls.push(Call::AddProcessGroup(self.group.clone()));
        }
        // Each by its name: `startProcessGroup` starts what was stopped by hand, too.
        for name in &self.start {
            calls.push(Call::StartProcess(format!("{}:{name}", self.group)));
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Domain, Signal};
    use crate::plan::{Reason, StopSignals};

    /// supervisord stops what runs by the configuration that it has loaded: going on that is the
    /// former one, going back the new one.
    #[test]
    fn stop_repeats_by_loaded_configuration() {
        let by = |signal| Some(StopSignal { signal, as_group: false });
        let (former, new) = (by(Signal::Quit), by(Signal::Usr1));
        let mut plan = SitePlan::without_changes(Domain::parse("a.com").unwrap());
        let change = GroupChange::new(
            GroupAction::Replace { start: true },
            Reason::FileNewer,
            10,
            StopSignals { loaded: former, former, new },
        );
        plan.groups.insert("a.com-w".to_owned(), change);
        let changed = Reload { changed: vec!["a.com-w".to_owned()], ..Reload::default() };
        let on = SiteWork::new(&plan, &changed);
        let back = on.reversed(&plan, &changed);
        let signals =
            |work: &SiteWork| (work.items[0].stop_signal, work.items[0].stop_again_signal);
        assert_eq!(signals(&on), (former, new));
        assert_eq!(signals(&back), (new, former));
    }
}
