//! The journal: the intent of an apply, on the disk before the first file changes, so that the
//! next run can undo or finish what a `kill -9` or a power cut left.
//!
//! Its phase is in its file name: going on to the next phase is one rename, however large it is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Origin, Revision, StateDir, cannot, private, read_record};
use crate::error::CommandError;
use crate::inventory::Domain;
use crate::system::files::{Entry, FileContent, Files, replace};

/// The shape this program writes.
const VERSION: u32 = 1;

/// How far an apply had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalPhase {
    /// Files are being swapped; no process was touched. Recovery puts the former files back.
    Files,
    /// supervisord has accepted the files and processes are being updated. Recovery leaves the
    /// files; the next apply of the site finishes its processes.
    Groups,
    /// It failed and is being undone. Recovery puts the former files back; the next apply of the
    /// site finishes its processes.
    Undo,
}

impl JournalPhase {
    const ALL: [Self; 3] = [Self::Undo, Self::Groups, Self::Files];

    fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Groups => "groups",
            Self::Undo => "undo",
        }
    }
}

/// What an apply is about to do to a site, and how it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Version of this shape.
    pub version: u32,
    /// Whose apply.
    pub site: Domain,
    /// Who, when, why.
    pub origin: Origin,
    /// Each path that changes.
    pub files: Vec<JournaledFile>,
    /// Folders the apply makes.
    pub folders: Vec<PathBuf>,
    /// The processes that were running, by group: what ran must run again.
    pub ran: BTreeMap<String, Vec<String>>,
    /// The revision it leads to; `None` when it only undoes.
    pub target: Option<Revision>,
}

/// One path of an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournaledFile {
    /// Where.
    pub path: PathBuf,
    /// What was there.
    pub before: Content,
    /// What will be there.
    pub after: Content,
}

/// What is at a path, as far as we put things there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Nothing.
    Absent,
    /// A file.
    File(FileContent),
    /// A symbolic link.
    Link(PathBuf),
}

impl From<Content> for Entry {
    fn from(content: Content) -> Self {
        match content {
            Content::Absent => Self::Absent,
            Content::File(file) => Self::File(file),
            Content::Link(target) => Self::Link { target, content: None },
        }
    }
}

impl Journal {
    /// A journal of this version.
    pub fn new(site: Domain, origin: Origin) -> Self {
        Self {
            version: VERSION,
            site,
            origin,
            files: Vec::new(),
            folders: Vec::new(),
            ran: BTreeMap::new(),
            target: None,
        }
    }
}

impl StateDir {
    /// The journal that an unfinished apply of this site left.
    pub fn journal(
        &self,
        files: &dyn Files,
        site: &Domain,
    ) -> Result<Option<(JournalPhase, Journal)>, CommandError> {
        for phase in JournalPhase::ALL {
            if let Some(journal) = read_record(files, &self.journal_path(site, phase), VERSION)? {
                return Ok(Some((phase, journal)));
            }
        }
        Ok(None)
    }

    /// Writes the journal in this phase; the caller syncs it together with what it stages.
    pub fn begin(
        &self,
        files: &dyn Files,
        journal: &Journal,
        phase: JournalPhase,
    ) -> Result<(), CommandError> {
        let path = self.journal_path(&journal.site, phase);
        replace(files, &path, &private(journal)?).map_err(|source| cannot("write", &path, &source))
    }

    /// Moves the journal on to another phase.
    pub fn advance(
        &self,
        files: &dyn Files,
        site: &Domain,
        from: JournalPhase,
        to: JournalPhase,
    ) -> Result<(), CommandError> {
        let (from, to) = (self.journal_path(site, from), self.journal_path(site, to));
        files
            .rename(&from, &to)
            .and_then(|()| files.sync(&[&self.site_folder(site)]))
            .map_err(|source| cannot("write", &to, &source))
    }

    /// Removes the journal: the apply is done or undone.
    pub fn close(
        &self,
        files: &dyn Files,
        site: &Domain,
        phase: JournalPhase,
    ) -> Result<(), CommandError> {
        let path = self.journal_path(site, phase);
        files.remove(&path).map_err(|source| cannot("remove", &path, &source))
    }

    fn journal_path(&self, site: &Domain, phase: JournalPhase) -> PathBuf {
        self.site_folder(site).join(format!("journal.{}.json", phase.as_str()))
    }
}
