//! Setting up machines that are not there.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::apt::AptFault;
use super::machine::{Daemon, Folder, Machine, Service, Software, UnitState};
use super::{Level, Package, Progress, Report, SetupDoors, Unit, set_up};
use crate::error::{CommandError, ErrorKind};
use crate::inventory::{
    AbsolutePath, CommandLine, Directory, Domain, Paths, Program, ProgramName, Run, ScriptPath,
    Site, UserName,
};
use crate::system::{Clock, Disk, Interrupt};

const CONFIG: &str = "/etc/supervisor/supervisord.conf";

/// A machine in memory that obeys the rules of the real one: what is installed has its service, a
/// service that is started listens.
struct FakeMachine {
    root: bool,
    apt: bool,
    systemd: bool,
    installed: BTreeSet<&'static str>,
    /// supervisord's main configuration where it is not Debian's.
    other_config: Option<PathBuf>,
    masked: bool,
    disabled: bool,
    active: bool,
    /// Whether a service that was started comes up.
    comes_up: bool,
    runs: bool,
    version: &'static str,
    users: BTreeSet<String>,
    /// Whether what apt-get says it has installed is there.
    installs: bool,
    /// What the next calls of apt-get end with, the last one first.
    faults: Vec<AptFault>,
    calls: Vec<String>,
    interrupt: Interrupt,
    /// Ctrl-C while this call goes on.
    interrupted_by: Option<&'static str>,
}

impl FakeMachine {
    /// A new server of Debian.
    fn bare() -> Self {
        Self {
            root: true,
            apt: true,
            systemd: true,
            installed: BTreeSet::new(),
            other_config: None,
            masked: false,
            disabled: false,
            active: false,
            comes_up: true,
            runs: false,
            version: "4.2.5",
            users: BTreeSet::from(["deployer".to_owned()]),
            installs: true,
            faults: Vec::new(),
            calls: Vec::new(),
            interrupt: Interrupt::default(),
            interrupted_by: None,
        }
    }

    /// One on which everything is as it should be.
    fn ready() -> Self {
        let installed = BTreeSet::from(["supervisor", "logrotate"]);
        Self { installed, active: true, runs: true, ..Self::bare() }
    }

    fn called(&mut self, call: &str) -> Result<(), AptFault> {
        self.calls.push(call.to_owned());
        if self.interrupted_by == Some("apt-get") {
            self.interrupt.raise();
        }
        self.faults.pop().map_or(Ok(()), Err)
    }
}

impl Machine for FakeMachine {
    fn is_root(&self) -> bool {
        self.root
    }

    fn has_apt(&self) -> bool {
        self.apt
    }

    fn software(&mut self, package: Package) -> Software {
        let is_there = self.installed.contains(package.name());
        if is_there { Software::Installed } else { Software::Missing }
    }

    fn unit(&mut self, unit: Unit) -> UnitState {
        let package = match unit {
            Unit::Supervisor => "supervisor",
            Unit::LogrotateTimer => "logrotate",
        };
        if !self.systemd {
            return UnitState::NoSystemd;
        }
        if !self.installed.contains(package) {
            return UnitState::Absent;
        }
        if unit == Unit::LogrotateTimer {
            return UnitState::There(Service { active: true, ..Service::default() });
        }
        if self.masked {
            return UnitState::Masked;
        }
        UnitState::There(Service {
            disabled: self.disabled,
            active: self.active,
            start: format!("argv[]=/usr/bin/supervisord -n -c {CONFIG} ; ignore_errors=no"),
            reload: format!("argv[]=/usr/bin/supervisorctl -c {CONFIG} $OPTIONS reload"),
        })
    }

    fn daemon(&mut self, config: Option<&Path>) -> Daemon {
        let path = config.unwrap_or(Path::new(CONFIG)).to_owned();
        let is_other = self.other_config.as_ref() == Some(&path);
        if !is_other && !self.installed.contains("supervisor") {
            return Daemon::Unconfigured(CommandError::refused("cannot find supervisord"));
        }
        if !self.runs {
            let error = CommandError::refused("supervisord does not run");
            return Daemon::Down { config: path, error };
        }
        let patterns = vec!["/etc/supervisor/conf.d/*.conf".to_owned()];
        Daemon::Answers { config: path, version: self.version.to_owned(), patterns }
    }

    fn folder(&mut self, path: &Path) -> Folder {
        if path.is_dir() { Folder::There { mode: 0o755, gid: 0 } } else { Folder::Missing }
    }

    fn has_user(&mut self, user: &UserName) -> std::io::Result<bool> {
        Ok(self.users.contains(user.as_str()))
    }

    fn refresh_lists(&mut self) -> Result<(), AptFault> {
        self.called("update")
    }

    fn install(&mut self, packages: &[Package]) -> Result<(), AptFault> {
        let names: Vec<&'static str> = packages.iter().map(|package| package.name()).collect();
        self.called(&format!("install {}", names.join(" ")))?;
        if self.installs {
            self.installed.extend(names);
        }
        Ok(())
    }

    fn enable(&mut self, unit: Unit) -> Result<(), String> {
        self.calls.push(format!("enable {}", unit.name()));
        self.disabled = false;
        Ok(())
    }

    fn start(&mut self, unit: Unit) -> Result<(), String> {
        self.calls.push(format!("start {}", unit.name()));
        self.active = true;
        self.runs = self.comes_up;
        Ok(())
    }
}

/// Turned by those who wait.
#[derive(Default)]
struct FakeClock(Cell<Duration>);

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        self.0.get()
    }

    fn wait(&self, duration: Duration) {
        self.0.set(self.0.get() + duration);
    }

    fn timestamp(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}

/// A site whose folders are below a temporary one.
struct Place {
    folder: tempfile::TempDir,
    told: Rc<RefCell<Vec<String>>>,
    clock: FakeClock,
}

impl Place {
    fn new() -> Self {
        let (folder, told) = (tempfile::tempdir().unwrap(), Rc::default());
        Self { folder, told, clock: FakeClock::default() }
    }

    fn site(&self) -> Site {
        let path = |name: &str| {
            AbsolutePath::parse(self.folder.path().join(name).to_str().unwrap()).unwrap()
        };
        let run = Run::Script(ScriptPath::parse("w.sh").unwrap());
        Site {
            domain: Domain::parse("a.com").unwrap(),
            user: UserName::parse("deployer").unwrap(),
            format: crate::inventory::Format::Hardened,
            config_files: Default::default(),
            config_suffix: Default::default(),
            configs: Vec::new(),
            groups: Vec::new(),
            paths: Paths { sites: path("sites"), log_dir: path("log"), ..Paths::default() },
            programs: vec![Program::new(ProgramName::parse("w").unwrap(), run)],
        }
    }

    fn set_up(&self, machine: &mut FakeMachine) -> Result<Report, CommandError> {
        self.set_up_for(machine, &[self.site()])
    }

    fn set_up_for(
        &self,
        machine: &mut FakeMachine,
        sites: &[Site],
    ) -> Result<Report, CommandError> {
        let interrupt = machine.interrupt.clone();
        let mut doors = SetupDoors {
            machine,
            files: &Disk,
            clock: &self.clock,
            interrupt: &interrupt,
            progress: &mut |progress: Progress| self.told.borrow_mut().push(progress.text()),
        };
        set_up(sites, &mut doors)
    }
}

fn done(report: &Report) -> Vec<String> {
    report.done.iter().map(super::SetupStep::done).collect()
}

fn only_failure(report: &Report) -> String {
    assert_eq!(report.failures.len(), 1, "{report:?}");
    report.failures[0].to_string()
}

fn said(words: &str) -> String {
    words.to_owned()
}

#[test]
fn bare_server_gets_everything() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    let report = place.set_up(&mut machine).unwrap();
    let log = place.folder.path().join("log");
    let expected = [
        "installed supervisor, logrotate".to_owned(),
        format!("made {}", log.display()),
        "started supervisor.service".to_owned(),
    ];
    assert_eq!(done(&report), expected);
    assert_eq!(report.failures, []);
    let calls = ["update", "install supervisor logrotate", "start supervisor.service"];
    assert_eq!(machine.calls, calls);
    assert!(log.is_dir());
    machine.calls.clear();
    let again = place.set_up(&mut machine).unwrap();
    assert_eq!((again.done, again.failures), (Vec::new(), Vec::new()));
    assert_eq!(machine.calls, [""; 0]);
}

#[test]
fn only_what_is_missing_is_installed() {
    let (place, mut machine) = (Place::new(), FakeMachine::ready());
    machine.installed.remove("logrotate");
    place.set_up(&mut machine).unwrap();
    assert_eq!(machine.calls, ["update", "install logrotate"]);
}

#[test]
fn held_lock_is_waited_for() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    let held = || AptFault::Locked(said("held by process 7 (unattended-upgr)"));
    machine.faults = vec![held(), held(), held()];
    let report = place.set_up(&mut machine).unwrap();
    assert_eq!(report.failures, []);
    let told = place.told.borrow();
    let about = |line: &&String| line.contains("held by process 7 (unattended-upgr)");
    // Three times within half a minute is one line.
    assert_eq!(told.iter().filter(about).count(), 1, "{told:?}");
}

#[test]
fn held_lock_is_given_up() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    machine.faults = vec![AptFault::Locked(said("held by process 7")); 1000];
    let report = place.set_up(&mut machine).unwrap();
    let failure = only_failure(&report);
    assert!(failure.starts_with("cannot install supervisor, logrotate: held by"), "{failure}");
    assert!(failure.contains("\nhint: "), "{failure}");
    assert!(place.clock.now() < Duration::from_secs(700));
    assert!(!machine.calls.iter().any(|call| call.starts_with("install")), "{:?}", machine.calls);
}

#[test]
fn network_may_fail_for_a_moment() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    machine.faults = vec![AptFault::Network(said("Could not resolve 'deb.debian.org'")); 2];
    let report = place.set_up(&mut machine).unwrap();
    assert_eq!(report.failures, []);
    assert_eq!(machine.calls[..3], ["update"; 3]);
    let told = place.told.borrow();
    assert!(
        told.contains(&said("Trying again in 5 s (2 left): Could not resolve 'deb.debian.org'"))
    );
}

#[test]
fn without_a_network_it_ends() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    machine.faults = vec![AptFault::Network(said("Could not resolve 'deb.debian.org'")); 1000];
    let report = place.set_up(&mut machine).unwrap();
    let failure = only_failure(&report);
    assert!(failure.contains("Could not resolve"), "{failure}");
    // Three tries each, and the lists that are there are tried before it is given up.
    assert_eq!(machine.calls.len(), 6);
    assert!(report.left.iter().any(|remark| remark.text.contains("lists could not be refreshed")));
}

/// Somebody else's broken repository does not keep us from installing.
#[test]
fn foreign_broken_repository_is_a_warning() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    machine.faults = vec![AptFault::Other(said("The repository is not signed."))];
    let report = place.set_up(&mut machine).unwrap();
    assert_eq!(report.failures, []);
    assert_eq!(report.left[0].level, Level::Warning);
    assert!(report.left[0].text.ends_with("The repository is not signed."));
}

#[test]
fn unknown_package_is_located() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    let unknown = AptFault::NoSuchPackage(said("Unable to locate package supervisor"));
    machine.faults = vec![unknown.clone(), unknown];
    let failure = only_failure(&place.set_up(&mut machine).unwrap());
    assert!(failure.contains("Unable to locate package supervisor"), "{failure}");
    assert!(failure.contains("universe"), "{failure}");
}

#[test]
fn missing_systemd_gets_start_command() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    machine.systemd = false;
    let report = place.set_up(&mut machine).unwrap();
    let failure = only_failure(&report);
    assert!(failure.starts_with("supervisord does not run"), "{failure}");
    assert!(failure.contains(&format!("supervisord -c {CONFIG}")), "{failure}");
    assert!(report.left.iter().any(|remark| remark.text.contains("something else runs logrotate")));
    machine.runs = true;
    let report = place.set_up(&mut machine).unwrap();
    assert_eq!((report.done, report.failures), (Vec::new(), Vec::new()));
}

#[test]
fn other_system_is_refused() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    machine.apt = false;
    let failure = only_failure(&place.set_up(&mut machine).unwrap());
    assert!(failure.contains("neither Debian nor Ubuntu"), "{failure}");
    assert!(failure.contains("supervisord, logrotate"), "{failure}");
}

#[test]
fn only_root_installs() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    machine.root = false;
    let failure = only_failure(&place.set_up(&mut machine).unwrap());
    assert!(failure.contains("apt-get install supervisor logrotate"), "{failure}");
    assert_eq!(machine.calls, [""; 0]);
}

#[test]
fn disabled_service_is_started() {
    let (place, mut machine) = (Place::new(), FakeMachine::ready());
    (machine.disabled, machine.active, machine.runs) = (true, false, false);
    assert_eq!(place.set_up(&mut machine).unwrap().failures, []);
    assert_eq!(machine.calls, ["enable supervisor.service", "start supervisor.service"]);
}

#[test]
fn dead_service_is_a_failure() {
    let (place, mut machine) = (Place::new(), FakeMachine::ready());
    (machine.active, machine.runs, machine.comes_up) = (false, false, false);
    let failure = only_failure(&place.set_up(&mut machine).unwrap());
    assert!(failure.contains("journalctl -u supervisor"), "{failure}");
    assert!(place.clock.now() >= Duration::from_secs(15));
    assert_eq!(machine.calls, ["start supervisor.service"]);
}

#[test]
fn what_somebody_has_masked_stays_masked() {
    let (place, mut machine) = (Place::new(), FakeMachine::ready());
    (machine.masked, machine.active, machine.runs) = (true, false, false);
    let failure = only_failure(&place.set_up(&mut machine).unwrap());
    assert!(failure.contains("systemctl unmask supervisor"), "{failure}");
    assert_eq!(machine.calls, [""; 0]);
}

#[test]
fn foreign_service_is_left_alone() {
    let (place, mut machine) = (Place::new(), FakeMachine::ready());
    (machine.disabled, machine.active) = (true, false);
    machine.other_config = Some("/srv/own.conf".into());
    let mut site = place.site();
    let config = AbsolutePath::parse("/srv/own.conf").unwrap();
    site.paths.supervisord = crate::inventory::SupervisordAddress::Config(config);
    let report = place.set_up_for(&mut machine, &[site.clone()]).unwrap();
    assert_eq!(report.failures, []);
    machine.runs = false;
    let failure = only_failure(&place.set_up_for(&mut machine, &[site.clone()]).unwrap());
    assert!(failure.contains("start it: supervisord -c /srv/own.conf"), "{failure}");
    assert_eq!(machine.calls, [""; 0]);
    // One that answers needs no package beside it.
    machine.runs = true;
    machine.installed.remove("supervisor");
    assert_eq!(place.set_up_for(&mut machine, &[site]).unwrap().failures, []);
    assert_eq!(machine.calls, [""; 0]);
}

#[test]
fn undeployed_site_is_no_failure() {
    let (place, mut machine) = (Place::new(), FakeMachine::ready());
    machine.users.clear();
    let report = place.set_up(&mut machine).unwrap();
    assert_eq!(report.failures, []);
    let warnings = report.left.iter().filter(|remark| remark.level == Level::Warning);
    let of_site = warnings.filter(|remark| remark.site.is_some());
    let texts: Vec<&str> = of_site.clone().map(|remark| remark.text.as_str()).collect();
    let root = place.folder.path().join("sites/a.com");
    let current = format!("{} does not exist", root.join("current").display());
    let runner = format!("{} does not exist", root.join("runner.sh").display());
    assert_eq!(texts, ["user deployer does not exist", &current, &runner]);
    assert!(of_site.clone().all(|remark| remark.hint.is_some()));
}

#[test]
fn site_with_folders_of_its_own_needs_no_deployment() {
    let (place, mut machine) = (Place::new(), FakeMachine::ready());
    let mut site = place.site();
    site.programs[0].run = Run::Command(CommandLine::parse("php work.php").unwrap());
    site.programs[0].directory = Some(Directory::parse("/srv/a.com").unwrap());
    let of_site =
        |report: Report| report.left.iter().filter(|remark| remark.site.is_some()).count();
    assert_eq!(of_site(place.set_up_for(&mut machine, &[site.clone()]).unwrap()), 0);
    site.programs[0].directory = None;
    assert_eq!(of_site(place.set_up_for(&mut machine, &[site]).unwrap()), 1);
}

#[test]
fn reload_that_restarts_is_noted() {
    let report = Place::new().set_up(&mut FakeMachine::ready()).unwrap();
    let about = |remark: &&super::Remark| remark.text.contains("systemctl reload supervisor");
    let note = report.left.iter().find(about).unwrap();
    assert_eq!(note.level, Level::Note);
}

#[test]
fn an_old_supervisord_is_a_failure() {
    let (place, mut machine) = (Place::new(), FakeMachine::ready());
    machine.version = "3.3.5";
    let failure = only_failure(&place.set_up(&mut machine).unwrap());
    assert!(failure.starts_with("supervisord 3.3.5 is too old"), "{failure}");
}

#[test]
fn unincluded_conf_d_is_a_warning() {
    let (place, mut machine) = (Place::new(), FakeMachine::ready());
    let mut site = place.site();
    site.paths.conf_dir = AbsolutePath::parse("/srv/conf.d").unwrap();
    let report = place.set_up_for(&mut machine, &[site]).unwrap();
    assert_eq!(report.failures, []);
    let about = |remark: &&super::Remark| remark.text == "supervisord does not read /srv/conf.d";
    let warning = report.left.iter().find(about).unwrap();
    assert!(warning.hint.as_ref().unwrap().contains("files = /srv/conf.d/*.conf"), "{warning:?}");
}

#[test]
fn ineffective_step_is_not_repeated() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    machine.installs = false;
    let failure = only_failure(&place.set_up(&mut machine).unwrap());
    assert!(failure.starts_with("installed supervisor, logrotate, without effect"), "{failure}");
    assert_eq!(machine.calls, ["update", "install supervisor logrotate"]);
}

#[test]
fn ctrl_c_tells_what_was_done() {
    let (place, mut machine) = (Place::new(), FakeMachine::bare());
    machine.interrupted_by = Some("apt-get");
    let error = place.set_up(&mut machine).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Interrupted);
    assert_eq!(error.to_string(), "interrupted: nothing was done yet");
}

#[test]
fn server_without_site_gets_defaults() {
    let wanted = super::look::SetupGoal::of(&[]);
    assert_eq!(wanted.configs, [None]);
    assert_eq!(wanted.log_folders, [PathBuf::from("/var/log/supervisor")]);
}
