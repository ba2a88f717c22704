//! `web`: the fleet in a browser.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::Context;
use super::fleet::ParallelArguments;
use super::selected::SelectionArguments;
use crate::error::{CommandError, ErrorKind};
use crate::report::Screen;
use crate::store::Location;
use crate::system::Interrupt;
use crate::web::{Address, Followed, News, Right, Settings, hashed, serve};

/// What a password may be: as much of it as the form takes.
const SHORTEST_PASSWORD: usize = 8;
const LONGEST_PASSWORD: usize = 200;
/// More of stdin is not looked at.
const LONGEST_LINE: u64 = 4096;

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
    /// Who may sign in, and which proxy is believed: docs/web-access.md [default: you, by a link]
    #[arg(long, value_name = "FILE")]
    auth: Option<PathBuf>,
    /// Speak TLS, with a certificate and its key in PEM; renewed ones are followed
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"], conflicts_with = "socket")]
    tls: Vec<PathBuf>,
    /// Note who does what, a line of JSON each; what cannot be noted is not done
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Ask for a password, and print the hash of it for the file of `--auth`
    #[arg(long, exclusive = true)]
    hash_password: bool,
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
    let WebArguments {
        selection,
        listen,
        socket,
        every,
        store,
        auth,
        tls,
        audit,
        hash_password,
        allow,
        parallel,
    } = arguments;
    if hash_password {
        let password = asked_password(screen, &context.fleet.interrupt)?;
        screen.print(&(hashed(&password)? + "\n"));
        return Ok(0);
    }
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
        auth,
        tls: <[PathBuf; 2]>::try_from(tls).ok().map(|[certificate, key]| (certificate, key)),
        audit,
        allowed: allow,
        typed: Arc::new(screen.typed().clone()),
    };
    serve(settings, followed, &mut |news| match news {
        News::Listening(listening) => listening.show(screen),
        News::Done(done) => done.show(screen),
        News::Trouble(error) => screen.error(None, &error),
    })?;
    Ok(0)
}

/// The password that somebody types, twice; or the first line of stdin, where that is no terminal.
fn asked_password(screen: &mut Screen, interrupt: &Interrupt) -> Result<String, CommandError> {
    let usage = |message: &str| CommandError::new(ErrorKind::Usage, message);
    let password = match screen.ask_hidden("Password: ", interrupt) {
        Some(password) => {
            let again = screen.ask_hidden("The same again: ", interrupt);
            if interrupt.is_raised() {
                return Err(CommandError::new(ErrorKind::Interrupted, "interrupted"));
            }
            if again.as_ref() != Some(&password) {
                return Err(usage("the two are not the same"));
            }
            password
        }
        None => {
            let mut line = String::new();
            let read = std::io::stdin().take(LONGEST_LINE).read_to_string(&mut line);
            read.map_err(|source| CommandError::refused("cannot read stdin").caused_by(&source))?;
            line.lines().next().unwrap_or_default().to_owned()
        }
    };
    match password.chars().count() {
        SHORTEST_PASSWORD..=LONGEST_PASSWORD => Ok(password),
        _ => Err(usage(&format!(
            "a password must have from {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
        ))),
    }
}
