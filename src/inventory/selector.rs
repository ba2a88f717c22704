//! Which part of the inventory a command is about: `--site`, `--on`, `--program`, and names.
//!
//! Whatever is named must be there. A name that matches nothing is an error, never an empty
//! selection: a mistyped domain must not look like "nothing to do".

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::error::{CommandError, ErrorKind};

use super::host::Host;
use super::name::{Domain, HostName, ProgramName};
use super::named::{Name, is_called, together};
use super::program::Program;
use super::programs::{Programs, matches};
use super::resolve::{Inventory, PlacedSite};
use super::site::Site;
use super::suggest::{nearest, shown};

/// What the command line selects. Each list is comma separated and repeatable; in each part `*`
/// stands for any text. An empty list selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Selector {
    sites: Vec<String>,
    hosts: Vec<String>,
    programs: Vec<String>,
    names: Vec<Name>,
    /// Programs that no selected site has, and which go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    absent: Vec<ProgramName>,
}

/// The selected servers, in the inventory's order. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection<'i> {
    /// Each server with what is selected on it.
    pub hosts: Vec<SelectedHost<'i>>,
}

/// A selected server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedHost<'i> {
    /// The server as the inventory has it, selected as a whole or not.
    pub host: &'i Host,
    /// The selected sites on it, in the inventory's order. It can be empty when neither sites nor
    /// programs were named: then the server itself is what was selected.
    pub sites: Vec<SelectedSite<'i>>,
}

/// A selected site on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedSite<'i> {
    /// The site, with all of its programs.
    pub site: &'i Site,
    /// Those of its programs that were named.
    pub programs: Programs,
}

impl<'i> SelectedSite<'i> {
    /// The selected programs, in the inventory's order.
    pub fn programs(&self) -> impl Iterator<Item = &'i Program> {
        self.site.programs.iter().filter(|program| self.programs.have(program.goes_by()))
    }
}

impl<'i> Selection<'i> {
    /// The servers that have a selected site. An error if there is none: for commands that are
    /// about sites.
    pub fn with_sites(self) -> Result<Self, CommandError> {
        let hosts: Vec<_> = self.hosts.into_iter().filter(|host| !host.sites.is_empty()).collect();
        if hosts.is_empty() {
            return Err(no_sites());
        }
        Ok(Self { hosts })
    }
}

impl Selector {
    /// From the values of `--site`, `--on` and `--program`. An empty name is refused: it is most
    /// often a variable that was not set, and must not select everything.
    pub fn new(sites: &[String], on: &[String], programs: &[String]) -> Result<Self, CommandError> {
        Ok(Self {
            sites: parts("--site", sites)?,
            hosts: parts("--on", on)?,
            programs: parts("--program", programs)?,
            names: Vec::new(),
            absent: Vec::new(),
        })
    }

    /// The same with programs that the inventory does not have any more: they are removed wherever they
    /// are, and all others of the sites stay as they are.
    pub fn with_absent(mut self, programs: &[String]) -> Result<Self, CommandError> {
        for name in parts("--absent", programs)? {
            self.absent.push(ProgramName::parse(&name).map_err(|error| {
                let message = format!("--absent: `{}` {error}", shown(&name));
                CommandError::new(ErrorKind::Usage, message)
            })?);
        }
        Ok(self)
    }

    /// The same with programs and processes by the names that people type.
    pub fn with_names(mut self, names: &[String]) -> Result<Self, CommandError> {
        self.names = parts("NAME", names)?.iter().map(|name| Name::parse(name)).collect();
        Ok(self)
    }

    /// What makes the same again by [`Self::new`], as flags of a command line.
    pub(crate) fn flags(&self) -> Vec<String> {
        let Self { sites, hosts, programs, names: _, absent } = self;
        let absent: Vec<String> = absent.iter().map(ProgramName::to_string).collect();
        let all =
            [("--site", sites), ("--on", hosts), ("--program", programs), ("--absent", &absent)];
        let some = all.into_iter().filter(|(_, values)| !values.is_empty());
        some.flat_map(|(flag, values)| [flag.to_owned(), values.join(",")]).collect()
    }

    /// Whether nothing is named, so that everything is selected.
    pub fn is_everything(&self) -> bool {
        self.hosts.is_empty() && !self.is_about_sites()
    }

    /// Whether sites or programs are named: then it is not about hosts as a whole.
    pub fn is_about_sites(&self) -> bool {
        !self.sites.is_empty() || self.is_about_programs()
    }

    fn is_about_programs(&self) -> bool {
        !self.programs.is_empty() || !self.names.is_empty() || !self.absent.is_empty()
    }

    /// Looks up what is named.
    pub fn select<'i>(&self, inventory: &'i Inventory) -> Result<Selection<'i>, CommandError> {
        self.check_sites(inventory)?;
        self.check_hosts(inventory)?;
        let hosts: Vec<&Host> = inventory.hosts.iter().filter(|host| self.has_host(host)).collect();
        let sites: Vec<&PlacedSite> =
            inventory.sites.iter().filter(|placed| self.has_site(placed)).collect();
        // One pass over each: hosts times sites is too much work where there are many of both.
        let mut on_host: HashMap<&HostName, Vec<&PlacedSite>> =
            hosts.iter().map(|host| (&host.name, Vec::new())).collect();
        let mut placed = Vec::new();
        for site in &sites {
            let mut is_placed = false;
            for host in &site.hosts {
                if let Some(there) = on_host.get_mut(host) {
                    there.push(site);
                    is_placed = true;
                }
            }
            if is_placed {
                placed.push(*site);
            }
        }
        if placed.is_empty() && !self.sites.is_empty() {
            return Err(elsewhere(&sites));
        }
        self.check_programs(&placed)?;
        self.check_absent(&placed)?;
        let programs = self.programs_of(&placed)?;
        let hosts: Vec<_> = hosts
            .into_iter()
            .map(|host| {
                let there = on_host.remove(&host.name).unwrap_or_default();
                SelectedHost { host, sites: sites_among(&there, &programs) }
            })
            .filter(|host| !self.is_about_sites() || !host.sites.is_empty())
            .collect();
        if hosts.is_empty() {
            return Err(CommandError::refused("the inventory has no servers")
                .hint("list one below `servers`, as in: - {name: web1, host: 203.0.113.10}"));
        }
        Ok(Selection { hosts })
    }

    /// The programs that are meant, by site; none where that is every program.
    fn programs_of(
        &self,
        placed: &[&PlacedSite],
    ) -> Result<HashMap<Domain, Programs>, CommandError> {
        if !self.is_about_programs() {
            return Ok(HashMap::new());
        }
        let mut found: Vec<Vec<_>> = placed
            .iter()
            .map(|PlacedSite { site, .. }| {
                let is_named = |name: &ProgramName| {
                    self.programs.iter().any(|pattern| is_called(site, name, pattern))
                };
                site.program_names().filter(is_named).map(|name| (name, None)).collect()
            })
            .collect();
        for name in &self.names {
            for (all, found) in found.iter_mut().zip(name.find(placed)?) {
                all.extend(found);
            }
        }
        for found in &mut found {
            found.extend(self.absent.iter().map(|name| (name.clone(), None)));
        }
        let domains = placed.iter().map(|placed| placed.site.domain.clone());
        Ok(domains.zip(found.into_iter().map(|found| together(found.into_iter()))).collect())
    }

    fn has_site(&self, placed: &PlacedSite) -> bool {
        self.sites.is_empty() || any(&self.sites, placed.site.domain.as_str())
    }

    fn has_host(&self, host: &Host) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|pattern| is_host(pattern, host))
    }

    fn check_sites(&self, inventory: &Inventory) -> Result<(), CommandError> {
        let domains: Vec<&str> =
            inventory.sites.iter().map(|placed| placed.site.domain.as_str()).collect();
        for pattern in &self.sites {
            if domains.iter().any(|domain| matches(pattern, domain)) {
                continue;
            }
            if inventory.left_alone.iter().any(|domain| matches(pattern, domain)) {
                let name = shown(pattern);
                return Err(CommandError::refused(format!(
                    "the site `{name}` has no key `supervisors`, so it is left alone"
                ))
                .hint("add `supervisors: []` to it, or a program"));
            }
            let all = domains.into_iter().chain(inventory.left_alone.iter().map(String::as_str));
            return Err(unknown("site", pattern, all));
        }
        Ok(())
    }

    fn check_hosts(&self, inventory: &Inventory) -> Result<(), CommandError> {
        for pattern in &self.hosts {
            if inventory.hosts.iter().any(|host| is_host(pattern, host)) {
                continue;
            }
            return Err(match pattern.strip_prefix('@') {
                Some(tag) => {
                    let tags: BTreeSet<&str> = inventory
                        .hosts
                        .iter()
                        .flat_map(|host| host.tags.iter().map(String::as_str))
                        .collect();
                    unknown("tag", tag, tags)
                }
                None => unknown("server", pattern, inventory.hosts.iter().map(|h| h.name.as_str())),
            });
        }
        Ok(())
    }

    fn check_programs(&self, placed: &[&PlacedSite]) -> Result<(), CommandError> {
        let is_there = |pattern: &String| {
            placed.iter().any(|PlacedSite { site, .. }| {
                site.program_names().any(|name| is_called(site, &name, pattern))
            })
        };
        let Some(pattern) = self.programs.iter().find(|pattern| !is_there(pattern)) else {
            return Ok(());
        };
        let names: BTreeSet<ProgramName> =
            placed.iter().flat_map(|placed| placed.site.program_names()).collect();
        let mut programs = placed.iter().flat_map(|placed| &placed.site.programs);
        Err(match programs.find(|program| matches(pattern, program.name.as_str())) {
            Some(member) => in_group(member),
            None => unknown("program", pattern, names.iter().map(ProgramName::as_str)),
        })
    }

    /// What is to go cannot be in the inventory, whose next apply would bring it back.
    fn check_absent(&self, placed: &[&PlacedSite]) -> Result<(), CommandError> {
        let is_there = |placed: &PlacedSite, absent: &ProgramName| {
            let programs = placed.site.programs.iter().map(|program| program.name.clone());
            programs.chain(placed.site.program_names()).any(|name| name == *absent)
        };
        for absent in &self.absent {
            if let Some(placed) = placed.iter().find(|placed| is_there(placed, absent)) {
                let domain = &placed.site.domain;
                let message =
                    format!("{domain} has the program `{absent}`, so it cannot be absent");
                return Err(
                    CommandError::refused(message).hint("remove it from the inventory first")
                );
            }
        }
        Ok(())
    }
}

fn sites_among<'i>(
    placed: &[&'i PlacedSite],
    programs: &HashMap<Domain, Programs>,
) -> Vec<SelectedSite<'i>> {
    let selected = placed.iter().map(|placed| SelectedSite {
        site: &placed.site,
        programs: programs.get(&placed.site.domain).cloned().unwrap_or_default(),
    });
    selected.filter(|site| !site.programs.is_empty()).collect()
}

/// For commands that are about sites, where there is none.
pub fn no_sites() -> CommandError {
    CommandError::refused("no site with `supervisors` is on the selected servers")
        .hint("a site without the key `supervisors` is left alone")
}

/// The parts of a comma separated, repeatable option.
fn parts(option: &str, values: &[String]) -> Result<Vec<String>, CommandError> {
    let parts: Vec<String> = values
        .iter()
        .flat_map(|value| value.split(','))
        .map(|part| part.trim().to_owned())
        .collect();
    if parts.iter().any(String::is_empty) {
        let message = format!("{option} has an empty name");
        return Err(CommandError::new(ErrorKind::Usage, message)
            .hint(format!("leave {option} out to select everything")));
    }
    Ok(parts)
}

pub(super) fn unknown<'n>(
    what: &str,
    pattern: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> CommandError {
    let names: Vec<&str> = names.into_iter().collect();
    let error = CommandError::refused(format!("there is no {what} `{}`", shown(pattern)));
    match nearest(pattern, names.iter().copied()) {
        Some(name) => error.hint(format!("did you mean `{name}`?")),
        None if names.is_empty() => error,
        None => {
            let more = if names.len() > 10 { ", …" } else { "" };
            let first: Vec<&str> = names.into_iter().take(10).collect();
            error.hint(format!("there is: {}{more}", first.join(", ")))
        }
    }
}

/// A program that cannot be taken alone.
pub(super) fn in_group(member: &Program) -> CommandError {
    let (name, group) = (&member.name, member.goes_by());
    CommandError::refused(format!(
        "`{name}` is in the group `{group}`, which supervisord takes as a whole"
    ))
    .hint(format!("name the group: --program {group}"))
}

/// The named sites are there, but not on the named servers.
fn elsewhere(sites: &[&PlacedSite]) -> CommandError {
    let error = CommandError::refused("none of the selected sites is on the selected servers");
    sites.iter().take(5).fold(error, |error, placed| {
        let hosts: Vec<&str> = placed.hosts.iter().map(|host| host.as_str()).collect();
        error.hint(format!("{} is on {}", placed.site.domain, hosts.join(", ")))
    })
}

fn is_host(pattern: &str, host: &Host) -> bool {
    match pattern.strip_prefix('@') {
        Some(tag) => host.tags.iter().any(|own| matches(tag, own)),
        None => matches(pattern, host.name.as_str()),
    }
}

fn any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVENTORY: &str = "servers:
  - {name: eu-1, host: h1, tags: [workers, eu]}
  - {name: eu-2, host: h2, tags: [web]}
  - {name: us-1, host: h3}
sites:
  - {domain: a.com, servers: [eu-1, eu-2], supervisors: [{program: queue, script: s}, {program: mail, script: s}]}
  - {domain: b.com, server: us-1, supervisors: [{program: queue, script: s}]}
  - {domain: c.com, server: us-1}
  - {domain: d.com, server: us-1, supervisors: []}
";

    /// `host: site(program program), site(*)` for each server, or the error.
    fn selected(sites: &[&str], on: &[&str], programs: &[&str]) -> String {
        let inventory = crate::inventory::read("deployer.yml", INVENTORY).unwrap();
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let selection = Selector::new(&owned(sites), &owned(on), &owned(programs))
            .and_then(|selector| selector.select(&inventory));
        let selection = match selection {
            Ok(selection) => selection,
            Err(error) => return error.to_string(),
        };
        let site = |site: &SelectedSite<'_>| {
            let names: Vec<_> = site.programs().map(|program| program.name.as_str()).collect();
            let names = if site.programs.is_all() { "*".to_owned() } else { names.join(" ") };
            format!("{}({names})", site.site.domain)
        };
        let host = |host: &SelectedHost<'_>| {
            let sites: Vec<_> = host.sites.iter().map(site).collect();
            format!("{}: {}", host.host.name, sites.join(", "))
        };
        selection.hosts.iter().map(host).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_is_named_is_selected() {
        let everything = "eu-1: a.com(*); eu-2: a.com(*); us-1: b.com(*), d.com(*)";
        for (sites, on, programs, expected) in [
            (vec![], vec![], vec![], everything),
            (vec!["*"], vec![], vec![], everything),
            (vec!["a.com"], vec![], vec![], "eu-1: a.com(*); eu-2: a.com(*)"),
            (vec!["a.com,b.com"], vec!["eu-1", "us-1"], vec![], "eu-1: a.com(*); us-1: b.com(*)"),
            (vec![], vec!["@workers, us-*"], vec![], "eu-1: a.com(*); us-1: b.com(*), d.com(*)"),
            (vec![], vec!["@w*"], vec![], "eu-1: a.com(*); eu-2: a.com(*)"),
            (vec![], vec![], vec!["mail"], "eu-1: a.com(mail); eu-2: a.com(mail)"),
            (
                vec!["?.com"],
                vec![],
                vec![],
                "there is no site `?.com`\nhint: did you mean `a.com`?",
            ),
            (vec![], vec!["us-1"], vec!["q*e"], "us-1: b.com(queue)"),
        ] {
            assert_eq!(selected(&sites, &on, &programs), expected, "{sites:?} {on:?} {programs:?}");
        }
    }

    #[test]
    fn unknown_selection_is_an_error() {
        for (sites, on, programs, expected) in [
            (
                vec!["a.con"],
                vec![],
                vec![],
                "there is no site `a.con`\nhint: did you mean `a.com`?",
            ),
            (vec!["a.com", "x*"], vec![], vec![], "there is no site `x*`\nhint: there is: a.com"),
            (vec!["c.com"], vec![], vec![], "the site `c.com` has no key `supervisors`, so it is"),
            (vec![], vec!["eu-3"], vec![], "there is no server `eu-3`\nhint: did you mean `eu-1`?"),
            (
                vec![],
                vec!["@worker"],
                vec![],
                "there is no tag `worker`\nhint: did you mean `workers`",
            ),
            (
                vec![],
                vec![],
                vec!["mial"],
                "there is no program `mial`\nhint: did you mean `mail`?",
            ),
            (
                vec!["b.com"],
                vec![],
                vec!["mail"],
                "there is no program `mail`\nhint: there is: queue",
            ),
            (
                vec!["b.com"],
                vec!["eu-1"],
                vec![],
                "none of the selected sites is on the selected servers\nhint: b.com is on us-1",
            ),
            (vec![], vec![""], vec![], "--on has an empty name\nhint: leave --on out"),
            (vec!["a.com,"], vec![], vec![], "--site has an empty name"),
        ] {
            let found = selected(&sites, &on, &programs);
            assert!(found.starts_with(expected), "{found}");
        }
        assert_eq!(Selector::new(&[String::new()], &[], &[]).unwrap_err().kind, ErrorKind::Usage);
    }

    /// A server without sites can be meant itself, but not for a command about sites.
    #[test]
    fn server_without_sites_can_be_selected() {
        let text = "servers: [{name: new, host: h}]\n";
        let inventory = crate::inventory::read("deployer.yml", text).unwrap();
        let selection = Selector::default().select(&inventory).unwrap();
        assert_eq!(selection.hosts.len(), 1);
        let error = selection.with_sites().unwrap_err();
        assert!(error.message.starts_with("no site with `supervisors`"));
        let empty = crate::inventory::read("deployer.yml", "").unwrap();
        assert!(Selector::default().select(&empty).is_err());
    }
}
