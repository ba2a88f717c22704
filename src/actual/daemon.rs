//! Reads supervisord and the files it includes.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::basis::{self, Outside};
use super::{ActualDaemon, DefinedProgram, Definitions, STOPWAITSECS};
use crate::error::{CommandError, ErrorKind};
use crate::records::NotedReread;
use crate::supervisord::{
    Answer, Call, CallError, Fault, FaultCode, ProcessInfo, Reload, Supervisord, ini,
};
use crate::system::files::{Entry, Files};
use crate::system::users;

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
    /// The patterns by which it does.
    pub patterns: Vec<String>,
    /// Those that need not be read again.
    pub read: BTreeMap<PathBuf, Entry>,
}

/// Reads supervisord and the files it includes: version, processes, and if need be a reread before
/// anything is changed, in one round trip. `tell` is told before a reread how many files it is of.
pub fn read(
    files: &dyn Files,
    supervisord: &mut dyn Supervisord,
    config: ConfigFiles<'_>,
    reread: Reread<'_>,
    tell: &mut dyn FnMut(usize),
) -> Result<ActualDaemon, CommandError> {
    let ConfigFiles { main, included, patterns, mut read } = config;
    let mut daemon = ActualDaemon { include_patterns: patterns, ..ActualDaemon::default() };
    let mut refers = Outside::default();
    for path in std::iter::once(main).chain(included.iter().map(PathBuf::as_path)) {
        let entry = read.remove(path).or_else(|| files.read(path).ok());
        let bytes = entry.as_ref().and_then(Entry::bytes);
        define(&mut daemon.defined, &mut refers, path, bytes.unwrap_or_default());
        daemon.contents.insert(path.to_owned(), entry);
    }
    daemon.included = included;
    supervisord.expect_files(daemon.contents.len(), daemon.defined.iter().count());
    let Reread::IfChanged { earlier, noted } = reread else {
        let is_asked = matches!(reread, Reread::Always);
        if is_asked {
            tell(daemon.contents.len());
        }
        ask(&mut daemon, supervisord, is_asked)?;
        if !is_asked {
            daemon.reread = Ok(by_name(&daemon));
        }
        return Ok(daemon);
    };
    let outside = basis::outside(main, &daemon, &refers);
    daemon.outside.clone_from(&outside);
    let noted = noted.filter(|noted| outside.as_ref() == Some(&noted.outside));
    if earlier.is_some() || noted.is_some() {
        ask(&mut daemon, supervisord, false)?;
        let earlier = earlier.filter(|earlier| daemon.is_as_at(earlier));
        let earlier = earlier.map(|earlier| earlier.reread.clone());
        let noted = || noted.and_then(|noted| basis::holding(noted, &daemon)).map(Ok);
        if let Some(reread) = earlier.or_else(noted) {
            daemon.reread = reread;
            return Ok(daemon);
        }
    }
    tell(daemon.contents.len());
    ask(&mut daemon, supervisord, true)?;
    if let (Some(outside), Ok(reload)) = (outside, &daemon.reread) {
        daemon.to_note = basis::note(outside, reload, &daemon);
    }
    Ok(daemon)
}

/// What can be told of a reread without one: whether a group that is loaded differs from its file is
/// for supervisord to say.
fn by_name(daemon: &ActualDaemon) -> Reload {
    let members: BTreeSet<&String> = daemon.defined.iter().flat_map(|d| &d.programs).collect();
    let groups = daemon.defined.iter().map(|defined| &defined.group);
    let defined: BTreeSet<&String> = groups.filter(|group| !members.contains(group)).collect();
    let names = |groups: &mut dyn Iterator<Item = &String>| groups.cloned().collect();
    Reload {
        added: names(&mut defined.iter().copied().filter(|g| !daemon.groups.contains_key(*g))),
        changed: Vec::new(),
        removed: names(&mut daemon.groups.keys().filter(|group| !defined.contains(group))),
    }
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
                    uid_of(pid).is_none_or(|uid| uid == 0 || uid == users::current_uid());
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

fn uid_of(pid: i64) -> Option<u32> {
    std::fs::metadata(format!("/proc/{pid}")).ok().map(|metadata| metadata.uid())
}

/// What a file of supervisord's defines; one that cannot be read or parsed defines nothing here, and the
/// reread says what is wrong with it.
fn define(defined: &mut Definitions, refers: &mut Outside, path: &Path, bytes: &[u8]) {
    let Ok(parsed) = ini::parse(&String::from_utf8_lossy(bytes)) else { return refers.doubt() };
    for section in &parsed.sections {
        refers.add(section);
        let Some((kind, name)) = section.name.split_once(':') else { continue };
        if matches!(kind, "program" | "group" | "eventlistener" | "fcgi-program") {
            let programs = section.get("programs").filter(|_| kind == "group").unwrap_or_default();
            let stop_seconds = match (kind, section.get("stopwaitsecs")) {
                ("group", _) => None,
                (_, Some(text)) => text.trim().parse().ok(),
                (_, None) => Some(STOPWAITSECS),
            };
            let logs = ["stdout_logfile", "stderr_logfile"].iter();
            defined.push(DefinedProgram {
                group: name.trim().to_owned(),
                file: path.to_owned(),
                logs: logs.filter_map(|key| section.get(key).map(str::to_owned)).collect(),
                stop_seconds,
                programs: programs
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .filter(|name| !name.is_empty())
                    .collect(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_as_long_to_stop_as_the_longest_of_its_programs() {
        let text = "[program:one]\nstopwaitsecs=60\n[program:two]\n[eventlistener:odd]\n\
                    stopwaitsecs=%(ENV_X)s\n[group:all]\nprograms=one, two\n[group:none]\n";
        let mut daemon = ActualDaemon::default();
        define(&mut daemon.defined, &mut Outside::default(), Path::new("/c.conf"), text.as_bytes());
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
}
