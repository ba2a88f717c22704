//! What two spellings of an option say, as the real supervisord compares them: it names each group whose
//! file says something else than what it runs.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use supervisor_sync::supervisord::{Environment, GroupKind, ReadBy, ini, meaning};

use crate::daemon::{Daemon, reread};

/// Legal in every release of 4.x; what runs by them stays down or sleeps.
const PAIRS: [(&str, &str); 31] = [
    ("autostart=yes", ""),
    ("autostart=TRUE", "autostart=on"),
    ("autostart=no", "autostart=0"),
    ("autostart=no", ""),
    ("autorestart=1", "autorestart=true"),
    ("autorestart=unexpected", ""),
    ("autorestart=false", ""),
    ("stopsignal=SIGquit", "stopsignal=QUIT"),
    ("stopsignal=15", "stopsignal=TERM"),
    ("exitcodes=0, 2", "exitcodes=0,2"),
    ("exitcodes=2,0", "exitcodes=0,2"),
    ("stdout_logfile_maxbytes=50MB", ""),
    ("stdout_logfile_maxbytes=1KB", "stdout_logfile_maxbytes=1024"),
    ("stderr_logfile=NONE", "stderr_logfile=off"),
    ("stderr_logfile=AUTO", ""),
    ("stderr_logfile=none", ""),
    ("stopasgroup=true\nkillasgroup=true", "stopasgroup=yes"),
    ("killasgroup=true", ""),
    ("environment=A=1,B=\"two\"", "environment=B='two',A='1'"),
    ("environment=A=1", "environment=A=2"),
    ("numprocs=01", "numprocs=1"),
    ("process_name=%(program_name)s", ""),
    ("priority=999", ""),
    ("startsecs=1\nstartretries=3\nstopwaitsecs=10", ""),
    ("umask=022", "umask=022"),
    ("redirect_stderr=false", ""),
    ("autostrat=false", ""),
    ("events=TICK_5\nautostart=no", "autostart=no"),
    ("environment=A=%(ENV_SSYNC_WORD)s,X=1", "environment=A='%(ENV_SSYNC_WORD)s',X='1'"),
    ("environment=A=%(ENV_SSYNC_WORD)s/b", "environment=A=\"%(ENV_SSYNC_WORD)s/b\""),
    ("environment=A=%(ENV_SSYNC_WORDS)s", "environment=A='%(ENV_SSYNC_WORDS)s'"),
];

/// What supervisord has in its environment.
const VARIABLES: [(&str, &str); 2] = [("SSYNC_WORD", "/srv/app"), ("SSYNC_WORDS", "a,B=b")];

/// Of every pair each program has one.
fn text(of: impl Fn(&(&'static str, &'static str)) -> &'static str) -> String {
    let section =
        |(number, pair)| format!("[program:p{number}]\ncommand=/bin/sleep 1000\n{}\n", of(pair));
    PAIRS.iter().enumerate().map(section).collect()
}

fn means(options: &str) -> BTreeMap<String, String> {
    let parsed = ini::parse(&format!("[program:x]\n{options}\n")).unwrap();
    let entries = parsed.sections.into_iter().flat_map(|section| section.entries);
    let environment = Environment::given(VARIABLES);
    let read_by = ReadBy { version: "4.2.5", environment: Some(&environment) };
    let options = entries.map(|entry| (entry.key, entry.value)).collect();
    meaning(GroupKind::Program, &options, &read_by)
}

/// A difference that supervisord does not see may be told; one that it sees must be.
#[test]
fn supervisord_finds_same_differences() {
    let mut daemon = or_skip!(Daemon::start());
    daemon.stop();
    daemon.set_environment(&VARIABLES);
    daemon.start_again();
    daemon.write_conf("p.conf", &text(|pair| pair.0));
    daemon.supervisorctl(&["update"]);
    daemon.write_conf("p.conf", &text(|pair| pair.1));
    let mut changed = reread(&mut daemon.client()).unwrap().changed;
    changed.sort();
    let mut expected: Vec<String> = PAIRS
        .iter()
        .enumerate()
        .filter(|(_, (one, other))| means(one) != means(other))
        .map(|(number, _)| format!("p{number}"))
        .collect();
    // 15 is TERM, and supervisord compares no log that is AUTO on either side.
    expected.retain(|name| !["p8", "p15"].contains(&name.as_str()));
    expected.sort();
    assert_eq!(changed, expected);
}
