//! The end of a program's log, for the person who has to find out why it failed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::ProgramTrouble;
use crate::desired::DesiredGroup;
use crate::plan::SitePlan;
use crate::supervisord::display_name;
use crate::system::files::{FileEnd, Files};
use crate::system::sanitized;

/// How much of a log a report carries.
const LOG_LINES: usize = 8;
const LOG_BYTES: u64 = 8 * 1024;

/// How far the logs of a site's programs had come when their change began: what stands before that
/// is of another run of the program, and would be taken for the reason.
#[derive(Debug, Default)]
pub(super) struct LogEnds {
    /// `None` of one that was not there.
    ends: BTreeMap<PathBuf, Option<FileEnd>>,
    /// When that was.
    at: Timestamp,
}

impl LogEnds {
    /// Where the logs of what the plan changes end now. One that is not there yet, or cannot be looked
    /// at, has no end. One of a program is left out that an interrupted apply has started: what
    /// that has written since is not known from before.
    pub(super) fn of(files: &dyn Files, plan: &SitePlan, at: Timestamp) -> Self {
        let acting = plan
            .groups
            .iter()
            .filter(|(group, change)| change.action.acts() && !plan.unwatched.contains_key(*group));
        let logs = acting.filter_map(|(_, change)| Some(&change.desired.as_ref()?.log));
        let mut ends = BTreeMap::new();
        for log in logs.filter(|log| !log.as_os_str().is_empty()) {
            if !ends.contains_key(log) {
                ends.insert(log.clone(), files.end(log).ok());
            }
        }
        Self { ends, at }
    }
}

/// The logs of a site whose programs are being changed.
pub(super) struct FailureLogs<'l> {
    pub(super) files: &'l dyn Files,
    pub(super) ends: &'l LogEnds,
}

impl FailureLogs<'_> {
    /// A process that is not as it should be, with what it has said since its change began.
    pub(super) fn trouble(
        &self,
        group: &str,
        name: &str,
        desired: &DesiredGroup,
        reason: String,
    ) -> ProgramTrouble {
        let lines = self.last_lines(&desired.log);
        // Of a program that an interrupted apply has started that is not known.
        let is_since = lines.is_some() && self.ends.ends.contains_key(&desired.log);
        ProgramTrouble {
            group: group.to_owned(),
            process: display_name(group, name),
            reason,
            log: lines.unwrap_or_default(),
            log_since: is_since.then_some(self.ends.at),
        }
    }

    /// None if the log cannot be read.
    fn last_lines(&self, path: &Path) -> Option<Vec<String>> {
        if path.as_os_str().is_empty() {
            return None;
        }
        let since = self.ends.ends.get(path).copied().flatten();
        let bytes = self.files.tail(path, LOG_BYTES, since).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.len().saturating_sub(LOG_LINES);
        Some(lines[first..].iter().map(|line| sanitized(line)).collect())
    }
}
