//! The programs' logs, from the files themselves: supervisord's own `tail` answers HTTP 500 as soon
//! as a log holds something that is no UTF-8.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use regex_lite::Regex;

use super::log_line;
use crate::api::{ChosenSite, LogsRequest, UnreadableLog};
use crate::event::Event;
use crate::inventory::{Domain, ProgramName, Programs, Site, config_file};
use crate::system::follow::{Follower, Line};
use crate::system::{Clock, Interrupt, log_time};

/// Between two looks at logs that are followed.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between two signs of life while nothing is logged, by which a far end finds out that nobody
/// listens any more.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// How many of the last lines of a log are looked through for those that are asked for.
const MOST_READ: usize = 10_000;
/// How many are shown of a log that does not say when its lines were written.
const UNTIMED_LINES: usize = 10;

/// A log that is read.
struct OpenLog {
    site: Domain,
    program: ProgramName,
    path: PathBuf,
    follower: Follower,
}

/// Which lines are asked for.
struct Wanted {
    lines: usize,
    /// From when on, by the clock of this host.
    since: Option<Timestamp>,
    grep: Option<Regex>,
}

impl Wanted {
    fn of(request: &LogsRequest, clock: &dyn Clock) -> Self {
        let since = request.since.and_then(|seconds| {
            let ago = SignedDuration::from_secs(i64::try_from(seconds).ok()?);
            clock.timestamp().checked_sub(ago).ok()
        });
        // Whoever asks has tried it; one that is none is in no line.
        let grep = request.grep.as_deref().and_then(|grep| Regex::new(grep).ok());
        Self { lines: request.lines as usize, since, grep }
    }

    /// How many lines have to be read for them.
    fn read(&self) -> usize {
        match self.since.is_some() || self.grep.is_some() {
            true => self.lines.max(MOST_READ),
            false => self.lines,
        }
    }

    fn matches(&self, line: &[u8]) -> bool {
        self.grep.as_ref().is_none_or(|grep| grep.is_match(&String::from_utf8_lossy(line)))
    }

    /// Those of the last lines of a log, which was last written to then. An error has those of a log that
    /// does not say when it was written.
    fn last(&self, lines: Vec<Line>, written: Option<Timestamp>) -> Result<Vec<Line>, Vec<Line>> {
        let (lines, is_timed) = match self.since.zip(written) {
            Some((since, written)) if written < since => (Vec::new(), true),
            Some((since, written)) => match log_time::since(lines, since, written) {
                Ok(lines) => (lines, true),
                Err(lines) => (lines, false),
            },
            None => (lines, true),
        };
        let mut lines: Vec<_> =
            lines.into_iter().filter(|line| self.matches(&line.bytes)).collect();
        let most = if is_timed { self.lines } else { self.lines.min(UNTIMED_LINES) };
        lines.drain(..lines.len().saturating_sub(most));
        if is_timed || lines.is_empty() { Ok(lines) } else { Err(lines) }
    }
}

/// Sends the last lines of each program and, if asked to follow, what is logged from then on, until
/// it is interrupted. Returns the logs that could not be read.
pub(super) fn send(
    request: &LogsRequest,
    clock: &dyn Clock,
    interrupt: &Interrupt,
    events: &mut dyn FnMut(Event),
) -> Vec<UnreadableLog> {
    let mut unreadable = Vec::new();
    if let Some(place) = request.around {
        log_line::send(request, place, events);
        return unreadable;
    }
    let mut sources = Vec::new();
    let wanted = Wanted::of(request, clock);
    for site in &request.sites {
        open(site, &wanted, &mut sources, &mut unreadable, events);
    }
    if request.follow {
        // Whoever waits hears that the logs are open, whether or not anything is written to them.
        events(Event::Alive);
    }
    let mut alive = clock.now();
    while request.follow && !sources.is_empty() && !interrupt.is_raised() {
        let mut more = false;
        sources.retain_mut(|source| {
            let mut lines = Vec::new();
            let looked = source.follower.look(&mut lines);
            more |= !lines.is_empty();
            lines.retain(|line: &Line| wanted.matches(&line.bytes));
            lines.into_iter().for_each(|line| source.tell(&line, events));
            looked.map_err(|error| unreadable.push(source.unreadable(&error))).is_ok()
        });
        let now = clock.now();
        if now.saturating_sub(alive) >= ALIVE_EVERY {
            alive = now;
            events(Event::Alive);
        }
        if !more {
            clock.wait(LOOK_EVERY);
        }
    }
    for source in &mut sources {
        if let Some(rest) = source.follower.rest().filter(|rest| wanted.matches(&rest.bytes)) {
            source.tell(&rest, events);
        }
    }
    unreadable
}

fn open(
    chosen: &ChosenSite,
    wanted: &Wanted,
    sources: &mut Vec<OpenLog>,
    unreadable: &mut Vec<UnreadableLog>,
    events: &mut dyn FnMut(Event),
) {
    let ChosenSite { site, programs } = chosen;
    for (name, full, paths) in &logs_of(site, programs) {
        if paths.is_empty() {
            let text = format!("{full} writes to no file that can be read here: see `logs` of it");
            events(Event::Warning { site: site.domain.clone(), text });
        }
        for path in paths.iter().cloned() {
            open_one((site, name), full, (path, wanted), sources, unreadable, events);
        }
    }
}

/// The programs that are meant, each with its full name and its logs.
pub(super) fn logs_of(
    site: &Site,
    programs: &Programs,
) -> Vec<(ProgramName, String, Vec<PathBuf>)> {
    let mut all: Vec<(ProgramName, String, Vec<PathBuf>)> = Vec::new();
    for program in site.programs.iter().filter(|program| programs.have(program.goes_by())) {
        // Checked when the inventory was read.
        let Ok(full) = site.full_name(program) else { continue };
        all.push((program.name.clone(), full.to_string(), site.all_log_files(program, &full)));
    }
    for group in config_file::groups(&site.configs) {
        // Another name nobody can ask for, but as one of all.
        let Ok(name) = ProgramName::parse(&group.name) else { continue };
        if programs.have(name.as_str()) {
            let logs = group.members.iter().flat_map(|member| member.log_files(&group.name));
            all.push((name, group.name.clone(), logs.collect()));
        }
    }
    all
}

fn open_one(
    (site, name): (&Site, &ProgramName),
    full: &str,
    (path, wanted): (PathBuf, &Wanted),
    sources: &mut Vec<OpenLog>,
    unreadable: &mut Vec<UnreadableLog>,
    events: &mut dyn FnMut(Event),
) {
    let (domain, name) = (site.domain.clone(), name.clone());
    match Follower::open(&path, wanted.read()) {
        Ok((follower, last)) => {
            if !follower.is_there() {
                let text = format!("{} is not there yet: {full} never ran", path.display());
                events(Event::Warning { site: domain.clone(), text });
            }
            let last = match wanted.last(last, follower.written()) {
                Ok(last) => last,
                Err(last) => {
                    let shown = path.display();
                    let text = format!(
                        "no line of {shown} begins with a time that is known: its last lines are shown"
                    );
                    events(Event::Warning { site: domain.clone(), text });
                    last
                }
            };
            let source = OpenLog { site: domain, program: name, path, follower };
            last.iter().for_each(|line| source.tell(line, events));
            sources.push(source);
        }
        Err(error) => {
            let reason = error.to_string();
            unreadable.push(UnreadableLog { site: domain, program: name, path, reason });
        }
    }
}

impl OpenLog {
    fn tell(&self, line: &Line, events: &mut dyn FnMut(Event)) {
        log_line::tell((&self.site, &self.program), &self.path, line, events);
    }

    fn unreadable(&self, error: &std::io::Error) -> UnreadableLog {
        UnreadableLog {
            site: self.site.clone(),
            program: self.program.clone(),
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}
