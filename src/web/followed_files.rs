//! What stands in files that somebody may change while it is in use: read again when it has changed. While it has
//! an error what was read before holds, and the error is told once.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::CommandError;

/// What was read from some files.
pub(super) struct FollowedFiles<const FILES: usize, T> {
    paths: [PathBuf; FILES],
    reads: Reads<FILES, T>,
    known: Mutex<Known<FILES, T>>,
}

/// How something is read from files.
pub(super) struct Reads<const FILES: usize, T> {
    pub(super) read: fn(&[PathBuf; FILES]) -> Result<T, CommandError>,
    /// Whether both are the same, though the files are not.
    pub(super) is_same: fn(&T, &T) -> bool,
    /// What is said where the files have changed and cannot hold.
    pub(super) trouble: &'static str,
}

struct Known<const FILES: usize, T> {
    value: T,
    /// What the files were like when they were read; others are read again.
    stamps: [Option<Stamp>; FILES],
    /// Counts how often something else came of them.
    version: u64,
    /// Why what is there is not what holds. Told once.
    trouble: Option<CommandError>,
}

impl<const FILES: usize, T: Clone> FollowedFiles<FILES, T> {
    /// Reads the files, or says why they cannot hold.
    pub(super) fn read(
        paths: [PathBuf; FILES],
        reads: Reads<FILES, T>,
    ) -> Result<Self, CommandError> {
        let stamps = stamps(&paths);
        let value = (reads.read)(&paths)?;
        let known = Mutex::new(Known { value, stamps, version: 0, trouble: None });
        Ok(Self { paths, reads, known })
    }

    /// What they say now.
    pub(super) fn now(&self) -> T {
        self.known_now().value.clone()
    }

    /// Counts how often something else came of them.
    pub(super) fn version(&self) -> u64 {
        self.known_now().version
    }

    /// Why the files as they were looked at last do not hold, once.
    pub(super) fn trouble(&self) -> Option<CommandError> {
        self.lock().trouble.take()
    }

    fn known_now(&self) -> MutexGuard<'_, Known<FILES, T>> {
        let mut known = self.lock();
        let stamps = stamps(&self.paths);
        if stamps != known.stamps {
            known.stamps = stamps;
            match (self.reads.read)(&self.paths) {
                Ok(value) if (self.reads.is_same)(&value, &known.value) => {}
                Ok(value) => {
                    known.value = value;
                    known.version += 1;
                }
                Err(error) => {
                    let trouble = CommandError::refused(self.reads.trouble).caused_by(&error);
                    known.trouble = Some(trouble);
                }
            }
        }
        known
    }

    fn lock(&self) -> MutexGuard<'_, Known<FILES, T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamps<const FILES: usize>(paths: &[PathBuf; FILES]) -> [Option<Stamp>; FILES] {
    paths.each_ref().map(|path| Stamp::of(path))
}

/// Changes with what is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    number: u64,
    size: u64,
    /// Seconds and nanoseconds, of its content and of whatever else.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of what is there now.
    fn of(path: &Path) -> Option<Self> {
        let now = path.metadata().ok()?;
        Some(Self {
            device: now.dev(),
            number: now.ino(),
            size: now.size(),
            modified: (now.mtime(), now.mtime_nsec()),
            changed: (now.ctime(), now.ctime_nsec()),
        })
    }
}
