//! What we write against what supervisord itself reads back from it.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "writes the files for the judge")]

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use supervisor_sync::desired::{DaemonFacts, DesiredSite, FileKind, render};
use supervisor_sync::inventory::{
    AbsolutePath, Autorestart, CommandLine, Directory, Domain, EnvironmentName, EnvironmentValue,
    Format, Instances, Paths, Program, ProgramName, ProgramUser, Run, ScriptPath, Signal, Site,
    UserName,
};

use supervisor_sync::supervisord::defaults;

use crate::python;

/// Reads a main config as `supervisord -c` does, and tells what its programs are.
const REALIZE: &str = r"
import io, json, signal, sys
from supervisor.options import ServerOptions
FIELDS = '''command directory uid autostart startsecs startretries stopwaitsecs stopasgroup
    killasgroup exitcodes priority umask environment redirect_stderr stdout_logfile stderr_logfile
    stdout_logfile_maxbytes'''.split()
for line in sys.stdin:
    options = ServerOptions()
    options.stderr = io.StringIO()
    try:
        options.realize(['-c', json.loads(line)], doc='x')
        groups = {}
        for group in options.process_group_configs:
            for process in group.process_configs:
                told = {field: getattr(process, field) for field in FIELDS}
                told['stopsignal'] = signal.Signals(int(process.stopsignal)).name[3:]
                told['autorestart'] = process.autorestart.__name__ \
                    if isinstance(process.autorestart, type) else process.autorestart
                groups.setdefault(group.name, {})[process.name] = told
        answer = {'groups': groups}
    except SystemExit:
        answer = {'refused': options.stderr.getvalue()}
    print(json.dumps(answer))
";

/// Pieces that mean something to one of the readers on the way: INI, `%`, shlex, the shell.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "%",
        "%%",
        "%(here)s",
        "%(program_name)s",
        "%(ENV_HOME)s",
        "%(",
        "%d",
        ";",
        "#",
        " ",
        "  ",
        "=",
        ":",
        ",",
        "'",
        "\"",
        "\\",
        "$HOME",
        "`id`",
        "~",
        "(",
        ")",
        "@",
        "/",
        "a",
        "B",
        "=x,C=",
        "[program:x]",
        "&",
        "?",
        "!",
        "é",
        "\t",
        "0",
    ]);
    prop_oneof![
        2 => prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat()),
        1 => "[ -~]{0,30}",
    ]
}

fn several_lines() -> impl Strategy<Value = String> {
    prop::collection::vec(nasty(), 2..4).prop_map(|lines| lines.join("\n"))
}

fn checked<T: std::fmt::Debug, E>(
    texts: impl Strategy<Value = String>,
    parse: fn(&str) -> Result<T, E>,
) -> impl Strategy<Value = T> {
    texts.prop_filter_map("not accepted by its type", move |text| parse(&text).ok())
}

fn run() -> impl Strategy<Value = Run> {
    prop_oneof![
        checked("[a-z@,+._/-]{1,20}", ScriptPath::parse).prop_map(Run::Script),
        checked(nasty(), CommandLine::parse).prop_map(Run::Command),
        checked(several_lines(), CommandLine::parse).prop_map(Run::Command),
    ]
}

fn environment() -> impl Strategy<Value = BTreeMap<EnvironmentName, EnvironmentValue>> {
    let name = checked("[A-Za-z_][A-Za-z0-9_]{0,8}", EnvironmentName::parse);
    prop::collection::btree_map(name, checked(nasty(), EnvironmentValue::parse), 0..4)
}

/// A program with the options that every file has.
fn plain_program() -> impl Strategy<Value = Program> {
    let autorestart = prop::sample::select(vec![
        Autorestart::Always,
        Autorestart::Never,
        Autorestart::Unexpected,
    ]);
    let user = prop::sample::select(vec!["root", "nobody", "daemon"]);
    let instances = prop::sample::select(vec![Instances::Together, Instances::Separate]);
    (
        (checked("[A-Za-z0-9_-]{1,12}", ProgramName::parse), run()),
        prop::option::of(checked("[/~]?[a-z@,+._:=/ -]{0,20}", Directory::parse)),
        prop::option::of(user.prop_map(|name| ProgramUser::parse(name).unwrap())),
        (any::<bool>(), autorestart),
        0..9999_u32,
        (prop_oneof![4 => 1..5_u32, 1 => 99..103_u32], instances),
    )
        .prop_map(
            |((name, run), directory, user, starts, stopwaitsecs, (numprocs, instances))| {
                let (autostart, autorestart) = starts;
                let program = Program::new(name, run);
                Program {
                    directory,
                    user,
                    autostart,
                    autorestart,
                    stopwaitsecs,
                    numprocs,
                    instances,
                    ..program
                }
            },
        )
}

/// A program with any of the others set.
fn program() -> impl Strategy<Value = Program> {
    use prop::option::of;
    let numbers = (of(0..99_u32), of(0..99_u32), of(-999..9999_i32), of(0..0o777_u32));
    let signal = of(prop::sample::select(Signal::ALL.to_vec()));
    let as_group = (of(any::<bool>()), of(any::<bool>()));
    let exitcodes = of(prop::collection::vec(any::<u8>(), 1..4));
    (plain_program(), numbers, signal, as_group, exitcodes, environment()).prop_map(
        |(program, numbers, stopsignal, (stopasgroup, killasgroup), exitcodes, environment)| {
            let (startsecs, startretries, priority, umask) = numbers;
            let mut program = Program { environment, ..program };
            let number = |number: u32| number.to_string();
            let statuses = |codes: Vec<u8>| codes.iter().map(u8::to_string).collect::<Vec<_>>();
            for (name, value) in [
                ("startsecs", startsecs.map(number)),
                ("startretries", startretries.map(number)),
                ("stopsignal", stopsignal.map(|signal| signal.as_str().to_owned())),
                ("stopasgroup", stopasgroup.map(|asked: bool| asked.to_string())),
                ("killasgroup", killasgroup.map(|asked: bool| asked.to_string())),
                ("exitcodes", exitcodes.map(|codes| statuses(codes).join(","))),
                ("priority", priority.map(|number| number.to_string())),
                ("umask", umask.map(|bits| format!("{bits:03o}"))),
            ] {
                value.into_iter().for_each(|value| program.supervisord.set(name, value));
            }
            program
        },
    )
}

fn site(root: &Path) -> impl Strategy<Value = Site> + use<> {
    let paths = Paths {
        conf_dir: path(root, "conf.d"),
        logrotate_dir: path(root, "logrotate.d"),
        log_dir: path(root, "log"),
        ..Paths::default()
    };
    let domain = checked("[a-z0-9][A-Za-z0-9._-]{0,12}", Domain::parse);
    let format = prop::sample::select(vec![Format::Classic, Format::Hardened]);
    (domain, format, prop::collection::vec(program(), 1..3)).prop_map(
        move |(domain, format, mut programs)| {
            programs.dedup_by(|a, b| a.name == b.name);
            let user = UserName::parse("daemon").unwrap();
            Site {
                domain,
                user,
                format,
                config_files: Default::default(),
                config_suffix: Default::default(),
                configs: Vec::new(),
                groups: Vec::new(),
                paths: paths.clone(),
                programs,
            }
        },
    )
}

fn path(root: &Path, name: &str) -> AbsolutePath {
    AbsolutePath::parse(root.join(name).to_str().unwrap()).unwrap()
}

/// supervisord's processes by group and name, from the site alone.
fn meant(site: &Site) -> Value {
    let mut groups: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for program in &site.programs {
        let full = format!("{}-{}", site.domain, program.name);
        let one = process(site, program, &full);
        for number in 0..program.numprocs {
            let numbered = format!("{full}_{number:02}");
            let (group, name) = match (program.instances, program.numprocs) {
                (Instances::Separate, _) => (numbered.clone(), numbered),
                (Instances::Together, 1) => (full.clone(), full.clone()),
                (Instances::Together, _) => (full.clone(), numbered),
            };
            groups.entry(group).or_default().insert(name, one.clone());
        }
    }
    json!({ "groups": groups })
}

fn process(site: &Site, program: &Program, full: &str) -> Value {
    let hardened = site.format == Format::Hardened;
    let log = format!("{}/{full}.log", site.paths.log_dir);
    let root = format!("/home/deployer/sites/{}", site.domain);
    let command = match &program.run {
        Run::Script(script) => format!("{root}/runner.sh .deployer/supervisors/{script}"),
        Run::Command(command) => command.to_string(),
    };
    let set = &program.supervisord;
    let signal = |name: &str| Signal::parse(name).unwrap();
    let stopasgroup = set.boolean("stopasgroup");
    let killasgroup = set.boolean("killasgroup").unwrap_or(hardened || stopasgroup == Some(true));
    let environment: BTreeMap<_, _> =
        program.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    json!({
        "command": command,
        "directory": program.directory.as_ref().map_or(format!("{root}/current"), |d| d.to_string()),
        "uid": match program.user.as_ref().map_or(site.user.as_str(), |user| user.as_str()) {
            "root" => 0,
            "daemon" => 1,
            _ => 65534,
        },
        "autostart": program.autostart,
        "autorestart": match program.autorestart {
            Autorestart::Always => json!("RestartUnconditionally"),
            Autorestart::Never => json!(false),
            Autorestart::Unexpected => json!("RestartWhenExitUnexpected"),
        },
        "startsecs": set.number("startsecs").unwrap_or(defaults::STARTSECS),
        "startretries": set.number("startretries").unwrap_or(defaults::STARTRETRIES),
        "stopwaitsecs": program.stopwaitsecs,
        "stopsignal": set.get("stopsignal").map_or(Signal::Term, signal).as_str(),
        "stopasgroup": stopasgroup.unwrap_or(hardened && killasgroup),
        "killasgroup": killasgroup,
        "exitcodes": set.exit_statuses().unwrap_or(defaults::EXITCODES.to_vec()),
        "priority": set.get("priority").map_or(defaults::PRIORITY.into(), |n| n.parse::<i64>().unwrap()),
        "umask": set.get("umask").map(|bits| u32::from_str_radix(bits, 8).unwrap()),
        "environment": environment,
        "redirect_stderr": hardened,
        "stdout_logfile": log,
        "stderr_logfile": if hardened { None } else { Some(&log) },
        "stdout_logfile_maxbytes": if hardened { 0 } else { 50 << 20 },
    })
}

/// Writes the site's files below `root`, with a main config that includes them; returns its path.
fn write(root: &Path, desired: &DesiredSite) -> String {
    for folder in ["conf.d", "logrotate.d", "log"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for (path, file) in &desired.files {
        std::fs::write(path, &file.bytes).unwrap();
    }
    let main = root.join("supervisord.conf");
    std::fs::write(&main, "[supervisord]\nuser=root\n[include]\nfiles=conf.d/*.conf\n").unwrap();
    main.to_str().unwrap().to_owned()
}

#[test]
fn supervisord_reads_back_what_was_meant() {
    let pythons = python::interpreters();
    let folder = tempfile::tempdir().expect("a folder");
    let mut runner = TestRunner::deterministic();
    let (mut sites, mut questions) = (Vec::new(), Vec::new());
    for number in 0..400 {
        let root = folder.path().join(number.to_string());
        let site = site(&root).new_tree(&mut runner).expect("a site").current();
        // The few that supervisord could not have are refused, and have no files to read.
        let Ok(desired) = render(&site, &DaemonFacts::default()) else { continue };
        questions.push(json!(write(&root, &desired)));
        sites.push(site);
    }
    assert!(sites.len() > 280, "only {} sites could be rendered", sites.len());
    for python in pythons {
        for (site, told) in sites.iter().zip(python::ask(&python, REALIZE, &questions)) {
            let expected = meant(site);
            assert_eq!(told, expected, "{python}: {site:#?}");
        }
    }
}

#[test]
fn announced_groups_match_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let site = site(folder.path()).new_tree(&mut runner).expect("a site").current();
        let Ok(desired) = render(&site, &DaemonFacts::default()) else { continue };
        let expected = meant(&site);
        for (name, group) in &desired.groups {
            let processes = expected["groups"][name].as_object().unwrap();
            assert_eq!(processes.len() as u64, u64::from(group.numprocs), "{name}");
            let process = processes.values().next().unwrap();
            assert_eq!(process["startsecs"], group.startsecs);
            assert_eq!(process["startretries"], group.startretries);
            assert_eq!(process["exitcodes"], json!(group.exitcodes));
            assert_eq!(process["stopwaitsecs"], group.stopwaitsecs);
            assert_eq!(process["autostart"], group.autostart);
            assert_eq!(process["stdout_logfile"], json!(group.log));
        }
        assert_eq!(desired.groups.len(), expected["groups"].as_object().unwrap().len());
        let secrets = desired.files.values().filter(|file| file.secret);
        assert!(secrets.clone().all(|file| file.kind == FileKind::Supervisor));
        let with_secrets = site.programs.iter().filter(|program| !program.environment.is_empty());
        assert_eq!(secrets.count(), with_secrets.count());
    }
}
