//! A real nginx before it, with the configuration that docs/web-access.md shows: TLS, who it says that asks, and
//! what comes as it happens.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::access::{PASSWORD, USERS, start_with_file, two_sites, write_users};
use super::{Answer, Web, wait_until};
use crate::daemon::{PATIENCE, signal};
use crate::site::Host;
use crate::sshd::free_port;

const PAGE: &str = include_str!("../../../docs/web-access.md");
const NAME: &str = "fleet.example.com";
const SECRET_OF_PROXY: &str = "4f0c2b7e9d1a6358";

/// The block of the page that begins so.
fn of_page(begin: &str) -> String {
    let (_, rest) = PAGE.split_once(&format!("\n{begin}")).unwrap();
    let (block, _) = rest.split_once("\n```").unwrap();
    format!("{begin}{block}\n")
}

/// Makes a certificate for the name and this machine.
pub(super) fn certify(cert: &Path, key: &Path) {
    let names = format!("subjectAltName=DNS:{NAME},DNS:localhost,IP:127.0.0.1");
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-nodes", "-days", "2", "-subj", "/CN=fleet", "-addext", &names]);
    let made = openssl.arg("-keyout").arg(key).arg("-out").arg(cert).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// What curl gets, with the head of the answer.
pub(super) fn curl(cert: &Path, port: u16, path: &str, more: &[&str]) -> Answer {
    let output = Command::new("curl")
        .args(["-sS", "--http1.1", "--max-time", "20", "-i", "--noproxy", "*", "--cacert"])
        .arg(cert)
        .args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")])
        .args(more)
        .arg(format!("https://{NAME}:{port}{path}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Answer::parse(&String::from_utf8_lossy(&output.stdout))
}

/// nginx before a web view.
struct Nginx {
    root: TempDir,
    port: u16,
    child: Child,
}

impl Nginx {
    /// With the server of the page, changed so.
    fn start(web: &Web, change: impl Fn(String) -> String) -> Self {
        let folder = tempfile::Builder::new().prefix("web").tempdir_in("/tmp").unwrap();
        let (root, port) = (folder.path().display().to_string(), free_port());
        certify(&folder.path().join("cert.pem"), &folder.path().join("key.pem"));
        let hashed = Command::new("openssl").args(["passwd", "-apr1", PASSWORD]).output().unwrap();
        let hashed = String::from_utf8(hashed.stdout).unwrap();
        let logins: String =
            ["ann", "lim", "stranger"].map(|name| format!("{name}:{}\n", hashed.trim())).concat();
        std::fs::write(folder.path().join("fleet.htpasswd"), logins).unwrap();
        let server = change(of_page("server {"))
            .replace("/etc/ssl/fleet/", &format!("{root}/"))
            .replace("/etc/nginx/", &format!("{root}/"))
            .replace("127.0.0.1:9190", &web.address)
            .replace("listen 443 ssl;", &format!("listen 127.0.0.1:{port} ssl;"));
        // Or its worker would be nobody, who has no way into a temporary folder.
        let user = if supervisor_sync::system::users::is_root() { "user root;" } else { "" };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {root}/{name};\n"))
            .concat();
        let config = format!(
            "{user}\ndaemon off;\nworker_processes 1;\npid {root}/pid;\nerror_log stderr;\n\
             events {{}}\nhttp {{\naccess_log {root}/access.log;\n{temporary}{server}\n}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let child = Command::new("nginx")
            .args(["-e", "stderr", "-p", &root, "-c", &format!("{root}/nginx.conf")])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        wait_until(PATIENCE, "nginx answers", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { root: folder, port, child }
    }

    fn curl(&self, path: &str, more: &[&str]) -> Answer {
        curl(&self.root.path().join("cert.pem"), self.port, path, more)
    }

    fn origin(&self) -> String {
        format!("https://{NAME}:{}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed, it would leave its workers behind.
        signal(self.child.id(), rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

fn are_there() -> bool {
    ["nginx", "openssl", "curl"].iter().all(|program| {
        let is_there = Command::new(program).arg("-version").output().is_ok();
        if !is_there {
            crate::python::missing(program);
        }
        is_there
    })
}

/// The page's file of users, with those of the tests.
fn behind_nginx(host: &Host) -> Web {
    let proxy = of_page("names: [fleet.example.com]");
    write_users(host, &format!("{USERS}{proxy}"));
    start_with_file(host, &["--allow", "restart"])
}

#[test]
fn nginx_says_who_asks() {
    if !are_there() {
        return;
    }
    let host = or_skip!(two_sites());
    let web = behind_nginx(&host);
    let nginx = Nginx::start(&web, |server| server);
    let ann = ["-u", &format!("ann:{PASSWORD}")];
    let mut page = String::new();
    wait_until(PATIENCE, "the page is there", || {
        page = nginx.curl("/", &ann).body;
        page.contains("RUNNING x2")
    });
    assert!(page.contains("ann") && page.contains("other.example"), "{page}");
    assert!(!page.contains("/sign-out"), "that is for the proxy to do: {page}");
    assert_eq!(nginx.curl("/", &[]).status, 401);
    assert_eq!(nginx.curl("/", &["-u", "ann:wrong"]).status, 401);
    // Whoever nginx knows and the file does not is nobody.
    let stranger = format!("stranger:{PASSWORD}");
    assert_eq!(nginx.curl("/", &["-u", &stranger]).status, 401);
    let lim = format!("lim:{PASSWORD}");
    let limited = nginx.curl("/api/status", &["-u", &lim]);
    assert_eq!(limited.status, 200);
    assert!(!limited.body.contains("other.example"), "{}", limited.body);
    // What a browser says of itself is replaced.
    let forged = ["-u", &lim, "-H", "X-Forwarded-User: ann", "-H", "X-Forwarded-For: 203.0.113.9"];
    assert!(!nginx.curl("/api/status", &forged).body.contains("other.example"));
    // A form comes through, with the name of the browser's own page.
    let form = ["--data", "do=restart&site=shop.example&program=mail"];
    let from = |origin: &str| {
        let origin = format!("Origin: {origin}");
        nginx.curl("/plans", &[&ann[..], &form, &["-H", &origin]].concat())
    };
    assert_eq!(from(&nginx.origin()).status, 303);
    assert_eq!(from("https://evil.example").status, 403);
    web.end();
}

/// What comes as it happens comes through.
#[test]
fn events_come_through_nginx() {
    if !are_there() {
        return;
    }
    let host = or_skip!(two_sites());
    let web = behind_nginx(&host);
    let nginx = Nginx::start(&web, |server| server);
    let heard = nginx.root.path().join("heard");
    let mut follower = Command::new("curl")
        .args(["-sSN", "--http1.1", "--noproxy", "*", "--cacert"])
        .arg(nginx.root.path().join("cert.pem"))
        .args(["--resolve", &format!("{NAME}:{}:127.0.0.1", nginx.port)])
        .args(["-u", &format!("ann:{PASSWORD}"), "-o"])
        .arg(&heard)
        .arg(format!("{}/live", nginx.origin()))
        .spawn()
        .unwrap();
    wait_until(PATIENCE, "a change is told", || {
        std::fs::read_to_string(&heard).is_ok_and(|heard| heard.contains("event: changed"))
    });
    follower.kill().unwrap();
    follower.wait().unwrap();
    web.end();
}

/// Only who was named is believed, and only with the secret.
#[test]
fn header_of_others_is_not_believed() {
    if !are_there() {
        return;
    }
    let host = or_skip!(two_sites());
    let web = behind_nginx(&host);
    let ask = |headers: &str| web.ask("GET", "/", headers).status;
    let secret = format!("X-Proxy-Secret: {SECRET_OF_PROXY}\r\n");
    assert_eq!(ask(&format!("X-Forwarded-User: ann\r\n{secret}")), 200);
    for headers in [
        "X-Forwarded-User: ann\r\n".to_owned(),
        "X-Forwarded-User: ann\r\nX-Proxy-Secret: 4f0c2b7e9d1a6359\r\n".to_owned(),
        "X-Forwarded-User: ann\r\nX-Proxy-Secret: \r\n".to_owned(),
        format!("X-Forwarded-User: ann\r\nX-Forwarded-User: oz\r\n{secret}"),
        format!("X-Forwarded-User: \r\n{secret}"),
        format!("X-Forwarded-User: root\r\n{secret}"),
        format!("X-Remote-User: ann\r\n{secret}"),
    ] {
        assert_eq!(ask(&headers), 401, "{headers}");
    }
    web.end();
    // From another address than the one that was named it says nothing.
    write_users(&host, &format!("{USERS}proxy: {{from: [192.0.2.7], header: X-Forwarded-User}}\n"));
    let web = start_with_file(&host, &[]);
    assert_eq!(web.ask("GET", "/", "X-Forwarded-User: ann\r\n").status, 401);
    web.end();
}

/// A proxy for TLS alone: people sign in here, their cookie is for TLS, and tries are counted by browser.
#[test]
fn people_sign_in_behind_nginx() {
    if !are_there() {
        return;
    }
    let host = or_skip!(two_sites());
    write_users(&host, &format!("{USERS}names: [{NAME}]\nproxy: {{from: [127.0.0.1]}}\n"));
    let web = start_with_file(&host, &[]);
    let without = ["auth_basic", "X-Forwarded-User", "X-Proxy-Secret"];
    let nginx = Nginx::start(&web, |server| {
        let is_meant = |line: &&str| without.iter().all(|part| !line.contains(part));
        server.lines().filter(is_meant).map(|line| line.to_owned() + "\n").collect()
    });
    let origin = format!("Origin: {}", nginx.origin());
    let sign_in = |form: &str| nginx.curl("/sign-in", &["-H", &origin, "--data", form]);
    let answer = sign_in(&format!("name=ann&password={}", PASSWORD.replace(' ', "+")));
    assert_eq!(answer.status, 303, "{answer:?}");
    let set = answer.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-") && set.ends_with("; Secure"), "{set}");
    let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
    assert_eq!(nginx.curl("/", &["-H", &cookie]).status, 200);
    assert_eq!(nginx.curl("/", &["-H", &cookie.replace("__Host-", "")]).status, 401);
    let audit = std::fs::read_to_string(host.path("audit.jsonl")).unwrap();
    assert!(audit.contains("\"from\":\"127.0.0.1\""), "{audit}");
    // Another name does not lead here, whoever has it lead here.
    assert_eq!(nginx.curl("/", &["-H", "Host: evil.example"]).status, 421);
    web.end();
}
