//! What a supervisord has that no inventory has: for whoever wonders what else a server runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::api::{Includes, Target};
use crate::error::CommandError;
use crate::inventory::config_file::{header, list};
use crate::inventory::{Paths, Site};
use crate::supervisord::GroupKind;
use crate::supervisord::ini::{self, Section};

/// What no inventory has of a host's supervisord.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Unmanaged {
    /// Programs, event listeners and FastCGI programs, by name.
    pub(crate) programs: Vec<UnmanagedProgram>,
    /// Config files in supervisord's folders that no pattern of its `[include]` matches.
    pub(crate) not_read: Vec<PathBuf>,
}

/// A program that no inventory has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct UnmanagedProgram {
    /// Its name in supervisord; of one whose file is gone, that of its group.
    pub(crate) program: String,
    /// The file that defines it; none of one that supervisord runs although no file has it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
    /// How many of its processes run.
    pub(crate) running: usize,
    /// Another program, managed or not, that has the same command and directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) same_as: Option<String>,
}

impl Unmanaged {
    /// Asks a host, which reads every file of its supervisords for it. `sites` are on it as the inventory has
    /// them, `instances` the other supervisords that the inventory knows of.
    pub(crate) fn of(
        host: &mut dyn Target,
        sites: &[Site],
        instances: &[Paths],
    ) -> Result<Self, CommandError> {
        let mut all: Vec<&Paths> = instances.iter().collect();
        all.extend(sites.iter().map(|site| &site.paths));
        if !sites.is_empty() {
            // Where no site is, nobody says that there is a supervisord.
            all.retain(|paths| sites.iter().any(|site| is_of_one(&site.paths, paths)));
        }
        let mut known: Vec<&Paths> = Vec::new();
        let wanted = sites.iter().flat_map(Site::group_names).collect();
        let mut unmanaged = Self::default();
        for paths in all {
            if known.iter().all(|other| !is_of_one(other, paths)) {
                unmanaged.add(&host.includes(paths.clone())?, &wanted);
                known.push(paths);
            }
        }
        Ok(unmanaged)
    }

    /// Adds what a supervisord has beside its records and what is wanted on it (`wanted`: names of groups).
    pub(crate) fn add(&mut self, includes: &Includes, wanted: &BTreeSet<String>) {
        let mut recorded: BTreeSet<&Path> = BTreeSet::new();
        let mut managed: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
        for record in &includes.records {
            recorded.extend(record.files.iter().map(PathBuf::as_path));
            managed.extend(record.groups.iter().map(String::as_str));
        }
        let defined = Defined::of(includes);
        for program in &defined.programs {
            let is_managed = recorded.contains(program.file.as_path())
                || managed.contains(program.name.as_str())
                || managed.contains(defined.group_of(&program.name));
            if !is_managed {
                self.programs.push(UnmanagedProgram {
                    program: program.name.clone(),
                    file: Some(program.file.clone()),
                    running: running(includes, defined.group_of(&program.name), &program.name),
                    same_as: defined.same_as(program).map(str::to_owned),
                });
            }
        }
        let processes = includes.daemon.iter().flat_map(|daemon| &daemon.processes);
        let loaded: BTreeSet<&str> = processes.map(|process| process.group.as_str()).collect();
        for group in loaded.into_iter().filter(|group| !managed.contains(group)) {
            let has_file = defined.programs.iter().any(|one| defined.group_of(&one.name) == group);
            if !has_file {
                self.programs.push(UnmanagedProgram {
                    program: group.to_owned(),
                    file: None,
                    running: running(includes, group, group),
                    same_as: None,
                });
            }
        }
        self.not_read.extend(includes.not_read.iter().cloned());
        // Two sites of one supervisord tell of the same.
        self.programs.sort();
        self.programs.dedup();
        self.not_read.sort();
        self.not_read.dedup();
    }

    /// Whether there is nothing to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.not_read.is_empty()
    }
}

/// A section that makes processes.
struct DefinedProgram {
    name: String,
    file: PathBuf,
    /// Its command, word by word, and its directory.
    runs: (Vec<String>, Option<String>),
}

/// What the files of a supervisord define.
#[derive(Default)]
struct Defined {
    programs: Vec<DefinedProgram>,
    /// The group that takes a program in.
    taken_in: BTreeMap<String, String>,
}

impl Defined {
    fn of(includes: &Includes) -> Self {
        let mut defined = Self::default();
        for file in std::iter::once(&includes.main).chain(&includes.files) {
            let text = String::from_utf8_lossy(&file.bytes);
            let sections = ini::parse(&text).map(|parsed| parsed.sections).unwrap_or_default();
            sections.iter().for_each(|section| defined.add(section, &file.path));
        }
        defined
    }

    fn add(&mut self, section: &Section, file: &Path) {
        let Some((kind, name)) = header(&section.name) else { return };
        if kind == GroupKind::Group {
            let members = list(section.get("programs").unwrap_or_default());
            self.taken_in.extend(members.into_iter().map(|member| (member, name.to_owned())));
            return;
        }
        let command = section.get("command").unwrap_or_default();
        let words = command.split_whitespace().map(str::to_owned).collect();
        let directory = section.get("directory").map(str::to_owned);
        let (name, file, runs) = (name.to_owned(), file.to_owned(), (words, directory));
        self.programs.push(DefinedProgram { name, file, runs });
    }

    fn group_of<'n>(&'n self, program: &'n str) -> &'n str {
        self.taken_in.get(program).map_or(program, String::as_str)
    }

    fn same_as(&self, program: &DefinedProgram) -> Option<&str> {
        let mut others = self.programs.iter().filter(|other| other.name != program.name);
        others.find(|other| other.runs == program.runs).map(|other| other.name.as_str())
    }
}

/// How many processes of a program run: of a group that took it in, those that are called after it.
fn running(includes: &Includes, group: &str, program: &str) -> usize {
    let processes = includes.daemon.iter().flat_map(|daemon| &daemon.processes);
    let of_program = processes.filter(|process| {
        process.group == group && (group == program || process.name.starts_with(program))
    });
    of_program.filter(|process| process.pid > 0).count()
}

/// Whether two inventories' paths lead to the same records of the same supervisord.
fn is_of_one(one: &Paths, other: &Paths) -> bool {
    let of = |paths: &Paths| {
        (paths.supervisord.clone(), paths.conf_dir.clone(), paths.state_dir.clone())
    };
    of(one) == of(other)
}
