//! As typed -> as meant, once: the tree becomes an `Inventory`, or every problem is named.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::beside::{Beside, Nothing};
use super::clashes;
use super::fields::{Fields, Reader};
use super::file::{self, Node, Span, SyntaxError, Value};
use super::findings::{Finding, Findings};
use super::host::{self, Host};
use super::keys::{Key, Keys, Kind, joined};
use super::load::LARGEST_BYTES;
use super::name::{HostName, NameError, at_most, no_control, not_empty};
use super::notices::{self, Notices};
use super::places::{Located, Places, SitePlaces};
use super::problem::Problems;
use super::program_keys;
use super::pulling::{self, PullRules};
use super::settings::{self, Settings};
use super::site::{Paths, Site};
use super::site_entry;
use super::source::Source;
use super::suggest::shown;

/// What people want, checked: servers, and sites placed on them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// What it is called. Records on hosts carry it, and so tell it from other inventories wherever it
    /// is applied from.
    pub name: Option<String>,
    /// The folder with binaries for hosts of another CPU, as it is written: a relative one counts from
    /// the inventory.
    #[serde(default)]
    pub binaries: Option<String>,
    /// Who is told what came of a run, and what comes before and after it. It is this machine's alone.
    #[serde(skip)]
    pub notices: Notices,
    /// How hosts that pull it take it up.
    #[serde(default)]
    pub(crate) pull: PullRules,
    /// Where things are on a host, as the top level says.
    pub paths: Paths,
    /// The servers, in the file's order; names are unique.
    pub hosts: Vec<Host>,
    /// The sites whose programs are managed, in the file's order; domains are unique. A site with
    /// `supervisors: []` is here, with no programs: its programs are removed from the server.
    pub sites: Vec<PlacedSite>,
    /// The domains of sites without the key `supervisors`: they are left alone.
    pub left_alone: Vec<String>,
}

impl Inventory {
    /// The sites of each server that has any, in one pass: servers times sites is too much for a large
    /// fleet.
    pub fn sites_by_host(&self) -> HashMap<&HostName, Vec<&PlacedSite>> {
        let mut placed: HashMap<&HostName, Vec<&PlacedSite>> = HashMap::new();
        for site in &self.sites {
            for host in &site.hosts {
                placed.entry(host).or_default().push(site);
            }
        }
        placed
    }
}

/// A site and the servers it is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedSite {
    /// The site, the same on each of its servers.
    pub site: Site,
    /// Its servers; at least one, each is in the inventory.
    pub hosts: Vec<HostName>,
    /// The line of the inventory it came from.
    pub line: u32,
}

/// The keys that only the top level has.
static OWN: [Key; 8] = [
    Key::new("name", Kind::Text, "shop", "What the inventory is called."),
    Key::new(
        "binaries",
        Kind::Text,
        "bin",
        "The folder, beside the inventory, with binaries for servers of another CPU than this one: \
         `supervisor-sync-linux-aarch64`. Those beside `supervisor-sync` itself, and of the package, are found \
         without it.",
    ),
    Key::new("servers", Kind::List(&Kind::Map(&host::KEYS)), "[]", "The servers."),
    Key::new("sites", Kind::List(&Kind::Map(&site_entry::KEYS)), "[]", "The sites."),
    Key::new("fleet", Kind::Map(&host::FLEET), "{persist: 60}", "How a fleet is reached."),
    Key::new(
        "pull",
        Kind::Map(&pulling::KEYS),
        "{waves: [10, 100]}",
        "How hosts that [pull](pull.md) the inventory take it up.",
    ),
    Key::new(
        "notify",
        Kind::List(&Kind::Map(&notices::NOTIFY)),
        "[]",
        "Who is told what came of a run: [notifications.md](notifications.md).",
    )
    .default("nobody"),
    Key::new(
        "hooks",
        Kind::Map(&notices::HOOKS),
        "{before: ./check-calendar}",
        "What is run before and after an apply: [notifications.md](notifications.md#hooks).",
    )
    .default("nothing"),
];

/// The keys of the top level.
pub(super) static TOP: Keys = Keys {
    of: "the inventory",
    known: &joined::<8, 6, 14>(OWN, settings::KEYS),
    instead: &[("hosts", "servers"), ("domains", "sites")],
    shared: true,
};

/// Keys of DeployerPHP that are passed over.
const PASSED_OVER: [&str; 16] = [
    "repo",
    "branch",
    "crons",
    "schedule",
    "provider",
    "dropletId",
    "droplet_id",
    "instance_id",
    "phpVersion",
    "php_version",
    "wwwMode",
    "www_mode",
    "hasWww",
    "has_www",
    "webRoot",
    "web_root",
];

/// The keys whose values can be shown when the file is no YAML.
pub(super) fn all_keys() -> Vec<&'static str> {
    let maps = [
        &TOP,
        &site_entry::KEYS,
        &host::KEYS,
        &host::FLEET,
        &program_keys::PROGRAM,
        &settings::PATHS,
        &super::logs::KEYS,
        &super::allowed::KEYS,
        &notices::NOTIFY,
        &notices::HOOKS,
        &pulling::KEYS,
        &pulling::CONFIG,
        &pulling::LABEL,
        &super::passed::OPTIONS,
        &super::health::KEYS,
        &super::health::PROBE,
    ];
    let keys = PASSED_OVER.into_iter().chain(maps.into_iter().flat_map(Keys::names));
    #[cfg(feature = "web")]
    let keys = keys.chain(super::web_auth::SHOWN);
    keys.collect()
}

/// Reads an inventory. `name` is the file's name for messages. Every problem is named at once,
/// except those that cannot be seen before the file is YAML.
pub fn read(name: &str, text: &str) -> Result<Inventory, Problems> {
    read_beside(name, text, &Nothing)
}

/// [`read`] with the files beside it that it names.
pub fn read_beside(name: &str, text: &str, beside: &dyn Beside) -> Result<Inventory, Problems> {
    read_located(name, text, beside).map(|located| located.inventory)
}

/// The same with the places of what it says.
pub(crate) fn read_located<'t>(
    name: &'t str,
    text: &'t str,
    beside: &dyn Beside,
) -> Result<Located<'t>, Problems> {
    let ((inventory, sites), source) = read_file(name, text, beside, inventory)?;
    Ok(Located { inventory, places: Places { source, sites } })
}

/// Reads a YAML file of ours: whatever `read` finds wrong in it refuses it.
pub(super) fn read_file<'t, T>(
    name: &'t str,
    text: &'t str,
    beside: &dyn Beside,
    read: impl FnOnce(&mut Reader<'_, 't>, &Node) -> T,
) -> Result<(T, Source<'t>), Problems> {
    let mut source = Source::new(name, text, all_keys());
    let root = match checked_size(text).and_then(|()| file::parse(text)) {
        Ok(root) => root,
        Err(error) => return Err(no_yaml(error, &source)),
    };
    source.hide_secrets(&root);
    let mut reader = Reader { source: &source, beside, findings: Findings::default() };
    repeated_keys(&mut reader, &root);
    let content = read(&mut reader, &root);
    let findings = reader.findings;
    match findings.is_empty() {
        true => Ok((content, source)),
        false => Err(findings.into_problems(&source)),
    }
}

fn checked_size(text: &str) -> Result<(), SyntaxError> {
    if text.len() as u64 <= LARGEST_BYTES {
        return Ok(());
    }
    Err(SyntaxError {
        message: format!("the file is larger than {} MiB", LARGEST_BYTES >> 20),
        help: Some("is this the right file?".to_owned()),
        at: Span::default(),
    })
}

fn no_yaml(error: SyntaxError, source: &Source<'_>) -> Problems {
    let mut finding = Finding::new(error.at, error.message);
    finding.help.extend(error.help);
    if source.may_be_a_secret(error.at) {
        if finding.message.contains('`') {
            // Such a message quotes a character of the text.
            finding.message = "not valid YAML".to_owned();
        }
        finding = finding.help("put a value with special characters in quotes");
    }
    let mut findings = Findings::default();
    findings.push(finding);
    findings.into_problems(source)
}

/// A key that stands twice in one map, anywhere in the file: YAML forbids it, and readers disagree
/// about which of the two counts.
fn repeated_keys(reader: &mut Reader<'_, '_>, node: &Node) {
    if let Value::Map(entries) = &node.value {
        let mut first: HashMap<&str, Span> = HashMap::new();
        for (key, _) in entries {
            let Some(name) = key.text() else { continue };
            if let Some(before) = first.insert(name, key.at) {
                let message = format!("the key {} appears twice", reader.source.named(key));
                reader.push(Finding::new(key.at, message).see(before, "first defined here"));
            }
        }
    }
    for child in node.children() {
        repeated_keys(reader, child);
    }
}

fn inventory(reader: &mut Reader<'_, '_>, root: &Node) -> (Inventory, Vec<SitePlaces>) {
    let mut inventory = Inventory::default();
    if matches!(root.value, Value::Null) {
        return (inventory, Vec::new());
    }
    let Some(fields) = reader.fields(root, &TOP) else { return (inventory, Vec::new()) };
    let name = fields.get("name");
    inventory.name = name.and_then(|node| reader.parse(node, "name", checked_name));
    let binaries = fields.get("binaries");
    inventory.binaries = binaries.and_then(|node| reader.parse(node, "binaries", checked_name));
    inventory.notices = notices::read(reader, &fields);
    inventory.pull = pulling::read(reader, &fields);
    let settings = Settings::read(reader, &fields, &Settings::default());
    inventory.paths = settings.paths();
    let mut names = Names::default();
    let persist = host::persist(reader, &fields);
    for node in entries(reader, &fields, "servers") {
        let host = server(reader, node, &mut names);
        inventory.hosts.extend(host.map(|host| Host { persist, ..host }));
    }
    let mut sites = Vec::new();
    for node in entries(reader, &fields, "sites") {
        let left_alone = &mut inventory.left_alone;
        sites.extend(site_entry::read(reader, node, &settings, &mut names, left_alone));
    }
    clashes::check(reader, &sites);
    let places;
    (inventory.sites, places) = sites.into_iter().map(|site| (site.placed, site.places)).unzip();
    (inventory, places)
}

/// The inventory's name: one line that people can read.
fn checked_name(text: &str) -> Result<String, NameError> {
    not_empty(text)?;
    no_control(text)?;
    if text.trim() != text {
        return Err(NameError::new("must not begin or end with a blank"));
    }
    at_most(text, 100)?;
    Ok(text.to_owned())
}

fn entries<'n>(reader: &mut Reader<'_, '_>, fields: &Fields<'n>, key: &str) -> &'n [Node] {
    fields.get(key).and_then(|node| reader.list(node, key)).unwrap_or_default()
}

/// The names met so far, also those of entries with other problems, so that one mistake does not
/// cause ten messages.
#[derive(Default)]
pub(super) struct Names<'n> {
    pub(super) servers: HashMap<&'n str, Span>,
    /// In the file's order, for "did you mean".
    pub(super) server_list: Vec<&'n str>,
    pub(super) sites: HashMap<&'n str, Span>,
}

fn server<'n>(reader: &mut Reader<'_, '_>, node: &'n Node, names: &mut Names<'n>) -> Option<Host> {
    let fields = reader.fields(node, &host::KEYS)?;
    let host = host::read(reader, &fields);
    if let Some((name, at)) = fields.get("name").and_then(|node| Some((node.text()?, node.at))) {
        names.server_list.push(name);
        unique(reader, &mut names.servers, name, at, "server");
    }
    host
}

/// Refuses a name that is there already, pointing at both.
pub(super) fn unique<'n>(
    reader: &mut Reader<'_, '_>,
    known: &mut HashMap<&'n str, Span>,
    name: &'n str,
    at: Span,
    what: &str,
) {
    if let Some(before) = known.get(name) {
        let finding = Finding::new(at, format!("the {what} `{}` appears twice", shown(name)));
        reader.push(finding.see(*before, "first defined here"));
    } else {
        known.insert(name, at);
    }
}
