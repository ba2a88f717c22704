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
use super::limits::{LONGEST_ANSWER, Limits, reads_cheaply};
use super::listening::{AskError, ChildExit, Received, WaitLimits};
use crate::api::wire::{AgentMessage, Ask, INTERRUPT, LET_GO, PROTOCOL};
use crate::api::{Reply, Request};
use crate::error::CommandError;
use crate::event::{Event, Step};
use crate::system::Interrupt;

/// How often Ctrl-C is looked for while nothing arrives.
const TICK: Duration = Duration::from_millis(200);

/// How many bytes of the child's stderr are kept, for error messages.
const STDERR_KEPT: usize = 16 * 1024;

/// How many bytes may come before the agent's hello: banners, not files.
pub(super) const LONGEST_NOISE: usize = 1024 * 1024;

/// How often a child that has closed its pipes is looked at until it has ended.
const EXIT_TICK: Duration = Duration::from_millis(5);

/// How long the child has to end once its input is closed.
pub(super) const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// A child whose far end is an agent, or will be.
#[derive(Debug)]
pub(super) struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    errors: Option<ChildStderr>,
    /// What was read from stdout beyond the last line that was taken.
    unread: Vec<u8>,
    /// How much of `unread` is known to hold no line break.
    searched: usize,
    stderr: Vec<u8>,
    /// How many bytes of stderr have arrived in all, kept or not.
    stderr_length: usize,
    /// Whether the agent wants to be told that its reply has arrived.
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
        let (unread, stderr) = (Vec::new(), Vec::new());
        let (searched, stderr_length, is_confirmed) = (0, 0, false);
        Ok(Self {
            child,
            input,
            output,
            errors,
            unread,
            searched,
            stderr,
            stderr_length,
            is_confirmed,
        })
    }

    /// The next line of stdout.
    pub(super) fn listen(&mut self, wait: WaitLimits<'_>) -> Received {
        let mut silent = Duration::ZERO;
        loop {
            if let Some(line) = self.take_line() {
                return Received::Line(line);
            }
            if self.output.is_none() {
                return Received::End;
            }
            if self.unread.len() > LONGEST_ANSWER || self.has_run_out(wait) {
                return Received::TooMuch;
            }
            if wait.interrupt.is_some_and(Interrupt::is_raised) {
                return Received::Interrupted;
            }
            silent = if self.turn(&mut &[][..]) { Duration::ZERO } else { silent + TICK };
            if wait.silence.is_some_and(|longest| silent >= longest) {
                return Received::Silence;
            }
        }
    }

    fn has_run_out(&self, wait: WaitLimits<'_>) -> bool {
        wait.stderr.is_some_and(|most| self.stderr_length > most)
            || wait.until.is_some_and(|until| now() >= until)
    }

    /// Sends all of it, listening meanwhile. An error if the far end does not take it.
    pub(super) fn send(&mut self, mut bytes: &[u8], wait: WaitLimits<'_>) -> io::Result<()> {
        let mut silent = Duration::ZERO;
        while !bytes.is_empty() {
            if self.input.is_none() || self.output.is_none() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if wait.interrupt.is_some_and(Interrupt::is_raised) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            silent = if self.turn(&mut bytes) { Duration::ZERO } else { silent + TICK };
            if wait.silence.is_some_and(|longest| silent >= longest) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// Asks the agent, which has said hello. Ctrl-C is passed on: the agent stops at its next step
    /// and replies how it ended. Where the request is limited, so is the wait for that.
    pub(super) fn ask(
        &mut self,
        request: Request,
        limits: Limits,
        interrupt: &Interrupt,
        events: &mut dyn FnMut(Event),
    ) -> Result<Reply, AskError> {
        let expected = Expected::of(&request);
        let confirms = self.is_confirmed && matches!(request, Request::Apply(_));
        let ask = Ask { protocol: PROTOCOL, request, confirms };
        let mut line = serde_json::to_vec(&ask).map_err(|e| {
            AskError::Failed(CommandError::refused("cannot write a request").caused_by(&e))
        })?;
        drop(ask);
        line.push(b'\n');
        let Limits { silence, time, events: mut room, let_go } = limits;
        let stderr = time.map(|_| self.stderr_length.saturating_add(LONGEST_NOISE));
        let until = time.map(|time| now() + time);
        let mut wait = WaitLimits { silence, stderr, until, interrupt: None };
        // What cannot be sent shows as an end below, where there may be an answer that says why.
        let _ = self.send(&line, wait);
        wait.interrupt = Some(interrupt);
        loop {
            match self.listen(wait) {
                Received::Line(line) => match parse(&line)? {
                    AgentMessage::Event(event) => {
                        room = room.map(|room| room.saturating_sub(line.len()));
                        if room == Some(0) {
                            return Err(garbled(
                                "it reports more events than such a request can cause",
                            ));
                        }
                        wait.silence = limits.silence_after(&event);
                        let step = match &event {
                            Event::Step { step, .. } => Some(step),
                            _ => None,
                        };
                        if let_go.is_some() && matches!(step, Some(Step::Update { .. })) {
                            wait.until = let_go;
                        }
                        events(event);
                    }
                    AgentMessage::Reply(reply) => {
                        expected.check(&reply).map_err(AskError::Garbled)?;
                        self.confirm(confirms);
                        return Ok(reply);
                    }
                    AgentMessage::Failed(error) => {
                        self.confirm(confirms);
                        return Err(AskError::Failed(error));
                    }
                    AgentMessage::LetGo => return self.leave(),
                    AgentMessage::Hello { .. } => return Err(garbled("it said hello once more")),
                },
                Received::TooMuch if let_go.is_some() && wait.until == let_go => {
                    // Its answer, or the reply, comes at once; else it goes on all the same.
                    wait.until = Some(now() + EXIT_TIMEOUT);
                    let line = format!("{LET_GO}\n");
                    if self.send(line.as_bytes(), wait).is_err() {
                        return self.leave();
                    }
                }
                Received::TooMuch if let_go.is_some() => return self.leave(),
                Received::Interrupted => {
                    let until = time.map(|_| now() + EXIT_TIMEOUT);
                    wait = WaitLimits { until, interrupt: None, ..wait };
                    let _ = self.send(format!("{INTERRUPT}\n").as_bytes(), wait);
                }
                // Who only looks need not be waited for once nobody wants to know.
                Received::TooMuch if interrupt.is_raised() && time.is_some() => {
                    return Err(AskError::Silent(None));
                }
                Received::TooMuch => return Err(garbled("it does not end")),
                Received::Silence => return Err(AskError::Silent(wait.silence)),
                Received::End => return Err(AskError::Lost),
            }
        }
    }

    /// Leaves the child to itself: it is neither listened to nor waited for any more.
    fn leave(&mut self) -> Result<Reply, AskError> {
        (self.input, self.output, self.errors) = (None, None, None);
        Err(AskError::LetGo)
    }

    /// Ends the child and returns how it ended.
    pub(super) fn close(mut self) -> ChildExit {
        let status = self.end();
        let stderr = String::from_utf8_lossy(&self.stderr);
        ChildExit {
            stderr: stderr.lines().map(|line| line.trim().to_owned()).collect(),
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
        let until = now() + EXIT_TIMEOUT;
        let mut noise = 0;
        while self.output.is_some() && now() < until && noise < LONGEST_NOISE {
            // What it still writes is not wanted, but a child that cannot write does not end. One
            // that never stops is not waited for.
            self.unread.clear();
            self.searched = 0;
            let before = self.stderr_length;
            self.turn(&mut &[][..]);
            noise += self.unread.len() + (self.stderr_length - before);
        }
        // A child that has closed its output may live on all the same.
        let mut ended = self.output.is_none();
        while ended && matches!(self.child.try_wait(), Ok(None)) {
            // No pipe says when it ends, if it has closed them all.
            self.turn_within(EXIT_TICK, &mut &[][..]);
            ended = now() < until;
        }
        // What is not ours to kill, as a sudo may be, is not waited for either.
        let status = (ended || self.child.kill().is_ok()).then(|| self.child.wait());
        self.drain_stderr();
        status.filter(|_| ended)
    }

    /// What is left on stderr. Its end is not waited for: a master connection that ssh leaves in
    /// the background (`ControlPersist`) keeps it open.
    fn drain_stderr(&mut self) {
        let Some(errors) = &self.errors else { return };
        if fcntl_getfl(errors)
            .and_then(|flags| fcntl_setfl(errors, flags | OFlags::NONBLOCK))
            .is_err()
        {
            return;
        }
        // As much as a pipe holds: what other processes go on to write is not waited for.
        let enough = self.stderr_length.saturating_add(64 * 1024);
        while self.stderr_length < enough && self.read_stderr() {}
    }

    fn take_line(&mut self) -> Option<String> {
        let unsearched = self.unread.get(self.searched..).unwrap_or_default();
        let Some(at) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.unread.len();
            return None;
        };
        let rest = self.unread.split_off(self.searched + at + 1);
        let mut line = std::mem::replace(&mut self.unread, rest);
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
        if wordy && !self.read_stderr() {
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
            // The far end does not read any more. Its stdout or stderr may tell why.
            Err(_) => self.input = None,
        }
    }

    fn read(&mut self) {
        let Some(output) = &mut self.output else { return };
        let mut piece = [0; 64 * 1024];
        match output.read(&mut piece) {
            Ok(0) => self.output = None,
            Ok(read) => self.unread.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if is_passing(&error) => {}
            Err(_) => self.output = None,
        }
    }

    /// Reads from stderr once; false at its end.
    fn read_stderr(&mut self) -> bool {
        let Some(errors) = &mut self.errors else { return false };
        let mut piece = [0; 4096];
        let Ok(read @ 1..) = errors.read(&mut piece) else { return false };
        self.stderr_length = self.stderr_length.saturating_add(read);
        self.stderr.extend_from_slice(piece.get(..read).unwrap_or_default());
        let too_much = self.stderr.len().saturating_sub(STDERR_KEPT);
        self.stderr.drain(..too_much);
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

fn parse(line: &str) -> Result<AgentMessage, AskError> {
    if !reads_cheaply(line) {
        return Err(garbled("it has more values than any answer needs"));
    }
    serde_json::from_str(line).map_err(|error| garbled(&error.to_string()))
}

fn garbled(how: &str) -> AskError {
    AskError::Garbled(CommandError::refused("cannot read what the agent sent").because(how))
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

    /// An agent that hangs is given up, and one that shows signs of life is not.
    #[test]
    fn hung_agent_is_given_up() {
        let quiet = Interrupt::default();
        let mut hung = agent("exec sleep 1000");
        let answer = hung.ask(plan(), limits(MOMENT), &quiet, &mut |_| {});
        assert!(matches!(answer, Err(AskError::Silent(Some(MOMENT)))), "{answer:?}");

        let sign = serde_json::to_string(&AgentMessage::Event(Event::Alive)).unwrap();
        let reply = serde_json::to_string(&AgentMessage::Reply(Reply::Plans { sites: Vec::new() }));
        let signs = format!("for i in 1 2 3 4 5 6; do echo '{sign}'; sleep 0.5; done");
        let mut slow = agent(&format!("{signs}; echo '{}'", reply.unwrap()));
        let mut heard = 0;
        let answer = slow.ask(plan(), limits(MOMENT), &quiet, &mut |_| heard += 1);
        assert!(matches!(answer, Ok(Reply::Plans { .. })), "{answer:?}");
        assert_eq!(heard, 6);
    }

    /// An interruption does not wait for ever on an agent that only looks.
    #[test]
    fn interrupted_look_is_given_up() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        let answer = agent("exec sleep 1000").ask(
            plan(),
            limits(Duration::from_secs(3600)),
            &interrupt,
            &mut |_| {},
        );
        assert!(matches!(answer, Err(AskError::Silent(None))), "{answer:?}");
    }

    /// A host that waits for supervisord may be silent for as long as it says.
    #[test]
    fn host_may_announce_its_silence() {
        let limits = Limits::of(&plan());
        let usual = limits.silence.unwrap();
        fn reading(seconds: Option<u64>) -> Event {
            Event::Reading { files: 5000, seconds }
        }
        let longer = limits.silence_after(&reading(Some(810)));
        assert_eq!(longer, Some(usual + Duration::from_secs(810)));
        assert!(limits.silence_after(&reading(Some(u64::MAX))) <= limits.time, "it has an end");
        for other in [reading(None), Event::Alive] {
            assert_eq!(limits.silence_after(&other), Some(usual));
        }

        // Silent for longer than it might be, had it not said that it waits.
        let said = serde_json::to_string(&AgentMessage::Event(reading(Some(60)))).unwrap();
        let reply = serde_json::to_string(&AgentMessage::Reply(Reply::Plans { sites: Vec::new() }));
        let mut slow = agent(&format!("echo '{said}'; sleep 3; echo '{}'", reply.unwrap()));
        let wait = Limits { silence: Some(Duration::from_secs(1)), ..limits };
        let answer = slow.ask(plan(), wait, &Interrupt::default(), &mut |_| {});
        assert!(matches!(answer, Ok(Reply::Plans { .. })), "{answer:?}");
    }

    #[test]
    fn changes_are_awaited_without_end() {
        assert!(Limits::of(&plan()).silence.is_some());
        assert_eq!(Limits::of(&Request::Setup { sites: Vec::new() }).silence, None);
    }
}
