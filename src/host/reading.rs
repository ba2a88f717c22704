//! What the engine reads of a supervisord and its sites, and the plans it makes of that.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Engine, WayBack, history, way_back};
use crate::actual::after::{OfApply, after_apply};
use crate::actual::daemon::{self, ConfigFiles, Reread};
use crate::actual::{ActualDaemon, observe};
use crate::api::{ChosenSite, Goal, RunId};
use crate::apply::Accepted;
use crate::desired::{DesiredFile, DesiredSite, FileKind, render};
use crate::error::CommandError;
use crate::event::Event;
use crate::inventory::config_file::ConfigFile;
use crate::inventory::{ConfigName, Domain, Site, naming};
use crate::plan::{Intent, PlanOptions, PlanView, Planned, SitePlan, Situation, plan_site};
use crate::records::Interrupted;
use crate::supervisord::include;
use crate::system::{Entry, machine};

/// So many files take supervisord a moment that a person notices.
const MANY_FILES: usize = 500;

/// A site with its goal worked out.
pub(super) struct WantedSite<'s> {
    pub(super) chosen: &'s ChosenSite,
    pub(super) desired: DesiredSite,
    /// The revision that it goes to, where that is not what the inventory says.
    revision: Option<u64>,
}

impl<'s> WantedSite<'s> {
    pub(super) fn domain(&self) -> &'s Domain {
        &self.chosen.site.domain
    }
}

/// The files that supervisord includes now, by our way to them, with what it calls those that it knows
/// by another.
pub(super) fn included(
    files: &dyn Fn() -> io::Result<Vec<PathBuf>>,
    conf_dir: &Path,
) -> io::Result<(Vec<PathBuf>, BTreeMap<PathBuf, PathBuf>)> {
    Ok(include::by_way_of(conf_dir, files()?))
}

impl Engine<'_> {
    pub(super) fn observe(&mut self) -> Result<ActualDaemon, CommandError> {
        let read = std::mem::take(&mut self.read);
        self.read_noting(read, None, &|_| false)
    }

    /// A look at what is: supervisord's files are read anew by itself only if that is asked for.
    pub(super) fn glance(&mut self, deep: bool) -> Result<ActualDaemon, CommandError> {
        let read = std::mem::take(&mut self.read);
        self.read(read, if deep { Reread::Always } else { Reread::Never }, &|_| false)
    }

    /// Reads the daemon, what it includes and what journals there are. With an `earlier` reading that
    /// still holds, or a reread of another run that does, supervisord is not asked to read its files
    /// again. `is_held` says which sites' locks are ours.
    pub(super) fn read_daemon(
        &mut self,
        earlier: Option<&ActualDaemon>,
        is_held: &dyn Fn(&Domain) -> bool,
    ) -> Result<ActualDaemon, CommandError> {
        // What was read before a lock was had is of no use.
        self.read_noting(BTreeMap::new(), earlier, is_held)
    }

    fn read_noting(
        &mut self,
        read: BTreeMap<PathBuf, Entry>,
        earlier: Option<&ActualDaemon>,
        is_held: &dyn Fn(&Domain) -> bool,
    ) -> Result<ActualDaemon, CommandError> {
        let noted = self.doors.state.noted_reread(self.doors.files);
        let reread = Reread::IfChanged { earlier, noted: noted.as_ref() };
        let daemon = self.read(read, reread, is_held)?;
        if let Some(noted) = &daemon.to_note {
            self.doors.state.note_reread(self.doors.files, noted);
        }
        Ok(daemon)
    }

    /// Notes what supervisord would say after an apply, so that the first look at it need not ask.
    /// `names` are those of the processes that it may have loaded, by group.
    pub(super) fn note_accepted(
        &mut self,
        before: &ActualDaemon,
        accepted: &Accepted,
        names: &BTreeMap<String, Vec<String>>,
    ) {
        let Accepted { seen, reload, regrouped } = accepted;
        let Ok((included, named)) = included(self.included_files, &self.conf_dir) else { return };
        let (patterns, read) = (before.include_patterns.clone(), BTreeMap::new());
        let (main, environment) = (self.main_file.as_path(), &self.environment);
        let config = ConfigFiles { main, included, named, patterns, environment, read };
        let of_apply = OfApply { before, seen, reload, regrouped, names };
        let (state, files) = (self.doors.state, self.doors.files);
        if let Some(noted) = after_apply(files, &config, of_apply) {
            state.note_reread(files, &noted);
        }
    }

    fn read(
        &mut self,
        read: BTreeMap<PathBuf, Entry>,
        reread: Reread<'_>,
        is_held: &dyn Fn(&Domain) -> bool,
    ) -> Result<ActualDaemon, CommandError> {
        let included = included(self.included_files, &self.conf_dir).map_err(|source| {
            CommandError::refused("cannot list the files supervisord includes").caused_by(&source)
        });
        let (included, named) = included?;
        let patterns = include::patterns_by_way_of(&self.conf_dir, &self.include_patterns);
        let (files, state) = (self.doors.files, self.doors.state);
        let environment = &self.environment;
        let config =
            ConfigFiles { main: &self.main_file, included, named, patterns, environment, read };
        let events = &mut *self.doors.events;
        let supervisord = &mut *self.doors.supervisord;
        let mut daemon =
            daemon::read(files, supervisord, config, reread, &mut |files, patience: Duration| {
                if files >= MANY_FILES {
                    events(Event::Reading { files, seconds: Some(patience.as_secs()) });
                }
            })?;
        for site in state.sites(files)? {
            let interrupted = state.interrupted(files, &site);
            let is_nothing = interrupted.as_ref().is_ok_and(Interrupted::is_nothing);
            // One whose lock a live process holds is under way, and nobody's to undo.
            if interrupted.is_ok()
                && !is_nothing
                && !is_held(&site)
                && let Some(holder) = state.site_held_by(&site)
            {
                daemon.under_way.insert(site.clone(), holder);
            } else if let Ok(Interrupted { undone_first: Some((_, journal)), .. }) = &interrupted {
                daemon.undone_first.insert(site.clone(), journal.origin.clone());
                let paths = journal.files.iter().map(|file| file.path.clone());
                daemon.put_back_first.extend(paths);
            }
            daemon.sites.insert(site.clone());
            if !is_nothing {
                daemon.journals.insert(site, interrupted);
            }
        }
        Ok(daemon)
    }

    pub(super) fn wanted<'s>(
        &self,
        chosen: &'s ChosenSite,
        goal: Goal,
    ) -> Result<WantedSite<'s>, CommandError> {
        let site = &chosen.site;
        let revision = match goal {
            Goal::Inventory => None,
            Goal::Revision(number) => Some(number),
            Goal::Before(run) => Some(self.before(site, run)?),
        };
        let desired = match revision {
            None => self.rendered(site)?,
            Some(number) => self.revision(site, number)?,
        };
        Ok(WantedSite { chosen, desired, revision })
    }

    fn revision(&self, site: &Site, number: u64) -> Result<DesiredSite, CommandError> {
        if number == 0 {
            return self.before_taken_over(site);
        }
        let revision = self.doors.state.revision(self.doors.files, &site.domain, number)?;
        revision
            .map(|revision| revision.as_desired())
            .ok_or_else(|| history::no_revision(&site.domain, number))
    }

    /// The site as it was before it took files over, with the groups that those made.
    fn before_taken_over(&self, site: &Site) -> Result<DesiredSite, CommandError> {
        let taken = self.doors.state.taken_over(self.doors.files, &site.domain)?;
        let taken = taken.ok_or_else(|| history::no_revision(&site.domain, 0))?;
        let mut configs = Vec::new();
        for (path, file) in &taken.files {
            let name = ConfigName::parse(naming::file_name(path));
            if let (FileKind::Supervisor, Ok(name)) = (file.kind, name) {
                let text = String::from_utf8_lossy(file.bytes()).into_owned();
                configs.push(ConfigFile { name, text });
            }
        }
        let (programs, groups) = (Vec::new(), Vec::new());
        let before = Site { programs, groups, configs, ..site.clone() };
        let mut desired = self.rendered(&before)?;
        for (path, file) in &taken.files {
            let programs = desired.files.remove(path).map(|file| file.programs);
            let programs = programs.unwrap_or_default();
            desired.files.insert(path.clone(), DesiredFile { programs, ..file.as_desired() });
        }
        Ok(desired)
    }

    fn rendered(&self, site: &Site) -> Result<DesiredSite, CommandError> {
        render(site, &self.facts).map_err(|source| {
            CommandError::refused(format!("cannot render site {}", site.domain)).caused_by(&source)
        })
    }

    /// The revision that taking `run` back leads to. What leads nowhere was told when it was looked
    /// for; here it means that the site has changed since.
    fn before(&self, site: &Site, run: RunId) -> Result<u64, CommandError> {
        let (state, files) = (self.doors.state, self.doors.files);
        let revisions = history::revisions(state, files, &site.domain)?;
        let before = match way_back(&revisions, run) {
            WayBack::To(number) => Some(number),
            // It never ended here, so the last revision is how the site was before it. What its journal
            // says of files and processes is undone or finished on the way there, as in any apply.
            WayBack::NotChanged => revisions.last().map(|last| last.number),
            WayBack::NoFile
            | WayBack::TakenBack(_)
            | WayBack::IsRollback(_)
            | WayBack::ChangedSince(_)
            | WayBack::NothingBefore => None,
        };
        before.ok_or_else(|| {
            let what = format!("site {}: run {run} cannot be taken back", site.domain);
            let hint = format!("see its runs: supervisor-sync history --site {}", site.domain);
            CommandError::refused(what).hint(hint)
        })
    }

    pub(super) fn plan_site(
        &self,
        wanted: &WantedSite<'_>,
        daemon: &ActualDaemon,
        options: &PlanOptions,
    ) -> Result<Planned, CommandError> {
        let WantedSite { chosen: ChosenSite { site, programs }, desired, revision } = wanted;
        let (files, state) = (self.doors.files, self.doors.state);
        let mut actual = observe::site(files, state, (site, programs), desired, daemon)?;
        if options.intent == Intent::Release {
            if actual.interrupted.finished.is_some() {
                return Err(unfinished(&site.domain));
            }
            actual.taken_over = state.taken_over(files, &site.domain)?;
        }
        let situation = Situation { site, programs, desired, daemon, actual: &actual };
        let mut planned = plan_site(&situation, options);
        planned.plan.revision = *revision;
        Ok(planned)
    }
}

/// Half of a site cannot be given back.
fn unfinished(site: &Domain) -> CommandError {
    CommandError::refused(format!("an apply of site {site} never ended"))
        .hint(format!("finish it first: supervisor-sync apply --site {site}"))
}

/// A plan as it is shown; nobody elsewhere can guess values from its fingerprint.
pub(super) fn shown(plan: &SitePlan) -> PlanView {
    PlanView::of(plan, machine::key())
}
