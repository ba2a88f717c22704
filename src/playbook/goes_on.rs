//! An apply that takes longer than a caller waits: it goes on by itself on the host, and the caller is
//! told what it still waits for.

use std::collections::BTreeSet;

use super::{Output, PlaybookEnvironment};
use crate::event::{Event, ProcessChange, Waited};

/// What an apply has told so far.
#[derive(Debug, Default)]
pub(super) struct GoesOn {
    /// Of its plan.
    warnings: Vec<String>,
    /// Groups, and processes as supervisorctl shows them, that it has started.
    started: BTreeSet<String>,
    /// What it waits for.
    waiting: Vec<Waited>,
}

impl GoesOn {
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Planned(plan) => self.warnings.clone_from(&plan.warnings),
            Event::Waiting { processes, .. } => self.waiting.clone_from(processes),
            Event::Process { name, change, .. } => match change {
                ProcessChange::Started | ProcessChange::Added | ProcessChange::Healthy => {
                    self.started.insert(name.clone());
                }
                ProcessChange::Stopped => self.waiting.retain(|waited| waited.name != *name),
                ProcessChange::Stopping | ProcessChange::Removed => {}
            },
            _ => {}
        }
    }

    /// Warns of it, and returns what the result has of it.
    pub(super) fn tell(
        &self,
        environment: &PlaybookEnvironment,
        output: &mut Output<'_>,
    ) -> String {
        for warning in &self.warnings {
            output.warn(warning);
        }
        let names: Vec<&str> = self.waiting.iter().map(|waited| waited.name.as_str()).collect();
        let longest = self.waiting.iter().map(|waited| waited.seconds_left).max();
        let waits = match longest {
            Some(seconds) => format!("waits for {} (at most {seconds} s)", names.join(", ")),
            None => "is not done".to_owned(),
        };
        let domain = &environment.site.domain;
        output.warn(&format!(
            "after {} s this still {waits}; it goes on by itself on this host, and the next sync or \
             restart of {domain} says how it ended",
            environment.deadline.as_secs()
        ));
        match names.is_empty() {
            true => String::new(),
            false => format!("still_waiting_for:\n  - {}\n", names.join("\n  - ")),
        }
    }

    /// Whether all of a program's processes are started that are to be, as far as it is known.
    pub(super) fn has_started(&self, program: &str) -> bool {
        let is_of = |name: &str| {
            name.strip_prefix(program).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        self.started.iter().any(|name| is_of(name))
            && !self.waiting.iter().any(|waited| is_of(&waited.name))
    }
}
