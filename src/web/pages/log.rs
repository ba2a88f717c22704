//! The log of a program: its end, or what is around one line of it. Each line is a link to itself.

use maud::{Markup, html};

use super::super::Web;
use super::super::logs::{LogEnd, LogKey};
use super::super::query::{Query, path};
use super::super::routes::{Grep, Place};
use super::layout::{Part, short_time};
use crate::event::LinePlace;
use crate::system::{Clock as _, sanitized};

/// The part of a program's page that is about its log: around the line that `at` of the query names, else its end.
pub(super) fn log(web: &Web, place: &Place<'_>, query: &Query) -> Part {
    match query.value("at") {
        "" => Part::Fixed(end(web, place, query)),
        // It comes when the host has answered: nobody types into it.
        at => Part::Live(around(web, place, at)),
    }
}

fn base(place: &Place<'_>) -> String {
    let Place { host, site, program } = *place;
    path(&["hosts", host.name(), "sites", site.domain.as_str(), "programs", program])
}

/// The end of the log as it was read last. A script follows it from there.
fn end(web: &Web, place: &Place<'_>, query: &Query) -> Markup {
    let end = web.logs.end(&place.host.work, &place.log_key());
    let (pattern, now) = (query.value("grep"), web.clock.timestamp());
    let (grep, wrong) = match Grep::of(query) {
        Ok(grep) => (grep, None),
        Err(wrong) => (Grep::default(), Some(wrong)),
    };
    let base = base(place);
    let part = Query::with(&[("grep", pattern)]);
    html! {
        section.log aria-labelledby="log-title" data-log=(format!("{base}/log")) {
            h2 #log-title { "Log" }
            form.filter role="search" method="get" {
                label for="grep" { "Lines with" }
                input #grep name="grep" type="search" value=(pattern) placeholder="regular expression" autocomplete="off" spellcheck="false"
                    aria-invalid=[wrong.as_ref().map(|_| "true")] aria-describedby="log-note";
                button { "Filter" }
                button #pause type="button" hidden aria-pressed="false" { "Pause" }
                a #download href=(format!("{base}/log.txt{part}")) download { "Download" }
            }
            p #log-note.quiet role="status" {
                @match (&wrong, &end) {
                    (Some(wrong), _) => (sanitized(wrong)),
                    (None, Some(end)) => { "The last lines, as of " (short_time(end.at, now)) },
                    (None, None) => "It is being read.",
                }
            }
            (lines(end.as_deref(), &grep, None))
        }
    }
}

/// What is around a line, if the log still has it.
fn around(web: &Web, place: &Place<'_>, at: &str) -> Markup {
    let at: Option<LinePlace> = at.parse().ok();
    let key = LogKey { around: at, ..place.log_key() };
    let end = at.and_then(|_| web.logs.end(&place.host.work, &key));
    let now = web.clock.timestamp();
    html! {
        section.log aria-labelledby="log-title" {
            h2 #log-title { "Log around one line" }
            p.quiet role="status" {
                @match (at, &end) {
                    (None, _) => "This is no place of a line. ",
                    (Some(_), Some(end)) => { "As of " (short_time(end.at, now)) ". " },
                    (Some(_), None) => "It is being read. ",
                }
                a href=(base(place)) { "The end of the log" }
            }
            (lines(end.as_deref(), &Grep::default(), at))
        }
    }
}

fn lines(end: Option<&LogEnd>, grep: &Grep, at: Option<LinePlace>) -> Markup {
    let is_it = |place: Option<LinePlace>| at.is_some() && place == at;
    html! {
        a.skip href="#after-log" { "Skip the log" }
        pre #log tabindex="0" aria-label="Log" {
            @if let Some(end) = end {
                @for (line, place) in grep.lines(end) {
                    span id=[is_it(place).then_some("at")] aria-current=[is_it(place).then_some("true")] {
                        @if let Some(place) = place {
                            a.at href=(format!("{}#at", Query::with(&[("at", &place.to_string())]))) aria-label="Link to this line" {}
                        }
                        (line) "\n"
                    }
                }
                @for remark in &end.remarks { span.remark { (sanitized(remark)) "\n" } }
            }
        }
        div #after-log tabindex="-1" {}
    }
}
