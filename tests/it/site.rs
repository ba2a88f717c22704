//! A throw-away host: a real supervisord, sites as a deployment leaves them, and the real binary
//! run against both in an environment of its own.

#![expect(clippy::disallowed_methods, reason = "builds sites and runs the real binary")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a harness that fails fails the test")]

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use supervisor_sync::inventory::{AbsolutePath, Domain};
use supervisor_sync::runner::{ExportedText, RunnerSpec, script};
use supervisor_sync::supervisord::{Call, ProcessInfo, ProcessState, Supervisord as _};
use supervisor_sync::system::users;

use crate::daemon::{self, Daemon, Options, PATIENCE, current_user, wait_until};
use crate::documents::assert_valid;
use crate::hints::assert_typable;
use crate::sshd::Keyring;

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_supervisor-sync");

/// A machine: one supervisord, and whatever sites are deployed on it.
pub(crate) struct Host {
    pub(crate) daemon: Daemon,
    /// Who runs supervisord, its programs and the binary.
    pub(crate) user: String,
}

impl Host {
    /// None where there is no supervisord; see [`Daemon::start`].
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(Options::default())
    }

    /// The same with more to say about its supervisord.
    pub(crate) fn start_with(options: Options) -> Option<Self> {
        let user = options.user.clone().unwrap_or_else(current_user);
        let daemon = Daemon::start_with(&options)?;
        let host = Self { daemon, user };
        for folder in ["sites", "state", "starts", "home"] {
            std::fs::create_dir(host.path(folder)).unwrap();
        }
        host.give_to_user();
        Some(host)
    }

    /// A path below the folder that holds everything.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.daemon.root().join(name)
    }

    /// `conf.d/{full}.conf`.
    pub(crate) fn conf(&self, full: &str) -> PathBuf {
        self.daemon.conf_dir().join(format!("{full}.conf"))
    }

    /// `logrotate.d/supervisor-{full}.conf`.
    pub(crate) fn logrotate(&self, full: &str) -> PathBuf {
        self.daemon.logrotate_dir().join(format!("supervisor-{full}.conf"))
    }

    /// `log/{full}.log`.
    pub(crate) fn log(&self, full: &str) -> PathBuf {
        self.daemon.log_dir().join(format!("{full}.log"))
    }

    /// The folder of the state of this daemon.
    pub(crate) fn state(&self) -> PathBuf {
        let scope = self.daemon.conf_dir().display().to_string();
        self.path("state").join(scope.trim_matches('/').replace('/', "-"))
    }

    /// Makes the tree that a deployment of `domain` leaves, without scripts.
    pub(crate) fn deploy(&self, domain: &str) -> Deployed<'_> {
        let site = Deployed { host: self, domain: domain.to_owned() };
        std::fs::create_dir_all(site.path("releases/1/.deployer/supervisors")).unwrap();
        std::fs::create_dir_all(site.path("shared")).unwrap();
        symlink("releases/1", site.path("current")).unwrap();
        let path = |name: &str| AbsolutePath::parse(site.path(name).to_str().unwrap()).unwrap();
        let text = script(&RunnerSpec {
            release: path("releases/1"),
            shared: path("shared"),
            current: path("current"),
            domain: Domain::parse(domain).unwrap(),
            branch: ExportedText::parse("main").unwrap(),
            php: ExportedText::parse("8.4").unwrap(),
        });
        write_executable(&site.path("runner.sh"), &text);
        self.give_to_user();
        site
    }

    /// A site that [`Host::deploy`] has made.
    pub(crate) fn deployed(&self, domain: &str) -> Deployed<'_> {
        Deployed { host: self, domain: domain.to_owned() }
    }

    /// Where root has started a supervisord for somebody else, the files are that person's too.
    fn give_to_user(&self) {
        if self.user == current_user() {
            return;
        }
        let owner = format!("{}:", self.user);
        let status = Command::new("chown").args(["-hR", &owner]).arg(self.daemon.root()).status();
        assert!(status.unwrap().success());
    }

    /// Writes an inventory of this machine with this text below `sites:`.
    pub(crate) fn inventory(&self, sites: &str) {
        self.inventory_with("", sites);
    }

    /// The same with more lines at the top level.
    pub(crate) fn inventory_with(&self, top: &str, sites: &str) {
        let text = format!(
            "servers:\n  - {{name: here, host: localhost, connection: local, privilege: none}}\n\
             user: {}\npaths:\n  sites: {}\n  conf_dir: {}\n  logrotate_dir: {}\n  log_dir: {}\n  \
             supervisord: {}\n  state_dir: {}\n{top}\nsites:\n{sites}\n",
            self.user,
            self.path("sites").display(),
            self.daemon.conf_dir().display(),
            self.daemon.logrotate_dir().display(),
            self.daemon.log_dir().display(),
            self.daemon.main_conf().display(),
            self.path("state").display(),
        );
        std::fs::write(self.path("home/deployer.yml"), text).unwrap();
    }

    /// The binary with these arguments, in the folder of the inventory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Invocation {
        let mut invocation = Invocation::in_folder(&self.path("home"), arguments);
        if self.user != current_user() {
            invocation.become_user(&self.user);
        }
        invocation
    }

    /// [`Host::command`], run to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).run()
    }

    /// `playbook sync` or `playbook restart` of a site, with `DEPLOYER_PERMS=none`.
    pub(crate) fn playbook(&self, playbook: &str, domain: &str, supervisors: &str) -> Invocation {
        let mut invocation = self.command(&["playbook", playbook]);
        invocation
            .env("DEPLOYER_OUTPUT_FILE", self.path("result.yml"))
            .env("DEPLOYER_DISTRO", "debian")
            .env("DEPLOYER_PERMS", "none")
            .env("DEPLOYER_SITE_DOMAIN", domain)
            .env("DEPLOYER_SUPERVISORS", supervisors)
            .env("SUPERVISOR_SYNC_SITES_DIR", self.path("sites"))
            .env("SUPERVISOR_SYNC_CONF_DIR", self.daemon.conf_dir())
            .env("SUPERVISOR_SYNC_LOGROTATE_DIR", self.daemon.logrotate_dir())
            .env("SUPERVISOR_SYNC_LOG_DIR", self.daemon.log_dir())
            .env("SUPERVISOR_SYNC_SUPERVISORD_CONF", self.daemon.main_conf())
            .env("SUPERVISOR_SYNC_STATE_DIR", self.path("state"))
            .env("SUPERVISOR_SYNC_USER", &self.user);
        invocation
    }

    /// `playbook sync`, run to its end.
    pub(crate) fn sync(&self, domain: &str, supervisors: &str) -> Run {
        self.playbook("sync", domain, supervisors).run()
    }

    /// The result file of a playbook; `None` if there is none.
    pub(crate) fn result(&self) -> Option<String> {
        std::fs::read_to_string(self.path("result.yml")).ok()
    }

    /// What supervisord says of one process.
    pub(crate) fn process(&self, namespec: &str) -> Option<ProcessInfo> {
        self.daemon.processes().into_iter().find(|process| process.namespec() == namespec)
    }

    /// Waits until each of these processes is RUNNING and returns their pids.
    pub(crate) fn wait_running(&self, namespecs: &[&str]) -> Vec<i64> {
        for namespec in namespecs {
            self.daemon.wait_for_state(namespec, ProcessState::Running);
        }
        namespecs.iter().map(|namespec| self.process(namespec).unwrap().pid).collect()
    }

    /// The groups that supervisord has, sorted.
    pub(crate) fn groups(&self) -> Vec<String> {
        let mut groups: Vec<String> =
            self.daemon.processes().into_iter().map(|process| process.group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// Stops a process as a person would.
    pub(crate) fn stop_by_hand(&self, namespec: &str) {
        self.daemon.client().call(Call::StopProcess(namespec.to_owned())).unwrap().unwrap();
        self.daemon.wait_for_state(namespec, ProcessState::Stopped);
    }

    /// The names in conf.d and logrotate.d, sorted.
    pub(crate) fn file_names(&self) -> Vec<String> {
        let folders = [self.daemon.conf_dir(), self.daemon.logrotate_dir()];
        folders.iter().flat_map(|folder| names(folder)).collect()
    }

    /// The pids under which a worker of [`Deployed::worker`] has started, in order.
    pub(crate) fn starts(&self, full: &str) -> Vec<i64> {
        let text = std::fs::read_to_string(self.path("starts").join(full)).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Waits until a worker has started this often.
    pub(crate) fn wait_starts(&self, full: &str, times: usize) {
        wait_until(PATIENCE, &format!("{full} has started {times} times"), || {
            self.starts(full).len() >= times
        });
    }

    /// Lets the workers of [`Deployed::drainer`] end.
    pub(crate) fn open_gate(&self) {
        std::fs::write(self.path("gate"), "").unwrap();
    }

    /// Everything on the disk but supervisord's own log, and the state of each process.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut files = BTreeMap::new();
        read_tree(self.daemon.root(), &mut files);
        for own in ["supervisord.log", "output", ""] {
            files.remove(&self.path(own));
        }
        files.remove(self.daemon.root());
        let processes = self.daemon.processes().into_iter();
        Snapshot {
            files,
            processes: processes
                .map(|p| format!("{} {:?} pid {} since {}", p.namespec(), p.state, p.pid, p.start))
                .collect(),
        }
    }

    /// The same of one folder alone.
    pub(crate) fn snapshot_of(folder: &Path) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        read_tree(folder, &mut files);
        files
    }
}

/// A site as a deployment leaves it.
pub(crate) struct Deployed<'h> {
    host: &'h Host,
    domain: String,
}

impl<'h> Deployed<'h> {
    /// The site of this domain that [`Host::deploy`] has made.
    pub(crate) fn of(host: &'h Host, domain: &str) -> Self {
        Self { host, domain: domain.to_owned() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.host.path("sites").join(&self.domain).join(name)
    }

    /// Writes a script of the live release; runner.sh makes it executable.
    pub(crate) fn script(&self, name: &str, text: &str) {
        std::fs::write(self.path("current/.deployer/supervisors").join(name), text).unwrap();
        self.host.give_to_user();
    }

    /// `{name}.sh`: notes each of its starts and runs until it is told to stop.
    pub(crate) fn worker(&self, name: &str) {
        self.script(&format!("{name}.sh"), &self.noting(name, "exec sleep 1000"));
    }

    /// `{name}.sh`: told to stop, it goes on until [`Host::open_gate`].
    pub(crate) fn drainer(&self, name: &str) {
        let gate = self.host.path("gate");
        let drain = format!("while [ ! -e {} ]; do sleep 0.05; done; exit 0", gate.display());
        let end = format!("trap '{drain}' TERM\nwhile :; do sleep 0.05; done");
        // The start is noted when the trap is set: a test may stop it from then on.
        let text = format!("#!/bin/sh\n{end}");
        let noted = text.replacen("\nwhile :", &format!("\n{}\nwhile :", self.note(name)), 1);
        self.script(&format!("{name}.sh"), &noted);
    }

    /// `{name}.sh`: says why and exits at once.
    pub(crate) fn crasher(&self, name: &str) {
        let end = format!("echo {name} has no database; exit 1");
        self.script(&format!("{name}.sh"), &self.noting(name, &end));
    }

    fn noting(&self, name: &str, end: &str) -> String {
        format!("#!/bin/sh\n{}\n{end}\n", self.note(name))
    }

    fn note(&self, name: &str) -> String {
        let full = format!("{}-{name}", self.domain);
        format!("echo $$ >> {}", self.host.path("starts").join(full).display())
    }
}

/// The binary about to be run.
pub(crate) struct Invocation(Command);

impl Invocation {
    /// In the folder of these keys, with their ssh.
    pub(crate) fn with_keys(keyring: &Keyring, arguments: &[&str]) -> Self {
        let mut invocation = Self::in_folder(&keyring.path(""), arguments);
        invocation.env("SUPERVISOR_SYNC_SSH", keyring.wrapper());
        invocation
    }

    /// In an environment of its own, with this folder as its home.
    pub(crate) fn in_folder(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", folder)
            .stdin(Stdio::null());
        if let Some(profile) = std::env::var_os("LLVM_PROFILE_FILE") {
            command.env("LLVM_PROFILE_FILE", profile);
        }
        Self(command)
    }

    pub(crate) fn env(&mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> &mut Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn without(&mut self, name: &str) -> &mut Self {
        self.0.env_remove(name);
        self
    }

    /// Another copy of the binary, with the arguments, folder and variables so far.
    pub(crate) fn program(&mut self, binary: &Path) -> &mut Self {
        let mut command = Command::new(binary);
        command.args(self.0.get_args()).env_clear().stdin(Stdio::null());
        command.current_dir(self.0.get_current_dir().unwrap());
        command.envs(self.0.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.0 = command;
        self
    }

    /// bash in its place, which reads this script from its stdin, as DeployerPHP has it.
    pub(crate) fn bash(&mut self, script: &str) -> &mut Self {
        let folder = self.0.get_current_dir().unwrap();
        let file = folder.join("script");
        std::fs::write(&file, script).unwrap();
        let mut command = Command::new("bash");
        command.current_dir(folder).env_clear().stdin(std::fs::File::open(file).unwrap());
        command.envs(self.0.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.0 = command;
        self
    }

    pub(crate) fn stdin(&mut self, stdin: Stdio) -> &mut Self {
        self.0.stdin(stdin);
        self
    }

    /// Runs it as somebody else, which only root can.
    pub(crate) fn become_user(&mut self, name: &str) -> &mut Self {
        let user = users::find(name).unwrap().unwrap();
        self.0.uid(user.uid).gid(user.gid);
        self
    }

    pub(crate) fn run(&mut self) -> Run {
        self.spawn().wait()
    }

    /// Runs it to its end with stdout and stderr going to `writer`.
    pub(crate) fn run_into(&mut self, writer: std::io::PipeWriter) -> ExitStatus {
        self.0.stdout(writer.try_clone().unwrap()).stderr(writer);
        self.0.status().unwrap()
    }

    /// Starts it, for what is to be seen while it runs.
    pub(crate) fn spawn(&mut self) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let output = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
        let child = self.0.stdout(output("stdout")).stderr(output("stderr")).spawn().unwrap();
        let prints_documents = self.0.get_args().any(|argument| argument == "--json");
        Running { child, folder, prints_documents, seen: AtomicUsize::new(0) }
    }
}

/// The binary while it runs. Its output goes to files, so that a test can look at it meanwhile.
pub(crate) struct Running {
    child: Child,
    folder: tempfile::TempDir,
    /// Whether it was asked for JSON.
    prints_documents: bool,
    /// How many bytes of them were looked at.
    seen: AtomicUsize,
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its stdin, where that is a pipe.
    pub(crate) fn keyboard(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// What it has written to stdout so far. A document that is not of the published schema fails the test.
    #[track_caller]
    pub(crate) fn stdout(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("stdout")).unwrap();
        if self.prints_documents {
            // The last line may not be whole yet.
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            assert_valid(&text[self.seen.swap(whole, Ordering::Relaxed)..whole]);
        }
        text
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, longer than anything here takes.
    pub(crate) fn wait(mut self) -> Run {
        wait_until(Duration::from_secs(120), "supervisor-sync has ended", || self.has_ended());
        let status = self.child.wait().unwrap();
        if !self.prints_documents {
            assert_typable(&self.stdout());
            assert_typable(&self.stderr());
        }
        Run {
            status: status.code().unwrap_or_else(|| panic!("{status}")),
            stdout: without_warning_of_version(&self.stdout()),
            stderr: without_warning_of_version(&self.stderr()),
        }
    }
}

/// Also when the test has failed half-way.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An output without the lines that warn of the very supervisord under test, where it is one that can
/// crash: every plan has one then, and what a test compares is the rest. `versions.rs` looks for it.
pub(crate) fn without_warning_of_version(output: &str) -> String {
    let Some(version) = daemon::version().filter(|version| version.can_crash()) else {
        return output.to_owned();
    };
    let warning = format!("arning: {}", version.warning());
    output.split_inclusive('\n').filter(|line| !line.contains(&warning)).collect()
}

/// What the binary said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Fails the test with everything it said unless it ended with this status.
    #[track_caller]
    pub(crate) fn ended(self, status: i32) -> Self {
        let Self { stdout, stderr, .. } = &self;
        let told = format!("\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        assert_eq!(self.status, status, "{told}");
        self
    }

    /// Fails the test unless `text` is somewhere in stdout.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} in stdout:\n{}", self.stdout);
        self
    }

    /// Fails the test unless `text` is somewhere in stderr.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in stderr:\n{}", self.stderr);
        self
    }

    /// The first line of stderr.
    pub(crate) fn first_line(&self) -> &str {
        self.stderr.lines().next().unwrap_or_default()
    }

    /// The lines of stderr that begin with `Warning: `, or `warning: ` outside of playbooks, without it.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        let marks = ["Warning: ", "warning: "];
        let of =
            |line: &'_ str| marks.iter().find_map(|mark| line.strip_prefix(*mark).map(str::len));
        let lines = self.stderr.lines();
        lines.filter_map(|line| of(line).map(|length| &line[line.len() - length..])).collect()
    }
}

/// A host at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) files: BTreeMap<PathBuf, String>,
    pub(crate) processes: Vec<String>,
}

impl Snapshot {
    /// Fails the test with what differs.
    #[track_caller]
    pub(crate) fn assert_same(&self, later: &Self) {
        assert_eq!(self.processes, later.processes);
        let gone = self.files.iter().filter(|(path, _)| !later.files.contains_key(*path));
        assert_eq!(gone.collect::<Vec<_>>(), [], "gone");
        for (path, then) in &later.files {
            assert_eq!(self.files.get(path), Some(then), "{}", path.display());
        }
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Everything below `path`: kind, mode, time of the last change and content.
fn read_tree(path: &Path, files: &mut BTreeMap<PathBuf, String>) {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return };
    let content = if metadata.is_dir() {
        let is_record = path.parent().is_some_and(|parent| parent.ends_with("sites"));
        for name in names(path) {
            if is_record && name == "runs" || name.contains("reread.json") {
                // How runs ended, and what supervisord has said, is noted also where everything else
                // is as before.
                continue;
            }
            read_tree(&path.join(name), files);
        }
        "folder".to_owned()
    } else if metadata.is_symlink() {
        format!("link to {}", std::fs::read_link(path).unwrap().display())
    } else if metadata.is_file() {
        String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
    } else {
        "special".to_owned()
    };
    let mut stamp = format!("{:o} {}:{}", metadata.mode(), metadata.uid(), metadata.gid());
    if !path.parent().is_some_and(|parent| parent.ends_with("state")) {
        let (second, nanosecond) = (metadata.mtime(), metadata.mtime_nsec());
        stamp += &format!(" inode {} changed {second}.{nanosecond:09}", metadata.ino());
    }
    files.insert(path.to_owned(), format!("{stamp}\n{content}"));
}

/// Writes a file that can be run.
pub(crate) fn write_executable(path: &Path, text: &str) {
    crate::daemon::write_program(path, text.as_bytes());
}
