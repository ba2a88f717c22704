//! The programs of the fleet, its hosts, and one host.

use maud::{Markup, html};

use super::super::Web;
use super::super::answers::HostView;
use super::super::query::{Query, path};
use super::super::rows::{Counts, Filter, Row, RowPage, page as page_of};
use super::super::visitor::Visitor;
use super::layout::{
    Part, Section, counted, error, filter, number, page, pager, short_time, summary, time,
};
use crate::api::{Left, LeftSite};
use crate::import::Unmanaged;
use crate::status::{Drift, FileDrift, SiteStatus, StateDrift};
use crate::system::{Clock as _, sanitized};

/// How many hosts a page has.
const HOSTS: usize = 100;

/// Every program, what is wrong first.
pub(in crate::web) fn programs(web: &Web, visitor: &Visitor, query: &Query) -> Markup {
    let hosts = web.answers.hosts_for(visitor);
    let rows =
        page_of(hosts.iter().flat_map(|host| host.rows.iter()), &Filter::of(query), query.page());
    let (words, show) = (query.value("q"), query.value("show"));
    let filter = filter(words, "name, host, @tag, state", &[("show", show)]);
    let live = html! {
        (summary(web, visitor, &hosts))
        (choice(query))
        (table(&rows, true))
        (pager(rows.page, rows.pages, |page| linked(query, page)))
    };
    page(visitor, Section::Programs, "Programs", &[Part::Fixed(filter), Part::Live(live)])
}

/// Whether all are shown, or problems alone.
fn choice(query: &Query) -> Markup {
    let (words, show) = (query.value("q"), query.value("show"));
    html! {
        nav.choice aria-label="Which are shown" {
            @for (value, name) in [("", "All"), ("problems", "Problems")] {
                a href=(Query::with(&[("q", words), ("show", value)]))
                    aria-current=[(show == value).then_some("true")] { (name) }
            }
        }
    }
}

fn linked(query: &Query, page: usize) -> String {
    let (words, show) = (query.value("q"), query.value("show"));
    Query::with(&[("q", words), ("show", show), ("page", &page.to_string())])
}

/// Where a program has its page.
fn place(row: &Row, program: &str) -> String {
    path(&["hosts", &row.host, "sites", &row.site, "programs", program])
}

fn table(rows: &RowPage<'_>, with_host: bool) -> Markup {
    html! {
        @if rows.rows.is_empty() {
            p.empty { "No program is like that." }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Programs" {
                table.programs {
                    caption { (counted(rows.of, "row")) ", what is wrong first" }
                    thead {
                        tr {
                            th scope="col" { "Program" }
                            th scope="col" { "Site" }
                            @if with_host { th scope="col" { "Host" } }
                            th scope="col" { "Wanted" }
                            th scope="col" { "State" }
                            th.number scope="col" { "Up" }
                            th.number scope="col" { "Restarts seen" }
                        }
                    }
                    @for row in &rows.rows { (line(row, with_host)) }
                }
            }
        }
    }
}

fn line(row: &Row, with_host: bool) -> Markup {
    let rank = row.rank;
    html! {
        tbody.(rank.class()) {
            tr {
                th scope="row" {
                    @match &row.program {
                        Some(program) => a href=(place(row, program)) { (program) },
                        None => "the whole site",
                    }
                }
                td data-label="of" { (row.site) }
                @if with_host { td data-label="on" { a href=(path(&["hosts", &row.host])) { (row.host) } } }
                td data-label="wanted" { (row.wanted) }
                td { span.state.(rank.class()) { (rank.words()) } " " span.process { (sanitized(&row.state)) } }
                td.number data-label="up" { (row.uptime) }
                td.number data-label="restarts seen" { @if row.restarts > 0 { (number(usize::try_from(row.restarts).unwrap_or(usize::MAX))) } }
            }
            @for complaint in &row.complaints {
                tr.complaint { td colspan=(if with_host { "7" } else { "6" }) { (sanitized(complaint)) } }
            }
        }
    }
}

/// Every host, those that are silent or have a problem first.
pub(in crate::web) fn hosts(web: &Web, visitor: &Visitor, query: &Query) -> Markup {
    let (all, now) = (web.answers.hosts_for(visitor), web.clock.timestamp());
    let words: Vec<String> = query.value("q").split_whitespace().map(str::to_lowercase).collect();
    let only_problems = query.value("show") == "problems";
    let mut lines: Vec<HostLine<'_>> = all.iter().map(|host| HostLine::of(host)).collect();
    lines.retain(|line| {
        let text = line.text();
        (!only_problems || line.rank() < 2) && words.iter().all(|word| text.contains(word))
    });
    lines.sort_by_key(HostLine::rank);
    let (of, pages) = (lines.len(), lines.len().div_ceil(HOSTS).max(1));
    let number_of_page = query.page().min(pages);
    let lines = lines.iter().skip((number_of_page - 1) * HOSTS).take(HOSTS);
    let show = query.value("show");
    let filter = filter(query.value("q"), "name, @tag, site", &[("show", show)]);
    let live = html! {
            (summary(web, visitor, &all))
            (choice(query))
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
                        }
                    }
                    tbody { @for line in lines { (line.markup(now)) } }
                }
            }
            (pager(number_of_page, pages, |page| linked(query, page)))
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
}

impl<'h> HostLine<'h> {
    fn of(host: &'h HostView) -> Self {
        let last = host.last.as_deref();
        let left = last.and_then(|last| last.left.as_ref()).map_or(0, |left| left.sites.len());
        let statuses = last.into_iter().flat_map(|last| &last.sites);
        let statuses = statuses.filter_map(|site| site.status.as_ref().ok());
        let unmanaged = last.and_then(|last| last.unmanaged.as_deref()?.as_ref().ok());
        Self {
            host,
            counts: Counts::of(host.rows.iter()),
            orphaned: left + statuses.map(orphans).sum::<usize>(),
            unmanaged: unmanaged.map(|unmanaged| unmanaged.programs.len()),
        }
    }

    fn rank(&self) -> usize {
        let Counts { programs: _, not_healthy, silent: _, drifted, unknown: _ } = self.counts;
        match (&self.host.silence, not_healthy + drifted + self.orphaned, &self.host.last) {
            (Some(_), ..) => 0,
            (None, 1.., _) => 1,
            (None, 0, None) => 2,
            (None, 0, Some(_)) => 3,
        }
    }

    fn text(&self) -> String {
        let host = &self.host.work.host;
        let tags = host.tags.iter().map(|tag| format!(" @{tag}"));
        let sites = self.host.work.sites.iter().map(|site| format!(" {}", site.domain));
        let rest: String = tags.chain(sites).collect();
        format!("{} {}{rest}", host.name, host.address).to_lowercase()
    }

    /// The time of the last run on it.
    fn last_run(&self) -> Option<jiff::Timestamp> {
        let history = self.host.last.as_ref()?.history.as_ref().ok()?;
        let revisions = history.iter().filter_map(|site| site.revisions.as_ref().ok());
        let revisions = revisions.flatten().map(|revision| revision.origin.run().at);
        let others = history.iter().flat_map(|site| &site.outcomes).map(|outcome| outcome.run.at);
        revisions.chain(others).max()
    }

    fn markup(&self, now: jiff::Timestamp) -> Markup {
        let Counts { programs, not_healthy, silent: _, drifted, unknown: _ } = self.counts;
        let some = |count: usize| if count == 0 { String::new() } else { number(count) };
        let name = self.host.name();
        html! {
            tr {
                th scope="row" { a href=(path(&["hosts", name])) { (name) } }
                td.of { @for tag in &self.host.work.host.tags { "@" (tag) " " } }
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
                td { @if let Some(at) = self.last_run() { (short_time(at, now)) } }
            }
        }
    }
}

fn orphans(site: &SiteStatus) -> usize {
    let drift = site.programs.iter().flat_map(|program| &program.drift);
    let is_orphan = |drift: &&Drift| match drift {
        Drift::File { how, .. } => *how == FileDrift::Orphan,
        Drift::State { how, .. } => *how == StateDrift::NotWanted,
        Drift::Config { .. } => false,
    };
    drift.filter(is_orphan).count()
}

/// One host: its programs, and what it has beside them.
pub(in crate::web) fn host(web: &Web, visitor: &Visitor, host: &HostView, query: &Query) -> Markup {
    let now = web.clock.timestamp();
    let rows = page_of(host.rows.iter(), &Filter::of(query).on(host.name()), query.page());
    let last = host.last.as_deref();
    let filter = filter(query.value("q"), "name, state", &[("show", query.value("show"))]);
    let live = html! {
            p {
                @match (&host.silence, last) {
                    (Some(silence), _) => { span.state.silent { "silent" } " since " (time(silence.since, now)) }
                    (None, Some(last)) => { span.state.good { "answers" } ", last asked " (time(last.at, now)) }
                    (None, None) => span.state.unknown { "not asked yet" },
                }
                @for tag in &host.work.host.tags { " " span.of { "@" (tag) } }
            }
            @if let Some(silence) = &host.silence { div.notice { (error(&silence.error)) } }
            (choice(query))
            (table(&rows, false))
            (pager(rows.page, rows.pages, |page| linked(query, page)))
            @if let Some(last) = last {
                (notes(&last.sites))
                @if let Some(left) = &last.left { (left_sites(left, now)) }
                @if let Some(found) = last.unmanaged.as_deref() { (unmanaged(found.as_ref())) }
            }
    };
    page(visitor, Section::Hosts, host.name(), &[Part::Fixed(filter), Part::Live(live)])
}

fn notes(sites: &[crate::api::SiteStatusReply]) -> Markup {
    let statuses = sites.iter().filter_map(|site| site.status.as_ref().ok());
    let notes: Vec<(&SiteStatus, &String)> =
        statuses.flat_map(|site| site.notes.iter().map(move |note| (site, note))).collect();
    html! {
        @if !notes.is_empty() {
            h2 { "Notes" }
            ul { @for (site, note) in notes { li { span.of { (site.site) } " " (sanitized(note)) } } }
        }
    }
}

fn left_sites(left: &Left, now: jiff::Timestamp) -> Markup {
    let Left { sites, unreadable } = left;
    html! {
        @if !sites.is_empty() {
            h2 { "Left the inventory" }
            ul {
                @for LeftSite { site, processes, run, .. } in sites {
                    li {
                        strong { (site) } ", " (counted(usize::try_from(*processes).unwrap_or(usize::MAX), "process"))
                        ", applied by " (sanitized(&run.user)) " " (short_time(run.at, now))
                    }
                }
            }
        }
        @for unreadable in unreadable { div.notice { (error(unreadable)) } }
    }
}

fn unmanaged(found: Result<&Unmanaged, &crate::error::CommandError>) -> Markup {
    html! {
        @match found {
            Err(why) => div.notice { "What no inventory has cannot be told" (error(why)) },
            Ok(Unmanaged { programs, not_read }) => {
                @if !programs.is_empty() {
                    h2 { "In no inventory" }
                    ul {
                        @for one in programs {
                            li {
                                strong { (sanitized(&one.program)) } ", "
                                @match &one.file { Some(file) => (sanitized(&file.display().to_string())), None => "its file is gone" }
                                ", " (one.running) " running"
                                @if let Some(other) = &one.same_as { ", the same as " (sanitized(other)) }
                            }
                        }
                    }
                }
                @if !not_read.is_empty() {
                    h2 { "Files that supervisord does not read" }
                    ul { @for path in not_read { li { (sanitized(&path.display().to_string())) } } }
                }
            }
        }
    }
}
