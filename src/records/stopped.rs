//! What somebody stops while an apply that never ended is on record: whoever undoes or finishes that apply leaves it so.

use std::collections::BTreeMap;

use super::journal::Journal;

/// Processes of a group that somebody stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedProcesses {
    /// Their names within it.
    pub names: Vec<String>,
    /// Whether the group is stopped as a whole: then also what else an apply had found running.
    pub are_all: bool,
}

impl Journal {
    /// Takes these processes, by group, for stopped by hand, as far as it has changed their groups.
    pub(super) fn note_stopped(&mut self, stopped: &BTreeMap<String, StoppedProcesses>) {
        for (group, StoppedProcesses { names, are_all }) in stopped {
            if !self.groups.contains_key(group) {
                continue;
            }
            let ran = self.ran.remove(group).unwrap_or_default();
            let (ran, goes_on): (Vec<_>, Vec<_>) =
                ran.into_iter().partition(|name| *are_all || names.contains(name));
            if !goes_on.is_empty() {
                self.ran.insert(group.clone(), goes_on);
            }
            let noted = self.stopped.entry(group.clone()).or_default();
            // Who never ran was not stopped: with another `autostart` it is to start.
            let never_ran = self.idle.get(group).map_or(&[][..], Vec::as_slice);
            let stopped = names.iter().filter(|name| !never_ran.contains(name));
            noted.extend(ran.into_iter().chain(stopped.cloned()));
            noted.sort_unstable();
            noted.dedup();
        }
        if let Some(former) = &mut self.former {
            former.note_stopped(stopped);
        }
    }
}
