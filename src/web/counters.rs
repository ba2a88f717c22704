//! What is counted of the web view itself, for `/metrics`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Web;
use super::rows::Counts;
use crate::system::Clock as _;

/// What has happened since it began.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) requests: AtomicU64,
    pub(super) refused: AtomicU64,
    /// Looks at hosts that have answered, and that have not.
    pub(super) answered: AtomicU64,
    pub(super) unanswered: AtomicU64,
    /// Connections and streams that are open.
    pub(super) connections: AtomicU64,
    pub(super) streams: AtomicU64,
}

/// Counts something that is open for as long as this is there.
pub(super) struct Open {
    web: Arc<Web>,
    counter: fn(&Counters) -> &AtomicU64,
}

impl Open {
    pub(super) fn count(web: &Arc<Web>, counter: fn(&Counters) -> &AtomicU64) -> Self {
        counter(&web.counters).fetch_add(1, Ordering::Relaxed);
        Self { web: Arc::clone(web), counter }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.counter)(&self.web.counters).fetch_sub(1, Ordering::Relaxed);
    }
}

/// One more.
pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Prometheus' text format. It names no host, site or program: whoever is on this machine can read it.
pub(super) fn metrics(web: &Web) -> String {
    let hosts = web.answers.all_hosts();
    let silent = hosts.iter().filter(|host| host.silence.is_some()).count();
    let waiting = hosts.iter().filter(|host| host.last.is_none() && host.silence.is_none()).count();
    let counts = Counts::of(hosts.iter().flat_map(|host| host.rows.iter()));
    let Counts { programs, not_healthy, silent: of_silent, drifted, unknown, .. } = counts;
    let fine = programs.saturating_sub(not_healthy + of_silent + drifted + unknown);
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(&str, u64)]| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let of = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    family(
        "supervisor_sync_web_hosts",
        "gauge",
        "Hosts by whether they answer.",
        &[
            ("{answer=\"yes\"}", of(hosts.len() - silent - waiting)),
            ("{answer=\"no\"}", of(silent)),
            ("{answer=\"not_asked\"}", of(waiting)),
        ],
    );
    family(
        "supervisor_sync_web_programs",
        "gauge",
        "Programs by how they are.",
        &[
            ("{state=\"as_wanted\"}", of(fine)),
            ("{state=\"drifted\"}", of(drifted)),
            ("{state=\"not_healthy\"}", of(not_healthy)),
            ("{state=\"silent\"}", of(of_silent)),
            ("{state=\"unknown\"}", of(unknown)),
        ],
    );
    let Counters { requests, refused, answered, unanswered, connections, streams } = &web.counters;
    let now = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    family(
        "supervisor_sync_web_looks_total",
        "counter",
        "Looks at hosts, by whether they have answered.",
        &[("{answered=\"yes\"}", now(answered)), ("{answered=\"no\"}", now(unanswered))],
    );
    family(
        "supervisor_sync_web_requests_total",
        "counter",
        "Requests, and how many of them were refused.",
        &[
            ("{refused=\"no\"}", now(requests).saturating_sub(now(refused))),
            ("{refused=\"yes\"}", now(refused)),
        ],
    );
    family(
        "supervisor_sync_web_connections",
        "gauge",
        "Connections that are open.",
        &[("", now(connections))],
    );
    family(
        "supervisor_sync_web_streams",
        "gauge",
        "Pages and logs that are followed.",
        &[("", now(streams))],
    );
    let sessions = web.sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let sessions = sessions.count(web.clock.now());
    family(
        "supervisor_sync_web_sessions",
        "gauge",
        "Browsers that are signed in.",
        &[("", of(sessions))],
    );
    text
}
