//! `playbook sync` and `playbook restart` against a real supervisord: the contract, line by line.

mod failures;
mod ownership;
mod perms;
mod processes;
mod refusals;
mod restart;
mod result;
mod sync;

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
