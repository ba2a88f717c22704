//! Metrics of a host in Prometheus' text format, as node_exporter's textfile collector reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::Screen;
use crate::api::{LastRevision, OnRecord, RunEnd, SiteOnRecord, SiteRecord};
use crate::inventory::Paths;
use crate::pull::LastPull;
use crate::status::{Drift, ProcessHealth, ProgramStatus};
use crate::supervisord::{ProcessInfo, ProcessState};

/// What was measured on a host.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Metrics {
    /// By name; those without a sample are left out.
    families: Vec<Family>,
}

/// A metric with all of its series. All are gauges: what is measured is a state, read at one moment.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Family {
    name: &'static str,
    help: &'static str,
    samples: Vec<Sample>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Sample {
    labels: BTreeMap<&'static str, String>,
    value: i64,
}

/// The four of node_exporter's former supervisord collector, with its labels, and ours.
const FAMILIES: [(&str, &str); 18] = [
    ("node_supervisord_exit_status", "Process Exit Status"),
    ("node_supervisord_start_time_seconds", "Process start time"),
    ("node_supervisord_state", "Process State"),
    ("node_supervisord_up", "Process Up"),
    ("supervisor_sync_drift", "Differences between the host and what was applied last."),
    ("supervisor_sync_healthy_processes", "Processes that are as they should be."),
    ("supervisor_sync_last_apply_succeeded", "Whether the last apply that has ended was done."),
    (
        "supervisor_sync_last_apply_timestamp_seconds",
        "When the last apply began that ended so, in seconds since 1970.",
    ),
    (
        "supervisor_sync_other_groups",
        "Groups in supervisord that were not applied by this program.",
    ),
    ("supervisor_sync_pull_held", "Whether somebody holds the host, so that nothing is pulled."),
    ("supervisor_sync_pull_outcome", "How the last pull ended: 1 for the outcome that it had."),
    ("supervisor_sync_pull_serial", "Serial of the last bundle that the host believes."),
    (
        "supervisor_sync_pull_timestamp_seconds",
        "When the last pull ended that did not leave the store alone, in seconds since 1970.",
    ),
    (
        "supervisor_sync_restarts_seen",
        "Restarts by supervisord while this looked at the processes.",
    ),
    ("supervisor_sync_revision", "Number of the site's last revision."),
    ("supervisor_sync_supervisord_up", "Whether supervisord answers."),
    ("supervisor_sync_unreadable_sites", "Sites on record that cannot be read."),
    ("supervisor_sync_wanted_processes", "Processes that supervisord should run."),
];

impl Metrics {
    /// What is on record for the supervisord of these paths, and runs there.
    pub(crate) fn of(on_record: &OnRecord, paths: &Paths, pulls: &[(LastPull, bool)]) -> Self {
        let families = FAMILIES.map(|(name, help)| Family { name, help, samples: Vec::new() });
        let mut metrics = Self { families: families.into() };
        metrics.add_daemon(on_record, paths);
        for SiteOnRecord { site, record } in &on_record.sites {
            if let Ok(record) = record {
                metrics.add_site(site.as_str(), record);
            }
        }
        for (last, is_held) in pulls {
            metrics.add_pull(last, *is_held);
        }
        metrics.families.retain(|family| !family.samples.is_empty());
        metrics
    }

    fn add_daemon(&mut self, on_record: &OnRecord, paths: &Paths) {
        let here = [("conf_dir", paths.conf_dir.as_str())];
        let unreadable = on_record.sites.iter().filter(|one| one.record.is_err()).count();
        self.add("supervisor_sync_unreadable_sites", here, count(unreadable));
        self.add("supervisor_sync_supervisord_up", here, on_record.daemon.is_ok().into());
        let Ok(running) = &on_record.daemon else { return };
        self.add("supervisor_sync_other_groups", here, count(running.other_groups));
        for process in &running.processes {
            self.add_process(process);
        }
    }

    /// As the former collector had it: a process that stops is up, and one that is down has no time.
    fn add_process(&mut self, process: &ProcessInfo) {
        let labels = [("name", process.name.as_str()), ("group", process.group.as_str())];
        let is_up = matches!(
            process.state,
            ProcessState::Starting | ProcessState::Running | ProcessState::Stopping
        );
        self.add("node_supervisord_up", labels, is_up.into());
        self.add("node_supervisord_state", labels, process.state.number());
        self.add("node_supervisord_exit_status", labels, process.exitstatus);
        if is_up {
            self.add("node_supervisord_start_time_seconds", labels, process.start);
        }
    }

    fn add_site(&mut self, site: &str, record: &SiteRecord) {
        if let Some(LastRevision { number, run: _ }) = &record.revision {
            let number = i64::try_from(*number).unwrap_or(i64::MAX);
            self.add("supervisor_sync_revision", [("site", site)], number);
        }
        self.add_ends(site, record);
        for (program, wanted) in &record.wanted {
            let wanted = i64::try_from(*wanted).unwrap_or(i64::MAX);
            let labels = [("site", site), ("program", program)];
            self.add("supervisor_sync_wanted_processes", labels, wanted);
        }
        for program in record.status.iter().flat_map(|status| &status.programs) {
            self.add_program(site, program);
        }
    }

    fn add_program(&mut self, site: &str, program: &ProgramStatus) {
        let ProgramStatus { program, wanted: _, numprocs: _, processes, drift } = program;
        let labels = [("site", site), ("program", program.as_str())];
        let is_healthy = |health: &ProcessHealth| match health {
            ProcessHealth::Up | ProcessHealth::Done => true,
            ProcessHealth::Down | ProcessHealth::Changing | ProcessHealth::Unhealthy { .. } => {
                false
            }
        };
        let healthy = processes.iter().filter(|process| is_healthy(&process.health)).count();
        self.add("supervisor_sync_healthy_processes", labels, count(healthy));
        let restarts: u32 = processes.iter().map(|process| process.restarts_seen).sum();
        self.add("supervisor_sync_restarts_seen", labels, restarts.into());
        for kind in ["file", "config", "state"] {
            let drifted = drift.iter().filter(|drift| kind_of(drift) == kind).count();
            let [of_site, of_program] = labels;
            let labels = [of_site, of_program, ("kind", kind)];
            self.add("supervisor_sync_drift", labels, count(drifted));
        }
    }

    /// The last apply of each outcome, and whether the last of all was done. One that is under way is none
    /// yet.
    fn add_ends(&mut self, site: &str, record: &SiteRecord) {
        let mut ends: BTreeMap<&str, i64> = BTreeMap::new();
        let told = record.outcomes.iter().map(|one| one.run.id).collect::<Vec<_>>();
        let applied = record.revision.iter().map(|last| &last.run);
        // One that failed and was left has a revision, too.
        let applied = applied.filter(|run| !told.contains(&run.id)).map(|run| ("applied", run));
        let others = record.outcomes.iter().map(|one| (outcome(one.end), &one.run));
        for (outcome, run) in applied.chain(others) {
            let last = ends.entry(outcome).or_insert(i64::MIN);
            *last = (*last).max(run.at.as_second());
        }
        for (outcome, at) in &ends {
            let labels = [("site", site), ("outcome", outcome)];
            self.add("supervisor_sync_last_apply_timestamp_seconds", labels, *at);
        }
        let ended = ends.iter().filter(|(outcome, _)| **outcome != UNDER_WAY);
        if let Some((outcome, _)) = ended.max_by_key(|(_, at)| **at) {
            let is_done = matches!(*outcome, "applied" | "restarted");
            self.add("supervisor_sync_last_apply_succeeded", [("site", site)], is_done.into());
        }
    }

    /// A sample of one of [`FAMILIES`].
    fn add_pull(&mut self, last: &LastPull, is_held: bool) {
        let Some(status) = &last.status else { return };
        let source = ("source", last.source.as_str());
        let outcome = ("outcome", status.outcome.word());
        let serial = i64::try_from(status.serial).unwrap_or(i64::MAX);
        self.add("supervisor_sync_pull_serial", [source], serial);
        self.add("supervisor_sync_pull_timestamp_seconds", [source], status.at.as_second());
        self.add("supervisor_sync_pull_outcome", [source, outcome], 1);
        self.add("supervisor_sync_pull_held", [source], is_held.into());
    }

    fn add<const N: usize>(&mut self, name: &str, labels: [(&'static str, &str); N], value: i64) {
        let labels = labels.map(|(label, value)| (label, value.to_owned())).into();
        if let Some(family) = self.families.iter_mut().find(|family| family.name == name) {
            family.samples.push(Sample { labels, value });
        }
    }

    /// The text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for Family { name, help, samples } in &self.families {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
            for Sample { labels, value } in samples {
                let label =
                    |(name, value): (&&str, &String)| format!("{name}=\"{}\"", escaped(value));
                let labels: Vec<String> = labels.iter().map(label).collect();
                let _ = writeln!(text, "{name}{{{}}} {value}", labels.join(","));
            }
        }
        text
    }

    /// Shows them, to people as the text that Prometheus reads. What stands in a file already is not
    /// printed, too.
    pub(crate) fn show(&self, is_written: bool, screen: &mut Screen) {
        screen.document("metrics", None, self);
        if !is_written {
            screen.print(&self.text());
        }
    }
}

const UNDER_WAY: &str = "under_way";

fn outcome(end: RunEnd) -> &'static str {
    match end {
        RunEnd::Restarted => "restarted",
        RunEnd::RolledBack => "rolled_back",
        RunEnd::Kept => "kept",
        RunEnd::Stuck => "stuck",
        RunEnd::Interrupted => "interrupted",
        RunEnd::UnderWay => UNDER_WAY,
    }
}

fn kind_of(drift: &Drift) -> &'static str {
    match drift {
        Drift::File { .. } => "file",
        Drift::Config { .. } => "config",
        Drift::State { .. } => "state",
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The value of a label, as the format has it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{OwnProcesses, Run, RunOutcome};
    use crate::inventory::Domain;

    /// The metrics of a site whose last revision is of second 100, with these other ends.
    fn with_ends(ends: &[(RunEnd, i64)]) -> String {
        let site = Domain::parse("a.com").unwrap();
        let run = |second: i64| {
            let id = format!("20260101-000000-{second:04x}").parse().unwrap();
            Run { id, at: jiff::Timestamp::from_second(second).unwrap(), ..Run::begin("apply") }
        };
        let outcome =
            |(end, at): &(RunEnd, i64)| RunOutcome::new(site.clone(), run(*at), *end, None);
        let record = SiteRecord {
            revision: Some(LastRevision { number: 7, run: run(100) }),
            outcomes: ends.iter().map(outcome).collect(),
            wanted: [("w".to_owned(), 2)].into(),
            status: None,
        };
        let sites = vec![SiteOnRecord { site: site.clone(), record: Ok(record) }];
        let on_record = OnRecord { daemon: Ok(OwnProcesses::default()), sites };
        Metrics::of(&on_record, &Paths::default(), &[]).text()
    }

    fn succeeded(text: &str) -> &str {
        let series = "supervisor_sync_last_apply_succeeded{site=\"a.com\"} ";
        text.lines().find_map(|line| line.strip_prefix(series)).unwrap()
    }

    #[test]
    fn last_end_says_whether_it_succeeded() {
        use RunEnd::{Interrupted, Kept, Restarted, RolledBack, UnderWay};
        assert_eq!(succeeded(&with_ends(&[])), "1");
        assert_eq!(succeeded(&with_ends(&[(RolledBack, 99)])), "1");
        assert_eq!(succeeded(&with_ends(&[(RolledBack, 101)])), "0");
        assert_eq!(succeeded(&with_ends(&[(RolledBack, 101), (Restarted, 102)])), "1");
        assert_eq!(succeeded(&with_ends(&[(Interrupted, 101), (UnderWay, 102)])), "0");
        // It has a revision, and its programs do not run.
        assert_eq!(succeeded(&with_ends(&[(Kept, 100)])), "0");
    }

    #[test]
    fn each_outcome_has_its_last_time() {
        let text = with_ends(&[(RunEnd::RolledBack, 101), (RunEnd::RolledBack, 105)]);
        let series = "supervisor_sync_last_apply_timestamp_seconds";
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(series)).collect();
        assert_eq!(
            lines,
            [
                format!("{series}{{outcome=\"applied\",site=\"a.com\"}} 100"),
                format!("{series}{{outcome=\"rolled_back\",site=\"a.com\"}} 105"),
            ]
        );
    }

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(escaped("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }
}
