//! The difference between how a site should be and how it is: data, with a reason for each step.
//!
//! An apply has no choices left: whatever depends on intent is decided here, and what
//! [`PlanView`] shows is all that an apply does.

mod control;
mod elsewhere;
mod group;
mod intent;
mod loaded;
mod logs;
mod mask;
mod narrow;
mod planner;
mod refusal;
mod release;
mod remarks;
mod sections;
mod setting;
mod some;
mod view;
mod whose;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::desired::{DesiredFile, DesiredGroup, FileKind};
use crate::inventory::{Domain, Signal};
use crate::records::TakenFile;
use crate::system::files::Entry;

pub use intent::{Intent, PlanOptions, Running};
pub use mask::diff as masked_diff;
pub use planner::{Planned, Situation, plan_site};
pub use refusal::{Override, Refusal};
pub use remarks::note_others;
pub use setting::SettingChange;
pub use view::{FileChangeKind, FileView, GroupView, PlanView};
pub(crate) use whose::Whose;

/// What would be done to one site on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SitePlan {
    /// The site that it is for.
    pub domain: Domain,
    /// The revision that it goes to, where that is not what the inventory says.
    pub revision: Option<u64>,
    /// Files that change, by path.
    pub files: BTreeMap<PathBuf, FileChange>,
    /// Folders that are made first.
    pub folders: Vec<PathBuf>,
    /// Whether the files that are there log to them, too: then an undo leaves them.
    pub folders_stay: bool,
    /// Logs of programs that go, which go at the very end: they do not come back.
    pub logs: Vec<PathBuf>,
    /// Such logs where nobody asked for that: they stay.
    pub logs_stay: Vec<PathBuf>,
    /// Groups something is done to, or deliberately not done to, by name.
    pub groups: BTreeMap<String, GroupChange>,
    /// The processes of the site's groups that run, or ran before an interrupted apply, by group:
    /// what an undo must bring back.
    pub ran: BTreeMap<String, Vec<String>>,
    /// Those of `ran` that are in BACKOFF: an undo leaves them as well as they were.
    pub failing: BTreeMap<String, Vec<String>>,
    /// The processes of the site's groups that a person had stopped, by group: they stay stopped,
    /// also when supervisord starts the rest of their group.
    pub stopped: BTreeMap<String, Vec<String>>,
    /// Those of `stopped` that nobody had ever started: with `autostart` they start.
    pub idle: BTreeMap<String, Vec<String>>,
    /// Groups that an interrupted apply was about to change, and that this one, of other programs,
    /// leaves to be finished.
    pub unfinished: BTreeSet<String>,
    /// What is done instead to a group that is to be replaced, should supervisord see no difference
    /// between what it runs and its new file.
    pub unseen: BTreeMap<String, GroupAction>,
    /// Processes that an interrupted apply has changed and may not have watched to the end, by group:
    /// they are watched with what this one starts.
    pub unwatched: BTreeMap<String, (DesiredGroup, Vec<String>)>,
    /// Groups that go on with a configuration of before, whose processes have longer to stop by it than
    /// by the wanted one: so many seconds.
    pub still_loaded: BTreeMap<String, u32>,
    /// Every group that is the site's, whatever is done to it.
    pub own: BTreeSet<String>,
    /// Groups of the site that stay as they are.
    pub unchanged: Vec<String>,
    /// Whether files are as wanted that no revision has: an apply records them as the site's.
    pub unrecorded: bool,
    /// What stands at paths of the site that no revision has: kept as revision 0 before it is the site's.
    pub taken_over: BTreeMap<PathBuf, TakenFile>,
    /// Whether the site is forgotten when all else is done.
    pub releases: bool,
    /// An interrupted apply of this site that this one undoes or finishes, in words.
    pub interrupted: Option<String>,
    /// Who is at work on this site while it is planned. What they have not done yet is planned here too.
    pub under_way: Option<String>,
    /// What is left alone, and why.
    pub notes: Vec<String>,
    /// What a person should see to; stops nothing.
    pub warnings: Vec<String>,
    /// Why an apply will not start. Empty if it will.
    pub refusals: Vec<Refusal>,
}

impl SitePlan {
    /// A plan that does nothing to this site yet.
    pub(crate) fn without_changes(domain: Domain) -> Self {
        Self {
            domain,
            revision: None,
            files: BTreeMap::new(),
            folders: Vec::new(),
            folders_stay: false,
            logs: Vec::new(),
            logs_stay: Vec::new(),
            groups: BTreeMap::new(),
            ran: BTreeMap::new(),
            failing: BTreeMap::new(),
            stopped: BTreeMap::new(),
            idle: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            unseen: BTreeMap::new(),
            unwatched: BTreeMap::new(),
            still_loaded: BTreeMap::new(),
            own: BTreeSet::new(),
            unchanged: Vec::new(),
            unrecorded: false,
            taken_over: BTreeMap::new(),
            releases: false,
            interrupted: None,
            under_way: None,
            notes: Vec::new(),
            warnings: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// Whether an apply has nothing to do.
    pub fn is_empty(&self) -> bool {
        self.leaves_host_as_it_is() && !self.unrecorded && !self.releases
    }

    /// Whether an apply has nothing to do but, perhaps, to record what is there.
    pub fn leaves_host_as_it_is(&self) -> bool {
        self.files.is_empty()
            && self.folders.is_empty()
            && self.interrupted.is_none()
            && self.under_way.is_none()
            && self.groups.values().all(|group| !group.action.acts())
    }
}

/// A file that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Which of the two kinds.
    pub kind: FileKind,
    /// What is there now.
    pub before: Entry,
    /// What will be there; `None` removes it.
    pub after: Option<DesiredFile>,
    /// Whether what is there is another user's who must not own it.
    pub is_anothers: bool,
}

/// What is done to one group, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// What is done to it; `Leave` where that is nothing, on purpose.
    pub action: GroupAction,
    /// Why that, or why nothing, is done.
    pub reason: Reason,
    /// How it should be; `None` when it goes.
    pub desired: Option<DesiredGroup>,
    /// At most this many of its processes at a time, each healthy before the next; `None`: all
    /// together.
    pub rolling: Option<u32>,
    /// Groups that must be gone before it comes: it takes their place.
    pub after: Vec<String>,
    /// Seconds its processes have to stop: the longer `stopwaitsecs` of the former and the new
    /// file.
    pub stop_seconds: u32,
    /// How supervisord asks its processes to stop.
    pub stop_signals: StopSignals,
    /// What its file says otherwise than it did, with the values as they are.
    pub settings: Vec<SettingChange>,
    /// The command of a program that is new to supervisord.
    pub command: Option<String>,
}

impl GroupChange {
    /// This and no more; how its processes stop depends on what is loaded.
    pub(crate) fn new(
        action: GroupAction,
        reason: Reason,
        stop_seconds: u32,
        stop_signals: StopSignals,
    ) -> Self {
        Self {
            action,
            reason,
            desired: None,
            rolling: None,
            after: Vec::new(),
            stop_seconds,
            stop_signals,
            settings: Vec::new(),
            command: None,
        }
    }
}

/// How supervisord asks the processes of a group to stop: by the configuration it has loaded, whatever
/// the files say by now and also after it has read them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopSignals {
    /// As it is loaded; `None` where the files do not tell that.
    pub loaded: Option<StopSignal>,
    /// Once it has loaded the file as it is.
    pub former: Option<StopSignal>,
    /// Once it has loaded the file as it will be.
    pub new: Option<StopSignal>,
}

/// What is sent to a process that is to stop, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopSignal {
    /// `stopsignal=`, which is TERM where the file does not say.
    pub signal: Signal,
    /// `stopasgroup=`: their children are asked, too.
    pub as_group: bool,
}

/// What can be done to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum GroupAction {
    /// It comes to supervisord. With `autostart=true` supervisord starts it.
    Add {
        /// Whether its processes are started although `autostart=false`, because they ran before
        /// an interrupted apply.
        start: bool,
    },
    /// Its processes stop, it leaves supervisord and comes back with the new configuration.
    Replace {
        /// Whether its processes are started afterwards although `autostart=false`, because they
        /// ran.
        start: bool,
    },
    /// Its processes stop and it leaves supervisord.
    Remove,
    /// Its processes stop and start; the configuration is the one it has.
    Restart {
        /// The processes, by name within the group.
        processes: Vec<String>,
    },
    /// These processes start: they ran before an interrupted apply.
    Start {
        /// The processes, by name within the group.
        processes: Vec<String>,
    },
    /// These processes stop and stay so; an apply takes them for stopped by hand.
    Stop {
        /// The processes, by name within the group.
        processes: Vec<String>,
    },
    /// Its files change but its processes are left: the next restart takes the change up.
    Leave,
}

impl GroupAction {
    /// Whether anything is done to processes.
    pub fn acts(&self) -> bool {
        !matches!(self, Self::Leave)
    }
}

/// Why something is done to a group, or not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Reason {
    /// The inventory has it, the host does not.
    New,
    /// Its file is there, supervisord has not loaded it.
    NotLoaded,
    /// These options change.
    Changed {
        /// supervisord's option names; for `environment` the variables' names.
        options: Vec<String>,
    },
    /// Its file is newer than what supervisord runs.
    FileNewer,
    /// Its file is as it was applied, and what changes it says something about every program.
    EveryProgram {
        /// The files that say it: `environment` of `[supervisord]`, or `[DEFAULT]`.
        by: BTreeSet<PathBuf>,
    },
    /// The inventory does not have it any more.
    NotWanted,
    /// A restart was asked for.
    RestartAsked,
    /// A stop was asked for.
    StopAsked,
    /// An interrupted apply had stopped it.
    Interrupted,
    /// A person had stopped it, and a start was asked for.
    StartAsked,
    /// A person had stopped it.
    StoppedByHand,
    /// Restarts are deferred.
    Deferred,
    /// supervisord does not know it, and its files do not define it.
    NotKnown,
    /// It is another site's, or somebody else's.
    Anothers,
}

#[cfg(test)]
mod tests;
