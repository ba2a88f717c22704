//! One program: how it is, what it is set to, the end of its log, and the runs of its site.

use maud::{Markup, html};

use super::super::Web;
use super::super::query::{Query, path};
use super::super::routes::{Grep, Place};
use super::super::rows::{Rank, wanted};
use super::super::visitor::Visitor;
use super::layout::{Part, Section, error, page, short_time};
use super::{history, settings};
use crate::api::SiteHistory;
use crate::fleet::HostWork;
use crate::report::{duration, runs_of};
use crate::status::{ProcessHealth, ProcessStatus, ProgramStatus};
use crate::system::{Clock as _, sanitized};

/// A page of a program on a host.
pub(in crate::web) fn program(
    web: &Web,
    visitor: &Visitor,
    place: &Place<'_>,
    query: &Query,
) -> Markup {
    let now = web.clock.timestamp();
    let Place { host, site, program } = *place;
    let title = format!("{program}, {} on {}", site.domain, host.name());
    let row = host
        .rows
        .iter()
        .find(|row| row.program.as_deref() == Some(program) && row.site == site.domain.as_str());
    let rank = row.map_or(Rank::Unknown, |row| row.rank);
    let status = status_of(place);
    let on = path(&["hosts", host.name()]);
    let now_part = html! {
        p {
            "Of " a href=(format!("{on}{}", path(&["sites", site.domain.as_str()]))) { (site.domain) }
            " on " a href=(on) { (host.name()) }
        }
        p {
            span.state.(rank.class()) { (rank.words()) }
            @if let Some(status) = status {
                " wanted: " (wanted(status)) "; is: " span.process { (sanitized(&status.state())) }
            }
            @if let Some(last) = &host.last { span.quiet { ", as of " (short_time(last.at, now)) } }
        }
        @if let Some(silence) = &host.silence {
            div.notice { "The host has not answered since " (short_time(silence.since, now)) (error(&silence.error)) }
        }
        @for complaint in row.into_iter().flat_map(|row| &row.complaints) {
            p.complaint.(rank.class()) { (sanitized(complaint)) }
        }
        @if let Some(status) = status { (processes(place, status, now)) }
    };
    let rest = html! {
        (settings::settings(site, program))
        (runs(place, now))
    };
    let parts = [Part::Live(now_part), Part::Fixed(log(web, place, query)), Part::Live(rest)];
    page(visitor, Section::Programs, &title, &parts)
}

fn status_of<'h>(place: &Place<'h>) -> Option<&'h ProgramStatus> {
    let last = place.host.last.as_deref()?;
    let site = last.sites.iter().find(|reply| reply.site == place.site.domain)?;
    let programs = &site.status.as_ref().ok()?.programs;
    programs.iter().find(|program| program.program == place.program)
}

fn processes(place: &Place<'_>, status: &ProgramStatus, now: jiff::Timestamp) -> Markup {
    html! {
        h2 { "Processes" }
        @if status.processes.is_empty() {
            p.empty { "supervisord has not loaded it." }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Processes" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Process" }
                            th scope="col" { "State" }
                            th.number scope="col" { "Pid" }
                            th.number scope="col" { "Up" }
                            th.number scope="col" { "Last ended" }
                            th scope="col" { "Restarts seen" }
                        }
                    }
                    tbody { @for process in &status.processes { (process_line(place, process, now)) } }
                }
            }
        }
    }
}

fn process_line(place: &Place<'_>, process: &ProcessStatus, now: jiff::Timestamp) -> Markup {
    let class = match &process.health {
        ProcessHealth::Up | ProcessHealth::Done => "good",
        ProcessHealth::Down => "unknown",
        ProcessHealth::Changing => "odd",
        ProcessHealth::Unhealthy { .. } => "bad",
    };
    let restarts = place.host.restarts(place.site.domain.as_str(), &process.process);
    html! {
        tr {
            th scope="row" { (sanitized(&process.process)) }
            td { span.state.(class) { (format!("{:?}", process.state).to_ascii_uppercase()) } }
            td.number { @if let Some(pid) = process.pid { (pid) } }
            td.number { @if let Some(uptime) = process.uptime { (duration(uptime)) } }
            td.number { @if let Some(ended) = process.ended { (duration(ended)) " ago" } }
            td {
                @if restarts.seen == 0 { "none" } @else { "at least " (restarts.seen) }
                @if let Some(last) = restarts.last { ", last " (short_time(last, now)) }
            }
        }
    }
}

/// The end of the log as it was read last. A script follows it from there.
fn log(web: &Web, place: &Place<'_>, query: &Query) -> Markup {
    let end = web.logs.end(&place.host.work, &place.log_key());
    let (pattern, now) = (query.value("grep"), web.clock.timestamp());
    let (grep, wrong) = match Grep::of(query) {
        Ok(grep) => (grep, None),
        Err(wrong) => (Grep::default(), Some(wrong)),
    };
    let Place { host, site, program } = *place;
    let base = path(&["hosts", host.name(), "sites", site.domain.as_str(), "programs", program]);
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
            pre #log tabindex="0" aria-label="Log" {
                @if let Some(end) = &end {
                    @for line in grep.lines(end) { (line) "\n" }
                    @for remark in &end.remarks { span.remark { (sanitized(remark)) "\n" } }
                }
            }
        }
    }
}

fn runs(place: &Place<'_>, now: jiff::Timestamp) -> Markup {
    let last = place.host.last.as_deref();
    let told = last.and_then(|last| last.history.as_ref().ok()).into_iter().flatten();
    let of_site: Vec<SiteHistory> =
        told.filter(|history| history.site == place.site.domain).cloned().collect();
    let work: &HostWork = &place.host.work;
    let runs = runs_of([(work, of_site.as_slice())]);
    html! {
        h2 { "Runs of " (place.site.domain) " on " (place.host.name()) }
        @if runs.is_empty() {
            p.empty { "Nothing was applied yet, as far as is known." }
        } @else {
            ol.runs { @for run in &runs { (history::described(run, now)) } }
        }
    }
}
