//! The statuses of hosts.

use std::collections::BTreeSet;

use serde::Serialize;

use super::colour::{BAD, GOOD, STRONG};
use super::names::counted;
use super::{Colour, Detail, Page, Screen, left};
use crate::api::{Left, SiteStatusReply};
use crate::error::CommandError;
use crate::fleet::{HostWork, Leavers, LookOutcome};
use crate::import::Unmanaged;
use crate::inventory::Domain;
use crate::status::SiteStatus;
use crate::system::sanitized;

/// How the programs of a host are, beside how they should be.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct StatusDocument<'a> {
    pub(super) sites: &'a [SiteStatusReply],
    /// Sites that left the inventory, where it was asked about a host as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left: Option<&'a Left>,
    /// What supervisord has that no inventory has, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unmanaged: Option<&'a Unmanaged>,
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
    counts: Counts,
}

/// What was looked at.
#[derive(Debug, Default)]
struct Counts {
    hosts: usize,
    /// Wherever they are.
    sites: BTreeSet<Domain>,
    programs: usize,
    /// The programs that are not as wanted, and the hosts with such a program or another problem.
    bad: usize,
    hosts_with_problems: usize,
}

impl HostStatus<'_> {
    /// `aside` is what the page is written on.
    pub(crate) fn page(&self, mut aside: Screen) -> StatusPage {
        let Self { host, sites, leavers, unmanaged, several, detail } = *self;
        let mut answers = LookOutcome::default();
        let mut counts = Counts { hosts: 1, ..Counts::default() };
        aside.document(
            "status",
            Some(host),
            &StatusDocument { sites, left: leavers.left.as_ref(), unmanaged },
        );
        let left = left::text(leavers);
        let others = unmanaged.map(super::unmanaged::text).unwrap_or_default();
        if several && !(sites.is_empty() && left.is_empty() && others.is_empty()) {
            let host = sanitized(&format!("Host {host}"));
            let host = aside.colour().paint(STRONG, &host);
            aside.print_painted(&format!("{host}\n"));
        }
        // What somebody has to see to comes first.
        let mut sites: Vec<&SiteStatusReply> = sites.iter().collect();
        sites.sort_by_key(|site| site.status.as_ref().is_ok_and(SiteStatus::is_fine));
        for site in &sites {
            match &site.status {
                Ok(status) => {
                    answers.count();
                    answers.differs |= !status.is_fine();
                    counts.add(status);
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
        counts.hosts_with_problems = usize::from(answers.differs);
        StatusPage { page: aside.into_page(), answers, counts }
    }
}

impl Counts {
    fn add(&mut self, status: &SiteStatus) {
        self.sites.insert(status.site.clone());
        self.programs += status.programs.len();
        self.bad += status.programs.iter().filter(|program| !program.is_fine()).count();
    }

    fn join(&mut self, other: Self) {
        let Self { hosts, sites, programs, bad, hosts_with_problems } = other;
        self.hosts += hosts;
        self.sites.extend(sites);
        self.programs += programs;
        self.bad += bad;
        self.hosts_with_problems += hosts_with_problems;
    }

    /// `3 hosts, 5 sites, 26 programs: 2 are not as wanted, on 1 host`.
    fn text(&self, unanswered: usize, colour: Colour) -> String {
        let hosts = self.hosts + unanswered;
        let mut text = format!(
            "{}, {}, {}: ",
            counted(hosts, "host"),
            counted(self.sites.len(), "site"),
            counted(self.programs, "program")
        );
        let silent = match unanswered {
            0 => String::new(),
            silent => format!(", {} did not answer", counted(silent, "host")),
        };
        let (style, how) = match (self.hosts_with_problems, self.bad) {
            (0, _) if unanswered == 0 => (GOOD, "all as wanted".to_owned()),
            (0, _) => (BAD, "the others are as wanted".to_owned()),
            (on, 0) => (BAD, format!("problems on {}", counted(on, "host"))),
            (on, bad) => {
                let are = if bad == 1 { "is" } else { "are" };
                (BAD, format!("{bad} {are} not as wanted, on {}", counted(on, "host")))
            }
        };
        text.push_str(&colour.paint(style, &format!("{how}{silent}")));
        text + "\n"
    }
}

/// The statuses of all hosts.
#[derive(Default)]
pub(crate) struct Statuses {
    answers: LookOutcome,
    counts: Counts,
    unanswered: usize,
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
            Ok(StatusPage { page, answers, counts }) => {
                screen.show(page);
                self.answers.add(answers);
                self.counts.join(counts);
            }
            Err(error) => {
                self.unanswered += 1;
                screen.unanswered(work.name(), &error, &mut self.answers);
            }
        }
    }

    /// Shows what it comes to, where there is more than one site, and returns the exit status.
    pub(crate) fn end(self, screen: &mut Screen) -> u8 {
        let Self { answers, counts, unanswered } = self;
        if counts.sites.len() > 1 || counts.hosts + unanswered > 1 {
            screen.print_painted(&counts.text(unanswered, screen.colour()));
        }
        answers.exit_status()
    }
}
