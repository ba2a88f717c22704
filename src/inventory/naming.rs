//! What the things of a program are called on a host: its group, its files, its log. The one place that joins
//! a domain and a program to a name, and that takes such a name apart again where neither the inventory nor
//! a record says whose it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::config_file;
use super::groups::ProgramGroup;
use super::name::{ConfigName, Domain, FullName, NameError, ProgramName};
use super::program::{Instances, Program};
use super::site::{ConfigFiles, ConfigSuffix, Format, Site};
use super::value::LogTarget;
use crate::supervisord::ini;

/// How the names of all logrotate configs begin that are ours.
const ROTATION: &str = "supervisor-";

impl Site {
    /// The full name of one of its programs. Fails only for a name longer than a file name can
    /// be; a `Site` made by `resolve` or the playbook has been checked for that.
    pub fn full_name(&self, program: &Program) -> Result<FullName, NameError> {
        match &program.full_name {
            Some(full) => Ok(full.clone()),
            None => FullName::new(&self.domain, &program.name),
        }
    }

    /// The sections of one of its programs, `full` being its full name: each makes a group of supervisord, but
    /// where the program is in one with others. supervisord restarts a group as a whole: hence one for each of separate instances, also if there is only one, so that a
    /// second one does not restart it.
    pub(crate) fn groups_of(program: &Program, full: &FullName) -> Vec<String> {
        match program.instances {
            Instances::Together => vec![full.to_string()],
            Instances::Separate => {
                (0..program.numprocs).map(|number| instance(full.as_str(), number)).collect()
            }
        }
    }

    /// Every group that its programs and its configs make.
    pub(crate) fn group_names(&self) -> impl Iterator<Item = String> {
        let alone = self.programs.iter().filter(|program| program.group.is_none());
        let of_programs = alone.flat_map(|program| {
            let full = self.full_name(program).ok();
            full.map_or_else(Vec::new, |full| Self::groups_of(program, &full))
        });
        let named = self.groups.iter().map(|group| group.name.to_string());
        let of_configs = config_file::groups(&self.configs).into_iter().map(|group| group.name);
        of_programs.chain(named).chain(of_configs)
    }

    /// What its programs are called within it. Each group of several, be it of its configs, counts as a program
    /// of the group's name, if that is one that a program can have.
    pub fn program_names(&self) -> impl Iterator<Item = ProgramName> {
        let of_configs = config_file::groups(&self.configs).into_iter();
        let of_configs = of_configs.filter_map(|group| ProgramName::parse(&group.name).ok());
        let named = self.groups.iter();
        let named = named.filter_map(|group| ProgramName::parse(group.name.as_str()).ok());
        let alone = self.programs.iter().filter(|program| program.group.is_none());
        alone.map(|program| program.name.clone()).chain(named).chain(of_configs)
    }

    /// How many files its programs and its configs write to, at most.
    pub(crate) fn number_of_logs(&self) -> usize {
        let of_programs = self.programs.iter().map(|program| {
            let full = self.full_name(program).ok();
            full.map_or(0, |full| self.all_log_files(program, &full).len())
        });
        let groups = config_file::groups(&self.configs);
        let by_hand = groups.iter().flat_map(|group| {
            group.members.iter().map(|member| member.log_files(&group.name).len())
        });
        of_programs.chain(by_hand).sum()
    }

    /// Where a config by hand goes.
    pub(crate) fn config_by_hand(&self, name: &ConfigName) -> PathBuf {
        self.paths.conf_dir.as_path().join(name.as_str())
    }

    /// Where the supervisor config of one of its programs is, `full` being its full name.
    pub fn config_file(&self, program: &Program, full: &FullName) -> PathBuf {
        match (&program.file, self.config_files) {
            (Some(file), _) => self.paths.conf_dir.as_path().join(file.as_str()),
            (None, ConfigFiles::PerProgram) => self.config_named(full.as_str()),
            (None, ConfigFiles::PerSite) => self.config_named(self.domain.as_str()),
        }
    }

    /// The programs of one of its groups.
    pub(crate) fn members(&self, group: &ProgramGroup) -> impl Iterator<Item = &Program> {
        self.programs.iter().filter(|program| program.group.as_ref() == Some(&group.name))
    }

    /// Where the section of one of its groups is; `None` of one without programs.
    pub(crate) fn group_file(&self, group: &ProgramGroup) -> Option<PathBuf> {
        let first = self.members(group).next()?;
        match &group.file {
            Some(file) => Some(self.paths.conf_dir.as_path().join(file.as_str())),
            None => Some(self.config_file(first, &self.full_name(first).ok()?)),
        }
    }

    /// The supervisor config with this stem.
    pub fn config_named(&self, stem: &str) -> PathBuf {
        self.paths.conf_dir.as_path().join(format!("{stem}{}", self.config_suffix.as_str()))
    }

    /// The logrotate config of the program with this full name.
    pub fn rotation_file(&self, full: &str) -> PathBuf {
        self.paths.logrotate_dir.as_path().join(format!("{ROTATION}{full}.conf"))
    }

    /// The log of the program with this full name, where the inventory says no other.
    pub fn log_file(&self, full: &str) -> PathBuf {
        self.paths.log_dir.as_path().join(format!("{full}.log"))
    }

    /// The files that a group of a program writes to, stdout's before stderr's. None for what goes to a
    /// device or nowhere, or where only supervisord knows.
    pub(crate) fn log_files(
        &self,
        program: &Program,
        full: &FullName,
        group: &str,
    ) -> Vec<PathBuf> {
        let numprocs = match program.instances {
            Instances::Together => program.numprocs,
            Instances::Separate => 1,
        };
        let first = program.supervisord.number("numprocs_start").unwrap_or(0);
        let mut files = Vec::new();
        match &program.logs.path {
            Some(target) => files.extend(paths(program, target, group, (first, numprocs))),
            None if self.format == Format::Plain => {}
            None => files.push(self.log_file(full.as_str())),
        }
        let stderr = program.logs.stderr.iter();
        files.extend(stderr.flat_map(|target| paths(program, target, group, (first, numprocs))));
        let mut seen = BTreeSet::new();
        files.retain(|file| seen.insert(file.clone()));
        files
    }

    /// The files that a program writes to, in the same way.
    pub(crate) fn all_log_files(&self, program: &Program, full: &FullName) -> Vec<PathBuf> {
        let groups = Self::groups_of(program, full);
        let mut seen = BTreeSet::new();
        let files = groups.iter().flat_map(|group| self.log_files(program, full, group));
        files.filter(|file| seen.insert(file.clone())).collect()
    }

    /// Whether this is the stem of the one supervisor config for all of its programs.
    pub(crate) fn is_common(&self, stem: &str) -> bool {
        self.config_files == ConfigFiles::PerSite && stem == self.domain.as_str()
    }
}

/// The files that a log's path stands for, one for each process where it says so.
fn paths(
    program: &Program,
    target: &LogTarget,
    group: &str,
    (first, numprocs): (u32, u32),
) -> Vec<PathBuf> {
    if !target.is_path() || target.is_device() {
        return Vec::new();
    }
    // Where a relative one is only supervisord knows.
    if !target.is_absolute() {
        return Vec::new();
    }
    if !program.expansions {
        return vec![PathBuf::from(target.as_str())];
    }
    let mut files = Vec::new();
    for number in first..first.saturating_add(numprocs) {
        let lookup = |name: &str| match (name, &program.group) {
            ("group_name", Some(named)) => Some(named.to_string()),
            _ => process_expansion(name, group, number, numprocs),
        };
        // supervisord expands these twice.
        let once = ini::expand(target.as_str(), &lookup).ok();
        let path = once.and_then(|once| ini::expand(&once, &lookup).ok());
        files.extend(path.map(PathBuf::from));
    }
    files
}

/// What a name stands for that depends on nothing but the process.
pub(crate) fn process_expansion(
    name: &str,
    group: &str,
    number: u32,
    numprocs: u32,
) -> Option<String> {
    match name {
        "program_name" | "group_name" => Some(group.to_owned()),
        "process_num" => Some(number.to_string()),
        "numprocs" => Some(numprocs.to_string()),
        _ => None,
    }
}

/// How the names of a site's supervisor configs begin where nobody said otherwise; also those of its logs.
pub(crate) fn config_prefix(domain: &Domain) -> String {
    format!("{domain}-")
}

/// How the names of a site's logrotate configs begin where nobody said otherwise.
pub(crate) fn rotation_prefix(domain: &Domain) -> String {
    format!("{ROTATION}{domain}-")
}

/// The full name in the name of a logrotate config, if it can be one of ours.
pub(crate) fn rotated_by(file_name: &str) -> Option<&str> {
    file_name.strip_prefix(ROTATION)?.strip_suffix(".conf")
}

/// The full name in the name of a supervisor config, or the domain where it is of all programs.
pub(crate) fn configured_by(file_name: &str) -> Option<&str> {
    ConfigSuffix::strip(file_name)
}

/// The program that a name of supervisord's, of a file or of a log would be of, by nothing but the domain
/// that it begins with: `eu-worker` of `staging-eu-worker` if the domain is `staging`. Proves nothing.
pub(crate) fn program_by_name<'n>(domain: &Domain, name: &'n str) -> Option<&'n str> {
    let program = name.strip_prefix(domain.as_str())?.strip_prefix('-')?;
    (!program.is_empty()).then_some(program)
}

/// The domains that a name could begin with: whatever stands before a dash may be one.
pub(crate) fn domains_in(name: &str) -> impl Iterator<Item = Domain> {
    let before_dashes = name.match_indices('-').filter_map(|(dash, _)| name.get(..dash));
    before_dashes.filter_map(|name| Domain::parse(name).ok())
}

/// A file's name without its folder.
pub(crate) fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The name of one of separate instances: `NAME_00`, `NAME_01`.
pub(crate) fn instance(name: &str, number: u32) -> String {
    format!("{name}_{number:02}")
}

/// `NAME` and 3 of `NAME_03`, if that is how the fourth instance is called.
pub(crate) fn instance_of(name: &str) -> Option<(&str, u32)> {
    let (base, digits) = name.rsplit_once('_')?;
    let number = digits.parse::<u32>().ok()?;
    (instance(base, number) == name).then_some((base, number))
}

/// `NAME` of `NAME_00`, else all of it.
pub(crate) fn base_of(group: &str) -> &str {
    match group.rsplit_once('_') {
        Some((base, number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => base,
        _ => group,
    }
}

/// Whether two groups can be of one program, once with one group for all of its processes
/// (`NAME`), once with a group for each (`NAME_00`).
pub(crate) fn are_siblings(one: &str, other: &str) -> bool {
    is_numbered(one, other) || is_numbered(other, one)
}

/// Whether a name is `base`, an underscore and at least two digits.
fn is_numbered(name: &str, base: &str) -> bool {
    let number = name.strip_prefix(base).and_then(|rest| rest.strip_prefix('_'));
    number.is_some_and(|digits| digits.len() >= 2 && digits.bytes().all(|d| d.is_ascii_digit()))
}

/// Whether two groups can be instances of one program: `NAME_00` and `NAME_01`.
pub(crate) fn are_instances(one: &str, other: &str) -> bool {
    let base = one.rsplit_once('_').map(|(base, _)| base);
    base.is_some_and(|base| are_siblings(one, base) && are_siblings(other, base))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `staging-eu-w` may be a program of `staging` or of `staging-eu`.
    #[test]
    fn ambiguous_name_fits_several_sites() {
        let domain = |text| Domain::parse(text).unwrap();
        assert_eq!(program_by_name(&domain("staging"), "staging-eu-w"), Some("eu-w"));
        assert_eq!(program_by_name(&domain("staging-eu"), "staging-eu-w"), Some("w"));
        for other in ["staging", "staging-", "stagingx-w", "celery"] {
            assert_eq!(program_by_name(&domain("staging"), other), None, "{other}");
        }
        let domains: Vec<Domain> = domains_in("staging-eu-w").collect();
        assert_eq!(domains, [domain("staging"), domain("staging-eu")]);
    }

    #[test]
    fn instance_is_told_from_numbered_program() {
        assert_eq!(instance_of("w_03"), Some(("w", 3)));
        assert_eq!(instance_of("w_103"), Some(("w", 103)));
        for other in ["w_3", "w_003", "w_x", "w03", "w_"] {
            assert_eq!(instance_of(other), None, "{other}");
        }
    }
}
