//! What outlives the process: the lock, the journal of an apply under way, the revisions.
//!
//! All of it lies in one folder per supervisord configuration, named after its conf.d, so that two
//! daemons on one host never share a lock or a record:
//!
//! ```text
//! {state_dir}/etc-supervisor-conf.d/lock
//! {state_dir}/etc-supervisor-conf.d/locks/{domain}
//! {state_dir}/etc-supervisor-conf.d/reread.json
//! {state_dir}/etc-supervisor-conf.d/sites/{domain}/journal.{phase}.json
//! {state_dir}/etc-supervisor-conf.d/sites/{domain}/revisions/00000001.json
//! {state_dir}/etc-supervisor-conf.d/sites/{domain}/runs/20261124-223512-4f3a.json
//! {state_dir}/etc-supervisor-conf.d/sites/{domain}/taken-over.json
//! {state_dir}/etc-supervisor-conf.d/sites/{domain}/untold.json
//! ```
//!
//! Files hold environment values, so folders are 0700 and files 0600. Each shape has a version; a
//! newer one than ours is refused, an older one must stay readable.
//!
//! Root does what a journal says, so nobody else may have written one. The way to the folder is
//! looked at once for a request ([`StateDir::check`]) and once under the lock; then each site's
//! folder, and each record when it is read. And a record may only name files of the two
//! folders where ours are (`StateDir::may_name`).

mod interrupted;
pub mod journal;
pub mod lock;
pub mod outcome;
pub mod reread;
pub mod revision;
pub mod run;
mod stopped;
mod taken_over;
mod untold;

use std::io::{self, BufReader};
use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::CommandError;
use crate::inventory::{Domain, Paths, naming};
use crate::system::closed;
use crate::system::files::{Entry, FileContent, Files, OpenFile, Opened, ReadSeek};
use crate::system::{shell, users};

pub use interrupted::Interrupted;
pub use journal::{Journal, JournalPhase};
pub use lock::{Holder, Lock, LockError};
pub use outcome::{RunEnd, RunOutcome, Settled, SettledHow};
pub use reread::NotedReread;
pub use revision::{GroupNotes, NewRevision, Revision};
pub use run::{Run, RunId};
pub use stopped::StoppedProcesses;
pub use taken_over::{TakenFile, TakenOver};
pub use untold::Untold;

/// Who does something, when and why: for locks, journals and revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Origin {
    /// The user, by name.
    pub user: String,
    /// The process id.
    pub pid: u32,
    /// The command, e.g. `playbook sync`.
    pub purpose: String,
    /// When it began.
    pub at: jiff::Timestamp,
    /// The run it is a part of; older records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Box<Run>>,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { user, pid, purpose, at, run: _ } = self;
        write!(f, "`{purpose}` of user {user} (pid {pid}, since {at:.0})")
    }
}

/// The state folder of one supervisord configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
    /// The conf.d it is named after.
    conf_dir: PathBuf,
}

impl StateDir {
    /// The folder for these paths. `base` is where state goes when the inventory does not say.
    pub fn new(paths: &Paths, base: &Path) -> Self {
        let base = paths.state_dir.as_ref().map_or(base, |dir| dir.as_path());
        // Two folders must not become one name: `a-b` and `a/b`.
        let scope = paths.conf_dir.as_str().trim_matches('/').replace('-', "--").replace('/', "-");
        Self { root: base.join(scope), conf_dir: paths.conf_dir.as_path().to_owned() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folders that a record of this site needs.
    pub fn prepare(&self, files: &dyn Files, site: &Domain) -> Result<(), CommandError> {
        let folder = self.revisions_folder(site);
        files.create_folder(&folder, 0o700).map_err(|source| cannot("make", &folder, &source))?;
        self.check_in_sites(&folder)
    }

    /// Refuses a state folder that somebody else could change. Everything below reads and writes by
    /// path and relies on it.
    pub fn check(&self) -> Result<(), CommandError> {
        let base = self.root.parent().unwrap_or(&self.root);
        match closed::open(base) {
            // Made by the first apply, on a way that is looked at then.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|error| self.refused(&self.root, &error))?,
        };
        self.check_folder(&self.root)?;
        self.check_folder(&self.root.join("sites"))
    }

    /// The same for a folder in `sites`, which has been found good, and those between the two.
    fn check_in_sites(&self, folder: &Path) -> Result<(), CommandError> {
        let sites = self.root.join("sites");
        folder.ancestors().take_while(|f| **f != *sites).try_for_each(|f| self.check_folder(f))
    }

    fn check_folder(&self, folder: &Path) -> Result<(), CommandError> {
        closed::check_entry(folder).map_err(|error| self.refused(folder, &error))
    }

    fn refused(&self, folder: &Path, error: &io::Error) -> CommandError {
        if closed::is_of_the_system(error) {
            return cannot("read", folder, error);
        }
        let owners = match users::current() {
            user if users::is_root() => user,
            user => format!("root or {user}"),
        };
        CommandError::refused(format!("the state folder {} is not safe to use", self.root.display()))
            .caused_by(error)
            .hint(format!(
                "it and every folder above it must belong to {owners}, and no other user may write \
                 there: see it with namei -l {}",
                folder.display()
            ))
            .hint("set paths.state_dir to such a folder; do not take over records that others could write")
    }

    /// Whether a record may name this path: `{conf_dir}/*.conf` (or `.ini`), or `supervisor-*.conf` for
    /// logrotate. The latter in any folder, since `logrotate_dir` may have been another one when the
    /// record was written; whoever can forge a record gains nothing by that, as conf.d itself decides
    /// what root runs.
    fn may_name(&self, path: &Path) -> bool {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
        let name = name.to_string_lossy();
        is_plain(path)
            && (folder == self.conf_dir && naming::configured_by(&name).is_some()
                || naming::rotated_by(&name).is_some())
    }

    /// Every site that has a record or a journal here.
    pub fn sites(&self, files: &dyn Files) -> Result<Vec<Domain>, CommandError> {
        let names = names_or_none(files, &self.root.join("sites"))?;
        Ok(names.iter().filter_map(|name| Domain::parse(name).ok()).collect())
    }

    /// Where all that is known of a site is.
    pub(crate) fn site_folder(&self, site: &Domain) -> PathBuf {
        self.root.join("sites").join(site.as_str())
    }

    /// Where a site's revisions are.
    pub fn revisions_folder(&self, site: &Domain) -> PathBuf {
        self.site_folder(site).join("revisions")
    }
}

/// The bytes of a record, readable by its owner alone.
fn private(record: &impl Serialize) -> Result<FileContent, CommandError> {
    let bytes = serde_json::to_vec(record)
        .map_err(|source| CommandError::refused("cannot write a record").caused_by(&source))?;
    Ok(FileContent { bytes: bytes.into(), mode: 0o600, owner: None })
}

/// What is read of a site's records.
trait Record: DeserializeOwned {
    /// The newest shape this program knows.
    const VERSION: u32;

    /// The shape it has.
    fn version(&self) -> u32;

    /// What it says that a record of this site cannot say.
    fn damage(&self, state: &StateDir, site: &Domain) -> Option<String>;
}

impl StateDir {
    /// Reads a record of a site, refusing a version that is newer than ours, and what somebody else
    /// could have written.
    fn read_record<T: Record>(
        &self,
        files: &dyn Files,
        site: &Domain,
        path: &Path,
    ) -> Result<Option<T>, CommandError> {
        let Some(mut content) = self.open_record(files, path)? else { return Ok(None) };
        // Piece by piece: a record can be as large as all that is made of it.
        let record: T = match serde_json::from_reader(BufReader::new(&mut content)) {
            Ok(record) => record,
            Err(error) => return Err(unreadable::<T>(path, &mut content, error)),
        };
        check_version::<T>(path, record.version())?;
        match record.damage(self, site) {
            Some(damage) => Err(damaged(path).because(damage)),
            None => Ok(Some(record)),
        }
    }

    /// Opens a record, unless somebody else could have written it.
    fn open_record(
        &self,
        files: &dyn Files,
        path: &Path,
    ) -> Result<Option<Box<dyn ReadSeek>>, CommandError> {
        let opened = files.open(path).map_err(|source| cannot("read", path, &source))?;
        if !matches!(opened, Opened::NoFile(Entry::Absent)) {
            self.check_in_sites(path.parent().unwrap_or(path))?;
        }
        match opened {
            Opened::File(OpenFile { content, mode, owner }) => {
                let (owner, _) = owner.unwrap_or_default();
                match closed::written_by_others(owner, mode) {
                    Some(reason) => Err(damaged(path).because(format!("it {reason}"))),
                    None => Ok(Some(content)),
                }
            }
            Opened::NoFile(Entry::Link { .. }) => {
                Err(damaged(path).because("it is a symbolic link"))
            }
            Opened::NoFile(Entry::Other(kind)) => {
                Err(damaged(path).because(format!("it is {kind}")))
            }
            Opened::NoFile(Entry::Absent | Entry::File(_)) => Ok(None),
        }
    }

    /// Whether a record ends in its midst: it was being written when the power went, and nothing that
    /// comes after it on the disk can be there.
    fn is_torn(&self, files: &dyn Files, path: &Path) -> bool {
        let Ok(Entry::File(file)) = files.read(path) else { return false };
        let whole = serde_json::from_slice::<serde::de::IgnoredAny>(&file.bytes);
        file.bytes.first() == Some(&0) || whole.is_err_and(|error| error.is_eof())
    }

    /// What speaks against a record that says it is of `site`, and names these files.
    fn damage<'p>(
        &self,
        site: &Domain,
        of: &Domain,
        paths: impl IntoIterator<Item = &'p Path>,
    ) -> Option<String> {
        if site != of {
            return Some(format!("it is of site {of}"));
        }
        let stranger = paths.into_iter().find(|path| !self.may_name(path))?;
        Some(format!("it names {}, which cannot be a file of site {site}", stranger.display()))
    }
}

fn damaged(path: &Path) -> CommandError {
    CommandError::refused(format!("{} is damaged", path.display()))
        .hint(format!("look at it, then move it away: {}", shell::move_away(path, ".damaged")))
}

/// Why a record could not be read: a newer one may have another shape.
fn unreadable<T: Record>(
    path: &Path,
    content: &mut dyn ReadSeek,
    error: serde_json::Error,
) -> CommandError {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    if error.is_io() {
        return cannot("read", path, &error.into());
    }
    let versioned = content
        .rewind()
        .ok()
        .and_then(|()| serde_json::from_reader::<_, Versioned>(BufReader::new(content)).ok());
    let newer = versioned.and_then(|versioned| check_version::<T>(path, versioned.version).err());
    newer.unwrap_or_else(|| damaged(path).caused_by(&error))
}

fn check_version<T: Record>(path: &Path, version: u32) -> Result<(), CommandError> {
    if version <= T::VERSION {
        return Ok(());
    }
    let known = T::VERSION;
    let message = format!(
        "{} has version {version}, this supervisor-sync knows up to {known}",
        path.display()
    );
    Err(CommandError::refused(message).hint("install the newer supervisor-sync that wrote it"))
}

/// Whether a path is absolute and leads nowhere but down.
fn is_plain(path: &Path) -> bool {
    let mut parts = path.components();
    path.is_absolute()
        && parts.all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
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
