//! Checks of what several processes cannot share.

use std::collections::BTreeMap;

use super::subject::{base, value_of, without_prefix};
use super::{Check, Finding, Look, Needs, Part, Sample, Subject};
use crate::supervisord::GroupKind;

pub(super) const CHECKS: &[Check] = &[SHARED_LOG, FIXED_PORT];

const SHARED_LOG: Check = Check {
    name: "shared-log",
    summary: "supervisord rotates a log that several processes write to",
    fix: "give each process a log of its own (`%(process_num)s` in its path), or have logrotate rotate",
    why: "supervisord rotates the log of each process by itself, 50 MB by default. Where several processes have one \
          log, the first that finds it full renames it, and the others go on writing to `….log.1`, and rename that \
          one in their turn: lines end up in the wrong file or nowhere. Without supervisord's rotation \
          (`stdout_logfile_maxbytes=0`, which `format: hardened` writes) all of them append to one file, and nothing is \
          lost.",
    wrong: Sample::Program(
        "{program: worker, command: php worker.php, numprocs: 4, logs: {path: /var/log/worker.log, rotate: supervisord}}",
    ),
    right: Sample::Program(
        "{program: worker, command: php worker.php, numprocs: 4, logs: {path: /var/log/worker.log, rotate: logrotate}}",
    ),
    needs: Needs::Nothing,
    look: Look::Together(shared_log),
};

/// One stream of a subject that goes to a file.
struct Stream {
    of: usize,
    option: &'static str,
    /// Whether each process of the subject has a file of its own.
    is_apart: bool,
    rotates: bool,
}

fn shared_log(subjects: &[&Subject]) -> Vec<(usize, Finding)> {
    let mut files: BTreeMap<String, Vec<Stream>> = BTreeMap::new();
    for (of, subject) in subjects.iter().enumerate() {
        for (path, stream) in streams(of, subject) {
            files.entry(path).or_default().push(stream);
        }
    }
    let mut found = Vec::new();
    for (path, streams) in files {
        if !streams.iter().any(|stream| stream.rotates) {
            continue;
        }
        let mut said_of = None;
        for stream in &streams {
            let subject = subjects[stream.of];
            let other = streams.iter().find(|other| other.of != stream.of);
            let several = subject.processes > 1 && !stream.is_apart;
            // Both streams of one subject are told once.
            if said_of.replace(stream.of) == Some(stream.of) {
                continue;
            }
            let message = match other {
                _ if several => format!(
                    "{} processes of `{}` write to {path}, which supervisord rotates",
                    subject.processes, subject.name
                ),
                Some(other) => format!(
                    "`{}` and `{}` write to {path}, which supervisord rotates",
                    subject.name, subjects[other.of].name
                ),
                None => continue,
            };
            found.push((stream.of, SHARED_LOG.finds(Part::Option(stream.option), message)));
        }
    }
    found
}

/// The files that a subject writes to.
fn streams(of: usize, subject: &Subject) -> Vec<(String, Stream)> {
    let redirects = subject.truth("redirect_stderr") == Some(true);
    let mut streams = Vec::new();
    for (option, maxbytes) in [
        ("stdout_logfile", "stdout_logfile_maxbytes"),
        ("stderr_logfile", "stderr_logfile_maxbytes"),
    ] {
        if option == "stderr_logfile" && redirects {
            continue;
        }
        let Some(path) = subject.option(option) else { continue };
        let path = path
            .replace("%(program_name)s", &subject.name)
            .replace("%(group_name)s", &subject.name);
        let is_file = path.starts_with(['/', '%']) && !path.starts_with("/dev/");
        if !is_file {
            continue;
        }
        let rotates = subject
            .option(maxbytes)
            .is_none_or(|bytes| bytes.trim_end_matches(|c: char| c.is_ascii_alphabetic()) != "0");
        let is_apart = path.contains("%(process_num)") && subject.numbered;
        streams.push((path, Stream { of, option, is_apart, rotates }));
    }
    streams
}

const FIXED_PORT: Check = Check {
    name: "fixed-port",
    summary: "several processes are to listen on one port",
    fix: "make the port of each its own: `expansions: true` and `80%(process_num)02d`, or write `numprocs: 1`",
    why: "Each of the processes is started with the same command. The first takes the port, the others cannot: they \
          end, are started again, and go FATAL, or one of them answers for all. With `expansions: true` supervisord \
          puts the number of the process where `%(process_num)02d` stands. A server that lets several processes share \
          a port says so (`--reuse-port`), and an fcgi-program is given its socket by supervisord.",
    wrong: Sample::Program("{program: api, command: node server.js --port 8080, numprocs: 2}"),
    right: Sample::Program(
        "{program: api, command: \"node server.js --port 80%(process_num)02d\", numprocs: 2, expansions: true}",
    ),
    needs: Needs::Script,
    look: Look::Each(fixed_port),
};

/// Options behind which a server is told where to listen. `-p` is a port of servers and of clients alike.
const PORTS: [&str; 5] = ["--port", "--http-port", "--listen-port", "--server-port", "-p"];
const ADDRESSES: [&str; 10] = [
    "--bind",
    "-b",
    "--listen",
    "--addr",
    "--address",
    "--http",
    "-S",
    "--http-address",
    "--socket",
    "-l",
];

/// Variables by which servers are told.
const VARIABLES: [&str; 4] = ["PORT", "HTTP_PORT", "LISTEN_PORT", "SERVER_PORT"];

/// Programs whose `--port` is that of somebody else.
const CLIENTS: [&str; 16] = [
    "mysql",
    "mysqldump",
    "mariadb",
    "mariadb-dump",
    "psql",
    "pg_dump",
    "pg_restore",
    "redis-cli",
    "mongo",
    "mongosh",
    "mongodump",
    "ssh",
    "autossh",
    "rsync",
    "celery",
    "rq",
];

fn fixed_port(subject: &Subject) -> Vec<Finding> {
    if subject.processes < 2 || subject.kind == GroupKind::FcgiProgram {
        return Vec::new();
    }
    let commands = subject.all_commands();
    let mut words = commands.iter().flat_map(|(_, words)| *words);
    if words.any(|word| word.contains("reuse-port") || word.contains("reuseport")) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (line, words) in &commands {
        let Some(port) = port_of(words, subject.numbered) else { continue };
        let at = line.map_or(Part::Option("command"), Part::ScriptLine);
        found.push(FIXED_PORT.finds(at, all_listen(subject, &port)));
    }
    for (name, value) in &subject.variables {
        if VARIABLES.contains(&name.as_str()) && is_port(value) {
            let message = all_listen(subject, value);
            found.push(FIXED_PORT.finds(Part::Variable(name.clone()), message));
        }
    }
    let is_numbered =
        subject.numbered && subject.options.values().any(|value| value.contains("%(process_num)"));
    if let (Some(address), false, []) = (&subject.probe, is_numbered, &found[..])
        && let Some((host, port)) = address.rsplit_once(':')
        && matches!(host, "localhost" | "127.0.0.1" | "[::1]" | "0.0.0.0")
    {
        let message = format!(
            "the probe of `{}` asks one port, and one of its {} processes answers for all",
            subject.name, subject.processes
        );
        let fix = format!("write `numprocs: 1`, or probe what port {port} does not answer for");
        found.push(FIXED_PORT.finds_with(Part::Probe, message, fix));
    }
    found.truncate(1);
    found
}

fn all_listen(subject: &Subject, port: &str) -> String {
    format!("{} processes of `{}` are to listen on port {port}", subject.processes, subject.name)
}

/// The port that a command listens on, the same for each process.
fn port_of(words: &[String], numbered: bool) -> Option<String> {
    let words = without_prefix(words);
    let program = base(words.first()?);
    if CLIENTS.contains(&program) || words.iter().any(|word| CLIENTS.contains(&base(word))) {
        return None;
    }
    let same = |text: &str| !(numbered && text.contains("%(process_num)"));
    if let Some(port) = value_of(words, &PORTS).filter(|text| same(text)) {
        return is_port(port).then(|| port.to_owned());
    }
    let address = value_of(words, &ADDRESSES)?;
    let port = address.rsplit_once(':').map_or("", |(_, port)| port);
    // `unix:/run/x.sock` and `fd://3` are no ports.
    (same(address) && is_port(port)).then(|| port.to_owned())
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::super::subject::{subject, subject_with};
    use super::super::{said, said_together};
    use super::*;

    const LOG: &str = "command=x\nstdout_logfile=/l/w.log\n";

    #[test]
    fn log_of_several_processes_is_found() {
        let said = |text: &str| said("shared-log", subject(text)).join("");
        let several = format!("{LOG}numprocs=4\nprocess_name=%(process_num)d\n");
        assert_eq!(
            said(&several),
            "4 processes of `w` write to /l/w.log, which supervisord rotates"
        );
        assert_ne!(said(&format!("{several}redirect_stderr=true\nstderr_logfile=/l/w.log")), "");
        for silent in [
            LOG.to_owned(),
            format!("{several}stdout_logfile_maxbytes=0\n"),
            format!("{several}stdout_logfile_maxbytes=0MB\n"),
            several.replace("/l/w.log", "/l/w-%(process_num)02d.log"),
            several.replace("/l/w.log", "/dev/stdout"),
            several.replace("/l/w.log", "NONE"),
            several.replace("/l/w.log", "AUTO"),
            several.replace("stdout_logfile=/l/w.log", ""),
            // Two streams of one process are no two processes.
            format!("{LOG}stderr_logfile=/l/w.log\n"),
        ] {
            assert_eq!(said(&silent), "", "{silent}");
        }
    }

    #[test]
    fn log_of_two_programs_is_found_at_both() {
        let one = |name: &str, text: &str| subject(&format!("[program:{name}]\n{text}"));
        let found = said_together("shared-log", &[one("a", LOG), one("b", LOG)]);
        assert_eq!(
            found,
            [
                "a: `a` and `b` write to /l/w.log, which supervisord rotates",
                "b: `b` and `a` write to /l/w.log, which supervisord rotates"
            ]
        );
        let named = "command=x\nstdout_logfile=/l/%(program_name)s.log\n";
        assert!(said_together("shared-log", &[one("a", named), one("b", named)]).is_empty());
        let off = format!("{LOG}stdout_logfile_maxbytes=0\n");
        assert!(said_together("shared-log", &[one("a", &off), one("b", &off)]).is_empty());
    }

    /// Between separate sections `process_num` is 0 everywhere.
    #[test]
    fn number_of_separate_instances_tells_nothing_apart() {
        let text = "command=node x --port 80%(process_num)02d\nnumprocs=2\n\
                    stdout_logfile=/l/%(process_num)d.log";
        let apart = subject(text);
        let separate = Subject { numbered: false, ..subject(text) };
        assert_eq!(said("shared-log", apart).len(), 0);
        assert_eq!(said("shared-log", separate).len(), 1);
    }

    #[test]
    fn port_of_several_processes_is_found() {
        let found = |text: &str| {
            said(
                "fixed-port",
                subject(&format!("numprocs=2\nprocess_name=%(process_num)d\n{text}")),
            )
            .join("")
        };
        for command in [
            "node server.js --port 8080",
            "python manage.py runserver --port=8080",
            "gunicorn app:app -b 0.0.0.0:8080",
            "uvicorn app:app --host 0.0.0.0 --port 8080",
            "php -S 127.0.0.1:8080",
            "daphne -p 8080 app",
            "sh -c 'exec puma --bind tcp://0.0.0.0:8080'",
        ] {
            assert!(found(&format!("command={command}")).contains("8080"), "{command}");
        }
        for command in [
            "node server.js --port 80%(process_num)02d",
            "gunicorn app:app -b unix:/run/app.sock",
            "php artisan queue:work redis://127.0.0.1:6379",
            "mysqldump --port 3306",
            "celery -A p worker -b redis://localhost:6379",
            "python worker.py --redis-port 6379",
            "server --port 0",
            "uvicorn app:app --port 8080 --reuse-port",
            "server --port=%(ENV_PORT)s",
            "mkdir -p 8",
        ] {
            let text = found(&format!("command={command}"));
            assert!(text.is_empty() || command == "mkdir -p 8", "{command}: {text}");
        }
        assert_eq!(said("fixed-port", subject("command=node x --port 8080")).len(), 0);
        let fcgi = "[fcgi-program:w]\ncommand=x --port 8080\nnumprocs=2\nsocket=tcp://x:1";
        assert_eq!(said("fixed-port", subject(fcgi)).len(), 0);
    }

    #[test]
    fn port_is_found_in_variables_probe_and_script() {
        let several = || subject("command=node x.js\nnumprocs=3");
        let with = |name: &str, value: &str| Subject {
            variables: vec![(name.to_owned(), value.to_owned())],
            ..several()
        };
        assert_eq!(said("fixed-port", with("PORT", "3000")).len(), 1);
        assert_eq!(said("fixed-port", with("DB_PORT", "3306")).len(), 0);
        assert_eq!(said("fixed-port", with("PORT", "30%(process_num)02d")).len(), 0);
        let probed = |at: &str| Subject { probe: Some(at.to_owned()), ..several() };
        assert_eq!(said("fixed-port", probed("localhost:80")).len(), 1);
        assert_eq!(said("fixed-port", probed("db.internal:80")).len(), 0);
        let script = "#!/bin/sh\nexec node x.js --port 3000\n";
        let scripted = subject_with("command=runner.sh w.sh\nnumprocs=2", script);
        assert_eq!(said("fixed-port", scripted).len(), 1);
    }
}
