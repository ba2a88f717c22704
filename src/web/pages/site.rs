//! One site, wherever it is or on one host: its programs, what is wrong with it, and its runs.

use jiff::Timestamp;
use maud::{Markup, html};

use super::super::Web;
use super::super::query::{Query, path};
use super::super::rows::{Counts, Filter, page as page_of};
use super::super::site_on_host::{SiteOnHost, last_run};
use super::super::visitor::Visitor;
use super::history;
use super::host::answer;
use super::layout::{
    Part, SILENT_NAMED, Section, counted, not_answering, number, page, pager, short_time, some,
    states,
};
use super::plans::{About, actions};
use super::programs::{choice, field, linked, table};
use crate::fleet::HostWork;
use crate::report::runs_of;
use crate::system::{Clock as _, sanitized};

/// How many of its runs are shown.
const RUNS: usize = 10;
/// How many of its hosts have a line; all of them are on the page of hosts.
const HOSTS: usize = 100;

/// A page of a site on these hosts, at least one. `on_all`: of the site as such, not of it on one of its hosts.
pub(in crate::web) fn site(
    web: &Web,
    visitor: &Visitor,
    domain: &str,
    on: &[SiteOnHost<'_>],
    on_all: bool,
    query: &Query,
) -> Markup {
    let now = web.clock.timestamp();
    let rows = page_of(on.iter().flat_map(|one| one.rows()), &Filter::of(query), query.page());
    let title = match on {
        [one] if !on_all => format!("{domain} on {}", one.host.name()),
        _ => domain.to_owned(),
    };
    let live = html! {
        p.summary { (states(&Counts::of(on.iter().flat_map(|one| one.rows())))) }
        @match on {
            [one] if !on_all => p {
                (answer(one.host, now)) ", "
                a href=(path(&["hosts", one.host.name()])) { "all of " (one.host.name()) } ", "
                a href=(path(&["sites", domain])) { "all hosts with " (domain) }
            },
            _ => {}
        }
        (silent(on, now))
        @if on_all { (hosts(domain, on, now)) h2 { "Programs" } }
        (choice(query))
        (table(&rows, on_all))
        (pager(rows.page, rows.pages, |page| linked(query, page)))
        (notes(on))
        (runs(domain, on, now))
    };
    let host = match on {
        [one] if !on_all => one.host.name(),
        _ => "",
    };
    let actions = actions(web, visitor, About { host, site: domain, ..About::default() });
    let parts = [Part::Fixed(actions), Part::Fixed(field(query)), Part::Live(live)];
    page(visitor, Section::Sites, &title, &parts)
}

/// Which of its hosts do not answer, and why.
fn silent(on: &[SiteOnHost<'_>], now: Timestamp) -> Markup {
    let silent = on.iter().filter_map(|one| Some((one.host, one.host.silence.as_ref()?)));
    let silent: Vec<_> = silent.collect();
    html! {
        @for (host, silence) in silent.iter().take(SILENT_NAMED) { (not_answering(host, silence, now)) }
        @if silent.len() > SILENT_NAMED {
            p.notice { (counted(silent.len() - SILENT_NAMED, "host")) " more do not answer" }
        }
    }
}

/// Its hosts, how it is on each.
fn hosts(domain: &str, on: &[SiteOnHost<'_>], now: Timestamp) -> Markup {
    html! {
        h2 { "Hosts" }
        div.wide tabindex="0" role="region" aria-label="Hosts" {
            table.hosts {
                thead {
                    tr {
                        th scope="col" { "Host" }
                        th scope="col" { "State" }
                        th.number scope="col" { "Programs" }
                        th.number scope="col" { "Orphaned" }
                        th scope="col" { "Revision" }
                        th scope="col" { "Last run" }
                    }
                }
                tbody { @for one in on.iter().take(HOSTS) { (host_line(domain, *one, now)) } }
            }
        }
        @if on.len() > HOSTS { p.quiet { "and " (counted(on.len() - HOSTS, "host")) " more" } }
    }
}

fn host_line(domain: &str, one: SiteOnHost<'_>, now: Timestamp) -> Markup {
    let counts = Counts::of(one.rows());
    let name = one.host.name();
    let revisions = one.history().and_then(|history| history.revisions.as_ref().ok());
    let revision = revisions.and_then(|revisions| revisions.last());
    html! {
        tr {
            th scope="row" { a href=(path(&["hosts", name, "sites", domain])) { (name) } }
            td { (states(&counts)) }
            td.number { (number(counts.programs)) }
            td.number { (some(one.rows().map(|row| row.orphaned).sum())) }
            td { @if let Some(revision) = revision { (revision.number) } }
            td { @if let Some(at) = last_run(one.history()) { (short_time(at, now)) } }
        }
    }
}

/// What hosts remark on it, the same of several hosts once.
fn notes(on: &[SiteOnHost<'_>]) -> Markup {
    let statuses = on.iter().filter_map(|one| Some((one.host.name(), one.status()?.ok()?)));
    let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
    for (host, status) in statuses {
        let back = status
            .rolled_back
            .iter()
            .map(|words| format!("as after {words}; the inventory was not applied since"));
        for note in status.notes.iter().cloned().chain(back) {
            match notes.iter_mut().find(|(other, _)| *other == note) {
                Some((_, hosts)) => hosts.push(host),
                None => notes.push((note, vec![host])),
            }
        }
    }
    html! {
        @if !notes.is_empty() {
            h2 { "Notes" }
            ul { @for (note, hosts) in notes { li { span.of { (hosts.join(", ")) } " " (sanitized(&note)) } } }
        }
    }
}

fn runs(domain: &str, on: &[SiteOnHost<'_>], now: Timestamp) -> Markup {
    let histories = on.iter().filter_map(|one| {
        Some((one.host.work.as_ref() as &HostWork, std::slice::from_ref(one.history()?)))
    });
    let runs = runs_of(histories);
    html! {
        h2 { "Last runs" }
        @if runs.is_empty() {
            p.empty { "Nothing was applied yet, as far as is known." }
        } @else {
            ol.runs { @for run in runs.iter().take(RUNS) { (history::described(run, now)) } }
            @if runs.len() > RUNS {
                p { a href=(format!("/history{}", Query::with(&[("q", domain)]))) { "All its runs" } }
            }
        }
    }
}
