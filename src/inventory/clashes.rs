//! Names that two programs would share on one server.
//!
//! A full name is `{domain}-{program}`, so `staging` with `eu-worker` and `staging-eu` with `worker`
//! write the same files. supervisord would merge the two sections without a word.

use std::collections::{HashMap, HashSet};

use super::fields::Reader;
use super::file::Span;
use super::findings::Finding;
use super::naming;
use super::program::{Instances, Program};
use super::site::ConfigFiles;
use super::site_entry::SiteEntry;

/// One program with its site.
struct Named<'s> {
    entry: &'s SiteEntry,
    program: &'s Program,
    at: Span,
}

/// Refuses full names that meet on a server, and processes of `instances: separate` that would take
/// another program's name.
pub(super) fn check(reader: &mut Reader<'_, '_>, sites: &[SiteEntry]) {
    let mut names: HashMap<String, Vec<Named<'_>>> = HashMap::new();
    let mut order = Vec::new();
    for entry in sites {
        let programs = entry.placed.site.programs.iter().zip(&entry.program_spans);
        for (program, at) in programs {
            let full = format!("{}-{}", entry.placed.site.domain, program.name);
            let named = Named { entry, program, at: *at };
            order.push(full.clone());
            same_name(reader, names.get(&full).map_or(&[], Vec::as_slice), &named, &full);
            names.entry(full).or_default().push(named);
        }
    }
    for entry in sites {
        common_file(reader, &names, entry);
    }
    for full in order {
        instance_name(reader, &names, &full);
    }
}

fn same_name(reader: &mut Reader<'_, '_>, before: &[Named<'_>], new: &Named<'_>, full: &str) {
    for other in before.iter().filter(|other| !std::ptr::eq(other.entry, new.entry)) {
        if let Some(host) = shared_host(other, new) {
            let message = format!(
                "the sites `{}` and `{}` would both write `{full}.conf` on `{host}`",
                other.entry.placed.site.domain, new.entry.placed.site.domain
            );
            reader.push(
                Finding::new(new.at, message)
                    .see(other.at, "the other program with this full name")
                    .help("rename one of the two programs"),
            );
        }
    }
}

/// The one file of the site `a-b` is also that of the program `b` of the site `a`.
fn common_file(
    reader: &mut Reader<'_, '_>,
    names: &HashMap<String, Vec<Named<'_>>>,
    entry: &SiteEntry,
) {
    let site = &entry.placed.site;
    let first = site.programs.first().zip(entry.program_spans.first());
    let (ConfigFiles::PerSite, Some((program, at))) = (site.config_files, first) else { return };
    let of_site = Named { entry, program, at: *at };
    let others = names.get(site.domain.as_str()).map_or(&[][..], Vec::as_slice);
    let per_program =
        |other: &&Named<'_>| other.entry.placed.site.config_files == ConfigFiles::PerProgram;
    for other in others.iter().filter(per_program) {
        if let Some(host) = shared_host(other, &of_site) {
            let message = format!(
                "the sites `{}` and `{}` would both write `{}.conf` on `{host}`",
                other.entry.placed.site.domain, site.domain, site.domain
            );
            reader.push(
                Finding::new(other.at, message)
                    .see(*at, "a program of the site that has one file for all")
                    .help("rename the program, or give the other site `config_files: per-program`"),
            );
        }
    }
}

/// `x-worker_03` is the fourth process of `x-worker` when that one has separate instances.
fn instance_name(reader: &mut Reader<'_, '_>, names: &HashMap<String, Vec<Named<'_>>>, full: &str) {
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
                    Finding::new(program.at, message)
                        .see(owner.at, "the program with separate instances")
                        .help("rename one of the two programs"),
                );
            }
        }
    }
}

fn shared_host<'s>(one: &Named<'s>, other: &Named<'s>) -> Option<&'s str> {
    let hosts: HashSet<&str> = one.entry.placed.hosts.iter().map(|host| host.as_str()).collect();
    let mut there = other.entry.placed.hosts.iter().map(|host| host.as_str());
    there.find(|host| hosts.contains(host))
}
