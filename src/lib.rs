//! `supervisor-sync` makes the programs that run under supervisord match an inventory.
//!
//! The pipeline, and where each stage lives:
//!
//! 1. [`inventory`]: what people wrote, read and checked.
//! 2. [`desired`]: the exact bytes of each file a site should have on a host (pure).
//! 3. [`actual`]: how the host is now (reads only).
//! 4. [`plan`]: the difference, as data, with a reason for each step (pure).
//! 5. [`apply`]: the transaction that carries out one plan, or puts everything back.
//! 6. [`supervisord`]: the daemon, over XML-RPC. [`system`]: files, users, clock. [`records`]: what
//!    outlives the process.
//! 7. [`api`]: what can be asked of a machine; `transport`: the same work as another user or on another
//!    machine, over a pipe;  `fleet`: many machines at once; `import`: from what runs to an inventory.
//! 8. [`report`]: what people and machines see of it. [`status`]: what is wanted beside what runs.
//!
//! `notify` tells others what came of a run. `pull` is a fleet without a controller, over a [`store`] of signed bundles.
//!
//! `starter` is what a repository begins with. [`setup`] makes a server ready for all that; `sandbox` is a supervisord for a while on a desk. [`host`] wires 2 to 6 for one machine; [`playbook`] and [`cli`] are its front doors,
//! and `web`, which only looks.

pub mod actual;
pub mod api;
pub mod apply;
mod check;
pub mod cli;
pub mod desired;
pub mod error;
pub mod event;
mod fleet;
mod front;
pub mod host;
pub mod import;
pub mod inventory;
mod lint;
mod notify;
pub mod plan;
pub mod playbook;
mod pull;
pub mod records;
pub mod report;
pub mod runner;
mod sandbox;
pub mod setup;
mod starter;
pub mod status;
pub mod store;
pub mod supervisord;
pub mod system;
mod transport;
#[cfg(feature = "web")]
mod web;
