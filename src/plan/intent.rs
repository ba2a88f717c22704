//! What a person asked for.

use serde::{Deserialize, Serialize};

use super::Override;

/// What is asked for. Which programs it is about is said beside it, site by site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "intent", rename_all = "snake_case")]
pub enum Intent {
    /// Files, groups and processes become as they are wanted.
    Apply {
        /// What becomes of processes that run.
        running: Running,
    },
    /// What runs is restarted with the files that are there; files stay, and so do groups that are
    /// not wanted.
    Restart,
    /// What does not run starts. A program of which nothing runs takes a newer file up.
    Start,
    /// What runs stops, and stays so.
    Stop,
    /// Files that were taken over are as they were before, and the site is nobody's any more; what runs
    /// goes on.
    Release,
}

/// What an apply does to processes that run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Running {
    /// What changes restarts.
    #[default]
    RestartChanged,
    /// Everything restarts, each process once.
    RestartAll,
    /// What runs is left as it runs; the next restart takes a change up.
    Leave,
}

/// What the plan depends on beside the two states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOptions {
    /// What is asked for.
    pub intent: Intent,
    /// What a person had stopped starts, too.
    pub start_stopped: bool,
    /// This many processes at a time, each healthy before the next, whatever the inventory says.
    pub rolling: Option<u32>,
    /// The logs of programs that go are removed, too.
    #[serde(default)]
    pub purge_logs: bool,
    /// Missing scripts and commands are warnings, as the playbook contract has them.
    pub missing_code_is_a_warning: bool,
    /// What the person said to do all the same.
    pub overrides: Vec<Override>,
}

impl PlanOptions {
    /// This intent and nothing besides.
    pub fn of(intent: Intent) -> Self {
        Self {
            intent,
            start_stopped: false,
            rolling: None,
            purge_logs: false,
            missing_code_is_a_warning: false,
            overrides: Vec::new(),
        }
    }

    /// An apply that does this to what runs.
    pub fn apply(running: Running) -> Self {
        Self::of(Intent::Apply { running })
    }

    /// A rollback: a script of another release may be missing by now, and is no reason to stay.
    pub fn rollback() -> Self {
        Self { missing_code_is_a_warning: true, ..Self::default() }
    }

    /// Whether every process is to be restarted.
    pub(super) fn restarts_all(&self) -> bool {
        matches!(self.intent, Intent::Restart | Intent::Apply { running: Running::RestartAll })
    }

    /// Whether processes go on with their former configuration.
    pub(super) fn leaves_running(&self) -> bool {
        self.intent == Intent::Apply { running: Running::Leave }
    }

    /// Whether files change, and groups that are not wanted leave.
    pub(super) fn changes_files(&self) -> bool {
        matches!(self.intent, Intent::Apply { .. })
    }
}

impl Default for PlanOptions {
    /// A plain apply.
    fn default() -> Self {
        Self::apply(Running::default())
    }
}
