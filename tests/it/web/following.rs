//! What comes as it happens.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use super::{PATIENCE, Web, page_of, shop, sites, wait_until};
use crate::site::Host;

/// A stream of events that is read line by line.
pub(super) struct Stream(BufReader<TcpStream>);

impl Stream {
    pub(super) fn open(web: &Web, path: &str) -> Self {
        Self::of(web, &web.cookie, path)
    }

    /// As another browser has it.
    pub(super) fn of(web: &Web, cookie: &str, path: &str) -> Self {
        let mut stream = web.connect();
        let host = &web.address;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n").unwrap();
        let mut stream = Self(BufReader::new(stream));
        assert_eq!(stream.line(), "HTTP/1.1 200 OK");
        stream
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the stream has ended");
        line.trim_end().to_owned()
    }

    /// Reads until a line of it is this.
    pub(super) fn wait_for(&mut self, wanted: &str) {
        self.until(wanted);
    }

    /// The same, with the lines on the way there.
    pub(super) fn until(&mut self, wanted: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.line());
            if lines.last().is_some_and(|line| line == wanted) {
                return lines;
            }
        }
    }
}

fn streams(web: &Web) -> String {
    let metrics = web.ask("GET", "/metrics", "").body;
    let line = metrics.lines().find(|line| line.starts_with("supervisor_sync_web_streams "));
    line.unwrap().to_owned()
}

#[test]
fn page_hears_of_changes() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    web.wait_for("/", "RUNNING x2");
    let mut stream = Stream::open(&web, "/live");
    stream.wait_for("content-type: text/event-stream");
    stream.wait_for("event: alive");
    assert_eq!(streams(&web), "supervisor_sync_web_streams 1");
    host.stop_by_hand("shop.example-mail:shop.example-mail");
    stream.wait_for("event: changed");
    web.wait_for("/", "was stopped by hand");
    drop(stream);
    wait_until(PATIENCE, "nobody listens any more", || streams(&web).ends_with(" 0"));
    web.end();
}

/// The host is asked seldom: what is heard meanwhile is that somebody is there.
#[test]
fn page_hears_that_somebody_is_there() {
    let host = or_skip!(shop());
    let arguments = ["web", "--listen", "127.0.0.1:0", "--every", "3600", "--json"];
    let web = Web::of(&mut host.command(&arguments));
    web.wait_for("/", "RUNNING x2");
    let mut stream = Stream::open(&web, "/live");
    stream.wait_for("event: alive");
    stream.wait_for("event: alive");
    web.end();
}

#[test]
fn log_is_followed() {
    let host = or_skip!(Host::start());
    let site = host.deploy("shop.example");
    site.worker("mail");
    let feed = host.path("feed");
    let script =
        format!("#!/bin/sh\ntouch {0}\necho begun\nexec tail -n +1 -f {0}\n", feed.display());
    site.script("queue.sh", &script);
    host.inventory(&sites("").replace("numprocs: 2", "numprocs: 1"));
    host.run(&["apply", "--yes"]).ended(0);
    let web = Web::start(&host);
    let log = page_of("queue") + "/log";
    let mut all = Stream::open(&web, &log);
    all.wait_for("data: begun");
    let mut some = Stream::open(&web, &format!("{log}?grep=%5Eorder"));
    some.wait_for("event: alive");
    let says = |line: &str| {
        let mut file = std::fs::OpenOptions::new().append(true).open(&feed).unwrap();
        writeln!(file, "{line}").unwrap();
    };
    says("a line\u{1b}[0m");
    says("order 17 <b>");
    all.wait_for("data: a line");
    all.wait_for("data: order 17 <b>");
    loop {
        let line = some.line();
        assert!(!line.contains("a line") && !line.contains("begun"), "{line}");
        if line == "data: order 17 <b>" {
            break;
        }
    }
    // Rotated as logrotate does it.
    let path = host.log("shop.example-queue");
    std::fs::copy(&path, path.with_extension("log.1")).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    says("order 18");
    all.wait_for("data: order 18");
    drop((all, some));
    wait_until(PATIENCE, "nobody listens any more", || streams(&web).ends_with(" 0"));
    let wrong = web.get(&format!("{log}?grep=%28"));
    assert_eq!((wrong.status, wrong.header("content-type")), (200, Some("text/event-stream")));
    assert!(wrong.body.starts_with("event: wrong\ndata: this is no regular"), "{wrong:?}");
    assert_eq!(web.get(&format!("{log}.txt?grep=%28")).status, 400);
    web.end();
}

/// A browser that is not told comes again at once, and has the host asked for nothing.
#[test]
fn log_that_is_no_file_ends() {
    let host = or_skip!(Host::start());
    let site = host.deploy("shop.example");
    site.worker("mail");
    site.worker("queue");
    host.inventory(&sites(", logs: {path: NONE}"));
    host.run(&["apply", "--yes"]).ended(0);
    let web = Web::start(&host);
    let mut stream = Stream::open(&web, &(page_of("queue") + "/log"));
    stream.wait_for("event: end");
    drop(stream);
    web.end();
}
