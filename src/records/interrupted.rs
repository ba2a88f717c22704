//! What is left of a site by applies that never ended: one journal or two.

use std::collections::BTreeSet;

use super::{Journal, JournalPhase};

/// What an apply that never ended has left of a site.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interrupted {
    /// A journal whose files are put back before anything else: in [`JournalPhase::Files`] or
    /// [`JournalPhase::Undo`].
    pub undone_first: Option<(JournalPhase, Journal)>,
    /// What the next apply of the site finishes once that is done: a journal in
    /// [`JournalPhase::Groups`].
    pub finished: Option<Journal>,
}

impl Interrupted {
    /// Whether no apply has left anything.
    pub fn is_nothing(&self) -> bool {
        self.undone_first.is_none() && self.finished.is_none()
    }

    /// Every group that its journals know the site to have.
    pub fn group_names(&self) -> BTreeSet<String> {
        self.journals().flat_map(Journal::group_names).collect()
    }

    /// What was left, in the order in which it is seen to.
    pub fn journals(&self) -> impl DoubleEndedIterator<Item = &Journal> {
        self.undone_first.iter().map(|(_, journal)| journal).chain(&self.finished)
    }
}
