//! The sites of the fleet, each in a line.

use std::collections::BTreeMap;

use jiff::Timestamp;
use maud::{Markup, html};

use super::super::Web;
use super::super::paged::Paged;
use super::super::query::{Query, path};
use super::super::rows::Counts;
use super::super::site_on_host::{SiteOnHost, last_run};
use super::super::visitor::Visitor;
use super::layout::{
    Part, Section, counted, filter, number, page, pager, short_time, some, summary,
};
use super::programs::{choice_of, linked};
use crate::system::Clock as _;

/// How many sites a page has.
const SITES: usize = 100;
/// How many hosts of a site are named.
const NAMED: usize = 3;

/// Which sites can be shown.
const CHOICES: [(&str, &str); 4] =
    [("", "All"), ("problems", "Problems"), ("flapping", "Flapping"), ("orphaned", "Orphaned")];

/// Every site, those with a problem first.
pub(in crate::web) fn sites(web: &Web, visitor: &Visitor, query: &Query) -> Markup {
    let (hosts, now) = (web.answers.hosts_for(visitor), web.clock.timestamp());
    let mut on_hosts: BTreeMap<&str, Vec<SiteOnHost<'_>>> = BTreeMap::new();
    for host in hosts.iter() {
        for site in &host.work.sites {
            on_hosts.entry(site.domain.as_str()).or_default().push(SiteOnHost { host, site });
        }
    }
    let (words, show) = (query.words(), query.value("show"));
    let lines = on_hosts.into_iter().map(|(domain, on)| SiteLine::of(domain, on));
    let mut lines: Vec<SiteLine<'_>> =
        lines.filter(|line| line.is_shown(show) && line.has(&words)).collect();
    lines.sort_by_key(SiteLine::rank);
    let Paged { shown, of, page: number_of_page, pages } = Paged::of(lines, query.page(), SITES);
    let filter = filter(query.value("q"), "domain, host, @tag", &[("show", show)]);
    let live = html! {
        (summary(web, visitor, &hosts))
        (choice_of(query, &CHOICES))
        @if of == 0 {
            p.empty { "No site is like that." }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Sites" {
                table.hosts {
                    caption { (counted(of, "site")) ", what is wrong first" }
                    thead {
                        tr {
                            th scope="col" { "Site" }
                            th scope="col" { "Hosts" }
                            th.number scope="col" { "Programs" }
                            th.number scope="col" { "Not healthy" }
                            th.number scope="col" { "Silent" }
                            th.number scope="col" { "Not as wanted" }
                            th.number scope="col" { "Flapping" }
                            th.number scope="col" { "Orphaned" }
                            th scope="col" { "Last run" }
                        }
                    }
                    tbody { @for line in &shown { (line.markup(now)) } }
                }
            }
        }
        (pager(number_of_page, pages, |page| linked(query, page)))
    };
    page(visitor, Section::Sites, "Sites", &[Part::Fixed(filter), Part::Live(live)])
}

/// A site in a line.
struct SiteLine<'h> {
    domain: &'h str,
    on: Vec<SiteOnHost<'h>>,
    counts: Counts,
}

impl<'h> SiteLine<'h> {
    fn of(domain: &'h str, on: Vec<SiteOnHost<'h>>) -> Self {
        let counts = Counts::of(on.iter().flat_map(|one| one.rows()));
        Self { domain, on, counts }
    }

    /// The gravest of its programs comes first.
    fn rank(&self) -> usize {
        let Counts { not_healthy, silent, drifted, unknown, .. } = self.counts;
        let ranks = [not_healthy, silent, drifted, unknown];
        ranks.iter().position(|count| *count > 0).unwrap_or(ranks.len())
    }

    fn is_shown(&self, show: &str) -> bool {
        match show {
            "problems" => self.rank() < 3,
            "flapping" => self.counts.flapping > 0,
            "orphaned" => self.counts.orphaned > 0,
            _ => true,
        }
    }

    fn has(&self, words: &[String]) -> bool {
        if words.is_empty() {
            return true;
        }
        let mut text = self.domain.to_lowercase();
        for host in self.on.iter().map(|one| &one.host.work.host) {
            text += &format!(" {}", host.name).to_lowercase();
            host.tags.iter().for_each(|tag| text += &format!(" @{tag}").to_lowercase());
        }
        words.iter().all(|word| text.contains(word))
    }

    fn markup(&self, now: Timestamp) -> Markup {
        let Counts { programs, not_healthy, silent, drifted, flapping, orphaned, .. } = self.counts;
        let last = last_run(self.on.iter().filter_map(|one| one.history()));
        html! {
            tr {
                th scope="row" { a href=(path(&["sites", self.domain])) { (self.domain) } }
                td {
                    @for one in self.on.iter().take(NAMED) {
                        a href=(path(&["hosts", one.host.name(), "sites", self.domain])) { (one.host.name()) } " "
                    }
                    @if self.on.len() > NAMED { "and " (number(self.on.len() - NAMED)) " more" }
                }
                td.number { (number(programs)) }
                td.number { @if not_healthy > 0 { span.state.bad { (number(not_healthy)) } } }
                td.number { @if silent > 0 { span.state.silent { (number(silent)) } } }
                td.number { @if drifted > 0 { span.state.odd { (number(drifted)) } } }
                td.number { (some(flapping)) }
                td.number { (some(orphaned)) }
                td { @if let Some(at) = last { (short_time(at, now)) } }
            }
        }
    }
}
