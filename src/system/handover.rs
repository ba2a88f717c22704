//! A file that is written for another user into a folder of theirs.
//!
//! Root must not trust the way there: whoever owns a folder on it can put a symbolic link in its
//! place, to have root write where only root may. So the folder is opened first, what was opened is
//! checked, and everything else goes through that handle.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::users::User;

/// The largest file that is compared instead of being replaced at once.
const LARGEST: u64 = 1024 * 1024;

/// Puts `bytes` at `path` for `owner`, with this mode, whole or not at all. Returns whether it
/// differed from what was there.
pub fn write_for(owner: &User, path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not the path of a file"));
    };
    let folder = open_folder(parent, owner)?;
    if is_as_wanted(&folder, name.as_ref(), owner, bytes, mode)? {
        return Ok(false);
    }
    let staged = format!(".{}.supervisor-sync~", name.to_string_lossy());
    let staged = Path::new(&staged);
    remove(&folder, staged)?;
    let written = write(&folder, staged, owner, bytes, mode)
        .and_then(|()| Ok(rustix::fs::renameat(&folder, staged, &folder, name)?));
    if written.is_err() {
        // The first error is the one to tell; a leftover is replaced by the next try.
        let _ = remove(&folder, staged);
    }
    written.map(|()| true)
}

fn open(folder: impl std::os::fd::AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, path, OFlags::RDONLY | OFlags::CLOEXEC | flags, Mode::empty())?)
}

/// Opens the folder so that nobody but root can have led us to it: it is the owner's, who could
/// write there anyway, or there is no symbolic link on the way to it and every folder on that way is
/// root's and nobody else's to change.
fn open_folder(path: &Path, owner: &User) -> io::Result<OwnedFd> {
    let folder = open(rustix::fs::CWD, path, OFlags::DIRECTORY)?;
    let opened = rustix::fs::fstat(&folder)?;
    if opened.st_uid == owner.uid || !super::users::is_root() {
        return Ok(folder);
    }
    let refused = || {
        let reason = format!("{} leads to a folder that is not {}'s", path.display(), owner.name);
        io::Error::new(io::ErrorKind::PermissionDenied, reason)
    };
    // Anew, a step at a time from the root: what was opened at once may have come through a link.
    let mut folder = open(rustix::fs::CWD, Path::new("/"), OFlags::DIRECTORY)?;
    for part in path.components() {
        let name = match part {
            Component::RootDir => continue,
            Component::Normal(name) => Path::new(name),
            Component::CurDir | Component::ParentDir | Component::Prefix(_) => {
                return Err(refused());
            }
        };
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
        folder = open(&folder, name, flags).map_err(|_| refused())?;
        let now = rustix::fs::fstat(&folder)?;
        // A sticky folder (/tmp) lets nobody replace what is root's in it.
        let others_may_write = now.st_mode & 0o022 != 0 && now.st_mode & 0o1000 == 0;
        if now.st_uid != 0 || others_may_write {
            return Err(refused());
        }
    }
    Ok(folder)
}

fn is_as_wanted(
    folder: &OwnedFd,
    name: &Path,
    owner: &User,
    bytes: &[u8],
    mode: u32,
) -> io::Result<bool> {
    // NONBLOCK: a pipe of that name must not hold us up.
    let file = match open(folder, name, OFlags::NOFOLLOW | OFlags::NONBLOCK) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        // A symbolic link: it is replaced, not followed.
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => return Ok(false),
        Err(error) => return Err(error),
    };
    let now = rustix::fs::fstat(&file)?;
    let kind = rustix::fs::FileType::from_raw_mode(now.st_mode);
    if kind == rustix::fs::FileType::Directory {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder"));
    }
    if kind != rustix::fs::FileType::RegularFile
        || now.st_mode & 0o7777 != mode
        || (now.st_uid, now.st_gid) != (owner.uid, owner.gid)
    {
        return Ok(false);
    }
    let mut content = Vec::new();
    File::from(file).take(LARGEST).read_to_end(&mut content)?;
    Ok(content == bytes)
}

fn write(folder: &OwnedFd, staged: &Path, owner: &User, bytes: &[u8], mode: u32) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut file =
        File::from(rustix::fs::openat(folder, staged, flags, Mode::from_raw_mode(0o600))?);
    file.write_all(bytes)?;
    let now = rustix::fs::fstat(&file)?;
    if (now.st_uid, now.st_gid) != (owner.uid, owner.gid) {
        std::os::unix::fs::fchown(&file, Some(owner.uid), Some(owner.gid))?;
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    file.sync_all()
}

fn remove(folder: &OwnedFd, name: &Path) -> io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "looks at what was written")]
mod tests {
    use super::*;
    use crate::system::users;

    fn me() -> User {
        users::find(&users::current()).unwrap().unwrap()
    }

    #[test]
    fn link_is_replaced_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runner.sh");
        std::os::unix::fs::symlink(folder.path().join("victim"), &path).unwrap();
        assert!(write_for(&me(), &path, b"text", 0o755).unwrap());
        assert!(!folder.path().join("victim").exists());
        assert!(!write_for(&me(), &path, b"text", 0o755).unwrap(), "nothing to do");
        assert!(write_for(&me(), &path, b"other", 0o755).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "other");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left");
    }

    #[test]
    fn root_writes_through_no_foreign_link() {
        if !users::is_root() {
            return;
        }
        let nobody = users::find("nobody").unwrap().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (victim, site) = (folder.path().join("profile.d"), folder.path().join("site"));
        std::fs::create_dir(&victim).unwrap();
        std::os::unix::fs::symlink(&victim, &site).unwrap();
        let error = write_for(&nobody, &site.join("runner.sh"), b"evil", 0o755).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0);
        // Straight there, root's own decision.
        assert!(write_for(&nobody, &victim.join("runner.sh"), b"fine", 0o755).unwrap());
    }
}
