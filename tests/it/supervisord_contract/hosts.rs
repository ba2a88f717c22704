//! The two daemons of the contract suite behind one trait.

use std::time::Duration;

use crate::fake::{Autorestart, Behaviour, FakeSupervisord, GroupConfig, ProcessConfig};
use supervisor_sync::supervisord::{Client, ProcessInfo, Supervisord};

use crate::daemon::{Daemon, PATIENCE, wait_until};

/// A daemon under test: the fake's description of groups serves both.
pub(super) trait Host {
    /// Replaces all configuration files.
    fn write(&mut self, groups: Vec<GroupConfig>);
    /// Adds a file that supervisord refuses.
    fn break_config(&mut self);
    fn door(&mut self) -> &mut dyn Supervisord;
    /// Waits until a group of [`Behaviour::Drains`] has said that it is prepared for its signal:
    /// supervisord may call it RUNNING before its shell has read a line.
    fn wait_until_prepared(&mut self, name: &str);
    /// Lets time pass until the condition holds.
    fn wait(&mut self, what: &str, condition: &dyn Fn(&[ProcessInfo]) -> bool);
}

pub(super) struct FakeHost(pub(super) FakeSupervisord);

impl Host for FakeHost {
    fn write(&mut self, groups: Vec<GroupConfig>) {
        self.0.write_config(groups);
    }

    fn break_config(&mut self) {
        self.0.break_config("File contains no section headers.");
    }

    fn door(&mut self) -> &mut dyn Supervisord {
        &mut self.0
    }

    fn wait_until_prepared(&mut self, _: &str) {}

    fn wait(&mut self, what: &str, condition: &dyn Fn(&[ProcessInfo]) -> bool) {
        let end = self.0.now() + PATIENCE;
        while !condition(&self.0.processes()) {
            assert!(self.0.now() < end, "waited in vain until {what}: {:?}", self.0.processes());
            self.0.advance(Duration::from_millis(100));
        }
    }
}

pub(super) struct RealHost {
    daemon: Daemon,
    client: Client,
}

impl RealHost {
    pub(super) fn start() -> Option<Self> {
        let daemon = Daemon::start()?;
        let client = daemon.client();
        Some(Self { daemon, client })
    }
}

impl Host for RealHost {
    fn write(&mut self, groups: Vec<GroupConfig>) {
        let text: String = groups.iter().map(section).collect();
        self.daemon.write_conf("groups", &text);
        self.daemon.write_conf("broken", "");
    }

    fn break_config(&mut self) {
        self.daemon.write_conf("broken", "no section header\n");
    }

    fn door(&mut self) -> &mut dyn Supervisord {
        &mut self.client
    }

    fn wait_until_prepared(&mut self, name: &str) {
        let sign = self.daemon.root().join(format!("prepared.{name}"));
        wait_until(PATIENCE, "it is prepared for its signal", || sign.exists());
    }

    fn wait(&mut self, what: &str, condition: &dyn Fn(&[ProcessInfo]) -> bool) {
        wait_until(PATIENCE, what, || condition(&self.daemon.processes()));
    }
}

/// A group as supervisord's configuration. The processes of a group differ in nothing but name.
fn section(group: &GroupConfig) -> String {
    let process = group.processes.first().unwrap();
    let ProcessConfig {
        name,
        autostart,
        autorestart,
        startsecs,
        startretries,
        stopwaitsecs,
        exitcodes,
        other,
        behaviour,
    } = process;
    let instances = if *name == group.name {
        String::new()
    } else {
        let numprocs = group.processes.len();
        format!("numprocs={numprocs}\nprocess_name=%(program_name)s_%(process_num)02d\n")
    };
    let autorestart = match autorestart {
        Autorestart::Always => "true",
        Autorestart::Never => "false",
        Autorestart::Unexpected => "unexpected",
    };
    let command = match behaviour {
        Behaviour::Runs => "/bin/sleep 1000".to_owned(),
        Behaviour::Drains(time) => format!(
            "/bin/sh -c 'trap \"sleep {}; exit 0\" TERM; : > prepared.{name}; \
             while :; do sleep 0.05; done'",
            time.as_secs_f64()
        ),
        Behaviour::Exits { after, status } => {
            format!("/bin/sh -c 'sleep {}; exit {status}'", after.as_secs_f64())
        }
        Behaviour::NotFound => name.clone(),
    };
    let exitcodes: Vec<_> = exitcodes.iter().map(ToString::to_string).collect();
    format!(
        "[program:{}]\ncommand={command}\n{instances}autostart={autostart}\n\
         autorestart={autorestart}\nstartsecs={}\nstartretries={startretries}\nstopwaitsecs={}\n\
         exitcodes={}\nenvironment=OTHER=\"{other}\"\nkillasgroup=true\n",
        group.name,
        startsecs.as_secs(),
        stopwaitsecs.as_secs(),
        exitcodes.join(",")
    )
}
