//! What supervisord's last reread has said, and what that follows from: as long as this is the same,
//! it need not read its files once more.
//!
//! Only a reading of the host is spared by it. So it is not synced, who cannot write it does without,
//! and what cannot be read or trusted is as good as none.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{StateDir, private};
use crate::supervisord::Reload;
use crate::system::closed;
use crate::system::files::{Entry, Files, replace};

/// The shape this program writes. Another one is passed over, whether older or newer.
const VERSION: u32 = 1;

/// An accepted reread of a supervisord.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedReread {
    version: u32,
    /// A digest of the files, and of what else outside of supervisord its answer depends on.
    pub(crate) outside: String,
    /// A digest of supervisord and what it has loaded.
    pub(crate) inside: String,
    /// What supervisord answered to `reloadConfig` then.
    pub(crate) reload: Reload,
}

impl NotedReread {
    /// The answer to a reread with what it depends on.
    pub(crate) fn new(outside: String, inside: String, reload: Reload) -> Self {
        Self { version: VERSION, outside, inside, reload }
    }
}

impl StateDir {
    /// What was noted last, if anything was and nobody else could have written it.
    pub(crate) fn noted_reread(&self, files: &dyn Files) -> Option<NotedReread> {
        let Ok(Entry::File(file)) = files.read(&self.reread_path()) else { return None };
        let (owner, _) = file.owner?;
        if closed::written_by_others(owner, file.mode).is_some() {
            return None;
        }
        let noted: NotedReread = serde_json::from_slice(&file.bytes).ok()?;
        (noted.version == VERSION).then_some(noted)
    }

    /// Notes a reread, where records are kept already: a look makes no folders.
    pub(crate) fn note_reread(&self, files: &dyn Files, noted: &NotedReread) {
        if let Ok(content) = private(noted) {
            let _ = replace(files, &self.reread_path(), &content);
        }
    }

    fn reread_path(&self) -> PathBuf {
        self.root().join("reread.json")
    }
}
