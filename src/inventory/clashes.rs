//! Names that two programs would share on one server.
//!
//! The name in supervisord is `{domain}-{program}` where nothing else is said, so `staging` with
//! `eu-worker` and `staging-eu` with `worker` write the same files. supervisord would merge the two
//! sections without a word.

use std::collections::{HashMap, HashSet};

use super::fields::Reader;
use super::file::Span;
use super::findings::Finding;
use super::naming;
use super::program::{Instances, Program};
use super::site::Site;
use super::site_entry::{NameSpans, SiteEntry};

/// One program with its site.
#[derive(Clone, Copy)]
struct NamedProgram<'s> {
    entry: &'s SiteEntry,
    program: &'s Program,
    at: &'s NameSpans,
}

/// Refuses names in supervisord that meet on a server, files that two sites would write there, and
/// processes of `instances: separate` that would take another program's name.
pub(super) fn check(reader: &mut Reader<'_, '_>, sites: &[SiteEntry]) {
    let mut names: HashMap<String, Vec<NamedProgram<'_>>> = HashMap::new();
    let mut files: HashMap<String, Vec<NamedProgram<'_>>> = HashMap::new();
    let mut order = Vec::new();
    for entry in sites {
        let site = &entry.placed.site;
        for (program, at) in site.programs.iter().zip(&entry.program_spans) {
            // One that is too long was refused where it stands.
            let Ok(full) = site.full_name(program) else { continue };
            let file = site.config_file(program, &full);
            let (file, full) = (naming::file_name(&file).to_owned(), full.to_string());
            let named = NamedProgram { entry, program, at };
            order.push(full.clone());
            let is_told = same_name(reader, names.get(&full), &named, &full);
            if !is_told {
                same_file(reader, files.get(&file), &named, &file);
            }
            names.entry(full).or_default().push(named);
            files.entry(file).or_default().push(named);
        }
    }
    for full in order {
        instance_name(reader, &names, &full);
    }
    groups_and_configs(reader, sites);
}

/// A name or a file of a site: whose, where, and what has it.
#[derive(Clone)]
struct Claim<'s> {
    entry: &'s SiteEntry,
    at: Span,
    what: String,
}

/// Refuses what a group or a config by hand defines, or is called, if a program, another group or config has that
/// already.
fn groups_and_configs(reader: &mut Reader<'_, '_>, sites: &[SiteEntry]) {
    let has_none = |site: &Site| site.configs.is_empty() && site.groups.is_empty();
    if sites.iter().all(|entry| has_none(&entry.placed.site)) {
        return;
    }
    let mut names: HashMap<String, Vec<Claim<'_>>> = HashMap::new();
    let mut files: HashMap<String, Vec<Claim<'_>>> = HashMap::new();
    for entry in sites {
        let site = &entry.placed.site;
        for (program, at) in site.programs.iter().zip(&entry.program_spans) {
            let Ok(full) = site.full_name(program) else { continue };
            let what = format!("the program `{}` of `{}`", program.name, site.domain);
            for group in Site::groups_of(program, &full) {
                names.entry(group).or_default().push(Claim {
                    entry,
                    at: at.full_name,
                    what: what.clone(),
                });
            }
            let file = naming::file_name(&site.config_file(program, &full)).to_owned();
            files.entry(file).or_default().push(Claim { entry, at: at.file, what });
        }
    }
    for entry in sites {
        let site = &entry.placed.site;
        for (group, at) in site.groups.iter().zip(&entry.group_spans) {
            let what = format!("the group `{}` of `{}`", group.name, site.domain);
            let claim = Claim { entry, at: *at, what };
            let name = group.name.to_string();
            let others = names.get(&name).into_iter().flatten();
            claimed(reader, others, &claim, &format!("the name `{name}` in supervisord"));
            names.entry(name).or_default().push(claim.clone());
            if let Some(file) = &group.file {
                let others = files.get(file.as_str()).into_iter().flatten();
                let others = others.filter(|other| !std::ptr::eq(other.entry, entry));
                claimed(reader, others, &claim, &format!("the file `{file}`"));
                files.entry(file.to_string()).or_default().push(claim);
            }
        }
    }
    for entry in sites {
        let site = &entry.placed.site;
        for (file, at) in site.configs.iter().zip(&entry.config_spans) {
            let what = format!("`{}` of `{}`", file.name, site.domain);
            let claim = Claim { entry, at: *at, what };
            claimed(
                reader,
                files.get(file.name.as_str()).into_iter().flatten(),
                &claim,
                &format!("the file `{}`", file.name),
            );
            files.entry(file.name.to_string()).or_default().push(claim.clone());
            for name in file.section_names() {
                let others = names.get(&name);
                let others: Vec<&Claim<'_>> = others.into_iter().flatten().collect();
                // Twice in the files of one site was told where they were read.
                let others = others.into_iter().filter(|other| {
                    !std::ptr::eq(other.entry, entry) || !other.what.starts_with('`')
                });
                claimed(reader, others, &claim, &format!("the name `{name}` in supervisord"));
                names.entry(name).or_default().push(claim.clone());
            }
        }
    }
}

fn claimed<'c, 's: 'c>(
    reader: &mut Reader<'_, '_>,
    others: impl IntoIterator<Item = &'c Claim<'s>>,
    new: &Claim<'s>,
    what: &str,
) {
    let mut others = others.into_iter();
    let other = others.find(|other| {
        let hosts = &other.entry.placed.hosts;
        new.entry.placed.hosts.iter().any(|host| hosts.contains(host))
    });
    if let Some(other) = other {
        let message = format!("{} has {what}, and so has {}", new.what, other.what);
        reader.push(Finding::new(new.at, message).see(other.at, "the other one is here"));
    }
}

/// Whether one was told.
fn same_name(
    reader: &mut Reader<'_, '_>,
    before: Option<&Vec<NamedProgram<'_>>>,
    new: &NamedProgram<'_>,
    full: &str,
) -> bool {
    let mut is_told = false;
    for other in before.into_iter().flatten() {
        let is_same_site = std::ptr::eq(other.entry, new.entry);
        // Two of one name in a site are told as that.
        let is_same = is_same_site && other.program.name == new.program.name;
        let Some(host) = shared_host(other, new).filter(|_| !is_same) else { continue };
        let is_said = other.program.full_name.is_some() || new.program.full_name.is_some();
        let (finding, help) = if is_said {
            let message = format!(
                "{} would both be `{full}` in supervisord on `{host}`",
                both(other, new, is_same_site)
            );
            (Finding::new(new.at.full_name, message), "give one of the two another `as`")
        } else {
            let message = format!(
                "the sites `{}` and `{}` would both write `{full}.conf` on `{host}`",
                other.entry.placed.site.domain, new.entry.placed.site.domain
            );
            (Finding::new(new.at.full_name, message), "rename one of the two programs")
        };
        reader.push(finding.see(other.at.full_name, "the other program with this name").help(help));
        is_told = true;
    }
    is_told
}

fn both(one: &NamedProgram<'_>, other: &NamedProgram<'_>, is_same_site: bool) -> String {
    if is_same_site {
        return format!("the programs `{}` and `{}`", one.program.name, other.program.name);
    }
    format!(
        "`{}` of `{}` and `{}` of `{}`",
        one.program.name,
        one.entry.placed.site.domain,
        other.program.name,
        other.entry.placed.site.domain
    )
}

/// Two sites have no file in common: each writes its own as a whole.
fn same_file(
    reader: &mut Reader<'_, '_>,
    before: Option<&Vec<NamedProgram<'_>>>,
    new: &NamedProgram<'_>,
    file: &str,
) {
    let others = before.into_iter().flatten();
    let mut others = others.filter(|other| !std::ptr::eq(other.entry, new.entry));
    let other = others.find_map(|other| Some((other, shared_host(other, new)?)));
    let Some((other, host)) = other else { return };
    let message = format!(
        "the sites `{}` and `{}` would both write `{file}` on `{host}`",
        other.entry.placed.site.domain, new.entry.placed.site.domain
    );
    reader.push(
        Finding::new(new.at.file, message)
            .see(other.at.file, "a program of the other site with this file")
            .help("give one of the two programs another `file`"),
    );
}

/// `x-worker_03` is the fourth process of `x-worker` when that one has separate instances.
fn instance_name(
    reader: &mut Reader<'_, '_>,
    names: &HashMap<String, Vec<NamedProgram<'_>>>,
    full: &str,
) {
    let Some((base, index)) = naming::instance_of(full) else { return };
    let (Some(programs), Some(owners)) = (names.get(full), names.get(base)) else { return };
    for program in programs {
        for owner in owners {
            let separate = owner.program.instances == Instances::Separate;
            if !separate || index >= owner.program.numprocs {
                continue;
            }
            if let Some(host) = shared_host(owner, program) {
                let message = format!(
                    "`{full}` is also the name of a process of `{base}` on `{host}`, which has \
                     separate instances"
                );
                reader.push(
                    Finding::new(program.at.full_name, message)
                        .see(owner.at.full_name, "the program with separate instances")
                        .help("rename one of the two programs"),
                );
            }
        }
    }
}

fn shared_host<'s>(one: &NamedProgram<'s>, other: &NamedProgram<'s>) -> Option<&'s str> {
    let hosts: HashSet<&str> = one.entry.placed.hosts.iter().map(|host| host.as_str()).collect();
    let mut there = other.entry.placed.hosts.iter().map(|host| host.as_str());
    there.find(|host| hosts.contains(host))
}
