//! Programs of the system, run to their end without a terminal, and what they said.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::apt::ENVIRONMENT;

/// Between two looks whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long the end of its output is waited for once it has ended: a daemon that a package's script
/// has started may hold it open.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How much of what it says is kept.
const KEPT: usize = 64 * 1024;

/// How a program ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With this status.
    With(ExitStatus),
    /// It was told to, see [`run`].
    Stopped,
}

/// Runs it to its end; what it said, on either stream, line by line. Once `stop` holds it is killed
/// with everything in its process group. Ctrl-C on the terminal does not reach it.
#[expect(clippy::disallowed_methods, reason = "an edge: apt, dpkg and systemctl")]
pub(super) fn run(
    program: &str,
    arguments: &[String],
    stop: &dyn Fn(Duration) -> bool,
) -> io::Result<(Ended, Vec<String>)> {
    let (output, write_end) = io::pipe()?;
    let second = write_end.try_clone()?;
    let mut child = Command::new(program)
        .args(arguments)
        .envs(ENVIRONMENT)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(write_end)
        .stderr(second)
        .process_group(0)
        .spawn()?;
    let (sender, pieces) = channel();
    std::thread::Builder::new().spawn(move || read(output, &sender))?;
    let began = Instant::now();
    let mut said = Vec::new();
    let ended = loop {
        while let Ok(piece) = pieces.try_recv() {
            keep(&mut said, piece);
        }
        if let Some(status) = child.try_wait()? {
            break Ended::With(status);
        }
        if stop(began.elapsed()) {
            kill(&mut child);
            break Ended::Stopped;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    hear_out(&pieces, &mut said);
    let text = String::from_utf8_lossy(&said);
    Ok((ended, text.lines().map(str::to_owned).collect()))
}

fn read(mut output: io::PipeReader, sender: &Sender<Vec<u8>>) {
    let mut piece = vec![0; 4096];
    while let Ok(read @ 1..) = output.read(&mut piece) {
        let piece = piece.get(..read).unwrap_or_default().to_vec();
        if sender.send(piece).is_err() {
            return;
        }
    }
}

/// What is still said, until its end or for [`LAST_WORDS`].
#[expect(clippy::disallowed_methods, reason = "an edge: how long a pipe is waited for")]
fn hear_out(pieces: &Receiver<Vec<u8>>, said: &mut Vec<u8>) {
    let end = Instant::now() + LAST_WORDS;
    while let Ok(piece) = pieces.recv_timeout(end.saturating_duration_since(Instant::now())) {
        keep(said, piece);
    }
}

fn keep(said: &mut Vec<u8>, mut piece: Vec<u8>) {
    said.append(&mut piece);
    said.drain(..said.len().saturating_sub(KEPT));
}

fn kill(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It is its own group's leader and not waited for yet, so nobody else has this number.
        let _ = kill_process_group(group, Signal::TERM);
    }
    let _ = child.wait();
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;

    fn shell(text: &str, stop: &dyn Fn(Duration) -> bool) -> (Ended, Vec<String>) {
        run("sh", &["-c".to_owned(), text.to_owned()], stop).unwrap()
    }

    #[test]
    fn both_streams_are_heard_and_nobody_is_asked() {
        let (ended, said) = shell("cat; echo one; echo $DEBIAN_FRONTEND >&2; exit 3", &|_| false);
        assert!(matches!(ended, Ended::With(status) if status.code() == Some(3)));
        assert_eq!(said, ["one", "noninteractive"]);
    }

    #[test]
    fn a_daemon_that_holds_the_pipe_open_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let began = Instant::now();
        let (ended, said) =
            shell(&format!("sleep 60 & echo $! > {}; echo done", pid.display()), &|_| false);
        assert!(began.elapsed() < Duration::from_secs(30));
        assert!(matches!(ended, Ended::With(status) if status.success()));
        assert_eq!(said, ["done"]);
        let pid = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }

    #[test]
    fn it_ends_when_told_to() {
        let (ended, _) = shell("sleep 60", &|elapsed| elapsed > Duration::from_millis(50));
        assert!(matches!(ended, Ended::Stopped));
    }
}
