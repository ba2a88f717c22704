//! The programs of the fleet, and the table that all pages show programs in.

use maud::{Markup, html};

use super::super::Web;
use super::super::paged::Paged;
use super::super::query::{Query, path};
use super::super::rows::{Filter, Row, Shown, page as page_of};
use super::super::visitor::Visitor;
use super::layout::{Part, Section, counted, filter, number, page, pager, summary};
use super::plans::{About, actions};
use crate::system::sanitized;

/// How many tags are offered.
const TAGS: usize = 30;

/// Every program, what is wrong first.
pub(in crate::web) fn programs(web: &Web, visitor: &Visitor, query: &Query) -> Markup {
    let hosts = web.answers.hosts_for(visitor);
    let rows =
        page_of(hosts.iter().flat_map(|host| host.rows.iter()), &Filter::of(query), query.page());
    let mut tags: Vec<&str> = Vec::new();
    for tag in hosts.iter().flat_map(|host| &host.work.host.tags) {
        if tags.len() < TAGS && !tags.contains(&tag.as_str()) {
            tags.push(tag.as_str());
        }
    }
    let live = html! {
        (summary(web, visitor, &hosts))
        (choice(query))
        @if !tags.is_empty() { nav.choice aria-label="Tags" { (tag_links("/", &tags)) } }
        (table(&rows, true))
        (pager(rows.page, rows.pages, |page| linked(query, page)))
    };
    let actions = actions(web, visitor, About::default());
    let parts = [Part::Fixed(field(query)), Part::Live(live), Part::Fixed(actions)];
    page(visitor, Section::Programs, "Programs", &parts)
}

/// Where words are typed that are looked for in programs.
pub(super) fn field(query: &Query) -> Markup {
    filter(query.value("q"), "name, host, @tag, state", &[("show", query.value("show"))])
}

/// Which programs are shown.
pub(super) fn choice(query: &Query) -> Markup {
    choice_of(query, &Shown::ALL.map(|(_, word, name)| (word, name)))
}

/// Links to what can be shown, each a word in an address with its name.
pub(super) fn choice_of(query: &Query, choices: &[(&str, &str)]) -> Markup {
    let (words, show) = (query.value("q"), query.value("show"));
    html! {
        nav.choice aria-label="Which are shown" {
            @for (value, name) in choices {
                a href=(Query::with(&[("q", words), ("show", value)]))
                    aria-current=[(show == *value).then_some("true")] { (name) }
            }
        }
    }
}

/// Links to what has one of these tags, on the page at this path.
pub(super) fn tag_links(path: &str, tags: &[&str]) -> Markup {
    html! {
        @for tag in tags {
            a href=(format!("{path}{}", Query::with(&[("q", &format!("@{tag}"))]))) { "@" (tag) } " "
        }
    }
}

/// The same page further on.
pub(super) fn linked(query: &Query, page: usize) -> String {
    let (words, show) = (query.value("q"), query.value("show"));
    Query::with(&[("q", words), ("show", show), ("page", &page.to_string())])
}

/// Programs in a table.
pub(super) fn table(rows: &Paged<&Row>, with_host: bool) -> Markup {
    html! {
        @if rows.shown.is_empty() {
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
                    @for row in &rows.shown { (line(row, with_host)) }
                }
            }
        }
    }
}

fn line(row: &Row, with_host: bool) -> Markup {
    let rank = row.rank;
    let site = path(&["hosts", &row.host, "sites", &row.site]);
    html! {
        tbody.(rank.class()) {
            tr {
                th scope="row" {
                    @match &row.program {
                        Some(program) => a href=(format!("{site}{}", path(&["programs", program]))) { (program) },
                        None => "the whole site",
                    }
                }
                td data-label="of" { a href=(site) { (row.site) } }
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
