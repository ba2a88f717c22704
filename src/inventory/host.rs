//! A server of the inventory: what it is called and how to reach it.

use serde::{Deserialize, Serialize};

use super::fields::{Fields, Reader};
use super::file::Node;
use super::findings::Finding;
use super::keys::{Key, Keys, Kind, words};
use super::name::{HostName, NameError, UserName};

/// A server, checked. What the inventory did not set is `None`: the user's `ssh_config` may say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name in the inventory, unique.
    pub name: HostName,
    /// Its address as `ssh` takes it: a host name, an IP address or an alias of `ssh_config`. It
    /// cannot be taken for an option or for more than one word.
    pub address: String,
    /// How it is reached.
    pub connection: Connection,
    /// With [`Connection::Exec`]: the program, with its arguments, that runs there what comes after them.
    pub exec: Vec<String>,
    /// The port of its SSH server.
    pub port: Option<u16>,
    /// Whom to log in as.
    pub username: Option<UserName>,
    /// The private key as typed; `~` is not expanded.
    pub private_key_path: Option<String>,
    /// How system files are reached once logged in. If not set: as root directly, as any other
    /// user through sudo.
    pub privilege: Option<Privilege>,
    /// For how many seconds a connection to it stays open for the next command; 0 for none.
    pub persist: u32,
    /// Labels for `--on @tag`.
    pub tags: Vec<String>,
    /// The line of the inventory it came from.
    pub line: u32,
}

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// It is this machine.
    Local,
    /// Through the system's `ssh`.
    Ssh,
    /// Through a command of its own.
    Exec,
}

words!(Connection { "local" => Local, "ssh" => Ssh, "exec" => Exec, });

/// How system files and supervisord are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    /// Directly; we are root.
    Root,
    /// Through `sudo -n`.
    Sudo,
    /// Directly, as whoever we are.
    None,
}

words!(Privilege { "root" => Root, "sudo" => Sudo, "none" => None, });

/// The keys of a server.
pub(super) static KEYS: Keys = Keys {
    of: "a server",
    known: &[
        Key::new(
            "name",
            Kind::Text,
            "web1",
            "What you call the server. Unique. Letters, digits, `.`, `-` and `_`.",
        )
        .default("required"),
        Key::new(
            "host",
            Kind::Text,
            "203.0.113.10",
            "Its address as `ssh` takes it: host name, IP address, or an alias from your `ssh_config`.",
        )
        .default("required without `exec`"),
        Key::new(
            "port",
            Kind::Whole { least: 1, most: 65_535 },
            "2222",
            "Port of its SSH server.",
        )
        .default("what `ssh_config` says, else 22"),
        Key::new("username", Kind::Text, "deployer", "Whom to log in as.")
            .default("what `ssh_config` says, else `root`"),
        Key::new(
            "privateKeyPath",
            Kind::Text,
            "~/.ssh/id_ed25519",
            "A private key; `~` is your home folder. `private_key_path` is the same key.",
        )
        .default("what `ssh` finds"),
        Key::new("private_key_path", Kind::Text, "~/.ssh/id_ed25519", "The same as `privateKeyPath`."),
        Key::new("tags", Kind::List(&Kind::Text), "[eu, workers]", "A list of labels, for `--on @label`.")
            .default("none"),
        Key::new(
            "connection",
            Kind::Word(Connection::WORDS),
            "local",
            "`local` if the server is this machine; `host` must then be `localhost`. `exec` if it is \
             reached by the command in `exec`.",
        )
        .default("`ssh`, or `exec` with the key `exec`"),
        Key::new(
            "exec",
            Kind::List(&Kind::Text),
            "[podman, exec, -i, web]",
            "A program with its arguments that runs, on the server, the program and arguments that \
             come after them, and passes stdin and stdout on. What is about SSH is refused then.",
        )
        .default("none"),
        Key::new(
            "privilege",
            Kind::Word(Privilege::WORDS),
            "sudo",
            "How system files are reached: `root` (directly), `sudo` (through `sudo -n`), `none` \
             (directly, as whoever you are).",
        )
        .default("directly as root, else `sudo`"),
    ],
    instead: &[("user", "username"), ("address", "host"), ("sudo", "write `privilege: sudo`")],
    shared: true,
};

/// The keys of `fleet`.
pub(super) static FLEET: Keys = Keys {
    of: "`fleet`",
    known: &[Key::new(
        "persist",
        Kind::Whole { least: 0, most: LONGEST_PERSIST as i64 },
        "60",
        "For how many seconds an SSH connection stays open for the next command, at most 86400; 0 \
         for none. See [a fleet over SSH](fleet.md#one-handshake-for-several-commands).",
    )
    .default("`0`")],
    instead: &[
        ("control_persist", "persist"),
        ("parallel", "give `--parallel N` on the command line"),
    ],
    shared: false,
};

/// The longest that a connection stays open without use, in seconds.
const LONGEST_PERSIST: u32 = 86_400;

/// For how many seconds connections stay open, as the top level says for all servers.
pub(super) fn persist(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) -> u32 {
    let fleet = fields.get("fleet").and_then(|node| reader.fields(node, &FLEET));
    fleet.and_then(|fleet| reader.number(&fleet, "persist")).unwrap_or_default()
}

/// Reads one server; `None` if something that it cannot do without is wrong.
pub(super) fn read(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) -> Option<Host> {
    let name = reader.required(fields, "name", "a server", "web1");
    let name = name.and_then(|node| reader.parse(node, "name", HostName::parse));
    let exec = exec(reader, fields);
    let address = match (&exec, fields.get("host")) {
        // It is the command's business where the server is.
        (Some(_), None) => name.as_ref().map(HostName::to_string),
        _ => {
            let address = reader.required(fields, "host", "a server", "203.0.113.10");
            address.and_then(|node| reader.parse(node, "host", address_text))
        }
    };
    let port = reader.number(fields, "port");
    let username =
        fields.get("username").and_then(|node| reader.parse(node, "username", UserName::parse));
    let key = ["privateKeyPath", "private_key_path"]
        .into_iter()
        .find_map(|key| fields.get(key).map(|node| (key, node)))
        .and_then(|(key, node)| reader.parse(node, key, key_path));
    let connection = connection(reader, fields, address.as_deref());
    let privilege = reader.word(fields, "privilege", Privilege::from_word);
    let tags = fields.get("tags").map(|node| tags(reader, node)).unwrap_or_default();
    Some(Host {
        name: name?,
        address: address?,
        connection,
        exec: exec.unwrap_or_default(),
        port,
        username,
        private_key_path: key,
        privilege,
        persist: 0,
        tags,
        line: reader.source.line_of(fields.at),
    })
}

/// `connection: local` on a server with another address is refused: somebody copied an entry, and
/// this machine would get what was meant for that one.
fn connection(
    reader: &mut Reader<'_, '_>,
    fields: &Fields<'_>,
    address: Option<&str>,
) -> Connection {
    let Some(node) = fields.get("connection") else {
        return if fields.get("exec").is_some() { Connection::Exec } else { Connection::Ssh };
    };
    let connection = reader.word(fields, "connection", Connection::from_word);
    let connection = connection.unwrap_or(Connection::Ssh);
    let here = address.is_none_or(|a| matches!(a, "localhost" | "127.0.0.1" | "::1"));
    if connection == Connection::Local && !here {
        let message = "`connection: local` means this machine, but `host` is another address";
        let host = fields.get("host").map_or(fields.at, |host| host.at);
        reader.push(
            Finding::new(node.at, message)
                .see(host, "the address")
                .help("write `host: localhost`, or remove `connection`"),
        );
    }
    connection
}

/// The command of a server that is reached by one; `None` of any other. What is only about SSH is
/// refused beside it: nothing would follow it.
fn exec(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) -> Option<Vec<String>> {
    let node = fields.get("exec");
    match (fields.get("connection").map(|node| (node, node.text())), node) {
        (Some((_, Some("exec"))) | None, Some(_)) => {}
        (None, None) => return None,
        (Some((connection, Some("exec"))), None) => {
            let message = "`connection: exec` needs the command, as `exec`";
            let finding = Finding::new(connection.at, message);
            reader.push(finding.help("e.g. `exec: [podman, exec, -i, web]`"));
        }
        (Some((connection, _)), Some(node)) => {
            let message = "`exec` is for a server that is reached by a command";
            let finding = Finding::new(node.at, message).see(connection.at, "and this is not");
            reader.push(finding.help("write `connection: exec`, or remove `exec`"));
            return None;
        }
        (Some(_), None) => return None,
    }
    for key in ["port", "username", "privateKeyPath", "private_key_path"] {
        if let Some(node) = fields.get(key) {
            let message = format!("`{key}` is for SSH, and this server is reached by `exec`");
            reader.push(Finding::new(node.at, message).help("remove it"));
        }
    }
    let items = node.and_then(|node| reader.list(node, "exec")).unwrap_or_default();
    let words: Vec<String> =
        items.iter().filter_map(|item| reader.parse(item, "exec", exec_word)).collect();
    if let (Some(node), true) = (node, words.is_empty() && items.is_empty()) {
        reader.push(Finding::new(node.at, "`exec` must name a program"));
    }
    Some(words)
}

fn exec_word(text: &str) -> Result<String, NameError> {
    if text.is_empty() {
        return Err(NameError::new("must not be empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::new("must not contain a control character or a line break"));
    }
    Ok(text.to_owned())
}

fn tags(reader: &mut Reader<'_, '_>, node: &Node) -> Vec<String> {
    let items = reader.list(node, "tags").unwrap_or_default();
    let tags = items.iter().filter_map(|item| reader.parse(item, "tags", HostName::parse));
    tags.map(String::from).collect()
}

fn address_text(text: &str) -> Result<String, NameError> {
    if text.contains('@') {
        return Err(NameError::new("must not contain '@': write the user as `username`"));
    }
    if text.starts_with('[') {
        return Err(NameError::new("must be without brackets; the port is a key of its own"));
    }
    // A host name's characters, and ':' and '%' for IPv6 addresses with their zone.
    HostName::parse(&text.replace([':', '%'], "."))?;
    if text.starts_with('-') {
        return Err(NameError::new("must not begin with '-'"));
    }
    Ok(text.to_owned())
}

fn key_path(text: &str) -> Result<String, NameError> {
    if text.is_empty() {
        return Err(NameError::new("must not be empty"));
    }
    if text.starts_with('-') {
        return Err(NameError::new("must not begin with '-'"));
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::new("must not contain a control character or a line break"));
    }
    if text.len() > 4000 {
        return Err(NameError::new("is too long: at most 4000 bytes fit"));
    }
    Ok(text.to_owned())
}
