//! Where the web view listens: an address of this machine alone, or a unix socket.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::umask;

use crate::error::{CommandError, ErrorKind};
use crate::inventory::WebAuth;

/// Where it is to listen.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    /// Whoever may open the socket may look, so that is its owner alone.
    Unix(PathBuf),
}

/// It listens.
pub(super) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

impl Address {
    /// Listens there, or says why not. Others than this machine's people are served where they have to sign in,
    /// and where nobody reads on the way what they say.
    pub(super) fn listen(
        &self,
        auth: Option<&WebAuth>,
        speaks_tls: bool,
    ) -> Result<Listener, CommandError> {
        match (self, auth) {
            (Self::Tcp(address), None) if !address.ip().is_loopback() => {
                return Err(not_alone(*address));
            }
            (Self::Tcp(address), Some(auth)) if !address.ip().is_loopback() => {
                is_reached(*address, auth, speaks_tls)?;
            }
            _ => {}
        }
        match self {
            Self::Tcp(address) => {
                let failed =
                    |source| cannot(self, &source).hint("another port: --listen 127.0.0.1:0");
                let listener = TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(|source| cannot(self, &source))?;
                let address = listener.local_addr().map_err(|source| cannot(self, &source))?;
                Ok(Listener::Tcp(listener, address))
            }
            Self::Unix(path) => {
                let listener = on_socket(path).map_err(|source| cannot(self, &source))?;
                listener.set_nonblocking(true).map_err(|source| cannot(self, &source))?;
                Ok(Listener::Unix(listener, path.clone()))
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Listener {
    /// What a link begins with. Which port leads to a socket is known where a tunnel is made.
    pub(super) fn origin(&self, speaks_tls: bool) -> String {
        let scheme = if speaks_tls { "https" } else { "http" };
        match self {
            Self::Tcp(_, address) => format!("{scheme}://{address}"),
            Self::Unix(..) => format!("{scheme}://localhost"),
        }
    }

    /// Where it listens, as people write it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Tcp(_, address) => address.to_string(),
            Self::Unix(_, path) => path.display().to_string(),
        }
    }

    /// The address, as a browser names it; none that stands for all.
    pub(super) fn own_name(&self) -> Option<String> {
        match self {
            Self::Tcp(_, address) if address.ip().is_unspecified() => None,
            Self::Tcp(_, SocketAddr::V6(address)) => Some(format!("[{}]", address.ip())),
            Self::Tcp(_, address) => Some(address.ip().to_string()),
            Self::Unix(..) => None,
        }
    }

    /// A browser keeps cookies by host and not by port, so the name tells two web views apart.
    pub(super) fn cookie_name(&self) -> String {
        match self {
            Self::Tcp(_, address) => format!("supervisor-sync-{}", address.port()),
            Self::Unix(..) => "supervisor-sync".to_owned(),
        }
    }
}

/// The name of a socket goes with it.
impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = rustix::fs::unlink(path.as_path());
        }
    }
}

/// One that nobody listens on any more is replaced.
fn on_socket(path: &Path) -> std::io::Result<UnixListener> {
    // Its mode is that of its birth: between `bind` and a `chmod` others could come.
    let former = umask(Mode::from_raw_mode(0o177));
    let mut listener = UnixListener::bind(path);
    if listener.is_err() && is_abandoned(path) {
        let _ = rustix::fs::unlink(path);
        listener = UnixListener::bind(path);
    }
    umask(former);
    listener
}

fn is_abandoned(path: &Path) -> bool {
    let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
    UnixStream::connect(path).err().is_some_and(refused)
}

fn cannot(address: &Address, source: &std::io::Error) -> CommandError {
    CommandError::refused(format!("cannot listen on {address}")).caused_by(source)
}

/// Refuses what could not be reached, or would be in clear.
fn is_reached(address: SocketAddr, auth: &WebAuth, speaks_tls: bool) -> Result<(), CommandError> {
    let refused = |why: &str| {
        CommandError::new(ErrorKind::Usage, format!("cannot listen on {address}: {why}"))
    };
    if auth.proxy.is_none() && !speaks_tls {
        return Err(refused("passwords would be readable on the way").hint(
            "speak TLS (--tls CERT KEY), or name the proxy that does in the file of --auth, as in: proxy: {from: [192.0.2.7]}",
        ));
    }
    if address.ip().is_unspecified() && auth.names.is_empty() {
        return Err(refused("no browser has a name for it")
            .hint("say under which it is reached, in the file of --auth, as in: names: [fleet.example.com]"));
    }
    Ok(())
}

fn not_alone(address: SocketAddr) -> CommandError {
    let message = format!("cannot listen on {address}: others reach it, and nobody has to sign in");
    CommandError::new(ErrorKind::Usage, message).hint(format!(
        "listen on this machine alone (--listen 127.0.0.1:{port}), and come by ssh: \
         ssh -L {port}:127.0.0.1:{port} HOST",
        port = address.port()
    ))
}
