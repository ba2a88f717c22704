//! The plans of hosts.

use serde::Serialize;

use super::names::{Folded, named};
use super::{Mode, Page, Screen, left};
use crate::api::{Left, PlannedSite};
use crate::error::{CommandError, ErrorKind};
use crate::fleet::{HostPlans, HostWork, LookOutcome};

/// What an apply would do on a host.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct PlanDocument<'a> {
    sites: &'a [PlannedSite],
    /// Sites that left the inventory, where it was asked about a host as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a Left>,
}

/// The plans of all hosts.
#[derive(Default)]
pub(crate) struct Plans<'w> {
    answers: LookOutcome,
    texts: Folded<'w>,
    refused: bool,
}

impl<'w> Plans<'w> {
    /// The plans of the next host, or why there are none.
    pub(crate) fn add(
        &mut self,
        work: &'w HostWork,
        answer: Result<HostPage, CommandError>,
        screen: &mut Screen,
    ) {
        match answer {
            Ok(HostPage { page, text, answers, refused }) => {
                screen.show(page);
                if !text.is_empty() {
                    self.texts.add(work.name(), &text);
                }
                self.answers.add(answers);
                self.refused |= refused;
            }
            Err(error) => screen.unanswered(work.name(), &error, &mut self.answers),
        }
    }

    /// Shows what several hosts have in common, and returns the exit status; `tells_changes` has it say
    /// whether there is anything to do.
    pub(crate) fn end(mut self, several: bool, tells_changes: bool, screen: &mut Screen) -> u8 {
        show_texts(&self.texts, several, screen);
        self.answers.differs &= tells_changes;
        match self.answers.are_complete() && self.refused {
            true => ErrorKind::Refused.exit_status(),
            false => self.answers.exit_status(),
        }
    }
}

/// What is shown of a host's plans. It is made where they arrive, and a fraction of them.
#[derive(Debug)]
pub(crate) struct HostPage {
    /// For machines, with what went wrong; it has its turn host by host.
    page: Page,
    /// For people; what several hosts have in common is shown once, at the end.
    text: String,
    /// A site that has a plan has answered. The removal of a site whose last program went is left to a
    /// person, or to `--prune`: it makes no difference.
    answers: LookOutcome,
    refused: bool,
}

impl HostPage {
    /// `aside` is what the page is written on.
    pub(crate) fn of(host: &str, planned: &HostPlans, mut aside: Screen) -> Self {
        let HostPlans { sites, leavers } = planned;
        let mut answers = LookOutcome::default();
        let (mut text, mut refused) = (String::new(), false);
        aside.document("plan", Some(host), &PlanDocument { sites, left: leavers.left.as_ref() });
        for PlannedSite { site, plan } in sites {
            match plan {
                Ok(plan) => {
                    answers.count();
                    answers.differs |= !plan.empty && leavers.emptied.get(site) != Some(&false);
                    refused |= !plan.refusals.is_empty();
                    if aside.mode() == Mode::Text {
                        text.push_str(&plan.text(aside.colour()));
                    }
                }
                Err(error) => aside.unanswered(host, error, &mut answers),
            }
        }
        if sites.is_empty() {
            answers.count();
        }
        text.push_str(&left::text(leavers));
        Self { page: aside.into_page(), text, answers, refused }
    }
}

/// Shows the plans of several hosts, those that are the same once.
pub(super) fn show_pages(pages: Vec<(&str, HostPage)>, several: bool, screen: &mut Screen) {
    let mut texts = Folded::default();
    for (host, HostPage { page, text, .. }) in pages {
        screen.show(page);
        if !text.is_empty() {
            texts.add(host, &text);
        }
    }
    show_texts(&texts, several, screen);
}

fn show_texts(texts: &Folded<'_>, several: bool, screen: &mut Screen) {
    for (hosts, text) in texts.groups() {
        if several {
            screen.print(&format!("{}:\n", named(hosts)));
        }
        screen.print_painted(text);
    }
}
