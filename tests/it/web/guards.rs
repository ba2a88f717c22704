//! Who is let in, and what every answer tells the browser.

use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::process::Signal;

use super::{Answer, PATIENCE, SECRET, Web, page_of, shop, wait_until};
use crate::daemon::signal;

/// What is for nobody who has not signed in.
const BEHIND_THE_DOOR: [&str; 10] = [
    "/",
    "/hosts",
    "/hosts/here",
    "/history",
    "/hosts/here/sites/shop.example/programs/queue",
    "/hosts/here/sites/shop.example/programs/queue/log",
    "/hosts/here/sites/shop.example/programs/queue/log.txt",
    "/live",
    "/api/status",
    "/api/history",
];

/// What anybody on this machine may see.
const BEFORE_THE_DOOR: [&str; 6] = [
    "/healthz",
    "/metrics",
    "/assets/style.css",
    "/assets/live.js",
    "/assets/icon.svg",
    "/favicon.ico",
];

#[test]
fn nobody_sees_anything_without_signing_in() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    web.wait_for("/", "RUNNING x2");
    let (name, _) = web.cookie.split_once('=').unwrap();
    let forged = format!("Cookie: {name}={}\r\n", "0".repeat(64));
    for headers in ["", forged.as_str(), "Cookie: \r\n", "Authorization: Basic YTpi\r\n"] {
        for path in BEHIND_THE_DOOR {
            let answer = web.ask("GET", path, headers);
            assert_eq!(answer.status, 401, "{path} {headers}");
            for name in ["shop.example", "here", "queue", SECRET] {
                assert!(!answer.body.contains(name), "{path} tells of {name}: {}", answer.body);
            }
        }
        for path in BEFORE_THE_DOOR {
            let answer = web.ask("GET", path, headers);
            assert_eq!(answer.status, 200, "{path}");
            assert!(!answer.body.contains("shop.example"), "{path}: {}", answer.body);
        }
    }
    web.end();
}

#[test]
fn link_lets_one_browser_in() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    let used = web.links()[0].clone();
    let path = used.split_once("/sign-in").map(|(_, rest)| format!("/sign-in{rest}")).unwrap();
    // A cookie that somebody else has planted is not taken over.
    let planted = format!("{}=planted", web.cookie.split_once('=').unwrap().0);
    for path in [path.as_str(), "/sign-in", "/sign-in?once=", "/sign-in?once=planted"] {
        let answer = web.ask("GET", path, &format!("Cookie: {planted}\r\n"));
        assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{path}");
    }
    wait_until(PATIENCE, "the next link is printed", || web.links().len() == 2);
    let (_, path) =
        web.links()[1].split_once("/sign-in").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let looked = web.ask("HEAD", &format!("/sign-in{path}"), "");
    assert_eq!((looked.status, looked.header("set-cookie")), (403, None), "it is not used up");
    let second = web.sign_in(&web.links()[1]);
    assert_ne!(second, web.cookie);
    for cookie in [&second, &web.cookie] {
        assert_eq!(web.ask("GET", "/", &format!("Cookie: {cookie}\r\n")).status, 200);
    }
    assert_eq!(web.ask("GET", "/", &format!("Cookie: {planted}\r\n")).status, 401);
    web.end();
}

#[test]
fn cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let host = or_skip!(shop());
    let running = Web::start(&host);
    wait_until(PATIENCE, "the next link is printed", || running.links().len() == 2);
    let (_, path) = running.links()[1]
        .split_once("//")
        .unwrap()
        .1
        .split_once('/')
        .map(|(a, b)| (a.to_owned(), format!("/{b}")))
        .unwrap();
    let answer = running.ask("GET", &path, "");
    let set = answer.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.split("; ").any(|part| part == attribute), "no {attribute}: {set}");
    }
    running.end();
}

#[test]
fn every_answer_tells_the_browser_what_is_allowed() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    let paths = BEHIND_THE_DOOR.iter().filter(|path| !path.ends_with("/log") && **path != "/live");
    for path in paths.chain(&BEFORE_THE_DOOR).chain(&["/nowhere", "/sign-in"]) {
        for answer in [web.get(path), web.ask("GET", path, ""), web.ask("POST", path, "")] {
            let policy = answer.header("content-security-policy").unwrap();
            for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
                assert!(policy.contains(part), "{path}: {policy}");
            }
            assert!(!policy.contains("unsafe"), "{policy}");
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("cache-control", "no-store"),
                ("referrer-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{name} of {path}");
            }
        }
    }
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/api/status", "application/jsonl; charset=utf-8"),
        ("/assets/live.js", "text/javascript; charset=utf-8"),
    ] {
        assert_eq!(web.get(path).header("content-type"), Some(kind));
    }
    web.end();
}

/// No page has anything within a line that its own policy forbids, and nothing from elsewhere.
#[test]
fn pages_keep_to_their_policy() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    web.wait_for("/", "RUNNING x2");
    for path in ["/", "/hosts", "/hosts/here", "/history", &page_of("queue"), "/nowhere"] {
        let page = web.get(path).body;
        assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
        for forbidden in [" style=", " onclick=", "javascript:", "<style", "http://", "https://"] {
            assert!(!page.contains(forbidden), "{forbidden} in {path}: {page}");
        }
        assert_eq!(page.matches("<script").count(), 1, "{page}");
    }
    web.end();
}

#[test]
fn nothing_but_reading_is_possible() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    let pids = host.wait_running(&["shop.example-mail:shop.example-mail"]);
    let cookie = format!("Cookie: {}\r\n", web.cookie);
    for path in ["/", &page_of("mail"), "/api/status", "/sign-in?once=x", "/healthz"] {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
            let answer = web.ask(method, path, &cookie);
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
        }
        let answer = web.post(path, "");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
    for form in [
        "do=restart&site=shop.example",
        "do=stop",
        "do=start",
        "do=scale&processes=3&site=shop.example&program=queue",
    ] {
        let answer = web.post("/plans", form);
        assert_eq!(answer.status, 403, "{form}");
        assert!(answer.body.contains("was started without --allow"), "{answer:?}");
    }
    let head = web.ask("HEAD", "/healthz", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(host.wait_running(&["shop.example-mail:shop.example-mail"]), pids);
    web.end();
}

/// Whoever may open the socket may look, so it is its owner's alone; and it takes the same link.
#[test]
fn socket_is_its_owners() {
    let host = or_skip!(shop());
    let path = host.path("web.sock");
    let socket = path.display().to_string();
    // One that nobody listens on any more is replaced.
    drop(UnixListener::bind(&path).unwrap());
    let running = host.command(&["web", "--socket", &socket]).spawn();
    wait_until(PATIENCE, "it listens", || running.stdout().contains("sign-in?once="));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ask = |path: &str| {
        let mut stream = UnixStream::connect(host.path("web.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let text =
            format!("GET {path} HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).unwrap();
        Answer::read(&mut stream)
    };
    assert_eq!(ask("/").status, 401);
    let told = running.stdout();
    let link = told.split_whitespace().find(|word| word.contains("sign-in")).unwrap();
    assert_eq!(ask(link.strip_prefix("http://localhost").unwrap()).status, 200);
    // A second one does not take it away.
    host.run(&["web", "--socket", &socket]).ended(1).complains("cannot listen on");
    signal(running.id(), Signal::INT);
    running.wait().ended(0);
    assert!(!path.exists(), "it goes with whoever made it");
}

#[test]
fn only_this_machine_is_listened_on() {
    let host = or_skip!(shop());
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let run = host.run(&["web", "--listen", address]).ended(2);
        run.complains("others reach it").complains("ssh -L ");
    }
    let web = Web::start(&host);
    let run = host.run(&["web", "--listen", &web.address]).ended(1);
    run.complains(&format!("cannot listen on {}", web.address));
    web.end();
}
