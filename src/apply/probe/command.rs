//! A command whose exit status is the answer.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::words;

/// Between two looks whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much of the end of its output is kept.
const KEPT: usize = 4 * 1024;
/// How long the end of its output is waited for once it has ended: something it left behind may
/// hold it open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Runs it as we are, in `/`, without a shell. Past `timeout` it is killed, with everything in its
/// process group.
#[expect(clippy::disallowed_methods, reason = "an edge: runs the inventory's own command")]
pub(super) fn run(command: &str, timeout: Duration) -> Result<(), String> {
    let end = Instant::now() + timeout;
    let words = words::split(command)?;
    let (program, arguments) = words.split_first().ok_or("is empty")?;
    let (output, write_end) = std::io::pipe().map_err(|error| format!("cannot be run: {error}"))?;
    let second = write_end.try_clone().map_err(|error| format!("cannot be run: {error}"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(write_end)
        .stderr(second)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let last_words = last_line(output);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => std::thread::sleep(LOOK_EVERY),
            Ok(None) => {
                kill(&mut child);
                return Err("did not end".to_owned());
            }
            Err(error) => return Err(format!("was lost: {error}")),
        }
    };
    if status.success() {
        return Ok(());
    }
    let said = last_words.recv_timeout(LAST_WORDS).unwrap_or_default();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Err(format!("{}{said}", described(status)))
}

fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exits with status {code}"),
        (None, Some(signal)) => format!("is killed by signal {signal}"),
        (None, None) => "ends in an unknown way".to_owned(),
    }
}

fn kill(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It is its own group's leader and not waited for yet, so nobody else has this number.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// The last line of what is written, which is read to its end so that the writer never blocks.
fn last_line(mut output: std::io::PipeReader) -> Receiver<String> {
    let (sender, receiver) = channel();
    let read = move || {
        let mut kept = Vec::new();
        let mut block = [0; 1024];
        while let Ok(read @ 1..) = output.read(&mut block) {
            kept.extend_from_slice(block.get(..read).unwrap_or_default());
            kept.drain(..kept.len().saturating_sub(KEPT));
        }
        let text = String::from_utf8_lossy(&kept);
        let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let line: String = line.trim().chars().filter(|c| !c.is_control()).collect();
        let _ = sender.send(line);
    };
    // Without a thread there are no last words, and the answer stays the same.
    let _ = std::thread::Builder::new().spawn(read);
    receiver
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn the_status_is_the_answer_and_the_last_line_its_reason() {
        assert_eq!(run("true", PATIENCE), Ok(()));
        assert_eq!(run("false", PATIENCE), Err("exits with status 1".to_owned()));
        let said = run("sh -c 'echo one; echo \"two  \" >&2; echo; exit 7'", PATIENCE);
        assert_eq!(said, Err("exits with status 7: two".to_owned()));
        let killed = run("sh -c 'kill -9 $$'", PATIENCE);
        assert_eq!(killed, Err("is killed by signal 9".to_owned()));
        let missing = run("/no/such/command", PATIENCE).unwrap_err();
        assert!(missing.starts_with("cannot be run: No such file"), "{missing}");
    }

    /// Waits until a process is dead; a zombie that nobody has waited for yet is dead all the same.
    fn wait_until_dead(pid: &str) {
        let end = Instant::now() + PATIENCE;
        let is_dead = |stat: String| stat.contains(") Z ") || stat.contains(") X ");
        while !std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, is_dead) {
            assert!(Instant::now() < end, "{pid} still runs");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_command_that_writes_without_end_is_no_trouble_and_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let command = format!("sh -c 'yes & echo $! > {}; wait'", pid.display());
        assert_eq!(run(&command, Duration::from_secs(1)), Err("did not end".to_owned()));
        wait_until_dead(std::fs::read_to_string(pid).unwrap().trim());
    }

    #[test]
    fn what_it_leaves_behind_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let command = format!("sh -c 'sleep 60 & echo $! > {}; exit 3'", pid.display());
        let began = Instant::now();
        assert!(run(&command, PATIENCE).is_err());
        assert!(began.elapsed() < Duration::from_secs(30));
        let pid = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
}
