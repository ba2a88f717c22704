//! Integration tests against real parts.

mod architecture;
mod client;
mod crash;
mod daemon;
mod examples;
mod faults;
mod ini;
mod inventory_verbs;
mod logrotate;
mod playbook;
mod python;
mod render;
mod runner;
mod simulated;
mod site;
mod supervisord_contract;
