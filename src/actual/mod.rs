//! How the host is now: one reading, with what could not be read. Changes nothing, apart from
//! `reloadConfig`, which makes supervisord read its files anew and touches no process; and that is only
//! asked for where what it said before may not hold any more (`basis.rs`).

pub mod after;
pub mod basis;
pub mod daemon;
mod definitions;
mod needs;
pub mod observe;
pub mod ownership;
mod shared;
pub mod unheard;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::desired::FileKind;
use crate::error::CommandError;
use crate::inventory::{Domain, UserName};
use crate::records::{Interrupted, NotedReread, Origin, Revision, TakenFile, TakenOver};
use crate::supervisord::{Blame, Environment, Fault, ProcessInfo, ReadBy, Reload};
use crate::system::files::Entry;

pub use definitions::Definitions;
pub use shared::Shared;
pub use unheard::Unheard;

/// One supervisord and its configuration, as every site on it sees it.
#[derive(Debug, Clone)]
pub struct ActualDaemon {
    /// Its version, e.g. `4.2.5`.
    pub version: String,
    /// What `%(ENV_X)s` stands for in its files.
    pub environment: Environment,
    /// Whether it can read a file that only its writer may read.
    pub reads_private_files: bool,
    /// What its reread said before anything was changed, now or when it was last asked.
    pub reread: Result<Reload, Fault>,
    /// What is to blame, where that is a fault.
    pub blame: Option<Blame>,
    /// What to note of that reread, so that the next reading need not ask.
    pub to_note: Option<NotedReread>,
    /// A digest of all that an answer to a reread depends on beside supervisord itself; `None` where that
    /// cannot be told.
    pub outside: Option<String>,
    /// Its pid. `None` if it does not say.
    pub pid: Option<i64>,
    /// The processes it has, by group.
    pub groups: BTreeMap<String, Vec<ProcessInfo>>,
    /// The programs its main file and the included files define.
    pub defined: Definitions,
    /// The files that say something about every program, whose ever it is.
    pub everywhere: BTreeSet<PathBuf>,
    /// The files it includes, in its order.
    pub included: Vec<PathBuf>,
    /// The patterns by which it includes them.
    pub include_patterns: Vec<String>,
    /// Files that interrupted applies, of whichever site, have changed and that are put back before
    /// anything else.
    pub put_back_first: BTreeSet<PathBuf>,
    /// The sites whose applies those were, and who ran them.
    pub undone_first: BTreeMap<Domain, Origin>,
    /// Every site that has a record or a journal here.
    pub sites: BTreeSet<Domain>,
    /// What applies that never ended, or are under way, have left of sites; or why it cannot be read.
    pub journals: BTreeMap<Domain, Result<Interrupted, CommandError>>,
    /// Sites of these that somebody else is at work on, with who it is.
    pub under_way: BTreeMap<Domain, String>,
    /// What several sites' readings have in common.
    pub shared: Shared,
    /// Its main file and each included one; `None` where it cannot be read.
    pub contents: BTreeMap<PathBuf, Option<Entry>>,
}

impl Default for ActualDaemon {
    /// One that runs nothing and includes nothing.
    fn default() -> Self {
        Self {
            version: String::new(),
            environment: Environment::default(),
            reads_private_files: true,
            reread: Ok(Reload::default()),
            blame: None,
            to_note: None,
            outside: None,
            pid: None,
            groups: BTreeMap::new(),
            defined: Definitions::default(),
            everywhere: BTreeSet::new(),
            included: Vec::new(),
            include_patterns: Vec::new(),
            put_back_first: BTreeSet::new(),
            undone_first: BTreeMap::new(),
            sites: BTreeSet::new(),
            journals: BTreeMap::new(),
            under_way: BTreeMap::new(),
            shared: Shared::default(),
            contents: BTreeMap::new(),
        }
    }
}

impl ActualDaemon {
    /// How it reads files.
    pub(crate) fn read_by(&self) -> ReadBy<'_> {
        ReadBy { version: &self.version, environment: Some(&self.environment) }
    }

    /// What an apply of this site that never ended has left.
    pub(crate) fn interrupted(&self, site: &Domain) -> Result<Interrupted, CommandError> {
        self.journals.get(site).cloned().unwrap_or_else(|| Ok(Interrupted::default()))
    }

    /// How long the processes of a group may take to stop by its files, of whomever they are: the
    /// longest, where several say so.
    pub fn stop_seconds(&self, group: &str) -> Option<u32> {
        let own = self.defined.of_group(group);
        let members = self.defined.of_group(group).flat_map(|defined| &defined.programs);
        let of_members = members.flat_map(|name| self.defined.of_group(name));
        own.chain(of_members).filter_map(|defined| defined.stop_seconds).max()
    }

    /// Whether what supervisord said of its files at `earlier` still holds: it is the same process,
    /// with the same groups and processes, and its files are the same. A group that was to change and
    /// has no process that lives may have changed since without leaving a trace.
    pub(crate) fn is_as_at(&self, earlier: &Self) -> bool {
        for group in earlier.reread.iter().flat_map(|reread| &reread.changed) {
            if self.groups.get(group).into_iter().flatten().all(|process| process.pid <= 0) {
                return false;
            }
        }
        let processes = |daemon: &Self| -> Vec<(String, i64)> {
            let all = daemon.groups.values().flatten();
            all.map(|process| (process.namespec(), process.pid)).collect()
        };
        self.pid.is_some()
            && self.pid == earlier.pid
            && self.outside == earlier.outside
            && self.contents == earlier.contents
            && processes(self) == processes(earlier)
    }
}

/// A `[program:NAME]` (or group, or listener) of supervisord's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinedProgram {
    /// The group it makes.
    pub group: String,
    /// Where it stands.
    pub file: PathBuf,
    /// The values of `stdout_logfile=` and `stderr_logfile=`, as they stand there.
    pub logs: Vec<String>,
    /// `stopwaitsecs=`, seconds, as supervisord takes it where it is not given. `None` if it is no
    /// number, and of a `[group:NAME]`, whose programs have it.
    pub stop_seconds: Option<u32>,
    /// The programs of a `[group:NAME]`.
    pub programs: Vec<String>,
}

/// How one site is on the host.
#[derive(Debug, Clone, Default)]
pub struct ActualSite {
    /// The last revision that was recorded.
    pub record: Option<Revision>,
    /// Every group that the site ever had, as far as revisions and journals tell.
    pub former_groups: BTreeSet<String>,
    /// What it has taken over; read only where it is to be given back.
    pub taken_over: Option<TakenOver>,
    /// An apply of this site that never finished.
    pub interrupted: Interrupted,
    /// How a run of it ended whose caller had gone.
    pub unheard: Option<Unheard>,
    /// What is at each path that is wanted or owned. Where an interrupted apply will be undone
    /// first, what will be there then.
    pub files: BTreeMap<PathBuf, Entry>,
    /// Which kind each of them is.
    pub kinds: BTreeMap<PathBuf, FileKind>,
    /// Whether it is root who writes them, and so could give each its owner.
    pub writes_as_root: bool,
    /// Those of them that are the site's own.
    pub owned: BTreeSet<PathBuf>,
    /// Wanted paths whose bytes are as wanted already, and that the last revision does not have:
    /// somebody else wrote them.
    pub unrecorded: BTreeSet<PathBuf>,
    /// Files whose names match the site's, but that are not its own, with the reason.
    pub foreign: BTreeMap<PathBuf, String>,
    /// Wanted paths that the record of another site holds.
    pub claimed: BTreeMap<PathBuf, Domain>,
    /// Groups that the record of another site holds, whatever defines them by now.
    pub claimed_groups: BTreeSet<String>,
    /// Wanted paths where something stands that cannot be told to be the site's own, with the reason.
    pub in_the_way: BTreeMap<PathBuf, String>,
    /// The names in the folder of logs that begin with the domain, where files of the site go.
    pub logs: Vec<String>,
    /// Folders that must be made (logs).
    pub missing_log_folders: Vec<PathBuf>,
    /// Folders that must be there and are not (conf.d, logrotate.d).
    pub missing_folders: Vec<PathBuf>,
    /// Users that do not exist, with the programs that want them.
    pub missing_users: BTreeMap<UserName, Vec<String>>,
    /// The runner.sh of scripts, if it is one with variables of the deployment, but without these.
    pub runner_without: Vec<&'static str>,
    /// Scripts, commands and runners that are not there or cannot be run, in words, by program.
    pub missing_code: Vec<MissingCode>,
}

impl ActualSite {
    /// Whether an apply of the site that never ended has changed this file, which is undone first.
    fn is_put_back(&self, file: &Path) -> bool {
        let undone = self.interrupted.undone_first.iter();
        undone.flat_map(|(_, journal)| &journal.files).any(|changed| changed.path == *file)
    }

    /// What was at a path before an apply that was killed and is to be finished, and had it as the site's
    /// own; `None` where there is none.
    pub(crate) fn before_interruption(&self, file: &Path) -> Option<Option<&TakenFile>> {
        let journal = self.interrupted.finished.as_ref()?;
        // One that has let go of the file, as a release does, has left there what is somebody's.
        let takes = journal.target.as_ref().is_some_and(|to| to.files.contains_key(file));
        takes.then(|| journal.taken_over.get(file))
    }

    /// Whether the last revision has this file, or that which a killed apply led to.
    pub(crate) fn is_recorded(&self, file: &Path) -> bool {
        self.record.as_ref().is_some_and(|record| record.files.contains_key(file))
    }

    /// Whether a group is somebody else's, whatever its name is: a file that is not the site's own
    /// defines it or takes its program into a group, or another site has it on record.
    pub(crate) fn is_anothers(&self, group: &str, daemon: &ActualDaemon) -> bool {
        self.claimed_groups.contains(group)
            || daemon
                .defined
                .of_group(group)
                .chain(daemon.defined.taking_in(group))
                .any(|one| !self.owned.contains(&one.file) && !self.is_put_back(&one.file))
    }
}

/// Something a program needs to run and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingCode {
    /// The programs that need it.
    pub programs: Vec<String>,
    /// Where it was looked for.
    pub path: PathBuf,
    /// What is wrong with it, e.g. `does not exist`.
    pub problem: String,
}
