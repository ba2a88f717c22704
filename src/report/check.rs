//! The inventory, checked.

use serde::Serialize;

use super::annotations::{Annotation, Here, Level};
use super::names::counted as counted_as;
use super::{Colour, annotations};
use super::{Mode, Screen};
use crate::check::{HostLints, Lint, Unreadable};
use crate::error::CommandError;
use crate::fleet::LookOutcome;
use crate::inventory::{Problem, Problems};

/// Beyond this many warnings the rest is counted only for people: nobody reads them.
const MOST_SHOWN: usize = 300;

/// How what `check` finds is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people.
    #[default]
    Text,
    /// JSON documents, as `--json` has them.
    Json,
    /// Workflow commands of GitHub Actions, which put each finding beside its line.
    Github,
    /// One SARIF 2.1.0 document, for code scanning.
    Sarif,
}

/// The inventory is fine, and has this many of each.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Checked<'a> {
    hosts: usize,
    sites: usize,
    programs: usize,
    /// What is legal and hurts.
    #[serde(skip_serializing_if = "<[Lint]>::is_empty")]
    lints: &'a [Lint],
}

impl<'a> Checked<'a> {
    /// So many hosts, sites and programs, and what was found.
    pub(crate) fn new((hosts, sites, programs): (usize, usize, usize), lints: &'a [Lint]) -> Self {
        Self { hosts, sites, programs, lints }
    }

    /// `a warning`, `3 warnings`.
    pub(crate) fn counted(count: usize) -> String {
        match count {
            1 => "a warning".to_owned(),
            count => format!("{count} warnings"),
        }
    }

    fn text(&self) -> String {
        let Self { hosts, sites, programs, .. } = self;
        let counted = [(*hosts, "host"), (*sites, "site"), (*programs, "program")];
        counted.map(|(count, what)| counted_as(count, what)).join(", ")
    }
}

impl CheckFormat {
    /// Says what is wrong with an inventory, all of it.
    pub(crate) fn show_problems(self, problems: &Problems, here: &Here, screen: &mut Screen) {
        if matches!(self, Self::Text | Self::Json) {
            return show_problems(problems, screen);
        }
        let mut errors = Vec::new();
        for problem in problems.iter() {
            errors.push(Annotation::new(Level::Error, None, problem));
        }
        self.annotate(&errors, here, screen);
    }

    fn annotate(self, annotations: &[Annotation<'_>], here: &Here, screen: &mut Screen) {
        screen.print(&match self {
            Self::Sarif => annotations::sarif(annotations, here),
            Self::Text | Self::Json | Self::Github => annotations::github(annotations, here),
        });
    }
}

/// Shows what `check` finds, first in the inventory, then on each host.
pub(crate) struct CheckOutput<'a> {
    format: CheckFormat,
    here: &'a Here,
    screen: &'a mut Screen,
    answers: LookOutcome,
    /// How many warnings there are.
    count: usize,
    /// All of them, for formats that are one document.
    lints: Vec<Lint>,
}

impl<'a> CheckOutput<'a> {
    /// Of an inventory of this name.
    pub(crate) fn new(
        format: CheckFormat,
        name: &str,
        checked: &Checked<'_>,
        here: &'a Here,
        screen: &'a mut Screen,
    ) -> Self {
        let mut lints = Vec::new();
        match format {
            CheckFormat::Text | CheckFormat::Json => show_checked(name, checked, screen),
            CheckFormat::Github | CheckFormat::Sarif => lints.extend_from_slice(checked.lints),
        }
        let count = checked.lints.len();
        Self { format, here, screen, answers: LookOutcome::default(), count, lints }
    }

    /// What each supervisord of a host has, or why it does not say.
    pub(crate) fn add(&mut self, host: &str, answer: Result<Vec<HostLints>, CommandError>) {
        let daemons = match answer {
            Ok(daemons) => daemons,
            Err(error) => return self.screen.unanswered(host, &error, &mut self.answers),
        };
        self.answers.count();
        for found in daemons {
            self.count += found.lints.len();
            match self.format {
                CheckFormat::Text | CheckFormat::Json => show_host(host, &found, self.screen),
                CheckFormat::Github | CheckFormat::Sarif => {
                    self.lints.extend(found.lints.into_iter().map(|lint| of_host(host, lint)));
                }
            }
        }
    }

    /// How many warnings there were, and the exit status as far as hosts have it.
    pub(crate) fn end(self) -> (usize, u8) {
        if matches!(self.format, CheckFormat::Github | CheckFormat::Sarif) {
            self.format.annotate(&annotations::of_lints(&self.lints), self.here, self.screen);
        }
        (self.count, self.answers.exit_status())
    }
}

/// The same with the host's name, where a line has no other place for it.
fn of_host(host: &str, lint: Lint) -> Lint {
    let Lint { check, problem } = lint;
    let message = format!("on {host}: {}", problem.message);
    Lint { check, problem: Problem { message, ..problem } }
}

fn show_host(host: &str, found: &HostLints, screen: &mut Screen) {
    screen.document("host_check", Some(host), found);
    show_lints(&found.lints, screen);
    for Unreadable { path, reason } in &found.unreadable {
        screen.complain(&format!("{host}: cannot look at {}: {reason}", path.display()));
    }
    let HostLints { files, programs, lints, .. } = found;
    let count = match lints.len() {
        0 => "no warning".to_owned(),
        count => Checked::counted(count),
    };
    let (files, programs) = (counted_as(*files, "file"), counted_as(*programs, "program"));
    screen.print(&format!("Host {host}: {files}, {programs}, {count}\n"));
}

fn show_lints(lints: &[Lint], screen: &mut Screen) {
    let coloured = screen.colour() == Colour::Ansi;
    for Lint { check, problem } in lints.iter().take(MOST_SHOWN) {
        screen.complain_painted(&problem.warning(check, coloured));
    }
    if let Some(more @ 1..) = lints.len().checked_sub(MOST_SHOWN) {
        screen.complain(&format!("… and {more} more\n"));
    }
}

fn show_checked(name: &str, checked: &Checked<'_>, screen: &mut Screen) {
    screen.document("check", None, checked);
    if checked.lints.is_empty() {
        screen.print(&format!("The inventory is fine: {}\n", checked.text()));
        return;
    }
    show_lints(checked.lints, screen);
    let count = Checked::counted(checked.lints.len());
    let first = checked.lints.first().map_or("", |lint| lint.check);
    screen.print(&format!(
        "{name} has {count}: {}\nWhy: supervisor-sync explain {first}\n",
        checked.text()
    ));
}

/// Says what is wrong with an inventory, all of it.
pub(crate) fn show_problems(problems: &Problems, screen: &mut Screen) {
    if screen.mode() == Mode::Json {
        screen.document("problems", None, problems);
    } else {
        let coloured = screen.colour() == Colour::Ansi;
        screen.complain_painted(&problems.render(coloured));
    }
}
