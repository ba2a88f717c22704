//! The documents of `--json` for whoever answers with them elsewhere than on a screen, a line each.

use super::ProposalDocument;
use super::history::{HistoryDocument, RunView, Runs};
use super::screen::{Failure, document};
use super::status::StatusDocument;
use crate::api::{Left, SiteHistory, SiteStatusReply};
use crate::error::CommandError;
use crate::event::LogLine;
use crate::import::Unmanaged;

/// Lines of documents. One that cannot be written is left out: its host has told something that no document
/// can hold.
#[derive(Debug, Default)]
pub(crate) struct Documents(String);

impl Documents {
    /// How the programs of a host are.
    pub(crate) fn add_status(
        &mut self,
        host: &str,
        sites: &[SiteStatusReply],
        left: Option<&Left>,
        unmanaged: Option<&Unmanaged>,
    ) {
        self.add(document("status", Some(host), &StatusDocument { sites, left, unmanaged }));
    }

    /// What was applied on a host.
    pub(crate) fn add_history(&mut self, host: &str, sites: &[SiteHistory]) {
        self.add(document("history", Some(host), &HistoryDocument { sites }));
    }

    /// The runs of all hosts.
    pub(crate) fn add_runs(&mut self, runs: &[RunView<'_>]) {
        self.add(document("runs", None, &Runs { runs }));
    }

    /// A line of a log.
    pub(crate) fn add_log_line(&mut self, host: &str, line: &LogLine) {
        self.add(document("log", Some(host), line));
    }

    /// What was asked for in the browser.
    pub(crate) fn add_proposal(&mut self, proposal: &ProposalDocument) {
        self.add(document("proposal", None, proposal));
    }

    /// Why a host has not answered.
    pub(crate) fn add_error(&mut self, host: Option<&str>, error: &CommandError) {
        self.add(document("error", host, &Failure { error }));
    }

    /// All of them.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    fn add(&mut self, line: serde_json::Result<String>) {
        if let Ok(line) = line {
            self.0 += &line;
            self.0.push('\n');
        }
    }
}
