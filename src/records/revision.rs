//! Revisions: numbered records of what was applied to a site on this host.
//!
//! They answer two questions: which files are the site's own, and what `rollback` goes back to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Origin, Record, StateDir, cannot, names_or_none, private};
use crate::desired::{DesiredFile, DesiredGroup, DesiredSite, FileKind};
use crate::error::CommandError;
use crate::inventory::Domain;
use crate::system::Bytes;
use crate::system::files::{Files, replace};

/// The shape this program writes.
const VERSION: u32 = 1;
/// How many revisions of a site are kept.
pub const KEPT: usize = 50;

/// What was applied, when and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Version of this shape.
    pub version: u32,
    /// Counted from 1, for each site by itself.
    pub number: u64,
    /// Whose it is.
    pub site: Domain,
    /// Who applied it, when and by which command.
    pub origin: Origin,
    /// Every file of the site, with its content.
    pub files: BTreeMap<PathBuf, RecordedFile>,
    /// Every group those files define.
    pub groups: BTreeMap<String, DesiredGroup>,
    /// The other groups that the site ever had: what supervisord still runs under such a name, and
    /// no file defines any more, is the site's to remove. Older revisions do not have it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub former_groups: BTreeSet<String>,
    /// The groups that went on with a configuration of before, for which their processes have longer
    /// to stop than `groups` says, with these seconds: the change was deferred, or not theirs to take.
    /// Older revisions do not have it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub still_loaded: BTreeMap<String, u32>,
    /// The groups whose processes it started, stopped or restarted. Older revisions do not have it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub touched: BTreeSet<String>,
}

/// What a revision says of groups beside how they are wanted.
#[derive(Debug, Clone, Default)]
pub struct GroupNotes {
    /// Names of groups that the site may have had and that no revision knows of.
    pub had: BTreeSet<String>,
    /// As [`Revision::still_loaded`].
    pub still_loaded: BTreeMap<String, u32>,
    /// As [`Revision::touched`].
    pub touched: BTreeSet<String>,
}

/// A revision that is written and not synced yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRevision {
    /// The number it was written under, one more than the highest before.
    pub number: u64,
    /// Those beyond [`KEPT`] by now.
    too_old: Vec<u64>,
}

/// A file as it was written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFile {
    /// Which of the two.
    pub kind: FileKind,
    /// Whether it holds environment values.
    pub secret: bool,
    /// Its content: ASCII, but for what was written by hand.
    #[serde(with = "crate::system::bytes::text")]
    pub content: Bytes,
    /// The programs it is of. Older revisions do not have it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub programs: BTreeSet<String>,
    /// Whether somebody wrote it by hand. Older revisions do not have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verbatim: bool,
}

impl std::fmt::Debug for RecordedFile {
    /// Without the content, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordedFile({:?}, {} bytes)", self.kind, self.content.len())
    }
}

impl Revision {
    /// The record of `desired`.
    pub fn new(number: u64, desired: &DesiredSite, origin: Origin) -> Self {
        let files = desired.files.iter().map(|(path, file)| {
            let content = file.bytes.as_slice().into();
            let DesiredFile { kind, secret, programs, verbatim, bytes: _, former: _ } = file;
            let (kind, secret, programs) = (*kind, *secret, programs.clone());
            (path.clone(), RecordedFile { kind, secret, content, programs, verbatim: *verbatim })
        });
        Self {
            version: VERSION,
            number,
            site: desired.domain.clone(),
            origin,
            files: files.collect(),
            groups: desired.groups.clone(),
            former_groups: BTreeSet::new(),
            still_loaded: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Whether it records nothing to speak of, as of a site that was removed.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.groups.is_empty()
    }

    /// Every group that the site had up to this revision.
    pub fn group_names(&self) -> BTreeSet<String> {
        self.groups.keys().chain(&self.former_groups).cloned().collect()
    }

    /// What a rollback to it makes of the site.
    pub fn as_desired(&self) -> DesiredSite {
        let files = self.files.iter().map(|(path, file)| {
            let bytes = file.content.to_vec();
            let RecordedFile { kind, secret, programs, verbatim, content: _ } = file;
            let (kind, secret, programs) = (*kind, *secret, programs.clone());
            (
                path.clone(),
                DesiredFile { kind, secret, bytes, programs, verbatim: *verbatim, former: None },
            )
        });
        DesiredSite {
            domain: self.site.clone(),
            files: files.collect(),
            groups: self.groups.clone(),
        }
    }
}

impl Record for Revision {
    const VERSION: u32 = VERSION;

    fn version(&self) -> u32 {
        self.version
    }

    fn damage(&self, state: &StateDir, site: &Domain) -> Option<String> {
        state.damage(site, &self.site, self.files.keys().map(PathBuf::as_path))
    }
}

impl StateDir {
    /// The numbers of a site's revisions, ascending.
    pub fn revision_numbers(
        &self,
        files: &dyn Files,
        site: &Domain,
    ) -> Result<Vec<u64>, CommandError> {
        let folder = self.revisions_folder(site);
        self.check_in_sites(&folder)?;
        let names = names_or_none(files, &folder)?;
        let mut numbers: Vec<u64> =
            names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// One revision of a site.
    pub fn revision(
        &self,
        files: &dyn Files,
        site: &Domain,
        number: u64,
    ) -> Result<Option<Revision>, CommandError> {
        self.read_record(files, site, &self.revision_path(site, number))
    }

    /// The newest revision of a site.
    pub fn last_revision(
        &self,
        files: &dyn Files,
        site: &Domain,
    ) -> Result<Option<Revision>, CommandError> {
        self.whole_revisions(files, site).map(|(_, last)| last)
    }

    /// The numbers of a site's revisions and the newest of them, without one that was being written
    /// when the power went: the journal of its apply goes only when the revision is on the disk.
    fn whole_revisions(
        &self,
        files: &dyn Files,
        site: &Domain,
    ) -> Result<(Vec<u64>, Option<Revision>), CommandError> {
        let mut numbers = self.revision_numbers(files, site)?;
        let Some(last) = numbers.last().copied() else { return Ok((numbers, None)) };
        // It is whole but once in a lifetime: whether it can be torn is looked at only if it cannot be
        // read.
        let newest = match self.revision(files, site, last) {
            Err(error) => {
                if !self.was_being_written(files, site, last) {
                    return Err(error);
                }
                numbers.pop();
                match numbers.last() {
                    Some(number) => self.revision(files, site, *number)?,
                    None => None,
                }
            }
            Ok(newest) => newest,
        };
        Ok((numbers, newest))
    }

    /// The numbers of a site's revisions without one that was being written when the power went: the
    /// journal of its apply goes only when the revision is on the disk.
    pub fn whole_revision_numbers(
        &self,
        files: &dyn Files,
        site: &Domain,
    ) -> Result<Vec<u64>, CommandError> {
        let mut numbers = self.revision_numbers(files, site)?;
        numbers.pop_if(|last| self.was_being_written(files, site, *last));
        Ok(numbers)
    }

    /// Whether a revision, the newest, ends in its midst.
    fn was_being_written(&self, files: &dyn Files, site: &Domain, number: u64) -> bool {
        self.has_journal(files, site) && self.is_torn(files, &self.revision_path(site, number))
    }

    /// Writes the next revision. The caller syncs [`revisions_folder`](Self::revisions_folder) before it
    /// relies on it.
    pub fn write_revision(
        &self,
        files: &dyn Files,
        desired: &DesiredSite,
        origin: Origin,
        notes: GroupNotes,
    ) -> Result<NewRevision, CommandError> {
        let (numbers, last) = self.whole_revisions(files, &desired.domain)?;
        let mut revision = Revision::new(0, desired, origin);
        let GroupNotes { had, still_loaded, touched } = notes;
        revision.former_groups = had;
        revision.still_loaded = still_loaded;
        revision.touched = touched;
        revision.former_groups.extend(last.iter().flat_map(Revision::group_names));
        revision.former_groups.retain(|group| !desired.groups.contains_key(group));
        self.append(files, numbers, revision)
    }

    /// Writes the revision of a site that was released: nothing is its own any more, not even a group by
    /// its name. The caller syncs as for any other.
    pub(crate) fn write_release(
        &self,
        files: &dyn Files,
        nothing: &DesiredSite,
        origin: Origin,
    ) -> Result<NewRevision, CommandError> {
        let (numbers, _) = self.whole_revisions(files, &nothing.domain)?;
        self.append(files, numbers, Revision::new(0, nothing, origin))
    }

    /// Writes a revision behind those with these numbers.
    fn append(
        &self,
        files: &dyn Files,
        numbers: Vec<u64>,
        mut revision: Revision,
    ) -> Result<NewRevision, CommandError> {
        let number = numbers.last().map_or(1, |last| last + 1);
        revision.number = number;
        let path = self.revision_path(&revision.site, number);
        let content = private(&revision)?;
        replace(files, &path, &content).map_err(|source| cannot("write", &path, &source))?;
        let too_many = (numbers.len() + 1).saturating_sub(KEPT);
        Ok(NewRevision { number, too_old: numbers.into_iter().take(too_many).collect() })
    }

    /// Removes the revisions that a new one leaves no room for, once that is on the disk: before, a
    /// power cut could take both.
    pub fn remove_too_old(&self, files: &dyn Files, site: &Domain, new: &NewRevision) {
        for old in &new.too_old {
            // One that stays is no harm, and the next commit tries again.
            let _ = files.remove(&self.revision_path(site, *old));
        }
    }

    fn revision_path(&self, site: &Domain, number: u64) -> PathBuf {
        self.revisions_folder(site).join(format!("{number:08}.json"))
    }
}
