//! The same work done by another process: as another user (sudo), on another machine (ssh), on many
//! machines at once.
//!
//! The far end is `supervisor-sync agent`, the same binary, which reads requests and writes events
//! and replies, each a line of JSON. Lock, journal and rollback live there, so that a caller that
//! goes away leaves a host that finishes or undoes by itself.

pub mod agent;
pub mod child;
mod conversation;
mod handshake;
mod heard;
mod limits;
pub mod payload;
mod persist;
mod refusals;
mod remote;
mod reply;
pub mod rollout;
pub mod ssh;
mod sudoers;
pub mod wire;

pub use child::ChildHost;
pub use payload::Payload;
pub use ssh::{SshHost, SshSettings};

use std::time::Duration;

use crate::error::{CommandError, ErrorKind};
use crate::host::Request;

/// Whether a request may change something on the host.
fn changes(request: &Request) -> bool {
    match request {
        Request::Plan { .. }
        | Request::History { .. }
        | Request::Left(_)
        | Request::RevisionDiff { .. }
        | Request::ReadRunner { .. }
        | Request::Status { .. }
        | Request::Logs(_) => false,
        Request::Apply(_) | Request::WriteRunner { .. } | Request::Setup { .. } => true,
    }
}

/// Who only looks, and has said nothing for that long.
fn silent(who: &str, silence: Option<Duration>) -> CommandError {
    let seconds = silence.unwrap_or_default().as_secs();
    CommandError::refused(format!("{who} has not answered for {seconds} s"))
        .hint("see there whether supervisor-sync hangs, e.g. on a file system that is away")
}

/// A host that cannot be understood. If it was to change something, it may have.
fn garbled(error: CommandError, changes: bool, plan: &str) -> CommandError {
    if !changes {
        return error;
    }
    error.of_kind(ErrorKind::Stuck).hint(format!("see how it ended: {plan}"))
}

/// Ctrl-C before anything was asked.
fn interrupted() -> CommandError {
    CommandError::new(ErrorKind::Interrupted, "interrupted before anything was done")
}
