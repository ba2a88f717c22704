//! Puts the status of a site together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{
    ConfigDrift, Drift, FileDrift, ProcessHealth, ProcessStatus, ProgramStatus, RestartWatch,
    SiteStatus, StateDrift, WantedState,
};
use crate::actual::{ActualDaemon, ActualSite};
use crate::apply::release::Former;
use crate::desired::{DesiredGroup, DesiredSite, FileKind};
use crate::inventory::{Autorestart, Programs};
use crate::plan::{FileChange, Reason, SitePlan, Whose};
use crate::supervisord::{GroupHeader, ProcessInfo, ProcessState, ini};
use crate::system::files::Entry;

/// What a status is put together from.
#[derive(Debug, Clone, Copy)]
pub struct Readings<'a> {
    /// The programs that are asked about.
    pub programs: &'a Programs,
    /// How it should be.
    pub desired: &'a DesiredSite,
    /// How supervisord is, at the last look.
    pub daemon: &'a ActualDaemon,
    /// How the site is.
    pub actual: &'a ActualSite,
    /// What an apply would do.
    pub plan: &'a SitePlan,
    /// What the looks have shown.
    pub looks: &'a RestartWatch,
    /// Processes that run a former release, by pid.
    pub former: &'a BTreeMap<i64, Former>,
}

/// Puts it together.
pub fn assemble(readings: &Readings<'_>) -> SiteStatus {
    let Readings { programs, desired, plan, .. } = readings;
    let mut all: BTreeMap<String, ProgramStatus> = BTreeMap::new();
    for (name, group) in readings.groups() {
        if programs.have(&group.program) {
            let program = all.entry(group.program.clone()).or_insert_with(|| empty(&group.program));
            readings.add_group(program, &name, &group);
        }
    }
    for (path, change) in &plan.files {
        for program in readings.programs_of(path, change) {
            if programs.have(&program) {
                let status = all.entry(program.clone()).or_insert_with(|| empty(&program));
                let how = file_drift(path, change, readings.actual);
                status.drift.push(Drift::File { path: path.clone(), how });
            }
        }
    }
    let mut programs: Vec<ProgramStatus> = all.into_values().collect();
    for program in &mut programs {
        program.drift.sort_unstable();
    }
    // Stable: each part stays sorted by name.
    programs.sort_by_key(ProgramStatus::is_fine);
    SiteStatus {
        site: desired.domain.clone(),
        programs,
        problems: readings.problems(),
        notes: readings.notes(),
        rolled_back: readings.rolled_back(),
    }
}

fn empty(program: &str) -> ProgramStatus {
    ProgramStatus {
        program: program.to_owned(),
        wanted: WantedState::Absent,
        numprocs: 0,
        processes: Vec::new(),
        drift: Vec::new(),
    }
}

/// A group of the site, wanted or not.
struct SiteGroup<'a> {
    program: String,
    wanted: Option<&'a DesiredGroup>,
}

impl<'a> Readings<'a> {
    /// Every group of the site: wanted ones, and those that are loaded although nobody wants them.
    fn groups(&self) -> BTreeMap<String, SiteGroup<'a>> {
        let wanted = self.desired.groups.iter().map(|(name, group)| {
            (name.clone(), SiteGroup { program: group.program.clone(), wanted: Some(group) })
        });
        let mut groups: BTreeMap<String, SiteGroup<'a>> = wanted.collect();
        for (name, change) in &self.plan.groups {
            if change.desired.is_none() && self.daemon.groups.contains_key(name) {
                let program = self.whose().program(name, None);
                groups.entry(name.clone()).or_insert(SiteGroup { program, wanted: None });
            }
        }
        groups
    }

    fn whose(&self) -> Whose<'_> {
        Whose { desired: self.desired, record: self.actual.record.as_ref() }
    }

    /// The programs that a change of a file is about: of one that programs share, those whose sections
    /// change.
    fn programs_of(&self, path: &Path, change: &FileChange) -> BTreeSet<String> {
        let bytes = change.before.bytes().unwrap_or_default();
        let mut programs = match (&change.before, &change.after) {
            (Entry::Absent, Some(after)) => after.programs.clone(),
            _ => self.whose().programs(path, change.kind, bytes),
        };
        programs.extend(change.after.iter().flat_map(|after| after.programs.clone()));
        let is_shared = programs.len() > 1 && change.kind == FileKind::Supervisor;
        if is_shared { self.programs_that_change(path, change) } else { programs }
    }

    fn programs_that_change(&self, path: &Path, change: &FileChange) -> BTreeSet<String> {
        let before = String::from_utf8_lossy(change.before.bytes().unwrap_or_default());
        let after = change.after.as_ref().map_or(&[][..], |file| file.bytes.as_slice());
        let after = String::from_utf8_lossy(after);
        let (before, after) = (sections(&before), sections(&after));
        let changed = before
            .symmetric_difference(&after)
            .filter_map(|(section, _)| GroupHeader::name_of_program(section))
            .map(|group| self.whose().program(group, Some(path)));
        let changed: BTreeSet<String> = changed.collect();
        match changed.is_empty() {
            // Nothing but comments, blank lines or its mode.
            true => self.desired.groups.values().map(|group| group.program.clone()).collect(),
            false => changed,
        }
    }

    fn add_group(&self, program: &mut ProgramStatus, name: &str, group: &SiteGroup<'_>) {
        let processes = self.daemon.groups.get(name).map_or(&[][..], Vec::as_slice);
        if let Some(wanted) = group.wanted {
            program.numprocs += wanted.numprocs;
            program.wanted =
                if wanted.autostart { WantedState::Running } else { WantedState::Present };
        }
        program.drift.extend(self.config_drift(name, group.wanted, processes));
        for process in processes {
            let drift = match group.wanted {
                Some(wanted) => self.state_drift(process, wanted),
                None => Some(StateDrift::NotWanted),
            };
            let former = self.former.get(&process.pid).filter(|_| process.pid > 0);
            let former = former.map(|former| StateDrift::FormerRelease {
                folder: former.folder.to_string_lossy().into_owned(),
                live: former.live.to_string_lossy().into_owned(),
            });
            for how in drift.into_iter().chain(former) {
                program.drift.push(Drift::State { process: process.display_name(), how });
            }
            program.processes.push(self.process(process, group.wanted));
        }
    }

    fn state_drift(&self, process: &ProcessInfo, wanted: &DesiredGroup) -> Option<StateDrift> {
        if !wanted.starts(&process.name) && !self.was_stopped_by_apply(process) {
            return None;
        }
        match (process.state, process.start) {
            (ProcessState::Stopped | ProcessState::Stopping, _)
                if self.was_stopped_by_apply(process) =>
            {
                Some(StateDrift::StoppedByApply)
            }
            (ProcessState::Stopped, 0) => Some(StateDrift::NeverStarted),
            (ProcessState::Stopped, _) => Some(StateDrift::StoppedByHand),
            _ => None,
        }
    }

    /// Whether it ran before an apply that has changed its group and not ended.
    fn was_stopped_by_apply(&self, process: &ProcessInfo) -> bool {
        self.actual.interrupted.finished.as_ref().is_some_and(|journal| {
            let ran = journal.ran.get(&process.group);
            journal.groups.contains_key(&process.group)
                && ran.is_some_and(|names| names.contains(&process.name))
        })
    }

    fn config_drift(
        &self,
        name: &str,
        wanted: Option<&DesiredGroup>,
        processes: &[ProcessInfo],
    ) -> Option<Drift> {
        let reread = self.daemon.reread.as_ref().ok()?;
        let name = name.to_owned();
        let reason = self.plan.groups.get(&name).map(|change| &change.reason);
        let how = if reread.changed.contains(&name) {
            match reason {
                Some(Reason::EveryProgram { .. }) => ConfigDrift::EveryProgram,
                _ => ConfigDrift::FileNewer,
            }
        } else if reread.added.contains(&name) {
            ConfigDrift::NotLoaded
        } else if reread.removed.contains(&name) {
            ConfigDrift::NoFile
        } else {
            // With the file as wanted there is nothing left that could explain it.
            let number = wanted?.numprocs as usize;
            let as_wanted = processes.is_empty() || processes.len() == number;
            (!as_wanted && self.plan.files.is_empty()).then_some(ConfigDrift::Processes)?
        };
        Some(Drift::Config { group: name, how })
    }

    fn process(&self, process: &ProcessInfo, wanted: Option<&DesiredGroup>) -> ProcessStatus {
        let restarts_seen = self.looks.restarts(process);
        let up = matches!(process.state, ProcessState::Running | ProcessState::Starting);
        ProcessStatus {
            process: process.display_name(),
            state: process.state,
            health: health(process, wanted, restarts_seen),
            pid: (process.pid > 0).then_some(process.pid),
            uptime: up.then(|| seconds_since(process.start, process)),
            restarts_seen,
            ended: (process.stop > 0).then(|| seconds_since(process.stop, process)),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(fault) = &self.daemon.reread {
            let words = fault.text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            problems.push(format!(
                "supervisord cannot read its files any more; it goes on as it is, but would not \
                 start again: {words}"
            ));
        }
        problems.extend(self.plan.under_way.as_ref().map(|who| format!("{who} is under way")));
        problems.extend(self.plan.interrupted.clone());
        problems
    }

    /// Whoever took a run back, or went to a former revision, did not change the inventory.
    fn rolled_back(&self) -> Option<String> {
        let origin = &self.actual.record.as_ref()?.origin;
        let run = origin.run();
        let is_rollback = run.takes_back.is_some() || run.command.starts_with("rollback");
        is_rollback.then(|| format!("`{}` by {} on {:.0}", run.command, run.user, run.at))
    }

    fn notes(&self) -> Vec<String> {
        let foreign = self.actual.foreign.iter();
        foreign.map(|(path, why)| format!("{} is not ours: {why}", path.display())).collect()
    }
}

fn sections(text: &str) -> BTreeSet<(String, String)> {
    let blocks = ini::blocks(text).unwrap_or_default().into_iter();
    blocks.map(|(name, block)| (name, block.trim_end().to_owned())).collect()
}

/// By supervisord's clock, which may be set back.
fn seconds_since(then: i64, process: &ProcessInfo) -> u64 {
    u64::try_from(process.now.saturating_sub(then)).unwrap_or(0)
}

fn file_drift(path: &PathBuf, change: &FileChange, actual: &ActualSite) -> FileDrift {
    let recorded = actual.record.as_ref().and_then(|record| record.files.get(path));
    match (&change.before, &change.after, recorded) {
        (_, None, _) => FileDrift::Orphan,
        (Entry::Absent, Some(_), Some(_)) => FileDrift::Missing,
        (Entry::Absent, Some(_), None) => FileDrift::NotApplied,
        (before, Some(after), _) if before.bytes() == Some(&after.bytes) => {
            if change.is_anothers {
                FileDrift::Owner
            } else {
                FileDrift::Permissions
            }
        }
        (before, Some(_), Some(recorded)) if before.bytes() == Some(&*recorded.content) => {
            FileDrift::NotApplied
        }
        (before, Some(_), _) if is_of_unfinished(path, before, actual) => FileDrift::NotApplied,
        (_, Some(_), Some(_)) => FileDrift::Edited,
        // Nobody knows what it was before: it is there, and is not what the inventory says.
        (_, Some(_), None) => FileDrift::NotApplied,
    }
}

/// Whether a file is as an apply wrote it that never ended, or is under way: nobody has edited it.
fn is_of_unfinished(path: &PathBuf, before: &Entry, actual: &ActualSite) -> bool {
    let journals = actual.interrupted.journals();
    let mut targets = journals.filter_map(|journal| journal.target.as_ref());
    targets.any(|target| {
        let written = target.files.get(path).map(|file| &*file.content);
        written.is_some() && written == before.bytes()
    })
}

fn unhealthy(reason: String) -> ProcessHealth {
    ProcessHealth::Unhealthy { reason }
}

fn unhealthy_with_cause(process: &ProcessInfo, reason: &str) -> ProcessHealth {
    match process.spawnerr.is_empty() {
        true => unhealthy(reason.to_owned()),
        false => unhealthy(format!("{reason}: {}", process.spawnerr)),
    }
}

fn health(process: &ProcessInfo, wanted: Option<&DesiredGroup>, restarts: u32) -> ProcessHealth {
    if restarts > 0 {
        let times = if restarts == 1 { "once".to_owned() } else { format!("{restarts} times") };
        return unhealthy(format!("is flapping: started again {times} while it was watched"));
    }
    match process.state {
        ProcessState::Running => ProcessHealth::Up,
        ProcessState::Stopped => ProcessHealth::Down,
        ProcessState::Starting => ProcessHealth::Changing,
        // It comes up again only if somebody starts it.
        ProcessState::Stopping if wanted.is_some_and(|wanted| wanted.starts(&process.name)) => {
            unhealthy("is stopping".to_owned())
        }
        ProcessState::Stopping => ProcessHealth::Changing,
        ProcessState::Fatal => unhealthy_with_cause(process, "was given up by supervisord"),
        ProcessState::Backoff => {
            unhealthy_with_cause(process, "does not come up, and is tried again")
        }
        ProcessState::Unknown => {
            unhealthy_with_cause(process, "is in a state supervisord cannot tell")
        }
        ProcessState::Exited => {
            let expected = u8::try_from(process.exitstatus)
                .is_ok_and(|status| wanted.is_none_or(|wanted| wanted.exitcodes.contains(&status)));
            let autorestart = wanted.map_or(Autorestart::Unexpected, |wanted| wanted.autorestart);
            match (autorestart, expected) {
                (Autorestart::Always, _) | (Autorestart::Unexpected, false) => {
                    ProcessHealth::Changing
                }
                (_, true) => ProcessHealth::Done,
                (_, false) => unhealthy(format!("has ended with status {}", process.exitstatus)),
            }
        }
    }
}
