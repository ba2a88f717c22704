//! How another machine comes to run this program: a script that finds the copy with the wanted digest, or
//! takes it over the same pipe, and becomes its agent. The same for whatever gives a shell there.

use std::io::{self, Read as _};
use std::time::Duration;

use super::heard::{Heard, NoHello, Parting, Patience};
use super::interrupted;
use super::payload::{Payload, platform};
use super::session::{LONGEST_NOISE, Session};
use crate::error::CommandError;
use crate::inventory::Privilege;
use crate::system::Interrupt;

/// The script, as people read it.
const SCRIPT: &str = include_str!("bootstrap.sh");

/// What each line for the controller has in it.
const MARK: &str = "@supervisor-sync ";

/// How long nothing may be said before the agent runs: a login shell may hang.
pub(super) const BEGIN: Duration = Duration::from_secs(90);

/// How many lines of what is not the script's are kept, for a person.
const NOISE_KEPT: usize = 100;

/// A line of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
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
        /// At what.
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
    /// The binary.
    pub(super) path: String,
}

/// Why there is no agent.
#[derive(Debug)]
pub(super) enum NoAgent {
    /// Nothing was said for longer than [`BEGIN`].
    Silence,
    /// The script never came to its end: what was said in its place, and how the child ended.
    Ended {
        /// What was heard that is not the script's.
        noise: Vec<String>,
        /// How it ended.
        end: Parting,
    },
    /// The script gave up.
    GaveUp {
        /// At what.
        at: String,
        /// What there is to say about it.
        words: String,
    },
    /// It was to run this one, which did not introduce itself.
    NotRun(Agent, Parting),
    /// What to say of it is known.
    Error(CommandError),
}

/// The command line for whatever hands one to a login shell, as ssh does. It holds nothing of the
/// inventory but the privilege, so there is nothing in it to quote.
pub(super) fn command(digest: &str, privilege: Option<Privilege>) -> String {
    let [sh, c, script, name, digest, privilege] = arguments(digest, privilege);
    format!("exec {sh} {c} '{script}' {name} {digest} {privilege}")
}

/// The same in words, for whatever runs a program with its arguments.
pub(super) fn arguments(digest: &str, privilege: Option<Privilege>) -> [String; 6] {
    let privilege = match privilege {
        Some(Privilege::Root) => "root",
        Some(Privilege::Sudo) => "sudo",
        Some(Privilege::None) => "none",
        None => "auto",
    };
    let lines = SCRIPT.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let script = lines.collect::<Vec<_>>().join(" ");
    ["sh", "-c", &script, "supervisor-sync", digest, privilege].map(str::to_owned)
}

/// Follows the script on a session that runs it, until its agent has introduced itself.
pub(super) fn follow(
    mut session: Session,
    payload: &Payload,
    interrupt: &Interrupt,
) -> Result<Session, NoAgent> {
    let patience = Patience {
        silence: Some(BEGIN),
        words: Some(LONGEST_NOISE),
        until: None,
        interrupt: Some(interrupt),
    };
    let mut noise = Vec::new();
    let mut said_in_all = 0;
    loop {
        let heard = match session.listen(patience) {
            // A login shell that talks without end is one that never gets to us.
            Heard::Line(_) if said_in_all > LONGEST_NOISE => Heard::TooMuch,
            heard => heard,
        };
        match heard {
            Heard::Line(line) => match said(&line) {
                Some(Said::Need { platform }) => {
                    deliver(&mut session, payload, &platform, patience)?;
                }
                Some(Said::Have(agent)) => return greet(session, agent, patience),
                Some(Said::Fail { at, words }) => return Err(NoAgent::GaveUp { at, words }),
                None => {
                    said_in_all += line.len() + 1;
                    if noise.len() < NOISE_KEPT && !line.is_empty() {
                        noise.push(line);
                    }
                }
            },
            Heard::Interrupted => return Err(NoAgent::Error(interrupted())),
            Heard::Silence => return Err(NoAgent::Silence),
            Heard::End | Heard::TooMuch => {
                return Err(NoAgent::Ended { noise, end: session.part() });
            }
        }
    }
}

/// Sends the binary, or says that ours is for another machine.
fn deliver(
    session: &mut Session,
    payload: &Payload,
    wanted: &str,
    patience: Patience<'_>,
) -> Result<(), NoAgent> {
    let sent = match wanted == platform() {
        true => send_binary(session, payload, patience),
        false => session.send(b"0\n", patience),
    };
    match sent {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            Err(NoAgent::Error(interrupted()))
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(NoAgent::Silence),
        // A far end that takes no more says why.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            let message = "cannot read this program to send it";
            Err(NoAgent::Error(CommandError::refused(message).caused_by(&error)))
        }
        Ok(()) => Ok(()),
    }
}

fn send_binary(session: &mut Session, payload: &Payload, patience: Patience<'_>) -> io::Result<()> {
    let mut file = payload.open()?;
    let length = payload.measured().map_or(0, |measured| measured.length);
    session.send(format!("{length}\n").as_bytes(), patience)?;
    let mut piece = vec![0; 256 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            read => session.send(piece.get(..read).unwrap_or_default(), patience)?,
        }
    }
}

fn greet(mut session: Session, agent: Agent, patience: Patience<'_>) -> Result<Session, NoAgent> {
    match session.hello(patience) {
        Ok(()) => Ok(session),
        Err(NoHello::Other(error)) => Err(NoAgent::Error(error.because(agent.path))),
        Err(NoHello::Silence) => Err(NoAgent::Silence),
        Err(NoHello::Interrupted) => Err(NoAgent::Error(interrupted())),
        Err(NoHello::Ended) => Err(NoAgent::NotRun(agent, session.part())),
    }
}

/// What the script says; `None` for what is not its.
fn said(line: &str) -> Option<Said> {
    let (_, said) = line.split_once(MARK)?;
    let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
    match word {
        "NEED" => Some(Said::Need { platform: rest.to_owned() }),
        "FAIL" => {
            let (at, words) = rest.split_once(' ').unwrap_or((rest, ""));
            Some(Said::Fail { at: at.to_owned(), words: words.to_owned() })
        }
        "HAVE" => {
            let mut parts = rest.splitn(3, ' ');
            let sudo = parts.next()? == "sudo";
            let user = parts.next()?.to_owned();
            let path = parts.next()?.to_owned();
            Some(Said::Have(Agent { sudo, user, path }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_one_line_that_any_login_shell_hands_to_sh() {
        let command = command("abc", None);
        let script = command
            .strip_prefix("exec sh -c '")
            .and_then(|rest| rest.strip_suffix("' supervisor-sync abc auto"))
            .unwrap();
        for special in ['\'', '\\', '!', '\n'] {
            assert!(!script.contains(special), "{special:?} in {script}");
        }
    }

    #[test]
    fn lines_are_told_from_noise() {
        assert_eq!(said("Welcome to Debian"), None);
        assert_eq!(said("@supervisor-sync SING"), None);
        assert_eq!(said("@supervisor-sync HAVE sudo deployer"), None);
        let platform = "Linux-x86_64".to_owned();
        assert_eq!(said("noise @supervisor-sync NEED Linux-x86_64"), Some(Said::Need { platform }));
        assert_eq!(
            said("@supervisor-sync FAIL write /home: No space left"),
            Some(Said::Fail { at: "write".into(), words: "/home: No space left".into() })
        );
        assert_eq!(
            said("@supervisor-sync HAVE direct root /my home/x"),
            Some(Said::Have(Agent { sudo: false, user: "root".into(), path: "/my home/x".into() }))
        );
    }
}
