//! Integration tests against real parts.

mod architecture;
mod client;
mod compat;
mod control;
mod crash;
mod daemon;
mod examples;
mod faults;
mod fleet;
mod full_disk;
mod ini;
mod inventory_verbs;
mod logrotate;
mod logs;
mod playbook;
mod probes;
mod processes;
mod python;
mod render;
mod runner;
mod signals;
mod simulated;
mod site;
mod sshd;
mod status;
mod supervisord_contract;
