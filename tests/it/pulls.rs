//! `publish`, `pull`, `hold` and `resume` on a real supervisord, with bundles that ssh-keygen signs.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests")]

mod empty;
mod from_stores;
mod hostile;
mod killed;
mod others;
mod release;
mod rolled_back;
mod taken_up;
mod told;
mod waves;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::site::{Host, Run};

/// Who signs.
const IDENTITY: &str = "deploy@example.com";

/// So that a test waits no longer than it must.
const IMPATIENT: &str = "defaults: {startretries: 0, health: {stable_for: 0}}";

/// What somebody has around them who publishes or pulls.
type Variables = BTreeMap<OsString, OsString>;

/// A host that pulls, with a worker and a program that crashes on each of two sites.
pub(crate) struct Pulling {
    pub(crate) host: Host,
    /// The store, as `publish` and `pull.yml` call it.
    pub(crate) source: String,
    publisher: Variables,
    puller: Variables,
}

impl Pulling {
    /// From a folder.
    pub(crate) fn start() -> Option<Self> {
        let host = Host::start()?;
        let source = host.path("store").display().to_string();
        Some(Self::on(host, source, [Variables::new(), Variables::new()]))
    }

    /// From this store, with what those who publish and those who pull have around them.
    fn on(host: Host, source: String, [publisher, puller]: [Variables; 2]) -> Self {
        for domain in ["a.com", "b.com"] {
            host.deploy(domain).worker("w");
            host.deployed(domain).crasher("bad");
        }
        let pulling = Self { host, source, publisher, puller };
        pulling.make_key("key");
        pulling.allow("key", "");
        pulling.configure("host: here\n");
        pulling
    }

    fn path(&self, name: &str) -> PathBuf {
        self.host.path("home").join(name)
    }

    /// The folder that is the store.
    pub(crate) fn store(&self) -> PathBuf {
        self.host.path("store")
    }

    fn make_key(&self, name: &str) {
        let path = self.path(name);
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(path);
        assert!(keygen.status().unwrap().success());
    }

    /// Lets this key sign as [`IDENTITY`], with these options, and no other.
    fn allow(&self, key: &str, options: &str) {
        let public = std::fs::read_to_string(self.path(&format!("{key}.pub"))).unwrap();
        std::fs::write(self.path("allowed"), format!("{IDENTITY} {options}{public}")).unwrap();
    }

    /// Writes `pull.yml` with these lines besides.
    fn configure(&self, rest: &str) {
        self.configure_as("pull.yml", "pulled", rest);
    }

    fn configure_as(&self, file: &str, state: &str, rest: &str) {
        let text = format!(
            "source: {}\nidentity: {IDENTITY}\nallowed_signers: {}\nstate_dir: {}\n{rest}",
            self.source,
            self.path("allowed").display(),
            self.host.path(state).display(),
        );
        std::fs::write(self.path(file), text).unwrap();
    }

    /// Writes the inventory: these programs on each site, by its domain.
    pub(crate) fn wants(&self, sites: &[(&str, &[&str])]) {
        self.wants_with("", sites);
    }

    fn wants_with(&self, top: &str, sites: &[(&str, &[&str])]) {
        let sites: String = sites.iter().map(|(domain, programs)| site(domain, programs)).collect();
        self.host.inventory_with(&format!("{IMPATIENT}\n{top}"), &sites);
    }

    /// `publish`, without the binaries: those of a test are large.
    pub(crate) fn publish(&self, rest: &[&str]) -> Run {
        let key = self.path("key").display().to_string();
        let fixed = ["publish", &self.source, "--key", &key, "--yes", "--no-binaries"];
        self.run_as(&self.publisher, &[&fixed, rest].concat())
    }

    /// `status --pull`.
    pub(crate) fn fleet(&self, rest: &[&str]) -> Run {
        self.run_as(&self.publisher, &[&["status", "--pull", &self.source], rest].concat())
    }

    fn run_as(&self, variables: &Variables, arguments: &[&str]) -> Run {
        let mut invocation = self.host.command(arguments);
        for (name, value) in variables {
            invocation.env(name.to_str().unwrap(), value);
        }
        invocation.run()
    }

    pub(crate) fn pull(&self, rest: &[&str]) -> Run {
        self.pull_as("pull.yml", rest)
    }

    fn pull_as(&self, file: &str, rest: &[&str]) -> Run {
        let config = self.path(file).display().to_string();
        self.run_as(&self.puller, &[&["pull", "--config", &config], rest].concat())
    }

    /// `hold` or `resume`.
    pub(crate) fn holds(&self, arguments: &[&str]) -> Run {
        let config = self.path("pull.yml").display().to_string();
        self.host.run(&[arguments, &["--config", &config]].concat())
    }

    fn read(&self, object: &str) -> Vec<u8> {
        std::fs::read(self.store().join(object)).unwrap()
    }

    pub(crate) fn write(&self, object: &str, bytes: &[u8]) {
        let path = self.store().join(object);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The last bundle, and its digest.
    pub(crate) fn latest(&self) -> (Value, String) {
        let latest: Value = serde_json::from_slice(&self.read("latest.json")).unwrap();
        let digest = latest["bundle"].as_str().unwrap().to_owned();
        let bundle = self.read(&format!("bundles/{digest}.json"));
        (serde_json::from_slice(&bundle).unwrap(), digest)
    }

    /// Puts a bundle as somebody would who has this key, signed for this purpose.
    fn forge(&self, change: impl FnOnce(&mut Value), (key, namespace): (&str, &str)) -> String {
        let (mut bundle, _) = self.latest();
        change(&mut bundle);
        let bytes = serde_json::to_vec(&bundle).unwrap();
        let digest = digest(&bytes);
        let file = self.path("forged");
        std::fs::write(&file, &bytes).unwrap();
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(self.path(key)).arg(&file);
        assert!(keygen.output().unwrap().status.success());
        self.write(&format!("bundles/{digest}.json"), &bytes);
        let signature = std::fs::read(self.path("forged.sig")).unwrap();
        std::fs::remove_file(self.path("forged.sig")).unwrap();
        self.write(&format!("bundles/{digest}.sig"), &signature);
        let serial = bundle["serial"].clone();
        self.write(
            "latest.json",
            serde_json::json!({"bundle": digest, "serial": serial}).to_string().as_bytes(),
        );
        digest
    }

    /// The same by who may.
    fn change(&self, change: impl FnOnce(&mut Value)) -> String {
        self.forge(change, ("key", "supervisor-sync"))
    }

    /// What the host says of itself in the store.
    fn status(&self) -> Value {
        self.status_of("here")
    }

    fn status_of(&self, host: &str) -> Value {
        serde_json::from_slice(&self.read(&format!("status/{host}.json"))).unwrap()
    }

    /// Fails the test unless `work` leaves every file of the host's sites and daemon, and each process, as it is.
    #[track_caller]
    fn changes_nothing<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.host.snapshot();
        let done = work();
        let after = self.host.snapshot();
        assert_eq!(before.processes, after.processes);
        let is_own = |path: &PathBuf| {
            let below = path.strip_prefix(self.host.path("")).unwrap_or(path);
            ["pulled", "store", "home", "away"]
                .iter()
                .any(|own| below.to_string_lossy().starts_with(own))
        };
        let of = |snapshot: crate::site::Snapshot| {
            let files = snapshot.files.into_iter().filter(|(path, _)| !is_own(path));
            files.collect::<std::collections::BTreeMap<_, _>>()
        };
        let (before, after) = (of(before), of(after));
        assert!(before.keys().eq(after.keys()), "{:?}", after.keys());
        for (path, then) in &before {
            assert_eq!(Some(then), after.get(path), "{}", path.display());
        }
        done
    }
}

/// One of each kind of document that these verbs print.
pub(crate) fn documents() -> Option<String> {
    let pulling = Pulling::start()?;
    pulling.wants(&[("a.com", &[WORKER])]);
    let runs = [
        pulling.publish(&["--json"]),
        pulling.pull(&["--json"]),
        pulling.holds(&["hold", "the sale", "--json"]),
        pulling.fleet(&["--json"]),
    ];
    Some(runs.into_iter().map(|run| run.ended(0).stdout).collect())
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn site(domain: &str, programs: &[&str]) -> String {
    let lines: String = programs.iter().map(|program| format!("      - {{{program}}}\n")).collect();
    match programs {
        [] => format!("  - {{domain: {domain}, server: here, supervisors: []}}\n"),
        _ => format!("  - domain: {domain}\n    server: here\n    supervisors:\n{lines}"),
    }
}

pub(crate) const WORKER: &str = "program: w, script: w.sh";
pub(crate) const CRASHER: &str = "program: w, script: bad.sh";
