//! The programs' logs, from the files themselves: supervisord's own `tail` answers HTTP 500 as soon
//! as a log holds something that is no UTF-8.

use std::path::PathBuf;
use std::time::Duration;

use crate::api::{ChosenSite, LogsRequest, UnreadableLog};
use crate::event::{Event, LogLine};
use crate::inventory::{Domain, ProgramName, Site, config_file};
use crate::system::follow::Follower;
use crate::system::{Clock, Interrupt};

/// Between two looks at logs that are followed.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between two signs of life while nothing is logged, by which a far end finds out that nobody
/// listens any more.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// A log that is read.
struct OpenLog {
    site: Domain,
    program: ProgramName,
    path: PathBuf,
    follower: Follower,
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
    let mut sources = Vec::new();
    for site in &request.sites {
        open(site, request.lines as usize, &mut sources, &mut unreadable, events);
    }
    let mut alive = clock.now();
    while request.follow && !sources.is_empty() && !interrupt.is_raised() {
        let mut more = false;
        sources.retain_mut(|source| {
            let mut lines = Vec::new();
            let looked = source.follower.look(&mut lines);
            more |= !lines.is_empty();
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
        if let Some(rest) = source.follower.rest() {
            source.tell(&rest, events);
        }
    }
    unreadable
}

fn open(
    chosen: &ChosenSite,
    lines: usize,
    sources: &mut Vec<OpenLog>,
    unreadable: &mut Vec<UnreadableLog>,
    events: &mut dyn FnMut(Event),
) {
    let ChosenSite { site, programs } = chosen;
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
    for (name, full, paths) in &all {
        if paths.is_empty() {
            let text = format!("{full} writes to no file that can be read here: see `logs` of it");
            events(Event::Warning { site: site.domain.clone(), text });
        }
        for path in paths.iter().cloned() {
            open_one((site, name), full, (path, lines), sources, unreadable, events);
        }
    }
}

fn open_one(
    (site, name): (&Site, &ProgramName),
    full: &str,
    (path, lines): (PathBuf, usize),
    sources: &mut Vec<OpenLog>,
    unreadable: &mut Vec<UnreadableLog>,
    events: &mut dyn FnMut(Event),
) {
    let (domain, name) = (site.domain.clone(), name.clone());
    match Follower::open(&path, lines) {
        Ok((follower, last)) => {
            if !follower.is_there() {
                let text = format!("{} is not there yet: {full} never ran", path.display());
                events(Event::Warning { site: domain.clone(), text });
            }
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
    fn tell(&self, line: &[u8], events: &mut dyn FnMut(Event)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        events(Event::LogLine(LogLine {
            site: self.site.clone(),
            program: self.program.clone(),
            text: String::from_utf8_lossy(line).into_owned(),
        }));
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
