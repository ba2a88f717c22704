//! The host this process runs on, with its real parts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Engine, history, left, logs, runner};
use crate::api::{AppliedSite, ChosenSite, PlannedSite, Reply, Request, SiteStatusReply, Target};
use crate::apply::{ApplyError, Doors, FailedAt};
use crate::desired::DaemonFacts;
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::inventory::{ConfigSuffix, Domain, Site, SupervisordAddress};
use crate::records::{Origin, Run, StateDir};
use crate::setup;
use crate::supervisord::{Client, MainConfig, Stop, Supervisord, include};
use crate::system::{Clock, Disk, Files as _, Interrupt, SystemClock, machine, users};

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

    fn origin(&self, run: &Run) -> Origin {
        Origin {
            user: users::invoker(),
            pid: std::process::id(),
            purpose: run.command.clone(),
            at: self.clock.timestamp(),
            run: Some(Box::new(run.clone())),
        }
    }

    /// Runs `work` with the doors to the supervisord of these sites, and the sites as it includes their
    /// files, once the state is known to be nobody else's.
    fn with_instance<T>(
        &self,
        sites: &[&ChosenSite],
        events: &mut dyn FnMut(Event),
        work: impl FnOnce(&mut Engine<'_>, &[&ChosenSite]) -> T,
    ) -> Result<T, ApplyError> {
        let no_daemon = |error| ApplyError::new(FailedAt::Reread, error);
        let Some(ChosenSite { site: first, .. }) = sites.first() else {
            return Err(no_daemon(CommandError::refused("no site to work on")));
        };
        if self.interrupt.is_raised() {
            let error = CommandError::new(ErrorKind::Interrupted, "interrupted before it began");
            return Err(ApplyError::new(FailedAt::Interrupted, error));
        }
        let mut read = BTreeMap::new();
        let mut included = |path: &Path| {
            let entry = Disk.read(path).ok()?;
            let text = entry.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            read.insert(path.to_owned(), entry);
            text
        };
        let config = MainConfig::load_from(config_path(first), &mut included);
        let config = config.map_err(config_error).map_err(no_daemon)?;
        let interrupt = self.interrupt.clone();
        let stop: Stop = Arc::new(move || interrupt.is_news());
        let client =
            Client::connect(&config, Some(&stop)).map_err(config_error).map_err(no_daemon)?;
        let mut client = client.with_stop(stop);
        let state = StateDir::new(&first.paths, &self.state_base);
        state.check().map_err(|error| ApplyError::new(FailedAt::State, error))?;
        let doors = Doors {
            files: &Disk,
            supervisord: &mut client as &mut dyn Supervisord,
            clock: &self.clock,
            state: &state,
            interrupt: &self.interrupt,
            events,
        };
        let suffix = suffix(first.paths.conf_dir.as_path(), &config.include_patterns);
        // Nearly always it is the one that they have.
        let is_other = |chosen: &&&ChosenSite| chosen.site.config_suffix != suffix;
        let renamed: Vec<ChosenSite> = match sites.iter().find(is_other) {
            Some(_) => sites.iter().map(|chosen| with_suffix(chosen, suffix)).collect(),
            None => Vec::new(),
        };
        let renamed: Vec<&ChosenSite> = renamed.iter().collect();
        let sites = if renamed.is_empty() { sites } else { &renamed };
        let mut engine = Engine {
            doors,
            facts: DaemonFacts {
                pidfile: config.pidfile.clone(),
                environment: config.environment.clone(),
                node: Some(machine::name()),
            },
            main_file: config.path.clone(),
            include_patterns: config.include_patterns.clone(),
            conf_dir: first.paths.conf_dir.as_path().to_owned(),
            environment: config.environment.clone(),
            included_files: &|| config.included_files(),
            read,
        };
        Ok(work(&mut engine, sites))
    }

    /// Does `work` for the sites of each supervisord; where one cannot be found, each of its sites
    /// has `failed`.
    fn each_instance<T>(
        &self,
        sites: &[ChosenSite],
        events: &mut dyn FnMut(Event),
        work: impl Fn(&mut Engine<'_>, &[&ChosenSite]) -> Vec<T>,
        failed: impl Fn(Domain, ApplyError) -> T,
    ) -> Vec<T> {
        let mut done = Vec::new();
        for sites in self.instances(sites) {
            match self.with_instance(&sites, events, &work) {
                Ok(more) => done.extend(more),
                Err(error) => {
                    let failed =
                        |chosen: &&ChosenSite| failed(chosen.site.domain.clone(), error.clone());
                    done.extend(sites.iter().map(failed));
                }
            }
        }
        done
    }

    fn set_up(&self, sites: &[Site], events: &mut dyn FnMut(Event)) -> Result<Reply, CommandError> {
        let mut doors = setup::Doors {
            machine: &mut setup::ThisMachine { interrupt: &self.interrupt },
            files: &Disk,
            clock: &self.clock,
            interrupt: &self.interrupt,
            progress: &mut |progress| events(Event::Setup(progress)),
        };
        setup::set_up(sites, &mut doors).map(|report| Reply::Setup { report })
    }

    /// The sites by the supervisord they belong to, in the order asked.
    fn instances<'s>(&self, sites: &'s [ChosenSite]) -> Vec<Vec<&'s ChosenSite>> {
        let key = |chosen: &ChosenSite| {
            let state = StateDir::new(&chosen.site.paths, &self.state_base);
            (state, config_path(&chosen.site).map(Path::to_owned))
        };
        let mut instances: Vec<Vec<&ChosenSite>> = Vec::new();
        for chosen in sites {
            let same = |sites: &&mut Vec<&ChosenSite>| key(sites[0]) == key(chosen);
            match instances.iter_mut().find(same) {
                Some(instance) => instance.push(chosen),
                None => instances.push(vec![chosen]),
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
                let plan =
                    |i: &mut Engine<'_>, sites: &[&ChosenSite]| i.plan(sites, goal, &options);
                let failed = |site, error: ApplyError| PlannedSite { site, plan: Err(error.error) };
                Ok(Reply::Plans { sites: self.each_instance(&sites, events, plan, failed) })
            }
            Request::Apply(request) => {
                let origin = self.origin(&request.run);
                let apply =
                    |i: &mut Engine<'_>, sites: &[&ChosenSite]| i.apply(sites, &request, &origin);
                let sites = self.each_instance(&request.sites, events, apply, not_begun);
                Ok(Reply::Applied { sites })
            }
            Request::Status { sites, watch, deep } => {
                let how = (Duration::from_secs(u64::from(watch)), deep);
                let status = |i: &mut Engine<'_>, sites: &[&ChosenSite]| i.status(sites, how);
                let failed =
                    |site, error: ApplyError| SiteStatusReply { site, status: Err(error.error) };
                Ok(Reply::Status { sites: self.each_instance(&sites, events, status, failed) })
            }
            Request::Logs(request) => {
                let unreadable = logs::send(&request, &self.clock, &self.interrupt, events);
                Ok(Reply::LogsEnded { unreadable })
            }
            Request::Left(inventory) => {
                Ok(Reply::Left { left: left::look(&self.state_base, &inventory) })
            }
            Request::History { sites, left } => {
                let mut histories = history::of_sites(&sites, &self.state_base);
                let left = left.map(|inventory| history::of_left(&inventory, &self.state_base));
                histories.extend(left.into_iter().flatten());
                Ok(Reply::History { sites: histories })
            }
            Request::RevisionDiff { sites, number } => {
                let sites = history::diffs(&sites, number, &self.state_base);
                Ok(Reply::RevisionDiffs { sites })
            }
            Request::ReadRunner { path } => {
                runner::read(path.as_path()).map(|script| Reply::Runner { script })
            }
            Request::WriteRunner { path, script, owner } => {
                runner::write(path.as_path(), &script, &owner)
                    .map(|changed| Reply::RunnerWritten { changed })
            }
            Request::Setup { sites } => self.set_up(&sites, events),
        }
    }
}

/// How the names of files must end for supervisord to read them in this folder.
fn suffix(folder: &Path, patterns: &[String]) -> ConfigSuffix {
    let patterns = include::patterns_by_way_of(folder, patterns);
    let is_read = |suffix: &ConfigSuffix| {
        include::matches(&patterns, &folder.join(format!("a.com-w{}", suffix.as_str())))
    };
    ConfigSuffix::ALL.into_iter().find(is_read).unwrap_or_default()
}

fn with_suffix(chosen: &ChosenSite, config_suffix: ConfigSuffix) -> ChosenSite {
    let ChosenSite { site, programs } = chosen.clone();
    ChosenSite { site: Site { config_suffix, ..site }, programs }
}

/// The report of a site that shares a failure at the very beginning.
fn not_begun(site: Domain, error: ApplyError) -> AppliedSite {
    AppliedSite { site, report: Err(error) }
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
