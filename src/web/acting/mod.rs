//! What is done from a browser. Everything is planned first, and the plan is shown ([`Proposal`]); whoever
//! confirms it sends back the fingerprint of what was shown, and nothing else is done than that.
//!
//! A plan and what comes of it are what the command line prints, for people and for machines: both are
//! written along ([`Transcript`](crate::report::Transcript)) while threads of their own do the work.

mod answering;
mod asked;
mod carrying_out;
mod planning;
mod proposal;
mod proposals;
mod told;

pub(super) use answering::{Reader, answer};
pub(super) use asked::{Asked, Deed};
pub(super) use proposal::{HostLine, HostState, Proposal, Stage, View};
pub(super) use proposals::{Proposals, Tools};
