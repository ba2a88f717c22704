//! The far end: reads requests, a line each, does them on this host one after the other, and
//! writes events and replies.
//!
//! It survives its caller. Lines go out through a thread of their own, so that a link that is dead
//! but does not know it yet cannot hold up an apply, and its lock, half-way.

use std::io::{BufRead, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::wire::{Answer, INTERRUPT, LONGEST_LINE, PROTOCOL, read_ask};
use crate::error::CommandError;
use crate::host::Target;
use crate::system::Interrupt;

/// How many lines may wait for a caller that does not read before events are dropped.
const LINES_WAITING: usize = 4096;

/// How long the last lines have to leave.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// Serves requests until the caller closes its end. A caller that goes away does not stop what was
/// begun: its lines are dropped. One that sends [`INTERRUPT`] does, as Ctrl-C would.
pub fn serve(
    host: &mut dyn Target,
    input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
    interrupt: &Interrupt,
) {
    let mut mouth = Mouth::open(output);
    let release = env!("CARGO_PKG_VERSION").to_owned();
    mouth.say(&Answer::Hello { protocol: PROTOCOL, release });
    for line in listen(input, interrupt.clone()) {
        let reply = line
            .and_then(|line| read_ask(&line))
            .and_then(|request| host.ask(request, &mut |event| mouth.say(&Answer::Event(event))));
        mouth.say(&match reply {
            Ok(reply) => Answer::Reply(reply),
            Err(error) => Answer::Failed(error),
        });
    }
    mouth.close();
}

/// What says the lines.
struct Mouth {
    lines: Sender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    closed: Receiver<()>,
}

impl Mouth {
    fn open(mut output: impl Write + Send + 'static) -> Self {
        let (lines, to_say) = channel::<Vec<u8>>();
        let (done, closed) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let said = Arc::clone(&waiting);
        std::thread::spawn(move || {
            for line in to_say {
                // Nobody reads any more: the rest is dropped, one by one.
                let _ = output.write_all(&line).and_then(|()| output.flush());
                said.fetch_sub(1, Ordering::Relaxed);
            }
            let _ = done.send(());
        });
        Self { lines, waiting, closed }
    }

    fn say(&mut self, answer: &Answer) {
        let is_event = matches!(answer, Answer::Event(_));
        if is_event && self.waiting.load(Ordering::Relaxed) >= LINES_WAITING {
            return;
        }
        if let Ok(mut line) = serde_json::to_vec(answer) {
            line.push(b'\n');
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let _ = self.lines.send(line);
        }
    }

    /// Waits until everything is said, or nobody has listened for too long.
    fn close(self) {
        drop(self.lines);
        let _ = self.closed.recv_timeout(LAST_WORDS);
    }
}

/// The caller's lines, read by a thread that also sees an interruption while a request is worked
/// on. The thread ends with the process.
fn listen(
    input: impl BufRead + Send + 'static,
    interrupt: Interrupt,
) -> Receiver<Result<String, CommandError>> {
    let (heard, lines) = channel();
    std::thread::spawn(move || {
        let mut input = input;
        loop {
            match next_line(&mut input) {
                Ok(None) => return,
                Ok(Some(line)) if line.trim() == INTERRUPT => interrupt.raise(),
                Ok(Some(line)) => {
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
    let limit = LONGEST_LINE as u64 + 1;
    let read = input.by_ref().take(limit).read_line(&mut line).map_err(|source| {
        CommandError::refused("the agent cannot read its request").caused_by(&source)
    })?;
    if line.len() > LONGEST_LINE {
        return Err(CommandError::refused("the request is too long"));
    }
    Ok((read > 0).then_some(line))
}
