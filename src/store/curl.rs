//! One exchange over HTTP, by the system's `curl`.
//!
//! All that it is to do stands in a configuration on its stdin, so that no key is in the list of processes.
//! `~/.curlrc` is not read: what it says would change what we read. A proxy and certificates come from the
//! environment, logins from `~/.netrc`.

use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd};

use super::access::{Finished, NoAnswer, words};
use super::{Access, LONGEST_OBJECT};
use crate::error::CommandError;
use crate::system::child;

const CURL: &str = "curl";
/// Begins the line that curl ends what it says with: the status.
const STATUS: &str = "supervisor-sync-status ";
/// The longest ETag that is kept, in bytes.
const LONGEST_TAG: usize = 256;
/// How many redirects are followed.
const MOST_REDIRECTS: u8 = 5;
/// curl's own statuses, of which we know more than it says.
const TOO_MANY_REDIRECTS: i32 = 47;
const TOO_LARGE: i32 = 63;
const CERTIFICATE: [i32; 3] = [51, 60, 77];
const TIMED_OUT: i32 = 28;

/// What is asked.
pub(super) struct Request<'r> {
    pub(super) url: &'r str,
    /// What is to be put there; without it, what is there is asked for.
    pub(super) put: Option<&'r [u8]>,
    pub(super) headers: Vec<String>,
    pub(super) login: Login<'r>,
}

/// Who asks.
pub(super) enum Login<'r> {
    /// Whom `~/.netrc` has for the server, and a server may send elsewhere.
    Netrc,
    /// Who has these keys of a bucket.
    Keys { key: &'r str, secret: &'r str, region: &'r str },
    /// Nobody.
    Nobody,
}

/// What the server answered.
pub(super) struct Response {
    pub(super) status: u16,
    /// The status in its own words, e.g. `404 Not Found`.
    pub(super) status_line: String,
    /// What can be asked for again by [`Request::known`].
    pub(super) etag: Option<String>,
    /// Where it sends us, which was not followed.
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CurlError {
    /// There is none of curl.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// In curl's words.
    #[error("{words}")]
    Curl { status: Option<i32>, words: String },
}

impl Request<'_> {
    /// Asks for what is there only if it is not what had this tag. A tag that no server gave is passed over:
    /// it comes from a file, and would be a header of its own choice.
    pub(super) fn known(&mut self, tag: Option<&str>) {
        if let Some(tag) = tag.filter(|tag| is_tag(tag)) {
            self.headers.push(format!("If-None-Match: {tag}"));
        }
    }

    /// Asks, and waits for the answer.
    pub(super) fn send(&self, access: &Access) -> Result<Response, CurlError> {
        let mut command = access.command(CURL);
        // First, or `~/.curlrc` is read.
        command.args(["--disable", "--config", "-"]);
        let body = self.put.map(inherited).transpose();
        let not_run = |source| NoAnswer::NotRun { program: CURL, source };
        let body = body.map_err(not_run)?;
        let config = self.config(access, body.as_ref());
        // A moment longer than curl itself waits, which says better what it waited for.
        let limit = access.patience.whole + access.patience.connect;
        let finished = access.run(CURL, command, config.as_bytes(), limit)?;
        drop(body);
        response(finished)
    }

    fn config(&self, access: &Access, body: Option<&File>) -> String {
        let protocols = if self.url.starts_with("https:") { "=https" } else { "=http,https" };
        let patience = access.patience;
        let mut config = String::new();
        let mut set = |name: &str, value: &str| {
            let _ = writeln!(config, "{name} = {}", quoted(value));
        };
        set("url", self.url);
        set("proto", protocols);
        set("proto-redir", protocols);
        set("connect-timeout", &seconds(patience.connect));
        set("speed-limit", "1");
        set("speed-time", &patience.silence.as_secs().max(1).to_string());
        set("max-time", &seconds(patience.whole));
        set("max-filesize", &LONGEST_OBJECT.to_string());
        set("user-agent", concat!("supervisor-sync/", env!("CARGO_PKG_VERSION")));
        set("dump-header", "/dev/stderr");
        set("write-out", &format!("%{{stderr}}\n{STATUS}%{{http_code}}\n"));
        for header in &self.headers {
            set("header", header);
        }
        if let Some(body) = body {
            set("upload-file", &format!("/dev/fd/{}", body.as_raw_fd()));
        } else if matches!(self.login, Login::Netrc) {
            set("max-redirs", &MOST_REDIRECTS.to_string());
            config.push_str("location\n");
        }
        match self.login {
            Login::Netrc => config.push_str("netrc-optional\n"),
            Login::Nobody => {}
            Login::Keys { key, secret, region } => {
                let _ = writeln!(config, "aws-sigv4 = {}", quoted(&format!("aws:amz:{region}:s3")));
                let _ = writeln!(config, "user = {}", quoted(&format!("{key}:{secret}")));
            }
        }
        config.push_str("silent\nshow-error\ngloboff\n");
        config
    }
}

impl CurlError {
    /// As the failure of what is told by `what`, which was asked of `url`.
    pub(super) fn of(self, what: String, url: &str) -> CommandError {
        let (status, words) = match self {
            Self::NoAnswer(error) => return error.of(what),
            Self::Curl { status, words } => (status, words),
        };
        let error = CommandError::refused(what);
        let look = format!("see what it says: curl -sSI {}", crate::system::shell::word(url));
        match status {
            Some(TOO_LARGE) => error.caused_by(&NoAnswer::TooLong),
            Some(TOO_MANY_REDIRECTS) => error.because(words).hint(look),
            Some(status) if CERTIFICATE.contains(&status) => error.because(words).hint(
                "put the certificate of who signed it into /usr/local/share/ca-certificates, as NAME.crt, and run \
                 sudo update-ca-certificates",
            ),
            Some(TIMED_OUT) | None => error.because(words),
            Some(_) => error.because(words).hint(look),
        }
    }
}

/// The version of curl, e.g. `7.88.1`.
pub(super) fn version(access: &Access) -> Result<String, NoAnswer> {
    let mut command = access.command(CURL);
    command.arg("--version");
    let said = access.run(CURL, command, b"", access.patience.silence)?.said;
    let text = String::from_utf8_lossy(&said.stdout);
    Ok(words(text.split_whitespace().nth(1).unwrap_or_default()))
}

/// A file in memory that the next program has open, too, under the same number: the body of a request, whose
/// length curl can see. Its stdin is the configuration.
fn inherited(bytes: &[u8]) -> std::io::Result<File> {
    let file = child::fed(bytes)?;
    fcntl_setfd(&file, FdFlags::empty())?;
    Ok(OwnedFd::from(file).into())
}

/// A value of curl's configuration.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            // Nothing of ours has one, and a header must not.
            c if c.is_control() => {}
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn seconds(duration: std::time::Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

/// Reads what curl says of an exchange: the headers of each answer, its own words where it failed, and at the
/// end the line with the status.
fn response(Finished { ok, status, said }: Finished) -> Result<Response, CurlError> {
    let text = String::from_utf8_lossy(&said.stderr);
    let http = text.lines().rev().find_map(|line| line.strip_prefix(STATUS));
    let http = http.and_then(|status| status.trim().parse().ok()).unwrap_or_default();
    // A server that refuses what is sent to it before it has it all makes curl fail, too.
    let is_refused = http >= 400;
    if !ok && !is_refused {
        return Err(CurlError::Curl { status, words: own_words(&text) });
    }
    // Of several answers (a redirect, a refused login) the last is the one that counts.
    let lines: Vec<&str> = text.lines().collect();
    let begin = lines.iter().rposition(|line| line.starts_with("HTTP/")).unwrap_or_default();
    let block = lines.get(begin..).unwrap_or_default();
    let header = |wanted: &str| {
        block.iter().take_while(|line| !line.trim().is_empty()).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let reason = block.first().and_then(|line| line.split_once(' ')).unwrap_or_default().1;
    Ok(Response {
        status: http,
        status_line: if reason.trim().is_empty() { http.to_string() } else { words(reason) },
        etag: header("etag").filter(|tag| is_tag(tag)).map(str::to_owned),
        location: header("location").map(words),
        body: said.stdout,
    })
}

fn own_words(text: &str) -> String {
    let own = text.lines().rev().find(|line| line.starts_with("curl: "));
    own.map_or_else(|| "curl failed, and says nothing".to_owned(), words)
}

/// Whether it is an ETag, as RFC 9110 has it.
fn is_tag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let inside = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    text.len() <= LONGEST_TAG
        && inside.is_some_and(|inside| inside.bytes().all(|b| b.is_ascii_graphic() && b != b'"'))
}
