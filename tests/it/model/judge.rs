//! What must hold after each verb, judged by what is on the disk and what supervisord says.

use std::collections::{BTreeMap, BTreeSet};

use supervisor_sync::api::{LeftSite, Writer};
use supervisor_sync::plan::{GroupAction, PlanView};
use supervisor_sync::supervisord::{ProcessInfo, ProcessState};
use supervisor_sync::system::Disk;

use super::case::{End, How, Spec, Verb};
use super::play::{Look, Play, strangers};
use super::reference::{Expect, SiteState, is_staged, is_strangers, is_up, program_of};
use super::world::{Asked, Done, Ended, Files, Programs, World, desired, domain};

/// A verb that was run, and the host before and after.
pub(crate) struct Judge<'a, W> {
    pub(crate) play: &'a Play<W>,
    pub(crate) asked: &'a Asked,
    /// The sites that it may be about.
    pub(crate) targets: &'a [String],
    pub(crate) before: Look,
    pub(crate) after: Look,
    pub(crate) done: Done,
}

type Verdict = Result<(), String>;

impl<W: World> Judge<'_, W> {
    pub(crate) fn all(&self) -> Verdict {
        self.records()?;
        if strangers(&self.before) != strangers(&self.after) {
            return Err("a stranger's files or processes have changed".to_owned());
        }
        self.files()?;
        self.processes()?;
        for site in self.targets {
            match self.done.ends.get(site) {
                Some(ended) => self.ended(site, ended).map_err(|what| format!("{site}: {what}"))?,
                None if self.done.killed || self.is_rollback() => {}
                None => return Err(format!("{site} has no end")),
            }
        }
        Ok(())
    }

    /// What has left the inventory is what it has applied last, and nobody else.
    pub(crate) fn left(&self, left: &[LeftSite]) -> Verdict {
        let own = left.iter().filter(|one| one.writer == Writer::ThisInventory);
        let own: BTreeSet<String> = own.map(|one| one.site.to_string()).collect();
        for (site, state) in &self.play.reference.sites {
            let is_out = !self.asked.content.contains_key(site);
            let is_own = state.writer == Some(self.asked.inventory);
            let has_left = is_out && is_own && !state.recorded().is_empty();
            if state.writer.is_some() && own.contains(site) != has_left {
                return Err(format!("{site} has left: {has_left}, and is said to: {own:?}"));
            }
        }
        Ok(())
    }

    /// Every record of ours can be read.
    fn records(&self) -> Verdict {
        let state = self.play.world.state();
        for site in self.play.reference.sites.keys() {
            let site = domain(site);
            let read = || {
                state.interrupted(&Disk, &site)?;
                state.outcomes(&Disk, &site)?;
                for number in state.revision_numbers(&Disk, &site)? {
                    state.revision(&Disk, &site, number)?;
                }
                Ok(())
            };
            read().map_err(|error: supervisor_sync::error::CommandError| error.to_string())?;
        }
        Ok(())
    }

    fn is_rollback(&self) -> bool {
        matches!(self.asked.verb, Verb::Rollback | Verb::RollbackTo(_))
    }

    fn plan(&self, site: &str) -> Option<&PlanView> {
        self.done.plans.get(site)
    }

    fn state(&self, site: &str) -> &SiteState {
        &self.play.reference.sites[site]
    }

    /// No file has changed but what the plan of its own site says, or what a killed verb has left
    /// half-written and is put back.
    fn files(&self) -> Verdict {
        let reference = &self.play.reference;
        let (before, after) = (&self.before.files, &self.after.files);
        let paths = before.keys().chain(after.keys()).collect::<BTreeSet<_>>();
        let is_changed = |path: &&&String| before.get(**path) != after.get(**path);
        for path in paths.iter().filter(is_changed).filter(|path| !is_staged(path)) {
            let now = after.get(*path);
            let is_put_back = |state: &SiteState| {
                state.former.iter().any(|files| files.get(*path) == now && !is_strangers(path))
            };
            if reference.sites.values().any(is_put_back) {
                continue;
            }
            let owner = reference.owner_of_file.get(*path);
            let is_planned = |site: &&String| {
                let plan = self.plan(site);
                plan.is_some_and(|plan| plan.files.iter().any(|file| file.path.ends_with(path)))
            };
            // Another's plan may have it, too, and is refused.
            let own = owner.filter(|owner| self.targets.contains(owner)).filter(is_planned);
            let Some(site) = own.or_else(|| self.targets.iter().find(is_planned)) else {
                return Err(format!("{path} has changed, which no plan says: {now:?}"));
            };
            // What was only killed half-way may be put back, and is nobody's then.
            let is_free = |owner: &String| {
                reference.sites[owner].former.iter().any(|files| !files.contains_key(*path))
            };
            if owner.is_some_and(|owner| owner != site && !is_free(owner)) {
                return Err(format!("{path} has changed, which is not of {site}"));
            }
            self.bytes(site, path, now)?;
        }
        Ok(())
    }

    /// It is what is wanted, or what was once recorded.
    fn bytes(&self, site: &str, path: &str, now: Option<&String>) -> Verdict {
        let Some(now) = now else { return Ok(()) };
        let recorded = |files: &Files| files.get(path) == Some(now);
        let wanted = self.wanted(site).is_some_and(|files| recorded(&files));
        if wanted || self.state(site).revisions.values().any(recorded) {
            return Ok(());
        }
        Err(format!("{path} is neither former nor new: {now:?}"))
    }

    /// The files that the inventory makes of a site, with the mode they get.
    fn wanted(&self, site: &str) -> Option<Files> {
        let empty = Programs::new();
        let programs = match self.play.wanted(self.asked, site) {
            Some(programs) => programs,
            None if self.asked.verb == Verb::Prune => &empty,
            None => return None,
        };
        let desired = desired(&self.play.world, site, programs);
        let file = |(path, file): (&std::path::PathBuf, &supervisor_sync::desired::DesiredFile)| {
            let (folder, name) = (path.parent()?.file_name()?, path.file_name()?);
            let path = format!("{}/{}", folder.to_str()?, name.to_str()?);
            Some((path, format!("644 {}", String::from_utf8(file.bytes.clone()).ok()?)))
        };
        Some(desired.files.iter().filter_map(file).collect())
    }

    /// No process has changed but what the plan of its own site says.
    fn processes(&self) -> Verdict {
        let by_name = |look: &Look| -> BTreeMap<String, ProcessInfo> {
            look.processes.iter().map(|one| (one.namespec(), one.clone())).collect()
        };
        let (before, after) = (by_name(&self.before), by_name(&self.after));
        for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let (was, is) = (before.get(name), after.get(name));
            let is_changed = match (was, is) {
                (Some(was), Some(is)) if was.state == ProcessState::Running => {
                    is.pid != was.pid || is.state != ProcessState::Running
                }
                // Whatever it was about, it went on with that.
                (Some(was), Some(is)) => is_settled(was) && is_up(is),
                _ => true,
            };
            let Some(process) = is.or(was) else { continue };
            if is_changed && !self.targets.iter().any(|site| self.may_change(site, process)) {
                let state = |one: Option<&ProcessInfo>| one.map(|one| (one.state, one.pid));
                return Err(format!(
                    "{name} has changed, which no plan says: {:?}, {:?}",
                    state(was),
                    state(is)
                ));
            }
            if let (true, Some(was), Some(is)) = (is_changed, was, is) {
                self.reason(was, is)?;
            }
        }
        Ok(())
    }

    fn may_change(&self, site: &str, process: &ProcessInfo) -> bool {
        let reference = &self.play.reference;
        // What was only killed half-way may be put back, and is nobody's then.
        let is_recorded = |owner: &String| {
            let state = self.state(owner);
            state.is_finished() || !state.revisions.is_empty()
        };
        let owner = reference.owner_of_group.get(&process.group);
        if owner.is_some_and(|owner| owner != site && is_recorded(owner)) {
            return false;
        }
        let Some(plan) = self.plan(site) else {
            // A start or a stop that was killed has said nothing.
            let is_selected = |name: &String| program_of(site, &process.group) == name;
            let is_control = matches!(self.asked.verb, Verb::Start | Verb::Stop);
            return is_control
                && owner.map_or(process.group.starts_with(site), |owner| owner == site)
                && self.asked.program.as_ref().is_none_or(is_selected);
        };
        plan.groups.iter().filter(|group| group.group == process.group).any(|group| {
            match &group.action {
                GroupAction::Restart { processes }
                | GroupAction::Start { processes }
                | GroupAction::Stop { processes } => processes.contains(&process.name),
                action => action.acts(),
            }
        })
    }

    /// A process of which neither the configuration nor what was asked for has changed goes on.
    fn reason(&self, was: &ProcessInfo, is: &ProcessInfo) -> Verdict {
        let owner = self.play.reference.owner_of_group.get(&was.group);
        let Some(state) = owner.map(|owner| self.state(owner)) else { return Ok(()) };
        let ended = owner.and_then(|owner| self.done.ends.get(owner));
        let loaded = |look: &Look| look.loaded.get(&was.group).cloned().flatten();
        let is_asked = matches!(
            self.asked.verb,
            Verb::Restart { .. } | Verb::Start | Verb::Stop | Verb::Apply(How::Restart)
        );
        let is_same = loaded(&self.before).is_some() && loaded(&self.before) == loaded(&self.after);
        if was.state == ProcessState::Running
            && is_same
            && !is_asked
            && !state.restarting
            && ended.is_some_and(Ended::is_success)
        {
            return Err(format!("{} was restarted for nothing: {is:?}", was.namespec()));
        }
        Ok(())
    }

    fn ended(&self, site: &str, ended: &Ended) -> Verdict {
        let (state, reference) = (self.state(site), &self.play.reference);
        let programs = self.play.wanted(self.asked, site).cloned().unwrap_or_default();
        let selected = |(name, _): &(&String, &Spec)| {
            self.asked.program.as_ref().is_none_or(|program| program == *name)
        };
        let is_bad = programs.iter().filter(selected).any(|(_, spec)| !spec.is_good())
            || self.is_rollback() && state.was_bad
            || matches!(self.asked.verb, Verb::Restart { .. } | Verb::Start) && state.is_bad;
        let is_disturbed = self.asked.end != End::Itself;
        match ended {
            Ended::Unchanged | Ended::Applied => self.success(site, &programs, is_bad),
            Ended::Refused(_) if self.may_refuse(site, &programs) || is_disturbed => Ok(()),
            // Another site's new file that supervisord refuses: edited, it is not put back before.
            Ended::Refused(why)
                if why.contains("already broken by")
                    && reference.sites.values().any(|other| other.touched) =>
            {
                Ok(())
            }
            Ended::RolledBack(_) if is_bad || is_disturbed => self.put_back(site),
            Ended::Interrupted if is_disturbed => Ok(()),
            Ended::Kept(_) | Ended::Stuck(_) if is_bad || state.is_bad => Ok(()),
            Ended::Kept(_)
                if self.asked.verb == Verb::Start && !self.is_loaded(site, &programs) =>
            {
                Ok(())
            }
            _ => Err("it should have succeeded".to_owned()),
        }
    }

    /// Somebody else has what it wants; a person was at files that nobody has a record of; or the verb
    /// is about what was never applied.
    fn may_refuse(&self, site: &str, programs: &Programs) -> bool {
        let state = self.state(site);
        let is_apply = matches!(self.asked.verb, Verb::Apply(_) | Verb::Prune);
        let wanted = self.wanted(site).unwrap_or_default();
        !is_apply
            || self.is_claimed(site, programs)
            || state.revisions.is_empty() && state.touched
            || wanted.keys().any(|path| self.play.reference.persons.contains(path))
    }

    /// Whether supervisord had all that is wanted of the site, and from its own files.
    fn is_loaded(&self, site: &str, programs: &Programs) -> bool {
        let desired = desired(&self.play.world, site, programs);
        desired.groups.keys().all(|group| self.play.reference.is_of(site, group))
    }

    fn is_claimed(&self, site: &str, programs: &Programs) -> bool {
        let desired = desired(&self.play.world, site, programs);
        let paths: Vec<String> = self.wanted(site).unwrap_or_default().into_keys().collect();
        let groups: Vec<String> = desired.groups.keys().cloned().collect();
        self.play.reference.is_claimed(site, &paths, &groups)
    }

    fn success(&self, site: &str, programs: &Programs, is_bad: bool) -> Verdict {
        match self.asked.verb {
            Verb::Apply(_) | Verb::Prune if self.asked.program.is_none() => {
                let wanted = self.wanted(site).unwrap_or_default();
                self.has_files(site, &wanted)?;
                self.has_groups(site, programs)?;
                self.is_tidy(site)?;
            }
            Verb::Rollback | Verb::RollbackTo(_) => {
                self.taken_back(site)?;
                self.is_tidy(site)?;
            }
            Verb::Restart { .. } => self.restarted(site)?,
            _ => {}
        }
        if is_bad || self.is_rollback() { Ok(()) } else { self.is_running(site, programs) }
    }

    /// The files of the site, by whomever they are planned.
    fn has_files(&self, site: &str, wanted: &Files) -> Verdict {
        let reference = &self.play.reference;
        let mut files = self.after.files.clone();
        files.retain(|path, _| {
            wanted.contains_key(path)
                || reference.owner_of_file.get(path).is_some_and(|owner| owner == site)
                    && !reference.persons.contains(path)
        });
        let text = |files: &Files| -> BTreeMap<String, String> {
            files.iter().map(|(path, text)| (path.clone(), text.clone())).collect()
        };
        if text(&files) == text(wanted) {
            return Ok(());
        }
        Err(format!("the files are {files:#?}, wanted {wanted:#?}"))
    }

    fn has_groups(&self, site: &str, programs: &Programs) -> Verdict {
        let desired = desired(&self.play.world, site, programs);
        let reference = &self.play.reference;
        let mut loaded = self.after.loaded.clone();
        loaded.retain(|group, _| {
            reference.is_of(site, group)
                || desired.groups.contains_key(group)
                || !reference.owner_of_group.contains_key(group)
                    && self
                        .plan(site)
                        .is_some_and(|p| p.groups.iter().any(|one| one.group == *group))
        });
        if loaded.keys().eq(desired.groups.keys()) {
            return Ok(());
        }
        let (is, wanted) = (loaded.keys(), desired.groups.keys());
        Err(format!("supervisord has the groups {is:?}, wanted {wanted:?}"))
    }

    /// Nothing is left to be finished.
    fn is_tidy(&self, site: &str) -> Verdict {
        let interrupted = self.play.world.state().interrupted(&Disk, &domain(site));
        if interrupted.is_ok_and(|interrupted| interrupted != Default::default()) {
            return Err("a journal is left".to_owned());
        }
        let is_left = |path: &&String| {
            is_staged(path) && path.contains(&format!("{site}-")) && self.targets.len() == 1
        };
        match self.after.files.keys().find(is_left) {
            Some(path) => Err(format!("{path} is left")),
            None => Ok(()),
        }
    }

    fn taken_back(&self, site: &str) -> Verdict {
        let state = self.state(site);
        let files = self.play.reference.files_of(site, &self.after.files);
        let is_known = |wanted: &&Files| **wanted == files;
        let wanted = match self.asked.verb {
            Verb::Rollback => match state.in_effect.as_slice() {
                [.., (_, wanted), _] => Some(wanted).filter(is_known),
                _ => return Err("there is nothing to take back".to_owned()),
            },
            _ => state.revisions.values().find(is_known),
        };
        // What it brings back was not there for the reference to know whose it is.
        let mut back = self.after.files.clone();
        back.retain(|path, _| state.recorded().contains_key(path) || files.contains_key(path));
        match wanted {
            Some(_) => Ok(()),
            None if self.is_back(state) => Ok(()),
            None => Err(format!("the files are {back:#?}, in effect was {:#?}", state.in_effect)),
        }
    }

    /// Whether all files of what was in effect before are there, and none of the others that it had.
    fn is_back(&self, state: &SiteState) -> bool {
        let mut candidates: Vec<&Files> = match self.asked.verb {
            Verb::Rollback => {
                state.in_effect.iter().rev().skip(1).take(1).map(|(_, f)| f).collect()
            }
            _ => state.revisions.values().collect(),
        };
        let ever: BTreeSet<&String> = state.revisions.values().flat_map(Files::keys).collect();
        candidates.retain(|wanted| {
            ever.iter().all(|path| self.after.files.get(*path) == wanted.get(*path))
        });
        !candidates.is_empty()
    }

    /// Each process that ran has another pid.
    fn restarted(&self, site: &str) -> Verdict {
        let selected = |one: &&ProcessInfo| {
            let program = program_of(site, &one.group);
            let wanted = self.play.wanted(self.asked, site);
            self.play.reference.is_of(site, &one.group)
                && wanted.is_some_and(|wanted| wanted.contains_key(program))
                && self.asked.program.as_ref().is_none_or(|name| name == program)
        };
        let before = self.before.processes.iter().filter(selected);
        for was in before.filter(|was| was.state == ProcessState::Running) {
            if self.after.processes.iter().any(|is| is.pid == was.pid) {
                return Err(format!("{} was not restarted", was.namespec()));
            }
        }
        Ok(())
    }

    /// What ran, runs; what somebody has stopped stays so; what is new runs, too.
    fn is_running(&self, site: &str, programs: &Programs) -> Verdict {
        let expected = &self.play.reference.expected;
        for process in &self.after.processes {
            let name = program_of(site, &process.group);
            let is_selected = self.asked.program.as_ref().is_none_or(|program| program == name);
            let Some(spec) = programs.get(name).filter(|_| is_selected) else { continue };
            if self.play.reference.owner_of_group.get(&process.group).is_some_and(|o| o != site) {
                continue;
            }
            let starts_stopped = matches!(
                self.asked.verb,
                Verb::Apply(How::StartStopped) | Verb::Restart { start_stopped: true, .. }
            );
            let is_of_program = |namespec: &&String| {
                program_of(site, namespec.split(':').next().unwrap_or_default()) == name
            };
            let known = || expected.iter().filter(|(namespec, _)| is_of_program(namespec));
            let is_as_it_should = match (self.asked.verb, expected.get(&process.namespec())) {
                (Verb::Start, _) => is_up(process),
                (Verb::Stop, _) => !is_up(process),
                (_, Some(Expect::Up)) => is_up(process),
                (_, Some(Expect::Stopped)) => starts_stopped || !is_up(process),
                (_, Some(Expect::Idle)) => spec.autostart || starts_stopped || !is_up(process),
                (_, Some(Expect::Unknown)) => true,
                (Verb::Restart { .. }, None) => true,
                (_, None) => {
                    !spec.autostart
                        || is_up(process)
                        || self.state(site).was_stopped
                        || known().any(|(_, e)| *e != Expect::Up)
                }
            };
            if !is_as_it_should {
                let expect = expected.get(&process.namespec());
                let (name, state) = (process.namespec(), process.state);
                return Err(format!("{name} is {state:?}, and was to be {expect:?}"));
            }
        }
        Ok(())
    }

    /// It failed and is as it was.
    fn put_back(&self, site: &str) -> Verdict {
        let reference = &self.play.reference;
        if !self.state(site).is_finished() {
            return Ok(());
        }
        let wanted = reference.files_of(site, &self.before.files);
        self.has_files(site, &wanted)?;
        for process in &self.after.processes {
            let is_as_it_was = match reference.expected.get(&process.namespec()) {
                _ if !reference.is_of(site, &process.group) => true,
                Some(Expect::Up) => is_up(process),
                Some(Expect::Stopped | Expect::Idle) => !is_up(process),
                _ => true,
            };
            if !is_as_it_was {
                return Err(format!(
                    "{} was not put back: {:?}",
                    process.namespec(),
                    process.state
                ));
            }
        }
        Ok(())
    }
}

fn is_settled(process: &ProcessInfo) -> bool {
    matches!(process.state, ProcessState::Stopped | ProcessState::Fatal)
}
