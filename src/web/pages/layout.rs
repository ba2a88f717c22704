//! What all pages have in common.

use std::sync::Arc;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::super::Web;
use super::super::answers::{HostView, Silence};
use super::super::rows::{Counts, ago};
use super::super::visitor::Visitor;
use crate::error::CommandError;
use crate::system::{Clock as _, sanitized};

/// A part of a page.
pub(super) enum Part {
    /// What people type into, or follow.
    Fixed(Markup),
    /// What is put in place again when something has changed.
    Live(Markup),
}

/// The pages that stand in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Programs,
    Sites,
    Hosts,
    Plans,
    History,
}

const SECTIONS: [(Section, &str, &str); 5] = [
    (Section::Programs, "/", "Programs"),
    (Section::Sites, "/sites", "Sites"),
    (Section::Hosts, "/hosts", "Hosts"),
    (Section::Plans, "/plans", "Plans"),
    (Section::History, "/history", "History"),
];

/// How many silent hosts are named on each page.
pub(super) const SILENT_NAMED: usize = 5;

/// Where a page hears that it has changed.
pub(super) struct Follows<'f> {
    pub(super) path: &'f str,
    /// Whether it is loaded again by itself where there is no script.
    pub(super) reloads: bool,
}

/// What is known of the fleet changes all the time.
const FLEET: Follows<'_> = Follows { path: "/live", reloads: true };

/// A page of the fleet, of parts below each other.
pub(super) fn page(visitor: &Visitor, section: Section, title: &str, parts: &[Part]) -> Markup {
    page_following(visitor, section, title, parts, &FLEET)
}

/// The same, following something else.
pub(super) fn page_following(
    visitor: &Visitor,
    section: Section,
    title: &str,
    parts: &[Part],
    follows: &Follows<'_>,
) -> Markup {
    document(
        title,
        // Who has no script sees what has changed, too, if later.
        html! { @if follows.reloads { noscript { meta http-equiv="refresh" content="10"; } } },
        html! {
            header {
                a.name href="/" { "supervisor-sync" }
                nav aria-label="Pages" {
                    @for (one, path, name) in SECTIONS {
                        a href=(path) aria-current=[(one == section).then_some("page")] { (name) }
                    }
                }
                p #connection role="status" {}
                @if visitor.can_sign_out {
                    form method="post" action="/sign-out" { button { "Sign out" } }
                }
            }
            main #main data-follows=(follows.path) {
                h1 { (title) }
                @for part in parts {
                    @match part {
                        Part::Fixed(content) => (content),
                        Part::Live(content) => div data-live { (content) },
                    }
                }
            }
            footer {
                (sanitized(&visitor.name)) ". supervisor-sync " (env!("CARGO_PKG_VERSION"))
            }
        },
    )
}

/// A page by itself. `goes_on`: to the fleet.
pub(super) fn bare(title: &str, goes_on: bool, content: Markup) -> Markup {
    document(
        title,
        html! { @if goes_on { meta http-equiv="refresh" content="0; url=/"; } },
        html! {
            header { a.name href="/" { "supervisor-sync" } }
            main #main { h1 { (title) } (content) }
        },
    )
}

fn document(title: &str, head: Markup, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · supervisor-sync" }
                link rel="icon" href="/assets/icon.svg";
                link rel="stylesheet" href="/assets/style.css";
                script src="/assets/live.js" defer {}
                (head)
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (body)
            }
        }
    }
}

/// What all of these hosts, the visitor's, come to, and what is wrong with looking at it.
pub(super) fn summary(web: &Web, visitor: &Visitor, hosts: &[Arc<HostView>]) -> Markup {
    let now = web.clock.timestamp();
    let counts = Counts::of(hosts.iter().flat_map(|host| host.rows.iter()));
    let Counts { programs, not_healthy, drifted, unknown, .. } = counts;
    let pulls = hosts.iter().filter_map(|host| web.pulls.host_for(visitor, host.name()));
    let pulls = pulls.filter(super::pull::is_trouble).count();
    let silent: Vec<_> =
        hosts.iter().filter_map(|host| Some((host, host.silence.as_ref()?))).collect();
    html! {
        p.summary {
            (counted(hosts.len(), "host")) ", " (counted(programs, "program")) ": "
            @if not_healthy > 0 { span.state.bad { (number(not_healthy)) " not healthy" } " " }
            @if drifted > 0 { span.state.odd { (number(drifted)) " not as wanted" } " " }
            @if !silent.is_empty() { span.state.silent { (counted(silent.len(), "silent host")) } " " }
            @if unknown > 0 { span.state.unknown { (number(unknown)) " not asked yet" } " " }
            @if not_healthy + drifted + unknown + silent.len() == 0 {
                span.state.good { "all as wanted" }
            }
        }
        (besides(hosts, &counts, pulls))
        @if let Some(problem) = web.answers.problem_for(visitor) {
            div.notice { "The inventory on the disk is not shown, the one before it is" (error(&problem)) }
        }
        @for (host, silence) in silent.iter().take(SILENT_NAMED) { (not_answering(host, silence, now)) }
        @if silent.len() > SILENT_NAMED {
            p.notice { a href="/hosts?show=problems" { "All " (silent.len()) " silent hosts" } }
        }
    }
}

/// That a host does not answer, and why.
pub(super) fn not_answering(host: &HostView, silence: &Silence, now: Timestamp) -> Markup {
    html! {
        div.notice {
            strong { (host.name()) } " has not answered since " (time(silence.since, now))
            (error(&silence.error))
        }
    }
}

/// What is worth a look besides, each with a link to it.
fn besides(hosts: &[Arc<HostView>], counts: &Counts, pulls: usize) -> Markup {
    let left = hosts.iter().map(|host| host.left().len()).sum::<usize>();
    let unmanaged = hosts.iter().filter_map(|host| host.unmanaged()).sum::<usize>();
    let of = |count: usize, what: &str| counted(count, what);
    let in_trouble = format!("{} not as published", of(pulls, "host"));
    let links = [
        (pulls, "/hosts?show=problems", in_trouble),
        (
            counts.flapping,
            "/?show=flapping",
            format!("{} flapping", of(counts.flapping, "program")),
        ),
        (
            counts.orphaned,
            "/?show=orphaned",
            format!("{} orphaned", of(counts.orphaned, "program")),
        ),
        (
            left,
            "/hosts?show=orphaned",
            format!("{} not in the inventory any more", of(left, "site")),
        ),
        (
            unmanaged,
            "/hosts?show=unmanaged",
            format!("{} in no inventory", of(unmanaged, "program")),
        ),
    ];
    let links: Vec<_> = links.iter().filter(|(count, ..)| *count > 0).collect();
    html! {
        @if !links.is_empty() {
            ul.besides { @for (_, place, words) in links { li { a href=(place) { (words) } } } }
        }
    }
}

/// How many programs are how, in words.
pub(super) fn states(counts: &Counts) -> Markup {
    let Counts { programs: _, not_healthy, silent, drifted, unknown, flapping, orphaned } = *counts;
    html! {
        @if not_healthy > 0 { span.state.bad { (number(not_healthy)) " not healthy" } " " }
        @if silent > 0 { span.state.silent { (number(silent)) " silent" } " " }
        @if drifted > 0 { span.state.odd { (number(drifted)) " not as wanted" } " " }
        @if unknown > 0 { span.state.unknown { (number(unknown)) " not asked yet" } " " }
        @if not_healthy + silent + drifted + unknown == 0 { span.state.good { "as wanted" } " " }
        @if flapping > 0 { span.quiet { (number(flapping)) " flapping" } " " }
        @if orphaned > 0 { span.quiet { (number(orphaned)) " orphaned" } " " }
    }
}

/// What failed, and what can be done about it.
pub(super) fn error(error: &CommandError) -> Markup {
    let CommandError { kind: _, message, causes, hints } = error;
    html! {
        p.error {
            (sanitized(message))
            @for cause in causes { ": " (sanitized(cause)) }
        }
        @for hint in hints { p.quiet { "hint: " (sanitized(hint)) } }
    }
}

/// A time, and how long ago that was.
pub(super) fn time(at: Timestamp, now: Timestamp) -> Markup {
    let exact = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time datetime=(at.to_string()) title=(exact) { (exact) " (" (ago(at, now)) ")" } }
}

/// The same in few words.
pub(super) fn short_time(at: Timestamp, now: Timestamp) -> Markup {
    let exact = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time datetime=(at.to_string()) title=(exact) { (ago(at, now)) } }
}

/// `5,000`.
pub(super) fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The number, or nothing where there is none.
pub(super) fn some(count: usize) -> String {
    if count == 0 { String::new() } else { number(count) }
}

/// `5,000 programs`.
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = match count {
        1 => "",
        _ if what.ends_with("ss") => "es",
        _ => "s",
    };
    format!("{} {what}{plural}", number(count))
}

/// Links to the pages before and after this one.
pub(super) fn pager(page: usize, pages: usize, link: impl Fn(usize) -> String) -> Markup {
    html! {
        @if pages > 1 {
            nav.pager aria-label="More" {
                @if page > 1 { a rel="prev" href=(link(page - 1)) { "Before" } }
                span { "Page " (page) " of " (pages) }
                @if page < pages { a rel="next" href=(link(page + 1)) { "Next" } }
            }
        }
    }
}

/// The field in which is typed what is looked for.
pub(super) fn filter(words: &str, hint: &str, kept: &[(&str, &str)]) -> Markup {
    html! {
        form.filter role="search" method="get" data-filter {
            label for="q" { "Filter" }
            input #q name="q" type="search" value=(words) placeholder=(hint) autocomplete="off" spellcheck="false";
            @for (name, value) in kept.iter().filter(|(_, value)| !value.is_empty()) {
                input type="hidden" name=(name) value=(value);
            }
            button { "Filter" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_grouped() {
        for (count, text) in
            [(0, "0 hosts"), (1, "1 host"), (999, "999 hosts"), (5000, "5,000 hosts")]
        {
            assert_eq!(counted(count, "host"), text);
        }
        assert_eq!(number(1_234_567), "1,234,567");
    }
}
