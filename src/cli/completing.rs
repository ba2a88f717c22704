//! What a shell completes: names of the inventory, and runs and revisions that are on record on this machine. No
//! other host is asked, nor is anybody, and of a broken inventory nothing is said.

use std::ffi::OsStr;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use crate::api::SiteHistory;
use crate::error::CommandError;
use crate::fleet::{HostWork, history_of};
use crate::host::LocalHost;
use crate::inventory::{self, Connection, Inventory, Selector, printed_names};
use crate::system::Interrupt;

/// The variable by which the script of a shell asks for it.
const VARIABLE: &str = "SUPERVISOR_SYNC_COMPLETE";

/// Answers a shell that asks what there is, if one does.
pub(super) fn has_answered() -> bool {
    let words = std::env::args_os();
    let folder = std::env::current_dir().ok();
    let shell = CompleteEnv::with_factory(super::command).var(VARIABLE);
    // What is wrong with half a command line concerns nobody yet.
    shell.try_complete(words, folder.as_deref()).unwrap_or(true)
}

/// The script that has a shell ask.
pub(super) fn script(shell: clap_complete::Shell) -> Result<Vec<u8>, CommandError> {
    let name = "supervisor-sync";
    let mut text = Vec::new();
    let shells = Shells::builtins();
    let known = shells.completer(&shell.to_string());
    let written =
        known.map(|shell| shell.write_registration(VARIABLE, name, name, name, &mut text));
    match written {
        Some(Ok(())) => Ok(text),
        Some(Err(source)) => {
            Err(CommandError::refused("cannot write the script").caused_by(&source))
        }
        None => Err(CommandError::refused(format!("nothing is known of {shell}"))),
    }
}

/// The domains of sites.
pub(super) fn sites() -> ArgValueCompleter {
    names(|inventory| inventory.sites.iter().map(|placed| placed.site.domain.to_string()).collect())
}

/// The names of hosts, and their tags.
pub(super) fn hosts() -> ArgValueCompleter {
    names(|inventory| {
        let names = inventory.hosts.iter().map(|host| host.name.to_string());
        let tags = inventory.hosts.iter().flat_map(|host| &host.tags);
        names.chain(tags.map(|tag| format!("@{tag}"))).collect()
    })
}

/// The names of programs within their sites.
pub(super) fn programs() -> ArgValueCompleter {
    names(|inventory| {
        let sites = inventory.sites.iter();
        sites.flat_map(|placed| placed.site.program_names()).map(|name| name.to_string()).collect()
    })
}

/// Programs and processes as they are printed.
pub(super) fn printed() -> ArgValueCompleter {
    names(|inventory| inventory.sites.iter().flat_map(|one| printed_names(&one.site)).collect())
}

/// Sites, or programs as they are printed.
pub(super) fn sites_and_printed() -> ArgValueCompleter {
    names(|inventory| {
        let sites = inventory.sites.iter();
        let of_site = |one: &inventory::PlacedSite| {
            let domain = one.site.domain.to_string();
            std::iter::once(domain).chain(printed_names(&one.site)).collect::<Vec<_>>()
        };
        sites.flat_map(of_site).collect()
    })
}

/// The numbers of revisions that are on record here.
pub(super) fn revisions() -> ArgValueCompleter {
    names(|inventory| {
        let records = records(inventory);
        let revisions = records.iter().flat_map(|site| site.revisions.iter().flatten());
        revisions.map(|revision| revision.number.to_string()).collect()
    })
}

/// The runs that are on record here.
pub(super) fn runs() -> ArgValueCompleter {
    names(|inventory| {
        let records = records(inventory);
        let revisions = records.iter().flat_map(|site| site.revisions.iter().flatten());
        let of_revisions = revisions.map(|revision| revision.origin.run().id);
        let of_others = records.iter().flat_map(|site| &site.outcomes).map(|one| one.run.id);
        of_revisions.chain(of_others).map(|id| id.to_string()).collect()
    })
}

/// Completes the last part of a comma separated list by these names of the inventory.
fn names(of: fn(&Inventory) -> Vec<String>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy();
        let (before, last) = typed.split_at(typed.rfind(',').map_or(0, |comma| comma + 1));
        let mut names = inventory().as_ref().map(of).unwrap_or_default();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| name.starts_with(last));
        let names =
            names.into_iter().map(|name| CompletionCandidate::new(format!("{before}{name}")));
        names.collect::<Vec<_>>()
    })
}

/// The inventory of the command line that is typed, if it is one.
fn inventory() -> Option<Inventory> {
    let typed: Vec<_> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let words: Vec<_> = typed.iter().map(|word| word.to_string_lossy()).collect();
    let mut named = words.iter().enumerate().filter_map(|(place, word)| match word.as_ref() {
        "--inventory" | "-i" => words.get(place + 1).map(|value| value.as_ref()),
        word => word.strip_prefix("--inventory="),
    });
    let loaded = inventory::load(named.next().map(std::path::Path::new)).ok()?;
    inventory::read_beside(&loaded.name(), &loaded.text, &loaded.folder()).ok()
}

/// What is on record of the inventory's sites on this machine, as far as whoever asks may read it.
fn records(inventory: &Inventory) -> Vec<SiteHistory> {
    let selection = Selector::default().select(inventory);
    let Ok(work) = selection.map(HostWork::of) else { return Vec::new() };
    // Ctrl-C ends it as it ends any program.
    let mut host = LocalHost::new(LocalHost::default_state_base(), Interrupt::default());
    let here = work.iter().filter(|work| work.host.connection == Connection::Local);
    here.filter_map(|work| history_of(work, &mut host).ok()).flatten().collect()
}
