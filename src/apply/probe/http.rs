//! One HTTP/1.1 `GET`, of which nothing but the status counts.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::connect;

/// What is read of an answer at most: the status stands in its first line.
const LONGEST_HEAD: usize = 16 * 1024;

/// Asks an `http://` address, as the inventory has checked it; a status below 400 passes.
pub(super) fn get(url: &str, timeout: Duration) -> Result<(), String> {
    let HttpUrl { host, target } = HttpUrl::of(url)?;
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: supervisor-sync\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    match status(&with_port(host), &request, timeout)? {
        ..400 => Ok(()),
        status => Err(format!("answers {status}")),
    }
}

/// An address, cut up.
struct HttpUrl<'u> {
    /// `host` or `host:port`, as `Host:` wants it.
    host: &'u str,
    /// The path with its query; `/` if there is none.
    target: String,
}

impl<'u> HttpUrl<'u> {
    fn of(url: &'u str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or("is not an http:// address")?;
        // What stands behind `#` is the browser's own.
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { host, target: format!("{slash}{target}") })
    }
}

fn with_port(host: &str) -> String {
    let behind_brackets = host.rsplit(']').next().unwrap_or_default();
    if behind_brackets.contains(':') { host.to_owned() } else { format!("{host}:80") }
}

#[expect(clippy::disallowed_methods, reason = "an edge: a probe has the machine's own time")]
fn status(address: &str, request: &str, timeout: Duration) -> Result<u16, String> {
    let end = Instant::now() + timeout;
    let mut stream = connect(address, timeout)?;
    stream.set_write_timeout(Some(left(end))).map_err(failed)?;
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut head = Vec::new();
    let mut block = [0; 1024];
    loop {
        stream.set_read_timeout(Some(left(end))).map_err(failed)?;
        let read = stream.read(&mut block).map_err(failed)?;
        head.extend_from_slice(block.get(..read).unwrap_or_default());
        if let Some(status) = status_of(&head)? {
            return Ok(status);
        }
        if read == 0 || head.len() > LONGEST_HEAD || Instant::now() >= end {
            return Err("does not answer as HTTP".to_owned());
        }
    }
}

/// What is left until `end`; a socket takes no timeout of zero.
#[expect(clippy::disallowed_methods, reason = "an edge: a probe has the machine's own time")]
fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn failed(error: std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
            "accepts a connection but does not answer".to_owned()
        }
        _ => format!("breaks the connection: {error}"),
    }
}

/// The status, as soon as the first line is there.
fn status_of(head: &[u8]) -> Result<Option<u16>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(head) {
        Ok(_) => Ok(response.code),
        // Strange headers below a proper status are none of our business.
        Err(_) if response.code.is_some() => Ok(response.code),
        Err(_) => Err("does not answer as HTTP".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes and returns its head.
    fn answering(bytes: &'static [u8]) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(&stream).lines().map(|line| line.unwrap());
            let head = lines.take_while(|line| !line.is_empty()).collect();
            stream.write_all(bytes).unwrap();
            head
        });
        (address, server)
    }

    fn asked(bytes: &'static [u8]) -> Result<(), String> {
        let (address, server) = answering(bytes);
        let answer = get(&format!("http://{address}/health?deep=1#top"), Duration::from_secs(20));
        let head = server.join().unwrap();
        assert_eq!(head.first().unwrap(), "GET /health?deep=1 HTTP/1.1");
        assert!(head.contains(&format!("Host: {address}")), "{head:?}");
        answer
    }

    #[test]
    fn a_status_below_400_passes() {
        assert_eq!(asked(b"HTTP/1.1 204 No Content\r\n\r\n"), Ok(()));
        assert_eq!(asked(b"HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\nmore"), Ok(()));
        assert_eq!(asked(b"HTTP/1.1 503 Down\r\n\r\n"), Err("answers 503".to_owned()));
        assert_eq!(asked(b"HTTP/1.1 400 Bad\r\n\r\n"), Err("answers 400".to_owned()));
    }

    #[test]
    fn other_protocol_is_named_as_such() {
        for bytes in [&b"+PONG\r\n"[..], b"", b"HTTP/1.1"] {
            let reason = asked(bytes).unwrap_err();
            assert_eq!(reason, "does not answer as HTTP", "{bytes:?}");
        }
    }

    #[test]
    fn silent_server_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // A machine with much to do may need the first of them for the connection alone.
        let mut reasons = [50, 500, 5000, 30_000]
            .into_iter()
            .map(|time| get(&url, Duration::from_millis(time)).unwrap_err());
        assert!(reasons.any(|reason| reason == "accepts a connection but does not answer"));
    }

    #[test]
    fn address_splits_as_in_browsers() {
        for (url, host, target) in [
            ("http://a", "a", "/"),
            ("http://a?x=/y", "a", "/?x=/y"),
            ("http://a:81/b#c", "a:81", "/b"),
            ("http://[::1]/", "[::1]", "/"),
        ] {
            let address = HttpUrl::of(url).unwrap();
            assert_eq!((address.host, address.target.as_str()), (host, target), "{url}");
        }
        assert_eq!(with_port("a"), "a:80");
        assert_eq!(with_port("[::1]"), "[::1]:80");
        assert_eq!(with_port("[::1]:81"), "[::1]:81");
    }
}
