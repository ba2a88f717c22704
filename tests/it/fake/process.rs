//! One process of the fake daemon: the state machine of `supervisor/process.py` 4.2.5.

use std::time::Duration;

use supervisor_sync::supervisord::{ProcessInfo, ProcessState};

use super::config::{Autorestart, Behaviour, ProcessConfig};

/// What `waitpid` gives for a process that a signal ended.
const BY_SIGNAL: i64 = -1;

/// The fields have `process.py`'s names where they are its fields.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) config: ProcessConfig,
    /// What its command does from the next start on; the configuration's, unless overridden.
    pub(super) behaviour: Behaviour,
    pub(super) state: ProcessState,
    pid: i64,
    laststart: Duration,
    laststop: Duration,
    /// When the next retry or the SIGKILL is due.
    delay: Duration,
    backoff: u32,
    exitstatus: Option<i64>,
    spawnerr: Option<String>,
    killing: bool,
    /// When it will be dead, and with which status.
    end: Option<(Duration, i64)>,
}

impl Process {
    pub(super) fn new(config: ProcessConfig) -> Self {
        Self {
            behaviour: config.behaviour.clone(),
            config,
            state: ProcessState::Stopped,
            pid: 0,
            laststart: Duration::ZERO,
            laststop: Duration::ZERO,
            delay: Duration::ZERO,
            backoff: 0,
            exitstatus: None,
            spawnerr: None,
            killing: false,
            end: None,
        }
    }

    /// Starts it, unless it still has a pid: then nothing happens, as in supervisord, which so
    /// answers `true` to the start of a process in STOPPING.
    pub(super) fn spawn(&mut self, now: Duration, pids: &mut i64) {
        if self.pid != 0 {
            return;
        }
        self.killing = false;
        self.spawnerr = None;
        self.exitstatus = None;
        self.laststart = now;
        self.state = ProcessState::Starting;
        if self.behaviour == Behaviour::NotFound {
            self.spawnerr = Some(self.not_found());
            self.back_off(now);
            return;
        }
        *pids += 1;
        self.pid = *pids;
        self.end = match self.behaviour {
            Behaviour::Exits { after, status } => Some((now + after, status)),
            _ => None,
        };
    }

    /// supervisord's words for a command that is not there.
    pub(super) fn not_found(&self) -> String {
        format!("can't find command '{}'", self.config.name)
    }

    pub(super) fn spawn_failed(&self) -> bool {
        self.spawnerr.is_some()
    }

    fn back_off(&mut self, now: Duration) {
        self.state = ProcessState::Backoff;
        self.backoff += 1;
        self.delay = now + Duration::from_secs(u64::from(self.backoff));
    }

    /// `stopProcess`: the stop signal; a process in BACKOFF is stopped by it at once.
    pub(super) fn stop(&mut self, now: Duration) {
        if self.state == ProcessState::Backoff {
            self.state = ProcessState::Stopped;
            return;
        }
        self.killing = true;
        self.state = ProcessState::Stopping;
        self.delay = now + self.config.stopwaitsecs;
        self.end = match self.behaviour {
            Behaviour::Drains(for_long) => Some((now + for_long, 0)),
            _ => Some((now, BY_SIGNAL)),
        };
    }

    /// It dies of itself at the daemon's next turn.
    pub(super) fn die(&mut self, now: Duration, status: i64) {
        if self.pid != 0 {
            self.end = Some((now, status));
        }
    }

    /// What the daemon's main loop does with it once a turn.
    pub(super) fn transition(&mut self, now: Duration, pids: &mut i64) {
        let state = self.state;
        let due = match state {
            ProcessState::Exited => self.restarts(),
            ProcessState::Stopped => self.laststart.is_zero() && self.config.autostart,
            ProcessState::Backoff => self.backoff <= self.config.startretries && now > self.delay,
            _ => false,
        };
        if due {
            self.spawn(now, pids);
        }
        match state {
            ProcessState::Starting => self.succeed(now),
            ProcessState::Backoff if self.backoff > self.config.startretries => {
                self.backoff = 0;
                self.state = ProcessState::Fatal;
            }
            ProcessState::Stopping if self.delay <= now => self.end = Some((now, BY_SIGNAL)),
            _ => {}
        }
    }

    /// STARTING becomes RUNNING once it has stayed up for longer than startsecs.
    pub(super) fn succeed(&mut self, now: Duration) {
        let startsecs = self.config.startsecs;
        let long_enough = startsecs.is_zero() || now.saturating_sub(self.laststart) > startsecs;
        if self.state == ProcessState::Starting && long_enough {
            self.backoff = 0;
            self.state = ProcessState::Running;
        }
    }

    fn restarts(&self) -> bool {
        match self.config.autorestart {
            Autorestart::Always => true,
            Autorestart::Never => false,
            Autorestart::Unexpected => !self.expected(self.exitstatus),
        }
    }

    fn expected(&self, status: Option<i64>) -> bool {
        status.is_some_and(|status| self.config.exitcodes.contains(&status))
    }

    /// `waitpid` and `finish`: notices that it is dead.
    pub(super) fn reap(&mut self, now: Duration) {
        let Some((_, status)) = self.end.filter(|(when, _)| *when <= now) else { return };
        self.end = None;
        self.pid = 0;
        self.laststop = now;
        if self.killing {
            self.killing = false;
            self.exitstatus = Some(status);
            self.state = ProcessState::Stopped;
        } else if now.saturating_sub(self.laststart) < self.config.startsecs {
            self.exitstatus = None;
            self.spawnerr = Some("Exited too quickly (process log may have details)".to_owned());
            self.back_off(now);
        } else {
            self.backoff = 0;
            self.exitstatus = Some(status);
            if !self.expected(Some(status)) {
                self.spawnerr = Some(format!("Bad exit code {status}"));
            }
            self.state = ProcessState::Exited;
        }
    }

    pub(super) fn info(&self, group: &str, now: Duration) -> ProcessInfo {
        ProcessInfo {
            group: group.to_owned(),
            name: self.config.name.clone(),
            state: self.state,
            pid: self.pid,
            start: seconds(self.laststart),
            stop: seconds(self.laststop),
            now: seconds(now),
            exitstatus: self.exitstatus.unwrap_or(0),
            spawnerr: self.spawnerr.clone().unwrap_or_default(),
        }
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
