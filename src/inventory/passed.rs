//! `options:` of a program: what supervisord has and the inventory has no key for, by supervisord's own
//! names. With the keys that are supervisord's they are all that a `[program:x]` can say.

use super::keys::{Key, Keys, Kind, joined};

const LARGEST: i64 = i32::MAX as i64;

/// In the order in which they are written.
pub(super) const KEYS: [Key; 14] = [
    Key::new(
        "process_name",
        Kind::ProcessName,
        "worker",
        "How its processes are called. With `numprocs` above 1 it must contain `%(process_num)`, which takes \
         `expansions: true`.",
    )
    .default("`%(program_name)s`, with `_%(process_num)02d` where there are several"),
    Key::new(
        "numprocs_start",
        Kind::Whole { least: 0, most: LARGEST },
        "1",
        "The number of the first process.",
    )
    .default("0"),
    Key::new(
        "redirect_stderr",
        Kind::Boolean,
        "true",
        "Whether stderr goes where stdout goes.",
    )
    .default("`true` in `hardened`, else `false`"),
    Key::new(
        "stdout_logfile_maxbytes",
        Kind::Bytes,
        "50MB",
        "supervisord rotates the log when it is larger; 0 for never. Needs `logs: {rotate: supervisord}`.",
    )
    .default("50MB"),
    Key::new(
        "stdout_logfile_backups",
        Kind::Whole { least: 0, most: LARGEST },
        "10",
        "How many rotated logs supervisord keeps.",
    )
    .default("10"),
    Key::new("stdout_capture_maxbytes", Kind::Bytes, "1MB", "What is kept of a communication event.")
        .default("0"),
    Key::new("stdout_events_enabled", Kind::Boolean, "true", "Output makes events.").default("`false`"),
    Key::new("stdout_syslog", Kind::Boolean, "true", "Output goes to syslog as well.").default("`false`"),
    Key::new(
        "stderr_logfile_maxbytes",
        Kind::Bytes,
        "50MB",
        "As for stdout. Needs `logs: {rotate: supervisord}`.",
    )
    .default("50MB"),
    Key::new(
        "stderr_logfile_backups",
        Kind::Whole { least: 0, most: LARGEST },
        "10",
        "As for stdout.",
    )
    .default("10"),
    Key::new("stderr_capture_maxbytes", Kind::Bytes, "1MB", "As for stdout.").default("0"),
    Key::new("stderr_events_enabled", Kind::Boolean, "true", "As for stdout.").default("`false`"),
    Key::new("stderr_syslog", Kind::Boolean, "true", "As for stdout.").default("`false`"),
    Key::new(
        "serverurl",
        Kind::Value,
        "http://127.0.0.1:9001",
        "What `SUPERVISOR_SERVER_URL` says to its processes, or `AUTO`.",
    )
    .default("`AUTO`"),
];

/// What a key of the program takes as well, but not all of what supervisord takes. Here stands what it leaves
/// out, because it is seldom meant.
const BEYOND_KEYS: [Key; 5] = [
    Key::new(
        "command",
        Kind::Text,
        "\"php artisan\\nqueue:work\"",
        "Instead of the key `command`: a command of several lines, which is one command all the same.",
    ),
    Key::new(
        "stopwaitsecs",
        Kind::Whole { least: 0, most: LARGEST },
        "0",
        "0, which the key `stopwaitsecs` does not take: it is killed at once.",
    ),
    Key::new(
        "directory",
        Kind::Text,
        "app",
        "A relative path, which the key `directory` does not take: it counts from the folder in which \
         supervisord was started.",
    ),
    Key::new(
        "stdout_logfile",
        Kind::Text,
        "worker.log",
        "A relative path, or one below `~`, which `path` of `logs` does not take.",
    ),
    Key::new(
        "stderr_logfile",
        Kind::Text,
        "worker.err",
        "A relative path, or one below `~`, which `stderr` of `logs` does not take.",
    ),
];

/// The keys of `options`.
pub(super) static OPTIONS: Keys = Keys {
    of: "`options`",
    known: &joined::<14, 5, 19>(KEYS, BEYOND_KEYS),
    instead: &INSTEAD,
    shared: false,
};

/// What the inventory has a key for.
const INSTEAD: [(&str, &str); 13] = [
    ("autostart", "it has a key of its own: `autostart` of the program"),
    ("autorestart", "it has a key of its own: `autorestart` of the program"),
    ("startsecs", "it has a key of its own: `startsecs` of the program"),
    ("startretries", "it has a key of its own: `startretries` of the program"),
    ("stopsignal", "it has a key of its own: `stopsignal` of the program"),
    ("stopasgroup", "it has a key of its own: `stopasgroup` of the program"),
    ("killasgroup", "it has a key of its own: `killasgroup` of the program"),
    ("exitcodes", "it has a key of its own: `exitcodes` of the program"),
    ("priority", "it has a key of its own: `priority` of the program"),
    ("umask", "it has a key of its own: `umask` of the program"),
    ("user", "it has a key of its own: `user` of the program"),
    ("environment", "it has a key of its own: `environment` of the program"),
    ("numprocs", "it has a key of its own: `numprocs` of the program"),
];
