//! A host that cases are played on, and what of it does not come from the code under test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use supervisor_sync::api::{AppliedSite, LeftSite, SiteHistory};
use supervisor_sync::api::{InventoryOnHost, Reply, Request, Run, RunInventory, Target};
use supervisor_sync::apply::Outcome;
use supervisor_sync::desired::{DaemonFacts, DesiredSite, render};
use supervisor_sync::event::Event;
use supervisor_sync::host::LocalHost;
use supervisor_sync::inventory::{
    CommandLine, Domain, Instances, Program, ProgramName, RestartPolicy, Site,
};
use supervisor_sync::plan::PlanView;
use supervisor_sync::records::StateDir;
use supervisor_sync::supervisord::ProcessInfo;
use supervisor_sync::system::Interrupt;

use super::case::{End, Hand, INVENTORIES, Kind, Policy, Spec, Verb};

/// The programs of a site, by name.
pub(crate) type Programs = BTreeMap<String, Spec>;
/// The sites of an inventory.
pub(crate) type Inventory = BTreeMap<String, Programs>;
/// The files of both daemons: path below the host's folder -> mode and text.
pub(crate) type Files = BTreeMap<String, String>;

/// A verb with everything it is asked for.
pub(crate) struct Asked {
    /// Which of the inventories.
    pub(crate) inventory: usize,
    pub(crate) content: Inventory,
    pub(crate) verb: Verb,
    /// The selected sites; all that the inventory has if none was selected.
    pub(crate) sites: Vec<String>,
    pub(crate) program: Option<String>,
    pub(crate) end: End,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Nothing was heard of it again.
    pub(crate) killed: bool,
    /// How each site ended.
    pub(crate) ends: BTreeMap<String, Ended>,
    /// The plans it said it carries out. A start or stop says none before it is done.
    pub(crate) plans: BTreeMap<String, PlanView>,
    /// How often it wrote; a host that cannot count that says 0.
    pub(crate) writes: usize,
}

impl Done {
    /// Hears what the verb tells on its way.
    pub(crate) fn hear(&mut self, event: Event) {
        if let Event::Planned(plan) = event {
            self.plans.insert(plan.site.to_string(), *plan);
        }
    }

    /// Notes how a site ended.
    pub(crate) fn note(&mut self, AppliedSite { site, report }: AppliedSite) {
        let ended = match report {
            Ok(report) => {
                self.plans.entry(site.to_string()).or_insert(report.plan);
                match report.outcome {
                    Outcome::Unchanged => Ended::Unchanged,
                    Outcome::Applied { .. } => Ended::Applied,
                    Outcome::Refused { cause } => Ended::Refused(format!("{cause:?}")),
                    Outcome::RolledBack { cause } => Ended::RolledBack(format!("{cause:?}")),
                    Outcome::Kept { cause } => Ended::Kept(format!("{cause:?}")),
                    Outcome::Stuck { cause, undo_errors } => {
                        Ended::Stuck(format!("{cause:?} {undo_errors:?}"))
                    }
                    Outcome::Interrupted { .. } => Ended::Interrupted,
                }
            }
            Err(error) => Ended::Refused(format!("{error:?}")),
        };
        self.ends.insert(site.to_string(), ended);
    }
}

/// How a site ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Unchanged,
    Applied,
    Refused(String),
    RolledBack(String),
    Kept(String),
    Stuck(String),
    Interrupted,
}

impl Ended {
    pub(crate) fn is_success(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Applied)
    }
}

/// A host.
pub(crate) trait World {
    fn files(&self) -> Files;
    fn write(&self, path: &str, text: &str);
    fn remove(&self, path: &str);
    fn processes(&self) -> Vec<ProcessInfo>;
    /// What supervisord has loaded of a group, in any form; `None` where it does not tell.
    fn loaded(&self, group: &str) -> Option<String>;
    fn by_hand(&mut self, namespec: &str, how: Hand);
    /// supervisord ends and starts with the files as they are; not if it would not start.
    fn boot(&mut self);
    /// Lets supervisord do what it does at once.
    fn turn(&mut self);
    /// Waits until nothing changes any more by itself.
    fn settle(&mut self);
    fn run(&mut self, asked: &Asked) -> Done;
    fn site(&self, domain: &str, programs: &Programs) -> Site;
    fn state(&self) -> StateDir;
    fn facts(&self) -> DaemonFacts;
    /// The folder where state is.
    fn state_base(&self) -> PathBuf;
}

/// The files that a site is to have.
pub(crate) fn desired(world: &dyn World, domain: &str, programs: &Programs) -> DesiredSite {
    render(&world.site(domain, programs), &world.facts()).unwrap()
}

/// The run of an inventory.
pub(crate) fn run_of(inventory: usize, command: &str) -> Run {
    let name = INVENTORIES[inventory].to_owned();
    let path = format!("/desk/{name}.yml");
    Run { inventory: Some(RunInventory { name: Some(name), path }), ..Run::begin(command) }
}

/// What has left an inventory.
pub(crate) fn left(world: &dyn World, inventory: usize, content: &Inventory) -> Vec<LeftSite> {
    let paths = world.site("one", &Programs::new()).paths;
    let request = InventoryOnHost {
        run: run_of(inventory, "look"),
        domains: content.keys().map(|site| domain(site)).collect::<BTreeSet<_>>(),
        instances: vec![paths],
    };
    let mut host = LocalHost::new(world.state_base(), Interrupt::default());
    match host.ask(Request::Left(Box::new(request)), &mut |_| {}).unwrap() {
        Reply::Left { left } => {
            assert!(left.unreadable.is_empty(), "{left:?}");
            left.sites
        }
        other => unreachable!("{other:?}"),
    }
}

/// What was applied to sites.
pub(crate) fn history(world: &dyn World, sites: &[String]) -> Vec<SiteHistory> {
    let sites = sites.iter().map(|site| world.site(site, &Programs::new())).collect();
    let mut host = LocalHost::new(world.state_base(), Interrupt::default());
    match host.ask(Request::History { sites, left: None }, &mut |_| {}).unwrap() {
        Reply::History { sites } => sites,
        other => unreachable!("{other:?}"),
    }
}

pub(crate) fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

/// A program of an inventory, with a command that the host knows.
pub(crate) fn program(name: &str, spec: &Spec, command: &str) -> Program {
    let run = supervisor_sync::inventory::Run::Command(CommandLine::parse(command).unwrap());
    Program {
        numprocs: spec.numprocs.into(),
        autostart: spec.autostart,
        stopwaitsecs: 10,
        instances: match spec.separate {
            true => Instances::Separate,
            false => Instances::Together,
        },
        restart: match spec.policy {
            Policy::Immediate => RestartPolicy::Immediate,
            Policy::Rolling => RestartPolicy::Rolling,
            Policy::Deferred => RestartPolicy::Deferred,
        },
        ..Program::new(ProgramName::parse(name).unwrap(), run)
    }
}

/// The word that the simulated supervisord takes for a kind of program.
pub(crate) fn simulated_command(spec: &Spec) -> String {
    let word = match spec.kind {
        Kind::Runs => "runs",
        Kind::Drains => "drains-2",
        Kind::Exits => "exits-0-1",
        Kind::Broken => return "broken".to_owned(),
    };
    format!("{word} {}", spec.version)
}
