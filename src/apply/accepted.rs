//! What is known of an accepted reread once the apply is done: whether the files are still those that
//! supervisord has read, and which groups it has loaded since.

use std::collections::BTreeMap;
use std::time::Duration;

use super::transaction::Transaction;
use crate::supervisord::{Answer, Call, Fault, Reload};
use crate::system::trail::Trail;

/// How long the clock of file systems stands still at most (`HZ=100`), in how many parts it is waited for.
const TICK: Duration = Duration::from_millis(1);
const TICKS: u32 = 12;

/// What supervisord said when it read the new files, and what has become of that since.
#[derive(Debug)]
pub struct Accepted {
    /// What was seen on the ways to its files just before.
    pub seen: String,
    /// Its answer, before any group was changed.
    pub reload: Reload,
    /// The groups that were loaded or taken out since, and whether they are loaded now.
    pub regrouped: BTreeMap<String, bool>,
}

impl Transaction<'_, '_> {
    /// What is to be seen of the files that supervisord is about to read, once a change from now on would
    /// show: the swap is so new that the next one could have the same time, for a tick of the clock.
    pub(super) fn settled(&self, trail: &dyn Fn() -> Option<Trail>) -> Option<String> {
        for _ in 0..TICKS {
            let trail = trail()?;
            if trail.is_settled() {
                return Some(trail.digest([]));
            }
            self.doors.clock.wait(TICK);
        }
        None
    }

    /// A group that was loaded or taken out is as in the files that supervisord has read.
    pub(super) fn note_regrouped(&mut self, calls: &[Call], answers: &[Result<Answer, Fault>]) {
        let Some(accepted) = &mut self.accepted else { return };
        for (call, answer) in calls.iter().zip(answers) {
            let (group, is_loaded) = match call {
                Call::AddProcessGroup(group) => (group, true),
                Call::RemoveProcessGroup(group) => (group, false),
                _ => continue,
            };
            if answer.is_ok() {
                accepted.regrouped.insert(group.clone(), is_loaded);
            }
        }
    }
}
