//! One program: supervisord's own option names with checked types, and what the inventory adds.
//!
//! Options that the inventory did not set are `None`, so that rendering writes only what somebody
//! asked for and supervisord's own defaults stay supervisord's.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::keys::words;
use super::name::{ConfigName, FullName, ProgramName};
use super::site::Format;
use super::value::{
    CommandLine, Directory, EnvironmentName, EnvironmentValue, LogTarget, ProgramUser, ScriptPath,
};

/// The most processes one program may have. supervisord itself knows no limit and would try; its
/// usual limit of file descriptors (`minfds=1024`) is reached at about 300.
pub const MOST_PROCESSES: u32 = 1000;

/// A program of a site, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its name within the site.
    pub name: ProgramName,
    /// Its name in supervisord; `{domain}-{program}` if not set.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<FullName>,
    /// The supervisor config it is in, which others may share; `{full name}.conf` if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<ConfigName>,
    /// The group of supervisord that it is in, with others; one of its own if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<FullName>,
    /// What it runs.
    pub run: Run,
    /// `directory=`; the site's `current` if not set.
    pub directory: Option<Directory>,
    /// `user=`; the site's user if not set.
    pub user: Option<ProgramUser>,
    /// `autostart=`. Default true.
    pub autostart: bool,
    /// Whether supervisord starts a process again that has exited: `autorestart=`. Default true.
    pub autorestart: Autorestart,
    /// `stopwaitsecs=`, seconds from the stop signal to SIGKILL. Default 3600.
    pub stopwaitsecs: u32,
    /// `numprocs=`. Default 1, at most [`MOST_PROCESSES`].
    pub numprocs: u32,
    /// `environment=`; the values are secrets.
    pub environment: BTreeMap<EnvironmentName, EnvironmentValue>,
    /// Whether `%(NAME)s` in its values is supervisord's to expand; else `%` is a text like any other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expansions: bool,
    /// For `plain`, which writes no other: which of `autostart`, `autorestart`, `stopwaitsecs` and
    /// `numprocs` somebody set.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub said: BTreeSet<String>,
    /// The options that only pass through to supervisord.
    pub supervisord: SupervisordOptions,
    /// How its log is rotated.
    pub logs: Logs,
    /// Whether its processes share one group.
    pub instances: Instances,
    /// How a change reaches running processes.
    pub restart: RestartPolicy,
    /// When it counts as healthy after an apply.
    pub health: Health,
    /// The line of the inventory it came from, for messages.
    pub line: Option<u32>,
}

impl Program {
    /// A program with every default of the contract.
    pub fn new(name: ProgramName, run: Run) -> Self {
        Self {
            name,
            full_name: None,
            file: None,
            group: None,
            run,
            directory: None,
            user: None,
            autostart: true,
            autorestart: Autorestart::Always,
            stopwaitsecs: 3600,
            numprocs: 1,
            environment: BTreeMap::new(),
            expansions: false,
            said: BTreeSet::new(),
            supervisord: SupervisordOptions::default(),
            logs: Logs::default(),
            instances: Instances::Together,
            restart: RestartPolicy::Immediate,
            health: Health::default(),
            line: None,
        }
    }
}

/// Options of a program that are supervisord's own and that it alone acts on: those that the inventory
/// set, as supervisord's file has them. Which there are stands in the table of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct SupervisordOptions(BTreeMap<String, String>);

impl SupervisordOptions {
    /// The value of an option, if it was set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Each that was set, by name.
    #[cfg(feature = "web")]
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Sets an option to a value in supervisord's own spelling.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// A number, if it was set.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.get(name)?.parse().ok()
    }

    /// True or false, if it was set.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| value == "true")
    }

    /// `exitcodes=`, if it was set.
    pub fn exit_statuses(&self) -> Option<Vec<u8>> {
        self.get("exitcodes")?.split(',').map(|status| status.parse().ok()).collect()
    }
}

/// What comes over a wire was checked where it was read: a line break would be another option.
impl TryFrom<BTreeMap<String, String>> for SupervisordOptions {
    type Error = String;

    fn try_from(options: BTreeMap<String, String>) -> Result<Self, String> {
        let are_sound = options.iter().all(|(name, value)| {
            super::program_keys::supervisords().any(|key| key.name == name)
                && !value.chars().any(char::is_control)
        });
        match are_sound {
            true => Ok(Self(options)),
            false => Err("supervisord has no such option".to_owned()),
        }
    }
}

/// What a program runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// A script of the live release, through the site's runner.sh.
    Script(ScriptPath),
    /// A command line as it is, without runner.sh.
    Command(CommandLine),
}

/// `autorestart=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Autorestart {
    /// `true`: restarted whenever it exits.
    Always,
    /// `false`: left as it is, whatever its exit status.
    Never,
    /// `unexpected`: only when it exits with a status that is not in `exitcodes`.
    Unexpected,
}

words!(Autorestart { "true" => Always, "false" => Never, "unexpected" => Unexpected, });

impl Autorestart {
    /// As supervisord writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "true",
            Self::Never => "false",
            Self::Unexpected => "unexpected",
        }
    }
}

/// Where the output of a program goes, and how it is rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// Where stdout goes; a file of the site's if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<LogTarget>,
    /// Where stderr goes; with stdout if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<LogTarget>,
    /// Who rotates; logrotate if not set, but for `plain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// How many rotated files are kept (`rotate`). Default 5.
    pub rotate: u32,
    /// Days after which a rotated file is removed (`maxage`). Default 30.
    pub maxage: u32,
    /// Rotate as soon as the log is larger than this many bytes (`maxsize`), beside `frequency`.
    pub size: Option<u64>,
    /// How often. Default daily.
    pub frequency: LogFrequency,
    /// Whether rotated files are compressed. Default true.
    pub compress: bool,
}

impl Logs {
    /// Who rotates, as files of this format have it.
    pub fn rotation(&self, format: Format) -> Rotation {
        self.rotation.unwrap_or(match format {
            Format::Classic | Format::Hardened => Rotation::Logrotate,
            Format::Plain => Rotation::Supervisord,
        })
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            path: None,
            stderr: None,
            rotation: None,
            rotate: 5,
            maxage: 30,
            size: None,
            frequency: LogFrequency::Daily,
            compress: true,
        }
    }
}

/// Who rotates a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// logrotate, by a config of ours.
    Logrotate,
    /// supervisord itself, as its options say.
    Supervisord,
    /// Nobody that we know of.
    None,
}

words!(Rotation {
    "logrotate" => Logrotate,
    "supervisord" => Supervisord,
    "none" => None,
});

/// How often logrotate rotates, by its own keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "logrotate's own keywords")]
pub enum LogFrequency {
    Hourly,
    Daily,
    Weekly,
    Monthly,
}

words!(LogFrequency {
    "hourly" => Hourly,
    "daily" => Daily,
    "weekly" => Weekly,
    "monthly" => Monthly,
});

impl LogFrequency {
    /// The line that logrotate's config has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }
}

/// Whether the processes of a program share one supervisord group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instances {
    /// One section with `numprocs=N`: a change of N restarts all of them.
    Together,
    /// A section for each process: a change of N starts or stops only the difference.
    Separate,
}

words!(Instances { "together" => Together, "separate" => Separate, });

/// How a changed configuration reaches running processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// At once, all together.
    Immediate,
    /// One process at a time, each healthy before the next.
    Rolling,
    /// Not now: the next restart of the program picks it up.
    Deferred,
}

words!(RestartPolicy {
    "immediate" => Immediate,
    "rolling" => Rolling,
    "deferred" => Deferred,
});

/// When a program counts as healthy after an apply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// Seconds it must keep the same pid. Default: `startsecs`, at least 2.
    pub stable_for: Option<u32>,
    /// Asked in addition, after the window.
    pub probe: Option<Probe>,
}

/// A question to the running program; it must be answered well before the deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// `GET` of an `http://` address from the host; any status below 400 is healthy.
    Http {
        /// An `http://` address without a user and a password.
        url: String,
        /// Seconds until it counts as failed. Default 10.
        timeout: u32,
    },
    /// A TCP connection to `host:port` from the host.
    Tcp {
        /// `host:port`, with a host name or an IP address.
        address: String,
        /// Seconds until it counts as failed. Default 10.
        timeout: u32,
    },
    /// A command; exit status 0 is healthy. It runs as the user who applies, split like a shell
    /// would, without a shell.
    Exec {
        /// The command line.
        command: CommandLine,
        /// Seconds until it counts as failed. Default 10.
        timeout: u32,
    },
}
