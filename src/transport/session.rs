//! One session with an agent over the pipes of a child process, whatever the child is: `sudo`
//! here, `ssh` to another machine.
//!
//! All three pipes are watched by one `poll`, so that neither a flood of words on stderr nor a far
//! end that does not read can block it, and so that silence and Ctrl-C are noticed. A thread for
//! each pipe is the road not taken: three for each of hundreds of hosts.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::expected::Expected;
use super::heard::{Heard, NoReply, Parting, Patience};
use super::limits::{LONGEST_ANSWER, Limits, reads_cheaply};
use crate::api::wire::{Answer, Ask, INTERRUPT, LET_GO, PROTOCOL};
use crate::api::{Reply, Request};
use crate::error::CommandError;
use crate::event::{Event, Step};
use crate::system::Interrupt;

/// How often Ctrl-C is looked for while nothing is said.
const TICK: Duration = Duration::from_millis(200);

/// How much of the child's stderr is kept: words for a person.
const WORDS_KEPT: usize = 16 * 1024;

/// How much is said before the hello that is none: banners, not files.
pub(super) const LONGEST_NOISE: usize = 1024 * 1024;

/// How often a child that has said all is looked at until it is gone.
const BLINK: Duration = Duration::from_millis(5);

/// How long the child has to end once its input is closed.
pub(super) const PARTING: Duration = Duration::from_secs(2);

/// A child whose far end is an agent, or will be.
#[derive(Debug)]
pub(super) struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    errors: Option<ChildStderr>,
    /// What stdout has said beyond the last line that was taken.
    heard: Vec<u8>,
    /// How much of `heard` is known to hold no line break.
    searched: usize,
    words: Vec<u8>,
    /// How much stderr has said in all, kept or not.
    worded: usize,
    /// Whether the agent wants to hear that its reply has arrived.
    pub(super) is_confirmed: bool,
}

impl Session {
    /// Starts the child with its pipes.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        if let Some(input) = &input {
            // Only our end: the child's is another open file.
            let flags = fcntl_getfl(input)?;
            fcntl_setfl(input, flags | OFlags::NONBLOCK)?;
        }
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let (heard, words) = (Vec::new(), Vec::new());
        let (searched, worded, is_confirmed) = (0, 0, false);
        Ok(Self { child, input, output, errors, heard, searched, words, worded, is_confirmed })
    }

    /// The next line of stdout.
    pub(super) fn listen(&mut self, patience: Patience<'_>) -> Heard {
        let mut silent = Duration::ZERO;
        loop {
            if let Some(line) = self.take_line() {
                return Heard::Line(line);
            }
            if self.output.is_none() {
                return Heard::End;
            }
            if self.heard.len() > LONGEST_ANSWER || self.is_over(patience) {
                return Heard::TooMuch;
            }
            if patience.interrupt.is_some_and(Interrupt::is_raised) {
                return Heard::Interrupted;
            }
            silent = if self.turn(&mut &[][..]) { Duration::ZERO } else { silent + TICK };
            if patience.silence.is_some_and(|longest| silent >= longest) {
                return Heard::Silence;
            }
        }
    }

    fn is_over(&self, patience: Patience<'_>) -> bool {
        patience.words.is_some_and(|most| self.worded > most)
            || patience.until.is_some_and(|until| now() >= until)
    }

    /// Sends all of it, listening meanwhile. An error if the far end does not take it.
    pub(super) fn send(&mut self, mut bytes: &[u8], patience: Patience<'_>) -> io::Result<()> {
        let mut silent = Duration::ZERO;
        while !bytes.is_empty() {
            if self.input.is_none() || self.output.is_none() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if patience.interrupt.is_some_and(Interrupt::is_raised) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            silent = if self.turn(&mut bytes) { Duration::ZERO } else { silent + TICK };
            if patience.silence.is_some_and(|longest| silent >= longest) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// Asks the agent, which has said hello. Ctrl-C is passed on: the agent stops at its next step
    /// and says how it ended. Where the request is limited, so is the wait for that.
    pub(super) fn ask(
        &mut self,
        request: Request,
        limits: Limits,
        interrupt: &Interrupt,
        events: &mut dyn FnMut(Event),
    ) -> Result<Reply, NoReply> {
        let expected = Expected::of(&request);
        let confirms = self.is_confirmed && matches!(request, Request::Apply(_));
        let ask = Ask { protocol: PROTOCOL, request, confirms };
        let mut line = serde_json::to_vec(&ask).map_err(|e| {
            NoReply::Said(CommandError::refused("cannot write a request").caused_by(&e))
        })?;
        drop(ask);
        line.push(b'\n');
        let Limits { silence, time, events: mut room, let_go } = limits;
        let words = time.map(|_| self.worded.saturating_add(LONGEST_NOISE));
        let until = time.map(|time| now() + time);
        let mut patience = Patience { silence, words, until, interrupt: None };
        // What cannot be sent shows as an end below, where there may be an answer that says why.
        let _ = self.send(&line, patience);
        patience.interrupt = Some(interrupt);
        loop {
            match self.listen(patience) {
                Heard::Line(line) => match understood(&line)? {
                    Answer::Event(event) => {
                        room = room.map(|room| room.saturating_sub(line.len()));
                        if room == Some(0) {
                            return Err(garbled("it tells of more than such a request can cause"));
                        }
                        patience.silence = limits.silence_after(&event);
                        let step = match &event {
                            Event::Step { step, .. } => Some(step),
                            _ => None,
                        };
                        if let_go.is_some() && matches!(step, Some(Step::Update { .. })) {
                            patience.until = let_go;
                        }
                        events(event);
                    }
                    Answer::Reply(reply) => {
                        expected.check(&reply).map_err(NoReply::Garbled)?;
                        self.confirm(confirms);
                        return Ok(reply);
                    }
                    Answer::Failed(error) => {
                        self.confirm(confirms);
                        return Err(NoReply::Said(error));
                    }
                    Answer::LetGo => return self.leave(),
                    Answer::Hello { .. } => return Err(garbled("it began anew")),
                },
                Heard::TooMuch if let_go.is_some() && patience.until == let_go => {
                    // Its answer, or the reply, comes at once; else it goes on all the same.
                    patience.until = Some(now() + PARTING);
                    let line = format!("{LET_GO}\n");
                    if self.send(line.as_bytes(), patience).is_err() {
                        return self.leave();
                    }
                }
                Heard::TooMuch if let_go.is_some() => return self.leave(),
                Heard::Interrupted => {
                    let until = time.map(|_| now() + PARTING);
                    patience = Patience { until, interrupt: None, ..patience };
                    let _ = self.send(format!("{INTERRUPT}\n").as_bytes(), patience);
                }
                // Who only looks need not be waited for once nobody wants to know.
                Heard::TooMuch if interrupt.is_raised() && time.is_some() => {
                    return Err(NoReply::Silent(None));
                }
                Heard::TooMuch => return Err(garbled("it does not come to an end")),
                Heard::Silence => return Err(NoReply::Silent(patience.silence)),
                Heard::End => return Err(NoReply::Lost),
            }
        }
    }

    /// Leaves the child to itself: it is neither listened to nor waited for any more.
    fn leave(&mut self) -> Result<Reply, NoReply> {
        (self.input, self.output, self.errors) = (None, None, None);
        Err(NoReply::LetGo)
    }

    /// Ends it, and says what there is to say about the end.
    pub(super) fn part(mut self) -> Parting {
        let status = self.end();
        let words = String::from_utf8_lossy(&self.words);
        Parting {
            words: words.lines().map(|line| line.trim().to_owned()).collect(),
            status: match status {
                Some(Ok(status)) => status.to_string(),
                Some(Err(error)) => error.to_string(),
                None => "it did not end".to_owned(),
            },
        }
    }

    /// Closes the child's input and sees it off; `None` if it had to be killed.
    fn end(&mut self) -> Option<io::Result<ExitStatus>> {
        self.input = None;
        let until = now() + PARTING;
        let mut said = 0;
        while self.output.is_some() && now() < until && said < LONGEST_NOISE {
            // What is still said is not wanted, but a child that cannot say it does not end. One
            // that never stops talking is not waited for.
            self.heard.clear();
            self.searched = 0;
            let worded = self.worded;
            self.turn(&mut &[][..]);
            said += self.heard.len() + (self.worded - worded);
        }
        // A child that has closed its output may live on all the same.
        let mut ended = self.output.is_none();
        while ended && matches!(self.child.try_wait(), Ok(None)) {
            // No pipe says when it ends, if it has closed them all.
            self.turn_within(BLINK, &mut &[][..]);
            ended = now() < until;
        }
        // What is not ours to kill, as a sudo may be, is not waited for either.
        let status = (ended || self.child.kill().is_ok()).then(|| self.child.wait());
        self.last_words();
        status.filter(|_| ended)
    }

    /// What is left on stderr. Its end is not waited for: a master connection that ssh leaves in
    /// the background (`ControlPersist`) keeps it open.
    fn last_words(&mut self) {
        let Some(errors) = &self.errors else { return };
        if fcntl_getfl(errors)
            .and_then(|flags| fcntl_setfl(errors, flags | OFlags::NONBLOCK))
            .is_err()
        {
            return;
        }
        // As much as a pipe holds: what others of the child's go on to say is not waited for.
        let enough = self.worded.saturating_add(64 * 1024);
        while self.worded < enough && self.hear_words() {}
    }

    fn take_line(&mut self) -> Option<String> {
        let unsearched = self.heard.get(self.searched..).unwrap_or_default();
        let Some(at) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.heard.len();
            return None;
        };
        let rest = self.heard.split_off(self.searched + at + 1);
        let mut line = std::mem::replace(&mut self.heard, rest);
        self.searched = 0;
        while line.pop_if(|byte| matches!(byte, b'\n' | b'\r')).is_some() {}
        // No second copy of what is long and, nearly always, UTF-8.
        Some(
            String::from_utf8(line)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        )
    }

    /// Waits for at most a [`TICK`] until one of the pipes can go on, and lets it. False if none
    /// could.
    fn turn(&mut self, outgoing: &mut &[u8]) -> bool {
        self.turn_within(TICK, outgoing)
    }

    fn turn_within(&mut self, longest: Duration, outgoing: &mut &[u8]) -> bool {
        let [writable, readable, wordy] = self.ready(longest, !outgoing.is_empty());
        if writable {
            self.write(outgoing);
        }
        if readable {
            self.read();
        }
        if wordy && !self.hear_words() {
            self.errors = None;
        }
        writable || readable || wordy
    }

    /// Which of stdin, stdout and stderr can go on, within less than a second.
    fn ready(&self, longest: Duration, to_send: bool) -> [bool; 3] {
        let mut ends = [false; 3];
        let mut watched: Vec<(usize, PollFd<'_>)> = Vec::with_capacity(3);
        if let Some(input) = self.input.as_ref().filter(|_| to_send) {
            watched.push((0, PollFd::new(input, PollFlags::OUT)));
        }
        if let Some(output) = &self.output {
            watched.push((1, PollFd::new(output, PollFlags::IN)));
        }
        if let Some(errors) = &self.errors {
            watched.push((2, PollFd::new(errors, PollFlags::IN)));
        }
        let mut fds: Vec<PollFd<'_>> = watched.iter().map(|(_, fd)| fd.clone()).collect();
        let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(longest.subsec_nanos()) };
        // A signal ends the wait early, as if nothing had happened.
        if poll(&mut fds, Some(&tick)).is_ok() {
            for ((end, _), fd) in watched.iter().zip(&fds) {
                if let Some(ready) = ends.get_mut(*end) {
                    *ready = !fd.revents().is_empty();
                }
            }
        }
        ends
    }

    fn write(&mut self, outgoing: &mut &[u8]) {
        let Some(input) = &mut self.input else { return };
        match input.write(outgoing) {
            Ok(written) => *outgoing = outgoing.get(written..).unwrap_or_default(),
            Err(error) if is_passing(&error) => {}
            // The far end does not read any more; why, it may say on stdout or stderr.
            Err(_) => self.input = None,
        }
    }

    fn read(&mut self) {
        let Some(output) = &mut self.output else { return };
        let mut piece = [0; 64 * 1024];
        match output.read(&mut piece) {
            Ok(0) => self.output = None,
            Ok(read) => self.heard.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if is_passing(&error) => {}
            Err(_) => self.output = None,
        }
    }

    /// Reads from stderr once; false at its end.
    fn hear_words(&mut self) -> bool {
        let Some(errors) = &mut self.errors else { return false };
        let mut piece = [0; 4096];
        let Ok(read @ 1..) = errors.read(&mut piece) else { return false };
        self.worded = self.worded.saturating_add(read);
        self.words.extend_from_slice(piece.get(..read).unwrap_or_default());
        let too_much = self.words.len().saturating_sub(WORDS_KEPT);
        self.words.drain(..too_much);
        true
    }
}

impl Drop for Session {
    /// The agent ends when its input does.
    fn drop(&mut self) {
        if self.input.is_some() || self.output.is_some() {
            let _ = self.end();
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[expect(clippy::disallowed_methods, reason = "an edge: how long a child may go on")]
pub(super) fn now() -> Instant {
    Instant::now()
}

fn understood(line: &str) -> Result<Answer, NoReply> {
    if !reads_cheaply(line) {
        return Err(garbled("it holds more values than an answer needs"));
    }
    serde_json::from_str(line).map_err(|error| garbled(&error.to_string()))
}

fn garbled(how: &str) -> NoReply {
    NoReply::Garbled(
        CommandError::refused("the agent said something that cannot be understood").because(how),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "has a shell play the far end")]

    use super::*;
    use crate::api::Goal;
    use crate::plan::PlanOptions;

    const MOMENT: Duration = Duration::from_secs(2);

    fn plan() -> Request {
        let options = PlanOptions::default();
        Request::Plan { sites: Vec::new(), goal: Goal::Inventory, options }
    }

    /// Those of a plan, but for this silence.
    fn limits(silence: Duration) -> Limits {
        Limits { silence: Some(silence), ..Limits::of(&plan()) }
    }

    /// An agent that hears the request and does this.
    fn agent(then: &str) -> Session {
        Session::start(Command::new("sh").args(["-c", &format!("read -r line; {then}")])).unwrap()
    }

    #[test]
    fn an_agent_that_hangs_is_given_up_and_one_that_shows_signs_of_life_is_not() {
        let quiet = Interrupt::default();
        let mut hung = agent("exec sleep 1000");
        let answer = hung.ask(plan(), limits(MOMENT), &quiet, &mut |_| {});
        assert!(matches!(answer, Err(NoReply::Silent(Some(MOMENT)))), "{answer:?}");

        let sign = serde_json::to_string(&Answer::Event(Event::Alive)).unwrap();
        let reply = serde_json::to_string(&Answer::Reply(Reply::Plans { sites: Vec::new() }));
        let signs = format!("for i in 1 2 3 4 5 6; do echo '{sign}'; sleep 0.5; done");
        let mut slow = agent(&format!("{signs}; echo '{}'", reply.unwrap()));
        let mut heard = 0;
        let answer = slow.ask(plan(), limits(MOMENT), &quiet, &mut |_| heard += 1);
        assert!(matches!(answer, Ok(Reply::Plans { .. })), "{answer:?}");
        assert_eq!(heard, 6);
    }

    #[test]
    fn an_interruption_does_not_wait_for_ever_on_an_agent_that_only_looks() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        let answer = agent("exec sleep 1000").ask(
            plan(),
            limits(Duration::from_secs(3600)),
            &interrupt,
            &mut |_| {},
        );
        assert!(matches!(answer, Err(NoReply::Silent(None))), "{answer:?}");
    }

    #[test]
    fn a_host_that_waits_for_supervisord_may_be_silent_for_as_long_as_it_says() {
        let limits = Limits::of(&plan());
        let usual = limits.silence.unwrap();
        let reading = |seconds| Event::Reading { files: 5000, seconds };
        let after = |event| limits.silence_after(&event).unwrap();
        assert_eq!(after(reading(Some(810))), usual + Duration::from_secs(810));
        assert!(after(reading(Some(u64::MAX))) <= limits.time.unwrap(), "it has an end");
        for other in [reading(None), Event::Alive] {
            assert_eq!(after(other), usual);
        }

        // Silent for longer than it might be, had it not said that it waits.
        let said = serde_json::to_string(&Answer::Event(reading(Some(60)))).unwrap();
        let reply = serde_json::to_string(&Answer::Reply(Reply::Plans { sites: Vec::new() }));
        let mut slow = agent(&format!("echo '{said}'; sleep 3; echo '{}'", reply.unwrap()));
        let patience = Limits { silence: Some(Duration::from_secs(1)), ..limits };
        let answer = slow.ask(plan(), patience, &Interrupt::default(), &mut |_| {});
        assert!(matches!(answer, Ok(Reply::Plans { .. })), "{answer:?}");
    }

    #[test]
    fn what_changes_a_host_is_waited_for_for_ever() {
        assert!(Limits::of(&plan()).silence.is_some());
        assert_eq!(Limits::of(&Request::Setup { sites: Vec::new() }).silence, None);
    }
}
