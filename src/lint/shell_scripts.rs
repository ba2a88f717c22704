//! Checks of worker scripts, and of what stands in a command where a shell would be needed.

use super::shell::{Command, End};
use super::subject::{base, is_shell, value_of, without_prefix};
use super::{Check, Finding, Look, Needs, Part, Sample, Subject};

pub(super) const CHECKS: &[Check] =
    &[SHELL_SYNTAX, MISSING_SHEBANG, CRLF_SHEBANG, BACKGROUND_PROCESS, BUSY_LOOP];

const SHELL_SYNTAX: Check = Check {
    name: "shell-syntax",
    summary: "a command is written for a shell, and supervisord has none",
    fix: "put it into a script, or write `sh -c '… exec …'`",
    why: "supervisord cuts a command into words and runs the first with the others. `&&`, `|`, `>` and `$NAME` are words \
          like any other to it: the program is given them as arguments, and `cd` is no program. Variables are \
          `%(ENV_NAME)s` there, the working folder is `directory`, and output goes where `logs` says.",
    wrong: Sample::Program("{program: worker, command: cd app && php worker.php}"),
    right: Sample::Program("{program: worker, command: \"sh -c 'cd app && exec php worker.php'\"}"),
    needs: Needs::Nothing,
    look: Look::Each(shell_syntax),
};

fn shell_syntax(subject: &Subject) -> Vec<Finding> {
    let bare = bare_words(subject.option("command").unwrap_or_default());
    let builtin = bare.first().filter(|word| matches!(**word, "cd" | "source" | "." | "export"));
    let found = builtin.or_else(|| bare.iter().find(|word| is_operator(word) || is_variable(word)));
    let Some(word) = found else { return Vec::new() };
    let message =
        format!("`{word}` in the command of `{}` is for a shell, which there is not", subject.name);
    vec![SHELL_SYNTAX.finds(Part::Option("command"), message)]
}

fn is_operator(word: &str) -> bool {
    matches!(word, "&&" | "||" | "|" | ";" | "&" | ">" | ">>" | "<" | "2>" | "2>>" | "2>&1" | "&>")
        || [">/", ">>/", "2>/"].iter().any(|redirection| word.starts_with(redirection))
}

fn is_variable(word: &str) -> bool {
    let name = word.strip_prefix('$').unwrap_or_default();
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

/// The words of a command that have no quote in or around them.
fn bare_words(command: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut begin, mut quote, mut was_quoted) = (0, None, false);
    for (at, c) in command.char_indices().chain([(command.len(), ' ')]) {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"' | '\\') => {
                was_quoted = true;
                quote = Some(c).filter(|c| *c != '\\');
            }
            None if c.is_whitespace() => {
                words.extend(command.get(begin..at).filter(|word| !word.is_empty() && !was_quoted));
                (begin, was_quoted) = (at + c.len_utf8(), false);
            }
            None => {}
        }
    }
    words
}

const MISSING_SHEBANG: Check = Check {
    name: "missing-shebang",
    summary: "a script does not say what runs it",
    fix: "begin it with `#!/bin/sh`, `#!/usr/bin/env php` or what else it is written for",
    why: "The kernel starts a script by its first line. Without one, supervisord itself cannot start it (`couldn't \
          exec: ENOEXEC`), and a `runner.sh` falls back to `sh`: what was written for bash or PHP then fails in its \
          own ways.",
    wrong: Sample::Script("exec php artisan queue:work\n"),
    right: Sample::Script("#!/bin/sh\nexec php artisan queue:work\n"),
    needs: Needs::Script,
    look: Look::Each(missing_shebang),
};

fn missing_shebang(subject: &Subject) -> Vec<Finding> {
    let Some(script) = subject.script.as_ref().filter(|script| !script.is_argument) else {
        return Vec::new();
    };
    if script.text.starts_with("#!") {
        return Vec::new();
    }
    let reason = if script.text.starts_with('\u{feff}') {
        "begins with a byte order mark, so the kernel does not see its `#!`"
    } else {
        "does not begin with `#!` and what runs it"
    };
    let message = format!("the script of `{}` {reason}", subject.name);
    vec![MISSING_SHEBANG.finds(Part::ScriptLine(1), message)]
}

const CRLF_SHEBANG: Check = Check {
    name: "crlf-shebang",
    summary: "a script's first line ends as on Windows, so its interpreter is not found",
    fix: "save it with Unix line ends: `sed -i 's/\\r$//' FILE`, and `*.sh text eol=lf` in .gitattributes",
    why: "The kernel takes the carriage return for a part of the interpreter's name and looks for `/bin/sh\\r`. The \
          start fails with `no such file or directory`, and names the script, which is there.",
    wrong: Sample::Script("#!/bin/sh\r\nexec php artisan queue:work\r\n"),
    right: Sample::Script("#!/bin/sh\nexec php artisan queue:work\n"),
    needs: Needs::Script,
    look: Look::Each(crlf_shebang),
};

fn crlf_shebang(subject: &Subject) -> Vec<Finding> {
    let Some(script) = subject.script.as_ref().filter(|script| !script.is_argument) else {
        return Vec::new();
    };
    let first = script.text.split('\n').next().unwrap_or_default();
    if !first.starts_with("#!") || !first.ends_with('\r') {
        return Vec::new();
    }
    let message =
        format!("the first line of `{}`'s script ends in a carriage return", subject.name);
    vec![CRLF_SHEBANG.finds(Part::ScriptLine(1), message)]
}

const BACKGROUND_PROCESS: Check = Check {
    name: "background-process",
    summary: "a program goes to the background, where supervisord does not see it",
    fix: "run it in the foreground: without `&`, `nohup` and the option that makes it a daemon",
    why: "supervisord watches the process that it started. If that one leaves its work to another and ends, supervisord \
          starts it again, and again: there are more and more of them, none is watched, and none is stopped. A script \
          that starts several on purpose has to `wait` for them and to pass signals on (`trap`); better are two \
          programs.",
    wrong: Sample::Script("#!/bin/sh\nnohup php artisan queue:work &\n"),
    right: Sample::Script("#!/bin/sh\nexec php artisan queue:work\n"),
    needs: Needs::Script,
    look: Look::Each(background_process),
};

fn background_process(subject: &Subject) -> Vec<Finding> {
    let shell = subject.shell().unwrap_or_default();
    let minds = shell.iter().any(|one| matches!(one.name(), "wait" | "trap" | "fg"));
    let in_script = subject.script.is_some();
    let at = |line: u32| if in_script { Part::ScriptLine(line) } else { Part::Option("command") };
    // What a loop starts again and again is on purpose, and short.
    let outside_loops = outside_loops(shell);
    let left = outside_loops.into_iter().find(|one| one.end == End::Background && !minds);
    if let Some(one) = left {
        let what = Some(one.name()).filter(|name| !name.is_empty()).unwrap_or("a part of it");
        let message = format!(
            "`{}` leaves `{}` in the background, where supervisord does not see it",
            subject.name, what
        );
        return vec![BACKGROUND_PROCESS.finds(at(one.line), message)];
    }
    for (line, words) in subject.all_commands() {
        let Some(how) = daemonizes(words) else { continue };
        let message = format!("`{}` makes itself a daemon: `{how}`", subject.name);
        let at = line.map_or(Part::Option("command"), at);
        return vec![BACKGROUND_PROCESS.finds(at, message)];
    }
    Vec::new()
}

/// The commands that are in no loop.
fn outside_loops(commands: &[Command]) -> Vec<&Command> {
    let mut depth = 0_usize;
    let mut outside = Vec::new();
    for one in commands {
        let count = |word: &str| one.before.iter().filter(|before| **before == word).count();
        depth = (depth + count("do")).saturating_sub(count("done"));
        if depth == 0 {
            outside.push(one);
        }
    }
    outside
}

/// Options that make daemons of some programs and mean something else, or nothing, in others.
const DAEMON_OPTIONS: [(&str, &[&str]); 14] = [
    ("celery", &["multi", "--detach"]),
    ("gunicorn", &["-D"]),
    ("unicorn", &["-D"]),
    ("uwsgi", &["-d"]),
    ("memcached", &["-d"]),
    ("sidekiq", &["-d"]),
    ("puma", &["-d"]),
    ("thin", &["-d"]),
    ("docker", &["-d"]),
    ("docker-compose", &["-d"]),
    ("start.php", &["-d"]),
    ("pm2", &["start", "restart"]),
    ("postfix", &["start"]),
    ("apachectl", &["start"]),
];

/// The word by which a command becomes a daemon.
fn daemonizes(words: &[String]) -> Option<String> {
    let command = without_prefix(words);
    let first = base(command.first()?);
    // What a shell runs is looked at word by word.
    if is_shell(first) {
        return None;
    }
    if command.iter().any(|word| STAYS.contains(&word.as_str())) {
        return None;
    }
    if matches!(first, "service" | "systemctl" | "invoke-rc.d") {
        let starts = command.iter().find(|word| matches!(word.as_str(), "start" | "restart"))?;
        return Some(format!("{first} {starts}"));
    }
    for (program, options) in DAEMON_OPTIONS {
        let Some(place) = command.iter().position(|word| base(word) == program) else { continue };
        let behind = command.get(place..).unwrap_or_default();
        if let Some(word) = behind.iter().find(|word| options.contains(&word.as_str())) {
            return Some(format!("{program} {word}"));
        }
    }
    // Laravel's `queue:work --daemon` is an old way to say that it goes on, and stays in the foreground.
    if command.iter().any(|word| base(word) == "artisan") {
        return None;
    }
    let option = command.iter().find(|word| {
        let name = word.split('=').next().unwrap_or_default();
        matches!(name, "--daemon" | "--daemonize" | "--detach" | "--background")
    })?;
    let name = option.split('=').next().unwrap_or_default();
    // `rsync --daemon` needs another option to stay, which was looked for above.
    match value_of(command, &[name])
        .is_some_and(|said| matches!(said, "no" | "off" | "false" | "0"))
    {
        true => None,
        false => Some(option.clone()),
    }
}

/// What keeps a program in the foreground that would leave it.
const STAYS: [&str; 6] =
    ["--no-daemon", "--nodaemon", "--no-daemonize", "--no-detach", "--foreground", "--no-fork"];

const BUSY_LOOP: Check = Check {
    name: "busy-loop",
    summary: "an endless loop of a script never waits",
    fix: "put a `sleep` into the loop, or let `autorestart` do the loop's work",
    why: "When what is called in the loop has nothing to do, or fails, the loop begins anew at once: a core is busy, the \
          log grows by thousands of lines a second, and supervisord sees a program that is RUNNING. A pause in the \
          loop is enough. Often no loop is needed: `exec` the command once, and `autorestart: true` starts it again.",
    wrong: Sample::Script("#!/bin/sh\nwhile true; do\n    php artisan schedule:run\ndone\n"),
    right: Sample::Script(
        "#!/bin/sh\nwhile true; do\n    php artisan schedule:run\n    sleep 60\ndone\n",
    ),
    needs: Needs::Script,
    look: Look::Each(busy_loop),
};

/// What waits, or leaves the loop.
const WAITS: [&str; 19] = [
    "sleep",
    "usleep",
    "snooze",
    "wait",
    "read",
    "inotifywait",
    "inotifywatch",
    "fswatch",
    "nc",
    "ncat",
    "socat",
    "tail",
    "flock",
    "timeout",
    "break",
    "exit",
    "return",
    "exec",
    "nsq_tail",
];

fn busy_loop(subject: &Subject) -> Vec<Finding> {
    let commands = subject.shell().unwrap_or_default();
    for (place, one) in commands.iter().enumerate() {
        if !is_endless(one) {
            continue;
        }
        let body = body(commands.get(place + 1..).unwrap_or_default());
        if body.is_empty() || body.iter().any(|one| waits(one)) {
            continue;
        }
        let at = match &subject.script {
            Some(_) => Part::ScriptLine(one.line),
            None => Part::Option("command"),
        };
        let message = format!("the loop of `{}` never waits", subject.name);
        return vec![BUSY_LOOP.finds(at, message)];
    }
    Vec::new()
}

/// Whether a command of a loop takes its time.
fn waits(one: &Command) -> bool {
    let words = without_prefix(&one.words);
    let name = words.first().map(|word| base(word)).unwrap_or_default();
    WAITS.contains(&name) || one.words.iter().any(|word| word.contains("sleep"))
}

fn is_endless(one: &Command) -> bool {
    let words: Vec<&str> = one.words.iter().map(String::as_str).collect();
    let is = |word: &str| one.before.last() == Some(&word);
    (is("while") && matches!(words[..], ["true" | ":"] | ["[", "1", "]"] | ["[[", "1", "]]"]))
        || (is("until") && words == ["false"])
}

/// The commands of a loop, up to its `done`.
fn body(behind: &[Command]) -> Vec<&Command> {
    let mut depth = 0_u32;
    let mut body = Vec::new();
    for one in behind {
        depth +=
            u32::try_from(one.before.iter().filter(|word| **word == "do").count()).unwrap_or(0);
        if one.before.contains(&"done") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                break;
            }
        }
        body.push(one);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::super::subject::{subject, subject_with};
    use crate::lint::{Script, Subject};

    fn of_script(check: &str, script: &str) -> String {
        said(check, subject_with("command=runner.sh w.sh", script)).join("")
    }

    fn of_command(check: &str, command: &str) -> String {
        said(check, subject(&format!("command={command}"))).join("")
    }

    #[test]
    fn command_for_a_shell_is_found() {
        for command in [
            "cd /app && php worker.php",
            "php worker.php >> /var/log/x 2>&1",
            "php worker.php >/dev/null",
            "cat x | php worker.php",
            "php worker.php $QUEUE",
            "php worker.php --queue ${QUEUE}",
            "source venv/bin/activate",
            "php worker.php &",
        ] {
            assert_ne!(of_command("shell-syntax", command), "", "{command}");
        }
        for silent in [
            "sh -c 'cd /app && exec php worker.php'",
            "bash -lc \"a | b > c\"",
            "su - www -c \"cd /app && php worker.php\"",
            "curl http://x/?a=1&b=2",
            "awk -F '|' x",
            "php -r 'echo $ARGV && 1;'",
            "php worker.php --queue=%(ENV_QUEUE)s",
            "php worker.php --price=5$",
            "grep ^[a-z]$ x",
            "",
        ] {
            assert_eq!(of_command("shell-syntax", silent), "", "{silent}");
        }
    }

    #[test]
    fn first_line_must_name_an_interpreter() {
        assert_ne!(of_script("missing-shebang", "exec php x\n"), "");
        assert_ne!(of_script("missing-shebang", "\n#!/bin/sh\n"), "");
        assert!(of_script("missing-shebang", "\u{feff}#!/bin/sh\n").contains("byte order mark"));
        for silent in ["#!/bin/sh\n", "#!/usr/bin/env php\n<?php\n", "#!/bin/sh\r\n"] {
            assert_eq!(of_script("missing-shebang", silent), "", "{silent}");
        }
        let script =
            Script { path: "w.sh".to_owned(), text: "php x\n".to_owned(), is_argument: true };
        let given = Subject { script: Some(script), ..subject("command=bash w.sh") };
        assert!(said("missing-shebang", given).is_empty());
    }

    #[test]
    fn carriage_return_of_the_first_line_is_found() {
        assert_ne!(of_script("crlf-shebang", "#!/bin/sh\r\nexec x\r\n"), "");
        for silent in ["#!/bin/sh\nexec x\r\n", "exec x\r\n", "#!/bin/sh", ""] {
            assert_eq!(of_script("crlf-shebang", silent), "", "{silent}");
        }
    }

    #[test]
    fn what_goes_to_the_background_is_found() {
        for script in [
            "#!/bin/sh\nphp worker.php &\n",
            "#!/bin/sh\nnohup php worker.php > log 2>&1 &\n",
            "#!/bin/sh\nphp a.php &\nexec php b.php\n",
            "#!/bin/bash\ncelery multi start w1 -A p\n",
            "#!/bin/sh\nfor f in a b; do echo $f; done\nphp x & exec php y\n",
        ] {
            assert_ne!(of_script("background-process", script), "", "{script}");
        }
        for silent in [
            "#!/bin/sh\nphp a.php &\nphp b.php &\nwait -n\n",
            "#!/bin/sh\ntrap 'kill $!' TERM\nphp a.php &\n",
            "#!/bin/sh\ncd /x && exec php x 2>&1\n",
            "#!/bin/sh\nwhile true; do php artisan schedule:run & sleep 60; done\n",
            "#!/bin/sh\nexec php x >&2\n",
            "#!/bin/sh\nexec php x &> log\n",
            "#!/bin/sh\nexec curl 'http://x/?a=1&b=2'\n",
            "#!/usr/bin/env php\n<?php $a & $b;\n",
        ] {
            assert_eq!(of_script("background-process", silent), "", "{silent}");
        }
    }

    #[test]
    fn daemon_is_found_by_its_option() {
        for command in [
            "celery multi start w1 -A proj",
            "/venv/bin/celery -A proj worker --detach",
            "gunicorn app:app --daemon",
            "gunicorn app:app -D",
            "redis-server --daemonize yes",
            "uwsgi --ini x.ini --daemonize /var/log/x",
            "memcached -d -u memcache",
            "docker run -d nginx",
            "docker compose up -d",
            "php start.php start -d",
            "pm2 start app.js",
            "service nginx start",
            "systemctl start nginx",
            "/usr/sbin/postfix -c /etc/postfix start",
            "sh -c 'cd /x && exec gunicorn app --daemon'",
        ] {
            assert_ne!(of_command("background-process", command), "", "{command}");
        }
        for command in [
            "celery -A proj worker",
            "php artisan queue:work --daemon",
            "redis-server --daemonize no",
            "php -d memory_limit=1G worker.php",
            "pm2 start app.js --no-daemon",
            "pm2-runtime start app.js",
            "postfix start-fg",
            "rsync --daemon --no-detach",
            "nginx -g 'daemon off;'",
            "node server.js -d",
            "sshd -D",
            "docker run nginx",
            "transmission-daemon -f",
        ] {
            assert_eq!(of_command("background-process", command), "", "{command}");
        }
    }

    #[test]
    fn loop_without_a_pause_is_found() {
        for script in [
            "while true; do php artisan schedule:run; done",
            "while :\ndo\n  php x\ndone",
            "for ((;;)); do php x; done",
            "until false; do php x; done",
            "while [ 1 ]; do\n for f in a b; do php $f; done\ndone\nsleep 1",
        ] {
            assert_ne!(of_script("busy-loop", &format!("#!/bin/bash\n{script}\n")), "", "{script}");
        }
        for silent in [
            "while true; do php x; sleep 60; done",
            "while true; do php x || break; done",
            "while true; do read line; php x \"$line\"; done",
            "while true; do inotifywait -e create in; php x; done",
            "while read -r line; do php x; done",
            "while pgrep x; do php y; done",
            "while true; do php -r 'sleep(5);'; done",
            "for f in *; do php $f; done",
            "exec php x",
        ] {
            let script = format!("#!/bin/bash\n{silent}\n");
            assert_eq!(of_script("busy-loop", &script), "", "{silent}");
        }
        assert_ne!(of_command("busy-loop", "sh -c 'while true; do php x; done'"), "");
        assert_eq!(of_command("busy-loop", "php while true"), "");
    }
}
