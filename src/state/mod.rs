//! What outlives the process: the lock, the journal of an apply under way, the revisions.
//!
//! All of it lies in one folder per supervisord configuration, named after its conf.d, so that two
//! daemons on one host never share a lock or a record:
//!
//! ```text
//! {state_dir}/etc-supervisor-conf.d/lock
//! {state_dir}/etc-supervisor-conf.d/sites/{domain}/journal.{phase}.json
//! {state_dir}/etc-supervisor-conf.d/sites/{domain}/revisions/00000001.json
//! ```
//!
//! Files hold environment values, so folders are 0700 and files 0600. Each shape has a version; a
//! newer one than ours is refused, an older one must stay readable.

pub mod journal;
pub mod lock;
pub mod revision;

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::CommandError;
use crate::inventory::{Domain, Paths};
use crate::system::files::{Entry, FileContent, Files};

pub use journal::{Interrupted, Journal, JournalPhase};
pub use lock::{Lock, LockError};
pub use revision::Revision;

/// Who does something, when and why: for locks, journals and revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The user, by name.
    pub user: String,
    /// The process id.
    pub pid: u32,
    /// The command, e.g. `playbook sync`.
    pub purpose: String,
    /// When it began.
    pub at: jiff::Timestamp,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { user, pid, purpose, at } = self;
        write!(f, "`{purpose}` of user {user} (pid {pid}, since {at:.0})")
    }
}

/// The state folder of one supervisord configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// The folder for these paths. `base` is where state goes when the inventory does not say.
    pub fn new(paths: &Paths, base: &Path) -> Self {
        let base = paths.state_dir.as_ref().map_or(base, |dir| dir.as_path());
        // Two folders must not become one name: `a-b` and `a/b`.
        let scope = paths.conf_dir.as_str().trim_matches('/').replace('-', "--").replace('/', "-");
        Self { root: base.join(scope) }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folders that a record of this site needs.
    pub fn prepare(&self, files: &dyn Files, site: &Domain) -> Result<(), CommandError> {
        let folder = self.revisions_folder(site);
        files.create_folder(&folder, 0o700).map_err(|source| cannot("make", &folder, &source))
    }

    /// Every site that has a record or a journal here.
    pub fn sites(&self, files: &dyn Files) -> Result<Vec<Domain>, CommandError> {
        let names = names_or_none(files, &self.root.join("sites"))?;
        Ok(names.iter().filter_map(|name| Domain::parse(name).ok()).collect())
    }

    fn site_folder(&self, site: &Domain) -> PathBuf {
        self.root.join("sites").join(site.as_str())
    }

    fn revisions_folder(&self, site: &Domain) -> PathBuf {
        self.site_folder(site).join("revisions")
    }
}

/// The bytes of a record, readable by its owner alone.
fn private(record: &impl Serialize) -> Result<FileContent, CommandError> {
    let bytes = serde_json::to_vec(record)
        .map_err(|source| CommandError::refused("cannot write a record").caused_by(&source))?;
    Ok(FileContent { bytes, mode: 0o600, owner: None })
}

/// Reads a record, refusing a version that is newer than `newest`.
fn read_record<T: DeserializeOwned>(
    files: &dyn Files,
    path: &Path,
    newest: u32,
) -> Result<Option<T>, CommandError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let entry = files.read(path).map_err(|source| cannot("read", path, &source))?;
    let bytes = match &entry {
        Entry::Absent => return Ok(None),
        entry => entry.bytes().unwrap_or_default(),
    };
    let damaged = |source: serde_json::Error| {
        CommandError::refused(format!("{} is damaged", path.display()))
            .caused_by(&source)
            .hint(format!("look at it, then move it away: mv {0} {0}.damaged", path.display()))
    };
    let Versioned { version } = serde_json::from_slice(bytes).map_err(damaged)?;
    if version > newest {
        return Err(CommandError::refused(format!(
            "{} has version {version}, this supervisor-sync knows up to {newest}",
            path.display()
        ))
        .hint("install the newer supervisor-sync that wrote it"));
    }
    serde_json::from_slice(bytes).map(Some).map_err(damaged)
}

fn names_or_none(files: &dyn Files, folder: &Path) -> Result<Vec<String>, CommandError> {
    match files.names(folder) {
        Ok(names) => Ok(names),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(cannot("read", folder, &error)),
    }
}

fn cannot(verb: &str, path: &Path, source: &io::Error) -> CommandError {
    CommandError::refused(format!("cannot {verb} {}", path.display())).caused_by_io(source, path)
}
