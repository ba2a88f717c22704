//! What has not been well, as this machine was last told: one small file an inventory.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::news::NotWell;
use crate::error::CommandError;
use crate::inventory::{Domain, NoticeKind};
use crate::system::bytes::hex;
use crate::system::files::{self, Disk, Entry, FileContent, Files as _};

const VERSION: u32 = 1;

/// The file, which no other run of this inventory reads or writes meanwhile.
pub(crate) struct Remembered {
    path: PathBuf,
    pub(crate) not_well: NotWell,
    _lock: File,
}

#[derive(Default, Serialize, Deserialize)]
struct Content {
    version: u32,
    /// The inventory, for people who look.
    inventory: String,
    not_well: Vec<NotWellEntry>,
}

#[derive(Serialize, Deserialize)]
struct NotWellEntry {
    host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    site: Option<Domain>,
    event: String,
}

impl Remembered {
    /// What is known of this inventory, below the folder of this machine's state.
    pub(crate) fn of(state: &Path, inventory: &str) -> Result<Self, CommandError> {
        let folder = state.join("notified");
        let name: String = hex(&Sha256::digest(inventory)).chars().take(16).collect();
        let path = folder.join(format!("{name}.json"));
        let failed = |error: &io::Error| unkept(&path, error);
        Disk.create_folder(&folder, 0o700).map_err(|error| failed(&error))?;
        let mut options = OpenOptions::new();
        let lock =
            options.create(true).append(true).mode(0o600).open(folder.join(format!("{name}.lock")));
        let lock =
            lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(|error| failed(&error))?;
        let content = match Disk.read(&path).map_err(|error| failed(&error))? {
            // What cannot be read is begun anew: at worst something is told twice.
            Entry::File(file) => serde_json::from_slice(&file.bytes).unwrap_or_default(),
            _ => Content::default(),
        };
        let not_well = content.not_well.into_iter().filter_map(|entry| {
            Some(((entry.host, entry.site), NoticeKind::from_word(&entry.event)?))
        });
        Ok(Self { not_well: not_well.collect(), path, _lock: lock })
    }

    /// Keeps what is known now.
    pub(crate) fn keep(&self, inventory: &str) -> Result<(), CommandError> {
        let not_well = self.not_well.iter().map(|((host, site), kind)| NotWellEntry {
            host: host.clone(),
            site: site.clone(),
            event: kind.word().to_owned(),
        });
        let content = Content {
            version: VERSION,
            inventory: inventory.to_owned(),
            not_well: not_well.collect(),
        };
        let bytes = serde_json::to_vec(&content).unwrap_or_default();
        let file = FileContent { bytes: bytes.into(), mode: 0o600, owner: None };
        files::replace(&Disk, &self.path, &file).map_err(|error| unkept(&self.path, &error))
    }
}

fn unkept(path: &Path, error: &io::Error) -> CommandError {
    CommandError::refused(format!("cannot remember what was told in {}", path.display()))
        .caused_by_io(error, path)
}
