//! Another machine, through the system's OpenSSH: `ssh_config`, agents, jump hosts, `known_hosts` and
//! hardware keys work as they do by hand. One session for all requests to a host.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::conversation::{Conversation, Heard, LONGEST_NOISE, NoHello, NoReply, Patience};
use super::limits::Limits;
use super::payload::{Payload, platform};
use super::persist::{Sharing, Socket};
use super::refusals::{self, Destination};
use super::remote::{self, Agent, Said};
use super::{changes, garbled, interrupted, silent, sudoers};
use crate::error::{CommandError, ErrorKind};
use crate::event::Event;
use crate::host::{Reply, Request, Target};
use crate::inventory::{Host, Privilege};
use crate::system::{Interrupt, users};

/// How long nothing may be said before the agent runs. ssh itself gives up a silent network after
/// `ConnectTimeout`; this is for a login shell that hangs.
const BEGIN: Duration = Duration::from_secs(90);

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
pub struct SshSettings {
    /// The program to run: `ssh`, or what takes its arguments.
    pub program: PathBuf,
    /// What is brought along.
    pub payload: Arc<Payload>,
    /// Where sockets of connections that stay open may be, the best first.
    pub sockets: Vec<PathBuf>,
    /// Ctrl-C.
    pub interrupt: Interrupt,
}

/// A host of the inventory over SSH.
#[derive(Debug)]
pub struct SshHost {
    settings: SshSettings,
    to: Destination,
    privilege: Option<Privilege>,
    /// For how many seconds a connection stays open after us.
    persist: u32,
    link: Option<Conversation>,
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

impl SshHost {
    /// Connects when it is first asked something.
    pub fn new(host: &Host, settings: SshSettings) -> Self {
        let to = Destination {
            name: host.name.to_string(),
            address: host.address.clone(),
            user: host.username.as_ref().map(ToString::to_string),
            port: host.port,
            key: host.private_key_path.as_deref().map(expanded),
        };
        Self { settings, to, privilege: host.privilege, persist: host.persist, link: None }
    }

    fn connect(&mut self) -> Result<Conversation, CommandError> {
        self.check_key()?;
        let mut sharing = Sharing::AsConfigured;
        // One question a host, for a tenth of what a handshake takes.
        if self.to.user.is_none() || self.persist > 0 {
            let config = self.ssh_config()?;
            if self.to.user.is_none() {
                self.to.user = default_user(&config);
            }
            let identity = format!("{:?} {:?}", self.settings.program, self.to);
            let socket = Socket::of((&identity, &config), self.persist, &self.settings.sockets);
            sharing = socket.map_or(sharing, Sharing::By);
        }
        let connected = match self.connect_by(&sharing) {
            Err(failed) if failed.is_of_socket => self.connect_by(&Sharing::None),
            connected => connected,
        };
        connected.map_err(|failed| failed.error)
    }

    fn connect_by(&self, sharing: &Sharing) -> Result<Conversation, NotConnected> {
        let digest = self.settings.payload.measured()?.digest.clone();
        let mut command = self.command(&digest, sharing);
        let mut link = Conversation::start(&mut command).map_err(|e| self.no_ssh(&e))?;
        let mut noise = Vec::new();
        let mut said = 0;
        loop {
            let heard = match link.listen(self.patience()) {
                // A login shell that talks without end is one that never gets to us.
                Heard::Line(_) if said > LONGEST_NOISE => Heard::TooMuch,
                heard => heard,
            };
            match heard {
                Heard::Line(line) => match remote::said(&line) {
                    Some(Said::Need { platform }) => self.deliver(&mut link, &platform)?,
                    Some(Said::Have(agent)) => return Ok(self.greet(link, &agent)?),
                    Some(Said::Fail { at, words }) => {
                        return Err(refusals::gave_up(&self.to, &at, &words).into());
                    }
                    None => {
                        said += line.len() + 1;
                        if noise.len() < 100 && !line.is_empty() {
                            noise.push(line);
                        }
                    }
                },
                Heard::Interrupted => return Err(interrupted().into()),
                Heard::Silence => {
                    let is_of_socket = sharing.is_to_blame(&[], false);
                    return Err(NotConnected { error: self.silent(), is_of_socket });
                }
                Heard::End | Heard::TooMuch => {
                    let end = link.part();
                    let refused = refusals::refused(&self.to, &end.words);
                    let is_of_socket = sharing.is_to_blame(&end.words, refused.is_some());
                    let error = refused.unwrap_or_else(|| {
                        refusals::unintelligible(&self.to, &end.words, &noise, &end.status)
                    });
                    return Err(NotConnected { error, is_of_socket });
                }
            }
        }
    }

    /// Sends the binary, or says that ours is for another machine.
    fn deliver(&self, link: &mut Conversation, wanted: &str) -> Result<(), CommandError> {
        let sent = if wanted == platform() {
            self.send_binary(link)
        } else {
            link.send(b"0\n", self.patience())
        };
        match sent {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(interrupted()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(self.silent()),
            // A far end that takes no more says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => {
                Err(CommandError::refused("cannot read this program to send it").caused_by(&error))
            }
            Ok(()) => Ok(()),
        }
    }

    fn send_binary(&self, link: &mut Conversation) -> io::Result<()> {
        let patience = self.patience();
        let mut file = self.settings.payload.open()?;
        let length = self.settings.payload.measured().map_or(0, |measured| measured.length);
        link.send(format!("{length}\n").as_bytes(), patience)?;
        let mut piece = vec![0; 256 * 1024];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(()),
                read => link.send(piece.get(..read).unwrap_or_default(), patience)?,
            }
        }
    }

    fn greet(&self, mut link: Conversation, agent: &Agent) -> Result<Conversation, CommandError> {
        match link.hello(self.patience()) {
            Ok(()) => return Ok(link),
            Err(NoHello::Other(error)) => {
                return Err(error.because(format!("{} on {}", agent.path, self.to.shown())));
            }
            Err(NoHello::Silence) => return Err(self.silent()),
            Err(NoHello::Interrupted) => return Err(interrupted()),
            Err(NoHello::Ended) => {}
        }
        let end = link.part();
        if let Some(error) = refusals::refused(&self.to, &end.words) {
            return Err(error);
        }
        let words = end.words.join("; ");
        let why = if words.is_empty() { end.status } else { words };
        let shown = self.to.shown();
        Err(if agent.sudo {
            let user = &agent.user;
            CommandError::refused(format!("sudo of {shown} does not let {user} do it"))
                .because(why)
                .hint(sudoers::hint_there(user, &agent.path))
        } else {
            CommandError::refused(format!("supervisor-sync does not run on {shown}")).because(why)
        })
    }

    fn patience(&self) -> Patience<'_> {
        Patience {
            silence: Some(BEGIN),
            words: Some(LONGEST_NOISE),
            until: None,
            interrupt: Some(&self.settings.interrupt),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: ssh")]
    fn command(&self, digest: &str, sharing: &Sharing) -> Command {
        let mut command = Command::new(&self.settings.program);
        command.args(["-T", "-x"]);
        for option in DEADLINES.iter().chain(&NEEDED) {
            command.args(["-o", option]);
        }
        for option in sharing.options() {
            command.args(["-o", &option]);
        }
        command.args(self.whither());
        if let Some(key) = &self.to.key {
            // Without IdentitiesOnly, an agent full of keys uses up the server's patience first.
            command.args(["-o", "IdentitiesOnly=yes", "-i", key]);
        }
        command.args(["--", &self.to.address]).arg(remote::command(digest, self.privilege));
        // Ctrl-C is ours to pass on: the agent then says how it ended.
        command.process_group(0);
        command
    }

    /// The port and the user, where they are known.
    fn whither(&self) -> Vec<String> {
        let port = self.to.port.map(|port| ["-p".to_owned(), port.to_string()]);
        let user = self.to.user.clone().map(|user| ["-l".to_owned(), user]);
        port.into_iter().chain(user).flatten().collect()
    }

    /// What `ssh_config` says of the host, as ssh itself understands it. Empty if it does not say.
    #[expect(clippy::disallowed_methods, reason = "an edge: ssh")]
    fn ssh_config(&self) -> Result<String, CommandError> {
        let mut command = Command::new(&self.settings.program);
        command.arg("-G").args(self.whither()).args(["--", &self.to.address]);
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
                .hint(format!(
                    "mend `privateKeyPath` of server {} in the inventory",
                    self.to.name
                ))),
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

    fn silent(&self) -> CommandError {
        let shown = self.to.shown();
        CommandError::refused(format!("{shown} says nothing for {} s", BEGIN.as_secs()))
            .hint("see whether its login shell hangs, e.g. on a file system that is away")
    }

    /// The link is gone with a request under way.
    fn lost(&self, link: Conversation, changes: bool) -> CommandError {
        let end = link.part();
        let last = end.words.last().cloned().unwrap_or(end.status);
        let (shown, name) = (self.to.shown(), &self.to.name);
        if !changes {
            return CommandError::refused(format!("the connection to {shown} was lost"))
                .because(last)
                .hint("nothing was changed: try again");
        }
        let message = format!("the connection to {shown} was lost while it was at work");
        CommandError::new(ErrorKind::Stuck, message)
            .because(last)
            .hint("the host goes on without us: it finishes, or undoes what it cannot finish")
            .hint(format!("see how it ended: supervisor-sync plan --on {name}"))
    }
}

impl Target for SshHost {
    fn ask(
        &mut self,
        request: Request,
        events: &mut dyn FnMut(Event),
    ) -> Result<Reply, CommandError> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => self.connect()?,
        };
        let (changes, limits) = (changes(&request), Limits::of(&request));
        match link.ask(request, limits, &self.settings.interrupt, events) {
            Ok(reply) => {
                self.link = Some(link);
                Ok(reply)
            }
            Err(NoReply::Said(error)) => {
                self.link = Some(link);
                Err(error)
            }
            Err(NoReply::Garbled(error)) => {
                let plan = format!("supervisor-sync plan --on {}", self.to.name);
                Err(garbled(error, changes, &plan))
            }
            Err(NoReply::Silent(_)) if self.settings.interrupt.is_raised() => Err(interrupted()),
            Err(NoReply::Silent(silence)) => Err(silent(&self.to.shown(), silence)),
            Err(NoReply::Lost | NoReply::LetGo) => Err(self.lost(link, changes)),
        }
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
