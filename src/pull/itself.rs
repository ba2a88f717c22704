//! How a host finds itself in an inventory: which sites are its own, and what it is called.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::error::CommandError;
use crate::inventory::{Inventory, Itself, PlacedSite};
use crate::store::ObjectName;
use crate::system::bytes::hex;
use crate::system::files::{Disk, Files as _};
use crate::system::machine;

/// The longest name of a host in a store, in bytes.
const LONGEST_NAME: usize = 100;

/// A host in an inventory.
#[derive(Debug, Clone)]
pub(crate) struct Found<'i> {
    /// What it is called, in the store too: a server's name, or its own where it is one of many.
    pub(crate) name: String,
    /// Its sites, in the inventory's order.
    pub(crate) sites: Vec<&'i PlacedSite>,
}

/// What this machine says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// What its kernel calls it.
    pub(crate) hostname: String,
    /// Its machine-id; what its kernel calls it, where it has none.
    pub(crate) id: Vec<u8>,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Self {
        let hostname = machine::name();
        let id = machine::id().unwrap_or_else(|| hostname.clone().into_bytes());
        Self { hostname, id }
    }

    /// Its name where it is one of many: unlike any other's, also if images were cloned with their names.
    fn own_name(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(b"supervisor-sync host ");
        hasher.update(&self.id);
        let tail: String = hex(&hasher.finalize()).chars().take(8).collect();
        let short = self.hostname.split('.').next().unwrap_or_default();
        format!("{}-{tail}", word(short))
    }

    /// What its wave follows from. Machines that were cloned with their machine-id have at least names of their own.
    pub(crate) fn seed(&self, name: &str) -> Vec<u8> {
        [&self.id, &b"\0"[..], name.as_bytes()].concat()
    }

    /// Its name in the store before it is found in an inventory.
    pub(crate) fn name_as(&self, itself: &Itself) -> String {
        match itself {
            Itself::Name(name) => word(name),
            Itself::HostName => word(&self.hostname),
            Itself::Tags(_) | Itself::Label { .. } => self.own_name(),
        }
    }
}

/// A text as a word of an object's name.
fn word(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let text: String = text.chars().map(fits).take(LONGEST_NAME).collect();
    match ObjectName::parse(&text) {
        Some(_) => text,
        None => format!("host{}", text.replace('.', "-")),
    }
}

/// Finds this machine in an inventory.
///
/// # Errors
/// If it is not there: nothing says then that nothing is to run on it.
pub(crate) fn find<'i>(
    inventory: &'i Inventory,
    itself: &Itself,
    machine: &Machine,
) -> Result<Found<'i>, CommandError> {
    match itself {
        Itself::Name(name) => by_name(inventory, name, machine.name_as(itself)),
        Itself::HostName => {
            let name = &machine.hostname;
            let short = name.split('.').next().unwrap_or_default();
            let known = [name, short].into_iter().find(|name| inventory.sites_of(name).is_some());
            by_name(inventory, known.unwrap_or(name), word(known.unwrap_or(name)))
        }
        Itself::Tags(tags) => {
            let sites = inventory.sites_by_tags(tags);
            let sites = sites.ok_or_else(|| nobody(format!("has a tag of {}", tags.join(", "))))?;
            Ok(Found { name: machine.own_name(), sites })
        }
        Itself::Label { file, at } => {
            let label = label(file.as_path(), at)?;
            if inventory.sites_of(&label).is_some() {
                return by_name(inventory, &label, word(&label));
            }
            let sites = inventory.sites_by_tags(std::slice::from_ref(&label));
            let sites = sites.ok_or_else(|| {
                nobody(format!("is called {label} or has that tag, as {} says", file.as_str()))
            })?;
            Ok(Found { name: machine.own_name(), sites })
        }
    }
}

fn by_name<'i>(
    inventory: &'i Inventory,
    server: &str,
    name: String,
) -> Result<Found<'i>, CommandError> {
    match inventory.sites_of(server) {
        Some(sites) => Ok(Found { name, sites }),
        None => Err(nobody(format!("is called {server}"))),
    }
}

fn nobody(how: String) -> CommandError {
    CommandError::refused(format!("the bundle has no server that {how}: everything stays as it is"))
        .hint("add the server to the inventory and publish it, or say which it is: `host:` in pull.yml")
}

/// What a file of the cloud says at a place.
fn label(file: &Path, at: &str) -> Result<String, CommandError> {
    let failed = |why: String| {
        let message = format!("cannot tell from {} which host this is", file.display());
        CommandError::refused(message).because(why)
    };
    let entry = Disk.read(file).map_err(|error| failed(error.to_string()))?;
    let bytes = entry.bytes().ok_or_else(|| failed("there is no such file".to_owned()))?;
    let json: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| failed(error.to_string()))?;
    let found = json.pointer(at).and_then(serde_json::Value::as_str).map(str::trim);
    match found.filter(|text| !text.is_empty()) {
        Some(text) => Ok(text.to_owned()),
        None => Err(failed(format!("there is no text at {at}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{self, AbsolutePath};

    fn inventory() -> Inventory {
        let text = "servers:\n  - {name: web1, host: h, tags: [web]}\n  - {name: web2, host: h, tags: [web, eu]}\n  \
                    - {name: jobs, host: h}\nsites:\n  - {domain: a.com, server: web1, supervisors: []}\n  \
                    - {domain: b.com, servers: [web1, web2], supervisors: []}\n  \
                    - {domain: c.com, server: jobs, supervisors: []}\n";
        inventory::read("x", text).unwrap()
    }

    fn machine(hostname: &str) -> Machine {
        Machine { hostname: hostname.to_owned(), id: b"0123".to_vec() }
    }

    fn found(itself: &Itself, hostname: &str) -> Result<(String, Vec<String>), String> {
        let inventory = inventory();
        let found = find(&inventory, itself, &machine(hostname)).map_err(|error| error.message)?;
        let sites = found.sites.iter().map(|placed| placed.site.domain.to_string());
        Ok((found.name, sites.collect()))
    }

    fn sites(itself: &Itself, hostname: &str) -> Vec<String> {
        found(itself, hostname).unwrap().1
    }

    #[test]
    fn host_is_found_by_name_and_tag() {
        assert_eq!(sites(&Itself::HostName, "web1.example.com"), ["a.com", "b.com"]);
        assert_eq!(sites(&Itself::Name("jobs".to_owned()), "web1"), ["c.com"]);
        assert_eq!(sites(&Itself::Tags(vec!["web".to_owned()]), "x"), ["a.com", "b.com"]);
        assert_eq!(sites(&Itself::Tags(vec!["eu".to_owned(), "us".to_owned()]), "x"), ["b.com"]);
        for itself in [Itself::HostName, Itself::Tags(vec!["us".to_owned()])] {
            let error = found(&itself, "db1").unwrap_err();
            assert!(error.contains("everything stays as it is"), "{error}");
        }
    }

    #[test]
    fn one_of_many_has_name_of_its_own() {
        let tags = Itself::Tags(vec!["web".to_owned()]);
        let (name, _) = found(&tags, "ip-10-0-0-7.internal").unwrap();
        assert!(name.starts_with("ip-10-0-0-7-") && name.len() == 20, "{name}");
        assert_eq!(found(&Itself::HostName, "web1.x").unwrap().0, "web1");
        for hostname in ["", "..", "ä b/c", &"x".repeat(300)] {
            let name = machine(hostname).name_as(&Itself::HostName);
            assert!(super::super::status::object_of(&name).is_some(), "{name}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "prepares a file")]
    fn cloud_label_is_name_or_tag() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instance-data.json");
        let label = |role: &str, at: &str| {
            std::fs::write(&path, format!(r#"{{"tags": {{"role": {role}}}}}"#)).unwrap();
            let file = AbsolutePath::parse(path.to_str().unwrap()).unwrap();
            found(&Itself::Label { file, at: at.to_owned() }, "x").map(|(_, sites)| sites)
        };
        assert_eq!(label("\"jobs\"", "/tags/role").unwrap(), ["c.com"]);
        assert_eq!(label("\"eu\"", "/tags/role").unwrap(), ["b.com"]);
        for (role, at) in
            [("\"db\"", "/tags/role"), ("7", "/tags/role"), ("\"eu\"", "/role"), ("", "/")]
        {
            assert!(label(role, at).is_err(), "{role} {at}");
        }
    }
}
