//! The hosts of the fleet, each in a line.

use maud::{Markup, html};

use super::super::Web;
use super::super::answers::HostView;
use super::super::paged::Paged;
use super::super::query::{Query, path};
use super::super::rows::Counts;
use super::super::site_on_host::last_run;
use super::super::visitor::Visitor;
use super::layout::{
    Part, Section, counted, filter, number, page, pager, short_time, some, summary,
};
use super::programs::{choice_of, linked, tag_links};
use super::pull;
use crate::pull::HostInStore;
use crate::system::Clock as _;

/// How many hosts a page has.
const HOSTS: usize = 100;

/// Which hosts can be shown.
const CHOICES: [(&str, &str); 4] =
    [("", "All"), ("problems", "Problems"), ("orphaned", "Orphaned"), ("unmanaged", "Unmanaged")];

/// Every host, those that are silent or have a problem first.
pub(in crate::web) fn hosts(web: &Web, visitor: &Visitor, query: &Query) -> Markup {
    let (all, now) = (web.answers.hosts_for(visitor), web.clock.timestamp());
    let (words, show) = (query.words(), query.value("show"));
    let mut lines: Vec<HostLine<'_>> = all
        .iter()
        .map(|host| HostLine::of(host, web.pulls.host_for(visitor, host.name())))
        .collect();
    let with_pull = lines.iter().any(|line| line.pull.is_some());
    lines.retain(|line| line.is_shown(show) && line.has(&words));
    lines.sort_by_key(HostLine::rank);
    let Paged { shown, of, page: number_of_page, pages } = Paged::of(lines, query.page(), HOSTS);
    let filter = filter(query.value("q"), "name, @tag, site", &[("show", show)]);
    let live = html! {
        (summary(web, visitor, &all))
        (choice_of(query, &CHOICES))
        @if of == 0 {
            p.empty { "No host is like that." }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Hosts" {
                table.hosts {
                    caption { (counted(of, "host")) ", what is wrong first" }
                    thead {
                        tr {
                            th scope="col" { "Host" }
                            th scope="col" { "Tags" }
                            th scope="col" { "Answer" }
                            th.number scope="col" { "Programs" }
                            th.number scope="col" { "Not healthy" }
                            th.number scope="col" { "Not as wanted" }
                            th.number scope="col" { "Orphaned" }
                            th.number scope="col" { "Unmanaged" }
                            th scope="col" { "Last run" }
                            @if with_pull { th scope="col" { "Pulls" } }
                        }
                    }
                    tbody { @for line in &shown { (line.markup(with_pull, now)) } }
                }
            }
        }
        (pager(number_of_page, pages, |page| linked(query, page)))
        (pull::store(web, visitor, &all, now))
    };
    page(visitor, Section::Hosts, "Hosts", &[Part::Fixed(filter), Part::Live(live)])
}

/// A host in a line.
struct HostLine<'h> {
    host: &'h HostView,
    counts: Counts,
    /// What is left over of what was applied: files, processes and sites.
    orphaned: usize,
    /// `None` if it was not told.
    unmanaged: Option<usize>,
    /// As it says itself, if it pulls.
    pull: Option<HostInStore>,
}

impl<'h> HostLine<'h> {
    fn of(host: &'h HostView, pull: Option<HostInStore>) -> Self {
        let rows = host.rows.iter().map(|row| row.orphaned).sum::<usize>();
        let (counts, orphaned) = (Counts::of(host.rows.iter()), rows + host.left().len());
        Self { host, counts, orphaned, unmanaged: host.unmanaged(), pull }
    }

    fn rank(&self) -> usize {
        let Counts { not_healthy, drifted, .. } = self.counts;
        let pull = usize::from(self.pull.as_ref().is_some_and(pull::is_trouble));
        match (&self.host.silence, not_healthy + drifted + self.orphaned + pull, &self.host.last) {
            (Some(_), ..) => 0,
            (None, 1.., _) => 1,
            (None, 0, None) => 2,
            (None, 0, Some(_)) => 3,
        }
    }

    fn is_shown(&self, show: &str) -> bool {
        match show {
            "problems" => self.rank() < 2,
            "orphaned" => self.orphaned > 0,
            "unmanaged" => self.unmanaged.is_some_and(|unmanaged| unmanaged > 0),
            _ => true,
        }
    }

    fn has(&self, words: &[String]) -> bool {
        if words.is_empty() {
            return true;
        }
        let host = &self.host.work.host;
        let pull = self.pull.as_ref().map(|pull| pull.status.outcome.words()).unwrap_or_default();
        let tags = host.tags.iter().map(|tag| format!(" @{tag}"));
        let sites = self.host.work.sites.iter().map(|site| format!(" {}", site.domain));
        let rest: String = tags.chain(sites).collect();
        let text = format!("{} {}{rest} {pull}", host.name, host.address).to_lowercase();
        words.iter().all(|word| text.contains(word))
    }

    fn markup(&self, with_pull: bool, now: jiff::Timestamp) -> Markup {
        let Counts { programs, not_healthy, drifted, .. } = self.counts;
        let (name, tags) = (self.host.name(), &self.host.work.host.tags);
        let tags: Vec<&str> = tags.iter().map(|tag| tag.as_str()).collect();
        let history = self.host.last.iter().flat_map(|last| last.history.iter().flatten());
        html! {
            tr {
                th scope="row" { a href=(path(&["hosts", name])) { (name) } }
                td { (tag_links("/hosts", &tags)) }
                td {
                    @match (&self.host.silence, &self.host.last) {
                        (Some(silence), _) => { span.state.silent { "silent" } " since " (short_time(silence.since, now)) }
                        (None, Some(last)) => { span.state.good { "answers" } " " (short_time(last.at, now)) }
                        (None, None) => { span.state.unknown { "not asked yet" } }
                    }
                }
                td.number { (number(programs)) }
                td.number { @if not_healthy > 0 { span.state.bad { (number(not_healthy)) } } }
                td.number { @if drifted > 0 { span.state.odd { (number(drifted)) } } }
                td.number { (some(self.orphaned)) }
                td.number { @match self.unmanaged { Some(count) => (some(count)), None => "not known" } }
                td { @if let Some(at) = last_run(history) { (short_time(at, now)) } }
                @if with_pull { td { @if let Some(pull) = &self.pull { (pull::in_brief(pull, now)) } } }
            }
        }
    }
}
