//! `pull:` of an inventory: how hosts that pull it take it up; and `pull.yml`, by which a host knows where to
//! pull from and whom to believe.

use serde::{Deserialize, Serialize};

use super::fields::{Fields, Reader};
use super::file::{Node, Value};
use super::findings::{Finding, Findings};
use super::keys::{Key, Keys, Kind};
use super::name::{NameError, at_most, no_control, not_empty};
use super::notices::{self, Notices};
use super::problem::Problems;
use super::resolve::read_file;
use super::value::AbsolutePath;
use super::{Inventory, PlacedSite};

/// Seconds between two waves, unless the inventory says.
const PAUSE: u32 = 600;
/// Days that a bundle is valid, unless the inventory says.
const VALID: u32 = 30;

/// How hosts that pull an inventory take it up: it is published with it, and so signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PullRules {
    /// The share of hosts, in percent, that each wave reaches with those before it; ascending, the last is 100.
    pub(crate) waves: Vec<u8>,
    /// Seconds that each wave waits after the one before it.
    pub(crate) pause: u32,
    /// How many hosts of earlier waves may have rolled back before later waves wait for another bundle.
    pub(crate) max_failures: u32,
    /// Days that a bundle is valid.
    pub(crate) valid: u32,
    /// Whether sites that left the inventory are removed.
    pub(crate) prune: bool,
}

impl Default for PullRules {
    fn default() -> Self {
        Self { waves: vec![100], pause: PAUSE, max_failures: 0, valid: VALID, prune: true }
    }
}

/// The keys of `pull`.
pub(super) static KEYS: Keys = Keys {
    of: "`pull`",
    known: &[
        Key::new(
            "waves",
            Kind::List(&Kind::Whole { least: 1, most: 100 }),
            "[5, 25, 100]",
            "The share of hosts, in percent, that each wave reaches together with those before it. A host's place \
             follows from its machine-id and stays; its `pull.yml` can name a wave.",
        )
        .default("`[100]`"),
        Key::new(
            "pause",
            Kind::Whole { least: 0, most: 604_800 },
            "600",
            "Seconds that each wave waits after the one before it.",
        )
        .default("`600`"),
        Key::new(
            "max_failures",
            Kind::Whole { least: 0, most: 1_000_000 },
            "1",
            "How many hosts of earlier waves may roll a bundle back; if it is one more, later waves wait for another \
             bundle.",
        )
        .default("`0`"),
        Key::new(
            "valid",
            Kind::Whole { least: 1, most: 3650 },
            "30",
            "Days after which a bundle that was published is not taken up any more. Programs run on.",
        )
        .default("`30`"),
        Key::new(
            "prune",
            Kind::Boolean,
            "false",
            "Whether sites that left the inventory are removed from hosts that had pulled them.",
        )
        .default("`true`"),
    ],
    instead: &[("batch", "waves"), ("wait", "pause"), ("expires", "valid")],
    shared: false,
};

/// Reads it among the keys of the top level.
pub(super) fn read(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) -> PullRules {
    let default = PullRules::default();
    let Some(fields) = fields.get("pull").and_then(|node| reader.fields(node, &KEYS)) else {
        return default;
    };
    PullRules {
        waves: fields.get("waves").and_then(|node| waves(reader, node)).unwrap_or(default.waves),
        pause: reader.number(&fields, "pause").unwrap_or(default.pause),
        max_failures: reader.number(&fields, "max_failures").unwrap_or(default.max_failures),
        valid: reader.number(&fields, "valid").unwrap_or(default.valid),
        prune: reader.boolean(&fields, "prune").unwrap_or(default.prune),
    }
}

fn waves(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Vec<u8>> {
    let mut waves: Vec<u8> = Vec::new();
    for item in reader.list(node, "waves")? {
        let typed = reader.source.slice(item.defined);
        let share = typed.parse().ok().filter(|share| (1..=100).contains(share));
        let Some(share) = share.filter(|_| matches!(item.value, Value::Number)) else {
            reader.push(Finding::new(item.at, "a wave must be a whole number from 1 to 100"));
            return None;
        };
        if waves.last().is_some_and(|last| *last >= share) {
            let finding =
                Finding::new(item.at, "each wave must reach more hosts than the one before it");
            reader.push(finding.help("for example `waves: [5, 25, 100]`"));
            return None;
        }
        waves.push(share);
    }
    if waves.last() != Some(&100) {
        let finding = Finding::new(node.at, "the last wave must reach all hosts");
        reader.push(finding.help("end it with 100"));
        return None;
    }
    Some(waves)
}

/// What a host's `pull.yml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PullConfig {
    /// Where bundles are, as it is written.
    pub(crate) source: String,
    /// The line on which it stands.
    pub(crate) source_line: u32,
    /// Whom `ssh-keygen -Y verify` believes.
    pub(crate) allowed_signers: AbsolutePath,
    /// Who must have signed.
    pub(crate) identity: String,
    /// Keys that are revoked.
    pub(crate) revoked: Option<AbsolutePath>,
    /// How the host finds itself in the inventory.
    pub(crate) itself: Itself,
    /// Its wave, from 1; else its machine-id says.
    pub(crate) wave: Option<u32>,
    /// Where it is remembered what was pulled; else where records are.
    pub(crate) state_dir: Option<AbsolutePath>,
    /// Whether it puts a status.
    pub(crate) report: bool,
    /// Who is told on this host, and what comes before and after.
    pub(crate) notices: Notices,
}

/// How a host finds itself in an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Itself {
    /// By what its kernel calls it.
    HostName,
    /// By this name.
    Name(String),
    /// As one of many, by any of these tags.
    Tags(Vec<String>),
    /// By what a JSON file of the cloud says at this place: a name or a tag.
    Label {
        /// The file, which cloud-init writes.
        file: AbsolutePath,
        /// A JSON pointer.
        at: String,
    },
}

/// The keys of `pull.yml`.
pub(super) static CONFIG: Keys = Keys {
    of: "`pull.yml`",
    known: &[
        Key::new(
            "source",
            Kind::Text,
            "https://deploy.example.com/shop",
            "Where bundles are: [stores.md](stores.md).",
        )
        .default("required"),
        Key::new(
            "identity",
            Kind::Text,
            "deploy@example.com",
            "Who must have signed a bundle, as `allowed_signers` calls them.",
        )
        .default("required"),
        Key::new(
            "allowed_signers",
            Kind::Text,
            "/etc/supervisor-sync/allowed_signers",
            "Whose keys are believed, as `ssh-keygen -Y verify` reads it.",
        )
        .default("`/etc/supervisor-sync/allowed_signers`"),
        Key::new(
            "revoked",
            Kind::Text,
            "/etc/supervisor-sync/revoked_keys",
            "Keys that are believed no more: a list of public keys, or a revocation list of `ssh-keygen -k`.",
        )
        .default("none"),
        Key::new("host", Kind::Text, "web1", "The server of the inventory that this host is.")
            .default("what its kernel calls it"),
        Key::new(
            "tags",
            Kind::List(&Kind::Text),
            "[workers]",
            "In place of `host`, for hosts that come and go: it gets the sites of every server of the inventory that \
             has one of these tags.",
        )
        .default("none"),
        Key::new(
            "label",
            Kind::Map(&LABEL),
            "{at: /ds/meta_data/tags/role}",
            "In place of `host`: where the cloud says which server, or which tag, this host is.",
        )
        .default("none"),
        Key::new(
            "wave",
            Kind::Whole { least: 1, most: 100 },
            "1",
            "The wave that the host belongs to: 1 makes it a canary.",
        )
        .default("as its machine-id has it"),
        Key::new(
            "state_dir",
            Kind::Text,
            "/srv/state",
            "Where it is remembered what was pulled, and what was rolled back.",
        )
        .default("`/var/lib/supervisor-sync`"),
        Key::new("report", Kind::Boolean, "false", "Whether the host puts its status into the store.")
            .default("`true`"),
        Key::new(
            "notify",
            Kind::List(&Kind::Map(&notices::NOTIFY)),
            "[]",
            "Who is told on this host what came of a pull: [notifications.md](notifications.md).",
        )
        .default("nobody"),
        Key::new(
            "hooks",
            Kind::Map(&notices::HOOKS),
            "{before: ./check-calendar}",
            "What is run on this host before and after a pull that changes something.",
        )
        .default("nothing"),
    ],
    instead: &[("url", "source"), ("store", "source"), ("name", "host"), ("signer", "identity")],
    shared: false,
};

/// The keys of `label`.
pub(super) static LABEL: Keys = Keys {
    of: "`label`",
    known: &[
        Key::new("file", Kind::Text, "/run/cloud-init/instance-data.json", "A JSON file.")
            .default("`/run/cloud-init/instance-data.json`"),
        Key::new(
            "at",
            Kind::Text,
            "/ds/meta_data/tags/role",
            "Where in it, as a JSON pointer (RFC 6901).",
        )
        .default("required"),
    ],
    instead: &[],
    shared: false,
};

/// Reads `pull.yml`. Every problem is named at once.
pub(crate) fn read_pull_config(name: &str, text: &str) -> Result<PullConfig, Problems> {
    let (config, source) = read_file(name, text, &super::Nothing, config)?;
    // One that lacks something has a finding that says so.
    config.ok_or_else(|| Findings::default().into_problems(&source))
}

fn config(reader: &mut Reader<'_, '_>, root: &Node) -> Option<PullConfig> {
    let fields = reader.fields(root, &CONFIG)?;
    let example = "https://deploy.example.com/shop";
    let source = reader.required(&fields, "source", "`pull.yml`", example);
    let source_line = source.map_or(0, |node| reader.source.line_of(node.at));
    let source = source.and_then(|node| reader.parse(node, "source", line));
    let identity = reader.required(&fields, "identity", "`pull.yml`", "deploy@example.com");
    let identity = identity.and_then(|node| reader.parse(node, "identity", principal));
    let signers = path(reader, &fields, "allowed_signers");
    let default = AbsolutePath::parse("/etc/supervisor-sync/allowed_signers").ok();
    let itself = itself(reader, &fields);
    Some(PullConfig {
        revoked: path(reader, &fields, "revoked"),
        wave: reader.number(&fields, "wave"),
        state_dir: path(reader, &fields, "state_dir"),
        report: reader.boolean(&fields, "report").unwrap_or(true),
        notices: notices::read(reader, &fields),
        source: source?,
        source_line,
        identity: identity?,
        allowed_signers: signers.or(default)?,
        itself: itself?,
    })
}

fn path(reader: &mut Reader<'_, '_>, fields: &Fields<'_>, key: &str) -> Option<AbsolutePath> {
    fields.get(key).and_then(|node| reader.parse(node, key, AbsolutePath::parse))
}

/// At most one of `host`, `tags` and `label`.
fn itself(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) -> Option<Itself> {
    let given: Vec<_> =
        fields.set().filter(|(key, _)| matches!(*key, "host" | "tags" | "label")).collect();
    if let [(first, before), (second, at), ..] = given.as_slice() {
        let finding = Finding::new(*at, format!("`{first}` and `{second}` cannot both be there"));
        reader.push(finding.see(*before, "first defined here"));
        return None;
    }
    if let Some(node) = fields.get("host") {
        return reader.parse(node, "host", line).map(Itself::Name);
    }
    if let Some(node) = fields.get("tags") {
        let items = reader.list(node, "tags")?;
        if items.is_empty() {
            reader.push(Finding::new(node.at, "`tags` must contain a tag"));
        }
        let tags: Vec<String> =
            items.iter().filter_map(|item| reader.parse(item, "tags", line)).collect();
        return (!items.is_empty() && tags.len() == items.len()).then_some(Itself::Tags(tags));
    }
    let Some(node) = fields.get("label") else { return Some(Itself::HostName) };
    let label = reader.fields(node, &LABEL)?;
    let at = reader.required(&label, "at", "`label`", "/ds/meta_data/tags/role");
    let at = at.and_then(|node| reader.parse(node, "at", pointer));
    let default = AbsolutePath::parse("/run/cloud-init/instance-data.json").ok();
    let file = path(reader, &label, "file").or(default);
    Some(Itself::Label { file: file?, at: at? })
}

/// A text of one line.
fn line(text: &str) -> Result<String, NameError> {
    not_empty(text.trim())?;
    no_control(text)?;
    at_most(text, 1000)?;
    Ok(text.trim().to_owned())
}

/// Somebody whom `allowed_signers` can name: it has lists of patterns there, separated by commas.
fn principal(text: &str) -> Result<String, NameError> {
    let text = line(text)?;
    match text.starts_with('-') || text.contains([' ', ',', '*', '?', '!', '"']) {
        true => Err(NameError::new("must be one name, as allowed_signers has it")),
        false => Ok(text),
    }
}

fn pointer(text: &str) -> Result<String, NameError> {
    let text = line(text)?;
    match text.starts_with('/') {
        true => Ok(text),
        false => Err(NameError::new("must begin with `/`, as in /ds/meta_data/tags/role")),
    }
}

impl Inventory {
    /// The sites of every server with one of these tags, each once, in the inventory's order. `None` if no server
    /// has one.
    pub(crate) fn sites_by_tags(&self, tags: &[String]) -> Option<Vec<&PlacedSite>> {
        let servers =
            self.hosts.iter().filter(|host| host.tags.iter().any(|tag| tags.contains(tag)));
        let servers: Vec<_> = servers.map(|host| &host.name).collect();
        let is_there =
            |placed: &&PlacedSite| placed.hosts.iter().any(|host| servers.contains(&host));
        (!servers.is_empty()).then(|| self.sites.iter().filter(is_there).collect())
    }

    /// The sites of a server; `None` if there is no such server.
    pub(crate) fn sites_of(&self, server: &str) -> Option<Vec<&PlacedSite>> {
        let server = &self.hosts.iter().find(|host| host.name.as_str() == server)?.name;
        Some(self.sites.iter().filter(|placed| placed.hosts.contains(server)).collect())
    }
}
