//! How hosts that pull are, as they say themselves: nobody has checked that it is the host who says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use maud::{Markup, html};

use super::super::Web;
use super::super::answers::HostView;
use super::super::query::path;
use super::super::visitor::Visitor;
use super::layout::{error, short_time, time};
use crate::pull::{FleetStatus, HostInStore, PullOutcome, PullStatus};
use crate::report::host_said;
use crate::system::sanitized;

/// How many hosts are named that the inventory does not have.
const NAMED: usize = 50;

/// Whether a person must see to it.
pub(super) fn is_trouble(host: &HostInStore) -> bool {
    host.silent || host.status.outcome.is_trouble()
}

/// A host in few words.
pub(super) fn in_brief(host: &HostInStore, now: Timestamp) -> Markup {
    let class = match (host.silent, host.status.outcome) {
        (true, _) => "silent",
        (false, outcome) if outcome.is_trouble() => "bad",
        (false, PullOutcome::Done) if !host.behind => "good",
        (false, _) => "odd",
    };
    html! {
        span.state.(class) { (host_said(host, now)) }
        ", serial " (host.status.serial)
        @if host.behind { " (not the last)" }
    }
}

/// All that a host says.
pub(super) fn section(host: &HostInStore, now: Timestamp) -> Markup {
    let PullStatus {
        name: _,
        release,
        at,
        outcome: _,
        cause,
        serial: _,
        bundle,
        wave,
        run,
        troubles,
    } = &host.status;
    html! {
        h2 { "As it says itself" }
        p { (in_brief(host, now)) ", said " (short_time(*at, now)) }
        @if let Some(cause) = cause { p.complaint { (sanitized(cause)) } }
        @if !troubles.is_empty() {
            ul { @for trouble in troubles { li { strong { (trouble.site) } ": " (sanitized(&trouble.cause)) } } }
        }
        dl.settings {
            @if let Some(bundle) = bundle { dt { "bundle" } dd { (sanitized(bundle.short())) } }
            @if let Some(wave) = wave { dt { "wave" } dd { (wave) } }
            @if let Some(run) = run { dt { "last run" } dd { a href=(path(&["runs", &run.to_string()])) { (run) } } }
            dt { "release" } dd { (sanitized(release)) }
        }
    }
}

/// What the store says as a whole: what was published last, and who pulls that the inventory does not have.
pub(super) fn store(
    web: &Web,
    visitor: &Visitor,
    hosts: &[Arc<HostView>],
    now: Timestamp,
) -> Markup {
    let said = web.pulls.said_for(visitor);
    let known: BTreeSet<&str> = hosts.iter().map(|host| host.name()).collect();
    html! {
        @if let Some(why) = web.pulls.error_for(visitor) {
            div.notice { "The store does not tell how hosts that pull are" (error(&why)) }
        }
        @if let Some(said) = said {
            @let FleetStatus { serial, bundle: _, hosts, unreadable } = &said.status;
            @let others: Vec<&HostInStore> = hosts.iter().filter(|host| !known.contains(host.status.name.as_str())).collect();
            p.quiet { "Serial " (serial) " was published last, as of " (time(said.at, now)) }
            @for one in unreadable { div.notice { (error(&one.error)) } }
            @if !others.is_empty() {
                h2 { "Hosts that pull and are not here" }
                ul {
                    @for host in others.iter().take(NAMED) {
                        li { strong { (sanitized(&host.status.name)) } " " (in_brief(host, now)) ", said " (short_time(host.status.at, now)) }
                    }
                    @if others.len() > NAMED { li { "and " (others.len() - NAMED) " more" } }
                }
            }
        }
    }
}
