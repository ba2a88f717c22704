//! Any valid file that is normalised says the same to supervisord afterwards, by supervisord's own parser.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use supervisor_sync::import::{Trial, try_file};
use supervisor_sync::supervisord::{Environment, ReadBy};

use crate::python;

/// Reads a file as supervisord does, and answers with all that it compares of each process.
const READ: &str = r"
import io, json, os, sys
from supervisor.options import ServerOptions, UnhosedConfigParser
os.environ['HOME'] = '/root'
FIELDS = '''name uid command directory umask priority autostart autorestart startsecs startretries
stdout_logfile stdout_capture_maxbytes stdout_events_enabled stdout_syslog stdout_logfile_backups
stdout_logfile_maxbytes stderr_logfile stderr_capture_maxbytes stderr_events_enabled stderr_syslog
stderr_logfile_backups stderr_logfile_maxbytes stopsignal stopwaitsecs stopasgroup killasgroup exitcodes
redirect_stderr environment serverurl'''.split()
def seen(value):
    return repr(int(value)) if isinstance(value, int) else repr(value)
for line in sys.stdin:
    options = ServerOptions()
    options.here = '/etc/supervisor/conf.d'
    options.environ_expansions = {'ENV_HOME': '/root', 'ENV_A': 'a,b', 'ENV_USER': 'daemon'}
    parser = UnhosedConfigParser()
    parser.expansions = options.environ_expansions
    try:
        parser.read_file(io.StringIO(json.loads(line), newline=None))
        groups = options.process_groups_from_parser(parser)
        answer = [[group.name, group.priority,
            [[seen(getattr(process, field)) for field in FIELDS] for process in group.process_configs]]
            for group in groups]
    except ValueError as error:
        answer = str(error)
    print(json.dumps(answer))
";

fn value(option: &'static str) -> BoxedStrategy<String> {
    let from = |values: &'static [&'static str]| {
        prop::sample::select(values.to_vec()).prop_map(str::to_owned)
    };
    match option {
        "autostart"
        | "redirect_stderr"
        | "killasgroup"
        | "stdout_events_enabled"
        | "stdout_syslog" => {
            from(&["true", "false", "TRUE", "yes", "no", "on", "off", "1", "0"]).boxed()
        }
        "autorestart" => from(&["true", "false", "unexpected", "Unexpected", "1"]).boxed(),
        "stopsignal" => from(&["TERM", "SIGTERM", "quit", "sigusr2", "HUP", "9", "WINCH"]).boxed(),
        "exitcodes" => from(&["0", "0,2", "2, 0", "255", "0,0"]).boxed(),
        "umask" => from(&["022", "0o22", "7", "0077"]).boxed(),
        "stdout_logfile" | "stderr_logfile" => from(&[
            "/tmp/x.log",
            "NONE",
            "none",
            "off",
            "AUTO",
            "auto",
            "/dev/stdout",
            "/dev/null",
            "syslog",
            "/tmp/%(program_name)s-%(process_num)02d.log",
            "/tmp/%%(program_name)s",
            "/tmp/a b.log",
            "x.log",
            "~/x.log",
            "logs/%(program_name)s",
        ])
        .boxed(),
        "stdout_logfile_maxbytes" | "stderr_capture_maxbytes" => {
            from(&["0", "1MB", "1mb", "512KB", "1GB", "52428800"]).boxed()
        }
        "environment" => from(&[
            "A=1",
            "A=\"1\",B='two words'",
            "A=\"x;y\"",
            "A='%(ENV_HOME)s'",
            "A=%(ENV_HOME)s",
            "A=%(ENV_A)s",
            "A=%(ENV_HOME)s/x,B=\"%(ENV_HOME)s\"",
            "C=%(process_num)d",
            "A=\"%%\"",
            "A=\"a,b\"\n  ,B=2",
            "A=\"it's\"",
            "A='\"'",
            "A=\"\"",
            "A=\"back\\slash\"",
            "A=x,A=y",
            "PATH=\"/x:%(ENV_HOME)s\"",
            "A=\" padded \"",
            "A='%(ENV_A)s'",
        ])
        .boxed(),
        "command" => from(&[
            "/bin/cat",
            "cat  -n",
            "cat 'a b'",
            "cat 100%%",
            "cat %(process_num)d",
            "cat %(here)s/x",
            "cat \\",
            "cat \"",
            "cat\n  -n",
            "cat %(ENV_HOME)s %%",
            "cat: x",
            "cat - x",
            "true",
            "cat #x",
            "cat\n  'a\n  b'\n  ; why\n  -n",
        ])
        .boxed(),
        "directory" => {
            from(&["/tmp", "/tmp/", "tmp", "%(here)s", "/tmp/%%", "~/x", "/t//x", "a b", "/a b"])
                .boxed()
        }
        "process_name" => from(&[
            "%(program_name)s",
            "%(program_name)s_%(process_num)02d",
            "x%(process_num)d",
            "x",
            "%(group_name)s",
        ])
        .boxed(),
        "serverurl" => from(&["AUTO", "auto", "http://127.0.0.1:9001", "unix:///tmp/s"]).boxed(),
        "user" => from(&["root", "0", "daemon", "%(ENV_USER)s"]).boxed(),
        _ => from(&["0", "1", "2", "10", "007", "-1", " 5"]).boxed(),
    }
}

const OPTIONS: [&str; 26] = [
    "autostart",
    "autorestart",
    "startsecs",
    "startretries",
    "stopsignal",
    "stopwaitsecs",
    "killasgroup",
    "exitcodes",
    "priority",
    "umask",
    "environment",
    "stdout_logfile",
    "stderr_logfile",
    "process_name",
    "numprocs",
    "numprocs_start",
    "redirect_stderr",
    "stdout_logfile_maxbytes",
    "stderr_capture_maxbytes",
    "stdout_events_enabled",
    "stdout_syslog",
    "serverurl",
    "directory",
    "user",
    "stdout_logfile_backups",
    "no_such_option",
];

/// A file of one or two programs.
fn config() -> impl Strategy<Value = String> {
    let options = prop::sample::subsequence(OPTIONS.to_vec(), 0..9).prop_flat_map(|options| {
        let values = options.into_iter().map(|option| (Just(option), value(option)));
        values.collect::<Vec<_>>()
    });
    let section =
        (value("command"), options, any::<bool>()).prop_map(|(command, options, commented)| {
            let mut text = format!("command={command}\n");
            for (option, value) in options {
                let comment = if commented && !value.contains('\n') { " ; why" } else { "" };
                text += &format!("{option} = {value}{comment}\n");
            }
            text
        });
    let line_ends = prop::sample::select(vec!["\n", "\n", "\n", "\r\n"]);
    (prop::collection::vec(section, 1..3), line_ends).prop_map(|(sections, line_end)| {
        let named = sections.iter().zip(["a", "shop.b"]);
        let text: String = named
            .map(|(section, name)| format!("; of {name}\n[program:{name}]\n{section}\n"))
            .collect();
        text.replace('\n', line_end)
    })
}

#[test]
fn normalised_file_says_the_same() {
    const CASES: usize = 2000;
    let mut runner = TestRunner::deterministic();
    let (mut texts, mut questions) = (Vec::new(), Vec::new());
    for _ in 0..CASES {
        let text = config().new_tree(&mut runner).expect("a file").current();
        questions.push(json!(text));
        texts.push(text);
    }
    let environment = Environment::given([("HOME", "/root"), ("A", "a,b")]);
    let read_by = ReadBy { version: "4.2.5", environment: Some(&environment) };
    for python in python::interpreters() {
        let before = python::ask(&python, READ, &questions);
        let valid: Vec<(&String, &Value)> =
            texts.iter().zip(&before).filter(|(_, told)| told.is_array()).collect();
        let mut entries = Vec::new();
        for (text, told) in &valid {
            match try_file("x.conf", text.as_bytes(), true, &read_by) {
                Some(Trial::Entries(written)) => {
                    let written = String::from_utf8(written).expect("a text");
                    entries.push((*text, *told, written));
                }
                Some(Trial::AsItIs(copied)) => assert_eq!(copied, text.as_bytes()),
                Some(Trial::NotTaken { .. }) => {}
                None => panic!("nothing is told of {text:?}"),
            }
        }
        let written: Vec<Value> = entries.iter().map(|(.., written)| json!(written)).collect();
        let after = python::ask(&python, READ, &written);
        for ((text, before, written), after) in entries.iter().zip(&after) {
            assert_eq!(**before, *after, "{python}\n{text}\n{written}");
        }
        let (all, valid, said) = (texts.len(), valid.len(), entries.len());
        assert!(
            valid > CASES / 8 && said > valid / 4,
            "{all} files, {valid} valid, {said} by entries"
        );
    }
}

/// Without `--normalise` no byte changes, whatever the way.
#[test]
fn text_stays_unless_it_may_change() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let text = config().new_tree(&mut runner).expect("a file").current();
        match try_file("x.conf", text.as_bytes(), false, &ReadBy::default()) {
            Some(Trial::Entries(bytes) | Trial::AsItIs(bytes)) => {
                assert_eq!(bytes, text.as_bytes())
            }
            Some(Trial::NotTaken { reason }) => assert!(!reason.is_empty()),
            None => panic!("nothing is told of {text:?}"),
        }
    }
}
