//! How one site's files should be on one host: exact bytes, nothing left to decide. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::inventory::{Autorestart, Domain, Health, RestartPolicy};
use crate::supervisord::Environment;

mod by_hand;
mod group;
mod logrotate;
mod named_group;
mod render;

pub(crate) use render::section_options;
pub use render::{RenderError, render};

/// What a host's supervisord has to say about how a site's files should be.
#[derive(Debug, Clone, Default)]
pub struct DaemonFacts {
    /// Where it writes its pid, as its main config says. `None` where that is not known: logs are
    /// then rotated without telling it.
    pub pidfile: Option<PathBuf>,
    /// What `%(ENV_X)s` stands for in its files.
    pub environment: Environment,
    /// What `%(host_node_name)s` stands for.
    pub node: Option<String>,
}

/// Everything a site should have on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredSite {
    /// Whose it is.
    pub domain: Domain,
    /// The bytes of each managed file, by path.
    pub files: BTreeMap<PathBuf, DesiredFile>,
    /// supervisord's groups that those files define, by name.
    pub groups: BTreeMap<String, DesiredGroup>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredFile {
    /// Which of the two.
    pub kind: FileKind,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Whether it holds environment values: then nobody but its owner may read it.
    pub secret: bool,
    /// The programs it is of.
    pub programs: BTreeSet<String>,
    /// Whether somebody wrote it by hand: then it is there as a whole or not at all.
    pub verbatim: bool,
    /// How it was there before the site took it over, if it is to be so again.
    pub former: Option<Former>,
}

/// How a file was there before a site took it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Former {
    /// A file of its own.
    File {
        /// Permission bits (0o7777).
        mode: u32,
        /// User and group.
        owner: Option<(u32, u32)>,
    },
    /// A symbolic link.
    Link {
        /// What it says.
        target: PathBuf,
    },
}

/// The two kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// In conf.d, read by supervisord.
    Supervisor,
    /// In logrotate.d.
    Logrotate,
}

/// A group of supervisord, with what an apply needs to know to update and verify it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredGroup {
    /// The program's name within its site.
    pub program: String,
    /// How many processes the group has.
    pub numprocs: u32,
    /// `autostart=`.
    pub autostart: bool,
    /// `autorestart=`.
    pub autorestart: Autorestart,
    /// `stopwaitsecs=`, seconds.
    pub stopwaitsecs: u32,
    /// `startsecs=`, seconds.
    pub startsecs: u32,
    /// `startretries=`.
    pub startretries: u32,
    /// `exitcodes=`.
    pub exitcodes: Vec<u8>,
    /// Where its output goes; empty if that is no file.
    pub log: PathBuf,
    /// How a change reaches its processes.
    pub restart: RestartPolicy,
    /// When it counts as healthy.
    pub health: Health,
    /// The link to the live release, if its processes start in it: what they must then run in.
    /// `None` when the inventory gave them another `directory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<PathBuf>,
    /// The names of its processes, where they are not made of the group's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// Those of them that supervisord does not start by itself, where it starts others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<String>,
    /// The sections that it takes in, where it is a `[group:]`: nobody else may have them either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<String>,
}

impl DesiredGroup {
    /// Whether supervisord starts a process of it by itself.
    pub(crate) fn starts(&self, process: &str) -> bool {
        self.autostart && !self.idle.iter().any(|idle| idle == process)
    }

    /// The names of its processes, `group` being its own, as the `process_name` we write makes them.
    pub fn process_names(&self, group: &str) -> Vec<String> {
        match self.numprocs {
            _ if !self.processes.is_empty() => self.processes.clone(),
            1 => vec![group.to_owned()],
            n => (0..n).map(|number| format!("{group}_{number:02}")).collect(),
        }
    }
}
