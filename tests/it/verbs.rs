//! check, plan, apply, history, rollback and runner on a real supervisord, through `deployer.yml`.

#![expect(clippy::unwrap_used, reason = "tests")]

mod apply;
pub(crate) mod asked;
mod by_hand;
mod common_file;
mod control;
mod edit;
mod groups;
mod habits;
mod history;
mod init;
mod left;
mod lint;
mod lint_hosts;
mod logs;
pub(crate) mod metrics;
mod named;
mod names;
mod notices;
mod obstacles;
mod passed;
mod piped;
mod plan;
mod progress;
mod questions;
mod runner;
mod sandbox;
mod saved;
mod scaffold;
mod scaling;
mod secrets;
mod setup;
mod several;
mod status;
mod takeover;

use crate::site::{Host, Run};

/// So that a test waits no longer than it must: the first exit is a failure, and RUNNING is healthy.
const IMPATIENT: &str = "defaults: {startretries: 0, health: {stable_for: 0}}";

/// A site with these programs, each a line of YAML in braces.
fn site(domain: &str, programs: &[&str]) -> String {
    let lines: String = programs.iter().map(|program| format!("      - {{{program}}}\n")).collect();
    match programs {
        [] => format!("  - {{domain: {domain}, server: here, supervisors: []}}\n"),
        _ => format!("  - domain: {domain}\n    server: here\n    supervisors:\n{lines}"),
    }
}

/// The inventory of `a.com` with these programs.
pub(crate) fn wants(host: &Host, programs: &[&str]) {
    host.inventory_with(IMPATIENT, &site("a.com", programs));
}

/// A host where `a.com` runs `w` as its inventory says.
pub(crate) fn applied_host() -> Option<Host> {
    let host = Host::start()?;
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh"]);
    host.run(&["apply", "--yes"]).ended(0);
    Some(host)
}

/// The JSON documents of a run: one a line, each with its version and kind.
pub(crate) fn documents(run: &Run) -> Vec<serde_json::Value> {
    let documents: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (document, line) in documents.iter().zip(run.stdout.lines()) {
        assert_eq!(document.to_string().len(), line.len(), "a key twice: {line}");
        assert_eq!(document["version"], 1, "{document}");
        assert!(document["kind"].is_string(), "{document}");
    }
    assert_eq!(run.stderr, "", "machines read stdout alone");
    documents
}

/// The document of this kind; there is one.
#[track_caller]
pub(crate) fn document(run: &Run, kind: &str) -> serde_json::Value {
    let mut found = documents(run);
    found.retain(|document| document["kind"] == kind);
    assert_eq!(found.len(), 1, "{kind}: {}", run.stdout);
    found.remove(0)
}
