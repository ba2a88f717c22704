//! Collects problems while the inventory is resolved, so that one run names them all.

use std::collections::HashSet;

use super::file::Span;
use super::problem::{Problem, Problems};
use super::source::Source;

/// Beyond this many problems the rest is counted only: nobody reads them, and a hostile file could
/// hold millions.
const MOST_DESCRIBED: usize = 300;

/// One problem by its place in the text.
pub(super) struct Finding {
    pub(super) at: Span,
    pub(super) message: String,
    pub(super) label: Option<String>,
    pub(super) help: Vec<String>,
    pub(super) related: Vec<(Span, String)>,
}

impl Finding {
    pub(super) fn new(at: Span, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), label: None, help: Vec::new(), related: Vec::new() }
    }

    /// What to see at the marked place.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// What can be done.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// "did you mean", if there is something near.
    pub(super) fn did_you_mean(self, name: Option<&str>) -> Self {
        match name {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Another place that belongs to it.
    pub(super) fn see(mut self, at: Span, label: impl Into<String>) -> Self {
        self.related.push((at, label.into()));
        self
    }
}

/// The problems found so far. The same one at the same place counts once: a layer of defaults is
/// met again for each program below it.
#[derive(Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    seen: HashSet<(usize, String)>,
    more: usize,
}

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        if !self.has_room() {
            self.more = self.more.saturating_add(1);
        } else if self.seen.insert((finding.at.start, finding.message.clone())) {
            self.found.push(finding);
        }
    }

    /// Whether one more would be described; if not, a hint for it need not be looked for.
    pub(super) fn has_room(&self) -> bool {
        self.found.len() < MOST_DESCRIBED
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The problems with their lines.
    pub(super) fn into_problems(self, source: &Source<'_>) -> Problems {
        let problems = self.found.into_iter().map(|finding| described(finding, source)).collect();
        Problems::new(source.name, problems, self.more)
    }
}

fn described(finding: Finding, source: &Source<'_>) -> Problem {
    let Finding { at, message, label, help, related } = finding;
    Problem {
        file: super::suggest::plain(source.name),
        place: source.place(at, label),
        message,
        help,
        related: related.into_iter().map(|(at, label)| source.place(at, Some(label))).collect(),
    }
}
