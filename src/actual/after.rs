//! What supervisord would say once an apply is done, from what it has said in the midst of it.

use std::collections::BTreeMap;

use super::daemon::{ConfigFiles, read_files};
use super::{ActualDaemon, basis};
use crate::records::NotedReread;
use crate::supervisord::{ProcessInfo, Reload};
use crate::system::files::Files;

/// What an apply knows of the reread that it has asked for.
#[derive(Debug, Clone, Copy)]
pub struct OfApply<'a> {
    /// A reading from before it.
    pub before: &'a ActualDaemon,
    /// What was seen on the ways to the files when supervisord began to read them.
    pub seen: &'a str,
    /// supervisord's answer to it, from before any group was loaded or taken out.
    pub reload: &'a Reload,
    /// The groups that were loaded or taken out since, and whether they are loaded now.
    pub regrouped: &'a BTreeMap<String, bool>,
    /// The names of the processes of those, by group.
    pub names: &'a BTreeMap<String, Vec<String>>,
}

/// What to note once an apply has ended, so that the next reading need not ask; `None` if somebody has
/// changed anything since supervisord has read the files, or if there is another doubt.
pub fn after_apply(
    files: &dyn Files,
    config: &ConfigFiles<'_>,
    apply: OfApply<'_>,
) -> Option<NotedReread> {
    let (mut now, refers) = read_files(files, config, BTreeMap::new());
    let trail = basis::trail(config.main, &now.include_patterns, &now.included)?;
    if trail.digest([]) != apply.seen {
        return None;
    }
    let outside = basis::outside(config.main, &trail, &now, &refers)?;
    now.version.clone_from(&apply.before.version);
    now.pid = apply.before.pid;
    // Nobody looks whether these are the processes: if they are not, the note does not hold, and says
    // nothing.
    now.groups.clone_from(&apply.before.groups);
    for (group, is_loaded) in apply.regrouped {
        now.groups.remove(group);
        if *is_loaded {
            let names = apply.names.get(group).into_iter().flatten();
            let processes = names.map(|name| ProcessInfo::named(group, name)).collect();
            now.groups.insert(group.clone(), processes);
        }
    }
    let reload = basis::said_now(apply.reload, apply.regrouped, &now)?;
    basis::note(outside, &reload, &now)
}
