//! The plans of hosts.

use serde::Serialize;

use super::colour::STRONG;
use super::names::{Folded, HEADLINE, listed};
use super::plan_markdown::MarkdownPlans;
use super::plan_text::FileDetail;
use super::plan_totals::Totals;
use super::{Colour, Mode, Page, Screen, left};
use crate::api::{Left, PlannedSite};
use crate::error::{CommandError, ErrorKind};
use crate::fleet::{HostPlans, HostWork, LookOutcome};
use crate::inventory::Domain;
use crate::plan::PlanView;
use crate::system::sanitized;

/// What an apply would do on a host.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct PlanDocument<'a> {
    sites: &'a [PlannedSite],
    /// Sites that left the inventory, where it was asked about a host as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a Left>,
    /// Why an apply will not start, in words; the same as `refusals` of the plans.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<RefusedSite<'a>>,
}

/// Why an apply of a site will not start.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RefusedSite<'a> {
    /// The site that was planned.
    site: &'a Domain,
    /// What stands in its way, and where.
    message: String,
    /// What a person can do about it.
    hint: String,
}

impl<'a> PlanDocument<'a> {
    fn of(planned: &'a HostPlans) -> Self {
        let plans = planned.sites.iter().filter_map(|site| site.plan.as_ref().ok());
        let refusals = plans.flat_map(|plan| plan.refusals.iter().map(|one| (&plan.site, one)));
        let refused = refusals.map(|(site, refusal)| RefusedSite {
            site,
            message: refusal.message(),
            hint: refusal.hint(),
        });
        let left = planned.leavers.left.as_ref();
        Self { sites: &planned.sites, left, refused: refused.collect() }
    }
}

/// How plans are shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PlanFormat {
    /// For a terminal or a log.
    Text,
    /// For a comment on a pull request, at most 65,000 characters.
    Markdown,
}

/// The plans of all hosts.
pub(crate) struct Plans<'w> {
    answers: LookOutcome,
    shown: FormattedPlans<'w>,
    refused: bool,
}

/// What people see of plans, in the format that they asked for.
enum FormattedPlans<'w> {
    Text(ShownPlans<'w>),
    Markdown(MarkdownPlans<'w>),
}

impl<'w> Plans<'w> {
    pub(crate) fn new(format: PlanFormat) -> Self {
        let shown = match format {
            PlanFormat::Text => FormattedPlans::Text(ShownPlans::default()),
            PlanFormat::Markdown => FormattedPlans::Markdown(MarkdownPlans::default()),
        };
        Self { answers: LookOutcome::default(), shown, refused: false }
    }

    /// The plans of the next host, or why there are none.
    pub(crate) fn add(
        &mut self,
        work: &'w HostWork,
        answer: Result<HostPage, CommandError>,
        screen: &mut Screen,
    ) {
        match answer {
            Ok(HostPage { shown, answers, refused }) => {
                self.answers.add(answers);
                self.refused |= refused;
                let shown = shown.told(screen);
                match &mut self.shown {
                    FormattedPlans::Text(plans) => plans.add(work.name(), &shown),
                    FormattedPlans::Markdown(plans) => plans.add(work.name(), &shown),
                }
            }
            Err(error) => {
                if let FormattedPlans::Markdown(plans) = &mut self.shown {
                    plans.fail(work.name(), &error);
                }
                screen.unanswered(work.name(), &error, &mut self.answers);
            }
        }
    }

    /// Shows what people see of them, and returns the exit status; `tells_changes` has it say whether there
    /// is anything to do.
    pub(crate) fn end(mut self, tells_changes: bool, screen: &mut Screen) -> u8 {
        match &self.shown {
            FormattedPlans::Text(plans) => plans.show(screen),
            FormattedPlans::Markdown(plans) => plans.show(screen),
        }
        self.answers.differs &= tells_changes;
        match self.answers.are_complete() && self.refused {
            true => ErrorKind::Refused.exit_status(),
            false => self.answers.exit_status(),
        }
    }
}

/// What people see of plans: what several hosts have in common once, and what they do in all at the end.
#[derive(Default)]
pub(super) struct ShownPlans<'w> {
    blocks: Folded<'w>,
    totals: Totals,
}

impl<'w> ShownPlans<'w> {
    fn add(&mut self, host: &'w str, plans: &HostText) {
        for block in &plans.blocks {
            self.blocks.add(host, block);
        }
        self.totals.extend(&plans.totals);
    }

    fn show(&self, screen: &mut Screen) {
        let colour = screen.colour();
        for (hosts, block) in self.blocks.groups() {
            let hosts = colour.paint(STRONG, &sanitized(&listed(hosts, HEADLINE)));
            screen.print_painted(&format!("{hosts}  {block}"));
        }
        if !self.totals.is_empty() {
            screen.print(&format!("{}\n", self.totals.text()));
        }
        if let Some(advice) = self.totals.advice() {
            screen.print(&format!("note: {advice}\n"));
        }
    }
}

/// What people and machines see of a host's plans.
#[derive(Debug)]
struct ShownPage {
    /// For machines, with what went wrong; it has its turn host by host.
    page: Page,
    text: HostText,
}

impl ShownPage {
    /// Tells machines; what is for people waits until all hosts are there.
    fn told(self, screen: &mut Screen) -> HostText {
        screen.show(self.page);
        self.text
    }
}

/// What people see of a host's plans.
#[derive(Debug)]
pub(super) struct HostText {
    /// A headline without the host each, and what stands below it.
    pub(super) blocks: Vec<String>,
    /// What is done on the host in all.
    pub(super) totals: Totals,
}

/// What is shown of a host's plans. It is made where they arrive, and a fraction of them.
#[derive(Debug)]
pub(crate) struct HostPage {
    shown: ShownPage,
    /// A site that has a plan has answered. The removal of a site whose last program went is left to a
    /// person, or to `--prune`: it makes no difference.
    answers: LookOutcome,
    refused: bool,
}

impl HostPage {
    /// `aside` is what the page is written on.
    pub(crate) fn of(host: &str, planned: &HostPlans, mut aside: Screen) -> Self {
        let HostPlans { sites, leavers } = planned;
        let detail = aside.file_detail();
        let mut answers = LookOutcome::default();
        let (mut blocks, mut silent) = (Vec::new(), Vec::new());
        let (mut totals, mut refused) = (Totals::default(), false);
        aside.document("plan", Some(host), &PlanDocument::of(planned));
        for PlannedSite { site, plan } in sites {
            match plan {
                Ok(plan) => {
                    answers.count();
                    answers.differs |= !plan.empty && leavers.emptied.get(site) != Some(&false);
                    refused |= !plan.refusals.is_empty();
                    totals.add(host, plan);
                    match (aside.mode(), plan.is_silent()) {
                        (Mode::Json, _) => {}
                        (Mode::Text, true) => silent.push(plan),
                        (Mode::Text, false) => blocks.push(block(plan, detail, aside.colour())),
                    }
                }
                Err(error) => aside.unanswered(host, error, &mut answers),
            }
        }
        if sites.is_empty() {
            answers.count();
        }
        blocks.extend(unchanged(&silent, aside.colour()));
        blocks.extend(left::text(leavers).lines().map(|line| format!("{line}\n")));
        let shown = ShownPage { page: aside.into_page(), text: HostText { blocks, totals } };
        Self { shown, answers, refused }
    }
}

/// A site's plan below its headline.
pub(super) fn block(plan: &PlanView, detail: FileDetail, colour: Colour) -> String {
    let site = colour.paint(STRONG, plan.site.as_str());
    format!("{site}\n{}", plan.text(detail, colour))
}

/// The sites of a host that nothing is to be said of: one has its headline, several share a line.
fn unchanged(sites: &[&PlanView], colour: Colour) -> Option<String> {
    let shown: Vec<&str> = sites.iter().map(|plan| plan.site.as_str()).collect();
    match sites {
        [] => None,
        [plan] => Some(block(plan, FileDetail::Counted, colour)),
        _ => Some(format!("{}: unchanged\n", listed(&shown, HEADLINE))),
    }
}

/// Shows the plans of several hosts, those that are the same once.
pub(super) fn show_pages(pages: Vec<(&str, HostPage)>, screen: &mut Screen) {
    let mut shown = ShownPlans::default();
    for (host, page) in pages {
        shown.add(host, &page.shown.told(screen));
    }
    shown.show(screen);
}
