//! Reads the values of one map into checked types; whatever is wrong goes to the findings.
//!
//! Each reader gives `None` for a value that is wrong as for one that is not there: the finding is
//! what refuses the inventory, and the caller goes on to the next value.

use super::file::{Node, Span, Value};
use super::findings::{Finding, Findings};
use super::name::{NameError, UserName};
use super::source::Source;
use super::suggest::{near_miss, nearest, shown};

/// A value with its place, for a check that comes later.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: Span,
}

/// Which keys a map may have.
pub(super) struct Keys<'k> {
    /// What the map is, for messages: "a program".
    pub(super) of: &'static str,
    /// The keys that are ours.
    pub(super) known: &'k [&'k str],
    /// Words that people write for one of them, with the key or the sentence to give them.
    pub(super) instead: &'k [(&'k str, &'k str)],
    /// Whether the map is shared with DeployerPHP, whose keys are passed over.
    pub(super) shared: bool,
}

/// The source and the findings, carried through every reader.
pub(super) struct Reader<'s, 't> {
    pub(super) source: &'s Source<'t>,
    pub(super) findings: Findings,
}

/// The entries of a map that has been checked for unknown keys.
pub(super) struct Fields<'n> {
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

    /// A map, its keys checked against `keys`.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, keys: &Keys<'_>) -> Option<Fields<'n>> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::List(items) if items.is_empty() => &[],
            _ => {
                self.wrong_kind(node, &format!("{} must be a map of keys and values", keys.of));
                return None;
            }
        };
        let meant = entries.iter().filter_map(|(key, _)| self.check_key(key, keys)).collect();
        Some(Fields { entries, meant, at: node.at })
    }

    /// Reports a key that is not known; the result is the key it was probably meant to be.
    fn check_key(&mut self, key: &Node, keys: &Keys<'_>) -> Option<String> {
        let Some(name) = key.text() else {
            if !keys.shared {
                self.push(Finding::new(key.at, format!("a key of {} must be text", keys.of)));
            }
            return None;
        };
        if keys.known.contains(&name) || (keys.shared && name.starts_with("x-")) {
            return None;
        }
        if !self.findings.has_room() && !keys.shared {
            self.push(Finding::new(key.at, "unknown key"));
            return None;
        }
        let instead = keys.instead.iter().find(|(word, _)| *word == name).map(|(_, say)| *say);
        let known = keys.known.iter().copied();
        let near = if keys.shared { near_miss(name, known) } else { nearest(name, known) };
        let finding = Finding::new(key.at, format!("unknown key `{}` of {}", shown(name), keys.of));
        let (finding, meant) = match (instead, near) {
            (Some(sentence), _) if sentence.contains(' ') => (finding.help(sentence), None),
            (Some(key), _) | (None, Some(key)) => (finding.did_you_mean(Some(key)), Some(key)),
            (None, None) if keys.shared => return None,
            (None, None) => {
                (finding.help(format!("the keys are: {}", keys.known.join(", "))), None)
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

    /// A text.
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
    pub(super) fn user(&mut self, node: &Node, what: &str) -> Option<UserName> {
        let typed = self.source.slice(node.defined);
        let is_id =
            matches!(node.value, Value::Number) && typed.bytes().all(|byte| byte.is_ascii_digit());
        match UserName::parse(typed) {
            Ok(id) if is_id => Some(id),
            _ => self.parse(node, what, UserName::parse),
        }
    }

    /// True or false.
    pub(super) fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Value::Bool(value) = node.value {
            return Some(value);
        }
        let finding = Finding::new(node.at, format!("`{what}` must be true or false"));
        let meant = node.text().and_then(|text| match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some(true),
            "no" | "off" | "n" | "false" => Some(false),
            _ => None,
        });
        self.push(match meant {
            Some(meant) => finding.help(format!("write `{what}: {meant}`, without quotes")),
            None => finding,
        });
        None
    }

    /// A whole number.
    pub(super) fn whole(&mut self, node: &Node, what: &str, least: u32, most: u32) -> Option<u32> {
        let typed = match &node.value {
            Value::Number => self.source.slice(node.defined),
            Value::Text(text) => text.as_str(),
            _ => "",
        };
        let number = typed.parse::<i64>().ok();
        let checked = number.map(|number| super::program::whole_number(number, least, most));
        let message = match checked {
            Some(Ok(number)) if matches!(node.value, Value::Number) => return Some(number),
            Some(Err(error)) => format!("`{what}` {error}"),
            _ => format!("`{what}` must be a whole number from {least} to {most}"),
        };
        let finding = Finding::new(node.at, message);
        self.push(match (node.text(), number) {
            (Some(_), Some(number)) => {
                let quoted = self.source.slice(node.defined).starts_with(['"', '\'']);
                let what_to_do = if quoted { "drop the quotes" } else { "write it plainly" };
                finding.help(format!("{what_to_do}: `{what}: {number}`"))
            }
            _ => finding,
        });
        None
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let typed = match &node.value {
            Value::Text(text) => text.as_str(),
            _ => "",
        };
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == typed) {
            return Some(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let (last, others) = words.split_last()?;
        let message = if others.is_empty() {
            format!("`{what}` must be {last}")
        } else {
            format!("`{what}` must be {} or {last}", others.join(", "))
        };
        let near = nearest(typed, words.iter().copied());
        self.push(Finding::new(node.at, message).did_you_mean(near));
        None
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
