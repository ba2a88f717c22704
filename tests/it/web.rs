//! The web view over real HTTP, on real supervisords.

#![expect(clippy::disallowed_methods, reason = "looks at the host and speaks raw HTTP")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a check that fails fails the test")]

mod access;
mod acting;
mod api;
mod attacks;
mod browser;
mod following;
mod guards;
mod lines;
mod load;
mod machines;
mod many;
mod pages;
mod proxied;
mod pulls;
mod runs;
mod sites;
mod tls;

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;
use serde_json::Value;

use crate::daemon::{PATIENCE, signal, wait_until};
use crate::site::{Host, Invocation, Running};

/// What every inventory here keeps to itself.
const SECRET: &str = "hunter2";

/// The web view while it runs, and a browser that has signed in.
struct Web {
    running: Running,
    /// `127.0.0.1:PORT`.
    address: String,
    cookie: String,
}

/// An answer, whole or as far as it was read.
#[derive(Debug)]
struct Answer {
    status: u16,
    /// In small letters, as they came.
    headers: Vec<(String, String)>,
    body: String,
}

impl Web {
    /// Of the inventory of this host, each host asked again after a second.
    fn start(host: &Host) -> Self {
        Self::of(&mut host.command(&["web", "--listen", "127.0.0.1:0", "--every", "1", "--json"]))
    }

    /// The same of another command line, which ends in `--json`.
    fn of(command: &mut Invocation) -> Self {
        let mut web = Self::listening(command);
        web.cookie = web.sign_in(&links(&web.running)[0]);
        web
    }

    /// The same, and nobody has signed in.
    fn listening(command: &mut Invocation) -> Self {
        let running = command.spawn();
        wait_until(PATIENCE, "the web view listens", || !links(&running).is_empty());
        let document: Value =
            serde_json::from_str(running.stdout().lines().next().unwrap()).unwrap();
        let address = document["address"].as_str().unwrap().to_owned();
        Self { running, address, cookie: String::new() }
    }

    /// Follows a link, and returns the cookie.
    fn sign_in(&self, link: &str) -> String {
        let (_, path) = link.split_once("//").unwrap().1.split_once('/').unwrap();
        let answer = self.ask("GET", &format!("/{path}"), "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let set = answer.header("set-cookie").unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    /// The links that were printed so far.
    fn links(&self) -> Vec<String> {
        links(&self.running)
    }

    /// Sends these bytes and reads until the other end closes.
    fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // Who is refused half-way is not read to the end.
        let _ = stream.write_all(request);
        Answer::read(&mut stream)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A request of nobody in particular, with more headers, each with its line end.
    fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let host = &self.address;
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n"
        );
        self.raw(text.as_bytes())
    }

    /// A page, as the browser that has signed in gets it.
    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &format!("Cookie: {}\r\n", self.cookie))
    }

    /// The same, which must be there.
    #[track_caller]
    fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// A form, as a page of ours sends it.
    fn post(&self, path: &str, form: &str) -> Answer {
        let address = &self.address;
        self.post_as(
            path,
            form,
            &format!("Origin: http://{address}\r\nSec-Fetch-Site: same-origin\r\n"),
        )
    }

    /// The same with these headers, which say where it comes from.
    fn post_as(&self, path: &str, form: &str, headers: &str) -> Answer {
        let (host, cookie, length) = (&self.address, &self.cookie, form.len());
        self.raw(
            format!(
                "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nCookie: {cookie}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\
                 {headers}\r\n{form}"
            )
            .as_bytes(),
        )
    }

    /// Waits until a page says this.
    #[track_caller]
    fn wait_for(&self, path: &str, text: &str) -> String {
        let mut page = String::new();
        wait_until(PATIENCE, &format!("{path} says {text:?}"), || {
            page = self.page(path);
            page.contains(text)
        });
        page
    }

    /// Ctrl-C.
    fn end(self) {
        signal(self.running.id(), Signal::INT);
        self.running.wait().ended(0);
    }
}

fn links(running: &Running) -> Vec<String> {
    let whole = running.stdout();
    let whole = whole.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let documents = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let links = documents.filter(|document| document["kind"] == "web");
    links.map(|document| document["link"].as_str().unwrap().to_owned()).collect()
}

impl Answer {
    fn read(stream: &mut impl Read) -> Self {
        let mut bytes = Vec::new();
        // A connection that was reset has said what it had to say.
        let _ = stream.read_to_end(&mut bytes);
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_owned()))
        };
        let headers = lines.filter_map(header).collect();
        Self { status: status.unwrap_or(0), headers, body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// What the web view prints, and what it answers where somebody asks for a plan.
pub(crate) fn documents(host: &Host) -> String {
    let web = Web::start(host);
    let proposed = web.post("/api/plans", "do=apply").body;
    wait_until(PATIENCE, "it was noted", || web.running.stdout().contains("web_action"));
    let whole = web.running.stdout();
    let printed = whole.rsplit_once('\n').map_or("", |(printed, _)| printed);
    let documents = format!("{printed}\n{proposed}");
    crate::documents::assert_valid(&documents);
    web.end();
    documents
}

/// A host with a site `shop.example` that is applied: `queue` runs, `mail` crashes.
fn shop() -> Option<Host> {
    let host = Host::start()?;
    let site = host.deploy("shop.example");
    site.worker("queue");
    site.worker("mail");
    host.inventory(&sites(""));
    host.run(&["apply", "--yes", "-m", "the <first> run"]).ended(0);
    Some(host)
}

/// Its inventory, with more said of `queue`.
fn sites(more: &str) -> String {
    format!(
        "  - domain: shop.example\n    server: here\n    supervisors:\n      - {{program: queue, \
         script: queue.sh, startsecs: 0, numprocs: 2, environment: {{TOKEN: {SECRET}}}{more}}}\n      \
         - {{program: mail, script: mail.sh, startsecs: 0}}"
    )
}

/// The text of a page between its tags.
fn text(page: &str) -> String {
    let mut text = String::new();
    for part in page.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The page of a program of it.
fn page_of(program: &str) -> String {
    format!("/hosts/here/sites/shop.example/programs/{program}")
}
