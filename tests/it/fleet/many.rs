//! More hosts than the system has threads or open files for.

use std::path::Path;

use rustix::process::Signal;

use super::Fleet;
use crate::daemon::{PATIENCE, signal, wait_until, write_program};
use crate::site::{BINARY, Running};

const HOSTS: usize = 200;

/// Hosts that are reached by what `ssh` says.
fn many(ssh: &str) -> Option<Fleet> {
    let mut fleet = Fleet::start(&[])?;
    for number in 0..HOSTS {
        fleet = fleet.with_other(&format!("web{number}"), "host: 127.0.0.1, username: root");
    }
    fleet.keyring.write_wrapper(ssh);
    fleet.write_inventory("");
    Some(fleet)
}

/// The binary with less of the system than it might want.
fn limited(fleet: &Fleet, limit: &str, user: Option<&str>, arguments: &[&str]) -> Running {
    let binary = fleet.keyring.path("supervisor-sync");
    write_program(&binary, &std::fs::read(BINARY).unwrap());
    let binary = binary.display().to_string();
    let mut command = fleet.command(&[&[limit, "--", &binary], arguments].concat());
    command.program(Path::new("prlimit"));
    if let Some(user) = user {
        command.become_user(user);
    }
    command.spawn()
}

#[test]
fn logs_of_many_hosts_are_read_a_few_at_a_time() {
    let Some(fleet) = many("echo asked >> ${CONFIG}.asked\nexit 255") else { return };
    let run = limited(&fleet, "--nofile=64", None, &["logs", "--parallel", "8"]).wait().ended(1);
    assert!(!run.stderr.contains("Too many open files"), "{}", run.stderr);
    let asked = std::fs::read_to_string(fleet.keyring.path("config.asked")).unwrap();
    assert_eq!(asked.lines().count(), HOSTS);
}

#[test]
fn hosts_that_there_is_no_room_to_follow_are_told_and_the_rest_is_followed() {
    let Some(fleet) = many("exec sleep 1000") else { return };
    // root has as many threads as it likes.
    if !rustix::process::geteuid().is_root() {
        return crate::python::missing("the right to become another user");
    }
    let running = limited(&fleet, "--nproc=60", Some("nobody"), &["logs", "-f"]);
    wait_until(PATIENCE, "it says how many are followed", || {
        running.stderr().contains(&format!("of {HOSTS} hosts are read: "))
    });
    signal(running.id(), Signal::INT);
    running.wait().ended(130).complains("the system has no more threads");
}
