//! `health:` of a program: when it counts as healthy after an apply.

use super::fields::{Fields, Reader};
use super::file::Node;
use super::findings::Finding;
use super::keys::{Key, Keys, Kind};
use super::name::NameError;
use super::program::{Health, Probe};
use super::value::CommandLine;

/// Seconds a probe may take if the inventory does not say.
const DEFAULT_TIMEOUT: u32 = 10;

/// The most seconds an apply may be told to watch or ask one program.
const LONGEST: u32 = 3600;

pub(super) static KEYS: Keys = Keys {
    of: "`health`",
    known: &[
        Key::new(
            "stable_for",
            Kind::Whole { least: 0, most: LONGEST as i64 },
            "10",
            "Seconds it must run on without a restart.",
        )
        .default("`startsecs`, at least 2"),
        Key::new(
            "probe",
            Kind::Map(&PROBE),
            "{tcp: \"127.0.0.1:6379\"}",
            "A question to ask afterwards: exactly one of the three below.",
        )
        .default("none"),
    ],
    instead: &[
        ("http", "write it below `probe`"),
        ("tcp", "write it below `probe`"),
        ("exec", "write it below `probe`"),
    ],
    shared: false,
};

pub(super) static PROBE: Keys = Keys {
    of: "`probe`",
    known: &[
        Key::new(
            "http",
            Kind::Text,
            "\"http://127.0.0.1:8080/up\"",
            "An `http://` address, asked from the server itself. Any status below 400 is healthy.",
        ),
        Key::new("tcp", Kind::Text, "\"127.0.0.1:6379\"", "`host:port`; a connection is enough."),
        Key::new("exec", Kind::Text, "php artisan up", "A command; exit status 0 is healthy."),
        Key::new(
            "timeout",
            Kind::Whole { least: 1, most: LONGEST as i64 },
            "5",
            "Seconds until the probe counts as failed.",
        )
        .default("`10`"),
    ],
    instead: &[("command", "exec"), ("url", "http"), ("https", "http"), ("port", "tcp")],
    shared: false,
};

/// One layer of `health`.
#[derive(Clone, Default)]
pub(super) struct HealthOptions {
    stable_for: Option<u32>,
    probe: Option<Probe>,
}

impl HealthOptions {
    pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node) -> Self {
        let Some(fields) = reader.fields(node, &KEYS) else { return Self::default() };
        Self {
            stable_for: reader.number(&fields, "stable_for"),
            probe: fields.get("probe").and_then(|n| probe(reader, n)),
        }
    }

    /// This layer over `base`; a probe is replaced as a whole.
    pub(super) fn over(self, base: &Self) -> Self {
        let Self { stable_for, probe } = self;
        Self {
            stable_for: stable_for.or(base.stable_for),
            probe: probe.or_else(|| base.probe.clone()),
        }
    }

    pub(super) fn into_health(self) -> Health {
        Health { stable_for: self.stable_for, probe: self.probe }
    }
}

fn probe(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Probe> {
    let fields = reader.fields(node, &PROBE)?;
    let timeout = match fields.get("timeout") {
        Some(_) => reader.number(&fields, "timeout"),
        None => Some(DEFAULT_TIMEOUT),
    };
    let http = fields.get("http").map(|n| {
        let url = reader.parse(n, "http", http_address);
        Some(Probe::Http { url: url?, timeout: timeout? })
    });
    let tcp = fields.get("tcp").map(|n| {
        let address = reader.parse(n, "tcp", tcp_address);
        Some(Probe::Tcp { address: address?, timeout: timeout? })
    });
    let exec = fields.get("exec").map(|n| {
        let command = reader.parse(n, "exec", CommandLine::for_key);
        Some(Probe::Exec { command: command?, timeout: timeout? })
    });
    match (http, tcp, exec) {
        (Some(probe), None, None) | (None, Some(probe), None) | (None, None, Some(probe)) => probe,
        (None, None, None) if fields.meant(&["http", "tcp", "exec"]) => None,
        _ => {
            one_question(reader, &fields);
            None
        }
    }
}

fn one_question(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) {
    let message = "`probe` must have exactly one of `http`, `tcp` and `exec`";
    let second = ["http", "tcp", "exec"].into_iter().filter_map(|key| fields.entry(key)).nth(1);
    let at = second.map_or(fields.at, |(key, _)| key.at);
    let help = "for example `probe: {http: \"http://127.0.0.1:8080/health\"}`";
    reader.push(Finding::new(at, message).help(help));
}

fn http_address(text: &str) -> Result<String, NameError> {
    let rest = text.strip_prefix("http://").ok_or_else(|| {
        NameError::new(
            "must begin with 'http://': the host asks itself, without TLS; use `exec` for more",
        )
    })?;
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(NameError::new("must be one word of printable ASCII"));
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        return Err(NameError::new("must not contain a user or a password; use `exec` for that"));
    }
    if host.is_empty() || host.starts_with(':') {
        return Err(NameError::new("must name a host, for example http://127.0.0.1:8080/health"));
    }
    let bare = host.rsplit(']').next().unwrap_or_default();
    if let Some((_, port)) = bare.rsplit_once(':') {
        check_port(port)?;
    }
    at_most(text)
}

fn tcp_address(text: &str) -> Result<String, NameError> {
    let Some((host, port)) = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()) else {
        return Err(NameError::new("must be 'host:port', for example 127.0.0.1:6379"));
    };
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]%".contains(&b)) {
        return Err(NameError::new("must be 'host:port' with a host name or an IP address"));
    }
    check_port(port)?;
    at_most(text)
}

fn check_port(port: &str) -> Result<(), NameError> {
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if digits => Ok(()),
        _ => Err(NameError::new("must have a port from 1 to 65535")),
    }
}

fn at_most(text: &str) -> Result<String, NameError> {
    if text.len() > 2000 {
        return Err(NameError::new("is too long: at most 2000 bytes fit"));
    }
    Ok(text.to_owned())
}
