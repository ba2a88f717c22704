//! Edits of an inventory's text: a program more or less, a key of one. Comments, order, quotes, anchors,
//! line breaks and foreign keys stay as they are, and an edit that changes nothing changes no byte.
//!
//! The text is changed at the places that our own reader tells (`splice`), and proved afterwards: what
//! comes out is read again, must say what the former text says with the edit in it (`data`) and must be
//! an inventory. Whatever cannot be edited so is refused with its line. So the places need not be right for
//! every way to write YAML. A YAML editing crate is the road not taken: it would need the same proof, brings a
//! second parser that may read a text differently, and is larger than these files.

mod assignment;
mod data;
mod extent;
mod names;
mod shown;
mod splice;

pub(crate) use assignment::Assignment;
pub(crate) use names::{ProgramNames, SiteNames, names};
pub(crate) use shown::{Sign, diff};

use data::Data;
use extent::is_alias;
use splice::{Entry, ItemStyle, entry};

use super::beside::Beside;
use super::file::{self, Node, Value};
use super::problem::Problems;
use super::program_keys::PROGRAM;
use super::resolve::{self, Inventory};
use super::selector::unknown;
use super::source::Source;
use super::suggest::{nearest, shown as plain};
use crate::error::CommandError;
use crate::inventory::{Quotes, quoted};

/// What is to change of a program.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    /// The site's domain.
    pub(crate) site: String,
    /// The program's name within the site.
    pub(crate) program: String,
    /// What becomes of it.
    pub(crate) change: Change,
}

/// What becomes of a program.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// It is new, with these keys.
    Add(Vec<Assignment>),
    /// It goes.
    Remove,
    /// Keys of it change.
    Set(Vec<Assignment>),
}

/// An inventory after an edit.
#[derive(Debug)]
pub(crate) struct Edited {
    /// The whole text.
    pub(crate) text: String,
    /// What it says.
    pub(crate) inventory: Inventory,
}

/// Why an edit was not made. In either case nothing of the text has changed.
#[derive(Debug)]
pub(crate) enum EditError {
    /// It cannot be made in this text.
    Refused(CommandError),
    /// The text is no inventory, or would be none.
    Problems(Problems),
}

impl From<CommandError> for EditError {
    fn from(error: CommandError) -> Self {
        Self::Refused(error)
    }
}

impl Edit {
    /// The text with the edit in it. `name` is the file's name for messages.
    pub(crate) fn make(
        &self,
        name: &str,
        text: &str,
        beside: &dyn Beside,
    ) -> Result<Edited, EditError> {
        let mut new = text.to_owned();
        let mut wanted = {
            let root = parsed(name, text, beside)?;
            Data::of(&root, text)
        };
        for step in self.steps() {
            let root = parsed(name, &new, beside)?;
            let place = Place::find(name, &new, &root, &self.site)?;
            new = match &step {
                Step::Add => place.with_program(&root, &self.program)?,
                Step::Remove => place.without_program(&self.program)?,
                Step::Assign(assignment) => place.with_assignment(&self.program, assignment)?,
            };
            self.apply(&step, &mut wanted);
        }
        let root = parsed(name, &new, beside)?;
        if Data::of(&root, &new) != wanted {
            return Err(Place::find(name, text, &parsed(name, text, beside)?, &self.site)?
                .by_hand(Some(&self.program), "has parts that other places share, as an anchor is")
                .into());
        }
        let edited = format!("{name} (as edited)");
        let name = if new == text { name } else { &edited };
        let inventory = resolve::read_beside(name, &new, beside).map_err(EditError::Problems)?;
        Ok(Edited { text: new, inventory })
    }

    fn steps(&self) -> Vec<Step<'_>> {
        match &self.change {
            Change::Add(keys) => {
                std::iter::once(Step::Add).chain(keys.iter().map(Step::Assign)).collect()
            }
            Change::Remove => vec![Step::Remove],
            Change::Set(keys) => keys.iter().map(Step::Assign).collect(),
        }
    }

    /// What a step means, apart from how it is written.
    fn apply(&self, step: &Step<'_>, root: &mut Data) {
        let Some(site) = item_mut(root.get_mut("sites"), "domain", &self.site) else { return };
        match step {
            Step::Add => {
                let key = ["supervisors".to_owned()];
                if site.get("supervisors").is_none_or(Data::is_empty) {
                    site.set(&key, &Data::List(Vec::new()));
                }
                let program = [(Data::text("program"), Data::text(&self.program))];
                let programs = site.get_mut("supervisors").and_then(Data::items_mut);
                programs.into_iter().for_each(|all| all.push(Data::Map(program.clone().into())));
            }
            Step::Remove => {
                if let Some(programs) = site.get_mut("supervisors").and_then(Data::items_mut) {
                    programs.retain(|program| !is_named(program, "program", &self.program));
                }
            }
            Step::Assign(Assignment { path, value }) => {
                let program = item_mut(site.get_mut("supervisors"), "program", &self.program);
                match (program, value) {
                    (Some(program), Some(value)) => program.set(path, &value.data),
                    (Some(program), None) => program.unset(path),
                    (None, _) => {}
                }
            }
        }
    }
}

/// A part of an edit, of which the next sees the text.
enum Step<'e> {
    Add,
    Remove,
    Assign(&'e Assignment),
}

fn is_named(item: &Data, key: &str, name: &str) -> bool {
    item.get(key) == Some(&Data::text(name))
}

fn item_mut<'d>(list: Option<&'d mut Data>, key: &str, name: &str) -> Option<&'d mut Data> {
    list?.items_mut()?.iter_mut().find(|item| is_named(item, key, name))
}

/// The tree of a text. One that is no YAML is refused as any verb refuses it.
fn parsed(name: &str, text: &str, beside: &dyn Beside) -> Result<Node, EditError> {
    match file::parse(text) {
        Ok(root) => Ok(root),
        Err(error) => Err(match resolve::read_beside(name, text, beside) {
            Err(problems) => EditError::Problems(problems),
            Ok(_) => CommandError::refused(format!("{name} is {}", error.message)).into(),
        }),
    }
}

/// A site in a text.
struct Place<'n> {
    /// The file's name.
    name: &'n str,
    text: &'n str,
    domain: &'n str,
    site: &'n Node,
    programs: Option<Entry<'n>>,
}

impl<'n> Place<'n> {
    fn find(
        name: &'n str,
        text: &'n str,
        root: &'n Node,
        domain: &'n str,
    ) -> Result<Self, CommandError> {
        let sites = entry(root, "sites").map(|(_, sites)| sites.children()).unwrap_or_default();
        let mut all = sites.iter().copied();
        let Some(site) = all.find(|site| text_of(site, "domain") == Some(domain)) else {
            let domains = sites.iter().filter_map(|site| text_of(site, "domain"));
            let error = unknown("site", domain, domains);
            return Err(
                error.hint(format!("a new site is written by hand, in {name}: below `sites`"))
            );
        };
        let place = Self { name, text, domain, site, programs: entry(site, "supervisors") };
        match place.programs {
            _ if is_alias(site) => Err(place.by_hand(None, "is an alias (`*name`)")),
            Some((key, list)) if is_alias(key) || is_alias(list) => {
                Err(place.by_hand(None, "has its `supervisors` from an alias (`*name`)"))
            }
            _ => Ok(place),
        }
    }

    /// The program, with its place among those of the site.
    fn program(&self, name: &str) -> Result<(usize, &'n Node), CommandError> {
        let programs = self.programs.map(|(_, list)| list.children()).unwrap_or_default();
        let found = programs.iter().position(|node| text_of(node, "program") == Some(name));
        match found.and_then(|index| Some((index, *programs.get(index)?))) {
            Some(found) => Ok(found),
            None => {
                let names = programs.iter().filter_map(|node| text_of(node, "program"));
                Err(unknown("program", name, names))
            }
        }
    }

    fn with_program(&self, root: &Node, program: &str) -> Result<String, CommandError> {
        if self.program(program).is_ok() {
            let message = format!("{} has a program `{}` already", self.domain, plain(program));
            return Err(CommandError::refused(message).hint(format!(
                "change it: supervisor-sync set {} {} KEY=VALUE",
                self.domain, program
            )));
        }
        let entry = format!("program: {}", quoted(program, Quotes::None));
        let is_flow = extent::is_flow(self.site, self.text);
        let style = match is_flow {
            true => ItemStyle::Flow,
            false => ItemStyle::of_file(self.text, root),
        };
        let new = match self.programs {
            Some(list) => splice::with_item(self.text, list, style, &entry),
            None => splice::with_list(self.text, self.site, "supervisors", style, &entry),
        };
        new.ok_or_else(|| self.by_hand(None, "is written in a way that is not edited"))
    }

    fn without_program(&self, program: &str) -> Result<String, CommandError> {
        let (index, _) = self.program(program)?;
        let list = self.programs.and_then(|list| splice::without_item(self.text, list, index));
        list.ok_or_else(|| self.by_hand(Some(program), "is written in a way that is not edited"))
    }

    fn with_assignment(&self, program: &str, given: &Assignment) -> Result<String, CommandError> {
        let (_, node) = self.program(program)?;
        if is_alias(node) {
            return Err(self.by_hand(Some(program), "is an alias (`*name`)"));
        }
        let former = Data::of(node, self.text);
        let new = match &given.value {
            Some(value) if former.at(&given.path) == Some(&value.data) => {
                Some(self.text.to_owned())
            }
            Some(value) => self.with_key(node, &given.path, value),
            None if former.at(&given.path).is_none() => {
                known(&given.path)?;
                Some(self.text.to_owned())
            }
            None => self.without_key(node, &given.path),
        };
        new.ok_or_else(|| {
            let what = format!("has `{}` in a way that is not edited", plain(&given.key()));
            self.by_hand(Some(program), &what)
        })
    }

    /// The text with a key of a map. What a merge brings is overridden, by a key of the map itself.
    fn with_key(&self, map: &Node, path: &[String], value: &assignment::Typed) -> Option<String> {
        let (key, rest) = path.split_first()?;
        let found = entry(map, key);
        let own = found.filter(|(key, _)| !is_alias(key));
        if rest.is_empty() {
            return match own {
                Some(own) => splice::with_value(self.text, own, value),
                None => {
                    let value = value.written(Quotes::None);
                    splice::with_entry(self.text, map, key, &value)
                }
            };
        }
        match found {
            // A part of what others have, too.
            Some((key, inner)) if is_alias(key) || is_alias(inner) => None,
            Some((_, inner)) if matches!(&inner.value, Value::Map(all) if !all.is_empty()) => {
                self.with_key(inner, rest, value)
            }
            _ => {
                let inner = rest.iter().rev().fold(value.written(Quotes::None), |value, key| {
                    format!("{{{}: {value}}}", quoted(key, Quotes::None))
                });
                let inner = assignment::Typed::written_as(&inner);
                self.with_key(map, std::slice::from_ref(key), &inner)
            }
        }
    }

    fn without_key(&self, map: &Node, path: &[String]) -> Option<String> {
        let (key, rest) = path.split_first()?;
        let own = entry(map, key).filter(|(key, _)| !is_alias(key))?;
        let (_, inner) = own;
        match &inner.value {
            Value::Map(entries) if !rest.is_empty() && entries.len() > 1 => {
                if is_alias(inner) {
                    None
                } else {
                    self.without_key(inner, rest)
                }
            }
            _ => splice::without_entry(self.text, map, own),
        }
    }

    /// Refuses to edit the site or a program of it, at its line.
    fn by_hand(&self, program: Option<&str>, what: &str) -> CommandError {
        let node = program.and_then(|program| self.program(program).ok());
        let at = node.map_or(self.site.at, |(_, node)| node.at);
        let line = Source::new(self.name, self.text, Vec::new()).line_of(at);
        let whose = match program {
            Some(program) => format!("the program `{}` of {}", plain(program), self.domain),
            None => format!("the site {}", self.domain),
        };
        CommandError::refused(format!("{}:{line}: {whose} {what}", self.name)).hint(format!(
            "nothing was changed; edit it there by hand, then: supervisor-sync apply --site {}",
            self.domain
        ))
    }
}

fn text_of<'n>(map: &'n Node, key: &str) -> Option<&'n str> {
    entry(map, key)?.1.text()
}

/// Refuses to remove a key that no program has.
fn known(path: &[String]) -> Result<(), CommandError> {
    let Some(first) = path.first().filter(|key| PROGRAM.find(key).is_none()) else { return Ok(()) };
    let error = CommandError::refused(format!("there is no key `{}` of a program", plain(first)));
    Err(match nearest(first, PROGRAM.names()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("the keys are in docs/inventory.md, and in: supervisor-sync schema"),
    })
}

#[cfg(test)]
mod tests;
