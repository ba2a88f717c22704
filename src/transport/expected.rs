//! Whether a reply is one to what was asked: of the same kind, about the same sites.
//! Pure. A host that leaves a site out has not done it, whatever else it says.

use std::fmt::Write as _;

use crate::api::{AppliedSite, ChosenSite, PlannedSite, Reply, Request, SiteStatusReply};
use crate::error::CommandError;
use crate::inventory::{Domain, Site};

/// How many names of sites an error has.
const NAMES_SHOWN: usize = 6;

/// What must be answered.
#[derive(Debug)]
pub(super) struct Expected {
    kind: Kind,
    sites: Vec<Domain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plans,
    Applied,
    Status,
    Logs,
    History,
    Left,
    RevisionDiffs,
    Runner,
    RunnerWritten,
    Setup,
    /// Nothing that a host says.
    Ours,
}

impl Expected {
    pub(super) fn of(request: &Request) -> Self {
        let all = |sites: &[Site]| sites.iter().map(|site| site.domain.clone()).collect();
        let chosen =
            |sites: &[ChosenSite]| sites.iter().map(|chosen| chosen.site.domain.clone()).collect();
        let (kind, sites) = match request {
            Request::Plan { sites, .. } => (Kind::Plans, chosen(sites)),
            Request::Apply(request) => (Kind::Applied, chosen(&request.sites)),
            Request::Status { sites, .. } => (Kind::Status, chosen(sites)),
            Request::Logs(_) => (Kind::Logs, Vec::new()),
            Request::History { sites, .. } => (Kind::History, all(sites)),
            Request::Left(_) => (Kind::Left, Vec::new()),
            Request::RevisionDiff { sites, .. } => (Kind::RevisionDiffs, all(sites)),
            Request::ReadRunner { .. } => (Kind::Runner, Vec::new()),
            Request::WriteRunner { .. } => (Kind::RunnerWritten, Vec::new()),
            Request::Setup { .. } => (Kind::Setup, Vec::new()),
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
fn answered<'r>(reply: &'r Reply) -> (Kind, Vec<&'r Domain>) {
    match reply {
        Reply::Plans { sites } => {
            let of = |answer: &'r PlannedSite| {
                answer.plan.as_ref().ok().map(|plan| &plan.site).unwrap_or(&answer.site)
            };
            (Kind::Plans, sites.iter().map(of).collect())
        }
        Reply::Applied { sites } => {
            let of = |answer: &'r AppliedSite| {
                answer.report.as_ref().ok().map(|it| &it.site).unwrap_or(&answer.site)
            };
            (Kind::Applied, sites.iter().map(of).collect())
        }
        Reply::Status { sites } => {
            let of = |answer: &'r SiteStatusReply| {
                answer.status.as_ref().ok().map(|it| &it.site).unwrap_or(&answer.site)
            };
            (Kind::Status, sites.iter().map(of).collect())
        }
        Reply::LogsEnded { .. } => (Kind::Logs, Vec::new()),
        Reply::History { sites } => {
            // Those that left the inventory are told beside what was asked about.
            let asked = sites.iter().filter(|site| site.paths.is_none());
            (Kind::History, asked.map(|site| &site.site).collect())
        }
        Reply::Left { .. } => (Kind::Left, Vec::new()),
        Reply::RevisionDiffs { sites } => {
            (Kind::RevisionDiffs, sites.iter().map(|site| &site.site).collect())
        }
        Reply::Runner { .. } => (Kind::Runner, Vec::new()),
        Reply::RunnerWritten { .. } => (Kind::RunnerWritten, Vec::new()),
        Reply::Setup { .. } => (Kind::Setup, Vec::new()),
        Reply::GoesOn => (Kind::Ours, Vec::new()),
    }
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
