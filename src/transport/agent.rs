//! The far end: reads requests, a line each, does them on this host one after the other, and
//! writes events and replies.
//!
//! It survives its caller. Lines go out through a thread of their own, so that a link that is dead
//! but does not know it yet cannot hold up an apply, and its lock, half-way.

use std::io::{BufRead, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::limits::LONGEST_ANSWER;
use crate::api::wire::{
    AgentMessage, Ask, HEARD, INTERRUPT, LET_GO, LONGEST_ASK, PROTOCOL, read_ask,
};
use crate::api::{Reply, Request, Target};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::system::Interrupt;

/// How many lines are queued for a caller that does not read before events are dropped.
const LINES_WAITING: usize = 4096;

/// How long the last lines have to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves requests until the caller closes its end. A caller that goes away, or says that it does not
/// wait any longer ([`LET_GO`]), does not stop what was begun: its lines are dropped, and `undelivered` is
/// told of the request whose reply nobody hears. A log that is followed, for ever, is let go. A caller
/// that sends [`INTERRUPT`] stops either, as Ctrl-C would.
pub(crate) fn serve(
    host: &mut dyn Target,
    input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
    interrupt: &Interrupt,
    undelivered: impl Fn(&Request) + Send + Sync + 'static,
) {
    let caller = Arc::new(Caller::new(interrupt.clone(), Box::new(undelivered)));
    let (outbox, closed) = Outbox::open(output, Arc::clone(&caller));
    let outbox = Arc::new(outbox);
    let release = env!("CARGO_PKG_VERSION").to_owned();
    outbox.send(&AgentMessage::Hello { protocol: PROTOCOL, release, confirmed: true });
    for line in listen(input, Arc::clone(&caller), Arc::clone(&outbox)) {
        let reply = line.and_then(|line| read_ask(&line)).and_then(|ask| {
            caller.begin(&ask);
            let reply =
                host.ask(ask.request, &mut |event| outbox.send(&AgentMessage::Event(event)));
            caller.end(ask.confirms);
            reply
        });
        outbox.send(&match reply {
            Ok(reply) => AgentMessage::Reply(reply),
            Err(error) => AgentMessage::Failed(error),
        });
    }
    outbox.close(&closed);
}

/// The caller, as far as its end is known: whether it still listens, and whether that matters.
struct Caller {
    state: Mutex<CallerState>,
    interrupt: Interrupt,
    undelivered: Box<dyn Fn(&Request) + Send + Sync>,
}

#[derive(Default)]
struct CallerState {
    /// The caller has closed its end, or does not read ours.
    has_gone: bool,
    /// The request under way ends only when it is stopped.
    is_endless: bool,
    /// The apply under way, for which there is a reply to be heard.
    apply: Option<Request>,
    /// Its reply is on its way, and the caller will say when it is there.
    is_answered: bool,
}

impl Caller {
    fn new(interrupt: Interrupt, undelivered: Box<dyn Fn(&Request) + Send + Sync>) -> Self {
        Self { state: Mutex::default(), interrupt, undelivered }
    }

    fn begin(&self, Ask { request, .. }: &Ask) {
        let is_endless = matches!(request, Request::Logs(request) if request.follow);
        let apply = matches!(request, Request::Apply(_)).then(|| request.clone());
        self.change(|state| {
            let has_gone = state.has_gone;
            *state = CallerState { has_gone, is_endless, apply, is_answered: false };
        });
    }

    /// Its reply is about to be said. A caller that does not confirm it hears it, or had gone before, as
    /// far as can be told.
    fn end(&self, confirms: bool) {
        self.change(|state| match confirms {
            true => state.is_answered = true,
            false => state.apply = None,
        });
    }

    /// The caller has the reply: it says so, or asks something else.
    fn has_heard(&self) {
        self.change(|state| {
            if state.is_answered {
                state.apply = None;
            }
        });
    }

    fn has_gone(&self) {
        self.change(|state| state.has_gone = true);
    }

    /// The caller does not wait any longer. False if the reply is on its way to it.
    fn let_go(&self) -> bool {
        self.change(|state| state.has_gone |= state.apply.is_some() && !state.is_answered)
    }

    /// Returns whether the caller has gone.
    fn change(&self, change: impl FnOnce(&mut CallerState)) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        if state.has_gone && state.is_endless {
            self.interrupt.raise();
        }
        if state.has_gone
            && let Some(apply) = state.apply.take()
        {
            (self.undelivered)(&apply);
        }
        state.has_gone
    }
}

/// Writes the lines to the caller, by a thread of its own.
struct Outbox {
    /// Where lines wait to be written; `None` once it is closed.
    lines: Mutex<Option<Sender<Vec<u8>>>>,
    queue: Arc<Queue>,
}

/// How many lines are not written yet.
#[derive(Default)]
struct Queue {
    waiting: Mutex<usize>,
    room: Condvar,
}

impl Outbox {
    /// Starts the thread. The receiver gets a message once the outbox is closed and everything is written.
    fn open(mut output: impl Write + Send + 'static, caller: Arc<Caller>) -> (Self, Receiver<()>) {
        let (lines, to_write) = channel::<Vec<u8>>();
        let (done, closed) = channel();
        let queue = Arc::new(Queue::default());
        let said = Arc::clone(&queue);
        std::thread::spawn(move || {
            for line in to_write {
                // Nobody reads any more: the rest is dropped, one by one.
                let written = output.write_all(&line).and_then(|()| output.flush());
                if written.is_err() {
                    caller.has_gone();
                }
                *said.waiting() -= 1;
                said.room.notify_one();
            }
            let _ = done.send(());
        });
        (Self { lines: Mutex::new(Some(lines)), queue }, closed)
    }

    /// Sends an event or a reply. Of too many events, those beyond are dropped; only the lines of a log are
    /// what was asked for, so they wait for the caller.
    fn send(&self, message: &AgentMessage) {
        let Some(line) = encode(message) else { return };
        let mut waiting = self.queue.waiting();
        if matches!(message, AgentMessage::Event(_)) && *waiting >= LINES_WAITING {
            if !matches!(message, AgentMessage::Event(Event::LogLine(_))) {
                return;
            }
            let room = self.queue.room.wait_while(waiting, |waiting| *waiting >= LINES_WAITING);
            waiting = room.unwrap_or_else(PoisonError::into_inner);
        }
        *waiting += 1;
        if let Some(lines) = &*self.lines() {
            let _ = lines.send(line);
        }
    }

    /// Waits until everything is written, or nobody has read for too long.
    fn close(&self, closed: &Receiver<()>) {
        *self.lines() = None;
        let _ = closed.recv_timeout(FLUSH_TIMEOUT);
    }

    fn lines(&self) -> MutexGuard<'_, Option<Sender<Vec<u8>>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, usize> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line of a message. The caller waits for a last line: one that cannot be written (a path that
/// is not UTF-8) or that the caller would not take becomes a failure that can. An event is left out.
fn encode(message: &AgentMessage) -> Option<Vec<u8>> {
    let failed = match serde_json::to_vec(message) {
        Ok(line) if line.len() < LONGEST_ANSWER => return Some(with_line_break(line)),
        _ if matches!(message, AgentMessage::Event(_)) => return None,
        Ok(line) => too_long(message, line.len()),
        Err(source) => {
            CommandError::refused("the agent cannot write its answer").caused_by(&source)
        }
    };
    serde_json::to_vec(&AgentMessage::Failed(failed)).ok().map(with_line_break)
}

fn with_line_break(mut line: Vec<u8>) -> Vec<u8> {
    line.push(b'\n');
    line
}

/// An apply was made, also where its report is too long to send: that is no refusal.
fn too_long(message: &AgentMessage, length: usize) -> CommandError {
    let kind = match message {
        AgentMessage::Reply(Reply::Applied { .. }) => ErrorKind::Stuck,
        _ => ErrorKind::Refused,
    };
    let most = LONGEST_ANSWER / 1024 / 1024;
    CommandError::new(kind, format!("the answer is {length} bytes long, more than {most} MiB"))
        .hint("ask for fewer sites at once: --site DOMAIN")
}

/// The caller's lines, read by a thread that also sees an interruption while a request is worked
/// on. The thread ends with the process.
fn listen(
    input: impl BufRead + Send + 'static,
    caller: Arc<Caller>,
    outbox: Arc<Outbox>,
) -> Receiver<Result<String, CommandError>> {
    let (heard, lines) = channel();
    std::thread::spawn(move || {
        let mut input = input;
        loop {
            match next_line(&mut input) {
                Ok(None) => return caller.has_gone(),
                Ok(Some(line)) if line.trim() == INTERRUPT => caller.interrupt.raise(),
                Ok(Some(line)) if line.trim() == HEARD => caller.has_heard(),
                Ok(Some(line)) if line.trim() == LET_GO => {
                    if caller.let_go() {
                        outbox.send(&AgentMessage::LetGo);
                    }
                }
                Ok(Some(line)) => {
                    caller.has_heard();
                    let _ = heard.send(Ok(line));
                }
                Err(error) => {
                    let _ = heard.send(Err(error));
                    return;
                }
            }
        }
    });
    lines
}

/// `None` at the end.
fn next_line(input: &mut impl BufRead) -> Result<Option<String>, CommandError> {
    let mut line = String::new();
    let limit = LONGEST_ASK as u64 + 1;
    let read = input.by_ref().take(limit).read_line(&mut line).map_err(|source| {
        CommandError::refused("the agent cannot read its request").caused_by(&source)
    })?;
    if line.len() > LONGEST_ASK {
        return Err(CommandError::refused("the request is too long"));
    }
    Ok((read > 0).then_some(line))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io::Cursor;
    use std::os::unix::ffi::OsStringExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::api::{ApplyRequest, Goal, LogsRequest, Run, UnreadableLog};
    use crate::apply::ApplyOptions;
    use crate::event::LogLine;
    use crate::inventory::{AbsolutePath, Domain, ProgramName, UserName};
    use crate::plan::PlanOptions;
    use crate::system::{Clock, SystemClock};

    /// Longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A host that tells of many things and then does what the test says.
    struct FakeHost<F> {
        events: usize,
        then: F,
    }

    impl<F: FnMut() + Send> Target for FakeHost<F> {
        fn ask(
            &mut self,
            _: Request,
            events: &mut dyn FnMut(Event),
        ) -> Result<Reply, CommandError> {
            for number in 0..self.events {
                events(Event::LockHeld { holder: number.to_string(), seconds: None });
            }
            (self.then)();
            Ok(Reply::Plans { sites: Vec::new() })
        }
    }

    /// What was said, for a test to look at.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn has_line(&self, beginning: &str) -> bool {
            let text = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
            text.lines().any(|line| line.starts_with(beginning))
        }

        fn answers(&self) -> Vec<AgentMessage> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    fn request() -> String {
        let (sites, options) = (Vec::new(), PlanOptions::default());
        line(Request::Plan { sites, goal: Goal::Inventory, options })
    }

    fn line(request: Request) -> String {
        let ask = Ask { protocol: PROTOCOL, request, confirms: false };
        serde_json::to_string(&ask).unwrap() + "\n"
    }

    fn done() -> AgentMessage {
        AgentMessage::Reply(Reply::Plans { sites: Vec::new() })
    }

    #[test]
    fn requests_are_answered_in_turn() {
        let paper = Paper::default();
        let input = Cursor::new(format!("{}nonsense\n{}", request(), request()));
        let mut host = FakeHost { events: 1, then: || {} };
        serve(&mut host, input, paper.clone(), &Interrupt::default(), |_| {});
        let answers = paper.answers();
        let event = AgentMessage::Event(Event::LockHeld { holder: "0".into(), seconds: None });
        assert!(matches!(answers[0], AgentMessage::Hello { protocol: PROTOCOL, .. }));
        assert_eq!(answers[1..3], [event.clone(), done()]);
        assert!(matches!(answers[3], AgentMessage::Failed(_)), "{answers:?}");
        assert_eq!(answers[4..], [event, done()]);
    }

    /// An output that nobody reads, until somebody does.
    struct Jammed {
        opened: Receiver<()>,
        paper: Paper,
        is_open: bool,
    }

    impl Write for Jammed {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if !self.is_open {
                self.opened.recv_timeout(PATIENCE).unwrap();
                self.is_open = true;
            }
            self.paper.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A caller that does not read holds up nothing and still gets the answer.
    #[test]
    fn slow_caller_holds_up_nothing() {
        let (open, opened) = channel();
        let paper = Paper::default();
        let output = Jammed { opened, paper: paper.clone(), is_open: false };
        // It is opened by the host itself, when all of its events have been told.
        let mut host = FakeHost { events: 3 * LINES_WAITING, then: move || open.send(()).unwrap() };
        serve(&mut host, Cursor::new(request()), output, &Interrupt::default(), |_| {});
        let answers = paper.answers();
        assert_eq!(answers.last(), Some(&done()));
        assert!(answers.len() <= LINES_WAITING + 2, "{} lines were kept", answers.len());
    }

    /// A host that is asked for a log.
    struct Logging(usize);

    impl Target for Logging {
        fn ask(
            &mut self,
            _: Request,
            events: &mut dyn FnMut(Event),
        ) -> Result<Reply, CommandError> {
            for number in 0..self.0 {
                events(Event::LogLine(LogLine {
                    site: Domain::parse("example.com").unwrap(),
                    program: ProgramName::parse("worker").unwrap(),
                    text: number.to_string(),
                    place: None,
                }));
            }
            Ok(Reply::Plans { sites: Vec::new() })
        }
    }

    #[test]
    fn slow_caller_loses_no_log_line() {
        let paper = Paper::default();
        let lines = 3 * LINES_WAITING;
        serve(
            &mut Logging(lines),
            Cursor::new(request()),
            paper.clone(),
            &Interrupt::default(),
            |_| {},
        );
        assert_eq!(paper.answers().len(), lines + 2);
    }

    /// An input that ends once something was said that begins like this.
    struct UntilSaid {
        lines: Cursor<String>,
        paper: Paper,
        last: &'static str,
        then: Cursor<String>,
    }

    impl Read for UntilSaid {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            let read = self.lines.read(bytes)?;
            if read > 0 {
                return Ok(read);
            }
            let clock = SystemClock::start();
            while !self.paper.has_line(self.last) {
                assert!(clock.now() < PATIENCE, "{} was not said", self.last);
                clock.wait(Duration::from_millis(1));
            }
            self.then.read(bytes)
        }
    }

    fn apply() -> Request {
        let (verify, rollback, record) = (false, false, false);
        Request::Apply(Box::new(ApplyRequest {
            sites: Vec::new(),
            goal: Goal::Inventory,
            plan: PlanOptions::default(),
            apply: ApplyOptions { verify, rollback, record },
            shown: None,
            lock_wait: 0,
            run: Run::begin("apply"),
        }))
    }

    /// How many replies nobody has heard, of a caller that says this after it.
    fn undelivered(confirms: bool, then: &str) -> usize {
        let ask = Ask { protocol: PROTOCOL, request: apply(), confirms };
        let (paper, count) = (Paper::default(), Arc::new(AtomicUsize::new(0)));
        let input = UntilSaid {
            lines: Cursor::new(serde_json::to_string(&ask).unwrap() + "\n"),
            paper: paper.clone(),
            last: r#"{"reply""#,
            then: Cursor::new(then.to_owned()),
        };
        let counted = Arc::clone(&count);
        let mut host = FakeHost { events: 0, then: || {} };
        let input = std::io::BufReader::new(input);
        serve(&mut host, input, paper, &Interrupt::default(), move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        count.load(Ordering::SeqCst)
    }

    /// A reply that was not confirmed was not heard: a dead link may take it all the same.
    #[test]
    fn unconfirmed_reply_was_not_heard() {
        let heard = format!("{HEARD}\n");
        assert_eq!(undelivered(true, &heard), 0);
        // The link was dead when the reply was written, and that shows only now.
        assert_eq!(undelivered(true, ""), 1);
        // What was asked next was asked by somebody who had it.
        assert_eq!(undelivered(true, &request()), 0);
        // The caller had wanted to let go just when the reply was on its way to it.
        assert_eq!(undelivered(true, &format!("{LET_GO}\n{heard}")), 0);
        // One of another release does not say.
        assert_eq!(undelivered(false, ""), 0);
    }

    /// A host with a path that JSON has no words for.
    struct Unspeakable;

    impl Target for Unspeakable {
        fn ask(&mut self, _: Request, _: &mut dyn FnMut(Event)) -> Result<Reply, CommandError> {
            let path = OsString::from_vec(b"/log/\xff".to_vec()).into();
            let (site, program) = (Domain::parse("a.com"), ProgramName::parse("worker"));
            let (site, program) = (site.unwrap(), program.unwrap());
            let reason = "away".to_owned();
            Ok(Reply::LogsEnded { unreadable: vec![UnreadableLog { site, program, path, reason }] })
        }
    }

    #[test]
    fn unwritable_answer_is_a_failure() {
        let paper = Paper::default();
        let input = Cursor::new(request() + &request());
        serve(&mut Unspeakable, input, paper.clone(), &Interrupt::default(), |_| {});
        let answers = paper.answers();
        assert_eq!(answers.len(), 3, "{answers:?}");
        assert!(answers[1..].iter().all(|answer| matches!(answer, AgentMessage::Failed(_))));
    }

    /// A host with more to tell than a caller takes.
    struct Verbose;

    impl Target for Verbose {
        fn ask(&mut self, _: Request, _: &mut dyn FnMut(Event)) -> Result<Reply, CommandError> {
            Err(CommandError::refused("x".repeat(LONGEST_ANSWER)))
        }
    }

    /// An answer that the caller would not take is replaced by its length.
    #[test]
    fn oversized_answer_is_replaced() {
        let paper = Paper::default();
        serve(&mut Verbose, Cursor::new(request()), paper.clone(), &Interrupt::default(), |_| {});
        assert!(paper.0.lock().unwrap().len() < 1024);
        match paper.answers().as_slice() {
            [AgentMessage::Hello { .. }, AgentMessage::Failed(error)] => {
                let message = error.to_string();
                assert!(message.contains("bytes long, more than 8 MiB"), "{message}");
            }
            answers => panic!("{answers:?}"),
        }
    }

    /// An output whose reader is gone.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn following_ends_without_reader() {
        for (follow, output, is_interrupted) in [
            (true, Box::new(Gone) as Box<dyn Write + Send>, true),
            (true, Box::<Paper>::default(), true),
            // It ends by itself.
            (false, Box::new(Gone), false),
        ] {
            let request = LogsRequest::last(Vec::new(), 1, follow);
            // The input ends behind the request.
            let input = Cursor::new(line(Request::Logs(Box::new(request))));
            let interrupt = Interrupt::default();
            serve(&mut Logging(1), input, output, &interrupt, |_| {});
            assert_eq!(interrupt.is_raised(), is_interrupted, "{follow}");
        }
    }

    #[test]
    fn lost_caller_stops_nothing() {
        let finished = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&finished);
        let then = move || {
            count.fetch_add(1, Ordering::SeqCst);
        };
        let mut host = FakeHost { events: 10, then };
        let (path, interrupt) = (AbsolutePath::parse("/x").unwrap(), Interrupt::default());
        let owner = UserName::parse("me").unwrap();
        let change = Request::WriteRunner { path, script: String::new(), owner };
        serve(&mut host, Cursor::new(line(change)), Gone, &interrupt, |_| {});
        assert_eq!(finished.load(Ordering::SeqCst), 1);
        assert!(!interrupt.is_raised());
    }

    #[test]
    fn interruption_reaches_running_request() {
        let interrupt = Interrupt::default();
        let seen = interrupt.clone();
        // The host waits for it; the line behind the request is read meanwhile.
        let then = move || {
            let clock = SystemClock::start();
            while !seen.is_raised() && clock.now() < PATIENCE {
                clock.wait(Duration::from_millis(1));
            }
            assert!(seen.is_raised());
        };
        let paper = Paper::default();
        let input = Cursor::new(format!("{}{INTERRUPT}\n", request()));
        serve(&mut FakeHost { events: 0, then }, input, paper.clone(), &interrupt, |_| {});
        assert_eq!(paper.answers().last(), Some(&done()));
    }
}
