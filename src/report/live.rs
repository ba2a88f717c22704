//! What hosts do and wait for, while they do: on a terminal as lines below everything else, which move,
//! and in a log as a line now and then.

use std::io::{IsTerminal, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::termios::tcgetwinsize;

use super::describe::EventLine;
use super::waits::Waits;
use crate::event::Event;
use crate::fleet::Watcher;
use crate::system::{Clock as _, SystemClock};

/// How often it is looked at whether the lines differ: also how soon a terminal of another size is noticed.
const TICK: Duration = Duration::from_millis(200);
/// The size of a terminal that does not say.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// The lines of hosts at work, for whoever has something to tell of them.
#[derive(Debug, Clone)]
pub(crate) struct Live(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    clock: SystemClock,
    /// Whether lines can move.
    on_terminal: bool,
}

#[derive(Debug, Default)]
struct State {
    waits: Waits,
    /// The lines that are on the terminal now.
    drawn: Vec<String>,
    /// Whether somebody looks at the time.
    ticks: bool,
}

impl Live {
    /// Where somebody looks on, the lines may move; what goes to a file or through a pipe is a log.
    pub(crate) fn new(may_move: bool) -> Self {
        let on_terminal =
            may_move && std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        Self(Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            clock: SystemClock::start(),
            on_terminal: on_terminal && !is_dumb(),
        }))
    }

    /// So many hosts are to be worked on.
    pub(crate) fn expect(&self, hosts: usize) {
        self.change(|waits, _| waits.expect(hosts));
    }

    /// A host begins to work.
    pub(crate) fn begun(&self, host: &str) {
        self.change(|waits, now| waits.begun(host, now));
    }

    /// Something happened on a host, of which this is said. Returns what of that needs a line of its own.
    pub(crate) fn event(&self, host: &str, event: &Event, said: Vec<EventLine>) -> Vec<EventLine> {
        let mut said = self.change(|waits, now| waits.event(host, event, said, now));
        if self.0.on_terminal {
            // A warning has to stay.
            said.retain(|line| matches!(line, EventLine::Warning(_)));
        }
        said
    }

    /// A host has ended its work.
    pub(crate) fn ended(&self, host: &str) {
        self.change(|waits, _| waits.ended(host));
    }

    /// Nothing is waited for any more: the lines go.
    pub(crate) fn finish(&self) {
        self.expect(0);
    }

    /// How long the program has run.
    pub(crate) fn now(&self) -> Duration {
        self.0.clock.now()
    }

    /// Whether what happens on a host is shown in lines that move.
    pub(crate) fn moves(&self) -> bool {
        self.0.on_terminal
    }

    /// Prints in peace: the lines are taken away and drawn again below.
    pub(crate) fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        let mut state = self.0.lock();
        write(&state.take_away());
        let printed = print();
        self.0.draw(&mut state);
        printed
    }

    fn change<T>(&self, change: impl FnOnce(&mut Waits, Duration) -> T) -> T {
        let mut state = self.0.lock();
        let changed = change(&mut state.waits, self.0.clock.now());
        self.0.draw(&mut state);
        if !state.waits.is_empty() && !state.ticks {
            let shared = Arc::clone(&self.0);
            // Without a thread the lines move when something happens, and not in between.
            let spawned = std::thread::Builder::new().spawn(move || shared.tick());
            state.ticks = spawned.is_ok();
        }
        self.0.changed.notify_all();
        changed
    }
}

impl Watcher for Live {
    fn asked(&self, host: &str) {
        self.change(|waits, now| waits.asked(host, now));
    }

    fn answered(&self, host: &str) {
        self.change(|waits, _| waits.answered(host));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the lines move for as long as the program runs.
    fn tick(&self) {
        let mut state = self.lock();
        loop {
            state = match state.waits.is_empty() {
                true => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                false => {
                    let waited = self.changed.wait_timeout(state, TICK);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            self.draw(&mut state);
        }
    }

    /// Brings the terminal, or the log, up to date.
    fn draw(&self, state: &mut State) {
        let now = self.clock.now();
        if !self.on_terminal {
            for line in state.waits.reminders(now) {
                write(&(line + "\n"));
            }
            return;
        }
        let lines = match state.waits.is_empty() {
            true => Vec::new(),
            false => state.waits.lines(now, size()),
        };
        if lines != state.drawn {
            // In one piece, or it flickers.
            let back = match lines.len() {
                0 | 1 => "\r".to_owned(),
                lines => format!("\r\x1b[{}A", lines - 1),
            };
            // What no longer fits is cut off, not wrapped: a terminal may have become narrower just now.
            let (no_wrap, wrap) = ("\x1b[?7l", "\x1b[?7h");
            let text = lines.join("\r\n");
            write(&format!("{}{no_wrap}{text}{wrap}{back}", state.take_away()));
            state.drawn = lines;
        }
    }
}

impl State {
    /// What takes the lines away. The cursor waits at the beginning of the first: wherever a terminal of
    /// another width has put them since, and into however many rows, they are what is below it.
    fn take_away(&mut self) -> String {
        match std::mem::take(&mut self.drawn).len() {
            0 => String::new(),
            1 => "\r\x1b[K".to_owned(),
            // Not from the first row: some keep as history what is cleared from the top of the screen.
            _ => "\r\x1b[K\x1b[1B\x1b[J\x1b[1A".to_owned(),
        }
    }
}

/// A reader that went away is no reason to stop an apply half-way.
fn write(text: &str) {
    if !text.is_empty() {
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// The columns and rows of the terminal now, without the last column, after which some begin a new line.
pub(super) fn size() -> (usize, usize) {
    let size = tcgetwinsize(std::io::stderr()).ok().filter(|size| size.ws_col > 1);
    size.map_or(USUAL_SIZE, |size| (usize::from(size.ws_col) - 1, usize::from(size.ws_row)))
}

/// Whether the terminal can only print.
#[expect(clippy::disallowed_methods, reason = "an edge: the kind of terminal")]
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}
