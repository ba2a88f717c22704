//! One entry of `sites`: where it is placed and what it runs.

use std::collections::HashMap;

use super::fields::{At, Fields, Reader};
use super::file::{Node, Span, Value};
use super::findings::Finding;
use super::keys::{Key, Keys, Kind, joined};
use super::name::{ConfigName, Domain, FullName, HostName, ProgramName};
use super::options::Options;
use super::places::{ProgramPlaces, SitePlaces};
use super::program::{Program, Run};
use super::program_keys;
use super::resolve::{Names, PlacedSite, unique};
use super::settings::{self, Settings};
use super::site::Site;
use super::suggest::{nearest, shown};
use super::value::{CommandLine, ScriptPath};
use super::{configs, expansions, groups};

/// The keys that only a site has.
static OWN: [Key; 7] = [
    Key::new(
        "domain",
        Kind::Text,
        "example.com",
        "The site's name, unique. Also the name of its folder on the server.",
    )
    .default("required"),
    Key::new(
        "server",
        Kind::Text,
        "web1",
        "The server it is on, or `servers: [web1, web2]` for several. One of the two, not both.",
    )
    .default("required"),
    Key::new("servers", Kind::List(&Kind::Text), "[web1, web2]", "The servers it is on."),
    Key::new("supervisors", Kind::List(&Kind::Map(&program_keys::PROGRAM)), "[]", "Its programs.")
        .default("the site is left alone"),
    Key::new(
        "groups",
        Kind::List(&Kind::Map(&groups::KEYS)),
        "[]",
        "What the groups of its programs have beside them: see [below](#group).",
    )
    .default("none"),
    Key::new(
        "configs",
        Kind::List(&Kind::Text),
        "[supervisor/*.conf]",
        "supervisor configs by hand, beside the inventory: see [below](#files-by-hand).",
    )
    .default("none"),
    Key::new(
        "config_texts",
        Kind::List(&Kind::Map(&configs::TEXT)),
        "[]",
        "The same with their text in the inventory itself.",
    )
    .default("none"),
];

/// The keys of a site.
pub(super) static KEYS: Keys = Keys {
    of: "a site",
    known: &joined::<7, 6, 13>(OWN, settings::KEYS),
    instead: &[("programs", "supervisors"), ("workers", "supervisors"), ("name", "domain")],
    shared: true,
};

/// A site with the places that later checks point at.
pub(super) struct SiteEntry {
    pub(super) placed: PlacedSite,
    /// What names each program, in the order of `placed.site.programs`.
    pub(super) program_spans: Vec<NameSpans>,
    /// What names each file of `configs`, in the order of `placed.site.configs`.
    pub(super) config_spans: Vec<Span>,
    /// What names each group first, in the order of `placed.site.groups`.
    pub(super) group_spans: Vec<Span>,
    pub(super) places: SitePlaces,
}

/// The places of what names a program.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameSpans {
    /// Its name in supervisord: `as`, else `program`.
    pub(super) full_name: Span,
    /// Its file: `file`, else what names it in supervisord.
    pub(super) file: Span,
    /// `group`, else the same.
    pub(super) group: Span,
}

/// Reads one site; `None` if it is left alone (its domain is noted) or cannot be made.
pub(super) fn read<'n>(
    reader: &mut Reader<'_, '_>,
    node: &'n Node,
    base: &Settings,
    names: &mut Names<'n>,
    left_alone: &mut Vec<String>,
) -> Option<SiteEntry> {
    let fields = reader.fields(node, &KEYS)?;
    let settings = Settings::read(reader, &fields, base);
    if let Some((name, at)) = fields.get("domain").and_then(|node| Some((node.text()?, node.at))) {
        unique(reader, &mut names.sites, name, at, "site");
    }
    let managed = fields.entry("supervisors");
    let has_configs = ["configs", "config_texts"].iter().any(|key| fields.get(key).is_some());
    let is_managed = managed.is_some() || has_configs;
    let hosts = placement(reader, &fields, names, is_managed);
    if !is_managed {
        left_alone.extend(fields.get("domain").and_then(Node::text).map(str::to_owned));
        return None;
    };
    let domain = reader.required(&fields, "domain", "a site", "example.com");
    let domain = domain.and_then(|node| reader.parse(node, "domain", Domain::parse));
    let programs = managed
        .map(|(key, supervisors)| programs(reader, key, supervisors, &settings, domain.as_ref()));
    let mut places = SitePlaces { allowed: settings.allowed.clone(), ..SitePlaces::default() };
    let (mut program_spans, mut named) = (Vec::new(), Vec::new());
    for (spans, program, place) in programs.unwrap_or_default() {
        program_spans.push(spans);
        named.push((spans.group, program));
        places.programs.push(place);
    }
    let groups = groups::read(reader, &fields, &named);
    let checked = named.into_iter().map(|(_, program)| program).collect();
    let (group_spans, groups) = groups.into_iter().unzip();
    let (mut config_spans, mut configs) = (Vec::new(), Vec::new());
    for (place, config) in configs::read(reader, &fields) {
        config_spans.push(place.at);
        configs.push(config);
        places.configs.push(place);
    }
    let site = Site {
        domain: domain?,
        user: settings.user()?,
        format: settings.format(),
        config_files: settings.config_files(),
        config_suffix: Default::default(),
        configs,
        groups,
        paths: settings.paths(),
        programs: checked,
    };
    let placed = PlacedSite { site, hosts, line: reader.source.line_of(fields.at) };
    Some(SiteEntry { placed, program_spans, config_spans, group_spans, places })
}

/// The servers of a site: `server: a` or `servers: [a, b]`.
fn placement(
    reader: &mut Reader<'_, '_>,
    fields: &Fields<'_>,
    names: &Names<'_>,
    required: bool,
) -> Vec<HostName> {
    let nodes = match (fields.get("server"), fields.get("servers")) {
        (Some(one), None) => std::slice::from_ref(one),
        (None, Some(list)) => reader.list(list, "servers").unwrap_or_default(),
        (Some(one), Some(list)) => {
            let message = "a site has `server` or `servers`, not both";
            reader.push(Finding::new(list.at, message).see(one.at, "`server` is here"));
            return Vec::new();
        }
        (None, None) => {
            if required && !fields.meant(&["server", "servers"]) {
                reader.required(fields, "server", "a site", "web1");
            }
            return Vec::new();
        }
    };
    if nodes.is_empty() && required && fields.get("servers").is_some_and(is_list) {
        let at = fields.get("servers").map_or(fields.at, |node| node.at);
        let message = "a site needs a server, or its programs would be nowhere";
        reader.push(Finding::new(at, message).help("for example `servers: [web1, web2]`"));
    }
    let mut met = HashMap::new();
    let mut hosts = Vec::new();
    for node in nodes {
        let Some(name) = reader.text(node, "server") else { continue };
        unique(reader, &mut met, name, node.at, "server");
        if !names.servers.contains_key(name) && reader.findings.has_room() {
            let message = format!("there is no server `{}`", shown(name));
            let near = nearest(name, names.server_list.iter().copied());
            let finding = Finding::new(node.at, message).did_you_mean(near);
            reader.push(match near {
                Some(_) => finding,
                None => finding.help("the servers are listed under `servers`, each with a `name`"),
            });
        }
        hosts.extend(HostName::parse(name).ok());
    }
    hosts
}

fn is_list(node: &Node) -> bool {
    matches!(&node.value, Value::List(_)) || matches!(&node.value, Value::Map(m) if m.is_empty())
}

fn programs(
    reader: &mut Reader<'_, '_>,
    key: &Node,
    node: &Node,
    settings: &Settings,
    domain: Option<&Domain>,
) -> Vec<(NameSpans, Program, ProgramPlaces)> {
    if matches!(node.value, Value::Null) {
        let message = "`supervisors` is empty: that could mean \"remove all\" or \"leave alone\"";
        reader.push(
            Finding::new(key.at, message)
                .help("write `supervisors: []` to remove the site's programs from the server")
                .help("remove the key to leave the site alone"),
        );
        return Vec::new();
    }
    let mut names = HashMap::new();
    let mut programs = Vec::new();
    for node in reader.list(node, "supervisors").unwrap_or_default() {
        let Some(fields) = reader.fields(node, &program_keys::PROGRAM) else { continue };
        let name = fields.get("program");
        if let Some((name, at)) = name.and_then(|node| Some((node.text()?, node.at))) {
            unique(reader, &mut names, name, at, "program");
        }
        let program = program(reader, &fields, settings, domain);
        let full_name = fields.get("as").or(name).map_or(fields.at, |node| node.at);
        let of = |key: &str| fields.get(key).map_or(full_name, |node| node.at);
        let spans = NameSpans { full_name, file: of("file"), group: of("group") };
        programs.extend(program.map(|(program, places)| (spans, program, places)));
    }
    programs
}

fn program(
    reader: &mut Reader<'_, '_>,
    fields: &Fields<'_>,
    settings: &Settings,
    domain: Option<&Domain>,
) -> Option<(Program, ProgramPlaces)> {
    let node = reader.required(fields, "program", "a program", "queue-worker");
    let name = node.and_then(|node| reader.parse(node, "program", ProgramName::parse));
    let full_name = fields.get("as").map(|node| reader.parse(node, "as", FullName::parse));
    let file = fields.get("file").map(|node| reader.parse(node, "file", ConfigName::parse));
    let group = fields.get("group").map(|node| reader.parse(node, "group", FullName::parse));
    if let (Some(domain), Some(name), Some(node), None) = (domain, &name, node, &full_name)
        && let Err(error) = FullName::new(domain, name)
    {
        let message = format!("the name `{{domain}}-{{program}}` {error}");
        reader.push(Finding::new(node.at, message));
    }
    let options = Options::read(reader, fields).over(&settings.defaults);
    let run = run(reader, fields, options.command.as_ref());
    options.check(reader);
    let line = reader.source.line_of(fields.at);
    let places = options.clone();
    let located = ProgramPlaces::new(fields, &options, &settings.allowed);
    let program = options.into_program(name?, run?, settings.format(), line);
    expansions::check(reader, fields, &places, (&program, settings.format()));
    let full_name = full_name.map_or(Some(None), |given| given.map(Some))?;
    let file = file.map_or(Some(None), |given| given.map(Some))?;
    let group = group.map_or(Some(None), |given| given.map(Some))?;
    Some((Program { full_name, file, group, ..program }, located))
}

/// What a program runs: by its keys, else by the command that `options` have.
fn run(
    reader: &mut Reader<'_, '_>,
    fields: &Fields<'_>,
    in_options: Option<&At<CommandLine>>,
) -> Option<Run> {
    match (fields.get("script"), fields.get("command")) {
        (Some(script), None) => reader.parse(script, "script", ScriptPath::parse).map(Run::Script),
        (None, Some(command)) => {
            reader.parse(command, "command", CommandLine::for_key).map(Run::Command)
        }
        (Some(script), Some(command)) => {
            let message = "a program has `script` or `command`, not both";
            reader.push(Finding::new(command.at, message).see(script.at, "`script` is here"));
            None
        }
        (None, None) if in_options.is_some() => {
            in_options.map(|command| Run::Command(command.value.clone()))
        }
        (None, None) if fields.meant(&["script", "command"]) => None,
        (None, None) => {
            reader.push(
                Finding::new(fields.at, "a program needs `script` or `command`")
                    .help("`script: queue-worker.sh` is run from .deployer/supervisors/")
                    .help("`command: php artisan horizon` is run as it is"),
            );
            None
        }
    }
}
