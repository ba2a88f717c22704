//! A small file that a caller is given at a path of their choosing, such as a playbook's result.
//!
//! The path may lie where others can write, `/tmp` for one, and they can put a link or a pipe there.
//! So nothing is opened that is there already: the new bytes are written beside it and renamed over
//! it. Writing in place is the road not taken: it follows a link and waits for a pipe's reader.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{Access, AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::{guarded, users};

/// Names that somebody else has taken are passed over, this often.
const MOST_NAMES: u32 = 100;

/// Says early whether [`write()`] would be refused.
pub fn check(path: &Path) -> io::Result<()> {
    let (folder, name) = open(path)?;
    there(&folder, &name)?;
    Ok(rustix::fs::accessat(&folder, ".", Access::WRITE_OK, AtFlags::empty())?)
}

/// Puts `bytes` at `path`: a new file, or in place of a regular one of ours, whose owner and mode it
/// keeps. Root is also given a file by whoever called it with sudo.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (folder, name) = open(path)?;
    let former = there(&folder, &name)?;
    let (staged, file) = stage(&folder, former.as_ref())?;
    let written = fill(file, bytes, former.as_ref())
        .and_then(|()| Ok(rustix::fs::renameat(&folder, &staged, &folder, &name)?));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = rustix::fs::unlinkat(&folder, &staged, AtFlags::empty());
    }
    written
}

fn open(path: &Path) -> io::Result<(OwnedFd, OsString)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not the path of a file"));
    };
    // `x/` and `x/.` name a folder, though their parts end with `x`.
    if !path.as_os_str().as_bytes().ends_with(name.as_bytes()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "names a folder, not a file"));
    }
    Ok((guarded::open_folder(parent)?, name.to_owned()))
}

/// What is there, if it is a file that may be replaced.
fn there(folder: &OwnedFd, name: &OsStr) -> io::Result<Option<Stat>> {
    let now = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(now) => now,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let refused = |reason: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    match FileType::from_raw_mode(now.st_mode) {
        FileType::RegularFile if is_the_callers(now.st_uid) => Ok(Some(now)),
        FileType::RegularFile => refused(format!("belongs to {}", users::name_of(now.st_uid))),
        FileType::Symlink => refused("is a symbolic link".to_owned()),
        _ => refused("is not a regular file".to_owned()),
    }
}

/// Ours; for root also that of whoever called sudo, since root can give the new one back.
fn is_the_callers(uid: u32) -> bool {
    uid == users::current_uid() || users::is_root() && Some(uid) == users::invoker_uid()
}

/// A new file in the folder, with a name that nobody has.
fn stage(folder: &OwnedFd, former: Option<&Stat>) -> io::Result<(String, File)> {
    // As any new file, or closed until it is the former's.
    let mode = Mode::from_raw_mode(if former.is_some() { 0o600 } else { 0o666 });
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut number = 0;
    loop {
        // Without the file's own name, which may be as long as a name can be.
        let staged = format!(".supervisor-sync-{}-{number}~", std::process::id());
        match rustix::fs::openat(folder, &staged, flags, mode) {
            Ok(file) => return Ok((staged, File::from(file))),
            Err(Errno::EXIST) if number < MOST_NAMES => number += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

fn fill(mut file: File, bytes: &[u8], former: Option<&Stat>) -> io::Result<()> {
    file.write_all(bytes)?;
    let Some(former) = former else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(former.st_uid), Gid::from_raw(former.st_gid));
    match rustix::fs::fchown(file.as_fd(), Some(uid), Some(gid)) {
        // A group that we are not in cannot be kept; the owner is ourselves then.
        Err(Errno::PERM) if !users::is_root() => {}
        chowned => chowned?,
    }
    // After the owner: chown clears bits of the mode.
    Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(former.st_mode))?)
}
