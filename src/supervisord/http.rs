//! One HTTP/1.1 exchange over a stream, bounded in size. The stream bounds the time.

use std::io::{self, Read, Write};

/// supervisord's own heads have about 150 bytes.
const MAX_HEAD: usize = 16 * 1024;

/// One process costs about 1.5 KB in `getAllProcessInfo`, so this is room for 20,000.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// An answer of any status.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HttpResponse {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum HttpError {
    /// The stream failed, or ended before the answer did.
    Io(io::Error),
    /// The bytes are no HTTP we accept.
    Garbage(String),
}

impl From<io::Error> for HttpError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A POST of `body` to `/RPC2`. It asks the server to close the connection afterwards, see
/// [`super::Client`] for why. `authorization` is the value of that header.
pub(super) fn request(host: &str, authorization: Option<&str>, body: &str) -> Vec<u8> {
    let authorization =
        authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
    // supervisord looks for `Header: value` with exactly one blank.
    format!(
        "POST /RPC2 HTTP/1.1\r\nHost: {host}\r\nUser-Agent: supervisor-sync/{}\r\n\
         Content-Type: text/xml\r\nConnection: close\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
        env!("CARGO_PKG_VERSION"),
        body.len()
    )
    .into_bytes()
}

/// Sends `request` in one piece (two writes would cost a delayed ACK on TCP) and reads the answer.
pub(super) fn exchange<S: Read + Write>(
    stream: &mut S,
    request: &[u8],
) -> Result<HttpResponse, HttpError> {
    let sent = stream.write_all(request).and_then(|()| stream.flush());
    let answer = Incoming { stream, bytes: Vec::new(), at: 0 }.response();
    match (sent, answer) {
        // A server may answer (401, 413) and close without having read all.
        (_, Ok(response)) => Ok(response),
        (Err(error), Err(_)) => Err(HttpError::Io(error)),
        (Ok(()), Err(error)) => Err(error),
    }
}

/// How long the body is.
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// What has arrived, and how much of it has been used.
struct Incoming<'a, S> {
    stream: &'a mut S,
    bytes: Vec<u8>,
    at: usize,
}

impl<S: Read> Incoming<'_, S> {
    fn response(mut self) -> Result<HttpResponse, HttpError> {
        let (status, framing) = self.head()?;
        let body = match framing {
            Framing::Length(length) => self.exactly(length)?,
            Framing::Chunked => self.chunks()?,
            Framing::UntilClose => self.rest()?,
        };
        Ok(HttpResponse { status, body })
    }

    /// Reads once; false at the end of the stream.
    fn fill(&mut self) -> Result<bool, HttpError> {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(count) => {
                    self.bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn fill_or_break(&mut self) -> Result<(), HttpError> {
        if self.fill()? {
            return Ok(());
        }
        let reason = if self.bytes.is_empty() {
            "it was closed without an answer"
        } else {
            "it was closed in the middle of the answer"
        };
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason).into())
    }

    fn unread(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn head(&mut self) -> Result<(u16, Framing), HttpError> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut head = httparse::Response::new(&mut headers);
            match head.parse(&self.bytes) {
                Ok(httparse::Status::Complete(length)) => {
                    let status = head.code.unwrap_or(0);
                    let framing = framing(head.headers)?;
                    self.at = length;
                    return Ok((status, framing));
                }
                Ok(httparse::Status::Partial) if self.bytes.len() > MAX_HEAD => {
                    return Err(HttpError::Garbage("the HTTP head does not end".to_owned()));
                }
                Ok(httparse::Status::Partial) => self.fill_or_break()?,
                Err(error) => return Err(HttpError::Garbage(format!("no HTTP: {error}"))),
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, HttpError> {
        check_length(length)?;
        loop {
            if let Some(body) = self.unread().get(..length) {
                let body = body.to_vec();
                self.at += length;
                return Ok(body);
            }
            self.fill_or_break()?;
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        loop {
            let size = self.chunk_size()?;
            if size == 0 {
                // Trailers, if any, say nothing we need; the connection is closed anyway.
                return Ok(body);
            }
            check_length(body.len().saturating_add(size))?;
            body.extend_from_slice(&self.exactly(size)?);
            if self.exactly(2)? != b"\r\n" {
                return Err(HttpError::Garbage("a chunk is longer than it says".to_owned()));
            }
            self.bytes.drain(..self.at);
            self.at = 0;
        }
    }

    fn chunk_size(&mut self) -> Result<usize, HttpError> {
        loop {
            match httparse::parse_chunk_size(self.unread()) {
                Ok(httparse::Status::Complete((used, size))) => {
                    self.at += used;
                    return Ok(usize::try_from(size).unwrap_or(usize::MAX));
                }
                Ok(httparse::Status::Partial) if self.unread().len() <= 1024 => {
                    self.fill_or_break()?;
                }
                _ => return Err(HttpError::Garbage("a chunk without a size".to_owned())),
            }
        }
    }

    fn rest(&mut self) -> Result<Vec<u8>, HttpError> {
        while self.fill()? {
            check_length(self.unread().len())?;
        }
        Ok(self.unread().to_vec())
    }
}

fn check_length(length: usize) -> Result<(), HttpError> {
    if length <= MAX_BODY {
        return Ok(());
    }
    Err(HttpError::Garbage(format!("the answer is longer than {} MiB", MAX_BODY / 1024 / 1024)))
}

fn framing(headers: &[httparse::Header<'_>]) -> Result<Framing, HttpError> {
    let value = |name: &str| {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(header.value).trim().to_ascii_lowercase())
    };
    if let Some(encoding) = value("transfer-encoding") {
        return match encoding.as_str() {
            "chunked" => Ok(Framing::Chunked),
            _ => Err(HttpError::Garbage("an unknown transfer encoding".to_owned())),
        };
    }
    match value("content-length") {
        None => Ok(Framing::UntilClose),
        Some(text) => text
            .parse()
            .map(Framing::Length)
            .map_err(|_| HttpError::Garbage("a content length that is not a number".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Answers with given pieces, one a read, and keeps what was written.
    struct Script {
        pieces: VecDeque<Vec<u8>>,
        written: Vec<u8>,
    }

    impl Script {
        fn new(answer: &[u8], piece: usize) -> Self {
            let pieces = answer.chunks(piece).map(<[u8]>::to_vec).collect();
            Self { pieces, written: Vec::new() }
        }
    }

    impl Read for Script {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let piece = self.pieces.pop_front().unwrap_or_default();
            into[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn answer(bytes: &[u8]) -> Result<HttpResponse, HttpError> {
        let whole = exchange(&mut Script::new(bytes, 8 * 1024), b"");
        let byte_by_byte = exchange(&mut Script::new(bytes, 1), b"");
        assert_eq!(whole.as_ref().ok(), byte_by_byte.as_ref().ok());
        whole
    }

    fn garbage(bytes: &[u8]) -> String {
        match answer(bytes) {
            Err(HttpError::Garbage(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn body_ends_in_three_ways() {
        let hello = HttpResponse { status: 200, body: b"hello".to_vec() };
        for bytes in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\nhello",
        ] {
            assert_eq!(answer(bytes).ok(), Some(HttpResponse { status: 200, body: hello.body.clone() }));
        }
        assert_eq!(
            answer(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").ok(),
            Some(HttpResponse { status: 401, body: Vec::new() })
        );
    }

    #[test]
    fn what_is_cut_short_is_broken() {
        for bytes in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ] {
            assert!(matches!(answer(bytes), Err(HttpError::Io(_))), "{bytes:?}");
        }
    }

    #[test]
    fn no_http_is_garbage() {
        assert!(garbage(b"SSH-2.0-OpenSSH_9.2\r\n").starts_with("no HTTP"));
        assert_eq!(
            garbage(&[b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; 20_000][..]].concat()),
            "the HTTP head does not end"
        );
        assert_eq!(
            garbage(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
            "the answer is longer than 32 MiB"
        );
        assert_eq!(
            garbage(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n"),
            "the answer is longer than 32 MiB"
        );
        assert!(!garbage(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n").is_empty());
        assert!(!garbage(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n").is_empty());
        assert!(
            !garbage(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello").is_empty()
        );
    }

    #[test]
    fn request_goes_in_one_piece() {
        let bytes = request("localhost", Some("Basic dTpw"), "<x/>");
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.starts_with("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\n"));
        assert!(text.contains("\r\nAuthorization: Basic dTpw\r\nContent-Length: 4\r\n\r\n<x/>"));
        let mut script = Script::new(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 99);
        assert!(exchange(&mut script, &bytes).is_ok());
        assert_eq!(script.written, bytes);
    }
}
