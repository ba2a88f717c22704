//! Whether anything on the way to some files has changed: looked at twice, told by comparing.
//!
//! The content of a file proves nothing about the time between two looks: it may have been changed,
//! read by somebody, and changed back. What nobody can set back is the kernel's own note of the last
//! change of an inode, `ctime`: any write, `chmod`, rename or link moves it on, `touch -r` does too.
//! So a [`Trail`] takes the `ctime` of every file, and of every folder and link that leads to one:
//! a folder that was moved away and back has a new one, a link that was swapped is another inode.
//!
//! Folders with the sticky bit (`/tmp`) are left out: others make files there all the time, and
//! cannot touch an entry that is not theirs, whose own `ctime` would tell.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};

use super::bytes::hex;

const STICKY: u32 = 0o1000;
/// As many as the kernel follows.
const MOST_LINKS: u32 = 40;
/// The resolution of file systems that know no nanoseconds, at worst (FAT).
const COARSEST: i64 = 2;

/// What was seen on the way to some files.
#[derive(Debug, Clone)]
pub struct Trail {
    seen: Sha256,
    /// Folders that were followed, and where they really are; `None` if they are not there.
    folders: HashMap<PathBuf, Option<PathBuf>>,
    /// By the clock that file systems take their times from, before the first look.
    began: (i64, i64),
    settled: bool,
}

impl Trail {
    /// Nothing was looked at yet.
    pub fn begin() -> Self {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        Self {
            seen: Sha256::new(),
            folders: HashMap::new(),
            began: (now.tv_sec, now.tv_nsec),
            settled: true,
        }
    }

    /// Whether all that was seen is older than the first look by the clock of file systems, which
    /// goes in ticks of milliseconds. Else a change in the very tick of a look would not show.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Follows the way to a path, which need not be there.
    pub fn follow(&mut self, path: &Path) -> io::Result<()> {
        self.resolve(path, MOST_LINKS).map(|_| ())
    }

    /// What was seen, and these texts, in a few characters.
    pub fn digest<'b>(&self, more: impl IntoIterator<Item = &'b [u8]>) -> String {
        finished(self.seen.clone(), more)
    }

    /// Where a path really is; `None` if it is not there.
    fn resolve(&mut self, path: &Path, links: u32) -> io::Result<Option<PathBuf>> {
        let Some(folder) = path.parent() else { return Ok(Some(PathBuf::from("/"))) };
        let folder = match self.folders.get(folder) {
            Some(known) => known.clone(),
            None => {
                let found = self.resolve(folder, links)?;
                self.folders.insert(folder.to_owned(), found.clone());
                found
            }
        };
        let Some(folder) = folder else { return Ok(None) };
        let name = match path.components().next_back() {
            Some(Component::Normal(name)) => name.to_owned(),
            Some(Component::ParentDir) => return Ok(folder.parent().map(Path::to_owned)),
            _ => return Ok(Some(folder)),
        };
        self.look(folder, name, links)
    }

    fn look(&mut self, folder: PathBuf, name: OsString, links: u32) -> io::Result<Option<PathBuf>> {
        let path = folder.join(name);
        add(&mut self.seen, path.as_os_str().as_bytes());
        let now = match std::fs::symlink_metadata(&path) {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if now.is_dir() && now.mode() & STICKY != 0 {
            return Ok(Some(path));
        }
        let (second, nanosecond) = (now.ctime(), now.ctime_nsec());
        let signed = [now.size().cast_signed(), now.mtime(), now.mtime_nsec(), second, nanosecond];
        let stamp = [now.dev(), now.ino(), u64::from(now.mode())];
        let stamp = stamp.into_iter().chain(signed.map(i64::cast_unsigned));
        stamp.for_each(|number| self.seen.update(number.to_le_bytes()));
        self.settled &= match nanosecond {
            0 => second.saturating_add(COARSEST) < self.began.0,
            _ => (second, nanosecond) < self.began,
        };
        if !now.is_symlink() {
            return Ok(Some(path));
        }
        let links = links.checked_sub(1).ok_or(io::ErrorKind::InvalidInput)?;
        let target = folder.join(std::fs::read_link(&path)?);
        self.resolve(&target, links)
    }
}

/// These texts in a few characters.
pub fn digest<'b>(texts: impl IntoIterator<Item = &'b [u8]>) -> String {
    finished(Sha256::new(), texts)
}

fn finished<'b>(mut digest: Sha256, more: impl IntoIterator<Item = &'b [u8]>) -> String {
    more.into_iter().for_each(|text| add(&mut digest, text));
    hex(&digest.finalize())
}

/// With its length, so that two texts never look like one.
fn add(digest: &mut Sha256, bytes: &[u8]) {
    digest.update(bytes.len().to_le_bytes());
    digest.update(bytes);
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "changes the files that are looked at")]
mod tests {
    use super::*;
    use std::fs::{create_dir, hard_link, rename, write};
    use std::os::unix::fs::symlink;

    /// A folder with `in/file`, linked to as `link/file` and `file`, and what two looks at `path` make
    /// of a change in between.
    fn shows(path: &str, change: impl FnOnce(&Path)) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        create_dir(at("in")).unwrap();
        write(at("in/file"), "text").unwrap();
        symlink("in", at("link")).unwrap();
        symlink("link/file", at("file")).unwrap();
        let look = || {
            let mut trail = Trail::begin();
            trail.follow(&at(path)).unwrap();
            (trail.is_settled(), trail.digest([]))
        };
        let mut first = look();
        while !first.0 {
            first = look();
        }
        assert_eq!(look(), first);
        change(folder.path());
        look().1 != first.1
    }

    /// A change shows, whatever is done to hide it.
    #[test]
    fn hidden_change_shows() {
        let reference = |root: &Path| {
            let modified = root.join("in/file").metadata().unwrap().modified().unwrap();
            write(root.join("in/file"), "TEXT").unwrap();
            let file = std::fs::File::options().write(true).open(root.join("in/file")).unwrap();
            file.set_modified(modified).unwrap();
        };
        assert!(shows("in/file", reference), "same size and mtime");
        let through = |root: &Path| {
            hard_link(root.join("in/file"), root.join("other")).unwrap();
            write(root.join("other"), "TEXT").unwrap();
        };
        assert!(shows("in/file", through), "through another name");
        let replaced = |root: &Path| {
            write(root.join("in/new"), "TEXT").unwrap();
            rename(root.join("in/new"), root.join("in/file")).unwrap();
        };
        assert!(shows("in/file", replaced), "another inode");
        let back = |root: &Path| {
            write(root.join("in/file"), "TEXT").unwrap();
            write(root.join("in/file"), "text").unwrap();
        };
        assert!(shows("in/file", back), "changed back");
    }

    /// A folder or link on the way that was swapped and put back shows.
    #[test]
    fn swapped_folder_shows() {
        let moved = |root: &Path| {
            rename(root.join("in"), root.join("away")).unwrap();
            rename(root.join("away"), root.join("in")).unwrap();
        };
        for path in ["in/file", "link/file", "file", "in/none"] {
            assert!(shows(path, moved), "{path}: folder");
        }
        let swapped = |root: &Path| {
            symlink("in", root.join("new")).unwrap();
            rename(root.join("new"), root.join("link")).unwrap();
        };
        for path in ["link/file", "file", "link/../in/file"] {
            assert!(shows(path, swapped), "{path}: link");
        }
        assert!(!shows("file", |_| ()));
    }

    #[test]
    fn what_comes_where_nothing_was_shows() {
        assert!(shows("in/none", |root| write(root.join("in/none"), "").unwrap()));
        assert!(shows("none/deep", |root| create_dir(root.join("none")).unwrap()));
    }

    /// A file that changed in the tick of the look has not settled: it may change in it again.
    #[test]
    fn fresh_change_has_not_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let seen = (0..1000).any(|_| {
            write(&path, "text").unwrap();
            let mut trail = Trail::begin();
            trail.follow(&path).unwrap();
            !trail.is_settled()
        });
        assert!(seen);
    }

    #[test]
    fn link_circle_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        symlink("circle", folder.path().join("circle")).unwrap();
        assert!(Trail::begin().follow(&folder.path().join("circle")).is_err());
    }
}
