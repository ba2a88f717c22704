//! TLS without a proxy, with certificates that openssl makes and curl looks at.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::access::{PASSWORD, USERS, start_with_file, two_sites, write_users};
use super::proxied::{certify, curl};
use super::{Web, wait_until};
use crate::daemon::PATIENCE;
use crate::hints::Hint;
use crate::site::Host;

/// Listening for everybody, with a certificate.
fn start(host: &Host) -> (Web, u16) {
    write_users(host, &format!("{USERS}names: [fleet.example.com]\n"));
    let (cert, key) = (host.path("cert.pem"), host.path("key.pem"));
    certify(&cert, &key);
    let tls = ["--tls", cert.to_str().unwrap(), key.to_str().unwrap()];
    let web = start_with_file(host, &[&["--listen", "0.0.0.0:0"][..], &tls].concat());
    let port = web.address.rsplit(':').next().unwrap().parse().unwrap();
    (web, port)
}

fn speaks(cert: &Path, port: u16, more: &[&str]) -> bool {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-o", "/dev/null", "--max-time", "20", "--noproxy", "*", "--cacert"]);
    curl.arg(cert).args(more).arg(format!("https://localhost:{port}/healthz"));
    curl.status().unwrap().success()
}

#[test]
fn people_sign_in_over_tls() {
    let host = or_skip!(two_sites());
    let (web, port) = start(&host);
    let cert = host.path("cert.pem");
    assert_eq!(curl(&cert, port, "/", &[]).status, 401);
    let origin = format!("Origin: https://fleet.example.com:{port}");
    let form = format!("name=ann&password={}", PASSWORD.replace(' ', "+"));
    let answer = curl(&cert, port, "/sign-in", &["-H", &origin, "--data", &form]);
    assert_eq!(answer.status, 303, "{answer:?}");
    let set = answer.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-") && set.ends_with("; Secure"), "{set}");
    let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
    assert_eq!(curl(&cert, port, "/", &["-H", &cookie]).status, 200);
    // A name that is not in the file does not lead here, and over plain HTTP nothing does.
    assert_eq!(curl(&cert, port, "/", &["-H", "Host: evil.example"]).status, 421);
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(plain, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1"), "{said:?}");
    web.end();
}

#[test]
fn old_versions_are_not_spoken() {
    let host = or_skip!(two_sites());
    let (web, port) = start(&host);
    let cert = host.path("cert.pem");
    for (more, speaks_it) in [
        (&["--tlsv1.3"][..], true),
        (&["--tlsv1.2", "--tls-max", "1.2"], false),
        (&["--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"], false),
    ] {
        assert_eq!(speaks(&cert, port, more), speaks_it, "{more:?}");
    }
    web.end();
}

/// A renewed certificate is shown from the next connection on; one that is none leaves the former.
#[test]
fn renewed_certificate_is_shown() {
    let host = or_skip!(two_sites());
    let (web, port) = start(&host);
    let (cert, key) = (host.path("cert.pem"), host.path("key.pem"));
    let (former, next) = (host.path("former.pem"), host.path("next.pem"));
    std::fs::copy(&cert, &former).unwrap();
    assert!(speaks(&former, port, &[]));
    certify(&next, &key);
    std::fs::rename(&next, &cert).unwrap();
    wait_until(PATIENCE, "the next one is shown", || speaks(&cert, port, &[]));
    assert!(!speaks(&former, port, &[]));
    let whole = std::fs::read(&cert).unwrap();
    std::fs::write(&cert, "none").unwrap();
    std::fs::write(&next, &whole).unwrap();
    assert!(speaks(&next, port, &[]));
    wait_until(PATIENCE, "it is said", || {
        web.running.stdout().contains("the certificate is the one of before")
    });
    web.end();
}

/// Who says nothing is left.
#[test]
fn silent_handshake_is_not_waited_for() {
    let host = or_skip!(two_sites());
    let (web, port) = start(&host);
    let mut silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    let read = silent.read_to_end(&mut rest);
    let is_reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
    assert!(read.as_ref().is_ok() || read.as_ref().is_err_and(is_reset), "{read:?}");
    web.end();
}

#[test]
fn key_is_nobody_elses() {
    let host = or_skip!(two_sites());
    write_users(&host, USERS);
    let (cert, key) = (host.path("cert.pem"), host.path("key.pem"));
    certify(&cert, &key);
    let users = host.path("users.yml").display().to_string();
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let run = |cert: &str, key: &str| {
        let arguments = ["web", "--auth", &users, "--tls", cert, key, "--listen", "127.0.0.1:0"];
        host.run(&arguments).ended(1)
    };
    run(&key, &key).complains("has no certificate in PEM");
    std::fs::set_permissions(&cert, std::fs::Permissions::from_mode(0o600)).unwrap();
    run(&cert, &cert).complains("has no key in PEM");
    run("/nowhere", &key).complains("cannot read /nowhere");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = run(&cert, &key).complains("others may read the key");
    host.follow(&told.stderr, Hint("chmod o-rwx {}")).ended(0);
    let mode = Path::new(&key).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}
