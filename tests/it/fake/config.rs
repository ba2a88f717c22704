//! What the fake daemon's configuration files say.

use std::time::Duration;

use supervisor_sync::supervisord::defaults;

/// A group: what `[program:x]` or `[group:x]` makes. Two that are not equal are `changed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupConfig {
    /// Its name, unique.
    pub(crate) name: String,
    /// Its processes.
    pub(crate) processes: Vec<ProcessConfig>,
}

impl GroupConfig {
    /// A `[program:name]` with one process of the same name.
    pub(crate) fn program(name: &str, behaviour: Behaviour) -> Self {
        Self { name: name.to_owned(), processes: vec![ProcessConfig::new(name, behaviour)] }
    }

    /// A `[program:name]` with `numprocs` processes `name_00`, `name_01` and so on.
    pub(crate) fn instances(name: &str, numprocs: usize, behaviour: &Behaviour) -> Self {
        let process = |n| ProcessConfig::new(&format!("{name}_{n:02}"), behaviour.clone());
        Self { name: name.to_owned(), processes: (0..numprocs).map(process).collect() }
    }

    /// The group with this done to each of its processes.
    #[must_use]
    pub(crate) fn each(mut self, change: impl Fn(&mut ProcessConfig)) -> Self {
        self.processes.iter_mut().for_each(change);
        self
    }
}

/// A process of a group. The defaults are supervisord's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessConfig {
    /// Its name within the group.
    pub(crate) name: String,
    /// Starts with the daemon and after `addProcessGroup`.
    pub(crate) autostart: bool,
    /// What becomes of it when it ends.
    pub(crate) autorestart: Autorestart,
    /// How long it must stay up to be RUNNING.
    pub(crate) startsecs: Duration,
    /// Starts after the first that fails.
    pub(crate) startretries: u32,
    /// From the stop signal to SIGKILL.
    pub(crate) stopwaitsecs: Duration,
    /// What it may exit with.
    pub(crate) exitcodes: Vec<i64>,
    /// Every other option, in any form: it only has to differ where they differ.
    pub(crate) other: String,
    /// What its command does.
    pub(crate) behaviour: Behaviour,
}

impl ProcessConfig {
    /// A process with supervisord's defaults.
    pub(crate) fn new(name: &str, behaviour: Behaviour) -> Self {
        Self {
            name: name.to_owned(),
            autostart: defaults::AUTOSTART,
            autorestart: Autorestart::Unexpected,
            startsecs: Duration::from_secs(defaults::STARTSECS.into()),
            startretries: defaults::STARTRETRIES,
            stopwaitsecs: Duration::from_secs(defaults::STOPWAITSECS.into()),
            exitcodes: defaults::EXITCODES.map(i64::from).to_vec(),
            other: String::new(),
            behaviour,
        }
    }
}

/// `autorestart=`: what happens to a process in EXITED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Autorestart {
    /// `true`.
    Always,
    /// `false`.
    Never,
    /// `unexpected`: unless its status is one of the exitcodes.
    Unexpected,
}

/// What a command does when it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Runs until it is stopped, and then ends at once.
    Runs,
    /// Runs until it is stopped, and then takes this long to end (or until stopwaitsecs, when it
    /// is killed).
    Drains(Duration),
    /// Ends of itself.
    Exits {
        /// So long after its start.
        after: Duration,
        /// With this status.
        status: i64,
    },
    /// There is no such command.
    NotFound,
}
