//! Another program, run to its end without a terminal: how it ended and what it said, within bounds.
//!
//! It leads a process group of its own, so that whatever it has started ends with it when it takes too
//! long, and Ctrl-C on our terminal reaches us alone. What stays behind after its end (a daemon that a
//! package's script has started) may hold its output open, and is waited for only a moment.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

/// Between two looks whether it has ended, or has to; a program that ends at once is seen sooner.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The first of those looks.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// How long the rest of its output is waited for once it has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Which of its streams are heard. The other is as the command has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// What it answers, for programs.
    Stdout,
    /// All that it says, in its order, for people.
    Both,
}

/// What a program may cost.
pub struct Bounds<'b> {
    /// How much of the end of what it says is kept, in bytes. All is read, so that it never blocks.
    pub kept: usize,
    /// Asked again and again with the time since its start: once it holds, the program is ended.
    pub stop: &'b dyn Fn(Duration) -> bool,
    /// What it is ended with, and all of its process group.
    pub signal: Signal,
}

impl Bounds<'_> {
    /// How it ended, and the end of what it said. Whoever ends it waits until it has.
    pub fn run(&self, command: Command, heard: Capture) -> io::Result<(Ended, Vec<u8>)> {
        self.run_with(command, heard, Stdio::null())
    }

    /// The same with something to read.
    pub fn run_with(
        &self,
        command: Command,
        heard: Capture,
        input: Stdio,
    ) -> io::Result<(Ended, Vec<u8>)> {
        let (output, write_end) = io::pipe()?;
        let child = start(command, heard, input, write_end)?;
        let streams = vec![Stream::new(output, Kept::End(self.kept))];
        let (ended, streams) = RunningChild { child, streams }.run(self)?;
        Ok((ended, streams.into_iter().flat_map(|stream| stream.said).collect()))
    }

    /// How it ended, with its answer on stdout as a whole, and the end of what it says on stderr apart from
    /// it. One whose answer is longer than `most` bytes is ended for that.
    pub fn answer(
        &self,
        mut command: Command,
        input: Stdio,
        most: usize,
    ) -> io::Result<(Ended, Answered)> {
        let ((answer, answer_end), (words, words_end)) = (io::pipe()?, io::pipe()?);
        command.stdin(input).stdout(answer_end).stderr(words_end).process_group(0);
        let child = command.spawn()?;
        // It has the write ends, see `start`.
        drop(command);
        let streams = [(answer, Kept::Beginning(most)), (words, Kept::End(self.kept))];
        let streams = streams.map(|(output, kept)| Stream::new(output, kept)).into();
        let (ended, streams) = RunningChild { child, streams }.run(self)?;
        let mut said = streams.into_iter().map(|stream| stream.said);
        let (stdout, stderr) = (said.next().unwrap_or_default(), said.next().unwrap_or_default());
        Ok((ended, Answered { stdout, stderr }))
    }
}

/// What a program answers, and what it says of it.
#[derive(Debug)]
pub struct Answered {
    /// One byte more than there may be, if it is too long.
    pub stdout: Vec<u8>,
    /// The end of it.
    pub stderr: Vec<u8>,
}

/// An input that is all there already, so that nobody has to write to it meanwhile. A pipe has room for
/// 64 KiB only.
pub fn fed(input: &[u8]) -> io::Result<File> {
    let mut memory = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
    memory.write_all(input)?;
    memory.rewind()?;
    Ok(memory)
}

/// How a program ended.
#[derive(Debug)]
pub enum Ended {
    /// With this status.
    With(ExitStatus),
    /// It was told to, see [`Bounds::stop`].
    Stopped,
}

/// What a program writes to its stdout, which is all it is for; killed when `limit` has passed, which
/// is an error. Its status is not asked for.
pub fn output(command: Command, limit: Duration) -> io::Result<Vec<u8>> {
    let bounds =
        Bounds { kept: usize::MAX, stop: &|elapsed| elapsed >= limit, signal: Signal::KILL };
    match bounds.run(command, Capture::Stdout)? {
        (Ended::With(_), said) => Ok(said),
        (Ended::Stopped, _) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// The command is dropped: it has the write end of the pipe, which would never be at its end.
fn start(
    mut command: Command,
    heard: Capture,
    input: Stdio,
    write_end: PipeWriter,
) -> io::Result<Child> {
    if heard == Capture::Both {
        command.stderr(write_end.try_clone()?);
    }
    command.stdin(input).stdout(write_end).process_group(0).spawn()
}

/// A program under way.
struct RunningChild {
    child: Child,
    streams: Vec<Stream>,
}

/// What it says on one pipe.
struct Stream {
    /// `None` once it is at its end.
    output: Option<PipeReader>,
    said: Vec<u8>,
    kept: Kept,
}

/// Which part of what is said is kept, at most so many bytes of it.
#[derive(Clone, Copy)]
enum Kept {
    End(usize),
    /// And no more may be said.
    Beginning(usize),
}

impl Stream {
    fn new(output: PipeReader, kept: Kept) -> Self {
        Self { output: Some(output), said: Vec::new(), kept }
    }

    /// Whether more was said than may be.
    fn is_over(&self) -> bool {
        matches!(self.kept, Kept::Beginning(most) if self.said.len() > most)
    }

    /// Reads a piece, for which somebody has looked whether there is one.
    fn hear(&mut self) -> io::Result<()> {
        let Some(output) = &mut self.output else { return Ok(()) };
        let mut piece = [0; 16 * 1024];
        match output.read(&mut piece)? {
            0 => self.output = None,
            read => self.said.extend_from_slice(piece.get(..read).unwrap_or_default()),
        }
        match self.kept {
            Kept::End(kept) => drop(self.said.drain(..self.said.len().saturating_sub(kept))),
            Kept::Beginning(most) => self.said.truncate(most.saturating_add(1)),
        }
        Ok(())
    }
}

impl RunningChild {
    fn run(mut self, bounds: &Bounds<'_>) -> io::Result<(Ended, Vec<Stream>)> {
        let ended = self.until_end(bounds);
        if ended.is_err() {
            // Nobody looks after it any more.
            self.send(Signal::KILL);
            let _ = self.child.wait();
        }
        Ok((ended?, self.streams))
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: how long a program takes")]
    fn until_end(&mut self, bounds: &Bounds<'_>) -> io::Result<Ended> {
        let began = Instant::now();
        let (mut look, mut is_stopped) = (FIRST_LOOK, false);
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            let is_over = self.streams.iter().any(Stream::is_over);
            if !is_stopped && (is_over || (bounds.stop)(began.elapsed())) {
                self.send(bounds.signal);
                is_stopped = true;
            }
            self.hear(look)?;
            look = LOOK_EVERY.min(2 * look);
        };
        let end = Instant::now() + LAST_WORDS;
        while !is_stopped && self.is_heard() && Instant::now() < end {
            self.hear(end.saturating_duration_since(Instant::now()))?;
        }
        Ok(if is_stopped { Ended::Stopped } else { Ended::With(status) })
    }

    /// Whether more may be said.
    fn is_heard(&self) -> bool {
        self.streams.iter().any(|stream| stream.output.is_some())
    }

    /// Waits so long, or until something is said.
    #[expect(clippy::disallowed_methods, reason = "an edge: nothing more can be heard of it")]
    fn hear(&mut self, wait: Duration) -> io::Result<()> {
        if !self.is_heard() {
            std::thread::sleep(wait);
            return Ok(());
        }
        let open = self.streams.iter().filter_map(|stream| stream.output.as_ref());
        let mut polled: Vec<_> = open.map(|output| PollFd::new(output, PollFlags::IN)).collect();
        let wait = Timespec::try_from(wait).map_err(|_| Errno::INVAL)?;
        match poll(&mut polled, Some(&wait)) {
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = polled
            .iter()
            .map(|polled| !polled.revents().is_empty())
            .collect::<Vec<_>>()
            .into_iter();
        for stream in self.streams.iter_mut().filter(|stream| stream.output.is_some()) {
            if ready.next() == Some(true) {
                stream.hear()?;
            }
        }
        Ok(())
    }

    fn send(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It is its own group's leader and not waited for yet, so nobody else has this number.
            let _ = kill_process_group(group, signal);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "runs programs")]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn shell(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    }

    fn run(text: &str, kept: usize, limit: Duration) -> (Ended, String) {
        let bounds = Bounds { kept, stop: &|elapsed| elapsed >= limit, signal: Signal::KILL };
        let (ended, said) = bounds.run(shell(text), Capture::Both).unwrap();
        (ended, String::from_utf8(said).unwrap())
    }

    /// Waits until a process is dead; a zombie that nobody has waited for yet is dead all the same.
    fn wait_until_dead(pid: &str) {
        let end = Instant::now() + PATIENCE;
        let is_dead = |stat: String| stat.contains(") Z ") || stat.contains(") X ");
        while !std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, is_dead) {
            assert!(Instant::now() < end, "{pid} still runs");
            std::thread::yield_now();
        }
    }

    #[test]
    fn both_streams_are_heard() {
        let (ended, said) = run("cat; echo one; echo two >&2; exit 3", 100, PATIENCE);
        assert!(matches!(ended, Ended::With(status) if status.code() == Some(3)));
        assert_eq!(said, "one\ntwo\n");
    }

    #[test]
    fn an_answer_is_stdout_alone() {
        let said = output(shell("echo one; echo two >&2; echo three; exit 2"), PATIENCE);
        assert_eq!(said.unwrap(), b"one\nthree\n");
    }

    /// Asks for an answer of at most so many bytes.
    fn answer(text: &str, most: usize) -> (Ended, Answered) {
        let bounds = Bounds { kept: 9, stop: &|elapsed| elapsed >= PATIENCE, signal: Signal::KILL };
        bounds.answer(shell(text), fed(&[b'x'; 100_000]).unwrap().into(), most).unwrap()
    }

    #[test]
    fn answer_and_words_are_apart() {
        let (ended, said) = answer("cat; seq 100000 >&2; exit 3", 100_000);
        assert!(matches!(ended, Ended::With(status) if status.code() == Some(3)));
        assert!(said.stdout.len() == 100_000 && said.stderr == *b"9\n100000\n", "{said:?}");
    }

    #[test]
    fn too_long_answer_ends_it() {
        for endless in ["yes", "cat; sleep 600"] {
            let (ended, said) = answer(endless, 99_999);
            assert!(matches!(ended, Ended::Stopped), "{endless}");
            assert_eq!(said.stdout.len(), 100_000);
        }
    }

    #[test]
    fn only_last_output_is_kept() {
        let (ended, said) = run("seq 100000", 13, PATIENCE);
        assert!(matches!(ended, Ended::With(status) if status.success()));
        assert_eq!(said, "99999\n100000\n"[6 + 7 - said.len()..]);
        assert_eq!(said.len(), 13);
    }

    #[test]
    fn stopped_child_takes_its_children_along() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let text = format!("sleep 600 & echo $! > {}; wait", pid.display());
        let has_begun = || std::fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'));
        let bounds = Bounds { kept: 9, stop: &|_| has_begun(), signal: Signal::KILL };
        let (ended, _) = bounds.run(shell(&text), Capture::Both).unwrap();
        assert!(matches!(ended, Ended::Stopped));
        wait_until_dead(std::fs::read_to_string(pid).unwrap().trim());
    }

    #[test]
    fn slow_ending_is_waited_for() {
        let text =
            "trap 'yes | head -c 200000; exit' TERM; echo ready; while :; do sleep 0.01; done";
        let began = Instant::now();
        let bounds = Bounds {
            kept: 9,
            stop: &|elapsed| elapsed > Duration::from_millis(200),
            signal: Signal::TERM,
        };
        let (ended, _) = bounds.run(shell(text), Capture::Both).unwrap();
        assert!(matches!(ended, Ended::Stopped) && began.elapsed() < PATIENCE);
    }

    /// What a command leaves behind holds its streams open, which is not waited for.
    #[test]
    fn leftover_child_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let began = Instant::now();
        let (ended, said) =
            run(&format!("sleep 60 & echo $! > {}; echo done", pid.display()), 100, PATIENCE);
        assert!(matches!(ended, Ended::With(status) if status.success()));
        assert!(began.elapsed() < PATIENCE);
        assert_eq!(said, "done\n");
        let pid = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }

    #[test]
    fn silent_child_is_waited_for() {
        let (ended, said) = run("echo one; exec >&- 2>&-; sleep 0.1; exit 7", 100, PATIENCE);
        assert!(matches!(ended, Ended::With(status) if status.code() == Some(7)));
        assert_eq!(said, "one\n");
    }

    #[test]
    fn late_answer_is_none() {
        for endless in ["sleep 60", "while :; do echo x; sleep 0.01; done"] {
            let said = output(shell(endless), Duration::from_millis(100));
            assert_eq!(said.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        let missing = output(Command::new("/no/such/program"), PATIENCE);
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
