//! `init`: a first inventory that works.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Context;
use crate::error::{CommandError, ErrorKind};
use crate::inventory::{AbsolutePath, Domain, Folder, SCHEMA_FILE, UserName, read, schema_text};
use crate::report::{Screen, show_first_inventory, show_problems};
use crate::starter::{FirstInventory, Server, proposals};
use crate::system::files::create;
use crate::system::users;

/// What it writes.
const INVENTORY: &str = "deployer.yml";

/// Who runs programs if nothing else is said: a user of every Debian and Ubuntu.
const USER: &str = "www-data";

/// A site in a folder that is called like none.
const SITE: &str = "example.com";

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The programs run on this server, over SSH
    #[arg(long, value_name = "USER@HOST", value_parser = Server::parse)]
    server: Option<Server>,
    /// The programs run on this machine
    #[arg(long, conflicts_with = "server")]
    here: bool,
    /// What the programs belong to [default: the name of this folder]
    #[arg(long, value_name = "DOMAIN", value_parser = Domain::parse)]
    site: Option<Domain>,
    /// Where the code is on the server [default: this folder with --here, else /srv/DOMAIN]
    #[arg(long, value_name = "PATH", value_parser = AbsolutePath::parse)]
    directory: Option<AbsolutePath>,
}

pub(super) fn run(
    context: &Context,
    arguments: &InitArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let path = context.shared.inventory.clone().unwrap_or_else(|| PathBuf::from(INVENTORY));
    refuse_existing(&path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    let absolute = std::path::absolute(&folder).map_err(|source| {
        CommandError::refused("cannot tell the current folder").caused_by(&source)
    })?;
    let server = match (&arguments.server, arguments.here) {
        (Some(server), _) => server.clone(),
        (None, true) => Server::Here,
        (None, false) => asked_server(context, screen)?,
    };
    let site = arguments.site.as_ref().map(Domain::to_string);
    let site = site.unwrap_or_else(|| named_after(&absolute));
    let first = FirstInventory {
        user: user(&server),
        directory: match &arguments.directory {
            Some(directory) => directory.clone(),
            None => directory(&server, &absolute, &site)?,
        },
        programs: proposals(&Folder::of(&path)),
        server,
        site,
    };
    let text = first.text();
    read(INVENTORY, &text).map_err(|problems| {
        show_problems(&problems, screen);
        problems.refusal()
    })?;
    write_new(&path, &text)?;
    let schema_path = path.with_file_name(SCHEMA_FILE);
    let has_schema = create(&schema_path, schema_text().as_bytes(), 0o644)
        .map_err(|source| cannot_write(&schema_path).caused_by_io(&source, &schema_path))?;
    let schema_path = has_schema.then_some(schema_path.as_path());
    show_first_inventory(&path, schema_path, &first.programs, screen);
    Ok(0)
}

fn cannot_write(path: &Path) -> CommandError {
    CommandError::refused(format!("cannot write {}", path.display()))
}

/// Writes a file where there is none.
fn write_new(path: &Path, text: &str) -> Result<(), CommandError> {
    match create(path, text.as_bytes(), 0o644) {
        Ok(true) => Ok(()),
        Ok(false) => Err(exists(path)),
        Err(source) => Err(cannot_write(path).caused_by_io(&source, path)),
    }
}

/// Says before any question that there is an inventory already.
fn refuse_existing(path: &Path) -> Result<(), CommandError> {
    match path.symlink_metadata() {
        Ok(_) => Err(exists(path)),
        Err(_) => Ok(()),
    }
}

fn exists(path: &Path) -> CommandError {
    CommandError::refused(format!("{} is there already", path.display()))
        .hint("add a program to it: supervisor-sync add")
        .hint("see what it says: supervisor-sync check")
}

fn asked_server(context: &Context, screen: &mut Screen) -> Result<Server, CommandError> {
    let choices = ["this machine".to_owned()];
    let usage = "init --here, or: supervisor-sync init --server USER@HOST";
    let interrupt = &context.fleet.interrupt;
    let answer = screen.choose(
        "server that the programs run on",
        &choices,
        Some("USER@HOST"),
        usage,
        interrupt,
    )?;
    if answer == choices[0] {
        return Ok(Server::Here);
    }
    Server::parse(&answer).map_err(|reason| CommandError::new(ErrorKind::Usage, reason))
}

/// The site that is called like the folder, as people name it: `shop`, or `shop.example.com`.
fn named_after(folder: &Path) -> String {
    let name = folder.file_name().map(|name| name.to_string_lossy().to_lowercase());
    name.filter(|name| Domain::parse(name).is_ok()).unwrap_or_else(|| SITE.to_owned())
}

/// Nobody runs workers as root who need not.
fn user(server: &Server) -> String {
    let login = match server {
        Server::Here => users::current(),
        Server::Ssh { username, .. } => username.clone(),
    };
    let is_worker = UserName::parse(&login).is_ok() && login != "root";
    if is_worker { login } else { USER.to_owned() }
}

fn directory(server: &Server, folder: &Path, site: &str) -> Result<AbsolutePath, CommandError> {
    let path = match server {
        Server::Here => folder.display().to_string(),
        Server::Ssh { .. } => format!("/srv/{site}"),
    };
    AbsolutePath::parse(&path).map_err(|reason| {
        CommandError::refused(format!("the folder of the code, {path}, {reason}"))
            .hint("name another one: --directory PATH")
    })
}
