//! One program: supervisord's own option names with checked types, and what the inventory adds.
//!
//! Options that the inventory did not set are `None`, so that rendering writes only what somebody
//! asked for and supervisord's own defaults stay supervisord's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::name::{
    AbsolutePath, CommandLine, EnvironmentName, EnvironmentValue, NameError, ProgramName,
    ScriptPath, UserName,
};

/// The most processes one program may have. supervisord itself knows no limit and would try; its
/// usual limit of file descriptors (`minfds=1024`) is reached at about 300.
pub const MOST_PROCESSES: u32 = 1000;

/// A program of a site, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its name within the site.
    pub name: ProgramName,
    /// What it runs.
    pub run: Run,
    /// `directory=`; the site's `current` if not set.
    pub directory: Option<AbsolutePath>,
    /// `user=`; the site's user if not set.
    pub user: Option<UserName>,
    /// `autostart=`. Default true.
    pub autostart: bool,
    /// `autorestart=`. Default true.
    pub autorestart: Autorestart,
    /// `stopwaitsecs=`, seconds from the stop signal to SIGKILL. Default 3600, at least 1.
    pub stopwaitsecs: u32,
    /// `numprocs=`. Default 1, at most [`MOST_PROCESSES`].
    pub numprocs: u32,
    /// `environment=`; the values are secrets.
    pub environment: BTreeMap<EnvironmentName, EnvironmentValue>,
    /// `startsecs=`, seconds a process must stay up to count as started.
    pub startsecs: Option<u32>,
    /// `startretries=`.
    pub startretries: Option<u32>,
    /// `stopsignal=`.
    pub stopsignal: Option<Signal>,
    /// `stopasgroup=`.
    pub stopasgroup: Option<bool>,
    /// `killasgroup=`.
    pub killasgroup: Option<bool>,
    /// `exitcodes=`.
    pub exitcodes: Option<Vec<u8>>,
    /// `priority=`.
    pub priority: Option<u32>,
    /// `umask=`, the mode bits, e.g. 0o022.
    pub umask: Option<u32>,
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
            run,
            directory: None,
            user: None,
            autostart: true,
            autorestart: Autorestart::Always,
            stopwaitsecs: 3600,
            numprocs: 1,
            environment: BTreeMap::new(),
            startsecs: None,
            startretries: None,
            stopsignal: None,
            stopasgroup: None,
            killasgroup: None,
            exitcodes: None,
            priority: None,
            umask: None,
            logs: Logs::default(),
            instances: Instances::Together,
            restart: RestartPolicy::Immediate,
            health: Health::default(),
            line: None,
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
    /// `false`: never.
    Never,
    /// `unexpected`: only when it exits with a status that is not in `exitcodes`.
    Unexpected,
}

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

/// `stopsignal=`: a signal's short name as supervisord accepts it (`TERM`, `HUP`, `INT`, `QUIT`,
/// `KILL`, `USR1`, `USR2`; its documentation, `[program:x]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the signals' own names")]
pub enum Signal {
    Term,
    Hup,
    Int,
    Quit,
    Kill,
    Usr1,
    Usr2,
}

impl Signal {
    /// Every signal that is accepted.
    pub const ALL: [Self; 7] =
        [Self::Term, Self::Hup, Self::Int, Self::Quit, Self::Kill, Self::Usr1, Self::Usr2];

    /// The short name, as supervisord writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Hup => "HUP",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
        }
    }

    /// Reads `TERM` or `SIGTERM`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        let short = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::ALL.into_iter().find(|signal| signal.as_str() == short)
    }
}

/// How the log of a program is rotated by logrotate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
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

impl Default for Logs {
    fn default() -> Self {
        Self { rotate: 5, maxage: 30, size: None, frequency: LogFrequency::Daily, compress: true }
    }
}

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

impl LogFrequency {
    /// logrotate's keyword.
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
        /// The address.
        url: String,
        /// Seconds until it counts as failed. Default 10.
        timeout: u32,
    },
    /// A TCP connection to `host:port` from the host.
    Tcp {
        /// `host:port`.
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

/// Checks a number that supervisord reads as an integer of at least `least`.
pub fn whole_number(value: i64, least: u32, most: u32) -> Result<u32, NameError> {
    match u32::try_from(value) {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(NameError::new(format!("must be a whole number from {least} to {most}"))),
    }
}
