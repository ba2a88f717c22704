//! Programs and processes by the names that people type: as they are printed (`shop.example.com-queue`,
//! `shop.example.com-queue:shop.example.com-queue_01`), or short where that is no other's (`queue`,
//! `queue_01`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::config_file;
use super::name::ProgramName;
use super::naming::{instance, instance_of};
use super::program::Instances;
use super::programs::{ProcessPattern, Programs, matches};
use super::resolve::PlacedSite;
use super::selector::{in_group, unknown};
use super::site::Site;
use super::suggest::shown;
use crate::error::CommandError;

/// More candidates than this are not listed.
const MOST_LISTED: usize = 10;

/// A name as it was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name {
    /// The program or group, in which `*` stands for any text.
    program: String,
    /// The processes of it, behind a colon.
    process: Option<String>,
}

/// What a name finds of a site: each program with the processes that are meant, all of it without any.
type Found = Vec<(ProgramName, Option<ProcessPattern>)>;

/// A program as it can be named.
struct Candidate {
    /// Within its site.
    short: ProgramName,
    /// Everywhere.
    full: String,
    /// Its groups, where each process has one of its own.
    groups: Vec<String>,
    /// Its processes, where they share a group and are numbered.
    processes: Vec<String>,
}

impl Name {
    pub(super) fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some((program, process)) => {
                Self { program: program.to_owned(), process: Some(process.to_owned()) }
            }
            None => Self { program: text.to_owned(), process: None },
        }
    }

    /// What it finds of these sites, one after the other. A name that finds nothing is an error, and so is a
    /// short one that finds programs of several sites.
    pub(super) fn find(&self, sites: &[&PlacedSite]) -> Result<Vec<Found>, CommandError> {
        let candidates: Vec<Vec<Candidate>> =
            sites.iter().map(|placed| candidates(&placed.site)).collect();
        let by = |find: &dyn Fn(&Candidate) -> Option<Option<ProcessPattern>>| -> Vec<Found> {
            let of_site = |candidates: &Vec<Candidate>| {
                let found =
                    candidates.iter().filter_map(|one| Some((one.short.clone(), find(one)?)));
                found.collect()
            };
            candidates.iter().map(of_site).collect()
        };
        let is_found = |found: &[Found]| found.iter().any(|found| !found.is_empty());
        let printed = by(&|candidate| self.as_printed(candidate));
        if is_found(&printed) {
            return Ok(printed);
        }
        let short = by(&|candidate| self.as_short(candidate));
        if !is_found(&short) {
            return Err(self.unknown(sites, &candidates));
        }
        let with_one = short.iter().zip(sites).filter(|(found, _)| !found.is_empty());
        let domains: BTreeSet<&str> = with_one.map(|(_, site)| site.site.domain.as_str()).collect();
        match self.program.contains('*') || domains.len() < 2 {
            true => Ok(short),
            false => Err(self.ambiguous(&short, &candidates, domains.len())),
        }
    }

    /// By the name that is printed of it: the program, one of its groups or one of its processes.
    fn as_printed(&self, candidate: &Candidate) -> Option<Option<ProcessPattern>> {
        let any = || "*".to_owned();
        if matches(&self.program, &candidate.full) {
            let process = self.process.clone();
            return Some(process.map(|name| ProcessPattern { group: any(), name }));
        }
        let named = |names: &[String]| names.iter().any(|name| matches(&self.program, name));
        if named(&candidate.groups) {
            let name = self.process.clone().unwrap_or_else(any);
            return Some(Some(ProcessPattern { group: self.program.clone(), name }));
        }
        (self.process.is_none() && named(&candidate.processes))
            .then(|| Some(ProcessPattern { group: any(), name: self.program.clone() }))
    }

    /// By its name within the site.
    fn as_short(&self, candidate: &Candidate) -> Option<Option<ProcessPattern>> {
        if matches(&self.program, candidate.short.as_str()) {
            let process = self.process.clone();
            return Some(process.map(|name| ProcessPattern { group: "*".to_owned(), name }));
        }
        let (base, number) = instance_of(&self.program)?;
        let is_of_it = base == candidate.short.as_str();
        let printed = Self { program: instance(&candidate.full, number), ..self.clone() };
        is_of_it.then(|| printed.as_printed(candidate)).flatten()
    }

    fn unknown(&self, sites: &[&PlacedSite], candidates: &[Vec<Candidate>]) -> CommandError {
        let name = &self.program;
        if sites.iter().any(|placed| placed.site.domain.as_str() == name) {
            return CommandError::refused(format!("`{}` is a site, and no program", shown(name)))
                .hint(format!("all of its programs: --site {name}"));
        }
        let of_groups = |placed: &PlacedSite| {
            let mut programs = placed.site.programs.iter().filter(|one| one.group.is_some());
            let member = programs.find(|program| {
                let full = placed.site.full_name(program);
                matches(name, program.name.as_str())
                    || full.is_ok_and(|full| matches(name, full.as_str()))
            });
            member.map(in_group)
        };
        if let Some(error) = sites.iter().find_map(|placed| of_groups(placed)) {
            return error;
        }
        let all = || candidates.iter().flatten();
        let full = all().map(|one| one.full.as_str());
        let numbered = all().flat_map(|one| one.groups.iter().chain(&one.processes));
        let short = all().map(|one| one.short.as_str()).collect::<BTreeSet<_>>();
        // Those that are listed come first; the others are only what may have been meant.
        let listed: Vec<&str> = full.collect();
        let error = unknown("program", name, listed.iter().copied());
        let more: Vec<&str> = short.into_iter().chain(numbered.map(String::as_str)).collect();
        match super::suggest::nearest(name, listed.into_iter().chain(more)) {
            Some(meant) => {
                CommandError::refused(error.message).hint(format!("did you mean `{meant}`?"))
            }
            None => error,
        }
    }

    fn ambiguous(
        &self,
        found: &[Found],
        candidates: &[Vec<Candidate>],
        sites: usize,
    ) -> CommandError {
        let name = shown(&self.program);
        let pairs = found.iter().zip(candidates);
        let full = pairs.flat_map(|(found, candidates)| {
            let is_found = |one: &&Candidate| found.iter().any(|(short, _)| *short == one.short);
            candidates.iter().filter(is_found).map(|one| one.full.as_str())
        });
        let full: Vec<&str> = full.collect();
        let more = if full.len() > MOST_LISTED { ", …" } else { "" };
        let listed = full.get(..MOST_LISTED).unwrap_or(&full).join(", ");
        CommandError::refused(format!("`{name}` is a program of {sites} sites"))
            .hint(format!("name one: {listed}{more}; or all of them: --program '{name}'"))
    }
}

/// Every program of a site.
fn candidates(site: &Site) -> Vec<Candidate> {
    let mut all = Vec::new();
    for program in site.programs.iter().filter(|program| program.group.is_none()) {
        // Checked when the inventory was read.
        let Ok(full) = site.full_name(program) else { continue };
        let (mut groups, mut processes) = (Vec::new(), Vec::new());
        let has_default_names = program.supervisord.get("process_name").is_none();
        match program.instances {
            Instances::Separate => groups = Site::groups_of(program, &full),
            Instances::Together if program.numprocs > 1 && has_default_names => {
                let first = program.supervisord.number("numprocs_start").unwrap_or(0);
                let numbers = first..first.saturating_add(program.numprocs);
                processes.extend(numbers.map(|number| instance(full.as_str(), number)));
            }
            Instances::Together => {}
        }
        let (short, full) = (program.name.clone(), full.to_string());
        all.push(Candidate { short, full, groups, processes });
    }
    let named = site.groups.iter().map(|group| group.name.to_string());
    let of_configs = config_file::groups(&site.configs).into_iter().map(|group| group.name);
    for full in named.chain(of_configs) {
        // Another name nobody can ask for.
        let Ok(short) = ProgramName::parse(&full) else { continue };
        let (groups, processes) = (Vec::new(), Vec::new());
        all.push(Candidate { short, full, groups, processes });
    }
    all
}

/// The programs of a site, and their processes that can be named, as they are printed.
pub(crate) fn printed_names(site: &Site) -> impl Iterator<Item = String> {
    candidates(site).into_iter().flat_map(|Candidate { full, groups, processes, .. }| {
        std::iter::once(full).chain(groups).chain(processes)
    })
}

/// The program of this name, as it is printed or within its site.
pub(super) fn is_called(site: &Site, short: &ProgramName, pattern: &str) -> bool {
    matches(pattern, short.as_str())
        || site.programs.iter().any(|program| {
            program.name == *short
                && site.full_name(program).is_ok_and(|full| matches(pattern, full.as_str()))
        })
}

/// What several names have found of one site.
pub(super) fn together(
    found: impl Iterator<Item = (ProgramName, Option<ProcessPattern>)>,
) -> Programs {
    let (mut whole, mut some) = (BTreeSet::new(), BTreeMap::<_, BTreeSet<_>>::new());
    for (program, pattern) in found {
        match pattern {
            None => _ = whole.insert(program),
            Some(pattern) => _ = some.entry(program).or_default().insert(pattern),
        }
    }
    some.retain(|program, _| !whole.contains(program));
    if some.is_empty() {
        return Programs::Only(whole);
    }
    some.extend(whole.into_iter().map(|program| (program, BTreeSet::new())));
    Programs::Processes(some)
}
