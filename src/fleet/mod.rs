//! Many machines at once: which are meant, the doors to them, and what is done on all of them.
//!
//! [`Fleet`] asks hosts, many at a time, and hands on their answers. [`run()`] is the choreography of
//! whatever changes hosts: plan them all, have somebody agree, apply in batches. What people see of it is
//! an [`Observer`]'s business, and how it ended in all is [`outcome`]'s.

mod asking;
mod left;
pub mod outcome;
pub mod rollout;
mod run;
mod taking_back;
mod work;

pub use asking::{Answer, Fleet, not_reached, own_path};
pub use left::{
    Emptied, Leavers, Leaving, Prune, ask as leavers_of, check_named, check_not_all,
    check_something, selected_with_leavers, without_programs,
};
pub use outcome::{Answers, Ends};
pub use run::{Agreement, HostPlans, Observer, Order, Pages, plans_of, run};
pub use taking_back::{OnHost, Over, Way, chosen, going, history_of, ways};
pub use work::{Work, only_site};
