//! An edit of the inventory: what it changes, and what became of it.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::Screen;
use crate::inventory::edit::{Sign, diff};
use crate::system::sanitized;

/// What became of an edit of the inventory. It is printed last.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct EditDocument<'a> {
    /// The file.
    inventory: &'a str,
    site: &'a str,
    program: &'a str,
    outcome: EditOutcome,
    /// What changes in the file, as a unified diff; values of `environment` and passwords are `***`.
    diff: String,
}

/// What became of the inventory's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum EditOutcome {
    /// The edit is in the file.
    Written,
    /// The file said so before.
    Unchanged,
    /// The file was not touched: the edit was not agreed to, or could not be planned.
    NotWritten,
    /// The edit was in the file and was taken out again, since no server is as it says.
    PutBack,
}

/// An edit with the words for it.
pub(crate) struct EditView<'a> {
    /// The file's name.
    pub(crate) inventory: &'a str,
    pub(crate) site: &'a str,
    pub(crate) program: &'a str,
    pub(crate) before: &'a str,
    pub(crate) after: &'a str,
    /// Whether the servers are left alone.
    pub(crate) inventory_only: bool,
}

impl EditView<'_> {
    /// Shows what changes in the file.
    pub(crate) fn show_diff(&self, screen: &mut Screen) {
        let lines = diff(self.before, self.after);
        if lines.is_empty() {
            return screen.print(&format!("{} says so already\n", self.inventory));
        }
        let colour = screen.colour();
        let mut text = format!("{}\n", sanitized(self.inventory));
        for (sign, line) in lines {
            let style = match sign {
                Sign::Place => Style::new().dimmed(),
                Sign::Same => Style::new(),
                Sign::Removed => AnsiColor::Red.on_default(),
                Sign::Added => AnsiColor::Green.on_default(),
            };
            text.push_str(&format!("  {}\n", colour.paint(style, &sanitized(&line))));
        }
        screen.print_painted(&text);
    }

    /// Shows what became of it.
    pub(crate) fn show_outcome(&self, outcome: EditOutcome, screen: &mut Screen) {
        let Self { inventory, site, program, .. } = *self;
        let lines = diff(self.before, self.after).into_iter();
        let diff = lines.map(|(_, line)| line + "\n").collect();
        let document = EditDocument { inventory, site, program, outcome, diff };
        screen.document("edit", None, &document);
        let apply = screen.typed().repeated(&format!("supervisor-sync apply --site {site}"));
        match outcome {
            EditOutcome::Written if self.inventory_only => screen.print_done(&format!(
                "{inventory} is written; to make the servers match: {apply}\n"
            )),
            EditOutcome::Written => screen.print_done(&format!("{inventory} is written\n")),
            EditOutcome::Unchanged => {}
            EditOutcome::NotWritten => screen.complain(&format!("{inventory} was not changed")),
            EditOutcome::PutBack => screen.complain(&format!(
                "{inventory} is as it was before, like the servers (--inventory-only keeps an edit \
                 without them)"
            )),
        }
    }
}
