//! An import from its question to its candidate: what is asked of a host, what is left out, what it comes to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::candidate::{Candidate, Setting, refused};
use super::draft::{Draft, Naming, NotTaken, Text, Way};
use super::found::Found;
use super::proof::{is_named, prove};
use super::settle::settle;
use crate::api::{IncludedFile, Includes, Target};
use crate::desired::DaemonFacts;
use crate::error::CommandError;
use crate::inventory::config_file::header;
use crate::inventory::{
    AbsolutePath, Beside, Domain, Host, Inventory, Paths, SupervisordAddress, plain_or_quoted,
};
use crate::supervisord::{Environment, ReadBy, ini};

/// What is imported, and into what.
pub(crate) struct Wish<'a> {
    /// Files alone that are imported; all if there are none.
    pub(crate) files: Vec<PathBuf>,
    /// The site of everything.
    pub(crate) site: Option<Domain>,
    pub(crate) text: Text,
    /// The file for values that look like secrets, by its path from the inventory's folder.
    pub(crate) secrets: Option<String>,
    /// The inventory that there is, with its text.
    pub(crate) before: Option<(&'a str, &'a Inventory)>,
    /// Its name in messages.
    pub(crate) name: String,
    /// What lies beside it.
    pub(crate) beside: &'a dyn Beside,
    /// The server.
    pub(crate) host: Host,
    /// How it is written, where it is not in an inventory yet.
    pub(crate) server: String,
    /// How supervisord is found there.
    pub(crate) paths: Paths,
}

/// What an import comes to. Nothing of it is written.
pub(crate) struct Imported {
    pub(crate) candidate: Candidate,
    pub(crate) draft: Draft,
    /// Files that are on record already.
    pub(crate) known: BTreeSet<PathBuf>,
    /// Which file was given for each that will be on the server, where no server was asked.
    pub(crate) given: BTreeMap<PathBuf, PathBuf>,
    /// Whether the host has planned it; else files were held against each other.
    pub(crate) is_planned: bool,
    /// Whether the text of files may change.
    pub(crate) text: Text,
}

impl Wish<'_> {
    /// Imports what a host's supervisord includes.
    pub(crate) fn import_host(mut self, host: &mut dyn Target) -> Result<Imported, CommandError> {
        let mut includes = host.includes(self.paths.clone())?;
        if self.before.is_none() && self.adopt_folder(&includes) {
            includes = host.includes(self.paths.clone())?;
        }
        if let Err(error) = &includes.daemon {
            return Err(error.clone());
        }
        let mut known: BTreeSet<PathBuf> = BTreeSet::new();
        let mut folders = BTreeSet::new();
        for file in &includes.files {
            folders.extend(file.path.parent().map(Path::to_owned));
        }
        for folder in folders {
            known.extend(self.recorded(host, &includes, &folder)?);
        }
        let found = self.found(&includes, &known);
        let facts = facts(&includes);
        let read_by = ReadBy {
            version: includes.daemon.as_ref().map_or("", |daemon| &daemon.version),
            environment: Some(&facts.environment),
        };
        let mut draft = self.draft(found, &read_by)?;
        draft.not_taken.extend(self.in_main_file(&includes));
        let head = self.head();
        let setting = self.setting(&head);
        settle(&mut draft, &setting, self.text, (&facts, &read_by));
        let candidate = prove(host, &mut draft, &setting, self.text)?;
        draft.not_taken.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
        let (text, given) = (self.text, BTreeMap::new());
        Ok(Imported { candidate, draft, known, given, is_planned: true, text })
    }

    /// Imports files that no host was asked about.
    pub(crate) fn import_files(
        self,
        texts: Vec<(PathBuf, Vec<u8>)>,
    ) -> Result<Imported, CommandError> {
        self.import_texts(texts, &ReadBy::default())
    }

    /// The same for a supervisord that reads them so.
    pub(super) fn import_texts(
        mut self,
        texts: Vec<(PathBuf, Vec<u8>)>,
        read_by: &ReadBy<'_>,
    ) -> Result<Imported, CommandError> {
        // Where they will lie on the server is for its paths to say.
        let folder = self.paths.conf_dir.as_path().to_owned();
        let mut given = BTreeMap::new();
        let mut found = Vec::new();
        let mut all = Vec::new();
        for (path, bytes) in texts {
            all.extend_from_slice(&bytes);
            let name = path.file_name().unwrap_or_default();
            let (link, obstacle) = (None, None);
            given.insert(folder.join(name), path.clone());
            found.push(Found { path: folder.join(name), bytes, link, obstacle });
        }
        self.files.clear();
        let facts = any_daemon(&all);
        let mut draft = self.draft(found, read_by)?;
        let head = self.head();
        let setting = self.setting(&head);
        settle(&mut draft, &setting, self.text, (&facts, read_by));
        let candidate = Candidate::of(&draft, &setting).map_err(|problems| refused(&problems))?;
        let known = BTreeSet::new();
        Ok(Imported { candidate, draft, known, given, is_planned: false, text: self.text })
    }

    /// Takes the folder that most of the files are in, unless one is in the folder that is expected.
    fn adopt_folder(&mut self, includes: &Includes) -> bool {
        let mut folders: BTreeMap<&Path, usize> = BTreeMap::new();
        for file in &includes.files {
            *folders.entry(file.path.parent().unwrap_or(&file.path)).or_default() += 1;
        }
        if folders.contains_key(self.paths.conf_dir.as_path()) {
            return false;
        }
        let most = folders.into_iter().max_by_key(|(_, files)| *files);
        let folder = most.and_then(|(folder, _)| AbsolutePath::parse(folder.to_str()?).ok());
        let Some(folder) = folder else { return false };
        self.paths.conf_dir = folder;
        true
    }

    /// The files that are on record for a folder of configs.
    fn recorded(
        &self,
        host: &mut dyn Target,
        includes: &Includes,
        folder: &Path,
    ) -> Result<BTreeSet<PathBuf>, CommandError> {
        let parsed = folder.to_str().and_then(|folder| AbsolutePath::parse(folder).ok());
        let more;
        let told = match parsed {
            Some(conf_dir) if folder != self.paths.conf_dir.as_path() => {
                more = host.includes(Paths { conf_dir, ..self.paths.clone() })?;
                &more
            }
            _ => includes,
        };
        if let Some(error) = told.unreadable.first() {
            return Err(error.clone());
        }
        Ok(told.records.iter().flat_map(|record| record.files.iter().cloned()).collect())
    }

    fn found(&self, includes: &Includes, known: &BTreeSet<PathBuf>) -> Vec<Found> {
        let wanted = |file: &&IncludedFile| {
            !known.contains(&file.path)
                && (self.files.is_empty() || is_named(&file.path, &self.files))
        };
        let mut found = Vec::new();
        for file in includes.files.iter().filter(wanted) {
            let why = file.unreadable.as_ref();
            found.push(Found {
                path: file.path.clone(),
                bytes: file.bytes.to_vec(),
                link: file.link.clone(),
                obstacle: why.map(|why| format!("it cannot be read: {why}")),
            });
        }
        found
    }

    /// What the main file defines, which is not a site's to write.
    fn in_main_file(&self, includes: &Includes) -> Vec<NotTaken> {
        let text = String::from_utf8_lossy(&includes.main.bytes);
        let sections = ini::parse(&text).map(|parsed| parsed.sections).unwrap_or_default();
        let sections = sections.iter().filter(|section| header(&section.name).is_some());
        let mut left = Vec::new();
        for section in sections.filter(|_| self.files.is_empty()) {
            left.push(NotTaken {
                path: includes.main.path.clone(),
                line: Some(section.line),
                reason: format!(
                    "[{}] stands in supervisord's main file: move it to a file of its own in {}",
                    section.name, self.paths.conf_dir
                ),
                programs: 1,
            });
        }
        left
    }

    fn draft(&self, found: Vec<Found>, read_by: &ReadBy<'_>) -> Result<Draft, CommandError> {
        let mut taken = BTreeSet::new();
        if let Some((_, inventory)) = self.before {
            taken.extend(inventory.sites.iter().map(|placed| placed.site.domain.to_string()));
            taken.extend(inventory.left_alone.iter().cloned());
        }
        let rest = match &self.site {
            Some(site) => site.clone(),
            None => of_host(self.host.name.as_str())?,
        };
        let naming = Naming { rest: &rest, only: self.site.as_ref(), taken: &taken };
        Ok(Draft::of(found, &naming, read_by))
    }

    /// What a new inventory begins with.
    fn head(&self) -> String {
        if let Some((text, _)) = self.before {
            return text.to_owned();
        }
        let defaults = Paths::default();
        let mut paths = String::new();
        if self.paths.conf_dir != defaults.conf_dir {
            paths += &format!("  conf_dir: {}\n", plain_or_quoted(self.paths.conf_dir.as_str()));
        }
        if let SupervisordAddress::Config(path) = &self.paths.supervisord {
            paths += &format!("  supervisord: {}\n", plain_or_quoted(path.as_str()));
        }
        if !paths.is_empty() {
            paths = format!("paths:\n{paths}");
        }
        format!(
            "# yaml-language-server: $schema=./deployer.schema.json\n\
             # What supervisord ran when this was imported; the keys are explained in docs/inventory.md.\n\
             servers:\n  - {}\n{paths}sites:\n",
            self.server
        )
    }

    /// supervisord's main file, where an inventory is there that says another.
    fn main_beside(&self) -> Option<&str> {
        let (_, inventory) = self.before?;
        match &self.paths.supervisord {
            SupervisordAddress::Config(main)
                if inventory.paths.supervisord != self.paths.supervisord =>
            {
                Some(main.as_str())
            }
            _ => None,
        }
    }

    fn setting<'s>(&'s self, head: &'s str) -> Setting<'s> {
        Setting {
            before: head,
            name: &self.name,
            host: &self.host.name,
            conf_dir: self.paths.conf_dir.as_path(),
            main: self.main_beside(),
            secrets: self.secrets.as_deref(),
            beside: self.beside,
        }
    }
}

/// What is called after a server: its name, without what a domain cannot begin with.
fn of_host(name: &str) -> Result<Domain, CommandError> {
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).replace("..", "-");
    Domain::parse(&name).map_err(|source| {
        CommandError::refused(format!("no site can be called after the server {name}"))
            .caused_by(&source)
            .hint("name one: --site DOMAIN")
    })
}

fn facts(includes: &Includes) -> DaemonFacts {
    let variables = includes.environment.iter();
    let variables = variables.map(|(name, value)| (name.as_str(), value.as_str()));
    DaemonFacts {
        pidfile: None,
        environment: Environment::given(variables),
        node: Some(includes.node.clone()),
    }
}

/// A supervisord that has every variable that a file names.
pub(super) fn any_daemon(bytes: &[u8]) -> DaemonFacts {
    let names = Environment::named_in(bytes);
    DaemonFacts {
        pidfile: None,
        environment: Environment::given(names.iter().map(|name| (name.as_str(), "0"))),
        node: Some("host".to_owned()),
    }
}

impl Imported {
    /// How many programs come in as entries, as they are, and not at all.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for (_, file) in self.draft.files() {
            let place = usize::from(matches!(file.way, Way::Verbatim { .. }));
            counts[place] += file.programs;
        }
        counts[2] = self.draft.not_taken.iter().map(|left| left.programs).sum();
        counts
    }
}
