//! What is to come into the inventory: files as they were found, sorted into sites, each as entries or as
//! it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::deployment;
use super::entry::{Entry, Unsayable};
use super::found::{
    Found, Read, config_name, joined, makes_processes, missing_member, read_file, taken_in,
};
use crate::inventory::config_file::{header, list};
use crate::inventory::{ConfigName, Domain, ProgramName};
use crate::supervisord::ini::Section;
use crate::supervisord::{GroupKind, ReadBy};

/// What does not come into the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotTaken {
    pub(crate) path: PathBuf,
    /// Where in the file, if it is about a place.
    pub(crate) line: Option<u32>,
    pub(crate) reason: String,
    /// How many programs it has.
    pub(crate) programs: usize,
}

/// How a file comes into the inventory.
#[derive(Clone)]
pub(crate) enum Way {
    /// Each of its programs as an entry.
    Keys(Vec<ProgramDraft>),
    /// The file itself, and why.
    Verbatim { line: Option<u32>, reason: String },
}

/// A program of a file that comes in as entries.
#[derive(Clone)]
pub(crate) struct ProgramDraft {
    /// Its name in supervisord.
    pub(crate) full_name: String,
    /// The group that takes it in.
    pub(crate) group: Option<String>,
    pub(crate) entry: Entry,
}

/// A group that takes programs in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct GroupDraft {
    pub(crate) name: String,
    /// The names of its programs in supervisord, in its own order.
    pub(crate) members: Vec<String>,
    pub(crate) priority: Option<i64>,
}

/// A file that comes into the inventory.
#[derive(Clone)]
pub(crate) struct FileDraft {
    pub(crate) path: PathBuf,
    pub(crate) name: ConfigName,
    pub(crate) bytes: Vec<u8>,
    /// Where it leads to, if it is a symbolic link.
    pub(crate) link: Option<PathBuf>,
    /// The names of its sections.
    pub(crate) sections: Vec<String>,
    /// The groups among them.
    pub(crate) groups: Vec<GroupDraft>,
    /// How many of them make processes.
    pub(crate) programs: usize,
    /// Lines that are comments.
    pub(crate) comments: usize,
    pub(crate) way: Way,
    /// Files with the same number belong together: a group takes in programs of the others.
    pub(crate) together: usize,
}

impl FileDraft {
    /// Lines with options that supervisord passes over, and that no entry says.
    pub(crate) fn passed_over(&self) -> impl Iterator<Item = (u32, &str)> {
        let programs = match &self.way {
            Way::Keys(programs) => programs.as_slice(),
            Way::Verbatim { .. } => &[],
        };
        let lines = programs.iter().flat_map(|program| &program.entry.passed_over);
        lines.map(|(line, option)| (*line, option.as_str()))
    }
}

/// A site of the inventory to be.
#[derive(Clone)]
pub(crate) struct SiteDraft {
    pub(crate) domain: Domain,
    /// What it would be called if that could be had.
    pub(crate) wanted: Domain,
    /// Where its name is from, in words that follow it.
    pub(crate) named_after: &'static str,
    /// Where its files are on the host.
    pub(crate) folder: PathBuf,
    pub(crate) files: Vec<FileDraft>,
}

/// All of it.
#[derive(Clone, Default)]
pub(crate) struct Draft {
    pub(crate) sites: Vec<SiteDraft>,
    pub(crate) not_taken: Vec<NotTaken>,
}

/// What decides about names.
pub(crate) struct Naming<'a> {
    /// Whatever belongs to no deployment is of this site, named after the server.
    pub(crate) rest: &'a Domain,
    /// Everything is of this site.
    pub(crate) only: Option<&'a Domain>,
    /// These cannot be had any more.
    pub(crate) taken: &'a BTreeSet<String>,
}

/// Whether a program of a file comes in as an entry only where that gives the very bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Stays,
    MayChange,
}

impl Draft {
    /// Sorts what was found.
    pub(crate) fn of(found: Vec<Found>, naming: &Naming<'_>, read_by: &ReadBy<'_>) -> Self {
        let mut draft = Self::default();
        let mut read = Vec::new();
        for file in found {
            match read_file(&file) {
                Ok(sections) => read.push((file, sections)),
                Err((line, reason)) => draft.leave(&file.path, line, reason, &file.bytes),
            }
        }
        let read = draft.without_repeated(read);
        let read = draft.with_whole_groups(read);
        let taken_in = taken_in(&read);
        for (together, files) in joined(read) {
            let site = draft.site_of(&files, naming);
            for (file, sections) in files {
                let Some(name) = config_name(&file.path) else { continue };
                let way = way(&sections, &taken_in, read_by);
                let file = file_draft(file, name, (&sections, together), way);
                if let Some(site) = draft.sites.get_mut(site) {
                    site.files.push(file);
                }
            }
            let files = draft.sites.get_mut(site).map_or(&mut [][..], |site| &mut site.files);
            let as_it_is = files.iter().find_map(|file| match &file.way {
                Way::Verbatim { line, reason } if file.together == together => {
                    Some((file.path.clone(), *line, reason.clone()))
                }
                _ => None,
            });
            if let Some((path, line, reason)) = as_it_is {
                take_as_they_are(files, together, (&path, line, &reason));
            }
        }
        draft
    }

    fn leave(&mut self, path: &Path, line: Option<u32>, reason: String, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let programs = text.lines().filter(|line| makes_processes(line.trim())).count();
        self.not_taken.push(NotTaken { path: path.to_owned(), line, reason, programs });
    }

    /// Leaves files that define what another file defines, too: supervisord merges the two.
    fn without_repeated(&mut self, read: Vec<Read>) -> Vec<Read> {
        let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for (file, sections) in &read {
            for section in sections {
                files.entry(section.name.clone()).or_default().push(file.path.clone());
            }
        }
        let mut kept = Vec::new();
        for (file, sections) in read {
            let repeated = sections.iter().find(|section| files[&section.name].len() > 1);
            let Some(section) = repeated else {
                kept.push((file, sections));
                continue;
            };
            let other = files[&section.name].iter().find(|path| **path != file.path);
            let where_else =
                other.map_or("in this file".to_owned(), |path| format!("in {}", path.display()));
            let reason = format!(
                "[{}] appears twice, also {where_else}, and supervisord makes one of the two",
                section.name
            );
            self.leave(&file.path, Some(section.line), reason, &file.bytes);
        }
        kept
    }

    /// Leaves files of groups that take in programs of which we have no file.
    fn with_whole_groups(&mut self, mut read: Vec<Read>) -> Vec<Read> {
        loop {
            let programs: BTreeSet<String> = read
                .iter()
                .flat_map(|(_, sections)| sections)
                .filter_map(|section| header(&section.name))
                .filter(|(kind, _)| *kind != GroupKind::Group)
                .map(|(_, name)| name.to_owned())
                .collect();
            let incomplete = read.iter().position(|(_, sections)| {
                sections.iter().any(|section| missing_member(section, &programs).is_some())
            });
            let Some(at) = incomplete else { return read };
            let (file, sections) = read.remove(at);
            let member = sections
                .iter()
                .find_map(|section| Some((section.line, missing_member(section, &programs)?)));
            let (line, member) = member.unwrap_or_default();
            let reason = format!("it takes in the program `{member}`, which is not in these files");
            self.leave(&file.path, Some(line), reason, &file.bytes);
        }
    }

    /// The site that files which belong together are of; it is made if there is none.
    fn site_of(&mut self, files: &[Read], naming: &Naming<'_>) -> usize {
        let path = files.first().map(|(file, _)| file.path.clone()).unwrap_or_default();
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let programs = files.iter().flat_map(|(_, sections)| sections);
        let deployments: BTreeSet<Domain> = programs.filter_map(deployment::of_section).collect();
        let mut deployments = deployments.into_iter();
        let (domain, named_after) = match (naming.only, deployments.next(), deployments.next()) {
            (Some(only), ..) => (only.clone(), "as --site says"),
            (None, Some(one), None) => (one, "after the folder its programs run in"),
            _ => (naming.rest.clone(), "after the server"),
        };
        let known = self.sites.iter().position(|site| {
            site.folder == folder && site.named_after == named_after && site.wanted == domain
        });
        known.unwrap_or_else(|| {
            let (wanted, domain) = (domain.clone(), self.free_name(domain, naming.taken));
            self.sites.push(SiteDraft { domain, wanted, named_after, folder, files: Vec::new() });
            self.sites.len() - 1
        })
    }

    /// A domain, or `domain-2` and so on where it cannot be had.
    fn free_name(&self, domain: Domain, taken: &BTreeSet<String>) -> Domain {
        let is_free = |name: &Domain| {
            !taken.contains(name.as_str()) && self.sites.iter().all(|site| site.domain != *name)
        };
        let numbered = (2..100).filter_map(|n| Domain::parse(&format!("{domain}-{n}")).ok());
        let mut names = std::iter::once(domain.clone()).chain(numbered);
        names.find(is_free).unwrap_or(domain)
    }

    /// The files that come in, each with its site.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&SiteDraft, &FileDraft)> {
        self.sites.iter().flat_map(|site| site.files.iter().map(move |file| (site, file)))
    }

    /// Takes a file in another way than so far: as it is if it came in as entries, else not at all.
    /// Whether there was another way.
    pub(crate) fn demote(&mut self, path: &Path, line: Option<u32>, reason: &str) -> bool {
        let mut gone = Vec::new();
        for site in &mut self.sites {
            let Some(file) = site.files.iter_mut().find(|file| file.path == path) else { continue };
            let (together, by_entries) = (file.together, matches!(file.way, Way::Keys(_)));
            if by_entries {
                take_as_they_are(&mut site.files, together, (path, line, reason));
                return true;
            }
            let all = std::mem::take(&mut site.files);
            let (leave, stay) = all.into_iter().partition(|file| file.together == together);
            site.files = stay;
            gone = leave;
        }
        let is_known = !gone.is_empty();
        for file in gone {
            let (line, reason) = match file.path == path {
                true => (line, reason.to_owned()),
                false => (None, belongs_to(path, reason)),
            };
            let programs = file.programs;
            self.not_taken.push(NotTaken { path: file.path, line, reason, programs });
        }
        self.sites.retain(|site| !site.files.is_empty());
        is_known
    }
}

/// Takes files that belong together as they are: a group cannot be half in the inventory. The reason is about
/// one of them.
fn take_as_they_are(
    files: &mut [FileDraft],
    together: usize,
    (path, line, reason): (&Path, Option<u32>, &str),
) {
    for file in files.iter_mut().filter(|file| file.together == together) {
        file.way = match file.path == path {
            true => Way::Verbatim { line, reason: reason.to_owned() },
            false => Way::Verbatim { line: None, reason: belongs_to(path, reason) },
        };
    }
}

fn belongs_to(path: &Path, reason: &str) -> String {
    format!("its programs belong together with {}: {reason}", path.display())
}

fn file_draft(
    file: Found,
    name: ConfigName,
    (sections, together): (&[Section], usize),
    way: Way,
) -> FileDraft {
    let headers: Vec<(GroupKind, &str)> =
        sections.iter().filter_map(|section| header(&section.name)).collect();
    let text = String::from_utf8_lossy(&file.bytes);
    let is_comment = |line: &&str| line.trim_start().starts_with([';', '#']) || line.contains(" ;");
    FileDraft {
        comments: text.lines().filter(is_comment).count(),
        programs: headers.iter().filter(|(kind, _)| *kind != GroupKind::Group).count(),
        groups: sections.iter().filter_map(|section| group(section).ok()?).collect(),
        sections: headers.iter().map(|(_, name)| (*name).to_owned()).collect(),
        way,
        path: file.path,
        bytes: file.bytes,
        link: file.link,
        name,
        together,
    }
}

/// As entries, if there are words for each of its sections.
fn way(
    sections: &[Section],
    taken_in: &BTreeMap<String, Vec<String>>,
    read_by: &ReadBy<'_>,
) -> Way {
    let mut programs = Vec::new();
    for section in sections {
        let verbatim = |line: u32, reason: String| Way::Verbatim { line: Some(line), reason };
        match header(&section.name) {
            Some((GroupKind::Program, name)) => {
                let groups = taken_in.get(name).map_or(&[][..], Vec::as_slice);
                if groups.len() > 1 {
                    let reason = format!("several groups take in the program `{name}`");
                    return verbatim(section.line, reason);
                }
                let (full_name, group) = (name.to_owned(), groups.first().cloned());
                match Entry::of(section, read_by) {
                    Ok(entry) => programs.push(ProgramDraft { full_name, group, entry }),
                    Err(Unsayable { line, reason }) => return verbatim(line, reason),
                }
            }
            Some((GroupKind::Group, _)) => {
                if let Err((line, reason)) = group(section) {
                    return verbatim(line, reason);
                }
            }
            _ => {
                let reason = format!("[{}] has no key in the inventory", section.name);
                return verbatim(section.line, reason);
            }
        }
    }
    Way::Keys(programs)
}

/// What a section says of a group, if it is one; else what has no words in the inventory, and where.
fn group(section: &Section) -> Result<Option<GroupDraft>, (u32, String)> {
    let Some((GroupKind::Group, name)) = header(&section.name) else { return Ok(None) };
    let mut group = GroupDraft { name: name.to_owned(), members: Vec::new(), priority: None };
    let mut said = BTreeSet::new();
    for entry in &section.entries {
        let unsayable = |what: &str| Err((entry.line, format!("`{}` {what}", entry.key)));
        if !said.insert(entry.key.as_str()) {
            return unsayable("appears twice");
        }
        match entry.key.as_str() {
            "programs" => group.members = list(&entry.value),
            "priority" => match entry.value.trim().parse() {
                Ok(priority) => group.priority = Some(priority),
                Err(_) => return unsayable("is no number"),
            },
            _ => return unsayable("is no option of a group"),
        }
    }
    Ok(Some(group))
}

/// The name of a program within its site.
pub(crate) fn program_name(domain: &Domain, full_name: &str) -> String {
    let own = full_name.strip_prefix(domain.as_str()).and_then(|rest| rest.strip_prefix('-'));
    let own = own.filter(|rest| ProgramName::parse(rest).is_ok());
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    own.unwrap_or(full_name).chars().map(|c| if is_fine(c) { c } else { '-' }).collect()
}
