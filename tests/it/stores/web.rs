//! A web server: nginx as docs/stores.md sets it up, and servers that misbehave.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use supervisor_sync::error::ErrorKind;
use supervisor_sync::store::Location;

use super::misbehaving::{Misbehaving, answer, hang};
use super::nginx::{HOSTS_PASSWORD, Nginx, PASSWORD};
use super::{Answer, AnyStore, Part, access, assert_says, bytes, keeps_the_contract, listed, name};
use crate::daemon::{PATIENCE, wait_until};

keeps_the_contract!(Nginx);

/// The store at a server, for somebody whom nobody knows.
fn open(url: &str) -> AnyStore {
    let home = tempfile::tempdir().unwrap();
    let mut access = access(home.path());
    access.environment.insert("HOME".into(), home.path().into());
    Location::parse(url).unwrap().open_with(access)
}

#[test]
fn each_login_may_what_it_needs() {
    let nginx = or_skip!(Nginx::start());
    nginx.open().put(&name("latest.json"), b"x").unwrap();
    let hosts = nginx.open_as(Some(("hosts", HOSTS_PASSWORD)));
    assert_eq!(bytes(&*hosts, "latest.json"), b"x");
    for status in ["status/web1.json", "failures/0123/1-web1"] {
        hosts.put(&name(status), b"fine").unwrap();
    }
    assert_eq!(listed(&*hosts, "status"), ["status/web1.json"]);
    for ours in ["latest.json", "bundles/1", "status.json", "x/status/y"] {
        let refused = hosts.put(&name(ours), b"bad");
        assert_says(
            refused,
            &[&format!("cannot put {ours} to {}", nginx.url()), "answers 401 Unauthorized"],
        );
    }
    assert_eq!(bytes(&*hosts, "latest.json"), b"x");
}

#[test]
fn wrong_login_is_told_without_its_password() {
    let nginx = or_skip!(Nginx::start());
    for login in [None, Some(("publisher", "S3CRET-wrong")), Some(("nobody", PASSWORD))] {
        let store = nginx.open_as(login);
        let told = [
            store.get(&name("latest.json"), None).unwrap_err(),
            store.put(&name("latest.json"), b"x").unwrap_err(),
            store.list(&name("status")).unwrap_err(),
        ];
        for error in told {
            let text = error.to_string();
            assert!(text.contains("the server answers 401 Unauthorized"), "{text}");
            assert!(
                text.contains("hint: the login is read from ~/.netrc: machine 127.0.0.1 "),
                "{text}"
            );
            assert!(!text.contains("CRET"), "{text}");
        }
    }
}

/// What is sent by a writer that is killed is in nobody's way.
#[test]
fn killed_writer_leaves_the_former_object() {
    let nginx = or_skip!(Nginx::start());
    let store = nginx.open();
    store.put(&name("status/web1"), b"former").unwrap();
    let long = nginx.path("long");
    std::fs::write(&long, vec![b'x'; 1_000_000]).unwrap();
    let mut writer = std::process::Command::new("curl")
        .args(["-sk", "--limit-rate", "50k", "--user", &format!("publisher:{PASSWORD}"), "-T"])
        .arg(&long)
        .arg(format!("{}/status/web1", nginx.url()))
        .spawn()
        .unwrap();
    let partial = || nginx.partial().iter().any(|path| path.metadata().is_ok_and(|m| m.len() > 0));
    wait_until(PATIENCE, "a part of it is there", partial);
    assert_eq!(bytes(&*store, "status/web1"), b"former");
    writer.kill().unwrap();
    writer.wait().unwrap();
    wait_until(PATIENCE, "nginx has given it up", || nginx.partial().is_empty());
    assert_eq!(bytes(&*store, "status/web1"), b"former");
    assert_eq!(listed(&*store, "status"), ["status/web1"]);
}

#[test]
fn server_that_is_gone_comes_back() {
    let mut nginx = or_skip!(Nginx::start());
    let store = nginx.open();
    store.put(&name("latest.json"), b"x").unwrap();
    nginx.stop();
    let url = nginx.url();
    let (get, put) =
        (format!("cannot get latest.json from {url}"), format!("cannot put a to {url}"));
    let hint = format!("hint: see what it says: curl -sSI '{url}/latest.json'");
    assert_says(store.get(&name("latest.json"), None), &[&get, "curl: (7) ", &hint]);
    assert_says(store.put(&name("a"), b"x"), &[&put, "curl: (7) "]);
    assert_says(store.list(&name("status")), &["cannot list status of", "curl: (7) "]);
    nginx.serve();
    assert_eq!(bytes(&*store, "latest.json"), b"x");
}

#[test]
fn unknown_certificate_is_refused() {
    let nginx = or_skip!(Nginx::start());
    let mut access = nginx.access(Some(("publisher", PASSWORD)));
    access.environment.remove(std::ffi::OsStr::new("CURL_CA_BUNDLE"));
    let store = nginx.open_with(access);
    let words = ["curl: (60) ", "certificate", "sudo update-ca-certificates"];
    assert_says(store.get(&name("latest.json"), None), &words);
}

#[test]
fn redirects_stay_within_tls() {
    let more = "location = /near { return 302 /latest.json; }\n\
                location = /far { return 302 http://127.0.0.1:1/latest.json; }\n";
    let nginx = or_skip!(Nginx::start_with(more));
    let store = nginx.open();
    store.put(&name("latest.json"), b"x").unwrap();
    assert_eq!(bytes(&*store, "near"), b"x");
    assert_says(store.get(&name("far"), None), &["cannot get far", "curl: (1) ", "http"]);
    assert_says(
        store.put(&name("near"), b"y"),
        &["the server sends elsewhere (302 Moved Temporarily): "],
    );
    assert_eq!(bytes(&*store, "latest.json"), b"x");
}

#[test]
fn wrong_answers_are_told() {
    let redirect = |to: &str| answer("302 Found", &format!("location: {to}\r\n"), "");
    for (said, words) in [
        (
            answer("500 Internal Server Error", "", "oops"),
            "the server answers 500 Internal Server Error",
        ),
        (answer("503 \u{1b}[2J", "", ""), "the server answers 503\n"),
        (answer("304 Not Modified", "", ""), "the server answers 304 Not Modified"),
        (answer("206 Partial Content", "", "x"), "the server answers 206 Partial Content"),
        (redirect("file:///etc/passwd"), "curl: (1) Protocol \"file\" not supported"),
        (redirect("scp://h/x"), "curl: (1) Protocol \"scp\" not supported"),
        (redirect("/again"), "curl: (47) Maximum (5) redirects followed"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut off".to_owned(), "90 bytes"),
        ("SSH-2.0-OpenSSH\r\n".to_owned(), "curl: (1) Received HTTP/0.9"),
        (String::new(), "curl: (52) Empty reply"),
    ] {
        let server = Misbehaving::saying(said.clone());
        let got = open(&server.url()).get(&name("latest.json"), None);
        let text = format!("{}\n", got.expect_err(&said));
        assert!(
            text.contains(words) || (words == "90 bytes" && text.contains("curl: (18) ")),
            "{said}: {text}"
        );
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}

#[test]
fn answer_of_any_length_is_bounded() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
    let announced = Misbehaving::saying(head);
    let endless = Misbehaving::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    for server in [announced, endless] {
        let store = open(&server.url());
        assert_says(
            store.get(&name("a"), None),
            &["cannot get a from", "it is longer than 128 MiB"],
        );
        assert_says(store.list(&name("a")), &["cannot list a of", "it is longer than 128 MiB"]);
    }
}

#[test]
fn hanging_server_is_given_up() {
    let silent = Misbehaving::start(|_, stream| hang(stream));
    let half = Misbehaving::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").unwrap();
        hang(stream);
    });
    for server in [silent, half] {
        let mut access = access(Path::new("/nowhere"));
        access.patience.silence = Duration::from_secs(1);
        let store = Location::parse(&server.url()).unwrap().open_with(access);
        assert_says(store.get(&name("a"), None), &["cannot get a from", "curl: (28) "]);
        assert_says(store.put(&name("a"), b"x"), &["cannot put a to", "curl: (28) "]);
    }
}

#[test]
fn interrupt_ends_it() {
    let server = Misbehaving::start(|_, stream| hang(stream));
    let access = access(Path::new("/nowhere"));
    let interrupt = access.interrupt.clone();
    let store = Location::parse(&server.url()).unwrap().open_with(access);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| store.get(&name("a"), None).unwrap_err());
        wait_until(PATIENCE, "it is asked", || !server.asked().is_empty());
        interrupt.raise();
        let error = asking.join().unwrap();
        assert_eq!(error.kind, ErrorKind::Interrupted, "{error}");
    });
}

#[test]
fn listing_is_json_of_our_names() {
    let page = Misbehaving::saying(answer("200 OK", "", "<html><a href=\"web1\">web1</a></html>"));
    let words =
        ["cannot list status of", "a page of HTML", "hint: the server has to list folders as JSON"];
    assert_says(open(&page.url()).list(&name("status")), &words);
    let hostile = r#"[{"name": "../../etc/passwd", "type": "file"}, {"name": "web1", "type": "file"},
                      {"name": "a\u001b]0;x\u0007", "type": "file"}]"#;
    let server = Misbehaving::saying(answer("200 OK", "", hostile));
    assert_eq!(listed(&*open(&server.url()), "status"), ["status/web1"]);
    assert!(server.asked()[0].starts_with("GET /status/ HTTP/1.1\r\n"), "{:?}", server.asked());
}

#[test]
fn server_without_put_is_told() {
    for (status, hint) in [
        ("405 Not Allowed", "hint: the server has to allow PUT"),
        ("409 Conflict", "hint: the server has to allow PUT"),
        ("413 Request Entity Too Large", "hint: the server has to take 128 MiB"),
    ] {
        let server = Misbehaving::saying(answer(status, "", ""));
        assert_says(open(&server.url()).put(&name("a"), b"x"), &["cannot put a to", status, hint]);
    }
}

/// A tag that is none is not sent back, and neither what a server makes of one.
#[test]
fn only_tags_are_tags() {
    let long = format!("etag: \"{}\"\r\n", "x".repeat(300));
    for (header, expected) in [
        ("ETag: \"a-1\"\r\n", Some("\"a-1\"")),
        ("etag: W/\"a\"\r\n", Some("W/\"a\"")),
        ("etag: a\r\n", None),
        ("etag: \"a\tb\"\r\n", None),
        (long.as_str(), None),
        ("", None),
    ] {
        let server = Misbehaving::saying(answer("200 OK", header, "x"));
        let answer = open(&server.url()).get(&name("a"), None).unwrap();
        let tag = expected.map(str::to_owned);
        assert_eq!(answer, Answer::Object { bytes: b"x".to_vec(), tag }, "{header}");
    }
    let server = Misbehaving::saying(answer("200 OK", "", "x"));
    open(&server.url()).get(&name("a"), Some("\"a\"\r\nx-other: 1")).unwrap();
    open(&server.url()).get(&name("a"), Some("W/\"a\\b\"")).unwrap();
    let asked = server.asked();
    assert!(!asked[0].contains("x-other") && !asked[0].contains("If-None-Match"), "{asked:?}");
    assert!(asked[1].contains("If-None-Match: W/\"a\\b\"\r\n"), "{asked:?}");
}

/// What is of the answer before a redirect, or of an early hint, is not of the object.
#[test]
fn last_answer_counts() {
    let server = Misbehaving::start(|head, stream| {
        let said = match head.starts_with("GET /a ") {
            true => answer("302 Found", "etag: \"wrong\"\r\nlocation: /b\r\n", "not this"),
            false => format!(
                "HTTP/1.1 103 Early Hints\r\netag: \"early\"\r\n\r\n{}",
                answer("200 OK", "", "this")
            ),
        };
        let _ = stream.write_all(said.as_bytes());
    });
    let answer = open(&server.url()).get(&name("a"), None).unwrap();
    assert_eq!(answer, Answer::Object { bytes: b"this".to_vec(), tag: None });
}

#[test]
fn nothing_but_our_own_configuration_is_read() {
    let server = Misbehaving::saying(answer("200 OK", "", "x"));
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join(".curlrc"),
        "output = \"/dev/null\"\nheader = \"x-other: 1\"\n",
    )
    .unwrap();
    let mut access = access(home.path());
    access.environment.insert("HOME".into(), home.path().into());
    let store = Location::parse(&server.url()).unwrap().open_with(access);
    assert_eq!(bytes(&*store, "a"), b"x");
    assert!(!server.asked()[0].contains("x-other"), "{:?}", server.asked());
}

/// Nothing is in the list of processes but that it is curl.
#[test]
fn command_line_says_nothing() {
    let server = Misbehaving::start(|_, stream| hang(stream));
    let access = access(Path::new("/nowhere"));
    let interrupt = access.interrupt.clone();
    let store = Location::parse(&server.url()).unwrap().open_with(access);
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let store = &store;
        let asking = scope.spawn(move || {
            sender.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
            store.put(&name("a"), b"x")
        });
        // Other tests have a curl of theirs at the same time: what this thread has begun is meant.
        let thread = Path::new("/proc").join(receiver.recv().unwrap());
        wait_until(PATIENCE, "it is asked", || !server.asked().is_empty());
        let children = std::fs::read_to_string(thread.join("children")).unwrap();
        let lines: Vec<String> = children
            .split_whitespace()
            .map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap())
            .collect();
        interrupt.raise();
        asking.join().unwrap().unwrap_err();
        assert_eq!(lines, ["curl\0--disable\0--config\0-\0"]);
    });
}

#[test]
fn missing_curl_is_told() {
    let mut access = access(Path::new("/nowhere"));
    access.environment.insert("PATH".into(), "/nowhere".into());
    let store = Location::parse("https://127.0.0.1:1").unwrap().open_with(access);
    let words = ["cannot get a from", "curl is not installed", "hint: sudo apt-get install curl"];
    assert_says(store.get(&name("a"), None), &words);
}
