//! The runs of the fleet, newest first.

use std::sync::Arc;

use maud::{Markup, html};

use super::super::Web;
use super::super::answers::HostView;
use super::super::paged::Paged;
use super::super::query::{Query, path};
use super::super::visitor::Visitor;
use super::layout::{Part, Section, counted, error, filter, page, pager, time};
use crate::api::SiteHistory;
use crate::fleet::HostWork;
use crate::report::{RunView, runs_of};
use crate::system::{Clock as _, sanitized};

/// How many runs a page has.
const RUNS: usize = 50;
/// How many of its sites a run is shown with.
const ENDS: usize = 10;

/// Runs of all hosts.
pub(in crate::web) fn history(web: &Web, visitor: &Visitor, query: &Query) -> Markup {
    let (hosts, now) = (web.answers.hosts_for(visitor), web.clock.timestamp());
    let untold = hosts.iter().filter_map(|host| {
        let error = host.last.as_ref()?.history.as_ref().err()?;
        Some((host.name(), error))
    });
    let words = query.words();
    let runs = runs_of(told(&hosts));
    let runs: Vec<&RunView<'_>> = runs.iter().filter(|run| is_meant(run, &words)).collect();
    let Paged { shown, of, page: number, pages } = Paged::of(runs, query.page(), RUNS);
    let filter = filter(query.value("q"), "run, person, host, site, commit", &[]);
    let live = html! {
            @for (host, why) in untold {
                div.notice { strong { (host) } " does not tell its history" (error(why)) }
            }
            @if of == 0 {
                p.empty { "No run is like that." }
            } @else {
                h2 { (counted(of, "run")) ", newest first; the last twenty of each site" }
                ol.runs {
                    @for run in &shown { (described(run, now)) }
                }
            }
            (pager(number, pages, |page| Query::with(&[("q", query.value("q")), ("page", &page.to_string())])))
    };
    page(visitor, Section::History, "History", &[Part::Fixed(filter), Part::Live(live)])
}

/// What hosts have told of their runs.
pub(super) fn told(
    hosts: &[Arc<HostView>],
) -> impl Iterator<Item = (&HostWork, &[SiteHistory])> + use<'_> {
    hosts.iter().filter_map(|host| {
        let history = host.last.as_ref()?.history.as_ref().ok()?;
        Some((host.work.as_ref() as &HostWork, history.as_slice() as &[SiteHistory]))
    })
}

fn is_meant(view: &RunView<'_>, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let ends = view.ends().into_iter().map(|(hosts, end)| format!(" {hosts} {end}"));
    let text = crate::report::run_in_a_line(&view.run) + &ends.collect::<String>();
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word))
}

/// A run with what became of each site.
pub(super) fn described(view: &RunView<'_>, now: jiff::Timestamp) -> Markup {
    let run = &view.run;
    html! {
        li {
            h3 {
                a href=(path(&["runs", &run.id.to_string()])) { (sanitized(&run.command)) }
                @if view.has_failed() { " " span.state.bad { "failed" } }
            }
            (about(view, now))
            (ends(view))
        }
    }
}

/// What became of each site; of many the first, the rest is on the run's page.
fn ends(view: &RunView<'_>) -> Markup {
    let ends = view.ends();
    let more = ends.len().saturating_sub(ENDS);
    html! {
        ul {
            @for (hosts, end) in ends.iter().take(ENDS) { li { strong { (sanitized(hosts)) } " " (sanitized(end)) } }
            @if more > 0 { li { a href=(path(&["runs", &view.run.id.to_string()])) { "and " (more) " more" } } }
        }
    }
}

/// Who has begun a run, when, of which commit and why.
pub(super) fn about(view: &RunView<'_>, now: jiff::Timestamp) -> Markup {
    let run = &view.run;
    html! {
        p.quiet {
            (time(run.at, now)) ", by " (sanitized(&run.user))
            @if !run.host.is_empty() { " on " (sanitized(&run.host)) }
            @if let Some(commit) = &run.commit {
                ", commit " code { (sanitized(&commit.hash.chars().take(12).collect::<String>())) }
                @if commit.dirty { " (dirty)" }
            }
            ", run " code { (run.id) }
            @if let Some(back) = &run.takes_back {
                ", takes back " a href=(path(&["runs", &back.to_string()])) { (back) }
            }
        }
        @if let Some(message) = &run.message { p { (sanitized(message)) } }
    }
}
