//! How the sites on record are beside their last revisions: what can be told on the host itself, where no
//! inventory is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Engine, LocalHost};
use crate::api::{
    ChosenSite, Goal, LastRevision, OnRecord, OwnProcesses, SiteOnRecord, SiteRecord,
};
use crate::error::CommandError;
use crate::event::Event;
use crate::inventory::{Domain, Paths, without_programs};
use crate::records::{Revision, StateDir};
use crate::status::SiteStatus;
use crate::system::Disk;

/// What supervisord runs of the sites, and how each is.
type Looked = (OwnProcesses, Vec<Result<SiteStatus, CommandError>>);

impl LocalHost {
    /// Reads the records, and then supervisord. One that does not answer keeps nobody from what the
    /// records say.
    pub(super) fn on_record(
        &self,
        paths: &Paths,
        watch: Duration,
        events: &mut dyn FnMut(Event),
    ) -> Result<OnRecord, CommandError> {
        let state = StateDir::new(paths, &self.state_base);
        state.check()?;
        let mut domains = state.sites(&Disk)?;
        domains.sort_unstable();
        let (mut sites, mut own) = (Vec::new(), BTreeSet::new());
        let (mut chosen, mut goals) = (Vec::new(), Vec::new());
        for site in domains {
            let record = match read(&state, &site) {
                Ok(None) => continue,
                Ok(Some((record, groups))) => {
                    own.extend(groups);
                    Ok(record)
                }
                Err(error) => Err(error),
            };
            if let Ok(SiteRecord { revision: Some(last), .. }) = &record {
                chosen.push(ChosenSite::whole(without_programs(&site, paths)?));
                goals.push(Goal::Revision(last.number));
            }
            sites.push(SiteOnRecord { site, record });
        }
        let chosen: Vec<&ChosenSite> = chosen.iter().collect();
        let looked = self.with_instance(paths, &chosen, events, |engine, chosen| {
            let sites: Vec<(&ChosenSite, Goal)> = chosen.iter().copied().zip(goals).collect();
            engine.look_at_recorded(&sites, own, watch)
        });
        let daemon = match looked.map_err(|error| error.error).and_then(|looked| looked) {
            Err(error) => Err(error),
            Ok((processes, statuses)) => {
                add(&mut sites, statuses);
                Ok(processes)
            }
        };
        Ok(OnRecord { daemon, sites })
    }
}

impl Engine<'_> {
    /// Looks at each site beside its goal, and at all groups, of which `own` are the sites'.
    fn look_at_recorded(
        &mut self,
        sites: &[(&ChosenSite, Goal)],
        mut own: BTreeSet<String>,
        watch: Duration,
    ) -> Result<Looked, CommandError> {
        let daemon = self.glance(false)?;
        let (daemon, looks) = self.watch(daemon, &own, watch)?;
        let mut statuses = Vec::new();
        for (chosen, goal) in sites {
            let wanted = self.wanted(chosen, *goal);
            statuses
                .push(wanted.and_then(|wanted| self.status_of(&wanted, &daemon, &looks, &mut own)));
        }
        let mut processes = OwnProcesses::default();
        for (group, all) in &daemon.groups {
            match own.contains(group) {
                true => processes.processes.extend(all.iter().cloned()),
                false => processes.other_groups += 1,
            }
        }
        Ok((processes, statuses))
    }
}

/// What is on record of a site, and its groups; `None` if that is nothing, as of one that was removed.
fn read(
    state: &StateDir,
    site: &Domain,
) -> Result<Option<(SiteRecord, BTreeSet<String>)>, CommandError> {
    let last = state.last_revision(&Disk, site)?.filter(|last| !last.is_empty());
    let interrupted = state.interrupted(&Disk, site)?;
    if last.is_none() && interrupted.is_nothing() {
        return Ok(None);
    }
    let mut groups = interrupted.group_names();
    groups.extend(last.iter().flat_map(|last| last.groups.keys().cloned()));
    let record = SiteRecord {
        wanted: last.as_ref().map(wanted).unwrap_or_default(),
        revision: last.map(|last| LastRevision { number: last.number, run: last.origin.run() }),
        outcomes: state.outcomes(&Disk, site)?,
        status: None,
    };
    Ok(Some((record, groups)))
}

/// How many processes of each program supervisord starts by itself.
fn wanted(last: &Revision) -> BTreeMap<String, u64> {
    let mut wanted = BTreeMap::new();
    for (name, group) in &last.groups {
        let names = group.process_names(name);
        let started = names.iter().filter(|process| group.starts(process)).count();
        *wanted.entry(group.program.clone()).or_default() += started as u64;
    }
    wanted
}

/// Adds to the sites with a revision how each is, in their order.
fn add(sites: &mut [SiteOnRecord], statuses: Vec<Result<SiteStatus, CommandError>>) {
    let with_revision =
        sites.iter_mut().filter(|one| one.record.as_ref().is_ok_and(|one| one.revision.is_some()));
    for (one, status) in with_revision.zip(statuses) {
        match (&mut one.record, status) {
            (Ok(record), Ok(status)) => record.status = Some(status),
            (record, Err(error)) => *record = Err(error),
            (Err(_), Ok(_)) => {}
        }
    }
}
