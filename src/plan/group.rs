//! What is done to one group, and why. Pure.

use std::collections::BTreeSet;

use super::loaded::{is_perhaps_former, stop_seconds};
use super::sections::Sections;
use super::setting::differences;
use super::{GroupAction, GroupChange, PlanOptions, Reason, SettingChange};
use crate::actual::{ActualDaemon, ActualSite};
use crate::desired::{DesiredGroup, DesiredSite};
use crate::inventory::naming::{are_instances, are_siblings, base_of};
use crate::inventory::{Programs, RestartPolicy};
use crate::records::Journal;
use crate::supervisord::{ProcessInfo, ProcessState};

/// One group of the site, with all that its change depends on.
pub(super) struct GroupContext<'a> {
    pub(super) group: &'a String,
    pub(super) desired: &'a DesiredSite,
    pub(super) daemon: &'a ActualDaemon,
    pub(super) actual: &'a ActualSite,
    pub(super) programs: &'a Programs,
    pub(super) options: &'a PlanOptions,
    pub(super) sections: &'a Sections,
}

impl GroupContext<'_> {
    fn processes(&self) -> &[ProcessInfo] {
        self.daemon.groups.get(self.group).map_or(&[], Vec::as_slice)
    }

    /// Whether it is wanted, and supervisord is to start it.
    fn starts_by_itself(&self) -> bool {
        self.desired.groups.get(self.group).is_some_and(|group| group.autostart)
    }

    /// The processes that run, or that an interrupted apply has stopped.
    pub(super) fn ran(&self) -> Vec<String> {
        let mut ran: BTreeSet<String> =
            self.processes().iter().filter(|p| is_up(p)).map(|p| p.name.clone()).collect();
        ran.extend(self.ran_before_interruption().iter().cloned());
        ran.into_iter().collect()
    }

    /// Those of them that fail to stay up and are tried again.
    pub(super) fn failing(&self) -> Vec<String> {
        self.named(|process| process.state == ProcessState::Backoff).collect()
    }

    pub(super) fn stopped_by_hand(&self, ran: &[String]) -> Vec<String> {
        if self.options.start_stopped {
            return Vec::new();
        }
        let mut stopped: BTreeSet<String> = match self.touched_by_interruption() {
            // Who else is stopped may be so because of the apply that never ended. And supervisord may
            // have been started since: nobody has stopped what that one never started.
            Some(journal) => {
                let starts = self.starts_by_itself();
                let never_started: Vec<String> =
                    if starts { self.named(was_never_started).collect() } else { Vec::new() };
                let stopped = journal.stopped.get(self.group).into_iter().flatten();
                stopped.filter(|name| !never_started.contains(name)).cloned().collect()
            }
            None => self.named(was_stopped_by_hand).collect(),
        };
        // With autostart=false, one that nobody ever started is not started for its neighbour's
        // sake.
        if !ran.is_empty() && self.desired.groups.get(self.group).is_some_and(|g| !g.autostart) {
            stopped.extend(self.idle(ran));
        }
        stopped.into_iter().filter(|name| !ran.contains(name)).collect()
    }

    /// Its processes that nobody ever started.
    pub(super) fn idle(&self, ran: &[String]) -> Vec<String> {
        let idle: Vec<String> = match self.touched_by_interruption() {
            Some(journal) => journal.idle.get(self.group).cloned().unwrap_or_default(),
            None => self.named(was_never_started).collect(),
        };
        idle.into_iter().filter(|name| !ran.contains(name)).collect()
    }

    fn named(&self, which: fn(&ProcessInfo) -> bool) -> impl Iterator<Item = String> {
        self.processes().iter().filter(move |p| which(p)).map(|p| p.name.clone())
    }

    fn touched_by_interruption(&self) -> Option<&Journal> {
        self.unfinished().filter(|journal| journal.groups.contains_key(self.group))
    }

    fn unfinished(&self) -> Option<&Journal> {
        self.actual.interrupted.finished.as_ref()
    }

    /// Whether an interrupted apply was about to change it, and this one, of other programs, may not.
    pub(super) fn stays_unfinished(&self) -> bool {
        if self.touched_by_interruption().is_none() {
            return false;
        }
        match self.desired.groups.get(self.group) {
            Some(wanted) => !self.is_selected(wanted),
            None => !self.may_leave(),
        }
    }

    /// Of a group that has neither a file nor is wanted, nothing could run again, and one that the
    /// interrupted apply did not change is as somebody else has left it.
    fn ran_before_interruption(&self) -> &[String] {
        let sections = &self.sections.before;
        if !self.desired.groups.contains_key(self.group) && !sections.contains_key(self.group) {
            return &[];
        }
        let ran = self.touched_by_interruption().and_then(|journal| journal.ran.get(self.group));
        ran.map_or(&[], Vec::as_slice)
    }

    /// The processes that an interrupted apply has stopped, or not yet started. One that has exited or
    /// failed did so by itself.
    fn stopped_by_interruption(&self) -> Vec<String> {
        let ran = self.ran_before_interruption();
        let autostart = self.starts_by_itself();
        let by_hand = self.touched_by_interruption().map(|journal| journal.stopped.get(self.group));
        let mut stopped = Vec::new();
        for ProcessInfo { name, state, .. } in self.processes() {
            if state.is_running() || matches!(state, ProcessState::Exited | ProcessState::Fatal) {
                continue;
            }
            let stays = !self.options.start_stopped
                && by_hand.flatten().is_some_and(|by_hand| by_hand.contains(name));
            // What did not run may be one that it had added and not yet started.
            if ran.contains(name) || (autostart && by_hand.is_some() && !stays) {
                stopped.push(name.clone());
            }
        }
        stopped
    }

    /// Its processes that an interrupted apply has changed, unless all of them change again now. One
    /// that only put things back has nothing to watch, unless what it was to put back is wanted again.
    ///
    /// A file that is written again may be what supervisord has loaded: then it is not replaced, and what runs
    /// was never watched.
    pub(super) fn unwatched(&self, change: Option<&GroupChange>) -> Vec<String> {
        let journal = self.touched_by_interruption();
        let stays = change.is_none_or(|change| {
            use GroupAction::{Leave, Replace, Start};
            matches!(change.action, Leave | Start { .. } | Replace { .. })
        });
        let is_written_again = self.sections.after.contains_key(self.group);
        let has_nothing_to_watch =
            journal.is_none_or(|journal| journal.target.is_none() && !is_written_again);
        if !stays || has_nothing_to_watch || self.stays_unfinished() {
            return Vec::new();
        }
        // One that has exited or failed since is what a watch is there to find.
        self.named(|p| is_up(p) || matches!(p.state, ProcessState::Exited | ProcessState::Fatal))
            .collect()
    }

    pub(super) fn change(&self, ran: &[String]) -> Option<GroupChange> {
        let loaded = self.daemon.groups.contains_key(self.group);
        let stop_seconds = self.stop_seconds();
        let is_loaded = !is_perhaps_former(self.daemon, self.group);
        let stop_signals = self.sections.stop_signals(self.group, is_loaded);
        let Some(wanted) = self.desired.groups.get(self.group) else {
            let leaves = loaded && self.options.changes_files() && self.may_leave();
            let (action, reason) = (GroupAction::Remove, Reason::NotWanted);
            return leaves.then(|| GroupChange::new(action, reason, stop_seconds, stop_signals));
        };
        if !self.is_selected(wanted) {
            return None;
        }
        let changes_files = self.options.changes_files();
        let (action, reason) = if !changes_files && self.actual.is_anothers(self.group, self.daemon)
        {
            // Refused where files are written; here nothing but its name is the site's.
            (GroupAction::Leave, Reason::Anothers)
        } else if loaded {
            self.change_of_loaded(wanted, ran)?
        } else {
            let start = !wanted.autostart && (!ran.is_empty() || self.predecessor_ran(wanted));
            // Without a file to write, only supervisord can tell that there is one that it would load.
            match (self.pending(|reread| &reread.added), changes_files) {
                (true, _) => (GroupAction::Add { start }, Reason::NotLoaded),
                (false, true) => (GroupAction::Add { start }, Reason::New),
                (false, false) => (GroupAction::Leave, Reason::NotKnown),
            }
        };
        let rolling = self.rolling(wanted, &action);
        let after = match action {
            GroupAction::Add { .. } => self.predecessors(wanted).cloned().collect(),
            _ => Vec::new(),
        };
        let desired = Some(wanted.clone());
        let command = match action {
            GroupAction::Add { .. } => self.new_command(),
            _ => None,
        };
        let settings = self.changed_settings();
        let change = GroupChange::new(action, reason, stop_seconds, stop_signals);
        Some(GroupChange { desired, rolling, after, settings, command, ..change })
    }

    /// Whether a group that is not wanted may go: of an apply of some programs only what one of
    /// them had before, with another number of instances or as the program that is to be absent.
    fn may_leave(&self) -> bool {
        let wanted = &self.desired.groups;
        self.programs.is_all()
            || self.known_program().is_some_and(|program| self.programs.have(program))
            || wanted.iter().any(|(name, group)| {
                self.is_selected(group) && self.was_of(self.group, name, group)
            })
    }

    /// Whose it is as it is recorded, else as its file is called.
    fn known_program(&self) -> Option<&String> {
        let recorded = self.actual.record.as_ref().and_then(|record| record.groups.get(self.group));
        recorded.map(|recorded| &recorded.program).or_else(|| self.sections.program.get(self.group))
    }

    /// Whether this group, which is not wanted, was of the program of a wanted one: as it is
    /// recorded, else as its file is called, and only of one that neither tells of by its name.
    fn was_of(&self, former: &str, name: &str, wanted: &DesiredGroup) -> bool {
        let recorded = self.actual.record.as_ref().and_then(|record| record.groups.get(former));
        let file = self.sections.program.get(former);
        match (recorded, file) {
            (Some(recorded), _) => recorded.program == wanted.program,
            (None, Some(program)) => *program == wanted.program,
            (None, None) => are_siblings(former, name) || are_instances(former, name),
        }
    }

    fn is_selected(&self, wanted: &DesiredGroup) -> bool {
        self.programs.have(&wanted.program)
    }

    /// Whether its processes go one after the other. A changed group of several processes cannot:
    /// supervisord takes it out and in as a whole.
    fn rolling(&self, wanted: &DesiredGroup, action: &GroupAction) -> Option<u32> {
        let asked = (wanted.restart == RestartPolicy::Rolling).then_some(1);
        let batch = self.options.rolling.or(asked)?;
        match action {
            GroupAction::Restart { .. } => Some(batch),
            GroupAction::Replace { .. } if wanted.numprocs == 1 => Some(batch),
            _ => None,
        }
    }

    /// The groups that this one takes the place of: those of a program that goes from one group to
    /// a group for each process, or back.
    fn predecessors(&self, wanted: &DesiredGroup) -> impl Iterator<Item = &String> {
        let recorded = self.actual.record.iter().flat_map(|record| record.groups.keys());
        let in_files = self.sections.program.keys();
        // Nothing but its name tells of another group that it was this program's.
        let base = base_of(self.group);
        let alike = self.daemon.groups.range(base.to_owned()..).map(|(name, _)| name);
        let alike = alike.take_while(move |name| name.starts_with(base));
        let known = recorded.chain(in_files).chain(alike).collect::<BTreeSet<&String>>();
        let leaving = known.into_iter().filter(|other| {
            self.daemon.groups.contains_key(*other) && !self.desired.groups.contains_key(*other)
        });
        leaving.filter(|other| self.was_of(other, self.group, wanted))
    }

    fn predecessor_ran(&self, wanted: &DesiredGroup) -> bool {
        let mut processes = self.predecessors(wanted).flat_map(|other| &self.daemon.groups[other]);
        processes.any(is_up)
    }

    fn change_of_loaded(
        &self,
        wanted: &DesiredGroup,
        ran: &[String],
    ) -> Option<(GroupAction, Reason)> {
        let changed = self.changed_options();
        let file_newer = self.pending(|reread| &reread.changed);
        let by_hand = ran.is_empty() && !self.stopped_by_hand(ran).is_empty();
        if !changed.is_empty() || file_newer {
            // Before all else: supervisord starts what it replaces, and somebody wants this one down.
            if by_hand && wanted.autostart {
                return Some((GroupAction::Leave, Reason::StoppedByHand));
            }
            let defers = self.options.leaves_running() || wanted.restart == RestartPolicy::Deferred;
            // One that fails again and again has no work that a restart would disturb.
            let mut works = self.named(|p| is_up(p) && p.state != ProcessState::Backoff);
            let runs = self.stopped_by_interruption().is_empty() && works.next().is_some();
            if defers && runs && !self.options.restarts_all() {
                return Some((GroupAction::Leave, Reason::Deferred));
            }
            let start = !wanted.autostart && !ran.is_empty();
            let reason = if changed.is_empty() {
                Reason::FileNewer
            } else {
                Reason::Changed { options: changed }
            };
            return Some((GroupAction::Replace { start }, reason));
        }
        self.change_without_replacing(ran)
    }

    /// What is done to a group that has its configuration already.
    pub(super) fn change_without_replacing(&self, ran: &[String]) -> Option<(GroupAction, Reason)> {
        let starts_stopped = self.options.start_stopped && self.starts_by_itself();
        if self.options.restarts_all() {
            let by_hand = self.stopped_by_hand(ran);
            let mut processes = Vec::new();
            for p in self.processes() {
                // Not by `is_up`: one that exited or failed is restarted too, only what is meant to
                // be down is not.
                let is_idle =
                    p.state == ProcessState::Stopped && !(starts_stopped && was_stopped_by_hand(p));
                if ran.contains(&p.name) || !(by_hand.contains(&p.name) || is_idle) {
                    processes.push(p.name.clone());
                }
            }
            return match (processes.is_empty(), by_hand.is_empty()) {
                (false, _) => Some((GroupAction::Restart { processes }, Reason::RestartAsked)),
                (true, false) => Some((GroupAction::Leave, Reason::StoppedByHand)),
                // Never started, as it is wanted.
                (true, true) => None,
            };
        }
        if starts_stopped {
            let stopped = self.named(was_stopped_by_hand);
            let processes: Vec<String> = stopped.filter(|name| !ran.contains(name)).collect();
            if !processes.is_empty() {
                return Some((GroupAction::Start { processes }, Reason::StartAsked));
            }
        }
        let stopped = self.stopped_by_interruption();
        (!stopped.is_empty())
            .then_some((GroupAction::Start { processes: stopped }, Reason::Interrupted))
    }

    fn pending(&self, of: fn(&crate::supervisord::Reload) -> &Vec<String>) -> bool {
        self.daemon.reread.as_ref().is_ok_and(|reread| of(reread).contains(self.group))
    }

    /// The options that differ between the file as it is and as it will be. Those of a file that is
    /// missing count as one difference: supervisord will tell whether there is any.
    fn changed_options(&self) -> Vec<String> {
        let is_missing = !self.sections.before.contains_key(self.group);
        if is_missing && self.sections.after.contains_key(self.group) {
            return vec!["its file, which was missing".to_owned()];
        }
        self.changed_settings().into_iter().map(|change| change.name).collect()
    }

    /// The same with what they say; none of a file that is missing.
    fn changed_settings(&self) -> Vec<SettingChange> {
        let sections = (self.sections.before.get(self.group), self.sections.after.get(self.group));
        let (Some(before), Some(after)) = sections else { return Vec::new() };
        differences(before, after)
    }

    /// What the file that it will have says is run.
    fn new_command(&self) -> Option<String> {
        self.sections.after.get(self.group)?.get("command").cloned()
    }

    fn stop_seconds(&self) -> u32 {
        let wanted = self.desired.groups.get(self.group);
        stop_seconds(self.group, wanted, self.daemon, self.actual, self.sections)
    }

    /// The seconds its processes have to stop by the configuration they go on with, where that is
    /// longer than the wanted one, with this change (or none).
    pub(super) fn still_loaded(&self, change: Option<&GroupChange>) -> Option<u32> {
        let wanted = self.desired.groups.get(self.group)?;
        let stays = self.daemon.groups.contains_key(self.group)
            && change.is_none_or(|c| !matches!(c.action, GroupAction::Replace { .. }));
        let is_former = is_perhaps_former(self.daemon, self.group)
            || self.is_selected(wanted) && !self.changed_options().is_empty();
        let seconds = self.stop_seconds();
        (stays && is_former && seconds > wanted.stopwaitsecs).then_some(seconds)
    }
}

pub(super) fn is_up(process: &ProcessInfo) -> bool {
    process.state.is_running()
}

/// STOPPED after it had been started: supervisord itself never does that, an exit is EXITED or
/// FATAL.
fn was_stopped_by_hand(process: &ProcessInfo) -> bool {
    matches!(process.state, ProcessState::Stopped | ProcessState::Stopping) && process.start > 0
}

fn was_never_started(process: &ProcessInfo) -> bool {
    process.state == ProcessState::Stopped && process.start == 0
}
