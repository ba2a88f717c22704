//! The options of a program as one layer of the inventory sets them: the top level's `defaults`, a
//! site's `defaults`, or the program itself. Layers are laid over each other, then become a
//! `Program`.

use std::collections::BTreeMap;

use super::fields::{At, Fields, Keys, Reader};
use super::file::{Node, Value};
use super::findings::Finding;
use super::health::HealthOptions;
use super::logs::LogOptions;
use super::name::{
    AbsolutePath, EnvironmentName, EnvironmentValue, NameError, ProgramName, UserName,
};
use super::program::{Autorestart, Instances, MOST_PROCESSES, Program, RestartPolicy, Run, Signal};

/// The largest number supervisord can hold without doubt: what fits a C int.
const LARGEST: u32 = i32::MAX as u32;

/// The options; what identifies a program (`program`, `script`, `command`) comes before them.
pub(super) const KEYS: [&str; 22] = [
    "program",
    "script",
    "command",
    "autostart",
    "autorestart",
    "stopwaitsecs",
    "numprocs",
    "directory",
    "user",
    "environment",
    "startsecs",
    "startretries",
    "stopsignal",
    "stopasgroup",
    "killasgroup",
    "exitcodes",
    "priority",
    "umask",
    "logs",
    "instances",
    "restart",
    "health",
];

const WRITTEN_BY_US: &str = "supervisor-sync writes this option itself";
const NOT_OURS: &str = "supervisor-sync does not set this option";

/// What people write who know supervisord's own file.
const INSTEAD: [(&str, &str); 16] = [
    ("name", "program"),
    ("env", "environment"),
    ("cwd", "directory"),
    ("processes", "numprocs"),
    ("process_name", WRITTEN_BY_US),
    ("redirect_stderr", WRITTEN_BY_US),
    ("stdout_logfile", "the log's folder is `log_dir` of `paths`; its name is the program's"),
    ("stderr_logfile", "the log's folder is `log_dir` of `paths`; its name is the program's"),
    ("stdout_logfile_maxbytes", "set the key `size` of `logs`: logrotate rotates"),
    ("stderr_logfile_maxbytes", "set the key `size` of `logs`: logrotate rotates"),
    ("stdout_logfile_backups", "set the key `rotate` of `logs`: logrotate rotates"),
    ("stderr_logfile_backups", "set the key `rotate` of `logs`: logrotate rotates"),
    ("numprocs_start", NOT_OURS),
    ("serverurl", NOT_OURS),
    ("stdout_syslog", NOT_OURS),
    ("stderr_syslog", NOT_OURS),
];

/// The keys of a program.
pub(super) const PROGRAM: Keys<'static> =
    Keys { of: "a program", known: &KEYS, instead: &INSTEAD, shared: false };

/// The keys of `defaults`.
pub(super) fn defaults_keys() -> Keys<'static> {
    const OWN: [(&str, &str); 3] = [
        ("program", "this belongs to one program, not to `defaults`"),
        ("script", "this belongs to one program, not to `defaults`"),
        ("command", "this belongs to one program, not to `defaults`"),
    ];
    let known = KEYS.get(3..).unwrap_or_default();
    Keys { of: "`defaults`", known, instead: &OWN, shared: false }
}

/// One layer of options.
#[derive(Clone, Default)]
pub(super) struct Options {
    autostart: Option<bool>,
    autorestart: Option<Autorestart>,
    stopwaitsecs: Option<u32>,
    numprocs: Option<u32>,
    directory: Option<AbsolutePath>,
    user: Option<UserName>,
    environment: BTreeMap<EnvironmentName, EnvironmentValue>,
    startsecs: Option<u32>,
    startretries: Option<u32>,
    stopsignal: Option<Signal>,
    stopasgroup: Option<At<bool>>,
    killasgroup: Option<At<bool>>,
    exitcodes: Option<Vec<u8>>,
    priority: Option<u32>,
    umask: Option<u32>,
    logs: LogOptions,
    instances: Option<Instances>,
    restart: Option<RestartPolicy>,
    health: HealthOptions,
}

impl Options {
    /// Reads the options among `fields`.
    pub(super) fn read(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) -> Self {
        let get = |key| fields.get(key);
        Self {
            autostart: get("autostart").and_then(|n| reader.boolean(n, "autostart")),
            autorestart: get("autorestart").and_then(|n| autorestart(reader, n)),
            stopwaitsecs: get("stopwaitsecs")
                .and_then(|n| reader.whole(n, "stopwaitsecs", 1, LARGEST)),
            numprocs: get("numprocs").and_then(|n| reader.whole(n, "numprocs", 1, MOST_PROCESSES)),
            directory: get("directory")
                .and_then(|n| reader.parse(n, "directory", AbsolutePath::parse)),
            user: get("user").and_then(|n| reader.user(n, "user")),
            environment: get("environment").map(|n| environment(reader, n)).unwrap_or_default(),
            startsecs: get("startsecs").and_then(|n| reader.whole(n, "startsecs", 0, LARGEST)),
            startretries: get("startretries")
                .and_then(|n| reader.whole(n, "startretries", 0, LARGEST)),
            stopsignal: get("stopsignal").and_then(|n| reader.parse(n, "stopsignal", signal)),
            stopasgroup: get("stopasgroup").and_then(|n| placed_boolean(reader, n, "stopasgroup")),
            killasgroup: get("killasgroup").and_then(|n| placed_boolean(reader, n, "killasgroup")),
            exitcodes: get("exitcodes").and_then(|n| exitcodes(reader, n)),
            priority: get("priority").and_then(|n| reader.whole(n, "priority", 0, LARGEST)),
            umask: get("umask").and_then(|n| umask(reader, n)),
            logs: get("logs").map(|n| LogOptions::read(reader, n)).unwrap_or_default(),
            instances: get("instances").and_then(|n| {
                let choices =
                    [("together", Instances::Together), ("separate", Instances::Separate)];
                reader.choice(n, "instances", &choices)
            }),
            restart: get("restart").and_then(|n| restart(reader, n)),
            health: get("health").map(|n| HealthOptions::read(reader, n)).unwrap_or_default(),
        }
    }

    /// This layer over `base`: what is set here wins; maps are joined key by key.
    pub(super) fn over(self, base: &Self) -> Self {
        let Self {
            autostart,
            autorestart,
            stopwaitsecs,
            numprocs,
            directory,
            user,
            environment,
            startsecs,
            startretries,
            stopsignal,
            stopasgroup,
            killasgroup,
            exitcodes,
            priority,
            umask,
            logs,
            instances,
            restart,
            health,
        } = self;
        let mut joined = base.environment.clone();
        joined.extend(environment);
        Self {
            autostart: autostart.or(base.autostart),
            autorestart: autorestart.or(base.autorestart),
            stopwaitsecs: stopwaitsecs.or(base.stopwaitsecs),
            numprocs: numprocs.or(base.numprocs),
            directory: directory.or_else(|| base.directory.clone()),
            user: user.or_else(|| base.user.clone()),
            environment: joined,
            startsecs: startsecs.or(base.startsecs),
            startretries: startretries.or(base.startretries),
            stopsignal: stopsignal.or(base.stopsignal),
            stopasgroup: stopasgroup.or_else(|| base.stopasgroup.clone()),
            killasgroup: killasgroup.or_else(|| base.killasgroup.clone()),
            exitcodes: exitcodes.or_else(|| base.exitcodes.clone()),
            priority: priority.or(base.priority),
            umask: umask.or(base.umask),
            logs: logs.over(&base.logs),
            instances: instances.or(base.instances),
            restart: restart.or(base.restart),
            health: health.over(&base.health),
        }
    }

    /// Refuses what only the layers together show. supervisord refuses the reread of the whole host
    /// for it.
    pub(super) fn check(&self, reader: &mut Reader<'_, '_>) {
        if let (Some(stop), Some(kill)) = (&self.stopasgroup, &self.killasgroup)
            && stop.value
            && !kill.value
        {
            reader.push(
                Finding::new(
                    kill.at,
                    "`killasgroup: false` does not go with `stopasgroup: true`: supervisord \
                     refuses the configuration of the whole host",
                )
                .see(stop.at, "`stopasgroup` is true here")
                .help("remove `killasgroup`: it follows `stopasgroup`"),
            );
        }
    }

    /// The program with these options, and the contract's defaults for the rest.
    pub(super) fn into_program(self, name: ProgramName, run: Run, line: u32) -> Program {
        let base = Program::new(name, run);
        Program {
            directory: self.directory,
            user: self.user,
            autostart: self.autostart.unwrap_or(base.autostart),
            autorestart: self.autorestart.unwrap_or(base.autorestart),
            stopwaitsecs: self.stopwaitsecs.unwrap_or(base.stopwaitsecs),
            numprocs: self.numprocs.unwrap_or(base.numprocs),
            environment: self.environment,
            startsecs: self.startsecs,
            startretries: self.startretries,
            stopsignal: self.stopsignal,
            stopasgroup: self.stopasgroup.map(|set| set.value),
            killasgroup: self.killasgroup.map(|set| set.value),
            exitcodes: self.exitcodes,
            priority: self.priority,
            umask: self.umask,
            logs: self.logs.into_logs(),
            instances: self.instances.unwrap_or(base.instances),
            restart: self.restart.unwrap_or(base.restart),
            health: self.health.into_health(),
            line: Some(line),
            name: base.name,
            run: base.run,
        }
    }
}

fn placed_boolean(reader: &mut Reader<'_, '_>, node: &Node, what: &str) -> Option<At<bool>> {
    reader.boolean(node, what).map(|value| At { value, at: node.at })
}

fn autorestart(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Autorestart> {
    match (&node.value, node.text()) {
        (Value::Bool(true), _) => Some(Autorestart::Always),
        (Value::Bool(false), _) => Some(Autorestart::Never),
        (_, Some("unexpected")) => Some(Autorestart::Unexpected),
        _ => {
            let message = "`autorestart` must be true, false or unexpected";
            let near = super::suggest::nearest(
                node.text().unwrap_or_default(),
                ["true", "false", "unexpected"],
            );
            let finding = Finding::new(node.at, message);
            reader.push(match node.text() {
                Some("yes" | "on" | "true") => {
                    finding.help("write `autorestart: true`, without quotes")
                }
                Some("no" | "off" | "false") => {
                    finding.help("write `autorestart: false`, without quotes")
                }
                _ => finding.did_you_mean(near),
            });
            None
        }
    }
}

fn signal(text: &str) -> Result<Signal, NameError> {
    Signal::parse(text).ok_or_else(|| {
        let names = Signal::ALL.map(Signal::as_str).join(", ");
        NameError::new(format!("must be one of {names}"))
    })
}

fn restart(reader: &mut Reader<'_, '_>, node: &Node) -> Option<RestartPolicy> {
    let choices = [
        ("immediate", RestartPolicy::Immediate),
        ("rolling", RestartPolicy::Rolling),
        ("deferred", RestartPolicy::Deferred),
    ];
    reader.choice(node, "restart", &choices)
}

/// A list of exit statuses, or one.
fn exitcodes(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Vec<u8>> {
    if matches!(node.value, Value::Text(_)) {
        let finding = Finding::new(node.at, "`exitcodes` must be a list of numbers");
        reader.push(finding.help("for example `exitcodes: [0, 2]`"));
        return None;
    }
    let one = std::slice::from_ref(node);
    let items = match node.value {
        Value::Number => one,
        _ => reader.list(node, "exitcodes")?,
    };
    if items.is_empty() {
        reader.push(Finding::new(node.at, "`exitcodes` must hold a number"));
        return None;
    }
    let codes = items.iter().filter_map(|item| reader.whole(item, "exitcodes", 0, 255));
    Some(codes.filter_map(|code| u8::try_from(code).ok()).collect())
}

/// Octal text. A number is refused because YAML's versions disagree about the base of `022`.
fn umask(reader: &mut Reader<'_, '_>, node: &Node) -> Option<u32> {
    let bits = node
        .text()
        .filter(|text| matches!(text.len(), 3 | 4))
        .and_then(|text| u32::from_str_radix(text, 8).ok())
        .filter(|bits| *bits <= 0o777);
    if bits.is_none() {
        let finding = Finding::new(node.at, "`umask` must be three octal digits in quotes");
        reader.push(finding.help("for example `umask: \"022\"`"));
    }
    bits
}

/// The environment of a program. No message here may hold a part of a value.
fn environment(
    reader: &mut Reader<'_, '_>,
    node: &Node,
) -> BTreeMap<EnvironmentName, EnvironmentValue> {
    let mut environment = BTreeMap::new();
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        Value::List(items) if items.is_empty() => &[],
        _ => {
            let finding = Finding::new(node.at, "`environment` must be a map of names and values");
            reader.push(finding.help("for example `environment: {APP_ENV: production}`"));
            &[]
        }
    };
    for (key, value) in entries {
        if key.text().is_none() {
            reader.push(Finding::new(key.at, "a name in `environment` must be text"));
            continue;
        }
        let Some(name) = reader.parse(key, "environment", EnvironmentName::parse) else { continue };
        let text = match &value.value {
            Value::Text(text) => text.as_str(),
            Value::Number | Value::Bool(_) => reader.source.slice(value.defined),
            Value::Null => {
                let message = format!("the variable {} has no value", reader.source.named(key));
                reader.push(Finding::new(key.at, message).help("write `\"\"` for an empty one"));
                continue;
            }
            Value::List(_) | Value::Map(_) => {
                let message = format!("the value of `{name}` must be a text, a number or a bool");
                reader.wrong_kind(value, &message);
                continue;
            }
        };
        match EnvironmentValue::parse(text) {
            Ok(value) => {
                environment.insert(name, value);
            }
            Err(error) => {
                reader.push(Finding::new(value.at, format!("the value of `{name}` {error}")));
            }
        }
    }
    environment
}
