//! From a site to the exact bytes of its files.
//!
//! The order of a program's lines is fixed, so that the bytes change only when their meaning does:
//!
//! 1. the lines of `classic`, in the order of DeployerPHP's script; of `plain` those of them that the
//!    entry says;
//! 2. `stdout_logfile_maxbytes` and `stderr_logfile_maxbytes`, as far as who rotates asks for them;
//! 3. supervisord's own options that the inventory set, each only then, in the order of the tables of
//!    keys (those of `options` last), and `environment` (`hardened` always writes `stopasgroup` and
//!    `killasgroup`).
//!
//! What `hardened` adds, and the failure each line prevents:
//!
//! - `redirect_stderr=true` in place of `stderr_logfile`: two handles on one file, of which one
//!   goes on writing to `….log.1` after supervisord has rotated the other.
//! - `stdout_logfile_maxbytes=0`: supervisord's own rotation beside logrotate's; after it
//!   supervisord no longer appends, and `copytruncate` leaves a file full of NUL bytes.
//! - `stopasgroup=true`, `killasgroup=true`: children of a shell wrapper that outlive it and go on
//!   with the old release.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use super::{
    DaemonFacts, DesiredFile, DesiredGroup, DesiredSite, FileKind, by_hand, group, logrotate,
    named_group,
};
use crate::inventory::{
    Format, FullName, LogTarget, Logs, NameError, Program, Rotation, Run, Site, supervisord_options,
};
use crate::supervisord::{GroupHeader, ini};

/// Why a site has no files that supervisord would read as they are meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Its full name does not fit a file name.
    #[error("program {program}: the full name {reason}")]
    Name {
        /// The program.
        program: String,
        /// Which rule the name breaks.
        reason: NameError,
    },
    /// Two programs would define one group, e.g. `a_00` and the first instance of `a`.
    #[error("programs {first} and {second} would both be supervisord's group {group}")]
    SameGroup {
        /// The group.
        group: String,
        /// The program that defined it first.
        first: String,
        /// The other one.
        second: String,
    },
    /// supervisord refuses the whole reread for it: something has no meaning on this host.
    #[error("program {program}: {what}")]
    Expansion {
        /// The program.
        program: String,
        /// Which value, and why; nothing of a secret.
        what: String,
    },
    /// supervisord refuses the whole reread for it.
    #[error("program {program}: stopasgroup needs killasgroup as well")]
    StopsMoreThanItKills {
        /// The program.
        program: String,
    },
}

/// The files and groups a site should have on a host where supervisord is as `daemon` says.
pub fn render(site: &Site, daemon: &DaemonFacts) -> Result<DesiredSite, RenderError> {
    let mut files: BTreeMap<PathBuf, DesiredFile> = BTreeMap::new();
    let mut groups: BTreeMap<String, DesiredGroup> = BTreeMap::new();
    for program in &site.programs {
        let name = program.name.to_string();
        let full = site
            .full_name(program)
            .map_err(|reason| RenderError::Name { program: name.clone(), reason })?;
        let options = &program.supervisord;
        if options.boolean("stopasgroup") == Some(true)
            && options.boolean("killasgroup") == Some(false)
        {
            return Err(RenderError::StopsMoreThanItKills { program: name });
        }
        // Of a group with several programs there is one, for all of them.
        let own = match program.group {
            Some(_) => Vec::new(),
            None => Site::groups_of(program, &full),
        };
        for group in own {
            let desired = group::desired(site, program, (&full, &group), daemon)?;
            if let Some(first) = groups.insert(group.clone(), desired) {
                return Err(RenderError::SameGroup { group, first: first.program, second: name });
            }
        }
        let file = supervisor_file(site, program, &full);
        match files.entry(site.config_file(program, &full)) {
            Entry::Vacant(first) => {
                first.insert(file);
            }
            Entry::Occupied(common) => {
                let common = common.into_mut();
                common.bytes.push(b'\n');
                common.bytes.extend(file.bytes);
                common.secret |= file.secret;
                common.programs.extend(file.programs);
                common.verbatim |= file.verbatim;
            }
        }
        if let Some(file) = logrotate_file(site, program, &full, daemon) {
            files.insert(site.rotation_file(full.as_str()), file);
        }
    }
    let mut desired = DesiredSite { domain: site.domain.clone(), files, groups };
    named_group::render(site, daemon, &mut desired)?;
    let by_hand = by_hand::render(site, daemon)?;
    desired.files.extend(by_hand.files);
    for (group, of_configs) in by_hand.groups {
        if let Some(first) = desired.groups.insert(group.clone(), of_configs) {
            let second = group.clone();
            return Err(RenderError::SameGroup { group, first: first.program, second });
        }
    }
    Ok(desired)
}

fn logrotate_file(
    site: &Site,
    program: &Program,
    full: &FullName,
    daemon: &DaemonFacts,
) -> Option<DesiredFile> {
    let logs = site.all_log_files(program, full);
    if logs.is_empty() || program.logs.rotation(site.format) != Rotation::Logrotate {
        return None;
    }
    let text = logrotate::text(site.format, &program.logs, &logs, daemon.pidfile.as_deref());
    Some(DesiredFile {
        kind: FileKind::Logrotate,
        bytes: text.into(),
        secret: false,
        programs: [program.goes_by().to_owned()].into(),
        verbatim: false,
        former: None,
    })
}

fn supervisor_file(site: &Site, program: &Program, full: &FullName) -> DesiredFile {
    let options = section_options(site, program, full);
    let sections = Site::groups_of(program, full).into_iter().map(|name| {
        // A line that begins with a blank goes on with the value before it.
        let lines =
            options.iter().map(|(key, value)| format!("{key}={}\n", value.replace('\n', "\n  ")));
        format!("[{}]\n{}", GroupHeader::program(&name), lines.collect::<String>())
    });
    DesiredFile {
        kind: FileKind::Supervisor,
        bytes: sections.collect::<Vec<_>>().join("\n").into(),
        secret: !program.environment.is_empty(),
        programs: [program.goes_by().to_owned()].into(),
        verbatim: program.group.is_some(),
        former: None,
    }
}

/// What each section of a program says, `full` being its full name, as it is written to supervisord's file.
pub(crate) fn section_options(
    site: &Site,
    program: &Program,
    full: &FullName,
) -> Vec<(&'static str, String)> {
    let mut options = match site.format {
        Format::Classic | Format::Hardened => classic_options(site, program, full),
        Format::Plain => plain_options(site, program),
    };
    options.extend(rotation_options(site, program));
    options.extend(further_options(program, site.format));
    options
}

/// A value so that supervisord reads what it says; what is supervisord's own to expand stays.
fn written(program: &Program, value: &str) -> String {
    match program.expansions {
        true => value.to_owned(),
        false => ini::escape_percent(value),
    }
}

/// Where a stream goes; supervisord expands that twice.
fn written_log(program: &Program, target: &str) -> String {
    match program.expansions {
        true => target.to_owned(),
        false => ini::escape_percent_twice(target),
    }
}

fn command(site: &Site, program: &Program) -> String {
    match &program.run {
        // What is ours has nothing to expand.
        Run::Script(script) => {
            ini::escape_percent(&format!("{} {}", site.runner(), script.in_release()))
        }
        Run::Command(command) => written(program, command.as_str()),
    }
}

/// The script's lines, as far as the inventory says nothing else; `hardened` has another one for stderr.
fn classic_options(site: &Site, program: &Program, full: &FullName) -> Vec<(&'static str, String)> {
    let mut options = vec![("command", command(site, program))];
    let directory = match &program.directory {
        Some(directory) => directory.path().map(|path| written(program, path)),
        None => Some(ini::escape_percent(&site.current())),
    };
    options.extend(directory.map(|directory| ("directory", directory)));
    options.extend([
        ("user", program.user.as_ref().map_or_else(|| site.user.to_string(), ToString::to_string)),
        ("autostart", program.autostart.to_string()),
        ("autorestart", program.autorestart.as_str().to_owned()),
        ("stopwaitsecs", program.stopwaitsecs.to_string()),
        ("numprocs", group::numprocs(program).to_string()),
    ]);
    options.extend(process_name(program));
    let logs = &program.logs;
    let log = match &logs.path {
        Some(target) => written_log(program, target.as_str()),
        None => ini::escape_percent_twice(&site.log_file(full.as_str()).display().to_string()),
    };
    options.push(("stdout_logfile", log.clone()));
    let own = logs.stderr.as_ref().map(|target| written_log(program, target.as_str()));
    let redirects = program.supervisord.boolean("redirect_stderr");
    match (own, site.format) {
        (Some(stderr), _) => options.push(("stderr_logfile", stderr)),
        (None, Format::Hardened) if redirects.is_none() => {
            options.push(("redirect_stderr", true.to_string()));
        }
        (None, Format::Classic) if redirects.is_none() => options.push(("stderr_logfile", log)),
        (None, _) => {}
    }
    options
}

/// What the entry says, and nothing for what it does not.
fn plain_options(site: &Site, program: &Program) -> Vec<(&'static str, String)> {
    let mut options = vec![("command", command(site, program))];
    let directory = program.directory.as_ref().and_then(|directory| directory.path());
    options.extend(directory.map(|directory| ("directory", written(program, directory))));
    options.extend(program.user.as_ref().map(|user| ("user", user.to_string())));
    let said = [
        ("autostart", program.autostart.to_string()),
        ("autorestart", program.autorestart.as_str().to_owned()),
        ("stopwaitsecs", program.stopwaitsecs.to_string()),
        ("numprocs", group::numprocs(program).to_string()),
    ];
    options.extend(said.into_iter().filter(|(name, _)| program.said.contains(*name)));
    options.extend(process_name(program));
    for (name, target) in
        [("stdout_logfile", &program.logs.path), ("stderr_logfile", &program.logs.stderr)]
    {
        options.extend(target.as_ref().map(|t| (name, written_log(program, t.as_str()))));
    }
    options
}

/// Without it supervisord refuses the configuration of the whole host where there are several processes.
fn process_name(program: &Program) -> Option<(&'static str, String)> {
    let value = match program.supervisord.get("process_name") {
        Some(name) => written(program, name),
        None if group::numprocs(program) > 1 => group::PROCESS_NAME.to_owned(),
        None => return None,
    };
    Some(("process_name", value))
}

/// How large supervisord lets logs become: not at all where somebody else rotates them, and never where
/// there is nothing to rotate.
fn rotation_options(site: &Site, program: &Program) -> Vec<(&'static str, String)> {
    let logs = &program.logs;
    let stdout = logs.path.as_ref();
    let has_stdout = stdout.is_some() || site.format != Format::Plain;
    // In `classic` both streams have the one log.
    let is_shared = site.format == Format::Classic && logs.stderr.is_none();
    let stderr = if is_shared { stdout } else { logs.stderr.as_ref() };
    let of_stdout = has_stdout.then(|| maxbytes(logs, stdout, site.format)).flatten();
    let of_stderr =
        (is_shared || stderr.is_some()).then(|| maxbytes(logs, stderr, site.format)).flatten();
    let options = [("stdout_logfile_maxbytes", of_stdout), ("stderr_logfile_maxbytes", of_stderr)];
    // What the inventory itself set is written with supervisord's other options.
    let options = options.into_iter().filter(|(name, _)| program.supervisord.get(name).is_none());
    options.filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The largest size of one stream's log, where it must be written at all.
fn maxbytes(logs: &Logs, target: Option<&LogTarget>, format: Format) -> Option<String> {
    match (target, logs.rotation(format)) {
        (Some(target), _) if !target.is_path() => None,
        (Some(target), _) if target.is_device() => Some("0".to_owned()),
        (_, Rotation::Supervisord) => logs.size.map(|bytes| bytes.to_string()),
        (_, Rotation::None) => Some("0".to_owned()),
        // What the script writes does not say so.
        (_, Rotation::Logrotate) if format == Format::Classic => None,
        (_, Rotation::Logrotate) => Some("0".to_owned()),
    }
}

/// What the inventory set, and the hardened defaults of two of them.
fn further_options(program: &Program, format: Format) -> Vec<(&'static str, String)> {
    let (stopasgroup, killasgroup) = as_group(program, format);
    let mut options = Vec::new();
    for key in supervisord_options() {
        let value = match key.name {
            "stopasgroup" => stopasgroup.map(|asked| asked.to_string()),
            "killasgroup" => killasgroup.map(|asked| asked.to_string()),
            // It stands where it would without being asked for.
            "process_name" => None,
            name => match program.supervisord.get(name) {
                Some(value) if key.is_text() => Some(written(program, value)),
                value => value.map(str::to_owned),
            },
        };
        options.extend(value.map(|value| (key.name, value)));
    }
    if !program.environment.is_empty() {
        let variables =
            program.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        options.push(("environment", written(program, &ini::quote_environment(variables))));
    }
    options
}

/// `stopasgroup` and `killasgroup` as written. supervisord refuses the first without the second,
/// so a program that must not kill its group does not stop it as one either.
fn as_group(program: &Program, format: Format) -> (Option<bool>, Option<bool>) {
    let stopasgroup = program.supervisord.boolean("stopasgroup");
    let killasgroup = program.supervisord.boolean("killasgroup");
    match format {
        Format::Classic | Format::Plain => (stopasgroup, killasgroup),
        Format::Hardened => {
            let kill = killasgroup.unwrap_or(true);
            (Some(stopasgroup.unwrap_or(kill)), Some(kill))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::inventory::{
        Autorestart, CommandLine, Directory, Domain, EnvironmentName, EnvironmentValue, Instances,
        Paths, ProgramName, ProgramUser, ScriptPath, UserName,
    };

    const CLASSIC: &str = "\
[program:example.com-queue-worker]
command=/home/deployer/sites/example.com/runner.sh .deployer/supervisors/queue-worker.sh
directory=/home/deployer/sites/example.com/current
user=deployer
autostart=true
autorestart=true
stopwaitsecs=3600
numprocs=1
stdout_logfile=/var/log/supervisor/example.com-queue-worker.log
stderr_logfile=/var/log/supervisor/example.com-queue-worker.log
";
    const CONF: &str = "/etc/supervisor/conf.d/example.com-queue-worker.conf";

    fn worker(name: &str) -> Program {
        let script = ScriptPath::parse(&format!("{name}.sh")).unwrap();
        Program::new(ProgramName::parse(name).unwrap(), Run::Script(script))
    }

    fn site(format: Format, programs: Vec<Program>) -> Site {
        Site {
            domain: Domain::parse("example.com").unwrap(),
            user: UserName::parse("deployer").unwrap(),
            format,
            config_files: Default::default(),
            config_suffix: Default::default(),
            configs: Vec::new(),
            groups: Vec::new(),
            paths: Paths::default(),
            programs,
        }
    }

    fn rendered(format: Format, program: Program) -> DesiredSite {
        render(&site(format, vec![program]), &DaemonFacts::default()).unwrap()
    }

    fn text(desired: &DesiredSite) -> &str {
        std::str::from_utf8(&desired.files[Path::new(CONF)].bytes).unwrap()
    }

    /// A program with every option set to something else than its default.
    fn all_set() -> Program {
        let command = "php artisan work --q='a b' 100% %(here)s";
        Program {
            run: Run::Command(CommandLine::parse(command).unwrap()),
            directory: Some(Directory::parse("/srv/app").unwrap()),
            user: Some(ProgramUser::parse("www-data").unwrap()),
            autostart: false,
            autorestart: Autorestart::Unexpected,
            stopwaitsecs: 7,
            environment: BTreeMap::from([
                (
                    EnvironmentName::parse("URL").unwrap(),
                    EnvironmentValue::parse("http://x/?q=1&r=%20").unwrap(),
                ),
                (EnvironmentName::parse("B").unwrap(), EnvironmentValue::parse("it's").unwrap()),
            ]),
            ..with(&[
                ("startsecs", "0"),
                ("startretries", "9"),
                ("stopsignal", "QUIT"),
                ("stopasgroup", "false"),
                ("killasgroup", "true"),
                ("exitcodes", "0,2"),
                ("priority", "5"),
                ("umask", "027"),
            ])
        }
    }

    /// A program with options of supervisord's set.
    fn with(options: &[(&str, &str)]) -> Program {
        let mut program = worker("queue-worker");
        options.iter().for_each(|(name, value)| program.supervisord.set(name, *value));
        program
    }

    #[test]
    fn classic_matches_script_bytes() {
        let desired = rendered(Format::Classic, worker("queue-worker"));
        assert_eq!(text(&desired), CLASSIC);
        let paths: Vec<_> = desired.files.keys().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(paths, ["/etc/logrotate.d/supervisor-example.com-queue-worker.conf", CONF]);
        assert!(desired.files.values().all(|file| !file.secret));
        let group = &desired.groups["example.com-queue-worker"];
        assert_eq!((group.numprocs, group.startsecs, group.startretries), (1, 1, 3));
        assert_eq!(group.log, Path::new("/var/log/supervisor/example.com-queue-worker.log"));
        assert_eq!(group.program, "queue-worker");
    }

    #[test]
    fn several_processes_add_one_line() {
        let program = Program { numprocs: 4, ..worker("queue-worker") };
        let expected = CLASSIC.replace(
            "numprocs=1\n",
            "numprocs=4\nprocess_name=%(program_name)s_%(process_num)02d\n",
        );
        assert_eq!(text(&rendered(Format::Classic, program)), expected);
    }

    #[test]
    fn options_follow_classic_lines() {
        let desired = rendered(Format::Classic, all_set());
        insta::assert_snapshot!(text(&desired), @r#"
        [program:example.com-queue-worker]
        command=php artisan work --q='a b' 100%% %%%(program_name).0s(here)s
        directory=/srv/app
        user=www-data
        autostart=false
        autorestart=unexpected
        stopwaitsecs=7
        numprocs=1
        stdout_logfile=/var/log/supervisor/example.com-queue-worker.log
        stderr_logfile=/var/log/supervisor/example.com-queue-worker.log
        startsecs=0
        startretries=9
        stopsignal=QUIT
        stopasgroup=false
        killasgroup=true
        exitcodes=0,2
        priority=5
        umask=027
        environment=B="it's",URL='http://x/?q=1&r=%%20'
        "#);
        assert!(desired.files[Path::new(CONF)].secret);
    }

    #[test]
    fn hardened_prevents_known_failures() {
        insta::assert_snapshot!(text(&rendered(Format::Hardened, worker("queue-worker"))), @r"
        [program:example.com-queue-worker]
        command=/home/deployer/sites/example.com/runner.sh .deployer/supervisors/queue-worker.sh
        directory=/home/deployer/sites/example.com/current
        user=deployer
        autostart=true
        autorestart=true
        stopwaitsecs=3600
        numprocs=1
        stdout_logfile=/var/log/supervisor/example.com-queue-worker.log
        redirect_stderr=true
        stdout_logfile_maxbytes=0
        stopasgroup=true
        killasgroup=true
        ");
        insta::assert_snapshot!(text(&rendered(Format::Hardened, all_set())), @r#"
        [program:example.com-queue-worker]
        command=php artisan work --q='a b' 100%% %%%(program_name).0s(here)s
        directory=/srv/app
        user=www-data
        autostart=false
        autorestart=unexpected
        stopwaitsecs=7
        numprocs=1
        stdout_logfile=/var/log/supervisor/example.com-queue-worker.log
        redirect_stderr=true
        stdout_logfile_maxbytes=0
        startsecs=0
        startretries=9
        stopsignal=QUIT
        stopasgroup=false
        killasgroup=true
        exitcodes=0,2
        priority=5
        umask=027
        environment=B="it's",URL='http://x/?q=1&r=%%20'
        "#);
    }

    #[test]
    fn separate_instances_are_own_groups() {
        let program =
            Program { numprocs: 2, instances: Instances::Separate, ..worker("queue-worker") };
        let desired = rendered(Format::Hardened, program);
        insta::assert_snapshot!(text(&desired), @r"
        [program:example.com-queue-worker_00]
        command=/home/deployer/sites/example.com/runner.sh .deployer/supervisors/queue-worker.sh
        directory=/home/deployer/sites/example.com/current
        user=deployer
        autostart=true
        autorestart=true
        stopwaitsecs=3600
        numprocs=1
        stdout_logfile=/var/log/supervisor/example.com-queue-worker.log
        redirect_stderr=true
        stdout_logfile_maxbytes=0
        stopasgroup=true
        killasgroup=true

        [program:example.com-queue-worker_01]
        command=/home/deployer/sites/example.com/runner.sh .deployer/supervisors/queue-worker.sh
        directory=/home/deployer/sites/example.com/current
        user=deployer
        autostart=true
        autorestart=true
        stopwaitsecs=3600
        numprocs=1
        stdout_logfile=/var/log/supervisor/example.com-queue-worker.log
        redirect_stderr=true
        stdout_logfile_maxbytes=0
        stopasgroup=true
        killasgroup=true
        ");
        let groups: Vec<_> =
            desired.groups.iter().map(|(name, g)| (name.as_str(), g.numprocs)).collect();
        assert_eq!(
            groups,
            [("example.com-queue-worker_00", 1), ("example.com-queue-worker_01", 1)]
        );
    }

    /// Killing alone is enough to ask for; stopping alone is refused.
    #[test]
    fn stopasgroup_needs_killasgroup() {
        let asked = |options: &[(&str, &str)], format| as_group(&with(options), format);
        use Format::{Classic, Hardened};
        assert_eq!(asked(&[], Classic), (None, None));
        assert_eq!(asked(&[], Hardened), (Some(true), Some(true)));
        let no_kill = [("killasgroup", "false")];
        assert_eq!(asked(&no_kill, Hardened), (Some(false), Some(false)));
        let no_stop = [("stopasgroup", "false")];
        assert_eq!(asked(&no_stop, Hardened), (Some(false), Some(true)));
        let program = with(&[("stopasgroup", "true"), ("killasgroup", "false")]);
        let error = render(&site(Classic, vec![program]), &DaemonFacts::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "program queue-worker: stopasgroup needs killasgroup as well"
        );
    }

    #[test]
    fn two_programs_never_share_a_group() {
        let separate = Program { instances: Instances::Separate, ..worker("a") };
        let programs = vec![separate, worker("a_00")];
        let error = render(&site(Format::Classic, programs), &DaemonFacts::default()).unwrap_err();
        assert!(matches!(error, RenderError::SameGroup { .. }), "{error}");
        let long = worker(&"x".repeat(190));
        let error = render(&site(Format::Classic, vec![long]), &DaemonFacts::default());
        assert!(matches!(error, Err(RenderError::Name { .. })), "{error:?}");
    }

    fn plain(program: Program) -> String {
        text(&rendered(Format::Plain, program)).to_owned()
    }

    fn target(text: &str) -> Option<LogTarget> {
        Some(LogTarget::parse(text).unwrap())
    }

    #[test]
    fn plain_writes_what_the_entry_says() {
        let run = Run::Command(CommandLine::parse("celery worker").unwrap());
        let program = Program { run: run.clone(), ..worker("queue-worker") };
        let header = "[program:example.com-queue-worker]\ncommand=celery worker\n";
        assert_eq!(plain(program.clone()), header);
        let desired = rendered(Format::Plain, program);
        assert_eq!(desired.files.len(), 1, "nothing for logrotate");
        let group = &desired.groups["example.com-queue-worker"];
        assert_eq!((group.log.as_os_str().is_empty(), &group.release), (true, &None));
        let mut program =
            Program { run, numprocs: 2, autostart: false, ..with(&[("startsecs", "3")]) };
        program.said = ["autostart", "numprocs"].map(str::to_owned).into();
        program.directory = Some(Directory::parse("none").unwrap());
        program.logs.stderr = target("/dev/stderr");
        let lines = "autostart=false\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\n\
                     stderr_logfile=/dev/stderr\nstderr_logfile_maxbytes=0\nstartsecs=3\n";
        assert_eq!(plain(program), format!("{header}{lines}"));
    }

    #[test]
    fn logs_go_where_they_are_sent() {
        let with_logs = |format, path, stderr, rotation| {
            let mut program = worker("queue-worker");
            program.logs.path = target(path);
            program.logs.stderr = target(stderr);
            program.logs.rotation = rotation;
            let desired = rendered(format, program);
            let lines = text(&desired).lines().filter(|line| line.contains("std"));
            let lines: Vec<String> = lines.map(str::to_owned).collect();
            let rotated = desired.files.values().find(|file| file.kind == FileKind::Logrotate);
            let rotated = rotated.map(|file| String::from_utf8(file.bytes.clone()).unwrap());
            (lines.join(" "), rotated.map(|text| text.lines().next().unwrap().to_owned()))
        };
        use Format::Hardened;
        assert_eq!(
            with_logs(Hardened, "/l/o", "/l/e", None),
            (
                "stdout_logfile=/l/o stderr_logfile=/l/e stdout_logfile_maxbytes=0 \
                 stderr_logfile_maxbytes=0"
                    .to_owned(),
                Some("/l/o /l/e {".to_owned())
            )
        );
        assert_eq!(
            with_logs(Hardened, "/l/o", "NONE", Some(Rotation::Supervisord)),
            ("stdout_logfile=/l/o stderr_logfile=NONE".to_owned(), None)
        );
        assert_eq!(
            with_logs(Hardened, "/dev/stdout", "NONE", None),
            (
                "stdout_logfile=/dev/stdout stderr_logfile=NONE stdout_logfile_maxbytes=0"
                    .to_owned(),
                None
            )
        );
        assert_eq!(
            with_logs(Format::Classic, "/l/o", "/l/e", Some(Rotation::None)).0,
            "stdout_logfile=/l/o stderr_logfile=/l/e stdout_logfile_maxbytes=0 \
             stderr_logfile_maxbytes=0"
        );
    }

    /// What is supervisord's to expand stays, and is tried first.
    #[test]
    fn expansions_stay_for_supervisord() {
        let run = Run::Command(CommandLine::parse("serve %(ENV_SUPERVISOR_SYNC_T)s %%").unwrap());
        let mut program = Program { run, expansions: true, numprocs: 2, ..worker("queue-worker") };
        program.supervisord.set("process_name", "p%(process_num)d");
        program.supervisord.set("numprocs_start", "1");
        program.logs.path = target("/l/%(program_name)s-%(process_num)d");
        let site = site(Format::Hardened, vec![program]);
        let nobody = DaemonFacts {
            environment: crate::supervisord::Environment::given([]),
            ..DaemonFacts::default()
        };
        let error = render(&site, &nobody).map(|_| ());
        let facts = DaemonFacts {
            environment: crate::supervisord::Environment::given([("SUPERVISOR_SYNC_T", "80")]),
            ..DaemonFacts::default()
        };
        let desired = render(&site, &facts).unwrap();
        assert!(text(&desired).contains("command=serve %(ENV_SUPERVISOR_SYNC_T)s %%\n"));
        assert!(text(&desired).contains("process_name=p%(process_num)d\n"));
        let group = &desired.groups["example.com-queue-worker"];
        assert_eq!(group.process_names("x"), ["p1", "p2"]);
        assert_eq!(group.log, std::path::Path::new("/l/example.com-queue-worker-1"));
        let rotated = desired.files.values().find(|file| file.kind == FileKind::Logrotate).unwrap();
        let rotated = String::from_utf8(rotated.bytes.clone()).unwrap();
        let logs = "/l/example.com-queue-worker-1 /l/example.com-queue-worker-2 {\n";
        assert!(rotated.starts_with(logs), "{rotated}");
        let error = error.unwrap_err().to_string();
        assert_eq!(
            error,
            "program queue-worker: `command` %(ENV_SUPERVISOR_SYNC_T) is not a name that \
             supervisord can expand here"
        );
    }
}
