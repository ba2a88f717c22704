//! One host: its programs, and what it has beside them.

use maud::{Markup, html};

use super::super::Web;
use super::super::answers::HostView;
use super::super::query::{Query, path};
use super::super::rows::{Filter, page as page_of};
use super::super::visitor::Visitor;
use super::layout::{Part, Section, counted, error, page, pager, short_time, time};
use super::plans::{About, actions};
use super::programs::{choice, field, linked, table, tag_links};
use super::pull;
use crate::api::{Left, LeftSite};
use crate::error::CommandError;
use crate::import::Unmanaged;
use crate::status::SiteStatus;
use crate::system::{Clock as _, sanitized};

/// A page of a host.
pub(in crate::web) fn host(web: &Web, visitor: &Visitor, host: &HostView, query: &Query) -> Markup {
    let now = web.clock.timestamp();
    let rows = page_of(host.rows.iter(), &Filter::of(query), query.page());
    let last = host.last.as_deref();
    let tags: Vec<&str> = host.work.host.tags.iter().map(|tag| tag.as_str()).collect();
    let live = html! {
        p { (answer(host, now)) " " (tag_links("/hosts", &tags)) }
        @if let Some(silence) = &host.silence { div.notice { (error(&silence.error)) } }
        @if let Some(pull) = web.pulls.host_for(visitor, host.name()) { (pull::section(&pull, now)) h2 { "Programs" } }
        (choice(query))
        (table(&rows, false))
        (pager(rows.page, rows.pages, |page| linked(query, page)))
        @if !host.work.sites.is_empty() {
            h2 { "Sites" }
            ul {
                @for site in &host.work.sites {
                    li { a href=(path(&["hosts", host.name(), "sites", site.domain.as_str()])) { (site.domain) } }
                }
            }
        }
        @if let Some(last) = last {
            (notes(&last.sites))
            @if let Some(left) = &last.left { (left_sites(left, now)) }
            @if let Some(found) = &last.unmanaged { (unmanaged(found.as_ref().as_ref())) }
        }
    };
    let actions = actions(web, visitor, About { host: host.name(), ..About::default() });
    let parts = [Part::Fixed(actions), Part::Fixed(field(query)), Part::Live(live)];
    page(visitor, Section::Hosts, host.name(), &parts)
}

/// Whether it answers, or since when not.
pub(super) fn answer(host: &HostView, now: jiff::Timestamp) -> Markup {
    html! {
        @match (&host.silence, &host.last) {
            (Some(silence), _) => { span.state.silent { "silent" } " since " (time(silence.since, now)) }
            (None, Some(last)) => { span.state.good { "answers" } ", last asked " (time(last.at, now)) }
            (None, None) => span.state.unknown { "not asked yet" },
        }
    }
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
            h2 #left { "Left the inventory" }
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

fn unmanaged(found: Result<&Unmanaged, &CommandError>) -> Markup {
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
