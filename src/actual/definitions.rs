//! The programs that supervisord's files define, found by group and by log.

use std::collections::BTreeMap;
use std::path::Path;

use super::DefinedProgram;

/// What supervisord's files define, in its order.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    all: Vec<DefinedProgram>,
    by_group: BTreeMap<String, Vec<usize>>,
    by_log: BTreeMap<String, Vec<usize>>,
    /// Those `[group:NAME]`s that take a program in, by its name.
    by_member: BTreeMap<String, Vec<usize>>,
}

impl Definitions {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &DefinedProgram> {
        self.all.iter()
    }

    /// Those that make this group.
    pub fn of_group(&self, group: &str) -> impl Iterator<Item = &DefinedProgram> {
        self.at(self.by_group.get(group))
    }

    /// Each `[group:NAME]` that takes this program in. supervisord makes no group of the program's own
    /// then.
    pub fn taking_in(&self, program: &str) -> impl Iterator<Item = &DefinedProgram> {
        self.at(self.by_member.get(program))
    }

    /// Those that write to this log.
    pub fn writing_to(&self, log: &Path) -> impl Iterator<Item = &DefinedProgram> {
        self.at(log.to_str().and_then(|log| self.by_log.get(log)))
    }

    /// Adds a definition, behind those that supervisord reads before it.
    pub fn push(&mut self, program: DefinedProgram) {
        let index = self.all.len();
        self.by_group.entry(program.group.clone()).or_default().push(index);
        for log in &program.logs {
            let programs = self.by_log.entry(log.clone()).or_default();
            if programs.last() != Some(&index) {
                programs.push(index);
            }
        }
        for member in &program.programs {
            self.by_member.entry(member.clone()).or_default().push(index);
        }
        self.all.push(program);
    }

    fn at<'d>(
        &'d self,
        indices: Option<&'d Vec<usize>>,
    ) -> impl Iterator<Item = &'d DefinedProgram> {
        indices.into_iter().flatten().map(|index| &self.all[*index])
    }
}
