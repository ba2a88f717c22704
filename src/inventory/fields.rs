//! Reads the values of one map into checked types; whatever is wrong goes to the findings.
//!
//! Each reader gives `None` for a value that is wrong as for one that is not there: the finding is
//! what refuses the inventory, and the caller goes on to the next value.

use std::str::FromStr;

use super::beside::Beside;
use super::file::{Node, Span, Value};
use super::findings::{Finding, Findings};
use super::keys::{Given, Keys};
use super::name::NameError;
use super::source::Source;
use super::suggest::{near_miss, nearest, shown};

/// A value with its place, for a check that comes later.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: Span,
}

/// The source and the findings, carried through every reader.
pub(super) struct Reader<'s, 't> {
    pub(super) source: &'s Source<'t>,
    pub(super) beside: &'s dyn Beside,
    pub(super) findings: Findings,
}

/// The entries of a map that has been checked for unknown keys.
pub(super) struct Fields<'n> {
    keys: &'static Keys,
    entries: &'n [(Node, Node)],
    /// The keys that an unknown key was probably meant to be.
    meant: Vec<String>,
    pub(super) at: Span,
}

impl<'n> Fields<'n> {
    /// The value of a key, if there is one and it is not null: DeployerPHP writes null for what is
    /// not set.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|(_, value)| value).filter(|value| !matches!(value.value, Value::Null))
    }

    /// Whether one of these keys is there under a mistyped name, which has been reported.
    pub(super) fn meant(&self, keys: &[&str]) -> bool {
        self.meant.iter().any(|meant| keys.contains(&meant.as_str()))
    }

    /// The keys that are there and not null, with their places.
    pub(super) fn set(&self) -> impl Iterator<Item = (&'static str, Span)> {
        self.keys.names().filter_map(|name| Some((name, self.get(name)?.at)))
    }

    /// Key and value, null or not.
    pub(super) fn entry(&self, key: &str) -> Option<(&'n Node, &'n Node)> {
        self.entries
            .iter()
            .find(|(name, _)| name.text() == Some(key))
            .map(|(name, value)| (name, value))
    }
}

impl Reader<'_, '_> {
    pub(super) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The text of a file beside the inventory that `node` names.
    pub(super) fn text_beside(&mut self, node: &Node, path: &str) -> Option<String> {
        let message = match self.beside.read(path).map(String::from_utf8) {
            Ok(Ok(text)) => return Some(text),
            Ok(Err(_)) => format!("`{}` is not UTF-8 text", shown(path)),
            Err(reason) => format!("cannot read `{}`: {reason}", shown(path)),
        };
        self.push(Finding::new(node.at, message));
        None
    }

    /// A map, its keys checked against `keys`.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, keys: &'static Keys) -> Option<Fields<'n>> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::List(items) if items.is_empty() => &[],
            _ => {
                self.wrong_kind(node, &format!("{} must be a map of keys and values", keys.of));
                return None;
            }
        };
        let meant = entries.iter().filter_map(|(key, _)| self.check_key(key, keys)).collect();
        Some(Fields { keys, entries, meant, at: node.at })
    }

    /// Reports a key that is not known; the result is the key it was probably meant to be.
    fn check_key(&mut self, key: &Node, keys: &Keys) -> Option<String> {
        let Some(name) = key.text() else {
            if !keys.shared {
                self.push(Finding::new(key.at, format!("a key of {} must be text", keys.of)));
            }
            return None;
        };
        if keys.find(name).is_some() || (keys.shared && name.starts_with("x-")) {
            return None;
        }
        if !self.findings.has_room() && !keys.shared {
            self.push(Finding::new(key.at, "unknown key"));
            return None;
        }
        let instead = keys.instead.iter().find(|(word, _)| *word == name).map(|(_, say)| *say);
        let known = keys.names();
        let near = if keys.shared { near_miss(name, known) } else { nearest(name, known) };
        let finding = Finding::new(key.at, format!("unknown key `{}` of {}", shown(name), keys.of));
        let (finding, meant) = match (instead, near) {
            (Some(sentence), _) if sentence.contains(' ') => (finding.help(sentence), None),
            (Some(key), _) | (None, Some(key)) => (finding.did_you_mean(Some(key)), Some(key)),
            (None, None) if keys.shared => return None,
            (None, None) => {
                let names: Vec<&str> = keys.names().collect();
                (finding.help(format!("the keys are: {}", names.join(", "))), None)
            }
        };
        self.push(finding);
        meant.map(str::to_owned)
    }

    /// The value of a key that must be there.
    pub(super) fn required<'n>(
        &mut self,
        fields: &Fields<'n>,
        key: &str,
        of: &str,
        example: &str,
    ) -> Option<&'n Node> {
        let finding = match fields.entry(key) {
            Some((_, value)) if !matches!(value.value, Value::Null) => return Some(value),
            Some((name, _)) => Finding::new(name.at, format!("`{key}` of {of} has no value")),
            None if fields.meant(&[key]) => return None,
            None => Finding::new(fields.at, format!("{of} needs `{key}`")),
        };
        self.push(finding.help(format!("for example `{key}: {example}`")));
        None
    }

    /// A list. An empty map counts as one: PHP has one kind of empty array, written `{  }`.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            Value::Map(entries) if entries.is_empty() => Some(&[]),
            _ => {
                self.wrong_kind(node, &format!("`{what}` must be a list"));
                None
            }
        }
    }

    /// A text exactly as YAML has it; a number or a bool is refused and told to be quoted.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) => Some(text),
            Value::Number | Value::Bool(_) => {
                let typed = self.source.slice(node.defined);
                let finding = Finding::new(node.at, format!("`{what}` must be text"));
                self.push(if typed.is_empty() || typed.len() > 40 {
                    finding.help("put it in quotes")
                } else {
                    finding.help(format!("put it in quotes: `{what}: \"{typed}\"`"))
                });
                None
            }
            _ => {
                self.wrong_kind(node, &format!("`{what}` must be text"));
                None
            }
        }
    }

    /// A text of a checked type.
    pub(super) fn parse<T>(
        &mut self,
        node: &Node,
        what: &str,
        parse: fn(&str) -> Result<T, NameError>,
    ) -> Option<T> {
        let text = self.text(node, what)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.push(Finding::new(node.at, format!("`{what}` {error}")));
                None
            }
        }
    }

    /// A user by name or by id, as supervisord takes both: an id is a whole number in YAML.
    pub(super) fn user<T>(
        &mut self,
        node: &Node,
        what: &str,
        parse: fn(&str) -> Result<T, NameError>,
    ) -> Option<T> {
        let typed = self.source.slice(node.defined);
        let is_id =
            matches!(node.value, Value::Number) && typed.bytes().all(|byte| byte.is_ascii_digit());
        match parse(typed) {
            Ok(id) if is_id => Some(id),
            _ => self.parse(node, what, parse),
        }
    }

    /// The value of a key, in the one spelling of its kind, if that has one.
    pub(super) fn value(&mut self, fields: &Fields<'_>, name: &str) -> Option<String> {
        let key = fields.keys.find(name)?;
        let node = fields.get(name)?;
        let given = given(self.source, node);
        match key.kind.read(&given)? {
            Ok(text) => Some(text),
            Err(wrong) => {
                let at = wrong
                    .item
                    .and_then(|item| node.children().get(item).copied())
                    .unwrap_or(node)
                    .at;
                let finding = Finding::new(at, format!("`{name}` {}", wrong.reason));
                let finding = finding.did_you_mean(wrong.near);
                self.push(match wrong.help {
                    Some(help) => finding.help(help.replace("{}", name)),
                    None => finding,
                });
                None
            }
        }
    }

    /// True or false.
    pub(super) fn boolean(&mut self, fields: &Fields<'_>, name: &str) -> Option<bool> {
        self.value(fields, name).map(|text| text == "true")
    }

    /// A whole number.
    pub(super) fn number<T: FromStr>(&mut self, fields: &Fields<'_>, name: &str) -> Option<T> {
        self.value(fields, name)?.parse().ok()
    }

    /// One of a few words.
    pub(super) fn word<T>(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        parse: fn(&str) -> Option<T>,
    ) -> Option<T> {
        parse(&self.value(fields, name)?)
    }

    /// A value of another kind than it must be.
    pub(super) fn wrong_kind(&mut self, node: &Node, message: &str) {
        let kind = match &node.value {
            Value::Null => "this is empty",
            Value::Bool(_) => "this is true or false",
            Value::Number => "this is a number",
            Value::Text(_) => "this is a text",
            Value::List(_) => "this is a list",
            Value::Map(_) => "this is a map",
        };
        self.push(Finding::new(node.at, message).label(kind));
    }
}

fn given<'g>(source: &Source<'g>, node: &'g Node) -> Given<'g> {
    match &node.value {
        Value::Bool(value) => Given::Bool(*value),
        Value::Number => Given::Number(source.slice(node.defined)),
        Value::Text(text) => Given::Text(text, source.slice(node.defined).starts_with(['"', '\''])),
        Value::List(items) => Given::List(items.iter().map(|item| given(source, item)).collect()),
        Value::Null | Value::Map(_) => Given::Other,
    }
}
