//! The JSON Schema of the inventory, for editors and for those who write inventories by program. It is
//! made from the tables that the readers check by, and says no more than a schema can: what only the
//! whole shows (a name that appears twice, a server that is not) is for `check` to say.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::keys::{Key, Keys, Kind};
use super::resolve::TOP;
use super::signal::Signal;

/// Where an editor finds it: beside the inventory, whose first line says so.
pub const SCHEMA_FILE: &str = "deployer.schema.json";

/// The schema as a file.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// The schema (draft 2020-12).
pub fn schema() -> Value {
    let mut maps = BTreeMap::new();
    define(&TOP, &mut maps);
    let mut schema = maps.remove(&name_of(&TOP)).unwrap_or_default();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), "The inventory of supervisor-sync: deployer.yml".into());
    schema.insert("$defs".into(), json!(maps));
    Value::Object(schema)
}

/// Defines a map and those within it, each once.
fn define(keys: &Keys, maps: &mut BTreeMap<String, Map<String, Value>>) {
    if maps.insert(name_of(keys), map(keys)).is_some() {
        return;
    }
    for key in keys.known {
        match key.kind {
            Kind::Map(inner) | Kind::List(&Kind::Map(inner)) => define(inner, maps),
            _ => {}
        }
    }
}

/// `program` for "a program", `logs` for "`logs`".
fn name_of(keys: &Keys) -> String {
    keys.of.trim_start_matches("a ").trim_matches('`').to_owned()
}

fn map(keys: &Keys) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in keys.known {
        properties.insert(key.name.to_owned(), property(key));
    }
    let mut map = Map::new();
    map.insert("type".into(), "object".into());
    map.insert("properties".into(), properties.into());
    map.insert("additionalProperties".into(), keys.shared.into());
    map.extend(rules(keys));
    map
}

/// Which keys must be there, and which not together.
fn rules(keys: &Keys) -> Map<String, Value> {
    let rules = match keys.of {
        "a program" => {
            let mut runs = each_required(&["script", "command"]);
            if let Value::Array(runs) = &mut runs {
                let options = json!({"options": {"required": ["command"]}});
                runs.push(json!({"required": ["options"], "properties": options}));
            }
            json!({"required": ["program"], "oneOf": runs})
        }
        "a server" => json!({
            "required": ["name"],
            "anyOf": [{"required": ["host"]}, {"required": ["exec"]}],
        }),
        // One without the key is left alone, whatever else it says.
        "a site" => json!({
            "if": {"required": ["supervisors"]},
            "then": {"required": ["domain"], "oneOf": each_required(&["server", "servers"])},
        }),
        "a config" => json!({"required": ["name", "text"]}),
        "`probe`" => json!({"oneOf": each_required(&["http", "tcp", "exec"])}),
        _ => json!({}),
    };
    match rules {
        Value::Object(rules) => rules,
        _ => Map::new(),
    }
}

/// For `oneOf`: exactly one of these keys must be there.
fn each_required(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"required": [name]})).collect()
}

fn property(key: &Key) -> Value {
    let mut property = value(&key.kind);
    // Left empty it counts as not there, but for the one that could mean two things.
    if key.name != "supervisors" {
        property = json!({"anyOf": [property, {"type": "null"}]});
    }
    let mut description = key.meaning.to_owned();
    if !key.default.is_empty() && key.default != "required" {
        description += &format!(" If it is left out: {}.", key.default);
    }
    if let Value::Object(property) = &mut property {
        property.insert("description".into(), description.trim().into());
        let example = serde_saphyr::from_str::<Value>(key.example);
        property.extend(example.ok().map(|example| ("examples".to_owned(), json!([example]))));
    }
    property
}

fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::BooleanOr(words) => {
            let words = words.iter().map(|word| match *word {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                word => word.into(),
            });
            json!({"enum": words.collect::<Vec<_>>()})
        }
        Kind::Whole { least, most } => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        Kind::WholeOr(most, words) => json!({"anyOf": [
            {"type": "integer", "minimum": 0, "maximum": most},
            {"enum": words},
        ]}),
        Kind::Word(words) => json!({"enum": words}),
        Kind::Signal => {
            let names = Signal::ALL.map(|signal| in_any_case(signal.as_str())).join("|");
            json!({"type": "string", "pattern": format!("^({})?({names})$", in_any_case("SIG"))})
        }
        Kind::ExitStatuses => {
            let status = json!({"type": "integer", "minimum": 0, "maximum": u8::MAX});
            json!({"anyOf": [status, {"type": "array", "items": status, "minItems": 1}]})
        }
        Kind::Octal => json!({"type": "string", "pattern": "^0?[0-7]{3}$"}),
        Kind::Size => json!({"anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": "^[0-9]+[kKmMgG]?$"},
        ]}),
        Kind::Bytes => json!({"anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": "^[0-9]+([kKmMgG][bB])?$"},
        ]}),
        Kind::Text | Kind::Value | Kind::ProcessName => json!({"type": "string"}),
        Kind::User => json!({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]}),
        Kind::Variables => json!({
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        }),
        Kind::Map(keys) => json!({"$ref": format!("#/$defs/{}", name_of(keys))}),
        Kind::List(kind) => json!({"type": "array", "items": value(kind)}),
    }
}

fn in_any_case(word: &str) -> String {
    let mut pattern = String::new();
    for letter in word.chars() {
        match letter.is_ascii_alphabetic() {
            true => {
                pattern.extend(['[', letter.to_ascii_uppercase(), letter.to_ascii_lowercase(), ']'])
            }
            false => pattern.push(letter),
        }
    }
    pattern
}
