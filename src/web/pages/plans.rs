//! What is done from here: its plan, how it goes on, and what came of it.

use std::sync::Arc;

use jiff::Timestamp;
use maud::{Markup, html};

use super::super::Web;
use super::super::acting::{Asked, Deed, HostLine, HostState, Proposal, Stage, View};
use super::super::query::path;
use super::super::visitor::{Right, Visitor};
use super::layout::{Follows, Part, Section, bare, counted, page, page_following, short_time};
use super::painted::painted;
use crate::api::RunId;
use crate::report::Transcript;
use crate::system::{Clock as _, sanitized};

/// What was asked for here since this was started, the last first.
pub(in crate::web) fn plans(web: &Web, visitor: &Visitor) -> Markup {
    let (all, now) = (web.proposals.of(visitor), web.clock.timestamp());
    let live = html! {
        @if all.is_empty() {
            p.empty { "Nothing was asked for since this was started." }
        } @else {
            ol.runs { @for one in &all { (in_short(one, now)) } }
        }
    };
    page(visitor, Section::Plans, "Plans", &[Part::Live(live)])
}

fn in_short(proposal: &Arc<Proposal>, now: Timestamp) -> Markup {
    let View { stage, .. } = proposal.view();
    let (class, words) = stage_in_words(&stage);
    html! {
        li {
            h2 { a href=(path(&["plans", &proposal.id])) { (sanitized(&proposal.asked.title())) } }
            p.quiet {
                span.state.(class) { (words) } " asked for by " (sanitized(&proposal.by)) " " (short_time(proposal.at, now))
                @if let Stage::AtWork(of) | Stage::Ended { of, .. } = &stage { ", run " (run(of.run)) }
            }
        }
    }
}

/// A plan, with how it goes on.
pub(in crate::web) fn plan(web: &Web, visitor: &Visitor, proposal: &Proposal) -> Markup {
    let (view, now) = (proposal.view(), web.clock.timestamp());
    let asked = &proposal.asked;
    let may = web.proposals.allow(asked.right(), visitor);
    let (class, words) = stage_in_words(&view.stage);
    let live = html! {
        p {
            span.state.(class) { (words) }
            span.quiet { ", asked for by " (sanitized(&proposal.by)) " " (short_time(proposal.at, now)) }
            @if let Stage::AtWork(of) | Stage::Ended { of, .. } = &view.stage {
                span.quiet { ", confirmed by " (sanitized(&of.by)) " " (short_time(of.at, now)) ", run " }
                (run(of.run))
            }
        }
        @match &view.stage {
            Stage::Planning | Stage::Planned { .. } | Stage::NotToConfirm { .. } => {
                (hosts(&view.hosts, true))
                (transcript("The plan", "plan", &proposal.plan.text))
            },
            Stage::AtWork(_) | Stage::Ended { .. } => {
                (hosts(&view.hosts, false))
                (transcript("What was done", "told", &proposal.told.text))
            },
        }
        (next(web, proposal, &view, may))
        @if matches!(view.stage, Stage::AtWork(_) | Stage::Ended { .. }) {
            details { summary { "The plan that was confirmed" } (transcript("The plan", "plan", &proposal.plan.text)) }
        }
    };
    let follows = format!("{}/live", path(&["plans", &proposal.id]));
    let follows = Follows { path: &follows, reloads: proposal.is_at_work() };
    let title = sanitized(&asked.title());
    page_following(visitor, Section::Plans, &title, &[Part::Live(live)], &follows)
}

fn run(id: RunId) -> Markup {
    let id = id.to_string();
    html! { a href=(path(&["runs", &id])) { code { (id) } } }
}

fn stage_in_words(stage: &Stage) -> (&'static str, String) {
    match stage {
        Stage::Planning => ("unknown", "hosts are asked for their plans".to_owned()),
        Stage::Planned { .. } => ("odd", "waits for a yes; nothing is changed before".to_owned()),
        Stage::NotToConfirm { status: 0 } => ("good", "nothing to do".to_owned()),
        Stage::NotToConfirm { .. } => ("bad", "cannot be done, see below".to_owned()),
        Stage::AtWork(_) => ("odd", "under way".to_owned()),
        Stage::Ended { status: 0, .. } => ("good", "done as it was shown".to_owned()),
        Stage::Ended { status, .. } => ("bad", format!("failed, with exit status {status}")),
    }
}

/// How far it has come, host by host: of a single one only what it says.
fn hosts(lines: &[HostLine], are_planned: bool) -> Markup {
    let class = |state: HostState| match state {
        HostState::Waiting => "unknown",
        HostState::AtWork => "odd",
        HostState::Planned | HostState::Done | HostState::Unchanged => "good",
        HostState::Failed => "bad",
        HostState::NotReached(_) => "silent",
    };
    let answered = lines.iter().filter(|line| line.state == HostState::Planned).count();
    let (label, of) = ("How far it has come", lines.len());
    html! {
        @if are_planned {
            @if answered < of { p.quiet { (answered) " of " (counted(of, "host")) " answered" } }
        } @else if !lines.is_empty() {
            div.wide tabindex="0" role="region" aria-label=(label) {
                table {
                    thead { tr { th scope="col" { "Host" } th scope="col" { "State" } th scope="col" { "Last" } } }
                    tbody {
                        @for HostLine { host, state, last } in lines {
                            tr {
                                th scope="row" { (host) }
                                td { span.state.(class(*state)) { (state) } }
                                td.process { (sanitized(last)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn transcript(title: &str, name: &str, written: &Transcript) -> Markup {
    let (text, is_cut) = written.read();
    html! {
        @if !text.is_empty() {
            h2 id=(name) { (title) }
            pre.long tabindex="0" aria-labelledby=(name) { (painted(&text)) }
        }
        @if is_cut { p.notice { "There is more than is kept here: the command line shows all of it." } }
    }
}

/// What can be done next.
fn next(web: &Web, proposal: &Proposal, view: &View, may: bool) -> Markup {
    let asked = &proposal.asked;
    let right = asked.right();
    let to = |part: &str| path(&["plans", &proposal.id, part]);
    html! {
        @match &view.stage {
            Stage::Planned { fingerprint } if may => {
                form.confirm method="post" action=(to("confirm")) {
                    input type="hidden" name="fingerprint" value=(fingerprint);
                    label for="message" { "Why (for the history)" }
                    input #message name="message" maxlength="500" autocomplete="off";
                    @if view.hosts.len() > 1 {
                        label for="batch" { "Hosts at a time; the first must be healthy" }
                        input #batch name="batch" inputmode="numeric" placeholder="all" autocomplete="off";
                    }
                    button.go { (yes(asked)) }
                    span.quiet { "Does what is shown above and nothing else: if a host has changed since, it is left." }
                }
            },
            Stage::Planned { .. } => p.notice { (why_not(web, right)) },
            Stage::AtWork(_) if may => {
                @match &view.stop_by {
                    Some(by) => p.notice { (sanitized(by)) " has it interrupted. What was begun is finished by the next apply." },
                    None => form method="post" action=(to("stop")) { button { "Interrupt it" } },
                }
            },
            Stage::Planning | Stage::AtWork(_) => {},
            Stage::NotToConfirm { .. } | Stage::Ended { .. } => {
                div.actions {
                    @if let Stage::Ended { of, .. } = &view.stage && right == Right::Apply && asked.takes_back().is_none() && may {
                        (button(&Asked::everywhere(Deed::Rollback(of.run)), "Take this run back…"))
                    }
                    @if may || right == Right::Apply { (button(asked, "Plan it again")) }
                }
            },
        }
    }
}

/// The answer that has it done.
fn yes(asked: &Asked) -> &'static str {
    match asked.deed {
        Deed::Apply { .. } => "Apply this",
        Deed::Restart { .. } => "Restart",
        Deed::Start => "Start",
        Deed::Stop => "Stop",
        Deed::Rollback(_) => "Take it back",
        Deed::Scale(_) => "Change the inventory and apply this",
    }
}

pub(in crate::web) fn why_not(web: &Web, right: Right) -> String {
    match web.proposals.is_allowed(right) {
        true => "Your role lets you look at this, and not do it.".to_owned(),
        false => format!("It cannot be done from here: this was started without --allow {right}."),
    }
}

/// A button that leads to the plan of something.
pub(super) fn button(asked: &Asked, label: &str) -> Markup {
    html! {
        form method="post" action="/plans" {
            @for (name, value) in asked.fields() { input type="hidden" name=(name) value=(value); }
            button { (label) }
        }
    }
}

/// What a page is about, each part empty where it is about all of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About<'a> {
    pub(super) host: &'a str,
    pub(super) site: &'a str,
    pub(super) program: &'a str,
    /// How many processes a program has, where that can be said of it alone.
    pub(super) processes: Option<u32>,
}

/// What can be done to what a page is about.
pub(super) fn actions(web: &Web, visitor: &Visitor, about: About<'_>) -> Markup {
    let may = |right| web.proposals.allow(right, visitor);
    let to = |deed| Asked {
        deed,
        host: about.host.to_owned(),
        site: about.site.to_owned(),
        program: about.program.to_owned(),
    };
    let is_whole = about.host.is_empty() && about.site.is_empty();
    html! {
        div.actions {
            (button(&to(Deed::Apply { restart: false, start_stopped: false }), "Plan an apply…"))
            @if !is_whole {
                @if may(Right::Restart) {
                    (button(&to(Deed::Restart { rolling: false }), "Restart…"))
                    (button(&to(Deed::Restart { rolling: true }), "Restart one at a time…"))
                }
                @if may(Right::Start) { (button(&to(Deed::Start), "Start…")) }
                @if may(Right::Stop) { (button(&to(Deed::Stop), "Stop…")) }
            }
            @if let Some(processes) = about.processes && may(Right::Apply) && visitor.sees_all() {
                form method="post" action="/plans" {
                    @for (name, value) in to(Deed::Scale(processes)).fields() {
                        @if name != "processes" && name != "host" { input type="hidden" name=(name) value=(value); }
                    }
                    label for="processes" { "Processes" }
                    input #processes name="processes" type="number" min="0" max="999" value=(processes);
                    button { "Scale…" }
                }
            }
        }
    }
}

/// Why something is not done.
pub(in crate::web) fn refused(title: &str, why: &str) -> Markup {
    bare(title, false, html! { p { (sanitized(why)) } p { a href="/" { "All programs" } } })
}
