//! What stood at a site's paths before the site took them over: revision 0.
//!
//! It is what `rollback --to 0` goes back to and what `release` puts back. It says nothing of what is
//! the site's own: that is the revisions' to say. So it can be written before the revision whose files
//! replace these, and does no harm if that is never written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::journal::PathContent;
use super::revision::RecordedFile;
use super::{Origin, Record, Revision, StateDir, cannot, private};
use crate::desired::{DesiredFile, FileKind, Former};
use crate::error::CommandError;
use crate::inventory::Domain;
use crate::system::Bytes;
use crate::system::files::{Entry, Files, replace};

/// The shape this program writes.
const VERSION: u32 = 1;

/// The files that a site has taken over, as they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOver {
    /// Version of this shape.
    version: u32,
    /// The site that has them now.
    pub site: Domain,
    /// Who took the first of them over.
    pub origin: Origin,
    /// Each of them, by its path.
    pub files: BTreeMap<PathBuf, TakenFile>,
}

/// What was at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenFile {
    /// Which of the two.
    pub kind: FileKind,
    /// What it was, whole.
    pub content: PathContent,
    /// What a reader of it got; of a file, its content says it.
    #[serde(
        default,
        skip_serializing_if = "<[u8]>::is_empty",
        with = "crate::system::bytes::base64"
    )]
    linked: Bytes,
}

impl TakenFile {
    /// What is at a path; `None` where nothing is that could be put back.
    pub fn of(kind: FileKind, entry: &Entry) -> Option<Self> {
        match entry {
            Entry::File(file) => Some(Self {
                kind,
                content: PathContent::File(file.clone()),
                linked: Bytes::default(),
            }),
            Entry::Link { target, content } => Some(Self {
                kind,
                content: PathContent::Link(target.clone()),
                linked: content.clone().unwrap_or_default().into(),
            }),
            Entry::Absent | Entry::Other(_) => None,
        }
    }

    /// The bytes that a reader of it got.
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            PathContent::File(file) => &file.bytes,
            PathContent::Link(_) | PathContent::Absent => &self.linked,
        }
    }

    /// It, as an apply puts it back.
    pub fn as_desired(&self) -> DesiredFile {
        let former = match &self.content {
            PathContent::File(file) => Some(Former::File { mode: file.mode, owner: file.owner }),
            PathContent::Link(target) => Some(Former::Link { target: target.clone() }),
            PathContent::Absent => None,
        };
        DesiredFile {
            kind: self.kind,
            bytes: self.bytes().to_vec(),
            secret: false,
            programs: BTreeSet::new(),
            verbatim: true,
            former,
        }
    }
}

impl TakenOver {
    /// It as a revision, for telling what the first one changed. Its groups are not told.
    pub fn as_revision(&self) -> Revision {
        let none = crate::desired::DesiredSite {
            domain: self.site.clone(),
            files: BTreeMap::new(),
            groups: BTreeMap::new(),
        };
        let mut revision = Revision::new(0, &none, self.origin.clone());
        for (path, file) in &self.files {
            let recorded = RecordedFile {
                kind: file.kind,
                secret: false,
                content: file.bytes().into(),
                programs: BTreeSet::new(),
                verbatim: true,
            };
            revision.files.insert(path.clone(), recorded);
        }
        revision
    }
}

impl Record for TakenOver {
    const VERSION: u32 = VERSION;

    fn version(&self) -> u32 {
        self.version
    }

    fn damage(&self, state: &StateDir, site: &Domain) -> Option<String> {
        state.damage(site, &self.site, self.files.keys().map(PathBuf::as_path))
    }
}

impl StateDir {
    /// What a site has taken over; `None` if that is nothing.
    pub fn taken_over(
        &self,
        files: &dyn Files,
        site: &Domain,
    ) -> Result<Option<TakenOver>, CommandError> {
        self.read_record(files, site, &self.taken_over_path(site))
    }

    /// Adds to it what the next revision takes over. What it had of a path before is of no more use: the
    /// site had let go of it, or no revision was ever written. The caller syncs
    /// [`site_folder`](Self::site_folder) before it writes that revision.
    pub(crate) fn take_over(
        &self,
        files: &dyn Files,
        site: &Domain,
        origin: &Origin,
        taken: &BTreeMap<PathBuf, TakenFile>,
    ) -> Result<(), CommandError> {
        // What it had before it was removed or released is another story.
        let goes_on = self.last_revision(files, site)?.is_some_and(|last| !last.is_empty());
        let before = if goes_on { self.taken_over(files, site)? } else { None };
        let mut all = before.unwrap_or_else(|| TakenOver {
            version: VERSION,
            site: site.clone(),
            origin: origin.clone(),
            files: BTreeMap::new(),
        });
        all.files.extend(taken.iter().map(|(path, file)| (path.clone(), file.clone())));
        let path = self.taken_over_path(site);
        replace(files, &path, &private(&all)?).map_err(|source| cannot("write", &path, &source))
    }

    /// Forgets it: the files are given back.
    pub(crate) fn forget_taken_over(
        &self,
        files: &dyn Files,
        site: &Domain,
    ) -> Result<(), CommandError> {
        let path = self.taken_over_path(site);
        files.remove(&path).map_err(|source| cannot("remove", &path, &source))
    }

    fn taken_over_path(&self, site: &Domain) -> PathBuf {
        self.site_folder(site).join("taken-over.json")
    }
}
