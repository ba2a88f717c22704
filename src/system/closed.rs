//! Folders that nobody but root and ourselves can change, the way to them included.
//!
//! Whoever may write to one folder of a way can put another folder, or a link, in place of the next.
//! So every step is looked at: folders and links must be root's or our own, and no other user may
//! write to a folder. In a sticky one (`/tmp`) others may, since they cannot touch an entry that is
//! not theirs. When a way has been found good, it stays so, and what lies at its end can be used by
//! its path.
//!
//! Refusing every link is the road not taken: `/var` is one on some machines. A link of root's or
//! our own, in a folder that passes, is as safe as a folder; where it leads is looked at in the same
//! way.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::guarded::{PASS, Way, walk};
use super::users;

/// The bits that let other users than the owner write.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Opens the folder at the end of a good way.
pub fn open(path: &Path) -> io::Result<OwnedFd> {
    walk(CWD, path, PASS, &mut Way::inspected(inspect))
}

/// The same, and makes what is missing of it: the last folder with this mode, those above it for
/// everybody to pass through.
pub fn make(path: &Path, mode: u32) -> io::Result<OwnedFd> {
    match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not the path of a folder"));
    };
    let parent = make(parent, 0o755)?;
    let mode = Mode::from_raw_mode(mode);
    let is_new = match rustix::fs::mkdirat(&parent, name, mode) {
        Ok(()) => true,
        // Somebody else was faster: theirs is refused below.
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(&parent, name, flags, Mode::empty())?;
    let now = rustix::fs::fstat(&folder)?;
    inspect(&folder, &now)?;
    if is_new && Mode::from_raw_mode(now.st_mode) != mode {
        // The umask has had its say. Never done to a folder that was there.
        rustix::fs::fchmod(&folder, mode)?;
    }
    Ok(folder)
}

/// Refuses what is at the end of a good way unless it is a folder of root's or our own that others
/// may not write to, sticky or not. Nothing there is fine.
pub fn check_entry(path: &Path) -> io::Result<()> {
    let now = match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(now) => now,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let reason = match FileType::from_raw_mode(now.st_mode) {
        FileType::Directory => who_else(&now),
        FileType::Symlink => Some("is a symbolic link".to_owned()),
        _ => Some("is not a folder".to_owned()),
    };
    reason.map_or(Ok(()), |reason| Err(refused(path, &reason)))
}

/// Why a file, by its owner and mode, could have been written by somebody else than root and
/// ourselves.
pub fn written_by_others(uid: u32, mode: u32) -> Option<String> {
    if !users::is_trusted(uid) {
        return Some(format!("belongs to {}, who could change what is in it", users::name_of(uid)));
    }
    let writable = mode & OTHERS_WRITE != 0;
    writable.then(|| format!("may be written by other users (mode {:04o})", mode & 0o7777))
}

/// Whether the system itself failed, rather than something on the way being refused.
pub fn is_of_the_system(error: &io::Error) -> bool {
    error.get_ref().is_none()
}

fn inspect(there: &OwnedFd, now: &Stat) -> io::Result<()> {
    let reason = match FileType::from_raw_mode(now.st_mode) {
        // Everybody may write "to" a link, and nobody can: only its owner counts.
        FileType::Symlink => written_by_others(now.st_uid, 0)
            .map(|_| format!("is a symbolic link of {}", users::name_of(now.st_uid))),
        FileType::Directory if now.st_mode & STICKY != 0 => written_by_others(now.st_uid, 0),
        _ => who_else(now),
    };
    reason.map_or(Ok(()), |reason| Err(refused(&path_of(there), &reason)))
}

/// As [`written_by_others`], but a user's own group does not count as others, except for root: what
/// root runs is worth more than a convenience.
fn who_else(now: &Stat) -> Option<String> {
    let own_group = now.st_mode & OTHERS_WRITE == 0o020
        && !users::is_root()
        && users::is_private_group(now.st_gid, users::current_uid());
    let mode = if own_group { now.st_mode & !0o020 } else { now.st_mode };
    written_by_others(now.st_uid, mode)
}

fn refused(path: &Path, reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {reason}", path.display()))
}

/// Where an open file is, links resolved.
fn path_of(there: &OwnedFd) -> PathBuf {
    let link = format!("/proc/self/fd/{}", there.as_raw_fd());
    std::fs::read_link(link).unwrap_or_else(|_| PathBuf::from("a folder on the way"))
}
