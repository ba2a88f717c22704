//! A status as text: problems first, what is fine in a line each, or counted.

use std::fmt::Write;

use super::colour::{BAD, GOOD, ODD, STRONG};
use super::names::counted;
use super::{Colour, paragraph};
use crate::error::cut;
use crate::status::{
    ConfigDrift, Drift, FileDrift, ProcessHealth, ProcessStatus, ProgramStatus, SiteStatus,
    StateDrift, WantedState,
};
use crate::supervisord::ProcessState;
use crate::system::sanitized;

/// More programs than this that are fine are counted, not listed.
const LISTED: usize = 20;
/// More pids than this are counted.
const PIDS: usize = 4;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Many programs that are fine are counted.
    Summary,
    /// Every program has its line.
    All,
}

impl SiteStatus {
    /// The status as a person reads it; ends with a line break.
    pub(crate) fn text(&self, detail: Detail, colour: Colour) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{}", colour.paint(STRONG, &format!("Site {}", self.site)));
        for problem in &self.problems {
            let problem = paragraph(problem);
            let _ = writeln!(text, "  {} {problem}", colour.paint(BAD, "!"));
        }
        let fine = self.programs.iter().filter(|program| program.is_fine()).count();
        let lists_all = detail == Detail::All || fine <= LISTED;
        let shown: Vec<&ProgramStatus> =
            self.programs.iter().filter(|program| lists_all || !program.is_fine()).collect();
        let width = shown.iter().map(|program| program.program.len()).max().unwrap_or(0);
        for program in shown {
            program.write(&mut text, width, self.rolled_back.is_some(), colour);
        }
        if !lists_all {
            let _ = writeln!(
                text,
                "    {fine} more are fine ({}; --all lists them)",
                colour.words(&self.counts())
            );
        }
        if let Some(rollback) = &self.rolled_back {
            let rollback = sanitized(&cut(rollback));
            let _ =
                writeln!(text, "  note: as after {rollback}; the inventory was not applied since");
        }
        for note in &self.notes {
            let _ = writeln!(text, "  note: {}", paragraph(note));
        }
        let style = if self.is_fine() { GOOD } else { BAD };
        let _ = writeln!(text, "  {}", colour.paint(style, &self.summary()));
        text
    }

    /// The states of what is fine, counted.
    fn counts(&self) -> String {
        let fine = self.programs.iter().filter(|program| program.is_fine());
        let processes: Vec<&ProcessStatus> = fine.flat_map(|program| &program.processes).collect();
        states(&processes).join(", ")
    }

    pub(crate) fn summary(&self) -> String {
        let programs = counted(self.programs.len(), "program");
        let bad = self.programs.iter().filter(|program| !program.is_fine()).count();
        match (bad, self.problems.is_empty()) {
            (0, true) => format!("{programs}: all as wanted"),
            (0, false) => format!("{programs}: all as wanted, but see above"),
            (1, _) => format!("{programs}: 1 is not as wanted"),
            (bad, _) => format!("{programs}: {bad} are not as wanted"),
        }
    }
}

impl ProgramStatus {
    fn write(&self, text: &mut String, width: usize, is_rolled_back: bool, colour: Colour) {
        let unhealthy = self.processes.iter().any(|process| !process.health.is_fine());
        let sign = match (unhealthy, self.drift.is_empty()) {
            (true, _) => colour.paint(BAD, "!"),
            (false, false) => colour.paint(ODD, "~"),
            (false, true) => " ".to_owned(),
        };
        let program = sanitized(&self.program);
        let states = colour.words(&sanitized(&self.states()));
        let line = format!("  {sign} {program:width$}  {states}");
        let _ = writeln!(text, "{}", line.trim_end());
        for complaint in self.complaints(is_rolled_back) {
            let _ = writeln!(text, "        {}", sanitized(&complaint));
        }
    }

    /// What is not as wanted, a line each: what is not healthy, then how the host differs.
    pub(crate) fn complaints(&self, is_rolled_back: bool) -> Vec<String> {
        let unhealthy = self.processes.iter().filter_map(|process| match &process.health {
            ProcessHealth::Unhealthy { reason } => Some(format!("{} {reason}", process.process)),
            _ => None,
        });
        let drift = self.drift.iter().map(|drift| described(drift, is_rolled_back));
        unhealthy.chain(drift).collect()
    }

    /// `RUNNING x4  up 3 h 12 min  pids 812, 813, 814, 815`.
    fn states(&self) -> String {
        let mut parts = vec![self.state()];
        parts.extend(self.uptime().map(|uptime| format!("up {uptime}")));
        let pids: Vec<String> = self
            .processes
            .iter()
            .filter_map(|process| process.pid)
            .map(|p| p.to_string())
            .collect();
        match pids.len() {
            0 => {}
            1 => parts.push(format!("pid {}", pids.concat())),
            2..=PIDS => parts.push(format!("pids {}", pids.join(", "))),
            more => parts.push(format!("{more} pids")),
        }
        if let Some(seconds) = self.came_up_again() {
            parts.push(format!("started again {} ago", duration(seconds)));
        }
        if self.wanted == WantedState::Present && self.is_fine() {
            parts.push("not started by itself".to_owned());
        }
        parts.join("  ")
    }

    /// `RUNNING x3, FATAL`, or that supervisord does not know it.
    pub(crate) fn state(&self) -> String {
        let processes: Vec<&ProcessStatus> = self.processes.iter().collect();
        match states(&processes) {
            none if none.is_empty() => "not loaded".to_owned(),
            states => states.join(", "),
        }
    }

    /// `3 h 12 min`, `40 s to 3 h 12 min`; `None` if nothing is up.
    pub(crate) fn uptime(&self) -> Option<String> {
        let uptimes = || self.processes.iter().filter_map(|process| process.uptime);
        let (least, most) = (duration(uptimes().min()?), duration(uptimes().max()?));
        Some(if least == most { least } else { format!("{least} to {most}") })
    }

    /// How long ago a process came up again after an end, if that is news.
    fn came_up_again(&self) -> Option<u64> {
        self.processes
            .iter()
            .filter_map(|process| {
                let (uptime, ended) = (process.uptime?, process.ended?);
                (ended >= uptime && uptime <= 60).then_some(uptime)
            })
            .min()
    }
}

/// `RUNNING x3`, `FATAL`: the most frequent first.
fn states(processes: &[&ProcessStatus]) -> Vec<String> {
    let mut counts: Vec<(ProcessState, usize)> = Vec::new();
    for process in processes {
        match counts.iter_mut().find(|(state, _)| *state == process.state) {
            Some((_, count)) => *count += 1,
            None => counts.push((process.state, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut shown = Vec::new();
    for (state, count) in counts {
        let name = format!("{state:?}").to_ascii_uppercase();
        shown.push(if count == 1 { name } else { format!("{name} x{count}") });
    }
    shown
}

fn described(drift: &Drift, is_rolled_back: bool) -> String {
    match drift {
        Drift::File { path, how } => {
            let how = match how {
                FileDrift::Edited => "was edited by hand since it was applied",
                FileDrift::Missing => "was removed since it was applied",
                FileDrift::Permissions => "can be read or written by others",
                FileDrift::Owner => "belongs to another user than root",
                FileDrift::NotApplied if is_rolled_back => {
                    "differs from the inventory; it was rolled back"
                }
                FileDrift::NotApplied => "differs from the inventory; it was not applied yet",
                FileDrift::Orphan => "is left over: no program needs it any more",
            };
            format!("{} {how}", path.display())
        }
        Drift::Config { group, how } => {
            let how = match how {
                ConfigDrift::NotLoaded => "is in a file, but supervisord has not loaded it",
                ConfigDrift::FileNewer => "has a file that is newer than what runs",
                ConfigDrift::EveryProgram => {
                    "is changed by a file that changes every program: `supervisor-sync plan` names it"
                }
                ConfigDrift::NoFile => "is loaded, but its file is gone",
                ConfigDrift::Processes => "is loaded with another number of processes",
            };
            format!("{group} {how}")
        }
        Drift::State { process, how } => match how {
            StateDrift::StoppedByApply => {
                format!("{process} was stopped by an apply that has not ended")
            }
            StateDrift::StoppedByHand => format!("{process} was stopped by hand"),
            StateDrift::NeverStarted => format!("{process} was never started"),
            StateDrift::NotWanted => format!("{process} is loaded, but is not in the inventory"),
            StateDrift::FormerRelease { folder, live } => {
                format!("{process} runs in {folder}, but the live release is {live}")
            }
        },
    }
}

/// `42 s`, `3 min`, `3 h 12 min`, `12 d 3 h`.
pub(crate) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}
