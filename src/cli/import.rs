//! `import`: from what runs to an inventory.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Context, completing};
use crate::error::{CommandError, ErrorKind};
use crate::import::{Imported, NewFile, Text, Wish};
use crate::inventory::{
    self, AbsolutePath, Beside, Domain, Folder, Host, Inventory, Loaded, Paths, Selector,
    SupervisordAddress,
};
use crate::report::{Mode, Screen, ShownImport, show_problems};
use crate::system::files::{Entry, FileContent, Files, replace};
use crate::system::{Disk, machine};

/// Where entries go that have to be put into an inventory by hand.
const BY_HAND: &str = "import.yml";

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// These config files alone: with --on those of the server that have this path or name, else files here
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The server: one of the inventory; without one, an address as ssh takes it [default: this machine]
    #[arg(long = "on", value_name = "HOST", add = completing::hosts())]
    host: Option<String>,
    /// The site that everything is of [default: after the folder that programs run in, else the server]
    #[arg(long, value_name = "DOMAIN", value_parser = Domain::parse)]
    site: Option<Domain>,
    /// Let the text of files change where what they say stays the same: comments go
    #[arg(long)]
    normalise: bool,
    /// Values that look like secrets go to this file, which nobody else can read
    #[arg(long, value_name = "FILE")]
    secrets: Option<String>,
    /// supervisord's main config on the server, where no inventory says it and it is in no usual place
    #[arg(long, value_name = "FILE", value_parser = AbsolutePath::parse)]
    supervisord: Option<AbsolutePath>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// The inventory that entries go into.
struct Place {
    path: PathBuf,
    before: Option<(Loaded, Inventory)>,
}

pub(super) fn run(
    context: &Context,
    arguments: &ImportArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let place = place(context, screen)?;
    let (host, server) = server(&place, arguments)?;
    let folder = Folder::of(&place.path);
    let mut paths =
        place.before.as_ref().map(|(_, before)| before.paths.clone()).unwrap_or_default();
    if let Some(main) = &arguments.supervisord {
        paths = Paths { supervisord: SupervisordAddress::Config(main.clone()), ..paths };
    }
    let wish = Wish {
        files: arguments.files.clone(),
        site: arguments.site.clone(),
        text: if arguments.normalise { Text::MayChange } else { Text::Stays },
        secrets: arguments.secrets.clone(),
        before: place.before.as_ref().map(|(loaded, before)| (loaded.text.as_str(), before)),
        name: place.path.display().to_string(),
        beside: &folder as &dyn Beside,
        host,
        server,
        paths,
    };
    let name = wish.host.name.to_string();
    let is_asked = arguments.files.is_empty() || arguments.host.is_some();
    let imported = if is_asked {
        let mut target = context.fleet.connect(&wish.host)?;
        wish.import_host(target.as_mut())?
    } else {
        wish.import_files(read_all(&arguments.files)?)?
    };
    let shown = ShownImport::new(&name, &place.path, place.before.is_none(), &imported);
    shown.print(screen);
    // A machine that says no --yes is shown what it would be.
    let is_shown_alone = screen.mode() == Mode::Json && !arguments.yes;
    if imported.draft.sites.is_empty() || is_shown_alone {
        return Ok(shown.end(false, screen));
    }
    let writes = writes(&place, &folder, &imported)?;
    if !arguments.yes {
        agree(context, &place, writes.len(), screen)?;
    }
    write_all(&writes)?;
    Ok(shown.end(true, screen))
}

fn place(context: &Context, screen: &mut Screen) -> Result<Place, CommandError> {
    let (path, loaded) = inventory::load_or_place(context.shared.inventory.as_deref())?;
    let Some(loaded) = loaded else {
        let path = std::path::absolute(&path)
            .map_err(|source| cannot("write", &path).caused_by(&source))?;
        return Ok(Place { path, before: None });
    };
    let read = inventory::read_beside(&loaded.name(), &loaded.text, &loaded.folder());
    let inventory = read.map_err(|problems| {
        show_problems(&problems, screen);
        problems.refusal()
    })?;
    Ok(Place { path: loaded.absolute(), before: Some((loaded, inventory)) })
}

/// The server, and how a new inventory writes it.
fn server(place: &Place, arguments: &ImportArguments) -> Result<(Host, String), CommandError> {
    if let Some((_, inventory)) = &place.before
        && !inventory.hosts.is_empty()
    {
        let on: Vec<String> = arguments.host.clone().into_iter().collect();
        let selection = Selector::new(&[], &on, &[])?.select(inventory)?;
        return match &selection.hosts[..] {
            [one] => Ok((one.host.clone(), String::new())),
            _ => Err(CommandError::new(ErrorKind::Usage, "an import is from one server")
                .hint("name it: --on HOST")),
        };
    }
    let written = match &arguments.host {
        Some(address) => remote(address),
        None => {
            let name = machine::name();
            let name = if name.is_empty() { "here" } else { name.as_str() };
            format!(
                "{{name: {}, host: localhost, connection: local}}",
                inventory::plain_or_quoted(name)
            )
        }
    };
    let text = format!("servers:\n  - {written}\n");
    let read =
        inventory::read("the server", &text).ok().and_then(|read| read.hosts.into_iter().next());
    let host = read.ok_or_else(|| {
        CommandError::new(ErrorKind::Usage, "--on takes an address as ssh does: HOST or USER@HOST")
    })?;
    if place.before.is_some() {
        return Err(CommandError::refused("the inventory has no servers")
            .hint(format!("write this one below `servers`, then try again: - {written}")));
    }
    Ok((host, written))
}

fn remote(address: &str) -> String {
    let (user, host) = match address.split_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, address),
    };
    let host_text = inventory::plain_or_quoted(host);
    let user = user
        .map(|user| format!(", username: {}", inventory::plain_or_quoted(user)))
        .unwrap_or_default();
    format!("{{name: {host_text}, host: {host_text}{user}}}")
}

fn read_all(files: &[PathBuf]) -> Result<Vec<(PathBuf, Vec<u8>)>, CommandError> {
    let mut texts = Vec::new();
    for path in files {
        let entry = Disk.read(path).map_err(|source| cannot("read", path).caused_by(&source))?;
        let Some(bytes) = entry.bytes() else {
            return Err(cannot("read", path).because("it is no file"));
        };
        texts.push((path.clone(), bytes.to_vec()));
    }
    Ok(texts)
}

fn cannot(verb: &str, path: &Path) -> CommandError {
    CommandError::refused(format!("cannot {verb} {}", path.display()))
}

/// What is written, the inventory last. Refused where something else is there.
fn writes(
    place: &Place,
    folder: &Folder,
    imported: &Imported,
) -> Result<Vec<(PathBuf, FileContent)>, CommandError> {
    let mut writes = Vec::new();
    for (path, NewFile { bytes, mode }) in &imported.candidate.files {
        let path = folder.join(path);
        let content = FileContent { bytes: bytes.clone().into(), mode: *mode, owner: None };
        writes.extend(unless_there(path, content)?);
    }
    let mode = if imported.candidate.open_secrets > 0 { 0o600 } else { 0o644 };
    let Some(text) = &imported.candidate.text else {
        let bytes = imported.candidate.entries.clone().into();
        let content = FileContent { bytes, mode, owner: None };
        writes.extend(unless_there(folder.join(BY_HAND), content)?);
        return Ok(writes);
    };
    let bytes = text.clone().into();
    match &place.before {
        None => {
            let schema = folder.join(inventory::SCHEMA_FILE);
            if schema.symlink_metadata().is_err() {
                let bytes = inventory::schema_text().into();
                writes.push((schema, FileContent { bytes, mode: 0o644, owner: None }));
            }
            writes.push((place.path.clone(), FileContent { bytes, mode, owner: None }));
        }
        Some((loaded, _)) => {
            let entry = Disk.read(&place.path);
            let entry = entry.map_err(|source| cannot("read", &place.path).caused_by(&source))?;
            let Entry::File(now) = entry else {
                return Err(cannot("write", &place.path).because("it is no file any more"));
            };
            if *now.bytes != *loaded.text.as_bytes() {
                return Err(cannot("write", &place.path)
                    .because("somebody else has changed it meanwhile")
                    .hint("try again"));
            }
            writes.push((place.path.clone(), FileContent { bytes, ..now }));
        }
    }
    Ok(writes)
}

fn unless_there(
    path: PathBuf,
    content: FileContent,
) -> Result<Option<(PathBuf, FileContent)>, CommandError> {
    let entry = Disk.read(&path).map_err(|source| cannot("read", &path).caused_by(&source))?;
    match entry {
        Entry::Absent => Ok(Some((path, content))),
        Entry::File(there) if *there.bytes == *content.bytes => Ok(None),
        _ => Err(cannot("write", &path)
            .because("something else is there")
            .hint(crate::system::shell::move_away(&path, ".old"))),
    }
}

fn write_all(writes: &[(PathBuf, FileContent)]) -> Result<(), CommandError> {
    for (path, content) in writes {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder
            .map_or(Ok(()), |folder| Disk.create_folder(folder, 0o755))
            .and_then(|()| replace(&Disk, path, content))
            .map_err(|source| cannot("write", path).caused_by_io(&source, path))?;
    }
    Ok(())
}

fn agree(
    context: &Context,
    place: &Place,
    files: usize,
    screen: &mut Screen,
) -> Result<(), CommandError> {
    let more = match files.saturating_sub(1) {
        0 => String::new(),
        1 => " and 1 file beside it".to_owned(),
        more => format!(" and {more} files beside it"),
    };
    let question = format!("Write {}{more}?", place.path.display());
    let interrupt = &context.fleet.interrupt;
    let answer = screen.confirm(&question, interrupt);
    screen.agreed(answer, ("not written", "you answered no", "it"), interrupt)
}
