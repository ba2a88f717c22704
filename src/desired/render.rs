//! From a site to the exact bytes of its files.
//!
//! The order of a program's lines is fixed, so that the bytes change only when their meaning does:
//!
//! 1. the lines of `classic`, in the order of DeployerPHP's script;
//! 2. `stdout_logfile_maxbytes=0` (`hardened`);
//! 3. supervisord's own options that the inventory set, each only then, in the order of the table of
//!    keys, and `environment` (`hardened` always writes `stopasgroup` and `killasgroup`).
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
use std::path::{Path, PathBuf};

use super::{DaemonFacts, DesiredFile, DesiredGroup, DesiredSite, FileKind, logrotate};
use crate::inventory::{
    Format, FullName, Instances, NameError, Program, Run, Site, supervisord_options,
};
use crate::supervisord::{GroupHeader, defaults, ini};

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
        let asked = |name| program.supervisord.boolean(name);
        if (asked("stopasgroup"), asked("killasgroup")) == (Some(true), Some(false)) {
            return Err(RenderError::StopsMoreThanItKills { program: name });
        }
        let log = site.log_file(full.as_str());
        for group in Site::groups_of(program, &full) {
            let desired = desired_group(site, program, &log);
            if let Some(first) = groups.insert(group.clone(), desired) {
                return Err(RenderError::SameGroup { group, first: first.program, second: name });
            }
        }
        let file = supervisor_file(site, program, &full, &log);
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
            }
        }
        let rotation = site.rotation_file(full.as_str());
        let pidfile = daemon.pidfile.as_deref();
        let text = logrotate::text(site.format, &program.logs, &log, pidfile);
        let file = DesiredFile {
            kind: FileKind::Logrotate,
            bytes: text.into(),
            secret: false,
            programs: [name].into(),
        };
        files.insert(rotation, file);
    }
    Ok(DesiredSite { domain: site.domain.clone(), files, groups })
}

/// The processes of each of its groups.
fn numprocs(program: &Program) -> u32 {
    match program.instances {
        Instances::Together => program.numprocs,
        Instances::Separate => 1,
    }
}

fn supervisor_file(site: &Site, program: &Program, full: &FullName, log: &Path) -> DesiredFile {
    let sections = Site::groups_of(program, full).into_iter().map(|name| {
        let mut options = classic_options(site, program, log);
        if site.format == Format::Hardened {
            options.push(("stdout_logfile_maxbytes", "0".to_owned()));
        }
        options.extend(further_options(program, site.format));
        let lines = options.iter().map(|(key, value)| format!("{key}={value}\n"));
        format!("[{}]\n{}", GroupHeader::program(&name), lines.collect::<String>())
    });
    DesiredFile {
        kind: FileKind::Supervisor,
        bytes: sections.collect::<Vec<_>>().join("\n").into(),
        secret: !program.environment.is_empty(),
        programs: [program.name.to_string()].into(),
    }
}

/// The script's lines; the last one differs in `hardened`.
fn classic_options(site: &Site, program: &Program, log: &Path) -> Vec<(&'static str, String)> {
    let numprocs = numprocs(program);
    let command = match &program.run {
        Run::Script(script) => format!("{} .deployer/supervisors/{script}", site.runner()),
        Run::Command(command) => command.to_string(),
    };
    let directory =
        program.directory.as_ref().map_or_else(|| site.current(), |path| path.to_string());
    let log = ini::escape_percent_twice(&log.display().to_string());
    let mut options = vec![
        ("command", ini::escape_percent(&command)),
        ("directory", ini::escape_percent(&directory)),
        ("user", program.user.as_ref().unwrap_or(&site.user).to_string()),
        ("autostart", program.autostart.to_string()),
        ("autorestart", program.autorestart.as_str().to_owned()),
        ("stopwaitsecs", program.stopwaitsecs.to_string()),
        ("numprocs", numprocs.to_string()),
    ];
    if numprocs > 1 {
        // Without it supervisord refuses the configuration of the whole host.
        options.push(("process_name", "%(program_name)s_%(process_num)02d".to_owned()));
    }
    options.push(("stdout_logfile", log.clone()));
    options.push(match site.format {
        Format::Classic => ("stderr_logfile", log),
        Format::Hardened => ("redirect_stderr", true.to_string()),
    });
    options
}

/// What the inventory set, and the hardened defaults of two of them.
fn further_options(program: &Program, format: Format) -> Vec<(&'static str, String)> {
    let (stopasgroup, killasgroup) = as_group(program, format);
    let value = |name| match name {
        "stopasgroup" => stopasgroup.map(|asked| asked.to_string()),
        "killasgroup" => killasgroup.map(|asked| asked.to_string()),
        _ => program.supervisord.get(name).map(str::to_owned),
    };
    let mut options: Vec<_> =
        supervisord_options().filter_map(|name| Some((name, value(name)?))).collect();
    if !program.environment.is_empty() {
        let variables =
            program.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        options.push(("environment", ini::escape_percent(&ini::quote_environment(variables))));
    }
    options
}

/// `stopasgroup` and `killasgroup` as written. supervisord refuses the first without the second,
/// so a program that must not kill its group does not stop it as one either.
fn as_group(program: &Program, format: Format) -> (Option<bool>, Option<bool>) {
    let asked = |name| program.supervisord.boolean(name);
    let (stopasgroup, killasgroup) = (asked("stopasgroup"), asked("killasgroup"));
    match format {
        Format::Classic => (stopasgroup, killasgroup),
        Format::Hardened => {
            let kill = killasgroup.unwrap_or(true);
            (Some(stopasgroup.unwrap_or(kill)), Some(kill))
        }
    }
}

/// What an apply needs to know.
fn desired_group(site: &Site, program: &Program, log: &Path) -> DesiredGroup {
    DesiredGroup {
        program: program.name.to_string(),
        numprocs: numprocs(program),
        autostart: program.autostart,
        autorestart: program.autorestart,
        stopwaitsecs: program.stopwaitsecs,
        startsecs: program.supervisord.number("startsecs").unwrap_or(defaults::STARTSECS),
        startretries: program.supervisord.number("startretries").unwrap_or(defaults::STARTRETRIES),
        exitcodes: program
            .supervisord
            .exit_statuses()
            .unwrap_or_else(|| defaults::EXITCODES.to_vec()),
        log: PathBuf::from(log),
        restart: program.restart,
        health: program.health.clone(),
        release: program.directory.is_none().then(|| PathBuf::from(site.current())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{
        AbsolutePath, Autorestart, CommandLine, Domain, EnvironmentName, EnvironmentValue, Paths,
        ProgramName, ScriptPath, UserName,
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
            directory: Some(AbsolutePath::parse("/srv/app").unwrap()),
            user: Some(UserName::parse("www-data").unwrap()),
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
    fn classic_is_byte_for_byte_the_scripts() {
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
    fn classic_with_several_processes_has_one_line_more() {
        let program = Program { numprocs: 4, ..worker("queue-worker") };
        let expected = CLASSIC.replace(
            "numprocs=1\n",
            "numprocs=4\nprocess_name=%(program_name)s_%(process_num)02d\n",
        );
        assert_eq!(text(&rendered(Format::Classic, program)), expected);
    }

    #[test]
    fn options_of_the_inventory_follow_the_classic_lines() {
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
    fn hardened_adds_the_lines_that_prevent_a_known_failure() {
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
    fn separate_instances_are_sections_and_groups_of_their_own() {
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

    #[test]
    fn killing_alone_is_enough_to_ask_for_stopping_alone_is_refused() {
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
}
