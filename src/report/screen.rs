//! Where output goes: results to stdout, progress and errors to stderr, or JSON lines to stdout.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::colour::{STRONG, WARNING};
use super::describe::{EventLine, describe, describe_error, describe_silent};
use super::destination::{Destination, OutputStream, Page};
use super::plan_text::FileDetail;
use super::{Colour, Live, Typed, json, paragraph};
use crate::apply::ProgramTrouble;
use crate::error::CommandError;
use crate::event::Event;
use crate::fleet::{LookOutcome, Watcher};
use crate::system::{sanitized, sanitized_lines};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// People: on a terminal or in a log.
    Text,
    /// Machines: one JSON document a line, each with the version of this shape.
    Json,
}

/// How much is told of what goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Warnings, errors and what is asked for to be seen: of a change that succeeds nothing.
    None,
    /// What is done.
    Steps,
    /// Also what only says what comes.
    EachStep,
}

/// The version of every JSON document that is printed.
pub(super) const JSON_VERSION: u32 = 1;

/// The output of one command. A reader that went away is no reason to stop an apply half-way, so
/// what cannot be written is dropped.
#[derive(Debug)]
pub(crate) struct Screen {
    mode: Mode,
    progress: Progress,
    colour: Colour,
    /// The same of stderr.
    stderr_colour: Colour,
    /// The errors that people have been told: fifty sites of a supervisord that does not run say no
    /// more than one.
    errors: BTreeSet<String>,
    /// What was typed, for hints that repeat it.
    typed: Arc<Typed>,
    /// The lines of hosts at work, above which everything is printed; machines have none.
    live: Option<Live>,
    to: Destination,
    /// How much plans show of files.
    files: FileDetail,
}

#[derive(Serialize)]
struct Document<'a, T> {
    version: u32,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(flatten)]
    content: T,
}

/// Something failed: the command, a host or a site. The error stands below a key of its own, since it has
/// a kind, too.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Failure<'a> {
    pub(super) error: &'a CommandError,
}

/// A document as a line. One that cannot be written (a path that is not UTF-8) is an error document
/// that says so.
pub(super) fn document(
    kind: &str,
    host: Option<&str>,
    content: &impl Serialize,
) -> serde_json::Result<String> {
    let version = JSON_VERSION;
    json::line(&Document { version, kind, host, content }).or_else(|source| {
        let content =
            CommandError::refused(format!("cannot write the document `{kind}`")).caused_by(&source);
        let content = Failure { error: &content };
        json::line(&Document { version, kind: "error", host, content })
    })
}

impl Screen {
    /// Colours as it was asked for before (`ColorChoice::write_global`), else as `NO_COLOR`,
    /// `CLICOLOR_FORCE` and the terminal have it.
    pub(crate) fn new(mode: Mode, typed: Typed) -> Self {
        let of = |choice| match choice {
            anstream::ColorChoice::Never => Colour::Plain,
            _ => Colour::Ansi,
        };
        let colour = of(anstream::AutoStream::choice(&std::io::stdout()));
        let stderr_colour = of(anstream::AutoStream::choice(&std::io::stderr()));
        let (errors, typed) = (BTreeSet::new(), Arc::new(typed));
        let (progress, live, files) = (Progress::Steps, None, FileDetail::Counted);
        let to = Destination::Streams;
        Self { mode, progress, colour, stderr_colour, errors, typed, live, to, files }
    }

    /// What is printed can be read in `transcript`: with colours for people, as a terminal has them, and with
    /// the diff of each file in a plan.
    #[cfg(feature = "web")]
    pub(crate) fn written_to(transcript: super::Transcript, mode: Mode, typed: Arc<Typed>) -> Self {
        Self {
            mode,
            progress: Progress::Steps,
            colour: Colour::Ansi,
            stderr_colour: Colour::Ansi,
            errors: BTreeSet::new(),
            typed,
            live: None,
            to: Destination::Transcript(transcript),
            files: FileDetail::Diffs,
        }
    }

    /// The same with this much told of what goes on.
    pub(crate) fn with_progress(self, progress: Progress) -> Self {
        let is_told = self.mode == Mode::Text && progress != Progress::None;
        let live = is_told.then(|| Live::new(progress == Progress::Steps));
        Self { progress, live, ..self }
    }

    /// Plans show each file, with its diff.
    pub(crate) fn show_diffs(&mut self) {
        self.files = FileDetail::Diffs;
    }

    /// How much plans show of files.
    pub(crate) fn file_detail(&self) -> FileDetail {
        self.files
    }

    /// Results carry no colour from now on: they are for no terminal.
    pub(crate) fn go_without_colour(&mut self) {
        self.colour = Colour::Plain;
    }

    /// What makes screens that show nothing, wherever a host has answered: what is written to one is a page
    /// for this screen.
    pub(crate) fn asides(&self) -> impl Fn() -> Self + Sync + Send + 'static {
        let (mode, colour, stderr_colour) = (self.mode, self.colour, self.stderr_colour);
        let (typed, progress, files) = (Arc::clone(&self.typed), self.progress, self.files);
        move || {
            let (errors, typed) = (BTreeSet::new(), Arc::clone(&typed));
            let to = Destination::Page(Page::default());
            Self { mode, progress, colour, stderr_colour, errors, typed, live: None, to, files }
        }
    }

    /// The lines of hosts at work, where people read them.
    pub(super) fn live(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    /// Who is to be told of hosts that are asked something.
    pub(crate) fn watcher(&self) -> Option<Box<dyn Watcher>> {
        self.live.clone().map(|live| Box::new(live) as Box<dyn Watcher>)
    }

    /// Nothing is waited for any more, however it has ended.
    pub(crate) fn finish(&self) {
        self.live.iter().for_each(Live::finish);
    }

    /// What was written [aside](Self::asides).
    pub(crate) fn into_page(self) -> Page {
        self.to.into_page()
    }

    /// Shows what was written aside.
    pub(crate) fn show(&mut self, page: Page) {
        for (stream, text) in page.into_parts() {
            let _ = self.write(stream, &text);
        }
    }

    fn write(&mut self, stream: OutputStream, text: &str) -> std::io::Result<()> {
        if self.to.keeps(stream, text) {
            return Ok(());
        }
        let write = || match stream {
            OutputStream::Out => std::io::stdout().write_all(text.as_bytes()),
            OutputStream::Err => std::io::stderr().write_all(text.as_bytes()),
        };
        match &self.live {
            Some(live) => live.above(write),
            None => write(),
        }
    }

    /// What a change that succeeds has come to, unless only what fails is to be told.
    pub(crate) fn print_done(&mut self, text: &str) {
        if !self.is_quiet() {
            self.print_words(text);
        }
    }

    /// Whether a change that succeeds says nothing.
    pub(crate) fn is_quiet(&self) -> bool {
        self.progress == Progress::None
    }

    /// For whom it is.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// What was typed.
    pub(crate) fn typed(&self) -> &Typed {
        &self.typed
    }

    /// Whether text carries colour.
    pub(crate) fn colour(&self) -> Colour {
        self.colour
    }

    /// A result for people. Whatever a terminal would obey is taken out of it.
    pub(crate) fn print(&mut self, text: &str) {
        self.print_painted(&sanitized_lines(text));
    }

    /// The same with the words in colour that have one, in a line of ours.
    pub(super) fn print_words(&mut self, text: &str) {
        self.print_painted(&self.colour.words(&sanitized_lines(text)));
    }

    /// A result that carries colour: what comes from a host was sanitized before.
    pub(crate) fn print_painted(&mut self, text: &str) {
        let _ = self.try_print(text);
    }

    /// The same for output without end: an error says that nobody reads it any more.
    pub(crate) fn try_print(&mut self, text: &str) -> std::io::Result<()> {
        match self.mode {
            Mode::Text => self.write(OutputStream::Out, text),
            Mode::Json => Ok(()),
        }
    }

    /// A result for machines.
    pub(crate) fn document(&mut self, kind: &str, host: Option<&str>, content: &impl Serialize) {
        let _ = self.try_document(kind, host, content);
    }

    /// The same for output without end: an error says that nobody reads it any more.
    pub(crate) fn try_document(
        &mut self,
        kind: &str,
        host: Option<&str>,
        content: &impl Serialize,
    ) -> std::io::Result<()> {
        if self.mode == Mode::Text {
            return Ok(());
        }
        let line = document(kind, host, content)? + "\n";
        self.write(OutputStream::Out, &line)
    }

    /// Whether standard output is a pipe that nobody reads any more.
    pub(crate) fn reader_is_gone() -> bool {
        let stdout = std::io::stdout();
        let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let answered = poll(&mut asked, Some(&now)).is_ok();
        answered && asked.iter().any(|asked| asked.revents().contains(PollFlags::ERR))
    }

    /// Something happened on a host; `host` is named where there are several.
    pub(crate) fn event(&mut self, host: &str, named: bool, event: &Event) {
        self.event_as(host, named, event, &describe(event));
    }

    /// The same, in these words for people.
    pub(crate) fn event_as(&mut self, host: &str, named: bool, event: &Event, said: &[EventLine]) {
        if self.mode == Mode::Json {
            self.document("event", Some(host), event);
            return;
        }
        let prefix = if named { format!("{host}: ") } else { String::new() };
        if let Event::Planned(plan) = event
            && !self.is_quiet()
        {
            let block = super::plan::block(plan, self.files, self.colour);
            let host = self.colour.paint(STRONG, &sanitized(host));
            self.print_painted(&format!("{host}  {block}"));
        }
        let silent = match said.is_empty() && self.progress == Progress::EachStep {
            true => describe_silent(event),
            false => None,
        };
        for line in silent.iter().chain(said) {
            if self.is_quiet() && matches!(line, EventLine::Progress(_)) {
                continue;
            }
            let colour = self.stderr_colour;
            let (mark, text) = match line {
                EventLine::Progress(text) => ("→".to_owned(), text),
                EventLine::Warning(text) => (colour.paint(WARNING, "warning:"), text),
            };
            let text = colour.words(&sanitized_lines(text));
            self.complain_painted(&format!("{}{mark} {text}", sanitized(&prefix)));
        }
    }

    /// A failure for machines.
    pub(crate) fn failure(&mut self, host: Option<&str>, error: &CommandError) {
        self.document("error", host, &Failure { error });
    }

    /// A failure, on stderr for people, each once, and as a document for machines.
    pub(crate) fn error(&mut self, host: Option<&str>, error: &CommandError) {
        let hints = error.hints.iter().map(|hint| self.typed.repeated(hint)).collect();
        let error = &CommandError { hints, ..error.clone() };
        self.failure(host, error);
        if self.mode == Mode::Text {
            let prefix = host.map_or(String::new(), |host| format!("{}: ", sanitized(host)));
            let text = format!("{prefix}{}", describe_error(error, self.stderr_colour));
            if self.errors.insert(text.clone()) {
                self.complain_painted(&text);
            }
        }
    }

    /// A host, or a site of it, has not answered.
    pub(crate) fn unanswered(
        &mut self,
        host: &str,
        error: &CommandError,
        answers: &mut LookOutcome,
    ) {
        self.error(Some(host), error);
        answers.fail(error.kind);
    }

    /// Something long for people, on stderr. Whatever a terminal would obey is taken out of it.
    pub(crate) fn complain(&mut self, text: &str) {
        self.complain_painted(&sanitized_lines(text));
    }

    /// The same with the words in colour that have one, in a line of ours.
    pub(super) fn complain_words(&mut self, text: &str) {
        self.complain_painted(&self.stderr_colour.words(&sanitized_lines(text)));
    }

    /// The same with colour, for what comes from no host.
    pub(crate) fn complain_painted(&mut self, text: &str) {
        if self.mode == Mode::Text {
            let _ = self.write(OutputStream::Err, &format!("{text}\n"));
        }
    }

    /// A program that is not as it should be, with the end of its log.
    pub(crate) fn trouble(&mut self, trouble: &ProgramTrouble) {
        let reason = paragraph(&trouble.reason);
        self.complain_words(&format!("  {} {reason}", sanitized(&trouble.process)));
        if let Some(since) = trouble.log_since {
            let what = if trouble.log.is_empty() { ": nothing was written to it" } else { ":" };
            self.complain(&format!("    its log since {since:.0}{what}"));
        }
        for line in &trouble.log {
            self.complain(&format!("    | {}", sanitized(line)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    use super::*;

    #[derive(Serialize)]
    struct Content {
        path: PathBuf,
    }

    #[test]
    fn unwritable_document_is_an_error() {
        let content = Content { path: "/x".into() };
        let line = document("log", Some("web1"), &content).unwrap();
        assert_eq!(line, r#"{"version":1,"kind":"log","host":"web1","path":"/x"}"#);
        let content = Content { path: OsString::from_vec(b"/\xff".to_vec()).into() };
        let error = document("log", Some("web1"), &content).unwrap();
        let shape = r#"{"version":1,"kind":"error","host":"web1","error":{"kind":"refused","#;
        assert!(error.starts_with(shape), "{error}");
    }
}
