//! Many machines at once: which are meant, the doors to them, and what is done on all of them.
//!
//! [`Fleet`] asks hosts, many at a time, and hands on their answers. [`run()`] is the choreography of
//! whatever changes hosts: plan them all, have somebody agree, apply in batches. What people see of it is
//! an [`Observer`]'s business, and how it ended in all is [`outcome`]'s.

mod agreement;
mod asking;
mod host_work;
mod left;
mod order;
pub(crate) mod outcome;
pub(crate) mod rollout;
mod run;
mod saved;
mod taking_back;

pub(crate) use agreement::{Agreement, Amount};
#[cfg(feature = "web")]
pub(crate) use asking::allow_many_files;
pub(crate) use asking::{Fleet, Watcher, not_reached, own_path};
pub(crate) use host_work::{HostWork, only_site};
pub(crate) use left::{
    Emptied, Leavers, Prune, ask as leavers_of, check_named, check_not_all, check_something,
    selected_with_leavers,
};
pub(crate) use order::Order;
pub(crate) use outcome::{Ended, EndedAs, FleetOutcome, LookOutcome};
pub(crate) use run::{HostPlans, Observer, Pages, plans_of, run};
pub(crate) use saved::{Reviewed, SavedPlan};
pub(crate) use taking_back::{
    NothingLeft, RollbackWay, SiteRollback, chosen, going, history_of, revisions_of, ways,
};
