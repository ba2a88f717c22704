//! One connection with a deadline for all of it, that Ctrl-C can end before.
//!
//! Nothing here blocks for longer than a [`SLICE`]: between two of them the deadline and the caller's
//! wish to stop are looked at. A signal that only passes by (SIGCONT) costs nothing but a look.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_error};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::client::Address;

/// How often somebody who wants to stop is looked for.
const SLICE: Duration = Duration::from_millis(100);

/// How long an answer is still waited for once somebody wants to stop. A daemon that is well answers
/// in milliseconds, and what became of a call is worth more than a moment.
const GRACE: Duration = Duration::from_secs(1);

/// How long one exchange may take.
pub(super) struct CallPatience<'a> {
    until: Instant,
    now: fn() -> Instant,
    /// Whether somebody wants to stop.
    stop: Option<&'a (dyn Fn() -> bool + Send + Sync)>,
    /// When that was first seen.
    seen: Cell<Option<Instant>>,
}

impl<'a> CallPatience<'a> {
    pub(super) fn new(
        until: Instant,
        now: fn() -> Instant,
        stop: Option<&'a (dyn Fn() -> bool + Send + Sync)>,
    ) -> Self {
        Self { until, now, stop, seen: Cell::new(None) }
    }

    /// How long to wait now; an error when there is no time left, or nobody wants to wait.
    fn slice(&self) -> io::Result<Duration> {
        let now = (self.now)();
        if self.stop.is_some_and(|stop| stop()) {
            let seen = self.seen.get().unwrap_or(now);
            self.seen.set(Some(seen));
            if now.saturating_duration_since(seen) >= GRACE {
                return Err(io::Error::other(GivenUp));
            }
        }
        match self.until.saturating_duration_since(now) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            // A timeout below a microsecond would be rounded to none at all.
            left => Ok(left.clamp(Duration::from_millis(1), SLICE)),
        }
    }

    /// Waits until the file can go on.
    fn wait(&self, file: BorrowedFd<'_>, flags: PollFlags) -> io::Result<()> {
        loop {
            let slice = self.slice()?;
            let slice = Timespec { tv_sec: 0, tv_nsec: i64::from(slice.subsec_nanos()) };
            match poll(&mut [PollFd::from_borrowed_fd(file, flags)], Some(&slice)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Somebody wanted to stop.
#[derive(Debug)]
pub(super) struct GivenUp;

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for GivenUp {}

enum SocketStream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A stream of which every read and write gets only what is left of the time. A timeout of its own
/// for each would let a server that sends a byte now and then hold us for ever.
pub(super) struct DaemonConnection<'a> {
    stream: SocketStream,
    patience: CallPatience<'a>,
}

impl<'a> DaemonConnection<'a> {
    pub(super) fn open(address: &Address, patience: CallPatience<'a>) -> io::Result<Self> {
        let stream = match address {
            Address::Unix(path) => SocketStream::Unix(unix(path, &patience)?),
            Address::Tcp { host, port } => SocketStream::Tcp(tcp(host, *port, &patience)?),
        };
        match &stream {
            SocketStream::Unix(stream) => stream.set_nonblocking(true)?,
            SocketStream::Tcp(stream) => stream.set_nonblocking(true)?,
        }
        Ok(Self { stream, patience })
    }

    /// Does it as soon as it does not block.
    fn when_ready<T>(
        &mut self,
        flags: PollFlags,
        mut work: impl FnMut(&mut SocketStream) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            // The deadline holds for what never blocks, too.
            self.patience.slice()?;
            match work(&mut self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let file = match &self.stream {
                        SocketStream::Unix(stream) => stream.as_fd(),
                        SocketStream::Tcp(stream) => stream.as_fd(),
                    };
                    self.patience.wait(file, flags)?;
                }
                done => return done,
            }
        }
    }
}

/// Connecting to a unix socket blocks while the daemon's backlog is full. Without blocking Linux only
/// says to try again, and there is nothing to poll; so it blocks for a slice at a time, by the
/// send timeout. What a signal interrupts was not begun with, and is tried again as well.
fn unix(path: &Path, patience: &CallPatience<'_>) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(path)?;
    loop {
        set_socket_timeout(&socket, Timeout::Send, Some(patience.slice()?))?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) | Err(Errno::ISCONN) => return Ok(UnixStream::from(socket)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // As POSIX has it: what was interrupted goes on by itself.
            Err(Errno::INPROGRESS | Errno::ALREADY) => {
                finish(&socket, patience)?;
                return Ok(UnixStream::from(socket));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Tries each address of the host: supervisord listens on IPv4 only, `localhost` may be IPv6 first.
fn tcp(host: &str, port: u16, patience: &CallPatience<'_>) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        // No address is tried once there is no time, or nobody wants to wait.
        patience.slice()?;
        match tcp_to(&address, patience) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn tcp_to(address: &SocketAddr, patience: &CallPatience<'_>) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::INTR) => finish(&socket, patience)?,
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from(socket))
}

/// Waits for a connection that is being made, and takes its end from the socket.
fn finish(socket: &OwnedFd, patience: &CallPatience<'_>) -> io::Result<()> {
    patience.wait(socket.as_fd(), PollFlags::OUT)?;
    Ok(socket_error(socket)??)
}

impl Read for DaemonConnection<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.when_ready(PollFlags::IN, |stream| match stream {
            SocketStream::Unix(stream) => stream.read(into),
            SocketStream::Tcp(stream) => stream.read(into),
        })
    }
}

impl Write for DaemonConnection<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.when_ready(PollFlags::OUT, |stream| match stream {
            SocketStream::Unix(stream) => stream.write(bytes),
            SocketStream::Tcp(stream) => stream.write(bytes),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
