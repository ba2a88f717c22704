//! On a terminal, the hosts at work: a line each with what it does and for how long, and one that
//! counts. A line goes when its host has ended; what is printed meanwhile stays above them.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Mode;
use super::describe::EventLine;

/// How often the elapsed time is drawn.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Live {
    lines: MultiProgress,
    hosts: HashMap<String, ProgressBar>,
    total: ProgressBar,
}

impl Live {
    /// None unless people look at a terminal.
    pub(crate) fn new(mode: Mode, hosts: usize) -> Option<Self> {
        let on_terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        if mode != Mode::Text || !on_terminal {
            return None;
        }
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let total = lines.add(ProgressBar::new(hosts as u64));
        total.set_style(style("{pos} of {len} hosts have ended  {elapsed}"));
        Some(Self { lines, hosts: HashMap::new(), total })
    }

    /// A host is begun with.
    pub(crate) fn begun(&mut self, host: &str) {
        let line = ProgressBar::new_spinner().with_prefix(host.to_owned());
        line.set_style(style("{prefix:<20} {elapsed:>4}  {wide_msg}"));
        let line = self.lines.insert_before(&self.total, line);
        line.set_message("connecting");
        line.enable_steady_tick(TICK);
        self.hosts.insert(host.to_owned(), line);
    }

    /// Whether what is said of an event is shown in its host's line, and needs no line of its own.
    pub(crate) fn event(&mut self, host: &str, said: &[EventLine]) -> bool {
        let Some(line) = self.hosts.get(host) else { return false };
        let mut progress = said.iter().filter_map(|line| match line {
            EventLine::Progress(text) => Some(text),
            EventLine::Warning(_) => None,
        });
        if let Some(last) = progress.next_back() {
            line.set_message(last.clone());
        }
        // A warning has to stay.
        !said.iter().any(|line| matches!(line, EventLine::Warning(_)))
    }

    /// A host has ended.
    pub(crate) fn ended(&mut self, host: &str) {
        if let Some(line) = self.hosts.remove(host) {
            line.finish_and_clear();
            self.lines.remove(&line);
        }
        self.total.inc(1);
    }

    /// Prints in peace: the lines are cleared and drawn again below.
    pub(crate) fn above(&self, print: impl FnOnce()) {
        self.lines.suspend(print);
    }
}

impl Drop for Live {
    /// The lines go, also when the command ends early.
    fn drop(&mut self) {
        let _ = self.lines.clear();
        self.total.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
