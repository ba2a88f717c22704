//! A command whose exit status is the answer.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;

use crate::supervisord::words;
use crate::system::child::{Bounds, Capture, Ended};

/// How much of the end of its output is kept, in bytes.
const KEPT: usize = 4 * 1024;

/// Runs it as we are, in `/`, without a shell. Past `timeout` it is killed, with everything in its
/// process group.
#[expect(clippy::disallowed_methods, reason = "an edge: runs the inventory's own command")]
pub(super) fn run(command: &str, timeout: Duration) -> Result<(), String> {
    let words = words::split(command)?;
    let (program, arguments) = words.split_first().ok_or("is empty")?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/");
    let bounds = Bounds { kept: KEPT, stop: &|elapsed| elapsed >= timeout, signal: Signal::KILL };
    let (ended, said) =
        bounds.run(command, Capture::Both).map_err(|error| format!("cannot be run: {error}"))?;
    match ended {
        Ended::Stopped => Err("did not end".to_owned()),
        Ended::With(status) if status.success() => Ok(()),
        Ended::With(status) => {
            let said = last_line(&said);
            let said = if said.is_empty() { said } else { format!(": {said}") };
            Err(format!("{}{said}", described(status)))
        }
    }
}

fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exits with status {code}"),
        (None, Some(signal)) => format!("is killed by signal {signal}"),
        (None, None) => "ends in an unknown way".to_owned(),
    }
}

fn last_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn last_line_explains_failed_command() {
        assert_eq!(run("true", PATIENCE), Ok(()));
        assert_eq!(run("false", PATIENCE), Err("exits with status 1".to_owned()));
        let said = run("sh -c 'echo one; echo \"two  \" >&2; echo; exit 7'", PATIENCE);
        assert_eq!(said, Err("exits with status 7: two".to_owned()));
        let killed = run("sh -c 'kill -9 $$'", PATIENCE);
        assert_eq!(killed, Err("is killed by signal 9".to_owned()));
        let missing = run("/no/such/command", PATIENCE).unwrap_err();
        assert!(missing.starts_with("cannot be run: No such file"), "{missing}");
    }

    #[test]
    fn endless_output_is_ended() {
        assert_eq!(run("yes", Duration::from_millis(300)), Err("did not end".to_owned()));
    }
}
