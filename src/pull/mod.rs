//! Fleets without a controller: an inventory is published as a signed bundle, and each host takes it up by itself.
//!
//! [`publishing`] makes a [`bundle`], has it [signed](signing) and puts it into a [store](crate::store).
//! [`obtain`] brings it to a host and believes it; [`itself`] finds the host in it, [`waves`] says whether it is
//! the host's turn. What follows is an apply like any other. [`state`] is what a host must not forget, and
//! [`status`] what it tells others.

pub(crate) mod bundle;
mod fleet_status;
mod handing_over;
mod itself;
mod obtain;
mod publishing;
mod signing;
mod state;
mod status;
mod waves;

pub(crate) use bundle::{Bundle, Digest};
pub(crate) use fleet_status::{FleetStatus, HostInStore, fleet_status};
pub(crate) use handing_over::{become_it, other_binary};
pub(crate) use itself::{Machine, find};
pub(crate) use obtain::{Source, kept};
pub(crate) use publishing::{Draft, Wish, draft, programs_by_host, publish, published};
pub(crate) use signing::Signers;
pub(crate) use state::{Hold, LastPull, PullState, Refused, Remembered, Trying, check_only_ours};
pub(crate) use status::{
    PullOutcome, PullStatus, SiteTrouble, failed_before, failure_of, object_of,
};
pub(crate) use waves::{Turn, turn, wave_of};
