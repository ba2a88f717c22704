//! `status`: what is wanted beside what runs.

use clap::Args;
use serde::Serialize;

use super::Context;
use super::fleet::{Answers, ParallelArguments};
use super::left::{self, Emptied, Leavers, Prune};
use super::selected::{ProgramArguments, Work};
use crate::api::{Left, SiteStatusReply, Target};
use crate::error::CommandError;
use crate::report::{Page, Screen};
use crate::status::Detail;

/// The exit status when something is not as wanted.
const NOT_AS_WANTED: u8 = 3;

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    selection: ProgramArguments,
    /// List every program, also where there are many and all are fine
    #[arg(long)]
    all: bool,
    /// How long to watch a program that has just come up again, for whether it does so once more
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    watch: u32,
    /// Also have supervisord compare all of its files with what it runs, which takes it seconds where
    /// there are many
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    parallel: ParallelArguments,
}

#[derive(Serialize)]
struct Sites<'a> {
    sites: &'a [SiteStatusReply],
    /// Sites that left the inventory, where it was asked about a host as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a Left>,
}

pub(super) fn run(
    context: &Context,
    arguments: &StatusArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected_with_leavers(
        &arguments.selection,
        &Prune::Nothing,
        Emptied::Unseen,
        screen,
    )?;
    let detail = if arguments.all { Detail::All } else { Detail::Summary };
    let several = work.len() > 1;
    let (mode, colour) = (screen.mode(), screen.colour());
    let ask = |work: &Work, host: &mut dyn Target| {
        let (sites, leavers) = ask(host, work, arguments)?;
        let host = work.host.name.as_str();
        let host = OnHost { host, sites: &sites, leavers: &leavers, several, detail };
        let shown = host.shown(Screen::aside(mode, colour));
        Ok((shown, leavers))
    };
    let mut total = Total::default();
    // Where it may turn out that there is nothing to show, nothing is before each host has answered.
    let waits = work.iter().all(|work| work.sites.is_empty());
    let check = |leavers: &[&Leavers]| left::check_something(&work, leavers);
    let hosts = (work.as_slice(), arguments.parallel.rules());
    context.on_each_checked(hosts, &ask, (waits, check), &mut |work, answer| {
        total.add(work, answer, screen);
    })?;
    let fine = if total.not_as_wanted { NOT_AS_WANTED } else { 0 };
    Ok(total.answers.exit_status().unwrap_or(fine))
}

/// What a host has answered.
struct OnHost<'a> {
    host: &'a str,
    sites: &'a [SiteStatusReply],
    leavers: &'a Leavers,
    several: bool,
    detail: Detail,
}

/// What is shown of it.
struct Shown {
    page: Page,
    answers: Answers,
    not_as_wanted: bool,
}

impl OnHost<'_> {
    /// `aside` is what the page is written on.
    fn shown(&self, mut aside: Screen) -> Shown {
        let Self { host, sites, leavers, several, detail } = *self;
        let (mut answers, mut not_as_wanted) = (Answers::default(), false);
        aside.document("status", Some(host), &Sites { sites, left: leavers.left.as_ref() });
        let left = leavers.text();
        if several && !(sites.is_empty() && left.is_empty()) {
            aside.print(&format!("Host {host}\n"));
        }
        for site in sites {
            match &site.status {
                Ok(status) => {
                    answers.count();
                    not_as_wanted |= !status.is_fine();
                    let text = status.text(detail, aside.colour());
                    aside.print_painted(&text);
                }
                Err(error) => answers.tell(host, error, &mut aside),
            }
        }
        if sites.is_empty() {
            answers.count();
        }
        aside.print(&left);
        Shown { page: aside.into_page(), answers, not_as_wanted }
    }
}

/// What the statuses of all hosts come to.
#[derive(Default)]
struct Total {
    answers: Answers,
    not_as_wanted: bool,
}

impl Total {
    /// The status of the next host, or why there is none.
    fn add(&mut self, work: &Work, answer: Result<Shown, CommandError>, screen: &mut Screen) {
        match answer {
            Ok(Shown { page, answers, not_as_wanted }) => {
                screen.show(page);
                self.answers.add(answers);
                self.not_as_wanted |= not_as_wanted;
            }
            Err(error) => self.answers.tell(work.host.name.as_str(), &error, screen),
        }
    }
}

fn ask(
    host: &mut dyn Target,
    work: &Work,
    arguments: &StatusArguments,
) -> Result<(Vec<SiteStatusReply>, Leavers), CommandError> {
    let leavers = left::ask(host, work)?;
    if work.sites.is_empty() {
        return Ok((Vec::new(), leavers));
    }
    let &StatusArguments { watch, deep, .. } = arguments;
    Ok((host.status(work.chosen(), watch, deep)?, leavers))
}
