//! The options of a program as one layer of the inventory sets them: the top level's `defaults`, a
//! site's `defaults`, or the program itself. Layers are laid over each other, then become a
//! `Program`.

use std::collections::BTreeMap;

use super::fields::{At, Fields, Reader};
use super::file::{Node, Value};
use super::findings::Finding;
use super::health::{self, HealthOptions};
use super::keys::{Key, Keys, Kind};
use super::logs::{self, LogOptions};
use super::name::{AbsolutePath, EnvironmentName, EnvironmentValue, ProgramName, UserName};
use super::program::{Autorestart, Instances, MOST_PROCESSES, Program, RestartPolicy, Run};

/// The largest number supervisord can hold without doubt: what fits a C int.
const LARGEST: u32 = i32::MAX as u32;

/// The options; what identifies a program (`program`, `script`, `command`) comes before them. Those
/// of supervisord are written to its file in this order.
pub(super) static KEYS: [Key; 24] = [
    Key::new(
        "program",
        Kind::Text,
        "queue-worker",
        "Its name within the site: letters, digits, `_` and `-`.",
    )
    .default("required"),
    Key::new(
        "as",
        Kind::Text,
        "celery",
        "Its name in supervisord, also that of its log: letters, digits and any of `. - _ + @ =`. No other \
         program of the server may have it.",
    )
    .default("`{domain}-{program}`"),
    Key::new(
        "file",
        Kind::Text,
        "celery.conf",
        "The name of the file in `conf_dir` that it is in. Several programs of a site may share one. Going \
         from one file to another restarts nothing.",
    )
    .default("its name in supervisord, and `.conf`"),
    Key::new(
        "script",
        Kind::Text,
        "queue-worker.sh",
        "A script below `.deployer/supervisors/` of the live release, run through the site's \
         `runner.sh`. A relative path without `..`.",
    ),
    Key::new(
        "command",
        Kind::Text,
        "php artisan horizon",
        "Instead of `script`: a command line, run as it is, without `runner.sh`.",
    ),
    Key::new("autostart", Kind::Boolean, "false", "Start it together with supervisord.")
        .default("`true`"),
    Key::new(
        "autorestart",
        Kind::BooleanOr(Autorestart::WORDS),
        "unexpected",
        "Start it again when it ends: `true`, `false`, or `unexpected` (only after an exit status \
         that is not in `exitcodes`).",
    )
    .default("`true`"),
    Key::new(
        "stopwaitsecs",
        Kind::Whole { least: 1, most: LARGEST },
        "120",
        "Seconds it gets to stop before it is killed, at least 1.",
    )
    .default("`3600`"),
    Key::new(
        "numprocs",
        Kind::Whole { least: 1, most: MOST_PROCESSES },
        "4",
        "How many processes, 1 to 1000.",
    )
    .default("`1`"),
    Key::new("directory", Kind::Text, "/srv/app", "Working folder, an absolute path.")
        .default("the site's `current`"),
    Key::new(
        "user",
        Kind::User,
        "www-data",
        "Whom it runs as: a name or an id of a user of the server.",
    )
    .default("the site's `user`"),
    Key::new(
        "startsecs",
        Kind::Whole { least: 0, most: LARGEST },
        "5",
        "Seconds it must stay up to count as started.",
    )
    .default("supervisord's (1)")
    .supervisords(),
    Key::new(
        "startretries",
        Kind::Whole { least: 0, most: LARGEST },
        "10",
        "Failed starts in a row before supervisord gives up.",
    )
    .default("supervisord's (3)")
    .supervisords(),
    Key::new(
        "stopsignal",
        Kind::Signal,
        "QUIT",
        "`TERM`, `HUP`, `INT`, `QUIT`, `KILL`, `USR1` or `USR2`.",
    )
    .default("supervisord's (`TERM`)")
    .supervisords(),
    Key::new(
        "stopasgroup",
        Kind::Boolean,
        "true",
        "Send the stop signal to its child processes too.",
    )
    .default("`true` in `hardened`, supervisord's (`false`) in `classic`")
    .supervisords(),
    Key::new(
        "killasgroup",
        Kind::Boolean,
        "true",
        "Kill its child processes too. `false` beside `stopasgroup: true` is refused, because \
         supervisord would refuse the whole server's configuration.",
    )
    .default("follows `stopasgroup`")
    .supervisords(),
    Key::new(
        "exitcodes",
        Kind::ExitStatuses,
        "[0, 2]",
        "Exit statuses that are expected: `[0, 2]`, or one number.",
    )
    .default("supervisord's (0)")
    .supervisords(),
    Key::new(
        "priority",
        Kind::Whole { least: 0, most: LARGEST },
        "10",
        "Order of start and stop; low ones start first.",
    )
    .default("supervisord's (999)")
    .supervisords(),
    Key::new("umask", Kind::Octal, "\"027\"", "Octal digits in quotes: `\"022\"`.")
        .default("supervisord's")
        .supervisords(),
    Key::new(
        "environment",
        Kind::Variables,
        "{APP_ENV: production}",
        "Variables: a map of names and values. See [Secrets](#secrets).",
    )
    .default("none"),
    Key::new("logs", Kind::Map(&logs::KEYS), "{rotate: 14}", "How its log is rotated.")
        .default("see below"),
    Key::new(
        "instances",
        Kind::Word(Instances::WORDS),
        "separate",
        "`separate` writes a section for each process, so that going from 4 to 6 starts two and \
         restarts none.",
    )
    .default("`together`"),
    Key::new(
        "restart",
        Kind::Word(RestartPolicy::WORDS),
        "rolling",
        "How a change reaches running processes: `immediate` (all at once), `rolling` (one at a \
         time; an undo is [at once](recovery.md#what-each-failure-leaves)), `deferred` (with the \
         next restart). What is not wanted any more \
         [stops in any case](operations.md#what-is-held-back).",
    )
    .default("`immediate`"),
    Key::new(
        "health",
        Kind::Map(&health::KEYS),
        "{stable_for: 10}",
        "When it counts as healthy after an apply.",
    )
    .default("see below"),
];

/// supervisord's own options among them, in the order in which they are written.
pub(crate) fn supervisords() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(|key| key.is_supervisords).map(|key| key.name)
}

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
pub(crate) static PROGRAM: Keys =
    Keys { of: "a program", known: &KEYS, instead: &INSTEAD, shared: false };

/// The keys of `defaults`.
pub(super) static DEFAULTS: Keys = Keys {
    of: "`defaults`",
    known: KEYS.split_at(5).1,
    instead: &[
        ("program", "this belongs to one program, not to `defaults`"),
        ("as", "this belongs to one program, not to `defaults`"),
        ("file", "this belongs to one program, not to `defaults`"),
        ("script", "this belongs to one program, not to `defaults`"),
        ("command", "this belongs to one program, not to `defaults`"),
    ],
    shared: false,
};

/// One layer of options.
#[derive(Clone, Default)]
pub(super) struct Options {
    /// Those of a plain kind, in the spelling of their kind.
    plain: BTreeMap<&'static str, At<String>>,
    directory: Option<AbsolutePath>,
    user: Option<UserName>,
    environment: BTreeMap<EnvironmentName, EnvironmentValue>,
    logs: LogOptions,
    health: HealthOptions,
}

impl Options {
    /// Reads the options among `fields`.
    pub(super) fn read(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) -> Self {
        let mut plain = BTreeMap::new();
        for (name, at) in fields.set() {
            plain.extend(reader.value(fields, name).map(|value| (name, At { value, at })));
        }
        let get = |key| fields.get(key);
        Self {
            plain,
            directory: get("directory")
                .and_then(|n| reader.parse(n, "directory", AbsolutePath::parse)),
            user: get("user").and_then(|n| reader.user(n, "user")),
            environment: get("environment").map(|n| environment(reader, n)).unwrap_or_default(),
            logs: get("logs").map(|n| LogOptions::read(reader, n)).unwrap_or_default(),
            health: get("health").map(|n| HealthOptions::read(reader, n)).unwrap_or_default(),
        }
    }

    /// This layer over `base`: what is set here wins; maps are joined key by key.
    pub(super) fn over(self, base: &Self) -> Self {
        let mut plain = base.plain.clone();
        plain.extend(self.plain);
        let mut environment = base.environment.clone();
        environment.extend(self.environment);
        Self {
            plain,
            directory: self.directory.or_else(|| base.directory.clone()),
            user: self.user.or_else(|| base.user.clone()),
            environment,
            logs: self.logs.over(&base.logs),
            health: self.health.over(&base.health),
        }
    }

    /// Refuses what only the layers together show. supervisord refuses the reread of the whole host
    /// for it.
    pub(super) fn check(&self, reader: &mut Reader<'_, '_>) {
        if let (Some(stop), Some(kill)) =
            (self.plain.get("stopasgroup"), self.plain.get("killasgroup"))
            && (stop.value.as_str(), kill.value.as_str()) == ("true", "false")
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
        let word = |name| self.plain.get(name).map(|set| set.value.as_str());
        let number = |name| word(name).and_then(|text| text.parse().ok());
        let base = Program::new(name, run);
        let mut supervisord = base.supervisord;
        for name in supervisords() {
            if let Some(value) = word(name) {
                supervisord.set(name, value);
            }
        }
        Program {
            autostart: word("autostart").map_or(base.autostart, |word| word == "true"),
            autorestart: word("autorestart")
                .and_then(Autorestart::from_word)
                .unwrap_or(base.autorestart),
            stopwaitsecs: number("stopwaitsecs").unwrap_or(base.stopwaitsecs),
            numprocs: number("numprocs").unwrap_or(base.numprocs),
            instances: word("instances").and_then(Instances::from_word).unwrap_or(base.instances),
            restart: word("restart").and_then(RestartPolicy::from_word).unwrap_or(base.restart),
            supervisord,
            directory: self.directory,
            user: self.user,
            environment: self.environment,
            logs: self.logs.into_logs(),
            health: self.health.into_health(),
            line: Some(line),
            full_name: None,
            file: None,
            name: base.name,
            run: base.run,
        }
    }
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
