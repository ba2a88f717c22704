//! What is shown again and again: in place on a terminal, one after the other in a log.

use super::live::size;
use super::{Live, Mode, Page, Screen};

/// The same thing at one time after the other.
pub(crate) struct Frames<'s> {
    screen: &'s mut Screen,
    /// Whether they replace each other, on a second screen of the terminal.
    in_place: bool,
    /// The last one, which stays when that is gone.
    last: Option<Page>,
}

impl<'s> Frames<'s> {
    pub(crate) fn begin(screen: &'s mut Screen) -> Self {
        let in_place = screen.live().is_some_and(Live::moves);
        if in_place {
            screen.print_painted("\x1b[?1049h");
        }
        Self { screen, in_place, last: None }
    }

    /// Where the next one is written.
    pub(crate) fn aside(&self) -> Screen {
        self.screen.asides()()
    }

    /// Shows what there is at this time.
    pub(crate) fn show(&mut self, page: Page, at: jiff::Timestamp) {
        let at = format!("{at:.0}");
        if self.in_place {
            self.screen.print_painted(&frame(&page.text(), &at, size().1));
            self.last = Some(page);
        } else {
            if self.screen.mode() == Mode::Text {
                self.screen.print(&format!("{at}\n"));
            }
            self.screen.show(page);
            self.screen.print("\n");
        }
    }
}

/// However it ends.
impl Drop for Frames<'_> {
    fn drop(&mut self) {
        if self.in_place {
            self.screen.print_painted("\x1b[?1049l");
            self.last.take().into_iter().for_each(|page| self.screen.show(page));
        }
    }
}

/// A text from the top of the terminal on, with what has no room counted. A line that is too long is cut off
/// by the terminal, which knows how wide it is.
fn frame(text: &str, at: &str, rows: usize) -> String {
    let room = rows.saturating_sub(3).max(1);
    let all = text.lines().count();
    let shown = if all > room { room - 1 } else { all };
    let mut frame = format!("\x1b[H\x1b[?7lEvery 2 s until Ctrl-C, now {at}\x1b[K\r\n");
    for line in text.lines().take(shown) {
        frame.push_str(line);
        frame.push_str("\x1b[K\r\n");
    }
    if all > shown {
        frame.push_str(&format!("and {} lines more\x1b[K\r\n", all - shown));
    }
    frame.push_str("\x1b[J\x1b[?7h");
    frame
}
