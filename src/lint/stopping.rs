//! Checks of how programs start and stop.

use super::shell::End;
use super::subject::{base, is_shell, value_of, without_prefix};
use super::{Check, Finding, Look, Needs, Part, Sample, Subject};
use crate::supervisord::defaults;

pub(super) const CHECKS: &[Check] = &[STARTSECS_ZERO, SHELL_WITHOUT_EXEC, STOPWAITSECS_SHORT];

const STARTSECS_ZERO: Check = Check {
    name: "startsecs-zero",
    summary: "`startsecs: 0` on a program that is restarted: it can fail for ever and never be FATAL",
    fix: "leave `startsecs` out, or write `autorestart: false` if it runs once",
    why: "With `startsecs: 0` every start counts as a success, also of a program that ends at once. supervisord \
          resets its count of failures, starts it again without a pause, and goes on like that for ever: no `BACKOFF`, \
          no `FATAL`, one core busy. An apply cannot tell that it failed either.",
    wrong: Sample::Program("{program: worker, command: php worker.php, startsecs: 0}"),
    right: Sample::Program(
        "{program: migrate, command: php migrate.php, startsecs: 0, autorestart: false}",
    ),
    needs: Needs::Nothing,
    look: Look::Each(startsecs_zero),
};

fn startsecs_zero(subject: &Subject) -> Vec<Finding> {
    let is_zero = subject.number("startsecs", defaults::STARTSECS) == 0;
    let restarts = subject.truth("autorestart") != Some(false);
    if !is_zero || !restarts {
        return Vec::new();
    }
    let message = format!(
        "`{}` is restarted without a pause and never FATAL, however often it fails: `startsecs` is 0",
        subject.name
    );
    vec![STARTSECS_ZERO.finds(Part::Option("startsecs"), message)]
}

const SHELL_WITHOUT_EXEC: Check = Check {
    name: "shell-without-exec",
    summary: "a shell between supervisord and the worker keeps the stop signal for itself",
    fix: "write `exec` before the last command, or set `stopasgroup: true`",
    why: "supervisord sends its signal to the process that it started. If that is a shell, the shell ends and the \
          worker goes on: after a restart there are two, one of them with the old release, and nobody stops it any \
          more. `exec` puts the worker in the shell's place, so that the signal reaches it. Where that cannot be (a \
          pipe), `stopasgroup: true` sends the signal to the shell's children as well; `format: hardened` does so by \
          itself.",
    wrong: Sample::Program(
        "{program: worker, command: \"sh -c 'cd app && php worker.php'\", stopasgroup: false, killasgroup: false}",
    ),
    right: Sample::Program(
        "{program: worker, command: \"sh -c 'cd app && exec php worker.php'\", stopasgroup: false, killasgroup: false}",
    ),
    needs: Needs::Script,
    look: Look::Each(shell_without_exec),
};

/// What a shell does itself, so that there is no process that a signal could miss.
const BUILTINS: [&str; 18] = [
    ":", "break", "cd", "continue", "echo", "eval", "exec", "exit", "export", "false", "printf",
    "return", "set", "shift", "test", "true", "wait", "[",
];

fn shell_without_exec(subject: &Subject) -> Vec<Finding> {
    let Some(commands) = subject.shell() else { return Vec::new() };
    if subject.truth("stopasgroup") == Some(true) || subject.runs_once() {
        return Vec::new();
    }
    // Whoever traps signals passes them on; an `exec` anywhere is taken for the right one.
    let takes_over = commands.iter().any(|one| match one.name() {
        "exec" => one.words.len() > 1,
        name => matches!(name, "trap" | "wait"),
    });
    if takes_over {
        return Vec::new();
    }
    let Some(last) = commands.last() else { return Vec::new() };
    let is_function = is_defined(subject, last.name());
    // The end of a loop or of a condition: what ran last is not known. Of what goes to the background
    // another check speaks.
    let is_plain = last.before.is_empty() && !last.name().is_empty() && last.end != End::Background;
    if !is_plain || is_function || BUILTINS.contains(&last.name()) {
        return Vec::new();
    }
    // bash puts the last command of `-c` in its own place, unless it has to redirect something first.
    let in_pipe = commands.iter().rev().nth(1).is_some_and(|one| one.end == End::Pipe);
    let is_bash = subject.script.is_none() && subject.inline().is_some_and(|(sh, _)| sh == "bash");
    if is_bash && !in_pipe && !last.is_redirected {
        return Vec::new();
    }
    let at = match &subject.script {
        Some(_) => Part::ScriptLine(last.line),
        None => Part::Option("command"),
    };
    let message = format!(
        "`{}` runs `{}` below a shell, and a stop ends the shell alone",
        subject.name,
        last.name()
    );
    vec![match in_pipe {
        true => SHELL_WITHOUT_EXEC.finds_with(
            at,
            message,
            "set `stopasgroup: true`: a pipe has no `exec`",
        ),
        false => SHELL_WITHOUT_EXEC.finds(at, message),
    }]
}

/// Whether a script defines a function of this name.
fn is_defined(subject: &Subject, name: &str) -> bool {
    let text = match &subject.script {
        Some(script) => script.text.as_str(),
        None => subject.inline().map(|(_, text)| text).unwrap_or_default(),
    };
    [format!("{name}()"), format!("{name} ()"), format!("function {name}")]
        .iter()
        .any(|definition| text.contains(definition.as_str()))
}

const STOPWAITSECS_SHORT: Check = Check {
    name: "stopwaitsecs-short",
    summary: "a queue worker is killed in the middle of a job that it may still run",
    fix: "make `stopwaitsecs` longer than the longest job may take",
    why: "A queue worker that is told to stop finishes its job first. `stopwaitsecs` is how long supervisord waits \
          before it kills. If a job may take longer than that (`queue:work --timeout`, which is 60 where it is left \
          out; celery's `--time-limit`; sidekiq's `--timeout`, 25 by itself), each deployment can cut one off: it is \
          lost, or done twice. Limits of the worker's own life (`--max-time`, messenger's `--time-limit`) are no \
          limits of a job and do not count here.",
    wrong: Sample::Program(
        "{program: queue, command: php artisan queue:work --timeout=300, stopwaitsecs: 60}",
    ),
    right: Sample::Program(
        "{program: queue, command: php artisan queue:work --timeout=300, stopwaitsecs: 330}",
    ),
    needs: Needs::Script,
    look: Look::Each(stopwaitsecs_short),
};

fn stopwaitsecs_short(subject: &Subject) -> Vec<Finding> {
    let waits = subject.number("stopwaitsecs", defaults::STOPWAITSECS);
    let limits = subject.all_commands().into_iter().filter_map(|(_, words)| job_limit(words));
    let Some(limit) = limits.max_by_key(|limit| limit.seconds) else { return Vec::new() };
    if waits >= limit.seconds {
        return Vec::new();
    }
    let message = format!(
        "`{}` is killed {waits} s after the stop signal, and {} may take {} s",
        subject.name, limit.of, limit.seconds
    );
    let fix = format!("write `stopwaitsecs: {}` or more", limit.seconds.saturating_add(10));
    vec![STOPWAITSECS_SHORT.finds_with(Part::Option("stopwaitsecs"), message, fix)]
}

/// How long a worker may need once it is told to stop.
struct JobLimit {
    of: &'static str,
    seconds: u32,
}

fn job_limit(words: &[String]) -> Option<JobLimit> {
    let words = without_prefix(words);
    // What a shell is given as one word is looked at by itself.
    if words.first().is_some_and(|first| is_shell(base(first))) {
        return None;
    }
    let has = |name: &str| words.iter().any(|word| base(word) == name);
    let seconds = |names: &[&str]| {
        let value = value_of(words, names)?;
        value.split('.').next().unwrap_or_default().parse::<u32>().ok()
    };
    let job = |seconds| Some(JobLimit { of: "a job", seconds }).filter(|limit| limit.seconds > 0);
    if has("artisan") && has("queue:work") {
        let said = value_of(words, &["--timeout"]).is_some();
        return if said { job(seconds(&["--timeout"])?) } else { job(60) };
    }
    if has("celery") && has("worker") {
        return job(seconds(&["--time-limit"]).or_else(|| seconds(&["--soft-time-limit"]))?);
    }
    if has("sidekiq") {
        let said = seconds(&["-t", "--timeout"]).unwrap_or(25);
        return Some(JobLimit { of: "sidekiq's own shutdown", seconds: said });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::super::subject::{subject, subject_with};

    #[test]
    fn startsecs_zero_is_found_with_a_restart() {
        let said = |section: &str| said("startsecs-zero", subject(section)).len();
        for section in [
            "command=x\nstartsecs=0",
            "command=x\nstartsecs=0\nautorestart=true",
            "command=x\nstartsecs = 0\nautorestart=unexpected",
            "[eventlistener:x]\ncommand=x\nevents=TICK_5\nstartsecs=0",
        ] {
            assert_eq!(said(section), 1, "{section}");
        }
        for section in [
            "command=x",
            "command=x\nstartsecs=1",
            "command=x\nstartsecs=0\nautorestart=false",
            "command=x\nstartsecs=%(ENV_S)s",
        ] {
            assert_eq!(said(section), 0, "{section}");
        }
    }

    #[test]
    fn shell_in_between_is_found() {
        let found = |command: &str| {
            said("shell-without-exec", subject(&format!("command={command}"))).join("")
        };
        for command in [
            "sh -c 'cd /app && php worker.php'",
            "/bin/sh -c \"php worker.php\"",
            "bash -c 'php worker.php | tee -a log'",
            "bash -lc 'php worker.php >> log 2>&1'",
            "sh -c 'exec 2>&1; php worker.php'",
        ] {
            assert!(found(command).contains("below a shell"), "{command}");
        }
        for command in [
            "php worker.php",
            "sh -c 'cd /app && exec php worker.php'",
            "sh -c 'trap x TERM; php worker.php & wait'",
            "bash -c 'cd /app && php worker.php'",
            "sh -c 'while true; do php once.php; sleep 5; done'",
            "sh -c 'run() { php x; }; run'",
            "sh worker.sh",
            "sh -c",
            "sh -c 'echo x'",
            "sh -c 'php worker.php &'",
        ] {
            assert_eq!(found(command), "", "{command}");
        }
    }

    #[test]
    fn script_without_exec_is_found_in_its_last_line() {
        let found = |script: &str, options: &str| {
            let subject = subject_with(&format!("command=runner.sh w.sh\n{options}"), script);
            super::super::look(&[subject])
                .into_iter()
                .filter(|(_, finding)| finding.check == "shell-without-exec")
                .map(|(_, finding)| finding.at)
                .collect::<Vec<_>>()
        };
        let plain = "#!/bin/sh\nset -e\nphp artisan queue:work\n";
        assert_eq!(found(plain, ""), [super::Part::ScriptLine(3)]);
        assert_eq!(found(plain, "killasgroup=true").len(), 1);
        assert_eq!(found(plain, "stopasgroup=true"), []);
        assert_eq!(found(plain, "autorestart=false\nstartsecs=0"), []);
        for silent in [
            "#!/bin/sh\nexec php artisan queue:work\n",
            "#!/usr/bin/env php\n<?php\nwork();\n",
            "#!/usr/bin/python3\nimport x\nx.run()\n",
            "#!/bin/sh\nif x; then exec a; else exec b; fi\n",
            "#!/bin/sh\nwhile :; do php x; sleep 1; done\n",
            "#!/bin/sh\nmain() {\n exec php x\n}\nmain \"$@\"\n",
            "#!/bin/sh\nphp x &\nwait\n",
            "",
        ] {
            assert_eq!(found(silent, ""), [], "{silent}");
        }
    }

    #[test]
    fn time_to_stop_is_held_against_the_jobs() {
        let found = |command: &str, stopwaitsecs: &str| {
            let section = format!("command={command}\n{stopwaitsecs}");
            said("stopwaitsecs-short", subject(&section)).join("")
        };
        for (command, stopwaitsecs, expected) in [
            ("php artisan queue:work --timeout=120", "stopwaitsecs=60", "120 s"),
            ("php /srv/app/artisan queue:work redis --timeout 120", "stopwaitsecs=60", "120 s"),
            (
                "php artisan queue:work",
                "",
                "killed 10 s after the stop signal, and a job may take 60 s",
            ),
            ("sh -c 'exec php artisan queue:work --timeout=90'", "stopwaitsecs=30", "90 s"),
            ("celery -A proj worker --time-limit=300 --soft-time-limit=240", "", "300 s"),
            ("/venv/bin/celery worker -A proj --soft-time-limit 240.5", "", "240 s"),
            ("bundle exec sidekiq", "", "sidekiq's own shutdown may take 25 s"),
            ("bundle exec sidekiq -t 40", "stopwaitsecs=30", "40 s"),
        ] {
            assert!(found(command, stopwaitsecs).contains(expected), "{command}");
        }
        for (command, stopwaitsecs) in [
            ("php artisan queue:work --timeout=120", "stopwaitsecs=130"),
            ("php artisan queue:work --timeout=120", "stopwaitsecs=120"),
            ("php artisan queue:work --timeout=0", ""),
            ("php artisan queue:work --max-time=3600", "stopwaitsecs=61"),
            ("php artisan horizon", ""),
            ("php bin/console messenger:consume async --time-limit=3600", ""),
            ("celery -A proj worker", ""),
            ("celery -A proj beat --time-limit=300", ""),
            ("bundle exec sidekiq", "stopwaitsecs=30"),
            ("curl --timeout 90 x", ""),
            ("php artisan queue:work --timeout=%(ENV_T)s", ""),
        ] {
            assert_eq!(found(command, stopwaitsecs), "", "{command}");
        }
        let script = "#!/bin/sh\nexec php artisan queue:work --timeout=200\n";
        let of_script = subject_with("command=runner.sh w.sh\nstopwaitsecs=90", script);
        assert_eq!(said("stopwaitsecs-short", of_script).len(), 1);
    }
}
