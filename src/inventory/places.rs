//! Where an inventory says what, for those who have something to say about it once it is read.

use std::collections::BTreeMap;

use super::allowed::Allowed;
use super::fields::Fields;
use super::file::Span;
use super::options::Options;
use super::problem::Problem;
use super::resolve::Inventory;
use super::source::Source;
use super::suggest::plain;

/// An inventory with the places of what it says.
pub(crate) struct Located<'t> {
    pub(crate) inventory: Inventory,
    pub(crate) places: Places<'t>,
}

/// The places of an inventory. They are of use only beside it: sites and programs are in its order.
pub(crate) struct Places<'t> {
    pub(super) source: Source<'t>,
    pub(crate) sites: Vec<SitePlaces>,
}

/// Those of a site.
#[derive(Debug, Default)]
pub(crate) struct SitePlaces {
    /// What is silenced for all of it.
    pub(crate) allowed: Vec<Allowed>,
    pub(crate) programs: Vec<ProgramPlaces>,
    pub(crate) configs: Vec<ConfigPlace>,
}

/// Those of a program.
#[derive(Debug)]
pub(crate) struct ProgramPlaces {
    pub(crate) name: Span,
    /// The values of its keys, and of those that `defaults` set for it.
    pub(crate) keys: BTreeMap<&'static str, Span>,
    /// The names in `environment`; those of an `environment_file` have no place here.
    pub(crate) variables: BTreeMap<String, Span>,
    /// What is silenced for it, wherever that is said.
    pub(crate) allowed: Vec<Allowed>,
}

/// That of a config by hand.
#[derive(Debug)]
pub(crate) struct ConfigPlace {
    /// What names it in the inventory.
    pub(crate) at: Span,
    /// Where it is, counting from the inventory's folder.
    pub(crate) path: String,
}

impl ProgramPlaces {
    pub(super) fn new(fields: &Fields<'_>, options: &Options, site: &[Allowed]) -> Self {
        let mut keys: BTreeMap<&'static str, Span> = options.places().collect();
        keys.extend(fields.set());
        let variables = options.variables.iter();
        let mut allowed = options.allowed.clone();
        allowed.extend(site);
        Self {
            name: fields.get("program").map_or(fields.at, |node| node.at),
            keys,
            variables: variables.map(|(name, at)| (name.to_string(), *at)).collect(),
            allowed,
        }
    }
}

impl Places<'_> {
    /// The inventory's name, as it was given.
    pub(crate) fn file(&self) -> &str {
        self.source.name
    }

    /// Something to say about a place.
    pub(crate) fn problem(&self, at: Span, message: String, help: Vec<String>) -> Problem {
        let place = self.source.place(at, None);
        Problem { file: plain(self.source.name), place, message, help, related: Vec::new() }
    }
}
