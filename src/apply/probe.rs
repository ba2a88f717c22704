//! Probes: a question to the running program, asked again until it is answered or its time is up.
//!
//! Each is asked in a thread of its own, so that the slowest of them is all that is waited for. The
//! machine's own clock counts here: what is asked is not in our hands.

mod command;
mod http;

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use super::logs::FailureLogs;
use super::watch::Watched;
use super::{ProgramTrouble, Teller};
use crate::desired::DesiredGroup;
use crate::event::{ProcessChange, Waited, WaitingFor};
use crate::inventory::{Probe, without_passwords};
use crate::supervisord::display_name;

/// Between two tries.
const RETRY: Duration = Duration::from_millis(250);
/// No try takes more than this part of the whole time, so that a server that hangs while it is
/// coming up is asked again. A command has all of the time.
const TRIES: u32 = 3;
/// What a thread may need beyond its time, e.g. for a name that does not resolve.
const GRACE: Duration = Duration::from_secs(2);

/// The probes of a site's groups, each asked once, all at the same time: the processes of a group
/// stand behind one address, and so do the groups of separate instances.
#[derive(Debug)]
pub(super) struct Probes {
    asked: Vec<PendingProbe>,
}

/// A probe that is being asked, and the groups it speaks for.
#[derive(Debug)]
struct PendingProbe {
    probe: Probe,
    question: Question,
    groups: Vec<Behind>,
}

/// A group whose health a probe decides.
#[derive(Debug)]
struct Behind {
    group: String,
    desired: DesiredGroup,
    /// Its processes that are watched.
    processes: Vec<String>,
}

impl Probes {
    /// Begins to ask those of the groups that have not failed.
    pub(super) fn begin(
        watched: &Watched,
        troubles: &[ProgramTrouble],
        teller: &mut Teller<'_>,
    ) -> Self {
        let mut all: Vec<PendingProbe> = Vec::new();
        for (group, (desired, processes)) in watched {
            let failed = troubles.iter().any(|trouble| trouble.group == *group);
            let Some(probe) = desired.health.probe.as_ref().filter(|_| !failed) else { continue };
            let group = Behind {
                group: group.clone(),
                desired: desired.clone(),
                processes: processes.clone(),
            };
            match all.iter_mut().find(|asked| asked.probe == *probe) {
                Some(asked) => asked.groups.push(group),
                None => all.push(PendingProbe {
                    probe: probe.clone(),
                    question: ask(probe),
                    groups: vec![group],
                }),
            }
        }
        if !all.is_empty() {
            let processes = all.iter().flat_map(PendingProbe::waited).collect();
            teller.wait(WaitingFor::Probe, processes);
        }
        Self { asked: all }
    }

    /// Whether each is answered or out of time.
    pub(super) fn is_done(&self) -> bool {
        self.asked.is_empty()
    }

    /// The groups that wait for an answer, for the person who has interrupted it.
    pub(super) fn unfinished(&self) -> Vec<String> {
        let groups = self.asked.iter().flat_map(|asked| &asked.groups);
        groups.map(|behind| behind.group.clone()).collect()
    }

    /// Takes the answers that have come, and returns the groups that did not pass.
    pub(super) fn look(
        &mut self,
        logs: &FailureLogs<'_>,
        teller: &mut Teller<'_>,
    ) -> Vec<ProgramTrouble> {
        let mut troubles = Vec::new();
        self.asked.retain(|asked| {
            let Some(answer) = asked.question.answer() else { return true };
            for Behind { group, desired, processes } in &asked.groups {
                match &answer {
                    Ok(()) => {
                        for name in processes {
                            teller.process(display_name(group, name), ProcessChange::Healthy);
                        }
                    }
                    Err(reason) => troubles.push(ProgramTrouble {
                        process: group.clone(),
                        ..logs.trouble(group, group, desired, reason.clone())
                    }),
                }
            }
            false
        });
        troubles
    }
}

impl PendingProbe {
    fn waited(&self) -> impl Iterator<Item = Waited> {
        let seconds_left = self.question.seconds_left();
        self.groups.iter().map(move |behind| Waited { name: behind.group.clone(), seconds_left })
    }
}

/// A question and where its answer comes.
#[derive(Debug)]
struct Question {
    answer: Receiver<Result<(), String>>,
    end: Instant,
    timeout: u32,
}

/// Begins to ask.
#[expect(clippy::disallowed_methods, reason = "an edge: a probe has the machine's own time")]
fn ask(probe: &Probe) -> Question {
    let (sender, answer) = channel();
    let timeout = match probe {
        Probe::Http { timeout, .. } | Probe::Tcp { timeout, .. } | Probe::Exec { timeout, .. } => {
            *timeout
        }
    };
    let end = Instant::now() + Duration::from_secs(u64::from(timeout));
    let probe = probe.clone();
    // A thread that cannot be started drops the sender, which is seen as no answer.
    let _ = std::thread::Builder::new().spawn(move || sender.send(until_answered(&probe, end)));
    Question { answer, end, timeout }
}

impl Question {
    /// The answer; `None` while there is none. The error is a reason that follows the program's name.
    #[expect(clippy::disallowed_methods, reason = "an edge: a probe has the machine's own time")]
    fn answer(&self) -> Option<Result<(), String>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer.map_err(|reason| {
                format!("runs, but did not pass its probe within {} s: {reason}", self.timeout)
            })),
            Err(TryRecvError::Empty) if Instant::now() < self.end + GRACE => None,
            Err(_) => Some(Err(format!("runs, but its probe got no answer in {} s", self.timeout))),
        }
    }

    /// Whole seconds it still has.
    #[expect(clippy::disallowed_methods, reason = "an edge: a probe has the machine's own time")]
    fn seconds_left(&self) -> u64 {
        self.end.saturating_duration_since(Instant::now()).as_secs()
    }
}

#[expect(clippy::disallowed_methods, reason = "an edge: a probe has the machine's own time")]
fn until_answered(probe: &Probe, end: Instant) -> Result<(), String> {
    let whole = end.saturating_duration_since(Instant::now());
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let one_try = left.min((whole / TRIES).max(Duration::from_secs(1)));
        let answer = match probe {
            Probe::Http { url, .. } => {
                http::get(url, one_try).map_err(|why| format!("{} {why}", without_passwords(url)))
            }
            Probe::Tcp { address, .. } => {
                connect(address, one_try).map(drop).map_err(|why| format!("{address} {why}"))
            }
            Probe::Exec { command, .. } => command::run(command.as_str(), left)
                .map_err(|why| format!("`{}` {why}", without_passwords(command.as_str()))),
        };
        let over = Instant::now() + RETRY >= end;
        match answer {
            Err(_) if !over => std::thread::sleep(RETRY),
            answer => return answer,
        }
    }
}

/// Connects to `host:port`, trying each of its addresses.
#[expect(clippy::disallowed_methods, reason = "an edge: a probe has the machine's own time")]
fn connect(address: &str, timeout: Duration) -> Result<TcpStream, String> {
    let addresses: Vec<SocketAddr> = address
        .to_socket_addrs()
        .map_err(|error| format!("cannot be resolved: {error}"))?
        .collect();
    let end = Instant::now() + timeout;
    let mut last = "has no address".to_owned();
    for address in addresses {
        // At least a millisecond: zero is refused by the system.
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("does not accept a connection: {error}"),
        }
    }
    Err(last)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests")]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::inventory::CommandLine;
    use crate::system::{Clock, SystemClock};

    fn answer(probe: &Probe) -> Result<(), String> {
        let (question, clock) = (ask(probe), SystemClock::start());
        loop {
            match question.answer() {
                Some(answer) => return answer,
                None => clock.wait(Duration::from_millis(20)),
            }
        }
    }

    fn tcp(address: String, timeout: u32) -> Probe {
        Probe::Tcp { address, timeout }
    }

    #[test]
    fn only_listening_port_passes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(answer(&tcp(address.clone(), 10)), Ok(()));
        drop(listener);
        // A child that another test is just starting holds what we had open until it runs.
        let clock = SystemClock::start();
        while TcpStream::connect(&address).is_ok() && clock.now() < Duration::from_secs(10) {}
        let reason = answer(&tcp(address.clone(), 1)).unwrap_err();
        assert!(reason.contains("within 1 s") && reason.contains(&address), "{reason}");
        assert!(reason.contains("refused"), "{reason}");
    }

    #[test]
    fn probe_repeats_until_passed() {
        let folder = tempfile::tempdir().unwrap();
        let tries = folder.path().join("tries");
        // Passes at its third run.
        let script = format!("echo x >> {0}; test $(wc -l < {0}) -ge 3", tries.display());
        let command = CommandLine::parse(&format!("sh -c \"{script}\"")).unwrap();
        assert_eq!(answer(&Probe::Exec { command, timeout: 30 }), Ok(()));
        assert_eq!(std::fs::read_to_string(tries).unwrap(), "x\nx\nx\n");
    }

    #[test]
    fn unknown_host_name_is_a_reason() {
        let reason = connect("no-such-host.invalid:80", Duration::from_secs(1)).unwrap_err();
        assert!(reason.starts_with("cannot be resolved"), "{reason}");
    }
}
