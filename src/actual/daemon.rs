//! Reads supervisord and the files it includes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::basis::{self, Outside};
use super::{ActualDaemon, DefinedProgram, Definitions};
use crate::error::{CommandError, ErrorKind};
use crate::records::NotedReread;
use crate::supervisord::ini::{self, Ini};
use crate::supervisord::merged::{DEFAULT, Merged};
use crate::supervisord::{
    self, Answer, Blame, Call, CallError, Environment, Fault, FaultCode, GroupHeader, GroupKind,
    ProcessInfo, Reload, Supervisord, defaults,
};
use crate::system::files::{Entry, Files};
use crate::system::{process, users};

/// When supervisord is asked to read its files anew.
#[derive(Debug, Clone, Copy)]
pub enum Reread<'a> {
    /// In any case.
    Always,
    /// Not at all: what is loaded is compared with the files by name.
    Never,
    /// Unless what it has said before still holds.
    IfChanged {
        /// A reading of a moment ago.
        earlier: Option<&'a ActualDaemon>,
        /// What was noted of the last reread.
        noted: Option<&'a NotedReread>,
    },
}

/// Where supervisord's files are.
#[derive(Debug, Clone)]
pub struct ConfigFiles<'a> {
    /// The main one.
    pub main: &'a Path,
    /// Those it includes, in its order.
    pub included: Vec<PathBuf>,
    /// How it calls those of them that we know by another way to the same folder.
    pub named: BTreeMap<PathBuf, PathBuf>,
    /// The patterns by which it does.
    pub patterns: Vec<String>,
    /// What `%(ENV_X)s` stands for in them.
    pub environment: &'a Environment,
    /// Those that need not be read again.
    pub read: BTreeMap<PathBuf, Entry>,
}

/// Reads supervisord and the files it includes: version, processes, and if need be a reread before
/// anything is changed, in one round trip. `tell` is told before a reread how many files it is of,
/// and how long it may take.
pub fn read(
    files: &dyn Files,
    supervisord: &mut dyn Supervisord,
    mut config: ConfigFiles<'_>,
    reread: Reread<'_>,
    tell: &mut dyn FnMut(usize, Duration),
) -> Result<ActualDaemon, CommandError> {
    let read = std::mem::take(&mut config.read);
    let (mut daemon, refers) = read_files(files, &config, read);
    let patience = supervisord.expect_files(daemon.contents.len(), daemon.defined.iter().count());
    ask_for_all(&mut daemon, supervisord, (&config, &refers), reread, &mut |files| {
        tell(files, patience);
    })?;
    daemon.blame = daemon.reread.as_ref().err().map(|fault| blame(fault, &daemon, &config));
    Ok(daemon)
}

/// Reads the files, and what they define.
pub(super) fn read_files(
    files: &dyn Files,
    config: &ConfigFiles<'_>,
    mut read: BTreeMap<PathBuf, Entry>,
) -> (ActualDaemon, Outside) {
    let mut daemon = ActualDaemon {
        include_patterns: config.patterns.clone(),
        included: config.included.clone(),
        environment: config.environment.clone(),
        ..ActualDaemon::default()
    };
    let mut refers = Outside::default();
    let mut parsed = Vec::new();
    let mut merged = Merged::of(says_of_programs);
    for path in config.files() {
        let name = config.name_in_supervisord(path);
        let entry = read.remove(name).or_else(|| files.read(path).ok());
        let bytes = entry.as_ref().and_then(Entry::bytes).unwrap_or_default();
        match ini::parse(&String::from_utf8_lossy(bytes)) {
            Ok(ini) => {
                merged.add(path, &ini);
                parsed.push((path, ini));
            }
            // It defines nothing here, and the reread says what is wrong with it.
            Err(_) => refers.doubt(),
        }
        daemon.contents.insert(path.to_owned(), entry);
    }
    for (path, ini) in &parsed {
        define(&mut daemon.defined, &mut refers, (path, ini), (&merged, config.environment));
    }
    daemon.everywhere = everywhere(&merged);
    (daemon, refers)
}

/// Whether a section says something of programs that other sections define.
fn says_of_programs(section: &str) -> bool {
    section == "supervisord"
        || GroupHeader::parse(section).is_some_and(|header| header.kind == GroupKind::Group)
}

impl ConfigFiles<'_> {
    fn files(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.main).chain(self.included.iter().map(PathBuf::as_path))
    }

    fn name_in_supervisord<'p>(&'p self, path: &'p Path) -> &'p Path {
        self.named.get(path).map_or(path, PathBuf::as_path)
    }

    /// Our name for a file that supervisord calls so.
    fn known_by(&self, name: &Path) -> Option<&PathBuf> {
        self.named.iter().find(|(_, other)| *other == name).map(|(known, _)| known)
    }
}

/// The files that say something about every program: what `[supervisord]` adds to its environment, and
/// `[DEFAULT]`.
fn everywhere(merged: &Merged) -> BTreeSet<PathBuf> {
    let environment = merged.setting("supervisord", "environment");
    let default = merged.section(DEFAULT).into_iter().flat_map(|section| section.own_settings());
    let settings = environment.into_iter().chain(default);
    settings.map(|setting| merged.file(setting.at).to_owned()).collect()
}

/// What is to blame for a fault, by the names that we have for the files.
fn blame(fault: &Fault, daemon: &ActualDaemon, config: &ConfigFiles<'_>) -> Blame {
    let names = config.files().map(|path| config.name_in_supervisord(path));
    let bytes = config.files().map(|path| daemon.contents.get(path)?.as_ref()?.bytes());
    let files: Vec<(&Path, &[u8])> = names.zip(bytes.map(Option::unwrap_or_default)).collect();
    let mut blame = supervisord::blame(fault, &files, config.environment);
    for culprit in blame.culprits_mut() {
        if let Some(known) = config.known_by(&culprit.file) {
            culprit.file.clone_from(known);
        }
    }
    blame
}

/// Asks supervisord for all that it has to say, for a reread only where that is needed.
fn ask_for_all(
    daemon: &mut ActualDaemon,
    supervisord: &mut dyn Supervisord,
    (config, refers): (&ConfigFiles<'_>, &Outside),
    reread: Reread<'_>,
    tell: &mut dyn FnMut(usize),
) -> Result<(), CommandError> {
    let Reread::IfChanged { earlier, noted } = reread else {
        let is_asked = matches!(reread, Reread::Always);
        if is_asked {
            tell(daemon.contents.len());
        }
        ask(daemon, supervisord, is_asked)?;
        if !is_asked {
            daemon.reread = Ok(by_name(daemon));
        }
        return Ok(());
    };
    let trail = basis::trail(config.main, &daemon.include_patterns, &daemon.included);
    let outside = trail.and_then(|trail| basis::outside(config.main, &trail, daemon, refers));
    daemon.outside.clone_from(&outside);
    let noted = noted.filter(|noted| outside.as_ref() == Some(&noted.outside));
    if earlier.is_some() || noted.is_some() {
        ask(daemon, supervisord, false)?;
        let earlier = earlier.filter(|earlier| daemon.is_as_at(earlier));
        let earlier = earlier.map(|earlier| earlier.reread.clone());
        let reread = earlier.or_else(|| Some(Ok(basis::holding(noted?, daemon)?)));
        if let Some(reread) = reread {
            daemon.reread = reread;
            return Ok(());
        }
    }
    tell(daemon.contents.len());
    ask(daemon, supervisord, true)?;
    if let (Some(outside), Ok(reload)) = (outside, &daemon.reread) {
        daemon.to_note = basis::note(outside, reload, daemon);
    }
    Ok(())
}

/// What can be told of a reread without one: whether a group that is loaded differs from its file is
/// for supervisord to say.
pub(super) fn by_name(daemon: &ActualDaemon) -> Reload {
    let members: BTreeSet<&String> = daemon.defined.iter().flat_map(|d| &d.programs).collect();
    let groups = daemon.defined.iter().map(|defined| &defined.group);
    let defined: BTreeSet<&String> = groups.filter(|group| !members.contains(group)).collect();
    let loaded = &daemon.groups;
    let removed = loaded.keys().filter(|group| !defined.contains(group)).cloned().collect();
    let added = defined.into_iter().filter(|group| !loaded.contains_key(*group));
    Reload { added: added.cloned().collect(), changed: Vec::new(), removed }
}

/// Asks supervisord for all that it has to say.
fn ask(
    daemon: &mut ActualDaemon,
    supervisord: &mut dyn Supervisord,
    reread: bool,
) -> Result<(), CommandError> {
    let mut calls = vec![Call::GetSupervisorVersion, Call::GetPid, Call::GetAllProcessInfo];
    if reread {
        calls.insert(2, Call::ReloadConfig);
    }
    let answers = supervisord.batch(&calls).map_err(daemon_error)?;
    for (call, answer) in calls.iter().zip(answers) {
        match (call, answer) {
            (Call::GetSupervisorVersion, Ok(Answer::Text(version))) => daemon.version = version,
            (Call::GetPid, Ok(Answer::Number(pid))) => {
                daemon.pid = Some(pid);
                daemon.reads_private_files =
                    process::owner(pid).is_none_or(|uid| uid == 0 || uid == users::current_uid());
            }
            (Call::GetPid, Err(_)) => {}
            (Call::ReloadConfig, Ok(Answer::Reload(reload))) => daemon.reread = Ok(reload),
            (Call::ReloadConfig, Err(fault)) if fault.code == FaultCode::CantReread => {
                daemon.reread = Err(fault);
            }
            (Call::GetAllProcessInfo, Ok(Answer::Processes(processes))) => {
                daemon.groups = ProcessInfo::by_group(processes);
            }
            (_, Err(fault)) => return Err(fault_error(fault)),
            (call, Ok(other)) => return Err(unexpected(call, &other)),
        }
    }
    Ok(())
}

/// A call that got no answer, with what a person can do about it.
pub fn daemon_error(error: CallError) -> CommandError {
    let failed = CommandError::refused("cannot talk to supervisord").caused_by(&error);
    match error {
        CallError::NotRunning { runs_as: Some(pid), .. } => failed.hint(format!(
            "it runs as pid {pid}, and opens a socket only when it starts; with every program: \
             systemctl restart supervisor"
        )),
        CallError::NotRunning { .. } => failed.hint("start it: systemctl start supervisor"),
        CallError::NoPermission { .. } => {
            failed.hint("run it as root: sudo supervisor-sync ..., or open the socket in [unix_http_server] (chmod, chown)")
        }
        CallError::Unauthorized { .. } => {
            failed.hint("check username and password in supervisord's main config")
        }
        CallError::TimedOut { .. } | CallError::Broken { .. } => {
            failed.hint("look at its log: journalctl -u supervisor; tail /var/log/supervisor/supervisord.log")
        }
        CallError::NotSupervisord { .. } => failed,
        CallError::Interrupted { .. } => failed.of_kind(ErrorKind::Interrupted),
    }
}

/// A fault where none was expected.
pub fn fault_error(fault: Fault) -> CommandError {
    let shutting_down = fault.code == FaultCode::ShutdownState;
    let failed = CommandError::refused("supervisord refused a call").caused_by(&fault);
    if shutting_down {
        failed.hint("supervisord is restarting or shutting down: try again when it is up")
    } else {
        failed
    }
}

fn unexpected(call: &Call, answer: &Answer) -> CommandError {
    CommandError::refused(format!("supervisord answered {call:?} with {answer:?}"))
}

/// What a file of supervisord's defines.
fn define(
    defined: &mut Definitions,
    refers: &mut Outside,
    (path, ini): (&Path, &Ini),
    (merged, environment): (&Merged, &Environment),
) {
    for section in &ini.sections {
        refers.add(section);
        let Some(header) = GroupHeader::parse(&section.name) else { continue };
        let programs = match header.kind {
            GroupKind::Group => members(path, &section.name, merged, environment),
            _ => Vec::new(),
        };
        let stop_seconds = match (header.kind, section.get("stopwaitsecs")) {
            (GroupKind::Group, _) => None,
            (_, Some(text)) => text.trim().parse().ok(),
            (_, None) => Some(defaults::STOPWAITSECS),
        };
        let logs = ["stdout_logfile", "stderr_logfile"].iter();
        defined.push(DefinedProgram {
            group: header.name.to_owned(),
            file: path.to_owned(),
            logs: logs.filter_map(|key| section.get(key).map(str::to_owned)).collect(),
            stop_seconds,
            programs,
        });
    }
}

/// The programs of a `[group:NAME]`, expanded as supervisord expands them: of the file that says which
/// they are, where several have the section.
fn members(path: &Path, section: &str, merged: &Merged, environment: &Environment) -> Vec<String> {
    let Some(setting) = merged.setting(section, "programs") else { return Vec::new() };
    let headers = merged.section(section).map_or(&[][..], |section| &section.headers);
    let says = merged.file(setting.at);
    let is_headed = headers.iter().any(|at| merged.file(*at) == says);
    let file = if is_headed { Some(says) } else { headers.last().map(|at| merged.file(*at)) };
    if file != Some(path) {
        return Vec::new();
    }
    // What cannot be expanded is refused by supervisord.
    let programs = ini::expand(&setting.value, &|name| environment.expansion(name));
    let programs = programs.unwrap_or_else(|_| setting.value.clone());
    programs.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisord::ini;

    fn defined(files: &[(&str, &str)]) -> ActualDaemon {
        let mut merged = Merged::of(|_| true);
        let parsed: Vec<(&Path, Ini)> = files
            .iter()
            .map(|(path, text)| (Path::new(*path), ini::parse(text).unwrap()))
            .collect();
        parsed.iter().for_each(|(path, ini)| merged.add(path, ini));
        let environment = Environment::given([("TAKEN", "three")]);
        let mut daemon = ActualDaemon::default();
        for (path, ini) in &parsed {
            let (defined, refers) = (&mut daemon.defined, &mut Outside::default());
            define(defined, refers, (path, ini), (&merged, &environment));
        }
        daemon
    }

    #[test]
    fn group_stop_time_is_its_longest() {
        let text = "[program:one]\nstopwaitsecs=60\n[program:two]\n[eventlistener:odd]\n\
                    stopwaitsecs=%(ENV_X)s\n[group:all]\nprograms=one, two\n[group:none]\n";
        let daemon = defined(&[("/c.conf", text)]);
        let cases = [
            ("one", Some(60)),
            ("two", Some(10)),
            ("all", Some(60)),
            ("odd", None),
            ("none", None),
        ];
        for (group, expected) in cases {
            assert_eq!(daemon.stop_seconds(group), expected, "{group}");
        }
    }

    /// A later file has the last word, and what it says is no longer the earlier one's.
    #[test]
    fn group_takes_in_programs_in_force() {
        let daemon = defined(&[
            ("/a.conf", "[group:all]\nprograms=one\n[group:rest]\n"),
            ("/b.conf", "[group:all]\nprograms=two,%(ENV_TAKEN)s\n[DEFAULT]\nprograms=four\n"),
        ]);
        let taking = |program: &str| {
            let groups = daemon.defined.taking_in(program);
            groups.map(|one| format!("{} {}", one.group, one.file.display())).collect::<Vec<_>>()
        };
        assert!(taking("one").is_empty());
        assert_eq!(taking("two"), ["all /b.conf"]);
        assert_eq!(taking("three"), ["all /b.conf"]);
        assert_eq!(taking("four"), ["rest /a.conf"]);
    }
}
