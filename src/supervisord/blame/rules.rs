//! What supervisord's words say of the value it refuses. Texts are those of 4.0 to 4.3
//! (`supervisor/options.py`, `supervisor/datatypes.py`).

/// Which options a refusal can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// One of these has the value that is quoted.
    Value(&'static [&'static str]),
    /// These do not go together: what was set last is one too many.
    Latest(&'static [&'static str]),
    /// This one is missing, or empty.
    Missing(&'static str),
    /// `programs` of a group has the program that is named. The section in supervisord's words is another
    /// one: a program before it.
    Member,
    /// The name of a section, or `process_name`.
    Name,
}

use Rule::{Latest, Member, Missing, Name, Value};

/// Whole numbers and sizes, in the order in which supervisord reads them.
const NUMBERS: &[&str] = &[
    "minfds",
    "minprocs",
    "logfile_maxbytes",
    "logfile_backups",
    "priority",
    "buffer_size",
    "socket_backlog",
    "port",
    "startsecs",
    "startretries",
    "stopwaitsecs",
    "numprocs",
    "numprocs_start",
    "stdout_capture_maxbytes",
    "stderr_capture_maxbytes",
    "stdout_logfile_backups",
    "stdout_logfile_maxbytes",
    "stderr_logfile_backups",
    "stderr_logfile_maxbytes",
];

const TRUTHS: &[&str] = &[
    "nodaemon",
    "silent",
    "nocleanup",
    "strip_ansi",
    "autostart",
    "stopasgroup",
    "killasgroup",
    "redirect_stderr",
    "stdout_events_enabled",
    "stderr_events_enabled",
    "stdout_syslog",
    "stderr_syslog",
];

const PATHS: &[&str] = &["logfile", "pidfile", "stdout_logfile", "stderr_logfile"];

/// What the words contain, the most telling first.
const RULES: &[(&str, Rule)] = &[
    ("must be present within process_name", Latest(&["process_name", "numprocs"])),
    ("Cannot set stopasgroup=true", Latest(&["stopasgroup", "killasgroup"])),
    ("contains incomplete authentication", Latest(&["username", "password"])),
    ("does not specify a command", Missing("command")),
    (
        "does not specify a supervisor.rpcinterface_factory",
        Missing("supervisor.rpcinterface_factory"),
    ),
    ("requires an \"events\" line", Missing("events")),
    ("requires a \"socket\" line", Missing("socket")),
    ("has no port value", Missing("port")),
    ("has no file value", Missing("file")),
    ("names unknown program", Member),
    ("is ambiguous (exists as", Member),
    ("cannot be resolved within", Value(&["supervisor.rpcinterface_factory", "result_handler"])),
    ("EntryPoint must be in", Value(&["supervisor.rpcinterface_factory", "result_handler"])),
    ("Unknown event type", Value(&["events"])),
    ("section sets invalid buffer_size", Value(&["buffer_size"])),
    ("section sets redirect_stderr=true", Value(&["redirect_stderr"])),
    ("Invalid socket_backlog value", Value(&["socket_backlog"])),
    ("Invalid socket_owner value", Value(&["socket_owner"])),
    ("Invalid socket_mode value", Value(&["socket_mode"])),
    ("Invalid sockchown value", Value(&["chown"])),
    ("Invalid chmod value", Value(&["chmod"])),
    ("] socket", Value(&["socket", "socket_owner", "socket_mode"])),
    ("Invalid name: ", Name),
    ("Invalid user ", Value(&["user"])),
    ("not a valid port number", Value(&["port"])),
    ("no port number specified in", Value(&["port"])),
    (" bound (", Value(&["port"])),
    ("The directory named as part of the path", Value(PATHS)),
    ("is not an existing directory", Value(&["directory", "childlogdir"])),
    ("bad logging level name", Value(&["loglevel"])),
    ("can not be converted to an octal type", Value(&["umask"])),
    ("not a valid boolean value", Value(TRUTHS)),
    ("invalid 'autorestart' value", Value(&["autorestart"])),
    ("is not a valid signal", Value(&["stopsignal"])),
    ("not a valid list of exit codes", Value(&["exitcodes"])),
    ("end of key/value pairs", Value(&["environment"])),
    ("No closing quotation", Value(&["environment"])),
    ("No escaped character", Value(&["environment"])),
    ("invalid literal for int()", Value(NUMBERS)),
];

/// What supervisord checks without naming the section in its words, in its order.
pub(super) const UNNAMED: &[(&str, &[&str])] = &[
    (
        "supervisord",
        &[
            "minfds",
            "minprocs",
            "directory",
            "umask",
            "logfile",
            "logfile_maxbytes",
            "logfile_backups",
            "loglevel",
            "pidfile",
            "nodaemon",
            "silent",
            "childlogdir",
            "nocleanup",
            "strip_ansi",
            "environment",
        ],
    ),
    ("rpcinterface", &["supervisor.rpcinterface_factory"]),
    ("group", &["priority"]),
    ("program", &["priority"]),
    ("eventlistener", &["priority", "buffer_size", "redirect_stderr", "result_handler"]),
    ("fcgi-program", &["priority", "user", "socket_backlog", "socket_owner", "socket_mode"]),
    ("inet_http_server", &["port"]),
    ("unix_http_server", &["chown", "chmod"]),
];

impl Rule {
    /// The rule for these words.
    pub(super) fn of(words: &str) -> Option<Self> {
        RULES.iter().find(|(says, _)| words.contains(says)).map(|(_, rule)| *rule)
    }
}

/// Whether words are about this value: they hold it, by itself. Of a size they hold the number before its
/// unit, of an address its port, and of some a form in small letters. What is masked can be any.
pub(super) fn speaks_of(words: &str, value: &str) -> bool {
    let lower = value.to_lowercase();
    let number = ["kb", "mb", "gb"].iter().find_map(|unit| lower.strip_suffix(unit));
    let port = value.rsplit_once(':').map(|(_, port)| port);
    let forms = [Some(value), Some(lower.as_str()), number, port];
    words.contains("***")
        || words.contains("No closing quotation")
        || forms.into_iter().flatten().any(|form| holds_word(words, form))
}

/// The program that a refusal of a group is about.
pub(super) fn member(words: &str) -> Option<&str> {
    if let Some((_, unknown)) = words.split_once(" names unknown program or fcgi-program ") {
        return Some(unknown);
    }
    let (_, rest) = words.split_once("] name ")?;
    rest.split_once(" is ambiguous").map(|(name, _)| name)
}

/// Whether a text stands between what cannot be a part of it.
fn holds_word(words: &str, word: &str) -> bool {
    words.match_indices(word).any(|(at, found)| {
        let before = words[..at].chars().next_back();
        let behind = words[at + found.len()..].chars().next();
        before.is_none_or(ends_word) && behind.is_none_or(ends_word)
    })
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || "'\"(),=".contains(c)
}
