//! A plan as text: the same for plan, apply, rollback and a fleet.

use std::fmt::Write;
use std::path::Path;

use anstyle::{AnsiColor, Style};

use super::{Colour, paragraph};
use crate::desired::FileKind;
use crate::plan::{FileChangeKind, FileView, GroupAction, GroupView, PlanView, Reason};
use crate::system::sanitized;

const ADD: Style = AnsiColor::Green.on_default();
const REMOVE: Style = AnsiColor::Red.on_default();
const CHANGE: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

impl PlanView {
    /// The plan as a person reads it; ends with a line break.
    pub fn text(&self, colour: Colour) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{}", colour.paint(STRONG, &format!("Site {}", self.site)));
        if let Some(interrupted) = &self.interrupted {
            let _ = writeln!(text, "  {} {}", colour.paint(CHANGE, "!"), sanitized(interrupted));
        }
        for folder in &self.folders {
            let _ = writeln!(text, "  {} {}/", colour.paint(ADD, "+"), shown(folder));
        }
        for file in &self.files {
            write_file(&mut text, file, colour);
        }
        for log in &self.logs {
            let _ = writeln!(text, "  {} {} (log)", colour.paint(REMOVE, "-"), shown(log));
        }
        for group in &self.groups {
            write_group(&mut text, group, colour);
        }
        self.write_remarks(&mut text, colour);
        let _ = writeln!(text, "  {}", self.summary());
        text
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
            let _ = writeln!(text, "  {} {warning}", colour.paint(CHANGE, "warning:"));
        }
        for refusal in &self.refusals {
            let message = paragraph(&refusal.message());
            let _ = writeln!(text, "  {} {message}", colour.paint(REMOVE, "refused:"));
            let _ = writeln!(text, "    hint: {}", paragraph(&refusal.hint()));
        }
    }

    /// One line: how much changes.
    pub(crate) fn summary(&self) -> String {
        let stopped = (!self.stopped.is_empty()).then(|| {
            let stopped = counted(self.stopped.len(), "stays", "stay");
            format!("{stopped} stopped by hand")
        });
        if self.empty && self.refusals.is_empty() {
            let as_wanted = counted(self.unchanged, "program is", "programs are");
            let stopped = stopped.map_or(String::new(), |stopped| format!(", {stopped}"));
            return format!("nothing to do: {as_wanted} as wanted{stopped}");
        }
        let mut parts = Vec::new();
        let files = self.files.len();
        if files > 0 {
            parts.push(counted(files, "file changes", "files change"));
        }
        if !self.logs.is_empty() {
            parts.push(counted(self.logs.len(), "log is removed", "logs are removed"));
        }
        for (verb_one, verb_many, is) in [
            ("program starts", "programs start", starts as fn(&GroupView) -> bool),
            ("program is added but not started", "programs are added but not started", waits),
            ("program restarts", "programs restart", restarts),
            ("program stops", "programs stop", stops),
            ("program is left as it is", "programs are left as they are", leaves),
        ] {
            let number = self.groups.iter().filter(|group| is(group)).count();
            if number > 0 {
                parts.push(counted(number, verb_one, verb_many));
            }
        }
        if self.unchanged > 0 {
            parts.push(counted(self.unchanged, "program unchanged", "programs unchanged"));
        }
        parts.extend(stopped);
        if self.releases {
            parts.push("the site is given back".to_owned());
        }
        match (parts.is_empty(), self.refusals.is_empty()) {
            (true, true) => "an interrupted apply is cleaned up".to_owned(),
            (true, false) => "an apply would not start".to_owned(),
            (false, true) => parts.join(", "),
            (false, false) => format!("an apply would not start ({})", parts.join(", ")),
        }
    }
}

fn shown(path: &Path) -> String {
    sanitized(&path.display().to_string())
}

fn starts(group: &GroupView) -> bool {
    match &group.action {
        GroupAction::Add { start } => *start || group.autostart,
        GroupAction::Start { .. } => true,
        GroupAction::Replace { start } => group.running.is_empty() && (*start || group.autostart),
        _ => false,
    }
}

fn waits(group: &GroupView) -> bool {
    match &group.action {
        GroupAction::Add { start } => !start && !group.autostart,
        GroupAction::Replace { start } => group.running.is_empty() && !start && !group.autostart,
        _ => false,
    }
}

fn restarts(group: &GroupView) -> bool {
    match &group.action {
        GroupAction::Replace { .. } => !group.running.is_empty(),
        GroupAction::Restart { .. } => true,
        _ => false,
    }
}

fn stops(group: &GroupView) -> bool {
    matches!(group.action, GroupAction::Remove | GroupAction::Stop { .. })
}

fn leaves(group: &GroupView) -> bool {
    group.action == GroupAction::Leave
}

fn write_file(text: &mut String, file: &FileView, colour: Colour) {
    let (sign, style, remark) = match file.change {
        FileChangeKind::Create => ("+", ADD, ""),
        FileChangeKind::Replace => ("~", CHANGE, ""),
        FileChangeKind::ReplaceLink => ("~", CHANGE, " (a symbolic link now)"),
        FileChangeKind::Permissions => ("~", CHANGE, " (permissions only)"),
        FileChangeKind::Owner => ("~", CHANGE, whose(file.kind)),
        FileChangeKind::Remove => ("-", REMOVE, ""),
    };
    let whole = matches!(file.change, FileChangeKind::Create | FileChangeKind::Remove);
    if whole && file.kind == FileKind::Logrotate {
        // Always the same lines but for the log's name: its companion above tells the program.
        let _ = writeln!(text, "  {} {}", colour.paint(style, sign), shown(&file.path));
        return;
    }
    let _ = writeln!(text, "  {} {}{remark}", colour.paint(style, sign), shown(&file.path));
    for line in file.diff.lines().filter(|line| !(whole && line.starts_with("@@"))) {
        let style = match line.chars().next() {
            Some('+') => ADD,
            Some('-') => REMOVE,
            Some('@') => QUIET,
            _ => Style::new(),
        };
        let _ = writeln!(text, "      {}", colour.paint(style, &sanitized(line)));
    }
}

/// Why a file becomes root's.
fn whose(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Supervisor => " (becomes root's: another user could change what it runs)",
        FileKind::Logrotate => " (becomes root's: logrotate ignores another user's)",
    }
}

fn write_group(text: &mut String, group: &GroupView, colour: Colour) {
    let (style, verb) = if starts(group) {
        (ADD, "start")
    } else if waits(group) {
        (ADD, "add, not started (autostart=false)")
    } else if restarts(group) {
        (CHANGE, "restart")
    } else if group.action == GroupAction::Remove {
        (REMOVE, "stop and remove")
    } else if stops(group) {
        (REMOVE, "stop")
    } else {
        (QUIET, "leave as it is")
    };
    let sign = match &group.action {
        GroupAction::Add { .. } | GroupAction::Start { .. } => "+",
        GroupAction::Replace { .. } | GroupAction::Restart { .. } => "~",
        GroupAction::Remove | GroupAction::Stop { .. } => "-",
        GroupAction::Leave => "=",
    };
    let stopping = restarts(group) || stops(group);
    let processes = if stopping && !group.running.is_empty() {
        let at_a_time = match group.rolling {
            None => String::new(),
            Some(1) => ", one at a time".to_owned(),
            Some(batch) => format!(", {batch} at a time"),
        };
        format!(
            " [{}{at_a_time}, up to {} s to stop]",
            counted(group.running.len(), "process", "processes"),
            group.stop_seconds
        )
    } else {
        String::new()
    };
    let _ = writeln!(
        text,
        "  {} {}: {verb}, {}{processes}",
        colour.paint(style, sign),
        sanitized(&group.group),
        sanitized(&because(&group.reason))
    );
    if matches!(group.action, GroupAction::Replace { .. } | GroupAction::Restart { .. }) {
        for process in group.stopped_processes() {
            let by_hand = if group.autostart { ", as it was by hand" } else { "" };
            let process = sanitized(&process);
            let _ = writeln!(text, "      {process} stays stopped{by_hand}");
        }
    }
}

fn because(reason: &Reason) -> String {
    match reason {
        Reason::New => "it is new".into(),
        Reason::NotLoaded => "its file is there but supervisord had not loaded it".into(),
        Reason::Changed { options } if options.is_empty() => "its file changes".into(),
        Reason::Changed { options } => format!("because of {}", options.join(", ")),
        Reason::FileNewer => "its file is newer than what runs".into(),
        Reason::EveryProgram { by } => {
            let by: Vec<String> = by.iter().map(|path| path.display().to_string()).collect();
            let change = if by.len() == 1 { "changes" } else { "change" };
            let what = "[supervisord] environment=, or [DEFAULT]";
            format!("{} {change} every program: {what}", sanitized(&by.join(", ")))
        }
        Reason::NotWanted => "it is not wanted any more".into(),
        Reason::RestartAsked | Reason::StopAsked => "as asked".into(),
        Reason::Interrupted => "an interrupted apply had stopped it".into(),
        Reason::StartAsked => "it was stopped by hand and is to start, as asked".into(),
        Reason::StoppedByHand => {
            "it was stopped by hand; `supervisor-sync start` runs it with its new configuration"
                .into()
        }
        Reason::NotKnown => "supervisord does not know it".into(),
        Reason::Anothers => "it is not this site's".into(),
        Reason::Deferred => "restarts are deferred; its next restart takes the change up".into(),
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}
