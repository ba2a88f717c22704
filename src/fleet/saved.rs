//! A plan in a file: what was asked for, and the fingerprint of every plan that was shown. An apply of it
//! does that and nothing else.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::host_work::HostWork;
use super::left::Prune;
use super::run::HostPlans;
use crate::api::{PlannedSite, RunInventory};
use crate::error::{CommandError, ErrorKind};
use crate::inventory::{Domain, Selector};
use crate::plan::{Intent, PlanOptions, Running};
use crate::system::shell;

/// The version of this shape. A file of another one is refused: a plan is made anew in seconds.
const VERSION: u32 = 1;

/// A plan to be applied later. It holds no secret: neither files nor values, only their keyed digests.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedPlan {
    version: u32,
    /// When the hosts were asked.
    at: Timestamp,
    /// The inventory that it was made of.
    pub(crate) inventory: Option<RunInventory>,
    /// What was selected.
    pub(crate) selector: Selector,
    /// Which sites that left are removed.
    pub(crate) prune: Prune,
    /// What was asked for.
    pub(crate) options: PlanOptions,
    /// The hosts that had a plan, with the fingerprint of each site's.
    pub(crate) hosts: BTreeMap<String, BTreeMap<Domain, String>>,
}

impl SavedPlan {
    pub(crate) fn new(
        inventory: Option<RunInventory>,
        selector: Selector,
        prune: Prune,
        options: PlanOptions,
    ) -> Self {
        let (at, hosts) = (Timestamp::now(), BTreeMap::new());
        Self { version: VERSION, at, inventory, selector, prune, options, hosts }
    }

    /// What is kept of the plans of a host; nothing where one of its sites has none, and the host is not
    /// applied to.
    pub(crate) fn fingerprints(plans: &HostPlans) -> Option<BTreeMap<Domain, String>> {
        let are_whole = plans.sites.iter().all(|planned| planned.plan.is_ok());
        are_whole.then(|| fingerprints(&plans.sites))
    }

    /// With this host.
    pub(crate) fn add(&mut self, host: &str, fingerprints: BTreeMap<Domain, String>) {
        self.hosts.insert(host.to_owned(), fingerprints);
    }

    /// The file's text.
    pub(crate) fn text(&self) -> Result<String, CommandError> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|source| {
            CommandError::refused("cannot write the plan as JSON").caused_by(&source)
        })?;
        Ok(text + "\n")
    }

    /// The flags of `plan` that ask for the same again, as a shell reads them, each with a space before it.
    pub(crate) fn flags(&self) -> String {
        let mut flags = self.selector.flags();
        let options = &self.options;
        let of_running = match options.intent {
            Intent::Apply { running: Running::RestartAll } => Some("--restart"),
            Intent::Apply { running: Running::Leave } => Some("--no-restart"),
            _ => None,
        };
        let of_stopped = options.start_stopped.then_some("--start-stopped");
        let of_logs = options.purge_logs.then_some("--purge-logs");
        flags.extend([of_running, of_stopped, of_logs].into_iter().flatten().map(str::to_owned));
        for refusal in &options.overrides {
            flags.extend(["--allow", refusal.as_str()].map(str::to_owned));
        }
        let text: String = flags.iter().map(|flag| format!(" {}", shell::word(flag))).collect();
        match &self.prune {
            Prune::Nothing => text,
            Prune::Own => text + " --prune",
            Prune::Named(sites) => {
                let sites: Vec<&str> = sites.iter().map(Domain::as_str).collect();
                format!("{text} --prune={}", shell::word(&sites.join(",")))
            }
        }
    }

    /// Reads a file's text; `name` is what the file is called.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, CommandError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let refused = |why: String, hint: String| {
            let message = format!("{name} is not a plan that was saved");
            Err(CommandError::refused(message).because(why).hint(hint))
        };
        let make =
            |name: &str| format!("make one: supervisor-sync plan --out {}", shell::word(name));
        let version = match serde_json::from_str(text) {
            Ok(Versioned { version }) => version,
            // Nobody's file is to be replaced by what a hint says.
            Err(error) => {
                let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
                let hint = match is_yaml {
                    true => format!(
                        "an inventory is named so: supervisor-sync apply --inventory {}",
                        shell::word(name)
                    ),
                    false => make(&format!("{name}.plan")),
                };
                return refused(error.to_string(), hint);
            }
        };
        if version != VERSION {
            return refused(format!("it has version {version}, known is {VERSION}"), make(name));
        }
        serde_json::from_str(text).or_else(|error| refused(error.to_string(), make(name)))
    }
}

/// The plans that were looked at before: nothing else is applied.
#[derive(Debug, Clone)]
pub(crate) struct Reviewed {
    /// Where they were seen, as a sentence goes on: `in FILE`.
    pub(crate) place: String,
    /// How they are made anew.
    pub(crate) hint: String,
    pub(crate) hosts: BTreeMap<String, BTreeMap<Domain, String>>,
}

impl Reviewed {
    /// Keeps of `work` the hosts that have a plan, and names the others. One that is not there any more
    /// is an error: it was to be changed.
    pub(crate) fn choose(&self, work: &mut Vec<HostWork>) -> Result<Vec<String>, CommandError> {
        let gone = self.hosts.keys().find(|host| work.iter().all(|work| work.name() != *host));
        if let Some(host) = gone {
            let message =
                format!("the inventory no longer has what the plan {} was made of", self.place);
            return Err(CommandError::refused(message)
                .because(format!("{host} is not selected any more"))
                .hint(&self.hint));
        }
        let mut left = Vec::new();
        work.retain(|work| {
            let is_planned = self.hosts.contains_key(work.name());
            if !is_planned {
                left.push(work.name().to_owned());
            }
            is_planned
        });
        Ok(left)
    }

    /// Refuses the plans of a host that are not those that were looked at.
    pub(super) fn check(&self, host: &str, sites: &[PlannedSite]) -> Result<(), CommandError> {
        if let Some(error) = sites.iter().find_map(|planned| planned.plan.as_ref().err()) {
            return Err(error.clone());
        }
        let (reviewed, planned) = (self.hosts.get(host), fingerprints(sites));
        let Some(reviewed) = reviewed.filter(|reviewed| **reviewed != planned) else {
            return Ok(());
        };
        let all = reviewed.keys().chain(planned.keys());
        let differs = all.into_iter().find(|site| reviewed.get(*site) != planned.get(*site));
        let site = differs.map(|site| format!(" of {site}")).unwrap_or_default();
        let message = format!("the plan{site} is not the one {} any more", self.place);
        Err(CommandError::new(ErrorKind::Refused, message)
            .because("the inventory or the host has changed since")
            .hint(&self.hint))
    }
}

pub(super) fn fingerprints(sites: &[PlannedSite]) -> BTreeMap<Domain, String> {
    let plans = sites.iter().filter_map(|site| site.plan.as_ref().ok());
    plans.map(|plan| (plan.site.clone(), plan.fingerprint.clone())).collect()
}
