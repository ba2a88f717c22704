//! Programs of the system, run to their end, and what they said.

use std::io;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::apt::ENVIRONMENT;
use crate::system::child::{Bounds, Capture, Ended};

/// How much of the end of what it says is kept, in bytes.
const KEPT: usize = 64 * 1024;

/// Runs it to its end; what it said, on either stream, line by line. Once `stop` holds it is asked to
/// end, with everything in its process group, and waited for.
#[expect(clippy::disallowed_methods, reason = "an edge: apt, dpkg and systemctl")]
pub(super) fn run(
    program: &str,
    arguments: &[String],
    stop: &dyn Fn(Duration) -> bool,
) -> io::Result<(Ended, Vec<String>)> {
    let mut command = Command::new(program);
    command.args(arguments).envs(ENVIRONMENT).current_dir("/");
    let bounds = Bounds { kept: KEPT, stop, signal: Signal::TERM };
    let (ended, said) = bounds.run(command, Capture::Both)?;
    let text = String::from_utf8_lossy(&said);
    Ok((ended, text.lines().map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str, stop: &dyn Fn(Duration) -> bool) -> (Ended, Vec<String>) {
        run("sh", &["-c".to_owned(), text.to_owned()], stop).unwrap()
    }

    #[test]
    fn command_runs_without_questions() {
        let (ended, said) = shell("echo $DEBIAN_FRONTEND >&2; exit 3", &|_| false);
        assert!(matches!(ended, Ended::With(status) if status.code() == Some(3)));
        assert_eq!(said, ["noninteractive"]);
    }

    #[test]
    fn it_ends_when_told_to() {
        let (ended, _) = shell("sleep 60", &|elapsed| elapsed > Duration::from_millis(50));
        assert!(matches!(ended, Ended::Stopped));
    }
}
