//! One run: who, when and why, what became of each site, and what it changed.

use std::sync::Arc;

use maud::{Markup, html};

use super::super::Web;
use super::super::acting::{Asked, Deed};
use super::super::answers::HostView;
use super::super::diffs::{DiffKey, Told};
use super::super::paged::Paged;
use super::super::query::{Query, path};
use super::super::visitor::{Right, Visitor};
use super::history::{about, told};
use super::layout::{Part, Section, counted, error, page, pager};
use super::plans::button;
use crate::api::{GroupsDiff, RunId};
use crate::report::{RunSite, RunView, runs_of};
use crate::system::{Clock as _, sanitized, sanitized_lines};

/// How many sites on hosts a page has.
const SITES: usize = 100;
/// More of different diffs is not shown on a page, in bytes.
const MOST: usize = 512 * 1024;

/// A page of a run. `None` if no host tells of it.
pub(in crate::web) fn run(
    web: &Web,
    visitor: &Visitor,
    id: RunId,
    query: &Query,
) -> Option<Markup> {
    let (hosts, now) = (web.answers.hosts_for(visitor), web.clock.timestamp());
    let runs = runs_of(told(&hosts));
    let view = runs.iter().find(|view| view.run.id == id)?;
    let sites = Paged::of(view.sites().collect(), query.page(), SITES);
    let Paged { shown, of, page: number, pages } = sites;
    let live = html! {
        p { code { (sanitized(&view.run.command)) } @if view.has_failed() { " " span.state.bad { "failed" } } }
        (about(view, now))
        h2 { "What became of each site" }
        div.wide tabindex="0" role="region" aria-label="Sites" {
            table {
                caption { (counted(of, "site")) }
                thead { tr { th scope="col" { "Host" } th scope="col" { "Site" } th scope="col" { "Outcome" } } }
                tbody { @for site in &shown { (site_line(site)) } }
            }
        }
        (pager(number, pages, |page| Query::with(&[("page", &page.to_string())])))
        h2 { "What it changed" }
        (changes(web, &hosts, view, &shown))
    };
    let may = web.proposals.allow(Right::Apply, visitor);
    let take_back = html! {
        @if may {
            div.actions { (button(&Asked::everywhere(Deed::Rollback(id)), "Take this run back…")) }
        }
    };
    let parts = [Part::Fixed(take_back), Part::Live(live)];
    Some(page(visitor, Section::History, &format!("Run {id}"), &parts))
}

fn site_line(site: &RunSite<'_>) -> Markup {
    let RunSite { host, site, revision: _, has_failed, words } = site;
    html! {
        tr {
            th scope="row" { a href=(path(&["hosts", host])) { (host) } }
            td { a href=(path(&["hosts", host, "sites", site.as_str()])) { (site) } }
            td {
                @if *has_failed { span.state.bad { "failed" } " " }
                (sanitized(words))
            }
        }
    }
}

/// The same change of several hosts.
struct Change<'h> {
    site: &'h str,
    on: Vec<&'h str>,
    told: Told,
}

/// What the revisions of these sites changed, the same of several hosts once.
fn changes(
    web: &Web,
    hosts: &[Arc<HostView>],
    view: &RunView<'_>,
    shown: &[RunSite<'_>],
) -> Markup {
    let mut changes: Vec<Change<'_>> = Vec::new();
    let (mut waiting, mut asked) = (0, 0);
    for host in hosts {
        let of_host = shown.iter().filter(|site| site.host == host.name());
        let of_host: Vec<_> = of_host.filter_map(|site| Some((site, site.revision?))).collect();
        let key = |(site, revision): &(&RunSite<'_>, u64)| DiffKey {
            host: host.name().to_owned(),
            site: site.site.to_string(),
            revision: *revision,
            run: view.run.id,
        };
        let keys: Vec<DiffKey> = of_host.iter().map(key).collect();
        if keys.is_empty() {
            continue;
        }
        asked += keys.len();
        for (told, (site, _)) in web.diffs.of(&host.work, &keys).into_iter().zip(&of_host) {
            let Some(told) = told else {
                waiting += 1;
                continue;
            };
            let (site, host) = (site.site.as_str(), host.name());
            match changes.iter_mut().find(|one| one.site == site && one.told == told) {
                Some(same) => same.on.push(host),
                None => changes.push(Change { site, on: vec![host], told }),
            }
        }
    }
    let mut left = MOST;
    html! {
        @if asked == 0 {
            p.empty { "Nothing that a revision of these sites tells of." }
        }
        @if waiting > 0 {
            p.quiet role="status" { "Hosts are being asked: " (counted(waiting, "site")) " to come." }
        }
        @for change in &changes { (change_of(change, &mut left)) }
    }
}

fn change_of(change: &Change<'_>, left: &mut usize) -> Markup {
    let Change { site, on, told } = change;
    let length = told.as_ref().as_ref().map_or(0, |diff| diff.diff.as_ref().map_or(0, String::len));
    let fits = *left >= length;
    *left = left.saturating_sub(length);
    html! {
        h3 { (site) " on " (on.join(", ")) }
        @match told.as_ref() {
            Err(why) => div.notice { (error(why)) },
            Ok(diff) => {
                @if let Some(groups) = &diff.groups { (programs(groups)) }
                @match &diff.diff {
                    Err(why) => div.notice { (error(why)) },
                    Ok(_) if !fits => p.quiet { "Its files are left out: there is too much on this page." },
                    Ok(text) if text.is_empty() => p.quiet { "No file has changed." },
                    Ok(text) => pre.diff tabindex="0" aria-label=(format!("Changes of {site}")) {
                        @for line in sanitized_lines(text).lines() { (diff_line(line)) }
                    },
                }
            }
        }
    }
}

fn programs(groups: &GroupsDiff) -> Markup {
    let GroupsDiff { added, changed, removed } = groups;
    let all = [(added, "added"), (changed, "changed"), (removed, "removed")];
    html! {
        @if all.iter().any(|(names, _)| !names.is_empty()) {
            ul {
                @for (names, what) in all {
                    @for name in names { li { code { (sanitized(name)) } ": " (what) } }
                }
            }
        }
    }
}

/// What it is says its first sign, and its colour besides.
fn diff_line(line: &str) -> Markup {
    let class = match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => Some("file"),
        [b'+', ..] => Some("added"),
        [b'-', ..] => Some("removed"),
        [b'@', ..] => Some("place"),
        _ => None,
    };
    html! { span class=[class] { (line) } "\n" }
}
