//! `add`: a program more in the inventory.

use clap::Args;

use super::asking::{Asking, assignments, wrong};
use super::edit::{Asked, SyncArguments};
use super::{Context, completing};
use crate::error::CommandError;
use crate::inventory::edit::{Assignment, Change, Edit};
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// The site's domain
    #[arg(add = completing::sites())]
    site: Option<String>,
    /// The program's name within the site
    program: Option<String>,
    /// A script below .deployer/supervisors/ of the live release
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    script: Option<String>,
    /// A command line, run as it is
    #[arg(long, value_name = "LINE")]
    command: Option<String>,
    /// Any other key of a program, e.g. numprocs=2, directory=/srv/app or logs.rotate=14
    #[arg(long = "set", value_name = "KEY=VALUE")]
    keys: Vec<String>,
    #[command(flatten)]
    sync: SyncArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &AddArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let loaded = context.to_edit()?;
    let usage = "add SITE PROGRAM --script FILE";
    let mut asking = Asking::new(context, &loaded, usage, screen)?;
    let site = asking.site(arguments.site.as_ref())?;
    let program = asking.word("name of the program", &[], None, arguments.program.as_ref())?;
    let mut keys = assignments(&arguments.keys)?;
    let run = match (&arguments.script, &arguments.command) {
        (Some(script), _) => Some(("script", script.clone())),
        (_, Some(command)) => Some(("command", command.clone())),
        (None, None) if arguments.keys.iter().any(|key| is_run(key)) => None,
        (None, None) => Some(asking.script_or_command(&loaded)?),
    };
    if let Some((key, value)) = &run {
        keys.insert(0, Assignment::set(key, value).map_err(wrong)?);
        if arguments.script.is_some() || arguments.command.is_some() {
            asking.say(format!("--{key}"));
            asking.say(value.clone());
        }
    }
    for key in &arguments.keys {
        asking.say("--set".to_owned());
        asking.say(key.clone());
    }
    asking.end();
    let edit = Edit { site, program, change: Change::Add(keys) };
    let asked = Asked { loaded, edit, command: "add", by_name: false };
    context.edit(&asked, &arguments.sync, screen)
}

/// Whether it says what is run.
fn is_run(key: &str) -> bool {
    key.starts_with("script=") || key.starts_with("command=")
}
