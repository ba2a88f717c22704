//! `publish`: the inventory as a signed bundle, for hosts that pull.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Context;
use super::agree::AgreeArguments;
use super::run::MessageArguments;
use crate::error::CommandError;
use crate::host::LocalHost;
use crate::pull::{Digest, Draft, Wish, draft, publish, published};
use crate::report::{Screen, show_draft, show_published};
use crate::store::Location;
use crate::system::{Clock as _, SystemClock};

#[derive(Debug, Args)]
pub(super) struct PublishArguments {
    /// Where to: a folder, https://..., s3://bucket/prefix or git@host:path
    #[arg(value_name = "STORE", value_parser = Location::parse)]
    store: Location,
    /// The key that signs: a private one, or the public one of a key that ssh-agent or a token has
    #[arg(long, value_name = "FILE", env = "SUPERVISOR_SYNC_SIGNING_KEY")]
    key: PathBuf,
    /// What may be published although it is more often a mistake
    #[arg(long, value_name = "WHAT")]
    allow: Option<Allowed>,
    /// The serial; one more than the last, if it is not said. It must rise
    #[arg(long, value_name = "N")]
    serial: Option<u64>,
    /// Do not put the binaries of this release: hosts of another one do not take the bundle up then
    #[arg(long)]
    no_binaries: bool,
    #[command(flatten)]
    agree: AgreeArguments,
    #[command(flatten)]
    message: MessageArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Allowed {
    /// Servers that are left without a program
    Empty,
}

pub(super) fn run(
    context: &Context,
    arguments: &PublishArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let inventory = context.inventory(screen)?;
    let (interrupt, payloads) = (&context.fleet.interrupt, &context.fleet.ssh.payloads);
    let cache = LocalHost::state_of_user().unwrap_or_else(LocalHost::default_state_base);
    let store = arguments.store.open(&cache.join("stores"), interrupt);
    let store = store.as_ref();
    let before = published(store)?;
    let wish = Wish {
        now: SystemClock::start().timestamp(),
        run: context.begin_run("publish", &arguments.message),
        serial: arguments.serial,
        allow_empty: arguments.allow == Some(Allowed::Empty),
        payloads: digests(context)?,
    };
    let draft = draft(inventory, &before, wish)?;
    let place = arguments.store.to_string();
    show_draft(&draft, &place, arguments.agree.dry_run, screen);
    if arguments.agree.dry_run {
        return Ok(0);
    }
    agree(&draft, arguments.agree, context, screen)?;
    let payloads = (!arguments.no_binaries).then_some(payloads.as_ref());
    publish(store, &draft, &arguments.key, payloads)?;
    show_published(&draft, &place, screen);
    Ok(0)
}

fn agree(
    draft: &Draft,
    agree: AgreeArguments,
    context: &Context,
    screen: &mut Screen,
) -> Result<(), CommandError> {
    if agree.yes {
        return Ok(());
    }
    let interrupt = &context.fleet.interrupt;
    let question = format!("Publish serial {}?", draft.bundle.serial);
    let answer = screen.confirm(&question, interrupt);
    let words = ("nothing was published", "the answer was no", "what would be published");
    screen.agreed(answer, words, interrupt)
}

/// The digests of the binaries of this release.
fn digests(context: &Context) -> Result<BTreeMap<String, Digest>, CommandError> {
    let digests = context.fleet.ssh.payloads.digests()?.into_iter();
    Ok(digests.filter_map(|(platform, digest)| Some((platform, Digest::parse(&digest)?))).collect())
}
