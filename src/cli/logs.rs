//! `logs`: the ends of the programs' logs, and what comes after.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use clap::Args;

use super::Context;
use super::selected::{ProgramArguments, Work, unexpected};
use crate::error::{CommandError, ErrorKind};
use crate::event::{Event, LogLine};
use crate::host::{LogsRequest, Reply, Request, UnreadableLog};
use crate::inventory::Program;
use crate::report::{Screen, harmless};

#[derive(Debug, Args)]
pub(super) struct LogsArguments {
    #[command(flatten)]
    selection: ProgramArguments,
    /// How many of the last lines of each program
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    lines: u32,
    /// Go on with what is logged from now on, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

/// How many lines may wait for a screen that is slower than the logs.
const LINES_WAITING: usize = 1024;

/// What a host says, on its way to the screen.
enum Message {
    Event(Event),
    Ended(Result<Vec<UnreadableLog>, CommandError>),
}

pub(super) fn run(
    context: &Context,
    arguments: &LogsArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let hosts = context.selected_programs(&arguments.selection, screen)?;
    let request = |on_host: &Work| LogsRequest {
        sites: on_host.chosen(),
        lines: arguments.lines,
        follow: arguments.follow,
    };
    let (sender, messages) = sync_channel(LINES_WAITING);
    let mut reader = Reader::new(&hosts, screen);
    std::thread::scope(|scope| {
        for (index, on_host) in hosts.iter().enumerate() {
            let request = request(on_host);
            let sender = sender.clone();
            scope.spawn(move || read(context, on_host, request, index, &sender));
        }
        drop(sender);
        reader.show(&messages, context);
    });
    if reader.gone {
        return Ok(0);
    }
    if context.interrupt.is_raised() {
        return Ok(ErrorKind::Interrupted.exit_status());
    }
    Ok(match reader.failed {
        None => 0,
        Some(_) if reader.failures < hosts.len() => ErrorKind::Partial.exit_status(),
        Some(kind) => kind.exit_status(),
    })
}

fn read(
    context: &Context,
    on_host: &Work,
    request: LogsRequest,
    index: usize,
    sender: &SyncSender<(usize, Message)>,
) {
    // Nobody receives any more when the screen is gone: then this ends soon.
    let say = |message| drop(sender.send((index, message)));
    let reply = context.connect(&on_host.host).and_then(|mut host| {
        match host.ask(Request::Logs(Box::new(request)), &mut |event| say(Message::Event(event)))? {
            Reply::LogsEnded { unreadable } => Ok(unreadable),
            _ => Err(unexpected()),
        }
    });
    say(Message::Ended(reply));
}

/// Where the lines of all hosts come together.
struct Reader<'a> {
    hosts: &'a [Work],
    /// Whether a line says where it is from: if there is more than one program.
    prefixed: bool,
    screen: &'a mut Screen,
    /// Whether nobody reads our output any more.
    gone: bool,
    failed: Option<ErrorKind>,
    failures: usize,
}

impl<'a> Reader<'a> {
    fn new(hosts: &'a [Work], screen: &'a mut Screen) -> Self {
        let is_meant = |work: &Work, program: &Program| {
            work.programs.is_empty() || work.programs.contains(&program.name)
        };
        let programs = hosts.iter().flat_map(|work| {
            let programs = work.sites.iter().flat_map(|site| &site.programs);
            programs.filter(move |program| is_meant(work, program))
        });
        let prefixed = programs.count() > 1;
        Self { hosts, prefixed, screen, gone: false, failed: None, failures: 0 }
    }

    fn show(&mut self, messages: &Receiver<(usize, Message)>, context: &Context) {
        for (index, message) in messages {
            let Some(on_host) = self.hosts.get(index) else { continue };
            let host = on_host.host.name.as_str();
            match message {
                Message::Event(Event::LogLine(line)) => {
                    if !self.gone && self.line(host, &line).is_err() {
                        // As if somebody had pressed Ctrl-C: the hosts stop reading.
                        self.gone = true;
                        context.interrupt.raise();
                    }
                }
                Message::Event(Event::Alive) => {
                    if !self.gone && Screen::reader_is_gone() {
                        self.gone = true;
                        context.interrupt.raise();
                    }
                }
                Message::Event(event) => self.screen.event(host, self.hosts.len() > 1, &event),
                Message::Ended(Ok(unreadable)) => {
                    self.failures += usize::from(!unreadable.is_empty());
                    for log in unreadable {
                        self.failed.get_or_insert(ErrorKind::Refused);
                        self.screen.error(Some(host), &cannot_read(&log));
                    }
                }
                // What an interruption breaks off is no failure of the host.
                Message::Ended(Err(_)) if context.interrupt.is_raised() => {}
                Message::Ended(Err(error)) => {
                    self.failures += 1;
                    self.failed.get_or_insert(error.kind);
                    self.screen.error(Some(host), &error);
                }
            }
        }
    }

    fn line(&mut self, host: &str, line: &LogLine) -> std::io::Result<()> {
        self.screen.try_document("log", Some(host), line)?;
        let text = harmless(&line.text);
        if !self.prefixed {
            return self.screen.try_print(&format!("{text}\n"));
        }
        let host = if self.hosts.len() > 1 { format!("{host} ") } else { String::new() };
        self.screen.try_print(&format!("{host}{}-{} | {text}\n", line.site, line.program))
    }
}

fn cannot_read(log: &UnreadableLog) -> CommandError {
    let UnreadableLog { site, program, path, reason } = log;
    CommandError::refused(format!("cannot read the log of {site}-{program}, {}", path.display()))
        .because(reason)
        .hint("supervisord writes it as root: run it as root (sudo), or `privilege: sudo`")
}
