//! A bucket: moto, which checks signatures and policies as S3 does (`tools/moto.sh`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use supervisor_sync::store::{Access, Location};
use tempfile::TempDir;

use super::misbehaving::{Misbehaving, answer};
use super::{
    AnyStore, ObjectName, Part, Served, access, assert_says, bytes, keeps_the_contract, listed,
    name, of_page,
};

pub(crate) struct Bucket {
    root: TempDir,
    server: Child,
    answers: BufReader<ChildStdout>,
    /// What it said when it began.
    said: Value,
}

impl Bucket {
    /// Who has these keys.
    fn access(&self, key: &str, secret: &str, token: &str) -> Access {
        with_keys(access(self.root.path()), key, secret, token)
    }

    fn access_as(&self, who: &str) -> Access {
        let keys = &self.said["keys"][who];
        let text = |at: usize| keys[at].as_str().unwrap();
        self.access(text(0), text(1), text(2))
    }

    fn open_as(&self, who: &str) -> AnyStore {
        self.open_with(self.access_as(who))
    }

    /// Has the server do this.
    fn tell(&mut self, what: &str) {
        writeln!(self.server.stdin.as_ref().unwrap(), "{what}").unwrap();
        let mut done = String::new();
        self.answers.read_line(&mut done).unwrap();
        assert_eq!(done.trim(), what);
    }

    fn open_with(&self, access: Access) -> AnyStore {
        Location::parse(&self.location()).unwrap().open_with(access)
    }
}

/// The same with these keys, and none of who runs the tests.
fn with_keys(mut access: Access, key: &str, secret: &str, token: &str) -> Access {
    access.environment.retain(|name, _| !name.as_encoded_bytes().starts_with(b"AWS_"));
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_SESSION_TOKEN", token),
    ] {
        access.environment.insert(name.into(), value.into());
    }
    access
}

impl Part for Bucket {
    fn start() -> Option<Self> {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/moto/bin/python");
        if !python.is_file() {
            crate::python::missing("moto (tools/moto.sh)");
            return None;
        }
        let publishers = of_page("{\n  \"Version\"");
        let hosts = publishers.replace(
            r#"["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::bundles/fleet/*""#,
            r#""s3:GetObject", "Resource": "arn:aws:s3:::bundles/fleet/*"},
               {"Effect": "Allow", "Action": "s3:PutObject", "Resource":
                ["arn:aws:s3:::bundles/fleet/status/*", "arn:aws:s3:::bundles/fleet/failures/*"]"#,
        );
        assert_ne!(publishers, hosts);
        let root = tempfile::tempdir().unwrap();
        let mut server = Command::new(python)
            .args(["-c", include_str!("bucket.py"), &publishers, &hosts])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(root.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut answers = BufReader::new(server.stdout.take().unwrap());
        answers.read_line(&mut line).unwrap();
        let log = || std::fs::read_to_string(root.path().join("log")).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}{}", log()));
        Some(Self { root, server, answers, said })
    }

    fn open(&self) -> AnyStore {
        self.open_as("publisher")
    }

    fn plant_long(&self, name: &ObjectName, length: u64) {
        let path = self.root.path().join("long");
        std::fs::File::create(&path).unwrap().set_len(length).unwrap();
        let keys = &self.said["keys"]["publisher"];
        let login = format!("{}:{}", keys[0].as_str().unwrap(), keys[1].as_str().unwrap());
        let url = format!("http://127.0.0.1:{}/bundles/fleet/{name}", self.said["port"]);
        let put = Command::new("curl")
            .args(["-sS", "--fail", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &login])
            .args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", &url, "-T"])
            .arg(path)
            .output()
            .unwrap();
        assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    }
}

impl Served for Bucket {
    fn location(&self) -> String {
        format!("s3://bundles/fleet?endpoint=http://127.0.0.1:{}", self.said["port"])
    }

    fn accesses(&self) -> [Access; 2] {
        ["publisher", "hosts"].map(|who| self.access_as(who))
    }

    fn asked(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.root.path().join("log")).unwrap();
        log.lines().filter_map(|line| line.strip_prefix("asked: ")).map(str::to_owned).collect()
    }

    const NOTHING_NEW: &'static str = "GET /bundles/fleet/latest.json 304";

    fn stop(&mut self) {
        self.tell("stop");
    }

    fn serve(&mut self) {
        self.tell("serve");
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

keeps_the_contract!(Bucket);

/// As the page's policies have it.
#[test]
fn hosts_may_say_and_not_publish() {
    let bucket = or_skip!(Bucket::start());
    bucket.open().put(&name("latest.json"), b"x").unwrap();
    let host = bucket.open_as("hosts");
    assert_eq!(bytes(&*host, "latest.json"), b"x");
    host.put(&name("status/web1"), b"fine").unwrap();
    host.put(&name("failures/0123/1-web1"), b"bad").unwrap();
    assert_eq!(listed(&*host, "status"), ["status/web1"]);
    let words = ["cannot put latest.json to", "(AccessDenied)", "hint: the keys need s3:GetObject"];
    assert_says(host.put(&name("latest.json"), b"y"), &words);
    assert_eq!(bytes(&*host, "latest.json"), b"x");
}

#[test]
fn keys_that_end_are_enough() {
    let bucket = or_skip!(Bucket::start());
    let store = bucket.open_as("role");
    store.put(&name("status/web1"), b"fine").unwrap();
    assert_eq!(bytes(&*store, "status/web1"), b"fine");
    assert_eq!(listed(&*store, "status"), ["status/web1"]);
}

#[test]
fn wrong_keys_are_told_without_them() {
    let bucket = or_skip!(Bucket::start());
    let right = bucket.said["keys"]["publisher"][0].as_str().unwrap();
    for (key, secret, token, code) in [
        (right, "S3CRET-wrong", "", "SignatureDoesNotMatch"),
        ("S3CRET-unknown", "S3CRET-wrong", "", "InvalidAccessKeyId"),
        (right, "S3CRET", "S3CRET-token", "InvalidToken"),
    ] {
        let store = bucket.open_with(bucket.access(key, secret, token));
        for error in [
            store.get(&name("latest.json"), None).unwrap_err(),
            store.put(&name("latest.json"), b"x").unwrap_err(),
            store.list(&name("status")).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("the server answers 40") && text.contains(code), "{text}");
            assert!(!text.contains("CRET"), "{text}");
        }
    }
}

#[test]
fn missing_bucket_is_told() {
    let missing = "<Error><Code>NoSuchBucket</Code><Message>It is not there.</Message></Error>";
    let server = Misbehaving::saying(answer("404 Not Found", "", missing));
    let location = format!("s3://missing?endpoint={}", server.url());
    let home = tempfile::tempdir().unwrap();
    let access = with_keys(access(home.path()), "", "", "");
    let store = Location::parse(&location).unwrap().open_with(access);
    let words = [
        "cannot get a from",
        "NoSuchBucket",
        "hint: the bucket `missing` has to be made beforehand",
    ];
    assert_says(store.get(&name("a"), None), &words);
}

/// Nothing is signed where there are no keys, and what to do is said where that is not enough.
#[test]
fn without_keys_everybody_asks() {
    let denied =
        "<Error><Code>AccessDenied</Code><Message>Access \u{1b}[2JDenied</Message></Error>";
    let server = Misbehaving::saying(answer("403 Forbidden", "", denied));
    let location = format!("s3://bundles?endpoint={}", server.url());
    let home = tempfile::tempdir().unwrap();
    let store =
        Location::parse(&location).unwrap().open_with(with_keys(access(home.path()), "", "", ""));
    let words = [
        "the server answers 403 Forbidden (AccessDenied): Access Denied",
        "hint: the keys are read from AWS_ACCESS_KEY_ID",
    ];
    assert_says(store.get(&name("a"), None), &words);
    let asked = server.asked();
    assert!(
        asked[0].starts_with("GET /bundles/a HTTP/1.1") && !asked[0].contains("AWS4"),
        "{asked:?}"
    );
}

/// What is signed, and what for: the region of the address, and the digest of what is put.
#[test]
fn request_is_signed() {
    let server = Misbehaving::saying(answer("200 OK", "", ""));
    let location = format!("s3://bundles/fleet?endpoint={}&region=eu-central-1", server.url());
    let home = tempfile::tempdir().unwrap();
    let access = with_keys(access(home.path()), "key", "S3CRET", "token");
    Location::parse(&location).unwrap().open_with(access).put(&name("a"), b"abc").unwrap();
    let asked = &server.asked()[0].to_ascii_lowercase();
    for part in [
        "put /bundles/fleet/a http/1.1",
        "/eu-central-1/s3/aws4_request",
        "x-amz-content-sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "x-amz-security-token: token",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    assert!(!asked.contains("cret"), "{asked}");
}

#[test]
fn listing_goes_on_to_the_last_page() {
    let server = Misbehaving::start(|head, stream| {
        let (name, next) = match head {
            head if head.contains("continuation-token=a%2Fb%3D&") => ("web1", ""),
            _ => ("web2", "<NextContinuationToken>a/b=</NextContinuationToken>"),
        };
        let body = format!(
            "<ListBucketResult><Contents><Key>status/{name}</Key></Contents>{next}</ListBucketResult>"
        );
        let _ = stream.write_all(answer("200 OK", "", &body).as_bytes());
    });
    let home = tempfile::tempdir().unwrap();
    let location = format!("s3://bundles?endpoint={}", server.url());
    let store =
        Location::parse(&location).unwrap().open_with(with_keys(access(home.path()), "", "", ""));
    assert_eq!(listed(&*store, "status"), ["status/web1", "status/web2"]);
    let first = "GET /bundles/?delimiter=%2F&list-type=2&prefix=status%2F HTTP/1.1\r\n";
    assert!(server.asked()[0].starts_with(first), "{:?}", server.asked());
}

/// A server that says that there is always more is not believed for ever.
#[test]
fn listing_without_end_is_refused() {
    let page =
        "<ListBucketResult><NextContinuationToken>x</NextContinuationToken></ListBucketResult>";
    let server = Misbehaving::saying(answer("200 OK", "", page));
    let home = tempfile::tempdir().unwrap();
    let location = format!("s3://bundles?endpoint={}", server.url());
    let store =
        Location::parse(&location).unwrap().open_with(with_keys(access(home.path()), "", "", ""));
    assert_says(
        store.list(&name("status")),
        &["cannot list status of", "it has more than 100 pages"],
    );
    assert_eq!(server.asked().len(), 100);
}

#[test]
fn other_region_is_told() {
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting 'eu-west-1'</Message></Error>";
    let server = Misbehaving::saying(answer("400 Bad Request", "", malformed));
    let home = tempfile::tempdir().unwrap();
    let location = format!("s3://bundles?endpoint={}", server.url());
    let mut access = with_keys(access(home.path()), "key", "secret", "");
    access.environment.insert("AWS_REGION".into(), "eu-north-1".into());
    let store = Location::parse(&location).unwrap().open_with(access);
    let words = [
        "expecting 'eu-west-1'",
        "hint: it was looked for in the region eu-north-1: add ?region=REGION",
    ];
    assert_says(store.get(&name("a"), None), &words);
}

#[test]
fn old_curl_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let curl = "#!/bin/sh\necho 'curl 7.74.0 (x86_64-pc-linux-gnu) libcurl/7.74.0'\n";
    crate::daemon::write_program(&folder.path().join("curl"), curl.as_bytes());
    let mut access = with_keys(access(folder.path()), "key", "secret", "");
    access.environment.insert("PATH".into(), folder.path().into());
    let store =
        Location::parse("s3://bundles?endpoint=http://127.0.0.1:1").unwrap().open_with(access);
    let words = [
        "curl 7.74.0 cannot sign for a bucket, which takes 7.87 or newer",
        "hint: Debian has one from",
    ];
    assert_says(store.get(&name("a"), None), &words);
}
