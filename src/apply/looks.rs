//! Which processes a look asks for.
//!
//! supervisord's answer costs it as much for each process: a third of a second for a thousand of them,
//! at every look. So it is asked for those that somebody waits for, where they are fewer than half of
//! all there are. A single process is asked for by its name, and only a look at all of them tells the
//! names. So there is one at first, and one more each time that groups have come or gone.

use std::collections::{BTreeMap, BTreeSet};

use super::failure::Unanswered;
use super::site::{SiteApply, Stage};
use crate::supervisord::{Answer, Call, Fault, ProcessInfo, Supervisord};

/// Processes by group.
pub(super) type Groups = BTreeMap<String, Vec<ProcessInfo>>;

/// What the last look at all processes has told.
#[derive(Debug, Default)]
pub(super) struct KnownProcesses {
    /// `None` where it does not hold any more.
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    processes: usize,
    namespecs: BTreeMap<String, Vec<String>>,
}

impl KnownProcesses {
    /// Notes what is about to be sent: groups may come and go by it, also if no answer comes.
    pub(super) fn note(&mut self, calls: &[Call]) {
        if calls
            .iter()
            .any(|call| matches!(call, Call::AddProcessGroup(_) | Call::RemoveProcessGroup(_)))
        {
            self.known = None;
        }
    }

    /// The processes of these groups, and perhaps others.
    pub(super) fn look(
        &mut self,
        supervisord: &mut dyn Supervisord,
        concerned: &BTreeSet<&str>,
    ) -> Result<Groups, Unanswered> {
        if let Some(calls) = self.few(concerned) {
            let answers = supervisord.batch(&calls)?;
            // A name that is none any more is of a group that somebody else has taken out; and whatever
            // else keeps supervisord from an answer for one process is not the failure of all sites.
            if let Some(processes) = each(answers)? {
                return Ok(ProcessInfo::by_group(processes));
            }
        }
        let processes = supervisord.get_all_process_info()??;
        let count = processes.len();
        let groups = ProcessInfo::by_group(processes);
        let mut namespecs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (group, processes) in &groups {
            let all = processes.iter().map(ProcessInfo::namespec).collect();
            namespecs.insert(group.clone(), all);
        }
        self.known = Some(Known { processes: count, namespecs });
        Ok(groups)
    }

    /// The calls that ask for the processes of these groups alone, if that is worth it.
    fn few(&self, concerned: &BTreeSet<&str>) -> Option<Vec<Call>> {
        let known = self.known.as_ref()?;
        let namespecs = concerned.iter().filter_map(|group| known.namespecs.get(*group)).flatten();
        let mut calls: Vec<Call> = namespecs.cloned().map(Call::GetProcessInfo).collect();
        if calls.len() * 2 > known.processes {
            return None;
        }
        if calls.is_empty() {
            // Whether supervisord is still there is always of interest.
            calls.push(Call::GetPid);
        }
        Some(calls)
    }
}

impl SiteApply {
    /// The groups that it wants to see at the next look.
    pub(super) fn concerned(&self) -> Vec<&str> {
        match &self.stage {
            Stage::Updating(update) | Stage::PuttingBack(_, update) => update.groups().collect(),
            Stage::Watching(watch) => watch.groups().collect(),
            Stage::RunningAgain(undo) => undo.groups().collect(),
            Stage::Glancing => self.batch.watched.keys().map(String::as_str).collect(),
            Stage::Stopped => self.work.items.iter().map(|item| item.group.as_str()).collect(),
            Stage::Files
            | Stage::Probing(_)
            | Stage::Failed { .. }
            | Stage::Finished
            | Stage::PutBack(_)
            | Stage::Ended => Vec::new(),
        }
    }
}

/// Each process; `None` if there is one that supervisord does not tell of.
fn each(answers: Vec<Result<Answer, Fault>>) -> Result<Option<Vec<ProcessInfo>>, Unanswered> {
    let mut processes = Vec::new();
    for answer in answers {
        match answer {
            Ok(Answer::Process(process)) => processes.push(*process),
            Ok(Answer::Number(_)) => {}
            Ok(other) => return Err(Unanswered::Odd(Some(other))),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(processes))
}
