//! How another machine comes to run this program: a script that finds the copy with the wanted digest, or
//! takes it over the same pipe, and becomes its agent. The same for whatever gives a shell there.

use std::io::{self, Read as _};
use std::time::Duration;

use super::interrupted;
use super::listening::{ChildExit, HandshakeError, Received, WaitLimits};
use super::payload::{Payload, Payloads};
use super::session::{LONGEST_NOISE, Session};
use crate::error::CommandError;
use crate::inventory::Privilege;
use crate::system::Interrupt;

/// The script, as people read it.
const SCRIPT: &str = include_str!("bootstrap.sh");

/// What each line for the controller has in it.
const MARK: &str = "@supervisor-sync ";

/// How long nothing may arrive before the agent runs: a login shell may hang.
pub(super) const BEGIN: Duration = Duration::from_secs(90);

/// How many lines of what is not the script's are kept, for a person.
const NOISE_KEPT: usize = 100;

/// A line of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ScriptLine {
    /// It waits for the binary: its length, a line break, its bytes. A length of 0 means that ours
    /// is for another machine.
    Need {
        /// `uname -s` and `uname -m`.
        platform: String,
    },
    /// It becomes the agent now.
    Have(Agent),
    /// It gave up.
    Fail {
        at: String,
        /// What there is to say about it.
        words: String,
    },
}

/// Which agent is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agent {
    /// Whether through sudo.
    pub(super) sudo: bool,
    /// Who is logged in.
    pub(super) user: String,
    pub(super) path: String,
}

/// Why there is no agent.
#[derive(Debug)]
pub(super) enum BootstrapError {
    /// Nothing arrived for longer than [`BEGIN`].
    Silence,
    /// The child ended before the script did.
    Ended {
        /// What it wrote to stdout that is not the script's.
        noise: Vec<String>,
        end: ChildExit,
    },
    /// The script gave up.
    GaveUp {
        at: String,
        /// What there is to say about it.
        words: String,
    },
    /// It was to run this one, which did not introduce itself.
    NotRun(Agent, ChildExit),
    /// Another failure, which says all that is known.
    Error(CommandError),
}

/// The command line for whatever hands one to a login shell, as ssh does. It holds nothing of the
/// inventory but the privilege, so there is nothing in it to quote.
pub(super) fn command(offer: &str, privilege: Option<Privilege>) -> String {
    let [sh, c, script, name, offer, privilege, agent] = arguments(offer, privilege);
    format!("exec {sh} {c} '{script}' {name} {offer} {privilege} {agent}")
}

/// The same in words, for whatever runs a program with its arguments.
pub(super) fn arguments(offer: &str, privilege: Option<Privilege>) -> [String; 7] {
    let privilege = match privilege {
        Some(Privilege::Root) => "root",
        Some(Privilege::Sudo) => "sudo",
        Some(Privilege::None) => "none",
        None => "auto",
    };
    let lines = SCRIPT.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let script = lines.collect::<Vec<_>>().join(" ");
    ["sh", "-c", &script, "supervisor-sync", offer, privilege, "agent"].map(str::to_owned)
}

/// Follows the script on a session that runs it, until its agent has introduced itself.
pub(super) fn follow(
    mut session: Session,
    payloads: &Payloads,
    interrupt: &Interrupt,
) -> Result<Session, BootstrapError> {
    let wait = WaitLimits {
        silence: Some(BEGIN),
        stderr: Some(LONGEST_NOISE),
        until: None,
        interrupt: Some(interrupt),
    };
    let mut noise = Vec::new();
    let mut noise_length = 0;
    loop {
        let heard = match session.listen(wait) {
            // A login shell that talks without end is one that never gets to us.
            Received::Line(_) if noise_length > LONGEST_NOISE => Received::TooMuch,
            heard => heard,
        };
        match heard {
            Received::Line(line) => match script_line(&line) {
                Some(ScriptLine::Need { platform }) => {
                    deliver(&mut session, payloads, &platform, wait)?;
                }
                Some(ScriptLine::Have(agent)) => return greet(session, agent, wait),
                Some(ScriptLine::Fail { at, words }) => {
                    return Err(BootstrapError::GaveUp { at, words });
                }
                None => {
                    noise_length += line.len() + 1;
                    if noise.len() < NOISE_KEPT && !line.is_empty() {
                        noise.push(line);
                    }
                }
            },
            Received::Interrupted => return Err(BootstrapError::Error(interrupted())),
            Received::Silence => return Err(BootstrapError::Silence),
            Received::End | Received::TooMuch => {
                return Err(BootstrapError::Ended { noise, end: session.close() });
            }
        }
    }
}

/// Sends the binary for a machine, or says that there is none.
fn deliver(
    session: &mut Session,
    payloads: &Payloads,
    wanted: &str,
    wait: WaitLimits<'_>,
) -> Result<(), BootstrapError> {
    let sent = match payloads.for_platform(wanted) {
        Some(payload) => send_binary(session, payload, wait),
        None => session.send(b"0\n", wait),
    };
    match sent {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            Err(BootstrapError::Error(interrupted()))
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(BootstrapError::Silence),
        // A far end that takes no more says why.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            let message = "cannot read the program to send it";
            Err(BootstrapError::Error(CommandError::refused(message).caused_by(&error)))
        }
        Ok(()) => Ok(()),
    }
}

fn send_binary(session: &mut Session, payload: &Payload, wait: WaitLimits<'_>) -> io::Result<()> {
    let mut file = payload.open()?;
    let length = payload.measured().map_or(0, |measured| measured.length);
    session.send(format!("{length}\n").as_bytes(), wait)?;
    let mut piece = vec![0; 256 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            read => session.send(piece.get(..read).unwrap_or_default(), wait)?,
        }
    }
}

fn greet(
    mut session: Session,
    agent: Agent,
    wait: WaitLimits<'_>,
) -> Result<Session, BootstrapError> {
    match session.hello(wait) {
        Ok(()) => Ok(session),
        Err(HandshakeError::OtherVersion(error)) => {
            Err(BootstrapError::Error(error.because(agent.path)))
        }
        Err(HandshakeError::Silence) => Err(BootstrapError::Silence),
        Err(HandshakeError::Interrupted) => Err(BootstrapError::Error(interrupted())),
        Err(HandshakeError::Ended) => Err(BootstrapError::NotRun(agent, session.close())),
    }
}

/// The script's line; `None` for what is not the script's.
fn script_line(line: &str) -> Option<ScriptLine> {
    let (_, line) = line.split_once(MARK)?;
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "NEED" => Some(ScriptLine::Need { platform: rest.to_owned() }),
        "FAIL" => {
            let (at, words) = rest.split_once(' ').unwrap_or((rest, ""));
            Some(ScriptLine::Fail { at: at.to_owned(), words: words.to_owned() })
        }
        "HAVE" => {
            let mut parts = rest.splitn(3, ' ');
            let sudo = parts.next()? == "sudo";
            let user = parts.next()?.to_owned();
            let path = parts.next()?.to_owned();
            Some(ScriptLine::Have(Agent { sudo, user, path }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command is one line that any login shell hands to `sh`.
    #[test]
    fn any_login_shell_takes_command() {
        let command = command("abc", None);
        let script = command
            .strip_prefix("exec sh -c '")
            .and_then(|rest| rest.strip_suffix("' supervisor-sync abc auto agent"))
            .unwrap();
        for special in ['\'', '\\', '!', '\n'] {
            assert!(!script.contains(special), "{special:?} in {script}");
        }
    }

    #[test]
    fn lines_are_told_from_noise() {
        assert_eq!(script_line("Welcome to Debian"), None);
        assert_eq!(script_line("@supervisor-sync SING"), None);
        assert_eq!(script_line("@supervisor-sync HAVE sudo deployer"), None);
        let platform = "Linux-x86_64".to_owned();
        assert_eq!(
            script_line("noise @supervisor-sync NEED Linux-x86_64"),
            Some(ScriptLine::Need { platform })
        );
        assert_eq!(
            script_line("@supervisor-sync FAIL write /home: No space left"),
            Some(ScriptLine::Fail { at: "write".into(), words: "/home: No space left".into() })
        );
        assert_eq!(
            script_line("@supervisor-sync HAVE direct root /my home/x"),
            Some(ScriptLine::Have(Agent {
                sudo: false,
                user: "root".into(),
                path: "/my home/x".into()
            }))
        );
    }
}
