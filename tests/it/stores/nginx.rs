//! A real nginx with the configuration that docs/stores.md shows, over TLS on a port of this machine.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use supervisor_sync::store::{Access, Location};
use tempfile::TempDir;

use super::{AnyStore, ObjectName, Part, Served, access, of_page};
use crate::daemon::{PATIENCE, wait_until};
use crate::sshd::free_port;

/// The password of the publisher, which nothing may show.
pub(super) const PASSWORD: &str = "S3CRET/of:publisher";
/// The password of the hosts.
pub(super) const HOSTS_PASSWORD: &str = "S3CRET-of-hosts";

pub(crate) struct Nginx {
    root: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Nginx {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Where its objects are.
    pub(super) fn object(&self, name: &str) -> PathBuf {
        self.path("srv/bundles").join(name)
    }

    /// What has been sent of objects that are not there as a whole yet.
    pub(super) fn partial(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("srv/bundles.partial")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// What somebody with this login has around them; without one, nobody's.
    pub(super) fn access(&self, login: Option<(&str, &str)>) -> Access {
        let home = tempfile::tempdir_in(self.root.path()).unwrap().keep();
        if let Some((user, password)) = login {
            let netrc = format!("machine 127.0.0.1 login {user} password {password}\n");
            std::fs::write(home.join(".netrc"), netrc).unwrap();
        }
        let mut access = access(&home.join("cache"));
        access.environment.insert("HOME".into(), home.into());
        access.environment.insert("CURL_CA_BUNDLE".into(), self.path("cert.pem").into());
        access
    }

    pub(super) fn open_as(&self, login: Option<(&str, &str)>) -> AnyStore {
        self.open_with(self.access(login))
    }

    pub(super) fn open_with(&self, access: Access) -> AnyStore {
        Location::parse(&self.url()).unwrap().open_with(access)
    }

    /// Begins to listen.
    pub(super) fn serve(&mut self) {
        let child = Command::new("nginx")
            .args(["-e", "stderr", "-p"])
            .arg(self.root.path())
            .arg("-c")
            .arg(self.path("nginx.conf"))
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(self.path("log")).unwrap())
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_until(PATIENCE, "nginx answers", || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// Ends it with all that it has open.
    pub(super) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // Killed, it would leave its workers behind.
        crate::daemon::signal(child.id(), rustix::process::Signal::TERM);
        child.wait().unwrap();
    }

    /// Writes its configuration: the page's, with our paths, and more for its server.
    fn configure(&self, more: &str) {
        let root = self.root.path().display();
        let server = of_page("server {")
            .replace("/srv/", &format!("{root}/srv/"))
            .replace("/etc/nginx/", &format!("{root}/"))
            .replace("/etc/ssl/", &format!("{root}/"))
            .replace("listen 443 ssl;", &format!("listen 127.0.0.1:{} ssl;\n{more}", self.port));
        // Or its worker would be nobody, who has no way into a temporary folder.
        let user = if supervisor_sync::system::users::is_root() { "user root;" } else { "" };
        let temporary: String = ["proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {root}/{name};\n"))
            .concat();
        let config = format!(
            "{user}\ndaemon off;\nworker_processes 1;\npid {root}/pid;\nerror_log stderr;\n\
             events {{}}\nhttp {{\naccess_log {root}/access.log;\n{temporary}{server}\n}}\n"
        );
        std::fs::write(self.path("nginx.conf"), config).unwrap();
    }

    /// One with more lines in its server.
    pub(super) fn start_with(more: &str) -> Option<Self> {
        for program in ["nginx", "openssl", "curl"] {
            if Command::new(program).arg("-version").output().is_err() {
                crate::python::missing(program);
                return None;
            }
        }
        let root = tempfile::Builder::new().prefix("web").tempdir_in("/tmp").unwrap();
        let mut nginx = Self { root, port: free_port(), child: None };
        std::fs::create_dir_all(nginx.object("")).unwrap();
        certify(&nginx.path("cert.pem"), &nginx.path("key.pem"));
        let logins =
            [("publisher", PASSWORD), ("hosts", HOSTS_PASSWORD)].map(|(user, password)| {
                let hashed =
                    Command::new("openssl").args(["passwd", "-apr1", password]).output().unwrap();
                format!("{user}:{}", String::from_utf8(hashed.stdout).unwrap())
            });
        std::fs::write(nginx.path("publishers"), &logins[0]).unwrap();
        std::fs::write(nginx.path("hosts"), logins.concat()).unwrap();
        nginx.configure(more);
        nginx.serve();
        Some(nginx)
    }
}

impl Part for Nginx {
    fn start() -> Option<Self> {
        Self::start_with("")
    }

    fn open(&self) -> AnyStore {
        self.open_as(Some(("publisher", PASSWORD)))
    }

    fn plant_long(&self, name: &ObjectName, length: u64) {
        std::fs::File::create(self.object(name.as_str())).unwrap().set_len(length).unwrap();
    }
}

impl Served for Nginx {
    fn location(&self) -> String {
        self.url()
    }

    fn accesses(&self) -> [Access; 2] {
        [("publisher", PASSWORD), ("hosts", HOSTS_PASSWORD)].map(|login| self.access(Some(login)))
    }

    fn asked(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("access.log")).unwrap();
        let request = |line: &str| {
            let (_, rest) = line.split_once('"').unwrap();
            let (request, rest) = rest.split_once('"').unwrap();
            format!("{request} {}", rest.split_whitespace().next().unwrap())
        };
        log.lines().map(request).collect()
    }

    const NOTHING_NEW: &'static str = "GET /latest.json HTTP/1.1 304";

    fn stop(&mut self) {
        Self::stop(self);
    }

    fn serve(&mut self) {
        Self::serve(self);
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes a certificate for this machine that signs itself.
fn certify(certificate: &Path, key: &Path) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args(["-days", "30", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-out")
        .arg(certificate)
        .arg("-keyout")
        .arg(key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
