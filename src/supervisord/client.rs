//! The real daemon: [`Client`] speaks XML-RPC to it over a unix socket or TCP.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;

use super::answer;
use super::connection::{CallPatience, DaemonConnection, GivenUp};
use super::http::{self, HttpError};
use super::listener::Listener;
use super::xmlrpc;
use super::{Answer, Call, CallError, Fault, Supervisord};

/// How long one batch may take unless told otherwise, a reread of few files included. supervisorctl
/// itself has no limit at all.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

/// How long a reread may take beyond that, for each file and section. supervisord walks all sections
/// it has after each file, so that its time grows with the product: measured at 3 µs (1,000 files of a
/// program each take 2 s, 4,000 take 44 s, 5,000 take 76 s; 1,000 programs in 50 files 0.3 s). Ten
/// times that is a slow machine with much else to do.
const FOR_FILE_AND_SECTION: Duration = Duration::from_micros(30);

/// A supervisord at one address.
///
/// Each batch opens a connection of its own. Keeping one open would save 0.02 to 0.05 ms of a
/// batch's 0.3 ms (unix socket, 100 programs), and costs: over TCP, answers above 4 KB then wait
/// 40 ms for a delayed ACK, and a request on a connection that the daemon closes at that moment
/// leaves open whether it was executed. With a fresh connection nothing is ever sent twice.
pub struct Client {
    address: Address,
    /// The value of the header; a secret.
    authorization: Option<String>,
    deadline: Duration,
    /// What a reread may take beyond it.
    for_reread: Duration,
    /// Whether somebody wants to stop.
    stop: Option<ShouldStop>,
    /// All that was tried before nobody was found, where that is more than the address.
    tried: Option<String>,
    /// The pid of the supervisord that should listen there.
    runs_as: Option<i32>,
}

/// Whether somebody wants to stop.
pub type ShouldStop = Arc<dyn Fn() -> bool + Send + Sync>;

/// How long a batch may take after somebody wanted to stop and the daemon did not answer: what is put
/// back then is worth a try, and somebody waits.
const SHORT_DEADLINE: Duration = Duration::from_secs(5);

/// Where supervisord listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Unix(PathBuf),
    Tcp { host: String, port: u16 },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.address)
            .field("authorization", &self.authorization.as_ref().map(|_| "(secret)"))
            .field("deadline", &self.deadline)
            .finish()
    }
}

impl Client {
    /// A daemon on a unix socket. Nothing is opened before the first batch.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(Address::Unix(path.into()))
    }

    /// A daemon on a TCP port, without encryption: supervisord has none.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::new(Address::Tcp { host: host.into(), port })
    }

    /// The daemon behind one listener of a configuration.
    pub fn at(listener: &Listener) -> Self {
        let (client, login) = match listener {
            Listener::Unix { path, login } => (Self::unix(path), login),
            Listener::Tcp { host, port, login } => (Self::tcp(host, *port), login),
        };
        match login {
            Some(login) => client.with_login(&login.username, login.password()),
            None => client,
        }
    }

    fn new(address: Address) -> Self {
        Self {
            address,
            authorization: None,
            deadline: DEFAULT_DEADLINE,
            for_reread: Duration::ZERO,
            stop: None,
            tried: None,
            runs_as: None,
        }
    }

    /// Names all that was `tried` when nobody answers, and the supervisord that runs in spite of it.
    #[must_use]
    pub(super) fn not_found(mut self, tried: Option<String>, runs_as: Option<i32>) -> Self {
        (self.tried, self.runs_as) = (tried, runs_as);
        self
    }

    /// Sends this user name and password with every batch (HTTP Basic authentication).
    #[must_use]
    pub fn with_login(mut self, username: &str, password: &str) -> Self {
        let pair = format!("{username}:{password}");
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        self.authorization = Some(format!("Basic {encoded}"));
        self
    }

    /// Bounds each batch, from connecting to the last byte of the answer.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Gives a batch up, with [`CallError::Interrupted`], soon after `stop` begins to hold while the
    /// daemon does not answer. Who asks again after that means to: no other batch is given up.
    #[must_use]
    pub fn with_stop(mut self, stop: ShouldStop) -> Self {
        self.stop = Some(stop);
        self
    }

    /// The socket's path, or `host:port`: as errors name it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    #[expect(clippy::disallowed_methods, reason = "a socket's deadline is real time")]
    fn now() -> Instant {
        Instant::now()
    }

    /// Sends one body and returns the body of the answer.
    fn post(&self, body: &str, deadline: Duration) -> Result<Vec<u8>, CallError> {
        let until = Self::now() + deadline;
        let patience = CallPatience::new(until, Self::now, self.stop.as_deref());
        let mut connection = DaemonConnection::open(&self.address, patience)
            .map_err(|e| self.refused(e, deadline))?;
        let host = match &self.address {
            Address::Unix(_) => "localhost",
            Address::Tcp { host, .. } => host,
        };
        let request = http::request(host, self.authorization.as_deref(), body);
        match http::exchange(&mut connection, &request) {
            Ok(response) if response.status == 200 => Ok(response.body),
            Ok(response) if response.status == 401 => {
                Err(CallError::Unauthorized { address: self.address() })
            }
            Ok(response) => Err(self.garbage(format!("HTTP status {}", response.status))),
            Err(HttpError::Garbage(reason)) => Err(self.garbage(reason)),
            Err(HttpError::Io(error)) if timed_out(&error) => Err(self.late(deadline)),
            Err(HttpError::Io(error)) if given_up(&error) => Err(self.interrupted()),
            Err(HttpError::Io(source)) => {
                Err(CallError::Broken { address: self.address(), source })
            }
        }
    }

    fn refused(&self, source: std::io::Error, deadline: Duration) -> CallError {
        let address = self.address();
        match source.kind() {
            std::io::ErrorKind::PermissionDenied => CallError::NoPermission { address, source },
            _ if timed_out(&source) => self.late(deadline),
            _ if given_up(&source) => self.interrupted(),
            // No file, nobody behind the file, a path too long, an unknown host.
            _ => {
                let address = self.tried.clone().unwrap_or(address);
                CallError::NotRunning { address, runs_as: self.runs_as, source }
            }
        }
    }

    fn late(&self, after: Duration) -> CallError {
        CallError::TimedOut { address: self.address(), after }
    }

    fn interrupted(&self) -> CallError {
        CallError::Interrupted { address: self.address() }
    }

    fn garbage(&self, reason: String) -> CallError {
        CallError::NotSupervisord { address: self.address(), reason }
    }
}

impl Supervisord for Client {
    fn expect_files(&mut self, files: usize, sections: usize) -> Duration {
        let product = u32::try_from(files.saturating_mul(sections)).unwrap_or(u32::MAX);
        self.for_reread = FOR_FILE_AND_SECTION.saturating_mul(product);
        self.deadline.saturating_add(self.for_reread)
    }

    /// Always a `system.multicall`, even of one call: measured at 0.01 to 0.05 ms more than a
    /// plain call, and an exception inside supervisord becomes a fault of its one call instead of
    /// an HTTP 500.
    fn batch(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Fault>>, CallError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let methods: Vec<_> = calls.iter().map(answer::method).collect();
        let for_reread = match calls.contains(&Call::ReloadConfig) {
            true => self.for_reread,
            false => Duration::ZERO,
        };
        let deadline = self.deadline.saturating_add(for_reread);
        let body = self.post(&xmlrpc::multicall(&methods), deadline).inspect_err(|error| {
            if matches!(error, CallError::Interrupted { .. }) {
                self.deadline = self.deadline.min(SHORT_DEADLINE);
                self.for_reread = Duration::ZERO;
                self.stop = None;
            }
        })?;
        let text = String::from_utf8(body)
            .map_err(|_| self.garbage("the answer is not UTF-8".to_owned()))?;
        let response = xmlrpc::parse_response(&text).map_err(|reason| self.garbage(reason))?;
        answer::answers(calls, response).map_err(|reason| self.garbage(reason))
    }
}

/// A socket's timeout shows as `WouldBlock` on Linux.
fn timed_out(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock)
}

fn given_up(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<GivenUp>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_keeps_the_password_to_itself() {
        let client = Client::unix("/run/s.sock").with_login("user", "hunter2");
        let shown = format!("{client:?}");
        assert!(shown.contains("/run/s.sock") && shown.contains("(secret)"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("Basic"), "{shown}");
        assert_eq!(client.authorization.as_deref(), Some("Basic dXNlcjpodW50ZXIy"));
    }

    /// Measured on a quiet machine, in seconds.
    #[test]
    fn reread_deadline_exceeds_measured_times() {
        let measured = [
            (100, 100, 0.04),
            (1000, 1000, 2.5),
            (2000, 2000, 11.4),
            (5000, 5000, 76.0),
            (1, 5000, 1.4),
        ];
        for (files, sections, seconds) in measured {
            let mut client = Client::unix("/nonexistent");
            let may = client.expect_files(files, sections);
            assert!(may.as_secs_f64() > 8.0 * seconds, "{files} files: {may:?}");
            assert!(files > 1000 || may < Duration::from_secs(100), "{files} files: {may:?}");
        }
    }

    #[test]
    fn nothing_to_ask_needs_no_daemon() {
        assert_eq!(Client::unix("/nonexistent").batch(&[]).ok(), Some(Vec::new()));
    }
}
