//! The lines between a caller and its agent. Pure.
//!
//! Both ends are the same release by construction when the caller brings the binary along; where
//! they are not, the version says so before anything is done.

use serde::{Deserialize, Serialize};

use super::{Reply, Request};
use crate::error::CommandError;
use crate::event::Event;

/// The version of the lines. Raised whenever an older end would misread a newer one.
pub const PROTOCOL: u32 = 4;

/// The line that tells the agent to stop at its next step, as Ctrl-C does. Not an [`Ask`]: it is not
/// answered, the request under way is.
pub const INTERRUPT: &str = r#"{"interrupt":true}"#;

/// The line that tells the agent to go on without its caller, which stops listening. Answered by
/// [`AgentMessage::LetGo`], or by the reply that is on its way already.
pub const LET_GO: &str = r#"{"let_go":true}"#;

/// The line that tells the agent that its reply has arrived. Only said to an agent that knows it, and
/// where the request promised it: a reply that was written has not arrived yet, since a dead link takes
/// what it is given.
pub const HEARD: &str = r#"{"heard":true}"#;

/// The longest request that is accepted, in bytes: every site of a large inventory fits well. What an
/// agent answers is bounded more tightly, see `limits.rs`: it may be anybody.
pub const LONGEST_ASK: usize = 64 * 1024 * 1024;

/// A line to the agent; each is answered before the next is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// [`PROTOCOL`] of the caller.
    pub protocol: u32,
    /// What is asked.
    pub request: Request,
    /// Whether the caller says [`HEARD`] once it has the reply.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirms: bool,
}

/// A line from the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentMessage {
    /// The first line: the agent runs, and speaks this version.
    Hello {
        /// [`PROTOCOL`] of the agent.
        protocol: u32,
        /// The agent's release.
        release: String,
        /// Whether it knows [`HEARD`].
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        confirmed: bool,
    },
    /// Something happened while a request is worked on; its reply comes later.
    Event(Event),
    /// The last line of a request that was answered.
    Reply(Reply),
    /// The last line of one that could not be.
    Failed(CommandError),
    /// To [`LET_GO`]: there will be no reply.
    LetGo,
}

/// Just enough of [`Ask`] to tell its version when the rest is of another one.
#[derive(Deserialize)]
struct Version {
    protocol: u32,
}

/// Reads the caller's line.
pub fn read_ask(line: &str) -> Result<Ask, CommandError> {
    let Version { protocol } = parse(line)?;
    same(protocol)?;
    parse(line)
}

fn parse<'l, T: Deserialize<'l>>(line: &'l str) -> Result<T, CommandError> {
    serde_json::from_str(line).map_err(|source| {
        CommandError::refused("the agent cannot read the request it was sent").caused_by(&source)
    })
}

/// Whether the other end speaks our version.
pub fn same(protocol: u32) -> Result<(), CommandError> {
    if protocol == PROTOCOL {
        return Ok(());
    }
    Err(CommandError::refused(format!(
        "the other end speaks version {protocol}, this supervisor-sync speaks {PROTOCOL}"
    ))
    .hint("install the same supervisor-sync on both ends"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Goal;
    use crate::plan::PlanOptions;

    #[test]
    fn a_request_survives_the_wire() {
        let request = Request::Plan {
            sites: Vec::new(),
            goal: Goal::Revision(3),
            options: PlanOptions::default(),
        };
        for confirms in [false, true] {
            let ask = Ask { protocol: PROTOCOL, request: request.clone(), confirms };
            let line = serde_json::to_string(&ask).unwrap();
            assert_eq!(line.contains("confirms"), confirms, "another release does not know it");
            assert_eq!(read_ask(&line), Ok(ask));
        }
    }

    /// Another version is refused with a hint, even if the rest of it is unknown.
    #[test]
    fn other_protocol_version_is_refused() {
        let error = read_ask(r#"{"protocol":99,"request":{"request":"sing"}}"#).unwrap_err();
        assert!(error.message.contains("speaks version 99"), "{error}");
        assert!(!error.hints.is_empty());
        for garbage in ["", "[]", "{}", "{\"protocol\":2}", "{\"protocol\":2,\"request\":7}"] {
            assert!(read_ask(garbage).is_err(), "{garbage}");
        }
    }
}
