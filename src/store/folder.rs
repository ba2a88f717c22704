//! A folder of this machine, or of whatever is mounted there.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::access::{NoAnswer, is_too_long};
use super::{Answer, LONGEST_OBJECT, ObjectName, Store, digest, is_of_one_host};
use crate::error::CommandError;
use crate::system::{Disk, Files, guarded};

/// Objects as files. Others may read them, if the umask of who puts them lets them: a web server serves such
/// a folder as it is.
#[derive(Debug)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    /// The store in this folder, which need not be there yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.root.join(name.as_str())
    }
}

impl Store for FolderStore {
    fn get(&self, name: &ObjectName, known: Option<&str>) -> Result<Answer, CommandError> {
        let path = self.path(name);
        let failed = |error: &io::Error| {
            let what = format!("cannot read {}", path.display());
            CommandError::refused(what).caused_by_io(error, &path)
        };
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) if is_absent(&error) => return Ok(Answer::Absent),
            Err(error) => return Err(failed(&error)),
        };
        // Not of inode and time: a file system gives the number of a file that was replaced to the next but
        // one, and its clock may stand still meanwhile.
        let tag = digest(&bytes);
        Ok(match known {
            Some(known) if known == tag => Answer::Unchanged,
            _ => Answer::Object { bytes, tag: Some(tag) },
        })
    }

    fn put(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), CommandError> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.root);
        if is_too_long(bytes) {
            let what = format!("cannot write {}", path.display());
            return Err(CommandError::refused(what).caused_by(&NoAnswer::TooLong));
        }
        if is_of_one_host(name) && !self.root.is_dir() {
            // What a host says of itself makes no store: it is not mounted, or nothing was published yet.
            let what = format!("cannot write {}", path.display());
            return Err(CommandError::refused(what).because("there is no such store"));
        }
        let is_new = !folder.is_dir();
        let made = Disk.create_folder(folder, 0o755).and_then(|()| replace(&path, folder, bytes));
        // Its own name is on the disk, too.
        let put = made.and_then(|()| if is_new { Disk.sync(&[folder]) } else { Ok(()) });
        put.map_err(|error| {
            let what = format!("cannot write {}", path.display());
            CommandError::refused(what).caused_by_io(&error, &path)
        })
    }

    fn list(&self, folder: &ObjectName) -> Result<Vec<ObjectName>, CommandError> {
        let path = self.path(folder);
        let names = match Disk.names(&path) {
            Ok(names) => names,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => {
                let what = format!("cannot list {}", path.display());
                return Err(CommandError::refused(what).caused_by_io(&error, &path));
            }
        };
        let files = names.iter().filter(|name| path.join(name).is_file());
        let mut names: Vec<_> = files.filter_map(|name| folder.child(name)).collect();
        names.sort_unstable();
        Ok(names)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    guarded::open(path)?.take(LONGEST_OBJECT + 1).read_to_end(&mut bytes)?;
    if is_too_long(&bytes) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, NoAnswer::TooLong));
    }
    Ok(bytes)
}

/// On the disk with its name, or not there. Each writer has a file of its own until then: of two that share
/// one, the first would give the name to what the second has half written.
fn replace(path: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let staged =
        folder.join(format!(".{name}.{:016x}~", RandomState::new().build_hasher().finish()));
    let written = write(&staged, bytes).and_then(|()| Disk.rename(&staged, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = Disk.remove(&staged);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o644).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
