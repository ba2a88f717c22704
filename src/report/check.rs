//! The inventory, checked.

use serde::Serialize;

use super::annotations::{Annotation, Here, Level};
use super::{Colour, annotations};
use super::{Mode, Screen};
use crate::check::Lint;
use crate::inventory::Problems;

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
        format!("{hosts} host(s), {sites} site(s), {programs} program(s)")
    }
}

impl CheckFormat {
    /// Says that the inventory is fine, but for what it warns of. `name` is the inventory's.
    pub(crate) fn show(self, name: &str, checked: &Checked<'_>, here: &Here, screen: &mut Screen) {
        match self {
            Self::Text | Self::Json => show_checked(name, checked, screen),
            Self::Github | Self::Sarif => {
                self.annotate(&annotations::of_lints(checked.lints), here, screen)
            }
        }
    }

    /// Says what is wrong with it, all of it.
    pub(crate) fn show_problems(self, problems: &Problems, here: &Here, screen: &mut Screen) {
        match self {
            Self::Text | Self::Json => show_problems(problems, screen),
            Self::Github | Self::Sarif => {
                let errors: Vec<Annotation<'_>> = problems
                    .iter()
                    .map(|problem| Annotation::new(Level::Error, None, problem))
                    .collect();
                self.annotate(&errors, here, screen);
            }
        }
    }

    fn annotate(self, annotations: &[Annotation<'_>], here: &Here, screen: &mut Screen) {
        screen.print(&match self {
            Self::Sarif => annotations::sarif(annotations, here),
            Self::Text | Self::Json | Self::Github => annotations::github(annotations, here),
        });
    }
}

fn show_checked(name: &str, checked: &Checked<'_>, screen: &mut Screen) {
    screen.document("check", None, checked);
    if checked.lints.is_empty() {
        screen.print(&format!("The inventory is fine: {}\n", checked.text()));
        return;
    }
    let coloured = screen.colour() == Colour::Ansi;
    for Lint { check, problem } in checked.lints {
        screen.complain_painted(&problem.warning(check, coloured));
    }
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
