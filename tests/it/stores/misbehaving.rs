//! A server that answers over HTTP whatever a test wants, which no server of the world does when one asks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is answered to the head of a request.
type Answer = dyn Fn(&str, &mut TcpStream) + Send + Sync;

pub(super) struct Misbehaving {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Misbehaving {
    /// Answers each request so. Its threads end with the test's process.
    pub(super) fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, asked): (Arc<Answer>, Arc<Mutex<Vec<String>>>) =
            (Arc::new(answer), Arc::default());
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, heard) = (Arc::clone(&answer), Arc::clone(&heard));
                std::thread::spawn(move || {
                    let (head, mut stream) = request(stream);
                    heard.lock().unwrap().push(head.clone());
                    answer(&head, &mut stream);
                });
            }
        });
        Self { address, asked }
    }

    /// One that answers every request with this.
    pub(super) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        // Whoever asked may have hung up.
        Self::start(move |_, stream| drop(stream.write_all(&answer)))
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of all requests until now.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Reads a request, of which the head is told.
fn request(stream: TcpStream) -> (String, TcpStream) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    (head, reader.into_inner())
}

/// Says nothing more until the other end hangs up.
pub(super) fn hang(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0]);
}

/// An answer with a body.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
}
