//! Promise: all sites of a supervisord are applied together at the cost of one, and what one of them
//! is refused for, or fails at, is its own affair.

#![expect(clippy::disallowed_methods, reason = "changes the host as a person would")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a check that fails fails the test")]

mod costs;
mod failures;
mod faults;
mod real;
mod recovery;
mod refusals;

use std::collections::BTreeMap;

use supervisor_sync::api::ChosenSite;
use supervisor_sync::apply::{FailedAt, Outcome};
use supervisor_sync::event::Event;
use supervisor_sync::inventory::Site;
use supervisor_sync::supervisord::Call;

use crate::simulated::{Bridge, FaultyFiles, Host, Order, origin, program};

/// How each site ended.
type Ends = BTreeMap<String, Outcome>;

/// What an apply of many sites is done with.
struct Run<'a> {
    files: FaultyFiles,
    bridge: Bridge,
    order: Order,
    events: Box<dyn FnMut(Event) + 'a>,
}

impl<'a> Run<'a> {
    fn of(host: &Host) -> Self {
        Self {
            files: FaultyFiles::sound(),
            bridge: Bridge::of(host),
            order: Order::default(),
            events: Box::new(|_| {}),
        }
    }

    fn on(mut self, events: impl FnMut(Event) + 'a) -> Self {
        self.events = Box::new(events);
        self
    }

    fn with(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Applies them; an apply that did not begin counts as refused.
    fn apply(&mut self, host: &Host, sites: &[Site]) -> Ends {
        host.daemon.borrow_mut().clear_log();
        let request = self.order.request(sites);
        let all: Vec<&ChosenSite> = request.sites.iter().collect();
        let (files, bridge) = (&self.files, &mut self.bridge);
        let applied = host.with(files, bridge, &mut *self.events, |engine| {
            engine.apply(&all, &request, &origin())
        });
        let end = |report: Result<supervisor_sync::apply::SiteReport, _>| match report {
            Ok(report) => report.outcome,
            Err(cause) => Outcome::Refused { cause },
        };
        applied.into_iter().map(|one| (one.site.to_string(), end(one.report))).collect()
    }
}

/// Sites `s00.com` and so on, with a worker that runs `command`.
fn sites(host: &Host, count: usize, command: &str) -> Vec<Site> {
    (0..count).map(|number| site(host, number, command)).collect()
}

fn site(host: &Host, number: usize, command: &str) -> Site {
    let domain = domain(number);
    std::fs::create_dir_all(host.at(&format!("sites/{domain}/current"))).unwrap();
    host.site_of(&domain, vec![program("w", command)])
}

fn domain(number: usize) -> String {
    format!("s{number:02}.com")
}

fn applied(host: &Host, sites: &[Site]) {
    let ends = Run::of(host).apply(host, sites);
    assert!(ends.values().all(|end| matches!(end, Outcome::Applied { .. })), "{ends:?}");
}

/// Rereads since the last apply began.
fn rereads(host: &Host) -> usize {
    let daemon = host.daemon.borrow();
    daemon.log().iter().flatten().filter(|call| **call == Call::ReloadConfig).count()
}

fn conf(host: &Host, number: usize) -> String {
    let path = host.at(&format!("conf.d/{}-w.conf", domain(number)));
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Every site but those of `bad` is committed and as wanted, and another apply of the good ones does
/// nothing.
fn check_good(host: &Host, wanted: &[Site], ends: &Ends, bad: &[usize], context: &str) {
    host.pass(1);
    for number in (0..wanted.len()).filter(|number| !bad.contains(number)) {
        let end = &ends[&domain(number)];
        assert!(matches!(end, Outcome::Applied { .. }), "{context}: {}: {end:?}", domain(number));
        let up = format!("{0}-w:{0}-w", domain(number));
        assert!(host.look().up.contains(&up), "{context}: {up} is not up");
    }
    let good: Vec<Site> = (0..wanted.len())
        .filter(|number| !bad.contains(number))
        .map(|number| wanted[number].clone())
        .collect();
    if !good.is_empty() {
        let mut again = Run::of(host);
        let (former, left) = (host.look(), host.leftovers());
        let ends = again.apply(host, &good);
        let unchanged = ends.values().all(|end| *end == Outcome::Unchanged);
        // What has to be recovered of the bad ones is recovered by whoever comes.
        let did_nothing = again.files.syncs.get() == 0 && host.look() == former;
        assert!(unchanged && (did_nothing || !left.is_empty()), "{context}: {ends:?}");
    }
}

/// The point it failed at, and its words.
fn failure(end: &Outcome) -> (FailedAt, String) {
    match end {
        Outcome::RolledBack { cause } | Outcome::Refused { cause } => {
            (cause.at.clone(), cause.error.to_string())
        }
        other => panic!("{other:?}"),
    }
}
