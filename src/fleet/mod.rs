//! The same work done by another process: as another user (sudo), later on another machine.
//!
//! The far end is `supervisor-sync agent`, the same binary, which reads one request and writes
//! events and a reply, each a line of JSON. Lock, journal and rollback live there, so that a caller
//! that goes away leaves a host that finishes or undoes by itself.

pub mod agent;
pub mod sudo;
pub mod wire;

pub use sudo::SudoHost;
