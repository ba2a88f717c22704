//! Finds the supervisord of a configuration where it really listens.
//!
//! supervisord opens its sockets when it starts. A `[unix_http_server]` that came with an included file
//! since is in force for nobody, one that was there then is in force although supervisorctl, which follows
//! no include, does not know it. So where the files leave a choice, or nobody answers, the process itself
//! is looked at (`running.rs`): where it listens is where it is, and whoever else answers at an address of
//! the files is another supervisord. Only where that cannot be seen is each address tried.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::config::{ConfigError, MainConfig};
use super::listener::{Listener, Login, WayIn};
use super::running::{self, ListeningSocket};
use super::{Answer, Call, CallError, Client, ShouldStop, Supervisord as _};

/// How long one address may take to answer while there are others.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection on this machine may take.
const CONNECTS: Duration = Duration::from_secs(1);

impl Client {
    /// The daemon of this configuration, wherever it listens. Where nobody does, the client says so when
    /// it is first asked, with all that was tried. Once `stop` holds nobody is waited for.
    pub fn connect(config: &MainConfig, stop: Option<&ShouldStop>) -> Result<Self, ConfigError> {
        if let ([only], []) = (&config.ways[..], &config.unusable[..])
            && is_there(&only.listener)
        {
            return Ok(Self::at(&only.listener));
        }
        let pid = running::find(&config.path, config.pidfile.as_deref());
        let sockets = pid.map(running::sockets).unwrap_or_default();
        let ways = match sockets.is_empty() {
            true => config.ways.iter().map(|way| way.listener.clone()).collect(),
            false => as_it_listens(&config.ways, &sockets),
        };
        let expected = pid.or_else(|| running::noted(config.pidfile.as_deref()?));
        let answered = answering(&ways, expected.map(i64::from), stop);
        // At its own sockets it may call itself otherwise: in a container it has another pid.
        let other = answered.other.filter(|_| expected.is_none() || !sockets.is_empty());
        if let Some(listener) = answered.expected.or(other) {
            return Ok(Self::at(listener));
        }
        match answered.unwilling {
            // It asks for what the files have in a form that is of no use.
            Some(_) if answered.all_want_a_login && !config.unusable.is_empty() => {
                Err(config.no_listener())
            }
            Some(listener) => Ok(Self::at(listener)),
            None => {
                let first = config.usable_listener()?;
                Ok(Self::at(first).not_found(tried(config), pid))
            }
        }
    }
}

/// Who answers at some addresses.
#[derive(Default)]
struct Answered<'w> {
    /// The expected process, or the first at all if none is.
    expected: Option<&'w Listener>,
    /// The first that is another.
    other: Option<&'w Listener>,
    /// The first that is there and does not answer.
    unwilling: Option<&'w Listener>,
    /// Whether all of those want a login.
    all_want_a_login: bool,
}

fn answering<'w>(
    ways: &'w [Listener],
    expected: Option<i64>,
    stop: Option<&ShouldStop>,
) -> Answered<'w> {
    let mut answered = Answered { all_want_a_login: true, ..Answered::default() };
    for listener in ways {
        let mut client = Client::at(listener).with_deadline(PATIENCE);
        if let Some(stop) = stop {
            client = client.with_stop(ShouldStop::clone(stop));
        }
        match client.call(Call::GetPid) {
            Ok(Ok(Answer::Number(pid))) if expected.is_none_or(|expected| pid == expected) => {
                answered.expected = Some(listener);
                return answered;
            }
            Ok(_) => answered.other = answered.other.or(Some(listener)),
            Err(CallError::NotRunning { .. } | CallError::NotSupervisord { .. }) => {}
            Err(error) => {
                answered.unwilling = answered.unwilling.or(Some(listener));
                answered.all_want_a_login &= matches!(error, CallError::Unauthorized { .. });
                if matches!(error, CallError::Interrupted { .. }) {
                    return answered;
                }
            }
        }
    }
    answered
}

/// Where a process listens, with the logins that the files have for that place, then with those they have
/// for others: it may have been started with one that they do not have any more there.
fn as_it_listens(ways: &[WayIn], sockets: &[ListeningSocket]) -> Vec<Listener> {
    let mut logins: Vec<Option<&Login>> = ways.iter().map(|way| way.listener.login()).collect();
    logins.push(None);
    let mut listeners: Vec<Listener> = Vec::new();
    for socket in sockets {
        let place = match socket.clone() {
            ListeningSocket::Unix(path) => Listener::Unix { path, login: None },
            ListeningSocket::Tcp { host, port } => Listener::Tcp { host, port, login: None },
        };
        let own = ways.iter().map(|way| &way.listener).filter(|known| known.is_at(&place)).cloned();
        let all = logins.iter().map(|login| place.with_login(login.cloned()));
        for listener in own.chain(all) {
            if !listeners.contains(&listener) {
                listeners.push(listener);
            }
        }
    }
    // Those that the files know first.
    listeners.sort_by_key(|listener| ways.iter().all(|way| !way.listener.is_at(listener)));
    listeners
}

/// Each address with the file that has it.
fn tried(config: &MainConfig) -> Option<String> {
    let [first, rest @ ..] = &config.ways[..] else { return None };
    let mut tried = vec![first];
    for way in rest {
        if tried.iter().all(|known| !known.listener.is_at(&way.listener)) {
            tried.push(way);
        }
    }
    if tried.len() == 1 {
        return None;
    }
    let mut names = Vec::new();
    for way in tried {
        names.push(format!("{} ({})", way.listener, way.file.display()));
    }
    Some(names.join(" or "))
}

/// Whether somebody listens there. Nothing is sent, and nobody is waited for.
fn is_there(listener: &Listener) -> bool {
    match listener {
        Listener::Unix { path, .. } => is_unix_there(path).unwrap_or(false),
        Listener::Tcp { host, port, .. } => is_tcp_there(host, *port),
    }
}

/// A queue that is full is somebody's who is busy, and one that we may not use is somebody's, too.
fn is_unix_there(path: &Path) -> io::Result<bool> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(match rustix::net::connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::INPROGRESS | Errno::ACCESS) => true,
        Err(_) => false,
    })
}

fn is_tcp_there(host: &str, port: u16) -> bool {
    let addresses = (host, port).to_socket_addrs().into_iter().flatten();
    addresses
        .into_iter()
        .any(|address: SocketAddr| TcpStream::connect_timeout(&address, CONNECTS).is_ok())
}
