//! What is known of a host without asking the code under test: who wants what, which file and group is
//! whose, what was recorded, what a person did, and what a killed verb may have left.

use std::collections::{BTreeMap, BTreeSet};

use supervisor_sync::plan::GroupAction;
use supervisor_sync::supervisord::{ProcessInfo, ProcessState};

use super::case::{PROGRAMS, SITES, Spec};
use super::world::{Done, Ended, Files, Inventory, Programs};

/// Files and groups of somebody who does not know of us, two of them with names like a site's.
pub(crate) const STRANGERS: [(&str, &str); 3] = [
    ("conf.d/foreign.conf", "[program:foreign]\ncommand=runs\n"),
    ("conf.d/one-hand.conf", "[program:one-hand]\ncommand=runs\nautorestart=true\n"),
    ("logrotate.d/supervisor-one-hand.conf", "/var/log/one-hand.log {\n    daily\n}\n"),
];

/// What a process is to be, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    Up,
    /// A person has stopped it.
    Stopped,
    /// With `autostart=false`, nobody ever started it.
    Idle,
    Unknown,
}

/// A site, as its history has made it.
#[derive(Debug, Default)]
pub(crate) struct SiteState {
    /// The files of each revision.
    pub(crate) revisions: BTreeMap<u64, Files>,
    /// The runs that were not taken back, with the files of each.
    pub(crate) in_effect: Vec<(u32, Files)>,
    /// The inventory that has applied it last.
    pub(crate) writer: Option<usize>,
    /// Its files before each verb that was killed, failed or interrupted since it was last finished.
    pub(crate) former: Vec<Files>,
    /// Whether one of those was to restart it.
    pub(crate) restarting: bool,
    /// Whether it was told to stop meanwhile: what was not even loaded then may stay down.
    pub(crate) was_stopped: bool,
    /// Whether a person has changed its files since.
    pub(crate) touched: bool,
    /// Whether it may have a program that does not stay up.
    pub(crate) is_bad: bool,
    /// Whether one of its revisions may.
    pub(crate) was_bad: bool,
}

impl SiteState {
    pub(crate) fn is_finished(&self) -> bool {
        self.former.is_empty()
    }

    /// The files of the last revision.
    pub(crate) fn recorded(&self) -> Files {
        self.revisions.last_key_value().map(|(_, files)| files.clone()).unwrap_or_default()
    }
}

/// All of it.
pub(crate) struct Reference {
    pub(crate) inventories: [Inventory; 2],
    /// The inventory of each site, and its programs while it is out of it.
    pub(crate) homes: BTreeMap<String, usize>,
    pub(crate) left: BTreeMap<String, Programs>,
    pub(crate) sites: BTreeMap<String, SiteState>,
    pub(crate) owner_of_file: BTreeMap<String, String>,
    pub(crate) owner_of_group: BTreeMap<String, String>,
    pub(crate) expected: BTreeMap<String, Expect>,
    /// Half-written files that a person has edited: not put back, they are the person's.
    pub(crate) persons: BTreeSet<String>,
    pub(crate) runs: u32,
}

impl Reference {
    /// The first inventory has two sites, the second one.
    pub(crate) fn new() -> Self {
        let mut new = Self {
            inventories: [Inventory::new(), Inventory::new()],
            homes: BTreeMap::new(),
            left: BTreeMap::new(),
            sites: BTreeMap::new(),
            owner_of_file: BTreeMap::new(),
            owner_of_group: BTreeMap::new(),
            expected: BTreeMap::new(),
            persons: BTreeSet::new(),
            runs: 0,
        };
        for (site, home) in SITES.into_iter().zip([0, 1, 0]) {
            let programs = Programs::from([("w".to_owned(), Spec::PLAIN)]);
            new.inventories[home].insert(site.to_owned(), programs);
            new.homes.insert(site.to_owned(), home);
            new.sites.insert(site.to_owned(), SiteState::default());
        }
        new
    }

    /// Gives a program to a site, or takes it, unless the inventory would then be refused.
    pub(crate) fn edit(&mut self, site: &str, program: &str, spec: Option<Spec>) {
        let home = self.homes[site];
        let mut edited = self.inventories[home].clone();
        let programs = edited.entry(site.to_owned()).or_default();
        if let Some(out) = self.left.get(site) {
            programs.clone_from(out);
        }
        match spec {
            Some(spec) => drop(programs.insert(program.to_owned(), spec)),
            None => drop(programs.remove(program)),
        }
        if !has_clash(&edited) {
            self.left.remove(site);
            self.inventories[home] = edited;
        }
    }

    pub(crate) fn leave_or_come_back(&mut self, site: &str) {
        let home = self.homes[site];
        if let Some(programs) = self.inventories[home].remove(site) {
            self.left.insert(site.to_owned(), programs);
            return;
        }
        let mut edited = self.inventories[home].clone();
        edited.insert(site.to_owned(), self.left[site].clone());
        if !has_clash(&edited) {
            self.left.remove(site);
            self.inventories[home] = edited;
        }
    }

    pub(crate) fn move_to_other(&mut self, site: &str) {
        let home = self.homes[site];
        let mut edited = self.inventories[1 - home].clone();
        if let Some(programs) = self.inventories[home].get(site) {
            edited.insert(site.to_owned(), programs.clone());
            if has_clash(&edited) {
                return;
            }
            self.inventories[home].remove(site);
            self.inventories[1 - home] = edited;
        }
        self.homes.insert(site.to_owned(), 1 - home);
    }

    /// The files that are a site's.
    pub(crate) fn files_of(&self, site: &str, files: &Files) -> Files {
        let is_own = |path: &String| self.owner_of_file.get(path).is_some_and(|one| one == site);
        files.iter().filter(|(path, _)| is_own(path)).map(|(p, t)| (p.clone(), t.clone())).collect()
    }

    /// Whether somebody else has one of these paths or groups, on the host or in a record.
    pub(crate) fn is_claimed(&self, site: &str, paths: &[String], groups: &[String]) -> bool {
        let others = || self.sites.iter().filter(|(name, _)| *name != site);
        let is_recorded = |path: &String| {
            others().any(|(_, other)| {
                other.recorded().contains_key(path)
                    || other.former.iter().any(|files| files.contains_key(path))
            })
        };
        let is_others = |owner: Option<&String>| owner.is_some_and(|owner| owner != site);
        paths.iter().any(|path| is_others(self.owner_of_file.get(path)) || is_recorded(path))
            || groups.iter().any(|group| is_others(self.owner_of_group.get(group)))
    }

    /// Learns whose new files and groups are.
    pub(crate) fn learn_owners(&mut self, files: &Files, processes: &[ProcessInfo], done: &Done) {
        for path in files.keys().filter(|path| !is_strangers(path) && !is_staged(path)) {
            let name = path.rsplit('/').next().unwrap_or_default();
            let has_it = |plan: &supervisor_sync::plan::PlanView| {
                plan.files.iter().any(|file| file.path.ends_with(path))
            };
            let planned = done.plans.iter().find(|(_, plan)| has_it(plan)).map(|(site, _)| site);
            if let Some(site) = planned.filter(|site| done.ends.get(*site) == Some(&Ended::Applied))
            {
                self.owner_of_file.insert(path.clone(), site.clone());
            }
            if !self.owner_of_file.contains_key(path) {
                let owner = planned.cloned().or_else(|| self.former_owner(path));
                let owner = owner.unwrap_or_else(|| panic!("nobody has planned {name}"));
                self.owner_of_file.insert(path.clone(), owner);
            }
        }
        let loaded: BTreeSet<&String> = processes.iter().map(|one| &one.group).collect();
        self.owner_of_group.retain(|group, _| loaded.contains(group));
        for group in loaded {
            if self.owner_of_group.contains_key(group) || is_strangers_group(group) {
                continue;
            }
            let comes = |plan: &supervisor_sync::plan::PlanView| {
                plan.groups
                    .iter()
                    .any(|one| one.group == *group && one.action != GroupAction::Remove)
            };
            let planned = done.plans.iter().find(|(_, plan)| comes(plan)).map(|(site, _)| site);
            let of_file = self.owner_of_file.get(&format!("conf.d/{}.conf", stem_of(group)));
            if let Some(owner) = planned.or(of_file) {
                self.owner_of_group.insert(group.clone(), owner.clone());
            }
        }
    }

    /// Forgets whose files were that are neither there nor on record any more.
    pub(crate) fn forget_owners(&mut self, files: &Files) {
        let sites = &self.sites;
        self.owner_of_file.retain(|path, owner| {
            let state = &sites[owner];
            files.contains_key(path) || state.recorded().contains_key(path) || !state.is_finished()
        });
    }

    fn former_owner(&self, path: &str) -> Option<String> {
        let had = |state: &SiteState| {
            state.former.iter().chain(state.revisions.values()).any(|f| f.contains_key(path))
        };
        self.sites.iter().find(|(_, state)| had(state)).map(|(site, _)| site.clone())
    }

    /// What is seen of a site is what it is to be, if nothing is left to be finished.
    pub(crate) fn learn_processes(&mut self, site: &str, processes: &[ProcessInfo]) {
        self.forget_processes(site);
        let of_site = processes.iter().filter(|one| self.is_of(site, &one.group));
        let seen: Vec<_> = of_site.map(|one| (one.namespec(), seen(one))).collect();
        self.expected.extend(seen);
    }

    /// Drops what is known of processes of a site that are not there any more.
    pub(crate) fn forget_processes(&mut self, site: &str) {
        let owners = &self.owner_of_group;
        self.expected.retain(|namespec, _| {
            let group = namespec.split(':').next().unwrap_or_default();
            owners.get(group).is_some_and(|owner| owner != site)
        });
    }

    pub(crate) fn is_of(&self, site: &str, group: &str) -> bool {
        self.owner_of_group.get(group).is_some_and(|owner| owner == site)
    }
}

/// The process as it is seen, for one that is to stay so.
pub(crate) fn seen(process: &ProcessInfo) -> Expect {
    match process.state {
        ProcessState::Running => Expect::Up,
        ProcessState::Stopped if process.start == 0 => Expect::Idle,
        ProcessState::Stopped => Expect::Stopped,
        _ => Expect::Unknown,
    }
}

pub(crate) fn is_up(process: &ProcessInfo) -> bool {
    crate::simulated::is_up(process.state)
}

/// `NAME` of a group of its own for each process, `NAME_00`.
pub(crate) fn stem_of(group: &str) -> &str {
    match group.rsplit_once('_') {
        Some((stem, number)) if number.len() == 2 => stem,
        _ => group,
    }
}

/// The program of a group of the site.
pub(crate) fn program_of<'g>(site: &str, group: &'g str) -> &'g str {
    stem_of(group).strip_prefix(site).and_then(|rest| rest.strip_prefix('-')).unwrap_or(group)
}

pub(crate) fn is_strangers(path: &str) -> bool {
    STRANGERS.iter().any(|(stranger, _)| *stranger == path)
}

pub(crate) fn is_strangers_group(group: &str) -> bool {
    is_strangers(&format!("conf.d/{group}.conf"))
}

/// Written beside its target, and read by nobody.
pub(crate) fn is_staged(path: &str) -> bool {
    path.ends_with('~')
}

/// Whether two sites of one inventory would have a file of the same name.
fn has_clash(inventory: &Inventory) -> bool {
    let mut names = BTreeSet::new();
    let full = |(site, programs): (&String, &Programs)| {
        programs.keys().map(|program| format!("{site}-{program}")).collect::<Vec<_>>()
    };
    !inventory.iter().flat_map(full).all(|name| names.insert(name))
}

/// The n-th of these, in a circle.
pub(crate) fn nth<T>(of: &[T], n: u8) -> Option<&T> {
    of.get(usize::from(n).checked_rem(of.len())?)
}

pub(crate) fn site_named(n: u8) -> &'static str {
    SITES[usize::from(n) % SITES.len()]
}

pub(crate) fn program_named(n: u8) -> &'static str {
    PROGRAMS[usize::from(n) % PROGRAMS.len()]
}
