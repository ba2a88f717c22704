//! What people with bad intent send, and what programs write.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use super::following::Stream;
use super::{SECRET, Web, page_of, shop, sites};
use crate::site::Host;

/// What would be markup if somebody put it into a page as it is.
const MARKUP: &str = "</pre><script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

#[test]
fn name_of_elsewhere_does_not_lead_here() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    let (_, port) = web.address.split_once(':').unwrap();
    let cookie = &web.cookie;
    let with = |lines: &str| {
        web.raw(
            format!("GET / HTTP/1.1\r\n{lines}Cookie: {cookie}\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )
    };
    for lines in [
        format!("Host: evil.example:{port}\r\n"),
        "Host: evil.example\r\n".to_owned(),
        format!("Host: 127.0.0.1.evil.example:{port}\r\n"),
        format!("Host: localhost:{port}\r\nHost: evil.example\r\n"),
        "Host: \r\n".to_owned(),
        String::new(),
        "X-Forwarded-Host: localhost\r\nHost: evil.example\r\n".to_owned(),
    ] {
        let answer = with(&lines);
        assert_eq!(answer.status, 421, "{lines}: {answer:?}");
        assert!(!answer.body.contains("shop.example"));
    }
    let whole = format!(
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(web.raw(whole.as_bytes()).status, 421);
    for name in ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"] {
        assert_eq!(with(&format!("Host: {name}:8080\r\n")).status, 200, "{name}, through a tunnel");
    }
    web.end();
}

#[test]
fn no_path_leads_to_a_file() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    for path in [
        "/../../../../etc/passwd",
        "/assets/../../Cargo.toml",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/%00",
        "/assets//etc/passwd",
        "/etc/passwd",
        "/hosts/..%2fhere",
        "/hosts/here/sites/..%2f..%2fetc/programs/passwd",
        "/hosts/here/sites/shop.example/programs/queue/..%2flog.txt",
        "/hosts/here/sites/shop.example/programs/other",
        "/hosts/nowhere",
        "/sites/..%2fshop.example",
        "/sites/shop.example/..",
        "/hosts/here/sites/other.example",
        "/hosts/here/sites",
        "/%ff",
        "/api",
        "/api/../api/secrets",
    ] {
        let answer = web.get(path);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(!answer.body.contains("root:"), "{path}");
    }
    web.end();
}

/// What programs write, people say and addresses carry is text wherever it is shown.
#[test]
fn what_is_shown_is_text() {
    let host = or_skip!(Host::start());
    let site = host.deploy("shop.example");
    site.worker("mail");
    let says = MARKUP.replace('\'', "'\\''");
    site.script("queue.sh", &format!("#!/bin/sh\necho '{says}'\nexec sleep 1000\n"));
    host.inventory(&sites(""));
    host.run(&["apply", "--yes", "-m", MARKUP]).ended(0);
    let web = Web::start(&host);
    let queue = page_of("queue");
    let log = web.wait_for(&queue, "&lt;/pre&gt;&lt;script&gt;");
    assert!(log.contains("\"'&gt;") || log.contains("&quot;'&gt;"), "the line is there: {log}");
    let history = web.wait_for("/history", "&lt;script&gt;");
    let (_, run) = history.split_once("href=\"/runs/").unwrap();
    let run = format!("/runs/{}", run.split('"').next().unwrap());
    web.wait_for(&run, "+command=");
    let typed =
        "%3C/pre%3E%3Cscript%3Ealert(1)%3C/script%3E%22%27%3E%3Cimg%20src=x%20onerror=alert(2)%3E";
    for path in [
        "/".to_owned(),
        queue.clone(),
        "/history".to_owned(),
        run.clone(),
        format!("{run}?page={typed}"),
        format!("/runs/{typed}"),
        "/hosts/here".to_owned(),
        "/sites".to_owned(),
        "/sites/shop.example".to_owned(),
        "/hosts/here/sites/shop.example".to_owned(),
        format!("/sites?q={typed}&show={typed}"),
        format!("/sites/shop.example?q={typed}&show={typed}"),
        format!("/sites/{typed}"),
        format!("/hosts/here/sites/{typed}"),
        format!("/?q={typed}"),
        format!("/?show={typed}"),
        format!("/hosts?q={typed}&show={typed}"),
        format!("/history?q={typed}"),
        format!("{queue}?grep={typed}"),
        format!("{queue}?grep=({typed}"),
        format!("/{typed}"),
        format!("/hosts/{typed}"),
    ] {
        let page = web.get(&path).body;
        for markup in ["<script>", "<img", "onerror=alert(2)>"] {
            assert!(!page.contains(markup), "{markup} in {path}: {page}");
        }
    }
    web.end();
}

#[test]
fn secrets_are_shown_nowhere() {
    let host = or_skip!(Host::start());
    let site = host.deploy("shop.example");
    site.worker("mail");
    site.worker("queue");
    let more = format!(", health: {{probe: {{exec: 'true --password {SECRET}'}}}}");
    host.inventory(&sites(&more));
    host.run(&["apply", "--yes"]).ended(0);
    let web = Web::start(&host);
    let queue = page_of("queue");
    let page = web.wait_for(&queue, "environment TOKEN");
    assert!(page.contains("***"), "{page}");
    web.wait_for("/", "RUNNING x2");
    for path in [
        "/",
        "/hosts",
        "/hosts/here",
        "/history",
        &queue,
        "/api/status",
        "/api/history",
        "/metrics",
    ] {
        assert!(!web.page(path).contains(SECRET), "{path}");
    }
    web.end();
}

#[test]
fn bodies_are_not_read() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    for headers in [
        "Content-Length: 1073741824\r\n",
        "Content-Length: 1\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        // Nothing of it comes: who waited for it would not answer.
        let answer = web.ask("GET", "/", headers);
        assert_eq!(answer.status, 413, "{headers}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(web.ask("POST", "/", headers).status, 403, "of no page of ours: {headers}");
    }
    // What is sent all the same ends with the connection.
    let mut stream = web.connect();
    let head =
        format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 1073741824\r\n\r\n", web.address);
    stream.write_all(head.as_bytes()).unwrap();
    let block = vec![b'x'; 1 << 20];
    let sent = (0..1024).take_while(|_| stream.write_all(&block).is_ok()).count();
    assert!(sent < 1024, "all of it was taken");
    assert_eq!(web.get("/healthz").status, 200);
    web.end();
}

#[test]
fn head_has_an_end() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    let long = "x".repeat(64 * 1024);
    let many: String = (0..500).map(|number| format!("X-{number}: y\r\n")).collect();
    for (path, headers) in [
        ("/".to_owned(), format!("X-Long: {long}\r\n")),
        (format!("/{long}"), String::new()),
        ("/".to_owned(), many),
    ] {
        let answer = web.ask("GET", &path, &headers);
        assert!(matches!(answer.status, 414 | 431), "{}", answer.status);
    }
    let answer = web.raw(b"\x16\x03\x01\x02\x00garbage\r\n\r\n");
    assert_eq!(answer.status, 400);
    assert_eq!(web.get("/healthz").status, 200);
    web.end();
}

/// Who sends the head of a request bit by bit, or nothing, is left: the connection ends by itself.
#[test]
fn slow_head_is_not_waited_for() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    let mut silent = web.connect();
    let mut slow = web.connect();
    write!(slow, "GET / HTTP/1.1\r\nHost: {}\r\nX-Slow: ", web.address).unwrap();
    for stream in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        let read = stream.read_to_end(&mut rest);
        let is_reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(read.as_ref().is_ok() || read.as_ref().is_err_and(is_reset), "{read:?}");
    }
    web.end();
}

/// More connections than there is room for wait, and are served when there is.
#[test]
fn connections_are_bounded() {
    const ROOM: usize = 512;
    let host = or_skip!(shop());
    let web = Web::start(&host);
    // Pages that are followed stay, however long it takes to open them all.
    let mut pages: Vec<Stream> =
        (0..ROOM).map(|_| Stream::of(&web, &web.cookie, "/live")).collect();
    let mut late: Vec<TcpStream> = (0..100).map(|_| web.connect()).collect();
    for stream in &mut late {
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", web.address).unwrap();
    }
    // Whoever was there before is still served meanwhile.
    for page in [0, ROOM - 1] {
        pages[page].wait_for("event: changed");
    }
    for stream in &late {
        stream.set_nonblocking(true).unwrap();
        let answer = stream.peek(&mut [0]).map_err(|error| error.kind());
        assert_eq!(answer, Err(ErrorKind::WouldBlock), "there is no room for it");
    }
    drop(pages);
    for mut stream in late {
        stream.set_nonblocking(false).unwrap();
        let mut begins = [0; 12];
        stream.read_exact(&mut begins).unwrap();
        assert_eq!(&begins, b"HTTP/1.1 200");
    }
    web.end();
}

/// nothing that a query says is looked for longer than people type, and a hard pattern takes no time.
#[test]
fn hard_pattern_is_answered() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    let queue = page_of("queue");
    for pattern in ["(a*)*b", "(a%2B)%2B%24", "%5B", "(", "a{1000}{1000}", "%F0%9F%92%A9"] {
        let answer = web.get(&format!("{queue}?grep={pattern}"));
        assert_eq!(answer.status, 200, "{pattern}");
        let status = web.get(&format!("{queue}/log.txt?grep={pattern}")).status;
        assert!(matches!(status, 200 | 400), "{pattern}: {status}");
    }
    web.end();
}
