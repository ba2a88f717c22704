//! The keys of a program, and those of them that `defaults` can have.

use super::keys::{Key, Keys, Kind};
use super::program::{Autorestart, Instances, MOST_PROCESSES, RestartPolicy};
use super::{allowed, health, logs, passed};

/// The largest number supervisord can hold without doubt: what fits a C int.
const LARGEST: i64 = i32::MAX as i64;

/// The keys; what belongs to one program alone comes first. Those
/// of supervisord are written to its file in this order.
pub(super) static KEYS: [Key; 29] = [
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
        "group",
        Kind::Text,
        "workers",
        "The group of supervisord that it is in, with every program of the site that names it. supervisord stops and \
         starts a group as a whole: see [below](#group).",
    )
    .default("one of its own"),
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
        Kind::Whole { least: 1, most: MOST_PROCESSES as i64 },
        "4",
        "How many processes, 1 to 1000.",
    )
    .default("`1`"),
    Key::new(
        "directory",
        Kind::Text,
        "/srv/app",
        "Working folder, an absolute path, or `none`: then it is the one of supervisord.",
    )
    .default("the site's `current`; in `plain` `none`"),
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
        "What it is stopped with: `TERM`, `INT`, `QUIT`, `USR1`, `WINCH` or any other signal by its name.",
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
        Kind::Whole { least: -LARGEST, most: LARGEST },
        "10",
        "Order of start and stop; low ones start first. It may be negative.",
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
    Key::new(
        "environment_file",
        Kind::Text,
        "worker.env",
        "A file of `NAME=value` lines with more of them, read where the inventory is. Its path counts \
         from the inventory's folder. `environment` goes before it.",
    )
    .default("none"),
    Key::new(
        "expansions",
        Kind::Boolean,
        "true",
        "`%(NAME)s` in its values is supervisord's to expand, and `%%` is a `%`. Otherwise a `%` means \
         itself.",
    )
    .default("`false`"),
    Key::new(
        "options",
        Kind::Map(&passed::OPTIONS),
        "{stdout_events_enabled: true}",
        "Any other option of supervisord's, by its own name.",
    )
    .default("none"),
    Key::new("logs", Kind::Map(&logs::KEYS), "{rotate: 14}", "Where its output goes, and how it is rotated.")
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
    Key::new(
        "lint",
        Kind::Map(&allowed::KEYS),
        "{allow: [user-root]}",
        "Which checks of `check` say nothing about it. Those that `defaults` name count as well.",
    )
    .default("none"),
];

/// supervisord's own options, in the order in which they are written: those that have a key of the
/// program's own, and those of `options`.
pub(crate) fn supervisords() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(|key| key.is_supervisords).chain(&passed::KEYS)
}

const IN_OPTIONS: &str = "it has no key of its own: write it in `options`";

/// What people write who know supervisord's own file.
const INSTEAD: [(&str, &str); 20] = [
    ("name", "program"),
    ("env", "environment"),
    ("cwd", "directory"),
    ("processes", "numprocs"),
    ("process_name", IN_OPTIONS),
    ("redirect_stderr", IN_OPTIONS),
    ("stdout_logfile", "set the key `path` of `logs`"),
    ("stderr_logfile", "set the key `stderr` of `logs`"),
    ("stdout_logfile_maxbytes", "set the key `size` of `logs`, or write it in `options`"),
    ("stderr_logfile_maxbytes", "set the key `size` of `logs`, or write it in `options`"),
    ("stdout_logfile_backups", "set the key `rotate` of `logs`, or write it in `options`"),
    ("stderr_logfile_backups", "set the key `rotate` of `logs`, or write it in `options`"),
    ("stdout_capture_maxbytes", IN_OPTIONS),
    ("stderr_capture_maxbytes", IN_OPTIONS),
    ("stdout_events_enabled", IN_OPTIONS),
    ("stderr_events_enabled", IN_OPTIONS),
    ("numprocs_start", IN_OPTIONS),
    ("serverurl", IN_OPTIONS),
    ("stdout_syslog", IN_OPTIONS),
    ("stderr_syslog", IN_OPTIONS),
];

/// The keys of a program.
pub(crate) static PROGRAM: Keys =
    Keys { of: "a program", known: &KEYS, instead: &INSTEAD, shared: false };

/// The keys of `defaults`.
pub(super) static DEFAULTS: Keys = Keys {
    of: "`defaults`",
    known: KEYS.split_at(6).1,
    instead: &[
        ("program", "this belongs to one program, not to `defaults`"),
        ("as", "this belongs to one program, not to `defaults`"),
        ("file", "this belongs to one program, not to `defaults`"),
        ("group", "this belongs to one program, not to `defaults`"),
        ("script", "this belongs to one program, not to `defaults`"),
        ("command", "this belongs to one program, not to `defaults`"),
    ],
    shared: false,
};

/// What an option of supervisord's takes, if it is one of a program.
pub(super) fn named(option: &str) -> Option<&'static Key> {
    const OURS_TOO: [&str; 4] = ["autostart", "autorestart", "stopwaitsecs", "numprocs"];
    let with_a_default = KEYS.iter().filter(|key| OURS_TOO.contains(&key.name));
    supervisords().chain(with_a_default).find(|key| key.name == option)
}
