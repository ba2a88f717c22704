//! Which programs of a site are meant, and which of their processes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::name::ProgramName;

/// Which programs of a site a command is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Programs {
    /// The site as a whole: also what only its record or its files know of.
    #[default]
    All,
    /// These alone. Never empty where it comes from a [`Selector`](super::Selector).
    Only(BTreeSet<ProgramName>),
    /// The same, with the processes of each that are meant: all of one that has none here. What looks at
    /// programs, or writes their files, takes each as a whole.
    Processes(BTreeMap<ProgramName, BTreeSet<ProcessPattern>>),
}

/// Processes as supervisorctl names them, `GROUP:NAME`; in each part `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessPattern {
    /// The groups.
    pub group: String,
    /// The names within them.
    pub name: String,
}

impl ProcessPattern {
    /// Whether a process is one of them.
    pub fn has(&self, group: &str, name: &str) -> bool {
        matches(&self.group, group) && matches(&self.name, name)
    }
}

impl Programs {
    /// Whether the program of this name is meant.
    pub fn have(&self, program: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(program),
            Self::Processes(names) => names.contains_key(program),
        }
    }

    /// The processes of a program that are meant alone; none where that is all of it.
    pub fn processes(&self, program: &str) -> impl Iterator<Item = &ProcessPattern> {
        let patterns = match self {
            Self::All | Self::Only(_) => None,
            Self::Processes(names) => names.get(program),
        };
        patterns.into_iter().flatten()
    }

    /// Whether a process of a program is meant.
    pub fn have_process(&self, program: &str, group: &str, name: &str) -> bool {
        let mut patterns = self.processes(program).peekable();
        self.have(program)
            && (patterns.peek().is_none() || patterns.any(|pattern| pattern.has(group, name)))
    }

    /// Whether none is meant.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::All => false,
            Self::Only(names) => names.is_empty(),
            Self::Processes(names) => names.is_empty(),
        }
    }

    /// Whether the site as a whole is meant.
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

/// Whether `name` is the pattern, in which `*` stands for any text. The parts between the stars are
/// looked for from left to right, each as early as possible, which is enough for stars alone.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut name) = name.strip_suffix(last) else { return false };
    for part in middle.split('*') {
        match name.find(part) {
            Some(index) => name = &name[index + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_matches_any_text() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("*a*", "bab", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a**b", "ab", true),
            ("*ab", "aab", true),
            ("é*", "éa", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn named_processes_alone_are_meant() {
        let name = |text| ProgramName::parse(text).unwrap();
        let pattern = ProcessPattern { group: "*".to_owned(), name: "*_01".to_owned() };
        let some = Programs::Processes(BTreeMap::from([
            (name("queue"), BTreeSet::from([pattern])),
            (name("mail"), BTreeSet::new()),
        ]));
        for (program, process, expected) in [
            ("queue", "a.com-queue_01", true),
            ("queue", "a.com-queue_02", false),
            ("mail", "a.com-mail", true),
            ("other", "a.com-other_01", false),
        ] {
            assert_eq!(some.have_process(program, "g", process), expected, "{program} {process}");
        }
        assert!(Programs::All.have_process("x", "g", "p"));
    }
}
