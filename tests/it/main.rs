//! Integration tests against real parts.

/// What is needed to run, or the end of the test: where a part is missing, whoever looked for it has
/// failed already (`REQUIRE_E2E=1`, as in CI) or said which it is.
macro_rules! or_skip {
    ($part:expr) => {
        match $part {
            Some(part) => part,
            None => return,
        }
    };
}

mod account;
mod ansible;
mod architecture;
mod blame;
mod chain;
mod client;
mod colours;
mod compat;
mod completions;
mod crash;
mod daemon;
mod deadlines;
mod defaults;
mod documents;
mod examples;
mod fake;
mod faults;
mod fleet;
mod full_disk;
mod hints;
mod hostile_state;
mod imports;
mod includes;
mod ini;
mod integrate;
mod links;
mod listens;
mod logrotate;
mod lost_stops;
mod meaning;
mod model;
mod pictures;
mod playbook;
mod power_cut;
mod probes;
mod processes;
mod pulls;
mod python;
mod render;
mod replay;
mod rereads;
mod signals;
mod simulated;
mod site;
mod sshd;
mod stores;
mod supervisord_contract;
mod terminal;
mod together;
mod tried;
mod unfinished;
mod verbs;
mod versions;
#[cfg(feature = "web")]
mod web;
