//! The options of a program as one layer of the inventory sets them: the top level's `defaults`, a
//! site's `defaults`, or the program itself. Layers are laid over each other, then become a
//! `Program`.

use std::collections::{BTreeMap, BTreeSet};

use super::allowed::{self, Allowed};
use super::fields::{At, Fields, Reader};
use super::file::{Node, Span, Value};
use super::findings::Finding;
use super::health::HealthOptions;
use super::logs::LogOptions;
use super::name::ProgramName;
use super::program::{Autorestart, Instances, Program, RestartPolicy, Run};
use super::program_keys::supervisords;
use super::site::Format;
use super::value::{
    CommandLine, Directory, EnvironmentName, EnvironmentValue, LogTarget, ProgramUser,
};
use super::{beside, passed};
use crate::supervisord::defaults;

/// One layer of options.
#[derive(Clone, Default)]
pub(super) struct Options {
    /// Those of a plain kind, in the spelling of their kind.
    plain: BTreeMap<&'static str, At<String>>,
    /// A command that `options` have, with its place.
    pub(super) command: Option<At<CommandLine>>,
    directory: Option<Directory>,
    user: Option<ProgramUser>,
    environment: BTreeMap<EnvironmentName, EnvironmentValue>,
    /// The places of those variables that stand in the inventory itself.
    pub(super) variables: BTreeMap<EnvironmentName, Span>,
    /// The checks that are silenced.
    pub(super) allowed: Vec<Allowed>,
    pub(super) logs: LogOptions,
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
        let mut beyond = BeyondKeys::default();
        if let Some(passed) = get("options").and_then(|n| reader.fields(n, &passed::OPTIONS)) {
            beyond = BeyondKeys::read(reader, fields, &passed);
            for (name, at) in passed.set() {
                plain.extend(reader.value(&passed, name).map(|value| (name, At { value, at })));
            }
        }
        let mut logs = get("logs").map(|n| LogOptions::read(reader, n)).unwrap_or_default();
        logs.path = logs.path.or(beyond.stdout);
        logs.stderr = logs.stderr.or(beyond.stderr);
        let mut variables = get("environment_file")
            .and_then(|n| beside::environment_file(reader, n))
            .unwrap_or_default();
        let typed = get("environment").map(|n| environment(reader, n)).unwrap_or_default();
        let places = typed.iter().map(|(name, variable)| (name.clone(), variable.at)).collect();
        variables.extend(typed.into_iter().map(|(name, variable)| (name, variable.value)));
        Self {
            plain,
            command: beyond.command,
            directory: get("directory")
                .and_then(|n| reader.parse(n, "directory", Directory::for_key))
                .or(beyond.directory),
            user: get("user").and_then(|n| reader.user(n, "user", ProgramUser::parse)),
            environment: variables,
            variables: places,
            allowed: allowed::read(reader, fields),
            logs,
            health: get("health").map(|n| HealthOptions::read(reader, n)).unwrap_or_default(),
        }
    }

    /// This layer over `base`: what is set here wins; maps are joined key by key.
    pub(super) fn over(self, base: &Self) -> Self {
        let mut plain = base.plain.clone();
        plain.extend(self.plain);
        let mut variables = base.variables.clone();
        variables.retain(|name, _| !self.environment.contains_key(name));
        variables.extend(self.variables);
        let mut allowed = base.allowed.clone();
        allowed.extend(self.allowed);
        let mut environment = base.environment.clone();
        environment.extend(self.environment);
        Self {
            plain,
            command: self.command.or_else(|| base.command.clone()),
            directory: self.directory.or_else(|| base.directory.clone()),
            user: self.user.or_else(|| base.user.clone()),
            environment,
            variables,
            allowed,
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

    /// Where an option was set.
    pub(super) fn place(&self, name: &str) -> Option<Span> {
        self.plain.get(name).map(|set| set.at)
    }

    /// Where each option of a plain kind was set.
    pub(super) fn places(&self) -> impl Iterator<Item = (&'static str, Span)> {
        self.plain.iter().map(|(name, set)| (*name, set.at))
    }

    fn word(&self, name: &str) -> Option<&str> {
        self.plain.get(name).map(|set| set.value.as_str())
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.word(name)?.parse().ok()
    }

    /// The program with these options, and the defaults of the format for the rest.
    pub(super) fn into_program(
        self,
        name: ProgramName,
        run: Run,
        format: Format,
        line: u32,
    ) -> Program {
        let mut base = Program::new(name, run);
        if format == Format::Plain {
            (base.autorestart, base.stopwaitsecs) =
                (Autorestart::Unexpected, defaults::STOPWAITSECS);
        }
        let mut supervisord = base.supervisord;
        for key in supervisords() {
            if let Some(value) = self.word(key.name) {
                supervisord.set(key.name, value);
            }
        }
        let mut said = BTreeSet::new();
        for name in ["autostart", "autorestart", "stopwaitsecs", "numprocs"] {
            if format == Format::Plain && self.word(name).is_some() {
                said.insert(name.to_owned());
            }
        }
        Program {
            autostart: self.word("autostart").map_or(base.autostart, |word| word == "true"),
            autorestart: self
                .word("autorestart")
                .and_then(Autorestart::from_word)
                .unwrap_or(base.autorestart),
            stopwaitsecs: self.number("stopwaitsecs").unwrap_or(base.stopwaitsecs),
            numprocs: self.number("numprocs").unwrap_or(base.numprocs),
            instances: self
                .word("instances")
                .and_then(Instances::from_word)
                .unwrap_or(base.instances),
            restart: self
                .word("restart")
                .and_then(RestartPolicy::from_word)
                .unwrap_or(base.restart),
            expansions: self.word("expansions") == Some("true"),
            said,
            supervisord,
            directory: self.directory,
            user: self.user,
            environment: self.environment,
            logs: self.logs.into_logs(),
            health: self.health.into_health(),
            line: Some(line),
            full_name: None,
            file: None,
            group: None,
            name: base.name,
            run: base.run,
        }
    }
}

/// What `options` have that a key of the program could not say.
#[derive(Default)]
struct BeyondKeys {
    command: Option<At<CommandLine>>,
    directory: Option<Directory>,
    stdout: Option<LogTarget>,
    stderr: Option<LogTarget>,
}

impl BeyondKeys {
    /// Reads those of `passed`; one that stands beside its key in `fields` is refused.
    fn read(reader: &mut Reader<'_, '_>, fields: &Fields<'_>, passed: &Fields<'_>) -> Self {
        let pairs = ["command", "stopwaitsecs", "directory"].map(|key| (key, key));
        for (key, option) in pairs.into_iter().chain([("script", "command")]) {
            if let (Some(own), Some(other)) = (fields.get(key), passed.get(option)) {
                let finding =
                    Finding::new(other.at, format!("`{option}` does not go with the key `{key}`"));
                reader.push(finding.see(own.at, "the key is here").help("remove one of the two"));
            }
        }
        let mut log = |name: &str| {
            let node = passed.get(name)?;
            reader.parse(node, name, LogTarget::for_options)
        };
        let (stdout, stderr) = (log("stdout_logfile"), log("stderr_logfile"));
        if let (Some(node), Some(stop)) =
            (passed.get("stopwaitsecs"), reader.value(passed, "stopwaitsecs"))
            && stop != "0"
        {
            let text = "`stopwaitsecs` has a key of its own that can say this";
            reader.push(Finding::new(node.at, text).help("move it out of `options`"));
        }
        Self {
            command: passed.get("command").and_then(|node| {
                let value = reader.parse(node, "command", CommandLine::for_options)?;
                Some(At { value, at: node.at })
            }),
            directory: passed
                .get("directory")
                .and_then(|node| reader.parse(node, "directory", Directory::for_options)),
            stdout,
            stderr,
        }
    }
}

/// The environment of a program. No message here may hold a part of a value.
fn environment(
    reader: &mut Reader<'_, '_>,
    node: &Node,
) -> BTreeMap<EnvironmentName, At<EnvironmentValue>> {
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
                environment.insert(name, At { value, at: key.at });
            }
            Err(error) => {
                reader.push(Finding::new(value.at, format!("the value of `{name}` {error}")));
            }
        }
    }
    environment
}
