//! `configs:` and `config_texts:` of a site: which files they are, and what is wrong with what they say. supervisord refuses the
//! configuration of the whole host for most of it.

use std::collections::{BTreeMap, BTreeSet};

use super::config_file::{ConfigFile, header, list};
use super::expansions::known;
use super::fields::{Fields, Reader};
use super::file::Node;
use super::findings::Finding;
use super::keys::{Key, Keys, Kind};
use super::name::ConfigName;
use super::places::ConfigPlace;
use super::program::MOST_PROCESSES;
use super::program_keys;
use super::suggest::shown;
use crate::supervisord::GroupKind;
use crate::supervisord::ini::{self, Section};

const LARGEST: i64 = i32::MAX as i64;

/// The keys of an item of `config_texts`.
pub(super) static TEXT: Keys = Keys {
    of: "a config",
    known: &[
        Key::new("name", Kind::Text, "workers.conf", "What the file is called on the server.")
            .default("required"),
        Key::new(
            "text",
            Kind::Text,
            "\"[program:x]\\ncommand=y\\n\"",
            "What it says, byte for byte.",
        )
        .default("required"),
    ],
    instead: &[("file", "name"), ("content", "text")],
    shared: false,
};

/// What an `[eventlistener:x]` can say beside what a program can.
static LISTENER: [Key; 3] = [
    Key::new("events", Kind::Value, "TICK_5", "Which events it is told of.").default("required"),
    Key::new("buffer_size", Kind::Whole { least: 1, most: LARGEST }, "10", "How many may wait."),
    Key::new(
        "result_handler",
        Kind::Value,
        "supervisor.dispatchers:default_handler",
        "A function.",
    ),
];

/// What an `[fcgi-program:x]` can say beside what a program can.
static FCGI: [Key; 4] = [
    Key::new("socket", Kind::Value, "unix:///run/app.sock", "Where it is asked.")
        .default("required"),
    Key::new("socket_owner", Kind::Value, "www-data", "Whose the socket is."),
    Key::new("socket_mode", Kind::Octal, "\"0700\"", "Its mode."),
    Key::new("socket_backlog", Kind::Whole { least: 1, most: 65_535 }, "128", "How many may wait."),
];

/// What a `[group:x]` can say.
static GROUP: [Key; 2] = [
    Key::new("programs", Kind::Value, "a, b", "Its programs.").default("required"),
    Key::new("priority", Kind::Whole { least: 0, most: LARGEST }, "999", "When it starts."),
];

/// The files that the patterns of a site name and those whose text it has, each with the place of that.
pub(super) fn read(
    reader: &mut Reader<'_, '_>,
    fields: &Fields<'_>,
) -> Vec<(ConfigPlace, ConfigFile)> {
    let mut files: Vec<(ConfigPlace, ConfigFile)> = Vec::new();
    for (place, file) in beside(reader, fields).into_iter().chain(written(reader, fields)) {
        if files.iter().any(|(_, other)| other.name == file.name) {
            let message = format!("two files of `configs` are called `{}`", file.name);
            reader.push(Finding::new(place.at, message).help("each keeps its name on the server"));
        } else {
            files.push((place, file));
        }
    }
    check(reader, &files);
    files
}

/// Those whose text is in the inventory.
fn written(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) -> Vec<(ConfigPlace, ConfigFile)> {
    let mut files = Vec::new();
    let items = fields.get("config_texts").and_then(|node| reader.list(node, "config_texts"));
    for node in items.unwrap_or_default() {
        let Some(item) = reader.fields(node, &TEXT) else { continue };
        let name = reader.required(&item, "name", TEXT.of, "workers.conf");
        let at = name.map_or(item.at, |node| node.at);
        let name = name.and_then(|node| reader.parse(node, "name", ConfigName::parse));
        let text = reader.required(&item, "text", TEXT.of, "\"[program:x]\\ncommand=y\\n\"");
        let text = text.and_then(|node| reader.text(node, "text"));
        if let (Some(name), Some(text)) = (name, text) {
            let path = name.to_string();
            files.push((ConfigPlace { at, path }, ConfigFile { name, text: text.to_owned() }));
        }
    }
    files
}

/// Those that lie beside it.
fn beside(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) -> Vec<(ConfigPlace, ConfigFile)> {
    let Some(node) = fields.get("configs") else { return Vec::new() };
    let mut files = Vec::new();
    for pattern in reader.list(node, "configs").unwrap_or_default() {
        let Some(text) = reader.text(pattern, "configs") else { continue };
        let paths = match reader.beside.matching(text) {
            Ok(paths) => paths,
            Err(reason) => {
                let message = format!("cannot look for `{}`: {reason}", shown(text));
                reader.push(Finding::new(pattern.at, message));
                continue;
            }
        };
        if paths.is_empty() {
            let message = format!("there is no file `{}`", shown(text));
            let help = "paths count from the inventory's folder";
            reader.push(Finding::new(pattern.at, message).help(help));
        }
        for path in paths {
            if let Some(file) = read_file(reader, pattern, &path) {
                files.push((ConfigPlace { at: pattern.at, path }, file));
            }
        }
    }
    files
}

fn read_file(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Option<ConfigFile> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = match ConfigName::parse(name) {
        Ok(name) => name,
        Err(error) => {
            let message = format!("the name `{}` {error}", shown(name));
            reader.push(Finding::new(node.at, message));
            return None;
        }
    };
    let text = reader.text_beside(node, path)?;
    Some(ConfigFile { name, text })
}

/// Everything that is wrong with what the files say, each with its line.
fn check(reader: &mut Reader<'_, '_>, files: &[(ConfigPlace, ConfigFile)]) {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut programs: BTreeSet<String> = BTreeSet::new();
    let mut parsed = Vec::new();
    for (ConfigPlace { at, .. }, file) in files {
        match ini::parse(&file.text) {
            Ok(ini) => parsed.push((*at, file, ini.sections)),
            Err(error) => {
                let message = format!("`{}`, line {}: {}", file.name, error.line, error.reason);
                reader.push(Finding::new(*at, message));
            }
        }
    }
    for section in parsed.iter().flat_map(|(.., sections)| sections) {
        if let Some((GroupKind::Program | GroupKind::FcgiProgram, name)) = header(&section.name) {
            programs.insert(name.to_owned());
        }
    }
    for (at, file, sections) in &parsed {
        let mut refuse = |line: u32, reason: String| {
            let message = format!("`{}`, line {line}: {reason}", file.name);
            reader.push(Finding::new(*at, message));
        };
        if sections.is_empty() {
            refuse(1, "there is no section in it".to_owned());
        }
        for section in sections {
            let Some((kind, name)) = header(&section.name) else {
                let name = shown(&section.name);
                let only = "a site has [program:], [group:], [eventlistener:] and [fcgi-program:]";
                refuse(section.line, format!("[{name}] does not belong to a site: {only}"));
                continue;
            };
            if let Some(other) = names.insert(name.to_owned(), file.name.to_string()) {
                let name = shown(name);
                refuse(
                    section.line,
                    format!("the name `{name}` appears twice, first in `{other}`"),
                );
            }
            check_section(kind, name, section, &programs, &mut refuse);
        }
    }
}

fn check_section(
    kind: GroupKind,
    name: &str,
    section: &Section,
    programs: &BTreeSet<String>,
    refuse: &mut dyn FnMut(u32, String),
) {
    if name.is_empty() || name.contains([' ', ':', '/']) {
        refuse(section.line, format!("supervisord refuses the name `{}`", shown(name)));
    }
    let own: &[Key] = match kind {
        GroupKind::Group => &GROUP,
        GroupKind::EventListener => &LISTENER,
        GroupKind::FcgiProgram => &FCGI,
        GroupKind::Program => &[],
    };
    let mut required: Vec<&str> =
        own.iter().filter(|key| key.default == "required").map(|k| k.name).collect();
    if kind != GroupKind::Group {
        required.push("command");
    }
    for option in required {
        if section.get(option).is_none_or(str::is_empty) {
            refuse(section.line, format!("[{}] needs `{option}`", shown(&section.name)));
        }
    }
    for entry in &section.entries {
        let is_secret = entry.key == "environment";
        let expanded = match ini::expand(&entry.value, &known) {
            Ok(expanded) => expanded,
            Err(_) if is_secret => {
                refuse(entry.line, "`environment` cannot be expanded by supervisord".to_owned());
                continue;
            }
            Err(error) => {
                refuse(entry.line, format!("`{}` {error}", entry.key));
                continue;
            }
        };
        let key = own.iter().find(|key| key.name == entry.key).or_else(|| match kind {
            GroupKind::Group => None,
            _ => program_keys::named(&entry.key),
        });
        // What only the host knows is for supervisord to judge.
        let is_known = !entry.value.contains("%(ENV_") && !entry.value.contains("%(host_");
        if let Some(reason) = key.filter(|_| is_known).and_then(|key| illegal(&key.kind, &expanded))
        {
            refuse(entry.line, format!("`{}` {reason}", entry.key));
        }
    }
    check_together(kind, section, programs, refuse);
}

/// What only several options together show.
fn check_together(
    kind: GroupKind,
    section: &Section,
    programs: &BTreeSet<String>,
    refuse: &mut dyn FnMut(u32, String),
) {
    let numprocs = section.get("numprocs").and_then(|text| text.trim().parse::<u32>().ok());
    if numprocs.is_some_and(|number| number > MOST_PROCESSES) {
        refuse(
            line_of(section, "numprocs"),
            format!("`numprocs` must be at most {MOST_PROCESSES}"),
        );
    }
    if numprocs.is_some_and(|number| number > 1)
        && !section.get("process_name").is_some_and(|name| name.contains("%(process_num)"))
    {
        refuse(
            line_of(section, "numprocs"),
            "with several processes `process_name` must contain `%(process_num)`".to_owned(),
        );
    }
    if section.get("stopasgroup").and_then(ini::boolean) == Some(true)
        && section.get("killasgroup").and_then(ini::boolean) == Some(false)
    {
        refuse(
            line_of(section, "killasgroup"),
            "`stopasgroup=true` needs `killasgroup` as well".to_owned(),
        );
    }
    if kind == GroupKind::EventListener
        && section.get("redirect_stderr").and_then(ini::boolean) == Some(true)
    {
        refuse(
            line_of(section, "redirect_stderr"),
            "an event listener cannot have `redirect_stderr=true`".to_owned(),
        );
    }
    if kind == GroupKind::Group {
        for program in list(section.get("programs").unwrap_or_default()) {
            if !programs.contains(&program) {
                let program = shown(&program);
                refuse(
                    line_of(section, "programs"),
                    format!("no file of `configs` has the program `{program}`"),
                );
            }
        }
    }
}

/// Where a section says an option; of two lines supervisord takes the last.
fn line_of(section: &Section, key: &str) -> u32 {
    let entry = section.entries.iter().rev().find(|entry| entry.key == key);
    entry.map_or(section.line, |entry| entry.line)
}

/// Why supervisord does not take a value, by its own types (`datatypes.py`).
fn illegal(kind: &Kind, text: &str) -> Option<String> {
    let must = |what: &str| Some(format!("must be {what}"));
    match kind {
        Kind::Boolean if ini::boolean(text).is_none() => must("true or false"),
        Kind::BooleanOr(words)
            if ini::boolean(text).is_none()
                && !words.contains(&text.to_ascii_lowercase().as_str()) =>
        {
            must("true, false or unexpected")
        }
        Kind::Whole { .. } if text.trim().parse::<i64>().is_err() => must("a whole number"),
        Kind::ExitStatuses => {
            let are_statuses = text.is_empty()
                || text.split(',').all(|status| status.trim().parse::<u8>().is_ok());
            if are_statuses { None } else { must("numbers from 0 to 255, with commas") }
        }
        Kind::Octal => {
            let digits = text.trim().trim_start_matches("0o");
            let is_octal = i64::from_str_radix(digits, 8).is_ok();
            if is_octal { None } else { must("octal digits") }
        }
        Kind::Bytes => {
            let lower = text.trim().to_ascii_lowercase();
            let digits = ["kb", "mb", "gb"].iter().find_map(|unit| lower.strip_suffix(unit));
            if digits.unwrap_or(&lower).trim().parse::<i64>().is_ok() {
                None
            } else {
                must("a number of bytes, or one with KB, MB or GB")
            }
        }
        _ => None,
    }
}
