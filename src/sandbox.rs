//! A supervisord of our own for as long as somebody watches: an inventory's programs on this machine, as
//! the current user, with nothing left of it afterwards.
//!
//! Its folder is named after the inventory, so one that was killed is found by the next and cleared away,
//! with whatever its supervisord still runs.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::error::CommandError;
use crate::inventory::{
    AbsolutePath, CommandLine, Directory, Logs, NameError, Paths, ProgramUser, Rotation, Run, Site,
    SupervisordAddress, UserName,
};
use crate::supervisord::{Answer, Call, Client, Supervisord as _};
use crate::system::files::{FileContent, Files as _, replace};
use crate::system::trail::digest;
use crate::system::{Clock as _, Disk, SystemClock, closed, process, users};

/// How long supervisord may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most that a program has to stop, in seconds: whoever presses Ctrl-C does not wait an hour.
const LONGEST_STOP: u32 = 10;
/// How long all of them may take to stop, with supervisord itself.
const END_PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at supervisord.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Its main file. Nobody but the current user gets in.
const MAIN_FILE: &str = "\
[supervisord]
nodaemon=true
logfile=%(here)s/supervisord.log
pidfile=%(here)s/supervisord.pid
childlogdir=%(here)s/log

[unix_http_server]
file=%(here)s/supervisor.sock
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[include]
files=conf.d/*.conf
";

/// A supervisord that runs in a folder of its own until it is ended or dropped.
#[derive(Debug)]
pub(crate) struct Sandbox {
    folder: PathBuf,
    supervisord: Child,
    clock: SystemClock,
    lock_file: PathBuf,
    /// Held for as long as it runs: one for each inventory.
    _lock: File,
}

impl Sandbox {
    /// Starts it in a folder of `inventory` below `base`, which is made.
    pub(crate) fn start(base: &Path, inventory: &Path) -> Result<Self, CommandError> {
        let name = digest([inventory.as_os_str().as_encoded_bytes()]);
        let base = base.join("sandbox");
        let folder = base.join(&name[..8]);
        make(&folder)?;
        let lock_file = base.join(format!("{}.lock", &name[..8]));
        let lock = lock(&lock_file, inventory)?;
        let clock = SystemClock::start();
        end_leftover(&folder, &clock);
        clear(&folder)?;
        for part in ["conf.d", "logrotate.d", "log"] {
            make(&folder.join(part))?;
        }
        let main = main_file(&folder);
        let content = FileContent { bytes: MAIN_FILE.into(), mode: 0o600, owner: None };
        replace(&Disk, &main, &content).map_err(|source| cannot("write", &main, &source))?;
        let supervisord = spawn(&folder)?;
        let mut sandbox = Self { folder, supervisord, clock, lock_file, _lock: lock };
        sandbox.wait_until_it_answers()?;
        Ok(sandbox)
    }

    /// The site as it runs here: as the current user, in its own folder if that is there and else in
    /// `repository`, with its logs in the sandbox.
    pub(crate) fn site(&self, site: &Site, repository: &Path) -> Result<Site, CommandError> {
        let here = Directory::parse(&repository.to_string_lossy())
            .map_err(|reason| unusable(repository, &reason))?;
        let user = UserName::parse(&users::current()).ok();
        let mut site = Site {
            paths: Paths {
                sites: self.own("sites")?,
                conf_dir: self.own("conf.d")?,
                logrotate_dir: self.own("logrotate.d")?,
                log_dir: self.own("log")?,
                supervisord: SupervisordAddress::Config(self.own("supervisord.conf")?),
                state_dir: Some(self.own("state")?),
            },
            configs: Vec::new(),
            groups: Vec::new(),
            ..site.clone()
        };
        for program in &mut site.programs {
            let folder = program.directory.as_ref().and_then(Directory::path);
            if !folder.map(Path::new).is_some_and(|folder| folder.is_absolute() && folder.is_dir())
            {
                program.directory = Some(here.clone());
            }
            if let Run::Script(script) = &program.run {
                // Without the runner.sh of a server: what it sets is the deployment's.
                let command = format!("bash {}", script.in_release());
                program.run = CommandLine::parse(&command).map(Run::Command).map_err(|reason| {
                    CommandError::refused(format!("the script {script} {reason}"))
                })?;
                program.directory = Some(here.clone());
            }
            program.user = user.as_ref().and_then(|user| ProgramUser::parse(user.as_str()).ok());
            program.group = None;
            program.stopwaitsecs = program.stopwaitsecs.min(LONGEST_STOP);
            program.logs = Logs { rotation: Some(Rotation::None), ..Logs::default() };
        }
        if let Some(user) = user {
            site.user = user;
        }
        Ok(site)
    }

    /// A path in its folder, as an inventory would have it.
    fn own(&self, part: &str) -> Result<AbsolutePath, CommandError> {
        let path = self.folder.join(part);
        AbsolutePath::parse(&path.to_string_lossy()).map_err(|reason| unusable(&path, &reason))
    }

    /// Stops all that runs in it and removes it.
    pub(crate) fn end(mut self) -> Result<(), CommandError> {
        self.stop();
        remove(&self.folder)?;
        Disk.remove(&self.lock_file).map_err(|source| cannot("remove", &self.lock_file, &source))
    }

    fn wait_until_it_answers(&mut self) -> Result<(), CommandError> {
        let mut client = Client::unix(self.folder.join("supervisor.sock"));
        let deadline = self.clock.now() + PATIENCE;
        while pid_of(&mut client).is_none() {
            let ended = self.supervisord.try_wait().ok().flatten();
            if ended.is_some() || self.clock.now() >= deadline {
                let said = Disk.tail(&self.folder.join("stderr"), 4096, None).unwrap_or_default();
                let said = String::from_utf8_lossy(&said);
                let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                return Err(CommandError::refused("supervisord does not start in the sandbox")
                    .because(last.trim().to_owned()));
            }
            self.clock.wait(LOOK_EVERY);
        }
        Ok(())
    }

    /// Asks supervisord to stop everything and itself, and waits until it has.
    fn stop(&mut self) {
        let pid = i64::from(self.supervisord.id());
        let deadline = self.clock.now() + END_PATIENCE;
        while matches!(self.supervisord.try_wait(), Ok(None)) {
            if self.clock.now() >= deadline {
                let _ = self.supervisord.kill();
            }
            // Again and again: one that comes while it starts is lost.
            process::send(pid, "TERM", false);
            self.clock.wait(LOOK_EVERY);
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop();
    }
}

fn unusable(path: &Path, reason: &NameError) -> CommandError {
    CommandError::refused(format!("the folder {} {reason}", path.display()))
        .hint("a sandbox can only run in folders that supervisord's files can name")
}

fn main_file(folder: &Path) -> PathBuf {
    folder.join("supervisord.conf")
}

#[expect(clippy::disallowed_methods, reason = "an edge: starts supervisord")]
fn spawn(folder: &Path) -> Result<Child, CommandError> {
    let said = folder.join("stderr");
    let said = File::create(&said).map_err(|source| cannot("write", &said, &source))?;
    let mut command = Command::new("supervisord");
    command.arg("-n").arg("-c").arg(main_file(folder)).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    // Ctrl-C on our terminal is ours: what runs is to be stopped one after the other, not all at once.
    command.process_group(0);
    command.spawn().map_err(|source| {
        let error = CommandError::refused("cannot start supervisord").caused_by(&source);
        match source.kind() {
            io::ErrorKind::NotFound => error
                .hint("install it: sudo apt-get install supervisor (or: pipx install supervisor)"),
            _ => error,
        }
    })
}

/// Takes the lock of an inventory's sandbox, which the kernel lets go when we end, however we do.
fn lock(path: &Path, inventory: &Path) -> Result<File, CommandError> {
    let file = File::create(path).map_err(|source| cannot("write", path, &source))?;
    let is_locked = match file.try_lock() {
        Ok(()) => true,
        Err(std::fs::TryLockError::WouldBlock) => false,
        Err(std::fs::TryLockError::Error(source)) => return Err(cannot("lock", path, &source)),
    };
    // Who ends removes the file first: one that is locked and not there any more keeps nobody out.
    if is_locked && is_at(path, &file) {
        return Ok(file);
    }
    let what = format!("a sandbox of {} runs already", inventory.display());
    Err(CommandError::refused(what).hint("end it with Ctrl-C where it runs"))
}

/// Whether a file is the one at a path.
fn is_at(path: &Path, file: &File) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(open), Ok(there)) => open.ino() == there.ino(),
        _ => false,
    }
}

/// Ends the supervisord of a sandbox that was killed: nobody else answers on its socket.
fn end_leftover(folder: &Path, clock: &SystemClock) {
    let mut client = Client::unix(folder.join("supervisor.sock"));
    let Some(pid) = pid_of(&mut client) else { return };
    let (start, deadline) = (process::started(pid), clock.now() + END_PATIENCE);
    // It answers nothing any more while it stops what runs.
    while u32::try_from(pid).is_ok_and(|pid| process::goes_on(pid, start)) {
        process::send(pid, if clock.now() < deadline { "TERM" } else { "KILL" }, false);
        clock.wait(LOOK_EVERY);
    }
}

/// The pid of the supervisord that answers; `None` where none does.
fn pid_of(client: &mut Client) -> Option<i64> {
    match client.call(Call::GetPid) {
        Ok(Ok(Answer::Number(pid))) => Some(pid),
        _ => None,
    }
}

fn make(folder: &Path) -> Result<(), CommandError> {
    closed::make(folder, 0o700).map(drop).map_err(|source| cannot("make", folder, &source))
}

fn clear(folder: &Path) -> Result<(), CommandError> {
    remove(folder)?;
    make(folder)
}

fn remove(folder: &Path) -> Result<(), CommandError> {
    std::fs::remove_dir_all(folder).map_err(|source| cannot("remove", folder, &source))
}

fn cannot(verb: &str, path: &Path, source: &io::Error) -> CommandError {
    CommandError::refused(format!("cannot {verb} {}", path.display())).caused_by(source)
}
