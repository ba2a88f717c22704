//! Reads supervisord and the files it includes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{ActualDaemon, DefinedProgram, Definitions, STOPWAITSECS};
use crate::error::{CommandError, ErrorKind};
use crate::supervisord::{Answer, Call, CallError, Fault, FaultCode, Supervisord, ini};
use crate::system::files::{Entry, Files};
use crate::system::users;

/// Reads supervisord and the files it includes: version, processes, and a reread before anything is
/// changed, in one round trip. With an `earlier` reading that still holds, its reread is taken.
pub fn read(
    files: &dyn Files,
    supervisord: &mut dyn Supervisord,
    main_file: &Path,
    included: Vec<PathBuf>,
    include_patterns: Vec<String>,
    earlier: Option<&ActualDaemon>,
) -> Result<ActualDaemon, CommandError> {
    let mut daemon = ActualDaemon { include_patterns, ..ActualDaemon::default() };
    for path in std::iter::once(main_file).chain(included.iter().map(PathBuf::as_path)) {
        let entry = files.read(path).ok();
        let bytes = entry.as_ref().and_then(Entry::bytes);
        define(&mut daemon.defined, path, bytes.unwrap_or_default());
        daemon.contents.insert(path.to_owned(), entry);
    }
    daemon.included = included;
    if let Some(earlier) = earlier {
        ask(&mut daemon, supervisord, false)?;
        if daemon.is_as_at(earlier) {
            daemon.reread.clone_from(&earlier.reread);
            return Ok(daemon);
        }
    }
    ask(&mut daemon, supervisord, true)?;
    Ok(daemon)
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
                daemon.groups.clear();
                for process in processes {
                    daemon.groups.entry(process.group.clone()).or_default().push(process);
                }
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
fn define(defined: &mut Definitions, path: &Path, bytes: &[u8]) {
    let Ok(parsed) = ini::parse(&String::from_utf8_lossy(bytes)) else { return };
    for section in &parsed.sections {
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
                programs: programs.split(',').map(|name| name.trim().to_owned()).collect(),
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
        define(&mut daemon.defined, Path::new("/c.conf"), text.as_bytes());
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
