//! `KEY=VALUE`, as it is typed on a command line, and how the value is written in YAML.

use super::data::Data;
use crate::inventory::file;
use crate::inventory::keys::{Keys, Kind};
use crate::inventory::program_keys::PROGRAM;
use crate::inventory::{Quotes, quoted};

/// A key of a program and the value that it is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The key; `logs.rotate` is the key `rotate` of `logs`.
    pub(super) path: Vec<String>,
    /// `None`: the key is to go.
    pub(super) value: Option<Typed>,
}

/// A value as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) data: Data,
    /// How it is written where its key says what it is: `[0, 2]`, `4`. A text is quoted as its place
    /// needs it.
    yaml: Option<String>,
}

/// What a key takes, as far as it matters for how it is written.
enum Shape {
    /// A text, also where it looks like a number.
    Text,
    /// A number or a word.
    Scalar,
    /// A list or a map, as YAML.
    Yaml,
}

impl Assignment {
    /// `KEY=VALUE`; nothing behind the sign removes the key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some((key, value)) = text.split_once('=') else {
            return Err("it must be KEY=VALUE, as in numprocs=4".to_owned());
        };
        if value.is_empty() { Self::unset(key) } else { Self::set(key, value) }
    }

    /// The key is to go.
    pub(crate) fn unset(key: &str) -> Result<Self, String> {
        Ok(Self { path: path(key)?, value: None })
    }

    /// The key is to have this value.
    pub(crate) fn set(key: &str, value: &str) -> Result<Self, String> {
        let path = path(key)?;
        let value = match (value, shape(&path)) {
            ("\"\"" | "''", _) => Typed::text(""),
            (value, Shape::Text) => Typed::text(value),
            (value, Shape::Scalar) => Typed::scalar(value),
            (value, Shape::Yaml) => Typed::yaml(key, value)?,
        };
        Ok(Self { path, value: Some(value) })
    }

    /// The key, as it was typed.
    pub(super) fn key(&self) -> String {
        self.path.join(".")
    }
}

fn path(key: &str) -> Result<Vec<String>, String> {
    let (first, rest) =
        key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let mut path = vec![first];
    match (PROGRAM.find(first).map(|key| key.kind), rest) {
        // A variable's name is one word, whatever is in it.
        (Some(Kind::Variables), Some(rest)) => path.push(rest),
        (Some(Kind::Map(_)) | None, Some(rest)) => path.extend(rest.split('.')),
        (Some(_), Some(_)) => return Err(format!("`{first}` has no keys below it")),
        (_, None) => {}
    }
    if path.iter().any(|key| key.trim().is_empty()) {
        return Err("it must be KEY=VALUE, as in numprocs=4".to_owned());
    }
    Ok(path.into_iter().map(str::to_owned).collect())
}

/// What the key at the end of `path` takes.
fn shape(path: &[String]) -> Shape {
    let mut keys: &'static Keys = &PROGRAM;
    let mut kind = None;
    for name in path {
        match kind {
            Some(Kind::Variables) => return Shape::Text,
            Some(Kind::Map(inner)) => keys = inner,
            _ => {}
        }
        kind = keys.find(name).map(|key| key.kind);
    }
    match kind {
        Some(
            Kind::Text
            | Kind::Value
            | Kind::ProcessName
            | Kind::Octal
            | Kind::Word(_)
            | Kind::Signal,
        ) => Shape::Text,
        Some(Kind::ExitStatuses | Kind::Variables | Kind::Map(_) | Kind::List(_)) => Shape::Yaml,
        _ => Shape::Scalar,
    }
}

impl Typed {
    pub(super) fn text(text: &str) -> Self {
        Self { data: Data::text(text), yaml: None }
    }

    /// A number, `true` and `false` stay what they are; anything else is a text, which the inventory's
    /// reader judges as it does in the file.
    fn scalar(typed: &str) -> Self {
        let data = file::parse(typed).ok().map(|node| Data::of(&node, typed));
        match data {
            Some(data @ (Data::Number(_) | Data::Bool(_))) => {
                Self { data, yaml: Some(typed.trim().to_owned()) }
            }
            _ => Self::text(typed),
        }
    }

    fn yaml(key: &str, typed: &str) -> Result<Self, String> {
        let is_list = typed.contains(',') && typed.bytes().all(|b| b.is_ascii_digit() || b == b',');
        let typed = match is_list {
            true => format!("[{}]", typed.split(',').collect::<Vec<_>>().join(", ")),
            false => typed.trim().to_owned(),
        };
        if typed.contains(['\n', '\r']) {
            return Err(format!("the value of `{key}` must be one line"));
        }
        match file::parse(&typed) {
            Ok(node) => Ok(Self { data: Data::of(&node, &typed), yaml: Some(typed) }),
            Err(error) => Err(format!("the value of `{key}` is {}", error.message)),
        }
    }

    /// What is YAML already.
    pub(super) fn written_as(yaml: &str) -> Self {
        Self { data: Data::Null, yaml: Some(yaml.to_owned()) }
    }

    /// As YAML that means the same in a block and in braces, in these quotes if it is a text.
    pub(super) fn written(&self, quotes: Quotes) -> String {
        match (&self.yaml, &self.data) {
            (Some(yaml), _) => yaml.clone(),
            (None, Data::Text(text)) => quoted(text, quotes),
            (None, _) => "null".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let assignment = Assignment::parse(text).unwrap();
        assignment.value.map_or("removed".into(), |value| value.written(Quotes::None))
    }

    #[test]
    fn value_is_written_as_its_key_takes_it() {
        for (typed, expected) in [
            ("numprocs=4", "4"),
            ("numprocs=four", "four"),
            ("autostart=false", "false"),
            ("autostart=yes", "\"yes\""),
            ("umask=022", "\"022\""),
            ("user=1000", "1000"),
            ("user=www-data", "www-data"),
            ("command=php artisan queue:work --tries=3", "php artisan queue:work --tries=3"),
            ("command=sh -c \"a # b\"", "'sh -c \"a # b\"'"),
            ("command=true", "\"true\""),
            ("command=a, b", "\"a, b\""),
            ("command=it's", "it's"),
            ("command=*x", "\"*x\""),
            ("exitcodes=0,2", "[0, 2]"),
            ("exitcodes=2", "2"),
            ("environment={A: b}", "{A: b}"),
            ("environment.A=1", "\"1\""),
            ("environment.A=\"\"", "\"\""),
            ("logs.rotate=14", "14"),
            ("logs.size=100M", "100M"),
            ("health.probe.timeout=5", "5"),
            ("options.stdout_events_enabled=true", "true"),
            ("no_such=1.10", "1.10"),
            ("directory=", "removed"),
        ] {
            assert_eq!(written(typed), expected, "{typed}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for (typed, expected) in [
            ("numprocs", "it must be KEY=VALUE"),
            ("=4", "it must be KEY=VALUE"),
            ("logs..a=4", "it must be KEY=VALUE"),
            ("numprocs.x=4", "`numprocs` has no keys below it"),
            ("logs={a", "the value of `logs` is not valid YAML"),
            ("logs={a: 1,\n}", "the value of `logs` must be one line"),
        ] {
            let error = Assignment::parse(typed).unwrap_err();
            assert!(error.starts_with(expected), "{typed}: {error}");
        }
    }
}
