//! Which files in conf.d and logrotate.d are a site's own. Pure.
//!
//! A name that begins with the domain proves nothing: `staging-eu-worker.conf` may be the program
//! `eu-worker` of `staging` or the program `worker` of `staging-eu`. What the last revision wrote
//! is the site's, and its record says so. Only for a file without a record its content decides.

use crate::desired::FileKind;
use crate::inventory::{SCRIPT_FOLDER, Site, naming};
use crate::supervisord::GroupHeader;
use crate::supervisord::ini::{self, Section};

/// Whose a file is, as far as its content tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The site's: an apply may replace and remove it.
    Own,
    /// Somebody else's, or not certainly the site's: it is left as it is and reported.
    Foreign {
        /// What speaks against the site, as a short phrase that follows the file's name.
        reason: String,
    },
}

impl Owner {
    fn foreign(reason: impl Into<String>) -> Self {
        Self::Foreign { reason: reason.into() }
    }
}

/// How the names of the site's files of a kind begin.
pub fn prefix(site: &Site, kind: FileKind) -> String {
    match kind {
        FileKind::Supervisor => site.domain.to_string(),
        FileKind::Logrotate => naming::rotation_prefix(&site.domain),
    }
}

/// The stem of a file whose name has the form of the site's: `{domain}-*.conf` (or `.ini`), for logrotate
/// `supervisor-{domain}-*.conf`. The stem is what the program in it would be called. Only where the
/// site has one file for all of its programs, `{domain}.conf` has that form too.
pub fn candidate<'a>(site: &Site, file_name: &'a str, kind: FileKind) -> Option<&'a str> {
    let stem = match kind {
        FileKind::Supervisor => file_name.strip_suffix(site.config_suffix.as_str())?,
        FileKind::Logrotate => naming::rotated_by(file_name)?,
    };
    let is_common = kind == FileKind::Supervisor && site.is_common(stem);
    (is_common || belongs_by_name(site, stem)).then_some(stem)
}

fn belongs_by_name(site: &Site, stem: &str) -> bool {
    naming::program_by_name(&site.domain, stem).is_some()
}

/// Whether a supervisor config without a record is the site's own: it has nothing but one
/// `[program:NAME]` with the file's stem as NAME (or the stem's separate instances, `NAME_00`,
/// `NAME_01`, …) and its `directory` is the site's `current`. The one file for all programs of a site has
/// nothing but `[program:{domain}-…]`, each in the site's `current`.
pub fn supervisor_file_is_of(site: &Site, stem: &str, text: &str) -> Owner {
    let is_common = site.is_common(stem);
    if !is_common && !belongs_by_name(site, stem) {
        return Owner::foreign(format!("is not named after {}", site.domain));
    }
    let sections = match ini::parse(text) {
        Ok(ini) => ini.sections,
        Err(error) => return Owner::foreign(format!("cannot be read by supervisord ({error})")),
    };
    let stranger = match is_common {
        true => other_site(site, &sections),
        false => other_program(stem, &sections),
    };
    if let Some(reason) = stranger {
        return Owner::Foreign { reason };
    }
    // The folder decides, since of two sites whose domains begin alike a name can be either's. In every
    // section: the file is replaced or removed as a whole.
    let current = site.current();
    for section in &sections {
        match section.get("directory") {
            Some(directory) if directory == current => {}
            Some(directory) => {
                return Owner::foreign(format!("runs in {directory}, not in {current}"));
            }
            None => return Owner::foreign(format!("has no directory={current}")),
        }
    }
    Owner::Own
}

/// The options of a program as DeployerPHP's script writes it, apart from `process_name`.
const CLASSIC: [&str; 9] = [
    "autorestart",
    "autostart",
    "command",
    "directory",
    "numprocs",
    "stderr_logfile",
    "stdout_logfile",
    "stopwaitsecs",
    "user",
];

/// Whether a supervisor config and the logrotate config of the same name are a pair as the script
/// writes it for this site: so complete that nobody writes it by hand, whatever records say.
pub fn is_classic_pair(site: &Site, stem: &str, config: &str, rotation: &str) -> bool {
    if supervisor_file_is_of(site, stem, config) != Owner::Own {
        return false;
    }
    let sections = ini::parse(config).map(|ini| ini.sections).unwrap_or_default();
    let [section] = &sections[..] else { return false };
    // Exactly these keys: one more or less is a person's work, which an apply would overwrite.
    let mut keys: Vec<&str> = section.entries.iter().map(|entry| entry.key.as_str()).collect();
    keys.retain(|key| *key != "process_name");
    keys.sort_unstable();
    let command = format!("{} {SCRIPT_FOLDER}/", site.runner());
    let log = site.log_file(stem);
    keys == CLASSIC
        && section.get("command").is_some_and(|given| given.starts_with(&command))
        && rotates_only(rotation, &log.to_string_lossy())
}

/// Why the sections are not all programs of the site.
fn other_site(site: &Site, sections: &[Section]) -> Option<String> {
    let stranger = sections.iter().find(|section| {
        !GroupHeader::name_of_program(&section.name).is_some_and(|name| belongs_by_name(site, name))
    });
    match stranger {
        None if sections.is_empty() => Some("holds no program".to_owned()),
        stranger => stranger.map(|section| format!("holds the section [{}]", section.name)),
    }
}

/// Why the sections are not those of the program `stem` alone.
fn other_program(stem: &str, sections: &[Section]) -> Option<String> {
    let mut programs = Vec::with_capacity(sections.len());
    for section in sections {
        match GroupHeader::name_of_program(&section.name) {
            Some(program) => programs.push(program),
            None => return Some(format!("holds the section [{}]", section.name)),
        }
    }
    match programs[..] {
        [] => Some("holds no program".to_owned()),
        [program] if program == stem => None,
        _ => {
            // In order and from 0, as they are written: any other list is somebody's own choice.
            let mut numbered = (0..).zip(&programs);
            let stranger =
                numbered.find(|(number, program)| **program != naming::instance(stem, *number))?;
            Some(format!("holds the program {}", stranger.1))
        }
    }
}

/// Whether a logrotate config without a record is the site's own: only as the companion of a
/// supervisor config that is, `None` if there is none. Its own content names nothing but a log.
pub fn logrotate_file_is_of(companion: Option<&Owner>) -> Owner {
    match companion {
        Some(Owner::Own) => Owner::Own,
        Some(Owner::Foreign { .. }) => Owner::foreign("belongs to a program of somebody else"),
        None => Owner::foreign("has no supervisor config of the same name"),
    }
}

/// Whether a logrotate config has one block, of exactly this log, as all that we or the script ever
/// wrote do: nothing before it but comments, nothing behind it, no other `{` and no `include`.
pub fn rotates_only(text: &str, log: &str) -> bool {
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    let opens = lines.next().and_then(|line| line.strip_suffix('{'));
    let mut inside = Vec::new();
    let mut in_script = false;
    let mut closed = false;
    for line in lines {
        // A script's own braces are no blocks.
        in_script = match line {
            "postrotate" | "prerotate" | "firstaction" | "lastaction" | "preremove" => true,
            "endscript" => false,
            _ => in_script,
        };
        if !in_script && line == "}" {
            closed = true;
        } else if !in_script || closed {
            inside.push((closed, line));
        }
    }
    opens.map(str::trim) == Some(log)
        && closed
        && inside.iter().all(|(behind, line)| {
            !behind && !line.contains(['{', '/']) && !line.starts_with("include")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{DaemonFacts, render};
    use crate::inventory::{
        ConfigFiles, Domain, Format, Instances, Paths, Program, ProgramName, Run, ScriptPath,
        UserName,
    };

    /// A logrotate config of anything else is nobody else's to replace.
    #[test]
    fn other_logrotate_config_is_foreign() {
        let log = "/var/log/supervisor/a.com-w.log";
        let ours = format!("{log} {{\n    daily\n    rotate 5\n}}\n");
        assert!(rotates_only(&ours, log));
        let script =
            "{\n daily\n postrotate\n  kill -USR2 \"$pid\" || { exit 0; }\n endscript\n}\n";
        assert!(rotates_only(&format!("# a comment\n{log} {script}"), log));
        for foreign in [
            "/var/log/nginx/*.log { daily }\n".to_owned(),
            "/var/log/nginx/*.log {\n daily\n}\n".to_owned(),
            format!("/var/log/other/*.log\n{ours}"),
            format!("{ours}{ours}"),
            format!("{ours}/var/log/other/*.log {{ daily }}\n"),
            format!("include /etc/other\n{ours}"),
            format!("{log} {{\n daily\n"),
            format!("{log} /var/log/other.log {{\n daily\n}}\n"),
            String::new(),
        ] {
            assert!(!rotates_only(&foreign, log), "{foreign}");
        }
    }

    fn site(domain: &str, program: &str, instances: Instances, numprocs: u32) -> Site {
        let run = Run::Script(ScriptPath::parse("x.sh").unwrap());
        let program = Program::new(ProgramName::parse(program).unwrap(), run);
        Site {
            domain: Domain::parse(domain).unwrap(),
            user: UserName::parse("deployer").unwrap(),
            format: Format::Classic,
            config_files: Default::default(),
            config_suffix: Default::default(),
            configs: Vec::new(),
            groups: Vec::new(),
            paths: Paths::default(),
            programs: vec![Program { instances, numprocs, ..program }],
        }
    }

    /// The text of the site's one supervisor config, and its stem.
    fn rendered(site: &Site) -> (String, String) {
        let desired = render(site, &DaemonFacts::default()).unwrap();
        let file = desired.files.iter().find(|(_, file)| file.kind == FileKind::Supervisor);
        let (path, file) = file.unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (stem, String::from_utf8(file.bytes.clone()).unwrap())
    }

    fn reason(owner: Owner) -> String {
        match owner {
            Owner::Own => "own".to_owned(),
            Owner::Foreign { reason } => reason,
        }
    }

    #[test]
    fn what_we_render_is_our_own() {
        for (instances, numprocs) in [
            (Instances::Together, 1),
            (Instances::Together, 4),
            (Instances::Separate, 1),
            (Instances::Separate, 101),
        ] {
            let site = site("example.com", "worker", instances, numprocs);
            let (stem, text) = rendered(&site);
            assert_eq!(supervisor_file_is_of(&site, &stem, &text), Owner::Own, "{text}");
        }
    }

    #[test]
    fn staging_does_not_own_staging_eu() {
        let staging = site("staging", "eu-worker", Instances::Together, 1);
        let staging_eu = site("staging-eu", "worker", Instances::Together, 1);
        let (stem, of_eu) = rendered(&staging_eu);
        let (same_stem, of_staging) = rendered(&staging);
        assert_eq!(stem, same_stem);
        let file = format!("{stem}.conf");
        for site in [&staging, &staging_eu] {
            assert_eq!(candidate(site, &file, FileKind::Supervisor), Some("staging-eu-worker"));
        }
        assert_eq!(supervisor_file_is_of(&staging_eu, &stem, &of_eu), Owner::Own);
        assert_eq!(supervisor_file_is_of(&staging, &stem, &of_staging), Owner::Own);
        assert_eq!(
            reason(supervisor_file_is_of(&staging, &stem, &of_eu)),
            "runs in /home/deployer/sites/staging-eu/current, not in /home/deployer/sites/staging/current"
        );
        assert!(matches!(
            supervisor_file_is_of(&staging_eu, &stem, &of_staging),
            Owner::Foreign { .. }
        ));
    }

    #[test]
    fn unexpected_content_makes_file_foreign() {
        let site = site("a.com", "w", Instances::Together, 1);
        let own = "[program:a.com-w]\ndirectory = /home/deployer/sites/a.com/current ; ours\n";
        assert_eq!(supervisor_file_is_of(&site, "a.com-w", own), Owner::Own);
        let instance = |number: &str| own.replace("a.com-w", &format!("a.com-w_{number}"));
        for (stem, text, expected) in [
            ("b.com-w", own.to_owned(), "is not named after a.com"),
            ("a.com", own.to_owned(), "is not named after a.com"),
            ("a.com-w2", own.to_owned(), "holds the program a.com-w"),
            ("a.com-w", String::new(), "holds no program"),
            (
                "a.com-w",
                format!("{own}[group:g]\nprograms=a.com-w\n"),
                "holds the section [group:g]",
            ),
            ("a.com-w", format!("[DEFAULT]\n{own}"), "holds the section [DEFAULT]"),
            ("a.com-w", format!("{own}{own}"), "holds the program a.com-w"),
            ("a.com-w", "[program:a.com-w]\n".to_owned(), "has no directory="),
            ("a.com-w", "[program:a.com-w]\ndirectory=/x\n".to_owned(), "runs in /x"),
            ("a.com-w", format!("{own}nonsense\n"), "cannot be read by supervisord (line 3"),
            ("a.com-w", instance("01"), "holds the program a.com-w_01"),
            ("a.com-w", instance("00") + &instance("02"), "holds the program a.com-w_02"),
            ("a.com-w", own.to_owned() + &instance("00"), "holds the program a.com-w"),
        ] {
            let reason = reason(supervisor_file_is_of(&site, stem, &text));
            assert!(reason.starts_with(expected), "{stem} {text:?}: {reason}");
        }
        assert_eq!(
            supervisor_file_is_of(&site, "a.com-w", &(instance("00") + &instance("01"))),
            Owner::Own
        );
    }

    /// A pair of the script's is whole and holds nothing else.
    #[test]
    fn script_pair_must_be_whole() {
        let site = site("a.com", "w", Instances::Together, 4);
        let desired = render(&site, &DaemonFacts::default()).unwrap();
        let text = |kind| {
            let file = desired.files.values().find(|file| file.kind == kind).unwrap();
            String::from_utf8(file.bytes.clone()).unwrap()
        };
        let (config, rotation) = (text(FileKind::Supervisor), text(FileKind::Logrotate));
        assert!(is_classic_pair(&site, "a.com-w", &config, &rotation));
        for (config, rotation) in [
            (config.clone(), String::new()),
            (config.clone(), rotation.replace("a.com-w", "a.com-v")),
            (format!("{config}startsecs=5\n"), rotation.clone()),
            (config.replace("user=deployer\n", ""), rotation.clone()),
            (config.replace("runner.sh .deployer", "runner.sh other"), rotation.clone()),
            (config.replace("a.com/current", "b.com/current"), rotation.clone()),
        ] {
            assert!(!is_classic_pair(&site, "a.com-w", &config, &rotation), "{config}{rotation}");
        }
        assert!(!is_classic_pair(&site, "a.com-v", &config, &rotation));
    }

    #[test]
    fn common_file_holds_only_sites_programs() {
        let per_program = site("a.com", "w", Instances::Together, 1);
        let site = Site { config_files: ConfigFiles::PerSite, ..per_program.clone() };
        let own = "[program:a.com-w]\ndirectory=/home/deployer/sites/a.com/current\n";
        let two = own.to_owned() + &own.replace("a.com-w", "a.com-v_00");
        assert_eq!(supervisor_file_is_of(&site, "a.com", &two), Owner::Own);
        for (text, expected) in [
            (own.replace("a.com-w", "b.com-w"), "holds the section [program:b.com-w]"),
            (format!("{own}[group:a.com-g]\n"), "holds the section [group:a.com-g]"),
            (own.replace("sites/a.com", "sites/b.com"), "runs in "),
            (String::new(), "holds no program"),
        ] {
            let reason = reason(supervisor_file_is_of(&site, "a.com", &text));
            assert!(reason.starts_with(expected), "{text:?}: {reason}");
        }
        let name = "a.com.conf";
        assert_eq!(candidate(&site, name, FileKind::Supervisor), Some("a.com"));
        assert_eq!(candidate(&site, name, FileKind::Logrotate), None);
        assert_eq!(candidate(&per_program, name, FileKind::Supervisor), None);
    }

    #[test]
    fn candidate_is_named_after_site() {
        let site = site("a.com", "w", Instances::Together, 1);
        use FileKind::{Logrotate, Supervisor};
        for (name, kind, stem) in [
            ("a.com-w.conf", Supervisor, Some("a.com-w")),
            ("a.com-w-2.conf", Supervisor, Some("a.com-w-2")),
            ("supervisor-a.com-w.conf", Logrotate, Some("a.com-w")),
            ("supervisor-a.com-w.conf", Supervisor, None),
            ("a.com-w.conf", Logrotate, None),
            ("a.com.conf", Supervisor, None),
            ("a.comx-w.conf", Supervisor, None),
            ("a.com-w.conf~", Supervisor, None),
            (".a.com-w.conf", Supervisor, None),
        ] {
            assert_eq!(candidate(&site, name, kind), stem, "{name}");
        }
    }

    /// A logrotate file is the site's own only beside a supervisor file of its own.
    #[test]
    fn logrotate_file_needs_own_supervisor_file() {
        assert_eq!(logrotate_file_is_of(Some(&Owner::Own)), Owner::Own);
        assert_ne!(logrotate_file_is_of(Some(&Owner::foreign("x"))), Owner::Own);
        assert_ne!(logrotate_file_is_of(None), Owner::Own);
    }
}
