//! An event in words, the same for every front door.

use super::colour::{ERROR, HINT};
use super::names::listed;
use super::{Colour, paragraph};
use crate::error::{CommandError, cut};
use crate::event::{Event, ProcessChange, Rolling, Step, Waited, WaitingFor};
use crate::system::sanitized;

/// A line about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventLine {
    Progress(String),
    /// Something a person should see to.
    Warning(String),
}

/// The lines of an event; none for what only a display that repaints itself would show. A plan has
/// its own text.
pub(crate) fn describe(event: &Event) -> Vec<EventLine> {
    match event {
        Event::Step { step, .. } => describe_step(step).into_iter().flat_map(progress).collect(),
        // How a site ended is a result, which a front door tells in its own way.
        Event::Planned(_) | Event::SiteEnded(_) | Event::LogLine(_) | Event::Alive => Vec::new(),
        Event::LockHeld { holder, .. } => progress(format!("Waiting for {holder} to end")),
        Event::Reading { files, .. } => progress(format!("supervisord reads {files} files")),
        Event::Waiting { until, processes, rolling, .. } => {
            progress(waiting(*until, processes, *rolling))
        }
        Event::Process { name, change, .. } => match change {
            ProcessChange::Stopping => Vec::new(),
            ProcessChange::Stopped => progress(format!("{name}: stopped")),
            ProcessChange::Removed => progress(format!("{name}: removed process group")),
            ProcessChange::Added => progress(format!("{name}: added process group")),
            ProcessChange::Started => progress(format!("{name}: started")),
            ProcessChange::Healthy => progress(format!("{name}: healthy")),
        },
        Event::Setup(step) => progress(step.text()),
        Event::Warning { text, .. } => vec![EventLine::Warning(paragraph(text))],
    }
}

/// The line of an event that has none but for who wants to see each step.
pub(super) fn describe_silent(event: &Event) -> Option<EventLine> {
    let text = match event {
        Event::Process { name, change: ProcessChange::Stopping, .. } => format!("{name}: stopping"),
        Event::Step { site, step: Step::Journal } => {
            format!("{site}: noting what is about to change")
        }
        Event::Step { site, step: Step::Swap } => format!("{site}: putting files in place"),
        Event::Step { site, step: Step::Commit } => format!("{site}: recording what was done"),
        _ => return None,
    };
    Some(EventLine::Progress(sanitized(&text)))
}

/// The same where several sites are at work at once: a line that does not say of which site it is
/// begins with that. The one reread is of all of them.
pub(crate) fn describe_one_of_several(event: &Event) -> Vec<EventLine> {
    let site = match event {
        Event::Step { step: Step::Reread, .. } => None,
        Event::Step { site, .. } | Event::Warning { site, .. } => Some(site),
        _ => None,
    };
    let Some(site) = site else { return describe(event) };
    let mut lines = describe(event);
    for line in &mut lines {
        let (EventLine::Progress(text) | EventLine::Warning(text)) = line;
        if !text.contains(site.as_str()) {
            *text = format!("{site}: {text}");
        }
    }
    lines
}

fn progress(text: String) -> Vec<EventLine> {
    vec![EventLine::Progress(sanitized(&cut(&text)))]
}

/// An error for people: what failed, its causes, and a line for each hint.
pub(super) fn describe_error(error: &CommandError, colour: Colour) -> String {
    let mut text = format!("{} {}", colour.paint(ERROR, "error:"), describe_failure(error));
    for hint in &error.hints {
        text.push_str(&format!("\n{} {}", colour.paint(HINT, "hint:"), paragraph(hint)));
    }
    text
}

/// The same without hints.
pub(crate) fn describe_failure(error: &CommandError) -> String {
    let parts = std::iter::once(&error.message).chain(&error.causes);
    parts.map(|part| paragraph(part)).collect::<Vec<_>>().join(": ")
}

/// Names beyond the first few are counted: 500 of them are no line.
pub(super) const NAMES_SHOWN: usize = 8;

fn waiting(until: WaitingFor, processes: &[Waited], rolling: Option<Rolling>) -> String {
    let names: Vec<&str> = processes.iter().map(|process| process.name.as_str()).collect();
    let names = listed(&names, NAMES_SHOWN);
    let longest = processes.iter().map(|p| p.seconds_left).max().unwrap_or(0);
    let what = what_for(until);
    let step = rolling.map_or(String::new(), |rolling| format!(" ({})", step(rolling)));
    format!("Waiting for {names}{step} to {what} (at most {longest} s)")
}

/// What is waited for, as the end of `waiting for NAME to`.
pub(super) fn what_for(until: WaitingFor) -> &'static str {
    match until {
        WaitingFor::Stop => "stop",
        WaitingFor::Health => "be up and stay so",
        WaitingFor::Probe => "pass the probe",
    }
}

/// `3 of 6`, `3 to 4 of 6`.
pub(super) fn step(Rolling { first, last, of }: Rolling) -> String {
    match first == last {
        true => format!("{first} of {of}"),
        false => format!("{first} to {last} of {of}"),
    }
}

fn describe_step(step: &Step) -> Vec<String> {
    match step {
        Step::Recover { interrupted } => {
            vec![format!("Undoing an apply that never ended: {interrupted}")]
        }
        Step::WriteSupervisor { files } if *files > 0 => {
            vec![format!("Writing supervisor configs ({files})")]
        }
        Step::WriteLogrotate { files } if *files > 0 => {
            vec![format!("Writing logrotate configs ({files})")]
        }
        Step::RemoveOrphans { paths } => {
            paths.iter().map(|path| format!("Removing {}", path.display())).collect()
        }
        Step::Reread => vec!["Rereading supervisor configs".to_owned()],
        Step::Update { groups } if *groups > 0 => {
            vec![format!("Updating supervisor ({groups})")]
        }
        Step::Verify { groups } => vec![format!("Watching what was started ({groups})")],
        Step::Undo => vec!["Putting everything back".to_owned()],
        Step::WriteSupervisor { .. }
        | Step::WriteLogrotate { .. }
        | Step::Update { .. }
        | Step::Journal
        | Step::Swap
        | Step::Commit => Vec::new(),
    }
}
