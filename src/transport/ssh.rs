//! Another machine, through the system's OpenSSH: `ssh_config`, agents, jump hosts, `known_hosts` and
//! hardware keys work as they do by hand.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::bootstrap::{self, BootstrapError};
use super::listening::ChildExit;
use super::payload::Payloads;
use super::persist::{ControlSocket, Sharing};
use super::refusals::{self, Destination};
use super::session::Session;
use super::{Transport, lost_elsewhere};
use crate::error::CommandError;
use crate::inventory::{Host, Privilege};
use crate::system::{Interrupt, users};

/// Before ssh's own deadlines: how long a name may take to connect, and a dead link to be noticed.
const DEADLINES: [&str; 3] =
    ["ConnectTimeout=10", "ServerAliveInterval=15", "ServerAliveCountMax=4"];

/// What `ssh_config` must not change for this session: no questions, no command but ours, no
/// forwards that two sessions would fight over, and words for what goes wrong.
const NEEDED: [&str; 6] = [
    "BatchMode=yes",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "LogLevel=INFO",
];

/// How hosts are reached; the same for all of a run.
#[derive(Debug, Clone)]
pub(crate) struct SshSettings {
    /// The program to run: `ssh`, or what takes its arguments.
    pub(crate) program: PathBuf,
    /// What is brought along.
    pub(crate) payloads: Arc<Payloads>,
    /// Where sockets of connections that stay open may be, the best first.
    pub(crate) sockets: Vec<PathBuf>,
}

/// A host of the inventory over SSH.
#[derive(Debug)]
pub(super) struct Ssh {
    settings: SshSettings,
    to: Destination,
    privilege: Option<Privilege>,
    /// For how many seconds a connection stays open after us.
    persist: u32,
}

/// Why there is no agent to speak with.
struct NotConnected {
    error: CommandError,
    /// Whether there may be one without the socket.
    is_of_socket: bool,
}

impl From<CommandError> for NotConnected {
    fn from(error: CommandError) -> Self {
        Self { error, is_of_socket: false }
    }
}

impl Ssh {
    pub(super) fn new(host: &Host, settings: SshSettings) -> Self {
        let to = Destination {
            name: host.name.to_string(),
            address: host.address.clone(),
            user: host.username.as_ref().map(ToString::to_string),
            port: host.port,
            key: host.private_key_path.as_deref().map(expanded),
        };
        Self { settings, to, privilege: host.privilege, persist: host.persist }
    }

    fn connect_by(
        &self,
        sharing: &Sharing,
        interrupt: &Interrupt,
    ) -> Result<Session, NotConnected> {
        let payloads = &self.settings.payloads;
        let mut command = self.command(&payloads.offer()?, sharing);
        let session = Session::start(&mut command).map_err(|e| self.no_ssh(&e))?;
        let failed = match bootstrap::follow(session, payloads, interrupt) {
            Ok(session) => return Ok(session),
            Err(failed) => failed,
        };
        let label = self.to.label();
        let (error, is_of_socket) = match failed {
            BootstrapError::Silence => (refusals::hangs(&label), sharing.is_to_blame(&[], false)),
            BootstrapError::Ended { noise, end } => {
                let refused = refusals::refused(&self.to, &end.stderr);
                let is_of_socket = sharing.is_to_blame(&end.stderr, refused.is_some());
                let error = refused.unwrap_or_else(|| refusals::unintelligible(&label, noise, end));
                (error, is_of_socket)
            }
            BootstrapError::GaveUp { at, words } => (refusals::gave_up(&label, &at, &words), false),
            BootstrapError::NotRun(agent, end) => {
                let refused = refusals::refused(&self.to, &end.stderr);
                (refused.unwrap_or_else(|| refusals::not_run(&label, &agent, end)), false)
            }
            BootstrapError::Error(error) => (error, false),
        };
        Err(NotConnected { error, is_of_socket })
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: ssh")]
    fn command(&self, offer: &str, sharing: &Sharing) -> Command {
        let mut command = Command::new(&self.settings.program);
        command.args(["-T", "-x"]);
        for option in DEADLINES.iter().chain(&NEEDED) {
            command.args(["-o", option]);
        }
        for option in sharing.options() {
            command.args(["-o", &option]);
        }
        command.args(self.login_options());
        if let Some(key) = &self.to.key {
            // Without IdentitiesOnly, an agent full of keys uses up the server's wait first.
            command.args(["-o", "IdentitiesOnly=yes", "-i", key]);
        }
        command.args(["--", &self.to.address]).arg(bootstrap::command(offer, self.privilege));
        // Ctrl-C is ours to pass on: the agent then says how it ended.
        command.process_group(0);
        command
    }

    /// The port and the user, where they are known.
    fn login_options(&self) -> Vec<String> {
        let port = self.to.port.map(|port| ["-p".to_owned(), port.to_string()]);
        let user = self.to.user.clone().map(|user| ["-l".to_owned(), user]);
        port.into_iter().chain(user).flatten().collect()
    }

    /// What `ssh_config` says of the host, as ssh itself understands it. Empty if it does not say.
    #[expect(clippy::disallowed_methods, reason = "an edge: ssh")]
    fn ssh_config(&self) -> Result<String, CommandError> {
        let mut command = Command::new(&self.settings.program);
        command.arg("-G").args(self.login_options()).args(["--", &self.to.address]);
        let said = command.stdin(Stdio::null()).output().map_err(|error| self.no_ssh(&error))?;
        let said = if said.status.success() { said.stdout } else { Vec::new() };
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// ssh would go on without it, and then say that it was not let in.
    fn check_key(&self) -> Result<(), CommandError> {
        let Some(key) = self.to.key.as_ref().filter(|key| !key.contains(['~', '%'])) else {
            return Ok(());
        };
        let is_file = std::fs::metadata(key).and_then(|metadata| match metadata.is_dir() {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => Ok(()),
        });
        match is_file {
            Ok(()) => Ok(()),
            Err(source) => Err(CommandError::refused(format!("cannot use the private key {key}"))
                .caused_by(&source)
                .hint(format!("fix `privateKeyPath` of server {} in the inventory", self.to.name))),
        }
    }

    fn no_ssh(&self, source: &io::Error) -> CommandError {
        let program = self.settings.program.display();
        let error = CommandError::refused(format!("cannot run {program}")).caused_by(source);
        match source.kind() {
            io::ErrorKind::NotFound => {
                error.hint("install OpenSSH's client (Debian: apt install openssh-client)")
            }
            // Out of files, processes or memory.
            _ => error.hint("reach fewer hosts at once: --parallel N, --on HOST"),
        }
    }
}

impl Transport for Ssh {
    fn connect(&mut self, interrupt: &Interrupt) -> Result<Session, CommandError> {
        self.check_key()?;
        let mut sharing = Sharing::AsConfigured;
        // One question a host, for a tenth of what a handshake takes.
        if self.to.user.is_none() || self.persist > 0 {
            let config = self.ssh_config()?;
            if self.to.user.is_none() {
                self.to.user = default_user(&config);
            }
            let identity = format!("{:?} {:?}", self.settings.program, self.to);
            let socket =
                ControlSocket::of((&identity, &config), self.persist, &self.settings.sockets);
            sharing = socket.map_or(sharing, Sharing::By);
        }
        let connected = match self.connect_by(&sharing, interrupt) {
            Err(failed) if failed.is_of_socket => self.connect_by(&Sharing::None, interrupt),
            connected => connected,
        };
        connected.map_err(|failed| failed.error)
    }

    fn display_name(&self) -> String {
        self.to.shown()
    }

    fn how_it_ended(&self) -> String {
        format!("see how it ended: supervisor-sync plan --on {}", self.to.name)
    }

    fn lost(&self, end: ChildExit, changes: bool) -> CommandError {
        lost_elsewhere(&self.to.label(), end, changes)
    }
}

/// Whom to log in as where the inventory does not say: root, unless `ssh_config` says. What ssh would do
/// by itself, the local user's name, is taken as nobody having said anything.
fn default_user(ssh_config: &str) -> Option<String> {
    let user = ssh_config.lines().find_map(|line| line.strip_prefix("user "));
    match user {
        Some(user) if user != users::current() => None,
        _ => Some("root".to_owned()),
    }
}

/// `~/` is the home of who runs this; `~somebody/` is left to ssh.
#[expect(clippy::disallowed_methods, reason = "an edge: where home is")]
fn expanded(path: &str) -> String {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(below), Some(home)) => Path::new(&home).join(below).to_string_lossy().into_owned(),
        _ => path.to_owned(),
    }
}
