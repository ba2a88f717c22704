//! A real supervisord in a folder of its own, gone with all its children when the test ends.

#![expect(clippy::disallowed_methods, reason = "starts, waits for and kills a real daemon")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness that fails fails the test"
)]

use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use supervisor_sync::supervisord::{
    Answer, Call, Client, Fault, Listener, ProcessInfo, ProcessState, Reload, Supervisord,
};
use supervisor_sync::system::users;
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine with two cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Marks everything that descends from the daemon, through its environment: a child that was
/// orphaned can then still be found.
const MARK: &str = "SUPERVISOR_SYNC_TEST_DAEMON";

/// Writes a program, through another process: a file that we have open for writing cannot be executed,
/// and a child that another test is just starting holds what we have open until it runs.
pub(crate) fn write_program(path: &Path, bytes: &[u8]) {
    let script = "rm -f \"$0\" && cat > \"$0\" && chmod 755 \"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(path).stdin(Stdio::piped());
    let mut shell = command.spawn().unwrap();
    shell.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(shell.wait().unwrap().success(), "{} is written", path.display());
}

/// Polls `condition` until it holds; fails the test at the deadline, saying `what` it waited for.
pub(crate) fn wait_until(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + deadline;
    while !condition() {
        assert!(Instant::now() < end, "waited {deadline:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Has supervisord read its files anew.
pub(crate) fn reread(supervisord: &mut dyn Supervisord) -> Result<Reload, Fault> {
    match supervisord.call(Call::ReloadConfig).unwrap()? {
        Answer::Reload(reload) => Ok(reload),
        other => panic!("{other:?}"),
    }
}

/// How a [`Daemon`] is to be.
#[derive(Default)]
pub(crate) struct Options {
    /// Text for the end of the main file, e.g. an `[inet_http_server]`.
    pub(crate) extra: String,
    /// Who runs it and owns its folder, which only root can choose: whoever runs the tests if none.
    pub(crate) user: Option<String>,
}

/// The daemon. Its paths are those of Debian's layout below [`Daemon::root`].
pub(crate) struct Daemon {
    folder: TempDir,
    binary: PathBuf,
    user: Option<String>,
    child: Option<Child>,
    environment: Vec<(String, String)>,
    listener: Listener,
}

impl Daemon {
    /// Starts a daemon without programs. None if there is no supervisord here, which fails the test
    /// where `REQUIRE_E2E` or `CI` is set and is said loudly elsewhere.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&Options::default())
    }

    /// The same with more to say in its main file.
    pub(crate) fn start_with(options: &Options) -> Option<Self> {
        let Some(binary) = find_binary() else {
            crate::python::missing("supervisord");
            return None;
        };
        // Short, because a socket's path has room for 107 bytes and $TMPDIR may be long.
        let folder = tempfile::Builder::new().prefix("sup").tempdir_in("/tmp").unwrap();
        let listener = Listener::Unix { path: folder.path().join("s.sock"), login: None };
        let (user, environment) = (options.user.clone(), Vec::new());
        let mut daemon = Self { folder, binary, user, child: None, environment, listener };
        for path in [daemon.conf_dir(), daemon.log_dir(), daemon.logrotate_dir()] {
            std::fs::create_dir_all(path).unwrap();
        }
        std::fs::write(daemon.main_conf(), daemon.main_text(options)).unwrap();
        daemon.give_to_user();
        daemon.start_again();
        Some(daemon)
    }

    /// A folder of root's alone would keep another user out.
    fn give_to_user(&self) {
        let Some(user) = &self.user else { return };
        let owner = format!("{user}:");
        let status = Command::new("chown").args(["-R", &owner]).arg(self.root()).status().unwrap();
        assert!(status.success());
    }

    fn main_text(&self, options: &Options) -> String {
        let root = self.root().display();
        format!(
            "[supervisord]\nlogfile={root}/supervisord.log\npidfile={root}/supervisord.pid\n\
             childlogdir={root}\nuser={}\n[unix_http_server]\nfile={root}/s.sock\n\
             [supervisorctl]\nserverurl=unix://{root}/s.sock\n[rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
             [include]\nfiles={root}/conf.d/*.conf\n{}\n",
            self.user.clone().unwrap_or_else(current_user),
            options.extra
        )
    }

    /// The folder that holds everything.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Where `[include]` looks: every `*.conf`.
    pub(crate) fn conf_dir(&self) -> PathBuf {
        self.root().join("conf.d")
    }

    pub(crate) fn log_dir(&self) -> PathBuf {
        self.root().join("log")
    }

    pub(crate) fn logrotate_dir(&self) -> PathBuf {
        self.root().join("logrotate.d")
    }

    pub(crate) fn main_conf(&self) -> PathBuf {
        self.root().join("supervisord.conf")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.root().join("s.sock")
    }

    /// Writes `conf.d/{name}.conf`.
    pub(crate) fn write_conf(&self, name: &str, text: &str) {
        std::fs::write(self.conf_dir().join(format!("{name}.conf")), text).unwrap();
    }

    /// Removes `conf.d/{name}.conf`.
    pub(crate) fn remove_conf(&self, name: &str) {
        std::fs::remove_file(self.conf_dir().join(format!("{name}.conf"))).unwrap();
    }

    /// A client at the unix socket, or where [`Daemon::restart_at`] had it listen.
    pub(crate) fn client(&self) -> Client {
        Client::at(&self.listener).with_deadline(PATIENCE)
    }

    /// The daemon's own pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the daemon has been stopped").id()
    }

    /// What `getAllProcessInfo` says.
    pub(crate) fn processes(&self) -> Vec<ProcessInfo> {
        self.client().get_all_process_info().unwrap().unwrap()
    }

    /// Waits until the process `group:name` has this state.
    pub(crate) fn wait_for_state(&self, namespec: &str, state: ProcessState) {
        wait_until(PATIENCE, &format!("{namespec} is {state:?}"), || {
            let processes = self.processes();
            processes.iter().any(|one| one.namespec() == namespec && one.state == state)
        });
    }

    /// supervisord's own command line, for comparison.
    pub(crate) fn supervisorctl(&self, args: &[&str]) -> Output {
        let path = self.supervisorctl_path();
        Command::new(path).arg("-c").arg(self.main_conf()).args(args).output().unwrap()
    }

    /// The supervisorctl of the same release.
    pub(crate) fn supervisorctl_path(&self) -> PathBuf {
        self.binary.with_file_name("supervisorctl")
    }

    /// Stops the daemon as a service manager does (SIGTERM, which stops all programs).
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal(child.id(), Signal::TERM);
        wait_until(PATIENCE, "supervisord has ended", || child.try_wait().unwrap().is_some());
    }

    /// Starts it again after [`Daemon::stop`], with the files as they are now.
    pub(crate) fn start_again(&mut self) {
        let root = self.root();
        let output = std::fs::File::create(root.join("output")).unwrap();
        let mut command = Command::new(&self.binary);
        if let Some(name) = &self.user {
            let user = users::find(name).unwrap().expect("the user of a daemon exists");
            command.uid(user.uid).gid(user.gid);
        }
        let child = command
            .args(["-n", "-c"])
            .arg(self.main_conf())
            .current_dir(root)
            .env(MARK, root)
            .envs(self.environment.clone())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_until(PATIENCE, "supervisord answers", || {
            self.assert_alive();
            self.client().call(Call::GetPid).is_ok()
        });
    }

    /// Ends the daemon and all that it started at once, and starts it again: what a power cut and
    /// the boot after it make of them.
    pub(crate) fn cut_power(&mut self) {
        self.kill_tree();
        self.start_again();
    }

    /// What it has in its environment from its next start on.
    pub(crate) fn set_environment(&mut self, variables: &[(&str, &str)]) {
        let variables = variables.iter();
        self.environment =
            variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    }

    /// [`Daemon::restart`], with files that have it listen there.
    pub(crate) fn restart_at(&mut self, listener: Listener) {
        self.stop();
        self.listener = listener;
        self.start_again();
    }

    /// [`Daemon::stop`] and [`Daemon::start_again`].
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    fn assert_alive(&mut self) {
        let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
        if let Some(status) = ended {
            self.child = None;
            let output = std::fs::read_to_string(self.root().join("output")).unwrap_or_default();
            panic!("supervisord ended with {status}: {output}");
        }
    }

    /// SIGSTOP: it is there and answers nothing.
    pub(crate) fn freeze(&self) {
        signal(self.pid(), Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        signal(self.pid(), Signal::CONT);
    }

    /// Everything that the daemon has started, found by its environment.
    fn marked(&self) -> Vec<u32> {
        let mut mark = format!("{MARK}=").into_bytes();
        mark.extend_from_slice(self.root().as_os_str().as_bytes());
        let is_marked = |pid: &u32| {
            // A zombie's environment is empty, so what is dead is not found.
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|variable| variable == mark)
        };
        pids().into_iter().filter(is_marked).collect()
    }

    /// Kills the daemon and what it started. It is frozen first, so that nothing is forked between
    /// looking and killing; a child in the middle of `execve` has no environment to be found by.
    fn kill_tree(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal(child.id(), Signal::STOP);
        let end = Instant::now() + PATIENCE;
        while stat(child.id()).is_some_and(|(state, _)| state != "T" && state != "Z")
            && Instant::now() < end
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut tree = vec![child.id()];
        let mut at = 0;
        while let Some(parent) = tree.get(at).copied() {
            let is_child = |pid: &u32| stat(*pid).is_some_and(|(_, ppid)| ppid == parent);
            tree.extend(pids().into_iter().filter(is_child));
            at += 1;
        }
        for pid in tree {
            signal(pid, Signal::KILL);
        }
        let _ = child.wait();
    }
}

/// Also when the test has failed half-way.
impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill_tree();
        let end = Instant::now() + PATIENCE;
        loop {
            let left = self.marked();
            if left.is_empty() {
                return;
            }
            if Instant::now() > end {
                let _ = writeln!(std::io::stderr(), "processes of a test are left: {left:?}");
                return;
            }
            for pid in left {
                signal(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The processes whose parent this is.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| stat(*pid).is_some_and(|(_, ppid)| ppid == parent);
    pids().into_iter().filter(is_child).collect()
}

/// A process's state letter and its parent.
fn stat(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Sends a signal; that the process has ended meanwhile is fine.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// The name of who runs the tests, as `user=` wants it.
pub(crate) fn current_user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A release of supervisord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) text: String,
    numbers: Vec<u32>,
}

impl Version {
    /// Whether the plan warns of it.
    pub(crate) fn can_crash(&self) -> bool {
        self.numbers.as_slice() < [4, 2, 2].as_slice()
    }

    /// What it says then.
    pub(crate) fn warning(&self) -> String {
        format!(
            "supervisord {} can crash when a process is stopped that keeps exiting; 4.2.2 fixes it",
            self.text
        )
    }

    /// Whether `%(ENV_X)s` may be what `[supervisord] environment=` says: 4.2.2 fixed that.
    pub(crate) fn expands_its_environment_option(&self) -> bool {
        self.numbers.as_slice() >= [4, 2, 2].as_slice()
    }
}

/// The release that the tests run on, asked once; `None` where there is none.
pub(crate) fn version() -> Option<&'static Version> {
    static VERSION: OnceLock<Option<Version>> = OnceLock::new();
    let ask = || {
        let output = Command::new(find_binary()?).arg("--version").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let numbers = text.split('.').map(|number| number.parse().unwrap()).collect();
        Some(Version { text, numbers })
    };
    VERSION.get_or_init(ask).as_ref()
}

/// `$SUPERVISORD`, else the system's own, else the first on the PATH.
fn find_binary() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("SUPERVISORD") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("supervisord"));
    std::iter::once(PathBuf::from("/usr/bin/supervisord"))
        .chain(on_path)
        .find(|path| path.is_file())
}
