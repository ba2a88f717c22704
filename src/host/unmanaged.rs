//! How much a supervisord has that no inventory has: a line of a plan and of a status.

use std::collections::BTreeSet;

use super::Engine;
use crate::actual::ActualDaemon;
use crate::api::ChosenSite;
use crate::error::CommandError;
use crate::plan::{SitePlan, note_others};

impl Engine<'_> {
    /// Adds to the plans of sites, which were all planned, what is nobody's of them.
    pub(super) fn note_rest(
        &self,
        sites: &[&ChosenSite],
        plans: &mut [Result<SitePlan, CommandError>],
        daemon: &ActualDaemon,
    ) {
        note_others(plans.iter_mut().flatten(), daemon);
        // Of a site that could not be planned nobody knows what its own is.
        let Ok(all) = plans.iter().map(Result::as_ref).collect::<Result<Vec<_>, _>>() else {
            return;
        };
        let own = all.iter().flat_map(|plan| plan.own.iter().cloned()).collect();
        let note = self.unmanaged(sites, own, daemon);
        if let Some(Ok(first)) = plans.first_mut() {
            first.notes.extend(note);
        }
    }

    /// How many groups neither these sites, whose groups are `own`, nor others on record have. Not told
    /// where there are more others than these: their records would all be read for it.
    pub(super) fn unmanaged(
        &self,
        sites: &[&ChosenSite],
        own: BTreeSet<String>,
        daemon: &ActualDaemon,
    ) -> Option<String> {
        let mut others = daemon.sites.clone();
        for chosen in sites {
            others.remove(&chosen.site.domain);
        }
        if others.len() > sites.len() {
            return None;
        }
        let mut managed = own;
        for other in others {
            let record = self.doors.state.last_revision(self.doors.files, &other).ok()?;
            managed.extend(record.iter().flat_map(|record| record.groups.keys().cloned()));
        }
        let members: BTreeSet<&String> =
            daemon.defined.iter().flat_map(|one| &one.programs).collect();
        let mut all: BTreeSet<&String> = daemon.defined.iter().map(|one| &one.group).collect();
        all.retain(|group| !members.contains(group));
        all.extend(daemon.groups.keys());
        let count = all.into_iter().filter(|group| !managed.contains(*group)).count();
        let lists = "(`supervisor-sync status --unmanaged` lists what is there)";
        match count {
            0 => None,
            1 => Some(format!("1 group of this supervisord is in no inventory {lists}")),
            _ => Some(format!("{count} groups of this supervisord are in no inventory {lists}")),
        }
    }
}
