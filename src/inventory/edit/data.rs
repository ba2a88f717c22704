//! What a YAML text says, without how it is written: what an edit is proved by.

use std::collections::BTreeMap;

use crate::inventory::file::{Node, Value};

/// A value without its place. Two texts that have the same are read alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Data {
    Null,
    Bool(bool),
    /// As it was typed, so that `1.10` is not `1.1`.
    Number(String),
    Text(String),
    List(Vec<Data>),
    /// The order of keys says nothing; a key that appears twice is refused elsewhere.
    Map(BTreeMap<Data, Data>),
}

impl Data {
    /// The value of a node of `text`.
    pub(super) fn of(node: &Node, text: &str) -> Self {
        match &node.value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number => {
                let typed = text.get(node.defined.start..node.defined.end);
                Self::Number(typed.unwrap_or_default().to_owned())
            }
            Value::Text(text) => Self::Text(text.clone()),
            Value::List(items) => {
                Self::List(items.iter().map(|item| Self::of(item, text)).collect())
            }
            Value::Map(entries) => {
                let entries = entries.iter();
                Self::Map(entries.map(|(k, v)| (Self::of(k, text), Self::of(v, text))).collect())
            }
        }
    }

    /// A text.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// Whether there is nothing in it: no value, no item, no key.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
            Self::Bool(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }

    /// The value of a key of this map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.get(&Self::text(key)),
            _ => None,
        }
    }

    /// The value of a key of this map, to be changed.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match self {
            Self::Map(entries) => entries.get_mut(&Self::text(key)),
            _ => None,
        }
    }

    /// The items of this list, to be changed; what is empty is an empty list by then.
    pub(super) fn items_mut(&mut self) -> Option<&mut Vec<Self>> {
        if self.is_empty() {
            *self = Self::List(Vec::new());
        }
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// Gives the key at the end of `path` this value; maps on the way that are not there are made.
    pub(super) fn set(&mut self, path: &[String], value: &Self) {
        let Some((key, rest)) = path.split_first() else {
            return *self = value.clone();
        };
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(BTreeMap::new());
        }
        if let Self::Map(entries) = self {
            entries.entry(Self::text(key)).or_insert(Self::Null).set(rest, value);
        }
    }

    /// Removes the key at the end of `path`, and each map on the way that has no key then.
    pub(super) fn unset(&mut self, path: &[String]) {
        let (Some((key, rest)), Self::Map(entries)) = (path.split_first(), self) else { return };
        let key = Self::text(key);
        let Some(value) = entries.get_mut(&key) else { return };
        value.unset(rest);
        if rest.is_empty() || value.is_empty() {
            entries.remove(&key);
        }
    }

    /// The value at the end of `path`.
    pub(super) fn at(&self, path: &[String]) -> Option<&Self> {
        path.iter().try_fold(self, |data, key| data.get(key))
    }
}
