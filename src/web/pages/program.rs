//! One program: how it is, what it is set to, the end of its log, and the runs that touched it.

use maud::{Markup, html};

use super::super::Web;
use super::super::query::{Query, path};
use super::super::routes::Place;
use super::super::rows::{Rank, wanted};
use super::super::site_on_host::SiteOnHost;
use super::super::visitor::Visitor;
use super::layout::{Part, Section, error, page, short_time};
use super::plans::{About, actions};
use super::{history, log, settings};
use crate::fleet::HostWork;
use crate::report::{RunView, duration, runs_of};
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
    let processes =
        match site.programs.iter().filter(|one| one.goes_by() == program).collect::<Vec<_>>()[..] {
            [only] if only.name.as_str() == program => Some(only.numprocs),
            _ => None,
        };
    let about = About { host: host.name(), site: site.domain.as_str(), program, processes };
    let actions = actions(web, visitor, about);
    let parts =
        [Part::Live(now_part), Part::Fixed(actions), log::log(web, place, query), Part::Live(rest)];
    page(visitor, Section::Programs, &title, &parts)
}

fn status_of<'h>(place: &Place<'h>) -> Option<&'h ProgramStatus> {
    let Place { host, site, .. } = *place;
    let programs = &SiteOnHost { host, site }.status()?.ok()?.programs;
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

fn runs(place: &Place<'_>, now: jiff::Timestamp) -> Markup {
    let Place { host, site, program } = *place;
    let of_site = SiteOnHost { host, site }.history();
    let work: &HostWork = &host.work;
    let runs = runs_of(of_site.map(|history| (work, std::slice::from_ref(history))));
    let touched = |run: &RunView<'_>| {
        let programs = of_site?.touched.get(&run.run.id)?;
        Some(programs.contains(program))
    };
    let of_program: Vec<_> = runs.iter().filter(|run| touched(run) == Some(true)).collect();
    let untold: Vec<_> = runs.iter().filter(|run| touched(run).is_none()).collect();
    html! {
        h2 { "Runs that touched it" }
        @if of_program.is_empty() {
            p.empty { "None, as far as is known." }
        } @else {
            ol.runs { @for run in of_program { (history::described(run, now)) } }
        }
        @if !untold.is_empty() {
            h2 { "Runs that may have touched it" }
            p.quiet { "Their records do not say which programs they were about." }
            ol.runs { @for run in untold { (history::described(run, now)) } }
        }
        p { a href=(path(&["hosts", host.name(), "sites", site.domain.as_str()])) { "All runs of " (site.domain) " on " (host.name()) } }
    }
}
