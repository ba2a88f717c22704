//! How supervisord can be talked to: the listeners of its files.

use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::ini::{self, ExpandError};
use super::merged::{Merged, Setting};

/// A way to reach supervisord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listener {
    /// Of a section `[unix_http_server]`.
    Unix {
        /// Where supervisord makes its socket file.
        path: PathBuf,
        /// What it asks for, if anything.
        login: Option<Login>,
    },
    /// Of a section `[inet_http_server]`.
    Tcp {
        /// `127.0.0.1` where supervisord listens on all addresses.
        host: String,
        /// The port that supervisord listens on.
        port: u16,
        /// What it asks for, if anything.
        login: Option<Login>,
    },
}

/// A listener, and which file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayIn {
    /// Where, and what it asks for.
    pub listener: Listener,
    /// The file that says so.
    pub file: PathBuf,
}

/// A user name and a password. The password shows in no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub username: String,
    password: String,
}

impl Login {
    /// A pair as supervisord compares it.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into() }
    }

    /// The secret itself.
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .field("password", &"(secret)")
            .finish()
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { path, .. } => write!(f, "{}", path.display()),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
        }
    }
}

impl Listener {
    /// Whether it is the same place, whatever it asks for.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        self.with_login(None) == other.with_login(None)
    }

    /// The same place with this login.
    pub(super) fn with_login(&self, login: Option<Login>) -> Self {
        match self.clone() {
            Self::Unix { path, .. } => Self::Unix { path, login },
            Self::Tcp { host, port, .. } => Self::Tcp { host, port, login },
        }
    }

    /// What it asks for, if anything.
    pub(super) fn login(&self) -> Option<&Login> {
        match self {
            Self::Unix { login, .. } | Self::Tcp { login, .. } => login.as_ref(),
        }
    }
}

/// A listener that is of no use to us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{section}] {reason}")]
pub struct UnusableListener {
    /// Its section, e.g. `unix_http_server`.
    pub section: String,
    /// What is in the way.
    pub reason: UnusableReason,
}

/// Why a listener is of no use to us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableReason {
    /// supervisord compares a hash, and Basic authentication sends the password.
    #[error("has a password that is stored as a {{SHA}} hash, which cannot be sent")]
    HashedPassword,
    /// Often a variable that only supervisord's own environment has.
    #[error("has `{option}`: {error}")]
    Unexpandable {
        /// The option of the section that has it.
        option: &'static str,
        /// What cannot be expanded.
        error: ExpandError,
    },
    /// supervisord refuses to start with it.
    #[error("has no usable `{0}`")]
    Missing(&'static str),
}

/// Reads listeners out of merged files.
pub(super) struct ListenerReader<'a> {
    pub(super) merged: &'a Merged,
    pub(super) environment: &'a Environment,
    /// The folder of the main file.
    pub(super) here: &'a str,
}

impl ListenerReader<'_> {
    /// What an option says, expanded.
    pub(super) fn option(
        &self,
        section: &str,
        option: &'static str,
    ) -> Result<Option<String>, UnusableReason> {
        let Some(value) = self.merged.get(section, option) else { return Ok(None) };
        let expanded = ini::expand(value, &|name| match name {
            "here" => Some(self.here.to_owned()),
            name => self.environment.expansion(name),
        });
        expanded.map(Some).map_err(|error| UnusableReason::Unexpandable { option, error })
    }

    /// supervisord starts a server for each section whose name begins so, e.g. also
    /// `[unix_http_server:second]`. Unix sockets first.
    pub(super) fn listeners(&self) -> (Vec<WayIn>, Vec<UnusableListener>) {
        let mut ways = Vec::new();
        let mut unusable = Vec::new();
        let (mut unix, mut tcp) = (Vec::new(), Vec::new());
        for section in self.merged.sections().map(|section| section.name.as_str()) {
            if section.starts_with("unix_http_server") {
                unix.push((section, "file", self.unix(section)));
            } else if section.starts_with("inet_http_server") {
                tcp.push((section, "port", self.tcp(section)));
            }
        }
        for (section, option, listener) in unix.into_iter().chain(tcp) {
            match (listener, self.merged.setting(section, option)) {
                (Ok(listener), Some(setting)) => ways.push(self.way(listener, setting)),
                (Ok(_), None) => {}
                (Err(reason), _) => {
                    unusable.push(UnusableListener { section: section.to_owned(), reason });
                }
            }
        }
        (ways, unusable)
    }

    fn way(&self, listener: Listener, setting: &Setting) -> WayIn {
        WayIn { listener, file: self.merged.file(setting.at).to_owned() }
    }

    /// Where supervisorctl looks, with its user name and password: `[supervisorctl]` of the main file.
    pub(super) fn of_supervisorctl(&self) -> Option<WayIn> {
        const SECTION: &str = "supervisorctl";
        let setting = self.merged.setting(SECTION, "serverurl")?;
        let url = self.option(SECTION, "serverurl").ok()??;
        let username = self.option(SECTION, "username").ok().flatten();
        let login = username.zip(self.option(SECTION, "password").ok().flatten());
        let login = login.map(|(username, password)| Login::new(username, password));
        let listener = match url.strip_prefix("unix://") {
            Some(path) => Listener::Unix { path: self.path(path), login },
            None => {
                let address = url.strip_prefix("http://")?.trim_end_matches('/');
                let (host, port) = address.rsplit_once(':')?;
                Listener::Tcp { host: host_of(host), port: port.parse().ok()?, login }
            }
        };
        Some(self.way(listener, setting))
    }

    fn unix(&self, section: &str) -> Result<Listener, UnusableReason> {
        let file = self.option(section, "file")?.ok_or(UnusableReason::Missing("file"))?;
        Ok(Listener::Unix { path: self.path(file.trim()), login: self.login(section)? })
    }

    /// A relative path depends on the folder supervisord was started in; the main file's own is
    /// the best guess.
    fn path(&self, text: &str) -> PathBuf {
        match text.strip_prefix("~/").zip(self.environment.expansion("ENV_HOME")) {
            Some((rest, home)) => Path::new(&home).join(rest),
            None => Path::new(self.here).join(text),
        }
    }

    fn tcp(&self, section: &str) -> Result<Listener, UnusableReason> {
        let address = self.option(section, "port")?.ok_or(UnusableReason::Missing("port"))?;
        let (host, port) = address.rsplit_once(':').unwrap_or(("", &address));
        let port = port.trim().parse().map_err(|_| UnusableReason::Missing("port"))?;
        Ok(Listener::Tcp { host: host_of(host), port, login: self.login(section)? })
    }

    /// An empty user name means no authentication, and a password that begins with `{SHA}` is
    /// always taken for a hash.
    fn login(&self, section: &str) -> Result<Option<Login>, UnusableReason> {
        let username = self.option(section, "username")?.unwrap_or_default();
        if username.is_empty() {
            return Ok(None);
        }
        let password =
            self.option(section, "password")?.ok_or(UnusableReason::Missing("password"))?;
        if password.starts_with("{SHA}") {
            return Err(UnusableReason::HashedPassword);
        }
        Ok(Some(Login::new(username, password)))
    }
}

/// Where to connect to, of an address that it listens on.
fn host_of(address: &str) -> String {
    match address {
        "" | "*" | "0.0.0.0" => "127.0.0.1".to_owned(),
        host => host.to_lowercase(),
    }
}
