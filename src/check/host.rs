//! The checks over what a host's supervisord includes, whoever wrote it; and over what an inventory wants there,
//! for what only the host knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::beside::script_in;
use super::inventory::{Entry, Origin, entries, located_at};
use super::text::place_in;
use super::{Lint, sorted};
use crate::api::{CodeFound, CodeNeed, Includes};
use crate::inventory::{
    ConfigSuffix, HostName, Located, Nothing, Paths, Place, Problem, Run, Site,
};
use crate::lint::{self, Finding, OnHost, Part, Script, Subject};
use crate::supervisord::merged::Merged;
use crate::supervisord::{GroupHeader, GroupKind, ini, words};
use crate::system::passwords::without_passwords;
use crate::system::sanitized;

/// Where supervisord looks for commands if it has no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/local/bin";

/// Folders of the system's own scripts, which nobody here wrote.
const OF_THE_SYSTEM: [&str; 6] =
    ["/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/share/", "/bin/", "/sbin/"];

/// What is said of a host.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HostLints {
    /// How many files its supervisord includes.
    pub(crate) files: usize,
    /// How many programs they have.
    pub(crate) programs: usize,
    /// What is legal and hurts. Files are those of the host, but for what the inventory wants there.
    pub(crate) lints: Vec<Lint>,
    /// Files that cannot be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unreadable: Vec<Unreadable>,
}

/// A file that cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

/// One supervisord of a host, between the two questions that it is asked.
pub(crate) struct OnDaemon<'a> {
    located: &'a Located<'a>,
    includes: &'a Includes,
    merged: Merged,
    texts: BTreeMap<&'a Path, String>,
    unreadable: Vec<Unreadable>,
    /// What its files have, with the name of the section and whether the inventory wrote it.
    included: Vec<(Subject, String, bool)>,
    /// What the inventory wants there.
    wanted: Vec<Entry<'a>>,
}

impl<'a> OnDaemon<'a> {
    /// Of the supervisord of these paths, which includes this.
    pub(crate) fn new(
        located: &'a Located<'a>,
        (host, paths): (&HostName, &Paths),
        includes: &'a Includes,
    ) -> Self {
        let sites = located.inventory.sites.iter().map(|placed| {
            let is_here = placed.hosts.contains(host) && is_same(&placed.site.paths, paths);
            is_here.then_some(&placed.site)
        });
        let sites: Vec<Option<&Site>> = sites.collect();
        let all = entries(&located.inventory, &located.places.sites, &Nothing);
        let wanted =
            all.into_iter().filter(|entry| sites.get(entry.site).is_some_and(Option::is_some));
        let mut daemon = Self {
            located,
            includes,
            merged: Merged::of(|section| GroupHeader::parse(section).is_some()),
            texts: BTreeMap::new(),
            unreadable: Vec::new(),
            included: Vec::new(),
            wanted: wanted.collect(),
        };
        daemon.read_files();
        daemon.read_sections(&own_files(sites.into_iter().flatten()));
        daemon
    }

    fn read_files(&mut self) {
        for file in std::iter::once(&self.includes.main).chain(&self.includes.files) {
            let mut refuse = |reason: String| {
                self.unreadable.push(Unreadable { path: file.path.clone(), reason });
            };
            if let Some(reason) = &file.unreadable {
                refuse(reason.clone());
                continue;
            }
            let text = String::from_utf8_lossy(&file.bytes).into_owned();
            match ini::parse(&text) {
                Ok(ini) => self.merged.add(&file.path, &ini),
                Err(error) => refuse(format!("supervisord cannot read it: {error}")),
            }
            self.texts.insert(&file.path, text);
        }
    }

    fn read_sections(&mut self, own: &BTreeSet<PathBuf>) {
        for section in self.merged.sections() {
            let Some(header) = GroupHeader::parse(&section.name) else { continue };
            if header.kind == GroupKind::Group {
                continue;
            }
            let options = self.merged.settings(section);
            let options: BTreeMap<String, String> =
                options.map(|(_, one)| (one.key.clone(), one.value.clone())).collect();
            let is_own =
                section.headers.iter().all(|header| own.contains(self.merged.file(*header)));
            let subject = Subject::of_section(header.kind, header.name, options);
            self.included.push((subject, section.name.clone(), is_own));
        }
    }

    /// What must be asked of the host, for the files' sections and then for what is wanted.
    pub(crate) fn needs(&self) -> Vec<CodeNeed> {
        let included = self.included.iter().map(|(subject, ..)| self.need(subject));
        let wanted = self
            .wanted
            .iter()
            .map(|entry| CodeNeed { script: self.live_script(entry), ..self.need(&entry.subject) });
        included.chain(wanted).collect()
    }

    /// The script of the live release, which was not looked for beside the inventory.
    fn live_script(&self, entry: &Entry<'_>) -> Option<String> {
        let Origin::Program(program, _) = entry.origin else { return None };
        let site = &self.located.inventory.sites.get(entry.site)?.site;
        match &program.run {
            Run::Script(script) => Some(format!("{}/{}", site.current(), script.in_release())),
            Run::Command(_) => None,
        }
    }

    fn need(&self, subject: &Subject) -> CodeNeed {
        let command = subject.options.get("command").and_then(|text| self.expanded(subject, text));
        let words = command.as_deref().and_then(|text| words::split(text).ok()).unwrap_or_default();
        let directory =
            subject.options.get("directory").and_then(|text| self.expanded(subject, text));
        let directory = directory.filter(|path| path.starts_with('/'));
        let script = command.as_deref().and_then(script_in).map(|(path, _)| path);
        let script = script.and_then(|path| match path.starts_with('/') {
            true => Some(path),
            false => directory.as_ref().map(|directory| format!("{directory}/{path}")),
        });
        let script =
            script.filter(|path| !OF_THE_SYSTEM.iter().any(|folder| path.starts_with(folder)));
        let own = subject.variables.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value);
        let path = own.or_else(|| self.includes.environment.get("PATH"));
        let path = path.map_or(DEFAULT_PATH, String::as_str);
        // One with a folder that is not absolute depends on where supervisord was started.
        let command = words.into_iter().next();
        CodeNeed {
            command: command.filter(|word| word.starts_with('/') || !word.contains('/')),
            search: path.split(':').map(str::to_owned).collect(),
            directory,
            script,
        }
    }

    /// A value as supervisord expands it for the first process; `None` where that cannot be told.
    fn expanded(&self, subject: &Subject, value: &str) -> Option<String> {
        let lookup = |name: &str| match name {
            "program_name" | "group_name" => Some(subject.name.clone()),
            "process_num" => Some("0".to_owned()),
            "numprocs" => Some(subject.processes.to_string()),
            "host_node_name" => Some(self.includes.node.clone()),
            _ => self.includes.environment.get(name.strip_prefix("ENV_")?).cloned(),
        };
        ini::expand(value, &lookup).ok()
    }

    /// What is to be said, once the host has answered [`needs`](Self::needs).
    pub(crate) fn lints(self, found: Vec<CodeFound>) -> HostLints {
        let user = self.includes.daemon.as_ref().ok().and_then(|daemon| daemon.user.as_deref());
        let is_root = user == Some("root");
        let mut found = found.into_iter();
        let mut subjects = Vec::new();
        for ((subject, ..), found) in self.included.iter().zip(found.by_ref()) {
            let script = self.script(subject, found.script.clone());
            subjects.push(Subject {
                script,
                host: Some(on_host(is_root, found)),
                commands: Default::default(),
                ..subject.clone()
            });
        }
        let subjects: Vec<&Subject> = subjects.iter().collect();
        let mut findings = lint::look_at_each(&subjects);
        findings.extend(lint::look_at_all(&subjects));
        let mut lints = Vec::new();
        for (at, finding) in findings {
            let Some((_, section, is_own)) = self.included.get(at) else { continue };
            if !is_own {
                lints.push(self.in_file(section, subjects[at], finding));
            }
        }
        for (entry, found) in self.wanted.iter().zip(found) {
            lints.extend(self.of_wanted(entry, is_root, found));
        }
        HostLints {
            files: self.includes.files.len(),
            programs: self.included.len(),
            lints: sorted(lints),
            unreadable: self.unreadable,
        }
    }

    fn script(&self, subject: &Subject, text: Option<String>) -> Option<Script> {
        let (_, is_argument) = script_in(subject.options.get("command")?)?;
        let path = self.need(subject).script?;
        Some(Script { path, text: text?, is_argument })
    }

    /// What only the host shows of a program of the inventory.
    fn of_wanted(&self, entry: &Entry<'_>, is_root: bool, found: CodeFound) -> Vec<Lint> {
        let script = found.script.clone().and_then(|text| {
            Some(Script { path: self.live_script(entry)?, text, is_argument: false })
        });
        let on_host = Subject {
            script,
            host: Some(on_host(is_root, found)),
            commands: Default::default(),
            ..entry.subject.clone()
        };
        let before = lint::look_at_each(&[&entry.subject]);
        let mut lints = Vec::new();
        for (at, finding) in lint::look_at_each(&[&on_host]) {
            let is_silent = entry.allowed.iter().any(|allowed| allowed.check == finding.check);
            if !is_silent && !before.contains(&(at, finding.clone())) {
                lints.push(located_at(&self.located.places, entry, &on_host, finding));
            }
        }
        lints
    }

    /// A finding in a file of the host.
    fn in_file(&self, section: &str, subject: &Subject, finding: Finding) -> Lint {
        let Finding { check, message, at, fix } = finding;
        let (file, place) = match (&at, &subject.script) {
            (Part::ScriptLine(line), Some(script)) => {
                (script.path.clone(), place_in(&script.text, *line))
            }
            _ => self.place(section, &at),
        };
        let problem = Problem {
            file: sanitized(&file),
            place,
            message: without_passwords(&message).into_owned(),
            help: vec![fix],
            related: Vec::new(),
        };
        Lint { check, problem }
    }

    fn place(&self, section: &str, part: &Part) -> (String, Place) {
        let option = match part {
            Part::Option(option) => option,
            Part::Variable(_) | Part::Probe | Part::ScriptLine(_) => "environment",
        };
        let said = self.merged.setting(section, option).map(|setting| setting.at);
        let header = self.merged.section(section).and_then(|found| found.headers.first().copied());
        let Some(at) = said.or(header) else { return (String::new(), Place::of_line(1, "")) };
        let file = self.merged.file(at);
        let text = self.texts.get(file).map(String::as_str).unwrap_or_default();
        let place = match option {
            // Its values are secrets, also those that do not look like it.
            "environment" if said.is_some() => Place::of_line(at.line, "environment=***"),
            _ => place_in(text, at.line),
        };
        (file.display().to_string(), place)
    }
}

fn on_host(is_root: bool, found: CodeFound) -> OnHost {
    let CodeFound { no_command, no_directory, .. } = found;
    OnHost { is_root, no_command, no_directory }
}

/// Whether two sites belong to one supervisord.
pub(crate) fn is_same(one: &Paths, other: &Paths) -> bool {
    (&one.supervisord, &one.conf_dir) == (&other.supervisord, &other.conf_dir)
}

/// The files that these sites write, which are looked at in the inventory.
fn own_files<'s>(sites: impl Iterator<Item = &'s Site>) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for site in sites {
        files.extend(site.configs.iter().map(|config| site.config_by_hand(&config.name)));
        // How their names end, the host has said to nobody here.
        for config_suffix in ConfigSuffix::ALL {
            let site = Site { config_suffix, ..site.clone() };
            for program in &site.programs {
                let full = site.full_name(program).ok();
                files.extend(full.map(|full| site.config_file(program, &full)));
            }
        }
    }
    files
}
