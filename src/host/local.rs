//! The host this process runs on, with its real parts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Engine, code, history, includes, left, logs, runner};
use crate::api::{AppliedSite, ChosenSite, PlannedSite, Reply, Request, SiteStatusReply, Target};
use crate::apply::{ApplyError, Doors, FailedAt};
use crate::desired::DaemonFacts;
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::inventory::{ConfigSuffix, Domain, Paths, Site, SupervisordAddress};
use crate::records::{Origin, Run, StateDir};
use crate::setup;
use crate::supervisord::{Client, MainConfig, ShouldStop, Supervisord, include};
use crate::system::{Clock, Disk, Entry, Files as _, Interrupt, SystemClock, machine, users};

/// This machine: each request is done in this process, by whoever runs it.
pub struct LocalHost {
    pub(super) state_base: PathBuf,
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
    pub fn default_state_base() -> PathBuf {
        if users::is_root() {
            return PathBuf::from("/var/lib/supervisor-sync");
        }
        Self::state_of_user().unwrap_or_else(|| PathBuf::from("/var/tmp/supervisor-sync"))
    }

    /// Where state goes that is no server's but of whoever runs this program, root too; none where nobody says
    /// what home is.
    pub fn state_of_user() -> Option<PathBuf> {
        let state = absolute_folder("XDG_STATE_HOME")
            .or_else(|| absolute_folder("HOME").map(|home| home.join(".local/state")));
        Some(state?.join("supervisor-sync"))
    }

    /// Whether a call of supervisord is to be given up.
    fn stop(&self) -> ShouldStop {
        let interrupt = self.interrupt.clone();
        Arc::new(move || interrupt.is_news())
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

    /// Runs `work` with the doors to the supervisord of these paths, and its sites as it includes their
    /// files, once the state is known to be nobody else's.
    pub(super) fn with_instance<T>(
        &self,
        paths: &Paths,
        sites: &[&ChosenSite],
        events: &mut dyn FnMut(Event),
        work: impl FnOnce(&mut Engine<'_>, &[&ChosenSite]) -> T,
    ) -> Result<T, ApplyError> {
        if self.interrupt.is_raised() {
            let error = CommandError::new(ErrorKind::Interrupted, "interrupted before it began");
            return Err(ApplyError::new(FailedAt::Interrupted, error));
        }
        let (config, read) = main_config(paths).map_err(ApplyError::at_reread)?;
        let stop = self.stop();
        let client = Client::connect(&config, Some(&stop))
            .map_err(|error| ApplyError::at_reread(no_daemon(&error)))?;
        let mut client = client.with_stop(stop);
        let state = StateDir::new(paths, &self.state_base);
        state.check().map_err(|error| ApplyError::new(FailedAt::State, error))?;
        let doors = Doors {
            files: &Disk,
            supervisord: &mut client as &mut dyn Supervisord,
            clock: &self.clock,
            state: &state,
            interrupt: &self.interrupt,
            events,
        };
        let suffix = suffix(paths.conf_dir.as_path(), &config.include_patterns);
        // Nearly always it is the one that they have.
        let renamed: Vec<ChosenSite> =
            match sites.iter().all(|chosen| chosen.site.config_suffix == suffix) {
                true => Vec::new(),
                false => sites.iter().map(|chosen| with_suffix(chosen, suffix)).collect(),
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
            conf_dir: paths.conf_dir.as_path().to_owned(),
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
            let Some(first) = sites.first() else { continue };
            match self.with_instance(&first.site.paths, &sites, events, &work) {
                Ok(more) => done.extend(more),
                Err(error) => {
                    for chosen in sites {
                        done.push(failed(chosen.site.domain.clone(), error.clone()));
                    }
                }
            }
        }
        done
    }

    fn set_up(&self, sites: &[Site], events: &mut dyn FnMut(Event)) -> Result<Reply, CommandError> {
        let mut doors = setup::SetupDoors {
            machine: &mut setup::ThisMachine { interrupt: &self.interrupt },
            files: &Disk,
            clock: &self.clock,
            interrupt: &self.interrupt,
            progress: &mut |progress| events(Event::Setup(progress)),
        };
        setup::set_up(sites, &mut doors).map(|report| Reply::Setup { report })
    }

    /// The sites by the supervisord they belong to: by its records, since locks and journals are one
    /// supervisord's, and by its main file, since that is how it is found.
    fn instances<'s>(&self, sites: &'s [ChosenSite]) -> Vec<Vec<&'s ChosenSite>> {
        let mut keys: Vec<(StateDir, Option<&Path>)> = Vec::new();
        let mut instances: Vec<Vec<&ChosenSite>> = Vec::new();
        for chosen in sites {
            let state = StateDir::new(&chosen.site.paths, &self.state_base);
            let key = (state, config_path(&chosen.site.paths));
            match keys.iter().position(|known| *known == key) {
                Some(place) => instances[place].push(chosen),
                None => {
                    keys.push(key);
                    instances.push(vec![chosen]);
                }
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
                let sites = self.each_instance(
                    &sites,
                    events,
                    |engine, sites| engine.plan(sites, goal, &options),
                    |site, error| PlannedSite { site, plan: Err(error.error) },
                );
                Ok(Reply::Plans { sites })
            }
            Request::Apply(request) => {
                let origin = self.origin(&request.run);
                let sites = self.each_instance(
                    &request.sites,
                    events,
                    |engine, sites| engine.apply(sites, &request, &origin),
                    |site, error| AppliedSite { site, report: Err(error) },
                );
                Ok(Reply::Applied { sites })
            }
            Request::Status { sites, watch, deep } => {
                let how = (Duration::from_secs(u64::from(watch)), deep);
                let sites = self.each_instance(
                    &sites,
                    events,
                    |engine, sites| engine.status(sites, how),
                    |site, error| SiteStatusReply { site, status: Err(error.error) },
                );
                Ok(Reply::Status { sites })
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
            Request::Includes { paths } => {
                let includes = includes::look(&paths, &self.state_base, &self.stop())?;
                Ok(Reply::Includes { includes: Box::new(includes) })
            }
            Request::OnRecord { paths, watch } => {
                let watch = Duration::from_secs(u64::from(watch));
                let on_record = self.on_record(&paths, watch, events)?;
                Ok(Reply::OnRecord { on_record: Box::new(on_record) })
            }
            Request::Code { needs } => Ok(Reply::Code { found: code::look(&needs) }),
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
    for suffix in ConfigSuffix::ALL {
        if include::matches(&patterns, &folder.join(format!("a.com-w{}", suffix.as_str()))) {
            return suffix;
        }
    }
    ConfigSuffix::default()
}

/// A folder that a variable of the environment names.
#[expect(clippy::disallowed_methods, reason = "an edge: where a user's state belongs")]
fn absolute_folder(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn with_suffix(chosen: &ChosenSite, config_suffix: ConfigSuffix) -> ChosenSite {
    let ChosenSite { site, programs } = chosen.clone();
    ChosenSite { site: Site { config_suffix, ..site }, programs }
}

/// What the main file of supervisord says, with all that was read for it: whoever looks at what it includes
/// need not read that once more.
pub(super) fn main_config(
    paths: &Paths,
) -> Result<(MainConfig, BTreeMap<PathBuf, Entry>), CommandError> {
    let mut read = BTreeMap::new();
    let config = MainConfig::load_from(config_path(paths), &mut |path| {
        let entry = Disk.read(path).ok()?;
        let text = entry.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        read.insert(path.to_owned(), entry);
        text
    });
    Ok((config.map_err(|error| no_daemon(&error))?, read))
}

fn config_path(paths: &Paths) -> Option<&Path> {
    match &paths.supervisord {
        SupervisordAddress::Discover => None,
        SupervisordAddress::Config(path) => Some(path.as_path()),
    }
}

fn no_daemon(error: &crate::supervisord::ConfigError) -> CommandError {
    let failed = CommandError::refused("cannot find supervisord").caused_by(error);
    error.hint().into_iter().fold(failed, CommandError::hint)
}
