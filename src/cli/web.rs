//! `web`: the fleet in a browser.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::Context;
use super::fleet::ParallelArguments;
use super::selected::SelectionArguments;
use crate::error::CommandError;
use crate::report::Screen;
use crate::store::Location;
use crate::web::{Address, Followed, Right, Settings, serve};

#[derive(Debug, Args)]
pub(super) struct WebArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// The address to listen on, of this machine alone; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9190")]
    listen: SocketAddr,
    /// Listen on a unix socket in its place, which nobody but you can open
    #[arg(long, value_name = "PATH", conflicts_with = "listen")]
    socket: Option<PathBuf>,
    /// How long after its last answer a host is asked again
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    every: u32,
    /// Also show how the hosts are that pull from this store, as they say themselves
    #[arg(long, value_name = "STORE", value_parser = Location::parse)]
    store: Option<Location>,
    /// What may be done from there, by who is signed in: everything is planned, shown and confirmed first
    /// [default: nothing]
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    allow: Vec<Right>,
    #[command(flatten)]
    parallel: ParallelArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: WebArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let WebArguments { selection, listen, socket, every, store, allow, parallel } = arguments;
    let selector = selection.selector()?;
    let inventory = context.inventory(screen)?;
    let (named, called) = (context.shared.inventory.clone(), context.inventory.get().cloned());
    let followed = Followed::new(named, selector, called, &inventory)?;
    let settings = Settings {
        address: socket.map_or(Address::Tcp(listen), Address::Unix),
        every: Duration::from_secs(every.into()),
        parallel: parallel.rules().parallel,
        ssh: context.fleet.ssh.clone(),
        interrupt: context.fleet.interrupt.clone(),
        store: store.map(|location| context.store(&location)),
        allowed: allow,
        typed: Arc::new(screen.typed().clone()),
    };
    serve(settings, followed, &mut |listening| listening.show(screen))?;
    Ok(0)
}
