//! Whether a reply is one to what was asked: of the same kind, about the same sites.
//! Pure. A host that leaves a site out has not done it, whatever else it says.

use std::fmt::Write as _;

use crate::api::{ChosenSite, Reply, Request};
use crate::error::CommandError;
use crate::inventory::{Domain, Site};

/// How many names of sites an error has.
const NAMES_SHOWN: usize = 6;

/// What must be answered.
#[derive(Debug)]
pub(super) struct Expected {
    kind: ReplyKind,
    sites: Vec<Domain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplyKind {
    Plans,
    Applied,
    Status,
    Logs,
    History,
    Left,
    RevisionDiffs,
    Includes,
    OnRecord,
    Code,
    Runner,
    RunnerWritten,
    Setup,
    /// No host sends it.
    Ours,
}

impl Expected {
    pub(super) fn of(request: &Request) -> Self {
        let (kind, sites) = match request {
            Request::Plan { sites, .. } => (ReplyKind::Plans, chosen_domains(sites)),
            Request::Apply(request) => (ReplyKind::Applied, chosen_domains(&request.sites)),
            Request::Status { sites, .. } => (ReplyKind::Status, chosen_domains(sites)),
            Request::Logs(_) => (ReplyKind::Logs, Vec::new()),
            Request::History { sites, .. } => (ReplyKind::History, domains(sites)),
            Request::Left(_) => (ReplyKind::Left, Vec::new()),
            Request::RevisionDiff { sites, .. } => (ReplyKind::RevisionDiffs, domains(sites)),
            Request::Includes { .. } => (ReplyKind::Includes, Vec::new()),
            Request::OnRecord { .. } => (ReplyKind::OnRecord, Vec::new()),
            Request::Code { .. } => (ReplyKind::Code, Vec::new()),
            Request::ReadRunner { .. } => (ReplyKind::Runner, Vec::new()),
            Request::WriteRunner { .. } => (ReplyKind::RunnerWritten, Vec::new()),
            Request::Setup { .. } => (ReplyKind::Setup, Vec::new()),
        };
        Self { kind, sites }
    }

    /// An error if it answers something else.
    pub(super) fn check(&self, reply: &Reply) -> Result<(), CommandError> {
        let (kind, mut answered) = answered(reply);
        if kind != self.kind {
            return Err(CommandError::refused("the host answered something that was not asked"));
        }
        // A host answers for one supervisord after the other, so the order may be another.
        let mut asked: Vec<&Domain> = self.sites.iter().collect();
        asked.sort_unstable();
        answered.sort_unstable();
        if answered == asked {
            return Ok(());
        }
        Err(CommandError::refused("the host answered for other sites than it was asked about")
            .because(format!("asked {}, answered {}", named(&asked), named(&answered))))
    }
}

/// The kind of a reply, and the sites it is about. An answer whose content names another site is
/// about that one.
fn answered(reply: &Reply) -> (ReplyKind, Vec<&Domain>) {
    match reply {
        Reply::Plans { sites } => {
            let sites = sites.iter().map(|answer| match &answer.plan {
                Ok(plan) => &plan.site,
                Err(_) => &answer.site,
            });
            (ReplyKind::Plans, sites.collect())
        }
        Reply::Applied { sites } => {
            let sites = sites.iter().map(|answer| match &answer.report {
                Ok(report) => &report.site,
                Err(_) => &answer.site,
            });
            (ReplyKind::Applied, sites.collect())
        }
        Reply::Status { sites } => {
            let sites = sites.iter().map(|answer| match &answer.status {
                Ok(status) => &status.site,
                Err(_) => &answer.site,
            });
            (ReplyKind::Status, sites.collect())
        }
        Reply::LogsEnded { .. } => (ReplyKind::Logs, Vec::new()),
        Reply::History { sites } => {
            // Those that left the inventory are told beside what was asked about.
            let asked = sites.iter().filter(|site| site.paths.is_none());
            (ReplyKind::History, asked.map(|site| &site.site).collect())
        }
        Reply::Left { .. } => (ReplyKind::Left, Vec::new()),
        Reply::RevisionDiffs { sites } => {
            (ReplyKind::RevisionDiffs, sites.iter().map(|site| &site.site).collect())
        }
        Reply::Includes { .. } => (ReplyKind::Includes, Vec::new()),
        Reply::OnRecord { .. } => (ReplyKind::OnRecord, Vec::new()),
        Reply::Code { .. } => (ReplyKind::Code, Vec::new()),
        Reply::Runner { .. } => (ReplyKind::Runner, Vec::new()),
        Reply::RunnerWritten { .. } => (ReplyKind::RunnerWritten, Vec::new()),
        Reply::Setup { .. } => (ReplyKind::Setup, Vec::new()),
        Reply::GoesOn => (ReplyKind::Ours, Vec::new()),
    }
}

fn domains(sites: &[Site]) -> Vec<Domain> {
    sites.iter().map(|site| site.domain.clone()).collect()
}

fn chosen_domains(sites: &[ChosenSite]) -> Vec<Domain> {
    sites.iter().map(|chosen| chosen.site.domain.clone()).collect()
}

fn named(sites: &[&Domain]) -> String {
    if sites.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<&str> = sites.iter().take(NAMES_SHOWN).map(|site| site.as_str()).collect();
    let mut text = shown.join(", ");
    if sites.len() > NAMES_SHOWN {
        let _ = write!(text, " and {} more", sites.len() - NAMES_SHOWN);
    }
    text
}
