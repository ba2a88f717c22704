//! The end of a program's log, for the person who has to find out why it failed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
pub(super) struct LogEnds(BTreeMap<PathBuf, FileEnd>);

impl LogEnds {
    /// Where the logs of what the plan changes end now. One that is not there yet, or cannot be looked
    /// at, has no end, and neither has one of a program that an interrupted apply has started: what
    /// that has written since is not known from before.
    pub(super) fn of(files: &dyn Files, plan: &SitePlan) -> Self {
        let acting = plan
            .groups
            .iter()
            .filter(|(group, change)| change.action.acts() && !plan.unwatched.contains_key(*group));
        let logs = acting.filter_map(|(_, change)| Some(&change.desired.as_ref()?.log));
        let mut ends = BTreeMap::new();
        for log in logs.filter(|log| !log.as_os_str().is_empty()) {
            if !ends.contains_key(log)
                && let Ok(end) = files.end(log)
            {
                ends.insert(log.clone(), end);
            }
        }
        Self(ends)
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
        ProgramTrouble {
            group: group.to_owned(),
            process: display_name(group, name),
            reason,
            log: self.last_lines(&desired.log),
        }
    }

    /// None if the log cannot be read.
    fn last_lines(&self, path: &Path) -> Vec<String> {
        if path.as_os_str().is_empty() {
            return Vec::new();
        }
        let since = self.ends.0.get(path).copied();
        let Ok(bytes) = self.files.tail(path, LOG_BYTES, since) else { return Vec::new() };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.len().saturating_sub(LOG_LINES);
        lines[first..].iter().map(|line| sanitized(line)).collect()
    }
}
