//! The journal: the intent of an apply, on the disk before the first file changes, so that the
//! next run can undo or finish what a `kill -9` or a power cut left.
//!
//! Its phase is in its file name: going on to the next phase is one rename, however large it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    Interrupted, Origin, Record, Revision, StateDir, StoppedProcesses, TakenFile, cannot, is_plain,
    private,
};
use crate::error::CommandError;
use crate::inventory::Domain;
use crate::system::files::{Entry, FileContent, Files, replace, staged_path};

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
    /// The site that is applied: the one of the folder it lies in, or the journal is damaged.
    pub site: Domain,
    /// Who, when, why.
    pub origin: Origin,
    /// Each path that changes.
    pub files: Vec<JournaledFile>,
    /// Folders the apply makes.
    pub folders: Vec<PathBuf>,
    /// Whether an undo leaves them: supervisord refuses the former files, too, without them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub folders_stay: bool,
    /// The processes that were running, by group: what ran must run again.
    pub ran: BTreeMap<String, Vec<String>>,
    /// The processes that a person had stopped, by group: they stay so.
    pub stopped: BTreeMap<String, Vec<String>>,
    /// The processes that nobody had ever started, by group: they stay so as long as supervisord is
    /// not to start them by itself. Older journals have them among `stopped`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub idle: BTreeMap<String, Vec<String>>,
    /// The groups it changes, with the seconds their processes may take to stop: one that neither
    /// a file nor a record tells of any more is still the site's.
    pub groups: BTreeMap<String, u32>,
    /// What it takes over from others, as it was there before any apply of the site: also what a killed
    /// apply that it finishes had found.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub taken_over: BTreeMap<PathBuf, TakenFile>,
    /// The revision it leads to; `None` when it only undoes, or only restarts.
    pub target: Option<Revision>,
    /// The journal in [`JournalPhase::Groups`] that this apply found, and that is back in its place
    /// when this one is undone.
    pub former: Option<Box<Journal>>,
}

/// One path of an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournaledFile {
    /// Absolute, and named as the inventory names its folder.
    pub path: PathBuf,
    /// What was there.
    pub before: PathContent,
    /// What will be there.
    pub after: PathContent,
}

/// What is at a path, as far as we put things there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathContent {
    /// No file and no link.
    Absent,
    /// A regular file, whole, so that it can be put back.
    File(FileContent),
    /// A symbolic link.
    Link(PathBuf),
}

impl From<PathContent> for Entry {
    fn from(content: PathContent) -> Self {
        match content {
            PathContent::Absent => Self::Absent,
            PathContent::File(file) => Self::File(file),
            PathContent::Link(target) => Self::Link { target, content: None },
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
            folders_stay: false,
            ran: BTreeMap::new(),
            stopped: BTreeMap::new(),
            idle: BTreeMap::new(),
            groups: BTreeMap::new(),
            taken_over: BTreeMap::new(),
            target: None,
            former: None,
        }
    }

    /// What is left to finish when this one, whose files were put back after processes had
    /// changed, has been recovered. `None` if it had changed none.
    pub fn rest(&self) -> Option<Self> {
        if self.former.is_none() && self.ran.is_empty() && self.groups.is_empty() {
            return None;
        }
        let former = self.former.as_deref();
        Some(Self {
            ran: self.ran.clone(),
            stopped: self.stopped.clone(),
            idle: self.idle.clone(),
            groups: self.groups.clone(),
            taken_over: former.map(|former| former.taken_over.clone()).unwrap_or_default(),
            target: former.and_then(|former| former.target.clone()),
            ..Self::new(self.site.clone(), former.unwrap_or(self).origin.clone())
        })
    }

    /// What is left to finish when an apply that led to `target` has finished all of this one but
    /// these groups. `None` if that is all of it.
    pub fn left_of(&self, groups: &BTreeSet<String>, target: Revision) -> Option<Self> {
        let mut left = self.groups.clone();
        left.retain(|group, _| groups.contains(group));
        // One that only puts things back has nothing to watch, and neither has what is left of it.
        let target = self.target.is_some().then_some(target);
        (!left.is_empty()).then(|| Self {
            ran: of_groups(&self.ran, groups),
            stopped: of_groups(&self.stopped, groups),
            idle: of_groups(&self.idle, groups),
            groups: left,
            target,
            ..Self::new(self.site.clone(), self.origin.clone())
        })
    }

    /// Every group that it, or one that it was to finish, knows the site to have.
    pub fn group_names(&self) -> BTreeSet<String> {
        let wanted = self.target.iter().flat_map(|target| target.groups.keys());
        let mut names: BTreeSet<String> =
            self.groups.keys().chain(self.ran.keys()).chain(wanted).cloned().collect();
        if let Some(former) = &self.former {
            names.extend(former.group_names());
        }
        names
    }
}

impl Record for Journal {
    const VERSION: u32 = VERSION;

    fn version(&self) -> u32 {
        self.version
    }

    fn damage(&self, state: &StateDir, site: &Domain) -> Option<String> {
        let files = self.files.iter().map(|file| file.path.as_path());
        let odd = self.folders.iter().find(|folder| !is_plain(folder));
        state
            .damage(site, &self.site, files)
            .or_else(|| Some(format!("it names the folder {}", odd?.display())))
            .or_else(|| self.target.as_ref()?.damage(state, site))
            .or_else(|| self.former.as_ref()?.damage(state, site))
    }
}

/// What `all` has of these groups.
fn of_groups(
    all: &BTreeMap<String, Vec<String>>,
    groups: &BTreeSet<String>,
) -> BTreeMap<String, Vec<String>> {
    let mut some = all.clone();
    some.retain(|group, _| groups.contains(group));
    some
}

impl StateDir {
    /// What an unfinished apply of this site left. Two journals are there at once when an apply was
    /// interrupted that was to finish an interrupted one.
    pub fn interrupted(
        &self,
        files: &dyn Files,
        site: &Domain,
    ) -> Result<Interrupted, CommandError> {
        if let Some((phase, journal)) = self.journal_in(files, site, JournalPhase::Undo)? {
            let finished = journal.rest();
            return Ok(Interrupted { undone_first: Some((phase, journal)), finished });
        }
        let undone_first = self.journal_in(files, site, JournalPhase::Files)?;
        let finished = match self.journal_in(files, site, JournalPhase::Groups) {
            // What a recovery leaves to be finished is on the disk before it drops what it recovers.
            Err(_) if undone_first.is_some() && self.is_torn_in(files, site) => None,
            finished => finished?.map(|(_, journal)| journal),
        };
        Ok(Interrupted { undone_first, finished })
    }

    fn journal_in(
        &self,
        files: &dyn Files,
        site: &Domain,
        phase: JournalPhase,
    ) -> Result<Option<(JournalPhase, Journal)>, CommandError> {
        let path = self.journal_path(site, phase);
        match self.read_record(files, site, &path) {
            // No file is touched before the journal is on the disk, so none was.
            Err(_) if phase == JournalPhase::Files && self.is_torn(files, &path) => Ok(None),
            journal => Ok(journal?.map(|journal| (phase, journal))),
        }
    }

    fn is_torn_in(&self, files: &dyn Files, site: &Domain) -> bool {
        self.is_torn(files, &self.journal_path(site, JournalPhase::Groups))
    }

    /// Whether a site has a journal, in whichever phase.
    pub fn has_journal(&self, files: &dyn Files, site: &Domain) -> bool {
        [JournalPhase::Groups, JournalPhase::Undo, JournalPhase::Files].into_iter().any(|phase| {
            let entry = files.read(&self.journal_path(site, phase));
            entry.is_ok_and(|entry| entry != Entry::Absent)
        })
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

    /// Moves the journal on to another phase. The caller syncs before it relies on that: after a power
    /// cut supervisord starts what the files say, so which of them were accepted must still be known.
    pub fn advance(
        &self,
        files: &dyn Files,
        site: &Domain,
        from: JournalPhase,
        to: JournalPhase,
    ) -> Result<(), CommandError> {
        let (from, to) = (self.journal_path(site, from), self.journal_path(site, to));
        files.rename(&from, &to).map_err(|source| cannot("write", &to, &source))
    }

    /// Brings all journals to the disk.
    pub fn sync(&self, files: &dyn Files) -> Result<(), CommandError> {
        files.sync(&[&self.root]).map_err(|source| cannot("write", &self.root, &source))
    }

    /// Removes the journal: the apply is done.
    pub fn close(
        &self,
        files: &dyn Files,
        site: &Domain,
        phase: JournalPhase,
    ) -> Result<(), CommandError> {
        let path = self.journal_path(site, phase);
        files.remove(&path).map_err(|source| cannot("remove", &path, &source))
    }

    /// Leaves nothing of these sites' journals but the rest, if there is any, which the next apply of
    /// the site finishes: what they tell of is undone. Each site's end is its own, in the order given.
    ///
    /// What is to be finished is on the disk before what says that it was begun goes: with one sync for
    /// all of them.
    pub fn close_undone(
        &self,
        files: &dyn Files,
        undone: &[(&Domain, Option<&Journal>)],
    ) -> Vec<Result<(), CommandError>> {
        let mut any_is_new = false;
        let left: Vec<Result<bool, CommandError>> = undone
            .iter()
            .map(|(site, rest)| {
                let is_new = rest.map_or(Ok(false), |rest| self.leave(files, site, rest));
                any_is_new |= matches!(is_new, Ok(true));
                is_new
            })
            .collect();
        let synced = if any_is_new { self.sync(files) } else { Ok(()) };
        let left = left.into_iter().map(|is_new| if is_new? { synced.clone() } else { Ok(()) });
        let sites = undone.iter().zip(left);
        sites
            .map(|((site, rest), is_left)| {
                // Not before what is left is on the disk: after a power cut one of the two must be there.
                is_left?;
                if rest.is_none() {
                    self.close(files, site, JournalPhase::Groups)?;
                }
                self.close(files, site, JournalPhase::Undo)?;
                self.close(files, site, JournalPhase::Files)
            })
            .collect()
    }

    /// Writes what is left to be finished, unless that is there already; says whether it had to.
    fn leave(
        &self,
        files: &dyn Files,
        site: &Domain,
        rest: &Journal,
    ) -> Result<bool, CommandError> {
        let path = self.journal_path(site, JournalPhase::Groups);
        match self.read_record::<Journal>(files, site, &path) {
            Ok(Some(there)) if there == *rest => return Ok(false),
            // Torn: it was being written here, when the power went.
            Err(error) if !self.is_torn(files, &path) => return Err(error),
            _ => {}
        }
        self.begin(files, rest, JournalPhase::Groups).map(|()| true)
    }

    /// Notes in each journal of the site that these processes, by group, were stopped on purpose:
    /// whoever undoes or finishes it leaves them so.
    pub fn note_stopped(
        &self,
        files: &dyn Files,
        site: &Domain,
        stopped: &BTreeMap<String, StoppedProcesses>,
    ) -> Result<(), CommandError> {
        for phase in [JournalPhase::Files, JournalPhase::Groups, JournalPhase::Undo] {
            let path = self.journal_path(site, phase);
            let read = self.read_record::<Journal>(files, site, &path)?;
            let Some(journal) = read else { continue };
            let mut noted = journal.clone();
            noted.note_stopped(stopped);
            if noted != journal {
                // Whole before it takes the place of one that says which files were changed.
                let staged = staged_path(&path);
                let folder = self.site_folder(site);
                files
                    .stage(&staged, &private(&noted)?)
                    .and_then(|()| files.sync(&[&folder]))
                    .and_then(|()| files.rename(&staged, &path))
                    .and_then(|()| files.sync(&[&folder]))
                    .map_err(|source| cannot("write", &path, &source))?;
            }
        }
        Ok(())
    }

    fn journal_path(&self, site: &Domain, phase: JournalPhase) -> PathBuf {
        self.site_folder(site).join(format!("journal.{}.json", phase.as_str()))
    }
}
