//! What `/proc` tells of a process, the signals it is sent, and where a symbolic link leads.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The folder a process works in, links resolved; `None` where the process is gone or somebody
/// else's. The kernel adds ` (deleted)` to a folder that is not there any more.
pub fn working_folder(pid: i64) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// The user whose process it is, by id; `None` where it is gone.
pub fn owner(pid: i64) -> Option<u32> {
    std::fs::metadata(format!("/proc/{pid}")).ok().map(|metadata| metadata.uid())
}

/// When a process was started, in ticks since the machine was: with its pid, that is one process for
/// as long as the machine runs. `None` where it is gone.
#[expect(clippy::disallowed_methods, reason = "an edge: /proc is no file of anybody's")]
pub fn started(pid: i64) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name, in brackets, may be anything.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// Whether the process of this id and this start goes on; not if that start is not known. One that has
/// ended may stay in `/proc` for as long as its parent does not ask.
pub fn goes_on(pid: u32, start: Option<u64>) -> bool {
    let pid = i64::from(pid);
    let Some(status) = status(pid).filter(|_| start.is_some() && started(pid) == start) else {
        return false;
    };
    field(&status, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// The real path behind a symbolic link; `None` if it is none, or dangles.
pub fn behind_link(path: &Path) -> Option<PathBuf> {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    if is_link { std::fs::canonicalize(path).ok() } else { None }
}

/// Whether a child of `parent` is still what was forked: it has not executed its own program yet.
pub fn has_not_executed(pid: i64, parent: i64) -> bool {
    let own = command_line(pid);
    is_child(pid, parent) && !own.is_empty() && own == command_line(parent)
}

/// The words of its command, each with a NUL behind it; nothing if it is gone.
#[expect(clippy::disallowed_methods, reason = "an edge: /proc is no file of anybody's")]
fn command_line(pid: i64) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// Whether a child of `parent` would have ended, had it been sent this signal (`TERM`): it neither
/// handles, ignores nor blocks it, and is not held up.
pub fn cannot_have_received(pid: i64, parent: i64, signal: &str) -> bool {
    let (Some(signal), Some(status)) = (by_name(signal), status(pid)) else { return false };
    let bit = 1u64 << (signal.as_raw() - 1);
    let is_held_up = field(&status, "State").is_none_or(|state| !state.starts_with(['R', 'S']));
    for set in ["SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"] {
        let signals = field(&status, set).and_then(|set| u64::from_str_radix(set, 16).ok());
        if signals.is_none_or(|signals| signals & bit != 0) {
            return false;
        }
    }
    is_child(pid, parent) && !is_held_up
}

/// Sends a signal to a process, or to all of the group it leads. That it has ended meanwhile, or is
/// somebody else's, is fine.
pub fn send(pid: i64, signal: &str, to_group: bool) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let (Some(pid), Some(signal)) = (pid, by_name(signal)) else { return };
    let _ = if to_group { kill_process_group(pid, signal) } else { kill_process(pid, signal) };
}

/// Of those that end a process which does not expect them: of any other (`WINCH`, `STOP`) nobody can tell what
/// has become of it.
fn by_name(signal: &str) -> Option<Signal> {
    Some(match signal {
        "TERM" => Signal::TERM,
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "QUIT" => Signal::QUIT,
        "KILL" => Signal::KILL,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        "ABRT" => Signal::ABORT,
        "ALRM" => Signal::ALARM,
        "BUS" => Signal::BUS,
        "FPE" => Signal::FPE,
        "ILL" => Signal::ILL,
        "IO" => Signal::IO,
        "PIPE" => Signal::PIPE,
        "PROF" => Signal::PROF,
        "PWR" => Signal::POWER,
        "SEGV" => Signal::SEGV,
        "SYS" => Signal::SYS,
        "TRAP" => Signal::TRAP,
        "VTALRM" => Signal::VTALARM,
        "XCPU" => Signal::XCPU,
        "XFSZ" => Signal::XFSZ,
        _ => return None,
    })
}

/// Whether a process is still a child of `parent`: nobody else's is sent a signal.
pub fn is_child(pid: i64, parent: i64) -> bool {
    let status = status(pid);
    status.and_then(|status| field(&status, "PPid")?.parse().ok()) == Some(parent)
}

#[expect(clippy::disallowed_methods, reason = "an edge: /proc is no file of anybody's")]
fn status(pid: i64) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    let mut lines = status.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_working_folder_is_told() {
        let own = working_folder(i64::from(std::process::id())).unwrap();
        assert_eq!(own, std::env::current_dir().unwrap());
        assert_eq!(working_folder(i64::MAX), None);
    }

    #[test]
    fn link_must_lead_somewhere() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::os::unix::fs::symlink("..", real.join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", real.join("dangling")).unwrap();
        assert_eq!(behind_link(&real.join("link")).as_deref(), real.parent());
        for no_link in ["dangling", "none", "."] {
            assert_eq!(behind_link(&real.join(no_link)), None, "{no_link}");
        }
    }
}
