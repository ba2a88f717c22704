//! A plan as text: the same for plan, apply, rollback and a fleet. Programs first, a line each; files are
//! counted but for those that no program's line tells of.

use std::fmt::Write;
use std::path::Path;

use super::colour::{BAD, GOOD, ODD, QUIET};
use super::plan_totals::{Totals, restarts, starts, stops, waits};
use super::{Colour, paragraph};
use crate::desired::FileKind;
use crate::inventory::{SCRIPT_FOLDER, naming};
use crate::plan::{
    FileChangeKind, FileView, GroupAction, GroupView, PlanView, Reason, SettingChange,
};
use crate::system::sanitized;

/// The widest name that the lines of a site are aligned to.
const WIDEST_NAME: usize = 32;
/// How many settings of a program a line tells before the rest is counted.
const SETTINGS_SHOWN: usize = 5;
/// How many characters of a value.
const VALUE_SHOWN: usize = 48;

/// How much is shown of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileDetail {
    /// They are counted.
    Counted,
    /// Each has a line, and its unified diff.
    Diffs,
}

impl PlanView {
    /// The plan as a person reads it, without a headline; ends with a line break.
    pub fn text(&self, detail: FileDetail, colour: Colour) -> String {
        let mut text = String::new();
        if let Some(interrupted) = &self.interrupted {
            let _ = writeln!(text, "  {} {}", colour.paint(ODD, "!"), sanitized(interrupted));
        }
        self.write_groups(&mut text, colour);
        self.write_files(&mut text, detail, colour);
        if self.releases {
            let _ = writeln!(text, "  the site is given back: what runs goes on, and is nobody's");
        }
        self.write_remarks(&mut text, colour);
        text
    }

    /// Whether there is nothing to say but that nothing changes.
    pub(super) fn is_silent(&self) -> bool {
        self.empty
            && self.groups.is_empty()
            && self.stopped.is_empty()
            && self.logs_stay.is_empty()
            && self.notes.is_empty()
            && self.warnings.is_empty()
            && self.refusals.is_empty()
    }

    /// One line: how much changes.
    pub(crate) fn summary(&self) -> String {
        Totals::of(self).parts()
    }

    /// A group's name without the site's, which the headline tells.
    fn short<'n>(&self, group: &'n str) -> &'n str {
        naming::program_by_name(&self.site, group).unwrap_or(group)
    }

    fn write_groups(&self, text: &mut String, colour: Colour) {
        let names = self.groups.iter().map(|group| self.short(&group.group));
        let width = names.map(|name| name.chars().count()).max().unwrap_or(0).min(WIDEST_NAME);
        for group in &self.groups {
            self.write_group(text, group, width, colour);
        }
        if self.unchanged > 0 {
            let _ = writeln!(text, "    {} unchanged", self.unchanged);
        }
        if !self.stopped.is_empty() {
            let stays = if self.stopped.len() == 1 { "stays" } else { "stay" };
            let names: Vec<&str> = self.stopped.iter().map(|name| self.short(name)).collect();
            let names = sanitized(&names.join(", "));
            let count = self.stopped.len();
            let _ = writeln!(text, "    {count} {stays} stopped, as by hand: {names}");
        }
    }

    fn write_group(&self, text: &mut String, group: &GroupView, width: usize, colour: Colour) {
        let (style, what) = if starts(group) {
            (GOOD, "start")
        } else if waits(group) && matches!(group.action, GroupAction::Add { .. }) {
            (GOOD, "add, not started (autostart=false)")
        } else if waits(group) {
            (ODD, "update, not started (autostart=false)")
        } else if restarts(group) {
            (ODD, "restart")
        } else if group.action == GroupAction::Remove {
            (BAD, "stop and remove")
        } else if stops(group) {
            (BAD, "stop")
        } else {
            (QUIET, "leave as it is")
        };
        let sign = match &group.action {
            GroupAction::Add { .. } | GroupAction::Start { .. } => "+",
            GroupAction::Replace { .. } | GroupAction::Restart { .. } => "~",
            GroupAction::Remove | GroupAction::Stop { .. } => "-",
            GroupAction::Leave => "=",
        };
        let name = format!("{:width$}", sanitized(self.short(&group.group)));
        let _ = writeln!(
            text,
            "  {} {name}  {}: {}{}",
            colour.paint(style, sign),
            colour.paint(style, what),
            sanitized(&because(group, self.revision)),
            how_long(group)
        );
        if matches!(group.action, GroupAction::Replace { .. } | GroupAction::Restart { .. }) {
            for process in group.stopped_processes() {
                let by_hand = if group.autostart { ", as it was by hand" } else { "" };
                let process = sanitized(&process);
                let _ = writeln!(text, "      {process} stays stopped{by_hand}");
            }
        }
    }

    fn write_files(&self, text: &mut String, detail: FileDetail, colour: Colour) {
        for folder in &self.folders {
            let _ = writeln!(text, "  {} folder {}/", colour.paint(GOOD, "+"), shown(folder));
        }
        let mut counted = [0; 3];
        for file in &self.files {
            match (detail, self.is_told(file)) {
                (FileDetail::Diffs, _) => write_file(text, file, detail, colour),
                (FileDetail::Counted, false) => write_file(text, file, detail, colour),
                (FileDetail::Counted, true) => match file.change {
                    FileChangeKind::Create => counted[0] += 1,
                    FileChangeKind::Remove => counted[2] += 1,
                    _ => counted[1] += 1,
                },
            }
        }
        for log in &self.logs {
            let sign = colour.paint(BAD, "-");
            let _ = writeln!(text, "  {sign} log {}: removed for good", shown(log));
        }
        let parts: Vec<String> = (counted.iter().zip(["new", "changed", "removed"]))
            .filter(|(count, _)| **count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !parts.is_empty() {
            let _ = writeln!(text, "  files: {} (--diff shows them)", parts.join(", "));
        }
    }

    /// Whether the line of a program tells of a file: that something of it changes, and no more than its
    /// bytes.
    fn is_told(&self, file: &FileView) -> bool {
        let of_bytes = matches!(
            file.change,
            FileChangeKind::Create | FileChangeKind::Replace | FileChangeKind::Remove
        );
        let name = naming::file_name(&file.path);
        let stem = match file.kind {
            FileKind::Supervisor => naming::configured_by(name),
            FileKind::Logrotate => naming::rotated_by(name),
        };
        let Some(stem) = stem else { return false };
        let is_of = |group: &GroupView| {
            let base = naming::instance_of(&group.group).map(|(base, _)| base);
            group.group == stem || base == Some(stem)
        };
        of_bytes && self.groups.iter().any(is_of)
    }

    fn write_remarks(&self, text: &mut String, colour: Colour) {
        if let [first, rest @ ..] = &self.logs_stay[..] {
            let (more, them) = match rest.len() {
                0 => (String::new(), "it"),
                more => (format!(" and {more} more"), "them"),
            };
            let stays = format!("logs stay: {}{more} (--purge-logs removes {them})", shown(first));
            let _ = writeln!(text, "  {}", colour.paint(QUIET, &format!("note: {stays}")));
        }
        for note in &self.notes {
            let _ =
                writeln!(text, "  {}", colour.paint(QUIET, &format!("note: {}", paragraph(note))));
        }
        for warning in &self.warnings {
            let warning = paragraph(warning);
            let _ = writeln!(text, "  {} {warning}", colour.paint(ODD, "warning:"));
        }
        for refusal in &self.refusals {
            let message = paragraph(&refusal.message());
            let _ = writeln!(text, "  {} {message}", colour.paint(BAD, "refused:"));
            let _ = writeln!(text, "    hint: {}", paragraph(&refusal.hint()));
        }
    }
}

fn shown(path: &Path) -> String {
    sanitized(&path.display().to_string())
}

fn write_file(text: &mut String, file: &FileView, detail: FileDetail, colour: Colour) {
    let (sign, style, remark) = match file.change {
        FileChangeKind::Create => ("+", GOOD, ": new"),
        FileChangeKind::Replace => ("~", ODD, ": changed"),
        FileChangeKind::ReplaceLink => ("~", ODD, ": changed, a symbolic link now"),
        FileChangeKind::Permissions => ("~", ODD, ": permissions only"),
        FileChangeKind::Owner => ("~", ODD, whose(file.kind)),
        FileChangeKind::Remove => ("-", BAD, ": removed"),
    };
    let sign = colour.paint(style, sign);
    let _ = writeln!(text, "  {sign} file {}{remark}", shown(&file.path));
    if detail == FileDetail::Counted {
        return;
    }
    let whole = matches!(file.change, FileChangeKind::Create | FileChangeKind::Remove);
    for line in file.diff.lines().filter(|line| !(whole && line.starts_with("@@"))) {
        let _ = writeln!(text, "      {}", colour.diff_line(&sanitized(line)));
    }
}

/// Why a file becomes root's.
fn whose(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Supervisor => ": becomes root's, another user could change what it runs",
        FileKind::Logrotate => ": becomes root's, logrotate ignores another user's",
    }
}

/// ` (3 processes, one at a time, up to 90 s to stop)`, of what stops; how many start, of what only starts.
fn how_long(group: &GroupView) -> String {
    let mut parts = Vec::new();
    let stops = (restarts(group) || stops(group)) && !group.running.is_empty();
    let processes = if stops { group.running.len() } else { group.numprocs as usize };
    match group.some_processes() {
        Some(some) => parts.push(format!("{} of {} processes", some.len(), group.numprocs)),
        None if processes > 1 && (stops || starts(group)) => {
            parts.push(format!("{processes} processes"));
        }
        None => {}
    }
    if stops {
        match group.rolling {
            None => {}
            Some(1) => parts.push("one at a time".to_owned()),
            Some(batch) => parts.push(format!("{batch} at a time")),
        }
        let each = if group.rolling.is_some() && processes > 1 { " each" } else { "" };
        parts.push(format!("up to {} s to stop{each}", group.stop_seconds));
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn because(group: &GroupView, revision: Option<u64>) -> String {
    let settings = changed_settings(group);
    match &group.reason {
        Reason::New => match group.command.as_deref() {
            Some(command) => format!("new, {}", value(as_written(command), None)),
            None => "new".to_owned(),
        },
        Reason::NotLoaded => "its file is there but supervisord had not loaded it".to_owned(),
        Reason::Changed { .. } if !settings.is_empty() => settings,
        Reason::Changed { options } if options.is_empty() => "its file changes".to_owned(),
        Reason::Changed { options } => options.join(", "),
        Reason::FileNewer => "its file is newer than what runs".to_owned(),
        Reason::EveryProgram { by } => {
            let by: Vec<String> = by.iter().map(|path| path.display().to_string()).collect();
            let change = if by.len() == 1 { "changes" } else { "change" };
            let what = "[supervisord] environment=, or [DEFAULT]";
            format!("{} {change} every program: {what}", by.join(", "))
        }
        Reason::NotWanted => match revision {
            None => "not in the inventory".to_owned(),
            Some(number) => format!("not in revision {number}"),
        },
        Reason::RestartAsked | Reason::StopAsked => "as asked".to_owned(),
        Reason::Interrupted => "an interrupted apply had stopped it".to_owned(),
        Reason::StartAsked => "it was stopped by hand and is to start, as asked".to_owned(),
        Reason::StoppedByHand => {
            let changes = "it was stopped by hand; `supervisor-sync start` runs it with its new \
                           configuration";
            with(changes, &settings)
        }
        Reason::NotKnown => "supervisord does not know it".to_owned(),
        Reason::Anothers => "it is not this site's".to_owned(),
        Reason::Deferred => {
            with("restarts are deferred; its next restart takes the change up", &settings)
        }
    }
}

/// The reason with what changes.
fn with(reason: &str, settings: &str) -> String {
    if settings.is_empty() { reason.to_owned() } else { format!("{reason} ({settings})") }
}

/// A script of the site by its name, and any other command as it stands.
fn as_written(command: &str) -> &str {
    let script = command.split_once(" ").filter(|(runner, _)| runner.ends_with("/runner.sh"));
    let script = script.and_then(|(_, script)| script.strip_prefix(SCRIPT_FOLDER));
    script.and_then(|script| script.strip_prefix('/')).unwrap_or(command)
}

/// `numprocs 2 -> 4, stopwaitsecs 90 -> 120`.
fn changed_settings(group: &GroupView) -> String {
    let settings = &group.settings;
    // It follows from the number.
    let scales = settings.iter().any(|change| change.name == "numprocs");
    let told = settings.iter().filter(|change| !(scales && change.name == "process_name"));
    let mut parts: Vec<String> = told.map(changed).collect();
    if parts.len() > SETTINGS_SHOWN {
        let more = parts.split_off(SETTINGS_SHOWN).len();
        parts.push(format!("{more} more"));
    }
    parts.join(", ")
}

fn changed(change: &SettingChange) -> String {
    let SettingChange { name, before, after } = change;
    match (before.as_deref(), after.as_deref()) {
        (None, None) => name.clone(),
        (Some(before), Some(after)) => {
            format!("{name} {} -> {}", value(before, Some(after)), value(after, Some(before)))
        }
        (None, Some(after)) => format!("{name} none -> {}", value(after, None)),
        (Some(before), None) => format!("{name} {} -> none", value(before, None)),
    }
}

/// A value in few characters. Of one that differs from its `other` far behind, the part that differs.
fn value(text: &str, other: Option<&str>) -> String {
    let text: Vec<char> = text.chars().collect();
    let same = other
        .map_or(0, |other| text.iter().zip(other.chars()).take_while(|(a, b)| **a == *b).count());
    let begin = if text.len() <= VALUE_SHOWN { 0 } else { same.saturating_sub(VALUE_SHOWN / 4) };
    let shown: String = text.iter().skip(begin).take(VALUE_SHOWN).collect();
    let before = if begin > 0 { "…" } else { "" };
    let after = if begin + VALUE_SHOWN < text.len() { "…" } else { "" };
    match shown.contains([' ', ',']) || shown.is_empty() {
        true => format!("`{before}{shown}{after}`"),
        false => format!("{before}{shown}{after}"),
    }
}
