//! (how it should be, how it is, options) -> plan. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{FileChange, GroupAction, GroupChange, PlanOptions, Reason, Refusal, SitePlan};
use crate::actual::{ActualDaemon, ActualSite};
use crate::desired::{DesiredGroup, DesiredSite, FileKind};
use crate::state::JournalPhase;
use crate::supervisord::{self, ProcessInfo, ProcessState, ini};
use crate::system::files::{Entry, FileContent};

/// supervisord's own default of `stopwaitsecs`, in seconds.
const SUPERVISORDS_STOPWAITSECS: u32 = 10;

/// Plans one site.
pub fn plan_site(
    desired: &DesiredSite,
    daemon: &ActualDaemon,
    actual: &ActualSite,
    options: &PlanOptions,
) -> SitePlan {
    let mut plan = SitePlan {
        domain: desired.domain.clone(),
        files: file_changes(desired, actual),
        folders: actual.missing_log_folders.clone(),
        groups: BTreeMap::new(),
        ran: BTreeMap::new(),
        stopped: BTreeMap::new(),
        unchanged: Vec::new(),
        interrupted: interrupted(actual),
        notes: Vec::new(),
        warnings: Vec::new(),
        refusals: Vec::new(),
    };
    if options.only_processes {
        plan.files.clear();
        plan.folders.clear();
    }
    let sections = Sections::read(&plan, actual);
    let own = OwnGroups::find(desired, daemon, actual, &sections);
    for group in &own.names {
        let context = GroupContext { group, desired, daemon, actual, options, sections: &sections };
        let ran = context.ran();
        match context.change(&ran) {
            Some(change) => {
                plan.groups.insert(group.clone(), change);
            }
            None if desired.groups.contains_key(group) => plan.unchanged.push(group.clone()),
            None => {}
        }
        let stopped = context.stopped_by_hand(&ran);
        if !stopped.is_empty() {
            plan.stopped.insert(group.clone(), stopped);
        }
        if !ran.is_empty() {
            plan.ran.insert(group.clone(), ran);
        }
    }
    plan.refusals = refusals(desired, daemon, actual, options, &plan);
    plan.warnings = warnings(desired, daemon, actual, options);
    plan.notes = notes(daemon, actual, &own);
    plan
}

fn interrupted(actual: &ActualSite) -> Option<String> {
    let (phase, journal) = actual.interrupted.as_ref()?;
    let what = match phase {
        JournalPhase::Groups => "finished",
        JournalPhase::Files | JournalPhase::Undo => "undone first",
    };
    Some(format!("an apply that never ended, {}, is {what}", journal.origin))
}

fn file_changes(
    desired: &DesiredSite,
    actual: &ActualSite,
) -> BTreeMap<std::path::PathBuf, FileChange> {
    let mut changes = BTreeMap::new();
    for (path, file) in &desired.files {
        let before = actual.files.get(path).cloned().unwrap_or(Entry::Absent);
        let as_wanted = match &before {
            Entry::File(FileContent { bytes, mode, .. }) => {
                *bytes == file.bytes && is_closed_enough(*mode, file.secret)
            }
            _ => false,
        };
        if !as_wanted {
            let after = Some(file.clone());
            changes.insert(path.clone(), FileChange { kind: file.kind, before, after });
        }
    }
    for path in actual.owned.iter().filter(|path| !desired.files.contains_key(*path)) {
        let before = actual.files.get(path).cloned().unwrap_or(Entry::Absent);
        let kind = kind_of(path, actual);
        changes.insert(path.clone(), FileChange { kind, before, after: None });
    }
    changes
}

/// logrotate ignores a file that others may write to, and environment values are nobody else's
/// business. Beyond that a mode is its owner's choice.
fn is_closed_enough(mode: u32, secret: bool) -> bool {
    mode & if secret { 0o077 } else { 0o022 } == 0
}

fn kind_of(path: &Path, actual: &ActualSite) -> FileKind {
    actual.kinds.get(path).copied().unwrap_or(FileKind::Supervisor)
}

/// The `[program:NAME]` sections of the site's files, parsed once: NAME -> option -> value.
struct Sections {
    /// Of the files as they are.
    before: BTreeMap<String, BTreeMap<String, String>>,
    /// Of those files that change, as they will be.
    after: BTreeMap<String, BTreeMap<String, String>>,
}

impl Sections {
    fn read(plan: &SitePlan, actual: &ActualSite) -> Self {
        let before = actual.files.iter().filter(|(path, _)| actual.owned.contains(*path));
        let wanted = plan.files.values().filter_map(|change| change.after.as_ref());
        Self {
            before: before
                .flat_map(|(_, entry)| sections(entry.bytes().unwrap_or_default()))
                .collect(),
            after: wanted
                .filter(|file| file.kind == FileKind::Supervisor)
                .flat_map(|file| sections(&file.bytes))
                .collect(),
        }
    }
}

fn sections(bytes: &[u8]) -> BTreeMap<String, BTreeMap<String, String>> {
    let Ok(parsed) = ini::parse(&String::from_utf8_lossy(bytes)) else { return BTreeMap::new() };
    let program = |section: ini::Section| {
        let name = section.name.strip_prefix("program:")?.trim().to_owned();
        let options = section.entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
        Some((name, options))
    };
    parsed.sections.into_iter().filter_map(program).collect()
}

/// The groups that are the site's: wanted, recorded, or defined in one of its own files.
struct OwnGroups {
    names: BTreeSet<String>,
}

impl OwnGroups {
    fn find(
        desired: &DesiredSite,
        daemon: &ActualDaemon,
        actual: &ActualSite,
        sections: &Sections,
    ) -> Self {
        let mut names: BTreeSet<String> = desired.groups.keys().cloned().collect();
        // A program that somebody has meanwhile defined elsewhere is theirs now.
        let elsewhere: BTreeSet<&String> = daemon
            .defined
            .iter()
            .filter(|program| {
                !actual.owned.contains(&program.file) && !desired.files.contains_key(&program.file)
            })
            .map(|program| &program.group)
            .collect();
        let recorded = actual.record.iter().flat_map(|record| record.groups.keys());
        let former = recorded.chain(sections.before.keys());
        names.extend(former.filter(|group| !elsewhere.contains(group)).cloned());
        Self { names }
    }
}

struct GroupContext<'a> {
    group: &'a String,
    desired: &'a DesiredSite,
    daemon: &'a ActualDaemon,
    actual: &'a ActualSite,
    options: &'a PlanOptions,
    sections: &'a Sections,
}

impl GroupContext<'_> {
    fn processes(&self) -> &[ProcessInfo] {
        self.daemon.groups.get(self.group).map_or(&[], Vec::as_slice)
    }

    /// The processes that run, or that an interrupted apply has stopped.
    fn ran(&self) -> Vec<String> {
        let mut ran: BTreeSet<String> =
            self.processes().iter().filter(|p| is_up(p)).map(|p| p.name.clone()).collect();
        ran.extend(self.ran_before_interruption().iter().cloned());
        ran.into_iter().collect()
    }

    fn stopped_by_hand(&self, ran: &[String]) -> Vec<String> {
        let stopped = |p: &&ProcessInfo| was_stopped_by_hand(p) && !ran.contains(&p.name);
        self.processes().iter().filter(stopped).map(|p| p.name.clone()).collect()
    }

    fn ran_before_interruption(&self) -> &[String] {
        let journal = self.actual.interrupted.as_ref().map(|(_, journal)| journal);
        journal.and_then(|journal| journal.ran.get(self.group)).map_or(&[], Vec::as_slice)
    }

    fn change(&self, ran: &[String]) -> Option<GroupChange> {
        let loaded = self.daemon.groups.contains_key(self.group);
        let stop_seconds = self.stop_seconds();
        let Some(wanted) = self.desired.groups.get(self.group) else {
            let leaves = loaded && !self.options.only_processes;
            return leaves.then_some(GroupChange {
                action: GroupAction::Remove,
                reason: Reason::NotWanted,
                desired: None,
                stop_seconds,
            });
        };
        let (action, reason) = if loaded {
            self.change_of_loaded(wanted, ran)?
        } else {
            let start = !wanted.autostart && !ran.is_empty();
            match (self.pending(|reread| &reread.added), self.options.only_processes) {
                (true, _) => (GroupAction::Add { start }, Reason::NotLoaded),
                (false, false) => (GroupAction::Add { start }, Reason::New),
                (false, true) => (GroupAction::Leave, Reason::NotKnown),
            }
        };
        Some(GroupChange { action, reason, desired: Some(wanted.clone()), stop_seconds })
    }

    fn change_of_loaded(
        &self,
        wanted: &DesiredGroup,
        ran: &[String],
    ) -> Option<(GroupAction, Reason)> {
        let changed = self.changed_options();
        let file_newer = self.pending(|reread| &reread.changed);
        let by_hand = ran.is_empty() && !self.stopped_by_hand(ran).is_empty();
        if !changed.is_empty() || file_newer {
            if by_hand && wanted.autostart && !self.options.restart {
                return Some((GroupAction::Leave, Reason::StoppedByHand));
            }
            let defers = wanted.restart == crate::inventory::RestartPolicy::Deferred;
            if defers && !ran.is_empty() && !self.options.restart {
                return Some((GroupAction::Leave, Reason::Deferred));
            }
            let start = !wanted.autostart && !ran.is_empty();
            let reason = if changed.is_empty() {
                Reason::FileNewer
            } else {
                Reason::Changed { options: changed }
            };
            return Some((GroupAction::Replace { start }, reason));
        }
        if self.options.restart {
            let stays =
                |p: &&ProcessInfo| p.state != ProcessState::Stopped || ran.contains(&p.name);
            let processes: Vec<String> =
                self.processes().iter().filter(stays).map(|p| p.name.clone()).collect();
            return Some(if processes.is_empty() {
                (GroupAction::Leave, Reason::StoppedByHand)
            } else {
                (GroupAction::Restart { processes }, Reason::RestartAsked)
            });
        }
        let stopped: Vec<String> = self
            .processes()
            .iter()
            .filter(|p| !is_up(p) && self.ran_before_interruption().contains(&p.name))
            .map(|p| p.name.clone())
            .collect();
        (!stopped.is_empty())
            .then_some((GroupAction::Start { processes: stopped }, Reason::Interrupted))
    }

    fn pending(&self, of: fn(&crate::supervisord::Reload) -> &Vec<String>) -> bool {
        self.daemon.reread.as_ref().is_ok_and(|reread| of(reread).contains(self.group))
    }

    /// The options that differ between the file as it is and as it will be. Those of a file that is
    /// missing count as one difference: supervisord will tell whether there is any.
    fn changed_options(&self) -> Vec<String> {
        let Some(after) = self.sections.after.get(self.group) else { return Vec::new() };
        match self.sections.before.get(self.group) {
            None => vec!["its file was missing".to_owned()],
            Some(before) => {
                let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
                let differs = |key: &&String| before.get(*key) != after.get(*key);
                keys.into_iter().filter(differs).cloned().collect()
            }
        }
    }

    /// How long its processes may take to stop: whichever is longest of the running, the recorded
    /// and the wanted configuration, since supervisord does not tell which one it runs.
    fn stop_seconds(&self) -> u32 {
        let wanted = self.desired.groups.get(self.group).map(|group| group.stopwaitsecs);
        let recorded = self.actual.record.as_ref().and_then(|r| r.groups.get(self.group));
        let in_file = self.sections.before.get(self.group).map(|options| {
            options
                .get("stopwaitsecs")
                .and_then(|text| text.parse().ok())
                .unwrap_or(SUPERVISORDS_STOPWAITSECS)
        });
        let known = [wanted, recorded.map(|group| group.stopwaitsecs), in_file];
        known.into_iter().flatten().max().unwrap_or(SUPERVISORDS_STOPWAITSECS)
    }
}

fn is_up(process: &ProcessInfo) -> bool {
    matches!(process.state, ProcessState::Starting | ProcessState::Running | ProcessState::Backoff)
}

/// STOPPED after it had been started: supervisord itself never does that, an exit is EXITED or
/// FATAL.
fn was_stopped_by_hand(process: &ProcessInfo) -> bool {
    matches!(process.state, ProcessState::Stopped | ProcessState::Stopping) && process.start > 0
}

fn refusals(
    desired: &DesiredSite,
    daemon: &ActualDaemon,
    actual: &ActualSite,
    options: &PlanOptions,
    plan: &SitePlan,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if options.only_processes {
        return refusals;
    }
    if version_of(daemon) < (4, 0, 0) {
        refusals.push(Refusal::OldSupervisord { version: daemon.version.clone() });
    }
    refusals.extend(broken_config(daemon, plan));
    let folders = actual.missing_folders.iter().filter(|_| !desired.files.is_empty());
    refusals.extend(folders.map(|path| Refusal::MissingFolder { path: path.clone() }));
    refusals.extend(
        actual.claimed.iter().map(|(path, other)| Refusal::ClaimedBySite {
            path: path.clone(),
            other: other.clone(),
        }),
    );
    for (path, change) in &plan.files {
        if let Entry::Other(what) = change.before {
            refusals.push(Refusal::NotAFile { path: path.clone(), what: what.to_owned() });
        } else if let Some(why) = actual.in_the_way.get(path) {
            refusals.push(Refusal::ForeignFile { path: path.clone(), why: why.clone() });
        }
        let secret = change.after.as_ref().is_some_and(|file| file.secret);
        if secret && !daemon.reads_private_files {
            refusals.push(Refusal::UnreadableSecrets { path: path.clone() });
        }
    }
    refusals.extend(defined_elsewhere(desired, daemon, actual));
    refusals.extend(actual.missing_users.iter().map(|(user, programs)| Refusal::MissingUser {
        user: user.clone(),
        programs: programs.clone(),
    }));
    if !options.missing_code_is_a_warning {
        refusals.extend(actual.missing_code.iter().map(|code| Refusal::MissingCode {
            path: code.path.clone(),
            problem: code.problem.clone(),
            programs: code.programs.clone(),
        }));
    }
    let is_included = |path: &Path| supervisord::include::matches(&daemon.include_patterns, path);
    let unread = desired
        .files
        .iter()
        .find(|(path, file)| file.kind == FileKind::Supervisor && !is_included(path));
    refusals.extend(unread.map(|(path, _)| Refusal::NotIncluded { path: path.clone() }));
    refusals.retain(|refusal| {
        refusal.overridden_by().is_none_or(|said| !options.overrides.contains(&said))
    });
    refusals
}

/// A configuration that is broken before we touch it is refused, unless one of the files that we
/// are about to replace or remove breaks it.
fn broken_config(daemon: &ActualDaemon, plan: &SitePlan) -> Option<Refusal> {
    let fault = daemon.reread.as_ref().err()?;
    // supervisord names the file, or the section, or (an unknown user) neither.
    let named = daemon.included.iter().find(|path| {
        let path = path.to_string_lossy();
        ["'", "\""].iter().any(|q| fault.text.contains(&format!("{q}{path}{q}")))
            || fault.text.contains(&format!("file: {path}"))
    });
    let by_section = || {
        let program = daemon.defined.iter().find(|program| {
            ["program", "group", "eventlistener", "fcgi-program"].iter().any(|kind| {
                fault.text.contains(&format!("'{kind}:{}'", program.group))
                    || fault.text.contains(&format!("[{kind}:{}]", program.group))
            })
        });
        program.map(|program| &program.file)
    };
    let file = named.or_else(by_section);
    match file {
        Some(file) if plan.files.contains_key(file) => None,
        file => {
            let words = fault.text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            Some(Refusal::BrokenConfig { file: file.cloned(), words })
        }
    }
}

fn defined_elsewhere<'a>(
    desired: &'a DesiredSite,
    daemon: &'a ActualDaemon,
    actual: &'a ActualSite,
) -> impl Iterator<Item = Refusal> + 'a {
    let foreign = |file: &std::path::PathBuf| {
        !desired.files.contains_key(file) && !actual.owned.contains(file)
    };
    daemon
        .defined
        .iter()
        .filter(move |program| {
            desired.groups.contains_key(&program.group) && foreign(&program.file)
        })
        .map(|program| Refusal::DefinedElsewhere {
            group: program.group.clone(),
            file: program.file.clone(),
        })
}

fn warnings(
    desired: &DesiredSite,
    daemon: &ActualDaemon,
    actual: &ActualSite,
    options: &PlanOptions,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let version = version_of(daemon);
    if ((4, 0, 0)..(4, 2, 2)).contains(&version) {
        warnings.push(format!(
            "supervisord {} can crash when a process is stopped that keeps exiting; 4.2.2 mended it",
            daemon.version
        ));
    }
    if options.missing_code_is_a_warning {
        warnings.extend(actual.missing_code.iter().map(|code| {
            format!(
                "{} {} (wanted by {})",
                code.path.display(),
                code.problem,
                code.programs.join(", ")
            )
        }));
    }
    for program in &daemon.defined {
        if desired.files.contains_key(&program.file) || actual.owned.contains(&program.file) {
            continue;
        }
        let shared =
            |group: &&DesiredGroup| program.logs.iter().any(|log| Path::new(log) == group.log);
        if let Some(group) = desired.groups.values().find(shared) {
            warnings.push(format!(
                "program {} of {} writes to {} too: rotation will damage it",
                program.group,
                program.file.display(),
                group.log.display()
            ));
        }
    }
    warnings
}

fn notes(daemon: &ActualDaemon, actual: &ActualSite, own: &OwnGroups) -> Vec<String> {
    let mut notes: Vec<String> = actual
        .foreign
        .iter()
        .map(|(path, why)| format!("{} is left alone: {why}", path.display()))
        .collect();
    if let Ok(reread) = &daemon.reread {
        for (what, groups) in
            [("added", &reread.added), ("changed", &reread.changed), ("removed", &reread.removed)]
        {
            let others: Vec<&str> = groups
                .iter()
                .filter(|group| !own.names.contains(*group))
                .map(String::as_str)
                .collect();
            if !others.is_empty() {
                notes.push(format!(
                    "pending changes of others stay pending: {} {what}",
                    others.join(", ")
                ));
            }
        }
    }
    notes
}

fn version_of(daemon: &ActualDaemon) -> (u32, u32, u32) {
    let mut numbers = daemon.version.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    });
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}
