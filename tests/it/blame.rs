//! Whose file breaks supervisord's configuration, on a real one: the file that set the value it refuses,
//! whatever its own words say, and never an innocent one.

#![expect(clippy::disallowed_methods, reason = "writes files of others")]

use crate::daemon::Options;
use crate::hints::Hint;
use crate::site::Host;

/// A value in `bad.conf`, or a file of that name; the others are innocent.
struct Case {
    /// What is in `a.conf`, read before it.
    a: &'static str,
    /// What is in `bad.conf`.
    bad: &'static str,
    /// What is in `z.conf`, read after it.
    z: &'static str,
    /// The value, as the refusal names it; empty where the whole file cannot be read.
    what: &'static str,
    /// Its line.
    line: u32,
}

const RUNS: &str = "[program:web]\ncommand=/bin/sleep 1000\n";

const fn bad(bad: &'static str, what: &'static str, line: u32) -> Case {
    Case { a: RUNS, bad, z: "", what, line }
}

/// The same with another innocent file than the usual one before it.
const fn beside(a: &'static str, bad: &'static str, what: &'static str, line: u32) -> Case {
    Case { a, bad, z: "", what, line }
}

const CASES: &[Case] = &[
    // A program of its own, and a value in a section that came with another file.
    bad("[program:x]\ncommand=/bin/cat\nuser=nobody-here\n", "user of [program:x]", 3),
    bad("[program:web]\nuser=nobody-here\n", "user of [program:web]", 2),
    bad("[program:web]\nnumprocs=2\n", "numprocs of [program:web]", 2),
    bad("[program:web]\nnumprocs=many\n", "numprocs of [program:web]", 2),
    bad("[program:web]\nautostart=perhaps\n", "autostart of [program:web]", 2),
    bad("[program:web]\nautorestart=perhaps\n", "autorestart of [program:web]", 2),
    bad("[program:web]\nstopsignal=NONE\n", "stopsignal of [program:web]", 2),
    bad("[program:web]\nexitcodes=0,many\n", "exitcodes of [program:web]", 2),
    bad("[program:web]\numask=9\n", "umask of [program:web]", 2),
    bad("[program:web]\nprocess_name=a b\n", "process_name of [program:web]", 2),
    bad(
        "[program:web]\nstdout_logfile=/no/such/%(program_name)s.log\n",
        "stdout_logfile of [program:web]",
        2,
    ),
    bad("[program:web]\nstderr_logfile=/no/such/x.log\n", "stderr_logfile of [program:web]", 2),
    bad(
        "[program:web]\nstdout_logfile_maxbytes=5xMB\n",
        "stdout_logfile_maxbytes of [program:web]",
        2,
    ),
    bad("[program:web]\ncommand=run %(ENV_NOPE)s\n", "command of [program:web]", 2),
    bad("[program:web]\ncommand=date +%d\n", "command of [program:web]", 2),
    bad("[program:web]\nenvironment=A\n", "environment of [program:web]", 2),
    bad("[program:web]\nenvironment=A=\"%(ENV_NOPE)s\"\n", "environment of [program:web]", 2),
    bad("[program:web]\nenvironment=A=\"x\n", "environment of [program:web]", 2),
    bad("[program:web]\npriority=high\n", "priority of [program:web]", 2),
    bad("[program:web]\nstopasgroup=true\nkillasgroup=false\n", "killasgroup of [program:web]", 3),
    beside(
        "[program:web]\ncommand=/bin/cat\nkillasgroup=false\n",
        "[program:web]\nstopasgroup=true\n",
        "stopasgroup of [program:web]",
        2,
    ),
    beside(
        "[program:web]\ncommand=/bin/cat\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)d\n",
        "[program:web]\nprocess_name=web\n",
        "process_name of [program:web]",
        2,
    ),
    bad("[program:x]\nautostart=true\n", "[program:x]", 1),
    bad("[program:a b]\ncommand=/bin/cat\n", "[program:a b]", 1),
    // Another kind of section of the same name.
    bad("[eventlistener:web]\ncommand=/bin/cat\n", "[eventlistener:web]", 1),
    bad("[eventlistener:web]\ncommand=/bin/cat\nevents=NONE\n", "events of [eventlistener:web]", 3),
    bad(
        "[eventlistener:web]\ncommand=/bin/cat\nevents=TICK_5\nbuffer_size=0\n",
        "buffer_size of [eventlistener:web]",
        4,
    ),
    bad(
        "[eventlistener:web]\ncommand=/bin/cat\nevents=TICK_5\nredirect_stderr=true\n",
        "redirect_stderr of [eventlistener:web]",
        4,
    ),
    bad(
        "[eventlistener:web]\ncommand=/bin/cat\nevents=TICK_5\nresult_handler=no:thing\n",
        "result_handler of [eventlistener:web]",
        4,
    ),
    bad(
        "[eventlistener:web]\ncommand=/bin/cat\nevents=TICK_5\nuser=nobody-here\n",
        "user of [eventlistener:web]",
        4,
    ),
    bad("[group:web]\nprograms=web,gone\n", "programs of [group:web]", 2),
    bad("[group:all]\nprograms=web\npriority=high\n", "priority of [group:all]", 3),
    bad("[fcgi-program:web]\ncommand=/bin/cat\n", "[fcgi-program:web]", 1),
    bad("[fcgi-program:web]\ncommand=/bin/cat\nsocket=x\n", "socket of [fcgi-program:web]", 3),
    bad(
        "[fcgi-program:web]\ncommand=/bin/cat\nsocket=unix:///tmp/x\nuser=nobody-here\n",
        "user of [fcgi-program:web]",
        4,
    ),
    bad(
        "[fcgi-program:web]\ncommand=/bin/cat\nsocket=unix:///tmp/x\nsocket_mode=9\n",
        "socket_mode of [fcgi-program:web]",
        4,
    ),
    // What is the daemon's.
    bad("[supervisord]\nlogfile=/no/such/folder/log\n", "logfile of [supervisord]", 2),
    bad("[supervisord]\npidfile=/no/such/folder/pid\n", "pidfile of [supervisord]", 2),
    bad("[supervisord]\nchildlogdir=/no/such/folder\n", "childlogdir of [supervisord]", 2),
    bad("[supervisord]\nloglevel=loud\n", "loglevel of [supervisord]", 2),
    bad("[supervisord]\nlogfile_maxbytes=much\n", "logfile_maxbytes of [supervisord]", 2),
    bad("[supervisord]\nminfds=few\n", "minfds of [supervisord]", 2),
    bad("[supervisord]\nnodaemon=perhaps\n", "nodaemon of [supervisord]", 2),
    bad("[supervisord]\numask=9\n", "umask of [supervisord]", 2),
    bad("[supervisord]\nenvironment=A\n", "environment of [supervisord]", 2),
    bad("[supervisord]\nidentifier=%(ENV_NOPE)s\n", "identifier of [supervisord]", 2),
    bad("[unix_http_server]\nchown=nobody-here\n", "chown of [unix_http_server]", 2),
    bad("[unix_http_server]\nchmod=9\n", "chmod of [unix_http_server]", 2),
    bad("[unix_http_server]\nusername=x\n", "username of [unix_http_server]", 2),
    bad("[unix_http_server]\nfile=%(ENV_NOPE)s\n", "file of [unix_http_server]", 2),
    bad("[inet_http_server]\nport=http\n", "port of [inet_http_server]", 2),
    bad("[inet_http_server]\nport=127.0.0.1:99999\n", "port of [inet_http_server]", 2),
    bad("[inet_http_server]\nusername=x\npassword=y\n", "[inet_http_server]", 1),
    bad("[rpcinterface:x]\n", "[rpcinterface:x]", 1),
    bad(
        "[rpcinterface:x]\nsupervisor.rpcinterface_factory=no:thing\n",
        "supervisor.rpcinterface_factory of [rpcinterface:x]",
        2,
    ),
    bad(
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=no.such:thing\n",
        "supervisor.rpcinterface_factory of [rpcinterface:supervisor]",
        2,
    ),
    // What one file says for all.
    bad("[DEFAULT]\nuser=nobody-here\n", "user of [DEFAULT]", 2),
    bad("[DEFAULT]\nautostart=perhaps\n", "autostart of [DEFAULT]", 2),
    // The same value elsewhere, where it is right.
    Case {
        a: "[program:web]\ncommand=/bin/cat\ndirectory=perhaps\n",
        bad: "[program:x]\ncommand=/bin/cat\nautostart=perhaps\n",
        z: "[program:z]\ncommand=/bin/echo perhaps\nautostart=true\n",
        what: "autostart of [program:x]",
        line: 3,
    },
    // A later file has the last word.
    Case {
        a: "[program:web]\ncommand=/bin/cat\nuser=nobody-at-first\n",
        bad: "[program:web]\nuser=nobody-here\n",
        z: "[program:web]\nautostart=true\n",
        what: "user of [program:web]",
        line: 2,
    },
    // Whole files.
    bad("no section\n", "", 1),
    bad("[program:x]\nnonsense\n", "", 2),
    bad("\u{feff}[program:x]\ncommand=/bin/cat\n", "", 1),
];

/// The host's own supervisord has nothing but our program, and each case comes and goes.
#[test]
fn file_with_refused_value_is_named() {
    let host = or_skip!(wanting_host());
    let mut wrong = Vec::new();
    for case in CASES {
        host.daemon.write_conf("a", case.a);
        host.daemon.write_conf("bad", case.bad);
        host.daemon.write_conf("z", case.z);
        wrong.extend(not_named(&host, case.bad, case.what, case.line));
        for name in ["a", "bad", "z"] {
            host.daemon.remove_conf(name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    host.run(&["plan"]).ended(0);
}

fn wanting_host() -> Option<Host> {
    let host = Host::start()?;
    host.deploy("a.com").worker("w");
    let program = "    supervisors:\n      - {program: w, script: w.sh}\n";
    host.inventory(&format!("  - domain: a.com\n    server: here\n{program}"));
    Some(host)
}

/// What is wrong with the refusal of `bad.conf`, whose text this is.
fn not_named(host: &Host, text: &str, what: &str, line: u32) -> Option<String> {
    let run = host.run(&["apply", "--yes"]);
    let bad = host.conf("bad").display().to_string();
    let named = match what {
        "" => format!("already broken by {bad}, line {line}: "),
        what => format!("already broken by {bad}, line {line} ({what}): "),
    };
    let hint = run.stderr.lines().find(|line| line.starts_with("hint: ")).unwrap_or_default();
    let innocent = [host.conf("a"), host.conf("z"), host.daemon.main_conf()];
    let is_innocent_named = innocent.iter().map(|path| path.display().to_string()).any(|file| {
        // supervisord's own words stay as they are.
        run.stderr.replace(&format!("(file: '{file}')"), "").contains(&file)
    });
    let is_right = run.status == 1
        && run.stderr.contains(&named)
        && hint.contains(&bad)
        && hint.contains("move away") == what.is_empty()
        && !is_innocent_named;
    (!is_right).then(|| format!("{text}-> {named}\n{}", run.stderr))
}

/// supervisord reads text in the encoding of its environment, and says nothing of the file.
#[test]
fn file_without_text_is_named() {
    let host = or_skip!(wanting_host());
    host.daemon.write_conf("a", "; caf\u{e9}\n[program:web]\ncommand=/bin/cat\n");
    std::fs::write(host.conf("bad"), b"; one\n; caf\xe9\n[program:x]\ncommand=/bin/cat\n").unwrap();
    assert_eq!(not_named(&host, "Latin 1", "", 2), None);
}

/// The main file is no file to be moved away.
#[test]
fn broken_main_file_stays() {
    let host = or_skip!(wanting_host());
    host.daemon.write_conf("a", RUNS);
    let main = host.daemon.main_conf();
    let text = std::fs::read_to_string(&main).unwrap();
    for (broken, what) in [
        (text.replace("logfile=", "loglevel=loud\nlogfile="), "loglevel of [supervisord]"),
        (format!("{text}[program:x]\ncommand=/bin/cat\nnumprocs=2\n"), "numprocs of [program:x]"),
    ] {
        std::fs::write(&main, broken).unwrap();
        let said = host.run(&["apply", "--yes"]).ended(1).stderr;
        assert!(said.contains(&format!("({what})")), "{said}");
        assert!(said.contains(&format!("already broken by {}, line ", main.display())), "{said}");
        assert!(said.contains(&format!("hint: correct {what} in {}", main.display())), "{said}");
        assert!(!said.contains("a.conf"), "{said}");
    }
}

/// Nothing tells which of two files is wrong: both are named, and none is to be moved away.
#[test]
fn unclear_blame_names_all_suspects() {
    let host = or_skip!(wanting_host());
    host.daemon.write_conf("a", "[program:x]\nautostart=true\n");
    host.daemon.write_conf("b", "[program:x]\nautorestart=true\n");
    host.daemon.write_conf("c", RUNS);
    let said = host.run(&["apply", "--yes"]).ended(1).stderr;
    let [a, b] = ["a", "b"].map(|name| host.conf(name).display().to_string());
    assert!(said.contains(&format!("broken by one of {a}, {b} ([program:x])")), "{said}");
    assert!(said.contains("hint: see what it says: supervisorctl reread"), "{said}");
    assert!(!said.contains("c.conf") && !said.contains("move away"), "{said}");
    let json = host.run(&["plan", "--json"]).stdout;
    assert!(json.contains(&format!("\"candidates\":[\"{a}\",\"{b}\"]")), "{json}");
}

/// What `[DEFAULT]` and `[supervisord]` of somebody else's file say is part of every program.
#[test]
fn file_behind_every_change_is_named() {
    for (text, extra) in [
        ("[supervisord]\nenvironment=A=\"s3cr3t\"\n", ""),
        ("[DEFAULT]\nstartsecs=3\n", ""),
        ("[supervisord]\nenvironment=A=\"s3cr3t\"\n", "[program:other]\ncommand=/bin/sleep 1000\n"),
    ] {
        let options = Options { extra: extra.to_owned(), ..Options::default() };
        let host = or_skip!(Host::start_with(options));
        host.deploy("a.com").worker("w");
        let program = "    supervisors:\n      - {program: w, script: w.sh}\n";
        host.inventory(&format!("  - domain: a.com\n    server: here\n{program}"));
        host.run(&["apply", "--yes"]).ended(0);
        host.run(&["plan", "--exit-code"]).ended(0);
        host.daemon.write_conf("theirs", text);
        let theirs = host.conf("theirs").display().to_string();
        let run = host.run(&["plan"]).ended(0);
        let run = run.says(&format!("{theirs} changes every program"));
        assert!(!run.stdout.contains("newer") && !run.stdout.contains("s3cr3t"), "{}", run.stdout);
        let status = host.run(&["status", "--deep"]).ended(3);
        let said = status.says("a.com-w is changed by a file that changes every program").stdout;
        let hint = Hint("is changed by a file that changes every program: `supervisor-sync plan");
        host.follow(&said, hint).ended(0).says(&format!("{theirs} changes every program"));
        let json = host.run(&["plan", "--json"]).stdout;
        assert!(json.contains(&format!("\"by\":[\"{theirs}\"]")), "{json}");
        // Its own file is another matter.
        host.daemon.remove_conf("theirs");
        let own = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
        std::fs::write(host.conf("a.com-w"), format!("{own}startsecs=5\n")).unwrap();
        assert!(host.daemon.supervisorctl(&["reread"]).status.success());
        let plan = host.run(&["plan"]).ended(0).stdout;
        assert!(!plan.contains("every program"), "{plan}");
    }
}
