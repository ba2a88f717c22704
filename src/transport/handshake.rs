//! How a session with an agent begins, and how an answer of it is confirmed.

use super::heard::{Heard, NoHello, Patience};
use super::session::{LONGEST_NOISE, PARTING, Session, now};
use crate::api::wire::{Answer, HEARD, same};

impl Session {
    /// Passes over whatever is said until the agent introduces itself.
    pub(super) fn hello(&mut self, patience: Patience<'_>) -> Result<(), NoHello> {
        let mut noise = 0;
        loop {
            match self.listen(patience) {
                Heard::Line(line) => {
                    let begin = line.find("{\"hello\":").unwrap_or(0);
                    let said = line.get(begin..).unwrap_or_default();
                    if let Ok(Answer::Hello { protocol, confirmed, .. }) =
                        serde_json::from_str(said)
                    {
                        self.is_confirmed = confirmed;
                        return same(protocol).map_err(NoHello::Other);
                    }
                    noise += line.len();
                    if noise > LONGEST_NOISE {
                        return Err(NoHello::Ended);
                    }
                }
                Heard::End | Heard::TooMuch => return Err(NoHello::Ended),
                Heard::Silence => return Err(NoHello::Silence),
                Heard::Interrupted => return Err(NoHello::Interrupted),
            }
        }
    }

    /// Says that the answer is here. An agent that does not hear it tells the answer once more.
    pub(super) fn confirm(&mut self, confirms: bool) {
        if confirms {
            let until = Some(now() + PARTING);
            let patience = Patience { silence: Some(PARTING), words: None, until, interrupt: None };
            let _ = self.send(format!("{HEARD}\n").as_bytes(), patience);
        }
    }
}
