//! What supervisord makes of a program's values, as far as the inventory tells: `%(NAME)s`, the names of its
//! processes, and which options go together.

use super::fields::{Fields, Reader};
use super::file::Span;
use super::findings::Finding;
use super::keys::Kind;
use super::options::Options;
use super::program::{Instances, Program, Rotation, Run};
use super::program_keys;
use super::site::Format;
use super::value::{Directory, ProgramUser};
use crate::supervisord::ini::{self, ExpandError};

/// A value of a program that supervisord expands.
pub(crate) struct Expanded<'p> {
    /// The inventory's name of it.
    pub(crate) key: String,
    /// As it is typed.
    pub(crate) text: &'p str,
    /// Whether nothing of it may be shown.
    pub(crate) is_secret: bool,
}

impl<'p> Expanded<'p> {
    fn plain(key: &str, text: &'p str) -> Self {
        Self { key: key.to_owned(), text, is_secret: false }
    }
}

impl Program {
    /// Its values that supervisord expands; of a program without `expansions` there are none.
    pub(crate) fn expanded_values(&self) -> Vec<Expanded<'_>> {
        let mut values = Vec::new();
        if !self.expansions {
            return values;
        }
        if let Run::Command(command) = &self.run {
            values.push(Expanded::plain("command", command.as_str()));
        }
        if let Some(directory) = &self.directory {
            values.push(Expanded::plain("directory", directory.as_str()));
        }
        if let Some(user) = &self.user {
            values.push(Expanded::plain("user", user.as_str()));
        }
        for target in [&self.logs.path, &self.logs.stderr].into_iter().flatten() {
            values.push(Expanded::plain("logs", target.as_str()));
        }
        for key in program_keys::supervisords() {
            if let (Kind::Value | Kind::ProcessName, Some(text)) =
                (key.kind, self.supervisord.get(key.name))
            {
                values.push(Expanded::plain(key.name, text));
            }
        }
        let secrets = self.environment.iter().map(|(name, value)| Expanded {
            key: name.to_string(),
            text: value.as_str(),
            is_secret: true,
        });
        values.extend(secrets);
        values
    }

    /// What is said where a value cannot be expanded; nothing of a secret.
    pub(crate) fn unexpandable(value: &Expanded<'_>, error: &ExpandError) -> String {
        match (value.is_secret, error) {
            (false, error) => format!("`{}` {error}", value.key),
            (true, ExpandError::Malformed) => {
                format!("the value of `{}` {}", value.key, ExpandError::Malformed)
            }
            (true, ExpandError::UnknownName(_)) => {
                format!(
                    "the value of `{}` has an expansion that supervisord does not know",
                    value.key
                )
            }
        }
    }
}

/// What each name stands for that supervisord knows of any program: enough to try an expansion.
pub(super) fn known(name: &str) -> Option<String> {
    let is_known = matches!(
        name,
        "here" | "program_name" | "group_name" | "host_node_name" | "process_num" | "numprocs"
    );
    // What supervisord's environment has is for the host to say.
    (is_known || name.starts_with("ENV_")).then(|| "0".to_owned())
}

/// Those of them that do not depend on the host.
fn known_of_process(name: &str) -> Option<String> {
    let is_hosts = name.starts_with("ENV_") || name == "host_node_name" || name == "here";
    known(name).filter(|_| !is_hosts)
}

/// Where the values of a program stand.
struct Places<'p, 'n> {
    fields: &'p Fields<'n>,
    options: &'p Options,
}

impl Places<'_, '_> {
    /// That of a key, else of the program as a whole: a layer below it may have set the key.
    fn of(&self, key: &str) -> Span {
        let place = self.options.place(key).or_else(|| Some(self.fields.get(key)?.at));
        place.unwrap_or(self.fields.at)
    }
}

/// Refuses what supervisord would refuse the reread of the whole host for.
pub(super) fn check(
    reader: &mut Reader<'_, '_>,
    fields: &Fields<'_>,
    options: &Options,
    (program, format): (&Program, Format),
) {
    let places = Places { fields, options };
    for value in program.expanded_values() {
        if let Err(error) = ini::expand(value.text, &known) {
            let at = places.of(if value.is_secret { "environment" } else { &value.key });
            let finding = Finding::new(at, Program::unexpandable(&value, &error));
            reader.push(finding.help(
                "supervisord knows program_name, group_name, process_num, numprocs, host_node_name, \
                 here, and ENV_NAME for each variable of its environment; write %% for a %",
            ));
        }
    }
    check_process_name(reader, &places, program);
    check_logs(reader, &places, (program, format));
}

fn check_process_name(reader: &mut Reader<'_, '_>, places: &Places<'_, '_>, program: &Program) {
    let Some(name) = program.supervisord.get("process_name") else { return };
    let several = program.instances == Instances::Together && program.numprocs > 1;
    if name.contains('%') && !program.expansions {
        let text = "`process_name` contains a `%`, which means itself without `expansions`";
        let finding = Finding::new(places.of("process_name"), text);
        reader.push(finding.help("write `expansions: true` beside `options`"));
    } else if several && !name.contains("%(process_num)") {
        let text = "`process_name` must contain `%(process_num)`: there are several processes";
        let finding = Finding::new(places.of("process_name"), text);
        reader.push(
            finding.help("for example `process_name: \"%(program_name)s_%(process_num)02d\"`"),
        );
    }
}

fn check_logs(
    reader: &mut Reader<'_, '_>,
    places: &Places<'_, '_>,
    (program, format): (&Program, Format),
) {
    let logs = &program.logs;
    let targets = [&logs.path, &logs.stderr].into_iter().flatten();
    if !program.expansions && targets.clone().any(|target| target.as_str().contains('%')) {
        let text = "the path of a log contains a `%`, which means itself without `expansions`";
        reader
            .push(Finding::new(places.of("logs"), text).help("write `expansions: true` beside it"));
    }
    let texts = [
        ("directory", program.directory.as_ref().map(Directory::as_str)),
        ("user", program.user.as_ref().map(ProgramUser::as_str)),
    ];
    for (key, text) in texts {
        if !program.expansions && text.is_some_and(|text| text.contains('%')) {
            let text = format!("`{key}` contains a `%`, which means itself without `expansions`");
            reader.push(
                Finding::new(places.of(key), text).help("write `expansions: true` beside it"),
            );
        }
    }
    if logs.stderr.is_some() && program.supervisord.boolean("redirect_stderr") == Some(true) {
        let text =
            "`redirect_stderr: true` does not go with `stderr` of `logs`: supervisord ignores it";
        reader.push(Finding::new(places.of("redirect_stderr"), text).help("remove one of the two"));
    }
    if logs.rotation(format) == Rotation::Supervisord {
        return;
    }
    for name in ["stdout_logfile_maxbytes", "stderr_logfile_maxbytes"] {
        let says = program.supervisord.get(name).filter(|bytes| *bytes != "0");
        if says.is_some() {
            let text = format!("`{name}` has supervisord rotate a log that it is not to rotate");
            let finding = Finding::new(places.of(name), text);
            reader.push(finding.help("write `logs: {rotate: supervisord}`"));
        }
    }
    let mut unknown = targets.filter(|target| {
        let is_relative = target.is_path() && !target.is_absolute();
        is_relative
            || program.expansions && ini::expand(target.as_str(), &known_of_process).is_err()
    });
    if logs.rotation(format) == Rotation::Logrotate && unknown.next().is_some() {
        let text = "logrotate cannot rotate a log whose path only supervisord knows";
        let finding = Finding::new(places.of("logs"), text);
        reader.push(finding.help("write `logs: {rotate: supervisord}`"));
    }
}
