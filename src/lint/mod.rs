//! The linter: what supervisord takes, and hurts. Pure.
//!
//! A check is one [`Check`] in the table of the file of its theme, with its page and its function beside it.
//! It looks at a [`Subject`], which is a section as supervisord reads it, whether an inventory, a file by hand
//! or somebody else's file on a host says it. Where a finding stands in a text, `check` knows.
//!
//! A check that is wrong once is switched off for ever. So each is silent where it cannot tell.

mod host;
mod secrets;
mod sharing;
mod shell;
mod shell_scripts;
mod stopping;
mod subject;
mod users;

use serde::Serialize;

use crate::system::sanitized;

pub(crate) use subject::{OnHost, Script, Subject};

/// The tables, in the order in which checks are listed.
const TABLES: [&[Check]; 7] = [
    stopping::CHECKS,
    sharing::CHECKS,
    shell_scripts::CHECKS,
    users::CHECKS,
    secrets::CHECKS,
    host::CHECKS,
    &[UNUSED],
];

/// Something that is legal and hurts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    /// By which it is silenced and explained.
    pub(crate) name: &'static str,
    /// What it finds, in one line.
    pub(crate) summary: &'static str,
    /// What to do about it, in one line.
    pub(crate) fix: &'static str,
    /// Why it hurts, in Markdown.
    pub(crate) why: &'static str,
    /// What it finds.
    pub(crate) wrong: Sample,
    /// The same without a finding.
    pub(crate) right: Sample,
    /// What must be known for it.
    pub(crate) needs: Needs,
    look: Look,
}

/// A piece of a page: what somebody writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sample {
    /// An entry of `supervisors`.
    Program(&'static str),
    /// A script, `worker.sh`, that an entry runs.
    Script(&'static str),
}

/// What a check cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The section alone.
    Nothing,
    /// The script that a program runs, where it runs one.
    Script,
    /// An answer of the host.
    Host,
}

#[derive(Debug, Clone, Copy)]
enum Look {
    /// At each subject by itself.
    Each(fn(&Subject) -> Vec<Finding>),
    /// At all that one supervisord runs.
    Together(fn(&[&Subject]) -> Vec<(usize, Finding)>),
    /// Whoever applies the checks finds it.
    Outside,
}

/// What a check says of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The check's name.
    pub(crate) check: &'static str,
    /// What was found, in one line.
    pub(crate) message: String,
    /// What it is about.
    pub(crate) at: Part,
    /// What to do.
    pub(crate) fix: String,
}

/// A part of a subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// An option, by supervisord's name. One that is not set stands for the section.
    Option(&'static str),
    /// A variable of `environment`.
    Variable(String),
    /// Where its health is asked.
    Probe,
    /// A line of its script.
    ScriptLine(u32),
}

/// The check of what the inventory silences for nothing.
pub(crate) const UNUSED: Check = Check {
    name: "unused-allow",
    summary: "`lint: {allow: …}` silences a check that finds nothing there",
    fix: "remove the name from `allow`",
    why: "What is silenced for nothing hides the next finding of that check, which may be a real one. A check is only \
          said to find nothing where it could look: one that asks a host is not, and one that reads a script that is \
          not beside the inventory.",
    wrong: Sample::Program(
        "{program: worker, command: php worker.php, lint: {allow: [user-root]}}",
    ),
    right: Sample::Program("{program: worker, command: php worker.php}"),
    needs: Needs::Nothing,
    look: Look::Outside,
};

/// How many checks there are.
const COUNT: usize = {
    let (mut count, mut table) = (0, 0);
    while table < TABLES.len() {
        count += TABLES[table].len();
        table += 1;
    }
    count
};

/// Their names, in the order of [`all`].
pub(crate) static NAMES: [&str; COUNT] = {
    let mut names = [""; COUNT];
    let (mut at, mut table) = (0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            names[at] = TABLES[table][row].name;
            at += 1;
            row += 1;
        }
        table += 1;
    }
    names
};

/// All checks.
pub(crate) fn all() -> impl Iterator<Item = &'static Check> {
    TABLES.into_iter().flatten()
}

/// The check of this name.
pub(crate) fn find(name: &str) -> Option<&'static Check> {
    all().find(|check| check.name == name)
}

/// What is to be said of subjects by themselves, each with the place of its subject.
pub(crate) fn look_at_each(subjects: &[&Subject]) -> Vec<(usize, Finding)> {
    let mut found = Vec::new();
    for check in all() {
        let Look::Each(look) = check.look else { continue };
        for (place, subject) in subjects.iter().enumerate() {
            found.extend(look(subject).into_iter().map(|finding| (place, finding)));
        }
    }
    found
}

/// What only all subjects of one supervisord show, in the same way.
pub(crate) fn look_at_all(subjects: &[&Subject]) -> Vec<(usize, Finding)> {
    let mut found = Vec::new();
    for check in all() {
        if let Look::Together(look) = check.look {
            found.extend(look(subjects));
        }
    }
    found
}

/// Both.
#[cfg(test)]
fn look(subjects: &[Subject]) -> Vec<(usize, Finding)> {
    let subjects: Vec<&Subject> = subjects.iter().collect();
    let mut found = look_at_each(&subjects);
    found.extend(look_at_all(&subjects));
    found
}

impl Check {
    /// A finding with the check's own fix.
    fn finds(&self, at: Part, message: impl Into<String>) -> Finding {
        let (message, fix) = (one_line(&message.into()), self.fix.to_owned());
        Finding { check: self.name, message, at, fix }
    }

    /// The same with another fix.
    fn finds_with(&self, at: Part, message: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { fix: fix.into(), ..self.finds(at, message) }
    }
}

/// A message as a line that people read: names and words of files are in it.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let text = sanitized(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// What a check says of these subjects, a line each: its message, or nothing.
#[cfg(test)]
fn said_together(check: &str, subjects: &[Subject]) -> Vec<String> {
    assert!(find(check).is_some(), "{check}");
    let found = look(subjects).into_iter().filter(|(_, finding)| finding.check == check);
    found.map(|(place, finding)| format!("{}: {}", subjects[place].name, finding.message)).collect()
}

/// What a check says of one.
#[cfg(test)]
fn said(check: &str, subject: Subject) -> Vec<String> {
    let found = look(std::slice::from_ref(&subject)).into_iter();
    found
        .filter(|(_, finding)| finding.check == check)
        .map(|(_, finding)| finding.message)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::supervisord::GroupKind;

    proptest! {
        /// Whatever a command or a script says, a check ends, and says what stands where it can.
        #[test]
        fn any_text_is_looked_at(
            command in "[ -~äé\\n]{0,80}|([a-z$>&|;'\"\\\\(){}<` =:-]{0,8}( |&&|\n)){0,8}",
            script in "(#!/bin/sh\n)?([ -~\n]{0,120}|((while true; do|done|<<E|&|exec|'|\"|\\$\\() ?\n?){0,12})",
            numprocs in 0_u32..4,
        ) {
            let options = BTreeMap::from([
                ("command".to_owned(), command),
                ("numprocs".to_owned(), numprocs.to_string()),
                ("stdout_logfile".to_owned(), "/l".to_owned()),
            ]);
            let lines = u32::try_from(script.split('\n').count()).unwrap();
            let script = Script { path: "w.sh".to_owned(), text: script, is_argument: false };
            let subject = Subject::new(GroupKind::Program, "w", options);
            for script in [None, Some(script)] {
                let subject = Subject { script, ..subject.clone() };
                for (_, finding) in look(&[subject]) {
                    if let Part::ScriptLine(line) = finding.at {
                        prop_assert!((1..=lines).contains(&line), "{finding:?}");
                    }
                    prop_assert!(!finding.message.contains(char::is_control), "{finding:?}");
                }
            }
        }
    }

    #[test]
    fn names_are_kebab_case_and_unique() {
        let names: BTreeSet<&str> = NAMES.into_iter().collect();
        assert_eq!(names.len(), NAMES.len());
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
            assert!(find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn texts_are_lines_and_paragraphs() {
        for check in all() {
            for line in [check.summary, check.fix] {
                assert!(!line.contains('\n') && !line.ends_with('.'), "{}: {line}", check.name);
            }
            assert!(check.why.ends_with('.'), "{}", check.name);
            assert_ne!(check.wrong, check.right, "{}", check.name);
        }
    }
}
