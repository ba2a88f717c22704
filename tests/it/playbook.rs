//! `playbook sync` and `playbook restart` against a real supervisord: the contract, line by line.

mod contract;
mod deadline;
mod failures;
mod ownership;
mod perms;
mod processes;
mod refusals;
mod restart;
mod result;
mod scripts;
mod sync;

use crate::site::Host;

/// The process that is at work on a site: it holds the site's lock, and says so in it.
#[expect(clippy::unwrap_used, reason = "tests")]
#[expect(clippy::disallowed_methods, reason = "looks at the files of a host")]
fn at_work(host: &Host, domain: &str) -> u32 {
    let holder = std::fs::read(host.state().join("locks").join(domain)).unwrap();
    let holder: serde_json::Value = serde_json::from_slice(&holder).unwrap();
    holder["pid"].as_u64().unwrap().try_into().unwrap()
}

/// `DEPLOYER_SUPERVISORS` with a program of each name, its script called after it.
fn programs(names: &[&str]) -> String {
    let items: Vec<String> = names.iter().map(|name| program(name, "")).collect();
    format!("[{}]", items.join(","))
}

/// One program of the array, with more fields, e.g. `"numprocs":2`.
fn program(name: &str, fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{"program":"{name}","script":"{name}.sh"{comma}{fields}}}"#)
}
