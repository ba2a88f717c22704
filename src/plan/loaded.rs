//! By which configuration a group runs: the one in its file, or a former one that supervisord has loaded.

use super::sections::Sections;
use crate::actual::{ActualDaemon, ActualSite};
use crate::desired::DesiredGroup;
use crate::supervisord::defaults::STOPWAITSECS;

/// How long the processes of a group may take to stop: whichever is longest of the running, the
/// recorded and the wanted configuration, whoever started them, since supervisord does not tell which
/// one it runs.
pub(super) fn stop_seconds(
    group: &str,
    wanted: Option<&DesiredGroup>,
    daemon: &ActualDaemon,
    actual: &ActualSite,
    sections: &Sections,
) -> u32 {
    let record = actual.record.as_ref();
    let recorded = record.and_then(|r| r.groups.get(group)).map(|group| group.stopwaitsecs);
    let still_loaded = record
        .filter(|_| is_perhaps_former(daemon, group))
        .and_then(|record| record.still_loaded.get(group))
        .copied();
    let in_file = sections.before.get(group).map(|options| {
        options.get("stopwaitsecs").and_then(|text| text.parse().ok()).unwrap_or(STOPWAITSECS)
    });
    let left = actual.interrupted.finished.as_ref().and_then(|journal| journal.groups.get(group));
    let wanted = wanted.map(|group| group.stopwaitsecs);
    let known =
        [wanted, recorded, still_loaded, in_file, daemon.stop_seconds(group), left.copied()];
    known.into_iter().flatten().max().unwrap_or(STOPWAITSECS)
}

/// Whether a group may run by a former configuration than its file has.
pub(super) fn is_perhaps_former(daemon: &ActualDaemon, group: &str) -> bool {
    daemon.reread.as_ref().map_or(true, |reread| reread.changed.iter().any(|name| name == group))
}
