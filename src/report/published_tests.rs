//! What is published of the documents: their JSON Schema is as the types are that they are written from.
//! `UPDATE_DOCS=1 cargo test published_tests` writes it anew.
//!
//! Each kind of document stands here with the type of its content. That the two belong together, and that
//! none is missing, is seen where documents are written: the suite holds all that it sees against the
//! published file (`tests/it/documents.rs`).

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, RestrictFormats};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::{
    applying, audited, check, edit, explain, history, import, integrate, listening, metrics,
    notification, notified, plan, proposal, pull, revision_diff, runner, screen, setup, site_end,
    starter, status, taking_back,
};
use crate::event::{Event, LogLine};
use crate::inventory::Problems;
use crate::inventory::published_tests::assert_published;

/// Whether a document says of which host it is.
enum Host {
    Named,
    /// Where it is of one.
    NamedIfAny,
    None,
}

/// A kind of documents.
struct DocumentKind {
    kind: &'static str,
    host: Host,
    content: fn(&mut SchemaGenerator) -> Schema,
}

/// All kinds of documents, in the order of the guide.
fn kinds() -> [DocumentKind; 33] {
    fn of<T: JsonSchema>(kind: &'static str, host: Host) -> DocumentKind {
        DocumentKind { kind, host, content: T::json_schema }
    }
    [
        of::<check::Checked<'_>>("check", Host::None),
        of::<crate::check::HostLints>("host_check", Host::Named),
        of::<Problems>("problems", Host::None),
        of::<explain::Explained>("explanation", Host::None),
        of::<plan::PlanDocument<'_>>("plan", Host::Named),
        of::<status::StatusDocument<'_>>("status", Host::Named),
        of::<Event>("event", Host::Named),
        of::<site_end::AppliedDocument<'_>>("applied", Host::Named),
        of::<applying::Summary<'_>>("summary", Host::None),
        of::<LogLine>("log", Host::Named),
        of::<metrics::Metrics>("metrics", Host::None),
        of::<history::HistoryDocument<'_>>("history", Host::Named),
        of::<history::Runs<'_>>("runs", Host::None),
        of::<revision_diff::DiffDocument<'_>>("diff", Host::Named),
        of::<taking_back::TakenBack<'_>>("rollback", Host::None),
        of::<runner::RunnerDocument<'_>>("runner", Host::Named),
        of::<setup::SetupDocument<'_>>("setup", Host::Named),
        of::<import::ImportDocument<'_>>("import", Host::None),
        of::<integrate::Integrated<'_>>("integrate", Host::None),
        of::<starter::FirstInventoryDocument<'_>>("init", Host::None),
        of::<starter::ScriptKinds>("scaffolds", Host::None),
        of::<starter::ScriptDocument<'_>>("scaffold", Host::None),
        of::<edit::EditDocument<'_>>("edit", Host::None),
        of::<notified::NotifiedDocument<'_>>("notified", Host::None),
        of::<notification::NotificationDocument<'_>>("notification", Host::Named),
        of::<pull::PublishedDocument<'_>>("published", Host::None),
        of::<crate::pull::PullStatus>("pulled", Host::None),
        of::<pull::HoldDocument<'_>>("hold", Host::None),
        of::<crate::pull::FleetStatus>("pull_status", Host::None),
        of::<listening::Listening>("web", Host::None),
        of::<audited::Audited>("web_action", Host::None),
        of::<proposal::ProposalDocument>("proposal", Host::None),
        of::<screen::Failure<'_>>("error", Host::NamedIfAny),
    ]
}

/// The content of a kind with what every document has around it, in one object.
fn document(kind: DocumentKind, generator: &mut SchemaGenerator) -> Schema {
    let DocumentKind { kind, host, content } = kind;
    let mut schema = content(generator);
    assert!(schema.get("description").is_some(), "what is `{kind}`?");
    schema.insert("title".into(), kind.into());
    schema.insert("type".into(), "object".into());
    let version = json!({"description": "Of this shape.", "const": screen::JSON_VERSION});
    add(&mut schema, "version", version, true);
    add(&mut schema, "kind", json!({"const": kind}), true);
    if !matches!(host, Host::None) {
        let name = json!({"description": "By its name in the inventory.", "type": "string"});
        add(&mut schema, "host", name, matches!(host, Host::Named));
    }
    schema
}

fn add(schema: &mut Schema, name: &str, property: Value, is_required: bool) {
    let object = schema.ensure_object();
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    let before = properties.as_object_mut().unwrap().insert(name.to_owned(), property);
    assert_eq!(before, None, "the content has a `{name}` of its own");
    if is_required {
        let required = object.entry("required").or_insert_with(|| json!([]));
        required.as_array_mut().unwrap().push(name.into());
    }
}

/// A later release of the same version may add fields to any object. The formats of numbers are ours, and
/// in words there are no links.
fn publish(schema: &mut Schema) {
    for closed in ["additionalProperties", "unevaluatedProperties"] {
        if schema.get(closed) == Some(&Value::Bool(false)) {
            schema.remove(closed);
        }
    }
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace("[`", "`").replace("`]", "`");
    }
}

/// The schema (draft 2020-12).
fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with_transform(RestrictFormats::default())
        .with_transform(RecursiveTransform(publish));
    let mut generator = settings.into_generator();
    let documents = kinds().map(|kind| document(kind, &mut generator)).to_vec();
    let mut schema = schemars::json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of supervisor-sync --json",
        "description": "The documents of version 1. A later release may add fields, kinds and values.",
        "type": "object",
        "required": ["version", "kind"],
        "oneOf": documents,
    });
    schema.insert("$defs".into(), generator.take_definitions(false).into());
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    schema.into()
}

#[test]
fn published_documents_schema_is_current() {
    assert_published("documents.schema.json", &format!("{:#}\n", schema()));
}

/// A type in words: `text`, `list of Lint`.
fn type_name(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(constant) = schema.get("const") {
        return format!("`{constant}`");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    for shapes in ["anyOf", "oneOf"] {
        if let Some(shapes) = schema[shapes].as_array() {
            let names: Vec<String> = shapes.iter().map(type_name).collect();
            return names.join(" or ");
        }
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all.iter().map(type_name).collect::<Vec<_>>().join(" and ");
    }
    match &schema["type"] {
        Value::Array(types) => {
            let of = |one: &Value| type_name(&json!({"type": one, "items": schema["items"]}));
            types.iter().map(of).collect::<Vec<_>>().join(" or ")
        }
        Value::String(name) => match name.as_str() {
            "array" => format!("list of {}", type_name(&schema["items"])),
            "object" => match schema.get("additionalProperties") {
                Some(values) if values.is_object() => format!("map to {}", type_name(values)),
                _ => "object".to_owned(),
            },
            "string" => "text".to_owned(),
            "boolean" => "true/false".to_owned(),
            name => name.to_owned(),
        },
        _ => "anything".to_owned(),
    }
}

/// The fields of an object, each with whether it is always there.
fn fields(schema: &Value) -> String {
    let empty = serde_json::Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let own = properties.iter().filter(|(name, _)| !matches!(name.as_str(), "version" | "kind"));
    let mut text = String::new();
    for (name, field) in own {
        let required = schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
        let always = if required { "" } else { "if any" };
        let about = field["description"].as_str().unwrap_or_default();
        let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
        let cells = [format!("`{name}`"), type_name(field), always.to_owned(), about];
        let cells = cells.map(|cell| cell.replace('|', "\\|").replace('<', "&lt;"));
        text +=
            &format!("| {} |\n", cells.join(" | ")).replace("|  |", "| |").replace("|  |", "| |");
    }
    match text.is_empty() {
        true => String::new(),
        false => format!("\n| field | type | | meaning |\n|---|---|---|---|\n{text}"),
    }
}

/// A document or a type: what it is, its fields, and its shapes where it has several.
fn described(schema: &Value) -> String {
    let about = schema["description"].as_str().unwrap_or_default();
    let about = about.split_whitespace().collect::<Vec<_>>().join(" ").replace('<', "&lt;");
    let mut text = format!("\n{about}\n{}", fields(schema));
    let shapes = ["oneOf", "anyOf"].iter().find_map(|key| schema[*key].as_array());
    for shape in shapes.into_iter().flatten() {
        let constants = shape["properties"].as_object().into_iter().flatten();
        let constant = constants
            .filter_map(|(name, field)| Some(format!("`{name}: {}`", field.get("const")?)))
            .next();
        let name = constant.unwrap_or_else(|| type_name(shape));
        let about = shape["description"].as_str().unwrap_or_default();
        let about = about.split_whitespace().collect::<Vec<_>>().join(" ").replace('<', "&lt;");
        text += &format!("\n- {name}: {about}\n");
        let fields = fields(shape);
        if fields.matches('\n').count() > 3 {
            text += &fields;
        }
    }
    if shapes.is_none() && schema["properties"].is_null() {
        text += &format!("\n{}\n", type_name(schema));
    }
    text
}

#[test]
fn published_documents_page_is_current() {
    let schema = schema();
    let mut text = "# The documents of `--json`\n\nEach is one line with `version` (1), `kind` and the fields below; \
                    a field that is there \"if any\" is left out otherwise. The same as a JSON Schema: \
                    [documents.schema.json](../documents.schema.json). What a later release may add: \
                    [what stays stable](../stability.md#json).\n\n"
        .to_owned();
    let kinds = schema["oneOf"].as_array().unwrap();
    let title = |kind: &Value| kind["title"].as_str().unwrap().to_owned();
    let links: Vec<String> = kinds.iter().map(|kind| format!("[{0}](#{0})", title(kind))).collect();
    text += &format!("{}.\n", links.join(", "));
    for kind in kinds {
        text += &format!("\n## {}\n{}", title(kind), described(kind));
    }
    text += "\n# Types\n";
    for (name, kind) in schema["$defs"].as_object().unwrap() {
        text += &format!("\n## {name}\n{}", described(kind));
    }
    assert_published("reference/documents.md", &text);
}
