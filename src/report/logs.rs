//! The lines of logs.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};

use super::Screen;
use crate::api::UnreadableLog;
use crate::error::{CommandError, ErrorKind};
use crate::event::{Event, LogLine};
use crate::fleet::rollout::HostProgress;
use crate::fleet::{HostWork, LookOutcome};
use crate::inventory::Site;
use crate::system::{Interrupt, sanitized};

/// The colours of sources. Red and yellow are left to what is wrong.
const PALETTE: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Green,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightMagenta,
];

/// Where the lines of all hosts come together.
pub(crate) struct LogOutput<'a> {
    hosts: &'a [HostWork],
    /// Whether each line is shown when it comes. What ends by itself is shown host by host.
    at_once: bool,
    /// The lines of hosts that have not ended.
    waiting: BTreeMap<usize, Vec<LogLine>>,
    /// Whether a line says where it is from: if there is more than one program.
    prefixed: bool,
    /// Those that have shown a line, in the order in which they did.
    sources: BTreeMap<String, usize>,
    screen: &'a mut Screen,
    /// Whether nobody reads our output any more.
    gone: bool,
    answers: LookOutcome,
}

impl<'a> LogOutput<'a> {
    /// `follow`: it goes on until somebody stops it.
    pub(crate) fn new(hosts: &'a [HostWork], follow: bool, screen: &'a mut Screen) -> Self {
        let prefixed = hosts.iter().map(programs).sum::<usize>() > 1;
        let (at_once, waiting) = (follow || hosts.len() == 1, BTreeMap::new());
        Self {
            hosts,
            at_once,
            waiting,
            prefixed,
            sources: BTreeMap::new(),
            screen,
            gone: false,
            answers: LookOutcome::default(),
        }
    }

    /// What happened on a host.
    pub(crate) fn add(
        &mut self,
        progress: HostProgress<Result<Vec<UnreadableLog>, CommandError>>,
        interrupt: &Interrupt,
    ) {
        match progress {
            HostProgress::Event(place, Event::LogLine(line)) if self.at_once => {
                self.line(place, &line);
            }
            HostProgress::Event(place, Event::LogLine(line)) => {
                self.waiting.entry(place).or_default().push(line);
            }
            HostProgress::Event(_, Event::Alive) => self.gone |= Screen::reader_is_gone(),
            HostProgress::Event(place, event) => {
                if let Some(on_host) = self.hosts.get(place) {
                    self.screen.event(on_host.name(), self.hosts.len() > 1, &event);
                }
            }
            HostProgress::Ended(place, result) => self.ended(place, &result, interrupt),
            // A few can read one host after the other, but not follow them.
            HostProgress::FewThreads(threads) if self.at_once || threads == 0 => {
                let error = too_few(threads, self.hosts.len());
                self.screen.error(None, &error);
                self.answers.fail(error.kind);
            }
            HostProgress::FewThreads(_)
            | HostProgress::Started(_)
            | HostProgress::NotReached(..) => {}
        }
        if self.gone {
            // As if somebody had pressed Ctrl-C: the hosts stop reading.
            interrupt.raise();
        }
    }

    /// The exit status.
    pub(crate) fn end(self, interrupt: &Interrupt) -> u8 {
        match interrupt.is_raised() {
            _ if self.gone => 0,
            true => ErrorKind::Interrupted.exit_status(),
            false => self.answers.exit_status(),
        }
    }

    fn ended(
        &mut self,
        place: usize,
        result: &Result<Vec<UnreadableLog>, CommandError>,
        interrupt: &Interrupt,
    ) {
        for line in self.waiting.remove(&place).unwrap_or_default() {
            self.line(place, &line);
        }
        let Some(on_host) = self.hosts.get(place) else { return };
        let host = on_host.name();
        match result {
            Ok(unreadable) => {
                if unreadable.is_empty() {
                    self.answers.count();
                }
                for log in unreadable {
                    self.screen.unanswered(host, &cannot_read(log), &mut self.answers);
                }
            }
            // What an interruption breaks off is no failure of the host.
            Err(_) if interrupt.is_raised() => {}
            Err(error) => self.screen.unanswered(host, error, &mut self.answers),
        }
    }

    fn line(&mut self, place: usize, line: &LogLine) {
        let Some(on_host) = self.hosts.get(place).filter(|_| !self.gone) else { return };
        self.gone = self.show(on_host.name(), line).is_err();
    }

    /// The colour of a source: the next one that is free, then from the first on. Its name says as much.
    fn style(&mut self, source: &str) -> Style {
        let next = self.sources.len();
        let place = *self.sources.entry(source.to_owned()).or_insert(next);
        let colour = PALETTE.get(place % PALETTE.len()).copied().unwrap_or(AnsiColor::Cyan);
        colour.on_default()
    }

    fn show(&mut self, host: &str, line: &LogLine) -> std::io::Result<()> {
        self.screen.try_document("log", Some(host), line)?;
        let text = sanitized(&line.text);
        if !self.prefixed {
            return self.screen.try_print(&format!("{text}\n"));
        }
        let host =
            if self.hosts.len() > 1 { format!("{} ", sanitized(host)) } else { String::new() };
        let source = format!("{host}{}-{} |", line.site, line.program);
        let source = self.screen.colour().paint(self.style(&source), &source);
        self.screen.try_print(&format!("{source} {text}\n"))
    }
}

/// How many programs are meant on a host.
fn programs(on_host: &HostWork) -> usize {
    let of_site = |site: &Site| {
        let meant = on_host.programs_of(&site.domain);
        site.program_names().filter(|name| meant.have(name.as_str())).count()
    };
    on_host.sites.iter().map(of_site).sum()
}

fn too_few(threads: usize, hosts: usize) -> CommandError {
    CommandError::refused(format!("only {threads} of {hosts} hosts are read"))
        .because("the system has no more threads for this program")
        .hint("name fewer hosts: supervisor-sync logs --on HOST")
}

fn cannot_read(log: &UnreadableLog) -> CommandError {
    let UnreadableLog { site, program, path, reason } = log;
    CommandError::refused(format!("cannot read the log of {site}-{program}, {}", path.display()))
        .because(reason)
        .hint("supervisord writes it as root: run it as root (sudo), or `privilege: sudo`")
}
