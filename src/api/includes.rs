//! What a host's supervisord reads and runs, whoever wrote it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::CommandError;
use crate::inventory::Domain;
use crate::system::Bytes;

/// What a supervisord includes, in its own order, and what it runs of that. Holds secrets: the files as
/// they are, and variables of its environment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Includes {
    /// The main file. `%(here)s` in a file is the folder that this file is in, as its path has it.
    pub main: IncludedFile,
    /// What `[include]` reads, the first first: of two files that say the same option the later wins.
    pub files: Vec<IncludedFile>,
    /// The patterns of `[include] files`, absolute.
    pub patterns: Vec<String>,
    /// Files in the folders of the patterns that are called as configs are (`.conf`, `.ini`), and that no
    /// pattern matches.
    #[serde(default)]
    pub not_read: Vec<PathBuf>,
    /// What `%(host_node_name)s` stands for.
    pub node: String,
    /// What `%(ENV_X)s` stands for, for each X that one of the files names, and `PATH`, by which
    /// commands are found. One that supervisord does not have is not here. Where we may not look at its
    /// process, the asking agent's own environment is the best guess.
    pub environment: BTreeMap<String, String>,
    /// Who answers where the files say; the reason if nobody does.
    pub daemon: Result<RunningDaemon, CommandError>,
    /// The sites that are on record for this supervisord.
    pub records: Vec<RecordedSite>,
    /// Records that cannot be read.
    pub unreadable: Vec<CommandError>,
}

impl fmt::Debug for Includes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Includes")
            .field("main", &self.main)
            .field("files", &self.files)
            .field("daemon", &self.daemon)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

/// A file that supervisord reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncludedFile {
    /// As supervisord calls it, by our way to the folder of configs.
    pub path: PathBuf,
    /// Its content; empty where it cannot be read.
    #[serde(with = "crate::system::bytes::base64")]
    pub bytes: Bytes,
    /// Permission bits; those of what a link leads to are not told.
    pub mode: u32,
    /// The name of its owner, or the number of one without a name; `None` of a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it says if it is a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<PathBuf>,
    /// Why it cannot be read. supervisord passes over such a file without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// A supervisord that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningDaemon {
    /// Its release, e.g. `4.2.5`.
    pub version: String,
    /// Its pid.
    pub pid: i64,
    /// Whom it runs as, by name; `None` where its process cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Every process of every loaded group, stopped ones too, sorted by group and name.
    pub processes: Vec<LoadedProcess>,
}

/// A process that a supervisord has loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedProcess {
    /// The group it belongs to.
    pub group: String,
    /// Its name within the group.
    pub name: String,
    /// In supervisord's words, e.g. `RUNNING`.
    pub state: String,
    /// Its pid; 0 if there is none.
    pub pid: i64,
}

/// A site that was applied here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedSite {
    /// Its domain.
    pub site: Domain,
    /// The files of its last revision, supervisor's and logrotate's.
    pub files: BTreeSet<PathBuf>,
    /// The groups of its last revision.
    pub groups: BTreeSet<String>,
}
