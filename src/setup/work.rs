//! Does what is missing, and looks again.

use std::path::Path;
use std::time::Duration;

use super::apt::AptFault;
use super::decide::{missing, obstacle, own_service};
use super::look::{Findings, SetupGoal, logrotate_conf, look, look_at_site};
use super::machine::{Daemon, Machine};
use super::{Level, Package, Progress, Remark, Report, SetupStep, Unit, remarks};
use crate::error::{CommandError, ErrorKind};
use crate::inventory::Site;
use crate::system::files::Files;
use crate::system::{Clock, Interrupt};

/// How long another program may hold apt's lock: an unattended upgrade takes minutes.
const LOCK_WAIT: Duration = Duration::from_secs(600);
/// Between two lines about a lock that is still held.
const LOCK_TOLD: Duration = Duration::from_secs(30);
/// Between two looks at the lock.
const LOCK_LOOK: Duration = Duration::from_secs(2);
/// The pauses before the second and the third try over the network.
const NETWORK_PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];
/// How long a service that was started may take until its supervisord answers.
const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// Between two looks whether it answers.
const ANSWER_LOOK: Duration = Duration::from_millis(250);

/// What setting up reaches the world through.
pub struct SetupDoors<'d> {
    /// Packages, units, supervisord.
    pub machine: &'d mut dyn Machine,
    /// Files and folders.
    pub files: &'d dyn Files,
    /// What the wait for a supervisord that was just started goes by.
    pub clock: &'d dyn Clock,
    /// Looked at between two steps.
    pub interrupt: &'d Interrupt,
    /// What is told.
    pub progress: &'d mut dyn FnMut(Progress),
}

/// Makes the machine ready for these sites, as far as that can be done. An error only when it was
/// interrupted; what failed is in the report.
pub fn set_up(sites: &[Site], doors: &mut SetupDoors<'_>) -> Result<Report, CommandError> {
    let wanted = SetupGoal::of(sites);
    let mut work = SetupWork { report: Report::default(), tried: Vec::new() };
    let mut found = look(&wanted, doors.machine);
    loop {
        let steps = missing(&found).into_iter().filter(|step| !work.tried.contains(step));
        let steps: Vec<SetupStep> = steps.collect();
        if steps.is_empty() {
            break;
        }
        for step in steps {
            work.carry_out(step, &found, doors)?;
        }
        found = settled(&wanted, doors);
    }
    let SetupWork { mut report, .. } = work;
    let sites: Vec<_> =
        sites.iter().map(|site| look_at_site(site, doors.machine, doors.files)).collect();
    remarks::add(&mut report, &found, &wanted, &sites, &logrotate_conf(doors.files));
    Ok(report)
}

/// Looks again. A supervisord whose service was just started gets the time to open its socket.
fn settled(wanted: &SetupGoal, doors: &mut SetupDoors<'_>) -> Findings {
    let end = doors.clock.now() + ANSWER_WAIT;
    let mut told = false;
    loop {
        let found = look(wanted, doors.machine);
        let mut daemons = found.daemons.iter();
        let comes = own_service(&found).is_some_and(|service| service.active)
            && daemons.any(|daemon| matches!(daemon, Daemon::Down { .. }));
        if !comes || doors.clock.now() >= end || doors.interrupt.is_raised() {
            return found;
        }
        if !told {
            (doors.progress)(Progress::WaitingForSupervisord);
            told = true;
        }
        doors.clock.wait(ANSWER_LOOK);
    }
}

struct SetupWork {
    report: Report,
    /// Each step is tried once.
    tried: Vec<SetupStep>,
}

impl SetupWork {
    fn carry_out(
        &mut self,
        step: SetupStep,
        found: &Findings,
        doors: &mut SetupDoors<'_>,
    ) -> Result<(), CommandError> {
        if doors.interrupt.is_raised() {
            return Err(self.interrupted());
        }
        self.tried.push(step.clone());
        if let Some(obstacle) = obstacle(&step, found) {
            self.report.failures.push(obstacle);
            return Ok(());
        }
        (doors.progress)(Progress::Begins { step: step.clone() });
        let done = match &step {
            SetupStep::Install { packages } => self.install(packages, &step, doors),
            SetupStep::Enable { unit } => by_systemd(&step, *unit, doors.machine.enable(*unit)),
            SetupStep::Start { unit } => by_systemd(&step, *unit, doors.machine.start(*unit)),
            SetupStep::MakeFolder { path } => make_folder(path, doors.files),
        };
        match done {
            Ok(()) => self.report.done.push(step),
            Err(error) if error.kind == ErrorKind::Interrupted => return Err(self.interrupted()),
            Err(error) => self.report.failures.push(error),
        }
        Ok(())
    }

    fn install(
        &mut self,
        packages: &[Package],
        step: &SetupStep,
        doors: &mut SetupDoors<'_>,
    ) -> Result<(), CommandError> {
        (doors.progress)(Progress::RefreshingLists);
        match patiently(doors, &mut |machine| machine.refresh_lists()) {
            Ok(()) => {}
            Err(AptFault::Interrupted) => return Err(self.interrupted()),
            Err(fault @ (AptFault::Locked(_) | AptFault::CannotRun(_))) => {
                return Err(fault.error(&step.order(), &step.by_hand()));
            }
            // One repository of many is broken, or there is no network but a cache: the lists that
            // are there may do.
            Err(fault) => self.report.left.push(Remark {
                level: Level::Warning,
                site: None,
                text: format!("apt's lists could not be refreshed: {}", fault.words()),
                hint: Some("see what it says: apt-get update".to_owned()),
            }),
        }
        patiently(doors, &mut |machine| machine.install(packages)).map_err(|fault| match fault {
            AptFault::Interrupted => self.interrupted(),
            fault => fault.error(&step.order(), &step.by_hand()),
        })
    }

    fn interrupted(&self) -> CommandError {
        let done: Vec<String> = self.report.done.iter().map(SetupStep::done).collect();
        let error = CommandError::new(ErrorKind::Interrupted, "interrupted");
        if done.is_empty() {
            return error.because("nothing was done yet");
        }
        error.because(format!("{}; run it again for the rest", done.join(", ")))
    }
}

/// Calls apt until it gets its lock, and again if the network has failed; both within bounds.
fn patiently(
    doors: &mut SetupDoors<'_>,
    call: &mut dyn FnMut(&mut dyn Machine) -> Result<(), AptFault>,
) -> Result<(), AptFault> {
    let began = doors.clock.now();
    let mut pauses = NETWORK_PAUSES.iter();
    let mut tell_lock_at = began;
    loop {
        if doors.interrupt.is_raised() {
            return Err(AptFault::Interrupted);
        }
        match call(doors.machine) {
            Err(AptFault::Locked(words)) => {
                let left = LOCK_WAIT.saturating_sub(doors.clock.now().saturating_sub(began));
                if left.is_zero() {
                    return Err(AptFault::Locked(words));
                }
                if doors.clock.now() >= tell_lock_at {
                    (doors.progress)(Progress::Locked { words, seconds_left: left.as_secs() });
                    tell_lock_at = doors.clock.now() + LOCK_TOLD;
                }
                doors.clock.wait(LOCK_LOOK);
            }
            Err(AptFault::Network(words)) => {
                let tries_left = u32::try_from(pauses.len()).unwrap_or_default();
                let Some(pause) = pauses.next() else { return Err(AptFault::Network(words)) };
                let seconds = pause.as_secs();
                (doors.progress)(Progress::TryingAgain { words, seconds, tries_left });
                pause_for(*pause, doors);
            }
            other => return other,
        }
    }
}

/// Waits in pieces, so that Ctrl-C is noticed.
fn pause_for(pause: Duration, doors: &SetupDoors<'_>) {
    let end = doors.clock.now() + pause;
    while doors.clock.now() < end && !doors.interrupt.is_raised() {
        doors.clock.wait(ANSWER_LOOK);
    }
}

fn by_systemd(
    step: &SetupStep,
    unit: Unit,
    result: Result<(), String>,
) -> Result<(), CommandError> {
    result.map_err(|words| {
        CommandError::refused(format!("cannot {}", step.order()))
            .because(words)
            .hint(format!("see why: systemctl status {0}; journalctl -u {0}", unit.name()))
    })
}

fn make_folder(path: &Path, files: &dyn Files) -> Result<(), CommandError> {
    files.create_folder(path, 0o755).map_err(|source| {
        CommandError::refused(format!("cannot make {}", path.display())).caused_by_io(&source, path)
    })
}
