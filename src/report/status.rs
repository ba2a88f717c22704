//! The statuses of hosts.

use serde::Serialize;

use super::Detail;
use super::{Page, Screen, left};
use crate::api::{Left, SiteStatusReply};
use crate::error::CommandError;
use crate::fleet::{HostWork, Leavers, LookOutcome};
use crate::import::Unmanaged;

/// How the programs of a host are, beside how they should be.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct StatusDocument<'a> {
    sites: &'a [SiteStatusReply],
    /// Sites that left the inventory, where it was asked about a host as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a Left>,
    /// What supervisord has that no inventory has, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    unmanaged: Option<&'a Unmanaged>,
}

/// What a host has answered.
pub(crate) struct HostStatus<'a> {
    pub(crate) host: &'a str,
    pub(crate) sites: &'a [SiteStatusReply],
    /// What has left it.
    pub(crate) leavers: &'a Leavers,
    /// What no inventory has; `None` if nobody asked.
    pub(crate) unmanaged: Option<&'a Unmanaged>,
    /// Whether there are other hosts.
    pub(crate) several: bool,
    /// How much is shown of a site.
    pub(crate) detail: Detail,
}

/// What is shown of it.
pub(crate) struct StatusPage {
    page: Page,
    answers: LookOutcome,
}

impl HostStatus<'_> {
    /// `aside` is what the page is written on.
    pub(crate) fn page(&self, mut aside: Screen) -> StatusPage {
        let Self { host, sites, leavers, unmanaged, several, detail } = *self;
        let mut answers = LookOutcome::default();
        aside.document(
            "status",
            Some(host),
            &StatusDocument { sites, left: leavers.left.as_ref(), unmanaged },
        );
        let left = left::text(leavers);
        let others = unmanaged.map(super::unmanaged::text).unwrap_or_default();
        if several && !(sites.is_empty() && left.is_empty() && others.is_empty()) {
            aside.print(&format!("Host {host}\n"));
        }
        for site in sites {
            match &site.status {
                Ok(status) => {
                    answers.count();
                    answers.differs |= !status.is_fine();
                    let text = status.text(detail, aside.colour());
                    aside.print_painted(&text);
                }
                Err(error) => aside.unanswered(host, error, &mut answers),
            }
        }
        if sites.is_empty() {
            answers.count();
        }
        aside.print(&left);
        aside.print(&others);
        StatusPage { page: aside.into_page(), answers }
    }
}

/// The statuses of all hosts.
#[derive(Default)]
pub(crate) struct Statuses {
    answers: LookOutcome,
}

impl Statuses {
    /// The status of the next host, or why there is none.
    pub(crate) fn add(
        &mut self,
        work: &HostWork,
        answer: Result<StatusPage, CommandError>,
        screen: &mut Screen,
    ) {
        match answer {
            Ok(StatusPage { page, answers }) => {
                screen.show(page);
                self.answers.add(answers);
            }
            Err(error) => screen.unanswered(work.name(), &error, &mut self.answers),
        }
    }

    /// The exit status.
    pub(crate) fn end(self) -> u8 {
        self.answers.exit_status()
    }
}
