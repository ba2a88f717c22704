//! This machine, as root through `sudo -n`: one process for the whole request, never a password
//! prompt.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::wire::{Answer, Ask, LONGEST_LINE, PROTOCOL, same};
use crate::error::CommandError;
use crate::event::Event;
use crate::host::{Reply, Request, Target};
use crate::system::users;

/// This machine through sudo.
#[derive(Debug)]
pub struct SudoHost {
    binary: PathBuf,
}

impl SudoHost {
    /// `binary` is this program's own path, absolute, as sudoers would name it.
    pub fn new(binary: PathBuf) -> Self {
        Self { binary }
    }

    /// The line that lets this user do it.
    fn sudoers_line(&self) -> String {
        format!("{} ALL=(root) NOPASSWD: {} agent", users::current(), self.binary.display())
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: sudo")]
    fn start(&self) -> Result<Child, CommandError> {
        Command::new("sudo")
            .args(["-n", "--"])
            .arg(&self.binary)
            .arg("agent")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| {
                CommandError::refused("cannot run sudo")
                    .caused_by(&source)
                    .hint("install sudo, or run it as root")
            })
    }
}

impl Target for SudoHost {
    fn ask(
        &mut self,
        request: Request,
        events: &mut dyn FnMut(Event),
    ) -> Result<Reply, CommandError> {
        let mut child = self.start()?;
        let mut line = serde_json::to_vec(&Ask { protocol: PROTOCOL, request })
            .map_err(|source| CommandError::refused("cannot write a request").caused_by(&source))?;
        line.push(b'\n');
        if let Some(mut input) = child.stdin.take() {
            // A sudo that refuses closes its end; its own words, read below, say more than EPIPE.
            let _ = input.write_all(&line);
        }
        let output = child.stdout.take().map(BufReader::new);
        let reply = match output {
            Some(output) => conversation(output, events),
            None => Ok(None),
        };
        let mut words = String::new();
        if let Some(stderr) = child.stderr.take() {
            // Bounded: words for a person.
            let _ = stderr.take(16 * 1024).read_to_string(&mut words);
        }
        let status = child.wait();
        match reply {
            Ok(Some(reply)) => Ok(reply),
            Err(error) => Err(error),
            Ok(None) => {
                let status = status.map_or_else(|error| error.to_string(), |s| s.to_string());
                let words = words.lines().map(str::trim).collect::<Vec<_>>().join("; ");
                Err(CommandError::refused("sudo did not run supervisor-sync")
                    .because(if words.is_empty() { status } else { words })
                    .hint(format!(
                        "allow it: echo '{}' | sudo tee /etc/sudoers.d/supervisor-sync",
                        self.sudoers_line()
                    )))
            }
        }
    }
}

/// Reads the agent's lines; `None` if it never said hello or never ended.
fn conversation(
    mut output: impl BufRead,
    events: &mut dyn FnMut(Event),
) -> Result<Option<Reply>, CommandError> {
    let broken = |source: &dyn std::error::Error| {
        CommandError::refused("the agent said something that cannot be understood")
            .caused_by(source)
    };
    loop {
        let mut line = String::new();
        let limit = LONGEST_LINE as u64 + 1;
        let read = output.by_ref().take(limit).read_line(&mut line);
        match read {
            Ok(0) => return Ok(None),
            Ok(_) if line.len() > LONGEST_LINE => {
                return Err(CommandError::refused("the agent's answer is too long"));
            }
            Ok(_) => {}
            Err(source) => return Err(broken(&source)),
        }
        match serde_json::from_str(&line).map_err(|source| broken(&source))? {
            Answer::Hello { protocol, .. } => same(protocol)?,
            Answer::Event(event) => events(event),
            Answer::Reply(reply) => return Ok(Some(reply)),
            Answer::Failed(error) => return Err(error),
        }
    }
}
