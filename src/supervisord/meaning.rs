//! What the options of a section say to supervisord, however they are written: `autostart=yes`,
//! `autostart = true` and no `autostart` at all are one and the same. Pure.
//!
//! Only what is certain is taken for the same. A value that is not of its option's type, or that is
//! not of the options known here, says what stands there, to the letter.

use std::collections::BTreeMap;

use super::environment::{Environment, is_read_alike, pairs, unquoted};
use super::{GroupHeader, GroupKind, defaults, ini};

/// What of a supervisord decides how it reads a file. What is not known makes nothing the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadBy<'d> {
    /// Its release, e.g. `4.2.5`; empty where that is not known.
    pub version: &'d str,
    /// What `%(ENV_X)s` stands for.
    pub environment: Option<&'d Environment>,
}

impl ReadBy<'_> {
    /// Whether it certainly passes over an option of a section of this kind. Of a program the releases that
    /// are known here read the same; what a later one makes of an unknown word nobody can tell.
    pub fn passes_over(&self, kind: GroupKind, option: &str) -> bool {
        let mut numbers = self.version.split('.').map(str::parse::<u32>);
        let is_known = matches!((numbers.next(), numbers.next()), (Some(Ok(4)), Some(Ok(0..=4))));
        match kind {
            GroupKind::Group => false,
            GroupKind::Program if is_known => {
                type_of(kind, option).is_none() && !PLAIN.contains(&option)
            }
            _ => PASSED_OVER.contains(&option),
        }
    }

    /// The variables of an `environment=` by their names, each with its value before `%` is expanded; `None`
    /// where releases of supervisord read it differently, or what an expansion outside of quotes gives is more
    /// than one word.
    pub fn variables(&self, text: &str) -> Option<BTreeMap<String, String>> {
        if is_read_alike(text) {
            return pairs(text);
        }
        let environment = self.environment?;
        unquoted(text, &|name| environment.expansion(name))
    }
}

/// How supervisord reads an option (`_processes_from_section` of its `options.py`), with what it takes
/// where the option is not given.
enum Type {
    Boolean(bool),
    Autorestart,
    Number(i64),
    /// A number of bytes, with `KB`, `MB` or `GB` behind it.
    Bytes(u64),
    Signal,
    ExitStatuses,
    Environment,
    Log,
    Names,
    /// As `stopasgroup`, where it is not given.
    KillAsGroup,
    Text(&'static str),
}

const MB: u64 = 1024 * 1024;

fn type_of(kind: GroupKind, option: &str) -> Option<Type> {
    let of_group = kind == GroupKind::Group;
    Some(match option {
        "programs" if of_group => Type::Names,
        "priority" => Type::Number(match kind {
            GroupKind::EventListener => -1,
            _ => i64::from(defaults::PRIORITY),
        }),
        _ if of_group => return None,
        "autostart" => Type::Boolean(defaults::AUTOSTART),
        "stopasgroup" => Type::Boolean(defaults::STOPASGROUP),
        "killasgroup" => Type::KillAsGroup,
        "redirect_stderr"
        | "stdout_syslog"
        | "stderr_syslog"
        | "stdout_events_enabled"
        | "stderr_events_enabled" => Type::Boolean(false),
        "autorestart" => Type::Autorestart,
        "numprocs" => Type::Number(defaults::NUMPROCS.into()),
        "numprocs_start" => Type::Number(0),
        "startsecs" => Type::Number(defaults::STARTSECS.into()),
        "startretries" => Type::Number(defaults::STARTRETRIES.into()),
        "stopwaitsecs" => Type::Number(defaults::STOPWAITSECS.into()),
        "stdout_logfile_backups" | "stderr_logfile_backups" => Type::Number(10),
        "stdout_logfile_maxbytes" | "stderr_logfile_maxbytes" => Type::Bytes(50 * MB),
        "stdout_capture_maxbytes" | "stderr_capture_maxbytes" => Type::Bytes(0),
        "stopsignal" => Type::Signal,
        "exitcodes" => Type::ExitStatuses,
        "environment" => Type::Environment,
        "stdout_logfile" | "stderr_logfile" => Type::Log,
        "process_name" => Type::Text("%(program_name)s"),
        _ => return None,
    })
}

/// Options of `[supervisord]` that people write into a program, where supervisord passes over them.
const PASSED_OVER: [&str; 2] = ["minfds", "minprocs"];

/// Options of a program whose value says what stands there.
const PLAIN: [&str; 5] = ["command", "directory", "user", "umask", "serverurl"];

/// The options of a section of this kind in one form for each meaning; what supervisord takes anyway, or
/// passes over, is left out.
pub fn meaning(
    kind: GroupKind,
    options: &BTreeMap<String, String>,
    read_by: &ReadBy<'_>,
) -> BTreeMap<String, String> {
    let mut meaning = BTreeMap::new();
    for (option, text) in options {
        if read_by.passes_over(kind, option) {
            continue;
        }
        let said = match type_of(kind, option) {
            Some(known) => said(&known, text, options, read_by),
            None => Some(text.clone()),
        };
        meaning.extend(said.map(|said| (option.clone(), said)));
    }
    for stream in ["stdout", "stderr"] {
        // The former word for it: to syslog, and to no file.
        let (log, syslog) = (format!("{stream}_logfile"), format!("{stream}_syslog"));
        let is_syslog = options.get(&log).is_some_and(|text| text.eq_ignore_ascii_case("syslog"));
        if kind != GroupKind::Group && is_syslog {
            meaning.insert(log, "none".to_owned());
            meaning.insert(syslog, true.to_string());
        }
    }
    if options.get("redirect_stderr").is_some_and(|text| ini::is_true(text)) {
        // Whatever it says, there is none.
        meaning.remove("stderr_logfile");
    }
    meaning
}

/// Whether two files say the same to supervisord, section by section. One that it cannot read, that has a
/// section twice or one that makes no group says what nothing else says.
pub fn say_the_same(one: impl AsRef<[u8]>, other: impl AsRef<[u8]>, read_by: &ReadBy<'_>) -> bool {
    let one = meanings(one, read_by);
    one.is_some() && one == meanings(other, read_by)
}

/// What each section of a file says, by its header; `None` for a file that says what nothing else says.
pub fn meanings(
    file: impl AsRef<[u8]>,
    read_by: &ReadBy<'_>,
) -> Option<BTreeMap<String, BTreeMap<String, String>>> {
    let mut sections = BTreeMap::new();
    for section in ini::parse(&String::from_utf8_lossy(file.as_ref())).ok()?.sections {
        let header = GroupHeader::parse(&section.name)?;
        let mut options = BTreeMap::new();
        for entry in &section.entries {
            // The last of several counts; 4.x refuses them, or not, by its version of Python.
            if options.insert(entry.key.clone(), entry.value.clone()).is_some() {
                return None;
            }
        }
        let is_repeated =
            sections.insert(header.to_string(), meaning(header.kind, &options, read_by));
        if is_repeated.is_some() {
            return None;
        }
    }
    Some(sections)
}

/// What supervisord takes where a program does not give this option, in the one form of its meaning; `None`
/// where that is nothing.
pub fn default_text(option: &str) -> Option<String> {
    let default = type_of(GroupKind::Program, option)?.default(&BTreeMap::new());
    (!default.is_empty()).then_some(default)
}

impl Type {
    /// What is taken where it is not given beside these options.
    fn default(&self, options: &BTreeMap<String, String>) -> String {
        match self {
            Self::Boolean(default) => default.to_string(),
            Self::KillAsGroup => {
                let as_group = options.get("stopasgroup").map(|text| ini::is_true(text));
                as_group.unwrap_or(defaults::STOPASGROUP).to_string()
            }
            Self::Autorestart => defaults::AUTORESTART.to_owned(),
            Self::Number(default) => default.to_string(),
            Self::Bytes(default) => default.to_string(),
            Self::Signal => defaults::STOPSIGNAL.to_owned(),
            Self::ExitStatuses => defaults::EXITCODES.map(|status| status.to_string()).join(","),
            Self::Log => "auto".to_owned(),
            Self::Environment | Self::Names => String::new(),
            Self::Text(default) => (*default).to_owned(),
        }
    }
}

/// One value in its one form; `None` for the default.
fn said(
    known: &Type,
    text: &str,
    options: &BTreeMap<String, String>,
    read_by: &ReadBy<'_>,
) -> Option<String> {
    let text = text.trim();
    let boolean = ini::boolean(text).map(|yes| yes.to_string());
    let value = match known {
        Type::Boolean(_) | Type::KillAsGroup => boolean,
        Type::Autorestart => {
            let unexpected = text.eq_ignore_ascii_case("unexpected");
            if unexpected { Some("unexpected".to_owned()) } else { boolean }
        }
        Type::Number(_) => text.parse::<i64>().ok().map(|number| number.to_string()),
        Type::Bytes(_) => bytes(text).map(|n| n.to_string()),
        Type::Signal => Some(signal_name(text)),
        Type::ExitStatuses => {
            let statuses: Option<Vec<String>> = text
                .split(',')
                .map(|one| Some(one.trim().parse::<u8>().ok()?.to_string()))
                .collect();
            statuses.map(|statuses| statuses.join(","))
        }
        Type::Environment => read_by.variables(text).map(|pairs| match pairs.is_empty() {
            true => String::new(),
            false => format!("{pairs:?}"),
        }),
        Type::Log => match text.to_ascii_lowercase().as_str() {
            "none" | "off" => Some("none".to_owned()),
            "auto" => Some("auto".to_owned()),
            _ => None,
        },
        Type::Names => {
            let names: Vec<&str> = text.split(',').map(str::trim).collect();
            Some(names.join(","))
        }
        Type::Text(_) => Some(text.to_owned()),
    };
    // What is not of its type says what stands there: no other text means that.
    let value = value.unwrap_or_else(|| text.to_owned());
    (value != known.default(options)).then_some(value)
}

/// A signal's name in capitals and without `SIG`, also of one that is said by its number.
pub fn signal_name(text: &str) -> String {
    let name = text.trim().to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let by_number = SIGNALS.iter().find(|(number, _)| *number == name);
    by_number.map_or(name, |(_, name)| *name).to_owned()
}

/// Signals by the numbers that they have on every Linux, of those that mostly stop programs.
const SIGNALS: [(&str, &str); 7] = [
    ("1", "HUP"),
    ("2", "INT"),
    ("3", "QUIT"),
    ("9", "KILL"),
    ("10", "USR1"),
    ("12", "USR2"),
    ("15", "TERM"),
];

fn bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let units = [("kb", 1024), ("mb", MB), ("gb", 1024 * MB)];
    let (digits, unit) = units
        .iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)))
        .unwrap_or((&text, 1));
    digits.trim().parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> BTreeMap<String, String> {
        let parsed = ini::parse(&format!("[program:x]\n{text}\n")).unwrap();
        let entries = parsed.sections.into_iter().flat_map(|section| section.entries);
        entries.map(|entry| (entry.key, entry.value)).collect()
    }

    fn are_same(one: &str, other: &str) -> bool {
        let of = |text| meaning(GroupKind::Program, &options(text), &ReadBy::default());
        of(one) == of(other)
    }

    /// What is written otherwise and says the same.
    #[test]
    fn spelling_changes_no_meaning() {
        for (one, other) in [
            ("autostart=yes", ""),
            ("autostart = TRUE", "autostart=on"),
            ("autorestart=1", "autorestart=true"),
            ("stopsignal=SIGquit", "stopsignal=QUIT"),
            ("exitcodes=0, 2", "exitcodes=0,2"),
            ("stdout_logfile_maxbytes=50MB", ""),
            ("stdout_logfile_maxbytes=1KB", "stdout_logfile_maxbytes=1024"),
            ("stderr_logfile=NONE", "stderr_logfile=off"),
            ("stderr_logfile=AUTO", ""),
            ("stopasgroup=true\nkillasgroup=true", "stopasgroup=yes"),
            ("environment=A=1,B=\"two\"", "environment=B='two',A='1'"),
            ("numprocs=01", "numprocs=1"),
            ("process_name=%(program_name)s", ""),
            ("stopsignal=9", "stopsignal=KILL"),
            ("minfds=1024", ""),
            ("redirect_stderr=on\nstderr_logfile=/x", "redirect_stderr=true"),
            ("stdout_logfile=syslog", "stdout_logfile=NONE\nstdout_syslog=true"),
            ("environment=A=\"^a\\d$\"", "environment=A='^a\\d$'"),
        ] {
            assert!(are_same(one, other), "{one} | {other}");
        }
    }

    #[test]
    fn other_values_change_meaning() {
        for (one, other) in [
            ("autostart=no", ""),
            ("autorestart=false", "autorestart=unexpected"),
            ("autostart=maybe", ""),
            ("autostart=maybe", "autostart=perhaps"),
            ("startsecs=0", ""),
            ("command=a", "command=b"),
            ("command=a  b", "command=a b"),
            ("exitcodes=2,0", "exitcodes=0,2"),
            ("stdout_logfile=/a", "stdout_logfile=/A"),
            ("stopasgroup=true\nkillasgroup=false", "stopasgroup=true"),
            ("killasgroup=true", ""),
            ("environment=A=1", "environment=A=2"),
            ("environment=A=\"\\\\x\"", "environment=A='\\\\x'"),
            ("environment=A", "environment="),
            ("environment=A=%(ENV_B)s", "environment=A=%(ENV_C)s"),
            ("environment=A=%(ENV_B)s", "environment=A='%(ENV_B)s'"),
            ("no_such=1", ""),
            ("redirect_stderr=no\nstderr_logfile=/x", "redirect_stderr=no"),
            ("priority=-1", ""),
        ] {
            assert!(!are_same(one, other), "{one} | {other}");
        }
    }

    /// Comments and order are no difference; sections and names are.
    #[test]
    fn files_say_same_by_section() {
        let one =
            "; by hand\n[program:a]\ncommand=x ; why\nautostart=yes\n[program:b]\ncommand=y\n";
        let other = "[program:b]\ncommand = y\n\n[program:a]\ncommand=x\n";
        let say_the_same = |one, other| say_the_same(one, other, &ReadBy::default());
        assert!(say_the_same(one, other));
        for different in [
            "[program:a]\ncommand=x\n",
            "[program:a]\ncommand=x\n[program:c]\ncommand=y\n",
            "[program:a]\ncommand=x\n[eventlistener:b]\ncommand=y\n",
            "[program:a]\ncommand=x\n[program:b]\ncommand=y\n[supervisord]\n",
            "[program:a]\ncommand=x\n[program:b]\ncommand=y\n[program:b]\ncommand=y\n",
            "[program:a]\ncommand=x\n[program:b]\ncommand=y\ncommand=y\n",
            "",
        ] {
            assert!(!say_the_same(one, different), "{different}");
        }
        assert!(!say_the_same("nonsense", "nonsense"), "what cannot be read");
    }

    /// What only a known release passes over, and what only its environment tells.
    #[test]
    fn what_is_known_of_daemon_counts() {
        let environment = Environment::given([("B", "/srv/app"), ("C", "two words"), ("D", "")]);
        let known = ReadBy { version: "4.2.5", environment: Some(&environment) };
        let are_same = |one, other, read_by: &ReadBy<'_>| {
            let of = |text| meaning(GroupKind::Program, &options(text), read_by);
            of(one) == of(other)
        };
        for (one, other) in [
            ("no_such=1", ""),
            ("events=TICK_5", ""),
            ("environment=A=%(ENV_B)s,X=1", "environment=A='%(ENV_B)s',X='1'"),
            ("environment=A=%(ENV_B)s/x", "environment=A=\"%(ENV_B)s/x\""),
        ] {
            assert!(are_same(one, other, &known), "{one} | {other}");
            for unknown in [ReadBy::default(), ReadBy { version: "4.5.0", environment: None }] {
                assert!(!are_same(one, other, &unknown), "{one} | {other}");
            }
        }
        for (one, other) in [
            ("environment=A=%(ENV_C)s", "environment=A='%(ENV_C)s'"),
            ("environment=A=%(ENV_D)s", "environment=A='%(ENV_D)s'"),
            ("environment=A=%(ENV_E)s", "environment=A='%(ENV_E)s'"),
            ("environment=A=%(process_num)d", "environment=A='%(process_num)d'"),
            ("environment=%(ENV_B)s=1", "environment='%(ENV_B)s'=1"),
            ("environment=A=%(ENV_B)s", "environment=A='/srv/app'"),
            ("umask=022", ""),
            ("autostrat=1\nautostart=false", "autostrat=1"),
        ] {
            assert!(!are_same(one, other, &known), "{one} | {other}");
        }
    }

    /// Listeners and groups have defaults and types of their own.
    #[test]
    fn defaults_depend_on_kind() {
        let of = |kind, text: &str| meaning(kind, &options(text), &ReadBy::default());
        assert_eq!(of(GroupKind::EventListener, "priority=-1"), BTreeMap::new());
        assert_eq!(of(GroupKind::Group, "priority=999"), BTreeMap::new());
        assert_eq!(of(GroupKind::Group, "programs=a, b"), of(GroupKind::Group, "programs=a,b"));
        assert_ne!(of(GroupKind::Group, "programs=a,b"), of(GroupKind::Group, "programs=b,a"));
    }
}
