//! The host this process runs on, with its real parts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{
    AppliedSite, Instance, PlannedSite, Reply, Request, RevisionSummary, SiteHistory, Target,
    runner,
};
use crate::apply::{ApplyError, Doors, FailedAt};
use crate::desired::DaemonFacts;
use crate::error::CommandError;
use crate::event::Event;
use crate::inventory::{Site, SupervisordAddress};
use crate::plan::Control;
use crate::state::{Origin, StateDir};
use crate::supervisord::{Client, MainConfig, Supervisord};
use crate::system::{Clock, Disk, Interrupt, SystemClock, users};

/// This machine.
pub struct LocalHost {
    state_base: PathBuf,
    clock: SystemClock,
    interrupt: Interrupt,
}

impl LocalHost {
    /// `state_base` is where state goes when the inventory does not say; see
    /// [`default_state_base`](Self::default_state_base).
    pub fn new(state_base: PathBuf, interrupt: Interrupt) -> Self {
        Self { state_base, clock: SystemClock::start(), interrupt }
    }

    /// `/var/lib/supervisor-sync` for root, else a folder of the user's own.
    #[expect(clippy::disallowed_methods, reason = "an edge: where a user's state belongs")]
    pub fn default_state_base() -> PathBuf {
        if users::is_root() {
            return PathBuf::from("/var/lib/supervisor-sync");
        }
        let absolute = |name: &str| {
            std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let state = absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
        state.unwrap_or_else(|| PathBuf::from("/var/tmp")).join("supervisor-sync")
    }

    fn origin(&self, purpose: &str) -> Origin {
        Origin {
            user: users::invoker(),
            pid: std::process::id(),
            purpose: purpose.to_owned(),
            at: self.clock.timestamp(),
        }
    }

    /// Runs `work` with the doors to the supervisord of these sites.
    fn with_instance<T>(
        &self,
        sites: &[&Site],
        events: &mut dyn FnMut(Event),
        work: impl FnOnce(&mut Instance<'_>) -> T,
    ) -> Result<T, CommandError> {
        let Some(first) = sites.first() else {
            return Err(CommandError::refused("no site to work on"));
        };
        let config = MainConfig::load(config_path(first)).map_err(config_error)?;
        let mut client = Client::connect(&config).map_err(config_error)?;
        let state = StateDir::new(&first.paths, &self.state_base);
        let doors = Doors {
            files: &Disk,
            supervisord: &mut client as &mut dyn Supervisord,
            clock: &self.clock,
            state: &state,
            interrupt: &self.interrupt,
            events,
        };
        Ok(work(&mut Instance {
            doors,
            facts: DaemonFacts { pidfile: config.pidfile.clone() },
            include_patterns: config.include_patterns.clone(),
            included_files: &|| config.included_files(),
        }))
    }

    fn revisions(&self, site: &Site) -> Result<Vec<RevisionSummary>, CommandError> {
        let state = StateDir::new(&site.paths, &self.state_base);
        let mut summaries = Vec::new();
        for number in state.revision_numbers(&Disk, &site.domain)? {
            if let Some(revision) = state.revision(&Disk, &site.domain, number)? {
                let programs: BTreeSet<&String> =
                    revision.groups.values().map(|group| &group.program).collect();
                summaries.push(RevisionSummary {
                    number,
                    programs: programs.len(),
                    files: revision.files.len(),
                    origin: revision.origin.clone(),
                });
            }
        }
        Ok(summaries)
    }

    /// The sites by the supervisord they belong to, in the order asked.
    fn instances<'s>(&self, sites: impl IntoIterator<Item = &'s Site>) -> Vec<Vec<&'s Site>> {
        let key = |site: &Site| {
            let state = StateDir::new(&site.paths, &self.state_base);
            (state, config_path(site).map(Path::to_owned))
        };
        let mut instances: Vec<Vec<&Site>> = Vec::new();
        for site in sites {
            let same = |sites: &&mut Vec<&Site>| key(sites[0]) == key(site);
            match instances.iter_mut().find(same) {
                Some(instance) => instance.push(site),
                None => instances.push(vec![site]),
            }
        }
        instances
    }
}

impl Target for LocalHost {
    fn ask(
        &mut self,
        request: Request,
        events: &mut dyn FnMut(Event),
    ) -> Result<Reply, CommandError> {
        match request {
            Request::Plan { sites, goal, options } => {
                let mut planned = Vec::new();
                for instance in self.instances(&sites) {
                    match self
                        .with_instance(&instance, events, |i| i.plan(&instance, goal, &options))
                    {
                        Ok(plans) => planned.extend(plans),
                        Err(error) => planned.extend(instance.iter().map(|site| PlannedSite {
                            site: site.domain.clone(),
                            plan: Err(error.clone()),
                        })),
                    }
                }
                Ok(Reply::Plans { sites: planned })
            }
            Request::Apply(request) => {
                let origin = self.origin(&request.purpose);
                let mut applied = Vec::new();
                for instance in self.instances(&request.sites) {
                    let work = |i: &mut Instance<'_>| i.apply(&instance, &request, &origin);
                    match self.with_instance(&instance, events, work) {
                        Ok(reports) => applied.extend(reports),
                        Err(error) => applied.extend(not_begun(&instance, &error)),
                    }
                }
                Ok(Reply::Applied { sites: applied })
            }
            Request::Control(request) => {
                let purpose = match request.control {
                    Control::Start => "start",
                    Control::Stop => "stop",
                };
                let origin = self.origin(purpose);
                let sites = request.sites.iter().map(|chosen| &chosen.site);
                let mut controlled = Vec::new();
                for instance in self.instances(sites) {
                    let work = |i: &mut Instance<'_>| i.control(&instance, &request, &origin);
                    match self.with_instance(&instance, events, work) {
                        Ok(reports) => controlled.extend(reports),
                        Err(error) => controlled.extend(not_begun(&instance, &error)),
                    }
                }
                Ok(Reply::Applied { sites: controlled })
            }
            Request::History { sites } => {
                let history = |site: &Site| SiteHistory {
                    site: site.domain.clone(),
                    revisions: self.revisions(site),
                };
                Ok(Reply::History { sites: sites.iter().map(history).collect() })
            }
            Request::WriteRunner { path, script, owner } => {
                runner::write(&Disk, path.as_path(), &script, &owner)
                    .map(|changed| Reply::RunnerWritten { changed })
            }
        }
    }
}

/// The reports of sites that share a failure at the very beginning.
fn not_begun(sites: &[&Site], error: &CommandError) -> Vec<AppliedSite> {
    let report = || Err(ApplyError::new(FailedAt::Start, error.clone()));
    let not_begun = |site: &&Site| AppliedSite { site: site.domain.clone(), report: report() };
    sites.iter().map(not_begun).collect()
}

fn config_path(site: &Site) -> Option<&Path> {
    match &site.paths.supervisord {
        SupervisordAddress::Discover => None,
        SupervisordAddress::Config(path) => Some(path.as_path()),
    }
}

fn config_error(error: crate::supervisord::ConfigError) -> CommandError {
    let failed = CommandError::refused("cannot find supervisord").caused_by(&error);
    match error.hint() {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}
