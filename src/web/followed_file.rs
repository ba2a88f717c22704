//! What a file is like, so that another one is read again.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Changes with what is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    number: u64,
    size: u64,
    /// Seconds and nanoseconds, of its content and of whatever else.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of what is there now.
    pub(super) fn of(path: &Path) -> Option<Self> {
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
