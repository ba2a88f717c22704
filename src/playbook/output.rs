//! Where a playbook writes: progress to stdout, warnings and errors to stderr, and to both what the
//! script has on stdout.

use std::io::Write;

use super::environment::ContractError;
use super::markup::without_tags;
use crate::system::sanitized_lines;

/// Where it writes.
pub(crate) struct Output<'a> {
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    /// Warnings wait until it is known whether there is an error: that one's line comes first.
    warnings: Vec<String>,
}

/// The error has been written; the exit status is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

impl<'a> Output<'a> {
    /// Writes to these.
    pub(crate) fn new(stdout: &'a mut dyn Write, stderr: &'a mut dyn Write) -> Self {
        Self { stdout, stderr, warnings: Vec::new() }
    }

    /// A broken pipe must not stop a sync half-way: what cannot be written is dropped.
    pub(super) fn arrow(&mut self, text: &str) {
        let _ = writeln!(self.stdout, "→ {}", shown(text));
    }

    /// Once, though an event and the report's plan may both have it.
    pub(super) fn warn(&mut self, text: &str) {
        let text = shown(text);
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    /// What is wrong with the variables, where that stops nothing: a warning for each cause.
    pub(super) fn warn_of(&mut self, problem: &ContractError) {
        match &problem.causes[..] {
            [] => self.warn(&problem.first_line),
            causes => {
                for cause in causes {
                    self.warn(&format!("{}: {cause}", problem.first_line));
                }
            }
        }
    }

    pub(super) fn tell_warnings(&mut self) {
        for text in self.warnings.drain(..) {
            let _ = writeln!(self.stderr, "Warning: {text}");
        }
    }

    /// The last warning, which the script has on stdout.
    pub(super) fn close_with_warning(&mut self, text: &str) {
        self.warn(text);
        self.tell_warnings();
        let _ = writeln!(self.stdout, "Warning: {}", shown(text));
    }

    pub(super) fn fail(&mut self, first_line: &str, rest: &[String]) -> Failed {
        let _ = writeln!(self.stderr, "Error: {}", shown(first_line));
        for line in rest {
            let _ = writeln!(self.stderr, "{}", shown(line));
        }
        self.tell_warnings();
        Failed
    }

    /// The same for the variables. That one is missing the script has on stdout.
    pub(super) fn fail_for(&mut self, problem: &ContractError) -> Failed {
        if problem.is_missing {
            let _ = writeln!(self.stdout, "Error: {}", shown(&problem.first_line));
        }
        let causes: Vec<String> =
            problem.causes.iter().map(|cause| format!("Cause: {cause}")).collect();
        self.fail(&problem.first_line, &causes)
    }
}

/// For a terminal and for the client's console, neither of which may obey it.
fn shown(text: &str) -> String {
    let text = sanitized_lines(text);
    text.split('\n').map(without_tags).collect::<Vec<_>>().join("\n")
}
