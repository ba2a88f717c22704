//! What was published, how a pull ended, who holds a host, and how the hosts of a store are.

use jiff::Timestamp;
use serde::Serialize;

use super::colour::{BAD, GOOD, ODD, STRONG};
use super::names::{counted, listed};
use super::status_text::duration;
use super::{Screen, paragraph};
use crate::fleet::outcome::DIFFERS;
use crate::pull::{
    Digest, Draft, FleetStatus, Hold, HostInStore, PullOutcome, PullStatus, programs_by_host,
};
use crate::system::sanitized;

/// How many servers are named where several are left without a program.
const EMPTIED_SHOWN: usize = 6;

/// What is published, or would be.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct PublishedDocument<'a> {
    /// Where to.
    store: &'a str,
    /// Whether it is there now.
    published: bool,
    serial: u64,
    bundle: &'a Digest,
    /// Until when it is taken up.
    not_after: Timestamp,
    servers: usize,
    sites: usize,
    programs: usize,
    /// The servers that had programs and are left without one.
    emptied: Vec<&'a str>,
    /// Whether the inventory is the one that was published last.
    same_inventory: bool,
}

/// Who holds a host.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct HoldDocument<'a> {
    /// Nothing where nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<&'a Hold>,
}

/// Shows what would be published; for machines only where nothing comes after it.
pub(crate) fn show_draft(draft: &Draft, store: &str, is_all: bool, screen: &mut Screen) {
    if is_all {
        document(draft, store, false, screen);
    }
    let Draft { bundle, emptied, is_same, .. } = draft;
    let inventory = &bundle.inventory;
    let mut text = format!(
        "Serial {} for {}: {}, {}, {}\n  valid until {:.0}\n",
        bundle.serial,
        sanitized(store),
        counted(inventory.hosts.len(), "server"),
        counted(inventory.sites.len(), "site"),
        counted(programs(draft), "program"),
        bundle.not_after,
    );
    if inventory.pull.waves.len() > 1 {
        let waves: Vec<String> =
            inventory.pull.waves.iter().map(|share| format!("{share}%")).collect();
        let pause = duration(inventory.pull.pause.into());
        text +=
            &format!("  in waves: {} of the hosts, {pause} after each other\n", waves.join(", "));
    }
    if *is_same {
        text += "  the inventory is the one that was published last\n";
    }
    if !emptied.is_empty() {
        let names: Vec<&str> = emptied.iter().map(|host| host.as_str()).collect();
        text += &format!("  left without a program: {}\n", listed(&names, EMPTIED_SHOWN));
    }
    screen.print(&text);
}

/// Tells that it was published.
pub(crate) fn show_published(draft: &Draft, store: &str, screen: &mut Screen) {
    document(draft, store, true, screen);
    screen.print_done(&format!(
        "Published serial {} ({})\n",
        draft.bundle.serial,
        draft.digest.short()
    ));
}

fn programs(draft: &Draft) -> usize {
    programs_by_host(&draft.bundle.inventory).values().sum()
}

fn document(draft: &Draft, store: &str, published: bool, screen: &mut Screen) {
    let Draft { bundle, digest, emptied, is_same, .. } = draft;
    let document = PublishedDocument {
        store,
        published,
        serial: bundle.serial,
        bundle: digest,
        not_after: bundle.not_after,
        servers: bundle.inventory.hosts.len(),
        sites: bundle.inventory.sites.len(),
        programs: programs(draft),
        emptied: emptied.iter().map(|host| host.as_str()).collect(),
        same_inventory: *is_same,
    };
    screen.document("published", None, &document);
}

/// Tells how a pull ended; people only where there is something to tell.
pub(crate) fn show_pulled(status: &PullStatus, is_silent: bool, screen: &mut Screen) {
    screen.document("pulled", None, status);
    if is_silent {
        return;
    }
    let PullStatus { outcome, cause, serial, .. } = status;
    let text = match (outcome, cause) {
        (PullOutcome::Done, _) => format!("As bundle {serial} has it"),
        // The error says the rest.
        (PullOutcome::Failed | PullOutcome::Expired, _) => return,
        (PullOutcome::RolledBack, _) => {
            let sites: Vec<&str> = status.troubles.iter().map(|one| one.site.as_str()).collect();
            format!(
                "Not as bundle {serial} has it: {} was rolled back here and is not tried again before another \
                 comes\nhint: {}",
                listed(&sites, EMPTIED_SHOWN),
                screen.typed().repeated("try it all the same: supervisor-sync pull --retry")
            )
        }
        (PullOutcome::Halted | PullOutcome::Held | PullOutcome::Waiting, cause) => {
            format!("Nothing is taken up: {}", sanitized(cause.as_deref().unwrap_or_default()))
        }
    };
    screen.print_done(&format!("{text}\n"));
}

/// Tells who holds this host.
pub(crate) fn show_hold(hold: Option<&Hold>, screen: &mut Screen) {
    screen.document("hold", None, &HoldDocument { hold });
    let text = match hold {
        Some(hold) => {
            let end = screen.typed().repeated("end it: supervisor-sync resume");
            format!("Nothing is taken up from now on: {}\nhint: {end}\n", sanitized(&hold.words()))
        }
        None => "What is published is taken up again from the next pull on\n".to_owned(),
    };
    screen.print_done(&text);
}

/// Shows how the hosts of a store are and returns the exit status.
pub(crate) fn show_fleet_status(fleet: &FleetStatus, now: Timestamp, screen: &mut Screen) -> u8 {
    screen.document("pull_status", None, fleet);
    let FleetStatus { serial, bundle, hosts, unreadable } = fleet;
    let mut text =
        format!("Serial {serial} ({}), {}", bundle.short(), counted(hosts.len(), "host"));
    for outcome in OUTCOMES {
        let count =
            hosts.iter().filter(|host| host.status.outcome == outcome && !host.silent).count();
        if count > 0 {
            text += &format!(", {count} {}", outcome.words());
        }
    }
    let silent = hosts.iter().filter(|host| host.silent).count();
    if silent > 0 {
        text += &format!(", {silent} silent");
    }
    let mut text = screen.colour().paint(STRONG, &text) + "\n";
    let width =
        hosts.iter().map(|host| host.status.name.chars().count()).max().unwrap_or(0).min(40);
    for host in hosts {
        text += &line(host, now, width, screen);
    }
    screen.print_painted(&text);
    for one in unreadable {
        screen.error(None, &one.error);
    }
    if fleet.is_well() { 0 } else { DIFFERS }
}

const OUTCOMES: [PullOutcome; 7] = [
    PullOutcome::RolledBack,
    PullOutcome::Failed,
    PullOutcome::Expired,
    PullOutcome::Halted,
    PullOutcome::Held,
    PullOutcome::Waiting,
    PullOutcome::Done,
];

/// How a host's last pull ended, or for how long it has said nothing.
pub(crate) fn host_said(host: &HostInStore, now: Timestamp) -> String {
    let words = host.status.outcome.words();
    match host.silent {
        true => format!("silent for {}, was {words}", duration(host.age(now))),
        false => words.to_owned(),
    }
}

/// A host in a line: what is wrong with it in words, not by colour alone.
fn line(host: &HostInStore, now: Timestamp, width: usize, screen: &Screen) -> String {
    let HostInStore { status, silent, behind } = host;
    let (mark, style) = match (silent, status.outcome) {
        (true, _) => ("!", BAD),
        (false, outcome) if outcome.is_trouble() => ("!", BAD),
        (false, PullOutcome::Done) if !behind => (" ", GOOD),
        (false, _) => ("~", ODD),
    };
    let age = duration(host.age(now));
    let said = host_said(host, now);
    let wave = status.wave.map(|wave| format!("  wave {wave}")).unwrap_or_default();
    let ago = if *silent { String::new() } else { format!("  {age} ago") };
    let name = format!("{:width$}", sanitized(&status.name));
    let colour = screen.colour();
    let mut text = format!(
        "  {} {name}  {}  serial {}{wave}{ago}\n",
        colour.paint(style, mark),
        colour.paint(style, &said),
        status.serial
    );
    if let Some(cause) = status.cause.as_deref().filter(|_| status.outcome != PullOutcome::Done) {
        text += &format!("      {}\n", paragraph(cause));
    }
    text
}
