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
use crate::api::wire::{Answer, Ask, HEARD, INTERRUPT, LET_GO, LONGEST_ASK, PROTOCOL, read_ask};
use crate::api::{Reply, Request, Target};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::system::Interrupt;

/// How many lines may wait for a caller that does not read before events are dropped.
const LINES_WAITING: usize = 4096;

/// How long the last lines have to leave.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// Serves requests until the caller closes its end. A caller that goes away, or says that it does not
/// wait any longer ([`LET_GO`]), does not stop what was begun: its lines are dropped, and `unheard` is
/// told of the request whose reply nobody hears. A log that is followed, for ever, is let go. A caller
/// that sends [`INTERRUPT`] stops either, as Ctrl-C would.
pub fn serve(
    host: &mut dyn Target,
    input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
    interrupt: &Interrupt,
    unheard: impl Fn(&Request) + Send + Sync + 'static,
) {
    let caller = Arc::new(Caller::new(interrupt.clone(), Box::new(unheard)));
    let (mouth, closed) = Mouth::open(output, Arc::clone(&caller));
    let mouth = Arc::new(mouth);
    let release = env!("CARGO_PKG_VERSION").to_owned();
    mouth.say(&Answer::Hello { protocol: PROTOCOL, release, confirmed: true });
    for line in listen(input, Arc::clone(&caller), Arc::clone(&mouth)) {
        let reply = line.and_then(|line| read_ask(&line)).and_then(|ask| {
            caller.begin(&ask);
            let reply = host.ask(ask.request, &mut |event| mouth.say(&Answer::Event(event)));
            caller.end(ask.confirms);
            reply
        });
        mouth.say(&match reply {
            Ok(reply) => Answer::Reply(reply),
            Err(error) => Answer::Failed(error),
        });
    }
    mouth.close(&closed);
}

/// Whether there still is one, and whether that matters.
struct Caller {
    standing: Mutex<Standing>,
    interrupt: Interrupt,
    unheard: Box<dyn Fn(&Request) + Send + Sync>,
}

#[derive(Default)]
struct Standing {
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
    fn new(interrupt: Interrupt, unheard: Box<dyn Fn(&Request) + Send + Sync>) -> Self {
        Self { standing: Mutex::default(), interrupt, unheard }
    }

    fn begin(&self, Ask { request, .. }: &Ask) {
        let is_endless = matches!(request, Request::Logs(request) if request.follow);
        let apply = matches!(request, Request::Apply(_)).then(|| request.clone());
        self.change(|standing| {
            let has_gone = standing.has_gone;
            *standing = Standing { has_gone, is_endless, apply, is_answered: false };
        });
    }

    /// Its reply is about to be said. A caller that does not confirm it hears it, or had gone before, as
    /// far as can be told.
    fn end(&self, confirms: bool) {
        self.change(|standing| match confirms {
            true => standing.is_answered = true,
            false => standing.apply = None,
        });
    }

    /// The caller has the reply: it says so, or asks something else.
    fn has_heard(&self) {
        self.change(|standing| {
            if standing.is_answered {
                standing.apply = None;
            }
        });
    }

    fn has_gone(&self) {
        self.change(|standing| standing.has_gone = true);
    }

    /// The caller does not wait any longer. False if the reply is on its way to it.
    fn let_go(&self) -> bool {
        let is_at_work = |standing: &Standing| standing.apply.is_some() && !standing.is_answered;
        self.change(|standing| standing.has_gone |= is_at_work(standing))
    }

    /// Returns whether the caller has gone.
    fn change(&self, change: impl FnOnce(&mut Standing)) -> bool {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut standing);
        if standing.has_gone && standing.is_endless {
            self.interrupt.raise();
        }
        if standing.has_gone
            && let Some(apply) = standing.apply.take()
        {
            (self.unheard)(&apply);
        }
        standing.has_gone
    }
}

/// What says the lines.
struct Mouth {
    /// `None` once it is closed.
    lines: Mutex<Option<Sender<Vec<u8>>>>,
    queue: Arc<Queue>,
}

/// How it stands with the lines that are not said yet.
#[derive(Default)]
struct Queue {
    waiting: Mutex<usize>,
    room: Condvar,
}

impl Mouth {
    /// The receiver hears when everything is said after its end.
    fn open(mut output: impl Write + Send + 'static, caller: Arc<Caller>) -> (Self, Receiver<()>) {
        let (lines, to_say) = channel::<Vec<u8>>();
        let (done, closed) = channel();
        let queue = Arc::new(Queue::default());
        let said = Arc::clone(&queue);
        std::thread::spawn(move || {
            for line in to_say {
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

    /// Says it, or drops it if it is one of too many. The lines of a log are what was asked for:
    /// they wait for the caller, and nothing waits for them.
    fn say(&self, answer: &Answer) {
        let Some(line) = written(answer) else { return };
        let mut waiting = self.queue.waiting();
        if matches!(answer, Answer::Event(_)) && *waiting >= LINES_WAITING {
            if !matches!(answer, Answer::Event(Event::LogLine(_))) {
                return;
            }
            let is_full = |waiting: &mut usize| *waiting >= LINES_WAITING;
            let room = self.queue.room.wait_while(waiting, is_full);
            waiting = room.unwrap_or_else(PoisonError::into_inner);
        }
        *waiting += 1;
        if let Some(lines) = &*self.lines() {
            let _ = lines.send(line);
        }
    }

    /// Waits until everything is said, or nobody has listened for too long.
    fn close(&self, closed: &Receiver<()>) {
        *self.lines() = None;
        let _ = closed.recv_timeout(LAST_WORDS);
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

/// The line of an answer. The caller waits for a last line: one that cannot be written (a path that
/// is not UTF-8) or that the caller would not take becomes a failure that can. An event is left out.
fn written(answer: &Answer) -> Option<Vec<u8>> {
    let failed = match serde_json::to_vec(answer) {
        Ok(line) if line.len() < LONGEST_ANSWER => return Some(ended(line)),
        _ if matches!(answer, Answer::Event(_)) => return None,
        Ok(line) => too_long(answer, line.len()),
        Err(source) => {
            CommandError::refused("the agent cannot write its answer").caused_by(&source)
        }
    };
    serde_json::to_vec(&Answer::Failed(failed)).ok().map(ended)
}

fn ended(mut line: Vec<u8>) -> Vec<u8> {
    line.push(b'\n');
    line
}

/// What was done is done, also when it is too much to tell.
fn too_long(answer: &Answer, length: usize) -> CommandError {
    let kind = match answer {
        Answer::Reply(Reply::Applied { .. }) => ErrorKind::Stuck,
        _ => ErrorKind::Refused,
    };
    let most = LONGEST_ANSWER / 1024 / 1024;
    CommandError::new(kind, format!("the answer has {length} bytes, more than {most} MiB"))
        .hint("ask for fewer sites at once: --site DOMAIN")
}

/// The caller's lines, read by a thread that also sees an interruption while a request is worked
/// on. The thread ends with the process.
fn listen(
    input: impl BufRead + Send + 'static,
    caller: Arc<Caller>,
    mouth: Arc<Mouth>,
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
                        mouth.say(&Answer::LetGo);
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
                events(Event::LockHeld { holder: number.to_string() });
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
        fn answers(&self) -> Vec<Answer> {
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

    fn done() -> Answer {
        Answer::Reply(Reply::Plans { sites: Vec::new() })
    }

    #[test]
    fn requests_are_answered_in_turn_until_the_end_and_nonsense_does_not_end_it() {
        let paper = Paper::default();
        let input = Cursor::new(format!("{}nonsense\n{}", request(), request()));
        let mut host = FakeHost { events: 1, then: || {} };
        serve(&mut host, input, paper.clone(), &Interrupt::default(), |_| {});
        let answers = paper.answers();
        let event = Answer::Event(Event::LockHeld { holder: "0".into() });
        assert!(matches!(answers[0], Answer::Hello { protocol: PROTOCOL, .. }));
        assert_eq!(answers[1..3], [event.clone(), done()]);
        assert!(matches!(answers[3], Answer::Failed(_)), "{answers:?}");
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

    #[test]
    fn a_caller_that_does_not_read_holds_up_nothing_and_still_gets_the_answer() {
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
                }));
            }
            Ok(Reply::Plans { sites: Vec::new() })
        }
    }

    #[test]
    fn no_line_of_a_log_is_lost_on_a_slow_caller() {
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
            let is_said = || {
                let said = String::from_utf8_lossy(&self.paper.0.lock().unwrap()).into_owned();
                said.lines().any(|line| line.starts_with(self.last))
            };
            while !is_said() {
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
    fn unheard(confirms: bool, then: &str) -> usize {
        let ask = Ask { protocol: PROTOCOL, request: apply(), confirms };
        let (paper, count) = (Paper::default(), Arc::new(AtomicUsize::new(0)));
        let input = UntilSaid {
            lines: Cursor::new(serde_json::to_string(&ask).unwrap() + "\n"),
            paper: paper.clone(),
            last: r#"{"reply""#,
            then: Cursor::new(then.to_owned()),
        };
        let counted = Arc::clone(&count);
        let unheard = move |_: &Request| _ = counted.fetch_add(1, Ordering::SeqCst);
        let mut host = FakeHost { events: 0, then: || {} };
        let input = std::io::BufReader::new(input);
        serve(&mut host, input, paper, &Interrupt::default(), unheard);
        count.load(Ordering::SeqCst)
    }

    #[test]
    fn a_reply_that_was_not_confirmed_was_not_heard() {
        let heard = format!("{HEARD}\n");
        assert_eq!(unheard(true, &heard), 0);
        // The link was dead when the reply was written, and that shows only now.
        assert_eq!(unheard(true, ""), 1);
        // What was asked next was asked by somebody who had it.
        assert_eq!(unheard(true, &request()), 0);
        // The caller had wanted to let go just when the reply was on its way to it.
        assert_eq!(unheard(true, &format!("{LET_GO}\n{heard}")), 0);
        // One of another release does not say.
        assert_eq!(unheard(false, ""), 0);
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
    fn an_answer_that_cannot_be_written_is_a_failure_and_not_silence() {
        let paper = Paper::default();
        let input = Cursor::new(request() + &request());
        serve(&mut Unspeakable, input, paper.clone(), &Interrupt::default(), |_| {});
        let answers = paper.answers();
        assert_eq!(answers.len(), 3, "{answers:?}");
        assert!(answers[1..].iter().all(|answer| matches!(answer, Answer::Failed(_))));
    }

    /// A host with more to tell than a caller takes.
    struct Verbose;

    impl Target for Verbose {
        fn ask(&mut self, _: Request, _: &mut dyn FnMut(Event)) -> Result<Reply, CommandError> {
            Err(CommandError::refused("x".repeat(LONGEST_ANSWER)))
        }
    }

    #[test]
    fn an_answer_that_the_caller_would_not_take_is_replaced_by_its_length() {
        let paper = Paper::default();
        serve(&mut Verbose, Cursor::new(request()), paper.clone(), &Interrupt::default(), |_| {});
        assert!(paper.0.lock().unwrap().len() < 1024);
        match paper.answers().as_slice() {
            [Answer::Hello { .. }, Answer::Failed(error)] => {
                let message = error.to_string();
                assert!(message.contains("bytes, more than 8 MiB"), "{message}");
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
    fn a_log_is_followed_no_longer_than_there_is_somebody_to_see_it() {
        let logs = |follow| {
            line(Request::Logs(Box::new(LogsRequest { sites: Vec::new(), lines: 1, follow })))
        };
        let of = |follow, output: Box<dyn Write + Send>| {
            let interrupt = Interrupt::default();
            // The input ends behind the request.
            serve(&mut Logging(1), Cursor::new(logs(follow)), output, &interrupt, |_| {});
            interrupt.is_raised()
        };
        assert!(of(true, Box::new(Gone)));
        assert!(of(true, Box::<Paper>::default()));
        assert!(!of(false, Box::new(Gone)), "it ends by itself");
    }

    #[test]
    fn a_caller_that_is_gone_does_not_stop_what_was_begun() {
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
    fn an_interruption_reaches_the_request_under_way() {
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
