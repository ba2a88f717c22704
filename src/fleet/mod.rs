//! The same work done by another process: as another user (sudo), on another machine (ssh), on many
//! machines at once.
//!
//! The far end is `supervisor-sync agent`, the same binary, which reads requests and writes events
//! and replies, each a line of JSON. Lock, journal and rollback live there, so that a caller that
//! goes away leaves a host that finishes or undoes by itself.

pub mod agent;
mod conversation;
pub mod payload;
mod refusals;
mod remote;
pub mod rollout;
pub mod ssh;
pub mod sudo;
mod sudoers;
pub mod wire;

pub use payload::Payload;
pub use ssh::{SshHost, SshSettings};
pub use sudo::SudoHost;

use crate::error::{CommandError, ErrorKind};
use crate::host::Request;

/// Whether a request may change something on the host.
fn changes(request: &Request) -> bool {
    match request {
        Request::Plan { .. }
        | Request::History { .. }
        | Request::Status { .. }
        | Request::Logs(_) => false,
        Request::Apply(_)
        | Request::Control(_)
        | Request::WriteRunner { .. }
        | Request::Setup { .. } => true,
    }
}

/// Ctrl-C before anything was asked.
fn interrupted() -> CommandError {
    CommandError::new(ErrorKind::Interrupted, "interrupted before anything was done")
}
