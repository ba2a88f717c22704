//! Names of sites, programs and servers where a verb takes them by a flag: what somebody typed leads on.

use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind as Misuse};

use super::{command, takes};
use crate::error::{CommandError, ErrorKind};
use crate::inventory::{self, Selector};
use crate::report::Typed;
use crate::system::shell;

/// What a name is, and the flag that takes it.
struct Named {
    what: &'static str,
    flag: &'static str,
}

/// What is wrong with a command line that has a name where its verb takes none.
pub(super) fn misused(error: &clap::Error, typed: &Typed) -> Option<CommandError> {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidArg) else { return None };
    if error.kind() != Misuse::UnknownArgument || name.starts_with('-') {
        return None;
    }
    let all = command();
    let verb = typed.words().find_map(|word| all.find_subcommand(word))?.get_name().to_owned();
    let inventory = typed.values("--inventory").next().map(Path::new);
    let named = Named::find(inventory, name).filter(|named| takes(&verb, named.flag))?;
    let message = format!("`{verb}` takes no name, and `{name}` is a {}", named.what);
    Some(CommandError::new(ErrorKind::Usage, message).hint(named.hint(&verb, name)))
}

/// How `verb` is asked about what has this name in the inventory, if something has.
pub(super) fn hint(inventory: Option<&Path>, verb: &str, name: &str) -> Option<String> {
    Some(Named::find(inventory, name)?.hint(verb, name))
}

impl Named {
    fn find(inventory: Option<&Path>, name: &str) -> Option<Self> {
        // What is wrong with the inventory is said where it is asked for.
        let loaded = inventory::load(inventory).ok()?;
        let inventory =
            inventory::read_beside(&loaded.name(), &loaded.text, &loaded.folder()).ok()?;
        let finds = |selector: Result<Selector, CommandError>| {
            selector.is_ok_and(|selector| selector.select(&inventory).is_ok())
        };
        let name = &[name.to_owned()][..];
        if finds(Selector::new(name, &[], &[])) {
            return Some(Self { what: "site", flag: "--site" });
        }
        if finds(Selector::new(&[], &[], name)) {
            return Some(Self { what: "program", flag: "--program" });
        }
        finds(Selector::new(&[], name, &[])).then_some(Self { what: "server", flag: "--on" })
    }

    fn hint(&self, verb: &str, name: &str) -> String {
        let (what, flag, name) = (self.what, self.flag, shell::word(name));
        format!("of one {what} alone: supervisor-sync {verb} {flag} {name}")
    }
}
