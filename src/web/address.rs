//! Where the web view listens: an address of this machine alone, or a unix socket.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::umask;

use crate::error::{CommandError, ErrorKind};

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
    /// Listens there, or says why not.
    pub(super) fn listen(&self) -> Result<Listener, CommandError> {
        match self {
            Self::Tcp(address) if !address.ip().is_loopback() => Err(not_alone(*address)),
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
    pub(super) fn origin(&self) -> String {
        match self {
            Self::Tcp(_, address) => format!("http://{address}"),
            Self::Unix(..) => "http://localhost".to_owned(),
        }
    }

    /// Where it listens, as people write it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Tcp(_, address) => address.to_string(),
            Self::Unix(_, path) => path.display().to_string(),
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

fn not_alone(address: SocketAddr) -> CommandError {
    let message = format!("cannot listen on {address}: others reach it, and nobody has to sign in");
    CommandError::new(ErrorKind::Usage, message).hint(format!(
        "listen on this machine alone (--listen 127.0.0.1:{port}), and come by ssh: \
         ssh -L {port}:127.0.0.1:{port} HOST",
        port = address.port()
    ))
}
