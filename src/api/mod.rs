//! What can be asked of a machine, and what it answers.
//!
//! [`Target`] is the one door to a machine: a [`Request`] goes in, events come out, a [`Reply`] ends it.
//! `host` answers in this process; `transport` passes the same over a pipe ([`wire`]) to one that does.
//! Whoever asks uses the typed questions of `client.rs`, which has each reply as the type it must be.

mod answered;
mod client;
mod code;
mod includes;
mod on_record;
mod reply;
mod request;
pub mod wire;

use crate::error::CommandError;
use crate::event::Event;

pub use crate::records::run::{Commit, NotARunId, RunId, RunInventory};
pub use crate::records::{Origin, Run, RunEnd, RunOutcome, Settled, SettledHow};
pub use client::Applied;
pub use code::{CodeFound, CodeNeed};
pub use includes::{IncludedFile, Includes, LoadedProcess, RecordedSite, RunningDaemon};
pub use on_record::{LastRevision, OnRecord, OwnProcesses, SiteOnRecord, SiteRecord};
pub use reply::{
    AppliedSite, GroupsDiff, Left, LeftSite, PlannedSite, Reply, RevisionSummary, SiteDiff,
    SiteHistory, SiteStatusReply, UnreadableLog, Writer,
};
pub use request::{ApplyRequest, ChosenSite, Goal, InventoryOnHost, LogsRequest, Request};

/// The door to a host. It can be handed to a thread: many hosts are asked at once.
pub trait Target: Send {
    /// Asks; `events` is told what happens meanwhile. An error means that there is no answer at
    /// all; what became of single sites is in the reply.
    fn ask(
        &mut self,
        request: Request,
        events: &mut dyn FnMut(Event),
    ) -> Result<Reply, CommandError>;
}
