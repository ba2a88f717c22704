//! How a session with an agent begins, and how an answer of it is confirmed.

use super::listening::{HandshakeError, Received, WaitLimits};
use super::session::{EXIT_TIMEOUT, LONGEST_NOISE, Session, now};
use crate::api::wire::{AgentMessage, HEARD, same};

impl Session {
    /// Passes over whatever is said until the agent introduces itself.
    pub(super) fn hello(&mut self, wait: WaitLimits<'_>) -> Result<(), HandshakeError> {
        let mut noise = 0;
        loop {
            match self.listen(wait) {
                Received::Line(line) => {
                    let begin = line.find("{\"hello\":").unwrap_or(0);
                    let said = line.get(begin..).unwrap_or_default();
                    if let Ok(AgentMessage::Hello { protocol, confirmed, .. }) =
                        serde_json::from_str(said)
                    {
                        self.is_confirmed = confirmed;
                        return same(protocol).map_err(HandshakeError::OtherVersion);
                    }
                    noise += line.len();
                    if noise > LONGEST_NOISE {
                        return Err(HandshakeError::Ended);
                    }
                }
                Received::End | Received::TooMuch => return Err(HandshakeError::Ended),
                Received::Silence => return Err(HandshakeError::Silence),
                Received::Interrupted => return Err(HandshakeError::Interrupted),
            }
        }
    }

    /// Says that the answer is here. An agent that does not hear it tells the answer once more.
    pub(super) fn confirm(&mut self, confirms: bool) {
        if confirms {
            let until = Some(now() + EXIT_TIMEOUT);
            let wait =
                WaitLimits { silence: Some(EXIT_TIMEOUT), stderr: None, until, interrupt: None };
            let _ = self.send(format!("{HEARD}\n").as_bytes(), wait);
        }
    }
}
