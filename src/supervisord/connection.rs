//! One connection with a deadline for all of it.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::client::Address;

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A stream whose every read and write gets only what is left until `until`. A timeout of its own
/// for each would let a server that sends a byte now and then hold us for ever.
pub(super) struct Connection {
    stream: Stream,
    until: Instant,
    now: fn() -> Instant,
}

impl Connection {
    pub(super) fn open(
        address: &Address,
        until: Instant,
        now: fn() -> Instant,
    ) -> io::Result<Self> {
        let stream = match address {
            Address::Unix(path) => Stream::Unix(unix(path, left(until, now())?)?),
            Address::Tcp { host, port } => Stream::Tcp(tcp(host, *port, until, now)?),
        };
        Ok(Self { stream, until, now })
    }

    fn left(&self) -> io::Result<Duration> {
        left(self.until, (self.now)())
    }
}

/// The time left, or the error that there is none.
fn left(until: Instant, now: Instant) -> io::Result<Duration> {
    match until.saturating_duration_since(now) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        // A timeout below a microsecond would be rounded to none at all.
        duration => Ok(duration.max(Duration::from_millis(1))),
    }
}

/// Connecting to a unix socket blocks while the daemon's backlog is full, and std has no timeout
/// for it; the kernel takes the send timeout.
fn unix(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(timeout))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// Tries each address of the host: supervisord listens on IPv4 only, `localhost` may be IPv6 first.
fn tcp(host: &str, port: u16, until: Instant, now: fn() -> Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(until, now())?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        match &mut self.stream {
            Stream::Unix(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(into)
            }
            Stream::Tcp(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(into)
            }
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = Some(self.left()?);
        match &mut self.stream {
            Stream::Unix(stream) => {
                stream.set_write_timeout(left)?;
                stream.write(bytes)
            }
            Stream::Tcp(stream) => {
                stream.set_write_timeout(left)?;
                stream.write(bytes)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
