//! Reading and making things below folders that somebody else may own.
//!
//! A log folder may be a site's user's, and whoever owns a folder can put a symbolic link into it, to
//! have root read or change what only root may. So root goes a step at a time, and follows a link
//! only if it is root's own, or leads to what belongs to whom the link belongs to. Never following
//! one is the road not taken: `/var/log` is a link on some machines, and people move their logs.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::users;

/// As many links as the kernel follows on one way.
const MOST_LINKS: u8 = 40;
/// A folder that is only passed through.
pub(super) const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// What has to be minded on a way.
pub(super) struct Way {
    /// How many links may still be met.
    links: u8,
    /// Refuses a folder, link or file that must not be on it.
    inspect: fn(&OwnedFd, &Stat) -> io::Result<()>,
}

impl Way {
    /// A way that minds where links lead, and no more.
    fn new() -> Self {
        Self::inspected(|_, _| Ok(()))
    }

    /// A way on which everything is looked at before it is entered or followed.
    pub(super) fn inspected(inspect: fn(&OwnedFd, &Stat) -> io::Result<()>) -> Self {
        Self { links: MOST_LINKS, inspect }
    }
}

/// Opens a regular file for reading. Anything else is refused before it is opened: reading a pipe
/// might never end, and opening a device can do things.
pub fn open(path: &Path) -> io::Result<File> {
    // NONBLOCK: what was a file a moment ago may be a pipe by now.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    Ok(File::from(walk(rustix::fs::CWD, path, flags, &mut Way::new())?))
}

/// Opens a folder, for calls relative to it.
pub fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    // A name without a folder is one of the folder we are in.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    walk(rustix::fs::CWD, path, PASS, &mut Way::new())
}

/// Removes a regular file. Anything else is refused, a link too.
pub fn remove(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not the path of a file"));
    };
    let folder = open_folder(parent)?;
    let there = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(there.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    Ok(rustix::fs::unlinkat(&folder, name, AtFlags::empty())?)
}

/// Makes a folder and its parents. The mode is not at the umask's mercy.
pub fn create_folder(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not the path of a folder"));
    };
    create_folder(parent, 0o755)?;
    let parent = walk(rustix::fs::CWD, parent, PASS, &mut Way::new())?;
    let mode = Mode::from_raw_mode(mode);
    match rustix::fs::mkdirat(&parent, name, mode) {
        Ok(()) => {}
        Err(Errno::EXIST) if path.is_dir() => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(&parent, name, flags, Mode::empty())?;
    if Mode::from_raw_mode(rustix::fs::fstat(&made)?.st_mode) != mode {
        rustix::fs::fchmod(&made, mode)?;
    }
    Ok(())
}

/// Opens what is at `path`, seen from a folder.
pub(super) fn walk(
    from: BorrowedFd<'_>,
    path: &Path,
    end: OFlags,
    way: &mut Way,
) -> io::Result<OwnedFd> {
    let mut here: Option<OwnedFd> = None;
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let flags = if parts.peek().is_some() { PASS } else { end };
        let folder = here.as_ref().map_or(from, AsFd::as_fd);
        here = Some(step(folder, part.as_os_str(), flags, way)?);
    }
    here.ok_or_else(|| Errno::NOENT.into())
}

fn step(folder: BorrowedFd<'_>, name: &OsStr, flags: OFlags, way: &mut Way) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let there = rustix::fs::openat(folder, name, look, Mode::empty())?;
    let now = rustix::fs::fstat(&there)?;
    (way.inspect)(&there, &now)?;
    match FileType::from_raw_mode(now.st_mode) {
        FileType::Symlink => {}
        kind if kind != FileType::RegularFile && !flags.contains(OFlags::DIRECTORY) => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
        }
        _ => return Ok(rustix::fs::openat(folder, name, flags, Mode::empty())?),
    }
    way.links = way.links.checked_sub(1).ok_or(Errno::LOOP)?;
    let target = rustix::fs::readlinkat(&there, "", Vec::new())?;
    let end = walk(folder, Path::new(OsStr::from_bytes(target.as_bytes())), flags, way)?;
    let owner = rustix::fs::fstat(&end)?.st_uid;
    if users::is_root() && now.st_uid != 0 && now.st_uid != owner {
        let (from, to) = (users::name_of(now.st_uid), users::name_of(owner));
        let reason = format!("a symbolic link of user {from} leads to what is {to}'s");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    Ok(end)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests on real files")]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use super::*;

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let place = Self { folder: tempfile::tempdir().unwrap() };
            std::fs::create_dir(place.at("theirs")).unwrap();
            std::fs::create_dir(place.at("roots")).unwrap();
            std::fs::write(place.at("roots/secret"), "secret").unwrap();
            std::fs::write(place.at("theirs/own"), "own").unwrap();
            place
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// What is read at `name`, or why it is not.
        fn read(&self, name: &str) -> Result<String, String> {
            let mut text = String::new();
            let mut file = open(&self.at(name)).map_err(|error| error.to_string())?;
            file.read_to_string(&mut text).unwrap();
            Ok(text)
        }
    }

    fn give_away(path: &Path) {
        let nobody = users::find("nobody").unwrap().unwrap();
        std::os::unix::fs::lchown(path, Some(nobody.uid), Some(nobody.gid)).unwrap();
    }

    #[test]
    fn own_links_are_followed() {
        let place = Place::new();
        symlink("roots", place.at("log")).unwrap();
        symlink("../theirs/../log/secret", place.at("theirs/over")).unwrap();
        symlink(place.at("theirs/over"), place.at("again")).unwrap();
        symlink("round", place.at("round")).unwrap();
        for name in ["log/secret", "theirs/over", "again"] {
            assert_eq!(place.read(name).as_deref(), Ok("secret"), "{name}");
        }
        assert!(place.read("round").unwrap_err().contains("symbolic links"));
        assert_eq!(open(&place.at("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(place.read("theirs").unwrap_err(), "is not a regular file");
        symlink("/dev/null", place.at("device")).unwrap();
        assert_eq!(place.read("device").unwrap_err(), "is not a regular file");
    }

    /// Only a file is removed, and root removes none through a link of somebody else.
    #[test]
    fn only_files_are_removed() {
        let place = Place::new();
        symlink("own", place.at("theirs/link")).unwrap();
        assert_eq!(
            remove(&place.at("theirs/link")).unwrap_err().to_string(),
            "is not a regular file"
        );
        assert_eq!(remove(&place.at("roots")).unwrap_err().to_string(), "is not a regular file");
        if users::is_root() {
            symlink("../roots", place.at("theirs/folder")).unwrap();
            give_away(&place.at("theirs"));
            give_away(&place.at("theirs/folder"));
            let refused = remove(&place.at("theirs/folder/secret")).unwrap_err().to_string();
            assert!(refused.contains("a symbolic link of user nobody"), "{refused}");
        }
        assert_eq!(place.read("roots/secret").as_deref(), Ok("secret"));
        assert_eq!(place.read("theirs/own").as_deref(), Ok("own"));
        remove(&place.at("theirs/own")).unwrap();
        assert!(!place.at("theirs/own").exists());
    }

    #[test]
    fn foreign_link_leads_root_nowhere() {
        if !users::is_root() {
            return;
        }
        let place = Place::new();
        symlink("../roots/secret", place.at("theirs/log")).unwrap();
        symlink("../roots", place.at("theirs/folder")).unwrap();
        symlink("own", place.at("theirs/link")).unwrap();
        for name in ["theirs", "theirs/own", "theirs/log", "theirs/folder", "theirs/link"] {
            give_away(&place.at(name));
        }
        assert_eq!(place.read("theirs/link").as_deref(), Ok("own"), "theirs to read");
        for name in ["theirs/log", "theirs/folder/secret"] {
            let reason = "a symbolic link of user nobody leads to what is root's";
            assert_eq!(place.read(name).unwrap_err(), reason, "{name}");
        }
        let error = create_folder(&place.at("theirs/folder/made/here"), 0o755).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(!place.at("roots/made").exists());
    }

    /// A folder has its mode, and its parents have theirs.
    #[test]
    fn parents_keep_their_usual_mode() {
        let place = Place::new();
        create_folder(&place.at("a/b"), 0o700).unwrap();
        create_folder(&place.at("a/b"), 0o777).unwrap();
        let mode = |name| place.at(name).metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("a"), mode("a/b")), (0o755, 0o700));
    }
}
