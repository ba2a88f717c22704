//! The daemon: the XML-RPC methods we use, under supervisord's own names.
//!
//! [`Supervisord`] is the door; behind it stands [`Client`], found through [`MainConfig`], or a fake in
//! tests (`tests/it/fake.rs`). Facts are from `supervisor/rpcinterface.py` of 4.2.5 and
//! were tried on a live daemon, as `tests/it/supervisord_contract.rs` does again on every run.
//! This module imports nothing of ours and could leave as a crate.

use std::time::Duration;

use serde::{Deserialize, Serialize};

mod answer;
mod blame;
mod client;
pub mod config;
mod connection;
pub mod defaults;
mod environment;
mod fault;
mod http;
pub mod include;
pub mod ini;
mod listener;
mod locate;
mod meaning;
pub mod merged;
pub mod process;
mod running;
mod section;
pub mod words;
mod xmlrpc;

pub use blame::{Blame, Culprit, blame};
pub use client::{Client, DEFAULT_DEADLINE, ShouldStop};
pub use config::{ConfigError, MainConfig};
pub use environment::Environment;
pub use fault::{Fault, FaultCode};
pub use listener::{Listener, Login, UnusableListener, UnusableReason, WayIn};
pub use meaning::{ReadBy, default_text, meaning, meanings, say_the_same, signal_name};
pub use process::{ProcessInfo, ProcessState, display_name};
pub use section::{GroupHeader, GroupKind};

/// One XML-RPC call. Only methods that supervisord answers at once: a deferred one (`wait=true`,
/// `stopProcessGroup`) inside a batch runs about a second each, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// `supervisor.getSupervisorVersion`: text, e.g. `4.2.5`.
    GetSupervisorVersion,
    /// `supervisor.getPID`: supervisord's own pid.
    GetPid,
    /// `supervisor.reloadConfig`: reads all files anew; changes no process. The fault is CANT_REREAD
    /// with supervisord's reason, and then nothing has changed: the configuration read before stays
    /// the one `addProcessGroup` uses.
    ReloadConfig,
    /// `supervisor.getAllProcessInfo`: of every process of every loaded group, stopped ones too.
    GetAllProcessInfo,
    /// `supervisor.getProcessInfo`; the namespec is `group:process`. It costs supervisord as much as
    /// one process of [`GetAllProcessInfo`](Self::GetAllProcessInfo) does.
    GetProcessInfo(String),
    /// `supervisor.addProcessGroup`: returns before anything is spawned.
    AddProcessGroup(String),
    /// `supervisor.removeProcessGroup`: every process of it must be stopped.
    RemoveProcessGroup(String),
    /// `supervisor.stopProcess` with `wait=false`; the namespec is `group:process`.
    StopProcess(String),
    /// `supervisor.startProcess` with `wait=false`; the namespec is `group:process`.
    StartProcess(String),
}

/// The answer to a [`Call`], by what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `true` of the calls that change something.
    Done,
    /// The version that `getSupervisorVersion` gives.
    Text(String),
    /// The pid that `getPID` gives.
    Number(i64),
    /// The difference `reloadConfig` found.
    Reload(Reload),
    /// Every process of every loaded group.
    Processes(Vec<ProcessInfo>),
    /// The one that was asked for.
    Process(Box<ProcessInfo>),
}

/// What `reloadConfig` found: names of groups, compared with the running ones.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reload {
    /// In the files, not running.
    pub added: Vec<String>,
    /// In both, different.
    pub changed: Vec<String>,
    /// Running, no longer in the files.
    pub removed: Vec<String>,
}

/// Why a batch got no answers at all.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no socket at this address.
    #[error("no supervisord listens on {address}")]
    NotRunning {
        /// The socket's path or the TCP address; all that were tried, where there are several.
        address: String,
        /// The pid of a supervisord that runs all the same.
        runs_as: Option<i32>,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The socket is there but we may not use it.
    #[error("no permission to use {address}")]
    NoPermission {
        /// The socket's path or the TCP address.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// HTTP 401: it asks for a login, or for another one than was sent.
    #[error("supervisord on {address} refused the user name or password")]
    Unauthorized {
        /// The socket's path or the TCP address.
        address: String,
    },
    /// No answer in time.
    #[error("supervisord on {address} did not answer within {after:?}")]
    TimedOut {
        /// The socket's path or the TCP address.
        address: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// Somebody wanted to stop before there was an answer. What was asked may still be done.
    #[error("interrupted while supervisord on {address} did not answer")]
    Interrupted {
        /// The socket's path or the TCP address.
        address: String,
    },
    /// The connection broke.
    #[error("the connection to supervisord on {address} broke")]
    Broken {
        /// The socket's path or the TCP address.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The answer is not what supervisord answers.
    #[error("{address} did not answer like supervisord: {reason}")]
    NotSupervisord {
        /// The socket's path or the TCP address.
        address: String,
        /// What was wrong.
        reason: String,
    },
}

/// The door to the daemon. There is one required method, because everything the engine does is
/// batched: N programs cost one round trip.
pub trait Supervisord {
    /// Sends `calls` as one `system.multicall` and answers each in order. A fault of one call does
    /// not stop the others. Every call that is not answered within the client's deadline is an
    /// error of the whole batch.
    fn batch(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Fault>>, CallError>;

    /// How many files the next rereads have to read, with how many sections: how long they may take
    /// depends on it, and is returned.
    fn expect_files(&mut self, _files: usize, _sections: usize) -> Duration {
        DEFAULT_DEADLINE
    }

    /// One call on its own.
    fn call(&mut self, call: Call) -> Result<Result<Answer, Fault>, CallError> {
        let calls = [call];
        let [call] = &calls;
        self.batch(&calls)?.pop().ok_or_else(|| unexpected(call))
    }

    /// [`Call::GetAllProcessInfo`], sorted by group and name.
    fn get_all_process_info(&mut self) -> Result<Result<Vec<ProcessInfo>, Fault>, CallError> {
        match self.call(Call::GetAllProcessInfo)? {
            Ok(Answer::Processes(processes)) => Ok(Ok(processes)),
            Ok(_) => Err(unexpected(&Call::GetAllProcessInfo)),
            Err(fault) => Ok(Err(fault)),
        }
    }
}

impl<S: Supervisord + ?Sized> Supervisord for &mut S {
    fn batch(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Fault>>, CallError> {
        (**self).batch(calls)
    }

    fn expect_files(&mut self, files: usize, sections: usize) -> Duration {
        (**self).expect_files(files, sections)
    }
}

/// An implementation that answers another kind than was asked for.
fn unexpected(call: &Call) -> CallError {
    CallError::NotSupervisord {
        address: "supervisord".to_owned(),
        reason: format!("no proper answer to {call:?}"),
    }
}
