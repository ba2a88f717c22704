//! A supervisord in memory: a test double for everything that talks to the daemon.
//!
//! It obeys the rules of the real one as far as our calls can tell: the contract suite
//! (`tests/it/supervisord_contract.rs`) runs on both. Its clock is turned by hand, its programs do
//! what they are told, and it can be made to fail at any call. It stands beside the tests, not in the
//! library: nothing that is released holds it.

mod config;
mod process;

use std::io;
use std::time::Duration;

pub(crate) use config::{Autorestart, Behaviour, GroupConfig, ProcessConfig};
use process::Process;

use supervisor_sync::supervisord::{
    Answer, Call, CallError, Fault, FaultCode, ProcessInfo, ProcessState, Reload, Supervisord,
};

/// One turn of the daemon's main loop. The real one turns once a second and at every event; a
/// tenth is as fine as anything here has to be.
const TURN: Duration = Duration::from_millis(100);

/// Where its clock begins: a date of today's kind, as a process that never started has start 0.
const BEGIN: Duration = Duration::from_secs(1_700_000_000);

/// Its pids begin above any that a kernel gives out (2^22): nobody's process is mistaken for one of
/// its own.
const PIDS: i64 = 5_000_000;

/// What an injected failure of a batch loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The request: nothing was executed.
    Request,
    /// The answer: all of it was executed.
    Answer,
}

/// The daemon in memory, see the module.
#[derive(Debug)]
pub(crate) struct FakeSupervisord {
    /// What is in the files now; the error is supervisord's reason not to read them.
    files: Result<Vec<GroupConfig>, String>,
    /// What was read last: what `addProcessGroup` adds from.
    read: Vec<GroupConfig>,
    /// What runs.
    groups: Vec<Group>,
    now: Duration,
    time_per_batch: Duration,
    /// The daemon's own; None while it does not run.
    pid: Option<i64>,
    last_pid: i64,
    shutting_down: bool,
    log: Vec<Vec<Call>>,
    failures: Vec<(usize, Lost, CallError)>,
    faults: Vec<(Call, Fault, usize)>,
}

#[derive(Debug)]
struct Group {
    config: GroupConfig,
    processes: Vec<Process>,
}

impl Group {
    fn new(config: &GroupConfig) -> Self {
        let processes = config.processes.iter().cloned().map(Process::new).collect();
        Self { config: config.clone(), processes }
    }
}

impl Default for FakeSupervisord {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeSupervisord {
    /// A running daemon without programs.
    pub(crate) fn new() -> Self {
        Self {
            files: Ok(Vec::new()),
            read: Vec::new(),
            groups: Vec::new(),
            now: BEGIN,
            time_per_batch: Duration::ZERO,
            pid: Some(PIDS),
            last_pid: PIDS,
            shutting_down: false,
            log: Vec::new(),
            failures: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Lets this much time pass before each batch, so that whoever polls sees things happen.
    #[must_use]
    pub(crate) fn with_time_per_batch(mut self, time: Duration) -> Self {
        self.time_per_batch = time;
        self
    }

    /// Puts these groups in the files, in place of all that were there. Nothing happens before
    /// `reloadConfig`.
    pub(crate) fn write_config(&mut self, mut groups: Vec<GroupConfig>) {
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        self.files = Ok(groups);
    }

    /// Makes the files unreadable for `reloadConfig` and for a cold start.
    pub(crate) fn break_config(&mut self, reason: &str) {
        self.files = Err(reason.to_owned());
    }

    /// Its clock, as Unix time.
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Lets time pass, at least one turn of its main loop.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.now = end.min(self.now + TURN);
            self.turn();
            if self.now >= end {
                return;
            }
        }
    }

    fn turn(&mut self) {
        let (now, pids) = (self.now, &mut self.last_pid);
        let processes = self.groups.iter_mut().flat_map(|group| &mut group.processes);
        for process in processes {
            process.transition(now, pids);
            process.reap(now);
        }
    }

    /// Every batch it was sent, also those that failed.
    pub(crate) fn log(&self) -> &[Vec<Call>] {
        &self.log
    }

    /// Forgets the batches it was sent.
    pub(crate) fn clear_log(&mut self) {
        self.log.clear();
    }

    /// The `n`-th batch from now on fails (1 is the next).
    pub(crate) fn fail_batch(&mut self, n: usize, lost: Lost, error: CallError) {
        self.failures.push((self.log.len() + n, lost, error));
    }

    /// The next `times` times this very call is not executed and answers the fault.
    pub(crate) fn answer_fault(&mut self, call: Call, fault: Fault, times: usize) {
        self.faults.push((call, fault, times));
    }

    /// What `getAllProcessInfo` would say, without a call.
    pub(crate) fn processes(&self) -> Vec<ProcessInfo> {
        let of_group = |group: &Group| {
            let info = |process: &Process| process.info(&group.config.name, self.now);
            group.processes.iter().map(info).collect::<Vec<_>>()
        };
        let mut processes: Vec<_> = self.groups.iter().flat_map(of_group).collect();
        processes.sort_by(|a, b| (&a.group, &a.name).cmp(&(&b.group, &b.name)));
        processes
    }

    /// One process of it, as `group:name`.
    pub(crate) fn process(&self, namespec: &str) -> Option<ProcessInfo> {
        self.processes().into_iter().find(|process| process.namespec() == namespec)
    }

    /// Whether it runs at all.
    pub(crate) fn is_up(&self) -> bool {
        self.pid.is_some()
    }

    /// Whether what it has read last of a group is not what it runs.
    pub(crate) fn has_read_otherwise(&self, group: &str) -> bool {
        let read = self.read.iter().find(|config| config.name == group);
        read != self.loaded(group)
    }

    /// The configuration by which it runs a group.
    pub(crate) fn loaded(&self, group: &str) -> Option<&GroupConfig> {
        self.groups.iter().find(|one| one.config.name == group).map(|one| &one.config)
    }

    /// Lets a running process die of itself with this status, as a crash would.
    pub(crate) fn crash(&mut self, namespec: &str, status: i64) {
        let now = self.now;
        if let Ok(process) = self.find(namespec) {
            process.die(now, status);
        }
    }

    /// Changes what a process's command does from its next start on, without a change of its
    /// configuration: a new release behind the same script.
    pub(crate) fn behave(&mut self, namespec: &str, behaviour: Behaviour) {
        if let Ok(process) = self.find(namespec) {
            process.behaviour = behaviour;
        }
    }

    /// From now on every call answers SHUTDOWN_STATE.
    pub(crate) fn begin_shutdown(&mut self) {
        self.shutting_down = true;
    }

    /// Ends the daemon and all its processes. Batches then fail with NotRunning.
    pub(crate) fn stop(&mut self) {
        self.groups.clear();
        self.pid = None;
        self.shutting_down = false;
    }

    /// A cold start with the files as they are now; broken ones leave no daemon, as they do
    /// supervisord.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let Ok(files) = &self.files else { return };
        self.read.clone_from(files);
        self.groups = self.read.iter().map(Group::new).collect();
        self.last_pid += 1;
        self.pid = Some(self.last_pid);
    }

    fn injected_failure(&mut self) -> Option<(Lost, CallError)> {
        let now = self.log.len();
        let at = self.failures.iter().position(|(n, _, _)| *n == now)?;
        let (_, lost, error) = self.failures.swap_remove(at);
        Some((lost, error))
    }

    fn injected_fault(&mut self, call: &Call) -> Option<Fault> {
        let found = self.faults.iter_mut().find(|(wanted, _, times)| wanted == call && *times > 0);
        let (_, fault, times) = found?;
        *times -= 1;
        Some(fault.clone())
    }

    fn answer(&mut self, pid: i64, call: &Call) -> Result<Answer, Fault> {
        if self.shutting_down {
            let code = FaultCode::ShutdownState;
            return Err(Fault { code, text: code.name().to_owned() });
        }
        if let Some(fault) = self.injected_fault(call) {
            return Err(fault);
        }
        match call {
            Call::GetSupervisorVersion => Ok(Answer::Text("4.2.5".to_owned())),
            Call::GetPid => Ok(Answer::Number(pid)),
            Call::ReloadConfig => self.reload().map(Answer::Reload),
            Call::GetAllProcessInfo => Ok(Answer::Processes(self.processes())),
            Call::GetProcessInfo(namespec) => {
                self.info(namespec).map(|process| Answer::Process(Box::new(process)))
            }
            Call::AddProcessGroup(group) => self.add(group),
            Call::RemoveProcessGroup(group) => self.remove(group),
            Call::StopProcess(namespec) => self.stop_process(namespec),
            Call::StartProcess(namespec) => self.start_process(namespec),
        }
    }

    fn reload(&mut self) -> Result<Reload, Fault> {
        let files =
            self.files.as_ref().map_err(|reason| Fault::new(FaultCode::CantReread, reason))?;
        self.read.clone_from(files);
        let running = |name: &str| self.groups.iter().find(|group| group.config.name == name);
        let names = |wanted: &dyn Fn(&GroupConfig) -> bool| {
            let wanted = self.read.iter().filter(|config| wanted(config));
            wanted.map(|config| config.name.clone()).collect()
        };
        let gone = |group: &&Group| self.read.iter().all(|new| new.name != group.config.name);
        Ok(Reload {
            added: names(&|new| running(&new.name).is_none()),
            changed: names(&|new| running(&new.name).is_some_and(|old| old.config != *new)),
            removed: self.groups.iter().filter(gone).map(|old| old.config.name.clone()).collect(),
        })
    }

    fn add(&mut self, name: &str) -> Result<Answer, Fault> {
        let config = self.read.iter().find(|config| config.name == name);
        let config = config.ok_or_else(|| Fault::new(FaultCode::BadName, name))?;
        if self.groups.iter().any(|group| group.config.name == name) {
            return Err(Fault::new(FaultCode::AlreadyAdded, name));
        }
        self.groups.push(Group::new(config));
        Ok(Answer::Done)
    }

    fn remove(&mut self, name: &str) -> Result<Answer, Fault> {
        let at = self.groups.iter().position(|group| group.config.name == name);
        let at = at.ok_or_else(|| Fault::new(FaultCode::BadName, name))?;
        let stopped = |group: &Group| group.processes.iter().all(|one| one.state.is_stopped());
        if !self.groups.get(at).is_some_and(stopped) {
            return Err(Fault::new(FaultCode::StillRunning, name));
        }
        self.groups.remove(at);
        Ok(Answer::Done)
    }

    /// `group:process`, or a name alone for both. `group:*` is BAD_NAME here: the real one then
    /// does the whole group and answers late, which [`Call`] rules out.
    fn find(&mut self, namespec: &str) -> Result<&mut Process, Fault> {
        let (group, name) = namespec.split_once(':').unwrap_or((namespec, namespec));
        self.groups
            .iter_mut()
            .find(|one| one.config.name == group)
            .and_then(|group| group.processes.iter_mut().find(|one| one.config.name == name))
            .ok_or_else(|| Fault::new(FaultCode::BadName, namespec))
    }

    fn info(&mut self, namespec: &str) -> Result<ProcessInfo, Fault> {
        let now = self.now;
        let group = namespec.split_once(':').map_or(namespec, |(group, _)| group).to_owned();
        self.find(namespec).map(|process| process.info(&group, now))
    }

    fn stop_process(&mut self, namespec: &str) -> Result<Answer, Fault> {
        let now = self.now;
        let process = self.find(namespec)?;
        if !process.state.is_running() {
            return Err(Fault::new(FaultCode::NotRunning, namespec));
        }
        process.stop(now);
        Ok(Answer::Done)
    }

    fn start_process(&mut self, namespec: &str) -> Result<Answer, Fault> {
        let (now, mut pids) = (self.now, self.last_pid);
        let process = self.find(namespec)?;
        if process.behaviour == Behaviour::NotFound {
            return Err(Fault::new(FaultCode::NoFile, &process.not_found()));
        }
        if process.state.is_running() {
            return Err(Fault::new(FaultCode::AlreadyStarted, namespec));
        }
        if process.state == ProcessState::Unknown {
            let text = format!("{namespec} is in an unknown process state");
            return Err(Fault::new(FaultCode::Failed, &text));
        }
        process.spawn(now, &mut pids);
        let failed = process.spawn_failed();
        process.succeed(now);
        self.last_pid = pids;
        if failed {
            return Err(Fault::new(FaultCode::SpawnError, namespec));
        }
        Ok(Answer::Done)
    }
}

impl Supervisord for FakeSupervisord {
    fn batch(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Fault>>, CallError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        if !self.time_per_batch.is_zero() {
            self.advance(self.time_per_batch);
        }
        self.log.push(calls.to_vec());
        let failure = self.injected_failure();
        if let Some((Lost::Request, error)) = failure {
            return Err(error);
        }
        let pid = self.pid.ok_or_else(|| CallError::NotRunning {
            address: "the fake supervisord".to_owned(),
            runs_as: None,
            source: io::ErrorKind::NotFound.into(),
        })?;
        let answers = calls.iter().map(|call| self.answer(pid, call)).collect();
        match failure {
            Some((_, error)) => Err(error),
            None => Ok(answers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_one(behaviour: Behaviour) -> FakeSupervisord {
        let mut daemon = FakeSupervisord::new();
        daemon.write_config(vec![GroupConfig::program("web", behaviour)]);
        daemon.restart();
        daemon.advance(Duration::from_secs(2));
        daemon
    }

    fn state(daemon: &FakeSupervisord) -> ProcessState {
        daemon.process("web:web").unwrap().state
    }

    fn broken() -> CallError {
        CallError::Broken { address: "x".into(), source: io::ErrorKind::BrokenPipe.into() }
    }

    #[test]
    fn nth_batch_fails_around_execution() {
        let mut daemon = with_one(Behaviour::Runs);
        let stop = || Call::StopProcess("web:web".into());
        daemon.fail_batch(2, Lost::Request, broken());
        daemon.fail_batch(3, Lost::Answer, broken());
        assert!(daemon.call(Call::GetPid).is_ok());
        assert!(daemon.call(stop()).is_err());
        assert_eq!(state(&daemon), ProcessState::Running);
        assert!(daemon.call(stop()).is_err());
        assert_eq!(state(&daemon), ProcessState::Stopping);
        assert!(daemon.call(Call::GetPid).is_ok());
        assert_eq!(daemon.log(), [[Call::GetPid], [stop()], [stop()], [Call::GetPid]]);
    }

    #[test]
    fn given_call_answers_counted_faults() {
        let mut daemon = FakeSupervisord::new();
        let fault = Fault::new(FaultCode::CantReread, "no");
        daemon.answer_fault(Call::ReloadConfig, fault.clone(), 1);
        let answers = daemon.batch(&[Call::GetPid, Call::ReloadConfig]).unwrap();
        assert!(answers[0].is_ok());
        assert_eq!(answers[1], Err(fault));
        assert!(daemon.call(Call::ReloadConfig).unwrap().is_ok());
    }

    #[test]
    fn time_passes_by_hand_or_batch() {
        let mut daemon = FakeSupervisord::new().with_time_per_batch(Duration::from_millis(700));
        daemon.write_config(vec![GroupConfig::program("web", Behaviour::Runs)]);
        daemon.call(Call::ReloadConfig).unwrap().unwrap();
        daemon.call(Call::AddProcessGroup("web".into())).unwrap().unwrap();
        let mut next = || daemon.get_all_process_info().unwrap().unwrap().remove(0).state;
        assert_eq!(next(), ProcessState::Starting);
        assert_eq!(next(), ProcessState::Running);
    }

    #[test]
    fn stopwaitsecs_end_in_a_kill() {
        let mut daemon = with_one(Behaviour::Drains(Duration::from_secs(3600)));
        daemon.call(Call::StopProcess("web:web".into())).unwrap().unwrap();
        daemon.advance(Duration::from_millis(9_900));
        assert_eq!(state(&daemon), ProcessState::Stopping);
        daemon.advance(Duration::from_millis(200));
        assert_eq!(daemon.process("web:web").unwrap().exitstatus, -1);
        assert_eq!(state(&daemon), ProcessState::Stopped);
    }

    #[test]
    fn crash_after_startsecs_restarts() {
        let mut daemon = with_one(Behaviour::Runs);
        let pid = daemon.process("web:web").unwrap().pid;
        daemon.behave("web:web", Behaviour::NotFound);
        assert_eq!(state(&daemon), ProcessState::Running);
        daemon.crash("web:web", 1);
        daemon.advance(Duration::ZERO);
        assert_eq!(state(&daemon), ProcessState::Exited);
        daemon.advance(Duration::from_secs(60));
        assert_eq!(state(&daemon), ProcessState::Fatal);
        daemon.behave("web:web", Behaviour::Runs);
        daemon.call(Call::StartProcess("web:web".into())).unwrap().unwrap();
        assert!(daemon.process("web:web").unwrap().pid > pid);
    }

    #[test]
    fn broken_cold_start_leaves_no_daemon() {
        let mut daemon = with_one(Behaviour::Runs);
        daemon.break_config("bad");
        daemon.restart();
        assert!(matches!(daemon.call(Call::GetPid), Err(CallError::NotRunning { .. })));
        daemon.write_config(Vec::new());
        daemon.restart();
        assert!(daemon.call(Call::GetPid).is_ok());
        daemon.begin_shutdown();
        let fault = daemon.call(Call::GetPid).unwrap().unwrap_err();
        assert_eq!((fault.code, fault.text.as_str()), (FaultCode::ShutdownState, "SHUTDOWN_STATE"));
    }
}
