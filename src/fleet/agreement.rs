//! What somebody is asked to agree to before a command changes hosts, and how much it is.

use std::collections::BTreeSet;

use super::host_work::HostWork;
use super::left::Leavers;
use crate::api::PlannedSite;
use crate::inventory::{Domain, Site};

/// What somebody is asked to agree to.
#[derive(Debug)]
pub(crate) struct Agreement<'a> {
    /// How much of it there is.
    pub(crate) amount: Amount,
    /// What leaves the hosts.
    pub(crate) leavers: Vec<&'a Leavers>,
}

/// What is to be done, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// The programs of which processes are touched, each on each of its hosts.
    pub(crate) programs: usize,
    /// Whether any of them is touched as a whole, and how many processes of the others are.
    pub(crate) has_whole: bool,
    pub(crate) processes: usize,
    /// Their sites, wherever they are.
    pub(crate) sites: BTreeSet<Domain>,
    /// The hosts that something is done on.
    pub(crate) hosts: Vec<String>,
}

impl Amount {
    /// Of the plans of one host.
    pub(super) fn of(work: &HostWork, plans: &[PlannedSite]) -> Self {
        let mut amount = Self { hosts: vec![work.name().to_owned()], ..Self::default() };
        for plan in plans.iter().filter_map(|planned| planned.plan.as_ref().ok()) {
            if plan.empty || !plan.refusals.is_empty() {
                continue;
            }
            let site = work.sites.iter().find(|site| site.domain == plan.site);
            let mut programs = BTreeSet::new();
            for group in plan.groups.iter().filter(|group| group.action.acts()) {
                programs.insert(program_of(site, &group.group));
                match group.some_processes() {
                    Some(some) => amount.processes += some.len(),
                    None => amount.has_whole = true,
                }
            }
            amount.programs += programs.len();
            amount.sites.insert(plan.site.clone());
        }
        amount
    }

    /// The same and what is done on another host.
    pub(super) fn add(&mut self, other: Self) {
        let Self { programs, has_whole, processes, sites, hosts } = other;
        self.programs += programs;
        self.has_whole |= has_whole;
        self.processes += processes;
        self.sites.extend(sites);
        self.hosts.extend(hosts);
    }
}

/// The program that a group is of: separate instances are one program. A group that no program makes (any
/// more) counts as one.
fn program_of(site: Option<&Site>, group: &str) -> String {
    let programs = site.map_or(&[][..], |site| site.programs.as_slice());
    let program = site.and_then(|site| {
        programs.iter().find(|program| {
            let full = site.full_name(program);
            full.is_ok_and(|full| Site::groups_of(program, &full).iter().any(|one| one == group))
        })
    });
    program.map_or_else(|| group.to_owned(), |program| program.name.to_string())
}
