//! The far end: reads requests, a line each, does them on this host one after the other, and
//! writes events and replies.
//!
//! It survives its caller. Lines go out through a thread of their own, so that a link that is dead
//! but does not know it yet cannot hold up an apply, and its lock, half-way.

use std::io::{BufRead, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::wire::{Answer, INTERRUPT, LONGEST_LINE, PROTOCOL, read_ask};
use crate::error::CommandError;
use crate::event::Event;
use crate::host::Target;
use crate::system::Interrupt;

/// How many lines may wait for a caller that does not read before events are dropped.
const LINES_WAITING: usize = 4096;

/// How long the last lines have to leave.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// Serves requests until the caller closes its end. A caller that goes away does not stop what was
/// begun, unless it is logs that are followed: its lines are dropped. One that sends [`INTERRUPT`]
/// does, as Ctrl-C would.
pub fn serve(
    host: &mut dyn Target,
    input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
    interrupt: &Interrupt,
) {
    let mut mouth = Mouth::open(output);
    let release = env!("CARGO_PKG_VERSION").to_owned();
    mouth.say(&Answer::Hello { protocol: PROTOCOL, release });
    let gone = Arc::new(AtomicBool::new(false));
    for line in listen(input, interrupt.clone(), Arc::clone(&gone)) {
        let mut tell = |event: Event| {
            let for_nobody = gone.load(Ordering::Relaxed) || mouth.is_silenced();
            if for_nobody && matches!(event, Event::LogLine(_) | Event::Alive) {
                interrupt.raise();
            }
            mouth.say(&Answer::Event(event));
        };
        let reply =
            line.and_then(|line| read_ask(&line)).and_then(|request| host.ask(request, &mut tell));
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
    queue: Arc<Queue>,
    closed: Receiver<()>,
}

/// The lines that were not said yet.
#[derive(Default)]
struct Queue {
    waiting: Mutex<usize>,
    said: Condvar,
    /// Nobody reads any more.
    silenced: AtomicBool,
}

impl Mouth {
    fn open(mut output: impl Write + Send + 'static) -> Self {
        let (lines, to_say) = channel::<Vec<u8>>();
        let (done, closed) = channel();
        let queue = Arc::<Queue>::default();
        let said = Arc::clone(&queue);
        std::thread::spawn(move || {
            for line in to_say {
                // Nobody reads any more: the rest is dropped, one by one.
                if output.write_all(&line).and_then(|()| output.flush()).is_err() {
                    said.silenced.store(true, Ordering::Relaxed);
                }
                *said.waiting.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
                said.said.notify_all();
            }
            let _ = done.send(());
        });
        Self { lines, queue, closed }
    }

    /// Progress that nobody takes is dropped; lines of logs are what was asked for, and wait.
    fn say(&mut self, answer: &Answer) {
        let Ok(mut line) = serde_json::to_vec(answer) else { return };
        line.push(b'\n');
        let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Answer::Event(Event::LogLine(_)) => {
                while *waiting >= LINES_WAITING {
                    waiting = self.queue.said.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
            }
            Answer::Event(_) if *waiting >= LINES_WAITING => return,
            _ => {}
        }
        *waiting += 1;
        let _ = self.lines.send(line);
    }

    /// Whether nobody reads any more.
    fn is_silenced(&self) -> bool {
        self.queue.silenced.load(Ordering::Relaxed)
    }

    /// Waits until everything is said, or nobody has listened for too long.
    fn close(self) {
        drop(self.lines);
        let _ = self.closed.recv_timeout(LAST_WORDS);
    }
}

/// The caller's lines, read by a thread that also sees an interruption while a request is worked
/// on, and the caller's going. The thread ends with the process.
fn listen(
    input: impl BufRead + Send + 'static,
    interrupt: Interrupt,
    gone: Arc<AtomicBool>,
) -> Receiver<Result<String, CommandError>> {
    let (heard, lines) = channel();
    std::thread::spawn(move || {
        let mut input = input;
        loop {
            match next_line(&mut input) {
                Ok(None) => {
                    gone.store(true, Ordering::Relaxed);
                    return;
                }
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
